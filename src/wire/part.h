/* part: a value or a JSON text, written out with what is sensitive in it replaced.
 *
 * Joins the engine of src/redact, which knows neither, with the two ways in which values come. */
#ifndef TW_WIRE_PART_H
#define TW_WIRE_PART_H

#include <trackway/value.h>

#include "redact/form.h"
#include "redact/names.h"
#include "redact/paths.h"
#include "redact/secrets.h"

struct tw__part {
    const struct tw__paths *paths;   /* NULL: none */
    const struct tw__names *denied;  /* of TW_VALUE_HEADERS; NULL: none */
    struct tw__secrets *collect;     /* gets what was replaced; NULL: nobody wants it */
    const struct tw__secrets *scrub; /* is replaced where it stands inside of texts too; NULL: nothing */
    bool headers;                    /* a JSON text as root is a map of headers */
    uint32_t hits;                   /* how many values, or pieces of texts, were replaced */
};

/* Writes a value. What cannot be walked (no JSON, nested deeper than TW__REDACT_DEPTH_MAX) is replaced whole.
 * Cost     no allocation, but for JSON of more than 170 bytes: one. */
void tw__part_write(struct tw__part *part, struct tw__form *form, const struct tw_value *root);

/* Writes a text that no path leads into, without what part->scrub holds. */
void tw__part_text(struct tw__part *part, struct tw__form *form, const char *text, size_t len);

#endif
