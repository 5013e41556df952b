/* live_sites: see the header.
 *
 *     /proc/PID/maps: files      base/elf_objects: symbols tw__log_N, tw__site_N -> name, module, function
 *
 * Each site is a static object that the macros make. So a program says nothing of its sites before it comes to them: it
 * costs no start-up, and those of a library that is loaded later are seen once it is, and no longer when it has been
 * closed.
 *
 * Limits: of files whose symbol table has been stripped nothing is known, nor are lines and levels. Paths beyond a
 * kilobyte are passed by.
 *
 * Rejected: a linker section of sites that the library registers (work at the start of every program, of which most are
 * never watched, and a section that C++ cannot have in inline functions); reading the process's memory (needs the right
 * to debug it).
 */
#include "export/live_sites.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <trackway/log.h>

#include "base/elf.h"
#include "base/elf_objects.h"

enum { LINE_CAP = 1200 };

struct listener {
    bool (*fn)(const struct tw_site_value *site, void *data);
    void *data;
    bool enough;
};

/* The pointers to name, module and function. */
static const struct tw__elf_kind site_kinds[] = {
    {"tw__log_", offsetof(struct tw_log_site, site) + offsetof(struct tw_site, name), 3},
    {"tw__site_", offsetof(struct tw_site, name), 3}};

/* "src/shop/cart.c" is the module "cart". */
static struct tw_text module_of(const char *file)
{
    const char *slash = strrchr(file, '/'), *base = slash ? slash + 1 : file, *dot = strrchr(base, '.');
    return (struct tw_text){base, dot && dot != base ? (size_t)(dot - base) : strlen(base)};
}

static void tell(void *data, const struct tw__elf_kind *kind, const char *const *texts)
{
    struct listener *listener = data;
    (void)kind;
    if (listener->enough) return;
    const struct tw_site_value site = {
        .name = {texts[0], strlen(texts[0])}, .module = module_of(texts[1]), .function = {texts[2], strlen(texts[2])}};
    listener->enough = !listener->fn(&site, listener->data);
}

/* A file as its process sees it. */
static void tell_file(struct listener *listener, uint32_t pid, const char *path)
{
    char whole[LINE_CAP + 32];
    uint8_t *bytes;
    size_t len;
    (void)snprintf(whole, sizeof whole, "/proc/%u/root%s", pid, path);
    if (tw__elf_read(whole, &bytes, &len) < 0) return;
    (void)tw__elf_objects(bytes, len, site_kinds, sizeof site_kinds / sizeof site_kinds[0], tell, listener);
    free(bytes);
}

void tw__live_sites(uint32_t pid, bool (*fn)(const struct tw_site_value *site, void *data), void *data)
{
    struct listener listener = {.fn = fn, .data = data};
    char path[64], line[LINE_CAP], last[LINE_CAP] = ""; /* mappings of one file stand together */
    (void)snprintf(path, sizeof path, "/proc/%u/maps", pid);
    FILE *file = fopen(path, "re");
    while (file && !listener.enough && fgets(line, sizeof line, file)) {
        char permissions[8];
        int at = 0;
        line[strcspn(line, "\n")] = 0;
        if (sscanf(line, "%*s %7s %*s %*s %*s %n", permissions, &at) < 1 || permissions[2] != 'x') continue;
        if (at == 0 || line[at] != '/' || strcmp(line + at, last) == 0) continue;
        memcpy(last, line + at, strlen(line + at) + 1);
        tell_file(&listener, pid, last);
    }
    if (file) (void)fclose(file);
}
