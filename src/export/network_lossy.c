/* network_lossy: FoundationDB's way of sending spans: one datagram each, and what cannot be sent now is not sent.
 *
 * The thread encodes up to 48 spans into one buffer and hands them to the kernel in one call. When the kernel or the peer
 * refuses, it stops sending for a while, doubling from 10 ms to 5 s (one millisecond when only the socket's buffer was full);
 * what comes meanwhile is dropped and counted as backing_off. Names are resolved again after a minute of errors.
 *
 * Source  origin 004; layouts in wire/fdb.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomics.h"
#include "base/clock.h"
#include "base/udp.h"
#include "export/exporter.h"
#include "wire/fdb.h"

enum { TW__ADDRESS_MAX = 300, ROOM = 64 << 10, BATCH_BYTES = 256 << 10 };
#define PAUSE_MIN_NS ((uint64_t)10000000)
#define PAUSE_MAX_NS ((uint64_t)5000000000)
#define PAUSE_FULL_NS ((uint64_t)1000000)
#define RESOLVE_NS ((uint64_t)60000000000)

struct lossy {
    struct tw__udp udp;
    char address[TW__ADDRESS_MAX], source[32];
    struct tw__fdb_options options;
    uint64_t pause_ns, resume_ns;
    uint8_t *room; /* encoded and not yet sent */
    size_t used;
    struct tw__datagram batch[TW__UDP_BATCH];
    size_t count;
};

static void pause_for(struct lossy *lossy, uint64_t ns, uint64_t now_ns)
{
    lossy->pause_ns = ns < PAUSE_MAX_NS ? ns : PAUSE_MAX_NS;
    lossy->resume_ns = now_ns + lossy->pause_ns;
}

static void reconnect(struct tw__exporter *self, uint64_t now_ns)
{
    struct lossy *lossy = self->state;
    tw__udp_close(&lossy->udp);
    int error = tw__udp_open(&lossy->udp, lossy->address, "8889", now_ns);
    if (!error) return;
    tw__exporter_problem(self, lossy->address, error);
    pause_for(lossy, lossy->pause_ns ? lossy->pause_ns * 2 : PAUSE_MIN_NS, now_ns);
}

static int lossy_open(struct tw__exporter *self)
{
    const struct tw__settings *settings = self->settings;
    const char *address = tw__setting(settings, TW__SETTING_FDB);
    if (strlen(address) >= TW__ADDRESS_MAX) return TW_ERR_RANGE;
    struct lossy *lossy = calloc(1, sizeof *lossy);
    if (!lossy) return TW_ERR_MEMORY;
    lossy->room = malloc(BATCH_BYTES);
    if (!lossy->room) {
        free(lossy);
        return TW_ERR_MEMORY;
    }
    self->state = lossy;
    lossy->udp.fd = -1;
    memcpy(lossy->address, address, strlen(address) + 1);
    lossy->options.layout = settings->fdb_layout == 12 ? TW__FDB_12 : TW__FDB_7;
    self->wants_events = settings->fdb_layout == 12; /* there is no place for them in the others */
    return 0;
}

/* Where the spans come from, in FoundationDB's form of an address: there is none of ours, so host and process. */
static void name_source(struct lossy *lossy, const struct tw_process *process)
{
    struct tw_text host = process->host;
    size_t len = host.len < 20 ? host.len : 20;
    char digits[12];
    size_t n = 0;
    memcpy(lossy->source, host.ptr, len);
    lossy->source[len++] = ':';
    for (uint32_t pid = process->pid; pid || n == 0; pid /= 10) digits[n++] = (char)('0' + pid % 10);
    while (n) lossy->source[len++] = digits[--n];
    lossy->options.source = (struct tw_text){lossy->source, len};
}

static void send_batch(struct tw__exporter *self)
{
    struct lossy *lossy = self->state;
    size_t at = 0;
    uint64_t now = tw__clock_mono_ns();
    while (at < lossy->count && now >= lossy->resume_ns) {
        int error;
        size_t sent = tw__udp_send(&lossy->udp, lossy->batch + at, lossy->count - at, &error);
        for (size_t i = 0; i < sent; i++)
            tw__store_relaxed(&self->stats.bytes, self->stats.bytes + lossy->batch[at + i].len);
        tw__store_relaxed(&self->stats.sent, self->stats.sent + sent);
        at += sent;
        if (sent && !error) lossy->pause_ns = 0;
        if (error == EMSGSIZE) {
            tw__exporter_drop(self, &self->stats.too_long, 1);
            at++;
        } else if (error == EAGAIN || error == ENOBUFS) {
            pause_for(lossy, PAUSE_FULL_NS, now);
        } else if (error) {
            tw__exporter_problem(self, lossy->address, error);
            pause_for(lossy, lossy->pause_ns ? lossy->pause_ns * 2 : PAUSE_MIN_NS, now);
            if (now - lossy->udp.resolved_ns > RESOLVE_NS) reconnect(self, now);
        }
    }
    if (at < lossy->count) tw__exporter_drop(self, &self->stats.backing_off, lossy->count - at);
    lossy->count = 0;
    lossy->used = 0;
}

static void add_span(struct tw__exporter *self, const struct tw__span_in *span)
{
    struct lossy *lossy = self->state;
    if (BATCH_BYTES - lossy->used < ROOM || lossy->count == TW__UDP_BATCH) send_batch(self);
    int len = tw__fdb_enc(&lossy->options, span, lossy->room + lossy->used, TW__FDB_MAX, NULL);
    if (len < 0) {
        tw__exporter_drop(self, NULL, 1);
        return;
    }
    lossy->batch[lossy->count++] = (struct tw__datagram){lossy->room + lossy->used, (size_t)len};
    lossy->used += (size_t)len;
}

static void lossy_records(struct tw__exporter *self, const struct tw__export_batch *batch)
{
    struct lossy *lossy = self->state;
    if (!lossy->options.source.len) name_source(lossy, batch->process);
    if (lossy->udp.fd < 0 && batch->now_ns >= lossy->resume_ns) reconnect(self, batch->now_ns);
    for (size_t i = 0; i < batch->span_count; i++) {
        if (lossy->udp.fd < 0 || lossy->resume_ns > batch->now_ns)
            tw__exporter_drop(self, &self->stats.backing_off, 1);
        else
            add_span(self, &batch->spans[i]);
    }
    send_batch(self);
}

static bool lossy_flush(struct tw__exporter *self, uint64_t until_ns)
{
    (void)self;
    (void)until_ns; /* nothing is held back */
    return true;
}

static void lossy_close(struct tw__exporter *self)
{
    struct lossy *lossy = self->state;
    tw__udp_close(&lossy->udp);
    free(lossy->room);
    free(lossy);
    self->state = NULL;
}

const struct tw__exporter_class tw__exporter_network_lossy = {
    .abi = TW__EXPORTER_ABI,
    .names = {"network_lossy", "fdb"},
    .open = lossy_open,
    .records = lossy_records,
    .flush = lossy_flush,
    .close = lossy_close,
};
