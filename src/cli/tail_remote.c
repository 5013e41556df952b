/* tail_remote: finished requests as they come to a collector.
 *
 *     every second    what has ended in the last LATE_NS (senders send late), less what was printed already
 *
 * What was printed is known by trace and span, for one to two times LATE_NS.
 * Limits: what comes later than that, or took longer than ten minutes, is not shown.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "cli/remote.h"
#include "cli/tail.h"
#include "model/map.h"

enum { SEEN_MAX = 1 << 20 };
static const uint64_t LATE_NS = 30000000000, POLL_NS = 1000000000, STEP_NS = 100000000;

struct ended {
    const struct tw_record *record;
    const struct tw_process *process;
};

struct tail {
    const struct tw__args *args;
    const struct tw__tail_view *view;
    struct tw__sources sources;
    struct tw__map seen[2]; /* [0] is filled; then it becomes [1] */
    size_t seen_count;
    uint64_t begin_ns, turned_ns;
    struct tw__buf out;
};

static bool turn(struct tail *tail, uint64_t now_ns)
{
    if (now_ns - tail->turned_ns < LATE_NS && tail->seen_count < SEEN_MAX) return true;
    tw__map_fini(&tail->seen[1]);
    tail->seen[1] = tail->seen[0];
    tail->seen[0] = (struct tw__map){0};
    tail->seen_count = 0;
    tail->turned_ns = now_ns;
    return tw__map_init(&tail->seen[0], SEEN_MAX);
}

static bool is_new(struct tail *tail, const struct tw_record *record)
{
    struct tw__map_key key = {{0}};
    bool found;
    memcpy(&key.word[0], record->trace_id, 16);
    memcpy(&key.word[2], record->span_id, 8);
    if (tw__map_get(&tail->seen[1], &key)) return false;
    if (tail->seen_count >= SEEN_MAX) return tw__map_get(&tail->seen[0], &key) == NULL;
    (void)tw__map_put(&tail->seen[0], &key, &found);
    tail->seen_count += !found;
    return !found;
}

static int by_end(const void *left, const void *right)
{
    const struct ended *a = left, *b = right;
    if (a->record->end_ns != b->record->end_ns) return a->record->end_ns < b->record->end_ns ? -1 : 1;
    return memcmp(a->record->span_id, b->record->span_id, sizeof a->record->span_id);
}

static int print_new(struct tail *tail)
{
    size_t all = 0, count = 0;
    for (size_t i = 0; i < tail->sources.count; i++) all += tail->sources.items[i].records->count;
    struct ended *ended = calloc(all + 1, sizeof *ended);
    if (!ended) return tw__out_of_memory();
    for (size_t i = 0; i < tail->sources.count; i++) {
        const struct tw__source *source = &tail->sources.items[i];
        for (size_t k = 0; k < source->records->count; k++) {
            const struct tw_record *record = &source->records->items[k];
            if (record->kind == TW_RECORD_SPAN && record->end_ns >= tail->begin_ns &&
                tail->view->passes(tail->args, record, &source->process) && is_new(tail, record))
                ended[count++] = (struct ended){record, &source->process};
        }
    }
    if (count) qsort(ended, count, sizeof *ended, by_end);
    int code = TW__EXIT_OK;
    for (size_t i = 0; i < count && code == TW__EXIT_OK; i++) {
        tail->view->print(tail->args, &tail->out, ended[i].record, ended[i].process);
        code = tw__out_write_some(&tail->out);
    }
    free(ended);
    return code == TW__EXIT_OK ? tw__out_write(&tail->out) : code;
}

static int look(struct tail *tail)
{
    uint64_t now_ns = tw__clock_wall_ns(), since_ns = now_ns - LATE_NS;
    if (!turn(tail, now_ns)) return tw__out_of_memory();
    if (since_ns < tail->begin_ns) since_ns = tail->begin_ns;
    int code = tw__remote_ended(&tail->sources, tail->args, since_ns);
    return code == TW__EXIT_OK ? print_new(tail) : code;
}

int tw__tail_remote(const struct tw__args *args, const struct tw__tail_view *view)
{
    struct tail tail = {.args = args, .view = view, .begin_ns = tw__clock_wall_ns()};
    uint64_t end_ns = args->given & TW__OPT_FOR ? tw__clock_mono_ns() + args->for_ns : UINT64_MAX;
    tw__stop_on_signals(false);
    int code = tw__sources_open(&tail.sources, args);
    if (code == TW__EXIT_OK && !(tw__map_init(&tail.seen[0], SEEN_MAX) && tw__map_init(&tail.seen[1], 1)))
        code = tw__out_of_memory();
    tail.turned_ns = tail.begin_ns;
    for (bool last = false; code == TW__EXIT_OK && !last;) {
        last = tw__stopped() || tw__clock_mono_ns() >= end_ns;
        code = look(&tail);
        uint64_t until_ns = tw__clock_mono_ns() + POLL_NS;
        if (until_ns > end_ns) until_ns = end_ns;
        while (!last && !tw__stopped() && tw__clock_mono_ns() < until_ns)
            (void)nanosleep(&(struct timespec){.tv_nsec = (long)STEP_NS}, NULL);
    }
    tw__map_fini(&tail.seen[0]);
    tw__map_fini(&tail.seen[1]);
    tw__sources_close(&tail.sources);
    tw__buf_fini(&tail.out);
    return code;
}
