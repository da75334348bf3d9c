/*
 * The portable level: four lanes by the compiler's own vector type, which every CPU that we build
 * for has registers for, and which plain instructions stand in for elsewhere.
 */
#include "simd/kernels_internal.h"

#include "base/bits.h"

typedef float vec __attribute__((vector_size(16)));
typedef int32_t ivec __attribute__((vector_size(16)));

enum { LANES = 4, QUERY_TILE = 2, PANEL_VECS = 2, PANEL_ROWS = 4 };

static inline vec vec_zero(void)
{
    return (vec){0};
}

static inline vec vec_load(const void *at)
{
    vec value;
    memcpy(&value, at, sizeof value);
    return value;
}

static inline vec vec_set(const void *at)
{
    float value = px_load_f32(at);
    return (vec){value, value, value, value};
}

static inline void vec_store(float *at, vec a)
{
    memcpy(at, &a, sizeof a);
}

static inline vec vec_load_tail(const void *at, size_t count)
{
    vec value = {0};
    memcpy(&value, at, count * sizeof(float));
    return value;
}

static inline vec vec_add(vec a, vec b)
{
    return a + b;
}

static inline vec vec_sub(vec a, vec b)
{
    return a - b;
}

static inline vec vec_multiply(vec a, vec b)
{
    return a * b;
}

static inline vec vec_binade(vec a, vec least)
{
    ivec exponent = (ivec)a & PX_F32_EXPONENT;
    ivec is_larger = exponent > (ivec)least; /* as numbers: neither is negative */
    return (vec)((exponent & is_larger) | ((ivec)least & ~is_larger));
}

static inline vec vec_add_product(vec sum, vec a, vec b)
{
    return sum + a * b;
}

static inline float vec_sum(vec a)
{
    return (a[0] + a[2]) + (a[1] + a[3]);
}

static inline void vec_sum_four(const vec *a, float *ret)
{
    for (int i = 0; i < 4; i++)
        ret[i] = vec_sum(a[i]);
}

#include "simd/kernels_body_internal.h"
#include "simd/kernels_round_internal.h"

const struct px_kernels *px_kernels__scalar(void)
{
    static const struct px_kernels kernels = {
        .name = "scalar",
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
