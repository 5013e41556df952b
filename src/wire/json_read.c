/* json_read: a pull reader for JSON.
 *
 * State is one of five expectations, and a bit for each open bracket that says whether it is a brace:
 *
 *     VALUE         a value                        at the beginning, after a name, after a comma in an array
 *     FIRST_VALUE   a value or ]                   after [
 *     NAME          a name                         after a comma in an object
 *     FIRST_NAME    a name or }                    after {
 *     AFTER         a comma or the right bracket   after a value; outside of brackets: the end
 *
 * Invariant: the bytes before at have been read, and at moves only over whole pieces (bracket, comma, name with its
 * colon, value). So "more" costs nothing: the reader stands before the piece that is not there yet. A piece that grows
 * byte by byte is looked at again each time; who reads from a socket feeds buffers, not bytes. Limits:
 * TW__JSON_DEPTH_MAX brackets; a string with escapes must fit the caller's scratch memory once decoded. A string
 * without is a slice of the text and has no limit. Nothing recurses, nothing allocates.
 * Numbers: a whole number keeps 64 bits; beside that each number has the nearest double (base/decimal, not strtod:
 * locales).
 * Rejected: a tree (jansson, which the tests use as their oracle): a malloc per value inside other people's programs.
 * Decoding in place: the text may be a read-only mapping.
 */
#include "wire/json_read.h"

#include <math.h>
#include <string.h>

#include "base/decimal.h"
#include "wire/utf8.h"

enum expectation { VALUE, FIRST_VALUE, NAME, FIRST_NAME, AFTER };

static enum tw__json_event bad_as(struct tw__json_reader *json, int error, size_t at, const char *why)
{
    json->error = error;
    json->error_at = at;
    json->why = why;
    return TW__JSON_BAD;
}

static enum tw__json_event bad(struct tw__json_reader *json, size_t at, const char *why)
{
    return bad_as(json, TW_ERR_SYNTAX, at, why);
}

static enum tw__json_event cut_off(struct tw__json_reader *json, const char *why)
{
    return json->last ? bad(json, json->len, why) : TW__JSON_MORE;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool in_object(const struct tw__json_reader *json)
{
    unsigned top = json->depth - 1;
    return json->depth > 0 && (json->in_object[top / 64] >> (top % 64) & 1);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static inline void skip_space(struct tw__json_reader *json)
{
    while (json->at < json->len && is_space(json->text[json->at])) json->at++;
}

/* -- strings */

/* Four hex digits; -1 when they are not, and there is at least one byte that is none. */
static int hex4(const char *text, size_t len, uint32_t *unit)
{
    *unit = 0;
    for (size_t i = 0; i < 4; i++) {
        if (i == len) return 0;
        char c = text[i];
        int value = is_digit(c)            ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (value < 0) return -1;
        *unit = *unit << 4 | (uint32_t)value;
    }
    return 4;
}

static bool is_high(uint32_t unit)
{
    return unit >= 0xd800 && unit < 0xdc00;
}

static bool is_low(uint32_t unit)
{
    return unit >= 0xdc00 && unit < 0xe000;
}

struct piece {
    size_t used; /* bytes of text */
    uint32_t cp;
    enum { WHOLE, CUT, WRONG } verdict;
    const char *why;
};

static struct piece wrong(const char *why)
{
    return (struct piece){0, 0, WRONG, why};
}

/* \uXXXX, and the second half of a pair behind it. */
static struct piece unicode_escape(const struct tw__json_reader *json, const char *text, size_t len)
{
    static const char broken[] = "\\u without four hexadecimal digits", half[] = "half of a surrogate pair";
    const struct piece lone = {6, 0xfffd, WHOLE, NULL}, cut = {0, 0, CUT, NULL};
    bool repair = json->lenience & TW__JSON_REPAIR;
    uint32_t unit, low;
    int got = hex4(text + 2, len - 2, &unit);
    if (got < 0) return wrong(broken);
    if (got == 0) return cut;
    if (is_low(unit)) return repair ? lone : wrong(half);
    if (!is_high(unit)) return (struct piece){6, unit, WHOLE, NULL};
    if (len == 6 || (len == 7 && text[6] == '\\')) return cut;
    if (text[6] != '\\' || text[7] != 'u') return repair ? lone : wrong(half);
    got = hex4(text + 8, len - 8, &low);
    if (got < 0) return wrong(broken);
    if (got == 0) return cut;
    if (!is_low(low)) return repair ? lone : wrong(half);
    return (struct piece){12, 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00), WHOLE, NULL};
}

/* One character of a string, len >= 1. */
static struct piece next_piece(const struct tw__json_reader *json, const char *text, size_t len)
{
    static const char escapes[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    uint32_t cp = 0;
    if (*text != '\\') {
        if ((unsigned char)*text < 0x20) return wrong("a control character in a string must be escaped");
        size_t n = tw__utf8_next(text, len, &cp);
        if (n) return (struct piece){n, cp, WHOLE, NULL};
        if (len < 4 && !json->last) return (struct piece){0, 0, CUT, NULL};
        if (json->lenience & TW__JSON_REPAIR) return (struct piece){1, 0xfffd, WHOLE, NULL};
        return wrong("a string that is not UTF-8");
    }
    if (len < 2) return (struct piece){0, 0, CUT, NULL};
    if (text[1] == 'u') return unicode_escape(json, text, len);
    const char *known = text[1] ? strchr(escapes, text[1]) : NULL;
    if (!known) return wrong("an escape that JSON does not have");
    return (struct piece){2, (uint32_t)meant[known - escapes], WHOLE, NULL};
}

static size_t put_utf8(char *to, uint32_t cp)
{
    if (cp < 0x80) {
        to[0] = (char)cp;
        return 1;
    }
    size_t n = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, cp >>= 6) to[i] = (char)(0x80 | (cp & 0x3f));
    to[0] = (char)((0xf00u >> n & 0xff) | cp);
    return n;
}

/* Bytes of the rest that stand for themselves and need no look: ASCII but quote, backslash and controls. Eight at a
 * time: a byte's high bit is set where it is none of these; a borrow can only set those of bytes behind the first. */
static size_t plain_run(const char *text, size_t len)
{
    size_t n = 0;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    const uint64_t ones = UINT64_C(0x0101010101010101);
    for (; len - n >= 8; n += 8) {
        uint64_t word;
        memcpy(&word, text + n, sizeof word);
        uint64_t other =
            (word | (word - ones * 0x20) | ((word ^ ones * '"') - ones) | ((word ^ ones * '\\') - ones)) & ones * 0x80;
        if (other) return n + (size_t)__builtin_ctzll(other) / 8;
    }
#endif
    while (n < len && (unsigned char)text[n] >= 0x20 && (unsigned char)text[n] < 0x80 && text[n] != '"' &&
           text[n] != '\\')
        n++;
    return n;
}

/* From the byte behind the quote. On WHOLE, used is the string without its closing quote and cp tells whether it
 * differs from its bytes. */
static struct piece measure(const struct tw__json_reader *json, size_t start, size_t *wrong_at)
{
    uint32_t differs = 0;
    size_t at = start;
    for (;;) {
        at += plain_run(json->text + at, json->len - at);
        if (at == json->len) return (struct piece){0, 0, CUT, NULL};
        if (json->text[at] == '"') return (struct piece){at - start, differs, WHOLE, NULL};
        struct piece piece = next_piece(json, json->text + at, json->len - at);
        if (piece.verdict != WHOLE) {
            *wrong_at = at;
            return piece;
        }
        if (json->text[at] == '\\' || piece.cp == 0xfffd) differs = 1;
        at += piece.used;
    }
}

static bool decode(struct tw__json_reader *json, size_t start, size_t len)
{
    size_t out = 0, at = start, end = start + len;
    while (at < end) {
        char utf8[4];
        size_t n = plain_run(json->text + at, end - at);
        const char *from = json->text + at;
        at += n;
        if (n == 0) {
            struct piece piece = next_piece(json, json->text + at, json->len - at);
            n = put_utf8(utf8, piece.cp);
            from = utf8;
            at += piece.used;
        }
        if (n > json->scratch_cap - out) return false;
        memcpy(json->scratch + out, from, n);
        out += n;
    }
    json->string = (struct tw_text){json->scratch, out};
    return true;
}

/* at stands on the quote. On success *end is behind the closing one. */
static enum tw__json_event string(struct tw__json_reader *json, enum tw__json_event event, size_t *end)
{
    size_t start = json->at + 1, wrong_at = 0;
    struct piece whole = measure(json, start, &wrong_at);
    if (whole.verdict == CUT) return cut_off(json, "the text ends inside a string");
    if (whole.verdict == WRONG) return bad(json, wrong_at, whole.why);
    json->string = (struct tw_text){json->text + start, whole.used};
    if (whole.cp && !json->skipping && !decode(json, start, whole.used))
        return bad_as(json, TW_ERR_SPACE, json->at, "a string longer than is provided for");
    *end = start + whole.used + 1;
    return event;
}

/* -- numbers and words */

static size_t digits(const struct tw__json_reader *json, size_t at)
{
    while (at < json->len && is_digit(json->text[at])) at++;
    return at;
}

/* The end of the number that begins at from, or 0 and *event. *whole: neither fraction nor exponent. */
static size_t number_end(struct tw__json_reader *json, size_t from, bool *whole, enum tw__json_event *event)
{
    static const char cut[] = "the text ends inside a number", none[] = "a digit is missing";
    const char *text = json->text;
    size_t len = json->len, at = from + (text[from] == '-'), end;
    *whole = true;
    *event = TW__JSON_BAD;
    end = at < len && text[at] == '0' ? at + 1 : digits(json, at);
    if (end == at) goto missing;
    if (end < len && text[end] == '.') {
        *whole = false;
        at = end + 1;
        end = digits(json, at);
        if (end == at) goto missing;
    }
    if (end < len && (text[end] == 'e' || text[end] == 'E')) {
        *whole = false;
        at = end + 1;
        if (at < len && (text[at] == '+' || text[at] == '-')) at++;
        end = digits(json, at);
        if (end == at) goto missing;
    }
    if (end < len || json->last) return end;
    *event = TW__JSON_MORE; /* further digits may follow */
    return 0;
missing:
    *event = at == len ? cut_off(json, cut) : bad(json, at, none);
    return 0;
}

static void whole_number(struct tw__json_reader *json, bool minus)
{
    uint64_t value = 0, limit = (uint64_t)INT64_MAX + minus;
    json->number = TW__JSON_F64;
    for (size_t i = minus; i < json->string.len; i++) {
        uint64_t digit = (uint64_t)(json->string.ptr[i] - '0');
        if (value > (UINT64_MAX - digit) / 10) return;
        value = value * 10 + digit;
    }
    if (value <= limit) {
        json->number = TW__JSON_I64;
        json->i64 = (int64_t)(minus ? 0 - value : value);
        json->u64 = minus ? 0 : value;
    } else if (!minus) {
        json->number = TW__JSON_U64;
        json->u64 = value;
    }
}

static enum tw__json_event number(struct tw__json_reader *json, size_t *end)
{
    bool whole, minus = json->text[json->at] == '-';
    enum tw__json_event event;
    *end = number_end(json, json->at, &whole, &event);
    if (*end == 0) return event;
    json->string = (struct tw_text){json->text + json->at, *end - json->at};
    json->number = TW__JSON_F64;
    json->i64 = 0;
    json->u64 = 0;
    if (whole) whole_number(json, minus);
    if (json->number == TW__JSON_I64 && json->i64 != 0) { /* -0 is a double of its own */
        json->f64 = (double)json->i64;
        return TW__JSON_NUMBER;
    }
    if (!tw__decimal_parse(json->string.ptr, json->string.len, &json->f64)) return bad(json, json->at, "not a number");
    if (isinf(json->f64) && !(json->lenience & TW__JSON_NAN))
        return bad_as(json, TW_ERR_RANGE, json->at, "a number too large for a double");
    return TW__JSON_NUMBER;
}

static const struct word {
    const char *text;
    size_t len;
    enum tw__json_event event;
    unsigned lenience;
    bool boolean;
    double f64;
} words[] = {
    {"true", 4, TW__JSON_BOOL, 0, true, 0},
    {"false", 5, TW__JSON_BOOL, 0, false, 0},
    {"null", 4, TW__JSON_NULL, 0, false, 0},
    {"NaN", 3, TW__JSON_NUMBER, TW__JSON_NAN, false, (double)NAN},
    {"Infinity", 8, TW__JSON_NUMBER, TW__JSON_NAN, false, HUGE_VAL},
    {"-Infinity", 9, TW__JSON_NUMBER, TW__JSON_NAN, false, -HUGE_VAL},
};

/* A word, or a number whose minus could begin a word. */
static enum tw__json_event word(struct tw__json_reader *json, size_t *end)
{
    const char *text = json->text + json->at;
    size_t len = json->len - json->at;
    for (const struct word *w = words; w < words + sizeof words / sizeof *words; w++) {
        size_t same = 0;
        if (w->lenience & ~json->lenience) continue;
        while (same < len && same < w->len && text[same] == w->text[same]) same++;
        if (same == w->len) {
            json->boolean = w->boolean;
            json->number = TW__JSON_F64;
            json->i64 = 0;
            json->u64 = 0;
            json->f64 = w->f64;
            json->string = (struct tw_text){text, w->len};
            *end = json->at + w->len;
            return w->event;
        }
        if (same == len && *text != '-') return cut_off(json, "the text ends inside a word");
        if (same == len && !json->last) return TW__JSON_MORE;
    }
    if (*text == '-') return number(json, end);
    return bad(json, json->at, "no value begins like this");
}

/* -- structure */

static enum tw__json_event open_bracket(struct tw__json_reader *json, bool object)
{
    unsigned most = json->depth_max && json->depth_max < TW__JSON_DEPTH_MAX ? json->depth_max : TW__JSON_DEPTH_MAX;
    if (json->depth == most) return bad_as(json, TW_ERR_SPACE, json->at, "brackets too deep in each other");
    uint64_t bit = (uint64_t)1 << (json->depth % 64), *bits = &json->in_object[json->depth / 64];
    *bits = object ? *bits | bit : *bits & ~bit;
    json->depth++;
    json->at++;
    json->expect = object ? FIRST_NAME : FIRST_VALUE;
    return object ? TW__JSON_OBJECT : TW__JSON_ARRAY;
}

static enum tw__json_event close_bracket(struct tw__json_reader *json)
{
    bool object = in_object(json);
    json->depth--;
    json->at++;
    json->expect = AFTER;
    return object ? TW__JSON_OBJECT_END : TW__JSON_ARRAY_END;
}

static enum tw__json_event value(struct tw__json_reader *json)
{
    size_t end = 0;
    enum tw__json_event event;
    char c = json->text[json->at];
    if (c == '{' || c == '[') return open_bracket(json, c == '{');
    if (c == '"')
        event = string(json, TW__JSON_STRING, &end);
    else if (is_digit(c))
        event = number(json, &end);
    else
        event = word(json, &end);
    if (event == TW__JSON_BAD || event == TW__JSON_MORE) return event;
    json->at = end;
    json->expect = AFTER;
    return event;
}

/* A name and its colon: one piece. */
static enum tw__json_event name(struct tw__json_reader *json)
{
    size_t end = 0;
    if (json->text[json->at] != '"') return bad(json, json->at, "a name in quotes is due");
    enum tw__json_event event = string(json, TW__JSON_NAME, &end);
    if (event != TW__JSON_NAME) return event;
    while (end < json->len && is_space(json->text[end])) end++;
    if (end == json->len) return cut_off(json, "the text ends after a name");
    if (json->text[end] != ':') return bad(json, end, "a colon is due");
    json->at = end + 1;
    json->expect = VALUE;
    return event;
}

/* Nothing but space is left. */
static enum tw__json_event at_end(struct tw__json_reader *json)
{
    bool may_end = json->depth == 0 && (json->expect == AFTER || (json->lenience & TW__JSON_MANY));
    if (!json->last) return TW__JSON_MORE;
    if (may_end) return TW__JSON_DONE;
    return bad(json, json->at, json->depth ? "the text ends before its brackets are closed" : "there is no value");
}

enum tw__json_event tw__json_read(struct tw__json_reader *json)
{
    if (json->why) return TW__JSON_BAD;
    for (;;) {
        skip_space(json);
        json->from = json->at;
        if (json->at >= json->len) return at_end(json);
        char c = json->text[json->at];
        switch ((enum expectation)json->expect) {
        case FIRST_VALUE:
            return c == ']' ? close_bracket(json) : value(json);
        case VALUE:
            return value(json);
        case FIRST_NAME:
            return c == '}' ? close_bracket(json) : name(json);
        case NAME:
            return name(json);
        case AFTER:
            break;
        }
        if (json->depth == 0) {
            if (!(json->lenience & TW__JSON_MANY)) return bad(json, json->at, "something follows after the end");
            json->expect = VALUE;
            continue;
        }
        if (c == (in_object(json) ? '}' : ']')) return close_bracket(json);
        if (c != ',') return bad(json, json->at, in_object(json) ? "a comma or } is due" : "a comma or ] is due");
        json->at++;
        json->expect = in_object(json) ? NAME : VALUE;
    }
}

static enum tw__json_event read_down_to(struct tw__json_reader *json, unsigned depth)
{
    enum tw__json_event event;
    bool before = json->skipping;
    json->skipping = true;
    do event = tw__json_read(json);
    while (event != TW__JSON_BAD && event != TW__JSON_MORE && event != TW__JSON_DONE && json->depth > depth);
    json->skipping = before;
    return event;
}

enum tw__json_event tw__json_leave(struct tw__json_reader *json)
{
    return read_down_to(json, json->depth - 1);
}

enum tw__json_event tw__json_skip(struct tw__json_reader *json)
{
    bool before = json->skipping;
    json->skipping = true;
    enum tw__json_event first = tw__json_read(json), last = first;
    json->skipping = before;
    if (first == TW__JSON_OBJECT || first == TW__JSON_ARRAY) last = tw__json_leave(json);
    return last == TW__JSON_BAD || last == TW__JSON_MORE ? last : first;
}

bool tw__json_closes(const struct tw__json_reader *json)
{
    size_t at = json->at;
    while (at < json->len && is_space(json->text[at])) at++;
    return json->why || at == json->len || json->text[at] == ']' || json->text[at] == '}';
}

void tw__json_where(const char *text, size_t len, size_t at, size_t *line, size_t *column)
{
    *line = *column = 1;
    for (size_t i = 0; i < at && i < len; i++) {
        ++*column;
        if (text[i] == '\n') {
            ++*line;
            *column = 1;
        }
    }
}
