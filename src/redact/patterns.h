/* patterns: lists of regular expressions on names, compiled when the configuration is read. */
#ifndef TW_REDACT_PATTERNS_H
#define TW_REDACT_PATTERNS_H

#include <stdbool.h>
#include <stddef.h>

enum { TW__PATTERNS_MAX = 32, TW__TRUNCATE_LEN = 100 };

/* What responses are truncated for, without being asked; of arguments none are. */
extern const char *const tw__truncate_responses;

struct tw__patterns;

/* Compiles expressions of docs/filter.md, one a line.
 * Returns  0 and *out (NULL when there is none in it), to be freed with tw__patterns_free; TW_ERR_SYNTAX, TW_ERR_SPACE
 *          (one is too long), TW_ERR_RANGE (more than TW__PATTERNS_MAX), TW_ERR_MEMORY. */
int tw__patterns_compile(const char *lines, struct tw__patterns **out);
void tw__patterns_free(struct tw__patterns *patterns);

/* Whether one of them matches at the start of name. patterns may be NULL: none does. */
bool tw__patterns_match(const struct tw__patterns *patterns, const char *name);

#endif
