#include "api/backup_internal.h"

#include "metadata/collection_store.h"
#include "os/file.h"
#include "os/file_replace.h"
#include "viper/viper.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { LARGEST_JSON_BYTES = 1 << 20 };

/* A collection that is to be restored. */
struct chosen {
    const struct px_backup_entry *entry; /* of the list */
    char name[PX_COLLECTION_NAME_BYTES]; /* that it gets */
    struct px_backup_tally tally;
    bool is_begun; /* folders of that name are ours */
};

/* A restore under way. */
struct restoring {
    const struct px_backup_run *run;
    struct px_backup_list list;
    struct chosen *chosen; /* owned */
    size_t chosen_count;
    struct px_data_folder target;
    bool is_begun;      /* something may have been made there */
    bool is_open;       /* target is */
    bool made_folder;   /* there was none */
    bool was_empty;     /* nothing was in it */
    bool is_in_doubt;   /* it is in place, but a power cut may undo that: nothing may be removed */
    size_t there_count; /* collections that the target has */
};

/* ---- what to restore ----------------------------------------------------------------------- */

static int choose(struct restoring *restoring, const struct px_backup_entry *entry,
                  struct px_slice name, struct proximadb_error *reterr)
{
    struct chosen chosen = {.entry = entry};
    int rc = px_collection_name_validate(name, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    memcpy(chosen.name, name.data, name.size_bytes);
    for (size_t i = 0; i < restoring->chosen_count; i++)
        if (strcmp(restoring->chosen[i].name, chosen.name) == 0)
            return px_fail(reterr, PROXIMADB_INVALID,
                           "two collections cannot be restored as '%s'; name it once", chosen.name);
    restoring->chosen[restoring->chosen_count++] = chosen;
    return PROXIMADB_OK;
}

/* NAME or NAME:NEWNAME. */
static int choose_named(struct restoring *restoring, const char *text,
                        struct proximadb_error *reterr)
{
    const char *colon = strchr(text, ':');
    size_t length = colon != NULL ? (size_t)(colon - text) : strlen(text);
    char name[PX_COLLECTION_NAME_BYTES] = "";
    if (length < sizeof name)
        memcpy(name, text, length);
    const struct px_backup_entry *entry = px_backup_list__find_entry(&restoring->list, name);
    if (entry == NULL)
        return px_fail(reterr, PROXIMADB_COLLECTION_NOT_FOUND,
                       "the backup '%s' has no collection '%.*s'; check the name",
                       restoring->run->backup_dir, length < 64 ? (int)length : 64, text);
    return choose(restoring, entry, px_slice_of_string(colon != NULL ? colon + 1 : name), reterr);
}

static int choose_all(struct restoring *restoring, struct proximadb_error *reterr)
{
    const struct px_backup_run *run = restoring->run;
    const struct px_backup_list *list = &restoring->list;
    bool is_all = run->collection_count == 0;
    size_t count = is_all ? list->entry_count : run->collection_count;
    int rc = PROXIMADB_OK;
    restoring->chosen = calloc(count + 1, sizeof *restoring->chosen);
    if (restoring->chosen == NULL)
        return px_fail_no_memory(reterr);
    for (size_t i = 0; i < count && rc == PROXIMADB_OK; i++)
        rc = is_all ? choose(restoring, &list->entries[i],
                             px_slice_of_string(list->entries[i].name), reterr)
                    : choose_named(restoring, run->collections[i], reterr);
    return rc;
}

static int verify_all(struct restoring *restoring, struct proximadb_error *reterr)
{
    int rc = px_restore__check_format(restoring->run, reterr);
    for (size_t i = 0; i < restoring->chosen_count && rc == PROXIMADB_OK; i++) {
        const struct px_backup_entry *entry = restoring->chosen[i].entry;
        rc = px_restore__verify(restoring->run, &restoring->list, entry, reterr);
        if (rc == PROXIMADB_OK && !px_backup__tell(restoring->run, "verified", entry, NULL, NULL))
            rc = px_fail(reterr, PROXIMADB_CANCELLED, "the receiver wants no more lines");
    }
    return rc;
}

/* ---- the data folder ----------------------------------------------------------------------- */

/* Whether this may lie in a data folder, also in one whose making was interrupted. */
static bool is_own_name(const char *name)
{
    static const char *const names[] = {"proximadb.json", "proximadb.json.tmp",
                                        "proximadb.lock", "reserve",
                                        "metadata",       "wal",
                                        "store",          "trash"};
    bool found = false;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        found |= strcmp(name, names[i]) == 0;
    return found;
}

/* A folder that is neither empty nor ours is somebody's. */
static int check_target(struct restoring *restoring, struct proximadb_error *reterr)
{
    const struct px_backup_run *run = restoring->run;
    struct px_names names;
    if (px_backup__overlap(run->data_dir, run->backup_dir))
        return px_fail(reterr, PROXIMADB_INVALID,
                       "'%s' and '%s' lie in each other; name a data folder outside of the backup",
                       run->backup_dir, run->data_dir);
    restoring->made_folder = !px_file_exists(run->fs, run->data_dir);
    restoring->was_empty = false;
    if (restoring->made_folder)
        return PROXIMADB_OK;
    int rc = px_folder_list(run->fs, run->data_dir, &names, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    bool is_data_folder = false, is_backup = false;
    const char *foreign = NULL;
    restoring->was_empty = names.count == 0;
    for (size_t i = 0; i < names.count; i++) {
        is_data_folder |= strcmp(names.items[i].text, "proximadb.json") == 0;
        is_backup |= strcmp(names.items[i].text, PX_BACKUP_FILE) == 0 ||
                     strcmp(names.items[i].text, PX_BACKUP_UNFINISHED) == 0;
        if (!is_own_name(names.items[i].text))
            foreign = names.items[i].text;
    }
    if (is_backup)
        rc = px_fail(reterr, PROXIMADB_INVALID,
                     "'%s', which is to be restored into, is a backup itself; name a new folder",
                     run->data_dir);
    else if (foreign != NULL && !is_data_folder)
        rc = px_fail(reterr, PROXIMADB_INVALID,
                     "'%s' is neither empty nor a data folder: there is '%.100s' in it; name a new "
                     "folder",
                     run->data_dir, foreign);
    px_names_release(&names);
    return rc;
}

static bool is_left_over(const char *name)
{
    size_t length = strlen(name);
    return length >= 4 && strcmp(name + length - 4, ".tmp") == 0;
}

/* Counts the collections of the target, none where there is no folder for them. */
static int count_collections(struct restoring *restoring, struct px_path *ret_folder,
                             struct px_names *ret_names, struct proximadb_error *reterr)
{
    struct px_fs *fs = restoring->run->fs;
    *ret_names = (struct px_names){0};
    restoring->there_count = 0;
    int rc = px_data_folder_path(&restoring->target, PX_DATA_METADATA, NULL, ret_folder, reterr);
    if (rc == PROXIMADB_OK && px_file_exists(fs, ret_folder->text))
        rc = px_folder_list(fs, ret_folder->text, ret_names, reterr);
    for (size_t i = 0; rc == PROXIMADB_OK && i < ret_names->count; i++)
        restoring->there_count += !is_left_over(ret_names->items[i].text);
    return rc;
}

/* Whether the collections may go beside those that are there. */
static int check_names(struct restoring *restoring, struct proximadb_error *reterr)
{
    const char *data_dir = restoring->run->data_dir;
    for (size_t i = 0; i < restoring->chosen_count; i++)
        if (px_collection_store_has(&restoring->target, restoring->chosen[i].name))
            return px_fail(reterr, PROXIMADB_COLLECTION_EXISTS,
                           "there is a collection '%.64s' in '%s' already; drop it first, or "
                           "restore under another name with NAME:NEWNAME",
                           restoring->chosen[i].name, data_dir);
    if (restoring->there_count > 0 && restoring->chosen_count != 1)
        return px_fail(reterr, PROXIMADB_INVALID,
                       "'%s' has collections; into such a folder one collection at a time is "
                       "restored: say which",
                       data_dir);
    return PROXIMADB_OK;
}

/* What can be said without reading the backup, and without touching the target; all of it is
 * checked again when that is opened. */
static int look_at_target(struct restoring *restoring, struct proximadb_error *reterr)
{
    const struct px_backup_run *run = restoring->run;
    struct proximadb_error error;
    struct px_names names;
    struct px_path folder;
    int rc = check_target(restoring, reterr);
    if (rc != PROXIMADB_OK || restoring->made_folder || restoring->was_empty)
        return rc;
    rc = px_data_folder_look(&restoring->target, run->fs, run->data_dir, true, &error);
    if (rc == PROXIMADB_INVALID)
        return PROXIMADB_OK; /* its making was interrupted: opening sees to that */
    if (rc != PROXIMADB_OK) {
        if (reterr != NULL)
            *reterr = error;
        return rc;
    }
    rc = count_collections(restoring, &folder, &names, reterr);
    px_names_release(&names);
    if (rc == PROXIMADB_OK)
        rc = check_names(restoring, reterr);
    px_data_folder_close(&restoring->target);
    return rc;
}

static int open_target(struct restoring *restoring, struct proximadb_error *reterr)
{
    const struct px_backup_run *run = restoring->run;
    struct px_names names;
    struct px_path folder, path;
    int rc = check_target(restoring, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    restoring->is_begun = true;
    rc = px_data_folder_open(&restoring->target, run->fs, run->clock, NULL, run->data_dir, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    restoring->is_open = true;
    rc = count_collections(restoring, &folder, &names, reterr);
    for (size_t i = 0; rc == PROXIMADB_OK && i < names.count; i++)
        if (is_left_over(names.items[i].text) &&
            px_path_format(&path, NULL, "%s/%s", folder.text, names.items[i].text) == PROXIMADB_OK)
            (void)run->fs->unlink(run->fs, path.text);
    px_names_release(&names);
    return rc == PROXIMADB_OK ? check_names(restoring, reterr) : rc;
}

/* ---- files --------------------------------------------------------------------------------- */

/* Moves folders without a collection, which something interrupted left, out of the way. */
static int make_way(struct restoring *restoring, struct chosen *chosen,
                    struct proximadb_error *reterr)
{
    static const enum px_data_place places[] = {PX_DATA_WAL, PX_DATA_STORE};
    int rc = PROXIMADB_OK;
    for (size_t i = 0; i < 2 && rc == PROXIMADB_OK; i++) {
        struct px_path path;
        rc = px_data_folder_path(&restoring->target, places[i], chosen->name, &path, reterr);
        if (rc == PROXIMADB_OK)
            rc = px_data_folder_discard(&restoring->target, path.text, reterr);
    }
    return rc;
}

static int make_folders(struct restoring *restoring, struct chosen *chosen,
                        struct proximadb_error *reterr)
{
    struct px_fs *fs = restoring->run->fs;
    struct px_path wal, store;
    int rc = px_data_folder_path(&restoring->target, PX_DATA_WAL, chosen->name, &wal, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_data_folder_path(&restoring->target, PX_DATA_STORE, chosen->name, &store, reterr);
    if (rc == PROXIMADB_OK)
        rc = make_way(restoring, chosen, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    chosen->is_begun = true;
    rc = px_folder_make(fs, wal.text, reterr);
    return rc == PROXIMADB_OK ? px_viper_create(fs, store.text, chosen->entry->id, reterr) : rc;
}

/* Where a file of the backup goes; its path begins with "store/NAME/" or "wal/NAME/". */
static int target_of(const struct restoring *restoring, const struct chosen *chosen,
                     const char *path, struct px_path *ret_path, struct proximadb_error *reterr)
{
    const char *place = path[0] == 's' ? "store" : "wal";
    const char *rest = path + strlen(place) + 1 + strlen(chosen->entry->name) + 1;
    return px_path_format(ret_path, reterr, "%s/%s/%s/%s", restoring->run->data_dir, place,
                          chosen->name, rest);
}

static bool has_suffix(const char *path, const char *suffix)
{
    size_t length = strlen(path), suffix_length = strlen(suffix);
    return length >= suffix_length && strcmp(path + length - suffix_length, suffix) == 0;
}

/* Parts and delete files may be shared with the backup; what is changed or replaced in place may
 * not. */
static int place_file(const struct restoring *restoring, struct chosen *chosen,
                      const struct px_backup_file *file, struct proximadb_error *reterr)
{
    const struct px_backup_run *run = restoring->run;
    struct px_backup_placed placed = {0};
    struct px_path from, to;
    bool may_link = !run->copy && has_suffix(file->path, ".parquet");
    int rc = px_path_format(&from, reterr, "%s/%s", run->backup_dir, file->path);
    if (rc == PROXIMADB_OK)
        rc = target_of(restoring, chosen, file->path, &to, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_backup__make_parents(run->fs, run->data_dir, to.text + strlen(run->data_dir) + 1,
                                     reterr);
    if (rc == PROXIMADB_OK && has_suffix(file->path, "/MANIFEST.json") &&
        run->fs->unlink(run->fs, to.text) < 0)
        rc = px_fail_file(reterr, "cannot replace '%s'", to.text);
    if (rc == PROXIMADB_OK)
        rc = px_backup__place(run->fs, from.text, to.text, !may_link, &placed, reterr);
    if (rc == PROXIMADB_OK && (placed.size_bytes != file->size_bytes ||
                               (!placed.is_linked && placed.crc32c != file->crc32c)))
        rc = px_fail(reterr, PROXIMADB_CORRUPT, "'%s' changed while it was restored", from.text);
    chosen->tally.file_count++;
    chosen->tally.size_bytes += placed.size_bytes;
    chosen->tally.linked_count += placed.is_linked;
    return rc;
}

static int place_collection(struct restoring *restoring, struct chosen *chosen,
                            struct proximadb_error *reterr)
{
    const struct px_backup_list *list = &restoring->list;
    struct px_path path;
    int rc = make_folders(restoring, chosen, reterr);
    for (size_t i = 0; i < list->file_count && rc == PROXIMADB_OK; i++)
        if (list->files[i].path[0] != 'm' &&
            px_backup_list__is_of(list->files[i].path, chosen->entry->name))
            rc = place_file(restoring, chosen, &list->files[i], reterr);
    if (rc == PROXIMADB_OK)
        rc = px_data_folder_path(&restoring->target, PX_DATA_STORE, chosen->name, &path, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_backup__sync_tree(restoring->run->fs, path.text, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_data_folder_path(&restoring->target, PX_DATA_WAL, chosen->name, &path, reterr);
    return rc == PROXIMADB_OK ? px_backup__sync_tree(restoring->run->fs, path.text, reterr) : rc;
}

/* ---- the commit ---------------------------------------------------------------------------- */

/* Writes FOLDER/NEWNAME.json. */
static int put_json(const struct restoring *restoring, struct chosen *chosen, const char *folder,
                    bool *ret_unsure, struct proximadb_error *reterr)
{
    struct px_fs *fs = restoring->run->fs;
    struct px_buffer json = {0};
    struct px_collection collection;
    struct px_path from, to;
    int rc = px_path_format(&from, reterr, "%s/metadata/collections/%s.json",
                            restoring->run->backup_dir, chosen->entry->name);
    if (rc == PROXIMADB_OK)
        rc = px_path_format(&to, reterr, "%s/%s.json", folder, chosen->name);
    if (rc == PROXIMADB_OK)
        rc = px_file_read(fs, from.text, LARGEST_JSON_BYTES, &json, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_collection_from_json(px_buffer_slice(&json), &collection, reterr);
    if (rc == PROXIMADB_OK && strcmp(collection.name, chosen->name) != 0) {
        memcpy(collection.name, chosen->name, sizeof collection.name);
        px_buffer_clear(&json);
        px_collection_to_json(&collection, &json);
        rc = px_buffer_status(&json, reterr);
    }
    if (rc == PROXIMADB_OK)
        rc = px_file_replace(fs, to.text, px_buffer_slice(&json), ret_unsure, reterr);
    chosen->tally.file_count++;
    chosen->tally.size_bytes += json.size_bytes;
    px_buffer_release(&json);
    return rc;
}

static int commit_one(struct restoring *restoring, struct proximadb_error *reterr)
{
    struct px_path folder;
    int rc = px_data_folder_path(&restoring->target, PX_DATA_METADATA, NULL, &folder, reterr);
    return rc == PROXIMADB_OK ? put_json(restoring, &restoring->chosen[0], folder.text,
                                         &restoring->is_in_doubt, reterr)
                              : rc;
}

static int stage_path(const struct restoring *restoring, struct px_path *ret_path,
                      struct proximadb_error *reterr)
{
    return px_path_format(ret_path, reterr, "%s/metadata/collections.restoring",
                          restoring->run->data_dir);
}

static int fill_stage(struct restoring *restoring, const struct px_path *stage,
                      struct proximadb_error *reterr)
{
    bool unsure;
    int rc = px_folder_remove(restoring->run->fs, stage->text, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_folder_make(restoring->run->fs, stage->text, reterr);
    for (size_t i = 0; i < restoring->chosen_count && rc == PROXIMADB_OK; i++)
        rc = put_json(restoring, &restoring->chosen[i], stage->text, &unsure, reterr);
    return rc;
}

/* All of them become visible by one rename, of a folder over an empty one. */
static int commit_all(struct restoring *restoring, struct proximadb_error *reterr)
{
    struct px_fs *fs = restoring->run->fs;
    struct px_path stage, folder, parent;
    int rc = stage_path(restoring, &stage, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_data_folder_path(&restoring->target, PX_DATA_METADATA, NULL, &folder, reterr);
    if (rc == PROXIMADB_OK)
        rc = fill_stage(restoring, &stage, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    if (fs->rename(fs, stage.text, folder.text) < 0)
        return px_fail_file(reterr, "cannot rename '%s' into place", stage.text);
    px_path_parent(folder.text, &parent);
    if (fs->sync_folder(fs, parent.text) < 0) {
        restoring->is_in_doubt = true;
        return px_fail_file(reterr, "cannot sync the folder '%s'", parent.text);
    }
    return PROXIMADB_OK;
}

static int place_all(struct restoring *restoring, struct proximadb_error *reterr)
{
    int rc = PROXIMADB_OK;
    for (size_t i = 0; i < restoring->chosen_count && rc == PROXIMADB_OK; i++)
        rc = place_collection(restoring, &restoring->chosen[i], reterr);
    if (rc != PROXIMADB_OK || restoring->chosen_count == 0)
        return rc;
    return restoring->chosen_count == 1 ? commit_one(restoring, reterr)
                                        : commit_all(restoring, reterr);
}

/* ---- the end ------------------------------------------------------------------------------- */

/* Takes away what was not committed. Failures do no harm: without a JSON it does not count. */
static void discard_collections(struct restoring *restoring)
{
    struct px_fs *fs = restoring->run->fs;
    struct px_path path;
    if (stage_path(restoring, &path, NULL) == PROXIMADB_OK)
        px_backup__discard(fs, path.text);
    for (size_t i = 0; i < restoring->chosen_count; i++) {
        const struct chosen *chosen = &restoring->chosen[i];
        if (!chosen->is_begun)
            continue;
        if (px_data_folder_path(&restoring->target, PX_DATA_WAL, chosen->name, &path, NULL) ==
            PROXIMADB_OK)
            px_backup__discard(fs, path.text);
        if (px_data_folder_path(&restoring->target, PX_DATA_STORE, chosen->name, &path, NULL) ==
            PROXIMADB_OK)
            px_backup__discard(fs, path.text);
    }
}

/* Leaves a folder as it was: gone, empty, or without what was to be restored. Of a folder that
 * another process took meanwhile nothing is ours. */
static void clean_up(struct restoring *restoring, int rc)
{
    const struct px_backup_run *run = restoring->run;
    if (restoring->is_open)
        discard_collections(restoring);
    else if (rc == PROXIMADB_UNAVAILABLE)
        return;
    if (restoring->made_folder)
        px_backup__discard(run->fs, run->data_dir);
    else if (restoring->was_empty)
        rc = px_backup__clear_folder(run->fs, run->data_dir, NULL);
    (void)rc; /* what is left counts for nothing */
}

static void tell_all(const struct restoring *restoring)
{
    struct px_backup_tally total = {0};
    for (size_t i = 0; i < restoring->chosen_count; i++) {
        const struct chosen *chosen = &restoring->chosen[i];
        total.file_count += chosen->tally.file_count;
        total.size_bytes += chosen->tally.size_bytes;
        total.linked_count += chosen->tally.linked_count;
        (void)px_backup__tell(restoring->run, "collection", chosen->entry, chosen->name,
                              &chosen->tally);
    }
    (void)px_backup__tell(restoring->run, "summary", NULL, NULL, &total);
}

static int restore(struct restoring *restoring, struct proximadb_error *reterr)
{
    int rc = px_restore__read_list(restoring->run, &restoring->list, reterr);
    if (rc == PROXIMADB_OK)
        rc = choose_all(restoring, reterr);
    if (rc == PROXIMADB_OK)
        rc = look_at_target(restoring, reterr);
    if (rc == PROXIMADB_OK)
        rc = verify_all(restoring, reterr);
    if (rc == PROXIMADB_OK)
        rc = open_target(restoring, reterr);
    if (rc == PROXIMADB_OK)
        rc = place_all(restoring, reterr);
    return rc;
}

int px_restore__run(const struct px_backup_run *run, struct proximadb_error *reterr)
{
    struct restoring restoring = {.run = run};
    int rc = restore(&restoring, reterr);
    if (rc == PROXIMADB_OK)
        tell_all(&restoring); /* it is done, whether or not somebody still listens */
    else if (restoring.is_in_doubt)
        px_error_context(reterr, "all is restored, but a power cut may undo it; run 'proximadb "
                                 "check' after the next start of the system");
    else if (restoring.is_begun)
        clean_up(&restoring, rc);
    if (restoring.is_open)
        px_data_folder_close(&restoring.target);
    free(restoring.chosen);
    px_backup_list__release(&restoring.list);
    return rc;
}
