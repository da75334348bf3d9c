/*
 * rotation: a random rotation, which spreads what a vector says evenly over its components, so that
 * each can be kept in a few bits with the same small error.
 *
 * Vectors are padded with zeros to a multiple of 64 dimensions. Then, four times: signs are flipped
 * at random, a Walsh-Hadamard transform mixes the first (last, first, last) 2^n components, and,
 * where the dimension is no power of two, a step of Kac's walk (sums and differences of the two
 * halves) mixes the rest in. Lengths and products are kept, but for rounding. This is what RaBitQ
 * uses (Gao et al., SIGMOD 2024 and 2025) in place of a dense matrix: O(d log d) instead of O(d^2).
 *
 * The signs follow from a seed, and all steps but a multiplication are sums in a fixed order, so a
 * vector comes out the same on every CPU. Files depend on it: a seed always means the same.
 *
 * Threads: any thread. Memory: 16 bytes per dimension.
 */
#ifndef PX_AXIS_ROTATION_H
#define PX_AXIS_ROTATION_H

#include "base/error.h"

enum { PX_ROTATION_UNIT = 64 }; /* rotated vectors have a multiple of so many components */

struct px_rotation {
    uint32_t dim_count;    /* of what comes in: 1 to 65,536 */
    uint32_t padded_count; /* of what goes out */
    uint32_t mixed_count;  /* the power of two that one transform covers */
    uint32_t *flips;       /* owned; the sign bits to flip, padded_count a round */
};

/* Release with px_rotation_release(). PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_rotation_init(struct px_rotation *rotation, uint32_t dim_count, uint64_t seed,
                                   struct proximadb_error *reterr);
void px_rotation_release(struct px_rotation *rotation); /* accepts a zeroed one */

/* Turns `vector`, of padded_count components of which those behind dim_count are 0, in place. */
void px_rotation_apply(const struct px_rotation *rotation, float *vector);

#endif /* PX_AXIS_ROTATION_H */
