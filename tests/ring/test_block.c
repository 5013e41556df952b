#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/os.h"
#include "ring/opened.h"

static struct tw__segment *segment;

static int setup(void **state)
{
    if (opened_setup(state) != 0) return -1;
    segment = &((struct opened *)*state)->segment;
    return 0;
}
#define BLOCK_TEST(test) cmocka_unit_test_setup_teardown(test, setup, opened_teardown)

static struct tw__block *take(enum tw__block_role role)
{
    struct tw__block *block = tw__block_take(segment, role);
    if (!block) fail_msg("no block");
    return block;
}

/* As a thread does it. */
static struct tw__block *thread(void)
{
    struct tw__block *block = take(TW__ROLE_THREAD);
    tw__block_adopt(block, block);
    return block;
}

static struct tw__slot *pop(struct tw__block *owner)
{
    struct tw__slot *slot = owner->free;
    if (slot) owner->free = slot->link;
    return slot;
}

static unsigned free_of(const struct tw__block *owner)
{
    unsigned n = 0;
    for (const struct tw__slot *slot = owner->free; slot; slot = slot->link) n++;
    return n;
}

static unsigned loose_of(struct tw__block *block)
{
    unsigned n = 0;
    for (unsigned i = 0; i < TW__SLOTS; i++) n += tw__block_slot(block, i)->loose != 0;
    return n;
}

static void blocks_are_taken_from_the_front_and_say_whose_they_are(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 200; i++) {
        struct tw__block *block = take(i % 2 ? TW__ROLE_LANE : TW__ROLE_THREAD);
        assert_ptr_equal(block, tw__block_at(segment, i));
        assert_int_equal(block->index, i);
        assert_int_equal(block->state, TW__BLOCK_USED);
        assert_int_equal(block->role, i % 2 ? TW__ROLE_LANE : TW__ROLE_THREAD);
        assert_int_equal(block->tid, tw__os_tid());
        assert_true(block->attached_tick != 0 && block->detached_tick == 0);
        assert_int_equal(segment->header->block_high, i + 1);
    }
}

static void a_new_blocks_slots_are_loose_and_have_even_ids_that_differ(void **state)
{
    (void)state;
    struct tw__block *block = take(TW__ROLE_THREAD);
    assert_int_equal(loose_of(block), TW__SLOTS);
    for (unsigned i = 0; i < TW__SLOTS; i++) {
        const struct tw__slot *slot = tw__block_slot(block, i);
        assert_int_equal(slot->id % 2, 0);
        assert_true(slot->id == slot->first_id);
        assert_ptr_equal(slot->owner, block);
        assert_ptr_equal(tw__slot_block(slot), block);
        for (unsigned j = 0; j < i; j++) assert_true(slot->id != tw__block_slot(block, j)->id);
    }
    tw__block_adopt(block, block);
    assert_int_equal(loose_of(block), 0);
    assert_int_equal(free_of(block), TW__SLOTS);
}

static void when_all_blocks_are_taken_there_is_none(void **state)
{
    (void)state;
    struct tw__block *first = take(TW__ROLE_THREAD);
    memset(segment->block_bits, 0xff, sizeof segment->block_bits);
    assert_null(tw__block_take(segment, TW__ROLE_THREAD));
    tw__block_dissolve(segment, first);
    assert_ptr_equal(tw__block_take(segment, TW__ROLE_THREAD), first);
    assert_null(tw__block_take(segment, TW__ROLE_MORE));
}

static void the_last_block_of_all_can_be_taken(void **state)
{
    (void)state;
    memset(segment->block_bits, 0xff, sizeof segment->block_bits);
    segment->block_bits[TW__BLOCK_MAX / 64 - 1] &= ~((uint64_t)1 << 63);
    struct tw__block *last = take(TW__ROLE_THREAD);
    assert_int_equal(last->index, TW__BLOCK_MAX - 1);
    assert_int_equal(segment->header->block_high, TW__BLOCK_MAX);
    assert_true((uint8_t *)last + TW__BLOCK_BYTES <= segment->arena);
}

static void a_block_given_back_goes_on_with_its_ids(void **state)
{
    (void)state;
    struct tw__block *block = thread();
    uint64_t ids[TW__SLOTS];
    for (unsigned i = 0; i < TW__SLOTS; i++) ids[i] = tw__block_slot(block, i)->id += 2 * TW__ID_STEP * i;
    tw__block_dissolve(segment, block);
    assert_int_equal(block->state, TW__BLOCK_FREE);
    assert_true(block->detached_tick != 0);
    assert_int_equal(loose_of(block), TW__SLOTS);
    assert_ptr_equal(thread(), block);
    for (unsigned i = 0; i < TW__SLOTS; i++) assert_true(tw__block_slot(block, i)->id == ids[i]);
    assert_int_equal(free_of(block), TW__SLOTS);
}

static void slots_that_are_out_when_a_thread_ends_are_not_adopted_by_the_next(void **state)
{
    (void)state;
    struct tw__block *block = thread();
    struct tw__slot *out[3];
    for (int i = 0; i < 3; i++) out[i] = pop(block);
    tw__block_dissolve(segment, block);
    assert_int_equal(loose_of(block), TW__SLOTS - 3);
    tw__block_return(out[0]); /* while nobody has the block */
    assert_ptr_equal(thread(), block);
    assert_int_equal(free_of(block), TW__SLOTS - 2); /* that one was found on the remote list */
    tw__block_return(out[1]); /* while the next has it */
    assert_int_equal(free_of(block), TW__SLOTS - 2);
    tw__block_drain(block);
    assert_int_equal(free_of(block), TW__SLOTS - 1);
    tw__block_return(out[2]);
    tw__block_drain(block);
    tw__block_drain(block);
    assert_int_equal(free_of(block), TW__SLOTS);
}

static void further_blocks_belong_to_the_first_and_go_with_it(void **state)
{
    (void)state;
    struct tw__block *first = thread(), *more = take(TW__ROLE_MORE), *other = thread();
    more->next = first->next;
    first->next = more;
    tw__block_adopt(first, more);
    assert_int_equal(free_of(first), 2 * TW__SLOTS);
    struct tw__slot *slot = tw__block_slot(more, 7);
    assert_ptr_equal(slot->owner, first);
    while (pop(first)) {} /* all are out */
    for (unsigned i = 0; i < TW__SLOTS; i++) tw__block_return(tw__block_slot(more, i));
    assert_ptr_equal(more->remote, NULL); /* they go to the owner */
    tw__block_drain(first);
    assert_int_equal(free_of(first), TW__SLOTS);
    tw__block_dissolve(segment, first);
    assert_int_equal(more->state, TW__BLOCK_FREE);
    assert_int_equal(loose_of(first), 0);
    assert_int_equal(loose_of(more), TW__SLOTS);
    assert_ptr_equal(slot->owner, more);
    tw__block_return(tw__block_slot(first, 0)); /* ended later: to the block it lies in */
    assert_ptr_equal(first->remote, tw__block_slot(first, 0));
    assert_int_equal(other->state, TW__BLOCK_USED);
}

enum { THREADS = 4, ROUNDS = 2000 };

static struct {
    pthread_barrier_t begin, end;
    struct tw__slot *slots[TW__SLOTS];
} shared;

static void *returns_its_share(void *data)
{
    unsigned number = *(unsigned *)data;
    for (int round = 0; round < ROUNDS; round++) {
        (void)pthread_barrier_wait(&shared.begin);
        for (unsigned i = number; i < TW__SLOTS; i += THREADS) tw__block_return(shared.slots[i]);
        (void)pthread_barrier_wait(&shared.end);
    }
    return NULL;
}

static void slots_that_many_threads_return_at_once_all_come_back(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    unsigned numbers[THREADS];
    struct tw__block *owner = thread();
    (void)pthread_barrier_init(&shared.begin, NULL, THREADS + 1);
    (void)pthread_barrier_init(&shared.end, NULL, THREADS + 1);
    for (unsigned t = 0; t < THREADS; t++) {
        numbers[t] = t;
        assert_int_equal(pthread_create(&threads[t], NULL, returns_its_share, &numbers[t]), 0);
    }
    unsigned lost = 0;
    for (int round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < TW__SLOTS; i++)
            if (!(shared.slots[i] = pop(owner))) lost++;
        if (lost) abort();
        (void)pthread_barrier_wait(&shared.begin);
        tw__block_drain(owner); /* in the middle of it */
        (void)pthread_barrier_wait(&shared.end);
        tw__block_drain(owner);
        if (free_of(owner) != TW__SLOTS) abort();
    }
    for (int t = 0; t < THREADS; t++) assert_int_equal(pthread_join(threads[t], NULL), 0);
}

static void *takes_and_gives(void *data)
{
    for (int i = 0; i < 300; i++) {
        struct tw__block *block = tw__block_take(segment, TW__ROLE_THREAD);
        if (!block) abort();
        if (tw__swap_acq_rel(&block->message_id, 1) != 0) abort(); /* two threads have it */
        tw__block_adopt(block, block);
        if (free_of(block) != TW__SLOTS) abort();
        (void)tw__swap_acq_rel(&block->message_id, 0);
        tw__block_dissolve(segment, block);
    }
    return data;
}

static void no_block_is_taken_by_two_threads(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    for (int t = 0; t < THREADS; t++) assert_int_equal(pthread_create(&threads[t], NULL, takes_and_gives, NULL), 0);
    for (int t = 0; t < THREADS; t++) assert_int_equal(pthread_join(threads[t], NULL), 0);
    assert_in_range(segment->header->block_high, 1, THREADS);
    for (unsigned w = 0; w < TW__BLOCK_MAX / 64; w++) assert_int_equal(segment->block_bits[w], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BLOCK_TEST(blocks_are_taken_from_the_front_and_say_whose_they_are),
        BLOCK_TEST(a_new_blocks_slots_are_loose_and_have_even_ids_that_differ),
        BLOCK_TEST(when_all_blocks_are_taken_there_is_none),
        BLOCK_TEST(the_last_block_of_all_can_be_taken),
        BLOCK_TEST(a_block_given_back_goes_on_with_its_ids),
        BLOCK_TEST(slots_that_are_out_when_a_thread_ends_are_not_adopted_by_the_next),
        BLOCK_TEST(further_blocks_belong_to_the_first_and_go_with_it),
        BLOCK_TEST(slots_that_many_threads_return_at_once_all_come_back),
        BLOCK_TEST(no_block_is_taken_by_two_threads),
    };
    return cmocka_run_group_tests_name("blocks", tests, NULL, NULL);
}
