/* px-test: layers=os */
/*
 * Goal: fault_fs fails the calls that it was told to fail and no others, and a full disk behaves
 * like one.
 * Method: over the real file system; each kind of call once, then rules, then byte budgets.
 */
#include "support/fault_fs.h"

#include "support/px_test.h"

#include <errno.h>

#define ROOT "scratch/fault_fs"

static struct px_fault_fs faults;
static struct px_fs *const fs = &faults.base;

static int set_up(void **state)
{
    (void)state;
    (void)px_test_folder("fault_fs");
    px_fault_fs_init(&faults, &px_fs_posix);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    px_fault_fs_release(&faults);
    return 0;
}

static void set_rule(struct px_fault_rule rule)
{
    px_fault_fs_set(&faults, &rule);
}

static int write_text(int fd, const char *text, uint64_t offset)
{
    struct px_slice piece = px_slice_of_string(text);
    return fs->write_at(fs, fd, &piece, 1, offset);
}

static int make_file(const char *path, const char *content)
{
    int fd = fs->open(fs, path, PX_FS_TRUNCATE);
    assert_true(fd >= 0);
    assert_int_equal(write_text(fd, content, 0), 0);
    return fd;
}

static void assert_content(int fd, const char *expected)
{
    char got[100] = {0};
    assert_int_equal(fs->read_at(fs, fd, got, sizeof got, 0), strlen(expected));
    assert_string_equal(got, expected);
}

static uint64_t size_of(const char *path)
{
    struct px_fs_info info;
    assert_int_equal(px_fs_posix.info(&px_fs_posix, path, &info), 0);
    return info.size_bytes;
}

static bool visit(void *context, const char *name, enum px_fs_kind kind)
{
    (void)context, (void)name, (void)kind;
    return true;
}

/* One call of each kind, in the order of their bits; returns the bits of those that failed. */
static unsigned call_each(void)
{
    struct px_fs_info info;
    const void *data = NULL;
    char byte;
    unsigned failed = 0;
    int fd = px_fs_posix.open(&px_fs_posix, ROOT "/a", PX_FS_READ_WRITE);
    int opened = fs->open(fs, ROOT "/a", PX_FS_READ_WRITE);
    failed |= opened < 0 ? PX_FAULT_OPEN : 0;
    if (opened < 0)
        opened = px_fs_posix.open(&px_fs_posix, ROOT "/a", PX_FS_READ_WRITE);
    failed |= fs->close(fs, opened) < 0 ? PX_FAULT_CLOSE : 0;
    failed |= write_text(fd, "x", 0) < 0 ? PX_FAULT_WRITE_AT : 0;
    failed |= fs->truncate(fs, fd, 3) < 0 ? PX_FAULT_TRUNCATE : 0;
    failed |= fs->allocate(fs, fd, 4) < 0 ? PX_FAULT_ALLOCATE : 0;
    failed |= fs->read_at(fs, fd, &byte, 1, 0) < 0 ? PX_FAULT_READ_AT : 0;
    failed |= fs->sync_data(fs, fd) < 0 ? PX_FAULT_SYNC_DATA : 0;
    failed |= fs->sync_folder(fs, ROOT) < 0 ? PX_FAULT_SYNC_FOLDER : 0;
    failed |= fs->info(fs, ROOT, &info) < 0 ? PX_FAULT_INFO : 0;
    failed |= fs->lock(fs, fd) < 0 ? PX_FAULT_LOCK : 0;
    failed |= fs->map(fs, fd, 1, &data) < 0 ? PX_FAULT_MAP : 0;
    if (data == NULL)
        assert_int_equal(px_fs_posix.map(&px_fs_posix, fd, 1, &data), 0);
    failed |= fs->unmap(fs, data, 1) < 0 ? PX_FAULT_UNMAP : 0;
    failed |= fs->list(fs, ROOT, visit, NULL) < 0 ? PX_FAULT_LIST : 0;
    failed |= fs->link(fs, ROOT "/a", ROOT "/d") < 0 ? PX_FAULT_LINK : 0;
    (void)px_fs_posix.unlink(&px_fs_posix, ROOT "/d");
    failed |= fs->rename(fs, ROOT "/a", ROOT "/b") < 0 ? PX_FAULT_RENAME : 0;
    (void)px_fs_posix.rename(&px_fs_posix, ROOT "/a", ROOT "/b");
    failed |= fs->unlink(fs, ROOT "/b") < 0 ? PX_FAULT_UNLINK : 0;
    failed |= fs->make_folder(fs, ROOT "/c") < 0 ? PX_FAULT_MAKE_FOLDER : 0;
    (void)px_fs_posix.make_folder(&px_fs_posix, ROOT "/c");
    failed |= fs->remove_folder(fs, ROOT "/c") < 0 ? PX_FAULT_REMOVE_FOLDER : 0;
    (void)px_fs_posix.remove_folder(&px_fs_posix, ROOT "/c");
    px_fs_posix.close(&px_fs_posix, fd);
    return failed;
}

static void test_fault_fs__fails_each_kind_of_call(void **state)
{
    (void)state;
    for (unsigned bit = 1; bit < PX_FAULT_EVERY; bit <<= 1) {
        set_rule((struct px_fault_rule){.kinds = bit, .fail_at = 1});
        assert_int_equal(call_each(), bit);
        assert_int_equal(px_fault_fs_calls(&faults), 1);
    }
}

static void count_interruption(void *context)
{
    ++*(int *)context;
    assert_int_equal(fs->make_folder(fs, ROOT "/during"), 0); /* no lock is held */
}

static void test_fault_fs__interrupts_a_call_instead_of_failing_it(void **state)
{
    int count = 0;
    (void)state;
    set_rule((struct px_fault_rule){.kinds = PX_FAULT_SYNC_FOLDER,
                                    .fail_at = 2,
                                    .interrupt = count_interruption,
                                    .context = &count});
    for (int i = 0; i < 3; i++) {
        assert_int_equal(fs->sync_folder(fs, ROOT), 0);
        assert_int_equal(count, i > 0);
    }
    assert_int_equal(fs->remove_folder(fs, ROOT "/during"), 0);
}

static void test_fault_fs__counts_cleanup_only_if_asked(void **state)
{
    (void)state;
    set_rule((struct px_fault_rule){0});
    assert_int_equal(call_each(), 0);
    assert_int_equal(px_fault_fs_calls(&faults), 15);
    set_rule((struct px_fault_rule){.kinds = PX_FAULT_EVERY});
    assert_int_equal(call_each(), 0);
    assert_int_equal(px_fault_fs_calls(&faults), 18);
}

static void test_fault_fs__fails_the_nth_call_and_so_many_after_it(void **state)
{
    (void)state;
    int fd = make_file(ROOT "/a", "");
    set_rule((struct px_fault_rule){
        .kinds = PX_FAULT_WRITE_AT, .fail_at = 2, .fail_count = 2, .error = ENOSPC});
    assert_int_equal(write_text(fd, "1", 0), 0);
    assert_int_equal(write_text(fd, "2", 1), -1);
    assert_int_equal(errno, ENOSPC);
    assert_int_equal(write_text(fd, "3", 1), -1);
    assert_int_equal(write_text(fd, "4", 1), 0);
    set_rule((struct px_fault_rule){.fail_at = 1, .fail_count = PX_FAULT_FOR_EVER});
    for (int i = 0; i < 10; i++)
        assert_int_equal(fs->sync_data(fs, fd), -1);
    assert_int_equal(errno, EIO);
    set_rule((struct px_fault_rule){0});
    assert_content(fd, "14");
    fs->close(fs, fd);
}

static void test_fault_fs__fails_only_on_matching_paths(void **state)
{
    (void)state;
    int wal = make_file(ROOT "/a.wal", ""), json = make_file(ROOT "/a.json", "");
    set_rule(
        (struct px_fault_rule){.path_part = ".wal", .fail_at = 1, .fail_count = PX_FAULT_FOR_EVER});
    assert_int_equal(fs->sync_data(fs, json), 0);
    assert_int_equal(fs->sync_data(fs, wal), -1);
    assert_int_equal(fs->rename(fs, ROOT "/a.json", ROOT "/b.wal"), -1);
    assert_int_equal(fs->rename(fs, ROOT "/a.wal", ROOT "/b"), -1);
    assert_int_equal(fs->rename(fs, ROOT "/a.json", ROOT "/b.json"), 0);
    assert_int_equal(px_fault_fs_calls(&faults), 3);
    fs->close(fs, wal);
    fs->close(fs, json);
}

static void test_fault_fs__leaves_the_beginning_of_a_failing_write(void **state)
{
    (void)state;
    int fd = make_file(ROOT "/a", "........");
    struct px_slice pieces[] = {px_slice_of_string("abc"), px_slice_of_string("def")};
    set_rule((struct px_fault_rule){
        .kinds = PX_FAULT_WRITE_AT, .fail_at = 1, .fail_count = 2, .write_first_bytes = 4});
    assert_int_equal(fs->write_at(fs, fd, pieces, 2, 1), -1);
    assert_int_equal(errno, EIO);
    assert_content(fd, ".abcd...");
    assert_int_equal(write_text(fd, "xy", 6), -1);
    assert_content(fd, ".abcd.xy");
    fs->close(fs, fd);
}

static void test_fault_fs__closes_even_when_closing_fails(void **state)
{
    (void)state;
    int fd = make_file(ROOT "/a", "");
    set_rule((struct px_fault_rule){.kinds = PX_FAULT_CLOSE, .fail_at = 1});
    assert_int_equal(fs->close(fs, fd), -1);
    assert_int_equal(errno, EIO);
    assert_int_equal(px_fs_posix.sync_data(&px_fs_posix, fd), -1);
    assert_int_equal(errno, EBADF);
}

static void test_fault_fs__writes_what_fits_and_then_is_full(void **state)
{
    (void)state;
    int fd = make_file(ROOT "/a", "0123");
    struct px_slice pieces[] = {px_slice_of_string("abc"), px_slice_of_string("def")};
    px_fault_fs_set_space(&faults, 3);
    assert_int_equal(write_text(fd, "wxyz", 0), 0); /* over what is there */
    assert_int_equal(px_fault_fs_space(&faults), 3);
    assert_int_equal(fs->write_at(fs, fd, pieces, 2, 2), -1);
    assert_int_equal(errno, ENOSPC);
    assert_content(fd, "wxabcde");
    assert_int_equal(px_fault_fs_space(&faults), 0);

    px_fault_fs_add_space(&faults, 2);
    assert_int_equal(fs->write_at(fs, fd, pieces, 2, 2), 0);
    assert_content(fd, "wxabcdef");
    px_fault_fs_set_space(&faults, UINT64_MAX);
    assert_int_equal(fs->write_at(fs, fd, pieces, 2, 8), 0);
    assert_int_equal(px_fault_fs_space(&faults), UINT64_MAX);
    fs->close(fs, fd);
}

static void test_fault_fs__allocates_what_fits(void **state)
{
    (void)state;
    int fd = make_file(ROOT "/a", "0123");
    px_fault_fs_set_space(&faults, 10000);
    assert_int_equal(fs->allocate(fs, fd, 9004), 0);
    assert_int_equal(fs->allocate(fs, fd, 20000), -1);
    assert_int_equal(errno, ENOSPC);
    assert_int_equal(size_of(ROOT "/a"), 10004);
    assert_int_equal(fs->allocate(fs, fd, 100), 0);
    assert_int_equal(size_of(ROOT "/a"), 10004);
    fs->close(fs, fd);
}

static void test_fault_fs__gets_space_back(void **state)
{
    (void)state;
    int fd = make_file(ROOT "/a", "0123456789");
    fs->close(fs, make_file(ROOT "/b", "0123456789"));
    fs->close(fs, make_file(ROOT "/c", "0123456789"));
    px_fault_fs_set_space(&faults, 0);
    assert_int_equal(fs->truncate(fs, fd, 6), 0);
    assert_int_equal(px_fault_fs_space(&faults), 4);
    assert_int_equal(fs->unlink(fs, ROOT "/b"), 0);
    assert_int_equal(px_fault_fs_space(&faults), 14);
    assert_int_equal(fs->rename(fs, ROOT "/c", ROOT "/a"), 0);
    assert_int_equal(px_fault_fs_space(&faults), 20);
    fs->close(fs, fd);
    fd = fs->open(fs, ROOT "/a", PX_FS_TRUNCATE);
    assert_int_equal(px_fault_fs_space(&faults), 30);
    fs->close(fs, fd);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_fault_fs__fails_each_kind_of_call),
        TEST(test_fault_fs__interrupts_a_call_instead_of_failing_it),
        TEST(test_fault_fs__counts_cleanup_only_if_asked),
        TEST(test_fault_fs__fails_the_nth_call_and_so_many_after_it),
        TEST(test_fault_fs__fails_only_on_matching_paths),
        TEST(test_fault_fs__leaves_the_beginning_of_a_failing_write),
        TEST(test_fault_fs__closes_even_when_closing_fails),
        TEST(test_fault_fs__writes_what_fits_and_then_is_full),
        TEST(test_fault_fs__allocates_what_fits),
        TEST(test_fault_fs__gets_space_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
