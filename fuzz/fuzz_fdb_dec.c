/* FoundationDB's datagrams of any bytes. A span that is taken lies inside the datagram, and the batch has no other. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/fdb_dec.h"

static uint64_t sum;

static void read_text(struct tw_text text)
{
    for (size_t i = 0; i < text.len; i++) sum += (uint8_t)text.ptr[i];
}

static void read_tags(const struct tw_tag_value *tags, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        read_text(tags[i].key);
        read_text(tags[i].text);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tw__spans spans = {0};
    struct tw__fdb_found found;
    uint8_t *exact = malloc(size ? size : 1); /* so that ASan sees one byte too far */
    if (!exact) return 0;
    if (size) memcpy(exact, data, size);
    int code = tw__fdb_dec(&spans, exact, size, &found);
    if (spans.count != (code == 0)) abort();
    if (code < 0 && (!found.why || found.error_at > size)) abort();
    for (size_t i = 0; i < spans.count; i++) {
        const struct tw__span *span = &spans.items[i];
        read_text(span->name);
        read_text(span->status_message);
        read_tags(span->tags, span->tag_count);
        for (uint32_t e = 0; e < span->event_count; e++) {
            read_text(span->events[e].name);
            read_tags(span->events[e].tags, span->events[e].tag_count);
        }
        for (uint32_t l = 0; l < span->link_count; l++) sum += span->links[l].span_id[7];
        read_text(spans.resources[span->resource].service);
    }
    tw__spans_fini(&spans);
    free(exact);
    return 0;
}
