/* x86-64 with AVX-512 F and BW. This file alone gets the -m flags. */
#include "simd/unpack_internal.h"

#if defined(__AVX512F__) && defined(__AVX512BW__)

#include <immintrin.h>

typedef __m512i vec;

enum { LANES = 16 };

static inline vec vec_read(const void *at)
{
    return _mm512_loadu_si512(at);
}

static inline vec vec_set(uint32_t value)
{
    return _mm512_set1_epi32((int)value);
}

static inline vec vec_and(vec a, vec b)
{
    return _mm512_and_si512(a, b);
}

static inline vec vec_max(vec a, vec b)
{
    return _mm512_max_epu32(a, b);
}

static inline __m128i load_quarter(const uint8_t *at)
{
    return _mm_loadu_si128((const void *)at);
}

static inline vec vec_load(const uint8_t *at, const size_t *offsets, const uint8_t *shuffle,
                           vec shifts)
{
    vec bytes = _mm512_castsi128_si512(load_quarter(at + offsets[0]));
    bytes = _mm512_inserti32x4(bytes, load_quarter(at + offsets[1]), 1);
    bytes = _mm512_inserti32x4(bytes, load_quarter(at + offsets[2]), 2);
    bytes = _mm512_inserti32x4(bytes, load_quarter(at + offsets[3]), 3);
    return _mm512_srlv_epi32(_mm512_shuffle_epi8(bytes, vec_read(shuffle)), shifts);
}

static inline void vec_gather(const void *table, vec codes, float *ret)
{
    _mm512_storeu_ps(ret, _mm512_i32gather_ps(codes, table, sizeof *ret));
}

static inline uint32_t vec_greatest(vec a)
{
    return _mm512_reduce_max_epu32(a);
}

#include "simd/unpack_body_internal.h"

const struct px_unpack *px_unpack__avx512(void)
{
    static const struct px_unpack unpack = {
        .name = "avx512", .look_up = look_up, .greatest = greatest};
    return &unpack;
}

#else

const struct px_unpack *px_unpack__avx512(void)
{
    return NULL;
}

#endif
