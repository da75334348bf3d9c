/*
 * Goal: a delete file gives back, sorted, what was written, and a damaged one is refused by name.
 */
#include "viper/delete_file.h"

#include "os/file.h"
#include "support/px_test.h"

enum { DELETE_COUNT = 5000 };

static const char *const paths[] = {"vectors/cluster_000/part_001.parquet",
                                    "vectors/cluster_000/part_002.parquet",
                                    "vectors/cluster_001/part_003.parquet"};

struct seen {
    size_t count;
    uint64_t sum;
    char last_path[100];
    uint64_t last_row;
};

static int see(void *context, struct px_slice path, uint64_t row, int64_t lsn,
               struct proximadb_error *reterr)
{
    struct seen *seen = context;
    (void)reterr;
    char text[100] = "";
    memcpy(text, path.data, path.size_bytes);
    int order = strcmp(text, seen->last_path);
    assert_true(order > 0 || (order == 0 && (seen->count == 0 || row > seen->last_row)));
    memcpy(seen->last_path, text, sizeof text);
    seen->last_row = row;
    seen->count++;
    seen->sum += row * 31 + (uint64_t)lsn * 7 + (uint64_t)text[strlen(paths[0]) - 9];
    return PROXIMADB_OK;
}

static uint64_t write_deletes(const char *folder, struct px_manifest_file *file)
{
    static struct px_delete deletes[DELETE_COUNT];
    struct px_uuid id = {{1}};
    uint64_t sum = 0;
    for (size_t i = 0; i < DELETE_COUNT; i++) {
        uint32_t row = (uint32_t)((i * 7919) % DELETE_COUNT); /* each once, in no order */
        deletes[i] = (struct px_delete){.path = paths[i % 3], .row = row, .lsn = 1 + (int64_t)i};
        sum += (uint64_t)row * 31 + (uint64_t)deletes[i].lsn * 7 +
               (uint64_t)paths[i % 3][strlen(paths[0]) - 9];
    }
    assert_int_equal(px_delete_file_write(&px_fs_posix,
                                          &(struct px_delete_file){folder, "deletes_001.parquet",
                                                                   id, deletes, DELETE_COUNT},
                                          file, NULL),
                     PROXIMADB_OK);
    return sum;
}

static void test_delete_file__gives_back_what_was_written(void **state)
{
    (void)state;
    struct px_manifest_file file;
    struct seen seen = {0};
    const char *folder = px_test_folder("delete_file");
    uint64_t sum = write_deletes(folder, &file);
    assert_int_equal(file.row_count, DELETE_COUNT);
    assert_int_equal(file.min_lsn, 1);
    assert_int_equal(file.max_lsn, DELETE_COUNT);
    assert_int_equal(px_delete_file_read(&px_fs_posix, folder, &file, see, &seen, NULL),
                     PROXIMADB_OK);
    assert_int_equal(seen.count, DELETE_COUNT);
    assert_int_equal(seen.sum, sum);
}

static void test_delete_file__refuses_a_damaged_or_missing_one(void **state)
{
    (void)state;
    struct px_manifest_file file;
    struct seen seen = {0};
    struct proximadb_error error;
    const char *folder = px_test_folder("delete_file");
    (void)write_deletes(folder, &file);
    file.row_count--;
    assert_int_equal(px_delete_file_read(&px_fs_posix, folder, &file, see, &seen, &error),
                     PROXIMADB_CORRUPT);
    assert_non_null(strstr(error.message, "deletes_001.parquet"));
    file.row_count++;
    file.size_bytes++;
    assert_int_equal(px_delete_file_read(&px_fs_posix, folder, &file, see, &seen, &error),
                     PROXIMADB_CORRUPT);
    snprintf(file.path, sizeof file.path, "deletes_009.parquet");
    assert_int_equal(px_delete_file_read(&px_fs_posix, folder, &file, see, &seen, &error),
                     PROXIMADB_CORRUPT);
    assert_non_null(strstr(error.message, "missing"));
    assert_int_equal(seen.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_delete_file__gives_back_what_was_written),
        cmocka_unit_test(test_delete_file__refuses_a_damaged_or_missing_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
