#ifndef TRACKWAY_MICROHTTPD_H
#define TRACKWAY_MICROHTTPD_H

/* libmicrohttpd, traced: a server span for a request, around the access handler that is there already.
 *
 *     static const struct tw_mhd traced = {.handler = answer, .data = &shop};
 *     MHD_start_daemon(flags, port, NULL, NULL, answer, &shop, MHD_OPTION_END);                           before
 *     MHD_start_daemon(flags, port, NULL, NULL, tw_mhd_handle, TW_MHD_DATA(&traced),                      after
 *                      MHD_OPTION_NOTIFY_COMPLETED, tw_mhd_completed, TW_MHD_DATA(&traced), MHD_OPTION_END);
 *
 * The handler is called as ever, with its own `data` and its own request pointer (NULL at first), and may be called
 * many times for a request, on other threads, after the connection was suspended: each time the request's span is the
 * current one. The span begins when the headers are there and ends when MHD is done with the request.
 *
 * It is named by its method until the handler says which route it is, "GET /item/{id}", and has these tags:
 * http.request.method, url.path, url.scheme, http.route, server.address, server.port, client.address,
 * network.peer.address, network.peer.port, user_agent.original, network.protocol.version, http.request.body.size,
 * http.response.status_code, error.type. A status of 500 and above and a connection that broke are errors; 4xx is the
 * client's error, not ours. Not http.response.body.size: MHD tells it nobody, so a handler that knows it tags the span
 * with it. */

#include <microhttpd.h>
#include <stdbool.h>
#include <trackway/propagate.h>
#include <trackway/span.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Filled in by the caller; fixed while the daemon runs.
 * skip     requests that are not traced: paths in which `*` stands for any text, with a method in front or not:
 *          {"/health*", "POST /metrics", NULL}. Spans that their handlers begin are roots. NULL: none.
 * client   client.address is the first of X-Real-IP, the first address of X-Forwarded-For, the peer. With peer_only it
 *          is the peer, whatever the headers say. */
struct tw_mhd {
    MHD_AccessHandlerCallback handler;
    void *data;
    MHD_RequestCompletedCallback completed; /* called before the span ends; may be NULL */
    void *completed_data;
    const char *const *skip;
    const struct tw_propagation *propagation; /* which formats are read; NULL: the default */
    bool peer_only;
};

/* MHD wants its callbacks' data without const. */
#define TW_MHD_DATA(traced) ((void *)(uintptr_t)(traced))

/* What MHD calls: data is a struct tw_mhd.
 * Errors   MHD_NO, which closes the connection, when there is no memory for a request; else what the handler returns.
 * Cost     one allocation of 9 KB a request, and two switches of the thread's context a call. */
enum MHD_Result tw_mhd_handle(void *data, struct MHD_Connection *connection, const char *path, const char *method,
                              const char *version, const char *upload, size_t *upload_len, void **request);
void tw_mhd_completed(void *data, struct MHD_Connection *connection, void **request,
                      enum MHD_RequestTerminationCode how);

/* For use in the handler. request is its last parameter, as it was given; what it points to is the handler's own.
 * tw_mhd_route    route is the path's pattern; method and route become the span's name. Few distinct ones: never the
 *                 path
 * tw_mhd_span     for tags; none when the request is not traced
 * tw_mhd_carried  what came with the trace, to be sent on with calls made for this request; valid until it is completed
 * tw_mhd_answer   tells a caller that wrote `Sampled=?` to X-Ray's header, or nothing, how we decided: adds a header to
 *                 a response made for this request alone. Does nothing for all others. Returns MHD_NO without memory */
void tw_mhd_route(void **request, const char *route);
tw_span tw_mhd_span(void **request);
const struct tw_carried *tw_mhd_carried(void **request);
enum MHD_Result tw_mhd_answer(void **request, struct MHD_Response *response);

#ifdef __cplusplus
}
#endif
#endif
