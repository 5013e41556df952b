/* trackway_curl: what happens around a transfer.
 *
 *     begin   span, headers        ours -> ours -> the caller's own -> ...       one list, none copied
 *     (curl works)
 *     end     what curl measured becomes tags; the handle gets the caller's list back
 *
 * The URL is taken apart by curl's own parser and put together again without what must not be written down: user and
 * password, the fragment, and the values of query keys that are known to be secrets. A parser of our own would one day
 * disagree with curl's about where the password ends. What curl cannot parse is not recorded at all.
 *
 * The method is not known before the transfer (curl decides it from half a dozen options when it begins), so it is
 * asked for before, as well as curl can tell, and again after; after a redirect not, because then it may be the
 * redirect's.
 *
 * curl counts all its times from the beginning of the transfer; the tags are the lengths of the phases. A phase that
 * did not take place (TLS, or a connection used again) has none.
 *
 * Limits: one span per transfer, however many redirects curl follows. No proxy's headers.
 */
#include "trackway_curl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { NAME_SIZE = TW_NAME_MAX + 1, METHOD_SIZE = 32, HEADER_NAME_MAX = 64, CODE_SIZE = 24 };

struct tw_curl_call {
    CURL *curl;
    tw_span span;
    struct curl_slist *ours, *last, *theirs;
    unsigned attempt;
    bool own_name;
    char method[METHOD_SIZE];
    char host[NAME_SIZE]; /* "" when it is not known */
};

/* ---- the URL */

/* Query keys whose values are credentials, in lower case: those OpenTelemetry names, and those everybody uses. */
static bool is_secret(const char *key, size_t len)
{
    static const char *const secrets[] = {
        "awsaccesskeyid",
        "signature",
        "sig",
        "x-goog-signature",
        "x-amz-signature",
        "x-amz-security-token",
        "access_token",
        "refresh_token",
        "id_token",
        "token",
        "api_key",
        "apikey",
        "api-key",
        "auth",
        "client_secret",
        "secret",
        "password",
        "passwd",
        "pwd",
        "code",
    };
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++)
        if (strlen(secrets[i]) == len && strncasecmp(secrets[i], key, len) == 0) return true;
    return false;
}

/* "a=1&sig=abc" -> "a=1&sig=REDACTED". NULL when memory is out. */
static char *redacted(const char *query)
{
    static const char mark[] = "REDACTED";
    size_t room = strlen(query) + 1;
    for (const char *at = query; *at; at++)
        if (*at == '=') room += sizeof mark;
    char *out = malloc(room), *to = out;
    if (!out) return NULL;
    while (*query) {
        const size_t len = strcspn(query, "&"), key_len = strcspn(query, "=&");
        const bool hide = key_len < len && is_secret(query, key_len);
        const size_t kept = hide ? key_len + 1 : len;
        memcpy(to, query, kept);
        to += kept;
        if (hide) to = stpcpy(to, mark);
        query += len;
        if (*query == '&') *to++ = *query++;
    }
    *to = '\0';
    return out;
}

/* False when there is no telling what the URL would show. */
static bool take_secrets_out(CURLU *parts)
{
    static const CURLUPart never[] = {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_OPTIONS, CURLUPART_FRAGMENT};
    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        if (curl_url_set(parts, never[i], NULL, 0) != CURLUE_OK) return false;
    char *query = NULL;
    if (curl_url_get(parts, CURLUPART_QUERY, &query, 0) != CURLUE_OK) return true; /* there is none */
    char *shown = redacted(query);
    const bool done = shown && curl_url_set(parts, CURLUPART_QUERY, shown, 0) == CURLUE_OK;
    free(shown);
    curl_free(query);
    return done;
}

static CURLU *parts_of(const char *url)
{
    CURLU *parts = url && *url ? curl_url() : NULL;
    if (!parts) return NULL;
    if (curl_url_set(parts, CURLUPART_URL, url, CURLU_GUESS_SCHEME | CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK &&
        take_secrets_out(parts))
        return parts;
    curl_url_cleanup(parts);
    return NULL;
}

static const char *url_of(CURL *curl)
{
    char *url = NULL;
    return curl_easy_getinfo(curl, CURLINFO_EFFECTIVE_URL, &url) == CURLE_OK ? url : NULL;
}

static void tag_url(struct tw_curl_call *call, CURLU *parts)
{
    char *text = NULL;
    if (curl_url_get(parts, CURLUPART_URL, &text, 0) == CURLUE_OK) {
        tw_tag(call->span, "url.full", (const char *)text);
        curl_free(text);
    }
    if (call->host[0]) tw_tag(call->span, "server.address", (const char *)call->host);
    if (curl_url_get(parts, CURLUPART_PORT, &text, CURLU_DEFAULT_PORT) == CURLUE_OK) {
        tw_tag(call->span, "server.port", strtol(text, NULL, 10));
        curl_free(text);
    }
}

/* "" when it is not known. */
static void copy_part(CURLU *parts, CURLUPart part, char *to, size_t size)
{
    char *text = NULL;
    to[0] = '\0';
    if (!parts || curl_url_get(parts, part, &text, 0) != CURLUE_OK) return;
    snprintf(to, size, "%s", text);
    curl_free(text);
}

/* ---- the headers */

static bool list_has(const struct curl_slist *list, const char *name)
{
    const size_t len = strlen(name);
    for (; list; list = list->next) {
        if (!list->data || strncasecmp(list->data, name, len) != 0) continue;
        if (list->data[len] == ':' || list->data[len] == ';') return true;
    }
    return false;
}

static void add_header(void *carrier, const char *name, const char *value, size_t len)
{
    struct tw_curl_call *call = carrier;
    const size_t size = strlen(name) + len + sizeof ": ";
    if (list_has(call->theirs, name)) return;
    char *line = malloc(size);
    if (!line) return;
    snprintf(line, size, "%s: %s", name, value);
    struct curl_slist *longer = curl_slist_append(call->ours, line); /* a copy */
    free(line);
    if (!longer) return;
    call->ours = longer;
    call->last = call->last ? call->last->next : longer;
}

static void give_headers(struct tw_curl_call *call, const struct tw_curl_options *options)
{
    struct tw_context context;
    const bool known = tw_span_context(call->span, &context) || tw_context_current(&context);
    tw_inject(options->propagation, known ? &context : NULL, options->carried, add_header, call);
    if (!call->ours) return;
    call->last->next = call->theirs;
    curl_easy_setopt(call->curl, CURLOPT_HTTPHEADER, call->ours);
}

static void take_headers_back(struct tw_curl_call *call)
{
    if (!call->ours) return;
    curl_easy_setopt(call->curl, CURLOPT_HTTPHEADER, call->theirs);
    call->last->next = NULL;
    curl_slist_free_all(call->ours);
}

/* ---- begin and end */

static bool take_method(struct tw_curl_call *call)
{
    char *method = NULL, now[METHOD_SIZE];
    if (curl_easy_getinfo(call->curl, CURLINFO_EFFECTIVE_METHOD, &method) != CURLE_OK || !method || !*method)
        return false;
    snprintf(now, sizeof now, "%s", method);
    if (strcmp(now, call->method) == 0) return false;
    memcpy(call->method, now, sizeof now);
    return true;
}

static void print_name(const struct tw_curl_call *call, char name[NAME_SIZE])
{
    const int room = NAME_SIZE - METHOD_SIZE - 1;
    snprintf(name, NAME_SIZE, "%s%s%.*s", call->method, call->host[0] ? " " : "", room, call->host);
}

static void begin(struct tw_curl_call *call, CURL *curl, const struct tw_curl_options *options, bool detached)
{
    char name[NAME_SIZE], scheme[METHOD_SIZE];
    *call = (struct tw_curl_call){.curl = curl,
                                  .theirs = options->headers,
                                  .attempt = options->attempt,
                                  .own_name = options->name,
                                  .method = "HTTP"};
    CURLU *parts = parts_of(url_of(curl));
    copy_part(parts, CURLUPART_HOST, call->host, sizeof call->host);
    copy_part(parts, CURLUPART_SCHEME, scheme, sizeof scheme);
    take_method(call);
    print_name(call, name);
    const struct tw_span_options how = {
        .detached = detached,
        .kind = TW_KIND_CLIENT,
        .name = options->name ? options->name : name,
    };
    call->span = tw_span_begin_with("request", &how);
    tw_tag(call->span, "http.request.method", (const char *)call->method);
    if (parts) tag_url(call, parts);
    curl_url_cleanup(parts);
    if (options->traced) tw_tag(call->span, "aws.xray.traced", (bool)true);
    if (options->attempt) tw_tag(call->span, "http.request.resend_count", options->attempt);
    if (!scheme[0] || strncasecmp(scheme, "http", 4) == 0) give_headers(call, options);
}

static void tag_where(struct tw_curl_call *call)
{
    long port = 0, version = 0, connects = 0;
    char *address = NULL;
    if (curl_easy_getinfo(call->curl, CURLINFO_PRIMARY_IP, &address) == CURLE_OK && address && *address)
        tw_tag(call->span, "network.peer.address", (const char *)address);
    if (curl_easy_getinfo(call->curl, CURLINFO_PRIMARY_PORT, &port) == CURLE_OK && port)
        tw_tag(call->span, "network.peer.port", port);
    curl_easy_getinfo(call->curl, CURLINFO_HTTP_VERSION, &version);
    if (version == CURL_HTTP_VERSION_1_0) tw_tag(call->span, "network.protocol.version", "1.0");
    if (version == CURL_HTTP_VERSION_1_1) tw_tag(call->span, "network.protocol.version", "1.1");
    if (version == CURL_HTTP_VERSION_2_0) tw_tag(call->span, "network.protocol.version", "2");
    if (version == CURL_HTTP_VERSION_3) tw_tag(call->span, "network.protocol.version", "3");
    if (curl_easy_getinfo(call->curl, CURLINFO_NUM_CONNECTS, &connects) == CURLE_OK)
        tw_tag(call->span, "curl.connects", connects);
}

static curl_off_t measured_us(CURL *curl, CURLINFO what)
{
    curl_off_t us = 0;
    return curl_easy_getinfo(curl, what, &us) == CURLE_OK ? us : 0;
}

static void tag_phases(CURL *curl, tw_span span)
{
    const curl_off_t found = measured_us(curl, CURLINFO_NAMELOOKUP_TIME_T);
    const curl_off_t connected = measured_us(curl, CURLINFO_CONNECT_TIME_T);
    const curl_off_t secured = measured_us(curl, CURLINFO_APPCONNECT_TIME_T);
    const curl_off_t sent = measured_us(curl, CURLINFO_PRETRANSFER_TIME_T);
    const curl_off_t answered = measured_us(curl, CURLINFO_STARTTRANSFER_TIME_T);
    if (found > 0) tw_tag(span, "curl.name_lookup_ns", (int64_t)found * 1000);
    if (connected > found) tw_tag(span, "curl.connect_ns", (int64_t)(connected - found) * 1000);
    if (secured > connected) tw_tag(span, "curl.tls_ns", (int64_t)(secured - connected) * 1000);
    if (answered > sent) tw_tag(span, "curl.first_byte_ns", (int64_t)(answered - sent) * 1000);
    tw_tag(span, "curl.total_ns", (int64_t)measured_us(curl, CURLINFO_TOTAL_TIME_T) * 1000);
}

static void tag_sizes(CURL *curl, tw_span span)
{
    curl_off_t size = 0;
    if (curl_easy_getinfo(curl, CURLINFO_SIZE_DOWNLOAD_T, &size) == CURLE_OK && size > 0)
        tw_tag(span, "http.response.body.size", (int64_t)size);
    if (curl_easy_getinfo(curl, CURLINFO_SIZE_UPLOAD_T, &size) == CURLE_OK && size > 0)
        tw_tag(span, "http.request.body.size", (int64_t)size);
}

static void tag_redirects(struct tw_curl_call *call, long redirects)
{
    tw_tag(call->span, "http.request.resend_count", redirects + (long)call->attempt);
    CURLU *parts = parts_of(url_of(call->curl));
    char *text = NULL;
    if (parts && curl_url_get(parts, CURLUPART_URL, &text, 0) == CURLUE_OK)
        tw_tag(call->span, "curl.redirected_to", (const char *)text);
    curl_free(text);
    curl_url_cleanup(parts);
}

static void tag_outcome(struct tw_curl_call *call, CURLcode result)
{
    long status = 0;
    if (curl_easy_getinfo(call->curl, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK && status)
        tw_tag(call->span, "http.response.status_code", status);
    if (status >= 400) {
        char code[CODE_SIZE];
        snprintf(code, sizeof code, "%ld", status);
        tw_tag(call->span, "error.type", (const char *)code);
        tw_span_fail(call->span, NULL);
    } else if (result != CURLE_OK) {
        tw_tag(call->span, "error.type", curl_easy_strerror(result));
        tw_tag(call->span, "curl.code", (int)result);
        tw_span_fail(call->span, curl_easy_strerror(result));
    }
}

static void end(struct tw_curl_call *call, CURLcode result)
{
    long redirects = 0;
    take_headers_back(call);
    if (!tw_span_is_open(call->span)) return;
    curl_easy_getinfo(call->curl, CURLINFO_REDIRECT_COUNT, &redirects);
    if (redirects > 0) {
        tag_redirects(call, redirects);
    } else if (take_method(call)) {
        char name[NAME_SIZE];
        tw_tag(call->span, "http.request.method", (const char *)call->method);
        print_name(call, name);
        if (!call->own_name) tw_span_rename(call->span, name);
    }
    tag_outcome(call, result);
    tag_where(call);
    tag_sizes(call->curl, call->span);
    tag_phases(call->curl, call->span);
    tw_span_end(call->span);
}

static const struct tw_curl_options nothing;

CURLcode tw_curl_perform_with(CURL *curl, const struct tw_curl_options *options)
{
    struct tw_curl_call call;
    if (!options) options = &nothing;
    begin(&call, curl, options, false);
    const CURLcode result = curl_easy_perform(curl);
    end(&call, result);
    return result;
}

CURLcode tw_curl_perform(CURL *curl, struct curl_slist *headers)
{
    return tw_curl_perform_with(curl, &(struct tw_curl_options){.headers = headers});
}

struct tw_curl_call *tw_curl_begin(CURL *curl, const struct tw_curl_options *options)
{
    struct tw_curl_call *call = malloc(sizeof *call);
    if (call) begin(call, curl, options ? options : &nothing, true);
    return call;
}

void tw_curl_end(struct tw_curl_call *call, CURLcode result)
{
    if (!call) return;
    end(call, result);
    free(call);
}

tw_span tw_curl_span(const struct tw_curl_call *call)
{
    return call ? call->span : TW_SPAN_NONE;
}
