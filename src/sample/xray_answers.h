/* xray_answers: what X-Ray says, through its daemon, about central sampling. Bytes in, values out. */
#ifndef TW_SAMPLE_XRAY_ANSWERS_H
#define TW_SAMPLE_XRAY_ANSWERS_H

#include "sample/problem.h"
#include "sample/request.h"

enum { TW__ANSWER_TEXT_MAX = 1024, TW__ANSWER_TOKEN_MAX = 2048 };

/* One SamplingRule that we can use. Texts are borrowed for the call. */
struct tw__rule_record {
    struct tw_text name, service, service_type, host, method, path;
    uint32_t priority;  /* 1 first */
    uint32_t reservoir; /* ReservoirSize */
    double rate;        /* FixedRate */
};

struct tw__rules_page {
    /* Called for each rule of Version 1, for any resource, without attributes. Not 0: stop and return that. */
    int (*rule)(void *data, const struct tw__rule_record *rule);
    void *data;
    char next_token[TW__ANSWER_TOKEN_MAX]; /* NUL-terminated; "" on the last page */
    size_t ignored;                        /* rules that are not for us, or make no sense */
};

/* Reads one answer of GetSamplingRules.
 * Returns  0, or TW_ERR_SYNTAX, TW_ERR_SPACE (a text or the token too long), TW_ERR_RANGE, with *problem; what rule()
 * returned. A rule that lacks something or has it in a wrong type is ignored; a document that is not JSON, or has no
 *          SamplingRuleRecords, is an error. Rules may have been passed on by then. */
int tw__rules_page_parse(const char *text, size_t len, struct tw__rules_page *page, struct tw__problem *problem);

struct tw__target {
    struct tw_text name;
    bool has_rate, has_quota, has_ttl, has_interval;
    double rate;
    uint32_t quota;      /* ReservoirQuota, a second */
    uint64_t ttl_s;      /* ReservoirQuotaTTL, epoch seconds, fractions dropped */
    uint32_t interval_s; /* Interval until the next report */
};

struct tw__targets_answer {
    void (*target)(void *data, const struct tw__target *target);
    /* Statistics that were not taken. code: ErrorCode, e.g. "400". */
    void (*unprocessed)(void *data, struct tw_text rule, struct tw_text code);
    void *data;
    uint64_t modified_s; /* LastRuleModification, 0 when it is missing */
};

/* Reads an answer of GetSamplingTargets. Errors as above. */
int tw__targets_parse(const char *text, size_t len, struct tw__targets_answer *answer, struct tw__problem *problem);

#endif
