/* tagged: tags of the tests' spans. The texts are the caller's. */
#ifndef TW_TEST_TAGGED_H
#define TW_TEST_TAGGED_H

#include <string.h>

#include "model/spans.h"

static inline struct tw_text text_of(const char *text)
{
    return (struct tw_text){text, strlen(text)};
}

static inline struct tw_tag_value text_tag(const char *key, const char *value)
{
    return (struct tw_tag_value){.key = text_of(key), .type = TW_TYPE_STR, .text = text_of(value)};
}

static inline struct tw_tag_value int_tag(const char *key, int64_t value)
{
    return (struct tw_tag_value){.key = text_of(key), .type = TW_TYPE_INT, .value.i = value};
}

#endif
