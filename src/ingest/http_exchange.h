/* http_exchange: a request of an HTTP server, from its head to the end of its answer. For httpd.c, which accepts
 * connections and starts libmicrohttpd; handlers see httpd.h only. */
#ifndef TW_INGEST_HTTP_EXCHANGE_H
#define TW_INGEST_HTTP_EXCHANGE_H

#include <pthread.h>

#include <microhttpd.h>

#include "ingest/httpd.h"
#include "ingest/sources.h"
#include "ingest/under_way.h"

enum { TW__HTTP_CONNECTION_BYTES = 64 << 10 }; /* of libmicrohttpd, for head and reading */

/* What all requests of a server share. */
struct tw__http_exchanges {
    const struct tw__httpd_config *config;
    struct tw__sources *sources;
    uint32_t draining;      /* atomic */
    uint64_t waiting_bytes; /* atomic */
    struct tw__under_way under_way;
    pthread_mutex_t lock; /* of machines */
    struct tw__http_machine *machines;
};
void tw__http_exchanges_init(struct tw__http_exchanges *server, const struct tw__httpd_config *config);
void tw__http_exchanges_fini(struct tw__http_exchanges *server);

/* What libmicrohttpd calls, with a struct tw__http_exchanges for data. */
enum MHD_Result tw__http_exchange_on(void *data, struct MHD_Connection *connection, const char *path,
                                     const char *method, const char *version, const char *bytes, size_t *len,
                                     void **state);
void tw__http_exchange_end(void *data, struct MHD_Connection *connection, void **state,
                           enum MHD_RequestTerminationCode code);

/* Who sends; NULL: not known. */
const struct sockaddr *tw__http_source(struct MHD_Connection *connection);

#endif
