/* x86-64 with AVX-512 F, BW, DQ, VL and VNNI: Intel from 2019 on, AMD from Zen 4 on. This file
 * alone gets the -m flags. */
#include "simd/kernels_internal.h"

#if defined(__AVX512F__) && defined(__AVX512VNNI__)

#include "base/bits.h"

#include <immintrin.h>

typedef __m512 vec;

enum { LANES = 16, QUERY_TILE = 4, PANEL_VECS = 4, PANEL_ROWS = 6 };

static inline vec vec_zero(void)
{
    return _mm512_setzero_ps();
}

static inline vec vec_load(const void *at)
{
    return _mm512_loadu_ps(at);
}

static inline vec vec_set(const void *at)
{
    return _mm512_set1_ps(px_load_f32(at));
}

static inline void vec_store(float *at, vec a)
{
    _mm512_storeu_ps(at, a);
}

static inline vec vec_load_tail(const void *at, size_t count)
{
    return _mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), at);
}

static inline vec vec_add(vec a, vec b)
{
    return _mm512_add_ps(a, b);
}

static inline vec vec_sub(vec a, vec b)
{
    return _mm512_sub_ps(a, b);
}

static inline vec vec_multiply(vec a, vec b)
{
    return _mm512_mul_ps(a, b);
}

static inline vec vec_binade(vec a, vec least)
{
    vec exponent = _mm512_castsi512_ps(_mm512_set1_epi32(PX_F32_EXPONENT));
    return _mm512_max_ps(_mm512_and_ps(a, exponent), least);
}

static inline vec vec_add_product(vec sum, vec a, vec b)
{
    return _mm512_fmadd_ps(a, b, sum);
}

static inline __m256 fold(vec a)
{
    return _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
}

static inline void vec_sum_four(const vec *a, float *ret)
{
    __m256 pairs = _mm256_hadd_ps(_mm256_hadd_ps(fold(a[0]), fold(a[1])),
                                  _mm256_hadd_ps(fold(a[2]), fold(a[3])));
    _mm_storeu_ps(ret, _mm_add_ps(_mm256_castps256_ps128(pairs), _mm256_extractf128_ps(pairs, 1)));
}

static inline float vec_sum(vec a)
{
    return _mm512_reduce_add_ps(a);
}

#include "simd/kernels_body_internal.h"
#include "simd/kernels_round_internal.h"

static bool cpu_has_level(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512vnni");
}

const struct px_kernels *px_kernels__avx512(void)
{
    static const struct px_kernels kernels = {
        .name = "avx512",
        .partial_sum_count = LANES,
        .norm_squared = norm_squared,
        .dot_and_norm = dot_and_norm,
        .l2_squared = l2_squared,
        .dot_matrix = dot_matrix,
        .l2_matrix = l2_matrix,
        .panel_width = PANEL_WIDTH,
        .dot_panel = dot_panel,
        .round_to_grid = round_to_grid,
    };
    return cpu_has_level() ? &kernels : NULL;
}

#else

const struct px_kernels *px_kernels__avx512(void)
{
    return NULL;
}

#endif
