/* The waterfall, as golden text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "model/records.h"
#include "wire/waterfall.h"

static void draw_with(struct recording *one, struct recording *two, struct tw__look look, bool all, struct tw__buf *out)
{
    struct tw_batch *batch = tw__batch_new();
    struct tw__waterfall_options options = {.look = &look, .all = all};
    assert_int_equal(tw__batch_add(batch, &one->process, &one->records), 0);
    if (two) assert_int_equal(tw__batch_add(batch, &two->process, &two->records), 0);
    assert_int_equal(tw__batch_build(batch), 0);
    assert_int_equal(tw__waterfall_print(batch, &batch->traces[0], &options, out), 0);
    tw__batch_free(batch);
}

static void draw(struct recording *one, struct recording *two, unsigned width, bool utf8, struct tw__buf *out)
{
    draw_with(one, two, (struct tw__look){.width = width, .utf8 = utf8}, false, out);
}

/* The picture after the summary, whose date depends on the time zone. */
static const char *picture(struct tw__buf *out)
{
    tw__buf_char(out, '\0');
    const char *begin = strstr(out->ptr, "\n\n");
    assert_non_null(begin);
    return begin + 2;
}

static struct recording *back_of(struct recording *front)
{
    static const struct tw_tag_value tags[] = {
        {.key = {"user.id", 7}, .type = TW_TYPE_UINT, .value.u = 42},
        {.key = {"evil", 4}, .type = TW_TYPE_STR, .text = {"\033[2J", 4}},
    };
    static struct tw_context causes[1];
    causes[0] = context_of(7, 9);
    struct recording *back = recording_new(4712, "back", TW_PROCESS_DEAD);
    back->process.last_ns = 9000000;
    struct tw_record *root = span_add(front, 1, 0, "GET /cart", 1000000, 11000000);
    root->tags = tags;
    root->tag_count = 2;
    span_add(front, 2, 1, "load cart", 2000000, 4000000);
    struct tw_record *select = span_add(front, 3, 2, "select", 2500000, 3500000);
    select->status = TW_STATUS_ERROR;
    select->status_message = text_of("disk on fire");
    for (uint16_t i = 0; i < 9; i++) {
        span_add(front, (uint16_t)(20 + i), 1, "poll", 4000000u + 100000u * i, 4050000u + 100000u * i);
        record_add(front, TW_RECORD_EVENT, 1, (uint16_t)(20 + i), 0, "asked", 4010000u + 100000u * i, 0);
        record_add(front, TW_RECORD_EVENT, 1, (uint16_t)(20 + i), 0, "told", 4040000u + 100000u * i, 0);
    }
    struct tw_record *commit = record_add(back, TW_RECORD_OPEN, 1, 4, 1, "commit", 6000000, 0);
    commit->parents = causes;
    commit->parent_count = 1;
    record_add(back, TW_RECORD_EVENT, 1, 4, 0, "locked", 7000000, 7000000);
    span_add(back, 5, 99, "orphan", 7000000, 7000001);
    return back;
}

static void draws_one_tree_across_processes(void **state)
{
    (void)state;
    struct recording *front = recording_new(4711, "front", TW_PROCESS_LIVE), *back = back_of(front);
    struct tw__buf out = {0};
    draw(front, back, 100, false, &out);
    assert_string_equal(picture(&out),
        "                                             0                                               10.0ms\n"
        "GET /cart [front 4711]               10.0ms |======================================================|\n"
        "| user.id=42  evil=\\x1b[2J\n"
        "+ load cart                          2.00ms |     ============                                     |\n"
        "| ` select                           1.00ms |        ======                                        |\n"
        "|     error: disk on fire\n"
        "+ poll x 9, p50 50.0us, max 50.0us    450us |                -----                                 |\n"
        "|   each: asked, told\n"
        "` commit OPEN at death [back 4712]  >3.00ms |                           ================>          |\n"
        "    also caused by a span not in the data in trace a0000000000000000000000000000007 (00000000000000~\n"
        "    @6.00ms locked\n"
        "orphan [back 4712]                      1ns |                                =                     |\n"
        "  its parent 0000000000000063 is not in the data\n");
    tw__buf_fini(&out);
    free(front);
    free(back);
}

static void an_exception_is_its_type_and_message_and_with_all_its_stack(void **state)
{
    (void)state;
    static const struct tw_tag_value tags[] = {
        {.key = {"exception.message", 17}, .type = TW_TYPE_STR, .text = {"no\ntea", 6}},
        {.key = {"exception.stacktrace", 20}, .type = TW_TYPE_STR, .text = {"at pour\n\n  at \033main\n", 20}},
        {.key = {"exception.type", 14}, .type = TW_TYPE_STR, .text = {"TeaError", 8}},
        {.key = {"exception.escaped", 17}, .type = TW_TYPE_BOOL, .value.u = 1},
    };
    struct recording *r = recording_new(1, "pot", TW_PROCESS_LIVE);
    span_add(r, 1, 0, "pour", 1000, 2000);
    struct tw_record *event = record_add(r, TW_RECORD_EVENT, 1, 1, 0, "exception", 1500, 0);
    event->tags = tags;
    event->tag_count = 4;
    for (int all = 0; all < 2; all++) {
        struct tw__buf out = {0};
        draw_with(r, NULL, (struct tw__look){.width = 100}, all, &out);
        const char *shown = picture(&out);
        assert_non_null(strstr(shown, all ? "  @500ns exception TeaError: no\\ntea exception.escaped=true\n"
                                            "      at pour\n"
                                            "        at \\x1bmain\n"
                                          : "  @500ns exception TeaError: no\\ntea (--all shows the stack) "
                                            "exception.escaped=true\n"));
        if (!all) assert_null(strstr(shown, "at pour"));
        tw__buf_fini(&out);
    }
    free(r);
}

static void no_line_is_wider_than_the_terminal(void **state)
{
    (void)state;
    struct recording *front = recording_new(4711, "front", TW_PROCESS_LIVE), *back = back_of(front);
    for (unsigned width = 20; width <= 130; width++) {
        struct tw__buf out = {0};
        draw(front, back, width, width % 2, &out);
        for (const char *line = picture(&out), *end; *line; line = end + 1) {
            end = strchr(line, '\n');
            assert_non_null(end);
            unsigned columns = tw__term_columns((struct tw_text){line, (size_t)(end - line)});
            if (columns > width) fail_msg("%u columns of %u: %.*s", columns, width, (int)(end - line), line);
        }
        tw__buf_fini(&out);
    }
    free(front);
    free(back);
}

static void a_deep_chain_stays_in_its_columns(void **state)
{
    (void)state;
    struct recording *r = recording_new(1, "x", TW_PROCESS_LIVE);
    for (uint16_t i = 1; i <= 3000; i++) span_add(r, i, (uint16_t)(i - 1), "deep", i, 9000u - i);
    struct tw__buf out = {0};
    draw(r, NULL, 80, true, &out);
    assert_true(out.len < 3001 * 400);
    assert_non_null(strstr(picture(&out), "(2999 deep) deep"));
    tw__buf_fini(&out);
    free(r);
}

static void times_of_nonsense_are_drawn_somewhere(void **state)
{
    (void)state;
    struct recording *r = recording_new(1, "x", TW_PROCESS_LIVE);
    span_add(r, 1, 0, "backwards", UINT64_MAX - 5, 3);
    span_add(r, 2, 1, "all of time", 0, UINT64_MAX);
    span_add(r, 3, 1, "none of it", 7, 7);
    struct tw__buf out = {0};
    draw(r, NULL, 100, true, &out);
    assert_non_null(strstr(picture(&out), "all of time"));
    tw__buf_fini(&out);
    free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_one_tree_across_processes),
        cmocka_unit_test(an_exception_is_its_type_and_message_and_with_all_its_stack),
        cmocka_unit_test(no_line_is_wider_than_the_terminal),
        cmocka_unit_test(a_deep_chain_stays_in_its_columns),
        cmocka_unit_test(times_of_nonsense_are_drawn_somewhere),
    };
    return cmocka_run_group_tests_name("waterfall", tests, NULL, NULL);
}
