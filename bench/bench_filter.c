/* bench_filter: what a filter costs for each record it looks at, and how many lines a format writes.
 *
 * 1,024 log records, of which a few in a hundred match, are filtered again and again. The floor under each row is the
 * same condition written in C over the same records, behind one call. The rival of the regular expressions is regexec
 * of libc, that of the lines one snprintf of the same line, for which every value has been fetched and turned into text
 * before.
 *
 * Linked with the library's insides: filters are not exported.
 */
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "filter/filter.h"
#include "wire/line_format.h"

enum { ROUNDS = 60, RECORDS = 1024, TURNS = 16 };

struct log_record {
    const char *module, *function, *name;
    size_t module_len, function_len, name_len;
    unsigned level;
    int64_t request;
    uint64_t duration_ns, time_ns;
    bool has_request;
};

enum id { NONE, MODULE, FUNCTION, NAME, LEVEL, REQUEST, DURATION, TIME, MESSAGE, PID, LINE };

static struct log_record records[RECORDS];
static volatile size_t matched;

static uint32_t resolve(const void *data, const char *name, size_t len)
{
    static const char *const names[] = {"",         "module", "function", "name", "level", "request",
                                        "duration", "time",   "message",  "pid",  "line"};
    (void)data;
    for (uint32_t i = 1; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0) return i;
    return NONE;
}

static bool get(const void *source, const struct tw__field_key *key, struct tw__field *out)
{
    const struct log_record *r = source;
    switch ((enum id)key->id) {
    case MODULE:
        return tw__field_set_text(out, r->module, r->module_len);
    case FUNCTION:
        return tw__field_set_text(out, r->function, r->function_len);
    case NAME:
    case MESSAGE:
        return tw__field_set_text(out, r->name, r->name_len);
    case LEVEL:
        return tw__field_set_number(out, TW__FIELD_LEVEL, r->level);
    case REQUEST:
        return r->has_request && tw__field_set_number(out, TW__FIELD_INT, (uint64_t)r->request);
    case DURATION:
        return tw__field_set_number(out, TW__FIELD_UINT, r->duration_ns);
    case TIME:
        return tw__field_set_number(out, TW__FIELD_UINT, r->time_ns);
    case PID:
        return tw__field_set_number(out, TW__FIELD_UINT, 4711);
    case LINE:
        return tw__field_set_number(out, TW__FIELD_UINT, 212);
    case NONE:
        break;
    }
    return false;
}

static void make_records(void)
{
    static const char *const modules[] = {"kz_json", "kz_cart", "kzs_perf", "kz_api",
                                          "kz_http", "kz_util", "kz_list",  "kz_time"};
    static const char *const functions[] = {"get_value", "set_value", "handle", "merge"};
    static const char *const names[] = {"POST /cart/17/items", "GET /cart/17", "SELECT * FROM orders WHERE id = 7",
                                        "PUT /user/me"};
    uint64_t x = 1;
    for (unsigned i = 0; i < RECORDS; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        unsigned pick = (unsigned)(x >> 33);
        struct log_record *r = &records[i];
        *r = (struct log_record){
            .module = modules[pick & 7], .function = functions[pick >> 3 & 3], .name = names[pick >> 5 & 3]};
        r->module_len = strlen(r->module);
        r->function_len = strlen(r->function);
        r->name_len = strlen(r->name);
        r->level = pick >> 7 & 7;
        r->request = pick >> 10 & 127;
        r->has_request = pick >> 17 & 1;
        r->duration_ns = (uint64_t)(pick >> 8) * 1000;
        r->time_ns = 1795225832500000001u + i * 1000000u;
    }
}

static struct tw__filter *compile(const char *text)
{
    struct tw__filter *filter;
    struct tw__refusal why;
    struct tw__filter_schema schema = {.resolve = resolve};
    if (tw__filter_compile(text, strlen(text), &schema, &filter, &why) < 0) bench_die(why.text);
    return filter;
}

static bool is(const char *text, size_t len, const char *word, size_t word_len)
{
    return len == word_len && memcmp(text, word, word_len) == 0;
}

/* One condition, as a filter and as C. The C is called through a pointer, as whatever is chosen at run time must be. */
#define CONTENDERS(name, text, condition)                                                                              \
    static struct tw__filter *name##_filter;                                                                           \
    static void name##_match(unsigned n)                                                                               \
    {                                                                                                                  \
        size_t count = 0;                                                                                              \
        if (!name##_filter) name##_filter = compile(text);                                                             \
        while (n--)                                                                                                    \
            for (unsigned i = 0; i < RECORDS; i++) count += tw__filter_match(name##_filter, get, &records[i]);         \
        matched = count;                                                                                               \
    }                                                                                                                  \
    static bool name##_by_hand(const struct log_record *r)                                                             \
    {                                                                                                                  \
        return condition;                                                                                              \
    }                                                                                                                  \
    static bool (*volatile name##_chosen)(const struct log_record *r) = name##_by_hand;                                \
    static void name##_floor(unsigned n)                                                                               \
    {                                                                                                                  \
        size_t count = 0;                                                                                              \
        while (n--)                                                                                                    \
            for (unsigned i = 0; i < RECORDS; i++) count += name##_chosen(&records[i]);                                \
        matched = count;                                                                                               \
    }

CONTENDERS(module, "module=kz_json", is(r->module, r->module_len, "kz_json", 7))
CONTENDERS(function, "[{module, kz_json}, {function, get_value}]",
           is(r->module, r->module_len, "kz_json", 7) && is(r->function, r->function_len, "get_value", 9))
CONTENDERS(number, "request>100", r->has_request && r->request > 100)
CONTENDERS(level, "level>=warning", r->level <= 4)
CONTENDERS(several, "(module=kz_api or module=kz_http) level>=error request>=64 duration>2s",
           (is(r->module, r->module_len, "kz_api", 6) || is(r->module, r->module_len, "kz_http", 7)) && r->level <= 3 &&
               r->has_request && r->request >= 64 && r->duration_ns > 2000000000)
CONTENDERS(prefix, "name~^GET", r->name_len >= 3 && memcmp(r->name, "GET", 3) == 0)

static struct tw__filter *search_filter;
static regex_t rival;

static void search_match(unsigned n)
{
    size_t count = 0;
    while (n--)
        for (unsigned i = 0; i < RECORDS; i++) count += tw__filter_match(search_filter, get, &records[i]);
    matched = count;
}

static void search_rival(unsigned n)
{
    size_t count = 0;
    while (n--)
        for (unsigned i = 0; i < RECORDS; i++) count += regexec(&rival, records[i].name, 0, NULL, 0) == 0;
    matched = count;
}

static struct tw__line_format *kazoo, *json;
static struct tw__buf out;

static void write_with(const struct tw__line_format *format, unsigned n)
{
    static struct tw__line_clock clock;
    struct tw__line_options options = {.utc = true, .clock = &clock};
    while (n--) {
        tw__buf_reset(&out);
        for (unsigned i = 0; i < RECORDS; i++) {
            struct tw__line_source source = {.event = &records[i], .get = get};
            tw__line_format_write(format, &source, &options, &out);
        }
    }
}

static void write_kazoo(unsigned n)
{
    write_with(kazoo, n);
}

static void write_json(unsigned n)
{
    write_with(json, n);
}

static void write_floor(unsigned n)
{
    char line[512];
    while (n--) {
        tw__buf_reset(&out);
        for (unsigned i = 0; i < RECORDS; i++) {
            const struct log_record *r = &records[i];
            int len = snprintf(line, sizeof line, "%s [%s] |%s|%s|%s:%s:%d (%u) %s\n", "02:00:00.123 UTC", "warning",
                               "shop", "0000000000", r->module, r->function, 212, 4711u, r->name);
            tw__buf_add(&out, line, (size_t)len);
        }
    }
}

static bool race(const char *name, void (*run)(unsigned), void (*floor)(unsigned), double limit, const char *note)
{
    struct bench_contender contenders[] = {{.name = name, .run = run}, {.name = "floor", .run = floor}};
    if (!bench_wanted(name)) return true;
    run(1);
    bench_race(contenders, 2, bench_rounds(ROUNDS), TURNS);
    double value = bench_median(&contenders[0]) / RECORDS, baseline = bench_median(&contenders[1]) / RECORDS;
    struct bench_row row = {name, value, "ns", baseline, limit, note};
    for (unsigned i = 0; i < 2; i++) bench_samples_free(&contenders[i].ns);
    return bench_report(&row);
}

static struct tw__line_format *format_of(const char *text)
{
    struct tw__line_format *format;
    struct tw__refusal why;
    if (tw__line_format_compile(text, strlen(text), resolve, NULL, &format, &why) < 0) bench_die(why.text);
    return format;
}

int main(int argc, char **argv)
{
    static const char expression[] = "/(cart|basket)/[0-9]+/items$";
    char text[64];
    bool pass = true;
    if (!bench_parse(argc, argv)) return 2;
    (void)bench_pin(0);
    make_records();
    (void)snprintf(text, sizeof text, "name~%s", expression);
    search_filter = compile(text);
    if (regcomp(&rival, expression, REG_EXTENDED | REG_NOSUB) != 0) bench_die("regcomp");
    kazoo = format_of(TW__LINE_FORMAT_KAZOO);
    json = format_of("json");
    bench_headline("one record against a filter (floor: the same condition in C)");
    pass &= race("filter.module", module_match, module_floor, 6, "module=kz_json");
    pass &= race("filter.function", function_match, function_floor, 7, "[{module, kz_json}, {function, get_value}]");
    pass &= race("filter.number", number_match, number_floor, 6, "request>100");
    pass &= race("filter.level", level_match, level_floor, 6, "level>=warning");
    pass &= race("filter.several", several_match, several_floor, 8, "five conditions, and, or");
    pass &= race("filter.prefix", prefix_match, prefix_floor, 12, "name~^GET (floor: memcmp)");
    pass &= race("filter.search", search_match, search_rival, 1, "a regular expression against regexec of libc");
    bench_headline("one line (floor: one snprintf of values that are text already)");
    pass &= race("line.kazoo", write_kazoo, write_floor, 1.5, "Kazoo's format");
    pass &= race("line.json", write_json, write_floor, 1.5, "time, level, message as JSON");
    tw__buf_fini(&out);
    return pass ? 0 : 1;
}
