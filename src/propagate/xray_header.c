/* xray_header: X-Amzn-Trace-Id, as load balancers, Lambda and the X-Ray SDKs write and read it.
 *
 *     Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1;Lineage=a87bd80c:1|68fd508a:5
 *            | seconds  rest of the trace id          span                       forwarded, like all not known
 *
 * Read: fields in any order, keys of any case, spaces around the fields and around the `=`, a `;` at the end. No Root
 * means no trace; no Parent means a trace without a parent; Sampled that is `?`, missing or not understood means
 * undecided. A Root or Parent that is malformed, or given twice, means no trace; if such a header says Sampled=0, the
 * one that begins here is not sampled either (the Python SDK writes Root=dummy;Sampled=0 for what it does not sample).
 * An empty field counts as missing. Self (a load balancer's own) is dropped. Written: Root;Parent;Sampled;rest.
 *
 * Invariant: what is carried is a run of ";key=value" in printable ASCII, at most TW_CARRIED_XRAY_MAX bytes, so that
 * the whole header keeps to 256; and tw__xray_format is a copy and cannot fail. Nothing that ends a header line gets
 * through.
 * Limits: the seconds in the trace id are not judged: that needs a clock, and X-Ray takes W3C ids written this way.
 * Rejected: keeping fields without `=` (nobody's, and they would come back in the next header as garbage).
 */
#include "propagate/formats.h"

enum { ROOT_LEN = 35, AT_SECONDS = 2, AT_DASH = 10, AT_REST = 11, PARENT_LEN = 16 };

_Static_assert(sizeof "Root=;Parent=;Sampled=1" - 1 + ROOT_LEN + PARENT_LEN + TW_CARRIED_XRAY_MAX == TW__XRAY_TEXT_MAX,
               "our fields and the carried ones");

struct header {
    struct tw_context context;
    char *extra; /* NULL: not wanted */
    struct tw_drops *drops;
    size_t extra_len;
    bool has_root, has_parent, decided;
};

static bool parse_root(struct tw__slice value, uint8_t id[16])
{
    return value.len == ROOT_LEN && value.at[0] == '1' && value.at[1] == '-' && value.at[AT_DASH] == '-' &&
           tw__hex_dec(value.at + AT_SECONDS, id, 4) && tw__hex_dec(value.at + AT_REST, id + 4, 12) &&
           !tw__all_zero(id, 16);
}

static bool parse_parent(struct tw__slice value, uint8_t id[8])
{
    return value.len == PARENT_LEN && tw__hex_dec(value.at, id, 8) && !tw__all_zero(id, 8);
}

static bool is_printable(struct tw__slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] < 0x20 || text.at[i] > 0x7e) return false;
    }
    return true;
}

static void keep(struct header *h, struct tw__slice field)
{
    if (!h->extra) return;
    if (!is_printable(field) || h->extra_len + 1 + field.len > TW_CARRIED_XRAY_MAX) {
        tw__drop(h->drops, xray_field);
        return;
    }
    h->extra[h->extra_len] = ';';
    memcpy(h->extra + h->extra_len + 1, field.at, field.len);
    h->extra_len += 1 + field.len;
}

/* Returns false when the field makes the header malformed. */
static bool take_field(struct header *h, struct tw__slice field)
{
    struct tw__slice value = field, key = tw__cut(&value, '=');
    if (key.len == 0 || key.len == field.len) { /* no key, no `=` */
        tw__drop(h->drops, xray_field);
        return true;
    }
    value = tw__trim(value.at, value.len);
    if (tw__is_word(key, "root", 4)) {
        if (value.len == 0) return true;
        if (h->has_root || !parse_root(value, h->context.trace_id)) return false;
        h->has_root = true;
    } else if (tw__is_word(key, "parent", 6)) {
        if (value.len == 0) return true;
        if (h->has_parent || !parse_parent(value, h->context.span_id)) return false;
        h->has_parent = true;
    } else if (tw__is_word(key, "sampled", 7)) {
        if (value.len && memchr(value.at, ',', value.len)) return false; /* two headers that a server has joined */
        h->decided = value.len == 1 && (value.at[0] == '0' || value.at[0] == '1');
        h->context.flags = h->decided && value.at[0] == '1' ? TW_FLAG_SAMPLED : 0;
    } else if (!tw__is_word(key, "self", 4)) {
        keep(h, field);
    }
    return true;
}

int tw__xray_parse_rest(struct tw__slice text, struct tw_drops *drops, struct tw_context *context,
                        struct tw__xray_rest *rest)
{
    struct header h = {.extra = rest->text, .drops = drops};

    while (text.len) {
        struct tw__slice field = tw__cut(&text, ';');
        if (field.len && !take_field(&h, field)) return TW_EXTRACT_NONE;
    }
    if (!h.has_root) return TW_EXTRACT_NONE;
    *context = h.context;
    rest->len = (uint16_t)h.extra_len;
    rest->decided = h.decided;
    return h.has_parent ? TW_EXTRACT_PARENT : TW_EXTRACT_TRACE;
}

int tw__xray_parse(struct tw__slice text, struct tw_drops *drops, struct tw_context *context,
                   struct tw_carried *carried)
{
    struct tw__xray_rest rest = {.text = carried ? carried->xray : NULL};
    int found = tw__xray_parse_rest(text, drops, context, &rest);
    if (found != TW_EXTRACT_NONE && carried) {
        carried->xray_len = rest.len;
        carried->sampling = rest.decided ? TW_SAMPLING_FLAG : TW_SAMPLING_UNDECIDED;
    } else if (carried && tw__xray_denies(text)) {
        carried->sampling = TW_SAMPLING_DENY;
    }
    return found;
}

bool tw__xray_denies(struct tw__slice text)
{
    while (text.len) {
        struct tw__slice value = tw__cut(&text, ';'), key = tw__cut(&value, '=');
        value = tw__trim(value.at, value.len);
        if (tw__is_word(key, "sampled", 7)) return value.len == 1 && value.at[0] == '0';
    }
    return false;
}

int tw__xray_read(const struct tw__reading *from, struct tw_context *context, struct tw_carried *carried)
{
    struct tw__slice text;
    int found = tw__carrier_get_single(from, "x-amzn-trace-id", &text);
    if (found == 0) return TW_EXTRACT_NONE;
    int result = found > 0 ? tw__xray_parse(text, from->drops, context, carried) : TW_EXTRACT_NONE;
    if (result == TW_EXTRACT_NONE) tw__drop(from->drops, xray);
    return result;
}

size_t tw__xray_format(const struct tw_context *context, const struct tw_carried *carried, char text[TW__XRAY_TEXT_MAX])
{
    char letter = tw__sampling_letter(context, carried);
    size_t len = 5 + ROOT_LEN;

    memcpy(text, "Root=1-", 7);
    tw__hex_enc(context->trace_id, 4, text + 7);
    text[5 + AT_DASH] = '-';
    tw__hex_enc(context->trace_id + 4, 12, text + 5 + AT_REST);
    if (tw__has_span_id(context)) {
        memcpy(text + len, ";Parent=", 8);
        tw__hex_enc(context->span_id, sizeof context->span_id, text + len + 8);
        len += 8 + PARENT_LEN;
    }
    memcpy(text + len, ";Sampled=", 9);
    text[len + 9] = letter == 'd' ? '1' : letter;
    len += 10;
    if (carried && carried->xray_len) {
        memcpy(text + len, carried->xray, carried->xray_len);
        len += carried->xray_len;
    }
    return len;
}
