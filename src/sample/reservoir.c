/* reservoir: a second and what was taken in it, in one word.
 *
 *     63          32 31           0
 *     | second       | taken      |
 *
 * Invariant: the word changes only by compare-and-swap, from (s, n) to (s, n + 1) with n < limit, or to (later, 1): so
 * no second gives more than its limit. Threads read the clock before they come here, and the one that read it first may
 * come last. A second slightly in the past is taken for the one that stands in the word, else two threads at the turn
 * of a second would reset it for each other. A clock that was set back by more than BACK is believed. TRIES bounds the
 * work under contention; each lost try means that another thread took one. Who loses them all falls back to the rate,
 * as if nothing were left.
 */
#include "sample/reservoir.h"

#include "base/atomics.h"

enum { BACK = 2, TRIES = 64 };

bool tw__reservoir_take(uint64_t *word, uint64_t second, uint32_t limit)
{
    /* The word is its own and only message: acquire and release come with the helper, relaxed would do. */
    uint64_t seen = tw__load_relaxed(word);
    for (int i = 0; i < TRIES && limit > 0; i++) {
        uint64_t at = seen >> 32, taken = seen & UINT32_MAX, now = second & UINT32_MAX;
        if (now < at && at - now <= BACK) now = at;
        if (now != at) taken = 0;
        if (taken >= limit) return false;
        if (tw__cas_acq_rel(word, &seen, now << 32 | (taken + 1))) return true;
    }
    return false;
}
