/* jaeger_tags: see the header. */
#include "serve/jaeger_tags.h"

#include <string.h>

#include "model/text.h"
#include "wire/jaeger.h"
#include "wire/json_read.h"

enum { TEXT_MAX = 1024 }; /* of a text with escapes */

static bool keep(struct tw__ask *ask, struct tw_text *text)
{
    text->ptr = tw__pool_copy(&ask->pool, text->ptr, text->len);
    if (!text->ptr) (void)tw__ask_failed(ask, TW_ERR_MEMORY);
    return text->ptr != NULL;
}

void tw__jaeger_tags_add(struct tw__jaeger_tags *tags, struct tw_text key, struct tw_text value)
{
    struct tw__store_query *spans = &tags->search->spans;
    if (tw__text_is(key, "error") && (tw__text_is(value, "true") || tw__text_is(value, "false"))) {
        spans->statuses = value.ptr[0] == 't' ? 1u << TW_STATUS_ERROR : 1u << TW_STATUS_OK | 1u << TW_STATUS_UNSET;
        return;
    }
    if (tw__text_is(key, "span.kind")) {
        spans->kinds = 1u << 31; /* of a word that is no kind: no span has it */
        for (uint8_t kind = 0; kind < 5; kind++)
            if (tw__text_is(value, tw__jaeger_kind(kind))) spans->kinds = 1u << kind;
        return;
    }
    if (tags->count == TW__JAEGER_TAGS_MAX)
        tw__ask_refuse(tags->ask, 400, "more than %d tags", TW__JAEGER_TAGS_MAX);
    else if (keep(tags->ask, &key) && keep(tags->ask, &value))
        tags->items[tags->count++] = (struct tw__store_equal){key, value};
}

void tw__jaeger_tags_add_json(struct tw__jaeger_tags *tags, const char *parameter, const char *text)
{
    char scratch[TEXT_MAX];
    struct tw_text key;
    struct tw__json_reader json = {
        .text = text, .len = strlen(text), .last = true, .scratch = scratch, .scratch_cap = sizeof scratch};
    bool whole = tw__json_read(&json) == TW__JSON_OBJECT;
    enum tw__json_event event = TW__JSON_OBJECT;
    while (whole && !tags->ask->failed && (event = tw__json_read(&json)) == TW__JSON_NAME) {
        key = json.string;
        if (!keep(tags->ask, &key)) return;
        event = tw__json_read(&json);
        if (event == TW__JSON_STRING || event == TW__JSON_NUMBER)
            tw__jaeger_tags_add(tags, key, json.string);
        else if (event == TW__JSON_BOOL)
            tw__jaeger_tags_add(tags, key, tw__ask_as_text(json.boolean ? "true" : "false"));
        else
            whole = false;
    }
    if (!whole || event != TW__JSON_OBJECT_END || tw__json_read(&json) != TW__JSON_DONE)
        tw__ask_refuse(tags->ask, 400, "malformed '%s' parameter, expecting a JSON object of strings", parameter);
}

void tw__jaeger_tags_apply(const struct tw__jaeger_tags *tags)
{
    if (tags->count == 0) return; /* a filter's own, which it asks for anyway, may stay */
    tags->search->spans.equals = tags->items;
    tags->search->spans.equal_count = tags->count;
}
