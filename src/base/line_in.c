/* line_in: see the header. A line that stands whole in its piece is not copied.
 *
 * Invariant: begun holds max_bytes at most.
 */
#include "base/line_in.h"

#include <string.h>

#include <trackway/err.h>

int tw__line_in_next(struct tw__line_in *in, const char **bytes, size_t *left, const char **line, size_t *len)
{
    if (in->told) tw__buf_reset(&in->begun);
    in->told = false;
    while (*left > 0) {
        const char *piece = *bytes, *end = memchr(piece, '\n', *left);
        size_t part = end ? (size_t)(end - piece) : *left, taken = end ? part + 1 : part;
        bool passed = in->passing, whole = end && in->begun.len == 0;
        if (!passed && part > in->max_bytes - in->begun.len) {
            tw__buf_reset(&in->begun);
            in->passing = true;
            return TW_ERR_RANGE;
        }
        *bytes += taken;
        *left -= taken;
        if (end) in->passing = false;
        if (passed) continue;
        if (!whole) tw__buf_add(&in->begun, piece, part);
        if (in->begun.failed) {
            tw__buf_reset(&in->begun);
            in->passing = !end;
            return TW_ERR_MEMORY;
        }
        if (!end) break;
        in->told = !whole;
        *line = whole ? piece : in->begun.ptr;
        *len = whole ? part : in->begun.len;
        return 1;
    }
    return 0;
}

bool tw__line_in_last(struct tw__line_in *in, const char **line, size_t *len)
{
    if (in->told || in->begun.len == 0) return false;
    *line = in->begun.ptr;
    *len = in->begun.len;
    return true;
}

void tw__line_in_fini(struct tw__line_in *in)
{
    tw__buf_fini(&in->begun);
}
