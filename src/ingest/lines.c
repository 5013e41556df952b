/* lines: see the header.
 *
 * A call's span stands in a batch as soon as its line is read. Records gather, by process, in a window whose memory is
 * one pool, and are joined as the segments' are (ingest/segment_spans.h), so that a dump that is read here gives the
 * spans that the collector would have stored of those processes.
 *
 * Invariant: a line is in counts.lines, and then in a batch, a window, or counts.bad, unless memory was missing.
 */
#include "ingest/lines.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "ingest/segment_spans.h"
#include "model/text.h"
#include "wire/call_json_dec.h"
#include "wire/json_read.h"
#include "wire/otlp_dec.h"
#include "wire/record_json_dec.h"

enum { ENOUGH = 4096, BUCKETS = 4096, PROCESSES = 1024 };
enum { WAITING_BYTES = 16 << 20, CALLS_BYTES = 16 << 20, WINDOW_RECORDS = 1 << 18, WINDOW_BYTES = 128 << 20 };
static const uint64_t PENDING_NS = 600000000000;

struct waiting {
    struct waiting *next;
    uint64_t until_ns;
    uint8_t span_id[8];
    size_t len;
    char line[];
};

/* A process of a window; it stays after it, for events that wait. */
struct group {
    struct group *next;
    struct tw_process process; /* texts lie behind it */
    struct tw_record *items;   /* of the window */
    size_t count, cap;
    struct tw__pending pending;
    char texts[];
};

struct tw__lines {
    struct tw__lines_config config;
    struct tw__lines_counts counts;
    const char *why;
    size_t error_at;
    struct tw__spans calls, made;
    struct tw__pool otlp_kept;
    struct waiting *buckets[BUCKETS];
    size_t waiting_bytes;
    struct tw__pool window;
    struct group *groups, *last;
    size_t group_count, record_count;
};

struct tw__lines *tw__lines_new(const struct tw__lines_config *config)
{
    struct tw__lines *lines = calloc(1, sizeof *lines);
    if (lines) lines->config = *config;
    return lines;
}

static int hand_on(struct tw__lines *lines, struct tw__spans *spans)
{
    size_t count = spans->count;
    for (size_t i = 0; i < count; i++) spans->items[i].door = (uint8_t)lines->config.door;
    int code = count ? lines->config.take(lines->config.data, spans) : 0;
    if (code >= 0) lines->counts.spans += count;
    tw__spans_reset(spans);
    return code;
}

/* -- calls */

static struct waiting **bucket_of(struct tw__lines *lines, const uint8_t span_id[8])
{
    return &lines->buckets[((size_t)span_id[0] << 8 | span_id[1]) % BUCKETS];
}

static void wait_for(struct tw__lines *lines, const uint8_t span_id[8], const char *line, size_t len, uint64_t from_ns)
{
    if (lines->waiting_bytes + sizeof(struct waiting) + len > WAITING_BYTES) return;
    struct waiting *waiting = malloc(sizeof *waiting + len);
    if (!waiting) return;
    struct waiting **bucket = bucket_of(lines, span_id);
    waiting->until_ns = from_ns + lines->config.timeout_ns;
    waiting->len = len;
    memcpy(waiting->span_id, span_id, 8);
    memcpy(waiting->line, line, len);
    waiting->next = *bucket;
    *bucket = waiting;
    lines->waiting_bytes += sizeof *waiting + len;
}

static void forget(struct tw__lines *lines, struct waiting **at)
{
    struct waiting *waiting = *at;
    *at = waiting->next;
    lines->waiting_bytes -= sizeof *waiting + waiting->len;
    free(waiting);
}

static void came(struct tw__lines *lines, const uint8_t span_id[8])
{
    struct waiting **at = bucket_of(lines, span_id);
    while (*at) {
        if (memcmp((*at)->span_id, span_id, 8) == 0)
            forget(lines, at);
        else
            at = &(*at)->next;
    }
}

static uint64_t clock_of(const struct tw__lines *lines)
{
    return lines->config.waits ? tw__clock_mono_ns() : tw__clock_wall_ns();
}

int tw__lines_tick(struct tw__lines *lines)
{
    uint64_t now_ns = clock_of(lines);
    struct tw__call_found found;
    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct waiting **at = &lines->buckets[i]; *at;) {
            if ((*at)->until_ns > now_ns) {
                at = &(*at)->next;
                continue;
            }
            const char *copy = tw__pool_copy(&lines->calls.pool, (*at)->line, (*at)->len);
            if (copy && tw__call_json_dec(&lines->calls, copy, (*at)->len, true, &found) == 0)
                lines->counts.unanswered++;
            forget(lines, at);
        }
    }
    uint64_t wall_ns = tw__clock_wall_ns();
    for (struct group *group = lines->groups; lines->config.waits && group; group = group->next) {
        uint64_t lost = group->pending.lost;
        tw__pending_expire(&group->pending, wall_ns > PENDING_NS ? wall_ns - PENDING_NS : 0);
        lines->counts.lost_events += group->pending.lost - lost;
    }
    return hand_on(lines, &lines->calls);
}

static int take_call(struct tw__lines *lines, const char *text, size_t len)
{
    struct tw__call_found found;
    int code = 0;
    if (lines->calls.count >= ENOUGH || lines->calls.pool.taken_bytes >= CALLS_BYTES)
        code = hand_on(lines, &lines->calls);
    if (code < 0) return code;
    const char *copy = tw__pool_copy(&lines->calls.pool, text, len);
    code = copy ? tw__call_json_dec(&lines->calls, copy, len, false, &found) : TW_ERR_MEMORY;
    if (!copy || code == TW_ERR_MEMORY) return TW_ERR_MEMORY;
    if (code < 0) {
        lines->why = found.why;
        lines->error_at = found.error_at;
        return TW_ERR_SYNTAX;
    }
    const struct tw__span *span = &lines->calls.items[lines->calls.count - 1];
    if (found.is_response)
        came(lines, found.span_id);
    else
        wait_for(lines, found.span_id, text, len, lines->config.waits ? clock_of(lines) : span->start_ns);
    return 0;
}

/* -- records */

static bool is_of(const struct group *group, const struct tw_process *process)
{
    return group->process.pid == process->pid && tw__text_same(group->process.service, process->service) &&
           tw__text_same(group->process.host, process->host);
}

static struct tw_text keep(char **at, struct tw_text text)
{
    struct tw_text kept = {*at, text.len};
    if (text.len) memcpy(*at, text.ptr, text.len);
    *at += text.len;
    return kept;
}

static struct group *new_group(const struct tw_process *process)
{
    struct group *group =
        calloc(1, sizeof *group + process->service.len + process->host.len + process->command.len + 1);
    if (!group) return NULL;
    char *at = group->texts;
    group->process.pid = process->pid;
    group->process.state = process->state;
    group->process.service = keep(&at, process->service);
    group->process.host = keep(&at, process->host);
    group->process.command = keep(&at, process->command);
    return group;
}

static void free_groups(struct tw__lines *lines)
{
    for (struct group *group = lines->groups, *next; group; group = next) {
        next = group->next;
        lines->counts.lost_events += group->pending.count;
        tw__pending_fini(&group->pending);
        free(group);
    }
    lines->groups = lines->last = NULL;
    lines->group_count = 0;
}

static int store_group(struct tw__lines *lines, struct group *group)
{
    const struct tw_records records = {.items = group->items, .count = group->count};
    bool dead = group->process.state == TW_PROCESS_DEAD || group->process.state == TW_PROCESS_EXITED;
    struct tw__segment_join join = {.records = &records,
                                    .process = &group->process,
                                    .pending = &group->pending,
                                    .now_ns = UINT64_MAX, /* every span in progress is handed on */
                                    .dead = dead,
                                    .logs_told = true};
    uint64_t lost = group->pending.lost;
    int code = tw__segment_join_begin(&join), count;
    if (code < 0) return code;
    while (code == 0 && (count = tw__segment_join_next(&join, &lines->made)) != 0)
        code = count < 0 ? count : hand_on(lines, &lines->made);
    tw__segment_join_end(&join, true);
    lines->counts.lost_events += group->pending.lost - lost;
    group->items = NULL;
    group->count = group->cap = 0;
    return code;
}

static int store_window(struct tw__lines *lines)
{
    int code = 0;
    for (struct group *group = lines->groups; group && code == 0; group = group->next)
        if (group->count) code = store_group(lines, group);
    for (struct group *group = lines->groups; group; group = group->next) {
        group->items = NULL;
        group->count = group->cap = 0;
    }
    tw__pool_reset(&lines->window);
    lines->record_count = 0;
    return code;
}

/* *code: of what had to be handed on for it. NULL: that, or no memory. */
static struct group *group_of(struct tw__lines *lines, const struct tw_process *process)
{
    if (lines->last && is_of(lines->last, process)) return lines->last;
    for (struct group *group = lines->groups; group; group = group->next)
        if (is_of(group, process)) return lines->last = group;
    struct group *group = new_group(process);
    if (!group) return NULL;
    group->next = lines->groups;
    lines->groups = lines->last = group;
    lines->group_count++;
    return group;
}

static int take_record(struct tw__lines *lines, const char *text, size_t len)
{
    struct tw__record_line line;
    int code = 0;
    if (lines->record_count >= WINDOW_RECORDS || lines->window.taken_bytes >= WINDOW_BYTES) code = store_window(lines);
    if (code == 0 && lines->group_count >= PROCESSES) {
        code = store_window(lines);
        free_groups(lines);
    }
    if (code < 0) return code;
    const char *copy = tw__pool_copy(&lines->window, text, len);
    if (!copy) return TW_ERR_MEMORY;
    code = tw__record_json_dec(&lines->window, copy, len, &line);
    if (code == TW_ERR_MEMORY) return code;
    if (code < 0) {
        lines->why = line.why;
        lines->error_at = line.error_at;
        return TW_ERR_SYNTAX;
    }
    struct group *group = group_of(lines, &line.process);
    if (!group) return TW_ERR_MEMORY;
    group->process.state = line.process.state;
    if (line.is_process) return 0;
    if (tw__pool_grow(&lines->window, &group->items, group->count, &group->cap, sizeof line.record) < 0)
        return TW_ERR_MEMORY;
    group->items[group->count++] = line.record;
    lines->record_count++;
    return 0;
}

/* -- OpenTelemetry */

static int take_batch(void *data, struct tw__spans *spans)
{
    return hand_on(data, spans);
}

static int take_otlp(struct tw__lines *lines, const char *text, size_t len)
{
    struct tw__otlp_dec dec = {
        .spans = &lines->made, .door = lines->config.door, .take = take_batch, .data = lines, .kept = lines->otlp_kept};
    int code = tw__otlp_json_dec(&dec, text, len);
    lines->otlp_kept = dec.kept;
    lines->counts.rejected += dec.rejected;
    lines->why = dec.why;
    lines->error_at = dec.error_at;
    return code;
}

/* -- any */

static bool is_one_of(const struct tw__json_reader *json, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (tw__json_is(json, names[i])) return true;
    return false;
}

/* The first member that only one form has decides; why there is none is noted. */
static enum tw__lines_form form_of(struct tw__lines *lines, const char *text, size_t len)
{
    static const char *const records[] = {"kind", "begin_ns", "time_ns"};
    static const char *const calls[] = {"stage", "lifecycle_stage", "call_id", "call_id_stack", "call_stack"};
    static const char *const otlp[] = {"resourceSpans", "resource_spans"};
    char scratch[64];
    struct tw__json_reader json = {.text = text,
                                   .len = len,
                                   .last = true,
                                   .lenience = TW__JSON_NAN | TW__JSON_REPAIR,
                                   .scratch = scratch,
                                   .scratch_cap = sizeof scratch};
    enum tw__json_event event = tw__json_read(&json);
    bool object = event == TW__JSON_OBJECT;
    while (object && (event = tw__json_read(&json)) == TW__JSON_NAME) {
        if (is_one_of(&json, records, sizeof records / sizeof *records)) return TW__LINES_RECORDS;
        if (is_one_of(&json, calls, sizeof calls / sizeof *calls)) return TW__LINES_CALLS;
        if (is_one_of(&json, otlp, sizeof otlp / sizeof *otlp)) return TW__LINES_OTLP;
        event = tw__json_skip(&json);
        if (event == TW__JSON_BAD || event == TW__JSON_MORE) break;
    }
    bool broken = event == TW__JSON_BAD;
    lines->why = broken   ? json.why
                 : object ? "of no form that is known: a record, a call or OpenTelemetry's spans"
                          : "not a JSON object";
    lines->error_at = broken ? json.error_at : 0;
    return TW__LINES_ANY;
}

static int take_form(struct tw__lines *lines, enum tw__lines_form form, const char *text, size_t len)
{
    switch (form) {
    case TW__LINES_RECORDS:
        return take_record(lines, text, len);
    case TW__LINES_CALLS:
        return take_call(lines, text, len);
    case TW__LINES_OTLP:
        return take_otlp(lines, text, len);
    case TW__LINES_ANY:
    default:
        return TW_ERR_SYNTAX;
    }
}

int tw__lines_take(struct tw__lines *lines, const char *text, size_t len)
{
    while (len && (text[len - 1] == '\r' || text[len - 1] == ' ' || text[len - 1] == '\t')) len--;
    for (; len && (*text == ' ' || *text == '\t'); len--) text++;
    if (len == 0) return 0;
    lines->counts.lines++;
    enum tw__lines_form form = lines->config.form;
    if (form == TW__LINES_ANY) form = form_of(lines, text, len);
    int code = take_form(lines, form, text, len);
    if (code == TW_ERR_SYNTAX) lines->counts.bad++;
    return code;
}

const char *tw__lines_why(const struct tw__lines *lines, size_t *at)
{
    *at = lines->error_at;
    return lines->why ? lines->why : "not understood";
}

bool tw__lines_waiting(const struct tw__lines *lines)
{
    return lines->calls.count || lines->record_count;
}

int tw__lines_flush(struct tw__lines *lines)
{
    int code = hand_on(lines, &lines->calls), other = store_window(lines);
    return code < 0 ? code : other;
}

int tw__lines_end(struct tw__lines *lines, bool unanswered)
{
    int code = tw__lines_flush(lines);
    uint64_t spans = lines->counts.spans; /* those that are marked have been counted */
    if (code == 0 && unanswered) code = tw__lines_tick(lines);
    lines->counts.spans = spans;
    free_groups(lines);
    return code;
}

struct tw__lines_counts tw__lines_counts(const struct tw__lines *lines)
{
    return lines->counts;
}

void tw__lines_free(struct tw__lines *lines)
{
    if (!lines) return;
    for (size_t i = 0; i < BUCKETS; i++)
        while (lines->buckets[i]) forget(lines, &lines->buckets[i]);
    free_groups(lines);
    tw__spans_fini(&lines->calls);
    tw__spans_fini(&lines->made);
    tw__pool_fini(&lines->otlp_kept);
    tw__pool_fini(&lines->window);
    free(lines);
}
