/* retry: see the header.
 *
 *     wait = d / 2 + random(d / 2),   d = first * 2^(failures - 1), at most longest
 *     wait = Retry-After + random(d / 8)                           when the receiver says how long
 *
 * The random part keeps a thousand processes that lost the same receiver from coming back in one moment. The receiver,
 * not a request, is what fails: there is one of these for all requests to it.
 */
#include "otlp/retry.h"

enum tw__otlp_verdict tw__otlp_verdict(long status)
{
    if (status >= 200 && status < 300) return TW__OTLP_DONE;
    return status == 429 || status == 502 || status == 503 || status == 504 ? TW__OTLP_AGAIN : TW__OTLP_REFUSED;
}

void tw__retry_well(struct tw__retry *retry)
{
    retry->failures = 0;
    retry->resume_ns = 0;
}

/* Below limit; xorshift. */
static uint64_t draw(struct tw__retry *retry, uint64_t limit)
{
    retry->random ^= retry->random << 13;
    retry->random ^= retry->random >> 7;
    retry->random ^= retry->random << 17;
    return limit ? retry->random % limit : 0;
}

void tw__retry_failed(struct tw__retry *retry, uint64_t now_ns, uint64_t after_s)
{
    uint64_t d = TW__RETRY_FIRST_NS, asked_ns = TW__RETRY_ASKED_NS;
    for (unsigned i = 0; i < retry->failures && d < TW__RETRY_LONGEST_NS; i++) d *= 2;
    if (d > TW__RETRY_LONGEST_NS) d = TW__RETRY_LONGEST_NS;
    if (after_s < TW__RETRY_ASKED_NS / 1000000000u) asked_ns = after_s * 1000000000u;
    retry->failures++;
    retry->resume_ns = now_ns + (after_s ? asked_ns + draw(retry, d / 8) : d / 2 + draw(retry, d / 2));
}
