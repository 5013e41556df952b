/* The way of AwsExRay in C: its examples (doc/USAGE, Multi Processes, Multi Servers) are tests here, and the header
 * vectors of tests/propagate/test_xray_header.c as far as they start a trace. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include <sys/syscall.h>

#include <trackway/propagate.h>
#include <trackway/trace.h>

#include "recording.h"

#define ROOT   "Root=1-5759e988-bd862e3fe1be46a994272793"
#define PARENT "53995c3f42cd8ad8"

static struct tw_trace parsed(const char *header)
{
    struct tw_trace trace;
    memset(&trace, 0xee, sizeof trace);
    if (tw_trace_parse(header, strlen(header), &trace) != 0) fail_msg("\"%s\" is no trace", header);
    return trace;
}

static void assert_id(const uint8_t *id, size_t count, const char *hex)
{
    for (size_t i = 0; i < count; i++) {
        char two[3];
        (void)snprintf(two, sizeof two, "%02x", id[i]);
        assert_memory_equal(two, hex + 2 * i, 2);
    }
}

static const char *header_of(tw_span span, const struct tw_trace *trace)
{
    static char text[TW_TRACE_HEADER_MAX + 1];
    int len = tw_trace_header(span, trace, text, sizeof text);
    assert_int_equal(len, strlen(text));
    return text;
}

static void a_part_is_below_the_root_and_a_part_of_it_below_it(void **state)
{
    (void)state;
    struct tw_trace trace;
    tw_trace_new(&trace);
    tw_span root = tw_tracing_start(&trace, "root"), part, inner;
    assert_int_equal(tw_subsegment_start("part", &part), 0);
    assert_int_equal(tw_subsegment_start("inner", &inner), 0);
    tw_subsegment_finish(inner);
    tw_subsegment_finish(part);
    {
        TW_SUBSEGMENT(block, "block");
        tw_annotation(block, "in_a_block", (bool)1);
    }
    tw_tracing_finish(root);
    const struct tw_records *all = read_all();
    assert_root(the_of(all, "root"));
    assert_memory_equal(the_of(all, "root")->trace_id, trace.context.trace_id, 16);
    assert_child_of(the_of(all, "part"), the_of(all, "root"));
    assert_child_of(the_of(all, "inner"), the_of(all, "part"));
    assert_child_of(the_of(all, "block"), the_of(all, "root"));
    assert_int_equal(the_of(all, "root")->span_kind, TW_KIND_SERVER);
    assert_no_losses();
}

static void out_of_the_trace_nothing_is_recorded(void **state)
{
    (void)state;
    tw_span part = {(void *)8, 1};
    assert_int_equal(tw_subsegment_start("before", &part), TW_ERR_OUT_OF_TRACE);
    assert_null(part.slot);
    tw_tag(part, "answer", 42);
    tw_span_set_sql(part, &(struct tw_sql){.url = "x"});
    tw_span_set_error(part, &(struct tw_error){.fault = true});
    tw_subsegment_finish(part);
    tw_subsegment_finish_at(part, wall_now());
    tw_tracing_finish(tw_tracing_start(NULL, "root"));
    assert_int_equal(tw_subsegment_start("after", &part), TW_ERR_OUT_OF_TRACE);
    {
        TW_SUBSEGMENT(block, "block");
        assert_false(tw_span_is_open(block));
    }
    assert_int_equal(tw_trace_header(part, NULL, (char[4]){"abc"}, 4), 0);
    assert_int_equal(read_all()->count, 1);
    assert_no_losses();
    assert_int_equal(tw_recorder_error(NULL, 0), 0); /* the default says nothing */
}

static void *starts_a_part(void *result)
{
    tw_span part;
    *(int *)result = tw_subsegment_start("elsewhere", &part);
    tw_subsegment_finish(part);
    return NULL;
}

static void another_thread_is_out_of_the_trace(void **state)
{
    (void)state;
    int result = 0;
    tw_span root = tw_tracing_start(NULL, "root");
    on_thread(starts_a_part, &result);
    assert_int_equal(result, TW_ERR_OUT_OF_TRACE);
    tw_tracing_finish(root);
    assert_int_equal(read_all()->count, 1);
}

static void *keeps_context(void *context)
{
    tw_attach keep;
    tw_span part;
    assert_int_equal(tw_tracing_keep(context, &keep), 0);
    assert_int_equal(tw_subsegment_start("kept", &part), 0);
    tw_subsegment_finish(part);
    tw_tracing_leave(keep);
    assert_int_equal(tw_subsegment_start("left", &part), TW_ERR_OUT_OF_TRACE);
    return NULL;
}

static void it_keeps_tracing_under_a_context_that_is_handed_over(void **state)
{
    (void)state;
    struct tw_context context;
    tw_attach keep;
    tw_span root = tw_tracing_start(NULL, "root"), part;
    assert_int_equal(tw_subsegment_start("part", &part), 0);
    assert_true(tw_context_current(&context));
    on_thread(keeps_context, &context);
    tw_subsegment_finish(part);
    tw_tracing_finish(root);
    assert_child_of(the("kept"), the("part"));
    assert_int_equal(count_of(read_all(), "left"), 0);
    assert_int_equal(tw_tracing_keep(&(struct tw_context){.flags = 1}, &keep), TW_ERR_OUT_OF_TRACE);
    assert_int_equal(tw_tracing_keep(NULL, &keep), TW_ERR_OUT_OF_TRACE);
    tw_tracing_leave(keep);
    assert_no_losses();
}

static int own_tid(void)
{
    return (int)syscall(SYS_gettid);
}

static void *keeps_thread(void *tid)
{
    tw_attach keep;
    tw_span part;
    assert_int_equal(tw_tracing_keep_thread(*(int *)tid, &keep), 0);
    assert_int_equal(tw_subsegment_start("kept", &part), 0);
    tw_subsegment_finish(part);
    tw_tracing_leave(keep);
    return NULL;
}

static void it_keeps_tracing_what_another_thread_is_in(void **state)
{
    (void)state;
    int tid = own_tid();
    tw_attach keep;
    struct tw_context context;
    assert_int_equal(tw_tracing_of_thread(tid, &context), TW_ERR_OUT_OF_TRACE);
    tw_span root = tw_tracing_start(NULL, "root"), part;
    assert_int_equal(tw_subsegment_start("part", &part), 0);
    on_thread(keeps_thread, &tid);
    tw_subsegment_finish(part);
    tw_tracing_finish(root);
    assert_child_of(the("kept"), the("part"));
    assert_int_equal(tw_tracing_keep_thread(tid, &keep), TW_ERR_OUT_OF_TRACE);
    assert_int_equal(tw_tracing_keep_thread(0, &keep), TW_ERR_OUT_OF_TRACE);
    const struct tw_context foreign = {.trace_id = {1}, .span_id = {2}};
    tw_attach at = tw_context_attach(&foreign);
    assert_int_equal(tw_tracing_of_thread(tid, &context), 0);
    assert_memory_equal(&context, &foreign, sizeof foreign);
    tw_context_detach(at);
    assert_no_losses();
}

static void *ends(void *span)
{
    tw_span_end(*(tw_span *)span);
    return NULL;
}

static void a_span_that_another_thread_has_ended_is_not_kept(void **state)
{
    (void)state;
    struct tw_context context, expected;
    tw_span root = tw_tracing_start(NULL, "root"), part;
    assert_int_equal(tw_subsegment_start("part", &part), 0);
    on_thread(ends, &part);
    assert_true(tw_span_context(root, &expected));
    assert_int_equal(tw_tracing_of_thread(own_tid(), &context), 0);
    assert_memory_equal(&context, &expected, sizeof context);
    tw_tracing_finish(root);
}

struct busy {
    atomic_int tid, stop;
    uint8_t trace_id[16];
};

static void *works(void *data)
{
    struct busy *busy = data;
    struct tw_trace trace = {.sample = TW_SAMPLE_ON};
    memcpy(trace.context.trace_id, busy->trace_id, 16);
    tw_span root = tw_tracing_start(&trace, "root");
    atomic_store_explicit(&busy->tid, own_tid(), memory_order_release);
    while (!atomic_load_explicit(&busy->stop, memory_order_acquire)) {
        TW_SUBSEGMENT(one, "one");
        TW_SUBSEGMENT(two, "two");
        tw_tag(two, "text", "any");
    }
    tw_tracing_finish(root);
    return NULL;
}

static void a_thread_may_be_at_work_while_its_trace_is_looked_at(void **state)
{
    (void)state;
    struct busy busy = {.trace_id = {0x5f, [15] = 1}};
    pthread_t thread;
    unsigned found = 0;
    assert_int_equal(pthread_create(&thread, NULL, works, &busy), 0);
    while (!atomic_load_explicit(&busy.tid, memory_order_acquire)) usleep(100);
    int tid = atomic_load_explicit(&busy.tid, memory_order_acquire);
    for (int i = 0; i < 2000; i++) {
        struct tw_context context;
        int result = tw_tracing_of_thread(tid, &context);
        if (result == TW_ERR_TIMEOUT) continue; /* each look met it inside a call */
        assert_int_equal(result, 0);
        assert_memory_equal(context.trace_id, busy.trace_id, 16);
        found++;
    }
    atomic_store_explicit(&busy.stop, 1, memory_order_release);
    pthread_join(thread, NULL);
    assert_true(found > 0);
}

static void a_part_may_be_in_another_threads_trace_without_being_current(void **state)
{
    (void)state;
    const struct tw_context tracing = {.trace_id = {0x5f, [15] = 1}, .span_id = {7}, .flags = TW_FLAG_SAMPLED};
    tw_span part, none;
    assert_int_equal(tw_subsegment_start_with("part", &part, &(struct tw_subsegment_options){.tracing = &tracing}), 0);
    assert_int_equal(tw_subsegment_start("other", &none), TW_ERR_OUT_OF_TRACE);
    tw_subsegment_finish(part);
    assert_memory_equal(the("part")->trace_id, tracing.trace_id, 16);
    assert_memory_equal(the("part")->parent_id, tracing.span_id, 8);
}

static void options_say_whom_it_calls_and_when_it_began(void **state)
{
    (void)state;
    tw_span root = tw_tracing_start_named(NULL, "known at run time"), remote, aws;
    const uint64_t begun = wall_now() - SECOND / 100, ended = begun + SECOND / 200;
    const struct tw_subsegment_options query = {.callee = TW_CALLEE_REMOTE, .start_ns = begun, .name = "db"};
    assert_int_equal(tw_subsegment_start_with("query", &remote, &query), 0);
    tw_subsegment_finish_at(remote, ended);
    assert_int_equal(tw_subsegment_start_with("S3", &aws, &(struct tw_subsegment_options){.callee = TW_CALLEE_AWS}), 0);
    tw_subsegment_finish(aws);
    tw_tracing_finish(root);
    assert_root(the("known at run time"));
    assert_int_equal(the("db")->span_kind, TW_KIND_CLIENT);
    assert_in_range(the("db")->time_ns, begun - 100000, begun + 100000);
    assert_in_range(the("db")->end_ns, ended - 100000, ended + 100000);
    assert_tag_str(the("S3"), "aws.xray.namespace", "aws");
}

static void a_parsed_header_is_continued(void **state)
{
    (void)state;
    struct tw_trace trace = parsed(ROOT ";Parent=" PARENT ";Sampled=1;Lineage=a87bd80c:1|68fd508a:5");
    tw_span root = tw_tracing_start(&trace, "server");
    char span_id[TW_SPAN_ID_HEX_LEN + 1], expected[TW_TRACE_HEADER_MAX + 1], small[20];
    struct tw_context context;
    assert_true(tw_span_context(root, &context));
    tw_span_id_format(context.span_id, span_id);
    (void)snprintf(expected, sizeof expected, ROOT ";Parent=%s;Sampled=1;Lineage=a87bd80c:1|68fd508a:5", span_id);
    assert_string_equal(header_of(root, &trace), expected);
    (void)snprintf(expected, sizeof expected, ROOT ";Parent=%s;Sampled=1", span_id);
    assert_string_equal(header_of(root, NULL), expected);
    assert_int_equal(tw_trace_header(root, NULL, small, sizeof small), TW_ERR_SPACE);
    tw_tracing_finish(root);
    assert_id(the("server")->trace_id, 16, "5759e988bd862e3fe1be46a994272793");
    assert_id(the("server")->parent_id, 8, PARENT);
}

static void a_header_without_a_parent_gives_a_root_of_that_id(void **state)
{
    (void)state;
    struct tw_trace trace = parsed("Self=1-67891233-12456789abcdef012345678;Root=1-67891233-abcdef012345678912345678");
    tw_tracing_finish(tw_tracing_start(&trace, "server"));
    assert_root(the("server"));
    assert_id(the("server")->trace_id, 16, "67891233abcdef012345678912345678");
}

static void a_traceparent_does_as_well(void **state)
{
    (void)state;
    struct tw_trace trace = parsed(" 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00 ");
    assert_int_equal(trace.sample, TW_SAMPLE_OFF);
    tw_tracing_finish(tw_tracing_start(&trace, "server"));
    assert_id(the("server")->trace_id, 16, "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_id(the("server")->parent_id, 8, "00f067aa0ba902b7");
}

static void what_is_no_trace_is_not_found_or_a_new_one(void **state)
{
    (void)state;
    static const char *const values[] = {"Parent=" PARENT ";Sampled=1",
                                         "garbage",
                                         "",
                                         "Root=1-5759e988;",
                                         "Root=a=b;",
                                         "a;b;=;",
                                         "00-00000000000000000000000000000000-00f067aa0ba902b7-01"};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct tw_trace trace = {.rest_len = 7}, untouched = trace;
        assert_int_equal(tw_trace_parse(values[i], strlen(values[i]), &trace), TW_ERR_NOT_FOUND);
        assert_memory_equal(&trace, &untouched, sizeof trace);
        tw_trace_parse_or_new(values[i], strlen(values[i]), &trace);
        assert_int_equal(trace.rest_len, 0);
        tw_tracing_finish(tw_tracing_start(&trace, "server"));
    }
    struct tw_trace denied;
    tw_trace_parse_or_new("Root=dummy;Sampled=0", 20, &denied);
    assert_int_equal(denied.sample, TW_SAMPLE_OFF);
    const struct tw_records *all = read_all();
    assert_int_equal(all->count, sizeof values / sizeof *values);
    for (size_t i = 0; i < all->count; i++) assert_root(&all->items[i]);
}

/* Whether a trace begun with this header is sent, what is handed on, and what is answered. */
static void assert_sampling(const char *header, char sampled)
{
    struct tw_trace trace = parsed(header);
    tw_span root = tw_tracing_start(&trace, "server"), part;
    char said[] = ";Sampled=?", answer[TW_TRACE_HEADER_MAX + 1];
    said[9] = sampled;
    assert_int_equal(tw_subsegment_start("part", &part), 0);
    assert_non_null(strstr(header_of(root, NULL), said));
    assert_non_null(strstr(header_of(part, NULL), said));
    int len = tw_trace_answer(root, answer, sizeof answer);
    assert_int_equal(len, strlen(ROOT) + strlen(said));
    assert_memory_equal(answer, ROOT, strlen(ROOT));
    assert_string_equal(answer + strlen(ROOT), said);
    tw_subsegment_finish(part);
    tw_tracing_finish(root);
    assert_int_equal((the("part")->flags & TW_FLAG_SAMPLED) != 0, sampled == '1');
    tw_recorder_clear();
}

static void not_sampled_it_behaves_the_same_and_its_header_says_so(void **state)
{
    (void)state;
    assert_sampling(ROOT ";Sampled=1", '1');
    assert_sampling(ROOT ";Sampled=0", '0');
    assert_sampling(ROOT ";Parent=" PARENT ";Sampled=1", '1');
    assert_sampling(ROOT ";Parent=" PARENT ";Sampled=0", '0');
    assert_sampling(ROOT ";Parent=" PARENT ";Sampled=?", '1'); /* decided here, where nothing is left out */
    assert_sampling(ROOT ";Parent=" PARENT, '1');
    assert_sampling(ROOT, '1');
    assert_sampling("root=1-5759e988-bd862e3fe1be46a994272793;parent=" PARENT ";sampled=1", '1');
}

static void what_is_undecided_is_decided_by_our_rate(void **state)
{
    (void)state;
    assert_int_equal(tw_shutdown(SECOND), 0);
    struct tw_config config = small_config();
    config.sample_rate = -1;
    assert_int_equal(tw_init(&config), 0);
    assert_sampling(ROOT ";Parent=" PARENT ";Sampled=?", '0');
    assert_sampling(ROOT ";Parent=" PARENT ";Sampled=1", '1');
    assert_sampling(ROOT, '0');
    assert_sampling(ROOT ";Sampled=1", '1');
}

static void a_trace_within_a_trace_ends_and_the_first_goes_on(void **state)
{
    (void)state;
    tw_span outer = tw_tracing_start(NULL, "outer"), inner = tw_tracing_start(NULL, "inner"), part;
    tw_tracing_finish(inner);
    assert_int_equal(tw_subsegment_start("part", &part), 0);
    tw_subsegment_finish(part);
    tw_tracing_finish(outer);
    assert_root(the("inner"));
    assert_child_of(the("part"), the("outer"));
    assert_no_losses();
}

static unsigned told;
static char told_text[192];

static void take(void *data, int error, const char *text)
{
    (void)data;
    if (error != TW_ERR_OUT_OF_TRACE) return;
    (void)snprintf(told_text, sizeof told_text, "%s", text);
    told++;
}

static void begin_again(const char *policy)
{
    told = 0;
    (void)tw_shutdown(SECOND);
    struct tw_config config = small_config();
    const char *const variables[] = {policy, NULL};
    config.variables = variables;
    config.diagnostic = take;
    assert_int_equal(tw_init(&config), 0);
}

static void forgets_to_start(const char *name)
{
    tw_span part;
    (void)tw_subsegment_start_with("part", &part, &(struct tw_subsegment_options){.name = name});
    tw_subsegment_finish(part);
}

static void a_missing_trace_can_be_diagnosed_once_for_each_place(void **state)
{
    (void)state;
    static unsigned rounds; /* the second, with the other clock, is of the same process */
    begin_again("TRACKWAY_CONTEXT_MISSING=diagnose");
    for (int i = 0; i < 10; i++) forgets_to_start("query");
    tw_span part;
    assert_int_equal(tw_subsegment_start("another", &part), TW_ERR_OUT_OF_TRACE);
    assert_int_equal(told, rounds == 0 ? 2 : 0);
    assert_int_equal(read_all()->count, 0);
    if (rounds++) return;
    assert_non_null(strstr(told_text, "\"another\""));
    assert_non_null(strstr(told_text, ", line "));
}

static void a_missing_trace_can_be_begun(void **state)
{
    (void)state;
    begin_again("TRACKWAY_CONTEXT_MISSING=root");
    tw_span part, inner;
    assert_int_equal(tw_subsegment_start("part", &part), 0);
    assert_int_equal(tw_subsegment_start("inner", &inner), 0);
    tw_subsegment_finish(inner);
    tw_subsegment_finish(part);
    assert_int_equal(told, 0);
    assert_root(the("part"));
    assert_child_of(the("inner"), the("part"));
}

static void assert_policy(const char *ours, const char *theirs, unsigned expected_told, int expected)
{
    if (ours) setenv("TRACKWAY_CONTEXT_MISSING", ours, 1);
    if (theirs) setenv("AWS_XRAY_CONTEXT_MISSING", theirs, 1);
    begin_again(NULL);
    unsetenv("TRACKWAY_CONTEXT_MISSING");
    unsetenv("AWS_XRAY_CONTEXT_MISSING");
    tw_span part;
    int result = -1;
    for (int i = 0; i < 2; i++) {
        result = tw_subsegment_start_with("part", &part, &(struct tw_subsegment_options){.name = ours});
        tw_subsegment_finish(part);
    }
    assert_int_equal(result, expected);
    assert_in_range(told, 0, expected_told); /* this place has been told of before, perhaps */
}

static void the_policy_is_read_from_the_environment(void **state)
{
    (void)state;
    assert_policy(NULL, NULL, 0, TW_ERR_OUT_OF_TRACE);
    assert_policy("ignore", "LOG_ERROR", 0, TW_ERR_OUT_OF_TRACE);
    assert_policy("diagnose", NULL, 1, TW_ERR_OUT_OF_TRACE);
    assert_policy("root", "IGNORE_ERROR", 0, 0);
    assert_policy(NULL, "LOG_ERROR", 1, TW_ERR_OUT_OF_TRACE);
    assert_policy(NULL, "RUNTIME_ERROR", 1, TW_ERR_OUT_OF_TRACE);
    assert_policy(NULL, "ignore_error", 0, TW_ERR_OUT_OF_TRACE);
    (void)tw_shutdown(SECOND);
    setenv("TRACKWAY_CONTEXT_MISSING", "perhaps", 1);
    struct tw_config config = small_config();
    assert_int_equal(tw_init(&config), TW_ERR_SYNTAX);
    unsetenv("TRACKWAY_CONTEXT_MISSING");
    assert_int_equal(tw_init(&config), 0);
}

static void formats_can_be_configured(void **state)
{
    (void)state;
    const struct tw_propagation before = tw_propagation_default();
    begin_again("TRACKWAY_PROPAGATORS=xray,b3");
    assert_int_equal(tw_propagation_default().read.count, 2);
    assert_int_equal(tw_propagation_default().write.list[0], TW_FORMAT_XRAY);
    begin_again("TRACKWAY_PROPAGATORS_WRITE=none");
    assert_int_equal(tw_propagation_default().read.list[1], TW_FORMAT_B3);
    assert_int_equal(tw_propagation_default().write.count, 0);
    assert_int_equal(tw_recorder_error(NULL, 0), 0);
    tw_propagation_set_default(&before.read, &before.write);
    begin_again("TRACKWAY_PROPAGATORS_READ=jaeger,xray");
    assert_int_equal(tw_propagation_default().read.list[0], TW_FORMAT_XRAY);
    assert_int_equal(tw_propagation_default().write.count, before.write.count);
    char text[256] = "";
    assert_int_equal(tw_recorder_error(text, sizeof text), TW_ERR_RANGE);
    assert_string_equal(text, "propagation: TRACKWAY_PROPAGATORS: not all formats are known");
    tw_propagation_set_default(&before.read, &before.write);
}

static bool get_value(void *carrier, const char *name, unsigned index, const char **value, size_t *len)
{
    const char *const *pair = carrier; /* a name and a value */
    if (index > 0 || strcmp(pair[0], name) != 0) return false;
    *value = pair[1];
    *len = strlen(pair[1]);
    return true;
}

static void a_span_begins_as_what_was_extracted_says(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value;
        bool child;
        enum tw_sample sample;
    } cases[] = {
        {"traceparent", "00-5759e988bd862e3fe1be46a994272793-" PARENT "-00", true, TW_SAMPLE_BY_RATE},
        {"traceparent", "garbage", false, TW_SAMPLE_BY_RATE},
        {"x-amzn-trace-id", ROOT ";Parent=" PARENT ";Sampled=1", true, TW_SAMPLE_BY_RATE},
        {"x-amzn-trace-id", ROOT ";Parent=" PARENT ";Sampled=?", true, TW_SAMPLE_UNDECIDED},
        {"x-amzn-trace-id", ROOT ";Sampled=1", false, TW_SAMPLE_ON},
        {"x-amzn-trace-id", ROOT ";Sampled=0", false, TW_SAMPLE_OFF},
        {"x-amzn-trace-id", ROOT, false, TW_SAMPLE_UNDECIDED},
        {"x-amzn-trace-id", "Root=dummy;Sampled=0", false, TW_SAMPLE_OFF},
        {"b3", "0", false, TW_SAMPLE_OFF},
        {"b3", "1", false, TW_SAMPLE_ON},
        {"b3", "d", false, TW_SAMPLE_ON},
        {"b3", "5759e988bd862e3fe1be46a994272793-" PARENT, true, TW_SAMPLE_UNDECIDED},
        {"b3", "5759e988bd862e3fe1be46a994272793-" PARENT "-d", true, TW_SAMPLE_ON},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        static struct tw_carried carried;
        struct tw_context from;
        const char *pair[] = {cases[i].name, cases[i].value};
        const int found = tw_extract(NULL, get_value, pair, &from, &carried);
        const struct tw_span_options options = tw_span_options_of(found, &from, &carried);
        assert_int_equal(options.root, !cases[i].child);
        assert_int_equal(options.parent_count, cases[i].child);
        assert_int_equal(options.sample, cases[i].sample);
        assert_int_not_equal(carried.sampling, TW_SAMPLING_UNDECIDED);
        tw_span_end(tw_span_begin_with("request", &options));
        const struct tw_record *r = &read_all()->items[i];
        assert_int_equal(r->span_kind, TW_KIND_SERVER);
        if (found != TW_EXTRACT_NONE) assert_id(r->trace_id, 16, "5759e988bd862e3fe1be46a994272793");
        if (cases[i].child)
            assert_id(r->parent_id, 8, PARENT);
        else
            assert_root(r);
    }
}

static void keep_traceparent(void *carrier, const char *name, const char *value, size_t len)
{
    if (strcmp(name, "traceparent") != 0 || len != TW_TRACEPARENT_LEN) return;
    memcpy(carrier, value, len);
    ((char *)carrier)[len] = 0;
}

/* The advanced cases of the W3C's test suite: a service that is asked once, with this header, asks three others. All
 * three are told of one trace, and each of a parent of its own. */
static void ask_three_others(const char *header, char trace_id[33])
{
    static struct tw_carried carried;
    struct tw_context from;
    const char *pair[] = {"traceparent", header};
    const int found = tw_extract(NULL, get_value, pair, &from, &carried);
    const struct tw_span_options options = tw_span_options_of(found, &from, &carried);
    char sent[3][TW_TRACEPARENT_LEN + 1] = {"", "", ""};
    tw_span request = tw_span_begin_with("request", &options);
    for (size_t i = 0; i < 3; i++) {
        struct tw_context own;
        tw_span call = tw_span_begin("call");
        assert_true(tw_span_context(call, &own));
        assert_true(tw_inject(NULL, &own, &carried, keep_traceparent, sent[i]) > 0);
        tw_span_end(call);
    }
    tw_span_end(request);
    for (size_t i = 0; i < 3; i++) {
        struct tw_context sent_on;
        assert_int_equal(tw_traceparent_parse(sent[i], strlen(sent[i]), &sent_on), 0);
        assert_memory_equal(sent[i], sent[0], 35);              /* the trace */
        assert_memory_not_equal(sent[i] + 36, header + 36, 16); /* the parent is not the caller's, */
        for (size_t k = 0; k < i; k++) assert_memory_not_equal(sent[i] + 36, sent[k] + 36, 16); /* nor another call's */
    }
    memcpy(trace_id, sent[0] + 3, 32);
    trace_id[32] = 0;
}

static void w3c_multiple_requests_with_valid_traceparent(void **state)
{
    (void)state;
    char trace_id[33];
    ask_three_others("00-12345678901234567890123456789012-1234567890123456-01", trace_id);
    assert_string_equal(trace_id, "12345678901234567890123456789012");
}

static void w3c_multiple_requests_without_traceparent(void **state)
{
    (void)state;
    char first[33], second[33];
    ask_three_others("                                                       ", first);
    ask_three_others("                                                       ", second);
    assert_string_not_equal(first, second);
}

static void w3c_multiple_requests_with_illegal_traceparent(void **state)
{
    (void)state;
    char trace_id[33];
    ask_three_others("00-1234567890123456789012345678901.-1234567890123456-01", trace_id);
    assert_string_not_equal(trace_id, "1234567890123456789012345678901.");
    ask_three_others("00-00000000000000000000000000000000-1234567890123456-01", trace_id);
    assert_string_not_equal(trace_id, "00000000000000000000000000000000");
}

static void switched_off_it_says_so_and_costs_nothing(void **state)
{
    (void)state;
    tw_span part;
    tw_attach keep;
    const struct tw_context context = {.trace_id = {1}, .span_id = {1}};
    tw_recorder_disable();
    tw_tracing_finish(tw_tracing_start(NULL, "root"));
    assert_int_equal(tw_subsegment_start("part", &part), TW_ERR_OFF);
    tw_subsegment_finish(part);
    assert_int_equal(tw_tracing_keep(&context, &keep), TW_ERR_OFF);
    assert_int_equal(tw_tracing_keep_thread(own_tid(), &keep), TW_ERR_OFF);
    tw_tracing_leave(keep);
    tw_recorder_enable();
    assert_int_equal(read_all()->count, 0);
    assert_no_losses();
}

static void fields_are_tags_with_the_usual_names(void **state)
{
    (void)state;
    tw_span root = tw_tracing_start(NULL, "root"), part;
    tw_span_set_http_request(
        root,
        &(struct tw_http_request){
            .method = "GET", .url = "http://a/b", .user_agent = "", .client_ip = "10.0.0.1", .x_forwarded_for = true});
    tw_span_set_http_response(root, 503, 17);
    assert_int_equal(tw_subsegment_start_with("db", &part, &(struct tw_subsegment_options){.callee = TW_CALLEE_REMOTE}),
                     0);
    tw_span_set_http_request(part, &(struct tw_http_request){.url = "http://c", .traced = true});
    tw_span_set_http_response(part, 404, -1);
    tw_span_set_sql(part,
                    &(struct tw_sql){.url = "jdbc:x", .sanitized_query = "SELECT ?", .database_type = "PostgreSQL"});
    tw_span_set_aws(part, &(struct tw_aws){.operation = "GetItem", .table_name = "cart"});
    tw_span_set_error(
        part, &(struct tw_error){.error = true, .type = "NotFound", .message = "no such cart", .stack = "f\ng"});
    tw_metadata(part, "cart", "items", 3);
    tw_subsegment_finish(part);
    tw_tracing_finish(root);

    const struct tw_record *r = the("root"), *p = the("db");
    assert_tag_str(r, "http.request.method", "GET");
    assert_tag_str(r, "url.full", "http://a/b");
    assert_tag_str(r, "client.address", "10.0.0.1");
    assert_true(tag(r, "aws.xray.x_forwarded_for")->value.u);
    assert_int_equal(tag(r, "http.response.status_code")->value.i, 503);
    assert_int_equal(tag(r, "http.response.body.size")->value.i, 17);
    assert_int_equal(r->status, TW_STATUS_ERROR);
    assert_int_equal(r->tag_count, 6);
    assert_true(tag(p, "aws.xray.traced")->value.u);
    assert_tag_str(p, "aws.xray.sql.url", "jdbc:x");
    assert_tag_str(p, "db.query.text", "SELECT ?");
    assert_tag_str(p, "db.system.name", "PostgreSQL");
    assert_tag_str(p, "aws.operation", "GetItem");
    assert_tag_str(p, "aws.table_name", "cart");
    assert_tag_str(p, "exception.type", "NotFound");
    assert_tag_str(p, "exception.stacktrace", "f\ng");
    assert_int_equal(tag(p, "aws.xray.metadata.cart.items")->value.i, 3);
    assert_int_equal(p->status, TW_STATUS_ERROR);
    assert_text_is(p->status_message, "no such cart");
    assert_no_losses();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RECORDING(a_part_is_below_the_root_and_a_part_of_it_below_it),
        RECORDING(out_of_the_trace_nothing_is_recorded),
        RECORDING(another_thread_is_out_of_the_trace),
        RECORDING(it_keeps_tracing_under_a_context_that_is_handed_over),
        RECORDING(it_keeps_tracing_what_another_thread_is_in),
        RECORDING(a_span_that_another_thread_has_ended_is_not_kept),
        RECORDING(a_thread_may_be_at_work_while_its_trace_is_looked_at),
        RECORDING(a_part_may_be_in_another_threads_trace_without_being_current),
        RECORDING(options_say_whom_it_calls_and_when_it_began),
        RECORDING(a_parsed_header_is_continued),
        RECORDING(a_header_without_a_parent_gives_a_root_of_that_id),
        RECORDING(a_traceparent_does_as_well),
        RECORDING(what_is_no_trace_is_not_found_or_a_new_one),
        RECORDING(not_sampled_it_behaves_the_same_and_its_header_says_so),
        RECORDING(what_is_undecided_is_decided_by_our_rate),
        RECORDING(a_trace_within_a_trace_ends_and_the_first_goes_on),
        RECORDING(a_missing_trace_can_be_diagnosed_once_for_each_place),
        RECORDING(a_missing_trace_can_be_begun),
        RECORDING(the_policy_is_read_from_the_environment),
        RECORDING(formats_can_be_configured),
        RECORDING(a_span_begins_as_what_was_extracted_says),
        RECORDING(w3c_multiple_requests_with_valid_traceparent),
        RECORDING(w3c_multiple_requests_without_traceparent),
        RECORDING(w3c_multiple_requests_with_illegal_traceparent),
        RECORDING(switched_off_it_says_so_and_costs_nothing),
        RECORDING(fields_are_tags_with_the_usual_names),
    };
    return RUN_WITH_BOTH_CLOCKS("tracing", tests);
}
