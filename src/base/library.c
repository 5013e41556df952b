/* library: see the header. Beside our own means: if this code is in a shared library, in that one's folder, so that an
 * installation below some folder of its own works as one below /usr does. */
#define _GNU_SOURCE
#include "base/library.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

static void *load_beside_us(const char *library)
{
    static const char here = 0;
    char path[1024];
    Dl_info info;
    if (!dladdr(&here, &info) || !info.dli_fname) return NULL;
    const char *slash = strrchr(info.dli_fname, '/');
    if (!slash || !strstr(slash, ".so"))
        return NULL; /* the archive: we are in a program, and its folder is none of libraries */
    int len = snprintf(path, sizeof path, "%.*s/%s", (int)(slash - info.dli_fname), info.dli_fname, library);
    return len > 0 && (size_t)len < sizeof path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
}

void *tw__library_symbol(const char *library, const char *symbol, char *why, size_t cap)
{
    void *found = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (!found) {
        (void)snprintf(why, cap, "%s", dlerror()); /* what the system says of the name is what helps, not of the path */
        found = load_beside_us(library);
    }
    if (!found) return NULL;
    void *result = dlsym(found, symbol);
    if (!result) (void)snprintf(why, cap, "%s has no %s", library, symbol);
    return result;
}
