/* doors: see the header. Binding and opening are two steps because privileges are dropped in between. */
#include "serve/doors.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ingest/fdb.h"
#include "ingest/json_lines.h"
#include "ingest/listen.h"
#include "ingest/otlp_grpc.h"
#include "ingest/otlp_http.h"
#include "ingest/segments.h"
#include "ingest/xray.h"
#include "ingest/zipkin.h"

const struct tw__door_kind *const tw__door_kinds[] = {
    &tw__door_segments, &tw__door_otlp_http, &tw__door_otlp_grpc,  &tw__door_fdb,
    &tw__door_xray,     &tw__door_zipkin,    &tw__door_json_lines, NULL,
};

int tw__doors_bind_one(const char *name, const char *address, bool datagram, struct tw__inherited *inherited,
                       size_t inherited_count, bool *loopback, char why[TW_WHY_MAX])
{
    int fd = -1;
    for (size_t i = 0; fd < 0 && i < inherited_count; i++) {
        if (inherited[i].taken || inherited[i].datagram != datagram || strcmp(inherited[i].name, name) != 0) continue;
        inherited[i].taken = true;
        fd = inherited[i].fd;
    }
    if (fd < 0) {
        char problem[TW_WHY_MAX];
        errno = 0;
        fd = tw__listen_open(address, datagram ? SOCK_DGRAM : SOCK_STREAM, problem);
        if (fd < 0 && errno == EADDRINUSE)
            (void)snprintf(why, TW_WHY_MAX,
                           "%s: another program listens at %.60s, another collector perhaps; --%s takes another "
                           "ADDR:PORT, or off",
                           name, address, name);
        else if (fd < 0)
            (void)snprintf(why, TW_WHY_MAX, "%s: %.200s", name, problem);
    }
    if (fd >= 0) *loopback = tw__listen_fd_is_loopback(fd);
    return fd;
}

/* The address of a datagram socket beside a stream socket: the same one, also when the port was any. */
static const char *beside(const struct tw__door_config *config, char *text, size_t cap)
{
    if (config->stream_fd < 0) return config->address;
    tw__listen_where(config->stream_fd, text, cap);
    return text;
}

static int bind_door(const struct tw__door_kind *kind, struct tw__door_config *config, struct tw__open_door *door,
                     struct tw__inherited *inherited, size_t inherited_count, char why[TW_WHY_MAX])
{
    char text[TW__BOUND_MAX];
    bool stream_loopback = true, datagram_loopback = true;
    config->stream_fd = config->datagram_fd = -1;
    if (kind->stream) {
        config->stream_fd =
            tw__doors_bind_one(kind->name, config->address, false, inherited, inherited_count, &stream_loopback, why);
        if (config->stream_fd < 0) return config->stream_fd;
    }
    if (kind->datagram) {
        config->datagram_fd = tw__doors_bind_one(kind->name, beside(config, text, sizeof text), true, inherited,
                                                 inherited_count, &datagram_loopback, why);
        if (config->datagram_fd < 0) {
            if (config->stream_fd >= 0) (void)close(config->stream_fd);
            return config->datagram_fd;
        }
    }
    config->loopback = stream_loopback && datagram_loopback;
    int fd = config->stream_fd >= 0 ? config->stream_fd : config->datagram_fd;
    if (fd >= 0) tw__listen_where(fd, door->bound, sizeof door->bound);
    return 0;
}

int tw__doors_bind(struct tw__doors *doors, const struct tw__settings *settings, const struct tw__door_config *common,
                   struct tw__inherited *inherited, size_t inherited_count, char why[TW_WHY_MAX])
{
    for (const struct tw__door_kind *const *kind = tw__door_kinds; *kind; kind++) {
        const char *address = tw__settings_get(settings, (*kind)->name);
        if (!address) continue;
        struct tw__door_config config = *common;
        struct tw__open_door door = {.kind = *kind};
        config.address = address;
        int code = bind_door(*kind, &config, &door, inherited, inherited_count, why);
        if (code < 0) return code;
        doors->items[doors->count].config = config;
        doors->items[doors->count++].door = door;
    }
    return 0;
}

int tw__doors_open(struct tw__doors *doors, char why[TW_WHY_MAX])
{
    for (size_t i = 0; i < doors->count; i++) {
        char problem[TW_WHY_MAX] = "";
        struct tw__open_door *door = &doors->items[i].door;
        int code = door->kind->open(door, &doors->items[i].config, problem);
        if (code < 0) {
            (void)snprintf(why, TW_WHY_MAX, "%s: %.200s", door->kind->name, problem);
            doors->items[i].config.stream_fd = doors->items[i].config.datagram_fd = -1;
            return code;
        }
        doors->items[i].open = true;
    }
    return 0;
}

void tw__doors_drain(struct tw__doors *doors)
{
    for (size_t i = 0; i < doors->count; i++)
        if (doors->items[i].open) doors->items[i].door.kind->drain(&doors->items[i].door);
}

bool tw__doors_idle(struct tw__doors *doors)
{
    for (size_t i = 0; i < doors->count; i++)
        if (doors->items[i].open && !doors->items[i].door.kind->idle(&doors->items[i].door)) return false;
    return true;
}

void tw__doors_close(struct tw__doors *doors)
{
    for (size_t i = 0; i < doors->count; i++) {
        const struct tw__door_config *config = &doors->items[i].config;
        if (doors->items[i].open) {
            doors->items[i].door.kind->close(&doors->items[i].door);
        } else {
            if (config->stream_fd >= 0) (void)close(config->stream_fd);
            if (config->datagram_fd >= 0) (void)close(config->datagram_fd);
        }
    }
    doors->count = 0;
}
