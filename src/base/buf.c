/* buf: bytes that grow at the end.
 *
 * Invariant: len <= cap, and once failed is set len does not change until reset. The caller writes as if memory could
 * not run out and asks once at the end; output that is missing its middle is never produced, because nothing is added
 * after the first failure. Growth doubles, so n bytes cost at most 2n copied.
 * Rejected: open_memstream (locks and locale per call, and three times slower for single characters); a limit on the
 * size, which only the caller can know.
 */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_BYTES = 4096 };

void tw__buf_fini(struct tw__buf *buf)
{
    free(buf->ptr);
    *buf = (struct tw__buf){0};
}

void tw__buf_reset(struct tw__buf *buf)
{
    buf->len = 0;
    buf->failed = false;
}

/* Room for len more bytes. */
static bool reserve(struct tw__buf *buf, size_t len)
{
    if (buf->failed) return false;
    if (len <= buf->cap - buf->len) return true;
    size_t cap = buf->cap ? buf->cap : FIRST_BYTES;
    while (cap - buf->len < len) {
        if (cap > SIZE_MAX / 2) {
            buf->failed = true;
            return false;
        }
        cap *= 2;
    }
    char *ptr = realloc(buf->ptr, cap);
    if (!ptr) {
        buf->failed = true;
        return false;
    }
    buf->ptr = ptr;
    buf->cap = cap;
    return true;
}

char *tw__buf_room(struct tw__buf *buf, size_t len)
{
    return reserve(buf, len) ? buf->ptr + buf->len : NULL;
}

void tw__buf_add(struct tw__buf *buf, const void *bytes, size_t len)
{
    if (len == 0 || !reserve(buf, len)) return;
    memcpy(buf->ptr + buf->len, bytes, len);
    buf->len += len;
}

void tw__buf_cstr(struct tw__buf *buf, const char *text)
{
    tw__buf_add(buf, text, strlen(text));
}

void tw__buf_char_more(struct tw__buf *buf, char c)
{
    if (!reserve(buf, 1)) return;
    buf->ptr[buf->len++] = c;
}

void tw__buf_fill(struct tw__buf *buf, char c, size_t count)
{
    if (count == 0 || !reserve(buf, count)) return;
    memset(buf->ptr + buf->len, c, count);
    buf->len += count;
}

void tw__buf_u64(struct tw__buf *buf, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    tw__buf_add(buf, digits + at, sizeof digits - at);
}

void tw__buf_hex(struct tw__buf *buf, const uint8_t *bytes, size_t count)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < count; i++) {
        tw__buf_char(buf, digits[bytes[i] >> 4]);
        tw__buf_char(buf, digits[bytes[i] & 15]);
    }
}

void tw__buf_base64(struct tw__buf *buf, const void *bytes, size_t count)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *from = bytes;
    for (size_t i = 0; i < count; i += 3) {
        size_t left = count - i;
        uint32_t bits = (uint32_t)from[i] << 16 | (left > 1 ? (uint32_t)from[i + 1] << 8 : 0) |
                        (left > 2 ? (uint32_t)from[i + 2] : 0);
        const char four[4] = {digits[bits >> 18], digits[bits >> 12 & 63], left > 1 ? digits[bits >> 6 & 63] : '=',
                              left > 2 ? digits[bits & 63] : '='};
        tw__buf_add(buf, four, sizeof four);
    }
}

void tw__buf_fmt(struct tw__buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    if (len < 0) buf->failed = true;
    /* One byte more than is kept: vsnprintf insists on writing its NUL. */
    if (len > 0 && reserve(buf, (size_t)len + 1)) {
        (void)vsnprintf(buf->ptr + buf->len, (size_t)len + 1, format, again);
        buf->len += (size_t)len;
    }
    va_end(again);
    va_end(args);
}
