/* x86-64 with AVX-512 F, BW, DQ, VL and VNNI. */
#include "simd/code_kernels_internal.h"

#if defined(__AVX512F__) && defined(__AVX512VNNI__)

#include "simd/code_rotate_internal.h"

#include <immintrin.h>

#define UNROLL _Pragma("GCC unroll 12")
enum { BLOCK = 64 }; /* dimensions of a register of bytes */

static inline __mmask64 load_mask(const uint8_t *signs, size_t block)
{
    return px_load_u64(signs + block * 8);
}

/* Sums of the lanes of four registers. */
static inline __m128i sum_four(__m512i a, __m512i b, __m512i c, __m512i d)
{
    __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
    __m512i all = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
    __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64(all, 1));
    return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

/* ---- one bit -------------------------------------------------------------------------------- */

static inline __m512i sign_sum(const uint8_t *signs, const int8_t *query, size_t block_count)
{
    const __m512i ones = _mm512_set1_epi8(1);
    __m512i sum = _mm512_setzero_si512();
    UNROLL for (size_t b = 0; b < block_count; b++)
    {
        __m512i q = _mm512_maskz_loadu_epi8(load_mask(signs, b), query + b * BLOCK);
        sum = _mm512_dpbusd_epi32(sum, ones, q);
    }
    return sum;
}

static inline __attribute__((always_inline)) void
sign_sums_of(const struct px_sign_codes *codes, const uint32_t *indexes, size_t count,
             const int8_t *query, int32_t *ret_sums, size_t block_count)
{
    const uint8_t *signs = codes->signs;
    size_t stride = codes->sign_stride, i = 0;
    for (; i + 4 <= count; i += 4)
        _mm_storeu_si128((__m128i *)(ret_sums + i),
                         sum_four(sign_sum(signs + indexes[i] * stride, query, block_count),
                                  sign_sum(signs + indexes[i + 1] * stride, query, block_count),
                                  sign_sum(signs + indexes[i + 2] * stride, query, block_count),
                                  sign_sum(signs + indexes[i + 3] * stride, query, block_count)));
    for (; i < count; i++)
        ret_sums[i] =
            _mm512_reduce_add_epi32(sign_sum(signs + indexes[i] * stride, query, block_count));
}

/* With the number of blocks known, the query stays in registers. */
static void sign_sums(const struct px_sign_codes *codes, const uint32_t *indexes, size_t count,
                      const int8_t *query, int32_t *ret_sums)
{
    size_t block_count = codes->dim_count / BLOCK;
    switch (block_count) {
    case 2:
        sign_sums_of(codes, indexes, count, query, ret_sums, 2);
        break;
    case 6:
        sign_sums_of(codes, indexes, count, query, ret_sums, 6);
        break;
    case 12:
        sign_sums_of(codes, indexes, count, query, ret_sums, 12);
        break;
    default:
        sign_sums_of(codes, indexes, count, query, ret_sums, block_count);
    }
}

/* ---- planes --------------------------------------------------------------------------------- */

/* The components of a register's dimensions, negative where the code is. */
static inline __m512i turned(const int8_t *query, const uint8_t *signs, size_t block)
{
    __m512i q = _mm512_loadu_si512(query + block * BLOCK);
    return _mm512_mask_sub_epi8(q, load_mask(signs, block), _mm512_setzero_si512(), q);
}

/* first + scale * t of a register's dimensions. */
static inline __m512i upper_of(const uint8_t *signs, size_t block, size_t block_count,
                               size_t plane_count, int first, int scale)
{
    __m512i upper = _mm512_set1_epi8((char)first);
    UNROLL for (size_t p = 1; p < plane_count; p++) upper =
        _mm512_mask_add_epi8(upper, load_mask(signs + p * block_count * 8, block), upper,
                             _mm512_set1_epi8((char)(scale << (p - 1))));
    return upper;
}

static inline __m512i plane_sum(const uint8_t *signs, const int8_t *query, size_t block_count,
                                size_t plane_count)
{
    __m512i sum = _mm512_setzero_si512();
    UNROLL for (size_t b = 0; b < block_count; b++)
    {
        __m512i upper = upper_of(signs, b, block_count, plane_count, 1, 2);
        sum = _mm512_dpbusd_epi32(sum, upper, turned(query, signs, b));
    }
    return sum;
}

static inline __attribute__((always_inline)) void plane_sums_of(struct px_sign_codes codes,
                                                                const uint32_t *indexes,
                                                                size_t count, const int8_t *query,
                                                                int32_t *ret_sums)
{
    const size_t stride = codes.sign_stride, planes = codes.plane_count;
    const size_t block_count = codes.dim_count / BLOCK;
    size_t i = 0;
    for (; i + 4 <= count; i += 4) {
        const uint32_t *four = indexes + i;
        __m512i a = plane_sum(codes.signs + four[0] * stride, query, block_count, planes);
        __m512i b = plane_sum(codes.signs + four[1] * stride, query, block_count, planes);
        __m512i c = plane_sum(codes.signs + four[2] * stride, query, block_count, planes);
        __m512i d = plane_sum(codes.signs + four[3] * stride, query, block_count, planes);
        _mm_storeu_si128((__m128i *)(ret_sums + i), sum_four(a, b, c, d));
    }
    for (; i < count; i++)
        ret_sums[i] = _mm512_reduce_add_epi32(
            plane_sum(codes.signs + indexes[i] * stride, query, block_count, planes));
}

/* With the sizes known, the query stays in registers. */
static void plane_sums(const struct px_sign_codes *codes, const uint32_t *indexes, size_t count,
                       const int8_t *query, int32_t *ret_sums)
{
    struct px_sign_codes known = *codes;
    if (codes->dim_count == BLOCK && codes->plane_count == 6) {
        known.dim_count = BLOCK;
        known.plane_count = 6;
        plane_sums_of(known, indexes, count, query, ret_sums);
    } else if (codes->dim_count == 2 * BLOCK && codes->plane_count == 3) {
        known.dim_count = 2 * BLOCK;
        known.plane_count = 3;
        plane_sums_of(known, indexes, count, query, ret_sums);
    } else {
        plane_sums_of(*codes, indexes, count, query, ret_sums);
    }
}

/* ---- whole codes ---------------------------------------------------------------------------- */

/* The part of a dot product that the lower bytes of magnitudes do not hold. */
static inline int64_t upper_dot(const uint8_t *signs, const int8_t *high, const int8_t *low,
                                size_t block_count, size_t plane_count)
{
    __m512i high_sum = _mm512_setzero_si512(), low_sum = high_sum;
    UNROLL for (size_t b = 0; b < block_count; b++)
    {
        __m512i upper = upper_of(signs, b, block_count, plane_count, 0, 1);
        high_sum = _mm512_dpbusd_epi32(high_sum, upper, turned(high, signs, b));
        low_sum = _mm512_dpbusd_epi32(low_sum, upper, turned(low, signs, b));
    }
    return (int64_t)_mm512_reduce_add_epi32(high_sum) * 128 + _mm512_reduce_add_epi32(low_sum);
}

static inline int64_t signed_dot(const uint8_t *signs, const uint8_t *magnitudes,
                                 const int8_t *high, const int8_t *low, size_t block_count)
{
    const __m512i zero = _mm512_setzero_si512();
    __m512i high_sum = zero, low_sum = zero;
    UNROLL for (size_t b = 0; b < block_count; b++)
    {
        __mmask64 negative = load_mask(signs, b);
        __m512i x = _mm512_loadu_si512(magnitudes + b * BLOCK);
        __m512i h = _mm512_loadu_si512(high + b * BLOCK), l = _mm512_loadu_si512(low + b * BLOCK);
        high_sum = _mm512_dpbusd_epi32(high_sum, x, _mm512_mask_sub_epi8(h, negative, zero, h));
        low_sum = _mm512_dpbusd_epi32(low_sum, x, _mm512_mask_sub_epi8(l, negative, zero, l));
    }
    return (int64_t)_mm512_reduce_add_epi32(high_sum) * 128 + _mm512_reduce_add_epi32(low_sum);
}

static inline __attribute__((always_inline)) void
signed_dots_of(struct px_sign_codes codes, const uint32_t *indexes, size_t count,
               const int8_t *high, const int8_t *low, int64_t *ret_dots)
{
    size_t block_count = codes.dim_count / BLOCK;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *signs = codes.signs + indexes[i] * codes.sign_stride;
        int64_t dot = signed_dot(signs, codes.magnitudes + indexes[i] * codes.magnitude_stride,
                                 high, low, block_count);
        if (codes.plane_count > 1)
            dot += 256 * upper_dot(signs, high, low, block_count, codes.plane_count);
        ret_dots[i] = dot;
    }
}

static void signed_dots(const struct px_sign_codes *codes, const uint32_t *indexes, size_t count,
                        const int8_t *high, const int8_t *low, int64_t *ret_dots)
{
    static const struct {
        size_t block_count, plane_count;
    } frequent[] = {{1, 6}, {2, 3}, {6, 1}};
    struct px_sign_codes known = *codes; /* with sizes that the compiler knows */
    UNROLL for (size_t i = 0; i < 3; i++)
    {
        known.dim_count = frequent[i].block_count * BLOCK;
        known.plane_count = frequent[i].plane_count;
        if (known.dim_count == codes->dim_count && known.plane_count == codes->plane_count) {
            signed_dots_of(known, indexes, count, high, low, ret_dots);
            return;
        }
    }
    signed_dots_of(*codes, indexes, count, high, low, ret_dots);
}

/* ---- bytes ---------------------------------------------------------------------------------- */

static void bytes_of(const struct px_sign_codes *codes, uint32_t index, uint8_t *ret_bytes)
{
    const uint8_t *signs = codes->signs + index * codes->sign_stride;
    const uint8_t *magnitudes = codes->magnitudes + index * codes->magnitude_stride;
    const __m512i most = _mm512_set1_epi8(127), offset = _mm512_set1_epi8((char)128);
    const __m512i zero = _mm512_setzero_si512();
    const size_t block_count = codes->dim_count / BLOCK, upper_count = codes->plane_count - 1;
    const __m512i kept = _mm512_set1_epi8((char)(255 >> upper_count));
    const __m128i shift = _mm_cvtsi32_si128((int)upper_count);
    for (size_t b = 0; b < block_count; b++) {
        __m512i half = _mm512_loadu_si512(magnitudes + b * BLOCK);
        half = _mm512_and_si512(_mm512_srl_epi16(half, shift), kept);
        half = _mm512_or_si512(
            half, upper_of(signs, b, block_count, codes->plane_count, 0, 256 >> upper_count));
        half = _mm512_min_epu8(_mm512_avg_epu8(half, zero), most);
        half = _mm512_mask_sub_epi8(half, load_mask(signs, b), zero, half);
        _mm512_storeu_si512(ret_bytes + b * BLOCK, _mm512_xor_si512(half, offset));
    }
}

/* x is made signed, rows stay unsigned: 128 times the sum of x is too much. */
static inline __attribute__((always_inline)) void byte_dots_of(const uint8_t *const *rows,
                                                               size_t count, const uint8_t *x,
                                                               int32_t *ret_dots,
                                                               size_t block_count)
{
    const __m512i offset = _mm512_set1_epi8((char)128), zero = _mm512_setzero_si512();
    size_t i = 0;
    for (; i + 4 <= count; i += 4) {
        __m512i a = zero, b = zero, c = zero, d = zero, sum = zero;
        UNROLL for (size_t j = 0; j < block_count; j++)
        {
            size_t at = j * BLOCK;
            __m512i y = _mm512_xor_si512(_mm512_loadu_si512(x + at), offset);
            sum = _mm512_dpbusd_epi32(sum, offset, y);
            a = _mm512_dpbusd_epi32(a, _mm512_loadu_si512(rows[i] + at), y);
            b = _mm512_dpbusd_epi32(b, _mm512_loadu_si512(rows[i + 1] + at), y);
            c = _mm512_dpbusd_epi32(c, _mm512_loadu_si512(rows[i + 2] + at), y);
            d = _mm512_dpbusd_epi32(d, _mm512_loadu_si512(rows[i + 3] + at), y);
        }
        _mm_storeu_si128((__m128i *)(ret_dots + i),
                         sum_four(_mm512_sub_epi32(a, sum), _mm512_sub_epi32(b, sum),
                                  _mm512_sub_epi32(c, sum), _mm512_sub_epi32(d, sum)));
    }
    for (; i < count; i++) {
        __m512i a = zero, sum = zero;
        UNROLL for (size_t j = 0; j < block_count; j++)
        {
            __m512i y = _mm512_xor_si512(_mm512_loadu_si512(x + j * BLOCK), offset);
            sum = _mm512_dpbusd_epi32(sum, offset, y);
            a = _mm512_dpbusd_epi32(a, _mm512_loadu_si512(rows[i] + j * BLOCK), y);
        }
        ret_dots[i] = _mm512_reduce_add_epi32(_mm512_sub_epi32(a, sum));
    }
}

static void byte_dots(const uint8_t *const *rows, size_t count, size_t dim_count, const uint8_t *x,
                      int32_t *ret_dots)
{
    if (dim_count == 6 * BLOCK)
        byte_dots_of(rows, count, x, ret_dots, 6);
    else
        byte_dots_of(rows, count, x, ret_dots, dim_count / BLOCK);
}

const struct px_code_kernels *px_code_kernels__avx512(void)
{
    static const struct px_code_kernels kernels = PX_CODE_KERNELS("avx512");
    return &kernels;
}

#else

const struct px_code_kernels *px_code_kernels__avx512(void)
{
    return NULL;
}

#endif
