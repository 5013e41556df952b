/* listen: see the header. Numeric addresses only: a collector that waits for a name server at its start is one that
 * does not start when it is needed. IPv6 sockets take IPv4 as well when they are bound to every address.
 */
#include "ingest/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/os.h"
#include "base/udp_in.h"

static bool read_port(const char *text, unsigned *port)
{
    char *end;
    if (*text < '0' || *text > '9') return false;
    unsigned long value = strtoul(text, &end, 10);
    if (*end || value > 65535) return false;
    *port = (unsigned)value;
    return true;
}

static bool fill(struct tw__listen_address *out)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)out->port)};
    struct sockaddr_in6 v6 = {
        .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)out->port), .sin6_addr = in6addr_any};
    memset(&out->address, 0, sizeof out->address);
    if (inet_pton(AF_INET, out->host, &v4.sin_addr) == 1) {
        memcpy(&out->address, &v4, sizeof v4);
        out->len = sizeof v4;
        return true;
    }
    if (out->host[0] && inet_pton(AF_INET6, out->host, &v6.sin6_addr) != 1) return false;
    memcpy(&out->address, &v6, sizeof v6);
    out->len = sizeof v6;
    return true;
}

int tw__listen_parse(const char *text, struct tw__listen_address *out)
{
    struct tw__listen_address address = {0};
    const char *colon = strrchr(text, ':'), *from = text, *to = colon;
    if (!colon) {
        (void)strcpy(address.host, "127.0.0.1");
        if (!read_port(text, &address.port)) return TW_ERR_SYNTAX;
    } else {
        if (!read_port(colon + 1, &address.port)) return TW_ERR_SYNTAX;
        if (*from == '[') {
            if (to == from || to[-1] != ']') return TW_ERR_SYNTAX;
            from++;
            to--;
        } else if (memchr(from, ':', (size_t)(to - from))) {
            return TW_ERR_SYNTAX; /* where does the port begin? */
        }
        if ((size_t)(to - from) >= sizeof address.host) return TW_ERR_SYNTAX;
        memcpy(address.host, from, (size_t)(to - from));
        if (strcmp(address.host, "localhost") == 0) (void)strcpy(address.host, "127.0.0.1");
        if (strcmp(address.host, "*") == 0) address.host[0] = '\0';
    }
    if (!fill(&address)) return TW_ERR_SYNTAX;
    *out = address;
    return 0;
}

static bool loopback(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_UNIX) return true;
    if (address->ss_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof v4);
        return ntohl(v4.sin_addr.s_addr) >> 24 == 127;
    }
    struct sockaddr_in6 v6;
    memcpy(&v6, address, sizeof v6);
    return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr) ||
           (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr) && v6.sin6_addr.s6_addr[12] == 127);
}

bool tw__listen_is_loopback(const struct tw__listen_address *address)
{
    return loopback(&address->address);
}

bool tw__listen_fd_is_loopback(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof address;
    return getsockname(fd, (void *)&address, &len) == 0 && loopback(&address);
}

int tw__listen_open(const char *text, int type, char why[TW_WHY_MAX])
{
    struct tw__listen_address address;
    char what[TW_WHY_MAX / 2];
    int one = 1, zero = 0;
    if (tw__listen_parse(text, &address) < 0) {
        (void)snprintf(why, TW_WHY_MAX, "%.60s is not ADDR:PORT", text);
        return TW_ERR_SYNTAX;
    }
    int fd = socket(address.address.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 && errno == EAFNOSUPPORT && address.host[0] == '\0') { /* a kernel without IPv6 */
        (void)strcpy(address.host, "0.0.0.0");
        if (fill(&address)) fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    }
    (void)snprintf(what, sizeof what, "cannot listen at %.60s", text);
    if (fd < 0) goto failed;
    if (address.address.ss_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, address.host[0] ? &one : &zero, sizeof one);
    if (type == SOCK_STREAM) (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (type == SOCK_DGRAM) tw__udp_in_ask_buffer(fd); /* now: beyond the system's limit only root may */
    if (bind(fd, (void *)&address.address, address.len) < 0) goto failed;
    if (type == SOCK_STREAM && listen(fd, SOMAXCONN) < 0) goto failed;
    return fd;

failed:;
    int number = errno;
    if (fd >= 0) (void)close(fd);
    tw__os_problem_text(why, TW_WHY_MAX, what, number);
    return number == EACCES ? TW_ERR_PERMISSION : TW_ERR_SYSTEM;
}

void tw__listen_where(int fd, char *text, size_t cap)
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof address;
    char host[INET6_ADDRSTRLEN] = "?";
    unsigned port = 0;
    if (getsockname(fd, (void *)&address, &len) == 0 && address.ss_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, &address, sizeof v4);
        (void)inet_ntop(AF_INET, &v4.sin_addr, host, sizeof host);
        port = ntohs(v4.sin_port);
    } else if (address.ss_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, &address, sizeof v6);
        (void)inet_ntop(AF_INET6, &v6.sin6_addr, host, sizeof host);
        port = ntohs(v6.sin6_port);
    }
    (void)snprintf(text, cap, address.ss_family == AF_INET6 ? "[%s]:%u" : "%s:%u", host, port);
}
