/* rules: see the header. A span that any rule matches is left out before anything is hidden in the others.
 *
 * Invariant: when memory ends in the middle the batch is not stored: better lost than shown.
 */
#include "ingest/rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "filter/filter.h"
#include "ingest/hiding.h"
#include "model/span_fields.h"

enum { FILTERS_MAX = 64 };

struct tw__rules {
    struct tw__filter *filters[FILTERS_MAX];
    size_t filter_count;
    struct tw__paths *paths;
};

static int compile_filters(struct tw__rules *rules, const char *lines, char why[TW_WHY_MAX])
{
    while (lines && *lines) {
        size_t len = strcspn(lines, "\n");
        struct tw__refusal refusal = {0};
        if (rules->filter_count == FILTERS_MAX) {
            (void)snprintf(why, TW_WHY_MAX, "drop: more than %d rules", FILTERS_MAX);
            return TW_ERR_SPACE;
        }
        int code = tw__filter_compile(lines, len, &tw__span_schema, &rules->filters[rules->filter_count], &refusal);
        if (code < 0) {
            (void)snprintf(why, TW_WHY_MAX, "drop: %.*s: at %zu: %.120s", len < 80 ? (int)len : 80, lines, refusal.at,
                           refusal.text);
            return code;
        }
        rules->filter_count++;
        lines += len + (lines[len] == '\n');
    }
    return 0;
}

int tw__rules_compile(const char *drop, const char *redact, struct tw__rules **out, char why[TW_WHY_MAX])
{
    struct tw__rules *rules = calloc(1, sizeof *rules);
    (void)snprintf(why, TW_WHY_MAX, "out of memory");
    if (!rules) return TW_ERR_MEMORY;
    int code = compile_filters(rules, drop, why);
    if (code == 0 && redact) code = tw__hiding_compile(redact, &rules->paths, why);
    if (code < 0)
        tw__rules_free(rules);
    else
        *out = rules;
    return code;
}

void tw__rules_free(struct tw__rules *rules)
{
    if (!rules) return;
    for (size_t i = 0; i < rules->filter_count; i++) tw__filter_free(rules->filters[i]);
    tw__hiding_free(rules->paths);
    free(rules);
}

/* -- dropping */

static void drop(const struct tw__rules *rules, struct tw__spans *spans, size_t *dropped)
{
    size_t kept = 0;
    for (size_t i = 0; i < spans->count; i++) {
        struct tw__span_view view;
        bool matches = false;
        tw__span_view_span(&view, spans, &spans->items[i]);
        for (size_t f = 0; f < rules->filter_count && !matches; f++)
            matches = tw__filter_match_each(rules->filters[f], tw__span_field, &view);
        if (!matches) spans->items[kept++] = spans->items[i];
    }
    *dropped = spans->count - kept;
    spans->count = kept;
}

int tw__rules_apply(const struct tw__rules *rules, struct tw__spans *spans, size_t *dropped)
{
    *dropped = 0;
    if (rules->filter_count) drop(rules, spans, dropped);
    return tw__hiding_apply(rules->paths, spans);
}
