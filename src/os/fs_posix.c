#define _GNU_SOURCE
#include "os/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PIECES_PER_CALL = 64 };

static int posix_open(struct px_fs *fs, const char *path, enum px_fs_mode mode)
{
    (void)fs;
    static const int flags[] = {
        [PX_FS_READ] = O_RDONLY,
        [PX_FS_CREATE] = O_RDWR | O_CREAT | O_EXCL,
        [PX_FS_TRUNCATE] = O_RDWR | O_CREAT | O_TRUNC,
        [PX_FS_READ_WRITE] = O_RDWR | O_CREAT,
    };
    int fd;
    do
        fd = open(path, flags[mode] | O_CLOEXEC | O_NOFOLLOW, 0644);
    while (fd < 0 && errno == EINTR);
    return fd;
}

static int posix_close(struct px_fs *fs, int fd)
{
    (void)fs;
    return close(fd); /* not retried: on Linux the descriptor is gone even after EINTR */
}

static int64_t posix_read_at(struct px_fs *fs, int fd, void *data, size_t size_bytes,
                             uint64_t offset)
{
    (void)fs;
    uint8_t *next = data;
    size_t left = size_bytes;
    while (left > 0) {
        ssize_t got = pread(fd, next, left, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        next += got;
        left -= (size_t)got;
        offset += (uint64_t)got;
    }
    return (int64_t)(size_bytes - left);
}

/* Takes the first `written` bytes off the pieces; returns how many pieces are used up. */
static size_t consume(struct iovec *pieces, size_t count, size_t written)
{
    size_t used = 0;
    while (used < count && written >= pieces[used].iov_len)
        written -= pieces[used++].iov_len;
    if (used < count) {
        pieces[used].iov_base = (char *)pieces[used].iov_base + written;
        pieces[used].iov_len -= written;
    }
    return used;
}

static int write_pieces(int fd, struct iovec *pieces, size_t count, uint64_t *offset)
{
    while (count > 0) {
        ssize_t written = pwritev(fd, pieces, (int)count, (off_t)*offset);
        if (written < 0 && errno == EINTR)
            continue;
        if (written == 0)
            errno = EIO; /* no regular file does this, and going on would never end */
        if (written <= 0)
            return -1;
        *offset += (uint64_t)written;
        size_t used = consume(pieces, count, (size_t)written);
        pieces += used;
        count -= used;
    }
    return 0;
}

static int posix_write_at(struct px_fs *fs, int fd, const struct px_slice *pieces, size_t count,
                          uint64_t offset)
{
    (void)fs;
    while (count > 0) {
        struct iovec group[PIECES_PER_CALL];
        size_t in_group = 0;
        for (; count > 0 && in_group < PIECES_PER_CALL; pieces++, count--) {
            if (pieces->size_bytes == 0)
                continue;
            group[in_group].iov_base = (void *)(uintptr_t)pieces->data; /* only read by pwritev */
            group[in_group].iov_len = pieces->size_bytes;
            in_group++;
        }
        if (write_pieces(fd, group, in_group, &offset) < 0)
            return -1;
    }
    return 0;
}

static int posix_truncate(struct px_fs *fs, int fd, uint64_t size_bytes)
{
    (void)fs;
    int rc;
    do
        rc = ftruncate(fd, (off_t)size_bytes);
    while (rc < 0 && errno == EINTR);
    return rc;
}

static int posix_allocate(struct px_fs *fs, int fd, uint64_t size_bytes)
{
    (void)fs;
    struct stat info;
    if (fstat(fd, &info) < 0)
        return -1;
    if ((uint64_t)info.st_size >= size_bytes)
        return 0;
    /* Where the file system cannot, glibc writes a zero into every block instead. */
    int error;
    do
        error = posix_fallocate(fd, info.st_size, (off_t)size_bytes - info.st_size);
    while (error == EINTR);
    errno = error;
    return error == 0 ? 0 : -1;
}

static void posix_start_sync(struct px_fs *fs, int fd, uint64_t offset, uint64_t size_bytes)
{
    (void)fs;
    (void)sync_file_range(fd, (off64_t)offset, (off64_t)size_bytes, SYNC_FILE_RANGE_WRITE);
}

static int posix_sync_data(struct px_fs *fs, int fd)
{
    (void)fs;
    int rc;
    do
        rc = fdatasync(fd);
    while (rc < 0 && errno == EINTR);
    return rc;
}

static int posix_sync_folder(struct px_fs *fs, const char *path)
{
    (void)fs;
    int fd, rc;
    do
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return -1;
    do
        rc = fsync(fd);
    while (rc < 0 && errno == EINTR);
    int saved = errno;
    close(fd);
    errno = saved;
    return rc;
}

static enum px_fs_kind kind_of_mode(mode_t mode)
{
    return S_ISREG(mode) ? PX_FS_FILE : S_ISDIR(mode) ? PX_FS_FOLDER : PX_FS_OTHER;
}

static int posix_info(struct px_fs *fs, const char *path, struct px_fs_info *ret_info)
{
    (void)fs;
    struct stat info;
    if (lstat(path, &info) < 0)
        return -1;
    *ret_info = (struct px_fs_info){.kind = kind_of_mode(info.st_mode),
                                    .size_bytes = (uint64_t)info.st_size};
    return 0;
}

static int posix_rename(struct px_fs *fs, const char *from, const char *to)
{
    (void)fs;
    return rename(from, to);
}

static int posix_link(struct px_fs *fs, const char *from, const char *to)
{
    (void)fs;
    return link(from, to);
}

static int posix_unlink(struct px_fs *fs, const char *path)
{
    (void)fs;
    return unlink(path);
}

static int posix_make_folder(struct px_fs *fs, const char *path)
{
    (void)fs;
    return mkdir(path, 0755);
}

static int posix_remove_folder(struct px_fs *fs, const char *path)
{
    (void)fs;
    return rmdir(path);
}

static enum px_fs_kind kind_of_entry(int folder_fd, const struct dirent *entry)
{
    if (entry->d_type == DT_REG)
        return PX_FS_FILE;
    if (entry->d_type == DT_DIR)
        return PX_FS_FOLDER;
    struct stat info;
    if (entry->d_type == DT_UNKNOWN &&
        fstatat(folder_fd, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0)
        return kind_of_mode(info.st_mode);
    return PX_FS_OTHER;
}

static int posix_list(struct px_fs *fs, const char *path, px_fs_visit *visit, void *context)
{
    (void)fs;
    DIR *folder = opendir(path);
    if (folder == NULL)
        return -1;
    int rc = 0;
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(folder);
        if (entry == NULL) {
            rc = errno == 0 ? 0 : -1;
            break;
        }
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (!visit(context, entry->d_name, kind_of_entry(dirfd(folder), entry))) {
            errno = ECANCELED;
            rc = -1;
            break;
        }
    }
    int saved = errno;
    closedir(folder);
    errno = saved;
    return rc;
}

static int posix_map(struct px_fs *fs, int fd, size_t size_bytes, const void **ret_data)
{
    (void)fs;
    struct stat info;
    if (fstat(fd, &info) < 0)
        return -1;
    if (size_bytes > (uint64_t)info.st_size) {
        errno = EINVAL; /* mmap() would give pages whose touch is a SIGBUS */
        return -1;
    }
    void *data = mmap(NULL, size_bytes, PROT_READ, MAP_SHARED, fd, 0);
    if (data == MAP_FAILED)
        return -1;
    *ret_data = data;
    return 0;
}

static int posix_unmap(struct px_fs *fs, const void *data, size_t size_bytes)
{
    (void)fs;
    return munmap((void *)(uintptr_t)data, size_bytes);
}

static int posix_lock(struct px_fs *fs, int fd)
{
    (void)fs;
    return flock(fd, LOCK_EX | LOCK_NB);
}

struct px_fs px_fs_posix = {
    .open = posix_open,
    .close = posix_close,
    .read_at = posix_read_at,
    .write_at = posix_write_at,
    .truncate = posix_truncate,
    .allocate = posix_allocate,
    .sync_data = posix_sync_data,
    .start_sync = posix_start_sync,
    .sync_folder = posix_sync_folder,
    .info = posix_info,
    .rename = posix_rename,
    .link = posix_link,
    .unlink = posix_unlink,
    .make_folder = posix_make_folder,
    .remove_folder = posix_remove_folder,
    .list = posix_list,
    .map = posix_map,
    .unmap = posix_unmap,
    .lock = posix_lock,
};
