/* udp: datagrams to one address, without ever waiting. */
#ifndef TW_BASE_UDP_H
#define TW_BASE_UDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TW__UDP_BATCH = 48 };

struct tw__udp {
    int fd; /* -1: closed */
    uint64_t resolved_ns;
};

struct tw__datagram {
    const void *ptr;
    size_t len;
};

/* Resolves "host:port", "[::1]:port" or "host" (then port) and connects a socket. A name may take the resolver's time: not for
 * the program's threads. Returns 0 or an errno value; EINVAL: the address is not understood; ENOENT: no such host. */
int tw__udp_open(struct tw__udp *udp, const char *address, const char *port, uint64_t now_ns);
void tw__udp_close(struct tw__udp *udp);

/* Hands count (at most TW__UDP_BATCH) datagrams to the kernel. Returns how many it took; when fewer, *error is the errno of the
 * first that it did not take: EAGAIN the buffer is full, EMSGSIZE too long, ECONNREFUSED nobody listens. */
size_t tw__udp_send(struct tw__udp *udp, const struct tw__datagram *datagrams, size_t count, int *error);

#endif
