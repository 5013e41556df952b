/* generator: spans like those of a middling company: 40 services of 25 operations and 3 instances, 13 spans a trace on
 * average (1 to 500), 9 attributes a span, log-normal durations, popular users more often, about 437 bytes of OTLP a
 * span.
 *
 *     struct generator *generator = generator_new(1, start_ns, 50000);
 *     generator_fill(generator, &batch, 1000);           resets the batch first
 *     generator_free(generator);
 *
 * The same seed gives the same spans. Traces overlap: spans come in the order of their end within some two seconds. */
#ifndef GENERATOR_H
#define GENERATOR_H

#include "model/spans.h"

enum { GENERATOR_SERVICES = 40, GENERATOR_OPERATIONS = 25, GENERATOR_INSTANCES = 3, GENERATOR_USERS = 100000 };

struct generator;
/* rate: spans a second of the time that spans tell. */
struct generator *generator_new(uint64_t seed, uint64_t start_ns, double rate);
void generator_free(struct generator *generator);
/* count spans; 0 or TW_ERR_MEMORY. one_sender: all of one resource, as an exporter sends. */
int generator_fill(struct generator *generator, struct tw__spans *out, size_t count, bool one_sender);
/* A trace id that was handed out some time ago. */
void generator_some_trace(struct generator *generator, uint8_t id[16]);
/* Names, as they appear in the spans. */
const char *generator_service(unsigned service);
const char *generator_operation(unsigned service, unsigned operation);
uint64_t generator_now(const struct generator *generator);

#endif
