/* short: the short form of a filter, for people who type.
 *
 *     filter     = and { ("or" | "||") and }
 *     and        = not { ["and" | "&&"] not }              side by side means and
 *     not        = ["not" | "!"] not | condition
 *     condition  = "(" filter ")" | "true" | "false" | "*" | key it is there | ("exists" | "absent") "(" key ")" | key
 *                ("=" | "==" | "!=" | "===" | "!==" | "<" | "<=" | "=<" | ">" | ">=" | "=>" | "~" | "=~" | "!~") value
 *                | key "in" "(" value { "," value } ")"
 *     value      = quoted text | number | duration | true | false | pid | word;
 *                  after = and != also * (there) and ! (absent)
 *
 * A word ends at a space, a parenthesis, a comma, && or ||. A regular expression keeps those of its parentheses that
 * are closed in it. A name of an operator is a key when an operator of comparison follows it.
 *
 * Invariant: each call moves on or sets the error, so reading ends.
 * Limits: recursion through not and ( ), at most TW__FILTER_DEPTH_MAX deep.
 * Rejected: patterns with * in a word (two languages of patterns; ~ is enough, and says where it matches); a comma for
 * "and" (it would have to be explained why only there).
 */
#include <string.h>

#include "base/number.h"
#include "filter/build.h"

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static void skip_spaces(struct tw__filter_build *b)
{
    while (b->at < b->len && is_space(b->text[b->at])) b->at++;
}

static bool stands(const struct tw__filter_build *b, const char *token)
{
    size_t len = strlen(token);
    return b->len - b->at >= len && memcmp(b->text + b->at, token, len) == 0;
}

static bool take(struct tw__filter_build *b, const char *token)
{
    if (!stands(b, token)) return false;
    b->at += strlen(token);
    return true;
}

static bool is_key_char(char c, bool first)
{
    bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
    if (letter || c == '_' || c == '@' || (uint8_t)c >= 0x80) return true;
    return !first && ((c >= '0' && c <= '9') || c == '.' || c == '-' || c == '/' || c == ':' || c == '$');
}

/* Length of the bare key that stands here; 0: none. */
static size_t key_len(const struct tw__filter_build *b)
{
    size_t at = b->at;
    while (at < b->len && is_key_char(b->text[at], at == b->at)) at++;
    return at - b->at;
}

static bool same_word(const char *text, size_t len, const char *word)
{
    if (strlen(word) != len) return false;
    for (size_t i = 0; i < len; i++)
        if ((text[i] | 0x20) != word[i]) return false;
    return true;
}

static bool begins_comparison(const struct tw__filter_build *b, size_t at)
{
    while (at < b->len && is_space(b->text[at])) at++;
    if (at == b->len) return false;
    char c = b->text[at], next = at + 1 < b->len ? b->text[at + 1] : ' ';
    return c == '=' || c == '<' || c == '>' || c == '~' || (c == '!' && (next == '=' || next == '~'));
}

/* Whether the word stands here as itself and not as a key or the beginning of one. Takes it. */
static bool take_word(struct tw__filter_build *b, const char *word)
{
    size_t len = key_len(b);
    if (!same_word(b->text + b->at, len, word) || begins_comparison(b, b->at + len)) return false;
    b->at += len;
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;
}

/* Behind a backslash in quotes. -1: not known. */
static int escaped(struct tw__filter_build *b)
{
    char c = b->text[b->at++];
    if (c == 'n') return '\n';
    if (c == 't') return '\t';
    if (c == 'r') return '\r';
    if (c == '"' || c == '\'' || c == '\\') return (uint8_t)c;
    if (c != 'x' || b->len - b->at < 2) return -1;
    int high = hex_digit(b->text[b->at]), low = hex_digit(b->text[b->at + 1]);
    b->at += 2;
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

/* Text in quotes of either kind. regex: a backslash belongs to the expression, except before the quote. */
static bool quoted(struct tw__filter_build *b, bool regex, struct tw__field *out)
{
    size_t from = b->at;
    char quote = b->text[b->at++];
    size_t most = b->len - b->at;
    char *copy = tw__build_room(b, most < TW__BUILD_COPY_MAX - b->used ? most : TW__BUILD_COPY_MAX - b->used);
    size_t len = 0;
    if (!copy) return false;
    while (b->at < b->len && b->text[b->at] != quote) {
        char c = b->text[b->at++];
        bool escape = c == '\\' && b->at < b->len && (!regex || b->text[b->at] == quote);
        if (c == '\\' && b->at < b->len && !escape) { /* keep both, so that \\" ends where it should */
            copy[len++] = c;
            c = b->text[b->at++];
        } else if (escape) {
            size_t at = b->at - 1;
            int byte = escaped(b);
            if (byte < 0) {
                (void)tw__refuse(b->error, TW_ERR_SYNTAX, at, "not known: there are \\\" \\' \\\\ \\n \\t \\r \\xHH");
                return false;
            }
            c = (char)byte;
        }
        copy[len++] = c;
    }
    if (b->at == b->len) {
        (void)tw__refuse(b->error, TW_ERR_SYNTAX, from, "the quote is not closed");
        return false;
    }
    b->at++;
    b->used = (size_t)(copy - b->copy) + len;
    *out = tw__field_text(copy, len);
    return true;
}

static bool ends_word(const struct tw__filter_build *b)
{
    char c = b->text[b->at];
    return is_space(c) || c == '(' || c == ')' || c == ',' || c == '"' || stands(b, "&&") || stands(b, "||");
}

static size_t word_len(struct tw__filter_build *b)
{
    size_t from = b->at;
    while (b->at < b->len && !ends_word(b)) b->at++;
    size_t len = b->at - from;
    b->at = from;
    return len;
}

/* To a space outside of [ ], or a parenthesis that was not opened in it. */
static size_t regex_len(const struct tw__filter_build *b)
{
    unsigned depth = 0;
    bool brackets = false;
    size_t at = b->at;
    for (; at < b->len; at++) {
        char c = b->text[at];
        if (is_space(c)) break;
        if (c == '\\' && at + 1 < b->len && !is_space(b->text[at + 1])) {
            at++;
        } else if (brackets) {
            brackets = c != ']';
        } else if (c == '[') {
            brackets = true;
            if (at + 1 < b->len && b->text[at + 1] == '^') at++;
            if (at + 1 < b->len && b->text[at + 1] == ']') at++;
        } else if (c == '(') {
            depth++;
        } else if (c == ')' && depth-- == 0) {
            break;
        }
    }
    return at - b->at;
}

static bool read_value(struct tw__filter_build *b, bool regex, struct tw__filter_literal *out)
{
    skip_spaces(b);
    *out = (struct tw__filter_literal){.at = b->at};
    if (b->at < b->len && (b->text[b->at] == '"' || b->text[b->at] == '\'')) {
        if (!quoted(b, regex, &out->value)) return false;
        out->len = b->at - out->at;
        return true;
    }
    out->word = true;
    out->len = regex ? regex_len(b) : word_len(b);
    if (out->len == 0) {
        (void)tw__refuse(b->error, TW_ERR_SYNTAX, b->at, "a value is missing; an empty text is \"\"");
        return false;
    }
    const char *text = b->text + b->at;
    b->at += out->len;
    out->value = tw__field_text(text, out->len);
    if (regex) return true;
    if (same_word(text, out->len, "true") || same_word(text, out->len, "false")) {
        out->value = (struct tw__field){.type = TW__FIELD_BOOL, .u = out->len == 4};
        return true;
    }
    if (tw__number_read(text, out->len, &out->value)) return true;
    out->unit = tw__duration_read(text, out->len, &out->value);
    return true;
}

/* =<1.2.3> is a pid and not =< followed by something. */
static bool is_pid_ahead(const struct tw__filter_build *b)
{
    size_t at = b->at + 2;
    while (at < b->len && ((b->text[at] >= '0' && b->text[at] <= '9') || b->text[at] == '.')) at++;
    return at > b->at + 2 && at < b->len && b->text[at] == '>';
}

static bool read_op(struct tw__filter_build *b, enum tw__filter_op *op)
{
    static const struct {
        const char *token;
        enum tw__filter_op op;
    } ops[] = {{"!==", TW__FILTER_OTHER}, {"===", TW__FILTER_SAME},    {"==", TW__FILTER_EQ}, {"!=", TW__FILTER_NE},
               {"=~", TW__FILTER_REGEX},  {"!~", TW__FILTER_NO_REGEX}, {"<=", TW__FILTER_LE}, {"=<", TW__FILTER_LE},
               {">=", TW__FILTER_GE},     {"=>", TW__FILTER_GE},       {"=", TW__FILTER_EQ},  {"<", TW__FILTER_LT},
               {">", TW__FILTER_GT},      {"~", TW__FILTER_REGEX}};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        if (!stands(b, ops[i].token)) continue;
        if (ops[i].op == TW__FILTER_LE && b->text[b->at] == '=' && is_pid_ahead(b)) continue;
        b->at += strlen(ops[i].token);
        *op = ops[i].op;
        return true;
    }
    return false;
}

static bool is_equality(enum tw__filter_op op)
{
    return op == TW__FILTER_EQ || op == TW__FILTER_NE || op == TW__FILTER_SAME || op == TW__FILTER_OTHER;
}

static int compare(struct tw__filter_build *b, int key, enum tw__filter_op op)
{
    struct tw__filter_literal literal;
    bool regex = op == TW__FILTER_REGEX || op == TW__FILTER_NO_REGEX;
    if (!read_value(b, regex, &literal)) return -1;
    if (literal.word && !regex && literal.value.type == TW__FIELD_TEXT) {
        const char *text = literal.value.ptr;
        bool star = literal.len == 1 && *text == '*', mark = literal.len == 1 && *text == '!';
        if ((star || mark) && is_equality(op)) {
            bool equal = op == TW__FILTER_EQ || op == TW__FILTER_SAME;
            return tw__build_bare(b, equal == star ? TW__FILTER_EXISTS : TW__FILTER_ABSENT, key);
        }
        const char *found = memchr(text, '*', literal.len);
        if (found)
            return tw__refuse(b->error, TW_ERR_SYNTAX, literal.at + (size_t)(found - text),
                              "* is no pattern inside a word: use ~ (name~^GET), or quote the text");
        if (memchr("=<>~", *text, 4) && !(*text == '<' && literal.len > 2))
            return tw__refuse(b->error, TW_ERR_SYNTAX, literal.at, "no such operator; quote a text that begins with %c",
                              *text);
    }
    return tw__build_compare(b, key, op, &literal);
}

static int any_of(struct tw__filter_build *b, int key)
{
    size_t opened = b->at;
    int node = -1;
    skip_spaces(b);
    if (!take(b, "("))
        return tw__refuse(b->error, TW_ERR_SYNTAX, b->at, "( and values after in, as in: status in (ok, error)");
    for (bool more = true; more;) {
        int one = compare(b, key, TW__FILTER_EQ);
        if (one < 0) return -1;
        node = node < 0 ? one : tw__build_join(b, TW__FILTER_OR, node, one);
        if (node < 0) return -1;
        skip_spaces(b);
        more = take(b, ",");
    }
    return take(b, ")")
               ? node
               : tw__refuse(b->error, TW_ERR_SYNTAX, b->at < b->len ? b->at : opened, "a comma or ) is missing");
}

static int read_key(struct tw__filter_build *b, bool *word)
{
    size_t at = b->at, len = key_len(b);
    struct tw__field text;
    *word = len > 0;
    if (len) {
        b->at += len;
        return tw__build_key(b, b->text + at, len, at);
    }
    if (at == b->len) return tw__refuse(b->error, TW_ERR_SYNTAX, at, "a condition is missing, such as module=cart");
    if (b->text[at] == '"' || b->text[at] == '\'') {
        if (!quoted(b, false, &text)) return -1;
        return tw__build_key(b, text.ptr, text.len, at);
    }
    if (b->text[at] == ',')
        return tw__refuse(b->error, TW_ERR_SYNTAX, at, "no commas: conditions side by side mean and; or is or");
    if (b->text[at] == ')') return tw__refuse(b->error, TW_ERR_SYNTAX, at, ") without a (, or nothing before it");
    return tw__refuse(b->error, TW_ERR_SYNTAX, at,
                      "a key is expected here; one that begins with another character in quotes");
}

static int parse_or(struct tw__filter_build *b);

/* exists(key), absent(key) */
static int presence(struct tw__filter_build *b, enum tw__filter_op op)
{
    bool word;
    skip_spaces(b);
    if (!take(b, "(")) return tw__refuse(b->error, TW_ERR_SYNTAX, b->at, "( is missing, as in exists(key)");
    skip_spaces(b);
    int key = read_key(b, &word);
    skip_spaces(b);
    if (key >= 0 && !take(b, ")")) return tw__refuse(b->error, TW_ERR_SYNTAX, b->at, ") is missing");
    return tw__build_bare(b, op, key);
}

/* Whether the word that stands here is followed by an opening parenthesis: then it is no key. */
static bool is_call(const struct tw__filter_build *b, const char *word)
{
    size_t len = key_len(b), at = b->at + len;
    if (!same_word(b->text + b->at, len, word)) return false;
    while (at < b->len && is_space(b->text[at])) at++;
    return at < b->len && b->text[at] == '(';
}

/* Words that say something only with a parenthesis behind them: alone they are a slip and not a key. */
static bool is_reserved(const char *text, size_t len)
{
    return same_word(text, len, "in") || same_word(text, len, "exists") || same_word(text, len, "absent");
}

static int condition(struct tw__filter_build *b)
{
    enum tw__filter_op op;
    bool word;
    size_t at = b->at;
    if (take(b, "(")) {
        if (!tw__build_enter(b, at)) return -1;
        int node = parse_or(b);
        tw__build_leave(b);
        if (node >= 0 && !take(b, ")")) return tw__refuse(b->error, TW_ERR_SYNTAX, at, "( is not closed");
        return node;
    }
    if (take(b, "*") || take_word(b, "true")) return tw__build_bare(b, TW__FILTER_TRUE, 0);
    if (take_word(b, "false")) return tw__build_bare(b, TW__FILTER_FALSE, 0);
    if (is_call(b, "exists") || is_call(b, "absent")) {
        op = (b->text[at] | 0x20) == 'e' ? TW__FILTER_EXISTS : TW__FILTER_ABSENT;
        b->at += strlen("exists");
        return presence(b, op);
    }
    if (take_word(b, "and") || take_word(b, "or"))
        return tw__refuse(b->error, TW_ERR_SYNTAX, at, "a condition is missing before it");
    int key = read_key(b, &word);
    if (key < 0) return -1;
    size_t behind = b->at;
    skip_spaces(b);
    if (read_op(b, &op)) return compare(b, key, op);
    if (is_call(b, "in")) {
        b->at += strlen("in");
        return any_of(b, key);
    }
    b->at = behind;
    if (word && is_reserved(b->text + at, behind - at))
        return tw__refuse(b->error, TW_ERR_SYNTAX, at, "( is missing, as in: key in (1, 2), exists(key), absent(key)");
    return tw__build_bare(b, TW__FILTER_EXISTS, key);
}

static int parse_not(struct tw__filter_build *b)
{
    skip_spaces(b);
    size_t at = b->at;
    if (!take_word(b, "not") && !take(b, "!")) return condition(b);
    if (!tw__build_enter(b, at)) return -1;
    int node = tw__build_not(b, parse_not(b));
    tw__build_leave(b);
    return node;
}

/* Where a condition cannot go on: the end, ) or "or". */
static bool at_end_of_and(struct tw__filter_build *b)
{
    skip_spaces(b);
    if (b->at == b->len || b->text[b->at] == ')' || stands(b, "||")) return true;
    size_t at = b->at;
    bool is_or = take_word(b, "or");
    b->at = at;
    return is_or;
}

static int parse_and(struct tw__filter_build *b)
{
    int node = parse_not(b);
    while (node >= 0 && !at_end_of_and(b)) {
        (void)(take(b, "&&") || take_word(b, "and"));
        node = tw__build_join(b, TW__FILTER_AND, node, parse_not(b));
    }
    return node;
}

static int parse_or(struct tw__filter_build *b)
{
    int node = parse_and(b);
    while (node >= 0 && (take(b, "||") || take_word(b, "or")))
        node = tw__build_join(b, TW__FILTER_OR, node, parse_and(b));
    return node;
}

int tw__short_parse(struct tw__filter_build *b)
{
    int node = parse_or(b);
    if (node >= 0 && b->at < b->len) return tw__refuse(b->error, TW_ERR_SYNTAX, b->at, ") without a (");
    return node;
}
