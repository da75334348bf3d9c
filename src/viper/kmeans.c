#include "viper/kmeans.h"

#include "base/bits.h"
#include "base/buffer.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

enum {
    DEFAULT_ROWS_PER_LIST = 256,
    DEFAULT_ITERATIONS = 10,
    DEFAULT_MEMORY_BYTES = 512 << 20,
    CACHE_LINE_BYTES = 64,
    BLOCK_ROWS = 32,       /* assigned at once */
    BLOCK_CENTROIDS = 256, /* compared with them at once */
    SCORE_LANES = 8,
};

/* ---- centroids ------------------------------------------------------------------------------ */

/* Rows of `dim_count` floats, each at the beginning of a cache line; NULL without memory. */
static bool rows_init(struct px_rows *rows, size_t row_count, size_t dim_count)
{
    size_t stride_bytes = px_round_up(dim_count * sizeof(float), CACHE_LINE_BYTES), size_bytes;
    if (!px_multiply_size(row_count, stride_bytes, &size_bytes))
        return false;
    void *data = aligned_alloc(CACHE_LINE_BYTES, size_bytes > 0 ? size_bytes : CACHE_LINE_BYTES);
    *rows = (struct px_rows){data, stride_bytes, row_count, dim_count};
    return data != NULL;
}

static float *row_at(const struct px_rows *rows, size_t index)
{
    return (float *)((uint8_t *)(uintptr_t)rows->data + index * rows->stride_bytes);
}

static int centroids_init(struct px_centroids *centroids, enum proximadb_metric metric,
                          size_t list_count, size_t dim_count, struct proximadb_error *reterr)
{
    *centroids = (struct px_centroids){.metric = metric};
    centroids->biases = calloc(list_count, sizeof *centroids->biases);
    if (centroids->biases != NULL && rows_init(&centroids->vectors, list_count, dim_count))
        return PROXIMADB_OK;
    px_centroids_release(centroids);
    return px_fail_no_memory(reterr);
}

void px_centroids_release(struct px_centroids *centroids)
{
    free(centroids->biases);
    free((void *)(uintptr_t)centroids->vectors.data);
    *centroids = (struct px_centroids){0};
}

static void set_bias(struct px_centroids *centroids, const struct px_kernels *kernels, size_t list)
{
    if (centroids->metric == PROXIMADB_L2)
        centroids->biases[list] =
            0.5f * kernels->norm_squared(row_at(&centroids->vectors, list),
                                         centroids->vectors.dim_count);
}

int px_centroids_init(struct px_centroids *centroids, enum proximadb_metric metric,
                      const struct px_rows *vectors, struct proximadb_error *reterr)
{
    struct px_centroids made;
    int rc = centroids_init(&made, metric, vectors->row_count, vectors->dim_count, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    for (size_t list = 0; list < vectors->row_count; list++) {
        memcpy(row_at(&made.vectors, list), row_at(vectors, list),
               vectors->dim_count * sizeof(float));
        set_bias(&made, px_kernels_get(), list);
    }
    *centroids = made;
    return PROXIMADB_OK;
}

/* ---- assigning ------------------------------------------------------------------------------ */

/* A row's best list so far. Its score is its product with the centroid minus the centroid's bias: the
 * larger, the nearer, since |x - c|^2 / 2 is |x|^2 / 2 less this. */
struct best {
    uint32_t list;
    float score;
};

static float largest_score(const float *products, const float *biases, size_t count)
{
    float lanes[SCORE_LANES];
    for (size_t lane = 0; lane < SCORE_LANES; lane++)
        lanes[lane] = -INFINITY;
    size_t i = 0;
    for (; i + SCORE_LANES <= count; i += SCORE_LANES)
        for (size_t lane = 0; lane < SCORE_LANES; lane++) {
            float score = products[i + lane] - biases[i + lane];
            lanes[lane] = score > lanes[lane] ? score : lanes[lane];
        }
    float largest = -INFINITY;
    for (; i < count; i++)
        largest = fmaxf(largest, products[i] - biases[i]);
    for (size_t lane = 0; lane < SCORE_LANES; lane++)
        largest = fmaxf(largest, lanes[lane]);
    return largest;
}

/* Looks for the place only if there is something better, which is seldom. */
static void update_best(struct best *best, const float *products, const float *biases,
                        uint32_t first_list, size_t count)
{
    float largest = largest_score(products, biases, count);
    if (!(largest > best->score))
        return;
    uint32_t i = 0;
    while (i + 1 < count && products[i] - biases[i] != largest)
        i++;
    *best = (struct best){first_list + i, largest};
}

/* At most BLOCK_ROWS rows. */
static void assign_block(const struct px_centroids *centroids, const struct px_kernels *kernels,
                         const struct px_rows *rows, struct best *ret_best)
{
    float products[BLOCK_ROWS * BLOCK_CENTROIDS];
    for (size_t r = 0; r < rows->row_count; r++)
        ret_best[r] = (struct best){0, -INFINITY};
    struct px_rows some = centroids->vectors;
    for (size_t first = 0; first < centroids->vectors.row_count; first += BLOCK_CENTROIDS) {
        size_t left = centroids->vectors.row_count - first;
        some.data = row_at(&centroids->vectors, first);
        some.row_count = left < BLOCK_CENTROIDS ? left : BLOCK_CENTROIDS;
        kernels->dot_matrix(&some, rows, products, BLOCK_CENTROIDS);
        for (size_t r = 0; r < rows->row_count; r++)
            update_best(&ret_best[r], products + r * BLOCK_CENTROIDS, centroids->biases + first,
                        (uint32_t)first, some.row_count);
    }
}

static float distance_of(const struct px_centroids *centroids, float score, float norm_squared)
{
    if (centroids->metric == PROXIMADB_L2)
        return sqrtf(fmaxf(0.0f, norm_squared - 2.0f * score));
    return norm_squared > 0.0f ? fmaxf(0.0f, 1.0f - score / sqrtf(norm_squared)) : 1.0f;
}

void px_kmeans_assign(const struct px_centroids *centroids, const struct px_kernels *kernels,
                      const struct px_rows *rows, uint32_t *ret_lists, float *ret_distances)
{
    assert(rows->dim_count == centroids->vectors.dim_count);
    for (size_t first = 0; first < rows->row_count; first += BLOCK_ROWS) {
        struct best best[BLOCK_ROWS];
        struct px_rows block = *rows;
        block.data = row_at(rows, first);
        block.row_count = rows->row_count - first < BLOCK_ROWS ? rows->row_count - first : BLOCK_ROWS;
        assign_block(centroids, kernels, &block, best);
        for (size_t r = 0; r < block.row_count; r++) {
            ret_lists[first + r] = best[r].list;
            if (ret_distances != NULL)
                ret_distances[first + r] =
                    distance_of(centroids, best[r].score,
                                kernels->norm_squared(row_at(&block, r), rows->dim_count));
        }
    }
}

/* ---- the sample ----------------------------------------------------------------------------- */

/* splitmix64 (Steele, Lea, Flood, OOPSLA 2014). */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* 0 to limit - 1; its bias is below limit / 2^64. */
static uint64_t random_below(uint64_t *state, uint64_t limit)
{
    return (uint64_t)(((unsigned __int128)next_random(state) * limit) >> 64);
}

/* A training under way. */
struct training {
    struct px_kmeans_options options; /* with defaults filled in */
    uint64_t random;
    struct px_rows sample;
    struct px_centroids centroids;
    double *sums;      /* of the rows of each list: list_count times dim_count */
    uint32_t *counts;  /* rows of each list in this iteration */
    uint32_t *members; /* a random row of each list: its index in the sample */
    uint32_t *order;   /* lists, by size */
};

static void normalise(const struct training *training, float *vector)
{
    size_t dim_count = training->options.dim_count;
    float norm_squared = training->options.kernels->norm_squared(vector, dim_count);
    if (!(norm_squared > 0.0f))
        return;
    float factor = 1.0f / sqrtf(norm_squared);
    for (size_t dim = 0; dim < dim_count; dim++)
        vector[dim] *= factor;
}

static bool is_spherical(const struct training *training)
{
    return training->options.metric != PROXIMADB_L2;
}
