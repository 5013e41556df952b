/* site: see the header. A site that finds no room in the dictionary is registered as "?" and counted once. */
#include "trace/site.h"

#include <string.h>

#include <trackway/log.h>

#include "ring/tags.h"

/* "src/shop/cart.c" -> "cart". */
void tw__module_of(const char *file, char module[TW__MODULE_CAP])
{
    const char *slash = strrchr(file, '/');
    const char *base = slash ? slash + 1 : file;
    const char *dot = strrchr(base, '.');
    size_t len = dot && dot != base ? (size_t)(dot - base) : strlen(base);
    if (len >= TW__MODULE_CAP) len = TW__MODULE_CAP - 1;
    memcpy(module, base, len);
    module[len] = 0;
}

/* As much of a name as can be kept: never a part of a UTF-8 character. */
static size_t kept_of(struct tw__block *block, const char *from, size_t max)
{
    size_t len = strnlen(from, max + 1);
    if (len <= max) return len;
    tw__count(&block->losses[TW__LOSS_cut_long]);
    len = max;
    while (len && ((unsigned char)from[len] & 0xc0) == 0x80) len--;
    return len;
}

static void cut(struct tw__block *block, const char *from, char *to, size_t max)
{
    size_t len = kept_of(block, from, max);
    memcpy(to, from, len);
    to[len] = 0;
}

uint64_t tw__site_head(struct tw__block *block, struct tw_site *site, uint16_t head_bytes)
{
    uint64_t head = tw__load_relaxed(&site->head);
    if (head) return head;
    char module[TW__MODULE_CAP], name[TW_LOG_FORMAT_MAX + 1], function[TW_NAME_MAX + 1];
    tw__module_of(site->module, module);
    cut(block, site->name, name, site->type == TW__TYPE_LOG ? (size_t)TW_LOG_FORMAT_MAX : (size_t)TW_NAME_MAX);
    cut(block, site->function, function, TW_NAME_MAX);
    const struct tw__dict_site entry = {name, module, function, site->line, site->type, site->level};
    uint32_t id = tw__dict_site(tw__segment_of(block), &entry);
    if (!id) tw__count(&block->losses[TW__LOSS_no_dictionary]);
    head = head_bytes | (uint64_t)site->type << 16 | (uint64_t)id << 32;
    if (site->type == TW__TYPE_LOG) head |= (uint64_t)(site->level & 7) << 24;
    if (tw__ids_hold(block)) tw__store_relaxed(&site->head, head);
    return head;
}

uint16_t tw__key_id(struct tw__block *block, const char *name)
{
    uint16_t id = tw__dict_key(tw__segment_of(block), name, kept_of(block, name, TW_NAME_MAX));
    if (!id) tw__count(&block->losses[TW__LOSS_no_dictionary]);
    return id;
}

void tw__key_register(struct tw__block *block, struct tw_key *key, enum tw__tag type)
{
    uint32_t head = tw__key_id(block, key->name) | (uint32_t)type << 16;
    if (!tw__ids_hold(block)) return;
    tw__store_relaxed(&key->head, head);
    const struct tw__tag_in tag = {.type = (uint8_t)type};
    tw__store_release(&key->size, tw__tag_size(&tag)); /* pairs with <trackway/tag.h> */
}
