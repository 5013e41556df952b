/* Records of calls of any bytes. What is refused leaves the batch as it was. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "read_spans.h"
#include "wire/call_json_dec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tw__spans spans = {0};
    struct tw__call_found found;
    uint8_t *exact = malloc(size ? size : 1); /* so that ASan sees one byte too far */
    if (!exact) return 0;
    if (size) memcpy(exact, data, size);
    int code = tw__call_json_dec(&spans, exact, size, size & 1, &found);
    if (spans.count != (code == 0)) abort();
    if (code < 0 && (!found.why || found.error_at > size)) abort();
    if (code == 0 && (tw__all_zero(spans.items[0].span_id, 8) || tw__all_zero(spans.items[0].trace_id, 16))) abort();
    read_spans(&spans);
    tw__spans_fini(&spans);
    free(exact);
    return 0;
}
