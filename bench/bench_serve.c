/* bench_serve: how many spans a second of its own processor time the collector takes in, from the socket to the durable
 * store and its blocks.
 *
 * For each door a collector is started on an empty folder (serve_collector.c), given so many spans of the generator,
 * and ended. One second of its processor time is one second of a core.
 *
 *     otlp-*      requests of 512 spans over two connections, here
 *     xray, fdb   datagrams at a pace (serve_datagrams.c)
 *     segments    a process that records (serve_segments.c)
 *     decode, span metrics   parts of the way, alone (serve_decode.c)
 */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libdeflate.h>

#include "bench.h"
#include "serve.h"
#include "wire/otlp.h"

enum { CLIENTS = 2, PREFIX = 5, ROOM = 2 << 20 };

static struct request plain[SERVE_REQUESTS], packed[SERVE_REQUESTS];
static struct request plain_grpc[SERVE_REQUESTS], packed_grpc[SERVE_REQUESTS];

struct preparing {
    struct libdeflate_compressor *compressor;
    char *room, *small;
    size_t count, bytes, packed_bytes;
};

static struct request copy_of(const void *bytes, size_t len, int prefix)
{
    struct request request = {malloc(len + PREFIX), len};
    if (!request.bytes) bench_die("memory");
    size_t at = 0;
    if (prefix >= 0) {
        const char five[PREFIX] = {(char)prefix, (char)(len >> 24), (char)(len >> 16), (char)(len >> 8), (char)len};
        memcpy(request.bytes, five, PREFIX);
        at = PREFIX;
    }
    memcpy(request.bytes + at, bytes, len);
    request.len += at;
    return request;
}

static struct tw_text encode(const struct tw__spans *spans, void *room)
{
    const struct tw__resource *sender = &spans->resources[spans->items[0].resource];
    struct tw__otlp_resource resource = {.attributes = sender->tags, .attribute_count = sender->tag_count};
    struct tw__otlp_enc enc;
    tw__otlp_begin(&enc, room, ROOM, &resource);
    for (size_t i = 0; i < spans->count; i++) {
        struct tw_record record = serve_record_of(&spans->items[i]);
        const struct tw__span_in in = {.record = &record};
        if (tw__otlp_span(&enc, &in) < 0) bench_die("a request of 512 spans does not fit");
    }
    return tw__otlp_end(&enc);
}

static void prepare_one(void *data, const struct tw__spans *spans)
{
    struct preparing *p = data;
    struct tw_text request = encode(spans, p->room);
    size_t i = p->count++, len = libdeflate_gzip_compress(p->compressor, request.ptr, request.len, p->small, ROOM);
    plain[i] = copy_of(request.ptr, request.len, -1);
    packed[i] = copy_of(p->small, len, -1);
    plain_grpc[i] = copy_of(request.ptr, request.len, 0);
    packed_grpc[i] = copy_of(p->small, len, 1);
    p->bytes += request.len;
    p->packed_bytes += len;
}

static void prepare(void)
{
    struct preparing p = {libdeflate_alloc_compressor(6), malloc(ROOM), malloc(ROOM), 0, 0, 0};
    if (!p.compressor || !p.room || !p.small) bench_die("memory");
    serve_generate(prepare_one, &p);
    if (!bench_options.json)
        printf("%d spans, %.0f bytes each, %.0f in gzip; requests of %d over %d connections\n", SERVE_SPANS,
               (double)p.bytes / SERVE_SPANS, (double)p.packed_bytes / SERVE_SPANS, SERVE_REQUEST, CLIENTS);
    free(p.room);
    free(p.small);
    libdeflate_free_compressor(p.compressor);
}

struct sender {
    pthread_t thread;
    size_t first, count, taken;
    unsigned port;
    int form;
};

static void *send_some(void *data)
{
    struct sender *sender = data;
    size_t first = sender->first, count = sender->count;
    static const char type[] = "application/x-protobuf";
    if (sender->form == 0) sender->taken = serve_send_http(sender->port, plain + first, count, type, false);
    if (sender->form == 1) sender->taken = serve_send_http(sender->port, packed + first, count, type, true);
    if (sender->form == 2) sender->taken = serve_send_grpc(sender->port, plain_grpc + first, count, false);
    if (sender->form == 3) sender->taken = serve_send_grpc(sender->port, packed_grpc + first, count, true);
    return NULL;
}

static const struct {
    const char *name, *door;
    double wanted;
} forms[] = {{"otlp-http", "otlp-http", 500000},
             {"otlp-http gzip", "otlp-http", 400000},
             {"otlp-grpc", "otlp-grpc", 300000},
             {"otlp-grpc gzip", "otlp-grpc", 300000}};

static bool run_form(int form, double floor_ns)
{
    struct sender senders[CLIENTS];
    struct serve_collector collector = serve_start("off");
    size_t share = SERVE_REQUESTS / CLIENTS;
    for (size_t i = 0; i < CLIENTS; i++) {
        senders[i] = (struct sender){.first = i * share, .count = share, .form = form};
        senders[i].port = form < 2 ? collector.otlp_http : collector.otlp_grpc;
        if (pthread_create(&senders[i].thread, NULL, send_some, &senders[i]) != 0) bench_die("thread");
    }
    size_t taken = 0;
    for (size_t i = 0; i < CLIENTS; i++) {
        (void)pthread_join(senders[i].thread, NULL);
        taken += senders[i].taken;
    }
    if (taken != share * CLIENTS) bench_die("not all requests were taken");
    struct serve_result result = serve_stop(collector, forms[form].door);
    return serve_report(forms[form].name, "spans", result, result.stored, floor_ns, forms[form].wanted);
}

int main(int argc, char **argv)
{
    if (!bench_parse(argc, argv)) return 2;
    serve_begin(argv[0]);
    bool passed = true;
    bench_headline("spans into the store");
    prepare();
    double floor_ns = serve_decode_rows(plain, SERVE_REQUESTS);
    for (int form = 0; form < 4; form++)
        if (bench_wanted(forms[form].name)) passed &= run_form(form, floor_ns);
    if (bench_wanted("xray")) passed &= serve_xray_rows();
    if (bench_wanted("fdb")) passed &= serve_fdb_rows();
    passed &= serve_segments_rows(floor_ns);
    serve_end();
    return passed ? 0 : 1;
}
