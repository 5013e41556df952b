/* Lines of any form, in a window with what came before them; the first byte chooses whether it is a door. What is
 * handed on is read to its last byte. */
#include <stdlib.h>
#include <string.h>

#include "ingest/lines.h"
#include "read_spans.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int take(void *taken, struct tw__spans *spans)
{
    *(uint64_t *)taken += spans->count;
    read_spans(spans);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t taken = 0, lines_given = 0;
    struct tw__lines_config config = {
        .door = TW__DOOR_JSON, .waits = size && data[0] & 1, .take = take, .data = &taken};
    struct tw__lines *lines = tw__lines_new(&config);
    for (size_t at = 1, end; lines && at < size; at = end + 1) {
        const uint8_t *newline = memchr(data + at, '\n', size - at);
        end = newline ? (size_t)(newline - data) : size;
        char *exact = malloc(end - at + 1); /* so that ASan sees one byte too far */
        if (!exact) break;
        memcpy(exact, data + at, end - at);
        int code = tw__lines_take(lines, exact, end - at);
        size_t where;
        if (code == TW_ERR_SYNTAX && (!*tw__lines_why(lines, &where) || where > end - at)) abort();
        free(exact);
        lines_given++;
    }
    if (lines) {
        if (tw__lines_tick(lines) < 0 || tw__lines_end(lines, true) < 0) abort();
        struct tw__lines_counts counts = tw__lines_counts(lines);
        if (counts.lines > lines_given || counts.bad > counts.lines || counts.spans > taken) abort();
    }
    tw__lines_free(lines);
    return 0;
}
