/* http: one question, one answer, one connection.
 *
 *     HTTP/1.1 200 OK CRLF  name: value CRLF ...  CRLF  body
 *
 * The body ends where Transfer-Encoding: chunked says, else after Content-Length, else where the connection ends (RFC
 * 9112 section 6.3). The answer is read from the beginning each time something has come: answers are a few kilobytes,
 * and a reader without state cannot be in a wrong one.
 * Invariant: bytes are changed only when the answer is whole. Two lengths that differ are refused, whatever came first.
 * Rejected: libcurl (libtrackway needs nothing but libc); keeping the connection (a question every ten seconds).
 */
#include "export/http.h"

#include <stdint.h>
#include <string.h>

#include <trackway/err.h>

void tw__http_post(struct tw__buf *out, const char *host, const char *path, const char *body, size_t len)
{
    tw__buf_fmt(out,
                "POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: trackway\r\nContent-Type: application/json\r\n"
                "Accept: application/json\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n",
                path, host, len);
    tw__buf_add(out, body, len);
}

struct head {
    int status;
    bool chunked, has_length;
    uint64_t length;
    size_t end; /* of the head, behind its empty line */
};

struct line {
    const char *at;
    size_t len;
};

/* The line that begins at *at, without its end, which may be a bare LF; moves *at behind it. */
static bool next_line(const char *bytes, size_t len, size_t *at, struct line *line)
{
    const char *end = *at < len ? memchr(bytes + *at, '\n', len - *at) : NULL;
    if (!end) return false;
    line->at = bytes + *at;
    line->len = (size_t)(end - line->at);
    *at += line->len + 1;
    if (line->len && line->at[line->len - 1] == '\r') line->len--;
    return true;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static bool same(struct line text, const char *word)
{
    if (text.len != strlen(word)) return false;
    for (size_t i = 0; i < text.len; i++)
        if (lower(text.at[i]) != word[i]) return false;
    return true;
}

static struct line trimmed(struct line text)
{
    for (; text.len && (*text.at == ' ' || *text.at == '\t'); text.len--) text.at++;
    while (text.len && (text.at[text.len - 1] == ' ' || text.at[text.len - 1] == '\t')) text.len--;
    return text;
}

/* Digits of a base, all of the text; at most 2^40. */
static bool number(struct line text, unsigned base, uint64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = lower(text.at[i]);
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                                                : 99;
        if (digit >= base || *value >> 40) return false;
        *value = *value * base + digit;
    }
    return text.len > 0;
}

static bool status_line(struct line line, struct head *head)
{
    uint64_t status;
    if (line.len < 12 || memcmp(line.at, "HTTP/1.", 7) != 0 || line.at[8] != ' ' ||
        (line.len > 12 && line.at[12] != ' '))
        return false;
    if (!number((struct line){line.at + 9, 3}, 10, &status) || status < 100) return false;
    *head = (struct head){.status = (int)status};
    return true;
}

static bool header(struct line line, struct head *head)
{
    const char *colon = memchr(line.at, ':', line.len);
    if (!colon || colon == line.at) return false;
    struct line name = {line.at, (size_t)(colon - line.at)};
    struct line value = trimmed((struct line){colon + 1, line.len - name.len - 1});
    if (same(name, "content-length")) {
        uint64_t length;
        if (!number(value, 10, &length) || (head->has_length && length != head->length)) return false;
        head->has_length = true;
        head->length = length;
    } else if (same(name, "transfer-encoding")) {
        if (!same(value, "chunked")) return false;
        head->chunked = true;
    } else if (same(name, "content-encoding")) {
        return same(value, "identity"); /* we ask for nothing else */
    }
    return true;
}

/* One head from *at on. 1, 0, TW_ERR_SYNTAX. */
static int read_head(const char *bytes, size_t len, size_t at, struct head *head)
{
    struct line line;
    if (!next_line(bytes, len, &at, &line)) return 0;
    if (!status_line(line, head)) return TW_ERR_SYNTAX;
    while (next_line(bytes, len, &at, &line)) {
        if (line.len == 0) {
            head->end = at;
            return 1;
        }
        if (!header(line, head)) return TW_ERR_SYNTAX;
    }
    return 0;
}

/* Walks the chunks; with a target, moves them together there. 1 and *body_len, 0, TW_ERR_SYNTAX. */
static int chunks(char *bytes, size_t len, size_t at, char *target, size_t *body_len)
{
    struct line line;
    *body_len = 0;
    for (;;) {
        uint64_t size;
        if (!next_line(bytes, len, &at, &line)) return 0;
        const char *extension = line.len ? memchr(line.at, ';', line.len) : NULL;
        if (extension) line.len = (size_t)(extension - line.at);
        if (!number(trimmed(line), 16, &size)) return TW_ERR_SYNTAX;
        if (size == 0) break;
        if (size > len - at) return 0;
        if (target) memmove(target + *body_len, bytes + at, (size_t)size);
        *body_len += (size_t)size;
        at += (size_t)size;
        if (!next_line(bytes, len, &at, &line)) return 0;
        if (line.len) return TW_ERR_SYNTAX;
    }
    while (next_line(bytes, len, &at, &line)) /* trailers */
        if (line.len == 0) return 1;
    return 0;
}

static int read_body(char *bytes, size_t len, bool closed, const struct head *head, struct tw__http_answer *answer)
{
    size_t body_len = len - head->end;
    if (head->chunked) {
        int result = chunks(bytes, len, head->end, NULL, &body_len);
        if (result != 1) return result;
        (void)chunks(bytes, len, head->end, bytes + head->end, &body_len);
    } else if (head->status == 204 || head->status == 304) {
        body_len = 0;
    } else if (head->has_length) {
        if (body_len < head->length) return 0;
        body_len = (size_t)head->length;
    } else if (!closed) {
        return 0;
    }
    *answer = (struct tw__http_answer){head->status, bytes + head->end, body_len};
    return 1;
}

int tw__http_read(char *bytes, size_t len, bool closed, struct tw__http_answer *answer)
{
    struct head head = {.end = 0};
    size_t at = 0;
    int result;
    do {
        result = read_head(bytes, len, at, &head);
        if (result < 0) return result;
        if (result == 0 && len - at > TW__HTTP_HEAD_MAX) return TW_ERR_SPACE;
        if (result == 1 && head.end - at > TW__HTTP_HEAD_MAX) return TW_ERR_SPACE;
        at = head.end;
    } while (result == 1 && head.status < 200);
    if (result == 1) result = read_body(bytes, len, closed, &head, answer);
    return result == 0 && closed ? TW_ERR_SYNTAX : result;
}
