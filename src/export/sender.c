/* sender: see the header.
 *
 *     well --refused--> pause of 10 ms --> probe: one datagram --20 ms later: no error--> well
 *                         ^                                    `--refused--> pause twice as long, up to 5 s
 *
 * Batches of 48 datagrams go to the kernel in one call. That nobody listens is told a moment after a datagram was
 * taken, so what the kernel takes is no sign that all is well: after a pause one datagram goes out alone, and only when
 * it has drawn no refusal the rest may follow. A socket buffer that is full is no error: the pause is a millisecond,
 * and nothing is probed.
 *
 * A name is looked up by a thread of its own (base/resolve.h), again every minute, and its first address is used; when
 * that one changes, the socket does. Losses: backing_off while paused, probing or without an address; too_long what the
 * kernel says is.
 */
#include "export/sender.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomics.h"
#include "base/os.h"

#define MS           ((uint64_t)1000000)
#define PAUSE_MIN_NS (10 * MS)
#define PAUSE_MAX_NS (5000 * MS)
#define PROBE_NS     (20 * MS)
#define RESOLVE_NS   (60000 * MS)

int tw__sender_open(struct tw__sender *sender, struct tw__exporter *self, const char *host, const char *port)
{
    *sender = (struct tw__sender){.self = self, .udp.fd = -1};
    if (strlen(host) >= sizeof sender->host || strlen(port) >= sizeof sender->port) return TW_ERR_RANGE;
    memcpy(sender->host, host, strlen(host) + 1);
    memcpy(sender->port, port, strlen(port) + 1);
    sender->room = malloc(TW__SENDER_ROOM);
    return sender->room ? 0 : TW_ERR_MEMORY;
}

void tw__sender_close(struct tw__sender *sender)
{
    tw__resolve_abandon(sender->resolving);
    tw__udp_close(&sender->udp);
    free(sender->room);
    sender->room = NULL;
}

static void pause_longer(struct tw__sender *sender, uint64_t now_ns)
{
    uint64_t twice = sender->pause_ns * 2;
    sender->pause_ns = twice < PAUSE_MIN_NS ? PAUSE_MIN_NS : twice < PAUSE_MAX_NS ? twice : PAUSE_MAX_NS;
    sender->resume_ns = now_ns + sender->pause_ns;
    sender->probe_ns = 0;
}

static void pause_for(struct tw__sender *sender, const char *what, int error, uint64_t now_ns)
{
    tw__exporter_problem(sender->self, what, error);
    pause_longer(sender, now_ns);
}

/* An answer to the lookup. */
static void take_address(struct tw__sender *sender, const struct tw__resolved *found, uint64_t now_ns)
{
    bool same = sender->udp.fd >= 0 && sender->resolved.count && found->items[0].len == sender->resolved.items[0].len &&
                memcmp(&found->items[0].address, &sender->resolved.items[0].address, found->items[0].len) == 0;
    sender->resolved = *found;
    sender->resolved_ns = now_ns;
    if (same) return;
    int error = ENOENT;
    tw__udp_close(&sender->udp);
    for (size_t i = 0; error && i < found->count; i++)
        error = tw__udp_connect(&sender->udp, (const struct sockaddr *)(const void *)&found->items[i].address,
                                found->items[i].len);
    if (error) pause_for(sender, sender->host, error, now_ns);
}

static void look_up(struct tw__sender *sender, uint64_t now_ns)
{
    struct tw__resolved found = {.count = 0};
    bool first = !sender->resolved_ns;
    if (!sender->resolving) {
        if (!first && now_ns - sender->resolved_ns < RESOLVE_NS) return;
        sender->resolving = tw__resolve_begin(sender->host, sender->port);
        if (!sender->resolving) return;
    }
    int result = tw__resolve_poll(sender->resolving, &found);
    for (int ms = 0; first && result == 0 && ms < 200; ms++) {
        tw__os_sleep_ns(MS);
        result = tw__resolve_poll(sender->resolving, &found);
    }
    if (first) sender->resolved_ns = now_ns;
    if (result == 0) return;
    sender->resolving = NULL;
    sender->resolved_ns = now_ns;
    if (result == 1) {
        take_address(sender, &found, now_ns);
    } else if (sender->udp.fd < 0) {
        tw__exporter_say(sender->self, "%.100s: there is no host of that name", sender->host);
        pause_longer(sender, now_ns);
    }
}

bool tw__sender_ready(struct tw__sender *sender, uint64_t now_ns)
{
    sender->may_send = false;
    if (sender->udp.fd < 0 && now_ns >= sender->resume_ns && sender->pause_ns) sender->resolved_ns = 0; /* ask again */
    if (now_ns >= sender->resume_ns || sender->resolving) look_up(sender, now_ns);
    if (sender->udp.fd < 0 || now_ns < sender->resume_ns) return false;
    if (sender->probe_ns) {
        if (now_ns - sender->probe_ns < PROBE_NS) return false;
        int error = tw__udp_error(&sender->udp);
        if (error) {
            pause_for(sender, sender->host, error, now_ns);
            return false;
        }
        sender->probe_ns = sender->pause_ns = 0;
    }
    sender->may_send = true;
    return true;
}

uint8_t *tw__sender_room(struct tw__sender *sender, size_t len, uint64_t now_ns)
{
    if (TW__SENDER_ROOM - sender->used < len || sender->count == TW__UDP_BATCH) tw__sender_send(sender, now_ns);
    return sender->room + sender->used;
}

void tw__sender_add(struct tw__sender *sender, size_t len)
{
    sender->batch[sender->count++] = (struct tw__datagram){sender->room + sender->used, len};
    sender->used += len;
}

/* Hands some to the kernel. Returns how many are done with. */
static size_t send_some(struct tw__sender *sender, size_t at, size_t count, uint64_t now_ns)
{
    struct tw_export_stats *stats = &sender->self->stats;
    int error;
    size_t sent = tw__udp_send(&sender->udp, sender->batch + at, count, &error);
    for (size_t i = 0; i < sent; i++) tw__store_relaxed(&stats->bytes, stats->bytes + sender->batch[at + i].len);
    tw__store_relaxed(&stats->sent, stats->sent + sent);
    if (error == EMSGSIZE) {
        tw__exporter_drop(sender->self, &stats->too_long, 1);
        sent++;
    } else if (error == EAGAIN || error == ENOBUFS) {
        sender->resume_ns = now_ns + MS;
        sender->may_send = false;
    } else if (error) {
        pause_for(sender, sender->host, error, now_ns);
        sender->may_send = false;
    }
    return sent;
}

void tw__sender_send(struct tw__sender *sender, uint64_t now_ns)
{
    size_t at = 0;
    while (at < sender->count && sender->may_send) {
        bool probe = sender->pause_ns != 0;
        at += send_some(sender, at, probe ? 1 : sender->count - at, now_ns);
        if (!probe || !sender->may_send) continue;
        sender->probe_ns = now_ns;
        sender->may_send = false;
    }
    if (at < sender->count) tw__exporter_drop(sender->self, &sender->self->stats.backing_off, sender->count - at);
    sender->count = sender->used = 0;
}
