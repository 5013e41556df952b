/* serve_decode: see serve.h. The parts of the way that can be had alone: the same requests decoded by our own walk and
 * thrown away, which is the floor; decoded by protobuf-c, the rival; and what counting spans for /metrics costs. */
#include <stdio.h>
#include <string.h>

#include "bench.h"
#include "ingest/span_metrics.h"
#include "serve.h"
#include "wire/otlp_dec.h"

#ifdef BENCH_PROTOBUF_C
#include <trace.pb-c.h>
#endif

/* A request as a server has it: just read into memory that is used again and again. */
static struct request fresh(const struct request *request)
{
    static char room[1 << 20];
    if (request->len > sizeof room) bench_die("a request is too large");
    memcpy(room, request->bytes, request->len);
    return (struct request){room, request->len};
}

static int throw_away(void *data, struct tw__spans *spans)
{
    *(size_t *)data += spans->count;
    return 0;
}

struct counting {
    struct tw__span_metrics *metrics;
    double ns;
};

static int count_them(void *data, struct tw__spans *spans)
{
    struct counting *counting = data;
    double began = serve_own_cpu_ns();
    tw__span_metrics_add(counting->metrics, spans);
    counting->ns += serve_own_cpu_ns() - began;
    return 0;
}

static double decode_all(const struct request *requests, size_t count, int (*take)(void *, struct tw__spans *),
                         void *data)
{
    struct tw__spans spans = {0};
    struct tw__otlp_dec dec = {.spans = &spans, .door = TW__DOOR_OTLP_HTTP, .take = take, .data = data};
    double ns = 0;
    for (size_t i = 0; i < count; i++) {
        struct request request = fresh(&requests[i]);
        double began = serve_own_cpu_ns();
        if (tw__otlp_dec(&dec, request.bytes, request.len) < 0) bench_die("decode");
        ns += serve_own_cpu_ns() - began;
    }
    tw__spans_fini(&spans);
    tw__pool_fini(&dec.kept);
    return ns;
}

static void rival_row(const struct request *requests, size_t count, double floor_ns)
{
#ifdef BENCH_PROTOBUF_C
    char note[64];
    size_t spans = 0, few = count < 256 ? count : 256;
    double began = serve_own_cpu_ns();
    for (size_t i = 0; i < few; i++) {
        Otlp__ExportTraceServiceRequest *request =
            otlp__export_trace_service_request__unpack(NULL, requests[i].len, (const uint8_t *)requests[i].bytes);
        if (!request) bench_die("protobuf-c");
        spans += request->resource_spans[0]->scope_spans[0]->n_spans;
        otlp__export_trace_service_request__free_unpacked(request, NULL);
    }
    double ns = (serve_own_cpu_ns() - began) / (double)spans;
    (void)snprintf(note, sizeof note, "%.0f spans/s, decoding alone", 1e9 / ns);
    (void)bench_report(&(struct bench_row){
        .name = "decode protobuf-c", .value = ns, .unit = "ns/span", .baseline = floor_ns, .note = note});
#else
    (void)requests;
    (void)count;
    (void)floor_ns;
    bench_skip("decode protobuf-c", "protobuf-c was not there when this was built");
#endif
}

double serve_decode_rows(const struct request *requests, size_t count)
{
    size_t spans = 0;
    (void)decode_all(requests, count < 64 ? count : 64, throw_away, &spans);
    spans = 0;
    double floor_ns = decode_all(requests, count, throw_away, &spans) / (double)spans;
    (void)bench_report(
        &(struct bench_row){.name = "decode", .value = floor_ns, .unit = "ns/span", .note = "the floor"});
    if (bench_wanted("decode protobuf-c")) rival_row(requests, count, floor_ns);
    struct counting counting = {.metrics = tw__span_metrics_new()};
    if (!counting.metrics) bench_die("memory");
    (void)decode_all(requests, count, count_them, &counting);
    tw__span_metrics_free(counting.metrics);
    (void)bench_report(&(struct bench_row){.name = "span metrics",
                                           .value = counting.ns / (double)spans,
                                           .unit = "ns/span",
                                           .baseline = floor_ns,
                                           .note = "counting for /metrics, a part of each row below"});
    return floor_ns;
}
