#include "os/file_replace.h"

#include "os/file.h"
#include "os/fs.h"
#include "os/path.h"

#include <assert.h>

static int write_and_sync(struct px_fs *fs, const char *path, struct px_slice content,
                          struct proximadb_error *reterr)
{
    int fd = fs->open(fs, path, PX_FS_TRUNCATE);
    if (fd < 0)
        return px_fail_file(reterr, "cannot create '%s'", path);
    int rc = PROXIMADB_OK;
    if (fs->write_at(fs, fd, &content, 1, 0) < 0)
        rc = px_fail_file(reterr, "cannot write '%s'", path);
    else if (fs->sync_data(fs, fd) < 0)
        rc = px_fail_file(reterr, "cannot sync '%s'", path);
    /* Once the bytes are synced, an error of close() cannot lose them. */
    (void)fs->close(fs, fd);
    return rc;
}

int px_file_replace(struct px_fs *fs, const char *path, struct px_slice content, bool *ret_unsure,
                    struct proximadb_error *reterr)
{
    assert(fs != NULL && path != NULL);
    assert(content.data != NULL || content.size_bytes == 0);
    struct px_path tmp, folder;
    if (ret_unsure != NULL)
        *ret_unsure = false;
    int rc = px_path_format(&tmp, reterr, "%s.tmp", path);
    if (rc != PROXIMADB_OK)
        return rc;

    rc = write_and_sync(fs, tmp.text, content, reterr);
    if (rc == PROXIMADB_OK && fs->rename(fs, tmp.text, path) < 0)
        rc = px_fail_file(reterr, "cannot rename '%s' into place", tmp.text);
    if (rc != PROXIMADB_OK) {
        (void)fs->unlink(fs, tmp.text); /* best effort: opening the database sweeps *.tmp, too */
        return rc;
    }

    px_path_parent(path, &folder);
    if (fs->sync_folder(fs, folder.text) < 0) {
        if (ret_unsure != NULL)
            *ret_unsure = true;
        return px_fail_file(reterr, "cannot sync the folder '%s'", folder.text);
    }
    return PROXIMADB_OK;
}
