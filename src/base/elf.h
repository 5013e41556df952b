/* elf: which function of an executable or shared object an address lies in. */
#ifndef TW_BASE_ELF_H
#define TW_BASE_ELF_H

#include <stddef.h>
#include <stdint.h>

struct tw__elf;

/* Reads the functions of an ELF file of this machine's kind: of its symbol table, or, where that has been stripped, of
 * the dynamic one.
 * Returns  0 and *out (tw__elf_free), TW_ERR_NOT_FOUND, TW_ERR_PERMISSION, TW_ERR_SYSTEM, TW_ERR_FOREIGN (no such
 *          file), TW_ERR_CORRUPT, TW_ERR_MEMORY. */
int tw__elf_open(const char *path, struct tw__elf **out);
/* A whole file, read, up to 512 MB; free(*bytes). Errors as above. */
int tw__elf_read(const char *path, uint8_t **bytes, size_t *len);
/* The same as tw__elf_open of a whole file in memory. */
int tw__elf_parse(const uint8_t *bytes, size_t len, struct tw__elf **out);
void tw__elf_free(struct tw__elf *elf);

/* The name of the function that the byte at a place of the file belongs to; NULL: of none. Valid until it is freed. */
const char *tw__elf_function(const struct tw__elf *elf, uint64_t offset);

#endif
