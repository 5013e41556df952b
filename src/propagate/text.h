/* text: slices of header text, for the formats of this folder. */
#ifndef TW_PROPAGATE_TEXT_H
#define TW_PROPAGATE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct tw__slice {
    const char *at;
    size_t len;
};

static inline bool tw__is_space(char c)
{
    return c == ' ' || c == '\t';
}

/* Without the optional white space of HTTP at both ends. */
static inline struct tw__slice tw__trim(const char *text, size_t len)
{
    for (; len && tw__is_space(*text); len--) text++;
    while (len && tw__is_space(text[len - 1])) len--;
    return (struct tw__slice){text, len};
}

/* Cuts the text at the first separator: returns what is before it, trimmed, and moves *rest behind it. */
static inline struct tw__slice tw__cut(struct tw__slice *rest, char separator)
{
    const char *end = rest->len ? memchr(rest->at, separator, rest->len) : NULL;
    size_t len = end ? (size_t)(end - rest->at) : rest->len;
    struct tw__slice piece = tw__trim(rest->at, len);
    size_t past = end ? len + 1 : len;
    if (past) rest->at += past;
    rest->len -= past;
    return piece;
}

/* True when the slice is the word, whatever the case of its letters. The word is lower case. */
static inline bool tw__is_word(struct tw__slice s, const char *word, size_t word_len)
{
    if (s.len != word_len) return false;
    for (size_t i = 0; i < word_len; i++) {
        char c = s.at[i];
        if (c >= 'A' && c <= 'Z') c = (char)(c + ('a' - 'A'));
        if (c != word[i]) return false;
    }
    return true;
}

#endif
