/* elf_objects: see the header.
 *
 *     symbol -> address of the object -> its words: in the file, or, where the object may lie anywhere, as relocations
 *     a word -> address of a text -> place in the file
 *
 * What a program will have in its memory once it is loaded is read from its file, so that nobody has to look into the
 * program. Only relocations that add where the object was loaded are understood, which are those of pointers to one's
 * own data.
 *
 * The file is somebody else's: every offset and size is checked against its length, texts end within it.
 *
 * Limits: 64 bits, this machine's byte order; x86-64 and AArch64; a million symbols and relocations, 256 segments,
 * names and texts of 4 KiB. Nothing is found where the symbol table has been stripped.
 */
#include "base/elf_objects.h"

#include <elf.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <trackway/err.h>

enum { SEGMENTS_MAX = 256, SYMBOLS_MAX = 1 << 20, RELOCATIONS_MAX = 1 << 20, TEXT_MAX = 4096 };

struct relocation {
    uint64_t at, value;
};

struct image {
    const uint8_t *bytes;
    size_t len;
    Elf64_Ehdr head;
    struct relocation *relocations; /* by address */
    size_t count;
};

/* Whether a table of count entries lies in the file. */
static bool lies_within(const struct image *image, uint64_t at, uint64_t count, uint64_t size)
{
    return at <= image->len && count <= (image->len - at) / size;
}

static bool section_of(const struct image *image, size_t index, Elf64_Shdr *out)
{
    if (index >= image->head.e_shnum) return false;
    memcpy(out, image->bytes + image->head.e_shoff + index * sizeof *out, sizeof *out);
    return true;
}

/* Where the byte of an address is in the file; len when it is in none. */
static size_t place_of(const struct image *image, uint64_t address)
{
    for (size_t i = 0; i < image->head.e_phnum; i++) {
        Elf64_Phdr s;
        memcpy(&s, image->bytes + image->head.e_phoff + i * sizeof s, sizeof s);
        if (s.p_type != PT_LOAD || address < s.p_vaddr || address - s.p_vaddr >= s.p_filesz) continue;
        uint64_t at = address - s.p_vaddr;
        return s.p_offset < image->len && at < image->len - s.p_offset ? (size_t)(s.p_offset + at) : image->len;
    }
    return image->len;
}

static int by_address(const void *a, const void *b)
{
    const struct relocation *x = a, *y = b;
    return (x->at > y->at) - (x->at < y->at);
}

static bool is_relative(const struct image *image, uint64_t info)
{
    uint32_t type = (uint32_t)ELF64_R_TYPE(info);
    return image->head.e_machine == EM_X86_64 ? type == R_X86_64_RELATIVE : type == R_AARCH64_RELATIVE;
}

static int read_relocations(struct image *image)
{
    Elf64_Shdr section;
    size_t cap = 0;
    for (size_t i = 0; section_of(image, i, &section); i++) {
        size_t count = section.sh_type == SHT_RELA ? (size_t)(section.sh_size / sizeof(Elf64_Rela)) : 0;
        if (count == 0 || !lies_within(image, section.sh_offset, count, sizeof(Elf64_Rela))) continue;
        if (count > RELOCATIONS_MAX - cap) return TW_ERR_CORRUPT;
        struct relocation *more = realloc(image->relocations, (cap + count) * sizeof *more);
        if (!more) return TW_ERR_MEMORY;
        image->relocations = more;
        cap += count;
        for (size_t k = 0; k < count; k++) {
            Elf64_Rela one;
            memcpy(&one, image->bytes + section.sh_offset + k * sizeof one, sizeof one);
            if (is_relative(image, one.r_info))
                more[image->count++] = (struct relocation){one.r_offset, (uint64_t)one.r_addend};
        }
    }
    if (image->count > 1) qsort(image->relocations, image->count, sizeof *image->relocations, by_address);
    return 0;
}

/* The text that begins at a place in the file; NULL: none ends in time. */
static const char *text_from(const struct image *image, size_t at)
{
    size_t most = image->len - at < TEXT_MAX ? image->len - at : TEXT_MAX;
    return most && memchr(image->bytes + at, 0, most) ? (const char *)image->bytes + at : NULL;
}

/* The text that the word at an address points to; NULL: none. */
static const char *text_at(const struct image *image, uint64_t address)
{
    const struct relocation key = {address, 0};
    const struct relocation *found =
        image->count ? bsearch(&key, image->relocations, image->count, sizeof key, by_address) : NULL;
    uint64_t value = found ? found->value : 0;
    size_t at = place_of(image, address);
    if (!found && at <= image->len - sizeof value) memcpy(&value, image->bytes + at, sizeof value);
    return value ? text_from(image, place_of(image, value)) : NULL;
}

static bool is_named(const char *symbol, const char *name)
{
    size_t len = strlen(name);
    for (const char *at = strstr(symbol, name); at; at = strstr(at + 1, name))
        if (at[len] >= '0' && at[len] <= '9') return true;
    return false;
}

static bool tell(const struct image *image, const Elf64_Sym *symbol, const struct tw__elf_kind *kind,
                 tw__elf_object_fn fn, void *data)
{
    const char *texts[TW__ELF_TEXTS_MAX];
    if (kind->count > TW__ELF_TEXTS_MAX || symbol->st_size < kind->at + 8 * kind->count) return false;
    for (size_t i = 0; i < kind->count; i++) {
        texts[i] = text_at(image, symbol->st_value + kind->at + 8 * i);
        if (!texts[i]) return false;
    }
    fn(data, kind, texts);
    return true;
}

static int each_object(const struct image *image, const Elf64_Shdr *symbols, const Elf64_Shdr *strings,
                       const struct tw__elf_kind *kinds, size_t kind_count, tw__elf_object_fn fn, void *data)
{
    size_t count = (size_t)(symbols->sh_size / sizeof(Elf64_Sym));
    int told = 0;
    if (count > SYMBOLS_MAX) count = SYMBOLS_MAX;
    if (!lies_within(image, symbols->sh_offset, count, sizeof(Elf64_Sym)) ||
        !lies_within(image, strings->sh_offset, strings->sh_size, 1))
        return TW_ERR_CORRUPT;
    for (size_t i = 0; i < count; i++) {
        Elf64_Sym symbol;
        memcpy(&symbol, image->bytes + symbols->sh_offset + i * sizeof symbol, sizeof symbol);
        if (ELF64_ST_TYPE(symbol.st_info) != STT_OBJECT || symbol.st_name >= strings->sh_size) continue;
        const char *name = text_from(image, (size_t)(strings->sh_offset + symbol.st_name));
        for (size_t k = 0; name && k < kind_count && told < INT_MAX; k++)
            if (is_named(name, kinds[k].name) && tell(image, &symbol, &kinds[k], fn, data)) told++;
    }
    return told;
}

int tw__elf_objects(const uint8_t *bytes, size_t len, const struct tw__elf_kind *kinds, size_t kind_count,
                    tw__elf_object_fn fn, void *data)
{
    struct image image = {.bytes = bytes, .len = len};
    Elf64_Shdr symbols, strings;
    if (len < sizeof image.head) return TW_ERR_FOREIGN;
    memcpy(&image.head, bytes, sizeof image.head);
    const Elf64_Ehdr *head = &image.head;
    if (memcmp(head->e_ident, ELFMAG, SELFMAG) != 0 || head->e_ident[EI_CLASS] != ELFCLASS64 ||
        head->e_ident[EI_DATA] != ELFDATA2LSB || (head->e_machine != EM_X86_64 && head->e_machine != EM_AARCH64))
        return TW_ERR_FOREIGN;
    if ((head->e_phnum && head->e_phentsize != sizeof(Elf64_Phdr)) ||
        (head->e_shnum && head->e_shentsize != sizeof(Elf64_Shdr)) || head->e_phnum > SEGMENTS_MAX ||
        !lies_within(&image, head->e_phoff, head->e_phnum, sizeof(Elf64_Phdr)) ||
        !lies_within(&image, head->e_shoff, head->e_shnum, sizeof(Elf64_Shdr)))
        return TW_ERR_CORRUPT;
    for (size_t i = 0; section_of(&image, i, &symbols); i++) {
        if (symbols.sh_type != SHT_SYMTAB || symbols.sh_entsize != sizeof(Elf64_Sym)) continue;
        if (!section_of(&image, symbols.sh_link, &strings)) return TW_ERR_CORRUPT;
        int result = read_relocations(&image);
        if (result == 0) result = each_object(&image, &symbols, &strings, kinds, kind_count, fn, data);
        free(image.relocations);
        return result;
    }
    return 0; /* stripped */
}
