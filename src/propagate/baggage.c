/* baggage: names and values of the application's own that travel with a request.
 *
 *     baggage: user=J%C3%BCrgen;ttl=1, region = eu ,flag=
 *     carried: user=J%C3%BCrgen;ttl=1,region=eu,flag=
 *
 * Carried as text, still encoded, in the order it came, without the optional spaces; decoded only when a value is asked
 * for, because most processes only send it on. Several headers are one list. A member that breaks the grammar is left
 * out and counted, and the others stay: a member is the application's business, the list is not one thing as in
 * tracestate.
 *
 * Invariant: what is carried is 0 to 64 valid members joined by single commas, at most 8192 bytes, then a NUL.
 * Limits: a key that comes again is sent on, as the specification asks; the last one is read. Setting a key drops the
 * rest. Decoding never fails: what is not UTF-8 becomes U+FFFD (one for each maximal broken run), a `%` without two
 * digits stays.
 * Rejected: a table of members (64 slices beside the text to keep in step, for a walk over 100 bytes).
 */
#include "propagate/formats.h"

enum { TOKEN = 1, OCTET = 2 };

/* TOKEN: of an HTTP token; OCTET: of a value. The classes of the 128 ASCII characters, from ' ' on. */
static uint8_t class_of(char c)
{
    static const uint8_t classes[0x7f - 0x20] = {
        0, 3, 0, 3, 3, 3, 3, 3, 2, 2, 3, 3, 0, 3, 3, 2, /* space to / */
        3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 2, 0, 2, 2, 2, 2, /* 0 to ? */
        2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, /* @ to O */
        3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 2, 0, 2, 3, 3, /* P to _ */
        3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, /* ` to o */
        3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 2, 3, 2, 3,    /* p to ~ */
    };
    uint8_t index = (uint8_t)((uint8_t)c - 0x20);
    return index < sizeof classes ? classes[index] : 0;
}

static bool is_all(struct tw__slice text, uint8_t kind)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!(class_of(text.at[i]) & kind)) return false;
    }
    return true;
}

static size_t append(char *to, struct tw__slice text)
{
    memcpy(to, text.at, text.len);
    return text.len;
}

/* Writes one member, or one property of it, without its spaces. Returns the length, 0 when it breaks the grammar.
 * A property may be without a value. What is written is never longer than what is read. */
static size_t normalize_pair(struct tw__slice pair, bool needs_value, char *to)
{
    struct tw__slice value = pair, key = tw__cut(&value, '=');
    bool has_value = key.len < pair.len && memchr(pair.at, '=', pair.len);

    if (key.len == 0 || !is_all(key, TOKEN) || (needs_value && !has_value)) return 0;
    size_t len = append(to, key);
    if (!has_value) return len;
    value = tw__trim(value.at, value.len);
    if (!is_all(value, OCTET)) return 0;
    to[len++] = '=';
    return len + append(to + len, value);
}

static size_t normalize(struct tw__slice member, char *to)
{
    size_t len = normalize_pair(tw__cut(&member, ';'), true, to);
    while (len && member.len) {
        struct tw__slice property = tw__cut(&member, ';');
        if (property.len == 0) continue;
        to[len] = ';';
        size_t more = normalize_pair(property, false, to + len + 1);
        if (more == 0) return 0;
        len += 1 + more;
    }
    return len;
}

/* Adds one member, or counts it. */
static void take(struct tw__slice member, struct tw_drops *drops, struct tw_carried *carried)
{
    size_t at = carried->baggage_len, comma = at > 0;
    bool fits = carried->baggage_count < TW_BAGGAGE_MEMBERS_MAX && at + comma + member.len <= TW_CARRIED_BAGGAGE_MAX;
    size_t len = fits ? normalize(member, carried->baggage + at + comma) : 0;

    if (len == 0) {
        tw__drop(drops, baggage_member);
        return;
    }
    if (comma) carried->baggage[at] = ',';
    carried->baggage_len = (uint16_t)(at + comma + len);
    carried->baggage_count++;
}

void tw__baggage_read(const struct tw__reading *from, struct tw_carried *carried)
{
    const char *value;
    size_t len;

    if (!carried) return;
    for (unsigned index = 0; index < TW_BAGGAGE_MEMBERS_MAX; index++) {
        if (!from->get(from->carrier, "baggage", index, &value, &len)) break;
        struct tw__slice rest = {value, len};
        while (rest.len) {
            struct tw__slice member = tw__cut(&rest, ',');
            if (member.len) take(member, from->drops, carried);
        }
    }
    carried->baggage[carried->baggage_len] = '\0'; /* a member that was refused may have written here */
}

bool tw_baggage_next(const struct tw_carried *carried, size_t *pos, struct tw_member *out)
{
    if (*pos >= carried->baggage_len) return false;
    struct tw__slice rest = {carried->baggage + *pos, carried->baggage_len - *pos};
    struct tw__slice member = tw__cut(&rest, ','), pair = tw__cut(&member, ';');
    *pos = carried->baggage_len - rest.len;
    struct tw__slice key = tw__cut(&pair, '=');
    *out = (struct tw_member){key.at, pair.at, key.len, pair.len};
    return true;
}

/* One byte of an encoded text, decoded. *width is how many characters it took. */
static uint8_t decoded(struct tw__slice text, size_t *width)
{
    uint8_t byte;
    *width = 1;
    if (text.at[0] != '%' || text.len < 3 || !tw__hex_dec(text.at + 1, &byte, 1)) return (uint8_t)text.at[0];
    *width = 3;
    return byte;
}

/* How many bytes follow a lead byte, and between what the first of them must lie (Unicode, table 3-7); -1: no lead
 * byte. */
static int followers(uint8_t lead, uint8_t *low, uint8_t *high)
{
    *low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    *high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (lead < 0x80) return 0;
    if (lead < 0xc2 || lead > 0xf4) return -1;
    return lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
}

/* Takes one character off the text and writes it, or U+FFFD for a broken one. Returns its length in bytes. */
static size_t take_character(struct tw__slice *text, char out[4])
{
    uint8_t low, high;
    size_t width, len = 0;
    uint8_t byte = decoded(*text, &width);
    int more = followers(byte, &low, &high);

    for (;;) {
        text->at += width;
        text->len -= width;
        out[len++] = (char)byte;
        if (more <= 0 || text->len == 0) break;
        byte = decoded(*text, &width);
        if (byte < low || byte > high) break;
        low = 0x80;
        high = 0xbf;
        more--;
    }
    if (more == 0) return len;
    memcpy(out, "\xef\xbf\xbd", 3);
    return 3;
}

int tw_baggage_get(const struct tw_carried *carried, const char *key, char *out, size_t cap)
{
    struct tw__slice value = {NULL, 0};
    struct tw_member member;
    size_t pos = 0, len = 0, key_len = strlen(key);

    while (tw_baggage_next(carried, &pos, &member)) {
        if (member.key_len == key_len && memcmp(member.key, key, key_len) == 0)
            value = (struct tw__slice){member.value, member.value_len};
    }
    if (!value.at) return TW_ERR_NOT_FOUND;
    while (value.len) {
        char character[4];
        size_t more = take_character(&value, character);
        if (more > cap - len) return TW_ERR_SPACE;
        memcpy(out + len, character, more);
        len += more;
    }
    return (int)len;
}

static bool is_plain(char c)
{
    return c != '%' && class_of(c) & OCTET;
}

static size_t encode(struct tw__slice value, char *to)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t len = 0;
    for (size_t i = 0; i < value.len; i++) {
        uint8_t byte = (uint8_t)value.at[i];
        if (is_plain(value.at[i])) {
            to[len++] = value.at[i];
            continue;
        }
        to[len++] = '%';
        to[len++] = digits[byte >> 4];
        to[len++] = digits[byte & 15];
    }
    return len;
}

/* The members without those of the key, written over the front of the list; or only measured when to is NULL. */
static size_t without(const struct tw_carried *carried, struct tw__slice key, char *to, uint8_t *count)
{
    struct tw__slice rest = {carried->baggage, carried->baggage_len};
    size_t len = 0;

    *count = 0;
    while (rest.len) {
        struct tw__slice member = tw__cut(&rest, ',');
        if (member.len > key.len && member.at[key.len] == '=' && memcmp(member.at, key.at, key.len) == 0) continue;
        if (len && to) to[len] = ',';
        len += len > 0;
        if (to) memmove(to + len, member.at, member.len);
        len += member.len;
        ++*count;
    }
    return len;
}

int tw_baggage_set(struct tw_carried *carried, const char *key, const char *value, size_t value_len)
{
    struct tw__slice name = {key, strlen(key)};
    uint8_t count;

    if (name.len == 0 || !is_all(name, TOKEN)) return TW_ERR_SYNTAX;
    if (value) {
        size_t len = without(carried, name, NULL, &count), encoded_len = 0;
        if (name.len > TW_CARRIED_BAGGAGE_MAX || value_len > TW_CARRIED_BAGGAGE_MAX) return TW_ERR_SPACE;
        for (size_t i = 0; i < value_len; i++) encoded_len += is_plain(value[i]) ? 1 : 3;
        len += (len > 0) + name.len + 1 + encoded_len;
        if (len > TW_CARRIED_BAGGAGE_MAX || count == TW_BAGGAGE_MEMBERS_MAX) return TW_ERR_SPACE;
    }
    size_t len = without(carried, name, carried->baggage, &count);
    if (value) {
        if (len) carried->baggage[len++] = ',';
        len += append(carried->baggage + len, name);
        carried->baggage[len++] = '=';
        len += encode((struct tw__slice){value, value_len}, carried->baggage + len);
        count++;
    }
    carried->baggage[len] = '\0';
    carried->baggage_len = (uint16_t)len;
    carried->baggage_count = count;
    return 0;
}
