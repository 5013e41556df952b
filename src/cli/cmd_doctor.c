/* doctor: what is wrong with a sender: listens where it should send to, and says what arrives.
 *
 * For FoundationDB, whose two switches (--tracer and the sample rate) are easily half set, whose address must be a
 * literal one, and whose four layouts nobody announces. One row a sender: which layout, how many, how fast, what had to
 * be repaired; below it what follows from that. Nothing is stored.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <netinet/in.h>

#include <arpa/inet.h>

#include "base/clock.h"
#include "base/udp_in.h"
#include "cli/cli.h"
#include "cli/source.h"
#include "ingest/listen.h"
#include "wire/fdb_dec.h"
#include "wire/human.h"
#include "wire/json.h"
#include "wire/table.h"

enum { SENDERS_MAX = 256, AT_ONCE = 256, WHY_BYTES = 128 };

struct sender {
    char address[64];
    uint64_t spans[TW__FDB_SEEN_COUNT];
    uint64_t datagrams, bytes, bad, repaired, off_parents, many_parents, no_time;
    uint64_t first_ns, last_ns;
    char why[WHY_BYTES]; /* of the first bad one */
    char service[64];    /* of the last span */
};

struct doctor {
    struct sender senders[SENDERS_MAX];
    size_t count;
    uint64_t datagrams, others; /* others: from senders beyond SENDERS_MAX */
    struct tw__spans spans;
};

static void write_address(const struct sockaddr *from, char *text, size_t cap)
{
    char host[INET6_ADDRSTRLEN] = "?";
    if (from->sa_family == AF_INET6) {
        struct sockaddr_in6 six;
        memcpy(&six, from, sizeof six);
        (void)inet_ntop(AF_INET6, &six.sin6_addr, host, sizeof host);
        (void)snprintf(text, cap, "[%s]:%u", host, ntohs(six.sin6_port));
    } else {
        struct sockaddr_in four;
        memcpy(&four, from, sizeof four);
        (void)inet_ntop(AF_INET, &four.sin_addr, host, sizeof host);
        (void)snprintf(text, cap, "%s:%u", host, ntohs(four.sin_port));
    }
}

static struct sender *sender_of(struct doctor *doctor, const struct sockaddr *from)
{
    char address[64];
    write_address(from, address, sizeof address);
    for (size_t i = 0; i < doctor->count; i++)
        if (strcmp(doctor->senders[i].address, address) == 0) return &doctor->senders[i];
    if (doctor->count == SENDERS_MAX) return NULL;
    struct sender *sender = &doctor->senders[doctor->count++];
    *sender = (struct sender){0};
    memcpy(sender->address, address, sizeof address);
    return sender;
}

static void note_span(struct sender *sender, const struct tw__spans *spans, const struct tw__fdb_found *found)
{
    const struct tw__span *span = &spans->items[0];
    struct tw_text service = spans->resources[span->resource].service;
    sender->spans[found->layout]++;
    sender->repaired += found->repaired;
    sender->off_parents += found->off_parents;
    sender->many_parents += span->link_count > 0;
    sender->no_time += span->end_ns == span->start_ns;
    (void)snprintf(sender->service, sizeof sender->service, "%.*s", (int)(service.len < 60 ? service.len : 60),
                   service.ptr);
}

static void take(struct doctor *doctor, const struct tw__datagram_in *one)
{
    struct tw__fdb_found found;
    struct sender *sender = sender_of(doctor, one->from);
    doctor->datagrams++;
    if (!sender) {
        doctor->others++;
        return;
    }
    sender->last_ns = tw__clock_mono_ns();
    if (!sender->first_ns) sender->first_ns = sender->last_ns;
    sender->datagrams++;
    sender->bytes += one->len;
    if (tw__fdb_dec(&doctor->spans, one->ptr, one->len, &found) == 0) {
        note_span(sender, &doctor->spans, &found);
    } else {
        if (sender->bad++ == 0)
            (void)snprintf(sender->why, sizeof sender->why, "%s (byte %zu of %zu, first byte %02x)",
                           found.why ? found.why : "out of memory", found.error_at, one->len,
                           one->len ? one->ptr[0] : 0u);
    }
    tw__spans_reset(&doctor->spans);
}

static double rate(const struct sender *sender)
{
    double seconds = (double)(sender->last_ns - sender->first_ns) / 1e9;
    return seconds > 0 ? (double)(sender->datagrams - 1) / seconds : 0;
}

static const char *layout_of(const struct sender *sender)
{
    size_t most = 0;
    for (size_t i = 1; i < TW__FDB_SEEN_COUNT; i++)
        if (sender->spans[i] > sender->spans[most]) most = i;
    return sender->spans[most] ? tw__fdb_seen_text((enum tw__fdb_seen)most) : "not FoundationDB's";
}

static void add_json(struct tw__buf *out, const struct sender *sender)
{
    struct tw__json json = {.out = out};
    tw__json_open(&json, NULL, '{');
    tw__json_cstr(&json, "sender", sender->address);
    tw__json_cstr(&json, "service", sender->service);
    tw__json_cstr(&json, "layout", layout_of(sender));
    tw__json_u64(&json, "datagrams", sender->datagrams);
    tw__json_u64(&json, "bytes", sender->bytes);
    tw__json_f64(&json, "per_second", rate(sender));
    tw__json_u64(&json, "repaired", sender->repaired);
    tw__json_u64(&json, "bad", sender->bad);
    if (sender->why[0]) tw__json_cstr(&json, "why", sender->why);
    tw__json_u64(&json, "several_parents", sender->many_parents);
    tw__json_u64(&json, "unsampled_parents", sender->off_parents);
    tw__json_u64(&json, "zero_durations", sender->no_time);
    tw__json_close(&json, '}');
    tw__json_line(&json);
}

static void add_row(struct tw__table *table, const struct sender *sender)
{
    char text[32];
    tw__table_cstr(table, TW__INK_BOLD, sender->address);
    tw__table_cstr(table, TW__INK_NONE, sender->service[0] ? sender->service : "-");
    tw__table_number(table, TW__INK_NONE, sender->datagrams);
    (void)snprintf(text, sizeof text, "%.1f", rate(sender));
    tw__table_cstr(table, TW__INK_NONE, text);
    tw__table_number(table, sender->repaired ? TW__INK_YELLOW : TW__INK_NONE, sender->repaired);
    tw__table_number(table, sender->bad ? TW__INK_RED : TW__INK_NONE, sender->bad);
    tw__table_cstr(table, TW__INK_NONE, layout_of(sender));
}

/* What follows from what came, or from nothing having come. */
static void add_hints(struct tw__buf *out, const struct doctor *doctor, const char *where, uint64_t dropped)
{
    uint64_t spans = 0, bad = 0, several = 0, off = 0;
    for (size_t i = 0; i < doctor->count; i++) {
        const struct sender *sender = &doctor->senders[i];
        spans += sender->datagrams - sender->bad;
        bad += sender->bad;
        several += sender->many_parents;
        off += sender->off_parents;
        if (sender->why[0]) tw__buf_fmt(out, "%s: refused: %s\n", sender->address, sender->why);
    }
    if (doctor->datagrams == 0)
        tw__buf_fmt(out,
                    "Nothing arrived at %s. A FoundationDB process sends only with both switches set:\n"
                    "  fdbserver --tracer network_lossy --knob_tracing_sample_rate=0.01\n"
                    "Clients: network option distributed_client_tracer, and the same knob; nothing is sampled before a "
                    "first commit.\n"
                    "The address (knob tracing_udp_listener_addr, 7.1 and later) must be a literal IP; 7.0 sends to "
                    "127.0.0.1 only.\n",
                    where);
    if (spans && several == 0)
        tw__buf_cstr(out, "No span had several parents: batches (MP:commitBatch, GP:getLiveCommittedVersion) have; is "
                          "a server tracing?\n");
    if (off)
        tw__buf_fmt(
            out, "%" PRIu64 " parents were not sampled: their spans will be missing. Set the same rate everywhere.\n",
            off);
    if (bad && spans == 0)
        tw__buf_cstr(out, "Nothing of it is FoundationDB's: does another program send to this port?\n");
    if (dropped)
        tw__buf_fmt(out, "The kernel dropped %" PRIu64 " datagrams: raise net.core.rmem_max, or sample less.\n",
                    dropped);
    if (doctor->others) tw__buf_fmt(out, "%" PRIu64 " datagrams came from further senders.\n", doctor->others);
}

static int report(const struct tw__args *args, const struct doctor *doctor, const char *where, uint64_t dropped)
{
    static const struct tw__column columns[] = {
        {.title = "SENDER", .min = 12},
        {.title = "SERVICE", .min = 8, .rank = 1},
        {.title = "DATAGRAMS", .right = true},
        {.title = "PER SECOND", .right = true, .rank = 2},
        {.title = "REPAIRED", .right = true, .rank = 3},
        {.title = "BAD", .right = true},
        {.title = "LAYOUT", .min = 12},
    };
    struct tw__buf out = {0};
    struct tw__table table;
    bool json = args->given & TW__OPT_JSON;
    tw__table_init(&table, columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < doctor->count; i++) {
        if (json)
            add_json(&out, &doctor->senders[i]);
        else
            add_row(&table, &doctor->senders[i]);
    }
    if (!json && doctor->count) tw__table_print(&table, &args->look, &out);
    if (!json) add_hints(&out, doctor, where, dropped);
    int code = tw__out_write(&out);
    tw__table_fini(&table);
    tw__buf_fini(&out);
    return code == TW__EXIT_OK && doctor->datagrams == 0 ? TW__EXIT_FAILED : code;
}

/* Until the time is over or Ctrl-C; a line a second on a terminal. */
static void listen_on(const struct tw__args *args, struct doctor *doctor, struct tw__udp_in *in)
{
    uint64_t began = tw__clock_mono_ns(), shown = began, before = 0;
    uint64_t end = args->given & TW__OPT_FOR ? began + args->for_ns : UINT64_MAX;
    bool progress = isatty(STDERR_FILENO) != 0;
    for (uint64_t now = began; !tw__stopped() && now < end; now = tw__clock_mono_ns()) {
        uint64_t left_ms = (end - now) / 1000000 + 1;
        (void)tw__udp_in_wait(in, -1, left_ms < 200 ? (int)left_ms : 200);
        for (size_t i = 0, count = tw__udp_in_read(in); i < count; i++) {
            struct tw__datagram_in one;
            tw__udp_in_get(in, i, &one);
            take(doctor, &one);
        }
        if (!progress || now - shown < 1000000000u) continue;
        (void)fprintf(stderr, "\r%" PRIu64 " datagrams from %zu senders, %" PRIu64 " in the last second ",
                      doctor->datagrams, doctor->count, doctor->datagrams - before);
        shown = now;
        before = doctor->datagrams;
    }
    if (progress) (void)fputs("\r\033[K", stderr);
}

int tw__cmd_doctor(const struct tw__args *args)
{
    const char *address = args->operand_count > 1 ? args->operands[1] : "127.0.0.1:8889";
    char why[TW_WHY_MAX], where[TW__HOST_MAX + 16];
    if (strcmp(args->operands[0], "fdb") != 0) {
        tw__complain("doctor: \"%s\" is not a sender that it knows; there is: fdb", args->operands[0]);
        return TW__EXIT_USAGE;
    }
    int fd = tw__listen_open(address, SOCK_DGRAM, why);
    if (fd < 0) {
        tw__complain(
            "doctor: %s; when a collector listens there its /metrics tells what arrives, or stop it for a moment", why);
        return TW__EXIT_FAILED;
    }
    tw__stop_on_signals(false);
    struct tw__udp_in *in = tw__udp_in_new(fd, AT_ONCE, true);
    struct doctor *doctor = calloc(1, sizeof *doctor);
    int code = TW__EXIT_FAILED;
    if (in && doctor) {
        tw__listen_where(fd, where, sizeof where);
        (void)fprintf(stderr, "listening on UDP %s until %s\n", where,
                      args->given & TW__OPT_FOR ? "the time is over" : "Ctrl-C");
        listen_on(args, doctor, in);
        code = report(args, doctor, where, tw__udp_in_dropped(in));
        tw__spans_fini(&doctor->spans);
    } else {
        code = tw__out_of_memory();
    }
    tw__udp_in_free(in);
    free(doctor);
    (void)close(fd);
    return code;
}
