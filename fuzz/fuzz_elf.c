/* Whatever an ELF file says of itself, looking for functions and objects in it touches nothing outside, and names
 * end. */
#include <string.h>

#include "base/elf.h"
#include "base/elf_objects.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void add_lengths(void *data, const struct tw__elf_kind *kind, const char *const *texts)
{
    for (size_t i = 0; i < kind->count; i++) *(size_t *)data += strlen(texts[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct tw__elf_kind kinds[] = {{"site_", 8, 3}, {"m", 0, 1}};
    struct tw__elf *elf;
    size_t sum = 0;
    (void)tw__elf_objects(data, size, kinds, 2, add_lengths, &sum);
    if (tw__elf_parse(data, size, &elf) != 0) return 0;
    for (uint64_t at = 0; at <= size; at += 16) {
        const char *name = tw__elf_function(elf, at);
        if (name) sum += strlen(name);
    }
    tw__elf_free(elf);
    return sum == SIZE_MAX;
}
