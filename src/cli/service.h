/* service: what a service manager and the system give a daemon and expect of it. For src/cli alone.
 *
 * systemd's protocols by hand (sd_listen_fds(3), sd_notify(3)): two variables and a datagram. */
#ifndef TW_CLI_SERVICE_H
#define TW_CLI_SERVICE_H

#include "serve/doors.h"

enum { TW__INHERITED_MAX = 16 };

/* Sockets of LISTEN_FDS, named by LISTEN_FDNAMES. Returns how many; they are the caller's. */
size_t tw__service_sockets(struct tw__inherited *sockets, size_t cap);

/* Tells NOTIFY_SOCKET: "READY=1", "STOPPING=1", ... Nothing happens without one. */
void tw__service_notify(const char *state);

/* Started as root: becomes the user, or, without a user and without an account "trackway", stays root without root's
 * powers. What is kept is the right to read others' files (their recordings), where segments says that it is needed.
 * folder becomes the user's. Does nothing for anybody but root. Before any thread is made.
 * Returns  0, or an error with why. */
int tw__service_drop_root(const char *user, const char *folder, bool segments, char why[TW_WHY_MAX]);

/* Writes a file so that whoever sees it sees all of it. Returns 0 or an error with why. */
int tw__service_write_file(const char *path, const void *bytes, size_t len, char why[TW_WHY_MAX]);

#endif
