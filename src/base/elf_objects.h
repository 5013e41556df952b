/* elf_objects: static objects of an executable or shared object, and the texts that they point to. */
#ifndef TW_BASE_ELF_OBJECTS_H
#define TW_BASE_ELF_OBJECTS_H

#include <stddef.h>
#include <stdint.h>

enum { TW__ELF_TEXTS_MAX = 4 };

/* Which objects, and what of them: those whose symbol has name, then a digit, in its own name, and are at least so
 * large that count pointers begin at byte at. */
struct tw__elf_kind {
    const char *name;
    size_t at, count;
};

/* texts: kind->count of them, within the file's bytes. */
typedef void (*tw__elf_object_fn)(void *data, const struct tw__elf_kind *kind, const char *const *texts);

/* Calls fn for each object of one of the kinds in the symbol table of a whole file in memory, all of whose pointers
 * lead to texts.
 * Returns  how many, or TW_ERR_FOREIGN (no ELF file of this machine's kind), TW_ERR_CORRUPT, TW_ERR_MEMORY. */
int tw__elf_objects(const uint8_t *bytes, size_t len, const struct tw__elf_kind *kinds, size_t kind_count,
                    tw__elf_object_fn fn, void *data);

#endif
