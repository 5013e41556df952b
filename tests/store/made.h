/* made: spans with everything a span can have, and whether two are the same. */
#ifndef TW_TEST_STORE_MADE_H
#define TW_TEST_STORE_MADE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/store.h"

enum { MADE_EPOCH_S = 1795800000 };
#define MADE_EPOCH_NS (MADE_EPOCH_S * UINT64_C(1000000000))

/* Numbers without a clock; the same seed gives the same. */
uint64_t made_draw(uint64_t *state);

/* count spans of some traces, with all types of tags, repeated keys, cut values, events, links, several resources and
 * scopes, empty and large texts. Appends. */
void made_spans(uint64_t seed, size_t count, struct tw__spans *out);
/* One span of a service, of trace and span id, begun seconds after the epoch, lasting ms. */
struct tw__span *made_span(struct tw__spans *out, const char *service, const char *name, uint8_t trace, uint8_t id,
                           double begin_s, uint64_t length_ms);

/* Everything equal, resources and scopes by what is in them. */
bool made_equal(const struct tw__spans *a, size_t ai, const struct tw__spans *b, size_t bi);
/* Index of a span, SIZE_MAX: not there. */
size_t made_find(const struct tw__spans *spans, const uint8_t trace_id[16], const uint8_t span_id[8]);

/* A folder that is removed with all that is in it. */
const char *made_folder(void);
void made_remove(const char *folder);

struct tw__store *made_open(const struct tw__store_options *options);
/* How many spans are found in it. */
size_t made_count(struct tw__store *store);
/* Prints a line of tw__store_check. */
void made_tell(void *data, const char *line);

#endif
