#include "metadata/collection_store.h"

#include "os/file.h"
#include "os/file_replace.h"

#include <errno.h>

enum { LARGEST_FILE_BYTES = 1 << 20 };

static const char suffix[] = ".json";

int px_collection_store_put(struct px_data_folder *folder, const struct px_collection *collection,
                            struct proximadb_error *reterr)
{
    struct px_buffer json = {0};
    struct px_path path;
    int rc = px_data_folder_path(folder, PX_DATA_METADATA, collection->name, &path, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    px_collection_to_json(collection, &json);
    rc = px_buffer_status(&json, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_file_replace(folder->fs, path.text, px_buffer_slice(&json), NULL, reterr);
    px_buffer_release(&json);
    return rc;
}

int px_collection_store_remove(struct px_data_folder *folder, const char *name, bool *ret_unsure,
                               struct proximadb_error *reterr)
{
    struct px_path path, parent;
    if (ret_unsure != NULL)
        *ret_unsure = false;
    int rc = px_data_folder_path(folder, PX_DATA_METADATA, name, &path, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    if (folder->fs->unlink(folder->fs, path.text) < 0 && errno != ENOENT)
        return px_fail_file(reterr, "cannot remove '%s'", path.text);
    px_path_parent(path.text, &parent);
    if (folder->fs->sync_folder(folder->fs, parent.text) < 0) {
        if (ret_unsure != NULL)
            *ret_unsure = true;
        return px_fail_file(reterr, "cannot sync the folder '%s'", parent.text);
    }
    return PROXIMADB_OK;
}

bool px_collection_store_has(struct px_data_folder *folder, const char *name)
{
    struct px_path path;
    return px_data_folder_path(folder, PX_DATA_METADATA, name, &path, NULL) == PROXIMADB_OK &&
           px_file_exists(folder->fs, path.text);
}

int px_collection_store_read(struct px_data_folder *folder, const char *file_name,
                             struct px_collection *ret_collection, struct proximadb_error *reterr)
{
    struct px_buffer json = {0};
    struct px_collection collection;
    struct px_path folder_path, path;
    int rc = px_data_folder_path(folder, PX_DATA_METADATA, NULL, &folder_path, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    rc = px_path_format(&path, reterr, "%s/%s", folder_path.text, file_name);
    if (rc == PROXIMADB_OK)
        rc = px_file_read(folder->fs, path.text, LARGEST_FILE_BYTES, &json, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_collection_from_json(px_buffer_slice(&json), &collection, reterr);
    px_buffer_release(&json);
    size_t stem_length = strlen(file_name) - strlen(suffix);
    if (rc == PROXIMADB_OK && (strlen(collection.name) != stem_length ||
                               memcmp(collection.name, file_name, stem_length) != 0))
        rc =
            px_fail(reterr, PROXIMADB_CORRUPT, "it describes the collection '%s'", collection.name);
    if (rc == PROXIMADB_OK)
        *ret_collection = collection;
    return rc;
}

static bool has_suffix(const char *name, const char *end)
{
    size_t length = strlen(name), end_length = strlen(end);
    return length > end_length && strcmp(name + length - end_length, end) == 0;
}

/* The collection's name; false where the file has one that no collection may have. */
static bool name_of_file(const char *file_name, char name[PX_COLLECTION_NAME_BYTES])
{
    size_t length = strlen(file_name) - strlen(suffix);
    struct px_slice stem = px_slice_of(file_name, length);
    if (px_collection_name_validate(stem, NULL) != PROXIMADB_OK)
        return false;
    memcpy(name, file_name, length);
    name[length] = '\0';
    return true;
}

static int load_one(struct px_data_folder *folder, const char *file_name,
                    px_collection_visit *visit, void *context, struct proximadb_error *reterr)
{
    struct px_collection collection;
    struct proximadb_error error;
    char name[PX_COLLECTION_NAME_BYTES];
    struct px_found_collection found = {.name = name, .collection = &collection};
    if (!name_of_file(file_name, name)) {
        px_log_write(folder->log, PROXIMADB_LOG_WARNING,
                     "'%s/metadata/collections/%s' is no collection's; it is left alone",
                     folder->path.text, file_name);
        return PROXIMADB_OK;
    }
    int rc = px_collection_store_read(folder, file_name, &collection, &error);
    if (rc == PROXIMADB_NO_MEMORY)
        return px_fail_no_memory(reterr);
    if (rc != PROXIMADB_OK) {
        if (rc == PROXIMADB_INVALID) /* of a newer format: nothing that a client did */
            error.status = PROXIMADB_UNIMPLEMENTED;
        px_error_context(&error, "'%s/metadata/collections/%s' cannot be used", folder->path.text,
                         file_name);
        found.collection = NULL;
        found.damage = &error;
    }
    return visit(context, &found, reterr);
}

int px_collection_store_load(struct px_data_folder *folder, px_collection_visit *visit,
                             void *context, struct proximadb_error *reterr)
{
    struct px_path path;
    struct px_names names;
    int rc = px_data_folder_path(folder, PX_DATA_METADATA, NULL, &path, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_folder_list(folder->fs, path.text, &names, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    for (size_t i = 0; i < names.count && rc == PROXIMADB_OK; i++) {
        const char *name = names.items[i].text;
        struct px_path leftover;
        if (has_suffix(name, suffix))
            rc = load_one(folder, name, visit, context, reterr);
        else if (has_suffix(name, ".tmp") &&
                 px_path_format(&leftover, NULL, "%s/%s", path.text, name) == PROXIMADB_OK)
            (void)folder->fs->unlink(folder->fs, leftover.text);
    }
    px_names_release(&names);
    return rc;
}
