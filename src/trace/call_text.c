/* call_text: values of a call as text: hidden, cut, bounded.
 *
 * An entrypoint whose values are truncated has them shown in display form first, of which no more is written than is
 * kept; when they turn out to be short enough they are written again, as JSON. What the arguments hid is collected the
 * first time, and looked for in the rest of the request and in everything that the response holds. */
#include <string.h>

#include "trace/call.h"
#include "wire/part.h"

static const struct tw__secrets *secrets_of(const struct tw__call_own *own)
{
    return own->secrets.used || own->secrets.lost ? &own->secrets : NULL;
}

static struct tw__call_text write_once(struct tw__part *work, const struct tw_value *value, bool truncate, size_t keep,
                                       char *out, size_t cap)
{
    struct tw__form form;
    struct tw__call_text text = {.len = 0};
    if (truncate) {
        work->hits = 0;
        tw__form_begin(&form, TW__FORM_DISPLAY, out, cap, keep);
        tw__part_write(work, &form, value);
        text.counted = true;
        text.chars = form.chars;
        text.truncated = form.chars > keep;
        text.len = (uint32_t)form.len;
        work->collect = NULL;
    }
    if (!text.truncated) {
        work->hits = 0;
        tw__form_begin(&form, TW__FORM_JSON, out, cap, 0);
        tw__part_write(work, &form, value);
        text.len = (uint32_t)form.len;
        text.cut = form.cut;
        work->collect = NULL;
    }
    return text;
}

/* Whether a value that was hidden at its place may stand elsewhere in the same text. What is cut may end within one. */
static bool is_elsewhere(const struct tw__call_own *own, const struct tw__call_text *text, const char *out)
{
    size_t at, len;
    if (!own->secrets.used || own->secrets.lost) return false;
    return text->cut || text->counted || own->secrets.escaped ||
           tw__secrets_find(&own->secrets, out, text->len, &at, &len);
}

struct tw__call_text tw__call_write(struct tw__call_own *own, const struct tw_value *value, enum tw__call_part part,
                                    bool truncate, char *out, size_t cap)
{
    const struct tw__call_config *config = own->rules->config;
    struct tw__part work = {
        .paths = own->rules->paths, .denied = &config->denied, .headers = part == TW__CALL_OF_CONTEXT};
    const size_t keep = part == TW__CALL_OF_RESPONSE ? config->truncate_response_len : config->truncate_len;
    if (part == TW__CALL_OF_RESPONSE)
        work.scrub = secrets_of(own);
    else
        work.collect = &own->secrets;
    struct tw__call_text text = write_once(&work, value, truncate, keep, out, cap);
    if (part != TW__CALL_OF_RESPONSE && is_elsewhere(own, &text, out)) {
        work.scrub = &own->secrets;
        text = write_once(&work, value, truncate, keep, out, cap);
    }
    own->hits += work.hits;
    return text;
}

struct tw__call_text tw__call_write_text(struct tw__call_own *own, const char *value, char *out, size_t cap)
{
    struct tw__part work = {.scrub = secrets_of(own)};
    struct tw__form form;
    tw__form_begin(&form, TW__FORM_DISPLAY, out, cap, UINT64_MAX);
    if (own->rules->paths == tw__paths_everything) {
        value = TW__MARKER;
        own->hits++;
    }
    tw__part_text(&work, &form, value, strlen(value));
    own->hits += work.hits;
    return (struct tw__call_text){.len = (uint32_t)form.len, .cut = form.cut};
}
