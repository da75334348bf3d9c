/* x86-64 with AVX2 and FMA: Intel from 2013, AMD from 2015 on. This file alone gets the -m flags.
 * */
#include "simd/kernels_internal.h"

#if defined(__AVX2__) && defined(__FMA__)

#include "base/bits.h"

#include <immintrin.h>

typedef __m256 vec;

/* 3 * 4 sums, 3 of the 4 rows' vectors and a query's fill the sixteen registers. */
enum { LANES = 8, QUERY_TILE = 3, PANEL_VECS = 2, PANEL_ROWS = 6 };

static inline vec vec_zero(void)
{
    return _mm256_setzero_ps();
}

static inline vec vec_load(const void *at)
{
    return _mm256_loadu_ps(at);
}

static inline vec vec_set(const void *at)
{
    return _mm256_set1_ps(px_load_f32(at));
}

static inline void vec_store(float *at, vec a)
{
    _mm256_storeu_ps(at, a);
}

static inline vec vec_load_tail(const void *at, size_t count)
{
    __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    __m256i mask = _mm256_cmpgt_epi32(_mm256_set1_epi32((int)count), lane);
    return _mm256_maskload_ps(at, mask);
}

static inline vec vec_add(vec a, vec b)
{
    return _mm256_add_ps(a, b);
}

static inline vec vec_sub(vec a, vec b)
{
    return _mm256_sub_ps(a, b);
}

static inline vec vec_multiply(vec a, vec b)
{
    return _mm256_mul_ps(a, b);
}

static inline vec vec_binade(vec a, vec least)
{
    vec exponent = _mm256_castsi256_ps(_mm256_set1_epi32(PX_F32_EXPONENT));
    return _mm256_max_ps(_mm256_and_ps(a, exponent), least);
}

static inline vec vec_add_product(vec sum, vec a, vec b)
{
    return _mm256_fmadd_ps(a, b, sum);
}

static inline void vec_sum_four(const vec *a, float *ret)
{
    __m256 pairs = _mm256_hadd_ps(_mm256_hadd_ps(a[0], a[1]), _mm256_hadd_ps(a[2], a[3]));
    _mm_storeu_ps(ret, _mm_add_ps(_mm256_castps256_ps128(pairs), _mm256_extractf128_ps(pairs, 1)));
}

static inline float vec_sum(vec a)
{
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

#include "simd/kernels_body_internal.h"
#include "simd/kernels_round_internal.h"

const struct px_kernels *px_kernels__avx2(void)
{
    static const struct px_kernels kernels = {
        .name = "avx2",
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
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &kernels : NULL;
}

#else

const struct px_kernels *px_kernels__avx2(void)
{
    return NULL;
}

#endif
