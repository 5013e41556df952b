/* config: which formats are read and written, by their names, and where what is dropped is counted.
 *
 * The names are those of OTEL_PROPAGATORS, so that a program's existing environment means here what it means elsewhere.
 * A name that is not known is skipped and reported, not refused: a list written for another library still gives the
 * formats both have. A list without any known name is refused, for the silence it would cause. `none` alone is known.
 *
 * Invariant: a list holds each format at most once, so TW_FORMATS_MAX places are enough.
 */
#include "propagate/config.h"
#include "propagate/formats.h"

static const char *const names[] = {[TW_FORMAT_NONE] = "none",
#define NAME(name, value, text) [name] = text,
                                    TW_FORMAT_TABLE(NAME)
#undef NAME
};

_Static_assert(sizeof names / sizeof names[0] == TW_FORMATS_MAX + 1, "a place for each format");

/* A list in a word: count in the lowest byte, then a byte for each. */
#define LIST(count, a, b, c, d)                                                                                        \
    ((uint64_t)(count) | (uint64_t)(a) << 8 | (uint64_t)(b) << 16 | (uint64_t)(c) << 24 | (uint64_t)(d) << 32)

static uint64_t lists[] = {
    [TW__LIST_READ] = LIST(4, TW_FORMAT_TRACECONTEXT, TW_FORMAT_XRAY, TW_FORMAT_B3, TW_FORMAT_BAGGAGE),
    [TW__LIST_WRITE] = LIST(2, TW_FORMAT_TRACECONTEXT, TW_FORMAT_BAGGAGE, 0, 0),
};

struct tw_formats tw__propagation_list(int which)
{
    uint64_t word = tw__load_relaxed(&lists[which]);
    struct tw_formats formats = {.count = (uint8_t)word};
    for (unsigned i = 0; i < TW_FORMATS_MAX; i++) formats.list[i] = (uint8_t)(word >> (8 + 8 * i));
    return formats;
}

static void set_list(int which, const struct tw_formats *formats)
{
    uint64_t word = formats->count < TW_FORMATS_MAX ? formats->count : TW_FORMATS_MAX;
    for (unsigned i = 0; i < TW_FORMATS_MAX; i++) word |= (uint64_t)formats->list[i] << (8 + 8 * i);
    tw__store_relaxed(&lists[which], word);
}

void tw_propagation_set_default(const struct tw_formats *read, const struct tw_formats *write)
{
    if (read) set_list(TW__LIST_READ, read);
    if (write) set_list(TW__LIST_WRITE, write);
}

static struct tw_drops own_drops, *drops_at = &own_drops;

struct tw_drops *tw__process_drops(void)
{
    return tw__load_acquire(&drops_at); /* pairs with tw__process_drops_to */
}

void tw__process_drops_to(struct tw_drops *there)
{
    const struct tw_drops *from = tw__process_drops();
    tw__store_release(&drops_at, there); /* pairs with tw__process_drops */
#define ADD(name, text) (void)tw__add_relaxed(&there->name, tw__load_relaxed(&from->name));
    TW_DROP_TABLE(ADD)
#undef ADD
}

void tw__process_drops_forget(void)
{
    own_drops = (struct tw_drops){0};
    tw__store_release(&drops_at, &own_drops); /* pairs with tw__process_drops */
}

struct tw_propagation tw_propagation_default(void)
{
    return (struct tw_propagation){.read = tw__propagation_list(TW__LIST_READ),
                                   .write = tw__propagation_list(TW__LIST_WRITE)};
}

void tw_propagation_drops(struct tw_drops *out)
{
    const struct tw_drops *drops = tw__process_drops();
#define LOAD(name, text) out->name = tw__load_relaxed(&drops->name);
    TW_DROP_TABLE(LOAD)
#undef LOAD
}

static bool has_format(const struct tw_formats *formats, uint8_t format)
{
    return formats->count && memchr(formats->list, format, formats->count);
}

int tw_formats_parse(const char *text, size_t len, struct tw_formats *out)
{
    struct tw_formats read = {0};
    struct tw__slice rest = {text, len};
    int known = 0, unknown = 0;

    while (rest.len) {
        struct tw__slice word = tw__cut(&rest, ',');
        uint8_t format = 0;
        if (word.len == 0) continue;
        while (format <= TW_FORMATS_MAX && !tw__is_word(word, names[format], strlen(names[format]))) format++;
        if (format > TW_FORMATS_MAX) {
            unknown++;
            continue;
        }
        known++;
        if (format != TW_FORMAT_NONE && !has_format(&read, format)) read.list[read.count++] = format;
    }
    if (!known) return TW_ERR_SYNTAX;
    *out = read;
    return unknown;
}
