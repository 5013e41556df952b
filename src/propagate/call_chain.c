/* call_chain: nameko's stack of call ids, in and out of a carrier.
 *
 *     nameko.call_id_stack: ["web.cart.1b4e...", "shop.total.77aa..."]     text carriers: one JSON list
 *     nameko.call_id_stack: two elements of an AMQP list                   read by index; written by who has a typed
 * carrier
 *
 * nameko keeps the newest 11, so after a longer way the first call is no longer in it, and origin_call_id of
 * nameko-tracer names the wrong one. The true one travels beside it under a name that nameko hands on because of its
 * prefix. Ids come from outside: anything but plain printable characters makes the whole stack unknown, as half a chain
 * would say something that is not so.
 */
#include "propagate/call_chain.h"

#include <string.h>

#include "propagate/text.h"

enum { VALUE_MAX = TW_CALL_CHAIN_BYTES + 4 * (TW_CALL_PARENTS_MAX + 1) };

void tw_call_chain_init(struct tw_call_chain *chain)
{
    chain->count = chain->len = 0;
    chain->origin[0] = 0;
}

const char *tw_call_chain_at(const struct tw_call_chain *chain, size_t index)
{
    if (index >= chain->count) return NULL;
    const char *at = chain->text;
    while (index--) at += strlen(at) + 1;
    return at;
}

static bool is_id(const char *id, size_t len)
{
    bool good = true;
    for (size_t i = 0; i < len; i++) {
        char c = id[i];
        good &= c > ' ' && c <= '~' && c != '"' && c != ',' &&
                (c < '[' || c > ']'); /* backslash stands between the brackets */
    }
    return good;
}

static void drop_oldest(struct tw_call_chain *chain)
{
    size_t gone = strlen(chain->text) + 1;
    memmove(chain->text, chain->text + gone, chain->len - gone);
    chain->len = (uint16_t)(chain->len - gone);
    chain->count--;
}

void tw__call_chain_push(struct tw_call_chain *chain, const char *id, size_t len, size_t max)
{
    if (chain->count == 0 && !chain->origin[0]) {
        memcpy(chain->origin, id, len);
        chain->origin[len] = 0;
    }
    if (max == 0) max = 1;
    while (chain->count && (chain->count >= max || chain->len + len + 1 > TW_CALL_CHAIN_BYTES)) drop_oldest(chain);
    memcpy(chain->text + chain->len, id, len);
    chain->text[chain->len + len] = 0;
    chain->len = (uint16_t)(chain->len + len + 1);
    chain->count++;
}

int tw_call_chain_add(struct tw_call_chain *chain, const char *id, size_t len, size_t max)
{
    if (len == 0 || len > TW_CALL_ID_MAX) return TW_ERR_RANGE;
    if (!is_id(id, len)) return TW_ERR_SYNTAX;
    tw__call_chain_push(chain, id, len, max);
    return 0;
}

/* One value: an id, ids with commas, or a JSON list of them. */
static bool add_value(struct tw_call_chain *chain, const char *value, size_t len)
{
    struct tw__slice rest = tw__trim(value, len);
    bool list = rest.len >= 2 && rest.at[0] == '[' && rest.at[rest.len - 1] == ']';
    if (list) rest = tw__trim(rest.at + 1, rest.len - 2);
    while (rest.len) {
        struct tw__slice piece = tw__cut(&rest, ',');
        bool quoted = piece.len >= 2 && piece.at[0] == '"' && piece.at[piece.len - 1] == '"';
        if (list && !quoted) return false;
        if (quoted) piece = (struct tw__slice){piece.at + 1, piece.len - 2};
        if (tw_call_chain_add(chain, piece.at, piece.len, TW_CALL_PARENTS_MAX + 1) < 0) return false;
    }
    return true;
}

size_t tw_call_chain_extract(tw_carrier_get get, void *carrier, struct tw_call_chain *chain, struct tw_context *context)
{
    const char *value;
    size_t len;
    tw_call_chain_init(chain);
    if (context && get(carrier, TW_CALL_HEADER_TRACEPARENT, 0, &value, &len))
        (void)tw_traceparent_parse(value, len, context);
    for (unsigned i = 0; i <= TW_CALL_PARENTS_MAX && get(carrier, TW_CALL_HEADER_STACK, i, &value, &len); i++) {
        if (add_value(chain, value, len)) continue;
        tw_call_chain_init(chain);
        return 0;
    }
    if (get(carrier, TW_CALL_HEADER_ORIGIN, 0, &value, &len) && len && len <= TW_CALL_ID_MAX && is_id(value, len)) {
        memcpy(chain->origin, value, len);
        chain->origin[len] = 0;
    }
    return chain->count;
}

size_t tw_call_chain_inject(const struct tw_call_chain *chain, const struct tw_context *context, tw_carrier_set set,
                            void *carrier)
{
    char value[VALUE_MAX + 1];
    size_t len = 0, done = 0;
    if (chain->count) {
        for (size_t i = 0, at = 0; i < chain->count; i++) {
            size_t id_len = strlen(chain->text + at);
            memcpy(value + len, i ? ", \"" : "[\"", i ? 3 : 2);
            len += i ? 3 : 2;
            memcpy(value + len, chain->text + at, id_len);
            value[len + id_len] = '"';
            len += id_len + 1;
            at += id_len + 1;
        }
        value[len++] = ']';
        value[len] = 0;
        set(carrier, TW_CALL_HEADER_STACK, value, len);
        set(carrier, TW_CALL_HEADER_ORIGIN, chain->origin, strlen(chain->origin));
        done += 2;
    }
    char traceparent[TW_TRACEPARENT_LEN + 1] = "";
    if (context && tw_traceparent_format(context, traceparent, TW_TRACEPARENT_LEN) > 0) {
        set(carrier, TW_CALL_HEADER_TRACEPARENT, traceparent, TW_TRACEPARENT_LEN);
        done++;
    }
    return done;
}

size_t tw_call_context_extract(tw_carrier_get get, void *carrier, struct tw_value *values, size_t cap)
{
    static const char *const names[] = {"nameko.auth_token", "nameko.language", "nameko.user_id", "nameko.user_agent"};
    size_t count = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names && count < cap; i++) {
        const char *value;
        size_t len;
        if (!get(carrier, names[i], 0, &value, &len)) continue;
        values[count++] = TW_ARG_STRN(names[i] + strlen("nameko."), value, len);
    }
    return count;
}

static bool is_header_text(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] < ' ' || text[i] > '~') return false;
    return true;
}

size_t tw_call_context_inject(const struct tw_value *values, size_t count, tw_carrier_set set, void *carrier)
{
    size_t done = 0;
    for (size_t i = 0; i < count; i++) {
        char name[80] = "nameko.", value[1025];
        size_t prefix = strlen(name), key_len = values[i].key ? strlen(values[i].key) : 0;
        if (values[i].kind != TW_VALUE_STR || values[i].len >= sizeof value ||
            !is_header_text(values[i].as.p, values[i].len))
            continue;
        if (key_len == 0 || key_len >= sizeof name - prefix || !is_id(values[i].key, key_len)) continue;
        memcpy(name + prefix, values[i].key, key_len + 1);
        memcpy(value, values[i].as.p, values[i].len);
        value[values[i].len] = 0;
        set(carrier, name, value, values[i].len);
        done++;
    }
    return done;
}
