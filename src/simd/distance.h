/*
 * distance: the distances that users see, and that decide the order of hits.
 *
 * Each component is widened to double before anything is computed with it, and sums are taken over
 * eight lanes (component i belongs to lane i mod 8) that are added as one fixed tree. The build
 * forbids the compiler to fuse or reorder floating point, so the result is the same to the last bit
 * on every CPU, compiler and level of simd/kernels.h. It is also exact for practical purposes: the
 * product of two floats is exact in double, and sums are good to about 2^-50 times the sum of
 * magnitudes.
 *
 *      METRIC   DISTANCE (lower is nearer)              SCORE (higher is nearer)
 *      cosine   1 - cos, cos within -1 and 1            cos
 *      l2       Euclidean, not squared                  -distance
 *      dot      -(x . y)                                x . y
 *
 * A score is computed from the distance, so both give the same order. Neither is ever -0. A vector
 * is at distance 0 of itself under cosine and l2, exactly. Where a norm is 0, cos is 0. Nothing
 * overflows or underflows for finite vectors of up to 65,536 dimensions; NaN and infinity come
 * through as NaN or infinity.
 *
 * Vectors are little-endian float32 at any address. Threads: any thread. Memory: none.
 */
#ifndef PX_SIMD_DISTANCE_H
#define PX_SIMD_DISTANCE_H

#include "base/error.h"

double px_dot_exact(const void *x, const void *y, size_t dim_count);
double px_norm_squared_exact(const void *x, size_t dim_count);
double px_l2_squared_exact(const void *x, const void *y, size_t dim_count);

/* A vector that many are compared with. */
struct px_query {
    const void *vector; /* kept */
    size_t dim_count;
    enum proximadb_metric metric;
    double norm_squared; /* canonical */
};

void px_query_init(struct px_query *query, enum proximadb_metric metric, const void *vector,
                   size_t dim_count);

/* The distance of x, of as many dimensions, from the query. */
double px_query_distance(const struct px_query *query, const void *x);

/* The same for a single pair. px_distance(m, x, y, n) equals px_distance(m, y, x, n). */
double px_distance(enum proximadb_metric metric, const void *x, const void *y, size_t dim_count);

/* The score that belongs to a distance. */
double px_score(enum proximadb_metric metric, double distance);

#endif /* PX_SIMD_DISTANCE_H */
