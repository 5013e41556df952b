/* Answers in lines, one for each question that comes up; "\x01" in front: refused. Whatever they say, what is asked is
 * sane, and every rule and state is there once. */
#include <stdlib.h>
#include <string.h>

#include "sample/xray_central.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void made_random(void *data, void *bytes, size_t len)
{
    (void)data;
    memset(bytes, 0x5a, len);
}

static void check(const struct tw__xray_central *central)
{
    size_t states = 0;
    for (const struct tw__rule_state *state = central->states; state; state = state->next) {
        if (++states > (TW__LIMBO_MAX + 2) * TW__CENTRAL_RULES_MAX || state->sets == 0 ||
            state->name_len > TW__RULE_NAME_MAX)
            abort();
    }
    if (!central->set) return;
    for (size_t i = 0; i < central->set->count; i++) {
        const struct tw__central_rule *rule = &central->set->rules[i];
        if (rule->is_default != (i + 1 == central->set->count) && rule->is_default) abort();
        if (i && !rule->is_default && central->set->rules[i - 1].priority > rule->priority) abort();
    }
}

static void decide(struct tw__xray_central *central, uint64_t second)
{
    static const uint8_t id[16] = {[9] = 0x80};
    static const char *const paths[] = {"/", "/a", "/api/users", ""};
    for (size_t i = 0; i < 4; i++) {
        struct tw__sample_request request = {.trace_id = id, .path = {paths[i], strlen(paths[i])}};
        struct tw__sample_decision decision;
        bool found;
        if (tw__central_decide(central, &request, second, &decision, &found) && !found) abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tw__limbo limbo;
    static struct tw__xray_central central;
    struct tw__buf body = {0};
    uint64_t second = 1795225842;
    const char *at = (const char *)data, *end = at + size;
    memset(&limbo, 0, sizeof limbo);
    tw__central_init(&central, &limbo, made_random, NULL);
    for (int i = 0; i < 200 && at < end; i++, second += 7) {
        tw__buf_reset(&body);
        decide(&central, second);
        const char *path = tw__central_next(&central, second * 1000000000, &body);
        if (path && (body.len < 2 || body.ptr[0] != '{' || body.ptr[body.len - 1] != '}')) abort();
        if (!path) continue;
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (!stop) stop = end;
        if (*at == 1)
            tw__central_failed(&central, second * 1000000000, "refused");
        else
            tw__central_answer(&central, second * 1000000000, 200, at, (size_t)(stop - at));
        at = stop < end ? stop + 1 : end;
        if (central.asked != TW__ASKED_NOTHING) abort();
        check(&central);
    }
    tw__limbo_fini(&limbo);
    tw__central_fini(&central);
    if (central.states) abort();
    tw__buf_fini(&body);
    return 0;
}
