/*
 * powercut_help: whole files in one line, for tests of and over powercut_fs.
 */
#ifndef PX_TEST_POWERCUT_HELP_H
#define PX_TEST_POWERCUT_HELP_H

#include "support/powercut_fs.h"

/* Writes `content` at `offset` of a file that is made if it is missing; the descriptor, or -1. */
static inline int powercut_write(struct px_fs *fs, const char *path, uint64_t offset,
                                 const char *content)
{
    struct px_slice piece = px_slice_of_string(content);
    int fd = fs->open(fs, path, PX_FS_READ_WRITE);
    if (fd >= 0 && fs->write_at(fs, fd, &piece, 1, offset) < 0)
        return -1;
    return fd;
}

/* Makes or empties a file, writes and closes it, and syncs its content, not its name. */
static inline void powercut_put(struct px_fs *fs, const char *path, const char *content)
{
    struct px_slice piece = px_slice_of_string(content);
    int fd = fs->open(fs, path, PX_FS_TRUNCATE);
    assert_true(fd >= 0);
    assert_int_equal(fs->write_at(fs, fd, &piece, 1, 0), 0);
    assert_int_equal(fs->sync_data(fs, fd), 0);
    assert_int_equal(fs->close(fs, fd), 0);
}

static inline bool powercut_exists(struct px_fs *fs, const char *path)
{
    struct px_fs_info info;
    return fs->info(fs, path, &info) >= 0;
}

/* The content of a file up to 64 KiB, with a NUL behind it, or NULL and 0 bytes if there is none. It
 * lasts until the next call. */
static inline const char *powercut_read(struct px_fs *fs, const char *path, size_t *ret_bytes)
{
    static char content[(64 << 10) + 1];
    if (ret_bytes != NULL)
        *ret_bytes = 0;
    int fd = fs->open(fs, path, PX_FS_READ);
    if (fd < 0)
        return NULL;
    int64_t got = fs->read_at(fs, fd, content, sizeof content - 1, 0);
    assert_true(got >= 0);
    content[got] = '\0';
    assert_int_equal(fs->close(fs, fd), 0);
    if (ret_bytes != NULL)
        *ret_bytes = (size_t)got;
    return content;
}

/* Whether the file is there with exactly this content. */
static inline bool powercut_is(struct px_fs *fs, const char *path, const char *content)
{
    size_t got = 0;
    const char *found = powercut_read(fs, path, &got);
    return found != NULL && got == strlen(content) && memcmp(found, content, got) == 0;
}

/* A copy of the disk after a power cut; free with px_powercut_free(). */
static inline struct px_powercut *powercut_after(struct px_powercut *disk,
                                                 enum px_powercut_policy policy, uint64_t seed)
{
    struct px_powercut *copy = px_powercut_copy(disk);
    px_powercut_cut(copy, policy, seed);
    return copy;
}

#endif /* PX_TEST_POWERCUT_HELP_H */
