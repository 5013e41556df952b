/* recent_table: a table's beginning and end, what a journal says of it checked, what was added taken back.
 *
 * What comes from a file is checked once, here: every index is below its count.
 */
#include "store/recent_sets.h"

#include <stdlib.h>
#include <string.h>

#include "store/store.h"

/* Ways and seen texts point at what may be gone. */
static void forget(struct tw__recent *recent)
{
    recent->way_count = 1;
    recent->ways[0] = (struct tw__way){0};
    memset(recent->seen, 0, TW__SEEN * sizeof *recent->seen);
    recent->later_count = 0;
}

void tw__recent_undo(struct tw__recent *recent, const struct tw__recent_counts *before)
{
    recent->count = *before; /* bytes of strings stay in the pool until the table goes */
    tw__set_cut(&recent->string_set, before->strings);
    tw__set_cut(&recent->shape_set, before->shapes);
    tw__set_cut(&recent->resource_set, before->resources);
    tw__set_cut(&recent->scope_set, before->scopes);
    forget(recent);
}

int tw__recent_reserve(struct tw__recent *recent, const struct tw__recent_counts *more)
{
    if (tw__recent_grow(&recent->strings, recent->count.strings, more->strings, &recent->cap.strings,
                        sizeof *recent->strings) < 0)
        return TW_ERR_MEMORY;
#define RESERVE(name, type)                                                                                            \
    if (tw__recent_grow(&recent->name, recent->count.name, more->name, &recent->cap.name, sizeof(type)) < 0)           \
        return TW_ERR_MEMORY;
    TW__RECENT_ARRAYS(RESERVE)
#undef RESERVE
    return 0;
}

static bool list_valid(const struct tw__recent *recent, const struct tw__tag_list *list)
{
    const struct tw__recent_counts *count = &recent->count;
    if (list->shape >= count->shapes) return false;
    const struct tw__shape *shape = &recent->shapes[list->shape];
    size_t at = list->values;
    for (size_t i = 0; i < shape->count; i++) {
        uint32_t field = recent->fields[shape->first + i];
        if (at >= count->values) return false;
        if (TW__FIELD_TYPE(field) >= TW_TYPE_STR && recent->values[at] >= count->strings) return false;
        at += 1 + TW__FIELD_CUT(field);
    }
    return at <= count->values;
}

static bool origins_valid(const struct tw__recent *recent, const struct tw__origin *items, size_t first, size_t count)
{
    size_t strings = recent->count.strings;
    for (size_t i = first; i < count; i++)
        if (items[i].name >= strings || items[i].version >= strings || items[i].schema_url >= strings ||
            !list_valid(recent, &items[i].tags))
            return false;
    return true;
}

static bool row_valid(const struct tw__recent *recent, const struct tw__row *row)
{
    const struct tw__recent_counts *count = &recent->count;
    return row->name < count->strings && row->status_message < count->strings && row->trace_state < count->strings &&
           row->resource < count->resources && row->scope < count->scopes && list_valid(recent, &row->tags) &&
           row->first_event <= count->events && row->event_count <= count->events - row->first_event &&
           row->first_link <= count->links && row->link_count <= count->links - row->first_link && row->open <= 1;
}

bool tw__recent_valid(const struct tw__recent *recent, const struct tw__recent_counts *before)
{
    const struct tw__recent_counts *count = &recent->count;
    for (size_t i = before->fields; i < count->fields; i++)
        if (TW__FIELD_KEY(recent->fields[i]) >= count->strings) return false;
    for (size_t i = before->shapes; i < count->shapes; i++)
        if (recent->shapes[i].first > count->fields ||
            recent->shapes[i].count > count->fields - recent->shapes[i].first)
            return false;
    if (!origins_valid(recent, recent->resources, before->resources, count->resources) ||
        !origins_valid(recent, recent->scopes, before->scopes, count->scopes))
        return false;
    for (size_t i = before->events; i < count->events; i++)
        if (recent->events[i].name >= count->strings || !list_valid(recent, &recent->events[i].tags)) return false;
    for (size_t i = before->links; i < count->links; i++)
        if (recent->links[i].trace_state >= count->strings || !list_valid(recent, &recent->links[i].tags)) return false;
    for (size_t i = before->rows; i < count->rows; i++)
        if (!row_valid(recent, &recent->rows[i])) return false;
    return true;
}

static int begin(struct tw__recent *recent)
{
    struct tw__recent_counts one = {.strings = 1, .shapes = 1, .fields = 1, .values = 1, .scopes = 1};
    if (!recent->ways) recent->ways = malloc(TW__WAYS * sizeof *recent->ways);
    if (!recent->seen) recent->seen = malloc(TW__SEEN * sizeof *recent->seen);
    if (!recent->ways || !recent->seen || tw__recent_reserve(recent, &one) < 0 ||
        tw__set_room(&recent->string_set) < 0 || tw__set_room(&recent->shape_set) < 0) {
        tw__recent_fini(recent);
        return TW_ERR_MEMORY;
    }
    forget(recent);
    recent->strings[recent->count.strings++] = (struct tw_text){"", 0};
    recent->shapes[recent->count.shapes++] = (struct tw__shape){0, 0};
    uint32_t scope;
    if (tw__add_origin(recent, true, &(struct tw__origin){0}, &scope) < 0) {
        tw__recent_fini(recent);
        return TW_ERR_MEMORY;
    }
    return 0;
}

int tw__recent_reset(struct tw__recent *recent)
{
    recent->count = (struct tw__recent_counts){0};
    tw__pool_reset(&recent->pool);
    tw__set_reset(&recent->string_set);
    tw__set_reset(&recent->shape_set);
    tw__set_reset(&recent->resource_set);
    tw__set_reset(&recent->scope_set);
    return begin(recent);
}

int tw__recent_init(struct tw__recent *recent)
{
    *recent = (struct tw__recent){0};
    return begin(recent);
}

void tw__recent_fini(struct tw__recent *recent)
{
#define FREE(name, type) free(recent->name);
    TW__RECENT_ARRAYS(FREE)
#undef FREE
    free(recent->strings);
    free(recent->scratch);
    free(recent->ways);
    free(recent->seen);
    free(recent->string_set.slots);
    free(recent->shape_set.slots);
    free(recent->resource_set.slots);
    free(recent->scope_set.slots);
    tw__pool_fini(&recent->pool);
    *recent = (struct tw__recent){0};
}

size_t tw__recent_bytes(const struct tw__recent *recent)
{
    size_t bytes = recent->count.string_bytes + recent->count.strings * (sizeof *recent->strings + 24);
#define ADD_BYTES(name, type) bytes += recent->count.name * sizeof(type);
    TW__RECENT_ARRAYS(ADD_BYTES)
#undef ADD_BYTES
    return bytes;
}
