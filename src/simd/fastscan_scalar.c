/* The portable level: what the sums are by definition. */
#include "simd/fastscan_internal.h"

#include "base/bits.h"

static uint32_t sum_row(const uint8_t *bytes, const uint8_t *tables, size_t dim_count)
{
    const uint8_t *low = tables, *high = tables + 2 * dim_count;
    uint32_t sum = 0;
    for (size_t j = 0; j < dim_count / 8; j++, low += 16, high += 16) {
        uint8_t byte = bytes[j * PX_FASTSCAN_HALF];
        sum += (uint32_t)low[byte & 15] + high[byte >> 4];
    }
    return sum;
}

static void estimate(const uint8_t *codes, const uint8_t *tables, size_t dim_count,
                     const struct px_fastscan_scale *scale, float *ret_values)
{
    for (size_t row = 0; row < PX_FASTSCAN_ROWS; row++) {
        const uint8_t *half = codes + row / PX_FASTSCAN_HALF * 2 * dim_count;
        float sum = (float)sum_row(half + row % PX_FASTSCAN_HALF, tables, dim_count);
        float product = px_load_f32(scale->rescales + row) * (sum * scale->unit + scale->offset);
        ret_values[row] = px_load_f32(scale->adds + row) - product;
    }
}

static uint32_t select_rows(const uint8_t *codes, const uint8_t *tables, size_t dim_count,
                            const struct px_fastscan_scale *scale, float limit)
{
    uint32_t mask = 0;
    float values[PX_FASTSCAN_ROWS];
    estimate(codes, tables, dim_count, scale, values);
    for (size_t row = 0; row < PX_FASTSCAN_ROWS; row++)
        mask |= (uint32_t) !(values[row] > limit) << row;
    return mask;
}

static void byte_dots(const struct px_byte_rows *rows, const uint32_t *indexes, size_t count,
                      const int8_t *high, const int8_t *low, int64_t *ret_dots)
{
    for (size_t i = 0; i < count; i++) {
        const uint8_t *row = rows->bytes + (indexes != NULL ? indexes[i] : i) * rows->stride;
        int64_t dot = 0;
        for (size_t j = 0; j < rows->dim_count; j++)
            dot += (128 * high[j] + low[j]) * row[j];
        ret_dots[i] = dot;
    }
}

const struct px_fastscan *px_fastscan__scalar(void)
{
    static const struct px_fastscan fastscan = {
        .name = "scalar", .select = select_rows, .estimate = estimate, .byte_dots = byte_dots};
    return &fastscan;
}
