/* otlp_pieces: OpenTelemetry's JSON as it arrives, in requests of a size that is decoded at once, so that an answer
 * need never be whole in memory.
 *
 *     struct tw__otlp_pieces pieces = {.piece_bytes = 1 << 20, .take = decode, .data = state};
 *     while ((len = receive(bytes))) tw__otlp_pieces_feed(&pieces, bytes, len);
 *     tw__otlp_pieces_end(&pieces);                    the last piece: what stood behind the spans, too
 *     tw__otlp_pieces_fini(&pieces);
 *
 * Nothing is checked here: what the pieces hold is for the decoder to refuse. */
#ifndef TW_WIRE_OTLP_PIECES_H
#define TW_WIRE_OTLP_PIECES_H

#include <stdbool.h>
#include <stddef.h>

#include <trackway/read.h>

#include "base/buf.h"

/* Zeroed but for what is given, it is ready. */
struct tw__otlp_pieces {
    /* Given. */
    size_t piece_bytes; /* pieces are as large as this, and one element of resourceSpans more */
    size_t limit_bytes; /* of one element, and of a text that cannot be cut */
    /* Takes a whole request. A result that is not 0 ends the feeding and is its result. */
    int (*take)(void *data, const char *text, size_t len);
    void *data;

    /* Its own. */
    struct tw__buf text, piece; /* text: what was not handed on yet */
    size_t at, whole;           /* in text: looked at; end of the last whole element */
    unsigned depth;
    bool begun, ended, in_string, escaped;
    bool uncut; /* it does not begin as it should */
};

/* 0, TW_ERR_MEMORY (also beyond the limit), or what take returned; then nothing more may be fed. */
int tw__otlp_pieces_feed(struct tw__otlp_pieces *pieces, const char *bytes, size_t len);
/* Hands on what is left, the end of the text with it, whatever that is. The same. */
int tw__otlp_pieces_end(struct tw__otlp_pieces *pieces);
void tw__otlp_pieces_fini(struct tw__otlp_pieces *pieces);

#endif
