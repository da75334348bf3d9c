/*
 * Goal: a part gives back every row as it was added, in place and in any order, and one that is not what
 * the manifest says is refused.
 * Method: write random rows of several dimensions, read them by row and by block; damage files by hand.
 */
#include "viper/part.h"

#include "os/file.h"
#include "os/path.h"
#include "parquet/parquet_reader.h"
#include "support/records.h"
#include "viper/part_writer.h"

static struct px_collection collection;
static struct px_manifest_file file;

static const char *write_part(uint32_t dim_count, uint64_t row_count)
{
    const char *folder = px_test_folder("part");
    struct px_part_target target = {
        .fs = &px_fs_posix, .store_folder = folder, .path = "part_001.parquet"};
    struct px_part_writer *writer;
    struct proximadb_error error;
    collection = records_collection("docs", dim_count);
    assert_int_equal(px_part_writer_open(&target, &collection, &writer, NULL), PROXIMADB_OK);
    for (uint64_t number = 0; number < row_count; number++) {
        struct made_record *made = records_make(number, dim_count);
        px_part_writer_add(writer, &made->record);
        records_release(made);
    }
    if (px_part_writer_finish(writer, &file, &error) != PROXIMADB_OK)
        fail_msg("%s", error.message);
    return folder;
}

static struct px_part *open_part(const char *folder)
{
    struct px_part *part = NULL;
    struct proximadb_error error;
    if (px_part_open(&px_fs_posix, folder, &file, &collection, &part, &error) != PROXIMADB_OK)
        fail_msg("%s", error.message);
    return part;
}

static void check_row(struct px_part_reader *reader, const struct px_part *part, uint32_t row)
{
    struct made_record *made = records_make(row, collection.dim_count);
    struct px_record got;
    struct px_slice id, metadata;
    int64_t expires_at_ms, version;
    const float *vector;
    struct proximadb_error error;
    if (px_part_read_record(reader, row, &got, &error) != PROXIMADB_OK)
        fail_msg("%s", error.message);
    records_check(&got, &made->record);
    assert_int_equal(px_part_read_id(reader, row, &id, NULL), PROXIMADB_OK);
    assert_true(px_slice_equal(id, made->record.id));
    assert_int_equal(px_part_read_expiry(reader, row, &expires_at_ms, NULL), PROXIMADB_OK);
    assert_int_equal(expires_at_ms, made->record.expires_at_ms);
    assert_int_equal(px_part_read_version(reader, row, &version, NULL), PROXIMADB_OK);
    assert_int_equal(version, row + 1);
    assert_int_equal(px_part_read_metadata(reader, row, &metadata, NULL), PROXIMADB_OK);
    records_check_metadata(metadata, made->record.metadata);
    assert_int_equal(px_part_get_vector(part, row, &vector, NULL), PROXIMADB_OK);
    assert_ptr_equal(vector, got.vector); /* in place: no copy of it is made */
    records_release(made);
}

static void check_blocks(const struct px_part *part)
{
    uint32_t row = 0;
    while (row < px_part_row_count(part)) {
        struct px_part_block block;
        assert_int_equal(px_part_get_block(part, row, &block, NULL), PROXIMADB_OK);
        assert_int_equal(block.first_row, row);
        assert_int_equal(block.stride_bytes, collection.dim_count * sizeof(float));
        assert_int_equal((uintptr_t)block.vectors % 64, 0);
        for (uint32_t i = 0; i < block.row_count; i++) {
            const float *vector;
            assert_int_equal(px_part_get_vector(part, row + i, &vector, NULL), PROXIMADB_OK);
            assert_ptr_equal(vector, block.vectors + i * collection.dim_count);
        }
        row += block.row_count;
    }
    assert_int_equal(row, px_part_row_count(part));
}

static void test_part__gives_back_every_row(void **state)
{
    (void)state;
    static const uint32_t dims[] = {1, 7, 384};
    static const uint64_t counts[] = {3000, 2500, 1500};
    struct px_test_random random = px_test_random_new("part");
    for (size_t i = 0; i < 3; i++) {
        struct px_part_reader *reader;
        struct px_part *part = open_part(write_part(dims[i], counts[i]));
        assert_int_equal(px_part_row_count(part), counts[i]);
        assert_true(px_part_has_expiry(part));
        assert_int_equal(px_part_reader_new(part, &reader, NULL), PROXIMADB_OK);
        for (uint32_t row = 0; row < counts[i]; row++)
            check_row(reader, part, row);
        for (int j = 0; j < 300; j++)
            check_row(reader, part, (uint32_t)px_test_below(&random, counts[i]));
        check_blocks(part);
        px_part_reader_free(reader);
        px_part_close(part);
    }
}

static void test_part__removes_its_file_once_it_is_obsolete(void **state)
{
    (void)state;
    struct px_path path;
    const char *folder = write_part(4, 10);
    assert_int_equal(px_path_format(&path, NULL, "%s/%s", folder, file.path), PROXIMADB_OK);
    px_part_close(open_part(folder));
    assert_true(px_file_exists(&px_fs_posix, path.text));
    struct px_removal_gate *gate;
    assert_int_equal(px_removal_gate_new(&gate, NULL), PROXIMADB_OK);
    struct px_part *part = open_part(folder), *late = open_part(folder);
    px_part_set_obsolete(part, gate);
    px_part_set_obsolete(late, gate);
    assert_true(px_file_exists(&px_fs_posix, path.text));
    px_part_close(part);
    assert_false(px_file_exists(&px_fs_posix, path.text));

    /* The folder may be another collection's by now. */
    px_removal_gate_close(gate);
    assert_string_equal(write_part(4, 10), folder);
    px_part_close(late);
    assert_true(px_file_exists(&px_fs_posix, path.text));
    px_removal_gate_unref(gate);
}

/* Reads every row; fails the test if any of them is not what was written. Whether a read failed. */
static bool is_found_out(struct px_part *part, struct made_record *const *rows, uint32_t row_count)
{
    struct px_part_reader *reader;
    struct proximadb_error error;
    bool failed = false;
    assert_int_equal(px_part_reader_new(part, &reader, NULL), PROXIMADB_OK);
    for (uint32_t row = 0; row < row_count; row++) {
        struct px_record got;
        int rc = px_part_read_record(reader, row, &got, &error);
        if (rc == PROXIMADB_OK) {
            records_check(&got, &rows[row]->record);
            continue;
        }
        assert_int_equal(rc, PROXIMADB_CORRUPT);
        assert_int_equal(error.status, PROXIMADB_CORRUPT);
        assert_non_null(strstr(error.message, file.path));
        failed = true;
    }
    px_part_reader_free(reader);
    return failed;
}

/* A byte in the pages of any column. */
static uint64_t choose_offset(struct px_test_random *random, const struct px_parquet_layout *layout)
{
    size_t column = px_test_below(random, layout->column_count);
    struct px_parquet_range pages = layout->row_groups[0].chunks[column].pages;
    return pages.offset + px_test_below(random, pages.size_bytes);
}

static void flip_bit(const char *path, uint64_t offset, unsigned bit)
{
    uint8_t byte;
    struct px_slice piece = px_slice_of(&byte, 1);
    int fd = px_fs_posix.open(&px_fs_posix, path, PX_FS_READ_WRITE);
    assert_int_equal(px_fs_posix.read_at(&px_fs_posix, fd, &byte, 1, offset), 1);
    byte ^= (uint8_t)(1 << bit);
    assert_int_equal(px_fs_posix.write_at(&px_fs_posix, fd, &piece, 1, offset), 0);
    px_fs_posix.close(&px_fs_posix, fd);
}

static void test_part__never_gives_other_bytes_than_were_written(void **state)
{
    (void)state;
    enum { ROWS = 300, FLIPS = 400 };
    struct px_test_random random = px_test_random_new("part");
    struct made_record *rows[ROWS];
    const char *folder = write_part(4, ROWS);
    struct px_path path;
    size_t found = 0;
    assert_int_equal(px_path_format(&path, NULL, "%s/%s", folder, file.path), PROXIMADB_OK);
    for (uint64_t i = 0; i < ROWS; i++)
        rows[i] = records_make(i, 4);
    struct px_part *sound = open_part(folder);
    for (int i = 0; i < FLIPS; i++) {
        uint64_t offset = choose_offset(&random, px_parquet_reader_layout(px_part_parquet(sound)));
        unsigned bit = (unsigned)px_test_below(&random, 8);
        flip_bit(path.text, offset, bit);
        struct px_part *part = open_part(folder);
        found += is_found_out(part, rows, ROWS);
        px_part_close(part);
        flip_bit(path.text, offset, bit);
    }
    px_part_close(sound);
    assert_true(found > FLIPS * 9 / 10); /* some bits of page headers mean nothing to us */
    for (uint64_t i = 0; i < ROWS; i++)
        records_release(rows[i]);
}

static void check_refused(const char *folder, int status, const char *word)
{
    struct px_part *part = NULL;
    struct proximadb_error error;
    assert_int_equal(px_part_open(&px_fs_posix, folder, &file, &collection, &part, &error), status);
    if (strstr(error.message, word) == NULL || strstr(error.message, file.path) == NULL)
        fail_msg("'%s' does not name '%s' and the file", error.message, word);
    assert_null(part);
}

static void test_part__refuses_what_the_manifest_does_not_mean(void **state)
{
    (void)state;
    const char *folder = write_part(4, 10);
    file.size_bytes++;
    check_refused(folder, PROXIMADB_CORRUPT, "bytes");
    file.size_bytes--;
    file.row_count++;
    check_refused(folder, PROXIMADB_CORRUPT, "rows");
    file.row_count--;
    collection.id.bytes[0] ^= 1;
    check_refused(folder, PROXIMADB_CORRUPT, "another collection");
    collection.id.bytes[0] ^= 1;
    collection.dim_count = 5;
    check_refused(folder, PROXIMADB_CORRUPT, "vector");
    collection.dim_count = 4;
    px_part_close(open_part(folder));
    snprintf(file.path, sizeof file.path, "part_002.parquet");
    check_refused(folder, PROXIMADB_CORRUPT, "missing");
}

static void test_part__reads_fields_that_are_no_longer_filterable(void **state)
{
    (void)state;
    const char *folder = write_part(4, 100);
    struct px_part_reader *reader;
    struct proximadb_filterable price = {"price", PROXIMADB_FIELD_DOUBLE};
    assert_int_equal(px_collection_set_fields(&collection, &price, 1, NULL), PROXIMADB_OK);
    struct px_part *part = open_part(folder);
    assert_int_equal(px_part_reader_new(part, &reader, NULL), PROXIMADB_OK);
    for (uint32_t row = 0; row < 100; row++)
        check_row(reader, part, row);
    px_part_reader_free(reader);
    px_part_close(part);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_part__gives_back_every_row),
        cmocka_unit_test(test_part__removes_its_file_once_it_is_obsolete),
        cmocka_unit_test(test_part__never_gives_other_bytes_than_were_written),
        cmocka_unit_test(test_part__refuses_what_the_manifest_does_not_mean),
        cmocka_unit_test(test_part__reads_fields_that_are_no_longer_filterable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
