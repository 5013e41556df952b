/* sampler: a word that says how, and two sets of rules behind it.
 *
 *     63      62 61    60             56                         0
 *     | -       | kind | parent based | threshold: 0 to 2^56     |
 *
 * A rate needs nothing but this word. With rules, a reader enters the limbo and follows a pointer; both pointers are
 * valid from init to fini (rules points to the built-in rule at least, central answers "not found"), so a reader that
 * loaded the mode a moment before it changed decides by something whole, old or new.
 *
 * Everything that changes anything holds the lock: configuration from any thread, and the machine of central sampling,
 * whose owner is "whoever holds the lock". Deciding never touches it. Order within a decision: the parent's, if that
 * counts; then central rules while they are fresh and one fits; then local ones, whose default always fits.
 */
#include "sample/sampler.h"

#include <stdlib.h>
#include <string.h>

#include "base/atomics.h"
#include "sample/rate.h"

#define THRESHOLD_MASK (((uint64_t)1 << 57) - 1)
#define PARENT_BASED   ((uint64_t)1 << 60)
#define SECOND         ((uint64_t)1000000000)
enum { KIND_SHIFT = 61 };

static uint64_t mode_of(enum tw__sampler_kind kind, bool parent_based, double rate)
{
    return (uint64_t)kind << KIND_SHIFT | (parent_based ? PARENT_BASED : 0) | tw__rate_threshold(rate);
}

void tw__sampler_init(struct tw__sampler *sampler, tw__random_fn *random, void *random_data)
{
    memset(sampler, 0, sizeof *sampler);
    tw__xray_rules_builtin(&sampler->builtin);
    sampler->rules = &sampler->builtin;
    tw__central_init(&sampler->central, &sampler->limbo, random, random_data);
    pthread_mutex_init(&sampler->lock, NULL);
    sampler->mode = mode_of(TW__SAMPLER_RATE, true, 1);
}

static void free_rules(void *data, void *object)
{
    struct tw__xray_rules *rules = object;
    struct tw__sampler *sampler = data;
    if (rules == &sampler->builtin) return;
    tw__xray_rules_fini(rules);
    free(rules);
}

void tw__sampler_fini(struct tw__sampler *sampler)
{
    tw__limbo_fini(&sampler->limbo);
    tw__central_fini(&sampler->central);
    free_rules(sampler, sampler->rules);
    sampler->rules = &sampler->builtin;
    pthread_mutex_destroy(&sampler->lock);
}

/* -- deciding */

static void decide_by_rules(struct tw__sampler *sampler, enum tw__sampler_kind kind,
                            const struct tw__sample_request *request, uint64_t now_ns,
                            struct tw__sample_decision *decision)
{
    bool found = false;
    uint64_t second = now_ns / SECOND;
    uint32_t ticket = tw__limbo_enter(&sampler->limbo);
    if (kind == TW__SAMPLER_CENTRAL) tw__central_decide(&sampler->central, request, second, decision, &found);
    if (!found) {
        struct tw__xray_rules *rules = tw__load_seq_cst(&sampler->rules); /* partner: the swap in configure */
        decision->sampled = tw__xray_rules_decide(rules, request, second, &decision->reason);
    }
    tw__limbo_leave(&sampler->limbo, ticket);
}

void tw__sampler_explain(struct tw__sampler *sampler, const struct tw__sample_request *request, uint64_t now_ns,
                         struct tw__sample_decision *decision)
{
    uint64_t mode = tw__load_acquire(&sampler->mode); /* pairs with the stores in configure and set_rate */
    enum tw__sampler_kind kind = (enum tw__sampler_kind)(mode >> KIND_SHIFT);
    decision->rule_len = 0;
    if ((mode & PARENT_BASED) && request->parent != TW__PARENT_NONE) {
        decision->reason = TW__BY_PARENT;
        decision->sampled = request->parent == TW__PARENT_SAMPLED;
    } else if (kind == TW__SAMPLER_RATE) {
        decision->reason = TW__BY_RATE;
        decision->sampled = tw__rate_takes(mode & THRESHOLD_MASK, request->trace_id);
    } else {
        decide_by_rules(sampler, kind, request, now_ns, decision);
    }
}

bool tw__sampler_decide(struct tw__sampler *sampler, const struct tw__sample_request *request, uint64_t now_ns)
{
    struct tw__sample_decision decision;
    tw__sampler_explain(sampler, request, now_ns, &decision);
    return decision.sampled;
}

bool tw__sampler_can_sample(struct tw__sampler *sampler)
{
    uint64_t mode = tw__load_acquire(&sampler->mode); /* pairs as in explain */
    return mode >> KIND_SHIFT != TW__SAMPLER_RATE || (mode & THRESHOLD_MASK) < TW__RATE_SPAN;
}

bool tw__sampler_is_central(struct tw__sampler *sampler)
{
    return tw__load_acquire(&sampler->mode) >> KIND_SHIFT == TW__SAMPLER_CENTRAL; /* pairs as in explain */
}

bool tw__sampler_uses_rules(struct tw__sampler *sampler)
{
    return tw__load_acquire(&sampler->mode) >> KIND_SHIFT != TW__SAMPLER_RATE; /* pairs as in explain */
}

bool tw__sampler_is_parent_based(struct tw__sampler *sampler)
{
    return tw__load_acquire(&sampler->mode) & PARENT_BASED; /* pairs as in explain */
}

/* -- changing */

int tw__sampler_set_rate(struct tw__sampler *sampler, double rate)
{
    if (!(rate >= 0 && rate <= 1)) return TW_ERR_RANGE;
    pthread_mutex_lock(&sampler->lock);
    bool parent_based = tw__load_relaxed(&sampler->mode) & PARENT_BASED;
    tw__store_release(&sampler->mode, mode_of(TW__SAMPLER_RATE, parent_based, rate)); /* pairs with explain */
    pthread_mutex_unlock(&sampler->lock);
    return 0;
}

static int make_rules(const char *text, size_t len, struct tw__xray_rules **rules, char *why)
{
    struct tw__problem problem = {.why = "out of memory"};
    struct tw__xray_rules *made = aligned_alloc(64, sizeof *made);
    if (!made) return TW_ERR_MEMORY;
    int result = tw__xray_rules_parse(made, text, len, &problem);
    if (result < 0) {
        tw__problem_text(&problem, why, TW_WHY_MAX);
        free(made);
        return result;
    }
    *rules = made;
    return 0;
}

int tw__sampler_configure(struct tw__sampler *sampler, const struct tw__sampler_config *config, const char *rules,
                          size_t len, char *why)
{
    struct tw__xray_rules *made = &sampler->builtin;
    int result = 0;
    why[0] = 0;
    if (rules && config->kind != TW__SAMPLER_RATE) result = make_rules(rules, len, &made, why);
    if (result < 0) return result;
    pthread_mutex_lock(&sampler->lock);
    if (config->kind != TW__SAMPLER_RATE && made != sampler->rules) {
        if (!tw__limbo_has_room(&sampler->limbo)) {
            pthread_mutex_unlock(&sampler->lock);
            free_rules(sampler, made);
            return TW_ERR_STATE;
        }
        tw__limbo_retire(&sampler->limbo, tw__swap_seq_cst(&sampler->rules, made), free_rules, sampler);
    }
    tw__store_release(&sampler->mode,
                      mode_of(config->kind, config->parent_based, config->rate)); /* pairs with explain */
    pthread_mutex_unlock(&sampler->lock);
    return 0;
}

/* -- central */

const char *tw__sampler_next(struct tw__sampler *sampler, uint64_t now_ns, struct tw__buf *body)
{
    const char *path = NULL;
    pthread_mutex_lock(&sampler->lock);
    tw__limbo_sweep(&sampler->limbo);
    if (tw__load_relaxed(&sampler->mode) >> KIND_SHIFT == TW__SAMPLER_CENTRAL)
        path = tw__central_next(&sampler->central, now_ns, body);
    pthread_mutex_unlock(&sampler->lock);
    return path;
}

void tw__sampler_answer(struct tw__sampler *sampler, uint64_t now_ns, int status, const char *body, size_t len)
{
    pthread_mutex_lock(&sampler->lock);
    tw__central_answer(&sampler->central, now_ns, status, body, len);
    pthread_mutex_unlock(&sampler->lock);
}

void tw__sampler_failed(struct tw__sampler *sampler, uint64_t now_ns, const char *why)
{
    pthread_mutex_lock(&sampler->lock);
    tw__central_failed(&sampler->central, now_ns, why);
    pthread_mutex_unlock(&sampler->lock);
}

struct tw__central_stats tw__sampler_stats(struct tw__sampler *sampler, char *problem)
{
    pthread_mutex_lock(&sampler->lock);
    struct tw__central_stats stats = sampler->central.stats;
    memcpy(problem, sampler->central.problem, sizeof sampler->central.problem);
    pthread_mutex_unlock(&sampler->lock);
    return stats;
}

/* -- fork */

void tw__sampler_before_fork(struct tw__sampler *sampler)
{
    bool locked = pthread_mutex_trylock(&sampler->lock) == 0;
    if (locked) sampler->locked_for_fork = true;
}

void tw__sampler_after_fork(struct tw__sampler *sampler, bool child, uint64_t now_ns)
{
    bool whole = sampler->locked_for_fork;
    if (!child) {
        sampler->locked_for_fork = false;
        if (whole) pthread_mutex_unlock(&sampler->lock);
        return;
    }
    sampler->locked_for_fork = false;
    tw__limbo_after_fork(&sampler->limbo);
    if (whole) {
        tw__central_after_fork(&sampler->central, now_ns);
        pthread_mutex_unlock(&sampler->lock);
        return;
    }
    pthread_mutex_init(&sampler->lock, NULL);
    /* Somebody was half way through the lists. What they hold is left alone, for good. */
    sampler->limbo.count = 0;
    tw__central_init(&sampler->central, &sampler->limbo, sampler->central.random, sampler->central.random_data);
}
