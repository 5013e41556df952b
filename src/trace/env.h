/* env: the library's configuration from the environment. The only place of the library that reads it. */
#ifndef TW_TRACE_ENV_H
#define TW_TRACE_ENV_H

#include <stdbool.h>
#include <stddef.h>

#include <trackway/recorder.h>

enum { TW__SERVICE_MAX = 128, TW__DIR_MAX = 200, TW__EXPORTER_MAX = 128, TW__FILE_MAX = 256, TW__ADDRESS_MAX = 128, TW__SAMPLER_TEXT_MAX = 320 };

/* What is in force: own copies, so that a forked child can begin anew with the same. */
struct tw__settings {
    char service[TW__SERVICE_MAX];
    char dir[TW__DIR_MAX]; /* "" the default folder */
    size_t arena_bytes;
    size_t payload_max;
    char sampler[TW__SAMPLER_TEXT_MAX], sampler_argument[64]; /* see src/sample/sampler.h; "" everything */
    char exporter[TW__EXPORTER_MAX];  /* names with commas; "" none */
    char file[TW__FILE_MAX];          /* of exporter file; "" trackway-<service>-<pid>.jsonl in the current folder */
    size_t file_max_bytes;            /* rotate beyond; 0 never */
    char fdb_address[TW__ADDRESS_MAX];
    unsigned fdb_layout;              /* elements: 7, 8 or 12 */
    bool off, keep_file, random_trace_ids, no_tsc;
};

/* Settings from config where it says something, else from the environment, else the defaults. Returns 0, or TW_ERR_RANGE /
 * TW_ERR_SYNTAX with *what naming the variable that cannot be used. */
int tw__settings_read(struct tw__settings *settings, const struct tw_config *config, const char **what);

/* Reads "16M", "512k", "1073741824". Returns 0 or TW_ERR_SYNTAX / TW_ERR_RANGE. */
int tw__bytes_parse(const char *text, size_t *bytes);

#endif
