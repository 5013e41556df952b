/* settings: see the header. Values are kept as text and read as numbers when they are asked for; set checks that they
 * can be.
 *
 * A file is small and read once at the start; a line that is not understood is an error, not a warning: a collector
 * that runs with half of its configuration is worse than one that does not start.
 */
#include "serve/settings.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/listen.h"
#include "wire/human.h"

const struct tw__setting tw__settings_table[] = {
    {"data", "DIR", NULL, TW__SETTING_PATH,
     "where spans are kept (default: below your data folder; root: /var/lib/trackway)"},
    {"http", "ADDR:PORT", "127.0.0.1:16686", TW__SETTING_ADDRESS, "the page, query APIs and /metrics"},
    {"segments", "DIR", "", TW__SETTING_PATH,
     "where recordings of this host's processes are (default: your own, all of them for root)"},
    {"otlp-http", "ADDR:PORT", "127.0.0.1:4318", TW__SETTING_ADDRESS, "OpenTelemetry over HTTP"},
    {"otlp-grpc", "ADDR:PORT", "127.0.0.1:4317", TW__SETTING_ADDRESS, "OpenTelemetry over gRPC"},
    {"fdb", "ADDR:PORT", "127.0.0.1:8889", TW__SETTING_ADDRESS, "FoundationDB's network_lossy tracer, UDP"},
    {"xray", "ADDR:PORT", "127.0.0.1:2000", TW__SETTING_ADDRESS, "X-Ray documents, UDP, and its daemon's HTTP, TCP"},
    {"zipkin", "ADDR:PORT", "127.0.0.1:9411", TW__SETTING_ADDRESS, "Zipkin, v1 and v2"},
    {"json-socket", "PATH", NULL, TW__SETTING_PATH, "a Unix socket for JSON lines"},
    {"json-timeout", "TIME", "60s", TW__SETTING_DURATION, "a call without a response for so long is marked"},
    {"ready-file", "FILE", NULL, TW__SETTING_PATH, "written as JSON with every address once all doors are open"},
    {"config", "FILE", NULL, TW__SETTING_PATH, "read settings from here: lines of name = value"},
    {"check", NULL, NULL, TW__SETTING_FLAG, "tell every setting and where it comes from, and start nothing"},
    {"insecure-listen", NULL, NULL, TW__SETTING_FLAG,
     "listen at addresses others can reach although nobody is asked for a token"},
    {"write-token-file", "FILE", NULL, TW__SETTING_PATH, "senders must show the token in this file"},
    {"read-token-file", "FILE", NULL, TW__SETTING_PATH, "readers must show the token in this file"},
    {"write-token", "TOKEN", NULL, TW__SETTING_SECRET, "the same, itself; not as a flag"},
    {"read-token", "TOKEN", NULL, TW__SETTING_SECRET, "the same, itself; not as a flag"},
    {"tls-cert", "FILE", NULL, TW__SETTING_PATH,
     "PEM certificates; with it HTTP and gRPC are TLS only. Read again on SIGHUP"},
    {"tls-key", "FILE", NULL, TW__SETTING_PATH, "the PEM key of the certificate"},
    {"user", "NAME", NULL, TW__SETTING_TEXT, "started as root: become this user (default: trackway, if there is one)"},
    {"keep-for", "TIME", "7d", TW__SETTING_DURATION, "remove spans that are older; 0: never"},
    {"keep-size", "SIZE", "10GB", TW__SETTING_SIZE, "remove the oldest beyond this; 0: no limit"},
    {"durability", "LEVEL", "process", TW__SETTING_TEXT,
     "what an acknowledged span survives: process (its death; that of the machine after a second), machine, none"},
    {"store-memory", "SIZE", "96MiB", TW__SETTING_SIZE, "about how much the store may hold in memory"},
    {"body-max", "SIZE", "64MiB", TW__SETTING_SIZE, "the largest request, before and after decompression"},
    {"waiting-max", "SIZE", "128MiB", TW__SETTING_SIZE, "all requests of a door that are under way"},
    {"connections", "N", "1000", TW__SETTING_COUNT, "connections of each door"},
    {"source-connections", "N", "500", TW__SETTING_COUNT, "connections of each door from one address; 0: any"},
    {"source-rate", "SIZE", "0", TW__SETTING_SIZE, "bytes a second of each door from one address; 0: any"},
    {"threads", "N", "2", TW__SETTING_COUNT, "of each door that uses several"},
    {"xray-rules", "FILE", NULL, TW__SETTING_PATH, "sampling rules handed to X-Ray SDKs"},
    {"drop", "FILTER", NULL, TW__SETTING_LIST, "leave out spans that match; may be repeated"},
    {"redact", "RULE", NULL, TW__SETTING_LIST, "hide what this rule names in tags; may be repeated"},
    {0},
};

static const struct tw__setting *find(const char *name, size_t *index)
{
    for (const struct tw__setting *setting = tw__settings_table; setting->name; setting++) {
        if (strcmp(setting->name, name) != 0) continue;
        *index = (size_t)(setting - tw__settings_table);
        return setting;
    }
    return NULL;
}

bool tw__size_parse(const char *text, uint64_t *bytes)
{
    static const struct {
        const char *unit;
        uint64_t bytes;
    } units[] = {{"", 1},
                 {"B", 1},
                 {"kB", 1000},
                 {"KB", 1000},
                 {"k", 1000},
                 {"KiB", 1 << 10},
                 {"MB", 1000000},
                 {"M", 1000000},
                 {"MiB", 1 << 20},
                 {"GB", 1000000000},
                 {"G", 1000000000},
                 {"GiB", 1 << 30},
                 {"TB", 1000000000000},
                 {"TiB", UINT64_C(1) << 40}};
    char *end;
    if (*text < '0' || *text > '9') return false;
    unsigned long long number = strtoull(text, &end, 10);
    while (*end == ' ') end++;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcmp(end, units[i].unit) != 0) continue;
        if (number > INT64_MAX / units[i].bytes) return false;
        *bytes = number * units[i].bytes;
        return true;
    }
    return false;
}

static bool is_yes(const char *value)
{
    return *value == '\0' || strcmp(value, "1") == 0 || strcmp(value, "yes") == 0 || strcmp(value, "true") == 0 ||
           strcmp(value, "on") == 0;
}

static bool is_no(const char *value)
{
    return strcmp(value, "0") == 0 || strcmp(value, "no") == 0 || strcmp(value, "false") == 0 ||
           strcmp(value, "off") == 0;
}

/* Whether value makes sense; if not, what would. */
static const char *wanted(const struct tw__setting *setting, const char *value)
{
    struct tw__listen_address address;
    uint64_t number;
    char *end;
    bool off = strcmp(value, "off") == 0;
    switch (setting->kind) {
    case TW__SETTING_ADDRESS:
        return off || tw__listen_parse(value, &address) == 0 ? NULL : "ADDR:PORT with a numeric address, or off";
    case TW__SETTING_COUNT:
        number = strtoull(value, &end, 10);
        return *value >= '0' && *value <= '9' && !*end && number < 1000000 ? NULL : "a number";
    case TW__SETTING_SIZE:
        return tw__size_parse(value, &number) ? NULL : "a size such as 64MiB or 10GB";
    case TW__SETTING_DURATION:
        return tw__human_parse_duration(value, &number) == 0 ? NULL : "a time such as 7d or 90s";
    case TW__SETTING_FLAG:
        return is_yes(value) || is_no(value) ? NULL : "yes or no";
    case TW__SETTING_PATH:
    case TW__SETTING_TEXT:
    case TW__SETTING_LIST:
    case TW__SETTING_SECRET:
        break;
    }
    return *value ? NULL : "something";
}

static int append(char **text, const char *value)
{
    size_t before = strlen(*text), len = strlen(value);
    char *more = realloc(*text, before + len + 2);
    if (!more) return TW_ERR_MEMORY;
    more[before] = '\n';
    memcpy(more + before + 1, value, len + 1);
    *text = more;
    return 0;
}

int tw__settings_set(struct tw__settings *settings, const char *name, const char *value, enum tw__setting_origin origin,
                     char why[TW_WHY_MAX])
{
    size_t index = 0;
    const struct tw__setting *setting = find(name, &index);
    if (!setting) {
        (void)snprintf(why, TW_WHY_MAX, "there is no setting %.60s", name);
        return TW_ERR_NOT_FOUND;
    }
    const char *form = wanted(setting, value);
    if (form) {
        (void)snprintf(why, TW_WHY_MAX, "%s: \"%.80s\" is not %s", name, value, form);
        return TW_ERR_SYNTAX;
    }
    if (setting->kind == TW__SETTING_SECRET && origin == TW__FROM_FLAG) {
        (void)snprintf(why, TW_WHY_MAX, "--%s would show in the list of processes: use --%s-file or the environment",
                       name, name);
        return TW_ERR_SYNTAX;
    }
    char **text = &settings->values[index].text;
    (void)snprintf(why, TW_WHY_MAX, "out of memory");
    if (*text && settings->values[index].origin > origin) return 0;
    if (*text && settings->values[index].origin == origin && setting->kind == TW__SETTING_LIST)
        return append(text, value);
    char *copy = strdup(value);
    if (!copy) return TW_ERR_MEMORY;
    free(*text);
    *text = copy;
    settings->values[index].origin = origin;
    return 0;
}

/* Cuts blanks off both ends, in place. */
static char *trim(char *text)
{
    while (isspace((unsigned char)*text)) text++;
    char *end = text + strlen(text);
    while (end > text && isspace((unsigned char)end[-1])) end--;
    *end = '\0';
    return text;
}

static int read_line(struct tw__settings *settings, char *line, char why[TW_WHY_MAX])
{
    line = trim(line);
    if (*line == '\0' || *line == '#') return 0;
    char *equals = strchr(line, '=');
    if (!equals) {
        (void)snprintf(why, TW_WHY_MAX, "not name = value");
        return TW_ERR_SYNTAX;
    }
    *equals = '\0';
    return tw__settings_set(settings, trim(line), trim(equals + 1), TW__FROM_FILE, why);
}

int tw__settings_read_file(struct tw__settings *settings, const char *path, char why[TW_WHY_MAX])
{
    char line[1024], problem[TW_WHY_MAX];
    int code = 0;
    FILE *file = fopen(path, "re");
    if (!file) {
        (void)snprintf(why, TW_WHY_MAX, "%.180s cannot be read", path);
        return TW_ERR_NOT_FOUND;
    }
    for (unsigned number = 1; code == 0 && fgets(line, sizeof line, file); number++) {
        if (!strchr(line, '\n') && !feof(file)) {
            (void)snprintf(problem, sizeof problem, "longer than %zu bytes", sizeof line - 1);
            code = TW_ERR_SPACE;
        } else {
            code = read_line(settings, line, problem);
        }
        if (code < 0) (void)snprintf(why, TW_WHY_MAX, "%.100s:%u: %.120s", path, number, problem);
    }
    (void)fclose(file);
    return code;
}

int tw__settings_read_environment(struct tw__settings *settings, const char *(*env)(const char *name),
                                  char why[TW_WHY_MAX])
{
    for (const struct tw__setting *setting = tw__settings_table; setting->name; setting++) {
        char name[64];
        size_t len = (size_t)snprintf(name, sizeof name, "TRACKWAY_SERVE_%s", setting->name);
        for (size_t i = 0; i < len && i < sizeof name; i++)
            name[i] = name[i] == '-' ? '_' : (char)toupper((unsigned char)name[i]);
        const char *value = env(name);
        int code = value ? tw__settings_set(settings, setting->name, value, TW__FROM_ENVIRONMENT, why) : 0;
        if (code < 0) return code;
    }
    return 0;
}

void tw__settings_fini(struct tw__settings *settings)
{
    for (size_t i = 0; i < TW__SETTINGS_MAX; i++) free(settings->values[i].text);
    *settings = (struct tw__settings){0};
}

const char *tw__settings_get(const void *data, const char *name)
{
    const struct tw__settings *settings = data;
    size_t index = 0;
    const struct tw__setting *setting = find(name, &index);
    if (!setting) return NULL;
    const char *value = settings->values[index].text ? settings->values[index].text : setting->fallback;
    bool can_be_off = setting->kind == TW__SETTING_ADDRESS || setting->kind == TW__SETTING_PATH;
    return value && can_be_off && strcmp(value, "off") == 0 ? NULL : value;
}

uint64_t tw__settings_number(const struct tw__settings *settings, const char *name)
{
    size_t index = 0;
    uint64_t number = 0;
    const struct tw__setting *setting = find(name, &index);
    const char *value = tw__settings_get(settings, name);
    if (!setting || !value) return 0;
    if (setting->kind == TW__SETTING_FLAG) return is_yes(value);
    if (setting->kind == TW__SETTING_COUNT) return strtoull(value, NULL, 10);
    if (setting->kind == TW__SETTING_SIZE) (void)tw__size_parse(value, &number);
    if (setting->kind == TW__SETTING_DURATION) (void)tw__human_parse_duration(value, &number);
    return number;
}

void tw__settings_explain(const struct tw__settings *settings, struct tw__buf *out)
{
    static const char *const origins[] = {"default", "file", "environment", "flag"};
    for (const struct tw__setting *setting = tw__settings_table; setting->name; setting++) {
        size_t index = (size_t)(setting - tw__settings_table);
        const char *own = settings->values[index].text, *value = own ? own : setting->fallback;
        if (strcmp(setting->name, "check") == 0) continue;
        if (setting->kind == TW__SETTING_SECRET && own) value = "(set)";
        if (setting->kind == TW__SETTING_FLAG) value = own && is_yes(own) ? "yes" : "no";
        if (!value || !*value) value = setting->kind == TW__SETTING_ADDRESS ? "off" : "(not set)";
        tw__buf_fmt(out, "%-20s %-24s %s\n", setting->name, value, origins[own ? settings->values[index].origin : 0]);
    }
}
