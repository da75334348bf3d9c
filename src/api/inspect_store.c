#include "api/inspect_internal.h"

#include "metadata/collection_store.h"
#include "os/file.h"
#include "parquet/parquet_reader.h"
#include "viper/part_columns.h"
#include "wal/wal_chain.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

enum {
    MOST_TRIES = 20,
    PAUSE_MS = 50,
};

static int read_collection(struct px_inspect_view *view, const char *name,
                           struct proximadb_error *reterr)
{
    struct proximadb_error error;
    char file_name[PX_COLLECTION_NAME_BYTES + sizeof ".json"];
    snprintf(file_name, sizeof file_name, "%s.json", name);
    int rc = px_collection_store_read(&view->folder, file_name, &view->collection, &error);
    if (rc == PROXIMADB_OK)
        return rc;
    if (rc == PROXIMADB_IO && error.os_errno == ENOENT)
        return px_fail(reterr, PROXIMADB_COLLECTION_NOT_FOUND,
                       "there is no collection '%.64s' in '%s'; check the name", name,
                       view->folder.path.text);
    px_error_context(&error, "'%s' in '%s/metadata/collections' cannot be used", file_name,
                     view->folder.path.text);
    if (reterr != NULL)
        *reterr = error;
    return rc;
}

static int read_view(struct px_inspect_view *view, const char *name, struct proximadb_error *reterr)
{
    int rc = px_data_folder_read_format(&view->folder, reterr);
    if (rc == PROXIMADB_OK)
        rc = read_collection(view, name, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_data_folder_path(&view->folder, PX_DATA_STORE, name, &view->store_folder, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_manifest_read(view->folder.fs, view->store_folder.text, &view->manifest, reterr);
    if (rc == PROXIMADB_OK && !px_uuid_equal(view->manifest.collection_id, view->collection.id))
        rc = px_fail(reterr, PROXIMADB_CORRUPT, "'%s/MANIFEST.json' is of another collection",
                     view->store_folder.text);
    return rc;
}

static void close_view(struct px_inspect_view *view)
{
    px_manifest_release(&view->manifest);
    px_data_folder_close(&view->folder);
}

/* Whether the collection has another manifest by now, or is gone: then what was read of it may
 * belong to neither the one nor the other. */
static bool has_changed(const struct px_inspect_view *view)
{
    struct px_manifest now = {0};
    struct proximadb_error error;
    int rc = px_manifest_read(view->folder.fs, view->store_folder.text, &now, &error);
    bool changed = rc == PROXIMADB_OK
                       ? now.sequence != view->manifest.sequence ||
                             !px_uuid_equal(now.collection_id, view->manifest.collection_id)
                       : px_manifest_is_missing(view->folder.fs, view->store_folder.text);
    px_manifest_release(&now);
    return changed;
}

/* Whether the collection was dropped while it was read, or may have been: a damaged one looks like
 * that for ever. */
static bool may_be_dropped(const struct px_inspect_view *view, int rc,
                           const struct proximadb_error *error)
{
    if (rc == PROXIMADB_IO && error->os_errno == ENOENT)
        return true;
    return view->store_folder.text[0] != '\0' &&
           px_manifest_is_missing(view->folder.fs, view->store_folder.text);
}

/* Describes the collection once. *ret_changed: it was changed meanwhile; the outcome may mean
 * nothing. */
static int try_once(const char *path, const char *name, px_inspect_describe *describe,
                    struct px_buffer *lines, bool *ret_changed, struct proximadb_error *reterr)
{
    struct px_inspect_view view = {0};
    struct proximadb_error error;
    *ret_changed = false;
    int rc = px_data_folder_look(&view.folder, &px_fs_posix, path, false, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    rc = read_view(&view, name, &error);
    if (rc == PROXIMADB_OK) {
        rc = describe(&view, lines, &error);
        *ret_changed = has_changed(&view);
    } else {
        *ret_changed = may_be_dropped(&view, rc, &error);
    }
    close_view(&view);
    if (rc != PROXIMADB_OK && reterr != NULL)
        *reterr = error;
    return rc;
}

int px_inspect__store(const char *path, const char *collection, px_inspect_describe *describe,
                      struct px_inspect_output *output, struct proximadb_error *reterr)
{
    const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000};
    bool changed = true;
    int rc = PROXIMADB_OK;
    for (int i = 0; changed && i < MOST_TRIES; i++) {
        if (i > 0)
            (void)nanosleep(&pause, NULL);
        px_buffer_clear(&output->lines);
        rc = try_once(path, collection, describe, &output->lines, &changed, reterr);
    }
    if (rc == PROXIMADB_OK && changed)
        return px_fail(reterr, PROXIMADB_UNAVAILABLE,
                       "the collection '%.64s' is changed faster than it can be read; try again "
                       "later",
                       collection);
    /* Of a damaged collection, too, the lines say what there is. */
    int flushed = px_inspect__flush(output, rc == PROXIMADB_OK ? reterr : NULL);
    return rc != PROXIMADB_OK ? rc : flushed;
}

/* ---- the statement ------------------------------------------------------------------------- */

static int add_fields_of_part(const struct px_inspect_view *view,
                              const struct px_manifest_file *file, struct px_sql_fields *fields,
                              struct proximadb_error *reterr)
{
    struct px_parquet_reader *reader = NULL;
    struct px_slice content = {0}, name;
    enum proximadb_field_type type;
    struct px_path path;
    int rc = px_path_format(&path, reterr, "%s/%s", view->store_folder.text, file->path);
    if (rc == PROXIMADB_OK)
        rc = px_file_map(view->folder.fs, path.text, &content, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    rc = px_parquet_reader_open(content, &reader, reterr);
    if (rc != PROXIMADB_OK)
        px_error_context(reterr, "the part '%s'", path.text);
    size_t count = rc == PROXIMADB_OK ? px_parquet_reader_layout(reader)->column_count : 0;
    for (size_t i = 0; i < count && rc == PROXIMADB_OK; i++)
        if (px_part_column_field(&px_parquet_reader_layout(reader)->columns[i], &type, &name))
            rc = px_sql_fields_add(fields, name, type, true, reterr);
    px_parquet_reader_close(reader);
    px_file_unmap(view->folder.fs, content);
    return rc;
}

/* What the log has above the files. */
struct unflushed {
    int64_t flushed_lsn;
    uint64_t entry_count;
    uint64_t row_count;
};

static int count_entry(void *context, const struct px_wal_entry *entry,
                       struct proximadb_error *reterr)
{
    struct unflushed *unflushed = context;
    (void)reterr;
    if (entry->lsn > unflushed->flushed_lsn) {
        unflushed->entry_count++;
        unflushed->row_count += entry->row_count;
    }
    return PROXIMADB_OK;
}

/* A server may remove files of the log meanwhile. */
static int count_unflushed(const struct px_inspect_view *view, struct unflushed *ret_unflushed,
                           struct proximadb_error *reterr)
{
    struct px_path folder;
    const char *name = view->collection.name;
    int rc = px_data_folder_path(&view->folder, PX_DATA_WAL, name, &folder, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    const struct px_wal_chain_options options = {.fs = view->folder.fs,
                                                 .folder = folder.text,
                                                 .collection_id = view->collection.id,
                                                 .flushed_lsn = view->manifest.flushed_lsn,
                                                 .is_live = true,
                                                 .entry = count_entry,
                                                 .context = ret_unflushed};
    rc = PROXIMADB_IO;
    for (int i = 0; rc == PROXIMADB_IO && i < MOST_TRIES; i++) {
        *ret_unflushed = (struct unflushed){.flushed_lsn = view->manifest.flushed_lsn};
        rc = px_wal_chain_read(&options, reterr);
    }
    return rc;
}

/* Says in front of the statement what it does not give. The files are what is asked for, so that a
 * log that cannot be read is no failure. */
static int put_unflushed(const struct px_inspect_view *view, struct px_buffer *lines,
                         struct proximadb_error *reterr)
{
    struct unflushed unflushed;
    struct proximadb_error error;
    int rc = count_unflushed(view, &unflushed, &error);
    if (rc == PROXIMADB_NO_MEMORY)
        return px_fail_no_memory(reterr);
    if (rc != PROXIMADB_OK)
        px_buffer_append_format(lines, "-- The log cannot be read; its rows are missing here.\n");
    else if (unflushed.entry_count > 0)
        px_buffer_append_format(lines,
                                "-- %" PRIu64 " writes of %" PRIu64
                                " rows are in the log only, and missing here; flush them first.\n",
                                unflushed.entry_count, unflushed.row_count);
    return PROXIMADB_OK;
}

int px_inspect__sql(const struct px_inspect_view *view, struct px_buffer *lines,
                    struct proximadb_error *reterr)
{
    const struct px_collection *collection = &view->collection;
    struct px_sql_fields fields = {0};
    int rc = put_unflushed(view, lines, reterr);
    for (uint32_t i = 0; i < collection->field_count && rc == PROXIMADB_OK; i++)
        rc = px_sql_fields_add(&fields, px_slice_of_string(collection->fields[i].name),
                               collection->fields[i].type, false, reterr);
    for (size_t i = 0; i < view->manifest.parts.count && rc == PROXIMADB_OK; i++)
        rc = add_fields_of_part(view, &view->manifest.parts.items[i], &fields, reterr);
    if (rc == PROXIMADB_OK)
        px_sql_live_rows(view->store_folder.text, &view->manifest, &fields, lines);
    px_sql_fields_release(&fields);
    return rc;
}
