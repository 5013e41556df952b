/* texts: the dictionary as a reader sees it.
 *
 * Ids come from records, so any of them may be nonsense; each is checked against the dictionary's length before a byte
 * of it is touched. An entry is copied once per read, because the records must outlive the mapping, and found again
 * through a table. The copies of one read are together no longer than the dictionary: honest entries do not overlap, so
 * whoever needs more is lying and reads "?".
 */
#include <stdlib.h>
#include <string.h>

#include "base/atomics.h"
#include "ring/decode.h"

enum { SITE_FIXED = 12 };

static const struct tw__text_entry unknown = {.name = {"?", 1}, .bad = true};

void tw__texts_init(struct tw__texts *texts, const struct tw_reader *reader, struct tw__slabs *slabs)
{
    *texts = (struct tw__texts){.reader = reader, .slabs = slabs, .budget = reader->shape.dict_bytes};
}

void tw__texts_fini(struct tw__texts *texts)
{
    free(texts->entries);
    free(texts->table);
}

static bool parse_site(const char *payload, uint32_t len, struct tw__text_entry *entry)
{
    struct {
        uint32_t line;
        uint16_t name, module, function;
        uint8_t type, level;
    } fixed;
    if (len < SITE_FIXED) return false;
    memcpy(&fixed, payload, SITE_FIXED);
    if ((uint32_t)fixed.name + fixed.module + fixed.function > len - SITE_FIXED) return false;
    const char *text = payload + SITE_FIXED;
    entry->line = fixed.line;
    entry->site = true;
    entry->name = (struct tw_text){text, fixed.name};
    entry->module = (struct tw_text){text + fixed.name, fixed.module};
    entry->function = (struct tw_text){text + fixed.name + fixed.module, fixed.function};
    return true;
}

/* Copies an entry out of the segment. False when it makes no sense. */
static bool load(struct tw__texts *texts, uint32_t id, struct tw__text_entry *entry)
{
    const struct tw__shape *shape = &texts->reader->shape;
    uint64_t at = (uint64_t)id * 8;
    if (shape->dict_bytes < sizeof(struct tw__entry) || at > shape->dict_bytes - sizeof(struct tw__entry)) return false;
    const void *place = texts->reader->map + shape->dict_off + at;
    const struct tw__entry *stored = place;
    uint32_t head = tw__load_acquire(&stored->head); /* pairs with dict.c: enter */
    uint64_t room = (uint64_t)tw__load_relaxed(&stored->units) * 8;
    uint32_t kind = head >> 24, len = head & 0xffffff;
    uint64_t padded = ((uint64_t)len + 7) / 8 * 8;
    if (room > shape->dict_bytes - at || room < sizeof *stored || padded > room - sizeof *stored) return false;
    if ((kind != TW__ENTRY_TEXT && kind != TW__ENTRY_SITE) || padded > texts->budget) return false;

    char *copy = tw__slabs_take(texts->slabs, (size_t)padded + 1);
    if (!copy) {
        texts->no_memory = true;
        return false;
    }
    tw__words_copy_from(copy, stored + 1, (size_t)padded);
    texts->budget -= padded;
    if (kind == TW__ENTRY_SITE) return parse_site(copy, len, entry);
    entry->name = (struct tw_text){copy, len};
    return true;
}

static bool grow(struct tw__texts *texts)
{
    struct tw__text_entry *entries = tw__array_room(texts->entries, &texts->cap, texts->count + 1, sizeof *entries);
    if (!entries) return false;
    texts->entries = entries;
    if (texts->table_size > texts->count * 2) return true;
    size_t size = texts->table_size ? texts->table_size * 2 : 256;
    uint32_t *table = calloc(size, sizeof *table);
    if (!table) return false;
    free(texts->table);
    texts->table = table;
    texts->table_size = size;
    for (size_t i = 0; i < texts->count; i++) {
        size_t h = tw__texts_place(texts, texts->entries[i].id);
        while (table[h]) h = (h + 1) & (size - 1);
        table[h] = (uint32_t)(i + 1);
    }
    return true;
}

const struct tw__text_entry *tw__texts_find(struct tw__texts *texts, uint32_t id)
{
    if (id == 0) return &unknown;
    size_t h = 0;
    if (texts->table_size) {
        for (h = tw__texts_place(texts, id); texts->table[h]; h = (h + 1) & (texts->table_size - 1)) {
            const struct tw__text_entry *there = &texts->entries[texts->table[h] - 1];
            if (there->id == id) return there;
        }
    }
    struct tw__text_entry entry = {.id = id};
    if (!grow(texts)) {
        texts->no_memory = true;
        return &unknown;
    }
    if (!load(texts, id, &entry)) {
        texts->damaged++;
        entry = unknown;
        entry.id = id;
    }
    for (h = tw__texts_place(texts, id); texts->table[h]; h = (h + 1) & (texts->table_size - 1)) {}
    texts->entries[texts->count++] = entry;
    texts->table[h] = (uint32_t)texts->count;
    return &texts->entries[texts->count - 1];
}
