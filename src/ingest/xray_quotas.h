/* xray_quotas: what the daemon's two sampling calls are answered with, from a file of local rules: each rule's
 * fixed_target is a reservoir that all clients share, so that together they take no more than so many a second.
 *
 * A client that reports gets an equal share of the reservoir for QUOTA_S seconds, but never more than what is not
 * promised to others: a newcomer may get little until the others have reported again. What does not divide goes to
 * those who came first. A client that has been silent for CLIENT_S seconds is forgotten.
 *
 * Threads: a lock around everything. */
#ifndef TW_INGEST_XRAY_QUOTAS_H
#define TW_INGEST_XRAY_QUOTAS_H

#include "base/buf.h"
#include "ingest/door.h"

struct tw__xray_quotas;

enum { TW__QUOTA_CLIENTS_MAX = 10000 };

/* Rules of a file, or without one (NULL) X-Ray's own: one a second, then 5 %. Returns 0, or an error with why in
 * words. */
int tw__xray_quotas_new(const char *file, uint64_t now_s, struct tw__xray_quotas **out, char why[TW_WHY_MAX]);
void tw__xray_quotas_free(struct tw__xray_quotas *quotas);
/* Reads the file again; promises are forgotten. On error the rules stay. */
int tw__xray_quotas_reload(struct tw__xray_quotas *quotas, uint64_t now_s, char why[TW_WHY_MAX]);

/* The answer to GetSamplingRules. */
void tw__xray_quotas_rules(struct tw__xray_quotas *quotas, struct tw__buf *out);
/* The answer to SamplingTargets. Returns 0, or TW_ERR_SYNTAX (no such request), TW_ERR_SPACE, TW_ERR_MEMORY. */
int tw__xray_quotas_targets(struct tw__xray_quotas *quotas, struct tw_text request, uint64_t now_s,
                            struct tw__buf *out);

#endif
