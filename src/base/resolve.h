/* resolve: names to addresses, without waiting for the name servers. */
#ifndef TW_BASE_RESOLVE_H
#define TW_BASE_RESOLVE_H

#include <stddef.h>

#include <sys/socket.h>

enum { TW__RESOLVED_MAX = 4 };

struct tw__resolved {
    size_t count;
    struct {
        struct sockaddr_storage address;
        socklen_t len;
    } items[TW__RESOLVED_MAX];
};

struct tw__resolving; /* a question that is being answered */

/* Asks for the stream addresses of host and port. A numeric address is answered by the next tw__resolve_poll; a name by
 * a thread of its own, which lives until the system's resolver has answered. NULL: no memory, or no thread. */
struct tw__resolving *tw__resolve_begin(const char *host, const char *port);

/* Returns 1 and *out when the answer is there, TW_ERR_NOT_FOUND when there is no such host; the question has ended
 * then. 0: not yet. */
int tw__resolve_poll(struct tw__resolving *question, struct tw__resolved *out);

/* Gives the question up. NULL is nothing. */
void tw__resolve_abandon(struct tw__resolving *question);

#endif
