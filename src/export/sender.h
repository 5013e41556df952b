/* sender: datagrams of an exporter to one address: names looked up and looked up again, batches, backing off. */
#ifndef TW_EXPORT_SENDER_H
#define TW_EXPORT_SENDER_H

#include "base/resolve.h"
#include "base/udp.h"
#include "export/exporter.h"

enum { TW__SENDER_ROOM = 256 << 10, TW__SENDER_HOST_MAX = 256, TW__SENDER_PORT_MAX = 16 };

struct tw__sender {
    struct tw__exporter *self; /* whose counters these are */
    struct tw__udp udp;
    char host[TW__SENDER_HOST_MAX], port[TW__SENDER_PORT_MAX];
    struct tw__resolving *resolving; /* NULL: no lookup is going on */
    struct tw__resolved resolved;
    uint64_t resolved_ns; /* 0: never yet */
    uint64_t pause_ns;    /* the last pause; 0: all is well */
    uint64_t resume_ns;   /* not before */
    uint64_t probe_ns;    /* when one datagram was sent to see whether it is refused; 0: none */
    bool may_send;        /* what tw__sender_ready said */
    uint8_t *room;        /* what is encoded and not yet sent */
    size_t used;
    struct tw__datagram batch[TW__UDP_BATCH];
    size_t count;
};

/* Looks nothing up yet. host without brackets. Returns 0, TW_ERR_MEMORY, TW_ERR_RANGE (too long). */
int tw__sender_open(struct tw__sender *sender, struct tw__exporter *self, const char *host, const char *port);
void tw__sender_close(struct tw__sender *sender);

/* Once a round: goes on with the lookup, ends pauses. True: datagrams may be added; false: drop them as backing_off.
 * Units    now_ns: CLOCK_MONOTONIC. Waits for the very first lookup of a name, 200 ms at most. */
bool tw__sender_ready(struct tw__sender *sender, uint64_t now_ns);

/* Room for a datagram of at most len bytes (up to 65507), which tw__sender_add then makes one; sends what stands there
 * when it is in the way. */
uint8_t *tw__sender_room(struct tw__sender *sender, size_t len, uint64_t now_ns);
void tw__sender_add(struct tw__sender *sender, size_t len);

/* Sends what was added, or drops it, counted by cause. */
void tw__sender_send(struct tw__sender *sender, uint64_t now_ns);

#endif
