/* opened: a real segment in a private folder, for tests of the writer's side one layer below the recorder. */
#ifndef TW_TEST_OPENED_H
#define TW_TEST_OPENED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/atomics.h"
#include "ring/segment.h"

struct opened {
    struct tw__segment segment;
    char dir[160];
};

/* The smallest arena: 64 chunks. *state becomes a struct opened. */
int opened_setup(void **state);
int opened_teardown(void **state);
#define OPENED(test) cmocka_unit_test_setup_teardown(test, opened_setup, opened_teardown)

/* A further segment in the same folder; previous as in tw__segment_options. */
void opened_next(struct opened *opened, struct tw__segment *segment, const struct tw__segment *previous);
/* Removes its file and its mapping. */
void opened_close(struct tw__segment *segment);

#endif
