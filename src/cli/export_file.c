#include "cli/export_file.h"

#include "os/file.h"

#include <stdio.h>
#include <string.h>

enum { ENOUGH_BYTES = 1 << 20 };

static struct px_fs *const fs = &px_fs_posix;

int px_export_file_open(struct px_export_file *file, const char *path,
                        struct proximadb_error *reterr)
{
    *file = (struct px_export_file){.fd = -1};
    int size = snprintf(file->temporary, sizeof file->temporary, "%s.tmp", path);
    if (size >= (int)sizeof file->temporary)
        return px_fail(reterr, PROXIMADB_INVALID, "the path of the file is too long");
    memcpy(file->path, path, strlen(path) + 1);
    file->fd = fs->open(fs, file->temporary, PX_FS_TRUNCATE);
    if (file->fd < 0)
        return px_fail_file(reterr, "cannot write '%s'", file->temporary);
    return PROXIMADB_OK;
}

static int flush(struct px_export_file *file, struct proximadb_error *reterr)
{
    struct px_slice piece = px_buffer_slice(&file->content);
    int rc = px_buffer_status(&file->content, reterr);
    if (rc != PROXIMADB_OK || piece.size_bytes == 0)
        return rc;
    if (fs->write_at(fs, file->fd, &piece, 1, file->size_bytes) < 0)
        return px_fail_file(reterr, "cannot write '%s'", file->temporary);
    file->size_bytes += piece.size_bytes;
    px_buffer_clear(&file->content);
    return PROXIMADB_OK;
}

int px_export_file_flush_some(struct px_export_file *file, struct proximadb_error *reterr)
{
    return file->content.size_bytes < ENOUGH_BYTES && file->content.status == PROXIMADB_OK
               ? PROXIMADB_OK
               : flush(file, reterr);
}

/* The folder that holds the file. */
static void folder_of(const char *path, char folder[PX_EXPORT_PATH_BYTES])
{
    const char *slash = strrchr(path, '/');
    size_t size = slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
    memcpy(folder, size > 0 ? path : ".", size > 0 ? size : 1);
    folder[size > 0 ? size : 1] = '\0';
}

int px_export_file_finish(struct px_export_file *file, struct px_slice head,
                          struct proximadb_error *reterr)
{
    char folder[PX_EXPORT_PATH_BYTES];
    int rc = flush(file, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    folder_of(file->path, folder);
    if ((head.size_bytes > 0 && fs->write_at(fs, file->fd, &head, 1, 0) < 0) ||
        fs->sync_data(fs, file->fd) < 0)
        return px_fail_file(reterr, "cannot write '%s'", file->temporary);
    if (fs->rename(fs, file->temporary, file->path) < 0)
        return px_fail_file(reterr, "cannot rename '%s' to '%s'", file->temporary, file->path);
    (void)fs->close(fs, file->fd);
    file->fd = -1;
    if (fs->sync_folder(fs, folder) < 0)
        return px_fail_file(reterr, "cannot sync the folder of '%s'", file->path);
    return PROXIMADB_OK;
}

void px_export_file_release(struct px_export_file *file)
{
    if (file->fd >= 0) {
        (void)fs->close(fs, file->fd);
        (void)fs->unlink(fs, file->temporary);
    }
    px_buffer_release(&file->content);
    file->fd = -1;
}
