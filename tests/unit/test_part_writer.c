/*
 * Goal: a finished part is on disk with the numbers that are reported, an aborted or failed one is not.
 * What is in it is checked by test_part.c.
 */
#include "viper/part_writer.h"

#include "base/crc32c.h"
#include "os/file.h"
#include "os/path.h"
#include "support/records.h"

static struct px_collection collection;

static struct px_part_writer *open_writer(const char *folder)
{
    struct px_part_target target = {
        .fs = &px_fs_posix, .store_folder = folder, .path = "part_001.parquet", .cluster = 7};
    struct px_part_writer *writer = NULL;
    struct proximadb_error error;
    collection = records_collection("docs", 8);
    if (px_part_writer_open(&target, &collection, &writer, &error) != PROXIMADB_OK)
        fail_msg("%s", error.message);
    return writer;
}

static void add_rows(struct px_part_writer *writer, uint64_t begin, uint64_t end)
{
    for (uint64_t number = begin; number < end; number++) {
        struct made_record *made = records_make(number, 8);
        px_part_writer_add(writer, &made->record);
        records_release(made);
    }
}

static void test_part_writer__reports_what_it_wrote(void **state)
{
    (void)state;
    const char *folder = px_test_folder("part_writer");
    struct px_part_writer *writer = open_writer(folder);
    struct px_manifest_file file;
    struct px_path path;
    struct px_buffer content = {0};
    add_rows(writer, 500, 1500);
    assert_int_equal(px_part_writer_row_count(writer), 1000);
    assert_int_equal(px_part_writer_finish(writer, &file, NULL), PROXIMADB_OK);
    assert_string_equal(file.path, "part_001.parquet");
    assert_int_equal(file.row_count, 1000);
    assert_int_equal(file.min_lsn, 501);
    assert_int_equal(file.max_lsn, 1500);
    assert_int_equal(file.cluster, 7);
    assert_int_equal(px_path_format(&path, NULL, "%s/%s", folder, file.path), PROXIMADB_OK);
    assert_int_equal(px_file_read(&px_fs_posix, path.text, 1 << 30, &content, NULL), PROXIMADB_OK);
    assert_int_equal(content.size_bytes, file.size_bytes);
    assert_int_equal(px_crc32c(0, content.data, content.size_bytes), file.crc32c);
    px_buffer_release(&content);
}

static void test_part_writer__leaves_nothing_when_aborted(void **state)
{
    (void)state;
    struct px_names names;
    const char *folder = px_test_folder("part_writer");
    struct px_part_writer *writer = open_writer(folder);
    add_rows(writer, 0, 10);
    px_part_writer_abort(writer);
    px_part_writer_abort(NULL);
    assert_int_equal(px_folder_list(&px_fs_posix, folder, &names, NULL), PROXIMADB_OK);
    assert_int_equal(names.count, 0);
    px_names_release(&names);
}

static void test_part_writer__never_overwrites_a_file(void **state)
{
    (void)state;
    struct px_manifest_file file;
    struct proximadb_error error;
    const char *folder = px_test_folder("part_writer");
    struct px_part_writer *writer = open_writer(folder);
    add_rows(writer, 0, 10);
    assert_int_equal(px_part_writer_finish(writer, &file, NULL), PROXIMADB_OK);
    struct px_part_target target = {
        .fs = &px_fs_posix, .store_folder = folder, .path = "part_001.parquet"};
    assert_int_equal(px_part_writer_open(&target, &collection, &writer, &error), PROXIMADB_IO);
    assert_non_null(strstr(error.message, "part_001.parquet"));
    struct px_path path;
    assert_int_equal(px_path_format(&path, NULL, "%s/part_001.parquet", folder), PROXIMADB_OK);
    assert_true(px_file_exists(&px_fs_posix, path.text)); /* and the one that is there stays */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_part_writer__reports_what_it_wrote),
        cmocka_unit_test(test_part_writer__leaves_nothing_when_aborted),
        cmocka_unit_test(test_part_writer__never_overwrites_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
