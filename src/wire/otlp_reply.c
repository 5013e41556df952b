/* otlp_reply: see the header. Small messages; room for them is on the stack. */
#include "wire/otlp_reply.h"

#include "wire/json.h"
#include "wire/pb.h"

enum { MESSAGE_MAX = 512, ROOM = MESSAGE_MAX + 64 };

static struct tw_text cut(const char *message)
{
    size_t len = message ? strlen(message) : 0;
    return (struct tw_text){message ? message : "", len < MESSAGE_MAX ? len : MESSAGE_MAX};
}

void tw__otlp_reply_export(struct tw__buf *out, bool json, uint64_t rejected, const char *message)
{
    uint8_t room[ROOM];
    struct tw__pb pb = {.out = room, .cap = sizeof room};
    struct tw__json text = {.out = out};
    bool partial = rejected || message;
    if (json) {
        tw__json_open(&text, NULL, '{');
        if (partial) {
            tw__json_open(&text, "partialSuccess", '{');
            if (rejected) { /* 64-bit numbers are texts in protobuf's JSON */
                tw__json_name(&text, (struct tw_text){"rejectedSpans", 13});
                tw__buf_fmt(out, "\"%llu\"", (unsigned long long)rejected);
                text.comma = true;
            }
            tw__json_text(&text, "errorMessage", cut(message));
            tw__json_close(&text, '}');
        }
        tw__json_close(&text, '}');
        return;
    }
    if (!partial) return;
    size_t at = tw__pb_open(&pb, TW__PB_TAG(1, TW__PB_LEN));
    if (rejected) tw__pb_varint(&pb, TW__PB_TAG(1, TW__PB_VARINT), rejected);
    tw__pb_text(&pb, TW__PB_TAG(2, TW__PB_LEN), cut(message));
    tw__pb_close(&pb, at);
    tw__buf_add(out, room, pb.len);
}

void tw__otlp_reply_status(struct tw__buf *out, bool json, enum tw__rpc_code code, const char *message)
{
    uint8_t room[ROOM];
    struct tw__pb pb = {.out = room, .cap = sizeof room};
    struct tw__json text = {.out = out};
    if (json) {
        tw__json_open(&text, NULL, '{');
        tw__json_u64(&text, "code", (uint64_t)code);
        tw__json_text(&text, "message", cut(message));
        tw__json_close(&text, '}');
        return;
    }
    tw__pb_varint(&pb, TW__PB_TAG(1, TW__PB_VARINT), (uint64_t)code);
    tw__pb_text(&pb, TW__PB_TAG(2, TW__PB_LEN), cut(message));
    tw__buf_add(out, room, pb.len);
}

/* Status { code = 1; message = 2; details = 3 Any { type_url = 1; value = 2 } }, RetryInfo { retry_delay = 1 Duration {
 * seconds = 1 } } */
void tw__otlp_reply_retry(struct tw__buf *out, enum tw__rpc_code code, const char *message, unsigned delay_s)
{
    static const char type[] = "type.googleapis.com/google.rpc.RetryInfo";
    uint8_t room[ROOM + sizeof type + 32];
    struct tw__pb pb = {.out = room, .cap = sizeof room};
    tw__pb_varint(&pb, TW__PB_TAG(1, TW__PB_VARINT), (uint64_t)code);
    tw__pb_text(&pb, TW__PB_TAG(2, TW__PB_LEN), cut(message));
    size_t any = tw__pb_open(&pb, TW__PB_TAG(3, TW__PB_LEN));
    tw__pb_text(&pb, TW__PB_TAG(1, TW__PB_LEN), (struct tw_text){type, sizeof type - 1});
    size_t info = tw__pb_open(&pb, TW__PB_TAG(2, TW__PB_LEN)), delay = tw__pb_open(&pb, TW__PB_TAG(1, TW__PB_LEN));
    tw__pb_varint(&pb, TW__PB_TAG(1, TW__PB_VARINT), delay_s);
    tw__pb_close(&pb, delay);
    tw__pb_close(&pb, info);
    tw__pb_close(&pb, any);
    tw__buf_add(out, room, pb.len);
}
