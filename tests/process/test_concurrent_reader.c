/* The recorder read from inside while threads write: every question of the flight recorder, in a loop, beside writers,
 * threads that come and go, and readers that open the file. TSAN: this is for the thread sanitizer; what is read must
 * be whole as well. */
#define _GNU_SOURCE
#include "process/proc.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/atomics.h"

enum { WRITERS = 2, SECONDS = 3 };

static uint32_t enough;

static uint64_t check_of(uint64_t n)
{
    return (n ^ n >> 13) * 0x9E3779B97F4A7C15u;
}

static void write_one(uint64_t n)
{
    char text[32];
    tw_span outer = tw_span_begin("outer");
    tw_tag(outer, "n", n);
    (void)snprintf(text, sizeof text, "number %llu", (unsigned long long)n);
    tw_tag(outer, "text", text);
    tw_event_tags("event", TW_ATTR("n", n), TW_ATTR("check", check_of(n)));
    tw_span inner = tw_span_begin("inner");
    if (n % 3 == 0) tw_span_end(outer); /* out of order */
    inner = tw_span_lap(inner, "lap");
    tw_tag(inner, "n", n);
    for (int i = 0; n % 64 == 0 && i < 12; i++)
        tw_span_set_str(inner, "much", "so much that the slot overflows, again and again");
    tw_span_end(inner);
    if (n % 3) {
        tw_tag(outer, "check", check_of(n));
        tw_span_end(outer);
    }
    tw_mark("outside");
}

static void *write_until_enough(void *data)
{
    for (uint64_t n = (uint64_t)(uintptr_t)data << 40; !tw__load_acquire(&enough); n++) write_one(n);
    return NULL;
}

static void *live_shortly(void *data)
{
    for (uint64_t n = 0; n < 20; n++) write_one(n);
    return data;
}

static void *come_and_go(void *data)
{
    while (!tw__load_acquire(&enough)) {
        pthread_t thread;
        if (tw_thread_create(&thread, NULL, live_shortly, NULL) == 0) (void)pthread_join(thread, NULL);
    }
    return data;
}

static void check_one(const struct tw_record *r)
{
    const struct tw_tag_value *n = proc_tag(r, "n"), *check = proc_tag(r, "check"), *text = proc_tag(r, "text");
    char expected[32];
    if (check) CHECK(n && check->value.u == check_of(n->value.u));
    if (text) {
        CHECK(n);
        (void)snprintf(expected, sizeof expected, "number %llu", (unsigned long long)n->value.u);
        CHECK(proc_text_is(text->text, expected));
    }
    if (proc_text_is(r->name, "lap") && r->kind == TW_RECORD_SPAN) CHECK(n || r->tag_count <= 12);
    CHECK(r->name.len >= 3 || proc_text_is(r->name, "?"));
}

static void take(int result, struct tw_records *const *read, uint64_t *seen)
{
    CHECK(result == 0);
    struct tw_records *records = *read;
    for (size_t i = 0; i < records->count; i++) check_one(&records->items[i]);
    CHECK(records->damaged == 0);
    *seen += records->count;
    tw_records_free(records);
}

static uint64_t read_in_all;

static void *ask_everything(void *data)
{
    uint64_t seen = 0;
    for (unsigned round = 0; !tw__load_acquire(&enough); round++) {
        struct tw_records *records = NULL;
        struct tw_stats stats;
        int result = tw_recorder_dump_all(&records);
        uint8_t trace[16] = {0};
        if (result == 0 && records->count) memcpy(trace, records->items[records->count / 2].trace_id, 16);
        take(result, &records, &seen);
        take(tw_recorder_get_trace_id(trace, &records), &records, &seen);
        take(tw_recorder_dump_trace_id(trace, &records), &records, &seen);
        CHECK(tw_recorder_stats(&stats) == 0);
        CHECK(tw_recorder_is_enabled());
        CHECK(tw_recorder_error(NULL, 0) == 0);
        if (round % 4 == 1) CHECK(tw_recorder_clear() == 0);
        if (round % 4 == 2) CHECK(tw_recorder_set_buffer_size(5000 + round % 3 * 2000) == 0);
        tw_span_end(tw_span_begin("asked"));
        (void)tw__add_relaxed(&read_in_all, seen);
        seen = 0;
    }
    return data;
}

static void *read_from_outside(void *data)
{
    char path[PROC_PATH], why[TW_WHY_MAX];
    struct tw_reader *reader;
    struct tw_position *position = tw_position_new();
    uint64_t seen = 0;
    CHECK(position && tw_recorder_path(path, sizeof path) > 0);
    CHECK(tw_reader_open(path, &reader, why) == 0);
    while (!tw__load_acquire(&enough)) {
        struct tw_records *records = NULL;
        struct tw_process process;
        take(tw_reader_read(reader, &(struct tw_query){.open_spans = true, .after = position}, &records), &records,
             &seen);
        CHECK(tw_reader_process(reader, &process) == 0);
        CHECK(process.state == TW_PROCESS_LIVE);
        (void)tw__add_relaxed(&read_in_all, seen);
        seen = 0;
    }
    tw_reader_close(reader);
    tw_position_free(position);
    return data;
}

static void all_at_once(void *arg)
{
    void *(*const jobs[])(void *) = {come_and_go, ask_everything, ask_everything, read_from_outside};
    enum { JOBS = sizeof jobs / sizeof *jobs };
    pthread_t threads[WRITERS + JOBS];
    (void)arg;
    CHECK(tw_init(&(struct tw_config){.arena_bytes = (size_t)1 << 20}) == 0);
    for (uintptr_t i = 0; i < WRITERS; i++)
        CHECK(pthread_create(&threads[i], NULL, write_until_enough, (void *)i) == 0);
    for (size_t i = 0; i < JOBS; i++) CHECK(pthread_create(&threads[WRITERS + i], NULL, jobs[i], NULL) == 0);
    (void)sleep(SECONDS);
    while (tw__load_relaxed(&read_in_all) <= 1000) (void)usleep(10000);
    tw__store_release(&enough, 1);
    for (size_t i = 0; i < WRITERS + JOBS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(read_in_all > 1000);
    CHECK(tw_shutdown(1000000000) == 0);
    exit(0); /* with what the sanitizers have to say */
}

static void every_question_may_be_asked_while_threads_write(void **state)
{
    (void)state;
    assert_int_equal(proc_child(all_at_once, NULL), 0);
}

/* -- switched on and off, ended and begun again, under threads that go on */

static void *go_on_whatever_happens(void *data)
{
    tw_span old = TW_SPAN_NONE;
    for (uint64_t n = 0; !tw__load_acquire(&enough); n++) {
        write_one(n);
        if (n % 16 == 0) {
            tw_tag(old, "late", n);
            tw_span_end(old);
            old = tw_span_begin("kept");
        }
    }
    tw_span_end(old);
    return data;
}

static void end_and_begin(void *arg)
{
    pthread_t threads[WRITERS];
    struct timespec began, now;
    unsigned rounds = 0;
    (void)arg;
    for (size_t i = 0; i < WRITERS; i++) CHECK(pthread_create(&threads[i], NULL, go_on_whatever_happens, NULL) == 0);
    CHECK(clock_gettime(CLOCK_MONOTONIC, &began) == 0);
    do {
        struct tw_records *records = NULL;
        uint64_t seen = 0;
        int result = tw_init(&(struct tw_config){.arena_bytes = (size_t)512 << 10});
        CHECK(result == 0 || result == TW_ERR_STATE);
        (void)usleep(2000);
        CHECK(tw_recorder_disable() == 0);
        CHECK(tw_recorder_enable() == 0);
        (void)usleep(2000);
        take(tw_recorder_dump_all(&records), &records, &seen);
        CHECK(tw_shutdown(5000000000u) == 0);
        CHECK(!tw_recorder_is_enabled());
        rounds++;
        CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    } while (now.tv_sec - began.tv_sec < SECONDS || rounds <= 10);
    tw__store_release(&enough, 1);
    for (size_t i = 0; i < WRITERS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(rounds > 10);
    exit(0);
}

static void recording_may_end_and_begin_again_under_threads_that_go_on(void **state)
{
    (void)state;
    assert_int_equal(proc_child(end_and_begin, NULL), 0);
}

/* -- one span whose slot is filled and emptied again and again, read from outside */

enum { ROUNDS = 40, TAGS_OF_ONE = 4000 };

static uint64_t tags_seen;

/* Values rise by one; so each must be greater than the one before, and its text must be its own. */
static void check_rising(const struct tw_record *r)
{
    char expected[32];
    uint64_t last = 0;
    for (size_t i = 0; i < r->tag_count; i++) {
        const struct tw_tag_value *tag = &r->tags[i];
        if (tag->type == TW_TYPE_STR) {
            uint64_t n = strtoull(tag->text.ptr + 5, NULL, 10); /* the copy goes on behind it */
            (void)snprintf(expected, sizeof expected, "text %llu.", (unsigned long long)n);
            CHECK(proc_text_is(tag->text, expected));
            CHECK(n > last);
            last = n;
        } else {
            CHECK(tag->value.u > last);
            last = tag->value.u;
        }
    }
    tags_seen += r->kind == TW_RECORD_OPEN ? r->tag_count : 0;
}

static void *fill_and_empty(void *data)
{
    char text[32];
    for (uint64_t n = 0; !tw__load_acquire(&enough);) {
        tw_span span = tw_span_begin("rising");
        for (int i = 0; i < TAGS_OF_ONE; i++) {
            tw_tag(span, "n", ++n);
            /* Else all is overwritten before it is read. */
            for (unsigned slower = 0; slower < 100; slower++) tw__signal_fence();
            if (i % 5 == 4) {
                (void)snprintf(text, sizeof text, "text %llu.", (unsigned long long)++n);
                tw_tag(span, "text", text);
            }
        }
        tw_span_end(span);
    }
    return data;
}

static void read_the_rising(void *arg)
{
    char path[PROC_PATH];
    struct tw_reader *reader = NULL;
    struct timespec began, now;
    pthread_t writer;
    (void)arg;
    CHECK(tw_init(&(struct tw_config){.arena_bytes = (size_t)1 << 20}) == 0);
    CHECK(pthread_create(&writer, NULL, fill_and_empty, NULL) == 0);
    CHECK(tw_recorder_path(path, sizeof path) > 0 && tw_reader_open(path, &reader, NULL) == 0);
    CHECK(clock_gettime(CLOCK_MONOTONIC, &began) == 0);
    unsigned rounds = 0;
    do {
        struct tw_records *records;
        CHECK(tw_reader_read(reader, &(struct tw_query){.open_spans = true}, &records) == 0);
        for (size_t i = 0; i < records->count; i++) check_rising(&records->items[i]);
        CHECK(records->damaged == 0);
        tw_records_free(records);
        rounds++;
        CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    } while (now.tv_sec - began.tv_sec < SECONDS || rounds < ROUNDS);
    tw__store_release(&enough, 1);
    CHECK(pthread_join(writer, NULL) == 0);
    CHECK(tags_seen > ROUNDS);
    tw_reader_close(reader);
    exit(0);
}

static void tags_are_there_once_while_their_slot_is_emptied(void **state)
{
    (void)state;
    assert_int_equal(proc_child(read_the_rising, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROC(every_question_may_be_asked_while_threads_write),
        PROC(recording_may_end_and_begin_again_under_threads_that_go_on),
        PROC(tags_are_there_once_while_their_slot_is_emptied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
