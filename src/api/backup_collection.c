#include "api/backup_internal.h"

#include "metadata/collection_store.h"
#include "os/file.h"
#include "os/file_replace.h"
#include "viper/manifest.h"
#include "wal/wal_chain.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    MOST_ROUNDS = 20,        /* while the collection is changed */
    MOST_DAMAGED_ROUNDS = 3, /* a file that is replaced just then may look so */
    PAUSE_MS = 50,
    LARGEST_JSON_BYTES = 1 << 20,
    LARGEST_MANIFEST_BYTES = 1 << 30,
};

/* A collection on its way into a backup. */
struct copying {
    const struct px_backup_run *run;
    const struct px_data_folder *source;
    const char *name;
    struct px_path store_from, store_to, wal_from, wal_to;

    struct px_collection collection; /* as of the beginning of the round */
    struct px_manifest manifest;
    struct px_buffer manifest_json;
    struct px_buffer collection_json; /* as of its end */

    bool has_id; /* something was placed */
    struct px_uuid id;
    struct px_manifest_files placed; /* the files of that id in the backup */
    uint64_t linked_count;

    struct px_backup_list logs;                                /* the copied log files */
    int64_t last_lsn;                                          /* in them, or flushed_lsn */
    char damage[sizeof((struct proximadb_error *)0)->message]; /* of the log; "": none */
};

static int fail_changed(const struct copying *copying, struct proximadb_error *reterr)
{
    return px_fail(reterr, PROXIMADB_UNAVAILABLE,
                   "the collection '%.64s' is changed faster than it can be copied; try again "
                   "later",
                   copying->name);
}

/* ---- what the collection is ---------------------------------------------------------------- */

/* Reads NAME.json; `json` is emptied before. */
static int read_collection(const struct copying *copying, struct px_buffer *json,
                           struct px_collection *ret_collection, struct proximadb_error *reterr)
{
    struct proximadb_error error;
    struct px_path path;
    int rc = px_data_folder_path(copying->source, PX_DATA_METADATA, copying->name, &path, &error);
    px_buffer_clear(json);
    if (rc == PROXIMADB_OK)
        rc = px_file_read(copying->run->fs, path.text, LARGEST_JSON_BYTES, json, &error);
    if (rc == PROXIMADB_IO && error.os_errno == ENOENT)
        return px_fail(reterr, PROXIMADB_COLLECTION_NOT_FOUND,
                       "there is no collection '%.64s' in '%s'; check the name", copying->name,
                       copying->run->data_dir);
    if (rc == PROXIMADB_OK)
        rc = px_collection_from_json(px_buffer_slice(json), ret_collection, &error);
    if (rc == PROXIMADB_OK && strcmp(ret_collection->name, copying->name) != 0)
        rc = px_fail(&error, PROXIMADB_CORRUPT, "it describes the collection '%s'",
                     ret_collection->name);
    if (rc != PROXIMADB_OK && reterr != NULL) {
        *reterr = error;
        px_error_context(reterr, "'%s' cannot be used", path.text);
    }
    return rc;
}

/* Reads MANIFEST.json into a zeroed *manifest. */
static int read_manifest(const struct copying *copying, struct px_buffer *json,
                         struct px_manifest *manifest, struct proximadb_error *reterr)
{
    struct px_path path;
    px_buffer_clear(json);
    int rc = px_path_format(&path, reterr, "%s/MANIFEST.json", copying->store_from.text);
    if (rc == PROXIMADB_OK)
        rc = px_file_read(copying->run->fs, path.text, LARGEST_MANIFEST_BYTES, json, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    rc = px_manifest_decode(px_buffer_slice(json), manifest, reterr);
    if (rc != PROXIMADB_OK)
        px_error_context(reterr, "'%s' cannot be used", path.text);
    return rc;
}

/* Throws away what was copied, and begins with another id. */
static int begin_id(struct copying *copying, struct proximadb_error *reterr)
{
    struct px_fs *fs = copying->run->fs;
    int rc = px_folder_remove(fs, copying->store_to.text, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_folder_make(fs, copying->store_to.text, reterr);
    copying->placed.count = 0;
    copying->linked_count = 0;
    copying->id = copying->collection.id;
    copying->has_id = true;
    return rc;
}

static int begin_round(struct copying *copying, struct proximadb_error *reterr)
{
    px_manifest_release(&copying->manifest);
    copying->manifest = (struct px_manifest){0};
    int rc = read_collection(copying, &copying->collection_json, &copying->collection, reterr);
    if (rc == PROXIMADB_OK)
        rc = read_manifest(copying, &copying->manifest_json, &copying->manifest, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    if (!px_uuid_equal(copying->manifest.collection_id, copying->collection.id))
        return px_fail(reterr, PROXIMADB_CORRUPT, "'%s/MANIFEST.json' is of another collection",
                       copying->store_from.text);
    bool is_same = copying->has_id && px_uuid_equal(copying->id, copying->collection.id);
    return is_same ? PROXIMADB_OK : begin_id(copying, reterr);
}

/* ---- the store ----------------------------------------------------------------------------- */

static int place_at(const struct copying *copying, const struct px_path *from,
                    const struct px_path *to, struct px_backup_placed *ret_placed,
                    struct proximadb_error *reterr)
{
    const struct px_backup_run *run = copying->run;
    struct proximadb_error error;
    int rc = px_backup__place(run->fs, from->text, to->text, run->copy, ret_placed, &error);
    if (rc == PROXIMADB_IO && error.os_errno == ENOENT) {
        (void)px_fail(&error, PROXIMADB_CORRUPT,
                      "'%s' is missing, although the manifest lists it; put it back, or replace "
                      "the collection by its backup (docs/BACKUP.md)",
                      from->text);
        error.status = PROXIMADB_IO; /* a compaction may have removed it just now */
        error.os_errno = ENOENT;
    }
    if (rc != PROXIMADB_OK && reterr != NULL) {
        *reterr = error;
    }
    return rc;
}

static int check_placed(const struct px_manifest_file *file, const struct px_path *from,
                        const struct px_backup_placed *placed, struct proximadb_error *reterr)
{
    if (placed->size_bytes != file->size_bytes)
        return px_fail(reterr, PROXIMADB_CORRUPT,
                       "'%s' has %" PRIu64 " bytes, the manifest says %" PRIu64, from->text,
                       placed->size_bytes, file->size_bytes);
    if (!placed->is_linked && placed->crc32c != file->crc32c)
        return px_fail(reterr, PROXIMADB_CORRUPT,
                       "the checksum of '%s' is %08" PRIx32 ", the manifest says %08" PRIx32,
                       from->text, placed->crc32c, file->crc32c);
    return PROXIMADB_OK;
}

static int place_file(struct copying *copying, const struct px_manifest_file *file,
                      struct proximadb_error *reterr)
{
    const struct px_backup_run *run = copying->run;
    struct px_backup_placed placed = {0};
    struct px_path from, to;
    if (px_manifest_find(&copying->placed, file->path) != NULL)
        return PROXIMADB_OK;
    int rc = px_path_format(&from, reterr, "%s/%s", copying->store_from.text, file->path);
    if (rc == PROXIMADB_OK)
        rc = px_path_format(&to, reterr, "%s/%s", copying->store_to.text, file->path);
    if (rc == PROXIMADB_OK)
        rc = px_backup__make_parents(run->fs, copying->store_to.text, file->path, reterr);
    if (rc == PROXIMADB_OK)
        rc = place_at(copying, &from, &to, &placed, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    rc = check_placed(file, &from, &placed, reterr);
    if (rc != PROXIMADB_OK) {
        (void)run->fs->unlink(run->fs, to.text);
        return rc;
    }
    copying->linked_count += placed.is_linked;
    return px_manifest_add(&copying->placed, file, reterr);
}

static int place_files(struct copying *copying, const struct px_manifest_files *files,
                       struct proximadb_error *reterr)
{
    int rc = PROXIMADB_OK;
    for (size_t i = 0; i < files->count && rc == PROXIMADB_OK; i++)
        rc = place_file(copying, &files->items[i], reterr);
    return rc;
}

static int place_store(struct copying *copying, struct proximadb_error *reterr)
{
    const struct px_manifest *manifest = &copying->manifest;
    int rc = place_files(copying, &manifest->parts, reterr);
    if (rc == PROXIMADB_OK)
        rc = place_files(copying, &manifest->deletes, reterr);
    if (rc == PROXIMADB_OK && manifest->centroids.path[0] != '\0')
        rc = place_file(copying, &manifest->centroids, reterr);
    return rc;
}

static bool is_listed(const struct px_manifest *manifest, const char *path)
{
    return px_manifest_find(&manifest->parts, path) != NULL ||
           px_manifest_find(&manifest->deletes, path) != NULL ||
           strcmp(manifest->centroids.path, path) == 0;
}

/* Removes the files of earlier rounds that the manifest does not list any more. */
static int prune(struct copying *copying, struct proximadb_error *reterr)
{
    struct px_fs *fs = copying->run->fs;
    for (size_t i = 0; i < copying->placed.count; i++) {
        struct px_path path;
        const char *name = copying->placed.items[i].path;
        if (is_listed(&copying->manifest, name))
            continue;
        int rc = px_path_format(&path, reterr, "%s/%s", copying->store_to.text, name);
        if (rc != PROXIMADB_OK)
            return rc;
        if (fs->unlink(fs, path.text) < 0)
            return px_fail_file(reterr, "cannot remove '%s'", path.text);
        copying->placed.items[i--] = copying->placed.items[--copying->placed.count];
    }
    return PROXIMADB_OK;
}

/* ---- the log ------------------------------------------------------------------------------- */

static void note_damage(void *context, enum px_severity severity, const char *path,
                        const char *what)
{
    struct copying *copying = context;
    if (severity == PX_DAMAGE && copying->damage[0] == '\0')
        snprintf(copying->damage, sizeof copying->damage, "'%s': %s", path, what);
}

/* Whether what was copied is the file that was found first: when one is removed, the next one made
 * within that second gets its name. */
static int check_same(struct copying *copying, const struct px_path *copy,
                      const struct px_wal_chain_file *file, struct proximadb_error *reterr)
{
    struct px_buffer content = {0};
    struct px_wal_header header;
    size_t header_bytes;
    int rc = px_file_read(copying->run->fs, copy->text, SIZE_MAX / 2, &content, reterr);
    if (rc == PROXIMADB_OK &&
        (px_wal_header_decode(px_buffer_slice(&content), &header, &header_bytes, NULL) !=
             PROXIMADB_OK ||
         memcmp(header.sync_marker, file->header.sync_marker, sizeof header.sync_marker) != 0))
        rc = fail_changed(copying, reterr);
    px_buffer_release(&content);
    return rc;
}

/* What looks like damage of the log is none if a newer manifest has what is missing: a flush
 * removed a file between steps 1 and 3. */
static int fail_log(const struct copying *copying, const struct proximadb_error *damage,
                    struct proximadb_error *reterr)
{
    struct px_manifest now = {0};
    struct px_buffer json = {0};
    int rc = read_manifest(copying, &json, &now, reterr);
    bool has_moved = rc == PROXIMADB_OK && (!px_uuid_equal(now.collection_id, copying->id) ||
                                            now.flushed_lsn > copying->manifest.flushed_lsn);
    px_manifest_release(&now);
    px_buffer_release(&json);
    if (rc != PROXIMADB_OK)
        return rc;
    if (has_moved)
        return fail_changed(copying, reterr);
    if (reterr != NULL)
        *reterr = *damage;
    return damage->status;
}

/* Copies the sound blocks of a log file, unless the store has all of them. */
static int copy_log_file(void *context, const struct px_wal_chain_file *file,
                         struct proximadb_error *reterr)
{
    struct copying *copying = context;
    struct px_backup_placed placed;
    struct px_path from, to;
    if (file->next_lsn - 1 > copying->last_lsn)
        copying->last_lsn = file->next_lsn - 1;
    if (file->next_lsn - 1 <= copying->manifest.flushed_lsn || file->entry_count == 0)
        return PROXIMADB_OK;
    int rc = px_path_format(&from, reterr, "%s/%s", copying->wal_from.text, file->name);
    if (rc == PROXIMADB_OK)
        rc = px_path_format(&to, reterr, "%s/%s", copying->wal_to.text, file->name);
    if (rc == PROXIMADB_OK)
        rc = px_backup__copy(copying->run->fs, from.text, to.text, file->log_end, &placed, reterr);
    if (rc == PROXIMADB_OK)
        rc = check_same(copying, &to, file, reterr);
    return rc == PROXIMADB_OK ? px_backup_list__add_file(&copying->logs, file->name,
                                                         placed.size_bytes, placed.crc32c, reterr)
                              : rc;
}

static int copy_log(struct copying *copying, struct proximadb_error *reterr)
{
    const struct px_findings findings = {.report = note_damage, .context = copying};
    const struct px_wal_chain_options options = {.fs = copying->run->fs,
                                                 .folder = copying->wal_from.text,
                                                 .collection_id = copying->id,
                                                 .flushed_lsn = copying->manifest.flushed_lsn,
                                                 .is_live = true,
                                                 .findings = &findings,
                                                 .file = copy_log_file,
                                                 .context = copying};
    struct proximadb_error error;
    copying->damage[0] = '\0';
    copying->last_lsn = copying->manifest.flushed_lsn;
    copying->logs.file_count = 0;
    int rc = px_folder_remove(copying->run->fs, copying->wal_to.text, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_folder_make(copying->run->fs, copying->wal_to.text, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    rc = px_wal_chain_read(&options, &error);
    if (rc == PROXIMADB_OK && copying->damage[0] != '\0')
        rc = px_fail(&error, PROXIMADB_CORRUPT, "%s", copying->damage);
    if (rc == PROXIMADB_CORRUPT)
        return fail_log(copying, &error, reterr);
    if (rc != PROXIMADB_OK && reterr != NULL)
        *reterr = error;
    return rc;
}

/* ---- rounds -------------------------------------------------------------------------------- */

/* Step 4: whether manifest and log belong together. */
static int settle(struct copying *copying, struct proximadb_error *reterr)
{
    struct px_manifest now = {0};
    struct px_buffer json = {0};
    struct px_collection collection;
    int rc = read_manifest(copying, &json, &now, reterr);
    bool fits = rc == PROXIMADB_OK && px_uuid_equal(now.collection_id, copying->id) &&
                now.flushed_lsn <= copying->last_lsn;
    px_manifest_release(&now);
    px_buffer_release(&json);
    if (rc == PROXIMADB_OK && !fits)
        rc = fail_changed(copying, reterr);
    if (rc == PROXIMADB_OK)
        rc = read_collection(copying, &copying->collection_json, &collection, reterr);
    if (rc == PROXIMADB_OK && !px_uuid_equal(collection.id, copying->id))
        rc = fail_changed(copying, reterr);
    return rc;
}

static int try_round(struct copying *copying, struct proximadb_error *reterr)
{
    int rc = begin_round(copying, reterr);
    if (rc == PROXIMADB_OK)
        rc = place_store(copying, reterr);
    if (rc == PROXIMADB_OK)
        rc = copy_log(copying, reterr);
    return rc == PROXIMADB_OK ? settle(copying, reterr) : rc;
}

/* Whether another round may come to another end than the one that ended so. */
static bool may_retry(int rc, const struct proximadb_error *error, int *left, int *damaged_left)
{
    if (rc == PROXIMADB_CORRUPT)
        return --*damaged_left > 0;
    bool is_changed =
        rc == PROXIMADB_UNAVAILABLE || (rc == PROXIMADB_IO && error->os_errno == ENOENT);
    return is_changed && --*left > 0;
}

static int copy_in_rounds(struct copying *copying, struct proximadb_error *reterr)
{
    const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000};
    struct proximadb_error error;
    int left = MOST_ROUNDS, damaged_left = MOST_DAMAGED_ROUNDS;
    int rc = try_round(copying, &error);
    while (rc != PROXIMADB_OK && may_retry(rc, &error, &left, &damaged_left)) {
        (void)nanosleep(&pause, NULL);
        rc = try_round(copying, &error);
    }
    if (rc == PROXIMADB_IO && error.os_errno == ENOENT) {
        error.status = rc = PROXIMADB_CORRUPT; /* missing in round after round */
        error.os_errno = 0;
    }
    if (rc == PROXIMADB_CORRUPT)
        px_error_context(&error, "the collection '%.64s' is damaged", copying->name);
    if (rc != PROXIMADB_OK && reterr != NULL)
        *reterr = error;
    return rc;
}

/* ---- the outcome --------------------------------------------------------------------------- */

static int put_json(struct copying *copying, const struct px_path *path, struct px_buffer *json,
                    struct px_backup_placed *ret_placed, struct proximadb_error *reterr)
{
    struct px_slice content = px_buffer_slice(json);
    int rc = px_file_replace(copying->run->fs, path->text, content, NULL, reterr);
    return rc == PROXIMADB_OK ? px_backup__sum(copying->run->fs, path->text, ret_placed, reterr)
                              : rc;
}

/* Adds the file FOLDER/NAME/FILE. */
static int list_file(struct px_backup_list *list, const char *folder, const char *name,
                     const struct px_backup_file *file, struct proximadb_error *reterr)
{
    struct px_path path;
    int rc = px_path_format(&path, reterr, "%s/%s/%s", folder, name, file->path);
    return rc == PROXIMADB_OK
               ? px_backup_list__add_file(list, path.text, file->size_bytes, file->crc32c, reterr)
               : rc;
}

static int put_manifest(struct copying *copying, struct px_backup_list *list,
                        struct proximadb_error *reterr)
{
    struct px_backup_placed placed;
    struct px_path path;
    int rc = px_path_format(&path, reterr, "%s/MANIFEST.json", copying->store_to.text);
    if (rc == PROXIMADB_OK)
        rc = put_json(copying, &path, &copying->manifest_json, &placed, reterr);
    const struct px_backup_file file = {
        .path = "MANIFEST.json", .size_bytes = placed.size_bytes, .crc32c = placed.crc32c};
    return rc == PROXIMADB_OK ? list_file(list, "store", copying->name, &file, reterr) : rc;
}

static int put_collection(struct copying *copying, struct px_backup_list *list,
                          struct proximadb_error *reterr)
{
    struct px_backup_placed placed;
    struct px_path path, relative;
    int rc = px_path_format(&relative, reterr, "metadata/collections/%s.json", copying->name);
    if (rc == PROXIMADB_OK)
        rc = px_path_format(&path, reterr, "%s/%s", copying->run->backup_dir, relative.text);
    if (rc == PROXIMADB_OK)
        rc = put_json(copying, &path, &copying->collection_json, &placed, reterr);
    return rc == PROXIMADB_OK ? px_backup_list__add_file(list, relative.text, placed.size_bytes,
                                                         placed.crc32c, reterr)
                              : rc;
}

static int list_files(struct copying *copying, struct px_backup_list *list,
                      struct proximadb_error *reterr)
{
    int rc = PROXIMADB_OK;
    for (size_t i = 0; i < copying->placed.count && rc == PROXIMADB_OK; i++) {
        const struct px_manifest_file *from = &copying->placed.items[i];
        struct px_backup_file file = {.size_bytes = from->size_bytes, .crc32c = from->crc32c};
        memcpy(file.path, from->path, sizeof from->path);
        rc = list_file(list, "store", copying->name, &file, reterr);
    }
    for (size_t i = 0; i < copying->logs.file_count && rc == PROXIMADB_OK; i++)
        rc = list_file(list, "wal", copying->name, &copying->logs.files[i], reterr);
    return rc;
}

static void count_up(const struct px_backup_list *list, size_t first, struct px_backup_tally *tally)
{
    tally->file_count = list->file_count - first;
    for (size_t i = first; i < list->file_count; i++)
        tally->size_bytes += list->files[i].size_bytes;
}

static int finish(struct copying *copying, struct px_backup_list *list,
                  struct px_backup_tally *tally, struct proximadb_error *reterr)
{
    struct px_backup_entry entry = {.id = copying->id,
                                    .flushed_lsn = copying->manifest.flushed_lsn,
                                    .last_lsn = copying->last_lsn};
    size_t first = list->file_count;
    memcpy(entry.name, copying->collection.name, sizeof entry.name);
    int rc = prune(copying, reterr);
    if (rc == PROXIMADB_OK)
        rc = put_manifest(copying, list, reterr);
    if (rc == PROXIMADB_OK)
        rc = put_collection(copying, list, reterr);
    if (rc == PROXIMADB_OK)
        rc = list_files(copying, list, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_backup_list__add_entry(list, &entry, reterr);
    *tally = (struct px_backup_tally){.linked_count = copying->linked_count};
    count_up(list, first, tally);
    return rc;
}

/* Leaves nothing of a collection that was dropped meanwhile. */
static void forget(struct copying *copying)
{
    px_backup__discard(copying->run->fs, copying->store_to.text);
    px_backup__discard(copying->run->fs, copying->wal_to.text);
}

static int set_paths(struct copying *copying, struct proximadb_error *reterr)
{
    const char *name = copying->name, *backup_dir = copying->run->backup_dir;
    int rc =
        px_data_folder_path(copying->source, PX_DATA_STORE, name, &copying->store_from, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_data_folder_path(copying->source, PX_DATA_WAL, name, &copying->wal_from, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_path_format(&copying->store_to, reterr, "%s/store/%s", backup_dir, name);
    if (rc == PROXIMADB_OK)
        rc = px_path_format(&copying->wal_to, reterr, "%s/wal/%s", backup_dir, name);
    return rc;
}

int px_backup__collection(const struct px_backup_run *run, const struct px_data_folder *source,
                          const char *name, struct px_backup_list *list,
                          struct px_backup_tally *tally, struct proximadb_error *reterr)
{
    struct copying copying = {.run = run, .source = source, .name = name};
    int rc = set_paths(&copying, reterr);
    if (rc == PROXIMADB_OK)
        rc = copy_in_rounds(&copying, reterr);
    if (rc == PROXIMADB_OK)
        rc = finish(&copying, list, tally, reterr);
    if (rc == PROXIMADB_COLLECTION_NOT_FOUND)
        forget(&copying);
    px_manifest_release(&copying.manifest);
    px_buffer_release(&copying.manifest_json);
    px_buffer_release(&copying.collection_json);
    px_backup_list__release(&copying.logs);
    free(copying.placed.items);
    return rc;
}
