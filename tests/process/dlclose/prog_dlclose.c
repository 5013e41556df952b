/* Loads and unloads libraries with sites. test_dlclose.c runs it and reads what it recorded. Arguments: the folder. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include <trackway/trackway.h>

enum { ROUNDS = 50 };

/* dlsym gives an object pointer. */
union symbol {
    void *object;
    void (*work)(int64_t n);
    tw_span (*begin)(void);
};

static void *load(const char *folder, const char *name)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/libsites_%s.so", folder, name);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library) return library;
    (void)fprintf(stderr, "%s\n", dlerror());
    exit(2);
}

static union symbol find(void *library, const char *name)
{
    union symbol symbol = {.object = dlsym(library, name)};
    if (!symbol.object) exit(3);
    return symbol;
}

static void unload(const char *folder, void *library, const char *name)
{
    char path[512];
    if (dlclose(library) != 0) exit(4);
    (void)snprintf(path, sizeof path, "%s/libsites_%s.so", folder, name);
    if (dlopen(path, RTLD_NOW | RTLD_NOLOAD)) exit(5); /* it is still there: this would prove nothing */
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"one", "two"};
    if (argc < 2) return 1;
    tw_span root = tw_span_begin("root");
    for (int i = 0; i < ROUNDS; i++) {
        const char *name = names[i % 2]; /* the second at the addresses of the first */
        void *library = load(argv[1], name);
        find(library, "sites_work").work(i);
        find(library, "sites_work").work(i);
        tw_span open = find(library, "sites_begin").begin();
        unload(argv[1], library, name);
        if (i != ROUNDS - 1) tw_span_end(open); /* its site is gone */
        tw_span_end(tw_span_begin("between"));
    }
    tw_span_end(root);
    return 0;
}
