/* buf: bytes that grow at the end, for output.
 *
 *     struct tw__buf out = {0};
 *     tw__buf_cstr(&out, "hello ");
 *     tw__buf_fmt(&out, "%d", 42);
 *     if (out.failed) ...                one check at the end covers every call before it
 *     tw__buf_fini(&out);
 */
#ifndef TW_BASE_BUF_H
#define TW_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed is empty and ready. ptr is not NUL-terminated and may be NULL while len is 0. */
struct tw__buf {
    char *ptr;
    size_t len, cap;
    bool failed; /* sticky: memory ran out once; everything after it was dropped */
};

void tw__buf_fini(struct tw__buf *buf);
/* Empties it and keeps the memory; clears failed. */
void tw__buf_reset(struct tw__buf *buf);

/* Room for len bytes at the end, for who writes there himself and then adds to len; NULL when memory has run out. */
char *tw__buf_room(struct tw__buf *buf, size_t len);

void tw__buf_add(struct tw__buf *buf, const void *bytes, size_t len);
void tw__buf_cstr(struct tw__buf *buf, const char *text);
void tw__buf_char_more(struct tw__buf *buf, char c); /* for tw__buf_char, when there is no room */
static inline void tw__buf_char(struct tw__buf *buf, char c)
{
    if (buf->failed || buf->len == buf->cap)
        tw__buf_char_more(buf, c);
    else
        buf->ptr[buf->len++] = c;
}
void tw__buf_fill(struct tw__buf *buf, char c, size_t count);
void tw__buf_u64(struct tw__buf *buf, uint64_t value);
void tw__buf_hex(struct tw__buf *buf, const uint8_t *bytes, size_t count);
/* Base64 with its padding. */
void tw__buf_base64(struct tw__buf *buf, const void *bytes, size_t count);
void tw__buf_fmt(struct tw__buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
