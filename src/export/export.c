/* export: the exporters' thread.
 *
 *     segment --tw_reader_read(after)--> records of sampled traces --batch.c--> each exporter in turn
 *        ^ counters, for who looks from outside                                  |
 *        `-----------------------------------------------------------------------'
 *
 * Every INTERVAL_NS, and whenever somebody waits in tw_flush, it reads what came since the last time. It is one reader
 * among others: it holds nothing of the writers, and what was overwritten before it came is counted as missed. It reads
 * READ_BYTES at a time and hands them on before it reads more, so that its memory does not grow with the arena, and the
 * end is noticed in between; everything else in a round is bounded by STEP_NS for each exporter. All signals are
 * blocked in it. It exists only while exporters are configured, or sampling is asked of X-Ray (xray_client).
 *
 * A flush is answered when a pass over the arena that began after it was asked has ended. When more than READ_BYTES
 * wait, an event that another thread recorded may come a read later than the span it belongs to; it goes the way of
 * events whose span is not exported.
 *
 * fork: the child's runtime begins anew and with it a thread of its own; sockets and files are opened again.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomics.h"
#include "base/clock.h"
#include "base/os.h"
#include "export/batch.h"
#include "export/registry.h"
#include "export/xray_client.h"
#include "ring/control.h"
#include "ring/reader.h"
#include "trace/diagnose.h"
#include "trace/export_hook.h"

enum { EXPORTERS_MAX = 8, READ_BYTES = 1 << 20, READS = 16 /* in a round */ };
#define INTERVAL_NS ((uint64_t)20000000)
#define STEP_NS     ((uint64_t)5000000)
#define AGAIN_NS    ((uint64_t)2000000)
#define TELL_NS     ((uint64_t)10000000000) /* between two words about one exporter */

/* What one thread works with. It is the thread's alone while it runs. */
struct crew {
    struct tw__exporter exporters[EXPORTERS_MAX];
    size_t count;
    struct tw_reader *reader;
    struct tw_position *position;
    struct tw__batcher batcher;
    uint64_t passes, needed; /* over the arena: ended; when the flush that is asked for has all */
    bool in_pass;
    uint64_t asked;          /* the last flush that was noticed; the end counts as one */
    struct tw__segment *segment;
    uint64_t opened_ns; /* when open spans were last looked at */
    bool central;       /* client is open */
    struct tw__xray_client client;
    uint64_t client_errors, client_told_ns;
    struct tw__settings settings; /* a copy: one that is left behind outlives those of the runtime */
    struct tw__resource resource;
};

/* Under lock. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t wake, done;
    uint64_t asked, answered; /* flushes */
    uint64_t deadline_ns;     /* of the one that waits longest, or of the end */
    bool all_passed;          /* the last answered flush left nothing behind */
    bool stop, reopen;
    bool running;
    pthread_t thread;
    struct crew *crew; /* of the thread that counts; one that was left behind closes its own and ends */
} export = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER, .done = PTHREAD_COND_INITIALIZER};

/* Whether nobody waits for the rest any more. */
static bool is_over(const struct crew *crew)
{
    pthread_mutex_lock(&export.lock);
    bool over = export.crew != crew || (export.stop && tw__clock_mono_ns() >= export.deadline_ns);
    pthread_mutex_unlock(&export.lock);
    return over;
}

static void hand_on(struct crew *crew, const struct tw_records *records, const struct tw_process *process,
                    uint64_t now_ns)
{
    struct tw__export_batch batch = {.process = process, .now_ns = now_ns};
    bool with_events = false;
    for (size_t i = 0; i < crew->count; i++) with_events |= crew->exporters[i].wants_events;
    int made = tw__batcher_make(&crew->batcher, records, with_events, &batch);
    for (size_t i = 0; i < crew->count; i++) {
        struct tw__exporter *exporter = &crew->exporters[i];
        tw__store_relaxed(&exporter->stats.records, exporter->stats.records + records->count);
        if (made < 0) tw__exporter_drop(exporter, NULL, records->count);
        if (made == 0) exporter->class->records(exporter, &batch);
    }
    tw__batcher_done(&crew->batcher);
}

static void miss(struct crew *crew, uint64_t chunks)
{
    for (size_t i = 0; i < crew->count; i++) {
        struct tw_export_stats *stats = &crew->exporters[i].stats;
        tw__store_relaxed(&stats->missed, stats->missed + chunks);
    }
}

/* Reads what came and hands it on. Returns false when there is more, for the next round. */
static bool pass_on(struct crew *crew)
{
    struct tw_process process;
    const struct tw_query query = {.after = crew->position, .flags = TW_FLAG_SAMPLED, .max_bytes = READ_BYTES};
    struct tw_records *records;
    if (tw_reader_process(crew->reader, &process) < 0) return true;
    for (int i = 0; i < READS; i++) {
        if (tw_reader_read(crew->reader, &query, &records) < 0) return true;
        const uint64_t more = records->more;
        miss(crew, records->missed);
        if (records->count) hand_on(crew, records, &process, tw__clock_mono_ns());
        tw_records_free(records);
        crew->in_pass = more != 0;
        crew->passes += !more;
        if (more && is_over(crew)) {
            miss(crew, more);
            return false;
        }
        if (!more && crew->passes >= crew->needed) return true;
    }
    return false;
}

/* Shows open spans to those that want to see them. */
static void pass_open(struct crew *crew, uint64_t now_ns)
{
    uint64_t each_ns = UINT64_MAX;
    struct tw_process process;
    const struct tw_query query = {.only_open = true, .flags = TW_FLAG_SAMPLED};
    struct tw_records *records;
    for (size_t i = 0; i < crew->count; i++) {
        uint64_t its = crew->exporters[i].open_each_ns;
        if (its && its < each_ns) each_ns = its;
    }
    if (each_ns == UINT64_MAX || now_ns - crew->opened_ns < each_ns) return;
    crew->opened_ns = now_ns;
    if (tw_reader_process(crew->reader, &process) < 0 || tw_reader_read(crew->reader, &query, &records) < 0) return;
    for (size_t i = 0; i < crew->count; i++) {
        struct tw__exporter *exporter = &crew->exporters[i];
        if (exporter->open_each_ns) exporter->class->open_spans(exporter, records, &process, now_ns);
    }
    tw_records_free(records);
}

/* Lets each go on. True: there is something that should not wait for the next interval. */
static bool work(struct crew *crew)
{
    bool busy = false;
    for (size_t i = 0; i < crew->count; i++) {
        struct tw__exporter *exporter = &crew->exporters[i];
        if (exporter->class->work) busy |= exporter->class->work(exporter, tw__clock_mono_ns() + STEP_NS);
    }
    return busy;
}

static void ask_xray(struct crew *crew, uint64_t now_ns)
{
    if (!crew->central) return;
    int result = tw__xray_client_poll(&crew->client, tw__clock_wall_ns());
    if (result >= 0) return;
    if (crew->client_errors++ && now_ns - crew->client_told_ns < TELL_NS) return;
    char problem[TW_WHY_MAX], text[TW_WHY_MAX + 64];
    (void)tw__sampler_stats(crew->client.sampler, problem);
    (void)snprintf(text, sizeof text, "sampling by X-Ray's central rules: %s", problem);
    crew->client_told_ns = now_ns;
    tw__diagnose(result, text);
}

/* Counters into the segment, and news into the diagnostics. */
static void report(struct crew *crew, uint64_t now_ns)
{
    for (size_t i = 0; i < crew->count; i++) {
        struct tw__exporter *exporter = &crew->exporters[i];
        const struct tw_export_stats *stats = &exporter->stats;
        tw__control_exporter(crew->segment, (uint32_t)i, stats);
        if (stats->errors == exporter->told || (exporter->told && now_ns - exporter->told_ns < TELL_NS)) continue;
        char text[sizeof stats->problem + 64];
        (void)snprintf(text, sizeof text, "export: %s: %s", stats->name, stats->problem);
        exporter->told = stats->errors;
        exporter->told_ns = now_ns;
        tw__diagnose(TW_ERR_SYSTEM, text);
    }
}

static bool flush_all(struct crew *crew, uint64_t until_ns)
{
    bool all = true;
    for (size_t i = 0; i < crew->count; i++) all &= crew->exporters[i].class->flush(&crew->exporters[i], until_ns);
    return all;
}

static void reopen_all(struct crew *crew)
{
    for (size_t i = 0; i < crew->count; i++)
        if (crew->exporters[i].class->reopen) crew->exporters[i].class->reopen(&crew->exporters[i]);
}

static void close_crew(struct crew *crew)
{
    for (size_t i = 0; i < crew->count; i++) crew->exporters[i].class->close(&crew->exporters[i]);
    if (crew->central) tw__xray_client_close(&crew->client);
    tw__batcher_fini(&crew->batcher);
    tw_position_free(crew->position);
    tw_reader_close(crew->reader);
    free(crew);
}

/* One round without the lock. Returns whether everything was passed on, if that was asked for. */
static bool go_round(struct crew *crew, bool reopen, bool flush, uint64_t deadline, bool *busy)
{
    bool passed = false;
    uint64_t now = tw__clock_mono_ns();
    if (reopen) reopen_all(crew);
    bool whole = pass_on(crew);
    pass_open(crew, now);
    ask_xray(crew, now);
    *busy = work(crew) || !whole;
    now = tw__clock_mono_ns();
    if (flush) passed = flush_all(crew, now + STEP_NS < deadline ? now + STEP_NS : deadline) && whole;
    report(crew, now);
    return passed;
}

static void *run(void *data)
{
    struct crew *crew = data;
    tw__os_name_thread("trackway");
    pthread_mutex_lock(&export.lock);
    for (bool busy = false, again = false, end = false; !end && export.crew == crew;) {
        bool pending = export.stop || export.asked != export.answered;
        if (!busy && (again || !pending)) tw__os_cond_wait(&export.wake, &export.lock, again ? AGAIN_NS : INTERVAL_NS);
        if (export.crew != crew) break;
        bool reopen = export.reopen, stop = export.stop;
        uint64_t asked = export.asked, answered = export.answered, deadline = export.deadline_ns;
        export.reopen = false;
        pthread_mutex_unlock(&export.lock);
        if (crew->asked != asked + stop) {
            crew->asked = asked + stop;
            crew->needed = crew->passes + (crew->in_pass ? 2 : 1);
        }
        bool passed = go_round(crew, reopen, stop || asked != answered, deadline, &busy);
        pthread_mutex_lock(&export.lock);
        if (export.crew != crew) break;
        again = (stop || asked != answered) && !passed &&
                tw__clock_mono_ns() < deadline; /* goes on with reading meanwhile */
        if (again || (!stop && asked == answered)) continue;
        export.all_passed = passed;
        export.answered = asked;
        if (!export.stop && export.asked == asked) export.deadline_ns = 0;
        end = stop;
        pthread_cond_broadcast(&export.done);
    }
    bool left_behind = export.crew != crew;
    if (!left_behind) export.running = false;
    pthread_cond_broadcast(&export.done);
    pthread_mutex_unlock(&export.lock);
    if (left_behind) close_crew(crew);
    return NULL;
}

static void end_early(void)
{
    tw__export_end(TW__EXIT_TIMEOUT_NS);
}

/* The runtime ends the exporters in a destructor, which runs after everything that was registered with atexit. Who must
 * end before what its libraries have registered there registers after them: the last comes first. What is recorded
 * later than that is not sent any more. */
static void end_before_others(const struct tw__exporter_class *class)
{
    static bool registered;
    if (class->ends_early && !registered) registered = atexit(end_early) == 0;
}

/* Opens one. */
static int open_one(struct crew *crew, const struct tw__exporter_class *class, const struct tw__settings *settings,
                    const char **what)
{
    static char text[256];
    struct tw__exporter *exporter = &crew->exporters[crew->count];
    *exporter = (struct tw__exporter){.class = class, .settings = settings, .resource = &crew->resource};
    strncpy(exporter->stats.name, class->names[0], sizeof exporter->stats.name - 1);
    int opened = class->open(exporter);
    if (opened == 0) {
        crew->count++;
        end_before_others(class);
        return 0;
    }
    (void)snprintf(text, sizeof text, "%s%s%s", class->names[0], exporter->stats.problem[0] ? ": " : "",
                   exporter->stats.problem);
    *what = text;
    return opened;
}

/* Opens what the list names. An unknown name is an error that lists the names; one that cannot open leaves the
 * others. */
static int open_named(struct crew *crew, const struct tw__settings *settings, const char **what)
{
    int result = 0;
    for (const char *at = tw__setting(settings, TW__SETTING_EXPORTER); *at; at += strspn(at, ", ")) {
        size_t len = strcspn(at, ", ");
        bool none = !len || tw__exporter_is_none(at, len);
        const struct tw__exporter_class *class = none ? NULL : tw__exporter_find(at, len, what);
        if (!class && !none) result = TW_ERR_NOT_FOUND;
        if (class && crew->count < EXPORTERS_MAX) {
            int opened = open_one(crew, class, settings, what);
            if (opened < 0) result = opened;
        }
        at += len;
    }
    return result;
}

static int open_client(struct crew *crew, const struct tw__settings *settings, struct tw__sampler *sampler,
                       const char **what)
{
    if (!sampler || !tw__sampler_is_central(sampler)) return 0;
    *what = "AWS_XRAY_DAEMON_ADDRESS";
    int result = tw__xray_client_open(&crew->client, sampler, tw__setting(settings, TW__SETTING_XRAY_DAEMON), NULL);
    crew->central = result == 0;
    return result;
}

static int start_thread(struct crew *crew, const char **what)
{
    sigset_t all, before;
    const struct tw__segment *segment = crew->segment;
    int failed = tw__reader_over(segment->map, segment->map_len, segment->path, &crew->reader, NULL);
    if (failed == 0 && !(crew->position = tw_position_new())) failed = TW_ERR_MEMORY;
    export.crew = crew;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* the program's signals are the program's */
    if (failed == 0 && pthread_create(&export.thread, NULL, run, crew) != 0) failed = TW_ERR_SYSTEM;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed < 0) *what = "exporters' thread";
    if (failed < 0) export.crew = NULL;
    return failed;
}

int tw__export_begin(struct tw__segment *segment, const struct tw__settings *settings, struct tw__sampler *sampler,
                     const char **what)
{
    const char *named = tw__setting(settings, TW__SETTING_EXPORTER);
    bool central_asked = sampler && tw__sampler_is_central(sampler);
    if ((!*named || strcmp(named, "none") == 0) && !central_asked) return 0; /* most programs */
    struct crew *crew = calloc(1, sizeof *crew);
    *what = "exporters";
    if (!crew) return TW_ERR_MEMORY;
    crew->segment = segment;
    crew->settings = *settings;
    settings = &crew->settings;
    tw__resource_read(&crew->resource, settings);
    int result = open_named(crew, settings, what), central = open_client(crew, settings, sampler, what);
    if (central < 0) result = central;
    if (crew->count == 0 && !crew->central) {
        close_crew(crew);
        return result;
    }
    int count = (int)crew->count; /* the crew is the thread's as soon as there is one */
    for (size_t i = 0; i < crew->count; i++) tw__control_exporter(segment, (uint32_t)i, &crew->exporters[i].stats);
    pthread_mutex_lock(&export.lock);
    export.stop = export.reopen = false;
    export.asked = export.answered = export.deadline_ns = 0;
    int failed = start_thread(crew, what);
    export.running = failed == 0;
    pthread_mutex_unlock(&export.lock);
    if (failed < 0) close_crew(crew);
    return failed < 0 ? failed : result < 0 ? result : count;
}

/* Waits until cond holds or the time is over. Under lock. */
static bool wait_answered(uint64_t ticket, uint64_t deadline)
{
    uint64_t now;
    while (export.running && export.answered < ticket && (now = tw__clock_mono_ns()) < deadline)
        tw__os_cond_wait(&export.done, &export.lock, deadline - now);
    return export.answered >= ticket && export.all_passed;
}

/* timeout_ns from now; the end of time for one that is longer than that. */
static uint64_t deadline_of(uint64_t timeout_ns)
{
    uint64_t now = tw__clock_mono_ns();
    return timeout_ns < UINT64_MAX - now ? now + timeout_ns : UINT64_MAX;
}

int tw_flush(uint64_t timeout_ns)
{
    int result = TW_ERR_STATE,
        cancel = tw__os_cancel_not(); /* waiting is a place to be cancelled, with the lock held */
    pthread_mutex_lock(&export.lock);
    if (export.running && export.crew->count) {
        uint64_t ticket = ++export.asked, deadline = deadline_of(timeout_ns);
        if (deadline > export.deadline_ns) export.deadline_ns = deadline;
        pthread_cond_signal(&export.wake);
        result = wait_answered(ticket, deadline) ? 0 : TW_ERR_TIMEOUT;
    }
    pthread_mutex_unlock(&export.lock);
    tw__os_cancel_again(cancel);
    return result;
}

void tw_export_reopen(void)
{
    pthread_mutex_lock(&export.lock);
    export.reopen = true;
    pthread_cond_signal(&export.wake);
    pthread_mutex_unlock(&export.lock);
}

void tw__export_end(uint64_t timeout_ns)
{
    const uint64_t grace_ns = 200000000; /* for a round that is under way */
    pthread_mutex_lock(&export.lock);
    uint64_t now, deadline = deadline_of(timeout_ns);
    export.stop = true;
    export.deadline_ns = deadline;
    pthread_cond_signal(&export.wake);
    deadline = deadline < UINT64_MAX - grace_ns ? deadline + grace_ns : deadline;
    while (export.running && (now = tw__clock_mono_ns()) < deadline)
        tw__os_cond_wait(&export.done, &export.lock, deadline - now);
    bool ended = !export.running;
    struct crew *crew = export.crew;
    pthread_t thread = export.thread;
    export.crew = NULL; /* a thread that is not through yet closes what it has when it notices */
    export.running = false;
    pthread_mutex_unlock(&export.lock);
    if (!crew) return; /* there is none, or somebody else is ending it */
    if (!ended) {
        pthread_detach(thread);
        return;
    }
    pthread_join(thread, NULL);
    close_crew(crew);
}

/* In a forked child: the parent's thread was somewhere in the middle of all this. Descriptors are closed; memory, which
 * may be half way through a change, is left where it is. What had not yet been sent, the parent sends. */
void tw__export_forget(void)
{
    static const pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static const pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
    static struct crew *left; /* so that it can still be found by who looks for leaks */
    export.lock = lock;       /* the thread that may have held it is in the parent */
    export.wake = export.done = cond;
    left = export.running ? export.crew : left;
    for (size_t i = 0; export.running && i < left->count; i++) left->exporters[i].class->forget(&left->exporters[i]);
    if (export.running && left->central) tw__xray_client_after_fork(&left->client);
    export.running = false;
    export.crew = NULL;
}

int tw_export_counters(size_t index, struct tw_export_stats *out)
{
    pthread_mutex_lock(&export.lock);
    int result = export.crew && index < export.crew->count ? 0 : TW_ERR_NOT_FOUND;
    if (result == 0) *out = export.crew->exporters[index].stats;
    pthread_mutex_unlock(&export.lock);
    return result;
}
