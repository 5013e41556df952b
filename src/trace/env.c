/* env: see the header. */
#include "trace/env.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/os.h"
#include "ring/segment.h"

int tw__bytes_parse(const char *text, size_t *bytes)
{
    uint64_t n = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++) {
        n = n * 10 + (uint64_t)(*at - '0');
        if (n > (uint64_t)1 << 50) return TW_ERR_RANGE;
    }
    if (at == text) return TW_ERR_SYNTAX;
    unsigned shift = 0;
    if (*at == 'k' || *at == 'K') shift = 10;
    if (*at == 'm' || *at == 'M') shift = 20;
    if (*at == 'g' || *at == 'G') shift = 30;
    if (shift) at++;
    if (*at == 'i' || *at == 'I') at++;
    if (*at == 'b' || *at == 'B') at++;
    if (*at) return TW_ERR_SYNTAX;
    if (n > UINT64_MAX >> shift || (n << shift) > (uint64_t)1 << 50) return TW_ERR_RANGE;
    *bytes = (size_t)(n << shift);
    return 0;
}

static bool is_one_of(const char *text, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(text, *words) == 0) return true;
    return false;
}

static bool says_yes(const char *text)
{
    static const char *const yes[] = {"1", "on", "yes", "true", "ON", "TRUE", NULL};
    return text && is_one_of(text, yes);
}

static bool says_no(const char *text)
{
    static const char *const no[] = {"0", "off", "no", "false", "OFF", "FALSE", "none", "disabled", NULL};
    return text && is_one_of(text, no);
}

static void copy_cut(char *to, size_t cap, const char *from)
{
    size_t len = strlen(from);
    if (len >= cap) len = cap - 1;
    memcpy(to, from, len);
    to[len] = 0;
}

static const char *first_set(const char *a, const char *b, const char *c)
{
    return a && *a ? a : b && *b ? b : c;
}

/* A number of bytes from config, or else from the environment. */
static int read_bytes(size_t given, const char *variable, size_t usual, size_t *out, const char **what)
{
    const char *text = getenv(variable);
    *what = variable;
    *out = given ? given : usual;
    return !given && text && *text ? tw__bytes_parse(text, out) : 0;
}

/* A rate from config; else ours from the environment; else OpenTelemetry's. The sampler says what it does not understand. */
static int read_sampler(struct tw__settings *settings, const struct tw_config *config, const char **what)
{
    const char *rate = getenv("TRACKWAY_SAMPLE_RATE"), *ours = getenv("TRACKWAY_SAMPLER");
    *what = "sample_rate";
    if (config->sample_rate > 1) return TW_ERR_RANGE;
    if (config->sample_rate != 0) {
        unsigned millionths = config->sample_rate < 0 ? 0 : (unsigned)(config->sample_rate * 1e6 + 0.5);
        (void)snprintf(settings->sampler, sizeof settings->sampler, "rate=%u.%06u", millionths / 1000000, millionths % 1000000);
    } else if (rate && *rate) {
        (void)snprintf(settings->sampler, sizeof settings->sampler, "rate=%s", rate);
    } else {
        copy_cut(settings->sampler, sizeof settings->sampler, first_set(ours, getenv("OTEL_TRACES_SAMPLER"), ""));
        copy_cut(settings->sampler_argument, sizeof settings->sampler_argument,
                 first_set(getenv("OTEL_TRACES_SAMPLER_ARG"), NULL, ""));
    }
    return 0;
}

static int read_export(struct tw__settings *settings, const struct tw_config *config, const char **what)
{
    copy_cut(settings->exporter, sizeof settings->exporter, first_set(config->exporter, getenv("TRACKWAY_EXPORTER"), ""));
    copy_cut(settings->file, sizeof settings->file, first_set(getenv("TRACKWAY_FILE"), NULL, ""));
    copy_cut(settings->fdb_address, sizeof settings->fdb_address, first_set(getenv("TRACKWAY_FDB"), NULL, "127.0.0.1:8889"));
    const char *layout = first_set(getenv("TRACKWAY_FDB_LAYOUT"), NULL, "7");
    *what = "TRACKWAY_FDB_LAYOUT (7, 8 or 12)";
    settings->fdb_layout = strcmp(layout, "7") == 0 ? 7 : strcmp(layout, "8") == 0 ? 8 : strcmp(layout, "12") == 0 ? 12 : 0;
    if (!settings->fdb_layout) return TW_ERR_RANGE;
    return read_bytes(0, "TRACKWAY_FILE_MAX", 0, &settings->file_max_bytes, what);
}

int tw__settings_read(struct tw__settings *settings, const struct tw_config *config, const char **what)
{
    static const struct tw_config nothing;
    if (!config) config = &nothing;
    memset(settings, 0, sizeof *settings);
    settings->off = config->off || says_no(getenv("TRACKWAY"));
    settings->keep_file = config->keep_file || says_yes(getenv("TRACKWAY_KEEP"));
    settings->no_tsc = says_no(getenv("TRACKWAY_TSC"));
    settings->random_trace_ids = config->random_trace_ids || says_yes(getenv("TRACKWAY_RANDOM_IDS"));
    copy_cut(settings->service, sizeof settings->service,
             first_set(config->service, getenv("TRACKWAY_SERVICE"), first_set(getenv("OTEL_SERVICE_NAME"), NULL, tw__os_program())));

    const char *dir = first_set(config->dir, getenv("TRACKWAY_DIR"), "");
    *what = "TRACKWAY_DIR";
    if (strlen(dir) >= sizeof settings->dir) return TW_ERR_RANGE;
    copy_cut(settings->dir, sizeof settings->dir, dir);

    int result = read_bytes(config->arena_bytes, "TRACKWAY_ARENA", TW__ARENA_DEFAULT, &settings->arena_bytes, what);
    if (result < 0) return result;
    if (settings->arena_bytes < TW__ARENA_MIN || settings->arena_bytes > TW__ARENA_MAX) return TW_ERR_RANGE;
    result = read_bytes(config->payload_max, "TRACKWAY_PAYLOAD", 0, &settings->payload_max, what);
    if (result < 0) return result;
    if (settings->payload_max > TW_TEXT_MAX) settings->payload_max = TW_TEXT_MAX;
    result = read_sampler(settings, config, what);
    return result < 0 ? result : read_export(settings, config, what);
}
