/*
 * file: what the engine does with whole files and folders, in terms of struct px_fs.
 *
 * Threads: any thread, on different paths.
 */
#ifndef PX_OS_FILE_H
#define PX_OS_FILE_H

#include "base/buffer.h"
#include "os/fs.h"

/* px_fail() for a failed px_fs call, by errno: PROXIMADB_RESOURCE_EXHAUSTED when the disk or the
 * quota is full, PROXIMADB_IO otherwise. */
int px_fail_file(struct proximadb_error *reterr, const char *format, ...) PX_PRINTF(2, 3);

/* Appends a whole file to `buffer`, be it replaced or lengthened meanwhile. PROXIMADB_IO (os_errno
 * ENOENT where there is none), PROXIMADB_NO_MEMORY, PROXIMADB_RESOURCE_EXHAUSTED when the buffer's
 * ceiling is reached, PROXIMADB_CORRUPT when the file is larger than limit_bytes or is no file; the
 * buffer's content is then what it was. */
PX_MUST_CHECK int px_file_read(struct px_fs *fs, const char *path, size_t limit_bytes,
                               struct px_buffer *buffer, struct proximadb_error *reterr);

/*
 * Reads the first `size_bytes` of an open file, or all of it, and drops them: a sector that cannot
 * be read is an error here and not a SIGBUS where the file's map is looked at. `path` is for the
 * message. PROXIMADB_IO, PROXIMADB_NO_MEMORY
 */
PX_MUST_CHECK int px_file_probe(struct px_fs *fs, int fd, const char *path, uint64_t size_bytes,
                                struct proximadb_error *reterr);

/* Maps a whole file that changes no more. *ret_content: release with px_file_unmap(); that of an
 * empty file is empty. PROXIMADB_IO (os_errno ENOENT where there is none); PROXIMADB_CORRUPT: it is
 * no file. */
PX_MUST_CHECK int px_file_map(struct px_fs *fs, const char *path, struct px_slice *ret_content,
                              struct proximadb_error *reterr);

/* Accepts an empty one. */
void px_file_unmap(struct px_fs *fs, struct px_slice content);

/* Whether there is anything at `path`. False is certain; true, too, when the system does not say,
 * so that a failing device makes no file look missing. */
bool px_file_exists(struct px_fs *fs, const char *path);

/* Makes a folder and puts its name on the device; one that is there already, or a symbolic link to
 * one, is fine, and its name is synced all the same, since its maker may have died in between. The
 * folder that is to hold it must exist. PROXIMADB_IO, PROXIMADB_RESOURCE_EXHAUSTED, or
 * PROXIMADB_INVALID when the path is too long. */
PX_MUST_CHECK int px_folder_make(struct px_fs *fs, const char *path,
                                 struct proximadb_error *reterr);

/* Removes a folder and what is in it, at most 8 levels deep; a missing one is fine. Symbolic links
 * are removed, not followed, `path` itself among them. The removal is not synced.
 * PROXIMADB_INVALID (deeper than that), PROXIMADB_IO, PROXIMADB_NO_MEMORY: part may be gone. */
PX_MUST_CHECK int px_folder_remove(struct px_fs *fs, const char *path,
                                   struct proximadb_error *reterr);

struct px_name {
    char *text; /* owned */
    enum px_fs_kind kind;
};

/* Names in a folder, sorted bytewise. */
struct px_names {
    struct px_name *items; /* owned */
    size_t count;
};

/* Lists a folder; a missing one gives no names. *ret_names: release with px_names_release(); it is
 * empty on failure, which is PROXIMADB_IO or PROXIMADB_NO_MEMORY. */
PX_MUST_CHECK int px_folder_list(struct px_fs *fs, const char *path, struct px_names *ret_names,
                                 struct proximadb_error *reterr);

/* Accepts a zeroed struct, and leaves one. */
void px_names_release(struct px_names *names);

#endif /* PX_OS_FILE_H */
