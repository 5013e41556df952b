/* line_list: a line format as a list of Erlang terms, as lager and kz_data_tracing take it.
 *
 *     "text"  <<"text">>  10            as they are (a number in decimal)
 *     time                              a token, or the field of that name
 *     {blank, "text"}                   "text"
 *     {metadata, "=", " "}              all metadata
 *     {key, Default}                    Default is an element again
 *     {key, [present..], [absent..]}    and {.., N} or {.., {left|centre|right, N}}: in N columns
 *     {pterm, Key}  {pterm, Key, Default}
 *
 * Lists inside lists are what they hold. Around the whole may stand the options of older versions: {formatter, M} and
 * {formatter_config, List}; only the latter counts, and once more inside of itself, which is how Kazoo came to write
 * them. {callid, } is taken for {callid, "0000000000"}: that is how the format is printed on Kazoo's page.
 *
 * Limits: recursion through tuples and lists, at most TW__LINE_FORMAT_DEPTH_MAX deep.
 */
#include <string.h>

#include "base/eterm.h"
#include "wire/line_parts.h"

struct list {
    struct tw__line_build *build;
    struct tw__eterms terms;
    struct tw__eterm token;
};

/* A list of parts under construction: the first and the last of it, 0 when empty. */
struct chain {
    uint16_t first, last;
};

static bool fail(struct list *l, size_t at, const char *why)
{
    (void)tw__refuse(l->build->refusal, TW_ERR_SYNTAX, at, "%s", why);
    return false;
}

static bool advance(struct list *l)
{
    bool good = tw__eterm_next(&l->terms, &l->token);
    l->build->at = l->token.at;
    return good;
}

static bool want(struct list *l, char punct)
{
    if (tw__eterm_is(&l->token, punct)) return advance(l);
    (void)tw__refuse(l->build->refusal, TW_ERR_SYNTAX, l->token.at, "%c is missing", punct);
    return false;
}

static bool add(struct list *l, struct chain *chain, uint16_t part)
{
    if (!part) return false;
    if (chain->last)
        l->build->parts[chain->last].next = part;
    else
        chain->first = part;
    chain->last = part;
    return true;
}

static bool enter(struct list *l)
{
    if (l->build->depth++ < TW__LINE_FORMAT_DEPTH_MAX) return true;
    (void)tw__refuse(l->build->refusal, TW_ERR_SPACE, l->token.at, "nested more than %d deep",
                     TW__LINE_FORMAT_DEPTH_MAX);
    return false;
}

static bool element(struct list *l, struct chain *chain);

/* [element, ..] */
static bool elements(struct list *l, struct chain *chain)
{
    if (!want(l, '[') || !enter(l)) return false;
    while (!tw__eterm_is(&l->token, ']')) {
        if (!element(l, chain)) return false;
        if (tw__eterm_is(&l->token, ']')) break;
        if (!tw__eterm_is(&l->token, ',')) return fail(l, l->token.at, ", or ] is missing");
        if (!advance(l)) return false;
    }
    l->build->depth--;
    return advance(l);
}

static bool text(struct list *l, struct tw__field *out)
{
    if (l->token.kind != TW__ETERM_TEXT && l->token.kind != TW__ETERM_ATOM)
        return fail(l, l->token.at, "a text is expected here");
    *out = l->token.value;
    return advance(l);
}

static bool metadata(struct list *l, struct chain *chain)
{
    struct tw__field between, fields;
    if (!text(l, &between) || !want(l, ',') || !text(l, &fields)) return false;
    return add(l, chain, tw__line_part_metadata(l->build, between.ptr, between.len, fields.ptr, fields.len));
}

/* N or {left|centre|right, N} */
static bool width(struct list *l, struct tw__line_part *part)
{
    bool aligned = tw__eterm_is(&l->token, '{');
    if (aligned) {
        if (!advance(l)) return false;
        bool left = tw__eterm_is_atom(&l->token, "left"), right = tw__eterm_is_atom(&l->token, "right");
        if (!left && !right && !tw__eterm_is_atom(&l->token, "centre") && !tw__eterm_is_atom(&l->token, "center"))
            return fail(l, l->token.at, "left, centre or right");
        part->align = left ? TW__LINE_LEFT : right ? TW__LINE_RIGHT : TW__LINE_CENTRE;
        if (!advance(l) || !want(l, ',')) return false;
    }
    const struct tw__field *value = &l->token.value;
    if (l->token.kind != TW__ETERM_NUMBER || value->type != TW__FIELD_INT || value->i < 1 ||
        value->i > TW__LINE_FORMAT_WIDTH_MAX)
        return fail(l, l->token.at, "a width is 1 to 1024");
    part->width = (uint16_t)value->i;
    return advance(l) && (!aligned || want(l, '}'));
}

/* Behind {key, : a default, or two lists and perhaps a width. */
static bool choice(struct list *l, struct chain *chain, const struct tw__eterm *key)
{
    struct tw__line_build *b = l->build;
    struct chain present = {0}, absent = {0};
    bool list = tw__eterm_is(&l->token, '[');
    uint16_t part = tw__line_part_new(b, list ? TW__LINE_WHETHER : TW__LINE_KEY);
    if (!part || !tw__line_part_key(b, part, key->value.ptr, key->value.len)) return false;
    if (tw__eterm_is(&l->token, '}')) {
        bool callid = tw__eterm_is_atom(key, "callid");
        b->parts[part].absent = tw__line_part_text(b, "0000000000", callid ? 10 : 0);
        return b->parts[part].absent && add(l, chain, part);
    }
    if (!enter(l) || !element(l, &present)) return false;
    if (tw__eterm_is(&l->token, ',')) {
        b->parts[part].kind = TW__LINE_WHETHER;
        if (!advance(l) || !element(l, &absent)) return false;
        b->parts[part].present = present.first;
        b->parts[part].absent = absent.first;
        if (tw__eterm_is(&l->token, ',') && (!advance(l) || !width(l, &b->parts[part]))) return false;
    } else {
        b->parts[part].kind = TW__LINE_KEY;
        b->parts[part].absent = present.first ? present.first : tw__line_part_text(b, "", 0);
    }
    b->depth--;
    return b->refusal->code == 0 && add(l, chain, part);
}

/* pterm: what the whole process has under a name. Without a default it is nothing, and not Undefined. */
static bool pterm(struct list *l, struct chain *chain)
{
    struct tw__line_build *b = l->build;
    struct tw__field name;
    struct chain absent = {0};
    char full[256] = "pterm.";
    if (!text(l, &name)) return false;
    if (name.len > sizeof full - 6) return fail(l, l->token.at, "the name is too long");
    memcpy(full + 6, name.ptr, name.len);
    uint16_t part = tw__line_part_new(b, TW__LINE_KEY);
    if (!part || !tw__line_part_key(b, part, full, 6 + name.len)) return false;
    if (tw__eterm_is(&l->token, ',') && (!advance(l) || !enter(l) || !element(l, &absent))) return false;
    if (absent.first) b->depth--;
    b->parts[part].absent = absent.first ? absent.first : tw__line_part_text(b, "", 0);
    return b->parts[part].absent && add(l, chain, part);
}

static bool tuple(struct list *l, struct chain *chain)
{
    struct tw__eterm key;
    struct tw__field blank;
    bool good;
    if (!want(l, '{')) return false;
    key = l->token;
    if (key.kind != TW__ETERM_ATOM) return fail(l, key.at, "a name is an atom, as in {callid, \"none\"}");
    if (!advance(l) || !want(l, ',')) return false;
    if (tw__eterm_is_atom(&key, "blank"))
        good = text(l, &blank) && add(l, chain, tw__line_part_text(l->build, blank.ptr, blank.len));
    else if (tw__eterm_is_atom(&key, "metadata"))
        good = metadata(l, chain);
    else if (tw__eterm_is_atom(&key, "pterm"))
        good = pterm(l, chain);
    else
        good = choice(l, chain, &key);
    return good && want(l, '}');
}

static bool element(struct list *l, struct chain *chain)
{
    const struct tw__eterm *token = &l->token;
    uint16_t part = 0;
    switch (token->kind) {
    case TW__ETERM_ATOM:
        part = tw__line_part_named(l->build, token->value.ptr, token->value.len);
        break;
    case TW__ETERM_TEXT:
        part = tw__line_part_text(l->build, token->value.ptr, token->value.len);
        break;
    case TW__ETERM_NUMBER:
        part = tw__line_part_text(l->build, l->terms.text + token->at, token->len);
        break;
    case TW__ETERM_PUNCT:
        if (token->punct == '[') return elements(l, chain);
        if (token->punct == '{') return tuple(l, chain);
        return fail(l, token->at, "a token, a text or a tuple is expected here");
    case TW__ETERM_END:
        return fail(l, token->at, "] is missing");
    }
    return add(l, chain, part) && advance(l);
}

/* Whether the list that begins here holds options; then moves to the value of formatter_config. */
static bool options(struct list *l, size_t *opened)
{
    struct list ahead = *l;
    struct tw__refusal ignored = {0};
    bool config = false;
    ahead.terms.refusal = &ignored;
    if (!advance(&ahead) || !tw__eterm_is(&ahead.token, '{') || !advance(&ahead)) return false;
    if (tw__eterm_is_atom(&ahead.token, "formatter_config")) {
        config = true;
    } else if (tw__eterm_is_atom(&ahead.token, "formatter")) {
        while (!config && advance(&ahead) && ahead.token.kind != TW__ETERM_END)
            config = tw__eterm_is_atom(&ahead.token, "formatter_config");
    }
    if (!config || !advance(&ahead) || !tw__eterm_is(&ahead.token, ',') || !advance(&ahead)) return false;
    ahead.terms.refusal = l->terms.refusal;
    *opened += 1;
    *l = ahead;
    return true;
}

int tw__line_list_parse(struct tw__line_build *b)
{
    struct list l = {.build = b};
    struct chain whole = {0};
    size_t inside = 0;
    l.terms = (struct tw__eterms){
        .text = b->text, .len = b->len, .room = b->copy, .cap = TW__LINE_FORMAT_TEXT_MAX, .refusal = b->refusal};
    if (!advance(&l)) return -1;
    while (inside < 2 && tw__eterm_is(&l.token, '[') && options(&l, &inside)) continue;
    if (!elements(&l, &whole)) return -1;
    b->parts[0].next = whole.first;
    for (; inside; inside--) {
        /* Other options may follow; what they say is none of a format's business. */
        while (!tw__eterm_is(&l.token, ']') && l.token.kind != TW__ETERM_END)
            if (!advance(&l)) return -1;
        if (!want(&l, ']')) return -1;
    }
    if (tw__eterm_is(&l.token, '.') && !advance(&l)) return -1;
    return l.token.kind == TW__ETERM_END || fail(&l, l.token.at, "something stands behind the end") ? 0 : -1;
}
