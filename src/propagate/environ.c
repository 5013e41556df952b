/* environ: the environment of a process as a carrier.
 *
 * A child of a shell script finds its parent span in TRACEPARENT; a Lambda function finds it in _X_AMZN_TRACE_ID. The
 * names are those of the headers in capitals with `_` for `-`, and X-Ray's exception. The environment is handed in as
 * an array and not read with getenv, so that an execve's or a test's will do as well; no NAME can be there twice.
 */
#include "propagate/text.h"

#include <trackway/propagate.h>

static const struct {
    const char *name;
    const char *in_environment;
} pairs[] = {
    {"traceparent", "TRACEPARENT"},
    {"tracestate", "TRACESTATE"},
    {"baggage", "BAGGAGE"},
    {"b3", "B3"},
    {"x-b3-traceid", "X_B3_TRACEID"},
    {"x-b3-spanid", "X_B3_SPANID"},
    {"x-b3-sampled", "X_B3_SAMPLED"},
    {"x-b3-flags", "X_B3_FLAGS"},
    {"x-amzn-trace-id", "_X_AMZN_TRACE_ID"},
};

const char *tw_carrier_environ_name(const char *name)
{
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        if (strcmp(pairs[i].name, name) == 0) return pairs[i].in_environment;
    }
    return NULL;
}

bool tw_carrier_get_environ(void *carrier, const char *name, unsigned index, const char **value, size_t *len)
{
    const char *wanted = tw_carrier_environ_name(name);
    if (!wanted || !carrier || index > 0) return false;

    size_t wanted_len = strlen(wanted);
    for (char **entry = carrier; *entry; entry++) {
        if (strncmp(*entry, wanted, wanted_len) != 0 || (*entry)[wanted_len] != '=') continue;
        *value = *entry + wanted_len + 1;
        *len = strlen(*value);
        return true;
    }
    return false;
}
