/* segments: one thread goes round. A segment is read again after PAUSE_MAX_NS, sooner the faster it fills: what was
 * read tells how long its memory will last.
 *
 * How far a segment has been stored is a time in a file (segment_marks), written after the store has acknowledged; it
 * lies SLACK_NS back, for threads that were stopped between taking the time and writing the record. What is read and
 * stored twice for that is one span in the store.
 *
 * Invariant: a position moves only over what the store has taken or will be offered again: records that the store did
 * not take are kept and offered until it does; meanwhile the process goes on, and what it overwrites is counted.
 */
#include "ingest/segments.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/os.h"
#include "ingest/segment_marks.h"
#include "ingest/segment_spans.h"

enum { SEGMENTS_MAX = 4096, PATH_BYTES = 1024, TRIES_MAX = 20 };
static const uint64_t PAUSE_MIN_NS = 10000000, PAUSE_MAX_NS = 500000000, LOOK_NS = 50000000, SLACK_NS = 1000000000,
                      SAVE_NS = 1000000000, PROCESS_NS = 1000000000, RETRY_NS = 200000000, TRY_NS = 20000000,
                      WAIT_NS = 600000000000;

struct segment {
    struct segment *next;
    char *path;
    struct tw_reader *reader; /* NULL: not a segment that can be read, or done */
    struct tw_position *position;
    struct tw__pending pending;
    struct tw_process process; /* as it was at process_mono_ns */
    uint64_t process_mono_ns, stored_until_ns;
    uint64_t due_mono_ns, pause_ns, read_ns; /* read_ns: CLOCK_REALTIME of the last read */
    unsigned tries;                          /* at opening it: a process may be in the middle of making it */
    bool seen, done;
};

struct state {
    struct tw__open_door *door;
    struct tw__intake *intake;
    pthread_t thread;
    pthread_mutex_t lock; /* of stopping and draining, with wake */
    pthread_cond_t wake;
    bool stopping, draining, drained;
    char *folder; /* NULL: where they are by default */
    char marks_file[PATH_BYTES];
    struct segment *segments;
    size_t segment_count;
    struct tw__segment_marks marks;
    struct tw__spans spans;
    uint64_t looked_ns, saved_ns;
};

/* -- one segment */

static bool wait_for(struct state *state, uint64_t ns)
{
    (void)pthread_mutex_lock(&state->lock);
    if (!state->stopping && !state->draining) tw__os_cond_wait(&state->wake, &state->lock, ns);
    bool goes_on = !state->stopping;
    (void)pthread_mutex_unlock(&state->lock);
    return goes_on;
}

/* Offers a batch until the store takes it. Returns false when the door is closed before. */
static bool give(struct state *state)
{
    for (;;) {
        int code = tw__intake_write(state->intake, &state->spans, &state->door->stats);
        if (code != TW_ERR_SPACE && code != TW_ERR_MEMORY) return true;
        if (!wait_for(state, RETRY_NS)) return false;
    }
}

/* A read of a segment, whose records come in parts. */
struct reading {
    struct state *state;
    struct tw__segment_join join;
    size_t records; /* so far */
    bool begun;
};

/* TW_ERR_STATE: the door is being closed. */
static int store_part(const struct tw_records *records, void *data)
{
    struct reading *reading = data;
    struct state *state = reading->state;
    struct tw__door_stats *stats = &state->door->stats;
    int count = 0;
    if (!records) {
        tw__segment_join_end(&reading->join, !reading->join.dead);
        reading->begun = false;
        return 0;
    }
    tw__stat_add(&stats->lost_chunks, records->missed);
    tw__stat_add(&stats->bad, records->damaged);
    reading->records += records->count;
    if (reading->begun) {
        tw__segment_join_go_on(&reading->join, records);
    } else {
        reading->join.records = records;
        count = tw__segment_join_begin(&reading->join);
        reading->begun = count == 0;
    }
    while (count >= 0 && (count = tw__segment_join_next(&reading->join, &state->spans)) > 0)
        if (!give(state)) return TW_ERR_STATE;
    return count;
}

/* The sooner the fuller it is: at the pace of this read an eighth of the memory will have been written by then. */
static uint64_t pause_after(const struct segment *segment, size_t records)
{
    enum { RECORD_BYTES = 128 };
    uint64_t part = segment->process.arena_bytes / 8, bytes = (uint64_t)records * RECORD_BYTES;
    uint64_t pause_ns = segment->pause_ns ? segment->pause_ns : PAUSE_MIN_NS;
    if (bytes > part)
        pause_ns /= 4;
    else if (bytes > part / 4)
        pause_ns /= 2;
    else
        pause_ns += pause_ns / 2;
    return pause_ns < PAUSE_MIN_NS ? PAUSE_MIN_NS : pause_ns > PAUSE_MAX_NS ? PAUSE_MAX_NS : pause_ns;
}

static void finish(struct segment *segment)
{
    tw_reader_close(segment->reader);
    tw_position_free(segment->position);
    tw__pending_fini(&segment->pending);
    segment->reader = NULL;
    segment->position = NULL;
    segment->done = true;
}

/* Returns whether there is something to read. */
static bool open_segment(struct state *state, struct segment *segment, uint64_t mono_ns)
{
    if (segment->reader) return true;
    segment->due_mono_ns = mono_ns + TRY_NS;
    if (tw_reader_open(segment->path, &segment->reader, NULL) < 0) {
        segment->done = ++segment->tries == TRIES_MAX;
        if (segment->done) tw__stat_add(&state->door->stats.bad, 1);
        return false;
    }
    segment->position = tw_position_new();
    if (!segment->position || tw_reader_process(segment->reader, &segment->process) < 0) {
        finish(segment);
        return false;
    }
    segment->process_mono_ns = mono_ns;
    segment->stored_until_ns = tw__segment_marks_get(&state->marks, segment->path, segment->process.opened_ns);
    tw__stat_add(&state->door->stats.connections, 1);
    if (segment->stored_until_ns == UINT64_MAX) finish(segment);
    return !segment->done;
}

/* Asked before reading: a process that is dead now writes nothing after it. Returns a negative error, or whether it is
 * dead. */
static int ask_process(struct segment *segment, uint64_t mono_ns)
{
    int code = tw_reader_state(segment->reader);
    bool dead = code == TW_PROCESS_DEAD || code == TW_PROCESS_EXITED;
    if (code >= 0 && (dead || mono_ns - segment->process_mono_ns >= PROCESS_NS)) {
        code = tw_reader_process(segment->reader, &segment->process);
        segment->process_mono_ns = mono_ns;
    }
    return code < 0 ? code : dead;
}

/* Reads what came and has it stored. 0, or a negative error, after which it will be read again. */
static int store_records(struct state *state, struct segment *segment, uint64_t now_ns, bool dead, size_t *count)
{
    struct tw__door_stats *stats = &state->door->stats;
    struct reading reading = {.state = state,
                              .join = {.process = &segment->process,
                                       .pending = &segment->pending,
                                       .stored_until_ns = segment->stored_until_ns,
                                       .now_ns = now_ns,
                                       .before_ns = segment->read_ns,
                                       .dead = dead}};
    const struct tw_query query = {.open_spans = true, .after = segment->position};
    uint64_t lost = segment->pending.lost;
    int code = tw_reader_each(segment->reader, &query, store_part, &reading);
    *count = reading.records;
    if (reading.begun) tw__segment_join_end(&reading.join, false);
    if (now_ns > WAIT_NS) tw__pending_expire(&segment->pending, now_ns - WAIT_NS);
    tw__stat_add(&stats->lost_events, segment->pending.lost - lost);
    tw__spans_reset(&state->spans);
    return code;
}

static void read_segment(struct state *state, struct segment *segment, uint64_t mono_ns)
{
    struct tw__door_stats *stats = &state->door->stats;
    uint64_t now_ns = tw__clock_wall_ns();
    size_t count = 0;
    int code = ask_process(segment, mono_ns);
    bool dead = code > 0;
    if (code >= 0) code = store_records(state, segment, now_ns, dead, &count);
    if (code == TW_ERR_STATE) return; /* the door is being closed */
    if (code < 0) {
        tw__stat_add(code == TW_ERR_MEMORY ? &stats->failures : &stats->bad, 1);
        if (code == TW_ERR_CORRUPT) finish(segment);
        segment->due_mono_ns = mono_ns + PAUSE_MAX_NS;
        return;
    }
    tw__stat_add(&stats->requests, 1);
    segment->stored_until_ns = dead ? UINT64_MAX : now_ns > SLACK_NS ? now_ns - SLACK_NS : 0;
    (void)tw__segment_marks_set(&state->marks, segment->path, segment->process.opened_ns, segment->stored_until_ns);
    /* What was skipped as stored already is behind the position: from here on it decides alone. */
    if (!dead) segment->stored_until_ns = 0;
    segment->read_ns = now_ns;
    segment->pause_ns = pause_after(segment, count);
    segment->due_mono_ns = mono_ns + segment->pause_ns;
    if (dead) finish(segment);
}

/* -- finding them */

static void adopt(struct state *state, const char *path)
{
    struct segment *segment = calloc(1, sizeof *segment);
    if (segment) segment->path = strdup(path);
    if (!segment || !segment->path) {
        free(segment);
        tw__stat_add(&state->door->stats.failures, 1);
        return;
    }
    segment->seen = true;
    segment->next = state->segments;
    state->segments = segment;
    state->segment_count++;
}

static bool found(const char *path, void *data)
{
    struct state *state = data;
    for (struct segment *segment = state->segments; segment; segment = segment->next) {
        if (strcmp(segment->path, path) != 0) continue;
        segment->seen = true;
        return true;
    }
    if (state->segment_count >= SEGMENTS_MAX)
        tw__stat_add(&state->door->stats.refused_connections, 1);
    else
        adopt(state, path);
    return true;
}

static void drop(struct segment *segment)
{
    finish(segment);
    free(segment->path);
    free(segment);
}

/* New files, and files that are gone and whose process has been read to its end. */
static void look(struct state *state)
{
    for (struct segment *segment = state->segments; segment; segment = segment->next) segment->seen = false;
    (void)tw_segments_each(state->folder, found, state);
    for (struct segment **at = &state->segments; *at;) {
        struct segment *segment = *at;
        if (segment->seen || !segment->done) {
            at = &segment->next;
            continue;
        }
        *at = segment->next;
        state->segment_count--;
        drop(segment);
    }
}

static void save(struct state *state)
{
    tw__segment_marks_tidy(&state->marks);
    if (state->marks_file[0] && tw__segment_marks_save(&state->marks, state->marks_file) < 0)
        tw__stat_add(&state->door->stats.failures, 1);
}

/* Reads what is due. Returns how long until the next is, on CLOCK_MONOTONIC. */
static uint64_t go_round(struct state *state, bool all)
{
    uint64_t now_ns = tw__clock_mono_ns(), next_ns = now_ns + LOOK_NS;
    if (all || now_ns - state->looked_ns >= LOOK_NS) {
        state->looked_ns = now_ns;
        look(state);
    }
    for (struct segment *segment = state->segments; segment; segment = segment->next) {
        if (!segment->done && (all || segment->due_mono_ns <= now_ns) && open_segment(state, segment, now_ns))
            read_segment(state, segment, now_ns);
        if (!segment->done && segment->due_mono_ns < next_ns) next_ns = segment->due_mono_ns;
    }
    if (all || now_ns - state->saved_ns >= SAVE_NS) {
        state->saved_ns = now_ns;
        save(state);
    }
    now_ns = tw__clock_mono_ns();
    return next_ns > now_ns ? next_ns - now_ns : 1;
}

static void *run(void *data)
{
    struct state *state = data;
    tw__os_name_thread("segments");
    while (wait_for(state, go_round(state, false))) {
        (void)pthread_mutex_lock(&state->lock);
        bool draining = state->draining;
        (void)pthread_mutex_unlock(&state->lock);
        if (draining) break;
    }
    (void)go_round(state, true);
    (void)pthread_mutex_lock(&state->lock);
    state->drained = true;
    (void)pthread_mutex_unlock(&state->lock);
    return NULL;
}

/* -- the door */

static int open_door(struct tw__open_door *door, const struct tw__door_config *config, char why[TW_WHY_MAX])
{
    struct state *state = calloc(1, sizeof *state);
    const char *data = config->setting(config->settings, "data");
    (void)snprintf(why, TW_WHY_MAX, "out of memory");
    if (!state) return TW_ERR_MEMORY;
    state->door = door;
    state->intake = config->intake;
    (void)pthread_mutex_init(&state->lock, NULL);
    (void)pthread_cond_init(&state->wake, NULL);
    if (data) (void)snprintf(state->marks_file, sizeof state->marks_file, "%s/segment-marks", data);
    if (config->address[0])
        (void)snprintf(door->bound, sizeof door->bound, "%s", config->address);
    else if (tw_segments_dir(door->bound, sizeof door->bound) < 0)
        (void)snprintf(door->bound, sizeof door->bound, "in the default folders");
    state->folder = config->address[0] ? strdup(config->address) : NULL;
    if (tw__segment_marks_load(&state->marks, state->marks_file) < 0 || (config->address[0] && !state->folder))
        goto close;
    (void)snprintf(why, TW_WHY_MAX, "a thread did not start");
    if (pthread_create(&state->thread, NULL, run, state) != 0) goto close;
    door->state = state;
    return 0;

close:
    tw__segment_marks_fini(&state->marks);
    free(state->folder);
    free(state);
    return TW_ERR_MEMORY;
}

static void ask(struct state *state, bool stop)
{
    (void)pthread_mutex_lock(&state->lock);
    state->draining = true;
    state->stopping = state->stopping || stop;
    (void)pthread_cond_signal(&state->wake);
    (void)pthread_mutex_unlock(&state->lock);
}

static void drain(struct tw__open_door *door)
{
    ask(door->state, false);
}

static bool idle(struct tw__open_door *door)
{
    struct state *state = door->state;
    (void)pthread_mutex_lock(&state->lock);
    bool drained = state->drained;
    (void)pthread_mutex_unlock(&state->lock);
    return drained;
}

static void close_door(struct tw__open_door *door)
{
    struct state *state = door->state;
    ask(state, true);
    (void)pthread_join(state->thread, NULL);
    for (struct segment *segment = state->segments, *next; segment; segment = next) {
        next = segment->next;
        drop(segment);
    }
    tw__segment_marks_fini(&state->marks);
    tw__spans_fini(&state->spans);
    (void)pthread_cond_destroy(&state->wake);
    (void)pthread_mutex_destroy(&state->lock);
    free(state->folder);
    free(state);
}

const struct tw__door_kind tw__door_segments = {.number = TW__DOOR_SEGMENT,
                                                .name = "segments",
                                                .open = open_door,
                                                .drain = drain,
                                                .idle = idle,
                                                .close = close_door};
