/* log: what the files of logging share. */
#ifndef TW_TRACE_LOG_H
#define TW_TRACE_LOG_H

#include <stdarg.h>

#include <trackway/log.h>

#include "trace/record.h"

/* This thread's metadata as tags, ready to be copied; NULL: it has none. meta.c */
struct tw__meta {
    uint32_t len, count;
    struct tw__meta_entry {
        uint16_t key, at, size;
    } entries[32];
    uint64_t bytes[125];
};
extern _Thread_local struct tw__meta *tw__meta __attribute__((tls_model("initial-exec")));

/* A line with everything: args first, then the thread's metadata, then attrs. Between tw__enter and tw__leave. tick 0:
 * now. */
struct tw__line {
    uint64_t head, tick;
    const struct tw__tag_in *args;
    size_t arg_count;
    const struct tw_attr *attrs;
    size_t attr_count;
};
void tw__log_append(struct tw__block *block, const struct tw__line *line);

/* The arguments that a format takes, as tags whose texts point to where the program has them, or into wide. Returns how
 * many. */
enum { TW__LOG_WIDE_BYTES = 256 };
size_t tw__log_args(struct tw__block *block, const char *format, va_list args, int error_number,
                    struct tw__tag_in *tags, char wide[TW__LOG_WIDE_BYTES]);

/* What a site takes: four bits an argument, enum tw__fast, the first lowest; 0: that cannot be said so. bytes: of these
 * arguments in a record; or TW__LOG_TEXTS, when some are texts. */
enum tw__fast {
    TW__FAST_END = 0,
    TW__FAST_INT = 1,
    TW__FAST_UINT,
    TW__FAST_LONG,
    TW__FAST_ULONG,
    TW__FAST_DOUBLE,
    TW__FAST_NONE,
    TW__FAST_TEXT
};
#define TW__LOG_TEXTS UINT32_MAX
uint64_t tw__log_signature(const char *format, uint32_t *bytes);
enum { TW__INTS_MAX = 3 }; /* a tag could hold four */
/* The head of the one tag TW__TAG_INTS for up to TW__INTS_MAX arguments of 32 bits each; 0: there are none. False: they
 * are others. */
bool tw__log_narrow(uint64_t signature, uint32_t *head);

/* Whether a line of this level from this place is wanted. module and function NULL: of anywhere. */
bool tw__log_wants(int level, const char *module, const char *function);

/* The tick after which lines that are recorded for a live trace's sake ask again. Asked by those that are not brief:
 * one in each chunk, which lasts a second at most. */
extern uint64_t tw__log_recheck_tick;
void tw__log_recheck(uint64_t now) __attribute__((cold));

/* Sites look again. runtime.c and control.c say when. */
void tw__log_changed(void);
/* From the settings, when a recording begins; what the program itself has set goes before. */
void tw__log_configure(int level);

#endif
