/* hiding: see the header.
 *
 * A tag's key is looked at twice: as one name, and as the path that its dots make of it, so that both `password` and
 * `http.request.header.cookie` are written as one would say them. A list or map is read and written again only when a
 * path leads into it.
 */
#include "ingest/hiding.h"

#include <stdio.h>
#include <string.h>

#include "redact/paths.h"
#include "redact/secrets.h"
#include "wire/json.h"
#include "wire/json_read.h"

enum { KEY_MAX = 1024 };

struct hiding {
    const struct tw__paths *paths;
    struct tw__pool *pool;
    struct tw__secrets secrets;
};

/* Leads r to a key as the path of its dots. *hidden: a path names it. The shape is that of the value. */
static void lead(struct tw__redactor *r, const struct hiding *hiding, struct tw_text key, bool whole,
                 enum tw__shape shape, bool *hidden)
{
    const char *at = key.ptr, *end = key.ptr + key.len, *dot;
    *hidden = tw__redactor_begin(r, hiding->paths, TW__SHAPE_MAP) != TW__KEEP;
    while (!whole && !*hidden && at < end && (dot = memchr(at, '.', (size_t)(end - at))) != NULL) {
        *hidden = tw__redactor_value(r, at, (size_t)(dot - at), TW__SHAPE_MAP) != TW__KEEP;
        at = dot + 1;
    }
    if (!*hidden) *hidden = tw__redactor_value(r, at, (size_t)(end - at), shape) != TW__KEEP;
}

static void remember(struct hiding *hiding, const struct tw_tag_value *tag)
{
    char text[32];
    if (tag->type == TW_TYPE_STR || tag->type == TW_TYPE_BYTES)
        tw__secrets_add(&hiding->secrets, tag->text.ptr, tag->text.len);
    else if (tag->type == TW_TYPE_INT)
        tw__secrets_add(&hiding->secrets, text, (size_t)snprintf(text, sizeof text, "%lld", (long long)tag->value.i));
}

static void hide(struct hiding *hiding, struct tw_tag_value *tag)
{
    remember(hiding, tag);
    tag->type = TW_TYPE_STR;
    tag->text = (struct tw_text){TW__MARKER, TW__MARKER_LEN};
    tag->full_len = TW__MARKER_LEN;
    tag->cut = false;
}

/* Copies one JSON text with the redactor watching. */
struct walk {
    struct tw__json_reader in;
    struct tw__json out;
    struct tw__redactor *redactor;
    struct hiding *hiding;
};

static enum tw__shape shape_of(enum tw__json_event event)
{
    return event == TW__JSON_OBJECT ? TW__SHAPE_MAP : event == TW__JSON_ARRAY ? TW__SHAPE_LIST : TW__SHAPE_SCALAR;
}

static void write_scalar(struct walk *walk, enum tw__json_event event)
{
    if (event == TW__JSON_STRING)
        tw__json_text(&walk->out, NULL, walk->in.string);
    else if (event == TW__JSON_BOOL)
        tw__json_bool(&walk->out, NULL, walk->in.boolean);
    else if (event == TW__JSON_NULL)
        tw__json_null(&walk->out, NULL);
    else if (walk->in.number == TW__JSON_I64)
        tw__json_i64(&walk->out, NULL, walk->in.i64);
    else if (walk->in.number == TW__JSON_U64)
        tw__json_u64(&walk->out, NULL, walk->in.u64);
    else
        tw__json_f64(&walk->out, NULL, walk->in.f64);
}

static bool write_value(struct walk *walk, enum tw__json_event event, enum tw__verdict verdict)
{
    if (verdict == TW__KEEP) {
        if (event == TW__JSON_OBJECT || event == TW__JSON_ARRAY)
            tw__json_open(&walk->out, NULL, event == TW__JSON_OBJECT ? '{' : '[');
        else
            write_scalar(walk, event);
        return true;
    }
    if (event == TW__JSON_STRING) tw__secrets_add(&walk->hiding->secrets, walk->in.string.ptr, walk->in.string.len);
    tw__json_cstr(&walk->out, NULL, TW__MARKER);
    if (shape_of(event) == TW__SHAPE_SCALAR) return true;
    event = tw__json_leave(&walk->in);
    (void)tw__redactor_end(walk->redactor);
    return event == TW__JSON_OBJECT_END || event == TW__JSON_ARRAY_END;
}

/* The first event, of the container itself, has been judged. Returns whether the text made sense. */
static bool copy_json(struct walk *walk)
{
    enum tw__json_event event = tw__json_read(&walk->in);
    if (shape_of(event) == TW__SHAPE_SCALAR || !write_value(walk, event, TW__KEEP)) return false;
    char key[KEY_MAX];
    size_t key_len = 0;
    bool named = false;
    while ((event = tw__json_read(&walk->in)) < TW__JSON_DONE) {
        if (event == TW__JSON_OBJECT_END || event == TW__JSON_ARRAY_END) {
            (void)tw__redactor_end(walk->redactor);
            tw__json_close(&walk->out, event == TW__JSON_OBJECT_END ? '}' : ']');
        } else if (event == TW__JSON_NAME) {
            if (walk->in.string.len > sizeof key) return false;
            key_len = walk->in.string.len;
            memcpy(key, walk->in.string.ptr, key_len);
            tw__json_name(&walk->out, walk->in.string);
            named = true;
        } else {
            enum tw__verdict verdict = tw__redactor_value(walk->redactor, named ? key : NULL, key_len, shape_of(event));
            named = false;
            if (!write_value(walk, event, verdict)) return false;
        }
    }
    return event == TW__JSON_DONE;
}

/* A list or map as JSON: written again without what is hidden. What cannot be read is hidden whole. */
static int hide_inside(struct hiding *hiding, struct tw__redactor *redactor, struct tw_tag_value *tag)
{
    struct tw__buf out = {0};
    char *scratch = tw__pool_take(hiding->pool, tag->text.len + 1, 1);
    struct walk walk = {.out.out = &out, .redactor = redactor, .hiding = hiding};
    uint32_t before = redactor->hits;
    int code = 0;
    if (!scratch) return TW_ERR_MEMORY;
    walk.in = (struct tw__json_reader){.text = tag->text.ptr, .len = tag->text.len, .last = true};
    walk.in.scratch = scratch;
    walk.in.scratch_cap = tag->text.len;
    if (!copy_json(&walk)) {
        hide(hiding, tag);
    } else if (redactor->hits != before) {
        const char *copy = out.failed ? NULL : tw__pool_copy(hiding->pool, out.ptr, out.len);
        if (!copy) code = TW_ERR_MEMORY;
        tag->text = (struct tw_text){copy, out.len};
        tag->full_len = out.len;
    }
    tw__buf_fini(&out);
    return code;
}

static int hide_tag(struct hiding *hiding, struct tw_tag_value *tag)
{
    struct tw__redactor redactor;
    enum tw__shape shape = TW__SHAPE_SCALAR;
    bool hidden = false;
    if (tag->type == TW_TYPE_JSON && tag->text.len)
        shape = tag->text.ptr[0] == '{' ? TW__SHAPE_MAP : tag->text.ptr[0] == '[' ? TW__SHAPE_LIST : TW__SHAPE_SCALAR;
    bool dots = memchr(tag->key.ptr, '.', tag->key.len) != NULL;
    for (int whole = 1; whole >= !dots && !hidden; whole--) {
        lead(&redactor, hiding, tag->key, whole, shape, &hidden);
        int code = hidden || shape == TW__SHAPE_SCALAR ? 0 : hide_inside(hiding, &redactor, tag);
        if (code < 0) return code;
    }
    if (hidden) hide(hiding, tag);
    return 0;
}

/* Tags lie in the batch's pool, which is the door's to change before it is stored. */
static int hide_tags(struct hiding *hiding, const struct tw_tag_value *tags, size_t count)
{
    struct tw_tag_value *own = (struct tw_tag_value *)(uintptr_t)tags;
    int code = 0;
    for (size_t i = 0; i < count && code == 0; i++) code = hide_tag(hiding, &own[i]);
    return code;
}

static int hide_text(struct hiding *hiding, struct tw_text *text)
{
    size_t at, len;
    struct tw__buf out = {0};
    struct tw_text rest = *text;
    if (text->len == 0 || !tw__secrets_find(&hiding->secrets, text->ptr, text->len, &at, &len)) return 0;
    while (rest.len && tw__secrets_find(&hiding->secrets, rest.ptr, rest.len, &at, &len) && len) {
        tw__buf_add(&out, rest.ptr, at);
        tw__buf_cstr(&out, TW__MARKER);
        rest = (struct tw_text){rest.ptr + at + len, rest.len - at - len};
    }
    tw__buf_add(&out, rest.ptr, rest.len);
    *text = (struct tw_text){out.failed ? NULL : tw__pool_copy(hiding->pool, out.ptr, out.len), out.len};
    tw__buf_fini(&out);
    return text->ptr ? 0 : TW_ERR_MEMORY;
}

static bool is_error_text(const struct tw_tag_value *tag)
{
    static const char *const keys[] = {"exception.message", "exception.stacktrace", "error.message"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (tag->type == TW_TYPE_STR && tag->key.len == strlen(keys[i]) &&
            memcmp(tag->key.ptr, keys[i], tag->key.len) == 0)
            return true;
    return false;
}

static int hide_error_texts(struct hiding *hiding, const struct tw_tag_value *tags, size_t count)
{
    struct tw_tag_value *own = (struct tw_tag_value *)(uintptr_t)tags;
    int code = 0;
    for (size_t i = 0; i < count && code == 0; i++)
        if (is_error_text(&own[i])) code = hide_text(hiding, &own[i].text);
    return code;
}

static int hide_span(struct hiding *hiding, struct tw__span *span)
{
    hiding->secrets = (struct tw__secrets){0};
    int code = hide_tags(hiding, span->tags, span->tag_count);
    for (size_t i = 0; i < span->event_count && code == 0; i++)
        code = hide_tags(hiding, span->events[i].tags, span->events[i].tag_count);
    for (size_t i = 0; i < span->link_count && code == 0; i++)
        code = hide_tags(hiding, span->links[i].tags, span->links[i].tag_count);
    if (code < 0 || (hiding->secrets.used == 0 && !hiding->secrets.lost)) return code;
    code = hide_text(hiding, &span->status_message);
    if (code == 0) code = hide_error_texts(hiding, span->tags, span->tag_count);
    for (size_t i = 0; i < span->event_count && code == 0; i++)
        code = hide_error_texts(hiding, span->events[i].tags, span->events[i].tag_count);
    return code;
}

int tw__hiding_compile(const char *lines, struct tw__paths **out, char why[TW_WHY_MAX])
{
    size_t bad;
    int code = tw__paths_compile(&lines, 1, out, &bad);
    if (code < 0) (void)snprintf(why, TW_WHY_MAX, "redact: %.100s: %s", lines, tw_err_text(code));
    return code;
}

void tw__hiding_free(struct tw__paths *paths)
{
    tw__paths_free(paths);
}

int tw__hiding_apply(const struct tw__paths *paths, struct tw__spans *spans)
{
    struct hiding hiding = {.paths = paths, .pool = &spans->pool};
    int code = 0;
    if (!tw__paths_any(paths)) return 0;
    for (size_t i = 0; i < spans->resource_count && code == 0; i++)
        code = hide_tags(&hiding, spans->resources[i].tags, spans->resources[i].tag_count);
    for (size_t i = 0; i < spans->count && code == 0; i++) code = hide_span(&hiding, &spans->items[i]);
    return code;
}
