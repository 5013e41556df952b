/* serve: what the parts of bench_serve share: a collector on an empty folder, and what it cost. */
#ifndef SERVE_H
#define SERVE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "model/spans.h"
#include "serve_clients.h"

enum { SERVE_SPANS = 786432, SERVE_REQUEST = 512, SERVE_REQUESTS = SERVE_SPANS / SERVE_REQUEST };

struct serve_collector {
    pid_t pid;
    unsigned http, otlp_http, otlp_grpc, fdb, xray; /* ports */
};

struct serve_result {
    double cpu_s, memory_mb, stored, requests, dropped; /* dropped: by the kernel */
};

/* program: the bench's own name, whose folder says where the command is. */
void serve_begin(const char *program);
void serve_end(void);
/* Where the bench may keep what it needs; gone after serve_end. */
const char *serve_folder(void);

/* segments: a folder, or off. */
struct serve_collector serve_start(const char *segments);
/* A counter of a door, trackway_door_NAME_total. */
double serve_counter(const struct serve_collector *collector, const char *name, const char *door);
struct serve_result serve_stop(struct serve_collector collector, const char *door);

/* Two rows: ns a thing beside the floor, and memory. what: "spans" or "documents". */
bool serve_report(const char *name, const char *what, struct serve_result result, double count, double floor_ns,
                  double wanted);

/* The spans of all requests: fn for each request. As a record, for encoders; it borrows from the span. */
struct tw_record serve_record_of(const struct tw__span *span);
void serve_generate(void (*fn)(void *data, const struct tw__spans *spans), void *data);

double serve_own_cpu_ns(void);

/* -- parts */

/* Rows decode, decode protobuf-c, span metrics. Returns the first: the floor. */
double serve_decode_rows(const struct request *requests, size_t count);
bool serve_xray_rows(void);
bool serve_fdb_rows(void);
bool serve_segments_rows(double floor_ns);

#endif
