#include "simd/rounding.h"

#include "base/bits.h"
#include "simd/distance.h"
#include "simd/kernels.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static_assert(FLT_EVAL_METHOD == 0 || FLT_EVAL_METHOD == 16 /* likewise, down to half precision */,
              "adding and subtracting must round to float");

enum { MOST_DIMS = 65536, LARGEST_EXPONENT = 100 /* of base, and the smallest one negated */ };

static const float largest_byte = 255.0f;
static const float whole = 12582912.0f; /* 1.5 * 2^23: what is added to it becomes whole */
static const float edge = 1.0625f;      /* 17/16 */

/* Where a quick sum of squares is far enough from FLT_MIN and FLT_MAX for its error not to matter:
 * below 2^-9 of it at any level and dimension (simd/bound.h), half of that in its root. */
static const float quick_least = 1e-30f;
static const float quick_most = 1e37f;
static const float quick_margin = 0x1p-8f;

/* As a share of the next power of two: rounding moves a norm by less than 1.5 * 2^-5 of it, so from
 * below here it does not come to the next base. */
static const double far_from_next = 0.9;

/* ---- whole numbers ------------------------------------------------------------------------- */

static bool is_of_bytes(const uint8_t *vector, size_t dim_count)
{
    for (size_t dim = 0; dim < dim_count; dim++) {
        float size = fabsf(px_load_f32(vector + dim * sizeof(float)));
        if (!(size <= largest_byte && (size + whole) - whole == size))
            return false; /* most vectors are done here at once */
    }
    return true;
}

/* ---- the base ------------------------------------------------------------------------------ */

struct base {
    int exponent;
    double
        share; /* 17/16 * norm / sqrt(dim_count) of the next power of two: 0.5 to 1; 0: no norm */
};

static struct base find_base(const void *vector, size_t dim_count)
{
    struct base base;
    double mean = px_norm_squared_exact(vector, dim_count) / (double)dim_count;
    base.share = frexp((double)edge * sqrt(mean), &base.exponent);
    base.exponent--;
    return base;
}

/* The same from the kernels' sum. False where that is too near to the edge of a base to tell. */
static bool find_base_quickly(const struct px_kernels *kernels, const void *vector,
                              size_t dim_count, struct base *ret_base)
{
    float norm_squared = kernels->norm_squared(vector, dim_count);
    if (!(norm_squared >= quick_least && norm_squared <= quick_most))
        return false;
    float share = frexpf(edge * sqrtf(norm_squared / (float)dim_count), &ret_base->exponent);
    ret_base->share = (double)share;
    ret_base->exponent--;
    return share > 0.5f * (1.0f + quick_margin) && share < 1.0f - quick_margin;
}

static bool has_grid(const struct base *base)
{
    return base->share > 0.0 && abs(base->exponent) <= LARGEST_EXPONENT;
}

/* ---- rounding ------------------------------------------------------------------------------ */

/*
 * Added to a number of the binade p = 2^floor(log2(max(|x|, base))), 1.5 * 2^(23 - m) * p has a
 * last place that is worth p / 2^m = step(x), so the sum is rounded to the grid, ties to even, as
 * every sum is; taking it away again is exact. At a base of 2^100 and 65,536 dimensions |x| is
 * below 2^109, and the sum below 2^128.
 */
static void round_to_grid(const void *vector, size_t dim_count, uint32_t mantissa_bits,
                          const struct base *base, float *ret_vector)
{
    float factor = ldexpf(1.5f, 23 - (int)mantissa_bits);
    px_kernels_get()->round_to_grid(vector, dim_count, ldexpf(1.0f, base->exponent), factor,
                                    ret_vector);
}

void px_round_vector(const void *vector, size_t dim_count, uint32_t mantissa_bits,
                     float *ret_vector)
{
    struct base base, rounded_base;
    assert(dim_count >= 1 && dim_count <= MOST_DIMS);
    assert(mantissa_bits >= PX_ROUNDING_LEAST_BITS && mantissa_bits <= PX_ROUNDING_MOST_BITS);
    if (!find_base_quickly(px_kernels_get(), vector, dim_count, &base))
        base = find_base(vector, dim_count);
    if (!has_grid(&base) || is_of_bytes(vector, dim_count)) {
        memcpy(ret_vector, vector, dim_count * sizeof(float));
        return;
    }
    round_to_grid(vector, dim_count, mantissa_bits, &base, ret_vector);
    if (base.share < far_from_next)
        return;
    rounded_base = find_base(ret_vector, dim_count);
    if (rounded_base.exponent > base.exponent && has_grid(&rounded_base))
        round_to_grid(vector, dim_count, mantissa_bits, &rounded_base, ret_vector);
}
