/* tokens: see the header. */
#include "ingest/tokens.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

static bool same(const char *token, const char *given, size_t len)
{
    size_t own = strlen(token);
    unsigned differ = own != len;
    for (size_t i = 0; i < len; i++)
        differ |= (unsigned)(unsigned char)given[i] ^ (unsigned char)token[own ? i % own : 0];
    return differ == 0 && own != 0;
}

static int sextet(char c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == '+') return 62;
    return c == '/' ? 63 : -1;
}

/* Decodes base64 into room for cap bytes. Returns the length, 0 when it is none or too long. */
static size_t base64(const char *text, char *out, size_t cap)
{
    uint32_t bits = 0;
    size_t len = 0, held = 0;
    for (; *text && *text != '='; text++) {
        int value = sextet(*text);
        if (value < 0) return 0;
        bits = bits << 6 | (uint32_t)value;
        held += 6;
        if (held < 8) continue;
        held -= 8;
        if (len == cap) return 0;
        out[len++] = (char)(bits >> held & 0xff);
    }
    return len;
}

bool tw__tokens_allow(const struct tw__tokens *tokens, enum tw__role role, const char *header)
{
    if (role == TW__ROLE_ANY || !tokens || (!tokens->read[0] && !tokens->write[0])) return true;
    const char *token = role == TW__ROLE_READ ? tokens->read : tokens->write;
    char basic[TW__TOKEN_MAX + 64];
    if (!header) return false;
    if (strncasecmp(header, "Bearer ", 7) == 0) {
        header += 7;
        while (*header == ' ') header++;
        return same(token, header, strlen(header));
    }
    if (strncasecmp(header, "Basic ", 6) != 0) return false;
    header += 6;
    while (*header == ' ') header++;
    size_t len = base64(header, basic, sizeof basic);
    const char *colon = memchr(basic, ':', len);
    return colon && same(token, colon + 1, len - (size_t)(colon + 1 - basic));
}
