/* bench_record: what recording costs, and whether the promises of the recorder hold on this machine.
 *
 * Linked with libtrackway.so as a user's program is. Every limit that can be is one of a ratio: floor.h says to what.
 * Each group runs in a child process, so that each begins with a library that nobody has used, in an arena of its own,
 * and one that crashes fails alone. What the rows mean and what they were on which machine: README.md.
 *
 * Usage: bench_record [--json] [--only NAME] [--rounds N]. Exit 1 when a limit is exceeded.
 */
#include <stdio.h>

#include "bench.h"
#include "record.h"

static const struct group {
    const char *prefix, *headline;
    bool (*run)(void);
} groups[] = {
    {"span.", "one thread, through libtrackway.so (floor A: two clock reads, 64 bytes; floor B: one, 32 bytes)",
     record_spans},
    {"off.", NULL, NULL}, /* with span. */
    {"threads.", "two threads, the cost to each, against one", record_threads},
    {"reader.", "another process reads the whole arena without a pause, against none", record_reader},
    {"pull.", "one trace out of a full arena of 64 MB, by another process", record_pull},
    {"memory.", "a thousand threads in the default arena", record_memory},
    {"start.", "first use (no limits: what to expect)", record_start},
    {"lttng.", "beside LTTng-UST in snapshot mode: baseline is LTTng, same work, same process", record_beside},
};

int main(int argc, char **argv)
{
    bool pass = true;
    if (!bench_parse(argc, argv)) return 2;
    if (!bench_options.json)
        printf("bench_record on %u processors\n  %-26s %9s %-6s %-15s %-9s\n", bench_processors(), "", "value", "",
               "x baseline", "limit");
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        const struct group *group = &groups[i];
        bool wanted = bench_wanted(group->prefix);
        while (i + 1 < sizeof groups / sizeof groups[0] && !groups[i + 1].run)
            wanted |= bench_wanted(groups[++i].prefix);
        if (!wanted) continue;
        bench_headline(group->headline);
        pass &= bench_child(group->run);
    }
    return pass ? 0 : 1;
}
