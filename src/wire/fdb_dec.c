/* fdb_dec: see the header. A cursor over the bytes, with a sticky error; what is read into fixed places first and
 * becomes a span only when the datagram has been consumed exactly.
 *
 *     A  97/98  source trace span start duration operation {tags} [parents]
 *     B  9e     trace*2 span parent-trace*2 parent name begin end kind status [links] [events] {attributes}
 *     C  9c     trace*2 span parent name begin end kind status [links] [events] {attributes}     counts in threes
 *     D  9c     the same, counts of elements
 *
 * Links are integers, events begin with a text followed by a double, attributes are a map or texts alone: the three
 * begin with disjoint tags, so that the counts in front of them are only compared with what was found.
 *
 * 7.0 writes one length byte too few for texts of 256 bytes and more: of the length only the low 8 bits are known. When
 * a datagram of layout A does not parse, lengths b + 256 k are tried, the deepest text first, until it does; REPAIR_MAX
 * bounds the work, which is 4 texts of any length or many of up to 511 bytes.
 *
 * Rejected: a MessagePack library (every C packet with links is invalid to it); recursion (nothing here nests).
 */
#include "wire/fdb_dec.h"

#include <math.h>
#include <stdalign.h>
#include <string.h>

#include "base/be64.h"
#include "model/span_words.h"
#include "model/text.h"
#include "wire/span.h"
#include "wire/utf8.h"

enum { REPAIR_MAX = 4096, SHORT_TEXTS_MAX = 64, TAGS_MAX = 16384, PAIRS_KEPT = 24 };

/* Lengths tried for texts of 7.0: extra[i] * 256 is added to that of the i-th. */
struct repair {
    size_t seen; /* texts with two-byte lengths in this pass */
    uint8_t extra[SHORT_TEXTS_MAX];
};

struct cursor {
    const uint8_t *begin, *at, *end;
    const char *why; /* sticky */
    size_t error_at;
    struct repair *repair; /* NULL: lengths are as they stand */
};

struct pair {
    struct tw_text key, value;
};

/* A datagram, read. Places of arrays, to be read again when everything is known to be right. */
struct datagram {
    struct tw_text source, name;
    uint64_t trace[2], span, parent;
    double begin, end;
    bool is_duration;
    unsigned kind, status;
    const uint8_t *parents, *links, *events; /* first item */
    const uint8_t *tags_rest;                /* the first tag that is not among pairs */
    size_t parent_count, link_count, event_count, tag_count;
    struct pair *pairs;              /* the first PAIRS_KEPT of the tags; what comes after is read again */
    struct tw_text address, service; /* of the tags, the last of each; ptr NULL: none */
    size_t rest_seen;                /* repair->seen at tags_rest */
    bool threes, elements;           /* what the counts were */
    bool bare;                       /* more than 15 tags, without a header */
};

const char *tw__fdb_seen_text(enum tw__fdb_seen seen)
{
    switch (seen) {
#define SEEN_TEXT(name, text)                                                                                          \
    case TW__FDB_SEEN_##name:                                                                                          \
        return text;
        TW__FDB_SEEN_TABLE(SEEN_TEXT)
#undef SEEN_TEXT
    case TW__FDB_SEEN_COUNT:
        break;
    }
    return "unknown";
}

/* -- MessagePack, as far as it is used */

static void fail(struct cursor *in, const char *why)
{
    if (in->why) return;
    in->why = why;
    in->error_at = (size_t)(in->at - in->begin);
    in->at = in->end;
}

static int peek(const struct cursor *in)
{
    return in->at < in->end ? *in->at : -1;
}

/* Big-endian number of len bytes; 0 and the error when the datagram ends before. */
static uint64_t number(struct cursor *in, size_t len)
{
    uint64_t value = 0;
    if ((size_t)(in->end - in->at) < len) {
        fail(in, "the datagram ends inside a number or length");
        return 0;
    }
    if (len == 8) value = tw__be64(in->at);
    for (size_t i = 0; i < len && len < 8; i++) value = value << 8 | in->at[i];
    in->at += len;
    return value;
}

static unsigned tag(struct cursor *in)
{
    if (in->at == in->end) fail(in, "the datagram ends too early");
    return in->at < in->end ? *in->at++ : 0;
}

/* So that the error stands at the tag. */
static void unread(struct cursor *in)
{
    if (!in->why) in->at--;
}

static uint64_t any_integer(struct cursor *in)
{
    unsigned t = tag(in);
    if (t < 0x80) return t;
    if (t >= 0xcc && t <= 0xcf) return number(in, (size_t)1 << (t - 0xcc));
    unread(in);
    fail(in, "not a number where an unsigned one belongs");
    return 0;
}

/* FoundationDB writes 8 bytes always; other senders of the documented layout shorten. */
static inline uint64_t integer(struct cursor *in)
{
    if (in->end - in->at < 9 || *in->at != 0xcf) return any_integer(in);
    in->at += 9;
    return tw__be64(in->at - 8);
}

static double real(struct cursor *in)
{
    unsigned t = tag(in);
    double value = 0;
    if (t == 0xcb) {
        uint64_t bits = number(in, 8);
        memcpy(&value, &bits, sizeof value);
    } else if (t == 0xca) {
        float narrow;
        uint32_t low = (uint32_t)number(in, 4);
        memcpy(&narrow, &low, sizeof narrow);
        value = (double)narrow;
    } else {
        unread(in);
        fail(in, "not a time where one belongs");
    }
    return value;
}

static bool is_text(int t)
{
    return (t >= 0xa0 && t <= 0xbf) || t == 0xd9 || t == 0xda;
}

static struct tw_text long_text(struct cursor *in)
{
    unsigned t = tag(in);
    size_t len = 0;
    if (t >= 0xa0 && t <= 0xbf) {
        len = t & 31;
    } else if (t == 0xd9) {
        len = number(in, 1);
    } else if (t == 0xda && in->repair) {
        size_t index = in->repair->seen++;
        len = number(in, 1) + 256 * (size_t)(index < SHORT_TEXTS_MAX ? in->repair->extra[index] : 1);
    } else if (t == 0xda) {
        len = number(in, 2);
    } else {
        unread(in);
        fail(in, "not a text where one belongs");
    }
    if (len > (size_t)(in->end - in->at)) fail(in, "a text is longer than what is left of the datagram");
    if (in->why) return (struct tw_text){"", 0};
    in->at += len;
    return (struct tw_text){(const char *)in->at - len, len};
}

/* Most are of less than 32 bytes. */
static inline struct tw_text text(struct cursor *in)
{
    size_t left = (size_t)(in->end - in->at), len = left ? *in->at - 0xa0u : 32;
    if (len > 31 || len >= left) return long_text(in);
    in->at += 1 + len;
    return (struct tw_text){(const char *)in->at - len, len};
}

/* Length of an array (0x90, 0xdc) or map (0x80, 0xde). */
static size_t header(struct cursor *in, unsigned small, unsigned large, const char *why)
{
    unsigned t = tag(in);
    if (t >= small && t <= small + 15) return t - small;
    if (t == large) return (size_t)number(in, 2);
    unread(in);
    fail(in, why);
    return 0;
}

/* -- parts */

/* Texts by two: after a header as many as it says, without one as many as there are. */
static void tags(struct cursor *in, struct datagram *d)
{
    int t = peek(in);
    size_t expected = 0;
    d->bare = is_text(t);
    if (!d->bare) expected = header(in, 0x80, 0xde, "not a map where the tags belong");
    for (d->tag_count = 0; !in->why && (d->bare ? is_text(peek(in)) : d->tag_count < expected); d->tag_count++) {
        if (d->tag_count == PAIRS_KEPT) {
            d->tags_rest = in->at;
            d->rest_seen = in->repair ? in->repair->seen : 0;
        }
        struct tw_text key = text(in), value = text(in);
        if (d->tag_count < PAIRS_KEPT) d->pairs[d->tag_count] = (struct pair){key, value};
        if (tw__text_is(key, "address")) d->address = value;
        if (tw__text_is(key, "service.name")) d->service = value;
        if (d->tag_count >= TAGS_MAX) fail(in, "too many tags");
    }
}

static void count_is(struct cursor *in, struct datagram *d, size_t said, size_t found, const char *why)
{
    if (found == 0 && said == 0) return;
    if (said == found)
        d->threes = true;
    else if (said == 3 * found)
        d->elements = true;
    else
        fail(in, why);
}

static void links(struct cursor *in, struct datagram *d)
{
    size_t said = header(in, 0x90, 0xdc, "not an array where the links belong"), numbers = 0;
    d->links = in->at;
    for (; peek(in) == 0xcf && !in->why; numbers++) (void)integer(in);
    if (numbers % 3) fail(in, "links are not in threes");
    d->link_count = numbers / 3;
    count_is(in, d, said, d->link_count, "another number of links than announced");
}

/* Whether a text followed by a double comes next. */
static bool event_next(const struct cursor *in)
{
    if (!is_text(peek(in))) return false;
    struct cursor ahead = *in;
    (void)text(&ahead);
    return !ahead.why && peek(&ahead) == 0xcb;
}

static void events(struct cursor *in, struct datagram *d)
{
    size_t said = header(in, 0x90, 0xdc, "not an array where the events belong");
    d->events = in->at;
    for (d->event_count = 0; !in->why && event_next(in); d->event_count++) {
        (void)text(in);
        (void)real(in);
        for (size_t left = header(in, 0x80, 0xde, "not a map where the tags of an event belong"); left > 0 && !in->why;
             left--) {
            (void)text(in);
            (void)text(in);
        }
    }
    count_is(in, d, said, d->event_count, "another number of events than announced");
}

static void read_a(struct cursor *in, struct datagram *d, bool with_parents)
{
    d->source = text(in);
    d->trace[1] = integer(in);
    d->span = integer(in);
    d->begin = real(in);
    d->end = real(in);
    d->is_duration = true;
    d->name = text(in);
    tags(in, d);
    if (with_parents) {
        d->parent_count = header(in, 0x90, 0xdc, "not an array where the parents belong");
        d->parents = in->at;
        for (size_t i = 0; i < d->parent_count && !in->why; i++) (void)integer(in);
    }
}

static void read_bcd(struct cursor *in, struct datagram *d, bool is_b)
{
    d->trace[0] = integer(in);
    d->trace[1] = integer(in);
    d->span = integer(in);
    if (is_b) {
        (void)integer(in); /* the parent's trace, which is the span's */
        (void)integer(in);
    }
    d->parent = integer(in);
    d->name = text(in);
    d->begin = real(in);
    d->end = real(in);
    d->kind = (unsigned)integer(in);
    d->status = (unsigned)integer(in);
    links(in, d);
    events(in, d);
    tags(in, d);
    if (d->threes && d->elements && !in->why) fail(in, "links and events are counted in different ways");
}

static void read_datagram(struct cursor *in, struct datagram *d, struct pair pairs[PAIRS_KEPT])
{
    unsigned first = tag(in);
    *d = (struct datagram){.pairs = pairs};
    if (in->why) return;
    if (first == 0x97 || first == 0x98) {
        read_a(in, d, first == 0x98);
    } else if (first == 0x9c || first == 0x9e) {
        read_bcd(in, d, first == 0x9e);
    } else {
        in->at--;
        fail(in, "not an array of 7, 8, 12 or 14 elements");
    }
    if (!in->why && in->at != in->end) fail(in, "more bytes than the span has");
    if (!in->why && !(isfinite(d->begin) && isfinite(d->end))) fail(in, "a time is not a number");
}

/* Tries the next combination of lengths: the deepest text of the last pass longer, and back when none is left. */
static bool next_lengths(struct repair *repair, size_t len)
{
    size_t index = repair->seen < SHORT_TEXTS_MAX ? repair->seen : SHORT_TEXTS_MAX;
    while (index > 0) {
        index--;
        if (((size_t)repair->extra[index] + 1) * 256 < len && repair->extra[index] < UINT8_MAX) {
            repair->extra[index]++;
            for (size_t i = index + 1; i < SHORT_TEXTS_MAX; i++) repair->extra[i] = 1;
            return true;
        }
    }
    return false;
}

static bool repaired(struct cursor *in, struct datagram *d, struct repair *repair)
{
    memset(repair->extra, 1, sizeof repair->extra);
    for (unsigned tries = 0; tries < REPAIR_MAX; tries++) {
        struct cursor again = {.begin = in->begin, .at = in->begin, .end = in->end, .repair = repair};
        repair->seen = 0;
        read_datagram(&again, d, d->pairs);
        if (!again.why) {
            *in = again;
            return repair->seen > 0;
        }
        if (repair->seen == 0 || !next_lengths(repair, (size_t)(in->end - in->begin))) return false;
    }
    return false;
}

/* -- the span */

static uint64_t ns_of(double seconds)
{
    if (!(seconds > 0)) return 0;
    if (seconds >= 18446744073.0) return UINT64_MAX;
    int64_t whole = (int64_t)seconds;
    return (uint64_t)whole * 1000000000u + (uint64_t)(int64_t)((seconds - (double)whole) * 1e9 + 0.5);
}

/* Most texts are. By eight bytes; the last eight overlap with those before. */
static bool is_ascii(struct tw_text value)
{
    uint64_t all = 0, eight;
    if (value.len < sizeof eight) {
        for (size_t i = 0; i < value.len; i++) all |= (uint8_t)value.ptr[i];
        return all < 0x80;
    }
    for (size_t at = 0; at < value.len - sizeof eight; at += sizeof eight) {
        memcpy(&eight, value.ptr + at, sizeof eight);
        all |= eight;
    }
    memcpy(&eight, value.ptr + value.len - sizeof eight, sizeof eight);
    return !((all | eight) & UINT64_C(0x8080808080808080));
}

static bool is_utf8(struct tw_text value)
{
    if (is_ascii(value)) return true;
    for (size_t at = 0; at < value.len;) {
        uint32_t code;
        size_t step = (uint8_t)value.ptr[at] < 0x80 ? 1 : tw__utf8_next(value.ptr + at, value.len - at, &code);
        if (step == 0) return false;
        at += step;
    }
    return true;
}

/* Field by field: a tag that is made elsewhere and copied is read by 16 bytes right after it was written by 8, and the
 * processor waits until those have arrived, 20 ns a tag. */
static void set_tag(struct tw_tag_value *tag, struct tw_text key, struct tw_text value)
{
    tag->key.ptr = key.ptr;
    tag->key.len = key.len;
    tag->type = is_utf8(value) ? TW_TYPE_STR : TW_TYPE_BYTES;
    tag->cut = false;
    tag->full_len = value.len;
    tag->value.u = 0;
    tag->text.ptr = value.ptr;
    tag->text.len = value.len;
}

static struct tw_tag_value *take_tags(struct tw__spans *spans, size_t count)
{
    return tw__pool_take(&spans->pool, count * sizeof(struct tw_tag_value), alignof(struct tw_tag_value));
}

/* Tags that our encoder made of what the layout has no place for. */
static bool goes_back(struct tw__span *span, const struct datagram *d, struct tw_text key, struct tw_text value)
{
    if (tw__text_is(key, "otel.status_description")) {
        span->status_message = value;
        return true;
    }
    if (!d->is_duration) return false;
    if (tw__text_is(key, "otel.status_code")) {
        span->status = tw__text_is(value, "ERROR") ? TW_STATUS_ERROR
                       : tw__text_is(value, "OK")  ? TW_STATUS_OK
                                                   : TW_STATUS_UNSET;
        return span->status != TW_STATUS_UNSET;
    }
    for (uint8_t kind = 0; tw__text_is(key, "span.kind") && kind <= TW_KIND_CONSUMER; kind++) {
        if (!tw__text_is(value, tw__span_kind_words[kind])) continue;
        span->kind = kind;
        return true;
    }
    return false;
}

static int add_tags(struct tw__spans *spans, struct tw__span *span, struct cursor in, const struct datagram *d)
{
    in.at = d->tags_rest;
    if (in.repair) in.repair->seen = d->rest_seen;
    if (d->tag_count == 0) return 0;
    struct tw_tag_value *made = take_tags(spans, d->tag_count);
    if (!made) return TW_ERR_MEMORY;
    for (size_t i = 0; i < d->tag_count; i++) {
        struct tw_text key = i < PAIRS_KEPT ? d->pairs[i].key : text(&in);
        struct tw_text value = i < PAIRS_KEPT ? d->pairs[i].value : text(&in);
        if (!goes_back(span, d, key, value)) set_tag(&made[span->tag_count++], key, value);
    }
    span->tags = made;
    return 0;
}

static int add_links(struct tw__spans *spans, struct tw__span *span, struct cursor in, const struct datagram *d,
                     uint32_t *off)
{
    size_t count = d->link_count + d->parent_count;
    if (count == 0) return 0;
    struct tw__span_link *made = tw__pool_zeroed(&spans->pool, count, sizeof *made);
    if (!made) return TW_ERR_MEMORY;
    in.at = d->link_count ? d->links : d->parents;
    bool has_parent = false;
    for (size_t i = 0; i < count; i++) {
        struct tw__span_link *link = &made[span->link_count];
        if (d->link_count) {
            tw__be64_put(integer(&in), link->trace_id);
            tw__be64_put(integer(&in), link->trace_id + 8);
        } else {
            memcpy(link->trace_id, span->trace_id, 16);
        }
        uint64_t id = integer(&in);
        tw__be64_put(id, link->span_id);
        if (d->parent_count && id == 0) {
            ++*off;
        } else if (d->parent_count && !has_parent) {
            memcpy(span->parent_id, link->span_id, 8);
            has_parent = true;
        } else {
            span->link_count++;
        }
    }
    span->links = made;
    return 0;
}

static int add_events(struct tw__spans *spans, struct tw__span *span, struct cursor in, const struct datagram *d)
{
    if (d->event_count == 0) return 0;
    struct tw__span_event *made = tw__pool_zeroed(&spans->pool, d->event_count, sizeof *made);
    if (!made) return TW_ERR_MEMORY;
    in.at = d->events;
    for (size_t i = 0; i < d->event_count; i++) {
        struct tw__span_event *event = &made[i];
        event->kind = TW_RECORD_EVENT;
        event->name = text(&in);
        event->time_ns = ns_of(real(&in));
        size_t count = header(&in, 0x80, 0xde, "");
        struct tw_tag_value *values = count ? take_tags(spans, count) : NULL;
        if (count && !values) return TW_ERR_MEMORY;
        for (size_t t = 0; t < count; t++) {
            struct tw_text key = text(&in);
            set_tag(&values[t], key, text(&in));
        }
        event->tags = values;
        event->tag_count = (uint32_t)count;
    }
    span->events = made;
    span->event_count = (uint32_t)d->event_count;
    return 0;
}

enum { ROLE_MAX = 8 };

/* "fdb-ROLE" for "ROLE:operation", in room; roles are letters. */
static struct tw_text role_service(struct tw_text name, char room[4 + ROLE_MAX])
{
    size_t len = 0;
    while (len < name.len && len < ROLE_MAX && ((name.ptr[len] | 32) >= 'a' && (name.ptr[len] | 32) <= 'z')) len++;
    if (len == 0 || len == name.len || name.ptr[len] != ':') return (struct tw_text){"fdb", 3};
    memcpy(room, "fdb-", 4);
    memcpy(room + 4, name.ptr, len);
    return (struct tw_text){room, 4 + len};
}

/* Datagrams of one process come in a row: the last resources are looked at before another is made. */
static uint32_t resource_of(struct tw__spans *spans, struct tw_text service, struct tw_text address)
{
    size_t looked = 0;
    for (size_t i = spans->resource_count; i-- > 0 && looked < 32; looked++) {
        const struct tw__resource *known = &spans->resources[i];
        if (known->tag_count == 2 && tw__text_same(known->service, service) &&
            tw__text_same(known->tags[1].text, address))
            return (uint32_t)i;
    }
    struct tw_tag_value *made = take_tags(spans, 2);
    service.ptr = tw__pool_copy(&spans->pool, service.ptr, service.len);
    if (!made || !service.ptr) return UINT32_MAX;
    set_tag(&made[0], (struct tw_text){"service.name", 12}, service);
    set_tag(&made[1], (struct tw_text){"server.address", 14}, address);
    return tw__spans_add_resource(spans, &(struct tw__resource){.service = service, .tags = made, .tag_count = 2});
}

static uint32_t sender_of(struct tw__spans *spans, const struct datagram *d)
{
    char room[4 + ROLE_MAX];
    bool said = d->service.ptr && is_utf8(d->service);
    return resource_of(spans, said ? d->service : role_service(d->name, room), d->source.len ? d->source : d->address);
}

static int make_span(struct tw__spans *spans, const struct cursor *in, const struct datagram *d,
                     struct tw__fdb_found *found)
{
    static const uint8_t kinds[] = {TW_KIND_INTERNAL, TW_KIND_CLIENT, TW_KIND_SERVER, TW_KIND_PRODUCER,
                                    TW_KIND_CONSUMER};
    uint32_t sender = sender_of(spans, d);
    struct tw__span *span = sender == UINT32_MAX ? NULL : tw__spans_add(spans, sender, 0);
    if (!span) return TW_ERR_MEMORY;
    span->name = d->name;
    span->door = TW__DOOR_FDB;
    span->flags = TW_FLAG_SAMPLED;
    tw__be64_put(d->trace[0], span->trace_id);
    tw__be64_put(d->trace[1], span->trace_id + 8);
    tw__be64_put(d->span, span->span_id);
    tw__be64_put(d->parent, span->parent_id);
    span->start_ns = ns_of(d->begin);
    span->end_ns = d->is_duration ? span->start_ns + (d->end > 0 ? ns_of(d->end) : 0) : ns_of(d->end);
    if (!d->is_duration) {
        span->kind = d->kind < sizeof kinds ? kinds[d->kind] : TW__KIND_UNSPECIFIED;
        span->status = d->status <= TW_STATUS_ERROR ? (uint8_t)d->status : TW_STATUS_UNSET;
    }
    int code = add_tags(spans, span, *in, d);
    if (code == 0) code = add_links(spans, span, *in, d, &found->off_parents);
    if (code == 0) code = add_events(spans, span, *in, d);
    if (code < 0) spans->count--;
    return code;
}

int tw__fdb_dec(struct tw__spans *spans, const void *bytes, size_t len, struct tw__fdb_found *found)
{
    struct pair pairs[PAIRS_KEPT];
    struct datagram d;
    struct repair repair;
    struct cursor in = {.begin = bytes, .at = bytes, .end = (const uint8_t *)bytes + len};
    *found = (struct tw__fdb_found){0};
    read_datagram(&in, &d, pairs);
    bool is_a = len > 0 && (*in.begin == 0x97 || *in.begin == 0x98);
    if (in.why && is_a && repaired(&in, &d, &repair)) found->repaired = true;
    if (in.why) {
        found->why = in.why;
        found->error_at = in.error_at;
        return TW_ERR_SYNTAX;
    }
    found->layout = is_a                ? TW__FDB_SEEN_A
                    : *in.begin == 0x9e ? TW__FDB_SEEN_B
                    : d.threes          ? TW__FDB_SEEN_C
                    : d.elements        ? TW__FDB_SEEN_D
                                        : TW__FDB_SEEN_C_OR_D;
    found->repaired = found->repaired || found->layout == TW__FDB_SEEN_C || d.bare;
    return make_span(spans, &in, &d, found);
}
