/* xray_central: sampling by the rules and quotas that X-Ray gives out, as a machine without I/O.
 *
 * The owner asks what is to be sent, sends it, and brings back the answer:
 *
 *     const char *path = tw__central_next(central, now_ns, &body);      NULL: nothing is due
 *     ... POST path with body to the daemon ...
 *     tw__central_answer(central, now_ns, status, answer, len);         or tw__central_failed(central, now_ns, why)
 *
 * Everybody else decides. */
#ifndef TW_SAMPLE_XRAY_CENTRAL_H
#define TW_SAMPLE_XRAY_CENTRAL_H

#include "base/buf.h"
#include "sample/limbo.h"
#include "sample/xray_set.h"

#define TW__CENTRAL_RULES_PATH   "/GetSamplingRules"
#define TW__CENTRAL_TARGETS_PATH "/SamplingTargets"

enum {
    TW__CENTRAL_RULES_S = 300, /* between fetches of the rules, and */
    TW__CENTRAL_RULES_JITTER_MS = 5000,
    TW__CENTRAL_VALID_S = 3600, /* rules older than this do not count */
    TW__CENTRAL_TARGETS_S = 10, /* between reports, and */
    TW__CENTRAL_TARGETS_JITTER_MS = 100,
    TW__CENTRAL_RETRY_S = 5,     /* after a failed fetch; doubles up to TW__CENTRAL_RULES_S */
    TW__CENTRAL_REPORT_MAX = 25, /* rules in one report: the API's limit */
    TW__CENTRAL_PAGES_MAX = 32,
    TW__CENTRAL_ID_LEN = 24
};

typedef void tw__random_fn(void *data, void *bytes, size_t len);

enum tw__central_asked { TW__ASKED_NOTHING, TW__ASKED_RULES, TW__ASKED_TARGETS };

struct tw__central_stats {
    uint64_t fetches, reports; /* answered */
    uint64_t failures;         /* no answer, not 200, or not understood */
    uint64_t ignored, dropped; /* rules of the last fetch: not for us; too many or twice */
    uint64_t postponed;        /* sets not installed because too many old ones could still be in use */
    uint64_t unprocessed;      /* statistics that X-Ray did not take */
};

struct tw__xray_central {
    /* Written by the owner, read by any thread. */
    struct tw__central_set *set; /* seq_cst, under the limbo */
    uint64_t expires_s;          /* relaxed; 0: there are no rules */
    /* The owner's. */
    struct tw__limbo *limbo;
    tw__random_fn *random;
    void *random_data;
    struct tw__rule_state *states;
    struct tw__set_builder builder;
    enum tw__central_asked asked;
    uint64_t rules_due_ns, targets_due_ns;
    uint64_t retry_s;    /* 0: the last fetch went well */
    uint64_t began_s;    /* of the fetch that is going on */
    uint64_t fetched_s;  /* when the fetch of the rules in use began */
    uint64_t modified_s; /* the LastRuleModification that was acted upon */
    unsigned pages;
    char next_token[TW__ANSWER_TOKEN_MAX];
    char client_id[TW__CENTRAL_ID_LEN];
    struct tw__central_stats stats;
    char problem[160]; /* the last one, in words; "" */
};

/* Begins without rules; both calls are due at once and after ten seconds. random NULL: the kernel's.
 * Shape    limbo is the caller's and outlives it. */
void tw__central_init(struct tw__xray_central *central, struct tw__limbo *limbo, tw__random_fn *random,
                      void *random_data);
/* No thread decides any more. */
void tw__central_fini(struct tw__xray_central *central);

/* Decides.
 * Returns  false in *found when central rules cannot: none yet, older than an hour, none fits. Then ask the local ones.
 * Threads  [any thread], between tw__limbo_enter and tw__limbo_leave. */
bool tw__central_decide(struct tw__xray_central *central, const struct tw__sample_request *request, uint64_t second,
                        struct tw__sample_decision *decision, bool *found);

/* What is to be sent now: the path, and the body appended to *body; NULL when nothing is due or an answer is waited
 * for. Units    now_ns: CLOCK_REALTIME, because X-Ray's times are. A clock that was set back does not stop it. Threads
 * [owner thread], as all that follow. */
const char *tw__central_next(struct tw__xray_central *central, uint64_t now_ns, struct tw__buf *body);
void tw__central_answer(struct tw__xray_central *central, uint64_t now_ns, int status, const char *body, size_t len);
/* There was no answer. What had been counted for the report is counted again. why: constant or copied; cut. */
void tw__central_failed(struct tw__xray_central *central, uint64_t now_ns, const char *why);

/* In a forked child: another client, which has decided nothing and has no quota. The rules stay. */
void tw__central_after_fork(struct tw__xray_central *central, uint64_t now_ns);

#endif
