/* env: see the header. */
#include "trace/env.h"

#include <stdint.h>
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

    const char *arena = getenv("TRACKWAY_ARENA"), *payload = getenv("TRACKWAY_PAYLOAD");
    settings->arena_bytes = config->arena_bytes ? config->arena_bytes : (size_t)TW__ARENA_DEFAULT;
    *what = "TRACKWAY_ARENA";
    if (!config->arena_bytes && arena && *arena) {
        int result = tw__bytes_parse(arena, &settings->arena_bytes);
        if (result < 0) return result;
    }
    if (settings->arena_bytes < TW__ARENA_MIN || settings->arena_bytes > TW__ARENA_MAX) return TW_ERR_RANGE;
    settings->payload_max = config->payload_max;
    *what = "TRACKWAY_PAYLOAD";
    if (!config->payload_max && payload && *payload) {
        int result = tw__bytes_parse(payload, &settings->payload_max);
        if (result < 0) return result;
    }
    if (settings->payload_max > TW_TEXT_MAX) settings->payload_max = TW_TEXT_MAX;
    return 0;
}
