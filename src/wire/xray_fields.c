/* xray_fields: which tag says what, from the names that OpenTelemetry gives tags to the fields that X-Ray has.
 *
 * A field may be told by several names, the current one and older ones: the name with the lowest rank wins, and the
 * others are ordinary tags then. A field that this kind of span has no place for (sql of a segment, say) is an ordinary
 * tag as well: nothing that was recorded is lost, unless it is for lack of room.
 *
 * Invariant: the table is sorted by name, as the search needs (a test looks).
 * Rejected: a perfect hash (it would have to be made again for each new name; the search is seven comparisons).
 */
#include "wire/value.h"
#include "wire/xray_parts.h"

struct name {
    const char *key;
    uint8_t len, rank;
    enum tw__xray_field field;
};
#define NAME(key, field, rank)                                                                                         \
    {                                                                                                                  \
        key, sizeof key - 1, rank, field                                                                               \
    }

static const struct name names[] = {
    NAME("aws.account_id", TW__XRAY_AWS_ACCOUNT, 1),
    NAME("aws.dynamodb.table_names", TW__XRAY_AWS_TABLE, 1),
    NAME("aws.operation", TW__XRAY_AWS_OPERATION, 0),
    NAME("aws.queue.url", TW__XRAY_AWS_QUEUE, 1),
    NAME("aws.queue_url", TW__XRAY_AWS_QUEUE, 2),
    NAME("aws.region", TW__XRAY_AWS_REGION, 1),
    NAME("aws.request_id", TW__XRAY_AWS_REQUEST, 0),
    NAME("aws.sqs.queue.url", TW__XRAY_AWS_QUEUE, 0),
    NAME("aws.table_name", TW__XRAY_AWS_TABLE, 0),
    NAME("aws.xray.namespace", TW__XRAY_NAMESPACE, 0),
    NAME("aws.xray.rule_name", TW__XRAY_RULE, 0),
    NAME("aws.xray.sql.url", TW__XRAY_SQL_URL, 0),
    NAME("aws.xray.traced", TW__XRAY_TRACED, 0),
    NAME("aws.xray.x_forwarded_for", TW__XRAY_IS_FORWARDED, 0),
    NAME("cause", TW__XRAY_CAUSE, 0),
    NAME("client.address", TW__XRAY_CLIENT_IP, 0),
    NAME("cloud.account.id", TW__XRAY_AWS_ACCOUNT, 0),
    NAME("cloud.region", TW__XRAY_AWS_REGION, 0),
    NAME("db.connection_string", TW__XRAY_SQL_CONNECTION, 0),
    NAME("db.driver.version", TW__XRAY_SQL_DRIVER, 0),
    NAME("db.name", TW__XRAY_SQL_DATABASE, 1),
    NAME("db.namespace", TW__XRAY_SQL_DATABASE, 0),
    NAME("db.preparation", TW__XRAY_SQL_PREPARATION, 0),
    NAME("db.query.text", TW__XRAY_SQL_QUERY, 0),
    NAME("db.statement", TW__XRAY_SQL_QUERY, 1),
    NAME("db.system", TW__XRAY_SQL_TYPE, 1),
    NAME("db.system.name", TW__XRAY_SQL_TYPE, 0),
    NAME("db.user", TW__XRAY_SQL_USER, 0),
    NAME("db.version", TW__XRAY_SQL_VERSION, 0),
    NAME("enduser.id", TW__XRAY_USER, 0),
    NAME("error", TW__XRAY_ERROR, 0),
    NAME("error.type", TW__XRAY_ERROR_TYPE, 0),
    NAME("exception.message", TW__XRAY_EXCEPTION_MESSAGE, 0),
    NAME("exception.stacktrace", TW__XRAY_EXCEPTION_STACK, 0),
    NAME("exception.type", TW__XRAY_EXCEPTION_TYPE, 0),
    NAME("fault", TW__XRAY_FAULT, 0),
    NAME("http.client_ip", TW__XRAY_CLIENT_IP, 1),
    NAME("http.host", TW__XRAY_HOST, 1),
    NAME("http.method", TW__XRAY_METHOD, 1),
    NAME("http.request.header.x-forwarded-for", TW__XRAY_FORWARDED, 0),
    NAME("http.request.method", TW__XRAY_METHOD, 0),
    NAME("http.response.body.size", TW__XRAY_CONTENT_LENGTH, 0),
    NAME("http.response.header.content-length", TW__XRAY_CONTENT_LENGTH, 1),
    NAME("http.response.status_code", TW__XRAY_STATUS, 0),
    NAME("http.response_content_length", TW__XRAY_CONTENT_LENGTH, 2),
    NAME("http.scheme", TW__XRAY_SCHEME, 1),
    NAME("http.status_code", TW__XRAY_STATUS, 1),
    NAME("http.target", TW__XRAY_PATH, 1),
    NAME("http.url", TW__XRAY_URL, 1),
    NAME("http.user_agent", TW__XRAY_USER_AGENT, 1),
    NAME("net.host.name", TW__XRAY_HOST, 2),
    NAME("net.host.port", TW__XRAY_PORT, 1),
    NAME("net.peer.ip", TW__XRAY_CLIENT_IP, 4),
    NAME("net.peer.name", TW__XRAY_HOST, 3),
    NAME("net.peer.port", TW__XRAY_PORT, 2),
    NAME("net.sock.peer.addr", TW__XRAY_CLIENT_IP, 3),
    NAME("network.peer.address", TW__XRAY_CLIENT_IP, 2),
    NAME("rpc.method", TW__XRAY_RPC_METHOD, 0),
    NAME("rpc.system", TW__XRAY_RPC_SYSTEM, 0),
    NAME("server.address", TW__XRAY_HOST, 0),
    NAME("server.port", TW__XRAY_PORT, 0),
    NAME("throttle", TW__XRAY_THROTTLE, 0),
    NAME("url.full", TW__XRAY_URL, 0),
    NAME("url.path", TW__XRAY_PATH, 0),
    NAME("url.query", TW__XRAY_QUERY, 0),
    NAME("url.scheme", TW__XRAY_SCHEME, 0),
    NAME("user_agent.original", TW__XRAY_USER_AGENT, 0),
};

static const struct name *find(struct tw_text key)
{
    size_t low = 0, high = key.len ? sizeof names / sizeof *names : 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2, len = names[middle].len;
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
    const struct name *name = find(key);
    return name ? name->field : TW__XRAY_NO_FIELD;
}

void tw__xray_collect(const struct tw_record *record, struct tw__xray_fields *fields)
{
    uint8_t ranks[TW__XRAY_FIELD_COUNT];
    memset(ranks, UINT8_MAX, sizeof ranks);
    for (size_t i = 0; i < record->tag_count; i++) {
        const struct tw_tag_value *tag = &record->tags[i];
        const struct name *name = find(tag->key);
        if (i < TW__XRAY_KNOWN) fields->known[i] = name ? (uint8_t)name->field : TW__XRAY_NO_FIELD;
        if (!name || tag->type == TW_TYPE_NONE || tag->type == TW_TYPE_BYTES) continue;
        if (name->rank > ranks[name->field]) continue; /* the same name again: the last one counts */
        ranks[name->field] = name->rank;
        fields->tags[name->field] = tag;
    }
}

bool tw__xray_was_told(const struct tw__xray_fields *fields, const struct tw_record *record, size_t index)
{
    const struct tw_tag_value *tag = &record->tags[index];
    unsigned field = index < TW__XRAY_KNOWN ? fields->known[index] : (unsigned)tw__xray_field_of(tag->key);
    return field != TW__XRAY_NO_FIELD && fields->tags[field] == tag && fields->told[field];
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
