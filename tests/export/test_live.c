/* Live traces that a program starts on itself: the vectors of lager's filters and levels, and what Kazoo's got wrong.
 *
 * The events and the expected selections are those of lager 3.9.2, as it was run; tests/filter has the same beside the
 * real one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include <trackway/call.h>
#include <trackway/live.h>
#include <trackway/trackway.h>

#define SECOND UINT64_C(1000000000)

static char folder[64], text[1 << 20];

static void go(int request)
{
    tw_log_with(TW_LOG_WARNING, (TW_ATTR("request", request)), "go %d", request);
}

static void other(void)
{
    tw_info("other");
}

static void md1(void)
{
    tw_meta_set(TW_ATTR("request", "fromprocess"), TW_ATTR("callid", "abc"));
    tw_debug("md1");
    tw_meta_clear();
}

static void md2(void)
{
    tw_log_with(TW_LOG_DEBUG, (TW_ATTR("request", 5)), "md2");
}

static void log_the_events(void)
{
    go(1);
    go(200);
    other();
    md1();
    md2();
}

static const char *read_file(const char *path)
{
    FILE *file = fopen(path, "r");
    if (!file) fail_msg("%s is not there", path);
    size_t len = fread(text, 1, sizeof text - 1, file);
    (void)fclose(file);
    text[len] = 0;
    return text;
}

/* What a live trace with these options writes of the events, its file removed. */
static const char *traced(const struct tw_live_options *options)
{
    char ref[TW_LIVE_REF_CAP], why[TW_WHY_MAX], file[TW_LIVE_FILE_CAP];
    if (tw_live_start(options, ref, why) != 0) fail_msg("%s", why);
    log_the_events();
    assert_int_equal(tw_live_stop(ref, file, sizeof file), 0);
    (void)read_file(file);
    (void)unlink(file);
    return text;
}

static void selects_at(const char *filter, const char *level, const char *expected)
{
    const char *got = traced(&(struct tw_live_options){.filter = filter, .level = level, .format = "[message, \" \"]"});
    char line[256];
    size_t n = 0;
    for (; *got && n + 1 < sizeof line; got++)
        if (*got != '\n') line[n++] = *got;
    line[n] = 0;
    if (strcmp(line, expected) != 0) fail_msg("%s at %s selected \"%s\" and not \"%s\"", filter, level, line, expected);
}

static void selects(const char *filter, const char *expected)
{
    selects_at(filter, "debug", expected);
}

static void filters_select_what_lager_selects(void **state)
{
    (void)state;
    selects("[{function, '*'}]", "go 1 go 200 other md1 md2 ");
    selects("[{module, test_live}, {function, go}]", "go 1 go 200 ");
    selects("[{request, '>', 100}]", "go 200 ");
    selects("[{request, '!=', 1}]", "go 200 md1 md2 ");
    selects("[{request, '!'}]", "other ");
    selects("[{all, [{request, '>', 0}, {request, '<', 100}]}]", "go 1 md2 ");
    selects("[{any, [{request, '=', 1}, {function, '=', other}]}]", "go 1 other ");
    selects("[{request, '*'}]", "go 1 go 200 md1 md2 ");
    selects("[{null, true}]", "go 1 go 200 other md1 md2 ");
    selects("[{null, false}]", "");
    selects("[{callid, <<\"abc\">>}]", "md1 ");
    selects("module=test_live function=go request>100", "go 200 ");
    selects("request=1 or function=other", "go 1 other ");
    selects("function=~^md", "md1 md2 ");
}

static void levels_select_what_lager_selects(void **state)
{
    (void)state;
    selects_at("[{null, true}]", "warning", "go 1 go 200 ");
    selects_at("[{null, true}]", "=info", "other ");
    selects_at("[{null, true}]", "!=info", "go 1 go 200 md1 md2 ");
    selects_at("[{null, true}]", "<=info", "other md1 md2 ");
    selects_at("[{null, true}]", "none", "");
    selects_at("level>=notice", "debug", "go 1 go 200 ");
}

/* Kazoo's /0 to /2 wrapped the format twice and wrote nothing. */
static void the_default_format_writes_the_default_lines_into_a_file_of_ones_own(void **state)
{
    (void)state;
    char ref[TW_LIVE_REF_CAP], file[TW_LIVE_FILE_CAP];
    struct stat st;
    assert_int_equal(tw_live_start(NULL, ref, NULL), 0);
    assert_int_equal(strlen(ref), 12);
    assert_int_equal(strspn(ref, "0123456789abcdef"), 12);
    go(1);
    md1();
    assert_int_equal(tw_live_stop(ref, file, sizeof file), 0);
    assert_int_equal(strlen(file), strlen("/tmp/") + 32 + strlen(".log"));
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    char expected[128];
    const char *got = read_file(file);
    const char *line = strstr(got, " [warning] |live test|0000000000|test_live:go:");
    assert_ptr_equal(line, got + strlen("HH:MM:SS.mmm"));
    (void)snprintf(expected, sizeof expected, " (%d) go 1\n", (int)getpid());
    assert_non_null(strstr(line, expected));
    assert_non_null(strstr(got, " [debug] |live test|abc|test_live:md1:"));
    (void)unlink(file);
}

static void a_second_stop_is_of_no_trace(void **state)
{
    (void)state;
    char ref[TW_LIVE_REF_CAP], file[TW_LIVE_FILE_CAP];
    assert_int_equal(tw_live_start(NULL, ref, NULL), 0);
    assert_int_equal(tw_live_stop(ref, file, sizeof file), 0);
    (void)unlink(file);
    assert_int_equal(tw_live_stop(ref, NULL, 0), TW_ERR_NOT_FOUND);
    assert_int_equal(tw_live_stop("nonsense", NULL, 0), TW_ERR_NOT_FOUND);
    assert_int_equal(tw_live_stop(NULL, NULL, 0), TW_ERR_NOT_FOUND);
}

/* lager threw exceptions, and Kazoo's server died of them with all its references. */
static void what_is_not_understood_is_an_error_in_words_and_harms_nothing(void **state)
{
    (void)state;
    static const struct tw_live_options bad[] = {
        {.filter = "[{request, '<>', 1}]"},
        {.filter = "[{null, maybe}]"},
        {.filter = "[{module"},
        {.filter = "request >"},
        {.format = "[time"},
        {.format = "{time"},
        {.level = "loud"},
        {.file = "/nowhere/at/all.log"},
        {.file = "/tmp"},
    };
    char ref[TW_LIVE_REF_CAP], why[TW_WHY_MAX], first[TW_LIVE_REF_CAP], file[TW_LIVE_FILE_CAP];
    struct tw_live_status status;
    assert_int_equal(tw_live_start(NULL, first, NULL), 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (tw_live_start(&bad[i], ref, why) >= 0)
            fail_msg("%s %s %s was taken", bad[i].filter, bad[i].format, bad[i].level);
        assert_true(strlen(why) > 0);
    }
    assert_int_equal(tw_live_look(0, &status), 0);
    assert_string_equal(status.ref, first);
    assert_int_equal(tw_live_stop(first, file, sizeof file), 0);
    (void)unlink(file);
}

/* The shell's trace_pid never matched: the metadata held another spelling. */
static void a_pid_matches_in_both_spellings(void **state)
{
    (void)state;
    char filter[64];
    (void)snprintf(filter, sizeof filter, "[{pid, %d}]", (int)getpid());
    selects(filter, "go 1 go 200 other md1 md2 ");
    (void)snprintf(filter, sizeof filter, "pid=%d", (int)getpid() + 1);
    selects(filter, "");
    const char *both[] = {"[{pid, \"<0.410.0>\"}]", "[{pid, \"0.410.0\"}]", "pid=0.410.0"};
    for (size_t i = 0; i < 3; i++) {
        char ref[TW_LIVE_REF_CAP], why[TW_WHY_MAX], file[TW_LIVE_FILE_CAP];
        if (tw_live_start(&(struct tw_live_options){.filter = both[i]}, ref, why) != 0) fail_msg("%s", why);
        tw_log_with(TW_LOG_INFO, (TW_ATTR("pid", "<0.410.0>")), "of a process inside");
        go(1);
        assert_int_equal(tw_live_stop(ref, file, sizeof file), 0);
        assert_non_null(strstr(read_file(file), "of a process inside"));
        assert_null(strstr(text, "go 1"));
        (void)unlink(file);
    }
}

static void spans_begin_and_end_in_order_of_time_with_what_lies_between(void **state)
{
    (void)state;
    char ref[TW_LIVE_REF_CAP], file[TW_LIVE_FILE_CAP];
    assert_int_equal(
        tw_live_start(&(struct tw_live_options){.filter = "[{null,true}]", .format = "[message, \"\\n\"]"}, ref, NULL),
        0);
    tw_span request = tw_span_begin("request");
    tw_span load = tw_span_begin("load");
    tw_info("loading");
    (void)usleep(50000); /* some steps, in which both are open */
    tw_event_tags("retry", TW_ATTR("attempt", 2));
    tw_mark("look here");
    tw_span_fail(load, "broken");
    tw_span_end(load);
    uint64_t id = tw_message_send(&(struct tw_message){.peer = "queue", .size = 5});
    tw_span_end(request);
    assert_int_equal(tw_live_stop(ref, file, sizeof file), 0);
    char *at = text, *end = NULL;
    (void)read_file(file);
    (void)unlink(file);
    const char *begins[] = {"begin request",  "begin load", "loading",       "retry attempt=2",
                            "mark look here", "end load ",  "send send id=", "end request "};
    for (size_t i = 0; i < sizeof begins / sizeof begins[0]; i++, at = end + 1) {
        end = strchr(at, '\n');
        assert_non_null(end);
        if (strncmp(at, begins[i], strlen(begins[i])) != 0) fail_msg("line %zu is %.*s", i, (int)(end - at), at);
    }
    assert_int_equal(*at, 0);
    assert_non_null(strstr(text, "ms error: broken\n"));
    assert_true(id != 0);
}

static void a_span_open_at_the_start_has_no_begin_but_an_end(void **state)
{
    (void)state;
    char ref[TW_LIVE_REF_CAP], file[TW_LIVE_FILE_CAP];
    tw_span before = tw_span_begin("before");
    assert_int_equal(tw_live_start(&(struct tw_live_options){.filter = "kind=begin or kind=end",
                                                             .format = "[kind, \" \", name, \"\\n\"]"},
                                   ref, NULL),
                     0);
    tw_span open = tw_span_begin("open");
    tw_span_end(before);
    assert_int_equal(tw_live_stop(ref, file, sizeof file), 0);
    assert_string_equal(read_file(file), "begin open\nend before\n");
    tw_span_end(open);
    (void)unlink(file);
}

static void metadata_and_json_have_everything(void **state)
{
    (void)state;
    const char *got = traced(&(struct tw_live_options){.filter = "request=200", .format = "json"});
    assert_non_null(strstr(got, "\"level\":\"warning\""));
    assert_non_null(strstr(got, "\"message\":\"go 200\""));
    assert_non_null(strstr(got, "\"module\":\"test_live\""));
    assert_non_null(strstr(got, "\"function\":\"go\""));
    assert_non_null(strstr(got, "\"request\":200"));
    assert_non_null(strstr(got, "\"service\":\"live test\""));
}

static void a_call_that_failed_is_a_warning(void **state)
{
    (void)state;
    static struct tw_entrypoint pay = {.name = "pay"};
    char ref[TW_LIVE_REF_CAP], file[TW_LIVE_FILE_CAP];
    struct tw_call call;
    const struct tw_live_options options = {
        .filter = "kind=request or kind=response", .level = "warning", .format = "[kind, \" \", severity, \"\\n\"]"};
    assert_int_equal(tw_live_start(&options, ref, NULL), 0);
    tw_call_begin(&call, &pay, NULL);
    tw_call_succeed(&call, NULL);
    tw_call_begin(&call, &pay, NULL);
    tw_call_fail(&call, &(struct tw_failure){.type = "NoMoney", .expected = true});
    assert_int_equal(tw_live_stop(ref, file, sizeof file), 0);
    assert_string_equal(read_file(file), "response warning\n");
    (void)unlink(file);
}

static void limits_end_it_by_itself(void **state)
{
    (void)state;
    char ref[TW_LIVE_REF_CAP], path[128];
    struct tw_live_status status = {0};
    (void)snprintf(path, sizeof path, "%s/limited.log", folder);
    const struct tw_live_options limits[] = {{.file = path, .format = "[message, \"\\n\"]", .lines = 7},
                                             {.file = path, .format = "[message, \"\\n\"]", .bytes = 70},
                                             {.file = path, .format = "[message, \"\\n\"]", .time_ns = SECOND / 20}};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(tw_live_start(&limits[i], ref, NULL), 0);
        bool ended = false;
        for (int tries = 0; tries < 6000 && !ended; tries++) {
            for (int k = 0; k < 10; k++) go(k);
            (void)usleep(10000);
            for (size_t s = 0; tw_live_look(s, &status) == 0; s++)
                if (strcmp(status.ref, ref) == 0 && status.state == TW_LIVE_ENDED) ended = true;
        }
        assert_true(ended);
        assert_int_equal(tw_live_stop(ref, NULL, 0), TW_ERR_NOT_FOUND);
        (void)read_file(path);
        assert_non_null(strstr(text, "trackway: ended: "));
        if (i == 0) assert_non_null(strstr(text, "go 6\ntrackway: ended: it has as many lines as were asked for\n"));
        assert_int_equal(unlink(path), 0);
    }
}

static void lines_over_the_rate_are_left_out_and_told(void **state)
{
    (void)state;
    char ref[TW_LIVE_REF_CAP], file[TW_LIVE_FILE_CAP];
    assert_int_equal(
        tw_live_start(&(struct tw_live_options){.format = "[message, \"\\n\"]", .lines_per_second = 3}, ref, NULL), 0);
    for (int i = 0; i < 10; i++) go(i);
    assert_int_equal(tw_live_stop(ref, file, sizeof file), 0);
    assert_string_equal(read_file(file), "go 0\ngo 1\ngo 2\ntrackway: 7 lines over the rate are left out\n");
    (void)unlink(file);
}

static void several_may_share_a_file(void **state)
{
    (void)state;
    char a[TW_LIVE_REF_CAP], b[TW_LIVE_REF_CAP], path[128];
    (void)snprintf(path, sizeof path, "%s/shared.log", folder);
    const struct tw_live_options one = {.file = path, .filter = "request<100", .format = "[\"a \", message, \"\\n\"]"};
    const struct tw_live_options two = {.file = path, .filter = "request>100", .format = "[\"b \", message, \"\\n\"]"};
    assert_int_equal(tw_live_start(&one, a, NULL), 0);
    assert_int_equal(tw_live_start(&two, b, NULL), 0);
    for (int i = 0; i < 100; i++) log_the_events();
    assert_int_equal(tw_live_clear(), 2);
    (void)read_file(path);
    size_t of_a = 0, of_b = 0, lines = 0;
    for (char *at = strtok(text, "\n"); at; at = strtok(NULL, "\n"), lines++) {
        of_a += strcmp(at, "a go 1") == 0 || strcmp(at, "a md2") == 0;
        of_b += strcmp(at, "b go 200") == 0;
    }
    assert_int_equal(of_a, 200);
    assert_int_equal(of_b, 100);
    assert_int_equal(lines, 300);
    (void)unlink(path);
}

static void a_file_that_is_there_is_appended_to_and_a_rotated_one_made_anew(void **state)
{
    (void)state;
    char ref[TW_LIVE_REF_CAP], path[128], old[140];
    (void)snprintf(path, sizeof path, "%s/rotated.log", folder);
    (void)snprintf(old, sizeof old, "%s.1", path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    (void)fputs("was there\n", file);
    (void)fclose(file);
    assert_int_equal(tw_live_start(&(struct tw_live_options){.file = path, .format = "[message, \"\\n\"]"}, ref, NULL),
                     0);
    go(1);
    for (int i = 0; i < 6000 && !strstr(read_file(path), "go 1"); i++) (void)usleep(10000);
    assert_string_equal(text, "was there\ngo 1\n");
    assert_int_equal(rename(path, old), 0);
    struct stat st;
    for (int i = 0; i < 6000 && stat(path, &st) != 0; i++) (void)usleep(10000);
    go(2);
    assert_int_equal(tw_live_stop(ref, NULL, 0), 0);
    assert_string_equal(read_file(path), "go 2\n");
    assert_string_equal(read_file(old), "was there\ngo 1\n");
    (void)unlink(path);
    (void)unlink(old);
}

/* A live trace of 300 lines into a file that takes 1,000 bytes: a limit on the size of files is a full disk without
 * root. */
static bool fill_the_disk(const char *name, char ref[TW_LIVE_REF_CAP], char path[128])
{
    const struct rlimit small = {1000, RLIM_INFINITY};
    struct tw_config config = {.dir = folder, .service = "full"};
    (void)snprintf(path, 128, "%s/%s", folder, name);
    if (tw_init(&config) != 0) return false;
    if (tw_live_start(&(struct tw_live_options){.file = path, .format = "[message, \"\\n\"]"}, ref, NULL) != 0)
        return false;
    (void)signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &small) != 0) return false;
    for (int i = 100000; i < 100300; i++) go(i);
    return true;
}

static int writes_until_the_disk_is_full(void)
{
    char ref[TW_LIVE_REF_CAP], path[128];
    struct tw_live_status status = {0};
    if (!fill_the_disk("full.log", ref, path)) return 1;
    if (tw_live_stop(ref, NULL, 0) != 0) return 4;
    const char *got = read_file(path);
    size_t len = strlen(got);
    if (len > 1000 || len < 900 || got[len - 1] != '\n') return 5; /* whole lines alone */
    if (tw_live_look(0, &status) != 0 || status.dropped != 300 - len / 10 || status.lines != len / 10) return 6;
    if (!strstr(status.problem, "File too large")) return 7;
    (void)unlink(path);
    return 0;
}

static int says_what_is_missing_when_there_is_room_again(void)
{
    char ref[TW_LIVE_REF_CAP], path[128], expected[80];
    struct tw_live_status status = {0};
    const struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY};
    if (!fill_the_disk("again.log", ref, path)) return 1;
    for (int i = 0; i < 6000 && status.lines + status.dropped < 300; i++) {
        (void)usleep(10000);
        if (tw_live_look(0, &status) != 0) return 4;
    }
    if (status.dropped == 0 || status.lines + status.dropped != 300) return 5;
    if (setrlimit(RLIMIT_FSIZE, &none) != 0) return 6;
    go(7);
    if (tw_live_stop(ref, NULL, 0) != 0) return 7;
    (void)snprintf(expected, sizeof expected, "\ntrackway: %d lines could not be written\n", (int)status.dropped);
    if (!strstr(read_file(path), expected) || !strstr(text, "\ngo 7\n")) return 8;
    (void)unlink(path);
    return 0;
}

static void in_a_child(int (*work)(void))
{
    pid_t child = fork();
    if (child == 0) _exit(work());
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void a_full_disk_gets_whole_lines_and_the_rest_is_counted(void **state)
{
    (void)state;
    in_a_child(writes_until_the_disk_is_full);
}

static void a_disk_with_room_again_is_told_what_it_did_not_take(void **state)
{
    (void)state;
    in_a_child(says_what_is_missing_when_there_is_room_again);
}

static void more_than_there_is_room_for_are_refused(void **state)
{
    (void)state;
    char ref[TW_LIVE_REF_CAP], why[TW_WHY_MAX], path[128];
    (void)snprintf(path, sizeof path, "%s/many.log", folder);
    for (int i = 0; i < TW_LIVE_MAX; i++)
        assert_int_equal(tw_live_start(&(struct tw_live_options){.file = path}, ref, why), 0);
    assert_int_equal(tw_live_start(&(struct tw_live_options){.file = path}, ref, why), TW_ERR_SPACE);
    assert_int_equal(tw_live_clear(), TW_LIVE_MAX);
    (void)unlink(path);
}

static void shutdown_ends_them_and_says_so(void **state)
{
    (void)state;
    char ref[TW_LIVE_REF_CAP], path[128];
    struct tw_config config = {.dir = folder, .service = "live test"};
    (void)snprintf(path, sizeof path, "%s/end.log", folder);
    assert_int_equal(tw_live_start(&(struct tw_live_options){.file = path, .format = "[message, \"\\n\"]"}, ref, NULL),
                     0);
    go(1);
    assert_int_equal(tw_shutdown(SECOND), 0);
    assert_string_equal(read_file(path), "go 1\ntrackway: ended: the process has ended its recording\n");
    assert_int_equal(tw_live_stop(ref, NULL, 0), TW_ERR_NOT_FOUND);
    (void)unlink(path);
    assert_int_equal(tw_init(&config), 0);
    selects("[{request, 1}]", "go 1 "); /* and begins again */
}

enum { THREADS = 3, EACH = 5000 };

static void *logs_in_order(void *data)
{
    for (int i = 0; i < EACH; i++) {
        tw_debug("%d %d", (int)(intptr_t)data, i);
        if (i % 64 == 0) (void)usleep(500); /* slower than the arena goes round */
    }
    return NULL;
}

static void lines_of_each_thread_are_in_order_and_none_is_missing(void **state)
{
    (void)state;
    char ref[TW_LIVE_REF_CAP], file[TW_LIVE_FILE_CAP];
    pthread_t threads[THREADS];
    int next[THREADS] = {0};
    assert_int_equal(tw_live_start(&(struct tw_live_options){.format = "[message, \"\\n\"]"}, ref, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, logs_in_order, (void *)(intptr_t)i), 0);
    for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(tw_live_stop(ref, file, sizeof file), 0);
    for (const char *at = read_file(file); *at; at = strchr(at, '\n') + 1) {
        int thread, number;
        assert_int_equal(sscanf(at, "%d %d", &thread, &number), 2);
        assert_in_range(thread, 0, THREADS - 1);
        assert_int_equal(number, next[thread]);
        next[thread]++;
    }
    for (int i = 0; i < THREADS; i++) assert_int_equal(next[i], EACH);
    (void)unlink(file);
}

static int setup(void **state)
{
    (void)state;
    struct tw_config config = {.dir = folder, .service = "live test"};
    return tw_init(&config);
}

static int teardown(void **state)
{
    (void)state;
    return tw_shutdown(SECOND);
}

#define LIVE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIVE(filters_select_what_lager_selects),
        LIVE(levels_select_what_lager_selects),
        LIVE(the_default_format_writes_the_default_lines_into_a_file_of_ones_own),
        LIVE(a_second_stop_is_of_no_trace),
        LIVE(what_is_not_understood_is_an_error_in_words_and_harms_nothing),
        LIVE(a_pid_matches_in_both_spellings),
        LIVE(spans_begin_and_end_in_order_of_time_with_what_lies_between),
        LIVE(a_span_open_at_the_start_has_no_begin_but_an_end),
        LIVE(metadata_and_json_have_everything),
        LIVE(a_call_that_failed_is_a_warning),
        LIVE(limits_end_it_by_itself),
        LIVE(lines_over_the_rate_are_left_out_and_told),
        LIVE(several_may_share_a_file),
        LIVE(a_file_that_is_there_is_appended_to_and_a_rotated_one_made_anew),
        LIVE(a_full_disk_gets_whole_lines_and_the_rest_is_counted),
        LIVE(a_disk_with_room_again_is_told_what_it_did_not_take),
        LIVE(more_than_there_is_room_for_are_refused),
        LIVE(shutdown_ends_them_and_says_so),
        LIVE(lines_of_each_thread_are_in_order_and_none_is_missing),
    };
    (void)snprintf(folder, sizeof folder, "/dev/shm/trackway-live-%d", (int)getpid());
    int failed = cmocka_run_group_tests_name("live", tests, NULL, NULL);
    (void)rmdir(folder);
    return failed;
}
