/* clock: see the header. The only file that reads the kernel's clocks. */
#include "base/clock.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

static uint64_t read_ns(clockid_t id)
{
    struct timespec t;
    if (clock_gettime(id, &t) != 0) return 0;
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t tw__clock_mono_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
}

uint64_t tw__clock_wall_ns(void)
{
    return read_ns(CLOCK_REALTIME);
}

static bool tsc_invariant(void)
{
#if defined(__x86_64__)
    unsigned a, b, c, d;
    return __get_cpuid(0x80000007u, &a, &b, &c, &d) != 0 && (d & (1u << 8)) != 0;
#else
    return false;
#endif
}

bool tw__clock_tsc_trusted(void)
{
    char name[32] = "";
    if (!tsc_invariant()) return false;
    int fd = open("/sys/devices/system/clocksource/clocksource0/current_clocksource", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t n = read(fd, name, sizeof name - 1);
    close(fd);
    return n >= 4 && memcmp(name, "tsc\n", 4) == 0;
}

void tw__clock_read_all(uint64_t *tsc, uint64_t *mono_ns, uint64_t *wall_ns)
{
    uint64_t best = UINT64_MAX;
    for (int i = 0; i < 5; i++) {
        uint64_t mono_before = tw__clock_mono_ns(), before = tw__clock_tsc();
        uint64_t wall = tw__clock_wall_ns();
        uint64_t after = tw__clock_tsc(), mono_after = tw__clock_mono_ns();
        uint64_t width = mono_after - mono_before;
        if (width >= best) continue;
        best = width;
        *tsc = before + (after - before) / 2;
        *mono_ns = mono_before + width / 2;
        *wall_ns = wall;
    }
}
