#include "api/backup_internal.h"

#include "os/file.h"
#include "viper/store_check.h"
#include "viper/manifest.h"
#include "wal/wal_chain.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

enum {
    LARGEST_JSON_BYTES = 1 << 20,
    LARGEST_LIST_BYTES = 1 << 30,
};

/* ---- the backup ---------------------------------------------------------------------------- */

static int fail_no_backup(const struct px_backup_run *run, struct proximadb_error *reterr)
{
    struct px_path path;
    int rc = px_path_format(&path, reterr, "%s/" PX_BACKUP_UNFINISHED, run->backup_dir);
    if (rc != PROXIMADB_OK)
        return rc;
    if (px_file_exists(run->fs, path.text))
        return px_fail(reterr, PROXIMADB_CORRUPT,
                       "the backup in '%s' is not finished: it was interrupted, or is still being "
                       "made; '%s' says so",
                       run->backup_dir, path.text);
    return px_fail(reterr, PROXIMADB_INVALID,
                   "there is no backup in '%s': it has no " PX_BACKUP_FILE, run->backup_dir);
}

int px_restore__read_list(const struct px_backup_run *run, struct px_backup_list *list,
                          struct proximadb_error *reterr)
{
    struct px_buffer json = {0};
    struct proximadb_error error;
    struct px_path path;
    int rc = px_path_format(&path, reterr, "%s/" PX_BACKUP_FILE, run->backup_dir);
    if (rc != PROXIMADB_OK)
        return rc;
    rc = px_file_read(run->fs, path.text, LARGEST_LIST_BYTES, &json, &error);
    if (rc == PROXIMADB_IO && error.os_errno == ENOENT)
        return fail_no_backup(run, reterr);
    if (rc == PROXIMADB_OK) {
        rc = px_backup_list__decode(px_buffer_slice(&json), list, &error);
        if (rc != PROXIMADB_OK)
            px_error_context(&error, "'%s' cannot be used", path.text);
    }
    px_buffer_release(&json);
    if (rc != PROXIMADB_OK && reterr != NULL)
        *reterr = error;
    return rc;
}

int px_restore__check_format(const struct px_backup_run *run, struct proximadb_error *reterr)
{
    struct px_data_folder source;
    struct proximadb_error error;
    int rc = px_data_folder_look(&source, run->fs, run->backup_dir, false, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    rc = px_data_folder_read_format(&source, &error);
    px_data_folder_close(&source);
    if (rc == PROXIMADB_IO && error.os_errno == ENOENT)
        return px_fail(reterr, PROXIMADB_CORRUPT,
                       "the backup is damaged: '%s/proximadb.json' is missing", run->backup_dir);
    if (rc != PROXIMADB_OK && reterr != NULL)
        *reterr = error;
    return rc;
}

/* ---- files --------------------------------------------------------------------------------- */

/* A collection of a backup while it is read. */
struct verifying {
    const struct px_backup_run *run;
    const struct px_backup_list *list;
    const struct px_backup_entry *entry;
    struct px_collection collection;
    struct px_manifest manifest;
    int64_t last_lsn;
    char damage[sizeof((struct proximadb_error *)0)->message]; /* the first; "": none */
};

static void note_damage(void *context, enum px_severity severity, const char *path,
                        const char *what)
{
    struct verifying *verifying = context;
    if (severity == PX_DAMAGE && verifying->damage[0] == '\0')
        snprintf(verifying->damage, sizeof verifying->damage, "'%s': %s", path, what);
}

static int path_of(const struct verifying *verifying, const char *path, struct px_path *ret_path,
                   struct proximadb_error *reterr)
{
    return px_path_format(ret_path, reterr, "%s/%s", verifying->run->backup_dir, path);
}

/* Holds a file against its size and checksum. */
static int check_file(const struct verifying *verifying, const struct px_backup_file *file,
                      struct proximadb_error *reterr)
{
    struct px_backup_placed sum;
    struct proximadb_error error;
    struct px_path path;
    int rc = path_of(verifying, file->path, &path, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    rc = px_backup__sum(verifying->run->fs, path.text, &sum, &error);
    if (rc == PROXIMADB_IO && error.os_errno == ENOENT)
        return px_fail(reterr, PROXIMADB_CORRUPT,
                       "the backup is damaged: '%s' is missing; " PX_BACKUP_FILE " lists it",
                       path.text);
    if (rc != PROXIMADB_OK && reterr != NULL)
        *reterr = error;
    if (rc == PROXIMADB_OK && (sum.size_bytes != file->size_bytes || sum.crc32c != file->crc32c))
        rc = px_fail(reterr, PROXIMADB_CORRUPT,
                     "the backup is damaged: '%s' has %" PRIu64 " bytes with checksum %08" PRIx32
                     ", " PX_BACKUP_FILE " says %" PRIu64 " and %08" PRIx32,
                     path.text, sum.size_bytes, sum.crc32c, file->size_bytes, file->crc32c);
    return rc;
}

/* The file that must be listed, checked and read. */
static int read_file(const struct verifying *verifying, const char *path, size_t limit_bytes,
                     struct px_buffer *content, struct proximadb_error *reterr)
{
    const struct px_backup_file *file = px_backup_list__find_file(verifying->list, path);
    struct px_path full;
    if (file == NULL)
        return px_fail(reterr, PROXIMADB_CORRUPT,
                       "the backup is damaged: " PX_BACKUP_FILE " does not list '%s'", path);
    int rc = check_file(verifying, file, reterr);
    if (rc == PROXIMADB_OK)
        rc = path_of(verifying, path, &full, reterr);
    return rc == PROXIMADB_OK
               ? px_file_read(verifying->run->fs, full.text, limit_bytes, content, reterr)
               : rc;
}

/* Says of which file an error is. */
static int blame(const struct verifying *verifying, const char *path, int rc,
                 struct proximadb_error *reterr)
{
    if (rc != PROXIMADB_OK)
        px_error_context(reterr, "the backup cannot be used: '%s/%s'", verifying->run->backup_dir,
                         path);
    return rc;
}

static int check_collection(struct verifying *verifying, struct proximadb_error *reterr)
{
    const struct px_backup_entry *entry = verifying->entry;
    struct px_buffer json = {0};
    struct px_path path;
    int rc = px_path_format(&path, reterr, "metadata/collections/%s.json", entry->name);
    if (rc == PROXIMADB_OK)
        rc = read_file(verifying, path.text, LARGEST_JSON_BYTES, &json, reterr);
    if (rc == PROXIMADB_OK) {
        rc = px_collection_from_json(px_buffer_slice(&json), &verifying->collection, reterr);
        if (rc == PROXIMADB_OK && (!px_uuid_equal(verifying->collection.id, entry->id) ||
                                   strcmp(verifying->collection.name, entry->name) != 0))
            rc = px_fail(reterr, PROXIMADB_CORRUPT, "it is of another collection");
        rc = blame(verifying, path.text, rc, reterr);
    }
    px_buffer_release(&json);
    return rc;
}

static int check_manifest(struct verifying *verifying, struct proximadb_error *reterr)
{
    const struct px_backup_entry *entry = verifying->entry;
    struct px_buffer json = {0};
    struct px_path path;
    int rc = px_path_format(&path, reterr, "store/%s/MANIFEST.json", entry->name);
    if (rc == PROXIMADB_OK)
        rc = read_file(verifying, path.text, (size_t)1 << 30, &json, reterr);
    if (rc == PROXIMADB_OK) {
        rc = px_manifest_decode(px_buffer_slice(&json), &verifying->manifest, reterr);
        if (rc == PROXIMADB_OK && (!px_uuid_equal(verifying->manifest.collection_id, entry->id) ||
                                   verifying->manifest.flushed_lsn != entry->flushed_lsn))
            rc = px_fail(reterr, PROXIMADB_CORRUPT,
                         "it is of another collection or of another moment");
        rc = blame(verifying, path.text, rc, reterr);
    }
    px_buffer_release(&json);
    return rc;
}

/* ---- the store ----------------------------------------------------------------------------- */

static int check_listed(const struct verifying *verifying, const struct px_manifest_file *file,
                        struct proximadb_error *reterr)
{
    struct px_path path;
    int rc = px_path_format(&path, reterr, "store/%s/%s", verifying->entry->name, file->path);
    if (rc != PROXIMADB_OK)
        return rc;
    const struct px_backup_file *listed = px_backup_list__find_file(verifying->list, path.text);
    if (listed == NULL || listed->size_bytes != file->size_bytes || listed->crc32c != file->crc32c)
        return px_fail(reterr, PROXIMADB_CORRUPT,
                       "the backup is damaged: " PX_BACKUP_FILE
                       " and the manifest do not say the same of '%s'",
                       path.text);
    return PROXIMADB_OK;
}

/* That the list has no file of the store that the manifest does not have. */
static int check_unlisted(const struct verifying *verifying, struct proximadb_error *reterr)
{
    const struct px_backup_list *list = verifying->list;
    const struct px_manifest *manifest = &verifying->manifest;
    size_t prefix_length = strlen("store/") + strlen(verifying->entry->name) + 1;
    for (size_t i = 0; i < list->file_count; i++) {
        const char *path = list->files[i].path;
        if (path[0] != 's' || !px_backup_list__is_of(path, verifying->entry->name))
            continue;
        const char *file = path + prefix_length;
        if (strcmp(file, "MANIFEST.json") != 0 && strcmp(file, manifest->centroids.path) != 0 &&
            px_manifest_find(&manifest->parts, file) == NULL &&
            px_manifest_find(&manifest->deletes, file) == NULL)
            return px_fail(reterr, PROXIMADB_CORRUPT,
                           "the backup is damaged: " PX_BACKUP_FILE
                           " lists '%s', which the manifest does not",
                           path);
    }
    return PROXIMADB_OK;
}

/* That both lists agree on the files of the store. */
static int check_lists(const struct verifying *verifying, struct proximadb_error *reterr)
{
    const struct px_manifest *manifest = &verifying->manifest;
    int rc = PROXIMADB_OK;
    for (size_t i = 0; i < manifest->parts.count && rc == PROXIMADB_OK; i++)
        rc = check_listed(verifying, &manifest->parts.items[i], reterr);
    for (size_t i = 0; i < manifest->deletes.count && rc == PROXIMADB_OK; i++)
        rc = check_listed(verifying, &manifest->deletes.items[i], reterr);
    if (rc == PROXIMADB_OK && manifest->centroids.path[0] != '\0')
        rc = check_listed(verifying, &manifest->centroids, reterr);
    return rc == PROXIMADB_OK ? check_unlisted(verifying, reterr) : rc;
}

/* Reads every file that the manifest lists, whole and row by row. */
static int check_store(struct verifying *verifying, struct proximadb_error *reterr)
{
    const struct px_findings findings = {.report = note_damage, .context = verifying};
    struct px_store_checked checked;
    struct px_path folder;
    int rc = check_lists(verifying, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_path_format(&folder, reterr, "%s/store/%s", verifying->run->backup_dir,
                            verifying->entry->name);
    if (rc != PROXIMADB_OK)
        return rc;
    const struct px_store_check check = {.fs = verifying->run->fs,
                                         .folder = folder.text,
                                         .collection = &verifying->collection,
                                         .findings = &findings};
    return px_store_check_run(&check, &checked, reterr);
}

/* ---- the log ------------------------------------------------------------------------------- */

static int note_file(void *context, const struct px_wal_chain_file *file,
                     struct proximadb_error *reterr)
{
    struct verifying *verifying = context;
    (void)reterr;
    if (file->next_lsn - 1 > verifying->last_lsn)
        verifying->last_lsn = file->next_lsn - 1;
    return PROXIMADB_OK;
}

static int check_log_files(const struct verifying *verifying, struct proximadb_error *reterr)
{
    const struct px_backup_list *list = verifying->list;
    int rc = PROXIMADB_OK;
    for (size_t i = 0; i < list->file_count && rc == PROXIMADB_OK; i++)
        if (strncmp(list->files[i].path, "wal/", strlen("wal/")) == 0 &&
            px_backup_list__is_of(list->files[i].path, verifying->entry->name))
            rc = check_file(verifying, &list->files[i], reterr);
    return rc;
}

static int check_log(struct verifying *verifying, struct proximadb_error *reterr)
{
    const struct px_findings findings = {.report = note_damage, .context = verifying};
    struct px_path folder;
    int rc = check_log_files(verifying, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_path_format(&folder, reterr, "%s/wal/%s", verifying->run->backup_dir,
                            verifying->entry->name);
    if (rc != PROXIMADB_OK)
        return rc;
    const struct px_wal_chain_options options = {.fs = verifying->run->fs,
                                                 .folder = folder.text,
                                                 .collection_id = verifying->entry->id,
                                                 .flushed_lsn = verifying->manifest.flushed_lsn,
                                                 .findings = &findings,
                                                 .file = note_file,
                                                 .context = verifying};
    verifying->last_lsn = verifying->manifest.flushed_lsn;
    rc = px_wal_chain_read(&options, reterr);
    if (rc == PROXIMADB_OK && verifying->last_lsn != verifying->entry->last_lsn &&
        verifying->damage[0] == '\0')
        snprintf(verifying->damage, sizeof verifying->damage,
                 "the log in '%.200s' ends with LSN %" PRId64 ", " PX_BACKUP_FILE " says %" PRId64,
                 folder.text, verifying->last_lsn, verifying->entry->last_lsn);
    return rc;
}

/* The folder's own file, which belongs to all collections. */
static int check_root(const struct verifying *verifying, struct proximadb_error *reterr)
{
    struct px_buffer content = {0};
    int rc = read_file(verifying, "proximadb.json", LARGEST_JSON_BYTES, &content, reterr);
    px_buffer_release(&content);
    return rc;
}

int px_restore__verify(const struct px_backup_run *run, const struct px_backup_list *list,
                       const struct px_backup_entry *entry, struct proximadb_error *reterr)
{
    struct verifying verifying = {.run = run, .list = list, .entry = entry};
    int rc = check_root(&verifying, reterr);
    if (rc == PROXIMADB_OK)
        rc = check_collection(&verifying, reterr);
    if (rc == PROXIMADB_OK)
        rc = check_manifest(&verifying, reterr);
    if (rc == PROXIMADB_OK)
        rc = check_store(&verifying, reterr);
    if (rc == PROXIMADB_OK)
        rc = check_log(&verifying, reterr);
    px_manifest_release(&verifying.manifest);
    if (rc == PROXIMADB_OK && verifying.damage[0] != '\0')
        rc = px_fail(reterr, PROXIMADB_CORRUPT, "the backup is damaged: %s", verifying.damage);
    return rc;
}
