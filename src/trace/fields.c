/* fields: what X-Ray has a place for, as tags.
 *
 * The names are OpenTelemetry's where it has one, so that OTLP's receivers, filters and people find what they know; the
 * exporter xray puts them where X-Ray expects them (wire/xray_fields.c). X-Ray's own have the prefix aws.xray.
 *
 * Invariant: nothing here is more than tags and a status. Who sets the tags by hand gets the same document.
 */
#include <trackway/trace.h>

#include "trace/runtime.h"

/* NULL and "" are not worth a tag. */
#define TAG(span, key, text)                                                                                           \
    do {                                                                                                               \
        const char *value_ = (text);                                                                                   \
        if (value_ && *value_) tw_tag(span, key, value_);                                                              \
    } while (0)

static bool is_server(tw_span span)
{
    return (tw__load_relaxed(&span.slot->head) >> 24 & 7) == TW_KIND_SERVER;
}

void tw_span_set_http_request(tw_span span, const struct tw_http_request *request)
{
    if (!span.slot) return;
    TAG(span, "http.request.method", request->method);
    TAG(span, "url.full", request->url);
    TAG(span, "user_agent.original", request->user_agent);
    TAG(span, "client.address", request->client_ip);
    if (is_server(span))
        tw_tag(span, "aws.xray.x_forwarded_for", (bool)request->x_forwarded_for);
    else
        tw_tag(span, "aws.xray.traced", (bool)request->traced);
}

void tw_span_set_http_response(tw_span span, int status, int64_t length)
{
    if (!span.slot) return;
    tw_tag(span, "http.response.status_code", status);
    if (length >= 0) tw_tag(span, "http.response.body.size", length);
    if (status >= 500) tw_span_set_status(span, TW_STATUS_ERROR, NULL);
}

void tw_span_set_sql(tw_span span, const struct tw_sql *sql)
{
    TAG(span, "aws.xray.sql.url", sql->url);
    TAG(span, "db.connection_string", sql->connection_string);
    TAG(span, "db.query.text", sql->sanitized_query);
    TAG(span, "db.system.name", sql->database_type);
    TAG(span, "db.version", sql->database_version);
    TAG(span, "db.driver.version", sql->driver_version);
    TAG(span, "db.user", sql->user);
    TAG(span, "db.preparation", sql->preparation);
}

void tw_span_set_aws(tw_span span, const struct tw_aws *aws)
{
    TAG(span, "aws.operation", aws->operation);
    TAG(span, "cloud.account.id", aws->account_id);
    TAG(span, "cloud.region", aws->region);
    TAG(span, "aws.request_id", aws->request_id);
    TAG(span, "aws.sqs.queue.url", aws->queue_url);
    TAG(span, "aws.table_name", aws->table_name);
}

void tw_span_set_error(tw_span span, const struct tw_error *error)
{
    if (!span.slot) return;
    if (error->error) tw_tag(span, "error", (bool)true);
    if (error->throttle) tw_tag(span, "throttle", (bool)true);
    if (error->fault) tw_tag(span, "fault", (bool)true);
    TAG(span, "exception.type", error->type);
    TAG(span, "exception.message", error->message);
    TAG(span, "exception.stacktrace", error->stack);
    TAG(span, "cause", error->cause_id);
    tw_span_fail(span, error->message);
}
