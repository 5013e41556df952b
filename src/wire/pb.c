/* pb: reading the fields of a protobuf message, one after the other.
 *
 * Invariant: at <= end, and every field lies in between: a length that points further is bad, not trusted.
 * Limits: varints of ten bytes; groups, which proto3 does not have, are bad. Nothing is copied, and nothing nested is
 * entered: that is the caller's, who knows what the field means. The writing half is inline, in pb.h: it is called
 * eight times an attribute.
 */
#include "wire/pb.h"

static uint64_t varint(struct tw__pb_in *in)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70 && in->at < in->end; shift += 7) {
        uint8_t byte = *in->at++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            if (shift == 63 && byte > 1) break; /* more than 64 bits */
            return value;
        }
    }
    in->bad = true;
    return 0;
}

static uint64_t fixed(struct tw__pb_in *in, unsigned bytes)
{
    uint64_t value = 0;
    if ((size_t)(in->end - in->at) < bytes) {
        in->bad = true;
        return 0;
    }
    for (unsigned i = 0; i < bytes; i++) value |= (uint64_t)in->at[i] << (8 * i);
    in->at += bytes;
    return value;
}

bool tw__pb_next(struct tw__pb_in *in, struct tw__pb_field *field)
{
    if (in->bad || in->at >= in->end) return false;
    uint64_t key = varint(in);
    *field = (struct tw__pb_field){.number = key >> 3, .type = (unsigned)(key & 7)};
    switch (field->type) {
    case TW__PB_VARINT:
        field->value = varint(in);
        break;
    case TW__PB_I64:
        field->value = fixed(in, 8);
        break;
    case TW__PB_I32:
        field->value = fixed(in, 4);
        break;
    case TW__PB_LEN: {
        uint64_t len = varint(in);
        if (in->bad || len > (uint64_t)(in->end - in->at)) {
            in->bad = true;
            break;
        }
        field->bytes = in->at;
        field->len = (size_t)len;
        in->at += len;
        break;
    }
    default:
        in->bad = true;
        break;
    }
    if (field->number == 0 || field->number > UINT32_MAX) in->bad = true;
    return !in->bad;
}
