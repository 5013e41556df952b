/* limbo: two counters instead of epochs.
 *
 *     reader                              owner
 *     inside[i] += 1       (seq_cst)      swap the pointer      (seq_cst)
 *     load the pointer     (seq_cst)      inside[i] == 0 ?      (seq_cst)
 *     use it                              ... both seen empty, each at some time since: free the old object
 *     inside[i] -= 1       (release)
 *
 * All but the last are in one total order. A reader that got the old pointer loaded it before the swap, so it was
 * counted before the swap, in one of the two, and stays counted until it has left; when that counter is seen empty
 * after the swap, the reader is gone (its release pairs with the owner's load: its last look happened before the free).
 * Who is counted later loads later, and gets the new pointer. One counter would do for that, but under load it might
 * never be seen empty. Therefore the owner sends new readers to the other one each time, so that one of them runs dry;
 * which of them a reader takes is a hint, and nothing depends on it. Nobody waits: the owner comes by once a second,
 * and a decision takes a fraction of a microsecond.
 *
 * Limits: TW__LIMBO_MAX objects wait. When they are that many (a reader that never leaves: a thread stopped by a
 * debugger, a signal handler that jumped out), the owner installs nothing new, keeps deciding by what it has, and
 * counts. Memory is bounded and nothing is ever freed under a reader. fork: only the calling thread lives on in the
 * child, so the others' presence must not count: both begin at 0 again. A handler that forked in the middle of a
 * decision returns to a reader with a ticket from before, which is not subtracted.
 * Rejected: epochs for each thread (a registration and a list of threads for something that happens every five
 * minutes); keeping all old sets (unbounded); freeing after some time (a stopped thread is not bound by any).
 */
#include "sample/limbo.h"

#include "base/atomics.h"

uint32_t tw__limbo_enter(struct tw__limbo *limbo)
{
    uint32_t i = tw__load_relaxed(&limbo->which) & 1;
    tw__add_seq_cst(&limbo->inside[i], 1u); /* partner: the load in sweep */
    return i | limbo->forks << 1;
}

void tw__limbo_leave(struct tw__limbo *limbo, uint32_t ticket)
{
    if (ticket >> 1 != (limbo->forks & UINT32_MAX >> 1)) return;
    tw__sub_release(&limbo->inside[ticket & 1], 1u); /* pairs with the load in sweep */
}

bool tw__limbo_has_room(struct tw__limbo *limbo)
{
    for (int i = 0; i < 3 && limbo->count == TW__LIMBO_MAX; i++) tw__limbo_sweep(limbo);
    return limbo->count < TW__LIMBO_MAX;
}

void tw__limbo_retire(struct tw__limbo *limbo, void *object, tw__limbo_free_fn *free, void *data)
{
    if (!object || limbo->count == TW__LIMBO_MAX)
        return; /* full: the caller did not ask; leaked rather than freed too early */
    limbo->waiting[limbo->count].object = object;
    limbo->waiting[limbo->count].free = free;
    limbo->waiting[limbo->count].data = data;
    limbo->waiting[limbo->count].seen_empty = 0;
    limbo->count++;
}

void tw__limbo_fini(struct tw__limbo *limbo)
{
    for (size_t i = 0; i < limbo->count; i++) limbo->waiting[i].free(limbo->waiting[i].data, limbo->waiting[i].object);
    limbo->count = 0;
}

size_t tw__limbo_sweep(struct tw__limbo *limbo)
{
    unsigned empty = 0;
    size_t kept = 0;
    if (limbo->count == 0) return 0;
    for (unsigned i = 0; i < 2; i++)
        if (tw__load_seq_cst(&limbo->inside[i]) == 0) empty |= 1u << i;
    for (size_t i = 0; i < limbo->count; i++) {
        limbo->waiting[i].seen_empty |= empty;
        if (limbo->waiting[i].seen_empty == 3)
            limbo->waiting[i].free(limbo->waiting[i].data, limbo->waiting[i].object);
        else
            limbo->waiting[kept++] = limbo->waiting[i];
    }
    limbo->count = kept;
    tw__store_relaxed(&limbo->which, tw__load_relaxed(&limbo->which) ^ 1);
    return kept;
}

void tw__limbo_after_fork(struct tw__limbo *limbo)
{
    limbo->forks++;
    limbo->inside[0] = limbo->inside[1] = 0;
}
