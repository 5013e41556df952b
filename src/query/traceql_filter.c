/* traceql_filter: what stands between the braces of a TraceQL query, as text of our filter language, in one pass.
 *
 *     { resource.service.name = "front" && span.code >= 500 }  ->  service="front" and tag.code>=500
 *     { .a > 1 || kind = server }            ->  (tag.a>1 or absent(tag.a) and resource.a>1) or kind=server
 *
 * && and || bind equally: where && follows ||, what is before it gets parentheses.
 * Rejected: a tree of our own; the filter compiler counts and limits, and the store understands what it made.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "filter/filter.h"
#include "filter/regex.h"
#include "model/text.h"
#include "query/traceql_read.h"

enum { DEPTH_MAX = 24 };

/* -- values */

enum form { FORM_TEXT, FORM_NUMBER, FORM_WORD, FORM_NIL };

struct value {
    struct tw__buf text; /* as the filter language has it, a text without its quotes */
    enum form form;
};

static void put_number(const struct tw__traceql_number *number, struct tw__buf *out)
{
    double whole = nearbyint(number->value);
    bool is_whole = number->unit || fabs(number->value - whole) <= 0;
    if (number->plain.len)
        tw__buf_add(out, number->plain.ptr, number->plain.len);
    else if (is_whole && fabs(whole) < 9007199254740992.0)
        tw__buf_fmt(out, "%lld", (long long)whole);
    else
        tw__buf_fmt(out, "%.17g", number->value);
    if (!number->plain.len && number->unit) tw__buf_cstr(out, "ns");
}

/* Quoted in either way; a number, or several computed; a word: nil, true, false, of a status or a kind. */
static int read_value(struct tw__traceql_reader *r, struct value *value)
{
    tw__traceql_space(r);
    tw__buf_reset(&value->text);
    char c = r->at < r->len ? r->text[r->at] : 0;
    if (c == '"' || c == '`') {
        value->form = FORM_TEXT;
        return tw__traceql_read_quoted(r, &value->text);
    }
    if ((c >= '0' && c <= '9') || c == '-' || c == '(' ||
        (c == '.' && r->at + 1 < r->len && r->text[r->at + 1] >= '0' && r->text[r->at + 1] <= '9') ||
        (r->len - r->at >= 6 &&
         (memcmp(r->text + r->at, "minInt", 6) == 0 || memcmp(r->text + r->at, "maxInt", 6) == 0))) {
        struct tw__traceql_number number;
        int code = tw__traceql_read_number(r, &number);
        value->form = FORM_NUMBER;
        if (code == 0) put_number(&number, &value->text);
        return code;
    }
    size_t begin = r->at;
    while (r->at < r->len && tw__traceql_is_word(r->text[r->at])) tw__buf_char(&value->text, r->text[r->at++]);
    struct tw_text word = tw__traceql_text(&value->text);
    if (word.len == 0) return tw__traceql_refuse(r, begin, "a value is expected");
    value->form = tw__text_is(word, "nil") ? FORM_NIL : FORM_WORD;
    if (!tw__traceql_keys(r, word)) return 0;
    return tw__traceql_refuse(r, begin, "attributes are compared with values here, not with each other");
}

/* An unquoted word as the value of a field. */
static bool word_fits(struct tw_text key, struct tw_text word)
{
    return tw__text_is(word, "true") || tw__text_is(word, "false") || tw__text_is(key, "status") ||
           tw__text_is(key, "kind");
}

/* -- conditions */

/* A key in quotes: no character of it means anything else. */
static void put_key(struct tw__buf *out, const char *key)
{
    tw__buf_char(out, '"');
    tw__filter_escape(out, key, strlen(key), false);
    tw__buf_char(out, '"');
}

static void put_one(struct tw__buf *out, const char *key, const char *op, const struct value *value)
{
    if (value->form == FORM_NIL) {
        tw__buf_cstr(out, *op == '=' ? "absent(" : "exists(");
        put_key(out, key);
        tw__buf_char(out, ')');
        return;
    }
    bool regex = op[strlen(op) - 1] == '~';
    put_key(out, key);
    tw__buf_cstr(out, op);
    if (value->form != FORM_TEXT) {
        tw__buf_add(out, value->text.ptr, value->text.len);
        return;
    }
    if (!regex) {
        tw__buf_char(out, '"');
        tw__filter_escape(out, value->text.ptr, value->text.len, false);
        tw__buf_char(out, '"');
        return;
    }
    /* TraceQL's match the whole value. */
    static const char flag[] = "(?i)";
    const size_t skip = sizeof flag - 1;
    struct tw_text rest = {value->text.ptr, value->text.len};
    const bool folds = rest.len >= skip && memcmp(rest.ptr, flag, skip) == 0;
    if (folds) rest = (struct tw_text){rest.ptr + skip, rest.len - skip};
    tw__buf_fmt(out, "\"%s^(", folds ? flag : "");
    tw__filter_escape(out, rest.ptr, rest.len, true);
    tw__buf_cstr(out, ")$\"");
}

/* By itself, before anything stands around it: p)|(z is no expression. */
static int check_regex(const struct tw__traceql_reader *r, size_t at, const struct value *value)
{
    struct tw__regex *regex = NULL;
    const char *why = NULL;
    size_t where;
    int code = tw__regex_compile(value->text.len ? value->text.ptr : "", value->text.len, &regex, &where, &why);
    tw__regex_free(regex);
    if (code == 0 || code == TW_ERR_MEMORY) return code;
    (void)tw__refuse(r->refusal, TW_ERR_SYNTAX, at, "a regular expression that is not understood: %s", why);
    return TW_ERR_SYNTAX;
}

/* nestedSetParent: -1 of a root. */
static int put_root(struct tw__traceql_reader *r, size_t at, const char *op, const struct value *value)
{
    static const struct {
        const char *condition;
        bool root;
    } known[] = {{"<0", true},  {"<=-1", true}, {"=-1", true},  {">=0", false},
                 {">0", false}, {">-1", false}, {">=1", false}, {"!=-1", false}};
    char text[16];
    int len = snprintf(text, sizeof text, "%s%.*s", op, (int)(value->text.len < 8 ? value->text.len : 8),
                       value->text.len ? value->text.ptr : "");
    for (size_t i = 0; i < sizeof known / sizeof *known && len > 0; i++) {
        if (strcmp(text, known[i].condition) != 0) continue;
        tw__buf_cstr(&r->filter, known[i].root ? "root=true" : "root=false");
        return 0;
    }
    return tw__traceql_refuse(r, at, "of nestedSetParent there is < 0, a root, and >= 0, anything else");
}

static const char *mirrored(const char *op)
{
    return *op == '<' ? (op[1] ? ">=" : ">") : *op == '>' ? (op[1] ? "<=" : "<") : op;
}

/* Of the two keys the first that is there is compared, as in Tempo. */
static void put_either(struct tw__traceql_reader *r, const char *op, const struct value *value)
{
    static const struct value nil = {.form = FORM_NIL};
    tw__buf_char(&r->filter, '(');
    put_one(&r->filter, r->key.ptr, op, value);
    if (value->form == FORM_NIL) {
        tw__buf_cstr(&r->filter, *op == '=' ? " and " : " or ");
    } else {
        tw__buf_cstr(&r->filter, " or ");
        put_one(&r->filter, r->key.ptr, "=", &nil);
        tw__buf_cstr(&r->filter, " and ");
    }
    put_one(&r->filter, tw__traceql_second(r), op, value);
    tw__buf_char(&r->filter, ')');
}

/* Writes the comparison of the field in r->word, which was written at begin. */
static int put_comparison(struct tw__traceql_reader *r, size_t begin, const char *op, const struct value *value)
{
    struct tw_text word = tw__traceql_text(&r->word);
    if (tw__text_is(word, "nestedSetParent")) return put_root(r, begin, op, value);
    unsigned count = tw__traceql_keys(r, word);
    if (count == 0) return tw__traceql_unknown(r, begin, word);
    if (r->key.failed || value->text.failed) return TW_ERR_MEMORY;
    struct tw_text key = {r->key.ptr, strlen(r->key.ptr)};
    if (value->form == FORM_WORD && !word_fits(key, tw__traceql_text(&value->text)))
        return tw__traceql_refuse(r, begin, "the value is a word that is not known; a text stands in quotes");
    if (op[strlen(op) - 1] == '~' && value->form != FORM_TEXT)
        return tw__traceql_refuse(r, begin, "a regular expression stands in quotes");
    if (op[strlen(op) - 1] == '~') {
        int code = check_regex(r, begin, value);
        if (code < 0) return code;
    }
    if (value->form == FORM_NIL && strcmp(op, "=") != 0 && strcmp(op, "!=") != 0)
        return tw__traceql_refuse(r, begin, "nil is compared with = and !=");
    if (count == 2)
        put_either(r, op, value);
    else
        put_one(&r->filter, r->key.ptr, op, value);
    return 0;
}

static int read_field_name(struct tw__traceql_reader *r, size_t *begin)
{
    tw__traceql_space(r);
    *begin = r->at;
    int code = tw__traceql_read_name(r);
    if (code == 0 && (r->word.failed || memchr(r->word.ptr, 0, r->word.len)))
        return r->word.failed ? TW_ERR_MEMORY : tw__traceql_unknown(r, *begin, tw__traceql_text(&r->word));
    return code;
}

static int no_arithmetic(const struct tw__traceql_reader *r)
{
    return tw__traceql_refuse(r, r->at, "attributes cannot be computed with here; numbers can: .size > 10 * 1024");
}

/* The field stands first, or alone: then it is true. */
static int read_field_first(struct tw__traceql_reader *r, struct value *value)
{
    size_t begin;
    int code = read_field_name(r, &begin);
    if (code < 0) return code;
    tw__traceql_note(r);
    const char *op = tw__traceql_read_operator(r);
    if (op) {
        code = read_value(r, value);
        return code < 0 ? code : put_comparison(r, begin, op, value);
    }
    tw__traceql_space(r);
    if (r->at < r->len && strchr("+*/%^", r->text[r->at])) return no_arithmetic(r);
    struct tw_text word = tw__traceql_text(&r->word);
    bool attribute = word.ptr[0] == '.' || (memchr(word.ptr, '.', word.len) && !memchr(word.ptr, ':', word.len));
    if (!attribute) {
        /* What it is comes first: a name that nobody knows needs no comparison. */
        if (!tw__traceql_keys(r, word) && !tw__text_is(word, "nestedSetParent"))
            return tw__traceql_unknown(r, begin, word);
        return tw__traceql_refuse(r, r->at, "a comparison is expected: = != < <= > >= =~ !~");
    }
    tw__buf_reset(&value->text);
    tw__buf_cstr(&value->text, "true");
    value->form = FORM_WORD;
    return put_comparison(r, begin, "=", value);
}

/* A value stands first: a constant, or the left side of a comparison. */
static int read_value_first(struct tw__traceql_reader *r, struct value *value)
{
    size_t begin = r->at, field;
    int code = read_value(r, value);
    if (code < 0) return code;
    const char *op = tw__traceql_read_operator(r);
    struct tw_text word = tw__traceql_text(&value->text);
    if (!op && value->form == FORM_WORD && (tw__text_is(word, "true") || tw__text_is(word, "false"))) {
        tw__buf_add(&r->filter, word.ptr, word.len);
        return 0;
    }
    if (!op || op[strlen(op) - 1] == '~') return tw__traceql_refuse(r, begin, "an attribute is expected");
    code = read_field_name(r, &field);
    if (code < 0) return code;
    if (!tw__traceql_keys(r, tw__traceql_text(&r->word)) && !tw__text_is(tw__traceql_text(&r->word), "nestedSetParent"))
        return tw__traceql_unknown(r, field, tw__traceql_text(&r->word));
    tw__traceql_note(r);
    return put_comparison(r, field, mirrored(op), value);
}

/* A value and not a field begins here. */
static bool is_value(struct tw__traceql_reader *r)
{
    static const char *const words[] = {"true", "false", "nil", "minInt", "maxInt"};
    size_t at = r->at;
    char c = at < r->len ? r->text[at] : 0, next = at + 1 < r->len ? r->text[at + 1] : 0;
    if (c == '"' || c == '`' || (c >= '0' && c <= '9')) return true;
    if ((c == '-' || c == '.') && next >= '0' && next <= '9') return true;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        bool found = tw__traceql_take_word(r, words[i]);
        r->at = at;
        if (found) return true;
    }
    return false;
}

static int read_condition(struct tw__traceql_reader *r)
{
    struct value value = {.form = FORM_TEXT};
    tw__traceql_space(r);
    if (r->at + 1 < r->len && r->text[r->at] == '-' && !is_value(r)) return no_arithmetic(r);
    int code = is_value(r) ? read_value_first(r, &value) : read_field_first(r, &value);
    if (code == 0 && value.text.failed) code = TW_ERR_MEMORY;
    tw__buf_fini(&value.text);
    return code;
}

/* -- the braces */

/* One level of parentheses: where its text begins, and by what its conditions are joined so far. */
struct level {
    size_t begin;
    char join; /* 0, & or | */
};

/* Our "and" is stronger than "or", theirs are equal: what "or" has joined gets parentheses before an "and". */
static void join(struct tw__traceql_reader *r, struct level *level, char by)
{
    if (level->join == '|' && by == '&' && !r->filter.failed) {
        tw__buf_char(&r->filter, ')');
        if (r->filter.failed) return;
        memmove(r->filter.ptr + level->begin + 1, r->filter.ptr + level->begin, r->filter.len - level->begin - 1);
        r->filter.ptr[level->begin] = '(';
        tw__buf_char(&r->filter, ')');
    }
    level->join = by;
    tw__buf_cstr(&r->filter, by == '&' ? " and " : " or ");
}

static int read_conditions(struct tw__traceql_reader *r)
{
    struct level levels[DEPTH_MAX] = {{0, 0}};
    unsigned depth = 0;
    bool operand = true; /* expected next */
    if (tw__traceql_take(r, "}")) return 0;
    for (;;) {
        int code = 0;
        if (operand && tw__traceql_take(r, "(")) {
            if (++depth == DEPTH_MAX) return tw__traceql_refuse(r, r->at, "too many parentheses inside each other");
            tw__buf_char(&r->filter, '(');
            levels[depth] = (struct level){r->filter.len, 0};
        } else if (operand && r->at < r->len && r->text[r->at] == '!') {
            r->at++;
            tw__buf_cstr(&r->filter, "not ");
        } else if (operand) {
            if ((code = read_condition(r)) < 0) return code;
            operand = false;
        } else if (depth > 0 && tw__traceql_take(r, ")")) {
            tw__buf_char(&r->filter, ')');
            depth--;
        } else if (tw__traceql_take(r, "&&")) {
            join(r, &levels[depth], '&');
            operand = true;
        } else if (tw__traceql_take(r, "||")) {
            join(r, &levels[depth], '|');
            operand = true;
        } else if (depth == 0 && tw__traceql_take(r, "}")) {
            return 0;
        } else {
            tw__traceql_space(r);
            if (r->at < r->len && strchr("+-*/%^", r->text[r->at])) return no_arithmetic(r);
            return tw__traceql_refuse(r, r->at, "&&, || or the end of the spanset is expected");
        }
    }
}

int tw__traceql_read_filter(struct tw__traceql_reader *r, struct tw_text *out)
{
    tw__buf_reset(&r->filter);
    if (!tw__traceql_take(r, "{")) return tw__traceql_refuse(r, r->at, "a spanset is expected: { ... }");
    int code = read_conditions(r);
    if (code < 0) return code;
    if (r->filter.failed) return TW_ERR_MEMORY;
    *out = tw__traceql_keep(r, r->filter.ptr, r->filter.len);
    return out->ptr ? 0 : TW_ERR_MEMORY;
}
