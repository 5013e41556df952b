#ifndef SHOP_CLIENT_H
#define SHOP_CLIENT_H

/* Calls another service over HTTP and hands it the trace. */

#include "server.h"

/* Once per process, before and after everything else. */
int client_init(void);
void client_fini(void);

/* Sends method and base + path, waits for the answer, and fills *reply with it. When no answer comes, *reply is a 502
 * that says why. Keeps one connection open per thread. */
void client_call(const char *base, const char *method, const char *path, struct reply *reply);

#endif
