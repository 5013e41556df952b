/* call_json_dec: see the header. Ids are FNV-1a of the call id, mixed; two calls of one trace would have to collide in
 * 64 bits. */
#include "wire/call_json_dec.h"

#include <string.h>
#include <time.h>

#include "base/be64.h"
#include "model/text.h"
#include "wire/json_in_dec.h"

static const struct tw_text nothing = {"", 0};

struct call {
    struct tw__tag_list tags, resource_tags, exception;
    struct tw_text service, name, call_id, first, parent, last, status, exception_value;
    uint64_t time_ns, took_ns;
    bool has_time, is_request, is_response, expected, has_link, has_trace;
    struct tw__span_link link;
};

static void id_of(struct tw_text text, uint64_t salt, uint8_t out[8])
{
    uint64_t x = UINT64_C(0xcbf29ce484222325) ^ salt;
    for (size_t i = 0; i < text.len; i++) x = (x ^ (uint8_t)text.ptr[i]) * UINT64_C(0x100000001b3);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    x ^= x >> 31;
    if (x == 0) x = 1;
    tw__be64_put(x, out);
}

static bool number_at(struct tw_text text, size_t at, size_t len, int *out)
{
    *out = 0;
    if (at + len > text.len) return false;
    for (size_t i = at; i < at + len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') return false;
        *out = *out * 10 + (text.ptr[i] - '0');
    }
    return true;
}

/* "2017-07-07 12:00:00[.000005]", with a T and a Z as well: UTC. */
static bool read_timestamp(struct tw_text text, uint64_t *ns)
{
    struct tm tm = {0};
    int year = 0, month = 0;
    bool read = number_at(text, 0, 4, &year) && number_at(text, 5, 2, &month) && number_at(text, 8, 2, &tm.tm_mday) &&
                number_at(text, 11, 2, &tm.tm_hour) && number_at(text, 14, 2, &tm.tm_min) &&
                number_at(text, 17, 2, &tm.tm_sec);
    if (!read || year < 1970 || month < 1 || month > 12) return false;
    tm.tm_year = year - 1900;
    tm.tm_mon = month - 1;
    uint64_t fraction = 0;
    size_t end = 19;
    while (end < text.len && (text.ptr[end] == '.' || (text.ptr[end] >= '0' && text.ptr[end] <= '9'))) end++;
    if (end > 20 && !tw__decimal_scaled((struct tw_text){text.ptr + 19, end - 19}, 9, &fraction)) return false;
    *ns = (uint64_t)timegm(&tm) * 1000000000u + fraction;
    return true;
}

static int stack_element(struct tw__json_in *in, void *target)
{
    struct call *call = target;
    struct tw_text id = nothing;
    int code = tw__json_in_text(in, &id);
    if (call->first.len == 0) call->first = id;
    call->parent = call->last;
    call->last = id;
    return code;
}

static int stage(struct tw__json_in *in, struct call *call)
{
    struct tw_text text = nothing;
    int code = tw__json_in_text(in, &text);
    if (text.len > 6 && memcmp(text.ptr, "Stage.", 6) == 0) text = (struct tw_text){text.ptr + 6, text.len - 6};
    call->is_request = tw__text_is(text, "request");
    call->is_response = tw__text_is(text, "response");
    return code;
}

static int timestamp(struct tw__json_in *in, struct call *call)
{
    struct tw_text text = nothing;
    int code = tw__json_in_text(in, &text);
    call->has_time = code == 0 && read_timestamp(text, &call->time_ns);
    return code;
}

static int exception_member(struct tw__json_in *in, struct call *call)
{
    static const struct {
        const char *name, *key;
    } keys[] = {{"exception_path", "exception.type"},
                {"exception_value", "exception.message"},
                {"exception_traceback", "exception.stacktrace"},
                {"exception_args", "call.exception_args"}};
    if (tw__json_is(&in->json, "exception_expected")) return tw__json_in_bool(in, &call->expected);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (!tw__json_is(&in->json, keys[i].name)) continue;
        size_t before = call->exception.count;
        int code = tw__json_in_tag(in, &call->exception, (struct tw_text){keys[i].key, strlen(keys[i].key)});
        if (i == 1 && call->exception.count > before) call->exception_value = call->exception.items[before].text;
        return code;
    }
    return tw__json_in_skip(in);
}

static int rest(struct tw__json_in *in, struct call *call)
{
    struct tw_text key;
    int code = tw__json_in_name(in, &key);
    if (code < 0) return code;
    key = tw__pool_join(in->pool, "call.", key);
    return key.ptr ? tw__json_in_tag(in, &call->tags, key) : TW_ERR_MEMORY;
}

static bool either(const struct tw__json_in *in, const char *today, const char *before)
{
    return tw__json_is(&in->json, today) || tw__json_is(&in->json, before);
}

static int member(struct tw__json_in *in, void *target)
{
    struct call *call = target;
    if (either(in, "stage", "lifecycle_stage")) return stage(in, call);
    if (tw__json_is(&in->json, "timestamp")) return timestamp(in, call);
    if (tw__json_is(&in->json, "response_time")) return tw__json_in_scaled(in, 9, &call->took_ns, NULL);
    if (tw__json_is(&in->json, "service")) return tw__json_in_text(in, &call->service);
    if (either(in, "entrypoint_name", "provider_name")) return tw__json_in_text(in, &call->name);
    if (tw__json_is(&in->json, "call_id")) return tw__json_in_text(in, &call->call_id);
    if (either(in, "call_id_stack", "call_stack")) return tw__json_in_list(in, stack_element, call);
    if (either(in, "response_status", "status")) return tw__json_in_text(in, &call->status);
    if (tw__json_is(&in->json, "entrypoint")) return tw__json_in_skip(in);
    if (tw__json_is(&in->json, "hostname"))
        return tw__json_in_tag(in, &call->resource_tags, (struct tw_text){"host.name", 9});
    if (tw__json_is(&in->json, "provider"))
        return tw__json_in_tag(in, &call->tags, (struct tw_text){"call.entrypoint_type", 20});
    if (tw__json_is(&in->json, "return_args"))
        return tw__json_in_tag(in, &call->tags, (struct tw_text){"call.response", 13});
    if (tw__json_is(&in->json, "trace_id")) return tw__json_in_hex(in, call->link.trace_id, 16, &call->has_trace);
    if (tw__json_is(&in->json, "span_id")) return tw__json_in_hex(in, call->link.span_id, 8, &call->has_link);
    if (in->json.string.len > 10 && memcmp(in->json.string.ptr, "exception_", 10) == 0)
        return exception_member(in, call);
    return rest(in, call);
}

static int add_exception(struct tw__spans *spans, const struct call *call, struct tw__span *span)
{
    struct tw__span_event *event = tw__pool_zeroed(&spans->pool, 1, sizeof *event);
    if (!event) return TW_ERR_MEMORY;
    *event = (struct tw__span_event){.time_ns = call->time_ns,
                                     .name = {"exception", 9},
                                     .tags = call->exception.items,
                                     .tag_count = (uint32_t)call->exception.count,
                                     .kind = TW_RECORD_EVENT};
    span->events = event;
    span->event_count = 1;
    return 0;
}

static int add_link(struct tw__spans *spans, const struct call *call, struct tw__span *span)
{
    struct tw__span_link *link = tw__pool_zeroed(&spans->pool, 1, sizeof *link);
    if (!link) return TW_ERR_MEMORY;
    *link = call->link;
    link->trace_state = nothing;
    span->links = link;
    span->link_count = 1;
    return 0;
}

static int make_name(struct tw__pool *pool, const struct call *call, struct tw_text *name)
{
    struct tw_text dotted = tw__pool_join(pool, ".", call->name);
    char service[256];
    size_t len = call->service.len < sizeof service - 1 ? call->service.len : sizeof service - 1;
    memcpy(service, call->service.ptr, len);
    service[len] = '\0';
    *name = dotted.ptr ? tw__pool_join(pool, service, dotted) : dotted;
    return name->ptr ? 0 : TW_ERR_MEMORY;
}

static int make_span(struct tw__spans *spans, struct call *call, bool no_response, struct tw__call_found *found)
{
    struct tw__span span = {
        .status_message = nothing, .trace_state = nothing, .kind = TW_KIND_SERVER, .door = TW__DOOR_JSON};
    struct tw__pool *pool = &spans->pool;
    const struct tw_tag_value flag = {
        .key = {"call.no_response", 16}, .type = TW_TYPE_BOOL, .value.u = 1, .text = nothing};
    bool failed = tw__text_is(call->status, "error");
    int code = make_name(pool, call, &span.name);
    if (code == 0) code = tw__tag_list_text(pool, &call->tags, "call.call_id", call->call_id);
    if (code == 0) code = tw__tag_list_text(pool, &call->resource_tags, "service.name", call->service);
    if (code == 0 && no_response) code = tw__tag_list_add(pool, &call->tags, &flag);
    if (code == 0 && failed) code = add_exception(spans, call, &span);
    if (code == 0 && call->has_link && call->has_trace) code = add_link(spans, call, &span);
    if (code < 0) return code;
    struct tw_text root = call->first.len ? call->first : call->call_id;
    id_of(root, 1, span.trace_id);
    id_of(root, 2, span.trace_id + 8);
    id_of(call->call_id, 0, span.span_id);
    if (call->parent.len) id_of(call->parent, 0, span.parent_id);
    memcpy(found->span_id, span.span_id, 8);
    found->is_response = call->is_response;
    span.open = !call->is_response;
    span.start_ns = call->is_response && call->took_ns <= call->time_ns ? call->time_ns - call->took_ns : call->time_ns;
    span.end_ns = call->is_response ? call->time_ns : 0;
    if ((failed && !call->expected) || no_response) span.status = TW_STATUS_ERROR;
    if (failed) span.status_message = call->exception_value;
    if (no_response) span.status_message = (struct tw_text){"no response", 11};
    span.tags = call->tags.items;
    span.tag_count = (uint32_t)call->tags.count;
    span.dropped_tags = call->tags.dropped;
    span.flags = TW_FLAG_SAMPLED;
    span.resource =
        tw__spans_add_resource(spans, &(struct tw__resource){.service = call->service,
                                                             .tags = call->resource_tags.items,
                                                             .tag_count = (uint32_t)call->resource_tags.count});
    struct tw__span *added = span.resource == UINT32_MAX ? NULL : tw__spans_add(spans, span.resource, 0);
    if (!added) return TW_ERR_MEMORY;
    *added = span;
    return 0;
}

int tw__call_json_dec(struct tw__spans *spans, const void *bytes, size_t len, bool no_response,
                      struct tw__call_found *found)
{
    struct tw__json_in in;
    struct call call = {.service = nothing,
                        .name = nothing,
                        .call_id = nothing,
                        .first = nothing,
                        .parent = nothing,
                        .last = nothing,
                        .status = nothing,
                        .exception_value = nothing};
    *found = (struct tw__call_found){0};
    call.tags.limit = call.resource_tags.limit = call.exception.limit = TW__CALL_TAGS_MAX;
    int code = tw__json_in_begin(&in, &spans->pool, bytes, len);
    if (code == 0 && tw__json_in_peek(&in) != TW__JSON_OBJECT) code = TW_ERR_SYNTAX;
    if (code == 0) code = tw__json_in_object(&in, member, &call);
    if (code == 0) code = tw__json_in_end(&in);
    if (code == 0 && (call.call_id.len == 0 || !call.has_time || (!call.is_request && !call.is_response)))
        code = TW_ERR_SYNTAX;
    if (code < 0) {
        found->why = in.json.why ? in.json.why : "a record needs call_id, timestamp and stage";
        found->error_at = in.json.why ? in.json.error_at : 0;
    } else {
        code = make_span(spans, &call, no_response, found);
        if (code < 0) found->why = "out of memory";
    }
    tw__json_in_fini(&in);
    return code;
}
