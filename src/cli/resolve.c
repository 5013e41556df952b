/* resolve: whole ids are parsed; anything shorter is looked for.
 *
 * "12345678" is the beginning of a hex id and a decimal number too. What exists decides: a trace with that number wins
 * over one that begins with these digits, because a number names one trace and the digits are only short for it.
 */
#include "cli/resolve.h"

#include <string.h>

#include "cli/remote.h"

enum { PREFIX_MIN = 4, SHOWN_MAX = 5 };

struct search {
    const char *text;
    size_t len;
    uint8_t number[16]; /* text read as a decimal number */
    bool is_number, is_prefix;
    uint8_t matches[SHOWN_MAX][16];
    size_t match_count; /* different ids that begin with text; counted up to SHOWN_MAX */
    bool number_found;
};

static bool is_hex(const char *text)
{
    return text[strspn(text, "0123456789abcdefABCDEF")] == '\0';
}

static bool begins_with(const char *hex, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = text[i] >= 'A' && text[i] <= 'F' ? (char)(text[i] - 'A' + 'a') : text[i];
        if (hex[i] != c) return false;
    }
    return true;
}

static void note(struct search *search, const uint8_t id[16])
{
    static const uint8_t none[16];
    char hex[TW_TRACE_ID_HEX_LEN + 1];
    if (memcmp(id, none, sizeof none) == 0) return;
    if (search->is_number && memcmp(id, search->number, 16) == 0) search->number_found = true;
    tw_trace_id_format(id, hex);
    if (!search->is_prefix || !begins_with(hex, search->text, search->len)) return;
    for (size_t i = 0; i < search->match_count; i++)
        if (memcmp(search->matches[i], id, 16) == 0) return;
    if (search->match_count < SHOWN_MAX) memcpy(search->matches[search->match_count++], id, 16);
}

static int choose(const struct search *search, const char *where, uint8_t id[16])
{
    if (search->number_found) {
        memcpy(id, search->number, 16);
        return TW__EXIT_OK;
    }
    if (search->match_count == 1) {
        memcpy(id, search->matches[0], 16);
        return TW__EXIT_OK;
    }
    if (search->match_count == 0) {
        tw__complain("no trace %s is in %s; trackway traces lists what is", search->text, where);
        return TW__EXIT_FAILED;
    }
    tw__complain("%s is the beginning of several traces; give more digits (8 are but the second of its begin):",
                 search->text);
    for (size_t i = 0; i < search->match_count; i++) {
        char hex[TW_TRACE_ID_HEX_LEN + 1];
        tw_trace_id_format(search->matches[i], hex);
        tw__complain("  %s%s", hex, i == SHOWN_MAX - 1 ? " ..." : "");
    }
    return TW__EXIT_FAILED;
}

int tw__trace_resolve(struct tw__sources *sources, const char *text, uint8_t id[16])
{
    struct search search = {.text = text, .len = strlen(text)};
    bool hex = is_hex(text);
    int parsed = tw_trace_id_parse(text, search.len, search.number);
    search.is_number = parsed == 0;
    if (parsed == 0 && (search.len == TW_TRACE_ID_HEX_LEN || !hex)) {
        memcpy(id, search.number, 16);
        return TW__EXIT_OK;
    }
    search.is_prefix = hex && search.len >= PREFIX_MIN && search.len < TW_TRACE_ID_HEX_LEN;
    if (!search.is_prefix && !search.is_number) {
        tw__complain(
            "\"%s\" is not a trace id: 32 hex digits, 1-8-24, a decimal number, or the first %d or more digits", text,
            PREFIX_MIN);
        return TW__EXIT_USAGE;
    }
    int code = sources->remote ? tw__remote_prefix(sources, text, search.is_number ? search.number : NULL)
                               : tw__sources_read(sources, &(struct tw_query){.open_spans = true});
    if (code) return code;
    for (size_t i = 0; i < sources->count; i++)
        for (size_t k = 0; k < sources->items[i].records->count; k++)
            note(&search, sources->items[i].records->items[k].trace_id);
    tw__sources_drop(sources);
    return choose(&search, sources->remote ? "the collector" : "the memory of these processes", id);
}
