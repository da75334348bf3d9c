/* ARMv8 with NEON, which every 64-bit ARM CPU has. */
#include "simd/kernels_internal.h"

#if defined(__aarch64__)

#include "base/bits.h"

#include <arm_neon.h>

typedef float32x4_t vec;

enum { LANES = 4, QUERY_TILE = 4, PANEL_VECS = 4, PANEL_ROWS = 6 };

static inline vec vec_zero(void)
{
    return vdupq_n_f32(0.0f);
}

static inline vec vec_load(const void *at)
{
    return vreinterpretq_f32_u8(vld1q_u8(at));
}

static inline vec vec_set(const void *at)
{
    return vdupq_n_f32(px_load_f32(at));
}

static inline void vec_store(float *at, vec a)
{
    vst1q_f32(at, a);
}

static inline vec vec_load_tail(const void *at, size_t count)
{
    float padded[LANES] = {0};
    memcpy(padded, at, count * sizeof(float));
    return vld1q_f32(padded);
}

static inline vec vec_add(vec a, vec b)
{
    return vaddq_f32(a, b);
}

static inline vec vec_sub(vec a, vec b)
{
    return vsubq_f32(a, b);
}

static inline vec vec_multiply(vec a, vec b)
{
    return vmulq_f32(a, b);
}

static inline vec vec_binade(vec a, vec least)
{
    uint32x4_t exponent = vandq_u32(vreinterpretq_u32_f32(a), vdupq_n_u32(PX_F32_EXPONENT));
    return vmaxq_f32(vreinterpretq_f32_u32(exponent), least);
}

static inline vec vec_add_product(vec sum, vec a, vec b)
{
    return vfmaq_f32(sum, a, b);
}

static inline float vec_sum(vec a)
{
    return vaddvq_f32(a);
}

static inline void vec_sum_four(const vec *a, float *ret)
{
    vst1q_f32(ret, vpaddq_f32(vpaddq_f32(a[0], a[1]), vpaddq_f32(a[2], a[3])));
}

#include "simd/kernels_body_internal.h"
#include "simd/kernels_round_internal.h"

const struct px_kernels *px_kernels__neon(void)
{
    static const struct px_kernels kernels = {
        .name = "neon",
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
    return &kernels;
}

#else

const struct px_kernels *px_kernels__neon(void)
{
    return NULL;
}

#endif
