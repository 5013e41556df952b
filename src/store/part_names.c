/* part_names: operations and keys of spans on their way into a partition join its lists.
 *
 * Counted in memory first: a journal has some thousand operations, and each is one statement.
 * Limits: LIST_MAX operations and as many keys a partition; beyond it new ones are left out of the lists, never of the
 * store.
 */
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "store/part.h"
#include "store/part_sql.h"
#include "store/store.h"

enum { LIST_MAX = 65536 };

/* Things counted by three numbers. */
struct tally {
    uint32_t key[3];
    uint32_t count; /* 0: free */
};
struct tallies {
    struct tally *slots;
    size_t mask, used;
};

static size_t slot_of(const uint32_t key[3], size_t mask)
{
    uint64_t mixed = ((uint64_t)key[0] << 32 | key[1]) * UINT64_C(0x9e3779b97f4a7c15) + key[2];
    return (size_t)(mixed * UINT64_C(0xff51afd7ed558ccd) >> 32) & mask;
}

static int grow(struct tallies *tallies)
{
    size_t cap = tallies->slots ? (tallies->mask + 1) * 2 : 4096;
    struct tally *slots = calloc(cap, sizeof *slots);
    if (!slots) return TW_ERR_MEMORY;
    for (size_t i = 0; tallies->slots && i <= tallies->mask; i++) {
        if (!tallies->slots[i].count) continue;
        size_t at = slot_of(tallies->slots[i].key, cap - 1);
        while (slots[at].count) at = (at + 1) & (cap - 1);
        slots[at] = tallies->slots[i];
    }
    free(tallies->slots);
    tallies->slots = slots;
    tallies->mask = cap - 1;
    return 0;
}

static int count_one(struct tallies *tallies, uint32_t a, uint32_t b, uint32_t c, uint32_t times)
{
    const uint32_t key[3] = {a, b, c};
    if ((!tallies->slots || tallies->used >= tallies->mask / 2) && grow(tallies) < 0) return TW_ERR_MEMORY;
    size_t at = slot_of(key, tallies->mask);
    struct tally *tally = &tallies->slots[at];
    while (tally->count && (tally->key[0] != a || tally->key[1] != b || tally->key[2] != c))
        tally = &tallies->slots[at = (at + 1) & tallies->mask];
    if (!tally->count) {
        memcpy(tally->key, key, sizeof key);
        tallies->used++;
    }
    tally->count += times;
    return 0;
}

static int64_t rows_of(struct tw__part *part, const char *sql)
{
    struct sqlite3_stmt *stmt;
    int64_t rows = 0;
    if (sqlite3_prepare_v2(part->writer, sql, -1, &stmt, NULL) != SQLITE_OK) return 0;
    if (sqlite3_step(stmt) == SQLITE_ROW) rows = sqlite3_column_int64(stmt, 0);
    (void)sqlite3_finalize(stmt);
    return rows;
}

/* Adds the counts to rows that are there, and makes new rows while there is room. */
static int upsert(struct tw__part *part, const struct tallies *tallies, const struct tw__recent *recent, bool keys)
{
    static const char *const inserts[] = {
        "INSERT INTO operation VALUES(?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET spans = spans + excluded.spans",
        "INSERT INTO key VALUES(?3, ?1, ?4) ON CONFLICT DO UPDATE SET spans = spans + excluded.spans"};
    static const char *const updates[] = {
        "UPDATE operation SET spans = spans + ?4 WHERE service = ?1 AND name = ?2 AND kind = ?3",
        "UPDATE key SET spans = spans + ?4 WHERE scope = ?3 AND name = ?1"};
    static const char *const counts[] = {"SELECT count(*) FROM operation", "SELECT count(*) FROM key"};
    bool full = rows_of(part, counts[keys]) >= LIST_MAX;
    struct sqlite3_stmt *stmt;
    int code = sqlite3_prepare_v2(part->writer, full ? updates[keys] : inserts[keys], -1, &stmt, NULL);
    if (code != SQLITE_OK) return tw__sql_error(code);
    size_t done = 0;
    for (size_t i = 0; tallies->slots && i <= tallies->mask && code == SQLITE_OK; i++) {
        const struct tally *tally = &tallies->slots[i];
        if (!tally->count || (!full && ++done > LIST_MAX)) continue;
        struct tw_text one = recent->strings[tally->key[0]], two = recent->strings[tally->key[1]];
        (void)sqlite3_bind_blob64(stmt, 1, one.ptr, one.len, SQLITE_STATIC);
        if (!keys) (void)sqlite3_bind_blob64(stmt, 2, two.ptr, two.len, SQLITE_STATIC);
        (void)sqlite3_bind_int64(stmt, 3, tally->key[2]);
        (void)sqlite3_bind_int64(stmt, 4, tally->count);
        code = sqlite3_step(stmt);
        if (code == SQLITE_DONE) code = SQLITE_OK;
        (void)sqlite3_reset(stmt);
    }
    (void)sqlite3_finalize(stmt);
    return code == SQLITE_OK ? 0 : tw__sql_error(sqlite3_extended_errcode(part->writer));
}

/* uses: by shape. */
static int count_keys(struct tallies *keys, const struct tw__recent *recent, const uint32_t *uses, unsigned scope)
{
    for (size_t s = 0; s < recent->count.shapes; s++) {
        const struct tw__shape *shape = &recent->shapes[s];
        for (uint32_t f = 0; uses[s] && f < shape->count; f++)
            if (count_one(keys, TW__FIELD_KEY(recent->fields[shape->first + f]), 0, scope, uses[s]) < 0)
                return TW_ERR_MEMORY;
    }
    return 0;
}

static int count_all(const struct tw__recent *recent, const struct tw__row *rows, size_t count, uint32_t *uses,
                     struct tallies *operations, struct tallies *keys)
{
    size_t shapes = recent->count.shapes;
    uint32_t *span = uses, *event = uses + shapes, *resource = uses + 2 * shapes;
    for (size_t i = 0; i < count; i++) {
        const struct tw__row *row = &rows[i];
        const struct tw__origin *origin = &recent->resources[row->resource];
        if (count_one(operations, origin->name, row->name, row->kind, 1) < 0) return TW_ERR_MEMORY;
        span[row->tags.shape]++;
        resource[origin->tags.shape]++;
        for (uint32_t e = 0; e < row->event_count; e++) event[recent->events[row->first_event + e].tags.shape]++;
    }
    if (count_keys(keys, recent, span, TW__SCOPE_SPAN) < 0 || count_keys(keys, recent, event, TW__SCOPE_EVENT) < 0)
        return TW_ERR_MEMORY;
    return count_keys(keys, recent, resource, TW__SCOPE_RESOURCE);
}

int tw__part_names(struct tw__part *part, const struct tw__recent *recent, const struct tw__row *rows, size_t count)
{
    struct tallies operations = {0}, keys = {0};
    uint32_t *uses = calloc(3 * recent->count.shapes, sizeof *uses);
    int error = uses ? count_all(recent, rows, count, uses, &operations, &keys) : TW_ERR_MEMORY;
    if (!error) error = upsert(part, &operations, recent, false);
    if (!error) error = upsert(part, &keys, recent, true);
    free(uses);
    free(operations.slots);
    free(keys.slots);
    return error;
}
