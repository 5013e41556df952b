/* resolve: getaddrinfo, where it can take its time.
 *
 * It has no timeout, and behind a dead name server it takes half a minute. So a name is looked up by a detached thread
 * with all signals blocked. Asker and thread meet in one word:
 *
 *     ASKED --thread--> DONE        the asker reads the result and frees the question
 *     ASKED --asker---> ABANDONED   the thread frees it
 *
 * Each exchanges the word once, with acquire and release, and who comes second frees. In a forked child the thread does
 * not exist: an abandoned question stays allocated there, once.
 * Rejected: getaddrinfo_a (GNU, and a thread pool that is never freed); a resolver of our own (nsswitch, mDNS,
 * /etc/hosts).
 */
#include "base/resolve.h"

#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <trackway/err.h>

#include "base/atomics.h"

enum { ASKED, DONE, ABANDONED };
enum { STACK_BYTES = 256 * 1024 };

struct tw__resolving {
    uint32_t state;
    struct tw__resolved result; /* written before DONE */
    char host[256], port[8];
};

static void look_up(struct tw__resolving *question, int flags)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    struct tw__resolved *result = &question->result;
    if (getaddrinfo(question->host, question->port, &hints, &list) != 0) return;
    for (const struct addrinfo *a = list; a && result->count < TW__RESOLVED_MAX; a = a->ai_next) {
        if (a->ai_addrlen > sizeof result->items[0].address) continue;
        memcpy(&result->items[result->count].address, a->ai_addr, a->ai_addrlen);
        result->items[result->count++].len = a->ai_addrlen;
    }
    freeaddrinfo(list);
}

static void *run(void *data)
{
    struct tw__resolving *question = data;
    look_up(question, 0);
    if (tw__swap_acq_rel(&question->state, (uint32_t)DONE) == ABANDONED)
        free(question); /* pairs with poll and abandon */
    return NULL;
}

static int start(struct tw__resolving *question)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, before;
    if (pthread_attr_init(&attributes) != 0) return TW_ERR_MEMORY;
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    (void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&thread, &attributes, run, question);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return error ? TW_ERR_SYSTEM : 0;
}

struct tw__resolving *tw__resolve_begin(const char *host, const char *port)
{
    struct tw__resolving *question = calloc(1, sizeof *question);
    if (!question) return NULL;
    if (strlen(host) < sizeof question->host && strlen(port) < sizeof question->port) {
        memcpy(question->host, host, strlen(host) + 1);
        memcpy(question->port, port, strlen(port) + 1);
        look_up(question, AI_NUMERICHOST);
    }
    if (question->result.count || !question->host[0]) {
        question->state = DONE;
    } else if (start(question) < 0) {
        free(question);
        return NULL;
    }
    return question;
}

int tw__resolve_poll(struct tw__resolving *question, struct tw__resolved *out)
{
    if (tw__load_acquire(&question->state) != DONE) return 0; /* pairs with the exchange in run */
    int result = question->result.count ? 1 : TW_ERR_NOT_FOUND;
    if (result == 1) *out = question->result;
    free(question);
    return result;
}

void tw__resolve_abandon(struct tw__resolving *question)
{
    if (question && tw__swap_acq_rel(&question->state, (uint32_t)ABANDONED) == DONE)
        free(question); /* pairs with run */
}
