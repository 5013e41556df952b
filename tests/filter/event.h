/* event: a record made of text, for tests of filters and formats.
 *
 *     struct event e;
 *     event_read(&e, "level=warning module=m request=1 ratio=0.5 ok=true callid=\"abc\"");
 *     tw__filter_match(filter, event_get, &e);
 *
 * Unquoted numbers, true and false are typed, level is a level, everything else is text. */
#ifndef TW_TESTS_FILTER_EVENT_H
#define TW_TESTS_FILTER_EVENT_H

#include <stdlib.h>
#include <string.h>

#include "base/field.h"
#include "base/number.h"
#include "filter/filter.h"

enum { EVENT_FIELDS_MAX = 128, EVENT_TEXT_MAX = 8192 };

struct event {
    size_t count;
    struct tw__field_key keys[EVENT_FIELDS_MAX];
    struct tw__field values[EVENT_FIELDS_MAX];
    char text[EVENT_TEXT_MAX];
};

static inline void event_add(struct event *event, const char *key, size_t key_len, const char *text, size_t len,
                             bool quoted)
{
    struct tw__field value = tw__field_text(text, len);
    if (event->count == EVENT_FIELDS_MAX) abort();
    if (!quoted && key_len == 5 && memcmp(key, "level", 5) == 0) {
        int number = tw__level_number(text, len);
        if (number < 0) abort();
        value = (struct tw__field){.type = TW__FIELD_LEVEL, .u = (uint64_t)number};
    } else if (!quoted && ((len == 4 && memcmp(text, "true", 4) == 0) || (len == 5 && memcmp(text, "false", 5) == 0))) {
        value = (struct tw__field){.type = TW__FIELD_BOOL, .u = len == 4};
    } else if (!quoted) {
        (void)tw__number_read(text, len, &value);
    }
    event->keys[event->count] = (struct tw__field_key){.name = key, .len = key_len};
    event->values[event->count++] = value;
}

/* Ends the test program when text is not of that form. */
static inline void event_read(struct event *event, const char *text)
{
    event->count = 0;
    if (strlen(text) >= sizeof event->text) abort();
    memcpy(event->text, text, strlen(text) + 1);
    for (char *at = event->text; *at;) {
        at += strspn(at, " \n");
        if (!*at) break;
        char *equal = strchr(at, '=');
        if (!equal) abort();
        char *value = equal + 1, *end;
        bool quoted = *value == '"';
        if (quoted) {
            char *to = ++value;
            for (end = value; *end != '"'; end++, to++) {
                if (!*end) abort();
                if (*end == '\\') {
                    end++;
                    *to = *end == 'n' ? '\n' : *end;
                } else {
                    *to = *end;
                }
            }
            event_add(event, at, (size_t)(equal - at), value, (size_t)(to - value), true);
            at = end + 1;
        } else {
            end = value + strcspn(value, " \n");
            event_add(event, at, (size_t)(equal - at), value, (size_t)(end - value), false);
            at = end;
        }
    }
}

static inline bool event_get(const void *data, const struct tw__field_key *key, struct tw__field *out)
{
    const struct event *event = data;
    for (size_t i = 0; i < event->count; i++) {
        if (event->keys[i].len != key->len || memcmp(event->keys[i].name, key->name, key->len) != 0) continue;
        *out = event->values[i];
        return true;
    }
    return false;
}

/* The each of a line source: leaves out time, level and message. */
static inline bool event_each(const void *data, size_t index, struct tw__field_key *key, struct tw__field *value)
{
    const struct event *event = data;
    for (size_t i = 0; i < event->count; i++) {
        const struct tw__field_key *k = &event->keys[i];
        bool own = (k->len == 4 && memcmp(k->name, "time", 4) == 0) ||
                   (k->len == 5 && memcmp(k->name, "level", 5) == 0) ||
                   (k->len == 7 && memcmp(k->name, "message", 7) == 0);
        if (own || index-- > 0) continue;
        *key = *k;
        *value = event->values[i];
        return true;
    }
    return false;
}

#endif
