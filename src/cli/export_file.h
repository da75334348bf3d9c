/*
 * export_file: a file that appears whole or not at all: written as PATH.PID-N.tmp, synced, then
 * renamed. A symbolic link stays, and the file that it leads to is replaced.
 *
 * Threads: one.
 */
#ifndef PX_CLI_EXPORT_FILE_H
#define PX_CLI_EXPORT_FILE_H

#include "base/buffer.h"
#include "os/path.h"

struct px_export_file {
    struct px_path path;
    struct px_path temporary;
    int fd;                   /* -1: not open */
    uint64_t size_bytes;      /* written */
    struct px_buffer content; /* to be written */
};

/* Makes the temporary file, under a name that nothing had. PROXIMADB_INVALID: at `path` is a
 * folder, a device or the like, and nothing was made. A zeroed struct with fd -1 is released by
 * px_export_file_release(), too. */
PX_MUST_CHECK int px_export_file_open(struct px_export_file *file, const char *path,
                                      struct proximadb_error *reterr);

/* Writes `content` if there is much of it. */
PX_MUST_CHECK int px_export_file_flush_some(struct px_export_file *file,
                                            struct proximadb_error *reterr);

/* Writes the rest, and `head` (may be empty) over the beginning; syncs, renames, syncs the folder.
 * */
PX_MUST_CHECK int px_export_file_finish(struct px_export_file *file, struct px_slice head,
                                        struct proximadb_error *reterr);

/* Removes what is not finished. */
void px_export_file_release(struct px_export_file *file);

#endif /* PX_CLI_EXPORT_FILE_H */
