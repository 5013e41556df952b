/* ask: see the header. Everything a question takes is in one pool with a limit, freed when it has been answered. */
#include "serve/ask.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "model/span_fields.h"
#include "model/span_words.h"
#include "wire/human.h"

static const size_t POOL_MAX = (size_t)512 << 20;

void tw__ask_begin(struct tw__ask *ask, struct tw__api *api, const struct tw__request *request, struct tw__reply *reply)
{
    *ask = (struct tw__ask){.api = api, .request = request, .reply = reply, .now_ns = tw__clock_wall_ns()};
    ask->pool.limit_bytes = POOL_MAX;
    ask->json.out = &reply->body;
    reply->type = "application/json";
}

void tw__ask_end(struct tw__ask *ask)
{
    tw__where_free(ask->where);
    tw__pool_fini(&ask->pool);
    if (ask->reply->body.failed && !ask->failed) tw__ask_refuse(ask, 500, "out of memory");
}

void tw__ask_refuse(struct tw__ask *ask, unsigned status, const char *format, ...)
{
    va_list list;
    if (ask->failed) return;
    ask->failed = true;
    va_start(list, format);
    (void)vsnprintf(ask->why, sizeof ask->why, format, list);
    va_end(list);
    tw__buf_reset(&ask->reply->body);
    tw__reply_error(ask->reply, status, ask->why);
}

bool tw__ask_failed(struct tw__ask *ask, int code)
{
    if (code == TW_ERR_MEMORY)
        tw__ask_refuse(ask, 503, "the answer is larger than one question may take; ask for less");
    else if (code == TW_ERR_NOT_FOUND)
        tw__ask_refuse(ask, 404, "not found");
    else if (code < 0)
        tw__ask_refuse(ask, 500, "the store: %s", tw_err_text(code));
    return ask->failed;
}

const char *tw__ask_text(struct tw__ask *ask, const char *name)
{
    const char *text = tw__request_query(ask->request, name, 0);
    return text && *text ? text : NULL;
}

static bool read_number(const char *text, uint64_t *out)
{
    uint64_t value = 0;
    for (; *text; text++) {
        if (*text < '0' || *text > '9' || value > (UINT64_MAX - 9) / 10) return false;
        value = value * 10 + (uint64_t)(*text - '0');
    }
    *out = value;
    return true;
}

uint64_t tw__ask_number(struct tw__ask *ask, const char *name, uint64_t usual, uint64_t most)
{
    const char *text = tw__ask_text(ask, name);
    uint64_t value = usual;
    if (text && !read_number(text, &value)) tw__ask_refuse(ask, 400, "%s: not a whole number", name);
    return value < most ? value : most;
}

/* Two or four digits at text. */
static bool digits(const char *text, unsigned count, unsigned *out)
{
    *out = 0;
    for (unsigned i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9') return false;
        *out = *out * 10 + (unsigned)(text[i] - '0');
    }
    return true;
}

/* Days since 1970-01-01, by the civil calendar (Howard Hinnant's algorithm). */
static uint64_t days_of(unsigned year, unsigned month, unsigned day)
{
    unsigned y = year - (month <= 2), era = y / 400, of_era = y % 400;
    unsigned of_year = (153 * (month + (month > 2 ? (unsigned)-3 : 9)) + 2) / 5 + day - 1;
    unsigned day_of_era = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    return (uint64_t)era * 146097 + day_of_era - 719468;
}

bool tw__rfc3339(const char *text, uint64_t *ns)
{
    unsigned year, month, day, hour, minute, second, offset_h, offset_m;
    if (strlen(text) < 20 || text[4] != '-' || text[7] != '-' || (text[10] | 32) != 't' || text[13] != ':' ||
        text[16] != ':')
        return false;
    if (!digits(text, 4, &year) || !digits(text + 5, 2, &month) || !digits(text + 8, 2, &day)) return false;
    if (!digits(text + 11, 2, &hour) || !digits(text + 14, 2, &minute) || !digits(text + 17, 2, &second)) return false;
    if (year < 1970 || year > 2500 || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 ||
        second > 60)
        return false;
    uint64_t seconds = ((days_of(year, month, day) * 24 + hour) * 60 + minute) * 60 + second, part = 0;
    text += 19;
    if (*text == '.') {
        uint64_t unit = 100000000;
        for (text++; *text >= '0' && *text <= '9'; text++, unit /= 10) part += (uint64_t)(*text - '0') * unit;
    }
    if (*text == '+' || *text == '-' || *text == ' ') { /* a plus that nobody encoded is a space by now */
        if (!digits(text + 1, 2, &offset_h) || text[3] != ':' || !digits(text + 4, 2, &offset_m) || text[6])
            return false;
        uint64_t offset = (uint64_t)offset_h * 3600 + (uint64_t)offset_m * 60;
        seconds = *text == '-' ? seconds + offset : seconds > offset ? seconds - offset : 0;
    } else if ((*text | 32) != 'z' || text[1]) {
        return false;
    }
    *ns = seconds * 1000000000u + part;
    return true;
}

uint64_t tw__ask_time(struct tw__ask *ask, const char *name)
{
    const char *text = tw__ask_text(ask, name);
    uint64_t value = 0;
    if (!text) return 0;
    if (read_number(text, &value)) {
        if (value < 100000000000u) return value * 1000000000u; /* seconds until the year 5138 */
        if (value < 100000000000000u) return value * 1000000u; /* milliseconds */
        if (value < 100000000000000000u) return value * 1000u; /* microseconds */
        return value;
    }
    if (tw__human_parse_duration(text, &value) == 0) return value < ask->now_ns ? ask->now_ns - value : 1;
    if (tw__rfc3339(text, &value)) return value;
    tw__ask_refuse(ask, 400, "%s: not a time: nanoseconds since 1970, 2026-11-27T19:00:00Z, or how long ago: 15m",
                   name);
    return 0;
}

uint64_t tw__ask_duration(struct tw__ask *ask, const char *name)
{
    const char *text = tw__ask_text(ask, name);
    uint64_t value = 0;
    if (text && tw__human_parse_duration(text, &value) < 0)
        tw__ask_refuse(ask, 400, "%s: not a duration: a number and ns, us, ms, s, m, h or d", name);
    return value;
}

void tw__ask_where(struct tw__ask *ask, const char *text, struct tw__search *search)
{
    struct tw__refusal refusal;
    if (ask->failed || !text) return;
    if (tw__where_new(text, strlen(text), &ask->where, &refusal) < 0) {
        tw__ask_refuse(ask, 400, "where: at %zu: %s", refusal.at, refusal.text);
        return;
    }
    tw__where_apply(ask->where, search);
}

void tw__ask_search(struct tw__ask *ask, struct tw__search *search)
{
    const char *order = tw__ask_text(ask, "order"), *service = tw__ask_text(ask, "service"),
               *name = tw__ask_text(ask, "name");
    *search = (struct tw__search){0};
    search->spans.since_ns = tw__ask_time(ask, "since");
    search->spans.until_ns = tw__ask_time(ask, "until");
    if (service) search->spans.service = tw__ask_as_text(service);
    if (name) search->spans.name = tw__ask_as_text(name);
    search->min_trace_ns = tw__ask_duration(ask, "min_trace");
    search->max_trace_ns = tw__ask_duration(ask, "max_trace");
    search->limit = (size_t)tw__ask_number(ask, "limit", 20, 1000);
    if (order && strcmp(order, "slowest") == 0)
        search->spans.order = TW__ORDER_SLOWEST;
    else if (order && strcmp(order, "newest") != 0)
        tw__ask_refuse(ask, 400, "order: newest or slowest");
    tw__ask_where(ask, tw__ask_text(ask, "where"), search);
}

void tw__ask_search_spans(struct tw__ask *ask, struct tw__search *search)
{
    tw__ask_search(ask, search);
    if (search->min_trace_ns || search->max_trace_ns || search->whole.needed)
        tw__ask_refuse(ask, 400, "spans are asked for here: there is no condition on their traces");
}

void tw__ask_trace(struct tw__ask *ask, const char *id, unsigned parts, struct tw__spans *spans)
{
    uint8_t trace_id[16];
    size_t len = strlen(id);
    char whole[33];
    if (!spans->pool.limit_bytes) spans->pool.limit_bytes = POOL_MAX;
    if (ask->failed) return;
    /* Others leave leading zeros away. */
    if (len > 0 && len < 32 && strspn(id, "0123456789abcdefABCDEF") == len && len >= 15) {
        (void)snprintf(whole, sizeof whole, "%0*d%s", (int)(32 - len), 0, id);
        id = whole;
        len = 32;
    }
    if (tw_trace_id_parse(id, len, trace_id) < 0) {
        tw__ask_refuse(ask, 400, "not a trace id: 32 hexadecimal digits, 1-8-24, or a decimal number");
        return;
    }
    int code = tw__store_trace(ask->api->store, trace_id, parts, spans);
    if (code == TW_ERR_CORRUPT && spans->count) code = 0; /* what could be read is worth more than an error */
    if (code == TW_ERR_NOT_FOUND || (code == 0 && spans->count == 0))
        tw__ask_refuse(ask, 404, "no such trace");
    else
        (void)tw__ask_failed(ask, code);
}

void tw__ask_put_time(struct tw__json *json, const char *name, uint64_t ns)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)ns);
    tw__json_cstr(json, name, text);
}

const char *tw__ask_kind_name(unsigned kind)
{
    return tw__span_kind_words[kind < TW__UNSPECIFIED_WORD ? kind : TW__UNSPECIFIED_WORD];
}

static int by_name(const void *a, const void *b)
{
    const struct tw__store_name *one = a, *two = b;
    return strcmp(one->name.ptr, two->name.ptr);
}

void tw__ask_words(struct tw__ask *ask, struct tw_text field, struct tw__store_names *names)
{
    const char *const *words = tw__span_schema.values(field.ptr, field.len);
    size_t count = 0;
    while (words && words[count]) count++;
    names->items = tw__pool_zeroed(&ask->pool, count + 1, sizeof *names->items);
    if (!names->items) {
        (void)tw__ask_failed(ask, TW_ERR_MEMORY);
        return;
    }
    for (; names->count < count; names->count++) names->items[names->count].name = tw__ask_as_text(words[names->count]);
    if (count) qsort(names->items, count, sizeof *names->items, by_name);
}
