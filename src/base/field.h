/* field: a typed value that somebody asked for by name.
 *
 * What filters and line formats read: a log record, a span, a row of a column store answer the same question. A name is
 * resolved to a number once, when the question is compiled, so that answering is a switch and not a search.
 */
#ifndef TW_BASE_FIELD_H
#define TW_BASE_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tw__field_type {
    TW__FIELD_NONE,
    TW__FIELD_INT,
    TW__FIELD_UINT,
    TW__FIELD_DOUBLE,
    TW__FIELD_BOOL,  /* u: 0 or 1 */
    TW__FIELD_TEXT,  /* ptr, len */
    TW__FIELD_BYTES, /* ptr, len */
    TW__FIELD_LEVEL  /* u: 0 emergency to 7 debug, the numbers of syslog */
};

struct tw__field {
    enum tw__field_type type;
    union {
        int64_t i;
        uint64_t u;
        double d;
    };
    const char *ptr; /* borrowed, as long as what was asked; NULL only with len 0 */
    size_t len;
};

/* What is asked for. id is what the source's own resolver made of the name; 0 without one. */
struct tw__field_key {
    const char *name; /* not NUL-terminated */
    size_t len;
    uint32_t id;
    uint32_t nth; /* of a field that may have several values: which of them; 0 is the first */
};

/* Answers into *out. Returns false when the field is not there; *out is then not looked at. */
typedef bool tw__field_get(const void *source, const struct tw__field_key *key, struct tw__field *out);

/* The number of a name; any meaning, fixed for as long as the compiled question lives. */
typedef uint32_t tw__field_resolve(const void *data, const char *name, size_t len);

static inline struct tw__field tw__field_int(int64_t value)
{
    return (struct tw__field){.type = TW__FIELD_INT, .i = value};
}

static inline struct tw__field tw__field_uint(uint64_t value)
{
    return (struct tw__field){.type = TW__FIELD_UINT, .u = value};
}

/* Of a number its value; false: it is none. */
static inline bool tw__field_double(const struct tw__field *value, double *out)
{
    *out = value->type == TW__FIELD_INT    ? (double)value->i
           : value->type == TW__FIELD_UINT ? (double)value->u
                                           : value->d;
    return value->type == TW__FIELD_INT || value->type == TW__FIELD_UINT || value->type == TW__FIELD_DOUBLE;
}

static inline struct tw__field tw__field_text(const char *ptr, size_t len)
{
    return (struct tw__field){.type = TW__FIELD_TEXT, .ptr = ptr, .len = len};
}

/* The same in place, for those who answer often: a struct that is copied after being put together costs 10 ns, because
 * the wide load waits for the narrow stores. */
static inline bool tw__field_set_text(struct tw__field *out, const char *ptr, size_t len)
{
    out->type = TW__FIELD_TEXT;
    out->ptr = ptr;
    out->len = len;
    return true;
}

static inline bool tw__field_set_number(struct tw__field *out, enum tw__field_type type, uint64_t bits)
{
    out->type = type;
    out->u = bits;
    return true;
}

#endif
