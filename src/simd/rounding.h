/*
 * rounding: what a storage profile makes of a vector before it is stored: a function of that one
 * vector, which leaves its components few different values. docs/format/rounding.md has it in ten
 * lines of numpy, and says what it costs a search.
 *
 * With m bits of mantissa kept, and base, a power of two, about the size of a usual component:
 *
 *      base    = the largest power of two <= 17/16 * norm / sqrt(dim_count)
 *      step(x) = 2^floor(log2(max(|x|, base))) / 2^m
 *      y       = the multiple of step(x) that is nearest to x; of two the even one
 *
 * that is, linear below base, and a float of m bits of mantissa above. 17/16 keeps unit vectors of
 * 256, 1,024 or 4,096 dimensions, whose norm / sqrt(dim_count) is a power of two but for rounding,
 * from having now this base, now that.
 *
 * Rounding may move the norm across the edge of another base. If y's base is the larger one, x is
 * rounded with that instead. The grids are nested, that of a base has the points of any larger one,
 * so rounding what was rounded changes nothing.
 *
 *   |y - x| <= 2^-(m + 1) * max(|x|, base) for each component, with the base that was used last
 *   ||y - x|| <= 1.5 * 2^-(m + 1) * ||x||
 *   y is not all zeros unless x is: some |x| >= norm / sqrt(dim_count) > base / 2
 *
 * Kept as they are: vectors of whole numbers from -255 to 255, such as embeddings in bytes, whose
 * values are few; and those whose base is not in 2^-100 to 2^100, where float32 has no room for the
 * arithmetic. No result is infinite or NaN.
 *
 * The result has the same bits on every CPU and from every compiler.
 *
 * Threads: any thread. Memory: none.
 */
#ifndef PX_SIMD_ROUNDING_H
#define PX_SIMD_ROUNDING_H

#include <stddef.h>
#include <stdint.h>

enum {
    PX_ROUNDING_LEAST_BITS = 4, /* of mantissa kept */
    PX_ROUNDING_MOST_BITS = 7,
};

/* Writes the rounded vector to ret_vector, which does not overlap it. There are 1 to 65,536
 * components, finite float32 at any address. */
void px_round_vector(const void *vector, size_t dim_count, uint32_t mantissa_bits,
                     float *ret_vector);

#endif /* PX_SIMD_ROUNDING_H */
