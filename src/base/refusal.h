/* refusal: why a text was not understood: what is wrong, where, and what would be right. */
#ifndef TW_BASE_REFUSAL_H
#define TW_BASE_REFUSAL_H

#include <stddef.h>

#include <trackway/err.h>

enum { TW__REFUSAL_MAX = 160 };

/* Zeroed is none. */
struct tw__refusal {
    int code;  /* enum tw_err */
    size_t at; /* byte of the text, from 0; at most its length */
    char text[TW__REFUSAL_MAX];
};

/* Sets it, unless one is set: the first one counts. Always returns -1. */
int tw__refuse(struct tw__refusal *refusal, int code, size_t at, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
