/* live_functions: names of the functions of a process, by their addresses.
 *
 *     /proc/PID/maps: address -> object, place in its file        base/elf: place -> function
 *
 * Both are read when an address is met that nobody knows yet, the maps at most once a second. The object's file is
 * looked for as the process sees it (/proc/PID/root), then as we do: it may have ended. Which file that is, the process
 * decides: it is opened for reading, checked, and gives names.
 *
 * Limits: 4,096 executable mappings. An object that was replaced meanwhile (deleted) has no names; its addresses are
 * shown.
 */
#include "export/live_functions.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/elf.h"

enum { MAPPINGS_MAX = 4096, LINE_CAP = 2048 };
#define AGAIN_NS ((uint64_t)1000000000)

struct object {
    char *path;
    struct tw__elf *elf; /* NULL: none to be had */
    bool tried;
    struct object *next;
};

struct mapping {
    uint64_t begin, end, offset;
    struct object *object;
};

struct tw__functions {
    uint32_t pid;
    struct mapping *mappings; /* as the kernel lists them: by address */
    size_t count;
    struct object *objects;
    uint64_t read_ns;
    char address[24];
};

struct tw__functions *tw__functions_new(uint32_t pid)
{
    struct tw__functions *functions = calloc(1, sizeof *functions);
    if (functions) functions->pid = pid;
    return functions;
}

void tw__functions_free(struct tw__functions *functions)
{
    if (!functions) return;
    for (struct object *o = functions->objects, *next; o; o = next) {
        next = o->next;
        tw__elf_free(o->elf);
        free(o->path);
        free(o);
    }
    free(functions->mappings);
    free(functions);
}

static struct object *object_of(struct tw__functions *functions, const char *path)
{
    for (struct object *o = functions->objects; o; o = o->next)
        if (strcmp(o->path, path) == 0) return o;
    struct object *o = calloc(1, sizeof *o);
    if (!o) return NULL;
    o->path = strdup(path);
    if (!o->path) {
        free(o);
        return NULL;
    }
    o->next = functions->objects;
    return functions->objects = o;
}

static bool parse_line(struct tw__functions *functions, char *line, struct mapping *out)
{
    char permissions[8];
    int path_at = 0;
    line[strcspn(line, "\n")] = 0;
    if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s %" SCNx64 " %*s %*s %n", &out->begin, &out->end, permissions,
               &out->offset, &path_at) < 4)
        return false;
    if (permissions[2] != 'x' || path_at == 0 || line[path_at] != '/') return false;
    out->object = object_of(functions, line + path_at);
    return out->object != NULL;
}

static void read_maps(struct tw__functions *functions)
{
    char path[64], line[LINE_CAP];
    (void)snprintf(path, sizeof path, "/proc/%u/maps", functions->pid);
    FILE *file = fopen(path, "re");
    if (!file) return; /* it has ended: what was known stays known */
    struct mapping *mappings = calloc(MAPPINGS_MAX, sizeof *mappings);
    size_t count = 0;
    while (mappings && count < MAPPINGS_MAX && fgets(line, sizeof line, file))
        if (parse_line(functions, line, &mappings[count])) count++;
    (void)fclose(file);
    if (!mappings) return;
    free(functions->mappings);
    functions->mappings = mappings;
    functions->count = count;
}

static const struct mapping *find_mapping(const struct tw__functions *functions, uint64_t address)
{
    size_t low = 0, high = functions->count; /* the first that ends behind it */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (functions->mappings[middle].end > address)
            high = middle;
        else
            low = middle + 1;
    }
    return low < functions->count && functions->mappings[low].begin <= address ? &functions->mappings[low] : NULL;
}

static const struct tw__elf *elf_of(const struct tw__functions *functions, struct object *object)
{
    char path[512];
    if (object->tried) return object->elf;
    object->tried = true;
    int n = snprintf(path, sizeof path, "/proc/%u/root%s", functions->pid, object->path);
    if (n < 0 || (size_t)n >= sizeof path || tw__elf_open(path, &object->elf) < 0)
        (void)tw__elf_open(object->path, &object->elf);
    return object->elf;
}

static struct tw_text base_name(const char *path)
{
    const char *slash = strrchr(path, '/'), *begin = slash ? slash + 1 : path;
    size_t len = strcspn(begin, ".");
    return (struct tw_text){begin, len ? len : strlen(begin)};
}

void tw__functions_find(struct tw__functions *functions, uint64_t address, struct tw_text *name, struct tw_text *object)
{
    const struct mapping *mapping = find_mapping(functions, address);
    uint64_t now = mapping ? 0 : tw__clock_mono_ns();
    if (!mapping && (functions->read_ns == 0 || now - functions->read_ns > AGAIN_NS)) {
        functions->read_ns = now;
        read_maps(functions);
        mapping = find_mapping(functions, address);
    }
    const struct tw__elf *elf = mapping ? elf_of(functions, mapping->object) : NULL;
    const char *found = elf ? tw__elf_function(elf, address - mapping->begin + mapping->offset) : NULL;
    *object = mapping ? base_name(mapping->object->path) : (struct tw_text){"?", 1};
    if (!found) {
        (void)snprintf(functions->address, sizeof functions->address, "0x%" PRIx64, address);
        found = functions->address;
    }
    *name = (struct tw_text){found, strlen(found)};
}
