/* retry: what an answer means, and how long to wait before asking again. */
#ifndef TW_OTLP_RETRY_H
#define TW_OTLP_RETRY_H

#include <stdbool.h>
#include <stdint.h>

enum tw__otlp_verdict { TW__OTLP_DONE, TW__OTLP_AGAIN, TW__OTLP_REFUSED };

/* Of an HTTP status.  Source  OTLP specification, "Failures": 429, 502, 503 and 504 are retryable, all else is not. */
enum tw__otlp_verdict tw__otlp_verdict(long status);

#define TW__RETRY_FIRST_NS   ((uint64_t)500000000)
#define TW__RETRY_LONGEST_NS ((uint64_t)30000000000)
#define TW__RETRY_ASKED_NS   ((uint64_t)300000000000) /* Retry-After beyond this is taken as this */

struct tw__retry {
    unsigned failures;  /* in a row */
    uint64_t resume_ns; /* nothing is sent before; 0: at once */
    uint64_t random;    /* state; any value but 0 */
};

/* It went well. */
void tw__retry_well(struct tw__retry *retry);

/* It is to be tried again. after_s: what Retry-After says, 0: nothing. Sets resume_ns. */
void tw__retry_failed(struct tw__retry *retry, uint64_t now_ns, uint64_t after_s);

#endif
