/* udp_in: see the header. recvmmsg into fixed places. How many were dropped is asked once a read (SO_MEMINFO), as 32
 * bits that wrap.
 *
 * Places are a few lines more than 64 KiB apart: datagrams are small, and at the same distance from a power of two
 * their first lines would all want the same few places of the cache.
 * Rejected: SO_RXQ_OVFL, by which the kernel tells its drops beside each datagram. That costs an eighth of receiving
 * one, and it says nothing of what was dropped last until something comes again. */
#define _GNU_SOURCE
#include "base/udp_in.h"

#include <linux/sock_diag.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

enum { DATAGRAM_BYTES = 65536, PLACE_BYTES = DATAGRAM_BYTES + 17 * 64, BUFFER_BYTES = 64 << 20 };

struct tw__udp_in {
    int fd;
    size_t count, used; /* places; those that have to be made ready again */
    uint64_t dropped;
    uint32_t dropped_low;
    struct mmsghdr *messages;
    struct iovec *places;
    struct sockaddr_storage *from;
    uint8_t *bytes;
};

void tw__udp_in_ask_buffer(int fd)
{
    int size = BUFFER_BYTES, has = 0;
    socklen_t len = sizeof has;
    if (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &has, &len) == 0 && has >= size) return;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size); /* as much as the system allows */
}

struct tw__udp_in *tw__udp_in_new(int fd, size_t count, bool with_from)
{
    struct tw__udp_in *in = calloc(1, sizeof *in);
    if (!in) return NULL;
    in->fd = fd;
    in->count = count;
    in->messages = calloc(count, sizeof *in->messages);
    in->places = calloc(count, sizeof *in->places);
    in->from = calloc(count, sizeof *in->from);
    in->bytes = malloc(count * PLACE_BYTES);
    if (!in->messages || !in->places || !in->from || !in->bytes) {
        tw__udp_in_free(in);
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        in->places[i] = (struct iovec){in->bytes + i * PLACE_BYTES, DATAGRAM_BYTES};
        in->messages[i].msg_hdr = (struct msghdr){.msg_name = with_from ? &in->from[i] : NULL,
                                                  .msg_namelen = with_from ? sizeof in->from[i] : 0,
                                                  .msg_iov = &in->places[i],
                                                  .msg_iovlen = 1};
    }
    tw__udp_in_ask_buffer(fd);
    return in;
}

void tw__udp_in_free(struct tw__udp_in *in)
{
    if (!in) return;
    free(in->messages);
    free(in->places);
    free(in->from);
    free(in->bytes);
    free(in);
}

static void note_drops(struct tw__udp_in *in)
{
    uint32_t info[SK_MEMINFO_VARS] = {0};
    socklen_t len = sizeof info;
    if (getsockopt(in->fd, SOL_SOCKET, SO_MEMINFO, info, &len) < 0 || len < sizeof info) return;
    in->dropped += (uint32_t)(info[SK_MEMINFO_DROPS] - in->dropped_low);
    in->dropped_low = info[SK_MEMINFO_DROPS];
}

size_t tw__udp_in_read(struct tw__udp_in *in)
{
    for (size_t i = 0; i < in->used; i++) {
        struct msghdr *head = &in->messages[i].msg_hdr;
        if (head->msg_name) head->msg_namelen = sizeof in->from[i];
        head->msg_flags = 0;
    }
    int got = recvmmsg(in->fd, in->messages, (unsigned)in->count, MSG_DONTWAIT, NULL);
    in->used = got < 0 ? 0 : (size_t)got;
    note_drops(in);
    return in->used;
}

void tw__udp_in_get(const struct tw__udp_in *in, size_t index, struct tw__datagram_in *out)
{
    out->ptr = in->bytes + index * PLACE_BYTES;
    out->len = in->messages[index].msg_len;
    out->cut = (in->messages[index].msg_hdr.msg_flags & MSG_TRUNC) != 0;
    out->from = (const struct sockaddr *)in->messages[index].msg_hdr.msg_name;
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
