/* prog_calls: a service with calls of every kind. Prints "ready" and stays until killed; with "exit" it ends. With
 * "follow" it waits for a line on stdin before it records anything. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <trackway/trackway.h>

static struct tw_entrypoint hello = {.service = "traced", .name = "hello", .type = TW_CALL_RPC};
static struct tw_entrypoint login = {
    .service = "traced", .name = "login", .type = TW_CALL_RPC, .sensitive = "password, card.items[*].number"};
static struct tw_entrypoint get_all = {.service = "traced", .name = "get_all", .type = TW_CALL_RPC};
static struct tw_entrypoint page = {
    .service = "traced", .name = "page", .type = TW_CALL_HTTP, .sensitive = "request.data.password"};
static struct tw_entrypoint strange = {.service = "traced", .name = "strange", .type = TW_CALL_CONSUMER};
static struct tw_entrypoint tick = {.service = "traced", .name = "tick", .type = TW_CALL_TIMER};

static void record(void)
{
    static struct tw_call call, inner;
    const struct tw_value name[] = {TW_ARG("name", "\xe3\x83\x8a\xe3\x83\xa1\xe3\x82\xb3")},
                          data[] = {TW_ARG("language", "ja"), TW_ARG("auth_token", "s3cret-token")};
    struct tw_call_chain chain;
    tw_call_chain_init(&chain);
    const char *above = "standalone_rpc_proxy.call.14caabf9-892f-4ab2-b04b-e0fb90167fe5";
    (void)tw_call_chain_add(&chain, above, strlen(above), 11);
    tw_call_begin(&call, &hello,
                  &(struct tw_call_input){
                      .args = name, .arg_count = 1, .context_data = data, .context_count = 2, .chain = &chain});
    tw_call_begin(&inner, &tick, &(struct tw_call_input){.chain = &call.chain});
    tw_call_succeed(&inner, NULL);
    tw_call_succeed(&call, &TW_RESULT("Hello, \xe3\x83\x8a\xe3\x83\xa1\xe3\x82\xb3!"));

    const struct tw_value card[] = {TW_ARG("number", "4111-1111"), TW_ARG("n", 2)},
                          cards[] = {TW_ARG_MAP(NULL, card, 2)};
    const struct tw_value items[] = {TW_ARG_LIST("items", cards, 1)};
    const struct tw_value args[] = {TW_ARG("user", "ann"), TW_ARG("password", "s3cret-word"),
                                    TW_ARG_MAP("card", items, 1)};
    const struct tw_value why[] = {TW_VALUE("ann"), TW_VALUE("s3cret-word")};
    tw_call_begin(&call, &login, &(struct tw_call_input){.args = args, .arg_count = 3});
    tw_call_fail(&call, &(struct tw_failure){.type = "BadPassword",
                                             .path = "traced.errors.BadPassword",
                                             .args = why,
                                             .arg_count = 2,
                                             .message = "s3cret-word is wrong",
                                             .stack = "Traceback:\n  check(\"s3cret-word\")",
                                             .expected = true});

    char big[301] = "";
    memset(big, 'x', 300);
    const struct tw_value list[] = {TW_VALUE(big), TW_VALUE(1.5)};
    const struct tw_value all = TW_ARG_LIST(NULL, list, 2);
    tw_call_begin(&call, &get_all, NULL);
    tw_call_succeed(&call, &all);

    const struct tw_value headers[] = {TW_ARG("Authorization", "Bearer s3cret-header"),
                                       TW_ARG("Content-Type", "application/json")};
    const struct tw_value id[] = {TW_ARG("id", 7)};
    const char *body = "{\"user\": \"ann\", \"password\": \"s3cret-body\"}";
    const struct tw_call_http http = {.url = "http://localhost/page?x=1",
                                      .method = "POST",
                                      .data = TW_ARG_JSON(NULL, body, strlen(body)),
                                      .headers = headers,
                                      .header_count = 2,
                                      .remote_addr = "127.0.0.1",
                                      .server_name = "localhost",
                                      .server_port = 8000};
    tw_call_begin(&call, &page, &(struct tw_call_input){.http = &http, .args = id, .arg_count = 1});
    const struct tw_value answer[] = {TW_ARG("content_type", "text/plain"), TW_ARG_BYTES("data", "ok\xff", 3),
                                      TW_ARG("status_code", 200), TW_ARG("content_length", 3)};
    const struct tw_value response = TW_ARG_MAP(NULL, answer, 4);
    tw_call_succeed(&call, &response);

    const double zero = 0;
    const struct tw_value odd[] = {TW_ARG("nan", zero / zero), TW_ARG("big", 18446744073709551615u),
                                   TW_ARG("text", "line\nfeed \"quoted\" \x01 \xff"), TW_ARG("t", (bool)1)};
    tw_call_begin(&call, &strange, &(struct tw_call_input){.args = odd, .arg_count = 4});
    tw_call_fail(&call, &(struct tw_failure){.type = "Broken", .message = "out of paper"});
}

int main(int argc, char **argv)
{
    char line[16];
    bool follows = argc > 1 && strcmp(argv[1], "follow") == 0;
    if (follows) tw_mark("begins");
    if (follows && tw_init(NULL) == 0) {
        (void)puts("ready");
        (void)fflush(stdout);
        if (!fgets(line, sizeof line, stdin)) return 1;
    }
    record();
    if (argc > 1 && strcmp(argv[1], "exit") == 0) return 0;
    (void)puts("ready");
    (void)fflush(stdout);
    for (;;) (void)pause();
}
