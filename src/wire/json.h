/* json: writes JSON, one object per line.
 *
 *     struct tw__json json = {.out = &out};
 *     tw__json_open(&json, NULL, '{');
 *     tw__json_u64(&json, "pid", 17);
 *     tw__json_text(&json, "name", name);
 *     tw__json_close(&json, '}');
 *     tw__json_line(&json);
 *
 * Every call takes the member's name, NULL inside an array. Strict: UTF-8 repaired, integers exact to 64 bits, numbers
 * that JSON cannot say (NaN, infinity) are null. */
#ifndef TW_WIRE_JSON_H
#define TW_WIRE_JSON_H

#include <trackway/read.h>

#include "base/buf.h"

struct tw__json {
    struct tw__buf *out;
    bool comma; /* a value stands before */
};

void tw__json_open(struct tw__json *json, const char *name, char bracket);
void tw__json_close(struct tw__json *json, char bracket);
void tw__json_line(struct tw__json *json);

void tw__json_text(struct tw__json *json, const char *name, struct tw_text value);
void tw__json_cstr(struct tw__json *json, const char *name, const char *value);
void tw__json_u64(struct tw__json *json, const char *name, uint64_t value);
void tw__json_i64(struct tw__json *json, const char *name, int64_t value);
void tw__json_f64(struct tw__json *json, const char *name, double value);
/* The same, but of what is no number the text: "NaN", "Infinity", "-Infinity", as protobuf's JSON has it. */
void tw__json_f64_or_text(struct tw__json *json, const char *name, double value);
void tw__json_base64(struct tw__json *json, const char *name, const void *bytes, size_t len);
void tw__json_bool(struct tw__json *json, const char *name, bool value);
void tw__json_null(struct tw__json *json, const char *name);
void tw__json_hex(struct tw__json *json, const char *name, const uint8_t *bytes, size_t count);
/* A text that is one JSON value, as it is. */
void tw__json_raw(struct tw__json *json, const char *name, struct tw_text value);
/* A member whose name comes from outside. */
void tw__json_name(struct tw__json *json, struct tw_text name);

#endif
