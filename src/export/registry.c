/* registry: those that are built in, and those that libraries bring.
 *
 * libtrackway needs nothing but libc, and OTLP needs TLS. So otlp lives in libtrackway-otlp, and there are two ways to
 * it:
 *
 *     nothing linked     the name is asked for, the library is loaded by its own name, and its class taken from it
 *     linked, .a or .so  tw_exporter_register(tw_otlp_exporter()) before the first span
 *
 * The class is handed what it needs and calls nothing back (exporter.h), so that it does not matter which libtrackway,
 * shared or archive, is in the program. A library that was loaded stays loaded.
 */
#include "export/registry.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/library.h"

enum { REGISTERED_MAX = 8 };

static const struct tw__exporter_class *const built_in[] = {&tw__exporter_file, &tw__exporter_network_lossy,
                                                            &tw__exporter_xray};

static const struct brought {
    const char *name, *library, *symbol;
} others[] = {{"otlp", "libtrackway-otlp.so.0", "tw_otlp_exporter"}};

static struct {
    pthread_mutex_t lock;
    const struct tw__exporter_class *classes[REGISTERED_MAX];
    size_t count;
} registered = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool same_word(const char *a, const char *b, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char x = a[i] >= 'A' && a[i] <= 'Z' ? (char)(a[i] + 32) : a[i];
        if (x == '-') x = '_';
        if (x != b[i] || !b[i]) return false;
    }
    return b[len] == 0;
}

static bool has_name(const struct tw__exporter_class *class, const char *text, size_t len)
{
    for (size_t n = 0; n < 4 && class->names[n]; n++)
        if (same_word(text, class->names[n], len)) return true;
    return false;
}

bool tw__exporter_is_none(const char *text, size_t len)
{
    return same_word(text, "none", len) || same_word(text, "disabled", len);
}

int tw_exporter_register(const struct tw__exporter_class *exporter)
{
    int result = exporter && exporter->abi == TW__EXPORTER_ABI ? 0 : TW_ERR_VERSION;
    if (result < 0) return result;
    pthread_mutex_lock(&registered.lock);
    for (size_t i = 0; i < registered.count; i++)
        if (registered.classes[i] == exporter) result = 1;
    if (result == 0 && registered.count == REGISTERED_MAX) result = TW_ERR_SPACE;
    if (result == 0) registered.classes[registered.count++] = exporter;
    pthread_mutex_unlock(&registered.lock);
    return result < 0 ? result : 0;
}

static const struct tw__exporter_class *find_registered(const char *text, size_t len)
{
    const struct tw__exporter_class *found = NULL;
    pthread_mutex_lock(&registered.lock);
    for (size_t i = 0; !found && i < registered.count; i++)
        if (has_name(registered.classes[i], text, len)) found = registered.classes[i];
    pthread_mutex_unlock(&registered.lock);
    return found;
}

static const struct tw__exporter_class *load(const struct brought *brought, const char **what)
{
    static char text[TW_WHY_MAX];
    char why[TW_WHY_MAX - 40] = "";
    typedef const struct tw__exporter_class *get_fn(void);
    void *symbol = tw__library_symbol(brought->library, brought->symbol, why, sizeof why);
    get_fn *get = NULL;
    *what = text;
    if (!symbol) {
        (void)snprintf(text, sizeof text, "%s cannot be loaded: %s", brought->name, why);
        return NULL;
    }
    memcpy(&get, &symbol, sizeof get);
    const struct tw__exporter_class *class = get();
    if (class->abi == TW__EXPORTER_ABI) return class;
    (void)snprintf(text, sizeof text, "%s is not of the same version as libtrackway", brought->library);
    return NULL;
}

const struct tw__exporter_class *tw__exporter_find(const char *text, size_t len, const char **what)
{
    for (size_t i = 0; i < sizeof built_in / sizeof *built_in; i++)
        if (has_name(built_in[i], text, len)) return built_in[i];
    const struct tw__exporter_class *class = find_registered(text, len);
    if (class) return class;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (same_word(text, others[i].name, len)) return load(&others[i], what);
    static char unknown[TW_WHY_MAX];
    const int shown = len < 40 ? (int)len : 40;
    (void)snprintf(unknown, sizeof unknown,
                   "unknown exporter \"%.*s\"; there are none, file, network_lossy, xray, otlp", shown, text);
    *what = unknown;
    return NULL;
}
