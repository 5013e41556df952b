/* Start, stop and what goes wrong there. Each test runs in a forked child, because the state belongs to the process;
 * the parent never calls the recorder. */
#define _GNU_SOURCE
#include "trace/recording.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOBODY = 65534 };

static const char *dir;

static int per_test_setup(void **state)
{
    (void)state;
    static const char *const ours[] = {
        "TRACKWAY",         "TRACKWAY_SERVICE",    "OTEL_SERVICE_NAME", "TRACKWAY_ARENA",      "TRACKWAY_KEEP",
        "TRACKWAY_PAYLOAD", "TRACKWAY_RANDOM_IDS", "TRACKWAY_DIR",      "TRACKWAY_DIAGNOSTICS"};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) (void)unsetenv(ours[i]);
    dir = private_dir();
    return setenv("TRACKWAY_DIR", dir, 1);
}

static int per_test_teardown(void **state)
{
    (void)state;
    remove_private_dir();
    return 0;
}

static size_t files_in(const char *folder)
{
    size_t n = 0;
    DIR *list = opendir(folder);
    for (const struct dirent *entry; list && (entry = readdir(list));) n += entry->d_name[0] != '.';
    if (list) (void)closedir(list);
    return n;
}

static struct {
    int calls, last;
    char text[256];
} told;

static void tell(void *data, int error, const char *text)
{
    if (data != &told) abort();
    told.calls++;
    told.last = error;
    (void)snprintf(told.text, sizeof told.text, "%s", text);
}

static struct tw_config telling(void)
{
    return (struct tw_config){.diagnostic = tell, .diagnostic_data = &told};
}

/* Recording is off for that reason, the program runs on, and nothing is left behind. */
static int is_off_because_of(int error)
{
    char text[256] = "", path[256] = "x";
    MUST(tw_recorder_error(text, sizeof text) == error);
    MUST(strncmp(text, "recording is off: ", 18) == 0);
    MUST(tw_recorder_error(NULL, 0) == error);
    MUST(!tw_recorder_is_enabled());
    MUST(tw_recorder_path(path, sizeof path) == 0 && path[0] == 0);
    tw_span span = tw_span_begin("span");
    MUST(!tw_span_is_open(span));
    tw_tag(span, "tag", 1);
    tw_event("event");
    tw_mark("mark");
    tw_span_end(span);
    struct tw_records *records;
    MUST(tw_recorder_dump_all(&records) == TW_ERR_OFF);
    MUST(tw_recorder_enable() == TW_ERR_OFF);
    MUST(!tw_recorder_is_enabled());
    return 0;
}

static size_t records_now(void)
{
    struct tw_records *records;
    if (tw_recorder_dump_all(&records) != 0) return SIZE_MAX;
    size_t n = records->count;
    tw_records_free(records);
    return n;
}

static bool service_is(const char *expected)
{
    char path[256], why[TW_WHY_MAX];
    struct tw_reader *reader;
    struct tw_process process;
    if (tw_recorder_path(path, sizeof path) <= 0 || tw_reader_open(path, &reader, why) != 0) return false;
    bool same = tw_reader_process(reader, &process) == 0 && process.service.len == strlen(expected) &&
                memcmp(process.service.ptr, expected, process.service.len) == 0;
    tw_reader_close(reader);
    return same;
}

/* -- start and stop */

static int needs_nothing(void)
{
    char path[256] = "";
    struct stat st;
    MUST(tw_recorder_is_enabled()); /* also before anything has begun */
    MUST(files_in(dir) == 0);
    tw_span_end(tw_span_begin("span"));
    MUST(tw_recorder_is_enabled());
    MUST(tw_recorder_error(NULL, 0) == 0);
    int len = tw_recorder_path(path, sizeof path);
    MUST(len > 0 && (size_t)len == strlen(path) && strncmp(path, dir, strlen(dir)) == 0);
    MUST(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
    MUST(records_now() == 1);
    MUST(tw_shutdown(SECOND) == 0);
    MUST(files_in(dir) == 0);
    return 0;
}

static void the_first_span_sets_everything_up(void **state)
{
    (void)state;
    in_child(needs_nothing);
}

static int init_first(void)
{
    struct tw_config config = small_config(), other = {.service = "other"};
    MUST(tw_shutdown(0) == TW_ERR_STATE); /* not begun */
    MUST(tw_init(&config) == 0);
    MUST(files_in(dir) == 1);
    char path[256], again[256];
    MUST(tw_recorder_path(path, sizeof path) > 0);
    MUST(tw_recorder_path(path, 5) == TW_ERR_SPACE);
    MUST(tw_init(&other) == TW_ERR_STATE);
    MUST(tw_init(NULL) == TW_ERR_STATE);
    MUST(tw_recorder_path(again, sizeof again) > 0 && strcmp(path, again) == 0);
    MUST(service_is("test"));
    tw_span_end(tw_span_begin("span"));
    MUST(records_now() == 1);
    MUST(tw_shutdown(SECOND) == 0);
    MUST(tw_shutdown(SECOND) == TW_ERR_STATE);
    MUST(tw_recorder_path(path, sizeof path) == 0);
    MUST(!tw_recorder_is_enabled());
    MUST(tw_recorder_error(NULL, 0) == 0);
    return 0;
}

static void of_several_inits_the_first_wins(void **state)
{
    (void)state;
    in_child(init_first);
}

static int small_struct(void)
{
    /* of a program compiled when the struct ended with dir: what is behind it is not read */
    struct tw_config config = {.struct_size = offsetof(struct tw_config, arena_bytes), .service = "old", .dir = dir};
    config.arena_bytes = 1;
    config.off = true;
    MUST(tw_init(&config) == 0);
    MUST(service_is("old"));
    return tw_shutdown(SECOND);
}

static void a_shorter_config_of_an_older_program_is_taken(void **state)
{
    (void)state;
    in_child(small_struct);
}

static int again_and_again(void)
{
    char path[256], last[256] = "";
    for (int i = 0; i < 20; i++) {
        struct tw_config config = small_config();
        MUST(tw_init(&config) == 0);
        tw_span outer = tw_span_begin("outer"), span = tw_span_begin("span");
        tw_tag(span, "key", "value");
        tw_tag(span, "round", i);
        tw_event("event");
        tw_span_end(span);
        tw_span_end(outer);
        struct tw_records *records;
        MUST(tw_recorder_dump_all(&records) == 0 && records->count == 3);
        static const char *const names[] = {"outer", "span", "event"};
        for (size_t r = 0; r < 3; r++) { /* sites that were registered in the first segment */
            MUST(records->items[r].name.len == strlen(names[r]));
            MUST(memcmp(records->items[r].name.ptr, names[r], strlen(names[r])) == 0);
            MUST(records->items[r].module.len == 9 && memcmp(records->items[r].module.ptr, "test_init", 9) == 0);
        }
        const struct tw_tag_value *tags = records->items[1].tags;
        MUST(records->items[1].tag_count == 2);
        MUST(tags[0].key.len == 3 && tags[0].text.len == 5 && memcmp(tags[0].text.ptr, "value", 5) == 0);
        MUST(tags[1].value.i == i);
        tw_records_free(records);
        MUST(tw_recorder_path(path, sizeof path) > 0 && strcmp(path, last) != 0);
        memcpy(last, path, sizeof last);
        MUST(tw_shutdown(SECOND) == 0);
        tw_span_end(tw_span_begin("between"));
        MUST(files_in(dir) == 0);
    }
    return 0;
}

static void sites_of_before_have_their_names_after_every_new_beginning(void **state)
{
    (void)state;
    in_child(again_and_again);
}

static bool bad_header(void *carrier, const char *name, unsigned index, const char **value, size_t *len)
{
    const char *bad = carrier;
    if (index > 0 || strcmp(name, "traceparent") != 0) return false;
    *value = bad;
    *len = strlen(bad);
    return true;
}

static void meet_a_bad_header(void)
{
    char bad[] = "00-nothing";
    struct tw_context context;
    struct tw_carried carried;
    (void)tw_extract(NULL, bad_header, bad, &context, &carried);
}

/* From the bytes, as docs/format/segment.md has them, in the file of the process. */
static uint64_t traceparents_dropped(void)
{
    char path[512];
    uint64_t found = 0;
    if (tw_recorder_path(path, sizeof path) <= 0) return UINT64_MAX;
    int fd = open(path, O_RDONLY);
    if (pread(fd, &found, sizeof found, 1232) != (ssize_t)sizeof found) found = UINT64_MAX;
    close(fd);
    return found;
}

static int drops_in_a_child_too(void)
{
    struct tw_drops drops;
    meet_a_bad_header();
    MUST(tw_init(NULL) == 0);
    MUST(traceparents_dropped() == 1);
    meet_a_bad_header();
    MUST(traceparents_dropped() == 2);
    pid_t pid = fork();
    if (pid == 0) {
        meet_a_bad_header();
        tw_event("begins a recording");
        bool own = traceparents_dropped() == 1;
        tw_propagation_drops(&drops);
        _exit(own && drops.traceparent == 1 ? 0 : 1);
    }
    int status = 1;
    MUST(waitpid(pid, &status, 0) == pid && status == 0);
    tw_propagation_drops(&drops);
    MUST(drops.traceparent == 2 && traceparents_dropped() == 2);
    MUST(tw_shutdown(SECOND) == 0);
    meet_a_bad_header();
    MUST(tw_init(NULL) == 0 && traceparents_dropped() == 3);
    return 0;
}

static void what_is_dropped_of_headers_stands_in_the_recording_of_the_process_that_met_them(void **state)
{
    (void)state;
    in_child(drops_in_a_child_too);
}

static atomic_bool stop;

static void *records_on(void *data)
{
    while (!atomic_load(&stop)) {
        tw_span outer = tw_span_begin("outer"), inner = tw_span_begin("inner");
        tw_tag(inner, "number", 1);
        tw_tag(inner, "literal", "literal");
        tw_span_set_str(inner, "text", "text");
        tw_event_tags("event", TW_ATTR("n", 1));
        inner = tw_span_lap(inner, "next");
        tw_span_end(inner);
        tw_span_end(outer);
    }
    return data;
}

static int with_threads_running(void)
{
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) MUST(pthread_create(&threads[i], NULL, records_on, NULL) == 0);
    for (int round = 0; round < 60; round++) {
        struct tw_config config = small_config();
        int result = tw_init(&config);
        MUST(result == 0 || result == TW_ERR_STATE);
        struct tw_records *records;
        tw_span_end(tw_span_begin("mine"));
        MUST(tw_recorder_dump_all(&records) == 0);
        MUST(records->damaged == 0);
        for (size_t i = 0; i < records->count; i++) {
            struct tw_text name = records->items[i].name;
            MUST((name.len == 5 && (memcmp(name.ptr, "outer", 5) == 0 || memcmp(name.ptr, "inner", 5) == 0 ||
                                    memcmp(name.ptr, "event", 5) == 0)) ||
                 (name.len == 4 && (memcmp(name.ptr, "next", 4) == 0 || memcmp(name.ptr, "mine", 4) == 0)));
        }
        tw_records_free(records);
        MUST(tw_shutdown(SECOND) == 0);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 3; i++) MUST(pthread_join(threads[i], NULL) == 0);
    MUST(files_in(dir) == 0);
    return 0;
}

static void recording_may_end_and_begin_while_other_threads_record(void **state)
{
    (void)state;
    in_child(with_threads_running);
}

static atomic_bool begun;

static void *exits_after_the_end(void *data)
{
    (void)data;
    (void)tw_span_begin("open");
    atomic_store(&begun, true);
    while (!atomic_load(&stop)) {
    }
    return NULL;
}

static int threads_that_end_later(void)
{
    pthread_t thread;
    struct tw_config config = small_config();
    MUST(tw_init(&config) == 0);
    MUST(pthread_create(&thread, NULL, exits_after_the_end, NULL) == 0);
    while (!atomic_load(&begun)) {
    }
    MUST(tw_shutdown(SECOND) == 0);
    MUST(tw_init(&config) == 0);
    atomic_store(&stop, true);
    MUST(pthread_join(thread, NULL) == 0);
    tw_span_end(tw_span_begin("span"));
    MUST(records_now() == 1);
    return tw_shutdown(SECOND);
}

static void a_thread_may_exit_after_its_segment(void **state)
{
    (void)state;
    in_child(threads_that_end_later);
}

static int keeps(void)
{
    struct tw_config config = small_config();
    char path[256], why[TW_WHY_MAX];
    config.keep_file = true;
    MUST(tw_init(&config) == 0);
    tw_span_end(tw_span_begin("ended"));
    (void)tw_span_begin("open");
    MUST(tw_recorder_path(path, sizeof path) > 0);
    MUST(tw_shutdown(SECOND) == 0);
    struct tw_reader *reader;
    struct tw_records *records;
    struct tw_process process;
    MUST(tw_reader_open(path, &reader, why) == 0);
    MUST(tw_reader_process(reader, &process) == 0);
    MUST(process.state == TW_PROCESS_EXITED && !process.recording && process.open_spans == 1);
    MUST(tw_reader_read(reader, &(struct tw_query){.open_spans = true}, &records) == 0);
    MUST(records->count == 2);
    tw_records_free(records);
    tw_reader_close(reader);
    return 0;
}

static void a_kept_file_shows_what_was_open_at_the_end(void **state)
{
    (void)state;
    in_child(keeps);
}

static int exits_cleanly(void)
{
    tw_span_end(tw_span_begin("span"));
    return 0;
}

/* in_child leaves by _exit, which runs no destructors. */
static int forks_and_exits(void)
{
    int status;
    for (int keep = 0; keep < 2; keep++) {
        MUST(setenv("TRACKWAY_KEEP", keep ? "1" : "0", 1) == 0);
        pid_t pid = fork();
        MUST(pid >= 0);
        if (pid == 0) exit(exits_cleanly());
        MUST(waitpid(pid, &status, 0) == pid && status == 0);
        MUST(files_in(dir) == (size_t)keep);
    }
    return 0;
}

static void a_clean_exit_removes_the_file_unless_it_is_to_be_kept(void **state)
{
    (void)state;
    in_child(forks_and_exits);
}

/* -- the environment */

static int service_from_environment(void)
{
    MUST(setenv("OTEL_SERVICE_NAME", "otel", 1) == 0);
    MUST(tw_init(NULL) == 0 && service_is("otel") && tw_shutdown(SECOND) == 0);
    MUST(setenv("TRACKWAY_SERVICE", "ours", 1) == 0);
    MUST(tw_init(NULL) == 0 && service_is("ours") && tw_shutdown(SECOND) == 0);
    struct tw_config config = {.service = "config"};
    MUST(tw_init(&config) == 0 && service_is("config") && tw_shutdown(SECOND) == 0);
    MUST(setenv("TRACKWAY_SERVICE", "", 1) == 0 && unsetenv("OTEL_SERVICE_NAME") == 0);
    MUST(tw_init(NULL) == 0 && service_is("trace.test_init") && tw_shutdown(SECOND) == 0);
    return 0;
}

static void the_service_is_named_by_config_environment_or_program(void **state)
{
    (void)state;
    in_child(service_from_environment);
}

static int arena_sizes(void)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {{"512K", 512 << 10},  {"1M", 1 << 20},   {"1048576", 1 << 20}, {"2m", 2 << 20},
                {"600kB", 600 << 10}, {"3MiB", 3 << 20}, {"", 16 << 20}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct tw_stats stats;
        MUST(setenv("TRACKWAY_ARENA", good[i].text, 1) == 0);
        MUST(tw_init(NULL) == 0);
        MUST(tw_recorder_stats(&stats) == 0 && stats.process.arena_bytes == good[i].bytes);
        MUST(tw_shutdown(SECOND) == 0);
    }
    static const struct {
        const char *text;
        int error;
    } bad[] = {{"abc", TW_ERR_SYNTAX},  {"M", TW_ERR_SYNTAX},
               {"-1", TW_ERR_SYNTAX},   {"1MM", TW_ERR_SYNTAX},
               {" 1M", TW_ERR_SYNTAX},  {"0", TW_ERR_RANGE},
               {"511K", TW_ERR_RANGE},  {"5G", TW_ERR_RANGE},
               {"1.5M", TW_ERR_SYNTAX}, {"99999999999999999999999", TW_ERR_RANGE}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[256];
        MUST(setenv("TRACKWAY_ARENA", bad[i].text, 1) == 0);
        MUST(tw_init(NULL) == bad[i].error);
        MUST(tw_recorder_error(text, sizeof text) == bad[i].error && strstr(text, "TRACKWAY_ARENA"));
        MUST(is_off_because_of(bad[i].error) == 0);
    }
    struct tw_config config = {.arena_bytes = 1};
    MUST(tw_init(&config) == TW_ERR_RANGE);
    config.arena_bytes = 1 << 20; /* config wins */
    MUST(tw_init(&config) == 0);
    MUST(tw_recorder_error(NULL, 0) == 0);
    return tw_shutdown(SECOND);
}

static void the_arena_size_is_read_with_its_unit_and_bad_ones_switch_off(void **state)
{
    (void)state;
    in_child(arena_sizes);
}

static int bad_without_init(void)
{
    MUST(setenv("TRACKWAY_ARENA", "many", 1) == 0);
    tw_span span = tw_span_begin("span");
    MUST(!tw_span_is_open(span));
    tw_span_end(span);
    return is_off_because_of(TW_ERR_SYNTAX);
}

static void a_bad_environment_leaves_a_program_that_calls_nothing_running(void **state)
{
    (void)state;
    in_child(bad_without_init);
}

static int payloads(void)
{
    static const struct {
        const char *text;
        uint64_t kept;
    } cases[] = {{"0", 0}, {"3", 3}, {"1K", 1024}, {"100M", TW_TEXT_MAX}};
    static char bytes[8000];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tw_records *records;
        MUST(setenv("TRACKWAY_PAYLOAD", cases[i].text, 1) == 0);
        MUST(tw_init(NULL) == 0);
        (void)tw_message_send(&(struct tw_message){.bytes = bytes, .byte_count = sizeof bytes, .size = sizeof bytes});
        MUST(tw_recorder_dump_all(&records) == 0 && records->count == 1);
        uint64_t kept_bytes = 0;
        for (size_t t = 0; t < records->items[0].tag_count; t++)
            if (records->items[0].tags[t].type == TW_TYPE_BYTES) kept_bytes = records->items[0].tags[t].text.len;
        MUST(kept_bytes == cases[i].kept);
        tw_records_free(records);
        MUST(tw_shutdown(SECOND) == 0);
    }
    MUST(setenv("TRACKWAY_PAYLOAD", "all", 1) == 0);
    MUST(tw_init(NULL) == TW_ERR_SYNTAX);
    return is_off_because_of(TW_ERR_SYNTAX);
}

static void the_payload_option_is_off_by_default_and_bounded(void **state)
{
    (void)state;
    in_child(payloads);
}

static int off_words(void)
{
    static const char *const off[] = {"off", "0", "no", "false", "OFF"};
    for (size_t i = 0; i < sizeof off / sizeof *off; i++) {
        MUST(setenv("TRACKWAY", off[i], 1) == 0);
        MUST(tw_init(NULL) == TW_ERR_OFF);
        MUST(is_off_because_of(TW_ERR_OFF) == 0);
    }
    MUST(files_in(dir) == 0);
    static const char *const on[] = {"on", "1", ""};
    for (size_t i = 0; i < sizeof on / sizeof *on; i++) {
        MUST(setenv("TRACKWAY", on[i], 1) == 0);
        MUST(tw_init(NULL) == 0);
        MUST(tw_shutdown(SECOND) == 0);
    }
    struct tw_config config = {.off = true};
    MUST(tw_init(&config) == TW_ERR_OFF);
    return is_off_because_of(TW_ERR_OFF);
}

static void switched_off_nothing_is_made(void **state)
{
    (void)state;
    in_child(off_words);
}

static int off_without_init(void)
{
    MUST(setenv("TRACKWAY", "off", 1) == 0);
    tw_span_end(tw_span_begin("span"));
    MUST(files_in(dir) == 0);
    return is_off_because_of(TW_ERR_OFF);
}

static void switched_off_by_the_environment_the_first_span_finds_it(void **state)
{
    (void)state;
    in_child(off_without_init);
}

/* -- what goes wrong */

static int no_folder(void)
{
    struct tw_config config = telling();
    char long_dir[400];
    memset(long_dir, 'd', sizeof long_dir);
    long_dir[0] = '/';
    long_dir[sizeof long_dir - 1] = 0;
    config.dir = "/proc/nonexistent/folder";
    MUST(tw_init(&config) == TW_ERR_SYSTEM);
    MUST(is_off_because_of(TW_ERR_SYSTEM) == 0);
    config.dir = "/dev/null";
    MUST(tw_init(&config) == TW_ERR_SYSTEM);
    config.dir = long_dir;
    MUST(tw_init(&config) == TW_ERR_RANGE);
    long_dir[200] = 0; /* the folder's name fits, the file's does not */
    config.dir = long_dir;
    MUST(tw_init(&config) < 0);
    config.dir = dir;
    config.arena_bytes = 1 << 20;
    MUST(tw_init(&config) == 0); /* all of that can be tried again */
    MUST(tw_recorder_error(NULL, 0) == 0);
    tw_span_end(tw_span_begin("span"));
    MUST(records_now() == 1);
    return tw_shutdown(SECOND);
}

static void a_folder_that_is_none_switches_off_and_can_be_tried_again(void **state)
{
    (void)state;
    in_child(no_folder);
}

static int after_a_failure_the_environment(void)
{
    struct tw_config config = {.dir = "/proc/nonexistent/folder", .service = "config"};
    MUST(tw_init(&config) == TW_ERR_SYSTEM);
    MUST(setenv("TRACKWAY_SERVICE", "environment", 1) == 0);
    MUST(tw_init(NULL) == 0); /* all from the environment, nothing from what failed */
    MUST(service_is("environment"));
    return tw_shutdown(SECOND);
}

static void init_without_a_config_takes_nothing_from_one_that_failed(void **state)
{
    (void)state;
    in_child(after_a_failure_the_environment);
}

static int tells_once(void)
{
    struct tw_config config = telling();
    config.dir = "/proc/nonexistent/folder";
    for (int i = 0; i < 3; i++) MUST(tw_init(&config) == TW_ERR_SYSTEM);
    MUST(told.calls == 1 && told.last == TW_ERR_SYSTEM && strstr(told.text, "folder"));
    config.arena_bytes = 1;
    for (int i = 0; i < 3; i++) MUST(tw_init(&config) == TW_ERR_RANGE);
    MUST(told.calls == 2 && told.last == TW_ERR_RANGE && strstr(told.text, "TRACKWAY_ARENA"));
    config.off = true;
    config.arena_bytes = 0;
    for (int i = 0; i < 3; i++) MUST(tw_init(&config) == TW_ERR_OFF);
    MUST(strcmp(told.text, "recording is off: switched off by configuration") == 0);
    MUST(told.calls == 3 && told.last == TW_ERR_OFF);
    config = telling();
    config.dir = dir;
    config.arena_bytes = 1 << 20;
    MUST(tw_init(&config) == 0);
    MUST(told.calls == 3);
    MUST(tw_init(NULL) == TW_ERR_STATE); /* and no problem: the caller is told */
    MUST(told.calls == 3);
    return tw_shutdown(SECOND);
}

static void the_callback_is_told_once_for_each_distinct_problem(void **state)
{
    (void)state;
    in_child(tells_once);
}

static int short_of_text(void)
{
    char text[8];
    struct tw_config config = {.dir = "/proc/nonexistent/folder"};
    memset(text, 'x', sizeof text);
    MUST(tw_init(&config) == TW_ERR_SYSTEM);
    MUST(tw_recorder_error(text, 5) == TW_ERR_SYSTEM);
    MUST(strcmp(text, "reco") == 0 && text[5] == 'x');
    MUST(tw_recorder_error(text, 0) == TW_ERR_SYSTEM && text[0] == 'r');
    return 0;
}

static void the_reason_is_cut_to_the_room_given(void **state)
{
    (void)state;
    in_child(short_of_text);
}

static int tells_a_file(void)
{
    char file[128], said[512] = "", expected[256];
    struct stat st;
    (void)snprintf(file, sizeof file, "%s/notes", dir);
    MUST(setenv("TRACKWAY_DIAGNOSTICS", file, 1) == 0 && setenv("TRACKWAY_ARENA", "lots", 1) == 0);
    errno = 7;
    tw_span_end(tw_span_begin("span")); /* nobody has called tw_init */
    tw_span_end(tw_span_begin("span"));
    MUST(errno == 7);
    (void)snprintf(expected, sizeof expected, " %u: recording is off: TRACKWAY_ARENA", (unsigned)getpid());
    FILE *notes = fopen(file, "r");
    MUST(notes && fread(said, 1, sizeof said - 1, notes) > 0);
    MUST(fclose(notes) == 0);
    MUST(strncmp(said, "trackway: ", 10) == 0 && strstr(said, expected));
    MUST(strchr(said, '\n') == said + strlen(said) - 1); /* once */
    MUST(stat(file, &st) == 0 && (st.st_mode & 0777) == 0600);
    struct tw_config config = small_config();
    MUST(setenv("TRACKWAY_DIAGNOSTICS", dir, 1) == 0 && setenv("TRACKWAY_EXPORTER", "pigeon", 1) == 0);
    MUST(tw_init(&config) == 0); /* a folder cannot be written: nobody hears of the pigeon */
    return 0;
}

static void what_is_wrong_is_appended_to_a_file_that_was_asked_for(void **state)
{
    (void)state;
    in_child(tells_a_file);
}

static int as_nobody(void)
{
    char inside[128];
    struct stat st;
    if (geteuid() != 0) return 77;
    (void)snprintf(inside, sizeof inside, "%s/of-nobody", dir);
    struct tw_config config = telling();
    config.arena_bytes = 1 << 20;
    config.dir = inside; /* in a folder of root's, mode 0700: cannot be made */
    MUST(setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
    MUST(tw_init(&config) == TW_ERR_PERMISSION);
    MUST(told.calls == 1 && told.last == TW_ERR_PERMISSION && strstr(told.text, inside));
    MUST(is_off_because_of(TW_ERR_PERMISSION) == 0);
    config.dir = "/dev/shm"; /* others may write there: a trap could be waiting */
    MUST(tw_init(&config) == TW_ERR_PERMISSION);
    config.dir = dir; /* of somebody else */
    MUST(tw_init(&config) == TW_ERR_PERMISSION);
    MUST(stat("/dev/shm", &st) == 0);
    return 0;
}

static void without_permission_recording_is_off_and_says_so(void **state)
{
    (void)state;
    in_child(as_nobody);
}

static int a_tmpfs_of(const char *size, char place[128])
{
    char options[64];
    (void)snprintf(place, 128, "%s/small", dir);
    (void)snprintf(options, sizeof options, "size=%s,mode=0700", size);
    if (geteuid() != 0 || unshare(CLONE_NEWNS) != 0) return 77;
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) return 77;
    if (mkdir(place, 0700) != 0 || mount("tmpfs", place, "tmpfs", 0, options) != 0) return 77;
    return 0;
}

static int full_at_start(void)
{
    char place[128];
    int cannot = a_tmpfs_of("600k", place);
    if (cannot) return cannot;
    struct tw_config config = telling();
    config.dir = place;
    config.arena_bytes = 1 << 20;
    MUST(tw_init(&config) == TW_ERR_SPACE);
    MUST(told.calls == 1 && strstr(told.text, "tmpfs") && strstr(told.text, place));
    MUST(is_off_because_of(TW_ERR_SPACE) == 0);
    MUST(files_in(place) == 0); /* nothing is left behind, and its memory neither */
    MUST(tw_init(&config) == TW_ERR_SPACE);
    MUST(umount(place) == 0 && rmdir(place) == 0);
    return 0;
}

static void a_full_tmpfs_at_the_start_switches_off(void **state)
{
    (void)state;
    in_child(full_at_start);
}

static void *records_one(void *data)
{
    tw_span_end(tw_span_begin("of a further thread"));
    return data;
}

static int full_later(void)
{
    char place[128], filler[160];
    int cannot = a_tmpfs_of("2m", place);
    if (cannot) return cannot;
    struct tw_config config = telling();
    config.dir = place;
    config.arena_bytes = 1 << 20;
    MUST(tw_init(&config) == 0);
    tw_span_end(tw_span_begin("while there is room"));
    (void)snprintf(filler, sizeof filler, "%s/filler", place);
    int fd = open(filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    static char bytes[4096];
    while (write(fd, bytes, sizeof bytes) > 0) {
    }
    MUST(close(fd) == 0);

    for (int i = 0; i < 50000; i++) tw_span_end(tw_span_begin("the arena has its memory")); /* twice around */
    pthread_t thread;
    MUST(pthread_create(&thread, NULL, records_one, NULL) == 0); /* its block has none */
    MUST(pthread_join(thread, NULL) == 0);
    for (int i = 0; i < 20000; i++) { /* nor has the dictionary, at some point */
        char key[32];
        (void)snprintf(key, sizeof key, "key number %d", i);
        tw_span span = tw_span_begin("span");
        tw_span_set_int(span, key, i);
        tw_span_end(span);
    }
    MUST(tw_recorder_set_buffer_size(1000000) == TW_ERR_SPACE); /* the old size stays */
    struct tw_stats stats;
    MUST(tw_recorder_stats(&stats) == 0);
    MUST(stats.process.arena_bytes == 1 << 20 && stats.buffer_events == 0);
    MUST(stats.process.losses.no_thread >= 1);
    MUST(stats.process.losses.no_dictionary > 0);
    MUST(stats.process.losses.no_chunk == 0);
    MUST(tw_recorder_is_enabled());
    MUST(unlink(filler) == 0);
    MUST(pthread_create(&thread, NULL, records_one, NULL) == 0); /* there is room again */
    MUST(pthread_join(thread, NULL) == 0);
    struct tw_records *records;
    MUST(tw_recorder_dump_all(&records) == 0);
    MUST(count_of(records, "of a further thread") == 1);
    tw_records_free(records);
    return tw_shutdown(SECOND); /* what is mounted goes with the namespace */
}

static void a_tmpfs_that_fills_up_later_costs_what_needs_memory_and_no_more(void **state)
{
    (void)state;
    in_child(full_later);
}

static int no_file_descriptors(void)
{
    struct rlimit none = {3, 3};
    struct tw_config config = small_config();
    MUST(setrlimit(RLIMIT_NOFILE, &none) == 0);
    MUST(tw_init(&config) == TW_ERR_SYSTEM);
    return is_off_because_of(TW_ERR_SYSTEM);
}

static void without_a_file_descriptor_recording_is_off(void **state)
{
    (void)state;
    in_child(no_file_descriptors);
}

static int one_file_limit(void)
{
    struct rlimit small = {1 << 20, 1 << 20};
    struct tw_config config = small_config();
    (void)signal(SIGXFSZ, SIG_IGN);
    MUST(setrlimit(RLIMIT_FSIZE, &small) == 0);
    MUST(tw_init(&config) == TW_ERR_SPACE);
    MUST(files_in(dir) == 0);
    return is_off_because_of(TW_ERR_SPACE);
}

static void a_limit_on_file_sizes_is_a_lack_of_space(void **state)
{
    (void)state;
    in_child(one_file_limit);
}

static int keeps_no_descriptor_and_errno(void)
{
    int before = dup(0), after;
    (void)close(before);
    struct tw_config config = small_config();
    errno = 77;
    MUST(tw_init(&config) == 0);
    tw_span_end(tw_span_begin("span"));
    MUST(errno == 77);
    after = dup(0);
    (void)close(after);
    MUST(before == after);
    config.dir = "/proc/nonexistent/folder";
    MUST(tw_shutdown(SECOND) == 0);
    errno = 77;
    MUST(tw_init(&config) == TW_ERR_SYSTEM);
    MUST(errno == 77);
    return 0;
}

static void the_programs_errno_and_descriptors_are_left_alone(void **state)
{
    (void)state;
    in_child(keeps_no_descriptor_and_errno);
}

static int disabled_before_the_first_use(void)
{
    MUST(tw_recorder_disable() == 0);
    tw_span_end(tw_span_begin("span"));
    MUST(files_in(dir) == 0); /* and nothing was made for it */
    MUST(tw_recorder_enable() == 0);
    MUST(files_in(dir) == 1);
    tw_span_end(tw_span_begin("span"));
    MUST(records_now() == 1);
    return tw_shutdown(SECOND);
}

static void recording_may_be_disabled_before_it_has_begun(void **state)
{
    (void)state;
    in_child(disabled_before_the_first_use);
}

static int forked(void)
{
    struct tw_config config = small_config();
    int status;
    MUST(tw_init(&config) == 0);
    tw_span open = tw_span_begin("of the parent");
    tw_task task = {0};
    tw_context_switch(&task);
    tw_span suspended = tw_span_begin("suspended");
    tw_context_switch(&task);
    pid_t pid = fork();
    MUST(pid >= 0);
    if (pid == 0) {
        struct tw_records *records;
        char path[256];
        MUST(tw_recorder_path(path, sizeof path) == 0);
        MUST(!tw_span_is_open(open) && !tw_span_current().slot);
        tw_tag(open, "tag", 1);
        tw_span_end(open);
        tw_context_switch(&task); /* brings what was the parent's */
        MUST(!tw_span_current().slot);
        tw_span_end(suspended);
        tw_span_end(tw_span_begin("of the child"));
        MUST(tw_recorder_dump_all(&records) == 0);
        MUST(records->count == 1 && count_of(records, "of the child") == 1);
        tw_records_free(records);
        MUST(service_is("test")); /* the same settings */
        _exit(tw_shutdown(SECOND));
    }
    MUST(waitpid(pid, &status, 0) == pid && status == 0);
    MUST(tw_span_is_open(open));
    tw_span_end(open);
    tw_span_end(suspended);
    MUST(records_now() == 2);
    return tw_shutdown(SECOND);
}

static void a_forked_child_begins_anew_and_its_parent_goes_on(void **state)
{
    (void)state;
    in_child(forked);
}

#define ALONE(test) cmocka_unit_test_setup_teardown(test, per_test_setup, per_test_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ALONE(the_first_span_sets_everything_up),
        ALONE(of_several_inits_the_first_wins),
        ALONE(a_shorter_config_of_an_older_program_is_taken),
        ALONE(what_is_dropped_of_headers_stands_in_the_recording_of_the_process_that_met_them),
        ALONE(sites_of_before_have_their_names_after_every_new_beginning),
        ALONE(recording_may_end_and_begin_while_other_threads_record),
        ALONE(a_thread_may_exit_after_its_segment),
        ALONE(a_kept_file_shows_what_was_open_at_the_end),
        ALONE(a_clean_exit_removes_the_file_unless_it_is_to_be_kept),
        ALONE(the_service_is_named_by_config_environment_or_program),
        ALONE(the_arena_size_is_read_with_its_unit_and_bad_ones_switch_off),
        ALONE(a_bad_environment_leaves_a_program_that_calls_nothing_running),
        ALONE(the_payload_option_is_off_by_default_and_bounded),
        ALONE(switched_off_nothing_is_made),
        ALONE(switched_off_by_the_environment_the_first_span_finds_it),
        ALONE(a_folder_that_is_none_switches_off_and_can_be_tried_again),
        ALONE(init_without_a_config_takes_nothing_from_one_that_failed),
        ALONE(the_callback_is_told_once_for_each_distinct_problem),
        ALONE(the_reason_is_cut_to_the_room_given),
        ALONE(what_is_wrong_is_appended_to_a_file_that_was_asked_for),
        ALONE(without_permission_recording_is_off_and_says_so),
        ALONE(a_full_tmpfs_at_the_start_switches_off),
        ALONE(a_tmpfs_that_fills_up_later_costs_what_needs_memory_and_no_more),
        ALONE(without_a_file_descriptor_recording_is_off),
        ALONE(a_limit_on_file_sizes_is_a_lack_of_space),
        ALONE(the_programs_errno_and_descriptors_are_left_alone),
        ALONE(recording_may_be_disabled_before_it_has_begun),
        ALONE(a_forked_child_begins_anew_and_its_parent_goes_on),
    };
    return RUN_WITH_BOTH_CLOCKS("init", tests);
}
