/* xray_set: central rules in their order, and what each of them has left.
 *
 * A set is fixed once it is made. What changes (counts, reservoir, quota, rate) is in a state for each rule name, which
 * goes over from one set to the next, so that nothing is forgotten when rules are fetched again. */
#ifndef TW_SAMPLE_XRAY_SET_H
#define TW_SAMPLE_XRAY_SET_H

#include "sample/request.h"
#include "sample/xray_answers.h"

enum { TW__CENTRAL_RULES_MAX = 256, TW__CENTRAL_TEXTS_MAX = 256 * 1024 };

struct tw__rule_state {
    /* Any thread, relaxed. */
    _Alignas(64) uint64_t requests;
    uint64_t borrowed;  /* sampled by borrowing */
    uint64_t sampled;   /* sampled otherwise, as the SDKs count */
    uint64_t reservoir; /* xray: reservoir.h */
    /* Written by the owner, read by any thread; each word by itself. */
    uint64_t quota; /* epoch second until which it counts << 32 | so many a second; 0: none */
    uint64_t threshold;
    /* The owner's. */
    struct tw__rule_state *next;
    unsigned sets; /* that point here */
    char name[TW__RULE_NAME_MAX];
    uint8_t name_len;
    uint32_t interval_s;   /* between reports */
    uint64_t reported_ns;  /* when a report was last put together; 0: never */
    uint64_t in_flight[3]; /* requests, borrowed, sampled of the report that has not been answered */
    bool in_report;
};

struct tw__central_rule {
    struct tw_text service, service_type, host, method, path; /* into the set's texts */
    uint32_t priority, reservoir;
    bool is_default; /* fits everything, and stands last */
    double rate;
    struct tw__rule_state *state;
};

struct tw__central_set {
    size_t count;
    struct tw__central_rule *rules; /* in the order in which they are asked */
    char *texts;
    size_t texts_len, texts_cap;
};

/* The rules of an answer, in the making. Zeroed is ready. */
struct tw__set_builder {
    struct tw__central_set *set;
    size_t dropped; /* beyond TW__CENTRAL_RULES_MAX */
};

/* Adds a rule; states is the list of all states, and gets a further one when the name is new. A name given twice: the
 * first.
 * Returns  0, TW_ERR_MEMORY, TW_ERR_SPACE (texts beyond TW__CENTRAL_TEXTS_MAX). */
int tw__set_add(struct tw__set_builder *builder, struct tw__rule_state **states, const struct tw__rule_record *record);

/* Puts the rules in order, by priority, then by name, Default last, and sets their rates. The caller owns the set; NULL
 * when there was no memory. */
struct tw__central_set *tw__set_finish(struct tw__set_builder *builder);
void tw__set_abandon(struct tw__set_builder *builder, struct tw__rule_state **states);

/* Frees it, and the states that no other set points to. NULL is nothing. */
void tw__set_free(struct tw__central_set *set, struct tw__rule_state **states);

/* Decides by the first rule that fits and counts. false in *found when there is none: then nothing is counted.
 * Threads  [any thread] [async-signal-safe], without locks or allocation. */
bool tw__set_decide(struct tw__central_set *set, const struct tw__sample_request *request, uint64_t second,
                    struct tw__sample_decision *decision, bool *found);

#endif
