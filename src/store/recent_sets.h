/* recent_sets: what the files of a table share: its sets, by which everything that is equal has one id. For
 * src/store/recent*.c alone. */
#ifndef TW_STORE_RECENT_SETS_H
#define TW_STORE_RECENT_SETS_H

#include "store/recent.h"

/* Makes room for more things of size bytes behind count. array: the address of its pointer. */
int tw__recent_grow(void *array, size_t count, size_t more, size_t *cap, size_t size);

/* Room for one more, so that a place found stays a place. 0 or TW_ERR_MEMORY. */
int tw__set_room(struct tw__set *set);
/* Forgets ids from first on. */
void tw__set_cut(struct tw__set *set, size_t first);
void tw__set_reset(struct tw__set *set);

uint32_t tw__string_hash(struct tw_text text);

/* Ids of texts (with their hash), lists of fields and origins, added if they are not there. 0 or TW_ERR_MEMORY. *fresh:
 * it was added. An origin's tags stand at the end of values; they are taken off again when it was there already. */
int tw__add_string(struct tw__recent *recent, struct tw_text text, uint32_t hash, uint32_t *out, bool *fresh);
int tw__add_shape(struct tw__recent *recent, const uint32_t *fields, size_t count, uint32_t *out);
int tw__add_origin(struct tw__recent *recent, bool scope, const struct tw__origin *origin, uint32_t *out);

#endif
