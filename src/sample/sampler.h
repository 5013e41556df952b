/* sampler: the one that decides, at the root of each trace.
 *
 *     static struct tw__sampler sampler;
 *     tw__sampler_init(&sampler, NULL, NULL);                   everything is sampled, a parent's decision is followed
 *     tw__sampler_load(&sampler, "rate=0.1", NULL, why);        from TRACKWAY_SAMPLER
 *     tw__sampler_load(&sampler, "traceidratio", "0.25", why);  from OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG
 *     ...
 *     if (tw__sampler_decide(&sampler, &request, now_ns)) flags |= TW_FLAG_SAMPLED;
 *
 * Forms of configuration (letters in any case):
 *
 *     rate=0.1                 of ten traces one, by trace id; a parent's decision is followed
 *     xray:/path/rules.json    X-Ray's local rules; likewise
 *     xray-central             central rules, X-Ray's built-in one until there are some; likewise. OpenTelemetry calls
 *                              it xray
 *     xray-central:/path/...   the same with local rules of one's own behind it
 *     always_on, always_off    whatever the parent says
 *     traceidratio             rate in the argument, default 1; whatever the parent says
 *     parentbased_...          the three above, but a parent's decision is followed
 */
#ifndef TW_SAMPLE_SAMPLER_H
#define TW_SAMPLE_SAMPLER_H

#include <pthread.h>

#include "sample/xray_central.h"
#include "sample/xray_rules.h"

enum tw__sampler_kind { TW__SAMPLER_RATE, TW__SAMPLER_LOCAL, TW__SAMPLER_CENTRAL };

enum { TW__SAMPLER_PATH_MAX = 512 };

struct tw__sampler_config {
    enum tw__sampler_kind kind;
    bool parent_based;
    double rate;                     /* of RATE */
    char path[TW__SAMPLER_PATH_MAX]; /* of LOCAL, and behind CENTRAL; "": the built-in rule */
};

struct tw__sampler {
    /* Written under lock, read by any thread. */
    uint64_t mode;                /* threshold, whether parent based, kind; release, pairs with decide */
    struct tw__xray_rules *rules; /* seq_cst, under the limbo */
    struct tw__limbo limbo;
    struct tw__xray_central central;
    /* Under lock. */
    pthread_mutex_t lock;
    bool locked_for_fork;
    struct tw__xray_rules builtin;
};

/* Begins as parentbased_always_on. random NULL: the kernel's (client id and jitter; decisions need none). Never fails.
 */
void tw__sampler_init(struct tw__sampler *sampler, tw__random_fn *random, void *random_data);
/* No thread decides any more. */
void tw__sampler_fini(struct tw__sampler *sampler);

/* Whether a trace that begins here is sampled.
 * Units    now_ns: CLOCK_REALTIME; a few milliseconds late (tw__os_seconds) is good enough.
 * Threads  [any thread] [async-signal-safe]. No lock, no allocation, no system call, no loop without a bound.
 * Cost     a rate: one load and a comparison. Rules: two atomic additions, the rules up to the one that fits, a
 *          compare-and-swap while its reservoir lasts. */
bool tw__sampler_decide(struct tw__sampler *sampler, const struct tw__sample_request *request, uint64_t now_ns);
/* The same, and why, and by which central rule. */
void tw__sampler_explain(struct tw__sampler *sampler, const struct tw__sample_request *request, uint64_t now_ns,
                         struct tw__sample_decision *decision);

/* Whether it can say yes to a trace without a parent at all: false for a rate of 0. For the word at start-up. [any
 * thread] */
bool tw__sampler_can_sample(struct tw__sampler *sampler);

/* Whether its rules come from X-Ray, so that somebody has to ask for them. [any thread] */
bool tw__sampler_is_central(struct tw__sampler *sampler);
/* Whether it looks at more of a request than its trace id. [any thread] [async-signal-safe] */
bool tw__sampler_uses_rules(struct tw__sampler *sampler);
/* Whether the decision that a context brings along is followed. [any thread] [async-signal-safe] */
bool tw__sampler_is_parent_based(struct tw__sampler *sampler);

/* Samples by this rate from now on; a parent's decision is followed as before.
 * Returns  0, TW_ERR_RANGE (NaN, below 0, above 1).  [any thread], not from a signal handler. */
int tw__sampler_set_rate(struct tw__sampler *sampler, double rate);

/* Reads a configuration. argument: OTEL_TRACES_SAMPLER_ARG or NULL.
 * Returns  0 and *config, or TW_ERR_SYNTAX (no such sampler: why lists them), TW_ERR_RANGE, TW_ERR_SPACE; then *config
 * is untouched. why (TW_WHY_MAX bytes) is "" or a sentence; with 0 it is a warning: an argument that cannot be used is
 *          ignored, as OpenTelemetry wants it. */
int tw__sampler_config_parse(const char *text, const char *argument, struct tw__sampler_config *config, char *why);

/* Puts a configuration into force. rules: the text of the file that config->path names, NULL for none.
 * Returns  0; what tw__xray_rules_parse returns; TW_ERR_STATE (too many old rules are still in use: try again); then
 *          everything stays as it was and why says where it is wrong.  [any thread], not from a signal handler. */
int tw__sampler_configure(struct tw__sampler *sampler, const struct tw__sampler_config *config, const char *rules,
                          size_t len, char *why);

/* Parses, reads the file if one is named, and puts it into force. The only call here that does I/O: start-up and
 * reloading. Errors as above, and TW_ERR_NOT_FOUND, TW_ERR_PERMISSION, TW_ERR_SYSTEM. */
int tw__sampler_load(struct tw__sampler *sampler, const char *text, const char *argument, char *why);

/* Central sampling, for the one thread that talks to the daemon (xray_central.h). next: NULL also when sampling is not
 * central. Each call takes the lock for as long as a document takes to read. */
const char *tw__sampler_next(struct tw__sampler *sampler, uint64_t now_ns, struct tw__buf *body);
void tw__sampler_answer(struct tw__sampler *sampler, uint64_t now_ns, int status, const char *body, size_t len);
void tw__sampler_failed(struct tw__sampler *sampler, uint64_t now_ns, const char *why);
/* Counters of central sampling; problem (TW_WHY_MAX bytes) gets the last one. */
struct tw__central_stats tw__sampler_stats(struct tw__sampler *sampler, char *problem);

/* Around fork: before in the parent, then after in each. Never waits: when another thread is at work on the rules at
 * that moment, the child forgets the central ones and fetches them again. */
void tw__sampler_before_fork(struct tw__sampler *sampler);
void tw__sampler_after_fork(struct tw__sampler *sampler, bool child, uint64_t now_ns);

#endif
