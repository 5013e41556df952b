/* log_bridge: lines from a program's own logger.
 *
 * A text is an argument of the format "%s". The place it comes from, where one is given, is in the record and not in
 * the dictionary, which never forgets: a logger that hands on whatever it is given would fill it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "trace/log.h"
#include "trace/site.h"

static const char *const names[] = {"emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"};

const char *tw_log_level_name(int level)
{
    return level < 0 ? "none" : level < 8 ? names[level] : "debug";
}

int tw_log_level_parse(const char *text, int *level)
{
    static const struct {
        const char *name;
        int level;
    } others[] = {{"none", TW_LOG_NONE},     {"emerg", TW_LOG_EMERGENCY}, {"panic", TW_LOG_EMERGENCY},
                  {"crit", TW_LOG_CRITICAL}, {"err", TW_LOG_ERROR},       {"warn", TW_LOG_WARNING}};
    if (!text) return TW_ERR_SYNTAX;
    for (int i = 0; i < 8; i++)
        if (strcasecmp(text, names[i]) == 0) {
            *level = i;
            return 0;
        }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (strcasecmp(text, others[i].name) == 0) {
            *level = others[i].level;
            return 0;
        }
    return TW_ERR_SYNTAX;
}

static int level_of(int level)
{
    return level < TW_LOG_EMERGENCY ? TW_LOG_EMERGENCY : level > TW_LOG_DEBUG ? TW_LOG_DEBUG : level;
}

static bool wanted(int level, const char *module, const char *function)
{
    return tw__load_relaxed(&tw__gate) && tw__runtime_ready() && tw__log_wants(level, module, function);
}

/* Between tw__enter and tw__leave. */
static size_t place_tags(struct tw__block *block, const struct tw_log_place *place, char module[TW__MODULE_CAP],
                         struct tw__tag_in *tags)
{
    size_t n = 0;
    if (!place) return 0;
    if (place->module) {
        tw__module_of(place->module, module);
        tags[n++] = tw__text_tag(block, TW__TAG_MODULE, 0, module, strlen(module), TW_NAME_MAX);
    }
    if (place->function)
        tags[n++] = tw__text_tag(block, TW__TAG_FUNCTION, 0, place->function, strlen(place->function), TW_NAME_MAX);
    if (place->line) tags[n++] = (struct tw__tag_in){.type = TW__TAG_LINE, .bits = place->line};
    return n;
}

void tw_log_at(const struct tw_log_place *place, int level, const char *text, size_t len, const struct tw_attr *attrs,
               size_t count)
{
    static struct tw_site site = {0, "%s", "", "", 0, TW__TYPE_LOG, 0, 0};
    level = level_of(level);
    if (!wanted(level, place ? place->module : NULL, place ? place->function : NULL)) return;
    struct tw__block *block = tw__enter();
    if (!block) return;
    char module[TW__MODULE_CAP];
    struct tw__tag_in tags[4];
    tags[0] = tw__text_tag(block, TW__TAG_STR, 0, text ? text : "", text ? len : 0, TW_LOG_MESSAGE_MAX);
    struct tw__line line = {
        .args = tags, .arg_count = 1 + place_tags(block, place, module, tags + 1), .attrs = attrs, .attr_count = count};
    line.head = tw__site_head(block, &site, TW__EVENT_HEAD_BYTES) | (uint64_t)level << 24;
    if (place && place->time_ns) {
        line.tick = tw__segment_tick_of(tw__segment_of(block), place->time_ns);
        line.head |= (uint64_t)TW__MARK_OWN_TIME << 24;
    }
    tw__log_append(block, &line);
    tw__leave(block);
}

void tw_log_text(int level, const char *text, size_t len)
{
    tw_log_at(NULL, level, text, len, NULL, 0);
}

void tw_vlog(int level, const char *format, va_list args)
{
    char text[TW_TEXT_MAX];
    int before = errno;
    if (!format || !wanted(level_of(level), NULL, NULL)) return;
    errno = before; /* for %m */
    int n = vsnprintf(text, sizeof text, format, args);
    errno = before;
    if (n > 0) tw_log_at(NULL, level, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1, NULL, 0);
}

void tw_log_format(int level, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    tw_vlog(level, format, args);
    va_end(args);
}

void tw_vsyslog(int priority, const char *format, va_list args)
{
    tw_vlog(priority & 7, format, args);
}

void tw_log_hook(void *data, int priority, const char *text)
{
    const struct tw_log_place place = {.module = data};
    tw_log_at(&place, priority & 7, text, text ? strlen(text) : 0, NULL, 0);
}
