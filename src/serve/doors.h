/* doors: every door there is, opened as the settings say. */
#ifndef TW_SERVE_DOORS_H
#define TW_SERVE_DOORS_H

#include "ingest/door.h"
#include "serve/settings.h"

extern const struct tw__door_kind *const tw__door_kinds[]; /* to NULL; each with the setting of its name */
enum { TW__DOORS_MAX = 12 };

/* A socket that the service manager has opened: named as the setting. */
struct tw__inherited {
    char name[32];
    int fd;
    bool datagram, taken;
};

struct tw__doors {
    struct {
        struct tw__open_door door;
        struct tw__door_config config;
        bool open;
    } items[TW__DOORS_MAX];
    size_t count;
};

/* Binds what a setting says, or takes the socket that was inherited under its name. loopback tells who can reach it.
 * Returns the descriptor, or an error with why. */
int tw__doors_bind_one(const char *name, const char *address, bool datagram, struct tw__inherited *inherited,
                       size_t inherited_count, bool *loopback, char why[TW_WHY_MAX]);

/* Binds the sockets of all doors that are on. common: what all doors have. Afterwards root is not needed any more. */
int tw__doors_bind(struct tw__doors *doors, const struct tw__settings *settings, const struct tw__door_config *common,
                   struct tw__inherited *inherited, size_t inherited_count, char why[TW_WHY_MAX]);
/* Opens them. On error those that are open stay so, until tw__doors_close. */
int tw__doors_open(struct tw__doors *doors, char why[TW_WHY_MAX]);
void tw__doors_drain(struct tw__doors *doors);
bool tw__doors_idle(struct tw__doors *doors);
void tw__doors_close(struct tw__doors *doors);

#endif
