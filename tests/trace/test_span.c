#include "trace/recording.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "ring/layout.h"

static void a_span_has_its_name_place_thread_and_times(void **state)
{
    (void)state;
    uint64_t before = wall_now();
    tw_span span = tw_span_begin("GET /cart");
    uint32_t line = __LINE__ - 1;
    tw_span_end(span);
    uint64_t after = wall_now();

    const struct tw_record *r = the("GET /cart");
    assert_int_equal(r->kind, TW_RECORD_SPAN);
    assert_text_is(r->module, "test_span");
    assert_text_is(r->function, __func__);
    assert_int_equal(r->line, line);
    assert_int_equal(r->pid, process_now().pid);
    assert_true(r->tid != 0 && r->thread.len != 0);
    assert_true(r->time_ns <= r->end_ns);
    assert_in_range(r->time_ns, before - 100000, after + 100000); /* two clocks, read one after the other */
    assert_in_range(r->end_ns, before - 100000, after + 100000);
    assert_int_equal(r->marks, 0);
    assert_int_equal(r->flags, TW_FLAG_SAMPLED);
    assert_int_equal(r->tag_count, 0);
    assert_int_equal(r->parent_count, 0);
    assert_root(r);
    assert_no_losses();
}

static void a_span_begun_inside_another_is_its_child(void **state)
{
    (void)state;
    tw_span a = tw_span_begin("a"), b = tw_span_begin("b"), c = tw_span_begin("c");
    tw_span_end(c);
    tw_span d = tw_span_begin("d");
    tw_span_end(d);
    tw_span_end(b);
    tw_span_end(a);
    assert_root(the("a"));
    assert_child_of(the("b"), the("a"));
    assert_child_of(the("c"), the("b"));
    assert_child_of(the("d"), the("b"));
    assert_no_losses();
}

static void a_root_begins_a_trace_of_its_own_inside_another(void **state)
{
    (void)state;
    tw_span a = tw_span_begin("a"), root = tw_span_begin_root("root"), child = tw_span_begin("child");
    tw_span_end(child);
    tw_span_end(root);
    tw_span next = tw_span_begin("next");
    tw_span_end(next);
    tw_span_end(a);
    assert_root(the("root"));
    assert_memory_not_equal(the("root")->trace_id, the("a")->trace_id, 16);
    assert_child_of(the("child"), the("root"));
    assert_child_of(the("next"), the("a"));
}

static void a_span_begun_under_a_context_is_its_child(void **state)
{
    (void)state;
    const struct tw_context ctx = {.trace_id = {1, 2, 3, [15] = 4}, .span_id = {5, [7] = 6}, .flags = TW_FLAG_RANDOM};
    tw_span under = tw_span_begin_under("under", &ctx), child = tw_span_begin("child");
    tw_span_end(child);
    tw_span_end(under);
    const struct tw_record *r = the("under");
    assert_memory_equal(r->trace_id, ctx.trace_id, 16);
    assert_memory_equal(r->parent_id, ctx.span_id, 8);
    assert_int_equal(r->flags, TW_FLAG_RANDOM);
    assert_int_equal(the("child")->flags, TW_FLAG_RANDOM);
}

static void under_nothing_or_an_invalid_context_a_root_begins(void **state)
{
    (void)state;
    const struct tw_context no_span = {.trace_id = {1}}, no_trace = {.span_id = {1}};
    tw_span outer = tw_span_begin("outer");
    tw_span_end(tw_span_begin_under("null", NULL));
    tw_span_end(tw_span_begin_under("no span", &no_span));
    tw_span_end(tw_span_begin_under("no trace", &no_trace));
    tw_span_end(tw_span_begin_joined("nobody", NULL, 0));
    tw_span_end(outer);
    const char *names[] = {"null", "no span", "no trace", "nobody"};
    for (size_t i = 0; i < 4; i++) {
        assert_root(the(names[i]));
        assert_memory_not_equal(the(names[i])->trace_id, the("outer")->trace_id, 16);
    }
    assert_no_losses();
}

static struct tw_context numbered(uint32_t n)
{
    struct tw_context ctx = {.trace_id = {0xaa}, .span_id = {0xbb}, .flags = (uint8_t)((n + 1) % 3)};
    memcpy(ctx.trace_id + 12, &n, 4);
    memcpy(ctx.span_id + 4, &n, 4);
    return ctx;
}

static void assert_parents(const struct tw_record *r, size_t count)
{
    struct tw_context first = numbered(0);
    assert_memory_equal(r->trace_id, first.trace_id, 16);
    assert_memory_equal(r->parent_id, first.span_id, 8);
    assert_int_equal(r->parent_count, count - 1);
    for (size_t i = 1; i < count; i++) {
        struct tw_context expected = numbered((uint32_t)i);
        assert_memory_equal(&r->parents[i - 1], &expected, sizeof expected);
    }
}

static void a_span_has_any_number_of_parents_in_the_order_given(void **state)
{
    (void)state;
    static const size_t counts[] = {1, 2, 10, 11, 12, 13, 100, 1000};
    static struct tw_context parents[1000];
    for (uint32_t i = 0; i < 1000; i++) parents[i] = numbered(i);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "of %zu", counts[i]);
        tw_span span = tw_span_begin_joined("batch", parents, counts[i]);
        tw_span_rename(span, name);
        assert_parents(the(name), counts[i]); /* while it is open */
        tw_span_end(span);
        assert_parents(the(name), counts[i]);
    }
    assert_no_losses();
}

static void of_several_parents_the_invalid_ones_are_skipped(void **state)
{
    (void)state;
    struct tw_context parents[] = {{.flags = 0}, numbered(0), {.trace_id = {1}}, numbered(1), {.span_id = {1}}};
    tw_span_end(tw_span_begin_joined("batch", parents, 5));
    assert_parents(the("batch"), 2);
}

static void a_parent_may_come_later(void **state)
{
    (void)state;
    struct tw_context parents[3] = {numbered(0), numbered(1), numbered(2)};
    tw_span span = tw_span_begin_under("batch", &parents[0]);
    tw_span_add_parent(span, &parents[1]);
    tw_span_add_parent(span, NULL);
    tw_span_add_parent(span, &parents[2]);
    tw_span_end(span);
    assert_parents(the("batch"), 3);
}

static void begin_with_takes_every_option(void **state)
{
    (void)state;
    static const uint8_t trace[16] = {0x5f, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    uint64_t start = wall_now() - 10 * SECOND;
    const struct tw_span_options options = {.root = true,
                                            .kind = TW_KIND_CONSUMER,
                                            .start_ns = start,
                                            .name = "known at run time",
                                            .trace_id = trace,
                                            .detached = true};
    tw_span outer = tw_span_begin("outer");
    tw_span span = tw_span_begin_with("site", &options);
    tw_span sibling = tw_span_begin("sibling");
    tw_span_end(sibling);
    tw_span_end(span);
    tw_span_end(outer);
    const struct tw_record *r = the("known at run time");
    assert_root(r);
    assert_memory_equal(r->trace_id, trace, 16);
    assert_int_equal(r->span_kind, TW_KIND_CONSUMER);
    assert_in_range(r->time_ns, start - 100000, start + 100000);
    assert_int_equal(r->marks, TW_RECORD_OWN_TIME);
    assert_child_of(the("sibling"), the("outer"));
    assert_no_losses();
}

static void begin_with_null_is_begin(void **state)
{
    (void)state;
    tw_span outer = tw_span_begin("outer");
    tw_span_end(tw_span_begin_with("inner", NULL));
    tw_span_end(outer);
    assert_child_of(the("inner"), the("outer"));
}

static void a_name_may_be_known_at_run_time_only(void **state)
{
    (void)state;
    char name[32] = "GET /cart/17";
    tw_span span = tw_span_begin_named(name);
    memset(name, 'x', sizeof name - 1); /* it was copied */
    tw_span_end(span);
    assert_text_is(the("GET /cart/17")->function, __func__);
}

static void begun_with_a_null_name_a_span_is_called_a_question_mark(void **state)
{
    (void)state;
    tw_span_end(tw_span_begin_named(NULL));
    (void)the("?");
}

static void a_span_can_be_renamed_and_the_last_name_stays(void **state)
{
    (void)state;
    tw_span span = tw_span_begin("first");
    tw_span_rename(span, "second");
    assert_int_equal(the("second")->kind, TW_RECORD_OPEN);
    tw_span_rename(span, "third");
    tw_span_end(span);
    assert_int_equal(the("third")->kind, TW_RECORD_SPAN);
}

static void every_kind_and_status_is_kept_and_the_last_status_wins(void **state)
{
    (void)state;
    for (int kind = TW_KIND_INTERNAL; kind <= TW_KIND_CONSUMER; kind++)
        for (int status = TW_STATUS_UNSET; status <= TW_STATUS_ERROR; status++) {
            char name[16];
            (void)snprintf(name, sizeof name, "%d/%d", kind, status);
            tw_span span = tw_span_begin_named(name);
            tw_span_set_kind(span, TW_KIND_CONSUMER);
            tw_span_set_kind(span, (enum tw_span_kind)kind);
            tw_span_fail(span, "not yet");
            tw_span_set_status(span, (enum tw_status)status, status == TW_STATUS_OK ? NULL : "why");
            tw_span_end(span);
            const struct tw_record *r = the(name);
            assert_int_equal(r->span_kind, kind);
            assert_int_equal(r->status, status);
            assert_text_is(r->status_message, status == TW_STATUS_OK ? "not yet" : "why");
        }
    assert_no_losses();
}

static void fail_says_why_also_without_words(void **state)
{
    (void)state;
    tw_span span = tw_span_begin("a");
    tw_span_fail(span, "cart not found");
    tw_span_end(span);
    span = tw_span_begin("b");
    tw_span_fail(span, NULL);
    tw_span_end(span);
    assert_int_equal(the("a")->status, TW_STATUS_ERROR);
    assert_text_is(the("a")->status_message, "cart not found");
    assert_int_equal(the("b")->status, TW_STATUS_ERROR);
    assert_text_is(the("b")->status_message, "");
}

static void tag_takes_every_type(void **state)
{
    (void)state;
    char text[] = "text";
    const char *constant = "constant";
    const bool yes = true;
    tw_span span = tw_span_begin("tags");
    for (int i = 0; i < 2; i++) { /* new keys, then known ones */
        if (i) span = tw_span_begin("tags again");
        tw_tag(span, "bool", yes);
        tw_tag(span, "char", 'c');
        tw_tag(span, "schar", (signed char)-1);
        tw_tag(span, "uchar", (unsigned char)255);
        tw_tag(span, "short", (short)-2);
        tw_tag(span, "ushort", (unsigned short)65535);
        tw_tag(span, "int", -3);
        tw_tag(span, "uint", 4000000000u);
        tw_tag(span, "long", INT64_MIN);
        tw_tag(span, "ulong", UINT64_MAX);
        tw_tag(span, "float", 0.5f);
        tw_tag(span, "double", -DBL_MAX);
        tw_tag(span, "chars", text);
        tw_tag(span, "const chars", constant);
        tw_tag(span, "literal", "literal value");
        tw_tag_strn(span, "part", "partial", 4);
        tw_tag_bytes(span, "bytes", "a\0b", 3);
        tw_span_end(span);
        const struct tw_record *r = the(i ? "tags again" : "tags");
        assert_int_equal(r->tag_count, 17);
        assert_int_equal(tag(r, "bool")->type, TW_TYPE_BOOL);
        assert_int_equal(tag(r, "bool")->value.u, 1);
        assert_int_equal(tag(r, "char")->value.i, 'c');
        assert_int_equal(tag(r, "schar")->value.i, -1);
        assert_int_equal(tag(r, "uchar")->type, TW_TYPE_UINT);
        assert_int_equal(tag(r, "uchar")->value.u, 255);
        assert_int_equal(tag(r, "short")->value.i, -2);
        assert_int_equal(tag(r, "ushort")->value.u, 65535);
        assert_int_equal(tag(r, "int")->type, TW_TYPE_INT);
        assert_int_equal(tag(r, "int")->value.i, -3);
        assert_int_equal(tag(r, "uint")->value.u, 4000000000u);
        assert_true(tag(r, "long")->value.i == INT64_MIN);
        assert_true(tag(r, "ulong")->value.u == UINT64_MAX);
        assert_int_equal(tag(r, "float")->type, TW_TYPE_DOUBLE);
        assert_true(tag(r, "float")->value.d == 0.5);
        assert_true(tag(r, "double")->value.d == -DBL_MAX);
        assert_tag_str(r, "chars", "text");
        assert_tag_str(r, "const chars", "constant");
        assert_tag_str(r, "literal", "literal value");
        assert_tag_str(r, "part", "part");
        assert_int_equal(tag(r, "bytes")->type, TW_TYPE_BYTES);
        assert_int_equal(tag(r, "bytes")->text.len, 3);
        assert_memory_equal(tag(r, "bytes")->text.ptr, "a\0b", 3);
    }
    assert_no_losses();
}

static uint64_t tag_bytes(tw_span span)
{
    return span.slot ? span.slot->tags_len : 0;
}

/* A short tag is one word, a long one two; both come back as what they were, with new keys and known ones. */
static void numbers_take_a_word_where_their_type_or_value_fits(void **state)
{
    (void)state;
    const bool no = false;
    for (int i = 0; i < 2; i++) {
        tw_span span = i ? tw_span_begin("short again") : tw_span_begin("short");
        tw_tag(span, "int", INT32_MIN);
        tw_tag(span, "uint", UINT32_MAX);
        tw_tag(span, "bool", no);
        tw_span_set_int(span, "max", INT32_MAX);
        tw_span_set_int(span, "min", INT32_MIN);
        tw_span_set_uint(span, "umax", UINT32_MAX);
        tw_tag(span, "long", -1L);
        tw_tag(span, "ulong", 1UL);
        assert_int_equal(tag_bytes(span), 8 * 8);
        tw_span_set_int(span, "above", (int64_t)INT32_MAX + 1);
        tw_span_set_int(span, "below", (int64_t)INT32_MIN - 1);
        tw_span_set_uint(span, "uabove", (uint64_t)UINT32_MAX + 1);
        assert_int_equal(tag_bytes(span), 8 * 8 + 3 * 16);
        tw_span_end(span);
        const struct tw_record *r = the(i ? "short again" : "short");
        assert_int_equal(r->tag_count, 11);
        assert_int_equal(tag(r, "int")->type, TW_TYPE_INT);
        assert_true(tag(r, "int")->value.i == INT32_MIN);
        assert_int_equal(tag(r, "uint")->type, TW_TYPE_UINT);
        assert_true(tag(r, "uint")->value.u == UINT32_MAX);
        assert_int_equal(tag(r, "bool")->type, TW_TYPE_BOOL);
        assert_int_equal(tag(r, "bool")->value.u, 0);
        assert_true(tag(r, "max")->value.i == INT32_MAX && tag(r, "min")->value.i == INT32_MIN);
        assert_int_equal(tag(r, "umax")->type, TW_TYPE_UINT);
        assert_true(tag(r, "umax")->value.u == UINT32_MAX);
        assert_int_equal(tag(r, "long")->type, TW_TYPE_INT);
        assert_true(tag(r, "long")->value.i == -1);
        assert_int_equal(tag(r, "ulong")->type, TW_TYPE_UINT);
        assert_true(tag(r, "ulong")->value.u == 1);
        assert_true(tag(r, "above")->value.i == (int64_t)INT32_MAX + 1);
        assert_true(tag(r, "below")->value.i == (int64_t)INT32_MIN - 1);
        assert_true(tag(r, "uabove")->value.u == (uint64_t)UINT32_MAX + 1);
    }
    assert_no_losses();
}

/* One key of one place: what fits takes a word, what does not two, whichever was first. */
static void a_long_is_short_or_long_by_its_value(void **state)
{
    (void)state;
    static const int64_t values[] = {0, INT64_MAX, INT32_MAX, (int64_t)INT32_MAX + 1, INT32_MIN, (int64_t)INT32_MIN - 1,
                                     INT64_MIN, -1};
    enum { COUNT = sizeof values / sizeof *values };
    for (int first = 0; first < COUNT; first++) {
        tw_span span = tw_span_begin("longs");
        for (int i = 0; i < COUNT; i++) {
            tw_tag(span, "i", values[(first + i) % COUNT]);
            tw_tag(span, "u", (uint64_t)values[(first + i) % COUNT]);
        }
        assert_int_equal(tag_bytes(span), 2 * COUNT * 8 + 4 * 8 + 5 * 8);
        tw_span_end(span);
        const struct tw_record *r = &read_all()->items[first];
        assert_int_equal(r->tag_count, 2 * COUNT);
        for (size_t i = 0; i < COUNT; i++) {
            int64_t value = values[((size_t)first + i) % COUNT];
            assert_int_equal(r->tags[2 * i].type, TW_TYPE_INT);
            assert_true(r->tags[2 * i].value.i == value);
            assert_int_equal(r->tags[2 * i + 1].type, TW_TYPE_UINT);
            assert_true(r->tags[2 * i + 1].value.u == (uint64_t)value);
        }
    }
    assert_no_losses();
}

static void keys_known_at_run_time_take_every_type(void **state)
{
    (void)state;
    tw_span span = tw_span_begin("tags");
    char key[8] = "k";
    tw_span_set_int(span, key, -1);
    key[0] = 'u'; /* it was copied */
    tw_span_set_uint(span, key, UINT64_MAX);
    tw_span_set_double(span, "d", HUGE_VAL);
    tw_span_set_bool(span, "yes", true);
    tw_span_set_bool(span, "no", false);
    tw_span_set_str(span, "s", "text");
    tw_span_set_strn(span, "n", "text", 2);
    tw_span_set_bytes(span, "b", "\0", 1);
    tw_span_end(span);
    const struct tw_record *r = the("tags");
    assert_int_equal(r->tag_count, 8);
    assert_int_equal(tag(r, "k")->value.i, -1);
    assert_true(tag(r, "u")->value.u == UINT64_MAX);
    assert_true(isinf(tag(r, "d")->value.d));
    assert_int_equal(tag(r, "yes")->value.u, 1);
    assert_int_equal(tag(r, "no")->value.u, 0);
    assert_tag_str(r, "s", "text");
    assert_tag_str(r, "n", "te");
    assert_int_equal(tag(r, "b")->text.len, 1);
}

static void null_texts_and_keys_are_empty(void **state)
{
    (void)state;
    const char *nothing = NULL;
    const void *no_bytes = NULL;
    tw_span span = tw_span_begin("nulls");
    tw_tag(span, "text", nothing);
    tw_tag_strn(span, "strn", nothing, 5);
    tw_tag_bytes(span, "bytes", no_bytes, 5);
    tw_span_set_str(span, "set", NULL);
    tw_span_set_str(span, NULL, "of no key");
    tw_span_set_int(span, NULL, 5);
    tw_span_end(span);
    const struct tw_record *r = the("nulls");
    assert_tag_str(r, "text", "");
    assert_tag_str(r, "strn", "");
    assert_int_equal(tag(r, "bytes")->text.len, 0);
    assert_tag_str(r, "set", "");
    assert_int_equal(tag(r, "?")->value.i, 5);
    assert_no_losses();
}

static const size_t lengths[] = {0,   1,   2,   3,   4,   5,   7,   8,   9,    15,   16,   17,  31,
                                 32,  63,  64,  254, 255, 256, 257, 370, 371,  372,  373,  380, 384,
                                 385, 500, 999, 3999, 4000, 4001, 5000, 100000};

/* One text tag of each length in each way; alternately alone and after others that leave an odd rest in the slot. */
static void texts_of_every_length_are_kept_or_cut_at_4000(void **state)
{
    (void)state;
    static char text[100001];
    uint64_t cut = 0;
    for (size_t i = 0; i < sizeof text - 1; i++) text[i] = (char)('a' + i % 26);
    for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++)
        for (int before = 0; before < 3; before++) {
            size_t len = lengths[l], stored = len < TW_TEXT_MAX ? len : TW_TEXT_MAX;
            char name[32], saved = text[len];
            (void)snprintf(name, sizeof name, "%zu %d", len, before);
            tw_span span = tw_span_begin_named(name);
            for (int i = 0; i < before * 11; i++) tw_span_set_int(span, "filler", i);
            text[len] = 0;
            tw_tag(span, "text", text);
            text[len] = saved;
            tw_tag_strn(span, "strn", text, len);
            tw_tag_bytes(span, "bytes", text, len);
            tw_tag(span, "after", 1);
            for (int open = 1; open >= 0; open--) {
                if (!open) tw_span_end(span);
                const struct tw_record *r = the(name);
                static const char *const keys[] = {"text", "strn", "bytes"};
                for (int k = 0; k < 3; k++) {
                    const struct tw_tag_value *t = tag(r, keys[k]);
                    assert_int_equal(t->type, k == 2 ? TW_TYPE_BYTES : TW_TYPE_STR);
                    assert_int_equal(t->text.len, stored);
                    assert_memory_equal(t->text.ptr, text, stored);
                    assert_int_equal(t->full_len, len);
                    assert_int_equal(t->cut, len > stored);
                }
                assert_int_equal(tag(r, "after")->value.i, 1);
                assert_int_equal(r->tag_count, 4 + (size_t)before * 11);
                assert_int_equal(r->marks & TW_RECORD_CUT, len > stored ? TW_RECORD_CUT : 0);
            }
            if (len > stored) cut += 3;
            while (tw_recorder_clear() != 0) fail_msg("not cleared");
        }
    assert_losses((struct tw_losses){.cut_long = cut});
}

/* Two, three and four bytes a character, ending before, at and behind the cut. */
static void a_text_is_never_cut_inside_a_character(void **state)
{
    (void)state;
    static const char *const characters[] = {"\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x90\xa7"};
    static char text[5000];
    for (int c = 0; c < 3; c++)
        for (size_t shift = 0; shift < 4; shift++) {
            size_t size = strlen(characters[c]), len = shift;
            memset(text, 'x', shift);
            for (; len + size < sizeof text; len += size) memcpy(text + len, characters[c], size);
            text[len] = 0;
            tw_span span = tw_span_begin("cut");
            tw_tag(span, "text", text);
            tw_tag_bytes(span, "bytes", text, len);
            tw_span_fail(span, text);
            tw_span_rename(span, text);
            tw_span_set_int(span, text, 1);
            tw_span_end(span);
            const struct tw_records *all = read_all();
            const struct tw_record *r = &all->items[all->count - 1];
            size_t kept_whole = TW_TEXT_MAX - (TW_TEXT_MAX - shift) % size;
            size_t name_whole = TW_NAME_MAX - (TW_NAME_MAX - shift) % size;
            assert_int_equal(tag(r, "text")->text.len, kept_whole);
            assert_int_equal(tag(r, "text")->full_len, len);
            assert_int_equal(tag(r, "bytes")->text.len, TW_TEXT_MAX);
            assert_int_equal(r->status_message.len, kept_whole);
            assert_int_equal(r->name.len, name_whole);
            for (size_t i = 0; i < r->tag_count; i++)
                if (r->tags[i].type == TW_TYPE_INT) assert_int_equal(r->tags[i].key.len, name_whole);
            assert_true(r->marks & TW_RECORD_CUT);
        }
    assert_losses((struct tw_losses){.cut_long = 12 * 5});
}

static void names_of_255_bytes_are_whole_and_longer_ones_cut(void **state)
{
    (void)state;
    char name[TW_NAME_MAX + 2];
    memset(name, 'n', sizeof name);
    name[TW_NAME_MAX] = 0;
    tw_span_end(tw_span_begin_named(name));
    assert_int_equal(the(name)->marks, 0);
    assert_no_losses();
    name[TW_NAME_MAX] = 'n';
    name[TW_NAME_MAX + 1] = 0;
    tw_span_end(tw_span_begin_named(name));
    const struct tw_records *all = read_all();
    assert_int_equal(all->items[1].name.len, TW_NAME_MAX);
    assert_int_equal(all->items[1].marks, TW_RECORD_CUT);
    assert_losses((struct tw_losses){.cut_long = 1});
}

static void any_number_of_tags_is_kept_in_the_order_set(void **state)
{
    (void)state;
    tw_span span = tw_span_begin("many");
    for (int i = 0; i < 1000; i++) {
        char text[12];
        (void)snprintf(text, sizeof text, "%d", i);
        tw_tag(span, "number", i);
        tw_tag(span, "text", text);
        tw_tag(span, "even", (bool)(i % 2 == 0));
    }
    for (int open = 1; open >= 0; open--) {
        if (!open) tw_span_end(span);
        const struct tw_record *r = the("many");
        assert_int_equal(r->tag_count, 3000);
        for (int i = 0; i < 1000; i++) {
            char text[12];
            (void)snprintf(text, sizeof text, "%d", i);
            assert_int_equal(r->tags[3 * i].value.i, i);
            assert_text_is(r->tags[3 * i + 1].text, text);
            assert_int_equal(r->tags[3 * i + 2].value.u, i % 2 == 0);
        }
    }
    assert_no_losses();
}

static void of_a_key_set_twice_the_last_comes_last_however_long(void **state)
{
    (void)state;
    static char longer[1001];
    memset(longer, 'l', 1000);
    tw_span span = tw_span_begin("twice");
    tw_span_set_str(span, "grows", "short");
    tw_span_set_str(span, "grows", longer);
    tw_span_set_str(span, "shrinks", longer);
    tw_span_set_str(span, "shrinks", "short");
    tw_span_fail(span, "short");
    tw_span_fail(span, longer);
    tw_span_end(span);
    const struct tw_record *r = the("twice");
    assert_tag_str(r, "grows", longer);
    assert_tag_str(r, "shrinks", "short");
    assert_text_is(r->status_message, longer);
}

static const char *volatile changing;

static void one_tag_call_with_changing_literals_keeps_each(void **state)
{
    (void)state;
    static const char *const values[] = {"one", "two", "one", "three"};
    for (int i = 0; i < 4; i++) {
        tw_span span = tw_span_begin("step");
        changing = values[i];
        tw_tag(span, "value", changing);
        if (i % 2) tw_tag(span, "parity", "odd");
        else tw_tag(span, "parity", "even");
        tw_span_end(span);
    }
    const struct tw_records *all = read_all();
    for (size_t i = 0; i < 4; i++) {
        assert_tag_str(&all->items[i], "value", values[i]);
        assert_tag_str(&all->items[i], "parity", i % 2 ? "odd" : "even");
    }
}

static void own_times_are_kept_and_marked(void **state)
{
    (void)state;
    uint64_t now = wall_now(), start = now - 3600 * SECOND, end = now + 60 * SECOND;
    tw_span span = tw_span_begin_with("own", &(struct tw_span_options){.start_ns = start});
    tw_span_end_at(span, end);
    tw_span_end_at(tw_span_begin("until later"), end);
    tw_span_end_at(tw_span_begin("until now"), 0);
    const struct tw_record *r = the("own");
    assert_in_range(r->time_ns, start - SECOND / 10, start + SECOND / 10); /* the young clock's rate over an hour */
    assert_in_range(r->end_ns, end - SECOND / 100, end + SECOND / 100);
    assert_int_equal(r->marks, TW_RECORD_OWN_TIME);
    assert_int_equal(the("until later")->marks, TW_RECORD_OWN_TIME);
    assert_in_range(the("until now")->end_ns, now - SECOND, now + SECOND);
    assert_int_equal(the("until now")->marks, 0);
}

static void a_span_from_before_the_boot_keeps_its_times(void **state)
{
    (void)state;
    struct timespec up;
    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &up), 0);
    uint64_t before = ((uint64_t)up.tv_sec + 1000) * SECOND, start = wall_now() - before;
    tw_span span = tw_span_begin_with("old", &(struct tw_span_options){.start_ns = start});
    tw_span_end_at(span, start + SECOND);
    const struct tw_record *r = the("old");
    assert_in_range(r->time_ns, start - before / 1000, start + before / 1000); /* the young clock's rate */
    assert_in_range(r->end_ns - r->time_ns, SECOND - SECOND / 1000, SECOND + SECOND / 1000);
    assert_int_equal(r->marks, TW_RECORD_OWN_TIME);
}

static void an_end_before_the_begin_is_kept_and_flagged(void **state)
{
    (void)state;
    uint64_t now = wall_now();
    tw_span_end_at(tw_span_begin("backwards"), now - SECOND);
    const struct tw_record *r = the("backwards");
    assert_true(r->end_ns < r->time_ns);
    assert_in_range(r->end_ns, now - SECOND - 1000000, now - SECOND + 1000000);
    assert_int_equal(r->marks, TW_RECORD_OWN_TIME | TW_RECORD_BACKWARDS);
}

static void lap_ends_one_and_begins_the_next_at_the_same_time(void **state)
{
    (void)state;
    tw_span outer = tw_span_begin("outer"), phase = {NULL, 0};
    for (int i = 0; i < 2; i++) { /* new sites, then known ones */
        phase = tw_span_begin("one");
        tw_span first = phase;
        phase = tw_span_lap(phase, "two");
        assert_false(tw_span_is_open(first));
        assert_true(tw_span_is_open(phase));
        tw_span child = tw_span_begin("child of two");
        tw_span_end(child);
        phase = tw_span_lap(phase, "three");
        tw_span_end(phase);
        if (i == 0) assert_int_equal(tw_recorder_clear(), 0);
    }
    tw_span_end(outer);
    const struct tw_records *all = read_all();
    assert_int_equal(the_of(all, "one")->end_ns, the_of(all, "two")->time_ns);
    assert_int_equal(the_of(all, "two")->end_ns, the_of(all, "three")->time_ns);
    assert_child_of(the("one"), the("outer"));
    assert_child_of(the("two"), the("outer"));
    assert_child_of(the("three"), the("outer"));
    assert_child_of(the("child of two"), the("two"));
    assert_memory_not_equal(the("one")->span_id, the("two")->span_id, 8);
    assert_no_losses();
}

static void lap_of_a_tagged_span_keeps_its_tags_to_it(void **state)
{
    (void)state;
    tw_span outer = tw_span_begin("outer"), phase = tw_span_begin("one");
    tw_tag(phase, "rows", 7);
    tw_span_set_kind(phase, TW_KIND_CLIENT);
    tw_span_fail(phase, "why");
    phase = tw_span_lap(phase, "two");
    tw_span_end(phase);
    tw_span_end(outer);
    assert_int_equal(tag(the("one"), "rows")->value.i, 7);
    assert_int_equal(the("two")->tag_count, 0);
    assert_int_equal(the("two")->status, TW_STATUS_UNSET);
    assert_int_equal(the("two")->span_kind, TW_KIND_INTERNAL);
    assert_child_of(the("two"), the("outer"));
}

static void laps_of_a_root_stay_in_its_trace(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) { /* new sites, then known ones */
        assert_int_equal(tw_recorder_clear(), 0);
        tw_span phase = tw_span_begin("one");
        phase = tw_span_lap(phase, "two");
        tw_tag(phase, "tagged", true);
        phase = tw_span_lap(phase, "three");
        tw_span_end(phase);
        assert_root(the("one"));
        assert_root(the("two"));
        assert_root(the("three"));
        assert_memory_equal(the("one")->trace_id, the("two")->trace_id, 16);
        assert_memory_equal(the("one")->trace_id, the("three")->trace_id, 16);
        assert_int_equal(the("three")->flags, the("one")->flags);
    }
}

static void lap_of_none_or_an_ended_span_gives_none(void **state)
{
    (void)state;
    tw_span ended = tw_span_begin("ended");
    tw_span_end(ended);
    assert_null(tw_span_lap(ended, "next").slot);
    assert_null(tw_span_lap(TW_SPAN_NONE, "next").slot);
    assert_int_equal(count_of(read_all(), "next"), 0);
    assert_losses((struct tw_losses){.stale = 2});
}

static int leaves_early(bool early)
{
    TW_SCOPE(span, "scope");
    if (early) return 1;
    tw_tag(span, "late", true);
    return 0;
}

static void a_scope_ends_its_span_on_every_way_out(void **state)
{
    (void)state;
    assert_int_equal(leaves_early(true), 1);
    assert_int_equal(leaves_early(false), 0);
    for (int i = 0; i < 3; i++) {
        TW_SCOPE(span, "loop");
        if (i == 1) continue;
        if (i == 2) break;
    }
    const struct tw_records *all = read_all();
    assert_int_equal(count_of(all, "scope"), 2);
    assert_int_equal(count_of(all, "loop"), 3);
    assert_int_equal(count_of_kind(all, TW_RECORD_SPAN), 5);
    assert_null(tw_span_current().slot);
}

static void a_detached_span_is_nobodys_current_one(void **state)
{
    (void)state;
    tw_span outer = tw_span_begin("outer");
    tw_span detached = tw_span_begin_with("detached", &(struct tw_span_options){.detached = true});
    assert_ptr_equal(tw_span_current().slot, outer.slot);
    tw_span_end(outer);
    tw_tag(detached, "still", "open");
    tw_span_end(detached);
    assert_child_of(the("detached"), the("outer"));
    assert_tag_str(the("detached"), "still", "open");
    assert_no_losses();
}

static void an_open_span_is_read_with_all_it_has_so_far(void **state)
{
    (void)state;
    tw_span span = tw_span_begin("open");
    tw_tag(span, "text", "so far");
    tw_span_fail(span, "already");
    const struct tw_record *r = the("open");
    assert_int_equal(r->kind, TW_RECORD_OPEN);
    assert_int_equal(r->end_ns, 0);
    assert_true(r->time_ns != 0);
    assert_tag_str(r, "text", "so far");
    assert_int_equal(r->status, TW_STATUS_ERROR);
    assert_int_equal(process_now().open_spans, 1);
    tw_span_end(span);
    assert_int_equal(the("open")->kind, TW_RECORD_SPAN);
    assert_int_equal(process_now().open_spans, 0);
}

static void a_thousand_spans_deep_is_no_problem(void **state)
{
    (void)state;
    enum { DEEP = 1000 };
    tw_span spans[DEEP];
    for (int i = 0; i < DEEP; i++) spans[i] = tw_span_begin("deep");
    assert_int_equal(process_now().open_spans, DEEP);
    for (int i = DEEP; i-- > 0;) tw_span_end(spans[i]);
    const struct tw_records *all = read_all();
    assert_int_equal(count_of_kind(all, TW_RECORD_SPAN), DEEP);
    for (size_t i = 1; i < DEEP; i++) assert_child_of(&all->items[i], &all->items[i - 1]);
    assert_int_equal(process_now().spans_begun, DEEP);
    assert_no_losses();
}

static void spans_begun_are_counted_exactly(void **state)
{
    (void)state;
    uint64_t expected = 0;
    for (int i = 0; i < 10000; i++) {
        tw_span a = tw_span_begin("a"), b = tw_span_begin("b");
        b = tw_span_lap(b, "c");
        tw_span_end(b);
        tw_span_end(a);
        expected += 3;
    }
    tw_span open = tw_span_begin("open");
    assert_int_equal(process_now().spans_begun, expected + 1);
    tw_span_end(open);
    assert_int_equal(process_now().spans_begun, expected + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RECORDING(a_span_has_its_name_place_thread_and_times),
        RECORDING(a_span_begun_inside_another_is_its_child),
        RECORDING(a_root_begins_a_trace_of_its_own_inside_another),
        RECORDING(a_span_begun_under_a_context_is_its_child),
        RECORDING(under_nothing_or_an_invalid_context_a_root_begins),
        RECORDING(a_span_has_any_number_of_parents_in_the_order_given),
        RECORDING(of_several_parents_the_invalid_ones_are_skipped),
        RECORDING(a_parent_may_come_later),
        RECORDING(begin_with_takes_every_option),
        RECORDING(begin_with_null_is_begin),
        RECORDING(a_name_may_be_known_at_run_time_only),
        RECORDING(begun_with_a_null_name_a_span_is_called_a_question_mark),
        RECORDING(a_span_can_be_renamed_and_the_last_name_stays),
        RECORDING(every_kind_and_status_is_kept_and_the_last_status_wins),
        RECORDING(fail_says_why_also_without_words),
        RECORDING(tag_takes_every_type),
        RECORDING(numbers_take_a_word_where_their_type_or_value_fits),
        RECORDING(a_long_is_short_or_long_by_its_value),
        RECORDING(keys_known_at_run_time_take_every_type),
        RECORDING(null_texts_and_keys_are_empty),
        RECORDING(texts_of_every_length_are_kept_or_cut_at_4000),
        RECORDING(a_text_is_never_cut_inside_a_character),
        RECORDING(names_of_255_bytes_are_whole_and_longer_ones_cut),
        RECORDING(any_number_of_tags_is_kept_in_the_order_set),
        RECORDING(of_a_key_set_twice_the_last_comes_last_however_long),
        RECORDING(one_tag_call_with_changing_literals_keeps_each),
        RECORDING(own_times_are_kept_and_marked),
        RECORDING(a_span_from_before_the_boot_keeps_its_times),
        RECORDING(an_end_before_the_begin_is_kept_and_flagged),
        RECORDING(lap_ends_one_and_begins_the_next_at_the_same_time),
        RECORDING(lap_of_a_tagged_span_keeps_its_tags_to_it),
        RECORDING(laps_of_a_root_stay_in_its_trace),
        RECORDING(lap_of_none_or_an_ended_span_gives_none),
        RECORDING(a_scope_ends_its_span_on_every_way_out),
        RECORDING(a_detached_span_is_nobodys_current_one),
        RECORDING(an_open_span_is_read_with_all_it_has_so_far),
        RECORDING(a_thousand_spans_deep_is_no_problem),
        RECORDING(spans_begun_are_counted_exactly),
    };
    return RUN_WITH_BOTH_CLOCKS("span", tests);
}
