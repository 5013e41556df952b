/* The segments door on real processes: children of this test that record with the library and are killed.
 * Run under TSAN too: the door has a thread of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <trackway/trackway.h>

#include "ingest/segments.h"

enum { SEEN_MAX = 4096, MANY = 3000 /* more than one part */, PATIENCE_MS = 120000 };

/* What the store would have: the last copy of each span, and how often it came. */
struct seen {
    uint8_t span_id[8];
    char name[32], event[32], level[32], message[32]; /* of the first event */
    unsigned copies;
    uint32_t events;
    uint64_t known_ns; /* of one in progress: how much of it is known */
    bool open, at_death, has_place;
    uint64_t last_known_ns; /* from its tag, after the begin */
    char service[32];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct seen seen[SEEN_MAX];
static size_t seen_count;
static bool store_is_full;
static char folder[256], segments_folder[300];

static void copy(char to[32], struct tw_text text)
{
    size_t len = text.len < 31 ? text.len : 31;
    memcpy(to, text.ptr, len);
    to[len] = '\0';
}

static int take(void *to, const struct tw__spans *spans)
{
    (void)to;
    (void)pthread_mutex_lock(&lock);
    if (store_is_full) {
        (void)pthread_mutex_unlock(&lock);
        return TW_ERR_SPACE;
    }
    for (size_t i = 0; i < spans->count; i++) {
        const struct tw__span *span = &spans->items[i];
        size_t at = 0;
        while (at < seen_count && memcmp(seen[at].span_id, span->span_id, 8) != 0) at++;
        if (at == seen_count && seen_count == SEEN_MAX) abort();
        if (at == seen_count) seen[seen_count++] = (struct seen){0};
        memcpy(seen[at].span_id, span->span_id, 8);
        seen[at].copies++;
        seen[at].open = span->open;
        seen[at].known_ns = span->open ? tw__span_until_ns(span, 0) - span->start_ns : 0;
        seen[at].events = span->event_count;
        seen[at].at_death = tw__tag_find(span->tags, span->tag_count, "trackway.open_at_death") != NULL;
        const struct tw_tag_value *last = tw__tag_find(span->tags, span->tag_count, "trackway.last_known_ns");
        seen[at].last_known_ns = last ? last->value.u - span->start_ns : 0;
        seen[at].has_place = tw__tag_find(span->tags, span->tag_count, "code.function.name") != NULL;
        copy(seen[at].name, span->name);
        copy(seen[at].service, spans->resources[span->resource].service);
        if (!span->event_count) continue;
        const struct tw__span_event *event = &span->events[0];
        const struct tw_tag_value *level = tw__tag_find(event->tags, event->tag_count, "level");
        const struct tw_tag_value *message = tw__tag_find(event->tags, event->tag_count, "message");
        copy(seen[at].event, event->name);
        if (level) copy(seen[at].level, level->text);
        if (message) copy(seen[at].message, message->text);
    }
    (void)pthread_mutex_unlock(&lock);
    return 0;
}

static size_t count_named(const char *name, struct seen *out)
{
    size_t count = 0;
    (void)pthread_mutex_lock(&lock);
    for (size_t i = 0; i < seen_count; i++) {
        if (strcmp(seen[i].name, name) != 0) continue;
        count++;
        if (out) *out = seen[i];
    }
    (void)pthread_mutex_unlock(&lock);
    return count;
}

/* Waits until there are so many spans of a name. */
static size_t wait_named(const char *name, size_t wanted, struct seen *out)
{
    for (int i = 0; i < PATIENCE_MS / 10 && count_named(name, NULL) < wanted; i++) (void)usleep(10000);
    return count_named(name, out);
}

static const char *setting(const void *settings, const char *name)
{
    (void)settings;
    return strcmp(name, "data") == 0 ? folder : NULL;
}

static struct tw__intake intake = {.sink = {.write = take}};

static void open_door(struct tw__open_door *door)
{
    char why[TW_WHY_MAX] = "";
    const struct tw__door_config config = {
        .address = segments_folder, .stream_fd = -1, .datagram_fd = -1, .intake = &intake, .setting = setting};
    *door = (struct tw__open_door){.kind = &tw__door_segments};
    if (tw__door_segments.open(door, &config, why) < 0) fail_msg("%s", why);
}

static void close_door(struct tw__open_door *door)
{
    tw__door_segments.drain(door);
    for (int i = 0; i < PATIENCE_MS / 10 && !tw__door_segments.idle(door); i++) (void)usleep(10000);
    assert_true(tw__door_segments.idle(door));
    tw__door_segments.close(door);
}

struct child {
    pid_t pid;
    int orders, answers;
};

/* A process that does one thing a byte: 'f' finishes a span with an event, 'm' many, 'o' opens one and leaves it, 'e'
 * puts an event into the open one, 'l' a log line, 'c' closes it. */
static void live(int orders, int answers)
{
    tw_span open = TW_SPAN_NONE;
    char order;
    while (read(orders, &order, 1) == 1) {
        if (order == 'f') {
            tw_span span = tw_span_begin("finished");
            tw_event("inside");
            tw_span_end(span);
        }
        for (unsigned i = 0; i < MANY && order == 'm'; i++) {
            tw_span span = tw_span_begin("of many");
            tw_event("inside");
            tw_span_end(span);
        }
        if (order == 'o') open = tw_span_begin("long");
        if (order == 'e') tw_event("early");
        if (order == 'l') tw_error("%s costs %d", "tea", 3);
        if (order == 'c') tw_span_end(open);
        if (write(answers, &order, 1) != 1) break;
    }
    _exit(0);
}

static struct child start(void)
{
    int orders[2], answers[2];
    struct child child;
    assert_int_equal(pipe(orders), 0);
    assert_int_equal(pipe(answers), 0);
    child.pid = fork();
    assert_true(child.pid >= 0);
    if (child.pid == 0) {
        (void)close(orders[1]);
        (void)close(answers[0]);
        live(orders[0], answers[1]);
    }
    (void)close(orders[0]);
    (void)close(answers[1]);
    child.orders = orders[1];
    child.answers = answers[0];
    return child;
}

static void tell(const struct child *child, const char *orders)
{
    for (; *orders; orders++) {
        char answer;
        assert_int_equal(write(child->orders, orders, 1), 1);
        assert_int_equal(read(child->answers, &answer, 1), 1);
    }
}

static void kill_it(struct child *child)
{
    (void)kill(child->pid, SIGKILL);
    (void)waitpid(child->pid, NULL, 0);
    (void)close(child->orders);
    (void)close(child->answers);
}

static int begin(void **state)
{
    char remove[400];
    (void)state;
    (void)snprintf(remove, sizeof remove, "rm -rf %s/*", folder);
    if (system(remove) != 0) return -1;
    seen_count = 0;
    store_is_full = false;
    return 0;
}

static void spans_of_a_live_process_arrive_with_their_events(void **state)
{
    struct tw__open_door door;
    struct seen span;
    (void)state;
    open_door(&door);
    struct child child = start();
    tell(&child, "fff");
    assert_int_equal(wait_named("finished", 3, &span), 3);
    assert_int_equal(span.events, 1);
    assert_string_equal(span.event, "inside");
    assert_int_equal(span.copies, 1);
    assert_true(span.has_place);
    tell(&child, "ff");
    assert_int_equal(wait_named("finished", 5, NULL), 5);
    kill_it(&child);
    close_door(&door);
    assert_int_equal(count_named("finished", NULL), 5);
}

static void of_many_spans_each_comes_once_with_its_event(void **state)
{
    struct tw__open_door door;
    struct child child = start();
    (void)state;
    tell(&child, "m");
    open_door(&door);
    assert_int_equal(wait_named("of many", MANY, NULL), MANY);
    close_door(&door);
    kill_it(&child);
    assert_int_equal(seen_count, MANY);
    for (size_t i = 0; i < seen_count; i++) {
        assert_int_equal(seen[i].copies, 1);
        assert_int_equal(seen[i].events, 1);
        assert_string_equal(seen[i].event, "inside");
    }
}

static void an_event_waits_for_its_span_to_end(void **state)
{
    struct tw__open_door door;
    struct seen span;
    (void)state;
    open_door(&door);
    struct child child = start();
    tell(&child, "oef"); /* the finished one shows that the event has been read */
    assert_int_equal(wait_named("finished", 1, NULL), 1);
    (void)usleep(100000);
    tell(&child, "c");
    for (int i = 0; i < PATIENCE_MS / 10 && (count_named("long", &span) == 0 || span.open); i++) (void)usleep(10000);
    assert_int_equal(count_named("long", &span), 1);
    assert_false(span.open);
    assert_int_equal(span.events, 1);
    assert_string_equal(span.event, "early");
    kill_it(&child);
    close_door(&door);
}

static void a_log_comes_with_its_text_and_level_whenever_its_span_ends(void **state)
{
    struct tw__open_door door;
    struct seen span;
    (void)state;
    open_door(&door);
    struct child child = start();
    tell(&child, "olf");
    assert_int_equal(wait_named("finished", 1, NULL), 1);
    (void)usleep(100000);
    tell(&child, "c");
    for (int i = 0; i < PATIENCE_MS / 10 && (count_named("long", &span) == 0 || span.open); i++) (void)usleep(10000);
    assert_int_equal(span.events, 1);
    assert_string_equal(span.event, "%s costs %d");
    assert_string_equal(span.level, "error");
    assert_string_equal(span.message, "tea costs 3");
    kill_it(&child);
    close_door(&door);
}

/* What hangs writes nothing; that it was there at the last look is known all the same. */
static void an_open_span_has_lasted_until_it_was_last_seen(void **state)
{
    const uint64_t shown_ns = 2000000000; /* open spans are stored from here on */
    struct tw__open_door door;
    struct seen span;
    (void)state;
    open_door(&door);
    struct child child = start();
    tell(&child, "o");
    assert_int_equal(wait_named("long", 1, &span), 1);
    assert_true(span.open && !span.at_death);
    assert_true(span.known_ns >= shown_ns);
    kill_it(&child);
    for (int i = 0; i < PATIENCE_MS / 10 && !span.at_death; i++) {
        (void)usleep(10000);
        (void)count_named("long", &span);
    }
    assert_true(span.open && span.at_death);
    assert_true(span.known_ns >= shown_ns);
    assert_int_equal(span.last_known_ns, span.known_ns);
    close_door(&door);
}

static void what_was_open_when_its_process_died_is_marked_so(void **state)
{
    struct tw__open_door door;
    struct seen span;
    (void)state;
    struct child child = start();
    tell(&child, "foe");
    kill_it(&child);
    open_door(&door); /* finds a dead one */
    assert_int_equal(wait_named("long", 1, &span), 1);
    assert_true(span.open && span.at_death && span.known_ns > 0);
    assert_int_equal(span.last_known_ns, span.known_ns);
    assert_int_equal(span.events, 1);
    assert_int_equal(wait_named("finished", 1, NULL), 1);
    close_door(&door);
}

static void a_dead_process_is_read_once_and_not_again_by_the_next_collector(void **state)
{
    struct tw__open_door door;
    struct seen span;
    (void)state;
    struct child child = start();
    tell(&child, "fo");
    kill_it(&child);
    for (int i = 0; i < 3; i++) {
        open_door(&door);
        assert_int_equal(wait_named("long", 1, NULL), 1);
        (void)usleep(200000);
        close_door(&door);
    }
    assert_int_equal(count_named("long", &span), 1);
    assert_int_equal(span.copies, 1);
    assert_int_equal(count_named("finished", &span), 1);
    assert_int_equal(span.copies, 1);
}

static void a_restart_loses_nothing_of_a_live_process(void **state)
{
    struct tw__open_door door;
    (void)state;
    struct child child = start();
    size_t expected = 0;
    for (int round = 0; round < 4; round++) {
        tell(&child, "ff"); /* while nobody reads */
        open_door(&door);
        tell(&child, "f");
        expected += 3;
        assert_int_equal(wait_named("finished", expected, NULL), expected);
        close_door(&door);
    }
    kill_it(&child);
    assert_int_equal(count_named("finished", NULL), expected);
}

static void a_store_that_is_full_is_asked_again(void **state)
{
    struct tw__open_door door;
    (void)state;
    store_is_full = true;
    open_door(&door);
    struct child child = start();
    tell(&child, "ff");
    for (int i = 0; i < PATIENCE_MS / 10 && tw__load_relaxed(&door.stats.later) == 0; i++) (void)usleep(10000);
    assert_int_equal(count_named("finished", NULL), 0);
    (void)pthread_mutex_lock(&lock);
    store_is_full = false;
    (void)pthread_mutex_unlock(&lock);
    assert_int_equal(wait_named("finished", 2, NULL), 2);
    assert_true(door.stats.later > 0);
    kill_it(&child);
    close_door(&door);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(spans_of_a_live_process_arrive_with_their_events, begin),
        cmocka_unit_test_setup(of_many_spans_each_comes_once_with_its_event, begin),
        cmocka_unit_test_setup(an_event_waits_for_its_span_to_end, begin),
        cmocka_unit_test_setup(a_log_comes_with_its_text_and_level_whenever_its_span_ends, begin),
        cmocka_unit_test_setup(an_open_span_has_lasted_until_it_was_last_seen, begin),
        cmocka_unit_test_setup(what_was_open_when_its_process_died_is_marked_so, begin),
        cmocka_unit_test_setup(a_dead_process_is_read_once_and_not_again_by_the_next_collector, begin),
        cmocka_unit_test_setup(a_restart_loses_nothing_of_a_live_process, begin),
        cmocka_unit_test_setup(a_store_that_is_full_is_asked_again, begin),
    };
    (void)snprintf(folder, sizeof folder, "/tmp/trackway-segments-XXXXXX");
    if (!mkdtemp(folder)) return 1;
    (void)snprintf(segments_folder, sizeof segments_folder, "%s/segments", folder);
    (void)setenv("TRACKWAY_DIR", segments_folder, 1);
    (void)setenv("TRACKWAY_ARENA", "1M", 1);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    char remove[300];
    (void)snprintf(remove, sizeof remove, "rm -rf %s", folder);
    return system(remove) != 0 || failed;
}
