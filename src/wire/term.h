/* term: text for a terminal: harmless, measured, cut to a width, coloured. */
#ifndef TW_WIRE_TERM_H
#define TW_WIRE_TERM_H

#include <limits.h>

#include <trackway/read.h>

#include "base/buf.h"

/* What the terminal can do. */
struct tw__look {
    unsigned width; /* columns; 0: no limit */
    bool utf8;      /* lines, blocks and arrows; else ASCII */
    bool colour;
};

enum tw__ink {
    TW__INK_NONE,
    TW__INK_BOLD,
    TW__INK_DIM,
    TW__INK_RED,
    TW__INK_GREEN,
    TW__INK_YELLOW,
    TW__INK_BLUE,
    TW__INK_CYAN
};

/* Begins and ends a colour; nothing when the look has none. */
void tw__term_ink(struct tw__buf *out, const struct tw__look *look, enum tw__ink ink);
void tw__term_plain(struct tw__buf *out, const struct tw__look *look, enum tw__ink ink);

/* How a text that is too wide ends: see tw__term_text. */
enum tw__cut { TW__CUT_MARK, TW__CUT_HARD, TW__CUT_FRONT };

/* Appends text with everything that could steer a terminal made visible instead: control characters, escape sequences,
 * direction marks and bytes that are not UTF-8 appear as \n or \x1b. At most max columns; where it is cut, the last
 * column is an ellipsis ("~" without UTF-8), or nothing with TW__CUT_HARD; with TW__CUT_FRONT the ellipsis comes first
 * and the end is kept.
 * Returns  the columns it took. */
unsigned tw__term_text(struct tw__buf *out, const struct tw__look *look, struct tw_text text, unsigned max,
                       enum tw__cut cut);
/* The columns it would take. */
unsigned tw__term_columns(struct tw_text text);

/* The value of a tag: as written in a log line; strings as they are, bytes as hex. Not yet harmless: goes through
 * tw__term_text. */
void tw__term_tag_value(struct tw__buf *out, const struct tw_tag_value *tag);

static inline struct tw_text tw__text_of(const char *text)
{
    size_t len = 0;
    while (text[len]) len++;
    return (struct tw_text){text, len};
}

static inline struct tw_text tw__buf_text(const struct tw__buf *buf)
{
    return (struct tw_text){buf->ptr, buf->len};
}

#endif
