/* network_lossy: FoundationDB's request tracing: one MessagePack datagram a span, sent and forgotten.
 *
 * Nothing is waited for and nothing is kept: what the kernel or the peer refuses is dropped and counted (sender.h).
 *
 * Source  FoundationDB's documentation, Request Tracing; layouts in wire/fdb.h.
 */
#include <stdlib.h>
#include <string.h>

#include "base/atomics.h"
#include "export/sender.h"
#include "wire/fdb.h"

struct lossy {
    struct tw__sender sender;
    struct tw__fdb_options options;
    char source[TW__UDP_ADDRESS_MAX];
};

static int lossy_open(struct tw__exporter *self)
{
    char host[TW__SENDER_HOST_MAX], port[TW__SENDER_PORT_MAX];
    const char *address = tw__setting(self->settings, TW__SETTING_FDB);
    if (!tw__udp_split(address, "8889", host, sizeof host, port, sizeof port)) {
        tw__exporter_say(self, "%.60s is no address: host:port, [IPv6]:port", address);
        return TW_ERR_SYNTAX;
    }
    struct lossy *lossy = calloc(1, sizeof *lossy);
    if (!lossy) return TW_ERR_MEMORY;
    int result = tw__sender_open(&lossy->sender, self, host, port);
    if (result < 0) {
        free(lossy);
        return result;
    }
    self->state = lossy;
    lossy->options.layout = self->settings->fdb_layout == 12 ? TW__FDB_12 : TW__FDB_7;
    self->wants_events = self->settings->fdb_layout == 12; /* there is no place for them in the others */
    return 0;
}

/* Where the spans come from: FoundationDB's processes have an address that they listen at, ours has the one it sends
 * from. Another one when the socket is. */
static void name_source(struct lossy *lossy)
{
    const size_t len = tw__udp_local(&lossy->sender.udp, lossy->source);
    lossy->options.source = (struct tw_text){lossy->source, len};
}

static void send_span(struct tw__exporter *self, const struct tw__span_in *span, uint64_t now_ns)
{
    struct lossy *lossy = self->state;
    struct tw__fdb_cuts cuts = {0};
    uint8_t *room = tw__sender_room(&lossy->sender, TW__FDB_MAX, now_ns);
    int len = tw__fdb_enc(&lossy->options, span, room, TW__FDB_MAX, &cuts);
    if (len < 0) {
        tw__exporter_drop(self, NULL, 1);
        return;
    }
    if (cuts.texts || cuts.tags || cuts.events || cuts.parents) {
        const struct tw_text *name = &span->record->name;
        tw__count(&self->stats.cut);
        tw__exporter_say(
            self, "span \"%.*s\" is larger than a datagram: %u texts cut, %u tags, events and parents left out",
            (int)(name->len < 40 ? name->len : 40), name->ptr, cuts.texts, cuts.tags + cuts.events + cuts.parents);
    }
    tw__sender_add(&lossy->sender, (size_t)len);
}

static void lossy_records(struct tw__exporter *self, const struct tw__export_batch *batch)
{
    struct lossy *lossy = self->state;
    if (!batch->span_count) return;
    (void)tw__sender_ready(&lossy->sender, batch->now_ns);
    name_source(lossy);
    for (size_t i = 0; i < batch->span_count; i++) {
        if (!lossy->sender.may_send && !lossy->sender.count)
            tw__exporter_drop(self, &self->stats.backing_off, 1);
        else
            send_span(self, &batch->spans[i], batch->now_ns);
    }
    tw__sender_send(&lossy->sender, batch->now_ns);
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
    tw__sender_close(&lossy->sender);
    free(lossy);
    self->state = NULL;
}

static void lossy_forget(struct tw__exporter *self)
{
    struct lossy *lossy = self->state;
    tw__udp_close(&lossy->sender.udp);
}

const struct tw__exporter_class tw__exporter_network_lossy = {
    .abi = TW__EXPORTER_ABI,
    .names = {"network_lossy", "fdb"},
    .open = lossy_open,
    .records = lossy_records,
    .flush = lossy_flush,
    .forget = lossy_forget,
    .close = lossy_close,
};
