/* bench_export: what exporters cost the program, and how much one of them gets through.
 *
 *     export.beside      spans by a thread that does nothing else, while the exporters' thread sends what it can of
 *                        them on the other processor; baseline: the same without an exporter, in turns
 *     export.datagrams   processor time of the exporters' thread for a span of 7 elements, read, encoded and sent over
 *                        loopback;
 *                        baseline: sending as many bytes in as large batches, and nothing else
 *     export.lost        of spans made at 300,000 a second and sent to a receiver on the same machine: not received,
 *                        for any reason
 *
 * The receiver is a process of its own. What the kernel dropped it counts itself (SO_RXQ_OVFL).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <trackway/export.h>
#include <trackway/trackway.h>

#include "bench.h"

enum { ROUNDS = 12, SLOTS = 60, TURNS = 5000, BATCH = 48, RATE = 300000, SECONDS = 3, DATAGRAM_MAX = 512 };

/* Shared with the receiver. */
static struct shared {
    unsigned long long received, dropped;
    int stop;
} * shared;

static int port;

static int udp_socket(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) bench_die("socket");
    return fd;
}

/* -- the receiver */

static void count_drops(struct msghdr *message)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        unsigned dropped;
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SO_RXQ_OVFL) continue;
        memcpy(&dropped, CMSG_DATA(c), sizeof dropped);
        __atomic_store_n(&shared->dropped, dropped, __ATOMIC_RELAXED);
    }
}

static void receive(int fd)
{
    static char bytes[BATCH][DATAGRAM_MAX], control[BATCH][64];
    struct mmsghdr messages[BATCH];
    struct iovec parts[BATCH];
    while (!__atomic_load_n(&shared->stop, __ATOMIC_RELAXED)) {
        for (int i = 0; i < BATCH; i++) {
            parts[i] = (struct iovec){bytes[i], DATAGRAM_MAX};
            messages[i].msg_hdr = (struct msghdr){
                .msg_iov = &parts[i], .msg_iovlen = 1, .msg_control = control[i], .msg_controllen = sizeof control[i]};
        }
        int n = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL);
        if (n <= 0) continue; /* the time-out of the socket: look at stop */
        count_drops(&messages[n - 1].msg_hdr);
        __atomic_fetch_add(&shared->received, (unsigned long long)n, __ATOMIC_RELAXED);
    }
}

/* Starts it; sets port. */
static pid_t receiver(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int fd = udp_socket(), bytes = 256 << 20, on = 1;
    const struct timeval timeout = {.tv_usec = 20000};
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) bench_die("memory");
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) < 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    (void)setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || getsockname(fd, (struct sockaddr *)&at, &len) < 0)
        bench_die("bind");
    port = ntohs(at.sin_port);
    pid_t pid = fork();
    if (pid == 0) {
        receive(fd);
        _exit(0);
    }
    close(fd);
    if (pid < 0) bench_die("fork");
    return pid;
}

static void end_receiver(pid_t pid)
{
    __atomic_store_n(&shared->stop, 1, __ATOMIC_RELAXED);
    (void)waitpid(pid, NULL, 0);
    (void)munmap(shared, sizeof *shared);
}

/* -- the exporters' thread */

/* Its thread id; 0 when there is none. */
static pid_t exporters_thread(void)
{
    pid_t found = 0;
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *entry; tasks && (entry = readdir(tasks));) {
        char path[300], name[32] = "";
        (void)snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0) continue;
        if (read(fd, name, sizeof name - 1) > 0 && strcmp(name, "trackway\n") == 0) found = (pid_t)atoi(entry->d_name);
        close(fd);
    }
    if (tasks) closedir(tasks);
    return found;
}

/* Processor time of a thread of ours. */
static double cpu_ns(pid_t tid)
{
    struct timespec t = {0};
    clockid_t clock = (clockid_t)(~(unsigned)tid << 3 | 6u); /* as pthread_getcpuclockid makes it */
    if (clock_gettime(clock, &t) < 0) bench_die("clock");
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void begin(bool exporter, size_t arena)
{
    static char address[64];
    cpu_set_t all, other;
    (void)snprintf(address, sizeof address, "TRACKWAY_FDB=127.0.0.1:%d", port);
    const char *const variables[] = {address, NULL};
    const struct tw_config config = {.arena_bytes = arena,
                                     .exporter = exporter ? "network_lossy" : "none",
                                     .variables = variables,
                                     .service = "bench"};
    CPU_ZERO(&all);
    CPU_ZERO(&other);
    for (size_t i = 0; i < CPU_SETSIZE; i++) CPU_SET(i, &all);
    (void)sched_setaffinity(0, sizeof all, &all);
    if (tw_init(&config) != 0) bench_die("tw_init");
    (void)bench_pin(1); /* where the thread is to be: it takes its mask from here */
    (void)sched_getaffinity(0, sizeof other, &other);
    for (int i = 0; exporter && i < 1000 && !exporters_thread(); i++) (void)usleep(1000);
    if (exporter) (void)sched_setaffinity(exporters_thread(), sizeof other, &other);
    (void)sched_setaffinity(0, sizeof all, &all);
    (void)bench_pin(0);
}

/* -- the rows */

static void spans(unsigned n)
{
    tw_span root = tw_span_begin_root("root");
    for (unsigned i = 0; i < n; i++) {
        tw_span span = tw_span_begin("work");
        tw_span_end(span);
    }
    tw_span_end(root);
}

static bool beside(void)
{
    struct bench_samples ns[2] = {{0}, {0}};
    pid_t pid = receiver();
    for (unsigned round = 0; round < bench_rounds(ROUNDS); round++) {
        for (int with = 0; with < 2; with++) {
            begin(with, 16 << 20);
            spans(TURNS);
            for (int slot = 0; slot < SLOTS; slot++) {
                double from = bench_now_ns();
                spans(TURNS);
                bench_add(&ns[with], (bench_now_ns() - from) / TURNS);
            }
            if (tw_shutdown(10000000) != 0) bench_die("tw_shutdown");
        }
    }
    char note[96];
    (void)snprintf(note, sizeof note, "%llu datagrams received meanwhile; by the least of each: %.3f x",
                   shared->received, bench_quantile(&ns[1], 0) / bench_quantile(&ns[0], 0));
    const struct bench_row row = {
        "export.beside", bench_quantile(&ns[1], 0.5), "ns", bench_quantile(&ns[0], 0.5), 1.05, note};
    end_receiver(pid);
    return bench_report(&row);
}

/* Least processor time of this thread for sending a datagram of len bytes, in batches. */
static double floor_ns(size_t len)
{
    static char bytes[BATCH][DATAGRAM_MAX];
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct mmsghdr messages[BATCH];
    struct iovec parts[BATCH];
    struct bench_samples ns = {0};
    int fd = udp_socket();
    if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0) bench_die("connect");
    memset(messages, 0, sizeof messages);
    for (int i = 0; i < BATCH; i++) {
        parts[i] = (struct iovec){bytes[i], len};
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
    }
    for (int slot = 0; slot < 200; slot++) {
        struct timespec a, b;
        int sent = 0;
        (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
        for (int i = 0; i < 20; i++) {
            int n = sendmmsg(fd, messages, BATCH, 0);
            sent += n > 0 ? n : 0;
        }
        (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
        if (sent) bench_add(&ns, ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / sent);
    }
    close(fd);
    double least = bench_quantile(&ns, 0.5);
    bench_samples_free(&ns);
    return least;
}

/* Makes RATE spans a second, a thousandth of them each millisecond. */
static void make_paced(unsigned total)
{
    struct timespec at;
    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    for (unsigned made = 0; made < total;) {
        tw_span root = tw_span_begin_root("request");
        made++;
        for (unsigned i = 1; i < RATE / 1000 && made < total; i++, made++) {
            tw_span span = tw_span_begin("work");
            tw_tag(span, "rows", i);
            tw_span_end(span);
        }
        tw_span_end(root);
        at.tv_nsec += 1000000;
        if (at.tv_nsec >= 1000000000) {
            at.tv_sec++;
            at.tv_nsec -= 1000000000;
        }
        (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
    }
}

static bool datagrams(void)
{
    const unsigned total = RATE * SECONDS;
    struct tw_export_stats stats;
    char note[160];
    pid_t pid = receiver();
    begin(true, (size_t)256 << 20);
    pid_t thread = exporters_thread();
    double cpu = cpu_ns(thread), from = bench_now_ns();
    make_paced(total);
    double took = bench_now_ns() - from;
    if (tw_flush(10000000000u) != 0) bench_die("tw_flush");
    cpu = cpu_ns(thread) - cpu;
    if (tw_export_counters(0, &stats) != 0) bench_die("tw_export_counters");
    for (int i = 0; i < 100 && __atomic_load_n(&shared->received, __ATOMIC_RELAXED) < stats.sent; i++)
        (void)usleep(20000);
    unsigned long long received = shared->received, dropped = shared->dropped;
    double per_span = cpu / (double)stats.sent, bare = floor_ns((size_t)(stats.bytes / stats.sent));
    (void)tw_shutdown(1000000000);
    end_receiver(pid);
    (void)snprintf(note, sizeof note, "%.0f k spans/s by one processor; %llu bytes each", 1e6 / per_span,
                   (unsigned long long)(stats.bytes / stats.sent));
    const struct bench_row speed = {"export.datagrams", per_span, "ns", bare, 0, note};
    bool pass = bench_report(&speed);
    const struct bench_row limit = {"export.datagrams_limit", per_span, "ns", 0, 1e9 / RATE, "that is 300,000 spans/s"};
    pass &= bench_report(&limit);
    (void)snprintf(
        note, sizeof note,
        "%u made at %.0f k/s, %llu sent, %llu received; %llu dropped by the kernel, %llu by us, %llu chunks missed",
        total, total / took * 1e6, (unsigned long long)stats.sent, received, dropped, (unsigned long long)stats.dropped,
        (unsigned long long)stats.missed);
    const struct bench_row lost = {"export.lost", (double)(total - received), "spans", 0, 0.5, note};
    return bench_report(&lost) && pass;
}

int main(int argc, char **argv)
{
    bool pass = true;
    if (!bench_parse(argc, argv)) return 2;
    if (bench_processors() < 2) {
        bench_skip("export", "one processor: the exporters' thread would take turns with the program");
        return 0;
    }
    bench_headline("a program beside its exporters' thread, and that thread");
    if (bench_wanted("export.beside")) pass &= bench_child(beside);
    if (bench_wanted("export.datagrams") || bench_wanted("export.lost")) pass &= bench_child(datagrams);
    return pass ? 0 : 1;
}
