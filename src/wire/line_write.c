/* line_write: an event as a line.
 *
 * Values as Kazoo's lines show them: texts as they are, numbers in decimal (a whole double with .0, so that its type
 * shows), missing fields as the word Undefined. In metadata a text that has spaces, quotes or = in it stands in quotes.
 *
 * Invariant: each part is written at most once; recursion goes as deep as the format is nested, at most
 * TW__LINE_FORMAT_DEPTH_MAX.
 * Limits: metadata is sorted up to SORTED_MAX keys, those beyond follow as they come.
 * Rejected: padding every element of a branch by itself, as lager does (a blank between two fields becomes a column).
 */
#include <string.h>
#include <time.h>

#include "model/text.h"
#include "wire/json.h"
#include "wire/line_parts.h"
#include "wire/utf8.h"
#include "wire/value.h"

enum { SORTED_MAX = 64, NS_PER_S = 1000000000, NS_PER_MS = 1000000 };

struct writing {
    const struct tw__line_format *format;
    const struct tw__line_source *source;
    const struct tw__line_options *options;
    struct tw__buf *out;
};

static bool ask(const struct writing *w, const struct tw__line_part *part, struct tw__field *value)
{
    const struct tw__line_source *source = w->source;
    *value = (struct tw__field){0};
    if (part->key != TW__LINE_NO_KEY && source->get(source->event, &w->format->keys[part->key], value)) return true;
    return part->also != TW__LINE_NO_KEY && source->get(source->event, &w->format->keys[part->also], value);
}

static void add_text(const struct writing *w, const char *text, size_t len)
{
    if (!w->options->one_line) {
        tw__buf_add(w->out, text, len);
        return;
    }
    size_t from = 0;
    for (size_t i = 0; i < len; i++) {
        uint8_t c = (uint8_t)text[i];
        if (c >= 0x20 && c != 0x7f) continue;
        tw__buf_add(w->out, text + from, i - from);
        from = i + 1;
        if (c == '\n' || c == '\t' || c == '\r')
            tw__buf_cstr(w->out, c == '\n' ? "\\n" : c == '\t' ? "\\t" : "\\r");
        else
            tw__buf_fmt(w->out, "\\x%02x", c);
    }
    tw__buf_add(w->out, text + from, len - from);
}

static void add_double(const struct writing *w, double value)
{
    char text[TW__NUMBER_MAX];
    size_t len = tw__f64_text(value, text);
    tw__buf_add(w->out, text, len);
    bool whole = true;
    for (size_t i = 0; i < len; i++) whole &= text[i] == '-' || (text[i] >= '0' && text[i] <= '9');
    if (whole) tw__buf_cstr(w->out, ".0");
}

static const char *level_name(uint64_t level)
{
    static const char *const names[] = {"emergency", "alert",  "critical", "error",
                                        "warning",   "notice", "info",     "debug"};
    return names[level < 8 ? level : 7];
}

static void add_value(const struct writing *w, const struct tw__field *value)
{
    switch (value->type) {
    case TW__FIELD_INT:
        if (value->i < 0) tw__buf_char(w->out, '-');
        tw__buf_u64(w->out, value->i < 0 ? ~value->u + 1 : value->u);
        break;
    case TW__FIELD_UINT:
        tw__buf_u64(w->out, value->u);
        break;
    case TW__FIELD_DOUBLE:
        add_double(w, value->d);
        break;
    case TW__FIELD_BOOL:
        tw__buf_cstr(w->out, value->u ? "true" : "false");
        break;
    case TW__FIELD_TEXT:
    case TW__FIELD_BYTES:
        add_text(w, value->ptr, value->len);
        break;
    case TW__FIELD_LEVEL:
        tw__buf_cstr(w->out, level_name(value->u));
        break;
    case TW__FIELD_NONE:
        break;
    }
}

/* Decimal digits, with zeros in front. */
static void digits(char *text, size_t count, uint64_t value)
{
    while (count--) {
        text[count] = (char)('0' + value % 10);
        value /= 10;
    }
}

static void set_clock(struct tw__line_clock *clock, uint64_t second, bool utc)
{
    struct tm tm = {0};
    time_t seconds = (time_t)second;
    if (utc)
        (void)gmtime_r(&seconds, &tm);
    else
        (void)localtime_r(&seconds, &tm);
    clock->second = second + 1;
    digits(clock->date, 4, (unsigned)tm.tm_year + 1900);
    digits(clock->date + 5, 2, (unsigned)tm.tm_mon + 1);
    digits(clock->date + 8, 2, (unsigned)tm.tm_mday);
    digits(clock->time, 2, (unsigned)tm.tm_hour);
    digits(clock->time + 3, 2, (unsigned)tm.tm_min);
    digits(clock->time + 6, 2, (unsigned)tm.tm_sec);
    clock->date[4] = clock->date[7] = '-';
    clock->time[2] = clock->time[5] = ':';
}

static void add_clock(const struct writing *w, const struct tw__line_part *part)
{
    struct tw__field value;
    struct tw__line_clock own = {0}, *clock = w->options->clock ? w->options->clock : &own;
    if (!ask(w, part, &value) || (value.type != TW__FIELD_UINT && value.type != TW__FIELD_INT)) return;
    if (clock->second != value.u / NS_PER_S + 1) set_clock(clock, value.u / NS_PER_S, w->options->utc);
    if (part->kind == TW__LINE_DATE) {
        tw__buf_add(w->out, clock->date, sizeof clock->date);
        return;
    }
    char text[16];
    size_t len = sizeof clock->time + 4;
    memcpy(text, clock->time, sizeof clock->time);
    text[sizeof clock->time] = '.';
    digits(text + sizeof clock->time + 1, 3, value.u % NS_PER_S / NS_PER_MS);
    if (w->options->utc) {
        memcpy(text + len, " UTC", 4);
        len += 4;
    }
    tw__buf_add(w->out, text, len);
}

static void add_message(const struct writing *w, const struct tw__line_part *part)
{
    struct tw__field value;
    if (!ask(w, part, &value)) return;
    if (value.type == TW__FIELD_TEXT || value.type == TW__FIELD_BYTES) {
        if (value.len && value.ptr[value.len - 1] == '\n') value.len--;
        value.len = tw__utf8_at_most((struct tw_text){value.ptr, value.len}, TW__LINE_MESSAGE_MAX).len;
    }
    add_value(w, &value);
}

/* severity, severity_upper, sev, color */
static void add_severity(const struct writing *w, const struct tw__line_part *part)
{
    static const char letters[] = "MACEWNID";
    static const char *const colors[] = {"\033[1;31m", "\033[1;35m", "\033[1;35m", "\033[1;31m",
                                         "\033[1;33m", "\033[1;36m", "\033[1;37m", "\033[0;38m"};
    struct tw__field value;
    if (part->kind == TW__LINE_COLOR && !w->options->color) return;
    if (!ask(w, part, &value)) {
        if (part->kind != TW__LINE_COLOR) tw__buf_cstr(w->out, "Undefined");
        return;
    }
    uint64_t level = value.type == TW__FIELD_LEVEL ? value.u : 8;
    for (unsigned i = 0; i < 8 && value.type == TW__FIELD_TEXT; i++)
        if (value.len == strlen(level_name(i)) && memcmp(value.ptr, level_name(i), value.len) == 0) level = i;
    if (level > 7) {
        if (part->kind != TW__LINE_COLOR) add_value(w, &value);
    } else if (part->kind == TW__LINE_COLOR) {
        tw__buf_cstr(w->out, colors[level]);
    } else if (part->kind == TW__LINE_SEV) {
        tw__buf_char(w->out, letters[level]);
    } else {
        size_t from = w->out->len;
        tw__buf_cstr(w->out, level_name(level));
        for (; part->kind == TW__LINE_SEVERITY_UPPER && !w->out->failed && from < w->out->len; from++)
            w->out->ptr[from] = (char)(w->out->ptr[from] & ~0x20);
    }
}

struct datum {
    struct tw__field_key key;
    struct tw__field value;
};

static int order_of(const struct tw__field_key *a, const struct tw__field_key *b)
{
    return tw__text_order((struct tw_text){a->name, a->len}, (struct tw_text){b->name, b->len});
}

static void add_datum(const struct writing *w, const struct tw__line_part *part, const struct datum *datum, bool *first)
{
    const struct tw__field *value = &datum->value;
    bool quotes = value->type == TW__FIELD_TEXT && value->len == 0;
    if (!*first) tw__buf_add(w->out, part->other, part->other_len);
    *first = false;
    add_text(w, datum->key.name, datum->key.len);
    tw__buf_add(w->out, part->text, part->len);
    for (size_t i = 0; value->type == TW__FIELD_TEXT && i < value->len; i++)
        quotes |=
            (uint8_t)value->ptr[i] <= ' ' || value->ptr[i] == '"' || value->ptr[i] == '=' || value->ptr[i] == '\\';
    if (!quotes) {
        add_value(w, value);
        return;
    }
    tw__buf_char(w->out, '"');
    for (size_t i = 0, from = 0; i <= value->len; i++) {
        if (i < value->len && value->ptr[i] != '"' && value->ptr[i] != '\\') continue;
        add_text(w, value->ptr + from, i - from);
        if (i < value->len) tw__buf_char(w->out, '\\');
        from = i;
    }
    tw__buf_char(w->out, '"');
}

/* Sorted by key; of the same key the first, as in lager. Returns how many; *rest: where to go on reading. What comes in
 * order is not moved. */
static size_t sorted(const struct writing *w, struct datum data[SORTED_MAX + 1], size_t *rest)
{
    size_t count = 0, index = 0;
    for (; count < SORTED_MAX; index++) {
        struct datum *last = &data[count];
        *last = (struct datum){0};
        if (!w->source->each(w->source->event, index, &last->key, &last->value)) break;
        size_t at = count;
        while (at > 0 && order_of(&data[at - 1].key, &last->key) > 0) at--;
        if (at > 0 && order_of(&data[at - 1].key, &last->key) == 0) continue;
        if (at < count) {
            struct datum datum = *last;
            memmove(&data[at + 1], &data[at], (count - at) * sizeof *data);
            data[at] = datum;
        }
        count++;
    }
    *rest = index;
    return count;
}

static void add_metadata(const struct writing *w, const struct tw__line_part *part)
{
    struct datum data[SORTED_MAX + 1], datum = {0};
    size_t rest = 0;
    bool first = true;
    if (!w->source->each) return;
    size_t count = sorted(w, data, &rest);
    for (size_t i = 0; i < count; i++) add_datum(w, part, &data[i], &first);
    for (; w->source->each(w->source->event, rest, &datum.key, &datum.value); rest++)
        add_datum(w, part, &datum, &first);
}

/* Where in text the n-th character begins. */
static size_t offset_of(const char *text, size_t len, size_t n)
{
    return tw__utf8_first((struct tw_text){text, len}, n).len;
}

/* Makes what stands behind from as wide as the part says, by blanks or by cutting. */
static void fit(struct tw__buf *out, size_t from, const struct tw__line_part *part)
{
    size_t len = out->len - from, columns = 0;
    if (out->failed) return;
    for (size_t at = 0, n; at < len; at += n ? n : 1, columns++) {
        uint32_t code_point;
        n = tw__utf8_next(out->ptr + from + at, len - at, &code_point);
    }
    size_t more = part->width > columns ? part->width - columns : 0,
           less = columns > part->width ? columns - part->width : 0;
    size_t before = part->align == TW__LINE_LEFT ? 0 : part->align == TW__LINE_RIGHT ? more + less : (more + less) / 2;
    if (less) {
        size_t begin = offset_of(out->ptr + from, len, before);
        size_t end = begin + offset_of(out->ptr + from + begin, len - begin, part->width);
        memmove(out->ptr + from, out->ptr + from + begin, end - begin);
        out->len = from + (end - begin);
    } else if (more) {
        tw__buf_fill(out, ' ', more);
        if (out->failed || before == 0) return;
        memmove(out->ptr + from + before, out->ptr + from, len);
        memset(out->ptr + from, ' ', before);
    }
}

static void write_parts(const struct writing *w, uint16_t first);

static void write_part(const struct writing *w, const struct tw__line_part *part)
{
    struct tw__field value;
    size_t from = w->out->len;
    switch ((enum tw__line_part_kind)part->kind) {
    case TW__LINE_TEXT:
        tw__buf_add(w->out, part->text, part->len);
        break;
    case TW__LINE_DATE:
    case TW__LINE_TIME:
        add_clock(w, part);
        break;
    case TW__LINE_MESSAGE:
        add_message(w, part);
        break;
    case TW__LINE_SEVERITY:
    case TW__LINE_SEVERITY_UPPER:
    case TW__LINE_SEV:
    case TW__LINE_COLOR:
        add_severity(w, part);
        break;
    case TW__LINE_METADATA:
        add_metadata(w, part);
        break;
    case TW__LINE_KEY:
        if (ask(w, part, &value))
            add_value(w, &value);
        else if (part->absent)
            write_parts(w, part->absent);
        else
            tw__buf_cstr(w->out, "Undefined");
        break;
    case TW__LINE_WHETHER:
        write_parts(w, part->key == TW__LINE_NO_KEY || ask(w, part, &value) ? part->present : part->absent);
        if (part->width) fit(w->out, from, part);
        break;
    }
}

static void write_parts(const struct writing *w, uint16_t first)
{
    for (uint16_t at = first; at; at = w->format->parts[at].next) write_part(w, &w->format->parts[at]);
}

static void add_json_field(struct tw__json *json, const struct tw__field *value)
{
    switch (value->type) {
    case TW__FIELD_INT:
        tw__json_i64(json, NULL, value->i);
        break;
    case TW__FIELD_UINT:
        tw__json_u64(json, NULL, value->u);
        break;
    case TW__FIELD_DOUBLE:
        tw__json_f64(json, NULL, value->d);
        break;
    case TW__FIELD_BOOL:
        tw__json_bool(json, NULL, value->u != 0);
        break;
    case TW__FIELD_TEXT:
        tw__json_text(json, NULL, (struct tw_text){value->ptr, value->len});
        break;
    case TW__FIELD_BYTES:
        tw__json_open(json, NULL, '{');
        tw__json_hex(json, "hex", (const uint8_t *)value->ptr, value->len);
        tw__json_close(json, '}');
        break;
    case TW__FIELD_LEVEL:
        tw__json_cstr(json, NULL, level_name(value->u));
        break;
    case TW__FIELD_NONE:
        tw__json_null(json, NULL);
        break;
    }
}

static void add_rfc3339(const struct writing *w, struct tw__json *json, uint64_t ns)
{
    char text[31];
    struct tw__line_clock own = {0}, *clock = w->options->clock && w->options->utc ? w->options->clock : &own;
    if (clock->second != ns / NS_PER_S + 1) set_clock(clock, ns / NS_PER_S, true);
    memcpy(text, clock->date, 10);
    text[10] = 'T';
    memcpy(text + 11, clock->time, 8);
    text[19] = '.';
    digits(text + 20, 9, ns % NS_PER_S);
    text[29] = 'Z';
    tw__json_text(json, "time", (struct tw_text){text, 30});
}

static bool is_word(const struct tw__field_key *key, const char *word)
{
    return key->len == strlen(word) && memcmp(key->name, word, key->len) == 0;
}

/* time, level, message, then the metadata sorted by key, as one strict object. */
static void write_json(const struct writing *w)
{
    static const char *const own[] = {"time", "level", "message"};
    struct tw__json json = {.out = w->out};
    struct datum data[SORTED_MAX + 1];
    struct tw__field value;
    size_t rest = 0, count = w->source->each ? sorted(w, data, &rest) : 0;
    tw__json_open(&json, NULL, '{');
    /* The first three parts behind part 0 are those of own (line_format.c). */
    for (unsigned i = 0; i < 3; i++) {
        if (!ask(w, &w->format->parts[i + 1], &value)) continue;
        if (i == 0 && (value.type == TW__FIELD_UINT || (value.type == TW__FIELD_INT && value.i >= 0))) {
            add_rfc3339(w, &json, value.u);
            continue;
        }
        tw__json_name(&json, (struct tw_text){own[i], strlen(own[i])});
        add_json_field(&json, &value);
    }
    for (size_t i = 0;; i++) {
        struct datum *datum = &data[i < count ? i : SORTED_MAX];
        if (i >= count && (!w->source->each || !w->source->each(w->source->event, rest++, &datum->key, &datum->value)))
            break;
        if (is_word(&datum->key, "time") || is_word(&datum->key, "level") || is_word(&datum->key, "message")) continue;
        tw__json_name(&json, (struct tw_text){datum->key.name, datum->key.len});
        add_json_field(&json, &datum->value);
    }
    tw__json_close(&json, '}');
    tw__json_line(&json);
}

void tw__line_format_write(const struct tw__line_format *format, const struct tw__line_source *source,
                           const struct tw__line_options *options, struct tw__buf *out)
{
    struct writing w = {format, source, options, out};
    if (format->json)
        write_json(&w);
    else
        write_parts(&w, format->parts[0].next);
}
