/* column and journal: numbers of every width come back, old ways of writing them too; a journal's file is used
 * again. */
#include "store/made.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/column.h"
#include "store/hash.h"
#include "store/journal.h"

static const size_t counts[] = {0, 1, 2, 7, 63, 64, 65, 127, 128, 129, 200, 1000, 8192};

static void open_column(const struct tw__buf *bytes, struct tw__contents *contents, struct tw__column *column)
{
    assert_int_equal(tw__contents_open(bytes->ptr, bytes->len, contents), 0);
    *column = tw__column_find(contents, TW__COLUMN(1, 0));
}

/* Numbers of at most width bits, of which now and then a group has only small ones. */
static void draw_numbers(uint64_t *numbers, size_t count, unsigned width, unsigned rare)
{
    uint64_t state = width * 1000 + rare + 1;
    for (size_t i = 0; i < count; i++) {
        numbers[i] = width ? made_draw(&state) >> (64 - width) : 0;
        if (rare && made_draw(&state) % rare) numbers[i] &= 1;
    }
}

static void numbers_of_every_width_come_back(void **state)
{
    (void)state;
    uint64_t *numbers = calloc(8192, sizeof *numbers);
    struct tw__columns columns = {0};
    struct tw__pool pool = {0};
    for (unsigned width = 0; width <= 64; width++)
        for (size_t c = 0; c < sizeof counts / sizeof *counts; c++)
            for (unsigned rare = 0; rare < 200; rare += 99) {
                struct tw__buf bytes = {0};
                struct tw__contents contents;
                struct tw__column column;
                size_t count = counts[c];
                draw_numbers(numbers, count, width, rare);
                tw__columns_begin(&columns);
                tw__column_begin(&columns, TW__COLUMN(1, 0));
                tw__put_numbers(&columns, numbers, count);
                tw__put_numbers(&columns, numbers, count); /* the second reads behind the first */
                tw__column_end(&columns);
                tw__columns_end(&columns, &bytes);
                open_column(&bytes, &contents, &column);
                const uint64_t *out = tw__get_numbers(&column, count, &pool);
                assert_non_null(out);
                assert_memory_equal(out, numbers, count * sizeof *out);
                if (width <= 32) {
                    const uint32_t *indexes = tw__get_indexes(&column, count, (size_t)1 << 32, &pool);
                    assert_non_null(indexes);
                    for (size_t i = 0; i < count; i++) assert_int_equal(indexes[i], numbers[i]);
                } else {
                    assert_memory_equal(tw__get_numbers(&column, count, &pool), numbers, count * sizeof *numbers);
                }
                assert_true(column.at == column.end && !column.bad);
                tw__buf_fini(&bytes);
                tw__pool_reset(&pool);
            }
    tw__pool_fini(&pool);
    tw__columns_fini(&columns);
    free(numbers);
}

/* The bytes of version 1: planes, lowest first, as they are or one for all. */
static void planes_of_version_1_are_read(void **state)
{
    (void)state;
    uint8_t planes[1 + 1 + 100 + 2] = {2, 0};
    for (size_t i = 0; i < 100; i++) planes[2 + i] = (uint8_t)(i * 7);
    planes[102] = 1;
    planes[103] = 9;
    struct tw__columns columns = {0};
    struct tw__buf bytes = {0};
    struct tw__pool pool = {0};
    struct tw__contents contents;
    struct tw__column column;
    tw__columns_begin(&columns);
    tw__column_begin(&columns, TW__COLUMN(1, 0));
    tw__put_bytes(&columns, planes, sizeof planes);
    tw__column_end(&columns);
    tw__columns_end(&columns, &bytes);
    open_column(&bytes, &contents, &column);
    const uint64_t *numbers = tw__get_numbers(&column, 100, &pool);
    open_column(&bytes, &contents, &column);
    const uint32_t *indexes = tw__get_indexes(&column, 100, 65536, &pool);
    assert_true(numbers && indexes);
    for (size_t i = 0; i < 100; i++) {
        assert_int_equal(numbers[i], 9 * 256 + i * 7 % 256);
        assert_int_equal(indexes[i], numbers[i]);
    }
    tw__pool_fini(&pool);
    tw__columns_fini(&columns);
    tw__buf_fini(&bytes);
}

/* -- journals */

static void write_journal(const char *path, const char *spare, uint64_t seq, unsigned records)
{
    struct tw__recent recent;
    struct tw__journal journal;
    assert_int_equal(tw__recent_init(&recent), 0);
    assert_int_equal(tw__journal_new(path, spare, seq, 5, &journal), 0);
    for (unsigned i = 0; i < records; i++) {
        struct tw__spans in = {0};
        struct tw__recent_counts before =
            i ? recent.count : (struct tw__recent_counts){.strings = 1, .shapes = 1, .scopes = 1};
        made_spans(seq + i, 50, &in);
        assert_int_equal(tw__recent_add(&recent, &in), 0);
        assert_int_equal(tw__journal_append(&journal, &recent, &before), 0);
        tw__spans_fini(&in);
    }
    tw__journal_close(&journal);
    tw__recent_fini(&recent);
}

static int read_journal(const char *path, uint64_t seq, size_t *rows, uint64_t *damaged)
{
    struct tw__recent recent;
    uint64_t opened;
    assert_int_equal(tw__recent_init(&recent), 0);
    int error = tw__journal_read(path, seq, &recent, &opened, damaged);
    *rows = recent.count.rows;
    tw__recent_fini(&recent);
    return error;
}

static void a_journal_in_an_old_file_has_its_own_spans_only(void **state)
{
    (void)state;
    const char *folder = made_folder();
    char first[200], second[200], spare[200];
    uint64_t damaged;
    size_t rows;
    (void)mkdir(folder, 0700);
    (void)snprintf(first, sizeof first, "%s/first", folder);
    (void)snprintf(second, sizeof second, "%s/second", folder);
    (void)snprintf(spare, sizeof spare, "%s/spare", folder);
    write_journal(first, spare, 7, 6);
    assert_int_equal(read_journal(first, 7, &rows, &damaged), 0);
    assert_int_equal(rows, 300);
    assert_int_equal(damaged, 0);
    tw__journal_retire(first, spare);
    assert_int_not_equal(access(first, F_OK), 0);
    /* Dead between the new name and the new head. */
    assert_int_equal(rename(spare, second), 0);
    assert_int_equal(read_journal(second, 8, &rows, &damaged), TW_ERR_FOREIGN);
    assert_int_equal(rename(second, spare), 0);
    for (unsigned records = 0; records < 6; records++) {
        write_journal(second, spare, 8 + records, records);
        assert_int_equal(read_journal(second, 8 + records, &rows, &damaged), 0);
        assert_int_equal(rows, 50 * records);
        assert_true(damaged > 0);
        tw__journal_retire(second, spare);
    }
    made_remove(folder);
}

/* Journals of version 1 have checks without a seed. */
static void a_journal_of_version_1_is_read(void **state)
{
    (void)state;
    const char *folder = made_folder();
    char path[200];
    uint64_t damaged;
    size_t rows;
    (void)mkdir(folder, 0700);
    (void)snprintf(path, sizeof path, "%s/journal", folder);
    write_journal(path, path, 7, 1);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    static uint8_t bytes[1 << 20];
    size_t len = fread(bytes, 1, sizeof bytes, file);
    uint64_t check = tw__hash(bytes + 32 + 24, len - 32 - 24);
    bytes[8] = 1;
    memcpy(bytes + 32 + 16, &check, sizeof check);
    rewind(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(read_journal(path, 7, &rows, &damaged), 0);
    assert_int_equal(rows, 50);
    made_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_of_every_width_come_back),
        cmocka_unit_test(planes_of_version_1_are_read),
        cmocka_unit_test(a_journal_in_an_old_file_has_its_own_spans_only),
        cmocka_unit_test(a_journal_of_version_1_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
