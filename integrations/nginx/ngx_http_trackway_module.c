/* ngx_http_trackway_module: one server span per request, in nginx.
 *
 *     rewrite phase     begin: read the caller's context from the headers
 *     preaccess phase   if there is a content handler (proxy_pass and its kin): write our context in place of the
 *                       caller's
 *     (later phases)    nothing: an upstream module copies the headers, and with them the context
 *     log phase         end: status, bytes and upstream, all known by now
 *
 * A worker has many requests in hand on one thread, in no order. So the spans are detached: none is ever the thread's
 * current one, each is kept by its request. It is found by a clean-up entry of the request's pool, because an internal
 * redirect (error_page, try_files, index) forgets the module's context; and should the log phase never come, the
 * clean-up ends it.
 *
 * The rewrite phase is the first in which the location, and with it `trackway on|off`, is known. A dynamic module comes
 * before nginx's own rewrite module in it, so `return` in a location is traced like all else. What ends sooner (a
 * malformed request, `return` in a server block) is found without a span in the log phase and gets one there, begun
 * when nginx read its first byte. Subrequests (auth_request, mirror, SSI) share the main request's span and begin none.
 * They have its headers too, by a copy of the list's head: one that goes upstream while the main request does not gets
 * a list of its own before ours are added.
 *
 * The headers are changed where they are: r->headers_in is what every upstream module copies. A header that was there
 * gets the new value; one that was given twice cannot be taken out of nginx's list (others point at its elements), so
 * it becomes an empty `keep-alive`, a name no proxy may forward and nginx's does not. If the caller spoke X-Ray or B3,
 * its headers are brought up to date too; else the upstream would see the caller's old one beside our traceparent.
 *
 * Where the trace begins here, and nothing but traceparent (and baggage) is written, a traceparent is all that goes
 * upstream: our member of tracestate would say the same again, and cost the proxy and whoever is behind it as much as
 * the traceparent does.
 *
 * The library belongs to the workers. The master only reads the configuration: it must not leave a segment, nor threads
 * that would not survive the fork. After a reload the old workers finish their requests and close their own segments.
 *
 * Rejected: the content phase or a filter to end in (neither sees requests that die early); X-Forwarded-For by
 * ourselves (realip decides whom to believe, and client.address is what it decided); making a $request_id nobody else
 * uses (a random number costs more than the rest of the span: it is taken along when the configuration has made use of
 * it); headers for a page from a file (a third of the module's cost, and nobody reads them).
 */
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <trackway/propagate.h>
#include <trackway/trace.h>
#include <trackway/trackway.h>

enum { FOUND_MAX = 16, SHUTDOWN_NS = 1000000000, NS_PER_MS = 1000000 };

typedef struct {
    ngx_str_t service;
    ngx_flag_t used;      /* some location has `trackway on` */
    ngx_int_t request_id; /* index of $request_id, NGX_ERROR when the configuration has no use for it */
    ngx_flag_t shows_ids; /* the configuration has one of our variables */
} main_conf;

/* sites: of the spans of a location, one a method, as if they stood in a program; made when first used. A site's name
 * is looked up once, one given at run time for each span: an eighth of the module's cost. Hence tw__span_begin_with,
 * with no macro; and for the same reason route, the key of a tag whose value is always the same. */
enum { METHODS = 3 };

typedef struct {
    ngx_flag_t on, inject;
    ngx_array_t *skip; /* of ngx_str_t */
    struct tw_site *sites[METHODS];
    struct tw_key *route;
} location_conf; /* a line of the cache, of a request's the only one for this */

/* One request. done: the span has ended, and variables still answer; or, without a span, it is not to be traced. */
typedef struct request_state request_state;
struct request_state {
    tw_span span;
    struct tw_context context;
    unsigned done : 1, injected : 1, known : 1; /* known: context is there */
    struct tw_carried *carried;                 /* what came with the caller's context; NULL: nothing came */
    const ngx_list_part_t *last;                /* where the headers ended when they were read, to see whether */
    ngx_uint_t last_count;                      /* somebody has added one */
    ngx_pool_cleanup_t entry;
    request_state *next_idle;
    u_char traceparent[TW_TRACEPARENT_LEN + 1];
};

extern ngx_module_t ngx_http_trackway_module;

/* Of this worker: states of requests that are gone, for the next ones, the warmest first; what is written; its names'
 * hashes. */
static request_state *idle;
static struct tw_propagation propagation;
static ngx_uint_t traceparent_hash, tracestate_hash;

static main_conf *main_conf_of(ngx_http_request_t *r)
{
    return ngx_http_get_module_main_conf(r, ngx_http_trackway_module);
}

/* ---- headers as a carrier */

/* The headers a format could be looking for, picked in one pass: mostly none, and then every look-up is free. */
typedef struct {
    ngx_http_request_t *request;
    ngx_uint_t count;
    ngx_flag_t more; /* there are others, which are not read but must not be sent on either */
    ngx_table_elt_t *found[FOUND_MAX];
} headers;

static int may_matter(const ngx_table_elt_t *h)
{
    const char *name = (const char *)h->lowcase_key;
    switch (name[0]) {
    case 't': /* traceparent, tracestate */
        return h->key.len >= 10 && ngx_strncmp(name, "trace", 5) == 0;
    case 'x': /* x-amzn-trace-id, x-b3-... */
        return (h->key.len >= 8 && ngx_strncmp(name, "x-b3-", 5) == 0) ||
               (h->key.len == 15 && ngx_strncmp(name, "x-amzn-trace-id", 15) == 0);
    case 'b': /* b3, baggage */
        return h->key.len == 2 || h->key.len == 7;
    default:
        return 0;
    }
}

static void find_headers(ngx_http_request_t *r, headers *out)
{
    out->request = r;
    out->count = 0;
    out->more = 0;
    for (ngx_list_part_t *part = &r->headers_in.headers.part; part; part = part->next) {
        ngx_table_elt_t *h = part->elts;
        for (ngx_uint_t i = 0; i < part->nelts; i++) {
            if (h[i].lowcase_key == NULL || h[i].key.len == 0 || !may_matter(&h[i])) continue;
            if (out->count == FOUND_MAX)
                out->more = 1;
            else
                out->found[out->count++] = &h[i];
        }
    }
}

static int is_named(const ngx_table_elt_t *h, const char *name, size_t len)
{
    return h->key.len == len && ngx_memcmp(h->lowcase_key, name, len) == 0;
}

static bool get_header(void *carrier, const char *name, unsigned index, const char **value, size_t *len)
{
    const headers *hs = carrier;
    if (hs->count == 0) return false;
    const size_t name_len = ngx_strlen(name);
    for (ngx_uint_t i = 0; i < hs->count; i++) {
        if (!is_named(hs->found[i], name, name_len) || index-- > 0) continue;
        *value = (const char *)hs->found[i]->value.data;
        *len = hs->found[i]->value.len;
        return true;
    }
    return false;
}

/* What is written most; a hash costs as much as the rest of the header. */
static ngx_uint_t hash_of(u_char *name, size_t len)
{
    if (len == 11 && ngx_memcmp(name, "traceparent", 11) == 0) return traceparent_hash;
    if (len == 10 && ngx_memcmp(name, "tracestate", 10) == 0) return tracestate_hash;
    return ngx_hash_key(name, len);
}

static void give_name(ngx_table_elt_t *h, u_char *name, size_t len)
{
    h->key.data = h->lowcase_key = name;
    h->key.len = len;
    h->hash = hash_of(name, len);
}

static void take_out(ngx_table_elt_t *h)
{
    static u_char gone[] = "keep-alive";
    give_name(h, gone, sizeof gone - 1);
    ngx_str_null(&h->value);
}

/* What nobody sends: more headers of a trace than were looked at. */
static void take_out_rest(ngx_http_request_t *r, const char *name, size_t len, const ngx_table_elt_t *but)
{
    for (ngx_list_part_t *part = &r->headers_in.headers.part; part; part = part->next) {
        ngx_table_elt_t *h = part->elts;
        for (ngx_uint_t i = 0; i < part->nelts; i++)
            if (&h[i] != but && h[i].lowcase_key && is_named(&h[i], name, len)) take_out(&h[i]);
    }
}

static void set_header(void *carrier, const char *name, const char *value, size_t len)
{
    headers *hs = carrier;
    ngx_http_request_t *r = hs->request;
    const size_t name_len = ngx_strlen(name);
    ngx_table_elt_t *first = NULL;
    u_char *copy = ngx_pnalloc(r->pool, name_len + len + 2);
    if (copy == NULL) return;
    u_char *copied_value = copy + name_len + 1;
    ngx_memcpy(copy, name, name_len + 1);
    ngx_memcpy(copied_value, value, len);
    copied_value[len] = '\0';

    for (ngx_uint_t i = 0; i < hs->count; i++) {
        if (!is_named(hs->found[i], name, name_len)) continue;
        if (first)
            take_out(hs->found[i]);
        else
            first = hs->found[i];
    }
    if (first == NULL) {
        first = ngx_list_push(&r->headers_in.headers);
        if (first == NULL) return;
        ngx_memzero(first, sizeof *first);
        give_name(first, copy, name_len);
    }
    first->value.data = copied_value;
    first->value.len = len;
    if (hs->more) take_out_rest(r, name, name_len, first);
}

/* ---- the span of a request */

/* NULL when there is none. Asked for only when somebody wants to know. */
static const struct tw_context *context_of(request_state *state)
{
    if (!state->known && tw_span_context(state->span, &state->context)) state->known = 1;
    return state->known ? &state->context : NULL;
}

static void end_span(request_state *state)
{
    if (state->done) return;
    state->done = 1;
    tw_span_end(state->span);
}

/* The pool goes on from the entry after this returns, so that stays as it is. */
static void clean_up(void *data)
{
    request_state *state = data;
    end_span(state);
    state->next_idle = idle;
    idle = state;
}

/* The main request's state, or NULL. An internal redirect has cleared the context, never the pool. */
static request_state *state_of(ngx_http_request_t *r)
{
    r = r->main;
    request_state *state = ngx_http_get_module_ctx(r, ngx_http_trackway_module);
    if (state || !(r->internal || r->filter_finalize)) return state;
    for (ngx_pool_cleanup_t *c = r->pool->cleanup; c; c = c->next) {
        if (c->handler != clean_up) continue;
        ngx_http_set_ctx(r, c->data, ngx_http_trackway_module);
        return c->data;
    }
    return NULL;
}

/* What ngx_pool_cleanup_add does, in memory that is the module's own: a request's pool is often nearly full, and one
 * block more costs as much as the span. Never given back: there are as many as there were requests at once. */
static request_state *new_state(ngx_http_request_t *r)
{
    request_state *state = idle;
    if (state)
        idle = state->next_idle;
    else if ((state = ngx_alloc(sizeof *state, r->connection->log)) == NULL)
        return NULL;
    state->span = (tw_span){NULL, 0};
    state->done = state->injected = state->known = 0;
    state->carried = NULL;
    state->entry = (ngx_pool_cleanup_t){.handler = clean_up, .data = state, .next = r->pool->cleanup};
    r->pool->cleanup = &state->entry;
    ngx_http_set_ctx(r, state, ngx_http_trackway_module);
    return state;
}

static void not_traced(ngx_http_request_t *r)
{
    request_state *state = new_state(r);
    if (state) state->done = 1;
}

/* "GET /location/": as many names as the configuration has locations, whatever clients ask for. */
static void print_name(ngx_http_request_t *r, const ngx_str_t *location, char name[TW_NAME_MAX + 1])
{
    ngx_str_t method = r->method_name;
    if (r->method == NGX_HTTP_UNKNOWN || method.len == 0) method = (ngx_str_t)ngx_string("HTTP");
    u_char *end = ngx_snprintf((u_char *)name, TW_NAME_MAX, location->len ? "%V %V" : "%V", &method, location);
    *end = '\0';
}

/* NULL: a method that has no site. */
static struct tw_site **site_place(const ngx_http_request_t *r, location_conf *conf)
{
    switch (r->method) {
    case NGX_HTTP_GET:
        return &conf->sites[0];
    case NGX_HTTP_HEAD:
        return &conf->sites[1];
    case NGX_HTTP_POST:
        return &conf->sites[2];
    default:
        return NULL;
    }
}

/* The location's name. Memory that a request has no other use for: asked for only where no site or route is yet. */
static const ngx_str_t *location_of(ngx_http_request_t *r)
{
    const ngx_http_core_loc_conf_t *core = ngx_http_get_module_loc_conf(r, ngx_http_core_module);
    return &core->name;
}

/* Sites stay as long as the process: spans point to them. */
static __attribute__((noinline, cold)) struct tw_site *make_site(ngx_http_request_t *r)
{
    char name[TW_NAME_MAX + 1];
    print_name(r, location_of(r), name);
    const size_t size = ngx_strlen(name) + 1;
    struct tw_site *site = ngx_calloc(sizeof *site + size, r->connection->log);
    if (site == NULL) return NULL;
    ngx_memcpy(site + 1, name, size);
    *site = (struct tw_site){.name = (const char *)(site + 1), .module = "nginx", .function = "", .type = 1};
    return site;
}

/* NULL: for this method there is none. */
static struct tw_site *site_of(ngx_http_request_t *r, location_conf *conf)
{
    struct tw_site **place = site_place(r, conf);
    if (place == NULL) return NULL;
    if (*place == NULL) *place = make_site(r);
    return *place;
}

/* Stays as long as the process, as sites do. Its value, perhaps empty, follows it. */
static __attribute__((noinline, cold)) struct tw_key *make_route(ngx_http_request_t *r)
{
    const ngx_str_t *location = location_of(r);
    struct tw_key *key = ngx_calloc(sizeof *key + location->len + 1, r->connection->log);
    if (key == NULL) return NULL;
    ngx_memcpy(key + 1, location->data, location->len);
    *key = (struct tw_key){.size = TW__KEY_NEW, .name = "http.route"};
    return key;
}

/* Between two requests nginx and the kernel have used the whole cache, so that what costs is to fetch code. Hence a
 * loop and calls here, where tw_tag would be the same instructions again for each tag. */
enum {
    STATUS,
    BODY_SIZE,
    REQUEST_SIZE,
    RESPONSE_NUMBERS,
    UPSTREAM_STATUS = RESPONSE_NUMBERS,
    UPSTREAM_CONNECT,
    UPSTREAM_HEADER,
    UPSTREAM_RESPONSE,
    UPSTREAM_TRIES,
    ALL_NUMBERS
};

static struct tw_key number_keys[ALL_NUMBERS] = {
    [STATUS] = {.size = TW__KEY_NEW, .name = "http.response.status_code"},
    [BODY_SIZE] = {.size = TW__KEY_NEW, .name = "http.response.body.size"},
    [REQUEST_SIZE] = {.size = TW__KEY_NEW, .name = "http.request.size"},
    [UPSTREAM_STATUS] = {.size = TW__KEY_NEW, .name = "nginx.upstream.status"},
    [UPSTREAM_CONNECT] = {.size = TW__KEY_NEW, .name = "nginx.upstream.connect_time_ms"},
    [UPSTREAM_HEADER] = {.size = TW__KEY_NEW, .name = "nginx.upstream.header_time_ms"},
    [UPSTREAM_RESPONSE] = {.size = TW__KEY_NEW, .name = "nginx.upstream.response_time_ms"},
    [UPSTREAM_TRIES] = {.size = TW__KEY_NEW, .name = "nginx.upstream.tries"},
};

/* Of values those that are not negative. */
static __attribute__((noinline)) void tag_numbers(tw_span span, const int64_t *values, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++)
        if (values[i] >= 0) tw__tag_int(span, &number_keys[i], values[i]);
}

static __attribute__((noinline)) void tag_literal(tw_span span, struct tw_key *key, const char *text)
{
    tw__tag_literal(span, key, text);
}

static void tag_method(ngx_http_request_t *r, tw_span span)
{
    static struct tw_key method = {.size = TW__KEY_NEW, .name = "http.request.method"};
    if (r->method == NGX_HTTP_GET) {
        tag_literal(span, &method, "GET");
    } else if (r->method == NGX_HTTP_UNKNOWN || r->method_name.len == 0) {
        tw_tag(span, "http.request.method", "_OTHER");
        if (r->method_name.len)
            tw_tag_strn(span, "http.request.method_original", (const char *)r->method_name.data, r->method_name.len);
    } else {
        tw_tag_strn(span, "http.request.method", (const char *)r->method_name.data, r->method_name.len);
    }
}

/* Of "shop.example:8080". A request line may name another server than the header does. */
static __attribute__((noinline)) void tag_port(const ngx_str_t *host, const ngx_str_t *server, tw_span span)
{
    if (ngx_strncasecmp(host->data, server->data, server->len) != 0 || host->data[server->len] != ':') return;
    const ngx_int_t port = ngx_atoi(host->data + server->len + 1, host->len - server->len - 1);
    if (port > 0 && port <= 65535) tw_tag(span, "server.port", port);
}

static void tag_request(ngx_http_request_t *r, tw_span span, struct tw_key *route)
{
    const ngx_table_elt_t *host = r->headers_in.host;
    const ngx_str_t *server = &r->headers_in.server, *client = &r->connection->addr_text;
    const ngx_table_elt_t *agent = r->headers_in.user_agent;
    tag_method(r, span);
    if (r->uri.len) tw_tag_strn(span, "url.path", (const char *)r->uri.data, r->uri.len);
    if (route && *(const char *)(route + 1)) tag_literal(span, route, (const char *)(route + 1));
    if (server->len) tw_tag_strn(span, "server.address", (const char *)server->data, server->len);
    if (host && server->len && host->value.len > server->len) tag_port(&host->value, server, span);
    if (client->len) tw_tag_strn(span, "client.address", (const char *)client->data, client->len);
    if (agent) tw_tag_strn(span, "user_agent.original", (const char *)agent->value.data, agent->value.len);
}

/* Adds the caller's own format to those written. */
static struct tw_propagation answering_in(unsigned format)
{
    struct tw_propagation how = propagation;
    for (unsigned i = 0; i < how.write.count; i++)
        if (how.write.list[i] == format) return how;
    if (format != TW_FORMAT_NONE && how.write.count < TW_FORMATS_MAX)
        how.write.list[how.write.count++] = (uint8_t)format;
    return how;
}

/* What a request with headers of a trace begins with. */
struct caller {
    struct tw_context context;
    struct tw_carried *carried; /* NULL: nothing came. Of its baggage only what came is there */
    int asked;                  /* whether the decision about sampling is ours */
};

static __attribute__((noinline)) struct tw_span_options extract(ngx_http_request_t *r, headers *hs,
                                                                struct caller *caller)
{
    static struct tw_carried read; /* a worker has one thread */
    const int found = tw_extract(NULL, get_header, hs, &caller->context, &read);
    const size_t used =
        offsetof(struct tw_carried, baggage) + read.baggage_len + 1; /* what is behind is 8 KB, and mostly empty */
    caller->carried = ngx_palloc(r->pool, used);
    caller->asked = read.format == TW_FORMAT_XRAY && read.sampling == TW_SAMPLING_UNDECIDED;
    const struct tw_span_options options = tw_span_options_of(found, &caller->context, &read);
    if (caller->carried) ngx_memcpy(caller->carried, &read, used);
    return options;
}

/* A caller of X-Ray's has left the decision about sampling to us, and is told. */
static void answer(ngx_http_request_t *r, tw_span span)
{
    u_char *text = ngx_pnalloc(r->pool, TW_TRACE_HEADER_MAX + 1);
    if (text == NULL) return;
    const int len = tw_trace_answer(span, (char *)text, TW_TRACE_HEADER_MAX + 1);
    ngx_table_elt_t *header = len > 0 ? ngx_list_push(&r->headers_out.headers) : NULL;
    if (header == NULL) return;
    ngx_memzero(header, sizeof *header);
    header->hash = 1;
    ngx_str_set(&header->key, "X-Amzn-Trace-Id");
    header->value = (ngx_str_t){(size_t)len, text};
}

/* start_ns 0: now; else the request never came to a location. Returns the request's new state, or NULL when nothing is
 * recorded. */
static request_state *begin_span(ngx_http_request_t *r, location_conf *conf, uint64_t start_ns)
{
    static const ngx_str_t none = ngx_null_string;
    struct caller caller = {.carried = NULL};
    struct tw_span_options options = {.root = true, .kind = TW_KIND_SERVER};
    char room[TW_NAME_MAX + 1];
    headers hs;

    if (!tw__gate) return NULL;
    find_headers(r, &hs);
    if (hs.count) options = extract(r, &hs, &caller);
    struct tw_site *site = start_ns ? NULL : site_of(r, conf);
    if (site == NULL) {
        print_name(r, start_ns ? &none : location_of(r), room);
        options.name = room;
    }
    options.detached = true;
    options.start_ns = start_ns;
    const tw_span span = site ? tw__span_begin_with(site, &options) : tw_span_begin_with("request", &options);
    if (!span.slot) return NULL;
    request_state *state = new_state(r);
    if (state == NULL) {
        tw_span_end(span);
        return NULL;
    }
    state->span = span;
    state->carried = caller.carried;
    state->last = r->headers_in.headers.last;
    state->last_count = state->last ? state->last->nelts : 0; /* no list yet: its first line was malformed */
    if (caller.asked) answer(r, span);
    if (!start_ns && conf->route == NULL) conf->route = make_route(r);
    tag_request(r, span, start_ns ? NULL : conf->route);
    return state;
}

/* A list of the subrequest's own: its head is a copy of the main request's, but what hangs on it is not. */
static int own_headers(ngx_http_request_t *r)
{
    ngx_list_t own;
    if (ngx_list_init(&own, r->pool, 16, sizeof(ngx_table_elt_t)) != NGX_OK) return 0;
    for (ngx_list_part_t *part = &r->headers_in.headers.part; part; part = part->next) {
        const ngx_table_elt_t *h = part->elts;
        for (ngx_uint_t i = 0; i < part->nelts; i++) {
            ngx_table_elt_t *copy = ngx_list_push(&own);
            if (copy == NULL) return 0;
            *copy = h[i];
        }
    }
    const int alone = own.last == &own.part; /* last points into the list itself then */
    r->headers_in.headers = own;
    if (alone) r->headers_in.headers.last = &r->headers_in.headers.part;
    return 1;
}

/* Whether a traceparent is all there is to write, and there is none to be replaced. Our member of tracestate would only
 * repeat it. */
static int is_plain(const ngx_http_request_t *r, const request_state *state)
{
    const ngx_list_part_t *last = r->headers_in.headers.last;
    if (state->carried || r != r->main || last != state->last || last->nelts != state->last_count) return 0;
    for (unsigned i = 0; i < propagation.write.count; i++)
        if (propagation.write.list[i] != TW_FORMAT_TRACECONTEXT && propagation.write.list[i] != TW_FORMAT_BAGGAGE)
            return 0;
    return propagation.write.count > 0 && propagation.write.list[0] == TW_FORMAT_TRACECONTEXT;
}

static void add_traceparent(ngx_http_request_t *r, request_state *state)
{
    static u_char name[] = "traceparent";
    if (tw_traceparent_format(&state->context, (char *)state->traceparent, TW_TRACEPARENT_LEN) < 0) return;
    state->traceparent[TW_TRACEPARENT_LEN] = '\0';
    ngx_table_elt_t *h = ngx_list_push(&r->headers_in.headers);
    if (h == NULL) return;
    *h = (ngx_table_elt_t){
        .hash = traceparent_hash,
        .key = {sizeof name - 1, name},
        .value = {TW_TRACEPARENT_LEN, state->traceparent},
        .lowcase_key = name,
    };
}

static void inject(ngx_http_request_t *r, request_state *state)
{
    static const struct tw_carried nothing;
    const struct tw_carried *carried = state->carried ? state->carried : &nothing;
    const struct tw_context *context = context_of(state);
    headers hs;
    if (context == NULL) return;
    if (is_plain(r, state)) {
        state->injected = 1;
        add_traceparent(r, state);
        return;
    }
    if (r != r->main && !own_headers(r)) return;
    if (r == r->main) state->injected = 1;
    find_headers(r, &hs);
    const struct tw_propagation how = answering_in(carried->format);
    tw_inject(&how, context, carried, set_header, &hs);
}

/* Text and numbers of the last upstream asked. */
static void tag_upstream(ngx_http_request_t *r, tw_span span, int64_t *numbers)
{
    const ngx_http_upstream_state_t *states = r->upstream_states->elts, *last = NULL;
    int64_t tries = 0;
    for (ngx_uint_t i = 0; i < r->upstream_states->nelts; i++) {
        if (states[i].peer == NULL) continue; /* a mark between two upstreams */
        last = &states[i];
        tries++;
    }
    if (last == NULL) return;
    tw_tag_strn(span, "nginx.upstream.address", (const char *)last->peer->data, last->peer->len);
    numbers[UPSTREAM_STATUS] = last->status ? (int64_t)last->status : -1;
    numbers[UPSTREAM_CONNECT] = (int64_t)last->connect_time; /* of all three, -1 is none */
    numbers[UPSTREAM_HEADER] = (int64_t)last->header_time;
    numbers[UPSTREAM_RESPONSE] = (int64_t)last->response_time;
    numbers[UPSTREAM_TRIES] = tries > 1 ? tries : -1;
    tag_numbers(span, numbers, RESPONSE_NUMBERS, ALL_NUMBERS);
}

/* What $status shows. */
static ngx_uint_t status_of(const ngx_http_request_t *r)
{
    return r->err_status ? r->err_status : r->headers_out.status;
}

static void tag_response(ngx_http_request_t *r, tw_span span, ngx_int_t request_id)
{
    const ngx_uint_t status = status_of(r);
    const off_t body = r->connection->sent - (off_t)r->header_size;
    int64_t numbers[ALL_NUMBERS];
    numbers[STATUS] = status ? (int64_t)status : -1;
    numbers[BODY_SIZE] = body > 0 ? (int64_t)body : -1;
    numbers[REQUEST_SIZE] = (int64_t)r->request_length;
    tag_numbers(span, numbers, 0, RESPONSE_NUMBERS);
    if (r->upstream_states) tag_upstream(r, span, numbers);
    const ngx_http_variable_value_t *id = request_id == NGX_ERROR ? NULL : &r->variables[request_id];
    if (id && id->valid && !id->not_found && id->len)
        tw_tag_strn(span, "nginx.request_id", (const char *)id->data, id->len);
    if (status >= NGX_HTTP_INTERNAL_SERVER_ERROR) {
        char code[NGX_INT_T_LEN + 1];
        *ngx_sprintf((u_char *)code, "%ui", status) = '\0';
        tw_tag(span, "error.type", (const char *)code);
        tw_span_fail(span, NULL);
    }
}

/* ---- phases */

/* `*` stands for any text; everything else for itself. */
static int matches(const ngx_str_t *pattern, const ngx_str_t *text)
{
    size_t p = 0, t = 0, star = 0, resume = 0;
    int starred = 0;
    while (t < text->len) {
        if (p < pattern->len && pattern->data[p] == '*') {
            star = ++p;
            resume = t;
            starred = 1;
        } else if (p < pattern->len && pattern->data[p] == text->data[t]) {
            p++;
            t++;
        } else if (starred) {
            p = star;
            t = ++resume;
        } else {
            return 0;
        }
    }
    while (p < pattern->len && pattern->data[p] == '*') p++;
    return p == pattern->len;
}

static int is_traced(const ngx_http_request_t *r, const location_conf *conf)
{
    if (!conf->on) return 0;
    if (conf->skip == NULL) return 1;
    const ngx_str_t *patterns = conf->skip->elts;
    for (ngx_uint_t i = 0; i < conf->skip->nelts; i++)
        if (matches(&patterns[i], &r->uri)) return 0;
    return 1;
}

/* Decides once: whatever error_page or try_files make of the request afterwards, it stays traced or not. */
static ngx_int_t on_rewrite(ngx_http_request_t *r)
{
    if (r != r->main || state_of(r)) return NGX_DECLINED;
    location_conf *conf = ngx_http_get_module_loc_conf(r, ngx_http_trackway_module);
    if (is_traced(r, conf))
        begin_span(r, conf, 0);
    else
        not_traced(r);
    return NGX_DECLINED;
}

/* By now `if` and `rewrite` have had their say, and no subrequest has begun. */
static ngx_int_t on_preaccess(ngx_http_request_t *r)
{
    const location_conf *conf = ngx_http_get_module_loc_conf(r, ngx_http_trackway_module);
    if (r->content_handler == NULL || !conf->inject) return NGX_DECLINED;
    request_state *state = state_of(r);
    if (state && !state->done && !state->injected) inject(r, state);
    return NGX_DECLINED;
}

static ngx_int_t on_log(ngx_http_request_t *r)
{
    if (r != r->main) return NGX_OK;
    request_state *state = state_of(r);
    if (state == NULL) {
        location_conf *conf = ngx_http_get_module_loc_conf(r, ngx_http_trackway_module);
        if (is_traced(r, conf))
            state = begin_span(r, conf, (uint64_t)r->start_sec * 1000000000 + (uint64_t)r->start_msec * NS_PER_MS);
    }
    if (state == NULL || state->done) return NGX_OK;
    const main_conf *conf = main_conf_of(r);
    tag_response(r, state->span, conf->request_id);
    if (conf->shows_ids) (void)context_of(state); /* for the access log, which is written after us */
    end_span(state);
    return NGX_OK;
}

/* ---- variables */

enum { VARIABLE_TRACEPARENT, VARIABLE_TRACE_ID, VARIABLE_SPAN_ID };

/* Valid for as long as the request is, the access log's line included. Empty for a request that is not traced. */
static ngx_int_t get_variable(ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t which)
{
    request_state *state = state_of(r);
    const struct tw_context *context = state ? context_of(state) : NULL;
    v->not_found = 1;
    if (context == NULL) return NGX_OK;
    u_char *text = ngx_pnalloc(r->pool, TW_TRACEPARENT_LEN + 1);
    if (text == NULL) return NGX_ERROR;
    switch (which) {
    case VARIABLE_TRACE_ID:
        tw_trace_id_format(context->trace_id, (char *)text);
        v->len = TW_TRACE_ID_HEX_LEN;
        break;
    case VARIABLE_SPAN_ID:
        tw_span_id_format(context->span_id, (char *)text);
        v->len = TW_SPAN_ID_HEX_LEN;
        break;
    default:
        if (tw_traceparent_format(context, (char *)text, TW_TRACEPARENT_LEN) < 0) return NGX_OK;
        v->len = TW_TRACEPARENT_LEN;
        break;
    }
    v->data = text;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    return NGX_OK;
}

static ngx_http_variable_t variables[] = {
    {ngx_string("trackway_traceparent"), NULL, get_variable, VARIABLE_TRACEPARENT, NGX_HTTP_VAR_NOCACHEABLE, 0},
    {ngx_string("trackway_trace_id"), NULL, get_variable, VARIABLE_TRACE_ID, NGX_HTTP_VAR_NOCACHEABLE, 0},
    {ngx_string("trackway_span_id"), NULL, get_variable, VARIABLE_SPAN_ID, NGX_HTTP_VAR_NOCACHEABLE, 0},
    ngx_http_null_variable,
};

static ngx_int_t add_variables(ngx_conf_t *cf)
{
    for (ngx_http_variable_t *v = variables; v->name.len; v++) {
        ngx_http_variable_t *added = ngx_http_add_variable(cf, &v->name, v->flags);
        if (added == NULL) return NGX_ERROR;
        added->get_handler = v->get_handler;
        added->data = v->data;
    }
    return NGX_OK;
}

/* ---- configuration */

static void *create_main_conf(ngx_conf_t *cf)
{
    main_conf *conf = ngx_pcalloc(cf->pool, sizeof *conf);
    if (conf) conf->request_id = NGX_ERROR;
    return conf;
}

static void *create_location_conf(ngx_conf_t *cf)
{
    location_conf *conf = ngx_pcalloc(cf->pool, sizeof *conf);
    if (conf == NULL) return NULL;
    conf->on = NGX_CONF_UNSET;
    conf->inject = NGX_CONF_UNSET;
    conf->skip = NGX_CONF_UNSET_PTR;
    return conf;
}

static char *merge_location_conf(ngx_conf_t *cf, void *parent, void *child)
{
    const location_conf *above = parent;
    location_conf *conf = child;
    ngx_conf_merge_value(conf->on, above->on, 0);
    ngx_conf_merge_value(conf->inject, above->inject, 1);
    ngx_conf_merge_ptr_value(conf->skip, above->skip, NULL);
    if (conf->on) ((main_conf *)ngx_http_conf_get_module_main_conf(cf, ngx_http_trackway_module))->used = 1;
    return NGX_CONF_OK;
}

/* trackway_skip PATTERN...; repeated, the patterns add up; those of the level above hold where none are given. */
static char *set_skip(ngx_conf_t *cf, ngx_command_t *command, void *data)
{
    location_conf *conf = data;
    const ngx_str_t *words = cf->args->elts;
    (void)command;
    if (conf->skip == NGX_CONF_UNSET_PTR) conf->skip = ngx_array_create(cf->pool, 4, sizeof(ngx_str_t));
    if (conf->skip == NULL) return NGX_CONF_ERROR;
    for (ngx_uint_t i = 1; i < cf->args->nelts; i++) {
        ngx_str_t *pattern = ngx_array_push(conf->skip);
        if (pattern == NULL) return NGX_CONF_ERROR;
        *pattern = words[i];
    }
    return NGX_CONF_OK;
}

#define ANYWHERE (NGX_HTTP_MAIN_CONF | NGX_HTTP_SRV_CONF | NGX_HTTP_LOC_CONF)

static ngx_command_t commands[] = {
    {ngx_string("trackway"), ANYWHERE | NGX_CONF_FLAG, ngx_conf_set_flag_slot, NGX_HTTP_LOC_CONF_OFFSET,
     offsetof(location_conf, on), NULL},
    {ngx_string("trackway_inject"), ANYWHERE | NGX_CONF_FLAG, ngx_conf_set_flag_slot, NGX_HTTP_LOC_CONF_OFFSET,
     offsetof(location_conf, inject), NULL},
    {ngx_string("trackway_skip"), ANYWHERE | NGX_CONF_1MORE, set_skip, NGX_HTTP_LOC_CONF_OFFSET, 0, NULL},
    {ngx_string("trackway_service"), NGX_HTTP_MAIN_CONF | NGX_CONF_TAKE1, ngx_conf_set_str_slot,
     NGX_HTTP_MAIN_CONF_OFFSET, offsetof(main_conf, service), NULL},
    ngx_null_command,
};

static ngx_int_t add_handler(ngx_http_core_main_conf_t *core, ngx_uint_t phase, ngx_http_handler_pt handler)
{
    ngx_http_handler_pt *place = ngx_array_push(&core->phases[phase].handlers);
    if (place == NULL) return NGX_ERROR;
    *place = handler;
    return NGX_OK;
}

static ngx_int_t add_handlers(ngx_conf_t *cf)
{
    ngx_http_core_main_conf_t *core = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
    main_conf *conf = ngx_http_conf_get_module_main_conf(cf, ngx_http_trackway_module);
    if (!conf->used) return NGX_OK;
    if (add_handler(core, NGX_HTTP_REWRITE_PHASE, on_rewrite) != NGX_OK) return NGX_ERROR;
    if (add_handler(core, NGX_HTTP_PREACCESS_PHASE, on_preaccess) != NGX_OK) return NGX_ERROR;
    return add_handler(core, NGX_HTTP_LOG_PHASE, on_log);
}

/* The whole configuration is read: which variables does it use? */
static ngx_int_t look_at_variables(ngx_cycle_t *cycle)
{
    main_conf *conf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_trackway_module);
    if (conf == NULL) return NGX_OK;
    const ngx_http_core_main_conf_t *core = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_core_module);
    const ngx_http_variable_t *used = core->variables.elts;
    for (ngx_uint_t i = 0; i < core->variables.nelts; i++) {
        const ngx_str_t *name = &used[i].name;
        if (name->len > 9 && ngx_strncmp(name->data, "trackway_", 9) == 0) conf->shows_ids = 1;
        if (name->len == 10 && ngx_strncmp(name->data, "request_id", 10) == 0) conf->request_id = (ngx_int_t)i;
    }
    return NGX_OK;
}

/* ---- the worker's life */

static void diagnose(void *log, int error, const char *text)
{
    if (error == TW_ERR_OFF) return; /* as was wished */
    ngx_log_error(NGX_LOG_WARN, (ngx_log_t *)log, 0, "trackway: %s (%s)", text, tw_err_text(error));
}

static int has_recorder(ngx_cycle_t *cycle)
{
    const main_conf *conf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_trackway_module);
    /* the cache's manager and loader are started like workers, and serve nobody */
    return conf && conf->used && (ngx_process == NGX_PROCESS_WORKER || ngx_process == NGX_PROCESS_SINGLE);
}

/* Recording off is a reason to say so, never one not to serve. */
static ngx_int_t begin_worker(ngx_cycle_t *cycle)
{
    if (!has_recorder(cycle)) return NGX_OK;
    const main_conf *conf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_trackway_module);
    const struct tw_config config = {
        .struct_size = sizeof config,
        .service = conf->service.len ? (const char *)conf->service.data : NULL,
        .diagnostic = diagnose,
        .diagnostic_data = cycle->log,
    };
    /* nginx does the same in a moment; now, so that the recording does not begin under the master's name */
    if (ngx_process == NGX_PROCESS_WORKER) ngx_setproctitle("worker process");
    const int result = tw_init(&config);
    propagation = tw_propagation_default();
    traceparent_hash = ngx_hash_key((u_char *)"traceparent", 11);
    tracestate_hash = ngx_hash_key((u_char *)"tracestate", 10);
    if (result != 0 && result != TW_ERR_OFF && result != TW_ERR_STATE) {
        char why[TW_WHY_MAX];
        tw_recorder_error(why, sizeof why);
        ngx_log_error(NGX_LOG_WARN, cycle->log, 0, "trackway: serving without a recording: %s", why);
    }
    return NGX_OK;
}

static void end_worker(ngx_cycle_t *cycle)
{
    if (has_recorder(cycle)) (void)tw_shutdown(SHUTDOWN_NS);
}

static ngx_http_module_t hooks = {
    add_variables,        /* preconfiguration */
    add_handlers,         /* postconfiguration */
    create_main_conf,     /* create main configuration */
    NULL,                 /* init main configuration */
    NULL,                 /* create server configuration */
    NULL,                 /* merge server configuration */
    create_location_conf, /* create location configuration */
    merge_location_conf,  /* merge location configuration */
};

ngx_module_t ngx_http_trackway_module = {
    NGX_MODULE_V1,
    &hooks,
    commands,
    NGX_HTTP_MODULE,
    NULL,              /* init master */
    look_at_variables, /* init module */
    begin_worker,      /* init process */
    NULL,              /* init thread */
    NULL,              /* exit thread */
    end_worker,        /* exit process */
    NULL,              /* exit master */
    NGX_MODULE_V1_PADDING,
};
