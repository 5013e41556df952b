/* xray_set: deciding by central rules.
 *
 * A decision walks the rules in order, counts the request in the rule that fits, and asks, in this order:
 *
 *     a quota that has not expired      one of it, if this second has one left; else by the rate
 *     none, or expired                  borrow: one a second, if the rule has a reservoir at all; else by the rate
 *
 * Borrowing and quota draw on the same word (reservoir.h): what was borrowed in a second is gone when the quota arrives
 * in it.
 *
 * Life of a state: made when a name first comes, found again by every later set, freed with the last set that points to
 * it. A set that was replaced may still be read (limbo.h), and counts what it decides into the same states, so no count
 * is lost in the exchange. Only the owner follows next, sets, and the fields below them. Counters are relaxed: each is
 * right by itself; a report may see a request whose outcome comes with the next one.
 */
#include "sample/xray_set.h"

#include <stdlib.h>
#include <string.h>

#include "base/atomics.h"
#include "sample/rate.h"
#include "sample/reservoir.h"
#include "sample/wildcard.h"

static struct tw__rule_state *state_of(struct tw__rule_state **states, struct tw_text name)
{
    struct tw__rule_state *state;
    for (state = *states; state; state = state->next)
        if (state->name_len == name.len && memcmp(state->name, name.ptr, name.len) == 0) return state;
    state = aligned_alloc(64, sizeof *state);
    if (!state) return NULL;
    memset(state, 0, sizeof *state);
    memcpy(state->name, name.ptr, name.len);
    state->name_len = (uint8_t)name.len;
    state->interval_s = 10;
    state->next = *states;
    *states = state;
    return state;
}

static struct tw__central_set *new_set(void)
{
    struct tw__central_set *set = calloc(1, sizeof *set);
    if (!set) return NULL;
    set->rules = calloc(TW__CENTRAL_RULES_MAX, sizeof *set->rules);
    set->texts = malloc(TW__CENTRAL_TEXTS_MAX);
    set->texts_cap = TW__CENTRAL_TEXTS_MAX;
    if (set->rules && set->texts) return set;
    free(set->rules);
    free(set->texts);
    free(set);
    return NULL;
}

static bool keep(struct tw__central_set *set, struct tw_text *to, struct tw_text from)
{
    if (from.len > set->texts_cap - set->texts_len) return false;
    *to = (struct tw_text){set->texts + set->texts_len, from.len};
    if (from.len) memcpy(set->texts + set->texts_len, from.ptr, from.len);
    set->texts_len += from.len;
    return true;
}

static bool has_rule(const struct tw__central_set *set, struct tw_text name)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct tw__rule_state *state = set->rules[i].state;
        if (state->name_len == name.len && memcmp(state->name, name.ptr, name.len) == 0) return true;
    }
    return false;
}

int tw__set_add(struct tw__set_builder *builder, struct tw__rule_state **states, const struct tw__rule_record *record)
{
    if (!builder->set) builder->set = new_set();
    struct tw__central_set *set = builder->set;
    if (!set) return TW_ERR_MEMORY;
    if (set->count == TW__CENTRAL_RULES_MAX || has_rule(set, record->name)) {
        builder->dropped++;
        return 0;
    }
    struct tw__central_rule rule = {.priority = record->priority, .reservoir = record->reservoir, .rate = record->rate};
    rule.is_default = record->name.len == 7 && memcmp(record->name.ptr, "Default", 7) == 0;
    size_t before = set->texts_len;
    bool kept = keep(set, &rule.service, record->service) && keep(set, &rule.service_type, record->service_type) &&
                keep(set, &rule.host, record->host) && keep(set, &rule.method, record->method) &&
                keep(set, &rule.path, record->path);
    if (!kept) {
        set->texts_len = before;
        return TW_ERR_SPACE;
    }
    rule.state = state_of(states, record->name);
    if (!rule.state) return TW_ERR_MEMORY;
    rule.state->sets++;
    set->rules[set->count++] = rule;
    return 0;
}

static int by_priority(const void *a, const void *b)
{
    const struct tw__central_rule *x = a, *y = b;
    if (x->is_default != y->is_default) return x->is_default ? 1 : -1;
    if (x->priority != y->priority) return x->priority < y->priority ? -1 : 1;
    size_t least = x->state->name_len < y->state->name_len ? x->state->name_len : y->state->name_len;
    int order = memcmp(x->state->name, y->state->name, least);
    return order ? order : (int)x->state->name_len - (int)y->state->name_len;
}

struct tw__central_set *tw__set_finish(struct tw__set_builder *builder)
{
    struct tw__central_set *set = builder->set ? builder->set : new_set(); /* no rules are a set, too */
    builder->set = NULL;
    if (!set) return NULL;
    if (set->count) qsort(set->rules, set->count, sizeof *set->rules, by_priority);
    for (size_t i = 0; i < set->count; i++)
        tw__store_relaxed(&set->rules[i].state->threshold, tw__rate_threshold(set->rules[i].rate));
    /* A set lives for hours, and most have a handful of rules. Failing to shrink is no failure. */
    struct tw__central_rule *rules = realloc(set->rules, (set->count ? set->count : 1) * sizeof *rules);
    if (rules) set->rules = rules;
    return set;
}

void tw__set_abandon(struct tw__set_builder *builder, struct tw__rule_state **states)
{
    tw__set_free(builder->set, states);
    *builder = (struct tw__set_builder){0};
}

void tw__set_free(struct tw__central_set *set, struct tw__rule_state **states)
{
    if (!set) return;
    for (size_t i = 0; i < set->count; i++) set->rules[i].state->sets--;
    for (struct tw__rule_state **at = states; *at;) {
        struct tw__rule_state *state = *at;
        if (state->sets) {
            at = &state->next;
            continue;
        }
        *at = state->next;
        free(state);
    }
    free(set->rules);
    free(set->texts);
    free(set);
}

static struct tw__central_rule *rule_for(struct tw__central_set *set, const struct tw__sample_request *request)
{
    for (size_t i = 0; i < set->count; i++) {
        struct tw__central_rule *r = &set->rules[i];
        if (r->is_default) return r;
        if (tw__wildcard_applies(r->service, request->service) &&
            tw__wildcard_applies(r->service_type, request->service_type) &&
            tw__wildcard_applies(r->host, request->host) && tw__wildcard_applies(r->method, request->method) &&
            tw__wildcard_applies(r->path, request->path))
            return r;
    }
    return NULL;
}

bool tw__set_decide(struct tw__central_set *set, const struct tw__sample_request *request, uint64_t second,
                    struct tw__sample_decision *decision, bool *found)
{
    struct tw__central_rule *rule = rule_for(set, request);
    *found = rule != NULL;
    if (!rule) return false;
    struct tw__rule_state *state = rule->state;
    tw__add_relaxed(&state->requests, 1u);
    decision->rule_len = state->name_len;
    memcpy(decision->rule, state->name, state->name_len);

    uint64_t quota = tw__load_relaxed(&state->quota); /* until and how many are one word: no order needed */
    bool fresh = quota != 0 && quota >> 32 >= second;
    uint32_t limit = fresh ? (uint32_t)quota : rule->reservoir > 0;
    if (tw__reservoir_take(&state->reservoir, second, limit)) {
        decision->reason = fresh ? TW__BY_RESERVOIR : TW__BY_BORROWING;
        decision->sampled = true;
        tw__add_relaxed(fresh ? &state->sampled : &state->borrowed, 1u);
        return true;
    }
    decision->reason = TW__BY_RATE;
    decision->sampled = tw__rate_takes(tw__load_relaxed(&state->threshold), request->trace_id);
    if (decision->sampled) tw__add_relaxed(&state->sampled, 1u);
    return decision->sampled;
}
