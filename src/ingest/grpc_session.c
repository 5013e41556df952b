/* grpc_session: nghttp2 does the frames; here are streams, the five bytes before each message, and the trailers behind.
 *
 *     HEADERS  ->  DATA: flag, length (4, big-endian), message  ->  end: inflate, handle
 *              <-  HEADERS :status 200  <-  DATA  <-  HEADERS grpc-status, grpc-message        or one HEADERS with all
 *
 * A call is refused as soon as it can be: by its head, by the length before its message. What is still sent of it then
 * is thrown away and the stream reset.
 *
 * Invariant: a stream has been answered at most once; waiting_bytes is the memory of all messages that are coming in.
 * Limits: streams and headers of a connection as in the header; nghttp2's own for resets, settings and pings.
 */
#include "ingest/grpc_session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nghttp2/nghttp2.h>

#include "base/atomics.h"

enum {
    PREFIX = 5,
    PATH_MAX_BYTES = 256,
    HEADER_LIST_MAX = 16 << 10,
    STREAM_WINDOW = 1 << 20,
    CONNECTION_WINDOW = 4 << 20,
    OUT_MAX = 256 << 10,
    SMALL = 64 << 10, /* of a message: needs no reservation */
    INFLATE_KEEP = 4 << 20,
    RETRY_S = 1
};

struct stream {
    int32_t id;
    struct tw__grpc_session *session;
    struct stream *previous, *next;
    char path[PATH_MAX_BYTES];
    bool post, grpc, gzip, unknown_encoding, allowed, answered;
    unsigned headers;
    size_t header_bytes;
    uint64_t deadline_ns; /* 0: none */
    struct tw__buf body;
    size_t counted_bytes;
    struct tw__buf reply;
    size_t reply_at;
    char trailer[TW__GRPC_WHY_MAX * 3]; /* grpc-message, percent-encoded */
};

struct tw__grpc_session {
    struct tw__grpc_service *service;
    const struct sockaddr *source;
    struct tw__inflate *inflate;
    nghttp2_session *h2;
    struct stream *streams;
    size_t stream_count;
    uint64_t now_ns;
    bool failed;
};

/* -- answers */

#define HEADER(name_, value_, len_)                                                                                    \
    (nghttp2_nv)                                                                                                       \
    {                                                                                                                  \
        .name = (uint8_t *)(uintptr_t)(name_), .namelen = sizeof(name_) - 1, .value = (uint8_t *)(uintptr_t)(value_),  \
        .valuelen = (len_), .flags = NGHTTP2_NV_FLAG_NONE                                                              \
    }
#define HEADER_TEXT(name_, value_) HEADER(name_, value_, sizeof(value_) - 1)

/* What gRPC asks of a message in a header: printable ASCII, the rest and % as %XX. */
static size_t percent_encode(const char *text, char *out, size_t cap)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t len = 0;
    for (; *text && len + 3 < cap; text++) {
        unsigned char c = (unsigned char)*text;
        if (c >= 0x20 && c < 0x7f && c != '%') {
            out[len++] = (char)c;
        } else {
            out[len++] = '%';
            out[len++] = digits[c >> 4];
            out[len++] = digits[c & 15];
        }
    }
    return len;
}

static void fail(struct tw__grpc_session *session, int code)
{
    if (code == NGHTTP2_ERR_NOMEM) session->failed = true;
}

/* Headers alone, with the status: for everything but success. What may be tried again says when
 * (grpc-status-details-bin), as OpenTelemetry asks of a receiver that has too much to do. */
static void answer_error(struct stream *stream, enum tw__rpc_code code, const char *why)
{
    char status[12];
    if (stream->answered) return;
    stream->answered = true;
    int status_len = snprintf(status, sizeof status, "%d", (int)code);
    size_t why_len = percent_encode(why, stream->trailer, sizeof stream->trailer);
    struct tw__buf details = {0}, text = {0};
    if (code == TW__RPC_UNAVAILABLE) {
        tw__otlp_reply_retry(&details, code, why, RETRY_S);
        tw__buf_base64(&text, details.ptr, details.len);
    }
    nghttp2_nv headers[] = {HEADER_TEXT(":status", "200"), HEADER_TEXT("content-type", "application/grpc"),
                            HEADER("grpc-status", status, (size_t)status_len),
                            HEADER("grpc-message", stream->trailer, why_len),
                            HEADER("grpc-status-details-bin", text.ptr, text.len)};
    size_t count = text.len && !text.failed ? 5 : 4;
    fail(stream->session, nghttp2_submit_response(stream->session->h2, stream->id, headers, count, NULL));
    tw__buf_fini(&details);
    tw__buf_fini(&text);
}

/* An answer for what does not speak gRPC. */
static void answer_http(struct stream *stream, const char *status)
{
    if (stream->answered) return;
    stream->answered = true;
    nghttp2_nv headers[] = {HEADER(":status", status, 3)};
    fail(stream->session, nghttp2_submit_response(stream->session->h2, stream->id, headers, 1, NULL));
}

static ssize_t read_reply(nghttp2_session *h2, int32_t id, uint8_t *out, size_t cap, uint32_t *flags,
                          nghttp2_data_source *from, void *data)
{
    struct stream *stream = from->ptr;
    size_t left = stream->reply.len - stream->reply_at, len = left < cap ? left : cap;
    (void)data;
    if (len) memcpy(out, stream->reply.ptr + stream->reply_at, len);
    stream->reply_at += len;
    if (len < left) return (ssize_t)len;
    nghttp2_nv trailers[] = {HEADER_TEXT("grpc-status", "0")};
    *flags = NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
    int code = nghttp2_submit_trailer(h2, id, trailers, 1);
    return code == 0 ? (ssize_t)len : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static void answer_message(struct stream *stream, const struct tw__buf *message)
{
    size_t len = message->len;
    char prefix[PREFIX] = {0, (char)(len >> 24), (char)(len >> 16), (char)(len >> 8), (char)len};
    if (stream->answered) return;
    tw__buf_add(&stream->reply, prefix, sizeof prefix);
    tw__buf_add(&stream->reply, message->ptr, len);
    if (message->failed || stream->reply.failed) {
        answer_error(stream, TW__RPC_INTERNAL, "out of memory");
        return;
    }
    stream->answered = true;
    nghttp2_nv headers[] = {HEADER_TEXT(":status", "200"), HEADER_TEXT("content-type", "application/grpc"),
                            HEADER_TEXT("grpc-accept-encoding", "identity,gzip")};
    nghttp2_data_provider provider = {.source.ptr = stream, .read_callback = read_reply};
    fail(stream->session, nghttp2_submit_response(stream->session->h2, stream->id, headers, 3, &provider));
}

/* Refuses a stream whose message is still coming: answered, and then reset, so that the peer stops. */
static void refuse(struct stream *stream, enum tw__rpc_code code, const char *why)
{
    answer_error(stream, code, why);
    tw__buf_fini(&stream->body);
}

/* -- calls */

static void give_back(struct stream *stream)
{
    (void)tw__add_relaxed(&stream->session->service->waiting_bytes, (uint64_t)0 - stream->counted_bytes);
    stream->counted_bytes = 0;
}

static bool reserve(struct stream *stream, size_t bytes)
{
    struct tw__grpc_service *service = stream->session->service;
    uint64_t before = tw__add_relaxed(&service->waiting_bytes, bytes);
    stream->counted_bytes += bytes;
    return before + bytes <= service->waiting_max_bytes || stream->counted_bytes <= SMALL;
}

static size_t message_len(const struct stream *stream)
{
    size_t len = 0;
    for (unsigned i = 1; i < PREFIX; i++) len = len << 8 | (unsigned char)stream->body.ptr[i];
    return len;
}

static void count_and_refuse(struct stream *stream, uint64_t *counter, enum tw__rpc_code code, const char *why)
{
    tw__stat_add(counter, 1);
    refuse(stream, code, why);
}

static int on_data(nghttp2_session *h2, uint8_t flags, int32_t id, const uint8_t *bytes, size_t len, void *data)
{
    struct tw__grpc_session *session = data;
    struct stream *stream = nghttp2_session_get_stream_user_data(h2, id);
    struct tw__door_stats *stats = session->service->stats;
    (void)flags;
    if (!stream || stream->answered) return 0;
    tw__under_way_moved(&session->service->under_way);
    size_t before = stream->body.cap;
    tw__buf_add(&stream->body, bytes, len);
    if (stream->body.failed || (stream->body.cap > before && !reserve(stream, stream->body.cap - before))) {
        count_and_refuse(stream, &stats->refused_memory, TW__RPC_UNAVAILABLE,
                         "too much is waiting already; try again later");
        give_back(stream);
        return 0;
    }
    if (stream->body.len < PREFIX) return 0;
    size_t wanted = message_len(stream);
    if (wanted > session->service->message_max_bytes)
        count_and_refuse(stream, &stats->too_large, TW__RPC_RESOURCE_EXHAUSTED, "the message is larger than the limit");
    else if (stream->body.len - PREFIX > wanted)
        count_and_refuse(stream, &stats->bad, TW__RPC_INVALID_ARGUMENT, "more than one message");
    return 0;
}

/* The message of a call that has come whole. Returns false when it has been refused. */
static bool unpack(struct stream *stream, struct tw_text *message)
{
    struct tw__grpc_service *service = stream->session->service;
    *message = (struct tw_text){stream->body.ptr + PREFIX, stream->body.len - PREFIX};
    if (stream->body.ptr[0] == 0) return true;
    if (stream->body.ptr[0] != 1 || !stream->gzip) {
        count_and_refuse(stream, &service->stats->bad, TW__RPC_INTERNAL,
                         "compressed, and grpc-encoding does not say how");
        return false;
    }
    int code = tw__inflate(stream->session->inflate, TW__PACKING_GZIP, *message, service->message_max_bytes, message);
    if (code == TW_ERR_SPACE)
        count_and_refuse(stream, &service->stats->too_large, TW__RPC_RESOURCE_EXHAUSTED,
                         "the message is larger than the limit once it is decompressed");
    else if (code == TW_ERR_MEMORY)
        count_and_refuse(stream, &service->stats->failures, TW__RPC_UNAVAILABLE, "out of memory; try again later");
    else if (code < 0)
        count_and_refuse(stream, &service->stats->bad, TW__RPC_INVALID_ARGUMENT, "not gzip");
    return code == 0;
}

static void handle(struct stream *stream)
{
    struct tw__grpc_session *session = stream->session;
    struct tw__grpc_service *service = session->service;
    struct tw__door_stats *stats = service->stats;
    struct tw__grpc_call call = {.path = stream->path};
    if (stream->answered) return;
    tw__stat_add(&stats->requests, 1);
    tw__stat_add(&stats->bytes, stream->body.len);
    if (stream->body.len < PREFIX || stream->body.len - PREFIX < message_len(stream)) {
        count_and_refuse(stream, &stats->bad, TW__RPC_INVALID_ARGUMENT, "the message is cut off");
        return;
    }
    if (stream->deadline_ns && session->now_ns >= stream->deadline_ns) {
        count_and_refuse(stream, &stats->late, TW__RPC_DEADLINE_EXCEEDED, "the deadline is over");
        return;
    }
    if (!tw__sources_charge(service->sources, session->source, stream->body.len, session->now_ns)) {
        count_and_refuse(stream, &stats->refused_rate, TW__RPC_UNAVAILABLE, "this source sends faster than it may");
        return;
    }
    if (!unpack(stream, &call.message)) return;
    tw__under_way_handle(&service->under_way);
    service->handle(service->context, &call);
    tw__under_way_handled(&service->under_way);
    if (call.code == TW__RPC_OK)
        answer_message(stream, &call.reply);
    else
        answer_error(stream, call.code, call.why);
    tw__buf_fini(&call.reply);
    tw__inflate_trim(session->inflate, INFLATE_KEEP);
    tw__buf_fini(&stream->body);
    give_back(stream);
}

/* -- heads */

static int on_begin_headers(nghttp2_session *h2, const nghttp2_frame *frame, void *data)
{
    struct tw__grpc_session *session = data;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    struct stream *stream = session->stream_count < TW__GRPC_STREAMS_MAX ? calloc(1, sizeof *stream) : NULL;
    if (!stream) {
        tw__stat_add(&session->service->stats->refused_streams, 1);
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    *stream = (struct stream){.id = frame->hd.stream_id, .session = session, .next = session->streams};
    stream->allowed = tw__tokens_allow(session->service->tokens, session->service->role, NULL);
    if (session->streams) session->streams->previous = stream;
    session->streams = stream;
    session->stream_count++;
    tw__under_way_begin(&session->service->under_way);
    (void)nghttp2_session_set_stream_user_data(h2, stream->id, stream);
    return 0;
}

static bool is(const char *text, const uint8_t *name, size_t len)
{
    return strlen(text) == len && memcmp(text, name, len) == 0;
}

static int on_header(nghttp2_session *h2, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
                     const uint8_t *value, size_t value_len, uint8_t flags, void *data)
{
    struct tw__grpc_session *session = data;
    struct stream *stream = nghttp2_session_get_stream_user_data(h2, frame->hd.stream_id);
    const char *text = (const char *)value; /* nghttp2 ends it with a NUL */
    (void)flags;
    if (!stream) return 0;
    stream->header_bytes += name_len + value_len + 32;
    if (++stream->headers > TW__GRPC_HEADERS_MAX || stream->header_bytes > HEADER_LIST_MAX) {
        tw__stat_add(&session->service->stats->too_large, 1);
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    if (is(":path", name, name_len))
        (void)snprintf(stream->path, sizeof stream->path, "%s", text);
    else if (is(":method", name, name_len))
        stream->post = strcmp(text, "POST") == 0;
    else if (is("content-type", name, name_len))
        stream->grpc =
            strncmp(text, "application/grpc", 16) == 0 && (text[16] == '\0' || text[16] == '+' || text[16] == ';');
    else if (is("grpc-encoding", name, name_len)) {
        stream->gzip = strcmp(text, "gzip") == 0;
        stream->unknown_encoding = !stream->gzip && strcmp(text, "identity") != 0;
    } else if (is("authorization", name, name_len))
        stream->allowed = tw__tokens_allow(session->service->tokens, session->service->role, text);
    else if (is("grpc-timeout", name, name_len)) {
        uint64_t ns;
        if (tw__grpc_timeout_parse(text, &ns)) stream->deadline_ns = session->now_ns + ns;
    }
    return 0;
}

static void check_head(struct stream *stream)
{
    struct tw__door_stats *stats = stream->session->service->stats;
    if (!stream->post || !stream->grpc) {
        tw__stat_add(&stats->bad, 1);
        answer_http(stream, stream->post ? "415" : "405");
    } else if (!stream->allowed) {
        count_and_refuse(stream, &stats->unauthorised, TW__RPC_UNAUTHENTICATED,
                         "a token is needed: authorization: Bearer TOKEN");
    } else if (stream->unknown_encoding) {
        count_and_refuse(stream, &stats->bad, TW__RPC_UNIMPLEMENTED, "this grpc-encoding is not understood; gzip is");
    }
}

static int on_frame(nghttp2_session *h2, const nghttp2_frame *frame, void *data)
{
    struct stream *stream = nghttp2_session_get_stream_user_data(h2, frame->hd.stream_id);
    (void)data;
    if (!stream || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)) return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) check_head(stream);
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) handle(stream);
    return 0;
}

/* After an answer to a call whose message had not ended: the rest of it is not wanted. */
static int on_frame_sent(nghttp2_session *h2, const nghttp2_frame *frame, void *data)
{
    (void)data;
    if (frame->hd.type != NGHTTP2_HEADERS || !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) return 0;
    if (nghttp2_session_get_stream_remote_close(h2, frame->hd.stream_id) == 0)
        (void)nghttp2_submit_rst_stream(h2, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_NO_ERROR);
    return 0;
}

static void drop(struct stream *stream)
{
    struct tw__grpc_session *session = stream->session;
    if (stream->previous)
        stream->previous->next = stream->next;
    else
        session->streams = stream->next;
    if (stream->next) stream->next->previous = stream->previous;
    session->stream_count--;
    give_back(stream);
    tw__under_way_end(&session->service->under_way);
    tw__buf_fini(&stream->body);
    tw__buf_fini(&stream->reply);
    free(stream);
}

static int on_close(nghttp2_session *h2, int32_t id, uint32_t code, void *data)
{
    struct stream *stream = nghttp2_session_get_stream_user_data(h2, id);
    (void)code;
    (void)data;
    if (stream) drop(stream);
    return 0;
}

/* -- sessions */

static nghttp2_session *make_h2(struct tw__grpc_session *session)
{
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, TW__GRPC_STREAMS_MAX},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HEADER_LIST_MAX},
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
    };
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_session *h2 = NULL;
    if (nghttp2_session_callbacks_new(&callbacks) != 0) return NULL;
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    int code = nghttp2_session_server_new(&h2, callbacks, session);
    nghttp2_session_callbacks_del(callbacks);
    if (code != 0) return NULL;
    if (nghttp2_submit_settings(h2, NGHTTP2_FLAG_NONE, settings, sizeof settings / sizeof *settings) == 0 &&
        nghttp2_session_set_local_window_size(h2, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW) == 0)
        return h2;
    nghttp2_session_del(h2);
    return NULL;
}

struct tw__grpc_session *tw__grpc_session_new(struct tw__grpc_service *service, const struct sockaddr *source,
                                              struct tw__inflate *inflate)
{
    struct tw__grpc_session *session = calloc(1, sizeof *session);
    if (!session) return NULL;
    *session = (struct tw__grpc_session){.service = service, .source = source, .inflate = inflate};
    session->h2 = make_h2(session);
    if (session->h2) return session;
    free(session);
    return NULL;
}

void tw__grpc_session_free(struct tw__grpc_session *session)
{
    if (!session) return;
    while (session->streams) {
        (void)nghttp2_session_set_stream_user_data(session->h2, session->streams->id, NULL);
        drop(session->streams);
    }
    nghttp2_session_del(session->h2);
    free(session);
}

int tw__grpc_session_recv(struct tw__grpc_session *session, const void *bytes, size_t len, uint64_t now_ns)
{
    session->now_ns = now_ns;
    ssize_t used = nghttp2_session_mem_recv(session->h2, bytes, len);
    if (session->failed || used == NGHTTP2_ERR_NOMEM) return TW_ERR_MEMORY;
    if (used == (ssize_t)len) return 0;
    tw__stat_add(&session->service->stats->bad, 1);
    return TW_ERR_SYNTAX;
}

int tw__grpc_session_send(struct tw__grpc_session *session, struct tw__buf *out)
{
    while (out->len < OUT_MAX) {
        const uint8_t *bytes;
        ssize_t len = nghttp2_session_mem_send(session->h2, &bytes);
        if (len < 0) return len == NGHTTP2_ERR_NOMEM ? TW_ERR_MEMORY : TW_ERR_SYNTAX;
        if (len == 0) break;
        tw__buf_add(out, bytes, (size_t)len);
    }
    return out->failed ? TW_ERR_MEMORY : 0;
}

bool tw__grpc_session_is_over(const struct tw__grpc_session *session)
{
    return !nghttp2_session_want_read(session->h2) && !nghttp2_session_want_write(session->h2);
}

size_t tw__grpc_session_streams(const struct tw__grpc_session *session)
{
    return session->stream_count;
}

void tw__grpc_session_tick(struct tw__grpc_session *session, uint64_t now_ns)
{
    session->now_ns = now_ns;
    for (struct stream *stream = session->streams; stream; stream = stream->next) {
        if (stream->answered || !stream->deadline_ns || now_ns < stream->deadline_ns) continue;
        count_and_refuse(stream, &session->service->stats->late, TW__RPC_DEADLINE_EXCEEDED, "the deadline is over");
    }
}

void tw__grpc_session_drain(struct tw__grpc_session *session)
{
    (void)nghttp2_submit_goaway(session->h2, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session->h2),
                                NGHTTP2_NO_ERROR, NULL, 0);
}

bool tw__grpc_timeout_parse(const char *text, uint64_t *ns)
{
    static const struct {
        char unit;
        uint64_t ns;
    } units[] = {{'H', 3600000000000}, {'M', 60000000000}, {'S', 1000000000}, {'m', 1000000}, {'u', 1000}, {'n', 1}};
    uint64_t value = 0;
    size_t digits = 0;
    for (; text[digits] >= '0' && text[digits] <= '9' && digits < 9; digits++)
        value = value * 10 + (uint64_t)(text[digits] - '0');
    if (digits == 0 || digits > 8 || text[digits] == '\0' || text[digits + 1] != '\0') return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (text[digits] != units[i].unit) continue;
        *ns = value * units[i].ns;
        return true;
    }
    return false;
}
