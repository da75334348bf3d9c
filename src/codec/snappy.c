#include "codec/snappy.h"

#include "codec/varint.h"

enum { LITERAL = 0, COPY_11 = 1, COPY_16 = 2, COPY_32 = 3, LONG_LITERAL = 60 };

struct unpacking {
    const uint8_t *at;
    const uint8_t *end;
    uint8_t *out;
    size_t done; /* bytes of `out` */
    size_t size_bytes;
};

/* An integer of `count` bytes, which must be there. */
static bool take(struct unpacking *unpacking, unsigned count, size_t *ret_value)
{
    if ((size_t)(unpacking->end - unpacking->at) < count)
        return false;
    size_t value = 0;
    for (unsigned i = 0; i < count; i++)
        value |= (size_t)*unpacking->at++ << 8 * i;
    *ret_value = value;
    return true;
}

static bool put_literal(struct unpacking *unpacking, unsigned tag)
{
    size_t length = tag >> 2;
    if (length >= LONG_LITERAL && !take(unpacking, (unsigned)length - LONG_LITERAL + 1, &length))
        return false;
    length++;
    if (length > (size_t)(unpacking->end - unpacking->at) ||
        length > unpacking->size_bytes - unpacking->done)
        return false;
    memcpy(unpacking->out + unpacking->done, unpacking->at, length);
    unpacking->at += length;
    unpacking->done += length;
    return true;
}

static bool put_copy(struct unpacking *unpacking, unsigned tag)
{
    static const uint8_t offset_bytes[] = {[COPY_11] = 1, [COPY_16] = 2, [COPY_32] = 4};
    size_t length = (tag >> 2) + 1, offset = 0;
    if (!take(unpacking, offset_bytes[tag & 3], &offset))
        return false;
    if ((tag & 3) == COPY_11) {
        length = (tag >> 2 & 7) + 4;
        offset |= (size_t)(tag >> 5) << 8;
    }
    if (offset == 0 || offset > unpacking->done || length > unpacking->size_bytes - unpacking->done)
        return false;
    uint8_t *out = unpacking->out + unpacking->done;
    const uint8_t *from = out - offset;
    /* It may overlap what it makes, and then repeats. */
    for (size_t i = 0; i < length; i++)
        out[i] = from[i];
    unpacking->done += length;
    return true;
}

int px_snappy_unpack(struct px_slice packed, void *data, size_t size_bytes,
                     struct proximadb_error *reterr)
{
    uint64_t claimed = 0;
    struct unpacking unpacking = {
        .end = packed.data + packed.size_bytes, .out = data, .size_bytes = size_bytes};
    unpacking.at = packed.size_bytes == 0
                       ? NULL
                       : px_varint_read(packed.data, packed.data + packed.size_bytes, &claimed);
    bool is_sound = unpacking.at != NULL && claimed == size_bytes;
    while (is_sound && unpacking.at < unpacking.end) {
        unsigned tag = *unpacking.at++;
        is_sound = (tag & 3) == LITERAL ? put_literal(&unpacking, tag) : put_copy(&unpacking, tag);
    }
    if (is_sound && unpacking.done == size_bytes)
        return PROXIMADB_OK;
    return px_fail(reterr, PROXIMADB_CORRUPT, "the Snappy data is damaged");
}
