/* px-test: layers=axis label=unit */
/*
 * Goal: deletes and replacements do not spoil a graph, slots are used again, and searches meanwhile
 * find as many as there are. Method: half of the rows are replaced, in rounds of marking, repairing
 * and inserting, by two threads, while two others search (ThreadSanitizer looks on); at the end every
 * hit is at the distance of the vector that its label names, and recall is held against that of a
 * graph that was built of the final rows. Then everything is deleted, and the graph is used once more.
 */
#include "axis/graph.h"

#include "os/crew.h"
#include "os/thread.h"
#include "support/graph_test.h"

#include <stdatomic.h>

enum { ROWS = 2400, DIMS = 48, ROUNDS = 6, PER_ROUND = ROWS / 2 / ROUNDS, SEARCHERS = 2 };

static struct {
    struct graph_set set; /* twice ROWS rows: label r is replaced by label ROWS + r */
    struct px_graph *graph;
    uint32_t slots[2 * ROWS];
    atomic_bool is_over;
    atomic_int failures, searches;
    _Atomic size_t next_row;
    size_t end_row;
} rig;

/* A hit's distance fits the vector that its label names, so its record is whole. */
static bool is_whole(const struct px_graph_hit *hit, const float *query)
{
    int64_t label = px_graph_label(rig.graph, hit->slot);
    if (label < 0 || label >= 2 * ROWS)
        return false;
    double expected = px_distance(rig.set.metric, query, graph_row(&rig.set, (size_t)label), DIMS);
    return fabs(expected - (double)hit->distance) < 0.02 * (1 + expected);
}

static void *search_on(void *context)
{
    struct px_graph_worker *worker = graph_worker(rig.graph);
    size_t query = (size_t)(uintptr_t)context;
    while (!atomic_load(&rig.is_over)) {
        struct px_graph_hit hits[2 * TRUE_K];
        const float *vector = rig.set.queries + query++ % rig.set.query_count * DIMS;
        uint32_t count;
        struct px_graph_request request = {
            .query = vector, .k = TRUE_K, .effort = 40, .dead_capacity = TRUE_K};
        int rc = px_graph_search(rig.graph, worker, &request, hits, &count, NULL);
        if (rc != PROXIMADB_OK || count < TRUE_K)
            atomic_fetch_add(&rig.failures, 1);
        atomic_fetch_add(&rig.searches, 1);
    }
    px_graph_worker_free(worker);
    return NULL;
}

static void insert_share(void *context, unsigned member)
{
    (void)context;
    (void)member;
    struct px_graph_worker *worker = graph_worker(rig.graph);
    size_t row;
    while ((row = atomic_fetch_add(&rig.next_row, 1)) < rig.end_row)
        if (px_graph_insert(rig.graph, worker, graph_row(&rig.set, row), (int64_t)row,
                            &rig.slots[row], NULL) != PROXIMADB_OK)
            atomic_fetch_add(&rig.failures, 1);
    px_graph_worker_free(worker);
}

static void insert_on_crew(struct px_crew *crew, size_t first, size_t end)
{
    atomic_store(&rig.next_row, first);
    rig.end_row = end;
    px_crew_run(crew, 2, insert_share, NULL);
}

/* Rows first to first + PER_ROUND - 1 give way to those that replace them. */
static void replace(struct px_crew *crew, size_t first)
{
    for (size_t row = first; row < first + PER_ROUND; row++)
        px_graph_set_dead(rig.graph, rig.slots[row], true);
    assert_int_equal(px_graph_repair(rig.graph, crew, NULL, NULL), PROXIMADB_OK);
    assert_int_equal(px_graph_dead_count(rig.graph), 0);
    insert_on_crew(crew, ROWS + first, ROWS + first + PER_ROUND);
}

static void check_final_recall(void)
{
    bool is_out[2 * ROWS];
    for (size_t row = 0; row < 2 * ROWS; row++)
        is_out[row] = row < ROWS ? row < ROWS / 2 : row >= ROWS + ROWS / 2;
    graph_find_truth(&rig.set, is_out);
    struct px_graph *fresh = graph_of_config(&rig.set, PROXIMADB_INDEX_LEAN);
    struct px_graph_worker *worker = graph_worker(fresh);
    for (size_t row = 0; row < 2 * ROWS; row++)
        if (!is_out[row])
            graph_insert_rows(&rig.set, fresh, worker, row, row + 1);
    double expected = graph_recall(&rig.set, fresh, worker, 0, 40);
    px_graph_worker_free(worker);
    px_graph_free(fresh);
    worker = graph_worker(rig.graph);
    double found = graph_recall(&rig.set, rig.graph, worker, 0, 40);
    print_message("recall after churn %.4f, of a fresh graph %.4f, %d searches meanwhile\n", found,
                  expected, atomic_load(&rig.searches));
    assert_true(found >= expected - 0.02);
    for (size_t q = 0; q < rig.set.query_count; q++) {
        struct px_graph_hit hits[TRUE_K];
        const float *query = rig.set.queries + q * DIMS;
        uint32_t count;
        struct px_graph_request request = {.query = query, .k = TRUE_K, .effort = 40};
        assert_int_equal(px_graph_search(rig.graph, worker, &request, hits, &count, NULL), 0);
        for (uint32_t i = 0; i < count; i++)
            assert_true(is_whole(&hits[i], query));
    }
    px_graph_worker_free(worker);
}

static void test_graph_repair__churn_while_searching(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("churn");
    struct px_crew *crew;
    pthread_t threads[SEARCHERS];
    rig.set = graph_set_new(&random, PROXIMADB_L2, (size_t)2 * ROWS, 100, DIMS);
    rig.graph = graph_of_config(&rig.set, PROXIMADB_INDEX_LEAN);
    assert_int_equal(px_crew_open(1, "crew", &crew, NULL), PROXIMADB_OK);
    insert_on_crew(crew, 0, ROWS);
    assert_int_equal(px_graph_slot_count(rig.graph), ROWS);
    for (size_t i = 0; i < SEARCHERS; i++)
        assert_int_equal(
            px_thread_start(&threads[i], "search", search_on, (void *)(uintptr_t)(i * 50), NULL),
            PROXIMADB_OK);
    for (size_t round = 0; round < ROUNDS; round++)
        replace(crew, round * PER_ROUND);
    atomic_store(&rig.is_over, true);
    for (size_t i = 0; i < SEARCHERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&rig.failures), 0);
    assert_int_equal(px_graph_slot_count(rig.graph), ROWS); /* all replacements found a slot */
    assert_int_equal(px_graph_live_count(rig.graph), ROWS);
    check_final_recall();
    px_crew_close(crew);
    px_graph_free(rig.graph);
    graph_set_release(&rig.set);
}

static void test_graph_repair__everything_is_deleted_and_begins_again(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("all");
    struct graph_set set = graph_set_new(&random, PROXIMADB_COSINE, 500, 30, 32);
    struct px_graph *graph = graph_of_config(&set, PROXIMADB_INDEX_LEAN);
    struct px_graph_worker *worker = graph_worker(graph);
    struct px_graph_hit hits[TRUE_K];
    uint32_t count = 9;
    for (int round = 0; round < 2; round++) {
        graph_insert_rows(&set, graph, worker, 0, 500);
        assert_true(graph_recall(&set, graph, worker, 0, 100) >= 0.97);
        for (uint32_t slot = 0; slot < 500; slot++)
            px_graph_set_dead(graph, slot, true);
        struct px_graph_request request = {.query = set.queries, .k = TRUE_K};
        assert_int_equal(px_graph_search(graph, worker, &request, hits, &count, NULL), 0);
        assert_int_equal(count, 0);
        assert_int_equal(px_graph_repair(graph, NULL, NULL, NULL), PROXIMADB_OK);
        assert_int_equal(px_graph_search(graph, worker, &request, hits, &count, NULL), 0);
        assert_int_equal(count, 0);
        assert_int_equal(px_graph_live_count(graph), 0);
        assert_false(px_graph_has_slot(graph, 7));
        assert_int_equal(px_graph_slot_count(graph), 500);
    }
    px_graph_worker_free(worker);
    px_graph_free(graph);
    graph_set_release(&set);
}

static bool stop_at_once(void *context)
{
    ++*(int *)context;
    return true;
}

static void test_graph_repair__can_be_stopped(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("stop");
    struct graph_set set = graph_set_new(&random, PROXIMADB_L2, 300, 30, 16);
    struct px_graph *graph = graph_of_config(&set, PROXIMADB_INDEX_LEAN);
    struct px_graph_worker *worker = graph_worker(graph);
    bool is_out[300] = {false};
    int asked = 0;
    struct px_graph_control control = {.should_stop = stop_at_once, .context = &asked};
    graph_insert_rows(&set, graph, worker, 0, 300);
    for (uint32_t slot = 0; slot < 100; slot++) {
        px_graph_set_dead(graph, slot, true);
        is_out[px_graph_label(graph, slot)] = true;
    }
    graph_find_truth(&set, is_out);
    assert_int_equal(px_graph_repair(graph, NULL, &control, NULL), PROXIMADB_CANCELLED);
    assert_int_equal(asked, 1);
    assert_int_equal(px_graph_dead_count(graph), 100);
    assert_true(graph_recall(&set, graph, worker, 0, 100) >= 0.97);
    assert_int_equal(px_graph_repair(graph, NULL, NULL, NULL), PROXIMADB_OK);
    assert_int_equal(px_graph_dead_count(graph), 0);
    assert_true(graph_recall(&set, graph, worker, 0, 100) >= 0.97);
    px_graph_worker_free(worker);
    px_graph_free(graph);
    graph_set_release(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_graph_repair__churn_while_searching),
        cmocka_unit_test(test_graph_repair__everything_is_deleted_and_begins_again),
        cmocka_unit_test(test_graph_repair__can_be_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
