/* mistakes: see the header. Nothing is opened or bound here: a port that another program has is found when it is
 * wanted. */
#include "serve/mistakes.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ingest/listen.h"
#include "serve/doors.h"

enum { PLACES_MAX = 12 };

struct place {
    const char *name, *text;
    struct tw__listen_address address;
    bool stream, datagram;
};

static void add(struct place *places, size_t *count, const struct tw__settings *settings, struct place place)
{
    place.text = tw__settings_get(settings, place.name);
    if (*count < PLACES_MAX && place.text && tw__listen_parse(place.text, &place.address) == 0)
        places[(*count)++] = place;
}

/* Whether an address is among those that a host stands for. Of IPv6 sockets none takes IPv4 (ingest/listen.c). */
static bool stands_for(const char *host, const char *other)
{
    bool v6 = strchr(other, ':') != NULL;
    return !host[0] || strcmp(host, other) == 0 || strcmp(host, v6 ? "::" : "0.0.0.0") == 0;
}

static bool meet(const struct place *a, const struct place *b)
{
    bool same_host = stands_for(a->address.host, b->address.host) || stands_for(b->address.host, a->address.host);
    return a->address.port && a->address.port == b->address.port && same_host &&
           ((a->stream && b->stream) || (a->datagram && b->datagram));
}

static int check_places(const struct tw__settings *settings, char why[TW_WHY_MAX])
{
    struct place places[PLACES_MAX];
    size_t count = 0;
    add(places, &count, settings, (struct place){.name = "http", .stream = true});
    for (const struct tw__door_kind *const *kind = tw__door_kinds; *kind; kind++)
        if ((*kind)->stream || (*kind)->datagram)
            add(places, &count, settings,
                (struct place){.name = (*kind)->name, .stream = (*kind)->stream, .datagram = (*kind)->datagram});
    for (size_t i = 1; i < count; i++)
        for (size_t k = 0; k < i; k++)
            if (meet(&places[i], &places[k])) {
                (void)snprintf(why, TW_WHY_MAX, "%s and %s are both at %.60s: one of them needs another, or off",
                               places[k].name, places[i].name, places[i].text);
                return TW_ERR_SYNTAX;
            }
    return 0;
}

static int check_file(const struct tw__settings *settings, const char *name, char why[TW_WHY_MAX])
{
    const char *path = tw__settings_get(settings, name);
    if (!path || access(path, R_OK) == 0) return 0;
    (void)snprintf(why, TW_WHY_MAX, "%s: %.100s cannot be read: %.60s", name, path, strerror(errno));
    return TW_ERR_PERMISSION;
}

static int check_tls(const struct tw__settings *settings, char why[TW_WHY_MAX])
{
    const char *certificate = tw__settings_get(settings, "tls-cert"), *key = tw__settings_get(settings, "tls-key");
    if (!certificate == !key) return 0;
    (void)snprintf(why, TW_WHY_MAX, "tls-cert and tls-key go together: %s is missing",
                   certificate ? "tls-key" : "tls-cert");
    return TW_ERR_STATE;
}

int tw__settings_durability(const struct tw__settings *settings, enum tw__durability *level, char why[TW_WHY_MAX])
{
    static const char *const names[] = {"process", "machine", "none"};
    static const enum tw__durability levels[] = {TW__DURABLE_PROCESS, TW__DURABLE_MACHINE, TW__DURABLE_NONE};
    const char *value = tw__settings_get(settings, "durability");
    for (size_t i = 0; i < 3; i++) {
        if (strcmp(value, names[i]) != 0) continue;
        *level = levels[i];
        return 0;
    }
    (void)snprintf(why, TW_WHY_MAX, "durability: \"%.60s\" is not process, machine or none", value);
    return TW_ERR_SYNTAX;
}

static int check_limits(const struct tw__settings *settings, char why[TW_WHY_MAX])
{
    static const char *const needed[] = {"body-max", "connections"};
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        if (tw__settings_number(settings, needed[i])) continue;
        (void)snprintf(why, TW_WHY_MAX, "%s: 0 would let nothing through; leave it out for the default", needed[i]);
        return TW_ERR_SYNTAX;
    }
    return 0;
}

int tw__settings_mistakes(const struct tw__settings *settings, char why[TW_WHY_MAX])
{
    enum tw__durability level;
    int code = check_tls(settings, why);
    if (code == 0) code = check_limits(settings, why);
    if (code == 0) code = tw__settings_durability(settings, &level, why);
    if (code == 0) code = check_places(settings, why);
    if (code == 0) code = check_file(settings, "tls-cert", why);
    if (code == 0) code = check_file(settings, "tls-key", why);
    if (code == 0 && tw__settings_get(settings, "xray")) code = check_file(settings, "xray-rules", why);
    return code;
}
