/* carrier: a context out of, and into, anything that has named values.
 *
 *     headers, metadata, environment -- get --> the formats in order, the first with a trace --> context + carried
 *     context + carried --> every format to be written -- set --> headers, metadata, environment
 *
 * This file knows the order and the names; each format is a file of its own. What others put beside a context goes only
 * with the format it came in: a tracestate without its traceparent means nothing.
 *
 * Invariant: after tw_extract *carried is as tw_carried_init left it, but for what the winning format and baggage
 * wrote.
 * Limits: a name may be asked for a second time, with index 1, to find headers given twice: two parents are none.
 * Rejected: one callback that walks over all headers (few carriers can, and each would pay for the headers not ours);
 * reading all formats and comparing (two traces in one request have no right answer, so the configured order is it).
 */
#include "propagate/config.h"
#include "propagate/formats.h"

void tw_carried_init(struct tw_carried *carried)
{
    memset(carried, 0, offsetof(struct tw_carried, tracestate));
    carried->baggage[0] = '\0';
}

int tw__carrier_get_single(const struct tw__reading *from, const char *name, struct tw__slice *value)
{
    const char *text, *again;
    size_t len, again_len;

    if (!from->get(from->carrier, name, 0, &text, &len)) return 0;
    *value = tw__trim(text, len);
    if (from->get(from->carrier, name, 1, &again, &again_len)) return -1;
    return value->len > 0;
}

static int read_tracecontext(const struct tw__reading *from, struct tw_context *context, struct tw_carried *carried)
{
    struct tw__slice text;
    int found = tw__carrier_get_single(from, "traceparent", &text);

    if (found == 0) return TW_EXTRACT_NONE;
    if (found < 0 || tw_traceparent_parse(text.at, text.len, context) < 0) {
        tw__drop(from->drops, traceparent);
        return TW_EXTRACT_NONE;
    }
    if (carried) carried->sampling = TW_SAMPLING_FLAG;
    tw__tracestate_read(from, context, carried);
    return TW_EXTRACT_PARENT;
}

int tw_extract(const struct tw_propagation *how, tw_carrier_get get, void *carrier, struct tw_context *context,
               struct tw_carried *carried)
{
    const struct tw_formats list = how ? how->read : tw__propagation_list(TW__LIST_READ);
    const struct tw__reading from = {get, carrier, how && how->drops ? how->drops : tw__process_drops()};
    int result = TW_EXTRACT_NONE;
    uint8_t winner = TW_FORMAT_NONE;
    bool b3_read = false;

    if (carried) tw_carried_init(carried);
    for (unsigned i = 0; i < list.count && i < TW_FORMATS_MAX; i++) {
        enum tw_format format = (enum tw_format)list.list[i];
        if (format == TW_FORMAT_BAGGAGE) tw__baggage_read(&from, carried);
        if (result != TW_EXTRACT_NONE) continue;
        if (format == TW_FORMAT_TRACECONTEXT) result = read_tracecontext(&from, context, carried);
        if (format == TW_FORMAT_XRAY) result = tw__xray_read(&from, context, carried);
        if ((format == TW_FORMAT_B3 || format == TW_FORMAT_B3_MULTI) && !b3_read) {
            b3_read = true;
            result = tw__b3_read(&from, context, carried);
        }
        if (result != TW_EXTRACT_NONE) winner = (uint8_t)format;
    }
    if (carried) carried->format = winner;
    return result;
}

static int write_tracecontext(const struct tw_context *context, const struct tw_carried *carried, tw_carrier_set set,
                              void *carrier)
{
    char parent[TW_TRACEPARENT_LEN + 1], state[TW__TRACESTATE_TEXT_MAX + 1];
    if (tw_traceparent_format(context, parent, sizeof parent) < 0) return 0;
    parent[TW_TRACEPARENT_LEN] = '\0';
    set(carrier, "traceparent", parent, TW_TRACEPARENT_LEN);
    size_t len = tw__tracestate_format(context, carried, state);
    state[len] = '\0';
    set(carrier, "tracestate", state, len);
    return 2;
}

static int write_xray(const struct tw_context *context, const struct tw_carried *carried, tw_carrier_set set,
                      void *carrier)
{
    char text[TW__XRAY_TEXT_MAX + 1];
    size_t len = tw__xray_format(context, carried, text);
    text[len] = '\0';
    set(carrier, "x-amzn-trace-id", text, len);
    return 1;
}

static int write_b3(const struct tw_context *context, const struct tw_carried *carried, tw_carrier_set set,
                    void *carrier)
{
    char text[TW__B3_TEXT_MAX + 1];
    size_t len = tw__b3_format(context, carried, text);
    text[len] = '\0';
    set(carrier, "b3", text, len);
    return 1;
}

static int write_baggage(const struct tw_carried *carried, tw_carrier_set set, void *carrier)
{
    if (!carried || !carried->baggage_len) return 0;
    set(carrier, "baggage", carried->baggage, carried->baggage_len);
    return 1;
}

int tw_inject(const struct tw_propagation *how, const struct tw_context *context, const struct tw_carried *carried,
              tw_carrier_set set, void *carrier)
{
    const struct tw_formats list = how ? how->write : tw__propagation_list(TW__LIST_WRITE);
    bool has_trace = context && tw__has_trace_id(context);
    bool has_span = has_trace && tw__has_span_id(context);
    int count = 0;

    for (unsigned i = 0; i < list.count && i < TW_FORMATS_MAX; i++) {
        enum tw_format format = (enum tw_format)list.list[i];
        if (format == TW_FORMAT_BAGGAGE) count += write_baggage(carried, set, carrier);
        if (format == TW_FORMAT_XRAY && has_trace) count += write_xray(context, carried, set, carrier);
        if (!has_span) continue;
        if (format == TW_FORMAT_TRACECONTEXT) count += write_tracecontext(context, carried, set, carrier);
        if (format == TW_FORMAT_B3) count += write_b3(context, carried, set, carrier);
        if (format == TW_FORMAT_B3_MULTI) count += tw__b3_write_multi(context, carried, set, carrier);
    }
    return count;
}
