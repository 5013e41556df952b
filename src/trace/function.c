/* function: entries and exits of functions, of code that was compiled with -finstrument-functions.
 *
 * The compiler puts these two calls into each function. They do nothing until a live trace names kind=call or
 * kind=return; then each is a record of the function's address and its caller's. Names are the reader's work: it has
 * the addresses, /proc/PID/maps and the files.
 *
 * The question is asked once in a generation, as a log site asks it (log.c). No recording is begun for it: who has
 * never recorded anything is not asked either.
 */
#include <trackway/live.h>
#include <trackway/log.h>

#include "ring/live.h"
#include "trace/record.h"
#include "trace/stack.h"

static uint32_t off, on; /* generations with that answer */
static uint64_t until = UINT64_MAX;

static bool decide(void)
{
    struct tw__segment *segment = tw__load_acquire(&tw__runtime.segment);   /* pairs with runtime.c: begin */
    uint32_t now = tw__load_acquire(tw__load_acquire(&tw__log_generation)); /* pairs with whoever changed it */
    uint64_t tick = UINT64_MAX;
    bool wanted =
        segment && tw__load_relaxed(&tw__gate) && tw__live_wants_calls(segment, tw__segment_tick(segment), &tick);
    tw__store_relaxed(&until, tick);
    tw__store_relaxed(wanted ? &on : &off, now);
    return wanted;
}

static inline bool is_wanted(void)
{
    uint32_t now = tw__load_relaxed(tw__load_relaxed(&tw__log_generation));
    if (tw__load_relaxed(&off) == now) return false;
    return tw__load_relaxed(&on) == now || decide();
}

__attribute__((noinline)) static void record(enum tw__type type, const void *function, const void *caller)
{
    struct tw__block *block = tw__enter();
    if (!block) return;
    const struct tw__slot *at = tw__stack_parent(block);
    const struct tw__owner owner = {{tw__load_relaxed(&at->trace[0]), tw__load_relaxed(&at->trace[1])},
                                    tw__load_relaxed(&at->id),
                                    tw__load_relaxed(&at->misc) >> 32 & 0xff};
    const struct tw__tag_in tags[2] = {{.type = TW__TAG_UINT, .bits = (uint64_t)(uintptr_t)function},
                                       {.type = TW__TAG_UINT, .bits = (uint64_t)(uintptr_t)caller}};
    (void)tw__record_append(block, (uint64_t)type << 16, 0, &owner, tags, 2);
    struct tw__segment *segment = tw__segment_of(block);
    bool late = tw__segment_tick(segment) > tw__load_relaxed(&until);
    tw__leave(block);
    if (late) {
        tw__live_sweep(segment, tw__segment_tick(segment)); /* a reader may be gone */
        (void)decide();
    }
}

void __cyg_profile_func_enter(void *function, void *caller)
{
    if (__builtin_expect(is_wanted(), 0)) record(TW__TYPE_ENTER, function, caller);
}

void __cyg_profile_func_exit(void *function, void *caller)
{
    if (__builtin_expect(is_wanted(), 0)) record(TW__TYPE_LEAVE, function, caller);
}
