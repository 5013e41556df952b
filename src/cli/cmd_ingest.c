/* ingest: JSON lines from a file or stdin into a collector, or into a data folder that no collector has open.
 *
 * What lines are understood is ingest/lines.h's. A collector gets them as OpenTelemetry's JSON, SEND_SPANS a request,
 * and says of each whether it is stored; its rules on what is dropped and redacted apply. A data folder gets them as
 * they are.
 *
 * Limits: LINE_BYTES_MAX a line. What was taken stays taken when it ends early: a span that comes again is still one.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/line_in.h"
#include "cli/data.h"
#include "cli/remote.h"
#include "ingest/lines.h"
#include "wire/human.h"
#include "wire/json.h"
#include "wire/otlp_json.h"

enum { LINE_BYTES_MAX = 64 << 20, CHUNK = 1 << 17, SEND_SPANS = 2048, SEND_BYTES = 16 << 20, TOLD_MAX = 10 };
static const uint64_t TIMEOUT_NS = 60000000000, LIVELY_NS = 250000000, QUIET_NS = 10000000000;

struct taking {
    struct tw__lines *lines;
    struct tw__store *store;   /* one of the two */
    struct tw__remote *remote; /* NULL: the store */
    struct tw__buf body;
    struct tw__line_in in;
    bool told;       /* an error of the other side has been told */
    bool lively;     /* stderr is a terminal */
    uint64_t number; /* of the line */
    uint64_t read_bytes, size_bytes, shown_ns;
    uint64_t refused; /* by the collector: ids missing */
};

/* -- where spans go */

static int send_spans(struct taking *taking, const struct tw__spans *spans)
{
    size_t at = 0, most = SEND_SPANS;
    while (at < spans->count) {
        size_t count = spans->count - at < most ? spans->count - at : most;
        tw__buf_reset(&taking->body);
        tw__otlp_json(spans, at, count, &taking->body);
        if (taking->body.failed) return TW_ERR_MEMORY;
        if (taking->body.len > SEND_BYTES && count > 1) {
            most = count / 2;
            continue;
        }
        uint64_t refused = 0;
        if (tw__remote_send(taking->remote, taking->body.ptr, taking->body.len, &refused) != TW__EXIT_OK) {
            taking->told = true;
            return TW_ERR_SYSTEM;
        }
        taking->refused += refused;
        at += count;
    }
    return 0;
}

static int take(void *data, struct tw__spans *spans)
{
    struct taking *taking = data;
    return taking->remote ? send_spans(taking, spans) : tw__data_write(taking->store, spans);
}

/* -- lines */

static void show_progress(struct taking *taking, bool last)
{
    uint64_t now_ns = tw__clock_mono_ns();
    if (!last && now_ns - taking->shown_ns < (taking->lively ? LIVELY_NS : QUIET_NS)) return;
    if (last && !taking->lively) return;
    taking->shown_ns = now_ns;
    struct tw__lines_counts counts = tw__lines_counts(taking->lines);
    if (last) {
        (void)fputs("\r\033[K", stderr);
        return;
    }
    (void)fprintf(stderr, "%strackway: %" PRIu64 " lines, %" PRIu64 " spans, %s", taking->lively ? "\r\033[K" : "",
                  counts.lines, counts.spans, tw__human_bytes(taking->read_bytes).text);
    if (taking->size_bytes > taking->read_bytes)
        (void)fprintf(stderr, " of %s", tw__human_bytes(taking->size_bytes).text);
    (void)fputs(taking->lively ? "" : "\n", stderr);
    (void)fflush(stderr);
}

static void tell_bad(struct taking *taking)
{
    struct tw__lines_counts counts = tw__lines_counts(taking->lines);
    size_t at;
    const char *why = tw__lines_why(taking->lines, &at);
    if (taking->lively) show_progress(taking, true);
    if (counts.bad <= TOLD_MAX) tw__complain("line %" PRIu64 ", byte %zu: %s", taking->number, at, why);
    if (counts.bad == TOLD_MAX) tw__complain("further lines that are not understood are counted only");
}

static int take_line(struct taking *taking, const char *text, size_t len)
{
    taking->number++;
    int code = tw__lines_take(taking->lines, text, len);
    if (code == TW_ERR_SYNTAX) {
        tell_bad(taking);
        code = 0;
    }
    return code;
}

static int take_bytes(struct taking *taking, const char *bytes, size_t len)
{
    const char *line;
    size_t line_len;
    int code;
    while ((code = tw__line_in_next(&taking->in, &bytes, &len, &line, &line_len)) > 0)
        if ((code = take_line(taking, line, line_len)) < 0) return code;
    if (code == TW_ERR_RANGE) {
        tw__complain("line %" PRIu64 " is longer than %d MiB; is this a file of lines?", taking->number + 1,
                     LINE_BYTES_MAX >> 20);
        taking->told = true;
    }
    return code;
}

static int read_all(struct taking *taking, int fd)
{
    char *chunk = malloc(CHUNK);
    const char *line;
    size_t line_len;
    int code = chunk ? 0 : TW_ERR_MEMORY;
    while (code >= 0) {
        ssize_t len = read(fd, chunk, CHUNK);
        if (len < 0 && errno == EINTR) continue;
        if (len < 0) {
            tw__complain("cannot read: %s", strerror(errno));
            taking->told = true;
            code = TW_ERR_SYSTEM;
        }
        if (len <= 0) break;
        taking->read_bytes += (uint64_t)len;
        code = take_bytes(taking, chunk, (size_t)len);
        show_progress(taking, false);
    }
    free(chunk);
    if (code >= 0 && tw__line_in_last(&taking->in, &line, &line_len)) code = take_line(taking, line, line_len);
    if (code >= 0) code = tw__lines_end(taking->lines, true);
    return code;
}

/* -- the end */

static void also(struct tw__buf *out, uint64_t count, const char *one, const char *many)
{
    if (count) tw__buf_fmt(out, ", %" PRIu64 " %s", count, count == 1 ? one : many);
}

static int report(const struct taking *taking, const struct tw__args *args)
{
    struct tw__lines_counts counts = tw__lines_counts(taking->lines);
    uint64_t rejected = counts.rejected + taking->refused;
    struct tw__buf out = {0};
    struct tw__json json = {.out = &out};
    int code = TW__EXIT_OK;
    if (args->given & TW__OPT_JSON) {
        tw__json_open(&json, NULL, '{');
        tw__json_u64(&json, "lines", counts.lines);
        tw__json_u64(&json, "spans", counts.spans - taking->refused);
        tw__json_u64(&json, "bad_lines", counts.bad);
        tw__json_u64(&json, "rejected_spans", rejected);
        tw__json_u64(&json, "unanswered_requests", counts.unanswered);
        tw__json_u64(&json, "lost_events", counts.lost_events);
        tw__json_close(&json, '}');
        tw__json_line(&json);
        code = tw__out_write(&out);
    } else {
        tw__buf_fmt(&out, "%" PRIu64 " line%s, %" PRIu64 " span%s taken", counts.lines, counts.lines == 1 ? "" : "s",
                    counts.spans - taking->refused, counts.spans - taking->refused == 1 ? "" : "s");
        also(&out, counts.bad, "line not understood", "lines not understood");
        also(&out, rejected, "span rejected", "spans rejected");
        also(&out, counts.unanswered, "request without a response", "requests without a response");
        also(&out, counts.lost_events, "event without its span", "events without their spans");
        tw__buf_char(&out, '\0');
        if (!out.failed) tw__complain("%s", out.ptr);
    }
    tw__buf_fini(&out);
    return counts.bad || rejected ? TW__EXIT_FAILED : code;
}

static int run(struct taking *taking, const struct tw__args *args, int fd)
{
    static const char *const words[] = {"records", "calls", "otlp"};
    static const enum tw__lines_form forms[] = {TW__LINES_RECORDS, TW__LINES_CALLS, TW__LINES_OTLP};
    struct tw__lines_config config = {.door = TW__DOOR_IMPORT, .timeout_ns = TIMEOUT_NS, .take = take, .data = taking};
    struct stat there;
    for (size_t i = 0; args->format && i < 3; i++)
        if (strcmp(args->format, words[i]) == 0) config.form = forms[i];
    taking->lines = tw__lines_new(&config);
    if (!taking->lines) return tw__out_of_memory();
    taking->lively = isatty(STDERR_FILENO) == 1;
    taking->shown_ns = tw__clock_mono_ns();
    if (fstat(fd, &there) == 0 && S_ISREG(there.st_mode)) taking->size_bytes = (uint64_t)there.st_size;
    int error = read_all(taking, fd);
    if (error >= 0 && taking->store) error = tw__store_flush(taking->store);
    show_progress(taking, true);
    int code = report(taking, args);
    if (error < 0 && !taking->told) tw__complain("it ended early: %s", tw_err_text(error));
    tw__lines_free(taking->lines);
    return error < 0 ? TW__EXIT_FAILED : code;
}

static int open_folder(const struct tw__args *args, struct tw__store **out)
{
    char folder[TW__DATA_MAX], why[TW_WHY_MAX];
    struct tw__store_options options = {.folder = args->data ? args->data : folder};
    if (!args->data && !tw__data_folder(folder)) {
        tw__complain("there is no folder for your data: --data DIR, or --server ADDR");
        return TW__EXIT_USAGE;
    }
    int code = tw__store_open(&options, out, why);
    if (code == 0) return TW__EXIT_OK;
    tw__complain("%s", why);
    if (code == TW_ERR_STATE)
        tw__complain("send it to the collector that has it open: trackway ingest --server ADDR:PORT");
    return TW__EXIT_FAILED;
}

int tw__cmd_ingest(const struct tw__args *args)
{
    const char *path = args->operands[0];
    struct taking taking = {.in = {.max_bytes = LINE_BYTES_MAX}};
    if (args->server && args->given & TW__OPT_DATA && args->given & TW__OPT_SERVER) {
        tw__complain("ingest: --server or --data, not both");
        return TW__EXIT_USAGE;
    }
    if (strcmp(path, "-") == 0 && isatty(STDIN_FILENO) == 1)
        tw__complain("reading lines from the terminal; Ctrl-D ends");
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    if (!file) {
        tw__complain("%s: %s", path, strerror(errno));
        return TW__EXIT_FAILED;
    }
    bool remote = args->server && !(args->given & TW__OPT_DATA);
    int code = remote ? tw__remote_new(args, &taking.remote) : open_folder(args, &taking.store);
    if (code == TW__EXIT_OK) code = run(&taking, args, fileno(file));
    tw__store_close(taking.store);
    tw__remote_free(taking.remote);
    tw__buf_fini(&taking.body);
    tw__line_in_fini(&taking.in);
    if (file != stdin) (void)fclose(file);
    return code;
}
