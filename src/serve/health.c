/* health: whether the collector lives (/healthz), takes spans (/readyz), and everything it counts (/metrics, in
 * Prometheus' text form): the tables of doors and store, row by row, and what was counted of spans.
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

#include <sys/resource.h>
#include <unistd.h>

#include "base/atomics.h"
#include "serve/api.h"
#include "serve/metrics_spans.h"

static void healthz(void *context, const struct tw__request *request, struct tw__reply *reply)
{
    (void)context;
    (void)request;
    reply->type = "text/plain; charset=utf-8";
    tw__buf_cstr(&reply->body, "ok\n");
}

static void readyz(void *context, const struct tw__request *request, struct tw__reply *reply)
{
    struct tw__api *api = context;
    bool ready = tw__load_relaxed(&api->ready);
    (void)request;
    reply->status = ready ? 200 : 503;
    reply->type = "text/plain; charset=utf-8";
    tw__buf_cstr(&reply->body, ready ? "ready\n" : "not ready\n");
}

static void head(struct tw__buf *out, const char *group, const char *name, const char *end, const char *text)
{
    tw__buf_fmt(out, "# HELP trackway_%s_%s%s %s\n# TYPE trackway_%s_%s%s %s\n", group, name, end, text, group, name,
                end, *end ? "counter" : "gauge");
}

static void add_door_counter(struct tw__api *api, struct tw__buf *out, const char *name, const char *text,
                             size_t offset)
{
    head(out, "door", name, "_total", text);
    for (size_t i = 0; i <= api->doors->count; i++) {
        bool own = i == api->doors->count;
        struct tw__door_stats *stats = own ? &api->stats : &api->doors->items[i].door.stats;
        const uint64_t *counter = (const uint64_t *)(const void *)((const char *)stats + offset);
        tw__buf_fmt(out, "trackway_door_%s_total{door=\"%s\"} %" PRIu64 "\n", name,
                    own ? "http" : api->doors->items[i].door.kind->name, tw__load_relaxed(counter));
    }
}

static void add_store(struct tw__api *api, struct tw__buf *out)
{
    struct tw__store_info info;
    if (tw__store_info(api->store, &info) < 0) return;
#define ADD_COUNTER(name, text)                                                                                        \
    head(out, "store", #name, "_total", text);                                                                         \
    tw__buf_fmt(out, "trackway_store_" #name "_total %" PRIu64 "\n", info.name);
    TW__STORE_COUNTERS(ADD_COUNTER)
#undef ADD_COUNTER
    const struct {
        const char *name, *text;
        uint64_t value;
    } gauges[] = {
        {"spans", "spans kept", info.spans},
        {"recent_spans", "spans waiting to be written into blocks", info.recent_spans},
        {"recent_bytes", "their memory", info.recent_bytes},
        {"blocks", "blocks", info.blocks},
        {"partitions", "files of an hour", info.partitions},
        {"disk_bytes", "bytes on the disk", info.disk_bytes},
        {"journal_disk_bytes", "bytes of the journal on the disk", info.journal_disk_bytes},
    };
    for (size_t i = 0; i < sizeof gauges / sizeof *gauges; i++) {
        head(out, "store", gauges[i].name, "", gauges[i].text);
        tw__buf_fmt(out, "trackway_store_%s %" PRIu64 "\n", gauges[i].name, gauges[i].value);
    }
}

static uint64_t resident_bytes(void)
{
    unsigned long long size = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file) return 0;
    if (fscanf(file, "%llu %llu", &size, &resident) != 2) resident = 0;
    (void)fclose(file);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void metrics(void *context, const struct tw__request *request, struct tw__reply *reply)
{
    struct tw__api *api = context;
    struct tw__buf *out = &reply->body;
    struct rusage usage = {0};
    (void)request;
    reply->type = "text/plain; version=0.0.4; charset=utf-8";
#define ADD_DOOR(name, text) add_door_counter(api, out, #name, text, offsetof(struct tw__door_stats, name));
    TW__DOOR_STATS_TABLE(ADD_DOOR)
#undef ADD_DOOR
    add_store(api, out);
    tw__metrics_spans(api->metrics, out);
    (void)getrusage(RUSAGE_SELF, &usage);
    double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                 (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    tw__buf_fmt(out,
                "# HELP process_cpu_seconds_total processor time\n# TYPE process_cpu_seconds_total counter\n"
                "process_cpu_seconds_total %.3f\n",
                cpu);
    tw__buf_fmt(out,
                "# HELP process_resident_memory_bytes memory\n# TYPE process_resident_memory_bytes gauge\n"
                "process_resident_memory_bytes %" PRIu64 "\n",
                resident_bytes());
    tw__buf_fmt(out,
                "# HELP process_start_time_seconds when it began\n# TYPE process_start_time_seconds gauge\n"
                "process_start_time_seconds %.3f\n",
                (double)api->started_ns / 1e9);
}

const struct tw__route tw__health_routes[] = {
    {"GET", "/healthz", TW__ROLE_ANY, 0, healthz},
    {"GET", "/readyz", TW__ROLE_ANY, 0, readyz},
    {"GET", "/metrics", TW__ROLE_READ, 0, metrics},
    {0},
};
