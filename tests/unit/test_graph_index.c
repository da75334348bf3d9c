/*
 * Goal: a slot is where its row is, from when it is attached until the row is gone, wherever the row
 * goes; a row has one slot at most; counts are of live rows.
 * Method: sources of small memtables with numbers of their own, killed and replaced by hand.
 */
#include "service/graph_index.h"

#include "model/metadata.h"
#include "support/px_test.h"

#include <stdlib.h>

enum { DIMS = 4, ROWS = 6 };

static struct px_graph_index *make_index(unsigned side)
{
    const struct px_graph_config config = {.dim_count = DIMS, .metric = PROXIMADB_L2};
    struct px_graph *graph;
    struct px_graph_index *index;
    assert_int_equal(px_graph_new(&config, NULL, &graph, NULL), PROXIMADB_OK);
    assert_int_equal(px_graph_index_new(graph, side, &index, NULL), PROXIMADB_OK);
    return index;
}

static struct px_source *make_source(uint32_t number)
{
    struct px_memtable *memtable;
    struct px_source *source;
    assert_int_equal(px_memtable_new(DIMS, &memtable, NULL), PROXIMADB_OK);
    for (uint32_t row = 0; row < ROWS; row++) {
        const float vector[DIMS] = {(float)row, 1, 2, 3};
        const struct px_record record = {.id = px_slice_of("id", 2),
                                         .metadata = px_metadata_empty,
                                         .vector = vector,
                                         .dim_count = DIMS,
                                         .expires_at_ms = PX_NEVER};
        uint32_t staged;
        assert_int_equal(px_memtable_stage(memtable, &record, &staged, NULL), PROXIMADB_OK);
        px_memtable_set_version(memtable, row, row + 1);
    }
    px_memtable_publish(memtable, ROWS);
    assert_int_equal(px_source_new(memtable, NULL, &source, NULL), PROXIMADB_OK);
    source->number = number;
    return source;
}

/* A slot of the graph, for a vector of its own. */
static uint32_t make_slot(struct px_graph_index *index, int64_t label)
{
    const float vector[DIMS] = {(float)label, 5, 6, 7};
    struct px_graph_worker *worker;
    uint32_t slot;
    assert_int_equal(px_graph_index_take_worker(index, &worker, NULL), PROXIMADB_OK);
    assert_int_equal(px_graph_insert(index->graph, worker, vector, label, &slot, NULL),
                     PROXIMADB_OK);
    px_graph_index_give_worker(index, worker);
    return slot;
}

static void check_at(const struct px_graph_index *index, uint32_t slot, uint32_t source,
                     uint32_t row)
{
    struct px_location location = px_graph_index_locate(index, slot);
    assert_int_equal(location.source, source);
    assert_int_equal(location.row, row);
}

static void kill(struct px_graph_index *index, struct px_source *source, uint32_t row)
{
    px_graph_index_kill(index, source, row);
    assert_true(px_memtable_kill(source->memtable, row, 100));
}

/* Row r is at ROWS - 1 - r of `to`, but row 0, which is gone. */
static void move(struct px_source *from, struct px_source *to)
{
    struct px_moved *moved = calloc(ROWS, sizeof *moved);
    struct px_source **targets = malloc(sizeof(struct px_source *));
    assert_true(moved != NULL && targets != NULL);
    for (uint32_t row = 0; row < ROWS; row++)
        moved[row] = (struct px_moved){.row = ROWS - 1 - row};
    moved[0].target = PX_NOT_MOVED;
    targets[0] = to;
    px_source_set_moved(from, moved, targets, 1);
}

static void test_graph_index__knows_where_rows_are(void **state)
{
    (void)state;
    struct px_graph_index *index = make_index(1);
    struct px_source *source = make_source(3);
    uint32_t first = make_slot(index, 1), second = make_slot(index, 2), third = make_slot(index, 3);
    check_at(index, first, 0, 0);
    px_graph_index_attach(index, first, source, 4);
    px_graph_index_attach(index, second, source, 5);
    check_at(index, first, 3, 4);
    assert_int_equal(index->row_count, 2);
    assert_int_equal(px_slot_map_get(&source->slots[1], 4), first);
    assert_int_equal(px_slot_map_get(&source->slots[0], 4), PX_NO_SLOT);
    px_graph_index_attach(index, third, source, 4); /* which has one */
    check_at(index, third, 0, 0);
    assert_true(px_graph_is_dead(index->graph, third));
    kill(index, source, 5);
    assert_int_equal(index->row_count, 1);
    assert_true(px_graph_is_dead(index->graph, second));
    check_at(index, second, 3, 5); /* for those who still see it */
    px_graph_index_kill(index, source, 5);
    assert_int_equal(index->row_count, 1);
    uint32_t late = make_slot(index, 4);
    px_graph_index_attach(index, late, source, 5); /* which is dead */
    assert_true(px_graph_is_dead(index->graph, late));
    px_source_unref(source);
    px_graph_index_unref(index);
}

static void test_graph_index__follows_rows(void **state)
{
    (void)state;
    struct px_graph_index *index = make_index(0);
    struct px_source *from = make_source(3), *to = make_source(8);
    uint32_t slots[ROWS];
    for (uint32_t row = 0; row < ROWS; row++) {
        slots[row] = make_slot(index, row);
        if (row != 4)
            px_graph_index_attach(index, slots[row], from, row);
    }
    kill(index, from, 1);
    move(from, to);
    assert_true(px_memtable_kill(to->memtable, ROWS - 1 - 2, 100)); /* row 2, in its new place */
    px_graph_index_attach(index, slots[4], from, 4);                /* which goes where it is now */
    check_at(index, slots[4], 8, ROWS - 1 - 4);
    for (uint32_t row = 0; row < ROWS; row++)
        px_graph_index_follow(index, from, row);
    check_at(index, slots[0], 0, 0);
    assert_true(px_graph_is_dead(index->graph, slots[0]));
    check_at(index, slots[1], 8, ROWS - 1 - 1);
    assert_true(px_graph_is_dead(index->graph, slots[2]));
    for (uint32_t row = 3; row < ROWS; row++) {
        check_at(index, slots[row], 8, ROWS - 1 - row);
        assert_int_equal(px_slot_map_get(&to->slots[0], ROWS - 1 - row), slots[row]);
        assert_false(px_graph_is_dead(index->graph, slots[row]));
    }
    assert_int_equal(index->row_count, 3);
    px_source_unref(from);
    px_source_unref(to);
    px_graph_index_unref(index);
}

static void test_graph_index__marks_strays(void **state)
{
    (void)state;
    struct px_graph_index *index = make_index(0);
    struct px_source *source = make_source(1);
    uint32_t known = make_slot(index, 1), stray = make_slot(index, 2);
    px_graph_index_attach(index, known, source, 0);
    px_graph_index_kill_strays(index, 0, px_graph_slot_count(index->graph));
    assert_false(px_graph_is_dead(index->graph, known));
    assert_true(px_graph_is_dead(index->graph, stray));
    assert_true(px_graph_index_memory_bytes(index) > px_graph_memory_bytes(index->graph));
    px_source_unref(source);
    px_graph_index_unref(index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_graph_index__knows_where_rows_are),
        cmocka_unit_test(test_graph_index__follows_rows),
        cmocka_unit_test(test_graph_index__marks_strays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
