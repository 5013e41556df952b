/* paths: which values of a tree of maps and lists are not to be shown.
 *
 *     struct tw__paths *paths;
 *     const char *lists[] = {"password, card.number, items[*].token"};
 *     if (tw__paths_compile(lists, 1, &paths, &bad) < 0) use tw__paths_everything instead
 *
 *     struct tw__redactor r;
 *     tw__redactor_begin(&r, paths, TW__SHAPE_MAP);               of the root: its verdict
 *     tw__redactor_value(&r, "card", 4, TW__SHAPE_MAP);           of each value, in the order of the text
 *     tw__redactor_value(&r, "number", 6, TW__SHAPE_SCALAR);      TW__REPLACE: show TW__MARKER in its place
 *     tw__redactor_end(&r);                                       of each map and list
 *
 * Knows nothing of calls, of JSON, or of what a value is beside its shape. */
#ifndef TW_REDACT_PATHS_H
#define TW_REDACT_PATHS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TW__MARKER "********"
enum { TW__MARKER_LEN = 8, TW__PATH_STEPS_MAX = 256, TW__REDACT_DEPTH_MAX = 32 };

struct tw__paths;

/* Replaces everything: what is used where the right paths cannot be had. */
extern const struct tw__paths *const tw__paths_everything;

/* Compiles lists of paths into one set.
 * Shape    each list is paths separated by commas or white space; NULL and the empty list have none. A path is names
 * separated by dots, `[3]` an element, `[name]` or `["any.text"]` a member, `*` or `[*]` any one of either, `**` any
 * number of levels. `.3` is the member "3" and the element 3; `[-1]` is any element, because a stream has no end to
 * count from.
 * Returns  0 and *out, to be freed with tw__paths_free; TW_ERR_SYNTAX (a path that cannot be understood, an empty one
 *          between commas included), TW_ERR_RANGE (more than TW__PATH_STEPS_MAX steps in all), TW_ERR_MEMORY. *bad:
 *          which list. */
int tw__paths_compile(const char *const *lists, size_t count, struct tw__paths **out, size_t *bad);
void tw__paths_free(struct tw__paths *paths);

/* Whether there is any rule in it. paths may be NULL: none. */
bool tw__paths_any(const struct tw__paths *paths);

enum tw__shape { TW__SHAPE_SCALAR, TW__SHAPE_MAP, TW__SHAPE_LIST };
enum tw__verdict {
    TW__KEEP,
    TW__REPLACE, /* the marker stands for it, and for all that is in it */
    TW__DROP     /* inside of what was replaced */
};

enum { TW__STEP_WORDS = TW__PATH_STEPS_MAX / 64 };

struct tw__redactor {
    const struct tw__paths *paths;
    uint32_t hits;     /* how many values were replaced */
    uint32_t depth;    /* open containers in which rules are active */
    uint32_t idle;     /* open containers below them, in which none is */
    uint32_t dropping; /* open containers of what was replaced */
    bool fold;         /* given before each value: its key is a header's name, whose case and dashes do not matter */
    struct tw__redact_level {
        uint64_t active[TW__STEP_WORDS];
        uint32_t index;
        bool is_list, is_root_list;
    } levels[TW__REDACT_DEPTH_MAX];
};

/* Begins with the root, whose members the first steps of the paths name. A list as root is looked through: each of its
 * elements is taken as a root too. */
enum tw__verdict tw__redactor_begin(struct tw__redactor *r, const struct tw__paths *paths, enum tw__shape root);

/* The next value in the innermost open container. key is NULL in a list. */
enum tw__verdict tw__redactor_value(struct tw__redactor *r, const char *key, size_t key_len, enum tw__shape shape);

/* Replaces the next value whatever the paths say: for those who know names that are never shown. */
enum tw__verdict tw__redactor_force(struct tw__redactor *r, enum tw__shape shape);

/* The end of the innermost open container: TW__DROP when it is not shown. */
enum tw__verdict tw__redactor_end(struct tw__redactor *r);

#endif
