/* rules: what is left out of a batch, and what is hidden in it, before it is stored.
 *
 * Drop rules are filters (docs/filter.md) on spans. Redaction paths (src/redact) name tags: by the whole key, by its
 * parts between dots, and into the lists and maps that a tag holds; what they name becomes ********. A value that was
 * hidden is also replaced where it stands in texts of errors: status messages and exception.message, .stacktrace. */
#ifndef TW_INGEST_RULES_H
#define TW_INGEST_RULES_H

#include "model/spans.h"

struct tw__rules;

/* drop, redact: lines; NULL: none. Returns 0 and *out, or an error with why, which tells the line. */
int tw__rules_compile(const char *drop, const char *redact, struct tw__rules **out, char why[TW_WHY_MAX]);
void tw__rules_free(struct tw__rules *rules);

/* Applies them in place. *dropped: how many spans were left out.
 * Returns  0, or TW_ERR_MEMORY: then nothing of the batch may be stored.
 * Threads  [any thread], a batch each */
int tw__rules_apply(const struct tw__rules *rules, struct tw__spans *spans, size_t *dropped);

#endif
