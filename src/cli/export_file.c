#include "cli/export_file.h"

#include "os/file.h"

#include <errno.h>
#include <unistd.h>

enum { ENOUGH_BYTES = 1 << 20, MOST_NAMES = 100 };

static struct px_fs *const fs = &px_fs_posix;

/* What the path leads to: nothing, or a regular file, whose own path is then taken, so that a link
 * to it stays. What is neither must not be renamed over: as root even a device would be gone. */
static int find_target(const char *path, struct px_path *ret_target, struct proximadb_error *reterr)
{
    struct px_fs_info info;
    if (fs->info(fs, path, &info) < 0)
        return errno == ENOENT ? px_path_format(ret_target, reterr, "%s", path)
                               : px_fail_file(reterr, "cannot write '%s'", path);
    if (px_path_resolve(path, ret_target, reterr) != PROXIMADB_OK ||
        fs->info(fs, ret_target->text, &info) < 0)
        info.kind = PX_FS_OTHER; /* such as a pipe of /proc, or a link to nothing */
    if (info.kind == PX_FS_FILE)
        return PROXIMADB_OK;
    return px_fail(reterr, PROXIMADB_INVALID, "'%s' is %s; name a file to be made or replaced",
                   path, info.kind == PX_FS_FOLDER ? "a folder" : "no regular file");
}

/* Makes a file that was not there. */
static int open_temporary(struct px_export_file *file, struct proximadb_error *reterr)
{
    for (int i = 0; i < MOST_NAMES; i++) {
        int rc = px_path_format(&file->temporary, reterr, "%s.%ld-%d.tmp", file->path.text,
                                (long)getpid(), i);
        if (rc != PROXIMADB_OK)
            return rc;
        file->fd = fs->open(fs, file->temporary.text, PX_FS_CREATE);
        if (file->fd >= 0)
            return PROXIMADB_OK;
        if (errno != EEXIST)
            break;
    }
    return px_fail_file(reterr, "cannot write '%s'", file->temporary.text);
}

int px_export_file_open(struct px_export_file *file, const char *path,
                        struct proximadb_error *reterr)
{
    *file = (struct px_export_file){.fd = -1};
    int rc = find_target(path, &file->path, reterr);
    return rc == PROXIMADB_OK ? open_temporary(file, reterr) : rc;
}

static int flush(struct px_export_file *file, struct proximadb_error *reterr)
{
    struct px_slice piece = px_buffer_slice(&file->content);
    int rc = px_buffer_status(&file->content, reterr);
    if (rc != PROXIMADB_OK || piece.size_bytes == 0)
        return rc;
    if (fs->write_at(fs, file->fd, &piece, 1, file->size_bytes) < 0)
        return px_fail_file(reterr, "cannot write '%s'", file->temporary.text);
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

int px_export_file_finish(struct px_export_file *file, struct px_slice head,
                          struct proximadb_error *reterr)
{
    struct px_path folder;
    int rc = flush(file, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    px_path_parent(file->path.text, &folder);
    if ((head.size_bytes > 0 && fs->write_at(fs, file->fd, &head, 1, 0) < 0) ||
        fs->sync_data(fs, file->fd) < 0)
        return px_fail_file(reterr, "cannot write '%s'", file->temporary.text);
    if (fs->rename(fs, file->temporary.text, file->path.text) < 0)
        return px_fail_file(reterr, "cannot rename '%s' to '%s'", file->temporary.text,
                            file->path.text);
    (void)fs->close(fs, file->fd);
    file->fd = -1;
    if (fs->sync_folder(fs, folder.text) < 0)
        return px_fail_file(reterr, "cannot sync the folder of '%s'", file->path.text);
    return PROXIMADB_OK;
}

void px_export_file_release(struct px_export_file *file)
{
    if (file->fd >= 0) {
        (void)fs->close(fs, file->fd);
        (void)fs->unlink(fs, file->temporary.text);
    }
    px_buffer_release(&file->content);
    file->fd = -1;
}
