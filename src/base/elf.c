/* elf: see the header.
 *
 *     place in the file --program headers--> address --symbols, sorted by address--> name
 *
 * The file is somebody else's: every offset and size is checked against its length, and counts have upper bounds. Names
 * end in the string table, whose last byte is made zero.
 *
 * Limits: 64 bits, this machine's byte order; 512 MB; a million functions.
 * Rejected: libelf and libdw (another library in every program), addr2line (a process for each object).
 */
#include "base/elf.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <trackway/err.h>

enum { SEGMENTS_MAX = 256, FUNCTIONS_MAX = 1 << 20 };
#define FILE_MAX ((size_t)512 << 20)

struct function {
    uint64_t at, size;
    uint32_t name;
};

struct tw__elf {
    Elf64_Phdr *segments;
    size_t segment_count;
    struct function *functions; /* by address */
    size_t count;
    char *names;
    size_t names_len;
};

void tw__elf_free(struct tw__elf *elf)
{
    if (!elf) return;
    free(elf->segments);
    free(elf->functions);
    free(elf->names);
    free(elf);
}

/* The bytes of a table of count entries; NULL when they do not lie in the file. */
static const uint8_t *table(const uint8_t *bytes, size_t len, uint64_t at, uint64_t count, uint64_t size)
{
    if (at > len || (size && count > (len - at) / size)) return NULL;
    return bytes + at;
}

static int by_address(const void *a, const void *b)
{
    const struct function *x = a, *y = b;
    return (x->at > y->at) - (x->at < y->at);
}

static bool read_functions(struct tw__elf *elf, const uint8_t *symbols, size_t count)
{
    elf->functions = calloc(count + 1, sizeof *elf->functions);
    if (!elf->functions) return false;
    for (size_t i = 0; i < count && elf->count < FUNCTIONS_MAX; i++) {
        Elf64_Sym symbol;
        memcpy(&symbol, symbols + i * sizeof symbol, sizeof symbol);
        unsigned type = ELF64_ST_TYPE(symbol.st_info);
        if ((type != STT_FUNC && type != STT_GNU_IFUNC) || symbol.st_shndx == SHN_UNDEF ||
            symbol.st_name >= elf->names_len)
            continue;
        elf->functions[elf->count++] = (struct function){symbol.st_value, symbol.st_size, symbol.st_name};
    }
    qsort(elf->functions, elf->count, sizeof *elf->functions, by_address);
    return true;
}

/* The section of that type, with the strings that belong to it. */
static bool find_symbols(const uint8_t *sections, size_t count, uint32_t type, Elf64_Shdr *symbols, Elf64_Shdr *strings)
{
    for (size_t i = 0; i < count; i++) {
        memcpy(symbols, sections + i * sizeof *symbols, sizeof *symbols);
        if (symbols->sh_type != type || symbols->sh_entsize != sizeof(Elf64_Sym) || symbols->sh_link >= count) continue;
        memcpy(strings, sections + symbols->sh_link * sizeof *strings, sizeof *strings);
        return strings->sh_type == SHT_STRTAB;
    }
    return false;
}

static int fill(struct tw__elf *elf, const uint8_t *bytes, size_t len, const Elf64_Ehdr *head)
{
    Elf64_Shdr symbols, strings;
    const uint8_t *segments = table(bytes, len, head->e_phoff, head->e_phnum, sizeof(Elf64_Phdr));
    const uint8_t *sections = table(bytes, len, head->e_shoff, head->e_shnum, sizeof(Elf64_Shdr));
    if (!segments || !sections || head->e_phnum > SEGMENTS_MAX) return TW_ERR_CORRUPT;
    if (!find_symbols(sections, head->e_shnum, SHT_SYMTAB, &symbols, &strings) &&
        !find_symbols(sections, head->e_shnum, SHT_DYNSYM, &symbols, &strings))
        return 0; /* stripped of both: no names */
    size_t count = (size_t)(symbols.sh_size / sizeof(Elf64_Sym));
    const uint8_t *names = table(bytes, len, strings.sh_offset, strings.sh_size, 1);
    const uint8_t *entries = table(bytes, len, symbols.sh_offset, count, sizeof(Elf64_Sym));
    if (!names || !entries) return TW_ERR_CORRUPT;
    elf->names_len = (size_t)strings.sh_size;
    elf->names = malloc(elf->names_len + 1);
    elf->segments = calloc((size_t)head->e_phnum + 1, sizeof *elf->segments);
    if (!elf->names || !elf->segments) return TW_ERR_MEMORY;
    if (elf->names_len) memcpy(elf->names, names, elf->names_len);
    elf->names[elf->names_len] = 0;
    if (head->e_phnum) memcpy(elf->segments, segments, head->e_phnum * sizeof *elf->segments);
    elf->segment_count = head->e_phnum;
    return read_functions(elf, entries, count) ? 0 : TW_ERR_MEMORY;
}

int tw__elf_parse(const uint8_t *bytes, size_t len, struct tw__elf **out)
{
    Elf64_Ehdr head;
    if (len < sizeof head) return TW_ERR_FOREIGN;
    memcpy(&head, bytes, sizeof head);
    if (memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_ident[EI_CLASS] != ELFCLASS64 ||
        head.e_ident[EI_DATA] != ELFDATA2LSB || (head.e_phnum && head.e_phentsize != sizeof(Elf64_Phdr)) ||
        (head.e_shnum && head.e_shentsize != sizeof(Elf64_Shdr)))
        return TW_ERR_FOREIGN;
    struct tw__elf *elf = calloc(1, sizeof *elf);
    if (!elf) return TW_ERR_MEMORY;
    int result = fill(elf, bytes, len, &head);
    if (result < 0)
        tw__elf_free(elf);
    else
        *out = elf;
    return result;
}

static int error_of(int error_number)
{
    if (error_number == ENOENT || error_number == ENOTDIR) return TW_ERR_NOT_FOUND;
    return error_number == EACCES || error_number == EPERM ? TW_ERR_PERMISSION : TW_ERR_SYSTEM;
}

/* Read, not mapped: a mapping of a file that somebody cuts would kill us. */
int tw__elf_read(const char *path, uint8_t **out, size_t *out_len)
{
    struct stat st;
    int saved = errno, fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), result = 0;
    if (fd < 0) {
        result = error_of(errno);
        errno = saved;
        return result;
    }
    uint8_t *bytes = NULL;
    size_t len = 0;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size < 0 || (uint64_t)st.st_size > FILE_MAX)
        result = TW_ERR_FOREIGN;
    if (result == 0) bytes = malloc((size_t)st.st_size + 1);
    if (result == 0 && !bytes) result = TW_ERR_MEMORY;
    while (result == 0 && len < (size_t)st.st_size) {
        ssize_t n = read(fd, bytes + len, (size_t)st.st_size - len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) result = TW_ERR_SYSTEM;
        if (n <= 0) break;
        len += (size_t)n;
    }
    close(fd);
    errno = saved;
    if (result < 0) {
        free(bytes);
        return result;
    }
    *out = bytes;
    *out_len = len;
    return 0;
}

int tw__elf_open(const char *path, struct tw__elf **out)
{
    uint8_t *bytes;
    size_t len;
    int result = tw__elf_read(path, &bytes, &len);
    if (result < 0) return result;
    result = tw__elf_parse(bytes, len, out);
    free(bytes);
    return result;
}

const char *tw__elf_function(const struct tw__elf *elf, uint64_t offset)
{
    uint64_t address = 0;
    bool found = false;
    for (size_t i = 0; i < elf->segment_count && !found; i++) {
        const Elf64_Phdr *s = &elf->segments[i];
        found = s->p_type == PT_LOAD && offset >= s->p_offset && offset - s->p_offset < s->p_filesz;
        if (found) address = offset - s->p_offset + s->p_vaddr;
    }
    size_t low = 0, high = elf->count; /* the first that begins behind it */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (elf->functions[middle].at > address)
            high = middle;
        else
            low = middle + 1;
    }
    if (!found || low == 0) return NULL;
    const struct function *f = &elf->functions[low - 1];
    if (address != f->at && address - f->at >= f->size) return NULL;
    return elf->names + f->name;
}
