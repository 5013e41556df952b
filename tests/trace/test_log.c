/* What tw_log records, as another process reads it; the texts are compared with what printf of this C library makes of
 * the same. */
#include "trace/recording.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
#include <wchar.h>

#include <trackway/log.h>

static const char *message(const struct tw_record *record)
{
    static char text[8192];
    (void)tw_record_message(record, text, sizeof text);
    return text;
}

static const struct tw_record *last_log(void)
{
    const struct tw_records *all = read_all();
    const struct tw_record *found = NULL;
    for (size_t i = 0; i < all->count; i++)
        if (all->items[i].kind == TW_RECORD_LOG && (!found || all->items[i].order > found->order))
            found = &all->items[i];
    if (!found) fail_msg("no log");
    return found;
}

static int evaluations;
static int evaluated(void)
{
    return ++evaluations;
}

static void a_line_has_its_place_its_level_and_the_current_span(void **state)
{
    (void)state;
    tw_span span = tw_span_begin("request");
    tw_warning("%d of %d failed", 3, 4);
    uint32_t line = __LINE__ - 1;
    struct tw_context context;
    assert_true(tw_span_context(span, &context));
    const struct tw_record *log = last_log();
    assert_string_equal(message(log), "3 of 4 failed");
    assert_text_is(log->name, "%d of %d failed");
    assert_text_is(log->module, "test_log");
    assert_text_is(log->function, __func__);
    assert_int_equal(log->line, line);
    assert_int_equal(log->level, TW_LOG_WARNING);
    assert_memory_equal(log->trace_id, context.trace_id, 16);
    assert_memory_equal(log->span_id, context.span_id, 8);
    assert_int_equal(log->arg_count, 2);
    tw_span_end(span);
    assert_no_losses();
}

static void a_line_outside_of_any_span_has_no_trace(void **state)
{
    (void)state;
    static const uint8_t none[16];
    tw_error("alone %u", 1u);
    assert_memory_equal(last_log()->trace_id, none, 16);
    assert_memory_equal(last_log()->span_id, none, 8);
    assert_true(last_log()->tid != 0);
}

/* One format made by us later, and by the C library now; by a new site and by one that knows what it takes. */
#define SAME(...)                                                                                                      \
    for (int turn = 0; turn < 2; turn++) {                                                                             \
        char expected[4096];                                                                                           \
        (void)snprintf(expected, sizeof expected, __VA_ARGS__);                                                        \
        tw_info(__VA_ARGS__);                                                                                          \
        assert_string_equal(message(last_log()), expected);                                                            \
    }

static void texts_are_what_printf_makes(void **state)
{
    (void)state;
    int i = -42;
    const char *text = "text";
    SAME("plain");
    SAME("%d %i %u %x %X %o", i, i, 42u, 255u, 255u, 8u);
    SAME("%5d|%-5d|%05d|%+d|% d|%.3d", 7, 7, 7, 7, 7, 7);
    SAME("%ld %lu %lld %llu %zu %jd %td", -1L, 1UL, INT64_MIN + 0LL, 18446744073709551615ULL, (size_t)9, (intmax_t)-9,
         (ptrdiff_t)3);
    SAME("%hd %hu %hhd %hhu", (short)-3, (unsigned short)65535, (signed char)-3, (unsigned char)200);
    SAME("%f %.2f %e %g %G %a", 3.14159, 2.5, 12345.678, 0.0001, 1e20, 1.0);
    SAME("%Lf %10.3Lf", 3.5L, 2.25L);
    SAME("%s|%10s|%-10s|%.2s|%.*s", text, text, text, text, 3, text);
    SAME("%*d|%-*d|%*d", 6, 1, 6, 2, -6, 3);
    SAME("%c%c%%", 'a', 'b');
    SAME("%p", (void *)&i);
    SAME("%#x %#o", 255u, 8u);
    SAME("%ls", L"wide");
    SAME("%d %s %d", 1, text, 2);
    SAME("%f", 1e300);
    SAME("%.30f", 0.1);
    assert_no_losses();
}

static void a_text_that_is_not_there_is_null_and_the_errno_is_the_moments(void **state)
{
    (void)state;
    const char *volatile nothing = NULL;
    tw_info("%s", nothing ? nothing : (const char *)nothing);
    assert_string_equal(message(last_log()), "(null)");
    char expected[256];
    (void)snprintf(expected, sizeof expected, "open: %s", strerror(ENOENT));
    errno = ENOENT;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat" /* %m is not ISO C's */
    tw_info("open: %m");
#pragma GCC diagnostic pop
    assert_string_equal(message(last_log()), expected);
}

static void a_text_without_an_end_is_read_no_further_than_its_precision(void **state)
{
    (void)state;
    char *bytes = malloc(4); /* ASan sees a byte too many */
    assert_non_null(bytes);
    memcpy(bytes, "abcd", 4);
    tw_info("%.*s|%.4s", 4, bytes, bytes);
    assert_string_equal(message(last_log()), "abcd|abcd");
    free(bytes);
}

/* Into one chunk after the other, so that lines meet the end of one at every length. */
static void texts_of_every_length_are_whole_with_and_without_metadata(void **state)
{
    (void)state;
    enum { LENGTHS = 300, LINES = 4 * LENGTHS };
    char text[LENGTHS + 1];
    memset(text, 'x', LENGTHS);
    text[LENGTHS] = 0;
    for (int i = 0; i < LINES; i++) {
        const char *end = text + LENGTHS - i % LENGTHS; /* what was there before is longer: the padding shows it */
        if (i == LINES / 2) tw_meta_set(TW_ATTR("callid", "abc@example"), TW_ATTR("n", 70000));
        tw_info("%d: %s, %.1f%% of %s", i, end, 0.5, i % 7 ? "seven" : "");
    }
    tw_meta_clear();
    const struct tw_records *all = read_all();
    assert_int_equal(all->count, LINES);
    for (size_t i = 0; i < LINES; i++) {
        const struct tw_record *r = &all->items[i];
        char expected[LENGTHS + 50];
        (void)snprintf(expected, sizeof expected, "%zu: %s, 0.5%% of %s", i, text + LENGTHS - i % LENGTHS,
                       i % 7 ? "seven" : "");
        assert_string_equal(message(r), expected);
        assert_int_equal(r->tag_count, i < LINES / 2 ? 0 : 2);
        if (r->tag_count) assert_tag_str(r, "callid", "abc@example");
        if (r->tag_count) assert_int_equal(tag(r, "n")->value.i, 70000);
    }
    assert_int_equal(all->damaged, 0);
    assert_no_losses();
}

static void metadata_of_every_length_is_whole(void **state)
{
    (void)state;
    enum { LENGTHS = 300, LINES = 4 * LENGTHS };
    char text[LENGTHS + 1];
    memset(text, 'y', LENGTHS);
    text[LENGTHS] = 0;
    for (int i = 0; i < LINES; i++) {
        const char *end = text + LENGTHS - i % LENGTHS;
        tw_log_with(TW_LOG_INFO, (TW_ATTR("text", end), TW_ATTR("n", i), TW_ATTR("even", i % 2 == 0)), "%s %d", "line",
                    i);
    }
    const struct tw_records *all = read_all();
    assert_int_equal(all->count, LINES);
    for (size_t i = 0; i < LINES; i++) {
        const struct tw_record *r = &all->items[i];
        assert_int_equal(r->arg_count, 2);
        assert_int_equal(r->args[1].value.i, i);
        assert_int_equal(r->tag_count, 3);
        assert_tag_str(r, "text", text + LENGTHS - i % LENGTHS);
        assert_int_equal(tag(r, "n")->value.i, i);
        assert_int_equal(tag(r, "even")->value.u, i % 2 == 0);
    }
    assert_int_equal(all->damaged, 0);
    assert_no_losses();
}

#define TEN                                                                                                            \
    TW_ATTR("a", 1), TW_ATTR("b", 2), TW_ATTR("c", 3), TW_ATTR("d", 4), TW_ATTR("e", 5), TW_ATTR("f", 6),              \
        TW_ATTR("g", 7), TW_ATTR("h", 8), TW_ATTR("i", 9), TW_ATTR("j", 10)

static void metadata_beyond_64_keys_of_a_line_is_counted_each_time(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) tw_log_with(TW_LOG_INFO, (TEN, TEN, TEN, TEN, TEN, TEN, TEN), "many %d", i);
    const struct tw_records *all = read_all();
    assert_int_equal(all->count, 3);
    for (size_t i = 0; i < 3; i++) assert_int_equal(all->items[i].tag_count, 64);
    assert_int_equal(process_now().losses.cut_long, 3 * 6);
}

static void a_newline_at_the_end_is_left_out(void **state)
{
    (void)state;
    tw_info("line\n");
    assert_string_equal(message(last_log()), "line");
}

static void below_the_level_nothing_is_recorded_and_nothing_evaluated(void **state)
{
    (void)state;
    evaluations = 0;
    for (int i = 0; i < 3; i++) tw_debug("%d", evaluated());
    assert_int_equal(evaluations, 0);
    assert_int_equal(count_of_kind(read_all(), TW_RECORD_LOG), 0);
}

static void the_level_changes_at_run_time_in_both_directions(void **state)
{
    (void)state;
    evaluations = 0;
    for (int pass = 0; pass < 4; pass++) {
        tw_log_set_level(pass % 2 ? TW_LOG_DEBUG : TW_LOG_ERROR);
        assert_int_equal(tw_log_get_level(), pass % 2 ? TW_LOG_DEBUG : TW_LOG_ERROR);
        assert_int_equal(tw_log_enabled(TW_LOG_DEBUG), pass % 2);
        tw_debug("%d", evaluated());
        tw_warning("%d", evaluated());
        tw_error("always");
    }
    assert_int_equal(evaluations, 4);
    assert_int_equal(count_of_kind(read_all(), TW_RECORD_LOG), 8);
    tw_log_set_level(TW_LOG_NONE);
    tw_emergency("%d", evaluated());
    assert_int_equal(evaluations, 4);
    tw_log_set_level(TW_LOG_INFO);
}

static void switched_off_a_line_evaluates_nothing(void **state)
{
    (void)state;
    evaluations = 0;
    for (int pass = 0; pass < 2; pass++) {
        tw_error("%d", evaluated());
        assert_int_equal(tw_recorder_disable(), 0);
        tw_error("%d", evaluated());
        assert_false(tw_log_enabled(TW_LOG_EMERGENCY));
        assert_int_equal(tw_recorder_enable(), 0);
    }
    assert_int_equal(evaluations, 2);
}

static void metadata_of_the_line_goes_before_that_of_the_thread(void **state)
{
    (void)state;
    tw_meta_set(TW_ATTR("callid", "abc"), TW_ATTR("zone", "west"), TW_ATTR("n", 5));
    tw_log_with(TW_LOG_INFO, (TW_ATTR("request", 7), TW_ATTR("zone", "east")), "x %d", 1);
    const struct tw_record *log = last_log();
    assert_int_equal(log->arg_count, 1);
    assert_tag_str(log, "callid", "abc");
    assert_tag_str(log, "zone", "east");
    assert_int_equal(tag(log, "request")->value.i, 7);
    assert_int_equal(tag(log, "n")->type, TW_TYPE_INT);
    tw_meta_clear();
}

static void metadata_is_set_added_changed_removed_and_cleared(void **state)
{
    (void)state;
    tw_meta_set(TW_ATTR("a", 1), TW_ATTR("b", "two"));
    tw_meta_add("c", 3.5);
    tw_meta_add("a", "changed");
    tw_info("x");
    assert_int_equal(last_log()->tag_count, 3);
    assert_tag_str(last_log(), "a", "changed");
    tw_meta_remove("b");
    tw_meta_remove("never there");
    tw_info("x");
    assert_int_equal(last_log()->tag_count, 2);
    tw_meta_set(TW_ATTR("only", true));
    tw_info("x");
    assert_int_equal(last_log()->tag_count, 1);
    tw_meta_clear();
    tw_info("x");
    assert_int_equal(last_log()->tag_count, 0);
    assert_no_losses();
}

static void *has_none(void *data)
{
    tw_error("from another");
    tw_meta_set(TW_ATTR("mine", 1));
    tw_error("from another, with");
    return data;
}

static void metadata_is_the_threads_own(void **state)
{
    (void)state;
    tw_meta_set(TW_ATTR("a", 1));
    on_thread(has_none, NULL);
    const struct tw_records *all = read_all();
    assert_int_equal(the_of(all, "from another")->tag_count, 0);
    assert_int_equal(the_of(all, "from another, with")->tag_count, 1);
    tw_info("here");
    assert_int_equal(the("here")->tag_count, 1);
    tw_meta_clear();
}

static void metadata_beyond_its_room_is_counted_and_the_rest_kept(void **state)
{
    (void)state;
    static char text[900];
    memset(text, 'x', sizeof text - 1);
    tw_meta_set(TW_ATTR("first", text), TW_ATTR("second", text), TW_ATTR("third", 3));
    tw_info("x");
    assert_int_equal(last_log()->tag_count, 2);
    assert_losses((struct tw_losses){.cut_long = 1});
    tw_meta_clear();
}

static void long_texts_are_cut_and_say_so(void **state)
{
    (void)state;
    static char text[20000];
    memset(text, 'x', sizeof text - 1);
    tw_info("%s %s %s end %d", text, text, text, 7);
    const struct tw_record *log = last_log();
    assert_true(log->marks & TW_RECORD_CUT);
    assert_int_equal(log->arg_count, 4);
    assert_int_equal(log->args[0].text.len, TW_TEXT_MAX);
    assert_int_equal(log->args[0].full_len, sizeof text - 1);
    assert_int_equal(log->args[3].value.i, 7);
}

static void arguments_beyond_what_is_kept_are_missing(void **state)
{
    (void)state;
    tw_info("%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d %d", 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3,
            4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5, 33);
    assert_string_equal(message(last_log()), "12345678912345678912345678912345 <missing>");
}

static void vbridge(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void vbridge(int level, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    tw_vsyslog(level, format, args);
    va_end(args);
}

static void bridges_take_texts_formats_and_places(void **state)
{
    (void)state;
    tw_log_text(TW_LOG_NOTICE, "100%d", 5);
    assert_string_equal(message(last_log()), "100%d");
    assert_int_equal(last_log()->level, TW_LOG_NOTICE);
    vbridge(16 << 3 | TW_LOG_ERROR, "%s %d", "syslog", 3);
    assert_string_equal(message(last_log()), "syslog 3");
    assert_int_equal(last_log()->level, TW_LOG_ERROR);
    char name[] = "sqlite";
    tw_log_hook(name, TW_LOG_WARNING, "hooked");
    assert_text_is(last_log()->module, "sqlite");
    uint64_t then = wall_now() - SECOND;
    const struct tw_attr attr = TW_ATTR("k", "v");
    tw_log_at(&(struct tw_log_place){"a/b/mod.c", "fn", 77, then}, TW_LOG_ALERT, "placed", 6, &attr, 1);
    const struct tw_record *log = last_log();
    assert_text_is(log->module, "mod");
    assert_text_is(log->function, "fn");
    assert_int_equal(log->line, 77);
    assert_true(log->marks & TW_RECORD_OWN_TIME);
    assert_true(log->time_ns + SECOND / 100 > then && log->time_ns < then + SECOND / 100);
    assert_tag_str(log, "k", "v");
    tw_log_format(TW_LOG_DEBUG, "below the level %d", 1);
    assert_ptr_not_equal(strstr(message(last_log()), "placed"), NULL);
    assert_no_losses();
}

static void logs_of_a_trace_come_from_inside_too(void **state)
{
    (void)state;
    tw_span span = tw_span_begin("request");
    struct tw_context context;
    assert_true(tw_span_context(span, &context));
    tw_info("inside %d", 1);
    tw_span_end(span);
    tw_info("outside %d", 2);
    struct tw_records *records;
    assert_int_equal(tw_recorder_get_trace_id(context.trace_id, &records), 0);
    (void)kept(records);
    assert_int_equal(records->count, 2);
    assert_int_equal(count_of_kind(records, TW_RECORD_LOG), 1);
}

static void in_handler(int number)
{
    tw_error("signal %d in the middle of %s", number, "anything");
}

static void a_signal_handler_may_log(void **state)
{
    (void)state;
    tw_info("attached");
    assert_true(signal(SIGUSR1, in_handler) != SIG_ERR);
    assert_int_equal(raise(SIGUSR1), 0);
    assert_string_equal(message(last_log()), "signal 10 in the middle of anything");
    (void)signal(SIGUSR1, SIG_DFL);
}

static int logs_in_the_child(void)
{
    char path[256];
    struct tw_reader *reader;
    struct tw_records *records;
    tw_error("child %d", 1);
    MUST(tw_recorder_path(path, sizeof path) > 0);
    MUST(tw_reader_open(path, &reader, NULL) == 0);
    MUST(tw_reader_read(reader, &(struct tw_query){0}, &records) == 0);
    MUST(records->count == 1);
    MUST(records->items[0].tag_count == 1);
    char text[64];
    (void)tw_record_message(&records->items[0], text, sizeof text);
    MUST(strcmp(text, "child 1") == 0);
    tw_records_free(records);
    tw_reader_close(reader);
    return 0;
}

static void a_forked_child_logs_into_its_own_segment_with_the_metadata_of_its_thread(void **state)
{
    (void)state;
    tw_meta_set(TW_ATTR("from", "parent"));
    tw_error("parent %d", 1);
    in_child(logs_in_the_child);
    tw_meta_clear();
}

static void a_site_that_has_logged_logs_into_the_next_recording(void **state)
{
    (void)state;
    struct tw_config config = small_config();
    for (int i = 0; i < 3; i++) {
        tw_error("again %d", i);
        assert_string_equal(message(last_log()), i == 0 ? "again 0" : i == 1 ? "again 1" : "again 2");
        assert_int_equal(tw_shutdown(SECOND), 0);
        evaluations = 0;
        tw_error("ended %d", evaluated());
        assert_int_equal(evaluations, 0);
        assert_int_equal(tw_init(&config), 0);
    }
}

static void a_line_after_a_pause_is_whole(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        tw_info("%d of %u", i, 7u); /* the second finds that the chunk's lease has run out */
        tw_error("%s and %f", "text", 0.5);
        if (i == 0) (void)usleep(1200000);
    }
    const struct tw_records *all = read_all();
    assert_int_equal(count_of_kind(all, TW_RECORD_LOG), 4);
    assert_string_equal(message(&all->items[2]), "1 of 7");
    assert_string_equal(message(&all->items[3]), "text and 0.500000");
    assert_no_losses();
}

static void *logs_round_the_arena(void *data)
{
    for (int i = 0; i < 2 * ARENA / 32; i++) tw_info("filler %d", i);
    return data;
}

static void who_comes_back_too_late_does_not_write_into_a_chunk_of_another(void **state)
{
    (void)state;
    pthread_t thread;
    int last = -1;
    for (int i = 0; i < 3; i++) {
        tw_info("%d of mine", i);
        if (i > 0) continue;
        (void)usleep(2200000); /* a lease and its grace: now anybody may take the chunk */
        assert_int_equal(pthread_create(&thread, NULL, logs_round_the_arena, NULL), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
    const struct tw_records *all = read_all();
    assert_int_equal(all->damaged, 0);
    assert_string_equal(message(&all->items[all->count - 2]), "1 of mine");
    assert_string_equal(message(&all->items[all->count - 1]), "2 of mine");
    for (size_t i = 0; i + 2 < all->count; i++) {
        if (all->items[i].kind != TW_RECORD_LOG) continue;
        assert_text_is(all->items[i].name, "filler %d");
        int n = (int)all->items[i].args[0].value.i;
        assert_true(n > last); /* not last + 1: this thread's last lines have taken a chunk of them */
        last = n;
    }
    assert_int_equal(last, 2 * ARENA / 32 - 1);
}

static void levels_have_names(void **state)
{
    (void)state;
    int level = 99;
    assert_int_equal(tw_log_level_parse("Warning", &level), 0);
    assert_int_equal(level, TW_LOG_WARNING);
    assert_int_equal(tw_log_level_parse("err", &level), 0);
    assert_int_equal(level, TW_LOG_ERROR);
    assert_int_equal(tw_log_level_parse("none", &level), 0);
    assert_int_equal(level, TW_LOG_NONE);
    assert_int_equal(tw_log_level_parse("loud", &level), TW_ERR_SYNTAX);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(tw_log_level_parse(tw_log_level_name(i), &level), 0);
        assert_int_equal(level, i);
    }
}

enum { THREADS = 4, LINES = 20000 };

static void *logs_a_lot(void *data)
{
    for (int i = 0; i < LINES; i++) tw_info("%d of %s", i, "many");
    return data;
}

static void *changes_the_level(void *data)
{
    for (int i = 0; i < 2000; i++) tw_log_set_level(i % 2 ? TW_LOG_INFO : TW_LOG_ERROR);
    return data;
}

static void threads_log_at_once_while_the_level_changes(void **state)
{
    (void)state;
    pthread_t threads[THREADS + 1];
    for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&threads[i], NULL, logs_a_lot, NULL), 0);
    assert_int_equal(pthread_create(&threads[THREADS], NULL, changes_the_level, NULL), 0);
    for (int i = 0; i <= THREADS; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
    const struct tw_records *all = read_all();
    assert_int_equal(all->damaged, 0);
    for (size_t i = 0; i < all->count; i++) {
        char text[64], expected[64];
        (void)tw_record_message(&all->items[i], text, sizeof text);
        (void)snprintf(expected, sizeof expected, "%d of many", (int)all->items[i].args[0].value.i);
        assert_string_equal(text, expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RECORDING(a_line_has_its_place_its_level_and_the_current_span),
        RECORDING(a_line_outside_of_any_span_has_no_trace),
        RECORDING(texts_are_what_printf_makes),
        RECORDING(a_text_that_is_not_there_is_null_and_the_errno_is_the_moments),
        RECORDING(a_text_without_an_end_is_read_no_further_than_its_precision),
        RECORDING(texts_of_every_length_are_whole_with_and_without_metadata),
        RECORDING(metadata_of_every_length_is_whole),
        RECORDING(metadata_beyond_64_keys_of_a_line_is_counted_each_time),
        RECORDING(a_newline_at_the_end_is_left_out),
        RECORDING(below_the_level_nothing_is_recorded_and_nothing_evaluated),
        RECORDING(the_level_changes_at_run_time_in_both_directions),
        RECORDING(switched_off_a_line_evaluates_nothing),
        RECORDING(metadata_of_the_line_goes_before_that_of_the_thread),
        RECORDING(metadata_is_set_added_changed_removed_and_cleared),
        RECORDING(metadata_is_the_threads_own),
        RECORDING(metadata_beyond_its_room_is_counted_and_the_rest_kept),
        RECORDING(long_texts_are_cut_and_say_so),
        RECORDING(arguments_beyond_what_is_kept_are_missing),
        RECORDING(bridges_take_texts_formats_and_places),
        RECORDING(logs_of_a_trace_come_from_inside_too),
        RECORDING(a_signal_handler_may_log),
        RECORDING(a_forked_child_logs_into_its_own_segment_with_the_metadata_of_its_thread),
        RECORDING(a_site_that_has_logged_logs_into_the_next_recording),
        RECORDING(a_line_after_a_pause_is_whole),
        RECORDING(who_comes_back_too_late_does_not_write_into_a_chunk_of_another),
        RECORDING(levels_have_names),
        RECORDING(threads_log_at_once_while_the_level_changes),
    };
    return RUN_WITH_BOTH_CLOCKS("log", tests);
}
