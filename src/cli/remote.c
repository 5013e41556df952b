/* remote: questions to a collector, over HTTP.
 *
 * Limits: an answer of ANSWER_MAX (where it is read as it comes, what belongs to one sender of it), a question of a
 * minute. Nothing is asked twice (what is sent is, when the collector has no room for it now), and no redirect is
 * followed: the token goes to the address that was named and nowhere else. What a search on the other side cannot say
 * as the options mean it is left out of the question: names and states of whole requests beside a filter on one of
 * their spans, for example. The caller looks at what comes anyway.
 */
#include "cli/remote.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/os.h"
#include "wire/otlp_pieces.h"

enum {
    SEND_TRIES = 120,
    BASE_MAX = 512,
    TOKEN_MAX = 512,
    SPANS_LIMIT = 10000,
    PREFIX_LIMIT = 1000,
    PIECE_BYTES = 1 << 20
};
static const size_t ANSWER_MAX = (size_t)1 << 30;
static const uint64_t TRY_NS = 500000000;
static const uint64_t PATIENCE_NS = 2000000000;  /* with a request, of who was told to stop */
static const uint64_t LONGEST_NS = 600000000000; /* of a request that is found by when it ended */

struct tw__remote {
    CURL *curl;
    struct curl_slist *headers;
    char base[BASE_MAX];
    struct tw__buf path, where, body;
    struct tw__remote_spans spans;
    struct tw__otlp_pieces *pieces; /* where a good answer goes as it comes; NULL: body */
    struct tw__remote_stream stream;
    int stream_error;
    unsigned parameters;
    bool writes; /* it asks for the other token */
    uint64_t began_ns;
};

/* -- the connection */

/* curl asks this about once a second. */
static int give_up(void *data, curl_off_t to_come, curl_off_t come, curl_off_t to_go, curl_off_t gone)
{
    const struct tw__remote *remote = data;
    (void)to_come;
    (void)come;
    (void)to_go;
    (void)gone;
    return tw__stopped() && tw__clock_mono_ns() - remote->began_ns > PATIENCE_NS;
}

static size_t take_body(char *bytes, size_t size, size_t count, void *data)
{
    struct tw__remote *remote = data;
    struct tw__buf *body = &remote->body;
    size_t len = size * count;
    long status = 0;
    if (remote->pieces) (void)curl_easy_getinfo(remote->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status == 200) {
        remote->stream_error = tw__otlp_pieces_feed(remote->pieces, bytes, len);
        return remote->stream_error ? 0 : len;
    }
    if (body->len + len > ANSWER_MAX) return 0;
    tw__buf_add(body, bytes, len);
    return body->failed ? 0 : len;
}

/* URL, ADDR:PORT, :PORT or PORT. */
static bool set_base(struct tw__remote *remote, const char *server)
{
    const char *scheme = strstr(server, "://") ? "" : "http://";
    const char *host = server[0] == ':' ? "127.0.0.1" : server[strspn(server, "0123456789")] ? "" : "127.0.0.1:";
    int len = snprintf(remote->base, sizeof remote->base, "%s%s%s", scheme, host, server);
    if (len <= 0 || (size_t)len >= sizeof remote->base) return false;
    for (; len > 0 && remote->base[len - 1] == '/'; len--) remote->base[len - 1] = '\0';
    return true;
}

static bool read_token(const struct tw__args *args, char token[TOKEN_MAX])
{
    const char *given = getenv("TRACKWAY_TOKEN");
    token[0] = '\0';
    if (args->token_file) {
        FILE *file = fopen(args->token_file, "re");
        size_t len = file ? fread(token, 1, TOKEN_MAX - 1, file) : 0;
        if (file) (void)fclose(file);
        token[len] = '\0';
        token[strcspn(token, "\r\n")] = '\0';
        if (!token[0]) tw__complain("%s: there is no token in it", args->token_file);
        return token[0] != '\0';
    }
    if (given && strlen(given) < TOKEN_MAX) (void)strcpy(token, given);
    token[strcspn(token, "\r\n")] = '\0';
    return true;
}

int tw__remote_new(const struct tw__args *args, struct tw__remote **out)
{
    char token[TOKEN_MAX], header[TOKEN_MAX + 32];
    struct tw__remote *remote = calloc(1, sizeof *remote);
    if (!remote) return tw__out_of_memory();
    bool named = set_base(remote, args->server);
    if (!named) tw__complain("--server: the address is too long");
    if (!named || !read_token(args, token)) {
        free(remote);
        return TW__EXIT_USAGE;
    }
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
    remote->curl = curl_easy_init();
    if (!remote->curl) {
        free(remote);
        return tw__out_of_memory();
    }
    (void)snprintf(header, sizeof header, "Authorization: Bearer %s", token);
    if (token[0]) remote->headers = curl_slist_append(NULL, header);
    const char *authorities = getenv("SSL_CERT_FILE");
    (void)curl_easy_setopt(remote->curl, CURLOPT_HTTPHEADER, remote->headers);
    (void)curl_easy_setopt(remote->curl, CURLOPT_WRITEFUNCTION, take_body);
    (void)curl_easy_setopt(remote->curl, CURLOPT_WRITEDATA, remote);
    (void)curl_easy_setopt(remote->curl, CURLOPT_NOPROGRESS, 0L);
    (void)curl_easy_setopt(remote->curl, CURLOPT_XFERINFOFUNCTION, give_up);
    (void)curl_easy_setopt(remote->curl, CURLOPT_XFERINFODATA, remote);
    (void)curl_easy_setopt(remote->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(remote->curl, CURLOPT_NOPROXY, "*");
    (void)curl_easy_setopt(remote->curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(remote->curl, CURLOPT_CONNECTTIMEOUT, 10L);
    (void)curl_easy_setopt(remote->curl, CURLOPT_TIMEOUT, 60L);
    if (authorities) (void)curl_easy_setopt(remote->curl, CURLOPT_CAINFO, authorities);
    *out = remote;
    return TW__EXIT_OK;
}

void tw__remote_free(struct tw__remote *remote)
{
    if (!remote) return;
    curl_easy_cleanup(remote->curl);
    curl_slist_free_all(remote->headers);
    tw__buf_fini(&remote->path);
    tw__buf_fini(&remote->where);
    tw__buf_fini(&remote->body);
    tw__spans_fini(&remote->spans.spans);
    tw__remote_stream_fini(&remote->stream);
    free(remote);
}

/* What the collector says of an error: {"error": "..."}. */
static const char *told_error(struct tw__remote *remote)
{
    tw__buf_char(&remote->body, '\0');
    char *text = remote->body.failed ? NULL : strstr(remote->body.ptr, "\"error\":");
    if (text) text = strchr(text + 8, '"');
    if (!text) return "no collector of this kind, it seems";
    text++;
    text[strcspn(text, "\"")] = '\0';
    return text;
}

static int complain_of(struct tw__remote *remote, long status)
{
    if (status == 401 || status == 403)
        tw__complain(
            "the collector at %s refuses the token (%ld): --token-file, or TRACKWAY_TOKEN; it is the one for %s",
            remote->base, status, remote->writes ? "writing" : "reading");
    else
        tw__complain("the collector at %s answers %ld: %s", remote->base, status, told_error(remote));
    return TW__EXIT_FAILED;
}

static int complain_of_answer(const struct tw__remote *remote, int error)
{
    if (error == TW_ERR_MEMORY) return tw__out_of_memory();
    tw__complain("what %s answers is not understood: %s", remote->base, tw_err_text(error));
    return TW__EXIT_FAILED;
}

/* Goes to path. *status is the answer's. */
static int perform(struct tw__remote *remote, long *status)
{
    tw__buf_reset(&remote->body);
    remote->began_ns = tw__clock_mono_ns();
    (void)curl_easy_setopt(remote->curl, CURLOPT_URL, remote->path.ptr);
    CURLcode code = curl_easy_perform(remote->curl);
    if (code == CURLE_COULDNT_CONNECT) {
        tw__complain("nobody listens at %s; is trackway serve running there? Its --http address is asked",
                     remote->base);
        return TW__EXIT_FAILED;
    }
    if (code == CURLE_ABORTED_BY_CALLBACK) {
        tw__complain("stopped before %s answered", remote->base);
        return TW__EXIT_FAILED;
    }
    if (remote->stream_error) return complain_of_answer(remote, remote->stream_error);
    if (code != CURLE_OK) {
        tw__complain("%s: %s", remote->base, curl_easy_strerror(code));
        return code == CURLE_URL_MALFORMAT ? TW__EXIT_USAGE : TW__EXIT_FAILED;
    }
    (void)curl_easy_getinfo(remote->curl, CURLINFO_RESPONSE_CODE, status);
    return TW__EXIT_OK;
}

/* Asks what path says: *status is 200, or with missing (may be NULL) 404. */
static int ask_path(struct tw__remote *remote, bool *missing)
{
    long status = 0;
    tw__buf_char(&remote->path, '\0');
    if (remote->path.failed || remote->where.failed) return tw__out_of_memory();
    int code = perform(remote, &status);
    if (code != TW__EXIT_OK) return code;
    if (missing) *missing = status == 404;
    if (status == 200 || (status == 404 && missing)) return TW__EXIT_OK;
    return complain_of(remote, status);
}

/* Asks, and fills the sources with the answer. */
static int ask(struct tw__sources *sources)
{
    struct tw__remote *remote = sources->remote;
    int code = ask_path(remote, NULL);
    if (code != TW__EXIT_OK) return code;
    int error = tw__remote_decode(&remote->spans, remote->body.ptr, remote->body.len);
    if (error == 0) error = tw__remote_fill(sources, &remote->spans, tw__clock_wall_ns());
    return error < 0 ? complain_of_answer(remote, error) : TW__EXIT_OK;
}

static int take_piece(void *data, const char *text, size_t len)
{
    return tw__remote_stream_take(data, text, len);
}

/* Asks, and fills the batch with the answer as it comes. */
static int ask_streaming(struct tw__remote *remote, struct tw_batch *batch, bool *missing)
{
    struct tw__otlp_pieces pieces = {
        .piece_bytes = PIECE_BYTES, .limit_bytes = ANSWER_MAX, .take = take_piece, .data = &remote->stream};
    remote->stream.batch = batch;
    remote->pieces = &pieces;
    int code = ask_path(remote, missing);
    remote->pieces = NULL;
    int error = code == TW__EXIT_OK && !*missing ? tw__otlp_pieces_end(&pieces) : 0;
    tw__remote_stream_end(&remote->stream, tw__clock_wall_ns());
    tw__otlp_pieces_fini(&pieces);
    return error < 0 ? complain_of_answer(remote, error) : code;
}

/* -- questions */

static void begin(struct tw__remote *remote, const char *path)
{
    tw__buf_reset(&remote->path);
    tw__buf_reset(&remote->where);
    tw__buf_cstr(&remote->path, remote->base);
    tw__buf_cstr(&remote->path, path);
    remote->parameters = 0;
}

static void add_text(struct tw__remote *remote, const char *name, const char *text, size_t len)
{
    tw__buf_fmt(&remote->path, "%c%s=", remote->parameters++ ? '&' : '?', name);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (isalnum(c) || c == '-' || c == '_' || c == '.')
            tw__buf_char(&remote->path, (char)c);
        else
            tw__buf_fmt(&remote->path, "%%%02X", (unsigned)c);
    }
}

static void add_number(struct tw__remote *remote, const char *name, uint64_t number, const char *unit)
{
    tw__buf_fmt(&remote->path, "%c%s=%llu%s", remote->parameters++ ? '&' : '?', name, (unsigned long long)number, unit);
}

static bool is_glob(const char *text)
{
    return text[strcspn(text, "*?[\\")] != '\0';
}

static void add_where(struct tw__remote *remote)
{
    if (remote->where.len) add_text(remote, "where", remote->where.ptr, remote->where.len);
}

static void want(struct tw__remote *remote, const char *condition)
{
    if (remote->where.len) tw__buf_char(&remote->where, ' ');
    tw__buf_cstr(&remote->where, condition);
}

/* The beginning of a pattern, up to what is not plain, as a condition. */
static void want_beginning(struct tw__remote *remote, const char *field, const char *pattern)
{
    size_t len = strcspn(pattern, "*?[\\\"'");
    if (len == 0) return;
    if (remote->where.len) tw__buf_char(&remote->where, ' ');
    tw__buf_fmt(&remote->where, "%s~\"^", field);
    for (size_t i = 0; i < len; i++) {
        bool plain = isalnum((unsigned char)pattern[i]) || (unsigned char)pattern[i] >= 0x80 || pattern[i] == ' ';
        if (plain)
            tw__buf_char(&remote->where, pattern[i]);
        else
            tw__buf_fmt(&remote->where, "[%s%c]", pattern[i] == '^' ? "\\\\" : "", pattern[i]);
    }
    tw__buf_char(&remote->where, '"');
}

/* The filter that was given, and the process: true of the same span. A tuple text stands alone. Returns whether more
 * can be added. */
static bool want_given(struct tw__remote *remote, const struct tw__args *args)
{
    const char *text = args->where_text;
    if (text && strchr("[{", text[strspn(text, " \t\n")])) {
        tw__buf_cstr(&remote->where, text);
        return false;
    }
    if (text) tw__buf_fmt(&remote->where, "(%s)", text);
    if (args->given & TW__OPT_PID) {
        if (remote->where.len) tw__buf_char(&remote->where, ' ');
        tw__buf_fmt(&remote->where, "pid=%u", args->pid);
    }
    if (args->service && is_glob(args->service)) want_beginning(remote, "service", args->service);
    return true;
}

static void add_service(struct tw__remote *remote, const struct tw__args *args)
{
    if (args->service && !is_glob(args->service)) add_text(remote, "service", args->service, strlen(args->service));
}

static void want_status(struct tw__remote *remote, const struct tw__args *args)
{
    if (args->status && strcmp(args->status, "error") == 0) want(remote, "status=error");
    if (args->status && strcmp(args->status, "ok") == 0) want(remote, "status=ok");
}

static void keep_wanted(struct tw__sources *sources, const struct tw__args *args)
{
    size_t kept = 0;
    for (size_t i = 0; i < sources->count; i++)
        if (tw__source_wanted(args, &sources->items[i].process)) sources->items[kept++] = sources->items[i];
    sources->count = kept;
}

int tw__remote_traces(struct tw__sources *sources, const struct tw__args *args, uint64_t limit, bool *more)
{
    struct tw__remote *remote = sources->remote;
    begin(remote, "/api/tw/otlp/traces");
    bool free_to_add = want_given(remote, args) && !args->where_text;
    if (free_to_add && args->status)
        want_status(remote, args);
    else if (free_to_add && args->name && !args->service)
        want_beginning(remote, "name", args->name);
    add_where(remote);
    add_service(remote, args);
    if (args->min_duration_ns) add_number(remote, "min_trace", args->min_duration_ns, "ns");
    if (args->given & TW__OPT_SINCE) add_number(remote, "since", args->since_ns + LONGEST_NS, "ns");
    if (strcmp(args->sort, "duration") == 0) add_text(remote, "order", "slowest", 7);
    add_number(remote, "limit", limit, "");
    int code = ask(sources);
    if (code == TW__EXIT_OK) keep_wanted(sources, args);
    *more = remote->spans.more;
    return code;
}

int tw__remote_trace(struct tw__sources *sources, const uint8_t id[16], struct tw_batch **batch)
{
    char path[64], hex[TW_TRACE_ID_HEX_LEN + 1];
    bool missing = false;
    struct tw_batch *made = tw__batch_new();
    if (!made) return tw__out_of_memory();
    tw_trace_id_format(id, hex);
    (void)snprintf(path, sizeof path, "/api/tw/otlp/traces/%s", hex);
    begin(sources->remote, path);
    add_number(sources->remote, "links", 1, "");
    int code = ask_streaming(sources->remote, made, &missing);
    if (code == TW__EXIT_OK && missing) {
        tw__complain("trace %s is not in the collector at %s: not sent yet, expired, or never sent", hex,
                     sources->remote->base);
        code = TW__EXIT_FAILED;
    }
    if (code == TW__EXIT_OK && tw__batch_build(made) < 0) code = tw__out_of_memory();
    if (code == TW__EXIT_OK && sources->remote->stream.piece.more)
        tw__complain("a trace as large as this comes without tags, events and links");
    if (code == TW__EXIT_OK)
        *batch = made;
    else
        tw__batch_free(made);
    return code;
}

int tw__remote_prefix(struct tw__sources *sources, const char *digits, const uint8_t number[16])
{
    struct tw__remote *remote = sources->remote;
    char hex[TW_TRACE_ID_HEX_LEN + 1];
    begin(remote, "/api/tw/otlp/spans");
    tw__buf_cstr(&remote->where, "trace_id~\"^");
    for (; *digits; digits++) tw__buf_char(&remote->where, (char)tolower((unsigned char)*digits));
    tw__buf_char(&remote->where, '"');
    if (number) {
        tw_trace_id_format(number, hex);
        tw__buf_fmt(&remote->where, " or trace_id=\"%s\"", hex);
    }
    add_where(remote);
    add_number(remote, "limit", PREFIX_LIMIT, "");
    return ask(sources);
}

/* Conditions of single spans, all of one span. */
static int ask_spans(struct tw__sources *sources, const struct tw__args *args, const char *condition)
{
    struct tw__remote *remote = sources->remote;
    if (want_given(remote, args)) {
        if (condition) want(remote, condition);
        want_status(remote, args);
        if (args->name) want_beginning(remote, "name", args->name);
    }
    add_where(remote);
    add_service(remote, args);
    add_number(remote, "limit", SPANS_LIMIT, "");
    int code = ask(sources);
    if (code == TW__EXIT_OK) keep_wanted(sources, args);
    return code;
}

int tw__remote_open(struct tw__sources *sources, const struct tw__args *args)
{
    begin(sources->remote, "/api/tw/otlp/spans");
    int code = ask_spans(sources, args, "open=true");
    if (code == TW__EXIT_OK && sources->remote->spans.more)
        tw__complain("these are the newest %d of more; ask for less", SPANS_LIMIT);
    return code;
}

int tw__remote_ended(struct tw__sources *sources, const struct tw__args *args, uint64_t ended_since_ns)
{
    begin(sources->remote, "/api/tw/otlp/spans");
    add_number(sources->remote, "since", LONGEST_NS, "ns");
    add_number(sources->remote, "ended_since", ended_since_ns, "");
    int code = ask_spans(sources, args, args->given & TW__OPT_SPANS ? NULL : "root=true");
    if (code == TW__EXIT_OK && sources->remote->spans.more)
        tw__complain("more than %d spans a look: some are not shown", SPANS_LIMIT);
    return code;
}

/* -- spans that are sent */

/* The number of a member of a short answer; 0: it is not there. */
static uint64_t told_number(struct tw__remote *remote, const char *member)
{
    tw__buf_char(&remote->body, '\0');
    const char *at = remote->body.failed ? NULL : strstr(remote->body.ptr, member);
    return at ? strtoull(at + strlen(member), NULL, 10) : 0;
}

int tw__remote_send(struct tw__remote *remote, const char *json, size_t len, uint64_t *refused)
{
    long status = 0;
    int code = TW__EXIT_OK;
    remote->writes = true;
    begin(remote, "/api/tw/otlp/spans");
    tw__buf_char(&remote->path, '\0');
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    headers = curl_slist_append(headers, "Expect:");
    if (remote->headers) headers = curl_slist_append(headers, remote->headers->data);
    if (!headers || remote->path.failed) {
        curl_slist_free_all(headers);
        return tw__out_of_memory();
    }
    (void)curl_easy_setopt(remote->curl, CURLOPT_HTTPHEADER, headers);
    (void)curl_easy_setopt(remote->curl, CURLOPT_POSTFIELDS, json);
    (void)curl_easy_setopt(remote->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
    for (int i = 0; i < SEND_TRIES; i++) {
        code = perform(remote, &status);
        if (code != TW__EXIT_OK || (status != 503 && status != 429)) break;
        if (i == 0)
            tw__complain("the collector at %s answers %ld: %s; it is asked again for a minute", remote->base, status,
                         told_error(remote));
        tw__os_sleep_ns(TRY_NS);
    }
    if (code == TW__EXIT_OK && status != 200) code = complain_of(remote, status);
    if (code == TW__EXIT_OK) *refused += told_number(remote, "\"rejected\":");
    (void)curl_easy_setopt(remote->curl, CURLOPT_HTTPHEADER, remote->headers);
    (void)curl_easy_setopt(remote->curl, CURLOPT_HTTPGET, 1L);
    curl_slist_free_all(headers);
    return code;
}
