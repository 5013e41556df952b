/* quantity: numbers with a unit, as people write them into configurations. */
#ifndef TW_BASE_QUANTITY_H
#define TW_BASE_QUANTITY_H

#include <stddef.h>
#include <stdint.h>

/* Reads "16M", "512k", "1073741824". Returns 0 or TW_ERR_SYNTAX / TW_ERR_RANGE; then *bytes is untouched. */
int tw__bytes_parse(const char *text, size_t *bytes);

/* Reads "250ms", "10s": whole numbers with ns, us, ms, s, m or h; without a unit plain_ns each. At most a day.
 * Returns 0 or TW_ERR_SYNTAX / TW_ERR_RANGE; then *ns is untouched. */
int tw__duration_parse(const char *text, uint64_t plain_ns, uint64_t *ns);

#endif
