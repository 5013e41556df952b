/* rate: a probability as a threshold.
 *
 *     0                      threshold                    2^56
 *     |-------- not taken ------|--------- taken ----------|          rate = (2^56 - threshold) / 2^56
 *
 * The low 56 bits of a trace id are random in every format that reaches us: W3C asks for it, X-Ray's 96 random bits end
 * there, and so do B3's ids of 64 bits. Each process compares the same 56 bits with the same threshold, so all of them
 * keep the same traces without telling each other, and a lower rate keeps a subset of what a higher one keeps. Exact:
 * 2^56 times a double is exact before it is rounded to a whole number; 0 and 1 have no rounding at all.
 * Rejected: a random number for each root (services would keep different traces); the high half of the id (begins with
 * the time in ours and in X-Ray's); a hash of the id (nobody else would come to the same answer).
 */
#include "sample/rate.h"

uint64_t tw__rate_threshold(double rate)
{
    const double span = (double)TW__RATE_SPAN;
    if (!(rate > 0)) return TW__RATE_SPAN;
    if (rate >= 1) return 0;
    double kept = rate * span;
    uint64_t whole = (uint64_t)kept;
    if (kept - (double)whole >= 0.5) whole++;
    return TW__RATE_SPAN - (whole ? whole : 1);
}

double tw__rate_of(uint64_t threshold)
{
    return threshold >= TW__RATE_SPAN ? 0 : (double)(TW__RATE_SPAN - threshold) / (double)TW__RATE_SPAN;
}
