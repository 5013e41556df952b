/* library: something out of a library that may or may not be installed. */
#ifndef TW_BASE_LIBRARY_H
#define TW_BASE_LIBRARY_H

#include <stddef.h>

/* Loads a library by its name, where the system looks for it and else beside our own, and finds a symbol in it. It
 * stays loaded.
 * Returns  NULL and why (cap bytes), in words. */
void *tw__library_symbol(const char *library, const char *symbol, char *why, size_t cap);

#endif
