/* span_words: the words for kinds and statuses of spans, as JSON, filters, Jaeger and our command say them. */
#ifndef TW_MODEL_SPAN_WORDS_H
#define TW_MODEL_SPAN_WORDS_H

#include <trackway/span.h>

enum { TW__UNSPECIFIED_WORD = TW_KIND_CONSUMER + 1 }; /* where the word stands for spans that do not say their kind */

/* By number; NULL at the end. */
extern const char *const tw__span_kind_words[TW__UNSPECIFIED_WORD + 2];
extern const char *const tw__status_words[TW_STATUS_ERROR + 2];

#endif
