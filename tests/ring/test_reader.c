#include "ring/made.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/os.h"

/* -- opening */

static void assert_refused(struct made *m, int error)
{
    struct tw_reader *reader = NULL;
    char why[TW_WHY_MAX] = "";
    int result = tw__reader_over(m->b.bytes, m->b.len, "made", &reader, why);
    if (result != error) fail_msg("%d instead of %d: %s", result, error, why);
    assert_null(reader);
    assert_true(strlen(why) > 10);
}

static void what_has_no_magic_is_not_a_segment(void **state)
{
    struct made *m = *state;
    m->b.header->magic[0] = 0;
    assert_refused(m, TW_ERR_FOREIGN);
}

static void every_length_below_a_header_is_not_a_segment(void **state)
{
    struct made *m = *state;
    struct tw_reader *reader = NULL;
    for (size_t len = 0; len < TW__HEADER_BYTES; len += 61)
        assert_int_equal(tw__reader_over(m->b.bytes, len, NULL, &reader, NULL), TW_ERR_FOREIGN);
}

static void every_length_below_what_the_header_says_is_corrupt(void **state)
{
    struct made *m = *state;
    struct tw_reader *reader = NULL;
    for (size_t len = TW__HEADER_BYTES; len < m->b.len; len += 997)
        assert_int_equal(tw__reader_over(m->b.bytes, len, NULL, &reader, NULL), TW_ERR_CORRUPT);
}

static void a_later_version_is_refused_as_such(void **state)
{
    struct made *m = *state;
    m->b.header->version = TW__VERSION + 1;
    assert_refused(m, TW_ERR_VERSION);
    m->b.header->version = 0;
    assert_refused(m, TW_ERR_CORRUPT);
}

static void the_version_before_is_read(void **state)
{
    struct made *m = *state;
    struct builder_record r = made_span(m, 9);
    builder_add(&m->b, 0, &r);
    m->b.header->version = 1;
    assert_int_equal(made_read(m)->count, 1);
}

static void sizes_other_than_those_of_the_version_are_refused(void **state)
{
    struct made *m = *state;
    uint32_t *sizes[] = {&m->b.header->header_bytes, &m->b.header->block_bytes, &m->b.header->slot_bytes,
                         &m->b.header->slots_per_block, &m->b.header->chunk_bytes};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        uint32_t before = *sizes[i], wrong[] = {0, 1, before - 1, before + 1, before * 2, UINT32_MAX};
        for (size_t k = 0; k < 6; k++) {
            *sizes[i] = wrong[k];
            assert_refused(m, TW_ERR_CORRUPT);
        }
        *sizes[i] = before;
    }
}

static void parts_that_do_not_fit_are_refused_also_where_sums_overflow(void **state)
{
    struct made *m = *state;
    struct tw__header *h = m->b.header;
    uint64_t *offsets[] = {&h->dict_off, &h->dict_bytes, &h->blocks_off, &h->arena_off, &h->file_bytes};
    static const uint64_t wrong[] = {UINT64_MAX, UINT64_MAX - 7, (uint64_t)1 << 63, (uint64_t)0 - 4096,
                                     (uint64_t)0 - 16384};
    for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
        uint64_t before = *offsets[i];
        for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++) {
            *offsets[i] = wrong[k];
            assert_refused(m, TW_ERR_CORRUPT);
        }
        *offsets[i] = before + (i == 1 ? 4096 * 16 : 4); /* into its neighbour, or not aligned */
        assert_refused(m, TW_ERR_CORRUPT);
        *offsets[i] = before;
    }
    uint32_t *counts[] = {&h->block_max, &h->chunk_max};
    for (size_t i = 0; i < 2; i++) {
        uint32_t before = *counts[i];
        *counts[i] = before + 1;
        assert_refused(m, TW_ERR_CORRUPT);
        *counts[i] = UINT32_MAX;
        assert_refused(m, TW_ERR_CORRUPT);
        *counts[i] = before;
    }
    h->dict_off = 0;
    assert_refused(m, TW_ERR_CORRUPT);
    h->dict_off = TW__HEADER_BYTES;
    h->arena_reserve_bytes -= 1;
    assert_refused(m, TW_ERR_CORRUPT);
}

static void a_segment_without_any_part_is_empty(void **state)
{
    struct made *m = *state;
    builder_fini(&m->b);
    builder_init(&m->b, 0, 0, 0);
    m->b.header->chunk_high = m->b.header->block_high = UINT32_MAX;
    assert_int_equal(made_read(m)->count, 0);
    struct tw_process process;
    assert_int_equal(tw_reader_process(m->reader, &process), 0);
    assert_int_equal(process.oldest_ns, 0);
}

/* -- chunks */

static void reader_skips_a_chunk_that_is_being_taken(void **state)
{
    struct made *m = *state;
    struct builder_record r = made_span(m, 1);
    builder_add(&m->b, 0, &r);
    builder_set_state(&m->b, 0, TW__CHUNK_TAKEN);
    assert_int_equal(made_read(m)->count, 0);
    builder_set_state(&m->b, 0, TW__CHUNK_FREE);
    assert_int_equal(made_read(m)->count, 0);
    builder_set_state(&m->b, 0, TW__CHUNK_CLOSED);
    assert_int_equal(made_read(m)->count, 1);
}

static void reader_takes_of_an_open_chunk_what_lies_before_the_cursor(void **state)
{
    struct made *m = *state;
    struct builder_record r = made_span(m, 1);
    builder_hold(&m->b, 0, 0);
    builder_add(&m->b, 0, &r);
    uint32_t at = builder_add(&m->b, 0, &r);
    assert_int_equal(made_read(m)->count, 2);
    uint64_t cursor = BUILDER_MAP_ADDR + m->b.header->arena_off + at;
    memcpy(&builder_block(&m->b, 0)->cursor, &cursor, 8);
    assert_int_equal(made_read(m)->count, 1);
}

static void a_cursor_outside_of_the_open_chunk_means_no_records(void **state)
{
    struct made *m = *state;
    struct builder_record r = made_span(m, 1);
    uint64_t chunk = BUILDER_MAP_ADDR + m->b.header->arena_off;
    uint64_t wrong[] = {0, UINT64_MAX, chunk, chunk + 63, chunk + 8193, chunk - 1, chunk + ((uint64_t)1 << 40)};
    builder_hold(&m->b, 0, 0);
    builder_add(&m->b, 0, &r);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        memcpy(&builder_block(&m->b, 0)->cursor, &wrong[i], 8);
        assert_int_equal(made_read(m)->count, 0);
    }
}

static void an_open_chunk_of_a_block_that_is_not_there_has_no_records(void **state)
{
    struct made *m = *state;
    struct builder_record r = made_span(m, 1);
    static const uint32_t wrong[] = {2, 8192, UINT32_MAX};
    builder_hold(&m->b, 0, 0);
    builder_add(&m->b, 0, &r);
    for (size_t i = 0; i < 3; i++) {
        builder_chunk(&m->b, 0)->block = wrong[i];
        assert_int_equal(made_read(m)->count, 0);
    }
}

static void a_mapping_address_of_nonsense_hides_open_chunks_only(void **state)
{
    struct made *m = *state;
    struct builder_record r = made_span(m, 1);
    builder_add(&m->b, 0, &r);
    builder_take(&m->b, 1, 2);
    builder_hold(&m->b, 1, 0);
    builder_add(&m->b, 1, &r);
    m->b.header->map_addr = UINT64_MAX - 5;
    assert_int_equal(made_read(m)->count, 1);
}

static void a_closed_chunk_with_an_impossible_end_is_damaged(void **state)
{
    struct made *m = *state;
    struct builder_record r = made_span(m, 1);
    static const uint32_t wrong[] = {0, 63, 8193, 8200, UINT32_MAX, 127};
    builder_add(&m->b, 0, &r);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        builder_chunk(&m->b, 0)->commit = wrong[i];
        assert_int_equal(made_read(m)->count, 0);
        assert_int_equal(m->records->damaged, 1);
    }
    builder_chunk(&m->b, 0)->commit = 64;
    assert_int_equal(made_read(m)->damaged, 0);
}

static void counts_beyond_the_maximum_are_clamped(void **state)
{
    struct made *m = *state;
    struct builder_record r = made_span(m, 1);
    builder_add(&m->b, 0, &r);
    m->b.header->chunk_high = m->b.header->chunk_count = m->b.header->block_high = UINT32_MAX;
    assert_int_equal(made_read(m)->count, 1);
    m->b.header->chunk_high = 0;
    assert_int_equal(made_read(m)->count, 0);
}

/* -- the process */

static void a_process_is_described_by_its_header_and_its_heads(void **state)
{
    struct made *m = *state;
    struct tw_process process;
    struct builder_record r = made_span(m, 9), open = made_span(m, 11);
    builder_add(&m->b, 0, &r);
    builder_chunk(&m->b, 0)->first_tick = 9000;
    builder_chunk(&m->b, 0)->last_tick = 9999;
    builder_open(&m->b, 0, 0, &open);
    struct tw__slot *slot = builder_slot(&m->b, 0, 1); /* five spans begun and ended here */
    slot->first_id = UINT64_MAX - 5;
    slot->id = slot->first_id + 5 * 2 * UINT64_C(0x5851F42D);
    m->b.header->losses[3] = 7;
    builder_block(&m->b, 1)->losses[3] = 5;
    made_open(m);
    assert_int_equal(tw_reader_process(m->reader, &process), 0);
    assert_int_equal(process.pid, 4242);
    assert_int_equal(process.state, TW_PROCESS_FOREIGN);
    assert_true(process.recording);
    assert_text(process.service, "shop");
    assert_text(process.command, "shop --serve");
    assert_int_equal(process.spans_begun, 6);
    assert_int_equal(process.open_spans, 1);
    assert_int_equal(process.threads, 1);
    assert_int_equal(process.losses.no_dictionary, 12);
    assert_int_equal(process.arena_bytes, 4 * 8192);
    assert_int_equal(process.used_bytes, 128);
    assert_int_equal(process.oldest_ns, BUILDER_WALL0 + 9000);
    assert_int_equal(process.last_ns, BUILDER_WALL0 + 11000);
    m->b.header->state = TW__SEGMENT_CLOSED;
    assert_int_equal(tw_reader_process(m->reader, &process), 0);
    assert_int_equal(process.state, TW_PROCESS_EXITED);
}

static void texts_without_an_end_are_cut(void **state)
{
    struct made *m = *state;
    struct tw_process process;
    memset(m->b.header->service, 'x', 128 + 64 + 256);
    made_open(m);
    assert_int_equal(tw_reader_process(m->reader, &process), 0);
    assert_int_equal(process.service.len, 127);
    assert_int_equal(process.host.len, 63);
}

static enum tw_process_state state_of(const struct made *m, const char *path)
{
    struct tw_reader *reader;
    struct tw_process process;
    char why[TW_WHY_MAX] = "";
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(m->b.bytes, 1, m->b.len, file), m->b.len);
    assert_int_equal(fclose(file), 0);
    if (tw_reader_open(path, &reader, why) != 0) fail_msg("%s", why);
    assert_int_equal(tw_reader_process(reader, &process), 0);
    assert_int_equal(tw_reader_state(reader), process.state);
    tw_reader_close(reader);
    return process.state;
}

static void a_process_lives_if_pid_and_start_agree_and_it_maps_the_file(void **state)
{
    struct made *m = *state;
    struct tw__header *h = m->b.header;
    char path[] = "/tmp/test_reader.XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    tw__os_boot_id(h->boot_id);
    h->pid_ns = tw__os_pid_ns();
    h->pid = (uint32_t)getpid();
    h->start_ticks = tw__os_start_ticks();
    assert_int_equal(state_of(m, path), TW_PROCESS_LIVE); /* the reader maps it */
    h->start_ticks++;
    assert_int_equal(state_of(m, path), TW_PROCESS_DEAD);
    h->pid = UINT32_MAX;
    assert_int_equal(state_of(m, path), TW_PROCESS_DEAD);
    h->pid_ns++;
    assert_int_equal(state_of(m, path), TW_PROCESS_FOREIGN);
    h->pid = (uint32_t)getppid(); /* alive, but it does not map this */
    h->pid_ns--;
    char stat[64], text[1024] = "";
    (void)snprintf(stat, sizeof stat, "/proc/%d/stat", (int)getppid());
    FILE *file = fopen(stat, "r");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof text, file));
    (void)fclose(file);
    char *at = strrchr(text, ')');
    for (int field = 2; at && field < 22; field++) at = strchr(at + 1, ' ');
    assert_non_null(at);
    h->start_ticks = strtoull(at + 1, NULL, 10);
    assert_int_equal(state_of(m, path), TW_PROCESS_DEAD);
    (void)close(fd);
    (void)unlink(path);
}

static void silly_calibrations_give_silly_times_and_nothing_else(void **state)
{
    struct made *m = *state;
    struct builder_record r = made_span(m, 9);
    static const uint64_t values[] = {0, 1, UINT64_MAX, UINT64_MAX / 2, 1000000};
    builder_add(&m->b, 0, &r);
    m->b.header->clock = TW__CLOCK_TSC;
    m->b.header->calibration_count = UINT32_MAX;
    for (unsigned i = 0; i < 625; i++) {
        m->b.header->first_calibration = (struct tw__calibration){values[i % 5], values[i / 5 % 5], values[i / 25 % 5]};
        m->b.header->calibrations[(UINT32_MAX - 1) % 8] =
            (struct tw__calibration){values[i / 125], values[i % 7 % 5], 0};
        tw_reader_close(m->reader);
        m->reader = NULL;
        assert_int_equal(made_read(m)->count, 1);
        (void)made_read_with(m, &(struct tw_query){.since_ns = values[i % 5], .until_ns = values[i / 5 % 5]});
    }
}

static void ticks_of_another_machine_are_read_by_their_calibrations(void **state)
{
    struct made *m = *state;
    struct builder_record r = made_span(m, 9);
    builder_add(&m->b, 0, &r);
    m->b.header->clock = TW__CLOCK_TSC; /* two ticks a nanosecond from tick 1000 on */
    m->b.header->first_calibration = (struct tw__calibration){1000, 50, BUILDER_WALL0};
    m->b.header->calibrations[1] = (struct tw__calibration){1000 + 2000000000, 50 + 1000000000, 0};
    m->b.header->calibration_count = 10;
    assert_int_equal(made_read(m)->items[0].time_ns, BUILDER_WALL0 + 4000);
}

/* -- files */

static void opening_what_is_not_a_segment_says_why(void **state)
{
    (void)state;
    struct tw_reader *reader = NULL;
    char why[TW_WHY_MAX] = "", dir[] = "/tmp/test_reader.XXXXXX", path[64];
    assert_int_equal(tw_reader_open("/nowhere/at.all", &reader, why), TW_ERR_NOT_FOUND);
    assert_non_null(strstr(why, "/nowhere/at.all"));
    assert_non_null(mkdtemp(dir));
    assert_int_equal(tw_reader_open(dir, &reader, why), TW_ERR_FOREIGN);
    (void)snprintf(path, sizeof path, "%s/pipe.segment", dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(tw_reader_open(path, &reader, why), TW_ERR_FOREIGN);
    (void)unlink(path);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    assert_int_equal(tw_reader_open(path, &reader, why), TW_ERR_FOREIGN);
    (void)unlink(path);
    (void)rmdir(dir);
    assert_null(reader);
}

static void a_file_that_was_cut_after_opening_is_not_touched(void **state)
{
    struct made *m = *state;
    struct tw_process process;
    char path[] = "/tmp/test_reader.XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, m->b.bytes, m->b.len), (ssize_t)m->b.len);
    assert_int_equal(tw_reader_open(path, &m->reader, NULL), 0);
    assert_int_equal(ftruncate(fd, 5000), 0);
    assert_int_equal(tw_reader_read(m->reader, &(struct tw_query){0}, &m->records), TW_ERR_CORRUPT);
    assert_int_equal(tw_reader_process(m->reader, &process), TW_ERR_CORRUPT);
    assert_int_equal(tw_reader_state(m->reader), TW_ERR_CORRUPT);
    (void)close(fd);
    (void)unlink(path);
}

static bool note_path(const char *path, void *data)
{
    char *seen = data;
    const char *name = strrchr(path, '/');
    (void)strncat(seen, name ? name : path, 200 - strlen(seen));
    return strlen(seen) < 24;
}

static void segments_are_visited_by_name_and_nothing_else_is(void **state)
{
    (void)state;
    char dir[] = "/tmp/test_reader.XXXXXX", path[96], seen[256] = "";
    static const char *const names[] = {"b.segment", "a.segment", "c.segment", "d.txt", ".segment"};
    assert_non_null(mkdtemp(dir));
    for (size_t i = 0; i < 5; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        (void)fclose(file);
    }
    (void)snprintf(path, sizeof path, "%s/aa.segment", dir);
    assert_int_equal(symlink("a.segment", path), 0);
    assert_int_equal(tw_segments_each(dir, note_path, seen), 3);
    assert_string_equal(seen, "/a.segment/b.segment/c.segment");
    assert_int_equal(tw_segments_each(dir, note_path, seen), 1); /* it returned false */
    (void)unlink(path);
    for (size_t i = 0; i < 5; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(dir);
    assert_int_equal(tw_segments_each(dir, note_path, seen), TW_ERR_NOT_FOUND);
    (void)setenv("TRACKWAY_DIR", dir, 1);
    assert_int_equal(tw_segments_each(NULL, note_path, seen), 0);
    assert_int_equal(tw_segments_dir(path, sizeof path), (int)strlen(dir));
    assert_int_equal(tw_segments_dir(path, strlen(dir)), TW_ERR_SPACE);
    (void)unsetenv("TRACKWAY_DIR");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MADE(what_has_no_magic_is_not_a_segment),
        MADE(every_length_below_a_header_is_not_a_segment),
        MADE(every_length_below_what_the_header_says_is_corrupt),
        MADE(a_later_version_is_refused_as_such),
        MADE(the_version_before_is_read),
        MADE(sizes_other_than_those_of_the_version_are_refused),
        MADE(parts_that_do_not_fit_are_refused_also_where_sums_overflow),
        MADE(a_segment_without_any_part_is_empty),
        MADE(reader_skips_a_chunk_that_is_being_taken),
        MADE(reader_takes_of_an_open_chunk_what_lies_before_the_cursor),
        MADE(a_cursor_outside_of_the_open_chunk_means_no_records),
        MADE(an_open_chunk_of_a_block_that_is_not_there_has_no_records),
        MADE(a_mapping_address_of_nonsense_hides_open_chunks_only),
        MADE(a_closed_chunk_with_an_impossible_end_is_damaged),
        MADE(counts_beyond_the_maximum_are_clamped),
        MADE(a_process_is_described_by_its_header_and_its_heads),
        MADE(texts_without_an_end_are_cut),
        MADE(a_process_lives_if_pid_and_start_agree_and_it_maps_the_file),
        MADE(silly_calibrations_give_silly_times_and_nothing_else),
        MADE(ticks_of_another_machine_are_read_by_their_calibrations),
        MADE(a_file_that_was_cut_after_opening_is_not_touched),
        cmocka_unit_test(opening_what_is_not_a_segment_says_why),
        cmocka_unit_test(segments_are_visited_by_name_and_nothing_else_is),
    };
    return cmocka_run_group_tests_name("reader", tests, NULL, NULL);
}
