/* xray_cause: whether a span went wrong, whose fault that is, and why.
 *
 *     status code 429        throttle and error       the caller's, for calling too often
 *     other 4xx              error                    the caller's
 *     5xx                    fault                    ours
 *     failed, or exception   fault                    unless a code said otherwise
 *
 * A cause is written only for what went wrong: X-Ray shows it as the reason. It is the first of these that there is: a
 * tag cause (the id of an exception in another document), events named exception, tags exception.*, the status message,
 * the status code. An exception that was caught, in a span that is well, is an event like others.
 *
 * Ids of exceptions are made from the span's, so that a document sent twice is the same twice.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/be64.h"
#include "model/text.h"
#include "wire/value.h"
#include "wire/xray_parts.h"

enum { FRAMES_MAX = 50 };
#define TEXT(literal) ((struct tw_text){literal, sizeof literal - 1})

static const struct tw_tag_value *tag_named(const struct tw_record *record, const char *key)
{
    for (size_t i = record->tag_count; i-- > 0;)
        if (tw__text_is(record->tags[i].key, key)) return &record->tags[i];
    return NULL;
}

static struct tw_text text_of(const struct tw_tag_value *tag)
{
    return tag && tag->type == TW_TYPE_STR ? tag->text : (struct tw_text){NULL, 0};
}

static bool is_exception(const struct tw_record *event)
{
    return event->kind == TW_RECORD_EVENT && tw__text_is(event->name, "exception");
}

static bool any_exception(const struct tw__xray_span *span)
{
    if (span->fields.tags[TW__XRAY_EXCEPTION_TYPE] || span->fields.tags[TW__XRAY_EXCEPTION_MESSAGE]) return true;
    for (size_t i = 0; i < span->in->event_count; i++)
        if (is_exception(span->in->events[i])) return true;
    return false;
}

/* A boolean tag of that name, and whether it is true. */
static bool flag(struct tw__xray_span *span, enum tw__xray_field field)
{
    const struct tw_tag_value *tag = span->fields.tags[field];
    if (!tag || tag->type != TW_TYPE_BOOL) return false;
    span->fields.told[field] = true;
    return tag->value.u != 0;
}

void tw__xray_judge(struct tw__xray_span *span)
{
    int64_t code = 0;
    bool coded = tw__xray_number(span->fields.tags[TW__XRAY_STATUS], &code);
    span->error = code >= 400 && code < 500;
    span->throttle = code == 429;
    span->fault = code >= 500 && code < 600;
    span->error |= flag(span, TW__XRAY_ERROR);
    span->throttle |= flag(span, TW__XRAY_THROTTLE);
    span->fault |= flag(span, TW__XRAY_FAULT);
    if (span->error || span->throttle || span->fault) return;
    enum tw_status status = span->in->record->status;
    span->fault = status == TW_STATUS_ERROR || (status == TW_STATUS_UNSET && !coded && any_exception(span));
}

static void put_frames(struct tw__xray_out *out, struct tw_text stack)
{
    size_t frames = 0, left_out = 0, max = out->item_max < FRAMES_MAX ? out->item_max : FRAMES_MAX;
    if (stack.len == 0) return;
    tw__json_open(&out->json, "stack", '[');
    for (size_t at = 0; at < stack.len;) {
        const char *end = memchr(stack.ptr + at, '\n', stack.len - at);
        size_t len = end ? (size_t)(end - stack.ptr) - at : stack.len - at, next = at + len + 1;
        for (; len && (stack.ptr[at] == ' ' || stack.ptr[at] == '\t'); len--) at++;
        if (len && stack.ptr[at + len - 1] == '\r') len--;
        if (len && frames == max)
            left_out++;
        else if (len) {
            tw__json_open(&out->json, NULL, '{');
            (void)tw__xray_put_text(out, "label", (struct tw_text){stack.ptr + at, len}, TW__XRAY_TEXT);
            tw__json_close(&out->json, '}');
            frames++;
        }
        at = next;
    }
    tw__json_close(&out->json, ']');
    if (left_out) tw__json_u64(&out->json, "truncated", left_out);
}

static void put_exception(struct tw__xray_out *out, const struct tw__xray_span *span, size_t index, struct tw_text type,
                          struct tw_text message, struct tw_text stack)
{
    uint8_t id[8];
    uint64_t made = tw__be64(span->in->record->span_id) ^ 0x9e3779b97f4a7c15u * (index + 1);
    tw__be64_put(made, id);
    tw__json_open(&out->json, NULL, '{');
    tw__json_hex(&out->json, "id", id, 8);
    if (message.len) (void)tw__xray_put_text(out, "message", message, TW__XRAY_TEXT);
    if (type.len) (void)tw__xray_put_text(out, "type", type, TW__XRAY_TEXT);
    if (span->namespace) tw__json_bool(&out->json, "remote", true);
    put_frames(out, stack);
    tw__json_close(&out->json, '}');
}

/* Exceptions of events. Returns how many. */
static size_t put_events(struct tw__xray_out *out, const struct tw__xray_span *span)
{
    size_t count = 0;
    for (size_t i = 0; i < span->in->event_count && i < out->item_max && !tw__xray_is_lost(out); i++) {
        const struct tw_record *event = span->in->events[i];
        if (!is_exception(event)) continue;
        put_exception(out, span, count++, text_of(tag_named(event, "exception.type")),
                      text_of(tag_named(event, "exception.message")),
                      text_of(tag_named(event, "exception.stacktrace")));
    }
    return count;
}

static bool fits(struct tw_text text)
{
    return tw__utf8_first(text, TW__XRAY_TEXT).len == text.len;
}

bool tw__xray_is_told(const struct tw__xray_span *span, const struct tw_record *event)
{
    if (!is_exception(event) || span->fields.told[TW__XRAY_CAUSE]) return false;
    if (!span->error && !span->throttle && !span->fault) return false;
    for (size_t i = 0; i < event->tag_count; i++) {
        enum tw__xray_field field = tw__xray_field_of(event->tags[i].key);
        bool known = field >= TW__XRAY_EXCEPTION_TYPE && field <= TW__XRAY_EXCEPTION_STACK;
        if (!known || event->tags[i].type != TW_TYPE_STR) return false;
        if (field != TW__XRAY_EXCEPTION_STACK && !fits(event->tags[i].text)) return false;
    }
    return true;
}

/* What the tags say, or the status. */
static void put_tags(struct tw__xray_out *out, struct tw__xray_span *span, size_t index)
{
    struct tw__xray_fields *fields = &span->fields;
    struct tw_text type = text_of(fields->tags[TW__XRAY_EXCEPTION_TYPE]);
    struct tw_text message = text_of(fields->tags[TW__XRAY_EXCEPTION_MESSAGE]);
    struct tw_text stack = text_of(fields->tags[TW__XRAY_EXCEPTION_STACK]);
    char got[32];
    if (type.len || message.len) {
        put_exception(out, span, index, type, message, stack);
        fields->told[TW__XRAY_EXCEPTION_TYPE] = fits(type);
        fields->told[TW__XRAY_EXCEPTION_MESSAGE] = fits(message);
        fields->told[TW__XRAY_EXCEPTION_STACK] = stack.len > 0;
        return;
    }
    if (index) return;
    int64_t code;
    bool coded = tw__xray_number(fields->tags[TW__XRAY_STATUS], &code);
    message = span->in->record->status_message;
    type = text_of(fields->tags[TW__XRAY_ERROR_TYPE]);
    if (type.len)
        fields->told[TW__XRAY_ERROR_TYPE] = fits(type);
    else
        type = coded ? TEXT("http_response_error") : TEXT("error");
    if (message.len == 0 && coded) {
        (void)snprintf(got, sizeof got, "Got %" PRId64, code);
        message = (struct tw_text){got, strlen(got)};
    }
    put_exception(out, span, 0, type, message, stack);
}

static bool is_id(struct tw_text text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!strchr("0123456789abcdef", text.ptr[i]) || !text.ptr[i]) return false;
    return text.len == 16;
}

void tw__xray_put_cause(struct tw__xray_out *out, struct tw__xray_span *span)
{
    if (!span->error && !span->throttle && !span->fault) return;
    if (span->error) tw__json_bool(&out->json, "error", true);
    if (span->throttle) tw__json_bool(&out->json, "throttle", true);
    if (span->fault) tw__json_bool(&out->json, "fault", true);
    struct tw_text given = text_of(span->fields.tags[TW__XRAY_CAUSE]);
    if (is_id(given)) {
        tw__json_text(&out->json, "cause", given);
        span->fields.told[TW__XRAY_CAUSE] = true;
        return;
    }
    tw__json_open(&out->json, "cause", '{');
    tw__json_open(&out->json, "exceptions", '[');
    put_tags(out, span, put_events(out, span));
    tw__json_close(&out->json, ']');
    tw__json_close(&out->json, '}');
}
