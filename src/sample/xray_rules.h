/* xray_rules: X-Ray's local sampling rules, the file that its SDKs read.
 *
 *     {"version": 2,
 *      "rules": [{"description": "carts", "host": "*", "http_method": "*", "url_path": "/cart/?*", "fixed_target": 2,
 * "rate": 0.1}], "default": {"fixed_target": 1, "rate": 0.05}}
 *
 * Version 1 calls the host "service_name".
 */
#ifndef TW_SAMPLE_XRAY_RULES_H
#define TW_SAMPLE_XRAY_RULES_H

#include "sample/problem.h"
#include "sample/request.h"

enum { TW__XRAY_RULES_MAX = 1000, TW__XRAY_TEXT_MAX = 1024, TW__XRAY_FILE_MAX = 1 << 20 };

struct tw__xray_rule {
    struct tw_text host, method, path; /* into the rules' own memory */
    uint32_t fixed_target;             /* so many a second, then */
    uint64_t threshold;                /* by rate */
    _Alignas(64) uint64_t reservoir;   /* any thread */
};

struct tw__xray_rules {
    struct tw__xray_rule fallback; /* "default"; fits everything */
    size_t count;
    struct tw__xray_rule *items; /* first match wins */
    char *texts;
};

/* The rules without a file: one a second, then 5 %. No memory of its own. */
void tw__xray_rules_builtin(struct tw__xray_rules *rules);

/* Reads a rules file.
 * Shape    text is len bytes, no more than TW__XRAY_FILE_MAX; rules is zeroed and 64-byte aligned.
 * Returns  0 and *rules (tw__xray_rules_fini), or TW_ERR_SYNTAX (not JSON, or something missing or of the wrong type),
 *          TW_ERR_RANGE (negative, too large), TW_ERR_VERSION, TW_ERR_SPACE (too many rules, too long), TW_ERR_MEMORY,
 * with *problem; then *rules is untouched. Members that are not known are ignored.
 * Source   AWS X-Ray developer guide, "Configuring sampling rules"; the SDKs' local samplers. */
int tw__xray_rules_parse(struct tw__xray_rules *rules, const char *text, size_t len, struct tw__problem *problem);
void tw__xray_rules_fini(struct tw__xray_rules *rules);

/* Decides by the first rule that fits.
 * Shape    second: CLOCK_REALTIME.
 * Threads  [any thread] [async-signal-safe], without locks or allocation. */
bool tw__xray_rules_decide(struct tw__xray_rules *rules, const struct tw__sample_request *request, uint64_t second,
                           enum tw__sample_reason *reason);

#endif
