/* site: see the header. A site that finds no room in the dictionary is registered as "?" and counted once. */
#include "trace/site.h"

#include <string.h>

/* "src/shop/cart.c" -> "cart". */
static void module_of(const char *file, char module[64])
{
    const char *slash = strrchr(file, '/');
    const char *base = slash ? slash + 1 : file;
    const char *dot = strrchr(base, '.');
    size_t len = dot && dot != base ? (size_t)(dot - base) : strlen(base);
    if (len > 63) len = 63;
    memcpy(module, base, len);
    module[len] = 0;
}

/* As much of a name as can be kept: never a part of a UTF-8 character. */
static size_t kept_of(struct tw__block *block, const char *from)
{
    size_t len = strnlen(from, TW_NAME_MAX + 1);
    if (len <= TW_NAME_MAX) return len;
    tw__count(&block->losses[TW__LOSS_cut_long]);
    len = TW_NAME_MAX;
    while (len && ((unsigned char)from[len] & 0xc0) == 0x80) len--;
    return len;
}

static void cut(struct tw__block *block, const char *from, char to[TW_NAME_MAX + 1])
{
    size_t len = kept_of(block, from);
    memcpy(to, from, len);
    to[len] = 0;
}

uint64_t tw__site_head(struct tw__block *block, struct tw_site *site, uint16_t head_bytes)
{
    uint64_t head = tw__load_relaxed(&site->head);
    if (head) return head;
    char module[64], name[TW_NAME_MAX + 1], function[TW_NAME_MAX + 1];
    module_of(site->module, module);
    cut(block, site->name, name);
    cut(block, site->function, function);
    const struct tw__dict_site entry = {name, module, function, site->line, site->type, site->level};
    uint32_t id = tw__dict_site(tw__segment_of(block), &entry);
    if (!id) tw__count(&block->losses[TW__LOSS_no_dictionary]);
    head = head_bytes | (uint64_t)site->type << 16 | (uint64_t)id << 32;
    if (tw__ids_hold(block)) tw__store_relaxed(&site->head, head);
    return head;
}

uint16_t tw__key_id(struct tw__block *block, const char *name)
{
    uint16_t id = tw__dict_key(tw__segment_of(block), name, kept_of(block, name));
    if (!id) tw__count(&block->losses[TW__LOSS_no_dictionary]);
    return id;
}

void tw__key_register(struct tw__block *block, struct tw_key *key, enum tw__tag type)
{
    uint32_t head = tw__key_id(block, key->name) | (uint32_t)type << 16;
    if (!tw__ids_hold(block)) return;
    tw__store_relaxed(&key->head, head);
    tw__store_release(&key->size, 16); /* pairs with <trackway/tag.h> */
}
