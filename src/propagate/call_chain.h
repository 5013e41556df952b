/* call_chain: for who makes ids, beside <trackway/call.h>. */
#ifndef TW_PROPAGATE_CALL_CHAIN_H
#define TW_PROPAGATE_CALL_CHAIN_H

#include <trackway/call.h>

/* tw_call_chain_add for an id that is known to be one. */
void tw__call_chain_push(struct tw_call_chain *chain, const char *id, size_t len, size_t max);

#endif
