/* xray_client: central sampling's questions, carried to the daemon's TCP port and back.
 *
 *     static struct tw__xray_client client;
 *     tw__xray_client_open(&client, &sampler, getenv's AWS_XRAY_DAEMON_ADDRESS, NULL);
 *     ... about every second, from the exporters' thread: tw__xray_client_poll(&client, tw__clock_wall_ns());
 *     tw__xray_client_close(&client);
 */
#ifndef TW_EXPORT_XRAY_CLIENT_H
#define TW_EXPORT_XRAY_CLIENT_H

#include "base/buf.h"
#include "base/resolve.h"
#include "export/xray_address.h"
#include "sample/sampler.h"

enum { TW__XRAY_ANSWER_MAX = 1 << 20 };

struct tw__xray_limits {
    uint64_t wait_ns; /* the most that one poll waits for the network; default 5 ms; 0 in a struct that is given: not at
                         all */
    uint64_t timeout_ns; /* the most that one question takes, over all polls; default 2 s */
};

enum tw__xray_phase { TW__XRAY_IDLE, TW__XRAY_RESOLVING, TW__XRAY_CONNECTING, TW__XRAY_SENDING, TW__XRAY_RECEIVING };

struct tw__xray_client {
    struct tw__sampler *sampler;
    struct tw__xray_address address;
    struct tw__xray_limits limits;
    enum tw__xray_phase phase;
    int fd;               /* -1: none */
    uint64_t deadline_ns; /* CLOCK_MONOTONIC, of the question that is going on */
    struct tw__resolving *resolving;
    struct tw__resolved resolved; /* count 0: to be looked up */
    size_t candidate;
    struct tw__buf request, answer, body;
    size_t sent;
};

/* Prepares; nothing is sent, looked up or allocated yet.
 * Shape    address as in tw__xray_address_parse; limits NULL: the defaults. sampler outlives the client. A sampler that
 * does not sample centrally makes polls do nothing.
 * Returns  0, or what tw__xray_address_parse returns. */
int tw__xray_client_open(struct tw__xray_client *client, struct tw__sampler *sampler, const char *address,
                         const struct tw__xray_limits *limits);
void tw__xray_client_close(struct tw__xray_client *client);

/* Goes on with the question that is under way, or begins the one that is due.
 * Units    now_ns: CLOCK_REALTIME; it decides what is due. Timeouts follow CLOCK_MONOTONIC.
 * Returns  how many answers were handed to the sampler, 0 being the usual; or TW_ERR_TIMEOUT, TW_ERR_SYSTEM (refused,
 * cut off), TW_ERR_NOT_FOUND (no such host), TW_ERR_SYNTAX (not HTTP), TW_ERR_SPACE (longer than TW__XRAY_ANSWER_MAX),
 *          TW_ERR_MEMORY when a question failed; the sampler knows and will ask again.
 * Threads  [owner thread]. Waits for limits.wait_ns at most, and only while a question is under way; names are looked
 * up by a thread of their own. No signal is raised by a peer that has gone. */
int tw__xray_client_poll(struct tw__xray_client *client, uint64_t now_ns);

/* In a forked child: lets go of the parent's connection without closing it for the parent. */
void tw__xray_client_after_fork(struct tw__xray_client *client);

#endif
