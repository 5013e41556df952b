/* listen: addresses as people write them, bound. */
#ifndef TW_INGEST_LISTEN_H
#define TW_INGEST_LISTEN_H

#include <stdbool.h>
#include <stddef.h>

#include <sys/socket.h>

#include <trackway/read.h>

enum { TW__HOST_MAX = 64 };

/* "127.0.0.1:4318", "[::1]:4318", "localhost:4318", ":4318" (every address of the machine), "4318" (the loopback). */
struct tw__listen_address {
    char host[TW__HOST_MAX]; /* numeric; empty: every address */
    unsigned port;           /* 0: any that is free */
    struct sockaddr_storage address;
    socklen_t len;
};

/* Returns  0, or TW_ERR_SYNTAX: not in one of these forms. Names other than localhost are not looked up. */
int tw__listen_parse(const char *text, struct tw__listen_address *out);

/* Whether only this host can reach it. */
bool tw__listen_is_loopback(const struct tw__listen_address *address);

/* Opens and binds a socket, non-blocking; a stream listens. type: SOCK_STREAM or SOCK_DGRAM.
 * Returns  the descriptor, or TW_ERR_SYNTAX, TW_ERR_SYSTEM, TW_ERR_PERMISSION with why in words. */
int tw__listen_open(const char *text, int type, char why[TW_WHY_MAX]);

/* Where a socket is: "127.0.0.1:4318". */
void tw__listen_where(int fd, char *text, size_t cap);
/* Whether only this host can reach a socket, by the address it is bound to. */
bool tw__listen_fd_is_loopback(int fd);

#endif
