/* line_in: lines out of a stream whose pieces end anywhere, none longer than a bound.
 *
 *     struct tw__line_in in = {.max_bytes = 1 << 20};
 *     while ((len = read(fd, bytes, sizeof bytes)) > 0) {
 *         const char *at = bytes, *line;
 *         size_t left = (size_t)len, line_len;
 *         while ((code = tw__line_in_next(&in, &at, &left, &line, &line_len)) != 0)
 *             if (code > 0) take(line, line_len); else ...
 *     }
 *     if (tw__line_in_last(&in, &line, &line_len)) take(line, line_len);
 *     tw__line_in_fini(&in);
 */
#ifndef TW_BASE_LINE_IN_H
#define TW_BASE_LINE_IN_H

#include "base/buf.h"

/* With max_bytes, and else zeroed, it is ready. */
struct tw__line_in {
    size_t max_bytes;
    struct tw__buf begun; /* of the line that is not at its end */
    bool told, passing; /* begun was handed out; the line is too long, or memory was missing: its rest is passed over */
};

/* Takes what it can of *left bytes at *bytes, and moves both.
 * Returns  1 and a line without its end, borrowed until the next call or for as long as the bytes; 0: all was taken;
 *          TW_ERR_RANGE or TW_ERR_MEMORY: the line is too long, or was not kept: said once, what follows it is read
 *          on. */
int tw__line_in_next(struct tw__line_in *in, const char **bytes, size_t *left, const char **line, size_t *len);
/* At the end of the stream: whether a last line stands there that had no end. */
bool tw__line_in_last(struct tw__line_in *in, const char **line, size_t *len);
void tw__line_in_fini(struct tw__line_in *in);

#endif
