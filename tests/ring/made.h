/* made: a small valid segment for each test, in memory, and a reader over it. */
#ifndef TW_TEST_MADE_H
#define TW_TEST_MADE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ring/reader.h"
#include "ring/segment_builder.h"

#define ERROR_BIT (2u << 3)
#define OWN_TIME_BIT (1u << 6)

/* Two blocks, four chunks, one site. Chunk 0 has ticket 1 and is closed; thread 77 has block 0. */
struct made {
    struct builder b;
    uint32_t site, key;
    struct tw_reader *reader;   /* NULL until something is read */
    struct tw_records *records; /* of the last read */
};

int made_setup(void **state);
int made_teardown(void **state);
#define MADE(test) cmocka_unit_test_setup_teardown(test, made_setup, made_teardown)

/* A span of trace 5 from 1000 * id to 500 later, and an event of span 1. */
struct builder_record made_span(const struct made *m, uint64_t id);
struct builder_record made_event(const struct made *m, uint64_t time);

void made_open(struct made *m);
const struct tw_records *made_read_with(struct made *m, const struct tw_query *query);
/* Everything, open spans too. */
const struct tw_records *made_read(struct made *m);

void assert_text(struct tw_text text, const char *expected);

#endif
