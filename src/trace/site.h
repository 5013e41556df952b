/* site: registering what is static in the source, on first use. */
#ifndef TW_TRACE_SITE_H
#define TW_TRACE_SITE_H

#include <stdint.h>

#include <trackway/span.h>

#include "trace/runtime.h"

/* "src/shop/cart.c" -> "cart". */
enum { TW__MODULE_CAP = 64 };
void tw__module_of(const char *file, char module[TW__MODULE_CAP]);

/* The record head for a site: its own, or made now. Between tw__enter and tw__leave. */
uint64_t tw__site_head(struct tw__block *block, struct tw_site *site, uint16_t head_bytes);

/* The dictionary id of a key: its own, or looked up now; 0 when there is no room (counted). */
uint16_t tw__key_id(struct tw__block *block, const char *name);

/* Registers a key for tags of one type. */
void tw__key_register(struct tw__block *block, struct tw_key *key, enum tw__tag type);

#endif
