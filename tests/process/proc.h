/* proc: what the tests of processes share.
 *
 * The recorder is one for the process, so each scenario runs in a child of its own that begins with nothing recorded.
 * What it checks itself it checks with CHECK, which prints and ends the child; the parent, which never records, reads
 * the segments the child has left, and asserts the rest. A child ends with _exit: its segment is that of a process that
 * was killed. */
#ifndef TW_TEST_PROC_H
#define TW_TEST_PROC_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include <trackway/read.h>
#include <trackway/trackway.h>

#define CHECK(x)                                                            \
    do {                                                                    \
        if (!(x)) {                                                         \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #x); \
            _exit(99);                                                      \
        }                                                                   \
    } while (0)

enum { PROC_SIGNALED = 1000, PROC_PATHS = 64, PROC_PATH = 256 };

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PROC_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define PROC_SANITIZED 1
#endif
#endif

/* A folder for the segments of one test, in $TRACKWAY_DIR while it runs, and removed with all that is in it. */
int proc_setup(void **state);
int proc_teardown(void **state);
#define PROC(test) cmocka_unit_test_setup_teardown(test, proc_setup, proc_teardown)

/* Runs fn in a child. Its exit code; PROC_SIGNALED + n when signal n ended it; after five minutes that is SIGALRM. */
int proc_child(void (*fn)(void *), void *arg);
int proc_wait(pid_t pid);

/* Zeroed memory that children share with their parent; never freed. */
void *proc_shared(size_t bytes);

/* The segments in the folder of the test, sorted. */
struct proc_paths {
    char path[PROC_PATHS][PROC_PATH];
    size_t count;
};
void proc_list(struct proc_paths *paths);

/* Everything in a segment, open spans too. Valid until the test ends. */
struct proc_segment {
    struct tw_reader *reader;
    struct tw_records *records;
    struct tw_process process;
};
const struct proc_segment *proc_read(const char *path);
/* The same for the only segment there is. */
const struct proc_segment *proc_read_only(void);
/* The only segment of process pid. */
const struct proc_segment *proc_read_pid(pid_t pid);

bool proc_text_is(struct tw_text text, const char *expected);
/* How many records there are of that name and kind. */
size_t proc_count(const struct tw_records *records, enum tw_record_kind kind, const char *name);
/* The first of that name and kind, or NULL. */
const struct tw_record *proc_find(const struct tw_records *records, enum tw_record_kind kind, const char *name);
/* The tag, the last of that key, or NULL. */
const struct tw_tag_value *proc_tag(const struct tw_record *record, const char *key);
/* The value of a tag; INT64_MIN when it is not there. */
int64_t proc_int(const struct tw_record *record, const char *key);

#endif
