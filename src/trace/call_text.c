/* call_text: values of a call as text: hidden, cut, bounded.
 *
 * An entrypoint whose values are truncated has them shown in display form first, of which no more is written than is
 * kept; when they turn out to be short enough they are written again, as JSON. What the arguments hid is collected the
 * first time, and looked for in everything that the response holds. */
#include <string.h>

#include "trace/call.h"
#include "wire/part.h"

static const struct tw__secrets *secrets_of(const struct tw__call_own *own)
{
    return own->secrets.used || own->secrets.lost ? &own->secrets : NULL;
}

void tw__call_write(struct tw__call_own *own, const struct tw_value *value, bool response, bool truncate, bool headers,
                    char *out, size_t cap, struct tw__call_text *text)
{
    const struct tw__call_config *config = own->rules->config;
    struct tw__part part = {.paths = own->rules->paths, .denied = &config->denied, .headers = headers};
    struct tw__form form;
    memset(text, 0, sizeof *text);
    text->ptr = out;
    if (response)
        part.scrub = secrets_of(own);
    else
        part.collect = &own->secrets;
    if (truncate) {
        tw__form_begin(&form, TW__FORM_DISPLAY, out, cap, config->truncate_len);
        tw__part_write(&part, &form, value);
        text->counted = true;
        text->chars = form.chars;
        text->truncated = form.chars > config->truncate_len;
        text->len = (uint32_t)form.len;
        part.collect = NULL;
    }
    if (!text->truncated) {
        part.hits = 0;
        tw__form_begin(&form, TW__FORM_JSON, out, cap, 0);
        tw__part_write(&part, &form, value);
        text->len = (uint32_t)form.len;
        text->cut = form.cut;
    }
    own->hits += part.hits;
}

void tw__call_write_text(struct tw__call_own *own, const char *value, char *out, size_t cap, struct tw__call_text *text)
{
    struct tw__part part = {.scrub = secrets_of(own)};
    struct tw__form form;
    memset(text, 0, sizeof *text);
    tw__form_begin(&form, TW__FORM_DISPLAY, out, cap, UINT64_MAX);
    if (own->rules->paths == tw__paths_everything) {
        value = TW__MARKER;
        own->hits++;
    }
    tw__part_text(&part, &form, value, strlen(value));
    own->hits += part.hits;
    text->ptr = out;
    text->len = (uint32_t)form.len;
    text->cut = form.cut;
}
