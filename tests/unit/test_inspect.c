/*
 * Goal: proximadb_inspect() says what is in files and collections, beside the engine that writes
 * them, and fails with a sentence that helps.
 * Method: a database with two flushes, deletes, a compaction and unflushed rows; lines are looked
 * for, files are damaged and removed, and a compacting engine runs beside.
 */
#include <proximadb.h>

#include "api/inspect_internal.h"
#include "os/file.h"
#include "os/path.h"
#include "support/database.h"

#include <pthread.h>
#include <stdatomic.h>

static struct database database;
static struct database_lines lines;
static struct proximadb_error error;
static const char *folder;

static int open_database(void **state)
{
    (void)state;
    folder = px_test_folder("inspect");
    database_open(&database, folder);
    database_create(&database, "docs");
    return 0;
}

static int close_database(void **state)
{
    (void)state;
    database_close(&database);
    return 0;
}

static int inspect(int kind, const char *path, const char *collection)
{
    lines = (struct database_lines){.calls_left = lines.calls_left};
    return proximadb_inspect(kind, path, collection, database_sink, &lines, &error);
}

static void expect_line(const char *text)
{
    if (strstr(lines.text, text) == NULL)
        fail_msg("'%s' is missing in:\n%s", text, lines.text);
}

/* The file number `index` of a folder below the data folder. */
static struct px_path file_in(const char *name, size_t index)
{
    struct px_names names;
    struct px_path in, path;
    assert_int_equal(px_path_format(&in, NULL, "%s/%s", folder, name), PROXIMADB_OK);
    assert_int_equal(px_folder_list(&px_fs_posix, in.text, &names, NULL), PROXIMADB_OK);
    assert_true(index < names.count);
    assert_int_equal(px_path_format(&path, NULL, "%s/%s", in.text, names.items[index].text), 0);
    px_names_release(&names);
    return path;
}

/* 20 rows flushed, of which 3 die in the next flush of 10 more; 4 rows and 1 delete in the log. */
static void fill(void)
{
    database_put(&database, "docs", 0, 20);
    database_call(&database, PROXIMADB_FLUSH, "docs", NULL);
    database_put(&database, "docs", 18, 12);
    database_delete(&database, "docs", "row-3");
    database_call(&database, PROXIMADB_FLUSH, "docs", NULL);
    database_put(&database, "docs", 100, 4);
    database_delete(&database, "docs", "row-4");
}

static void test_inspect__describes_a_collection(void **state)
{
    (void)state;
    fill();
    assert_int_equal(inspect(PROXIMADB_INSPECT_COLLECTION, folder, "docs"), PROXIMADB_OK);
    expect_line("{\"kind\":\"collection\",\"name\":\"docs\",\"id\":\"");
    expect_line("\"dimension\":4,\"metric\":\"l2\",\"index_type\":\"HNSW\",\"storage\":\"exact\"");
    expect_line("\"filterable\":{\"price\":\"double\",\"tag\":\"string\"}");
    expect_line("\"flushed_lsn\":33,\"live_row_count\":29,\"dead_row_count\":3,\"part_count\":2,"
                "\"cluster_count\":0,\"delete_file_count\":1,");
    expect_line("\"vector_bytes\":512,\"uncompressed_bytes\":");
    expect_line("\"compression_ratio\":1.");
    expect_line(",\"fresh_part_count\":2,\"bytes_accepted\":");
    expect_line(",\"bytes_compacted\":0,\"write_amplification\":1.");
    expect_line("{\"kind\":\"part\",\"path\":\"vectors/cluster_000/part_001.parquet\"");
    expect_line("\"row_count\":20,\"min_lsn\":1,\"max_lsn\":20,\"cluster\":0");
    expect_line("{\"kind\":\"deletes\",\"path\":\"deletes/deletes_");
    expect_line("\"last_lsn\":38,\"unflushed_entry_count\":2,\"inserted_rows\":0,"
                "\"upserted_rows\":4,\"updated_rows\":0,\"deleted_rows\":1,\"expired_rows\":0}");
    expect_line("\"next_lsn\":39,");
    assert_null(strstr(lines.text, "centroids"));

    assert_int_equal(inspect(PROXIMADB_INSPECT_SQL, folder, "docs"), PROXIMADB_OK);
    assert_memory_equal(lines.text, "-- 2 writes of 5 rows are in the log only, ", 43);

    database_call(&database, PROXIMADB_COMPACT, "docs", NULL);
    assert_int_equal(inspect(PROXIMADB_INSPECT_SQL, folder, "docs"), PROXIMADB_OK);
    assert_memory_equal(lines.text, "SELECT", 6);
    assert_int_equal(inspect(PROXIMADB_INSPECT_COLLECTION, folder, "docs"), PROXIMADB_OK);
    expect_line("\"cluster_count\":1");
    expect_line("{\"kind\":\"centroids\",\"path\":\"vectors/centroids_");
}

static unsigned long long uncompressed_bytes_of(const char *collection)
{
    static const char key[] = "\"vector_bytes\":6400,\"uncompressed_bytes\":";
    for (size_t i = 0; i < 400; i += 100)
        database_put(&database, collection, i, 100);
    database_call(&database, PROXIMADB_FLUSH, collection, NULL);
    assert_int_equal(inspect(PROXIMADB_INSPECT_COLLECTION, folder, collection), PROXIMADB_OK);
    expect_line(key);
    return strtoull(strstr(lines.text, key) + sizeof key - 1, NULL, 10);
}

static void test_inspect__counts_vectors_before_they_become_codes(void **state)
{
    (void)state;
    database_create_stored(&database, "rounded", PROXIMADB_BALANCED);
    unsigned long long exact = uncompressed_bytes_of("docs");
    unsigned long long rounded = uncompressed_bytes_of("rounded");
    assert_true(exact > 6400 && rounded > exact - exact / 50 && rounded < exact + exact / 50);
}

static void test_inspect__describes_an_empty_collection(void **state)
{
    (void)state;
    assert_int_equal(inspect(PROXIMADB_INSPECT_COLLECTION, folder, "docs"), PROXIMADB_OK);
    expect_line("\"live_row_count\":0,\"dead_row_count\":0,\"part_count\":0,");
    expect_line("\"last_lsn\":0,\"unflushed_entry_count\":0,");
    assert_null(strstr(lines.text, "compression_ratio"));
    assert_int_equal(inspect(PROXIMADB_INSPECT_SQL, folder, "docs"), PROXIMADB_OK);
    expect_line("CAST(NULL AS DOUBLE) AS \"m_price\"");
    assert_null(strstr(lines.text, "-- "));
    expect_line("WHERE false;\n");
}

static void test_inspect__prints_the_statement_of_the_live_rows(void **state)
{
    (void)state;
    struct px_path resolved;
    char expected[PX_PATH_BYTES + 100];
    fill();
    assert_int_equal(inspect(PROXIMADB_INSPECT_SQL, folder, "docs"), PROXIMADB_OK);
    assert_int_equal(px_path_resolve(folder, &resolved, NULL), PROXIMADB_OK);
    snprintf(expected, sizeof expected,
             "        '%s/store/docs/vectors/cluster_000/part_001.parquet',\n", resolved.text);
    expect_line(expected);
    expect_line("part.\"m_price\",\n    part.\"m_tag\"\nFROM read_parquet([\n");
    expect_line("|| dead.file_path");
}

static void test_inspect__describes_a_log_that_is_written(void **state)
{
    (void)state;
    fill();
    struct px_path path = file_in("wal/docs", 0);
    assert_int_equal(inspect(PROXIMADB_INSPECT_WAL, path.text, NULL), PROXIMADB_OK);
    expect_line("{\"kind\":\"header\",\"collection\":\"docs\"");
    expect_line("\"lsn\":1,\"row_count\":20,");
    expect_line("\"operation\":\"UPSERT\"");
    expect_line("\"first_id\":\"row-18\"}");
    expect_line("\"operation\":\"DELETE\"");
    expect_line("{\"kind\":\"end\",\"end\":\"clean\",");
    expect_line("\"row_count\":38,\"next_lsn\":39}");
}

static void test_inspect__describes_a_part(void **state)
{
    (void)state;
    fill();
    struct px_path path = file_in("store/docs/vectors/cluster_000", 0);
    assert_int_equal(inspect(PROXIMADB_INSPECT_PARQUET, path.text, NULL), PROXIMADB_OK);
    expect_line("\"row_count\":20,\"row_group_count\":1");
    expect_line("{\"kind\":\"page\"");
    expect_line("\"key\":\"proximadb.collection_id\"");
}

static void cut(const struct px_path *path, uint64_t size_bytes)
{
    int fd = px_fs_posix.open(&px_fs_posix, path->text, PX_FS_READ_WRITE);
    assert_int_equal(px_fs_posix.truncate(&px_fs_posix, fd, size_bytes), 0);
    px_fs_posix.close(&px_fs_posix, fd);
}

static void test_inspect__tells_of_damage_and_goes_on(void **state)
{
    (void)state;
    fill();
    struct px_path part = file_in("store/docs/vectors/cluster_000", 0);
    cut(&part, 100);
    assert_int_equal(inspect(PROXIMADB_INSPECT_COLLECTION, folder, "docs"), PROXIMADB_CORRUPT);
    assert_non_null(strstr(error.message, part.text + strlen(folder)));
    expect_line("\"cluster\":0,\"error\":\"the part ");
    expect_line("\"unflushed_entry_count\":2");
    assert_int_equal(inspect(PROXIMADB_INSPECT_SQL, folder, "docs"), PROXIMADB_CORRUPT);
    assert_int_equal(inspect(PROXIMADB_INSPECT_PARQUET, part.text, NULL), PROXIMADB_CORRUPT);
    assert_non_null(strstr(error.message, "part_001.parquet': "));
    assert_int_equal(px_fs_posix.unlink(&px_fs_posix, part.text), 0);
    assert_int_equal(inspect(PROXIMADB_INSPECT_COLLECTION, folder, "docs"), PROXIMADB_IO);
    assert_int_equal(inspect(PROXIMADB_INSPECT_SQL, folder, "docs"), PROXIMADB_IO);
}

static void test_inspect__refuses_what_it_cannot_find(void **state)
{
    (void)state;
    struct px_path log;
    char path[300];
    assert_int_equal(inspect(PROXIMADB_INSPECT_COLLECTION, folder, "dogs"),
                     PROXIMADB_COLLECTION_NOT_FOUND);
    assert_non_null(strstr(error.message, "there is no collection 'dogs' in '"));
    assert_int_equal(inspect(PROXIMADB_INSPECT_COLLECTION, folder, "../docs"), PROXIMADB_INVALID);
    assert_int_equal(inspect(PROXIMADB_INSPECT_COLLECTION, folder, NULL), PROXIMADB_INVALID);
    assert_int_equal(inspect(PROXIMADB_INSPECT_COLLECTION, "scratch/none", "docs"), PROXIMADB_IO);
    snprintf(path, sizeof path, "%s/store", folder);
    assert_int_equal(inspect(PROXIMADB_INSPECT_SQL, path, "docs"), PROXIMADB_INVALID);
    assert_non_null(strstr(error.message, "there is no data folder at"));
    assert_int_equal(inspect(PROXIMADB_INSPECT_WAL, "", NULL), PROXIMADB_INVALID);
    assert_int_equal(inspect(PROXIMADB_INSPECT_WAL, folder, NULL), PROXIMADB_CORRUPT);
    assert_int_equal(inspect(9, folder, "docs"), PROXIMADB_INVALID);
    snprintf(path, sizeof path, "%s/proximadb.json", folder);
    assert_int_equal(inspect(PROXIMADB_INSPECT_WAL, path, NULL), PROXIMADB_CORRUPT);
    assert_int_equal(inspect(PROXIMADB_INSPECT_PARQUET, path, NULL), PROXIMADB_CORRUPT);
    database_put(&database, "docs", 0, 1);
    log = file_in("wal/docs", 0);
    assert_int_equal(inspect(PROXIMADB_INSPECT_PARQUET, log.text, NULL), PROXIMADB_CORRUPT);
}

static void test_inspect__stops_when_the_sink_has_enough(void **state)
{
    (void)state;
    for (size_t i = 0; i < 400; i++) /* more lines than are given at once */
        database_put(&database, "docs", i, 1);
    struct px_path path = file_in("wal/docs", 0);
    lines.calls_left = 1;
    assert_int_equal(inspect(PROXIMADB_INSPECT_WAL, path.text, NULL), PROXIMADB_CANCELLED);
    assert_int_equal(lines.call_count, 1);
    assert_int_equal(inspect(PROXIMADB_INSPECT_SQL, folder, "docs"), PROXIMADB_CANCELLED);
    lines.calls_left = 0;
}

/* Meets what a drop leaves in the middle of its reading. */
static int drop_and_fail(const struct px_inspect_view *view, struct px_buffer *buffer,
                         struct proximadb_error *reterr)
{
    (void)buffer;
    database_call(&database, PROXIMADB_DELETE_COLLECTION, view->collection.name, NULL);
    return px_fail(reterr, PROXIMADB_CORRUPT, "a file is missing");
}

static void test_inspect__a_collection_that_is_dropped_meanwhile_is_not_damaged(void **state)
{
    (void)state;
    struct px_inspect_output output = {.sink = database_sink, .context = &lines};
    fill();
    assert_int_equal(px_inspect__store(folder, "docs", drop_and_fail, &output, &error),
                     PROXIMADB_COLLECTION_NOT_FOUND);
    px_buffer_release(&output.lines);
}

static void test_inspect__a_missing_manifest_is_damage(void **state)
{
    (void)state;
    char path[300];
    snprintf(path, sizeof path, "%s/store/docs/MANIFEST.json", folder);
    assert_int_equal(px_fs_posix.unlink(&px_fs_posix, path), 0);
    assert_int_equal(inspect(PROXIMADB_INSPECT_COLLECTION, folder, "docs"), PROXIMADB_CORRUPT);
    assert_non_null(strstr(error.message, "the file is missing"));
}

/* Writes, flushes and compacts until it is told to stop. */
struct churn {
    struct database *database;
    atomic_bool stop;
};

static void *run_churn(void *context)
{
    struct churn *churn = context;
    for (size_t i = 0; !atomic_load(&churn->stop); i++) {
        database_put(churn->database, "docs", i % 50, 10);
        database_call(churn->database, PROXIMADB_FLUSH, "docs", NULL);
        if (i % 3 == 0)
            database_call(churn->database, PROXIMADB_COMPACT, "docs", NULL);
    }
    return NULL;
}

static void test_inspect__gives_one_moment_beside_a_busy_engine(void **state)
{
    (void)state;
    struct churn churn = {.database = &database};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run_churn, &churn), 0);
    for (int i = 0; i < 30; i++) {
        int kind = i % 2 == 0 ? PROXIMADB_INSPECT_COLLECTION : PROXIMADB_INSPECT_SQL;
        int rc = inspect(kind, folder, "docs");
        if (rc != PROXIMADB_OK && rc != PROXIMADB_UNAVAILABLE)
            fail_msg("%s\n%s", error.message, lines.text);
        assert_null(strstr(lines.text, "\"error\""));
        assert_null(strstr(lines.text, "\"damage\""));
    }
    atomic_store(&churn.stop, true);
    pthread_join(thread, NULL);
    assert_int_equal(inspect(PROXIMADB_INSPECT_COLLECTION, folder, "docs"), PROXIMADB_OK);
}

#define DATABASE_TEST(name) cmocka_unit_test_setup_teardown(name, open_database, close_database)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DATABASE_TEST(test_inspect__describes_a_collection),
        DATABASE_TEST(test_inspect__counts_vectors_before_they_become_codes),
        DATABASE_TEST(test_inspect__describes_an_empty_collection),
        DATABASE_TEST(test_inspect__prints_the_statement_of_the_live_rows),
        DATABASE_TEST(test_inspect__describes_a_log_that_is_written),
        DATABASE_TEST(test_inspect__describes_a_part),
        DATABASE_TEST(test_inspect__tells_of_damage_and_goes_on),
        DATABASE_TEST(test_inspect__refuses_what_it_cannot_find),
        DATABASE_TEST(test_inspect__stops_when_the_sink_has_enough),
        DATABASE_TEST(test_inspect__a_collection_that_is_dropped_meanwhile_is_not_damaged),
        DATABASE_TEST(test_inspect__a_missing_manifest_is_damage),
        DATABASE_TEST(test_inspect__gives_one_moment_beside_a_busy_engine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
