/* xray_central: the machine behind central sampling.
 *
 *              due                       answer, further page
 *     idle ----------> asked for rules ---------------------> due at once
 *      ^  \                  | last page: new set, in 300 s again; valid for 3600 s from when the fetch began
 *      |   \                 | failure: after 5, 10, 20 .. 300 s
 *      |    \ due, and some rule was used
 *      |     `-------> asked for targets --> quota, rate and interval of each rule; in 10 s again
 *      |                     | failure: the counts go back to where they were
 *      `---------------------'
 *
 * Invariant: at most one question is open. For each rule and each counter, what was counted = what X-Ray has taken +
 * what is in flight + what stands in the counter, except for rules that were removed; so a report that is lost is not.
 * Rules are modified when LastRuleModification is not older than our copy: seconds are coarse, so the same second
 * counts, but the same modification is acted upon once, or a server whose clock is ahead would have us fetch every ten
 * seconds. Statistics that come back as unprocessed: 5xx count again; 4xx mean that X-Ray does not know the rule:
 * fetch.
 * Limits: 25 rules a report (the API's), the rest follows with the next call; TW__CENTRAL_PAGES_MAX pages. Sources:
 * reference 3.7; AWS X-Ray API, GetSamplingRules, GetSamplingTargets; the SDKs where these are silent.
 * Rejected: SamplingRateBoost (adaptive sampling: one SDK, and it needs statistics of errors that we do not have here).
 */
#include "sample/xray_central.h"

#include <stdio.h>
#include <string.h>

#include "base/atomics.h"
#include "base/hex.h"
#include "base/os.h"
#include "sample/rate.h"
#include "wire/json.h"
#include "wire/utf8.h"

#define SECOND ((uint64_t)1000000000)

static void kernel_random(void *data, void *bytes, size_t len)
{
    (void)data;
    tw__os_random(bytes, len);
}

static uint64_t jitter(struct tw__xray_central *central, uint64_t most_ms)
{
    uint32_t random = 0;
    central->random(central->random_data, &random, sizeof random);
    return random * most_ms / UINT32_MAX * (SECOND / 1000);
}

static void new_client_id(struct tw__xray_central *central)
{
    uint8_t id[TW__CENTRAL_ID_LEN / 2];
    central->random(central->random_data, id, sizeof id);
    tw__hex_enc(id, sizeof id, central->client_id);
}

void tw__central_init(struct tw__xray_central *central, struct tw__limbo *limbo, tw__random_fn *random,
                      void *random_data)
{
    *central = (struct tw__xray_central){
        .limbo = limbo, .random = random ? random : kernel_random, .random_data = random_data};
    new_client_id(central);
}

static void free_set(void *data, void *set)
{
    struct tw__xray_central *central = data;
    tw__set_free(set, &central->states);
}

void tw__central_fini(struct tw__xray_central *central)
{
    tw__set_abandon(&central->builder, &central->states);
    tw__set_free(central->set, &central->states);
    central->set = NULL;
}

bool tw__central_decide(struct tw__xray_central *central, const struct tw__sample_request *request, uint64_t second,
                        struct tw__sample_decision *decision, bool *found)
{
    struct tw__central_set *set = tw__load_seq_cst(&central->set); /* partner: the swap in install */
    *found = false;
    if (!set || second >= tw__load_relaxed(&central->expires_s)) return false;
    return tw__set_decide(set, request, second, decision, found);
}

/* -- questions */

static bool is_due(uint64_t *due_ns, uint64_t now_ns, uint64_t period_s)
{
    if (*due_ns > now_ns + (period_s + 10) * SECOND) *due_ns = now_ns; /* the clock was set back */
    return now_ns >= *due_ns;
}

static void ask_rules(struct tw__xray_central *central, uint64_t now_ns, struct tw__buf *body)
{
    struct tw__json json = {.out = body};
    if (central->pages == 0) central->began_s = now_ns / SECOND;
    tw__json_open(&json, NULL, '{');
    if (central->pages)
        tw__json_text(&json, "NextToken", (struct tw_text){central->next_token, strlen(central->next_token)});
    tw__json_close(&json, '}');
    central->asked = TW__ASKED_RULES;
}

/* Takes what was counted. Whose request is not there yet stays for the next report. */
static void snapshot(struct tw__rule_state *state)
{
    uint64_t sampled = tw__swap_acq_rel(&state->sampled, 0), borrowed = tw__swap_acq_rel(&state->borrowed, 0);
    uint64_t requests = tw__swap_acq_rel(&state->requests, 0);
    uint64_t early_borrowed = borrowed > requests ? borrowed - requests : 0;
    borrowed -= early_borrowed;
    uint64_t early = sampled > requests - borrowed ? sampled - (requests - borrowed) : 0;
    if (early_borrowed) tw__add_relaxed(&state->borrowed, early_borrowed);
    if (early) tw__add_relaxed(&state->sampled, early);
    state->in_flight[0] = requests;
    state->in_flight[1] = borrowed;
    state->in_flight[2] = sampled - early;
    state->in_report = true;
}

static void give_back(struct tw__rule_state *state)
{
    tw__add_relaxed(&state->requests, state->in_flight[0]);
    tw__add_relaxed(&state->borrowed, state->in_flight[1]);
    tw__add_relaxed(&state->sampled, state->in_flight[2]);
    state->in_report = false;
    state->reported_ns = 0; /* with the next report, whatever its interval */
}

static bool wants_report(const struct tw__rule_state *state, uint64_t now_ns)
{
    if (state->in_report || tw__load_relaxed(&state->requests) == 0) return false;
    return now_ns < state->reported_ns || now_ns - state->reported_ns >= state->interval_s * SECOND;
}

static void add_statistics(struct tw__json *json, const struct tw__xray_central *central,
                           const struct tw__rule_state *state, uint64_t now_ns)
{
    tw__json_open(json, NULL, '{');
    tw__json_text(json, "RuleName", (struct tw_text){state->name, state->name_len});
    tw__json_text(json, "ClientID", (struct tw_text){central->client_id, TW__CENTRAL_ID_LEN});
    tw__json_u64(json, "RequestCount", state->in_flight[0]);
    tw__json_u64(json, "BorrowCount", state->in_flight[1]);
    tw__json_u64(json, "SampledCount", state->in_flight[2]);
    tw__json_u64(json, "Timestamp", now_ns / SECOND);
    tw__json_close(json, '}');
}

static void plan_report(struct tw__xray_central *central, uint64_t now_ns)
{
    central->targets_due_ns = now_ns + TW__CENTRAL_TARGETS_S * SECOND + jitter(central, TW__CENTRAL_TARGETS_JITTER_MS);
}

/* False: no rule was used. */
static bool ask_targets(struct tw__xray_central *central, uint64_t now_ns, struct tw__buf *body)
{
    struct tw__json json = {.out = body};
    unsigned rules = 0;
    for (struct tw__rule_state *state = central->states; state && rules <= TW__CENTRAL_REPORT_MAX;
         state = state->next) {
        if (!wants_report(state, now_ns)) continue;
        if (rules++ == TW__CENTRAL_REPORT_MAX) break; /* the rest at once, after the answer */
        if (rules == 1) {
            tw__json_open(&json, NULL, '{');
            tw__json_open(&json, "SamplingStatisticsDocuments", '[');
        }
        snapshot(state);
        state->reported_ns = now_ns;
        add_statistics(&json, central, state, now_ns);
    }
    if (rules <= TW__CENTRAL_REPORT_MAX) plan_report(central, now_ns);
    if (rules == 0) return false;
    tw__json_close(&json, ']');
    tw__json_close(&json, '}');
    central->asked = TW__ASKED_TARGETS;
    return true;
}

const char *tw__central_next(struct tw__xray_central *central, uint64_t now_ns, struct tw__buf *body)
{
    tw__limbo_sweep(central->limbo);
    if (central->asked != TW__ASKED_NOTHING) return NULL;
    if (central->targets_due_ns == 0) plan_report(central, now_ns);
    if (is_due(&central->rules_due_ns, now_ns, TW__CENTRAL_RULES_S)) {
        ask_rules(central, now_ns, body);
        return TW__CENTRAL_RULES_PATH;
    }
    if (is_due(&central->targets_due_ns, now_ns, TW__CENTRAL_TARGETS_S) && ask_targets(central, now_ns, body))
        return TW__CENTRAL_TARGETS_PATH;
    return NULL;
}

/* -- answers */

static int add_rule(void *data, const struct tw__rule_record *record)
{
    struct tw__xray_central *central = data;
    return tw__set_add(&central->builder, &central->states, record);
}

static void install(struct tw__xray_central *central, uint64_t now_ns)
{
    if (!tw__limbo_has_room(central->limbo)) {
        central->stats.postponed++;
        tw__central_failed(central, now_ns, "old sampling rules are still in use");
        return;
    }
    size_t dropped = central->builder.dropped;
    struct tw__central_set *set = tw__set_finish(&central->builder);
    if (!set) {
        tw__central_failed(central, now_ns, "out of memory");
        return;
    }
    central->builder = (struct tw__set_builder){0};
    central->stats.dropped = dropped;
    central->stats.fetches++;
    central->asked = TW__ASKED_NOTHING;
    central->pages = 0;
    central->retry_s = 0;
    central->problem[0] = 0;
    central->fetched_s = central->began_s;
    central->rules_due_ns = now_ns + TW__CENTRAL_RULES_S * SECOND + jitter(central, TW__CENTRAL_RULES_JITTER_MS);
    /* The swap publishes the set; partner: the load in decide. Expiry may be seen a moment before or after. */
    struct tw__central_set *old = tw__swap_seq_cst(&central->set, set);
    tw__store_relaxed(&central->expires_s, central->fetched_s + TW__CENTRAL_VALID_S);
    tw__limbo_retire(central->limbo, old, free_set, central);
}

static void fail_with(struct tw__xray_central *central, uint64_t now_ns, int error, const struct tw__problem *problem)
{
    char why[160];
    tw__problem_text(problem, why, sizeof why);
    tw__central_failed(central, now_ns, problem->error ? why : tw_err_text(error));
}

static void rules_answered(struct tw__xray_central *central, uint64_t now_ns, const char *body, size_t len)
{
    struct tw__rules_page page = {.rule = add_rule, .data = central};
    struct tw__problem problem = {0};
    if (central->pages == 0) central->stats.ignored = 0;
    int result = tw__rules_page_parse(body, len, &page, &problem);
    if (result != 0) {
        fail_with(central, now_ns, result, &problem);
        return;
    }
    central->stats.ignored += page.ignored;
    if (page.next_token[0] && central->pages + 1 < TW__CENTRAL_PAGES_MAX) {
        memcpy(central->next_token, page.next_token, sizeof page.next_token);
        central->pages++;
        central->asked = TW__ASKED_NOTHING; /* and due still */
        return;
    }
    install(central, now_ns);
}

static struct tw__rule_state *state_named(struct tw__xray_central *central, struct tw_text name)
{
    struct tw__rule_state *state = central->states;
    while (state && !(state->name_len == name.len && memcmp(state->name, name.ptr, name.len) == 0)) state = state->next;
    return state;
}

static void take_target(void *data, const struct tw__target *target)
{
    struct tw__rule_state *state = state_named(data, target->name);
    if (!state) return;
    uint64_t old = tw__load_relaxed(&state->quota);
    uint64_t quota = target->has_quota ? target->quota : old & UINT32_MAX,
             ttl_s = target->has_ttl ? target->ttl_s : old >> 32;
    tw__store_relaxed(&state->quota, ttl_s << 32 | quota);
    if (target->has_rate) tw__store_relaxed(&state->threshold, tw__rate_threshold(target->rate));
    if (target->has_interval) state->interval_s = target->interval_s;
}

static void take_unprocessed(void *data, struct tw_text rule, struct tw_text code)
{
    struct tw__xray_central *central = data;
    struct tw__rule_state *state = state_named(central, rule);
    central->stats.unprocessed++;
    if (code.len && code.ptr[0] == '4') central->rules_due_ns = 0;
    if (state && state->in_report && code.len && code.ptr[0] == '5') give_back(state);
}

static void targets_answered(struct tw__xray_central *central, uint64_t now_ns, const char *body, size_t len)
{
    struct tw__targets_answer answer = {.target = take_target, .unprocessed = take_unprocessed, .data = central};
    struct tw__problem problem = {0};
    int result = tw__targets_parse(body, len, &answer, &problem);
    if (result != 0) {
        fail_with(central, now_ns, result, &problem);
        return;
    }
    for (struct tw__rule_state *state = central->states; state; state = state->next) state->in_report = false;
    central->asked = TW__ASKED_NOTHING;
    central->stats.reports++;
    if (answer.modified_s >= central->fetched_s && answer.modified_s != central->modified_s) {
        central->modified_s = answer.modified_s;
        central->rules_due_ns = 0;
    }
}

void tw__central_answer(struct tw__xray_central *central, uint64_t now_ns, int status, const char *body, size_t len)
{
    if (central->asked == TW__ASKED_NOTHING) return;
    if (status != 200) {
        char why[32];
        (void)snprintf(why, sizeof why, "answered %d", status);
        tw__central_failed(central, now_ns, why);
    } else if (central->asked == TW__ASKED_RULES) {
        rules_answered(central, now_ns, body, len);
    } else {
        targets_answered(central, now_ns, body, len);
    }
}

void tw__central_failed(struct tw__xray_central *central, uint64_t now_ns, const char *why)
{
    bool rules = central->asked == TW__ASKED_RULES;
    if (central->asked == TW__ASKED_NOTHING) return;
    central->stats.failures++;
    (void)snprintf(central->problem, sizeof central->problem, "%s: %s",
                   rules ? TW__CENTRAL_RULES_PATH : TW__CENTRAL_TARGETS_PATH, why);
    central->asked = TW__ASKED_NOTHING;
    if (rules) {
        tw__set_abandon(&central->builder, &central->states);
        central->pages = 0;
        central->retry_s = central->retry_s ? central->retry_s * 2 : TW__CENTRAL_RETRY_S;
        if (central->retry_s > TW__CENTRAL_RULES_S) central->retry_s = TW__CENTRAL_RULES_S;
        central->rules_due_ns = now_ns + central->retry_s * SECOND + jitter(central, 1000);
        return;
    }
    for (struct tw__rule_state *state = central->states; state; state = state->next)
        if (state->in_report) give_back(state);
    plan_report(central, now_ns);
}

void tw__central_after_fork(struct tw__xray_central *central, uint64_t now_ns)
{
    tw__set_abandon(&central->builder, &central->states);
    for (struct tw__rule_state *state = central->states; state; state = state->next) {
        state->requests = state->borrowed = state->sampled = state->quota = 0;
        state->in_report = false;
        state->reported_ns = 0;
    }
    central->asked = TW__ASKED_NOTHING;
    central->pages = 0;
    central->stats = (struct tw__central_stats){0};
    new_client_id(central);
    plan_report(central, now_ns);
}
