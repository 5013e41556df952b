/* call_file: rules for calls from a JSON file.
 *
 *     {"sensitive": ["password", "card.number"], "entrypoints": {"^pay": ["iban"]}, "truncate": ["^insert_"],
 *      "truncate_response": "^get_", "truncate_len": 200, "drop": ["^ping"], "drop_urls": ["/health-check"],
 *      "deny_headers": ["x-session"], "parents": 10}
 *
 * Each list may be a single text. Unknown names are mistakes: a misspelt "sensitive" must not pass in silence.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "trace/call_rules.h"
#include "wire/json_read.h"

enum { FILE_MAX = 1 << 20, SCRATCH = 4096 };

void tw__call_texts_fini(struct tw__call_texts *texts)
{
    free(texts->sensitive);
    free(texts->truncate);
    free(texts->truncate_response);
    free(texts->drop);
    free(texts->drop_urls);
    free(texts->deny_headers);
    for (size_t i = 0; i < texts->named_count; i++) {
        free(texts->named[i].pattern);
        free(texts->named[i].sensitive);
    }
    memset(texts, 0, sizeof *texts);
}

static int read_all(const char *path, struct tw__buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) return errno == ENOENT ? TW_ERR_NOT_FOUND : errno == EACCES ? TW_ERR_PERMISSION : TW_ERR_SYSTEM;
    char part[2048];
    ssize_t n;
    while ((n = read(fd, part, sizeof part)) > 0 && out->len <= FILE_MAX) tw__buf_add(out, part, (size_t)n);
    close(fd);
    if (n < 0) return TW_ERR_SYSTEM;
    return out->failed ? TW_ERR_MEMORY : out->len > FILE_MAX ? TW_ERR_SPACE : 0;
}

static char *text_of(struct tw__buf *buf)
{
    tw__buf_char(buf, 0);
    char *made = buf->failed ? NULL : buf->ptr;
    if (!made) tw__buf_fini(buf);
    return made;
}

/* A text, or a list of texts, joined. */
static int list(struct tw__json_reader *json, const char *between, char **out)
{
    struct tw__buf joined = {0};
    enum tw__json_event event = tw__json_read(json);
    bool many = event == TW__JSON_ARRAY, some = false;
    if (many) event = tw__json_read(json);
    for (; event == TW__JSON_STRING && (many || !some); some = true) {
        /* An empty path is a mistake that must not vanish between two commas. */
        if (some || (many && *between == ',' && json->string.len == 0)) tw__buf_cstr(&joined, between);
        tw__buf_add(&joined, json->string.ptr, json->string.len);
        if (many) event = tw__json_read(json);
    }
    if (many ? event != TW__JSON_ARRAY_END : !some) {
        tw__buf_fini(&joined);
        return TW_ERR_SYNTAX;
    }
    free(*out);
    *out = text_of(&joined);
    return *out ? 0 : TW_ERR_MEMORY;
}

static int number(struct tw__json_reader *json, size_t *out, bool *has)
{
    if (tw__json_read(json) != TW__JSON_NUMBER || json->number != TW__JSON_I64 || json->i64 < 0 || json->i64 > 1000000)
        return TW_ERR_RANGE;
    *out = (size_t)json->i64;
    *has = true;
    return 0;
}

static int named(struct tw__json_reader *json, struct tw__call_texts *texts)
{
    if (tw__json_read(json) != TW__JSON_OBJECT) return TW_ERR_SYNTAX;
    while (tw__json_read(json) == TW__JSON_NAME) {
        if (texts->named_count == TW__CALL_NAMED_MAX) return TW_ERR_SPACE;
        struct tw__buf pattern = {0};
        tw__buf_add(&pattern, json->string.ptr, json->string.len);
        size_t at = texts->named_count++;
        texts->named[at].pattern = text_of(&pattern);
        int result = texts->named[at].pattern ? list(json, ", ", &texts->named[at].sensitive) : TW_ERR_MEMORY;
        if (result < 0) return result;
    }
    return json->error ? TW_ERR_SYNTAX : 0;
}

static int member(struct tw__json_reader *json, struct tw__call_texts *texts)
{
    if (tw__json_is(json, "sensitive")) return list(json, ", ", &texts->sensitive);
    if (tw__json_is(json, "truncate")) return list(json, "\n", &texts->truncate);
    if (tw__json_is(json, "truncate_response")) return list(json, "\n", &texts->truncate_response);
    if (tw__json_is(json, "drop")) return list(json, "\n", &texts->drop);
    if (tw__json_is(json, "drop_urls")) return list(json, " ", &texts->drop_urls);
    if (tw__json_is(json, "deny_headers")) return list(json, " ", &texts->deny_headers);
    if (tw__json_is(json, "truncate_len")) return number(json, &texts->truncate_len, &texts->has_truncate_len);
    if (tw__json_is(json, "truncate_response_len"))
        return number(json, &texts->truncate_response_len, &texts->has_truncate_response_len);
    if (tw__json_is(json, "parents")) return number(json, &texts->parents, &texts->has_parents);
    if (tw__json_is(json, "entrypoints")) return named(json, texts);
    return TW_ERR_NOT_FOUND;
}

static int parse(struct tw__json_reader *json, struct tw__call_texts *texts, char *why)
{
    int result = 0;
    enum tw__json_event event = tw__json_read(json);
    if (event != TW__JSON_OBJECT) result = TW_ERR_SYNTAX;
    while (result == 0 && (event = tw__json_read(json)) == TW__JSON_NAME) {
        (void)snprintf(why, TW_WHY_MAX, "\"%.*s\"", (int)(json->string.len < 60 ? json->string.len : 60),
                       json->string.ptr);
        result = member(json, texts);
    }
    if (result == 0 && (event != TW__JSON_OBJECT_END || tw__json_read(json) != TW__JSON_DONE)) result = TW_ERR_SYNTAX;
    if (json->why) (void)snprintf(why, TW_WHY_MAX, "byte %zu: %s", json->error_at, json->why);
    return result;
}

int tw__call_texts_parse(struct tw__call_texts *texts, const char *text, size_t len, char *why)
{
    char *scratch = malloc(SCRATCH);
    struct tw__json_reader json = {
        .text = text, .len = len, .last = true, .scratch = scratch, .scratch_cap = SCRATCH};
    int result = scratch ? parse(&json, texts, why) : TW_ERR_MEMORY;
    free(scratch);
    return result;
}

int tw__call_texts_load(struct tw__call_texts *texts, const char *path, char *why)
{
    struct tw__buf file = {0};
    int result = read_all(path, &file);
    if (result == 0) result = tw__call_texts_parse(texts, file.ptr, file.len, why);
    tw__buf_fini(&file);
    return result;
}
