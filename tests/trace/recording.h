/* recording: a segment of its own for each test, and what was recorded read back from outside.
 *
 * Every test begins with tw_init in a private folder on tmpfs and ends with tw_shutdown, so re-init is exercised by all
 * of them. What the library wrote is read through <trackway/read.h>, from the file, as another process would. */
#ifndef TW_TEST_RECORDING_H
#define TW_TEST_RECORDING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <trackway/trackway.h>

enum { ARENA = 1 << 20 };
#define SECOND UINT64_C(1000000000)

int recording_setup(void **state);
int recording_teardown(void **state);
#define RECORDING(test) cmocka_unit_test_setup_teardown(test, recording_setup, recording_teardown)

/* Runs a group twice: with the clock that the machine offers, and with the kernel's, as on a machine without a trusted
 * TSC. */
#define RUN_WITH_BOTH_CLOCKS(name, tests) run_with_both_clocks(name, tests, sizeof(tests) / sizeof *(tests))
int run_with_both_clocks(const char *name, const struct CMUnitTest *tests, size_t count);

/* A folder below /dev/shm, made for this test; its name. Removed at the end of the test. */
const char *private_dir(void);
void remove_private_dir(void);

/* tw_init with a small arena in the private folder. */
struct tw_config small_config(void);

/* Everything recorded by now, open spans too; freed at the end of the test. */
const struct tw_records *read_all(void);
/* Keeps records until the end of the test. */
const struct tw_records *kept(struct tw_records *records);

/* The one record of that name among the records read now; fails when there is none or another. */
const struct tw_record *the(const char *name);
/* The same among records read before. Times of two readings differ by some ns: each reader compares the clocks
 * itself. */
const struct tw_record *the_of(const struct tw_records *records, const char *name);
size_t count_of(const struct tw_records *records, const char *name);
size_t count_of_kind(const struct tw_records *records, enum tw_record_kind kind);

/* The tag of that key, the last if it was set twice; fails when there is none. */
const struct tw_tag_value *tag(const struct tw_record *record, const char *key);
void assert_text_is(struct tw_text text, const char *expected);
void assert_tag_str(const struct tw_record *record, const char *key, const char *expected);
void assert_child_of(const struct tw_record *child, const struct tw_record *parent);
void assert_root(const struct tw_record *record);

struct tw_process process_now(void);
struct tw_losses losses_now(void);
/* Fails unless all losses are as given. */
void assert_losses(struct tw_losses expected);
void assert_no_losses(void);

/* Runs fn on a thread of its own and waits for its end. */
void on_thread(void *(*fn)(void *), void *arg);

/* Runs fn in a forked child; fails when it returns anything but 0, or dies. */
void in_child(int (*fn)(void));
/* In such a child, where cmocka's assertions would run the rest of the tests: says what and returns 1. */
#define MUST(condition)                                                                      \
    do {                                                                                     \
        if (!(condition)) {                                                                  \
            (void)fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);    \
            return 1;                                                                        \
        }                                                                                    \
    } while (0)

uint64_t wall_now(void);

#endif
