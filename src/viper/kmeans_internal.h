/* kmeans_internal: what kmeans.c (centroids, and finding the nearest) and kmeans_train.c share. */
#ifndef PX_VIPER_KMEANS_INTERNAL_H
#define PX_VIPER_KMEANS_INTERNAL_H

#include "os/crew.h"
#include "viper/kmeans.h"

enum { PX_KMEANS_BLOCK_ROWS = 64 }; /* compared with centroids at once */

/* A row's nearest list. Its score is the product with the centroid less the centroid's bias: the
 * larger the nearer, for |x - c|^2 is |x|^2 less twice the score. */
struct px_kmeans__best {
    uint32_t list;
    float score;
};

static inline void *px_kmeans__row(const struct px_rows *rows, size_t index)
{
    return (void *)((uintptr_t)rows->data + index * rows->stride_bytes);
}

/* Rows number `first` and following, as many as are compared at once. */
static inline struct px_rows px_kmeans__block(const struct px_rows *rows, size_t first)
{
    size_t left = rows->row_count - first;
    struct px_rows block = *rows;
    block.data = px_kmeans__row(rows, first);
    block.row_count = left < PX_KMEANS_BLOCK_ROWS ? left : PX_KMEANS_BLOCK_ROWS;
    return block;
}

/* Room for rows that each begin a cache line; false without memory. Release accepts a zeroed
 * struct. */
bool px_kmeans__rows_init(struct px_rows *rows, size_t row_count, size_t dim_count);
void px_kmeans__rows_release(struct px_rows *rows);

/* Like px_kmeans_init() with centroids that are not set yet. */
PX_MUST_CHECK int px_kmeans__make_room(struct px_kmeans *kmeans, const struct px_kernels *kernels,
                                       enum proximadb_metric metric, size_t list_count,
                                       size_t dim_count, struct proximadb_error *reterr);

void px_kmeans__set_centroid(struct px_kmeans *kmeans, size_t list, const void *vector);

/* To be called when a centroid was changed in place, and px_kmeans__pack() behind the last one. */
void px_kmeans__set_bias(struct px_kmeans *kmeans, size_t list);

/* To be called when centroids have changed, before rows are assigned. */
void px_kmeans__pack(struct px_kmeans *kmeans);

/* The nearest list of each of at most PX_KMEANS_BLOCK_ROWS rows. One whose scores are not numbers
 * goes to list 0. */
void px_kmeans__assign_block(const struct px_kmeans *kmeans, const struct px_rows *rows,
                             struct px_kmeans__best *ret_best);

/* ---- sharing work --------------------------------------------------------------------------- */

/* Items of work that do not depend on each other. */
struct px_kmeans__work {
    size_t item_count;
    void (*run)(void *context, size_t item); /* on any thread */
    bool (*should_stop)(void *context);      /* on the calling one, before each item; NULL: never */
    void *context;                           /* of both */
};

/*
 * Runs the items, in any order, on the calling thread and on those of the crew (may be NULL) that
 * are free.
 * False if should_stop said so: some items have not been run then.
 */
bool px_kmeans__share(struct px_crew *crew, const struct px_kmeans__work *work);

#endif /* PX_VIPER_KMEANS_INTERNAL_H */
