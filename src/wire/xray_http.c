/* xray_http: what a span called or served: http, and of subsegments sql and aws.
 *
 * An object is there when at least one of its members is. A URL is taken whole, or put together from its parts; the
 * parts have then been told. Only members that X-Ray knows for this kind of span are written: x_forwarded_for belongs
 * to segments, traced to subsegments, sql and these aws members to subsegments.
 */
#include "model/text.h"
#include "wire/value.h"
#include "wire/xray_parts.h"

#define TEXT(literal) ((struct tw_text){literal, sizeof literal - 1})

static bool has(const struct tw__xray_span *span, enum tw__xray_field field)
{
    const struct tw_tag_value *tag = span->fields.tags[field];
    return tag && (tag->type != TW_TYPE_STR || tag->text.len > 0);
}

/* Text put together from parts, as far as it fits. */
struct joined {
    char text[4 * TW__XRAY_TEXT];
    size_t len;
    bool cut;
};

static void join(struct joined *joined, struct tw_text part)
{
    size_t room = sizeof joined->text - joined->len, len = part.len < room ? part.len : room;
    if (len) memcpy(joined->text + joined->len, part.ptr, len);
    joined->len += len;
    joined->cut = joined->cut || len < part.len;
}

static void join_field(struct joined *joined, const struct tw__xray_span *span, enum tw__xray_field field)
{
    char scratch[TW__NUMBER_MAX];
    join(joined, tw__value_text(span->fields.tags[field], scratch));
}

static void join_host(struct joined *joined, const struct tw__xray_span *span)
{
    int64_t port;
    const struct tw_tag_value *host = span->fields.tags[TW__XRAY_HOST], *scheme = span->fields.tags[TW__XRAY_SCHEME];
    join_field(joined, span, TW__XRAY_HOST);
    if (!tw__xray_number(span->fields.tags[TW__XRAY_PORT], &port)) return;
    bool usual = scheme && ((port == 80 && tw__text_is(scheme->text, "http")) ||
                            (port == 443 && tw__text_is(scheme->text, "https")));
    bool given = host->text.len && memchr(host->text.ptr, ':', host->text.len); /* older names: host:port in one */
    if (usual || given) return;
    join(joined, TEXT(":"));
    join_field(joined, span, TW__XRAY_PORT);
}

static void put_joined(struct tw__xray_out *out, struct tw__xray_span *span, const struct joined *joined,
                       const enum tw__xray_field *parts, size_t count)
{
    bool whole = tw__xray_put_text(out, "url", (struct tw_text){joined->text, joined->len}, TW__XRAY_TEXT);
    for (size_t i = 0; i < count; i++) span->fields.told[parts[i]] = whole && !joined->cut;
}

/* From scheme, host, port, path and query. */
static void put_url_of_parts(struct tw__xray_out *out, struct tw__xray_span *span)
{
    static const enum tw__xray_field parts[] = {TW__XRAY_SCHEME, TW__XRAY_HOST, TW__XRAY_PORT, TW__XRAY_PATH,
                                                TW__XRAY_QUERY};
    struct joined joined = {.len = 0};
    if (has(span, TW__XRAY_HOST)) {
        if (has(span, TW__XRAY_SCHEME))
            join_field(&joined, span, TW__XRAY_SCHEME);
        else
            join(&joined, TEXT("http"));
        join(&joined, TEXT("://"));
        join_host(&joined, span);
    }
    join_field(&joined, span, TW__XRAY_PATH);
    if (has(span, TW__XRAY_QUERY)) {
        const struct tw_text query = span->fields.tags[TW__XRAY_QUERY]->text;
        if (query.len && query.ptr[0] != '?') join(&joined, TEXT("?"));
        join_field(&joined, span, TW__XRAY_QUERY);
    }
    put_joined(out, span, &joined, parts, sizeof parts / sizeof *parts);
}

static void put_client(struct tw__xray_out *out, struct tw__xray_span *span)
{
    bool forwarded = has(span, TW__XRAY_FORWARDED) && span->fields.tags[TW__XRAY_FORWARDED]->type == TW_TYPE_STR;
    const struct tw_tag_value *is_forwarded = span->fields.tags[TW__XRAY_IS_FORWARDED];
    if (has(span, TW__XRAY_CLIENT_IP)) {
        tw__xray_put_field(out, span, TW__XRAY_CLIENT_IP, "client_ip");
        forwarded = false; /* somebody looked already, and says by IS_FORWARDED where it comes from */
    } else if (forwarded) {
        struct tw_text list = span->fields.tags[TW__XRAY_FORWARDED]->text;
        const char *comma = memchr(list.ptr, ',', list.len);
        if (comma) list.len = (size_t)(comma - list.ptr);
        forwarded = list.len > 0;
        if (forwarded) (void)tw__xray_put_text(out, "client_ip", list, TW__XRAY_TEXT);
    }
    if (is_forwarded && is_forwarded->type == TW_TYPE_BOOL) {
        forwarded = is_forwarded->value.u;
        span->fields.told[TW__XRAY_IS_FORWARDED] = span->segment;
    }
    if (forwarded && span->segment) tw__json_bool(&out->json, "x_forwarded_for", true);
}

static void put_request(struct tw__xray_out *out, struct tw__xray_span *span)
{
    const struct tw_tag_value *traced = span->fields.tags[TW__XRAY_TRACED];
    tw__json_open(&out->json, "request", '{');
    tw__xray_put_field(out, span, TW__XRAY_METHOD, "method");
    if (has(span, TW__XRAY_URL))
        tw__xray_put_field(out, span, TW__XRAY_URL, "url");
    else if (has(span, TW__XRAY_PATH))
        put_url_of_parts(out, span);
    tw__xray_put_field(out, span, TW__XRAY_USER_AGENT, "user_agent");
    put_client(out, span);
    if (traced && traced->type == TW_TYPE_BOOL && !span->segment) {
        tw__json_bool(&out->json, "traced", traced->value.u != 0);
        span->fields.told[TW__XRAY_TRACED] = true;
    }
    tw__json_close(&out->json, '}');
}

static void put_number(struct tw__xray_out *out, struct tw__xray_span *span, enum tw__xray_field field,
                       const char *name)
{
    int64_t number;
    if (!tw__xray_number(span->fields.tags[field], &number)) return;
    tw__json_i64(&out->json, name, number);
    span->fields.told[field] = true;
}

static void put_http(struct tw__xray_out *out, struct tw__xray_span *span)
{
    int64_t number;
    bool request = has(span, TW__XRAY_METHOD) || has(span, TW__XRAY_URL) || has(span, TW__XRAY_USER_AGENT);
    bool response = tw__xray_number(span->fields.tags[TW__XRAY_STATUS], &number) ||
                    tw__xray_number(span->fields.tags[TW__XRAY_CONTENT_LENGTH], &number);
    if (!request && !response) return;
    tw__json_open(&out->json, "http", '{');
    if (request) put_request(out, span);
    if (response) {
        tw__json_open(&out->json, "response", '{');
        put_number(out, span, TW__XRAY_STATUS, "status");
        put_number(out, span, TW__XRAY_CONTENT_LENGTH, "content_length");
        tw__json_close(&out->json, '}');
    }
    tw__json_close(&out->json, '}');
}

static void put_sql(struct tw__xray_out *out, struct tw__xray_span *span)
{
    static const enum tw__xray_field url[] = {TW__XRAY_HOST, TW__XRAY_PORT, TW__XRAY_SQL_DATABASE};
    const struct tw_tag_value *preparation = span->fields.tags[TW__XRAY_SQL_PREPARATION];
    if (!has(span, TW__XRAY_SQL_TYPE) && !has(span, TW__XRAY_SQL_QUERY) && !has(span, TW__XRAY_SQL_CONNECTION) &&
        !has(span, TW__XRAY_SQL_URL))
        return;
    tw__json_open(&out->json, "sql", '{');
    tw__xray_put_field(out, span, TW__XRAY_SQL_CONNECTION, "connection_string");
    if (has(span, TW__XRAY_SQL_URL)) {
        tw__xray_put_field(out, span, TW__XRAY_SQL_URL, "url");
    } else if (has(span, TW__XRAY_HOST) && has(span, TW__XRAY_SQL_DATABASE)) {
        struct joined joined = {.len = 0};
        join_host(&joined, span);
        join(&joined, TEXT("/"));
        join_field(&joined, span, TW__XRAY_SQL_DATABASE);
        put_joined(out, span, &joined, url, sizeof url / sizeof *url);
    }
    tw__xray_put_field(out, span, TW__XRAY_SQL_QUERY, "sanitized_query");
    tw__xray_put_field(out, span, TW__XRAY_SQL_TYPE, "database_type");
    tw__xray_put_field(out, span, TW__XRAY_SQL_VERSION, "database_version");
    tw__xray_put_field(out, span, TW__XRAY_SQL_DRIVER, "driver_version");
    tw__xray_put_field(out, span, TW__XRAY_SQL_USER, "user");
    if (preparation && (tw__text_is(preparation->text, "call") || tw__text_is(preparation->text, "statement")))
        tw__xray_put_field(out, span, TW__XRAY_SQL_PREPARATION, "preparation");
    tw__json_close(&out->json, '}');
}

static bool is_aws(const struct tw__xray_span *span)
{
    const struct tw_tag_value *system = span->fields.tags[TW__XRAY_RPC_SYSTEM];
    return has(span, TW__XRAY_AWS_OPERATION) || has(span, TW__XRAY_AWS_REQUEST) ||
           (system && tw__text_is(system->text, "aws-api"));
}

static void put_aws(struct tw__xray_out *out, struct tw__xray_span *span)
{
    tw__json_open(&out->json, "aws", '{');
    if (has(span, TW__XRAY_AWS_OPERATION))
        tw__xray_put_field(out, span, TW__XRAY_AWS_OPERATION, "operation");
    else
        tw__xray_put_field(out, span, TW__XRAY_RPC_METHOD, "operation");
    tw__xray_put_field(out, span, TW__XRAY_AWS_ACCOUNT, "account_id");
    tw__xray_put_field(out, span, TW__XRAY_AWS_REGION, "region");
    tw__xray_put_field(out, span, TW__XRAY_AWS_REQUEST, "request_id");
    tw__xray_put_field(out, span, TW__XRAY_AWS_QUEUE, "queue_url");
    tw__xray_put_field(out, span, TW__XRAY_AWS_TABLE, "table_name");
    tw__json_close(&out->json, '}');
}

/* Who was called: aws, remote, or nobody else. */
static const char *namespace_of(struct tw__xray_span *span)
{
    static const char *const known[] = {"aws", "remote", "local"};
    const struct tw_tag_value *given = span->fields.tags[TW__XRAY_NAMESPACE];
    for (size_t i = 0; given && i < 3; i++) {
        if (!tw__text_is(given->text, known[i])) continue;
        span->fields.told[TW__XRAY_NAMESPACE] = true;
        return i < 2 ? known[i] : NULL;
    }
    if (is_aws(span)) return "aws";
    enum tw_span_kind kind = span->in->record->span_kind;
    return kind == TW_KIND_CLIENT || kind == TW_KIND_PRODUCER ? "remote" : NULL;
}

void tw__xray_put_calls(struct tw__xray_out *out, struct tw__xray_span *span)
{
    if (!span->segment) {
        span->namespace = namespace_of(span);
        if (span->namespace) tw__json_cstr(&out->json, "namespace", span->namespace);
    }
    put_http(out, span);
    if (span->segment) return;
    put_sql(out, span);
    if (is_aws(span)) put_aws(out, span);
}
