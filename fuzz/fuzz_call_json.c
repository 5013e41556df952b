/* A call's record with any tags: a byte of looks, then tags: which key, which type, a length, so many bytes. Every form
 * but the message is JSON, and all but the pretty one are one line. */
#include <stdlib.h>
#include <string.h>

#include "wire/call_json.h"
#include "wire/json_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TAGS_MAX = 40 };

static void must_be_json(const struct tw__buf *out, bool one_line)
{
    char scratch[64];
    struct tw__json_reader json = {
        .text = out->ptr, .len = out->len, .last = true, .scratch = scratch, .scratch_cap = sizeof scratch};
    if (tw__json_skip(&json) == TW__JSON_BAD || tw__json_read(&json) != TW__JSON_DONE) abort();
    if (one_line && memchr(out->ptr, '\n', out->len) != out->ptr + out->len - 1) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const keys[] = {"service",
                                       "entrypoint_name",
                                       "entrypoint_type",
                                       "call_id",
                                       "call_id_stack",
                                       "origin_call_id",
                                       "context_data",
                                       "call_args",
                                       "response",
                                       "exception_type",
                                       "exception_args",
                                       "exception_value",
                                       "exception_path",
                                       "exception_traceback",
                                       "response_time_ns",
                                       "call_args_redacted",
                                       "call_args_length",
                                       "call_args_truncated",
                                       "redacted_count",
                                       "response_truncated",
                                       "cut",
                                       "odd"};
    struct tw_tag_value tags[TAGS_MAX];
    size_t count = 0, at = 1;
    if (size < 1) return 0;
    for (; at + 3 <= size && count < TAGS_MAX; count++) {
        const char *key = keys[data[at] % (sizeof keys / sizeof *keys)];
        size_t len = data[at + 2] < size - at - 3 ? data[at + 2] : size - at - 3;
        tags[count] = (struct tw_tag_value){.key = {key, strlen(key)},
                                            .type = (enum tw_type)(data[at + 1] % (TW_TYPE_JSON + 1)),
                                            .cut = data[at + 1] & 0x80,
                                            .text = {(const char *)data + at + 3, len},
                                            .full_len = len};
        memcpy(&tags[count].value, data + at + 3, len < 8 ? len : 8);
        at += 3 + len;
    }
    struct tw_record record = {.kind = data[0] & 1 ? TW_RECORD_REQUEST : TW_RECORD_RESPONSE,
                               .status = data[0] & 2 ? TW_STATUS_ERROR : TW_STATUS_OK,
                               .tags = tags,
                               .tag_count = count};
    memcpy(&record.time_ns, data, size < 8 ? size : 8);
    const struct tw_process process = {.host = {"host", 4}, .service = {"shop", 4}};
    for (int format = TW__CALL_JSON; format <= TW__CALL_PLAIN; format++) {
        const struct tw__call_look look = {
            .format = (enum tw__call_format)format, .legacy = data[0] & 4, .iso = data[0] & 8};
        struct tw__buf out = {0};
        tw__call_print(&out, &record, &process, &look);
        if (format != TW__CALL_PLAIN) must_be_json(&out, format != TW__CALL_PRETTY);
        tw__buf_fini(&out);
    }
    return 0;
}
