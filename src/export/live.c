/* live: a live trace: a reader with a filter, a format, a file and limits.
 *
 *     each step, of each process watched:  records since the last time, and open spans
 *     -> events: a log is one; a span two, its begin from its slot while it is open, or with its end from its record
 *     -> those until `now`, in order of time -> filter -> format -> file; later ones wait for the next step
 *
 * What waits is what came while the step read: a begin that was not seen then may lie before it. So lines of one thread
 * are in order, whatever came meanwhile. A begin is written once: begun remembers the open spans that have been told.
 *
 * What could not be kept is said in the file, as a line with the number: records overwritten before they were read,
 * lines over the rate, lines that a full disk did not take.
 *
 * Limits: 4,096 processes.
 * Rejected: a thread per live trace (a step of all of them is a fraction of a millisecond when there is nothing to do);
 * matching inside of tw_reader_read on undecoded records (the reader's layers would turn around).
 */
#include "export/live.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/os.h"
#include "export/live_event.h"
#include "export/live_file.h"
#include "export/live_functions.h"
#include "wire/human.h"
#include "wire/json.h"

enum { SOURCES_MAX = 4096, FLUSH_BYTES = 1 << 18, HELD_BYTES = 4 << 20 };
#define SECOND_NS ((uint64_t)1000000000)
#define MARGIN_NS ((uint64_t)100000)  /* times of two clocks */
#define LAST_NS   ((uint64_t)1000000) /* what was recorded when the end was asked for is not to be missed */
#define TIME_NS   (600 * SECOND_NS)
#define BYTES_MAX ((uint64_t)100000000)

struct ids {
    uint64_t *items;
    size_t count, cap;
};

struct source {
    struct tw_reader *reader; /* NULL: its process has ended */
    struct tw_position *position;
    struct tw_live_seat *seat;
    struct tw_process process;
    struct tw_records *records, *waiting; /* of this step; of the last, with events that wait */
    struct ids begun;
    struct tw__functions *functions; /* NULL: nobody has asked */
    char path[TW_LIVE_FILE_CAP];
    bool gone;
};

struct events {
    struct tw__live_event *items;
    size_t count, cap;
};

struct tw__live {
    struct tw__live_setup setup;
    struct tw__filter *filter;
    struct tw__line_format *format;
    struct tw__line_clock clock;
    struct tw__live_wanted wanted;
    unsigned levels;
    bool json;
    struct tw__live_file file;
    struct tw_live_status status;
    char filter_text[sizeof((struct tw_live_status *)0)->filter];
    struct source **sources;
    size_t source_count, source_cap, watched;
    struct events now, next;
    struct tw__live_scratch scratch;
    struct tw__buf out;
    size_t out_lines;
    uint64_t begin_ns, begin_mono_ns, checked_ns, second_ns, second_lines, over_rate, unwritten, told_missed;
    bool ended, asked, failed, last;
};

/* -- setting up */

static int refuse(char *why, int code, const char *what, const struct tw__refusal *refusal)
{
    if (why) (void)snprintf(why, TW_WHY_MAX, "%s, at byte %zu: %.180s", what, refusal->at, refusal->text);
    return code;
}

static int compile(struct tw__live *live, char *why)
{
    const struct tw_live_options *o = &live->setup.options;
    const char *filter = o->filter ? o->filter : "[{function, '*'}]",
               *format = o->format ? o->format : TW__LINE_FORMAT_KAZOO;
    const char *level = o->level ? o->level : "debug";
    struct tw__refusal refusal = {0};
    int result = tw__filter_compile(filter, strlen(filter), &tw__live_schema, &live->filter, &refusal);
    if (result < 0) return refuse(why, result, "filter", &refusal);
    result = tw__line_format_compile(format, strlen(format), tw__live_field_id, NULL, &live->format, &refusal);
    if (result < 0) return refuse(why, result, "format", &refusal);
    result = tw__levels_parse(level, strlen(level));
    if (result < 0) {
        if (why)
            (void)snprintf(why, TW_WHY_MAX, "level: \"%.40s\" is none: debug, warning, =info, !=info, <=error, ...",
                           level);
        return result;
    }
    live->levels = (unsigned)result;
    live->json = strcmp(format, "json") == 0;
    size_t len = strlen(filter);
    if (len >= sizeof live->filter_text) len = sizeof live->filter_text - 1;
    memcpy(live->filter_text, filter, len);
    return tw__live_wanted_of(live->filter, live->levels, &live->wanted);
}

int tw__live_new(const struct tw__live_setup *setup, struct tw__live **out, char *why)
{
    uint8_t random[6];
    if (why) why[0] = 0;
    struct tw__live *live = calloc(1, sizeof *live);
    if (!live) return TW_ERR_MEMORY;
    live->setup = *setup;
    live->file.fd = -1;
    if (!live->setup.options.time_ns) live->setup.options.time_ns = TIME_NS;
    if (!live->setup.options.bytes) live->setup.options.bytes = BYTES_MAX;
    int result = compile(live, why);
    if (result == 0 && setup->fd >= 0) tw__live_file_borrow(&live->file, setup->fd);
    if (result == 0 && setup->fd < 0) result = tw__live_file_open(&live->file, setup->options.file, why);
    if (result < 0) {
        tw__live_free(live);
        return result;
    }
    live->setup.options.filter = live->setup.options.format = live->setup.options.level = live->setup.options.file =
        NULL; /* the caller's */
    tw__os_random(random, sizeof random);
    for (unsigned i = 0; i < sizeof random; i++) (void)snprintf(live->status.ref + 2 * i, 3, "%02x", random[i]);
    memcpy(live->status.file, live->file.path, sizeof live->status.file);
    memcpy(live->status.filter, live->filter_text, sizeof live->status.filter);
    live->status.state = TW_LIVE_ACTIVE;
    live->begin_ns = live->status.started_ns = tw__clock_wall_ns();
    live->begin_mono_ns = live->checked_ns = live->second_ns = tw__clock_mono_ns();
    *out = live;
    return 0;
}

static void close_source(struct tw__live *live, struct source *s)
{
    if (s->reader) live->watched--;
    tw_live_seat_leave(s->seat, &live->status);
    tw_position_free(s->position);
    tw_reader_close(s->reader);
    free(s->begun.items);
    tw__functions_free(s->functions);
    s->functions = NULL;
    s->reader = NULL;
    s->position = NULL;
    s->seat = NULL;
    s->begun = (struct ids){0};
}

void tw__live_free(struct tw__live *live)
{
    if (!live) return;
    for (size_t i = 0; i < live->source_count; i++) {
        close_source(live, live->sources[i]);
        tw_records_free(live->sources[i]->records);
        tw_records_free(live->sources[i]->waiting);
        free(live->sources[i]);
    }
    tw__live_file_close(&live->file);
    tw__filter_free(live->filter);
    tw__line_format_free(live->format);
    tw__buf_fini(&live->out);
    tw__buf_fini(&live->scratch.message);
    free(live->sources);
    free(live->now.items);
    free(live->next.items);
    free(live);
}

static struct source *new_source(struct tw__live *live, const char *path)
{
    if (strlen(path) >= sizeof((struct source *)0)->path || live->source_count == SOURCES_MAX) return NULL;
    if (live->source_count == live->source_cap) {
        size_t cap = live->source_cap ? 2 * live->source_cap : 8;
        struct source **sources = realloc(live->sources, cap * sizeof *sources);
        if (!sources) return NULL;
        live->sources = sources;
        live->source_cap = cap;
    }
    struct source *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    memcpy(s->path, path, strlen(path) + 1);
    return live->sources[live->source_count++] = s;
}

int tw__live_watch(struct tw__live *live, const char *path, char *why)
{
    for (size_t i = 0; i < live->source_count; i++)
        if (strcmp(live->sources[i]->path, path) == 0) return 0;
    struct tw_reader *reader;
    int result = tw_reader_open(path, &reader, why);
    if (result < 0) return result;
    struct source *s = new_source(live, path);
    if (!s) {
        tw_reader_close(reader);
        return TW_ERR_MEMORY;
    }
    s->reader = reader;
    live->watched++;
    struct tw_live_rule rules[TW__LIVE_RULES_MAX];
    for (size_t i = 0; i < live->wanted.count; i++) {
        const struct tw__live_wants_one *w = &live->wanted.rules[i];
        rules[i] =
            (struct tw_live_rule){w->levels, w->module[0] ? w->module : NULL, w->function[0] ? w->function : NULL};
    }
    const struct tw_live_ask ask = {.ref = live->status.ref,
                                    .file = live->file.borrowed ? "(terminal)" : live->file.path,
                                    .filter = live->filter_text,
                                    .rules = rules,
                                    .rule_count = live->wanted.count,
                                    .calls = live->wanted.calls};
    s->position = tw_position_new();
    result = s->position ? tw_reader_process(reader, &s->process) : TW_ERR_MEMORY;
    if (result == 0) result = tw_live_seat_take(reader, &ask, &s->seat);
    if (result < 0) {
        if (why) (void)snprintf(why, TW_WHY_MAX, "%.150s: %s", path, tw_err_text(result));
        close_source(live, s);
        free(s);
        live->source_count--;
    }
    return result;
}

/* -- lines */

static void flush(struct tw__live *live)
{
    if (live->out.failed) { /* no memory for the lines of this step */
        live->unwritten += live->out_lines;
        tw__buf_reset(&live->out);
        live->out_lines = 0;
    }
    size_t len = live->out.len, done = tw__live_file_write(&live->file, live->out.ptr, len), rest = 0;
    for (size_t i = done; i < len; i++) rest += live->out.ptr[i] == '\n';
    if (live->file.problem[0]) memcpy(live->status.problem, live->file.problem, sizeof live->status.problem);
    if (rest > live->out_lines) rest = live->out_lines; /* a format may have lines of several */
    live->status.lines += live->out_lines - rest;
    live->status.bytes += done;
    live->unwritten += rest;
    live->status.dropped += rest;
    live->failed = live->file.borrowed && done < len;
    tw__buf_reset(&live->out);
    live->out_lines = 0;
}

/* A line of our own, which counts as none. */
static void note(struct tw__live *live, const char *what, uint64_t number, const char *text)
{
    if (live->json) {
        struct tw__json json = {.out = &live->out};
        tw__json_open(&json, NULL, '{');
        tw__json_cstr(&json, "kind", "trackway");
        tw__json_u64(&json, "time_ns", tw__clock_wall_ns());
        tw__json_cstr(&json, "what", what);
        if (number) tw__json_u64(&json, "number", number);
        tw__json_cstr(&json, "message", text);
        tw__json_close(&json, '}');
        tw__json_line(&json);
    } else if (number) {
        tw__buf_fmt(&live->out, "trackway: %llu %s\n", (unsigned long long)number, text);
    } else {
        tw__buf_fmt(&live->out, "trackway: %s\n", text);
    }
}

/* Says what was lost since it was said last. Not as long as the disk takes nothing. */
static void tell_losses(struct tw__live *live)
{
    size_t before = live->out.len;
    uint64_t missed = live->status.missed - live->told_missed;
    if (!missed && !live->over_rate && !live->unwritten) return;
    if (missed) note(live, "missed", missed, "chunks of records were overwritten before they were read");
    if (live->over_rate) note(live, "rate", live->over_rate, "lines over the rate are left out");
    if (live->unwritten) note(live, "unwritten", live->unwritten, "lines could not be written");
    if (live->out.failed ||
        tw__live_file_write(&live->file, live->out.ptr + before, live->out.len - before) < live->out.len - before) {
        live->out.len = before;
        return;
    }
    live->status.bytes += live->out.len - before;
    live->out.len = before;
    live->told_missed = live->status.missed;
    live->over_rate = live->unwritten = 0;
}

static bool within_rate(struct tw__live *live)
{
    uint64_t rate = live->setup.options.lines_per_second;
    if (rate == 0 || live->second_lines < rate) {
        live->second_lines++;
        return true;
    }
    live->over_rate++;
    live->status.dropped++;
    return false;
}

/* Entries and exits of functions are found by name. */
static void name_function(struct tw__live *live, struct tw__live_event *event)
{
    struct source *s = live->sources[event->source];
    if (!s->functions) s->functions = tw__functions_new(event->record->pid);
    event->called = event->object = (struct tw_text){"?", 1};
    if (s->functions && event->record->arg_count)
        tw__functions_find(s->functions, event->record->args[0].value.u, &event->called, &event->object);
}

static void write_event(struct tw__live *live, struct tw__live_event *event)
{
    const struct tw__line_source source = {.event = event, .get = tw__live_field, .each = tw__live_each};
    const struct tw__line_options options = {
        .utc = live->setup.utc, .color = live->setup.color, .one_line = true, .clock = &live->clock};
    live->scratch.of = NULL;
    bool call = event->kind == TW__LIVE_CALL || event->kind == TW__LIVE_RETURN;
    if (call && !live->wanted.calls) return; /* recorded for another live trace */
    if (call) name_function(live, event);
    if (!tw__levels_have(live->levels, tw__live_level(event)) || !tw__filter_match(live->filter, tw__live_field, event))
        return;
    if (!within_rate(live)) return;
    size_t before = live->out.len;
    tw__line_format_write(live->format, &source, &options, &live->out);
    if (live->out.len > before && live->out.ptr[live->out.len - 1] != '\n') tw__buf_char(&live->out, '\n');
    live->out_lines++;
    if (live->out.len >= FLUSH_BYTES) flush(live);
}

/* -- events */

static bool add_event(struct events *events, const struct tw__live_event *event)
{
    if (events->count == events->cap) {
        size_t cap = events->cap ? 2 * events->cap : 1024;
        struct tw__live_event *items = realloc(events->items, cap * sizeof *items);
        if (!items) return false;
        events->items = items;
        events->cap = cap;
    }
    events->items[events->count++] = *event;
    return true;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static uint64_t number_of(const uint8_t id[8])
{
    uint64_t number;
    memcpy(&number, id, sizeof number);
    return number;
}

static bool has_id(const struct ids *ids, uint64_t id)
{
    return ids->count && bsearch(&id, ids->items, ids->count, sizeof *ids->items, by_number);
}

static bool add_id(struct ids *ids, uint64_t id)
{
    if (ids->count == ids->cap) {
        size_t cap = ids->cap ? 2 * ids->cap : 64;
        uint64_t *items = realloc(ids->items, cap * sizeof *items);
        if (!items) return false;
        ids->items = items;
        ids->cap = cap;
    }
    ids->items[ids->count++] = id;
    return true;
}

static enum tw__live_kind kind_of(enum tw_record_kind kind)
{
    switch (kind) {
    case TW_RECORD_LOG:
        return TW__LIVE_LOG;
    case TW_RECORD_MARK:
        return TW__LIVE_MARK;
    case TW_RECORD_SEND:
        return TW__LIVE_SEND;
    case TW_RECORD_RECEIVE:
        return TW__LIVE_RECEIVE;
    case TW_RECORD_CREATED:
        return TW__LIVE_CREATED;
    case TW_RECORD_EXITED:
        return TW__LIVE_EXITED;
    case TW_RECORD_REQUEST:
        return TW__LIVE_REQUEST;
    case TW_RECORD_RESPONSE:
        return TW__LIVE_RESPONSE;
    case TW_RECORD_ENTER:
        return TW__LIVE_CALL;
    case TW_RECORD_LEAVE:
        return TW__LIVE_RETURN;
    case TW_RECORD_SPAN:
        return TW__LIVE_END;
    case TW_RECORD_OPEN:
        return TW__LIVE_BEGIN;
    case TW_RECORD_EVENT:
    case TW_RECORD_TAGS:
        break;
    }
    return TW__LIVE_EVENT;
}

/* The events of one record: those until `until` now, later ones in the next step. */
static bool take_record(struct tw__live *live, uint32_t index, const struct tw_record *record, uint64_t until,
                        struct ids *open)
{
    struct source *s = live->sources[index];
    struct tw__live_event event = {.record = record,
                                   .process = &s->process,
                                   .scratch = &live->scratch,
                                   .source = index,
                                   .kind = kind_of(record->kind),
                                   .time_ns = record->time_ns};
    bool span = record->kind == TW_RECORD_SPAN, is_open = record->kind == TW_RECORD_OPEN;
    uint64_t id = span || is_open ? number_of(record->span_id) : 0;
    bool told = id && (record->time_ns < live->begin_ns || has_id(&s->begun, id));
    if (is_open && !told && record->time_ns > until) return true; /* it comes again */
    if (is_open && !add_id(open, id)) return false;
    if (is_open && told) return true;
    if (span && !told) {
        event.kind = TW__LIVE_BEGIN;
        if (!add_event(event.time_ns <= until ? &live->now : &live->next, &event)) return false;
    }
    if (span) {
        event.kind = TW__LIVE_END;
        event.time_ns = record->end_ns;
    }
    return add_event(event.time_ns <= until ? &live->now : &live->next, &event);
}

static void take_source(struct tw__live *live, uint32_t index, uint64_t until)
{
    struct source *s = live->sources[index];
    struct ids open = {0};
    const struct tw_query query = {.since_ns = live->begin_ns, .open_spans = true, .after = s->position};
    if (!s->reader) return;
    s->gone = s->process.state == TW_PROCESS_DEAD ||
              s->process.state == TW_PROCESS_EXITED; /* before it is read for the last time */
    if (tw_reader_read(s->reader, &query, &s->records) < 0) return;
    live->status.missed += s->records->missed;
    bool kept = true;
    for (size_t i = 0; kept && i < s->records->count; i++)
        kept = take_record(live, index, &s->records->items[i], s->gone ? UINT64_MAX : until, &open);
    if (!kept) live->unwritten++; /* no memory: of how many lines cannot be told */
    free(s->begun.items);
    if (open.count > 1) qsort(open.items, open.count, sizeof *open.items, by_number);
    s->begun = open;
}

static int by_time(const void *a, const void *b)
{
    const struct tw__live_event *x = a, *y = b;
    if (x->time_ns != y->time_ns) return x->time_ns < y->time_ns ? -1 : 1;
    if (x->source != y->source) return x->source < y->source ? -1 : 1;
    if (x->kind == TW__LIVE_BEGIN && y->kind != TW__LIVE_BEGIN) return -1;
    if (y->kind == TW__LIVE_BEGIN && x->kind != TW__LIVE_BEGIN) return 1;
    return (x->record->order > y->record->order) - (x->record->order < y->record->order);
}

static void sort(struct events *events)
{
    for (size_t i = 1; i < events->count; i++)
        if (by_time(&events->items[i - 1], &events->items[i]) > 0) {
            qsort(events->items, events->count, sizeof *events->items, by_time);
            return;
        }
}

/* -- steps */

static void end_with(struct tw__live *live, const char *reason)
{
    live->ended = true;
    if (!live->status.problem[0]) (void)snprintf(live->status.problem, sizeof live->status.problem, "%s", reason);
    if (reason[0]) note(live, "end", 0, reason);
}

static void write_events(struct tw__live *live)
{
    const struct tw_live_options *o = &live->setup.options;
    for (size_t i = 0; i < live->now.count && !live->ended; i++) {
        write_event(live, &live->now.items[i]);
        if (live->failed) {
            live->ended = true;
        } else if (o->lines && live->status.lines + live->out_lines >= o->lines) {
            end_with(live, "ended: it has as many lines as were asked for");
        } else if (live->status.bytes + live->out.len >= o->bytes) {
            end_with(live, "ended: it has as many bytes as were asked for");
        }
    }
}

static void read_all(struct tw__live *live)
{
    uint64_t now = tw__clock_wall_ns(), until = live->last ? now + LAST_NS : now - MARGIN_NS;
    struct events waited = live->next;
    live->next = live->now;
    live->next.count = 0;
    live->now = waited; /* all of it was there before this step */
    for (size_t i = 0; i < live->source_count; i++) {
        struct source *s = live->sources[i];
        s->waiting = s->records;
        s->records = NULL;
        take_source(live, (uint32_t)i, until);
    }
    sort(&live->now);
    write_events(live);
    for (size_t i = 0; i < live->source_count; i++) {
        tw_records_free(live->sources[i]->waiting);
        live->sources[i]->waiting = NULL;
    }
    flush(live);
}

/* Once a second. */
static void look_around(struct tw__live *live)
{
    tw__live_file_check(&live->file);
    tell_losses(live);
    live->second_lines = 0;
    for (size_t i = 0; i < live->source_count; i++) {
        struct source *s = live->sources[i];
        if (!s->reader) continue;
        if (s->gone) {
            close_source(live, s);
            continue;
        }
        (void)tw_reader_process(s->reader, &s->process);
    }
}

/* Whether somebody has asked for the end. Every step: one load a process. */
static void beat(struct tw__live *live)
{
    for (size_t i = 0; i < live->source_count; i++) {
        struct source *s = live->sources[i];
        if (s->reader && !s->gone && tw_live_seat_beat(s->seat, &live->status) < 0) live->asked = true;
    }
}

bool tw__live_step(struct tw__live *live, bool *busy)
{
    uint64_t now = tw__clock_mono_ns();
    *busy = false;
    if (live->ended) return false;
    if (now - live->checked_ns >= SECOND_NS) {
        live->checked_ns = now;
        look_around(live);
    }
    read_all(live);
    *busy = live->now.count + live->next.count > 0;
    beat(live);
    if (live->ended) return false;
    if (live->asked) {
        end_with(live, "");
    } else if (now - live->begin_mono_ns >= live->setup.options.time_ns) {
        end_with(live, "ended: its time is over");
    } else if (live->watched == 0 && !live->setup.stays && live->source_count) {
        end_with(live, "ended: what it watched has ended");
    }
    return !live->ended;
}

void tw__live_end(struct tw__live *live, const char *reason)
{
    bool busy;
    live->last = true;
    if (!live->ended) (void)tw__live_step(live, &busy);
    if (!live->ended) end_with(live, reason);
    flush(live);
    tell_losses(live);
    live->status.state = TW_LIVE_ENDED;
    for (size_t i = 0; i < live->source_count; i++) close_source(live, live->sources[i]);
}

const struct tw_live_status *tw__live_status(const struct tw__live *live)
{
    return &live->status;
}

size_t tw__live_watched(const struct tw__live *live)
{
    return live->watched;
}
