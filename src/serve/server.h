/* server: the collector: store, doors, and the HTTP address, from settings.
 *
 *     tw__server_bind -> (drop privileges) -> tw__server_open -> ... -> tw__server_drain -> tw__server_close
 */
#ifndef TW_SERVE_SERVER_H
#define TW_SERVE_SERVER_H

#include "base/buf.h"
#include "serve/doors.h"
#include "serve/settings.h"

struct tw__server;

/* Checks the settings with each other, reads tokens, binds every socket. settings outlive the server.
 * Returns  0 and *out, or an error with why in words. */
int tw__server_bind(const struct tw__settings *settings, struct tw__inherited *inherited, size_t inherited_count,
                    struct tw__server **out, char why[TW_WHY_MAX]);
/* Opens the store, the doors, and the HTTP address. Starts threads. */
int tw__server_open(struct tw__server *server, char why[TW_WHY_MAX]);

/* What bind checks, without binding: for --check. */
int tw__server_check(const struct tw__settings *settings, char why[TW_WHY_MAX]);

/* Five lines that say where everything is. */
void tw__server_describe(const struct tw__server *server, struct tw__buf *out);
/* The same as one JSON object: names of settings and where they are bound. */
void tw__server_describe_json(const struct tw__server *server, struct tw__buf *out);
/* Reads certificates again. Returns how many could not be; why tells of the first. */
int tw__server_reload(struct tw__server *server, char why[TW_WHY_MAX]);
/* Nothing new comes in; waits until what was under way is done, at most until a time on CLOCK_MONOTONIC.
 * Returns whether everything was done. */
bool tw__server_drain(struct tw__server *server, uint64_t until_mono_ns);
/* The doors at which something is still under way, after a drain that returned false: their names, with commas. */
void tw__server_describe_busy(const struct tw__server *server, struct tw__buf *out);
/* Ends everything, writes into blocks what the store has. NULL is nothing. */
void tw__server_close(struct tw__server *server);

#endif
