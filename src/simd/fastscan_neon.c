/* 64-bit ARM. */
#include "simd/fastscan_internal.h"

#if defined(__aarch64__)

#include "base/bits.h"

#include <arm_neon.h>

enum { BLOCK = 16 }; /* bytes of a register: 8 dimensions of 16 rows */

static inline uint8x16_t look_up(const uint8_t *codes, const uint8_t *low_table,
                                 const uint8_t *high_table)
{
    uint8x16_t bytes = vld1q_u8(codes);
    return vaddq_u8(vqtbl1q_u8(vld1q_u8(low_table), vandq_u8(bytes, vdupq_n_u8(15))),
                    vqtbl1q_u8(vld1q_u8(high_table), vshrq_n_u8(bytes, 4)));
}

/* Adds dimensions `first` to end - 1 of the 16 rows of a half to their sums. */
static inline void add_chunk(const uint8_t *half, const uint8_t *tables, size_t dim_count,
                             size_t first, size_t end, uint32x4_t *sums)
{
    const uint8_t *high_tables = tables + 2 * dim_count;
    uint16x8_t low = vdupq_n_u16(0), high = low;
    for (size_t at = 2 * first; at < 2 * end; at += 2 * BLOCK) {
        uint8x16_t bytes =
            vaddq_u8(look_up(half + at, tables + at, high_tables + at),
                     look_up(half + at + BLOCK, tables + at + BLOCK, high_tables + at + BLOCK));
        low = vaddw_u8(low, vget_low_u8(bytes));
        high = vaddw_high_u8(high, bytes);
    }
    sums[0] = vaddw_u16(sums[0], vget_low_u16(low));
    sums[1] = vaddw_high_u16(sums[1], low);
    sums[2] = vaddw_u16(sums[2], vget_low_u16(high));
    sums[3] = vaddw_high_u16(sums[3], high);
}

static inline float32x4_t values_of(const struct px_fastscan_scale *scale, size_t first,
                                    uint32x4_t sums)
{
    float32x4_t x = vmulq_f32(vcvtq_f32_u32(sums), vdupq_n_f32(scale->unit));
    x = vaddq_f32(x, vdupq_n_f32(scale->offset));
    x = vmulq_f32(vld1q_f32(scale->rescales + first), x);
    return vsubq_f32(vld1q_f32(scale->adds + first), x);
}

/* The values of four rows each. */
static inline void sum_block(const uint8_t *codes, const uint8_t *tables, size_t dim_count,
                             const struct px_fastscan_scale *scale, float32x4_t *ret_values)
{
    for (size_t half = 0; half < 2; half++) {
        uint32x4_t zero = vdupq_n_u32(0), sums[4] = {zero, zero, zero, zero};
        for (size_t first = 0; first < dim_count; first += PX_FASTSCAN_CHUNK) {
            size_t end = first + PX_FASTSCAN_CHUNK;
            add_chunk(codes + half * 2 * dim_count, tables, dim_count, first,
                      end < dim_count ? end : dim_count, sums);
        }
        for (size_t i = 0; i < 4; i++)
            ret_values[4 * half + i] = values_of(scale, half * PX_FASTSCAN_HALF + 4 * i, sums[i]);
    }
}

static uint32_t select_rows(const uint8_t *codes, const uint8_t *tables, size_t dim_count,
                            const struct px_fastscan_scale *scale, float limit)
{
    static const uint32_t bits[4] = {1, 2, 4, 8};
    uint32_t mask = 0;
    float32x4_t values[8];
    sum_block(codes, tables, dim_count, scale, values);
    for (size_t i = 0; i < 8; i++) {
        uint32x4_t passes = vmvnq_u32(vcgtq_f32(values[i], vdupq_n_f32(limit)));
        mask |= vaddvq_u32(vandq_u32(passes, vld1q_u32(bits))) << 4 * i;
    }
    return mask;
}

static void estimate(const uint8_t *codes, const uint8_t *tables, size_t dim_count,
                     const struct px_fastscan_scale *scale, float *ret_values)
{
    float32x4_t values[8];
    sum_block(codes, tables, dim_count, scale, values);
    for (size_t i = 0; i < 8; i++)
        vst1q_f32(ret_values + 4 * i, values[i]);
}

static inline int32x4_t add_products(int32x4_t sum, uint8x16_t x, int8x16_t y)
{
    int16x8_t a = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(x))), b = vmovl_s8(vget_low_s8(y));
    sum = vmlal_s16(sum, vget_low_s16(a), vget_low_s16(b));
    sum = vmlal_high_s16(sum, a, b);
    a = vreinterpretq_s16_u16(vmovl_high_u8(x));
    b = vmovl_high_s8(y);
    sum = vmlal_s16(sum, vget_low_s16(a), vget_low_s16(b));
    return vmlal_high_s16(sum, a, b);
}

static inline int64_t byte_dot(const uint8_t *row, const int8_t *high, const int8_t *low,
                               size_t dim_count)
{
    int32x4_t highs = vdupq_n_s32(0), lows = highs;
    for (size_t i = 0; i < dim_count; i += BLOCK) {
        uint8x16_t x = vld1q_u8(row + i);
        highs = add_products(highs, x, vld1q_s8(high + i));
        lows = add_products(lows, x, vld1q_s8(low + i));
    }
    return (int64_t)vaddvq_s32(highs) * 128 + vaddvq_s32(lows);
}

static void byte_dots(const struct px_byte_rows *rows, const uint32_t *indexes, size_t count,
                      const int8_t *high, const int8_t *low, int64_t *ret_dots)
{
    for (size_t i = 0; i < count; i++) {
        size_t index = indexes != NULL ? indexes[i] : i;
        ret_dots[i] = byte_dot(rows->bytes + index * rows->stride, high, low, rows->dim_count);
    }
}

const struct px_fastscan *px_fastscan__neon(void)
{
    static const struct px_fastscan fastscan = {
        .name = "neon", .select = select_rows, .estimate = estimate, .byte_dots = byte_dots};
    return &fastscan;
}

#else

const struct px_fastscan *px_fastscan__neon(void)
{
    return NULL;
}

#endif
