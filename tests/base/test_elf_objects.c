/* Objects of this very program, whose symbols and texts the linker has put into its file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <trackway/err.h>

#include "base/elf.h"
#include "base/elf_objects.h"

struct thing {
    uint64_t number;
    const char *first, *second;
};

#define KEPT __attribute__((used)) static
KEPT struct thing thing_1 = {17, "first of one", "second of one"};
KEPT struct thing thing_22 = {18, "first of two", "second of two"};
KEPT struct thing thing_3 = {19, "without a second", NULL};
KEPT struct thing thing_x = {20, "no digit", "behind its name"};
KEPT const char *small_1 = "too small for two";

static const struct tw__elf_kind things = {"thing_", offsetof(struct thing, first), 2};

struct found {
    size_t count;
    bool one, two, other;
};

static void note(void *data, const struct tw__elf_kind *kind, const char *const *texts)
{
    struct found *found = data;
    assert_int_equal(kind->count, 2);
    bool one = strcmp(texts[0], "first of one") == 0 && strcmp(texts[1], "second of one") == 0;
    bool two = strcmp(texts[0], "first of two") == 0 && strcmp(texts[1], "second of two") == 0;
    found->count++;
    found->one |= one;
    found->two |= two;
    found->other |= !one && !two;
}

static void own_file(uint8_t **bytes, size_t *len)
{
    assert_int_equal(tw__elf_read("/proc/self/exe", bytes, len), 0);
}

static void objects_are_found_by_their_names_with_what_they_point_to(void **state)
{
    (void)state;
    uint8_t *bytes;
    size_t len;
    struct found found = {0};
    own_file(&bytes, &len);
    assert_int_equal(tw__elf_objects(bytes, len, &things, 1, note, &found), 2);
    assert_true(found.count == 2 && found.one && found.two && !found.other);
    const struct tw__elf_kind none = {"no such thing", 0, 1}, small = {"small_", 0, 2};
    assert_int_equal(tw__elf_objects(bytes, len, &none, 1, note, &found), 0);
    assert_int_equal(tw__elf_objects(bytes, len, &small, 1, note, &found), 0);
    free(bytes);
}

static void a_file_cut_anywhere_is_no_file_or_has_fewer(void **state)
{
    (void)state;
    uint8_t *bytes;
    size_t len;
    own_file(&bytes, &len);
    for (size_t cut = 0; cut < len; cut += 1 + len / 300) {
        struct found found = {0};
        uint8_t *copy = malloc(cut + 1);
        assert_non_null(copy);
        memcpy(copy, bytes, cut);
        int result = tw__elf_objects(copy, cut, &things, 1, note, &found);
        assert_true(result <= 2 && found.count <= 2 && !found.other);
        free(copy);
    }
    free(bytes);
}

static void what_is_no_elf_file_is_foreign(void **state)
{
    (void)state;
    struct found found = {0};
    uint8_t text[100] = "#!/bin/sh";
    assert_int_equal(tw__elf_objects(text, sizeof text, &things, 1, note, &found), TW_ERR_FOREIGN);
    assert_int_equal(tw__elf_objects(text, 0, &things, 1, note, &found), TW_ERR_FOREIGN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_are_found_by_their_names_with_what_they_point_to),
        cmocka_unit_test(a_file_cut_anywhere_is_no_file_or_has_fewer),
        cmocka_unit_test(what_is_no_elf_file_is_foreign),
    };
    return cmocka_run_group_tests_name("elf_objects", tests, NULL, NULL);
}
