/* line_template: a line format as a template.
 *
 *     text  \n \t \r \\ \{ \} \|  {{ }}
 *     {name}                       a token such as time, or the field of that name
 *     {name|instead}               instead of a field that is not there: a template again
 *     {name?present|absent}        two templates, one of which is written
 *     {name:20} {name:<20}         in 20 columns; :^20 centred, :>20 to the right; before | and ?
 *     {metadata|=|, }              all metadata, = between key and value, ", " between fields
 *     {pterm.Name}                 what the whole process has under a name
 *
 * Limits: nested at most TW__LINE_FORMAT_DEPTH_MAX deep. A single } in text is itself.
 */
#include <string.h>

#include "wire/line_parts.h"

struct chain {
    uint16_t first, last;
};

static bool fail(struct tw__line_build *b, size_t at, const char *why)
{
    (void)tw__refuse(b->refusal, TW_ERR_SYNTAX, at, "%s", why);
    return false;
}

static bool add(struct tw__line_build *b, struct chain *chain, uint16_t part)
{
    if (!part) return false;
    if (chain->last)
        b->parts[chain->last].next = part;
    else
        chain->first = part;
    chain->last = part;
    return true;
}

static char peek(const struct tw__line_build *b, size_t ahead)
{
    return b->len - b->at > ahead ? b->text[b->at + ahead] : '\0';
}

/* One byte of text, behind its backslash or doubled brace if there is one. false: something else stands here. */
static bool byte(struct tw__line_build *b, bool inside, char *out)
{
    char c = peek(b, 0), next = peek(b, 1);
    if (c == '\\' && next) {
        static const char letters[] = "ntr", bytes[] = "\n\t\r";
        const char *found = memchr(letters, next, sizeof letters - 1);
        *out = found ? bytes[found - letters] : next;
        b->at += 2;
        return true;
    }
    if (c == '{' && next == '{') {
        b->at++;
    } else if (c == '{' || (inside && (c == '}' || c == '|'))) {
        return false;
    } else if (c == '}' && next == '}') {
        b->at++;
    }
    *out = c;
    b->at++;
    return true;
}

/* Text up to a brace, or inside of braces up to | or }. */
static bool text(struct tw__line_build *b, struct chain *chain, bool inside)
{
    char *room = b->copy; /* the front half is free while a template is read */
    size_t len = 0;
    char c;
    while (b->at < b->len && byte(b, inside, &c)) room[len++] = c;
    return len == 0 || add(b, chain, tw__line_part_text(b, room, len));
}

static bool is_name_char(char c)
{
    return ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-' ||
           c == '@' || c == '/' || (uint8_t)c >= 0x80;
}

static bool width(struct tw__line_build *b, struct tw__line_part *part)
{
    unsigned value = 0;
    char c = peek(b, 0);
    size_t from = b->at;
    if (c == '<' || c == '^' || c == '>') {
        part->align = c == '<' ? TW__LINE_LEFT : c == '^' ? TW__LINE_CENTRE : TW__LINE_RIGHT;
        b->at++;
    }
    for (; peek(b, 0) >= '0' && peek(b, 0) <= '9' && value <= TW__LINE_FORMAT_WIDTH_MAX; b->at++)
        value = value * 10 + (unsigned)(peek(b, 0) - '0');
    if (value < 1 || value > TW__LINE_FORMAT_WIDTH_MAX) return fail(b, from, "a width is 1 to 1024");
    part->width = (uint16_t)value;
    return true;
}

static bool parts(struct tw__line_build *b, struct chain *chain, bool inside);

/* | and what stands behind it, to the next | or }. */
static bool branch(struct tw__line_build *b, uint16_t *first)
{
    struct chain chain = {0};
    if (b->depth++ == TW__LINE_FORMAT_DEPTH_MAX) {
        (void)tw__refuse(b->refusal, TW_ERR_SPACE, b->at, "nested more than %d deep", TW__LINE_FORMAT_DEPTH_MAX);
        return false;
    }
    b->at++;
    if (!parts(b, &chain, true)) return false;
    b->depth--;
    *first = chain.first ? chain.first : tw__line_part_text(b, "", 0);
    return *first != 0;
}

/* Behind {metadata| */
static bool metadata(struct tw__line_build *b, uint16_t *out)
{
    char room[2][64];
    size_t len[2] = {0};
    for (unsigned i = 0; i < 2; i++) {
        char c;
        if (peek(b, 0) != '|') return fail(b, b->at, "metadata takes two texts: {metadata|=|, }");
        b->at++;
        while (b->at < b->len && byte(b, true, &c)) {
            if (len[i] == sizeof room[i]) return fail(b, b->at, "a separator of at most 64 bytes");
            room[i][len[i]++] = c;
        }
    }
    *out = tw__line_part_metadata(b, room[0], len[0], room[1], len[1]);
    return *out != 0;
}

/* Puts a part into columns: a part that is always written, around it. */
static bool in_columns(struct tw__line_build *b, const struct tw__line_part *how, uint16_t *part)
{
    if (!how->width) return true;
    uint16_t outer = tw__line_part_new(b, TW__LINE_WHETHER);
    if (!outer) return false;
    b->parts[outer].present = *part;
    b->parts[outer].width = how->width;
    b->parts[outer].align = how->align;
    *part = outer;
    return true;
}

/* The field between braces; at stands behind the first. */
static bool field(struct tw__line_build *b, struct chain *chain, size_t opened)
{
    size_t from = b->at;
    struct tw__line_part how = {0};
    uint16_t part = 0;
    while (b->at < b->len && is_name_char(b->text[b->at])) b->at++;
    const char *name = b->text + from;
    size_t len = b->at - from;
    if (len == 0) return fail(b, opened, "a name is expected behind {; the brace itself is {{");
    if (peek(b, 0) == ':') {
        b->at++;
        if (!width(b, &how)) return false;
    }
    char c = peek(b, 0);
    if (c == '|' && len == 8 && memcmp(name, "metadata", 8) == 0) {
        if (!metadata(b, &part)) return false;
    } else if (c == '|' || c == '?') {
        part = tw__line_part_new(b, c == '|' ? TW__LINE_KEY : TW__LINE_WHETHER);
        if (!part || !tw__line_part_key(b, part, name, len)) return false;
        uint16_t first = 0, second = 0;
        if (!branch(b, &first)) return false;
        if (c == '?' && peek(b, 0) == '|' && !branch(b, &second)) return false;
        b->parts[part].present = c == '?' ? first : 0;
        b->parts[part].absent = c == '?' ? second : first;
    } else {
        part = tw__line_part_named(b, name, len);
        /* As in the other notation: nothing, and not Undefined. */
        if (part && len > 6 && memcmp(name, "pterm.", 6) == 0) b->parts[part].absent = tw__line_part_text(b, "", 0);
    }
    if (!part) return false;
    if (peek(b, 0) != '}') return fail(b, b->at < b->len ? b->at : opened, "} is missing");
    b->at++;
    return in_columns(b, &how, &part) && add(b, chain, part);
}

static bool parts(struct tw__line_build *b, struct chain *chain, bool inside)
{
    while (b->at < b->len) {
        size_t before = b->at;
        if (!text(b, chain, inside)) return false;
        if (peek(b, 0) == '{') {
            b->at++;
            if (!field(b, chain, b->at - 1)) return false;
        } else if (b->at == before) {
            return true;
        }
    }
    return true;
}

int tw__line_template_parse(struct tw__line_build *b)
{
    struct chain whole = {0};
    if (!parts(b, &whole, false) || b->refusal->code) return -1;
    b->parts[0].next = whole.first;
    return 0;
}
