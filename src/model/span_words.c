/* span_words: see the header. */
#include "model/span_words.h"

#include <stddef.h>

const char *const tw__span_kind_words[] = {"internal", "server", "client", "producer", "consumer", "unspecified", NULL};
const char *const tw__status_words[] = {"unset", "ok", "error", NULL};
