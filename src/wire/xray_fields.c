/* xray_fields: which tag says what, from the names that OpenTelemetry gives tags to the fields that X-Ray has.
 *
 * A field may be told by several names, the current one and older ones: the name with the lowest rank wins, and the others are
 * ordinary tags then. A field that this kind of span has no place for (sql of a segment, say) is an ordinary tag as well:
 * nothing that was recorded is lost, unless it is for lack of room.
 *
 * Invariant: the table is sorted by name, as the search needs (a test looks).
 * Rejected: a perfect hash (it would have to be made again for each new name; the search is seven comparisons).
 */
#include "wire/value.h"
#include "wire/xray_parts.h"

struct name {
    const char *key;
    enum tw__xray_field field;
    uint8_t rank;
};

static const struct name names[] = {
    {"aws.account_id", TW__XRAY_AWS_ACCOUNT, 1},
    {"aws.dynamodb.table_names", TW__XRAY_AWS_TABLE, 1},
    {"aws.operation", TW__XRAY_AWS_OPERATION, 0},
    {"aws.queue.url", TW__XRAY_AWS_QUEUE, 1},
    {"aws.queue_url", TW__XRAY_AWS_QUEUE, 2},
    {"aws.region", TW__XRAY_AWS_REGION, 1},
    {"aws.request_id", TW__XRAY_AWS_REQUEST, 0},
    {"aws.sqs.queue.url", TW__XRAY_AWS_QUEUE, 0},
    {"aws.table_name", TW__XRAY_AWS_TABLE, 0},
    {"aws.xray.namespace", TW__XRAY_NAMESPACE, 0},
    {"aws.xray.rule_name", TW__XRAY_RULE, 0},
    {"aws.xray.traced", TW__XRAY_TRACED, 0},
    {"aws.xray.x_forwarded_for", TW__XRAY_IS_FORWARDED, 0},
    {"cause", TW__XRAY_CAUSE, 0},
    {"client.address", TW__XRAY_CLIENT_IP, 0},
    {"cloud.account.id", TW__XRAY_AWS_ACCOUNT, 0},
    {"cloud.region", TW__XRAY_AWS_REGION, 0},
    {"db.connection_string", TW__XRAY_SQL_CONNECTION, 0},
    {"db.driver.version", TW__XRAY_SQL_DRIVER, 0},
    {"db.name", TW__XRAY_SQL_DATABASE, 1},
    {"db.namespace", TW__XRAY_SQL_DATABASE, 0},
    {"db.preparation", TW__XRAY_SQL_PREPARATION, 0},
    {"db.query.text", TW__XRAY_SQL_QUERY, 0},
    {"db.statement", TW__XRAY_SQL_QUERY, 1},
    {"db.system", TW__XRAY_SQL_TYPE, 1},
    {"db.system.name", TW__XRAY_SQL_TYPE, 0},
    {"db.user", TW__XRAY_SQL_USER, 0},
    {"db.version", TW__XRAY_SQL_VERSION, 0},
    {"enduser.id", TW__XRAY_USER, 0},
    {"error", TW__XRAY_ERROR, 0},
    {"error.type", TW__XRAY_ERROR_TYPE, 0},
    {"exception.message", TW__XRAY_EXCEPTION_MESSAGE, 0},
    {"exception.stacktrace", TW__XRAY_EXCEPTION_STACK, 0},
    {"exception.type", TW__XRAY_EXCEPTION_TYPE, 0},
    {"fault", TW__XRAY_FAULT, 0},
    {"http.client_ip", TW__XRAY_CLIENT_IP, 1},
    {"http.host", TW__XRAY_HOST, 1},
    {"http.method", TW__XRAY_METHOD, 1},
    {"http.request.header.x-forwarded-for", TW__XRAY_FORWARDED, 0},
    {"http.request.method", TW__XRAY_METHOD, 0},
    {"http.response.body.size", TW__XRAY_CONTENT_LENGTH, 0},
    {"http.response.header.content-length", TW__XRAY_CONTENT_LENGTH, 1},
    {"http.response.status_code", TW__XRAY_STATUS, 0},
    {"http.response_content_length", TW__XRAY_CONTENT_LENGTH, 2},
    {"http.scheme", TW__XRAY_SCHEME, 1},
    {"http.status_code", TW__XRAY_STATUS, 1},
    {"http.target", TW__XRAY_PATH, 1},
    {"http.url", TW__XRAY_URL, 1},
    {"http.user_agent", TW__XRAY_USER_AGENT, 1},
    {"net.host.name", TW__XRAY_HOST, 2},
    {"net.host.port", TW__XRAY_PORT, 1},
    {"net.peer.ip", TW__XRAY_CLIENT_IP, 4},
    {"net.peer.name", TW__XRAY_HOST, 3},
    {"net.peer.port", TW__XRAY_PORT, 2},
    {"net.sock.peer.addr", TW__XRAY_CLIENT_IP, 3},
    {"network.peer.address", TW__XRAY_CLIENT_IP, 2},
    {"rpc.method", TW__XRAY_RPC_METHOD, 0},
    {"rpc.system", TW__XRAY_RPC_SYSTEM, 0},
    {"server.address", TW__XRAY_HOST, 0},
    {"server.port", TW__XRAY_PORT, 0},
    {"throttle", TW__XRAY_THROTTLE, 0},
    {"url.full", TW__XRAY_URL, 0},
    {"url.path", TW__XRAY_PATH, 0},
    {"url.query", TW__XRAY_QUERY, 0},
    {"url.scheme", TW__XRAY_SCHEME, 0},
    {"user_agent.original", TW__XRAY_USER_AGENT, 0},
};

static const struct name *find(struct tw_text key)
{
    size_t low = 0, high = sizeof names / sizeof *names;
    while (low < high) {
        size_t middle = low + (high - low) / 2, len = strlen(names[middle].key);
        int order = memcmp(names[middle].key, key.ptr, len < key.len ? len : key.len);
        if (order == 0 && len == key.len) return &names[middle];
        if (order < 0 || (order == 0 && len < key.len))
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

enum tw__xray_field tw__xray_field_of(struct tw_text key)
{
    const struct name *name = key.len ? find(key) : NULL;
    return name ? name->field : TW__XRAY_NO_FIELD;
}

void tw__xray_collect(const struct tw_record *record, struct tw__xray_fields *fields)
{
    uint8_t ranks[TW__XRAY_FIELD_COUNT];
    memset(ranks, UINT8_MAX, sizeof ranks);
    for (size_t i = 0; i < record->tag_count; i++) {
        const struct tw_tag_value *tag = &record->tags[i];
        const struct name *name = tag->key.len ? find(tag->key) : NULL;
        if (!name || tag->type == TW_TYPE_NONE || tag->type == TW_TYPE_BYTES) continue;
        if (name->rank > ranks[name->field]) continue; /* the same name again: the last one counts */
        ranks[name->field] = name->rank;
        fields->tags[name->field] = tag;
    }
}

bool tw__xray_number(const struct tw_tag_value *tag, int64_t *number)
{
    int64_t value = 0;
    if (!tag) return false;
    if (tag->type == TW_TYPE_INT || (tag->type == TW_TYPE_UINT && tag->value.u <= INT64_MAX)) {
        *number = tag->value.i;
        return true;
    }
    if (tag->type != TW_TYPE_STR || tag->text.len == 0 || tag->text.len > 18) return false;
    for (size_t i = 0; i < tag->text.len; i++) {
        if (tag->text.ptr[i] < '0' || tag->text.ptr[i] > '9') return false;
        value = value * 10 + (tag->text.ptr[i] - '0');
    }
    *number = value;
    return true;
}

void tw__xray_put_field(struct tw__xray_out *out, struct tw__xray_span *span, enum tw__xray_field field,
                        const char *name)
{
    char scratch[TW__NUMBER_MAX];
    const struct tw_tag_value *tag = span->fields.tags[field];
    if (!tag) return;
    struct tw_text text = tw__value_text(tag, scratch);
    if (text.len == 0) return;
    span->fields.told[field] = tw__xray_put_text(out, name, text, TW__XRAY_TEXT);
}
