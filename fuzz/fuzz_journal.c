/* Journals of any bytes, through a file, as the store reads them; lengths and checks of records are put right first.
 * What was taken is read as spans. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "store/hash.h"
#include "store/journal.h"
#include "store/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FILE_HEAD = 32, RECORD_HEAD = 24, COUNTS = 80 };

/* The head, and the first record over all that follows: it is long enough or it is not. */
static void put_right(uint8_t *bytes, size_t len)
{
    if (len < FILE_HEAD) return;
    const uint64_t version = 1 + bytes[8] % 2, head[4] = {UINT64_C(0x314c4e524a575422), version, 7, 1000};
    memcpy(bytes, head, sizeof head);
    for (size_t at = FILE_HEAD; len - at >= RECORD_HEAD + COUNTS;) {
        uint64_t record = len - at - RECORD_HEAD, asked;
        memcpy(&asked, bytes + at + 8, sizeof asked);
        if (asked >= COUNTS && asked < record) record = asked;
        memcpy(bytes + at, "TREC", 4);
        memcpy(bytes + at + 8, &record, sizeof record);
        uint64_t check = tw__hash_seeded(bytes + at + RECORD_HEAD, record, version > 1 ? 7 : 0);
        memcpy(bytes + at + 16, &check, sizeof check);
        at += RECORD_HEAD + record;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    uint64_t opened, damaged;
    struct tw__recent recent;
    (void)snprintf(path, sizeof path, "/dev/shm/fuzz-journal-%d", (int)getpid());
    FILE *file = fopen(path, "wb");
    uint8_t *bytes = malloc(size + 1);
    if (!file || !bytes || tw__recent_init(&recent) < 0) abort();
    memcpy(bytes, data, size);
    put_right(bytes, size);
    (void)fwrite(bytes, 1, size, file);
    (void)fclose(file);
    free(bytes);
    if (tw__journal_read(path, 7, &recent, &opened, &damaged) == 0) {
        struct tw__spans out = {.pool.limit_bytes = 64 << 20};
        struct tw__recent_reader reader = {.recent = &recent, .parts = TW__PART_ALL, .out = &out};
        int error = tw__recent_read_begin(&reader);
        for (size_t i = 0; i < recent.count.rows && !error; i++) error = tw__recent_read(&reader, i);
        tw__spans_fini(&out);
    }
    tw__recent_fini(&recent);
    (void)unlink(path);
    return 0;
}
