/* otlp_answer: what a receiver of spans says.
 *
 *     200      ExportTraceServiceResponse { partial_success { rejected_spans, error_message } }, usually empty
 *     others   google.rpc.Status { code, message, details }
 *
 * Invariant: fields that are not known are skipped, so that newer receivers are understood.
 * Limits: what comes is hostile: a message inside is entered once, not by recursion.
 */
#include "wire/otlp.h"

/* Field 1 a number, field 2 a text: both messages are of that shape. */
static bool number_and_text(const uint8_t *bytes, size_t len, uint64_t *number, struct tw_text *text)
{
    struct tw__pb_in in = {bytes, bytes + len, false};
    struct tw__pb_field field;
    while (tw__pb_next(&in, &field)) {
        if (field.number == 1 && field.type == TW__PB_VARINT) *number = field.value;
        if (field.number == 2 && field.type == TW__PB_LEN)
            *text = (struct tw_text){(const char *)field.bytes, field.len};
    }
    return !in.bad;
}

int tw__otlp_answer_dec(const void *bytes, size_t len, struct tw__otlp_answer *out)
{
    struct tw__otlp_answer answer = {0};
    if (len) {
        struct tw__pb_in in = {bytes, (const uint8_t *)bytes + len, false};
        struct tw__pb_field field;
        while (tw__pb_next(&in, &field)) {
            uint64_t rejected = 0;
            if (field.number != 1 || field.type != TW__PB_LEN) continue;
            if (!number_and_text(field.bytes, field.len, &rejected, &answer.message)) return TW_ERR_SYNTAX;
            answer.rejected_spans = (int64_t)rejected;
        }
        if (in.bad) return TW_ERR_SYNTAX;
    }
    *out = answer;
    return 0;
}

int tw__otlp_status_dec(const void *bytes, size_t len, struct tw__otlp_answer *out)
{
    struct tw__otlp_answer answer = {0};
    uint64_t code = 0;
    if (len && !number_and_text(bytes, len, &code, &answer.message)) return TW_ERR_SYNTAX;
    answer.code = (int32_t)(uint32_t)code;
    *out = answer;
    return 0;
}
