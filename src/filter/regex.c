/* regex: Glushkov's automaton in a few words of bits.
 *
 * Each character of the expression is a position; there are no empty moves. State is the set of positions just read:
 *
 *     next = (union of follow[p] for p in state, and first) & table[byte]         a match when next meets last
 *
 * Adding first at each step is what makes it a search. ^ and $ are positions too: they read two symbols that are no
 * bytes, one before the text and one after it.
 *
 * Invariant: time is at most len * positions, whatever expression and text; nothing is allocated after compiling.
 * Limits: 256 positions; bytes, not characters: a dot is one byte (an é in a literal is two, kept together under * and
 * ?); no back references, no \b, no look-around: asking for them is an error and not a literal.
 * Rejected: regcomp of libc (obeys the locale, allocates while matching, and takes exponential time or memory on some
 * expressions, which come from other people here); PCRE2 (the library links libc only; backtracks); a lazily built DFA
 * (faster on long texts, but needs memory while matching).
 */
#include "filter/regex.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS = TW__REGEX_POSITIONS_MAX / 64, BEGIN = 256, END = 257, SYMBOLS = 258, ATOMS_MAX = 4096 };

struct set {
    uint64_t word[WORDS];
};

struct tw__regex {
    uint32_t words, positions;
    bool always, anchored; /* matches anything; begins with ^ in every alternative */
    uint64_t *follow;      /* [position][words] */
    uint64_t *table;       /* [symbol][words] */
    uint64_t first[WORDS], last[WORDS];
};

/* A part of the expression: where it can begin and end, and whether it may be nothing. */
struct part {
    struct set first, last;
    bool nothing;
};

struct class
{
    uint8_t bits[(SYMBOLS + 7) / 8];
};

struct build {
    const char *text;
    size_t len, at;
    unsigned count, atoms, depth;
    bool fold; /* (?i) */
    int error;
    const char *why;
    struct set follow[TW__REGEX_POSITIONS_MAX];
    struct class reads[TW__REGEX_POSITIONS_MAX];
};

static void add(struct class *class, unsigned symbol)
{
    class->bits[symbol / 8] = (uint8_t)(class->bits[symbol / 8] | 1u << symbol % 8);
}

static bool reads(const struct class *class, unsigned symbol)
{
    return class->bits[symbol / 8] >> symbol % 8 & 1;
}

static bool fail(struct build *b, int error, const char *why)
{
    if (b->error == 0) {
        b->error = error;
        b->why = why;
    }
    return false;
}

static void unite(struct set *to, const struct set *from)
{
    for (unsigned w = 0; w < WORDS; w++) to->word[w] |= from->word[w];
}

/* Whatever ends in last may go on with first. */
static void link(struct build *b, const struct set *last, const struct set *first)
{
    for (unsigned p = 0; p < b->count; p++)
        if (last->word[p / 64] >> p % 64 & 1) unite(&b->follow[p], first);
}

static void then(struct build *b, struct part *left, const struct part *right)
{
    link(b, &left->last, &right->first);
    if (left->nothing) unite(&left->first, &right->first);
    if (right->nothing)
        unite(&left->last, &right->last);
    else
        left->last = right->last;
    left->nothing = left->nothing && right->nothing;
}

static bool position(struct build *b, const struct class *class, struct part *out)
{
    if (b->count == TW__REGEX_POSITIONS_MAX) return fail(b, TW_ERR_SPACE, "the expression is too long");
    unsigned p = b->count++;
    b->reads[p] = *class;
    memset(out, 0, sizeof *out);
    out->first.word[p / 64] = out->last.word[p / 64] = (uint64_t)1 << p % 64;
    return true;
}

static bool is_letter(unsigned c)
{
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static void fold(struct class *class)
{
    for (unsigned c = 'A'; c <= 'Z'; c++) {
        if (reads(class, c)) add(class, c | 0x20);
        if (reads(class, c | 0x20)) add(class, c);
    }
}

static void negate(struct class *class)
{
    for (unsigned c = 0; c < 256; c += 8) class->bits[c / 8] = (uint8_t) ~class->bits[c / 8];
}

static void add_range(struct class *class, unsigned from, unsigned to)
{
    for (unsigned c = from; c <= to; c++) add(class, c);
}

/* The classes that have a letter: d, w, s, and D, W, S for everything else. */
static bool named(char letter, struct class *class)
{
    struct class made = {{0}};
    switch (letter | 0x20) {
    case 'd':
        add_range(&made, '0', '9');
        break;
    case 'w':
        add_range(&made, '0', '9');
        add_range(&made, 'A', 'Z');
        add_range(&made, 'a', 'z');
        add(&made, '_');
        break;
    case 's':
        add_range(&made, '\t', '\r');
        add(&made, ' ');
        break;
    default:
        return false;
    }
    if (!(letter & 0x20)) negate(&made);
    for (unsigned i = 0; i < 256 / 8; i++) class->bits[i] |= made.bits[i];
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (is_letter((uint8_t)c) && (c | 0x20) <= 'f') return (c | 0x20) - 'a' + 10;
    return -1;
}

/* Behind a backslash: a class, or one byte in *byte. */
static bool escape(struct build *b, struct class *class, int *byte)
{
    *byte = -1;
    if (b->at == b->len) return fail(b, TW_ERR_SYNTAX, "a backslash at the end");
    char c = b->text[b->at++];
    if (named(c, class)) return true;
    if (c == 'x') {
        int high = b->at < b->len ? hex_digit(b->text[b->at]) : -1;
        int low = b->at + 1 < b->len ? hex_digit(b->text[b->at + 1]) : -1;
        if (high < 0 || low < 0) return fail(b, TW_ERR_SYNTAX, "\\x needs two hexadecimal digits");
        b->at += 2;
        *byte = high << 4 | low;
    } else if (c == 'n' || c == 't' || c == 'r') {
        *byte = c == 'n' ? '\n' : c == 't' ? '\t' : '\r';
    } else if (is_letter((uint8_t)c) || (c >= '0' && c <= '9')) {
        b->at--;
        return fail(b, TW_ERR_SYNTAX, "not known: of letters there are \\d \\w \\s \\D \\W \\S \\n \\t \\r \\xHH");
    } else {
        *byte = (uint8_t)c;
    }
    add(class, (unsigned)*byte);
    return true;
}

static bool posix_name(struct build *b, struct class *class)
{
    static const struct {
        const char *name, *ranges;
    } names[] = {{"alpha", "AZaz"}, {"digit", "09"},     {"alnum", "09AZaz"},  {"upper", "AZ"},
                 {"lower", "az"},   {"space", "\t\r  "}, {"xdigit", "09AFaf"}, {"punct", "!/:@[`{~"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t len = strlen(names[i].name);
        const char *at = b->text + b->at + 2;
        if (b->len - b->at < len + 4 || memcmp(at, names[i].name, len) != 0 || memcmp(at + len, ":]", 2) != 0) continue;
        for (const char *r = names[i].ranges; *r; r += 2) add_range(class, (uint8_t)r[0], (uint8_t)r[1]);
        b->at += len + 4;
        return true;
    }
    return fail(b, TW_ERR_SYNTAX, "no such class of characters");
}

/* One member of [ ], or the first of a range; *byte is -1 when it is a class. */
static bool member(struct build *b, struct class *class, int *byte)
{
    char c = b->text[b->at];
    if (c == '[' && b->at + 1 < b->len && b->text[b->at + 1] == ':') {
        *byte = -1;
        return posix_name(b, class);
    }
    b->at++;
    if (c == '\\') return escape(b, class, byte);
    if ((uint8_t)c >= 0x80) {
        b->at--;
        return fail(b, TW_ERR_SYNTAX, "inside [ ] only ASCII; write (\xc3\xa9|\xc3\xa8)");
    }
    *byte = (uint8_t)c;
    add(class, (uint8_t)c);
    return true;
}

static bool brackets(struct build *b, struct part *out)
{
    struct class class = {{0}};
    size_t opened = b->at - 1;
    bool other = b->at < b->len && b->text[b->at] == '^';
    b->at += other;
    for (bool first = true; b->at < b->len && (first || b->text[b->at] != ']'); first = false) {
        int from, to;
        if (!member(b, &class, &from)) return false;
        if (from < 0 || b->len - b->at < 2 || b->text[b->at] != '-' || b->text[b->at + 1] == ']') continue;
        b->at++;
        if (!member(b, &class, &to)) return false;
        if (to < from) return fail(b, TW_ERR_SYNTAX, "a range that ends before it begins");
        add_range(&class, (unsigned)from, (unsigned)to);
    }
    if (b->at == b->len) {
        b->at = opened;
        return fail(b, TW_ERR_SYNTAX, "[ is not closed");
    }
    b->at++;
    if (b->fold) fold(&class);
    if (other) negate(&class);
    return position(b, &class, out);
}

static bool alternatives(struct build *b, struct part *out);

static bool group(struct build *b, struct part *out)
{
    size_t opened = b->at - 1;
    if (b->len - b->at >= 2 && memcmp(b->text + b->at, "?:", 2) == 0)
        b->at += 2;
    else if (b->at < b->len && b->text[b->at] == '?')
        return fail(b, TW_ERR_SYNTAX, "of (? there is (?: anywhere and (?i) in front");
    if (++b->depth > TW__REGEX_DEPTH_MAX) return fail(b, TW_ERR_SPACE, "parentheses too deep");
    if (!alternatives(b, out)) return false;
    b->depth--;
    if (b->at == b->len) {
        b->at = opened;
        return fail(b, TW_ERR_SYNTAX, "( is not closed");
    }
    b->at++;
    return true;
}

/* A literal; of a character of several bytes all of them, so that what follows repeats the character. */
static bool literal(struct build *b, char c, struct part *out)
{
    struct class class = {{0}};
    add(&class, (uint8_t)c);
    if (b->fold) fold(&class);
    if (!position(b, &class, out)) return false;
    if ((uint8_t)c < 0xc0) return true;
    while (b->at < b->len && ((uint8_t)b->text[b->at] & 0xc0) == 0x80) {
        struct class more = {{0}};
        struct part right;
        add(&more, (uint8_t)b->text[b->at++]);
        if (!position(b, &more, &right)) return false;
        then(b, out, &right);
    }
    return true;
}

static bool atom(struct build *b, struct part *out)
{
    struct class class = {{0}};
    int byte;
    if (++b->atoms > ATOMS_MAX) return fail(b, TW_ERR_SPACE, "too many repetitions");
    char c = b->text[b->at++];
    switch (c) {
    case '(':
        return group(b, out);
    case '[':
        return brackets(b, out);
    case '.':
        negate(&class);
        class.bits['\n' / 8] = (uint8_t)(class.bits['\n' / 8] & ~(1u << '\n' % 8));
        return position(b, &class, out);
    case '^':
    case '$':
        add(&class, c == '^' ? BEGIN : END);
        return position(b, &class, out);
    case '\\':
        if (!escape(b, &class, &byte)) return false;
        if (b->fold) fold(&class);
        return position(b, &class, out);
    case '*':
    case '+':
    case '?':
    case '{':
        b->at--;
        return fail(b, TW_ERR_SYNTAX, "nothing stands before it to repeat; a literal needs a backslash");
    default:
        return literal(b, c, out);
    }
}

static bool number(struct build *b, unsigned *out)
{
    size_t from = b->at;
    unsigned value = 0;
    while (b->at < b->len && b->text[b->at] >= '0' && b->text[b->at] <= '9' && value <= TW__REGEX_REPEAT_MAX)
        value = value * 10 + (unsigned)(b->text[b->at++] - '0');
    if (value > TW__REGEX_REPEAT_MAX) return fail(b, TW_ERR_RANGE, "at most 255 repetitions");
    if (b->at > from) *out = value;
    return b->at > from;
}

enum { WITHOUT_END = UINT16_MAX };

/* Reads what stands behind an atom: how often. */
static bool quantifier(struct build *b, unsigned *least, unsigned *most)
{
    *least = *most = 1;
    if (b->at == b->len) return true;
    char c = b->text[b->at];
    if (c == '*' || c == '+' || c == '?') {
        b->at++;
        *least = c == '+';
        *most = c == '?' ? 1 : WITHOUT_END;
    } else if (c == '{') {
        b->at++;
        if (!number(b, least)) return fail(b, TW_ERR_SYNTAX, "a number after {, as in {2} {2,} {2,5}");
        *most = *least;
        if (b->at < b->len && b->text[b->at] == ',') {
            b->at++;
            if (!number(b, most)) *most = WITHOUT_END;
            if (b->error) return false;
        }
        if (b->at == b->len || b->text[b->at] != '}') return fail(b, TW_ERR_SYNTAX, "} is missing");
        if (*most < *least) return fail(b, TW_ERR_RANGE, "the greatest number is below the least");
        b->at++;
    } else {
        return true;
    }
    /* The lazy form finds another match, never another answer. */
    if (b->at < b->len && b->text[b->at] == '?') b->at++;
    c = b->at < b->len ? b->text[b->at] : '\0';
    return c != '*' && c != '+' && c != '{' ? true : fail(b, TW_ERR_SYNTAX, "repeated twice");
}

/* An atom and how often it is there. Copies are made by reading the atom again. */
static bool repeated(struct build *b, struct part *out)
{
    size_t from = b->at, end;
    struct part copy;
    unsigned least, most;
    if (!atom(b, out)) return false;
    if (!quantifier(b, &least, &most)) return false;
    end = b->at;
    unsigned copies = most == WITHOUT_END ? (least ? least : 1) : most;
    if (most == WITHOUT_END && least <= 1) link(b, &out->last, &out->first);
    if (least == 0) out->nothing = true;
    if (copies == 0) {
        memset(out, 0, sizeof *out);
        out->nothing = true;
    }
    for (unsigned i = 1; i < copies; i++) {
        b->at = from;
        if (!atom(b, &copy)) return false;
        if (i >= least) copy.nothing = true;
        if (most == WITHOUT_END && i == copies - 1) link(b, &copy.last, &copy.first);
        then(b, out, &copy);
    }
    b->at = end;
    return true;
}

/* Recursion through group, at most TW__REGEX_DEPTH_MAX deep. */
static bool alternatives(struct build *b, struct part *out)
{
    memset(out, 0, sizeof *out);
    for (;;) {
        struct part one = {.nothing = true}, next;
        while (b->at < b->len && b->text[b->at] != '|' && b->text[b->at] != ')') {
            if (!repeated(b, &next)) return false;
            then(b, &one, &next);
        }
        unite(&out->first, &one.first);
        unite(&out->last, &one.last);
        out->nothing |= one.nothing;
        if (b->at == b->len || b->text[b->at] == ')') return true;
        b->at++;
    }
}

static struct tw__regex *finish(const struct build *b, const struct part *whole)
{
    uint32_t words = b->count ? (b->count + 63) / 64 : 1;
    struct tw__regex *regex = malloc(sizeof *regex + (b->count + SYMBOLS) * words * sizeof(uint64_t));
    if (!regex) return NULL;
    *regex = (struct tw__regex){.words = words, .positions = b->count, .always = whole->nothing};
    regex->follow = (uint64_t *)(regex + 1);
    regex->table = regex->follow + b->count * words;
    memcpy(regex->first, whole->first.word, sizeof regex->first);
    memcpy(regex->last, whole->last.word, sizeof regex->last);
    regex->anchored = true;
    for (unsigned p = 0; p < b->count; p++)
        if (whole->first.word[p / 64] >> p % 64 & 1) regex->anchored &= reads(&b->reads[p], BEGIN);
    for (unsigned p = 0; p < b->count; p++)
        memcpy(regex->follow + p * words, b->follow[p].word, words * sizeof(uint64_t));
    memset(regex->table, 0, SYMBOLS * words * sizeof(uint64_t));
    for (unsigned p = 0; p < b->count; p++)
        for (unsigned symbol = 0; symbol < SYMBOLS; symbol++)
            if (reads(&b->reads[p], symbol)) regex->table[symbol * words + p / 64] |= (uint64_t)1 << p % 64;
    return regex;
}

int tw__regex_compile(const char *text, size_t len, struct tw__regex **out, size_t *at, const char **why)
{
    struct build *b = calloc(1, sizeof *b);
    struct tw__regex *regex = NULL;
    struct part whole;
    *at = 0;
    *why = "out of memory";
    if (!b) return TW_ERR_MEMORY;
    b->text = text;
    b->len = len;
    if (len >= 4 && memcmp(text, "(?i)", 4) == 0) {
        b->fold = true;
        b->at = 4;
    }
    if (alternatives(b, &whole) && b->at < len) (void)fail(b, TW_ERR_SYNTAX, ") without a (");
    int error = b->error;
    if (error == 0) {
        regex = finish(b, &whole);
        if (!regex) error = TW_ERR_MEMORY;
    }
    *at = b->at < len ? b->at : len;
    if (b->why) *why = b->why;
    free(b);
    if (error == 0) *out = regex;
    return error;
}

unsigned tw__regex_positions(const struct tw__regex *regex)
{
    return regex->positions;
}

void tw__regex_free(struct tw__regex *regex)
{
    free(regex);
}

/* One symbol further. begins: a match may begin with it. Returns whether one ends here. */
static inline bool step(const struct tw__regex *regex, uint64_t *state, unsigned symbol, bool begins)
{
    uint64_t next[WORDS], hit = 0;
    unsigned words = regex->words;
    const uint64_t *row = regex->table + symbol * words;
    for (unsigned w = 0; w < words; w++) next[w] = begins ? regex->first[w] : 0;
    for (unsigned w = 0; w < words; w++) {
        for (uint64_t left = state[w]; left; left &= left - 1) {
            const uint64_t *follow = regex->follow + (w * 64 + (unsigned)__builtin_ctzll(left)) * words;
            for (unsigned k = 0; k < words; k++) next[k] |= follow[k];
        }
    }
    for (unsigned w = 0; w < words; w++) {
        state[w] = next[w] & row[w];
        hit |= state[w] & regex->last[w];
    }
    return hit != 0;
}

static bool search(const struct tw__regex *regex, const char *text, size_t len)
{
    uint64_t state[WORDS] = {0};
    if (step(regex, state, BEGIN, true)) return true;
    for (size_t i = 0; i < len; i++)
        if (step(regex, state, (uint8_t)text[i], !regex->anchored)) return true;
    return step(regex, state, END, !regex->anchored);
}

/* The same for expressions of up to 64 positions, where the state is a register. Without a state it passes over
 * everything that no match begins with, and an expression that begins with ^ is given up. */
static bool search_word(const struct tw__regex *regex, const char *text, size_t len)
{
    const uint64_t *table = regex->table, *follow = regex->follow;
    const uint64_t last = regex->last[0], first = regex->anchored ? 0 : regex->first[0];
    uint64_t state = regex->first[0] & table[BEGIN];
    if (state & last) return true;
    for (size_t i = 0; i < len; i++) {
        if (!state) {
            if (regex->anchored) return false;
            while (i < len && !(first & table[(uint8_t)text[i]])) i++;
            if (i == len) break;
        }
        uint64_t next = first;
        for (; state; state &= state - 1) next |= follow[__builtin_ctzll(state)];
        state = next & table[(uint8_t)text[i]];
        if (state & last) return true;
    }
    uint64_t next = first;
    for (; state; state &= state - 1) next |= follow[__builtin_ctzll(state)];
    return (next & table[END] & last) != 0;
}

bool tw__regex_match(const struct tw__regex *regex, const char *text, size_t len)
{
    if (regex->always) return true;
    return regex->words == 1 ? search_word(regex, text, len) : search(regex, text, len);
}

bool tw__regex_match_start(const struct tw__regex *regex, const char *text, size_t len)
{
    uint64_t state[WORDS] = {0};
    if (regex->always || step(regex, state, BEGIN, true)) return true;
    for (size_t i = 0; i < len; i++)
        if (step(regex, state, (uint8_t)text[i], i == 0)) return true;
    return step(regex, state, END, len == 0);
}
