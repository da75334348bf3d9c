#include "viper/kmeans.h"

#include "base/bits.h"
#include "viper/kmeans_internal.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    CACHE_LINE_BYTES = 64,
    BLOCK_CENTROIDS = 128, /* whose products with a block of rows stay in the cache */
    SCORE_LANES = 16,
};

/* ---- centroids ------------------------------------------------------------------------------ */

bool px_kmeans__rows_init(struct px_rows *rows, size_t row_count, size_t dim_count)
{
    size_t stride_bytes = px_round_up(dim_count * sizeof(float), CACHE_LINE_BYTES), size_bytes;
    *rows = (struct px_rows){0};
    if (!px_multiply_size(row_count, stride_bytes, &size_bytes))
        return false;
    *rows = (struct px_rows){.data = aligned_alloc(CACHE_LINE_BYTES, size_bytes),
                             .stride_bytes = stride_bytes,
                             .row_count = row_count,
                             .dim_count = dim_count};
    return rows->data != NULL;
}

void px_kmeans__rows_release(struct px_rows *rows)
{
    free((void *)(uintptr_t)rows->data);
    *rows = (struct px_rows){0};
}

int px_kmeans__make_room(struct px_kmeans *kmeans, const struct px_kernels *kernels,
                         enum proximadb_metric metric, size_t list_count, size_t dim_count,
                         struct proximadb_error *reterr)
{
    struct px_kmeans made = {.metric = metric, .kernels = kernels};
    made.biases = calloc(list_count, sizeof *made.biases);
    if (made.biases == NULL || !px_kmeans__rows_init(&made.centroids, list_count, dim_count)) {
        px_kmeans_release(&made);
        return px_fail_no_memory(reterr);
    }
    *kmeans = made;
    return PROXIMADB_OK;
}

void px_kmeans_release(struct px_kmeans *kmeans)
{
    free(kmeans->biases);
    px_kmeans__rows_release(&kmeans->centroids);
    *kmeans = (struct px_kmeans){0};
}

void px_kmeans__set_bias(struct px_kmeans *kmeans, size_t list)
{
    if (kmeans->metric == PROXIMADB_L2)
        kmeans->biases[list] =
            0.5f * kmeans->kernels->norm_squared(px_kmeans__row(&kmeans->centroids, list),
                                                 kmeans->centroids.dim_count);
}

void px_kmeans__set_centroid(struct px_kmeans *kmeans, size_t list, const void *vector)
{
    memcpy(px_kmeans__row(&kmeans->centroids, list), vector,
           kmeans->centroids.dim_count * sizeof(float));
    px_kmeans__set_bias(kmeans, list);
}

void px_kmeans__pack(struct px_kmeans *kmeans)
{
    (void)kmeans;
}

int px_kmeans_init(struct px_kmeans *kmeans, enum proximadb_metric metric,
                   const struct px_rows *centroids, struct proximadb_error *reterr)
{
    assert(centroids->row_count > 0 && centroids->dim_count > 0);
    struct px_kmeans made;
    int rc = px_kmeans__make_room(&made, px_kernels_get(), metric, centroids->row_count,
                                  centroids->dim_count, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    for (size_t list = 0; list < centroids->row_count; list++)
        px_kmeans__set_centroid(&made, list, px_kmeans__row(centroids, list));
    *kmeans = made;
    return PROXIMADB_OK;
}

/* ---- assigning ------------------------------------------------------------------------------ */

static float larger(float a, float b)
{
    return a > b ? a : b;
}

static float largest_score(const float *products, const float *biases, size_t count)
{
    float lanes[SCORE_LANES];
    for (size_t lane = 0; lane < SCORE_LANES; lane++)
        lanes[lane] = -INFINITY;
    size_t i = 0;
    for (; i + SCORE_LANES <= count; i += SCORE_LANES)
        for (size_t lane = 0; lane < SCORE_LANES; lane++)
            lanes[lane] = larger(products[i + lane] - biases[i + lane], lanes[lane]);
    for (; i < count; i++)
        lanes[0] = larger(products[i] - biases[i], lanes[0]);
    for (size_t lane = 1; lane < SCORE_LANES; lane++)
        lanes[0] = larger(lanes[lane], lanes[0]);
    return lanes[0];
}

/* Looks for the place only if there is something better, which is seldom. */
static void update_best(struct px_kmeans__best *best, const float *products, const float *biases,
                        size_t first_list, size_t count)
{
    float score = largest_score(products, biases, count);
    if (!(score > best->score))
        return;
    size_t i = 0;
    while (products[i] - biases[i] != score)
        i++;
    *best = (struct px_kmeans__best){(uint32_t)(first_list + i), score};
}

void px_kmeans__assign_block(const struct px_kmeans *kmeans, const struct px_rows *rows,
                             struct px_kmeans__best *ret_best)
{
    float products[PX_KMEANS_BLOCK_ROWS * BLOCK_CENTROIDS];
    for (size_t r = 0; r < rows->row_count; r++)
        ret_best[r] = (struct px_kmeans__best){0, -INFINITY};
    size_t list_count = kmeans->centroids.row_count;
    for (size_t first = 0; first < list_count; first += BLOCK_CENTROIDS) {
        struct px_rows some = kmeans->centroids;
        some.data = px_kmeans__row(&kmeans->centroids, first);
        some.row_count =
            list_count - first < BLOCK_CENTROIDS ? list_count - first : BLOCK_CENTROIDS;
        kmeans->kernels->dot_matrix(&some, rows, products, BLOCK_CENTROIDS);
        for (size_t r = 0; r < rows->row_count; r++)
            update_best(&ret_best[r], products + r * BLOCK_CENTROIDS, kmeans->biases + first, first,
                        some.row_count);
    }
}

static float distance_of(const struct px_kmeans *kmeans, float score, const void *vector)
{
    float norm_squared = kmeans->kernels->norm_squared(vector, kmeans->centroids.dim_count);
    if (kmeans->metric == PROXIMADB_L2)
        return sqrtf(larger(norm_squared - 2.0f * score, 0.0f));
    return norm_squared > 0.0f ? larger(1.0f - score / sqrtf(norm_squared), 0.0f) : 1.0f;
}

/* Loads that cross cache lines would cost a sixth of the time: rows that do not begin such lines
 * are copied to `aligned`, unless there was no memory for it. */
static struct px_rows align_block(const struct px_rows *block, const struct px_rows *aligned)
{
    uintptr_t misplaced = (uintptr_t)block->data | block->stride_bytes;
    if (misplaced % CACHE_LINE_BYTES == 0 || aligned->data == NULL)
        return *block;
    for (size_t r = 0; r < block->row_count; r++)
        memcpy(px_kmeans__row(aligned, r), px_kmeans__row(block, r),
               block->dim_count * sizeof(float));
    struct px_rows copy = *aligned;
    copy.row_count = block->row_count;
    return copy;
}

void px_kmeans_assign(const struct px_kmeans *kmeans, const struct px_rows *rows,
                      uint32_t *ret_lists, float *ret_distances)
{
    assert(rows->dim_count == kmeans->centroids.dim_count);
    struct px_rows aligned;
    (void)px_kmeans__rows_init(&aligned, PX_KMEANS_BLOCK_ROWS, rows->dim_count);
    for (size_t first = 0; first < rows->row_count; first += PX_KMEANS_BLOCK_ROWS) {
        struct px_kmeans__best best[PX_KMEANS_BLOCK_ROWS];
        struct px_rows there = px_kmeans__block(rows, first);
        struct px_rows block = align_block(&there, &aligned);
        px_kmeans__assign_block(kmeans, &block, best);
        for (size_t r = 0; r < block.row_count; r++) {
            ret_lists[first + r] = best[r].list;
            if (ret_distances != NULL)
                ret_distances[first + r] =
                    distance_of(kmeans, best[r].score, px_kmeans__row(&block, r));
        }
    }
    px_kmeans__rows_release(&aligned);
}

void px_kmeans_assign_on(const struct px_kmeans *kmeans, struct px_workers *workers,
                         const struct px_rows *rows, uint32_t *ret_lists, float *ret_distances)
{
    (void)workers;
    px_kmeans_assign(kmeans, rows, ret_lists, ret_distances);
}
