/* segment_marks: how far each segment has been stored, in a file of the data folder, for the next start.
 *
 * A mark is a time: spans that ended before it are stored. The end of a process is UINT64_MAX: nothing more will
 * come. */
#ifndef TW_INGEST_SEGMENT_MARKS_H
#define TW_INGEST_SEGMENT_MARKS_H

#include <stddef.h>
#include <stdint.h>

#include <trackway/err.h>

struct tw__segment_mark {
    char *path;
    uint64_t opened_ns; /* of the segment: a path may be used again */
    uint64_t until_ns;
};

struct tw__segment_marks {
    struct tw__segment_mark *items;
    size_t count, cap;
};

/* Reads the file; one that is not there or makes no sense is empty. */
int tw__segment_marks_load(struct tw__segment_marks *marks, const char *file);
/* Puts the file in the place of the one there; the old one stays when it cannot. */
int tw__segment_marks_save(const struct tw__segment_marks *marks, const char *file);
/* 0 when there is none. */
uint64_t tw__segment_marks_get(const struct tw__segment_marks *marks, const char *path, uint64_t opened_ns);
int tw__segment_marks_set(struct tw__segment_marks *marks, const char *path, uint64_t opened_ns, uint64_t until_ns);
/* Forgets segments whose files are gone. */
void tw__segment_marks_tidy(struct tw__segment_marks *marks);
void tw__segment_marks_fini(struct tw__segment_marks *marks);

#endif
