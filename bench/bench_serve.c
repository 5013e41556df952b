/* bench_serve: how many spans a second of its own processor time the collector takes in, from the socket to the durable
 * store and its blocks.
 *
 * For each door a collector is started on an empty folder, given so many spans of the generator in requests of 512 over
 * two connections, and ended with SIGTERM. Its processor time is what the kernel says after its end, all of it: start,
 * threads, journal, blocks, end. One second of it is one second of a core. Memory is the largest it had.
 *
 * The floor in the same run: the same requests decoded by our own walk and thrown away.
 *
 * Segments: a process records spans of nine tags, 400,000 a second in bursts, and measures what a span costs it, first alone
 * and then read by the collector: the collector's time a span, and the process's.
 */
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libdeflate.h>

#include <trackway/trackway.h>

#include "bench.h"
#include "generator.h"
#include "serve_clients.h"
#include "wire/otlp.h"
#include "wire/otlp_dec.h"

enum { REQUEST_SPANS = 512, SPANS = 786432, CLIENTS = 2, PREFIX = 5, ROOM = 2 << 20 };

static struct request plain[SPANS / REQUEST_SPANS], packed[SPANS / REQUEST_SPANS];
static struct request plain_grpc[SPANS / REQUEST_SPANS], packed_grpc[SPANS / REQUEST_SPANS];
static size_t request_count;
static char folder[128], program[1024];

static struct request copy_of(const void *bytes, size_t len, int prefix)
{
    struct request request = {malloc(len + PREFIX), len};
    if (!request.bytes) bench_die("memory");
    size_t at = 0;
    if (prefix >= 0) {
        const char five[PREFIX] = {(char)prefix, (char)(len >> 24), (char)(len >> 16), (char)(len >> 8), (char)len};
        memcpy(request.bytes, five, PREFIX);
        at = PREFIX;
    }
    memcpy(request.bytes + at, bytes, len);
    request.len += at;
    return request;
}

static struct tw_text encode(const struct tw__spans *spans, void *room)
{
    const struct tw__resource *sender = &spans->resources[spans->items[0].resource];
    struct tw__otlp_resource resource = {.attributes = sender->tags, .attribute_count = sender->tag_count};
    struct tw__otlp_enc enc;
    tw__otlp_begin(&enc, room, ROOM, &resource);
    for (size_t i = 0; i < spans->count; i++) {
        const struct tw__span *span = &spans->items[i];
        struct tw_record record = {.kind = TW_RECORD_SPAN, .time_ns = span->start_ns, .end_ns = span->end_ns};
        memcpy(record.trace_id, span->trace_id, sizeof record.trace_id);
        memcpy(record.span_id, span->span_id, sizeof record.span_id);
        memcpy(record.parent_id, span->parent_id, sizeof record.parent_id);
        record.name = span->name;
        record.span_kind = span->kind == TW__KIND_UNSPECIFIED ? TW_KIND_INTERNAL : (enum tw_span_kind)span->kind;
        record.status = (enum tw_status)span->status;
        record.status_message = span->status_message;
        record.tags = span->tags;
        record.tag_count = span->tag_count;
        const struct tw__span_in in = {.record = &record};
        if (tw__otlp_span(&enc, &in) < 0) bench_die("a request of 512 spans does not fit");
    }
    return tw__otlp_end(&enc);
}

static void prepare(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    struct generator *generator = generator_new(1, (uint64_t)now.tv_sec * 1000000000 - 60000000000, 50000);
    struct libdeflate_compressor *compressor = libdeflate_alloc_compressor(6);
    struct tw__spans spans = {0};
    char *room = malloc(ROOM), *small = malloc(ROOM);
    if (!generator || !compressor || !room || !small) bench_die("memory");
    size_t bytes = 0, packed_bytes = 0;
    for (size_t i = 0; i < SPANS / REQUEST_SPANS; i++) {
        if (generator_fill(generator, &spans, REQUEST_SPANS, true) < 0) bench_die("memory");
        struct tw_text request = encode(&spans, room);
        size_t len = libdeflate_gzip_compress(compressor, request.ptr, request.len, small, ROOM);
        plain[i] = copy_of(request.ptr, request.len, -1);
        packed[i] = copy_of(small, len, -1);
        plain_grpc[i] = copy_of(request.ptr, request.len, 0);
        packed_grpc[i] = copy_of(small, len, 1);
        bytes += request.len;
        packed_bytes += len;
    }
    request_count = SPANS / REQUEST_SPANS;
    if (!bench_options.json)
        printf("%d spans, %.0f bytes each, %.0f in gzip; requests of %d over %d connections\n", SPANS,
               (double)bytes / SPANS, (double)packed_bytes / SPANS, REQUEST_SPANS, CLIENTS);
    free(room);
    free(small);
    libdeflate_free_compressor(compressor);
    tw__spans_fini(&spans);
    generator_free(generator);
}

struct collector {
    pid_t pid;
    unsigned http, otlp_http, otlp_grpc;
};

static unsigned port_of(const char *text, const char *name)
{
    const char *at = strstr(text, name), *colon = at ? strchr(at + strlen(name) + 2, ':') : NULL;
    return colon ? (unsigned)atoi(colon + 1) : 0;
}

static struct collector start(const char *segments)
{
    struct collector collector = {0};
    char ready[256], data[256], text[2048] = "";
    (void)snprintf(ready, sizeof ready, "%s/ready", folder);
    (void)snprintf(data, sizeof data, "%s/data", folder);
    (void)unlink(ready);
    collector.pid = fork();
    if (collector.pid == 0) {
        int null = open("/dev/null", O_WRONLY);
        (void)dup2(null, STDOUT_FILENO);
        (void)execl(program, program, "serve", "--data", data, "--http", "127.0.0.1:0", "--otlp-http", "127.0.0.1:0",
                    "--otlp-grpc", "127.0.0.1:0", "--fdb", "off", "--xray", "off", "--zipkin", "off", "--segments",
                    segments, "--ready-file", ready, (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < 1000 && !collector.http; i++) {
        usleep(10000);
        FILE *file = fopen(ready, "r");
        if (!file) continue;
        text[fread(text, 1, sizeof text - 1, file)] = '\0';
        (void)fclose(file);
        collector.otlp_http = port_of(text, "\"otlp-http\"");
        collector.otlp_grpc = port_of(text, "\"otlp-grpc\"");
        collector.http = port_of(text, "\"http\"");
    }
    if (!collector.http) bench_die("trackway serve did not start");
    return collector;
}

struct result {
    double cpu_s, memory_mb, stored;
};

/* The largest memory it had since its exec; rusage also counts what it shared with us before. */
static double peak_mb(pid_t pid)
{
    char path[64], line[256];
    unsigned long kb = 0;
    (void)snprintf(path, sizeof path, "/proc/%ld/status", (long)pid);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "VmHWM: %lu", &kb) == 1) break;
    if (file) (void)fclose(file);
    return (double)kb / 1024;
}

static double counter(const char *text, const char *series)
{
    const char *at = strstr(text, series);
    return at ? strtod(at + strlen(series), NULL) : 0;
}

static struct result end(struct collector collector, const char *door)
{
    static char text[16 << 20]; /* 2,000 operations have their series there */
    char series[128], remove[300];
    struct result result = {0};
    struct rusage usage;
    int status;
    (void)snprintf(series, sizeof series, "trackway_door_spans_total{door=\"%s\"} ", door);
    if (!serve_get(collector.http, "/metrics", text, sizeof text)) bench_die("/metrics");
    result.stored = counter(text, series);
    result.memory_mb = peak_mb(collector.pid);
    (void)kill(collector.pid, SIGTERM);
    if (wait4(collector.pid, &status, 0, &usage) < 0 || status != 0) bench_die("trackway serve did not end well");
    result.cpu_s = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                   (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    (void)snprintf(remove, sizeof remove, "rm -rf %s/data", folder);
    if (system(remove) != 0) bench_die("rm");
    return result;
}

struct sender {
    pthread_t thread;
    size_t first, count, taken;
    unsigned port;
    int form;
};

static void *send_some(void *data)
{
    struct sender *sender = data;
    size_t first = sender->first, count = sender->count;
    static const char type[] = "application/x-protobuf";
    if (sender->form == 0) sender->taken = serve_send_http(sender->port, plain + first, count, type, false);
    if (sender->form == 1) sender->taken = serve_send_http(sender->port, packed + first, count, type, true);
    if (sender->form == 2) sender->taken = serve_send_grpc(sender->port, plain_grpc + first, count, false);
    if (sender->form == 3) sender->taken = serve_send_grpc(sender->port, packed_grpc + first, count, true);
    return NULL;
}

static double own_cpu_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int throw_away(void *data, struct tw__spans *spans)
{
    *(size_t *)data += spans->count;
    return 0;
}

static double decode_ns(void)
{
    struct tw__spans spans = {0};
    size_t count = 0;
    struct tw__otlp_dec dec = {.spans = &spans, .door = TW__DOOR_OTLP_HTTP, .take = throw_away, .data = &count};
    double began = own_cpu_ns();
    for (size_t i = 0; i < request_count; i++)
        if (tw__otlp_dec(&dec, plain[i].bytes, plain[i].len) < 0) bench_die("decode");
    double ns = own_cpu_ns() - began;
    tw__spans_fini(&spans);
    tw__pool_fini(&dec.kept);
    return ns / (double)count;
}

static bool report(const char *name, const char *memory_name, struct result result, double floor_ns, double wanted)
{
    char note[96];
    double ns = result.cpu_s * 1e9 / result.stored;
    (void)snprintf(note, sizeof note, "%.0f spans/s a core; wanted %.0f", 1e9 / ns, wanted);
    struct bench_row row = {.name = name, .value = ns, .unit = "ns/span", .baseline = floor_ns, .note = note};
    bool passed = bench_report(&row) && 1e9 / ns >= wanted;
    struct bench_row memory = {.name = memory_name, .value = result.memory_mb, .unit = "MB", .limit = 256};
    return bench_report(&memory) && passed;
}

static const struct {
    const char *name, *memory_name, *door;
    double wanted;
} forms[] = {{"otlp-http", "otlp-http memory", "otlp-http", 500000},
             {"otlp-http gzip", "otlp-http gzip memory", "otlp-http", 400000},
             {"otlp-grpc", "otlp-grpc memory", "otlp-grpc", 300000},
             {"otlp-grpc gzip", "otlp-grpc gzip memory", "otlp-grpc", 300000}};

static bool run_form(int form, double floor_ns)
{
    struct sender senders[CLIENTS];
    struct collector collector = start("off");
    size_t share = request_count / CLIENTS;
    for (size_t i = 0; i < CLIENTS; i++) {
        senders[i] = (struct sender){.first = i * share, .count = share, .form = form};
        senders[i].port = form < 2 ? collector.otlp_http : collector.otlp_grpc;
        if (pthread_create(&senders[i].thread, NULL, send_some, &senders[i]) != 0) bench_die("thread");
    }
    size_t taken = 0;
    for (size_t i = 0; i < CLIENTS; i++) {
        (void)pthread_join(senders[i].thread, NULL);
        taken += senders[i].taken;
    }
    if (taken != share * CLIENTS) bench_die("not all requests were taken");
    return report(forms[form].name, forms[form].memory_name, end(collector, forms[form].door), floor_ns,
                  forms[form].wanted);
}

enum { BURST = 4000, BURST_US = 10000 };

/* Records so many spans; the result is its processor time a span in ns, through the exit of a child. */
static double record_spans(unsigned count)
{
    int answer[2];
    double ns = 0;
    if (pipe(answer) < 0) bench_die("pipe");
    pid_t pid = fork();
    if (pid == 0) {
        double spent = 0;
        char user[16] = "u-0000000017";
        for (unsigned done = 0; done < count; done += BURST) {
            struct timespec from, to;
            (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
            for (unsigned i = 0; i < BURST; i++) {
                tw_span span = tw_span_begin("GET /cart/{id}");
                tw_tag(span, "http.request.method", "GET");
                tw_tag(span, "url.path", "/cart/17");
                tw_tag(span, "http.response.status_code", 200);
                tw_tag(span, "server.address", "shop.example");
                tw_tag(span, "server.port", 443);
                tw_tag(span, "db.system", "sqlite");
                tw_tag(span, "items", (int)(i % 17));
                user[0] = (char)('a' + i % 26);
                tw_tag_strn(span, "user.id", user, 12);
                tw_tag(span, "cached", i % 2 == 0);
                tw_span_end(span);
            }
            (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
            spent += (double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec);
            usleep(BURST_US);
        }
        ns = spent / count;
        sleep(1); /* until it has been read */
        _exit(write(answer[1], &ns, sizeof ns) == sizeof ns ? 0 : 1);
    }
    if (pid < 0 || read(answer[0], &ns, sizeof ns) != sizeof ns) bench_die("the recording process");
    (void)waitpid(pid, NULL, 0);
    (void)close(answer[0]);
    (void)close(answer[1]);
    return ns;
}

static bool run_segments(double floor_ns)
{
    char segments[256];
    (void)snprintf(segments, sizeof segments, "%s/segments", folder);
    (void)setenv("TRACKWAY_DIR", segments, 1);
    double alone_ns = record_spans(SPANS);
    struct collector collector = start(segments);
    double read_ns = record_spans(SPANS);
    bool passed = report("segments", "segments memory", end(collector, "segments"), floor_ns, 700000);
    struct bench_row row = {.name = "a span, being read",
                            .value = read_ns,
                            .unit = "ns",
                            .baseline = alone_ns,
                            .note = "the process's own cost"};
    return bench_report(&row) && passed;
}

int main(int argc, char **argv)
{
    if (!bench_parse(argc, argv)) return 2;
    const char *slash = strrchr(argv[0], '/');
    (void)snprintf(program, sizeof program, "%.*s../trackway", slash ? (int)(slash + 1 - argv[0]) : 0, argv[0]);
    (void)snprintf(folder, sizeof folder, "/tmp/trackway-bench-XXXXXX");
    if (!mkdtemp(folder)) bench_die("mkdtemp");
    bool passed = true;
    bench_headline("spans into the store");
    prepare();
    double floor_ns = decode_ns();
    (void)bench_report(
        &(struct bench_row){.name = "decode", .value = floor_ns, .unit = "ns/span", .note = "the floor"});
    for (int form = 0; form < 4; form++)
        if (bench_wanted(forms[form].name)) passed &= run_form(form, floor_ns);
    if (bench_wanted("segments")) passed &= run_segments(floor_ns);
    char remove[200];
    (void)snprintf(remove, sizeof remove, "rm -rf %s", folder);
    if (system(remove) != 0) bench_die("rm");
    return passed ? 0 : 1;
}
