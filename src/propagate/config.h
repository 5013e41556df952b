/* config: the default propagation and the counters of the process. */
#ifndef TW_PROPAGATE_CONFIG_H
#define TW_PROPAGATE_CONFIG_H

#include <trackway/propagate.h>

/* The lists of the default, each in one word, so that they can change while others read them. */
enum { TW__LIST_READ, TW__LIST_WRITE };
struct tw_formats tw__propagation_list(int which);

/* Where drops are counted that nobody wanted to count. Added to by any thread, read by any, each word whole
 * (relaxed). */
struct tw_drops *tw__process_drops(void);
/* Counts there from now on, what has been counted so far included; there is zeroed, and stays. What another thread
 * counts at this very moment may be left out. */
void tw__process_drops_to(struct tw_drops *there);
/* In a forked child: from zero again, and not in the parent's place. */
void tw__process_drops_forget(void);

#endif
