/* otlp: the exporter: spans are encoded as they come, requests are sent when they are full or old.
 *
 *     spans --encode--> room --full, or AGE--> queue --up to 4 at once--> receiver
 *                                                ^                          |  2xx: done, partial success reported
 *                                                `-- back, and wait <-------+  429, 502, 503, 504, no answer
 *                                                                           `  all else: given up
 *
 * Memory is bounded: one room, and TW__OTLP_QUEUE_BYTES of requests. While the receiver is away the queue fills, and
 * what comes then is dropped, counted as backing_off; a request that is KEEP_NS old is given up. After a failure one
 * request goes first.
 *
 * Invariant: everything happens in work and flush, within the time they are given; records only encodes. Each span that
 * was handed over is counted once, as sent or as dropped, or is in room or queue.
 */
#include <trackway/otlp.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomics.h"
#include "base/clock.h"
#include "base/os.h"
#include "base/quantity.h"
#include "export/exporter.h"
#include "otlp/http.h"
#include "otlp/queue.h"
#include "otlp/retry.h"
#include "wire/otlp.h"

enum { BATCH_LEAST = 16 << 10, BATCH_MOST = 64 << 20, LARGE = 8 << 20, URL_MAX = 1024 };
#define MS      ((uint64_t)1000000)
#define KEEP_NS (300000 * MS)

struct otlp {
    struct tw__otlp_http http;
    struct tw__otlp_queue queue;
    struct tw__retry retry;
    struct tw__otlp_resource resource;
    struct tw__otlp_enc enc;
    uint8_t *room;
    size_t room_bytes;
    uint64_t age_ns, begun_ns; /* begun: when the first span came into room */
    uint64_t now_ns;           /* of the round */
    bool gzip;
};

/* -- opening */

static int make_url(struct tw__exporter *self, char url[URL_MAX])
{
    const char *whole = tw__setting(self->settings, TW__SETTING_OTLP_ENDPOINT),
               *base = tw__setting(self->settings, TW__SETTING_OTLP_BASE);
    size_t len = strlen(base);
    const char *path = len && base[len - 1] == '/' ? "v1/traces" : "/v1/traces";
    int made = *whole ? snprintf(url, URL_MAX, "%s", whole) : snprintf(url, URL_MAX, "%s%s", base, path);
    if (made > 0 && made < URL_MAX) return 0;
    tw__exporter_say(self, "the endpoint is longer than %d bytes", URL_MAX - 1);
    return TW_ERR_RANGE;
}

static int refuse(struct tw__exporter *self, const char *what, enum tw__setting id)
{
    tw__exporter_say(self, "%s: \"%.40s\"", what, tw__setting(self->settings, id));
    return TW_ERR_SYNTAX;
}

static int read_settings(struct tw__exporter *self, struct otlp *otlp, struct tw__otlp_http_options *options)
{
    const struct tw__settings *settings = self->settings;
    const char *compression = tw__setting(settings, TW__SETTING_OTLP_COMPRESSION);
    if (strcmp(tw__setting(settings, TW__SETTING_OTLP_PROTOCOL), "http/protobuf") != 0)
        return refuse(self, "only http/protobuf is spoken", TW__SETTING_OTLP_PROTOCOL);
    otlp->gzip = options->gzip = strcmp(compression, "gzip") == 0;
    if (!otlp->gzip && strcmp(compression, "none") != 0)
        return refuse(self, "compression is none or gzip", TW__SETTING_OTLP_COMPRESSION);
    if (tw__duration_parse(tw__setting(settings, TW__SETTING_OTLP_TIMEOUT), MS, &options->timeout_ns) < 0 ||
        options->timeout_ns < MS)
        return refuse(self, "the timeout is milliseconds, or a time", TW__SETTING_OTLP_TIMEOUT);
    if (tw__duration_parse(tw__setting(settings, TW__SETTING_OTLP_AGE), MS, &otlp->age_ns) < 0)
        return refuse(self, "TRACKWAY_OTLP_AGE is a time", TW__SETTING_OTLP_AGE);
    if (tw__bytes_parse(tw__setting(settings, TW__SETTING_OTLP_BATCH), &otlp->room_bytes) < 0 ||
        otlp->room_bytes < BATCH_LEAST || otlp->room_bytes > BATCH_MOST)
        return refuse(self, "TRACKWAY_OTLP_BATCH is 16K to 64M", TW__SETTING_OTLP_BATCH);
    options->headers = tw__setting(settings, TW__SETTING_OTLP_HEADERS);
    options->authorities = tw__setting(settings, TW__SETTING_OTLP_CERTIFICATE);
    options->certificate = tw__setting(settings, TW__SETTING_OTLP_CLIENT_CERTIFICATE);
    options->key = tw__setting(settings, TW__SETTING_OTLP_CLIENT_KEY);
    return 0;
}

static void begin_request(struct otlp *otlp)
{
    tw__otlp_begin(&otlp->enc, otlp->room, otlp->room_bytes, &otlp->resource);
}

static int otlp_open(struct tw__exporter *self)
{
    char url[URL_MAX], why[128] = "";
    struct otlp *otlp = calloc(1, sizeof *otlp);
    struct tw__otlp_http_options options = {.url = url};
    if (!otlp) return TW_ERR_MEMORY;
    int result = make_url(self, url);
    if (result == 0) result = read_settings(self, otlp, &options);
    if (result < 0) goto undo_otlp;
    result = TW_ERR_MEMORY;
    otlp->room = malloc(otlp->room_bytes);
    if (!otlp->room) goto undo_otlp;
    result = tw__otlp_http_open(&otlp->http, &options, why, sizeof why);
    if (result < 0) {
        tw__exporter_say(self, "%s", why);
        goto undo_room;
    }
    tw__os_random(&otlp->retry.random, sizeof otlp->retry.random);
    otlp->retry.random |= 1;
    otlp->resource = (struct tw__otlp_resource){.attributes = self->resource->attributes,
                                                .attribute_count = self->resource->count,
                                                .scope_name = {"trackway", 8},
                                                .scope_version = {TW__VERSION_TEXT, sizeof TW__VERSION_TEXT - 1},
                                                .places = true};
    begin_request(otlp);
    self->state = otlp;
    self->wants_events = true;
    return 0;
undo_room:
    free(otlp->room);
undo_otlp:
    free(otlp);
    return result;
}

/* -- requests */

/* Puts what was encoded into the queue. */
static void enqueue(struct tw__exporter *self, struct tw__otlp_enc *enc)
{
    struct otlp *otlp = self->state;
    uint64_t spans = enc->span_count;
    struct tw_text bytes = tw__otlp_end(enc);
    struct tw__otlp_request *request = bytes.len ? tw__otlp_request_new(bytes.ptr, bytes.len, otlp->gzip) : NULL;
    if (!request) {
        tw__exporter_drop(self, NULL, spans);
        return;
    }
    request->made_ns = otlp->now_ns;
    request->spans = spans;
    if (tw__otlp_queue_put(&otlp->queue, request)) return;
    tw__exporter_drop(self, &self->stats.backing_off, spans);
    free(request);
}

static void seal(struct tw__exporter *self)
{
    struct otlp *otlp = self->state;
    if (!otlp->enc.span_count) return;
    enqueue(self, &otlp->enc);
    begin_request(otlp);
}

/* A span that is larger than a request: it gets one of its own, if it fits into any. */
static void add_large(struct tw__exporter *self, const struct tw__span_in *span)
{
    struct otlp *otlp = self->state;
    struct tw__otlp_enc enc;
    uint8_t *room = malloc(LARGE);
    if (room) tw__otlp_begin(&enc, room, LARGE, &otlp->resource);
    if (room && tw__otlp_span(&enc, span) == 0)
        enqueue(self, &enc);
    else
        tw__exporter_drop(self, &self->stats.too_long, 1);
    free(room);
}

static void otlp_records(struct tw__exporter *self, const struct tw__export_batch *batch)
{
    struct otlp *otlp = self->state;
    otlp->now_ns = batch->now_ns;
    for (size_t i = 0; i < batch->span_count; i++) {
        const struct tw__span_in *span = &batch->spans[i];
        int result = tw__otlp_span(&otlp->enc, span);
        if (result == TW_ERR_SPACE && otlp->enc.span_count) {
            seal(self);
            result = tw__otlp_span(&otlp->enc, span);
        }
        if (result == TW_ERR_SPACE) add_large(self, span);
        if (result == 0 && otlp->enc.span_count == 1) otlp->begun_ns = batch->now_ns;
    }
}

/* -- answers */

static void give_up(struct tw__exporter *self, struct tw__otlp_request *request, uint64_t *cause)
{
    struct otlp *otlp = self->state;
    tw__exporter_drop(self, cause, request->spans);
    tw__otlp_queue_drop(&otlp->queue, request);
}

static int shown(struct tw_text text)
{
    return (int)(text.len < 70 ? text.len : 70);
}

static void accepted(struct tw__exporter *self, struct tw__otlp_request *request, const struct tw__otlp_result *result)
{
    struct otlp *otlp = self->state;
    struct tw__otlp_answer answer = {0};
    uint64_t rejected = 0;
    tw__retry_well(&otlp->retry);
    if (result->body_len && tw__otlp_answer_dec(result->body, result->body_len, &answer) < 0)
        answer = (struct tw__otlp_answer){0}; /* JSON from a receiver that does not care; it is a 2xx */
    if (answer.rejected_spans > 0) rejected = (uint64_t)answer.rejected_spans;
    if (rejected > request->spans) rejected = request->spans;
    if (rejected)
        tw__exporter_say(self, "%llu of %llu spans rejected: %.*s", (unsigned long long)rejected,
                         (unsigned long long)request->spans, shown(answer.message), answer.message.ptr);
    else if (answer.message.len)
        tw__exporter_say(self, "the receiver warns: %.*s", shown(answer.message), answer.message.ptr);
    if (rejected) tw__exporter_drop(self, NULL, rejected);
    tw__store_relaxed(&self->stats.sent, self->stats.sent + request->spans - rejected);
    tw__store_relaxed(&self->stats.bytes, self->stats.bytes + request->len);
    tw__otlp_queue_drop(&otlp->queue, request);
}

/* The words of an error: its body's, if it is a google.rpc.Status. */
static void say_status(struct tw__exporter *self, const struct tw__otlp_result *result, const char *what)
{
    struct tw__otlp_answer answer = {0};
    if (!result->body_len || tw__otlp_status_dec(result->body, result->body_len, &answer) < 0) answer.message.len = 0;
    tw__exporter_say(self, "HTTP %ld, %s%s%.*s", result->status, what, answer.message.len ? ": " : "",
                     shown(answer.message), answer.message.len ? answer.message.ptr : "");
}

static void ended(void *data, const struct tw__otlp_result *result)
{
    struct tw__exporter *self = data;
    struct otlp *otlp = self->state;
    struct tw__otlp_request *request = result->tag;
    enum tw__otlp_verdict verdict = result->status ? tw__otlp_verdict(result->status) : TW__OTLP_AGAIN;
    if (!result->status && result->hopeless) verdict = TW__OTLP_REFUSED;
    if (verdict == TW__OTLP_DONE) {
        accepted(self, request, result);
        return;
    }
    if (!result->status)
        tw__exporter_say(self, "no answer: %.100s", result->error);
    else
        say_status(self, result, verdict == TW__OTLP_AGAIN ? "to be tried again" : "refused");
    request->on_its_way = false;
    if (verdict == TW__OTLP_REFUSED) {
        tw__retry_well(&otlp->retry); /* it is there, and its answer is final for this request alone */
        give_up(self, request, NULL);
        return;
    }
    tw__retry_failed(&otlp->retry, otlp->now_ns, result->after_s);
}

/* -- rounds */

static void start_some(struct tw__exporter *self)
{
    struct otlp *otlp = self->state;
    struct tw__otlp_request *request;
    while ((request = tw__otlp_queue_next(&otlp->queue)) && otlp->now_ns - request->made_ns > KEEP_NS)
        give_up(self, request, &self->stats.backing_off);
    if (otlp->now_ns < otlp->retry.resume_ns) return;
    while ((request = tw__otlp_queue_next(&otlp->queue))) {
        if (otlp->retry.failures && otlp->http.running) return; /* one goes first */
        if (!tw__otlp_http_post(&otlp->http, request->body, request->len, request)) return;
        request->on_its_way = true;
    }
}

static void step(struct tw__exporter *self, uint64_t until_ns)
{
    struct otlp *otlp = self->state;
    otlp->now_ns = tw__clock_mono_ns();
    start_some(self);
    tw__otlp_http_work(&otlp->http, until_ns > otlp->now_ns ? until_ns - otlp->now_ns : 0, ended, self);
}

static bool otlp_work(struct tw__exporter *self, uint64_t until_ns)
{
    struct otlp *otlp = self->state;
    otlp->now_ns = tw__clock_mono_ns();
    if (otlp->enc.span_count && otlp->now_ns - otlp->begun_ns >= otlp->age_ns) seal(self);
    step(self, until_ns);
    return otlp->http.running > 0;
}

static bool otlp_flush(struct tw__exporter *self, uint64_t until_ns)
{
    struct otlp *otlp = self->state;
    otlp->now_ns = tw__clock_mono_ns();
    seal(self);
    do step(self, until_ns);
    while (otlp->http.running && tw__clock_mono_ns() < until_ns);
    return otlp->queue.count == 0;
}

static void otlp_close(struct tw__exporter *self)
{
    struct otlp *otlp = self->state;
    tw__otlp_http_close(&otlp->http);
    tw__otlp_queue_fini(&otlp->queue);
    free(otlp->room);
    free(otlp);
    self->state = NULL;
}

static void otlp_forget(struct tw__exporter *self)
{
    struct otlp *otlp = self->state;
    tw__otlp_http_forget(&otlp->http);
}

const struct tw__exporter_class *tw_otlp_exporter(void)
{
    static const struct tw__exporter_class class = {
        .abi = TW__EXPORTER_ABI,
        .names = {"otlp"},
        .ends_early = true,
        .open = otlp_open,
        .records = otlp_records,
        .work = otlp_work,
        .flush = otlp_flush,
        .forget = otlp_forget,
        .close = otlp_close,
    };
    return &class;
}
