/* regex: whether a text contains a match of a regular expression. Linear time, no allocation while matching. */
#ifndef TW_FILTER_REGEX_H
#define TW_FILTER_REGEX_H

#include <stdbool.h>
#include <stddef.h>

#include <trackway/err.h>

enum { TW__REGEX_POSITIONS_MAX = 256, TW__REGEX_REPEAT_MAX = 255, TW__REGEX_DEPTH_MAX = 16 };

struct tw__regex;

/* Compiles what docs/filter.md describes: literals . [classes] \d \w \s ( ) | * + ? {m,n} ^ $ and (?i) in front.
 * Returns  0 and *out (tw__regex_free); TW_ERR_SYNTAX, TW_ERR_SPACE (more than TW__REGEX_POSITIONS_MAX characters once
 * repetitions are written out) or TW_ERR_MEMORY, with the byte in *at and a constant text in *why.
 * Cost     positions squared / 64, and 2 to 16 KiB. */
int tw__regex_compile(const char *text, size_t len, struct tw__regex **out, size_t *at, const char **why);
void tw__regex_free(struct tw__regex *regex);

/* How many positions it has: what it costs at most for each byte. */
unsigned tw__regex_positions(const struct tw__regex *regex);

/* [any thread] [async-signal-safe] Cost: len times the positions alive at once, at most; a few ns a byte. */
bool tw__regex_match(const struct tw__regex *regex, const char *text, size_t len);
/* The same for a match that begins where the text does, as Python's re.match. */
bool tw__regex_match_start(const struct tw__regex *regex, const char *text, size_t len);

#endif
