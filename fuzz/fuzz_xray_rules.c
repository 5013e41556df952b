/* A rules file that is taken can be decided by; one that is not says where. The first byte cuts the request out of the
 * text. */
#include <stdlib.h>
#include <string.h>

#include "sample/xray_rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t id[16] = {[9] = 0x80};
    struct tw__xray_rules rules = {.count = 0};
    struct tw__problem problem = {0};
    enum tw__sample_reason reason;
    char why[200];
    if (size == 0) return 0;
    const char *text = (const char *)data + 1;
    size_t len = size - 1, part = len * data[0] / 256;
    int result = tw__xray_rules_parse(&rules, text, len, &problem);
    if (result < 0) {
        if (rules.items || rules.texts || problem.error != result || problem.at > len || problem.line == 0 ||
            !problem.why)
            abort();
        tw__problem_text(&problem, why, sizeof why);
        return 0;
    }
    struct tw__sample_request request = {
        .trace_id = id, .host = {text, part}, .method = {text + part, len - part}, .path = {text, len}};
    if (len > 300) request.path.len = 300; /* patterns may be a thousand stars */
    if (part > 300) request.host.len = 300;
    if (len - part > 300) request.method.len = 300;
    for (uint64_t second = 0; second < 3; second++) tw__xray_rules_decide(&rules, &request, second, &reason);
    for (size_t i = 0; i < rules.count; i++) {
        if (rules.items[i].host.len > TW__XRAY_TEXT_MAX || rules.items[i].threshold > (uint64_t)1 << 56) abort();
    }
    tw__xray_rules_fini(&rules);
    return 0;
}
