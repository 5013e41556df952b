/* paths: paths compiled to steps, and a walk that follows all of them at once.
 *
 *     a.b[0], **.token        steps:  0 name a   1 name b   2 index 0 (last)   3 name token (last, deep)
 *
 * A walk holds, for each open container, the set of steps that its members may match: bits, all paths together. A value
 * that matches a step has the next step in its own set; one that matches a last step is replaced. A step behind `**` is
 * deep: it stays in the set on the way down. Where the set is empty nothing below can match, and only brackets are
 * counted.
 *
 * It fails closed. A value that a path leads into, but that is no container (or a list where a name is asked for, or a
 * map where an index is) is replaced whole: what it holds in another form cannot be told. So is one that lies deeper
 * than TW__REDACT_DEPTH_MAX with rules active. A member that a path names and that is not there is not made up. What is
 * deep does not count as leading anywhere, else `**.token` would replace every number.
 *
 * Invariant: a value is kept only if no prefix of its position is matched by a whole path.
 * Rejected: a tree that is edited (a copy of everything, and the way of nameko-tracer, which loses records on what
 * cannot be copied); one walk a path (a value would be looked at as often as there are paths).
 */
#include "redact/paths.h"

#include <stdlib.h>
#include <string.h>

#include <trackway/err.h>

enum step_kind { STEP_NAME, STEP_INDEX, STEP_ANY };

struct step {
    uint8_t kind;
    bool last, deep, first;
    bool number; /* a name that is also an index */
    uint16_t name, name_len;
    uint32_t index;
};

struct tw__paths {
    bool everything;
    unsigned count, words; /* words of a set of steps that are in use */
    uint64_t firsts[TW__STEP_WORDS];
    uint64_t must[TW__STEP_WORDS];    /* steps that are not deep: a scalar where they are active is replaced */
    uint64_t no_map[TW__STEP_WORDS];  /* of those, the ones that cannot match in a map */
    uint64_t no_list[TW__STEP_WORDS]; /* and in a list */
    bool any_first;
    struct step *steps;
    char *names;
};

static const struct tw__paths everything = {.everything = true};
const struct tw__paths *const tw__paths_everything = &everything;

static void set_bit(uint64_t *words, unsigned bit)
{
    words[bit / 64] |= (uint64_t)1 << (bit % 64);
}

static bool is_empty(const uint64_t *set, unsigned words)
{
    uint64_t all = 0;
    for (unsigned i = 0; i < words; i++) all |= set[i];
    return all == 0;
}

static bool meet(const uint64_t *a, const uint64_t *b, unsigned words)
{
    uint64_t all = 0;
    for (unsigned i = 0; i < words; i++) all |= a[i] & b[i];
    return all != 0;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool ends_name(char c)
{
    return !c || is_space(c) || c == ',' || c == '.' || c == '[' || c == ']' || c == '*' || c == '"';
}

/* What is being compiled: paths with room, and where the next name goes. */
struct compiler {
    struct tw__paths *paths;
    size_t names_len;
    const char *at;
    bool deep, begun;
};

static int add_step(struct compiler *c, struct step step)
{
    struct tw__paths *paths = c->paths;
    if (paths->count == TW__PATH_STEPS_MAX) return TW_ERR_RANGE;
    step.deep = c->deep;
    step.first = !c->begun;
    c->deep = false;
    c->begun = true;
    paths->steps[paths->count++] = step;
    return 0;
}

static int add_name(struct compiler *c, const char *name, size_t len)
{
    struct step step = {.kind = STEP_NAME, .name = (uint16_t)c->names_len, .name_len = (uint16_t)len};
    if (len == 0) return TW_ERR_SYNTAX;
    if (len > UINT16_MAX || c->names_len > UINT16_MAX) return TW_ERR_RANGE;
    step.number = len < 10;
    for (size_t i = 0; i < len; i++) {
        if (name[i] < '0' || name[i] > '9') step.number = false;
        if (step.number) step.index = step.index * 10 + (uint32_t)(name[i] - '0');
    }
    memcpy(c->paths->names + c->names_len, name, len);
    c->names_len += len;
    return add_step(c, step);
}

/* After `[`. */
static int bracket(struct compiler *c)
{
    const char *at = c->at;
    if (*at == '"') {
        const char *end = strchr(at + 1, '"');
        if (!end || end[1] != ']') return TW_ERR_SYNTAX;
        c->at = end + 2;
        return add_name(c, at + 1, (size_t)(end - at) - 1);
    }
    const char *end = strchr(at, ']');
    if (!end || end == at) return TW_ERR_SYNTAX;
    size_t len = (size_t)(end - at);
    c->at = end + 1;
    size_t digits = strspn(at + (*at == '-'), "0123456789");
    if (len == 1 && *at == '*') return add_step(c, (struct step){.kind = STEP_ANY});
    if (*at == '-' && digits + 1 == len && digits) return add_step(c, (struct step){.kind = STEP_ANY});
    if (digits == len) {
        if (len > 9) return TW_ERR_RANGE;
        uint32_t index = 0;
        for (size_t i = 0; i < len; i++) index = index * 10 + (uint32_t)(at[i] - '0');
        return add_step(c, (struct step){.kind = STEP_INDEX, .index = index});
    }
    for (size_t i = 0; i < len; i++)
        if (ends_name(at[i])) return TW_ERR_SYNTAX;
    return add_name(c, at, len);
}

/* One path; c->at stands at its first character and, after it, behind its last. */
static int one_path(struct compiler *c)
{
    c->deep = c->begun = false;
    for (bool dot = true;; dot = false) {
        int result;
        if (!dot && *c->at == '.') {
            c->at++;
            dot = true;
        }
        if (*c->at == '[') {
            if (dot && c->begun) return TW_ERR_SYNTAX;
            c->at++;
            result = bracket(c);
        } else if (!dot) {
            break;
        } else if (c->at[0] == '*' && c->at[1] == '*') {
            c->at += 2;
            if (*c->at != '.' && *c->at != '[') return TW_ERR_SYNTAX; /* it would be everything: `*` says that */
            c->deep = true;
            continue;
        } else if (*c->at == '*') {
            c->at++;
            result = add_step(c, (struct step){.kind = STEP_ANY});
        } else {
            const char *name = c->at;
            while (!ends_name(*c->at)) c->at++;
            result = add_name(c, name, (size_t)(c->at - name));
        }
        if (result < 0) return result;
    }
    if (*c->at && *c->at != ',' && !is_space(*c->at)) return TW_ERR_SYNTAX;
    c->paths->steps[c->paths->count - 1].last = true;
    return 0;
}

static int one_list(struct compiler *c, const char *list)
{
    bool comma = false;
    for (c->at = list;;) {
        while (is_space(*c->at)) c->at++;
        if (!*c->at) return comma ? TW_ERR_SYNTAX : 0;
        int result = one_path(c);
        if (result < 0) return result;
        while (is_space(*c->at)) c->at++;
        comma = *c->at == ',';
        if (comma) c->at++;
    }
}

static void finish(struct tw__paths *paths)
{
    paths->words = (paths->count + 63) / 64;
    for (unsigned i = 0; i < paths->count; i++) {
        const struct step *step = &paths->steps[i];
        if (step->first) set_bit(paths->firsts, i);
        if (step->first && step->kind == STEP_ANY) paths->any_first = true;
        if (step->deep) continue;
        set_bit(paths->must, i);
        if (step->kind == STEP_INDEX) set_bit(paths->no_map, i);
        if (step->kind == STEP_NAME && !step->number) set_bit(paths->no_list, i);
    }
}

int tw__paths_compile(const char *const *lists, size_t count, struct tw__paths **out, size_t *bad)
{
    size_t room = 1;
    int result = TW_ERR_MEMORY;
    for (size_t i = 0; i < count; i++) room += lists[i] ? strlen(lists[i]) : 0;
    struct compiler c = {.paths = calloc(1, sizeof *c.paths)};
    *bad = 0;
    if (!c.paths) return TW_ERR_MEMORY;
    c.paths->names = malloc(room);
    c.paths->steps = calloc(TW__PATH_STEPS_MAX, sizeof *c.paths->steps);
    if (!c.paths->names || !c.paths->steps) goto undo;
    result = 0;
    for (size_t i = 0; i < count && result == 0; i++) {
        *bad = i;
        if (lists[i]) result = one_list(&c, lists[i]);
    }
    if (result < 0) goto undo;
    finish(c.paths);
    *out = c.paths;
    return 0;
undo:
    tw__paths_free(c.paths);
    return result;
}

void tw__paths_free(struct tw__paths *paths)
{
    if (!paths || paths == &everything) return;
    free(paths->names);
    free(paths->steps);
    free(paths);
}

bool tw__paths_any(const struct tw__paths *paths)
{
    return paths && (paths->everything || paths->count);
}

static enum tw__verdict replace(struct tw__redactor *r, enum tw__shape shape)
{
    r->hits++;
    if (shape != TW__SHAPE_SCALAR) r->dropping = 1;
    return TW__REPLACE;
}

static void open_level(struct tw__redactor *r, const uint64_t *active, bool is_list, bool is_root_list)
{
    struct tw__redact_level *level = &r->levels[r->depth++];
    for (unsigned w = 0; w < r->paths->words; w++) level->active[w] = active[w];
    level->index = 0;
    level->is_list = is_list;
    level->is_root_list = is_root_list;
}

enum tw__verdict tw__redactor_begin(struct tw__redactor *r, const struct tw__paths *paths, enum tw__shape root)
{
    r->paths = paths;
    r->hits = r->depth = r->idle = r->dropping = 0;
    r->fold = false;
    if (!tw__paths_any(paths)) {
        if (root != TW__SHAPE_SCALAR) r->idle = 1;
        return TW__KEEP;
    }
    if (paths->everything) return replace(r, root);
    if (root == TW__SHAPE_SCALAR) return paths->any_first ? replace(r, root) : TW__KEEP;
    open_level(r, paths->firsts, root == TW__SHAPE_LIST, root == TW__SHAPE_LIST);
    return TW__KEEP;
}

/* Where a value stands in its container. */
struct redact_key {
    const char *name; /* NULL: in a list */
    size_t len;
    uint32_t index;
    bool folded;
};

static char fold(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c == '_' ? '-' : c;
}

static bool is_name(const char *ours, const char *key, size_t len, bool folded)
{
    if (!folded) return memcmp(ours, key, len) == 0;
    for (size_t i = 0; i < len; i++)
        if (fold(ours[i]) != fold(key[i])) return false;
    return true;
}

static bool matches(const struct redact_key *key, const struct tw__paths *paths, const struct step *step)
{
    if (step->kind == STEP_ANY) return true;
    if (!key->name) return (step->kind == STEP_INDEX || step->number) && step->index == key->index;
    return step->kind == STEP_NAME && step->name_len == key->len &&
           is_name(paths->names + step->name, key->name, key->len, key->folded);
}

/* The value's place is one that rules look at. words: of a set, as a constant where there is only one. */
static inline __attribute__((always_inline)) enum tw__verdict
follow(struct tw__redactor *r, const char *key, size_t key_len, enum tw__shape shape, unsigned words)
{
    const struct tw__paths *paths = r->paths;
    struct tw__redact_level *level = &r->levels[r->depth - 1];
    uint64_t led[TW__STEP_WORDS], next[TW__STEP_WORDS];
    const struct redact_key place = {level->is_list ? NULL : key, key_len, level->index++, r->fold};
    for (unsigned w = 0; w < words; w++) led[w] = 0;
    for (unsigned w = 0; w < words; w++) {
        next[w] = level->is_root_list ? level->active[w] : level->active[w] & ~paths->must[w];
        for (uint64_t bits = level->active[w]; bits; bits &= bits - 1) {
            unsigned at = w * 64 + (unsigned)__builtin_ctzll(bits);
            const struct step *step = &paths->steps[at];
            if (!matches(&place, paths, step)) continue;
            if (step->last) return replace(r, shape);
            set_bit(led, at + 1);
        }
    }
    const uint64_t *cannot = shape == TW__SHAPE_SCALAR ? paths->must
                             : shape == TW__SHAPE_MAP  ? paths->no_map
                                                       : paths->no_list;
    if (meet(led, cannot, words)) return replace(r, shape);
    if (shape == TW__SHAPE_SCALAR) return TW__KEEP;
    for (unsigned w = 0; w < words; w++) next[w] |= led[w];
    if (is_empty(next, words)) {
        r->idle = 1;
        return TW__KEEP;
    }
    if (r->depth == TW__REDACT_DEPTH_MAX) return replace(r, shape);
    open_level(r, next, shape == TW__SHAPE_LIST, level->is_root_list && shape == TW__SHAPE_LIST);
    return TW__KEEP;
}

enum tw__verdict tw__redactor_value(struct tw__redactor *r, const char *key, size_t key_len, enum tw__shape shape)
{
    if (r->dropping) {
        if (shape != TW__SHAPE_SCALAR) r->dropping++;
        return TW__DROP;
    }
    if (r->idle || r->depth == 0) {
        if (shape != TW__SHAPE_SCALAR) r->idle++;
        return TW__KEEP;
    }
    return r->paths->words == 1 ? follow(r, key, key_len, shape, 1) : follow(r, key, key_len, shape, r->paths->words);
}

enum tw__verdict tw__redactor_force(struct tw__redactor *r, enum tw__shape shape)
{
    if (r->dropping) return tw__redactor_value(r, NULL, 0, shape);
    if (!r->idle && r->depth) r->levels[r->depth - 1].index++;
    return replace(r, shape);
}

enum tw__verdict tw__redactor_end(struct tw__redactor *r)
{
    if (r->dropping) {
        r->dropping--;
        return TW__DROP;
    }
    if (r->idle)
        r->idle--;
    else if (r->depth)
        r->depth--;
    return TW__KEEP;
}
