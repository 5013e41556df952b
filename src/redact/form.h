/* form: typed values become text of bounded size, in one of two forms.
 *
 *     TW__FORM_JSON      strict JSON: what fits, and always whole: brackets close, characters are not cut
 *     TW__FORM_DISPLAY   as Python's str() shows a value: {'a': [1, None, 'x']}; the first so many characters of it,
 * and how many it would be
 *
 *     struct tw__form form;
 *     tw__form_begin(&form, TW__FORM_JSON, out, sizeof out, SIZE_MAX);
 *     tw__form_open(&form, '{');
 *     tw__form_name(&form, "a", 1);
 *     tw__form_i64(&form, 17);
 *     tw__form_close(&form, '}');
 *
 * Nothing allocates; nothing obeys the locale. */
#ifndef TW_REDACT_FORM_H
#define TW_REDACT_FORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tw__form_kind { TW__FORM_JSON, TW__FORM_DISPLAY };

struct tw__form {
    char *out;
    size_t cap, len;
    enum tw__form_kind kind;
    uint64_t chars_max; /* DISPLAY: characters to keep */
    uint64_t chars;     /* DISPLAY: characters of the whole */
    bool cut;           /* not all of it is there */
    /* Its own. */
    bool full;          /* nothing more is written but closing brackets */
    bool comma;         /* a value stands before, in the same container */
    bool named;         /* the value that comes belongs to a name */
    uint32_t depth;     /* brackets open in what was written: so many bytes are kept free for closing them */
    uint32_t unwritten; /* brackets open that were not written */
    size_t mark;        /* where the value that is being written began, with its comma and name */
    size_t text_at;     /* where the text that is being written began */
    bool writing;       /* a text is being written */
    char quote;         /* DISPLAY: of the text that is being written; 0: none */
};

void tw__form_begin(struct tw__form *form, enum tw__form_kind kind, char *out, size_t cap, uint64_t chars_max);

/* { or [, and its end. */
void tw__form_open(struct tw__form *form, char bracket);
void tw__form_close(struct tw__form *form, char bracket);
/* The name of the member whose value comes next. */
void tw__form_name(struct tw__form *form, const char *name, size_t len);

void tw__form_null(struct tw__form *form);
void tw__form_bool(struct tw__form *form, bool value);
void tw__form_i64(struct tw__form *form, int64_t value);
void tw__form_u64(struct tw__form *form, uint64_t value);
/* NaN and infinities are null in JSON, nan and inf in DISPLAY. */
void tw__form_f64(struct tw__form *form, double value);
/* UTF-8. What is not becomes U+FFFD, a byte each. */
void tw__form_text(struct tw__form *form, const char *text, size_t len);
/* The same of bytes: UTF-8 as it is, other bytes as \xNN. */
void tw__form_bytes(struct tw__form *form, const void *bytes, size_t len);

/* A text in pieces: begin, any number of pieces, end. Which quotes it gets depends on look, the whole of it. */
void tw__form_text_begin(struct tw__form *form, const char *look, size_t look_len);
void tw__form_text_piece(struct tw__form *form, const char *text, size_t len, bool bytes);
void tw__form_text_end(struct tw__form *form);

/* For form_text.c: comma and the place to come back to (false: nothing is written any more); going back there; one
 * character of DISPLAY. */
bool tw__form_before(struct tw__form *form);
void tw__form_give_up(struct tw__form *form);
void tw__form_put_char(struct tw__form *form, const char *bytes, size_t len);
bool tw__form_simple(struct tw__form *form, const char *text, size_t len, char after);

/* len bytes of text, at most max, no character cut in two. */
size_t tw__text_cut(const char *text, size_t len, size_t max);

/* A double as Python's repr() and JSON write it: the fewest digits that read back as the same value. Finite. With a
 * NUL.
 * Returns  its length. */
enum { TW__REPR_MAX = 32 };
size_t tw__repr_f64(double value, char text[TW__REPR_MAX]);

#endif
