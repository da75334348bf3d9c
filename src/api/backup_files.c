#include "api/backup_internal.h"

#include "base/crc32c.h"
#include "os/file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

enum {
    PIECE_BYTES = 1 << 20,
    DEEPEST_FOLDER = 8,
};

/* ---- reading and copying ------------------------------------------------------------------- */

/* A file on its way; to_fd is -1 where it is only read. */
struct stream {
    struct px_fs *fs;
    const char *from, *to; /* for messages */
    int from_fd, to_fd;
    uint64_t limit_bytes;
};

static int pass_piece(const struct stream *stream, uint8_t *piece, struct px_backup_placed *placed,
                      bool *ret_ends, struct proximadb_error *reterr)
{
    struct px_fs *fs = stream->fs;
    uint64_t offset = placed->size_bytes, left = stream->limit_bytes - offset;
    size_t wanted = left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;
    int64_t got = fs->read_at(fs, stream->from_fd, piece, wanted, offset);
    if (got < 0)
        return px_fail_file(reterr, "cannot read '%s' at offset %" PRIu64, stream->from, offset);
    struct px_slice bytes = px_slice_of(piece, (size_t)got);
    if (stream->to_fd >= 0 && got > 0) {
        if (fs->write_at(fs, stream->to_fd, &bytes, 1, offset) < 0)
            return px_fail_file(reterr, "cannot write '%s'", stream->to);
        fs->start_sync(fs, stream->to_fd, offset, bytes.size_bytes);
    }
    placed->crc32c = px_crc32c(placed->crc32c, piece, bytes.size_bytes);
    placed->size_bytes += bytes.size_bytes;
    *ret_ends = bytes.size_bytes < wanted || placed->size_bytes == stream->limit_bytes;
    return PROXIMADB_OK;
}

static int pass(const struct stream *stream, struct px_backup_placed *ret_placed,
                struct proximadb_error *reterr)
{
    struct px_backup_placed placed = {0};
    uint8_t *piece = malloc(PIECE_BYTES);
    bool ends = false;
    int rc = piece != NULL ? PROXIMADB_OK : px_fail_no_memory(reterr);
    while (rc == PROXIMADB_OK && !ends)
        rc = pass_piece(stream, piece, &placed, &ends, reterr);
    free(piece);
    if (rc == PROXIMADB_OK && stream->limit_bytes != UINT64_MAX &&
        placed.size_bytes < stream->limit_bytes)
        rc = px_fail(reterr, PROXIMADB_CORRUPT, "'%s' ends at %" PRIu64 " instead of %" PRIu64,
                     stream->from, placed.size_bytes, stream->limit_bytes);
    if (rc == PROXIMADB_OK)
        *ret_placed = placed;
    return rc;
}

int px_backup__sum(struct px_fs *fs, const char *path, struct px_backup_placed *ret_sum,
                   struct proximadb_error *reterr)
{
    int fd = fs->open(fs, path, PX_FS_READ);
    if (fd < 0)
        return px_fail_file(reterr, "cannot open '%s'", path);
    const struct stream stream = {
        .fs = fs, .from = path, .from_fd = fd, .to_fd = -1, .limit_bytes = UINT64_MAX};
    int rc = pass(&stream, ret_sum, reterr);
    (void)fs->close(fs, fd);
    return rc;
}

static int copy_to(struct stream *stream, struct px_backup_placed *ret_placed,
                   struct proximadb_error *reterr)
{
    struct px_fs *fs = stream->fs;
    stream->to_fd = fs->open(fs, stream->to, PX_FS_CREATE);
    if (stream->to_fd < 0)
        return px_fail_file(reterr, "cannot create '%s'", stream->to);
    int rc = pass(stream, ret_placed, reterr);
    if (rc == PROXIMADB_OK && fs->sync_data(fs, stream->to_fd) < 0)
        rc = px_fail_file(reterr, "cannot sync '%s'", stream->to);
    (void)fs->close(fs, stream->to_fd);
    if (rc != PROXIMADB_OK)
        (void)fs->unlink(fs, stream->to);
    return rc;
}

int px_backup__copy(struct px_fs *fs, const char *from, const char *to, uint64_t limit_bytes,
                    struct px_backup_placed *ret_placed, struct proximadb_error *reterr)
{
    struct stream stream = {.fs = fs, .from = from, .to = to, .limit_bytes = limit_bytes};
    stream.from_fd = fs->open(fs, from, PX_FS_READ);
    if (stream.from_fd < 0)
        return px_fail_file(reterr, "cannot open '%s'", from);
    int rc = copy_to(&stream, ret_placed, reterr);
    (void)fs->close(fs, stream.from_fd);
    return rc;
}

/* What says that this file cannot have a second name there, and may be copied. */
static bool is_refused_link(int error)
{
    return error == EXDEV || error == EPERM || error == EACCES || error == EMLINK ||
           error == ENOTSUP || error == ENOSYS;
}

int px_backup__place(struct px_fs *fs, const char *from, const char *to, bool copy,
                     struct px_backup_placed *ret_placed, struct proximadb_error *reterr)
{
    struct px_fs_info info;
    if (copy)
        return px_backup__copy(fs, from, to, UINT64_MAX, ret_placed, reterr);
    if (fs->link(fs, from, to) < 0) {
        if (is_refused_link(errno))
            return px_backup__copy(fs, from, to, UINT64_MAX, ret_placed, reterr);
        return px_fail_file(reterr, "cannot link '%s' to '%s'", from, to);
    }
    if (fs->info(fs, to, &info) < 0) {
        int rc = px_fail_file(reterr, "cannot read '%s'", to);
        (void)fs->unlink(fs, to);
        return rc;
    }
    *ret_placed = (struct px_backup_placed){.size_bytes = info.size_bytes, .is_linked = true};
    return PROXIMADB_OK;
}

/* ---- folders ------------------------------------------------------------------------------- */

int px_backup__make_parents(struct px_fs *fs, const char *root, const char *path,
                            struct proximadb_error *reterr)
{
    for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        struct px_path folder;
        int rc = px_path_format(&folder, reterr, "%s/%.*s", root, (int)(slash - path), path);
        if (rc != PROXIMADB_OK)
            return rc;
        if (fs->make_folder(fs, folder.text) < 0 && errno != EEXIST)
            return px_fail_file(reterr, "cannot make the folder '%s'", folder.text);
    }
    return PROXIMADB_OK;
}

static int sync_below(struct px_fs *fs, const char *path, int depth, struct proximadb_error *reterr)
{
    struct px_names names;
    if (depth > DEEPEST_FOLDER)
        return px_fail(reterr, PROXIMADB_INVALID, "'%s' is nested too deep to be ours", path);
    int rc = px_folder_list(fs, path, &names, reterr);
    for (size_t i = 0; rc == PROXIMADB_OK && i < names.count; i++) {
        struct px_path child;
        if (names.items[i].kind != PX_FS_FOLDER)
            continue;
        rc = px_path_format(&child, reterr, "%s/%s", path, names.items[i].text);
        if (rc == PROXIMADB_OK)
            rc = sync_below(fs, child.text, depth + 1, reterr);
    }
    px_names_release(&names);
    if (rc == PROXIMADB_OK && fs->sync_folder(fs, path) < 0)
        rc = px_fail_file(reterr, "cannot sync the folder '%s'", path);
    return rc;
}

/* Recursion ends at DEEPEST_FOLDER levels. */
int px_backup__sync_tree(struct px_fs *fs, const char *path, struct proximadb_error *reterr)
{
    return sync_below(fs, path, 0, reterr);
}

int px_backup__clear_folder(struct px_fs *fs, const char *path, struct proximadb_error *reterr)
{
    struct px_names names;
    int rc = px_folder_list(fs, path, &names, reterr);
    for (size_t i = 0; rc == PROXIMADB_OK && i < names.count; i++) {
        struct px_path child;
        rc = px_path_format(&child, reterr, "%s/%s", path, names.items[i].text);
        if (rc == PROXIMADB_OK && names.items[i].kind == PX_FS_FOLDER)
            rc = px_folder_remove(fs, child.text, reterr);
        else if (rc == PROXIMADB_OK && fs->unlink(fs, child.text) < 0 && errno != ENOENT)
            rc = px_fail_file(reterr, "cannot remove '%s'", child.text);
    }
    px_names_release(&names);
    return rc;
}

void px_backup__discard(struct px_fs *fs, const char *path)
{
    int rc = px_folder_remove(fs, path, NULL);
    (void)rc; /* what is left counts for nothing, and the failure before this one is told */
}

static bool is_in(const char *path, const char *folder)
{
    size_t length = strlen(folder);
    while (length > 0 && folder[length - 1] == '/')
        length--;
    return strncmp(path, folder, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

bool px_backup__overlap(const char *a, const char *b)
{
    return is_in(a, b) || is_in(b, a);
}
