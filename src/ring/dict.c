/* dict: names, keys and sites, once each, beside the arena and never overwritten.
 *
 *     | units | head | payload ... | units | head | payload ... |       id of an entry = its offset / 8
 *
 * An entry is reserved by adding to dict_used, written, and committed by its head. Nobody refers to an id before its
 * head is there, so a writer that dies in between leaves an entry that no record names. The table of hashes is the
 * writer's own and only saves room: when two threads enter the same text at once, both ids are good.
 *
 * Limits: 1 MiB in all; keys must begin in its first half, because records name them with 16 bits.
 * Rejected: a lock (a signal handler may be the one to meet a site first).
 */
#include "ring/segment.h"

#include <string.h>

#include "base/atomics.h"
#include "base/os.h"

static uint32_t hash_bytes(uint32_t hash, const void *bytes, size_t len)
{
    const uint8_t *b = bytes;
    for (size_t i = 0; i < len; i++) hash = (hash ^ b[i]) * 16777619u;
    return hash;
}

static struct tw__entry *entry_at(const struct tw__segment *segment, uint32_t id)
{
    return (struct tw__entry *)(void *)(segment->dict + (size_t)id * 8);
}

/* Reserves units and makes sure that there is memory behind them. Returns the id, or UINT32_MAX. */
static uint32_t reserve(struct tw__segment *segment, uint32_t units, uint32_t max_bytes)
{
    uint32_t *used = &segment->header->dict_used;
    uint32_t at = tw__load_relaxed(used);
    do {
        if (((uint64_t)at + units) * 8 > TW__DICT_BYTES || (uint64_t)at * 8 >= max_bytes) return UINT32_MAX;
        uint32_t backed = tw__load_acquire(&segment->dict_backed);
        if ((at + units) * 8 > backed) {
            size_t dict_off = (size_t)(segment->dict - segment->map);
            if (tw__os_back(segment->backing.fd, segment->path, segment->map, dict_off + backed, TW__DICT_STEP) < 0)
                return UINT32_MAX;
            (void)tw__cas_acq_rel(&segment->dict_backed, &backed, backed + TW__DICT_STEP);
            at = tw__load_relaxed(used);
            continue; /* look again; at + units was checked against the old mark */
        }
        if (tw__cas_acq_rel(used, &at, at + units)) return at;
    } while (true);
}

struct piece {
    const void *ptr;
    size_t len;
};

static bool entry_equals(const struct tw__entry *entry, uint32_t head, const struct piece *pieces, size_t count)
{
    if (tw__load_acquire(&entry->head) != head) return false; /* pairs with enter's release */
    const uint8_t *at = (const uint8_t *)(entry + 1);
    for (size_t i = 0; i < count; i++) {
        if (memcmp(at, pieces[i].ptr, pieces[i].len) != 0) return false;
        at += pieces[i].len;
    }
    return true;
}

static uint32_t enter(struct tw__segment *segment, enum tw__entry_kind kind, const struct piece *pieces, size_t count,
                      uint32_t max_bytes)
{
    size_t len = 0;
    uint32_t hash = 2166136261u ^ (uint32_t)kind;
    for (size_t i = 0; i < count; i++) {
        len += pieces[i].len;
        hash = hash_bytes(hash, pieces[i].ptr, pieces[i].len);
    }
    uint32_t head = (uint32_t)kind << 24 | (uint32_t)len;
    uint32_t *place = NULL;
    for (uint32_t probe = 0; probe < 16; probe++) {
        uint32_t *p = &segment->dedup[(hash + probe) % TW__DEDUP_SLOTS];
        uint32_t id = tw__load_acquire(p);
        if (id == 0) {
            place = p;
            break;
        }
        if ((uint64_t)id * 8 < max_bytes && entry_equals(entry_at(segment, id), head, pieces, count)) return id;
    }
    uint32_t units = (uint32_t)((sizeof(struct tw__entry) + len + 7) / 8);
    uint32_t id = reserve(segment, units, max_bytes);
    if (id == UINT32_MAX) return 0;
    struct tw__entry *entry = entry_at(segment, id);
    tw__store_relaxed(&entry->units, units);
    uint8_t *at = (uint8_t *)(entry + 1);
    for (size_t i = 0; i < count; i++) {
        memcpy(at, pieces[i].ptr, pieces[i].len);
        at += pieces[i].len;
    }
    tw__store_release(&entry->head, head); /* pairs with entry_equals and with the reader */
    uint32_t empty = 0;
    if (place) (void)tw__cas_acq_rel(place, &empty, id);
    return id;
}

uint32_t tw__dict_text(struct tw__segment *segment, const char *text, size_t len)
{
    return enter(segment, TW__ENTRY_TEXT, &(struct piece){text, len}, 1, TW__DICT_BYTES);
}

uint16_t tw__dict_key(struct tw__segment *segment, const char *text, size_t len)
{
    return (uint16_t)enter(segment, TW__ENTRY_TEXT, &(struct piece){text, len}, 1, TW__DICT_KEY_MAX * 8);
}

uint32_t tw__dict_site(struct tw__segment *segment, const struct tw__dict_site *site)
{
    struct {
        uint32_t line;
        uint16_t name, module, function;
        uint8_t type, level;
    } fixed = {site->line, (uint16_t)strlen(site->name), (uint16_t)strlen(site->module),
               (uint16_t)strlen(site->function), site->type, site->level};
    struct piece pieces[] = {{&fixed, 12}, {site->name, fixed.name}, {site->module, fixed.module},
                             {site->function, fixed.function}};
    return enter(segment, TW__ENTRY_SITE, pieces, 4, TW__DICT_BYTES);
}

int tw__dict_inherit(struct tw__segment *segment, const struct tw__segment *from)
{
    uint32_t used = tw__load_acquire(&from->header->dict_used);
    if ((size_t)used * 8 > TW__DICT_BYTES) return TW_ERR_CORRUPT;
    while ((size_t)used * 8 > segment->dict_backed) {
        size_t dict_off = (size_t)(segment->dict - segment->map);
        int result = tw__os_back(segment->backing.fd, segment->path, segment->map, dict_off + segment->dict_backed,
                                 TW__DICT_STEP);
        if (result < 0) return result;
        segment->dict_backed += TW__DICT_STEP;
    }
    memcpy(segment->dict, from->dict, (size_t)used * 8);
    memcpy(segment->dedup, from->dedup, sizeof segment->dedup);
    tw__store_release(&segment->header->dict_used, used); /* pairs with reserve */
    return 0;
}
