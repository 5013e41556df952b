/* problem: the place of an error in words that a person can go to.
 *
 * Invariant: error is negative, line and column belong to at, why is constant text. The text is made only when somebody
 * asks.
 */
#include "sample/problem.h"

#include <stdio.h>
#include <string.h>

int tw__problem_set(struct tw__problem *problem, const struct tw__json_reader *json, int error, size_t at,
                    const char *field, const char *why)
{
    *problem = (struct tw__problem){.error = error, .at = at, .why = why};
    tw__json_where(json->text, json->len, at, &problem->line, &problem->column);
    (void)snprintf(problem->field, sizeof problem->field, "%s", field);
    return error;
}

int tw__problem_json(struct tw__problem *problem, const struct tw__json_reader *json, const char *field)
{
    return tw__problem_set(problem, json, json->error, json->error_at, field, json->why);
}

void tw__problem_text(const struct tw__problem *problem, char *text, size_t cap)
{
    (void)snprintf(text, cap, "line %zu, column %zu: %s%s%s", problem->line, problem->column, problem->field,
                   *problem->field ? ": " : "", problem->why ? problem->why : "");
}
