/* trace_words: words for completion of trackway trace: modules, functions, pids, references.
 *
 * Modules and functions of sites that have recorded something are in the segment's dictionary. Those of all others are in the files that
 * the process has loaded: each site is a static object, whose symbol and texts base/elf_objects finds there. So a program says nothing
 * of its sites before it comes to them: it costs no start-up, and a library that is loaded later is seen once it is, and no longer
 * when it has been closed. Where the symbol table has been stripped only the first kind is known; filters take any name.
 *
 * Rejected: a linker section of sites that the library registers (work at the start of every program, of which most are never watched,
 * and a section that C++ cannot have in inline functions); reading the process's memory (needs the right to debug it).
 */
#include "cli/trace_words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <trackway/live.h>
#include <trackway/log.h>

#include "base/elf.h"
#include "base/elf_objects.h"
#include "cli/source.h"

enum { LINE_CAP = 1200, WORD_CAP = 64 };

struct words {
    char **items;
    size_t count, cap;
    const char *module; /* NULL: functions of any */
    bool functions, failed;
};

/* The pointers to name, module and function. */
static const struct tw__elf_kind site_kinds[] = {
    {"tw__log_", offsetof(struct tw_log_site, site) + offsetof(struct tw_site, name), 3},
    {"tw__site_", offsetof(struct tw_site, name), 3}};

/* Words of a shell: what would have to be quoted is left out. */
static bool is_plain(struct tw_text text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                      c == '-' || c == '.';
        if (!letter) return false;
    }
    return text.len > 0;
}

static void add_word(struct words *words, struct tw_text word)
{
    if (!is_plain(word)) return;
    if (words->count == words->cap) {
        size_t cap = words->cap ? 2 * words->cap : WORD_CAP;
        char **items = realloc(words->items, cap * sizeof *items);
        if (!items) {
            words->failed = true;
            return;
        }
        words->items = items;
        words->cap = cap;
    }
    char *copy = strndup(word.ptr, word.len);
    if (copy)
        words->items[words->count++] = copy;
    else
        words->failed = true;
}

static void add_site(struct words *words, struct tw_text module, struct tw_text function)
{
    size_t len = words->module ? strlen(words->module) : 0;
    if (words->module && (module.len != len || memcmp(module.ptr, words->module, len) != 0)) return;
    add_word(words, words->functions ? function : module);
}

static bool recorded_site(const struct tw_site_value *site, void *data)
{
    add_site(data, site->module, site->function);
    return true;
}

/* "src/shop/cart.c" is the module "cart". */
static struct tw_text module_of(const char *file)
{
    const char *slash = strrchr(file, '/'), *base = slash ? slash + 1 : file, *dot = strrchr(base, '.');
    return (struct tw_text){base, dot && dot != base ? (size_t)(dot - base) : strlen(base)};
}

static void site_of_a_file(void *data, const struct tw__elf_kind *kind, const char *const *texts)
{
    (void)kind;
    add_site(data, module_of(texts[1]), (struct tw_text){texts[2], strlen(texts[2])});
}

/* A file as its process sees it. */
static void add_file(struct words *words, unsigned pid, const char *path)
{
    char whole[LINE_CAP + 32];
    uint8_t *bytes;
    size_t len;
    (void)snprintf(whole, sizeof whole, "/proc/%u/root%s", pid, path);
    if (tw__elf_read(whole, &bytes, &len) < 0) return;
    (void)tw__elf_objects(bytes, len, site_kinds, sizeof site_kinds / sizeof site_kinds[0], site_of_a_file, words);
    free(bytes);
}

/* The files that a process executes. Mappings of one file stand together. */
static void add_files(struct words *words, unsigned pid)
{
    char path[64], line[LINE_CAP], last[LINE_CAP] = "";
    (void)snprintf(path, sizeof path, "/proc/%u/maps", pid);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file)) {
        char permissions[8];
        int at = 0;
        line[strcspn(line, "\n")] = 0;
        if (sscanf(line, "%*s %7s %*s %*s %*s %n", permissions, &at) < 1 || permissions[2] != 'x') continue;
        if (at == 0 || line[at] != '/' || strcmp(line + at, last) == 0) continue;
        memcpy(last, line + at, strlen(line + at) + 1);
        add_file(words, pid, last);
    }
    if (file) (void)fclose(file);
}

static void add_number(struct words *words, unsigned number)
{
    char digits[16];
    int len = snprintf(digits, sizeof digits, "%u", number);
    add_word(words, (struct tw_text){digits, len > 0 ? (size_t)len : 0});
}

static void add_source(struct words *words, const struct tw__source *source, const char *kind)
{
    struct tw_live_status status;
    if (strcmp(kind, "pids") == 0) {
        add_number(words, source->process.pid);
    } else if (strcmp(kind, "refs") == 0) {
        for (size_t k = 0; tw_live_seat_status(source->reader, k, &status) == 0; k++)
            if (status.state <= TW_LIVE_STOPPING) add_word(words, (struct tw_text){status.ref, strlen(status.ref)});
    } else {
        (void)tw_reader_sites(source->reader, recorded_site, words);
        add_files(words, source->process.pid);
    }
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int print(struct words *words)
{
    struct tw__buf out = {0};
    if (words->count > 1) qsort(words->items, words->count, sizeof *words->items, by_text);
    for (size_t i = 0; i < words->count; i++)
        if (i == 0 || strcmp(words->items[i], words->items[i - 1]) != 0) tw__buf_fmt(&out, "%s\n", words->items[i]);
    int code = words->failed ? tw__out_of_memory() : tw__out_write(&out);
    tw__buf_fini(&out);
    return code;
}

int tw__trace_words(const struct tw__args *args, const char *kind, const char *module)
{
    struct words words = {.module = module, .functions = strcmp(kind, "functions") == 0};
    struct tw__sources sources;
    int code = tw__sources_open(&sources, args);
    for (size_t i = 0; code == TW__EXIT_OK && i < sources.count; i++)
        if (sources.items[i].process.state == TW_PROCESS_LIVE) add_source(&words, &sources.items[i], kind);
    if (code == TW__EXIT_OK) code = print(&words);
    for (size_t i = 0; i < words.count; i++) free(words.items[i]);
    free(words.items);
    tw__sources_close(&sources);
    return code;
}
