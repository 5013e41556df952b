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
#include "base/hex.h"
#include "propagate/call_chain.h"
#include "trace/call.h"
#include "trace/site.h"
#include "trace/slow.h"
#include "trace/stack.h"

enum {
    RESULT_MAX = 1900,
    ARGS_MAX = TW_CALL_SPACE - 600,
    HTTP_ARGS = 16,
    ERROR_ARGS_MAX = 400,
    MESSAGE_MAX = 500,
    STACK_TEXT_MAX = 800,
    ERROR_NAME_MAX = 120,
    TAIL_MAX = 2240
};

_Static_assert(sizeof(struct tw__call_own) <= sizeof((struct tw_call *)0)->own, "own");
_Static_assert(offsetof(struct tw_call, space) % 8 == 0, "tags are words");
_Static_assert(TW_CALL_SPACE + TW_CALL_CHAIN_BYTES + 4 * TW_CALL_PARENTS_MAX + 5 * (TW_CALL_ID_MAX + 13) + 100 <
                   TW__CALL_STORE,
               "the common part fits");
_Static_assert(TW__EVENT_HEAD_BYTES + TW__CALL_STORE + TAIL_MAX <= TW__RECORD_MAX, "a record holds both parts");
_Static_assert(RESULT_MAX + 100 < TAIL_MAX &&
                   ERROR_ARGS_MAX + MESSAGE_MAX + STACK_TEXT_MAX + 2 * ERROR_NAME_MAX + 160 < TAIL_MAX,
               "and the second part what came of it");

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
    const struct tw_text *prefix = &own->rules->id_prefix;
    char id[TW_CALL_ID_MAX + 1], hex[33];
    uint8_t uuid[16];
    for (unsigned i = 0; i < 2; i++) {
        uint64_t bits = tw__random_u64(block);
        memcpy(uuid + 8 * i, &bits, 8);
    }
    uuid[6] = (uint8_t)((uuid[6] & 0x0f) | 0x40); /* version 4 */
    uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80); /* variant of RFC 4122 */
    tw__hex_enc(uuid, 16, hex);
    memcpy(id, prefix->ptr, prefix->len);
    char *at = id + prefix->len;
    memcpy(at, hex, 8);
    memcpy(at + 9, hex + 8, 4);
    memcpy(at + 14, hex + 12, 4);
    memcpy(at + 19, hex + 16, 4);
    memcpy(at + 24, hex + 20, 12);
    at[8] = at[13] = at[18] = at[23] = '-';
    own->id_len = (uint16_t)(prefix->len + 36);
    tw__call_chain_push(&call->chain, id, own->id_len, own->rules->config->parents + 1);
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

static void put_args(struct tw__call_image *image, struct tw__call_own *own, const struct tw_call_input *input)
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
    size_t room;
    char *out = tw__call_text_room(image, ARGS_MAX, &room);
    struct tw__call_text text = tw__call_write(own, &root, TW__CALL_OF_ARGS, own->rules->truncate, out, room);
    own->cut |= text.cut;
    tw__call_text_done(image, TW__CALL_call_args, text.len);
    if (!text.counted) return;
    tw__call_put_bool(image, TW__CALL_call_args_truncated, text.truncated);
    tw__call_put_uint(image, TW__CALL_call_args_length, text.chars);
}

static void put_context(struct tw__call_image *image, struct tw__call_own *own, const struct tw_call_input *input)
{
    const struct tw_value *data = input->context_data;
    bool json = input->context_count == 1 && data->kind == TW_VALUE_JSON && !data->key;
    struct tw_value root = json ? *data : TW_ARG_HEADERS(NULL, data, input->context_count);
    size_t room;
    char *out = tw__call_text_room(image, TW_CALL_SPACE - ARGS_MAX, &room);
    struct tw__call_text text = tw__call_write(own, &root, TW__CALL_OF_CONTEXT, false, out, room);
    own->cut |= text.cut;
    tw__call_text_done(image, TW__CALL_context_data, text.len);
}

/* A record: what both have, and a second part. */
static void append(struct tw_call *call, struct tw__call_own *own, struct tw__call_image *tail, struct tw_site *site,
                   enum tw_status status)
{
    struct tw__owner owner;
    if (!tw__owner_of(call->span, &owner)) {
        tw__count(&tail->block->losses[TW__LOSS_stale]);
        return;
    }
    if (own->hits) tw__call_put_uint(tail, TW__CALL_redacted_count, own->hits);
    if (own->cut || tail->full) tw__call_put_bool(tail, TW__CALL_cut, true);
    uint64_t head = tw__site_head(tail->block, site, TW__EVENT_HEAD_BYTES) | (uint64_t)status << 27;
    (void)tw__record_append_bytes(tail->block, head, &owner, call->space, own->common_len, tail->bytes, tail->len);
}

__attribute__((noinline)) static void request(struct tw_call *call, struct tw__call_own *own,
                                              const struct tw_call_input *input)
{
    struct tw__block *block = tw__enter();
    if (!block) return;
    own->open = true;
    add_id(call, own, block);
    own->begin_ns = tw__clock_mono_ns();
    if (!own->dropped) {
        uint64_t room[8];
        struct tw__call_image image = {.block = block, .bytes = (uint8_t *)call->space, .cap = TW__CALL_STORE};
        struct tw__call_image tail = {.block = block, .bytes = (uint8_t *)room, .cap = sizeof room};
        tw__call_put_who(&image, call, own);
        put_args(&image, own, input);
        put_context(&image, own, input);
        own->common_len = (uint32_t)image.len;
        append(call, own, &tail, &request_site, TW_STATUS_UNSET);
    }
    tw__leave(block);
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
    request(call, own, input);
}

const char *tw_call_id(const struct tw_call *call)
{
    const struct tw__call_own *own = (const struct tw__call_own *)(const void *)call->own;
    return own->id_len ? call->chain.text + call->chain.len - own->id_len - 1 : "";
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
    static const struct tw_value none;
    uint64_t room_for_tail[TAIL_MAX / 8];
    struct tw__call_image tail = {.block = tw__enter(), .bytes = (uint8_t *)room_for_tail, .cap = TAIL_MAX};
    if (!tail.block) return;
    size_t room;
    tw__call_put_uint(&tail, TW__CALL_response_time_ns, tw__clock_mono_ns() - own->begin_ns);
    char *out = tw__call_text_room(&tail, RESULT_MAX, &room);
    struct tw__call_text text =
        tw__call_write(own, result ? result : &none, TW__CALL_OF_RESPONSE, own->rules->truncate_response, out, room);
    own->cut |= text.cut;
    tw__call_text_done(&tail, TW__CALL_response, text.len);
    if (text.counted) {
        tw__call_put_bool(&tail, TW__CALL_response_truncated, text.truncated);
        tw__call_put_uint(&tail, TW__CALL_response_length, text.chars);
    }
    append(call, own, &tail, &response_site, TW_STATUS_OK);
    tw__leave(tail.block);
}

void tw_call_succeed(struct tw_call *call, const struct tw_value *result)
{
    struct tw__call_own *own = own_of(call);
    if (!closes(call, own)) return;
    if (!own->dropped) respond(call, own, result);
    tw_span_end(call->span);
}

static void put_free_text(struct tw__call_image *tail, struct tw__call_own *own, enum tw__call_key key,
                          const char *value, size_t max)
{
    size_t room;
    char *out = tw__call_text_room(tail, max, &room);
    struct tw__call_text text = tw__call_write_text(own, value ? value : "", out, room);
    own->cut |= text.cut;
    tw__call_text_done(tail, key, text.len);
}

__attribute__((noinline)) static void report(struct tw_call *call, struct tw__call_own *own,
                                             const struct tw_failure *failure)
{
    uint64_t room_for_tail[TAIL_MAX / 8];
    struct tw__call_image tail = {.block = tw__enter(), .bytes = (uint8_t *)room_for_tail, .cap = TAIL_MAX};
    if (!tail.block) return;
    const char *type = failure->type ? failure->type : "Error", *path = failure->path ? failure->path : type;
    const struct tw_value args = TW_ARG_LIST(NULL, failure->args, failure->arg_count);
    size_t room;
    tw__call_put_uint(&tail, TW__CALL_response_time_ns, tw__clock_mono_ns() - own->begin_ns);
    tw__call_put_text(&tail, TW__CALL_exception_type, type, tw__text_cut(type, strlen(type), ERROR_NAME_MAX));
    tw__call_put_text(&tail, TW__CALL_exception_path, path, tw__text_cut(path, strlen(path), ERROR_NAME_MAX));
    char *out = tw__call_text_room(&tail, ERROR_ARGS_MAX, &room);
    struct tw__call_text text = tw__call_write(own, &args, TW__CALL_OF_RESPONSE, false, out, room);
    own->cut |= text.cut;
    tw__call_text_done(&tail, TW__CALL_exception_args, text.len);
    put_free_text(&tail, own, TW__CALL_exception_value, failure->message, MESSAGE_MAX);
    put_free_text(&tail, own, TW__CALL_exception_traceback, failure->stack, STACK_TEXT_MAX);
    tw__call_put_bool(&tail, TW__CALL_exception_expected, failure->expected);
    append(call, own, &tail, &response_site, TW_STATUS_ERROR);
    tw__leave(tail.block);
}

__attribute__((noinline)) static void fail_span(struct tw_call *call, struct tw__call_own *own, const char *message)
{
    char text[MESSAGE_MAX + 1];
    if (message) text[tw__call_write_text(own, message, text, MESSAGE_MAX).len] = 0;
    tw_span_fail(call->span, message ? text : NULL);
}

void tw_call_fail(struct tw_call *call, const struct tw_failure *failure)
{
    static const struct tw_failure unknown;
    struct tw__call_own *own = own_of(call);
    if (!failure) failure = &unknown;
    if (!closes(call, own)) return;
    if (!own->dropped) report(call, own, failure);
    if (!failure->expected || call->entrypoint->expected_fails) fail_span(call, own, failure->message);
    tw_span_end(call->span);
}
