/* unpack_internal: the levels, each in a file of its own, and how a single code is read. */
#ifndef PX_SIMD_UNPACK_INTERNAL_H
#define PX_SIMD_UNPACK_INTERNAL_H

#include "base/bits.h"
#include "simd/unpack.h"

/* NULL where the file was built for another kind of CPU; whether this one has the level is told by
 * px_kernels_at(). */
const struct px_unpack *px_unpack__scalar(void);
const struct px_unpack *px_unpack__avx2(void);
const struct px_unpack *px_unpack__avx512(void);

/* Code number `index`, with no byte read behind the last one that it has bits in. */
static inline uint32_t px_unpack__code(const struct px_codes *codes, size_t index)
{
    uint64_t bit = codes->first_bit + (uint64_t)index * codes->bit_width;
    size_t at = (size_t)(bit / 8), end = (size_t)((bit + codes->bit_width + 7) / 8);
    uint32_t bits = 0;
    for (size_t i = end; i > at; i--)
        bits = bits << 8 | codes->bytes[i - 1];
    return bits >> bit % 8 & ((1u << codes->bit_width) - 1);
}

static inline void px_unpack__copy(const void *table, uint32_t code, float *ret)
{
    memcpy(ret, (const uint8_t *)table + code * sizeof *ret, sizeof *ret);
}

#endif /* PX_SIMD_UNPACK_INTERNAL_H */
