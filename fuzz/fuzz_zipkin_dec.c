/* Zipkin's requests of any bytes, as JSON and as protobuf. What is refused hands nothing on; every span has ids. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "read_spans.h"
#include "wire/zipkin_dec.h"

static int take(void *data, struct tw__spans *spans)
{
    ++*(unsigned *)data;
    for (size_t i = 0; i < spans->count; i++)
        if (tw__all_zero(spans->items[i].span_id, 8) || tw__all_zero(spans->items[i].trace_id, 16)) abort();
    read_spans(spans);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tw__spans spans = {0};
    uint8_t *exact = malloc(size ? size : 1); /* so that ASan sees one byte too far */
    if (!exact) return 0;
    if (size) memcpy(exact, data, size);
    for (int protobuf = 0; protobuf < 2; protobuf++) {
        unsigned taken = 0;
        struct tw__zipkin_dec dec = {.spans = &spans, .take = take, .data = &taken};
        int code = (protobuf ? tw__zipkin_pb_dec : tw__zipkin_json_dec)(&dec, exact, size);
        if (code < 0 && (taken || !dec.why || dec.error_at > size)) abort();
    }
    tw__spans_fini(&spans);
    free(exact);
    return 0;
}
