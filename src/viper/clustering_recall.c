/* Probe recall (viper/clustering.h). */
#include "viper/clustering_internal.h"
#include "viper/kmeans_internal.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_QUERIES = 200, DEFAULT_NEIGHBOURS = 10, DEFAULT_PROBED_PART = 20 };

/* Whether fewer than probe_count lists are nearer than this one, or as near and in front of it. */
static bool is_probed(const float *scores, size_t list_count, size_t list, size_t probe_count)
{
    size_t rank = 0;
    for (size_t other = 0; other < list_count && rank < probe_count; other++)
        rank += scores[other] > scores[list] || (scores[other] == scores[list] && other < list);
    return rank < probe_count;
}

int px_clustering_probe_recall(const struct px_clustering *clustering,
                               const struct px_rows *queries, const uint32_t *neighbour_lists,
                               size_t neighbour_count, size_t probe_count, double *ret_recall,
                               struct proximadb_error *reterr)
{
    size_t list_count = clustering->list_count, found = 0, all;
    float *scores = calloc(list_count * PX_CLUSTERING_BLOCK_ROWS, sizeof *scores);
    if (scores == NULL)
        return px_fail_no_memory(reterr);
    for (size_t q = 0; q < queries->row_count; q++) {
        size_t in_block = q % PX_CLUSTERING_BLOCK_ROWS;
        struct px_rows block = px_kmeans__block(queries, q);
        if (in_block == 0)
            px_clustering__score(&clustering->kmeans, &block, scores);
        for (size_t i = 0; i < neighbour_count; i++) {
            uint32_t list = neighbour_lists[q * neighbour_count + i];
            assert(list < list_count);
            found += is_probed(scores + in_block * list_count, list_count, list, probe_count);
        }
    }
    free(scores);
    all = queries->row_count * neighbour_count;
    *ret_recall = all > 0 ? (double)found / (double)all : 1.0;
    return PROXIMADB_OK;
}

/* ---- neighbours within a sample ------------------------------------------------------------- */

struct measuring {
    const struct px_clustering *clustering;
    struct px_clustering_measuring what;
    float *norms;    /* of the sample's rows, under cosine: 1 / norm */
    float *products; /* of a query and all rows of the sample */
    uint32_t *neighbour_lists;
};

static void set_defaults(struct px_clustering_measuring *what, size_t list_count)
{
    size_t row_count = what->sample->row_count;
    if (what->query_count == 0)
        what->query_count = DEFAULT_QUERIES;
    if (what->query_count > row_count)
        what->query_count = row_count;
    if (what->neighbour_count == 0)
        what->neighbour_count = DEFAULT_NEIGHBOURS;
    if (what->neighbour_count > row_count - 1)
        what->neighbour_count = row_count - 1;
    if (what->probe_count == 0)
        what->probe_count = (list_count + DEFAULT_PROBED_PART - 1) / DEFAULT_PROBED_PART;
}

/* Larger is nearer. */
static void compare_with_all(struct measuring *measuring, size_t query)
{
    const struct px_kmeans *kmeans = &measuring->clustering->kmeans;
    const struct px_rows *sample = measuring->what.sample;
    const void *vector = px_kmeans__row(sample, query);
    float *products = measuring->products;
    if (kmeans->metric == PROXIMADB_L2) {
        kmeans->kernels->l2_squared(sample, vector, products);
        for (size_t r = 0; r < sample->row_count; r++)
            products[r] = -products[r];
        return;
    }
    kmeans->kernels->dot_and_norm(sample, vector, products, measuring->norms);
    for (size_t r = 0; kmeans->metric == PROXIMADB_COSINE && r < sample->row_count; r++)
        products[r] = measuring->norms[r] > 0.0f ? products[r] / sqrtf(measuring->norms[r]) : 0.0f;
}

/* The lists of the rows with the largest products, the query itself left out. */
static void choose_neighbours(struct measuring *measuring, size_t query)
{
    float *products = measuring->products;
    size_t count = measuring->what.neighbour_count;
    uint32_t *lists = measuring->neighbour_lists + query * count;
    products[query] = -INFINITY;
    for (size_t i = 0; i < count; i++) {
        size_t best = query == 0 ? 1 : 0;
        for (size_t r = 0; r < measuring->what.sample->row_count; r++)
            if (products[r] > products[best])
                best = r;
        lists[i] = measuring->what.lists[best];
        products[best] = -INFINITY;
    }
}

static int measure(struct measuring *measuring, double *ret_recall, struct proximadb_error *reterr)
{
    const struct px_clustering_measuring *what = &measuring->what;
    size_t row_count = what->sample->row_count;
    measuring->norms = calloc(row_count, sizeof *measuring->norms);
    measuring->products = calloc(row_count, sizeof *measuring->products);
    measuring->neighbour_lists =
        calloc(what->query_count * what->neighbour_count, sizeof *measuring->neighbour_lists);
    if (measuring->norms == NULL || measuring->products == NULL ||
        measuring->neighbour_lists == NULL)
        return px_fail_no_memory(reterr);
    for (size_t q = 0; q < what->query_count; q++) {
        compare_with_all(measuring, q);
        choose_neighbours(measuring, q);
    }
    struct px_rows queries = *what->sample;
    queries.row_count = what->query_count;
    return px_clustering_probe_recall(measuring->clustering, &queries, measuring->neighbour_lists,
                                      what->neighbour_count, what->probe_count, ret_recall, reterr);
}

int px_clustering_measure(const struct px_clustering *clustering,
                          const struct px_clustering_measuring *measuring, double *ret_recall,
                          struct proximadb_error *reterr)
{
    struct measuring state = {.clustering = clustering, .what = *measuring};
    if (measuring->sample->row_count < 2) {
        *ret_recall = 1.0;
        return PROXIMADB_OK;
    }
    set_defaults(&state.what, clustering->list_count);
    int rc = measure(&state, ret_recall, reterr);
    free(state.norms);
    free(state.products);
    free(state.neighbour_lists);
    return rc;
}

bool px_clustering_is_stale(const struct px_clustering *clustering, double recall)
{
    return clustering->built_recall > 0.0 &&
           recall < clustering->built_recall - PX_CLUSTERING_MOST_DROP;
}
