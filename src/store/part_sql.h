/* part_sql: what the files of a partition share. For src/store/part*.c alone. */
#ifndef TW_STORE_PART_SQL_H
#define TW_STORE_PART_SQL_H

#include <stdint.h>

struct sqlite3;

/* A number, or number bytes. */
struct tw__sql_value {
    uint64_t number;
    const void *bytes;
};

/* An SQLite result, extended or not, as ours. */
int tw__sql_error(int code);
/* 0, TW_ERR_VERSION, TW_ERR_CORRUPT. */
int tw__sql_version(struct sqlite3 *db);

#endif
