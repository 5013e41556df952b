/* tracestate: what other vendors said about the trace, and our own member in front.
 *
 *     tw=00f067aa0ba902b7:u,congo=t61rcWkgMzE,rojo=00f067aa0ba902b7
 *     |  |                | |
 *     |  |                | members of others, in the order they came, carried as text
 *     |  |                undecided (u) or debug (d): believed only while we are the direct parent
 *     |  our span; it says who of us is nearest when others without us are between
 *     the most recent writer comes first
 *
 * Several headers are one list. As the recommendation asks, a list that breaks the grammar, has a key twice or more
 * than 32 members is thrown away as a whole, and the trace is not. A list that is too long for us (ours and others: 512
 * characters, 32 members) loses whole members: those over 128 characters first, from the right, then the right-most.
 *
 * Invariant: what is carried is 0 to 31 valid members joined by single commas, at most TW_CARRIED_TRACESTATE_MAX
 * characters, none of them ours; so tw__tracestate_format is a copy and cannot fail.
 * Limits: keys follow the stricter reading, the one of the W3C test suite: at most one `@`, with 241 characters before
 * it and 14 after. The grammar of Level 2 lets `@` stand anywhere but first; the suite refuses that, and the suite is a
 * test here.
 * Rejected: a hash of the keys (32 keys are compared by length first, and most lists have two).
 */
#include "propagate/formats.h"

enum {
    KEY_MAX = 256,
    TENANT_MAX = 241,
    SYSTEM_MAX = 14,
    VALUE_MAX = 256,
    LONG_MEMBER = 128,
    OURS_MAX = 3 + 16 + 2, /* tw= id :u */
};

_Static_assert(OURS_MAX + 1 + TW_CARRIED_TRACESTATE_MAX == TW__TRACESTATE_TEXT_MAX, "ours, a comma, and the others");

struct member {
    const char *at;
    size_t len;
    size_t key_len;
};

struct list {
    struct member members[TW_TRACESTATE_MEMBERS_MAX];
    size_t count;
};

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_key_start(char c)
{
    return is_lower(c) || (c >= '0' && c <= '9');
}

static bool is_key_char(char c)
{
    return is_key_start(c) || c == '_' || c == '-' || c == '*' || c == '/';
}

static bool is_key(const char *key, size_t len)
{
    size_t at = 0; /* 0: no `@` yet, for it cannot stand first */
    if (len == 0 || len > KEY_MAX || !is_key_start(key[0])) return false;
    for (size_t i = 1; i < len; i++) {
        if (is_key_char(key[i])) continue;
        if (key[i] != '@' || at) return false;
        at = i;
    }
    if (!at) return true;
    size_t system_len = len - at - 1;
    return at <= TENANT_MAX && system_len >= 1 && system_len <= SYSTEM_MAX && is_lower(key[at + 1]);
}

/* The text is trimmed, so it does not end in a space; a comma has ended it. */
static bool is_value(const char *value, size_t len)
{
    if (len == 0 || len > VALUE_MAX) return false;
    for (size_t i = 0; i < len; i++) {
        if (value[i] < 0x20 || value[i] > 0x7e || value[i] == '=') return false;
    }
    return true;
}

static bool has_key(const struct list *list, const char *key, size_t len)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->members[i].key_len == len && memcmp(list->members[i].at, key, len) == 0) return true;
    }
    return false;
}

/* Adds the members of one header. Returns false when the list is not to be believed. */
static bool collect(struct tw__slice rest, struct list *list)
{
    while (rest.len) {
        struct tw__slice text = tw__cut(&rest, ',');
        if (text.len == 0) continue; /* an empty member is allowed and is none */
        const char *equals = memchr(text.at, '=', text.len);
        if (!equals) return false;
        size_t key_len = (size_t)(equals - text.at);
        if (!is_key(text.at, key_len) || !is_value(equals + 1, text.len - key_len - 1)) return false;
        if (list->count == TW_TRACESTATE_MEMBERS_MAX || has_key(list, text.at, key_len)) return false;
        list->members[list->count++] = (struct member){text.at, text.len, key_len};
    }
    return true;
}

static void remove_at(struct list *list, size_t index)
{
    list->count--;
    memmove(&list->members[index], &list->members[index + 1], (list->count - index) * sizeof list->members[0]);
}

/* Takes our own member out of the list. One that is not in our form was not ours, and is not carried either. */
static void take_ours(struct list *list, const struct tw_context *context, struct tw_carried *carried)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct member *m = &list->members[i];
        if (m->key_len != 2 || memcmp(m->at, "tw", 2) != 0) continue;
        const char *value = m->at + 3;
        size_t len = m->len - 3;
        uint8_t id[8];
        bool marked = len == 18 && value[16] == ':';
        if ((len == 16 || marked) && tw__hex_dec_lower(value, id, sizeof id)) {
            memcpy(carried->nearest, id, sizeof id);
            bool sampled = context->flags & TW_FLAG_SAMPLED, parent = memcmp(id, context->span_id, sizeof id) == 0;
            if (marked && parent && value[17] == 'u' && !sampled) carried->sampling = TW_SAMPLING_UNDECIDED;
            if (marked && parent && value[17] == 'd' && sampled) carried->sampling = TW_SAMPLING_DEBUG;
        }
        remove_at(list, i);
        return;
    }
}

static size_t joined_len(const struct list *list)
{
    size_t len = list->count ? list->count - 1 : 0;
    for (size_t i = 0; i < list->count; i++) len += list->members[i].len;
    return len;
}

static void make_room(struct list *list, struct tw_drops *drops)
{
    while (list->count > TW_TRACESTATE_MEMBERS_MAX - 1 || joined_len(list) > TW_CARRIED_TRACESTATE_MAX) {
        size_t victim = list->count - 1;
        bool for_length = joined_len(list) > TW_CARRIED_TRACESTATE_MAX;
        for (size_t i = list->count; for_length && i-- > 0;) {
            if (list->members[i].len <= LONG_MEMBER) continue;
            victim = i;
            break;
        }
        remove_at(list, victim);
        tw__drop(drops, tracestate_member);
    }
}

void tw__tracestate_read(const struct tw__reading *from, const struct tw_context *context, struct tw_carried *carried)
{
    struct list list;
    const char *value;
    size_t len, out = 0;

    list.count = 0;
    for (unsigned index = 0; index < TW_TRACESTATE_MEMBERS_MAX; index++) {
        if (!from->get(from->carrier, "tracestate", index, &value, &len)) break;
        if (!collect((struct tw__slice){value, len}, &list)) {
            tw__drop(from->drops, tracestate);
            return;
        }
    }
    if (!carried) return;
    take_ours(&list, context, carried);
    make_room(&list, from->drops);
    for (size_t i = 0; i < list.count; i++) {
        if (i) carried->tracestate[out++] = ',';
        memcpy(carried->tracestate + out, list.members[i].at, list.members[i].len);
        out += list.members[i].len;
    }
    carried->tracestate_len = (uint16_t)out;
    carried->tracestate_count = (uint8_t)list.count;
}

size_t tw__tracestate_format(const struct tw_context *context, const struct tw_carried *carried,
                             char text[TW__TRACESTATE_TEXT_MAX])
{
    char letter = tw__sampling_letter(context, carried);
    size_t len = 3 + 16;

    memcpy(text, "tw=", 3);
    tw__hex_enc(context->span_id, sizeof context->span_id, text + 3);
    if (letter == '?' || letter == 'd') {
        text[len++] = ':';
        text[len++] = letter == 'd' ? 'd' : 'u';
    }
    if (carried && carried->tracestate_len) {
        text[len++] = ',';
        memcpy(text + len, carried->tracestate, carried->tracestate_len);
        len += carried->tracestate_len;
    }
    return len;
}

bool tw_tracestate_next(const struct tw_carried *carried, size_t *pos, struct tw_member *out)
{
    if (*pos >= carried->tracestate_len) return false;
    struct tw__slice rest = {carried->tracestate + *pos, carried->tracestate_len - *pos};
    struct tw__slice member = tw__cut(&rest, ',');
    *pos = carried->tracestate_len - rest.len;
    const char *equals = member.len ? memchr(member.at, '=', member.len) : NULL;
    if (!equals) return false;
    out->key = member.at;
    out->key_len = (size_t)(equals - member.at);
    out->value = equals + 1;
    out->value_len = member.len - out->key_len - 1;
    return true;
}
