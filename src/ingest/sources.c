/* sources: a fixed table, so that a flood of addresses costs nothing: a source that finds no place shares the last one
 * with all others that found none, and so has less than its own.
 *
 * Invariant: a place with connections is not given away; one without is after IDLE_NS.
 * A request may be larger than a second's rate: it is let through when the source was quiet, and paid for afterwards.
 */
#include "ingest/sources.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <trackway/err.h>

#include "base/clock.h"

enum { PLACES = 4096, TRIES = 8 };
static const uint64_t SECOND_NS = 1000000000, IDLE_NS = 10000000000;

struct place {
    uint8_t key[16];
    bool used;
    uint32_t connections;
    int64_t credit_bytes;
    uint64_t seen_ns;
};

struct tw__sources {
    pthread_mutex_t lock; /* of places */
    unsigned connections_max;
    uint64_t rate_bytes;
    struct place places[PLACES + 1];
};

struct tw__sources *tw__sources_new(unsigned connections_max, uint64_t rate_bytes)
{
    struct tw__sources *sources = calloc(1, sizeof *sources);
    if (!sources) return NULL;
    (void)pthread_mutex_init(&sources->lock, NULL);
    sources->connections_max = connections_max;
    sources->rate_bytes = rate_bytes;
    return sources;
}

void tw__sources_free(struct tw__sources *sources)
{
    if (!sources) return;
    (void)pthread_mutex_destroy(&sources->lock);
    free(sources);
}

static void key_of(const struct sockaddr *source, uint8_t key[16])
{
    memset(key, 0, 16);
    if (source->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, source, sizeof v4);
        memcpy(key, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
        memcpy(key + 12, &v4.sin_addr, 4);
    } else if (source->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, source, sizeof v6);
        memcpy(key, &v6.sin6_addr, IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr) ? 16 : 8);
    }
}

static struct place *place_of(struct tw__sources *sources, const struct sockaddr *source, uint64_t now_ns)
{
    uint8_t key[16];
    uint64_t hash = 14695981039346656037U;
    struct place *spare = NULL;
    key_of(source, key);
    for (unsigned i = 0; i < 16; i++) hash = (hash ^ key[i]) * 1099511628211U;
    for (unsigned i = 0; i < TRIES; i++) {
        struct place *place = &sources->places[(hash + i) % PLACES];
        if (place->used && memcmp(place->key, key, 16) == 0) return place;
        bool free_now = !place->used || (place->connections == 0 && now_ns > place->seen_ns + IDLE_NS);
        if (!spare && free_now) spare = place;
    }
    if (!spare) return &sources->places[PLACES];
    *spare = (struct place){.used = true, .credit_bytes = (int64_t)sources->rate_bytes, .seen_ns = now_ns};
    memcpy(spare->key, key, 16);
    return spare;
}

int tw__sources_enter(struct tw__sources *sources, const struct sockaddr *source)
{
    if (sources->connections_max == 0) return 0;
    (void)pthread_mutex_lock(&sources->lock);
    struct place *place = place_of(sources, source, tw__clock_mono_ns());
    bool enters = place->connections < sources->connections_max;
    if (enters) place->connections++;
    (void)pthread_mutex_unlock(&sources->lock);
    return enters ? (int)(place - sources->places) : TW_ERR_SPACE;
}

void tw__sources_leave(struct tw__sources *sources, int place)
{
    if (sources->connections_max == 0) return;
    (void)pthread_mutex_lock(&sources->lock);
    sources->places[place].connections--;
    sources->places[place].seen_ns = tw__clock_mono_ns();
    (void)pthread_mutex_unlock(&sources->lock);
}

bool tw__sources_charge(struct tw__sources *sources, const struct sockaddr *source, uint64_t bytes, uint64_t now_ns)
{
    if (sources->rate_bytes == 0) return true;
    (void)pthread_mutex_lock(&sources->lock);
    struct place *place = place_of(sources, source, now_ns);
    uint64_t since_ns = now_ns > place->seen_ns ? now_ns - place->seen_ns : 0;
    if (since_ns > IDLE_NS) since_ns = IDLE_NS;
    place->seen_ns = now_ns;
    place->credit_bytes += (int64_t)((double)since_ns / (double)SECOND_NS * (double)sources->rate_bytes);
    if (place->credit_bytes > (int64_t)sources->rate_bytes) place->credit_bytes = (int64_t)sources->rate_bytes;
    bool may = place->credit_bytes > 0;
    if (may) place->credit_bytes -= (int64_t)bytes;
    (void)pthread_mutex_unlock(&sources->lock);
    return may;
}
