/* Names of functions by address: our own, which the compiler knows, and those of a stripped library; and files that are
 * no ELF files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/elf.h"
#include "export/live_functions.h"

int a_function_of_ours(int n);

__attribute__((noinline)) int a_function_of_ours(int n)
{
    __asm__ volatile("" : "+r"(n));
    return n;
}

__attribute__((noinline)) static int a_hidden_one(int n)
{
    __asm__ volatile("" : "+r"(n));
    return n + 1;
}

static const char *name_of(uint64_t address, struct tw_text *object)
{
    static struct tw__functions *functions;
    struct tw_text name;
    if (!functions) functions = tw__functions_new((uint32_t)getpid());
    assert_non_null(functions);
    tw__functions_find(functions, address, &name, object);
    return name.ptr;
}

static void functions_of_ours_are_known_by_any_address_in_them(void **state)
{
    (void)state;
    struct tw_text object;
    assert_string_equal(name_of((uint64_t)(uintptr_t)a_function_of_ours, &object), "a_function_of_ours");
    assert_string_equal(name_of((uint64_t)(uintptr_t)a_function_of_ours + 1, &object), "a_function_of_ours");
    assert_string_equal(name_of((uint64_t)(uintptr_t)a_hidden_one, &object), "a_hidden_one");
    assert_true(object.len > 0);
    assert_int_equal(a_function_of_ours(1) + a_hidden_one(1), 3);
}

static void addresses_of_nothing_are_shown_as_they_are(void **state)
{
    (void)state;
    struct tw_text object;
    assert_string_equal(name_of(16, &object), "0x10");
    assert_string_equal(name_of(UINT64_MAX, &object), "0xffffffffffffffff");
}

static void a_process_that_is_not_there_has_no_names(void **state)
{
    (void)state;
    struct tw__functions *functions = tw__functions_new(0x7ffffffe);
    struct tw_text name, object;
    assert_non_null(functions);
    tw__functions_find(functions, 0x1234, &name, &object);
    assert_string_equal(name.ptr, "0x1234");
    tw__functions_free(functions);
}

static void what_is_no_elf_file_or_a_part_of_one_is_an_error(void **state)
{
    (void)state;
    struct tw__elf *elf;
    static uint8_t bytes[1 << 16];
    assert_true(tw__elf_open("/dev/null", &elf) < 0);
    assert_true(tw__elf_open("/nowhere", &elf) < 0);
    assert_true(tw__elf_open("/etc/passwd", &elf) < 0);
    FILE *self = fopen("/proc/self/exe", "r");
    assert_non_null(self);
    size_t len = fread(bytes, 1, sizeof bytes, self);
    (void)fclose(self);
    for (size_t cut = 0; cut < len; cut += cut < 200 ? 1 : 997) {
        uint8_t *exact = malloc(cut + 1); /* ASan sees a byte too many */
        assert_non_null(exact);
        memcpy(exact, bytes, cut);
        if (tw__elf_parse(exact, cut, &elf) == 0) {
            (void)tw__elf_function(elf, 4096);
            tw__elf_free(elf);
        }
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_of_ours_are_known_by_any_address_in_them),
        cmocka_unit_test(addresses_of_nothing_are_shown_as_they_are),
        cmocka_unit_test(a_process_that_is_not_there_has_no_names),
        cmocka_unit_test(what_is_no_elf_file_or_a_part_of_one_is_an_error),
    };
    return cmocka_run_group_tests_name("live functions", tests, NULL, NULL);
}
