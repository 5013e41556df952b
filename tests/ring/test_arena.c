/* The clock is the tests' own: now is whatever they say, in ticks of which there are 1000 in a second (a lease).
 * Several blocks stand for several threads. */
#include <stdlib.h>
#include <string.h>

#include "ring/opened.h"
#include "ring/reader.h"

enum { LEASE = 1000, CHUNKS = TW__ARENA_MIN / TW__CHUNK_BYTES, LEN = 64, PER_CHUNK = (TW__CHUNK_BYTES - 128) / LEN };

static struct tw__segment *segment;

static int setup(void **state)
{
    if (opened_setup(state) != 0) return -1;
    segment = &((struct opened *)*state)->segment;
    segment->ticks_per_second = LEASE;
    /* The real clock keeps out: now - that is huge, but calibrating is held. */
    segment->calibrated_tick = UINT64_MAX / 2;
    segment->calibrating = 1;
    return 0;
}
#define ARENA_TEST(test) cmocka_unit_test_setup_teardown(test, setup, opened_teardown)

static struct tw__block *thread(void)
{
    struct tw__block *block = tw__block_take(segment, TW__ROLE_THREAD);
    if (!block) fail_msg("no block");
    block->current = block->saved = &tw__no_slot;
    return block;
}

static bool append(struct tw__block *block, size_t len, uint64_t now)
{
    if (!tw__arena_room(segment, block, len, now)) return false;
    uint64_t *words = (uint64_t *)(void *)block->cursor;
    memset(words, 0, len);
    words[0] = len | (uint64_t)TW__TYPE_EVENT << 16;
    words[1] = now;
    words[5] = block->tid;
    tw__store_release(&block->cursor, block->cursor + len);
    return true;
}

static void append_many(struct tw__block *block, int count, uint64_t now)
{
    for (int i = 0; i < count; i++)
        if (!append(block, LEN, now)) fail_msg("record %d was refused", i);
}

static uint64_t ticket_of(const struct tw__chunk *chunk)
{
    return chunk->word >> 16;
}

static enum tw__chunk_state state_of(const struct tw__chunk *chunk)
{
    return (enum tw__chunk_state)(chunk->word & 3);
}

static uint64_t version_of(const struct tw__chunk *chunk)
{
    return chunk->word >> 2 & 0x3fff;
}

static uint64_t refused(const struct tw__block *block)
{
    return block->losses[TW__LOSS_no_chunk];
}

/* Records that a reader finds; none may be damaged. */
static size_t records(void)
{
    struct tw_reader *reader;
    struct tw_records *found;
    assert_int_equal(tw__reader_over(segment->map, segment->map_len, segment->path, &reader, NULL), 0);
    assert_int_equal(tw_reader_read(reader, &(struct tw_query){0}, &found), 0);
    size_t count = found->count;
    assert_int_equal(found->damaged, 0);
    for (size_t i = 1; i < count; i++) assert_true(found->items[i - 1].time_ns <= found->items[i].time_ns);
    tw_records_free(found);
    tw_reader_close(reader);
    return count;
}

static void a_first_record_takes_a_chunk_and_a_full_one_is_closed_for_the_next(void **state)
{
    (void)state;
    struct tw__block *a = thread();
    append_many(a, PER_CHUNK, 10);
    struct tw__chunk *first = a->chunk;
    assert_int_equal(ticket_of(first), 1);
    assert_ptr_equal(first, tw__chunk_at(segment, 1));
    assert_int_equal(state_of(first), TW__CHUNK_OPEN);
    assert_int_equal(first->first_tick, 10);
    assert_int_equal(first->block, a->index);
    append_many(a, 1, 20);
    assert_ptr_not_equal(a->chunk, first);
    assert_int_equal(state_of(first), TW__CHUNK_CLOSED);
    assert_int_equal(first->commit, TW__CHUNK_HEAD_BYTES + PER_CHUNK * LEN);
    assert_int_equal(first->last_tick, 20);
    assert_int_equal(records(), PER_CHUNK + 1);
}

static void two_threads_never_share_a_chunk(void **state)
{
    (void)state;
    struct tw__block *a = thread(), *b = thread();
    for (int i = 0; i < 20 * PER_CHUNK; i++) {
        append_many(a, 1, 10);
        append_many(b, 1, 10);
        assert_ptr_not_equal(a->chunk, b->chunk);
    }
    assert_int_equal(records(), 40 * PER_CHUNK);
}

static void when_all_are_used_the_oldest_is_overwritten_and_counted(void **state)
{
    (void)state;
    struct tw__block *a = thread();
    append_many(a, CHUNKS * PER_CHUNK, 10);
    assert_int_equal(records(), CHUNKS * PER_CHUNK);
    append_many(a, 1, 20);
    assert_int_equal(records(), (CHUNKS - 1) * PER_CHUNK + 1);
    tw__arena_account(segment, a);
    assert_int_equal(segment->header->overwritten_bytes, PER_CHUNK * LEN);
    assert_int_equal(refused(a), 0);
}

static void the_longest_record_fits_and_a_longer_one_is_refused(void **state)
{
    (void)state;
    struct tw__block *a = thread();
    assert_true(append(a, TW__RECORD_MAX, 10));
    assert_true(append(a, TW__RECORD_MAX, 10));
    assert_false(append(a, TW__RECORD_MAX + 8, 10));
    assert_int_equal(refused(a), 1);
    assert_true(append(a, LEN, 10));
    assert_int_equal(records(), 3);
}

/* -- leases */

static void an_idle_owner_keeps_its_chunk_for_its_lease_and_a_second(void **state)
{
    (void)state;
    struct tw__block *idle = thread(), *busy = thread();
    append_many(idle, 3, 10);
    struct tw__chunk *chunk = idle->chunk;
    uint64_t word = chunk->word;
    assert_int_equal(chunk->expire, 10 + LEASE);
    append_many(busy, 3 * CHUNKS * PER_CHUNK, 20);                 /* three times around it */
    append_many(busy, CHUNKS * PER_CHUNK, 10 + LEASE);             /* it runs out */
    append_many(busy, CHUNKS * PER_CHUNK, 10 + 2 * LEASE - 1);     /* but for the last tick of grace */
    assert_int_equal(chunk->word, word);
    append_many(busy, CHUNKS * PER_CHUNK, 10 + 2 * LEASE);
    assert_int_not_equal(ticket_of(chunk), word >> 16);
    assert_int_equal(chunk->block, busy->index);
    assert_int_equal(refused(busy), 0);
}

static void an_owner_inside_a_call_keeps_its_chunk_however_long(void **state)
{
    (void)state;
    struct tw__block *sleeps = thread(), *busy = thread();
    append_many(sleeps, 3, 10);
    struct tw__chunk *chunk = sleeps->chunk;
    uint64_t word = chunk->word;
    sleeps->current = &tw__poison;
    append_many(busy, 3 * CHUNKS * PER_CHUNK, 1000 * LEASE);
    assert_int_equal(chunk->word, word);
    append_many(sleeps, 1, 1000 * LEASE); /* it wakes up and goes on where it was */
    assert_ptr_equal(sleeps->chunk, chunk);
    assert_int_equal(ticket_of(chunk), word >> 16);
    sleeps->current = &tw__no_slot;
    append_many(busy, 3 * CHUNKS * PER_CHUNK, 1002 * LEASE);
    assert_int_not_equal(ticket_of(chunk), word >> 16);
}

static void an_owner_that_comes_back_in_time_confirms_its_lease(void **state)
{
    (void)state;
    struct tw__block *a = thread(), *busy = thread();
    append_many(a, 1, 10);
    struct tw__chunk *chunk = a->chunk;
    uint64_t ticket = ticket_of(chunk), version = version_of(chunk);
    append_many(a, 1, 10 + LEASE);
    assert_int_equal(version_of(chunk), version); /* at the last tick there is nothing to confirm */
    append_many(a, 1, 11 + LEASE);
    assert_int_equal(version_of(chunk), version + 1);
    assert_int_equal(chunk->expire, 11 + 2 * LEASE);
    append_many(busy, 2 * CHUNKS * PER_CHUNK, 10 + 3 * LEASE);
    assert_int_equal(ticket_of(chunk), ticket);
    append_many(a, 1, 10 + 3 * LEASE);
    assert_ptr_equal(a->chunk, chunk);
}

static void a_version_may_go_round(void **state)
{
    (void)state;
    struct tw__block *a = thread();
    uint64_t now = 10;
    append_many(a, 1, now);
    struct tw__chunk *chunk = a->chunk;
    uint64_t ticket = ticket_of(chunk);
    for (int i = 0; i < 0x4000 + 5; i++) {
        a->cursor = (uint8_t *)chunk + TW__CHUNK_HEAD_BYTES; /* never full */
        now += LEASE + 1;
        append_many(a, 1, now);
        assert_ptr_equal(a->chunk, chunk);
        assert_int_equal(ticket_of(chunk), ticket);
    }
    assert_int_equal(version_of(chunk), 5);
}

static void an_owner_whose_chunk_was_taken_finds_another_and_spoils_nothing(void **state)
{
    (void)state;
    struct tw__block *idle = thread(), *busy = thread();
    append_many(idle, 3, 10);
    struct tw__chunk *chunk = idle->chunk;
    append_many(busy, (CHUNKS + 1) * PER_CHUNK, 10 + 2 * LEASE);
    assert_int_equal(chunk->block, busy->index);
    assert_int_equal(state_of(chunk), TW__CHUNK_CLOSED);
    struct tw__chunk before = *chunk;
    append_many(idle, 1, 11 + 2 * LEASE); /* its confirming fails */
    assert_ptr_not_equal(idle->chunk, chunk);
    assert_memory_equal(chunk, &before, sizeof before);
    assert_int_equal(refused(idle), 0);
    assert_int_equal(records(), (CHUNKS - 1) * PER_CHUNK + 1); /* all full ones but the one it took, and its record */
}

static void closing_a_chunk_that_was_taken_spoils_nothing(void **state)
{
    (void)state;
    struct tw__block *idle = thread(), *busy = thread();
    append_many(idle, 3, 10);
    struct tw__chunk *chunk = idle->chunk;
    append_many(busy, (CHUNKS + 1) * PER_CHUNK, 10 + 2 * LEASE);
    struct tw__chunk before = *chunk;
    tw__arena_close(segment, idle, 11 + 2 * LEASE);
    assert_null(idle->chunk);
    assert_memory_equal(chunk, &before, sizeof before);
    tw__arena_close(segment, idle, 12 + 2 * LEASE); /* none is open */
}

static void of_a_lease_that_ran_out_the_owner_or_the_taker_gets_the_chunk(void **state)
{
    (void)state;
    struct tw__block *owner = thread();
    append_many(owner, 1, 10);
    struct tw__chunk *chunk = owner->chunk;
    /* the taker was first: as it leaves the word */
    chunk->word = (uint64_t)77 << 16 | TW__CHUNK_TAKEN;
    append_many(owner, 1, 11 + 3 * LEASE);
    assert_ptr_not_equal(owner->chunk, chunk);
    assert_int_equal(chunk->word, (uint64_t)77 << 16 | TW__CHUNK_TAKEN);
    assert_int_equal(records(), 1); /* while a chunk is being taken nothing of it is read */
}

/* -- threads that end */

/* The bit of the block is free again; its chunk stays open. */
static void end(struct tw__block *block)
{
    block->current = &tw__poison; /* as attach.c leaves it */
    tw__block_dissolve(segment, block);
}

static void a_thread_goes_on_in_the_chunk_that_the_last_one_of_its_block_left(void **state)
{
    (void)state;
    struct tw__block *first = thread();
    append_many(first, 3, 10);
    struct tw__chunk *chunk = first->chunk;
    uint64_t ticket = ticket_of(chunk), version = version_of(chunk);
    first->log_span = 0;
    end(first);
    assert_int_equal(state_of(chunk), TW__CHUNK_OPEN);
    assert_int_equal(records(), 3); /* of a block that nobody has */
    struct tw__block *next = thread();
    assert_ptr_equal(next, first);
    assert_ptr_equal(next->chunk, chunk);
    assert_int_equal(next->log_span, TW__NO_LOG);
    assert_int_equal(version_of(chunk), version + 1);
    append_many(next, PER_CHUNK - 3, 20);
    assert_int_equal(ticket_of(chunk), ticket);
    assert_int_equal(records(), PER_CHUNK);
    append_many(next, 1, 20);
    assert_int_equal(state_of(chunk), TW__CHUNK_CLOSED);
    assert_int_equal(chunk->commit, TW__CHUNK_HEAD_BYTES + PER_CHUNK * LEN);
}

static void the_chunk_of_a_thread_that_ended_may_be_taken_at_once(void **state)
{
    (void)state;
    struct tw__block *gone = thread(), *busy = thread();
    append_many(gone, 3, 10);
    struct tw__chunk *chunk = gone->chunk;
    end(gone);
    append_many(busy, (CHUNKS + 1) * PER_CHUNK, 11);
    assert_int_equal(chunk->block, busy->index);
    struct tw__chunk before = *chunk;
    struct tw__block *next = thread();
    assert_ptr_equal(next, gone);
    assert_null(next->chunk);
    assert_memory_equal(chunk, &before, sizeof before);
    append_many(next, 1, 12);
    assert_ptr_not_equal(next->chunk, chunk);
    assert_int_equal(refused(busy) + refused(next), 0);
}

static void a_chunk_that_would_soon_be_overwritten_is_closed_instead(void **state)
{
    (void)state;
    struct tw__block *gone = thread(), *busy = thread();
    append_many(gone, 3, 10);
    struct tw__chunk *chunk = gone->chunk;
    end(gone);
    append_many(busy, CHUNKS / 2 * PER_CHUNK, 11);
    struct tw__block *next = thread();
    assert_ptr_equal(next, gone);
    assert_null(next->chunk);
    assert_int_equal(state_of(chunk), TW__CHUNK_CLOSED);
    assert_int_equal(chunk->commit, TW__CHUNK_HEAD_BYTES + 3 * LEN);
    assert_int_equal(records(), CHUNKS / 2 * PER_CHUNK + 3);
}

static void a_block_that_only_lends_its_slots_keeps_no_chunk(void **state)
{
    (void)state;
    struct tw__block *gone = thread();
    append_many(gone, 3, 10);
    struct tw__chunk *chunk = gone->chunk;
    end(gone);
    assert_ptr_equal(tw__block_take(segment, TW__ROLE_MORE), gone);
    assert_null(gone->chunk);
    assert_int_equal(state_of(chunk), TW__CHUNK_CLOSED);
    assert_int_equal(records(), 3);
}

/* -- all chunks open */

static void when_every_chunk_is_open_records_are_refused_counted_and_tried_again_later(void **state)
{
    (void)state;
    struct tw__block *owners[CHUNKS], *late = thread();
    for (int i = 0; i < CHUNKS; i++) {
        owners[i] = thread();
        append_many(owners[i], 1, 10);
    }
    assert_false(append(late, LEN, 20));
    assert_int_equal(refused(late), 1);
    uint64_t tickets = segment->header->next_ticket;
    assert_false(append(late, LEN, 20)); /* not tried again for a millisecond: no ticket is spent */
    assert_int_equal(refused(late), 2);
    assert_int_equal(segment->header->next_ticket, tickets);
    tw__arena_close(segment, owners[17], 20);
    assert_true(append(late, LEN, 20 + LEASE / 1000));
    assert_int_equal(refused(late), 2);
    for (int i = 0; i < CHUNKS; i++) {
        if (i == 17) continue;
        assert_true(append(owners[i], LEN, 21)); /* the others never noticed */
    }
    assert_int_equal(records(), 2 * (CHUNKS - 1) + 1);
}

static void more_threads_than_chunks_all_record_when_they_take_turns(void **state)
{
    (void)state;
    enum { THREADS = 4 * CHUNKS };
    struct tw__block *blocks[THREADS];
    for (int i = 0; i < THREADS; i++) blocks[i] = thread();
    for (int turn = 0; turn < 3; turn++)
        for (int i = 0; i < THREADS; i++) append_many(blocks[i], 1, (uint64_t)(turn * THREADS + i) * LEASE / 8);
    for (int i = 0; i < THREADS; i++) assert_int_equal(refused(blocks[i]), 0);
}

/* -- tickets */

static void tickets_wrap_at_48_bits_and_nothing_is_lost(void **state)
{
    (void)state;
    struct tw__block *a = thread();
    segment->header->next_ticket = ((uint64_t)1 << 48) - 20;
    for (int chunk = 0; chunk < 5 * CHUNKS; chunk++) {
        append_many(a, PER_CHUNK, 10 + (uint64_t)chunk);
        size_t expected = (size_t)(chunk + 1 < CHUNKS ? chunk + 1 : CHUNKS) * PER_CHUNK;
        assert_int_equal(records(), expected);
    }
    assert_int_equal(refused(a), 0);
    assert_true(ticket_of(a->chunk) < 5 * CHUNKS);
}

static void a_busy_thread_takes_eight_tickets_at_once(void **state)
{
    (void)state;
    struct tw__block *a = thread();
    append_many(a, PER_CHUNK, 10);
    uint64_t before = segment->header->next_ticket;
    assert_int_equal(before, 1);
    append_many(a, 1, 11);
    assert_int_equal(segment->header->next_ticket, before + 8);
    append_many(a, 7 * PER_CHUNK, 11);
    assert_int_equal(segment->header->next_ticket, before + 8); /* the eighth is open */
    append_many(a, PER_CHUNK, 11);
    assert_int_equal(segment->header->next_ticket, before + 16);
}

static void tickets_that_lay_about_too_long_are_not_used(void **state)
{
    (void)state;
    struct tw__block *slow = thread(), *busy = thread();
    append_many(slow, PER_CHUNK + 1, 10); /* has seven left */
    append_many(busy, CHUNKS / 2 * PER_CHUNK, 10);
    append_many(slow, PER_CHUNK, 10);
    assert_true(ticket_of(slow->chunk) > CHUNKS / 2); /* else it would have overwritten what is new */
    assert_int_equal(records(), 2 * PER_CHUNK + 1 + CHUNKS / 2 * PER_CHUNK);
}

/* -- sizes */

static void a_chunk_beyond_the_end_of_a_smaller_arena_is_finished_where_it_is(void **state)
{
    (void)state;
    struct tw__block *a = thread(), *b = thread();
    assert_int_equal(tw__segment_resize(segment, 2 * CHUNKS), 0);
    append_many(b, (CHUNKS + 10) * PER_CHUNK, 10);
    append_many(a, 1, 10);
    struct tw__chunk *chunk = a->chunk;
    assert_true(chunk >= tw__chunk_at(segment, CHUNKS));
    assert_int_equal(tw__segment_resize(segment, CHUNKS), 0);
    assert_int_equal(segment->header->chunk_high, 2 * CHUNKS); /* readers look there still */
    append_many(a, PER_CHUNK - 1, 20);
    assert_ptr_equal(a->chunk, chunk);
    append_many(a, 1, 20);
    assert_true(a->chunk < tw__chunk_at(segment, CHUNKS));
    assert_int_equal(state_of(chunk), TW__CHUNK_CLOSED);
    (void)records();
}

static void of_a_smaller_arena_what_ended_threads_left_beyond_its_end_is_given_up(void **state)
{
    (void)state;
    struct tw__block *gone = thread(), *busy = thread();
    assert_int_equal(tw__segment_resize(segment, 2 * CHUNKS), 0);
    append_many(busy, (CHUNKS + 10) * PER_CHUNK, 10);
    append_many(gone, 1, 10);
    struct tw__chunk *chunk = gone->chunk;
    assert_true(chunk >= tw__chunk_at(segment, CHUNKS));
    end(gone);
    append_many(busy, (CHUNKS + 10) * PER_CHUNK, 11);
    assert_int_equal(tw__segment_resize(segment, CHUNKS), 0);
    assert_int_equal(state_of(chunk), TW__CHUNK_FREE);
    assert_ptr_equal(thread(), gone);
    assert_null(gone->chunk);
    assert_int_equal(chunk->word, TW__CHUNK_FREE);
}

static void sizes_outside_of_the_reserve_are_refused(void **state)
{
    (void)state;
    assert_int_equal(tw__segment_resize(segment, CHUNKS - 1), TW_ERR_RANGE);
    assert_int_equal(tw__segment_resize(segment, (size_t)segment->header->chunk_max + 1), TW_ERR_RANGE);
    assert_int_equal(tw__segment_resize(segment, SIZE_MAX), TW_ERR_RANGE);
    assert_int_equal(segment->header->chunk_count, CHUNKS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ARENA_TEST(a_first_record_takes_a_chunk_and_a_full_one_is_closed_for_the_next),
        ARENA_TEST(two_threads_never_share_a_chunk),
        ARENA_TEST(when_all_are_used_the_oldest_is_overwritten_and_counted),
        ARENA_TEST(the_longest_record_fits_and_a_longer_one_is_refused),
        ARENA_TEST(an_idle_owner_keeps_its_chunk_for_its_lease_and_a_second),
        ARENA_TEST(an_owner_inside_a_call_keeps_its_chunk_however_long),
        ARENA_TEST(an_owner_that_comes_back_in_time_confirms_its_lease),
        ARENA_TEST(a_version_may_go_round),
        ARENA_TEST(an_owner_whose_chunk_was_taken_finds_another_and_spoils_nothing),
        ARENA_TEST(closing_a_chunk_that_was_taken_spoils_nothing),
        ARENA_TEST(of_a_lease_that_ran_out_the_owner_or_the_taker_gets_the_chunk),
        ARENA_TEST(a_thread_goes_on_in_the_chunk_that_the_last_one_of_its_block_left),
        ARENA_TEST(the_chunk_of_a_thread_that_ended_may_be_taken_at_once),
        ARENA_TEST(a_chunk_that_would_soon_be_overwritten_is_closed_instead),
        ARENA_TEST(a_block_that_only_lends_its_slots_keeps_no_chunk),
        ARENA_TEST(when_every_chunk_is_open_records_are_refused_counted_and_tried_again_later),
        ARENA_TEST(more_threads_than_chunks_all_record_when_they_take_turns),
        ARENA_TEST(tickets_wrap_at_48_bits_and_nothing_is_lost),
        ARENA_TEST(a_busy_thread_takes_eight_tickets_at_once),
        ARENA_TEST(tickets_that_lay_about_too_long_are_not_used),
        ARENA_TEST(a_chunk_beyond_the_end_of_a_smaller_arena_is_finished_where_it_is),
        ARENA_TEST(of_a_smaller_arena_what_ended_threads_left_beyond_its_end_is_given_up),
        ARENA_TEST(sizes_outside_of_the_reserve_are_refused),
    };
    return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
