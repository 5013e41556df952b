/* A reader of another process, played by a second mapping of our own segment, turns log sites on and leaves the others
 * alone. */
#include "trace/recording.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <trackway/live.h>
#include <trackway/log.h>

#include "trace/runtime.h"

enum { DEBUG = 1 << TW_LOG_DEBUG, ALL = 255 };

static struct tw_reader *open_reader(void)
{
    char path[256], why[TW_WHY_MAX] = "";
    struct tw_reader *reader;
    assert_true(tw_recorder_path(path, sizeof path) > 0);
    if (tw_reader_open(path, &reader, why) != 0) fail_msg("%s", why);
    return reader;
}

static struct tw_live_seat *take(struct tw_reader *reader, unsigned levels, const char *module, const char *function)
{
    const struct tw_live_rule rule = {levels, module, function};
    struct tw_live_seat *seat;
    assert_int_equal(
        tw_live_seat_take(
            reader,
            &(struct tw_live_ask){
                .ref = "0123456789ab", .file = "/tmp/x.log", .filter = "f", .rules = &rule, .rule_count = 1},
            &seat),
        0);
    return seat;
}

static int logged;
static int here(void)
{
    tw_debug("here %d", ++logged);
    return logged;
}

static int there(void)
{
    tw_debug("there %d", ++logged);
    return logged;
}

static int lines(void)
{
    logged = 0;
    (void)here();
    (void)there();
    return logged;
}

static void a_seat_turns_on_what_its_rules_say_and_leaving_turns_it_off(void **state)
{
    (void)state;
    static const struct tw_live_status nothing;
    struct tw_reader *reader = open_reader();
    assert_int_equal(lines(), 0);
    struct tw_live_seat *seat = take(reader, DEBUG, "test_live_seats", NULL);
    assert_int_equal(lines(), 2);
    assert_true(tw_log_enabled(TW_LOG_DEBUG));
    tw_live_seat_leave(seat, &nothing);
    assert_int_equal(lines(), 0);
    assert_false(tw_log_enabled(TW_LOG_DEBUG));
    seat = take(reader, DEBUG, NULL, "here");
    assert_int_equal(lines(), 1);
    tw_live_seat_leave(seat, &nothing);
    seat = take(reader, DEBUG, "another", NULL);
    assert_int_equal(lines(), 0);
    tw_live_seat_leave(seat, &nothing);
    seat = take(reader, 1 << TW_LOG_ERROR, NULL, NULL);
    assert_int_equal(lines(), 0);
    tw_live_seat_leave(seat, &nothing);
    tw_reader_close(reader);
    assert_int_equal(count_of_kind(read_all(), TW_RECORD_LOG), 3);
}

static void several_seats_add_up(void **state)
{
    (void)state;
    static const struct tw_live_status nothing;
    struct tw_reader *reader = open_reader();
    struct tw_live_seat *seats[TW_LIVE_MAX], *more;
    for (int i = 0; i < TW_LIVE_MAX; i++) seats[i] = take(reader, DEBUG, NULL, i == 6 ? "there" : "nowhere");
    const struct tw_live_ask ask = {.ref = "000000000000"};
    assert_int_equal(tw_live_seat_take(reader, &ask, &more), TW_ERR_SPACE);
    assert_int_equal(lines(), 1);
    for (int i = 0; i < TW_LIVE_MAX; i++) tw_live_seat_leave(seats[i], &nothing);
    assert_int_equal(lines(), 0);
    more = take(reader, ALL, NULL, NULL);
    assert_int_equal(lines(), 2);
    tw_live_seat_leave(more, &nothing);
    tw_reader_close(reader);
}

static void a_bridge_asks_with_the_module_it_is_given(void **state)
{
    (void)state;
    static const struct tw_live_status nothing;
    struct tw_reader *reader = open_reader();
    struct tw_live_seat *seat = take(reader, DEBUG, "sql", NULL);
    char sql[] = "lib/sql.c", other[] = "other";
    tw_log_hook(sql, TW_LOG_DEBUG, "yes");
    tw_log_hook(other, TW_LOG_DEBUG, "no");
    tw_live_seat_leave(seat, &nothing);
    tw_reader_close(reader);
    const struct tw_records *all = read_all();
    assert_int_equal(count_of_kind(all, TW_RECORD_LOG), 1);
    assert_text_is(all->items[0].args[0].text, "yes");
}

static void who_asks_it_to_end_is_heard_and_a_second_time_there_is_none(void **state)
{
    (void)state;
    struct tw_live_status status = {.lines = 7, .bytes = 70, .dropped = 1, .missed = 2, .problem = "so so"};
    struct tw_reader *reader = open_reader();
    struct tw_live_seat *seat = take(reader, DEBUG, NULL, NULL);
    assert_int_equal(tw_live_seat_beat(seat, &status), 0);
    assert_int_equal(tw_live_seat_stop(reader, "0123456789ac", &status), TW_ERR_NOT_FOUND);
    assert_int_equal(tw_live_seat_stop(reader, "", &status), TW_ERR_NOT_FOUND);
    assert_int_equal(tw_live_seat_stop(reader, "0123456789ab", &status), 0);
    assert_string_equal(status.file, "/tmp/x.log");
    assert_int_equal(status.lines, 7);
    assert_string_equal(status.problem, "so so");
    assert_int_equal(tw_live_seat_beat(seat, &status), TW_ERR_STATE);
    assert_int_equal(tw_live_seat_status(reader, 0, &status), 0);
    assert_int_equal(status.state, TW_LIVE_STOPPING);
    tw_live_seat_leave(seat, &status);
    assert_int_equal(tw_live_seat_stop(reader, "0123456789ab", &status), TW_ERR_NOT_FOUND);
    assert_int_equal(tw_live_seat_status(reader, 0, &status), 0);
    assert_int_equal(status.state, TW_LIVE_ENDED);
    assert_int_equal(tw_live_seat_status(reader, 1, &status), TW_ERR_NOT_FOUND);
    tw_reader_close(reader);
}

/* The page as the file has it. */
static struct tw__live_page *page(void)
{
    char path[256];
    struct tw__header header;
    assert_true(tw_recorder_path(path, sizeof path) > 0);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &header, sizeof header, 0), sizeof header);
    void *map = mmap(NULL, TW__LIVE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)header.live_off);
    assert_true(map != MAP_FAILED);
    close(fd);
    return map;
}

static void a_reader_that_was_killed_loses_its_seat_by_itself(void **state)
{
    (void)state;
    struct tw_live_status status;
    struct tw_reader *reader = open_reader();
    struct tw_live_seat *seat = take(reader, DEBUG, NULL, NULL);
    struct tw__live_page *map = page();
    assert_int_equal(lines(), 2);
    map->entries[0].alive_tick = 1; /* its promise has passed */
    map->generation++;
    assert_int_equal(tw_live_seat_status(reader, 0, &status), 0);
    assert_int_equal(status.state, TW_LIVE_LOST);
    assert_int_equal(lines(), 0);
    struct tw_live_seat *other = take(reader, DEBUG, NULL, "here"); /* in the place of the lost one */
    assert_int_equal(map->entries[0].state, TW__LIVE_ACTIVE);
    assert_int_equal(tw_live_seat_status(reader, 1, &status), TW_ERR_NOT_FOUND);
    memset(&status, 0, sizeof status);
    tw_live_seat_leave(other, &status);
    tw_live_seat_leave(seat, &status);
    (void)munmap(map, TW__LIVE_BYTES);
    tw_reader_close(reader);
}

static void a_promise_that_passes_while_lines_are_logged_ends_them(void **state)
{
    (void)state;
    static const struct tw_live_status nothing;
    struct tw_reader *reader = open_reader();
    struct tw_live_seat *seat = take(reader, DEBUG, NULL, NULL);
    struct tw__live_page *map = page();
    const struct tw__segment *segment = tw__runtime.segment;
    /* So long that we are not put aside for it. */
    uint64_t until = tw__segment_tick(segment) + 3 * segment->ticks_per_second;
    map->entries[0].alive_tick = until;
    assert_int_equal(lines(), 2); /* they have noted when to ask again */
    /* Longer than the lease of a chunk, which they ask after. */
    while (tw__segment_tick(segment) <= until) (void)usleep(10000);
    assert_int_equal(lines(), 1); /* the first one has asked */
    assert_int_equal(lines(), 0);
    assert_int_equal(map->entries[0].state, TW__LIVE_ENDED);
    tw_live_seat_leave(seat, &nothing);
    (void)munmap(map, TW__LIVE_BYTES);
    tw_reader_close(reader);
}

static void a_hostile_page_turns_sites_on_at_worst(void **state)
{
    (void)state;
    struct tw__live_page *map = page();
    struct tw_reader *reader = open_reader();
    struct tw_live_status status;
    unsigned seed = 7;
    for (int round = 0; round < 300; round++) {
        uint8_t *bytes = (uint8_t *)map;
        for (size_t i = 0; i < 64; i++) {
            seed = seed * 1103515245u + 12345u;
            bytes[seed % TW__LIVE_BYTES] = (uint8_t)(seed >> 16);
        }
        if (round % 10 == 0) memset(map->entries, round % 20 ? 0xff : 'x', sizeof map->entries);
        for (int i = 0; i < TW__LIVE_MAX; i++) map->entries[i].state = (uint32_t)(round + i) % 6;
        map->generation++;
        (void)lines();
        tw_error("still here %d", round);
        for (size_t i = 0; tw_live_seat_status(reader, i, &status) == 0; i++)
            assert_true(strlen(status.ref) < sizeof status.ref);
        (void)tw_live_seat_stop(reader, "0123456789ab", &status);
    }
    memset(map, 0, TW__LIVE_BYTES);
    assert_true(count_of_kind(read_all(), TW_RECORD_LOG) >= 300);
    assert_no_losses();
    (void)munmap(map, TW__LIVE_BYTES);
    tw_reader_close(reader);
}

static void a_segment_that_has_ended_has_no_seats(void **state)
{
    (void)state;
    struct tw_reader *reader = open_reader();
    struct tw_live_seat *seat;
    struct tw_config config = small_config();
    assert_int_equal(tw_shutdown(SECOND), 0);
    assert_int_equal(tw_live_seat_take(reader, &(struct tw_live_ask){.ref = "0123456789ab"}, &seat), TW_ERR_STATE);
    tw_reader_close(reader);
    assert_int_equal(tw_init(&config), 0);
}

static int child_is_not_watched(void)
{
    MUST(lines() == 0);
    tw_error("begins a segment");
    MUST(lines() == 0);
    return 0;
}

static void a_seat_in_the_parent_does_not_turn_sites_on_in_a_forked_child(void **state)
{
    (void)state;
    static const struct tw_live_status nothing;
    struct tw_reader *reader = open_reader();
    struct tw_live_seat *seat = take(reader, DEBUG, NULL, NULL);
    assert_int_equal(lines(), 2);
    in_child(child_is_not_watched);
    assert_int_equal(lines(), 2);
    tw_live_seat_leave(seat, &nothing);
    tw_reader_close(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RECORDING(a_seat_turns_on_what_its_rules_say_and_leaving_turns_it_off),
        RECORDING(several_seats_add_up),
        RECORDING(a_bridge_asks_with_the_module_it_is_given),
        RECORDING(who_asks_it_to_end_is_heard_and_a_second_time_there_is_none),
        RECORDING(a_reader_that_was_killed_loses_its_seat_by_itself),
        RECORDING(a_promise_that_passes_while_lines_are_logged_ends_them),
        RECORDING(a_hostile_page_turns_sites_on_at_worst),
        RECORDING(a_segment_that_has_ended_has_no_seats),
        RECORDING(a_seat_in_the_parent_does_not_turn_sites_on_in_a_forked_child),
    };
    return RUN_WITH_BOTH_CLOCKS("live seats", tests);
}
