/* log_format: what a format takes from the argument list.
 *
 * The compiler has checked the arguments against the format, so the format says of each what it is and how wide. A
 * precision bounds how much of a text may be read: "%.*s" is how texts without a NUL are logged.
 */
#include <string.h>
#include <wchar.h>

#include "base/format.h"
#include "trace/log.h"

enum { FAST_ARGS = 15, TEXTS_ROOM = TW__RECORD_MAX - TW__EVENT_HEAD_BYTES - 8 - 1000 - TW_LOG_ARGS_MAX * 16 };

static uint64_t fast_of(const struct tw__conversion *c, uint32_t *size)
{
    *size = 16;
    if (c->width == TW__FORMAT_STAR || c->precision == TW__FORMAT_STAR) return 0;
    if (c->arg == TW__ARG_TEXT && c->precision < 0) return TW__FAST_TEXT;
    switch (c->arg) {
    case TW__ARG_INT:
        *size = 8;
        return TW__FAST_INT;
    case TW__ARG_UINT:
        *size = 8;
        return TW__FAST_UINT;
    case TW__ARG_LONG:
        return TW__FAST_LONG;
    case TW__ARG_ULONG:
    case TW__ARG_POINTER:
        return TW__FAST_ULONG;
    case TW__ARG_DOUBLE:
        return TW__FAST_DOUBLE;
    case TW__ARG_NONE:
    case TW__ARG_TEXT:
    case TW__ARG_LONG_DOUBLE:
    case TW__ARG_WIDE:
    case TW__ARG_ERRNO:
    case TW__ARG_COUNT:
    case TW__ARG_UNKNOWN:
        break;
    }
    return 0;
}

uint64_t tw__log_signature(const char *format, uint32_t *bytes)
{
    const char *at = format, *end = at + strlen(format);
    struct tw__conversion c;
    uint64_t signature = 0;
    unsigned count = 0;
    bool texts = false;
    *bytes = 0;
    for (; tw__format_next(at, end, &c); at = c.end) {
        uint32_t size;
        if (c.arg == TW__ARG_NONE) continue;
        uint64_t fast = fast_of(&c, &size);
        if (!fast || count == FAST_ARGS) return 0;
        texts |= fast == TW__FAST_TEXT;
        signature |= fast << (4 * count++);
        *bytes += size;
    }
    if (texts) *bytes = TW__LOG_TEXTS;
    return count ? signature : TW__FAST_NONE;
}

bool tw__log_narrow(uint64_t signature, uint32_t *head)
{
    uint32_t len = 0, count = 0;
    *head = 0;
    if (signature == TW__FAST_NONE) return true;
    for (; signature; signature >>= 4, count++) {
        uint64_t kind = signature & 15;
        if (count == TW__INTS_MAX || (kind != TW__FAST_INT && kind != TW__FAST_UINT)) return false;
        if (kind == TW__FAST_UINT) len |= 4u << count;
    }
    *head = (uint32_t)TW__TAG_INTS << 16 | (len | (count - 1)) << 24;
    return true;
}

struct gathering {
    struct tw__block *block;
    struct tw__tag_in *tags;
    size_t count, room;
    char *wide;
    size_t wide_len;
};

static void add_bits(struct gathering *g, enum tw__tag type, uint64_t bits)
{
    if (g->count < TW_LOG_ARGS_MAX) g->tags[g->count++] = (struct tw__tag_in){.type = (uint8_t)type, .bits = bits};
}

static void add_text(struct gathering *g, const char *text, size_t len)
{
    if (g->count == TW_LOG_ARGS_MAX) return;
    size_t max = g->room < TW_TEXT_MAX ? g->room : TW_TEXT_MAX;
    struct tw__tag_in tag = tw__text_tag(g->block, TW__TAG_STR, 0, text, len, max);
    g->room -= tag.len;
    g->tags[g->count++] = tag;
}

static void add_double(struct gathering *g, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    add_bits(g, TW__TAG_DOUBLE, bits);
}

/* As UTF-8, without asking the locale. */
static void add_wide(struct gathering *g, const wchar_t *text, size_t max)
{
    size_t begin = g->wide_len;
    for (size_t i = 0; i < max && text[i] && g->wide_len + 4 <= TW__LOG_WIDE_BYTES; i++) {
        uint32_t c = (uint32_t)text[i];
        char *to = g->wide + g->wide_len;
        if (c < 0x80) {
            to[0] = (char)c;
            g->wide_len += 1;
        } else if (c < 0x800) {
            to[0] = (char)(0xc0 | c >> 6);
            to[1] = (char)(0x80 | (c & 0x3f));
            g->wide_len += 2;
        } else if (c < 0x10000) {
            to[0] = (char)(0xe0 | c >> 12);
            to[1] = (char)(0x80 | (c >> 6 & 0x3f));
            to[2] = (char)(0x80 | (c & 0x3f));
            g->wide_len += 3;
        } else {
            to[0] = (char)(0xf0 | (c >> 18 & 7));
            to[1] = (char)(0x80 | (c >> 12 & 0x3f));
            to[2] = (char)(0x80 | (c >> 6 & 0x3f));
            to[3] = (char)(0x80 | (c & 0x3f));
            g->wide_len += 4;
        }
    }
    add_text(g, g->wide + begin, g->wide_len - begin);
}

size_t tw__log_args(struct tw__block *block, const char *format, va_list args, int error_number,
                    struct tw__tag_in *tags, char wide[TW__LOG_WIDE_BYTES])
{
    struct gathering g = {.block = block, .tags = tags, .room = TEXTS_ROOM, .wide = wide};
    const char *at = format, *end = at + strlen(format);
    struct tw__conversion c;
    for (; tw__format_next(at, end, &c) && c.arg != TW__ARG_UNKNOWN; at = c.end) {
        int precision = c.precision;
        if (c.width == TW__FORMAT_STAR) add_bits(&g, TW__TAG_INT32, (uint32_t)va_arg(args, int));
        if (c.precision == TW__FORMAT_STAR) {
            precision = va_arg(args, int);
            add_bits(&g, TW__TAG_INT32, (uint32_t)precision);
        }
        size_t most = precision >= 0 ? (size_t)precision : SIZE_MAX;
        const char *text;
        const wchar_t *wide_text;
        switch (c.arg) {
        case TW__ARG_INT:
            add_bits(&g, TW__TAG_INT32, (uint32_t)va_arg(args, int));
            break;
        case TW__ARG_UINT:
            add_bits(&g, TW__TAG_UINT32, va_arg(args, unsigned));
            break;
        case TW__ARG_LONG:
            add_bits(&g, TW__TAG_INT, (uint64_t)va_arg(args, long));
            break;
        case TW__ARG_ULONG:
            add_bits(&g, TW__TAG_UINT, va_arg(args, unsigned long));
            break;
        case TW__ARG_POINTER:
            add_bits(&g, TW__TAG_UINT, (uint64_t)(uintptr_t)va_arg(args, void *));
            break;
        case TW__ARG_DOUBLE:
            add_double(&g, va_arg(args, double));
            break;
        case TW__ARG_LONG_DOUBLE:
            add_double(&g, (double)va_arg(args, long double));
            break;
        case TW__ARG_TEXT:
            text = va_arg(args, const char *);
            if (text)
                add_text(&g, text, strnlen(text, most));
            else
                add_text(&g, "(null)", 6);
            break;
        case TW__ARG_WIDE:
            wide_text = va_arg(args, const wchar_t *);
            if (wide_text)
                add_wide(&g, wide_text, most);
            else
                add_text(&g, "(null)", 6);
            break;
        case TW__ARG_ERRNO:
            add_bits(&g, TW__TAG_INT32, (uint32_t)error_number);
            break;
        case TW__ARG_COUNT:
            (void)va_arg(args, void *);
            break;
        case TW__ARG_NONE:
        case TW__ARG_UNKNOWN:
            break;
        }
    }
    return g.count;
}
