/* json_read: reads JSON, event by event, without allocating.
 *
 *     char scratch[256];
 *     struct tw__json_reader json = {.text = text, .len = len, .last = true, .scratch = scratch, .scratch_cap = sizeof
 * scratch}; while ((event = tw__json_read(&json)) != TW__JSON_DONE) { if (event == TW__JSON_BAD) return
 * problem(json.error, json.why, json.error_at); if (event == TW__JSON_NAME && tw__json_is(&json, "rate")) ...
 *     }
 */
#ifndef TW_WIRE_JSON_READ_H
#define TW_WIRE_JSON_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <trackway/read.h>

enum { TW__JSON_DEPTH_MAX = 128 };

enum tw__json_event {
    TW__JSON_OBJECT,
    TW__JSON_OBJECT_END,
    TW__JSON_ARRAY,
    TW__JSON_ARRAY_END,
    TW__JSON_NAME, /* of a member; its value comes next */
    TW__JSON_STRING,
    TW__JSON_NUMBER,
    TW__JSON_BOOL,
    TW__JSON_NULL,
    TW__JSON_DONE, /* the text was complete; again if asked again */
    TW__JSON_MORE, /* the text ends in the middle, and is not the last; append to it and ask again */
    TW__JSON_BAD   /* not JSON, or beyond a limit; again if asked again */
};

/* Nothing set: RFC 8259 to the letter. */
enum tw__json_lenience {
    TW__JSON_NAN = 1,    /* NaN, Infinity, -Infinity as Python writes them; numbers too large are infinite */
    TW__JSON_REPAIR = 2, /* bytes that are not UTF-8, and halves of surrogate pairs, become U+FFFD */
    TW__JSON_MANY = 4    /* any number of texts one after the other, as in a file of lines */
};

enum tw__json_number { TW__JSON_I64, TW__JSON_U64, TW__JSON_F64 };

struct tw__json_reader {
    /* Given by the caller. */
    const char *text; /* may move and grow between events, as long as the bytes before at stay the same */
    size_t len;
    bool last; /* nothing will follow */
    unsigned lenience;
    unsigned depth_max; /* 0: TW__JSON_DEPTH_MAX, which is also the most */
    char *scratch;      /* for strings with escapes; their decoded length is the limit */
    size_t scratch_cap;

    /* The event. */
    struct tw_text string; /* NAME, STRING: decoded, UTF-8; NUMBER: as written. Until the next event; points into text
                              or scratch */
    bool boolean;
    enum tw__json_number
        number; /* I64: whole and exact in i64; U64: too large for that, exact in u64; F64: anything else */
    int64_t i64;
    uint64_t u64; /* also set for I64 when it is not negative */
    double f64;   /* always set, nearest */
    size_t from;  /* where the event begins in text */

    /* After BAD. */
    int error; /* TW_ERR_SYNTAX, TW_ERR_RANGE (number), TW_ERR_SPACE (depth, scratch) */
    const char *why;
    size_t error_at;

    /* Its own. */
    size_t at; /* everything before is read */
    unsigned depth;
    uint8_t expect;
    bool skipping;
    uint64_t in_object[TW__JSON_DEPTH_MAX / 64]; /* a bit for each open bracket */
};

/* The next event.
 * Errors   MORE leaves everything as it was: the piece that is cut off is read again from its beginning.
 *          Names are not checked for being unique: the last one counts, or the caller does.
 * Threads  [any thread], one at a time for each reader. Cost: linear; a string is looked at twice when it has escapes.
 */
enum tw__json_event tw__json_read(struct tw__json_reader *json);

/* Reads past the next value whole. After NAME: the member's value; inside an array: the next element.
 * Strings in it need not fit the scratch memory.
 * Returns  the value's first event, or BAD, MORE (a text that is not the last; the reader cannot go on then), or the
 * end of the array. */
enum tw__json_event tw__json_skip(struct tw__json_reader *json);

/* Reads past what is left of the container whose beginning was the last event. Returns its end, or BAD, MORE. */
enum tw__json_event tw__json_leave(struct tw__json_reader *json);

/* Whether the last NAME or STRING is word. */
static inline bool tw__json_is(const struct tw__json_reader *json, const char *word)
{
    size_t len = strlen(word);
    return json->string.len == len && memcmp(json->string.ptr, word, len) == 0;
}

/* Whether a right bracket or the end comes next, so that nothing is left of the container. */
bool tw__json_closes(const struct tw__json_reader *json);

/* Line and column of a byte, both from 1; columns are bytes. */
void tw__json_where(const char *text, size_t len, size_t at, size_t *line, size_t *column);

#endif
