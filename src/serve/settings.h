/* settings: what can be set about the collector: one table for flags, environment, file, help, --check and the docs.
 *
 * "otlp-http" is --otlp-http, TRACKWAY_SERVE_OTLP_HTTP, and "otlp-http = ..." in the file. A flag counts more than the
 * environment, that more than the file, that more than the default. */
#ifndef TW_SERVE_SETTINGS_H
#define TW_SERVE_SETTINGS_H

#include <trackway/read.h>

#include "base/buf.h"

enum tw__setting_kind {
    TW__SETTING_ADDRESS, /* ADDR:PORT or off */
    TW__SETTING_PATH,    /* or off */
    TW__SETTING_TEXT,
    TW__SETTING_LIST,   /* text; every one given counts */
    TW__SETTING_SECRET, /* not as a flag, where everybody could read it */
    TW__SETTING_COUNT,
    TW__SETTING_SIZE,     /* 64MiB, 10GB, 4096 */
    TW__SETTING_DURATION, /* 7d, 24h, 500ms */
    TW__SETTING_FLAG
};

struct tw__setting {
    const char *name;
    const char *argument; /* NULL: a flag */
    const char *fallback; /* the default as text; NULL: not set */
    enum tw__setting_kind kind;
    const char *help;
};

extern const struct tw__setting tw__settings_table[]; /* to a zero name */

enum { TW__SETTINGS_MAX = 64 };

enum tw__setting_origin { TW__FROM_DEFAULT, TW__FROM_FILE, TW__FROM_ENVIRONMENT, TW__FROM_FLAG };

/* Zeroed: everything at its default. */
struct tw__settings {
    struct {
        char *text; /* a LIST: lines */
        enum tw__setting_origin origin;
    } values[TW__SETTINGS_MAX];
};

/* Sets one, unless something that counts more has. Returns 0, or TW_ERR_NOT_FOUND (no such setting), TW_ERR_SYNTAX,
 * TW_ERR_MEMORY with why. */
int tw__settings_set(struct tw__settings *settings, const char *name, const char *value, enum tw__setting_origin origin,
                     char why[TW_WHY_MAX]);
/* Reads "name = value" lines; # begins a comment. why names the line. */
int tw__settings_read_file(struct tw__settings *settings, const char *path, char why[TW_WHY_MAX]);
/* Asks env for TRACKWAY_SERVE_NAME of each. */
int tw__settings_read_environment(struct tw__settings *settings, const char *(*env)(const char *name),
                                  char why[TW_WHY_MAX]);
void tw__settings_fini(struct tw__settings *settings);

/* The value, or the default; NULL: neither, or "off". settings is a struct tw__settings: the form doors ask with. */
const char *tw__settings_get(const void *settings, const char *name);
/* Numbers of a COUNT, SIZE, DURATION (ns) or FLAG; 0 when it is not set. */
uint64_t tw__settings_number(const struct tw__settings *settings, const char *name);

/* Each setting with its value and where it comes from, for --check; secrets are not told. */
void tw__settings_explain(const struct tw__settings *settings, struct tw__buf *out);

/* "64MiB", "10GB", "4096". */
bool tw__size_parse(const char *text, uint64_t *bytes);

#endif
