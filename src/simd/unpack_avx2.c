/* x86-64 with AVX2. This file alone gets the -m flags. */
#include "simd/unpack_internal.h"

#if defined(__AVX2__)

#include <immintrin.h>

typedef __m256i vec;

enum { LANES = 8 };

static inline vec vec_read(const void *at)
{
    return _mm256_loadu_si256(at);
}

static inline vec vec_set(uint32_t value)
{
    return _mm256_set1_epi32((int)value);
}

static inline vec vec_and(vec a, vec b)
{
    return _mm256_and_si256(a, b);
}

static inline vec vec_max(vec a, vec b)
{
    return _mm256_max_epu32(a, b);
}

static inline vec vec_load(const uint8_t *at, const size_t *offsets, const uint8_t *shuffle,
                           vec shifts)
{
    __m128i low = _mm_loadu_si128((const void *)(at + offsets[0]));
    __m128i high = _mm_loadu_si128((const void *)(at + offsets[1]));
    vec bytes = _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
    return _mm256_srlv_epi32(_mm256_shuffle_epi8(bytes, vec_read(shuffle)), shifts);
}

static inline void vec_gather(const void *table, vec codes, float *ret)
{
    _mm256_storeu_ps(ret, _mm256_i32gather_ps(table, codes, sizeof *ret));
}

static inline uint32_t vec_greatest(vec a)
{
    __m128i four = _mm_max_epu32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    __m128i two = _mm_max_epu32(four, _mm_shuffle_epi32(four, _MM_SHUFFLE(1, 0, 3, 2)));
    __m128i one = _mm_max_epu32(two, _mm_shuffle_epi32(two, _MM_SHUFFLE(2, 3, 0, 1)));
    return (uint32_t)_mm_cvtsi128_si32(one);
}

#include "simd/unpack_body_internal.h"

const struct px_unpack *px_unpack__avx2(void)
{
    static const struct px_unpack unpack = {
        .name = "avx2", .look_up = look_up, .greatest = greatest};
    return &unpack;
}

#else

const struct px_unpack *px_unpack__avx2(void)
{
    return NULL;
}

#endif
