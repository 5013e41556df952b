/* xray_address: AWS_XRAY_DAEMON_ADDRESS.
 *
 * The SDKs agree on two forms, and that both protocols must be named if one is. Words are separated by spaces; the
 * letters of tcp and udp may be of any case. The port is behind the last colon; a host with colons of its own needs
 * brackets.
 */
#include "export/xray_address.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include <trackway/err.h>

static int parse_endpoint(const char *text, size_t len, struct tw__endpoint *endpoint)
{
    size_t colon = len, host_len;
    unsigned port = 0;
    while (colon > 0 && text[colon - 1] != ':') colon--;
    if (colon == 0) return TW_ERR_SYNTAX;
    for (size_t i = colon; i < len; i++) {
        if (text[i] < '0' || text[i] > '9') return TW_ERR_SYNTAX;
        port = port * 10 + (unsigned)(text[i] - '0');
        if (port > 65535) return TW_ERR_RANGE;
    }
    if (colon == len) return TW_ERR_SYNTAX;
    if (port == 0) return TW_ERR_RANGE;
    if (len - colon >= TW__PORT_MAX) return TW_ERR_SPACE;
    host_len = colon - 1;
    bool brackets = host_len > 2 && text[0] == '[' && text[host_len - 1] == ']';
    const char *host = brackets ? text + 1 : text;
    if (brackets) host_len -= 2;
    if (host_len == 0 || memchr(host, '[', host_len) || memchr(host, ']', host_len)) return TW_ERR_SYNTAX;
    if (!brackets && memchr(host, ':', host_len)) return TW_ERR_SYNTAX;
    if (host_len >= TW__HOST_MAX) return TW_ERR_SPACE;
    memcpy(endpoint->host, host, host_len);
    endpoint->host[host_len] = 0;
    memcpy(endpoint->port, text + colon, len - colon);
    endpoint->port[len - colon] = 0;
    return 0;
}

int tw__xray_address_parse(const char *text, struct tw__xray_address *address)
{
    struct tw__xray_address made = {.udp = {.host = ""}};
    bool udp = false, tcp = false;
    const char *at = text && *text ? text : "127.0.0.1:2000";
    at += strspn(at, " \t");
    while (*at) {
        size_t len = strcspn(at, " \t"), tag = 0;
        if (len > 4 && strncasecmp(at, "udp:", 4) == 0 && memchr(at + 4, ':', len - 4)) tag = 4;
        if (len > 4 && strncasecmp(at, "tcp:", 4) == 0 && memchr(at + 4, ':', len - 4)) tag = 4;
        bool is_udp = tag == 0 || (at[0] | 32) == 'u', is_tcp = tag == 0 || (at[0] | 32) == 't';
        struct tw__endpoint endpoint;
        int result = parse_endpoint(at + tag, len - tag, &endpoint);
        if (result < 0) return result;
        if ((is_udp && udp) || (is_tcp && tcp)) return TW_ERR_SYNTAX;
        if (is_udp) made.udp = endpoint;
        if (is_tcp) made.tcp = endpoint;
        udp |= is_udp;
        tcp |= is_tcp;
        at += len;
        at += strspn(at, " \t");
    }
    if (!udp || !tcp) return TW_ERR_SYNTAX;
    *address = made;
    return 0;
}
