/* utf8: code points in bytes that may be anything. */
#ifndef TW_WIRE_UTF8_H
#define TW_WIRE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Reads one code point. Returns its bytes (1 to 4), or 0 if what stands there is not UTF-8 (overlong, surrogate, beyond
 * U+10FFFF, cut off). len is at least 1. */
size_t tw__utf8_next(const char *text, size_t len, uint32_t *code_point);

/* Columns in a terminal: 0 (combining), 1 or 2 (East Asian wide, emoji). */
unsigned tw__utf8_columns(uint32_t code_point);

#endif
