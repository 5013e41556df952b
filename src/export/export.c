/* export: the exporters' thread.
 *
 *     segment --tw_reader_read(after)--> records of sampled traces --batch.c--> each exporter in turn
 *        ^ counters, for who looks from outside                                  |
 *        `-----------------------------------------------------------------------'
 *
 * Every INTERVAL_NS, and whenever somebody waits in tw_flush, it reads what came since the last time. It is one reader among
 * others: it holds nothing of the writers, and what was overwritten before it came is counted as missed. A round takes no
 * longer than its exporters' work, which is bounded by STEP_NS each. All signals are blocked in it. It exists only while
 * exporters are configured, or sampling is asked of X-Ray (xray_client).
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

enum { EXPORTERS_MAX = 8 };
#define INTERVAL_NS ((uint64_t)20000000)
#define STEP_NS     ((uint64_t)5000000)
#define AGAIN_NS    ((uint64_t)2000000)
#define TELL_NS     ((uint64_t)10000000000) /* between two words about one exporter */

static struct {
    pthread_mutex_t lock; /* guards what follows up to running */
    pthread_cond_t wake, done;
    uint64_t asked, answered; /* flushes */
    uint64_t deadline_ns;     /* of the one that waits longest */
    bool all_passed;          /* the last answered flush left nothing behind */
    bool stop, reopen;
    bool running;
    pthread_t thread;
    struct tw__exporter exporters[EXPORTERS_MAX];
    size_t count;
    struct tw_reader *reader;
    struct tw_position *position;
    struct tw__batcher batcher;
    struct tw__segment *segment;
    uint64_t opened_ns; /* when open spans were last looked at */
    bool central;       /* client is open */
    struct tw__xray_client client;
    uint64_t client_errors;
    struct tw__resource resource;
} export = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER, .done = PTHREAD_COND_INITIALIZER};

/* Reads and hands on until nothing is left. */
static void pass_on(uint64_t now_ns)
{
    struct tw_process process;
    const struct tw_query query = {.after = export.position, .flags = TW_FLAG_SAMPLED};
    struct tw__export_batch batch = {.process = &process, .now_ns = now_ns};
    struct tw_records *records;
    bool with_events = false;
    if (tw_reader_process(export.reader, &process) < 0) return;
    if (tw_reader_read(export.reader, &query, &records) < 0) return;
    for (size_t i = 0; i < export.count; i++) with_events |= export.exporters[i].wants_events;
    int made = tw__batcher_make(&export.batcher, records, with_events, &batch);
    for (size_t i = 0; i < export.count; i++) {
        struct tw__exporter *exporter = &export.exporters[i];
        tw__store_relaxed(&exporter->stats.records, exporter->stats.records + records->count);
        tw__store_relaxed(&exporter->stats.missed, exporter->stats.missed + records->missed);
        if (made < 0) tw__exporter_drop(exporter, NULL, records->count);
        if (made == 0 && records->count) exporter->class->records(exporter, &batch);
    }
    tw__batcher_done(&export.batcher);
    tw_records_free(records);
}

/* Shows open spans to those that want to see them. */
static void pass_open(uint64_t now_ns)
{
    uint64_t each_ns = UINT64_MAX;
    struct tw_process process;
    const struct tw_query query = {.only_open = true, .flags = TW_FLAG_SAMPLED};
    struct tw_records *records;
    for (size_t i = 0; i < export.count; i++) {
        uint64_t its = export.exporters[i].open_each_ns;
        if (its && its < each_ns) each_ns = its;
    }
    if (each_ns == UINT64_MAX || now_ns - export.opened_ns < each_ns) return;
    export.opened_ns = now_ns;
    if (tw_reader_process(export.reader, &process) < 0 || tw_reader_read(export.reader, &query, &records) < 0) return;
    for (size_t i = 0; i < export.count; i++) {
        struct tw__exporter *exporter = &export.exporters[i];
        if (exporter->open_each_ns) exporter->class->open_spans(exporter, records, &process, now_ns);
    }
    tw_records_free(records);
}

/* Lets each go on. True: there is something that should not wait for the next interval. */
static bool work(void)
{
    bool busy = false;
    for (size_t i = 0; i < export.count; i++) {
        struct tw__exporter *exporter = &export.exporters[i];
        if (exporter->class->work) busy |= exporter->class->work(exporter, tw__clock_mono_ns() + STEP_NS);
    }
    return busy;
}

static void ask_xray(uint64_t now_ns)
{
    static uint64_t told_ns;
    if (!export.central) return;
    int result = tw__xray_client_poll(&export.client, tw__clock_wall_ns());
    if (result >= 0) return;
    if (export.client_errors++ && now_ns - told_ns < TELL_NS) return;
    char problem[TW_WHY_MAX], text[TW_WHY_MAX + 64];
    (void)tw__sampler_stats(export.client.sampler, problem);
    (void)snprintf(text, sizeof text, "sampling by X-Ray's central rules: %s", problem);
    told_ns = now_ns;
    tw__diagnose(result, text);
}

/* Counters into the segment, and news into the diagnostics. */
static void report(uint64_t now_ns)
{
    for (size_t i = 0; i < export.count; i++) {
        struct tw__exporter *exporter = &export.exporters[i];
        const struct tw_export_stats *stats = &exporter->stats;
        tw__control_exporter(export.segment, (uint32_t)i, stats);
        if (stats->errors == exporter->told || (exporter->told && now_ns - exporter->told_ns < TELL_NS)) continue;
        char text[sizeof stats->problem + 64];
        (void)snprintf(text, sizeof text, "export: %s: %s", stats->name, stats->problem);
        exporter->told = stats->errors;
        exporter->told_ns = now_ns;
        tw__diagnose(TW_ERR_SYSTEM, text);
    }
}

static bool flush_all(uint64_t until_ns)
{
    bool all = true;
    for (size_t i = 0; i < export.count; i++) all &= export.exporters[i].class->flush(&export.exporters[i], until_ns);
    return all;
}

static void reopen_all(void)
{
    for (size_t i = 0; i < export.count; i++)
        if (export.exporters[i].class->reopen) export.exporters[i].class->reopen(&export.exporters[i]);
}

static void *run(void *data)
{
    (void)data;
    tw__os_name_thread("trackway");
    pthread_mutex_lock(&export.lock);
    for (bool busy = false, again = false, end = false; !end;) {
        bool pending = export.stop || export.asked != export.answered;
        if (!busy && (again || !pending)) tw__os_cond_wait(&export.wake, &export.lock, again ? AGAIN_NS : INTERVAL_NS);
        bool reopen = export.reopen, stop = export.stop, passed = false;
        uint64_t asked = export.asked, answered = export.answered, deadline = export.deadline_ns;
        export.reopen = false;
        pthread_mutex_unlock(&export.lock);
        if (reopen) reopen_all();
        uint64_t now = tw__clock_mono_ns();
        pass_on(now);
        pass_open(now);
        ask_xray(now);
        busy = work();
        if (stop || asked != answered) passed = flush_all(now + STEP_NS < deadline ? now + STEP_NS : deadline);
        report(now);
        pthread_mutex_lock(&export.lock);
        again = (stop || asked != answered) && !passed && now < deadline; /* goes on with reading meanwhile */
        if (again || (!stop && asked == answered)) continue;
        export.all_passed = passed;
        export.answered = asked;
        if (!export.stop && export.asked == asked) export.deadline_ns = 0;
        end = stop;
        pthread_cond_broadcast(&export.done);
    }
    export.running = false;
    pthread_cond_broadcast(&export.done);
    pthread_mutex_unlock(&export.lock);
    return NULL;
}

static void close_all(void)
{
    for (size_t i = 0; i < export.count; i++) export.exporters[i].class->close(&export.exporters[i]);
    export.count = 0;
    if (export.central) tw__xray_client_close(&export.client);
    export.central = false;
    tw__batcher_fini(&export.batcher);
    tw_position_free(export.position);
    tw_reader_close(export.reader);
    export.position = NULL;
    export.reader = NULL;
}

/* In a forked child: the parent's thread was somewhere in the middle of all this. Descriptors are closed; memory, which may be half
 * way through a change, is left where it is. */
static void leave_all(void)
{
    static struct {
        struct tw__exporter exporters[EXPORTERS_MAX];
        struct tw__batcher batcher;
        struct tw__xray_client client;
        struct tw_position *position;
        struct tw_reader *reader;
    } left; /* so that it can still be found by who looks for leaks */
    for (size_t i = 0; i < export.count; i++) export.exporters[i].class->forget(&export.exporters[i]);
    if (export.central) tw__xray_client_after_fork(&export.client);
    memcpy(left.exporters, export.exporters, sizeof left.exporters);
    left.batcher = export.batcher;
    left.client = export.client;
    left.position = export.position;
    left.reader = export.reader;
    memset(&export.batcher, 0, sizeof export.batcher);
    export.central = false;
    export.position = NULL;
    export.reader = NULL;
    export.count = 0;
}

static void end_early(void)
{
    tw__export_end(TW__EXIT_TIMEOUT_NS);
}

/* The runtime ends the exporters in a destructor, which runs after everything that was registered with atexit. Who must end before
 * what its libraries have registered there registers after them: the last comes first. What is recorded later than that is not
 * sent any more. */
static void end_before_others(const struct tw__exporter_class *class)
{
    static bool registered;
    if (class->ends_early && !registered) registered = atexit(end_early) == 0;
}

/* Opens one. */
static int open_one(const struct tw__exporter_class *class, const struct tw__settings *settings, const char **what)
{
    static char text[sizeof export.exporters[0].stats.problem + 64];
    struct tw__exporter *exporter = &export.exporters[export.count];
    *exporter = (struct tw__exporter){.class = class, .settings = settings, .resource = &export.resource};
    strncpy(exporter->stats.name, class->names[0], sizeof exporter->stats.name - 1);
    int opened = class->open(exporter);
    if (opened == 0) {
        export.count++;
        end_before_others(class);
        return 0;
    }
    (void)snprintf(text, sizeof text, "%s%s%s", class->names[0], exporter->stats.problem[0] ? ": " : "", exporter->stats.problem);
    *what = text;
    return opened;
}

/* Opens what the list names. An unknown name is an error that lists the names; one that cannot open leaves the others. */
static int open_named(const struct tw__settings *settings, const char **what)
{
    int result = 0;
    for (const char *at = tw__setting(settings, TW__SETTING_EXPORTER); *at; at += strspn(at, ", ")) {
        size_t len = strcspn(at, ", ");
        bool none = !len || tw__exporter_is_none(at, len);
        const struct tw__exporter_class *class = none ? NULL : tw__exporter_find(at, len, what);
        if (!class && !none) result = TW_ERR_NOT_FOUND;
        if (class && export.count < EXPORTERS_MAX) {
            int opened = open_one(class, settings, what);
            if (opened < 0) result = opened;
        }
        at += len;
    }
    return result;
}

static int open_client(const struct tw__settings *settings, struct tw__sampler *sampler, const char **what)
{
    if (!sampler || !tw__sampler_is_central(sampler)) return 0;
    *what = "AWS_XRAY_DAEMON_ADDRESS";
    int result = tw__xray_client_open(&export.client, sampler, tw__setting(settings, TW__SETTING_XRAY_DAEMON), NULL);
    export.central = result == 0;
    return result;
}

static int start_thread(const char **what)
{
    sigset_t all, before;
    int failed = tw__reader_over(export.segment->map, export.segment->map_len, export.segment->path, &export.reader, NULL);
    if (failed == 0 && !(export.position = tw_position_new())) failed = TW_ERR_MEMORY;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* the program's signals are the program's */
    if (failed == 0 && pthread_create(&export.thread, NULL, run, NULL) != 0) failed = TW_ERR_SYSTEM;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed < 0) *what = "exporters' thread";
    return failed;
}

int tw__export_begin(struct tw__segment *segment, const struct tw__settings *settings, struct tw__sampler *sampler, const char **what)
{
    export.stop = export.running = export.reopen = false;
    export.asked = export.answered = export.opened_ns = 0;
    export.segment = segment;
    tw__resource_read(&export.resource, settings);
    int result = open_named(settings, what);
    int central = open_client(settings, sampler, what);
    if (central < 0) result = central;
    if (export.count == 0 && !export.central) return result;
    for (size_t i = 0; i < export.count; i++) tw__control_exporter(segment, (uint32_t)i, &export.exporters[i].stats);
    int failed = start_thread(what);
    if (failed < 0) {
        close_all();
        return failed;
    }
    export.running = true;
    return result < 0 ? result : (int)export.count;
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
    int result = TW_ERR_STATE, cancel = tw__os_cancel_not(); /* waiting is a place to be cancelled, with the lock held */
    pthread_mutex_lock(&export.lock);
    if (export.running && export.count) {
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
    bool was = export.running, ended = false;
    uint64_t now, deadline = deadline_of(timeout_ns);
    export.stop = true;
    export.deadline_ns = deadline;
    pthread_cond_signal(&export.wake);
    deadline = deadline < UINT64_MAX - grace_ns ? deadline + grace_ns : deadline;
    while (export.running && (now = tw__clock_mono_ns()) < deadline)
        tw__os_cond_wait(&export.done, &export.lock, deadline - now);
    ended = !export.running;
    pthread_mutex_unlock(&export.lock);
    if (!was) return;
    if (!ended) { /* it hangs in the kernel: leave it everything it has */
        pthread_detach(export.thread);
        return;
    }
    pthread_join(export.thread, NULL);
    close_all();
}

void tw__export_forget(void)
{
    static const pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static const pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
    export.lock = lock; /* the thread that may have held it is in the parent */
    export.wake = export.done = cond;
    if (export.running) leave_all(); /* what it had not yet sent, the parent sends */
    export.running = false;
}

int tw_export_counters(size_t index, struct tw_export_stats *out)
{
    pthread_mutex_lock(&export.lock);
    int result = index < export.count ? 0 : TW_ERR_NOT_FOUND;
    if (result == 0) *out = export.exporters[index].stats;
    pthread_mutex_unlock(&export.lock);
    return result;
}
