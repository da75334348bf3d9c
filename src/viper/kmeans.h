/*
 * kmeans: splits vectors into lists of near ones and of similar size, as compaction and IVF need them.
 *
 * Training is Lloyd's algorithm (IEEE Transactions on Information Theory 28, 1982) on a sample of 256
 * rows per list, which changes centroids hardly at all against training on everything. The first
 * iterations look at an eighth of the sample, the last ones at all of it. Under cosine and dot it is
 * spherical: rows and centroids are unit vectors, and a row belongs to the list of the largest product;
 * under l2, to that of the smallest distance.
 *
 * Balance: plain k-means leaves a few large lists and many small ones, and a search pays for the large.
 * So between iterations the centroid of the smallest list moves to a row of the largest, and so on for
 * the next, while the one is above twice the mean and the other far below it. This bounds sizes softly:
 * equal rows cannot be split, and the last iterations only settle.
 *
 * The same rows, options and level of kernels give the same centroids. Lists may be empty where there are
 * fewer different rows than lists. A centroid is never NaN.
 *
 * Threads: training is one thread's; px_kmeans_assign() is any thread's. Memory: the sample, up to
 * memory_limit_bytes, and about 16 bytes per list and dimension.
 */
#ifndef PX_VIPER_KMEANS_H
#define PX_VIPER_KMEANS_H

#include "base/error.h"
#include "simd/kernels.h"

/* Zero in a member means its default. */
struct px_kmeans_options {
    enum proximadb_metric metric;
    uint32_t dim_count;  /* 1 to 65,536; no default */
    uint32_t list_count; /* wanted; no default */
    uint64_t seed;
    uint32_t rows_per_list;          /* of the sample; default 256 */
    uint32_t iteration_count;        /* default 10 */
    size_t memory_limit_bytes;       /* of the sample, which it makes smaller; default 512 MiB */
    const struct px_kernels *kernels; /* default px_kernels_get() */
    bool (*should_stop)(void *context); /* asked about every millisecond */
    void *context;
};

/* Where rows come from. */
struct px_kmeans_rows {
    uint64_t row_count;
    /* Copies rows of rising index, packed, to ret_vectors. An error ends the training. */
    int (*read)(void *context, const uint64_t *row_indexes, size_t count, float *ret_vectors,
                struct proximadb_error *reterr);
    void *context;
};

struct px_centroids {
    enum proximadb_metric metric;
    struct px_rows vectors; /* owned */
    float *biases;          /* owned; half the squared norm of each under l2, zeros otherwise */
};

/*
 * Trains; *ret_centroids: release with px_centroids_release(). There are list_count of them, or as many
 * as there are rows in the sample.
 *
 * PROXIMADB_INVALID    there are no rows.
 * PROXIMADB_CANCELLED  should_stop said so.
 * PROXIMADB_NO_MEMORY, and what read() fails with.
 */
PX_MUST_CHECK int px_kmeans_train(const struct px_kmeans_options *options,
                                  const struct px_kmeans_rows *rows,
                                  struct px_centroids *ret_centroids,
                                  struct proximadb_error *reterr);

/* Takes centroids that were stored: `vectors` is copied. PROXIMADB_NO_MEMORY. */
PX_MUST_CHECK int px_centroids_init(struct px_centroids *centroids, enum proximadb_metric metric,
                                    const struct px_rows *vectors, struct proximadb_error *reterr);

/* Accepts a zeroed struct. */
void px_centroids_release(struct px_centroids *centroids);

/*
 * The nearest centroid of each row, the first of equal ones, to ret_lists. ret_distances (may be NULL)
 * gets how far it is, in float32 arithmetic: Euclidean under l2, else 1 - cosine.
 */
void px_kmeans_assign(const struct px_centroids *centroids, const struct px_kernels *kernels,
                      const struct px_rows *rows, uint32_t *ret_lists, float *ret_distances);

#endif /* PX_VIPER_KMEANS_H */
