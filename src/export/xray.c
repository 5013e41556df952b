/* xray: documents to the X-Ray daemon's UDP port.
 *
 *     alone      each span that has ended is a document
 *     embedded   a segment's document holds its children; who ends before its parent waits for it (hold.c), for hold_ns
 * at most, and is sent alone after that
 *
 * Either way a span that has been open for open_after_ns is sent in progress first, once, and its final document
 * replaces it later under the same id. X-Ray takes parent and child in any order.
 *
 * Limits: OPEN_MAX spans in progress are remembered; more are not announced. What is larger than a datagram is divided,
 * and if a span alone is, cut (wire/xray.h): the diagnostics name the span.
 */
#include "wire/xray.h"

#include <stdlib.h>
#include <string.h>

#include "base/atomics.h"
#include "base/be64.h"
#include "base/clock.h"
#include "base/quantity.h"
#include "export/hold.h"
#include "export/sender.h"
#include "export/xray_address.h"

enum { OPEN_MAX = 8192 };
#define MS ((uint64_t)1000000)

struct xray {
    struct tw__sender sender;
    struct tw__xray_options options;
    struct tw__buf scratch;
    struct tw__xray_node *nodes, **tops;
    size_t node_room;
    bool embedded, odd_epoch_told;
    uint64_t open_after_ns;
    struct tw__hold hold;
    uint64_t *announced; /* ids of open spans that were sent in progress, sorted */
    size_t announced_count;
    uint64_t now_ns; /* of the round, for emit */
};

static int read_settings(struct tw__exporter *self, struct xray *xray, struct tw__xray_address *address)
{
    const struct tw__settings *settings = self->settings;
    const char *children = tw__setting(settings, TW__SETTING_XRAY_CHILDREN),
               *name = tw__setting(settings, TW__SETTING_XRAY_NAME);
    const char *daemon = tw__setting(settings, TW__SETTING_XRAY_DAEMON);
    int result = tw__xray_address_parse(daemon, address);
    if (result < 0) {
        tw__exporter_say(self, "\"%.40s\" is no address: host:port, or tcp:host:port udp:host:port", daemon);
        return result;
    }
    xray->embedded = strcmp(children, "embedded") == 0;
    result = xray->embedded || strcmp(children, "alone") == 0 ? 0 : TW_ERR_SYNTAX;
    if (result < 0) tw__exporter_say(self, "TRACKWAY_XRAY_CHILDREN is alone or embedded, not \"%.40s\"", children);
    if (result == 0)
        result =
            tw__duration_parse(tw__setting(settings, TW__SETTING_XRAY_OPEN_AFTER), 1000 * MS, &xray->open_after_ns);
    if (result == 0)
        result = tw__duration_parse(tw__setting(settings, TW__SETTING_XRAY_HOLD), 1000 * MS, &xray->hold.max_ns);
    if (result < 0 && !self->stats.problem[0])
        tw__exporter_say(self, "TRACKWAY_XRAY_OPEN_AFTER and _HOLD are times, as 500ms or 2s");
    xray->options = (struct tw__xray_options){.segment_name = {name, strlen(name)},
                                              .sdk_version = {TW__VERSION_TEXT, sizeof TW__VERSION_TEXT - 1},
                                              .resource = self->resource->attributes,
                                              .resource_count = self->resource->count};
    return result;
}

static int xray_open(struct tw__exporter *self)
{
    struct tw__xray_address address;
    struct xray *xray = calloc(1, sizeof *xray);
    if (!xray) return TW_ERR_MEMORY;
    int result = read_settings(self, xray, &address);
    if (result < 0) goto undo_xray;
    result = TW_ERR_MEMORY;
    xray->announced = calloc(OPEN_MAX, sizeof *xray->announced);
    if (!xray->announced) goto undo_xray;
    result = tw__sender_open(&xray->sender, self, address.udp.host, address.udp.port);
    if (result < 0) goto undo_announced;
    self->state = xray;
    self->wants_events = true;
    if (xray->open_after_ns) {
        uint64_t quarter = xray->open_after_ns / 4;
        self->open_each_ns = quarter < 20 * MS ? 20 * MS : quarter > 1000 * MS ? 1000 * MS : quarter;
    }
    return 0;
undo_announced:
    free(xray->announced);
undo_xray:
    free(xray);
    return result;
}

/* Says what had to go. */
static void tell(struct tw__exporter *self, const struct tw__xray_doc *doc)
{
    struct xray *xray = self->state;
    const struct tw_text *name = &doc->record->name;
    int len = (int)(name->len < 40 ? name->len : 40);
    if (doc->cut_texts || doc->dropped) {
        tw__count(&self->stats.cut);
        tw__exporter_say(
            self, "span \"%.*s\" is larger than a document may be: %u texts cut, %u tags, events and links left out",
            len, name->ptr, doc->cut_texts, doc->dropped);
    }
    if (doc->odd_epoch && !xray->odd_epoch_told) {
        xray->odd_epoch_told = true;
        tw__exporter_say(self, "trace ids (of span \"%.*s\") do not begin with the time; X-Ray may refuse them", len,
                         name->ptr);
    }
}

static int emit(void *data, const struct tw__xray_doc *doc)
{
    struct tw__exporter *self = data;
    struct xray *xray = self->state;
    memcpy(tw__sender_room(&xray->sender, doc->len, xray->now_ns), doc->bytes, doc->len);
    tw__sender_add(&xray->sender, doc->len);
    tell(self, doc);
    return 0;
}

static void encode(struct tw__exporter *self, struct tw__xray_node *top)
{
    struct xray *xray = self->state;
    if (!xray->sender.may_send && !xray->sender.count)
        tw__exporter_drop(self, &self->stats.backing_off, 1);
    else if (tw__xray_enc(&xray->options, top, &xray->scratch, emit, self) < 0)
        tw__exporter_drop(self, NULL, 1);
}

static int make_room(struct xray *xray, size_t count)
{
    if (count <= xray->node_room) return 0;
    struct tw__xray_node *nodes = realloc(xray->nodes, count * sizeof *nodes);
    if (!nodes) return TW_ERR_MEMORY;
    xray->nodes = nodes;
    struct tw__xray_node **tops = realloc(xray->tops, count * sizeof(struct tw__xray_node *));
    if (!tops) return TW_ERR_MEMORY;
    xray->tops = tops;
    xray->node_room = count;
    return 0;
}

/* Sends trees whose top is a segment or has waited long enough, and holds the others. all: holds nothing. */
static void send_trees(struct tw__exporter *self, const struct tw__span_in *spans, size_t span_count, bool all)
{
    struct xray *xray = self->state;
    size_t count = span_count + xray->hold.count;
    if (!count) return;
    if (make_room(xray, count) < 0) {
        tw__exporter_drop(self, NULL, span_count);
        return;
    }
    for (size_t i = 0; i < span_count; i++) xray->nodes[i] = (struct tw__xray_node){.span = spans[i]};
    tw__hold_take(&xray->hold, xray->nodes + span_count);
    size_t tops = tw__xray_link(xray->nodes, count, xray->tops);
    for (size_t i = 0; i < tops; i++)
        if (all || !tw__hold_back(&xray->hold, xray->tops[i], xray->now_ns)) encode(self, xray->tops[i]);
    tw__sender_send(&xray->sender, xray->now_ns);
    tw__hold_done(&xray->hold);
}

static void xray_records(struct tw__exporter *self, const struct tw__export_batch *batch)
{
    struct xray *xray = self->state;
    if (!batch->span_count) return;
    xray->now_ns = batch->now_ns;
    (void)tw__sender_ready(&xray->sender, batch->now_ns);
    if (xray->embedded) {
        send_trees(self, batch->spans, batch->span_count, false);
        return;
    }
    for (size_t i = 0; i < batch->span_count; i++) {
        struct tw__xray_node node = {.span = batch->spans[i]};
        encode(self, &node);
    }
    tw__sender_send(&xray->sender, batch->now_ns);
}

static bool xray_work(struct tw__exporter *self, uint64_t until_ns)
{
    struct xray *xray = self->state;
    (void)until_ns;
    uint64_t now = tw__clock_mono_ns();
    if (!tw__hold_is_due(&xray->hold, now)) return false;
    xray->now_ns = now;
    (void)tw__sender_ready(&xray->sender, now);
    send_trees(self, NULL, 0, false);
    return false;
}

/* -- in progress */

static int compare_ids(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x < y ? -1 : x > y;
}

static void xray_open_spans(struct tw__exporter *self, const struct tw_records *open, const struct tw_process *process,
                            uint64_t now_ns)
{
    struct xray *xray = self->state;
    uint64_t wall_ns = tw__clock_wall_ns(), *before = xray->announced;
    size_t count = 0;
    (void)process;
    if (!open->count) {
        xray->announced_count = 0;
        return;
    }
    uint64_t *ids = calloc(OPEN_MAX, sizeof *ids);
    if (!ids) return;
    xray->now_ns = now_ns;
    bool ready = tw__sender_ready(&xray->sender, now_ns);
    for (size_t i = 0; i < open->count && count < OPEN_MAX; i++) {
        const struct tw_record *record = &open->items[i];
        uint64_t id = tw__be64(record->span_id);
        if (wall_ns < record->time_ns || wall_ns - record->time_ns < xray->open_after_ns) continue;
        if (!bsearch(&id, before, xray->announced_count, sizeof id, compare_ids)) {
            if (!ready) continue;
            struct tw__xray_node node = {.span = {.record = record}};
            encode(self, &node);
        }
        ids[count++] = id;
    }
    qsort(ids, count, sizeof *ids, compare_ids);
    xray->announced = ids;
    xray->announced_count = count;
    free(before);
    tw__sender_send(&xray->sender, now_ns);
}

/* -- the end */

static bool xray_flush(struct tw__exporter *self, uint64_t until_ns)
{
    struct xray *xray = self->state;
    (void)until_ns; /* datagrams are sent or lost */
    if (!xray->hold.count) return true;
    xray->now_ns = tw__clock_mono_ns();
    (void)tw__sender_ready(&xray->sender, xray->now_ns);
    send_trees(self, NULL, 0, true);
    return true;
}

static void xray_close(struct tw__exporter *self)
{
    struct xray *xray = self->state;
    tw__sender_close(&xray->sender);
    tw__hold_fini(&xray->hold);
    tw__buf_fini(&xray->scratch);
    free(xray->nodes);
    free(xray->tops);
    free(xray->announced);
    free(xray);
    self->state = NULL;
}

static void xray_forget(struct tw__exporter *self)
{
    struct xray *xray = self->state;
    tw__udp_close(&xray->sender.udp);
}

const struct tw__exporter_class tw__exporter_xray = {
    .abi = TW__EXPORTER_ABI,
    .names = {"xray", "x_ray"},
    .open = xray_open,
    .records = xray_records,
    .open_spans = xray_open_spans,
    .work = xray_work,
    .flush = xray_flush,
    .forget = xray_forget,
    .close = xray_close,
};
