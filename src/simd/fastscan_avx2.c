/* x86-64 with AVX2. */
#include "simd/fastscan_internal.h"

#if defined(__AVX2__)

#include "base/bits.h"

#include <immintrin.h>

enum { BLOCK = 32 }; /* bytes of a register: 16 dimensions of 16 rows */

static inline __m256i load(const void *at)
{
    return _mm256_loadu_si256((const __m256i *)at);
}

/* Of 16 rows: what 16 dimensions add, as bytes, a half of it in each 128 bits. */
static inline __m256i look_up(const uint8_t *codes, const uint8_t *low_tables,
                              const uint8_t *high_tables)
{
    const __m256i mask = _mm256_set1_epi8(15);
    __m256i bytes = load(codes);
    __m256i high = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), mask);
    return _mm256_add_epi8(_mm256_shuffle_epi8(load(low_tables), _mm256_and_si256(bytes, mask)),
                           _mm256_shuffle_epi8(load(high_tables), high));
}

/* Adds the 16-bit sums of rows of even and of odd numbers to the 32-bit ones of all, in order. */
static inline void add_sums(__m256i even, __m256i odd, __m256i *sums)
{
    __m128i e = _mm_add_epi16(_mm256_castsi256_si128(even), _mm256_extracti128_si256(even, 1));
    __m128i o = _mm_add_epi16(_mm256_castsi256_si128(odd), _mm256_extracti128_si256(odd, 1));
    sums[0] = _mm256_add_epi32(sums[0], _mm256_cvtepu16_epi32(_mm_unpacklo_epi16(e, o)));
    sums[1] = _mm256_add_epi32(sums[1], _mm256_cvtepu16_epi32(_mm_unpackhi_epi16(e, o)));
}

/* Adds dimensions `first` to end - 1 of the 16 rows of a half to their sums. */
static inline void add_chunk(const uint8_t *half, const uint8_t *tables, size_t dim_count,
                             size_t first, size_t end, __m256i *sums)
{
    const uint8_t *high_tables = tables + 2 * dim_count;
    __m256i even = _mm256_setzero_si256(), odd = even;
    for (size_t at = 2 * first; at < 2 * end; at += 2 * BLOCK) {
        __m256i bytes = _mm256_add_epi8(
            look_up(half + at, tables + at, high_tables + at),
            look_up(half + at + BLOCK, tables + at + BLOCK, high_tables + at + BLOCK));
        even = _mm256_add_epi16(even, _mm256_and_si256(bytes, _mm256_set1_epi16(255)));
        odd = _mm256_add_epi16(odd, _mm256_srli_epi16(bytes, 8));
    }
    add_sums(even, odd, sums);
}

static inline __m256 values_of(const struct px_fastscan_scale *scale, size_t first, __m256i sums)
{
    __m256 x = _mm256_mul_ps(_mm256_cvtepi32_ps(sums), _mm256_set1_ps(scale->unit));
    x = _mm256_add_ps(x, _mm256_set1_ps(scale->offset));
    x = _mm256_mul_ps(_mm256_loadu_ps(scale->rescales + first), x);
    return _mm256_sub_ps(_mm256_loadu_ps(scale->adds + first), x);
}

/* The values of eight rows each. */
static inline void sum_block(const uint8_t *codes, const uint8_t *tables, size_t dim_count,
                             const struct px_fastscan_scale *scale, __m256 *ret_values)
{
    for (size_t half = 0; half < 2; half++) {
        __m256i sums[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
        for (size_t first = 0; first < dim_count; first += PX_FASTSCAN_CHUNK) {
            size_t end = first + PX_FASTSCAN_CHUNK;
            add_chunk(codes + half * 2 * dim_count, tables, dim_count, first,
                      end < dim_count ? end : dim_count, sums);
        }
        ret_values[2 * half] = values_of(scale, half * PX_FASTSCAN_HALF, sums[0]);
        ret_values[2 * half + 1] = values_of(scale, half * PX_FASTSCAN_HALF + 8, sums[1]);
    }
}

static uint32_t select_rows(const uint8_t *codes, const uint8_t *tables, size_t dim_count,
                            const struct px_fastscan_scale *scale, float limit)
{
    uint32_t mask = 0;
    __m256 values[4];
    sum_block(codes, tables, dim_count, scale, values);
    for (size_t i = 0; i < 4; i++) {
        __m256 passes = _mm256_cmp_ps(values[i], _mm256_set1_ps(limit), _CMP_NGT_UQ);
        mask |= (uint32_t)_mm256_movemask_ps(passes) << 8 * i;
    }
    return mask;
}

static void estimate(const uint8_t *codes, const uint8_t *tables, size_t dim_count,
                     const struct px_fastscan_scale *scale, float *ret_values)
{
    __m256 values[4];
    sum_block(codes, tables, dim_count, scale, values);
    for (size_t i = 0; i < 4; i++)
        _mm256_storeu_ps(ret_values + 8 * i, values[i]);
}

static inline int32_t sum_lanes(__m256i a)
{
    __m128i b = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    b = _mm_add_epi32(b, _mm_shuffle_epi32(b, 0x4e));
    b = _mm_add_epi32(b, _mm_shuffle_epi32(b, 0xb1));
    return _mm_cvtsi128_si32(b);
}

/* Adds the products of 16 bytes: without a sign those of x, with one those of y. */
static inline __m256i add_products(__m256i sum, __m256i x, const int8_t *y)
{
    __m256i wide = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)y));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(x, wide));
}

static inline int64_t byte_dot(const uint8_t *row, const int8_t *high, const int8_t *low,
                               size_t dim_count)
{
    __m256i highs = _mm256_setzero_si256(), lows = highs;
    for (size_t i = 0; i < dim_count; i += 16) {
        __m256i x = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(row + i)));
        highs = add_products(highs, x, high + i);
        lows = add_products(lows, x, low + i);
    }
    return (int64_t)sum_lanes(highs) * 128 + sum_lanes(lows);
}

static void byte_dots(const struct px_byte_rows *rows, const uint32_t *indexes, size_t count,
                      const int8_t *high, const int8_t *low, int64_t *ret_dots)
{
    for (size_t i = 0; i < count; i++) {
        size_t index = indexes != NULL ? indexes[i] : i;
        ret_dots[i] = byte_dot(rows->bytes + index * rows->stride, high, low, rows->dim_count);
    }
}

const struct px_fastscan *px_fastscan__avx2(void)
{
    static const struct px_fastscan fastscan = {
        .name = "avx2", .select = select_rows, .estimate = estimate, .byte_dots = byte_dots};
    return &fastscan;
}

#else

const struct px_fastscan *px_fastscan__avx2(void)
{
    return NULL;
}

#endif
