/* tuple: filters as lager's users write them, as text of Erlang terms.
 *
 *     [{module, kz_json}, {function, '*'}]
 *     {K, '*'}  {K, '!'}  {K, V}  {K, Op, V}  {all, [..]}  {any, [..]}  {null, true|false}  {sink, S}
 *
 * A list means and. V is an atom, a string, a binary, an integer (also 16#ff and $c), a float, or a pid as the shell
 * prints it. = and != are strict, as there: 1 is not 1.0. Atoms, strings and binaries are all texts here, because a
 * record holds only one kind of text; true and false are booleans. Ours beside theirs: '~' and '!~' with a regular
 * expression, {'not', F}, pairs inside any and all, a tuple alone instead of a list, levels ({level, '>=', warning}),
 * and an error value where lager raises an exception ([], {null, maybe}). {sink, S} chooses where lager looks and is no
 * condition; there is one place here, so it is always true.
 *
 * Limits: recursion through lists, at most TW__FILTER_DEPTH_MAX deep.
 * Rejected: the order of all Erlang terms (filter.c says why).
 */
#include <string.h>

#include "base/eterm.h"
#include "filter/build.h"

struct tuples {
    struct tw__filter_build *build;
    struct tw__eterms terms;
    struct tw__eterm token; /* the next one, not yet used */
};

static int fail(struct tuples *t, size_t at, const char *why)
{
    return tw__refuse(t->build->error, TW_ERR_SYNTAX, at, "%s", why);
}

static bool advance(struct tuples *t)
{
    bool good = tw__eterm_next(&t->terms, &t->token);
    t->build->at = t->terms.at;
    return good;
}

static bool want(struct tuples *t, char punct)
{
    if (tw__eterm_is(&t->token, punct)) return advance(t);
    (void)tw__refuse(t->build->error, TW_ERR_SYNTAX, t->token.at, "%c is missing", punct);
    return false;
}

/* Takes an atom, a text or a number. */
static bool scalar(struct tuples *t, struct tw__eterm *out)
{
    *out = t->token;
    if (out->kind != TW__ETERM_END && out->kind != TW__ETERM_PUNCT) return advance(t);
    return fail(t, out->at, "an atom, a text or a number is expected here") == 0;
}

static int key_of(struct tuples *t, const struct tw__eterm *key)
{
    return tw__build_key(t->build, key->value.ptr, key->value.len, key->at);
}

static int compare(struct tuples *t, const struct tw__eterm *key, enum tw__filter_op op, const struct tw__eterm *value)
{
    struct tw__filter_literal literal = {
        .value = value->value, .word = value->kind == TW__ETERM_ATOM, .at = value->at, .len = value->len};
    if (tw__eterm_is_atom(value, "true") || tw__eterm_is_atom(value, "false"))
        literal.value = (struct tw__field){.type = TW__FIELD_BOOL, .u = tw__eterm_is_atom(value, "true")};
    return tw__build_compare(t->build, key_of(t, key), op, &literal);
}

/* {key, value} and what is written like it. */
static int pair(struct tuples *t, const struct tw__eterm *key, const struct tw__eterm *value)
{
    if (tw__eterm_is_atom(key, "null")) {
        bool yes = tw__eterm_is_atom(value, "true");
        if (!yes && !tw__eterm_is_atom(value, "false"))
            return fail(t, value->at, "null is true (everything) or false (nothing)");
        return tw__build_bare(t->build, yes ? TW__FILTER_TRUE : TW__FILTER_FALSE, 0);
    }
    if (tw__eterm_is_atom(key, "sink")) return tw__build_bare(t->build, TW__FILTER_TRUE, 0);
    if (tw__eterm_is_atom(value, "*")) return tw__build_bare(t->build, TW__FILTER_EXISTS, key_of(t, key));
    if (tw__eterm_is_atom(value, "!")) return tw__build_bare(t->build, TW__FILTER_ABSENT, key_of(t, key));
    return compare(t, key, TW__FILTER_SAME, value);
}

static int triple(struct tuples *t, const struct tw__eterm *key, const struct tw__eterm *op,
                  const struct tw__eterm *value)
{
    static const struct {
        const char *name;
        enum tw__filter_op op;
    } ops[] = {{"=", TW__FILTER_SAME}, {"!=", TW__FILTER_OTHER}, {"<", TW__FILTER_LT},
               {"=<", TW__FILTER_LE},  {"<=", TW__FILTER_LE},    {">", TW__FILTER_GT},
               {">=", TW__FILTER_GE},  {"~", TW__FILTER_REGEX},  {"!~", TW__FILTER_NO_REGEX}};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (tw__eterm_is_atom(op, ops[i].name)) return compare(t, key, ops[i].op, value);
    return fail(t, op->at, "no such operator; there are '=' '!=' '<' '=<' '>' '>=' '~' '!~'");
}

static int conditions(struct tuples *t, enum tw__filter_kind kind);

static int nested(struct tuples *t, const struct tw__eterm *key)
{
    if (tw__eterm_is_atom(key, "all")) return conditions(t, TW__FILTER_AND);
    if (tw__eterm_is_atom(key, "any")) return conditions(t, TW__FILTER_OR);
    if (tw__eterm_is_atom(key, "not")) return tw__build_not(t->build, conditions(t, TW__FILTER_AND));
    return fail(t, t->token.at, "a list stands behind all, any and 'not' only");
}

static int tuple(struct tuples *t)
{
    struct tw__eterm key, second, third;
    if (!want(t, '{') || !scalar(t, &key)) return -1;
    if (key.kind != TW__ETERM_ATOM) return fail(t, key.at, "a key is an atom, as in {request, 7}");
    if (!want(t, ',')) return -1;
    if (tw__eterm_is(&t->token, '[') || tw__eterm_is(&t->token, '{')) {
        int node = nested(t, &key);
        return node >= 0 && want(t, '}') ? node : -1;
    }
    if (!scalar(t, &second)) return -1;
    if (tw__eterm_is(&t->token, '}')) return advance(t) ? pair(t, &key, &second) : -1;
    if (!want(t, ',') || !scalar(t, &third) || !want(t, '}')) return -1;
    return triple(t, &key, &second, &third);
}

/* A list of tuples, or one alone. */
static int conditions(struct tuples *t, enum tw__filter_kind kind)
{
    size_t opened = t->token.at;
    int node = -1;
    if (!tw__build_enter(t->build, opened)) return -1;
    if (tw__eterm_is(&t->token, '{')) {
        node = tuple(t);
    } else {
        if (!want(t, '[')) return -1;
        if (tw__eterm_is(&t->token, ']')) return fail(t, opened, "an empty list; everything is [{null, true}]");
        for (bool more = true; more;) {
            int one = tuple(t);
            node = node < 0 ? one : tw__build_join(t->build, kind, node, one);
            more = node >= 0 && tw__eterm_is(&t->token, ',');
            if (more && !advance(t)) return -1;
        }
        if (node < 0 || !want(t, ']')) return -1;
    }
    tw__build_leave(t->build);
    return node;
}

int tw__tuple_parse(struct tw__filter_build *b)
{
    struct tuples t = {.build = b};
    /* The end of copy is for what stands in quotes; the rest for what is kept of it. */
    t.terms = (struct tw__eterms){.text = b->text,
                                  .len = b->len,
                                  .room = b->copy + TW__BUILD_COPY_MAX,
                                  .cap = TW__FILTER_TEXT_MAX,
                                  .refusal = b->error};
    if (!advance(&t)) return -1;
    int node = conditions(&t, TW__FILTER_AND);
    if (node < 0) return -1;
    if (tw__eterm_is(&t.token, '.') && !advance(&t)) return -1;
    return t.token.kind == TW__ETERM_END ? node : fail(&t, t.token.at, "something stands behind the end");
}
