/* generator: see the header.
 *
 * A trace is made whole, as seeds of spans; a window of them waits, and spans leave it at random. What a span carries
 * is computed from its seed when it leaves, so that a million waiting ones would be small.
 */
#include "generator.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WINDOW = 16384, TRACE_MAX = 500, KEPT_IDS = 4096, TAGS_MAX = 12, RESOURCE_TAGS = 9 };

struct seed {
    uint8_t trace_id[16], span_id[8], parent_id[8];
    uint64_t start_ns, duration_ns, salt;
    uint8_t service, operation, instance, kind, status;
};

struct generator {
    uint64_t state[2], now_ns;
    double step_ns; /* between traces, per span */
    struct seed window[WINDOW + TRACE_MAX];
    size_t waiting;
    uint8_t kept[KEPT_IDS][16];
    size_t kept_count;
    char services[GENERATOR_SERVICES][32];
    struct tw_tag_value resources[GENERATOR_SERVICES][GENERATOR_INSTANCES][RESOURCE_TAGS];
    char texts[GENERATOR_SERVICES][GENERATOR_INSTANCES][3][48];
};

static const char *const nouns[GENERATOR_SERVICES] = {
    "frontend", "gateway",   "cart",     "checkout", "catalog",   "search",   "pricing",   "tax",
    "shipping", "orders",    "payments", "fraud",    "identity",  "sessions", "profile",   "reviews",
    "ratings",  "media",     "images",   "mailer",   "sms",       "push",     "audit",     "ledger",
    "invoices", "coupons",   "loyalty",  "stock",    "suppliers", "routing",  "geocoder",  "weather",
    "ads",      "recommend", "features", "reports",  "exports",   "importer", "scheduler", "archive"};
static const char *const verbs[GENERATOR_OPERATIONS] = {
    "GET /%s",        "GET /%s/{id}",    "POST /%s",         "PUT /%s/{id}",    "DELETE /%s/{id}",
    "SELECT %s",      "INSERT %s",       "UPDATE %s",        "SELECT %s_index", "redis GET %s",
    "redis SET %s",   "kafka send %s",   "kafka receive %s", "grpc %s/List",    "grpc %s/Get",
    "grpc %s/Update", "validate %s",     "render %s",        "authorize %s",    "lock %s",
    "serialize %s",   "cache lookup %s", "call %s upstream", "HEAD /%s/health", "batch %s"};
static char operations[GENERATOR_SERVICES][GENERATOR_OPERATIONS][48];
static char addresses[GENERATOR_SERVICES][64], interfaces[GENERATOR_SERVICES][64];

static uint64_t draw(struct generator *g)
{
    uint64_t a = g->state[0], b = g->state[1];
    g->state[0] = b;
    a ^= a << 23;
    a ^= a >> 17 ^ b ^ b >> 26;
    g->state[1] = a;
    return a + b;
}

static uint64_t mix(uint64_t x)
{
    x ^= x >> 31;
    x *= UINT64_C(0x9e3779b97f4a7c15);
    return x ^ x >> 29;
}

static double unit(struct generator *g)
{
    return (double)(draw(g) >> 11) / 9007199254740992.0;
}

static double normal(struct generator *g)
{
    return sqrt(-2 * log(unit(g) + 1e-300)) * cos(6.283185307179586 * unit(g));
}

/* Popular numbers are small: the share of the first is about 1 / ln(count). */
static uint32_t popular(double u, uint32_t count)
{
    double x = pow((double)count, u) - 1;
    return x >= count ? count - 1 : (uint32_t)x;
}

const char *generator_service(unsigned service)
{
    return nouns[service];
}

const char *generator_operation(unsigned service, unsigned operation)
{
    return operations[service][operation];
}

uint64_t generator_now(const struct generator *generator)
{
    return generator->now_ns;
}

static struct tw_text text_of(const char *text)
{
    return (struct tw_text){text, strlen(text)};
}

static struct tw_tag_value text_tag(const char *key, const char *value)
{
    return (struct tw_tag_value){
        .key = text_of(key), .type = TW_TYPE_STR, .text = text_of(value), .full_len = strlen(value)};
}

static struct tw_tag_value number_tag(const char *key, int64_t value)
{
    return (struct tw_tag_value){.key = text_of(key), .type = TW_TYPE_INT, .value.i = value};
}

static void make_resources(struct generator *g)
{
    for (unsigned s = 0; s < GENERATOR_SERVICES; s++)
        for (unsigned i = 0; i < GENERATOR_INSTANCES; i++) {
            struct tw_tag_value *tags = g->resources[s][i];
            (void)snprintf(g->texts[s][i][0], sizeof g->texts[s][i][0], "%s-%08x-%u", nouns[s], (unsigned)draw(g), i);
            (void)snprintf(g->texts[s][i][1], sizeof g->texts[s][i][1], "ip-10-%u-%u-%u", s, i,
                           (unsigned)draw(g) & 255);
            (void)snprintf(g->texts[s][i][2], sizeof g->texts[s][i][2], "1.%u.%u", s % 7, i);
            tags[0] = text_tag("service.name", nouns[s]);
            tags[1] = text_tag("service.instance.id", g->texts[s][i][0]);
            tags[2] = text_tag("service.version", g->texts[s][i][2]);
            tags[3] = text_tag("host.name", g->texts[s][i][1]);
            tags[4] = text_tag("deployment.environment.name", "production");
            tags[5] = text_tag("telemetry.sdk.name", "opentelemetry");
            tags[6] = text_tag("telemetry.sdk.language", s % 3 ? "java" : "nodejs");
            tags[7] = text_tag("telemetry.sdk.version", "1.38.0");
            tags[8] = number_tag("process.pid", 1000 + (int64_t)(draw(g) % 30000));
        }
}

struct generator *generator_new(uint64_t seed, uint64_t start_ns, double rate)
{
    struct generator *g = calloc(1, sizeof *g);
    if (!g) return NULL;
    g->state[0] = mix(seed + 1);
    g->state[1] = mix(seed + 77) | 1;
    g->now_ns = start_ns;
    g->step_ns = 1e9 / rate;
    for (unsigned s = 0; s < GENERATOR_SERVICES; s++) {
        (void)snprintf(addresses[s], sizeof addresses[s], "%s.production.svc.cluster.local", nouns[s]);
        (void)snprintf(interfaces[s], sizeof interfaces[s], "com.example.shop.%s.v2.%c%sService", nouns[s],
                       nouns[s][0] - 32, nouns[s] + 1);
    }
    for (unsigned s = 0; s < GENERATOR_SERVICES; s++)
        for (unsigned o = 0; o < GENERATOR_OPERATIONS; o++) {
            char *at = strstr(verbs[o], "%s") - verbs[o] + (char *)operations[s][o];
            (void)snprintf(operations[s][o], sizeof operations[s][o], "%s", verbs[o]);
            (void)snprintf(at, sizeof operations[s][o] - (size_t)(at - operations[s][o]), "%s%s", nouns[s],
                           strstr(verbs[o], "%s") + 2);
        }
    make_resources(g);
    return g;
}

void generator_free(struct generator *generator)
{
    free(generator);
}

static void make_span(struct generator *g, struct seed *span, const struct seed *parent)
{
    *span = (struct seed){.salt = draw(g)};
    uint64_t id = draw(g) | 1;
    memcpy(span->span_id, &id, sizeof id);
    span->operation = (uint8_t)(draw(g) % GENERATOR_OPERATIONS);
    span->instance = (uint8_t)(draw(g) % GENERATOR_INSTANCES);
    static const uint8_t kinds[] = {TW_KIND_SERVER, TW_KIND_CLIENT, TW_KIND_INTERNAL, TW_KIND_PRODUCER,
                                    TW_KIND_CONSUMER};
    span->kind = kinds[span->operation / 5];
    span->status = draw(g) % 100 < 2 ? TW_STATUS_ERROR : TW_STATUS_UNSET;
    if (!parent) {
        span->service = (uint8_t)popular(unit(g), GENERATOR_SERVICES);
        span->start_ns = g->now_ns;
        span->duration_ns = (uint64_t)exp(17.0 + 1.4 * normal(g)); /* median 24 ms */
        return;
    }
    memcpy(span->trace_id, parent->trace_id, sizeof span->trace_id);
    memcpy(span->parent_id, parent->span_id, sizeof span->parent_id);
    bool same = draw(g) % 10 < 6;
    span->service = same ? parent->service : (uint8_t)popular(unit(g), GENERATOR_SERVICES);
    if (same) span->instance = parent->instance;
    span->start_ns = parent->start_ns + (uint64_t)((double)parent->duration_ns * 0.8 * unit(g));
    span->duration_ns = (uint64_t)((double)parent->duration_ns * exp(-1.6 + 0.9 * normal(g)));
}

static void make_trace(struct generator *g)
{
    size_t first = g->waiting;
    double size = exp(1.55 + 1.42 * normal(g)); /* mean 13 */
    size_t count = size < 1 ? 1 : size > TRACE_MAX ? TRACE_MAX : (size_t)size;
    uint64_t id[2] = {draw(g), draw(g)};
    make_span(g, &g->window[first], NULL);
    memcpy(g->window[first].trace_id, id, sizeof id);
    for (size_t i = 1; i < count; i++) {
        size_t parent = first + (i < 4 ? 0 : (size_t)((double)i * sqrt(unit(g))));
        make_span(g, &g->window[first + i], &g->window[parent < first + i ? parent : first]);
    }
    g->waiting += count;
    g->now_ns += (uint64_t)(g->step_ns * (double)count * -log(unit(g) + 1e-12));
    if (draw(g) % 16 == 0) memcpy(g->kept[g->kept_count++ % KEPT_IDS], id, sizeof id);
}

void generator_some_trace(struct generator *generator, uint8_t id[16])
{
    size_t count = generator->kept_count < KEPT_IDS ? generator->kept_count : KEPT_IDS;
    memcpy(id, generator->kept[count ? draw(generator) % count : 0], 16);
}

static struct tw_tag_value made_tag(struct tw__pool *pool, const char *key, const char *format,
                                    unsigned long long number)
{
    char text[96];
    int len = snprintf(text, sizeof text, "%s%llu", format, number);
    const char *copy = tw__pool_copy(pool, text, (size_t)len);
    return (struct tw_tag_value){.key = text_of(key),
                                 .type = TW_TYPE_STR,
                                 .text = {copy ? copy : "", copy ? (size_t)len : 0},
                                 .full_len = (size_t)len};
}

static uint32_t put_tags(struct tw__pool *pool, const struct seed *seed, struct tw_tag_value *tags)
{
    static const char *const methods[] = {"GET", "GET", "GET", "POST", "PUT", "DELETE"};
    static const int codes[] = {200, 200, 200, 200, 200, 200, 201, 204, 301, 404};
    static const char *const systems[] = {"postgresql", "redis", "mysql"};
    uint64_t salt = seed->salt;
    uint32_t n = 0;
    const char *noun = nouns[seed->service];
    bool failed = seed->status == TW_STATUS_ERROR;
    if (seed->operation < 5 || seed->operation >= 20) {
        tags[n++] = text_tag("http.request.method", methods[salt % 6]);
        tags[n++] = text_tag("http.route", operations[seed->service][seed->operation]);
        tags[n++] =
            made_tag(pool, "url.full", "https://shop.example.com/api/v2/items?sort=price&page=", salt >> 20 & 0xfffff);
        tags[n++] = number_tag("http.response.status_code", failed ? 500 : codes[salt / 7 % 10]);
        tags[n++] = number_tag("http.response.body.size", (int64_t)(salt >> 8 & 0x3fff));
    } else if (seed->operation < 11) {
        tags[n++] = text_tag("db.system.name", systems[seed->operation % 3]);
        tags[n++] = text_tag("db.collection.name", noun);
        tags[n++] = text_tag("db.query.text", "SELECT id, name, price, currency, stock FROM items WHERE owner = $1 AND "
                                              "deleted_at IS NULL ORDER BY price LIMIT 50");
        tags[n++] = number_tag("db.response.returned_rows", (int64_t)(salt >> 12 & 63));
    } else {
        tags[n++] = text_tag("rpc.system", "grpc");
        tags[n++] = text_tag("rpc.service", interfaces[seed->service]);
        tags[n++] = number_tag("rpc.grpc.status_code", failed ? 13 : 0);
        tags[n++] = text_tag("messaging.system", "kafka");
        tags[n++] = text_tag("messaging.destination.name", operations[seed->service][11]);
    }
    tags[n++] = text_tag("server.address", addresses[(seed->service + 7) % GENERATOR_SERVICES]);
    tags[n++] = number_tag("server.port", 8080 + (int64_t)(salt % 3));
    tags[n++] = number_tag("thread.id", (int64_t)(salt >> 40 & 31));
    if (salt % 8 < 3) {
        double u = (double)(mix(salt) >> 11) / 9007199254740992.0;
        tags[n++] = made_tag(pool, "user.id", "u-", popular(u, GENERATOR_USERS));
    }
    tags[n++] = text_tag("network.protocol.version", salt % 3 ? "1.1" : "2");
    return n;
}

static int emit(struct generator *g, struct tw__spans *out, const struct seed *seed, uint32_t resource, uint32_t scope)
{
    struct tw__span *span = tw__spans_add(out, resource, scope);
    struct tw_tag_value *tags = tw__pool_take(&out->pool, TAGS_MAX * sizeof *tags, 8);
    if (!span || !tags) return TW_ERR_MEMORY;
    (void)g;
    memcpy(span->trace_id, seed->trace_id, sizeof span->trace_id);
    memcpy(span->span_id, seed->span_id, sizeof span->span_id);
    memcpy(span->parent_id, seed->parent_id, sizeof span->parent_id);
    span->start_ns = seed->start_ns;
    span->end_ns = seed->start_ns + seed->duration_ns;
    span->name = text_of(operations[seed->service][seed->operation]);
    span->kind = seed->kind;
    span->status = seed->status;
    span->door = TW__DOOR_OTLP_HTTP;
    span->flags = 257;
    span->tags = tags;
    span->tag_count = put_tags(&out->pool, seed, tags);
    if (span->status == TW_STATUS_ERROR) span->status_message = text_of("upstream connect error or disconnect");
    return 0;
}

int generator_fill(struct generator *g, struct tw__spans *out, size_t count, bool one_sender)
{
    uint32_t resources[GENERATOR_SERVICES][GENERATOR_INSTANCES];
    memset(resources, 0xff, sizeof resources);
    tw__spans_reset(out);
    int sender = -1;
    for (size_t i = 0, tries = 0; i < count; tries++) {
        while (g->waiting < WINDOW) make_trace(g);
        size_t at = draw(g) % g->waiting;
        struct seed seed = g->window[at];
        int from = seed.service * GENERATOR_INSTANCES + seed.instance;
        if (one_sender && sender >= 0 && from != sender && tries < 400 * count) {
            /* Look on for a span of the sender; time passes. */
            if (tries % 64 == 0) make_trace(g);
            if (g->waiting > WINDOW) g->waiting = WINDOW;
            continue;
        }
        sender = from;
        g->window[at] = g->window[--g->waiting];
        uint32_t *resource = &resources[seed.service][seed.instance];
        if (*resource == UINT32_MAX)
            *resource =
                tw__spans_add_resource(out, &(struct tw__resource){.tags = g->resources[seed.service][seed.instance],
                                                                   .tag_count = RESOURCE_TAGS});
        static const struct tw__scope scope = {.name = {"io.opentelemetry.http", 21}, .version = {"2.1.0", 5}};
        uint32_t scope_id = out->scope_count > 1 ? 1 : tw__spans_add_scope(out, &scope);
        if (*resource == UINT32_MAX || scope_id == UINT32_MAX || emit(g, out, &seed, *resource, scope_id) < 0)
            return TW_ERR_MEMORY;
        i++;
    }
    return 0;
}
