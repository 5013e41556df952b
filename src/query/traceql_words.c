/* traceql_words: the words of TraceQL: names with quoted parts, and which keys of our filter language they stand for.
 *
 *     span.http.status_code  -> tag.http.status_code          .zone -> tag.zone, or else resource.zone
 *     event:timeSinceStart   -> event_time                    parent.x -> what there is instead
 */
#include <string.h>

#include "model/span_fields.h"
#include "model/text.h"
#include "query/traceql_read.h"

enum { NAMED_BYTES = 2048 };

/* -- letters */

int tw__traceql_refuse(const struct tw__traceql_reader *r, size_t at, const char *what)
{
    (void)tw__refuse(r->refusal, TW_ERR_SYNTAX, at, "%s", what);
    return TW_ERR_SYNTAX;
}

void tw__traceql_space(struct tw__traceql_reader *r)
{
    while (r->at < r->len &&
           (r->text[r->at] == ' ' || r->text[r->at] == '\n' || r->text[r->at] == '\t' || r->text[r->at] == '\r'))
        r->at++;
}

bool tw__traceql_take(struct tw__traceql_reader *r, const char *sign)
{
    size_t len = strlen(sign);
    tw__traceql_space(r);
    if (r->len - r->at < len || memcmp(r->text + r->at, sign, len) != 0) return false;
    r->at += len;
    return true;
}

bool tw__traceql_is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.' || c == ':' || c == '/' || c == '@' || c == '$' || (uint8_t)c >= 0x80;
}

bool tw__traceql_take_word(struct tw__traceql_reader *r, const char *word)
{
    size_t before = r->at;
    if (!tw__traceql_take(r, word)) return false;
    if (r->at == r->len || !tw__traceql_is_word(r->text[r->at])) return true;
    r->at = before;
    return false;
}

const char *tw__traceql_read_operator(struct tw__traceql_reader *r)
{
    static const char *const theirs[] = {"=~", "!~", "!=", "<=", ">=", "=", "<", ">"};
    static const char *const ours[] = {"~", "!~", "!=", "<=", ">=", "=", "<", ">"};
    for (size_t i = 0; i < sizeof theirs / sizeof *theirs; i++)
        if (tw__traceql_take(r, theirs[i])) return ours[i];
    return NULL;
}

static int digit_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : 99;
}

static void put_character(struct tw__buf *out, uint32_t c)
{
    static const struct {
        uint32_t from;
        uint8_t front;
        unsigned more;
    } sizes[] = {{0x10000, 0xf0, 3}, {0x800, 0xe0, 2}, {0x80, 0xc0, 1}, {0, 0, 0}};
    unsigned s = 0;
    while (c < sizes[s].from) s++;
    tw__buf_char(out, (char)(sizes[s].front | c >> 6 * sizes[s].more));
    for (unsigned n = sizes[s].more; n-- > 0;) tw__buf_char(out, (char)(0x80 | (c >> 6 * n & 0x3f)));
}

/* The escape at the backslash: those of Go. */
static int read_escape(struct tw__traceql_reader *r, struct tw__buf *out)
{
    static const char letters[] = "abfnrtv\\\"", meant[] = "\a\b\f\n\r\t\v\\\"";
    size_t begin = r->at;
    char c = r->at + 1 < r->len ? r->text[r->at + 1] : 0;
    const char *letter = c ? strchr(letters, c) : NULL;
    if (letter) {
        tw__buf_char(out, meant[letter - letters]);
        r->at += 2;
        return 0;
    }
    bool octal = c >= '0' && c <= '7';
    unsigned digits = octal ? 3 : c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    uint64_t number = 0;
    bool right = digits > 0;
    r->at += octal ? 1 : 2;
    for (unsigned i = 0; i < digits && right; i++, r->at++) {
        int digit = r->at < r->len ? digit_of(r->text[r->at]) : 99;
        right = digit < (octal ? 8 : 16);
        number = number * (octal ? 8 : 16) + (uint64_t)digit;
    }
    if (octal || c == 'x') {
        right = right && number <= 0xff;
        if (right) tw__buf_char(out, (char)number);
    } else {
        right = right && number <= 0x10ffff && !(number >= 0xd800 && number <= 0xdfff);
        if (right) put_character(out, (uint32_t)number);
    }
    return right ? 0
                 : tw__traceql_refuse(
                       r, begin,
                       "no such escape; there are \\n \\t \\r \\a \\b \\f \\v \\\\ \\\" \\xNN \\NNN \\uNNNN "
                       "\\UNNNNNNNN; between ` a backslash is one");
}

int tw__traceql_read_quoted(struct tw__traceql_reader *r, struct tw__buf *out)
{
    char quote = r->text[r->at++];
    while (r->at < r->len && r->text[r->at] != quote) {
        if (quote == '"' && r->text[r->at] == '\\') {
            int code = read_escape(r, out);
            if (code < 0) return code;
        } else {
            tw__buf_char(out, r->text[r->at++]);
        }
    }
    if (r->at >= r->len) return tw__traceql_refuse(r, r->len, "a quote is not closed");
    r->at++;
    return 0;
}

int tw__traceql_read_name(struct tw__traceql_reader *r)
{
    tw__traceql_space(r);
    tw__buf_reset(&r->word);
    while (r->at < r->len) {
        if (r->text[r->at] == '"' && r->word.len && r->word.ptr[r->word.len - 1] == '.') {
            int code = tw__traceql_read_quoted(r, &r->word);
            if (code < 0) return code;
        } else if (tw__traceql_is_word(r->text[r->at])) {
            tw__buf_char(&r->word, r->text[r->at++]);
        } else {
            break;
        }
    }
    return r->word.len ? 0
                       : tw__traceql_refuse(
                             r, r->at, "an attribute is expected: .name, span.name, resource.name or an intrinsic");
}

/* -- fields */

struct tw_text tw__traceql_text(const struct tw__buf *buf)
{
    return (struct tw_text){buf->ptr, buf->len};
}

static bool begins(struct tw_text word, const char *other)
{
    size_t len = strlen(other);
    return word.len > len && memcmp(word.ptr, other, len) == 0;
}

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
    {"span:id", "span_id"},
    {"span:parentID", "parent_id"},
    {"traceDuration", "trace.duration"},
    {"trace:duration", "trace.duration"},
    {"rootName", "trace.name"},
    {"trace:rootName", "trace.name"},
    {"rootServiceName", "trace.service"},
    {"trace:rootService", "trace.service"},
    {"trace:rootServiceName", "trace.service"},
    {"trace:id", "trace_id"},
    {"event:name", "event"},
    {"event:timeSinceStart", "event_time"},
    {"link:traceID", "link_trace_id"},
    {"link:spanID", "link_span_id"},
    {"instrumentation:name", "scope"},
    {"instrumentation:version", "scope_version"},
    {"resource.service.name", "service"},
    {".service.name", "service"},
};

static const struct {
    const char *theirs, *ours;
} scopes[] = {
    {"span.", "tag."},  {"resource.", "resource."},     {"event.", "event."},
    {"link.", "link."}, {"instrumentation.", "scope."},
};

/* What Tempo has and we do not, and what there is instead. */
static const struct {
    const char *name;
    bool prefix;
    const char *instead;
} missing[] = {
    {"parent.", true, "parent. is not there; of two spans: { of the parent } > { of the child }"},
    {"parent", false, "parent is not there; of two spans: { of the parent } > { of the child }"},
    {"childCount", false, "childCount is not there; { } !< { .. } are spans without children"},
    {"span:childCount", false, "span:childCount is not there; { } !< { .. } are spans without children"},
    {"nestedSetLeft", false, "nestedSetLeft is there in select() only; of two spans: { } >> { }"},
    {"nestedSetRight", false, "nestedSetRight is there in select() only; of two spans: { } >> { }"},
    {"nestedSetParent", false, "nestedSetParent is there in conditions and in select() only"},
};

int tw__traceql_unknown(const struct tw__traceql_reader *r, size_t at, struct tw_text word)
{
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++)
        if (missing[i].prefix ? begins(word, missing[i].name) : tw__text_is(word, missing[i].name))
            return tw__traceql_refuse(r, at, missing[i].instead);
    if (memchr(word.ptr, ':', word.len))
        return tw__traceql_refuse(r, at,
                                  "no such intrinsic; there are span: name status statusMessage duration kind id "
                                  "parentID, trace:, event:, link:, instrumentation:");
    return tw__traceql_refuse(r, at,
                              "not an attribute or intrinsic that is known here; attributes have a scope: .name, "
                              "span.name, resource.name, event.name, link.name");
}

unsigned tw__traceql_keys(struct tw__traceql_reader *r, struct tw_text word)
{
    tw__buf_reset(&r->key);
    for (size_t i = 0; i < sizeof intrinsics / sizeof *intrinsics; i++) {
        if (!tw__text_is(word, intrinsics[i].theirs)) continue;
        tw__buf_add(&r->key, intrinsics[i].ours, strlen(intrinsics[i].ours) + 1);
        return 1;
    }
    for (size_t i = 0; i < sizeof scopes / sizeof *scopes; i++) {
        size_t len = strlen(scopes[i].theirs);
        if (!begins(word, scopes[i].theirs)) continue;
        tw__buf_fmt(&r->key, "%s%.*s", scopes[i].ours, (int)(word.len - len), word.ptr + len);
        tw__buf_char(&r->key, 0);
        return 1;
    }
    if (word.len < 2 || word.ptr[0] != '.') return 0;
    tw__buf_fmt(&r->key, "tag%.*s", (int)word.len, word.ptr);
    tw__buf_char(&r->key, 0);
    tw__buf_fmt(&r->key, "resource%.*s", (int)word.len, word.ptr);
    tw__buf_char(&r->key, 0);
    return 2;
}

const char *tw__traceql_second(const struct tw__traceql_reader *r)
{
    return r->key.ptr + strlen(r->key.ptr) + 1;
}

struct tw_text tw__traceql_keep(struct tw__traceql_reader *r, const char *ptr, size_t len)
{
    return (struct tw_text){tw__pool_copy(&r->out->pool, ptr, len), len};
}

int tw__traceql_read_field(struct tw__traceql_reader *r, uint8_t *index)
{
    tw__traceql_space(r);
    size_t begin = r->at;
    int code = tw__traceql_read_name(r);
    if (code < 0) return code;
    struct tw_text word = tw__traceql_text(&r->word);
    unsigned count = memchr(word.ptr, 0, word.len) ? 0 : tw__traceql_keys(r, word);
    if (count == 0) return tw__traceql_unknown(r, begin, word);
    if (r->out->field_count == TW__TRACEQL_FIELDS) return tw__traceql_refuse(r, begin, "too many attributes");
    if (r->key.failed) return TW_ERR_MEMORY;
    struct tw__traceql_field *field = &r->out->fields[r->out->field_count];
    *field = (struct tw__traceql_field){.label = tw__traceql_keep(r, word.ptr, word.len)};
    field->keys[0] = tw__traceql_keep(r, r->key.ptr, strlen(r->key.ptr));
    if (count == 2) field->keys[1] = tw__traceql_keep(r, tw__traceql_second(r), strlen(tw__traceql_second(r)));
    if (!field->label.ptr || !field->keys[0].ptr || (count == 2 && !field->keys[1].ptr)) return TW_ERR_MEMORY;
    for (unsigned k = 0; k < count; k++)
        field->ids[k] = tw__span_schema.resolve(NULL, field->keys[k].ptr, field->keys[k].len);
    *index = (uint8_t)r->out->field_count++;
    return 0;
}

void tw__traceql_note(struct tw__traceql_reader *r)
{
    struct tw__buf *named = &r->out->named;
    struct tw_text word = tw__traceql_text(&r->word);
    for (size_t at = 0; at < named->len; at += strlen(named->ptr + at) + 1)
        if (tw__text_is(word, named->ptr + at)) return;
    if (named->len + word.len >= NAMED_BYTES || memchr(word.ptr, 0, word.len)) return;
    tw__buf_add(named, word.ptr, word.len);
    tw__buf_char(named, 0);
}
