/* column_bytes: constants of the format that columns are written and read in; docs/format/store.md. */
#ifndef TW_STORE_COLUMN_BYTES_H
#define TW_STORE_COLUMN_BYTES_H

enum {
    TW__COLUMNS_MAGIC = 0x31425754, /* "TWB1" */
    TW__FRONT_BYTES = 12,           /* magic, count, check */
    TW__ENTRY_BYTES = 12,           /* number, where it ends, check */
    TW__PACKED_WORTH = 64,          /* fewer bytes are not compressed */
};
enum { TW__BITS = 9 /* in the place of a width: groups of bits follow */, TW__BITS_GROUP = 64 };
enum { TW__PACKED_RAW = 0, TW__PACKED_ONE = 1, TW__PACKED_ZSTD = 2 };

#endif
