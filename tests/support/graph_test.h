/* graph_test: sets of vectors with their true neighbours, for the tests of axis/graph. */
#ifndef PX_TEST_GRAPH_H
#define PX_TEST_GRAPH_H

#include "axis/graph.h"
#include "simd/distance.h"
#include "support/px_test.h"

enum { TRUE_K = 10 };

struct graph_set {
    enum proximadb_metric metric;
    size_t row_count, query_count, dim_count;
    float *rows;
    float *queries;
    uint32_t *truth; /* TRUE_K per query */
};

static inline float graph_normal(struct px_test_random *random)
{
    float sum = 0;
    for (int i = 0; i < 6; i++)
        sum += px_test_float(random);
    return sum * 0.7071f;
}

/* Rows around some centres that lie in few dimensions, as embeddings do. */
static inline void graph_fill(struct px_test_random *random, float *rows, size_t count,
                              size_t dim_count, const float *centres, size_t centre_count)
{
    for (size_t i = 0; i < count; i++) {
        const float *centre = centres + px_test_below(random, centre_count) * dim_count;
        for (size_t j = 0; j < dim_count; j++)
            rows[i * dim_count + j] = centre[j] + 0.6f * graph_normal(random);
    }
}

/* The true neighbours among rows for which is_out[row] is false (NULL: all). */
static inline void graph_find_truth(struct graph_set *set, const bool *is_out)
{
    for (size_t q = 0; q < set->query_count; q++) {
        double best[TRUE_K];
        uint32_t *truth = set->truth + q * TRUE_K, count = 0;
        for (uint32_t row = 0; row < set->row_count; row++) {
            if (is_out != NULL && is_out[row])
                continue;
            double distance = px_distance(set->metric, set->queries + q * set->dim_count,
                                          set->rows + row * set->dim_count, set->dim_count);
            uint32_t at = count < TRUE_K ? count++ : TRUE_K;
            for (; at > 0 && best[at - 1] > distance; at--)
                if (at < TRUE_K) {
                    best[at] = best[at - 1];
                    truth[at] = truth[at - 1];
                }
            if (at < TRUE_K) {
                best[at] = distance;
                truth[at] = row;
            }
        }
    }
}

static inline struct graph_set graph_set_new(struct px_test_random *random,
                                             enum proximadb_metric metric, size_t row_count,
                                             size_t query_count, size_t dim_count)
{
    enum { CENTRES = 40 };
    struct graph_set set = {metric, row_count, query_count, dim_count, NULL, NULL, NULL};
    float *centres = malloc(CENTRES * dim_count * sizeof *centres);
    set.rows = malloc(row_count * dim_count * sizeof *set.rows);
    set.queries = malloc(query_count * dim_count * sizeof *set.queries);
    set.truth = malloc(query_count * TRUE_K * sizeof *set.truth);
    for (size_t i = 0; i < CENTRES * dim_count; i++)
        centres[i] = graph_normal(random);
    graph_fill(random, set.rows, row_count, dim_count, centres, CENTRES);
    graph_fill(random, set.queries, query_count, dim_count, centres, CENTRES);
    free(centres);
    graph_find_truth(&set, NULL);
    return set;
}

static inline void graph_set_release(struct graph_set *set)
{
    free(set->rows);
    free(set->queries);
    free(set->truth);
}

static inline const float *graph_row(const struct graph_set *set, size_t row)
{
    return set->rows + row * set->dim_count;
}

static inline struct px_graph *graph_of_config(const struct graph_set *set,
                                               enum proximadb_index_memory memory)
{
    struct px_graph_config config = {(uint32_t)set->dim_count, set->metric, memory};
    /* Under dot all of them, since one that is longer than the sample's would be refused. */
    size_t count = set->row_count < 1000 || set->metric == PROXIMADB_DOT ? set->row_count : 1000;
    struct px_rows sample = {set->rows, set->dim_count * sizeof(float), count, set->dim_count};
    struct px_graph *graph;
    assert_int_equal(px_graph_new(&config, &sample, &graph, NULL), PROXIMADB_OK);
    return graph;
}

static inline struct px_graph_worker *graph_worker(struct px_graph *graph)
{
    struct px_graph_worker *worker;
    assert_int_equal(px_graph_worker_new(graph, &worker, NULL), PROXIMADB_OK);
    return worker;
}

/* Inserts rows first to end - 1, labelled by number. */
static inline void graph_insert_rows(const struct graph_set *set, struct px_graph *graph,
                                     struct px_graph_worker *worker, size_t first, size_t end)
{
    for (size_t row = first; row < end; row++) {
        uint32_t slot;
        assert_int_equal(
            px_graph_insert(graph, worker, graph_row(set, row), (int64_t)row, &slot, NULL),
            PROXIMADB_OK);
    }
}

/* The share of the true neighbours that is found (rows are known by label). */
static inline double graph_recall(const struct graph_set *set, struct px_graph *graph,
                                  struct px_graph_worker *worker, double target, uint32_t effort)
{
    size_t found = 0;
    for (size_t q = 0; q < set->query_count; q++) {
        struct px_graph_hit hits[TRUE_K];
        uint32_t count;
        struct px_graph_request request = {.query = set->queries + q * set->dim_count,
                                           .k = TRUE_K,
                                           .target_recall = target,
                                           .effort = effort};
        assert_int_equal(px_graph_search(graph, worker, &request, hits, &count, NULL),
                         PROXIMADB_OK);
        for (uint32_t i = 0; i < count; i++)
            for (size_t j = 0; j < TRUE_K; j++)
                found += px_graph_label(graph, hits[i].slot) == set->truth[q * TRUE_K + j];
    }
    return (double)found / (double)(set->query_count * TRUE_K);
}

#endif /* PX_TEST_GRAPH_H */
