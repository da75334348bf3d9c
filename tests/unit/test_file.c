/*
 * Goal: whole files and folders are read, made, listed and removed as file.h says, also when a call
 * fails or the disk changes meanwhile.
 * Method: on the real file system, under a table that fails each call once or lies about sizes.
 */
#include "os/file.h"

#include "os/path.h"
#include "support/fault_fs.h"
#include "support/px_test.h"

#include <errno.h>
#include <unistd.h>

#define ROOT "scratch/file"

static struct px_fs *const posix = &px_fs_posix;
static struct px_fault_fs faults;

static int set_up(void **state)
{
    (void)state;
    (void)px_test_folder("file");
    px_fault_fs_init(&faults, posix);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    px_fault_fs_release(&faults);
    return 0;
}

static void write_file(const char *path, const char *content)
{
    int fd = posix->open(posix, path, PX_FS_TRUNCATE);
    struct px_slice piece = px_slice_of_string(content);
    assert_true(fd >= 0);
    assert_int_equal(posix->write_at(posix, fd, &piece, 1, 0), 0);
    posix->close(posix, fd);
}

static void make_folder(const char *path)
{
    assert_int_equal(px_folder_make(posix, path, NULL), PROXIMADB_OK);
}

static void test_file__is_appended_whole(void **state)
{
    (void)state;
    struct px_buffer buffer = {0};
    write_file(ROOT "/a", "content");
    write_file(ROOT "/empty", "");
    px_buffer_append(&buffer, "the ", 4);
    assert_int_equal(px_file_read(posix, ROOT "/empty", 0, &buffer, NULL), PROXIMADB_OK);
    assert_int_equal(px_file_read(posix, ROOT "/a", 7, &buffer, NULL), PROXIMADB_OK);
    assert_int_equal(buffer.size_bytes, 11);
    assert_memory_equal(buffer.data, "the content", 11);
    px_buffer_release(&buffer);
}

static void test_file__is_refused_if_too_large_or_missing_or_no_file(void **state)
{
    (void)state;
    struct proximadb_error error = {0};
    struct px_buffer buffer = {0};
    write_file(ROOT "/a", "content");
    assert_int_equal(px_file_read(posix, ROOT "/a", 6, &buffer, &error), PROXIMADB_CORRUPT);
    assert_non_null(strstr(error.message, "larger than the 6 bytes"));
    assert_int_equal(px_file_read(posix, ROOT "/none", 6, &buffer, &error), PROXIMADB_IO);
    assert_int_equal(error.os_errno, ENOENT);
    assert_int_equal(px_file_read(posix, ROOT, 1 << 20, &buffer, &error), PROXIMADB_CORRUPT);
    assert_string_equal(error.message, "'" ROOT "' is not a file");
    assert_int_equal(buffer.size_bytes, 0);
    px_buffer_init(&buffer, 3);
    assert_int_equal(px_file_read(posix, ROOT "/a", 7, &buffer, &error),
                     PROXIMADB_RESOURCE_EXHAUSTED);
    px_buffer_release(&buffer);
}

/* A file that is replaced by a larger one when its size is already known. */
static int info_of_a_small_file(struct px_fs *fs, const char *path, struct px_fs_info *ret_info)
{
    (void)fs;
    int rc = posix->info(posix, path, ret_info);
    ret_info->size_bytes = 3;
    return rc;
}

static void test_file__is_read_to_its_end_when_replaced_meanwhile(void **state)
{
    (void)state;
    enum { LARGE_BYTES = 200000 };
    struct px_fs liar = px_fs_posix;
    liar.info = info_of_a_small_file;
    char *content = calloc(1, LARGE_BYTES + 1);
    memset(content, 'x', LARGE_BYTES);
    write_file(ROOT "/a", content);
    struct px_buffer buffer = {0};
    assert_int_equal(px_file_read(&liar, ROOT "/a", LARGE_BYTES, &buffer, NULL), PROXIMADB_OK);
    assert_int_equal(buffer.size_bytes, LARGE_BYTES);
    assert_memory_equal(buffer.data, content, LARGE_BYTES);
    px_buffer_clear(&buffer);
    assert_int_equal(px_file_read(&liar, ROOT "/a", LARGE_BYTES - 1, &buffer, NULL),
                     PROXIMADB_CORRUPT);
    assert_int_equal(buffer.size_bytes, 0);
    px_buffer_release(&buffer);
    free(content);
}

static void test_file__leaves_the_buffer_alone_at_every_failing_call(void **state)
{
    (void)state;
    enum { CALLS = 4 }; /* info, open, the content, the question whether there is more */
    struct proximadb_error error = {0};
    struct px_buffer buffer = {0};
    write_file(ROOT "/a", "content");
    px_buffer_append(&buffer, "before", 6);
    for (uint64_t n = 1; n <= CALLS + 1; n++) {
        px_fault_fs_set(&faults, &(struct px_fault_rule){.fail_at = n});
        int rc = px_file_read(&faults.base, ROOT "/a", 100, &buffer, &error);
        assert_int_equal(rc, n <= CALLS ? PROXIMADB_IO : PROXIMADB_OK);
        assert_int_equal(error.os_errno, EIO);
        assert_int_equal(buffer.size_bytes, n <= CALLS ? 6 : 13);
        assert_null(faults.opened);
    }
    px_buffer_release(&buffer);
}

static void test_file__is_missing_only_for_certain(void **state)
{
    (void)state;
    write_file(ROOT "/a", "");
    assert_true(px_file_exists(&faults.base, ROOT "/a"));
    assert_true(px_file_exists(&faults.base, ROOT));
    assert_false(px_file_exists(&faults.base, ROOT "/none"));
    assert_false(px_file_exists(&faults.base, ROOT "/a/none"));
    px_fault_fs_set(&faults, &(struct px_fault_rule){.fail_at = 1});
    assert_true(px_file_exists(&faults.base, ROOT "/none"));
}

static void test_file__folder_is_made_or_found_and_synced(void **state)
{
    (void)state;
    struct proximadb_error error = {0};
    px_fault_fs_set(&faults, &(struct px_fault_rule){.kinds = PX_FAULT_SYNC_FOLDER});
    assert_int_equal(px_folder_make(&faults.base, ROOT "/b", NULL), PROXIMADB_OK);
    assert_int_equal(px_folder_make(&faults.base, ROOT "/b/", NULL), PROXIMADB_OK);
    assert_int_equal(symlink("b", ROOT "/link"), 0);
    assert_int_equal(px_folder_make(&faults.base, ROOT "/link", NULL), PROXIMADB_OK);
    assert_int_equal(px_fault_fs_calls(&faults), 3);

    write_file(ROOT "/a", "");
    assert_int_equal(px_folder_make(&faults.base, ROOT "/a", &error), PROXIMADB_IO);
    assert_int_equal(error.os_errno, EEXIST);
    assert_int_equal(px_folder_make(&faults.base, ROOT "/none/c", &error), PROXIMADB_IO);
    assert_int_equal(error.os_errno, ENOENT);
    char path[PX_PATH_BYTES + 1];
    memset(path, 'x', sizeof path);
    path[PX_PATH_BYTES] = '\0';
    assert_int_equal(px_folder_make(&faults.base, path, &error), PROXIMADB_INVALID);
}

static void test_file__folder_reports_a_failed_sync_and_a_full_disk(void **state)
{
    (void)state;
    struct proximadb_error error = {0};
    px_fault_fs_set(&faults, &(struct px_fault_rule){.kinds = PX_FAULT_SYNC_FOLDER, .fail_at = 1});
    assert_int_equal(px_folder_make(&faults.base, ROOT "/b", &error), PROXIMADB_IO);
    assert_string_equal(error.message, "cannot sync the folder '" ROOT "': Input/output error");
    px_fault_fs_set(&faults, &(struct px_fault_rule){.fail_at = 1, .error = ENOSPC});
    assert_int_equal(px_folder_make(&faults.base, ROOT "/c", &error), PROXIMADB_RESOURCE_EXHAUSTED);
    assert_string_equal(error.message, "cannot make the folder '" ROOT "/c': the disk is full; "
                                       "free some space, then try again");
}

static void test_file__folder_is_listed_in_order(void **state)
{
    (void)state;
    struct px_names names;
    char expected[32], path[64];
    make_folder(ROOT "/b");
    for (int i = 39; i >= 0; i--) {
        snprintf(path, sizeof path, ROOT "/b/n%02d", i);
        write_file(path, "");
    }
    make_folder(ROOT "/b/n40");
    assert_int_equal(px_folder_list(posix, ROOT "/b", &names, NULL), PROXIMADB_OK);
    assert_int_equal(names.count, 41);
    for (size_t i = 0; i < names.count; i++) {
        snprintf(expected, sizeof expected, "n%02zu", i);
        assert_string_equal(names.items[i].text, expected);
        assert_int_equal(names.items[i].kind, i < 40 ? PX_FS_FILE : PX_FS_FOLDER);
    }
    px_names_release(&names);
    px_names_release(&names);
    assert_int_equal(px_folder_list(posix, ROOT "/none", &names, NULL), PROXIMADB_OK);
    assert_int_equal(names.count, 0);
    assert_int_equal(px_folder_list(posix, ROOT "/b/n00", &names, NULL), PROXIMADB_IO);
    assert_null(names.items);
}

/* A folder whose list breaks off. */
static int list_half(struct px_fs *fs, const char *path, px_fs_visit *visit, void *context)
{
    (void)fs, (void)path;
    assert_true(visit(context, "first", PX_FS_FILE));
    errno = EIO;
    return -1;
}

static void test_file__folder_list_is_whole_or_empty(void **state)
{
    (void)state;
    struct px_fs breaking = px_fs_posix;
    struct proximadb_error error = {0};
    struct px_names names;
    breaking.list = list_half;
    assert_int_equal(px_folder_list(&breaking, ROOT, &names, &error), PROXIMADB_IO);
    assert_int_equal(error.os_errno, EIO);
    assert_int_equal(names.count, 0);
    assert_null(names.items);
}

static void test_file__folder_is_removed_with_its_content_but_not_through_links(void **state)
{
    (void)state;
    make_folder(ROOT "/b");
    make_folder(ROOT "/b/c");
    write_file(ROOT "/b/c/d", "x");
    make_folder(ROOT "/kept");
    write_file(ROOT "/kept/e", "x");
    assert_int_equal(symlink("../kept", ROOT "/b/link"), 0);
    assert_int_equal(symlink("kept", ROOT "/link"), 0);

    assert_int_equal(px_folder_remove(posix, ROOT "/b", NULL), PROXIMADB_OK);
    assert_false(px_file_exists(posix, ROOT "/b"));
    assert_int_equal(px_folder_remove(posix, ROOT "/b", NULL), PROXIMADB_OK);
    assert_int_equal(px_folder_remove(posix, ROOT "/link", NULL), PROXIMADB_OK);
    assert_false(px_file_exists(posix, ROOT "/link"));
    assert_true(px_file_exists(posix, ROOT "/kept/e"));
}

static void test_file__folder_is_not_removed_below_eight_levels(void **state)
{
    (void)state;
    struct proximadb_error error = {0};
    char path[100] = ROOT "/b";
    make_folder(path);
    for (int level = 1; level <= 8; level++) {
        snprintf(path + strlen(path), 3, "/x");
        make_folder(path);
    }
    assert_int_equal(px_folder_remove(posix, ROOT "/b", &error), PROXIMADB_OK);
    snprintf(path, sizeof path, ROOT "/b");
    make_folder(path);
    for (int level = 1; level <= 9; level++) {
        snprintf(path + strlen(path), 3, "/x");
        make_folder(path);
    }
    assert_int_equal(px_folder_remove(posix, ROOT "/b", &error), PROXIMADB_INVALID);
    assert_true(px_file_exists(posix, path));
}

static void test_file__folder_removal_reports_every_failing_call(void **state)
{
    (void)state;
    struct proximadb_error error = {0};
    uint64_t n = 0;
    int rc;
    do {
        make_folder(ROOT "/b");
        make_folder(ROOT "/b/c");
        write_file(ROOT "/b/c/d", "x");
        px_fault_fs_set(&faults, &(struct px_fault_rule){.kinds = PX_FAULT_EVERY, .fail_at = ++n});
        rc = px_folder_remove(&faults.base, ROOT "/b", &error);
        assert_int_equal(rc, px_fault_fs_calls(&faults) >= n ? PROXIMADB_IO : PROXIMADB_OK);
    } while (rc != PROXIMADB_OK);
    assert_int_equal(n, 7); /* info, 2 lists, unlink and 2 removals succeed */
    assert_false(px_file_exists(posix, ROOT "/b"));
}

static void test_file__is_mapped_whole(void **state)
{
    (void)state;
    enum { CALLS = 3 }; /* info, open, map */
    struct proximadb_error error = {0};
    struct px_slice content;
    write_file(ROOT "/a", "content");
    write_file(ROOT "/empty", "");
    assert_int_equal(px_file_map(posix, ROOT "/a", &content, NULL), PROXIMADB_OK);
    assert_true(px_slice_equal(content, px_slice_of_string("content")));
    px_file_unmap(posix, content);
    assert_int_equal(px_file_map(posix, ROOT "/empty", &content, NULL), PROXIMADB_OK);
    assert_int_equal(content.size_bytes, 0);
    px_file_unmap(posix, content);
    assert_int_equal(px_file_map(posix, ROOT, &content, NULL), PROXIMADB_CORRUPT);
    assert_int_equal(px_file_map(posix, ROOT "/none", &content, &error), PROXIMADB_IO);
    assert_int_equal(error.os_errno, ENOENT);
    for (uint64_t n = 1; n <= CALLS; n++) {
        px_fault_fs_set(&faults, &(struct px_fault_rule){.kinds = PX_FAULT_EVERY, .fail_at = n});
        assert_int_equal(px_file_map(&faults.base, ROOT "/a", &content, &error), PROXIMADB_IO);
        assert_int_equal(content.size_bytes, 0);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_file__is_appended_whole),
        TEST(test_file__is_refused_if_too_large_or_missing_or_no_file),
        TEST(test_file__is_read_to_its_end_when_replaced_meanwhile),
        TEST(test_file__leaves_the_buffer_alone_at_every_failing_call),
        TEST(test_file__is_mapped_whole),
        TEST(test_file__is_missing_only_for_certain),
        TEST(test_file__folder_is_made_or_found_and_synced),
        TEST(test_file__folder_reports_a_failed_sync_and_a_full_disk),
        TEST(test_file__folder_is_listed_in_order),
        TEST(test_file__folder_list_is_whole_or_empty),
        TEST(test_file__folder_is_removed_with_its_content_but_not_through_links),
        TEST(test_file__folder_is_not_removed_below_eight_levels),
        TEST(test_file__folder_removal_reports_every_failing_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
