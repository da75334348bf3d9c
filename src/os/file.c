#include "os/file.h"

#include "os/path.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    DEEPEST_FOLDER = 8,
    MORE_BYTES = 64 * 1024, /* read at a time beyond the size that a file was said to have */
    PROBE_BYTES = 256 * 1024,
};

int px_fail_file(struct proximadb_error *reterr, const char *format, ...)
{
    int saved = errno;
    char text[300];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (saved == ENOSPC || saved == EDQUOT)
        return px_fail(reterr, PROXIMADB_RESOURCE_EXHAUSTED,
                       "%s: the disk is full; free some space, then try again", text);
    errno = saved;
    return px_fail(reterr, PROXIMADB_IO, "%s", text);
}

static int fail_too_large(const char *path, size_t limit_bytes, struct proximadb_error *reterr)
{
    return px_fail(reterr, PROXIMADB_CORRUPT, "'%s' is larger than the %zu bytes it may have", path,
                   limit_bytes);
}

/* Appends what is in the file, which is expected_bytes by what was said of it; the limit holds for
 * what is really there. */
static int append_content(struct px_fs *fs, int fd, const char *path, size_t expected_bytes,
                          size_t limit_bytes, struct px_buffer *buffer,
                          struct proximadb_error *reterr)
{
    const size_t begin = buffer->size_bytes;
    size_t want_bytes = expected_bytes;
    for (;;) {
        void *room = px_buffer_reserve(buffer, want_bytes);
        if (room == NULL)
            return px_buffer_status(buffer, reterr);
        int64_t got = fs->read_at(fs, fd, room, want_bytes, buffer->size_bytes - begin);
        if (got < 0)
            return px_fail_file(reterr, "cannot read '%s'", path);
        buffer->size_bytes += (size_t)got;
        if ((size_t)got < want_bytes)
            return PROXIMADB_OK;

        size_t read_bytes = buffer->size_bytes - begin;
        uint8_t next;
        got = fs->read_at(fs, fd, &next, 1, read_bytes);
        if (got < 0)
            return px_fail_file(reterr, "cannot read '%s'", path);
        if (got == 0)
            return PROXIMADB_OK;
        if (read_bytes >= limit_bytes)
            return fail_too_large(path, limit_bytes, reterr);
        size_t left_bytes = limit_bytes - read_bytes;
        want_bytes = left_bytes < MORE_BYTES ? left_bytes : MORE_BYTES;
    }
}

int px_file_read(struct px_fs *fs, const char *path, size_t limit_bytes, struct px_buffer *buffer,
                 struct proximadb_error *reterr)
{
    /* The kind is asked for first: opening a pipe would wait for its other end. */
    struct px_fs_info info;
    if (fs->info(fs, path, &info) < 0)
        return px_fail_file(reterr, "cannot read '%s'", path);
    if (info.kind != PX_FS_FILE)
        return px_fail(reterr, PROXIMADB_CORRUPT, "'%s' is not a file", path);
    if (info.size_bytes > limit_bytes)
        return fail_too_large(path, limit_bytes, reterr);
    int fd = fs->open(fs, path, PX_FS_READ);
    if (fd < 0)
        return px_fail_file(reterr, "cannot open '%s'", path);
    const size_t begin = buffer->size_bytes;
    int rc = append_content(fs, fd, path, (size_t)info.size_bytes, limit_bytes, buffer, reterr);
    if (rc != PROXIMADB_OK)
        buffer->size_bytes = begin;
    (void)fs->close(fs, fd);
    return rc;
}

int px_file_probe(struct px_fs *fs, int fd, const char *path, uint64_t size_bytes,
                  struct proximadb_error *reterr)
{
    uint8_t *piece = malloc(PROBE_BYTES);
    uint64_t offset = 0;
    int64_t got = 1;
    if (piece == NULL)
        return px_fail_no_memory(reterr);
    while (offset < size_bytes && got > 0) {
        size_t left =
            size_bytes - offset < PROBE_BYTES ? (size_t)(size_bytes - offset) : PROBE_BYTES;
        got = fs->read_at(fs, fd, piece, left, offset);
        offset += got > 0 ? (uint64_t)got : 0;
    }
    int rc =
        got < 0 ? px_fail_file(reterr, "cannot read '%s' at %llu", path, (unsigned long long)offset)
                : PROXIMADB_OK;
    free(piece);
    return rc;
}

int px_file_map(struct px_fs *fs, const char *path, struct px_slice *ret_content,
                struct proximadb_error *reterr)
{
    struct px_fs_info info;
    const void *data = NULL;
    int rc = PROXIMADB_OK;
    if (fs->info(fs, path, &info) < 0)
        return px_fail_file(reterr, "cannot read '%s'", path);
    if (info.kind != PX_FS_FILE)
        return px_fail(reterr, PROXIMADB_CORRUPT, "'%s' is not a file", path);
    int fd = fs->open(fs, path, PX_FS_READ);
    if (fd < 0)
        return px_fail_file(reterr, "cannot open '%s'", path);
    if (info.size_bytes > 0 && fs->map(fs, fd, (size_t)info.size_bytes, &data) < 0)
        rc = px_fail_file(reterr, "cannot map '%s'", path);
    (void)fs->close(fs, fd);
    if (rc == PROXIMADB_OK)
        *ret_content = px_slice_of(data, (size_t)info.size_bytes);
    return rc;
}

void px_file_unmap(struct px_fs *fs, struct px_slice content)
{
    if (content.size_bytes > 0)
        (void)fs->unmap(fs, content.data, content.size_bytes);
}

bool px_file_exists(struct px_fs *fs, const char *path)
{
    struct px_fs_info info;
    return fs->info(fs, path, &info) >= 0 || (errno != ENOENT && errno != ENOTDIR);
}

/* "PATH/." is there in every folder, also in one behind a symbolic link, and in nothing else. */
static bool is_folder(struct px_fs *fs, const char *path)
{
    struct px_path itself;
    struct px_fs_info info;
    return px_path_format(&itself, NULL, "%s/.", path) == PROXIMADB_OK &&
           fs->info(fs, itself.text, &info) >= 0;
}

int px_folder_make(struct px_fs *fs, const char *path, struct proximadb_error *reterr)
{
    struct px_path parent;
    if (strlen(path) >= sizeof parent.text)
        return px_path_format(&parent, reterr, "%s", path);
    if (fs->make_folder(fs, path) < 0) {
        int saved = errno;
        if (saved != EEXIST || !is_folder(fs, path)) {
            errno = saved;
            return px_fail_file(reterr, "cannot make the folder '%s'", path);
        }
    }
    px_path_parent(path, &parent);
    if (fs->sync_folder(fs, parent.text) < 0)
        return px_fail_file(reterr, "cannot sync the folder '%s'", parent.text);
    return PROXIMADB_OK;
}

static int remove_below(struct px_fs *fs, const char *path, int depth,
                        struct proximadb_error *reterr);

static int remove_entry(struct px_fs *fs, const char *path, enum px_fs_kind kind, int depth,
                        struct proximadb_error *reterr)
{
    if (kind == PX_FS_FOLDER)
        return remove_below(fs, path, depth, reterr);
    if (fs->unlink(fs, path) < 0 && errno != ENOENT)
        return px_fail_file(reterr, "cannot remove '%s'", path);
    return PROXIMADB_OK;
}

/* Recursion ends at DEEPEST_FOLDER levels; the engine's own folders have four. */
static int remove_below(struct px_fs *fs, const char *path, int depth,
                        struct proximadb_error *reterr)
{
    if (depth > DEEPEST_FOLDER)
        return px_fail(reterr, PROXIMADB_INVALID, "'%s' is nested too deep to be ours", path);
    struct px_names names;
    int rc = px_folder_list(fs, path, &names, reterr);
    for (size_t i = 0; rc == PROXIMADB_OK && i < names.count; i++) {
        struct px_path child;
        rc = px_path_format(&child, reterr, "%s/%s", path, names.items[i].text);
        if (rc == PROXIMADB_OK)
            rc = remove_entry(fs, child.text, names.items[i].kind, depth + 1, reterr);
    }
    px_names_release(&names);
    if (rc == PROXIMADB_OK && fs->remove_folder(fs, path) < 0 && errno != ENOENT)
        rc = px_fail_file(reterr, "cannot remove the folder '%s'", path);
    return rc;
}

int px_folder_remove(struct px_fs *fs, const char *path, struct proximadb_error *reterr)
{
    struct px_fs_info info;
    if (fs->info(fs, path, &info) < 0)
        return errno == ENOENT ? PROXIMADB_OK
                               : px_fail_file(reterr, "cannot remove the folder '%s'", path);
    return remove_entry(fs, path, info.kind, 0, reterr);
}

struct listing {
    struct px_names names;
    size_t capacity;
    bool no_memory;
};

static bool add_name(void *context, const char *name, enum px_fs_kind kind)
{
    struct listing *listing = context;
    struct px_names *names = &listing->names;
    if (names->count == listing->capacity) {
        size_t capacity = listing->capacity == 0 ? 16 : 2 * listing->capacity;
        struct px_name *items = realloc(names->items, capacity * sizeof *items);
        listing->no_memory = items == NULL;
        if (items == NULL)
            return false;
        names->items = items;
        listing->capacity = capacity;
    }
    char *text = strdup(name);
    listing->no_memory = text == NULL;
    if (text == NULL)
        return false;
    names->items[names->count++] = (struct px_name){.text = text, .kind = kind};
    return true;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct px_name *)a)->text, ((const struct px_name *)b)->text);
}

int px_folder_list(struct px_fs *fs, const char *path, struct px_names *ret_names,
                   struct proximadb_error *reterr)
{
    struct listing listing = {0};
    *ret_names = (struct px_names){0};
    if (fs->list(fs, path, add_name, &listing) < 0 && errno != ENOENT) {
        int rc = listing.no_memory ? px_fail_no_memory(reterr)
                                   : px_fail_file(reterr, "cannot list the folder '%s'", path);
        px_names_release(&listing.names);
        return rc;
    }
    if (listing.names.count > 1)
        qsort(listing.names.items, listing.names.count, sizeof(struct px_name), compare_names);
    *ret_names = listing.names;
    return PROXIMADB_OK;
}

void px_names_release(struct px_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->items[i].text);
    free(names->items);
    *names = (struct px_names){0};
}
