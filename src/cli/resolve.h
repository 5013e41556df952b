/* resolve: from what a person types to a trace id. */
#ifndef TW_CLI_RESOLVE_H
#define TW_CLI_RESOLVE_H

#include "cli/source.h"

/* Finds the trace that text names: an id in any form, or the first 4 or more hex digits of one in the sources.
 * Returns  0 and fills id (which need not be in the data when it was given whole), or an exit code with the message
 *          printed. */
int tw__trace_resolve(struct tw__sources *sources, const char *text, uint8_t id[16]);

#endif
