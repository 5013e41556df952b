/* The flight recorder's contract: what instrument_flight_recorder does (instrument 1.0.0), each of its defects as a
 * test that we do not have it, and each promise of its tests. TSAN */
#include "trace/recording.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

static struct tw_records *taken;

static const struct tw_records *get(const char *trace)
{
    assert_int_equal(tw_recorder_get_trace(trace, &taken), 0);
    return kept(taken);
}

static const struct tw_records *get_id(const uint8_t trace[16])
{
    assert_int_equal(tw_recorder_get_trace_id(trace, &taken), 0);
    return kept(taken);
}

static const struct tw_records *dump_id(const uint8_t trace[16])
{
    assert_int_equal(tw_recorder_dump_trace_id(trace, &taken), 0);
    return kept(taken);
}

static const struct tw_records *dump_all(void)
{
    assert_int_equal(tw_recorder_dump_all(&taken), 0);
    return kept(taken);
}

static struct tw_stats stats(void)
{
    struct tw_stats s;
    assert_int_equal(tw_recorder_stats(&s), 0);
    assert_null(s.process.sampler.ptr); /* its reader has gone */
    assert_null(s.process.notice.ptr);
    return s;
}

/* A context whose trace id ends with n. */
static struct tw_context trace_number(uint8_t n)
{
    return (struct tw_context){.trace_id = {0x70, [15] = n}, .span_id = {1, [7] = n}, .flags = TW_FLAG_SAMPLED};
}

static void mark_in(const struct tw_context *ctx, int count)
{
    tw_attach at = tw_context_attach(ctx);
    for (int i = 0; i < count; i++) tw_mark_with("mark", (struct tw_attr[]){TW_ATTR("n", i)}, 1);
    tw_context_detach(at);
}

/* -- on and off */

static void enable_and_disable_may_be_repeated(void **state)
{
    (void)state;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 4; i++) {
            assert_int_equal(tw_recorder_disable(), 0);
            assert_false(tw_recorder_is_enabled());
        }
        for (int i = 0; i < 4; i++) {
            assert_int_equal(tw_recorder_enable(), 0);
            assert_true(tw_recorder_is_enabled());
            assert_true(process_now().recording);
        }
    }
    tw_span_end(tw_span_begin("span"));
    assert_int_equal(dump_all()->count, 1);
    assert_int_equal(process_now().threads, 1); /* and nothing was begun four times */
}

static void disabled_nothing_is_recorded_and_what_was_stays(void **state)
{
    (void)state;
    tw_span_end(tw_span_begin("before"));
    tw_span open = tw_span_begin("open");
    assert_int_equal(tw_recorder_disable(), 0);
    assert_false(process_now().recording);
    assert_false(stats().enabled);
    tw_span off = tw_span_begin("off");
    assert_null(off.slot);
    tw_event("off");
    tw_mark("off");
    tw_tag(open, "still", "open");
    tw_span_end(off);
    tw_span_end(open); /* a span that was open may still be ended */
    const struct tw_records *all = dump_all();
    assert_int_equal(all->count, 2);
    assert_int_equal(count_of(all, "before"), 1);
    assert_tag_str(the("open"), "still", "open");
    assert_int_equal(the("open")->kind, TW_RECORD_SPAN);
    assert_int_equal(tw_recorder_enable(), 0);
    assert_int_equal(dump_all()->count, 2);
    assert_no_losses();
}

static void without_a_segment_every_question_says_off(void **state)
{
    (void)state;
    struct tw_stats s;
    assert_int_equal(tw_shutdown(SECOND), 0);
    assert_false(tw_recorder_is_enabled());
    assert_int_equal(tw_recorder_enable(), TW_ERR_OFF);
    assert_int_equal(tw_recorder_disable(), 0);
    assert_int_equal(tw_recorder_get_trace("1", &taken), TW_ERR_OFF);
    assert_int_equal(tw_recorder_dump_trace("1", &taken), TW_ERR_OFF);
    assert_int_equal(tw_recorder_dump_all(&taken), TW_ERR_OFF);
    assert_int_equal(tw_recorder_clear(), TW_ERR_OFF);
    assert_int_equal(tw_recorder_set_buffer_size(100), TW_ERR_OFF);
    assert_int_equal(tw_recorder_stats(&s), TW_ERR_OFF);
    tw_mark("nowhere");
    assert_int_equal(tw_recorder_enable(), TW_ERR_OFF);
    struct tw_config config = small_config();
    assert_int_equal(tw_init(&config), 0);
}

/* -- get and dump */

static void an_unknown_id_gives_an_empty_answer(void **state)
{
    (void)state;
    mark_in(&(struct tw_context){.trace_id = {1}, .span_id = {1}}, 3);
    assert_int_equal(get("0af7651916cd43dd8448eb211c80319c")->count, 0);
    assert_int_equal(get("1-5f84c7a1-e7d1852db8c4fd35d88bf49a")->count, 0);
    assert_int_equal(get("17")->count, 0);
    assert_int_equal(tw_recorder_get_trace_u64(17, &taken), 0);
    assert_int_equal(kept(taken)->count, 0);
    assert_int_equal(dump_id((const uint8_t[16]){2})->count, 0);
}

static void a_bad_id_is_an_error(void **state)
{
    (void)state;
    struct tw_records *untouched = NULL;
    assert_int_equal(tw_recorder_get_trace("", &untouched), TW_ERR_SYNTAX);
    assert_int_equal(tw_recorder_get_trace(NULL, &untouched), TW_ERR_SYNTAX);
    assert_int_equal(tw_recorder_get_trace("not an id", &untouched), TW_ERR_SYNTAX);
    assert_int_equal(tw_recorder_get_trace("0", &untouched), TW_ERR_RANGE);
    assert_int_equal(tw_recorder_get_trace("340282366920938463463374607431768211456", &untouched), TW_ERR_RANGE);
    assert_int_equal(tw_recorder_get_trace_u64(0, &untouched), TW_ERR_RANGE);
    assert_int_equal(tw_recorder_dump_trace("xyz", &untouched), TW_ERR_SYNTAX);
    assert_int_equal(tw_recorder_dump_trace(NULL, &untouched), TW_ERR_SYNTAX);
    assert_int_equal(tw_recorder_dump_trace_u64(0, &untouched), TW_ERR_RANGE);
    assert_int_equal(tw_recorder_get_trace_id(NULL, &untouched), TW_ERR_SYNTAX);
    assert_int_equal(tw_recorder_dump_trace_id(NULL, &untouched), TW_ERR_SYNTAX);
    assert_null(untouched);
}

static void traces_are_kept_apart_by_id(void **state)
{
    (void)state;
    struct tw_context a = trace_number(1), b = trace_number(2);
    mark_in(&a, 3);
    mark_in(&b, 5);
    mark_in(&a, 1);
    assert_int_equal(get_id(a.trace_id)->count, 4);
    assert_int_equal(get_id(b.trace_id)->count, 5);
    assert_int_equal(dump_all()->count, 9);
    for (size_t i = 0; i < 4; i++) assert_memory_equal(get_id(a.trace_id)->items[i].trace_id, a.trace_id, 16);
}

static void open_spans_are_part_of_a_trace(void **state)
{
    (void)state;
    struct tw_context ctx = trace_number(1);
    tw_span open = tw_span_begin_under("open", &ctx);
    tw_span_end(tw_span_begin("ended"));
    const struct tw_records *r = get_id(ctx.trace_id);
    assert_int_equal(r->count, 2);
    assert_int_equal(r->items[0].kind, TW_RECORD_OPEN);
    tw_span_end(open);
    assert_int_equal(get_id(ctx.trace_id)->items[0].kind, TW_RECORD_SPAN);
}

static void what_was_dumped_is_gone(void **state)
{
    (void)state;
    struct tw_context a = trace_number(1), b = trace_number(2);
    mark_in(&a, 3);
    mark_in(&b, 2);
    assert_int_equal(get_id(a.trace_id)->count, 3); /* getting clears nothing */
    assert_int_equal(dump_id(a.trace_id)->count, 3);
    assert_int_equal(dump_id(a.trace_id)->count, 0);
    assert_int_equal(get_id(a.trace_id)->count, 0);
    assert_int_equal(dump_all()->count, 2);
    assert_int_equal(dump_all()->count, 2); /* dump_all clears nothing */
    assert_int_equal(stats().records, 2);
    assert_int_equal(get_id(b.trace_id)->count, 2);
    assert_int_equal(read_all()->count, 5); /* other processes see it until it is overwritten */
    mark_in(&a, 1);
    assert_int_equal(dump_id(a.trace_id)->count, 1);
}

static void an_open_span_is_in_every_dump_and_finished_in_one(void **state)
{
    (void)state;
    struct tw_context ctx = trace_number(1);
    tw_span span = tw_span_begin_under("span", &ctx);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(dump_id(ctx.trace_id)->count, 1);
    }
    tw_span_end(span);
    assert_int_equal(dump_id(ctx.trace_id)->count, 1);
    assert_int_equal(dump_id(ctx.trace_id)->count, 0);
}

static void dumps_of_one_segment_hide_nothing_in_the_next(void **state)
{
    (void)state;
    struct tw_context ctx = trace_number(1);
    mark_in(&ctx, 100);
    assert_int_equal(dump_id(ctx.trace_id)->count, 100);
    assert_int_equal(tw_shutdown(SECOND), 0);
    struct tw_config config = small_config();
    assert_int_equal(tw_init(&config), 0);
    mark_in(&ctx, 50); /* at the same places as the ones before */
    assert_int_equal(stats().records, 50);
    assert_int_equal(get_id(ctx.trace_id)->count, 50);
    assert_int_equal(dump_all()->count, 50);
    assert_int_equal(dump_id(ctx.trace_id)->count, 50);
}

static void *fills_the_arena_three_times(void *data)
{
    struct tw_context ctx = trace_number(2);
    (void)data;
    mark_in(&ctx, 3 * ARENA / 64);
    return NULL;
}

/* A thread that writes little keeps its chunk while others go round and round. */
static void a_dumped_record_in_a_slow_threads_chunk_stays_dumped(void **state)
{
    (void)state;
    struct tw_context slow = trace_number(1), busy = trace_number(2);
    mark_in(&slow, 1);
    assert_int_equal(dump_id(slow.trace_id)->count, 1);
    on_thread(fills_the_arena_three_times, NULL);
    assert_true(dump_id(busy.trace_id)->count > 1000); /* so many that places of overwritten ones are dropped */
    assert_int_equal(dump_id(slow.trace_id)->count, 0);
}

enum { WRITERS = 3, MARKS = 15000 };
static atomic_int writers_running;

static void *writes_marks(void *data)
{
    const uint64_t *number = data;
    struct tw_context ctx = trace_number(9);
    tw_attach at = tw_context_attach(&ctx);
    for (uint64_t i = 0; i < MARKS; i++) {
        const struct tw_attr attrs[] = {TW_ATTR("writer", *number), TW_ATTR("n", i)};
        tw_mark_with("mark", attrs, 2);
    }
    tw_context_detach(at);
    atomic_fetch_sub(&writers_running, 1);
    return NULL;
}

static uint8_t seen[WRITERS][MARKS];
static pthread_mutex_t seen_lock = PTHREAD_MUTEX_INITIALIZER;

static size_t dump_and_note(void)
{
    struct tw_records *records = NULL;
    struct tw_context ctx = trace_number(9);
    if (tw_recorder_dump_trace_id(ctx.trace_id, &records) != 0) abort();
    size_t count = records->count;
    (void)pthread_mutex_lock(&seen_lock);
    for (size_t i = 0; i < count; i++) seen[records->items[i].tags[0].value.u][records->items[i].tags[1].value.u]++;
    (void)pthread_mutex_unlock(&seen_lock);
    tw_records_free(records);
    return count;
}

static void *dumps_until_all_is_written(void *data)
{
    size_t *total = data;
    bool last;
    do {
        last = atomic_load(&writers_running) == 0;
        *total += dump_and_note();
    } while (!last);
    return NULL;
}

static void every_record_is_dumped_exactly_once_while_others_write(void **state)
{
    (void)state;
    uint64_t numbers[WRITERS];
    pthread_t writers[WRITERS], dumper;
    size_t total = 0, here = 0;
    assert_int_equal(tw_recorder_set_buffer_size(131072), 0);
    memset(seen, 0, sizeof seen);
    atomic_store(&writers_running, WRITERS);
    for (uint64_t i = 0; i < WRITERS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&writers[i], NULL, writes_marks, &numbers[i]), 0);
    }
    assert_int_equal(pthread_create(&dumper, NULL, dumps_until_all_is_written, &total), 0);
    (void)dumps_until_all_is_written(&here); /* two dumpers at once */
    for (int i = 0; i < WRITERS; i++) (void)pthread_join(writers[i], NULL);
    (void)pthread_join(dumper, NULL);
    total += here + dump_and_note();
    for (size_t w = 0; w < WRITERS; w++)
        for (size_t m = 0; m < MARKS; m++)
            if (seen[w][m] != 1) fail_msg("mark %zu of writer %zu was dumped %u times", m, w, seen[w][m]);
    assert_int_equal(total, WRITERS * MARKS);
    assert_no_losses();
}

static void answers_are_in_order_of_time_and_stable_where_times_are_equal(void **state)
{
    (void)state;
    enum { COUNT = 300 };
    struct tw_context ctx = trace_number(1);
    uint64_t now = wall_now();
    tw_attach at = tw_context_attach(&ctx);
    for (int i = 0; i < COUNT; i++) {
        const struct tw_attr n = TW_ATTR("n", i);
        tw_span_event_with(tw_span_current_or_context(), "event", &n, 1, now - (uint64_t)(i % 3) * SECOND);
    }
    tw_context_detach(at);
    for (int again = 0; again < 3; again++) {
        const struct tw_records *r = get_id(ctx.trace_id);
        assert_int_equal(r->count, COUNT);
        for (size_t i = 1; i < COUNT; i++) {
            const struct tw_record *a = &r->items[i - 1], *b = &r->items[i];
            assert_true(a->time_ns <= b->time_ns);
            assert_true(a->time_ns < b->time_ns || a->order < b->order);
            if (a->time_ns == b->time_ns) assert_int_equal(tag(b, "n")->value.i, tag(a, "n")->value.i + 3);
        }
    }
}

/* -- clear */

static void clear_forgets_everything_for_every_reader(void **state)
{
    (void)state;
    struct tw_context ctx = trace_number(1);
    mark_in(&ctx, 10);
    tw_span open = tw_span_begin_under("open", &ctx);
    assert_int_equal(tw_recorder_clear(), 0);
    assert_int_equal(stats().records, 0);
    assert_int_equal(read_all()->count, 1); /* from outside, and what is open stays */
    assert_int_equal(get_id(ctx.trace_id)->count, 1);
    assert_int_equal(tw_recorder_clear(), 0);
    tw_mark("after");
    tw_span_end(open);
    assert_int_equal(get_id(ctx.trace_id)->count, 2);
    assert_int_equal(the("open")->kind, TW_RECORD_SPAN);
    assert_no_losses(); /* nothing was lost: it was asked for */
}

/* -- marks */

static void marks_carry_name_and_metadata(void **state)
{
    (void)state;
    tw_span span = tw_span_begin("span");
    tw_mark("plain");
    tw_mark_with("with metadata", (struct tw_attr[]){TW_ATTR("key", "value"), TW_ATTR("n", 7)}, 2);
    tw_mark_with("none", NULL, 0);
    tw_mark(NULL);
    tw_span_end(span);
    assert_int_equal(the("plain")->kind, TW_RECORD_MARK);
    assert_memory_equal(the("plain")->span_id, the("span")->span_id, 8);
    assert_int_equal(the("plain")->tag_count, 0);
    assert_tag_str(the("with metadata"), "key", "value");
    assert_int_equal(tag(the("with metadata"), "n")->value.i, 7);
    assert_int_equal(count_of_kind(read_all(), TW_RECORD_MARK), 4);
}

static void a_mark_outside_of_any_trace_is_nothing(void **state)
{
    (void)state;
    tw_mark("nowhere");
    tw_mark_with("nowhere", (struct tw_attr[]){TW_ATTR("n", 1)}, 1);
    tw_span_end(tw_span_begin("span"));
    tw_mark("nowhere again");
    assert_int_equal(read_all()->count, 1);
    assert_no_losses();
}

/* -- the bound */

static void assert_newest(const struct tw_context *ctx, size_t count, int64_t last)
{
    const struct tw_records *r = get_id(ctx->trace_id);
    assert_int_equal(r->count, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(tag(&r->items[i], "n")->value.i, last - (int64_t)count + 1 + (int64_t)i);
    assert_int_equal(stats().records, count);
    assert_int_equal(read_all()->count, count);
}

static void of_20_marks_in_a_buffer_of_10_the_newest_10_remain(void **state)
{
    (void)state;
    struct tw_context ctx = trace_number(1);
    assert_int_equal(tw_recorder_set_buffer_size(10), 0);
    mark_in(&ctx, 20);
    assert_newest(&ctx, 10, 19);
    assert_int_equal(stats().buffer_events, 10);
}

static void of_1000_marks_in_a_buffer_of_100_the_newest_100_remain(void **state)
{
    (void)state;
    struct tw_context ctx = trace_number(1);
    assert_int_equal(tw_recorder_set_buffer_size(100), 0);
    mark_in(&ctx, 1000);
    assert_newest(&ctx, 100, 999);
}

static void a_new_size_takes_effect_at_once(void **state)
{
    (void)state;
    struct tw_context ctx = trace_number(1);
    mark_in(&ctx, 1000);
    assert_int_equal(get_id(ctx.trace_id)->count, 1000);
    assert_int_equal(tw_recorder_set_buffer_size(300), 0);
    assert_newest(&ctx, 300, 999);
    assert_int_equal(tw_recorder_set_buffer_size(1), 0);
    assert_newest(&ctx, 1, 999);
    assert_int_equal(tw_recorder_set_buffer_size(100000), 0);
    mark_in(&ctx, 1000);
    assert_int_equal(get_id(ctx.trace_id)->count, 2000);
}

/* The newest records are then, most times, far behind in the arena, where a smaller one has no chunks. */
static void making_a_well_filled_arena_small_keeps_the_newest(void **state)
{
    (void)state;
    struct tw_context ctx = trace_number(1);
    for (int round = 0; round < 30; round++) {
        assert_int_equal(tw_recorder_set_buffer_size(8192), 0); /* 128 chunks */
        mark_in(&ctx, 1700);
        assert_int_equal(tw_recorder_set_buffer_size(1000), 0); /* 64 chunks */
        assert_newest(&ctx, 1000, 1699);
        mark_in(&ctx, 500);
        const struct tw_records *r = get_id(ctx.trace_id);
        assert_int_equal(r->count, 1000);
        for (int64_t j = 0; j < 1000; j++)
            assert_int_equal(tag(&r->items[j], "n")->value.i, j < 500 ? 1200 + j : j - 500);
    }
}

static void sizes_that_cannot_be_are_refused_and_change_nothing(void **state)
{
    (void)state;
    assert_int_equal(tw_recorder_set_buffer_size(50), 0);
    assert_int_equal(tw_recorder_set_buffer_size(0), TW_ERR_RANGE);
    assert_int_equal(tw_recorder_set_buffer_size(SIZE_MAX), TW_ERR_RANGE);
    assert_int_equal(tw_recorder_set_buffer_size((SIZE_MAX >> 7) + 2), TW_ERR_RANGE); /* times 128 overflows */
    assert_int_equal(stats().buffer_events, 50);
}

static atomic_bool stop;

static void *writes_until_told(void *data)
{
    struct tw_context ctx = trace_number(3);
    tw_attach at = tw_context_attach(&ctx);
    for (uint64_t i = 0; !atomic_load(&stop); i++) {
        tw_span_end(tw_span_begin("span"));
        tw_mark_with("mark", (struct tw_attr[]){TW_ATTR("n", i)}, 1);
    }
    tw_context_detach(at);
    return data;
}

static void sizes_may_change_while_others_write(void **state)
{
    (void)state;
    static const size_t sizes[] = {10, 20000, 1, 5000, 12000, 64, 8000};
    pthread_t writers[2];
    atomic_store(&stop, false);
    for (int i = 0; i < 2; i++) assert_int_equal(pthread_create(&writers[i], NULL, writes_until_told, NULL), 0);
    struct tw_context ctx = trace_number(3);
    for (int i = 0; i < 35; i++) {
        size_t size = sizes[i % 7];
        assert_int_equal(tw_recorder_set_buffer_size(size), 0);
        assert_int_equal(tw_recorder_get_trace_id(ctx.trace_id, &taken), 0);
        size_t finished = count_of_kind(taken, TW_RECORD_MARK) + count_of_kind(taken, TW_RECORD_SPAN);
        assert_int_equal(taken->damaged, 0);
        tw_records_free(taken);
        assert_true(finished <= size);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 2; i++) (void)pthread_join(writers[i], NULL);
    assert_int_equal(read_all()->damaged, 0);
    assert_no_losses();
}

/* -- stats */

static void stats_count_everything(void **state)
{
    (void)state;
    struct tw_context ctx = trace_number(1);
    mark_in(&ctx, 2);
    tw_span open = tw_span_begin("open");
    struct tw_stats s = stats();
    assert_true(s.enabled);
    assert_int_equal(s.records, 2);
    assert_int_equal(s.buffer_events, 0);
    assert_int_equal(s.process.state, TW_PROCESS_LIVE);
    assert_true(s.process.recording);
    assert_int_equal(s.process.arena_bytes, ARENA);
    assert_true(s.process.used_bytes > 0 && s.process.used_bytes < ARENA);
    assert_int_equal(s.process.overwritten_bytes, 0);
    assert_int_equal(s.process.open_spans, 1);
    assert_int_equal(s.process.spans_begun, 1);
    assert_int_equal(s.process.threads, 1);
    assert_null(s.process.service.ptr); /* texts would be the reader's */
    tw_span_end(open);
    tw_span_end(open);
    assert_int_equal(stats().process.losses.stale, 1);
}

static void *asks_until_told(void *data)
{
    struct tw_context ctx = trace_number(3);
    while (!atomic_load(&stop)) {
        struct tw_stats s;
        struct tw_records *records;
        if (tw_recorder_stats(&s) != 0) abort();
        if (tw_recorder_dump_trace_id(ctx.trace_id, &records) != 0) abort();
        tw_records_free(records);
    }
    return data;
}

static void questions_may_be_asked_from_several_threads_at_once(void **state)
{
    (void)state;
    pthread_t asking[3], writing;
    atomic_store(&stop, false);
    assert_int_equal(pthread_create(&writing, NULL, writes_until_told, NULL), 0);
    for (int i = 0; i < 3; i++) assert_int_equal(pthread_create(&asking[i], NULL, asks_until_told, NULL), 0);
    (void)nanosleep(&(struct timespec){0, 300000000}, NULL);
    assert_int_equal(tw_recorder_clear(), 0);
    (void)nanosleep(&(struct timespec){0, 100000000}, NULL);
    atomic_store(&stop, true);
    for (int i = 0; i < 3; i++) (void)pthread_join(asking[i], NULL);
    (void)pthread_join(writing, NULL);
    assert_no_losses();
}

/* -- the defects of the original: we do not have them */

static void defect_1_the_documented_example_finds_its_trace(void **state)
{
    (void)state;
    struct tw_context ctx;
    char text[TW_TRACE_ID_HEX_LEN + 1], xray[36];
    tw_span span = tw_span_begin("request");
    tw_mark("checkpoint");
    assert_true(tw_context_current(&ctx));
    tw_trace_id_format(ctx.trace_id, text);
    tw_span_end(span);
    assert_int_equal(get(text)->count, 2);
    (void)snprintf(xray, sizeof xray, "1-%.8s-%.24s", text, text + 8);
    assert_int_equal(get(xray)->count, 2);
    assert_int_equal(get_id(ctx.trace_id)->count, 2);
}

/* As binary:decode_unsigned makes it of the id. */
static void a_trace_is_found_by_its_label_the_id_as_an_integer(void **state)
{
    (void)state;
    const struct tw_context ctx = {
        .trace_id = {0x6b, 0x0a, 0x66, 0xff, 0xf7, 0x40, 0x3b, 0xd8, 0x16, 0xb7, 0x64, 0x62, 0x60, 0x2a, 0x43, 0x99},
        .span_id = {1}};
    mark_in(&ctx, 3);
    assert_int_equal(get("142281407603052811568865654222415872921")->count, 3);
}

static void defect_2_an_inner_span_that_ends_does_not_end_the_recording_of_the_outer(void **state)
{
    (void)state;
    tw_span outer = tw_span_begin("outer"), inner = tw_span_begin("inner");
    tw_span_end(inner);
    tw_mark("late");
    (void)tw_message_send(NULL);
    tw_span_end(outer);
    assert_int_equal(get_id(the("outer")->trace_id)->count, 4);
    assert_memory_equal(the("late")->span_id, the("outer")->span_id, 8);
}

static void defect_3_after_an_unsampled_trace_the_next_has_a_label_of_its_own(void **state)
{
    (void)state;
    struct tw_context unsampled = trace_number(1);
    unsampled.flags = 0;
    tw_span span = tw_span_begin_under("unsampled", &unsampled);
    tw_mark("in it");
    tw_span_end(span);
    tw_mark("in none");
    span = tw_span_begin("sampled");
    tw_span_end(span);
    assert_int_equal(get_id(unsampled.trace_id)->count, 2); /* recording is not sampling */
    assert_int_equal(the("in it")->flags, 0);
    assert_int_equal(read_all()->count, 3);
    assert_memory_not_equal(the("sampled")->trace_id, unsampled.trace_id, 16);
    assert_int_equal(the("sampled")->flags & TW_FLAG_SAMPLED, TW_FLAG_SAMPLED);
}

static void defect_4_disable_loses_nothing_that_was_recorded(void **state)
{
    (void)state;
    struct tw_context ctx = trace_number(1);
    for (int i = 0; i < 99; i++) {
        mark_in(&ctx, 1);
        assert_int_equal(tw_recorder_disable(), 0);
        assert_int_equal(tw_recorder_enable(), 0);
    }
    assert_int_equal(get_id(ctx.trace_id)->count, 99);
}

static void *marks_and_exits(void *data)
{
    mark_in(data, 10);
    tw_span span = tw_span_begin("left open");
    tw_tag(span, "tag", 1);
    pthread_exit(NULL);
}

static void defect_5_a_thread_that_dies_takes_nobodys_records_along(void **state)
{
    (void)state;
    struct tw_context ctx = trace_number(1);
    for (int i = 0; i < 10; i++) on_thread(marks_and_exits, &ctx);
    mark_in(&ctx, 10);
    assert_int_equal(get_id(ctx.trace_id)->count, 110);
    assert_int_equal(process_now().open_spans, 10);
    assert_no_losses();
}

static void *writes_200000_spans(void *data)
{
    tw_attach at = tw_context_attach(data);
    for (int i = 0; i < 200000; i++) tw_span_end(tw_span_begin("span"));
    tw_context_detach(at);
    return NULL;
}

static void defect_6_memory_is_bounded_and_what_is_overwritten_is_counted(void **state)
{
    (void)state;
    struct tw_context ctx = trace_number(1);
    uint64_t written = UINT64_C(200000) * 64;
    on_thread(writes_200000_spans, &ctx); /* what a thread overwrites is added up now and then, and when it exits */
    struct tw_process process = process_now();
    size_t there = read_all()->count;
    assert_int_equal(process.arena_bytes, ARENA);
    assert_true(process.used_bytes <= ARENA);
    assert_int_equal(there * 64 + process.overwritten_bytes, written); /* every byte is there, or counted */
    assert_true(there > ARENA / 64 * 9 / 10);
    assert_int_equal(process.spans_begun, 200000);
    assert_no_losses();
}

static void *begins_a_span_of_its_own(void *data)
{
    tw_attach at = tw_context_attach(data);
    tw_span_end(tw_span_begin("own span"));
    tw_span_end(tw_span_begin_root("own root"));
    tw_mark("after");
    tw_context_detach(at);
    return NULL;
}

static void defect_7_a_child_that_begins_its_own_span_stays_in_its_parents_trace(void **state)
{
    (void)state;
    struct tw_context ctx = trace_number(1);
    on_thread(begins_a_span_of_its_own, &ctx);
    assert_int_equal(get_id(ctx.trace_id)->count, 2);
    assert_memory_equal(the("after")->trace_id, ctx.trace_id, 16);
}

static void defect_8_marks_and_spans_have_one_clock(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) {
        tw_span span = tw_span_begin("span");
        tw_mark("mark");
        tw_event("event");
        (void)tw_message_send(NULL);
        tw_span_end(span);
    }
    const struct tw_records *all = read_all();
    assert_int_equal(all->count, 400);
    for (size_t i = 0; i < 400; i += 4) {
        static const enum tw_record_kind kinds[] = {TW_RECORD_SPAN, TW_RECORD_MARK, TW_RECORD_EVENT, TW_RECORD_SEND};
        for (size_t k = 0; k < 4; k++) assert_int_equal(all->items[i + k].kind, kinds[k]);
        assert_true(all->items[i + 3].time_ns <= all->items[i].end_ns);
    }
}

static void defect_9_nothing_of_a_messages_contents_is_kept(void **state)
{
    (void)state;
    static const char secret[] = "password=hunter2";
    (void)tw_message_send(&(struct tw_message){.bytes = secret, .byte_count = sizeof secret, .size = sizeof secret});
    tw_message_receive(&(struct tw_message){.bytes = secret, .byte_count = sizeof secret, .size = sizeof secret}, NULL);
    const struct tw_records *all = read_all();
    for (size_t i = 0; i < 2; i++)
        for (size_t t = 0; t < all->items[i].tag_count; t++) assert_int_equal(all->items[i].tags[t].type, TW_TYPE_UINT);
    char path[256];
    assert_true(tw_recorder_path(path, sizeof path) > 0);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    static char bytes[2 << 20]; /* header, dictionary, and the first blocks */
    size_t n = fread(bytes, 1, sizeof bytes, file);
    (void)fclose(file);
    for (size_t i = 0; i + 7 < n; i++) assert_true(memcmp(bytes + i, "hunter2", 7) != 0);
}

/* -- the promises of its tests, as far as they are not above */

static void promise_a_span_holds_its_sends_and_receives(void **state)
{
    (void)state;
    tw_span span = tw_span_begin("span");
    (void)tw_message_send(NULL);
    tw_message_receive(NULL, NULL);
    tw_span_end(span);
    const struct tw_records *r = get_id(the("span")->trace_id);
    assert_int_equal(count_of_kind(r, TW_RECORD_SEND), 1);
    assert_int_equal(count_of_kind(r, TW_RECORD_RECEIVE), 1);
}

static void *sends_and_marks(void *data)
{
    (void)tw_message_send(NULL);
    tw_mark("in the child");
    return data;
}

static void promise_what_a_spawned_child_sends_and_marks_is_in_its_parents_trace(void **state)
{
    (void)state;
    pthread_t thread;
    tw_span span = tw_span_begin("parent");
    assert_int_equal(tw_thread_create(&thread, NULL, sends_and_marks, NULL), 0);
    (void)pthread_join(thread, NULL);
    tw_span_end(span);
    const uint8_t *trace = the("parent")->trace_id;
    assert_memory_equal(the("send")->trace_id, trace, 16);
    assert_memory_equal(the("in the child")->trace_id, trace, 16);
}

static void promise_three_marks_are_three_marks(void **state)
{
    (void)state;
    tw_span span = tw_span_begin("span");
    tw_mark("one");
    tw_mark("two");
    tw_mark("three");
    tw_span_end(span);
    assert_int_equal(count_of_kind(get_id(the("span")->trace_id), TW_RECORD_MARK), 3);
}

static void promise_after_a_span_nothing_is_left_on_its_thread(void **state)
{
    (void)state;
    struct tw_context ctx;
    tw_span_end(tw_span_begin("span"));
    assert_false(tw_context_current(&ctx));
    assert_null(tw_span_current().slot);
}

static void promise_a_span_in_which_nothing_happens_is_one_record(void **state)
{
    (void)state;
    tw_span_end(tw_span_begin("span")); /* no messages of the recorder's own */
    assert_int_equal(read_all()->count, 1);
}

static atomic_bool parent_ended;

static void *outlives(void *data)
{
    while (!atomic_load(&parent_ended)) {}
    tw_mark("late");
    return data;
}

/* The original stops tracing such a child, for its cost. Ours costs the same in a trace and outside, so it stays where
 * it belongs; what it does after it has let go of the context belongs to nobody. */
static void promise_a_child_that_outlives_the_span_disturbs_nobody_elses_trace(void **state)
{
    (void)state;
    pthread_t thread;
    atomic_store(&parent_ended, false);
    tw_span span = tw_span_begin("parent");
    assert_int_equal(tw_thread_create(&thread, NULL, outlives, NULL), 0);
    tw_span_end(span);
    tw_span other = tw_span_begin("other");
    atomic_store(&parent_ended, true);
    (void)pthread_join(thread, NULL);
    tw_span_end(other);
    assert_memory_equal(the("late")->trace_id, the("parent")->trace_id, 16);
    assert_int_equal(get_id(the("other")->trace_id)->count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RECORDING(enable_and_disable_may_be_repeated),
        RECORDING(disabled_nothing_is_recorded_and_what_was_stays),
        RECORDING(without_a_segment_every_question_says_off),
        RECORDING(an_unknown_id_gives_an_empty_answer),
        RECORDING(a_bad_id_is_an_error),
        RECORDING(traces_are_kept_apart_by_id),
        RECORDING(open_spans_are_part_of_a_trace),
        RECORDING(what_was_dumped_is_gone),
        RECORDING(an_open_span_is_in_every_dump_and_finished_in_one),
        RECORDING(dumps_of_one_segment_hide_nothing_in_the_next),
        RECORDING(a_dumped_record_in_a_slow_threads_chunk_stays_dumped),
        RECORDING(every_record_is_dumped_exactly_once_while_others_write),
        RECORDING(answers_are_in_order_of_time_and_stable_where_times_are_equal),
        RECORDING(clear_forgets_everything_for_every_reader),
        RECORDING(marks_carry_name_and_metadata),
        RECORDING(a_mark_outside_of_any_trace_is_nothing),
        RECORDING(of_20_marks_in_a_buffer_of_10_the_newest_10_remain),
        RECORDING(of_1000_marks_in_a_buffer_of_100_the_newest_100_remain),
        RECORDING(a_new_size_takes_effect_at_once),
        RECORDING(making_a_well_filled_arena_small_keeps_the_newest),
        RECORDING(sizes_that_cannot_be_are_refused_and_change_nothing),
        RECORDING(sizes_may_change_while_others_write),
        RECORDING(stats_count_everything),
        RECORDING(questions_may_be_asked_from_several_threads_at_once),
        RECORDING(defect_1_the_documented_example_finds_its_trace),
        RECORDING(a_trace_is_found_by_its_label_the_id_as_an_integer),
        RECORDING(defect_2_an_inner_span_that_ends_does_not_end_the_recording_of_the_outer),
        RECORDING(defect_3_after_an_unsampled_trace_the_next_has_a_label_of_its_own),
        RECORDING(defect_4_disable_loses_nothing_that_was_recorded),
        RECORDING(defect_5_a_thread_that_dies_takes_nobodys_records_along),
        RECORDING(defect_6_memory_is_bounded_and_what_is_overwritten_is_counted),
        RECORDING(defect_7_a_child_that_begins_its_own_span_stays_in_its_parents_trace),
        RECORDING(defect_8_marks_and_spans_have_one_clock),
        RECORDING(defect_9_nothing_of_a_messages_contents_is_kept),
        RECORDING(promise_a_span_holds_its_sends_and_receives),
        RECORDING(promise_what_a_spawned_child_sends_and_marks_is_in_its_parents_trace),
        RECORDING(promise_three_marks_are_three_marks),
        RECORDING(promise_after_a_span_nothing_is_left_on_its_thread),
        RECORDING(promise_a_span_in_which_nothing_happens_is_one_record),
        RECORDING(promise_a_child_that_outlives_the_span_disturbs_nobody_elses_trace),
    };
    return RUN_WITH_BOTH_CLOCKS("recorder", tests);
}
