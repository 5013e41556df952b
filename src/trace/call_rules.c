/* call_rules: configuration, compiled.
 *
 *     code, environment, file  -->  tw__call_config (one, replaced as a whole)  -->  tw__call_rules (one an entrypoint)
 *
 * Everything that can lock, allocate or fail happens when an entrypoint is used for the first time; then its rules are
 * two pointers away. An entrypoint whose rules belong to another configuration than the one in force gets new ones.
 * What was replaced is never freed: a thread may be in the middle of it.
 *
 * It fails closed: a path that cannot be understood, or a file that cannot be read, hides everything, and says so
 * through the program's diagnostic function. A pattern for truncating or dropping that is wrong is left out, and said
 * too.
 */
#include "trace/call_rules.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/os.h"
#include "trace/env.h"

static struct {
    pthread_mutex_t lock;
    const struct tw__call_config *config; /* release when complete; pairs with tw__call_rules_of */
    const struct tw__call_rules *rules;   /* the newest */
} state = {.lock = PTHREAD_MUTEX_INITIALIZER};

void tw__call_rules_after_fork(void)
{
    static const pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER;
    state.lock = fresh;
}

/* What was wrong first. */
struct trouble {
    int error;
    char why[TW_WHY_MAX];
};

static void trouble(struct trouble *t, int error, const char *what, const char *value)
{
    if (error >= 0 || t->error) return;
    t->error = error;
    (void)snprintf(t->why, sizeof t->why, "%s: %.150s: %s", what, value ? value : "", tw_err_text(error));
}

static void patterns(struct trouble *t, const char *what, const char *lines, struct tw__patterns **out)
{
    if (lines && strcmp(lines, "none") == 0) return;
    trouble(t, tw__patterns_compile(lines, out), what, lines);
}

static char *copy(const char *text)
{
    size_t len = text ? strlen(text) + 1 : 0;
    char *made = len ? malloc(len) : NULL;
    if (made) memcpy(made, text, len);
    return made;
}

static const char *first_set(const char *a, const char *b, const char *c)
{
    return a ? a : b ? b : c;
}

static void check_paths(struct tw__call_config *config, struct trouble *t, const char *what, const char *list)
{
    struct tw__paths *paths = NULL;
    size_t bad;
    int result = tw__paths_compile(&list, 1, &paths, &bad);
    if (result < 0) config->hide_all = true;
    trouble(t, result, what, list);
    tw__paths_free(paths);
}

static void add_named(struct tw__call_config *config, struct trouble *t, const struct tw__call_texts *file)
{
    for (size_t i = 0; i < file->named_count; i++) {
        struct tw__patterns *pattern = NULL;
        int result = tw__patterns_compile(file->named[i].pattern, &pattern);
        if (result < 0 || !pattern) config->hide_all = true;
        trouble(t, result, "entrypoints", file->named[i].pattern);
        check_paths(config, t, "entrypoints", file->named[i].sensitive);
        config->named[config->named_count].pattern = pattern;
        config->named[config->named_count++].sensitive = copy(file->named[i].sensitive);
    }
}

/* given: of code, then of the environment. env_sensitive: paths of the environment, where code has some too. */
static void fill(struct tw__call_config *config, struct trouble *t, const struct tw_calls_config *given,
                 const char *env_sensitive, const struct tw__call_texts *file)
{
    struct tw__names *denied = &config->denied;
    patterns(t, "truncate", first_set(given->truncate, file->truncate, NULL), &config->truncate);
    patterns(t, "truncate_response",
             first_set(given->truncate_response, file->truncate_response, tw__truncate_responses),
             &config->truncate_response);
    patterns(t, "drop", first_set(given->drop, file->drop, NULL), &config->drop);
    config->drop_urls = copy(first_set(given->drop_urls, file->drop_urls, NULL));
    config->truncate_len = given->truncate_len      ? given->truncate_len
                           : file->has_truncate_len ? file->truncate_len
                                                    : TW__TRUNCATE_LEN;
    config->truncate_response_len = given->truncate_response_len      ? given->truncate_response_len
                                    : file->has_truncate_response_len ? file->truncate_response_len
                                                                      : TW__TRUNCATE_LEN;
    config->parents = given->parents ? given->parents : file->has_parents ? file->parents : TW_CALL_PARENTS_USUAL;
    if (config->parents > TW_CALL_PARENTS_MAX) config->parents = TW_CALL_PARENTS_MAX;
    trouble(t, tw__names_add(denied, tw__names_default), "deny_headers", "");
    trouble(t, tw__names_add(denied, file->deny_headers), "deny_headers", file->deny_headers);
    trouble(t, tw__names_add(denied, given->deny_headers), "deny_headers", given->deny_headers);
    check_paths(config, t, "sensitive", given->sensitive);
    check_paths(config, t, "TRACKWAY_CALLS_SENSITIVE", env_sensitive);
    check_paths(config, t, "sensitive", file->sensitive);
    size_t room = (given->sensitive ? strlen(given->sensitive) : 0) + (env_sensitive ? strlen(env_sensitive) : 0) + 2;
    config->sensitive[0] = malloc(room);
    if (config->sensitive[0])
        (void)snprintf(config->sensitive[0], room, "%s %s", given->sensitive ? given->sensitive : "",
                       env_sensitive ? env_sensitive : "");
    else
        config->hide_all = true;
    config->sensitive[1] = copy(file->sensitive);
    if (file->sensitive && !config->sensitive[1]) config->hide_all = true;
    add_named(config, t, file);
}

/* Under lock. NULL on lack of memory. */
static const struct tw__call_config *configure(const struct tw_calls_config *given, struct trouble *t)
{
    struct tw_calls_config all = {0};
    struct tw__call_texts file = {0};
    struct tw__call_config *config = calloc(1, sizeof *config);
    const char *env_sensitive = NULL;
    if (!config) return NULL;
    if (given) all = *given;
    trouble(t, tw__env_calls(&all, &env_sensitive), "environment",
            "TRACKWAY_CALLS_TRUNCATE_LEN, TRACKWAY_CALLS_TRUNCATE_RESPONSE_LEN, TRACKWAY_CALLS_PARENTS");
    if (all.file && *all.file) {
        char why[TW_WHY_MAX] = "";
        int result = tw__call_texts_load(&file, all.file, why);
        if (result < 0) config->hide_all = true;
        trouble(t, result, all.file, why);
    }
    fill(config, t, &all, env_sensitive, &file);
    tw__call_texts_fini(&file);
    config->older = state.config;
    tw__store_release(&state.config, config);
    return config;
}

int tw_calls_configure(const struct tw_calls_config *config, char *why)
{
    struct tw_calls_config whole = {0};
    struct trouble t = {0};
    if (config) {
        size_t size = config->struct_size && config->struct_size < sizeof whole ? config->struct_size : sizeof whole;
        memcpy(&whole, config, size);
    }
    int cancel = tw__os_cancel_not(); /* a file is read, with the lock held */
    pthread_mutex_lock(&state.lock);
    if (!configure(&whole, &t)) t.error = TW_ERR_MEMORY;
    pthread_mutex_unlock(&state.lock);
    tw__os_cancel_again(cancel);
    if (why) (void)snprintf(why, TW_WHY_MAX, "%s", t.error == TW_ERR_MEMORY ? tw_err_text(t.error) : t.why);
    return t.error;
}

static enum tw_span_kind kind_of(const char *type)
{
    static const struct {
        const char *type;
        enum tw_span_kind kind;
    } kinds[] = {
        {TW_CALL_CONSUMER, TW_KIND_CONSUMER}, {TW_CALL_EVENT, TW_KIND_CONSUMER}, {"consumer", TW_KIND_CONSUMER},
        {TW_CALL_TIMER, TW_KIND_INTERNAL},    {"timer", TW_KIND_INTERNAL},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].type, type) == 0) return kinds[i].kind;
    return TW_KIND_SERVER;
}

static const struct tw__paths *paths_of(const struct tw_entrypoint *entrypoint, const struct tw__call_config *config,
                                        struct trouble *t)
{
    const char *lists[TW__CALL_NAMED_MAX + 3] = {entrypoint->sensitive, config->sensitive[0], config->sensitive[1]};
    size_t count = 3, bad;
    struct tw__paths *paths = NULL;
    if (config->hide_all) return tw__paths_everything;
    for (size_t i = 0; i < config->named_count; i++)
        if (tw__patterns_match(config->named[i].pattern, entrypoint->name ? entrypoint->name : "")) {
            if (!config->named[i].sensitive) return tw__paths_everything;
            lists[count++] = config->named[i].sensitive;
        }
    int result = tw__paths_compile(lists, count, &paths, &bad);
    if (result < 0) {
        t->error = result;
        (void)snprintf(t->why, sizeof t->why, "%.60s: the sensitive paths \"%.80s\" hide everything",
                       entrypoint->name ? entrypoint->name : "?", lists[bad]);
        return tw__paths_everything;
    }
    if (tw__paths_any(paths)) return paths;
    tw__paths_free(paths);
    return NULL;
}

/* "service.name." in which nothing breaks a list of ids, and the site's name before it. */
static bool name_it(struct tw__call_rules *rules)
{
    struct tw_text *service = &rules->words[TW__CALL_SERVICE], *name = &rules->words[TW__CALL_NAME];
    size_t uuid = 36, room = TW_CALL_ID_MAX - uuid;
    char *prefix = malloc(service->len + name->len + 3), *shown = malloc(service->len + name->len + 3);
    if (!prefix || !shown) {
        free(prefix);
        free(shown);
        return false;
    }
    (void)sprintf(shown, "%.*s.%.*s", (int)service->len, service->ptr, (int)name->len, name->ptr);
    service->ptr = shown; /* the process's may be another after the next tw_init */
    size_t len = strlen(shown);
    if (len > room - 1) len = room - 1;
    for (size_t i = 0; i < len; i++)
        prefix[i] = shown[i] <= ' ' || shown[i] > '~' || strchr("\"\\[],", shown[i]) ? '_' : shown[i];
    prefix[len++] = '.';
    rules->id_prefix = (struct tw_text){prefix, len};
    rules->site = (struct tw_site){.name = shown, .module = "", .function = "", .type = TW__TYPE_SPAN};
    return true;
}

/* Under lock. */
static const struct tw__call_rules *make(struct tw_entrypoint *entrypoint, const struct tw__call_config *config,
                                         struct trouble *t)
{
    struct tw__call_rules *rules = calloc(1, sizeof *rules);
    if (!rules) return NULL;
    const char *name = entrypoint->name ? entrypoint->name : "?",
               *type = entrypoint->type ? entrypoint->type : TW_CALL_RPC;
    rules->config = config;
    rules->words[TW__CALL_SERVICE] =
        entrypoint->service ? (struct tw_text){entrypoint->service, strlen(entrypoint->service)} : tw__runtime.service;
    rules->words[TW__CALL_TYPE] = (struct tw_text){type, strlen(type)};
    rules->words[TW__CALL_NAME] = (struct tw_text){name, strlen(name)};
    rules->kind = kind_of(type);
    rules->truncate = tw__patterns_match(config->truncate, name);
    rules->truncate_response = tw__patterns_match(config->truncate_response, name);
    rules->drop = tw__patterns_match(config->drop, name);
    rules->paths = paths_of(entrypoint, config, t);
    if (!name_it(rules)) {
        free(rules);
        return NULL;
    }
    rules->older = state.rules;
    state.rules = rules;
    tw__store_release(&entrypoint->own, rules); /* pairs with tw__call_rules_of */
    return rules;
}

const struct tw__call_rules *tw__call_rules_of(struct tw_entrypoint *entrypoint)
{
    const struct tw__call_rules *rules = tw__load_acquire(&entrypoint->own); /* pairs with make */
    const struct tw__call_config *config = tw__load_acquire(&state.config);  /* pairs with configure */
    if (__builtin_expect(rules && rules->config == config, 1)) return rules;
    struct trouble t = {0}, own = {0};
    (void)tw__runtime_segment(); /* it knows the service */
    int cancel = tw__os_cancel_not();
    pthread_mutex_lock(&state.lock);
    config = state.config ? state.config : configure(NULL, &t);
    rules = entrypoint->own;
    if (config && (!rules || rules->config != config)) rules = make(entrypoint, config, &own);
    pthread_mutex_unlock(&state.lock);
    tw__os_cancel_again(cancel);
    if (t.error) tw__runtime_notice(t.error, t.why);
    if (own.error) tw__runtime_notice(own.error, own.why);
    return config ? rules : NULL;
}

bool tw__call_drops_url(const struct tw__call_config *config, const char *url)
{
    const char *host = url ? strstr(url, "://") : NULL, *path = host ? strchr(host + 3, '/') : url;
    if (!path || !config->drop_urls) return false;
    size_t len = strcspn(path, "?#");
    for (const char *at = config->drop_urls; *(at += strspn(at, " \t\n,"));) {
        size_t rule = strcspn(at, " \t\n,");
        bool below = at[rule - 1] == '/' && rule > 1;
        if ((below ? rule <= len : rule == len) && memcmp(at, path, rule) == 0) return true;
        at += rule;
    }
    return false;
}
