/* traceql_number: expressions of numbers and durations in queries, computed while they are read.
 *
 *     10 * 1024 * 1024        -5s        (1 + 2) * 100ms        2 ^ 10
 *
 * As in Tempo's grammar: ^ to the right and strongest, then * / %, then + and -.
 * Limits: NUMBERS_MAX numbers that wait. A double counts: whole numbers are exact to 2^53; one that stands alone is
 * handed on as it was written.
 */
#include <math.h>
#include <string.h>

#include "base/number.h"
#include "model/text.h"
#include "query/traceql_read.h"

enum { NUMBERS_MAX = 16, LITERAL_MAX = 64 };

struct stacks {
    double values[NUMBERS_MAX];
    bool units[NUMBERS_MAX];
    char signs[2 * NUMBERS_MAX]; /* + - * / % ^, ( and n: a minus in front */
    unsigned value_count, sign_count;
};

static bool is_literal(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || (uint8_t)c >= 0x80;
}

static int strength(char sign)
{
    return sign == '^' ? 4 : sign == 'n' ? 3 : sign == '*' || sign == '/' || sign == '%' ? 2 : sign == '(' ? 0 : 1;
}

static void apply(struct stacks *s)
{
    char sign = s->signs[--s->sign_count];
    double *right = &s->values[s->value_count - 1];
    if (sign == 'n') {
        *right = -*right;
        return;
    }
    double *left = right - 1;
    s->units[s->value_count - 2] |= s->units[s->value_count - 1];
    s->value_count--;
    *left = sign == '+'   ? *left + *right
            : sign == '-' ? *left - *right
            : sign == '*' ? *left * *right
            : sign == '/' ? *left / *right
            : sign == '%' ? fmod(*left, *right)
                          : pow(*left, *right);
}

/* 2w, 1y3d: whole years of 365 days and weeks, then what any duration has. */
static bool read_weeks(struct tw_text text, double *ns)
{
    static const struct {
        char unit;
        double days;
    } units[] = {{'y', 365}, {'w', 7}};
    struct tw__field rest = {0};
    size_t at = 0;
    *ns = 0;
    for (size_t u = 0; u < sizeof units / sizeof *units; u++) {
        size_t end = at;
        double number = 0;
        for (; end < text.len && text.ptr[end] >= '0' && text.ptr[end] <= '9'; end++)
            number = number * 10 + (text.ptr[end] - '0');
        if (end == at || end == text.len || text.ptr[end] != units[u].unit) continue;
        *ns += number * units[u].days * 86400e9;
        at = end + 1;
    }
    if (at == 0 || (at < text.len && !tw__duration_read(text.ptr + at, text.len - at, &rest))) return false;
    *ns += (double)rest.i;
    return true;
}

/* A literal; minInt and maxInt. */
static int read_literal(struct tw__traceql_reader *r, struct stacks *s, struct tw_text *text)
{
    size_t begin = r->at;
    struct tw__field value = {0};
    while (r->at < r->len && is_literal(r->text[r->at])) {
        bool exponent = (r->text[r->at] | 0x20) == 'e' && r->at > begin && r->at + 1 < r->len &&
                        (r->text[r->at + 1] == '-' || r->text[r->at + 1] == '+');
        r->at += exponent ? 2 : 1;
    }
    *text = (struct tw_text){r->text + begin, r->at - begin};
    if (tw__text_is(*text, "minInt")) *text = (struct tw_text){"-9223372036854775808", 20};
    if (tw__text_is(*text, "maxInt")) *text = (struct tw_text){"9223372036854775807", 19};
    if (text->len > LITERAL_MAX) return tw__traceql_refuse(r, begin, "too long a number");
    bool unit = tw__duration_read(text->ptr, text->len, &value), weeks = false;
    double ns = 0;
    if (!unit && read_weeks(*text, &ns)) {
        unit = weeks = true;
        *text = (struct tw_text){NULL, 0}; /* our filters have no such units */
    }
    if (!unit && !tw__number_read(text->ptr, text->len, &value))
        return tw__traceql_refuse(r, begin, "a number or a duration is expected");
    if (s->value_count == NUMBERS_MAX) return tw__traceql_refuse(r, begin, "too long a computation");
    s->units[s->value_count] = unit;
    s->values[s->value_count++] = weeks                            ? ns
                                  : value.type == TW__FIELD_DOUBLE ? value.d
                                  : value.type == TW__FIELD_UINT   ? (double)value.u
                                                                   : (double)value.i;
    return 0;
}

static bool push(struct stacks *s, char sign)
{
    if (s->sign_count == sizeof s->signs) return false;
    s->signs[s->sign_count++] = sign;
    return true;
}

/* What stands before a number: parentheses and minus signs. */
static int read_front(struct tw__traceql_reader *r, struct stacks *s)
{
    for (tw__traceql_space(r); r->at < r->len && (r->text[r->at] == '-' || r->text[r->at] == '(');
         tw__traceql_space(r)) {
        if (!push(s, r->text[r->at] == '-' ? 'n' : '(')) return tw__traceql_refuse(r, r->at, "too long a computation");
        r->at++;
    }
    return 0;
}

/* Closing parentheses that belong to it. */
static void read_back(struct tw__traceql_reader *r, struct stacks *s, unsigned *open)
{
    for (tw__traceql_space(r); *open && r->at < r->len && r->text[r->at] == ')'; tw__traceql_space(r)) {
        while (s->signs[s->sign_count - 1] != '(') apply(s);
        s->sign_count--;
        (*open)--;
        r->at++;
    }
}

int tw__traceql_read_number(struct tw__traceql_reader *r, struct tw__traceql_number *out)
{
    struct stacks s = {.value_count = 0};
    struct tw_text text = {NULL, 0};
    unsigned numbers = 0, open = 0, minuses = 0;
    tw__traceql_space(r);
    size_t begin = r->at, literal = begin;
    for (;;) {
        unsigned before = s.sign_count;
        int code = read_front(r, &s);
        for (unsigned i = before; i < s.sign_count; i++) {
            open += s.signs[i] == '(';
            minuses += s.signs[i] == 'n';
        }
        literal = r->at;
        if (code == 0) code = read_literal(r, &s, &text);
        if (code < 0) return code;
        numbers++;
        read_back(r, &s, &open);
        char sign = r->at < r->len ? r->text[r->at] : 0;
        if (sign == 0 || !strchr("+-*/%^", sign)) break;
        while (s.sign_count && (strength(s.signs[s.sign_count - 1]) > strength(sign) ||
                                (strength(s.signs[s.sign_count - 1]) == strength(sign) && sign != '^')))
            apply(&s);
        if (!push(&s, sign)) return tw__traceql_refuse(r, r->at, "too long a computation");
        r->at++;
    }
    if (open) return tw__traceql_refuse(r, r->at, ") is expected");
    while (s.sign_count) apply(&s);
    if (!isfinite(s.values[0])) return tw__traceql_refuse(r, begin, "this is no number");
    *out = (struct tw__traceql_number){s.values[0], s.units[0], {NULL, 0}};
    /* A minus and its number are one text when nothing stands between them. Behind more than one minus it is only
     * computed. */
    if (numbers == 1 && minuses == 0) out->plain = text;
    if (numbers == 1 && minuses == 1 && text.ptr == r->text + literal && r->text[literal - 1] == '-')
        out->plain = (struct tw_text){text.ptr - 1, text.len + 1};
    return 0;
}
