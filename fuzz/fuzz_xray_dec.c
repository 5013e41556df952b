/* X-Ray's datagrams and documents of any bytes. What is refused leaves the batch empty; every span has ids. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "read_spans.h"
#include "wire/xray_dec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tw__spans spans = {0};
    struct tw__xray_found found;
    uint8_t *exact = malloc(size ? size : 1); /* so that ASan sees one byte too far */
    if (!exact) return 0;
    if (size) memcpy(exact, data, size);
    for (int datagram = 0; datagram < 2; datagram++) {
        size_t before = spans.count;
        int code = datagram ? tw__xray_dec_datagram(&spans, exact, size, (struct tw_text){"s", 1}, &found)
                            : tw__xray_dec(&spans, exact, size, (struct tw_text){"", 0}, &found);
        if (code < 0 && (spans.count != before || !found.why || found.error_at > size)) abort();
        if (code == 0 && spans.count == before) abort();
        for (size_t i = 0; i < spans.count; i++)
            if (tw__all_zero(spans.items[i].span_id, 8) || tw__all_zero(spans.items[i].trace_id, 16)) abort();
        read_spans(&spans);
    }
    tw__spans_fini(&spans);
    free(exact);
    return 0;
}
