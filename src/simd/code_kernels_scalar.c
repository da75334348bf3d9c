/* The portable level: what the sums are by definition. */
#include "simd/code_kernels_internal.h"

#include "simd/code_rotate_internal.h"

static inline bool is_set(const uint8_t *bits, size_t index)
{
    return (bits[index / 8] >> index % 8 & 1) != 0;
}

/* What the planes behind the signs say of a magnitude. */
static inline int32_t upper_of(const struct px_sign_codes *codes, const uint8_t *signs,
                               size_t index)
{
    int32_t upper = 0;
    for (size_t p = 1; p < codes->plane_count; p++)
        upper |= is_set(signs + p * codes->dim_count / 8, index) << (p - 1);
    return upper;
}

static void sign_sums(const struct px_sign_codes *codes, const uint32_t *indexes, size_t count,
                      const int8_t *query, int32_t *ret_sums)
{
    for (size_t i = 0; i < count; i++) {
        const uint8_t *signs = codes->signs + indexes[i] * codes->sign_stride;
        int32_t sum = 0;
        for (size_t j = 0; j < codes->dim_count; j++)
            sum += is_set(signs, j) ? query[j] : 0;
        ret_sums[i] = sum;
    }
}

static void plane_sums(const struct px_sign_codes *codes, const uint32_t *indexes, size_t count,
                       const int8_t *query, int32_t *ret_sums)
{
    for (size_t i = 0; i < count; i++) {
        const uint8_t *signs = codes->signs + indexes[i] * codes->sign_stride;
        int32_t sum = 0;
        for (size_t j = 0; j < codes->dim_count; j++) {
            int32_t product = query[j] * (2 * upper_of(codes, signs, j) + 1);
            sum += is_set(signs, j) ? -product : product;
        }
        ret_sums[i] = sum;
    }
}

static void signed_dots(const struct px_sign_codes *codes, const uint32_t *indexes, size_t count,
                        const int8_t *high, const int8_t *low, int64_t *ret_dots)
{
    for (size_t i = 0; i < count; i++) {
        const uint8_t *signs = codes->signs + indexes[i] * codes->sign_stride;
        const uint8_t *magnitudes = codes->magnitudes + indexes[i] * codes->magnitude_stride;
        int64_t dot = 0;
        for (size_t j = 0; j < codes->dim_count; j++) {
            int32_t magnitude = 256 * upper_of(codes, signs, j) + magnitudes[j];
            int32_t product = (128 * high[j] + low[j]) * magnitude;
            dot += is_set(signs, j) ? -product : product;
        }
        ret_dots[i] = dot;
    }
}

static void bytes_of(const struct px_sign_codes *codes, uint32_t index, uint8_t *ret_bytes)
{
    const uint8_t *signs = codes->signs + index * codes->sign_stride;
    const uint8_t *magnitudes = codes->magnitudes + index * codes->magnitude_stride;
    for (size_t j = 0; j < codes->dim_count; j++) {
        int32_t magnitude = 256 * upper_of(codes, signs, j) + magnitudes[j];
        int32_t byte = ((magnitude >> (codes->plane_count - 1)) + 1) / 2;
        byte = byte > 127 ? 127 : byte;
        ret_bytes[j] = (uint8_t)(128 + (is_set(signs, j) ? -byte : byte));
    }
}

static void byte_dots(const uint8_t *const *rows, size_t count, size_t dim_count, const uint8_t *x,
                      int32_t *ret_dots)
{
    for (size_t i = 0; i < count; i++) {
        int32_t dot = 0;
        for (size_t j = 0; j < dim_count; j++)
            dot += (rows[i][j] - 128) * (x[j] - 128);
        ret_dots[i] = dot;
    }
}

const struct px_code_kernels *px_code_kernels__scalar(void)
{
    static const struct px_code_kernels kernels = PX_CODE_KERNELS("scalar");
    return &kernels;
}
