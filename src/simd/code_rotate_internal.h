/*
 * code_rotate_internal: px_code_kernels.rotate, written once in the compiler's own vector type, for
 * each level's file to compile with its own flags. Sixteen lanes everywhere: a CPU with narrower
 * registers takes two or four of them. The order of sums is the same, and so is the result.
 */
#ifndef PX_SIMD_CODE_ROTATE_INTERNAL_H
#define PX_SIMD_CODE_ROTATE_INTERNAL_H

#include "base/bits.h"

#include <math.h>

typedef float lanes __attribute__((vector_size(64)));
typedef uint32_t lane_bits __attribute__((vector_size(64)));

enum { LANE_COUNT = 16 };

#define LANES_AT(at) (*(struct lanes_at *)(at))
struct lanes_at {
    lanes value;
} __attribute__((packed, aligned(4), may_alias));

#define NEGATE(x, mask) ((lanes)((lane_bits)(x) ^ (mask)))
#define SIGN            0x80000000u

/* Sums and differences of lanes that are 1, 2, 4 and 8 apart. */
static inline void mix_lanes(float *vector, size_t count)
{
    static const lane_bits odd1 = {0, SIGN, 0, SIGN, 0, SIGN, 0, SIGN,
                                   0, SIGN, 0, SIGN, 0, SIGN, 0, SIGN};
    static const lane_bits odd2 = {0, 0, SIGN, SIGN, 0, 0, SIGN, SIGN,
                                   0, 0, SIGN, SIGN, 0, 0, SIGN, SIGN};
    static const lane_bits odd4 = {0, 0, 0, 0, SIGN, SIGN, SIGN, SIGN,
                                   0, 0, 0, 0, SIGN, SIGN, SIGN, SIGN};
    static const lane_bits odd8 = {0,    0,    0,    0,    0,    0,    0,    0,
                                   SIGN, SIGN, SIGN, SIGN, SIGN, SIGN, SIGN, SIGN};
    for (size_t i = 0; i < count; i += LANE_COUNT) {
        lanes a = LANES_AT(vector + i).value;
        a = __builtin_shufflevector(a, a, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14) +
            NEGATE(a, odd1);
        a = __builtin_shufflevector(a, a, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13) +
            NEGATE(a, odd2);
        a = __builtin_shufflevector(a, a, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11) +
            NEGATE(a, odd4);
        a = __builtin_shufflevector(a, a, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7) +
            NEGATE(a, odd8);
        LANES_AT(vector + i).value = a;
    }
}

/* Sums of x[i] and y[i] to x, differences to y. */
static inline void mix_halves(float *x, float *y, size_t count)
{
    for (size_t i = 0; i < count; i += LANE_COUNT) {
        lanes a = LANES_AT(x + i).value, b = LANES_AT(y + i).value;
        LANES_AT(x + i).value = a + b;
        LANES_AT(y + i).value = a - b;
    }
}

static inline void transform(float *vector, size_t count)
{
    mix_lanes(vector, count);
    for (size_t half = LANE_COUNT; half < count; half *= 2)
        for (size_t i = 0; i < count; i += 2 * half)
            mix_halves(vector + i, vector + i + half, half);
}

/* Flips signs and multiplies. */
static inline void flip(float *vector, size_t count, const uint32_t *flips, float factor)
{
    for (size_t i = 0; i < count; i += LANE_COUNT) {
        lane_bits mask;
        memcpy(&mask, flips + i, sizeof mask);
        LANES_AT(vector + i).value = NEGATE(LANES_AT(vector + i).value, mask) * factor;
    }
}

static void rotate(float *vector, size_t padded_count, size_t mixed_count, const uint32_t *flips)
{
    /* Each transform lengthens by sqrt(mixed_count), each step of the walk by sqrt(2). */
    float factor = sqrtf(1.0f / (float)mixed_count);
    size_t rest = padded_count - mixed_count;
    for (size_t round = 0; round < 4; round++, flips += padded_count) {
        size_t first = round % 2 == 0 ? 0 : rest, first_rest = round % 2 == 0 ? mixed_count : 0;
        flip(vector + first, mixed_count, flips + first, factor);
        flip(vector + first_rest, rest, flips + first_rest, 1);
        transform(vector + first, mixed_count);
        if (rest != 0)
            mix_halves(vector, vector + padded_count / 2, padded_count / 2);
    }
    for (size_t i = 0; rest != 0 && i < padded_count; i += LANE_COUNT)
        LANES_AT(vector + i).value = LANES_AT(vector + i).value * 0.25f;
}

/* ---- to a few bits -------------------------------------------------------------------------- */

typedef int32_t lane_ints __attribute__((vector_size(64)));
typedef int8_t lane_bytes __attribute__((vector_size(16)));

#define STORE_BYTES(at, ints)                                            \
    do {                                                                 \
        lane_bytes bytes_ = __builtin_convertvector((ints), lane_bytes); \
        memcpy((at), &bytes_, sizeof bytes_);                            \
    } while (0)

/* Adding and taking off 1.5 * 2^23 rounds to the nearest integer, ties to even. */
#define ROUND(x) (((x) + 12582912.0f) - 12582912.0f)

static int32_t quantise(const float *vector, size_t dim_count, float most, int8_t *ret_bytes,
                        int8_t *ret_high, int8_t *ret_low)
{
    float to_byte = 127 / most, to_fifteen = 16319 / most;
    lane_ints sum = {0};
    for (size_t i = 0; i < dim_count; i += LANE_COUNT) {
        lanes x;
        memcpy(&x, vector + i, sizeof x);
        lane_ints bytes = __builtin_convertvector(ROUND(x * to_byte), lane_ints);
        lane_ints fifteen = __builtin_convertvector(ROUND(x * to_fifteen), lane_ints);
        lane_ints high = (fifteen + 64) >> 7, low = fifteen - high * 128;
        sum += bytes;
        STORE_BYTES(ret_bytes + i, bytes);
        STORE_BYTES(ret_high + i, high);
        STORE_BYTES(ret_low + i, low);
    }
    int32_t total = 0;
    for (size_t i = 0; i < LANE_COUNT; i++)
        total += sum[i];
    return total;
}

static float largest(const float *vector, size_t dim_count)
{
    lanes most = {0};
    for (size_t i = 0; i < dim_count; i += LANE_COUNT) {
        lane_bits bits;
        memcpy(&bits, vector + i, sizeof bits);
        lanes x = (lanes)(bits & ~SIGN);
        lane_bits is_more = (lane_bits)(x > most);
        most = (lanes)(((lane_bits)x & is_more) | ((lane_bits)most & ~is_more));
    }
    float result = 0;
    for (size_t i = 0; i < LANE_COUNT; i++)
        result = most[i] > result ? most[i] : result;
    return result;
}

#undef STORE_BYTES
#undef ROUND
#undef LANES_AT
#undef NEGATE
#undef SIGN

#endif /* PX_SIMD_CODE_ROTATE_INTERNAL_H */
