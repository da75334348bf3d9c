#include "viper/kmeans.h"

#include "base/bits.h"
#include "viper/kmeans_internal.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    CACHE_LINE_BYTES = 64,
    MOST_PANEL_WIDTH = 64,
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
    struct px_rows panels; /* in the shape of rows, for the sake of their alignment */
    size_t padded_count = px_round_up(list_count, kernels->panel_width);
    bool has_panels = px_kmeans__rows_init(&panels, dim_count, padded_count);
    made.panels = px_kmeans__row(&panels, 0);
    made.starts = calloc(padded_count, sizeof *made.starts);
    made.biases = calloc(list_count, sizeof *made.biases);
    if (!has_panels || made.starts == NULL || made.biases == NULL ||
        !px_kmeans__rows_init(&made.centroids, list_count, dim_count)) {
        px_kmeans_release(&made);
        return px_fail_no_memory(reterr);
    }
    *kmeans = made;
    return PROXIMADB_OK;
}

void px_kmeans_release(struct px_kmeans *kmeans)
{
    free(kmeans->panels);
    free(kmeans->starts);
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

/* One panel; where there are no centroids any more, zeros, and starts that are no row's best. */
static void pack_panel(struct px_kmeans *kmeans, size_t first)
{
    size_t width = kmeans->kernels->panel_width, dim_count = kmeans->centroids.dim_count;
    float *panel = kmeans->panels + first * dim_count;
    for (size_t v = 0; v < width; v++) {
        bool is_there = first + v < kmeans->centroids.row_count;
        const float *centroid = is_there ? px_kmeans__row(&kmeans->centroids, first + v) : NULL;
        kmeans->starts[first + v] = is_there ? -kmeans->biases[first + v] : -INFINITY;
        for (size_t dim = 0; dim < dim_count; dim++)
            panel[dim * width + v] = is_there ? centroid[dim] : 0.0f;
    }
}

void px_kmeans__pack(struct px_kmeans *kmeans)
{
    size_t width = kmeans->kernels->panel_width;
    for (size_t first = 0; first < kmeans->centroids.row_count; first += width)
        pack_panel(kmeans, first);
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
    px_kmeans__pack(&made);
    *kmeans = made;
    return PROXIMADB_OK;
}

/* ---- assigning ------------------------------------------------------------------------------ */

static float larger(float a, float b)
{
    return a > b ? a : b;
}

static float largest_score(const float *scores, size_t count)
{
    float lanes[SCORE_LANES];
    for (size_t lane = 0; lane < SCORE_LANES; lane++)
        lanes[lane] = -INFINITY;
    size_t i = 0;
    for (; i + SCORE_LANES <= count; i += SCORE_LANES)
        for (size_t lane = 0; lane < SCORE_LANES; lane++)
            lanes[lane] = larger(scores[i + lane], lanes[lane]);
    for (; i < count; i++)
        lanes[0] = larger(scores[i], lanes[0]);
    for (size_t lane = 1; lane < SCORE_LANES; lane++)
        lanes[0] = larger(lanes[lane], lanes[0]);
    return lanes[0];
}

/* Looks for the place only if there is something better, which is seldom. */
static void update_best(struct px_kmeans__best *best, const float *scores, size_t first_list,
                        size_t count)
{
    float score = largest_score(scores, count);
    if (!(score > best->score))
        return;
    size_t i = 0;
    while (scores[i] != score)
        i++;
    *best = (struct px_kmeans__best){(uint32_t)(first_list + i), score};
}

void px_kmeans__assign_block(const struct px_kmeans *kmeans, const struct px_rows *rows,
                             struct px_kmeans__best *ret_best)
{
    float scores[PX_KMEANS_BLOCK_ROWS * MOST_PANEL_WIDTH];
    size_t width = kmeans->kernels->panel_width, dim_count = rows->dim_count;
    assert(width <= MOST_PANEL_WIDTH && rows->row_count <= PX_KMEANS_BLOCK_ROWS);
    for (size_t r = 0; r < rows->row_count; r++)
        ret_best[r] = (struct px_kmeans__best){0, -INFINITY};
    for (size_t first = 0; first < kmeans->centroids.row_count; first += width) {
        kmeans->kernels->dot_panel(rows, kmeans->panels + first * dim_count, kmeans->starts + first,
                                   scores);
        for (size_t r = 0; r < rows->row_count; r++)
            update_best(&ret_best[r], scores + r * width, first, width);
    }
}

static float distance_of(const struct px_kmeans *kmeans, float score, const void *vector)
{
    float norm_squared = kmeans->kernels->norm_squared(vector, kmeans->centroids.dim_count);
    if (kmeans->metric == PROXIMADB_L2)
        return sqrtf(larger(norm_squared - 2.0f * score, 0.0f));
    return norm_squared > 0.0f ? larger(1.0f - score / sqrtf(norm_squared), 0.0f) : 1.0f;
}

struct assigning {
    const struct px_kmeans *kmeans;
    const struct px_rows *rows;
    uint32_t *lists;
    float *distances; /* NULL: not wanted */
};

static void assign_block(void *context, size_t item)
{
    const struct assigning *assigning = context;
    struct px_kmeans__best best[PX_KMEANS_BLOCK_ROWS];
    size_t first = item * PX_KMEANS_BLOCK_ROWS;
    struct px_rows block = px_kmeans__block(assigning->rows, first);
    px_kmeans__assign_block(assigning->kmeans, &block, best);
    for (size_t r = 0; r < block.row_count; r++) {
        assigning->lists[first + r] = best[r].list;
        if (assigning->distances != NULL)
            assigning->distances[first + r] =
                distance_of(assigning->kmeans, best[r].score, px_kmeans__row(&block, r));
    }
}

void px_kmeans_assign_on(const struct px_kmeans *kmeans, struct px_crew *crew,
                         const struct px_rows *rows, uint32_t *ret_lists, float *ret_distances)
{
    assert(rows->dim_count == kmeans->centroids.dim_count);
    struct assigning assigning = {kmeans, rows, ret_lists, ret_distances};
    struct px_kmeans__work work = {.item_count = (rows->row_count + PX_KMEANS_BLOCK_ROWS - 1) /
                                                 PX_KMEANS_BLOCK_ROWS,
                                   .run = assign_block,
                                   .context = &assigning};
    (void)px_kmeans__share(crew, &work);
}

void px_kmeans_assign(const struct px_kmeans *kmeans, const struct px_rows *rows,
                      uint32_t *ret_lists, float *ret_distances)
{
    px_kmeans_assign_on(kmeans, NULL, rows, ret_lists, ret_distances);
}
