/*
 * kernels_round_internal: the kernel that rounds, for simd/rounding.h. It is included by a level's
 * file behind kernels_body_internal.h, and wants besides:
 *
 *      vec_multiply(a, b)
 *      vec_binade(a, least)      2^floor(log2(|a|)), which are a's exponent bits, or `least`,
 *                                whichever is larger; a may be 0 or denormal
 */
#ifndef PX_SIMD_KERNELS_ROUND_INTERNAL_H
#define PX_SIMD_KERNELS_ROUND_INTERNAL_H

#include "simd/kernels_body_internal.h"

FORCE_INLINE vec round_vec(vec x, vec base, vec factor)
{
    vec shift = vec_multiply(vec_binade(x, base), factor);
    return vec_sub(vec_add(x, shift), shift);
}

static void round_to_grid(const void *x, size_t dim_count, float base, float factor, float *ret)
{
    const uint8_t *row = x;
    vec bases = vec_set(&base), factors = vec_set(&factor);
    size_t dim = 0;
    for (; dim + LANES <= dim_count; dim += LANES)
        vec_store(ret + dim, round_vec(vec_load(row + dim * sizeof(float)), bases, factors));
    if (dim < dim_count) {
        float tail[LANES];
        vec_store(tail, round_vec(load_at(row, dim, dim_count), bases, factors));
        memcpy(ret + dim, tail, (dim_count - dim) * sizeof(float));
    }
}

#endif /* PX_SIMD_KERNELS_ROUND_INTERNAL_H */
