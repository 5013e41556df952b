/* formats: what the readers and writers of single formats have in common. carrier.c is their only caller, and the
 * tests.
 *
 * A reader gets the carrier, and returns enum tw_extract. It writes *context only when it returns more than NONE, and
 * the texts of *carried (NULL allowed) only then, except sampling (B3's decisions without ids). A writer formats one
 * value.
 */
#ifndef TW_PROPAGATE_FORMATS_H
#define TW_PROPAGATE_FORMATS_H

#include <trackway/propagate.h>

#include "base/atomics.h"
#include "base/hex.h"
#include "propagate/text.h"

/* One reading: where the text comes from and where what is dropped is counted. */
struct tw__reading {
    tw_carrier_get get;
    void *carrier;
    struct tw_drops *drops;
};

#define tw__drop(drops, cause) ((void)tw__add_relaxed(&(drops)->cause, 1))

/* The only value of a name. Returns 1 and the trimmed value; 0 when there is none or it is blank; -1 when there are
 * more. */
int tw__carrier_get_single(const struct tw__reading *from, const char *name, struct tw__slice *value);

/* With the context that traceparent gave, valid. */
void tw__tracestate_read(const struct tw__reading *from, const struct tw_context *context, struct tw_carried *carried);
enum { TW__TRACESTATE_TEXT_MAX = 512 };
size_t tw__tracestate_format(const struct tw_context *context, const struct tw_carried *carried,
                             char text[TW__TRACESTATE_TEXT_MAX]);

/* A header value already at hand, trimmed. NONE means malformed; the caller counts. */
int tw__xray_parse(struct tw__slice text, struct tw_drops *drops, struct tw_context *context,
                   struct tw_carried *carried);
/* The same for who has no room for all of tw_carried: what is to be sent on goes to text, TW_CARRIED_XRAY_MAX bytes. */
struct tw__xray_rest {
    char *text; /* NULL: not wanted */
    uint16_t len;
    bool decided;
};
int tw__xray_parse_rest(struct tw__slice text, struct tw_drops *drops, struct tw_context *context,
                        struct tw__xray_rest *rest);
/* Of a header that is no trace: whether it says not to sample. */
bool tw__xray_denies(struct tw__slice text);
int tw__xray_read(const struct tw__reading *from, struct tw_context *context, struct tw_carried *carried);
enum { TW__XRAY_TEXT_MAX = 256 };
size_t tw__xray_format(const struct tw_context *context, const struct tw_carried *carried,
                       char text[TW__XRAY_TEXT_MAX]);

/* *malformed tells "no trace" from "no ids, but a decision". */
int tw__b3_parse(struct tw__slice text, bool *malformed, struct tw_context *context, struct tw_carried *carried);
int tw__b3_read(const struct tw__reading *from, struct tw_context *context, struct tw_carried *carried);
enum { TW__B3_TEXT_MAX = 32 + 1 + 16 + 2 };
size_t tw__b3_format(const struct tw_context *context, const struct tw_carried *carried, char text[TW__B3_TEXT_MAX]);
int tw__b3_write_multi(const struct tw_context *context, const struct tw_carried *carried, tw_carrier_set set,
                       void *carrier);

void tw__baggage_read(const struct tw__reading *from, struct tw_carried *carried);

static inline bool tw__has_trace_id(const struct tw_context *context)
{
    return !tw__all_zero(context->trace_id, sizeof context->trace_id);
}

static inline bool tw__has_span_id(const struct tw_context *context)
{
    return !tw__all_zero(context->span_id, sizeof context->span_id);
}

/* What is to be said of sampling: '1', '0', 'd' for debug, '?' for undecided. */
static inline char tw__sampling_letter(const struct tw_context *context, const struct tw_carried *carried)
{
    enum tw_sampling said = carried ? (enum tw_sampling)carried->sampling : TW_SAMPLING_FLAG;
    if (context->flags & TW_FLAG_SAMPLED) return said == TW_SAMPLING_DEBUG ? 'd' : '1';
    return said == TW_SAMPLING_UNDECIDED ? '?' : '0';
}

#endif
