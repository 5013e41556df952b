/* live_own: the live traces that a program starts on itself.
 *
 * One thread serves them all. It begins with the first and ends with the last; all signals are blocked in it. It reads
 * the segment through its file, as a reader of another process would: the program's threads never wait for it.
 *
 * The lock is held during a step, so that stopping one means that it is not at work. A child has neither the thread nor
 * the traces.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/os.h"
#include "export/live.h"
#include "trace/export_hook.h"

#define IDLE_NS ((uint64_t)20000000)
#define BUSY_NS ((uint64_t)2000000)

static struct {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct tw__live *items[TW_LIVE_MAX];
    size_t count;
    bool running; /* the thread is there */
    bool stop;
    pthread_t thread;
} own = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

static int lock_own(void)
{
    int cancel = tw__os_cancel_not();
    pthread_mutex_lock(&own.lock);
    return cancel;
}

static void unlock_own(int cancel)
{
    pthread_mutex_unlock(&own.lock);
    tw__os_cancel_again(cancel);
}

static void remove_at(size_t index, const char *reason)
{
    tw__live_end(own.items[index], reason);
    tw__live_free(own.items[index]);
    own.items[index] = own.items[--own.count];
}

static void *run(void *data)
{
    (void)data;
    tw__os_name_thread("trackway-live");
    pthread_mutex_lock(&own.lock);
    while (own.count && !own.stop) {
        bool busy = false, any = false;
        for (size_t i = 0; i < own.count; i++) {
            if (tw__live_step(own.items[i], &any)) {
                busy |= any;
            } else {
                remove_at(i, "");
                i--;
            }
        }
        if (own.count && !own.stop) tw__os_cond_wait(&own.wake, &own.lock, busy ? BUSY_NS : IDLE_NS);
    }
    own.running = false;
    pthread_detach(pthread_self()); /* nobody waits for what little is left to do */
    pthread_cond_broadcast(&own.wake);
    pthread_mutex_unlock(&own.lock);
    return NULL;
}

/* Under lock. */
static int begin_thread(void)
{
    sigset_t all, before;
    if (own.running) return 0;
    own.stop = false;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&own.thread, NULL, run, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    own.running = failed == 0;
    return failed ? TW_ERR_SYSTEM : 0;
}

int tw_live_start(const struct tw_live_options *options, char ref[TW_LIVE_REF_CAP], char *why)
{
    static const struct tw_live_options usual;
    struct tw__live_setup setup = {.options = options ? *options : usual, .fd = -1};
    char path[256];
    struct tw__live *live = NULL;
    if (why) why[0] = 0;
    if (tw_recorder_path(path, sizeof path) <= 0) {
        (void)tw_recorder_enable(); /* the first use begins the recording, as a span would */
        if (tw_recorder_path(path, sizeof path) <= 0) {
            if (why) (void)snprintf(why, TW_WHY_MAX, "recording is off");
            return TW_ERR_OFF;
        }
    }
    int cancel = lock_own();
    int result = own.count == TW_LIVE_MAX ? TW_ERR_SPACE : tw__live_new(&setup, &live, why);
    if (result == 0) result = tw__live_watch(live, path, why);
    if (result == 0) {
        own.items[own.count++] = live;
        result = begin_thread();
        if (result < 0) own.count--;
    }
    if (result == 0) {
        memcpy(ref, tw__live_status(live)->ref, TW_LIVE_REF_CAP);
        pthread_cond_broadcast(&own.wake);
    } else {
        if (why && !why[0]) (void)snprintf(why, TW_WHY_MAX, "%s", tw_err_text(result));
        tw__live_free(live);
    }
    unlock_own(cancel);
    return result;
}

int tw_live_stop(const char *ref, char *file, size_t cap)
{
    int result = TW_ERR_NOT_FOUND, cancel = lock_own();
    for (size_t i = 0; i < own.count && result < 0; i++) {
        const struct tw_live_status *status = tw__live_status(own.items[i]);
        if (!ref || strcmp(status->ref, ref) != 0) continue;
        if (file && cap) (void)snprintf(file, cap, "%s", status->file);
        remove_at(i, "");
        pthread_cond_broadcast(&own.wake);
        result = 0;
    }
    unlock_own(cancel);
    return result;
}

int tw_live_clear(void)
{
    int count = 0, cancel = lock_own();
    for (; own.count; count++) remove_at(own.count - 1, "");
    pthread_cond_broadcast(&own.wake);
    unlock_own(cancel);
    return count;
}

int tw_live_look(size_t index, struct tw_live_status *out)
{
    char path[256];
    struct tw_reader *reader;
    if (tw_recorder_path(path, sizeof path) <= 0) return TW_ERR_OFF;
    int result = tw_reader_open(path, &reader, NULL);
    if (result < 0) return result;
    result = tw_live_seat_status(reader, index, out);
    tw_reader_close(reader);
    return result;
}

void tw__live_own_end(uint64_t timeout_ns)
{
    int cancel = tw__os_cancel_not();
    /* A step takes milliseconds; one that hangs in a file system that does not answer must not keep the program. */
    uint64_t deadline = tw__clock_mono_ns() + timeout_ns;
    while (pthread_mutex_trylock(&own.lock) != 0) {
        if (tw__clock_mono_ns() >= deadline) {
            tw__os_cancel_again(cancel);
            return;
        }
        tw__os_sleep_ns(1000000);
    }
    own.stop = true;
    while (own.count) remove_at(own.count - 1, "ended: the process has ended its recording");
    pthread_cond_broadcast(&own.wake);
    while (own.running && tw__clock_mono_ns() < deadline) tw__os_cond_wait(&own.wake, &own.lock, IDLE_NS);
    unlock_own(cancel);
}

void tw__live_own_forget(void)
{
    static const pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static const pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
    own.lock = lock; /* the thread that may have held it is in the parent */
    own.wake = cond;
    own.count = 0; /* their memory is left: a step may have been in the middle of it */
    own.running = false;
}
