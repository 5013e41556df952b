/* Calls: what is recorded of them, and above all what is not. Under TSAN too: threads share entrypoints and rules. */
#include "trace/recording.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static struct tw_call call;

/* A new object each time, as rules stay with one. */
static struct tw_entrypoint *entry(const char *name, const char *type, const char *sensitive)
{
    static struct tw_entrypoint all[256];
    static unsigned used;
    struct tw_entrypoint *made = &all[used++ % 256];
    *made = (struct tw_entrypoint){.service = "shop", .name = name, .type = type, .sensitive = sensitive};
    return made;
}

/* Rules that a test set end with it. */
static int teardown(void **state)
{
    int result = recording_teardown(state);
    unsetenv("TRACKWAY_CALLS_FILE");
    unsetenv("TRACKWAY_CALLS_SENSITIVE");
    assert_int_equal(tw_calls_configure(NULL, NULL), 0);
    return result;
}
#define CALLS(test) cmocka_unit_test_setup_teardown(test, recording_setup, teardown)

static const struct tw_record *only(enum tw_record_kind kind)
{
    const struct tw_records *records = read_all();
    const struct tw_record *found = NULL;
    for (size_t i = 0; i < records->count; i++) {
        if (records->items[i].kind != kind) continue;
        assert_null(found);
        found = &records->items[i];
    }
    assert_non_null(found);
    return found;
}

static bool has_tag(const struct tw_record *record, const char *key)
{
    for (size_t i = 0; i < record->tag_count; i++)
        if (record->tags[i].key.len == strlen(key) && memcmp(record->tags[i].key.ptr, key, strlen(key)) == 0)
            return true;
    return false;
}

/* Every byte of the segment's file. */
static bool segment_holds(const char *text)
{
    char path[256];
    struct stat st;
    assert_true(tw_recorder_path(path, sizeof path) > 0);
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    const char *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    assert_true(map != MAP_FAILED);
    size_t len = strlen(text), size = (size_t)st.st_size;
    bool found = false;
    for (const char *at = map;
         !found && (at = memchr(at, text[0], (size_t)(map + size - at))) && at + len <= map + size; at++)
        found = memcmp(at, text, len) == 0;
    (void)munmap((void *)(uintptr_t)map, size);
    close(fd);
    return found;
}

static void a_request_is_readable_before_its_response(void **state)
{
    (void)state;
    const struct tw_value args[] = {TW_ARG("name", "\xe3\x83\x8a\xe3\x83\xa1\xe3\x82\xb3"), TW_ARG("n", 3)};
    const struct tw_value data[] = {TW_ARG("language", "ja")};
    tw_call_begin(&call, entry("hello", TW_CALL_RPC, NULL),
                  &(struct tw_call_input){.args = args, .arg_count = 2, .context_data = data, .context_count = 1});
    const struct tw_record *request = only(TW_RECORD_REQUEST);
    assert_tag_str(request, "service", "shop");
    assert_tag_str(request, "entrypoint_name", "hello");
    assert_tag_str(request, "entrypoint_type", "Rpc");
    assert_tag_str(request, "call_args", "{\"name\":\"\xe3\x83\x8a\xe3\x83\xa1\xe3\x82\xb3\",\"n\":3}");
    assert_tag_str(request, "context_data", "{\"language\":\"ja\"}");
    assert_tag_str(request, "call_id", tw_call_id(&call));
    assert_int_equal(tag(request, "call_args_redacted")->value.u, 0);
    assert_false(has_tag(request, "origin_call_id"));
    assert_false(has_tag(request, "call_args_truncated"));
    assert_false(has_tag(request, "response_time_ns"));
    const struct tw_record *span = the("shop.hello");
    assert_int_equal(span->kind, TW_RECORD_OPEN);
    assert_int_equal(span->span_kind, TW_KIND_SERVER);
    assert_memory_equal(span->span_id, request->span_id, 8);
    assert_memory_equal(span->trace_id, request->trace_id, 16);
    tw_call_succeed(&call, &TW_RESULT("Hello!"));
    const struct tw_record *response = only(TW_RECORD_RESPONSE);
    assert_int_equal(response->status, TW_STATUS_OK);
    assert_tag_str(response, "response", "\"Hello!\"");
    assert_tag_str(response, "call_args", "{\"name\":\"\xe3\x83\x8a\xe3\x83\xa1\xe3\x82\xb3\",\"n\":3}");
    assert_tag_str(response, "call_id", tw_call_id(&call));
    assert_true(tag(response, "response_time_ns")->value.u < 60 * SECOND);
    assert_false(has_tag(response, "exception_type"));
    assert_int_equal(the("shop.hello")->kind, TW_RECORD_SPAN);
    assert_int_equal(the("shop.hello")->status, TW_STATUS_UNSET);
    assert_no_losses();
}

static void a_secret_never_reaches_the_segment(void **state)
{
    (void)state;
    static const char *const secret = "Tr0ub4dor&3xyz";
    const struct tw_value item[] = {TW_ARG("token", secret), TW_ARG("n", 1)}, list[] = {TW_ARG_MAP(NULL, item, 2)};
    const struct tw_value card[] = {TW_ARG("number", 4111222233334444), TW_ARG_LIST("items", list, 1)};
    const struct tw_value args[] = {TW_ARG("user", "ann"), TW_ARG("password", secret), TW_ARG_MAP("card", card, 2)};
    const struct tw_value data[] = {TW_ARG("auth_token", secret), TW_ARG("password", secret), TW_ARG("language", "en")};
    const struct tw_value result[] = {TW_ARG("password", secret), TW_ARG("text", "your password is Tr0ub4dor&3xyz."),
                                      TW_ARG("card", 4111222233334444)};
    const struct tw_value headers[] = {TW_ARG("Authorization", secret), TW_ARG("Cookie", secret),
                                       TW_ARG("password", secret), TW_ARG("Accept", "*/*")};
    const struct tw_call_http http = {.url = "/login",
                                      .method = "POST",
                                      .data = TW_ARG_JSON(NULL, "{\"password\": \"Tr0ub4dor&3xyz\"}", 30),
                                      .headers = headers,
                                      .header_count = 4};
    const char *sensitive =
        "password, card.number, card.items[*].token, request.data.password, request.headers.password";
    struct tw_call_input input = {.args = args, .arg_count = 3, .context_data = data, .context_count = 3};
    struct tw_entrypoint *login = entry("login", TW_CALL_RPC, sensitive);
    tw_call_begin(&call, login, &input);
    const struct tw_record *request = only(TW_RECORD_REQUEST);
    assert_tag_str(request, "call_args",
                   "{\"user\":\"ann\",\"password\":\"********\",\"card\":{\"number\":\"********\",\"items\":[{"
                   "\"token\":\"********\",\"n\":1}]}}");
    assert_tag_str(request, "context_data",
                   "{\"auth_token\":\"********\",\"password\":\"********\",\"language\":\"en\"}");
    assert_int_equal(tag(request, "call_args_redacted")->value.u, 1);
    assert_int_equal(tag(request, "redacted_count")->value.u, 5);
    const struct tw_value map = TW_ARG_MAP(NULL, result, 3);
    tw_call_succeed(&call, &map);
    const struct tw_record *response = only(TW_RECORD_RESPONSE);
    assert_tag_str(response, "response",
                   "{\"password\":\"********\",\"text\":\"your password is ********.\",\"card\":\"********\"}");
    assert_int_equal(tag(response, "redacted_count")->value.u, 8);
    tw_call_begin(&call, login, &input);
    const struct tw_value error_args[] = {TW_VALUE(secret), TW_VALUE(7)};
    tw_call_fail(&call, &(struct tw_failure){.type = "BadPassword",
                                             .path = "shop.errors.BadPassword",
                                             .args = error_args,
                                             .arg_count = 2,
                                             .message = "wrong: Tr0ub4dor&3xyz",
                                             .stack = "in check(\"Tr0ub4dor&3xyz\")\nin login(4111222233334444)"});
    input.http = &http;
    tw_call_begin(&call, login, &input);
    tw_call_succeed(&call, NULL);
    const struct tw_records *records = read_all();
    const struct tw_record *http_request = NULL, *failed = NULL;
    for (size_t i = 0; i < records->count; i++) {
        if (records->items[i].kind == TW_RECORD_REQUEST) http_request = &records->items[i];
        if (records->items[i].kind == TW_RECORD_RESPONSE && records->items[i].status == TW_STATUS_ERROR)
            failed = &records->items[i];
    }
    assert_non_null(failed);
    assert_tag_str(failed, "exception_args", "[\"********\",7]");
    assert_tag_str(failed, "exception_value", "wrong: ********");
    assert_tag_str(failed, "exception_traceback", "in check(\"********\")\nin login(********)");
    assert_tag_str(http_request, "call_args",
                   "{\"request\":{\"url\":\"/login\",\"method\":\"POST\",\"data\":{\"password\":\"********\"},"
                   "\"headers\":{\"authorization\":\"********\",\"cookie\":\"********\",\"password\":\"********\","
                   "\"accept\":\"*/*\"},"
                   "\"env\":{\"remote_addr\":null,\"server_name\":null,\"server_port\":null}},"
                   "\"user\":\"ann\",\"password\":\"********\",\"card\":{\"number\":\"********\",\"items\":[{\"token\":"
                   "\"********\",\"n\":1}]}}");
    assert_true(segment_holds("your password is ********."));
    assert_false(segment_holds(secret));
    assert_false(segment_holds("4111222233334444"));
    for (size_t i = 0; i < records->count; i++)
        if (records->items[i].kind == TW_RECORD_SPAN && records->items[i].status == TW_STATUS_ERROR)
            assert_text_is(records->items[i].status_message, "wrong: ********");
}

static void what_is_hidden_at_its_place_is_hidden_in_the_rest_of_the_request(void **state)
{
    (void)state;
    const struct tw_value headers[] = {TW_ARG("X-Card", "4111-2222")};
    const struct tw_call_http http = {
        .url = "/pay?card=4111-2222&n=1", .method = "POST", .headers = headers, .header_count = 1};
    const struct tw_value args[] = {TW_ARG("card", "4111-2222"), TW_ARG("again", "4111-2222"),
                                    TW_ARG("quoted", "say \"x4111-2222\"")};
    const struct tw_value data[] = {TW_ARG("note", "of 4111-2222")};
    tw_call_begin(
        &call, entry("pay", TW_CALL_HTTP, "card"),
        &(struct tw_call_input){.args = args, .arg_count = 3, .context_data = data, .context_count = 1, .http = &http});
    const struct tw_record *request = only(TW_RECORD_REQUEST);
    assert_tag_str(request, "call_args",
                   "{\"request\":{\"url\":\"/"
                   "pay?card=********&n=1\",\"method\":\"POST\",\"data\":null,\"headers\":{\"x_card\":\"********\"},"
                   "\"env\":{\"remote_addr\":null,\"server_name\":null,\"server_port\":null}},"
                   "\"card\":\"********\",\"again\":\"********\",\"quoted\":\"say \\\"x********\\\"\"}");
    assert_tag_str(request, "context_data", "{\"note\":\"of ********\"}");
    tw_call_succeed(&call, NULL);
    assert_int_equal(tw_calls_configure(&(struct tw_calls_config){.truncate = ".", .truncate_len = 30}, NULL), 0);
    tw_call_begin(&call, entry("pay", TW_CALL_RPC, "card"), &(struct tw_call_input){.args = args + 1, .arg_count = 2});
    tw_call_succeed(&call, NULL); /* nothing was hidden here */
    const struct tw_value turned[] = {TW_ARG("text", "123456789 4111-2222"), TW_ARG("card", "4111-2222")};
    tw_call_begin(&call, entry("pay2", TW_CALL_RPC, "card"), &(struct tw_call_input){.args = turned, .arg_count = 2});
    tw_call_succeed(&call, NULL);
    const struct tw_records *records = read_all();
    for (size_t i = 0; i < records->count; i++)
        if (records->items[i].kind == TW_RECORD_REQUEST && tag(&records->items[i], "entrypoint_name")->text.len == 4)
            assert_tag_str(&records->items[i], "call_args", "{'text': '123456789 ********',");
}

static void arguments_that_are_no_json_are_replaced_whole_and_the_record_is_kept(void **state)
{
    (void)state;
    const struct tw_value args[] = {TW_ARG_JSON(NULL, "{\"password\": \"hunter2\"", 22)};
    tw_call_begin(&call, entry("login", TW_CALL_RPC, "password"),
                  &(struct tw_call_input){.args = args, .arg_count = 1});
    tw_call_fail(&call, &(struct tw_failure){.type = "E", .message = "hunter2"});
    assert_tag_str(only(TW_RECORD_REQUEST), "call_args", "\"********\"");
    assert_tag_str(only(TW_RECORD_RESPONSE), "exception_value", "********"); /* nobody knows what was hidden */
    assert_false(segment_holds("hunter2"));
}

static void a_path_that_is_a_mistake_hides_everything(void **state)
{
    (void)state;
    char text[256];
    const struct tw_value args[] = {TW_ARG("a", "hunter2")};
    tw_call_begin(&call, entry("login", TW_CALL_RPC, "a..b"), &(struct tw_call_input){.args = args, .arg_count = 1});
    tw_call_fail(&call, &(struct tw_failure){.type = "E", .message = "hunter2"});
    assert_tag_str(only(TW_RECORD_REQUEST), "call_args", "\"********\"");
    assert_tag_str(only(TW_RECORD_RESPONSE), "exception_value", "********");
    assert_int_equal(tw_recorder_error(text, sizeof text), TW_ERR_SYNTAX);
    assert_non_null(strstr(text, "a..b"));
}

static void an_error_fails_the_span_unless_it_was_expected(void **state)
{
    (void)state;
    tw_call_begin(&call, entry("pay", TW_CALL_RPC, NULL), NULL);
    tw_call_fail(&call, &(struct tw_failure){.type = "NoMoney", .message = "too poor", .stack = "main\n pay"});
    const struct tw_record *response = only(TW_RECORD_RESPONSE);
    assert_int_equal(response->status, TW_STATUS_ERROR);
    assert_tag_str(response, "exception_type", "NoMoney");
    assert_tag_str(response, "exception_path", "NoMoney");
    assert_tag_str(response, "exception_args", "[]");
    assert_tag_str(response, "exception_value", "too poor");
    assert_tag_str(response, "exception_traceback", "main\n pay");
    assert_int_equal(tag(response, "exception_expected")->value.u, 0);
    assert_false(has_tag(response, "response"));
    assert_int_equal(the("shop.pay")->status, TW_STATUS_ERROR);
    assert_text_is(the("shop.pay")->status_message, "too poor");
    tw_call_begin(&call, entry("ask", TW_CALL_RPC, NULL), NULL);
    tw_call_fail(&call, &(struct tw_failure){.type = "NotFound", .message = "no", .expected = true});
    assert_int_equal(the("shop.ask")->status, TW_STATUS_UNSET);
    struct tw_entrypoint *strict = entry("strict", TW_CALL_RPC, NULL);
    strict->expected_fails = true;
    tw_call_begin(&call, strict, NULL);
    tw_call_fail(&call, &(struct tw_failure){.type = "NotFound", .message = "no", .expected = true});
    assert_int_equal(the("shop.strict")->status, TW_STATUS_ERROR);
}

static void responses_are_truncated_by_the_usual_names(void **state)
{
    (void)state;
    char longer[200] = "";
    memset(longer, 'x', 150);
    const struct tw_value list[] = {TW_VALUE("it's"), TW_VALUE(longer)};
    const struct tw_value result = TW_ARG_LIST(NULL, list, 2);
    tw_call_begin(&call, entry("get_all", TW_CALL_RPC, NULL), NULL);
    tw_call_succeed(&call, &result);
    const struct tw_record *response = only(TW_RECORD_RESPONSE);
    struct tw_text text = tag(response, "response")->text;
    assert_int_equal(text.len, 100);
    assert_memory_equal(text.ptr, "[\"it's\", 'xxxx", 14);
    assert_int_equal(tag(response, "response_truncated")->value.u, 1);
    assert_int_equal(tag(response, "response_length")->value.u, 162);
    assert_int_equal(tw_recorder_clear(), 0);
    tw_call_begin(&call, entry("list_all", TW_CALL_RPC, NULL), NULL);
    tw_call_succeed(&call, NULL);
    response = only(TW_RECORD_RESPONSE);
    assert_tag_str(response, "response", "null"); /* within the limit: untouched */
    assert_int_equal(tag(response, "response_truncated")->value.u, 0);
    assert_int_equal(tag(response, "response_length")->value.u, 4);
    assert_int_equal(tw_recorder_clear(), 0);
    tw_call_begin(&call, entry("forget_all", TW_CALL_RPC, NULL), NULL);
    tw_call_succeed(&call, &result);
    response = only(TW_RECORD_RESPONSE);
    assert_false(has_tag(response, "response_truncated"));
    assert_false(has_tag(response, "response_length"));
    assert_false(has_tag(response, "call_args_truncated"));
}

static void arguments_are_truncated_where_code_says_so(void **state)
{
    (void)state;
    char why[TW_WHY_MAX];
    assert_int_equal(
        tw_calls_configure(
            &(struct tw_calls_config){.truncate = "insert_big\n^put_", .truncate_len = 8, .truncate_response = "none"},
            why),
        0);
    const struct tw_value args[] = {TW_ARG("n", "\xe3\x83\x8a\xe3\x83\xa1\xe3\x82\xb3 and so on"),
                                    TW_ARG("password", "hunter2")};
    const struct tw_call_input input = {.args = args, .arg_count = 2};
    tw_call_begin(&call, entry("put_it", TW_CALL_RPC, "password"), &input);
    tw_call_succeed(&call, NULL);
    const struct tw_record *request = only(TW_RECORD_REQUEST), *response = only(TW_RECORD_RESPONSE);
    assert_tag_str(request, "call_args", "{'n': '\xe3\x83\x8a");
    assert_int_equal(tag(request, "call_args_truncated")->value.u, 1);
    assert_int_equal(tag(request, "call_args_length")->value.u, 46);
    assert_int_equal(tag(request, "redacted_count")->value.u, 1);
    assert_int_equal(tag(response, "call_args_truncated")->value.u, 1); /* in both stages */
    assert_false(segment_holds("hunter2"));
    tw_call_begin(&call, entry("get_it", TW_CALL_RPC, NULL), &input);
    tw_call_succeed(&call, NULL);
    assert_int_equal(tw_calls_configure(&(struct tw_calls_config){.truncate = "a("}, why), TW_ERR_SYNTAX);
    assert_non_null(strstr(why, "a("));
}

static void assert_kept(const char *name, size_t args_len, size_t response_len)
{
    char text[301] = "";
    memset(text, 'x', 300);
    const struct tw_value args[] = {TW_ARG("data", (const char *)text)}, result = TW_VALUE((const char *)text);
    (void)tw_recorder_clear();
    tw_call_begin(&call, entry(name, TW_CALL_RPC, NULL), &(struct tw_call_input){.args = args, .arg_count = 1});
    tw_call_succeed(&call, &result);
    const struct tw_record *response = only(TW_RECORD_RESPONSE);
    assert_int_equal(tag(response, "call_args")->text.len, args_len);
    assert_int_equal(tag(response, "call_args_length")->value.u, 312); /* len(str({'data': 'x' * 300})) */
    assert_int_equal(tag(response, "response")->text.len, response_len);
    assert_int_equal(tag(response, "response_length")->value.u, 300);
}

/* nameko-tracer's own example: max_len 200 for one filter, the other's default for the other. */
static void arguments_and_responses_are_cut_each_at_a_length_of_its_own(void **state)
{
    (void)state;
    char path[256];
    struct tw_calls_config config = {
        .truncate = "insert_big_data", .truncate_len = 200, .truncate_response = "insert_"};
    assert_int_equal(tw_calls_configure(&config, NULL), 0);
    assert_kept("insert_big_data", 200, 100);
    config.truncate_len = 0;
    config.truncate_response_len = 7;
    assert_int_equal(tw_calls_configure(&config, NULL), 0);
    assert_kept("insert_big_data", 100, 7);
    config.truncate_response_len = 0;
    setenv("TRACKWAY_CALLS_TRUNCATE_RESPONSE_LEN", "8", 1);
    assert_int_equal(tw_calls_configure(&config, NULL), 0);
    assert_kept("insert_big_data", 100, 8);
    unsetenv("TRACKWAY_CALLS_TRUNCATE_RESPONSE_LEN");
    (void)snprintf(path, sizeof path, "%s/lengths.json", private_dir());
    FILE *file = fopen(path, "w");
    assert_true(file && fputs("{\"truncate_response_len\": 9, \"truncate_len\": 199}", file) >= 0);
    assert_int_equal(fclose(file), 0);
    config.file = path;
    assert_int_equal(tw_calls_configure(&config, NULL), 0);
    assert_kept("insert_big_data", 199, 9);
    assert_int_equal(unlink(path), 0);
}

static void calls_are_dropped_by_name_and_by_url(void **state)
{
    (void)state;
    assert_int_equal(tw_calls_configure(
                         &(struct tw_calls_config){.drop = "^ping",
                                                   .drop_urls = "/health-check /health_check /healthcheck /internal/"},
                         NULL),
                     0);
    tw_call_begin(&call, entry("ping", TW_CALL_RPC, NULL), NULL);
    tw_call_succeed(&call, NULL);
    static const char *const urls[] = {"/health-check", "/healthcheck?x=1", "http://127.0.0.1:8080/health_check",
                                       "/internal/x"};
    static const char *const others[] = {"/health-check/x", "/healthchecks", "/", "/internal",
                                         "http://x/y/health-check"};
    for (size_t i = 0; i < 4; i++) {
        tw_call_begin(&call, entry("http", TW_CALL_HTTP, NULL),
                      &(struct tw_call_input){.http = &(struct tw_call_http){.url = urls[i]}});
        assert_true(strlen(tw_call_id(&call)) > 0);
        tw_call_succeed(&call, NULL);
    }
    assert_int_equal(count_of_kind(read_all(), TW_RECORD_REQUEST) + count_of_kind(read_all(), TW_RECORD_RESPONSE), 0);
    assert_int_equal(the("shop.ping")->flags & TW_FLAG_SAMPLED, 0); /* the span stays, and is not exported */
    for (size_t i = 0; i < 5; i++) {
        tw_call_begin(&call, entry("http", TW_CALL_HTTP, NULL),
                      &(struct tw_call_input){.http = &(struct tw_call_http){.url = others[i]}});
        tw_call_succeed(&call, NULL);
    }
    assert_int_equal(count_of_kind(read_all(), TW_RECORD_REQUEST), 5);
    assert_int_equal(count_of_kind(read_all(), TW_RECORD_RESPONSE), 5);
}

static void ids_stack_up_and_the_true_origin_is_kept(void **state)
{
    (void)state;
    struct tw_call calls[15];
    char origin[TW_CALL_ID_MAX + 1];
    for (unsigned i = 0; i < 15; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "step%u", i);
        static char names[15][16];
        memcpy(names[i], name, sizeof name);
        tw_call_begin(&calls[i], entry(names[i], TW_CALL_RPC, NULL),
                      &(struct tw_call_input){.chain = i ? &calls[i - 1].chain : NULL});
    }
    strcpy(origin, tw_call_id(&calls[0]));
    assert_int_equal(strlen(origin), strlen("shop.step0.") + 36);
    assert_int_equal(origin[11 + 14], '4');
    assert_int_equal(calls[14].chain.count, 11); /* the newest, as nameko keeps them */
    assert_string_equal(tw_call_chain_at(&calls[14].chain, 0), tw_call_id(&calls[4]));
    assert_string_equal(tw_call_chain_at(&calls[14].chain, 10), tw_call_id(&calls[14]));
    assert_null(tw_call_chain_at(&calls[14].chain, 11));
    for (unsigned i = 15; i--;) tw_call_succeed(&calls[i], NULL);
    const struct tw_records *records = read_all();
    size_t seen = 0;
    for (size_t i = 0; i < records->count; i++) {
        if (records->items[i].kind != TW_RECORD_REQUEST) continue;
        if (seen++)
            assert_tag_str(&records->items[i], "origin_call_id", origin);
        else
            assert_false(has_tag(&records->items[i], "origin_call_id"));
    }
    assert_int_equal(seen, 15);
    assert_child_of(the("shop.step1"), the("shop.step0"));
    assert_no_losses();
}

static void a_file_has_rules_too_and_a_bad_one_hides_everything(void **state)
{
    (void)state;
    char path[256], why[TW_WHY_MAX];
    (void)snprintf(path, sizeof path, "%s/calls.json", private_dir());
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs("{\"sensitive\": [\"a\", \"b.c\"], \"entrypoints\": {\"^pay\": [\"iban\"]}, \"truncate\": "
                      "\"^ins\", \"truncate_len\": 5,"
                      "\"drop\": [\"^x\", \"^y\"], \"drop_urls\": [\"/h\"], \"deny_headers\": \"x-s\", \"parents\": 2}",
                      file) >= 0);
    assert_int_equal(fclose(file), 0);
    setenv("TRACKWAY_CALLS_FILE", path, 1);
    setenv("TRACKWAY_CALLS_SENSITIVE", "d", 1);
    assert_int_equal(tw_calls_configure(NULL, why), 0);
    const struct tw_value args[] = {TW_ARG("a", 1), TW_ARG("iban", 2), TW_ARG("d", 3), TW_ARG("e", 4)};
    const struct tw_call_input input = {.args = args, .arg_count = 4};
    tw_call_begin(&call, entry("pay_now", TW_CALL_RPC, "e"), &input);
    assert_tag_str(only(TW_RECORD_REQUEST), "call_args",
                   "{\"a\":\"********\",\"iban\":\"********\",\"d\":\"********\",\"e\":\"********\"}");
    tw_call_succeed(&call, NULL);
    (void)tw_recorder_clear();
    tw_call_begin(&call, entry("ask", TW_CALL_RPC, NULL), &input);
    assert_tag_str(only(TW_RECORD_REQUEST), "call_args", "{\"a\":\"********\",\"iban\":2,\"d\":\"********\",\"e\":4}");
    tw_call_succeed(&call, NULL);
    static const char *const bad[] = {"{\"sensitve\": []}",
                                      "{\"sensitive\": [\"a\", \"\"]}",
                                      "{\"sensitive\": 1}",
                                      "{",
                                      "[]",
                                      "{} x",
                                      "{\"entrypoints\": {\"(\": \"a\"}}",
                                      "{\"entrypoints\": {\"a\": \"b..\"}}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        file = fopen(path, "w");
        assert_true(file && fputs(bad[i], file) >= 0 && fclose(file) == 0);
        assert_true(tw_calls_configure(NULL, why) < 0);
        (void)tw_recorder_clear();
        tw_call_begin(&call, entry("ask", TW_CALL_RPC, NULL), &input);
        assert_tag_str(only(TW_RECORD_REQUEST), "call_args", "\"********\"");
        tw_call_succeed(&call, NULL);
    }
    assert_int_equal(unlink(path), 0);
    assert_int_equal(tw_calls_configure(NULL, why), TW_ERR_NOT_FOUND);
}

static void begin_again_with(const char *const *variables)
{
    (void)tw_shutdown(SECOND);
    struct tw_config config = small_config();
    config.variables = variables;
    assert_int_equal(tw_init(&config), 0);
    assert_int_equal(tw_calls_configure(NULL, NULL), 0);
}

static void what_the_program_gives_as_variables_goes_before_the_environment(void **state)
{
    (void)state;
    const struct tw_value args[] = {TW_ARG("a", 1), TW_ARG("b", "123456"), TW_ARG("d", 3)};
    const struct tw_call_input input = {.args = args, .arg_count = 3};
    setenv("TRACKWAY_CALLS_SENSITIVE", "d", 1);
    begin_again_with((const char *const[]){"TRACKWAY_CALLS_SENSITIVE=a", "TRACKWAY_CALLS_DROP=^x", NULL});
    tw_call_begin(&call, entry("ask", TW_CALL_RPC, NULL), &input);
    assert_tag_str(only(TW_RECORD_REQUEST), "call_args", "{\"a\":\"********\",\"b\":\"123456\",\"d\":3}");
    tw_call_succeed(&call, NULL);
    tw_call_begin(&call, entry("x", TW_CALL_RPC, NULL), &input);
    (void)only(TW_RECORD_REQUEST);
    tw_call_succeed(&call, NULL);
    unsetenv("TRACKWAY_CALLS_SENSITIVE");
    begin_again_with((const char *const[]){"TRACKWAY_CALLS_SENSITIVE=", NULL}); /* as if it were not there */
    tw_call_begin(&call, entry("x", TW_CALL_RPC, NULL), &input);
    assert_tag_str(only(TW_RECORD_REQUEST), "call_args", "{\"a\":1,\"b\":\"123456\",\"d\":3}");
    tw_call_succeed(&call, NULL);
    (void)tw_shutdown(SECOND);
    struct tw_config config = small_config();
    config.variables = (const char *const[]){"TRACKWAY_CALLS_TRUNCATE_LEN=many", NULL};
    assert_int_equal(tw_init(&config), 0);
    assert_int_equal(tw_calls_configure(NULL, NULL), TW_ERR_SYNTAX);
    begin_again_with((const char *const[]){"TRACKWAY_CALLS_SENSITIVE=", NULL});
}

static void what_is_too_long_is_cut_and_said(void **state)
{
    (void)state;
    char *big = malloc(100001);
    assert_non_null(big);
    memset(big, 'y', 100000);
    big[100000] = 0;
    const struct tw_value args[] = {TW_ARG("a", 1), TW_ARG("big", big), TW_ARG("after", 2)};
    tw_call_begin(&call, entry("eat", TW_CALL_RPC, NULL),
                  &(struct tw_call_input){.args = args, .arg_count = 3, .context_data = args, .context_count = 3});
    tw_call_succeed(&call, &args[1]);
    const struct tw_record *response = only(TW_RECORD_RESPONSE);
    assert_int_equal(tag(response, "cut")->value.u, 1);
    assert_int_equal(tag(only(TW_RECORD_REQUEST), "cut")->value.u, 1);
    struct tw_text text = tag(response, "call_args")->text;
    assert_memory_equal(text.ptr, "{\"a\":1,\"big\":\"yyy", 17);
    assert_memory_equal(text.ptr + text.len - 3, "y\"}", 3);
    assert_no_losses();
    free(big);
}

static void ended_twice_or_never_begun_is_harmless(void **state)
{
    (void)state;
    struct tw_call unused;
    tw_call_begin(&call, entry("once", TW_CALL_RPC, NULL), NULL);
    tw_call_succeed(&call, NULL);
    tw_call_succeed(&call, NULL);
    tw_call_fail(&call, NULL);
    assert_int_equal(count_of_kind(read_all(), TW_RECORD_RESPONSE), 1);
    assert_losses((struct tw_losses){.stale = 2});
    (void)tw_recorder_disable();
    tw_call_begin(&unused, entry("off", TW_CALL_RPC, "x"), &(struct tw_call_input){.chain = &call.chain});
    assert_string_equal(tw_call_id(&unused), "");
    assert_int_equal(unused.chain.count, 1); /* whoever is called next belongs to the caller's chain */
    tw_call_succeed(&unused, NULL);
    (void)tw_recorder_enable();
    assert_losses((struct tw_losses){.stale = 2});
}

static struct tw_entrypoint shared_by_threads = {.service = "shop", .name = "shared", .sensitive = "password"};

static void *calls_on(void *unused)
{
    static _Thread_local struct tw_call mine;
    const struct tw_value args[] = {TW_ARG("password", "Tr0ub4dor"), TW_ARG("n", 1)};
    (void)unused;
    for (int i = 0; i < 300; i++) {
        tw_call_begin(&mine, &shared_by_threads, &(struct tw_call_input){.args = args, .arg_count = 2});
        tw_call_succeed(&mine, NULL);
    }
    return NULL;
}

static void *configures(void *unused)
{
    (void)unused;
    for (int i = 0; i < 20; i++)
        (void)tw_calls_configure(&(struct tw_calls_config){.truncate = i % 2 ? "shared" : "none"}, NULL);
    return NULL;
}

static void threads_may_share_an_entrypoint_while_its_rules_change(void **state)
{
    (void)state;
    pthread_t threads[4];
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, i ? calls_on : configures, NULL), 0);
    for (unsigned i = 0; i < 4; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(count_of_kind(read_all(), TW_RECORD_REQUEST), 900);
    assert_false(segment_holds("Tr0ub4dor"));
}

static void the_type_decides_the_kind_of_the_span(void **state)
{
    (void)state;
    tw_call_begin(&call, entry("c", TW_CALL_CONSUMER, NULL), NULL);
    tw_call_succeed(&call, NULL);
    assert_int_equal(the("shop.c")->span_kind, TW_KIND_CONSUMER);
    tw_call_begin(&call, entry("t", TW_CALL_TIMER, NULL), NULL);
    tw_call_succeed(&call, NULL);
    assert_int_equal(the("shop.t")->span_kind, TW_KIND_INTERNAL);
    tw_call_begin(&call, entry("own", "MyOwn", NULL), NULL);
    tw_call_succeed(&call, NULL);
    assert_int_equal(the("shop.own")->span_kind, TW_KIND_SERVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CALLS(a_request_is_readable_before_its_response),
        CALLS(a_secret_never_reaches_the_segment),
        CALLS(what_is_hidden_at_its_place_is_hidden_in_the_rest_of_the_request),
        CALLS(arguments_that_are_no_json_are_replaced_whole_and_the_record_is_kept),
        CALLS(a_path_that_is_a_mistake_hides_everything),
        CALLS(an_error_fails_the_span_unless_it_was_expected),
        CALLS(responses_are_truncated_by_the_usual_names),
        CALLS(arguments_are_truncated_where_code_says_so),
        CALLS(arguments_and_responses_are_cut_each_at_a_length_of_its_own),
        CALLS(calls_are_dropped_by_name_and_by_url),
        CALLS(ids_stack_up_and_the_true_origin_is_kept),
        CALLS(a_file_has_rules_too_and_a_bad_one_hides_everything),
        CALLS(what_the_program_gives_as_variables_goes_before_the_environment),
        CALLS(what_is_too_long_is_cut_and_said),
        CALLS(ended_twice_or_never_begun_is_harmless),
        CALLS(threads_may_share_an_entrypoint_while_its_rules_change),
        CALLS(the_type_decides_the_kind_of_the_span),
    };
    return RUN_WITH_BOTH_CLOCKS("calls", tests);
}
