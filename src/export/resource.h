/* resource: what exporters say of the process: its service, and what OTEL_RESOURCE_ATTRIBUTES says. */
#ifndef TW_EXPORT_RESOURCE_H
#define TW_EXPORT_RESOURCE_H

#include "trace/env.h"

#define TW__VERSION_TEXT "0.1.0"

enum { TW__RESOURCE_MAX = 64 };

struct tw__resource {
    struct tw_tag_value attributes[TW__RESOURCE_MAX];
    size_t count;
    size_t left_out; /* for lack of room */
    char host[64], program[64];
    char room[TW__SETTINGS_ROOM]; /* decoded values */
};

/* service.name, process.pid, host.name, telemetry.sdk.*, then those of the settings; of one key the last counts, but
 * service.name is the settings' service. Texts point into the resource and the settings, which outlive it. */
void tw__resource_read(struct tw__resource *resource, const struct tw__settings *settings);

#endif
