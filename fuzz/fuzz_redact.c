/* Paths, a NUL, and a JSON text. What is shown is JSON again, fits, and redacting it once more changes nothing; in
 * pieces of memory of any size it is JSON as well. */
#include <stdlib.h>
#include <string.h>

#include "wire/json_read.h"
#include "wire/part.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct tw__form write_part(const struct tw__paths *paths, const char *json, size_t len, char *out, size_t cap,
                                  enum tw__form_kind kind)
{
    struct tw__secrets secrets = {0};
    struct tw__part part = {.paths = paths, .collect = &secrets};
    struct tw__form form;
    const struct tw_value value = TW_ARG_JSON(NULL, json, len);
    tw__form_begin(&form, kind, out, cap, 50);
    tw__part_write(&part, &form, &value);
    if (form.len > cap || form.depth || form.unwritten) abort();
    return form;
}

static void must_be_json(const char *text, size_t len)
{
    char scratch[64];
    struct tw__json_reader json = {
        .text = text, .len = len, .last = true, .scratch = scratch, .scratch_cap = sizeof scratch};
    if (len == 0) return;
    if (tw__json_skip(&json) == TW__JSON_BAD || tw__json_read(&json) != TW__JSON_DONE) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
    if (!nul) return 0;
    const char *list = (const char *)data, *json = (const char *)nul + 1;
    size_t len = size - (size_t)(json - list), cap = 8 * len + 64, bad;
    struct tw__paths *compiled = NULL;
    const struct tw__paths *paths = tw__paths_compile(&list, 1, &compiled, &bad) == 0 ? compiled : tw__paths_everything;
    char *first = malloc(cap), *second = malloc(cap), small[40];
    if (first && second) {
        struct tw__form once = write_part(paths, json, len, first, cap, TW__FORM_JSON);
        must_be_json(first, once.len);
        if (once.cut) abort();
        struct tw__form twice = write_part(paths, first, once.len, second, cap, TW__FORM_JSON);
        if (once.len != twice.len || memcmp(first, second, once.len) != 0) abort();
        struct tw__form little = write_part(paths, json, len, small, len % sizeof small, TW__FORM_JSON);
        must_be_json(small, little.len);
        (void)write_part(paths, json, len, small, sizeof small, TW__FORM_DISPLAY);
    }
    free(first);
    free(second);
    tw__paths_free(compiled);
    return 0;
}
