/* tracing: start a trace, start parts of it only where there is one, keep it on other threads.
 *
 * The words are those of the X-Ray SDKs, the mechanism is that of all spans: a root is a span begun under a context or
 * with an own id, a part is a child of what is current, keeping is attaching a context. What is added here is the
 * question whether the thread is in a trace, and what to do when it is not.
 *
 *     ignore     TW_ERR_OUT_OF_TRACE                       the default
 *     diagnose   the same, and the diagnostics callback is told, once for each place in the source
 *     root       a root is begun: who forgets to start tracing gets traces of one part instead of none
 *
 * Another thread's context is read from its block while it runs: every word of it is whole, and the look is repeated
 * when the thread was inside a call or its current span changed meanwhile. Slots are never unmapped, so a look that
 * comes too late reads old ids at worst, and finds that they have changed.
 *
 * Rejected: ending the program when there is no trace (what the SDKs once did by default, to their users' harm); a
 * stack of our own (the thread's is one already).
 */
#include <trackway/trace.h>

#include <stdio.h>
#include <string.h>

#include "base/os.h"
#include "trace/diagnose.h"
#include "trace/env.h"
#include "trace/runtime.h"
#include "trace/slow.h"
#include "trace/stack.h"

#define LOOK_PAUSE_NS ((uint64_t)50000)

enum { LOOKS = 200 /* 10 ms */, AGAIN = 1, DEPTH_MAX = 64, TOLD = 1 /* in site->reserved */ };

void tw_trace_new(struct tw_trace *out)
{
    memset(out, 0, sizeof *out);
    tw_trace_id_new(out->context.trace_id);
}

tw_span tw__tracing_start(struct tw_site *site, const struct tw_trace *trace, const char *name)
{
    struct tw_span_options options = {.kind = TW_KIND_SERVER, .name = name, .root = true};
    if (trace) {
        options.sample = trace->sample;
        options.trace_id = trace->context.trace_id; /* all zero: a new one */
        if (tw__context_is_valid(&trace->context)) {
            options.root = false;
            options.parents = &trace->context;
            options.parent_count = 1;
        }
    }
    return tw__span_begin_with(site, &options);
}

static void tell(struct tw_site *site, const char *name)
{
    char text[192];
    if (tw__load_relaxed(&site->reserved) == TOLD) return;
    tw__store_relaxed(&site->reserved, TOLD); /* two threads at once may both tell */
    (void)snprintf(text, sizeof text,
                   "subsegment \"%.64s\" (%.48s, line %u) was started on a thread that is in no trace",
                   name ? name : site->name, site->function ? site->function : "?", site->line);
    tw__diagnose(TW_ERR_OUT_OF_TRACE, text);
}

/* Outside of any trace. */
static int missing(struct tw_site *site, tw_span *out, const struct tw_subsegment_options *options)
{
    const char *name = options ? options->name : NULL;
    if (!tw__runtime_segment()) return TW_ERR_OFF; /* which also reads the settings, if this is the first use */
    switch ((enum tw__missing)tw__load_relaxed(&tw__runtime.context_missing)) {
    case TW__MISSING_DIAGNOSE:
        tell(site, name);
        break;
    case TW__MISSING_BEGIN_ROOT: {
        const struct tw_span_options root = {.root = true, .name = name, .start_ns = options ? options->start_ns : 0};
        *out = tw__begin_slow(site, &root);
        return out->slot ? 0 : TW_ERR_SPACE;
    }
    case TW__MISSING_IGNORE:
        break;
    }
    return TW_ERR_OUT_OF_TRACE;
}

static tw_span begin_with(struct tw_site *site, const struct tw_subsegment_options *options)
{
    const struct tw_span_options how = {
        .parents = options->tracing,
        .parent_count = options->tracing ? 1 : 0,
        .detached = options->tracing != NULL,
        .kind = options->callee == TW_CALLEE_NONE ? TW_KIND_INTERNAL : TW_KIND_CLIENT,
        .start_ns = options->start_ns,
        .name = options->name,
    };
    tw_span span = tw__span_begin_with(site, &how);
    if (options->callee == TW_CALLEE_AWS) tw_tag(span, "aws.xray.namespace", "aws");
    return span;
}

int tw__subsegment_start(struct tw_site *site, tw_span *out, const struct tw_subsegment_options *options)
{
    struct tw_context current;
    /* Plainly inside, as in span.c. */
    if (!options && tw__load_relaxed(&tw__load_relaxed(&tw__me->current)->trace[1])) {
        *out = tw__span_begin(site);
        return out->slot ? 0 : TW_ERR_SPACE;
    }
    *out = TW_SPAN_NONE;
    bool inside = options && options->tracing ? tw__context_is_valid(options->tracing) : tw__context_here(&current);
    if (!inside) return missing(site, out, options);
    *out = options ? begin_with(site, options) : tw__span_begin(site);
    return out->slot ? 0 : TW_ERR_SPACE;
}

int tw_tracing_keep(const struct tw_context *tracing, tw_attach *keep)
{
    *keep = (tw_attach){NULL, 0};
    if (!tw__context_is_valid(tracing)) return TW_ERR_OUT_OF_TRACE;
    if (!tw__load_relaxed(&tw__gate)) return TW_ERR_OFF;
    *keep = tw_context_attach(tracing);
    return keep->holder ? 0 : TW_ERR_SPACE;
}

int tw_tracing_keep_thread(int tid, tw_attach *keep)
{
    struct tw_context context;
    *keep = (tw_attach){NULL, 0};
    int result = tw_tracing_of_thread(tid, &context);
    return result < 0 ? result : tw_tracing_keep(&context, keep);
}

/* The block of a thread; NULL: it has none. */
static struct tw__block *block_of(const struct tw__segment *segment, int tid)
{
    uint32_t high = tw__load_acquire(&segment->header->block_high); /* pairs with block.c: take */
    for (uint32_t i = 0; i < high; i++) {
        struct tw__block *block = tw__block_at(segment, i);
        if (tw__load_acquire(&block->state) != TW__BLOCK_USED) continue;
        if (tw__load_relaxed(&block->role) == TW__ROLE_THREAD && tw__load_relaxed(&block->tid) == (uint32_t)tid)
            return block;
    }
    return NULL;
}

/* What a slot stands for: an open span, or an attached context. */
static bool read_slot(const struct tw__slot *slot, struct tw_context *out)
{
    uint64_t id = tw__load_acquire(&slot->id); /* pairs with span.c: begin */
    tw__context_of_slot(slot, out);
    return tw__load_acquire(&slot->id) == id && tw__context_is_valid(out);
}

/* One look. Returns 0, TW_ERR_OUT_OF_TRACE, or AGAIN. That current is what it was says little: a slot is soon used
 * again. Its id says it all, it never comes back. */
static int look(const struct tw__block *block, struct tw_context *out)
{
    const struct tw__slot *top = tw__load_acquire(&block->current), *slot = top; /* pairs with tw__leave */
    if (top == &tw__poison) return AGAIN;
    const uint64_t top_id = tw__load_acquire(&top->id); /* pairs with span.c: begin, end */
    int result = TW_ERR_OUT_OF_TRACE;
    for (int depth = 0; depth < DEPTH_MAX && slot && slot != &tw__no_slot && slot != &tw__detached; depth++) {
        bool context = tw__load_relaxed(&slot->holder) != 0;
        if (context || (tw__load_acquire(&slot->id) & 1)) { /* else it has ended on another thread, and waits here */
            if (!context) tw__slot_handed(slot); /* before, so that its thread does not change what is read here */
            result = read_slot(slot, out) ? 0 : TW_ERR_OUT_OF_TRACE;
            break;
        }
        slot = tw__load_relaxed(&slot->link);
    }
    bool same = tw__load_acquire(&top->id) == top_id && tw__load_acquire(&block->current) == top;
    return same ? result : AGAIN;
}

int tw_tracing_of_thread(int tid, struct tw_context *out)
{
    memset(out, 0, sizeof *out);
    const struct tw__segment *segment = tw__load_acquire(&tw__runtime.segment); /* pairs with runtime.c: begin */
    if (!segment || !tw__load_relaxed(&tw__gate)) return TW_ERR_OFF;
    const struct tw__block *block = block_of(segment, tid);
    if (!block) return TW_ERR_OUT_OF_TRACE;
    for (int i = 0; i < LOOKS; i++) {
        int result = look(block, out);
        if (result != AGAIN) {
            if (result < 0) memset(out, 0, sizeof *out);
            return result;
        }
        tw__os_sleep_ns(LOOK_PAUSE_NS);
    }
    memset(out, 0, sizeof *out);
    return TW_ERR_TIMEOUT;
}
