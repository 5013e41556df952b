#include "trace/recording.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t epoch_of(const uint8_t id[16])
{
    return (uint64_t)id[0] << 24 | (uint64_t)id[1] << 16 | (uint64_t)id[2] << 8 | id[3];
}

static void the_first_32_bits_of_a_trace_id_are_epoch_seconds(void **state)
{
    (void)state;
    uint8_t id[16];
    uint64_t now = (uint64_t)time(NULL);
    tw_trace_id_new(id);
    assert_in_range(epoch_of(id), now - 1, now + 1);
    tw_span_end(tw_span_begin_root("root"));
    assert_in_range(epoch_of(the("root")->trace_id), now - 1, now + 1);
    assert_int_equal(the("root")->flags, TW_FLAG_SAMPLED);
}

static void the_seconds_follow_the_clock(void **state)
{
    (void)state;
    uint8_t id[16];
    tw_trace_id_new(id);
    uint64_t first = epoch_of(id);
    struct timespec nap = {1, 300000000};
    (void)nanosleep(&nap, NULL);
    tw_trace_id_new(id);
    assert_in_range(epoch_of(id), first + 1, first + 3);
}

static void random_ids_are_random_in_all_bits_and_flagged(void **state)
{
    (void)state;
    struct tw_config config = small_config();
    config.random_trace_ids = true;
    assert_int_equal(tw_shutdown(SECOND), 0);
    assert_int_equal(tw_init(&config), 0);
    uint8_t any[16] = {0}, all[16], id[16];
    memset(all, 0xff, sizeof all);
    for (int i = 0; i < 200; i++) {
        tw_trace_id_new(id);
        for (int b = 0; b < 16; b++) {
            any[b] |= id[b];
            all[b] &= id[b];
        }
    }
    for (int b = 0; b < 16; b++) { /* each bit was seen set and clear, but the last one: never all zero */
        assert_int_equal(any[b], 0xff);
        assert_int_equal(all[b], b == 15 ? all[b] & 1 : 0);
    }
    tw_span_end(tw_span_begin("root"));
    assert_int_equal(the("root")->flags, TW_FLAG_SAMPLED | TW_FLAG_RANDOM);
}

static void an_id_can_be_had_while_recording_is_off(void **state)
{
    (void)state;
    uint8_t a[16], b[16], zero[16] = {0};
    uint64_t now = (uint64_t)time(NULL);
    assert_int_equal(tw_shutdown(SECOND), 0);
    tw_trace_id_new(a);
    tw_trace_id_new(b);
    assert_memory_not_equal(a, b, 16);
    assert_memory_not_equal(a, zero, 16);
    assert_in_range(epoch_of(a), now - 1, now + 1);
    struct tw_config config = small_config();
    assert_int_equal(tw_init(&config), 0);
}

static void an_own_trace_id_is_kept(void **state)
{
    (void)state;
    const uint8_t own[16] = {0xde, 0xad, [15] = 1}, zero[16] = {0};
    tw_span_end(tw_span_begin_with("own", &(struct tw_span_options){.root = true, .trace_id = own}));
    tw_span_end(tw_span_begin_with("zero", &(struct tw_span_options){.root = true, .trace_id = zero}));
    assert_memory_equal(the("own")->trace_id, own, 16);
    assert_memory_not_equal(the("zero")->trace_id, zero, 16);
}

/* An own trace id may have a low half of 0, which the fast path takes for "no trace". */
static void an_own_trace_id_with_half_of_it_zero_is_an_id_like_others(void **state)
{
    (void)state;
    const uint8_t halves[2][16] = {{[7] = 1}, {[15] = 1}};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(tw_recorder_clear(), 0);
        tw_span root = tw_span_begin_with("root", &(struct tw_span_options){.root = true, .trace_id = halves[i]});
        for (int again = 0; again < 2; again++) {
            tw_span_end(tw_span_begin("child"));
            tw_event("event");
        }
        tw_span_end(root);
        const struct tw_records *all = read_all();
        assert_int_equal(all->count, 5);
        for (size_t r = 0; r < all->count; r++) assert_memory_equal(all->items[r].trace_id, halves[i], 16);
        assert_child_of(&all->items[1], &all->items[0]);
        assert_memory_equal(all->items[2].span_id, all->items[0].span_id, 8);
    }
    assert_no_losses();
}

/* -- uniqueness */

enum { THREADS = 8, EACH = 4000, PROCESSES = 4 };

struct id {
    uint8_t trace[16], span[8];
};

static int by_span(const void *a, const void *b)
{
    return memcmp(((const struct id *)a)->span, ((const struct id *)b)->span, 8);
}

static int by_trace(const void *a, const void *b)
{
    return memcmp(((const struct id *)a)->trace, ((const struct id *)b)->trace, 16);
}

static void assert_all_differ(struct id *ids, size_t count)
{
    static const uint8_t zero[16];
    for (size_t i = 0; i < count; i++)
        if (memcmp(ids[i].span, zero, 8) == 0 || memcmp(ids[i].trace, zero, 16) == 0) fail_msg("a zero id");
    qsort(ids, count, sizeof *ids, by_span);
    for (size_t i = 1; i < count; i++)
        if (by_span(&ids[i - 1], &ids[i]) == 0) fail_msg("a span id twice");
    qsort(ids, count, sizeof *ids, by_trace);
    for (size_t i = 1; i < count; i++)
        if (by_trace(&ids[i - 1], &ids[i]) == 0) fail_msg("a trace id twice");
}

static void *takes_ids(void *data)
{
    struct id *ids = data;
    for (int i = 0; i < EACH; i++) {
        tw_span span = tw_span_begin_root("root");
        struct tw_context ctx;
        (void)tw_span_context(span, &ctx);
        memcpy(ids[i].trace, ctx.trace_id, 16);
        memcpy(ids[i].span, ctx.span_id, 8);
        tw_span_end(span);
    }
    return NULL;
}

static void take_ids_on_threads(struct id *ids)
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, takes_ids, ids + (size_t)i * EACH) != 0) abort();
    for (int i = 0; i < THREADS; i++) (void)pthread_join(threads[i], NULL);
}

static void ids_are_unique_over_threads_and_forks(void **state)
{
    (void)state;
    size_t count = (size_t)(PROCESSES + 1) * THREADS * EACH;
    struct id *ids = mmap(NULL, count * sizeof *ids, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(ids, MAP_FAILED);
    take_ids_on_threads(ids); /* the parent has a state that the children inherit */
    for (size_t p = 1; p <= PROCESSES; p++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            takes_ids(ids + p * THREADS * EACH); /* on the thread that forked, then on others */
            take_ids_on_threads(ids + p * THREADS * EACH);
            (void)tw_shutdown(SECOND);
            _exit(0);
        }
    }
    for (int p = 0; p < PROCESSES; p++) {
        int status = -1;
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    assert_all_differ(ids, count);
    (void)munmap(ids, count * sizeof *ids);
}

/* -- text forms */

static void a_trace_is_found_by_every_form_of_its_id(void **state)
{
    (void)state;
    const uint8_t id[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0};
    tw_span_end(tw_span_begin_with("span", &(struct tw_span_options){.root = true, .trace_id = id}));
    static const char *const forms[] = {"0000000000000000123456789abcdef0", "0000000000000000123456789ABCDEF0",
                                        "1-00000000-00000000123456789abcdef0", "1311768467463790320"};
    struct tw_records *records;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (tw_recorder_get_trace(forms[i], &records) != 0) fail_msg("%s was refused", forms[i]);
        assert_int_equal(kept(records)->count, 1);
    }
    assert_int_equal(tw_recorder_get_trace_id(id, &records), 0);
    assert_int_equal(kept(records)->count, 1);
    assert_int_equal(tw_recorder_get_trace_u64(0x123456789abcdef0, &records), 0);
    assert_int_equal(kept(records)->count, 1);
    assert_int_equal(tw_recorder_dump_trace_u64(0x123456789abcdef0, &records), 0);
    assert_int_equal(kept(records)->count, 1);
    assert_int_equal(tw_recorder_dump_trace("1311768467463790320", &records), 0);
    assert_int_equal(kept(records)->count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RECORDING(the_first_32_bits_of_a_trace_id_are_epoch_seconds),
        RECORDING(the_seconds_follow_the_clock),
        RECORDING(random_ids_are_random_in_all_bits_and_flagged),
        RECORDING(an_id_can_be_had_while_recording_is_off),
        RECORDING(an_own_trace_id_is_kept),
        RECORDING(an_own_trace_id_with_half_of_it_zero_is_an_id_like_others),
        RECORDING(ids_are_unique_over_threads_and_forks),
        RECORDING(a_trace_is_found_by_every_form_of_its_id),
    };
    return RUN_WITH_BOTH_CLOCKS("trace ids", tests);
}
