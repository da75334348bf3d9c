#include "simd/distance.h"

#include "base/bits.h"

#include <float.h>
#include <math.h>

static_assert(FLT_EVAL_METHOD == 0 || FLT_EVAL_METHOD == 16 /* likewise, down to half precision */,
              "every operation on doubles must round to double");

enum { LANES = 8 };

struct lanes {
    double sum[LANES];
};

static inline double component(const uint8_t *x, size_t dim)
{
    return (double)px_load_f32(x + dim * sizeof(float));
}

static inline double sum_lanes(const struct lanes *lanes)
{
    const double *sum = lanes->sum;
    return ((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7]));
}

double px_dot_exact(const void *x, const void *y, size_t dim_count)
{
    struct lanes lanes = {{0}};
    size_t whole = dim_count - dim_count % LANES;
    for (size_t dim = 0; dim < whole; dim += LANES)
        for (size_t lane = 0; lane < LANES; lane++)
            lanes.sum[lane] += component(x, dim + lane) * component(y, dim + lane);
    for (size_t dim = whole; dim < dim_count; dim++)
        lanes.sum[dim % LANES] += component(x, dim) * component(y, dim);
    return sum_lanes(&lanes);
}

double px_norm_squared_exact(const void *x, size_t dim_count)
{
    return px_dot_exact(x, x, dim_count);
}

static inline double squared_difference(const uint8_t *x, const uint8_t *y, size_t dim)
{
    double difference = component(x, dim) - component(y, dim);
    return difference * difference;
}

double px_l2_squared_exact(const void *x, const void *y, size_t dim_count)
{
    struct lanes lanes = {{0}};
    size_t whole = dim_count - dim_count % LANES;
    for (size_t dim = 0; dim < whole; dim += LANES)
        for (size_t lane = 0; lane < LANES; lane++)
            lanes.sum[lane] += squared_difference(x, y, dim + lane);
    for (size_t dim = whole; dim < dim_count; dim++)
        lanes.sum[dim % LANES] += squared_difference(x, y, dim);
    return sum_lanes(&lanes);
}

void px_query_init(struct px_query *query, enum proximadb_metric metric, const void *vector,
                   size_t dim_count)
{
    *query = (struct px_query){.vector = vector,
                               .dim_count = dim_count,
                               .metric = metric,
                               .norm_squared = px_norm_squared_exact(vector, dim_count)};
}

/* The root is taken of the product, since the root of a square is exact: so a vector's cosine with
 * itself, or with itself times a power of two, is 1. */
static double cosine(const struct px_query *query, const void *x)
{
    double norms = px_norm_squared_exact(x, query->dim_count) * query->norm_squared;
    if (norms == 0.0)
        return 0.0;
    double cos = px_dot_exact(x, query->vector, query->dim_count) / sqrt(norms);
    return cos > 1.0 ? 1.0 : cos < -1.0 ? -1.0 : cos;
}

double px_query_distance(const struct px_query *query, const void *x)
{
    switch (query->metric) {
    case PROXIMADB_COSINE:
        return 1.0 - cosine(query, x);
    case PROXIMADB_L2:
        return sqrt(px_l2_squared_exact(x, query->vector, query->dim_count));
    case PROXIMADB_DOT:
        return 0.0 - px_dot_exact(x, query->vector, query->dim_count); /* 0 - 0 is +0 */
    }
    assert(false && "a metric that does not exist");
    return (double)NAN;
}

double px_distance(enum proximadb_metric metric, const void *x, const void *y, size_t dim_count)
{
    struct px_query query;
    px_query_init(&query, metric, y, dim_count);
    return px_query_distance(&query, x);
}

double px_score(enum proximadb_metric metric, double distance)
{
    return metric == PROXIMADB_COSINE ? 1.0 - distance : 0.0 - distance;
}
