/* env: see the header.
 *
 * First every row of the table gets its text, then what the library itself needs is made of some of them; exporters
 * parse theirs when they open. A text that is given in tw_config.variables counts as if it stood in the environment,
 * before it.
 *
 * A program that has rights which whoever started it has not (setuid, setgid, capabilities of its file) is started
 * with that other's environment, and nothing of it is read: it could name a file to write, a folder to record in, an
 * address to send to. Rejected: to leave out only what names files; TRACKWAY_EXPORTER=file needs none, and each new
 * setting would have to be thought of.
 */
#include "trace/env.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <trackway/log.h>
#include <trackway/propagate.h>

#include "base/atomics.h"
#include "base/os.h"
#include "base/pairs.h"
#include "base/quantity.h"
#include "ring/segment.h"
#include "trace/diagnose.h"

static bool is_one_of(const char *text, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(text, *words) == 0) return true;
    return false;
}

static bool says_yes(const char *text)
{
    static const char *const yes[] = {"1", "on", "yes", "true", "ON", "YES", "TRUE", "True", NULL};
    return is_one_of(text, yes);
}

static bool says_no(const char *text)
{
    static const char *const no[] = {"0",     "off",   "no",   "false",    "OFF", "NO",
                                     "FALSE", "False", "none", "disabled", NULL};
    return is_one_of(text, no);
}

static void copy_cut(char *to, size_t cap, const char *from)
{
    size_t len = strlen(from);
    if (len >= cap) len = cap - 1;
    memcpy(to, from, len);
    to[len] = 0;
}

static const struct row {
    const char *variables, *usual;
} rows[TW__SETTING_COUNT] = {
#define ROW(id, variables, usual, field, text) {variables, usual},
    TW__SETTING_TABLE(ROW)
#undef ROW
};

static const char *from_environment(const char *name)
{
    return tw__os_is_privileged() ? NULL : getenv(name);
}

/* The value of the variable whose name is len bytes of name; NULL when it is not set. */
static const char *variable(const struct tw_config *config, const char *name, size_t len)
{
    char copy[96];
    for (const char *const *v = config->variables; v && *v; v++)
        if (strncmp(*v, name, len) == 0 && (*v)[len] == '=') return *v + len + 1;
    if (len >= sizeof copy) return NULL;
    memcpy(copy, name, len);
    copy[len] = 0;
    return from_environment(copy);
}

static const char *row_text(const struct tw_config *config, const struct row *row)
{
    for (const char *name = row->variables; *name; name += strspn(name, " ")) {
        size_t len = strcspn(name, " ");
        const char *text = variable(config, name, len);
        if (text && *text) return text;
        name += len;
    }
    return row->usual;
}

static int set_text(struct tw__texts *texts, enum tw__setting id, const char *text)
{
    size_t size = strlen(text) + 1;
    if (size > TW__SETTINGS_ROOM - (size_t)texts->used) return TW_ERR_RANGE;
    memcpy(texts->room + texts->used, text, size);
    texts->at[id] = texts->used;
    texts->used = (uint16_t)(texts->used + size);
    return 0;
}

static int read_texts(struct tw__settings *settings, const struct tw_config *config, const char **what)
{
    const char *given[TW__SETTING_COUNT] = {
        [TW__SETTING_SERVICE] = config->service,
        [TW__SETTING_DIR] = config->dir,
        [TW__SETTING_EXPORTER] = config->exporter,
    };
    for (unsigned id = 0; id < TW__SETTING_COUNT; id++) {
        const char *text = given[id] && *given[id] ? given[id] : row_text(config, &rows[id]);
        *what = rows[id].variables;
        int result = set_text(&settings->texts, (enum tw__setting)id, text);
        if (result < 0) return result;
    }
    return 0;
}

/* Bytes from config, or else from the texts. */
static int read_bytes(const struct tw__settings *settings, size_t given, enum tw__setting id, size_t *out,
                      const char **what)
{
    *what = rows[id].variables;
    *out = given;
    return given ? 0 : tw__bytes_parse(tw__setting(settings, id), out);
}

/* A rate from config; else ours; else a sampler. The sampler says what it does not understand. */
static int read_sampler(struct tw__settings *settings, const struct tw_config *config, const char **what)
{
    const char *rate = tw__setting(settings, TW__SETTING_SAMPLE_RATE);
    *what = "sample_rate";
    if (config->sample_rate > 1) return TW_ERR_RANGE;
    if (config->sample_rate != 0) {
        unsigned millionths = config->sample_rate < 0 ? 0 : (unsigned)(config->sample_rate * 1e6 + 0.5);
        (void)snprintf(settings->sampler, sizeof settings->sampler, "rate=%u.%06u", millionths / 1000000,
                       millionths % 1000000);
    } else if (*rate) {
        (void)snprintf(settings->sampler, sizeof settings->sampler, "rate=%s", rate);
    } else {
        copy_cut(settings->sampler, sizeof settings->sampler, tw__setting(settings, TW__SETTING_SAMPLER));
    }
    return 0;
}

/* The service's name, if nobody has said it: service.name of the resource, then the program's. */
static void read_service(struct tw__settings *settings)
{
    const char *at = tw__setting(settings, TW__SETTING_RESOURCE);
    struct tw__pair pair;
    copy_cut(settings->service, sizeof settings->service, tw__setting(settings, TW__SETTING_SERVICE));
    while (!settings->service[0] && tw__pairs_next(&at, &pair)) {
        if (pair.key_len != 12 || memcmp(pair.key, "service.name", 12) != 0 || pair.value_len >= TW__SERVICE_MAX)
            continue;
        size_t len = tw__percent_decode(pair.value, pair.value_len, settings->service);
        settings->service[len] = 0;
    }
    if (!settings->service[0]) copy_cut(settings->service, sizeof settings->service, tw__os_program());
}

/* Ours, and the X-Ray SDKs' words. Those may also end the program; a library that does so is nobody's help. */
static int read_missing(struct tw__settings *settings)
{
    static const struct {
        const char *word;
        enum tw__missing policy;
    } words[] = {{"ignore", TW__MISSING_IGNORE},      {"diagnose", TW__MISSING_DIAGNOSE},
                 {"root", TW__MISSING_BEGIN_ROOT},    {"IGNORE_ERROR", TW__MISSING_IGNORE},
                 {"LOG_ERROR", TW__MISSING_DIAGNOSE}, {"RUNTIME_ERROR", TW__MISSING_DIAGNOSE}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcasecmp(tw__setting(settings, TW__SETTING_CONTEXT_MISSING), words[i].word) != 0) continue;
        settings->context_missing = words[i].policy;
        return 0;
    }
    return TW_ERR_SYNTAX;
}

/* Whether somebody has said something to us where it is not listened to. */
static bool is_ignored(void)
{
    extern char **environ;
    if (!tw__os_is_privileged()) return false;
    for (char **at = environ; at && *at; at++)
        if (strncmp(*at, "TRACKWAY", 8) == 0) return true;
    return false;
}

static void read_switches(struct tw__settings *settings, const struct tw_config *config)
{
    const char *on = row_text(config, &(struct row){rows[TW__SETTING_ON].variables, ""});
    settings->off =
        config->off || says_no(*on ? on : "on") || (!*on && says_yes(tw__setting(settings, TW__SETTING_SDK_DISABLED)));
    settings->keep_file = config->keep_file || says_yes(tw__setting(settings, TW__SETTING_KEEP));
    settings->no_tsc = says_no(tw__setting(settings, TW__SETTING_TSC));
    settings->random_trace_ids = config->random_trace_ids || says_yes(tw__setting(settings, TW__SETTING_RANDOM_IDS));
}

static int take_formats(const char *text, bool apply, bool read, bool write)
{
    struct tw_formats formats;
    if (!*text) return 0;
    int result = tw_formats_parse(text, strlen(text), &formats);
    if (result >= 0 && apply) tw_propagation_set_default(read ? &formats : NULL, write ? &formats : NULL);
    return result;
}

int tw__propagators_apply(const struct tw__settings *settings, bool given)
{
    int both = take_formats(tw__setting(settings, TW__SETTING_PROPAGATORS), given, true, true);
    int read = take_formats(tw__setting(settings, TW__SETTING_PROPAGATORS_READ), given, true, false);
    int write = take_formats(tw__setting(settings, TW__SETTING_PROPAGATORS_WRITE), given, false, true);
    return both < 0 || read < 0 || write < 0 ? TW_ERR_SYNTAX : both + read + write;
}

/* A server reads the first request's headers before it records anything. */
__attribute__((constructor)) static void propagators_at_load(void)
{
    static const struct tw_config nothing;
    (void)take_formats(row_text(&nothing, &rows[TW__SETTING_PROPAGATORS]), true, true, true);
    (void)take_formats(row_text(&nothing, &rows[TW__SETTING_PROPAGATORS_READ]), true, true, false);
    (void)take_formats(row_text(&nothing, &rows[TW__SETTING_PROPAGATORS_WRITE]), true, false, true);
}

/* What tw_config.variables said of calls, for whoever configures them later. Older ones stay: somebody may be reading
 * them. */
struct calls_given {
    const struct calls_given *older;
    const char *list[];
};
static const struct calls_given *calls_given;
static const char calls_prefix[] = "TRACKWAY_CALLS_";

static int keep_calls(const struct tw_config *config)
{
    size_t count = 0, bytes = 0, at = 0;
    for (const char *const *v = config->variables; v && *v; v++) {
        if (strncmp(*v, calls_prefix, sizeof calls_prefix - 1) != 0) continue;
        count++;
        bytes += strlen(*v) + 1;
    }
    if (count == 0) return 0;
    struct calls_given *given = malloc(sizeof *given + (count + 1) * sizeof(char *) + bytes);
    if (!given) return TW_ERR_MEMORY;
    char *room = (char *)&given->list[count + 1];
    for (const char *const *v = config->variables; *v; v++) {
        size_t size = strlen(*v) + 1;
        if (strncmp(*v, calls_prefix, sizeof calls_prefix - 1) != 0) continue;
        memcpy(room, *v, size);
        given->list[at++] = room;
        room += size;
    }
    given->list[at] = NULL;
    given->older = tw__load_relaxed(&calls_given);
    tw__store_release(&calls_given, given); /* pairs with calls_variable */
    return 0;
}

int tw__settings_read(struct tw__settings *settings, const struct tw_config *config, const char **what)
{
    static const struct tw_config nothing;
    if (!config) config = &nothing;
    tw__diagnose_file(row_text(config, &rows[TW__SETTING_DIAGNOSTICS])); /* first: the rest may be wrong */
    *what = "TRACKWAY_CALLS_";
    if (keep_calls(config) < 0) return TW_ERR_MEMORY;
    memset(settings, 0, offsetof(struct tw__settings, texts));
    settings->texts.used = 0;
    int result = read_texts(settings, config, what);
    if (result < 0) return result;
    settings->ignored = is_ignored();
    read_switches(settings, config);
    read_service(settings);
    *what = rows[TW__SETTING_LOG_LEVEL].variables;
    if (tw_log_level_parse(tw__setting(settings, TW__SETTING_LOG_LEVEL), &settings->log_level) < 0)
        return TW_ERR_SYNTAX;
    *what = rows[TW__SETTING_CONTEXT_MISSING].variables;
    if (read_missing(settings) < 0) return TW_ERR_SYNTAX;
    *what = "TRACKWAY_DIR";
    if (strlen(tw__setting(settings, TW__SETTING_DIR)) >= TW__DIR_MAX) return TW_ERR_RANGE;
    result = read_bytes(settings, config->arena_bytes, TW__SETTING_ARENA, &settings->arena_bytes, what);
    if (result < 0) return result;
    if (settings->arena_bytes < TW__ARENA_MIN || settings->arena_bytes > TW__ARENA_MAX) return TW_ERR_RANGE;
    result = read_bytes(settings, config->payload_max, TW__SETTING_PAYLOAD, &settings->payload_max, what);
    if (result < 0) return result;
    if (settings->payload_max > TW_TEXT_MAX) settings->payload_max = TW_TEXT_MAX;
    result = read_bytes(settings, 0, TW__SETTING_KEEP_DEAD, &settings->keep_dead, what);
    if (result < 0) return result;
    result = read_sampler(settings, config, what);
    if (result < 0) return result;
    const char *layout = tw__setting(settings, TW__SETTING_FDB_LAYOUT);
    *what = "TRACKWAY_FDB_LAYOUT (7, 8 or 12)";
    settings->fdb_layout = strcmp(layout, "7") == 0    ? 7
                           : strcmp(layout, "8") == 0  ? 8
                           : strcmp(layout, "12") == 0 ? 12
                                                       : 0;
    if (!settings->fdb_layout) return TW_ERR_RANGE;
    return read_bytes(settings, 0, TW__SETTING_FILE_MAX, &settings->file_max_bytes, what);
}

/* NAME of TRACKWAY_CALLS_NAME; NULL when it is not set. */
static const char *calls_variable(const char *name)
{
    char whole[64];
    const struct calls_given *given = tw__load_acquire(&calls_given); /* pairs with keep_calls */
    const struct tw_config config = {.variables = given ? given->list : NULL};
    int len = snprintf(whole, sizeof whole, "%s%s", calls_prefix, name);
    const char *text = variable(&config, whole, (size_t)len);
    return given && text && !*text ? from_environment(whole) : text;
}

static void read_calls_text(const char **field, const char *name)
{
    if (!*field) *field = calls_variable(name);
}

/* A number, where config has none. */
static int read_count(const char *name, size_t *out)
{
    const char *text = calls_variable(name);
    return *out || !text || !*text ? 0 : tw__bytes_parse(text, out);
}

int tw__env_calls(struct tw_calls_config *config, const char **sensitive)
{
    *sensitive = calls_variable("SENSITIVE");
    read_calls_text(&config->truncate, "TRUNCATE");
    read_calls_text(&config->truncate_response, "TRUNCATE_RESPONSE");
    read_calls_text(&config->drop, "DROP");
    read_calls_text(&config->drop_urls, "DROP_URLS");
    read_calls_text(&config->deny_headers, "DENY_HEADERS");
    read_calls_text(&config->file, "FILE");
    int len = read_count("TRUNCATE_LEN", &config->truncate_len);
    int response_len = read_count("TRUNCATE_RESPONSE_LEN", &config->truncate_response_len);
    int parents = read_count("PARENTS", &config->parents);
    return len < 0 ? len : response_len < 0 ? response_len : parents;
}
