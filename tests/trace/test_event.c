#include "trace/recording.h"

#include <stdlib.h>

static void an_event_belongs_to_the_current_span(void **state)
{
    (void)state;
    tw_span span = tw_span_begin("span");
    for (int again = 0; again < 2; again++) tw_event("cache.miss"); /* a new site, then a known one */
    uint32_t line = __LINE__ - 1;
    tw_span_end(span);
    const struct tw_records *all = read_all();
    assert_int_equal(count_of(all, "cache.miss"), 2);
    for (size_t i = 1; i < 3; i++) {
        const struct tw_record *r = &all->items[i];
        assert_int_equal(r->kind, TW_RECORD_EVENT);
        assert_memory_equal(r->trace_id, all->items[0].trace_id, 16);
        assert_memory_equal(r->span_id, all->items[0].span_id, 8);
        assert_int_equal(r->end_ns, r->time_ns);
        assert_in_range(r->time_ns, all->items[0].time_ns, all->items[0].end_ns);
        assert_int_equal(r->line, line);
        assert_text_is(r->function, __func__);
        assert_int_equal(r->marks, 0);
        assert_int_equal(r->tid, all->items[0].tid);
    }
    assert_no_losses();
}

static void an_event_outside_of_any_trace_has_no_ids(void **state)
{
    (void)state;
    static const uint8_t zero[16];
    for (int again = 0; again < 2; again++) tw_event("alone");
    const struct tw_records *all = read_all();
    assert_int_equal(all->count, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_memory_equal(all->items[i].trace_id, zero, 16);
        assert_memory_equal(all->items[i].span_id, zero, 8);
    }
}

static void an_event_takes_tags_of_every_type(void **state)
{
    (void)state;
    char host[] = "db1";
    const char *nothing = NULL;
    const bool yes = true;
    tw_span span = tw_span_begin("span");
    tw_event_tags("retry", TW_ATTR("attempt", 2), TW_ATTR("host", host), TW_ATTR("left", 4000000000u),
                  TW_ATTR("wait", 0.25), TW_ATTR("float", 0.5f), TW_ATTR("last", yes), TW_ATTR("literal", "text"),
                  TW_ATTR("null", nothing), tw_attr_bytes("raw", "a\0b", 3));
    tw_span_end(span);
    const struct tw_record *r = the("retry");
    assert_int_equal(r->tag_count, 9);
    assert_int_equal(tag(r, "attempt")->type, TW_TYPE_INT);
    assert_int_equal(tag(r, "attempt")->value.i, 2);
    assert_tag_str(r, "host", "db1");
    assert_int_equal(tag(r, "left")->type, TW_TYPE_UINT);
    assert_int_equal(tag(r, "left")->value.u, 4000000000u);
    assert_true(tag(r, "wait")->value.d == 0.25);
    assert_true(tag(r, "float")->value.d == 0.5);
    assert_int_equal(tag(r, "last")->type, TW_TYPE_BOOL);
    assert_int_equal(tag(r, "last")->value.u, 1);
    assert_tag_str(r, "literal", "text");
    assert_tag_str(r, "null", "");
    assert_int_equal(tag(r, "raw")->type, TW_TYPE_BYTES);
    assert_memory_equal(tag(r, "raw")->text.ptr, "a\0b", 3);
    assert_memory_equal(r->span_id, the("span")->span_id, 8);
}

static void an_event_may_be_of_a_span_that_is_not_current(void **state)
{
    (void)state;
    tw_span outer = tw_span_begin("outer"), inner = tw_span_begin("inner");
    tw_span_event(outer, "plain");
    tw_span_event_tags(outer, "with tags", TW_ATTR("n", 1));
    tw_span_event(TW_SPAN_NONE, "of none");
    tw_span_end(inner);
    tw_span_end(outer);
    assert_memory_equal(the("plain")->span_id, the("outer")->span_id, 8);
    assert_memory_equal(the("with tags")->span_id, the("outer")->span_id, 8);
    assert_int_equal(tag(the("with tags"), "n")->value.i, 1);
    assert_memory_equal(the("of none")->trace_id, (uint8_t[16]){0}, 16);
    assert_no_losses();
}

static void an_event_may_have_a_time_of_its_own(void **state)
{
    (void)state;
    uint64_t then = wall_now() - 5 * SECOND;
    const struct tw_attr attrs[] = {TW_ATTR("a", 1), TW_ATTR("b", 2)};
    tw_span span = tw_span_begin("span");
    tw_span_event_with(span, "then", attrs, 2, then);
    tw_span_event_with(span, "now", NULL, 0, 0);
    tw_span_end(span);
    assert_in_range(the("then")->time_ns, then - 1000000, then + 1000000);
    assert_int_equal(the("then")->marks, TW_RECORD_OWN_TIME);
    assert_int_equal(tag(the("then"), "b")->value.i, 2);
    assert_int_equal(the("now")->marks, 0);
    assert_text_is(read_all()->items[0].name, "then"); /* it sorts before its span */
}

static void an_event_holds_64_tags_and_what_is_beyond_is_counted(void **state)
{
    (void)state;
    struct tw_attr attrs[70];
    for (int i = 0; i < 70; i++) attrs[i] = tw_attr_int("n", i);
    tw_span_event_with(TW_SPAN_NONE, "64", attrs, 64, 0);
    assert_no_losses();
    tw_span_event_with(TW_SPAN_NONE, "70", attrs, 70, 0);
    const struct tw_record *r = the("70");
    assert_int_equal(r->tag_count, 64);
    for (int i = 0; i < 64; i++) assert_int_equal(r->tags[i].value.i, i);
    assert_losses((struct tw_losses){.cut_long = 6});
}

static void long_texts_of_an_event_are_cut_and_too_many_are_left_out(void **state)
{
    (void)state;
    static char text[TW_TEXT_MAX + 2];
    memset(text, 't', sizeof text - 1);
    tw_event_tags("long", TW_ATTR("a", text), TW_ATTR("b", text), TW_ATTR("c", text), TW_ATTR("d", 4));
    const struct tw_record *r = the("long");
    assert_int_equal(r->tag_count, 2); /* two of 4000 are more than a record holds; what is smaller still fits */
    assert_int_equal(tag(r, "a")->text.len, TW_TEXT_MAX);
    assert_true(tag(r, "a")->cut);
    assert_int_equal(tag(r, "a")->full_len, TW_TEXT_MAX + 1);
    assert_int_equal(tag(r, "d")->value.i, 4);
    assert_int_equal(r->marks, TW_RECORD_CUT);
    assert_losses((struct tw_losses){.cut_long = 3 + 2});
}

static void texts_of_every_length_reach_the_end_of_a_chunk_whole(void **state)
{
    (void)state;
    static char text[TW_TEXT_MAX + 1];
    memset(text, 't', TW_TEXT_MAX);
    for (size_t len = 0; len <= TW_TEXT_MAX; len += 7)
        tw_span_event_with(TW_SPAN_NONE, "event", &(struct tw_attr){"k", TW_TYPE_STR, (uint32_t)len, {.p = text}}, 1,
                           0);
    const struct tw_records *all = read_all();
    struct tw_process process = process_now();
    assert_true(process.overwritten_bytes > 0); /* 1.2 MB went through an arena of 1 MiB */
    size_t first = TW_TEXT_MAX / 7 + 1 - all->count;
    for (size_t i = 0; i < all->count; i++) {
        const struct tw_tag_value *t = tag(&all->items[i], "k");
        assert_int_equal(t->text.len, (first + i) * 7);
        assert_memory_equal(t->text.ptr, text, t->text.len);
    }
    assert_no_losses();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RECORDING(an_event_belongs_to_the_current_span),
        RECORDING(an_event_outside_of_any_trace_has_no_ids),
        RECORDING(an_event_takes_tags_of_every_type),
        RECORDING(an_event_may_be_of_a_span_that_is_not_current),
        RECORDING(an_event_may_have_a_time_of_its_own),
        RECORDING(an_event_holds_64_tags_and_what_is_beyond_is_counted),
        RECORDING(long_texts_of_an_event_are_cut_and_too_many_are_left_out),
        RECORDING(texts_of_every_length_reach_the_end_of_a_chunk_whole),
    };
    return RUN_WITH_BOTH_CLOCKS("events", tests);
}
