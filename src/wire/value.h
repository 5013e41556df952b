/* value: values of tags as text, and text as UTF-8, for formats that machines read. Nothing here obeys the locale. */
#ifndef TW_WIRE_VALUE_H
#define TW_WIRE_VALUE_H

#include <trackway/read.h>

enum { TW__NUMBER_MAX = 32 };

/* The shortest of 15 or 17 digits that reads back as the same value; "nan", "inf" or "-inf". With a NUL.
 * Returns  its length. */
size_t tw__f64_text(double value, char text[TW__NUMBER_MAX]);

/* A tag's value as text: numbers in decimal, true or false, texts and bytes as they are. The result points into the tag
 * or into scratch. */
struct tw_text tw__value_text(const struct tw_tag_value *tag, char scratch[TW__NUMBER_MAX]);

/* Repairs text to UTF-8: each byte that belongs to no character becomes U+FFFD.
 * _len says how long the repaired text is (text.len exactly when nothing is to do); _copy writes that many bytes. */
size_t tw__utf8_repaired_len(struct tw_text text);
void tw__utf8_repaired_copy(struct tw_text text, char *out);

/* The first max characters; less when it is shorter. A byte that belongs to no character counts as one. */
struct tw_text tw__utf8_first(struct tw_text text, size_t max);
/* At most max bytes, no character cut in two. */
struct tw_text tw__utf8_at_most(struct tw_text text, size_t max);

#endif
