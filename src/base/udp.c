/* udp: see the header. One connected socket, so that the kernel tells when nobody listens; sendmmsg, one system call
 * for many. */
#define _GNU_SOURCE
#include "base/udp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

bool tw__udp_split(const char *address, const char *usual, char *host, size_t host_cap, char *port, size_t port_cap)
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
        if (colon && strchr(address, ':') != colon) colon = NULL; /* IPv6 without a port */
        end = colon ? colon : address + strlen(address);
    }
    const char *number = colon ? colon + 1 : usual;
    if (end == begin || (size_t)(end - begin) >= host_cap || !*number || strlen(number) >= port_cap) return false;
    memcpy(host, begin, (size_t)(end - begin));
    host[end - begin] = 0;
    memcpy(port, number, strlen(number) + 1);
    return true;
}

int tw__udp_connect(struct tw__udp *udp, const struct sockaddr *address, socklen_t len)
{
    int fd = socket(address->sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), bytes = 4 << 20, error = 0;
    udp->fd = -1;
    if (fd < 0) return errno;
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    if (connect(fd, address, len) == 0) {
        udp->fd = fd;
        return 0;
    }
    error = errno;
    close(fd);
    return error;
}

int tw__udp_error(struct tw__udp *udp)
{
    int error = 0;
    socklen_t len = sizeof error;
    return getsockopt(udp->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 ? errno : error;
}

void tw__udp_close(struct tw__udp *udp)
{
    int fd = udp->fd;
    udp->fd = -1; /* first: a child that is forked now must not close what gets the number next */
    if (fd >= 0) close(fd);
}

size_t tw__udp_local(const struct tw__udp *udp, char text[TW__UDP_ADDRESS_MAX])
{
    union {
        struct sockaddr any;
        struct sockaddr_in four;
        struct sockaddr_in6 six;
    } at = {.any = {.sa_family = AF_UNSPEC}};
    socklen_t len = sizeof at;
    char host[INET6_ADDRSTRLEN] = "";
    int written = 0;
    text[0] = '\0';
    if (udp->fd < 0 || getsockname(udp->fd, &at.any, &len) < 0) return 0;
    if (at.any.sa_family == AF_INET && inet_ntop(AF_INET, &at.four.sin_addr, host, sizeof host))
        written = snprintf(text, TW__UDP_ADDRESS_MAX, "%s:%u", host, ntohs(at.four.sin_port));
    else if (at.any.sa_family == AF_INET6 && inet_ntop(AF_INET6, &at.six.sin6_addr, host, sizeof host))
        written = snprintf(text, TW__UDP_ADDRESS_MAX, "[%s]:%u", host, ntohs(at.six.sin6_port));
    return written > 0 ? (size_t)written : 0;
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
