/* x86-64 with AVX-512 F, BW, DQ, VL and VNNI. */
#include "simd/code_kernels_internal.h"

#if defined(__AVX512F__) && defined(__AVX512VNNI__)

#include "simd/code_rotate_internal.h"

#include <immintrin.h>

enum { BLOCK = 64 }; /* dimensions of a register of bytes */

static inline __mmask64 load_mask(const uint8_t *signs, size_t block)
{
    return px_load_u64(signs + block * 8);
}

/* ---- one bit -------------------------------------------------------------------------------- */

static inline int32_t sign_sum(const uint8_t *signs, const int8_t *query, size_t block_count)
{
    const __m512i ones = _mm512_set1_epi8(1);
    __m512i sum = _mm512_setzero_si512();
    for (size_t b = 0; b < block_count; b++) {
        __m512i q = _mm512_maskz_loadu_epi8(load_mask(signs, b), query + b * BLOCK);
        sum = _mm512_dpbusd_epi32(sum, ones, q);
    }
    return _mm512_reduce_add_epi32(sum);
}

static inline __attribute__((always_inline)) void
sign_sums_of(const struct px_sign_codes *codes, const uint32_t *indexes, size_t count,
             const int8_t *query, int32_t *ret_sums, size_t block_count)
{
    for (size_t i = 0; i < count; i++)
        ret_sums[i] = sign_sum(codes->signs + indexes[i] * codes->sign_stride, query, block_count);
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

/* ---- nine bits ------------------------------------------------------------------------------ */

static inline int64_t signed_dot(const uint8_t *signs, const uint8_t *magnitudes,
                                 const int8_t *high, const int8_t *low, size_t block_count)
{
    const __m512i zero = _mm512_setzero_si512();
    __m512i high_sum = zero, low_sum = zero;
    for (size_t b = 0; b < block_count; b++) {
        __mmask64 negative = load_mask(signs, b);
        __m512i x = _mm512_loadu_si512(magnitudes + b * BLOCK);
        __m512i h = _mm512_loadu_si512(high + b * BLOCK), l = _mm512_loadu_si512(low + b * BLOCK);
        high_sum = _mm512_dpbusd_epi32(high_sum, x, _mm512_mask_sub_epi8(h, negative, zero, h));
        low_sum = _mm512_dpbusd_epi32(low_sum, x, _mm512_mask_sub_epi8(l, negative, zero, l));
    }
    return (int64_t)_mm512_reduce_add_epi32(high_sum) * 128 + _mm512_reduce_add_epi32(low_sum);
}

static inline __attribute__((always_inline)) void
signed_dots_of(const struct px_sign_codes *codes, const uint32_t *indexes, size_t count,
               const int8_t *high, const int8_t *low, int64_t *ret_dots, size_t block_count)
{
    for (size_t i = 0; i < count; i++)
        ret_dots[i] = signed_dot(codes->signs + indexes[i] * codes->sign_stride,
                                 codes->magnitudes + indexes[i] * codes->magnitude_stride, high,
                                 low, block_count);
}

static void signed_dots(const struct px_sign_codes *codes, const uint32_t *indexes, size_t count,
                        const int8_t *high, const int8_t *low, int64_t *ret_dots)
{
    size_t block_count = codes->dim_count / BLOCK;
    if (block_count == 2)
        signed_dots_of(codes, indexes, count, high, low, ret_dots, 2);
    else if (block_count == 6)
        signed_dots_of(codes, indexes, count, high, low, ret_dots, 6);
    else
        signed_dots_of(codes, indexes, count, high, low, ret_dots, block_count);
}

/* ---- bytes ---------------------------------------------------------------------------------- */

static void bytes_of(const struct px_sign_codes *codes, uint32_t index, int8_t *ret_bytes)
{
    const uint8_t *signs = codes->signs + index * codes->sign_stride;
    const uint8_t *magnitudes = codes->magnitudes + index * codes->magnitude_stride;
    const __m512i most = _mm512_set1_epi8(127), zero = _mm512_setzero_si512();
    for (size_t b = 0; b < codes->dim_count / BLOCK; b++) {
        __m512i half = _mm512_avg_epu8(_mm512_loadu_si512(magnitudes + b * BLOCK), zero);
        half = _mm512_min_epu8(half, most);
        _mm512_storeu_si512(ret_bytes + b * BLOCK,
                            _mm512_mask_sub_epi8(half, load_mask(signs, b), zero, half));
    }
}

static inline int32_t byte_dot(const uint8_t *row, const int8_t *x, size_t block_count,
                               int32_t offset)
{
    __m512i sum = _mm512_setzero_si512();
    for (size_t b = 0; b < block_count; b++)
        sum = _mm512_dpbusd_epi32(sum, _mm512_loadu_si512(row + b * BLOCK),
                                  _mm512_loadu_si512(x + b * BLOCK));
    return _mm512_reduce_add_epi32(sum) - offset;
}

static inline int32_t sum_of(const int8_t *x, size_t block_count)
{
    const __m512i ones = _mm512_set1_epi8(1);
    __m512i sum = _mm512_setzero_si512();
    for (size_t b = 0; b < block_count; b++)
        sum = _mm512_dpbusd_epi32(sum, ones, _mm512_loadu_si512(x + b * BLOCK));
    return _mm512_reduce_add_epi32(sum);
}

static void byte_dots(const uint8_t *rows, size_t stride, size_t count, size_t dim_count,
                      const int8_t *x, int32_t *ret_dots)
{
    size_t block_count = dim_count / BLOCK;
    int32_t offset = 128 * sum_of(x, block_count);
    for (size_t i = 0; i < count; i++, rows += stride)
        ret_dots[i] = byte_dot(rows, x, block_count, offset);
}

const struct px_code_kernels *px_code_kernels__avx512(void)
{
    static const struct px_code_kernels kernels = {.name = "avx512",
                                                   .sign_sums = sign_sums,
                                                   .signed_dots = signed_dots,
                                                   .bytes_of = bytes_of,
                                                   .byte_dots = byte_dots,
                                                   .rotate = rotate};
    return &kernels;
}

#else

const struct px_code_kernels *px_code_kernels__avx512(void)
{
    return NULL;
}

#endif
