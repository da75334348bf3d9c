/*
 * Goal: px_fs_posix keeps what struct px_fs promises, where a plain system call does not.
 * Method: one test per promise, in a scratch folder. What it has in common with the double that
 * forgets is compared call by call in tests/model/test_powercut_model.c.
 */
#include "os/fs.h"

#include "os/path.h"
#include "support/px_test.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static struct px_fs *const fs = &px_fs_posix;

/* A path in this test's scratch folder, as a string that lasts until the fourth call from now. */
static const char *in(const char *name)
{
    static struct px_path paths[4];
    static unsigned next;
    struct px_path *path = &paths[next++ % 4];
    assert_int_equal(px_path_format(path, NULL, "scratch/fs_posix/%s", name), PROXIMADB_OK);
    return path->text;
}

static int set_up(void **state)
{
    (void)state;
    (void)px_test_folder("fs_posix");
    return 0;
}

static int make_file(const char *name, const char *content)
{
    int fd = fs->open(fs, in(name), PX_FS_TRUNCATE);
    struct px_slice piece = px_slice_of_string(content);
    assert_true(fd >= 0);
    assert_int_equal(fs->write_at(fs, fd, &piece, 1, 0), 0);
    return fd;
}

static void assert_content(int fd, const char *expected)
{
    char got[100] = {0};
    assert_int_equal(fs->read_at(fs, fd, got, sizeof got, 0), strlen(expected));
    assert_string_equal(got, expected);
}

static void test_fs_posix__links_a_file_to_a_free_name(void **state)
{
    (void)state;
    int fd = make_file("a", "one");
    assert_int_equal(fs->link(fs, in("a"), in("b")), 0);
    assert_int_equal(fs->link(fs, in("a"), in("b")), -1);
    assert_int_equal(errno, EEXIST);
    assert_int_equal(fs->link(fs, in("none"), in("c")), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(fs->unlink(fs, in("a")), 0);
    int other = fs->open(fs, in("b"), PX_FS_READ);
    assert_content(other, "one");
    fs->close(fs, other);
    fs->close(fs, fd);
}

static void test_fs_posix__opens_by_mode(void **state)
{
    (void)state;
    assert_int_equal(fs->open(fs, in("a"), PX_FS_READ), -1);
    assert_int_equal(errno, ENOENT);
    int fd = fs->open(fs, in("a"), PX_FS_CREATE);
    struct px_slice piece = px_slice_of_string("abc");
    assert_int_equal(fs->write_at(fs, fd, &piece, 1, 0), 0);
    assert_content(fd, "abc");
    fs->close(fs, fd);
    assert_int_equal(fs->open(fs, in("a"), PX_FS_CREATE), -1);
    assert_int_equal(errno, EEXIST);

    fd = fs->open(fs, in("a"), PX_FS_READ);
    assert_int_equal(fs->write_at(fs, fd, &piece, 1, 0), -1);
    assert_int_equal(errno, EBADF);
    fs->close(fs, fd);
    fd = fs->open(fs, in("a"), PX_FS_READ_WRITE);
    assert_content(fd, "abc");
    fs->close(fs, fd);
    fd = fs->open(fs, in("a"), PX_FS_TRUNCATE);
    assert_content(fd, "");
    fs->close(fs, fd);
}

static void test_fs_posix__follows_no_link_and_passes_no_descriptor_on(void **state)
{
    (void)state;
    int fd = make_file("a", "abc");
    assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    fs->close(fs, fd);
    assert_int_equal(symlink("a", in("link")), 0);
    assert_int_equal(fs->open(fs, in("link"), PX_FS_READ), -1);
    assert_int_equal(errno, ELOOP);
    struct px_fs_info info;
    assert_int_equal(fs->info(fs, in("link"), &info), 0);
    assert_int_equal(info.kind, PX_FS_OTHER);
}

/* More pieces than one system call takes, empty ones among them, at an offset. */
static void test_fs_posix__writes_any_number_of_pieces(void **state)
{
    (void)state;
    enum { PIECE_COUNT = 2000, OFFSET = 5 }; /* the system takes 1,024 (IOV_MAX) */
    static uint8_t expected[PIECE_COUNT * 40], got[sizeof expected];
    struct px_slice pieces[PIECE_COUNT];
    size_t total = 0;
    for (size_t i = 0; i < PIECE_COUNT; i++) {
        size_t size = i % 3 == 0 || i >= 1900 ? 0 : i % 37;
        for (size_t at = total; at < total + size; at++)
            expected[at] = (uint8_t)(at * 7);
        pieces[i] = size == 0 ? (struct px_slice){0} : px_slice_of(expected + total, size);
        total += size;
    }
    int fd = make_file("a", "0123456789");
    assert_int_equal(fs->write_at(fs, fd, pieces, PIECE_COUNT, OFFSET), 0);
    assert_int_equal(fs->read_at(fs, fd, got, sizeof got, OFFSET), total);
    assert_memory_equal(got, expected, total);
    assert_int_equal(fs->read_at(fs, fd, got, OFFSET, 0), OFFSET);
    assert_memory_equal(got, "01234", OFFSET);
    assert_int_equal(fs->write_at(fs, fd, NULL, 0, 0), 0);
    fs->close(fs, fd);
}

static void test_fs_posix__reads_short_only_at_the_end(void **state)
{
    (void)state;
    int fd = make_file("a", "abcdef");
    char got[10];
    assert_int_equal(fs->read_at(fs, fd, got, sizeof got, 4), 2);
    assert_int_equal(fs->read_at(fs, fd, got, sizeof got, 6), 0);
    assert_int_equal(fs->read_at(fs, fd, got, sizeof got, 600), 0);
    fs->close(fs, fd);
    assert_int_equal(fs->read_at(fs, fd, got, sizeof got, 0), -1);
    assert_int_equal(errno, EBADF);
}

static void test_fs_posix__changes_sizes(void **state)
{
    (void)state;
    struct px_fs_info info;
    char got[9];
    int fd = make_file("a", "abcdef");
    assert_int_equal(fs->truncate(fs, fd, 3), 0);
    assert_int_equal(fs->allocate(fs, fd, 9), 0);
    assert_int_equal(fs->allocate(fs, fd, 5), 0);
    assert_int_equal(fs->info(fs, in("a"), &info), 0);
    assert_int_equal(info.kind, PX_FS_FILE);
    assert_int_equal(info.size_bytes, 9);
    assert_int_equal(fs->read_at(fs, fd, got, sizeof got, 0), 9);
    assert_memory_equal(got, "abc\0\0\0\0\0\0", 9);
    assert_int_equal(fs->allocate(fs, fd, UINT64_C(1) << 62), -1);
    assert_true(errno == ENOSPC || errno == EFBIG);
    fs->close(fs, fd);
}

static bool note_name(void *context, const char *name, enum px_fs_kind kind)
{
    char *names = context;
    size_t used = strlen(names);
    snprintf(names + used, 100 - used, "%s%d ", name, (int)kind);
    return strcmp(name, "stop") != 0;
}

static void test_fs_posix__lists_names_with_kinds(void **state)
{
    (void)state;
    char names[100] = "";
    fs->close(fs, make_file("a", ""));
    assert_int_equal(fs->make_folder(fs, in("b")), 0);
    assert_int_equal(symlink("a", in("c")), 0);
    assert_int_equal(fs->list(fs, in("."), note_name, names), 0);
    assert_int_equal(strlen(names), strlen("a0 b1 c2 "));
    assert_non_null(strstr(names, "a0 "));
    assert_non_null(strstr(names, "b1 "));
    assert_non_null(strstr(names, "c2 "));

    names[0] = '\0';
    fs->close(fs, make_file("b/stop", ""));
    assert_int_equal(fs->list(fs, in("b"), note_name, names), -1);
    assert_int_equal(errno, ECANCELED);
    assert_int_equal(fs->list(fs, in("none"), note_name, names), -1);
    assert_int_equal(errno, ENOENT);
}

static void test_fs_posix__syncs_files_and_folders(void **state)
{
    (void)state;
    int fd = make_file("a", "abc");
    assert_int_equal(fs->sync_data(fs, fd), 0);
    fs->close(fs, fd);
    assert_int_equal(fs->sync_data(fs, fd), -1);
    assert_int_equal(errno, EBADF);
    assert_int_equal(fs->sync_folder(fs, in(".")), 0);
    assert_int_equal(fs->sync_folder(fs, in("none")), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(fs->sync_folder(fs, in("a")), -1);
    assert_int_equal(errno, ENOTDIR);
}

static void test_fs_posix__maps_what_is_there(void **state)
{
    (void)state;
    const void *data;
    int fd = make_file("a", "abcdef");
    assert_int_equal(fs->map(fs, fd, 7, &data), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(fs->map(fs, fd, 6, &data), 0);
    fs->close(fs, fd);
    assert_int_equal(fs->unlink(fs, in("a")), 0);
    assert_memory_equal(data, "abcdef", 6);
    assert_int_equal(fs->unmap(fs, data, 6), 0);
    assert_int_equal(fs->map(fs, fd, 6, &data), -1);
    assert_int_equal(errno, EBADF);
}

static void test_fs_posix__locks_against_other_descriptors(void **state)
{
    (void)state;
    int first = make_file("a", ""), second = fs->open(fs, in("a"), PX_FS_READ_WRITE);
    assert_int_equal(fs->lock(fs, first), 0);
    assert_int_equal(fs->lock(fs, first), 0);
    assert_int_equal(fs->lock(fs, second), -1);
    assert_int_equal(errno, EWOULDBLOCK);
    fs->close(fs, first);
    assert_int_equal(fs->lock(fs, second), 0);
    fs->close(fs, second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_fs_posix__links_a_file_to_a_free_name, set_up),
        cmocka_unit_test_setup(test_fs_posix__opens_by_mode, set_up),
        cmocka_unit_test_setup(test_fs_posix__follows_no_link_and_passes_no_descriptor_on, set_up),
        cmocka_unit_test_setup(test_fs_posix__writes_any_number_of_pieces, set_up),
        cmocka_unit_test_setup(test_fs_posix__reads_short_only_at_the_end, set_up),
        cmocka_unit_test_setup(test_fs_posix__changes_sizes, set_up),
        cmocka_unit_test_setup(test_fs_posix__lists_names_with_kinds, set_up),
        cmocka_unit_test_setup(test_fs_posix__syncs_files_and_folders, set_up),
        cmocka_unit_test_setup(test_fs_posix__maps_what_is_there, set_up),
        cmocka_unit_test_setup(test_fs_posix__locks_against_other_descriptors, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
