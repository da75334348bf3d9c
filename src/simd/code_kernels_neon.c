/* 64-bit ARM. */
#include "simd/code_kernels_internal.h"

#if defined(__aarch64__)

#include "simd/code_rotate_internal.h"

#include <arm_neon.h>

enum { BLOCK = 16 }; /* dimensions of a register of bytes */

/* Each of 16 bits as a byte of ones or zeros. */
static inline uint8x16_t expand_bits(const uint8_t *signs, size_t block)
{
    static const uint8_t each[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    uint8x16_t bits = vcombine_u8(vdup_n_u8(signs[block * 2]), vdup_n_u8(signs[block * 2 + 1]));
    return vtstq_u8(bits, vld1q_u8(each));
}

/* ---- one bit -------------------------------------------------------------------------------- */

static inline int32_t sign_sum(const uint8_t *signs, const int8_t *query, size_t block_count)
{
    int32x4_t sum = vdupq_n_s32(0);
    for (size_t b = 0; b < block_count; b++) {
        int8x16_t mask = vreinterpretq_s8_u8(expand_bits(signs, b));
        int8x16_t q = vandq_s8(mask, vld1q_s8(query + b * BLOCK));
        sum = vpadalq_s16(sum, vpaddlq_s8(q));
    }
    return vaddvq_s32(sum);
}

/* ---- nine bits ------------------------------------------------------------------------------ */

static inline int32x4_t add_bytes(int32x4_t sum, uint8x16_t x, int8x16_t y)
{
    int16x8_t a = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(x))), b = vmovl_s8(vget_low_s8(y));
    sum = vmlal_s16(sum, vget_low_s16(a), vget_low_s16(b));
    sum = vmlal_high_s16(sum, a, b);
    a = vreinterpretq_s16_u16(vmovl_high_u8(x));
    b = vmovl_high_s8(y);
    sum = vmlal_s16(sum, vget_low_s16(a), vget_low_s16(b));
    return vmlal_high_s16(sum, a, b);
}

static inline int8x16_t negate_where(int8x16_t x, int8x16_t mask)
{
    return vsubq_s8(veorq_s8(x, mask), mask);
}

static inline int64_t signed_dot(const uint8_t *signs, const uint8_t *magnitudes,
                                 const int8_t *high, const int8_t *low, size_t block_count)
{
    int32x4_t high_sum = vdupq_n_s32(0), low_sum = high_sum;
    for (size_t b = 0; b < block_count; b++) {
        int8x16_t negative = vreinterpretq_s8_u8(expand_bits(signs, b));
        uint8x16_t x = vld1q_u8(magnitudes + b * BLOCK);
        high_sum = add_bytes(high_sum, x, negate_where(vld1q_s8(high + b * BLOCK), negative));
        low_sum = add_bytes(low_sum, x, negate_where(vld1q_s8(low + b * BLOCK), negative));
    }
    return (int64_t)vaddvq_s32(high_sum) * 128 + vaddvq_s32(low_sum);
}

/* ---- planes --------------------------------------------------------------------------------- */

/* first + scale * t of a register's dimensions. */
static inline uint8x16_t upper_of(const uint8_t *signs, size_t block, size_t block_count,
                                  size_t plane_count, int first, int scale)
{
    uint8x16_t upper = vdupq_n_u8((uint8_t)first);
    for (size_t p = 1; p < plane_count; p++) {
        uint8x16_t bits = expand_bits(signs + p * block_count * (BLOCK / 8), block);
        upper = vaddq_u8(upper, vandq_u8(bits, vdupq_n_u8((uint8_t)(scale << (p - 1)))));
    }
    return upper;
}

/* Adds the products with a query, negative where the sign is. No byte of `upper` is above 63. */
static inline int32x4_t add_turned(int32x4_t sum, uint8x16_t upper, const int8_t *query,
                                   const uint8_t *signs, size_t block)
{
    int8x16_t negative = vreinterpretq_s8_u8(expand_bits(signs, block));
    int8x16_t q = negate_where(vld1q_s8(query + block * BLOCK), negative);
    int8x16_t x = vreinterpretq_s8_u8(upper);
    sum = vpadalq_s16(sum, vmull_s8(vget_low_s8(x), vget_low_s8(q)));
    return vpadalq_s16(sum, vmull_high_s8(x, q));
}

static inline int32_t plane_sum(const uint8_t *signs, const int8_t *query, size_t block_count,
                                size_t plane_count)
{
    int32x4_t sum = vdupq_n_s32(0);
    for (size_t b = 0; b < block_count; b++)
        sum = add_turned(sum, upper_of(signs, b, block_count, plane_count, 1, 2), query, signs, b);
    return vaddvq_s32(sum);
}

/* The part of a dot product that the lower bytes of magnitudes do not hold. */
static inline int64_t upper_dot(const uint8_t *signs, const int8_t *high, const int8_t *low,
                                size_t block_count, size_t plane_count)
{
    int32x4_t high_sum = vdupq_n_s32(0), low_sum = high_sum;
    for (size_t b = 0; b < block_count; b++) {
        uint8x16_t upper = upper_of(signs, b, block_count, plane_count, 0, 1);
        high_sum = add_turned(high_sum, upper, high, signs, b);
        low_sum = add_turned(low_sum, upper, low, signs, b);
    }
    return (int64_t)vaddvq_s32(high_sum) * 128 + vaddvq_s32(low_sum);
}

/* ---- bytes ---------------------------------------------------------------------------------- */

static void bytes_of(const struct px_sign_codes *codes, uint32_t index, uint8_t *ret_bytes)
{
    const uint8_t *signs = codes->signs + index * codes->sign_stride;
    const uint8_t *magnitudes = codes->magnitudes + index * codes->magnitude_stride;
    const size_t block_count = codes->dim_count / BLOCK, upper_count = codes->plane_count - 1;
    for (size_t b = 0; b < block_count; b++) {
        uint8x16_t half =
            vshlq_u8(vld1q_u8(magnitudes + b * BLOCK), vdupq_n_s8(-(int8_t)upper_count));
        half = vorrq_u8(half,
                        upper_of(signs, b, block_count, codes->plane_count, 0, 256 >> upper_count));
        half = vrhaddq_u8(half, vdupq_n_u8(0));
        int8x16_t bytes = vreinterpretq_s8_u8(vminq_u8(half, vdupq_n_u8(127)));
        int8x16_t negative = vreinterpretq_s8_u8(expand_bits(signs, b));
        bytes = negate_where(bytes, negative);
        vst1q_u8(ret_bytes + b * BLOCK, veorq_u8(vreinterpretq_u8_s8(bytes), vdupq_n_u8(128)));
    }
}

static inline int8x16_t load_bytes(const uint8_t *at)
{
    return vreinterpretq_s8_u8(veorq_u8(vld1q_u8(at), vdupq_n_u8(128)));
}

static inline int32_t byte_dot(const uint8_t *row, const uint8_t *x, size_t block_count)
{
    int32x4_t sum = vdupq_n_s32(0);
    for (size_t b = 0; b < block_count; b++) {
        int8x16_t a = load_bytes(row + b * BLOCK), c = load_bytes(x + b * BLOCK);
        sum = vpadalq_s16(sum, vmull_s8(vget_low_s8(a), vget_low_s8(c)));
        sum = vpadalq_s16(sum, vmull_high_s8(a, c));
    }
    return vaddvq_s32(sum);
}

#include "simd/code_loops_internal.h"

const struct px_code_kernels *px_code_kernels__neon(void)
{
    static const struct px_code_kernels kernels = PX_CODE_KERNELS("neon");
    return &kernels;
}

#else

const struct px_code_kernels *px_code_kernels__neon(void)
{
    return NULL;
}

#endif
