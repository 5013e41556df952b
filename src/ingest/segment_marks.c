/* segment_marks: see the header. Lines of "until opened path"; a few for each process, so that a list is enough. */
#include "ingest/segment_marks.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MARKS_MAX = 65536 };

static struct tw__segment_mark *find(const struct tw__segment_marks *marks, const char *path, uint64_t opened_ns)
{
    for (size_t i = 0; i < marks->count; i++)
        if (marks->items[i].opened_ns == opened_ns && strcmp(marks->items[i].path, path) == 0) return &marks->items[i];
    return NULL;
}

uint64_t tw__segment_marks_get(const struct tw__segment_marks *marks, const char *path, uint64_t opened_ns)
{
    const struct tw__segment_mark *mark = find(marks, path, opened_ns);
    return mark ? mark->until_ns : 0;
}

int tw__segment_marks_set(struct tw__segment_marks *marks, const char *path, uint64_t opened_ns, uint64_t until_ns)
{
    struct tw__segment_mark *mark = find(marks, path, opened_ns);
    if (mark) {
        mark->until_ns = until_ns;
        return 0;
    }
    if (marks->count == MARKS_MAX) return TW_ERR_SPACE;
    if (marks->count == marks->cap) {
        size_t cap = marks->cap ? marks->cap * 2 : 16;
        struct tw__segment_mark *more = realloc(marks->items, cap * sizeof *more);
        if (!more) return TW_ERR_MEMORY;
        marks->items = more;
        marks->cap = cap;
    }
    char *copy = strdup(path);
    if (!copy) return TW_ERR_MEMORY;
    marks->items[marks->count++] = (struct tw__segment_mark){copy, opened_ns, until_ns};
    return 0;
}

int tw__segment_marks_load(struct tw__segment_marks *marks, const char *file)
{
    char line[1200], path[1100];
    int code = 0;
    FILE *in = fopen(file, "re");
    if (!in) return 0;
    while (code == 0 && fgets(line, sizeof line, in)) {
        uint64_t until_ns, opened_ns;
        if (sscanf(line, "%" SCNu64 " %" SCNu64 " %1099[^\n]", &until_ns, &opened_ns, path) != 3) continue;
        code = tw__segment_marks_set(marks, path, opened_ns, until_ns);
    }
    (void)fclose(in);
    return code == TW_ERR_SPACE ? 0 : code;
}

int tw__segment_marks_save(const struct tw__segment_marks *marks, const char *file)
{
    char next[2048];
    if ((size_t)snprintf(next, sizeof next, "%s.new", file) >= sizeof next) return TW_ERR_SPACE;
    FILE *out = fopen(next, "we");
    if (!out) return TW_ERR_SYSTEM;
    bool failed = false;
    for (size_t i = 0; i < marks->count; i++) {
        const struct tw__segment_mark *mark = &marks->items[i];
        if (strchr(mark->path, '\n')) continue;
        failed |= fprintf(out, "%" PRIu64 " %" PRIu64 " %s\n", mark->until_ns, mark->opened_ns, mark->path) < 0;
    }
    failed |= fclose(out) != 0;
    if (!failed && rename(next, file) == 0) return 0;
    (void)unlink(next);
    return TW_ERR_SYSTEM;
}

void tw__segment_marks_tidy(struct tw__segment_marks *marks)
{
    size_t kept = 0;
    for (size_t i = 0; i < marks->count; i++) {
        if (access(marks->items[i].path, F_OK) == 0)
            marks->items[kept++] = marks->items[i];
        else
            free(marks->items[i].path);
    }
    marks->count = kept;
}

void tw__segment_marks_fini(struct tw__segment_marks *marks)
{
    for (size_t i = 0; i < marks->count; i++) free(marks->items[i].path);
    free(marks->items);
    *marks = (struct tw__segment_marks){0};
}
