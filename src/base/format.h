/* format: reads printf's format strings.
 *
 * What a program's own format asks for is read twice: by the writer, who keeps the arguments raw, and by whoever makes
 * the text of it later, perhaps in another process. Both read it here. */
#ifndef TW_BASE_FORMAT_H
#define TW_BASE_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a conversion takes from the argument list. */
enum tw__arg {
    TW__ARG_NONE, /* nothing: %% */
    TW__ARG_INT,
    TW__ARG_UINT,
    TW__ARG_LONG, /* 64 bits */
    TW__ARG_ULONG,
    TW__ARG_DOUBLE,
    TW__ARG_TEXT,
    TW__ARG_POINTER,
    TW__ARG_LONG_DOUBLE,
    TW__ARG_WIDE,   /* wchar_t * */
    TW__ARG_ERRNO,  /* %m: none, but its value is the moment's */
    TW__ARG_COUNT,  /* %n: a pointer, never written to */
    TW__ARG_UNKNOWN /* not understood: nothing behind it can be either */
};

struct tw__conversion {
    const char *begin, *end; /* from the % to behind the letter */
    size_t flags_len;        /* of - + space # 0 ' after the % */
    int width, precision;    /* TW__FORMAT_NONE, TW__FORMAT_STAR, or the number */
    enum tw__arg arg;
    char letter;
    uint8_t narrow; /* 1: short (h), 2: char (hh) */
};

enum { TW__FORMAT_NONE = -1, TW__FORMAT_STAR = -2, TW__FORMAT_NUMBER_MAX = 9999 };

/* The next conversion at or after at; what lies before its begin is plain text. False: there is none. */
bool tw__format_next(const char *at, const char *end, struct tw__conversion *out);

#endif
