/* A library with sites is unloaded, and another, or the same, loaded in its place.
 *
 * A site remembers its dictionary id in the library's own data, which goes with it; the dictionary keeps the text. A
 * library that comes back registers anew and gets the same ids. Literal values and keys live there too, and nothing
 * that was recorded points into a library. prog_dlclose uses the shared library as programs do; here its segment is
 * read. */
#define _GNU_SOURCE
#include "process/proc.h"

#include <stdlib.h>
#include <string.h>

#include "ring/view.h"

enum { ROUNDS = 50 };

static char folder[512];

static void run_program(void *arg)
{
    char path[600];
    (void)arg;
    (void)snprintf(path, sizeof path, "%s/prog_dlclose", folder);
    (void)execl(path, path, folder, (char *)NULL);
    _exit(77);
}

static const char *of_library(const struct tw_record *r)
{
    return r->name.len > 4 && memcmp(r->name.ptr, "one ", 4) == 0 ? "one"
           : memcmp(r->name.ptr, "two ", 4) == 0                  ? "two"
                                                                  : NULL;
}

static void names_are_right_after_a_library_came_back(void **state)
{
    size_t work[2] = {0, 0}, events[2] = {0, 0}, ended = 0;
    (void)state;
    assert_int_equal(setenv("TRACKWAY_KEEP", "1", 1), 0);
    int code = proc_child(run_program, NULL);
    assert_int_equal(unsetenv("TRACKWAY_KEEP"), 0);
    if (code == 77) skip();
    assert_int_equal(code, 0);
    const struct proc_segment *s = proc_read_only();
    assert_int_equal(s->process.state, TW_PROCESS_EXITED);
    for (size_t i = 0; i < s->records->count; i++) {
        const struct tw_record *r = &s->records->items[i];
        const char *library = of_library(r);
        char expected[32];
        if (!library) continue;
        assert_true(proc_text_is(r->module, "sites"));
        if (r->kind == TW_RECORD_EVENT) {
            (void)snprintf(expected, sizeof expected, "%s attr", library);
            assert_int_equal(proc_int(r, expected) % 2, strcmp(library, "two") == 0);
            events[strcmp(library, "two") == 0]++;
            continue;
        }
        (void)snprintf(expected, sizeof expected, "%s literal", library);
        assert_true(proc_text_is(proc_tag(r, "literal")->text, expected));
        (void)snprintf(expected, sizeof expected, "%s work", library);
        if (!proc_text_is(r->name, expected)) {
            ended += r->kind == TW_RECORD_SPAN;
            continue;
        }
        assert_true(proc_text_is(r->function, "sites_work"));
        (void)snprintf(expected, sizeof expected, "%s key", library);
        assert_int_equal(proc_int(r, expected) % 2, strcmp(library, "two") == 0);
        work[strcmp(library, "two") == 0]++;
    }
    assert_int_equal(work[0], ROUNDS);
    assert_int_equal(work[1], ROUNDS);
    assert_int_equal(events[0], ROUNDS);
    assert_int_equal(events[1], ROUNDS);
    assert_int_equal(ended, ROUNDS - 1);
    const struct tw_record *open = proc_find(s->records, TW_RECORD_OPEN, "two open");
    assert_non_null(open);
    assert_true(proc_text_is(proc_tag(open, "literal")->text, "two literal"));
    assert_int_equal(proc_count(s->records, TW_RECORD_SPAN, "between"), ROUNDS);
    assert_int_equal(s->process.losses.no_dictionary, 0);
}

static void a_library_that_comes_back_takes_no_more_of_the_dictionary(void **state)
{
    (void)state;
    assert_int_equal(setenv("TRACKWAY_KEEP", "1", 1), 0);
    int code = proc_child(run_program, NULL);
    assert_int_equal(unsetenv("TRACKWAY_KEEP"), 0);
    if (code == 77) skip();
    const struct tw__header *header = (const void *)proc_read_only()->reader->map;
    print_message("    %u bytes of dictionary\n", header->dict_used * 8);
    assert_true(header->dict_used * 8 < 1024);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        PROC(names_are_right_after_a_library_came_back),
        PROC(a_library_that_comes_back_takes_no_more_of_the_dictionary),
    };
    (void)argc;
    (void)snprintf(folder, sizeof folder, "%.500s", argv[0]);
    char *slash = strrchr(folder, '/');
    if (slash) *slash = 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
