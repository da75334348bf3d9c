/*
 * Goal: one process holds a data folder, a newer or a damaged one is refused with a sentence that
 * helps, and the reserve comes and goes.
 * Method: open twice, change proximadb.json by hand, discard things.
 */
#include "metadata/data_folder.h"

#include "os/file.h"
#include "support/px_test.h"

#include <unistd.h>

static struct proximadb_error error;

static int open_folder(struct px_data_folder *folder, const char *path)
{
    return px_data_folder_open(folder, &px_fs_posix, &px_clock_system, NULL, path, &error);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void test_data_folder__makes_what_is_missing(void **state)
{
    (void)state;
    static const char *const expected[] = {
        "proximadb.json", "proximadb.lock", "reserve", "metadata/collections", "wal",
        "store",          "trash"};
    struct px_data_folder folder;
    char path[300], data[200];
    snprintf(data, sizeof data, "%s/data", px_test_folder("data_folder"));
    for (int round = 0; round < 2; round++) { /* the second finds everything */
        assert_int_equal(open_folder(&folder, data), PROXIMADB_OK);
        for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
            snprintf(path, sizeof path, "%s/%s", data, expected[i]);
            if (!px_file_exists(&px_fs_posix, path))
                fail_msg("%s is missing", path);
        }
        px_data_folder_close(&folder);
    }
}

static void test_data_folder__names_its_holder(void **state)
{
    (void)state;
    struct px_data_folder folder, second;
    const char *data = px_test_folder("data_folder");
    char pid[32];
    assert_int_equal(open_folder(&folder, data), PROXIMADB_OK);
    assert_int_equal(open_folder(&second, data), PROXIMADB_UNAVAILABLE);
    snprintf(pid, sizeof pid, "pid %ld, since 20", (long)getpid());
    assert_non_null(strstr(error.message, pid));
    assert_non_null(strstr(error.message, data));
    px_data_folder_close(&folder);
    assert_int_equal(open_folder(&second, data), PROXIMADB_OK);
    px_data_folder_close(&second);
}

static void test_data_folder__refuses_what_it_cannot_read(void **state)
{
    (void)state;
    struct px_data_folder folder;
    char path[300];
    const char *data = px_test_folder("data_folder");
    snprintf(path, sizeof path, "%s/proximadb.json", data);
    write_file(path, "{\"format_version\": 2}");
    assert_int_equal(open_folder(&folder, data), PROXIMADB_INVALID);
    assert_non_null(strstr(error.message, "upgrade"));
    write_file(path, "{\"format_version\": ");
    assert_int_equal(open_folder(&folder, data), PROXIMADB_CORRUPT);
    assert_int_equal(open_folder(&folder, path), PROXIMADB_INVALID); /* a file */
    assert_int_equal(open_folder(&folder, "scratch/no/such/parent"), PROXIMADB_IO);
    write_file(path, "{\"format_version\": 1}");
    assert_int_equal(open_folder(&folder, data), PROXIMADB_OK);
    px_data_folder_close(&folder);
}

static void test_data_folder__discards_into_its_trash(void **state)
{
    (void)state;
    struct px_data_folder folder;
    struct px_path path;
    struct px_names names;
    const char *data = px_test_folder("data_folder");
    assert_int_equal(open_folder(&folder, data), PROXIMADB_OK);
    assert_int_equal(px_data_folder_path(&folder, PX_DATA_STORE, "docs", &path, NULL),
                     PROXIMADB_OK);
    for (int i = 0; i < 3; i++) { /* the same name again and again */
        assert_int_equal(px_folder_make(&px_fs_posix, path.text, NULL), PROXIMADB_OK);
        assert_int_equal(px_data_folder_discard(&folder, path.text, NULL), PROXIMADB_OK);
        assert_false(px_file_exists(&px_fs_posix, path.text));
    }
    assert_int_equal(px_data_folder_discard(&folder, path.text, NULL), PROXIMADB_OK);
    assert_int_equal(px_data_folder_path(&folder, PX_DATA_TRASH, NULL, &path, NULL), PROXIMADB_OK);
    assert_int_equal(px_folder_list(&px_fs_posix, path.text, &names, NULL), PROXIMADB_OK);
    assert_int_equal(names.count, 3);
    px_names_release(&names);
    px_data_folder_close(&folder);
}

static void test_data_folder__gives_up_its_reserve_once(void **state)
{
    (void)state;
    struct px_data_folder folder;
    struct px_fs_info info;
    char path[300];
    const char *data = px_test_folder("data_folder");
    snprintf(path, sizeof path, "%s/reserve", data);
    assert_int_equal(open_folder(&folder, data), PROXIMADB_OK);
    assert_int_equal(px_fs_posix.info(&px_fs_posix, path, &info), 0);
    assert_int_equal(info.size_bytes, PX_RESERVE_BYTES);
    assert_true(px_data_folder_release_reserve(&folder));
    assert_false(px_data_folder_release_reserve(&folder));
    px_data_folder_restore_reserve(&folder);
    px_data_folder_restore_reserve(&folder);
    assert_true(px_data_folder_release_reserve(&folder));
    px_data_folder_close(&folder);
}

static size_t count_names(const char *path)
{
    struct px_names names;
    assert_int_equal(px_folder_list(&px_fs_posix, path, &names, NULL), PROXIMADB_OK);
    size_t count = names.count;
    px_names_release(&names);
    return count;
}

static void test_data_folder__is_looked_at_without_a_trace(void **state)
{
    (void)state;
    struct px_data_folder folder, second;
    char path[300];
    const char *data = px_test_folder("data_folder");
    snprintf(path, sizeof path, "%s/proximadb.json", data);
    assert_int_equal(px_data_folder_look(&folder, &px_fs_posix, data, true, &error),
                     PROXIMADB_INVALID);
    assert_non_null(strstr(error.message, "there is no data folder"));
    assert_int_equal(count_names(data), 0);

    write_file(path, "{\"format_version\": 1}");
    assert_int_equal(px_data_folder_look(&folder, &px_fs_posix, data, true, &error), PROXIMADB_OK);
    assert_int_equal(px_data_folder_read_format(&folder, &error), PROXIMADB_OK);
    write_file(path, "{\"format_version\": 99}");
    assert_int_equal(px_data_folder_read_format(&folder, &error), PROXIMADB_INVALID);
    assert_int_equal(count_names(data), 1);
    px_data_folder_close(&folder);

    write_file(path, "{\"format_version\": 1}");
    assert_int_equal(open_folder(&folder, data), PROXIMADB_OK); /* makes the lock file */
    assert_int_equal(px_data_folder_look(&second, &px_fs_posix, data, true, &error),
                     PROXIMADB_UNAVAILABLE);
    assert_non_null(strstr(error.message, "pid "));
    assert_int_equal(px_data_folder_look(&second, &px_fs_posix, data, false, &error), PROXIMADB_OK);
    px_data_folder_close(&second);
    px_data_folder_close(&folder);
    assert_int_equal(px_data_folder_look(&second, &px_fs_posix, data, true, &error), PROXIMADB_OK);
    assert_int_equal(open_folder(&folder, data), PROXIMADB_UNAVAILABLE);
    px_data_folder_close(&second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_data_folder__makes_what_is_missing),
        cmocka_unit_test(test_data_folder__names_its_holder),
        cmocka_unit_test(test_data_folder__refuses_what_it_cannot_read),
        cmocka_unit_test(test_data_folder__discards_into_its_trash),
        cmocka_unit_test(test_data_folder__gives_up_its_reserve_once),
        cmocka_unit_test(test_data_folder__is_looked_at_without_a_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
