/* xray: trees of spans as documents that fit into datagrams.
 *
 *     {"format": "json", "version": 1}\n
 *     {"name": ..., "id": ..., "trace_id": ..., ..., "subsegments": [{...}, {... "subsegments": [...]}]}
 *
 * A tree is written as one document if it fits, which is tried first. If not, each span is measured by itself, and from
 * the leaves up children are set apart, first ones first, until what is left under a span fits with it: each span set
 * apart is the top of a document of its own. A span that does not fit even alone is written again with its texts cut at
 * 32768 bytes, 16384, and so on down to 16, so that the longest lose first; then with half of its tags, events and
 * links, and half of that.
 *
 * Invariant: each span of the tree is in exactly one document, and no document is longer than the limit.
 * Invariant: what is measured for a span is at most what it takes: a document is measured with the members only tops
 * have.
 * Limits: children are embedded DEPTH_MAX deep, because JSON parsers count; deeper ones have documents of their own. No
 * recursion: trees are walked by their parent links.
 * Rejected: cutting children's texts to keep them in the parent's document (a second document costs nothing), JSON
 * trees in memory (the bytes are the only thing that has a length).
 */
#include "wire/xray.h"

#include "wire/xray_parts.h"

enum { DEPTH_MAX = 50, TEXT_LEAST = 16, ITEMS_MAX = 4096, PER_NODE = 32 /* brackets, commas, "subsegments" */ };

static const char header[] = "{\"format\": \"json\", \"version\": 1}\n";

/* Everything that stays the same while one tree is encoded. */
struct enc {
    const struct tw__xray_options *options;
    struct tw__buf *buf;
    size_t limit;
};

/* Next in the whole tree below top, parents first; NULL at the end. */
static struct tw__xray_node *next_node(const struct tw__xray_node *node, const struct tw__xray_node *top)
{
    if (node->first_child) return node->first_child;
    while (node != top && !node->next) node = node->parent;
    return node == top ? NULL : node->next;
}

/* The first of node and the siblings behind it that is embedded in its parent. */
static struct tw__xray_node *embedded(struct tw__xray_node *node)
{
    while (node && node->alone) node = node->next;
    return node;
}

/* Closes node and each parent that has no more children. Returns the next node to write, NULL when top is closed. */
static struct tw__xray_node *close_nodes(struct tw__json *json, const struct tw__xray_node *node,
                                         const struct tw__xray_node *top)
{
    for (;;) {
        tw__json_close(json, '}');
        if (node == top) return NULL;
        struct tw__xray_node *sibling = embedded(node->next);
        if (sibling) return sibling;
        tw__json_close(json, ']');
        node = node->parent;
    }
}

/* Writes top and what is embedded in it, or as much of it as it takes to see that it is too long. */
static struct tw__xray_doc write_tree(const struct enc *enc, struct tw__xray_node *top, size_t text_max,
                                      size_t item_max)
{
    struct tw__xray_out out = {
        .json = {.out = enc->buf}, .options = enc->options, .text_max = text_max, .item_max = item_max};
    out.limit = enc->limit;
    struct tw__xray_doc doc = {.record = top->span.record};
    struct tw__xray_node *node = top;
    tw__buf_reset(enc->buf);
    tw__buf_add(enc->buf, header, sizeof header - 1);
    while (node && !tw__xray_is_lost(&out)) {
        tw__xray_put_span(&out, &node->span, node != top);
        doc.spans++;
        struct tw__xray_node *child = embedded(node->first_child);
        if (child) {
            tw__json_open(&out.json, "subsegments", '[');
            node = child;
        } else
            node = close_nodes(&out.json, node, top);
    }
    doc.bytes = enc->buf->ptr;
    doc.len = enc->buf->len;
    doc.cut_texts = out.cut_texts;
    doc.dropped = out.dropped;
    return doc;
}

static size_t measure(const struct enc *enc, const struct tw__xray_node *node)
{
    struct tw__xray_out out = {.json = {.out = enc->buf}, .options = enc->options};
    out.text_max = SIZE_MAX;
    out.item_max = ITEMS_MAX;
    out.limit = enc->limit;
    tw__buf_reset(enc->buf);
    tw__xray_put_span(&out, &node->span, false);
    return enc->buf->len + PER_NODE;
}

/* Adds up node and its children, setting children apart until it fits. Returns how many. */
static uint32_t settle(const struct enc *enc, struct tw__xray_node *node)
{
    uint32_t split = 0;
    node->size = measure(enc, node);
    for (struct tw__xray_node *child = node->first_child; child; child = child->next)
        if (!child->alone) node->size += child->size;
    for (struct tw__xray_node *child = node->first_child; child && node->size + sizeof header > enc->limit;
         child = child->next) {
        if (child->alone) continue;
        child->alone = true;
        node->size -= child->size;
        split++;
    }
    return split;
}

/* Divides what is embedded in top: children before parents. Returns how many got documents of their own. */
static uint32_t divide(const struct enc *enc, struct tw__xray_node *top)
{
    uint32_t split = 0;
    struct tw__xray_node *node = top;
    for (;;) {
        for (struct tw__xray_node *child; (child = embedded(node->first_child));) node = child;
        for (;;) { /* node and everything under it is done but itself */
            split += settle(enc, node);
            if (node == top) return split;
            struct tw__xray_node *sibling = embedded(node->next);
            if (sibling) {
                node = sibling;
                break;
            }
            node = node->parent;
        }
    }
}

/* Writes the document of which node is the top. Returns 0 or TW_ERR_MEMORY. */
static int write_doc(const struct enc *enc, struct tw__xray_node *node, struct tw__xray_doc *out)
{
    uint32_t split = 0;
    size_t text_max = SIZE_MAX, item_max = ITEMS_MAX;
    struct tw__xray_doc doc = write_tree(enc, node, text_max, item_max);
    if (doc.len > enc->limit && embedded(node->first_child)) {
        split = divide(enc, node);
        doc = write_tree(enc, node, text_max, item_max);
    }
    while (doc.len > enc->limit && !enc->buf->failed && item_max > 0) {
        if (text_max > TEXT_LEAST)
            text_max = text_max > 32768 ? 32768 : text_max / 2;
        else
            item_max /= 2;
        doc = write_tree(enc, node, text_max, item_max);
    }
    if (enc->buf->failed) return TW_ERR_MEMORY;
    if (doc.len > enc->limit) return TW_ERR_SPACE; /* cannot be: TW__XRAY_LEAST holds any span with nothing in it */
    const uint8_t *id = node->span.record->trace_id;
    int64_t made = (int64_t)id[0] << 24 | id[1] << 16 | id[2] << 8 | id[3];
    int64_t begun = (int64_t)(node->span.record->time_ns / 1000000000), day = 86400;
    doc.odd_epoch = made < begun - 7 * day || made > begun + day;
    doc.split = split;
    *out = doc;
    return 0;
}

/* Decides which spans have documents of their own whatever their size. */
static void set_apart(struct tw__xray_node *top)
{
    for (struct tw__xray_node *node = top; node; node = next_node(node, top)) {
        node->alone = node == top || tw__xray_is_segment(node->span.record);
        node->size = node->alone ? 0 : node->parent->size + 1; /* the depth, for now */
        if (node->size < DEPTH_MAX) continue;
        node->alone = true;
        node->size = 0;
    }
}

int tw__xray_enc(const struct tw__xray_options *options, struct tw__xray_node *top, struct tw__buf *scratch,
                 int (*emit)(void *arg, const struct tw__xray_doc *doc), void *arg)
{
    struct enc enc = {.options = options, .buf = scratch, .limit = options->limit ? options->limit : TW__XRAY_MAX};
    int documents = 0;
    if (enc.limit < TW__XRAY_LEAST) enc.limit = TW__XRAY_LEAST;
    set_apart(top);
    for (struct tw__xray_node *node = top; node; node = next_node(node, top)) {
        struct tw__xray_doc doc;
        if (!node->alone) continue;
        int result = write_doc(&enc, node, &doc);
        if (result == 0) result = emit(arg, &doc);
        if (result < 0) return result;
        documents++;
    }
    return documents;
}
