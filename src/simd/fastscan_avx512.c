/* x86-64 with AVX-512 F, BW, DQ, VL and VNNI. */
#include "simd/fastscan_internal.h"

#if defined(__AVX512F__) && defined(__AVX512VNNI__)

#include "base/bits.h"

#include <immintrin.h>

enum { BLOCK = 64 }; /* bytes of a register: 32 dimensions of 16 rows */

#define FORCE_INLINE static inline __attribute__((always_inline))

FORCE_INLINE __m512i load(const uint8_t *at)
{
    return _mm512_loadu_si512(at);
}

/* Of 16 rows: what 32 dimensions add, as bytes, a quarter of it in each 128 bits. */
FORCE_INLINE __m512i look_up(__m512i codes, __m512i low_tables, __m512i high_tables)
{
    const __m512i mask = _mm512_set1_epi8(15);
    __m512i high = _mm512_and_si512(_mm512_srli_epi16(codes, 4), mask);
    return _mm512_add_epi8(_mm512_shuffle_epi8(low_tables, _mm512_and_si512(codes, mask)),
                           _mm512_shuffle_epi8(high_tables, high));
}

/* Sums of 16 bits: of rows with even and with odd numbers. */
struct sums {
    __m512i even, odd;
};

FORCE_INLINE void add_bytes(struct sums *sums, __m512i bytes)
{
    sums->even = _mm512_add_epi16(sums->even, _mm512_and_si512(bytes, _mm512_set1_epi16(255)));
    sums->odd = _mm512_add_epi16(sums->odd, _mm512_srli_epi16(bytes, 8));
}

FORCE_INLINE __m128i fold(__m512i a)
{
    __m256i b = _mm256_add_epi16(_mm512_castsi512_si256(a), _mm512_extracti64x4_epi64(a, 1));
    return _mm_add_epi16(_mm256_castsi256_si128(b), _mm256_extracti128_si256(b, 1));
}

/* The sums of 16 rows, in order. */
FORCE_INLINE __m512i sums_of_rows(const struct sums *sums)
{
    __m128i even = fold(sums->even), odd = fold(sums->odd);
    __m256i rows = _mm256_set_m128i(_mm_unpackhi_epi16(even, odd), _mm_unpacklo_epi16(even, odd));
    return _mm512_cvtepu16_epi32(rows);
}

/* Adds what up to PX_FASTSCAN_CHUNK dimensions from `first` on add to the sums of both halves. */
FORCE_INLINE void add_chunk(const uint8_t *codes, const uint8_t *tables, size_t dim_count,
                            size_t first, size_t end, __m512i *ret_sums)
{
    const uint8_t *high_tables = tables + 2 * dim_count;
    struct sums sums[2] = {{_mm512_setzero_si512(), _mm512_setzero_si512()},
                           {_mm512_setzero_si512(), _mm512_setzero_si512()}};
    for (size_t at = 2 * first; at < 2 * end; at += 2 * BLOCK) {
        __m512i low0 = load(tables + at), low1 = load(tables + at + BLOCK);
        __m512i high0 = load(high_tables + at), high1 = load(high_tables + at + BLOCK);
        for (size_t half = 0; half < 2; half++) {
            const uint8_t *bytes = codes + half * 2 * dim_count + at;
            add_bytes(&sums[half], _mm512_add_epi8(look_up(load(bytes), low0, high0),
                                                   look_up(load(bytes + BLOCK), low1, high1)));
        }
    }
    for (size_t half = 0; half < 2; half++)
        ret_sums[half] = _mm512_add_epi32(ret_sums[half], sums_of_rows(&sums[half]));
}

FORCE_INLINE __m512 values_of(const struct px_fastscan_scale *scale, size_t first, __m512i sums)
{
    __m512 x = _mm512_mul_ps(_mm512_cvtepi32_ps(sums), _mm512_set1_ps(scale->unit));
    x = _mm512_add_ps(x, _mm512_set1_ps(scale->offset));
    x = _mm512_mul_ps(_mm512_loadu_ps(scale->rescales + first), x);
    return _mm512_sub_ps(_mm512_loadu_ps(scale->adds + first), x);
}

/* The sums of both halves. */
FORCE_INLINE void sum_block(const uint8_t *codes, const uint8_t *tables, size_t dim_count,
                            __m512i *sums)
{
    sums[0] = sums[1] = _mm512_setzero_si512();
    for (size_t first = 0; first < dim_count; first += PX_FASTSCAN_CHUNK) {
        size_t end = first + PX_FASTSCAN_CHUNK;
        add_chunk(codes, tables, dim_count, first, end < dim_count ? end : dim_count, sums);
    }
}

FORCE_INLINE uint32_t select_of(const uint8_t *codes, const uint8_t *tables, size_t dim_count,
                                const struct px_fastscan_scale *scale, float limit)
{
    __m512i sums[2];
    __m512 most = _mm512_set1_ps(limit);
    sum_block(codes, tables, dim_count, sums);
    __m512 low = values_of(scale, 0, sums[0]), high = values_of(scale, PX_FASTSCAN_HALF, sums[1]);
    return (uint32_t)_mm512_cmp_ps_mask(low, most, _CMP_NGT_UQ) |
           (uint32_t)_mm512_cmp_ps_mask(high, most, _CMP_NGT_UQ) << PX_FASTSCAN_HALF;
}

/* With the number of dimensions known, the loops are unrolled. */
static uint32_t select_rows(const uint8_t *codes, const uint8_t *tables, size_t dim_count,
                            const struct px_fastscan_scale *scale, float limit)
{
    switch (dim_count) {
    case 128:
        return select_of(codes, tables, 128, scale, limit);
    case 192:
        return select_of(codes, tables, 192, scale, limit);
    case 384:
        return select_of(codes, tables, 384, scale, limit);
    case 512:
        return select_of(codes, tables, 512, scale, limit);
    default:
        return select_of(codes, tables, dim_count, scale, limit);
    }
}

static void estimate(const uint8_t *codes, const uint8_t *tables, size_t dim_count,
                     const struct px_fastscan_scale *scale, float *ret_values)
{
    __m512i sums[2];
    sum_block(codes, tables, dim_count, sums);
    for (size_t half = 0; half < 2; half++)
        _mm512_storeu_ps(ret_values + half * PX_FASTSCAN_HALF,
                         values_of(scale, half * PX_FASTSCAN_HALF, sums[half]));
}

FORCE_INLINE int64_t byte_dot(const uint8_t *row, const int8_t *high, const int8_t *low,
                              size_t dim_count)
{
    __m512i highs = _mm512_setzero_si512(), lows = _mm512_setzero_si512();
    for (size_t i = 0; i < dim_count; i += BLOCK) {
        __m512i x = load(row + i);
        highs = _mm512_dpbusd_epi32(highs, x, _mm512_loadu_si512(high + i));
        lows = _mm512_dpbusd_epi32(lows, x, _mm512_loadu_si512(low + i));
    }
    return (int64_t)_mm512_reduce_add_epi32(highs) * 128 + _mm512_reduce_add_epi32(lows);
}

/* rows->dim_count is what the caller knows it to be, so that loops are unrolled. */
FORCE_INLINE void byte_dots_of(struct px_byte_rows rows, const uint32_t *indexes, size_t count,
                               const int8_t *high, const int8_t *low, int64_t *ret_dots)
{
    for (size_t i = 0; i < count; i++) {
        size_t index = indexes != NULL ? indexes[i] : i;
        ret_dots[i] = byte_dot(rows.bytes + index * rows.stride, high, low, rows.dim_count);
    }
}

static void byte_dots(const struct px_byte_rows *rows, const uint32_t *indexes, size_t count,
                      const int8_t *high, const int8_t *low, int64_t *ret_dots)
{
    struct px_byte_rows known = {rows->bytes, rows->stride, 0};
    switch (rows->dim_count) {
    case 128:
        known.dim_count = 128;
        byte_dots_of(known, indexes, count, high, low, ret_dots);
        break;
    case 384:
        known.dim_count = 384;
        byte_dots_of(known, indexes, count, high, low, ret_dots);
        break;
    default:
        byte_dots_of(*rows, indexes, count, high, low, ret_dots);
    }
}

const struct px_fastscan *px_fastscan__avx512(void)
{
    static const struct px_fastscan fastscan = {
        .name = "avx512", .select = select_rows, .estimate = estimate, .byte_dots = byte_dots};
    return &fastscan;
}

#else

const struct px_fastscan *px_fastscan__avx512(void)
{
    return NULL;
}

#endif
