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

int px_collection_store_remove(struct px_data_folder *folder, const char *name,
                               struct proximadb_error *reterr)
{
    struct px_path path, parent;
    int rc = px_data_folder_path(folder, PX_DATA_METADATA, name, &path, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    if (folder->fs->unlink(folder->fs, path.text) < 0 && errno != ENOENT)
        return px_fail_file(reterr, "cannot remove '%s'", path.text);
    px_path_parent(path.text, &parent);
    if (folder->fs->sync_folder(folder->fs, parent.text) < 0)
        return px_fail_file(reterr, "cannot sync the folder '%s'", parent.text);
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

static int load_one(struct px_data_folder *folder, const char *file_name,
                    px_collection_visit *visit, void *context, struct proximadb_error *reterr)
{
    struct px_collection collection;
    struct proximadb_error error;
    int rc = px_collection_store_read(folder, file_name, &collection, &error);
    if (rc == PROXIMADB_OK)
        return visit(context, &collection, reterr);
    if (rc == PROXIMADB_NO_MEMORY)
        return px_fail_no_memory(reterr);
    px_log_write(folder->log, PROXIMADB_LOG_ERROR,
                 "'%s' in '%s/metadata/collections' cannot be used, its collection is not served: "
                 "%s",
                 file_name, folder->path.text, error.message);
    return PROXIMADB_OK;
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
        size_t length = strlen(name);
        struct px_path leftover;
        if (length > strlen(suffix) && strcmp(name + length - strlen(suffix), suffix) == 0)
            rc = load_one(folder, name, visit, context, reterr);
        else if (length > 4 && strcmp(name + length - 4, ".tmp") == 0 &&
                 px_path_format(&leftover, NULL, "%s/%s", path.text, name) == PROXIMADB_OK)
            (void)folder->fs->unlink(folder->fs, leftover.text);
    }
    px_names_release(&names);
    return rc;
}
