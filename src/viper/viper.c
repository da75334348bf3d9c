#include "viper/viper.h"

#include "os/file.h"
#include "viper/part_writer.h"
#include "viper/viper_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST_DELETE_FILES = 16 }; /* that a compaction leaves; more become one */

static const char *const folders[] = {
    "",         "/vectors",      "/vectors/cluster_000", "/deletes",
    "/indexes", "/indexes/hnsw", "/indexes/ivf"};

static int make_folder(struct px_fs *fs, const char *folder, const char *name,
                       struct proximadb_error *reterr)
{
    struct px_path path;
    int rc = px_path_format(&path, reterr, "%s%s", folder, name);
    return rc == PROXIMADB_OK ? px_folder_make(fs, path.text, reterr) : rc;
}

int px_viper_create(struct px_fs *fs, const char *folder, struct px_uuid collection_id,
                    struct proximadb_error *reterr)
{
    struct px_manifest manifest = {.collection_id = collection_id};
    int rc = PROXIMADB_OK;
    bool unsure;
    for (size_t i = 0; i < sizeof folders / sizeof folders[0] && rc == PROXIMADB_OK; i++)
        rc = make_folder(fs, folder, folders[i], reterr);
    if (rc == PROXIMADB_OK)
        rc = px_manifest_write(fs, folder, &manifest, &unsure, reterr);
    return rc;
}

void px_viper_close(struct px_viper *viper)
{
    pthread_mutex_destroy(&viper->commit_lock);
    pthread_mutex_destroy(&viper->numbers_lock);
    px_manifest_release(&viper->manifest);
    free(viper->unsure_files.items);
    px_removal_gate_unref(viper->gate);
}

uint32_t px_viper_take_file_number(struct px_viper *viper)
{
    pthread_mutex_lock(&viper->commit_lock);
    uint32_t number = viper->manifest.next_file_number++;
    pthread_mutex_unlock(&viper->commit_lock);
    return number;
}

int px_viper_part_path(struct px_viper *viper, uint32_t cluster, char path[PX_MANIFEST_PATH_BYTES],
                       struct proximadb_error *reterr)
{
    char folder[PX_MANIFEST_PATH_BYTES];
    snprintf(folder, sizeof folder, "/vectors/cluster_%03u", cluster);
    snprintf(path, PX_MANIFEST_PATH_BYTES, "vectors/cluster_%03u/part_%03u.parquet", cluster,
             px_viper_take_file_number(viper));
    return make_folder(viper->fs, viper->folder.text, folder, reterr);
}

void px_viper__count(struct px_viper *viper)
{
    const struct px_manifest *manifest = &viper->manifest;
    struct px_viper_numbers numbers = {.part_count = manifest->parts.count,
                                       .disk_bytes = manifest->centroids.size_bytes,
                                       .flushed_lsn = manifest->flushed_lsn,
                                       .live_row_count = manifest->live_row_count,
                                       .bytes_accepted = manifest->bytes_accepted,
                                       .bytes_flushed = manifest->bytes_flushed,
                                       .bytes_compacted = manifest->bytes_compacted};
    for (size_t i = 0; i < manifest->parts.count; i++)
        numbers.disk_bytes += manifest->parts.items[i].size_bytes;
    for (size_t i = 0; i < manifest->deletes.count; i++)
        numbers.disk_bytes += manifest->deletes.items[i].size_bytes;
    pthread_mutex_lock(&viper->numbers_lock);
    viper->numbers = numbers;
    pthread_mutex_unlock(&viper->numbers_lock);
}

void px_viper_get_numbers(struct px_viper *viper, struct px_viper_numbers *ret_numbers)
{
    pthread_mutex_lock(&viper->numbers_lock);
    *ret_numbers = viper->numbers;
    pthread_mutex_unlock(&viper->numbers_lock);
}

/* ---- committing ---------------------------------------------------------------------------- */

int px_viper_sync_name(struct px_viper *viper, const char *path, struct proximadb_error *reterr)
{
    struct px_path full, folder;
    int rc = px_path_format(&full, reterr, "%s/%s", viper->folder.text, path);
    if (rc != PROXIMADB_OK)
        return rc;
    px_path_parent(full.text, &folder);
    if (viper->fs->sync_folder(viper->fs, folder.text) < 0)
        return px_fail_file(reterr, "cannot sync the folder '%s'", folder.text);
    return PROXIMADB_OK;
}

void px_viper_remove_file(struct px_viper *viper, const char *path)
{
    struct px_path full;
    if (path[0] != '\0' &&
        px_path_format(&full, NULL, "%s/%s", viper->folder.text, path) == PROXIMADB_OK)
        (void)viper->fs->unlink(viper->fs, full.text);
}

/* Without memory to remember a file it stays until the next opening sweeps it. */
static void note_unsure_files(struct px_viper *viper, const struct px_manifest_files *files,
                              const struct px_manifest_files *present)
{
    for (size_t i = 0; i < files->count; i++)
        if (px_manifest_find(present, files->items[i].path) == NULL &&
            px_manifest_add(&viper->unsure_files, &files->items[i], NULL) != PROXIMADB_OK)
            return;
}

/* The manifest that may be out there uses up its sequence. */
static void set_unsure(struct px_viper *viper, const struct px_manifest *next)
{
    struct px_manifest *present = &viper->manifest;
    struct px_manifest_file centroids = next->centroids;
    viper->is_unsure = true;
    present->sequence = next->sequence;
    note_unsure_files(viper, &next->parts, &present->parts);
    note_unsure_files(viper, &next->deletes, &present->deletes);
    if (centroids.path[0] != '\0' && strcmp(centroids.path, present->centroids.path) != 0)
        (void)!px_manifest_add(&viper->unsure_files, &centroids, NULL);
}

static void set_sure(struct px_viper *viper)
{
    for (size_t i = 0; i < viper->unsure_files.count; i++)
        px_viper_remove_file(viper, viper->unsure_files.items[i].path);
    viper->unsure_files.count = 0;
    viper->is_unsure = false;
}

int px_viper_settle(struct px_viper *viper, struct proximadb_error *reterr)
{
    bool unsure;
    int rc = PROXIMADB_OK;
    pthread_mutex_lock(&viper->commit_lock);
    if (viper->is_unsure) {
        rc = px_manifest_write(viper->fs, viper->folder.text, &viper->manifest, &unsure, reterr);
        if (rc == PROXIMADB_OK)
            set_sure(viper);
    }
    pthread_mutex_unlock(&viper->commit_lock);
    return rc;
}

/* Replaces the manifest by `next`, which is taken. Under commit_lock. *ret_unsure: a crash may find
 * either; then the files of both must stay. */
static int commit(struct px_viper *viper, struct px_manifest *next, bool *ret_unsure,
                  struct proximadb_error *reterr)
{
    /* Numbers given out since the copy was made must not be given out again. */
    next->next_file_number = viper->manifest.next_file_number;
    int rc = px_manifest_write(viper->fs, viper->folder.text, next, ret_unsure, reterr);
    if (rc != PROXIMADB_OK) {
        if (*ret_unsure)
            set_unsure(viper, next);
        px_manifest_release(next);
        return rc;
    }
    px_manifest_release(&viper->manifest);
    viper->manifest = *next;
    px_viper__count(viper);
    set_sure(viper);
    return PROXIMADB_OK;
}

/* Writes a delete file, adds it to `next`, and its size to *written_bytes. Under commit_lock. */
static int add_deletes(struct px_viper *viper, struct px_delete *deletes, size_t count,
                       struct px_manifest *next, uint64_t *written_bytes,
                       char path[PX_MANIFEST_PATH_BYTES], struct proximadb_error *reterr)
{
    struct px_manifest_file file;
    path[0] = '\0';
    if (count == 0)
        return PROXIMADB_OK;
    snprintf(path, PX_MANIFEST_PATH_BYTES, "deletes/deletes_%03u.parquet",
             viper->manifest.next_file_number++);
    const struct px_delete_file what = {.store_folder = viper->folder.text,
                                        .path = path,
                                        .collection_id = viper->collection_id,
                                        .deletes = deletes,
                                        .count = count};
    int rc = px_delete_file_write(viper->fs, &what, &file, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_viper_sync_name(viper, path, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    *written_bytes += file.size_bytes;
    return px_manifest_add(&next->deletes, &file, reterr);
}

/* ---- flush --------------------------------------------------------------------------------- */

/* A part of the memtable's live rows. *ret_file has no path where there are none. */
static int write_rows(struct px_viper *viper, const struct px_viper_flush *flush,
                      struct px_moved *moved, struct px_manifest_file *ret_file,
                      struct proximadb_error *reterr)
{
    const struct px_memtable *memtable = flush->memtable;
    uint32_t row_count = px_memtable_row_count(memtable);
    int64_t last_lsn = px_memtable_last_lsn(memtable);
    struct px_part_target target = {.fs = viper->fs, .store_folder = viper->folder.text};
    struct px_part_writer *writer = NULL;
    char path[PX_MANIFEST_PATH_BYTES];
    for (uint32_t row = 0; row < row_count; row++) {
        struct px_record record;
        moved[row] = (struct px_moved){.target = PX_NOT_MOVED};
        if (!px_memtable_is_live(memtable, row, last_lsn))
            continue;
        if (writer == NULL) {
            target.path = path;
            int rc = px_viper_part_path(viper, 0, path, reterr);
            if (rc == PROXIMADB_OK)
                rc = px_part_writer_open(&target, flush->collection, &writer, reterr);
            if (rc != PROXIMADB_OK)
                return rc;
        }
        moved[row] = (struct px_moved){.target = 0, .row = px_part_writer_row_count(writer)};
        px_memtable_get(memtable, row, &record);
        px_part_writer_add(writer, &record);
    }
    *ret_file = (struct px_manifest_file){0};
    return writer != NULL ? px_part_writer_finish(writer, ret_file, reterr) : PROXIMADB_OK;
}

/* Lists the new files in the manifest. */
static int commit_flush(struct px_viper *viper, const struct px_viper_flush *flush,
                        const struct px_manifest_file *part, bool *ret_unsure,
                        struct proximadb_error *reterr)
{
    struct px_manifest next = {0};
    struct px_delete *deletes = NULL;
    size_t delete_count = 0;
    char delete_path[PX_MANIFEST_PATH_BYTES] = "";
    int rc = px_manifest_copy(&viper->manifest, &next, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    if (part->path[0] != '\0')
        rc = px_manifest_add(&next.parts, part, reterr);
    if (rc == PROXIMADB_OK)
        rc = flush->deletes(flush->context, &deletes, &delete_count, reterr);
    if (rc == PROXIMADB_OK)
        rc = add_deletes(viper, deletes, delete_count, &next, &next.bytes_flushed, delete_path,
                         reterr);
    free(deletes);
    next.bytes_accepted += part->size_bytes;
    next.bytes_flushed += part->size_bytes;
    next.flushed_lsn = px_memtable_last_lsn(flush->memtable);
    next.live_row_count = flush->live_row_count;
    next.clock_ms = flush->clock_ms;
    px_buffer_clear(&next.request_ids);
    px_buffer_append_slice(&next.request_ids, flush->request_ids);
    if (rc == PROXIMADB_OK)
        rc = px_buffer_status(&next.request_ids, reterr);
    if (rc != PROXIMADB_OK)
        px_manifest_release(&next);
    else
        rc = commit(viper, &next, ret_unsure, reterr);
    if (rc != PROXIMADB_OK && !*ret_unsure)
        px_viper_remove_file(viper, delete_path);
    return rc;
}

int px_viper_store_vectors(struct px_viper *viper, const struct px_viper_flush *flush,
                           struct px_part **ret_part, struct px_moved **ret_moved,
                           struct proximadb_error *reterr)
{
    struct px_manifest_file file = {0};
    struct px_part *part = NULL;
    bool unsure = false;
    size_t row_count = px_memtable_row_count(flush->memtable);
    int rc = px_viper_settle(viper, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    struct px_moved *moved = malloc((row_count + 1) * sizeof *moved);
    if (moved == NULL)
        return px_fail_no_memory(reterr);
    rc = write_rows(viper, flush, moved, &file, reterr);
    if (rc == PROXIMADB_OK && file.path[0] != '\0') {
        rc = px_viper_sync_name(viper, file.path, reterr);
        /* Reading it back before it counts finds a fault while the log still has the rows. */
        if (rc == PROXIMADB_OK)
            rc = px_part_open(viper->fs, viper->folder.text, &file, flush->collection, &part,
                              reterr);
    }
    if (rc == PROXIMADB_OK) {
        pthread_mutex_lock(&viper->commit_lock);
        rc = commit_flush(viper, flush, &file, &unsure, reterr);
        pthread_mutex_unlock(&viper->commit_lock);
    }
    if (rc != PROXIMADB_OK) {
        px_part_close(part);
        free(moved);
        if (!unsure)
            px_viper_remove_file(viper, file.path);
        return rc;
    }
    *ret_part = part;
    *ret_moved = moved;
    return PROXIMADB_OK;
}

/* ---- compaction ---------------------------------------------------------------------------- */

static bool is_replaced(const struct px_viper_replacement *replacement, const char *path)
{
    for (size_t i = 0; i < replacement->old_part_count; i++)
        if (strcmp(px_part_file(replacement->old_parts[i])->path, path) == 0)
            return true;
    return false;
}

/* The parts that stay, then the new ones. */
static int replace_in(const struct px_viper_replacement *replacement, struct px_manifest *next,
                      struct proximadb_error *reterr)
{
    size_t kept = 0;
    for (size_t i = 0; i < next->parts.count; i++)
        if (!is_replaced(replacement, next->parts.items[i].path))
            next->parts.items[kept++] = next->parts.items[i];
    next->parts.count = kept;
    int rc = PROXIMADB_OK;
    for (size_t i = 0; i < replacement->new_part_count && rc == PROXIMADB_OK; i++) {
        rc = px_manifest_add(&next->parts, &replacement->new_parts[i], reterr);
        next->bytes_compacted += replacement->new_parts[i].size_bytes;
    }
    if (rc == PROXIMADB_OK && replacement->centroids != NULL) {
        next->centroids = *replacement->centroids;
        next->bytes_compacted += next->centroids.size_bytes;
    }
    return rc;
}

/* What the delete files of a manifest say of the parts that it lists. */
struct delete_walk {
    const struct px_manifest *manifest;
    char path[PX_MANIFEST_PATH_BYTES];   /* of the row before: rows come sorted by part */
    const struct px_manifest_file *part; /* of that path; NULL: it is not listed */
    uint64_t used_count;                 /* rows of listed parts */

    bool is_collected;       /* into the list */
    struct px_delete *items; /* owned */
    size_t capacity;
};

static void find_part(struct delete_walk *walk, struct px_slice path)
{
    if (px_slice_equal(path, px_slice_of_string(walk->path)))
        return;
    walk->part = NULL;
    walk->path[0] = '\0';
    if (path.size_bytes >= sizeof walk->path)
        return; /* no path of ours */
    memcpy(walk->path, path.data, path.size_bytes);
    walk->path[path.size_bytes] = '\0';
    walk->part = px_manifest_find(&walk->manifest->parts, walk->path);
}

static int visit_delete(void *context, struct px_slice path, uint64_t row, int64_t lsn,
                        struct proximadb_error *reterr)
{
    struct delete_walk *walk = context;
    find_part(walk, path);
    if (walk->part == NULL)
        return PROXIMADB_OK;
    if (walk->is_collected && walk->used_count == walk->capacity) {
        size_t capacity = walk->capacity == 0 ? 256 : 2 * walk->capacity;
        struct px_delete *grown = realloc(walk->items, capacity * sizeof *grown);
        if (grown == NULL)
            return px_fail_no_memory(reterr);
        walk->items = grown;
        walk->capacity = capacity;
    }
    if (walk->is_collected)
        walk->items[walk->used_count] =
            (struct px_delete){.path = walk->part->path, .row = (uint32_t)row, .lsn = lsn};
    walk->used_count++;
    return PROXIMADB_OK;
}

/* Takes delete files whose parts are all gone out of `next`. */
static int drop_unused_deletes(struct px_viper *viper, struct px_manifest *next,
                               struct proximadb_error *reterr)
{
    size_t kept = 0;
    for (size_t i = 0; i < next->deletes.count; i++) {
        struct delete_walk walk = {.manifest = next};
        int rc = px_delete_file_read(viper->fs, viper->folder.text, &next->deletes.items[i],
                                     visit_delete, &walk, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
        if (walk.used_count > 0)
            next->deletes.items[kept++] = next->deletes.items[i];
    }
    next->deletes.count = kept;
    return PROXIMADB_OK;
}

/* The deletes that the replacement brings, and where there are too many delete files in `next`
 * those of these, too, which leave it then: each commit reads them all. *ret_deletes: free with
 * free(). */
static int gather_deletes(struct px_viper *viper, const struct px_viper_replacement *replacement,
                          struct px_manifest *next, struct px_delete **ret_deletes,
                          size_t *ret_count, struct proximadb_error *reterr)
{
    struct delete_walk walk = {.manifest = next, .is_collected = true};
    int rc = PROXIMADB_OK;
    bool merges = next->deletes.count >= MOST_DELETE_FILES;
    for (size_t i = 0; merges && i < next->deletes.count && rc == PROXIMADB_OK; i++)
        rc = px_delete_file_read(viper->fs, viper->folder.text, &next->deletes.items[i],
                                 visit_delete, &walk, reterr);
    size_t count = (size_t)walk.used_count + replacement->delete_count;
    struct px_delete *all = NULL;
    if (rc == PROXIMADB_OK) {
        all = realloc(walk.items, (count + 1) * sizeof *all);
        rc = all != NULL ? PROXIMADB_OK : px_fail_no_memory(reterr);
    }
    if (rc != PROXIMADB_OK) {
        free(walk.items);
        return rc;
    }
    if (replacement->delete_count > 0)
        memcpy(all + walk.used_count, replacement->deletes,
               replacement->delete_count * sizeof *all);
    if (merges)
        next->deletes.count = 0;
    *ret_deletes = all;
    *ret_count = count;
    return PROXIMADB_OK;
}

/* Removes the delete and centroid files that only the old manifest lists. Parts are removed when
 * their last reader is done. */
static void remove_replaced(struct px_viper *viper, const struct px_manifest *old)
{
    const struct px_manifest *present = &viper->manifest;
    for (size_t i = 0; i < old->deletes.count; i++)
        if (px_manifest_find(&present->deletes, old->deletes.items[i].path) == NULL)
            px_viper_remove_file(viper, old->deletes.items[i].path);
    if (strcmp(old->centroids.path, present->centroids.path) != 0)
        px_viper_remove_file(viper, old->centroids.path);
}

int px_viper_replace_parts(struct px_viper *viper, const struct px_viper_replacement *replacement,
                           bool *ret_unsure, struct proximadb_error *reterr)
{
    struct px_manifest next = {0}, old = {0};
    struct px_delete *deletes = NULL;
    size_t delete_count = 0;
    char delete_path[PX_MANIFEST_PATH_BYTES] = "";
    *ret_unsure = false;
    int rc = px_manifest_copy(&viper->manifest, &old, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_manifest_copy(&viper->manifest, &next, reterr);
    if (rc == PROXIMADB_OK)
        rc = replace_in(replacement, &next, reterr);
    if (rc == PROXIMADB_OK)
        rc = drop_unused_deletes(viper, &next, reterr);
    if (rc == PROXIMADB_OK)
        rc = gather_deletes(viper, replacement, &next, &deletes, &delete_count, reterr);
    if (rc == PROXIMADB_OK)
        rc = add_deletes(viper, deletes, delete_count, &next, &next.bytes_compacted, delete_path,
                         reterr);
    free(deletes);
    if (rc != PROXIMADB_OK)
        px_manifest_release(&next);
    else
        rc = commit(viper, &next, ret_unsure, reterr);
    if (rc == PROXIMADB_OK)
        remove_replaced(viper, &old);
    else if (!*ret_unsure)
        px_viper_remove_file(viper, delete_path);
    px_manifest_release(&old);
    return rc;
}
