/* xray_rules: the local rules file, version 2 and 1.
 *
 * Two passes. The first finds the version, which may stand behind the rules that it governs, and counts the rules, so
 * that one allocation holds them; the second reads. Patterns are copied into one piece of memory that cannot be too
 * small: decoding never makes a string longer than it is written.
 *
 * What is required is what the SDKs require, but said with line, column and field: "default" with fixed_target and rate
 * and without matchers; in each rule all three matchers, fixed_target, rate; no number below 0. A rate above 1 is 1, as
 * there. Said twice is an error, too: which of both was meant? Deciding: while fewer than fixed_target were taken this
 * second, take; else by the rate, and that by the trace id instead of a random number (rate.c says why). Limits:
 * TW__XRAY_RULES_MAX rules, patterns of TW__XRAY_TEXT_MAX bytes, files of TW__XRAY_FILE_MAX.
 */
#include "sample/xray_rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sample/rate.h"
#include "sample/reservoir.h"
#include "sample/wildcard.h"

enum field { HOST = 1, METHOD = 2, PATH = 4, TARGET = 8, RATE = 16, MATCHERS = HOST | METHOD | PATH };

struct parser {
    struct tw__json_reader json;
    struct tw__problem *problem;
    char scratch[TW__XRAY_TEXT_MAX];
    char field[64];
    size_t version, rules;
    bool has_version, has_rules, has_default;
    char *texts; /* the next free byte of the copies */
};

static int refuse(struct parser *p, int error, const char *why)
{
    return tw__problem_set(p->problem, &p->json, error, p->json.from, p->field, why);
}

/* Passes a BAD on, and turns everything but the event that is due into an error. */
static int expect(struct parser *p, enum tw__json_event event, enum tw__json_event due, const char *why)
{
    if (event == TW__JSON_BAD) return tw__problem_json(p->problem, &p->json, p->field);
    return event == due ? 0 : refuse(p, TW_ERR_SYNTAX, why);
}

static int once(struct parser *p, bool *has)
{
    if (*has) return refuse(p, TW_ERR_SYNTAX, "given twice");
    *has = true;
    return 0;
}

/* -- first pass */

static int read_version(struct parser *p)
{
    int result = once(p, &p->has_version);
    if (result == 0) result = expect(p, tw__json_read(&p->json), TW__JSON_NUMBER, "must be a number");
    if (result < 0) return result;
    bool one = p->json.f64 == 1, two = p->json.f64 == 2; /* exact on purpose; 2.0 is 2 */
    if (!one && !two) return refuse(p, TW_ERR_VERSION, "must be 1 or 2");
    p->version = one ? 1 : 2;
    return 0;
}

static int count_rules(struct parser *p)
{
    int result = once(p, &p->has_rules);
    if (result == 0) result = expect(p, tw__json_read(&p->json), TW__JSON_ARRAY, "must be an array");
    if (result < 0) return result;
    for (;;) {
        enum tw__json_event event = tw__json_skip(&p->json);
        if (event == TW__JSON_BAD) return tw__problem_json(p->problem, &p->json, p->field);
        if (event == TW__JSON_ARRAY_END) return 0;
        if (p->rules++ == TW__XRAY_RULES_MAX) return refuse(p, TW_ERR_SPACE, "too many rules");
    }
}

static int survey(struct parser *p)
{
    int result = expect(p, tw__json_read(&p->json), TW__JSON_OBJECT, "must be an object");
    while (result == 0) {
        p->field[0] = 0;
        enum tw__json_event event = tw__json_read(&p->json);
        if (event == TW__JSON_OBJECT_END) break;
        result = expect(p, event, TW__JSON_NAME, "");
        if (result < 0) return result;
        (void)snprintf(p->field, sizeof p->field, "%.*s", (int)(p->json.string.len < 40 ? p->json.string.len : 40),
                       p->json.string.ptr);
        if (tw__json_is(&p->json, "version")) {
            result = read_version(p);
        } else if (tw__json_is(&p->json, "rules")) {
            result = count_rules(p);
        } else {
            if (tw__json_is(&p->json, "default")) result = once(p, &p->has_default);
            if (result == 0 && tw__json_skip(&p->json) == TW__JSON_BAD)
                result = tw__problem_json(p->problem, &p->json, p->field);
        }
    }
    if (result < 0) return result;
    p->json.from = 0;
    if (tw__json_read(&p->json) != TW__JSON_DONE) return tw__problem_json(p->problem, &p->json, "");
    p->json.from = 0;
    if (!p->has_version) return refuse(p, TW_ERR_VERSION, "\"version\" is missing");
    if (!p->has_default) return refuse(p, TW_ERR_SYNTAX, "\"default\" is missing");
    return 0;
}

/* -- second pass */

static int read_pattern(struct parser *p, struct tw_text *pattern)
{
    int result = expect(p, tw__json_read(&p->json), TW__JSON_STRING, "must be a string");
    if (result < 0) return result;
    if (p->json.string.len > TW__XRAY_TEXT_MAX) return refuse(p, TW_ERR_SPACE, "too long");
    *pattern = (struct tw_text){p->texts, p->json.string.len};
    if (pattern->len) memcpy(p->texts, p->json.string.ptr, pattern->len);
    p->texts += pattern->len;
    return 0;
}

static int read_number(struct parser *p, double *value)
{
    int result = expect(p, tw__json_read(&p->json), TW__JSON_NUMBER, "must be a number");
    if (result < 0) return result;
    if (p->json.f64 < 0) return refuse(p, TW_ERR_RANGE, "must not be negative");
    *value = p->json.f64;
    return 0;
}

static int read_target(struct parser *p, uint32_t *target)
{
    double value;
    int result = read_number(p, &value);
    if (result < 0) return result;
    if (value > 4e9) return refuse(p, TW_ERR_RANGE, "too large");
    *target = (uint32_t)value;
    if (value > (double)*target) return refuse(p, TW_ERR_RANGE, "must be a whole number");
    return 0;
}

static enum field field_of(const struct parser *p)
{
    const struct tw__json_reader *json = &p->json;
    if (tw__json_is(json, p->version == 1 ? "service_name" : "host")) return HOST;
    if (tw__json_is(json, "http_method")) return METHOD;
    if (tw__json_is(json, "url_path")) return PATH;
    if (tw__json_is(json, "fixed_target")) return TARGET;
    return tw__json_is(json, "rate") ? RATE : 0;
}

static int read_field(struct parser *p, enum field field, struct tw__xray_rule *rule)
{
    double rate = 0;
    int result = 0;
    switch (field) {
    case HOST:
        return read_pattern(p, &rule->host);
    case METHOD:
        return read_pattern(p, &rule->method);
    case PATH:
        return read_pattern(p, &rule->path);
    case TARGET:
        return read_target(p, &rule->fixed_target);
    case RATE:
        result = read_number(p, &rate);
        rule->threshold = tw__rate_threshold(rate);
        return result;
    case MATCHERS:
        break;
    }
    return tw__json_skip(&p->json) == TW__JSON_BAD ? tw__problem_json(p->problem, &p->json, p->field) : 0;
}

static const char *missing(unsigned seen, bool version_1)
{
    if (!(seen & HOST)) return version_1 ? "\"service_name\" is missing" : "\"host\" is missing";
    if (!(seen & METHOD)) return "\"http_method\" is missing";
    if (!(seen & PATH)) return "\"url_path\" is missing";
    if (!(seen & TARGET)) return "\"fixed_target\" is missing";
    return seen & RATE ? NULL : "\"rate\" is missing";
}

/* An object with the fields of a rule. where: "default" or "rules[3]". */
static int read_rule(struct parser *p, struct tw__xray_rule *rule, const char *where, bool matchers)
{
    unsigned seen = matchers ? 0 : MATCHERS;
    size_t from = p->json.from;
    for (;;) {
        (void)snprintf(p->field, sizeof p->field, "%s", where);
        enum tw__json_event event = tw__json_read(&p->json);
        if (event == TW__JSON_OBJECT_END) break;
        int result = expect(p, event, TW__JSON_NAME, "");
        if (result < 0) return result;
        enum field field = field_of(p);
        size_t len = p->json.string.len < 24 ? p->json.string.len : 24;
        (void)snprintf(p->field, sizeof p->field, "%s.%.*s", where, (int)len, p->json.string.ptr);
        if (field & seen)
            return refuse(p, TW_ERR_SYNTAX,
                          matchers || field > PATH ? "given twice" : "the default rule may not have it");
        seen |= field;
        result = read_field(p, field, rule);
        if (result < 0) return result;
    }
    const char *why = missing(seen, p->version == 1);
    return why ? tw__problem_set(p->problem, &p->json, TW_ERR_SYNTAX, from, p->field, why) : 0;
}

static int read_rules(struct parser *p, struct tw__xray_rules *rules)
{
    char where[32];
    int result = expect(p, tw__json_read(&p->json), TW__JSON_ARRAY, "must be an array");
    for (rules->count = 0; result == 0; rules->count++) {
        (void)snprintf(where, sizeof where, "rules[%zu]", rules->count);
        (void)snprintf(p->field, sizeof p->field, "%s", where);
        enum tw__json_event event = tw__json_read(&p->json);
        if (event == TW__JSON_ARRAY_END) return 0;
        result = expect(p, event, TW__JSON_OBJECT, "must be an object");
        if (result == 0) result = read_rule(p, &rules->items[rules->count], where, true);
    }
    return result;
}

static int read_all(struct parser *p, struct tw__xray_rules *rules)
{
    int result = expect(p, tw__json_read(&p->json), TW__JSON_OBJECT, "must be an object");
    while (result == 0) {
        p->field[0] = 0;
        if (tw__json_read(&p->json) != TW__JSON_NAME) break;
        if (tw__json_is(&p->json, "rules")) {
            result = read_rules(p, rules);
        } else if (tw__json_is(&p->json, "default")) {
            (void)snprintf(p->field, sizeof p->field, "default");
            result = expect(p, tw__json_read(&p->json), TW__JSON_OBJECT, "must be an object");
            if (result == 0) result = read_rule(p, &rules->fallback, "default", false);
        } else {
            (void)tw__json_skip(&p->json);
        }
    }
    return result;
}

static void begin(struct parser *p, const char *text, size_t len)
{
    p->json = (struct tw__json_reader){.text = text,
                                       .len = len,
                                       .last = true,
                                       .depth_max = 16,
                                       .scratch = p->scratch,
                                       .scratch_cap = sizeof p->scratch};
}

int tw__xray_rules_parse(struct tw__xray_rules *rules, const char *text, size_t len, struct tw__problem *problem)
{
    struct parser p = {.problem = problem};
    struct tw__xray_rules made = {0};
    begin(&p, text, len);
    if (len > TW__XRAY_FILE_MAX) return refuse(&p, TW_ERR_SPACE, "a file too large for sampling rules");
    int result = survey(&p);
    if (result < 0) return result;
    size_t bytes = (p.rules ? p.rules : 1) * sizeof *made.items;
    made.items = aligned_alloc(64, bytes);
    made.texts = malloc(len ? len : 1);
    if (!made.items || !made.texts) {
        result = refuse(&p, TW_ERR_MEMORY, "out of memory");
        goto undo_made;
    }
    memset(made.items, 0, bytes);
    p.texts = made.texts;
    begin(&p, text, len);
    result = read_all(&p, &made);
    if (result < 0) goto undo_made;
    *rules = made;
    return 0;
undo_made:
    tw__xray_rules_fini(&made);
    return result;
}

void tw__xray_rules_fini(struct tw__xray_rules *rules)
{
    free(rules->items);
    free(rules->texts);
    rules->items = NULL;
    rules->texts = NULL;
    rules->count = 0;
}

void tw__xray_rules_builtin(struct tw__xray_rules *rules)
{
    *rules = (struct tw__xray_rules){.fallback = {.fixed_target = 1, .threshold = tw__rate_threshold(0.05)}};
}

bool tw__xray_rules_decide(struct tw__xray_rules *rules, const struct tw__sample_request *request, uint64_t second,
                           enum tw__sample_reason *reason)
{
    struct tw__xray_rule *rule = &rules->fallback;
    for (size_t i = 0; i < rules->count; i++) {
        struct tw__xray_rule *r = &rules->items[i];
        if (tw__wildcard_applies(r->host, request->host) && tw__wildcard_applies(r->method, request->method) &&
            tw__wildcard_applies(r->path, request->path)) {
            rule = r;
            break;
        }
    }
    *reason = TW__BY_RESERVOIR;
    if (tw__reservoir_take(&rule->reservoir, second, rule->fixed_target)) return true;
    *reason = TW__BY_RATE;
    return tw__rate_takes(rule->threshold, request->trace_id);
}
