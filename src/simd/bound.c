#include "simd/bound.h"

#include <assert.h>
#include <math.h>

#define UNIT_ROUNDOFF        0x1p-24
#define UNDERFLOW_STEP       0x1p-149
#define SMALLEST_SAFE_NORM   0x1p-60f
#define LARGEST_SAFE_NORM    0x1p120f
#define LARGEST_SAFE_SUM     0x1p126f
#define SMALLEST_COSINE_NORM 0x1p-126 /* FLT_MIN: smaller ones are refused */
enum { EXTRA_ROUNDINGS = 16 };

static double relative_error(size_t dim_count, const struct px_kernels *kernels)
{
    size_t terms = (dim_count + kernels->partial_sum_count - 1) / kernels->partial_sum_count;
    double error = (double)(terms + EXTRA_ROUNDINGS) * UNIT_ROUNDOFF;
    return error / (1.0 - error);
}

static double absolute_error(size_t dim_count)
{
    return (double)dim_count * UNDERFLOW_STEP;
}

void px_bound_init(struct px_bound *bound, const struct px_query *query,
                   const struct px_kernels *kernels)
{
    bool in_range =
        query->norm_squared <= (double)LARGEST_SAFE_NORM &&
        (query->metric != PROXIMADB_COSINE || query->norm_squared >= SMALLEST_COSINE_NORM);
    *bound = (struct px_bound){.metric = query->metric,
                               .relative = relative_error(query->dim_count, kernels),
                               .absolute = absolute_error(query->dim_count),
                               .query_norm = in_range ? sqrt(query->norm_squared) : (double)NAN};
}

double px_bound_row_scale(enum proximadb_metric metric, float norm_squared)
{
    if (metric == PROXIMADB_L2)
        return 1.0;
    if (!(norm_squared <= LARGEST_SAFE_NORM))
        return (double)NAN;
    if (metric == PROXIMADB_COSINE)
        return norm_squared < SMALLEST_SAFE_NORM ? (double)NAN : 1.0 / sqrt((double)norm_squared);
    return sqrt((double)fmaxf(norm_squared, SMALLEST_SAFE_NORM));
}

/* The largest |cos' - cos|. */
static double cosine_error(const struct px_bound *bound)
{
    return bound->relative * (1.0 + bound->relative) + bound->relative;
}

/* The largest |d' - d| of a row of norm 1; to be multiplied by the row's norm, plus absolute. */
static double dot_error(const struct px_bound *bound)
{
    return bound->relative * (1.0 + bound->relative) * bound->query_norm;
}

/* In each of the three, a comparison with NaN is false, and selects the row. */

static size_t select_cosine(const struct px_bound *bound, const float *sums, const double *scales,
                            size_t count, double limit, uint32_t *ret_indexes)
{
    double least = (1.0 - limit - cosine_error(bound)) * bound->query_norm;
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        ret_indexes[found] = (uint32_t)i;
        found += !((double)sums[i] * scales[i] < least);
    }
    return found;
}

static size_t select_dot(const struct px_bound *bound, const float *sums, const double *scales,
                         size_t count, double limit, uint32_t *ret_indexes)
{
    double least = -limit - bound->absolute;
    double error = dot_error(bound);
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        ret_indexes[found] = (uint32_t)i;
        found += !((double)sums[i] + error * scales[i] < least);
    }
    return found;
}

static size_t select_l2(const struct px_bound *bound, const float *sums, size_t count, double limit,
                        uint32_t *ret_indexes)
{
    double most = limit * limit * (1.0 + bound->relative) + bound->absolute;
    if (!(most < (double)LARGEST_SAFE_SUM))
        most = (double)NAN;
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        ret_indexes[found] = (uint32_t)i;
        found += !((double)sums[i] > most);
    }
    return found;
}

size_t px_bound_select(const struct px_bound *bound, const float *sums, const double *scales,
                       size_t count, double limit, uint32_t *ret_indexes)
{
    switch (bound->metric) {
    case PROXIMADB_COSINE:
        return select_cosine(bound, sums, scales, count, limit, ret_indexes);
    case PROXIMADB_L2:
        return select_l2(bound, sums, count, limit, ret_indexes);
    case PROXIMADB_DOT:
        return select_dot(bound, sums, scales, count, limit, ret_indexes);
    }
    assert(false && "a metric that does not exist");
    return 0;
}

static const struct px_interval anywhere = {-(double)INFINITY, (double)INFINITY};

static struct px_interval around(double distance, double error)
{
    if (!isfinite(distance) || !isfinite(error))
        return anywhere;
    return (struct px_interval){distance - error, distance + error};
}

static struct px_interval interval_l2(const struct px_bound *bound, float sum)
{
    if (!(sum <= LARGEST_SAFE_SUM))
        return anywhere;
    double least = ((double)sum - bound->absolute) / (1.0 + bound->relative);
    double most = ((double)sum + bound->absolute) / (1.0 - bound->relative);
    return (struct px_interval){least > 0.0 ? sqrt(least) : 0.0, sqrt(most)};
}

struct px_interval px_bound_interval(const struct px_bound *bound, float sum, double scale)
{
    switch (bound->metric) {
    case PROXIMADB_COSINE:
        return around(1.0 - (double)sum * scale / bound->query_norm, cosine_error(bound));
    case PROXIMADB_L2:
        return interval_l2(bound, sum);
    case PROXIMADB_DOT:
        return around(-(double)sum, dot_error(bound) * scale + bound->absolute);
    }
    assert(false && "a metric that does not exist");
    return anywhere;
}
