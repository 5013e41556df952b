/* request: what a sampling decision is made of, and what comes out. */
#ifndef TW_SAMPLE_REQUEST_H
#define TW_SAMPLE_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include <trackway/read.h>

enum tw__sample_parent { TW__PARENT_NONE, TW__PARENT_SAMPLED, TW__PARENT_NOT_SAMPLED };

/* Texts are borrowed for the call. An empty one is not known: it fits every rule. */
struct tw__sample_request {
    const uint8_t *trace_id; /* 16 bytes */
    enum tw__sample_parent parent;
    struct tw_text service, service_type; /* "cart", "AWS::EC2::Instance" */
    struct tw_text host, method, path;
};

enum { TW__RULE_NAME_MAX = 32 }; /* of the X-Ray API */

enum tw__sample_reason {
    TW__BY_PARENT,    /* somebody decided before us */
    TW__BY_RATE,      /* the trace id against a rate */
    TW__BY_RESERVOIR, /* one of so many a second */
    TW__BY_BORROWING  /* one a second, while there is no quota */
};

/* The rule's name goes to aws.xray.rule_name; not NUL-terminated; no bytes when no central rule decided. */
struct tw__sample_decision {
    bool sampled;
    enum tw__sample_reason reason;
    uint8_t rule_len;
    char rule[TW__RULE_NAME_MAX];
};

#endif
