/* serve_datagrams: see serve.h. Datagrams are made before, and sent by one thread at a pace, 32 with one system call.
 * They go round: each time their trace ids are others. None may be lost: neither by the kernel, whose drops the
 * collector counts, nor in it.
 *
 * FoundationDB: the generator's spans in the layout of 7.2 to 7.4; and spans as FoundationDB's own are, of one
 * attribute. First at the pace that is wanted, for the cost; then faster and faster until something is lost. X-Ray:
 * documents as the Node SDK sends them: a segment alone, and one with two subsegments, annotations and metadata, in
 * turns.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/hex.h"
#include "bench.h"
#include "serve.h"
#include "wire/fdb.h"

enum { MADE = 65536, AT_ONCE = 32, ROOM = 4096, IDS_MAX = 4 };

struct datagram {
    char *bytes;
    size_t len;
    uint16_t ids[IDS_MAX]; /* where a trace id is: one byte is changed every time round; 0: none */
};

static struct datagram made[MADE];
static size_t made_count;

static void keep(const void *bytes, size_t len)
{
    struct datagram *one = &made[made_count++];
    *one = (struct datagram){.bytes = malloc(len), .len = len};
    if (!one->bytes) bench_die("memory");
    memcpy(one->bytes, bytes, len);
}

static void forget(void)
{
    for (size_t i = 0; i < made_count; i++) free(made[i].bytes);
    made_count = 0;
}

/* -- sending */

static int reach(unsigned port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (void *)&to, sizeof to) < 0) bench_die("connect");
    return fd;
}

static void send_some(int fd, size_t first, size_t count, unsigned round, bool hex)
{
    struct mmsghdr messages[AT_ONCE];
    struct iovec parts[AT_ONCE];
    for (size_t i = 0; i < count; i++) {
        struct datagram *one = &made[(first + i) % made_count];
        for (size_t k = 0; k < IDS_MAX && one->ids[k]; k++)
            one->bytes[one->ids[k]] = hex ? "0123456789abcdef"[round % 16] : (char)round;
        parts[i] = (struct iovec){one->bytes, one->len};
        messages[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &parts[i], .msg_iovlen = 1}};
    }
    for (size_t sent = 0; sent < count;) {
        int n = sendmmsg(fd, messages + sent, (unsigned)(count - sent), 0);
        if (n <= 0) bench_die("sendmmsg");
        sent += (size_t)n;
    }
}

/* Returns the pace that was reached. */
static double send_paced(unsigned port, size_t count, double rate, bool hex)
{
    int fd = reach(port);
    double began = bench_now_ns();
    for (size_t sent = 0; sent < count; sent += AT_ONCE) {
        double due = began + (double)sent * 1e9 / rate;
        while (due > bench_now_ns())
            if (due - bench_now_ns() > 200000) usleep(50);
        send_some(fd, sent, AT_ONCE, (unsigned)(sent / made_count), hex);
    }
    double seconds = (bench_now_ns() - began) / 1e9;
    (void)close(fd);
    return (double)count / seconds;
}

/* Until all have come in or nothing more comes. */
static void settle(const struct serve_collector *collector, const char *door, size_t sent)
{
    double before = -1;
    for (unsigned i = 0; i < 200; i++) {
        double now = serve_counter(collector, "requests", door) + serve_counter(collector, "kernel_drops", door);
        if (now >= (double)sent || (now <= before && i > 10)) break;
        before = now;
        usleep(50000);
    }
    usleep(50000);
}

struct run {
    struct serve_result result;
    double pace, lost;
};

static struct run run_at(const char *door, size_t count, double rate)
{
    struct serve_collector collector = serve_start("off");
    bool xray = strcmp(door, "xray") == 0;
    struct run run = {.pace = send_paced(xray ? collector.xray : collector.fdb, count, rate, xray)};
    settle(&collector, door, count);
    run.result = serve_stop(collector, door);
    run.lost = (double)count - run.result.requests;
    return run;
}

static size_t two_seconds(double rate)
{
    return (size_t)(2 * rate) / AT_ONCE * AT_ONCE;
}

/* The cost at the pace that is wanted; then the fastest pace without loss: faster than that, or slower when some were
 * lost. */
static bool rows(const char *name, const char *door, const char *what, double wanted, const double *faster)
{
    char loss_name[64], note[128] = "the fastest that was tried";
    struct run run = run_at(door, two_seconds(wanted), wanted), best = run;
    bool passed = serve_report(name, what, run.result, run.result.requests, 0, wanted) && run.lost <= 0;
    double kept = run.lost <= 0 ? run.pace : 0;
    if (run.lost > 0)
        (void)snprintf(note, sizeof note, "at %.0f/s %.0f were lost, the kernel says %.0f", run.pace, run.lost,
                       run.result.dropped);
    for (double rate = wanted * 0.85; kept <= 0 && rate > wanted / 4; rate *= 0.85) {
        run = run_at(door, two_seconds(rate), rate);
        if (run.lost <= 0) kept = run.pace;
    }
    for (; best.lost <= 0 && *faster > 0; faster++) {
        best = run_at(door, two_seconds(*faster), *faster);
        if (best.lost <= 0)
            kept = best.pace;
        else
            (void)snprintf(note, sizeof note, "at %.0f/s %.0f were lost, the kernel says %.0f", best.pace, best.lost,
                           best.result.dropped);
    }
    (void)snprintf(loss_name, sizeof loss_name, "%s without loss", name);
    (void)bench_report(&(struct bench_row){.name = loss_name, .value = kept, .unit = "/s", .note = note});
    return passed;
}

/* -- FoundationDB */

static const struct tw_text fdb_source = {"10.3.17.4:4500", 14};

static void keep_fdb(const struct tw_record *record)
{
    uint8_t bytes[ROOM];
    const struct tw__fdb_options options = {TW__FDB_12_FAULTY, fdb_source};
    const struct tw__span_in in = {.record = record};
    int len = tw__fdb_enc(&options, &in, bytes, sizeof bytes, NULL);
    if (len < 0 || bytes[1] != 0xcf) bench_die("a datagram");
    keep(bytes, (size_t)len);
    made[made_count - 1].ids[0] = 3; /* the second byte of the trace id's upper half */
}

static void keep_generated(void *data, const struct tw__spans *spans)
{
    (void)data;
    for (size_t i = 0; i < spans->count && made_count < MADE; i++) {
        struct tw_record record = serve_record_of(&spans->items[i]);
        keep_fdb(&record);
    }
}

/* As FoundationDB's own: one attribute beside the address, names of roles. */
static void keep_own(void *data, const struct tw__spans *spans)
{
    static const char *const names[] = {"NAPI:getValue",  "NAPI:getRange", "SS:getValueQ", "GP:transactionStarter",
                                        "MP:commitBatch", "TL:push",       "Transaction",  "RS:resolveBatch"};
    (void)data;
    for (size_t i = 0; i < spans->count && made_count < MADE; i++) {
        struct tw_record record = serve_record_of(&spans->items[i]);
        const struct tw_tag_value tag = {
            .key = {"role", 4}, .type = TW_TYPE_STR, .text = {"StorageServer", 13}, .full_len = 13};
        record.name = (struct tw_text){names[i % 8], strlen(names[i % 8])};
        record.tags = &tag;
        record.tag_count = 1;
        keep_fdb(&record);
    }
}

bool serve_fdb_rows(void)
{
    static const double faster[] = {500e3, 600e3, 700e3, 800e3, 0};
    bool passed = true;
    if (bench_wanted("fdb ")) {
        serve_generate(keep_generated, NULL);
        passed = rows("fdb", "fdb", "datagrams", 400000, faster);
        forget();
    }
    if (bench_wanted("fdb own")) {
        serve_generate(keep_own, NULL);
        passed &= rows("fdb own spans", "fdb", "datagrams", 400000, faster);
        forget();
    }
    return passed;
}

/* -- X-Ray */

#define HEADER "{\"format\":\"json\",\"version\":1}\n"

struct document {
    char text[ROOM];
    size_t len;
    struct datagram where;
    size_t id_count;
};

static void add(struct document *document, const char *text)
{
    size_t len = strlen(text);
    if (document->len + len >= sizeof document->text) bench_die("a document");
    memcpy(document->text + document->len, text, len);
    document->len += len;
}

static void add_id(struct document *document, const char *before, const uint8_t *id, size_t len)
{
    char hex[33] = "";
    tw__hex_enc(id, len, hex);
    hex[2 * len] = '\0';
    add(document, before);
    if (len == 16) {
        char dashed[40];
        (void)snprintf(dashed, sizeof dashed, "1-%.8s-%s", hex, hex + 8);
        document->where.ids[document->id_count++] = (uint16_t)(document->len + 20);
        add(document, dashed);
    } else {
        add(document, hex);
    }
    add(document, "\"");
}

static void add_times(struct document *document, const struct tw__span *span)
{
    char text[96];
    (void)snprintf(text, sizeof text, ",\"start_time\":%.3f,\"end_time\":%.3f", (double)(span->start_ns / 1000) / 1e6,
                   (double)(span->end_ns / 1000) / 1e6);
    add(document, text);
}

static void add_subsegments(struct document *document, const struct tw__span *span)
{
    uint8_t id[8];
    char text[1024];
    memcpy(id, span->span_id, sizeof id);
    id[0] ^= 0x55;
    add_id(document,
           ",\"annotations\":{\"customer\":4711,\"plan\":\"gold\",\"retried\":false}"
           ",\"metadata\":{\"default\":{\"cart\":{\"items\":[17,4,2],\"total\":99.5}}},\"user\":\"u-4711\""
           ",\"subsegments\":[{\"id\":\"",
           id, 8);
    add(document, ",\"name\":\"orders@db.example\"");
    add_times(document, span);
    add(document,
        ",\"namespace\":\"remote\",\"sql\":{\"url\":\"db.example:5432/orders\",\"user\":\"app\",\"database_type\":"
        "\"postgresql\",\"database_version\":\"15.4\",\"driver_version\":\"8.11.3\",\"sanitized_query\":"
        "\"SELECT id, name, price FROM items WHERE owner = $1 LIMIT 50\"}},{\"id\":\"");
    id[1] ^= 0x55;
    add_id(document, "", id, 8);
    (void)snprintf(
        text, sizeof text,
        ",\"name\":\"payments.example\",\"namespace\":\"remote\",\"http\":{\"request\":{\"method\":\"POST\",\"url\":"
        "\"https://payments.example/v1/charge/%u\",\"traced\":true},\"response\":{\"status\":200,"
        "\"content_length\":512}}",
        (unsigned)id[2]);
    add(document, text);
    add_times(document, span);
    add(document, "}]");
}

static void keep_document(const struct tw__span *span, struct tw_text service, bool large)
{
    struct document document = {.len = 0};
    char text[512];
    add(&document, HEADER "{");
    add_id(&document, "\"trace_id\":\"", span->trace_id, 16);
    add_id(&document, ",\"id\":\"", span->span_id, 8);
    (void)snprintf(text, sizeof text, ",\"name\":\"%.*s\"", (int)service.len, service.ptr);
    add(&document, text);
    add_times(&document, span);
    if (!tw__all_zero(span->parent_id, 8)) add_id(&document, ",\"parent_id\":\"", span->parent_id, 8);
    (void)snprintf(
        text, sizeof text,
        ",\"service\":{\"runtime\":\"node\",\"runtime_version\":\"v20.20.2\",\"version\":\"1.4.0\",\"name\":"
        "\"shop\"},\"aws\":{\"xray\":{\"sdk\":\"X-Ray for Node.js\",\"sdk_version\":\"3.12.0\",\"package\":"
        "\"aws-xray-sdk-core\",\"rule_name\":\"all\"}},\"http\":{\"request\":{\"method\":\"GET\",\"user_agent\":"
        "\"curl/7.88.1\",\"client_ip\":\"10.0.3.%u\",\"url\":\"http://shop.example/api/v2/items/%u\"},\"response\":"
        "{\"status\":%d}}",
        span->span_id[1] & 63u, (unsigned)span->span_id[2] << 8 | span->span_id[3],
        span->status == TW_STATUS_ERROR ? 500 : 200);
    add(&document, text);
    if (span->status == TW_STATUS_ERROR) add(&document, ",\"fault\":true");
    if (large) add_subsegments(&document, span);
    add(&document, "}");
    keep(document.text, document.len);
    memcpy(made[made_count - 1].ids, document.where.ids, sizeof document.where.ids);
}

static void keep_documents(void *data, const struct tw__spans *spans)
{
    struct tw_text service = spans->resources[spans->items[0].resource].service;
    (void)data;
    for (size_t i = 0; i < spans->count && made_count < MADE; i++) keep_document(&spans->items[i], service, i % 2);
}

bool serve_xray_rows(void)
{
    static const double faster[] = {80e3, 100e3, 150e3, 200e3, 250e3, 300e3, 0};
    serve_generate(keep_documents, NULL);
    size_t bytes = 0;
    for (size_t i = 0; i < made_count; i++) bytes += made[i].len;
    if (!bench_options.json) printf("X-Ray documents of %zu bytes, two spans, on average\n", bytes / made_count);
    bool passed = rows("xray", "xray", "documents", 60000, faster);
    forget();
    return passed;
}
