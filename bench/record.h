/* record: the groups of bench_record. Each runs in a child process of its own, prints its rows, and returns whether all
 * limits were kept. */
#ifndef TW_BENCH_RECORD_H
#define TW_BENCH_RECORD_H

#include <stdbool.h>

bool record_spans(void);   /* span.*: what one thread pays; off.*: what it pays when recording is off */
bool record_threads(void); /* threads.*: two threads against one */
bool record_reader(void);  /* reader.*: a process that reads all the time against none */
bool record_pull(void);    /* pull.*: one trace out of a full arena of 64 MB */
bool record_memory(void);  /* memory.*: a thousand threads */
bool record_start(void);   /* start.*: the first span of a process, and its first lap through the arena */
bool record_beside(void);  /* lttng.*: LTTng-UST beside it */

#endif
