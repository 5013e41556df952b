/* datagrams: see the header. One thread; spans of datagrams are gathered while more are waiting in the socket, up to
 * ENOUGH, so that a busy socket is stored in large batches and a quiet one at once. A busy socket that is empty gets a
 * short time to fill again, a few times: waking for each handful of datagrams, and storing them, costs more than they
 * do.
 *
 * A datagram is copied into the batch: the socket's places are read into again before the batch is stored.
 *
 * Invariant: the batch is empty whenever the thread waits for a datagram without a limit.
 * Limits: it has ENOUGH spans and ENOUGH_BYTES, also of what turned out to be no span, and one datagram more.
 */
#include "ingest/datagrams.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/os.h"
#include "base/udp_in.h"
#include "ingest/sources.h"

enum { AT_ONCE = 256, ENOUGH = 4096, ENOUGH_BYTES = 16 << 20, BUSY = 32, LINGERS = 4 };
static const uint64_t LINGER_NS = 500000;

struct tw__datagrams {
    struct tw__datagrams_config config;
    struct tw__udp_in *in;
    struct tw__sources *sources; /* NULL: no rate */
    struct tw__spans spans;
    pthread_t thread;
    int wake[2];
    uint32_t draining, done;
    uint64_t dropped;
};

static void store(struct tw__datagrams *d)
{
    tw__intake_offer(d->config.intake, &d->spans, d->config.stats);
}

static void take(struct tw__datagrams *d, const struct tw__datagram_in *one)
{
    const char *copy = tw__pool_copy(&d->spans.pool, one->ptr, one->len);
    if (copy)
        d->config.take(d->config.data, &d->spans, one->from, copy, one->len);
    else
        tw__stat_add(&d->config.stats->failures, 1);
}

/* Once for all that were read: a counter that others may write costs as much as a cache miss. */
static void count_read(struct tw__datagrams *d, size_t count)
{
    struct tw__door_stats *stats = d->config.stats;
    uint64_t bytes = 0, dropped = tw__udp_in_dropped(d->in);
    for (size_t i = 0; i < count; i++) {
        struct tw__datagram_in one;
        tw__udp_in_get(d->in, i, &one);
        bytes += one.len;
    }
    tw__stat_add(&stats->requests, count);
    tw__stat_add(&stats->bytes, bytes);
    if (dropped > d->dropped) tw__stat_add(&stats->kernel_drops, dropped - d->dropped);
    d->dropped = dropped;
}

/* Returns whether there was enough to store meanwhile. */
static bool take_all(struct tw__datagrams *d, size_t count)
{
    struct tw__door_stats *stats = d->config.stats;
    bool stored = false;
    uint64_t now_ns = d->sources ? tw__clock_mono_ns() : 0;
    count_read(d, count);
    for (size_t i = 0; i < count; i++) {
        struct tw__datagram_in one;
        tw__udp_in_get(d->in, i, &one);
        if (one.cut)
            tw__stat_add(&stats->too_large, 1);
        else if (d->sources && !tw__sources_charge(d->sources, one.from, one.len, now_ns))
            tw__stat_add(&stats->refused_rate, 1);
        else
            take(d, &one);
        if (d->spans.count < ENOUGH && d->spans.pool.taken_bytes < ENOUGH_BYTES) continue;
        store(d);
        stored = true;
    }
    return stored;
}

/* Reads and stores until the socket is empty. */
static void take_and_store(struct tw__datagrams *d)
{
    size_t since = 0;
    for (unsigned lingers = 0; lingers <= LINGERS; lingers++) {
        for (size_t count; (count = tw__udp_in_read(d->in)) > 0; since += count) {
            if (!take_all(d, count)) continue;
            lingers = 0;
            if (tw__load_acquire(&d->draining) > 1) goto end; /* pairs with tw__datagrams_close */
        }
        if (since < BUSY || d->spans.count == 0) break;
        since = 0;
        tw__os_sleep_ns(LINGER_NS);
    }
end:
    store(d);
}

static void *run(void *data)
{
    struct tw__datagrams *d = data;
    tw__os_name_thread(d->config.thread_name);
    for (;;) {
        bool draining =
            tw__load_acquire(&d->draining) != 0; /* pairs with tw__datagrams_drain; read before the socket */
        take_and_store(d);
        if (draining) break;
        (void)tw__udp_in_wait(d->in, d->wake[0], -1);
    }
    tw__store_release(&d->done, 1); /* pairs with tw__datagrams_idle */
    return NULL;
}

static void free_all(struct tw__datagrams *d)
{
    if (d->wake[0] >= 0) (void)close(d->wake[0]);
    if (d->wake[1] >= 0) (void)close(d->wake[1]);
    tw__udp_in_free(d->in);
    tw__sources_free(d->sources);
    tw__spans_fini(&d->spans);
    free(d);
}

int tw__datagrams_open(const struct tw__datagrams_config *config, struct tw__datagrams **out, char why[TW_WHY_MAX])
{
    struct tw__datagrams *d = calloc(1, sizeof *d);
    (void)snprintf(why, TW_WHY_MAX, "out of memory");
    if (!d) goto close;
    d->config = *config;
    d->wake[0] = d->wake[1] = -1;
    d->in = tw__udp_in_new(config->fd, AT_ONCE, config->with_from || config->source_rate_bytes);
    if (config->source_rate_bytes) d->sources = tw__sources_new(0, config->source_rate_bytes);
    if (!d->in || (config->source_rate_bytes && !d->sources)) goto free;
    (void)snprintf(why, TW_WHY_MAX, "no pipe or no thread could be made");
    if (pipe(d->wake) < 0 || pthread_create(&d->thread, NULL, run, d) != 0) goto free;
    *out = d;
    return 0;

free:
    free_all(d);
close:
    (void)close(config->fd);
    return TW_ERR_MEMORY;
}

static void ask(struct tw__datagrams *d, uint32_t how)
{
    tw__store_release(&d->draining, how);     /* pairs with run */
    if (write(d->wake[1], "", 1) < 0) return; /* it is awake already: nothing else fills a pipe */
}

void tw__datagrams_drain(struct tw__datagrams *d)
{
    ask(d, 1);
}

bool tw__datagrams_idle(struct tw__datagrams *d)
{
    return tw__load_acquire(&d->done) != 0; /* pairs with run */
}

void tw__datagrams_close(struct tw__datagrams *d)
{
    ask(d, 2);
    (void)pthread_join(d->thread, NULL);
    (void)close(d->config.fd);
    free_all(d);
}
