/* soak: what both soaks share: records that prove themselves. */
#ifndef TW_TESTS_SOAK_H
#define TW_TESTS_SOAK_H

#include <stdbool.h>
#include <stdint.h>

#include <trackway/read.h>
#include <trackway/trackway.h>

uint64_t soak_mix(uint64_t value);

/* Tags an open span with things that follow from seed and from its own ids, of several types and lengths. */
void soak_tag(tw_span span, uint64_t thread, uint64_t seed);

/* Records an event of the same kind in the current span. */
void soak_event(uint64_t thread, uint64_t seed);

enum soak_verdict { SOAK_WHOLE, SOAK_PARTIAL, SOAK_WRONG };

/* Whether a record is what its writer wrote. An open span may not have all its tags yet: PARTIAL. */
enum soak_verdict soak_check(const struct tw_record *record, uint64_t *thread, uint64_t *seed);

/* Finds the one segment in dir. */
bool soak_find(const char *dir, char *path, size_t cap);

/* A private folder for segments, set as TRACKWAY_DIR; and its end. */
void soak_folder(char dir[64]);
void soak_folder_remove(const char *dir);

#endif
