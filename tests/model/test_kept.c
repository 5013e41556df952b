/* Packed records: what was kept is what was given, after what was given is gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "model/kept.h"
#include "model/records.h"

static void same_text(struct tw_text a, struct tw_text b)
{
    assert_int_equal(a.len, b.len);
    if (a.len) assert_memory_equal(a.ptr, b.ptr, a.len);
}

static void same_tags(const struct tw_tag_value *a, const struct tw_tag_value *b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        same_text(a[i].key, b[i].key);
        assert_int_equal(a[i].type, b[i].type);
        assert_int_equal(a[i].cut, b[i].cut);
        assert_int_equal(a[i].value.u, b[i].value.u);
        same_text(a[i].text, b[i].text);
        if (a[i].cut) assert_int_equal(a[i].full_len, b[i].full_len);
    }
}

static void same_record(const struct tw_record *a, const struct tw_record *b)
{
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->time_ns, b->time_ns);
    assert_int_equal(a->end_ns, b->end_ns);
    assert_int_equal(a->order, b->order);
    assert_memory_equal(a->trace_id, b->trace_id, 16);
    assert_memory_equal(a->span_id, b->span_id, 8);
    assert_memory_equal(a->parent_id, b->parent_id, 8);
    assert_int_equal(a->flags, b->flags);
    assert_int_equal(a->marks, b->marks);
    assert_int_equal(a->span_kind, b->span_kind);
    assert_int_equal(a->status, b->status);
    same_text(a->status_message, b->status_message);
    same_text(a->name, b->name);
    same_text(a->module, b->module);
    same_text(a->function, b->function);
    same_text(a->thread, b->thread);
    assert_int_equal(a->line, b->line);
    assert_int_equal(a->pid, b->pid);
    assert_int_equal(a->tid, b->tid);
    assert_int_equal(a->level, b->level);
    assert_int_equal(a->tag_count, b->tag_count);
    assert_int_equal(a->arg_count, b->arg_count);
    assert_int_equal(a->parent_count, b->parent_count);
    same_tags(a->tags, b->tags, a->tag_count);
    same_tags(a->args, b->args, a->arg_count);
    if (a->parent_count) assert_memory_equal(a->parents, b->parents, a->parent_count * sizeof *a->parents);
}

static const struct tw_tag_value all_types[] = {
    {.key = {"i", 1}, .type = TW_TYPE_INT, .value.i = INT64_MIN},
    {.key = {"u", 1}, .type = TW_TYPE_UINT, .value.u = UINT64_MAX},
    {.key = {"d", 1}, .type = TW_TYPE_DOUBLE, .value.d = -0.5},
    {.key = {"b", 1}, .type = TW_TYPE_BOOL, .value.u = 1},
    {.key = {"s", 1}, .type = TW_TYPE_STR, .text = {"text", 4}, .full_len = 4},
    {.key = {"empty", 5}, .type = TW_TYPE_STR, .text = {"", 0}},
    {.key = {"bytes", 5}, .type = TW_TYPE_BYTES, .text = {"\0\1\377", 3}, .full_len = 3},
    {.key = {"json", 4}, .type = TW_TYPE_JSON, .text = {"[1]", 3}, .full_len = 3},
    {.key = {"cut", 3}, .type = TW_TYPE_STR, .text = {"begin", 5}, .cut = true, .full_len = UINT64_MAX - 7},
    {.key = {"", 0}, .type = TW_TYPE_NONE},
};
enum { TYPES = sizeof all_types / sizeof *all_types };

static struct tw_record full_record(const struct tw_context *parents, size_t parent_count)
{
    struct tw_record r = {.kind = TW_RECORD_OPEN,
                          .time_ns = 1,
                          .end_ns = UINT64_MAX,
                          .order = UINT64_MAX - 1,
                          .flags = 0x81,
                          .marks = TW_RECORD_CUT | TW_RECORD_BACKWARDS,
                          .span_kind = TW_KIND_CONSUMER,
                          .status = TW_STATUS_ERROR,
                          .status_message = {"why", 3},
                          .name = {"name", 4},
                          .module = {"module", 6},
                          .function = {"main", 4},
                          .line = UINT32_MAX,
                          .pid = 4711,
                          .tid = 4712,
                          .thread = {"worker", 6},
                          .tags = all_types,
                          .tag_count = TYPES,
                          .level = 7,
                          .args = all_types + 2,
                          .arg_count = 3,
                          .parents = parents,
                          .parent_count = parent_count};
    memset(r.trace_id, 0xa1, sizeof r.trace_id);
    memset(r.span_id, 0xb2, sizeof r.span_id);
    memset(r.parent_id, 0xc3, sizeof r.parent_id);
    return r;
}

static void a_record_comes_back_with_every_member(void **state)
{
    (void)state;
    struct tw_context parents[] = {context_of(1, 2), context_of(3, 4), context_of(5, 6)};
    struct tw__keeper keeper = {0};
    struct tw__kept_view view = {0};
    for (size_t count = 0; count <= 3; count++) {
        struct tw_record record = full_record(parents, count);
        const struct tw__kept *kept = tw__keeper_add(&keeper, &record);
        assert_non_null(kept);
        const struct tw_record *again = tw__kept_open(kept, &view);
        assert_non_null(again);
        same_record(again, &record);
    }
    struct tw_record empty = {.kind = TW_RECORD_SPAN};
    const struct tw_record *again = tw__kept_open(tw__keeper_add(&keeper, &empty), &view);
    same_record(again, &empty);
    tw__kept_view_fini(&view);
    tw__keeper_fini(&keeper);
}

static void nothing_of_what_was_given_is_needed_later(void **state)
{
    (void)state;
    char name[] = "name", text[] = "value", key[] = "key";
    struct tw_tag_value *tag = calloc(1, sizeof *tag);
    struct tw_context *parent = calloc(1, sizeof *parent);
    assert_true(tag && parent);
    *tag = (struct tw_tag_value){.key = text_of(key), .type = TW_TYPE_STR, .text = text_of(text)};
    *parent = context_of(1, 9);
    struct tw_record record = {
        .name = text_of(name), .tags = tag, .tag_count = 1, .parents = parent, .parent_count = 1};
    struct tw__keeper keeper = {0};
    struct tw__kept_view view = {0};
    const struct tw__kept *kept = tw__keeper_add(&keeper, &record);
    memset(name, 'x', 4);
    memset(text, 'x', 5);
    memset(key, 'x', 3);
    free(tag);
    free(parent);
    const struct tw_record *again = tw__kept_open(kept, &view);
    assert_string_equal(again->name.ptr, "name");
    same_text(again->tags[0].key, text_of("key"));
    same_text(again->tags[0].text, text_of("value"));
    assert_int_equal(again->parents[0].span_id[7], 9);
    tw__kept_view_fini(&view);
    tw__keeper_fini(&keeper);
}

/* More different texts than the table begins with, of lengths around those of the words that are hashed. */
static void equal_texts_are_one_and_others_are_not(void **state)
{
    (void)state;
    enum { NAMES = 3000 };
    static const struct tw__kept *first[NAMES];
    struct tw__keeper keeper = {0};
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < NAMES; i++) {
            char name[64];
            int len = snprintf(name, sizeof name, "%.*s%d", i % 20, "aaaaaaaaaaaaaaaaaaaa", i);
            struct tw_record record = {.name = {name, (size_t)len}};
            const struct tw__kept *kept = tw__keeper_add(&keeper, &record);
            assert_non_null(kept);
            same_text(*kept->name, record.name);
            if (pass == 0) first[i] = kept;
            assert_ptr_equal(kept->name, first[i]->name);
            if (i) assert_ptr_not_equal(kept->name, first[i - 1]->name);
        }
    }
    assert_int_equal(keeper.text_count, NAMES);
    tw__keeper_fini(&keeper);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_comes_back_with_every_member),
        cmocka_unit_test(nothing_of_what_was_given_is_needed_later),
        cmocka_unit_test(equal_texts_are_one_and_others_are_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
