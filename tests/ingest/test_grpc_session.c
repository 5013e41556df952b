/* A connection's gRPC, asked by nghttp2's own client over memory: what a drain does, and what may be tried again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <nghttp2/nghttp2.h>

#include "ingest/grpc_session.h"

static const char path[] = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

struct pair {
    struct tw__grpc_service service;
    struct tw__door_stats stats;
    struct tw__inflate inflate;
    struct tw__grpc_session *server;
    nghttp2_session *client;
    enum tw__rpc_code answer;
    unsigned handled;

    /* What the client saw. */
    char status[8], details[512];
    int32_t ended; /* stream */
    bool gone;
    int32_t last_taken; /* of GOAWAY */
    uint32_t gone_code;
    /* What it sends: a frame of so many bytes, the last of them only when it may. */
    size_t sent, may_send;
};

enum { FRAME = 5 + 100 };

static void handle(void *context, struct tw__grpc_call *call)
{
    struct pair *pair = context;
    pair->handled++;
    assert_string_equal(call->path, path);
    assert_int_equal(call->message.len, FRAME - 5);
    call->code = pair->answer;
    if (call->code != TW__RPC_OK) strcpy(call->why, "the store is full");
}

static int on_header(nghttp2_session *h2, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
                     const uint8_t *value, size_t value_len, uint8_t flags, void *data)
{
    struct pair *pair = data;
    (void)h2;
    (void)frame;
    (void)flags;
    char *to = name_len == 11 && memcmp(name, "grpc-status", 11) == 0               ? pair->status
               : name_len == 23 && memcmp(name, "grpc-status-details-bin", 23) == 0 ? pair->details
                                                                                    : NULL;
    if (!to) return 0;
    memcpy(to, value, value_len);
    to[value_len] = '\0';
    return 0;
}

static int on_frame(nghttp2_session *h2, const nghttp2_frame *frame, void *data)
{
    struct pair *pair = data;
    (void)h2;
    if (frame->hd.type != NGHTTP2_GOAWAY) return 0;
    pair->gone = true;
    pair->last_taken = frame->goaway.last_stream_id;
    pair->gone_code = frame->goaway.error_code;
    return 0;
}

static int on_close(nghttp2_session *h2, int32_t id, uint32_t code, void *data)
{
    struct pair *pair = data;
    (void)h2;
    if (code == NGHTTP2_NO_ERROR) pair->ended = id;
    return 0;
}

static ssize_t read_body(nghttp2_session *h2, int32_t id, uint8_t *out, size_t cap, uint32_t *flags,
                         nghttp2_data_source *from, void *data)
{
    struct pair *pair = data;
    size_t len = 0;
    (void)h2;
    (void)id;
    (void)from;
    for (; len < cap && pair->sent < pair->may_send; pair->sent++) out[len++] = pair->sent == 4 ? FRAME - 5 : 0;
    if (pair->sent == FRAME) *flags = NGHTTP2_DATA_FLAG_EOF;
    return len || pair->sent == FRAME ? (ssize_t)len : NGHTTP2_ERR_DEFERRED;
}

#define FIELD(name, value)                                                                                             \
    {                                                                                                                  \
        (uint8_t *)(uintptr_t)(name), (uint8_t *)(uintptr_t)(value), sizeof(name) - 1, sizeof(value) - 1, 0            \
    }

static int32_t call(struct pair *pair)
{
    const nghttp2_nv headers[] = {FIELD(":method", "POST"),
                                  FIELD(":scheme", "http"),
                                  FIELD(":path", "/opentelemetry.proto.collector.trace.v1.TraceService/Export"),
                                  FIELD(":authority", "127.0.0.1"),
                                  FIELD("content-type", "application/grpc"),
                                  FIELD("te", "trailers")};
    const nghttp2_data_provider body = {.read_callback = read_body};
    pair->sent = 0;
    return nghttp2_submit_request(pair->client, NULL, headers, sizeof headers / sizeof *headers, &body, NULL);
}

/* Carries bytes both ways until neither has any. */
static void carry(struct pair *pair)
{
    for (bool moved = true; moved;) {
        const uint8_t *bytes;
        struct tw__buf out = {0};
        ssize_t len;
        moved = false;
        while ((len = nghttp2_session_mem_send(pair->client, &bytes)) > 0) {
            moved = true;
            assert_int_equal(tw__grpc_session_recv(pair->server, bytes, (size_t)len, 1), 0);
        }
        assert_int_equal(len, 0);
        assert_int_equal(tw__grpc_session_send(pair->server, &out), 0);
        if (out.len) {
            moved = true;
            assert_int_equal(nghttp2_session_mem_recv(pair->client, (const uint8_t *)out.ptr, out.len), out.len);
        }
        tw__buf_fini(&out);
    }
}

static void begin(struct pair *pair, enum tw__rpc_code answer)
{
    nghttp2_session_callbacks *callbacks;
    *pair = (struct pair){.answer = answer, .may_send = FRAME};
    static const struct sockaddr_in source = {.sin_family = AF_INET};
    pair->service = (struct tw__grpc_service){.handle = handle,
                                              .context = pair,
                                              .stats = &pair->stats,
                                              .sources = tw__sources_new(0, 0),
                                              .message_max_bytes = 1 << 20,
                                              .waiting_max_bytes = 1 << 20};
    pair->server = tw__grpc_session_new(&pair->service, (const void *)&source, &pair->inflate);
    assert_non_null(pair->server);
    assert_int_equal(nghttp2_session_callbacks_new(&callbacks), 0);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    assert_int_equal(nghttp2_session_client_new(&pair->client, callbacks, pair), 0);
    nghttp2_session_callbacks_del(callbacks);
    assert_int_equal(nghttp2_submit_settings(pair->client, NGHTTP2_FLAG_NONE, NULL, 0), 0);
}

static void end(struct pair *pair)
{
    nghttp2_session_del(pair->client);
    tw__grpc_session_free(pair->server);
    tw__inflate_fini(&pair->inflate);
    tw__sources_free(pair->service.sources);
    assert_int_equal(pair->service.under_way.requests, 0);
    assert_int_equal(pair->service.waiting_bytes, 0);
}

static void a_drain_says_goaway_and_answers_what_is_under_way(void **state)
{
    struct pair pair;
    (void)state;
    begin(&pair, TW__RPC_OK);
    pair.may_send = FRAME / 2;
    int32_t first = call(&pair);
    carry(&pair);
    assert_int_equal(pair.handled, 0);
    tw__grpc_session_drain(pair.server);
    carry(&pair);
    assert_true(pair.gone);
    assert_int_equal(pair.gone_code, NGHTTP2_NO_ERROR);
    assert_int_equal(pair.last_taken, first);
    assert_false(tw__grpc_session_is_over(pair.server));

    pair.may_send = FRAME;
    assert_int_equal(nghttp2_session_resume_data(pair.client, first), 0);
    carry(&pair);
    assert_int_equal(pair.handled, 1);
    assert_int_equal(pair.ended, first);
    assert_string_equal(pair.status, "0");
    assert_int_equal(tw__grpc_session_streams(pair.server), 0);
    assert_true(tw__grpc_session_is_over(pair.server));
    end(&pair);
}

/* What the store cannot take. The text is what protoc makes of code 14, the message and a RetryInfo of one second. */
static void what_may_be_tried_again_says_when(void **state)
{
    struct pair pair;
    (void)state;
    begin(&pair, TW__RPC_UNAVAILABLE);
    (void)call(&pair);
    carry(&pair);
    assert_string_equal(pair.status, "14");
    assert_string_equal(pair.details, "CA4SEXRoZSBzdG9yZSBpcyBmdWxsGjAKKHR5cGUuZ29vZ2xlYXBpcy5jb20vZ29vZ2xlLnJwYy5SZXRy"
                                      "eUluZm8SBAoCCAE=");
    end(&pair);
}

static void what_is_wrong_for_good_says_nothing_of_trying_again(void **state)
{
    struct pair pair;
    (void)state;
    begin(&pair, TW__RPC_INVALID_ARGUMENT);
    (void)call(&pair);
    carry(&pair);
    assert_string_equal(pair.status, "3");
    assert_string_equal(pair.details, "");
    end(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_drain_says_goaway_and_answers_what_is_under_way),
        cmocka_unit_test(what_may_be_tried_again_says_when),
        cmocka_unit_test(what_is_wrong_for_good_says_nothing_of_trying_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
