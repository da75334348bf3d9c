/* px-test: layers=axis label=unit */
/*
 * Goal: a graph that is built at once has every row in a slot of its own, finds what one of inserts
 * finds, has learnt what recalls take, and ends where it is stopped or cannot read. Method: sets that
 * are small, and one that is large enough for near rows to get near slots; on one thread and with a
 * crew; every call of the callbacks fails once.
 */
#include "axis/graph.h"

#include "os/crew.h"
#include "support/graph_test.h"

enum { SMALL = 2500, LARGE = 20500, DIMS = 24 };

static struct {
    struct graph_set set;
    uint64_t next_row, reads, fail_at;
    uint64_t asked, stop_at;
    uint64_t done;
    int ends; /* of reading */
} rig;

static int read_rows(void *context, uint64_t first_row, size_t count, float *ret_vectors,
                     int64_t *ret_labels, struct proximadb_error *reterr)
{
    assert_ptr_equal(context, &rig);
    assert_int_equal(first_row, rig.next_row);
    assert_true(first_row + count <= rig.set.row_count);
    if (++rig.reads == rig.fail_at)
        return px_fail(reterr, PROXIMADB_IO, "the disk is gone");
    rig.next_row += count;
    memcpy(ret_vectors, graph_row(&rig.set, first_row), count * DIMS * sizeof(float));
    for (size_t i = 0; i < count; i++)
        ret_labels[i] = (int64_t)(first_row + i);
    return PROXIMADB_OK;
}

static void end_reading(void *context)
{
    assert_ptr_equal(context, &rig);
    assert_int_equal(rig.next_row, rig.set.row_count);
    rig.ends++;
}

static bool should_stop(void *context)
{
    assert_ptr_equal(context, &rig);
    return __atomic_add_fetch(&rig.asked, 1, __ATOMIC_RELAXED) == rig.stop_at;
}

static void note_progress(void *context, uint64_t done, uint64_t total)
{
    assert_ptr_equal(context, &rig);
    assert_true(done >= rig.done && done <= total);
    assert_int_equal(total, rig.set.row_count);
    rig.done = done;
}

static int build(struct px_graph *graph, struct px_crew *crew, uint32_t *slots,
                 struct proximadb_error *reterr)
{
    struct px_graph_input input = {rig.set.row_count, read_rows, end_reading, &rig};
    struct px_graph_control control = {should_stop, note_progress, &rig};
    rig.next_row = rig.reads = rig.asked = rig.done = 0;
    rig.ends = 0;
    int rc = px_graph_build(graph, &input, crew, &control, slots, reterr);
    assert_true(rig.ends == 1 || (rc != PROXIMADB_OK && rig.ends == 0));
    return rc;
}

static void check_slots(const struct px_graph *graph, const uint32_t *slots)
{
    size_t count = rig.set.row_count;
    assert_int_equal(px_graph_slot_count(graph), count);
    assert_int_equal(px_graph_live_count(graph), count);
    for (size_t row = 0; row < count; row++) {
        assert_true(slots[row] < count);
        assert_int_equal(px_graph_label(graph, slots[row]), row);
    }
}

/* Targets are met on queries that the graph has not seen, but for chance. */
static void check_targets(struct px_graph *graph, double floor)
{
    static const double targets[] = {0.9, 0.95, 0.99};
    struct px_graph_worker *worker = graph_worker(graph);
    for (size_t i = 0; i < 3; i++) {
        double recall = graph_recall(&rig.set, graph, worker, targets[i], 0);
        print_message("%.2f wanted, %.4f found\n", targets[i], recall);
        assert_true(recall >= targets[i] - floor);
    }
    px_graph_worker_free(worker);
}

static void test_graph_build__rows_are_found_and_recalls_are_met(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("build");
    uint32_t *slots = malloc(SMALL * sizeof *slots);
    for (int metric = 0; metric < 3; metric++) {
        rig.set = graph_set_new(&random, (enum proximadb_metric)metric, SMALL, 100, DIMS);
        struct px_graph *graph = graph_of_config(&rig.set, PROXIMADB_INDEX_LEAN);
        assert_int_equal(build(graph, NULL, slots, NULL), PROXIMADB_OK);
        check_slots(graph, slots);
        assert_true(px_graph_calibrated_count(graph) > SMALL * 8 / 10);
        check_targets(graph, 0.03);
        px_graph_free(graph);
        graph_set_release(&rig.set);
    }
    free(slots);
}

static void test_graph_build__near_rows_get_near_slots(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("large");
    uint32_t *slots = malloc(LARGE * sizeof *slots);
    struct px_crew *crew;
    assert_int_equal(px_crew_open(1, "crew", &crew, NULL), PROXIMADB_OK);
    rig.set = graph_set_new(&random, PROXIMADB_L2, LARGE, 100, DIMS);
    struct px_graph *graph = graph_of_config(&rig.set, PROXIMADB_INDEX_LEAN);
    assert_int_equal(build(graph, crew, slots, NULL), PROXIMADB_OK);
    check_slots(graph, slots);
    check_targets(graph, 0.05); /* nine bits tell less apart where rows are dense */
    enum { NEAREST = 5, PAIRS = NEAREST * (NEAREST - 1) / 2 };
    size_t near = 0, pair_count = rig.set.query_count * PAIRS;
    for (size_t q = 0; q < rig.set.query_count; q++) {
        const uint32_t *truth = rig.set.truth + q * TRUE_K;
        for (int a = 0; a < NEAREST; a++)
            for (int b = 0; b < a; b++)
                near += labs((long)slots[truth[a]] - (long)slots[truth[b]]) < LARGE / 10;
    }
    print_message("%zu of %zu pairs are near\n", near, pair_count);
    assert_true(near > pair_count * 3 / 10); /* a fifth, were it chance */
    px_graph_free(graph);
    graph_set_release(&rig.set);
    px_crew_close(crew);
    free(slots);
}

static void test_graph_build__ends_when_it_cannot_go_on(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("stop");
    rig.set = graph_set_new(&random, PROXIMADB_L2, 400, 1, DIMS);
    struct proximadb_error error;
    struct px_graph *graph = graph_of_config(&rig.set, PROXIMADB_INDEX_LEAN);
    assert_int_equal(build(graph, NULL, NULL, NULL), PROXIMADB_OK);
    uint64_t reads = rig.reads, asked = rig.asked;
    px_graph_free(graph);
    assert_true(reads >= 400 / 64 && asked > reads);
    for (rig.fail_at = 1; rig.fail_at <= reads; rig.fail_at++) {
        graph = graph_of_config(&rig.set, PROXIMADB_INDEX_LEAN);
        assert_int_equal(build(graph, NULL, NULL, &error), PROXIMADB_IO);
        assert_non_null(strstr(error.message, "the disk is gone"));
        px_graph_free(graph);
    }
    rig.fail_at = 0;
    for (rig.stop_at = 1; rig.stop_at <= asked; rig.stop_at++) {
        graph = graph_of_config(&rig.set, PROXIMADB_INDEX_LEAN);
        assert_int_equal(build(graph, NULL, NULL, &error), PROXIMADB_CANCELLED);
        px_graph_free(graph);
    }
    rig.stop_at = 0;
    graph_set_release(&rig.set);
}

static void test_graph_build__of_nothing(void **state)
{
    (void)state;
    struct px_graph_config config = {DIMS, PROXIMADB_COSINE, PROXIMADB_INDEX_LEAN};
    struct px_graph *graph;
    rig.set = (struct graph_set){.row_count = 0};
    assert_int_equal(px_graph_new(&config, NULL, &graph, NULL), PROXIMADB_OK);
    assert_int_equal(build(graph, NULL, NULL, NULL), PROXIMADB_OK);
    assert_int_equal(px_graph_slot_count(graph), 0);
    px_graph_free(graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_graph_build__rows_are_found_and_recalls_are_met),
        cmocka_unit_test(test_graph_build__near_rows_get_near_slots),
        cmocka_unit_test(test_graph_build__ends_when_it_cannot_go_on),
        cmocka_unit_test(test_graph_build__of_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
