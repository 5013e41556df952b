/* config: which formats are read and written, by their names, and where what is dropped is counted.
 *
 * The names are those of OTEL_PROPAGATORS, so that a program's existing environment means here what it means elsewhere.
 * A name that is not known is skipped and reported, not refused: a list written for another library still gives the
 * formats both have. A list without any known name is refused, for the silence it would cause. `none` alone is known.
 *
 * Invariant: a list holds each format at most once, so TW_FORMATS_MAX places are enough.
 */
#include "propagate/config.h"

static const char *const names[] = {[TW_FORMAT_NONE] = "none",
#define NAME(name, value, text) [name] = text,
                                    TW_FORMAT_TABLE(NAME)
#undef NAME
};

_Static_assert(sizeof names / sizeof names[0] == TW_FORMATS_MAX + 1, "a place for each format");

const struct tw_propagation tw__propagation_default = {
    .read = {4, {TW_FORMAT_TRACECONTEXT, TW_FORMAT_XRAY, TW_FORMAT_B3, TW_FORMAT_BAGGAGE}},
    .write = {2, {TW_FORMAT_TRACECONTEXT, TW_FORMAT_BAGGAGE}},
};

/* Added to by any thread, read by any, each word whole (relaxed). */
struct tw_drops tw__process_drops;

struct tw_propagation tw_propagation_default(void)
{
    return tw__propagation_default;
}

void tw_propagation_drops(struct tw_drops *out)
{
#define LOAD(name, text) out->name = tw__load_relaxed(&tw__process_drops.name);
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
