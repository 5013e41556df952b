/* hiding: redaction of a batch, before it is stored: what paths (src/redact) name in tags becomes ********, and is also
 * replaced where it stands in texts of errors.
 *
 * For rules.c. Apart from it because filters and paths have words in common. */
#ifndef TW_INGEST_HIDING_H
#define TW_INGEST_HIDING_H

#include "model/spans.h"

struct tw__paths;

/* lines: paths. Returns 0 and *out, or an error with why. */
int tw__hiding_compile(const char *lines, struct tw__paths **out, char why[TW_WHY_MAX]);
void tw__hiding_free(struct tw__paths *paths);
/* paths NULL: none. Returns 0, or TW_ERR_MEMORY: then some may not be hidden, and the batch may not be stored. */
int tw__hiding_apply(const struct tw__paths *paths, struct tw__spans *spans);

#endif
