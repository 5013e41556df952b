/* build: the tree of a filter while its text is read. For the two notations; nobody else. */
#ifndef TW_FILTER_BUILD_H
#define TW_FILTER_BUILD_H

#include "filter/filter.h"
#include "filter/regex.h"

enum { TW__BUILD_COPY_MAX = 2 * TW__FILTER_TEXT_MAX };

struct tw__filter_build {
    const char *text;
    size_t len, at;
    const struct tw__filter_schema *schema;
    struct tw__refusal *error; /* never NULL; code 0: none yet */
    unsigned depth, positions; /* of all regular expressions */
    uint16_t leaf_count, node_count, key_count;
    struct tw__filter_leaf leaves[TW__FILTER_LEAVES_MAX];
    struct tw__filter_node nodes[TW__FILTER_NODES_MAX];
    struct tw__field_key keys[TW__FILTER_KEYS_MAX];
    struct tw__regex *regexes[TW__FILTER_LEAVES_MAX]; /* of the leaf of the same number */
    uint16_t entry[TW__FILTER_NODES_MAX], on_true[TW__FILTER_NODES_MAX], on_false[TW__FILTER_NODES_MAX]; /* of nodes */
    size_t used;                                                                                         /* of copy */
    /* Names and texts without quotes (trace ids: all 32 digits); behind TW__BUILD_COPY_MAX, what the tuple reader takes
     * apart. */
    char copy[TW__BUILD_COPY_MAX + TW__FILTER_TEXT_MAX];
};

/* A value as it was written. */
struct tw__filter_literal {
    struct tw__field value; /* a text lies in copy, or in the source */
    bool word;              /* not in quotes, or an atom */
    bool unit;              /* a duration */
    size_t at, len;         /* where in the text */
};

/* Both put nodes behind those that are there and return the number of the new one, or -1 with the error set. */
int tw__short_parse(struct tw__filter_build *b);
int tw__tuple_parse(struct tw__filter_build *b);

/* Room for len bytes in copy; NULL with the error set. */
char *tw__build_room(struct tw__filter_build *b, size_t len);

/* The index of a key, or -1. */
int tw__build_key(struct tw__filter_build *b, const char *name, size_t len, size_t at);

/* A condition without a value: TRUE, FALSE, EXISTS, ABSENT. */
int tw__build_bare(struct tw__filter_build *b, enum tw__filter_op op, int key);
/* A comparison. Knows levels, pids, durations and regular expressions. */
int tw__build_compare(struct tw__filter_build *b, int key, enum tw__filter_op op, struct tw__filter_literal *literal);

int tw__build_join(struct tw__filter_build *b, enum tw__filter_kind kind, int left, int right);
int tw__build_not(struct tw__filter_build *b, int node);

/* Down into and up out of something nested. false: too deep, with the error set. */
bool tw__build_enter(struct tw__filter_build *b, size_t at);
void tw__build_leave(struct tw__filter_build *b);

#endif
