/* eterm: Erlang terms as text, token by token.
 *
 *     struct tw__eterms terms = {.text = text, .len = len, .room = room, .cap = sizeof room, .refusal = &refusal};
 *     struct tw__eterm token;
 *     while (tw__eterm_next(&terms, &token) && token.kind != TW__ETERM_END) use(&token);
 */
#ifndef TW_BASE_ETERM_H
#define TW_BASE_ETERM_H

#include "base/field.h"
#include "base/refusal.h"

enum tw__eterm_kind {
    TW__ETERM_END,
    TW__ETERM_ATOM,   /* word, 'Quoted' */
    TW__ETERM_TEXT,   /* "string", <<"binary">>, <<"binary"/utf8>>, <0.1.0> */
    TW__ETERM_NUMBER, /* 12, -1.5e3, 16#ff, $c */
    TW__ETERM_PUNCT   /* one of [ ] { } , . */
};

struct tw__eterm {
    enum tw__eterm_kind kind;
    char punct;
    struct tw__field value; /* ATOM and TEXT: TEXT, in the source or in room; NUMBER: INT, UINT, DOUBLE */
    size_t at, len;         /* in the source */
};

struct tw__eterms {
    const char *text;
    size_t len, at;
    char *room; /* for what stands in quotes: at most as long as it is written */
    size_t cap, used;
    struct tw__refusal *refusal;
};

/* Reads the next token; spaces and comments (%) before it are skipped.
 * Returns  false with the refusal set when there is none: TW_ERR_SYNTAX, or TW_ERR_SPACE (room). */
bool tw__eterm_next(struct tw__eterms *terms, struct tw__eterm *out);

bool tw__eterm_is_atom(const struct tw__eterm *term, const char *name);
static inline bool tw__eterm_is(const struct tw__eterm *term, char punct)
{
    return term->kind == TW__ETERM_PUNCT && term->punct == punct;
}

#endif
