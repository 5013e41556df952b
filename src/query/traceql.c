/* traceql: see the header. One pass over the text that writes the filter as it goes; nesting is only of parentheses,
 * which the filter compiler counts and limits.
 */
#include "query/traceql.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "filter/filter.h"

struct reader {
    const char *text;
    size_t len, at;
    struct tw__buf *out, *fields;
    struct tw__refusal *refusal;
};

static int refuse(const struct reader *r, const char *what)
{
    (void)tw__refuse(r->refusal, TW_ERR_SYNTAX, r->at, "%s", what);
    return TW_ERR_SYNTAX;
}

static void space(struct reader *r)
{
    while (r->at < r->len &&
           (r->text[r->at] == ' ' || r->text[r->at] == '\n' || r->text[r->at] == '\t' || r->text[r->at] == '\r'))
        r->at++;
}

static bool take(struct reader *r, const char *word)
{
    size_t len = strlen(word);
    space(r);
    if (r->len - r->at < len || memcmp(r->text + r->at, word, len) != 0) return false;
    r->at += len;
    return true;
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.' || c == ':' || c == '/' || c == '@' || c == '$';
}

/* An attribute's name or intrinsic: letters, digits and some signs; parts may be quoted. Into word, without the
 * quotes. */
static int read_name(struct reader *r, struct tw__buf *word)
{
    space(r);
    tw__buf_reset(word);
    while (r->at < r->len) {
        if (r->text[r->at] == '"') {
            for (r->at++; r->at < r->len && r->text[r->at] != '"'; r->at++) tw__buf_char(word, r->text[r->at]);
            if (r->at == r->len) return refuse(r, "a quote is not closed");
            r->at++;
        } else if (is_word(r->text[r->at])) {
            tw__buf_char(word, r->text[r->at++]);
        } else {
            break;
        }
    }
    return word->len ? 0 : refuse(r, "an attribute is expected: .name, span.name, resource.name or an intrinsic");
}

static bool same(const struct tw__buf *word, const char *other)
{
    return word->len == strlen(other) && memcmp(word->ptr, other, word->len) == 0;
}

static bool begins(const struct tw__buf *word, const char *other)
{
    size_t len = strlen(other);
    return word->len > len && memcmp(word->ptr, other, len) == 0;
}

/* A key in quotes: no character of it means anything else. */
static void put_key(struct tw__buf *out, const char *prefix, const char *name, size_t len)
{
    tw__buf_char(out, '"');
    tw__buf_cstr(out, prefix);
    tw__filter_escape(out, name, len, false);
    tw__buf_char(out, '"');
}

enum field { FIELD_KEY, FIELD_EITHER, FIELD_ROOT, FIELD_UNKNOWN };

/* The key that a name stands for. FIELD_EITHER: of the span or of its resource; the name without its dot is in key's
 * second half. */
static enum field key_of(const struct tw__buf *word, struct tw__buf *key)
{
    static const struct {
        const char *theirs, *ours;
    } intrinsics[] = {
        {"name", "name"},
        {"span:name", "name"},
        {"status", "status"},
        {"span:status", "status"},
        {"statusMessage", "status.message"},
        {"span:statusMessage", "status.message"},
        {"kind", "kind"},
        {"span:kind", "kind"},
        {"duration", "duration"},
        {"span:duration", "duration"},
        {"traceDuration", "trace.duration"},
        {"trace:duration", "trace.duration"},
        {"rootName", "trace.name"},
        {"trace:rootName", "trace.name"},
        {"rootServiceName", "trace.service"},
        {"trace:rootService", "trace.service"},
        {"trace:rootServiceName", "trace.service"},
        {"span:id", "span_id"},
        {"span:parentID", "parent_id"},
        {"trace:id", "trace_id"},
        {"resource.service.name", "service"},
        {".service.name", "service"},
        {"instrumentation:name", "scope"},
    };
    tw__buf_reset(key);
    if (same(word, "nestedSetParent")) return FIELD_ROOT;
    for (size_t i = 0; i < sizeof intrinsics / sizeof *intrinsics; i++) {
        if (!same(word, intrinsics[i].theirs)) continue;
        put_key(key, "", intrinsics[i].ours, strlen(intrinsics[i].ours));
        return FIELD_KEY;
    }
    if (begins(word, "span.")) {
        put_key(key, "tag.", word->ptr + 5, word->len - 5);
        return FIELD_KEY;
    }
    if (begins(word, "resource.")) {
        put_key(key, "", word->ptr, word->len);
        return FIELD_KEY;
    }
    if (word->ptr[0] == '.' && word->len > 1) return FIELD_EITHER;
    return FIELD_UNKNOWN;
}

/* Notes a name that was read, once. */
static void note_field(struct reader *r, const struct tw__buf *word)
{
    enum { FIELDS_BYTES = 2048 };
    for (size_t at = 0; at < r->fields->len; at += strlen(r->fields->ptr + at) + 1)
        if (same(word, r->fields->ptr + at)) return;
    if (r->fields->len + word->len >= FIELDS_BYTES || (word->len && memchr(word->ptr, 0, word->len))) return;
    tw__buf_add(r->fields, word->ptr, word->len);
    tw__buf_char(r->fields, 0);
}

struct value {
    struct tw__buf text; /* as the filter language has it */
    bool nil, quoted;
};

/* A literal: quoted in either way, a number, a duration, a word. */
static int read_value(struct reader *r, struct value *value)
{
    space(r);
    tw__buf_reset(&value->text);
    value->nil = value->quoted = false;
    char quote = r->at < r->len ? r->text[r->at] : 0;
    if (quote == '"' || quote == '`') {
        value->quoted = true;
        for (r->at++; r->at < r->len && r->text[r->at] != quote; r->at++) {
            if (quote == '"' && r->text[r->at] == '\\' && r->at + 1 < r->len) {
                tw__buf_char(&value->text, r->text[++r->at] == 'n' ? '\n' : r->text[r->at]);
                continue;
            }
            tw__buf_char(&value->text, r->text[r->at]);
        }
        if (r->at == r->len) return refuse(r, "a quote is not closed");
        r->at++;
        return 0;
    }
    while (r->at < r->len && is_word(r->text[r->at])) tw__buf_char(&value->text, r->text[r->at++]);
    if (value->text.len == 0) return refuse(r, "a value is expected");
    value->nil = same(&value->text, "nil");
    return 0;
}

static const char *read_operator(struct reader *r)
{
    static const char *const theirs[] = {"=~", "!~", "!=", "<=", ">=", "=", "<", ">"};
    static const char *const ours[] = {"~", "!~", "!=", "<=", ">=", "=", "<", ">"};
    for (size_t i = 0; i < sizeof theirs / sizeof *theirs; i++)
        if (take(r, theirs[i])) return ours[i];
    return NULL;
}

static void put_one(struct tw__buf *out, const struct tw__buf *key, const char *op, const struct value *value)
{
    if (value->nil) {
        tw__buf_cstr(out, *op == '=' ? "absent(" : "exists(");
        tw__buf_add(out, key->ptr, key->len);
        tw__buf_char(out, ')');
        return;
    }
    bool regex = op[strlen(op) - 1] == '~';
    tw__buf_add(out, key->ptr, key->len);
    tw__buf_cstr(out, op);
    if (!regex && !value->quoted) {
        tw__buf_add(out, value->text.ptr, value->text.len);
        return;
    }
    tw__buf_cstr(out, regex ? "\"^(" : "\""); /* TraceQL's match the whole value */
    tw__filter_escape(out, value->text.ptr, value->text.len, regex);
    tw__buf_cstr(out, regex ? ")$\"" : "\"");
}

/* The comparison of an attribute that may be the span's or its resource's. */
static void put_either(struct tw__buf *out, const struct tw__buf *word, const char *op, const struct value *value)
{
    struct tw__buf key = {0};
    tw__buf_char(out, '(');
    put_key(&key, "tag.", word->ptr + 1, word->len - 1);
    put_one(out, &key, op, value);
    tw__buf_cstr(out, value->nil && *op == '=' ? " and " : " or ");
    tw__buf_reset(&key);
    put_key(&key, "resource.", word->ptr + 1, word->len - 1);
    put_one(out, &key, op, value);
    tw__buf_char(out, ')');
    tw__buf_fini(&key);
}

/* What follows the name of a field. */
static int read_comparison(struct reader *r, const struct tw__buf *word, enum field field, const struct tw__buf *key,
                           struct value *value)
{
    const char *op = read_operator(r);
    if (!op) return refuse(r, "a comparison is expected: = != < <= > >= =~ !~");
    int code = read_value(r, value);
    if (code < 0) return code;
    if (field == FIELD_ROOT) /* nestedSetParent < 0: a root */
        tw__buf_cstr(r->out, *op == '<' || *op == '=' ? "root=true" : "root=false");
    else if (field == FIELD_EITHER)
        put_either(r->out, word, op, value);
    else
        put_one(r->out, key, op, value);
    return 0;
}

static int read_condition(struct reader *r)
{
    struct tw__buf word = {0}, key = {0};
    struct value value = {0};
    size_t begin = r->at;
    int code = read_name(r, &word);
    if (code == 0 && (same(&word, "true") || same(&word, "false"))) {
        tw__buf_add(r->out, word.ptr, word.len);
    } else if (code == 0) {
        enum field field = key_of(&word, &key);
        if (field == FIELD_UNKNOWN) {
            r->at = begin;
            code = refuse(r, "not an attribute or intrinsic that is known here");
        } else {
            note_field(r, &word);
            code = read_comparison(r, &word, field, &key, &value);
        }
    }
    tw__buf_fini(&word);
    tw__buf_fini(&key);
    tw__buf_fini(&value.text);
    return code;
}

/* Everything between the braces. */
static int read_spanset(struct reader *r)
{
    size_t depth = 0;
    bool operand = true; /* expected next */
    if (!take(r, "{")) return refuse(r, "a spanset is expected: { ... }");
    if (take(r, "}")) return 0;
    for (;;) {
        int code = 0;
        if (operand && take(r, "(")) {
            tw__buf_char(r->out, '(');
            depth++;
        } else if (operand && r->at < r->len && r->text[r->at] == '!') {
            r->at++;
            tw__buf_cstr(r->out, "not ");
        } else if (operand) {
            if ((code = read_condition(r)) < 0) return code;
            operand = false;
        } else if (depth > 0 && take(r, ")")) {
            tw__buf_char(r->out, ')');
            depth--;
        } else if (take(r, "&&")) {
            tw__buf_cstr(r->out, " and ");
            operand = true;
        } else if (take(r, "||")) {
            tw__buf_cstr(r->out, " or ");
            operand = true;
        } else if (depth == 0 && take(r, "}")) {
            return 0;
        } else {
            return refuse(r, "&&, || or the end of the spanset is expected");
        }
    }
}

/* -- behind the spanset */

static int read_number(struct reader *r, double *out)
{
    char digits[32];
    size_t len = 0;
    space(r);
    while (r->at < r->len && len < sizeof digits - 1 &&
           ((r->text[r->at] >= '0' && r->text[r->at] <= '9') || r->text[r->at] == '.'))
        digits[len++] = r->text[r->at++];
    digits[len] = 0;
    if (len == 0) return refuse(r, "a number is expected");
    uint64_t whole = 0, scale = 1;
    bool point = false;
    for (size_t i = 0; i < len; i++) {
        if (digits[i] == '.') {
            if (point) return refuse(r, "a number has one point");
            point = true;
            continue;
        }
        if (whole > UINT64_MAX / 100) break;
        whole = whole * 10 + (uint64_t)(digits[i] - '0');
        if (point) scale *= 10;
    }
    *out = (double)whole / (double)scale;
    return 0;
}

static int read_count(struct reader *r, struct tw__traceql *out)
{
    double number;
    if (!take(r, "(") || !take(r, ")")) return refuse(r, "count() is expected");
    const char *op = read_operator(r);
    if (!op || strchr(op, '~')) return refuse(r, "a comparison is expected after count()");
    int code = read_number(r, &number);
    if (code < 0) return code;
    if (strcmp(op, "!=") == 0) return refuse(r, "count() != is not known here");
    uint64_t down = (uint64_t)floor(number), up = (uint64_t)ceil(number), least = 0, most = UINT64_MAX;
    if (strcmp(op, ">") == 0) least = down + 1;
    if (strcmp(op, ">=") == 0 || strcmp(op, "=") == 0) least = up;
    if (strcmp(op, "<") == 0) most = up ? up - 1 : 0;
    if (strcmp(op, "<=") == 0 || strcmp(op, "=") == 0) most = down;
    if (least > out->count_min) out->count_min = least;
    if (most < out->count_max) out->count_max = most;
    return 0;
}

static int read_metric(struct reader *r, struct tw__traceql *out, enum tw__traceql_function function)
{
    out->function = function;
    if (!take(r, "(")) return refuse(r, "( is expected");
    if (function == TW__TRACEQL_QUANTILE || function == TW__TRACEQL_HISTOGRAM) {
        if (!take(r, "duration") && !take(r, "span:duration")) return refuse(r, "of durations only");
        while (function == TW__TRACEQL_QUANTILE && take(r, ",")) {
            double q;
            int code = read_number(r, &q);
            if (code < 0) return code;
            if (out->quantile_count == TW__TRACEQL_QUANTILES) return refuse(r, "too many quantiles");
            out->quantiles[out->quantile_count++] = q;
        }
        if (function == TW__TRACEQL_QUANTILE && out->quantile_count == 0)
            return refuse(r, "a quantile is expected: , .9");
    }
    if (!take(r, ")")) return refuse(r, ") is expected");
    if (!take(r, "by")) return 0;
    if (!take(r, "(")) return refuse(r, "( is expected");
    int code = read_name(r, &out->by_label);
    if (code < 0) return code;
    enum field field = key_of(&out->by_label, &out->by);
    if (field == FIELD_EITHER) put_key(&out->by, "tag.", out->by_label.ptr + 1, out->by_label.len - 1);
    if (field == FIELD_UNKNOWN || field == FIELD_ROOT) return refuse(r, "by: not an attribute that is known here");
    return take(r, ")") ? 0 : refuse(r, ") is expected; by one attribute only");
}

/* select(a, b) */
static int read_select(struct reader *r)
{
    struct tw__buf word = {0};
    int code = take(r, "(") ? 0 : refuse(r, "( is expected");
    while (code == 0) {
        code = read_name(r, &word);
        if (code == 0) note_field(r, &word);
        if (code == 0 && take(r, ")")) break;
        if (code == 0 && !take(r, ",")) code = refuse(r, ", or ) is expected");
    }
    tw__buf_fini(&word);
    return code;
}

int tw__traceql_parse(const char *text, size_t len, struct tw__traceql *out, struct tw__refusal *refusal)
{
    *out = (struct tw__traceql){.count_max = UINT64_MAX};
    *refusal = (struct tw__refusal){0};
    struct reader r = {.text = text, .len = len, .out = &out->where, .fields = &out->fields, .refusal = refusal};
    int code = 0;
    space(&r);
    if (len - r.at == 0) return 0;
    code = read_spanset(&r);
    while (code == 0 && take(&r, "|")) {
        if (take(&r, "select"))
            code = read_select(&r);
        else if (take(&r, "count_over_time"))
            code = read_metric(&r, out, TW__TRACEQL_COUNT);
        else if (take(&r, "count"))
            code = read_count(&r, out);
        else if (take(&r, "rate"))
            code = read_metric(&r, out, TW__TRACEQL_RATE);
        else if (take(&r, "quantile_over_time"))
            code = read_metric(&r, out, TW__TRACEQL_QUANTILE);
        else if (take(&r, "histogram_over_time"))
            code = read_metric(&r, out, TW__TRACEQL_HISTOGRAM);
        else
            code = refuse(&r, "select(), count(), rate(), count_over_time(), quantile_over_time() or "
                              "histogram_over_time() is expected");
    }
    if (code == 0 && take(&r, "with")) r.at = len; /* hints, such as with (most_recent=true) */
    space(&r);
    if (code == 0 && r.at != len) code = refuse(&r, "one spanset, then | and functions");
    if (code == 0 && (out->where.failed || out->by.failed || out->fields.failed)) code = TW_ERR_MEMORY;
    return code;
}

void tw__traceql_fini(struct tw__traceql *traceql)
{
    tw__buf_fini(&traceql->where);
    tw__buf_fini(&traceql->by);
    tw__buf_fini(&traceql->by_label);
    tw__buf_fini(&traceql->fields);
}
