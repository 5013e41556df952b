/* otlp_http: the door for OpenTelemetry over HTTP/1.1: POST /v1/traces, protobuf or JSON.
 *
 *     200  taken, and what the store's durability says; with partial_success when spans were rejected
 *     400  not a request in its own encoding    413  too large    415  neither protobuf nor JSON
 *     429, 503  with Retry-After: try later      401, 403, 404, 405  as anywhere
 *
 * Errors are a google.rpc.Status in the request's encoding. /v1/metrics and /v1/logs are answered with 200 and a
 * warning: nothing of them is kept. Source: opentelemetry-proto, docs/specification.md. */
#ifndef TW_INGEST_OTLP_HTTP_H
#define TW_INGEST_OTLP_HTTP_H

#include "ingest/door.h"

extern const struct tw__door_kind tw__door_otlp_http;

#endif
