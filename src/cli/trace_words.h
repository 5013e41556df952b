/* trace_words: what completion offers. For cmd_trace.c. */
#ifndef TW_CLI_TRACE_WORDS_H
#define TW_CLI_TRACE_WORDS_H

#include "cli/cli.h"

/* The modules, functions (of a module; NULL any), pids or refs there are, one a line, each once. */
int tw__trace_words(const struct tw__args *args, const char *kind, const char *module);

#endif
