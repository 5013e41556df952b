/* bench_propagate: what it costs to write a context into a carrier and to read it out again, format by format.
 *
 * A carrier here is an array of headers searched by name, so the figure holds the callbacks too. The baseline is the
 * floor under it: the same callbacks for the same names, with the values copied and not understood. Each figure is the
 * best of several rounds, because whatever else runs on the machine only adds.
 *
 * Usage: bench_propagate [--json]. Exit 1 when a limit is exceeded.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <trackway/propagate.h>

enum { ROUNDS = 25, CALLS = 20000, SLOTS = 8, VALUE_MAX = 512, INJECT_LIMIT_NS = 150, EXTRACT_LIMIT_NS = 300 };

struct slot {
    const char *name;
    size_t len;
    char value[VALUE_MAX];
};

struct carrier {
    struct slot slots[SLOTS];
    size_t count;
};

static bool get(void *arg, const char *name, unsigned index, const char **value, size_t *len)
{
    struct carrier *c = arg;
    for (size_t i = 0; i < c->count; i++) {
        if (strcmp(c->slots[i].name, name) != 0 || index-- > 0) continue;
        *value = c->slots[i].value;
        *len = c->slots[i].len;
        return true;
    }
    return false;
}

static void set(void *arg, const char *name, const char *value, size_t len)
{
    struct carrier *c = arg;
    size_t i = 0;
    while (i < c->count && strcmp(c->slots[i].name, name) != 0) i++;
    if (i == SLOTS || len >= VALUE_MAX) return;
    if (i == c->count) c->count++;
    c->slots[i].name = name;
    c->slots[i].len = len;
    memcpy(c->slots[i].value, value, len + 1);
}

struct work {
    struct tw_propagation how;
    struct tw_context context;
    struct tw_carried carried;
    struct carrier carrier;
};

static struct work work;
static struct tw_drops drops;
static char scratch[SLOTS * VALUE_MAX];

static void extract_once(void)
{
    struct tw_context context;
    tw_extract(&work.how, get, &work.carrier, &context, &work.carried);
    __asm__ volatile("" : : "r"(&context) : "memory");
}

static void inject_once(void)
{
    tw_inject(&work.how, &work.context, &work.carried, set, &work.carrier);
}

static void get_and_copy(void)
{
    const char *value;
    size_t len, at = 0;
    for (size_t i = 0; i < work.carrier.count; i++) {
        for (unsigned index = 0; get(&work.carrier, work.carrier.slots[i].name, index, &value, &len); index++) {
            memcpy(scratch + at, value, len);
            at += len;
        }
    }
    __asm__ volatile("" : : "r"(scratch) : "memory");
}

static void set_and_copy(void)
{
    for (size_t i = 0; i < work.carrier.count; i++) {
        size_t len = work.carrier.slots[i].len;
        memcpy(scratch, work.carrier.slots[i].value, len + 1);
        __asm__ volatile("" : : "r"(scratch) : "memory");
        set(&work.carrier, work.carrier.slots[i].name, scratch, len);
    }
}

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double measure(void (*call)(void))
{
    double best = 1e18;
    for (unsigned round = 0; round < ROUNDS; round++) {
        double start = now_ns();
        for (unsigned i = 0; i < CALLS; i++) call();
        double took = (now_ns() - start) / CALLS;
        if (took < best) best = took;
    }
    return best;
}

static bool report(const char *verb, const char *format, double value, double baseline, double limit, bool json)
{
    bool pass = value <= limit;
    if (json)
        printf("{\"name\":\"%s.%s\",\"value\":%.1f,\"unit\":\"ns\",\"baseline\":%.1f,\"ratio\":%.2f,\"limit\":%.0f,"
               "\"pass\":%s}\n",
               verb, format, value, baseline, value / baseline, limit, pass ? "true" : "false");
    else
        printf("%-8s %-14s %7.1f ns   floor %6.1f ns   ratio %5.2f   limit %3.0f ns   %s\n", verb, format, value,
               baseline, value / baseline, limit, pass ? "ok" : "FAILED");
    return pass;
}

static void fill(const char *name, const char *value)
{
    set(&work.carrier, name, value, strlen(value));
}

/* One format: the headers a peer would send, read and written. */
static bool bench(enum tw_format format, const char *name, bool json)
{
    work.how = (struct tw_propagation){{1, {(uint8_t)format}}, {1, {(uint8_t)format}}, &drops};
    double extract = measure(extract_once), get_floor = measure(get_and_copy);
    tw_extract(&work.how, get, &work.carrier, &work.context, &work.carried);
    double inject = measure(inject_once), set_floor = measure(set_and_copy);
    bool pass = report("extract", name, extract, get_floor, EXTRACT_LIMIT_NS, json);
    pass &= report("inject", name, inject, set_floor, INJECT_LIMIT_NS, json);
    work.carrier.count = 0;
    return pass;
}

int main(int argc, char **argv)
{
    bool json = argc > 1 && strcmp(argv[1], "--json") == 0, pass = true;

    fill("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    pass &= bench(TW_FORMAT_TRACECONTEXT, "traceparent", json);
    fill("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    fill("tracestate", "tw=00f067aa0ba902b7,rojo=00f067aa0ba902b7,congo=t61rcWkgMzE,dd=s:2;o:rum;t.dm:-4");
    pass &= bench(TW_FORMAT_TRACECONTEXT, "tracecontext", json);
    fill("x-amzn-trace-id",
         "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1;Lineage=a87bd80c:1|68fd508a:5");
    pass &= bench(TW_FORMAT_XRAY, "xray", json);
    fill("b3", "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1-05e3ac9a4f6e3b90");
    pass &= bench(TW_FORMAT_B3, "b3", json);
    fill("x-b3-traceid", "80f198ee56343ba864fe8b2a57d3eff7");
    fill("x-b3-spanid", "e457b5a2e4d86bd1");
    fill("x-b3-sampled", "1");
    pass &= bench(TW_FORMAT_B3_MULTI, "b3multi", json);
    fill("baggage", "userId=Am%C3%A9lie,serverNode=DF%2028,isProduction=false");
    pass &= bench(TW_FORMAT_BAGGAGE, "baggage", json);
    if (drops.traceparent + drops.tracestate + drops.xray + drops.b3 + drops.baggage_member > 0) {
        fprintf(stderr, "bench_propagate: something was dropped; the figures are of failures\n");
        return 1;
    }
    return pass ? 0 : 1;
}
