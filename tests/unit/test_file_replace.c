/*
 * Goal: px_file_replace() is all or nothing when a call fails or the disk is full. Power cuts are
 * the matter of tests/fault/test_file_replace_power.c.
 * Method: count its file-system calls on a run that works, then run it once more for each call,
 * failing that call, and look at what is left.
 */
#include "os/file_replace.h"

#include "os/file.h"
#include "os/path.h"
#include "support/fault_fs.h"
#include "support/px_test.h"

#include <errno.h>

enum { CALLS = 5 }; /* open, write, sync, rename, sync of the folder */

static const char path[] = "scratch/file_replace/a.json";
static struct px_fault_fs faults;

static int set_up(void **state)
{
    (void)state;
    (void)px_test_folder("file_replace");
    px_fault_fs_init(&faults, &px_fs_posix);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    px_fault_fs_release(&faults);
    return 0;
}

static int put(const char *content, bool *ret_unsure, struct proximadb_error *reterr)
{
    return px_file_replace(&faults.base, path, px_slice_of_string(content), ret_unsure, reterr);
}

static void assert_content(const char *expected)
{
    struct px_buffer buffer = {0};
    assert_int_equal(px_file_read(&px_fs_posix, path, 1000, &buffer, NULL), PROXIMADB_OK);
    assert_int_equal(buffer.size_bytes, strlen(expected));
    assert_memory_equal(buffer.data, expected, buffer.size_bytes);
    px_buffer_release(&buffer);
}

static void test_file_replace__makes_and_replaces(void **state)
{
    (void)state;
    bool unsure = true;
    assert_int_equal(put("a long first version", &unsure, NULL), PROXIMADB_OK);
    assert_false(unsure);
    assert_content("a long first version");
    assert_int_equal(put("short", NULL, NULL), PROXIMADB_OK);
    assert_content("short");
    assert_int_equal(put("", NULL, NULL), PROXIMADB_OK);
    assert_content("");
}

static void test_file_replace__keeps_old_or_new_content_at_every_failing_call(void **state)
{
    (void)state;
    assert_int_equal(put("old", NULL, NULL), PROXIMADB_OK);
    assert_int_equal(px_fault_fs_calls(&faults), CALLS);
    for (uint64_t n = 1; n <= CALLS; n++) {
        struct proximadb_error error = {0};
        bool unsure = n != CALLS;
        px_fault_fs_set(&faults, &(struct px_fault_rule){0});
        assert_int_equal(put("old", NULL, NULL), PROXIMADB_OK);
        px_fault_fs_set(&faults, &(struct px_fault_rule){.fail_at = n});
        assert_int_equal(put("new", &unsure, &error), PROXIMADB_IO);
        assert_int_equal(error.os_errno, EIO);
        assert_int_equal(unsure, n == CALLS);
        assert_content(n < CALLS ? "old" : "new");
        assert_false(px_file_exists(&px_fs_posix, "scratch/file_replace/a.json.tmp"));
        assert_null(faults.opened);
    }
}

static void test_file_replace__keeps_old_content_on_a_full_disk(void **state)
{
    (void)state;
    struct proximadb_error error = {0};
    assert_int_equal(put("old", NULL, NULL), PROXIMADB_OK);
    px_fault_fs_set_space(&faults, 4);
    assert_int_equal(put("newer", NULL, &error), PROXIMADB_RESOURCE_EXHAUSTED);
    assert_non_null(strstr(error.message, "the disk is full"));
    assert_content("old");
    assert_false(px_file_exists(&px_fs_posix, "scratch/file_replace/a.json.tmp"));
    assert_int_equal(px_fault_fs_space(&faults), 4);
    px_fault_fs_add_space(&faults, 1);
    assert_int_equal(put("newer", NULL, &error), PROXIMADB_OK);
    assert_content("newer");
}

static void test_file_replace__forgives_a_failing_close(void **state)
{
    (void)state;
    px_fault_fs_set(&faults, &(struct px_fault_rule){.kinds = PX_FAULT_CLOSE, .fail_at = 1});
    assert_int_equal(put("new", NULL, NULL), PROXIMADB_OK);
    assert_content("new");
}

static void test_file_replace__refuses_a_path_without_room_for_its_suffix(void **state)
{
    (void)state;
    char long_path[PX_PATH_BYTES - 3];
    memset(long_path, 'x', sizeof long_path);
    long_path[sizeof long_path - 1] = '\0';
    struct proximadb_error error = {0};
    struct px_slice content = px_slice_of_string("a");
    assert_int_equal(px_file_replace(&faults.base, long_path, content, NULL, &error),
                     PROXIMADB_INVALID);
    assert_string_not_equal(error.message, "");
    assert_int_equal(px_fault_fs_calls(&faults), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_file_replace__makes_and_replaces),
        TEST(test_file_replace__keeps_old_or_new_content_at_every_failing_call),
        TEST(test_file_replace__keeps_old_content_on_a_full_disk),
        TEST(test_file_replace__forgives_a_failing_close),
        TEST(test_file_replace__refuses_a_path_without_room_for_its_suffix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
