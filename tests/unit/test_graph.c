/* px-test: layers=axis label=unit */
/*
 * Goal: a graph finds the true neighbours under every metric, from 1 to 65,536 dimensions, says how
 * far they are, and copes with equal, zero, huge and tiny vectors, with none at all, and with norms
 * that it was not made for. Method: rows around random centres; neighbours and distances by
 * simd/distance.h, which compares all; recalls with a floor.
 */
#include "axis/graph.h"

#include "os/fs.h"
#include "support/graph_test.h"

#include <unistd.h>

static void check_recall(enum proximadb_metric metric, size_t row_count, size_t dim_count,
                         enum proximadb_index_memory memory)
{
    struct px_test_random random = px_test_random_new("recall");
    struct graph_set set = graph_set_new(&random, metric, row_count, 50, dim_count);
    struct px_graph *graph = graph_of_config(&set, memory);
    struct px_graph_worker *worker = graph_worker(graph);
    graph_insert_rows(&set, graph, worker, 0, row_count);
    double wide = graph_recall(&set, graph, worker, 0, 300);
    double usual = graph_recall(&set, graph, worker, 0.95, 0);
    print_message("metric %d, %zu dimensions: %.4f at effort 300, %.4f at 0.95\n", (int)metric,
                  dim_count, wide, usual);
    assert_true(wide >= (dim_count < 8 ? 0.9 : 0.97));
    assert_true(usual >= 0.87);
    assert_int_equal(px_graph_live_count(graph), row_count);
    px_graph_worker_free(worker);
    px_graph_free(graph);
    graph_set_release(&set);
}

static void test_graph__finds_neighbours_under_every_metric(void **state)
{
    (void)state;
    check_recall(PROXIMADB_COSINE, 2000, 384, PROXIMADB_INDEX_LEAN);
    check_recall(PROXIMADB_L2, 2000, 128, PROXIMADB_INDEX_LEAN);
    check_recall(PROXIMADB_DOT, 2000, 100, PROXIMADB_INDEX_LEAN);
    check_recall(PROXIMADB_COSINE, 1500, 384, PROXIMADB_INDEX_FAST);
}

static void test_graph__finds_neighbours_in_every_dimension(void **state)
{
    (void)state;
    check_recall(PROXIMADB_COSINE, 600, 768, PROXIMADB_INDEX_LEAN);
    check_recall(PROXIMADB_L2, 600, 1024, PROXIMADB_INDEX_LEAN);
    check_recall(PROXIMADB_L2, 600, 33, PROXIMADB_INDEX_LEAN);
    check_recall(PROXIMADB_DOT, 600, 65, PROXIMADB_INDEX_LEAN);
    check_recall(PROXIMADB_L2, 600, 2, PROXIMADB_INDEX_LEAN);
    check_recall(PROXIMADB_L2, 30, 65536, PROXIMADB_INDEX_LEAN);
}

/* What a hit says is near what the canonical routine says. */
static void check_distances(enum proximadb_metric metric, float factor)
{
    struct px_test_random random = px_test_random_new("distances");
    struct graph_set set = graph_set_new(&random, metric, 300, 20, 48);
    for (size_t i = 0; i < set.row_count * set.dim_count; i++)
        set.rows[i] *= factor;
    for (size_t i = 0; i < set.query_count * set.dim_count; i++)
        set.queries[i] *= factor;
    graph_find_truth(&set, NULL);
    struct px_graph *graph = graph_of_config(&set, PROXIMADB_INDEX_LEAN);
    struct px_graph_worker *worker = graph_worker(graph);
    graph_insert_rows(&set, graph, worker, 0, set.row_count);
    assert_true(graph_recall(&set, graph, worker, 0, 100) >= 0.95);
    for (size_t q = 0; q < set.query_count; q++) {
        struct px_graph_hit hits[TRUE_K];
        uint32_t count;
        const float *query = set.queries + q * set.dim_count;
        struct px_graph_request request = {.query = query, .k = TRUE_K, .effort = 50};
        assert_int_equal(px_graph_search(graph, worker, &request, hits, &count, NULL), 0);
        assert_int_equal(count, TRUE_K);
        double norms = sqrt(px_norm_squared_exact(query, set.dim_count));
        for (uint32_t i = 0; i < count; i++) {
            const float *row = graph_row(&set, (size_t)px_graph_label(graph, hits[i].slot));
            double expected = px_distance(metric, query, row, set.dim_count);
            double scale = metric == PROXIMADB_COSINE ? 1
                           : metric == PROXIMADB_L2
                               ? norms
                               : norms * sqrt(px_norm_squared_exact(row, set.dim_count));
            assert_true(fabs((double)hits[i].distance - expected) <= 0.01 * scale);
            assert_true(i == 0 || hits[i].distance >= hits[i - 1].distance);
        }
    }
    px_graph_worker_free(worker);
    px_graph_free(graph);
    graph_set_release(&set);
}

static void test_graph__tells_distances_of_any_size(void **state)
{
    (void)state;
    check_distances(PROXIMADB_COSINE, 1);
    check_distances(PROXIMADB_L2, 1);
    check_distances(PROXIMADB_DOT, 1);
    check_distances(PROXIMADB_L2, 1e17f);
    check_distances(PROXIMADB_L2, 1e-17f);
    check_distances(PROXIMADB_DOT, 1e-15f);
    check_distances(PROXIMADB_COSINE, 1e-15f);
}

static void test_graph__of_none_and_of_one(void **state)
{
    (void)state;
    struct px_graph_config config = {1, PROXIMADB_L2, PROXIMADB_INDEX_LEAN};
    struct px_graph *graph;
    struct px_graph_hit hits[3];
    float one = 2.5f, query = 2;
    uint32_t count = 9, slot;
    assert_int_equal(px_graph_new(&config, NULL, &graph, NULL), PROXIMADB_OK);
    struct px_graph_worker *worker = graph_worker(graph);
    struct px_graph_request request = {.query = &query, .k = 3};
    assert_int_equal(px_graph_search(graph, worker, &request, hits, &count, NULL), PROXIMADB_OK);
    assert_int_equal(count, 0);
    assert_int_equal(px_graph_insert(graph, worker, &one, 77, &slot, NULL), PROXIMADB_OK);
    assert_int_equal(px_graph_search(graph, worker, &request, hits, &count, NULL), PROXIMADB_OK);
    assert_int_equal(count, 1);
    assert_int_equal(hits[0].slot, slot);
    assert_int_equal(px_graph_label(graph, slot), 77);
    assert_true(fabsf(hits[0].distance - 0.5f) < 0.01f);
    px_graph_worker_free(worker);
    px_graph_free(graph);
}

/* Thousands of equal rows of two kinds are found, and so are the others, which are nearer to each
 * other than to these. */
static void test_graph__equal_rows_do_not_hide_others(void **state)
{
    (void)state;
    enum { EQUAL = 6000, OTHERS = 600, DIMS = 64 };
    struct px_test_random random = px_test_random_new("equal");
    struct graph_set set = graph_set_new(&random, PROXIMADB_L2, OTHERS, 50, DIMS);
    struct px_graph *graph = graph_of_config(&set, PROXIMADB_INDEX_LEAN);
    struct px_graph_worker *worker = graph_worker(graph);
    float equal[DIMS];
    for (int i = 0; i < DIMS; i++)
        equal[i] = 3;
    uint32_t slot, count;
    graph_insert_rows(&set, graph, worker, 0, OTHERS / 2);
    for (int i = 0; i < EQUAL; i++) {
        equal[0] = i % 3 == 0 ? 4 : 3;
        assert_int_equal(px_graph_insert(graph, worker, equal, 1000000 + i, &slot, NULL), 0);
    }
    graph_insert_rows(&set, graph, worker, OTHERS / 2, OTHERS);
    for (int which = 0; which < 2; which++) {
        struct px_graph_hit hits[100];
        equal[0] = which == 0 ? 4 : 3;
        struct px_graph_request request = {.query = equal, .k = 100, .target_recall = 0.9};
        assert_int_equal(px_graph_search(graph, worker, &request, hits, &count, NULL), 0);
        assert_int_equal(count, 100);
        for (uint32_t i = 0; i < count; i++) {
            int64_t label = px_graph_label(graph, hits[i].slot);
            assert_true(label >= 1000000 && ((label - 1000000) % 3 == 0) == (which == 0));
            for (uint32_t j = 0; j < i; j++)
                assert_true(hits[i].slot != hits[j].slot);
        }
    }
    double recall = graph_recall(&set, graph, worker, 0, 200);
    print_message("others among equal ones: %.4f\n", recall);
    assert_true(recall >= 0.95);
    px_graph_worker_free(worker);
    px_graph_free(graph);
    graph_set_release(&set);
}

static void test_graph__all_rows_equal(void **state)
{
    (void)state;
    struct px_graph_config config = {20, PROXIMADB_COSINE, PROXIMADB_INDEX_LEAN};
    struct px_graph *graph;
    struct px_graph_hit hits[50];
    float row[20] = {1, 2, 3};
    uint32_t slot, count;
    assert_int_equal(px_graph_new(&config, NULL, &graph, NULL), PROXIMADB_OK);
    struct px_graph_worker *worker = graph_worker(graph);
    for (int i = 0; i < 5000; i++)
        assert_int_equal(px_graph_insert(graph, worker, row, i, &slot, NULL), PROXIMADB_OK);
    row[1] = 0;
    struct px_graph_request request = {.query = row, .k = 50};
    assert_int_equal(px_graph_search(graph, worker, &request, hits, &count, NULL), PROXIMADB_OK);
    assert_int_equal(count, 50);
    px_graph_worker_free(worker);
    px_graph_free(graph);
}

static void test_graph__a_norm_that_it_was_not_made_for_is_refused(void **state)
{
    (void)state;
    float rows[2][4] = {{1, 0, 0, 0}, {0, 2, 0, 0}}, fits[4] = {2.19f}, large[4] = {2.3f};
    struct px_graph_config config = {4, PROXIMADB_DOT, PROXIMADB_INDEX_LEAN};
    struct px_rows sample = {rows, sizeof rows[0], 2, 4};
    struct px_graph *graph;
    struct proximadb_error error;
    uint32_t slot;
    assert_int_equal(px_graph_new(&config, &sample, &graph, NULL), PROXIMADB_OK);
    struct px_graph_worker *worker = graph_worker(graph);
    assert_int_equal(px_graph_insert(graph, worker, fits, 1, &slot, NULL), PROXIMADB_OK);
    assert_int_equal(px_graph_insert(graph, worker, large, 2, &slot, &error), PROXIMADB_INVALID);
    assert_non_null(strstr(error.message, "2.3"));
    assert_int_equal(px_graph_slot_count(graph), 1);
    px_graph_worker_free(worker);
    px_graph_free(graph);
}

/* The dead come with the live only where there is room for them. */
static void test_graph__dead_rows_are_flagged_or_left_out(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("dead");
    struct graph_set set = graph_set_new(&random, PROXIMADB_L2, 1000, 20, 32);
    struct px_graph *graph = graph_of_config(&set, PROXIMADB_INDEX_LEAN);
    struct px_graph_worker *worker = graph_worker(graph);
    enum { LIVE = 3 * TRUE_K }; /* so many that some dead ones are nearer than the last */
    bool is_out[1000];
    graph_insert_rows(&set, graph, worker, 0, 1000);
    for (uint32_t slot = 0; slot < 1000; slot++) {
        is_out[px_graph_label(graph, slot)] = slot % 3 == 0;
        px_graph_set_dead(graph, slot, slot % 3 == 0);
    }
    assert_int_equal(px_graph_dead_count(graph), 334);
    assert_int_equal(px_graph_live_count(graph), 666);
    graph_find_truth(&set, is_out);
    assert_true(graph_recall(&set, graph, worker, 0, 100) >= 0.97);
    for (uint32_t room = 0; room < 40; room += 13) {
        struct px_graph_hit hits[LIVE + 40];
        uint32_t count, live = 0, dead = 0;
        struct px_graph_request request = {
            .query = set.queries, .k = LIVE, .effort = 100, .dead_capacity = room};
        assert_int_equal(px_graph_search(graph, worker, &request, hits, &count, NULL), 0);
        for (uint32_t i = 0; i < count; i++) {
            assert_int_equal(hits[i].is_dead, hits[i].slot % 3 == 0);
            live += !hits[i].is_dead;
            dead += hits[i].is_dead;
        }
        assert_int_equal(live, LIVE);
        assert_true(dead <= room);
        assert_true(room == 0 || dead > 0);
        assert_true(!hits[count - 1].is_dead);
    }
    px_graph_set_dead(graph, 0, false);
    px_graph_set_dead(graph, 0, false);
    assert_int_equal(px_graph_dead_count(graph), 333);
    assert_false(px_graph_is_dead(graph, 0));
    assert_true(px_graph_is_dead(graph, 3));
    int64_t labels[3];
    px_graph_read_labels(graph, 2, 3, labels);
    assert_int_equal(labels[0], px_graph_label(graph, 2));
    assert_int_equal(labels[1], PX_GRAPH_NO_LABEL);
    assert_int_equal(labels[2], px_graph_label(graph, 4));
    px_graph_worker_free(worker);
    px_graph_free(graph);
    graph_set_release(&set);
}

static void test_graph__memory_at_384_dimensions(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("memory");
    struct graph_set set = graph_set_new(&random, PROXIMADB_COSINE, 4096, 1, 384);
    struct px_graph *graph = graph_of_config(&set, PROXIMADB_INDEX_LEAN);
    struct px_graph_worker *worker = graph_worker(graph);
    uint64_t before = px_graph_memory_bytes(graph);
    graph_insert_rows(&set, graph, worker, 0, 4096);
    double bytes = (double)(px_graph_memory_bytes(graph) - before) / 4096;
    print_message("%.1f bytes a vector\n", bytes);
    assert_true(bytes <= 640);
    px_graph_worker_free(worker);
    px_graph_free(graph);
    graph_set_release(&set);
}

/* One row in 50 is five times as long as the others: they are all answers there are. */
static struct graph_set set_of_outliers(struct px_test_random *random)
{
    struct graph_set set = graph_set_new(random, PROXIMADB_DOT, 5000, 60, 24);
    for (size_t row = 0; row < set.row_count; row += 50)
        for (size_t j = 0; j < set.dim_count; j++)
            set.rows[row * set.dim_count + j] *= 5;
    graph_find_truth(&set, NULL);
    return set;
}

static void check_saved(const struct graph_set *set, struct px_graph *graph, double recall)
{
    const struct px_graph_config config = {24, PROXIMADB_DOT, PROXIMADB_INDEX_LEAN};
    char path[] = "/tmp/px_graph_XXXXXX";
    struct px_graph *opened;
    close(mkstemp(path));
    unlink(path);
    assert_int_equal(px_graph_save(graph, &px_fs_posix, path, NULL), PROXIMADB_OK);
    assert_int_equal(px_graph_open(&px_fs_posix, path, &config, &opened, NULL), PROXIMADB_OK);
    struct px_graph_worker *worker = graph_worker(opened);
    assert_true(graph_recall(set, opened, worker, 0.95, 0) >= recall - 0.01);
    px_graph_worker_free(worker);
    px_graph_free(opened);
    unlink(path);
}

static void test_graph__long_vectors_are_found_under_dot(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("outliers");
    struct graph_set set = set_of_outliers(&random);
    struct px_graph_config config = {24, PROXIMADB_DOT, PROXIMADB_INDEX_LEAN};
    struct px_rows sample = {set.rows, 24 * sizeof(float), set.row_count, 24};
    struct px_graph *graph;
    bool is_out[5000] = {false};
    assert_int_equal(px_graph_new(&config, &sample, &graph, NULL), PROXIMADB_OK);
    struct px_graph_worker *worker = graph_worker(graph);
    graph_insert_rows(&set, graph, worker, 0, set.row_count);
    double recall = graph_recall(&set, graph, worker, 0.95, 0);
    check_saved(&set, graph, recall);
    /* Without most of them, the rest is found. */
    for (uint32_t row = 0; row < set.row_count; row++) {
        is_out[row] = row % 50 == 0 && row % 200 != 0;
        px_graph_set_dead(graph, row, is_out[row]);
    }
    assert_int_equal(px_graph_repair(graph, NULL, NULL, NULL), PROXIMADB_OK);
    graph_find_truth(&set, is_out);
    double rest = graph_recall(&set, graph, worker, 0.95, 0);
    print_message("of long vectors %.4f, of the rest of them %.4f\n", recall, rest);
    assert_true(recall >= 0.95);
    assert_true(rest >= 0.9);
    px_graph_worker_free(worker);
    px_graph_free(graph);
    graph_set_release(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_graph__finds_neighbours_under_every_metric),
        cmocka_unit_test(test_graph__finds_neighbours_in_every_dimension),
        cmocka_unit_test(test_graph__tells_distances_of_any_size),
        cmocka_unit_test(test_graph__of_none_and_of_one),
        cmocka_unit_test(test_graph__equal_rows_do_not_hide_others),
        cmocka_unit_test(test_graph__all_rows_equal),
        cmocka_unit_test(test_graph__a_norm_that_it_was_not_made_for_is_refused),
        cmocka_unit_test(test_graph__dead_rows_are_flagged_or_left_out),
        cmocka_unit_test(test_graph__memory_at_384_dimensions),
        cmocka_unit_test(test_graph__long_vectors_are_found_under_dot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
