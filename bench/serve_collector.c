/* serve_collector: see serve.h. A collector is started on an empty folder and ended with SIGTERM. Its processor time is
 * what the kernel says after its end, all of it: start, threads, journal, blocks, end. Memory is the largest it had. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "generator.h"
#include "serve.h"

enum { MIXED = 131072 };

static char folder[128], command[1024];
static char text[16 << 20]; /* of /metrics: 2,000 operations have their series there */

void serve_begin(const char *program)
{
    const char *slash = strrchr(program, '/');
    (void)snprintf(command, sizeof command, "%.*s../trackway", slash ? (int)(slash + 1 - program) : 0, program);
    (void)snprintf(folder, sizeof folder, "/tmp/trackway-bench-XXXXXX");
    if (!mkdtemp(folder)) bench_die("mkdtemp");
}

void serve_end(void)
{
    char remove[200];
    (void)snprintf(remove, sizeof remove, "rm -rf %s", folder);
    if (system(remove) != 0) bench_die("rm");
}

const char *serve_folder(void)
{
    return folder;
}

static unsigned port_of(const char *ready, const char *name)
{
    const char *at = strstr(ready, name), *colon = at ? strchr(at + strlen(name) + 2, ':') : NULL;
    return colon ? (unsigned)atoi(colon + 1) : 0;
}

static void run_command(const char *data, const char *segments, const char *ready)
{
    const char any[] = "127.0.0.1:0";
    int null = open("/dev/null", O_WRONLY);
    (void)dup2(null, STDOUT_FILENO);
    (void)execl(command, command, "serve", "--data", data, "--http", any, "--otlp-http", any, "--otlp-grpc", any,
                "--fdb", any, "--xray", any, "--zipkin", "off", "--segments", segments, "--ready-file", ready,
                (char *)NULL);
    _exit(127);
}

struct serve_collector serve_start(const char *segments)
{
    struct serve_collector collector = {0};
    char ready[256], data[256], answer[2048] = "";
    (void)snprintf(ready, sizeof ready, "%s/ready", folder);
    (void)snprintf(data, sizeof data, "%s/data", folder);
    (void)unlink(ready);
    collector.pid = fork();
    if (collector.pid == 0) run_command(data, segments, ready);
    for (int i = 0; i < 1000 && !collector.http; i++) {
        usleep(10000);
        FILE *file = fopen(ready, "r");
        if (!file) continue;
        answer[fread(answer, 1, sizeof answer - 1, file)] = '\0';
        (void)fclose(file);
        collector.otlp_http = port_of(answer, "\"otlp-http\"");
        collector.otlp_grpc = port_of(answer, "\"otlp-grpc\"");
        collector.fdb = port_of(answer, "\"fdb\"");
        collector.xray = port_of(answer, "\"xray\"");
        collector.http = port_of(answer, "\"http\"");
    }
    if (!collector.http) bench_die("trackway serve did not start");
    return collector;
}

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

double serve_counter(const struct serve_collector *collector, const char *name, const char *door)
{
    char series[128];
    (void)snprintf(series, sizeof series, "trackway_door_%s_total{door=\"%s\"} ", name, door);
    if (!serve_get(collector->http, "/metrics", text, sizeof text)) bench_die("/metrics");
    const char *at = strstr(text, series);
    return at ? strtod(at + strlen(series), NULL) : 0;
}

struct serve_result serve_stop(struct serve_collector collector, const char *door)
{
    char remove[300];
    struct serve_result result = {0};
    struct rusage usage;
    int status;
    result.stored = serve_counter(&collector, "spans", door);
    result.requests = serve_counter(&collector, "requests", door);
    result.dropped = serve_counter(&collector, "kernel_drops", door);
    result.memory_mb = peak_mb(collector.pid);
    (void)kill(collector.pid, SIGTERM);
    if (wait4(collector.pid, &status, 0, &usage) < 0 || status != 0) bench_die("trackway serve did not end well");
    result.cpu_s = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                   (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    (void)snprintf(remove, sizeof remove, "rm -rf %s/data", folder);
    if (system(remove) != 0) bench_die("rm");
    return result;
}

bool serve_report(const char *name, const char *what, struct serve_result result, double count, double floor_ns,
                  double wanted)
{
    char note[128], memory_name[64], unit[32];
    double ns = result.cpu_s * 1e9 / count;
    (void)snprintf(note, sizeof note, "%.0f %s/s a core; wanted %.0f", 1e9 / ns, what, wanted);
    (void)snprintf(memory_name, sizeof memory_name, "%s memory", name);
    (void)snprintf(unit, sizeof unit, "ns/%.*s", (int)strlen(what) - 1, what);
    struct bench_row row = {.name = name, .value = ns, .unit = unit, .baseline = floor_ns, .note = note};
    bool passed = bench_report(&row) && 1e9 / ns >= wanted;
    struct bench_row memory = {.name = memory_name, .value = result.memory_mb, .unit = "MB", .limit = 256};
    return bench_report(&memory) && passed;
}

struct tw_record serve_record_of(const struct tw__span *span)
{
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
    return record;
}

/* A batch of all senders is cut into requests of one sender each; what does not fill a request is left out. */
void serve_generate(void (*fn)(void *data, const struct tw__spans *spans), void *data)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    struct generator *generator = generator_new(1, (uint64_t)now.tv_sec * 1000000000 - 60000000000, 50000);
    struct tw__spans all = {0};
    struct tw__span *room = malloc(SERVE_REQUEST * sizeof *room);
    size_t requests = 0;
    if (!generator || !room) bench_die("memory");
    while (requests < SERVE_REQUESTS) {
        if (generator_fill(generator, &all, MIXED, false) < 0) bench_die("memory");
        for (uint32_t sender = 0; sender < all.resource_count; sender++) {
            struct tw__spans one = all;
            one.items = room;
            one.count = 0;
            for (size_t i = 0; i < all.count && requests < SERVE_REQUESTS; i++) {
                if (all.items[i].resource != sender) continue;
                room[one.count++] = all.items[i];
                if (one.count < SERVE_REQUEST) continue;
                fn(data, &one);
                one.count = 0;
                requests++;
            }
        }
    }
    free(room);
    tw__spans_fini(&all);
    generator_free(generator);
}

double serve_own_cpu_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}
