/* udp: see the header. One connected socket, so that the kernel tells when nobody listens; sendmmsg, one system call for many. */
#define _GNU_SOURCE
#include "base/udp.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HOST_MAX = 256, PORT_MAX = 16 };

/* Splits "host:port", "[v6]:port", "host", "[v6]". A bare v6 address has more than one colon and no port. */
static bool split(const char *address, const char *usual, char host[HOST_MAX], char port[PORT_MAX])
{
    const char *begin = address, *end, *colon;
    if (*address == '[') {
        begin++;
        end = strchr(begin, ']');
        if (!end) return false;
        colon = end[1] == ':' ? end + 1 : NULL;
        if (!colon && end[1]) return false;
    } else {
        colon = strrchr(address, ':');
        if (colon && strchr(address, ':') != colon) colon = NULL;
        end = colon ? colon : address + strlen(address);
    }
    const char *number = colon ? colon + 1 : usual;
    if (end == begin || (size_t)(end - begin) >= HOST_MAX || !*number || strlen(number) >= PORT_MAX) return false;
    memcpy(host, begin, (size_t)(end - begin));
    host[end - begin] = 0;
    memcpy(port, number, strlen(number) + 1);
    return true;
}

int tw__udp_open(struct tw__udp *udp, const char *address, const char *port, uint64_t now_ns)
{
    char host[HOST_MAX], service[PORT_MAX];
    const struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV};
    const struct addrinfo plain = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    int error = ENOENT;
    udp->fd = -1;
    udp->resolved_ns = now_ns;
    if (!split(address, port, host, service)) return EINVAL;
    /* Without AI_ADDRCONFIG second: on a host with nothing but loopback it hides even that. */
    if (getaddrinfo(host, service, &hints, &list) != 0 && getaddrinfo(host, service, &plain, &list) != 0) return ENOENT;
    for (const struct addrinfo *a = list; a; a = a->ai_next) {
        int fd = socket(a->ai_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), bytes = 4 << 20;
        if (fd < 0) {
            error = errno;
            continue;
        }
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
        if (connect(fd, a->ai_addr, a->ai_addrlen) == 0) {
            udp->fd = fd;
            error = 0;
            break;
        }
        error = errno;
        close(fd);
    }
    freeaddrinfo(list);
    return error;
}

void tw__udp_close(struct tw__udp *udp)
{
    if (udp->fd >= 0) close(udp->fd);
    udp->fd = -1;
}

size_t tw__udp_send(struct tw__udp *udp, const struct tw__datagram *datagrams, size_t count, int *error)
{
    struct mmsghdr messages[TW__UDP_BATCH];
    struct iovec parts[TW__UDP_BATCH];
    size_t sent = 0;
    if (count > TW__UDP_BATCH) count = TW__UDP_BATCH;
    memset(messages, 0, count * sizeof *messages);
    for (size_t i = 0; i < count; i++) {
        memcpy(&parts[i].iov_base, &datagrams[i].ptr, sizeof parts[i].iov_base);
        parts[i].iov_len = datagrams[i].len;
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    *error = 0;
    while (sent < count) {
        int n = sendmmsg(udp->fd, messages + sent, (unsigned)(count - sent), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            *error = n < 0 ? errno : EAGAIN;
            break;
        }
        sent += (size_t)n;
    }
    return sent;
}
