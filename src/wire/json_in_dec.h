/* json_in: documents whose members come in any order and in any type, read into spans: what the readers of X-Ray,
 * Zipkin and call lines share.
 *
 *     struct tw__json_in in;
 *     if (tw__json_in_begin(&in, &spans->pool, bytes, len) < 0) return TW_ERR_MEMORY;
 *     int code = tw__json_in_object(&in, member, &target);            member(in, target) at each name reads the value
 *     if (code == 0) code = tw__json_in_end(&in);
 *     tw__json_in_fini(&in);
 *
 * A value that has not the type that is asked for is passed over, as if it were not there: senders are many, and a
 * document is worth more than one of its members. What is no JSON is an error, and stays one. Bytes that are not UTF-8
 * and Python's NaN are taken. Texts point into the document, or into the pool when they had escapes.
 */
#ifndef TW_WIRE_JSON_IN_DEC_H
#define TW_WIRE_JSON_IN_DEC_H

#include "base/buf.h"
#include "base/pool.h"
#include "wire/json_read.h"

enum { TW__JSON_IN_SCRATCH = 1 << 20 }; /* of one text with escapes */

struct tw__json_in {
    struct tw__json_reader json;
    struct tw__pool *pool;
    struct tw__buf nested;
};

typedef int tw__json_in_fn(struct tw__json_in *in, void *target);

/* Returns 0 or TW_ERR_MEMORY. All others: 0, TW_ERR_SYNTAX, TW_ERR_SPACE (a depth or text beyond the limit),
 * TW_ERR_MEMORY. */
int tw__json_in_begin(struct tw__json_in *in, struct tw__pool *pool, const void *bytes, size_t len);
void tw__json_in_fini(struct tw__json_in *in);
/* That nothing but blanks follows. */
int tw__json_in_end(struct tw__json_in *in);
/* All of these, for who does not tell where an error is: fn at each name of the document. */
int tw__json_in_whole(struct tw__pool *pool, struct tw_text document, tw__json_in_fn *fn, void *target);

/* The next value, if it is an object: fn at each name. */
int tw__json_in_object(struct tw__json_in *in, tw__json_in_fn *fn, void *target);
/* The next value, if it is a list: fn before each element, which it reads. */
int tw__json_in_list(struct tw__json_in *in, tw__json_in_fn *fn, void *target);
/* What the next value is; it is not read. */
enum tw__json_event tw__json_in_peek(const struct tw__json_in *in);
int tw__json_in_skip(struct tw__json_in *in);

/* The name that was just read, for as long as the pool. */
int tw__json_in_name(struct tw__json_in *in, struct tw_text *out);
/* A text; numbers and booleans as they are written. */
int tw__json_in_text(struct tw__json_in *in, struct tw_text *out);
int tw__json_in_bool(struct tw__json_in *in, bool *out);
/* A number, or a text that is one, times 10^shift (tw__decimal_scaled); where it is none, *out stays. *found unless
 * NULL: it was one. */
int tw__json_in_scaled(struct tw__json_in *in, int shift, uint64_t *out, bool *found);
/* Hexadecimal digits, at most 2 * count, short ones filled with zeros on the left. *found: there were some, and nothing
 * else. */
int tw__json_in_hex(struct tw__json_in *in, uint8_t *bytes, size_t count, bool *found);

/* Tags in the making. */
struct tw__tag_list {
    struct tw_tag_value *items;
    size_t count, cap;
    uint32_t dropped;
    uint32_t limit; /* more are counted as dropped */
};

/* Any value, under key: lists and objects as JSON text, null not at all. */
int tw__json_in_tag(struct tw__json_in *in, struct tw__tag_list *tags, struct tw_text key);
/* The next value, if it is an object: each member under its name. */
int tw__json_in_tags(struct tw__json_in *in, struct tw__tag_list *tags);
int tw__tag_list_add(struct tw__pool *pool, struct tw__tag_list *tags, const struct tw_tag_value *tag);
int tw__tag_list_text(struct tw__pool *pool, struct tw__tag_list *tags, const char *key, struct tw_text text);
/* prefix and rest in one, in the pool; ptr NULL without memory. */
struct tw_text tw__pool_join(struct tw__pool *pool, const char *prefix, struct tw_text rest);

/* Decimal digits with a fraction and an exponent, times 10^shift, rounded to the nearest whole number; false: no such
 * number, or not in u64. Exact, where a double would not be. */
bool tw__decimal_scaled(struct tw_text text, int shift, uint64_t *out);

#endif
