/* udp_in: see the header. recvmmsg into fixed places; the count of drops comes with each datagram (SO_RXQ_OVFL), as 32 bits that
 * wrap. */
#define _GNU_SOURCE
#include "base/udp_in.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

enum { DATAGRAM_BYTES = 65536, BUFFER_BYTES = 32 << 20, CONTROL_BYTES = 64 };

struct tw__udp_in {
    int fd;
    size_t count;
    uint64_t dropped;
    uint32_t dropped_low;
    struct mmsghdr *messages;
    struct iovec *places;
    struct sockaddr_storage *from;
    uint8_t (*control)[CONTROL_BYTES];
    uint8_t *bytes;
};

struct tw__udp_in *tw__udp_in_new(int fd, size_t count)
{
    int on = 1, size = BUFFER_BYTES;
    struct tw__udp_in *in = calloc(1, sizeof *in);
    if (!in) return NULL;
    in->fd = fd;
    in->count = count;
    in->messages = calloc(count, sizeof *in->messages);
    in->places = calloc(count, sizeof *in->places);
    in->from = calloc(count, sizeof *in->from);
    in->control = calloc(count, sizeof *in->control);
    in->bytes = malloc(count * DATAGRAM_BYTES);
    if (!in->messages || !in->places || !in->from || !in->control || !in->bytes) {
        tw__udp_in_free(in);
        return NULL;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on);
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size); /* as much as the system allows */
    return in;
}

void tw__udp_in_free(struct tw__udp_in *in)
{
    if (!in) return;
    free(in->messages);
    free(in->places);
    free(in->from);
    free(in->control);
    free(in->bytes);
    free(in);
}

static void note_drops(struct tw__udp_in *in, struct msghdr *message)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        uint32_t now;
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SO_RXQ_OVFL) continue;
        memcpy(&now, CMSG_DATA(c), sizeof now);
        in->dropped += (uint32_t)(now - in->dropped_low);
        in->dropped_low = now;
    }
}

size_t tw__udp_in_read(struct tw__udp_in *in)
{
    for (size_t i = 0; i < in->count; i++) {
        in->places[i] = (struct iovec){in->bytes + i * DATAGRAM_BYTES, DATAGRAM_BYTES};
        in->messages[i].msg_hdr = (struct msghdr){.msg_name = &in->from[i],
                                                  .msg_namelen = sizeof in->from[i],
                                                  .msg_iov = &in->places[i],
                                                  .msg_iovlen = 1,
                                                  .msg_control = in->control[i],
                                                  .msg_controllen = CONTROL_BYTES};
    }
    int got = recvmmsg(in->fd, in->messages, (unsigned)in->count, MSG_DONTWAIT, NULL);
    for (int i = 0; i < got; i++) note_drops(in, &in->messages[i].msg_hdr);
    return got < 0 ? 0 : (size_t)got;
}

void tw__udp_in_get(const struct tw__udp_in *in, size_t index, struct tw__datagram_in *out)
{
    out->ptr = in->bytes + index * DATAGRAM_BYTES;
    out->len = in->messages[index].msg_len;
    out->cut = (in->messages[index].msg_hdr.msg_flags & MSG_TRUNC) != 0;
    out->from = (const struct sockaddr *)&in->from[index];
}

uint64_t tw__udp_in_dropped(const struct tw__udp_in *in)
{
    return in->dropped;
}

int tw__udp_in_buffer(const struct tw__udp_in *in)
{
    int size = 0;
    socklen_t len = sizeof size;
    return getsockopt(in->fd, SOL_SOCKET, SO_RCVBUF, &size, &len) < 0 ? 0 : size;
}

bool tw__udp_in_wait(struct tw__udp_in *in, int wake_fd, int timeout_ms)
{
    struct pollfd polled[] = {{.fd = in->fd, .events = POLLIN}, {.fd = wake_fd, .events = POLLIN}};
    return poll(polled, wake_fd >= 0 ? 2 : 1, timeout_ms) > 0 && (polled[0].revents & POLLIN);
}
