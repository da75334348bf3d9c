#include "api/backup_internal.h"

#include "base/finding.h"
#include "codec/json_line.h"
#include "metadata/collection_store.h"
#include "os/file.h"
#include "viper/store_check.h"
#include "wal/wal_chain.h"

#include <errno.h>
#include <stdlib.h>

/* A data folder while it is checked. */
struct checking {
    struct px_data_folder folder;
    struct px_findings findings;
    proximadb_sink *sink;
    void *sink_context;
    bool is_stopped;     /* the sink wants no more */
    int status;          /* PROXIMADB_NO_MEMORY once a line could not be made */
    uint64_t counts[3];  /* of findings, by severity */
    uint64_t file_count; /* read, besides those that were only listed */
    uint64_t size_bytes;
    uint64_t collection_count;
    uint64_t live_row_count;        /* of the stores, as of their last flushes */
    int64_t flushed_lsn;            /* of the store whose log is read */
    uint64_t unflushed_entry_count; /* that are in the logs only */
    uint64_t unflushed_row_count;
};

static void give(struct checking *checking, struct px_buffer *line)
{
    if (line->status != PROXIMADB_OK)
        checking->status = line->status;
    else if (!checking->is_stopped)
        checking->is_stopped =
            !checking->sink(checking->sink_context, (const char *)line->data, line->size_bytes);
    px_buffer_release(line);
}

static void take_finding(void *context, enum px_severity severity, const char *path,
                         const char *what)
{
    struct checking *checking = context;
    struct px_buffer line = {0};
    checking->counts[severity]++;
    px_json_line_begin(&line, "finding");
    px_json_line_string(&line, "severity", px_severity_name(severity));
    px_json_line_string(&line, "file", path);
    px_json_line_string(&line, "what", what);
    px_json_line_end(&line);
    give(checking, &line);
}

static void give_summary(struct checking *checking)
{
    struct px_buffer line = {0};
    px_json_line_begin(&line, "summary");
    px_json_line_u64(&line, "collection_count", checking->collection_count);
    px_json_line_u64(&line, "live_row_count", checking->live_row_count);
    px_json_line_u64(&line, "unflushed_entry_count", checking->unflushed_entry_count);
    px_json_line_u64(&line, "unflushed_row_count", checking->unflushed_row_count);
    px_json_line_u64(&line, "file_count", checking->file_count);
    px_json_line_u64(&line, "size_bytes", checking->size_bytes);
    px_json_line_u64(&line, "damage_count", checking->counts[PX_DAMAGE]);
    px_json_line_u64(&line, "warning_count", checking->counts[PX_WARNING]);
    px_json_line_u64(&line, "note_count", checking->counts[PX_NOTE]);
    px_json_line_end(&line);
    give(checking, &line);
}

/* ---- one collection ------------------------------------------------------------------------ */

static int count_log(void *context, const struct px_wal_chain_file *file,
                     struct proximadb_error *reterr)
{
    struct checking *checking = context;
    (void)reterr;
    checking->file_count++;
    checking->size_bytes += file->size_bytes;
    return PROXIMADB_OK;
}

static int count_entry(void *context, const struct px_wal_entry *entry,
                       struct proximadb_error *reterr)
{
    struct checking *checking = context;
    (void)reterr;
    if (entry->lsn > checking->flushed_lsn) {
        checking->unflushed_entry_count++;
        checking->unflushed_row_count += entry->row_count;
    }
    return PROXIMADB_OK;
}

static int check_store(struct checking *checking, const struct px_collection *collection,
                       int64_t *ret_flushed_lsn, struct proximadb_error *reterr)
{
    struct px_store_checked checked;
    struct px_path path;
    int rc = px_data_folder_path(&checking->folder, PX_DATA_STORE, collection->name, &path, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    const struct px_store_check check = {.fs = checking->folder.fs,
                                         .folder = path.text,
                                         .collection = collection,
                                         .findings = &checking->findings};
    rc = px_store_check_run(&check, &checked, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    checking->file_count += checked.file_count;
    checking->size_bytes += checked.size_bytes;
    checking->live_row_count += checked.live_row_count;
    /* Without a manifest nobody knows what the log must hold. */
    *ret_flushed_lsn = checked.has_manifest ? checked.flushed_lsn : INT64_MAX - 1;
    return PROXIMADB_OK;
}

static int check_log(struct checking *checking, const struct px_collection *collection,
                     int64_t flushed_lsn, struct proximadb_error *reterr)
{
    struct px_path path;
    int rc = px_data_folder_path(&checking->folder, PX_DATA_WAL, collection->name, &path, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    const struct px_wal_chain_options options = {.fs = checking->folder.fs,
                                                 .folder = path.text,
                                                 .collection_id = collection->id,
                                                 .flushed_lsn = flushed_lsn,
                                                 .findings = &checking->findings,
                                                 .entry = count_entry,
                                                 .file = count_log,
                                                 .context = checking};
    checking->flushed_lsn = flushed_lsn;
    return px_wal_chain_read(&options, reterr);
}

static int check_collection(struct checking *checking, const char *file_name, const char *path,
                            struct proximadb_error *reterr)
{
    struct px_collection collection;
    struct proximadb_error error;
    int64_t flushed_lsn;
    checking->file_count++;
    checking->collection_count++;
    int rc = px_collection_store_read(&checking->folder, file_name, &collection, &error);
    if (rc == PROXIMADB_NO_MEMORY)
        return px_fail_no_memory(reterr);
    if (rc != PROXIMADB_OK) {
        px_finding_report(&checking->findings, PX_DAMAGE, path,
                          "the collection cannot be served, and its files were not checked: %s",
                          error.message);
        return PROXIMADB_OK;
    }
    rc = check_store(checking, &collection, &flushed_lsn, reterr);
    return rc == PROXIMADB_OK ? check_log(checking, &collection, flushed_lsn, reterr) : rc;
}

/* ---- the data folder ----------------------------------------------------------------------- */

static bool has_suffix(const char *name, const char *suffix)
{
    size_t length = strlen(name), suffix_length = strlen(suffix);
    return length > suffix_length && strcmp(name + length - suffix_length, suffix) == 0;
}

static int list(struct checking *checking, const char *folder, struct px_path *ret_path,
                struct px_names *ret_names, struct proximadb_error *reterr)
{
    int rc = px_path_format(ret_path, reterr, "%s/%s", checking->folder.path.text, folder);
    return rc == PROXIMADB_OK
               ? px_folder_list(checking->folder.fs, ret_path->text, ret_names, reterr)
               : rc;
}

static int check_collections(struct checking *checking, struct proximadb_error *reterr)
{
    struct px_names names = {0};
    struct px_path folder;
    int rc = list(checking, "metadata/collections", &folder, &names, reterr);
    for (size_t i = 0; rc == PROXIMADB_OK && i < names.count && !checking->is_stopped; i++) {
        const char *name = names.items[i].text;
        struct px_path path;
        rc = px_path_format(&path, reterr, "%s/%s", folder.text, name);
        if (rc != PROXIMADB_OK)
            break;
        if (has_suffix(name, ".json"))
            rc = check_collection(checking, name, path.text, reterr);
        else if (has_suffix(name, ".json.tmp"))
            px_finding_report(&checking->findings, PX_NOTE, path.text,
                              "it was left by an interrupted write; a start of the server removes "
                              "it");
        else
            px_finding_report(&checking->findings, PX_WARNING, path.text,
                              "it is no description of a collection");
    }
    px_names_release(&names);
    return rc;
}

/* What is in wal/ or store/ and belongs to no collection. */
static int check_orphans(struct checking *checking, const char *place,
                         struct proximadb_error *reterr)
{
    struct px_names names = {0};
    struct px_path folder;
    int rc = list(checking, place, &folder, &names, reterr);
    for (size_t i = 0; rc == PROXIMADB_OK && i < names.count; i++) {
        struct px_path path;
        if (px_collection_store_has(&checking->folder, names.items[i].text))
            continue;
        rc = px_path_format(&path, reterr, "%s/%s", folder.text, names.items[i].text);
        if (rc == PROXIMADB_OK)
            px_finding_report(&checking->findings, PX_NOTE, path.text,
                              "there is no collection of that name: it was left when one was "
                              "created or dropped; a start of the server moves it to the trash");
    }
    px_names_release(&names);
    return rc;
}

/* proximadb.json, and what does not belong beside it. */
static int check_root(struct checking *checking, struct proximadb_error *reterr)
{
    static const char *const known[] = {
        "proximadb.json", "proximadb.lock", "reserve",      "metadata",          "wal",
        "store",          "trash",          PX_BACKUP_FILE, PX_BACKUP_UNFINISHED};
    struct proximadb_error error;
    struct px_names names = {0};
    struct px_path folder, path;
    checking->file_count++;
    if (px_data_folder_read_format(&checking->folder, &error) != PROXIMADB_OK)
        px_finding_report(&checking->findings, error.os_errno == ENOENT ? PX_WARNING : PX_DAMAGE,
                          checking->folder.path.text, "%s", error.message);
    int rc = list(checking, ".", &folder, &names, reterr);
    for (size_t i = 0; rc == PROXIMADB_OK && i < names.count; i++) {
        bool is_known = false;
        for (size_t j = 0; j < sizeof known / sizeof known[0]; j++)
            is_known |= strcmp(names.items[i].text, known[j]) == 0;
        if (is_known)
            continue;
        rc =
            px_path_format(&path, reterr, "%s/%s", checking->folder.path.text, names.items[i].text);
        if (rc == PROXIMADB_OK)
            px_finding_report(&checking->findings, PX_WARNING, path.text,
                              "it is no part of a data folder");
    }
    px_names_release(&names);
    return rc;
}

static int check_trash(struct checking *checking, struct proximadb_error *reterr)
{
    struct px_names names = {0};
    struct px_path folder;
    int rc = list(checking, "trash", &folder, &names, reterr);
    if (rc == PROXIMADB_OK && names.count > 0)
        px_finding_report(&checking->findings, PX_NOTE, folder.text,
                          "%zu things that were cut off or left over are kept here; they are not "
                          "checked, and may be removed by hand",
                          names.count);
    px_names_release(&names);
    return rc;
}

/* ---- a backup ------------------------------------------------------------------------------ */

static bool has_file(const struct checking *checking, const char *name)
{
    struct px_path path;
    return px_path_format(&path, NULL, "%s/%s", checking->folder.path.text, name) == PROXIMADB_OK &&
           px_file_exists(checking->folder.fs, path.text);
}

/* What restoring would say of the backup, in `error`. */
static int verify_backup(const struct checking *checking, const struct px_backup_run *run,
                         struct proximadb_error *error)
{
    struct px_backup_list list = {0};
    int rc = px_restore__read_list(run, &list, error);
    if (rc == PROXIMADB_OK)
        rc = px_restore__check_format(run, error);
    for (size_t i = 0; i < list.entry_count && !checking->is_stopped; i++) {
        if (rc != PROXIMADB_OK)
            break;
        rc = px_restore__verify(run, &list, &list.entries[i], error);
    }
    px_backup_list__release(&list);
    return rc;
}

/* A backup is what its BACKUP.json lists: its files may be sound, and not all that restoring needs.
 */
static int check_backup(struct checking *checking, struct proximadb_error *reterr)
{
    const struct px_backup_run run = {.fs = checking->folder.fs,
                                      .clock = &px_clock_system,
                                      .backup_dir = checking->folder.path.text};
    struct proximadb_error error;
    if (!has_file(checking, PX_BACKUP_FILE) && !has_file(checking, PX_BACKUP_UNFINISHED))
        return PROXIMADB_OK;
    int rc = verify_backup(checking, &run, &error);
    if (rc == PROXIMADB_NO_MEMORY)
        return px_fail_no_memory(reterr);
    if (rc != PROXIMADB_OK)
        px_finding_report(&checking->findings, PX_DAMAGE, checking->folder.path.text,
                          "it is a backup that cannot be restored: %s", error.message);
    return PROXIMADB_OK;
}

/* ---- all of it ----------------------------------------------------------------------------- */

static int check_all(struct checking *checking, struct proximadb_error *reterr)
{
    int rc = check_root(checking, reterr);
    if (rc == PROXIMADB_OK)
        rc = check_collections(checking, reterr);
    if (rc == PROXIMADB_OK)
        rc = check_orphans(checking, "wal", reterr);
    if (rc == PROXIMADB_OK)
        rc = check_orphans(checking, "store", reterr);
    if (rc == PROXIMADB_OK)
        rc = check_trash(checking, reterr);
    if (rc == PROXIMADB_OK)
        rc = check_backup(checking, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    give_summary(checking);
    if (checking->status != PROXIMADB_OK)
        return px_fail_no_memory(reterr);
    if (checking->is_stopped)
        return px_fail(reterr, PROXIMADB_CANCELLED, "the receiver wants no more lines");
    if (checking->counts[PX_DAMAGE] > 0)
        return px_fail(reterr, PROXIMADB_CORRUPT,
                       "'%s' is damaged in %llu places; the findings say where",
                       checking->folder.path.text, (unsigned long long)checking->counts[PX_DAMAGE]);
    return PROXIMADB_OK;
}

int proximadb_check(const char *data_dir, proximadb_sink *sink, void *context,
                    struct proximadb_error *reterr)
{
    struct checking checking = {.sink = sink, .sink_context = context};
    struct px_path path;
    checking.findings = (struct px_findings){.report = take_finding, .context = &checking};
    if (data_dir == NULL || data_dir[0] == '\0')
        return px_fail(reterr, PROXIMADB_INVALID, "the data folder's path is empty; name a folder");
    int rc = px_path_resolve(data_dir, &path, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_data_folder_look(&checking.folder, &px_fs_posix, path.text, true, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    rc = check_all(&checking, reterr);
    px_data_folder_close(&checking.folder);
    return rc;
}
