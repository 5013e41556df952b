/* traceql_read: what the readers of TraceQL share. For them; nobody else. */
#ifndef TW_QUERY_TRACEQL_READ_H
#define TW_QUERY_TRACEQL_READ_H

#include "query/traceql.h"

struct tw__traceql_reader {
    const char *text;
    size_t len, at;
    struct tw__traceql *out;
    struct tw__buf filter, word, key; /* in the making */
    struct tw__refusal *refusal;
};

/* Always TW_ERR_SYNTAX. */
int tw__traceql_refuse(const struct tw__traceql_reader *r, size_t at, const char *what);

void tw__traceql_space(struct tw__traceql_reader *r);
/* Behind spaces: this, whatever follows it. */
bool tw__traceql_take(struct tw__traceql_reader *r, const char *sign);
/* Behind spaces: this word, whole. */
bool tw__traceql_take_word(struct tw__traceql_reader *r, const char *word);

bool tw__traceql_is_word(char c);
struct tw_text tw__traceql_text(const struct tw__buf *buf);
/* A copy in the query's pool; ptr NULL: no memory. */
struct tw_text tw__traceql_keep(struct tw__traceql_reader *r, const char *ptr, size_t len);

/* What stands in quotes, at the quote, with its escapes undone. */
int tw__traceql_read_quoted(struct tw__traceql_reader *r, struct tw__buf *out);
/* The name of a field as it is written, without quotes, into word. */
int tw__traceql_read_name(struct tw__traceql_reader *r);
/* The keys that a name stands for, each with a 0 behind it into key. Returns their number: 2 for one of the span or of
 * its resource, 0 for none. */
unsigned tw__traceql_keys(struct tw__traceql_reader *r, struct tw_text word);
const char *tw__traceql_second(const struct tw__traceql_reader *r);
/* Refuses a name that stands for none. */
int tw__traceql_unknown(const struct tw__traceql_reader *r, size_t at, struct tw_text word);
/* Notes the name in word among those of the query, once. */
void tw__traceql_note(struct tw__traceql_reader *r);
/* A field behind spaces; *index of fields. */
int tw__traceql_read_field(struct tw__traceql_reader *r, uint8_t *index);
/* { ... } into a filter text in the pool; its names are noted. */
int tw__traceql_read_filter(struct tw__traceql_reader *r, struct tw_text *out);

/* An expression of numbers and durations: 10 * 1024, -5s, (2 + 3) * 1ms. Nanoseconds with *unit. What it is written as
 * alone is kept exactly: plain is that text, or empty. */
struct tw__traceql_number {
    double value;
    bool unit;
    struct tw_text plain;
};
int tw__traceql_read_number(struct tw__traceql_reader *r, struct tw__traceql_number *out);

/* = != < <= > >= and =~ !~ in our language's words; NULL: none follows. */
const char *tw__traceql_read_operator(struct tw__traceql_reader *r);

#endif
