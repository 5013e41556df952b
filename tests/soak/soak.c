/* soak: see the header. Nothing here is random: what a record must say follows from its seed. */
#include "soak.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

uint64_t soak_mix(uint64_t value)
{
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9u;
    value = (value ^ value >> 27) * 0x94d049bb133111ebu;
    return value ^ value >> 31;
}

static uint64_t ids_of(const uint8_t trace_id[16], const uint8_t span_id[8])
{
    uint64_t sum = 0;
    for (int i = 0; i < 16; i++) sum = sum * 31 + trace_id[i];
    for (int i = 0; i < 8; i++) sum = sum * 31 + span_id[i];
    return sum;
}

/* 0 to 60 letters, from a place in the alphabet that the seed tells. */
static size_t text_of(uint64_t seed, const char **text)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk";
    *text = letters + seed % 26;
    return soak_mix(seed) % 61;
}

void soak_tag(tw_span span, uint64_t thread, uint64_t seed)
{
    struct tw_context context;
    const char *text;
    size_t len = text_of(seed, &text);
    tw_tag(span, "thread", thread);
    tw_tag(span, "seed", seed);
    tw_tag_strn(span, "text", text, len);
    if (tw_span_context(span, &context)) tw_tag(span, "ids", ids_of(context.trace_id, context.span_id));
    tw_tag(span, "literal", "always the same");
    tw_tag(span, "check", soak_mix(seed ^ thread << 56));
}

void soak_event(uint64_t thread, uint64_t seed)
{
    const char *text;
    size_t len = text_of(seed, &text);
    const struct tw_attr words = {.key = "text", .type = TW_TYPE_STR, .len = (uint32_t)len, .value.p = text};
    tw_event_tags("soak event", TW_ATTR("thread", thread), TW_ATTR("seed", seed), words, TW_ATTR("check", soak_mix(seed ^ thread << 56)));
}

static bool key_is(const struct tw_tag_value *tag, const char *key)
{
    return tag->key.len == strlen(key) && memcmp(tag->key.ptr, key, tag->key.len) == 0;
}

enum soak_verdict soak_check(const struct tw_record *record, uint64_t *thread, uint64_t *seed)
{
    static const char *const keys[] = {"thread", "seed", "text", "ids", "literal", "check"};
    bool event = record->kind == TW_RECORD_EVENT;
    const struct tw_tag_value *found[6] = {NULL};
    for (size_t t = 0; t < record->tag_count; t++) {
        size_t k = 0;
        while (k < 6 && !key_is(&record->tags[t], keys[k])) k++;
        if (k == 6 || found[k]) return SOAK_WRONG;
        found[k] = &record->tags[t];
    }
    const char *name = event ? "soak event" : "soak";
    if (record->name.len != strlen(name) || memcmp(record->name.ptr, name, record->name.len) != 0) return SOAK_WRONG;
    if (!found[0] || !found[1]) return record->kind == TW_RECORD_OPEN ? SOAK_PARTIAL : SOAK_WRONG;
    *thread = found[0]->value.u;
    *seed = found[1]->value.u;
    const char *text;
    size_t len = text_of(*seed, &text);
    if (found[2] && (found[2]->text.len != len || (len && memcmp(found[2]->text.ptr, text, len) != 0))) return SOAK_WRONG;
    if (found[3] && found[3]->value.u != ids_of(record->trace_id, record->span_id)) return SOAK_WRONG;
    if (found[4] && (found[4]->text.len != 15 || memcmp(found[4]->text.ptr, "always the same", 15) != 0)) return SOAK_WRONG;
    if (found[5] && found[5]->value.u != soak_mix(*seed ^ *thread << 56)) return SOAK_WRONG;
    bool whole = found[2] && found[5] && (event || (found[3] && found[4]));
    if (whole) return record->end_ns || record->kind == TW_RECORD_OPEN ? SOAK_WHOLE : SOAK_WRONG;
    return record->kind == TW_RECORD_OPEN ? SOAK_PARTIAL : SOAK_WRONG;
}

static bool take_first(const char *path, void *data)
{
    (void)snprintf(data, 256, "%s", path);
    return false;
}

bool soak_find(const char *dir, char *path, size_t cap)
{
    (void)cap;
    path[0] = 0;
    (void)tw_segments_each(dir, take_first, path);
    return path[0] != 0;
}

void soak_folder(char dir[64])
{
    memcpy(dir, "/dev/shm/trackway-soak-XXXXXX", 30);
    if (!mkdtemp(dir)) {
        perror("mkdtemp");
        exit(2);
    }
    (void)setenv("TRACKWAY_DIR", dir, 1);
}

void soak_folder_remove(const char *dir)
{
    DIR *folder = opendir(dir);
    char path[400];
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        (void)snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
        if (entry->d_name[0] != '.') (void)unlink(path);
    }
    if (folder) closedir(folder);
    (void)rmdir(dir);
}
