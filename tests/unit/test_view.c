/*
 * Goal: what a reader holds stays, whatever replaces it; a row is followed over any number of
 * replacements; a snapshot counts the rows of its moment.
 * Method: sources of small memtables, replaced by hand.
 */
#include "service/view.h"

#include "support/px_test.h"

#include "model/metadata.h"

static struct px_memtable *make_memtable(uint32_t row_count, int64_t expires_at_ms)
{
    static const float vector[2] = {1, 2};
    struct px_memtable *memtable;
    assert_int_equal(px_memtable_new(2, &memtable, NULL), PROXIMADB_OK);
    for (uint32_t i = 0; i < row_count; i++) {
        uint32_t row;
        const struct px_record record = {.id = px_slice_of_string("id"),
                                         .vector = vector,
                                         .dim_count = 2,
                                         .metadata = px_metadata_empty,
                                         .expires_at_ms = expires_at_ms};
        assert_int_equal(px_memtable_stage(memtable, &record, &row, NULL), PROXIMADB_OK);
        px_memtable_set_version(memtable, row, i + 1);
    }
    if (row_count > 0)
        px_memtable_publish(memtable, row_count);
    return memtable;
}

static struct px_source *make_source(uint32_t row_count, int64_t expires_at_ms)
{
    struct px_source *source;
    assert_int_equal(px_source_new(make_memtable(row_count, expires_at_ms), NULL, &source, NULL),
                     PROXIMADB_OK);
    return source;
}

/* Rows of `from` go to those of `to` in the opposite order; the first is gone. */
static void move_rows(struct px_source *from, struct px_source *to)
{
    uint32_t count = px_source_row_count(from);
    struct px_moved *moved = malloc(count * sizeof *moved);
    struct px_source **targets = malloc(sizeof(struct px_source *));
    for (uint32_t row = 0; row < count; row++)
        moved[row] =
            (struct px_moved){.target = row == 0 ? PX_NOT_MOVED : 0, .row = count - 1 - row};
    targets[0] = to;
    px_source_set_moved(from, moved, targets, 1);
}

static void test_view__follows_a_row_over_replaced_sources(void **state)
{
    (void)state;
    struct px_source *first = make_source(5, PX_NEVER), *second = make_source(4, PX_NEVER);
    struct px_source *third = make_source(4, PX_NEVER);
    struct px_source *source = first;
    uint32_t row = 3;
    assert_true(px_source_resolve(&source, &row));
    assert_ptr_equal(source, first);
    assert_int_equal(row, 3);
    move_rows(first, second);
    move_rows(second, third);
    px_source_unref(second);
    px_source_unref(third); /* the first holds the second, and that the third */
    assert_true(px_source_resolve(&source, &row));
    assert_ptr_equal(source, third);
    assert_int_equal(row, 2); /* 3 -> 1 -> 2 */
    source = first;
    row = 0;
    assert_false(px_source_resolve(&source, &row));
    source = first;
    row = 4; /* -> 0, which is gone in the second */
    assert_false(px_source_resolve(&source, &row));
    px_source_unref(first);
    px_source_unref(NULL);
}

/* Who reads the first keeps its rows, but not those that came after them. */
static void test_view__forgets_what_nobody_follows(void **state)
{
    (void)state;
    struct px_source *sources[] = {make_source(5, PX_NEVER), make_source(4, PX_NEVER),
                                   make_source(4, PX_NEVER)};
    struct px_source *found = sources[0];
    struct px_forgot forgot = {0};
    uint32_t row = 3;
    for (int i = 0; i < 3; i++)
        px_source_follow(sources[i]); /* the table of a shard */
    move_rows(sources[0], sources[1]);
    move_rows(sources[1], sources[2]);
    px_source_unfollow(sources[1], &forgot);
    assert_null(forgot.first); /* the first leads there */
    assert_true(px_source_resolve(&found, &row));
    assert_ptr_equal(found, sources[2]);
    px_source_follow(sources[0]);
    px_source_unfollow(sources[0], &forgot);
    assert_null(forgot.first);
    px_source_unfollow(sources[0], &forgot);
    assert_ptr_equal(forgot.first, sources[0]); /* and with it the second */
    assert_ptr_equal(forgot.last, sources[1]);
    assert_true(px_source_is_replaced(sources[0]));
    px_forgot_release(&forgot);
    assert_int_equal(px_source_row_count(sources[0]), 5);
    assert_int_equal(atomic_load(&sources[1]->reference_count), 1);
    assert_int_equal(atomic_load(&sources[2]->reference_count), 1);
    px_source_unfollow(sources[2], &forgot);
    assert_null(forgot.first); /* it was not replaced */
    for (int i = 0; i < 3; i++)
        px_source_unref(sources[i]);
}

static void test_view__keeps_its_sources(void **state)
{
    (void)state;
    struct px_source *sources[] = {make_source(3, PX_NEVER), make_source(2, PX_NEVER)};
    struct px_source *other = make_source(1, PX_NEVER);
    struct px_view *view;
    assert_int_equal(px_view_new(sources, 2, &view, NULL), PROXIMADB_OK);
    assert_int_equal(px_view_find(view, sources[1]), 1);
    assert_int_equal(px_view_find(view, other), 2);
    px_source_unref(other);
    px_source_unref(sources[0]);
    px_source_unref(sources[1]);
    struct px_view *held = px_view_ref(view);
    px_view_unref(view);
    assert_int_equal(px_source_row_count(held->sources[0]), 3);
    assert_int_equal(px_source_killed_at(held->sources[0], 1), 0);
    assert_true(px_memtable_kill(held->sources[0]->memtable, 1, 7));
    assert_int_equal(px_source_killed_at(held->sources[0], 1), 7);
    px_view_unref(held);
    px_view_unref(NULL);
}

/* The active memtable grows on; the snapshot does not see it. */
static void test_view__a_snapshot_counts_the_rows_of_its_moment(void **state)
{
    (void)state;
    struct px_source *sources[] = {make_source(3, PX_NEVER), make_source(4, PX_NEVER)};
    struct px_snapshot snapshot = {.lsn = 2, .active_row_count = 2};
    assert_int_equal(px_view_new(sources, 2, &snapshot.view, NULL), PROXIMADB_OK);
    assert_int_equal(px_snapshot_row_count(&snapshot, 0), 3);
    assert_int_equal(px_snapshot_row_count(&snapshot, 1), 2);
    assert_int_equal(px_snapshot_total_rows(&snapshot), 5);
    assert_false(px_snapshot_may_expire(&snapshot));
    px_snapshot_release(&snapshot);
    assert_null(snapshot.view);
    px_snapshot_release(&snapshot);

    struct px_source *expiring[] = {make_source(1, 1000), sources[1]};
    assert_true(px_source_has_expiry(expiring[0]));
    assert_int_equal(px_view_new(expiring, 2, &snapshot.view, NULL), PROXIMADB_OK);
    assert_true(px_snapshot_may_expire(&snapshot));
    px_snapshot_release(&snapshot);
    px_source_unref(expiring[0]);
    px_source_unref(sources[0]);
    px_source_unref(sources[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_view__follows_a_row_over_replaced_sources),
        cmocka_unit_test(test_view__forgets_what_nobody_follows),
        cmocka_unit_test(test_view__keeps_its_sources),
        cmocka_unit_test(test_view__a_snapshot_counts_the_rows_of_its_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
