/* diagnose: telling the program what is wrong, in words, if it wants to hear it. */
#ifndef TW_TRACE_DIAGNOSE_H
#define TW_TRACE_DIAGNOSE_H

#include <trackway/recorder.h>

enum { TW__DIAGNOSE_PATH_MAX = 512 };

/* Who is told from now on; NULL: nobody. */
void tw__diagnose_to(tw_diagnostic_fn *fn, void *data);

/* A file that gets it too, a line each: path is copied; empty, or of TW__DIAGNOSE_PATH_MAX bytes: none. */
void tw__diagnose_file(const char *path);

/* Tells it. Any thread, with no lock held, never a hot path. */
void tw__diagnose(int error, const char *text);

/* In a forked child: whoever held the lock is in the parent. */
void tw__diagnose_after_fork(void);

#endif
