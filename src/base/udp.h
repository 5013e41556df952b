/* udp: datagrams to one address, without ever waiting. */
#ifndef TW_BASE_UDP_H
#define TW_BASE_UDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/socket.h>

enum { TW__UDP_BATCH = 48, TW__UDP_ADDRESS_MAX = 64 };

struct tw__udp {
    int fd; /* -1: closed */
};

struct tw__datagram {
    const void *ptr;
    size_t len;
};

/* Splits "host:port", "[::1]:port", "host" or "::1" (then usual) into texts with NUL; brackets are taken off. False: it
 * is none of them, or too long. */
bool tw__udp_split(const char *address, const char *usual, char *host, size_t host_cap, char *port, size_t port_cap);

/* Opens a socket that is connected to the address, so that refusals are heard of. Returns 0 or an errno value. */
int tw__udp_connect(struct tw__udp *udp, const struct sockaddr *address, socklen_t len);
void tw__udp_close(struct tw__udp *udp);

/* Where it sends from: "192.0.2.7:40123", "[::1]:40123". Returns the length; 0 and "" when it is closed. */
size_t tw__udp_local(const struct tw__udp *udp, char text[TW__UDP_ADDRESS_MAX]);

/* Hands count (at most TW__UDP_BATCH) datagrams to the kernel. Returns how many it took; when fewer, *error is the
 * errno of the first that it did not take: EAGAIN the buffer is full, EMSGSIZE too long, ECONNREFUSED nobody
 * listens. */
size_t tw__udp_send(struct tw__udp *udp, const struct tw__datagram *datagrams, size_t count, int *error);

/* The refusal that came in since the last call; an errno value, 0: none. */
int tw__udp_error(struct tw__udp *udp);

#endif
