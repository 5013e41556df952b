/* call_record: the tags of a call's records.
 *
 * Keys are registered in the dictionary once, and so are the words of an entrypoint (service, type, name), which then
 * take eight bytes each. The common part is written into both records: each is complete in itself, whatever was
 * overwritten. */
#include <string.h>

#include "trace/call.h"
#include "trace/site.h"

static struct tw_key keys[TW__CALL_KEY_COUNT] = {
#define KEY(text) [TW__CALL_##text] = {0, TW__KEY_NEW, #text, NULL, 0},
    TW__CALL_KEYS(KEY)
#undef KEY
};

static uint16_t id_of(struct tw__block *block, enum tw__call_key key)
{
    uint32_t head = tw__load_relaxed(&keys[key].head);
    if (head) return (uint16_t)head;
    tw__key_register(block, &keys[key], TW__TAG_STR);
    head = tw__load_relaxed(&keys[key].head);
    return head ? (uint16_t)head : tw__key_id(block, keys[key].name);
}

static void add(struct tw__call_tags *tags, const struct tw__tag_in *tag)
{
    if (tags->count < TW__CALL_TAGS_MAX) tags->items[tags->count++] = *tag;
}

void tw__call_tag_text(struct tw__call_tags *tags, enum tw__call_key key, const char *text, size_t len)
{
    struct tw__tag_in tag = tw__text_tag(tags->block, TW__TAG_STR, id_of(tags->block, key), text, len, TW_TEXT_MAX);
    add(tags, &tag);
}

void tw__call_tag_uint(struct tw__call_tags *tags, enum tw__call_key key, uint64_t value)
{
    add(tags, &(struct tw__tag_in){.key = id_of(tags->block, key), .type = TW__TAG_UINT, .bits = value});
}

void tw__call_tag_bool(struct tw__call_tags *tags, enum tw__call_key key, bool value)
{
    add(tags, &(struct tw__tag_in){.key = id_of(tags->block, key), .type = TW__TAG_BOOL, .len = value});
}

/* A word of the entrypoint: by its id, or as text where the dictionary is full. */
static void tag_word(struct tw__call_tags *tags, enum tw__call_key key, struct tw__call_rules *rules, unsigned which)
{
    struct tw__block *block = tags->block;
    uint32_t id = tw__load_relaxed(&rules->ids[which]);
    struct tw_text word = rules->words[which];
    if (!id && word.len && word.len <= TW_NAME_MAX) {
        id = tw__dict_text(tw__segment_of(block), word.ptr, word.len);
        if (id && tw__ids_hold(block)) tw__store_relaxed(&rules->ids[which], id);
    }
    if (id)
        add(tags, &(struct tw__tag_in){.key = id_of(block, key), .type = TW__TAG_LITERAL, .bits = id});
    else
        tw__call_tag_text(tags, key, word.ptr, word.len);
}

static size_t stack_text(const struct tw_call_chain *chain, char *out)
{
    size_t len = 0, at = 0;
    out[len++] = '[';
    for (size_t i = 0; i < chain->count; i++) {
        size_t id = strlen(chain->text + at);
        if (i) out[len++] = ',';
        out[len++] = '"';
        memcpy(out + len, chain->text + at, id);
        len += id;
        out[len++] = '"';
        at += id + 1;
    }
    out[len++] = ']';
    return len;
}

void tw__call_tags_common(struct tw__call_tags *tags, const struct tw_call *call, struct tw__call_own *own, char *stack)
{
    struct tw__call_rules *rules =
        (struct tw__call_rules *)(uintptr_t)own->rules; /* its ids are the only part that changes */
    tag_word(tags, TW__CALL_service, rules, TW__CALL_SERVICE);
    tag_word(tags, TW__CALL_entrypoint_type, rules, TW__CALL_TYPE);
    tag_word(tags, TW__CALL_entrypoint_name, rules, TW__CALL_NAME);
    tw__call_tag_text(tags, TW__CALL_context_data, own->context.ptr, own->context.len);
    tw__call_tag_text(tags, TW__CALL_call_id, call->chain.text + call->chain.len - own->id_len - 1, own->id_len);
    tw__call_tag_text(tags, TW__CALL_call_id_stack, stack, stack_text(&call->chain, stack));
    if (own->has_parents)
        tw__call_tag_text(tags, TW__CALL_origin_call_id, call->chain.origin, strlen(call->chain.origin));
    tw__call_tag_text(tags, TW__CALL_call_args, own->args.ptr, own->args.len);
    tw__call_tag_bool(tags, TW__CALL_call_args_redacted, own->rules->paths != NULL);
    if (own->args.counted) {
        tw__call_tag_bool(tags, TW__CALL_call_args_truncated, own->args.truncated);
        tw__call_tag_uint(tags, TW__CALL_call_args_length, own->args.chars);
    }
}
