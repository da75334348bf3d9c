#include "axis/graph_steps_internal.h"

#include "simd/distance.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

/* How much larger than the sample's a norm may be under dot. */
static const double norm_margin = 1.1;

/* ---- learning ------------------------------------------------------------------------------- */

/* What a vector is multiplied by before the mean is taken off. */
static float factor_of(const struct px_graph *graph, const void *vector)
{
    if (graph->config.metric != PROXIMADB_COSINE)
        return graph->unit;
    float norm_squared = px_kernels_get()->norm_squared(vector, graph->config.dim_count);
    return norm_squared > 0 ? 1 / sqrtf(norm_squared) : 0;
}

/* Unit and largest norm. Rows count about 1 in units, so that no sum of squares overflows or
 * underflows. */
static void learn_norms(struct px_graph *graph, const struct px_rows *sample)
{
    double sum = 0, most = 0;
    for (size_t i = 0; i < sample->row_count; i++) {
        double norm = px_norm_squared_exact(
            (const uint8_t *)sample->data + i * sample->stride_bytes, sample->dim_count);
        sum += norm / (double)sample->row_count;
        most = norm > most ? norm : most;
    }
    if (graph->config.metric != PROXIMADB_COSINE && sum > 0 && isfinite(sum)) {
        int exponent;
        (void)frexp(sqrt(sum), &exponent);
        graph->unit = (float)ldexp(1, exponent < -120 ? 120 : exponent > 120 ? -120 : -exponent);
    }
    most *= (double)graph->unit * graph->unit * norm_margin * norm_margin;
    graph->most_norm = (float)(most > 0 ? most : 1);
}

int px_graph__learn(struct px_graph *graph, const struct px_rows *sample,
                    struct proximadb_error *reterr)
{
    size_t dim_count = graph->config.dim_count;
    if (sample == NULL || sample->row_count == 0) {
        graph->most_norm = 1;
        return PROXIMADB_OK;
    }
    assert(sample->dim_count == dim_count);
    learn_norms(graph, sample);
    double *sums = calloc(dim_count, sizeof *sums);
    if (sums == NULL)
        return px_fail_no_memory(reterr);
    for (size_t i = 0; i < sample->row_count; i++) {
        const uint8_t *row = (const uint8_t *)sample->data + i * sample->stride_bytes;
        double factor = (double)factor_of(graph, row) / (double)sample->row_count;
        for (size_t j = 0; j < dim_count; j++)
            sums[j] += factor * (double)px_load_f32(row + j * sizeof(float));
    }
    for (size_t j = 0; j < dim_count; j++)
        graph->mean[j] = (float)sums[j];
    free(sums);
    px_graph__rotate_mean(graph);
    return PROXIMADB_OK;
}

/* ---- queries -------------------------------------------------------------------------------- */

size_t px_graph__query_bytes(const struct px_graph *graph)
{
    return (size_t)graph->padded * (sizeof(float) + 3);
}

void px_graph__place_query(const struct px_graph *graph, struct px_graph__query *query,
                           uint8_t *memory)
{
    query->vector = (float *)(void *)memory;
    query->bytes = (int8_t *)memory + graph->padded * sizeof(float);
    query->high = query->bytes + graph->padded;
    query->low = query->high + graph->padded;
}

void px_graph__rotate_mean(struct px_graph *graph)
{
    memset(graph->rotated_mean, 0, graph->padded * sizeof *graph->rotated_mean);
    memcpy(graph->rotated_mean, graph->mean, graph->config.dim_count * sizeof *graph->mean);
    px_rotation_apply(&graph->rotation, graph->rotated_mean);
}

/* y = R(vector * factor - mean), and its norm. */
static void rotate(const struct px_graph *graph, const void *vector, float factor,
                   struct px_graph__query *query)
{
    float *y = query->vector;
    size_t dim_count = graph->config.dim_count;
    memcpy(y, vector, dim_count * sizeof *y);
    for (size_t i = 0; i < dim_count; i++)
        y[i] = y[i] * factor - graph->mean[i];
    memset(y + dim_count, 0, (graph->padded - dim_count) * sizeof *y);
    px_rotation_apply(&graph->rotation, y);
    query->norm = px_kernels_get()->norm_squared(y, graph->padded);
}

/* To 8 bits, and to 15 bits in two planes. */
static void quantise(const struct px_graph *graph, struct px_graph__query *query)
{
    float most = graph->kernels->largest(query->vector, graph->padded);
    if (!(most > 0))
        most = 1;
    query->byte_scale = most / 127;
    query->scale = most / 16319;
    query->half_sum = 0.5f * (float)graph->kernels->quantise(query->vector, graph->padded, most,
                                                             query->bytes, query->high, query->low);
}

void px_graph__set_query(const struct px_graph *graph, const void *vector,
                         struct px_graph__query *query)
{
    float factor;
    query->added = 0;
    query->length = 1;
    if (graph->config.metric == PROXIMADB_DOT) {
        /* As long as stored vectors are with their added component: distances then are as under
         * cosine. */
        double norm = sqrt((double)px_kernels_get()->norm_squared(vector, graph->config.dim_count));
        query->length = (float)(norm / sqrt(graph->most_norm));
        factor = query->length > 0 ? 1 / query->length : 0;
    } else {
        factor = factor_of(graph, vector);
    }
    rotate(graph, vector, factor, query);
    quantise(graph, query);
}

int px_graph__set_stored(const struct px_graph *graph, const void *vector,
                         struct px_graph__query *query, struct proximadb_error *reterr)
{
    query->added = 0;
    query->length = 1;
    if (graph->config.metric == PROXIMADB_DOT) {
        double norm = (double)px_kernels_get()->norm_squared(vector, graph->config.dim_count) *
                      graph->unit * graph->unit;
        if (norm > graph->most_norm)
            return px_fail(reterr, PROXIMADB_INVALID,
                           "the vector's norm is %g, the graph was made for norms up to %g",
                           sqrt(norm) / graph->unit, sqrt(graph->most_norm) / graph->unit);
        query->added = (float)sqrt(graph->most_norm - norm);
    }
    rotate(graph, vector, factor_of(graph, vector), query);
    quantise(graph, query);
    query->norm += query->added * query->added;
    return PROXIMADB_OK;
}

bool px_graph__ask(const struct px_graph *graph, struct px_graph__query *query)
{
    const float least_share = 1e-6f; /* of the largest squared norm */
    float norm = (float)graph->most_norm - query->added * query->added;
    if (!(norm > least_share * (float)graph->most_norm))
        return false;
    float factor = sqrtf((float)graph->most_norm / norm);
    for (size_t i = 0; i < graph->padded; i++)
        query->vector[i] = factor * query->vector[i] + (factor - 1) * graph->rotated_mean[i];
    query->norm = px_kernels_get()->norm_squared(query->vector, graph->padded);
    query->added = 0;
    quantise(graph, query);
    return true;
}

/* ---- stored vectors ------------------------------------------------------------------------- */

static int32_t magnitude_of(const struct px_graph *graph, const uint8_t *signs,
                            const uint8_t *magnitudes, size_t index)
{
    int32_t magnitude = magnitudes[index];
    for (uint32_t p = 1; p < graph->plane_count; p++)
        magnitude |= (signs[p * (graph->padded / 8) + index / 8] >> index % 8 & 1) << (7 + p);
    return magnitude;
}

/*
 * What the codes left of y: byte i is (|y[i]| - |y^[i]|) / s + 1/2 in 255ths. Behind the bytes
 * stands what px_graph__factors.norm is with these bits, too.
 */
static void encode_fine(const struct px_graph *graph, const struct px_graph__view *view,
                        const struct px_graph__query *query, float scale, uint32_t slot)
{
    uint8_t *fine = view->fine + slot * view->fine_stride;
    const uint8_t *signs = view->codes.signs + slot * view->codes.sign_stride;
    const uint8_t *magnitudes = view->codes.magnitudes + slot * view->codes.magnitude_stride;
    double norm = 0;
    for (size_t i = 0; i < graph->padded; i++) {
        double x = (double)fabsf(query->vector[i]) / (double)scale;
        double left = x - magnitude_of(graph, signs, magnitudes, i);
        left = left < -0.5 ? -0.5 : left > 0.5 ? 0.5 : left;
        fine[i] = (uint8_t)((left + 0.5) * 255 + 0.5);
        double kept = x - left + (double)fine[i] / 255 - 0.5;
        norm += kept * kept - (x - kept) * (x - kept);
    }
    float whole =
        (float)(norm * (double)scale * (double)scale + (double)query->added * (double)query->added);
    memcpy(fine + graph->padded, &whole, sizeof whole);
}

void px_graph__encode(const struct px_graph *graph, const struct px_graph__view *view,
                      const struct px_graph__query *query, uint32_t slot)
{
    uint8_t *signs = (uint8_t *)(uintptr_t)view->codes.signs + slot * view->codes.sign_stride;
    uint8_t *magnitudes =
        (uint8_t *)(uintptr_t)view->codes.magnitudes + slot * view->codes.magnitude_stride;
    struct px_graph__factors *factors = px_graph__factors(view, slot);
    const float *y = query->vector;
    const int32_t most = (128 << graph->plane_count) - 1;
    float scale = graph->kernels->largest(y, graph->padded) / (float)most;
    if (!(scale > 1e-30f))
        scale = 1e-30f;
    double code_norm = 0, error = 0, sum = 0, norm = 0;
    memset(signs, 0, (size_t)graph->plane_count * (graph->padded / 8));
    float to_magnitude = 1 / scale;
    for (size_t i = 0; i < graph->padded; i++) {
        float x = fabsf(y[i]);
        int32_t magnitude = (int32_t)(x * to_magnitude + 0.5f);
        magnitude = magnitude > most ? most : magnitude;
        magnitudes[i] = (uint8_t)(magnitude & 255);
        signs[i / 8] |= (uint8_t)((y[i] < 0) << i % 8);
        for (uint32_t p = 1; p < graph->plane_count; p++)
            signs[p * (graph->padded / 8) + i / 8] |=
                (uint8_t)((magnitude >> (7 + p) & 1) << i % 8);
        double kept = (double)magnitude * (double)scale, lost = (double)x - kept;
        code_norm += kept * kept;
        error += lost * lost;
        norm += (double)x * (double)x;
        sum += (double)x * (0.5 + (double)(magnitude >> 8));
    }
    uint32_t bits;
    memcpy(&bits, &scale, sizeof bits);
    factors->sign_factor = sum > 0 ? (float)(norm / sum) : 0;
    factors->norm = (float)(code_norm - error + (double)query->added * (double)query->added);
    factors->added = query->added;
    atomic_store_explicit(&factors->scale, bits, memory_order_relaxed);
    if (view->fine_stride > 0)
        encode_fine(graph, view, query, scale, slot);
}

void px_graph__set_slot(const struct px_graph *graph, const struct px_graph__view *view,
                        uint32_t slot, struct px_graph__query *query)
{
    const uint8_t *signs = view->codes.signs + slot * view->codes.sign_stride;
    const uint8_t *magnitudes = view->codes.magnitudes + slot * view->codes.magnitude_stride;
    const struct px_graph__factors *factors = px_graph__factors(view, slot);
    float scale = px_graph__scale(view, slot);
    for (size_t i = 0; i < graph->padded; i++) {
        float x = (float)magnitude_of(graph, signs, magnitudes, i) * scale;
        query->vector[i] = (signs[i / 8] >> i % 8 & 1) != 0 ? -x : x;
    }
    query->added = factors->added;
    query->length = 1;
    query->norm =
        px_kernels_get()->norm_squared(query->vector, graph->padded) + query->added * query->added;
    quantise(graph, query);
}

/* ---- distances ------------------------------------------------------------------------------ */

void px_graph__estimate(const struct px_graph *graph, const struct px_graph__view *view,
                        const struct px_graph__query *query, const uint32_t *slots, size_t count,
                        float *ret_distances)
{
    int32_t sums[PX_GRAPH__MOST_SEEDS];
    assert(count <= PX_GRAPH__MOST_SEEDS);
    float offset = query->half_sum, factor = 2 * query->byte_scale;
    if (graph->plane_count > 1) { /* twice the product, and not what is to be taken off */
        graph->kernels->plane_sums(&view->codes, slots, count, query->bytes, sums);
        offset = 0;
        factor = -query->byte_scale;
    } else {
        graph->kernels->sign_sums(&view->codes, slots, count, query->bytes, sums);
    }
    for (size_t i = 0; i < count; i++) {
        const struct px_graph__factors *factors = px_graph__factors(view, slots[i]);
        float dot = factors->sign_factor * (offset - (float)sums[i]) * factor;
        ret_distances[i] = query->norm + factors->norm - dot - 2 * query->added * factors->added;
    }
}

void px_graph__measure(const struct px_graph *graph, const struct px_graph__view *view,
                       const struct px_graph__query *query, const uint32_t *slots, size_t count,
                       float *ret_distances)
{
    int64_t dots[PX_GRAPH__MOST_DEGREE];
    assert(count <= PX_GRAPH__MOST_DEGREE);
    graph->kernels->signed_dots(&view->codes, slots, count, query->high, query->low, dots);
    for (size_t i = 0; i < count; i++) {
        const struct px_graph__factors *factors = px_graph__factors(view, slots[i]);
        float dot = (float)dots[i] * px_graph__scale(view, slots[i]) * query->scale;
        ret_distances[i] = query->norm + factors->norm - 2 * (dot + query->added * factors->added);
    }
}

/*
 * What the fine bytes add to a product is a sum like that over magnitudes, less half of the query's
 * components, negative where the code is; eight bits of the query are enough for the latter.
 */
void px_graph__measure_fine(const struct px_graph *graph, const struct px_graph__view *view,
                            const struct px_graph__query *query, const uint32_t *slots,
                            size_t count, float *ret_distances)
{
    int64_t dots[PX_GRAPH__MOST_DEGREE], fine_dots[PX_GRAPH__MOST_DEGREE];
    int32_t sums[PX_GRAPH__MOST_DEGREE];
    struct px_sign_codes fine = view->codes;
    fine.magnitudes = view->fine;
    fine.magnitude_stride = view->fine_stride;
    fine.plane_count = 1;
    assert(count <= PX_GRAPH__MOST_DEGREE);
    graph->kernels->signed_dots(&view->codes, slots, count, query->high, query->low, dots);
    graph->kernels->signed_dots(&fine, slots, count, query->high, query->low, fine_dots);
    graph->kernels->sign_sums(&fine, slots, count, query->bytes, sums);
    for (size_t i = 0; i < count; i++) {
        float norm = px_load_f32(view->fine + slots[i] * view->fine_stride + graph->padded);
        double dot = ((double)dots[i] + (double)fine_dots[i] / 255) * (double)query->scale -
                     ((double)query->half_sum - sums[i]) * (double)query->byte_scale;
        double product = dot * (double)px_graph__scale(view, slots[i]) +
                         (double)query->added * (double)px_graph__factors(view, slots[i])->added;
        ret_distances[i] = (float)((double)query->norm + (double)norm - 2 * product);
    }
}

float px_graph__distance(const struct px_graph *graph, const struct px_graph__query *query,
                         float squared)
{
    switch (graph->config.metric) {
    case PROXIMADB_COSINE:
        return squared / 2;
    case PROXIMADB_DOT:
        return (squared / 2 - (float)graph->most_norm) * query->length / graph->unit;
    default:
        return sqrtf(squared) / graph->unit;
    }
}
