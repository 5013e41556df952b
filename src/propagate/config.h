/* config: the default propagation and the counters of the process. */
#ifndef TW_PROPAGATE_CONFIG_H
#define TW_PROPAGATE_CONFIG_H

#include "propagate/formats.h"

extern const struct tw_propagation tw__propagation_default;
extern struct tw_drops tw__process_drops;

#endif
