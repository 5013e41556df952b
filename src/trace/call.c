/* call: the life of a call.
 *
 *     begin     rules (made once) -> span -> values written as text, hidden and cut -> id, stack -> request record
 *     succeed   result as text -> response record -> span ends
 *     fail      error as texts, searched for what was hidden -> response record -> span ends, failed unless it was
 * expected
 *
 * Values become text before anything is entered: into the caller's storage, from where both records take them, so that
 * the response is complete also when the request has been overwritten. Whatever is sensitive is gone by then; the
 * segment never holds it, not even in a slot.
 *
 * Limits: arguments and context data together TW_CALL_SPACE bytes, a result RESULT_MAX, the texts of an error as below;
 * what is longer is cut so that it stays readable, and said (tag cut). 15 arguments beside an HTTP request. Rejected:
 * raw values in the record and text made by the reader (the rules would have to work on both forms, and a secret could
 * reach the segment by a mistake in one); pairing request and response in the reader instead of writing the common part
 * twice (nameko-tracer's users read single lines).
 */
#include <string.h>

#include "base/clock.h"
#include "trace/call.h"
#include "trace/site.h"
#include "trace/slow.h"
#include "trace/stack.h"

enum {
    RESULT_MAX = 2000,
    ARGS_MAX = TW_CALL_SPACE - 600,
    HTTP_ARGS = 16,
    ERROR_ARGS_MAX = 400,
    MESSAGE_MAX = 500,
    STACK_TEXT_MAX = 1100
};

_Static_assert(sizeof(struct tw__call_own) <= sizeof((struct tw_call *)0)->own, "own");
_Static_assert(TW_CALL_SPACE + TW__CALL_STACK_MAX + 2 * TW_CALL_ID_MAX + RESULT_MAX + 600 < TW__RECORD_MAX,
               "a record holds it");

static struct tw_site request_site = {0, "request", "", "", 0, TW__TYPE_REQUEST, 0, 0};
static struct tw_site response_site = {0, "response", "", "", 0, TW__TYPE_RESPONSE, 0, 0};

static struct tw__call_own *own_of(struct tw_call *call)
{
    return (struct tw__call_own *)(void *)call->own;
}

static void take_chain(struct tw_call_chain *to, const struct tw_call_chain *from)
{
    tw_call_chain_init(to);
    if (!from || from->len > TW_CALL_CHAIN_BYTES) return;
    to->count = from->count;
    to->len = from->len;
    memcpy(to->text, from->text, from->len);
    memcpy(to->origin, from->origin, strnlen(from->origin, TW_CALL_ID_MAX) + 1);
    to->origin[TW_CALL_ID_MAX] = 0;
}

/* service.name.uuid on top of the chain. Between tw__enter and tw__leave. */
static void add_id(struct tw_call *call, struct tw__call_own *own, struct tw__block *block)
{
    static const char digits[] = "0123456789abcdef";
    const struct tw_text *prefix = &own->rules->id_prefix;
    char id[TW_CALL_ID_MAX + 1];
    uint64_t bits[2] = {tw__random_u64(block), tw__random_u64(block)};
    bits[0] = (bits[0] & ~(uint64_t)0xf000) | 0x4000;               /* version 4 */
    bits[1] = (bits[1] & ~((uint64_t)3 << 62)) | (uint64_t)2 << 62; /* variant of RFC 4122 */
    memcpy(id, prefix->ptr, prefix->len);
    char *at = id + prefix->len;
    for (unsigned i = 0; i < 32; i++) {
        if (i == 8 || i == 12 || i == 16 || i == 20) *at++ = '-';
        *at++ = digits[bits[i / 16] >> (60 - 4 * (i % 16)) & 15];
    }
    own->id_len = (uint16_t)(at - id);
    (void)tw_call_chain_add(&call->chain, id, own->id_len, own->rules->config->parents + 1);
}

/* The arguments as one value; items has room for HTTP_ARGS. */
static struct tw_value args_of(const struct tw_call_input *input, struct tw_value *items, struct tw_value *request)
{
    const struct tw_value *args = input->args;
    if (!input->http) {
        if (input->arg_count == 1 && args->kind == TW_VALUE_JSON && !args->key) return *args;
        return TW_ARG_MAP(NULL, args, input->arg_count);
    }
    size_t count = input->arg_count < HTTP_ARGS - 1 ? input->arg_count : HTTP_ARGS - 1;
    items[0] = TW_ARG_MAP("request", request, 5);
    for (size_t i = 0; i < count; i++) items[1 + i] = args[i];
    return TW_ARG_MAP(NULL, items, 1 + count);
}

static void write_args(struct tw_call *call, struct tw__call_own *own, const struct tw_call_input *input)
{
    struct tw_value items[HTTP_ARGS], request[5], env[3];
    const struct tw_call_http *http = input->http;
    if (http) {
        env[0] = tw_value_str("remote_addr", http->remote_addr);
        env[1] = tw_value_str("server_name", http->server_name);
        env[2] = http->server_port ? tw_value_uint("server_port", http->server_port) : tw_value_null("server_port");
        request[0] = tw_value_str("url", http->url);
        request[1] = tw_value_str("method", http->method);
        request[2] = http->data;
        request[2].key = "data";
        request[3] = TW_ARG_HEADERS("headers", http->headers, http->header_count);
        request[4] = TW_ARG_MAP("env", env, 3);
    }
    struct tw_value root = args_of(input, items, request);
    tw__call_write(own, &root, false, own->rules->truncate, false, call->space, ARGS_MAX, &own->args);
}

static void write_context(struct tw_call *call, struct tw__call_own *own, const struct tw_call_input *input)
{
    size_t used = own->args.len;
    const struct tw_value *data = input->context_data;
    bool json = input->context_count == 1 && data->kind == TW_VALUE_JSON && !data->key;
    struct tw_value root = json ? *data : TW_ARG_HEADERS(NULL, data, input->context_count);
    tw__call_write(own, &root, false, false, true, call->space + used, TW_CALL_SPACE - used, &own->context);
}

/* Writes what both records begin with. */
static void common(struct tw__call_tags *tags, const struct tw_call *call, struct tw__call_own *own, char *stack)
{
    tw__call_tags_common(tags, call, own, stack);
    if (own->hits) tw__call_tag_uint(tags, TW__CALL_redacted_count, own->hits);
}

__attribute__((noinline)) static void append_request(struct tw_call *call, struct tw__call_own *own)
{
    struct tw__call_tags tags = {.block = tw__enter()};
    if (!tags.block) return;
    struct tw__owner owner;
    char stack[TW__CALL_STACK_MAX];
    add_id(call, own, tags.block);
    own->open = true;
    own->begin_ns = tw__clock_mono_ns();
    if (!own->dropped && tw__owner_of(call->span, &owner)) {
        uint64_t head = tw__site_head(tags.block, &request_site, TW__EVENT_HEAD_BYTES);
        common(&tags, call, own, stack);
        if (own->args.cut || own->context.cut) tw__call_tag_bool(&tags, TW__CALL_cut, true);
        (void)tw__record_append(tags.block, head, 0, &owner, tags.items, tags.count);
    }
    tw__leave(tags.block);
}

void tw_call_begin(struct tw_call *call, struct tw_entrypoint *entrypoint, const struct tw_call_input *input)
{
    static const struct tw_call_input nothing;
    struct tw__call_own *own = own_of(call);
    if (!input) input = &nothing;
    call->span = TW_SPAN_NONE;
    call->entrypoint = entrypoint;
    take_chain(&call->chain, input->chain);
    memset(own, 0, offsetof(struct tw__call_own, secrets) + offsetof(struct tw__secrets, bytes));
    own->has_parents = call->chain.count > 0 || call->chain.origin[0];
    own->rules = TW__ON() ? tw__call_rules_of(entrypoint) : NULL;
    if (!own->rules) return;
    own->dropped = own->rules->drop || (input->http && tw__call_drops_url(own->rules->config, input->http->url));
    const struct tw_span_options options = {.kind = own->rules->kind,
                                            .parents = input->context,
                                            .parent_count = input->context ? 1 : 0,
                                            .sample = own->dropped ? TW_SAMPLE_OFF : TW_SAMPLE_BY_RATE};
    call->span = tw__span_begin_with((struct tw_site *)(uintptr_t)&own->rules->site, &options);
    if (!own->dropped) {
        write_args(call, own, input);
        write_context(call, own, input);
    }
    append_request(call, own);
}

const char *tw_call_id(const struct tw_call *call)
{
    const struct tw__call_own *own = (const struct tw__call_own *)(const void *)call->own;
    return own->id_len ? call->chain.text + call->chain.len - own->id_len - 1 : "";
}

/* What became of it: a result, or the texts of an error. */
struct outcome {
    const struct tw_failure *failure;
    struct tw__call_text response, args, message, stack;
};

static void tag_failure(struct tw__call_tags *tags, const struct outcome *outcome)
{
    const struct tw_failure *failure = outcome->failure;
    const char *type = failure->type ? failure->type : "Error", *path = failure->path ? failure->path : type;
    tw__call_tag_text(tags, TW__CALL_exception_type, type, strlen(type));
    tw__call_tag_text(tags, TW__CALL_exception_path, path, strlen(path));
    tw__call_tag_text(tags, TW__CALL_exception_args, outcome->args.ptr, outcome->args.len);
    tw__call_tag_text(tags, TW__CALL_exception_value, outcome->message.ptr, outcome->message.len);
    tw__call_tag_text(tags, TW__CALL_exception_traceback, outcome->stack.ptr, outcome->stack.len);
    tw__call_tag_bool(tags, TW__CALL_exception_expected, failure->expected);
}

static void tag_response(struct tw__call_tags *tags, const struct tw__call_text *response)
{
    tw__call_tag_text(tags, TW__CALL_response, response->ptr, response->len);
    if (!response->counted) return;
    tw__call_tag_bool(tags, TW__CALL_response_truncated, response->truncated);
    tw__call_tag_uint(tags, TW__CALL_response_length, response->chars);
}

__attribute__((noinline)) static void append_response(struct tw_call *call, struct tw__call_own *own,
                                                      const struct outcome *outcome)
{
    struct tw__call_tags tags = {.block = tw__enter()};
    if (!tags.block) return;
    struct tw__owner owner;
    char stack[TW__CALL_STACK_MAX];
    if (tw__owner_of(call->span, &owner)) {
        uint64_t head = tw__site_head(tags.block, &response_site, TW__EVENT_HEAD_BYTES);
        head |= (uint64_t)(outcome->failure ? TW_STATUS_ERROR : TW_STATUS_OK) << 27;
        common(&tags, call, own, stack);
        if (outcome->failure)
            tag_failure(&tags, outcome);
        else
            tag_response(&tags, &outcome->response);
        bool cut = own->args.cut || own->context.cut || outcome->response.cut || outcome->args.cut ||
                   outcome->message.cut || outcome->stack.cut;
        tw__call_tag_uint(&tags, TW__CALL_response_time_ns, tw__clock_mono_ns() - own->begin_ns);
        if (cut) tw__call_tag_bool(&tags, TW__CALL_cut, true);
        (void)tw__record_append(tags.block, head, 0, &owner, tags.items, tags.count);
    } else {
        tw__count(&tags.block->losses[TW__LOSS_stale]);
    }
    tw__leave(tags.block);
}

/* Whether there is anything to end; once. */
static bool closes(struct tw_call *call, struct tw__call_own *own)
{
    bool open = own->rules && own->open;
    if (!open && call->span.slot) tw_span_end(call->span); /* counts it */
    own->open = false;
    return open;
}

__attribute__((noinline)) static void respond(struct tw_call *call, struct tw__call_own *own,
                                              const struct tw_value *result)
{
    struct outcome outcome = {.failure = NULL};
    char text[RESULT_MAX];
    const struct tw_value none = tw_value_null(NULL);
    tw__call_write(own, result ? result : &none, true, own->rules->truncate_response, false, text, sizeof text,
                   &outcome.response);
    append_response(call, own, &outcome);
}

void tw_call_succeed(struct tw_call *call, const struct tw_value *result)
{
    struct tw__call_own *own = own_of(call);
    if (!closes(call, own)) return;
    if (!own->dropped) respond(call, own, result);
    tw_span_end(call->span);
}

__attribute__((noinline)) static void report(struct tw_call *call, struct tw__call_own *own,
                                             const struct tw_failure *failure)
{
    struct outcome outcome = {.failure = failure};
    char text[ERROR_ARGS_MAX + MESSAGE_MAX + 1 + STACK_TEXT_MAX], *message = text + ERROR_ARGS_MAX;
    const struct tw_value args = TW_ARG_LIST(NULL, failure->args, failure->arg_count);
    tw__call_write(own, &args, true, false, false, text, ERROR_ARGS_MAX, &outcome.args);
    tw__call_write_text(own, failure->message ? failure->message : "", message, MESSAGE_MAX, &outcome.message);
    message[outcome.message.len] = 0;
    tw__call_write_text(own, failure->stack ? failure->stack : "", message + MESSAGE_MAX + 1, STACK_TEXT_MAX,
                        &outcome.stack);
    if (!own->dropped) append_response(call, own, &outcome);
    if (!failure->expected || call->entrypoint->expected_fails)
        tw_span_fail(call->span, failure->message ? message : NULL);
}

void tw_call_fail(struct tw_call *call, const struct tw_failure *failure)
{
    static const struct tw_failure unknown;
    struct tw__call_own *own = own_of(call);
    if (!closes(call, own)) return;
    report(call, own, failure ? failure : &unknown);
    tw_span_end(call->span);
}
