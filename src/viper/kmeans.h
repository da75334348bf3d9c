/*
 * kmeans: splits vectors into lists of near ones and of similar size, as compaction and IVF need
 * them.
 *
 * Training is Lloyd's algorithm (IEEE Transactions on Information Theory 28, 1982) from random
 * rows, on a sample of 256 rows per list. The first three tenths of the iterations look at an
 * eighth of the sample, the next at a quarter and at half of it, the last three tenths at all: the
 * same centroids for half of the time. Under cosine and dot it is spherical: rows count as unit
 * vectors, centroids are unit vectors, and a row belongs to the list of the largest product; under
 * l2, to that of the smallest distance.
 *
 * Balance: plain k-means leaves large lists, which make searches slow, and small ones, which are of
 * no use. So behind each iteration but the last, the largest list is split in two by a small
 * k-means of its own, and the centroid of the smallest becomes that of the second half; and so on,
 * while the one is above 1.5 times the mean and the other below 0.7 times. That bounds sizes
 * softly: on MiniLM vectors the largest list is 1.8 to 2 times the mean (plain: 2.4), and recall
 * per row scanned is the same. Equal rows cannot be split. Lists stay empty only where there are
 * fewer different rows than lists.
 *
 * The same rows, options and level of kernels give the same centroids, and no centroid is ever NaN.
 *
 * They do so on any number of threads.
 *
 * Threads: any. Memory: the sample, at most memory_limit_bytes, 8 bytes per row of it, and 16 bytes
 * per list and dimension.
 */
#ifndef PX_VIPER_KMEANS_H
#define PX_VIPER_KMEANS_H

#include "base/error.h"
#include "simd/kernels.h"

struct px_crew;

/* Where rows come from. */
struct px_kmeans_input {
    uint64_t row_count;
    /* Copies rows of rising index, packed, to ret_vectors. An error ends the training. */
    int (*read)(void *context, const uint64_t *row_indexes, size_t count, float *ret_vectors,
                struct proximadb_error *reterr);
    bool (*should_stop)(void *context); /* asked every few milliseconds; NULL: never */
    void *context;                      /* of both */
};

/* Zero in a member means its default. */
struct px_kmeans_options {
    enum proximadb_metric metric;
    uint32_t dim_count;  /* 1 to 65,536; no default */
    uint32_t list_count; /* wanted, at least 1; no default */
    uint64_t seed;
    uint32_t rows_per_list;           /* of the sample; default 256 */
    uint32_t iteration_count;         /* default 10 */
    size_t memory_limit_bytes;        /* of the sample, but a row per list; default 512 MiB */
    const struct px_kernels *kernels; /* default px_kernels_get() */
    struct px_crew *crew;             /* helps the calling thread; default: none */
};

/* What was learnt. */
struct px_kmeans {
    enum proximadb_metric metric;
    const struct px_kernels *kernels;
    struct px_rows centroids; /* owned; each begins a cache line */
    float *biases;            /* owned; under l2 half the squared norms, otherwise zeros */
    float *panels; /* owned; the centroids once more, as px_kernels.dot_panel wants them */
    float *starts; /* owned; per vector of a panel: its bias, negative */
};

/*
 * Trains. *ret_kmeans: release with px_kmeans_release(). It has list_count centroids, or as many as
 * the sample has rows.
 *
 * PROXIMADB_INVALID    there are no rows.
 * PROXIMADB_CANCELLED  should_stop said so.
 * PROXIMADB_NO_MEMORY, and what read() fails with.
 */
PX_MUST_CHECK int px_kmeans_train(const struct px_kmeans_options *options,
                                  const struct px_kmeans_input *input, struct px_kmeans *ret_kmeans,
                                  struct proximadb_error *reterr);

/* Takes up centroids that were stored; they are copied. Release with px_kmeans_release().
 * PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_kmeans_init(struct px_kmeans *kmeans, enum proximadb_metric metric,
                                 const struct px_rows *centroids, struct proximadb_error *reterr);

/* Accepts a zeroed struct. */
void px_kmeans_release(struct px_kmeans *kmeans);

/*
 * Writes the list of each row to ret_lists: that of the nearest centroid, the first of equal ones.
 * Rows need not be unit vectors. ret_distances (may be NULL) gets the distance from it in float32
 * arithmetic: Euclidean under l2, else 1 - cosine.
 */
void px_kmeans_assign(const struct px_kmeans *kmeans, const struct px_rows *rows,
                      uint32_t *ret_lists, float *ret_distances);

/* The same, with the help of a crew (may be NULL). */
void px_kmeans_assign_on(const struct px_kmeans *kmeans, struct px_crew *crew,
                         const struct px_rows *rows, uint32_t *ret_lists, float *ret_distances);

#endif /* PX_VIPER_KMEANS_H */
