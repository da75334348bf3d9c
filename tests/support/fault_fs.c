#include "support/fault_fs.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct px_fault_opened {
    struct px_fault_opened *next;
    int fd;
    char path[];
};

static const uint64_t unlimited = UINT64_MAX;

static struct px_fault_fs *self_of(struct px_fs *fs)
{
    return (struct px_fault_fs *)fs;
}

/* ---- the rule ---------------------------------------------------------------------------------- */

static bool matches(const struct px_fault_fs *self, unsigned kind, const char *path)
{
    unsigned kinds = self->rule.kinds != 0 ? self->rule.kinds : PX_FAULT_ALL_BUT_CLEANUP;
    if ((kinds & kind) == 0)
        return false;
    return self->rule.path_part == NULL ||
           (path != NULL && strstr(path, self->rule.path_part) != NULL);
}

/* Counts the call; true, with errno, if it is to fail. The lock is held. */
static bool hit_locked(struct px_fault_fs *self, unsigned kind, const char *path)
{
    if (!matches(self, kind, path))
        return false;
    self->calls++;
    uint64_t first = self->rule.fail_at;
    uint64_t count = self->rule.fail_count != 0 ? self->rule.fail_count : 1;
    if (first == 0 || self->calls < first || self->calls - first >= count)
        return false;
    errno = self->rule.error != 0 ? self->rule.error : EIO;
    return true;
}

/* Gives the lock back; an interruption takes the place of the failure. */
static bool end_hit(struct px_fault_fs *self, bool hits)
{
    const struct px_fault_rule rule = self->rule;
    pthread_mutex_unlock(&self->lock);
    if (!hits || rule.interrupt == NULL)
        return hits;
    rule.interrupt(rule.context);
    return false;
}

static bool hit(struct px_fault_fs *self, unsigned kind, const char *path)
{
    pthread_mutex_lock(&self->lock);
    return end_hit(self, hit_locked(self, kind, path));
}

static struct px_fault_opened **find_opened(struct px_fault_fs *self, int fd)
{
    struct px_fault_opened **link = &self->opened;
    while (*link != NULL && (*link)->fd != fd)
        link = &(*link)->next;
    return link;
}

static bool hit_fd(struct px_fault_fs *self, unsigned kind, int fd)
{
    pthread_mutex_lock(&self->lock);
    const struct px_fault_opened *opened = *find_opened(self, fd);
    return end_hit(self, hit_locked(self, kind, opened != NULL ? opened->path : NULL));
}

static void remember(struct px_fault_fs *self, int fd, const char *path)
{
    size_t path_bytes = strlen(path) + 1;
    struct px_fault_opened *opened = malloc(sizeof *opened + path_bytes);
    assert(opened != NULL);
    opened->fd = fd;
    memcpy(opened->path, path, path_bytes);
    pthread_mutex_lock(&self->lock);
    opened->next = self->opened;
    self->opened = opened;
    pthread_mutex_unlock(&self->lock);
}

static void forget(struct px_fault_fs *self, int fd)
{
    pthread_mutex_lock(&self->lock);
    struct px_fault_opened **link = find_opened(self, fd), *opened = *link;
    if (opened != NULL)
        *link = opened->next;
    pthread_mutex_unlock(&self->lock);
    free(opened);
}

/* ---- the space --------------------------------------------------------------------------------- */

static uint64_t size_of_file(struct px_fault_fs *self, const char *path)
{
    struct px_fs_info info;
    int saved = errno;
    bool is_file = self->below->info(self->below, path, &info) >= 0 && info.kind == PX_FS_FILE;
    errno = saved;
    return is_file ? info.size_bytes : 0;
}

/* How many bytes the file has behind `offset`, up to limit_bytes. They are read to be counted, as a
 * descriptor has no other way to tell. */
static uint64_t bytes_behind(struct px_fault_fs *self, int fd, uint64_t offset,
                             uint64_t limit_bytes)
{
    uint8_t bytes[4096];
    uint64_t count = 0;
    int64_t got = sizeof bytes;
    while (count < limit_bytes && got == (int64_t)sizeof bytes) {
        got = self->below->read_at(self->below, fd, bytes, sizeof bytes, offset + count);
        count += got > 0 ? (uint64_t)got : 0;
    }
    return count < limit_bytes ? count : limit_bytes;
}

static void give_back(struct px_fault_fs *self, uint64_t size_bytes)
{
    pthread_mutex_lock(&self->lock);
    if (self->space_bytes != unlimited)
        self->space_bytes += size_bytes;
    pthread_mutex_unlock(&self->lock);
}

/* Takes as much of needed_bytes as there is. */
static uint64_t take_space(struct px_fault_fs *self, uint64_t needed_bytes)
{
    pthread_mutex_lock(&self->lock);
    uint64_t taken = needed_bytes < self->space_bytes ? needed_bytes : self->space_bytes;
    if (self->space_bytes != unlimited)
        self->space_bytes -= taken;
    pthread_mutex_unlock(&self->lock);
    return taken;
}

/* ---- writing ----------------------------------------------------------------------------------- */

static uint64_t total_of(const struct px_slice *pieces, size_t count)
{
    uint64_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += pieces[i].size_bytes;
    return total;
}

static uint64_t bytes_of_failing_write(struct px_fault_fs *self)
{
    pthread_mutex_lock(&self->lock);
    uint64_t bytes = self->rule.write_first_bytes;
    pthread_mutex_unlock(&self->lock);
    return bytes;
}

/* Writes only the first left_bytes of the pieces, and keeps errno. */
static void write_first(struct px_fault_fs *self, int fd, const struct px_slice *pieces,
                        uint64_t left_bytes, uint64_t offset)
{
    int saved = errno;
    for (; left_bytes > 0; pieces++) {
        struct px_slice piece = *pieces;
        if (piece.size_bytes > left_bytes)
            piece.size_bytes = (size_t)left_bytes;
        if (self->below->write_at(self->below, fd, &piece, 1, offset) < 0)
            break;
        offset += piece.size_bytes;
        left_bytes -= piece.size_bytes;
    }
    errno = saved;
}

static int fault_write_at(struct px_fs *fs, int fd, const struct px_slice *pieces, size_t count,
                          uint64_t offset)
{
    struct px_fault_fs *self = self_of(fs);
    const uint64_t total = total_of(pieces, count);
    if (hit_fd(self, PX_FAULT_WRITE_AT, fd)) {
        uint64_t first = bytes_of_failing_write(self);
        write_first(self, fd, pieces, first < total ? first : total, offset);
        return -1;
    }
    if (px_fault_fs_space(self) == unlimited)
        return self->below->write_at(self->below, fd, pieces, count, offset);
    uint64_t there = bytes_behind(self, fd, offset, total);
    uint64_t taken = take_space(self, total - there);
    if (there + taken == total)
        return self->below->write_at(self->below, fd, pieces, count, offset);
    write_first(self, fd, pieces, there + taken, offset);
    errno = ENOSPC;
    return -1;
}

static int fault_allocate(struct px_fs *fs, int fd, uint64_t size_bytes)
{
    struct px_fault_fs *self = self_of(fs);
    if (hit_fd(self, PX_FAULT_ALLOCATE, fd))
        return -1;
    if (px_fault_fs_space(self) == unlimited)
        return self->below->allocate(self->below, fd, size_bytes);
    uint64_t there = bytes_behind(self, fd, 0, size_bytes);
    uint64_t taken = take_space(self, size_bytes - there);
    if (self->below->allocate(self->below, fd, there + taken) < 0)
        return -1;
    if (there + taken == size_bytes)
        return 0;
    errno = ENOSPC;
    return -1;
}

static int fault_truncate(struct px_fs *fs, int fd, uint64_t size_bytes)
{
    struct px_fault_fs *self = self_of(fs);
    if (hit_fd(self, PX_FAULT_TRUNCATE, fd))
        return -1;
    bool limited = px_fault_fs_space(self) != unlimited;
    uint64_t freed = limited ? bytes_behind(self, fd, size_bytes, UINT64_MAX) : 0;
    int rc = self->below->truncate(self->below, fd, size_bytes);
    if (rc >= 0)
        give_back(self, freed);
    return rc;
}

/* ---- the other calls ---------------------------------------------------------------------------- */

static int fault_open(struct px_fs *fs, const char *path, enum px_fs_mode mode)
{
    struct px_fault_fs *self = self_of(fs);
    if (hit(self, PX_FAULT_OPEN, path))
        return -1;
    uint64_t freed = mode == PX_FS_TRUNCATE ? size_of_file(self, path) : 0;
    int fd = self->below->open(self->below, path, mode);
    if (fd < 0)
        return -1;
    give_back(self, freed);
    remember(self, fd, path);
    return fd;
}

static int fault_close(struct px_fs *fs, int fd)
{
    struct px_fault_fs *self = self_of(fs);
    bool fails = hit_fd(self, PX_FAULT_CLOSE, fd);
    int error = errno;
    forget(self, fd); /* before close: its number may be given to another thread at once */
    int rc = self->below->close(self->below, fd);
    if (!fails)
        return rc;
    errno = error;
    return -1;
}

static int64_t fault_read_at(struct px_fs *fs, int fd, void *data, size_t size_bytes,
                             uint64_t offset)
{
    struct px_fault_fs *self = self_of(fs);
    if (hit_fd(self, PX_FAULT_READ_AT, fd))
        return -1;
    return self->below->read_at(self->below, fd, data, size_bytes, offset);
}

static void fault_start_sync(struct px_fs *fs, int fd, uint64_t offset, uint64_t size_bytes)
{
    struct px_fault_fs *self = (struct px_fault_fs *)fs;
    self->below->start_sync(self->below, fd, offset, size_bytes);
}

static int fault_sync_data(struct px_fs *fs, int fd)
{
    struct px_fault_fs *self = self_of(fs);
    return hit_fd(self, PX_FAULT_SYNC_DATA, fd) ? -1 : self->below->sync_data(self->below, fd);
}

static int fault_sync_folder(struct px_fs *fs, const char *path)
{
    struct px_fault_fs *self = self_of(fs);
    return hit(self, PX_FAULT_SYNC_FOLDER, path) ? -1 : self->below->sync_folder(self->below, path);
}

static int fault_info(struct px_fs *fs, const char *path, struct px_fs_info *ret_info)
{
    struct px_fault_fs *self = self_of(fs);
    return hit(self, PX_FAULT_INFO, path) ? -1 : self->below->info(self->below, path, ret_info);
}

/* A call of two paths, which the rule counts once, if either matches. */
static bool hit_pair(struct px_fault_fs *self, unsigned kind, const char *from, const char *to)
{
    pthread_mutex_lock(&self->lock);
    const char *path = matches(self, kind, from) ? from : to;
    return end_hit(self, hit_locked(self, kind, path));
}

static int fault_link(struct px_fs *fs, const char *from, const char *to)
{
    struct px_fault_fs *self = self_of(fs);
    return hit_pair(self, PX_FAULT_LINK, from, to) ? -1 : self->below->link(self->below, from, to);
}

static int fault_rename(struct px_fs *fs, const char *from, const char *to)
{
    struct px_fault_fs *self = self_of(fs);
    if (hit_pair(self, PX_FAULT_RENAME, from, to))
        return -1;
    uint64_t freed = size_of_file(self, to);
    int rc = self->below->rename(self->below, from, to);
    if (rc >= 0 && strcmp(from, to) != 0)
        give_back(self, freed);
    return rc;
}

static int fault_unlink(struct px_fs *fs, const char *path)
{
    struct px_fault_fs *self = self_of(fs);
    if (hit(self, PX_FAULT_UNLINK, path))
        return -1;
    uint64_t freed = size_of_file(self, path);
    int rc = self->below->unlink(self->below, path);
    if (rc >= 0)
        give_back(self, freed);
    return rc;
}

static int fault_make_folder(struct px_fs *fs, const char *path)
{
    struct px_fault_fs *self = self_of(fs);
    return hit(self, PX_FAULT_MAKE_FOLDER, path) ? -1 : self->below->make_folder(self->below, path);
}

static int fault_remove_folder(struct px_fs *fs, const char *path)
{
    struct px_fault_fs *self = self_of(fs);
    return hit(self, PX_FAULT_REMOVE_FOLDER, path) ? -1
                                                   : self->below->remove_folder(self->below, path);
}

static int fault_list(struct px_fs *fs, const char *path, px_fs_visit *visit, void *context)
{
    struct px_fault_fs *self = self_of(fs);
    return hit(self, PX_FAULT_LIST, path) ? -1
                                          : self->below->list(self->below, path, visit, context);
}

static int fault_map(struct px_fs *fs, int fd, size_t size_bytes, const void **ret_data)
{
    struct px_fault_fs *self = self_of(fs);
    return hit_fd(self, PX_FAULT_MAP, fd) ? -1
                                          : self->below->map(self->below, fd, size_bytes, ret_data);
}

static int fault_unmap(struct px_fs *fs, const void *data, size_t size_bytes)
{
    struct px_fault_fs *self = self_of(fs);
    bool fails = hit(self, PX_FAULT_UNMAP, NULL);
    int error = errno;
    int rc = self->below->unmap(self->below, data, size_bytes);
    if (!fails)
        return rc;
    errno = error;
    return -1;
}

static int fault_lock(struct px_fs *fs, int fd)
{
    struct px_fault_fs *self = self_of(fs);
    return hit_fd(self, PX_FAULT_LOCK, fd) ? -1 : self->below->lock(self->below, fd);
}

/* ---- for tests ---------------------------------------------------------------------------------- */

static const struct px_fs fault_table = {
    .open = fault_open,
    .close = fault_close,
    .read_at = fault_read_at,
    .write_at = fault_write_at,
    .truncate = fault_truncate,
    .allocate = fault_allocate,
    .sync_data = fault_sync_data,
    .start_sync = fault_start_sync,
    .sync_folder = fault_sync_folder,
    .info = fault_info,
    .rename = fault_rename,
    .link = fault_link,
    .unlink = fault_unlink,
    .make_folder = fault_make_folder,
    .remove_folder = fault_remove_folder,
    .list = fault_list,
    .map = fault_map,
    .unmap = fault_unmap,
    .lock = fault_lock,
};

void px_fault_fs_init(struct px_fault_fs *fs, struct px_fs *below)
{
    *fs = (struct px_fault_fs){.base = fault_table, .below = below, .space_bytes = unlimited};
    pthread_mutex_init(&fs->lock, NULL);
}

void px_fault_fs_release(struct px_fault_fs *fs)
{
    while (fs->opened != NULL)
        forget(fs, fs->opened->fd);
    pthread_mutex_destroy(&fs->lock);
}

void px_fault_fs_set(struct px_fault_fs *fs, const struct px_fault_rule *rule)
{
    pthread_mutex_lock(&fs->lock);
    fs->rule = *rule;
    fs->calls = 0;
    pthread_mutex_unlock(&fs->lock);
}

uint64_t px_fault_fs_calls(struct px_fault_fs *fs)
{
    pthread_mutex_lock(&fs->lock);
    uint64_t calls = fs->calls;
    pthread_mutex_unlock(&fs->lock);
    return calls;
}

void px_fault_fs_set_space(struct px_fault_fs *fs, uint64_t space_bytes)
{
    pthread_mutex_lock(&fs->lock);
    fs->space_bytes = space_bytes;
    pthread_mutex_unlock(&fs->lock);
}

void px_fault_fs_add_space(struct px_fault_fs *fs, uint64_t more_bytes)
{
    give_back(fs, more_bytes);
}

uint64_t px_fault_fs_space(struct px_fault_fs *fs)
{
    pthread_mutex_lock(&fs->lock);
    uint64_t space_bytes = fs->space_bytes;
    pthread_mutex_unlock(&fs->lock);
    return space_bytes;
}
