#include "trace/recording.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { KEPT_MAX = 512 };

static struct tw_records *records_kept[KEPT_MAX];
static size_t kept_count;
static char dir[160];

/* One after the other, in statements: of the two sides of a sum gcc had both choose their clock before either ran. */
int run_with_both_clocks(const char *name, const struct CMUnitTest *tests, size_t count)
{
    char kernels[64];
    (void)snprintf(kernels, sizeof kernels, "%s, kernel's clock", name);
    (void)unsetenv("TRACKWAY_TSC");
    int failed = _cmocka_run_group_tests(name, tests, count, NULL, NULL);
    (void)setenv("TRACKWAY_TSC", "off", 1);
    return failed + _cmocka_run_group_tests(kernels, tests, count, NULL, NULL);
}

const char *private_dir(void)
{
    static char base[128]; /* of tools/run_tests, which removes it also after a crash */
    const char *given = getenv("TRACKWAY_DIR"), *slash = given ? strrchr(given, '/') : NULL;
    if (!base[0] && slash && slash - given < (ptrdiff_t)sizeof base - 1)
        (void)snprintf(base, sizeof base, "%.*s", (int)(slash - given), given);
    if (!base[0]) (void)snprintf(base, sizeof base, "/dev/shm");
    if (!dir[0]) {
        (void)snprintf(dir, sizeof dir, "%s/trackway-test-XXXXXX", base);
        if (!mkdtemp(dir)) fail_msg("no folder below %s", base);
    }
    return dir;
}

void remove_private_dir(void)
{
    if (!dir[0]) return;
    DIR *list = opendir(dir);
    for (const struct dirent *entry; list && (entry = readdir(list));) {
        char path[sizeof dir + sizeof entry->d_name];
        (void)snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
        if (entry->d_name[0] != '.') (void)remove(path);
    }
    if (list) (void)closedir(list);
    (void)rmdir(dir);
    dir[0] = 0;
}

struct tw_config small_config(void)
{
    return (struct tw_config){
        .struct_size = sizeof(struct tw_config), .dir = private_dir(), .service = "test", .arena_bytes = ARENA};
}

int recording_setup(void **state)
{
    (void)state;
    struct tw_config config = small_config();
    return tw_init(&config);
}

int recording_teardown(void **state)
{
    (void)state;
    while (kept_count) tw_records_free(records_kept[--kept_count]);
    (void)tw_recorder_enable();
    int result = tw_shutdown(SECOND);
    remove_private_dir();
    return result;
}

const struct tw_records *kept(struct tw_records *records)
{
    if (kept_count == KEPT_MAX) fail_msg("too much to keep");
    records_kept[kept_count++] = records;
    return records;
}

static struct tw_reader *open_reader(void)
{
    char path[256], why[TW_WHY_MAX] = "";
    struct tw_reader *reader = NULL;
    if (tw_recorder_path(path, sizeof path) <= 0) fail_msg("there is no segment");
    if (tw_reader_open(path, &reader, why) != 0) fail_msg("%s", why);
    return reader;
}

const struct tw_records *read_all(void)
{
    struct tw_reader *reader = open_reader();
    struct tw_records *records = NULL;
    int result = tw_reader_read(reader, &(struct tw_query){.open_spans = true}, &records);
    tw_reader_close(reader);
    if (result != 0 || !records) fail_msg("not read: %s", tw_err_text(result));
    (void)kept(records);
    assert_int_equal(records->damaged, 0);
    return records;
}

static bool text_is(struct tw_text text, const char *expected)
{
    return text.len == strlen(expected) && (text.len == 0 || memcmp(text.ptr, expected, text.len) == 0);
}

size_t count_of(const struct tw_records *records, const char *name)
{
    size_t n = 0;
    for (size_t i = 0; i < records->count; i++) n += text_is(records->items[i].name, name);
    return n;
}

size_t count_of_kind(const struct tw_records *records, enum tw_record_kind kind)
{
    size_t n = 0;
    for (size_t i = 0; i < records->count; i++) n += records->items[i].kind == kind;
    return n;
}

const struct tw_record *the_of(const struct tw_records *records, const char *name)
{
    const struct tw_record *found = NULL;
    for (size_t i = 0; i < records->count; i++)
        if (text_is(records->items[i].name, name)) found = &records->items[i];
    if (!found || count_of(records, name) != 1) fail_msg("%zu records \"%s\"", count_of(records, name), name);
    return found;
}

const struct tw_record *the(const char *name)
{
    return the_of(read_all(), name);
}

const struct tw_tag_value *tag(const struct tw_record *record, const char *key)
{
    const struct tw_tag_value *found = NULL;
    for (size_t i = 0; i < record->tag_count; i++) {
        if (text_is(record->tags[i].key, key)) found = &record->tags[i];
    }
    if (!found) fail_msg("no tag \"%s\" on %.*s", key, (int)record->name.len, record->name.ptr);
    return found;
}

void assert_text_is(struct tw_text text, const char *expected)
{
    if (!text_is(text, expected)) fail_msg("\"%.*s\" is not \"%s\"", (int)text.len, text.ptr, expected);
}

void assert_tag_str(const struct tw_record *record, const char *key, const char *expected)
{
    const struct tw_tag_value *t = tag(record, key);
    assert_int_equal(t->type, TW_TYPE_STR);
    assert_text_is(t->text, expected);
}

void assert_child_of(const struct tw_record *child, const struct tw_record *parent)
{
    assert_memory_equal(child->trace_id, parent->trace_id, 16);
    assert_memory_equal(child->parent_id, parent->span_id, 8);
}

void assert_root(const struct tw_record *record)
{
    static const uint8_t zero[8];
    assert_memory_equal(record->parent_id, zero, 8);
}

struct tw_process process_now(void)
{
    struct tw_reader *reader = open_reader();
    struct tw_process process;
    assert_int_equal(tw_reader_process(reader, &process), 0);
    tw_reader_close(reader);
    process.service = process.command = process.host = process.path = (struct tw_text){NULL, 0}; /* the reader's */
    return process;
}

struct tw_losses losses_now(void)
{
    return process_now().losses;
}

void assert_losses(struct tw_losses expected)
{
    struct tw_losses found = losses_now();
    bool same = true;
#define COMPARE(name, text)                                                                                            \
    if (found.name != expected.name) {                                                                                 \
        print_error("%s: %llu instead of %llu\n", #name, (unsigned long long)found.name,                               \
                    (unsigned long long)expected.name);                                                                \
        same = false;                                                                                                  \
    }
    TW_LOSS_TABLE(COMPARE)
#undef COMPARE
    if (!same) fail_msg("losses differ");
}

void assert_no_losses(void)
{
    assert_losses((struct tw_losses){0});
}

void on_thread(void *(*fn)(void *), void *arg)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, fn, arg), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

void in_child(int (*fn)(void))
{
    int status = 0;
    (void)fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        static const int deadly[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
        /* cmocka's go on. */
        for (size_t i = 0; i < sizeof deadly / sizeof *deadly; i++) (void)signal(deadly[i], SIG_DFL);
        (void)alarm(300);
        _exit(fn());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFEXITED(status)) fail_msg("the child died of signal %d", WTERMSIG(status));
    if (WEXITSTATUS(status) == 77) skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

uint64_t wall_now(void)
{
    struct timespec t;
    assert_int_equal(clock_gettime(CLOCK_REALTIME, &t), 0);
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}
