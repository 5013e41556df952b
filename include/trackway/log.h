#ifndef TRACKWAY_LOG_H
#define TRACKWAY_LOG_H

/* Log events: a line with a level, in the trace of the span that is current.
 *
 *     tw_info("user %d has %zu items in the cart", user, count);
 *     tw_log(TW_LOG_WARNING, "the passwords did not match for %s", name);
 *     tw_log_with(TW_LOG_WARNING, (TW_ATTR("request", id), TW_ATTR("zone", "west")), "refused %s", name);
 *     tw_meta_set(TW_ATTR("callid", call));          every line of this thread carries it from now on
 *
 * Nothing is formatted here. The arguments are stored as they are, beside the format's number, and whoever reads the
 * line makes the text of it: trackway show, dump, tail, a live trace (<trackway/live.h>), tw_record_message. Module,
 * function, line, pid, thread, service, trace and span come by themselves.
 *
 * A site that nobody wants costs three loads that are in the nearest cache, a compare and a branch, and does not
 * evaluate its arguments. Wanted is what has the level in force (TRACKWAY_LOG_LEVEL, tw_log_set_level; default info) or
 * more, and what a live trace asks for, whatever the level.
 *
 * Formats  are string literals of printf, checked by the compiler (-Wformat). %s copies its text, up to TW_TEXT_MAX
 * bytes of what a record has room for; %n stores nothing and writes nothing; %m is the errno of the moment. Positions
 * (%1$d) are not understood: their text is shown as it stands. level is a constant of enum tw_log_level.
 * Threads  [any thread] [async-signal-safe] once the thread has recorded anything, except where said.
 * Cost     with three integers about 12 ns, of which the clock takes 10; no lock, allocation or system call.
 */

#include <stdarg.h>

#include <trackway/span.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The numbers of syslog. */
enum tw_log_level {
    TW_LOG_NONE = -1, /* as the level in force: nothing */
    TW_LOG_EMERGENCY = 0,
    TW_LOG_ALERT,
    TW_LOG_CRITICAL,
    TW_LOG_ERROR,
    TW_LOG_WARNING,
    TW_LOG_NOTICE,
    TW_LOG_INFO,
    TW_LOG_DEBUG
};

enum {
    TW_LOG_FORMAT_MAX = 1023, /* bytes of a format that are kept */
    TW_LOG_ARGS_MAX = 32,     /* arguments that are kept, widths given as * among them */
    TW_LOG_MESSAGE_MAX = 4096 /* bytes of a text that is handed over ready; one made by a bridge: TW_TEXT_MAX */
};

#define tw_log(level, ...) TW__LOG(TW__NEW(tw__log_), level, __VA_ARGS__)
#define tw_debug(...)      tw_log(TW_LOG_DEBUG, __VA_ARGS__)
#define tw_info(...)       tw_log(TW_LOG_INFO, __VA_ARGS__)
#define tw_notice(...)     tw_log(TW_LOG_NOTICE, __VA_ARGS__)
#define tw_warning(...)    tw_log(TW_LOG_WARNING, __VA_ARGS__)
#define tw_error(...)      tw_log(TW_LOG_ERROR, __VA_ARGS__)
#define tw_critical(...)   tw_log(TW_LOG_CRITICAL, __VA_ARGS__)
#define tw_alert(...)      tw_log(TW_LOG_ALERT, __VA_ARGS__)
#define tw_emergency(...)  tw_log(TW_LOG_EMERGENCY, __VA_ARGS__)

/* The same with metadata of this one line: attributes in parentheses. They stand before the thread's where a key is in
 * both. */
#define tw_log_with(level, attrs, ...) TW__LOG_WITH(TW__NEW(tw__log_), level, attrs, __VA_ARGS__)

/* Metadata of this thread, carried by every line it logs. Not from a signal handler: the line that it interrupts may be
 * copying what is there.
 * tw_meta_set      replaces all of it
 * tw_meta_add      adds one key, or gives it another value
 * tw_meta_remove   takes one away
 * tw_meta_clear    takes all away
 * At most 32 keys and 1,000 bytes; what is beyond is left out and counted (stats.cut_long). A thread's first use
 * allocates. */
#define tw_meta_set(...)                                                                                               \
    do {                                                                                                               \
        const struct tw_attr tw__meta_attrs[] = {__VA_ARGS__};                                                         \
        tw_meta_replace(tw__meta_attrs, sizeof tw__meta_attrs / sizeof(struct tw_attr));                               \
    } while (0)
#define tw_meta_add(key, value) tw_meta_put(TW_ATTR(key, value))
void tw_meta_replace(const struct tw_attr *attrs, size_t count);
void tw_meta_put(struct tw_attr attr);
void tw_meta_remove(const char *key);
void tw_meta_clear(void);

/* The level in force: lines at it and more severe are recorded. TW_LOG_NONE: none. Any thread, at any time. */
void tw_log_set_level(int level);
int tw_log_get_level(void);
/* A level by its name (also warn, err, crit, emerg, none), in any case. TW_ERR_SYNTAX. */
int tw_log_level_parse(const char *text, int *level);
const char *tw_log_level_name(int level);

/* Whether a line at this level from somewhere could be wanted. For who builds a text before it logs it. */
bool tw_log_enabled(int level);

/* Bridges, for a program that has a logger: they take a text or make one at once, for level at run time.
 * tw_log_text      a text of len bytes
 * tw_log_format    printf
 * tw_vlog          vprintf
 * tw_vsyslog       vsyslog: the lower three bits of priority are the level
 * tw_log_hook      as a callback void (*)(void *, int, const char *); data is NULL or the name of a module
 * tw_log_at        with the place where it comes from, time (CLOCK_REALTIME ns; 0: now) and metadata */
struct tw_log_place {
    const char *module, *function; /* NULL: unknown. A path is cut down to its base name, as TW_MODULE is */
    uint32_t line;
    uint64_t time_ns;
};
void tw_log_text(int level, const char *text, size_t len);
void tw_log_format(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));
void tw_vlog(int level, const char *format, va_list args) __attribute__((format(printf, 2, 0)));
void tw_vsyslog(int priority, const char *format, va_list args) __attribute__((format(printf, 2, 0)));
void tw_log_hook(void *data, int priority, const char *text);
void tw_log_at(const struct tw_log_place *place, int level, const char *text, size_t len, const struct tw_attr *attrs,
               size_t count);

/* Below: what the macros expand to. Not for direct use. */

/* off and on: the generation in which the verdict was this. The next four: 0 until registered; see src/trace/log.c. */
struct tw_log_site {
    uint32_t off, on;
    uint64_t brief, fast, signature;
    uint32_t ints;
    struct tw_site site;
};

extern const uint32_t *tw__log_generation;

bool tw__log_decide(struct tw_log_site *site) __attribute__((cold));
TW__DIRECT void tw__log(struct tw_log_site *site, const char *format, ...) __attribute__((format(printf, 2, 3)));
TW__DIRECT void tw__log_words(struct tw_log_site *site, uint64_t a, uint64_t b, uint64_t c, uint64_t d);
/* Of 32 bits each: a << 32, b | c << 32. */
TW__DIRECT void tw__log_ints(struct tw_log_site *site, uint64_t a, uint64_t bc);
void tw__log_with(struct tw_log_site *site, const struct tw_attr *attrs, size_t count, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

TW__INLINE __attribute__((always_inline)) bool tw__log_wanted(struct tw_log_site *site)
{
    uint32_t now = __atomic_load_n(__atomic_load_n(&tw__log_generation, __ATOMIC_RELAXED), __ATOMIC_RELAXED);
    if (TW__LIKELY(__atomic_load_n(&site->off, __ATOMIC_RELAXED) == now)) return false;
    return __atomic_load_n(&site->on, __ATOMIC_RELAXED) == now || tw__log_decide(site);
}

#define TW__FIRST(first, ...) first
#define TW__BARE(...)         __VA_ARGS__
#define TW__LOG_SITE(var, level_, text)                                                                                \
    static struct tw_log_site var = {0, 0, 0, 0, 0, 0, {0, "" text, TW_MODULE, __func__, __LINE__, 9, (level_), 0}}
/* Never called: where the compiler checks the arguments. */
TW__INLINE __attribute__((format(printf, 1, 2), unused)) void tw__log_check(const char *format, ...)
{
    (void)format;
}
#define TW__LOG(var, level, ...)                                                                                       \
    do {                                                                                                               \
        TW__LOG_SITE(var, level, TW__FIRST(__VA_ARGS__, 0));                                                           \
        if (0) tw__log_check(__VA_ARGS__);                                                                             \
        if (tw__log_wanted(&var)) TW__LOG_CALL(&var, __VA_ARGS__);                                                     \
    } while (0)
#define TW__LOG_WITH(var, level, attrs, ...)                                                                           \
    do {                                                                                                               \
        TW__LOG_SITE(var, level, TW__FIRST(__VA_ARGS__, 0));                                                           \
        if (tw__log_wanted(&var)) {                                                                                    \
            const struct tw_attr TW__PASTE(var, _a)[] = {TW__BARE attrs};                                              \
            tw__log_with(&var, TW__PASTE(var, _a), sizeof TW__PASTE(var, _a) / sizeof(struct tw_attr), __VA_ARGS__);   \
        }                                                                                                              \
    } while (0)

#ifdef __cplusplus
}
#define TW__LOG_CALL(site, ...) tw__log(site, __VA_ARGS__)
#else
/* Up to four integers are handed over in registers; anything else as an argument list. */
#define TW__LOG_CALL(site, ...)                                                                                        \
    TW__LOG_PICK(__VA_ARGS__, TW__V, TW__V, TW__V, TW__V, TW__V, TW__V, TW__V, TW__V, TW__V, TW__V, TW__V, TW__V,      \
                 TW__V, TW__V, TW__V, TW__V, TW__V, TW__V, TW__V, TW__V, TW__V, TW__V, TW__V, TW__V, TW__V, TW__V,     \
                 TW__V, TW__V, TW__V, TW__V, TW__V, TW__V, TW__V, TW__V, TW__V, TW__V, TW__V, TW__V, TW__V, TW__V,     \
                 TW__W4, TW__W3, TW__W2, TW__W1, TW__W0, 0)                                                            \
    (site, __VA_ARGS__)
#define TW__LOG_PICK(a1, a2, a3, a4, a5, a6, a7, a8, a9, b1, b2, b3, b4, b5, b6, b7, b8, b9, c1, c2, c3, c4, c5, c6,   \
                     c7, c8, c9, d1, d2, d3, d4, d5, d6, d7, d8, d9, e1, e2, e3, e4, e5, e6, e7, e8, e9, name, ...)    \
    name
#define TW__V(site, ...) tw__log(site, __VA_ARGS__)
#define TW__W0(site, f)  tw__log_ints(site, 0, 0)
#define TW__W1(site, f, a)                                                                                             \
    (TW__INT32(a) ? tw__log_ints(site, TW__HIGH(a), 0)                                                                 \
     : TW__INT(a) ? tw__log_words(site, TW__U(a), 0, 0, 0)                                                             \
                  : tw__log(site, f, a))
#define TW__W2(site, f, a, b)                                                                                          \
    (TW__INT32(a) && TW__INT32(b) ? tw__log_ints(site, TW__HIGH(a), TW__LOW(b))                                        \
     : TW__INT(a) && TW__INT(b)   ? tw__log_words(site, TW__U(a), TW__U(b), 0, 0)                                      \
                                  : tw__log(site, f, a, b))
#define TW__W3(site, f, a, b, c)                                                                                       \
    (TW__INT32(a) && TW__INT32(b) && TW__INT32(c) ? tw__log_ints(site, TW__HIGH(a), TW__LOW(b) | TW__HIGH(c))          \
     : TW__INT(a) && TW__INT(b) && TW__INT(c)     ? tw__log_words(site, TW__U(a), TW__U(b), TW__U(c), 0)               \
                                                  : tw__log(site, f, a, b, c))
#define TW__W4(site, f, a, b, c, d)                                                                                    \
    (TW__INT(a) && TW__INT(b) && TW__INT(c) && TW__INT(d)                                                              \
         ? tw__log_words(site, TW__U(a), TW__U(b), TW__U(c), TW__U(d))                                                 \
         : tw__log(site, f, a, b, c, d))
#define TW__HIGH(x) ((uint64_t)(x) << 32)
#define TW__LOW(x)  ((uint64_t)(x)&0xffffffff)
#define TW__INT32(x)                                                                                                   \
    _Generic((x), bool : 1, char : 1, signed char : 1, short : 1, int : 1, unsigned char : 1, unsigned short : 1,      \
             unsigned : 1, default : 0)
#define TW__U(x) ((uint64_t)(x))
#define TW__INT(x)                                                                                                     \
    _Generic((x), bool : 1, char : 1, signed char : 1, short : 1, int : 1, long : 1, long long : 1, unsigned char : 1, \
             unsigned short : 1, unsigned : 1, unsigned long : 1, unsigned long long : 1, default : 0)
#endif
#endif
