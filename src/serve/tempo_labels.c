/* tempo_labels: see the header. */
#include "serve/tempo_labels.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "serve/ask.h"

/* {name="value"}, as Prometheus writes labels. */
static void put_text(struct tw__buf *out, struct tw_text key, struct tw_text value)
{
    tw__buf_cstr(out, out->len > 1 ? ", " : "");
    tw__buf_add(out, key.ptr, key.len);
    tw__buf_cstr(out, "=\"");
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] == '"' || value.ptr[i] == '\\') tw__buf_char(out, '\\');
        tw__buf_char(out, value.ptr[i]);
    }
    tw__buf_char(out, '"');
}

void tw__tempo_labels_begin(struct tw__tempo_labels *labels)
{
    tw__buf_char(&labels->text, '{');
    tw__json_open(labels->json, "labels", '[');
}

void tw__tempo_label(struct tw__tempo_labels *labels, struct tw_text key, const struct tw__field *value)
{
    struct tw__json *json = labels->json;
    char number[32];
    struct tw_text text = {value->ptr, value->len};
    tw__json_open(json, NULL, '{');
    tw__json_text(json, "key", key);
    tw__json_open(json, "value", '{');
    if (value->type == TW__FIELD_INT || value->type == TW__FIELD_UINT) {
        int len = value->type == TW__FIELD_INT ? snprintf(number, sizeof number, "%" PRId64, value->i)
                                               : snprintf(number, sizeof number, "%" PRIu64, value->u);
        text = (struct tw_text){number, (size_t)len};
        tw__json_text(json, "intValue", text);
    } else if (value->type == TW__FIELD_DOUBLE) {
        text = (struct tw_text){number, (size_t)snprintf(number, sizeof number, "%g", value->d)};
        tw__json_f64(json, "doubleValue", value->d);
    } else if (value->type == TW__FIELD_BOOL) {
        text = tw__ask_as_text(value->u ? "true" : "false");
        tw__json_bool(json, "boolValue", value->u != 0);
    } else {
        if (value->type == TW__FIELD_NONE) text = tw__ask_as_text("nil");
        tw__json_text(json, "stringValue", text);
    }
    tw__json_close(json, '}');
    tw__json_close(json, '}');
    put_text(&labels->text, key, text);
}

void tw__tempo_label_text(struct tw__tempo_labels *labels, const char *key, struct tw_text value)
{
    struct tw__field field = tw__field_text(value.ptr, value.len);
    tw__tempo_label(labels, tw__ask_as_text(key), &field);
}

void tw__tempo_label_number(struct tw__tempo_labels *labels, const char *key, double value)
{
    struct tw__field field = {.type = TW__FIELD_DOUBLE, .d = value};
    tw__tempo_label(labels, tw__ask_as_text(key), &field);
}

void tw__tempo_labels_end(struct tw__tempo_labels *labels)
{
    tw__json_close(labels->json, ']');
    tw__buf_char(&labels->text, '}');
    if (!labels->text.failed)
        tw__json_text(labels->json, "promLabels", (struct tw_text){labels->text.ptr, labels->text.len});
    tw__buf_fini(&labels->text);
    tw__json_open(labels->json, "exemplars", '[');
    tw__json_close(labels->json, ']');
}

void tw__tempo_sample(struct tw__json *json, uint64_t time_ns, double value)
{
    tw__json_open(json, NULL, '{');
    tw__ask_put_time(json, "timestampMs", time_ns / 1000000);
    tw__json_f64(json, "value", value);
    tw__json_close(json, '}');
}
