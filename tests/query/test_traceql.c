/* TraceQL over a trace that can be seen at a glance. What each query selects was worked out by hand from Tempo's
 * documentation of the language. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "filter/filter.h"
#include "query/spansets.h"
#include "query/tagged.h"

#define EPOCH_NS UINT64_C(1795800000000000000)
#define MS       UINT64_C(1000000)

/*
 *     a front  server 100ms                    k=1  zone=east; of the resources of a, b and c: zone=west
 *     +- b cart  client 60ms                   k=2  size=2048
 *     |  +- d db  internal 10ms  error         k=3  size=100   event miss (k=7) 3ms, event exception
 *     |  +- e db  internal 20ms                k=3             link to trace 05.., kind=follows
 *     +- c cart  client 30ms  error            k=4  vip=true   event miss
 *        +- f db  internal 5ms  error               ratio=0.5  odd name="x y"
 */
static const struct {
    const char *name, *service;
    char parent;
    uint8_t kind, status;
    unsigned begin_ms, length_ms;
} story[] = {
    {"a", "front", 0, TW_KIND_SERVER, TW_STATUS_UNSET, 0, 100},
    {"b", "cart", 'a', TW_KIND_CLIENT, TW_STATUS_UNSET, 1, 60},
    {"c", "cart", 'a', TW_KIND_CLIENT, TW_STATUS_ERROR, 65, 30},
    {"d", "db", 'b', TW_KIND_INTERNAL, TW_STATUS_ERROR, 5, 10},
    {"e", "db", 'b', TW_KIND_INTERNAL, TW_STATUS_UNSET, 20, 20},
    {"f", "db", 'c', TW_KIND_INTERNAL, TW_STATUS_ERROR, 70, 5},
};
enum { STORY = sizeof story / sizeof *story };

static char folder[] = "/tmp/trackway-traceql-XXXXXX";
static struct tw__store *store;

static void write_story(void)
{
    struct tw__spans in = {0};
    struct tw_tag_value tags[STORY][2] = {
        {int_tag("k", 1), text_tag("zone", "east")},
        {int_tag("k", 2), int_tag("size", 2048)},
        {int_tag("k", 4), {.key = text_of("vip"), .type = TW_TYPE_BOOL, .value.u = 1}},
        {int_tag("k", 3), int_tag("size", 100)},
        {int_tag("k", 3)},
        {{.key = text_of("ratio"), .type = TW_TYPE_DOUBLE, .value.d = 0.5}, text_tag("odd name", "x y")},
    };
    struct tw_tag_value event_tag = int_tag("k", 7), link_tag = text_tag("kind", "follows"),
                        zone = text_tag("zone", "west");
    struct tw__span_event events[] = {
        {.time_ns = EPOCH_NS + 8 * MS,
         .name = text_of("miss"),
         .tags = &event_tag,
         .tag_count = 1,
         .kind = TW_RECORD_EVENT},
        {.time_ns = EPOCH_NS + 9 * MS, .name = text_of("exception"), .kind = TW_RECORD_EVENT},
        {.time_ns = EPOCH_NS + 66 * MS, .name = text_of("miss"), .kind = TW_RECORD_EVENT}};
    struct tw__span_link link = {.trace_id = {5}, .span_id = {6}, .tags = &link_tag, .tag_count = 1};
    struct tw_tag_value language = text_tag("language", "C");
    assert_int_equal(tw__spans_add_scope(&in, &(struct tw__scope){0}), 0);
    assert_int_equal(
        tw__spans_add_scope(
            &in,
            &(struct tw__scope){.name = text_of("sql"), .version = text_of("2.1"), .tags = &language, .tag_count = 1}),
        1);
    for (unsigned i = 0; i < STORY; i++) {
        struct tw__resource resource = {.service = text_of(story[i].service), .tags = &zone, .tag_count = i < 3};
        struct tw__span *span = tw__spans_add(&in, tw__spans_add_resource(&in, &resource), i == 3);
        span->trace_id[15] = 1;
        span->span_id[7] = (uint8_t)*story[i].name;
        span->parent_id[7] = (uint8_t)story[i].parent;
        span->name = text_of(story[i].name);
        span->kind = story[i].kind;
        span->status = story[i].status;
        span->start_ns = EPOCH_NS + story[i].begin_ms * MS;
        span->end_ns = span->start_ns + story[i].length_ms * MS;
        span->tags = tags[i];
        span->tag_count = tags[i][1].key.len ? 2 : 1;
        span->events = i == 3 ? events : events + 2;
        span->event_count = i == 3 ? 2 : i == 2;
        span->links = &link;
        span->link_count = i == 4;
    }
    assert_int_equal(tw__store_write(store, &in), 0);
    tw__spans_fini(&in);
}

static int by_letter(const void *a, const void *b)
{
    return *(const char *)a - *(const char *)b;
}

/* The letters of the spans that are selected; places: with their nested sets. */
static void run(const char *query, char *letters, struct tw__nested_set *places)
{
    struct tw__traceql traceql;
    struct tw__refusal why;
    struct tw__spansets *spansets;
    struct tw__search search = {.matched_max = STORY};
    struct tw__summaries found;
    struct tw__pool pool = {0};
    size_t count = 0;
    if (tw__traceql_parse(query, strlen(query), &traceql, &why) < 0)
        fail_msg("%s: at %zu: %s", query, why.at, why.text);
    if (tw__spansets_new(&traceql, &spansets, &why) < 0) fail_msg("%s: %s", query, why.text);
    tw__spansets_apply(spansets, &search);
    assert_int_equal(tw__query_search(store, &search, &pool, &found), 0);
    assert_in_range(found.count, 0, 1);
    for (size_t i = 0; found.count && i < found.items[0].matched_kept; i++) {
        letters[count++] = *found.items[0].matched[i].name.ptr;
        if (places) places[letters[count - 1] - 'a'] = found.items[0].matched_places[i];
    }
    if (found.count) assert_int_equal(found.items[0].matched_count, count);
    letters[count] = 0;
    qsort(letters, count, 1, by_letter);
    tw__pool_fini(&pool);
    tw__spansets_free(spansets);
    tw__traceql_fini(&traceql);
}

struct example {
    const char *query, *selects;
};

static void all_select(const struct example *examples, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char letters[STORY + 1];
        run(examples[i].query, letters, NULL);
        if (strcmp(letters, examples[i].selects) != 0)
            fail_msg("%s: %s and not %s", examples[i].query, letters, examples[i].selects);
    }
}
#define ALL_SELECT(examples) all_select(examples, sizeof(examples) / sizeof *(examples))

static void conditions_select_spans(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"", "abcdef"},
        {"{}", "abcdef"},
        {"{ true }", "abcdef"},
        {"{ false }", ""},
        {"{ span.k = 3 }", "de"},
        {"{ .k >= 3 && status != error }", "e"},
        {"{ 3 < .k }", "c"},
        {"{ `west` = resource.zone && \"cart\" = resource.service.name }", "bc"},
        {"{ span.vip }", "c"},
        {"{ !span.vip && .k = 4 }", ""},
        {"{ .vip || .k = 1 }", "ac"},
        {"{ span.size = 2 * 1024 }", "b"},
        {"{ span.size > (3 + 7) ^ 2 - 1 }", "bd"},
        {"{ span.k > -5 }", "abcde"},
        {"{ span.k = (-3) }", ""},
        {"{ span.k = -(3) || span.k = (-(3)) || span.k = -(-(-3)) }", ""},
        {"{ span.k = (3) || span.k = -(-4) }", "cde"},
        {"{ span.k = 5 + (-3) }", "b"},
        {"{ span.k > (-9223372036854775808) && span.k >= -(5) }", "abcde"},
        {"{ span.k < 10 / 4 }", "ab"},
        {"{ span.ratio = 1 / 2 }", "f"},
        {"{ span.k != minInt && span.k < maxInt }", "abcde"},
        {"{ duration >= 2 * 10ms && span:duration < 0.1s }", "bce"},
        {"{ duration > 1s / 20 }", "ab"},
        {"{ duration < 1w && duration < 1y && duration > -2w }", "abcdef"},
        {"{ duration > 1y2w3d4h - 379d4h - 4h + 50ms }", ""},
        {"{ duration > 1y2w3d4h - 382d4h + 50ms }", "ab"},
        {"{ span.\"odd name\" = \"x y\" }", "f"},
        {"{ span.size != nil }", "bd"},
        {"{ name =~ \"(?i)A|B\" || resource.service.name =~ \"fro\" || resource.service.name =~ \"fro.*\" }", "ab"},
        {"{ span:parentID =~ \"\" && resource.zone !~ \"w.st\" }", ""},
        {"{ nil != span.vip }", "c"},
        /* Of a span before that of its resource. */
        {"{ .zone = \"west\" }", "bc"},
        {"{ .zone != \"west\" }", "a"},
        {"{ .zone =~ \"west|east\" }", "abc"},
        {"{ resource.zone = \"west\" }", "abc"},
        {"{ .zone = nil || .zone = \"east\" }", "adef"},
        {"{ .zone != nil }", "abc"},
        {"{ span:parentID = \"0000000000000062\" }", "de"},
        {"{ span:id = \"0000000000000061\" }", "a"},
        {"{ trace:id = \"00000000000000000000000000000001\" && kind = client }", "bc"},
        /* Equally strong, to the left. */
        {"{ .k = 1 || .k = 4 && status = error }", "c"},
        {"{ status = error && .k = 3 || .k = 1 }", "ad"},
        {"{ .k = 1 || (.k = 4 && status = error) }", "ac"},
        {"{ .k = 1 || .k = 2 && kind = client || .k = 3 && status = error }", "d"},
        {"{ .k = 1 && kind = server || .k = 2 && kind = client || .k = 3 }", "bde"},
        {"{ status = error && (.k = 3 || .k = 1) || .k = 2 || kind = server && .k = 1 }", "a"},
    };
    ALL_SELECT(examples);
}

static void events_links_and_scopes_are_looked_at(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"{ event:name = \"miss\" }", "cd"},
        {"{ event:name = \"miss\" && event:name = \"exception\" }", "d"},
        {"{ event.k = 7 }", "d"},
        {"{ event.k = nil && event:name = \"miss\" }", "c"},
        {"{ event:timeSinceStart > 2ms }", "d"},
        {"{ event:timeSinceStart > -5s && event:timeSinceStart < 2ms }", "c"},
        {"{ event:name != \"miss\" }", ""},
        {"{ link:traceID = \"05000000000000000000000000000000\" }", "e"},
        {"{ link:spanID = \"0600000000000000\" && link.kind =~ \"fol.*\" }", "e"},
        {"{ instrumentation:name = \"sql\" && instrumentation:version = \"2.1\" }", "d"},
        {"{ instrumentation.language = \"C\" }", "d"},
        {"{ kind = server } >> { event:name = \"miss\" }", "cd"},
        {"{ link:traceID != nil } ~ { event:name = \"exception\" }", "d"},
    };
    ALL_SELECT(examples);
}

static void spansets_are_joined_and_asked_for_structure(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"{ name = \"a\" } && { .k = 3 }", "ade"},
        {"{ name = \"a\" } && { .k = 9 }", ""},
        {"{ name = \"a\" } || { .k = 9 }", "a"},
        {"{ .k = 9 } || { .k = 8 }", ""},
        {"{ name = \"a\" } || { name = \"b\" } && { .k = 9 }", ""},
        {"{ name = \"a\" } || ({ name = \"b\" } && { .k = 9 })", "a"},
        {"{ kind = server } > { }", "bc"},
        {"{ kind = server } >> { status = error }", "cdf"},
        {"{ status = error } < { }", "abc"},
        {"{ name = \"f\" } << { }", "ac"},
        {"{ name = \"d\" } ~ { }", "e"},
        {"{ .k = 3 } ~ { .k = 3 }", "de"},
        {"{ name = \"a\" } ~ { }", ""},
        {"{ } !> { }", "a"},
        {"{ name = \"b\" } !> { resource.service.name = \"db\" }", "f"},
        {"{ name = \"b\" } !>> { }", "abcf"},
        {"{ } !< { }", "def"},
        {"{ status = error } !< { status = error }", "df"},
        {"{ name = \"f\" } !<< { kind = client }", "b"},
        {"{ name = \"d\" } !~ { resource.service.name = \"db\" }", "df"},
        {"{ .k = 9 } !>> { name = \"a\" }", "a"},
        {"{ status = error } &> { status = error }", "cf"},
        {"{ kind = server } &>> { status = error }", "acdf"},
        {"{ status = error } &< { kind = client }", "bcdf"},
        {"{ name = \"f\" } &<< { kind = server }", "af"},
        {"{ name = \"d\" } &~ { name = \"e\" }", "de"},
        /* Structure binds stronger; to the left. */
        {"{ kind = server } > { kind = client } > { status = error }", "df"},
        {"{ name = \"e\" } || { kind = server } > { name = \"c\" }", "ce"},
        {"({ kind = server } > { name = \"b\" }) && { .k = 4 }", "bc"},
        {"(({ kind = server })) >> ({ .k = 3 } || { .k = 4 })", "cde"},
        {"{ kind = client } | { status = error }", "c"},
        /* What Grafana's drill-down asks for the structure of services. */
        {"({nestedSetParent<0 && true } &>> { kind = server }) || ({nestedSetParent<0 && true }) "
         "| select(status, resource.service.name, name, nestedSetParent, nestedSetLeft, nestedSetRight)",
         "a"},
        {"({nestedSetParent<0 && true } &>> { status = error }) || ({nestedSetParent<0 && true }) | "
         "select(nestedSetLeft)",
         "acdf"},
    };
    ALL_SELECT(examples);
}

static void functions_choose_and_group(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"{ status = error } | count() > 2", "cdf"},
        {"{ status = error } | count() > 3", ""},
        {"{ status = error } | count() != 3", ""},
        {"count() = 6", "abcdef"},
        {"{ resource.service.name = \"db\" } | avg(duration) > 11ms", "def"},
        {"{ resource.service.name = \"db\" } | avg(duration) > 12ms", ""},
        {"max(duration) >= 100ms", "abcdef"},
        {"{ kind = client } | min(duration) = 30ms", "bc"},
        {"{} | sum(span.size) = 2148", "abcdef"},
        {"{} | sum(span.size) > 2 * 1024 + 100", ""},
        {"{ status = error } | by(resource.service.name) | count() > 1", "df"},
        {"{} | by(span.k) | count() > 1", "de"},
        {"{} | by(resource.service.name) | max(duration) < 50ms", "def"},
        {"{} | by(status) | by(kind) | count() = 1", "abc"
                                                     "e"},
        {"{ status = error } | by(resource.service.name) | count() > 1 | coalesce() | count() = 2", "df"},
        {"by(span.size) | count() > 3", "acef"},
        /* Behind by() each group by itself. */
        {"{} | by(resource.service.name) | { name = \"b\" } && { name = \"d\" }", ""},
        {"{} | by(resource.service.name) | { name = \"b\" } && { name = \"c\" }", "bc"},
        {"{} | by(resource.service.name) | { name = \"b\" } || { name = \"d\" }", "bd"},
        {"{} | by(resource.service.name) | { name = \"a\" } >> { name = \"d\" }", ""},
        {"{} | by(status) | {} >> {}", "bef"},
        {"{} | by(status) | {} > {}", "bef"},
        {"{} | by(status) | {} << {}", "abc"},
        {"{} | by(status) | {} < {}", "abc"},
        {"{} | by(status) | {} !>> {}", "acd"},
        {"{} | by(status) | { name = \"a\" } &>> { name = \"e\" }", "ae"},
        {"{} | by(status) | {} ~ {}", ""},
        {"{} | by(kind) | {} ~ {}", "bcde"},
        {"{} | by(span.vip) | { name = \"a\" } >> { name = \"f\" }", "f"},
        {"{} | by(status) | coalesce() | { name = \"a\" } >> { name = \"d\" }", "d"},
        {"{} | count() > 2 | { .k = 3 } | count() = 2", "de"},
        {"max(duration) > 3ms | { status = error || .k = 1 }", "acdf"},
        {"{ status = error } | select(span.k, event.k) | count() < 4", "cdf"},
        {"{ kind = client } with (most_recent=true)", "bc"},
    };
    ALL_SELECT(examples);
}

/* The letters of each set, the newest first, and how many there are of it. */
static void groups_are_sets_of_their_own(void **state)
{
    (void)state;
    static const struct {
        const char *query, *sets;
    } cases[] = {
        {"{} | by(resource.service.name)", "a1 cb2 fe3"},
        {"{} | by(resource.service.name) | count() > 2", "fe3"},
        {"{} | by(kind) | by(status)", "a1 b1 fd2 e1 c1"},
        {"{} | by(kind) | coalesce()", "fc6"},
        {"{ kind = client }", "cb2"},
        {"{} | by(event:name)", "fe4 cd2"},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        struct tw__traceql traceql;
        struct tw__refusal why;
        struct tw__spansets *spansets;
        struct tw__search search = {.matched_max = 2};
        struct tw__summaries found;
        struct tw__pool pool = {0};
        struct tw__buf sets = {0};
        assert_int_equal(tw__traceql_parse(cases[c].query, strlen(cases[c].query), &traceql, &why), 0);
        assert_int_equal(tw__spansets_new(&traceql, &spansets, &why), 0);
        tw__spansets_apply(spansets, &search);
        assert_int_equal(tw__query_search(store, &search, &pool, &found), 0);
        assert_int_equal(found.count, 1);
        for (uint32_t s = 0; s < found.items[0].matched_set_count; s++) {
            const struct tw__matched_set *set = &found.items[0].matched_sets[s];
            if (s) tw__buf_char(&sets, ' ');
            for (uint32_t i = 0; i < set->kept; i++)
                tw__buf_char(&sets, *found.items[0].matched[set->first + i].name.ptr);
            tw__buf_u64(&sets, set->count);
        }
        tw__buf_char(&sets, 0);
        if (strcmp(sets.ptr, cases[c].sets) != 0)
            fail_msg("%s: %s and not %s", cases[c].query, sets.ptr, cases[c].sets);
        tw__buf_fini(&sets);
        tw__pool_fini(&pool);
        tw__spansets_free(spansets);
        tw__traceql_fini(&traceql);
    }
}

/* Counted by hand: a opens 1, b 2, d 3 4, e 5 6, 7 closes b, c 8, f 9 10, 11, 12. */
static void nested_sets_say_where_a_span_stands(void **state)
{
    (void)state;
    static const uint32_t expected[STORY][3] = {{1, 12, 0}, {2, 7, 1}, {8, 11, 1}, {3, 4, 2}, {5, 6, 2}, {9, 10, 8}};
    struct tw__nested_set places[STORY];
    char letters[STORY + 1];
    run("{} | select(nestedSetLeft)", letters, places);
    assert_string_equal(letters, "abcdef");
    for (unsigned i = 0; i < STORY; i++) {
        assert_int_equal(places[i].left, expected[i][0]);
        assert_int_equal(places[i].right, expected[i][1]);
        assert_int_equal(places[i].parent, expected[i][2]);
    }
}

static void what_is_not_there_is_told_with_its_place_and_what_is_instead(void **state)
{
    (void)state;
    static const struct {
        const char *query;
        size_t at;
        const char *says;
    } wrong[] = {
        {"{ name = }", 9, "a value is expected"},
        {"{ name = 1", 10, "&&, || or the end"},
        {"{ service = `a` }", 2, "have a scope"},
        {"{ parent.k = 1 }", 2, "{ of the parent } > { of the child }"},
        {"{ span:childCount = 0 }", 2, "{ } !< { .. }"},
        {"{ nestedSetLeft > 3 }", 2, "{ } >> { }"},
        {"{ nestedSetParent > 3 }", 2, "< 0, a root"},
        {"{ trace:name = `a` }", 2, "no such intrinsic"},
        {"{ .a + 1 > 2 }", 5, "computed"},
        {"{ -.a = 2 }", 2, "computed"},
        {"{ .a = .b }", 7, "not with each other"},
        {"{ .a = foo }", 2, "in quotes"},
        {"{ .a =~ 3 }", 2, "in quotes"},
        {"{ .a > nil }", 2, "nil"},
        {"{ name =~ \"p)|(z\" }", 2, "expression"},
        {"{ name !~ \"a(\" }", 2, "expression"},
        {"{ 1 = 2 }", 6, "attribute"},
        {"{ status }", 9, "a comparison"},
        {"{ .a = 5 * }", 11, "a number"},
        {"{ .a = 1/0 }", 7, "no number"},
        {"{ .a = (5 }", 10, ") is expected"},
        {"{ .a = \"x\\d\" }", 9, "no such escape"},
        {"{ .a = \"\\'\" }", 8, "no such escape"},
        {"{ .a = \"\\x1g\" }", 8, "no such escape"},
        {"{ .a = \"\\400\" }", 8, "no such escape"},
        {"{ .a = \"\\18\" }", 8, "no such escape"},
        {"{ .a = \"\\ud800\" }", 8, "no such escape"},
        {"{ .a = \"\\U00110000\" }", 8, "no such escape"},
        {"{ .a = \"\\u12", 8, "no such escape"},
        {"{ .a = \"\\", 8, "no such escape"},
        {"{ span.\"a\\d\" = 1 }", 9, "no such escape"},
        {"{} + {}", 3, "spansets, then"},
        {"{} >>", 5, "a spanset is expected"},
        {"({} | count() > 1) && {}", 4, "inside parentheses"},
        {"({}", 3, ") is expected"},
        {"{})", 3, "a parenthesis too many"},
        {"{} | count()", 12, "a comparison"},
        {"{} | max() = 1", 9, "an attribute"},
        {"{} | max(duration) - min(duration) > 3", 19, "a comparison"},
        {"{} | by(name, kind)", 12, "of metrics by several"},
        {"{} | histogram(duration)", 5, "rate"},
        {"{} | rate() > 5", 12, "threshold"},
        {"{} | rate() | max(duration) > 1", 14, "topk"},
        {"{} | rate() | topk(1) | bottomk(5)", 24, "not several"},
        {"{} | select(nestedSetFoo)", 12, "not an attribute"},
        {"{ duration > 1w2y }", 13, "a number or a duration"},
        {"{} | rate() | topk((-3))", 19, "above 0"},
        {"{} | rate() | topk(-(3))", 19, "above 0"},
        {"{} | quantile_over_time(duration)", 32, "a quantile"},
        {"{} | quantile_over_time(duration, 2)", 33, "from 0 to 1"},
        {"{} | compare(1)", 13, "a spanset"},
        {"{} | select()", 12, "an attribute"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct tw__traceql traceql;
        struct tw__refusal why;
        assert_int_equal(tw__traceql_parse(wrong[i].query, strlen(wrong[i].query), &traceql, &why), TW_ERR_SYNTAX);
        if (why.at != wrong[i].at || !strstr(why.text, wrong[i].says))
            fail_msg("%s: at %zu: %s", wrong[i].query, why.at, why.text);
        tw__traceql_fini(&traceql);
    }
}

static void metrics_are_read_with_all_that_they_are_of(void **state)
{
    (void)state;
    struct tw__traceql traceql;
    struct tw__refusal why;
    const char *query =
        "{ kind = server } | quantile_over_time(span.size, .5, 0.99) by(resource.service.name, .zone) | topk(3) "
        "with(sample=true)";
    assert_int_equal(tw__traceql_parse(query, strlen(query), &traceql, &why), 0);
    assert_true(tw__traceql_is_filter(&traceql) && traceql.metric.has_field);
    assert_int_equal(traceql.metric.function, TW__TRACEQL_QUANTILE);
    assert_true(traceql.metric.quantile_count == 2 && traceql.metric.quantiles[1] > 0.98);
    assert_true(traceql.metric.by_count == 2 && traceql.metric.keep == 3 && !traceql.metric.keep_smallest);
    struct tw__traceql_field *zone = &traceql.fields[traceql.metric.by[1]];
    assert_true(zone->label.len == 5 && zone->keys[0].len == 8 && memcmp(zone->keys[1].ptr, "resource.zone", 13) == 0);
    tw__traceql_fini(&traceql);
    query = "{} | compare({ duration >= 1ms && duration <= 2s }, 10, 1728987791000000000, 1728988006000000000)";
    assert_int_equal(tw__traceql_parse(query, strlen(query), &traceql, &why), 0);
    assert_int_equal(traceql.metric.most, 10);
    assert_int_equal(traceql.metric.until_ns, 1728988006000000000);
    assert_memory_equal(traceql.metric.selection.ptr, "\"duration\">=1ms and", 19);
    tw__traceql_fini(&traceql);
}

/* front, part, part .. part, back: understood with most of them, refused with one more. */
static void limit(const char *front, const char *part, const char *back, unsigned most)
{
    for (unsigned more = 0; more < 2; more++) {
        struct tw__buf query = {0};
        struct tw__traceql traceql;
        struct tw__refusal why;
        tw__buf_cstr(&query, front);
        for (unsigned i = 0; i < most + more; i++) tw__buf_cstr(&query, part);
        tw__buf_cstr(&query, back);
        int code = tw__traceql_parse(query.ptr, query.len, &traceql, &why);
        if (code != (more ? TW_ERR_SYNTAX : 0)) fail_msg("%s%s .. %u: %d %s", front, part, most + more, code, why.text);
        if (more && !strstr(why.text, "too ") && !strstr(why.text, "more than")) fail_msg("%s: %s", part, why.text);
        tw__traceql_fini(&traceql);
        tw__buf_fini(&query);
    }
}

static void the_limits_hold_on_both_sides(void **state)
{
    (void)state;
    limit("{}", " && {}", "", 15);
    limit("{} ", "| count() > 1 ", "", 15);
    limit("{} | rate() by(name", ", .a", ")", 4);
    limit("{} | quantile_over_time(duration", ", .5", ")", 8);
    limit("{ .a = 1", " ^ 1", " }", 15);
    limit("{ .a = 0.", "1", " }", 62);
}

static void a_query_longer_than_a_filter_is_not_even_begun(void **state)
{
    (void)state;
    for (size_t more = 0; more < 2; more++) {
        struct tw__buf query = {0};
        struct tw__traceql traceql;
        struct tw__refusal why;
        tw__buf_cstr(&query, "{}");
        tw__buf_fill(&query, ' ', TW__FILTER_TEXT_MAX - 2 + more);
        assert_int_equal(tw__traceql_parse(query.ptr, query.len, &traceql, &why), more ? TW_ERR_SPACE : 0);
        assert_int_equal(why.at, more ? TW__FILTER_TEXT_MAX : 0);
        tw__traceql_fini(&traceql);
        tw__buf_fini(&query);
    }
}

/* The same escapes mean the same bytes as in Go, whose compiler said what they are. */
static void texts_in_quotes_are_those_of_go(void **state)
{
    (void)state;
    static const struct {
        const char *quoted, *means;
    } cases[] = {
        {"\"\\a\\b\\f\\n\\r\\t\\v\\\\\\\"\"", "\a\b\f\n\r\t\v\\\""},
        {"\"\\x41\\101\\u0041\\U00000041\"", "AAAA"},
        {"\"\\u00e9\\u20AC\\U0001f600\"", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
        {"\"\\xe9\\377'\"", "\xe9\xff'"},
        {"`\\n\\d\"`", "\\n\\d\""},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        struct tw__buf query = {0}, filter = {0};
        struct tw__traceql traceql;
        struct tw__refusal why;
        tw__buf_fmt(&query, "{ span.a = %s }", cases[c].quoted);
        tw__buf_cstr(&filter, "\"tag.a\"=\"");
        tw__filter_escape(&filter, cases[c].means, strlen(cases[c].means), false);
        tw__buf_char(&filter, '"');
        if (tw__traceql_parse(query.ptr, query.len, &traceql, &why) < 0) fail_msg("%s: %s", cases[c].quoted, why.text);
        assert_int_equal(traceql.filters[0].len, filter.len);
        assert_memory_equal(traceql.filters[0].ptr, filter.ptr, filter.len);
        tw__traceql_fini(&traceql);
        tw__buf_fini(&query);
        tw__buf_fini(&filter);
    }
}

/* Together more keys than a filter may have; as many alternations as would be too many parentheses if each had some. */
static void many_spansets_may_be_more_than_one_filter(void **state)
{
    (void)state;
    char letters[STORY + 1];
    struct tw__buf query = {0};
    for (unsigned f = 0; f < 16; f++) {
        tw__buf_cstr(&query, f ? " || { name = \"e\"" : "{ name = \"e\"");
        for (unsigned k = 0; k < 5; k++) tw__buf_fmt(&query, " && span.k%u_%u = nil", f, k);
        tw__buf_cstr(&query, " }");
    }
    tw__buf_char(&query, 0);
    run(query.ptr, letters, NULL);
    assert_string_equal(letters, "e");
    tw__buf_reset(&query);
    tw__buf_cstr(&query, "{ name = \"e\"");
    for (unsigned n = 0; n < 25; n++) tw__buf_cstr(&query, " && span.k = 3 || name = \"d\"");
    tw__buf_cstr(&query, " }");
    tw__buf_char(&query, 0);
    run(query.ptr, letters, NULL);
    assert_string_equal(letters, "de");
    tw__buf_fini(&query);
}

/* By which name traces are looked for: the one that the store can skip by best, in whichever stage it stands. */
static void candidates_are_those_of_the_narrowest_spanset(void **state)
{
    (void)state;
    static const struct {
        const char *query, *name;
    } cases[] = {
        {"{} | { name = \"f\" }", "f"},
        {"{} >> { kind = client } | by(name) | count() > 0 | { name = \"f\" } && { name != \"a\" }", "f"},
        {"{ name = \"a\" } !>> {}", NULL},
        {"{ name = \"a\" } || { name = \"f\" }", NULL},
        {"{ name = \"a\" } || {} | { status = error } > { name = \"f\" }", "f"},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        struct tw__traceql traceql;
        struct tw__refusal why;
        struct tw__spansets *spansets;
        struct tw__search search = {.limit = 1};
        assert_int_equal(tw__traceql_parse(cases[c].query, strlen(cases[c].query), &traceql, &why), 0);
        assert_int_equal(tw__spansets_new(&traceql, &spansets, &why), 0);
        tw__spansets_apply(spansets, &search);
        struct tw_text name = search.spans.name;
        bool right = cases[c].name ? name.ptr && name.len == 1 && *name.ptr == *cases[c].name : !name.ptr;
        if (!right) fail_msg("%s: %.*s", cases[c].query, (int)name.len, name.ptr ? name.ptr : "");
        tw__spansets_free(spansets);
        tw__traceql_fini(&traceql);
    }
}

static int set_up(void **state)
{
    char why[TW_WHY_MAX];
    (void)state;
    if (!mkdtemp(folder)) return -1;
    if (tw__store_open(&(struct tw__store_options){.folder = folder}, &store, why) < 0) return -1;
    write_story();
    return 0;
}

static int tear_down(void **state)
{
    char command[64];
    (void)state;
    tw__store_close(store);
    (void)snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conditions_select_spans),
        cmocka_unit_test(events_links_and_scopes_are_looked_at),
        cmocka_unit_test(spansets_are_joined_and_asked_for_structure),
        cmocka_unit_test(functions_choose_and_group),
        cmocka_unit_test(groups_are_sets_of_their_own),
        cmocka_unit_test(nested_sets_say_where_a_span_stands),
        cmocka_unit_test(what_is_not_there_is_told_with_its_place_and_what_is_instead),
        cmocka_unit_test(metrics_are_read_with_all_that_they_are_of),
        cmocka_unit_test(texts_in_quotes_are_those_of_go),
        cmocka_unit_test(many_spansets_may_be_more_than_one_filter),
        cmocka_unit_test(candidates_are_those_of_the_narrowest_spanset),
        cmocka_unit_test(the_limits_hold_on_both_sides),
        cmocka_unit_test(a_query_longer_than_a_filter_is_not_even_begun),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
