/* slow: the ways of beginning and ending a span that are not the common one.
 *
 * Everything here runs between tw__enter and tw__leave, on one block, and may register sites, take further slots,
 * change chunks, and look at stacks. It is still wait-free and free of allocation; only a thread's first call makes
 * anything.
 */
#include "trace/slow.h"

#include <string.h>

#include "base/be64.h"
#include "base/os.h"
#include "sample/rate.h"
#include "trace/detached.h"
#include "trace/finish.h"
#include "trace/record.h"
#include "trace/site.h"
#include "trace/stack.h"

static uint64_t random_next(uint64_t s[2])
{
    uint64_t a = s[0], b = s[1]; /* xoroshiro128+ */
    uint64_t result = a + b;
    b ^= a;
    s[0] = (a << 24 | a >> 40) ^ b ^ b << 16;
    s[1] = b << 37 | b >> 27;
    return result;
}

uint64_t tw__random_u64(struct tw__block *block)
{
    return random_next(block->seed);
}

void tw__trace_new(struct tw__block *block, uint64_t trace[2], uint64_t now)
{
    trace[1] = random_next(block->seed) | 1; /* the fast path takes a low half of 0 for "no trace" */
    trace[0] = random_next(block->seed);
    if (tw__load_relaxed(&tw__runtime.random_trace_ids)) return;
    if (now >= block->seconds_until) {
        block->seconds = tw__os_seconds();
        block->seconds_until = now + tw__load_relaxed(&tw__segment_of(block)->ticks_per_second) / 4;
    }
    trace[0] = (trace[0] & 0xffffffffu) | block->seconds << 32;
}

void tw_trace_id_new(uint8_t id[16])
{
    uint64_t trace[2] = {0, 0};
    struct tw__block *block = tw__enter();
    if (block) {
        tw__trace_new(block, trace, tw__segment_tick(tw__segment_of(block)));
        tw__leave(block);
    } else { /* recording is off: ids are wanted all the same */
        tw__os_random(trace, sizeof trace);
        trace[0] = (trace[0] & 0xffffffffu) | (uint64_t)tw__os_seconds() << 32;
    }
    tw__be64_put(trace[0], id);
    tw__be64_put(trace[1], id + 8);
}

/* What a new span gets from above it. */
struct ancestry {
    uint64_t trace[2], parent, flags;
    uint8_t rule_len; /* of the central rule that decided */
    char rule[TW__RULE_NAME_MAX];
};

static void from_context(struct ancestry *a, const struct tw_context *context)
{
    a->trace[0] = tw__be64(context->trace_id);
    a->trace[1] = tw__be64(context->trace_id + 8);
    a->parent = tw__be64(context->span_id);
    a->flags = context->flags;
}

static void set_sampled(struct ancestry *a, bool sampled)
{
    a->flags = (a->flags & ~(uint64_t)TW_FLAG_SAMPLED) | (sampled ? TW_FLAG_SAMPLED : 0);
}

/* By the rate that was asked for while the program runs: see sampling.c. */
static void decide_as_asked(struct ancestry *a, enum tw__sample_parent parent, uint64_t asked, bool follow)
{
    uint8_t id[16] = {0};
    if (follow && parent != TW__PARENT_NONE) {
        set_sampled(a, parent == TW__PARENT_SAMPLED);
        return;
    }
    tw__be64_put(a->trace[1], id + 8);
    set_sampled(a, tw__rate_takes(asked & ~TW__SAMPLE_ASKED, id));
}

/* What rules are matched against: the root of a server's request is called "GET /cart" (OpenTelemetry's convention for
 * names). */
static void read_name(const char *name, struct tw__sample_request *request)
{
    size_t method = 0;
    while (name[method] >= 'A' && name[method] <= 'Z') method++;
    if (!method || name[method] != ' ' || name[method + 1] != '/') return;
    const char *path = name + method + 1;
    request->method = (struct tw_text){name, method};
    request->path = (struct tw_text){path, strcspn(path, "?")};
}

/* Whether the trace is exported: at its root, and where it comes from another process. Children of what is current
 * follow it. */
static void decide(const struct tw__block *block, struct ancestry *a, enum tw__sample_parent parent, const char *name)
{
    struct tw__sampler *sampler = tw__load_acquire(&tw__runtime.sampler); /* pairs with runtime.c: begin_export */
    uint64_t asked = tw__load_relaxed(&tw__segment_of(block)->header->sample_asked);
    if (asked) {
        decide_as_asked(a, parent, asked, !sampler || tw__sampler_is_parent_based(sampler));
        return;
    }
    if (!sampler) {
        if (parent != TW__PARENT_NOT_SAMPLED) a->flags |= TW_FLAG_SAMPLED;
        return;
    }
    uint8_t id[16];
    tw__be64_put(a->trace[0], id);
    tw__be64_put(a->trace[1], id + 8);
    struct tw__sample_request request = {.trace_id = id, .parent = parent, .service = tw__runtime.service};
    struct tw__sample_decision decision;
    if (name && tw__sampler_uses_rules(sampler)) read_name(name, &request);
    /* Of the last trace id made here: at most 250 ms late. */
    uint64_t seconds = block->seconds ? block->seconds : tw__os_seconds();
    tw__sampler_explain(sampler, &request, seconds * 1000000000u, &decision);
    set_sampled(a, decision.sampled);
    a->rule_len = decision.rule_len;
    memcpy(a->rule, decision.rule, decision.rule_len);
}

/* What the parents decided: a batch is exported when one of its transactions is, whose trace would miss it otherwise
 * and all below it. */
static enum tw__sample_parent decided(const struct tw_span_options *options)
{
    if (options->sample == TW_SAMPLE_UNDECIDED) return TW__PARENT_NONE;
    for (size_t i = 0; i < options->parent_count; i++)
        if (tw__context_is_valid(&options->parents[i]) && options->parents[i].flags & TW_FLAG_SAMPLED)
            return TW__PARENT_SAMPLED;
    return TW__PARENT_NOT_SAMPLED;
}

/* Trace, tree parent and flags; *first gets how many of the given parents are used up or invalid at the front. */
static struct ancestry ancestry_of(struct tw__block *block, const char *name, const struct tw_span_options *options,
                                   uint64_t now, size_t *first)
{
    struct ancestry a = {.parent = 0};
    if (options && options->name) name = options->name;
    *first = 0;
    if (options && options->parent_count && !options->root) {
        while (*first < options->parent_count && !tw__context_is_valid(&options->parents[*first])) ++*first;
        if (*first < options->parent_count) {
            from_context(&a, &options->parents[(*first)++]);
            decide(block, &a, decided(options), name);
            return a;
        }
    } else if (!options || !options->root) {
        const struct tw__slot *top = tw__stack_parent(block);
        if (tw__load_relaxed(&top->id) != 0) {
            if (tw__load_relaxed(&top->owner) != block) tw__slot_handed(top); /* to this signal handler */
            a.trace[0] = tw__load_relaxed(&top->trace[0]);
            a.trace[1] = tw__load_relaxed(&top->trace[1]);
            a.parent = tw__load_relaxed(&top->id);
            a.flags = (top->misc >> 32) & 0xff;
            return a;
        }
    }
    if (options && options->trace_id) {
        a.trace[0] = tw__be64(options->trace_id);
        a.trace[1] = tw__be64(options->trace_id + 8);
    }
    if (!(a.trace[0] | a.trace[1])) tw__trace_new(block, a.trace, now);
    a.flags = tw__load_relaxed(&tw__runtime.random_trace_ids) ? TW_FLAG_RANDOM : 0;
    if (options && (options->sample == TW_SAMPLE_ON || options->sample == TW_SAMPLE_OFF))
        a.flags |= options->sample == TW_SAMPLE_ON ? TW_FLAG_SAMPLED : 0;
    else
        decide(block, &a, TW__PARENT_NONE, name);
    return a;
}

/* lap: what the new span has in common with the one that just ended. NULL where it has nothing. */
struct lap {
    struct ancestry ancestry;
    uint64_t tick;
};

static tw_span begin_at(struct tw_site *site, const struct tw_span_options *options, const struct lap *lap)
{
    tw_span none = {NULL, 0};
    struct tw__block *block = tw__enter();
    if (!block) return none;
    struct tw__segment *segment = tw__segment_of(block);
    struct tw__slot *slot = tw__slot_take(block);
    if (!slot) {
        tw__leave(block);
        return none;
    }
    uint64_t head = tw__site_head(block, site, TW__SPAN_HEAD_BYTES), now = lap ? lap->tick : tw__segment_tick(segment);
    size_t first = 0;
    struct ancestry a = lap ? lap->ancestry : ancestry_of(block, site->name, options, now, &first);
    bool detached = options && options->detached;
    if (options) {
        head |= (uint64_t)(options->kind & 7) << 24;
        if (options->start_ns) {
            now = tw__segment_tick_of(segment, options->start_ns);
            head |= (uint64_t)TW__MARK_OWN_TIME << 24;
        }
    }
    struct tw__slot *below = tw__stack_top(block);
    tw__store_relaxed(&slot->link, detached ? &tw__detached : below);
    tw__store_relaxed(&slot->trace[0], a.trace[0]);
    tw__store_relaxed(&slot->trace[1], a.trace[1]);
    tw__store_relaxed(&slot->misc, block->tid | a.flags << 32);
    tw__store_relaxed(&slot->parent, a.parent);
    tw__store_relaxed(&slot->head, head);
    tw__store_relaxed(&slot->time, now);
    struct tw__slot *next = a.parent ? NULL : tw__load_relaxed(&block->free); /* see sampling.c */
    tw__store_relaxed(&slot->alias, next);
    slot->alias_id = next ? tw__load_relaxed(&next->id) : 0;
    uint64_t id = slot->id + TW__ID_STEP;
    tw__store_release(&slot->id, id); /* pairs with the reader's look at open slots */
    if (!detached) block->saved = slot;
    tw__leave(block);

    tw_span span = {slot, id};
    if (options && options->name) tw_span_rename(span, options->name);
    if (a.rule_len) tw_span_set_strn(span, "aws.xray.rule_name", a.rule, a.rule_len);
    if (options)
        for (size_t i = first; i < options->parent_count && !options->root; i++)
            tw_span_add_parent(span, &options->parents[i]);
    return span;
}

tw_span tw__begin_slow(struct tw_site *site, const struct tw_span_options *options)
{
    return begin_at(site, options, NULL);
}

tw_span tw__span_begin_with(struct tw_site *site, const struct tw_span_options *options)
{
    tw_span span;
    if (options && options->detached && tw__begin_detached(site, options, &span)) return span;
    return tw__begin_slow(site, options);
}

tw_span tw__span_begin_root(struct tw_site *site)
{
    const struct tw_span_options options = {.root = true};
    return tw__begin_slow(site, &options);
}

tw_span tw__span_begin_under(struct tw_site *site, const struct tw_context *parents, size_t count)
{
    const struct tw_span_options options = {
        .parents = parents, .parent_count = parents ? count : 0, .root = !parents || !count};
    return tw__begin_slow(site, &options);
}

tw_span tw__span_begin_named(struct tw_site *site, const char *name)
{
    const struct tw_span_options options = {.name = name};
    return tw__begin_slow(site, &options);
}

bool tw__chunk_turn(struct tw__block *me, uint64_t now)
{
    /* No limit: the clock is not the TSC, or the recording has ended. As in tw__enter, the generation is looked at
     * behind the poison. */
    if (!tw__load_relaxed(&me->limit) || me->generation != tw__load_relaxed(&tw__runtime.generation)) return false;
    return tw__arena_turn(tw__segment_of(me), me, now);
}

/* Writes the record of an open span. False: no room (counted); the span is lost, its slot is not. */
static bool write_span(struct tw__block *block, struct tw__slot *slot, uint64_t end_tick, uint64_t now)
{
    uint64_t tags_len = slot->tags_len <= TW__SLOT_TAG_BYTES ? slot->tags_len : 0;
    uint64_t len = TW__SPAN_HEAD_BYTES + tags_len;
    if (!tw__arena_room(tw__segment_of(block), block, len, now)) return false;
    uint64_t image[(TW__SPAN_HEAD_BYTES + TW__SLOT_TAG_BYTES) / 8];
    memcpy(image, slot, 56);
    image[0] = slot->head + tags_len;
    image[7] = end_tick;
    memcpy(image + 8, slot->tags, tags_len);
    tw__words_copy_to(block->cursor, image, len);
    tw__store_release(&block->cursor, block->cursor + len); /* pairs with the reader's cursor */
    return true;
}

static void end_at(tw_span span, uint64_t end_tick, bool own)
{
    if (!span.slot) {
        if (tw__load_relaxed(&tw__gate)) tw__lost(TW__LOSS_stale);
        return;
    }
    struct tw__block *block = tw__enter();
    if (!block) return;
    struct tw__slot *slot = span.slot;
    if (tw__load_acquire(&slot->id) != span.id || tw__is_holder(slot)) {
        tw__count(&block->losses[TW__LOSS_stale]);
    } else {
        uint64_t now = tw__segment_tick(tw__segment_of(block));
        if (own) slot->head |= (uint64_t)TW__MARK_OWN_TIME << 24;
        (void)write_span(block, slot, end_tick ? end_tick : now, now);
        tw__stack_end(block, slot);
    }
    tw__leave(block);
}

void tw__end_slow(tw_span span, uint64_t end_tick)
{
    end_at(span, end_tick, end_tick != 0);
}

void tw_span_end_at(tw_span span, uint64_t end_ns)
{
    const struct tw__segment *segment = tw__load_acquire(&tw__runtime.segment);
    tw__end_slow(span, segment && end_ns ? tw__segment_tick_of(segment, end_ns) : 0);
}

tw_span tw__lap_slow(tw_span span, struct tw_site *site)
{
    tw_span none = {NULL, 0};
    if (!tw_span_is_open(span)) {
        tw__end_slow(span, 0); /* counts it */
        return none;
    }
    const struct tw__slot *slot = span.slot;
    const struct tw__segment *segment = tw__load_acquire(&tw__runtime.segment);
    const struct lap lap = {
        .ancestry = {.trace = {tw__load_relaxed(&slot->trace[0]), tw__load_relaxed(&slot->trace[1])},
                     .parent = tw__load_relaxed(&slot->parent),
                     .flags = tw__load_relaxed(&slot->misc) >> 32 & 0xff},
        .tick = segment ? tw__segment_tick(segment) : 0};
    const struct tw__slot *top = tw__load_relaxed(&tw__me->current);
    bool current = top == slot || (tw__is_holder(top) && top->alias == slot);
    const struct tw_span_options options = {.detached = !current};
    end_at(span, lap.tick, false);
    return begin_at(site, &options, &lap);
}

bool tw_span_is_open(tw_span span)
{
    return span.slot && tw__load_acquire(&span.slot->id) == span.id && !tw__is_holder(span.slot);
}

bool tw_span_context(tw_span span, struct tw_context *out)
{
    memset(out, 0, sizeof *out);
    if (!tw_span_is_open(span)) return false;
    tw__context_of_slot(span.slot, out);
    tw__slot_handed(span.slot);
    return true;
}
