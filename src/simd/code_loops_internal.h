/*
 * code_loops_internal: px_code_kernels.sign_sums, plane_sums, signed_dots and byte_dots, written
 * once in terms of sign_sum(), plane_sum(), signed_dot(), upper_dot() and byte_dot(), which take
 * one code, and BLOCK, the dimensions that these take at a time. For levels that have nothing
 * better.
 */
#ifndef PX_SIMD_CODE_LOOPS_INTERNAL_H
#define PX_SIMD_CODE_LOOPS_INTERNAL_H

static void sign_sums(const struct px_sign_codes *codes, const uint32_t *indexes, size_t count,
                      const int8_t *query, int32_t *ret_sums)
{
    for (size_t i = 0; i < count; i++)
        ret_sums[i] = sign_sum(codes->signs + indexes[i] * codes->sign_stride, query,
                               codes->dim_count / BLOCK);
}

static void plane_sums(const struct px_sign_codes *codes, const uint32_t *indexes, size_t count,
                       const int8_t *query, int32_t *ret_sums)
{
    for (size_t i = 0; i < count; i++)
        ret_sums[i] = plane_sum(codes->signs + indexes[i] * codes->sign_stride, query,
                                codes->dim_count / BLOCK, codes->plane_count);
}

static void signed_dots(const struct px_sign_codes *codes, const uint32_t *indexes, size_t count,
                        const int8_t *high, const int8_t *low, int64_t *ret_dots)
{
    size_t block_count = codes->dim_count / BLOCK;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *signs = codes->signs + indexes[i] * codes->sign_stride;
        ret_dots[i] = signed_dot(signs, codes->magnitudes + indexes[i] * codes->magnitude_stride,
                                 high, low, block_count);
        if (codes->plane_count > 1)
            ret_dots[i] += 256 * upper_dot(signs, high, low, block_count, codes->plane_count);
    }
}

static void byte_dots(const uint8_t *const *rows, size_t count, size_t dim_count, const uint8_t *x,
                      int32_t *ret_dots)
{
    for (size_t i = 0; i < count; i++)
        ret_dots[i] = byte_dot(rows[i], x, dim_count / BLOCK);
}

#endif /* PX_SIMD_CODE_LOOPS_INTERNAL_H */
