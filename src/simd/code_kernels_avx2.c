/* x86-64 with AVX2. */
#include "simd/code_kernels_internal.h"

#if defined(__AVX2__)

#include "simd/code_rotate_internal.h"

#include <immintrin.h>

enum { BLOCK = 32 }; /* dimensions of a register of bytes */

/* Each of 32 bits as a byte of ones or zeros. */
static inline __m256i expand_bits(const uint8_t *signs, size_t block)
{
    const __m256i spread = _mm256_setr_epi64x(0x0000000000000000, 0x0101010101010101,
                                              0x0202020202020202, 0x0303030303030303);
    const __m256i each = _mm256_set1_epi64x((long long)0x8040201008040201);
    __m256i bits = _mm256_set1_epi32((int32_t)px_load_u32(signs + block * 4));
    bits = _mm256_and_si256(_mm256_shuffle_epi8(bits, spread), each);
    return _mm256_cmpeq_epi8(bits, each);
}

static inline int32_t sum_lanes(__m256i a)
{
    __m128i b = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    b = _mm_add_epi32(b, _mm_shuffle_epi32(b, 0x4e));
    b = _mm_add_epi32(b, _mm_shuffle_epi32(b, 0xb1));
    return _mm_cvtsi128_si32(b);
}

static inline __m256i load(const void *at)
{
    return _mm256_loadu_si256((const __m256i *)at);
}

/* Adds the products of neighbouring 16-bit numbers. */
static inline __m256i add_products(__m256i sum, __m256i a, __m256i b)
{
    return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b));
}

/* ---- one bit -------------------------------------------------------------------------------- */

static inline int32_t sign_sum(const uint8_t *signs, const int8_t *query, size_t block_count)
{
    const __m256i ones8 = _mm256_set1_epi8(1), ones16 = _mm256_set1_epi16(1);
    __m256i sum = _mm256_setzero_si256();
    for (size_t b = 0; b < block_count; b++) {
        __m256i q = _mm256_and_si256(expand_bits(signs, b), load(query + b * BLOCK));
        sum = add_products(sum, _mm256_maddubs_epi16(ones8, q), ones16);
    }
    return sum_lanes(sum);
}

/* ---- nine bits ------------------------------------------------------------------------------ */

/* x as 16 bits times y, sign-extended. */
static inline __m256i add_bytes(__m256i sum, __m256i unsigned_bytes, __m256i signed_bytes)
{
    __m256i a = _mm256_cvtepu8_epi16(_mm256_castsi256_si128(unsigned_bytes));
    __m256i b = _mm256_cvtepi8_epi16(_mm256_castsi256_si128(signed_bytes));
    sum = add_products(sum, a, b);
    a = _mm256_cvtepu8_epi16(_mm256_extracti128_si256(unsigned_bytes, 1));
    b = _mm256_cvtepi8_epi16(_mm256_extracti128_si256(signed_bytes, 1));
    return add_products(sum, a, b);
}

static inline __m256i negate_where(__m256i x, __m256i mask)
{
    return _mm256_sub_epi8(_mm256_xor_si256(x, mask), mask);
}

static inline int64_t signed_dot(const uint8_t *signs, const uint8_t *magnitudes,
                                 const int8_t *high, const int8_t *low, size_t block_count)
{
    __m256i high_sum = _mm256_setzero_si256(), low_sum = high_sum;
    for (size_t b = 0; b < block_count; b++) {
        __m256i negative = expand_bits(signs, b), x = load(magnitudes + b * BLOCK);
        high_sum = add_bytes(high_sum, x, negate_where(load(high + b * BLOCK), negative));
        low_sum = add_bytes(low_sum, x, negate_where(load(low + b * BLOCK), negative));
    }
    return (int64_t)sum_lanes(high_sum) * 128 + sum_lanes(low_sum);
}

/* ---- planes --------------------------------------------------------------------------------- */

/* first + scale * t of a register's dimensions. */
static inline __m256i upper_of(const uint8_t *signs, size_t block, size_t block_count,
                               size_t plane_count, int first, int scale)
{
    __m256i upper = _mm256_set1_epi8((char)first);
    for (size_t p = 1; p < plane_count; p++) {
        __m256i bits = expand_bits(signs + p * block_count * (BLOCK / 8), block);
        __m256i weight = _mm256_set1_epi8((char)(scale << (p - 1)));
        upper = _mm256_add_epi8(upper, _mm256_and_si256(bits, weight));
    }
    return upper;
}

/* Adds the products with a query, negative where the sign is. Two of them fit into 16 bits, since
 * no byte of `upper` is above 63. */
static inline __m256i add_turned(__m256i sum, __m256i upper, const int8_t *query,
                                 const uint8_t *signs, size_t block)
{
    __m256i q = negate_where(load(query + block * BLOCK), expand_bits(signs, block));
    return add_products(sum, _mm256_maddubs_epi16(upper, q), _mm256_set1_epi16(1));
}

static inline int32_t plane_sum(const uint8_t *signs, const int8_t *query, size_t block_count,
                                size_t plane_count)
{
    __m256i sum = _mm256_setzero_si256();
    for (size_t b = 0; b < block_count; b++)
        sum = add_turned(sum, upper_of(signs, b, block_count, plane_count, 1, 2), query, signs, b);
    return sum_lanes(sum);
}

/* The part of a dot product that the lower bytes of magnitudes do not hold. */
static inline int64_t upper_dot(const uint8_t *signs, const int8_t *high, const int8_t *low,
                                size_t block_count, size_t plane_count)
{
    __m256i high_sum = _mm256_setzero_si256(), low_sum = high_sum;
    for (size_t b = 0; b < block_count; b++) {
        __m256i upper = upper_of(signs, b, block_count, plane_count, 0, 1);
        high_sum = add_turned(high_sum, upper, high, signs, b);
        low_sum = add_turned(low_sum, upper, low, signs, b);
    }
    return (int64_t)sum_lanes(high_sum) * 128 + sum_lanes(low_sum);
}

/* ---- bytes ---------------------------------------------------------------------------------- */

static void bytes_of(const struct px_sign_codes *codes, uint32_t index, uint8_t *ret_bytes)
{
    const uint8_t *signs = codes->signs + index * codes->sign_stride;
    const uint8_t *magnitudes = codes->magnitudes + index * codes->magnitude_stride;
    const __m256i most = _mm256_set1_epi8(127), zero = _mm256_setzero_si256();
    const size_t block_count = codes->dim_count / BLOCK, upper_count = codes->plane_count - 1;
    const __m256i kept = _mm256_set1_epi8((char)(255 >> upper_count));
    const __m128i shift = _mm_cvtsi32_si128((int)upper_count);
    for (size_t b = 0; b < block_count; b++) {
        __m256i half = _mm256_srl_epi16(load(magnitudes + b * BLOCK), shift);
        half = _mm256_and_si256(half, kept);
        half = _mm256_or_si256(
            half, upper_of(signs, b, block_count, codes->plane_count, 0, 256 >> upper_count));
        half = _mm256_avg_epu8(half, zero);
        half = negate_where(_mm256_min_epu8(half, most), expand_bits(signs, b));
        _mm256_storeu_si256((__m256i *)(ret_bytes + b * BLOCK),
                            _mm256_xor_si256(half, _mm256_set1_epi8((char)128)));
    }
}

static inline int32_t byte_dot(const uint8_t *row, const uint8_t *x, size_t block_count)
{
    const __m256i offset = _mm256_set1_epi8((char)128);
    __m256i sum = _mm256_setzero_si256();
    for (size_t b = 0; b < block_count; b++) {
        __m256i a = _mm256_xor_si256(load(row + b * BLOCK), offset);
        __m256i c = _mm256_xor_si256(load(x + b * BLOCK), offset);
        sum = add_products(sum, _mm256_cvtepi8_epi16(_mm256_castsi256_si128(a)),
                           _mm256_cvtepi8_epi16(_mm256_castsi256_si128(c)));
        sum = add_products(sum, _mm256_cvtepi8_epi16(_mm256_extracti128_si256(a, 1)),
                           _mm256_cvtepi8_epi16(_mm256_extracti128_si256(c, 1)));
    }
    return sum_lanes(sum);
}

#include "simd/code_loops_internal.h"

const struct px_code_kernels *px_code_kernels__avx2(void)
{
    static const struct px_code_kernels kernels = PX_CODE_KERNELS("avx2");
    return &kernels;
}

#else

const struct px_code_kernels *px_code_kernels__avx2(void)
{
    return NULL;
}

#endif
