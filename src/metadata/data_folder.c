#include "metadata/data_folder.h"

#include "codec/json.h"
#include "os/file.h"
#include "os/file_replace.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

enum {
    SMALL_FILE_BYTES = 64 << 10,
    MOST_TRASH_NAMES = 1000,
};

static const char *const places[] = {
    [PX_DATA_METADATA] = "metadata/collections",
    [PX_DATA_WAL] = "wal",
    [PX_DATA_STORE] = "store",
    [PX_DATA_TRASH] = "trash",
};

static int path_in(const struct px_data_folder *folder, const char *name, struct px_path *ret_path,
                   struct proximadb_error *reterr)
{
    return px_path_format(ret_path, reterr, "%s/%s", folder->path.text, name);
}

int px_data_folder_path(const struct px_data_folder *folder, enum px_data_place place,
                        const char *name, struct px_path *ret_path, struct proximadb_error *reterr)
{
    if (name == NULL)
        return path_in(folder, places[place], ret_path, reterr);
    return px_path_format(ret_path, reterr, "%s/%s/%s%s", folder->path.text, places[place], name,
                          place == PX_DATA_METADATA ? ".json" : "");
}

/* The error of a folder that is held, with what its holder wrote into the lock file. */
static int fail_held(const struct px_data_folder *folder, const char *path,
                     struct proximadb_error *reterr)
{
    struct px_buffer content = {0};
    char holder[200] = "unknown";
    if (px_file_read(folder->fs, path, SMALL_FILE_BYTES, &content, NULL) == PROXIMADB_OK &&
        content.size_bytes > 0 && content.size_bytes < sizeof holder) {
        memcpy(holder, content.data, content.size_bytes);
        holder[content.size_bytes] = '\0';
        holder[strcspn(holder, "\n")] = '\0';
    }
    px_buffer_release(&content);
    return px_fail(reterr, PROXIMADB_UNAVAILABLE,
                   "the data folder '%s' is in use by another process (%s); stop it first",
                   folder->path.text, holder);
}

static int lock(struct px_data_folder *folder, struct proximadb_error *reterr)
{
    struct px_fs *fs = folder->fs;
    struct px_path path;
    char text[200], now[PX_CLOCK_TEXT_BYTES];
    int rc = path_in(folder, "proximadb.lock", &path, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    int fd = fs->open(fs, path.text, PX_FS_READ_WRITE);
    if (fd < 0)
        return px_fail_file(reterr, "cannot open '%s'", path.text);
    if (fs->lock(fs, fd) < 0) {
        rc = errno == EWOULDBLOCK ? fail_held(folder, path.text, reterr)
                                  : px_fail_file(reterr, "cannot lock '%s'", path.text);
        (void)fs->close(fs, fd);
        return rc;
    }
    folder->lock_fd = fd;
    px_clock_format(folder->clock->wall_ms(folder->clock), now);
    int length = snprintf(text, sizeof text, "pid %ld, since %s\n", (long)getpid(), now);
    struct px_slice piece = px_slice_of(text, (size_t)length);
    /* For people only: a full disk must not keep a database from being opened. */
    if (fs->truncate(fs, fd, 0) < 0 || fs->write_at(fs, fd, &piece, 1, 0) < 0)
        px_log_write(folder->log, PROXIMADB_LOG_WARNING, "cannot write into '%s'", path.text);
    return PROXIMADB_OK;
}

static int write_format(struct px_data_folder *folder, const char *path,
                        struct proximadb_error *reterr)
{
    struct px_buffer buffer = {0};
    char now[PX_CLOCK_TEXT_BYTES];
    px_clock_format(folder->clock->wall_ms(folder->clock), now);
    px_buffer_append_format(&buffer, "{\n  \"format_version\": %d,\n  \"created_at\": \"%s\"\n}\n",
                            PX_DATA_FORMAT_VERSION, now);
    int rc = px_buffer_status(&buffer, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_file_replace(folder->fs, path, px_buffer_slice(&buffer), NULL, reterr);
    px_buffer_release(&buffer);
    return rc;
}

static int read_format(struct px_data_folder *folder, const char *path,
                       struct proximadb_error *reterr)
{
    struct px_buffer content = {0};
    yyjson_doc *doc = NULL;
    uint64_t version = 0;
    int rc = px_file_read(folder->fs, path, SMALL_FILE_BYTES, &content, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_json_parse(px_buffer_slice(&content), &doc, reterr);
    if (rc == PROXIMADB_INVALID ||
        (rc == PROXIMADB_OK &&
         !px_json_get_u64(yyjson_doc_get_root(doc), "format_version", &version)))
        rc = px_fail(reterr, PROXIMADB_CORRUPT,
                     "'%s' is damaged; restore it from a backup, or remove it if the folder was "
                     "written by this version",
                     path);
    else if (rc == PROXIMADB_OK && version > PX_DATA_FORMAT_VERSION)
        rc = px_fail(reterr, PROXIMADB_INVALID,
                     "the data folder has format %llu, this version reads up to %d; upgrade",
                     (unsigned long long)version, PX_DATA_FORMAT_VERSION);
    yyjson_doc_free(doc);
    px_buffer_release(&content);
    return rc;
}

static int check_format(struct px_data_folder *folder, struct proximadb_error *reterr)
{
    struct px_path path;
    int rc = path_in(folder, "proximadb.json", &path, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    return px_file_exists(folder->fs, path.text) ? read_format(folder, path.text, reterr)
                                                 : write_format(folder, path.text, reterr);
}

static int make_places(struct px_data_folder *folder, struct proximadb_error *reterr)
{
    static const char *const names[] = {"metadata", "metadata/collections", "wal", "store",
                                        "trash"};
    int rc = PROXIMADB_OK;
    for (size_t i = 0; i < sizeof names / sizeof names[0] && rc == PROXIMADB_OK; i++) {
        struct px_path path;
        rc = path_in(folder, names[i], &path, reterr);
        if (rc == PROXIMADB_OK)
            rc = px_folder_make(folder->fs, path.text, reterr);
    }
    return rc;
}

/* What collections there are must not change any more by a power cut, once it has been shown: the
 * process that created or dropped the last one may have died before it made sure. */
static int settle_collections(struct px_data_folder *folder, struct proximadb_error *reterr)
{
    struct px_path path;
    int rc = px_data_folder_path(folder, PX_DATA_METADATA, NULL, &path, reterr);
    if (rc == PROXIMADB_OK && folder->fs->sync_folder(folder->fs, path.text) < 0)
        rc = px_fail_file(reterr, "cannot sync the folder '%s'", path.text);
    return rc;
}

static int refuse_backup(const struct px_data_folder *folder, struct proximadb_error *reterr)
{
    static const char *const marks[] = {PX_BACKUP_FILE, PX_BACKUP_UNFINISHED};
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        struct px_path path;
        struct px_fs_info info;
        int rc = path_in(folder, marks[i], &path, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
        if (folder->fs->info(folder->fs, path.text, &info) >= 0)
            return px_fail(reterr, PROXIMADB_INVALID,
                           "'%s' is a backup, which a database would change; restore it into "
                           "another folder with 'proximadb restore'",
                           folder->path.text);
        if (errno != ENOENT && errno != ENOTDIR)
            return px_fail_file(reterr, "cannot look for '%s'", path.text);
    }
    return PROXIMADB_OK;
}

int px_data_folder_open(struct px_data_folder *folder, struct px_fs *fs,
                        const struct px_clock *clock, const struct px_log *log, const char *path,
                        struct proximadb_error *reterr)
{
    struct px_fs_info info;
    *folder = (struct px_data_folder){.fs = fs, .clock = clock, .log = log, .lock_fd = -1};
    pthread_mutex_init(&folder->reserve_lock, NULL);
    int rc = px_path_format(&folder->path, reterr, "%s", path);
    if (rc == PROXIMADB_OK && fs->info(fs, path, &info) >= 0 && info.kind == PX_FS_FILE)
        rc = px_fail(reterr, PROXIMADB_INVALID, "'%s' is a file; name a folder", path);
    if (rc == PROXIMADB_OK)
        rc = refuse_backup(folder, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_folder_make(fs, path, reterr);
    if (rc == PROXIMADB_OK)
        rc = lock(folder, reterr);
    if (rc == PROXIMADB_OK)
        rc = check_format(folder, reterr);
    if (rc == PROXIMADB_OK)
        rc = make_places(folder, reterr);
    if (rc == PROXIMADB_OK)
        rc = settle_collections(folder, reterr);
    if (rc != PROXIMADB_OK)
        px_data_folder_close(folder);
    else
        px_data_folder_restore_reserve(folder);
    return rc;
}

/* ---- looking without touching -------------------------------------------------------------- */

static bool is_data_folder(const struct px_data_folder *folder)
{
    static const char *const signs[] = {"proximadb.json", "metadata/collections"};
    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++) {
        struct px_path path;
        if (path_in(folder, signs[i], &path, NULL) == PROXIMADB_OK &&
            px_file_exists(folder->fs, path.text))
            return true;
    }
    return false;
}

/* Locks without writing down who does. Where there is no lock file nobody has the folder. */
static int lock_quietly(struct px_data_folder *folder, struct proximadb_error *reterr)
{
    struct px_fs *fs = folder->fs;
    struct px_path path;
    int rc = path_in(folder, "proximadb.lock", &path, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    folder->lock_fd = fs->open(fs, path.text, PX_FS_READ);
    if (folder->lock_fd < 0)
        return errno == ENOENT ? PROXIMADB_OK : px_fail_file(reterr, "cannot open '%s'", path.text);
    if (fs->lock(fs, folder->lock_fd) >= 0)
        return PROXIMADB_OK;
    return errno == EWOULDBLOCK ? fail_held(folder, path.text, reterr)
                                : px_fail_file(reterr, "cannot lock '%s'", path.text);
}

int px_data_folder_look(struct px_data_folder *folder, struct px_fs *fs, const char *path,
                        bool hold, struct proximadb_error *reterr)
{
    *folder = (struct px_data_folder){.fs = fs, .clock = &px_clock_system, .lock_fd = -1};
    pthread_mutex_init(&folder->reserve_lock, NULL);
    int rc = px_path_format(&folder->path, reterr, "%s", path);
    if (rc == PROXIMADB_OK && !is_data_folder(folder))
        rc = px_fail(reterr, PROXIMADB_INVALID,
                     "there is no data folder at '%s'; name the folder that the server was given",
                     path);
    if (rc == PROXIMADB_OK && hold)
        rc = lock_quietly(folder, reterr);
    if (rc != PROXIMADB_OK)
        px_data_folder_close(folder);
    return rc;
}

int px_data_folder_read_format(struct px_data_folder *folder, struct proximadb_error *reterr)
{
    struct px_path path;
    int rc = path_in(folder, "proximadb.json", &path, reterr);
    return rc == PROXIMADB_OK ? read_format(folder, path.text, reterr) : rc;
}

void px_data_folder_close(struct px_data_folder *folder)
{
    if (folder->lock_fd >= 0)
        (void)folder->fs->close(folder->fs, folder->lock_fd);
    folder->lock_fd = -1;
    pthread_mutex_destroy(&folder->reserve_lock);
}

int px_data_folder_discard(struct px_data_folder *folder, const char *path,
                           struct proximadb_error *reterr)
{
    int64_t now_ms = folder->clock->wall_ms(folder->clock);
    for (int i = 0; i < MOST_TRASH_NAMES; i++) {
        struct px_path target;
        int rc = px_path_format(&target, reterr, "%s/trash/%s-%lld-%d", folder->path.text,
                                px_path_name(path), (long long)now_ms, i);
        if (rc != PROXIMADB_OK)
            return rc;
        if (px_file_exists(folder->fs, target.text))
            continue;
        if (folder->fs->rename(folder->fs, path, target.text) < 0 && errno != ENOENT)
            return px_fail_file(reterr, "cannot move '%s' to '%s'", path, target.text);
        return PROXIMADB_OK;
    }
    return px_fail(reterr, PROXIMADB_IO, "the trash in '%s' is full; empty it", folder->path.text);
}

bool px_data_folder_release_reserve(struct px_data_folder *folder)
{
    struct px_path path;
    if (path_in(folder, "reserve", &path, NULL) != PROXIMADB_OK)
        return false;
    pthread_mutex_lock(&folder->reserve_lock);
    bool released = folder->fs->unlink(folder->fs, path.text) >= 0;
    if (released)
        atomic_store(&folder->is_reserve_out, true);
    pthread_mutex_unlock(&folder->reserve_lock);
    if (released)
        px_log_write(folder->log, PROXIMADB_LOG_WARNING,
                     "the disk is full: the reserve of 16 MiB is given up so that deletes and "
                     "flushes can go on; free some space");
    return released;
}

void px_data_folder_restore_reserve(struct px_data_folder *folder)
{
    struct px_fs *fs = folder->fs;
    struct px_path path;
    struct px_fs_info info;
    if (path_in(folder, "reserve", &path, NULL) != PROXIMADB_OK)
        return;
    pthread_mutex_lock(&folder->reserve_lock);
    bool whole = fs->info(fs, path.text, &info) >= 0 && info.size_bytes == PX_RESERVE_BYTES;
    if (!whole) {
        int fd = fs->open(fs, path.text, PX_FS_READ_WRITE);
        whole = fd >= 0 && fs->allocate(fs, fd, PX_RESERVE_BYTES) >= 0;
        if (fd >= 0 && !whole)
            (void)fs->unlink(fs, path.text); /* half of a reserve only fills the disk */
        if (fd >= 0)
            (void)fs->close(fs, fd);
    }
    if (whole)
        atomic_store(&folder->is_reserve_out, false);
    pthread_mutex_unlock(&folder->reserve_lock);
}

bool px_data_folder_is_short(struct px_data_folder *folder)
{
    if (!atomic_load_explicit(&folder->is_reserve_out, memory_order_relaxed))
        return false;
    px_data_folder_restore_reserve(folder);
    return atomic_load(&folder->is_reserve_out);
}
