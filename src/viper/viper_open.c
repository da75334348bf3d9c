#include "viper/viper.h"

#include "os/file.h"
#include "parquet/parquet_reader.h"
#include "viper/part_columns.h"
#include "viper/viper_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* Where a delete file's rows are marked: the open parts, sorted by path. */
struct marking {
    struct px_viper_parts *parts;
    struct px_part *last; /* the part of the row before: rows come sorted by part */
};

static int compare_parts(const void *a, const void *b)
{
    struct px_part *const *left = a, *const *right = b;
    return strcmp(px_part_file(*left)->path, px_part_file(*right)->path);
}

static struct px_part *find_part(struct marking *marking, struct px_slice path)
{
    if (marking->last != NULL &&
        px_slice_equal(path, px_slice_of_string(px_part_file(marking->last)->path)))
        return marking->last;
    size_t low = 0, high = marking->parts->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        struct px_part *part = marking->parts->items[middle];
        int order = px_slice_compare(path, px_slice_of_string(px_part_file(part)->path));
        if (order == 0)
            return marking->last = part;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* A delete of a part that compaction has replaced is of no use any more. */
static int mark(void *context, struct px_slice path, uint64_t row, int64_t lsn,
                struct proximadb_error *reterr)
{
    struct px_part *part = find_part(context, path);
    if (part == NULL)
        return PROXIMADB_OK;
    if (row >= px_part_row_count(part))
        return px_fail(reterr, PROXIMADB_CORRUPT, "it names row %llu of '%s', which has %u rows",
                       (unsigned long long)row, px_part_file(part)->path, px_part_row_count(part));
    struct px_dead_rows *dead = px_part_dead_rows(part);
    int rc = px_dead_rows_reserve(dead, (uint32_t)row, reterr);
    if (rc == PROXIMADB_OK)
        (void)px_dead_rows_kill(dead, (uint32_t)row, lsn);
    return rc;
}

static void close_parts(struct px_viper_parts *parts)
{
    for (size_t i = 0; i < parts->count; i++)
        px_part_close(parts->items[i]);
    free(parts->items);
    *parts = (struct px_viper_parts){0};
}

static int open_parts(struct px_viper *viper, const struct px_collection *collection,
                      struct px_viper_parts *parts, struct proximadb_error *reterr)
{
    const struct px_manifest_files *files = &viper->manifest.parts;
    parts->items = calloc(files->count + 1, sizeof(struct px_part *));
    if (parts->items == NULL)
        return px_fail_no_memory(reterr);
    for (size_t i = 0; i < files->count; i++) {
        int rc = px_part_open(viper->fs, viper->folder.text, &files->items[i], collection,
                              &parts->items[i], reterr);
        if (rc != PROXIMADB_OK)
            return rc;
        parts->count++;
    }
    return PROXIMADB_OK;
}

static int mark_deletes(struct px_viper *viper, struct px_viper_parts *parts,
                        struct proximadb_error *reterr)
{
    struct marking marking = {.parts = parts};
    const struct px_manifest_files *files = &viper->manifest.deletes;
    int rc = PROXIMADB_OK;
    qsort(parts->items, parts->count, sizeof(struct px_part *), compare_parts);
    for (size_t i = 0; i < files->count && rc == PROXIMADB_OK; i++)
        rc = px_delete_file_read(viper->fs, viper->folder.text, &files->items[i], mark, &marking,
                                 reterr);
    return rc;
}

/* What a flush counted is what its files say, or one of both is wrong. */
static int check_live_rows(const struct px_viper *viper, const struct px_viper_parts *parts,
                           struct proximadb_error *reterr)
{
    uint64_t live = 0, counted = viper->manifest.live_row_count;
    for (size_t i = 0; i < parts->count; i++)
        live += px_part_row_count(parts->items[i]) -
                px_dead_rows_count(px_part_dead_rows(parts->items[i]));
    if (live == counted)
        return PROXIMADB_OK;
    return px_fail(reterr, PROXIMADB_CORRUPT,
                   "'%s/MANIFEST.json' cannot be used: it counts %" PRIu64
                   " live rows, and the files that it lists have %" PRIu64
                   "; replace the collection by its backup (docs/BACKUP.md)",
                   viper->folder.text, counted, live);
}

/* ---- sweeping ------------------------------------------------------------------------------ */

bool px_viper_is_file_name(const char *name)
{
    static const char *const kinds[] = {"part_", "deletes_", "centroids_"};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        size_t length = strlen(kinds[i]);
        if (strncmp(name, kinds[i], length) != 0)
            continue;
        size_t digits = strspn(name + length, "0123456789");
        return digits >= 3 && strcmp(name + length + digits, ".parquet") == 0;
    }
    return false;
}

static bool is_listed(const struct px_manifest *manifest, const char *path)
{
    return px_manifest_find(&manifest->parts, path) != NULL ||
           px_manifest_find(&manifest->deletes, path) != NULL ||
           strcmp(manifest->centroids.path, path) == 0;
}

bool px_viper_is_foreign(struct px_fs *fs, const char *path, struct px_uuid collection_id)
{
    struct px_slice content = {0};
    struct px_parquet_reader *reader = NULL;
    struct px_slice value;
    char id[PX_UUID_TEXT_BYTES];
    bool other = false;
    px_uuid_format(collection_id, id);
    if (px_file_map(fs, path, &content, NULL) == PROXIMADB_OK &&
        px_parquet_reader_open(content, &reader, NULL) == PROXIMADB_OK)
        other = !px_parquet_reader_find_value(reader, px_part_key_collection_id, &value) ||
                !px_slice_equal(value, px_slice_of_string(id));
    px_parquet_reader_close(reader);
    px_file_unmap(fs, content);
    return other;
}

/* A number that a file has had is not given out again, listed or not: what is left alone would be
 * in the way for ever. */
static void skip_number(struct px_viper *viper, const char *name)
{
    unsigned long number = strtoul(strchr(name, '_') + 1, NULL, 10);
    if (number >= viper->manifest.next_file_number && number < UINT32_MAX - 1)
        viper->manifest.next_file_number = (uint32_t)number + 1;
}

static void tell_foreign(struct px_viper *viper, const char *path)
{
    px_log_write(viper->log, PROXIMADB_LOG_WARNING,
                 "'%s' is no file of this collection; it is left alone", path);
}

/* A folder, a link or a pipe. */
static void sweep_other(struct px_viper *viper, const char *folder, const char *name)
{
    struct px_path full;
    if (!px_viper_is_file_name(name))
        return;
    skip_number(viper, name);
    if (px_path_format(&full, NULL, "%s/%s/%s", viper->folder.text, folder, name) == PROXIMADB_OK)
        tell_foreign(viper, full.text);
}

/* A file that the manifest does not list: what a crash left between writing and committing, or what
 * was replaced and not yet removed. */
static void sweep_file(struct px_viper *viper, const char *folder, const char *name)
{
    char path[PX_MANIFEST_PATH_BYTES];
    struct px_path full;
    int length = snprintf(path, sizeof path, "%s/%s", folder, name);
    bool fits = length > 0 && length < (int)sizeof path;
    if ((fits && is_listed(&viper->manifest, path)) ||
        px_path_format(&full, NULL, "%s/%s/%s", viper->folder.text, folder, name) != PROXIMADB_OK)
        return;
    if (px_viper_is_file_name(name))
        skip_number(viper, name);
    if (!fits || !px_viper_is_file_name(name) ||
        px_viper_is_foreign(viper->fs, full.text, viper->collection_id))
        tell_foreign(viper, full.text);
    else
        (void)viper->fs->unlink(viper->fs, full.text);
}

static int list_folder(struct px_viper *viper, const char *folder, struct px_names *ret_names,
                       struct proximadb_error *reterr)
{
    struct px_path path;
    int rc = px_path_format(&path, reterr, "%s/%s", viper->folder.text, folder);
    return rc == PROXIMADB_OK ? px_folder_list(viper->fs, path.text, ret_names, reterr) : rc;
}

static int sweep_folder(struct px_viper *viper, const char *folder, struct proximadb_error *reterr)
{
    struct px_names names;
    int rc = list_folder(viper, folder, &names, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    for (size_t i = 0; i < names.count; i++)
        if (names.items[i].kind == PX_FS_FILE)
            sweep_file(viper, folder, names.items[i].text);
        else
            sweep_other(viper, folder, names.items[i].text);
    px_names_release(&names);
    return PROXIMADB_OK;
}

/* Numbers of clusters are not given twice, so folders of those that have gone would gather. It
 * fails where there is still something in it. */
static void remove_empty_cluster(struct px_viper *viper, const char *folder)
{
    static const char prefix[] = "vectors/cluster_";
    struct px_path full;
    const char *number = folder + sizeof prefix - 1;
    if (strncmp(folder, prefix, sizeof prefix - 1) == 0 && strspn(number, "0123456789") >= 3 &&
        number[strspn(number, "0123456789")] == '\0' && strtoul(number, NULL, 10) != 0 &&
        px_path_format(&full, NULL, "%s/%s", viper->folder.text, folder) == PROXIMADB_OK)
        (void)viper->fs->remove_folder(viper->fs, full.text);
}

static int sweep_clusters(struct px_viper *viper, struct proximadb_error *reterr)
{
    struct px_names names;
    int rc = list_folder(viper, "vectors", &names, reterr);
    for (size_t i = 0; rc == PROXIMADB_OK && i < names.count; i++) {
        char folder[PX_MANIFEST_PATH_BYTES];
        int length = snprintf(folder, sizeof folder, "vectors/%s", names.items[i].text);
        if (names.items[i].kind != PX_FS_FOLDER || length >= (int)sizeof folder)
            continue;
        rc = sweep_folder(viper, folder, reterr);
        remove_empty_cluster(viper, folder);
    }
    px_names_release(&names);
    return rc;
}

static int sweep(struct px_viper *viper, struct proximadb_error *reterr)
{
    struct px_path leftover;
    if (px_path_format(&leftover, NULL, "%s/MANIFEST.json.tmp", viper->folder.text) == PROXIMADB_OK)
        (void)viper->fs->unlink(viper->fs, leftover.text);
    int rc = sweep_folder(viper, "vectors", reterr);
    if (rc == PROXIMADB_OK)
        rc = sweep_clusters(viper, reterr);
    if (rc == PROXIMADB_OK)
        rc = sweep_folder(viper, "deletes", reterr);
    return rc;
}

/* ---- opening ------------------------------------------------------------------------------- */

static int open_store(struct px_viper *viper, const struct px_collection *collection,
                      struct px_viper_parts *parts, struct proximadb_error *reterr)
{
    int rc = px_manifest_read(viper->fs, viper->folder.text, &viper->manifest, reterr);
    if (rc == PROXIMADB_OK && !px_uuid_equal(viper->manifest.collection_id, collection->id))
        rc = px_fail(reterr, PROXIMADB_CORRUPT, "'%s/MANIFEST.json' is of another collection",
                     viper->folder.text);
    if (rc == PROXIMADB_OK)
        rc = open_parts(viper, collection, parts, reterr);
    if (rc == PROXIMADB_OK)
        rc = mark_deletes(viper, parts, reterr);
    if (rc == PROXIMADB_OK)
        rc = check_live_rows(viper, parts, reterr);
    /* Before anything is removed that only an older manifest lists, or shown that it lacks. */
    if (rc == PROXIMADB_OK && viper->fs->sync_folder(viper->fs, viper->folder.text) < 0)
        rc = px_fail_file(reterr, "cannot sync the folder '%s'", viper->folder.text);
    if (rc == PROXIMADB_OK)
        rc = sweep(viper, reterr);
    return rc;
}

int px_viper_open(struct px_viper *viper, struct px_fs *fs, const struct px_log *log,
                  const char *folder, const struct px_collection *collection,
                  struct px_viper_parts *ret_parts, struct proximadb_error *reterr)
{
    struct px_viper_parts parts = {0};
    *viper = (struct px_viper){.fs = fs, .log = log, .collection_id = collection->id};
    pthread_mutex_init(&viper->commit_lock, NULL);
    pthread_mutex_init(&viper->numbers_lock, NULL);
    int rc = px_path_format(&viper->folder, reterr, "%s", folder);
    if (rc == PROXIMADB_OK)
        rc = px_removal_gate_new(&viper->gate, reterr);
    if (rc == PROXIMADB_OK)
        rc = open_store(viper, collection, &parts, reterr);
    if (rc != PROXIMADB_OK) {
        close_parts(&parts);
        px_viper_close(viper);
        return rc;
    }
    px_viper__count(viper);
    *ret_parts = parts;
    return PROXIMADB_OK;
}
