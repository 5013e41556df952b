#include "ring/opened.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void opened_next(struct opened *opened, struct tw__segment *segment, const struct tw__segment *previous)
{
    const char *what = "";
    const struct tw__segment_options options = {
        .dir = opened->dir, .service = "test", .arena_bytes = TW__ARENA_MIN, .previous = previous};
    int result = tw__segment_open(segment, &options, &what);
    if (result != 0) fail_msg("%s: %s", what, tw_err_text(result));
}

void opened_close(struct tw__segment *segment)
{
    tw__segment_close(segment);
    (void)munmap(segment->map, segment->map_len);
}

int opened_setup(void **state)
{
    struct opened *opened = calloc(1, sizeof *opened);
    if (!opened) return -1;
    const char *given = getenv("TRACKWAY_DIR"), *slash = given ? strrchr(given, '/') : NULL;
    (void)snprintf(opened->dir, sizeof opened->dir, "%.*s/trackway-test-XXXXXX", slash ? (int)(slash - given) : 8,
                   slash ? given : "/dev/shm");
    if (!mkdtemp(opened->dir)) return -1;
    opened_next(opened, &opened->segment, NULL);
    *state = opened;
    return 0;
}

int opened_teardown(void **state)
{
    struct opened *opened = *state;
    opened_close(&opened->segment);
    (void)rmdir(opened->dir);
    free(opened);
    return 0;
}
