/* sites: which places of its source a process has recorded from, by its dictionary.
 *
 * One walk over the entries, from the first on, each as long as it says it is. An entry that makes no sense ends the
 * walk: what lies behind it cannot be found. One that is not committed yet is stepped over.
 */
#include <stdlib.h>

#include "base/atomics.h"
#include "ring/decode.h"

int tw_reader_sites(struct tw_reader *reader, tw_site_fn *fn, void *data)
{
    struct tw__slabs slabs = {0};
    struct tw__texts texts;
    int count = 0;
    if (!tw__view_is_whole(reader)) return TW_ERR_CORRUPT;
    tw__texts_init(&texts, reader, &slabs);
    uint64_t used = (uint64_t)tw__load_acquire(&tw__view_header(reader)->dict_used) * 8,
             bytes = reader->shape.dict_bytes;
    if (used > bytes) used = bytes;
    for (uint64_t at = 0, length; used - at >= sizeof(struct tw__entry); at += length) {
        const void *place = reader->map + reader->shape.dict_off + at;
        const struct tw__entry *entry = place;
        length = (uint64_t)tw__load_relaxed(&entry->units) * 8;
        if (length < sizeof *entry || length > used - at) break;
        uint32_t head = tw__load_acquire(&entry->head); /* pairs with dict.c: enter */
        if (head >> 24 != TW__ENTRY_SITE) continue;
        const struct tw__text_entry *site = tw__texts_get(&texts, (uint32_t)(at / 8));
        if (texts.no_memory) break;
        if (!site->site) continue;
        count++;
        if (!fn(&(struct tw_site_value){site->name, site->module, site->function, site->line}, data)) break;
    }
    bool failed = texts.no_memory;
    tw__texts_fini(&texts);
    tw__slabs_free(&slabs);
    return failed ? TW_ERR_MEMORY : count;
}
