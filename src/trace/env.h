/* env: the library's configuration: tw_config where it says something, else the environment, else the defaults of
 * settings.h. The only place of the library that reads the environment, but for src/ring/segments.c. */
#ifndef TW_TRACE_ENV_H
#define TW_TRACE_ENV_H

#include <stdbool.h>
#include <stddef.h>

#include <trackway/call.h>
#include <trackway/recorder.h>

#include "trace/settings.h"

enum { TW__SERVICE_MAX = 128, TW__DIR_MAX = 200, TW__SAMPLER_TEXT_MAX = 320 };

/* What becomes of a subsegment outside of a trace: see <trackway/trace.h>. */
enum tw__missing { TW__MISSING_IGNORE, TW__MISSING_DIAGNOSE, TW__MISSING_BEGIN_ROOT };

/* What is in force. */
struct tw__settings {
    char service[TW__SERVICE_MAX];
    size_t arena_bytes;
    size_t payload_max;
    size_t keep_dead; /* recordings; 0: all */
    char sampler[TW__SAMPLER_TEXT_MAX]; /* see src/sample/sampler.h; "" everything */
    size_t file_max_bytes;              /* rotate beyond; 0 never */
    unsigned fdb_layout;                /* elements: 7, 8 or 12 */
    int log_level;                      /* enum tw_log_level */
    enum tw__missing context_missing;
    bool off, keep_file, random_trace_ids, no_tsc;
    bool ignored; /* the environment says something, and is not to be read */
    struct tw__texts texts;
};

/* The text of a setting, never NULL: as it was given, or its default. */
static inline const char *tw__setting(const struct tw__settings *settings, enum tw__setting id)
{
    return settings->texts.room + settings->texts.at[id];
}

/* Settings from config where it says something, else from the environment, else the defaults. Returns 0, or
 * TW_ERR_RANGE / TW_ERR_SYNTAX with *what naming the variable that cannot be used. */
int tw__settings_read(struct tw__settings *settings, const struct tw_config *config, const char **what);

/* Makes the formats that the settings name the default of tw_extract and tw_inject. What the environment says holds
 * from the time the library is loaded; given is whether tw_config.variables were handed over, which may say something
 * else. Returns how many names are not known, or TW_ERR_SYNTAX: a list has none that is. */
int tw__propagators_apply(const struct tw__settings *settings, bool given);

/* Rules for calls, where config says nothing: texts of the last tw_config.variables or of the environment, borrowed.
 * Sensitive paths, which add up, apart. Returns 0 or what tw__bytes_parse returns; the texts are set all the same. */
int tw__env_calls(struct tw_calls_config *config, const char **sensitive);

#endif
