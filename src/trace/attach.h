/* attach: a thread's first record, and its last. */
#ifndef TW_TRACE_ATTACH_H
#define TW_TRACE_ATTACH_H

#include <stdbool.h>

/* In a forked child: this thread has no block, and no other thread exists. */
void tw__attach_forget(void);

/* While held, a signal handler of this thread that would have to attach is refused instead. */
void tw__attach_hold(bool hold);

#endif
