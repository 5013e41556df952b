/* xray_quotas: see the header. A rule is known to clients as rule-1, rule-2, ... by its place in the file, and as
 * Default.
 *
 * Invariant: for each rule the quotas that are promised and not over, added up, are at most its fixed_target.
 * Limits: TW__QUOTA_CLIENTS_MAX clients of all rules together; who comes after them gets no quota, only the rate.
 */
#include "ingest/xray_quotas.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/text.h"
#include "sample/rate.h"
#include "sample/xray_rules.h"
#include "wire/json.h"
#include "wire/json_in_dec.h"

enum { INTERVAL_S = 10, QUOTA_S = 15, CLIENT_S = 30, CLIENT_ID_MAX = 64 };

struct client {
    struct client *next; /* by when it came */
    char id[CLIENT_ID_MAX];
    uint32_t quota;
    uint64_t quota_until_s, seen_s;
};

struct tw__xray_quotas {
    pthread_mutex_t lock;
    char *file;
    struct tw__xray_rules *rules;
    struct client **clients; /* of each rule, Default last */
    size_t client_count;
    uint64_t modified_s;
};

static void free_clients(struct tw__xray_quotas *q)
{
    for (size_t i = 0; q->rules && q->clients && i <= q->rules->count; i++) {
        for (struct client *next; q->clients[i]; q->clients[i] = next) {
            next = q->clients[i]->next;
            free(q->clients[i]);
        }
    }
    free(q->clients);
    q->clients = NULL;
    q->client_count = 0;
}

static void free_rules(struct tw__xray_rules *rules)
{
    if (rules) tw__xray_rules_fini(rules);
    free(rules);
}

static int read_file(const char *path, struct tw__xray_rules *rules, char why[TW_WHY_MAX])
{
    struct tw__problem problem = {0};
    char text[TW_WHY_MAX / 2];
    FILE *file = fopen(path, "rbe");
    char *bytes = file ? malloc(TW__XRAY_FILE_MAX + 1) : NULL;
    int code = file ? TW_ERR_MEMORY : TW_ERR_NOT_FOUND;
    (void)snprintf(why, TW_WHY_MAX, file ? "out of memory" : "%.180s cannot be read", path);
    if (bytes) {
        size_t len = fread(bytes, 1, TW__XRAY_FILE_MAX + 1, file);
        code = len > TW__XRAY_FILE_MAX ? TW_ERR_SPACE : tw__xray_rules_parse(rules, bytes, len, &problem);
        (void)snprintf(text, sizeof text, "larger than 1 MiB");
        if (len <= TW__XRAY_FILE_MAX) tw__problem_text(&problem, text, sizeof text);
        if (code < 0) (void)snprintf(why, TW_WHY_MAX, "%.100s: %s", path, text);
    }
    free(bytes);
    if (file) (void)fclose(file);
    return code;
}

static int load(struct tw__xray_quotas *q, uint64_t now_s, char why[TW_WHY_MAX])
{
    struct tw__xray_rules *rules = aligned_alloc(64, sizeof *rules);
    struct client **clients = NULL;
    int code = TW_ERR_MEMORY;
    (void)snprintf(why, TW_WHY_MAX, "out of memory");
    if (rules) {
        memset(rules, 0, sizeof *rules);
        code = 0;
        if (q->file)
            code = read_file(q->file, rules, why);
        else
            tw__xray_rules_builtin(rules);
    }
    if (code == 0) clients = calloc(rules->count + 1, sizeof(struct client *));
    if (!clients) {
        free_rules(rules);
        return code < 0 ? code : TW_ERR_MEMORY;
    }
    free_clients(q);
    free_rules(q->rules);
    q->rules = rules;
    q->clients = clients;
    q->modified_s = now_s;
    return 0;
}

int tw__xray_quotas_new(const char *file, uint64_t now_s, struct tw__xray_quotas **out, char why[TW_WHY_MAX])
{
    struct tw__xray_quotas *q = calloc(1, sizeof *q);
    (void)snprintf(why, TW_WHY_MAX, "out of memory");
    if (!q) return TW_ERR_MEMORY;
    (void)pthread_mutex_init(&q->lock, NULL);
    q->file = file ? strdup(file) : NULL;
    int code = file && !q->file ? TW_ERR_MEMORY : load(q, now_s, why);
    if (code == 0)
        *out = q;
    else
        tw__xray_quotas_free(q);
    return code;
}

void tw__xray_quotas_free(struct tw__xray_quotas *q)
{
    if (!q) return;
    free_clients(q);
    free_rules(q->rules);
    (void)pthread_mutex_destroy(&q->lock);
    free(q->file);
    free(q);
}

int tw__xray_quotas_reload(struct tw__xray_quotas *q, uint64_t now_s, char why[TW_WHY_MAX])
{
    (void)pthread_mutex_lock(&q->lock);
    int code = load(q, now_s, why);
    (void)pthread_mutex_unlock(&q->lock);
    return code;
}

/* -- GetSamplingRules */

static const struct tw__xray_rule *rule_at(const struct tw__xray_quotas *q, size_t index)
{
    return index < q->rules->count ? &q->rules->items[index] : &q->rules->fallback;
}

static void put_pattern(struct tw__json *json, const char *name, struct tw_text pattern)
{
    tw__json_text(json, name, pattern.len ? pattern : (struct tw_text){"*", 1});
}

/* As it stands in the file: a threshold has 56 bits, a rate in a file not more than nine digits that count. */
static double rate_of(const struct tw__xray_rule *rule)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%.9g", tw__rate_of(rule->threshold));
    return strtod(text, NULL);
}

static void put_rule(const struct tw__xray_quotas *q, size_t index, struct tw__json *json)
{
    const struct tw__xray_rule *rule = rule_at(q, index);
    bool fallback = index == q->rules->count;
    char name[TW__RULE_NAME_MAX + 1] = "Default";
    if (!fallback) (void)snprintf(name, sizeof name, "rule-%zu", index + 1);
    tw__json_open(json, NULL, '{');
    tw__json_open(json, "SamplingRule", '{');
    tw__json_cstr(json, "RuleName", name);
    tw__json_cstr(json, "ResourceARN", "*");
    tw__json_u64(json, "Priority", fallback ? 10000 : index + 1);
    tw__json_f64(json, "FixedRate", rate_of(rule));
    tw__json_u64(json, "ReservoirSize", rule->fixed_target);
    tw__json_cstr(json, "ServiceName", "*");
    tw__json_cstr(json, "ServiceType", "*");
    put_pattern(json, "Host", rule->host);
    put_pattern(json, "HTTPMethod", rule->method);
    put_pattern(json, "URLPath", rule->path);
    tw__json_u64(json, "Version", 1);
    tw__json_open(json, "Attributes", '{');
    tw__json_close(json, '}');
    tw__json_close(json, '}');
    tw__json_u64(json, "CreatedAt", q->modified_s);
    tw__json_u64(json, "ModifiedAt", q->modified_s);
    tw__json_close(json, '}');
}

void tw__xray_quotas_rules(struct tw__xray_quotas *q, struct tw__buf *out)
{
    struct tw__json json = {.out = out};
    (void)pthread_mutex_lock(&q->lock);
    tw__json_open(&json, NULL, '{');
    tw__json_open(&json, "SamplingRuleRecords", '[');
    for (size_t i = 0; i <= q->rules->count; i++) put_rule(q, i, &json);
    tw__json_close(&json, ']');
    tw__json_null(&json, "NextToken");
    tw__json_close(&json, '}');
    (void)pthread_mutex_unlock(&q->lock);
}

/* -- SamplingTargets */

static size_t index_of(const struct tw__xray_quotas *q, struct tw_text name)
{
    uint64_t number = 0;
    if (tw__text_is(name, "Default")) return q->rules->count;
    if (name.len < 6 || memcmp(name.ptr, "rule-", 5) != 0) return SIZE_MAX;
    for (size_t i = 5; i < name.len; i++) {
        if (name.ptr[i] < '0' || name.ptr[i] > '9' || number > q->rules->count) return SIZE_MAX;
        number = number * 10 + (uint64_t)(name.ptr[i] - '0');
    }
    return number >= 1 && number <= q->rules->count ? (size_t)number - 1 : SIZE_MAX;
}

static void forget_silent(struct tw__xray_quotas *q, size_t index, uint64_t now_s)
{
    for (struct client **at = &q->clients[index]; *at;) {
        struct client *client = *at;
        if (client->seen_s + CLIENT_S > now_s) {
            at = &client->next;
            continue;
        }
        *at = client->next;
        free(client);
        q->client_count--;
    }
}

/* The client of a rule, made when it is new; NULL when there are too many. */
static struct client *client_of(struct tw__xray_quotas *q, size_t index, struct tw_text id)
{
    struct client **at = &q->clients[index];
    size_t len = id.len < CLIENT_ID_MAX - 1 ? id.len : CLIENT_ID_MAX - 1;
    for (; *at; at = &(*at)->next)
        if (strlen((*at)->id) == len && memcmp((*at)->id, id.ptr, len) == 0) return *at;
    struct client *made = q->client_count < TW__QUOTA_CLIENTS_MAX ? calloc(1, sizeof *made) : NULL;
    if (!made) return NULL;
    if (len) memcpy(made->id, id.ptr, len);
    q->client_count++;
    *at = made;
    return made;
}

static uint32_t grant(struct tw__xray_quotas *q, size_t index, struct tw_text id, uint64_t now_s)
{
    uint32_t reservoir = rule_at(q, index)->fixed_target, promised = 0, place = 0, count = 0;
    forget_silent(q, index, now_s);
    struct client *client = client_of(q, index, id);
    if (!client) return 0;
    for (const struct client *other = q->clients[index]; other; other = other->next, count++) {
        if (other == client)
            place = count;
        else if (other->quota_until_s >= now_s)
            promised += other->quota;
    }
    uint32_t share = reservoir / count + (place < reservoir % count), left = reservoir - promised;
    client->quota = share < left ? share : left;
    client->quota_until_s = now_s + QUOTA_S;
    client->seen_s = now_s;
    return client->quota;
}

struct answer {
    struct tw__xray_quotas *q;
    struct tw__json targets, unprocessed;
    uint64_t now_s;
    bool seen;
    struct tw_text name, client;
};

static int statistic_member(struct tw__json_in *in, void *target)
{
    struct answer *answer = target;
    if (tw__json_is(&in->json, "RuleName")) return tw__json_in_text(in, &answer->name);
    return tw__json_is(&in->json, "ClientID") ? tw__json_in_text(in, &answer->client) : tw__json_in_skip(in);
}

static int statistic(struct tw__json_in *in, void *target)
{
    struct answer *answer = target;
    answer->name = answer->client = (struct tw_text){"", 0};
    int code = tw__json_in_object(in, statistic_member, answer);
    if (code < 0) return code;
    size_t index = index_of(answer->q, answer->name);
    struct tw__json *json = index == SIZE_MAX ? &answer->unprocessed : &answer->targets;
    tw__json_open(json, NULL, '{');
    tw__json_text(json, "RuleName", answer->name);
    if (index == SIZE_MAX) {
        tw__json_cstr(json, "ErrorCode", "404");
        tw__json_cstr(json, "Message", "there is no such rule");
    } else {
        tw__json_f64(json, "FixedRate", rate_of(rule_at(answer->q, index)));
        tw__json_u64(json, "ReservoirQuota", grant(answer->q, index, answer->client, answer->now_s));
        tw__json_u64(json, "ReservoirQuotaTTL", answer->now_s + QUOTA_S);
        tw__json_u64(json, "Interval", INTERVAL_S);
    }
    tw__json_close(json, '}');
    return 0;
}

static int request_member(struct tw__json_in *in, void *target)
{
    struct answer *answer = target;
    if (!tw__json_is(&in->json, "SamplingStatisticsDocuments")) return tw__json_in_skip(in);
    answer->seen = true;
    return tw__json_in_list(in, statistic, answer);
}

int tw__xray_quotas_targets(struct tw__xray_quotas *q, struct tw_text request, uint64_t now_s, struct tw__buf *out)
{
    struct tw__pool pool = {0};
    struct tw__buf unprocessed = {0};
    struct tw__json json = {.out = out};
    struct answer answer = {.q = q, .unprocessed.out = &unprocessed, .now_s = now_s};
    (void)pthread_mutex_lock(&q->lock);
    tw__json_open(&json, NULL, '{');
    tw__json_open(&json, "SamplingTargetDocuments", '[');
    answer.targets = json;
    int code = tw__json_in_whole(&pool, request, request_member, &answer);
    if (code == 0 && !answer.seen) code = TW_ERR_SYNTAX;
    json = answer.targets;
    tw__json_close(&json, ']');
    tw__json_u64(&json, "LastRuleModification", q->modified_s);
    tw__json_open(&json, "UnprocessedStatistics", '[');
    tw__buf_add(out, unprocessed.ptr, unprocessed.len);
    tw__json_close(&json, ']');
    tw__json_close(&json, '}');
    (void)pthread_mutex_unlock(&q->lock);
    if (code == 0 && (out->failed || unprocessed.failed)) code = TW_ERR_MEMORY;
    tw__buf_fini(&unprocessed);
    tw__pool_fini(&pool);
    return code;
}
