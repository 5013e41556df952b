/* server: see the header.
 *
 * Invariant: nobody but this host reaches an address for which nobody is asked for a token, unless insecure-listen was
 * set. Limits of a drain: doors first, then the HTTP address, so that queries are answered until the end.
 */
#include "serve/server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/os.h"
#include "ingest/listen.h"
#include "serve/api.h"
#include "serve/mistakes.h"
#include "wire/json.h"

enum { DRAIN_LOOK_NS = 10000000 };

struct tw__server {
    const struct tw__settings *settings;
    struct tw__tokens tokens;
    struct tw__tls_files tls;
    struct tw__intake intake;
    struct tw__rules *rules;
    struct tw__doors doors;
    struct tw__api api;
    struct tw__httpd *http;
    struct tw__route *routes;
    int http_fd;
    bool http_loopback;
    char http_bound[TW__BOUND_MAX];
};

static int read_token(const struct tw__settings *settings, const char *name, char token[TW__TOKEN_MAX],
                      char why[TW_WHY_MAX])
{
    char file_name[32];
    (void)snprintf(file_name, sizeof file_name, "%s-file", name);
    const char *path = tw__settings_get(settings, file_name), *own = tw__settings_get(settings, name);
    if (path) {
        FILE *file = fopen(path, "re");
        size_t len = file ? fread(token, 1, TW__TOKEN_MAX - 1, file) : 0;
        if (file) (void)fclose(file);
        token[len] = '\0';
        token[strcspn(token, "\r\n")] = '\0';
    } else if (own) {
        if (strlen(own) >= TW__TOKEN_MAX) {
            (void)snprintf(why, TW_WHY_MAX, "%s: longer than %d bytes", name, TW__TOKEN_MAX - 1);
            return TW_ERR_SPACE;
        }
        (void)strcpy(token, own);
    }
    if ((path || own) && strlen(token) < 8) {
        (void)snprintf(why, TW_WHY_MAX, "%s: no token of at least 8 characters in %.100s", name, path ? path : "it");
        return TW_ERR_SYNTAX;
    }
    return 0;
}

/* Whether an address may be open to whom it is open. */
static int check_reach(const struct tw__settings *settings, const char *name, const char *address, bool loopback,
                       bool has_token, bool could_ask, char why[TW_WHY_MAX])
{
    if (loopback || has_token || tw__settings_number(settings, "insecure-listen")) return 0;
    (void)snprintf(why, TW_WHY_MAX,
                   "%s at %.60s can be reached from other machines and nobody is asked for a token: %s or set "
                   "insecure-listen if that is meant",
                   name, address, could_ask ? "set write-token-file and read-token-file," : "use a loopback address,");
    return TW_ERR_PERMISSION;
}

static int check_address(const struct tw__settings *settings, const char *name, bool has_token, bool could_ask,
                         char why[TW_WHY_MAX])
{
    struct tw__listen_address address;
    const char *text = tw__settings_get(settings, name);
    if (!text || tw__listen_parse(text, &address) < 0) return 0;
    return check_reach(settings, name, text, tw__listen_is_loopback(&address), has_token, could_ask, why);
}

static int prepare(const struct tw__settings *settings, struct tw__tokens *tokens, struct tw__tls_files *tls,
                   struct tw__rules **rules, char why[TW_WHY_MAX])
{
    int code = read_token(settings, "write-token", tokens->write, why);
    if (code == 0) code = read_token(settings, "read-token", tokens->read, why);
    if (code == 0) code = tw__settings_mistakes(settings, why);
    if (code == 0) code = check_address(settings, "http", tokens->read[0] != '\0', true, why);
    for (const struct tw__door_kind *const *kind = tw__door_kinds; code == 0 && *kind; kind++)
        if ((*kind)->stream || (*kind)->datagram)
            code = check_address(settings, (*kind)->name, (*kind)->asks_for_token && tokens->write[0],
                                 (*kind)->asks_for_token, why);
    *tls = (struct tw__tls_files){.certificate = tw__settings_get(settings, "tls-cert"),
                                  .key = tw__settings_get(settings, "tls-key")};
    const char *drop = tw__settings_get(settings, "drop"), *redact = tw__settings_get(settings, "redact");
    if (code == 0 && (drop || redact)) code = tw__rules_compile(drop, redact, rules, why);
    return code;
}

int tw__server_check(const struct tw__settings *settings, char why[TW_WHY_MAX])
{
    struct tw__tokens tokens = {0};
    struct tw__tls_files tls = {0};
    struct tw__rules *rules = NULL;
    int code = prepare(settings, &tokens, &tls, &rules, why);
    tw__rules_free(rules);
    return code;
}

/* Inherited sockets are bound by somebody else: looked at again once they are there. */
static int check_bound(struct tw__server *server, char why[TW_WHY_MAX])
{
    const struct tw__settings *settings = server->settings;
    int code = server->http_fd < 0 ? 0
                                   : check_reach(settings, "http", server->http_bound, server->http_loopback,
                                                 server->tokens.read[0] != '\0', true, why);
    for (size_t i = 0; code == 0 && i < server->doors.count; i++) {
        const struct tw__open_door *door = &server->doors.items[i].door;
        code = check_reach(settings, door->kind->name, door->bound, server->doors.items[i].config.loopback,
                           door->kind->asks_for_token && server->tokens.write[0], door->kind->asks_for_token, why);
    }
    return code;
}

static struct tw__door_config common_config(struct tw__server *server)
{
    const struct tw__settings *settings = server->settings;
    return (struct tw__door_config){.stream_fd = -1,
                                    .datagram_fd = -1,
                                    .intake = &server->intake,
                                    .tls = server->tls.certificate ? &server->tls : NULL,
                                    .tokens = &server->tokens,
                                    .threads = (unsigned)tw__settings_number(settings, "threads"),
                                    .body_max_bytes = tw__settings_number(settings, "body-max"),
                                    .waiting_max_bytes = tw__settings_number(settings, "waiting-max"),
                                    .connections_max = (unsigned)tw__settings_number(settings, "connections"),
                                    .source_connections_max =
                                        (unsigned)tw__settings_number(settings, "source-connections"),
                                    .source_rate_bytes = tw__settings_number(settings, "source-rate"),
                                    .setting = tw__settings_get,
                                    .settings = settings};
}

static int bind_all(struct tw__server *server, struct tw__inherited *inherited, size_t inherited_count,
                    char why[TW_WHY_MAX])
{
    struct tw__door_config common = common_config(server);
    const char *http = tw__settings_get(server->settings, "http");
    if (http) {
        int fd = tw__doors_bind_one("http", http, false, inherited, inherited_count, &server->http_loopback, why);
        if (fd < 0) return fd;
        server->http_fd = fd;
        tw__listen_where(fd, server->http_bound, sizeof server->http_bound);
    }
    return tw__doors_bind(&server->doors, server->settings, &common, inherited, inherited_count, why);
}

int tw__server_bind(const struct tw__settings *settings, struct tw__inherited *inherited, size_t inherited_count,
                    struct tw__server **out, char why[TW_WHY_MAX])
{
    struct tw__server *server = calloc(1, sizeof *server);
    (void)snprintf(why, TW_WHY_MAX, "out of memory");
    if (!server) return TW_ERR_MEMORY;
    server->settings = settings;
    server->http_fd = -1;
    int code = prepare(settings, &server->tokens, &server->tls, &server->rules, why);
    server->intake.rules = server->rules;
    if (code == 0) code = bind_all(server, inherited, inherited_count, why);
    if (code == 0) code = check_bound(server, why);
    if (code < 0)
        tw__server_close(server);
    else
        *out = server;
    return code;
}

static void data_problem(char why[TW_WHY_MAX], const char *what, const char *path, const char *reason)
{
    (void)snprintf(why, TW_WHY_MAX, "data: %.120s %s: %.60s; --data DIR takes another folder", path, what, reason);
}

/* Makes a folder and those above it. */
static int make_folder(const char *path, char why[TW_WHY_MAX])
{
    char part[2048];
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof part) {
        (void)snprintf(why, TW_WHY_MAX, "data: not a path");
        return TW_ERR_RANGE;
    }
    for (size_t i = 1; i <= len; i++) {
        if (i < len && path[i] != '/') continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, 0700) == 0 || errno == EEXIST) continue;
        data_problem(why, "cannot be made", path, strerror(errno));
        return TW_ERR_PERMISSION;
    }
    struct stat there;
    int error = stat(path, &there) < 0 ? errno : S_ISDIR(there.st_mode) ? 0 : ENOTDIR;
    if (error == 0 && access(path, R_OK | W_OK | X_OK) < 0) error = errno;
    if (error == 0) return 0;
    data_problem(why, "cannot be used", path, strerror(error));
    return TW_ERR_PERMISSION;
}

static int write_store(void *store, const struct tw__spans *spans)
{
    return tw__store_write(store, spans);
}

static int open_store(struct tw__server *server, char why[TW_WHY_MAX])
{
    const struct tw__settings *settings = server->settings;
    struct tw__store_options options = {.folder = tw__settings_get(settings, "data"),
                                        .keep_ns = tw__settings_number(settings, "keep-for"),
                                        .keep_bytes = tw__settings_number(settings, "keep-size"),
                                        .memory_bytes = tw__settings_number(settings, "store-memory")};
    if (!options.folder) {
        (void)snprintf(why, TW_WHY_MAX,
                       "data: no folder to keep spans in (HOME is not set, or data is off); --data DIR names one");
        return TW_ERR_STATE;
    }
    int code = tw__settings_durability(settings, &options.durability, why);
    if (code == 0) code = make_folder(options.folder, why);
    if (code == 0) code = tw__store_open(&options, &server->api.store, why);
    if (code == TW_ERR_STATE)
        data_problem(why, "is in use", options.folder, "another collector, or trackway store or ingest, has it open");
    if (code < 0) return code;
    server->intake.sink = (struct tw__sink){write_store, server->api.store};
    server->intake.metrics = server->api.metrics = tw__span_metrics_new();
    if (server->api.metrics) return 0;
    (void)snprintf(why, TW_WHY_MAX, "out of memory");
    return TW_ERR_MEMORY;
}

/* Spans that were sent to the page's address say where they belong. */
static void refuse(const struct tw__request *request, unsigned status, const char *message, struct tw__reply *reply)
{
    bool spans = status == 404 && strcmp(request->method, "POST") == 0 &&
                 (strncmp(request->path, "/v1/", 4) == 0 || strcmp(request->path, "/api/v2/spans") == 0);
    tw__reply_error(reply, status,
                    spans
                        ? "spans come in elsewhere: OpenTelemetry's at --otlp-http (4318 unless configured), Zipkin's "
                          "at --zipkin (9411)"
                        : message);
}

static int open_http(struct tw__server *server, char why[TW_WHY_MAX])
{
    if (server->http_fd < 0) return 0;
    server->routes = tw__routes_all();
    if (!server->routes) return TW_ERR_MEMORY;
    struct tw__door_config common = common_config(server);
    struct tw__httpd_config config = {.fd = server->http_fd,
                                      .routes = server->routes,
                                      .context = &server->api,
                                      .tls = common.tls,
                                      .tokens = &server->tokens,
                                      .stats = &server->api.stats,
                                      .loopback = server->http_loopback && !server->tokens.read[0],
                                      .threads = common.threads,
                                      .connections_max = common.connections_max,
                                      .source_connections_max = common.source_connections_max,
                                      .waiting_max_bytes = common.waiting_max_bytes,
                                      .refuse = refuse};
    return tw__httpd_open(&config, &server->http, why);
}

int tw__server_open(struct tw__server *server, char why[TW_WHY_MAX])
{
    server->api.settings = server->settings;
    server->api.doors = &server->doors;
    server->api.intake = &server->intake;
    server->api.started_ns = tw__clock_wall_ns();
    int code = open_store(server, why);
    if (code == 0) code = open_http(server, why);
    if (code == 0) code = tw__doors_open(&server->doors, why);
    if (code == 0) tw__store_release(&server->api.ready, 1U); /* a flag for /readyz, which needs no order */
    return code;
}

/* A port alone is one of the loopback, as in settings: it is spelt out once, so that the line fits a terminal. */
void tw__server_describe(const struct tw__server *server, struct tw__buf *out)
{
    static const char LOOPBACK[] = "127.0.0.1:";
    bool told = false;
    const char *scheme = server->tls.certificate ? "https" : "http", *comma = "";
    const char *keep_for = tw__settings_get(server->settings, "keep-for");
    const char *keep_size = tw__settings_get(server->settings, "keep-size");
    const char *segments = NULL;
    tw__buf_fmt(out, "trackway is up, process %ld\n", (long)getpid());
    if (server->http)
        tw__buf_fmt(out, "  page and queries  %s://%s/\n", scheme, server->http_bound);
    else
        tw__buf_cstr(out, "  page and queries  off\n");
    tw__buf_cstr(out, "  doors             ");
    for (size_t i = 0; i < server->doors.count; i++) {
        const struct tw__open_door *door = &server->doors.items[i].door;
        if (door->kind->number == TW__DOOR_SEGMENT) {
            segments = door->bound;
            continue;
        }
        bool loopback = strncmp(door->bound, LOOPBACK, sizeof LOOPBACK - 1) == 0;
        tw__buf_fmt(out, "%s%s %s", comma, door->kind->name,
                    door->bound + (loopback && told ? sizeof LOOPBACK - 1 : 0));
        told |= loopback;
        comma = ", ";
    }
    tw__buf_cstr(out, *comma ? "\n" : "none\n");
    tw__buf_fmt(out, "  segments          %s\n", segments ? segments : "off");
    tw__buf_fmt(out, "  data              %s, kept for %s and up to %s\n", tw__settings_get(server->settings, "data"),
                keep_for, keep_size);
}

void tw__server_describe_json(const struct tw__server *server, struct tw__buf *out)
{
    struct tw__json json = {.out = out};
    tw__json_open(&json, NULL, '{');
    tw__json_u64(&json, "pid", (uint64_t)getpid());
    tw__json_cstr(&json, "data", tw__settings_get(server->settings, "data"));
    tw__json_bool(&json, "tls", server->tls.certificate != NULL);
    if (server->http) tw__json_cstr(&json, "http", server->http_bound);
    for (size_t i = 0; i < server->doors.count; i++)
        tw__json_cstr(&json, server->doors.items[i].door.kind->name, server->doors.items[i].door.bound);
    tw__json_close(&json, '}');
    tw__json_line(&json);
}

int tw__server_reload(struct tw__server *server, char why[TW_WHY_MAX])
{
    int failed = 0;
    char problem[TW_WHY_MAX];
    if (server->http && tw__httpd_reload(server->http, problem) < 0 && failed++ == 0)
        (void)snprintf(why, TW_WHY_MAX, "http: %.200s", problem);
    for (size_t i = 0; i < server->doors.count; i++) {
        struct tw__open_door *door = &server->doors.items[i].door;
        if (!door->kind->reload || door->kind->reload(door, problem) == 0) continue;
        if (failed++ == 0) (void)snprintf(why, TW_WHY_MAX, "%s: %.200s", door->kind->name, problem);
    }
    return failed;
}

bool tw__server_drain(struct tw__server *server, uint64_t until_mono_ns)
{
    tw__store_release(&server->api.ready, 0U); /* a flag for /readyz, which needs no order */
    tw__doors_drain(&server->doors);
    while (!tw__doors_idle(&server->doors) && tw__clock_mono_ns() < until_mono_ns) tw__os_sleep_ns(DRAIN_LOOK_NS);
    if (server->http) tw__httpd_drain(server->http);
    while (server->http && !tw__httpd_idle(server->http) && tw__clock_mono_ns() < until_mono_ns)
        tw__os_sleep_ns(DRAIN_LOOK_NS);
    return tw__doors_idle(&server->doors) && (!server->http || tw__httpd_idle(server->http));
}

void tw__server_describe_busy(const struct tw__server *server, struct tw__buf *out)
{
    for (size_t i = 0; i < server->doors.count; i++) {
        struct tw__open_door door = server->doors.items[i].door;
        if (!server->doors.items[i].open || door.kind->idle(&door)) continue;
        tw__buf_fmt(out, "%s%s", out->len ? ", " : "", door.kind->name);
    }
    if (server->http && !tw__httpd_idle(server->http)) tw__buf_fmt(out, "%shttp", out->len ? ", " : "");
}

void tw__server_close(struct tw__server *server)
{
    if (!server) return;
    tw__doors_close(&server->doors);
    if (server->http)
        tw__httpd_close(server->http);
    else if (server->http_fd >= 0)
        (void)close(server->http_fd);
    if (server->api.store) tw__store_close(server->api.store);
    tw__span_metrics_free(server->api.metrics);
    tw__rules_free(server->rules);
    free(server->routes);
    free(server);
}
