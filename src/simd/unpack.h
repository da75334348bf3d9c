/*
 * unpack: numbers of a few bits each, packed one behind the other, and the floats that they stand
 * for, once per CPU level.
 *
 * Number i takes the bits first_bit + i * bit_width to that + bit_width - 1, where bit b is bit b %
 * 8 of byte b / 8: Parquet's bit packing. That is how a dictionary-encoded column of vectors lies
 * in a file; look_up() makes floats of it.
 *
 * Every level gives the same bits: floats are moved, not computed with.
 *
 * Threads: any thread. Memory: none. Nothing is read outside of codes->bytes and of the table
 * entries that the codes name; codes are not checked against the table, which is what greatest() is
 * for.
 */
#ifndef PX_SIMD_UNPACK_H
#define PX_SIMD_UNPACK_H

#include <stddef.h>
#include <stdint.h>

enum { PX_MOST_CODE_BITS = 16 };

struct px_codes {
    const uint8_t *bytes; /* borrowed; any address */
    size_t size_bytes;
    uint64_t first_bit;
    unsigned bit_width; /* 0 (all are 0, and there are no bytes) to PX_MOST_CODE_BITS */
};

struct px_unpack {
    const char *name; /* as that of struct px_kernels */

    /* ret[i] = table[code i], i < count. table: float32 at any address. */
    void (*look_up)(const struct px_codes *codes, const void *table, size_t count, float *ret);

    /* The greatest of `count` (> 0) codes. */
    uint32_t (*greatest)(const struct px_codes *codes, size_t count);
};

/* The functions of the level that px_kernels_get() has chosen, or of the next slower one that has
 * its own. */
const struct px_unpack *px_unpack_get(void);

/* Number `index` of those that run on this CPU, slowest first; NULL behind the last. */
const struct px_unpack *px_unpack_at(size_t index);

#endif /* PX_SIMD_UNPACK_H */
