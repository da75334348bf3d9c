/* px-test: layers=api */
/*
 * Goal: a row is read as it was written, wherever it lies; a snapshot's reader sees what its LSN and time
 * see; damage sticks and is told, and never becomes a row.
 * Method: an engine's snapshots over a part and a memtable; a part whose pages are overwritten.
 */
#include "service/row_reader.h"

#include "parquet/parquet_reader.h"
#include "viper/part_columns.h"

/* Its variables must not shadow what the others name. */
#include "support/engine_on_disk.h"

enum { DIMS = 3 };

static int start(void **state)
{
    (void)state;
    engine_on_disk_start();
    engine_create(&box, "docs", DIMS, PROXIMADB_L2);
    return 0;
}

/* A row with everything. */
static void put_row(const char *id, float value, int64_t expires_at_ms)
{
    const float vector[DIMS] = {value, 2, 3};
    const int64_t timestamp_ms = 1234;
    struct proximadb_field field = {.name = engine_text("count"),
                                    .value = {.kind = PROXIMADB_VALUE_LONG}};
    field.value.as.integer = 7;
    const struct proximadb_row row = {.struct_size = sizeof row,
                                      .id = engine_text(id),
                                      .vector = vector,
                                      .dim_count = DIMS,
                                      .fields = &field,
                                      .field_count = 1,
                                      .document = "text",
                                      .document_size_bytes = 4,
                                      .timestamp_ms = &timestamp_ms,
                                      .expires_at_ms = &expires_at_ms};
    struct proximadb_buffer payload = engine_batch(PROXIMADB_UPSERT, NULL, &row, 1);
    engine_must(engine_write(&box, PROXIMADB_UPSERT, "docs", &payload, NULL), &box.error);
}

static void take_snapshot(struct px_snapshot *snapshot)
{
    struct px_shard *shard = engine_shard(&box, "docs");
    px_shard_snapshot(shard, snapshot);
    px_shard_unref(shard);
}

static void check_row(struct px_row_reader *reader, uint32_t source_index, const char *id,
                      float value)
{
    struct px_record record;
    struct px_slice metadata, expected_id = px_slice_of_string(id);
    assert_true(px_slice_equal(px_row_reader_id(reader, source_index, 0), expected_id));
    const float *vector = px_row_reader_vector(reader, source_index, 0);
    assert_true(vector[0] == value && vector[2] == 3);
    assert_true(px_row_reader_metadata(reader, source_index, 0, &metadata));
    assert_true(metadata.size_bytes > 1);
    assert_true(px_row_reader_record(reader, source_index, 0, true, &record));
    assert_true(px_slice_equal(record.id, expected_id));
    assert_true(px_slice_equal(record.document, px_slice_of_string("text")));
    assert_true(px_slice_equal(record.metadata, metadata));
    assert_int_equal(record.timestamp_ms, 1234);
    assert_int_equal(px_row_reader_status(reader, NULL), PROXIMADB_OK);
}

static void test_row_reader__reads_parts_and_memtables(void **state)
{
    (void)state;
    struct px_snapshot snapshot;
    struct px_row_reader reader;
    put_row("in a part", 1, INT64_C(4000000000000));
    engine_flush(&box, "docs");
    put_row("in memory", 2, INT64_C(4000000000000));
    take_snapshot(&snapshot);
    assert_int_equal(snapshot.view->source_count, 2);
    assert_int_equal(px_row_reader_init(&reader, &snapshot, NULL), PROXIMADB_OK);
    check_row(&reader, 0, "in a part", 1);
    check_row(&reader, 1, "in memory", 2);
    px_row_reader_release(&reader);
    px_snapshot_release(&snapshot);
    reader = (struct px_row_reader){0};
    px_row_reader_release(&reader);
}

/* What one reader leaves is found by the next, until the part is closed. */
static void test_row_reader__shares_pages(void **state)
{
    (void)state;
    struct px_snapshot snapshot;
    struct px_row_reader readers[2];
    uint64_t before = px_part_shared_bytes();
    put_row("in a part", 1, INT64_C(4000000000000));
    engine_flush(&box, "docs");
    put_row("in memory", 2, INT64_C(4000000000000));
    take_snapshot(&snapshot);
    uint64_t shared[2];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(px_row_reader_init(&readers[i], &snapshot, NULL), PROXIMADB_OK);
        px_row_reader_share_pages(&readers[i]);
        check_row(&readers[i], 0, "in a part", 1);
        check_row(&readers[i], 1, "in memory", 2);
        shared[i] = px_part_shared_bytes();
    }
    assert_true(shared[0] > before && shared[1] == shared[0]);
    for (int i = 0; i < 2; i++) {
        struct px_record record = {.id = px_slice_of_string("as it was")};
        check_row(&readers[i], 0, "in a part", 1);
        for (uint32_t source = 0; source < 2; source++) {
            assert_true(px_row_reader_texts(&readers[i], source, 0, &record));
            assert_true(record.has_document);
            assert_true(px_slice_equal(record.document, px_slice_of_string("text")));
            assert_true(record.metadata.size_bytes > 1);
            assert_true(px_slice_equal(record.id, px_slice_of_string("as it was")));
        }
        px_row_reader_release(&readers[i]);
    }
    px_snapshot_release(&snapshot);
    engine_close(&box);
    assert_int_equal(px_part_shared_bytes(), before);
    engine_open(&box);
}

/* Of a row that was replaced at LSN 3 and whose successor expires. */
static void test_row_reader__sees_what_its_snapshot_sees(void **state)
{
    (void)state;
    struct px_snapshot snapshot;
    struct px_row_reader reader;
    int64_t now_ms = box.clock.wall_ms;
    for (int round = 0; round < 2; round++) {
        put_row("a", 1, now_ms + 1000); /* LSN 1; then 3 */
        if (round == 0)
            engine_flush(&box, "docs");
        put_row("b", 1, INT64_C(4000000000000)); /* LSN 2; then 4 */
    }
    take_snapshot(&snapshot);
    assert_int_equal(snapshot.lsn, 4);
    assert_int_equal(px_row_reader_init(&reader, &snapshot, NULL), PROXIMADB_OK);
    assert_false(px_row_reader_is_visible(&reader, 0, 0));
    assert_false(px_row_reader_is_visible(&reader, 1, 0)); /* b of LSN 2 */
    assert_true(px_row_reader_is_visible(&reader, 1, 1));  /* a of LSN 3 */
    snapshot.now_ms = now_ms + 999;
    assert_true(px_row_reader_is_visible(&reader, 1, 1));
    snapshot.now_ms = now_ms + 1000;
    assert_false(px_row_reader_is_visible(&reader, 1, 1));
    snapshot.now_ms = now_ms;
    snapshot.lsn = 2;
    assert_true(px_row_reader_is_visible(&reader, 0, 0));
    assert_true(px_row_reader_is_visible(&reader, 1, 0));
    snapshot.lsn = 3;
    assert_false(px_row_reader_is_visible(&reader, 0, 0));
    assert_true(px_row_reader_is_visible(&reader, 1, 0));
    px_row_reader_release(&reader);
    px_snapshot_release(&snapshot);
}

/* Where the pages of ids are in the only part. */
static struct px_parquet_range find_ids(void)
{
    struct px_snapshot snapshot;
    take_snapshot(&snapshot);
    const struct px_parquet_layout *layout =
        px_parquet_reader_layout(px_part_parquet(snapshot.view->sources[0]->part));
    struct px_parquet_range pages = layout->row_groups[0].chunks[PX_PART_ID].pages;
    px_snapshot_release(&snapshot);
    return pages;
}

static void overwrite(struct px_parquet_range range)
{
    struct px_fs *fs = box.options.fs;
    static const char path[] = "data/store/docs/vectors/cluster_000/part_001.parquet";
    static const uint8_t garbage[4096];
    struct px_slice piece = px_slice_of(garbage, (size_t)range.size_bytes);
    assert_true(range.size_bytes <= sizeof garbage);
    int fd = fs->open(fs, path, PX_FS_READ_WRITE);
    assert_int_equal(fs->write_at(fs, fd, &piece, 1, range.offset), 0);
    assert_int_equal(fs->close(fs, fd), 0);
}

static void test_row_reader__damage_sticks_and_is_told(void **state)
{
    (void)state;
    struct px_snapshot snapshot;
    struct px_row_reader reader;
    struct px_record record;
    struct px_slice metadata;
    struct proximadb_error error;
    int64_t version;
    put_row("a", 1, INT64_C(4000000000000));
    engine_flush(&box, "docs");
    struct px_parquet_range ids = find_ids();
    engine_close(&box);
    overwrite(ids);
    engine_open(&box);
    assert_string_equal(engine_info(&box, "docs").reason, "");
    take_snapshot(&snapshot);
    assert_int_equal(px_row_reader_init(&reader, &snapshot, NULL), PROXIMADB_OK);
    px_row_reader_share_pages(&reader);
    assert_int_equal(px_row_reader_id(&reader, 0, 0).size_bytes, 0);
    assert_int_equal(px_row_reader_status(&reader, &error), PROXIMADB_CORRUPT);
    assert_non_null(strstr(error.message, "part_001.parquet"));
    assert_false(px_row_reader_record(&reader, 0, 0, true, &record));
    (void)px_row_reader_metadata(&reader, 0, 0, &metadata);
    assert_int_equal(px_row_reader_status(&reader, &error), PROXIMADB_CORRUPT);
    px_row_reader_release(&reader);
    px_snapshot_release(&snapshot);

    /* Nothing that an operation answers comes from it, and a write does not pass over it. */
    assert_int_equal(engine_try_get(&box, "docs", "a", &version), PROXIMADB_CORRUPT);
    assert_int_equal(engine_put(&box, PROXIMADB_INSERT, "docs", "a", DIMS, 1), PROXIMADB_CORRUPT);
    assert_int_equal(engine_try_compact(&box, "docs", 1, NULL), PROXIMADB_CORRUPT);
    box.clock.wall_ms = INT64_C(4100000000000);
    engine_sweep(&box, "docs"); /* what cannot be read has not expired */
    assert_int_equal(engine_info(&box, "docs").info.last_version, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, engine_on_disk_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_row_reader__reads_parts_and_memtables),
        TEST(test_row_reader__shares_pages),
        TEST(test_row_reader__sees_what_its_snapshot_sees),
        TEST(test_row_reader__damage_sticks_and_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
