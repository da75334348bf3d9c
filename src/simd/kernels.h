/*
 * kernels: the sums of products that a search spends its time in, and the rounding of vectors that
 * come in, once per CPU level.
 *
 * A table holds one function for each kernel, all of one level: portable C ("scalar"), AVX2 with
 * FMA, AVX-512 (F, BW, DQ, VL, VNNI) or NEON. px_kernels_get() picks the best level of this CPU,
 * once; the environment variable PROXIMADB_SIMD=scalar|avx2|avx512|neon picks another.
 *
 * What a sum gives is float32 arithmetic, summed in an order that differs from level to level: an
 * approximation whose error simd/bound.h bounds. What a user sees as a distance comes from
 * simd/distance.h, which is the same everywhere. So the choice of level never changes an answer.
 *
 * Vectors are little-endian float32 at any address, of 1 to 65,536 dimensions. No kernel reads a
 * byte outside its operands. NaN and infinity go in and come out by the rules of IEEE 754;
 * denormals are not flushed.
 *
 * Threads: any thread. Memory: none; every result goes to the caller's array.
 */
#ifndef PX_SIMD_KERNELS_H
#define PX_SIMD_KERNELS_H

#include "base/error.h"

/* Vectors of equal length, each stride_bytes behind the one before. */
struct px_rows {
    const void *data; /* borrowed; the first vector */
    size_t stride_bytes;
    size_t row_count;
    size_t dim_count;
};

struct px_kernels {
    const char *name; /* as in PROXIMADB_SIMD */

    /* Every sum is made of at least so many partial sums of equal length; bounds depend on it. */
    uint32_t partial_sum_count;

    /* Sum of x[i]^2. */
    float (*norm_squared)(const void *x, size_t dim_count);

    /* For each row x: the sum of x[i] * q[i], and that of x[i]^2. One read of the row for both. */
    void (*dot_and_norm)(const struct px_rows *rows, const void *query, float *ret_dots,
                         float *ret_norms_squared);

    /* For each row x: the sum of (x[i] - q[i])^2. */
    void (*l2_squared)(const struct px_rows *rows, const void *query, float *ret_sums);

    /*
     * The same sums for each pair of a row and a query; that of row r and query q goes to
     * ret[q * ret_stride + r]. A row that was loaded serves several queries, so this costs per pair
     * a fraction of the single kernels where both operands come from the cache.
     */
    void (*dot_matrix)(const struct px_rows *rows, const struct px_rows *queries, float *ret,
                       size_t ret_stride);
    void (*l2_matrix)(const struct px_rows *rows, const struct px_rows *queries, float *ret,
                      size_t ret_stride);

    /*
     * starts[v] plus the sum of x[i] * vector v [i], for each row x and each of the panel_width
     * vectors of a panel; that of row r and vector v goes to ret[r * panel_width + v]. A panel has
     * its vectors side by side: component i of vector v is panel[i * panel_width + v]. This takes
     * two thirds of dot_matrix's time, from a caller that has many rows for the same vectors. Each
     * sum is one chain, so it keeps what simd/bound.h promises of one partial sum only.
     */
    uint32_t panel_width;
    void (*dot_panel)(const struct px_rows *rows, const float *panel, const float *starts,
                      float *ret);

    /*
     * For each component: the sum x[i] + s less s again, where s = factor * the larger of `base`
     * and 2^floor(log2(|x[i]|)), to ret. For simd/rounding.h, which chooses a base and a factor,
     * powers of two but for 1.5 in one of them, that make s exact; so, unlike the sums, this has
     * the same bits at every level. `ret` does not overlap x.
     */
    void (*round_to_grid)(const void *x, size_t dim_count, float base, float factor, float *ret);
};

/* The table that the engine uses: chosen at the first call, the same ever after. */
const struct px_kernels *px_kernels_get(void);

/*
 * Whether PROXIMADB_SIMD, if set, could be followed. PROXIMADB_INVALID: it names no level, or one
 * that this CPU or this build lacks; px_kernels_get() is the best level then. To be called when a
 * database is opened.
 */
PX_MUST_CHECK int px_kernels_status(struct proximadb_error *reterr);

/* Number `index` of the tables that run on this CPU, slowest first ("scalar" is number 0); NULL
 * behind the last. */
const struct px_kernels *px_kernels_at(size_t index);

#endif /* PX_SIMD_KERNELS_H */
