/* bench_wire: how fast spans become what exporters send.
 *
 * One span with eight attributes, an event and a parent is encoded again and again: into requests of four megabytes
 * (otlp), into datagrams (fdb, 7 and 12 elements), into documents (xray). Beside each stands the floor under it: as
 * many bytes, copied. The limits are spans a second, so the value is the least of the turns: whatever else runs on the
 * machine only adds.
 *
 * Linked with the library's insides: the codecs are not exported.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "wire/fdb.h"
#include "wire/otlp.h"
#include "wire/xray.h"

enum { ROUNDS = 40, TURNS = 5000, ROOM = 4 << 20 };

static uint8_t *room, *copy;
static struct tw_tag_value tags[8];
static struct tw_record record, event;
static const struct tw_record *events[1] = {&event};
static struct tw__span_in span = {&record, events, 1};
static struct tw__buf scratch;
static size_t bytes; /* of a span, in the form that was written last */

static struct tw_text text_of(const char *text)
{
    return (struct tw_text){text, strlen(text)};
}

static struct tw_tag_value str(const char *key, const char *value)
{
    return (struct tw_tag_value){.key = text_of(key), .type = TW_TYPE_STR, .text = text_of(value)};
}

static struct tw_tag_value number(const char *key, int64_t value)
{
    return (struct tw_tag_value){.key = text_of(key), .type = TW_TYPE_INT, .value.i = value};
}

static void make_span(void)
{
    record = (struct tw_record){.kind = TW_RECORD_SPAN, .time_ns = 1795225832500000001, .end_ns = 1795225832750000002};
    memset(record.trace_id, 0x6b, sizeof record.trace_id);
    memset(record.span_id, 2, sizeof record.span_id);
    memset(record.parent_id, 3, sizeof record.parent_id);
    record.name = text_of("GET /cart/{id}");
    record.span_kind = TW_KIND_CLIENT;
    record.flags = TW_FLAG_SAMPLED;
    tags[0] = str("http.request.method", "GET");
    tags[1] = str("url.full", "http://shop.example/cart/17");
    tags[2] = number("http.response.status_code", 200);
    tags[3] = str("server.address", "shop.example");
    tags[4] = number("server.port", 443);
    tags[5] = str("user.id", "u-4711");
    tags[6] = number("items", 3);
    tags[7] = (struct tw_tag_value){.key = text_of("cached"), .type = TW_TYPE_BOOL, .value.u = 1};
    record.tags = tags;
    record.tag_count = 8;
    event = record;
    event.kind = TW_RECORD_EVENT;
    event.name = text_of("cache.miss");
    event.tag_count = 1;
}

static void otlp(unsigned n)
{
    static struct tw_tag_value attributes[1];
    attributes[0] = str("service.name", "shop");
    const struct tw__otlp_resource resource = {
        .attributes = attributes, .attribute_count = 1, .scope_name = {"trackway", 8}};
    for (unsigned done = 0; done < n;) {
        struct tw__otlp_enc enc;
        tw__otlp_begin(&enc, room, ROOM, &resource);
        for (; done < n && tw__otlp_span(&enc, &span) == 0; done++)
            ;
        bytes = tw__otlp_end(&enc).len / enc.span_count;
    }
}

static void fdb(enum tw__fdb_layout layout, unsigned n)
{
    const struct tw__fdb_options options = {layout, {"127.0.0.1:4500", 14}};
    for (unsigned i = 0; i < n; i++) bytes = (size_t)tw__fdb_enc(&options, &span, room, TW__FDB_MAX, NULL);
}

static void fdb_7(unsigned n)
{
    fdb(TW__FDB_7, n);
}

static void fdb_12(unsigned n)
{
    fdb(TW__FDB_12, n);
}

static int take(void *arg, const struct tw__xray_doc *doc)
{
    (void)arg;
    bytes = doc->len;
    return 0;
}

static void xray(unsigned n)
{
    static const struct tw__xray_options options = {0};
    struct tw__xray_node node = {.span = span};
    for (unsigned i = 0; i < n; i++)
        if (tw__xray_enc(&options, &node, &scratch, take, NULL) != 1) abort();
}

static void copy_only(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        memcpy(copy, room, bytes);
        __asm__ volatile("" : : "r"(copy) : "memory");
    }
}

/* at_least: spans a second. */
static bool measure(const char *name, void (*encode)(unsigned n), double at_least)
{
    struct bench_contender contenders[] = {{.name = name, .run = encode}, {.name = "floor", .run = copy_only}};
    char full_name[32], note[64];
    (void)snprintf(full_name, sizeof full_name, "wire.%s", name);
    if (!bench_wanted(full_name)) return true;
    bench_race(contenders, 2, bench_rounds(ROUNDS), TURNS);
    double ns = bench_quantile(&contenders[0].ns, 0);
    (void)snprintf(note, sizeof note, "%.2f M spans/s, %zu bytes; copying them %.0f ns", 1e3 / ns, bytes,
                   bench_quantile(&contenders[1].ns, 0));
    const struct bench_row row = {.name = full_name, .value = ns, .unit = "ns", .limit = 1e9 / at_least, .note = note};
    bench_samples_free(&contenders[0].ns);
    bench_samples_free(&contenders[1].ns);
    return bench_report(&row);
}

int main(int argc, char **argv)
{
    bool pass = true;
    if (!bench_parse(argc, argv)) return 2;
    room = malloc(ROOM);
    copy = malloc(ROOM);
    if (!room || !copy) bench_die("no memory");
    memset(room, 1, ROOM); /* pages are there before the clock runs */
    memset(copy, 1, ROOM);
    make_span();
    bench_headline("encoding a span of eight attributes and an event");
    pass &= measure("otlp", otlp, 1000000);
    pass &= measure("fdb_7", fdb_7, 500000);
    pass &= measure("fdb_12", fdb_12, 500000);
    pass &= measure("xray", xray, 100000);
    tw__buf_fini(&scratch);
    free(copy);
    free(room);
    return pass ? 0 : 1;
}
