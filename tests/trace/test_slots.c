/* TSAN. Of every block: free + open + zombies + remote + loose = 31 (src/ring/block.c), after any misuse, and nothing
 * leaks. */
#include "trace/recording.h"

#include <pthread.h>
#include <stdlib.h>

#include "trace/attach.h"
#include "trace/runtime.h"
#include "trace/stack.h"

struct census {
    unsigned free, open, holders, zombies, remote, loose, lost;
};

static bool is_in(const struct tw__slot *list, const struct tw__slot *slot, bool remote)
{
    for (const struct tw__slot *s = list; s; s = remote ? s->remote : s->link)
        if (s == slot) return true;
    return false;
}

/* On somebody's free list: of the block it is owned by, with either name of that list. */
static bool is_free(const struct tw__slot *slot)
{
    return is_in(slot->owner->free, slot, false) || is_in(slot->owner->spare, slot, false);
}

static bool is_returned(const struct tw__segment *segment, const struct tw__slot *slot)
{
    for (uint32_t b = 0; b < segment->header->block_high; b++)
        if (is_in(tw__block_at(segment, b)->remote, slot, true)) return true;
    return false;
}

/* Ended, and still below something in the stack of a thread, or waiting at its top. */
static bool is_in_a_stack(const struct tw__segment *segment, const struct tw__slot *slot)
{
    for (uint32_t b = 0; b < segment->header->block_high; b++) {
        const struct tw__block *block = tw__block_at(segment, b);
        if (block->state != TW__BLOCK_USED) continue;
        for (const struct tw__slot *s = block->current;
             s && s != &tw__no_slot && s != &tw__detached && s != &tw__poison;) {
            if (s == slot) return true;
            s = tw__is_holder(s) && s->alias ? s->alias : s->link;
        }
    }
    return false;
}

static struct census take_census(void)
{
    struct census all = {0};
    const struct tw__segment *segment = tw__runtime.segment;
    for (uint32_t b = 0; b < segment->header->block_high; b++) {
        struct tw__block *block = tw__block_at(segment, b);
        unsigned here = 0;
        for (unsigned i = 0; i < TW__SLOTS; i++) {
            const struct tw__slot *slot = tw__block_slot(block, i);
            bool holder = tw__is_holder(slot), open = !holder && slot->id % 2, loose = slot->loose;
            bool returned = !holder && !open && is_returned(segment, slot);
            bool free = !holder && !open && !loose && !returned && is_free(slot);
            bool zombie = !holder && !open && !loose && !free && !returned && is_in_a_stack(segment, slot);
            all.holders += holder;
            all.open += open;
            all.loose += loose;
            all.free += free;
            all.remote += returned;
            all.zombies += zombie;
            here += (unsigned)(holder + open + loose + free + returned + zombie);
        }
        if (here != TW__SLOTS) all.lost += TW__SLOTS - here;
    }
    return all;
}

static void assert_census(struct census expected)
{
    struct census found = take_census();
    assert_int_equal(found.lost, 0);
    assert_int_equal(found.open, expected.open);
    assert_int_equal(found.holders, expected.holders);
    assert_int_equal(found.zombies, expected.zombies);
    assert_int_equal(found.remote, expected.remote);
    assert_int_equal(found.loose, expected.loose);
}

static void every_slot_is_somewhere_after_each_step(void **state)
{
    (void)state;
    tw_span a = tw_span_begin("a"), b = tw_span_begin("b"), c = tw_span_begin("c");
    assert_census((struct census){.open = 3});
    tw_span_end(b);
    assert_census((struct census){.open = 2, .zombies = 1});
    tw_span_end(a);
    assert_census((struct census){.open = 1, .zombies = 2});
    tw_span_end(c);
    tw_span_end(tw_span_begin("d")); /* who takes what is on top away */
    assert_census((struct census){0});
    tw_attach at = tw_context_attach(&(struct tw_context){.trace_id = {1}, .span_id = {1}});
    assert_census((struct census){.holders = 1});
    tw_span left = tw_span_begin("left");
    tw_context_detach(at);
    assert_census((struct census){.open = 1});
    tw_span_end(left);
    tw_span detached = tw_span_begin_with("detached", &(struct tw_span_options){.detached = true});
    assert_census((struct census){.open = 1});
    tw_span_end(detached);
    assert_census((struct census){0});
}

static void *ends(void *data)
{
    tw_span_end(*(tw_span *)data);
    return NULL;
}

static void *leaves_one_open(void *data)
{
    *(tw_span *)data = tw_span_begin("left open");
    return NULL;
}

static void slots_ended_on_other_threads_wait_where_they_should(void **state)
{
    (void)state;
    tw_span outer = tw_span_begin("outer"), inner = tw_span_begin("inner"), detached, orphan = {NULL, 0};
    detached = tw_span_begin_with("detached", &(struct tw_span_options){.detached = true});
    on_thread(ends, &inner);
    assert_census((struct census){.open = 2, .zombies = 1, .loose = TW__SLOTS});
    on_thread(ends, &detached);
    assert_census((struct census){.open = 1, .zombies = 1, .remote = 1, .loose = TW__SLOTS});
    on_thread(leaves_one_open, &orphan);
    assert_census((struct census){.open = 2, .zombies = 1, .remote = 1, .loose = TW__SLOTS - 1});
    tw_span_end(orphan);
    assert_census((struct census){.open = 1, .zombies = 1, .remote = 2, .loose = TW__SLOTS - 1});
    tw_span_end(outer);
    tw_span_end(tw_span_begin("next"));
    assert_census((struct census){.remote = 2, .loose = TW__SLOTS - 1});
}

/* -- a long random story on four threads that take turns */

enum { ACTORS = 4, SPANS = 60, STEPS = 20000 };

static struct story {
    pthread_mutex_t lock;
    uint64_t random;
    tw_span spans[SPANS];
    tw_task tasks[3];
    bool with_tasks;
    int steps;
    unsigned lost;
} story = {.lock = PTHREAD_MUTEX_INITIALIZER};

static unsigned dice(unsigned sides)
{
    story.random = story.random * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(story.random >> 33) % sides;
}

static void step(tw_attach *at)
{
    tw_span *span = &story.spans[dice(SPANS)];
    switch (dice(12)) {
    case 0:
    case 1:
    case 2:
        if (!tw_span_is_open(*span)) *span = tw_span_begin("span");
        break;
    case 3:
        if (!tw_span_is_open(*span))
            *span = tw_span_begin_with("detached", &(struct tw_span_options){.detached = true});
        break;
    case 4:
        if (at->holder) tw_context_detach(*at);
        *at = tw_context_attach(&(struct tw_context){.trace_id = {1}, .span_id = {1}});
        break;
    case 5:
        tw_context_detach(*at);
        *at = (tw_attach){NULL, 0};
        break;
    case 6: *span = tw_span_lap(*span, "lap"); break;
    case 7: tw_tag(*span, "tag", 1); break;
    case 8:
        if (story.with_tasks) tw_context_switch(&story.tasks[dice(3)]);
        break;
    default: tw_span_end(*span); break;
    }
}

static void *acts(void *data)
{
    tw_attach at = {NULL, 0};
    for (bool more = true; more;) {
        (void)pthread_mutex_lock(&story.lock);
        for (unsigned i = dice(8); i-- > 0;) step(&at);
        if (++story.steps % 500 == 0 && !story.with_tasks) story.lost += take_census().lost;
        more = story.steps < STEPS;
        (void)pthread_mutex_unlock(&story.lock);
    }
    (void)pthread_mutex_lock(&story.lock);
    tw_context_detach(at);
    (void)pthread_mutex_unlock(&story.lock);
    return data;
}

static void tell_story(uint64_t seed)
{
    pthread_t actors[ACTORS];
    story.random = seed;
    story.steps = 0;
    for (int i = 0; i < ACTORS; i++) assert_int_equal(pthread_create(&actors[i], NULL, acts, NULL), 0);
    for (int i = 0; i < ACTORS; i++) assert_int_equal(pthread_join(actors[i], NULL), 0);
    for (int i = 0; i < SPANS; i++) tw_span_end(story.spans[i]);
    assert_int_equal(process_now().open_spans, 0);
    struct tw_losses losses = losses_now();
    assert_int_equal(losses.no_slot + losses.no_thread + losses.no_chunk + losses.nested_refused, 0);
    assert_int_equal(read_all()->damaged, 0);
}

static void no_slot_is_lost_in_a_long_random_story(void **state)
{
    (void)state;
    story.with_tasks = false;
    for (uint64_t seed = 1; seed <= 3; seed++) tell_story(seed);
    assert_int_equal(story.lost, 0);
    assert_int_equal(take_census().lost, 0);
    assert_in_range(tw__runtime.segment->header->block_high, 1, 4 * ACTORS);
}

/* The stack of a suspended task hangs on nothing that the census could follow. */
static void every_span_is_ended_once_in_a_long_random_story_of_tasks(void **state)
{
    (void)state;
    story.with_tasks = true;
    for (uint64_t seed = 1; seed <= 3; seed++) tell_story(seed);
}

static void spans_that_overlap_for_ever_take_no_more_slots(void **state)
{
    (void)state;
    tw_span before = tw_span_begin("span");
    for (int i = 0; i < 100000; i++) { /* as in an event loop that does not switch contexts: one is always open */
        tw_span now = tw_span_begin_root("span");
        tw_span_end(before);
        before = now;
    }
    tw_span_end(before);
    assert_int_equal(tw__runtime.segment->header->block_high, 1);
    assert_losses((struct tw_losses){.out_of_order = 100000});
}

static tw_span handed[2];
static pthread_barrier_t turn;

static void *ends_what_is_handed(void *data)
{
    for (int i = 0; i < 20000; i++) {
        (void)pthread_barrier_wait(&turn);
        tw_span_end(handed[i % 2]);
    }
    return data;
}

/* The one thread takes away what the other is just ending. */
static void spans_that_overlap_and_end_elsewhere_take_no_more_slots(void **state)
{
    (void)state;
    pthread_t ender;
    (void)pthread_barrier_init(&turn, NULL, 2);
    assert_int_equal(pthread_create(&ender, NULL, ends_what_is_handed, NULL), 0);
    handed[0] = tw_span_begin_root("span");
    for (int i = 0; i < 20000; i++) {
        (void)pthread_barrier_wait(&turn);
        handed[(i + 1) % 2] = tw_span_begin_root("span");
        if (!tw_span_is_open(handed[(i + 1) % 2])) fail_msg("%d", i);
    }
    (void)pthread_join(ender, NULL);
    tw_span_end(handed[0]);
    assert_in_range(tw__runtime.segment->header->block_high, 1, 3);
    assert_int_equal(take_census().lost, 0);
    struct tw_losses losses = losses_now();
    assert_int_equal(losses.no_slot + losses.stale, 0);
    assert_int_equal(process_now().spans_begun, 20001);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RECORDING(every_slot_is_somewhere_after_each_step),
        RECORDING(slots_ended_on_other_threads_wait_where_they_should),
        RECORDING(no_slot_is_lost_in_a_long_random_story),
        RECORDING(every_span_is_ended_once_in_a_long_random_story_of_tasks),
        RECORDING(spans_that_overlap_for_ever_take_no_more_slots),
        RECORDING(spans_that_overlap_and_end_elsewhere_take_no_more_slots),
    };
    return RUN_WITH_BOTH_CLOCKS("slots", tests);
}
