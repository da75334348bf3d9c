/*
 * code_kernels: the arithmetic of axis/graph.h, once per CPU level: rotations, and sums over coarse
 * and whole codes.
 *
 * A coarse code is one or more planes of bits: the first says of each dimension whether it is
 * negative (bit set), plane p after it gives bit p - 1 of t, the upper part of the magnitude. The
 * whole code has 8 more bits of each magnitude: it is 256 * t + that byte. A query is 8 bits per
 * dimension against the former, and against the latter 15 bits in two planes: component i is
 * 128 * high[i] + low[i].
 *
 * All sums are of integers, and a rotation adds in one fixed order, so every level gives the same
 * bits (tests/simd/test_code_kernels.c). Dimensions are a multiple of 64, the rest of a shorter
 * vector being zeros. The level is that of simd/kernels.h.
 *
 * Threads: any thread. Memory: none.
 */
#ifndef PX_SIMD_CODE_KERNELS_H
#define PX_SIMD_CODE_KERNELS_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

enum { PX_CODE_MOST_PLANES = 6 };

/* Where codes lie: of code number i, the signs from signs + i * sign_stride on (bit j of a
 * little-endian number is dimension j) and behind them the other planes, the lower bytes of
 * magnitudes from magnitudes + i * magnitude_stride. */
struct px_sign_codes {
    const uint8_t *signs; /* borrowed */
    size_t sign_stride;
    const uint8_t *magnitudes; /* borrowed */
    size_t magnitude_stride;
    size_t dim_count;   /* a multiple of 64, at most 65,536 */
    size_t plane_count; /* signs included: 1 to PX_CODE_MOST_PLANES */
};

struct px_code_kernels {
    const char *name; /* as in PROXIMADB_SIMD */

    /* For each of `count` codes, by number: the sum of query[j] where sign bit j is set. */
    void (*sign_sums)(const struct px_sign_codes *codes, const uint32_t *indexes, size_t count,
                      const int8_t *query, int32_t *ret_sums);

    /* For each: the sum of query[j] * (2 * t + 1), negative where the sign is. With one plane that
     * is the sum of the query without twice the above. */
    void (*plane_sums)(const struct px_sign_codes *codes, const uint32_t *indexes, size_t count,
                       const int8_t *query, int32_t *ret_sums);

    /* For each: the sum of (128 * high[j] + low[j]) * magnitude j, negative where the sign is. */
    void (*signed_dots)(const struct px_sign_codes *codes, const uint32_t *indexes, size_t count,
                        const int8_t *high, const int8_t *low, int64_t *ret_dots);

    /* Whole codes to eight bits: component j is -127 to 127, what it was by two to the power of
     * plane_count; ret_bytes[j] is that plus 128. */
    void (*bytes_of)(const struct px_sign_codes *codes, uint32_t index, uint8_t *ret_bytes);

    /* For each of `count` rows of such bytes: the sum of (row[j] - 128) * (x[j] - 128). */
    void (*byte_dots)(const uint8_t *const *rows, size_t count, size_t dim_count, const uint8_t *x,
                      int32_t *ret_dots);

    /* A query in 8 and in 15 bits: component i is about bytes[i] * most / 127, and about
     * (128 * high[i] + low[i]) * most / 16319, where most, above 0, is the largest magnitude.
     * Returns the sum of bytes. */
    int32_t (*quantise)(const float *vector, size_t dim_count, float most, int8_t *ret_bytes,
                        int8_t *ret_high, int8_t *ret_low);

    /* The largest magnitude. */
    float (*largest)(const float *vector, size_t dim_count);

    /* Four times: turns the signs of flips (padded_count a round), the transform of mixed_count (a
     * power of two from 64 on) components at the beginning or the end, a step of Kac's walk if
     * mixed_count < padded_count. See axis/rotation.h. */
    void (*rotate)(float *vector, size_t padded_count, size_t mixed_count, const uint32_t *flips);
};

/* The table that the engine uses: of the level of px_kernels_get(). */
const struct px_code_kernels *px_code_kernels_get(void);

/* Number `index` of those that run on this CPU, slowest first; NULL behind the last. */
const struct px_code_kernels *px_code_kernels_at(size_t index);

#endif /* PX_SIMD_CODE_KERNELS_H */
