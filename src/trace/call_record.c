/* call_record: the tags of a call's records, as the bytes that they are in the segment.
 *
 * What both records have is written once, into the caller's storage, and copied into each as a whole: each is complete
 * in itself, whatever was overwritten. Long texts are formatted where they will stand, behind room for the head that a
 * text of any length can have. Keys are registered in the dictionary once, and so are the words of an entrypoint
 * (service, type, name), which take eight bytes each.
 *
 * Invariant: len is a multiple of 8 and len <= cap; a tag that does not fit is left out, and full says so.
 */
#include <string.h>

#include "trace/call.h"
#include "trace/site.h"

enum { LONG_HEAD = 12 };

static struct tw_key keys[TW__CALL_KEY_COUNT] = {
#define KEY(text) [TW__CALL_##text] = {0, TW__KEY_NEW, #text, NULL, 0},
    TW__CALL_KEYS(KEY)
#undef KEY
};

static uint32_t id_of(struct tw__block *block, enum tw__call_key key)
{
    uint32_t head = tw__load_relaxed(&keys[key].head);
    if (__builtin_expect(head != 0, 1)) return head & 0xffff;
    tw__key_register(block, &keys[key], TW__TAG_STR);
    head = tw__load_relaxed(&keys[key].head);
    return head ? head & 0xffff : tw__key_id(block, keys[key].name);
}

static uint8_t *place(struct tw__call_image *image, size_t size)
{
    if (image->cap - image->len < size) {
        image->full = true;
        return NULL;
    }
    uint8_t *at = image->bytes + image->len;
    image->len += size;
    return at;
}

static void put_head(uint8_t *at, uint32_t head, uint32_t next)
{
    memcpy(at, &head, 4);
    memcpy(at + 4, &next, 4);
}

void tw__call_put_uint(struct tw__call_image *image, enum tw__call_key key, uint64_t value)
{
    uint8_t *at = place(image, 16);
    if (!at) return;
    put_head(at, id_of(image->block, key) | (uint32_t)TW__TAG_UINT << 16, 0);
    memcpy(at + 8, &value, 8);
}

void tw__call_put_bool(struct tw__call_image *image, enum tw__call_key key, bool value)
{
    uint8_t *at = place(image, 8);
    if (at) put_head(at, id_of(image->block, key) | (uint32_t)TW__TAG_BOOL << 16 | (uint32_t)value << 24, 0);
}

char *tw__call_text_room(struct tw__call_image *image, size_t max, size_t *room)
{
    size_t left = image->cap - image->len;
    *room = left > LONG_HEAD + 8 ? left - LONG_HEAD - 8 : 0;
    if (*room > max) *room = max;
    return (char *)image->bytes + image->len + LONG_HEAD;
}

void tw__call_text_done(struct tw__call_image *image, enum tw__call_key key, size_t len)
{
    static const uint64_t zero;
    uint8_t *at = place(image, (LONG_HEAD + len + 7) & ~(size_t)7);
    if (!at) return;
    uint32_t length = (uint32_t)len;
    put_head(at, id_of(image->block, key) | (uint32_t)TW__TAG_LONG << 16, length | (uint32_t)TW__TAG_STR << 24);
    memcpy(at + 8, &length, 4);
    memcpy(at + LONG_HEAD + len, &zero, (8 - (LONG_HEAD + len) % 8) % 8);
}

void tw__call_put_text(struct tw__call_image *image, enum tw__call_key key, const char *text, size_t len)
{
    if (len > 255) {
        size_t room;
        char *at = tw__call_text_room(image, len, &room);
        len = tw__text_cut(text, len, room);
        memcpy(at, text, len);
        tw__call_text_done(image, key, len);
        return;
    }
    uint8_t *at = place(image, (4 + len + 7) & ~(size_t)7);
    if (!at) return;
    memset(at + ((4 + len) & ~(size_t)7), 0, (4 + len) % 8 ? 8 : 0);
    uint32_t head = id_of(image->block, key) | (uint32_t)TW__TAG_STR << 16 | (uint32_t)len << 24;
    memcpy(at, &head, 4);
    memcpy(at + 4, text, len);
}

/* A word of the entrypoint: by its id, or as text where the dictionary is full. */
static void put_word(struct tw__call_image *image, enum tw__call_key key, struct tw__call_rules *rules, unsigned which)
{
    uint32_t id = tw__load_relaxed(&rules->ids[which]);
    struct tw_text word = rules->words[which];
    if (!id && word.len && word.len <= TW_NAME_MAX) {
        id = tw__dict_text(tw__segment_of(image->block), word.ptr, word.len);
        if (id && tw__ids_hold(image->block)) tw__store_relaxed(&rules->ids[which], id);
    }
    if (!id) {
        tw__call_put_text(image, key, word.ptr, tw__text_cut(word.ptr, word.len, TW_NAME_MAX));
        return;
    }
    uint8_t *at = place(image, 8);
    if (at) put_head(at, id_of(image->block, key) | (uint32_t)TW__TAG_LITERAL << 16, id);
}

/* last: the length of its last id, which was put there a moment ago and is slow to read again. */
static void put_stack(struct tw__call_image *image, const struct tw_call_chain *chain, size_t last)
{
    size_t room, len = 0;
    char *out = tw__call_text_room(image, SIZE_MAX, &room);
    if (chain->len + 4u * chain->count + 2 > room) return; /* there is room for the longest: call.h */
    out[len++] = '[';
    for (size_t i = 0, at = 0; i < chain->count; i++) {
        size_t id = i + 1u == chain->count ? last : strlen(chain->text + at);
        if (i) out[len++] = ',';
        out[len++] = '"';
        memcpy(out + len, chain->text + at, id);
        len += id;
        out[len++] = '"';
        at += id + 1;
    }
    out[len++] = ']';
    tw__call_text_done(image, TW__CALL_call_id_stack, len);
}

void tw__call_put_who(struct tw__call_image *image, const struct tw_call *call, const struct tw__call_own *own)
{
    struct tw__call_rules *rules =
        (struct tw__call_rules *)(uintptr_t)own->rules; /* its ids are the only part that changes */
    put_word(image, TW__CALL_service, rules, TW__CALL_SERVICE);
    put_word(image, TW__CALL_entrypoint_type, rules, TW__CALL_TYPE);
    put_word(image, TW__CALL_entrypoint_name, rules, TW__CALL_NAME);
    tw__call_put_text(image, TW__CALL_call_id, call->chain.text + call->chain.len - own->id_len - 1, own->id_len);
    put_stack(image, &call->chain, own->id_len);
    if (own->has_parents)
        tw__call_put_text(image, TW__CALL_origin_call_id, call->chain.origin, strlen(call->chain.origin));
    tw__call_put_bool(image, TW__CALL_call_args_redacted, rules->paths != NULL);
}
