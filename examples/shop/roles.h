#ifndef SHOP_ROLES_H
#define SHOP_ROLES_H

/* The two processes of the shop. Each listens, prints where, and serves until SIGTERM or SIGINT, which the caller has
 * blocked. Returns the process's exit code. */

#include <stdint.h>

struct role_options {
    uint16_t port;    /* 0: any free one */
    const char *back; /* front: where the back is, http://host:port */
    const char *file; /* back: the database */
};

int front_run(const struct role_options *options);
int back_run(const struct role_options *options);

/* Prints where the role listens, then waits for the signal. */
void wait_for_end(const char *role, uint16_t port);

#endif
