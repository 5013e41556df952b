/* fdb_dec: see the header. A cursor over the bytes, with a sticky error; what is read into fixed places first and becomes a
 * span only when the datagram has been consumed exactly.
 *
 *     A  97/98  source trace span start duration operation {tags} [parents]
 *     B  9e     trace*2 span parent-trace*2 parent name begin end kind status [links] [events] {attributes}
 *     C  9c     trace*2 span parent name begin end kind status [links] [events] {attributes}     counts in threes
 *     D  9c     the same, counts of elements
 *
 * Links are integers, events begin with a text followed by a double, attributes are a map or texts alone: the three begin with
 * disjoint tags, so that the counts in front of them are only compared with what was found.
 *
 * 7.0 writes one length byte too few for texts of 256 bytes and more: of the length only the low 8 bits are known. When a
 * datagram of layout A does not parse, lengths b + 256 k are tried, the deepest text first, until it does; REPAIR_MAX bounds
 * the work, which is 4 texts of any length or many of up to 511 bytes.
 *
 * Rejected: a MessagePack library (every C packet with links is invalid to it); recursion (nothing here nests).
 */
#include "wire/fdb_dec.h"

#include <math.h>
#include <string.h>

#include "wire/span.h"
#include "wire/utf8.h"

enum { REPAIR_MAX = 4096, SHORT_TEXTS_MAX = 64, TAGS_MAX = 16384 };

/* Lengths tried for texts of 7.0: extra[i] * 256 is added to that of the i-th. */
struct repair {
    bool on;
    size_t seen; /* texts with two-byte lengths in this pass */
    uint8_t extra[SHORT_TEXTS_MAX];
};

struct cursor {
    const uint8_t *begin, *at, *end;
    const char *why; /* sticky */
    size_t error_at;
    struct repair *repair;
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
    const uint8_t *parents, *links, *events, *tags; /* first item */
    size_t parent_count, link_count, event_count, tag_count;
    bool threes, elements; /* what the counts were */
    bool bare;             /* more than 15 tags, without a header */
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
    for (size_t i = 0; i < len; i++) value = value << 8 | in->at[i];
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

/* FoundationDB writes 8 bytes always; other senders of the documented layout shorten. */
static uint64_t integer(struct cursor *in)
{
    if (in->end - in->at >= 9 && *in->at == 0xcf) {
        in->at += 9;
        return tw__be64(in->at - 8);
    }
    unsigned t = tag(in);
    if (t < 0x80) return t;
    if (t >= 0xcc && t <= 0xcf) return number(in, (size_t)1 << (t - 0xcc));
    unread(in);
    fail(in, "not a number where an unsigned one belongs");
    return 0;
}

static double real(struct cursor *in)
{
    unsigned t = tag(in);
    uint64_t bits = 0;
    double value = 0;
    if (t == 0xcb) {
        bits = number(in, 8);
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
    } else if (t == 0xda && in->repair && in->repair->on) {
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
    d->tags = in->at;
    for (d->tag_count = 0; !in->why && (d->bare ? is_text(peek(in)) : d->tag_count < expected); d->tag_count++) {
        (void)text(in);
        (void)text(in);
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
    struct cursor ahead = *in;
    if (!is_text(peek(in))) return false;
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

static void read_datagram(struct cursor *in, struct datagram *d)
{
    unsigned first = tag(in);
    *d = (struct datagram){0};
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

static bool repaired(struct cursor *in, struct datagram *d, const struct cursor *fresh, struct repair *repair)
{
    memset(repair->extra, 1, sizeof repair->extra);
    repair->on = true;
    for (unsigned tries = 0; tries < REPAIR_MAX; tries++) {
        struct cursor again = *fresh;
        repair->seen = 0;
        read_datagram(&again, d);
        if (!again.why) {
            *in = again;
            return repair->seen > 0;
        }
        if (repair->seen == 0 || !next_lengths(repair, (size_t)(fresh->end - fresh->begin))) return false;
    }
    return false;
}

/* -- the span */

static uint64_t ns_of(double seconds)
{
    if (!(seconds > 0)) return 0;
    if (seconds >= 18446744073.0) return UINT64_MAX;
    double whole = floor(seconds);
    return (uint64_t)whole * 1000000000u + (uint64_t)((seconds - whole) * 1e9 + 0.5);
}

static void put_be64(uint8_t *bytes, uint64_t value)
{
    for (int i = 7; i >= 0; i--, value >>= 8) bytes[i] = (uint8_t)value;
}

static bool is_utf8(struct tw_text value)
{
    for (size_t at = 0; at < value.len;) {
        uint32_t code;
        uint64_t eight;
        if (value.len - at >= sizeof eight) {
            memcpy(&eight, value.ptr + at, sizeof eight);
            if (!(eight & UINT64_C(0x8080808080808080))) {
                at += sizeof eight;
                continue;
            }
        }
        size_t step = (uint8_t)value.ptr[at] < 0x80 ? 1 : tw__utf8_next(value.ptr + at, value.len - at, &code);
        if (step == 0) return false;
        at += step;
    }
    return true;
}

static bool same(struct tw_text value, const char *word)
{
    return value.len == strlen(word) && memcmp(value.ptr, word, value.len) == 0;
}

static struct tw_tag_value value_of(struct tw_text key, struct tw_text value)
{
    return (struct tw_tag_value){
        .key = key, .type = is_utf8(value) ? TW_TYPE_STR : TW_TYPE_BYTES, .text = value, .full_len = value.len};
}

/* Tags that our encoder made of what the layout has no place for. */
static bool goes_back(struct tw__span *span, const struct datagram *d, struct tw_text key, struct tw_text value)
{
    static const char *const kinds[] = {"internal", "server", "client", "producer", "consumer"};
    if (same(key, "otel.status_description")) {
        span->status_message = value;
        return true;
    }
    if (!d->is_duration) return false;
    if (same(key, "otel.status_code")) {
        span->status = same(value, "ERROR") ? TW_STATUS_ERROR : same(value, "OK") ? TW_STATUS_OK : TW_STATUS_UNSET;
        return span->status != TW_STATUS_UNSET;
    }
    for (uint8_t kind = 0; same(key, "span.kind") && kind < 5; kind++) {
        if (!same(value, kinds[kind])) continue;
        span->kind = kind;
        return true;
    }
    return false;
}

static int add_tags(struct tw__spans *spans, struct tw__span *span, struct cursor in, const struct datagram *d)
{
    in.at = d->tags;
    if (in.repair) in.repair->seen = d->source.len >= 256; /* texts before the tags with two-byte lengths */
    if (in.repair && d->name.len >= 256) in.repair->seen++;
    if (d->tag_count == 0) return 0;
    struct tw_tag_value *made = tw__pool_zeroed(&spans->pool, d->tag_count, sizeof *made);
    if (!made) return TW_ERR_MEMORY;
    for (size_t i = 0; i < d->tag_count; i++) {
        struct tw_text key = text(&in), value = text(&in);
        if (!goes_back(span, d, key, value)) made[span->tag_count++] = value_of(key, value);
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
            put_be64(link->trace_id, integer(&in));
            put_be64(link->trace_id + 8, integer(&in));
        } else {
            memcpy(link->trace_id, span->trace_id, 16);
        }
        uint64_t id = integer(&in);
        put_be64(link->span_id, id);
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
        struct tw_tag_value *values = count ? tw__pool_zeroed(&spans->pool, count, sizeof *values) : NULL;
        if (count && !values) return TW_ERR_MEMORY;
        for (size_t t = 0; t < count; t++) {
            struct tw_text key = text(&in);
            values[t] = value_of(key, text(&in));
        }
        event->tags = values;
        event->tag_count = (uint32_t)count;
    }
    span->events = made;
    span->event_count = (uint32_t)d->event_count;
    return 0;
}

/* "fdb-ROLE" for "ROLE:operation"; roles are letters. */
static struct tw_text role_service(struct tw__spans *spans, struct tw_text name)
{
    size_t len = 0;
    while (len < name.len && len < 8 && ((name.ptr[len] | 32) >= 'a' && (name.ptr[len] | 32) <= 'z')) len++;
    if (len == 0 || len == name.len || name.ptr[len] != ':') return (struct tw_text){"fdb", 3};
    char *made = tw__pool_take(&spans->pool, 4 + len, 1);
    if (!made) return (struct tw_text){"fdb", 3};
    memcpy(made, "fdb-", 4);
    memcpy(made + 4, name.ptr, len);
    return (struct tw_text){made, 4 + len};
}

static bool same_text(struct tw_text a, struct tw_text b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* Datagrams of one process come in a row: the last resources are looked at before another is made. */
static uint32_t resource_of(struct tw__spans *spans, struct tw_text service, struct tw_text address)
{
    size_t looked = 0;
    for (size_t i = spans->resource_count; i-- > 0 && looked < 32; looked++) {
        const struct tw__resource *known = &spans->resources[i];
        if (known->tag_count == 2 && same_text(known->service, service) && same_text(known->tags[1].text, address))
            return (uint32_t)i;
    }
    struct tw_tag_value *made = tw__pool_zeroed(&spans->pool, 2, sizeof *made);
    if (!made) return UINT32_MAX;
    made[0] = value_of((struct tw_text){"service.name", 12}, service);
    made[1] = value_of((struct tw_text){"server.address", 14}, address);
    return tw__spans_add_resource(spans, &(struct tw__resource){.service = service, .tags = made, .tag_count = 2});
}

static int make_span(struct tw__spans *spans, const struct cursor *in, const struct datagram *d,
                     struct tw__fdb_found *found)
{
    static const uint8_t kinds[] = {TW_KIND_INTERNAL, TW_KIND_CLIENT, TW_KIND_SERVER, TW_KIND_PRODUCER,
                                    TW_KIND_CONSUMER};
    struct tw__span span = {.name = d->name, .door = TW__DOOR_FDB, .flags = TW_FLAG_SAMPLED};
    put_be64(span.trace_id, d->trace[0]);
    put_be64(span.trace_id + 8, d->trace[1]);
    put_be64(span.span_id, d->span);
    put_be64(span.parent_id, d->parent);
    span.start_ns = ns_of(d->begin);
    span.end_ns = d->is_duration ? span.start_ns + (d->end > 0 ? ns_of(d->end) : 0) : ns_of(d->end);
    if (!d->is_duration) {
        span.kind = d->kind < sizeof kinds ? kinds[d->kind] : TW__KIND_UNSPECIFIED;
        span.status = d->status <= TW_STATUS_ERROR ? (uint8_t)d->status : TW_STATUS_UNSET;
    }
    int code = add_tags(spans, &span, *in, d);
    if (code == 0) code = add_links(spans, &span, *in, d, &found->off_parents);
    if (code == 0) code = add_events(spans, &span, *in, d);
    if (code < 0) return code;
    struct tw_text address = d->source, service = {"", 0};
    const struct tw_tag_value *said = tw__tag_find(span.tags, span.tag_count, "address");
    if (said && address.len == 0) address = said->text;
    said = tw__tag_find(span.tags, span.tag_count, "service.name");
    service = said && said->type == TW_TYPE_STR ? said->text : role_service(spans, d->name);
    span.resource = resource_of(spans, service, address);
    struct tw__span *added = span.resource == UINT32_MAX ? NULL : tw__spans_add(spans, span.resource, 0);
    if (!added) return TW_ERR_MEMORY;
    *added = span;
    return 0;
}

int tw__fdb_dec(struct tw__spans *spans, const void *bytes, size_t len, struct tw__fdb_found *found)
{
    struct datagram d;
    struct repair repair = {0};
    const struct cursor fresh = {.begin = bytes, .at = bytes, .end = (const uint8_t *)bytes + len, .repair = &repair};
    struct cursor in = fresh;
    *found = (struct tw__fdb_found){0};
    read_datagram(&in, &d);
    bool is_a = len > 0 && (*fresh.begin == 0x97 || *fresh.begin == 0x98);
    if (in.why && is_a && repaired(&in, &d, &fresh, &repair)) found->repaired = true;
    if (in.why) {
        found->why = in.why;
        found->error_at = in.error_at;
        return TW_ERR_SYNTAX;
    }
    found->layout = is_a                   ? TW__FDB_SEEN_A
                    : *fresh.begin == 0x9e ? TW__FDB_SEEN_B
                    : d.threes             ? TW__FDB_SEEN_C
                    : d.elements           ? TW__FDB_SEEN_D
                                           : TW__FDB_SEEN_C_OR_D;
    found->repaired = found->repaired || found->layout == TW__FDB_SEEN_C || d.bare;
    return make_span(spans, &in, &d, found);
}
