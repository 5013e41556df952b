/* log_event: see the header.
 *
 * A format's number and raw arguments are of use to nobody who has neither the segment nor our reader: who gets a log
 * by another road than the segment gets its text.
 * Rejected: the message as the event's name, which would make as many names as lines.
 */
#include "wire/log_event.h"

#include <stdalign.h>
#include <string.h>

enum { ADDED = 2, SHORT_MAX = 1024, MESSAGE_MAX = 4097 };

const char *tw__log_level_name(unsigned level)
{
    static const char *const names[] = {"emergency", "alert",  "critical", "error",
                                        "warning",   "notice", "info",     "debug"};
    return level < sizeof names / sizeof *names ? names[level] : "unknown";
}

static struct tw_tag_value text_tag(const char *key, const char *text, size_t len)
{
    return (struct tw_tag_value){.key = {key, strlen(key)}, .type = TW_TYPE_STR, .text = {text, len}, .full_len = len};
}

/* Most lines are short: those that are not are made once more, where they stay. NULL: no memory. */
static const char *message_of(const struct tw_record *record, struct tw__pool *pool, size_t *len)
{
    char line[SHORT_MAX];
    *len = tw_record_message(record, line, sizeof line);
    if (*len < sizeof line - 1) return tw__pool_copy(pool, line, *len);
    char *longer = tw__pool_take(pool, MESSAGE_MAX, 1);
    if (longer) *len = tw_record_message(record, longer, MESSAGE_MAX);
    return longer;
}

const struct tw_record *tw__log_event(const struct tw_record *record, struct tw__pool *pool)
{
    size_t len;
    if (record->kind != TW_RECORD_LOG) return record;
    struct tw_record *event = tw__pool_take(pool, sizeof *event, alignof(struct tw_record));
    struct tw_tag_value *tags =
        tw__pool_take(pool, (record->tag_count + ADDED) * sizeof *tags, alignof(struct tw_tag_value));
    const char *message = message_of(record, pool, &len);
    if (!event || !tags || !message) return NULL;
    const char *level = tw__log_level_name(record->level);
    tags[0] = text_tag("level", level, strlen(level));
    tags[1] = text_tag("message", message, len);
    if (record->tag_count) memcpy(tags + ADDED, record->tags, record->tag_count * sizeof *tags);
    *event = *record;
    event->tags = tags;
    event->tag_count = record->tag_count + ADDED;
    event->args = NULL;
    event->arg_count = 0;
    return event;
}
