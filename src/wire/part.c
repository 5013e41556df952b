/* part: one walk over values of either kind.
 *
 *     value tree ----\                           keep -> form
 *                     > shape -> redactor -> {   replace -> marker, the value itself into collect
 *     JSON events ---/                           drop -> collect
 *
 * A JSON text is read once before it is walked: when its end turns out to be no JSON, its beginning must not have been
 * written. A JSON text inside a tree is walked with the tree's rules, at its place.
 * Invariant: each open bracket of the form belongs to one open container of the redactor that is shown.
 */
#include "wire/part.h"

#include <stdlib.h>
#include <string.h>

#include "wire/json_read.h"

enum { KEY_MAX = 128, SCRATCH = 512 };

struct walk {
    struct tw__part *part;
    struct tw__form *form;
    struct tw__redactor redactor;
    bool begun;
};

/* One value at its place. */
struct place {
    const char *key;
    size_t key_len;
    bool header;
};

static void name(struct walk *walk, const struct place *place)
{
    char small[KEY_MAX];
    if (!place->key) return;
    if (!place->header || place->key_len > sizeof small) {
        tw__form_name(walk->form, place->key, place->key_len);
        return;
    }
    for (size_t i = 0; i < place->key_len; i++) {
        char c = place->key[i];
        small[i] = c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c == '-' ? '_' : c;
    }
    tw__form_name(walk->form, small, place->key_len);
}

/* What becomes of the value; its name, or the marker, is written. */
static enum tw__verdict judge(struct walk *walk, const struct place *place, enum tw__shape shape)
{
    enum tw__verdict verdict;
    walk->redactor.fold = place->header;
    if (!walk->begun)
        verdict = tw__redactor_begin(&walk->redactor, walk->part->paths, shape);
    else if (place->header && tw__names_has(walk->part->denied, place->key, place->key_len))
        verdict = tw__redactor_force(&walk->redactor, shape);
    else
        verdict = tw__redactor_value(&walk->redactor, place->key, place->key_len, shape);
    walk->begun = true;
    if (verdict == TW__DROP) return verdict;
    name(walk, place);
    if (verdict == TW__REPLACE) tw__form_text(walk->form, TW__MARKER, TW__MARKER_LEN);
    return verdict;
}

static void open(struct walk *walk, const struct place *place, bool list)
{
    if (judge(walk, place, list ? TW__SHAPE_LIST : TW__SHAPE_MAP) == TW__KEEP)
        tw__form_open(walk->form, list ? '[' : '{');
}

static void close(struct walk *walk, bool list)
{
    if (tw__redactor_end(&walk->redactor) == TW__KEEP) tw__form_close(walk->form, list ? ']' : '}');
}

/* A number's digits, as they are compared with secrets. */
static size_t digits_of(const struct tw_value *value, char text[TW__REPR_MAX])
{
    struct tw__form form;
    if (value->kind == TW_VALUE_DOUBLE) return tw__repr_f64(value->as.d, text);
    tw__form_begin(&form, TW__FORM_JSON, text, TW__REPR_MAX, 0);
    if (value->kind == TW_VALUE_INT)
        tw__form_i64(&form, value->as.i);
    else
        tw__form_u64(&form, value->as.u);
    return form.len;
}

static bool is_number(const struct tw_value *value)
{
    return value->kind == TW_VALUE_INT || value->kind == TW_VALUE_UINT ||
           (value->kind == TW_VALUE_DOUBLE && value->as.d - value->as.d == 0);
}

static bool is_text(const struct tw_value *value)
{
    return value->kind == TW_VALUE_STR || value->kind == TW_VALUE_BYTES;
}

static void collect(const struct walk *walk, const struct tw_value *value)
{
    char digits[TW__REPR_MAX];
    if (!walk->part->collect) return;
    if (is_text(value)) tw__secrets_add(walk->part->collect, value->as.p, value->len);
    if (is_number(value)) tw__secrets_add(walk->part->collect, digits, digits_of(value, digits));
}

static void pieces(struct tw__part *part, struct tw__form *form, const char *text, size_t len, bool bytes)
{
    size_t from = 0, at, found;
    if (!bytes && !part->scrub) {
        tw__form_text(form, text, len);
        return;
    }
    tw__form_text_begin(form, text, len);
    while (tw__secrets_find(part->scrub, text + from, len - from, &at, &found)) {
        tw__form_text_piece(form, text + from, at, bytes);
        tw__form_text_piece(form, TW__MARKER, TW__MARKER_LEN, false);
        from += at + found;
        part->hits++;
    }
    if (from < len) tw__form_text_piece(form, text + from, len - from, bytes);
    tw__form_text_end(form);
}

void tw__part_text(struct tw__part *part, struct tw__form *form, const char *text, size_t len)
{
    pieces(part, form, text, len, false);
}

static bool is_secret_number(const struct tw__part *part, const struct tw_value *value)
{
    char digits[TW__REPR_MAX];
    size_t at, found, len = part->scrub && is_number(value) ? digits_of(value, digits) : 0;
    return len && tw__secrets_find(part->scrub, digits, len, &at, &found) && found == len;
}

static void scalar(struct walk *walk, const struct place *place, const struct tw_value *value)
{
    struct tw__form *form = walk->form;
    if (judge(walk, place, TW__SHAPE_SCALAR) != TW__KEEP) {
        collect(walk, value);
        return;
    }
    if (is_secret_number(walk->part, value)) {
        tw__form_text(form, TW__MARKER, TW__MARKER_LEN);
        walk->part->hits++;
        return;
    }
    switch (value->kind) {
    case TW_VALUE_BOOL:
        tw__form_bool(form, value->as.b);
        break;
    case TW_VALUE_INT:
        tw__form_i64(form, value->as.i);
        break;
    case TW_VALUE_UINT:
        tw__form_u64(form, value->as.u);
        break;
    case TW_VALUE_DOUBLE:
        tw__form_f64(form, value->as.d);
        break;
    case TW_VALUE_STR:
    case TW_VALUE_BYTES:
        pieces(walk->part, form, value->as.p, value->len, value->kind == TW_VALUE_BYTES);
        break;
    case TW_VALUE_NULL:
    case TW_VALUE_MAP:
    case TW_VALUE_LIST:
    case TW_VALUE_HEADERS:
    case TW_VALUE_JSON:
        tw__form_null(form);
        break;
    }
}

/* Instead of what cannot be walked. */
static void replaced(struct walk *walk, const struct place *place)
{
    enum tw__verdict verdict = TW__REPLACE;
    if (walk->begun) {
        verdict = tw__redactor_force(&walk->redactor, TW__SHAPE_SCALAR);
    } else {
        tw__redactor_begin(&walk->redactor, NULL, TW__SHAPE_SCALAR);
        walk->begun = true;
        walk->redactor.hits++;
    }
    if (walk->part->collect) walk->part->collect->lost = true; /* what it holds cannot be looked for elsewhere */
    if (verdict == TW__DROP) return;
    name(walk, place);
    tw__form_text(walk->form, TW__MARKER, TW__MARKER_LEN);
}

static struct tw_value json_scalar(const struct tw__json_reader *json, enum tw__json_event event)
{
    if (event == TW__JSON_STRING) return TW_ARG_STRN(NULL, json->string.ptr, json->string.len);
    if (event == TW__JSON_BOOL) return tw_value_bool(NULL, json->boolean);
    if (event == TW__JSON_NULL) return tw_value_null(NULL);
    if (json->number == TW__JSON_I64) return tw_value_int(NULL, json->i64);
    return json->number == TW__JSON_U64 ? tw_value_uint(NULL, json->u64) : tw_value_double(NULL, json->f64);
}

/* The events of a text that is JSON. Names move into key: the reader's memory is used again for the value. False: out
 * of step. */
static bool json_events(struct walk *walk, struct tw__json_reader *json, const struct place *root, char *key,
                        bool headers)
{
    struct place place = *root;
    unsigned depth = 0;
    for (;;) {
        enum tw__json_event event = tw__json_read(json);
        switch (event) {
        case TW__JSON_DONE:
            return true;
        case TW__JSON_MORE:
        case TW__JSON_BAD:
            return false;
        case TW__JSON_NAME:
            memcpy(key, json->string.ptr, json->string.len);
            place = (struct place){key, json->string.len, headers && depth == 1};
            continue;
        case TW__JSON_OBJECT:
        case TW__JSON_ARRAY:
            open(walk, &place, event == TW__JSON_ARRAY);
            depth++;
            break;
        case TW__JSON_OBJECT_END:
        case TW__JSON_ARRAY_END:
            close(walk, event == TW__JSON_ARRAY_END);
            depth--;
            break;
        case TW__JSON_STRING:
        case TW__JSON_NUMBER:
        case TW__JSON_BOOL:
        case TW__JSON_NULL: {
            const struct tw_value value = json_scalar(json, event);
            scalar(walk, &place, &value);
            break;
        }
        }
        place = (struct place){NULL, 0, false};
    }
}

static bool is_json(const char *text, size_t len)
{
    char scratch[64];
    struct tw__json_reader json = {
        .text = text, .len = len, .last = true, .scratch = scratch, .scratch_cap = sizeof scratch};
    json.lenience = TW__JSON_REPAIR;
    enum tw__json_event event = tw__json_skip(&json);
    return event != TW__JSON_BAD && event != TW__JSON_MORE && event != TW__JSON_DONE &&
           tw__json_read(&json) == TW__JSON_DONE;
}

/* key and scratch: as long as the longest name and the longest text with escapes can be. */
__attribute__((noinline)) static void json_text(struct walk *walk, const struct place *place,
                                                const struct tw_value *value, bool headers)
{
    char small[2 * SCRATCH], *memory = small;
    size_t half = SCRATCH;
    if (value->len > SCRATCH / 3) {
        half = 3 * value->len; /* a byte that is repaired becomes three */
        memory = value->len < SIZE_MAX / 8 ? malloc(2 * half) : NULL;
    }
    struct tw__json_reader json = {.text = value->as.p,
                                   .len = value->len,
                                   .last = true,
                                   .lenience = TW__JSON_REPAIR,
                                   .scratch = memory,
                                   .scratch_cap = half};
    if (!memory || !is_json(value->as.p, value->len) ||
        !json_events(walk, &json, place, memory + half, headers)) /* the last cannot be: it was JSON a moment ago */
        replaced(walk, place);
    if (memory != small) free(memory);
}

/* An open container of a tree. */
struct level {
    const struct tw_value *items;
    size_t count, at;
    enum tw_value_kind kind;
};

void tw__part_write(struct tw__part *part, struct tw__form *form, const struct tw_value *root)
{
    struct walk walk; /* the redactor sets what it uses of itself: zeros for all of it would cost as much as the work */
    struct level levels[TW__REDACT_DEPTH_MAX];
    size_t depth = 0;
    const struct tw_value *value = root;
    struct place place = {NULL, 0, false};
    walk.part = part;
    walk.form = form;
    walk.begun = false;
    for (;;) {
        bool list = value->kind == TW_VALUE_LIST, map = value->kind == TW_VALUE_MAP || value->kind == TW_VALUE_HEADERS;
        if (value->kind == TW_VALUE_JSON) {
            json_text(&walk, &place, value, part->headers && value == root);
        } else if ((list || map) && depth == TW__REDACT_DEPTH_MAX) {
            replaced(&walk, &place);
        } else if (list || map) {
            open(&walk, &place, list);
            levels[depth++] = (struct level){value->as.items, value->len, 0, value->kind};
        } else {
            scalar(&walk, &place, value);
        }
        while (depth && levels[depth - 1].at == levels[depth - 1].count)
            close(&walk, levels[--depth].kind == TW_VALUE_LIST);
        if (!depth) break;
        struct level *level = &levels[depth - 1];
        value = &level->items[level->at++];
        place = (struct place){NULL, 0, false};
        if (level->kind == TW_VALUE_LIST) continue;
        const char *key = value->key ? value->key : "";
        place = (struct place){key, strlen(key), level->kind == TW_VALUE_HEADERS};
    }
    part->hits += walk.redactor.hits;
}
