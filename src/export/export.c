/* export: the exporters' thread.
 *
 *     segment --tw_reader_read(after)--> records of sampled traces --> each exporter in turn
 *
 * Every INTERVAL_NS, and whenever somebody waits in tw_flush, it reads what came since the last time. It is one reader among
 * others: it holds nothing of the writers, and what was overwritten before it came is counted as missed. All signals are
 * blocked in it. It exists only while exporters are configured.
 *
 * fork: the child's runtime begins anew and with it a thread of its own; sockets and files are opened again.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomics.h"
#include "base/clock.h"
#include "base/os.h"
#include "export/exporter.h"
#include "ring/reader.h"
#include "trace/export_hook.h"

enum { EXPORTERS_MAX = 8 };
#define INTERVAL_NS ((uint64_t)20000000)

static const struct tw__exporter_class *const classes[] = {&tw__exporter_file, &tw__exporter_network_lossy};

static struct {
    pthread_mutex_t lock; /* guards what follows up to running */
    pthread_cond_t wake, done;
    uint64_t asked, answered; /* flushes */
    bool stop, reopen;
    bool running;
    pthread_t thread;
    struct tw__exporter exporters[EXPORTERS_MAX];
    size_t count;
    struct tw_reader *reader;
    struct tw_position *position;
} export = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER, .done = PTHREAD_COND_INITIALIZER};

static bool same_word(const char *a, const char *b, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char x = a[i] >= 'A' && a[i] <= 'Z' ? (char)(a[i] + 32) : a[i];
        if (x == '-') x = '_';
        if (x != b[i] || !b[i]) return false;
    }
    return b[len] == 0;
}

static const struct tw__exporter_class *find_class(const char *name, size_t len)
{
    for (size_t c = 0; c < sizeof classes / sizeof classes[0]; c++)
        for (size_t n = 0; n < 4 && classes[c]->names[n]; n++)
            if (same_word(name, classes[c]->names[n], len)) return classes[c];
    return NULL;
}

void tw__exporter_problem(struct tw__exporter *self, const char *what, int error_number)
{
    tw__count(&self->stats.errors);
    tw__os_problem_text(self->stats.problem, sizeof self->stats.problem, what, error_number);
}

/* Reads and hands on until nothing is left. */
static void pass_on(uint64_t now_ns)
{
    struct tw_process process;
    const struct tw_query query = {.after = export.position, .flags = TW_FLAG_SAMPLED};
    struct tw_records *records;
    if (tw_reader_process(export.reader, &process) < 0) return;
    if (tw_reader_read(export.reader, &query, &records) < 0) return;
    for (size_t i = 0; i < export.count; i++) {
        struct tw__exporter *exporter = &export.exporters[i];
        tw__store_relaxed(&exporter->stats.records, exporter->stats.records + records->count);
        tw__store_relaxed(&exporter->stats.missed, exporter->stats.missed + records->missed);
        if (records->count) exporter->class->records(exporter, records, &process, now_ns);
    }
    tw_records_free(records);
}

static void flush_all(uint64_t deadline_ns)
{
    for (size_t i = 0; i < export.count; i++) (void)export.exporters[i].class->flush(&export.exporters[i], deadline_ns);
}

static void *run(void *data)
{
    (void)data;
    tw__os_name_thread("trackway");
    pthread_mutex_lock(&export.lock);
    for (bool stop = false; !stop;) {
        if (!export.stop && export.asked == export.answered) tw__os_cond_wait(&export.wake, &export.lock, INTERVAL_NS);
        stop = export.stop;
        bool reopen = export.reopen;
        uint64_t asked = export.asked;
        export.reopen = false;
        pthread_mutex_unlock(&export.lock);
        for (size_t i = 0; reopen && i < export.count; i++)
            if (export.exporters[i].class->reopen) export.exporters[i].class->reopen(&export.exporters[i]);
        uint64_t now = tw__clock_mono_ns();
        pass_on(now);
        if (stop || asked != export.answered) flush_all(now + 1000000000u);
        pthread_mutex_lock(&export.lock);
        export.answered = asked;
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
    tw_position_free(export.position);
    tw_reader_close(export.reader);
    export.position = NULL;
    export.reader = NULL;
}

/* Opens what the list names. An unknown name is an error that lists the names; one that cannot open leaves the others. */
static int open_named(const struct tw__settings *settings, const char **what)
{
    int result = 0;
    for (const char *at = settings->exporter; *at;) {
        size_t len = strcspn(at, ", ");
        const struct tw__exporter_class *class = find_class(at, len);
        bool none = same_word(at, "none", len) || same_word(at, "disabled", len);
        if (!class && !none && len) {
            *what = "unknown exporter; there are: none, file, network_lossy";
            result = TW_ERR_SYNTAX;
        } else if (class && export.count < EXPORTERS_MAX) {
            struct tw__exporter *exporter = &export.exporters[export.count];
            *exporter = (struct tw__exporter){.class = class};
            strncpy(exporter->stats.name, class->names[0], sizeof exporter->stats.name - 1);
            int opened = class->open(exporter, settings);
            if (opened == 0) export.count++;
            if (opened < 0) *what = class->names[0];
            if (opened < 0) result = opened;
        }
        at += len;
        at += strspn(at, ", ");
    }
    return result;
}

int tw__export_begin(const struct tw__segment *segment, const struct tw__settings *settings, const char **what)
{
    export.stop = export.running = export.reopen = false;
    export.asked = export.answered = 0;
    int result = open_named(settings, what);
    if (export.count == 0) return result;
    int failed = tw__reader_over(segment->map, segment->map_len, segment->path, &export.reader, NULL);
    if (failed == 0 && !(export.position = tw_position_new())) failed = TW_ERR_MEMORY;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* the program's signals are the program's */
    if (failed == 0 && pthread_create(&export.thread, NULL, run, NULL) != 0) failed = TW_ERR_SYSTEM;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed < 0) {
        *what = "exporters' thread";
        close_all();
        return failed;
    }
    export.running = true;
    return result;
}

/* Waits until cond holds or the time is over. Under lock. */
static bool wait_answered(uint64_t ticket, uint64_t timeout_ns)
{
    uint64_t now = tw__clock_mono_ns(), deadline = now + timeout_ns;
    while (export.running && export.answered < ticket && (now = tw__clock_mono_ns()) < deadline)
        tw__os_cond_wait(&export.done, &export.lock, deadline - now);
    return export.answered >= ticket;
}

int tw_flush(uint64_t timeout_ns)
{
    int result = TW_ERR_STATE, cancel = tw__os_cancel_not(); /* waiting is a place to be cancelled, with the lock held */
    pthread_mutex_lock(&export.lock);
    if (export.running) {
        uint64_t ticket = ++export.asked;
        pthread_cond_signal(&export.wake);
        result = wait_answered(ticket, timeout_ns) ? 0 : TW_ERR_TIMEOUT;
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
    pthread_mutex_lock(&export.lock);
    bool was = export.running, ended = false;
    export.stop = true;
    pthread_cond_signal(&export.wake);
    uint64_t now = tw__clock_mono_ns(), deadline = now + timeout_ns;
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
    if (export.running) close_all(); /* our copies of its descriptors; what it had not yet sent, the parent sends */
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
