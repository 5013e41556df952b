/* xray_address: where the X-Ray daemon listens. */
#ifndef TW_EXPORT_XRAY_ADDRESS_H
#define TW_EXPORT_XRAY_ADDRESS_H

enum { TW__HOST_MAX = 256, TW__PORT_MAX = 8 };

struct tw__endpoint {
    char host[TW__HOST_MAX]; /* a name or an address, without brackets */
    char port[TW__PORT_MAX]; /* digits, 1 to 65535 */
};

struct tw__xray_address {
    struct tw__endpoint udp, tcp;
};

/* Reads what AWS_XRAY_DAEMON_ADDRESS may be: "host:port" for both, or "tcp:host:port udp:host:port" in either order;
 * IPv6 in brackets. NULL or "": 127.0.0.1:2000.
 * Returns  0 and *address, or TW_ERR_SYNTAX, TW_ERR_RANGE (port), TW_ERR_SPACE; then *address is untouched. */
int tw__xray_address_parse(const char *text, struct tw__xray_address *address);

#endif
