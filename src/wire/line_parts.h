/* line_parts: a compiled line format, for the files that read one and the one that writes by it. */
#ifndef TW_WIRE_LINE_PARTS_H
#define TW_WIRE_LINE_PARTS_H

#include "wire/line_format.h"

enum tw__line_part_kind {
    TW__LINE_TEXT,
    TW__LINE_DATE,
    TW__LINE_TIME,
    TW__LINE_MESSAGE,
    TW__LINE_SEVERITY,
    TW__LINE_SEVERITY_UPPER,
    TW__LINE_SEV,
    TW__LINE_COLOR,
    TW__LINE_METADATA, /* text: between key and value; other: between fields */
    TW__LINE_KEY,      /* absent: first of what is written instead; 0: the word Undefined */
    TW__LINE_WHETHER   /* present, absent: firsts of what is written, in width columns when that is not 0 */
};

enum tw__line_align { TW__LINE_LEFT, TW__LINE_CENTRE, TW__LINE_RIGHT };

enum { TW__LINE_NO_KEY = 0xff };

/* Lists of parts are linked by next; 0 ends them, as part 0 is the first of the whole and never anybody's next. */
struct tw__line_part {
    uint8_t kind;      /* enum tw__line_part_kind */
    uint8_t align;     /* enum tw__line_align */
    uint8_t key, also; /* indexes of keys: also is asked for when key is not there; TW__LINE_NO_KEY */
    uint16_t next, present, absent, width;
    const char *text, *other;
    uint16_t len, other_len;
};

struct tw__line_format {
    const struct tw__line_part *parts;
    const struct tw__field_key *keys;
    uint16_t part_count, key_count;
    bool json;
};

/* A format while it is read. Part 0 is an empty text, so that 0 can mean none. */
struct tw__line_build {
    const char *text;
    size_t len, at;
    struct tw__refusal *refusal;
    unsigned depth;
    uint16_t part_count, key_count;
    bool json;
    struct tw__line_part parts[TW__LINE_FORMAT_PARTS_MAX];
    struct tw__field_key keys[TW__LINE_FORMAT_KEYS_MAX];
    size_t used;
    char copy[2 * TW__LINE_FORMAT_TEXT_MAX +
              1024]; /* names and texts; behind TW__LINE_FORMAT_TEXT_MAX those in quotes */
};

/* Both put the whole behind part 0. Return 0, or -1 with the refusal set. */
int tw__line_list_parse(struct tw__line_build *b);
int tw__line_template_parse(struct tw__line_build *b);

/* The number of a new part, not yet in any list; 0 with the refusal set. */
uint16_t tw__line_part_new(struct tw__line_build *b, enum tw__line_part_kind kind);
uint16_t tw__line_part_text(struct tw__line_build *b, const char *text, size_t len);
/* What a name alone means: a token such as time, or the field of that name. */
uint16_t tw__line_part_named(struct tw__line_build *b, const char *name, size_t len);
uint16_t tw__line_part_metadata(struct tw__line_build *b, const char *between, size_t between_len, const char *fields,
                                size_t fields_len);
/* Sets key and also of a part, by the field's name or its alias. */
bool tw__line_part_key(struct tw__line_build *b, uint16_t part, const char *name, size_t len);

#endif
