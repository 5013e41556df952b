/* callgrind_span: loops whose instructions callgrind_gate counts. callgrind_span MODE N: the loop of that mode, N
 * times.
 *
 * One straight loop per mode, in a function of its own: what stands between two turns is the loop's own two or three
 * instructions, and those of the empty loop are taken off. The difference between two N takes off the start of the
 * program, the recorder's, and the registration of sites. What is left per turn includes turning to a new chunk.
 * valgrind has the TSC and the CPU bits that go with it, so this is the way that runs in earnest.
 */
#include <trackway/trackway.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void empty(unsigned n)
{
    for (unsigned i = 0; i < n; i++) __asm__ volatile("" : : "r"(i) : "memory");
}

static void span_0_tags(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        tw_span span = tw_span_begin("work");
        tw_span_end(span);
    }
}

static void span_4_ints(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        tw_span span = tw_span_begin("work");
        tw_tag(span, "a", i);
        tw_tag(span, "b", (int)i);
        tw_tag(span, "c", (long)i);
        tw_tag(span, "d", 4);
        tw_span_end(span);
    }
}

static void span_4_literals(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        tw_span span = tw_span_begin("work");
        tw_tag(span, "method", "GET");
        tw_tag(span, "page", "cart");
        tw_tag(span, "region", "eu-west");
        tw_tag(span, "colour", "blue");
        tw_span_end(span);
    }
}

static void lap(unsigned n)
{
    tw_span span = tw_span_begin("phase");
    for (unsigned i = 0; i < n; i++) span = tw_span_lap(span, "phase");
    tw_span_end(span);
}

static void event(unsigned n)
{
    for (unsigned i = 0; i < n; i++) tw_event("hit");
}

static const struct mode {
    const char *name;
    void (*run)(unsigned n);
} modes[] = {{"empty", empty}, {"0_tags", span_0_tags}, {"4_ints", span_4_ints}, {"4_literals", span_4_literals},
             {"lap", lap},     {"event", event}};

int main(int argc, char **argv)
{
    if (argc != 3) return 2;
    unsigned n = (unsigned)strtoul(argv[2], NULL, 10);
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        if (strcmp(modes[i].name, argv[1]) != 0) continue;
        tw_span root = tw_span_begin_root("bench");
        modes[i].run(n);
        bool open = tw_span_is_open(root);
        tw_span_end(root);
        if (!open) fprintf(stderr, "callgrind_span: nothing was recorded\n");
        return open ? 0 : 1;
    }
    return 2;
}
