/*
 * fs: every system call on files that the engine makes, behind one table of functions.
 *
 * Tables: px_fs_posix (the real one) and those of tests/support: fault_fs (fails the Nth call) and
 * powercut_fs (a disk in memory that forgets, tears and reorders what was not synced). No other
 * folder calls open(2), write(2), rename(2) or fsync(2); tools/check.py holds that.
 *
 * Each function returns >= 0 on success, or -1 with errno set, like the call it names. Paths are
 * absolute or relative to the working directory. Calls are retried on EINTR here, not by callers.
 *
 * Threads: any thread; calls on one descriptor are as independent as the system's are.
 */
#ifndef PX_OS_FS_H
#define PX_OS_FS_H

#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum px_fs_mode {
    PX_FS_READ,       /* must exist */
    PX_FS_CREATE,     /* read and write; must not exist (EEXIST) */
    PX_FS_TRUNCATE,   /* read and write; made or emptied */
    PX_FS_READ_WRITE, /* made if missing, content kept */
};

enum px_fs_kind { PX_FS_FILE, PX_FS_FOLDER, PX_FS_OTHER };

struct px_fs_info {
    enum px_fs_kind kind;
    uint64_t size_bytes; /* of a file */
};

/* One entry of a folder, without "." and ".."; return false to stop. */
typedef bool px_fs_visit(void *context, const char *name, enum px_fs_kind kind);

struct px_fs {
    int (*open)(struct px_fs *fs, const char *path, enum px_fs_mode mode);
    int (*close)(struct px_fs *fs, int fd);

    /* The number of bytes read: fewer than size_bytes only at the end of the file. */
    int64_t (*read_at)(struct px_fs *fs, int fd, void *data, size_t size_bytes, uint64_t offset);
    /* Writes all pieces, one after the other, from `offset` on. On failure any part of them may
     * have been written. */
    int (*write_at)(struct px_fs *fs, int fd, const struct px_slice *pieces, size_t count,
                    uint64_t offset);
    int (*truncate)(struct px_fs *fs, int fd, uint64_t size_bytes);
    /* Makes the file size_bytes long, with the new bytes zero and their space taken (ENOSPC where
     * there is none; the file may then be of any size in between). A longer file stays as it is. */
    int (*allocate)(struct px_fs *fs, int fd, uint64_t size_bytes);
    int (*sync_data)(struct px_fs *fs, int fd); /* fdatasync: content and size */
    /* Has the system begin to put those bytes on the device; promises nothing. Without it a large
     * file's sync fills the device's queue, and small syncs of others wait behind it. */
    void (*start_sync)(struct px_fs *fs, int fd, uint64_t offset, uint64_t size_bytes);
    int (*sync_folder)(struct px_fs *fs, const char *path); /* names in it, made and removed */
    int (*info)(struct px_fs *fs, const char *path, struct px_fs_info *ret_info);

    int (*rename)(struct px_fs *fs, const char *from, const char *to);
    /* Gives the file `from` a second name on the same file system (EXDEV where that is another one;
     * some refuse with EPERM, EMLINK or ENOTSUP); EEXIST if there is something at `to`. */
    int (*link)(struct px_fs *fs, const char *from, const char *to);
    int (*unlink)(struct px_fs *fs, const char *path);
    int (*make_folder)(struct px_fs *fs, const char *path);   /* EEXIST if there is one */
    int (*remove_folder)(struct px_fs *fs, const char *path); /* empty */
    /* Entries in no order; -1 with ECANCELED if visit stopped it. */
    int (*list)(struct px_fs *fs, const char *path, px_fs_visit *visit, void *context);

    /* A read-only view of the first size_bytes (> 0) of a file that changes no more (a double may
     * copy); it outlives the descriptor. -1 with EINVAL if the file is shorter. */
    int (*map)(struct px_fs *fs, int fd, size_t size_bytes, const void **ret_data);
    int (*unmap)(struct px_fs *fs, const void *data, size_t size_bytes);

    /* An advisory lock against other descriptors, of this process or another, held until this one
     * is closed; -1 with EWOULDBLOCK if another has it. */
    int (*lock)(struct px_fs *fs, int fd);
};

extern struct px_fs px_fs_posix;

#endif /* PX_OS_FS_H */
