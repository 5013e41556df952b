/* log: lines with a level, their arguments raw. Which are wanted: log_wanted.c.
 *
 * A line of the span that the last one in the chunk was of leaves out whose it is: 32 bytes for three integers instead
 * of 72 (BRIEF, docs/format/segment.md). The block's log_span says whose the last one was; a new chunk and whatever
 * changes a trace's id or flags set it to none.
 *
 * What a site takes is four bits an argument in its signature, read once from the format: at most fifteen. A fast site
 * takes numbers only. Texts and metadata are put behind one another without looking at the format. Everything else
 * (widths given as *, a text of more than 255 bytes, a first time, no room in the chunk) goes through tags that are
 * gathered first.
 *
 * Invariant: what is written is what the format says; the compiler has checked that the arguments are of those types.
 */
#include "trace/log.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "trace/finish.h"
#include "trace/site.h"
#include "trace/stack.h"

enum { SAVED_BYTES = TW__EVENT_HEAD_BYTES - TW__BRIEF_HEAD_BYTES }; /* by a BRIEF */
#define BRIEF_BITS (((uint64_t)TW__TYPE_LOG ^ TW__TYPE_BRIEF) << 16)

#define UNLIKELY(x) __builtin_expect(!!(x), 0)

/* The head of a site's records; registers it. Between tw__enter and tw__leave. */
static uint64_t head_of(struct tw__block *block, struct tw_log_site *site)
{
    uint64_t head = tw__load_relaxed(&site->site.head);
    if (head) return head;
    uint32_t bytes = 0;
    uint64_t signature = tw__log_signature(site->site.name, &bytes);
    head = tw__site_head(block, &site->site, TW__EVENT_HEAD_BYTES);
    if (signature && tw__load_relaxed(&site->site.head)) {
        uint32_t ints = 0;
        uint64_t brief =
            tw__log_narrow(signature, &ints) ? (head ^ BRIEF_BITS) + tw__tag_ints_size(ints) - SAVED_BYTES : 0;
        tw__store_relaxed(&site->ints, ints);
        tw__store_release(&site->signature, signature); /* pairs with log_known */
        if (bytes != TW__LOG_TEXTS) tw__store_release(&site->fast, head + bytes); /* pairs with begin_fast's callers */
        tw__store_release(&site->brief, brief); /* pairs with tw__log_ints */
    }
    return head;
}

__attribute__((noinline)) static void log_slow(struct tw_log_site *site, const struct tw_attr *attrs, size_t count,
                                               va_list args)
{
    int error_number = errno; /* nothing has changed it yet */
    struct tw__block *block = tw__enter();
    if (!block) return;
    struct tw__tag_in tags[TW_LOG_ARGS_MAX];
    char wide[TW__LOG_WIDE_BYTES];
    struct tw__line line = {.head = head_of(block, site), .args = tags, .attrs = attrs, .attr_count = count};
    line.arg_count = tw__log_args(block, site->site.name, args, error_number, tags, wide);
    tw__log_append(block, &line);
    tw__leave(block);
}

static inline void put(uint64_t *word, enum tw__tag type, uint32_t value)
{
    tw__store_relaxed(word, (uint64_t)type << 16 | (uint64_t)value << 32);
}

/* Stores one number of the argument list. */
static inline __attribute__((always_inline)) uint64_t *put_number(uint64_t *word, unsigned kind, va_list *args)
{
    double real;
    uint64_t bits;
    switch (kind) {
    case TW__FAST_INT:
        put(word, TW__TAG_INT32, (uint32_t)va_arg(*args, int));
        return word + 1;
    case TW__FAST_UINT:
        put(word, TW__TAG_UINT32, va_arg(*args, unsigned));
        return word + 1;
    case TW__FAST_LONG:
        put(word, TW__TAG_INT, 0);
        tw__store_relaxed(word + 1, (uint64_t)va_arg(*args, long));
        return word + 2;
    case TW__FAST_ULONG:
        put(word, TW__TAG_UINT, 0);
        tw__store_relaxed(word + 1, va_arg(*args, unsigned long));
        return word + 2;
    case TW__FAST_DOUBLE:
        real = va_arg(*args, double);
        memcpy(&bits, &real, sizeof bits);
        put(word, TW__TAG_DOUBLE, 0);
        tw__store_relaxed(word + 1, bits);
        return word + 2;
    default: /* NONE: a site that takes nothing */
        return word;
    }
}

/* A record in the open chunk, from begin_fast to end_fast. */
struct fast {
    struct tw__block *me;
    struct tw__slot *at;
    uint64_t *words, *args, now;
    uint8_t *end;
};

static inline __attribute__((always_inline)) void give_back(struct tw__block *me, struct tw__slot *at)
{
    tw__signal_fence();
    tw__store_release(&me->current, at); /* pairs with tw_shutdown, which waits for it */
}

/* Whether a line may leave out whose it is: the last one in the chunk was of the same span. Never in a context that
 * came from elsewhere, whose id may be any number, one of ours and TW__NO_LOG among them. */
static inline __attribute__((always_inline)) bool goes_on(const struct tw__block *block, const struct tw__slot *at,
                                                          uint64_t id)
{
    return id == block->log_span && !tw__is_holder(at);
}

/* After a line that has said it. tw__log_ints does not look at the thread's metadata. */
static inline void note_span(struct tw__block *block, const struct tw__slot *at, uint64_t id)
{
    block->log_span = tw__is_holder(at) || tw__meta ? (uint64_t)TW__NO_LOG : id;
}

/* Begins a record with a head for its long form: all of it but the arguments. False: not the fast way (no room, a lease
 * that has run out, a thread with metadata that nobody asked for or without a block, a span that has ended), and
 * nothing has happened. In no span at all is fine. Nothing is stored before the clock says that the chunk is ours still
 * (arena.c). The trace's words are copied one by one: those of a span that has just begun are still in the store
 * buffer. */
static inline __attribute__((always_inline)) bool begin_fast(struct fast *f, uint64_t head, bool with_meta)
{
    struct tw__block *me = tw__me;
    struct tw__slot *at = tw__load_relaxed(&me->current);
    if (UNLIKELY(me == &tw__nobody || (!with_meta && tw__meta))) return false;
    if (UNLIKELY(!tw__load_relaxed(&at->trace[1]) && at != &tw__no_slot)) return false;
    me->saved = at;
    tw__store_relaxed(&me->current, &tw__poison);
    tw__signal_fence();
    uint64_t now = tw__clock_tsc();
    tw__signal_fence();
    uint8_t *record = me->cursor;
    *f = (struct fast){
        .me = me, .at = at, .words = (uint64_t *)(void *)record, .now = now, .end = record + (head & 0xffff)};
    if (UNLIKELY(f->end > tw__load_relaxed(&me->limit) || now > me->expire)) {
        give_back(me, at);
        return false;
    }
    uint64_t id = tw__load_relaxed(&at->id);
    tw__store_relaxed(f->words + 1, now);
    if (goes_on(me, at, id)) {
        tw__store_relaxed(f->words, (head ^ BRIEF_BITS) - SAVED_BYTES);
        f->args = f->words + TW__BRIEF_HEAD_BYTES / 8;
        f->end -= SAVED_BYTES;
        return true;
    }
    tw__store_relaxed(f->words, head);
    tw__store_relaxed(f->words + 2, tw__load_relaxed(&at->trace[0]));
    tw__store_relaxed(f->words + 3, tw__load_relaxed(&at->trace[1]));
    tw__store_relaxed(f->words + 4, id);
    tw__store_relaxed(f->words + 5, tw__load_relaxed(&at->misc) | me->tid); /* no_slot has no thread */
    f->args = f->words + TW__EVENT_HEAD_BYTES / 8;
    return true;
}

static inline __attribute__((always_inline)) void end_fast(const struct fast *f)
{
    tw__store_release(&f->me->cursor, f->end); /* pairs with the reader's cursor */
    bool brief = f->args == f->words + TW__BRIEF_HEAD_BYTES / 8;
    if (!brief) note_span(f->me, f->at, f->words[4]);
    give_back(f->me, f->at);
    if (UNLIKELY(!brief && f->now > tw__load_relaxed(&tw__log_recheck_tick))) tw__log_recheck(f->now);
}

/* Room for an argument of size bytes at to, before end. */
static inline bool has_room(const uint8_t *to, size_t size, const uint8_t *end)
{
    return size <= (size_t)(end - to);
}

/* One text of the argument list, if it is not long and there is room for it. NULL: it is, or there is none. */
static inline uint8_t *put_text(uint8_t *to, const char *text, const uint8_t *end)
{
    size_t len = strnlen(text ? text : (text = "(null)"), 256), size = (4 + len + 7) & ~(size_t)7;
    if (len > 255 || !has_room(to, size, end)) return NULL;
    tw__store_relaxed((uint64_t *)(void *)(to + size - 8), 0); /* padding; the text goes over it */
    tw__tag_put_bytes(to + 4, (const uint8_t *)text, (uint32_t)len);
    tw__tag_put_head(to, (uint32_t)TW__TAG_STR << 16 | (uint32_t)len << 24);
    return to + size;
}

/* Whether the metadata of one line has room as it is, before any of it is looked up and counted. */
static bool fits_whole(const struct tw_attr *attrs, size_t count, const uint8_t *to, const uint8_t *end)
{
    size_t most = 0;
    if (count > TW__TAGS_MAX) return false;
    for (size_t i = 0; i < count; i++) {
        bool text = attrs[i].type == TW_TYPE_STR || attrs[i].type == TW_TYPE_BYTES;
        if (text && attrs[i].len > 255) return false;
        most += text ? 4 + attrs[i].len + 7 : 16;
    }
    return has_room(to, most, end);
}

static uint8_t *put_attrs(struct tw__block *block, uint8_t *to, const struct tw_attr *attrs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct tw__tag_in tag = tw__attr_tag(block, &attrs[i]);
        if (tag.key == 0) continue; /* would be taken for an argument. Counted */
        tw__tag_write(to, &tag);
        to += tw__tag_size(&tag);
    }
    return to;
}

/* A line of which the site knows what it takes, with texts among it or with metadata: one thing after the other into
 * the open chunk, as long as each finds room. False: the slow way, and nothing has happened. */
static bool log_known(struct tw_log_site *site, const struct tw_attr *attrs, size_t count, va_list given)
{
    const struct tw__meta *meta = tw__meta;
    struct fast f;
    uint64_t signature = tw__load_acquire(&site->signature); /* pairs with head_of */
    if (!signature || !begin_fast(&f, tw__load_relaxed(&site->site.head), true)) return false;
    const uint8_t *end = tw__load_relaxed(&f.me->limit);
    uint8_t *to = (uint8_t *)f.args;
    size_t meta_len = meta ? meta->len : 0;
    va_list args;
    va_copy(args, given);
    for (; signature && to; signature >>= 4) {
        unsigned kind = signature & 15;
        if (kind == TW__FAST_TEXT)
            to = put_text(to, va_arg(args, const char *), end);
        else
            to = has_room(to, 16, end) ? (uint8_t *)put_number((uint64_t *)(void *)to, kind, &args) : NULL;
    }
    va_end(args);
    if (!to || !has_room(to, meta_len, end) || !fits_whole(attrs, count, to + meta_len, end)) {
        give_back(f.me, f.at);
        return false;
    }
    if (meta_len) tw__words_copy_to(to, meta->bytes, meta_len);
    f.end = put_attrs(f.me, to + meta_len, attrs, count);
    tw__store_relaxed(f.words, (f.words[0] & ~(uint64_t)0xffff) | (uint64_t)(f.end - (uint8_t *)f.words));
    end_fast(&f);
    return true;
}

__attribute__((noinline)) static void log_any(struct tw_log_site *site, const struct tw_attr *attrs, size_t count,
                                              va_list args)
{
    if (!log_known(site, attrs, count, args)) log_slow(site, attrs, count, args);
}

void tw__log_with(struct tw_log_site *site, const struct tw_attr *attrs, size_t count, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_any(site, attrs, count, args);
    va_end(args);
}

void tw__log(struct tw_log_site *site, const char *format, ...)
{
    struct fast f;
    uint64_t head = tw__load_acquire(&site->fast); /* pairs with head_of */
    va_list args;
    va_start(args, format);
    if (TW__LIKELY(head && begin_fast(&f, head, false))) {
        uint64_t *word = f.args;
        for (uint64_t left = tw__load_relaxed(&site->signature); left; left >>= 4)
            word = put_number(word, left & 15, &args);
        end_fast(&f);
    } else {
        log_any(site, NULL, 0, args);
    }
    va_end(args);
}

/* As many of the four as the format takes, which on this path are integers all. */
__attribute__((noinline, cold)) static void words_slow(struct tw_log_site *site, ...)
{
    va_list args;
    va_start(args, site);
    log_any(site, NULL, 0, args);
    va_end(args);
}

static inline __attribute__((always_inline)) uint64_t *put_word(uint64_t *words, uint64_t kind, uint64_t value)
{
    if (kind <= TW__FAST_UINT) {
        tw__store_relaxed(words, (kind - TW__FAST_INT + TW__TAG_INT32) << 16 | value << 32);
        return words + 1;
    }
    tw__store_relaxed(words, (kind - TW__FAST_LONG + TW__TAG_INT) << 16);
    tw__store_relaxed(words + 1, value);
    return words + 2;
}

/* Some of 64 bits, the first line of a span, or a site that is new. */
__attribute__((noinline)) static void words_any(struct tw_log_site *site, uint64_t a, uint64_t b, uint64_t c,
                                                uint64_t d)
{
    struct fast f;
    uint64_t head = tw__load_acquire(&site->fast); /* pairs with head_of */
    if (TW__LIKELY(head && begin_fast(&f, head, false))) {
        uint64_t signature = tw__load_relaxed(&site->signature), *words = f.args;
        words = put_word(words, signature & 15, a);
        if (signature >> 4) words = put_word(words, signature >> 4 & 15, b);
        if (signature >> 8) words = put_word(words, signature >> 8 & 15, c);
        if (signature >> 12) (void)put_word(words, signature >> 12 & 15, d);
        end_fast(&f);
    } else {
        words_slow(site, a, b, c, d);
    }
}

void tw__log_words(struct tw_log_site *site, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    words_any(site, a, b, c, d);
}

__attribute__((noinline, cold)) static void ints_any(struct tw_log_site *site, uint64_t a, uint64_t bc)
{
    words_any(site, a >> 32, bc, bc >> 32, 0);
}

/* A further line of a span, of up to three integers of 32 bits: the record that is to be cheap. Whatever is different
 * is found by one of these questions: the thread's metadata and a chunk that has just begun by log_span too.
 *
 * All three without asking how many there are: what is too much lies behind the record, where the next one goes; 64
 * bytes are always free there (arena.c). */
void tw__log_ints(struct tw_log_site *site, uint64_t a, uint64_t bc)
{
    uint64_t head = tw__load_acquire(&site->brief); /* pairs with head_of */
    struct tw__block *me = tw__me;
    struct tw__slot *at = tw__load_relaxed(&me->current);
    if (UNLIKELY(!head || me == &tw__nobody || at == &tw__poison)) {
        ints_any(site, a, bc);
        return;
    }
    me->saved = at;
    tw__store_relaxed(&me->current, &tw__poison);
    tw__signal_fence();
    if (UNLIKELY(!goes_on(me, at, tw__load_relaxed(&at->id)))) {
        give_back(me, at);
        ints_any(site, a, bc);
        return;
    }
    uint64_t now = tw__clock_tsc();
    tw__signal_fence();
    uint64_t *words = (uint64_t *)(void *)me->cursor;
    uint8_t *end = me->cursor + (head & 0xffff);
    if (UNLIKELY(end > tw__load_relaxed(&me->limit) || now > me->expire)) {
        give_back(me, at);
        ints_any(site, a, bc);
        return;
    }
    tw__store_relaxed(words, head);
    tw__store_relaxed(words + 1, now);
    tw__store_relaxed(words + 2, tw__load_relaxed(&site->ints) | a);
    tw__store_relaxed(words + 3, bc);
    tw__record_fetch((uint8_t *)words);
    tw__store_release(&me->cursor, end); /* pairs with the reader's cursor */
    give_back(me, at);
}

/* The metadata of one line, as much of it as there is room for. A key without a number would be taken for an argument.
 */
static size_t attr_tags(struct tw__block *block, const struct tw__line *line, struct tw__tag_in *tags, size_t room)
{
    size_t n = 0;
    for (size_t i = 0; i < line->attr_count; i++) {
        struct tw__tag_in tag = tw__attr_tag(block, &line->attrs[i]);
        size_t size = tw__tag_size(&tag);
        if (tag.key == 0) continue; /* counted */
        if (n == TW__TAGS_MAX || size > room) {
            tw__count(&block->losses[TW__LOSS_cut_long]);
            continue;
        }
        room -= size;
        tags[n++] = tag;
    }
    return n;
}

void tw__log_append(struct tw__block *block, const struct tw__line *line)
{
    struct tw__segment *segment = tw__segment_of(block);
    const struct tw__meta *meta = tw__meta;
    struct tw__tag_in tags[TW__TAGS_MAX];
    size_t len = TW__EVENT_HEAD_BYTES, meta_len = meta ? meta->len : 0, room, count;
    for (size_t i = 0; i < line->arg_count; i++) len += tw__tag_size(&line->args[i]);
    room = TW__RECORD_MAX - 8 - len;
    if (meta_len > room) meta_len = 0; /* tw__log_args leaves room for it: never */
    count = attr_tags(block, line, tags, room - meta_len);
    for (size_t i = 0; i < count; i++) len += tw__tag_size(&tags[i]);
    len += meta_len;

    struct tw__slot *at = tw__stack_parent(block);
    uint64_t id = tw__load_relaxed(&at->id), now = tw__segment_tick(segment);
    if (!tw__arena_room(segment, block, len, now)) return;
    uint8_t *record = block->cursor, *to = record + TW__EVENT_HEAD_BYTES;
    uint64_t *words = (uint64_t *)(void *)record, head = (line->head & ~(uint64_t)0xffff) | len;
    if (goes_on(block, at, id) && !line->tick) {
        head = (head ^ BRIEF_BITS) - SAVED_BYTES;
        len -= SAVED_BYTES;
        to -= SAVED_BYTES;
    } else {
        tw__store_relaxed(words + 2, tw__load_relaxed(&at->trace[0]));
        tw__store_relaxed(words + 3, tw__load_relaxed(&at->trace[1]));
        tw__store_relaxed(words + 4, id);
        tw__store_relaxed(words + 5, (tw__load_relaxed(&at->misc) & ~(uint64_t)UINT32_MAX) | block->tid);
        note_span(block, at, id);
    }
    tw__store_relaxed(words, head);
    tw__store_relaxed(words + 1, line->tick ? line->tick : now);
    for (size_t i = 0; i < line->arg_count; i++) {
        tw__tag_write(to, &line->args[i]);
        to += tw__tag_size(&line->args[i]);
    }
    if (meta_len) tw__words_copy_to(to, meta->bytes, meta_len);
    to += meta_len;
    for (size_t i = 0; i < count; i++) {
        tw__tag_write(to, &tags[i]);
        to += tw__tag_size(&tags[i]);
    }
    tw__store_release(&block->cursor, record + len); /* pairs with the reader's cursor */
    if (UNLIKELY(now > tw__load_relaxed(&tw__log_recheck_tick))) tw__log_recheck(now);
}
