/* call_rules: what is to be hidden, cut and dropped, by entrypoint. */
#ifndef TW_TRACE_CALL_RULES_H
#define TW_TRACE_CALL_RULES_H

#include <trackway/call.h>

#include "redact/names.h"
#include "redact/paths.h"
#include "redact/patterns.h"
#include "trace/runtime.h"

enum { TW__CALL_NAMED_MAX = 64 };

/* What a file says, or what code and environment say: texts in the form of tw_calls_config, NULL where nothing is said.
 */
struct tw__call_texts {
    char *sensitive, *truncate, *truncate_response, *drop, *drop_urls, *deny_headers;
    size_t truncate_len, truncate_response_len, parents;
    bool has_truncate_len, has_truncate_response_len, has_parents;
    size_t named_count; /* paths for entrypoints whose names match */
    struct {
        char *pattern, *sensitive;
    } named[TW__CALL_NAMED_MAX];
};

/* call_file.c: reads the file. Returns 0 or an error with why (TW_WHY_MAX bytes). Free with _fini in every case. */
int tw__call_texts_load(struct tw__call_texts *texts, const char *path, char *why);
/* The same of what stands in it. */
int tw__call_texts_parse(struct tw__call_texts *texts, const char *text, size_t len, char *why);
void tw__call_texts_fini(struct tw__call_texts *texts);

/* Rules for all entrypoints. Fixed once published, never freed. */
struct tw__call_config {
    const struct tw__call_config *older; /* all that were in force before */
    struct tw__patterns *truncate, *truncate_response, *drop;
    struct tw__names denied;
    char *drop_urls;
    char *sensitive[2]; /* of code or environment, and of the file */
    bool hide_all;      /* something about paths was not understood */
    size_t truncate_len, truncate_response_len, parents;
    size_t named_count;
    struct {
        struct tw__patterns *pattern;
        char *sensitive;
    } named[TW__CALL_NAMED_MAX];
};

enum { TW__CALL_SERVICE, TW__CALL_TYPE, TW__CALL_NAME, TW__CALL_WORDS };

/* Rules for one entrypoint. Fixed once published, never freed, but for the dictionary ids. */
struct tw__call_rules {
    const struct tw__call_rules *older; /* all that were made before, of any entrypoint */
    const struct tw__call_config *config;
    const struct tw__paths *paths; /* NULL: none */
    bool truncate, truncate_response, drop;
    enum tw_span_kind kind;
    struct tw_text words[TW__CALL_WORDS];
    uint32_t ids[TW__CALL_WORDS]; /* of words in the dictionary; 0: not entered. Relaxed */
    struct tw_site site;          /* of its spans: "service.name" */
    struct tw_text id_prefix;     /* "service.name.", fit for a call id */
};

/* The rules for it, made now if need be. NULL on lack of memory. [any thread] Cost: two loads, once they are made. */
const struct tw__call_rules *tw__call_rules_of(struct tw_entrypoint *entrypoint);

/* Whether a request for this URL writes no records. */
bool tw__call_drops_url(const struct tw__call_config *config, const char *url);

/* In a forked child: whoever held the lock is in the parent. */
void tw__call_rules_after_fork(void);

#endif
