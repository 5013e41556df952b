/* text: what is asked of a struct tw_text, whose pointer may be NULL when it is empty. */
#ifndef TW_MODEL_TEXT_H
#define TW_MODEL_TEXT_H

#include <string.h>

#include <trackway/read.h>

static inline bool tw__text_same(struct tw_text a, struct tw_text b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool tw__text_is(struct tw_text text, const char *word)
{
    return tw__text_same(text, (struct tw_text){word, strlen(word)});
}

/* By their bytes, as memcmp; of two of which one begins with the other the shorter comes first. */
static inline int tw__text_order(struct tw_text a, struct tw_text b)
{
    size_t both = a.len < b.len ? a.len : b.len;
    int order = both ? memcmp(a.ptr, b.ptr, both) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

#endif
