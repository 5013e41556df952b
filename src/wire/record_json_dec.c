/* record_json_dec: see the header. Members come in any order; what is not known is passed over, so that lines of a
 * newer writer are read as far as they are understood.
 *
 * Invariant: what is returned as a span has a trace id and a span id, and anything has a time.
 */
#include "wire/record_json_dec.h"

#include <string.h>

#include "base/hex.h"
#include "model/text.h"
#include "wire/json_in_dec.h"
#include "wire/record_json.h"

static const struct tw_text nothing = {"", 0};

struct reading {
    struct tw__record_line *out;
    struct tw__tag_list tags;
    struct tw_context *parents;
    size_t parent_count, parent_cap;
    struct tw_text kind, level, message;
    bool has_time, has_trace, has_span;
    bool no_result; /* of a call: null */
};

/* -- numbers and names */

static int small_number(struct tw__json_in *in, uint32_t *out)
{
    uint64_t value = 0;
    int code = tw__json_in_scaled(in, 0, &value, NULL);
    *out = value > UINT32_MAX ? 0 : (uint32_t)value;
    return code;
}

/* Which of the first count numbers has the name that comes next; usual when none has. */
static int enumerated(struct tw__json_in *in, const char *(*name)(unsigned), unsigned count, unsigned usual,
                      unsigned *out)
{
    struct tw_text text = nothing;
    int code = tw__json_in_text(in, &text);
    *out = usual;
    for (unsigned i = 0; i < count; i++)
        if (tw__text_is(text, name(i))) *out = i;
    return code;
}

static const char *status_name(unsigned number)
{
    return tw__status_name((enum tw_status)number);
}

static const char *state_name(unsigned number)
{
    return tw__process_state_name((enum tw_process_state)number);
}

static const char *span_kind_name(unsigned number)
{
    return tw__span_kind_name((enum tw_span_kind)number);
}

static bool find_kind(struct tw_text text, enum tw_record_kind *out)
{
    static const enum tw_record_kind kinds[] = {
        TW_RECORD_SPAN,     TW_RECORD_EVENT, TW_RECORD_LOG,     TW_RECORD_OPEN,   TW_RECORD_SEND,
        TW_RECORD_RECEIVE,  TW_RECORD_MARK,  TW_RECORD_CREATED, TW_RECORD_EXITED, TW_RECORD_REQUEST,
        TW_RECORD_RESPONSE, TW_RECORD_ENTER, TW_RECORD_LEAVE};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (!tw__text_is(text, tw__record_kind_name(kinds[i]))) continue;
        *out = kinds[i];
        return true;
    }
    return false;
}

/* -- tags, parents */

static int bytes_member(struct tw__json_in *in, void *target)
{
    return tw__json_is(&in->json, "hex") ? tw__json_in_text(in, target) : tw__json_in_skip(in);
}

/* {"hex": "..."}, which is how bytes are written. *done: it was that. */
static int bytes_tag(struct tw__json_in *in, struct reading *r, struct tw_text key, bool *done)
{
    struct tw_text hex = {NULL, 0};
    struct tw__json_reader before = in->json;
    int code = tw__json_in_object(in, bytes_member, &hex);
    size_t count = hex.len / 2;
    *done = false;
    if (code < 0) return code;
    uint8_t *bytes = hex.ptr && hex.len % 2 == 0 ? tw__pool_take(in->pool, count ? count : 1, 1) : NULL;
    if (!bytes || !tw__hex_dec(hex.ptr, bytes, count)) {
        in->json = before;
        return hex.ptr && hex.len % 2 == 0 && !bytes ? TW_ERR_MEMORY : 0;
    }
    *done = true;
    return tw__tag_list_add(in->pool, &r->tags,
                            &(struct tw_tag_value){.key = key, .type = TW_TYPE_BYTES, .text = {(char *)bytes, count}});
}

static int tag_member(struct tw__json_in *in, void *target)
{
    struct reading *r = target;
    struct tw_text key;
    bool done = false;
    size_t before = r->tags.count;
    int code = tw__json_in_name(in, &key);
    if (code == 0 && tw__json_in_peek(in) == TW__JSON_OBJECT) code = bytes_tag(in, r, key, &done);
    if (code == 0 && !done) code = tw__json_in_tag(in, &r->tags, key);
    if (code == 0 && r->tags.count > before) r->tags.items[before].full_len = r->tags.items[before].text.len;
    return code;
}

/* A call without a result has null for one, which is no tag otherwise. */
static int call_member(struct tw__json_in *in, void *target)
{
    struct reading *r = target;
    const struct tw_tag_value null = {.key = {"response", 8}, .type = TW_TYPE_STR, .text = {"null", 4}, .full_len = 4};
    if (!tw__json_is(&in->json, "response") || tw__json_in_peek(in) != TW__JSON_NULL) return tag_member(in, target);
    int code = tw__json_in_skip(in);
    r->no_result = true;
    return code < 0 ? code : tw__tag_list_add(in->pool, &r->tags, &null);
}

struct cut {
    struct tw_text key;
    uint64_t len;
};

struct cuts {
    struct cut *items;
    size_t count, cap;
};

static int cut_member(struct tw__json_in *in, void *target)
{
    struct cuts *cuts = target;
    struct cut cut = {0};
    int code = tw__json_in_name(in, &cut.key);
    if (code == 0) code = tw__json_in_scaled(in, 0, &cut.len, NULL);
    if (code < 0 || cuts->count == TW__RECORD_TAGS_MAX) return code;
    if (tw__pool_grow(in->pool, &cuts->items, cuts->count, &cuts->cap, sizeof cut) < 0) return TW_ERR_MEMORY;
    cuts->items[cuts->count++] = cut;
    return 0;
}

/* It comes after the tags: what it names is there. */
static int cut_tags(struct tw__json_in *in, struct reading *r)
{
    struct cuts cuts = {0};
    int code = tw__json_in_object(in, cut_member, &cuts);
    for (size_t i = 0; code == 0 && i < cuts.count; i++) {
        for (size_t k = 0; k < r->tags.count; k++) {
            struct tw_tag_value *tag = &r->tags.items[k];
            if (!tw__text_same(tag->key, cuts.items[i].key)) continue;
            tag->cut = true;
            tag->full_len = cuts.items[i].len;
        }
    }
    return code;
}

static int parent_member(struct tw__json_in *in, void *target)
{
    struct tw_context *parent = target;
    bool found;
    if (tw__json_is(&in->json, "trace_id")) return tw__json_in_hex(in, parent->trace_id, 16, &found);
    if (tw__json_is(&in->json, "span_id")) return tw__json_in_hex(in, parent->span_id, 8, &found);
    return tw__json_in_skip(in);
}

static int parent(struct tw__json_in *in, void *target)
{
    struct reading *r = target;
    struct tw_context parent = {0};
    int code = tw__json_in_object(in, parent_member, &parent);
    if (code < 0 || r->parent_count == TW__RECORD_PARENTS_MAX || tw__all_zero(parent.span_id, 8)) return code;
    if (tw__pool_grow(in->pool, &r->parents, r->parent_count, &r->parent_cap, sizeof parent) < 0) return TW_ERR_MEMORY;
    r->parents[r->parent_count++] = parent;
    return 0;
}

/* -- members */

static int flag(struct tw__json_in *in, uint8_t *flags, unsigned bit)
{
    bool set = false;
    int code = tw__json_in_bool(in, &set);
    if (set) *flags |= (uint8_t)bit;
    return code;
}

static int id_member(struct tw__json_in *in, struct reading *r, bool *taken)
{
    struct tw_record *record = &r->out->record;
    bool found;
    *taken = true;
    if (tw__json_is(&in->json, "trace_id")) return tw__json_in_hex(in, record->trace_id, 16, &r->has_trace);
    if (tw__json_is(&in->json, "span_id")) return tw__json_in_hex(in, record->span_id, 8, &r->has_span);
    if (tw__json_is(&in->json, "parent_id")) return tw__json_in_hex(in, record->parent_id, 8, &found);
    if (tw__json_is(&in->json, "begin_ns") || tw__json_is(&in->json, "time_ns"))
        return tw__json_in_scaled(in, 0, &record->time_ns, &r->has_time);
    if (tw__json_is(&in->json, "end_ns")) return tw__json_in_scaled(in, 0, &record->end_ns, NULL);
    if (tw__json_is(&in->json, "order")) return tw__json_in_scaled(in, 0, &record->order, NULL);
    *taken = false;
    return 0;
}

static int text_member(struct tw__json_in *in, struct reading *r, bool *taken)
{
    struct tw_record *record = &r->out->record;
    struct tw_process *process = &r->out->process;
    const struct {
        const char *name;
        struct tw_text *to;
    } texts[] = {
        {"kind", &r->kind},          {"name", &record->name},         {"status_message", &record->status_message},
        {"module", &record->module}, {"function", &record->function}, {"thread", &record->thread},
        {"level", &r->level},        {"message", &r->message},        {"service", &process->service},
        {"host", &process->host},    {"command", &process->command}};
    *taken = true;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (tw__json_is(&in->json, texts[i].name)) return tw__json_in_text(in, texts[i].to);
    *taken = false;
    return 0;
}

static int enum_member(struct tw__json_in *in, struct reading *r, bool *taken)
{
    unsigned number = 0;
    int code = 0;
    *taken = true;
    if (tw__json_is(&in->json, "status")) {
        code = enumerated(in, status_name, 3, TW_STATUS_UNSET, &number);
        r->out->record.status = (enum tw_status)number;
    } else if (tw__json_is(&in->json, "span_kind")) {
        code = enumerated(in, span_kind_name, 5, TW_KIND_INTERNAL, &number);
        r->out->record.span_kind = (enum tw_span_kind)number;
    } else if (tw__json_is(&in->json, "process") || tw__json_is(&in->json, "state")) {
        code = enumerated(in, state_name, 4, TW_PROCESS_FOREIGN, &number);
        r->out->process.state = (enum tw_process_state)number;
    } else {
        *taken = false;
    }
    return code;
}

static int member(struct tw__json_in *in, void *target)
{
    struct reading *r = target;
    struct tw_record *record = &r->out->record;
    bool taken;
    int code = id_member(in, r, &taken);
    if (!taken) code = text_member(in, r, &taken);
    if (!taken) code = enum_member(in, r, &taken);
    if (taken) return code;
    if (tw__json_is(&in->json, "tags")) return tw__json_in_object(in, tag_member, r);
    if (tw__json_is(&in->json, "call")) return tw__json_in_object(in, call_member, r);
    if (tw__json_is(&in->json, "cut")) return cut_tags(in, r);
    if (tw__json_is(&in->json, "further_parents")) return tw__json_in_list(in, parent, r);
    if (tw__json_is(&in->json, "line")) return small_number(in, &record->line);
    if (tw__json_is(&in->json, "tid")) return small_number(in, &record->tid);
    if (tw__json_is(&in->json, "pid")) return small_number(in, &r->out->process.pid);
    if (tw__json_is(&in->json, "sampled")) return flag(in, &record->flags, TW_FLAG_SAMPLED);
    if (tw__json_is(&in->json, "was_cut")) return flag(in, &record->marks, TW_RECORD_CUT);
    if (tw__json_is(&in->json, "backwards")) return flag(in, &record->marks, TW_RECORD_BACKWARDS);
    if (tw__json_is(&in->json, "own_time")) return flag(in, &record->marks, TW_RECORD_OWN_TIME);
    return tw__json_in_skip(in);
}

/* -- the whole */

static int add_log(struct tw__pool *pool, struct reading *r)
{
    struct tw__tag_list tags = {.limit = TW__RECORD_TAGS_MAX};
    int code = tw__tag_list_text(pool, &tags, "level", r->level);
    if (code == 0) code = tw__tag_list_text(pool, &tags, "message", r->message);
    for (size_t i = 0; code == 0 && i < tags.count; i++) tags.items[i].full_len = tags.items[i].text.len;
    for (size_t i = 0; code == 0 && i < r->tags.count; i++) code = tw__tag_list_add(pool, &tags, &r->tags.items[i]);
    r->tags = tags;
    return code;
}

/* A result is the JSON text of a value, so that a text has its quotes, unless only its beginning was kept. */
static int restore_result(struct tw__pool *pool, struct reading *r)
{
    struct tw_tag_value *result = NULL;
    struct tw__buf quoted = {0};
    for (size_t i = 0; i < r->tags.count; i++) {
        struct tw_tag_value *tag = &r->tags.items[i];
        if (tw__text_is(tag->key, "response")) result = tag;
        if (tw__text_is(tag->key, "response_truncated") && tag->type == TW_TYPE_BOOL && tag->value.u) return 0;
    }
    if (!result || result->type != TW_TYPE_STR || result->cut || r->no_result) return 0;
    tw__json_text(&(struct tw__json){.out = &quoted}, NULL, result->text);
    result->text = (struct tw_text){quoted.failed ? NULL : tw__pool_copy(pool, quoted.ptr, quoted.len), quoted.len};
    result->full_len = quoted.len;
    tw__buf_fini(&quoted);
    return result->text.ptr ? 0 : TW_ERR_MEMORY;
}

static int finish(struct tw__pool *pool, struct reading *r, const char **why)
{
    struct tw_record *record = &r->out->record;
    r->out->is_process = tw__text_is(r->kind, "process");
    if (r->out->is_process) return 0;
    *why = "a record needs a kind that is known";
    if (!find_kind(r->kind, &record->kind)) return TW_ERR_SYNTAX;
    *why = "a record needs begin_ns or time_ns";
    if (!r->has_time) return TW_ERR_SYNTAX;
    bool is_span = record->kind == TW_RECORD_SPAN || record->kind == TW_RECORD_OPEN;
    *why = "a span needs trace_id and span_id";
    if (is_span &&
        (!r->has_trace || !r->has_span || tw__all_zero(record->trace_id, 16) || tw__all_zero(record->span_id, 8)))
        return TW_ERR_SYNTAX;
    if (record->kind == TW_RECORD_OPEN) record->end_ns = 0;
    if (!is_span) record->end_ns = record->time_ns;
    *why = "out of memory";
    if (record->kind == TW_RECORD_LOG && add_log(pool, r) < 0) return TW_ERR_MEMORY;
    if (record->kind == TW_RECORD_RESPONSE && restore_result(pool, r) < 0) return TW_ERR_MEMORY;
    record->pid = r->out->process.pid;
    record->tags = r->tags.items;
    record->tag_count = r->tags.count;
    record->parents = r->parents;
    record->parent_count = r->parent_count;
    *why = NULL;
    return 0;
}

int tw__record_json_dec(struct tw__pool *pool, const void *bytes, size_t len, struct tw__record_line *out)
{
    struct tw__json_in in;
    struct reading r = {
        .out = out, .tags.limit = TW__RECORD_TAGS_MAX, .kind = nothing, .level = nothing, .message = nothing};
    const char *why = NULL;
    *out = (struct tw__record_line){0};
    out->record.name = out->record.status_message = out->record.module = out->record.function = out->record.thread =
        out->process.service = out->process.host = out->process.command = out->process.path = nothing;
    out->process.sampler = out->process.notice = nothing;
    int code = tw__json_in_begin(&in, pool, bytes, len);
    if (code == 0 && tw__json_in_peek(&in) != TW__JSON_OBJECT) code = TW_ERR_SYNTAX;
    if (code == 0) code = tw__json_in_object(&in, member, &r);
    if (code == 0) code = tw__json_in_end(&in);
    if (code == 0)
        code = finish(pool, &r, &why);
    else
        why = in.json.why ? in.json.why : code == TW_ERR_MEMORY ? "out of memory" : "not a JSON object";
    if (code < 0) *out = (struct tw__record_line){.why = why, .error_at = in.json.why ? in.json.error_at : 0};
    tw__json_in_fini(&in);
    return code;
}
