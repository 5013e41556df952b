/* eterm: the lexical part of Erlang's terms, as far as values go: no funs, no references, no maps.
 *
 * Texts stay where they are in the source unless a backslash or a quoted atom makes another text of them. An unknown
 * letter behind a backslash is that letter, as there.
 * Limits: integers of 64 bits; a string is text and not a list of integers; $c is its first byte.
 */
#include "base/eterm.h"

#include <string.h>

#include "base/number.h"

static bool refuse(struct tw__eterms *t, size_t at, const char *why)
{
    (void)tw__refuse(t->refusal, TW_ERR_SYNTAX, at, "%s", why);
    return false;
}

static void skip_spaces(struct tw__eterms *t)
{
    while (t->at < t->len) {
        char c = t->text[t->at];
        if (c == '%') {
            while (t->at < t->len && t->text[t->at] != '\n') t->at++;
        } else if (c == ' ' || (c >= '\t' && c <= '\r')) {
            t->at++;
        } else {
            return;
        }
    }
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_atom_char(char c)
{
    return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_' || c == '@' || (uint8_t)c >= 0x80;
}

static char escaped(struct tw__eterms *t)
{
    static const char letters[] = "nrtsebfv0", bytes[] = "\n\r\t \033\b\f\v";
    char c = t->text[t->at++];
    const char *found = memchr(letters, c, sizeof letters - 1);
    return found ? bytes[found - letters] : c;
}

static bool quoted(struct tw__eterms *t, char quote, struct tw__field *out)
{
    size_t from = t->at++, begin = t->used;
    while (t->at < t->len && t->text[t->at] != quote) {
        char c = t->text[t->at++];
        if (c == '\\' && t->at < t->len) c = escaped(t);
        if (t->used == t->cap) {
            (void)tw__refuse(t->refusal, TW_ERR_SPACE, from, "the texts in it are too long");
            return false;
        }
        t->room[t->used++] = c;
    }
    if (t->at == t->len) return refuse(t, from, "the quote is not closed");
    t->at++;
    *out = tw__field_text(t->room + begin, t->used - begin);
    return true;
}

static bool binary(struct tw__eterms *t, struct tw__field *out)
{
    static const char utf8[] = "/utf8";
    size_t from = t->at;
    t->at += 2;
    *out = tw__field_text("", 0);
    skip_spaces(t);
    if (t->at < t->len && t->text[t->at] == '"' && !quoted(t, '"', out)) return false;
    if (t->len - t->at >= sizeof utf8 - 1 && memcmp(t->text + t->at, utf8, sizeof utf8 - 1) == 0)
        t->at += sizeof utf8 - 1;
    skip_spaces(t);
    if (t->len - t->at < 2 || memcmp(t->text + t->at, ">>", 2) != 0) return refuse(t, from, "a binary is <<\"text\">>");
    t->at += 2;
    return true;
}

static bool pid(struct tw__eterms *t, struct tw__field *out)
{
    size_t from = t->at++;
    while (t->at < t->len && (is_digit(t->text[t->at]) || t->text[t->at] == '.')) t->at++;
    if (t->at == t->len || t->text[t->at] != '>') return refuse(t, from, "a pid is <0.410.0>, a binary <<\"text\">>");
    t->at++;
    *out = tw__field_text(t->text + from, t->at - from);
    return true;
}

static unsigned digit_of(char c)
{
    if (is_digit(c)) return (unsigned)(c - '0');
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z' ? (unsigned)((c | 0x20) - 'a') + 10 : 99;
}

/* 16#ff: at stands on the #. */
static bool based(struct tw__eterms *t, size_t from, struct tw__field *out)
{
    uint64_t base = 0, value = 0;
    bool minus = t->text[from] == '-';
    for (size_t i = from + minus; i < t->at && base <= 36; i++) base = base * 10 + digit_of(t->text[i]);
    if (base < 2 || base > 36) return refuse(t, from, "a base is 2 to 36");
    size_t first = ++t->at;
    for (; t->at < t->len && digit_of(t->text[t->at]) < base; t->at++) {
        unsigned digit = digit_of(t->text[t->at]);
        if (value > ((uint64_t)INT64_MAX - digit) / base) return refuse(t, from, "a number of more than 63 bits");
        value = value * base + digit;
    }
    if (t->at == first) return refuse(t, first, "digits are missing behind #");
    *out = tw__field_int(minus ? -(int64_t)value : (int64_t)value);
    return true;
}

static bool number(struct tw__eterms *t, struct tw__field *out)
{
    size_t from = t->at;
    t->at += t->text[t->at] == '-';
    while (t->at < t->len && is_digit(t->text[t->at])) t->at++;
    if (t->at < t->len && t->text[t->at] == '#' && is_digit(t->text[t->at - 1])) return based(t, from, out);
    if (t->len - t->at >= 2 && t->text[t->at] == '.' && is_digit(t->text[t->at + 1])) {
        for (char before = ' '; t->at < t->len; before = t->text[t->at++]) {
            char c = t->text[t->at];
            bool sign = (c == '-' || c == '+') && (before | 0x20) == 'e';
            if (!sign && c != '.' && !is_atom_char(c)) break;
        }
    } else {
        while (t->at < t->len && is_atom_char(t->text[t->at])) t->at++;
    }
    return tw__number_read(t->text + from, t->at - from, out) || refuse(t, from, "not a number that fits 64 bits");
}

/* Everything but punctuation; c is the first character. */
static bool value(struct tw__eterms *t, char c, struct tw__eterm *out)
{
    bool pair = t->len - t->at >= 2;
    out->kind = TW__ETERM_TEXT;
    if (c == '"') return quoted(t, '"', &out->value);
    if (c == '<') return pair && t->text[t->at + 1] == '<' ? binary(t, &out->value) : pid(t, &out->value);
    out->kind = TW__ETERM_NUMBER;
    if (c == '-' || is_digit(c)) return number(t, &out->value);
    if (c == '$' && pair) {
        t->at++;
        char byte = t->text[t->at++];
        if (byte == '\\' && t->at < t->len) byte = escaped(t);
        out->value = tw__field_int((uint8_t)byte);
        return true;
    }
    out->kind = TW__ETERM_ATOM;
    if (c == '\'') return quoted(t, '\'', &out->value);
    if ((c >= 'a' && c <= 'z') || (uint8_t)c >= 0x80) {
        size_t from = t->at;
        while (t->at < t->len && is_atom_char(t->text[t->at])) t->at++;
        out->value = tw__field_text(t->text + from, t->at - from);
        return true;
    }
    if ((c >= 'A' && c <= 'Z') || c == '_')
        return refuse(t, t->at, "a variable has no value here; 'Quoted' is an atom");
    return refuse(t, t->at, "an atom, a text, a number, a tuple or a list is expected here");
}

bool tw__eterm_next(struct tw__eterms *terms, struct tw__eterm *out)
{
    skip_spaces(terms);
    *out = (struct tw__eterm){.kind = TW__ETERM_END, .at = terms->at};
    if (terms->at == terms->len) return true;
    char c = terms->text[terms->at];
    if (c && memchr("[]{},.", c, 6)) {
        terms->at++;
        out->kind = TW__ETERM_PUNCT;
        out->punct = c;
    } else if (!value(terms, c, out)) {
        return false;
    }
    out->len = terms->at - out->at;
    return true;
}

bool tw__eterm_is_atom(const struct tw__eterm *term, const char *name)
{
    return term->kind == TW__ETERM_ATOM && term->value.len == strlen(name) &&
           memcmp(term->value.ptr, name, term->value.len) == 0;
}
