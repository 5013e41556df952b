/* tempo_labels: see the header. */
#include "serve/tempo_labels.h"

#include <inttypes.h>
#include <stdio.h>

#include "serve/ask.h"
#include "wire/value.h"

/* {name="value"}, as Prometheus writes labels. */
static void put_text(struct tw__buf *out, struct tw_text key, struct tw_text value)
{
    tw__buf_cstr(out, out->len > 1 ? ", " : "");
    tw__buf_add(out, key.ptr, key.len);
    tw__buf_cstr(out, "=\"");
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];
        if (c == '"' || c == '\\' || c == '\n') tw__buf_char(out, '\\');
        tw__buf_char(out, c == '\n' ? 'n' : c);
    }
    tw__buf_char(out, '"');
}

void tw__tempo_labels_begin(struct tw__tempo_labels *labels)
{
    tw__buf_char(&labels->text, '{');
    tw__json_open(labels->json, "labels", '[');
}

/* The value as text, in scratch where it is a number. */
static struct tw_text text_of(const struct tw__field *value, char scratch[TW__NUMBER_MAX])
{
    int len = 0;
    switch (value->type) {
    case TW__FIELD_INT:
        len = snprintf(scratch, TW__NUMBER_MAX, "%" PRId64, value->i);
        break;
    case TW__FIELD_UINT:
    case TW__FIELD_LEVEL:
        len = snprintf(scratch, TW__NUMBER_MAX, "%" PRIu64, value->u);
        break;
    case TW__FIELD_DOUBLE:
        len = (int)tw__f64_text(value->d, scratch);
        break;
    case TW__FIELD_BOOL:
        return tw__ask_as_text(value->u ? "true" : "false");
    case TW__FIELD_NONE:
        return tw__ask_as_text("nil");
    case TW__FIELD_TEXT:
    case TW__FIELD_BYTES:
        return (struct tw_text){value->ptr, value->len};
    }
    return (struct tw_text){scratch, (size_t)len};
}

void tw__tempo_attribute(struct tw__json *json, struct tw_text key, const struct tw__field *value)
{
    char scratch[TW__NUMBER_MAX];
    tw__json_open(json, NULL, '{');
    tw__json_text(json, "key", key);
    tw__json_open(json, "value", '{');
    if (value->type == TW__FIELD_INT || value->type == TW__FIELD_UINT)
        tw__json_text(json, "intValue", text_of(value, scratch));
    else if (value->type == TW__FIELD_DOUBLE)
        tw__json_f64_or_text(json, "doubleValue", value->d);
    else if (value->type == TW__FIELD_BOOL)
        tw__json_bool(json, "boolValue", value->u != 0);
    else
        tw__json_text(json, "stringValue", text_of(value, scratch));
    tw__json_close(json, '}');
    tw__json_close(json, '}');
}

void tw__tempo_label(struct tw__tempo_labels *labels, struct tw_text key, const struct tw__field *value)
{
    char scratch[TW__NUMBER_MAX];
    tw__tempo_attribute(labels->json, key, value);
    put_text(&labels->text, key, text_of(value, scratch));
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
}

void tw__tempo_samples_begin(struct tw__json *json)
{
    tw__json_open(json, "exemplars", '[');
    tw__json_close(json, ']');
    tw__json_open(json, "samples", '[');
}

void tw__tempo_sample(struct tw__json *json, uint64_t time_ns, double value)
{
    tw__json_open(json, NULL, '{');
    tw__ask_put_time(json, "timestampMs", time_ns / 1000000);
    tw__json_f64_or_text(json, "value", value);
    tw__json_close(json, '}');
}
