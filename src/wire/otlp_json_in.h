/* otlp_json_in: what OpenTelemetry's JSON is made of, read with the pull reader: members, lists, numbers and ids as its
 * senders write them, and attributes. For wire/otlp_json_dec.c; a value of another type than the protocol's is an
 * error, unlike with wire/json_in_dec.h, since a sender can be told. */
#ifndef TW_WIRE_OTLP_JSON_IN_H
#define TW_WIRE_OTLP_JSON_IN_H

#include "wire/json_read.h"
#include "wire/otlp_dec.h"

struct tw__otlp_json_in {
    struct tw__otlp_dec *dec;
    struct tw__json_reader json;
    struct tw__pool *pool; /* where texts and arrays go at the moment */
};

/* Tags in the making. */
struct tw__otlp_json_tags {
    struct tw_tag_value *items;
    size_t count, cap;
    uint32_t dropped, limit;
};

/* A number given as one, or as text. */
struct tw__otlp_number {
    bool there, whole, negative;
    uint64_t magnitude;
    double nearest;
};

/* All return 0, TW_ERR_SYNTAX, TW_ERR_MEMORY, or what a called one returned. */
typedef int tw__otlp_json_fn(struct tw__otlp_json_in *r, void *target);

/* Calls fn at each name of the object that has just begun; fn reads the value. */
int tw__otlp_json_members(struct tw__otlp_json_in *r, tw__otlp_json_fn *fn, void *target);
/* The next value has to be an object, or null. */
int tw__otlp_json_object(struct tw__otlp_json_in *r, tw__otlp_json_fn *fn, void *target);
/* The next value has to be a list of objects, or null. fn is called at the beginning of each object. */
int tw__otlp_json_list(struct tw__otlp_json_in *r, tw__otlp_json_fn *fn, void *target);
int tw__otlp_json_skip(struct tw__otlp_json_in *r);

/* The text of the last NAME or STRING, for as long as the pool; a text, or null. */
int tw__otlp_json_own(struct tw__otlp_json_in *r, struct tw_text *out);
int tw__otlp_json_text(struct tw__otlp_json_in *r, struct tw_text *out);
int tw__otlp_json_number(struct tw__otlp_json_in *r, struct tw__otlp_number *out);
/* The nearest whole number that there is; null leaves *out. */
int tw__otlp_json_unsigned(struct tw__otlp_json_in *r, uint64_t *out);
int tw__otlp_json_small(struct tw__otlp_json_in *r, uint32_t *out);
/* An enum: its number, or its place in names. */
int tw__otlp_json_enum(struct tw__otlp_json_in *r, const char *const *names, size_t count, uint64_t *out);
/* A hexadecimal id; len is what it has of bytes, SIZE_MAX when it is not hexadecimal. */
int tw__otlp_json_id(struct tw__otlp_json_in *r, uint8_t *bytes, size_t size, size_t *len);

/* An attribute that has just begun; target are tw__otlp_json_tags. Lists and maps become JSON text. */
int tw__otlp_json_tag(struct tw__otlp_json_in *r, void *target);

#endif
