/* diagnose: see the header.
 *
 * A lock of its own, because the exporters' thread tells things while the runtime's lock is held by who waits for that
 * thread. The callback runs outside of it.
 */
#include "trace/diagnose.h"

#include <pthread.h>

static struct {
    pthread_mutex_t lock;
    tw_diagnostic_fn *fn;
    void *data;
} listener = {.lock = PTHREAD_MUTEX_INITIALIZER};

void tw__diagnose_to(tw_diagnostic_fn *fn, void *data)
{
    pthread_mutex_lock(&listener.lock);
    listener.fn = fn;
    listener.data = data;
    pthread_mutex_unlock(&listener.lock);
}

void tw__diagnose(int error, const char *text)
{
    pthread_mutex_lock(&listener.lock);
    tw_diagnostic_fn *fn = listener.fn;
    void *data = listener.data;
    pthread_mutex_unlock(&listener.lock);
    if (fn) fn(data, error, text);
}

void tw__diagnose_after_fork(void)
{
    static const pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER;
    listener.lock = fresh;
}
