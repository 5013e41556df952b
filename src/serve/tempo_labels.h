/* tempo_labels: the labels and samples of Tempo's series, twice, as it answers them: typed, and as Prometheus' text.
 *
 *     "labels":[{"key":"name","value":{"stringValue":"GET"}},{"key":"p","value":{"doubleValue":0.9}}],
 *     "promLabels":"{name=\"GET\", p=\"0.9\"}","exemplars":[],"samples":[{"timestampMs":"17","value":3}]
 */
#ifndef TW_SERVE_TEMPO_LABELS_H
#define TW_SERVE_TEMPO_LABELS_H

#include <trackway/read.h>

#include "base/field.h"
#include "wire/json.h"

/* Text of an answer beyond which no further series is begun. */
enum { TW__TEMPO_SERIES_BYTES = 64 << 20 };

/* {"key":"..","value":{"intValue":"17"}}. A value of the type NONE is the text nil. */
void tw__tempo_attribute(struct tw__json *json, struct tw_text key, const struct tw__field *value);

struct tw__tempo_labels {
    struct tw__json *json;
    struct tw__buf text; /* the second form */
};

void tw__tempo_labels_begin(struct tw__tempo_labels *labels);
void tw__tempo_label(struct tw__tempo_labels *labels, struct tw_text key, const struct tw__field *value);
void tw__tempo_label_text(struct tw__tempo_labels *labels, const char *key, struct tw_text value);
void tw__tempo_label_number(struct tw__tempo_labels *labels, const char *key, double value);
void tw__tempo_labels_end(struct tw__tempo_labels *labels);

/* What a series over time has and one of a moment has not, since Grafana takes no member that Tempo does not know. The
 * list of samples is open. */
void tw__tempo_samples_begin(struct tw__json *json);
void tw__tempo_sample(struct tw__json *json, uint64_t time_ns, double value);

#endif
