#include "api/backup_internal.h"

#include "api/struct_copy.h"
#include "codec/json_line.h"
#include "os/file.h"
#include "os/file_replace.h"

#include <errno.h>
#include <stdlib.h>

/* A backup while it is made. */
struct backing_up {
    const struct px_backup_run *run;
    struct px_data_folder source;
    struct px_backup_list list;
    struct px_backup_tally tally; /* of all collections */
    bool made_folder;
};

/* ---- lines --------------------------------------------------------------------------------- */

static bool give(const struct px_backup_run *run, struct px_buffer *line)
{
    bool goes_on = line->status != PROXIMADB_OK || run->sink == NULL ||
                   run->sink(run->context, (const char *)line->data, line->size_bytes);
    px_buffer_release(line);
    return goes_on;
}

bool px_backup__tell(const struct px_backup_run *run, const char *kind,
                     const struct px_backup_entry *entry, const char *new_name,
                     const struct px_backup_tally *tally)
{
    struct px_buffer line = {0};
    char id[PX_UUID_TEXT_BYTES];
    px_json_line_begin(&line, kind);
    if (entry != NULL) {
        px_uuid_format(entry->id, id);
        px_json_line_string(&line, "name", entry->name);
        if (new_name != NULL)
            px_json_line_string(&line, "restored_as", new_name);
        px_json_line_string(&line, "id", id);
        px_json_line_i64(&line, "flushed_lsn", entry->flushed_lsn);
        px_json_line_i64(&line, "last_lsn", entry->last_lsn);
    }
    if (tally != NULL) {
        px_json_line_u64(&line, "file_count", tally->file_count);
        px_json_line_u64(&line, "size_bytes", tally->size_bytes);
        px_json_line_u64(&line, "linked_count", tally->linked_count);
    }
    px_json_line_end(&line);
    return give(run, &line);
}

/* ---- the folder ---------------------------------------------------------------------------- */

static int in_backup(const struct backing_up *backing_up, const char *name,
                     struct px_path *ret_path, struct proximadb_error *reterr)
{
    return px_path_format(ret_path, reterr, "%s/%s", backing_up->run->backup_dir, name);
}

/* Whether what lies in the folder was begun by a backup, for the message. */
static bool is_unfinished(const struct backing_up *backing_up)
{
    struct px_path path;
    return in_backup(backing_up, PX_BACKUP_UNFINISHED, &path, NULL) == PROXIMADB_OK &&
           px_file_exists(backing_up->run->fs, path.text);
}

/* Makes the folder, or takes an empty one. */
static int take_folder(struct backing_up *backing_up, struct proximadb_error *reterr)
{
    const struct px_backup_run *run = backing_up->run;
    struct px_names names;
    if (px_backup__overlap(run->data_dir, run->backup_dir))
        return px_fail(reterr, PROXIMADB_INVALID,
                       "'%s' and '%s' lie in each other; give the backup a folder outside of the "
                       "data folder",
                       run->backup_dir, run->data_dir);
    backing_up->made_folder = !px_file_exists(run->fs, run->backup_dir);
    int rc = px_folder_make(run->fs, run->backup_dir, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_folder_list(run->fs, run->backup_dir, &names, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    if (names.count > 0)
        rc = px_fail(reterr, PROXIMADB_INVALID,
                     is_unfinished(backing_up)
                         ? "'%s' holds a backup that was interrupted, or that is being made; "
                           "remove the folder, or name another one"
                         : "the folder '%s' is not empty; name another one",
                     run->backup_dir);
    px_names_release(&names);
    return rc;
}

/* The mark that what follows is no whole backup yet. Nobody else may have set it meanwhile. */
static int mark_unfinished(const struct backing_up *backing_up, struct proximadb_error *reterr)
{
    struct px_fs *fs = backing_up->run->fs;
    struct px_path path;
    int rc = in_backup(backing_up, PX_BACKUP_UNFINISHED, &path, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    int fd = fs->open(fs, path.text, PX_FS_CREATE);
    if (fd < 0)
        return px_fail_file(reterr, "cannot create '%s'", path.text);
    (void)fs->close(fs, fd);
    if (fs->sync_folder(fs, backing_up->run->backup_dir) < 0)
        rc = px_fail_file(reterr, "cannot sync the folder '%s'", backing_up->run->backup_dir);
    if (rc != PROXIMADB_OK)
        (void)fs->unlink(fs, path.text);
    return rc;
}

static int make_places(const struct backing_up *backing_up, struct proximadb_error *reterr)
{
    static const char *const places[] = {"metadata/collections/", "wal/", "store/"};
    int rc = PROXIMADB_OK;
    for (size_t i = 0; i < sizeof places / sizeof places[0] && rc == PROXIMADB_OK; i++)
        rc = px_backup__make_parents(backing_up->run->fs, backing_up->run->backup_dir, places[i],
                                     reterr);
    return rc;
}

static int copy_format(struct backing_up *backing_up, struct proximadb_error *reterr)
{
    struct px_backup_placed placed;
    struct px_path from, to;
    int rc = px_path_format(&from, reterr, "%s/proximadb.json", backing_up->run->data_dir);
    if (rc == PROXIMADB_OK)
        rc = in_backup(backing_up, "proximadb.json", &to, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_backup__copy(backing_up->run->fs, from.text, to.text, UINT64_MAX, &placed, reterr);
    return rc == PROXIMADB_OK ? px_backup_list__add_file(&backing_up->list, "proximadb.json",
                                                         placed.size_bytes, placed.crc32c, reterr)
                              : rc;
}

/* Takes away what a failed backup made. BACKUP.json sorts before all others, so it goes first. */
static void clean_up(const struct backing_up *backing_up)
{
    struct px_fs *fs = backing_up->run->fs;
    if (px_backup__clear_folder(fs, backing_up->run->backup_dir, NULL) == PROXIMADB_OK &&
        backing_up->made_folder)
        (void)fs->remove_folder(fs, backing_up->run->backup_dir);
}

/* ---- collections --------------------------------------------------------------------------- */

static int copy_collection(struct backing_up *backing_up, const char *name, bool is_named,
                           struct proximadb_error *reterr)
{
    const struct px_backup_run *run = backing_up->run;
    struct px_backup_list *list = &backing_up->list;
    struct px_backup_tally tally;
    int rc = px_backup__collection(run, &backing_up->source, name, list, &tally, reterr);
    if (rc == PROXIMADB_COLLECTION_NOT_FOUND && !is_named)
        return PROXIMADB_OK; /* it was dropped since the list was made */
    if (rc != PROXIMADB_OK)
        return rc;
    backing_up->tally.file_count += tally.file_count;
    backing_up->tally.size_bytes += tally.size_bytes;
    backing_up->tally.linked_count += tally.linked_count;
    if (!px_backup__tell(run, "collection", &list->entries[list->entry_count - 1], NULL, &tally))
        return px_fail(reterr, PROXIMADB_CANCELLED, "the receiver wants no more lines");
    return PROXIMADB_OK;
}

static int copy_named(struct backing_up *backing_up, struct proximadb_error *reterr)
{
    const struct px_backup_run *run = backing_up->run;
    int rc = PROXIMADB_OK;
    for (size_t i = 0; i < run->collection_count && rc == PROXIMADB_OK; i++) {
        const char *name = run->collections[i];
        rc = px_collection_name_validate(px_slice_of_string(name), reterr);
        if (rc == PROXIMADB_OK && px_backup_list__find_entry(&backing_up->list, name) == NULL)
            rc = copy_collection(backing_up, name, true, reterr);
    }
    return rc;
}

/* "NAME.json"; false: the file is no collection's. */
static bool name_of_file(const char *file_name, char name[PX_COLLECTION_NAME_BYTES])
{
    size_t length = strlen(file_name), suffix_length = strlen(".json");
    if (length <= suffix_length || strcmp(file_name + length - suffix_length, ".json") != 0)
        return false;
    struct px_slice stem = px_slice_of(file_name, length - suffix_length);
    if (px_collection_name_validate(stem, NULL) != PROXIMADB_OK)
        return false;
    memcpy(name, file_name, stem.size_bytes);
    name[stem.size_bytes] = '\0';
    return true;
}

static int copy_all(struct backing_up *backing_up, struct proximadb_error *reterr)
{
    struct px_names names;
    struct px_path folder;
    int rc = px_data_folder_path(&backing_up->source, PX_DATA_METADATA, NULL, &folder, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_folder_list(backing_up->run->fs, folder.text, &names, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    for (size_t i = 0; i < names.count && rc == PROXIMADB_OK; i++) {
        char name[PX_COLLECTION_NAME_BYTES];
        if (name_of_file(names.items[i].text, name))
            rc = copy_collection(backing_up, name, false, reterr);
    }
    px_names_release(&names);
    return rc;
}

/* Everything is synced before BACKUP.json says that it is there. */
static int finish(struct backing_up *backing_up, struct proximadb_error *reterr)
{
    const struct px_backup_run *run = backing_up->run;
    struct px_buffer json = {0};
    struct px_path path;
    int rc = px_backup__sync_tree(run->fs, run->backup_dir, reterr);
    if (rc == PROXIMADB_OK)
        rc = in_backup(backing_up, PX_BACKUP_FILE, &path, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    px_backup_list__encode(&backing_up->list, &json);
    rc = px_buffer_status(&json, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_file_replace(run->fs, path.text, px_buffer_slice(&json), NULL, reterr);
    px_buffer_release(&json);
    return rc;
}

static int fill(struct backing_up *backing_up, struct proximadb_error *reterr)
{
    const struct px_backup_run *run = backing_up->run;
    int rc = make_places(backing_up, reterr);
    if (rc == PROXIMADB_OK)
        rc = copy_format(backing_up, reterr);
    if (rc == PROXIMADB_OK)
        rc = run->collection_count > 0 ? copy_named(backing_up, reterr)
                                       : copy_all(backing_up, reterr);
    return rc == PROXIMADB_OK ? finish(backing_up, reterr) : rc;
}

/* Reads what was made: a link is not read while it is made. */
static int verify_all(const struct backing_up *backing_up, struct proximadb_error *reterr)
{
    const struct px_backup_list *list = &backing_up->list;
    int rc = PROXIMADB_OK;
    for (size_t i = 0; i < list->entry_count && rc == PROXIMADB_OK; i++)
        rc = px_restore__verify(backing_up->run, list, &list->entries[i], reterr);
    return rc;
}

static int back_up(struct backing_up *backing_up, struct proximadb_error *reterr)
{
    const struct px_backup_run *run = backing_up->run;
    int rc = px_data_folder_read_format(&backing_up->source, reterr);
    if (rc == PROXIMADB_OK)
        rc = take_folder(backing_up, reterr);
    if (rc == PROXIMADB_OK)
        rc = mark_unfinished(backing_up, reterr);
    if (rc != PROXIMADB_OK) {
        if (backing_up->made_folder)
            (void)run->fs->remove_folder(run->fs, run->backup_dir); /* if it is empty */
        return rc;
    }
    backing_up->list.created_at_ms = run->clock->wall_ms(run->clock);
    rc = fill(backing_up, reterr);
    if (rc == PROXIMADB_OK && run->verify)
        rc = verify_all(backing_up, reterr);
    if (rc != PROXIMADB_OK)
        clean_up(backing_up);
    else /* it is done, whether or not somebody still listens */
        (void)px_backup__tell(run, "summary", NULL, NULL, &backing_up->tally);
    return rc;
}

int px_backup__run(const struct px_backup_run *run, struct proximadb_error *reterr)
{
    struct backing_up backing_up = {.run = run};
    int rc = px_data_folder_look(&backing_up.source, run->fs, run->data_dir, false, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    rc = back_up(&backing_up, reterr);
    px_data_folder_close(&backing_up.source);
    px_backup_list__release(&backing_up.list);
    return rc;
}

/* ---- the public functions ------------------------------------------------------------------ */

/* The absolute path of what is at `path` or, unless it must exist, will be: then the folder that is
 * to hold it is there. */
static int resolve(const char *path, bool must_exist, struct px_path *ret_path,
                   struct proximadb_error *reterr)
{
    struct px_path plain, parent, folder;
    if (path == NULL || path[0] == '\0')
        return px_fail(reterr, PROXIMADB_INVALID, "a folder's path is empty; name a folder");
    int rc = px_path_format(&plain, reterr, "%s", path);
    if (rc != PROXIMADB_OK)
        return rc;
    if (must_exist || px_file_exists(&px_fs_posix, plain.text))
        return px_path_resolve(plain.text, ret_path, reterr);
    for (size_t end = strlen(plain.text); end > 1 && plain.text[end - 1] == '/'; end--)
        plain.text[end - 1] = '\0';
    px_path_parent(plain.text, &parent);
    rc = px_path_resolve(parent.text, &folder, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    const char *name = px_path_name(plain.text);
    if (strcmp(name, "..") == 0 || strcmp(name, ".") == 0)
        return px_fail(reterr, PROXIMADB_INVALID, "there is no folder '%s'", path);
    return px_path_format(ret_path, reterr, "%s/%s",
                          strcmp(folder.text, "/") == 0 ? "" : folder.text, name);
}

typedef int run_function(const struct px_backup_run *run, struct proximadb_error *reterr);

static int run_public(run_function *function, struct px_path paths[2],
                      const struct proximadb_backup_options *options,
                      struct proximadb_error *reterr)
{
    struct proximadb_backup_options given = {0};
    if (options != NULL) {
        int rc = px_struct_copy(&given, sizeof given, options, "proximadb_backup_options", reterr);
        if (rc != PROXIMADB_OK)
            return rc;
    }
    const struct px_backup_run run = {.fs = &px_fs_posix,
                                      .clock = &px_clock_system,
                                      .data_dir = paths[0].text,
                                      .backup_dir = paths[1].text,
                                      .collections = given.collections,
                                      .collection_count = given.collection_count,
                                      .copy = given.copy,
                                      .verify = given.verify,
                                      .sink = given.sink,
                                      .context = given.sink_context};
    return function(&run, reterr);
}

int proximadb_backup(const char *data_dir, const char *backup_dir,
                     const struct proximadb_backup_options *options, struct proximadb_error *reterr)
{
    struct px_path paths[2];
    int rc = resolve(data_dir, true, &paths[0], reterr);
    if (rc == PROXIMADB_OK)
        rc = resolve(backup_dir, false, &paths[1], reterr);
    return rc == PROXIMADB_OK ? run_public(px_backup__run, paths, options, reterr) : rc;
}

int proximadb_restore(const char *backup_dir, const char *data_dir,
                      const struct proximadb_backup_options *options,
                      struct proximadb_error *reterr)
{
    struct px_path paths[2];
    int rc = resolve(backup_dir, true, &paths[1], reterr);
    if (rc == PROXIMADB_OK)
        rc = resolve(data_dir, false, &paths[0], reterr);
    return rc == PROXIMADB_OK ? run_public(px_restore__run, paths, options, reterr) : rc;
}
