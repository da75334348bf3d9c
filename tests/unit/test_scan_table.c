/* px-test: layers=api */
/*
 * Goal: a cursor leads to its scan and to nothing else; scans end when they are not continued, with their
 * shard, and some time behind their last page; there is a limit to them.
 * Method: a table on a clock that the test moves, with the shard of an empty engine.
 */
#include "service/scan_table.h"

#include "support/engine_support.h"
#include "support/powercut_fs.h"

enum { LIMIT_MS = 10000 };

static struct engine_box box;
static struct px_powercut *disk;
static struct px_shard *shard;
static struct px_scan_table *table;

static int start(void **state)
{
    (void)state;
    disk = px_powercut_new();
    engine_init(&box, px_powercut_boot(disk), "data");
    engine_open(&box);
    engine_create(&box, "docs", 4, PROXIMADB_L2);
    shard = engine_shard(&box, "docs");
    return px_scan_table_new(&box.clock.base, LIMIT_MS, &table, NULL);
}

static int end(void **state)
{
    (void)state;
    px_scan_table_free(table);
    px_scan_table_free(NULL);
    px_shard_unref(shard);
    engine_close(&box);
    px_powercut_free(disk);
    return 0;
}

static void begin(char cursor[PX_CURSOR_BYTES])
{
    struct px_snapshot snapshot;
    engine_must(px_scan_table_start(table, shard, cursor, &snapshot, &box.error), &box.error);
    px_snapshot_release(&snapshot);
}

static int go_on(const char *cursor, struct px_scan_position *ret_position)
{
    struct px_snapshot snapshot = {0};
    int rc = px_scan_table_continue(table, shard, px_slice_of_string(cursor), &snapshot,
                                    ret_position, &box.error);
    px_snapshot_release(&snapshot);
    return rc;
}

static void test_scan_table__a_cursor_says_where_to_go_on(void **state)
{
    (void)state;
    struct px_scan_position position = {7, 7};
    char first[PX_CURSOR_BYTES], second[PX_CURSOR_BYTES];
    begin(first);
    begin(second);
    assert_memory_not_equal(first, second, 32);
    assert_string_equal(first + 32, "-0-0");
    assert_int_equal(go_on(first, &position), PROXIMADB_OK);
    assert_int_equal(position.source_index, 0);
    assert_int_equal(position.row, 0);
    px_scan_cursor_move(first, (struct px_scan_position){1, UINT32_MAX});
    assert_string_equal(first + 32, "-1-4294967295");
    assert_int_equal(go_on(first, &position), PROXIMADB_OK);
    assert_int_equal(position.source_index, 1);
    assert_int_equal(position.row, UINT32_MAX);
    px_scan_cursor_move(first, (struct px_scan_position){2, 0}); /* the view has one source */
    assert_int_equal(go_on(first, &position), PROXIMADB_INVALID);
}

static void test_scan_table__takes_nothing_else_for_a_cursor(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "-0-0",
        "0123456789abcdef0123456789abcde-0-0",
        "0123456789ABCDEF0123456789ABCDEF-0-0",
        "0123456789abcdef0123456789abcdef",
        "0123456789abcdef0123456789abcdef-0",
        "0123456789abcdef0123456789abcdef-0-",
        "0123456789abcdef0123456789abcdef-0-0 ",
        "0123456789abcdef0123456789abcdef-0-0-0",
        "0123456789abcdef0123456789abcdef0-0-0",
        "0123456789abcdef0123456789abcdef-00000000000000000000000000000000000000-0",
    };
    struct px_scan_position position;
    struct px_snapshot snapshot;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_int_equal(go_on(texts[i], &position), PROXIMADB_INVALID);
        assert_non_null(strstr(box.error.message, "none of ours"));
    }
    struct px_slice cut = px_slice_of("0123456789abcdef0123456789abcdef-0-0\0", 37);
    assert_int_equal(px_scan_table_continue(table, shard, cut, &snapshot, &position, &box.error),
                     PROXIMADB_INVALID);
    assert_int_equal(go_on("0123456789abcdef0123456789abcdef-0-0", &position),
                     PROXIMADB_SNAPSHOT_EXPIRED);
}

static void test_scan_table__forgets_what_is_not_continued(void **state)
{
    (void)state;
    struct px_scan_position position;
    char kept[PX_CURSOR_BYTES], forgotten[PX_CURSOR_BYTES], finished[PX_CURSOR_BYTES];
    begin(kept);
    begin(forgotten);
    begin(finished);
    box.clock.monotonic_ms += LIMIT_MS - 1;
    assert_int_equal(go_on(kept, &position), PROXIMADB_OK);
    assert_int_equal(go_on(finished, &position), PROXIMADB_OK);
    px_scan_table_finish(table, finished);
    box.clock.monotonic_ms++;
    assert_int_equal(go_on(forgotten, &position), PROXIMADB_SNAPSHOT_EXPIRED);
    assert_non_null(strstr(box.error.message, "10 seconds"));
    assert_int_equal(go_on(kept, &position), PROXIMADB_OK);
    box.clock.monotonic_ms += PX_SCAN_GRACE_MS - 1;
    assert_int_equal(go_on(finished, &position), PROXIMADB_SNAPSHOT_EXPIRED);
    assert_int_equal(go_on(kept, &position), PROXIMADB_OK);
    px_scan_table_finish(table, finished); /* it is gone: that is fine */
}

static void test_scan_table__a_scan_is_of_one_shard(void **state)
{
    (void)state;
    struct px_scan_position position;
    struct px_snapshot snapshot;
    char cursor[PX_CURSOR_BYTES];
    engine_create(&box, "other", 4, PROXIMADB_L2);
    struct px_shard *other = engine_shard(&box, "other");
    begin(cursor);
    assert_int_equal(px_scan_table_continue(table, other, px_slice_of_string(cursor), &snapshot,
                                            &position, &box.error),
                     PROXIMADB_SNAPSHOT_EXPIRED);
    px_scan_table_sweep(table, other);
    assert_int_equal(go_on(cursor, &position), PROXIMADB_OK);
    px_scan_table_sweep(table, shard);
    assert_int_equal(go_on(cursor, &position), PROXIMADB_SNAPSHOT_EXPIRED);
    px_shard_unref(other);
}

static void test_scan_table__has_room_for_so_many(void **state)
{
    (void)state;
    struct px_snapshot snapshot;
    char cursor[PX_CURSOR_BYTES];
    for (int i = 0; i < PX_MOST_SCANS; i++)
        begin(cursor);
    assert_int_equal(px_scan_table_start(table, shard, cursor, &snapshot, &box.error),
                     PROXIMADB_RESOURCE_EXHAUSTED);
    box.clock.monotonic_ms += LIMIT_MS;
    begin(cursor);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_scan_table__a_cursor_says_where_to_go_on),
        TEST(test_scan_table__takes_nothing_else_for_a_cursor),
        TEST(test_scan_table__forgets_what_is_not_continued),
        TEST(test_scan_table__a_scan_is_of_one_shard),
        TEST(test_scan_table__has_room_for_so_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
