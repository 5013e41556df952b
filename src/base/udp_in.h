/* udp_in: datagrams that come in, many with one system call, with what the kernel dropped. */
#ifndef TW_BASE_UDP_IN_H
#define TW_BASE_UDP_IN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/socket.h>

struct tw__udp_in;

struct tw__datagram_in {
    const uint8_t *ptr; /* until the next read */
    size_t len;
    bool cut;                    /* it was longer than a datagram can be here */
    const struct sockaddr *from; /* NULL: nobody asked */
};

/* Asks the kernel for a large buffer, unless it is large already. Root gets it, others what the system allows
 * (net.core.rmem_max). */
void tw__udp_in_ask_buffer(int fd);

/* Reads from fd, which stays the caller's, up to count at once. Asks the kernel for a large buffer. with_from: who sent
 * each is wanted. NULL: no memory.
 * Cost     64 KiB of address space for each of count; memory for what comes. */
struct tw__udp_in *tw__udp_in_new(int fd, size_t count, bool with_from);
void tw__udp_in_free(struct tw__udp_in *in);

/* Takes what is waiting, without waiting itself. Returns how many; 0: nothing is there. */
size_t tw__udp_in_read(struct tw__udp_in *in);
void tw__udp_in_get(const struct tw__udp_in *in, size_t index, struct tw__datagram_in *out);

/* How many the kernel had dropped since the socket was opened, at the last read. */
uint64_t tw__udp_in_dropped(const struct tw__udp_in *in);
/* Bytes of the kernel's buffer. */
int tw__udp_in_buffer(const struct tw__udp_in *in);

/* Waits until something is there or wake_fd can be read. Returns whether something is there. */
bool tw__udp_in_wait(struct tw__udp_in *in, int wake_fd, int timeout_ms);

#endif
