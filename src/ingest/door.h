/* door: where spans enter the collector: what each door is to those who open, watch and close it.
 *
 * A door is a row (struct tw__door_kind) in its own file and in tw__door_kinds (serve/doors.c). It runs on threads of
 * its own, decodes with src/wire, and gives batches to the intake. No input may stop it: what is bad is counted and
 * answered.
 *
 *     open  ->  running  ->  drain: nothing new is taken  ->  idle: what was under way is done  ->  close
 */
#ifndef TW_INGEST_DOOR_H
#define TW_INGEST_DOOR_H

#include "ingest/httpd.h"
#include "ingest/intake.h"

struct tw__door_config {
    const char *address;        /* as configured: ADDR:PORT; a path for doors that are files */
    int stream_fd, datagram_fd; /* bound, and listening, as the kind asks for; -1: it does not. The door's from here on,
                                 * also when it fails */
    bool loopback;              /* only this host reaches it */
    struct tw__intake *intake;
    const struct tw__tls_files *tls; /* NULL: none. For doors on TCP that have a TLS form */
    const struct tw__tokens *tokens; /* NULL: nobody is asked */
    unsigned threads;                /* for doors that can use several */
    size_t body_max_bytes;           /* of one request, before and after decompression */
    size_t waiting_max_bytes;        /* of all requests of the door that are under way */
    unsigned connections_max, source_connections_max;
    uint64_t source_rate_bytes; /* a second, for each source address; 0: any */
    /* Another setting by its name (docs/serve.md), or NULL when it is not set. */
    const char *(*setting)(const void *settings, const char *name);
    const void *settings;
};

struct tw__open_door;

struct tw__door_kind {
    enum tw__door number;
    const char *name;      /* of its option: "otlp-http" */
    bool stream, datagram; /* which sockets it wants bound; with both, at the same port */
    bool asks_for_token;   /* its protocol can carry one: it may be opened to other hosts */

    /* Begins. Copies what it keeps of the config, except intake, tls, tokens and settings, which outlive it.
     * door->bound is filled when there is a socket; else the door fills it. Returns 0, or an error with why in words;
     * then nothing is left open. */
    int (*open)(struct tw__open_door *door, const struct tw__door_config *config, char why[TW_WHY_MAX]);
    /* Reads certificates again; NULL: has none. On error the old ones stay, and why tells. */
    int (*reload)(struct tw__open_door *door, char why[TW_WHY_MAX]);
    /* Takes nothing new from now on, and answers what is under way. Returns at once. */
    void (*drain)(struct tw__open_door *door);
    /* Whether nothing is under way any more. */
    bool (*idle)(struct tw__open_door *door);
    /* Ends its threads and frees everything, also in the middle of something. */
    void (*close)(struct tw__open_door *door);
};

enum { TW__BOUND_MAX = 128 };

struct tw__open_door {
    const struct tw__door_kind *kind;
    char bound[TW__BOUND_MAX]; /* where it really is: "127.0.0.1:4318", or a path */
    struct tw__door_stats stats;
    void *state; /* the door's own */
};

#endif
