/* px-test: layers=api */
/*
 * Goal: collections are made, found, changed and dropped as asked; one that is damaged answers for itself
 * and keeps no other from being served; what the device refuses is taken back or told, whatever the
 * moment, and what a drop leaves behind harms nobody.
 * Method: an engine on a disk in memory whose calls fail one after the other, and that loses power.
 */
#include "service/collection_service.h"

#include "os/file.h"
#include "support/engine_rows.h"
#include "support/powercut_help.h"

#include <errno.h>

/* Its variables must not shadow what the others name. */
#include "support/engine_on_disk.h"

enum { DIMS = 4 };

static int start(void **state)
{
    (void)state;
    engine_on_disk_start();
    return 0;
}

static void fail_calls(unsigned kinds, const char *path_part)
{
    px_fault_fs_set(&faults, &(struct px_fault_rule){.kinds = kinds,
                                                     .path_part = path_part,
                                                     .fail_at = kinds != 0,
                                                     .fail_count = PX_FAULT_FOR_EVER});
}

static bool exists(const char *path)
{
    return px_file_exists(&faults.base, path);
}

/* ---- what is listed ------------------------------------------------------------------------ */

/* Each collection as "name" or "name!" where it cannot be written to, and a space. */
static void list_text(char *text, size_t size, char *reason, size_t reason_size)
{
    struct proximadb_buffer response;
    struct proximadb_collection_info info;
    proximadb_reader *reader;
    engine_must(engine_call(&box, PROXIMADB_LIST_COLLECTIONS, NULL, NULL, &response, &box.error),
                &box.error);
    engine_must(proximadb_reader_new(&response, &reader, &box.error), &box.error);
    text[0] = reason[0] = '\0';
    while (proximadb_reader_next_collection(reader, &info, &box.error)) {
        engine_put_text(text, size, "%s%s ", info.spec.name, info.read_only ? "!" : "");
        if (info.read_only)
            snprintf(reason, reason_size, "%s", info.read_only_reason);
    }
    proximadb_reader_free(reader);
}

static char list_reason[500];

static const char *list(void)
{
    static char text[500];
    list_text(text, sizeof text, list_reason, sizeof list_reason);
    return text;
}

/* ---- creating ------------------------------------------------------------------------------ */

static int try_create(const struct proximadb_collection_spec *spec)
{
    struct proximadb_buffer payload;
    engine_must(proximadb_encode_collection(spec, &payload, &box.error), &box.error);
    return engine_call(&box, PROXIMADB_CREATE_COLLECTION, NULL, &payload, NULL, &box.error);
}

static void test_collection_service__creates_and_lists(void **state)
{
    (void)state;
    struct proximadb_collection_spec spec = {.struct_size = sizeof spec,
                                             .name = "docs",
                                             .dim_count = DIMS,
                                             .metric = PROXIMADB_COSINE,
                                             .index_type = PROXIMADB_IVF,
                                             .storage = PROXIMADB_EXACT};
    assert_string_equal(list(), "");
    engine_must(try_create(&spec), &box.error);
    engine_create(&box, "zebra", DIMS, PROXIMADB_L2);
    engine_create(&box, "ant", DIMS, PROXIMADB_L2);
    for (int i = 0; i < 2; i++) {
        struct engine_info info = engine_info(&box, "docs");
        assert_string_equal(list(), "ant docs zebra ");
        assert_int_equal(info.info.spec.dim_count, DIMS);
        assert_int_equal(info.info.spec.index_type, PROXIMADB_IVF);
        assert_int_equal(info.info.created_at_ms, box.clock.wall_ms);
        engine_reopen(&box);
    }
    assert_int_equal(try_create(&spec), PROXIMADB_COLLECTION_EXISTS);
    assert_non_null(strstr(box.error.message, "'docs'"));
    spec.exist_ok = true;
    assert_int_equal(try_create(&spec), PROXIMADB_OK);
    spec.metric = PROXIMADB_DOT;
    assert_int_equal(try_create(&spec), PROXIMADB_COLLECTION_EXISTS);
    assert_non_null(strstr(box.error.message, "not what was asked for"));
    spec.name = "no/name";
    assert_int_equal(try_create(&spec), PROXIMADB_INVALID);
    struct engine_info info;
    assert_int_equal(engine_try_info(&box, "other", &info), PROXIMADB_COLLECTION_NOT_FOUND);
    assert_int_equal(engine_try_drop(&box, "other"), PROXIMADB_COLLECTION_NOT_FOUND);
    assert_int_equal(engine_try_alter(&box, "other", 1), PROXIMADB_COLLECTION_NOT_FOUND);
}

/* Fails the nth call of a create. False if there are fewer. */
static bool fail_nth_call(uint64_t n)
{
    px_fault_fs_set(&faults, &(struct px_fault_rule){.fail_at = n});
    int rc = engine_try_create(&box, "docs", DIMS, PROXIMADB_L2);
    bool enough = px_fault_fs_calls(&faults) >= n;
    fail_calls(0, NULL);
    if (rc != PROXIMADB_OK) {
        assert_string_equal(list(), "");
        assert_false(exists("data/metadata/collections/docs.json"));
        /* One fault may be of the cleaning up itself; what is left then goes at the next start. */
        if (n % 2 == 1)
            engine_reopen(&box);
        engine_create(&box, "docs", DIMS, PROXIMADB_L2);
    }
    engine_insert(&box, "docs", "a", DIMS, 1); /* it is one that can be used */
    engine_flush(&box, "docs");
    engine_on_disk_lose_power(PX_POWERCUT_ANY, n);
    assert_string_equal(list(), "docs ");
    assert_int_equal(engine_count(&box, "docs", NULL), 1);
    return enough;
}

static void
test_collection_service__a_failed_create_leaves_nothing_and_can_be_repeated(void **state)
{
    uint64_t n = 1;
    while (fail_nth_call(n)) {
        engine_on_disk_end(state);
        start(state);
        n += engine_fault_step();
    }
    assert_true(n > 30);
}

static void test_collection_service__a_failed_create_removes_its_folders(void **state)
{
    (void)state;
    fail_calls(PX_FAULT_WRITE_AT, "docs.json");
    assert_int_equal(engine_try_create(&box, "docs", DIMS, PROXIMADB_L2), PROXIMADB_IO);
    assert_false(exists("data/wal/docs"));
    assert_false(exists("data/store/docs"));
    fail_calls(0, NULL);
}

/* ---- damage -------------------------------------------------------------------------------- */

static void damage(const char *path)
{
    powercut_put(&faults.base, path, "{ half of something");
}

static void check_refused(const char *name, int status)
{
    struct proximadb_compact_result result;
    struct engine_rows rows = {0};
    const float vector[DIMS] = {1};
    const struct engine_query query = {vector, 1, DIMS, 1, NULL};
    uint64_t count;
    int64_t version;
    assert_int_equal(engine_put(&box, PROXIMADB_INSERT, name, "a", DIMS, 1), status);
    assert_int_equal(engine_try_delete(&box, name, "a", NULL), status);
    assert_int_equal(engine_try_delete_where(&box, name, NULL, "a = 1", NULL), status);
    assert_int_equal(engine_try_count(&box, name, NULL, &count), status);
    assert_int_equal(engine_try_get(&box, name, "a", &version), status);
    assert_int_equal(engine_try_search(&box, name, &query, &rows), status);
    assert_int_equal(engine_try_page(&box, name, NULL, 1, &rows), status);
    assert_int_equal(engine_try_flush(&box, name), status);
    assert_int_equal(engine_try_compact(&box, name, 0, &result), status);
    assert_int_equal(engine_try_alter(&box, name, 1), status);
    assert_non_null(strstr(box.error.message, name));
}

static void test_collection_service__a_damaged_json_is_its_own_matter(void **state)
{
    (void)state;
    struct engine_info info;
    engine_create(&box, "ant", DIMS, PROXIMADB_L2);
    engine_create(&box, "docs", DIMS, PROXIMADB_L2);
    engine_insert(&box, "ant", "a", DIMS, 1);
    engine_insert(&box, "docs", "a", DIMS, 1);
    engine_close(&box);
    damage("data/metadata/collections/docs.json");
    engine_open(&box);
    assert_string_equal(list(), "ant docs! ");
    assert_non_null(strstr(list_reason, "docs.json' cannot be used"));
    assert_int_equal(engine_try_info(&box, "docs", &info), PROXIMADB_CORRUPT);
    check_refused("docs", PROXIMADB_CORRUPT);
    assert_int_equal(engine_count(&box, "ant", NULL), 1);
    engine_insert(&box, "ant", "b", DIMS, 1);
    assert_true(exists("data/store/docs/MANIFEST.json")); /* for a person to rescue */
    assert_int_equal(engine_try_create(&box, "docs", DIMS, PROXIMADB_L2),
                     PROXIMADB_COLLECTION_EXISTS);

    engine_must(engine_try_drop(&box, "docs"), &box.error);
    assert_false(exists("data/metadata/collections/docs.json"));
    assert_false(exists("data/store/docs"));
    assert_string_equal(list(), "ant ");
    engine_create(&box, "docs", DIMS, PROXIMADB_L2);
    assert_int_equal(engine_count(&box, "docs", NULL), 0);
    engine_reopen(&box);
    assert_string_equal(list(), "ant docs ");
}

static void test_collection_service__a_damaged_store_is_its_own_matter(void **state)
{
    (void)state;
    engine_create(&box, "ant", DIMS, PROXIMADB_L2);
    engine_create(&box, "docs", DIMS, PROXIMADB_L2);
    engine_close(&box);
    damage("data/store/docs/MANIFEST.json");
    engine_open(&box);
    assert_string_equal(list(), "ant docs! ");
    assert_non_null(strstr(engine_info(&box, "docs").reason, "MANIFEST.json"));
    check_refused("docs", PROXIMADB_CORRUPT);
    engine_insert(&box, "ant", "b", DIMS, 1);
    engine_must(engine_try_drop(&box, "docs"), &box.error);
    engine_create(&box, "docs", DIMS, PROXIMADB_L2);
    engine_insert(&box, "docs", "b", DIMS, 1);
}

/* ---- dropping ------------------------------------------------------------------------------ */

static void test_collection_service__a_drop_removes_everything(void **state)
{
    (void)state;
    engine_create(&box, "docs", DIMS, PROXIMADB_L2);
    engine_insert(&box, "docs", "a", DIMS, 1);
    engine_flush(&box, "docs");
    engine_insert(&box, "docs", "b", DIMS, 1);
    engine_must(engine_try_drop(&box, "docs"), &box.error);
    for (uint64_t seed = 0; seed < 5; seed++) {
        assert_string_equal(list(), "");
        assert_false(exists("data/metadata/collections/docs.json"));
        assert_false(exists("data/wal/docs"));
        assert_false(exists("data/store/docs"));
        check_refused("docs", PROXIMADB_COLLECTION_NOT_FOUND);
        engine_on_disk_lose_power(PX_POWERCUT_ANY, seed);
    }
}

static void test_collection_service__a_drop_that_cannot_be_made_changes_nothing(void **state)
{
    (void)state;
    engine_create(&box, "docs", DIMS, PROXIMADB_L2);
    engine_insert(&box, "docs", "a", DIMS, 1);
    fail_calls(PX_FAULT_UNLINK, "docs.json");
    assert_int_equal(engine_try_drop(&box, "docs"), PROXIMADB_IO);
    fail_calls(0, NULL);
    engine_insert(&box, "docs", "b", DIMS, 1);
    engine_flush(&box, "docs");
    engine_must(engine_try_alter(&box, "docs", 2), &box.error);
    engine_reopen(&box);
    assert_int_equal(engine_count(&box, "docs", NULL), 2);
    assert_int_equal(engine_info(&box, "docs").info.spec.filterable_count, 2);
    engine_must(engine_try_drop(&box, "docs"), &box.error);
}

/* The JSON's name is gone, and may come back. */
static void drop_unsurely(void)
{
    engine_create(&box, "docs", DIMS, PROXIMADB_L2);
    engine_insert(&box, "docs", "a", DIMS, 1);
    engine_flush(&box, "docs");
    engine_insert(&box, "docs", "b", DIMS, 1);
    fail_calls(PX_FAULT_SYNC_FOLDER, "metadata/collections");
    assert_int_equal(engine_try_drop(&box, "docs"), PROXIMADB_OUTCOME_UNKNOWN);
    assert_non_null(strstr(box.error.message, "delete it again"));
    fail_calls(0, NULL);
    assert_string_equal(list(), "");
    check_refused("docs", PROXIMADB_COLLECTION_NOT_FOUND);
    assert_true(exists("data/store/docs/MANIFEST.json"));
    assert_true(exists("data/wal/docs"));
}

static void test_collection_service__a_drop_that_is_unsure_keeps_what_may_be_needed(void **state)
{
    (void)state;
    drop_unsurely();
    engine_on_disk_lose_power(PX_POWERCUT_DROP_ALL, 1);
    assert_string_equal(list(), "docs ");
    assert_int_equal(engine_count(&box, "docs", NULL), 2);
    engine_must(engine_try_drop(&box, "docs"), &box.error);
    drop_unsurely();
    engine_reopen(&box); /* no power cut: it is gone, and so is what was kept */
    assert_string_equal(list(), "");
    assert_false(exists("data/store/docs"));
    assert_false(exists("data/wal/docs"));
    engine_create(&box, "docs", DIMS, PROXIMADB_L2);
    assert_int_equal(engine_count(&box, "docs", NULL), 0);
}

static void test_collection_service__a_new_collection_may_follow_an_unsure_drop(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 10; seed++) {
        drop_unsurely();
        engine_create(&box, "docs", DIMS, PROXIMADB_L2);
        engine_insert(&box, "docs", "c", DIMS, 1);
        engine_on_disk_lose_power(PX_POWERCUT_ANY, seed);
        assert_string_equal(list(), "docs ");
        assert_int_equal(engine_count(&box, "docs", NULL), 1);
        assert_int_equal(engine_get_version(&box, "docs", "c"), 1);
        engine_must(engine_try_drop(&box, "docs"), &box.error);
    }
}

/* Whatever fails in the middle of a drop, the collection is there as a whole or not at all. */
static bool fail_nth_call_of_a_drop(uint64_t n)
{
    engine_create(&box, "docs", DIMS, PROXIMADB_L2);
    engine_insert(&box, "docs", "a", DIMS, 1);
    engine_flush(&box, "docs");
    px_fault_fs_set(&faults, &(struct px_fault_rule){.kinds = PX_FAULT_EVERY, .fail_at = n});
    int rc = engine_try_drop(&box, "docs");
    bool enough = px_fault_fs_calls(&faults) >= n;
    fail_calls(0, NULL);
    assert_true(rc == PROXIMADB_OK || rc == PROXIMADB_IO || rc == PROXIMADB_OUTCOME_UNKNOWN);
    for (int i = 0; i < 2; i++) {
        bool is_there = list()[0] != '\0';
        if (rc == PROXIMADB_OK)
            assert_false(is_there);
        if (rc == PROXIMADB_IO)
            assert_true(is_there);
        if (is_there)
            assert_int_equal(engine_count(&box, "docs", NULL), 1);
        engine_on_disk_lose_power(PX_POWERCUT_ANY, n);
    }
    return enough;
}

static void test_collection_service__any_call_of_a_drop_may_fail(void **state)
{
    uint64_t n = 1;
    while (fail_nth_call_of_a_drop(n)) {
        engine_on_disk_end(state);
        start(state);
        n += engine_fault_step();
    }
    assert_true(n > 10);
}

/* A reader that outlives its collection: the parts that it holds were replaced before the drop, and
 * have paths that the next collection of that name uses again. */
static void
test_collection_service__a_slow_reader_removes_no_file_of_the_next_collection(void **state)
{
    (void)state;
    struct px_snapshot snapshot;
    engine_create(&box, "docs", DIMS, PROXIMADB_L2);
    engine_insert(&box, "docs", "a", DIMS, 1);
    engine_flush(&box, "docs");
    struct px_shard *shard = engine_shard(&box, "docs");
    px_shard_snapshot(shard, &snapshot);
    px_shard_unref(shard);
    engine_compact(&box, "docs", 1);
    assert_true(exists("data/store/docs/vectors/cluster_000/part_001.parquet"));
    engine_must(engine_try_drop(&box, "docs"), &box.error);
    engine_create(&box, "docs", DIMS, PROXIMADB_L2);
    engine_insert(&box, "docs", "b", DIMS, 1);
    engine_flush(&box, "docs");
    assert_true(exists("data/store/docs/vectors/cluster_000/part_001.parquet"));
    px_snapshot_release(&snapshot);
    assert_true(exists("data/store/docs/vectors/cluster_000/part_001.parquet"));
    engine_reopen(&box);
    assert_string_equal(list(), "docs ");
    assert_int_equal(engine_get_version(&box, "docs", "b"), 1);
}

static void test_collection_service__a_scan_ends_with_its_collection(void **state)
{
    (void)state;
    struct engine_rows rows = {0};
    engine_create(&box, "docs", DIMS, PROXIMADB_L2);
    engine_insert(&box, "docs", "a", DIMS, 1);
    engine_insert(&box, "docs", "b", DIMS, 1);
    engine_flush(&box, "docs");
    engine_must(engine_try_page(&box, "docs", NULL, 1, &rows), &box.error);
    engine_compact(&box, "docs", 1);
    engine_must(engine_try_drop(&box, "docs"), &box.error);
    assert_int_equal(engine_try_page(&box, "docs", NULL, 1, &rows), PROXIMADB_COLLECTION_NOT_FOUND);
    engine_create(&box, "docs", DIMS, PROXIMADB_L2);
    engine_insert(&box, "docs", "c", DIMS, 1);
    engine_flush(&box, "docs");
    assert_int_equal(engine_try_page(&box, "docs", NULL, 1, &rows), PROXIMADB_SNAPSHOT_EXPIRED);
    engine_reopen(&box);
    assert_int_equal(engine_count(&box, "docs", NULL), 1);
    engine_rows_clear(&rows);
}

/* ---- starting ------------------------------------------------------------------------------ */

static void test_collection_service__moves_what_belongs_to_nobody_to_the_trash(void **state)
{
    (void)state;
    engine_create(&box, "docs", DIMS, PROXIMADB_L2);
    engine_close(&box);
    engine_must(px_folder_make(&faults.base, "data/store/stray", &box.error), &box.error);
    engine_must(px_folder_make(&faults.base, "data/wal/stray", &box.error), &box.error);
    engine_open(&box);
    assert_string_equal(list(), "docs ");
    assert_false(exists("data/store/stray"));
    assert_false(exists("data/wal/stray"));
    assert_true(exists("data/store/docs"));
    assert_true(engine_has_logged(&box, "'data/store/stray' belongs to no collection"));
}

/* The fields are the whole new list. */
static void test_collection_service__changes_the_fields(void **state)
{
    (void)state;
    engine_create(&box, "docs", DIMS, PROXIMADB_L2);
    for (size_t count = 0; count <= ENGINE_FIRST_FIELDS + 1; count++) {
        engine_must(engine_try_alter(&box, "docs", count), &box.error);
        engine_insert(&box, "docs", count % 2 == 0 ? "a" : "b", DIMS, 1);
        assert_int_equal(engine_info(&box, "docs").info.spec.filterable_count, count);
        engine_must(engine_try_delete(&box, "docs", "b", NULL), &box.error);
        engine_must(engine_try_delete(&box, "docs", "a", NULL), &box.error);
        engine_on_disk_lose_power(PX_POWERCUT_ANY, count);
        assert_int_equal(engine_info(&box, "docs").info.spec.filterable_count, count);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, engine_on_disk_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_collection_service__creates_and_lists),
        TEST(test_collection_service__a_failed_create_leaves_nothing_and_can_be_repeated),
        TEST(test_collection_service__a_failed_create_removes_its_folders),
        TEST(test_collection_service__a_damaged_json_is_its_own_matter),
        TEST(test_collection_service__a_damaged_store_is_its_own_matter),
        TEST(test_collection_service__a_drop_removes_everything),
        TEST(test_collection_service__a_drop_that_cannot_be_made_changes_nothing),
        TEST(test_collection_service__a_drop_that_is_unsure_keeps_what_may_be_needed),
        TEST(test_collection_service__a_new_collection_may_follow_an_unsure_drop),
        TEST(test_collection_service__any_call_of_a_drop_may_fail),
        TEST(test_collection_service__a_slow_reader_removes_no_file_of_the_next_collection),
        TEST(test_collection_service__a_scan_ends_with_its_collection),
        TEST(test_collection_service__moves_what_belongs_to_nobody_to_the_trash),
        TEST(test_collection_service__changes_the_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
