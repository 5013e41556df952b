/* timebase: ticks of a segment to CLOCK_REALTIME nanoseconds, and back.
 *
 *     mono(tick) = mono0 + (tick - tick0) * (mono1 - mono0) / (tick1 - tick0)          wall = mono + (wall - mono)
 *
 * The division is made once: mult is the rate as a fraction with as many bits as fit into 64, so that a conversion is
 * one multiplication and exact to 2^-62. Ticks wrap: the difference of two is signed, for times before the boot. On the
 * boot the segment was made on, pair 1 and the difference of the clocks are taken by the reader: the longest baseline
 * there is, and one difference for all processes. All arithmetic wraps or saturates: hostile calibrations give silly
 * times, nothing else.
 */
#include "base/atomics.h"
#include "base/clock.h"
#include "ring/view.h"

__extension__ typedef unsigned __int128 wide;

#define RENEW_NS 10000000000u

/* numerator / denominator as mult / 2^shift; 1 when the two make no sense. */
static void set_rate(uint64_t numerator, uint64_t denominator, uint64_t *mult, unsigned *shift)
{
    if (numerator == 0 || denominator == 0) numerator = denominator = 1;
    wide q = ((wide)numerator << 62) / denominator;
    unsigned s = 62;
    while (q >> 64) {
        q >>= 1;
        s--; /* ends: numerator < 2^64, so at 0 at the latest it fits */
    }
    *mult = (uint64_t)q;
    *shift = s;
}

static uint64_t scale(uint64_t value, uint64_t mult, unsigned shift)
{
    wide r = ((wide)value * mult) >> shift;
    return r >> 64 ? UINT64_MAX : (uint64_t)r;
}

static struct tw__calibration load_calibration(const struct tw__calibration *from)
{
    return (struct tw__calibration){tw__load_relaxed(&from->tick), tw__load_relaxed(&from->mono_ns),
                                    tw__load_relaxed(&from->wall_ns)};
}

static void make(const struct tw_reader *reader, struct tw__timebase *time)
{
    const struct tw__header *h = tw__view_header(reader);
    struct tw__calibration first = reader->head.first_calibration, last = first, now = {0, 0, 0};
    bool tsc = reader->head.clock == TW__CLOCK_TSC;
    uint32_t count = tw__load_acquire(&h->calibration_count); /* pairs with segment.c: calibrate */

    if (count > 0) last = load_calibration(&h->calibrations[(count - 1) % TW__CALIBRATIONS]);
    time->wall_minus_mono = first.wall_ns - first.mono_ns;
    if (reader->same_boot) {
        tw__clock_read_all(&now.tick, &now.mono_ns, &now.wall_ns);
        time->wall_minus_mono = now.wall_ns - now.mono_ns;
        if (now.tick > first.tick && now.mono_ns > first.mono_ns) last = now;
    }
    time->tick0 = first.tick;
    time->mono0 = first.mono_ns;
    uint64_t ticks = last.tick - first.tick, ns = last.mono_ns - first.mono_ns;
    if (!tsc || last.tick <= first.tick || last.mono_ns <= first.mono_ns) ticks = ns = 1;
    if (!tsc) time->tick0 = time->mono0 = 0;
    set_rate(ns, ticks, &time->mult, &time->shift);
    set_rate(ticks, ns, &time->back_mult, &time->back_shift);
}

const struct tw__timebase *tw__view_time(struct tw_reader *reader)
{
    uint64_t now = tw__clock_mono_ns();
    if (reader->time_taken_ns == 0 || now - reader->time_taken_ns > RENEW_NS) {
        make(reader, &reader->time);
        reader->time_taken_ns = now;
    }
    return &reader->time;
}

uint64_t tw__time_ns(const struct tw__timebase *time, uint64_t tick)
{
    uint64_t base = time->mono0 + time->wall_minus_mono;
    if (tw__tick_before(tick, time->tick0)) {
        uint64_t back = scale(time->tick0 - tick, time->mult, time->shift);
        return back < base ? base - back : 0;
    }
    return base + scale(tick - time->tick0, time->mult, time->shift);
}

uint64_t tw__time_tick(const struct tw__timebase *time, uint64_t wall_ns)
{
    uint64_t base = time->mono0 + time->wall_minus_mono;
    if (wall_ns >= base) {
        uint64_t ahead = scale(wall_ns - base, time->back_mult, time->back_shift);
        return ahead <= UINT64_MAX - time->tick0 ? time->tick0 + ahead : UINT64_MAX;
    }
    uint64_t back = scale(base - wall_ns, time->back_mult, time->back_shift);
    return back < time->tick0 ? time->tick0 - back : 0;
}
