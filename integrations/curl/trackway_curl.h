#ifndef TRACKWAY_CURL_H
#define TRACKWAY_CURL_H

/* libcurl, traced: a client span for a transfer, and the trace handed to the server in the request's headers.
 *
 *     code = curl_easy_perform(curl);              before
 *     code = tw_curl_perform(curl, headers);       after
 *
 * headers is the list that was given to CURLOPT_HTTPHEADER, NULL if none was: libcurl cannot be asked for it, and a
 * list set in its place would lose it. It is sent as ever, behind ours, and is the handle's again afterwards. A name
 * that is in it is left alone: who sends a traceparent of his own sends that one.
 *
 * The span is named "GET host" and has these tags, as far as they are known:
 *     http.request.method, url.full (without user, password, fragment and known secrets), server.address, server.port,
 *     http.response.status_code, http.response.body.size, http.request.body.size, http.request.resend_count (redirects
 *     followed and attempts before), network.peer.address, network.peer.port, network.protocol.version, error.type,
 *     curl.code, curl.connects (0: an open connection was used again), curl.redirected_to, curl.name_lookup_ns,
 *     curl.connect_ns, curl.tls_ns, curl.first_byte_ns (from the request sent), curl.total_ns, aws.xray.traced
 * A transfer that fails and a status of 400 and above are errors. */

#include <curl/curl.h>
#include <trackway/propagate.h>
#include <trackway/span.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tw_curl_options {
    struct curl_slist *headers;               /* as above */
    const char *name;                         /* of the span; NULL: "GET host" */
    const struct tw_carried *carried;         /* what came with the trace and is to be sent on; NULL: nothing */
    const struct tw_propagation *propagation; /* which formats are written; NULL: the default */
    unsigned attempt;                         /* 1 for the first retry, and so on */
    bool traced; /* of X-Ray: the server sends a segment of its own, which is to be waited for */
};

/* curl_easy_perform with a span around it, which is the current one in curl's callbacks.
 * Returns  what curl_easy_perform returns. tw_curl_perform_with: options NULL is all zero.
 * Threads  those of the handle. The caller's current span is the parent.
 * Cost     some microseconds: libcurl takes the URL apart once more, and copies one to three headers. */
CURLcode tw_curl_perform(CURL *curl, struct curl_slist *headers);
CURLcode tw_curl_perform_with(CURL *curl, const struct tw_curl_options *options);

/* The same for multi handles: begin before curl_multi_add_handle, end with msg->data.result after the CURLMSG_DONE and
 * before the easy handle is changed. Many may be in hand on a thread: these spans are nobody's current one.
 * Shape    begin copies what options point to, except headers and the contents of the list, which stay until the end.
 * Owns     end frees the call and gives the handle its own headers back. A call must be ended before its handle is
 *          cleaned up.
 * Errors   NULL, harmless to end, when memory is out: the transfer is not traced. */
struct tw_curl_call;
struct tw_curl_call *tw_curl_begin(CURL *curl, const struct tw_curl_options *options);
void tw_curl_end(struct tw_curl_call *call, CURLcode result);

/* The span of a call, for more tags. */
tw_span tw_curl_span(const struct tw_curl_call *call);

#ifdef __cplusplus
}
#endif
#endif
