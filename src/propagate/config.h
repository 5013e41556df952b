/* config: the default propagation and the counters of the process. */
#ifndef TW_PROPAGATE_CONFIG_H
#define TW_PROPAGATE_CONFIG_H

#include "propagate/formats.h"

/* The lists of the default, each in one word, so that they can change while others read them. */
enum { TW__LIST_READ, TW__LIST_WRITE };
struct tw_formats tw__propagation_list(int which);
extern struct tw_drops tw__process_drops;

#endif
