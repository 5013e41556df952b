/* inflate: libdeflate wants room for all of the output. The first guess is the larger of what the trailer of gzip says,
 * when that is believable (deflate cannot do better than 1032 to 1), and four times the input; then it doubles.
 *
 * Rejected: zlib, which takes as long again as all the rest of taking a span in (measured 1.8 M against 4.1 M spans/s).
 */
#include "ingest/inflate.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <libdeflate.h>

static size_t first_guess(enum tw__packing packing, struct tw_text in, size_t max_bytes)
{
    size_t guess = in.len * 4 + 64, said = 0;
    if (packing == TW__PACKING_GZIP && in.len >= 18)
        for (unsigned i = 0; i < 4; i++) said |= (size_t)(unsigned char)in.ptr[in.len - 4 + i] << (8 * i);
    if (said > guess && said / 1032 <= in.len) guess = said;
    return guess < max_bytes ? guess : max_bytes;
}

static int make_room(struct tw__inflate *inflate, size_t cap)
{
    if (cap <= inflate->cap) return 0;
    char *more = realloc(inflate->out, cap);
    if (!more) return TW_ERR_MEMORY;
    inflate->out = more;
    inflate->cap = cap;
    return 0;
}

static enum libdeflate_result step(struct tw__inflate *inflate, enum tw__packing packing, struct tw_text in, size_t at,
                                   size_t limit, size_t *used, size_t *made)
{
    size_t room = (inflate->cap < limit ? inflate->cap : limit) - at;
    if (packing == TW__PACKING_GZIP)
        return libdeflate_gzip_decompress_ex(inflate->machine, in.ptr, in.len, inflate->out + at, room, used, made);
    return libdeflate_zlib_decompress_ex(inflate->machine, in.ptr, in.len, inflate->out + at, room, used, made);
}

int tw__inflate(struct tw__inflate *inflate, enum tw__packing packing, struct tw_text in, size_t max_bytes,
                struct tw_text *out)
{
    size_t at = 0;
    if (!inflate->machine && !(inflate->machine = libdeflate_alloc_decompressor())) return TW_ERR_MEMORY;
    if (make_room(inflate, first_guess(packing, in, max_bytes)) < 0) return TW_ERR_MEMORY;
    for (bool more = true; more;) {
        size_t used = 0, made = 0;
        enum libdeflate_result result = step(inflate, packing, in, at, max_bytes, &used, &made);
        if (result == LIBDEFLATE_INSUFFICIENT_SPACE) {
            if (inflate->cap >= max_bytes) return TW_ERR_SPACE;
            size_t cap = inflate->cap < max_bytes / 2 ? inflate->cap * 2 : max_bytes;
            if (make_room(inflate, cap) < 0) return TW_ERR_MEMORY;
            continue;
        }
        if (result != LIBDEFLATE_SUCCESS || used == 0) return TW_ERR_SYNTAX;
        at += made;
        in.ptr += used;
        in.len -= used;
        more = in.len && packing == TW__PACKING_GZIP;
    }
    if (in.len) return TW_ERR_SYNTAX;
    *out = (struct tw_text){inflate->out, at};
    return 0;
}

void tw__inflate_trim(struct tw__inflate *inflate, size_t keep_bytes)
{
    if (inflate->cap <= keep_bytes) return;
    free(inflate->out);
    inflate->out = NULL;
    inflate->cap = 0;
}

void tw__inflate_fini(struct tw__inflate *inflate)
{
    if (inflate->machine) libdeflate_free_decompressor(inflate->machine);
    free(inflate->out);
    *inflate = (struct tw__inflate){0};
}
