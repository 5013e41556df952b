/* filter: the one filter language: live traces, queries, drop rules.
 *
 *     struct tw__filter *filter;
 *     struct tw__refusal error;
 *     if (tw__filter_compile("module=kz_json request>100", len, NULL, &filter, &error) < 0) complain(error.at,
 * error.text); if (tw__filter_match(filter, get, &record)) keep(&record); tw__filter_free(filter);
 *
 * Two notations, one tree. Text that begins with [ or { is the tuple text of Erlang's lager:
 *     [{module, kz_json}, {any, [{request, '>', 100}, {zone, '!'}]}]
 * Anything else is the short form:
 *     module=kz_json (request>100 or absent(zone))
 * docs/filter.md is the language for people.
 *
 * A compiled filter is one block of memory, immutable, and may be used by any number of threads at once. */
#ifndef TW_FILTER_FILTER_H
#define TW_FILTER_FILTER_H

#include "base/buf.h"
#include "base/field.h"
#include "base/refusal.h"

/* What a filter may be at most; beyond it compile answers TW_ERR_SPACE. */
enum {
    TW__FILTER_TEXT_MAX = 8192,                       /* bytes of text */
    TW__FILTER_LEAVES_MAX = 256,                      /* conditions */
    TW__FILTER_NODES_MAX = 3 * TW__FILTER_LEAVES_MAX, /* conditions, and, or, not */
    TW__FILTER_POSITIONS_MAX = 1024,                  /* characters of all regular expressions together */
    TW__FILTER_KEYS_MAX = 64,                         /* different keys: a set of them fits a word */
    TW__FILTER_DEPTH_MAX = 32                         /* parentheses or lists inside each other */
};

enum tw__filter_op {
    TW__FILTER_TRUE, /* without a key */
    TW__FILTER_FALSE,
    TW__FILTER_EXISTS,
    TW__FILTER_ABSENT,
    TW__FILTER_EQ,    /* numbers by value: 1 = 1.0 */
    TW__FILTER_NE,    /* there, comparable, and not equal */
    TW__FILTER_SAME,  /* and of the same type: 1 is not 1.0. What = means in the tuple text */
    TW__FILTER_OTHER, /* there, and not the same: any other type matches. What != means in the tuple text */
    TW__FILTER_LT,
    TW__FILTER_LE,
    TW__FILTER_GT,
    TW__FILTER_GE,
    TW__FILTER_REGEX,
    TW__FILTER_NO_REGEX, /* there, a text, and without a match */
    TW__FILTER_LEVEL     /* a level that is in the set */
};

struct tw__regex;

/* How a condition can be answered in a few instructions when the value is of the expected type. */
enum tw__filter_quick {
    TW__FILTER_QUICK_NOT,
    TW__FILTER_QUICK_TEXT,  /* equal to a text, or not */
    TW__FILTER_QUICK_LEVEL, /* in a set of levels */
    TW__FILTER_QUICK_INT    /* an integer that passes when its order to value.i is in orders */
};

enum { TW__FILTER_IF_LESS = 1, TW__FILTER_IF_EQUAL = 2, TW__FILTER_IF_GREATER = 4 };

/* One condition. */
struct tw__filter_leaf {
    uint8_t op;     /* enum tw__filter_op */
    uint8_t key;    /* index into keys; without meaning for TRUE and FALSE */
    uint8_t levels; /* LEVEL: TW__LEVELS_ */
    bool pid;       /* value is the X.Y.Z of a pid: with <> around it or not, it is equal */
    bool unit;      /* value was written as a duration */
    uint8_t quick;  /* enum tw__filter_quick */
    uint8_t orders;
    bool many;                  /* the key may have several values */
    uint16_t on_true, on_false; /* where to go on; TW__FILTER_ACCEPT, TW__FILTER_REJECT: the end */
    struct tw__field value;
    const struct tw__regex *regex;
};

enum { TW__FILTER_ACCEPT = 0xffff, TW__FILTER_REJECT = 0xfffe };

enum tw__filter_kind { TW__FILTER_LEAF, TW__FILTER_AND, TW__FILTER_OR, TW__FILTER_NOT };

/* The tree, children before parents; the last one is the top. Leaves stand in the order of the text. */
struct tw__filter_node {
    uint8_t kind;  /* enum tw__filter_kind */
    uint16_t a, b; /* LEAF: a is the leaf; NOT: a is the node; AND, OR: both are nodes */
};

struct tw__filter {
    const struct tw__filter_leaf *leaves;
    const struct tw__filter_node *nodes;
    const struct tw__field_key *keys; /* each name once, in the order of the text */
    uint16_t leaf_count, node_count, key_count;
    bool many; /* a leaf has */
};

enum tw__filter_holds {
    TW__FILTER_ANYTHING,
    TW__FILTER_DURATION, /* nanoseconds: a number needs a unit (duration>200ms), 0 alone does not */
    TW__FILTER_TEXT,     /* an unquoted number is meant as text: ids */
    TW__FILTER_TRACE_ID  /* 32 lower-case digits; written in any form of tw_trace_id_parse, and nothing else */
};

/* What a compiler may be told of the records; zeroed is nothing. */
struct tw__filter_schema {
    tw__field_resolve *resolve;                                   /* fills the ids of keys; may be NULL */
    const void *data;                                             /* its first argument */
    enum tw__filter_holds (*holds)(const char *name, size_t len); /* what is in a field; may be NULL */
    /* The values that a field can have, NULL at the end; NULL: any. Another one is a mistake, not a filter that never
     * matches. May be NULL. */
    const char *const *(*values)(const char *name, size_t len);
    /* Whether a field that resolve gave this id may have several values; get is then asked for the key with nth 0, 1
     * and so on until it says no. A value of the type NONE is none, and others may follow. May be NULL. */
    bool (*many)(uint32_t id);
};

/* Compiles text, len bytes of either notation.
 * Shape    schema and error may be NULL.
 * Returns  0 and *out (tw__filter_free), or a negative enum tw_err with *error filled; then *out is untouched.
 * Threads  [any thread]
 * Cost     one pass; a few allocations, none of them larger than 64 KiB beside the tables of regular expressions. */
int tw__filter_compile(const char *text, size_t len, const struct tw__filter_schema *schema, struct tw__filter **out,
                       struct tw__refusal *error);
void tw__filter_free(struct tw__filter *filter);

/* Whether a record passes. get is asked for the fields of the conditions that are reached, in order, until the answer
 * is known; the same key twice in a row is asked for once.
 * Threads  [any thread] [async-signal-safe] when get is
 * Cost     linear in conditions and in the length of texts; no allocation, no recursion. */
bool tw__filter_match(const struct tw__filter *filter, tw__field_get *get, const void *source);

/* The same, also of filters with fields that have several values; of those tw__filter_match sees the first. Apart,
 * because lines of logs have none, and are matched in a few nanoseconds. */
bool tw__filter_match_each(const struct tw__filter *filter, tw__field_get *get, const void *source);

/* One condition against one value; value NULL: the field is not there. */
bool tw__filter_leaf_test(const struct tw__filter_leaf *leaf, const struct tw__field *value);

/* What can be said without seeing the whole record. */
enum tw__verdict { TW__VERDICT_NO, TW__VERDICT_YES, TW__VERDICT_DEPENDS };

/* The filter's verdict when each condition has one. leaf is asked for every condition (TRUE and FALSE excepted). */
typedef enum tw__verdict tw__filter_leaf_verdict(const void *data, const struct tw__filter *filter,
                                                 const struct tw__filter_leaf *leaf);
enum tw__verdict tw__filter_verdict(const struct tw__filter *filter, tw__filter_leaf_verdict *leaf, const void *data);

/* What is known of a field before the record is there: nothing, that it is missing, or its value. */
enum tw__known { TW__KNOWN_NOT, TW__KNOWN_ABSENT, TW__KNOWN_VALUE };
typedef enum tw__known tw__field_known(const void *source, const struct tw__field_key *key, struct tw__field *out);

/* The verdict on a site: YES for each of its records, NO for none, DEPENDS on the record. What is static (module,
 * function, level) is answered by known; its answers are the same for every record of the site.
 * Threads, cost: as tw__filter_match. */
enum tw__verdict tw__filter_site(const struct tw__filter *filter, tw__field_known *known, const void *source);

/* Adds what stands for a text between double quotes. regex: behind ~ and !~, where a backslash is the expression's
 * own. */
void tw__filter_escape(struct tw__buf *out, const char *text, size_t len, bool regex);

/* -- levels: sets of the eight, as lager's bit masks */

enum {
    TW__LEVELS_NONE = 0,
    TW__LEVELS_EMERGENCY = 1,
    TW__LEVELS_ALERT = 2,
    TW__LEVELS_CRITICAL = 4,
    TW__LEVELS_ERROR = 8,
    TW__LEVELS_WARNING = 16,
    TW__LEVELS_NOTICE = 32,
    TW__LEVELS_INFO = 64,
    TW__LEVELS_DEBUG = 128,
    TW__LEVELS_ALL = 255
};

/* Reads what selects levels: warning (and more severe), =info, !=info, <info, <=info, =<info, >info, >=info, =>info, a
 * leading ! for everything else; none is above all of them, so that <none is all.
 * Returns  the set, 0 to 255, or TW_ERR_SYNTAX.
 * Threads  [any thread] [async-signal-safe] */
int tw__levels_parse(const char *text, size_t len);

/* The number of a level's name, 0 emergency to 7 debug; also warn, err, crit, emerg, panic. TW_ERR_NOT_FOUND otherwise.
 */
int tw__level_number(const char *text, size_t len);
/* The name of a number; "debug" for any beyond 7. */
const char *tw__level_name(unsigned number);

static inline bool tw__levels_have(unsigned levels, unsigned number)
{
    return number < 8 && (levels & 1u << number) != 0;
}

#endif
