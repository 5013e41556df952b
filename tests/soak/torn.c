/* torn: see the header. */
#include "soak/torn.h"

#include <stdio.h>
#include <string.h>

enum { TEXT_MAX_LEN = 700, SLOT_BYTES = 384 };

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
    x = (x ^ x >> 27) * 0x94D049BB133111EBu;
    return x ^ x >> 31;
}

/* What tag n of a record is: its kind, and its number or text. */
static uint64_t value_of(uint64_t seed, unsigned n)
{
    return mix(seed + n * 0x9E3779B97F4A7C15u);
}

/* Half of the records have none; most few; one in 64 so many that their slot overflows. */
static unsigned count_of(uint64_t seed)
{
    uint64_t h = mix(seed ^ 0x5eed);
    if (h % 64 == 0) return 20 + (unsigned)(h >> 8 & 15);
    return h & 64 ? (unsigned)(h >> 8) % 7 : 0;
}

static bool has_event(uint64_t seed)
{
    return mix(seed ^ 0xe7e47) % 4 == 0;
}

static size_t length_of(uint64_t value)
{
    return value % 32 == 0 ? (value >> 8) % TEXT_MAX_LEN : (value >> 8) % 24;
}

/* Bytes of a tag in a slot, see docs/format/segment.md. */
static size_t size_of(uint64_t value)
{
    size_t len = length_of(value);
    switch (value >> 40 & 7) {
    case 0:
    case 1:
    case 4: return 16;
    case 2:
    case 3: return 8;
    default: return ((len > 255 ? 12 : 4) + len + 7) / 8 * 8;
    }
}

/* Whether all tags together find no room in a slot. */
static bool overflows(uint64_t seed)
{
    size_t size = 16;
    for (unsigned n = count_of(seed); n-- > 0;) size += size_of(value_of(seed, n));
    return size > SLOT_BYTES;
}

static void text_of(uint64_t value, char text[TEXT_MAX_LEN], size_t len)
{
    for (size_t i = 0; i < len; i += 8) {
        uint64_t word = (mix(value + i) & 0x0f0f0f0f0f0f0f0fu) + 0x6161616161616161u;
        memcpy(text + i, &word, len - i < 8 ? len - i : 8);
    }
}

static void tag_one(tw_span span, uint64_t value)
{
    char text[TEXT_MAX_LEN];
    size_t len = length_of(value);
    switch (value >> 40 & 7) {
    case 0: tw_tag(span, "int", (int64_t)value); break;
    case 1: tw_tag(span, "uint", value); break;
    case 2: tw_tag(span, "bool", (bool)(value & 1)); break;
    case 3: tw_tag(span, "literal", "the same for all"); break;
    case 4: tw_tag(span, "double", (double)(value >> 12)); break;
    default:
        text_of(value, text, len);
        tw_tag_strn(span, "text", text, len);
        break;
    }
}

static uint64_t id_of(const uint8_t bytes[8])
{
    uint64_t id = 0;
    for (int i = 0; i < 8; i++) id = id << 8 | bytes[i];
    return id;
}

static uint64_t begin(uint64_t number, tw_span *span)
{
    struct tw_context context;
    *span = tw_span_begin("torn");
    (void)tw_span_context(*span, &context);
    uint64_t seed = id_of(context.span_id);
    unsigned count = count_of(seed);
    tw_tag(*span, "number", number);
    for (unsigned n = 0; n < count; n++) tag_one(*span, value_of(seed, n));
    return seed;
}

tw_span torn_begin(uint64_t number)
{
    tw_span span;
    (void)begin(number, &span);
    return span;
}

void torn_write(uint64_t number)
{
    tw_span span;
    uint64_t seed = begin(number, &span);
    if (has_event(seed)) tw_event_tags("torn event", TW_ATTR("check", mix(seed)), TW_ATTR("number", number));
    if (number % 16 == 3) span = tw_span_lap(span, "bare");
    tw_span_end(span);
}

static bool is(struct tw_text text, const char *expected)
{
    return text.len == strlen(expected) && memcmp(text.ptr, expected, text.len) == 0;
}

static const char *check_tag(const struct tw_tag_value *tag, uint64_t value)
{
    static const char *const keys[8] = {"int", "uint", "bool", "literal", "double", "text", "text", "text"};
    char text[TEXT_MAX_LEN];
    size_t len = length_of(value);
    unsigned kind = value >> 40 & 7;
    double d = (double)(value >> 12);
    if (!is(tag->key, keys[kind])) return "another key";
    switch (kind) {
    case 0: return tag->type == TW_TYPE_INT && tag->value.u == value ? NULL : "an int with another value";
    case 1: return tag->type == TW_TYPE_UINT && tag->value.u == value ? NULL : "a uint with another value";
    case 2: return tag->type == TW_TYPE_BOOL && tag->value.u == (value & 1) ? NULL : "a bool with another value";
    case 3: return tag->type == TW_TYPE_STR && is(tag->text, "the same for all") ? NULL : "another literal";
    case 4:
        return tag->type == TW_TYPE_DOUBLE && memcmp(&tag->value.d, &d, 8) == 0 ? NULL : "a double with another value";
    default: break;
    }
    text_of(value, text, len);
    if (tag->type != TW_TYPE_STR || tag->cut || tag->text.len != len) return "a text of another length";
    return memcmp(tag->text.ptr, text, len) == 0 ? NULL : "another text";
}

static const char *check_event(const struct tw_record *r)
{
    if (r->tag_count != 2 || !is(r->tags[0].key, "check") || !is(r->tags[1].key, "number"))
        return "an event with other tags";
    return r->tags[0].value.u == mix(id_of(r->span_id)) ? NULL : "an event with another check";
}

/* The tags are some of those of the span, in order. */
static const char *check_some(const struct tw_record *r, uint64_t seed, size_t from)
{
    unsigned n = 0, count = count_of(seed);
    for (size_t i = from; i < r->tag_count; i++, n++) {
        while (n < count && check_tag(&r->tags[i], value_of(seed, n))) n++;
        if (n >= count) return "a tag that was never set";
    }
    return NULL;
}

static const char *check_span(const struct tw_record *r, struct torn_seen *seen)
{
    uint64_t seed = id_of(r->span_id);
    unsigned count = count_of(seed);
    bool open = r->kind == TW_RECORD_OPEN, first = r->tag_count && is(r->tags[0].key, "number");
    if (first) seen->number = r->tags[0].value.u;
    if (open && r->tag_count == 0) return NULL;
    if (overflows(seed) && (!first || r->tag_count != count + 1)) {
        seen->in_part = true;
        return check_some(r, seed, first);
    }
    if (!first) return "the first tag is not the number";
    if (r->tag_count - 1 > count) return "too many tags";
    if (!open && r->tag_count - 1 != count) return "tags are missing";
    for (unsigned n = 0; n + 1 < r->tag_count; n++) {
        const char *wrong = check_tag(&r->tags[n + 1], value_of(seed, n));
        if (wrong) return wrong;
    }
    return NULL;
}

const char *torn_check(const struct tw_record *r, struct torn_seen *seen)
{
    static const uint8_t none[16];
    *seen = (struct torn_seen){0, false};
    if (memcmp(r->trace_id, none, 16) == 0) return "no trace";
    if (memcmp(r->span_id, none, 8) == 0) return "no span";
    if (r->kind == TW_RECORD_SPAN && r->end_ns < r->time_ns) return "ends before it begins";
    if (is(r->name, "bare")) return r->tag_count ? "tags on a bare span" : NULL;
    if (is(r->name, "root")) return r->tag_count ? "tags on a root" : NULL;
    if (is(r->name, "torn event")) return r->kind == TW_RECORD_EVENT ? check_event(r) : "an event of another kind";
    if (!is(r->name, "torn")) return "a name that nobody gave";
    return r->kind == TW_RECORD_SPAN || r->kind == TW_RECORD_OPEN ? check_span(r, seen) : "a span of another kind";
}

bool torn_has_all(const struct tw_record *r)
{
    return r->tag_count == count_of(id_of(r->span_id)) + 1;
}
