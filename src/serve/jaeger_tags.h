/* jaeger_tags: conditions on tags as both of Jaeger's APIs have them: equality on the text of a value, all of them.
 *
 * error=true and error=false are the span's status, span.kind is its kind: Jaeger shows both as tags. */
#ifndef TW_SERVE_JAEGER_TAGS_H
#define TW_SERVE_JAEGER_TAGS_H

#include "serve/ask.h"

enum { TW__JAEGER_TAGS_MAX = 32 };

struct tw__jaeger_tags {
    struct tw__ask *ask;       /* whose pool has the texts, and which is refused what is too much */
    struct tw__search *search; /* gets status and kind at once, the others with apply */
    struct tw__store_equal items[TW__JAEGER_TAGS_MAX];
    size_t count;
};

void tw__jaeger_tags_add(struct tw__jaeger_tags *tags, struct tw_text key, struct tw_text value);
/* {"key":"value",...}, where values may be numbers and booleans. parameter is named in the refusal of anything else. */
void tw__jaeger_tags_add_json(struct tw__jaeger_tags *tags, const char *parameter, const char *text);
/* The search borrows from tags. */
void tw__jaeger_tags_apply(const struct tw__jaeger_tags *tags);

#endif
