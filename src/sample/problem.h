/* problem: what is wrong with a document, and where. */
#ifndef TW_SAMPLE_PROBLEM_H
#define TW_SAMPLE_PROBLEM_H

#include <stddef.h>

#include "wire/json_read.h"

struct tw__problem {
    int error; /* enum tw_err; 0: none */
    size_t at; /* byte of the text */
    size_t line, column;
    char field[64];  /* "rules[2].rate"; "" outside of any */
    const char *why; /* a constant */
};

/* Fills it and returns the error. field may be "". */
int tw__problem_set(struct tw__problem *problem, const struct tw__json_reader *json, int error, size_t at,
                    const char *field, const char *why);
/* The same, of a reader that said BAD. */
int tw__problem_json(struct tw__problem *problem, const struct tw__json_reader *json, const char *field);

/* "line 3, column 14: rules[2].rate: must not be negative", cut to cap, NUL-terminated. */
void tw__problem_text(const struct tw__problem *problem, char *text, size_t cap);

#endif
