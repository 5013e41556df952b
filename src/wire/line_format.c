/* line_format: what both notations have in common: tokens, fields and their other names, and the block that is kept.
 *
 * The names mod, func and from_app are those of Kazoo's own lines; on any other line Kazoo prints "Undefined" for them.
 * Here they fall back to module, function and application.
 *
 * Invariant: a list of parts ends, because next, present and absent lead to parts that were made later, or to none.
 * Rejected: keeping formats as text and reading it for each line; printf-like letters (they would need a table to be
 * read).
 */
#include "wire/line_format.h"

#include <stdlib.h>
#include <string.h>

#include "wire/line_parts.h"

static bool is(const char *text, size_t len, const char *word)
{
    return strlen(word) == len && memcmp(text, word, len) == 0;
}

uint16_t tw__line_part_new(struct tw__line_build *b, enum tw__line_part_kind kind)
{
    if (b->part_count == TW__LINE_FORMAT_PARTS_MAX) {
        (void)tw__refuse(b->refusal, TW_ERR_SPACE, b->at, "more than %d parts", TW__LINE_FORMAT_PARTS_MAX);
        return 0;
    }
    b->parts[b->part_count] =
        (struct tw__line_part){.kind = (uint8_t)kind, .key = TW__LINE_NO_KEY, .also = TW__LINE_NO_KEY};
    return b->part_count++;
}

static const char *keep(struct tw__line_build *b, const char *text, size_t len)
{
    if (len > TW__LINE_FORMAT_TEXT_MAX + 1024 - b->used) {
        (void)tw__refuse(b->refusal, TW_ERR_SPACE, b->at, "the texts in it are too long");
        return NULL;
    }
    char *copy = b->copy + TW__LINE_FORMAT_TEXT_MAX + b->used;
    if (len) memcpy(copy, text, len);
    b->used += len;
    return copy;
}

uint16_t tw__line_part_text(struct tw__line_build *b, const char *text, size_t len)
{
    const char *copy = keep(b, text, len);
    uint16_t part = copy ? tw__line_part_new(b, TW__LINE_TEXT) : 0;
    if (!part) return 0;
    b->parts[part].text = copy;
    b->parts[part].len = (uint16_t)len;
    return part;
}

/* The index of a field, or -1. */
static int key_of(struct tw__line_build *b, const char *name, size_t len)
{
    for (uint16_t i = 0; i < b->key_count; i++)
        if (b->keys[i].len == len && memcmp(b->keys[i].name, name, len) == 0) return i;
    if (b->key_count == TW__LINE_FORMAT_KEYS_MAX)
        return tw__refuse(b->refusal, TW_ERR_SPACE, b->at, "more than %d different fields", TW__LINE_FORMAT_KEYS_MAX);
    const char *copy = keep(b, name, len);
    if (!copy) return -1;
    b->keys[b->key_count] = (struct tw__field_key){.name = copy, .len = len};
    return b->key_count++;
}

bool tw__line_part_key(struct tw__line_build *b, uint16_t part, const char *name, size_t len)
{
    static const char *const aliases[][2] = {
        {"mod", "module"}, {"func", "function"}, {"from_app", "application"}, {"severity", "level"}};
    int key = key_of(b, name, len), also = TW__LINE_NO_KEY;
    for (size_t i = 0; key >= 0 && i < sizeof aliases / sizeof *aliases; i++)
        if (is(name, len, aliases[i][0])) also = key_of(b, aliases[i][1], strlen(aliases[i][1]));
    if (key < 0 || also < 0) return false;
    b->parts[part].key = (uint8_t)key;
    b->parts[part].also = (uint8_t)also;
    return true;
}

uint16_t tw__line_part_metadata(struct tw__line_build *b, const char *between, size_t between_len, const char *fields,
                                size_t fields_len)
{
    uint16_t part = tw__line_part_new(b, TW__LINE_METADATA);
    const char *first = keep(b, between, between_len), *second = keep(b, fields, fields_len);
    if (!part || !first || !second) return 0;
    b->parts[part].text = first;
    b->parts[part].len = (uint16_t)between_len;
    b->parts[part].other = second;
    b->parts[part].other_len = (uint16_t)fields_len;
    return part;
}

uint16_t tw__line_part_named(struct tw__line_build *b, const char *name, size_t len)
{
    static const struct {
        const char *name, *field;
        enum tw__line_part_kind kind;
    } tokens[] = {{"date", "time", TW__LINE_DATE},          {"time", "time", TW__LINE_TIME},
                  {"message", "message", TW__LINE_MESSAGE}, {"severity", "level", TW__LINE_SEVERITY},
                  {"level", "level", TW__LINE_SEVERITY},    {"severity_upper", "level", TW__LINE_SEVERITY_UPPER},
                  {"sev", "level", TW__LINE_SEV},           {"color", "level", TW__LINE_COLOR}};
    if (is(name, len, "blank")) return tw__line_part_text(b, " ", 1);
    if (is(name, len, "metadata")) return tw__line_part_metadata(b, "=", 1, " ", 1);
    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++) {
        if (!is(name, len, tokens[i].name)) continue;
        uint16_t part = tw__line_part_new(b, tokens[i].kind);
        return part && tw__line_part_key(b, part, tokens[i].field, strlen(tokens[i].field)) ? part : 0;
    }
    if (len == 0) {
        (void)tw__refuse(b->refusal, TW_ERR_SYNTAX, b->at, "a field without a name");
        return 0;
    }
    uint16_t part = tw__line_part_new(b, TW__LINE_KEY);
    return part && tw__line_part_key(b, part, name, len) ? part : 0;
}

static const char *moved(const struct tw__line_build *b, const char *text, char *texts)
{
    return text ? texts + (text - (b->copy + TW__LINE_FORMAT_TEXT_MAX)) : NULL;
}

static struct tw__line_format *finish(const struct tw__line_build *b, tw__field_resolve *resolve, const void *data)
{
    size_t parts_bytes = b->part_count * sizeof *b->parts, keys_bytes = b->key_count * sizeof *b->keys;
    struct tw__line_format *format = malloc(sizeof *format + parts_bytes + keys_bytes + b->used);
    if (!format) return NULL;
    struct tw__line_part *parts = (struct tw__line_part *)(format + 1);
    struct tw__field_key *keys = (struct tw__field_key *)(parts + b->part_count);
    char *texts = (char *)(keys + b->key_count);
    memcpy(parts, b->parts, parts_bytes);
    if (keys_bytes) memcpy(keys, b->keys, keys_bytes);
    memcpy(texts, b->copy + TW__LINE_FORMAT_TEXT_MAX, b->used);
    for (unsigned i = 0; i < b->key_count; i++) {
        keys[i].name = moved(b, keys[i].name, texts);
        if (resolve) keys[i].id = resolve(data, keys[i].name, keys[i].len);
    }
    for (unsigned i = 0; i < b->part_count; i++) {
        parts[i].text = moved(b, parts[i].text, texts);
        parts[i].other = moved(b, parts[i].other, texts);
    }
    *format = (struct tw__line_format){parts, keys, b->part_count, b->key_count, b->json};
    return format;
}

/* Whether text that begins with [ is a template, such as "[{time}] {message}": outside of quotes the first { of a
 * template has a name and then } | ? or : behind it, that of a list an atom and a comma. */
static bool is_template(const struct tw__line_build *b)
{
    bool quoted = false;
    for (size_t at = 0; at < b->len; at++) {
        if (b->text[at] == '"') quoted = !quoted;
        if (quoted || b->text[at] != '{') continue;
        while (++at < b->len && b->text[at] != ',' && b->text[at] != '\'') {
            char c = b->text[at];
            if (c == '}' || c == '|' || c == '?' || c == ':') return true;
        }
        return false;
    }
    return false;
}

static int compile(struct tw__line_build *b)
{
    size_t first = 0;
    if (b->len > TW__LINE_FORMAT_TEXT_MAX)
        return tw__refuse(b->refusal, TW_ERR_SPACE, TW__LINE_FORMAT_TEXT_MAX, "longer than %d bytes",
                          TW__LINE_FORMAT_TEXT_MAX);
    while (first < b->len && (b->text[first] == ' ' || b->text[first] == '\n' || b->text[first] == '\t')) first++;
    if (first == b->len)
        return tw__refuse(b->refusal, TW_ERR_SYNTAX, 0, "an empty format; {message}\\n is a short one");
    b->part_count = 1;
    b->parts[0] = (struct tw__line_part){.kind = TW__LINE_TEXT};
    if (is(b->text, b->len, "json")) {
        b->json = true;
        return tw__line_part_named(b, "time", 4) && tw__line_part_named(b, "level", 5) &&
                       tw__line_part_named(b, "message", 7)
                   ? 0
                   : -1;
    }
    return b->text[first] == '[' && !is_template(b) ? tw__line_list_parse(b) : tw__line_template_parse(b);
}

int tw__line_format_compile(const char *text, size_t len, tw__field_resolve *resolve, const void *data,
                            struct tw__line_format **out, struct tw__refusal *refusal)
{
    struct tw__refusal own;
    if (!refusal) refusal = &own;
    *refusal = (struct tw__refusal){0};
    struct tw__line_build *b = calloc(1, sizeof *b);
    if (b) {
        b->text = text;
        b->len = len;
        b->refusal = refusal;
    }
    struct tw__line_format *format = b && compile(b) == 0 && refusal->code == 0 ? finish(b, resolve, data) : NULL;
    free(b);
    if (!format) {
        (void)tw__refuse(refusal, TW_ERR_MEMORY, 0, "out of memory");
        return refusal->code;
    }
    *out = format;
    return 0;
}

void tw__line_format_free(struct tw__line_format *format)
{
    free(format);
}
