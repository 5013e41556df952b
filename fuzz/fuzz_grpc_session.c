/* One connection's bytes, in pieces: the first byte says how many come at a time, the second whether the preface and a
 * SETTINGS frame are put in front. Whatever comes, calls are answered at most once, and the accounts are even at the
 * end. */
#include <stdlib.h>
#include <string.h>

#include <netinet/in.h>

#include "ingest/grpc_session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void handle(void *context, struct tw__grpc_call *call)
{
    uint64_t *sum = context;
    for (size_t i = 0; i < call->message.len; i++) *sum += (unsigned char)call->message.ptr[i];
    *sum += strlen(call->path);
    if (call->message.len % 3 == 1) {
        call->code = TW__RPC_INVALID_ARGUMENT;
        strcpy(call->why, "no \x01 %");
    } else {
        tw__buf_cstr(&call->reply, "answer");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char start[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
    static uint64_t sum;
    struct tw__door_stats stats = {0};
    struct tw__inflate inflate = {0};
    struct sockaddr_in source = {.sin_family = AF_INET};
    struct tw__grpc_service service = {.handle = handle,
                                       .context = &sum,
                                       .stats = &stats,
                                       .sources = tw__sources_new(0, 0),
                                       .message_max_bytes = 1 << 16,
                                       .waiting_max_bytes = 1 << 20};
    struct tw__buf out = {0};
    if (size < 2 || !service.sources) goto end;
    struct tw__grpc_session *session = tw__grpc_session_new(&service, (struct sockaddr *)&source, &inflate);
    if (!session) goto end;
    size_t piece = data[0] + 1U;
    int code = data[1] & 1 ? tw__grpc_session_recv(session, start, sizeof start - 1, 1) : 0;
    for (size_t at = 2; at < size && code == 0; at += piece) {
        code = tw__grpc_session_recv(session, data + at, size - at < piece ? size - at : piece, at);
        if (code == 0) code = tw__grpc_session_send(session, &out);
        tw__buf_reset(&out);
        tw__grpc_session_tick(session, at);
        if (data[1] & 2 && at > size / 2) tw__grpc_session_drain(session);
    }
    (void)tw__grpc_session_send(session, &out);
    if (tw__grpc_session_streams(session) > TW__GRPC_STREAMS_MAX) abort();
    tw__grpc_session_free(session);
    if (service.under_way.requests != 0 || service.under_way.handling != 0 || service.waiting_bytes != 0) abort();

end:
    tw__buf_fini(&out);
    tw__inflate_fini(&inflate);
    tw__sources_free(service.sources);
    return 0;
}
