/* trace_words: words for completion of trackway trace: modules, functions, pids, references.
 *
 * Modules and functions of sites that have recorded something are in the segment's dictionary, those of all others in
 * the files that the process has loaded (export/live_sites).
 */
#include "cli/trace_words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <trackway/live.h>

#include "cli/source.h"
#include "export/live_sites.h"

enum { WORD_CAP = 64 };

struct words {
    char **items;
    size_t count, cap;
    const char *module; /* NULL: functions of any */
    bool functions, failed;
};

/* Words of a shell: what would have to be quoted is left out. */
static bool is_plain(struct tw_text text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                      c == '-' || c == '.';
        if (!letter) return false;
    }
    return text.len > 0;
}

static void add_word(struct words *words, struct tw_text word)
{
    if (!is_plain(word)) return;
    if (words->count == words->cap) {
        size_t cap = words->cap ? 2 * words->cap : WORD_CAP;
        char **items = realloc(words->items, cap * sizeof *items);
        if (!items) {
            words->failed = true;
            return;
        }
        words->items = items;
        words->cap = cap;
    }
    char *copy = strndup(word.ptr, word.len);
    if (copy)
        words->items[words->count++] = copy;
    else
        words->failed = true;
}

static void add_site(struct words *words, struct tw_text module, struct tw_text function)
{
    size_t len = words->module ? strlen(words->module) : 0;
    if (words->module && (module.len != len || memcmp(module.ptr, words->module, len) != 0)) return;
    add_word(words, words->functions ? function : module);
}

static bool known_site(const struct tw_site_value *site, void *data)
{
    add_site(data, site->module, site->function);
    return true;
}

static void add_number(struct words *words, unsigned number)
{
    char digits[16];
    int len = snprintf(digits, sizeof digits, "%u", number);
    add_word(words, (struct tw_text){digits, len > 0 ? (size_t)len : 0});
}

static void add_source(struct words *words, const struct tw__source *source, const char *kind)
{
    struct tw_live_status status;
    if (strcmp(kind, "pids") == 0) {
        add_number(words, source->process.pid);
    } else if (strcmp(kind, "refs") == 0) {
        for (size_t k = 0; tw_live_seat_status(source->reader, k, &status) == 0; k++)
            if (status.state <= TW_LIVE_STOPPING) add_word(words, (struct tw_text){status.ref, strlen(status.ref)});
    } else {
        (void)tw_reader_sites(source->reader, known_site, words);
        tw__live_sites(source->process.pid, known_site, words);
    }
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int print(struct words *words)
{
    struct tw__buf out = {0};
    if (words->count > 1) qsort(words->items, words->count, sizeof *words->items, by_text);
    for (size_t i = 0; i < words->count; i++)
        if (i == 0 || strcmp(words->items[i], words->items[i - 1]) != 0) tw__buf_fmt(&out, "%s\n", words->items[i]);
    int code = words->failed ? tw__out_of_memory() : tw__out_write(&out);
    tw__buf_fini(&out);
    return code;
}

int tw__trace_words(const struct tw__args *args, const char *kind, const char *module)
{
    struct words words = {.module = module, .functions = strcmp(kind, "functions") == 0};
    struct tw__sources sources;
    int code = tw__sources_open(&sources, args);
    for (size_t i = 0; code == TW__EXIT_OK && i < sources.count; i++)
        if (sources.items[i].process.state == TW_PROCESS_LIVE) add_source(&words, &sources.items[i], kind);
    if (code == TW__EXIT_OK) code = print(&words);
    for (size_t i = 0; i < words.count; i++) free(words.items[i]);
    free(words.items);
    tw__sources_close(&sources);
    return code;
}
