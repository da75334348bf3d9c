/*
 * bound: what a kernel's float32 sum says for certain about the canonical distance.
 *
 * A search computes sums with simd/kernels.h, throws away the rows that cannot be among the nearest
 * whatever the rounding was, and asks simd/distance.h about the few that are left. The answer is
 * then that of the canonical routine alone, at the speed of the kernels.
 *
 * Derivation, with u = 2^-24, n dimensions, p = partial_sum_count, and m the roundings that any one
 * term goes through. A kernel makes a term in at most 2 (difference, product), adds it to a chain
 * of at most ceil(n / p) + 3, and adds the chains as a tree of at most 6 levels; so m = ceil(n / p)
 * + 16 leaves 5 to spare, for the canonical routine and the formulas below, which are in double and
 * less than 2^-39 off in all. Let g = m u / (1 - m u) (Higham, Accuracy and Stability of Numerical
 * Algorithms, 2nd edition, lemma 3.1). A product below 2^-126 is off by up to 2^-150, so n of them
 * and what follows add at most a = n 2^-149. With d = x . q, X = |x|, Q = |q|, S = |x - q|^2, and a
 * kernel's result primed:
 *
 *      |d' - d| <= g X Q + a          |N' - X^2| <= g X^2 + a          |S' - S| <= g S + a
 *
 *   dot      -d is within g Q X + a of -d', and X <= (1 + g) sqrt(N') while a is small beside N'.
 *            For N' below 2^-60, 2^-30 stands in for its root.
 *   cosine   While N' is 2^-60 to 2^120 and Q at least 2^-63, as stored norms are, a / N' and
 *            a / (X Q) are below 2^-39 and part of what is spare. sqrt(N') / X is then within g of
 *            1, so d' / (sqrt(N') Q) is within g (1 + g) + g of d / (X Q).
 *   l2       S is between (S' - a) / (1 + g) and (S' + a) / (1 - g).
 *
 * Where sums of finite vectors may overflow (N' or Q^2 above 2^120, S' above 2^126) and where a
 * cosine is of a shorter row than 2^-30, nothing is certain: the interval is everything, and the
 * row is always selected.
 *
 * Threads: any thread. Memory: none.
 */
#ifndef PX_SIMD_BOUND_H
#define PX_SIMD_BOUND_H

#include "simd/distance.h"
#include "simd/kernels.h"

/* The canonical distance d of a row: lower <= d <= upper, and lower < upper. */
struct px_interval {
    double lower;
    double upper;
};

struct px_bound {
    enum proximadb_metric metric;
    double relative;   /* g */
    double absolute;   /* a */
    double query_norm; /* Q; NaN if the query is out of range */
};

void px_bound_init(struct px_bound *bound, const struct px_query *query,
                   const struct px_kernels *kernels);

/* What is needed of a row beside its sum, from the kernel's squared norm: 1 / X for cosine, X for
 * dot; NaN if nothing is certain of the row. Under l2 it is 1, and no norm is needed. */
double px_bound_row_scale(enum proximadb_metric metric, float norm_squared);

/*
 * Which of `count` rows may be at most `limit` away: their indexes go to ret_indexes, ascending,
 * and their number is returned. `sums` are the kernels' dot products, or squared distances under
 * l2; scales come from px_bound_row_scale() and are not read under l2.
 */
size_t px_bound_select(const struct px_bound *bound, const float *sums, const double *scales,
                       size_t count, double limit, uint32_t *ret_indexes);

/* What is certain about one row. */
struct px_interval px_bound_interval(const struct px_bound *bound, float sum, double scale);

#endif /* PX_SIMD_BOUND_H */
