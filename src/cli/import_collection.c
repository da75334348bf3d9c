#include "cli/import_collection.h"

#include "cli/embedded.h"
#include "os/file.h"
#include "os/path.h"

#include <string.h>

static const char *const types[] = {"string", "long", "double", "boolean", "string_array", NULL};

/* ---- fields -------------------------------------------------------------------------------- */

static int read_field(const char *text, struct proximadb_filterable *field,
                      char name[PX_IMPORT_FIELD_NAME_BYTES], struct proximadb_error *reterr)
{
    const char *colon = strrchr(text, ':');
    size_t size = colon != NULL ? (size_t)(colon - text) : 0;
    if (size == 0 || size >= PX_IMPORT_FIELD_NAME_BYTES)
        return px_fail(reterr, PROXIMADB_INVALID,
                       "--filterable '%.60s' must be a name and a type, such as year:long", text);
    memcpy(name, text, size);
    name[size] = '\0';
    for (int type = 0; types[type] != NULL; type++)
        if (strcmp(colon + 1, types[type]) == 0) {
            *field = (struct proximadb_filterable){.name = name, .type = type};
            return PROXIMADB_OK;
        }
    return px_fail(reterr, PROXIMADB_INVALID,
                   "--filterable '%.60s': a type is string, long, double, boolean or string_array",
                   text);
}

int px_import_collection_fields(struct px_import_collection *collection,
                                const struct px_texts *texts, struct proximadb_error *reterr)
{
    int rc = PROXIMADB_OK;
    for (size_t i = 0; rc == PROXIMADB_OK && i < texts->count; i++)
        rc = read_field(texts->items[i], &collection->fields[i], collection->names[i], reterr);
    collection->spec.filterable = collection->fields;
    collection->spec.filterable_count = texts->count;
    return rc;
}

/* ---- what is there ------------------------------------------------------------------------- */

static int fail_missing(const struct px_import_collection *collection,
                        struct proximadb_error *reterr)
{
    return px_fail(reterr, PROXIMADB_COLLECTION_NOT_FOUND,
                   "there is no collection '%.128s' in '%s'; add --create to make it",
                   collection->spec.name, collection->data_dir);
}

int px_import_collection_look(const struct px_import_collection *collection,
                              struct proximadb_error *reterr)
{
    static const char *const marks[] = {"proximadb.json", "metadata"};
    bool is_there = collection->create;
    for (size_t i = 0; !is_there && i < sizeof marks / sizeof marks[0]; i++) {
        struct px_path path;
        int rc = px_path_format(&path, reterr, "%s/%s", collection->data_dir, marks[i]);
        if (rc != PROXIMADB_OK)
            return rc;
        is_there = px_file_exists(&px_fs_posix, path.text);
    }
    return is_there ? PROXIMADB_OK : fail_missing(collection, reterr);
}

static int fail_differs(const struct px_import_collection *collection, const char *flag,
                        struct proximadb_error *reterr)
{
    return px_fail(reterr, PROXIMADB_INVALID,
                   "collection '%.128s' is there, and its %s is another one; leave out --%s, or "
                   "name a new collection",
                   collection->spec.name, flag, flag);
}

static bool has_field(const struct proximadb_collection_spec *spec,
                      const struct proximadb_filterable *field)
{
    for (size_t i = 0; i < spec->filterable_count; i++)
        if (strcmp(spec->filterable[i].name, field->name) == 0)
            return spec->filterable[i].type == field->type;
    return false;
}

static int check_spec(const struct px_import_collection *collection,
                      const struct proximadb_collection_spec *found, size_t dim_count,
                      struct proximadb_error *reterr)
{
    const struct proximadb_collection_spec *wanted = &collection->spec;
    if (collection->has_metric && found->metric != wanted->metric)
        return fail_differs(collection, "metric", reterr);
    if (collection->has_index_type && found->index_type != wanted->index_type)
        return fail_differs(collection, "index", reterr);
    if (collection->has_storage && found->storage != wanted->storage)
        return fail_differs(collection, "storage", reterr);
    if (collection->has_layout && found->layout != wanted->layout)
        return fail_differs(collection, "layout", reterr);
    for (size_t i = 0; i < wanted->filterable_count; i++)
        if (!has_field(found, &wanted->filterable[i]))
            return px_fail(reterr, PROXIMADB_INVALID,
                           "collection '%.128s' is there, and has no filterable field '%s' of type "
                           "%s; leave out --filterable, or name a new collection",
                           wanted->name, wanted->filterable[i].name,
                           types[wanted->filterable[i].type]);
    if (wanted->dim_count != 0 && wanted->dim_count != found->dim_count)
        return fail_differs(collection, "dimension", reterr);
    if (dim_count != 0 && dim_count != found->dim_count)
        return px_fail_numbers(reterr, PROXIMADB_DIMENSION, -1, (int64_t)found->dim_count,
                               (int64_t)dim_count,
                               "its vectors have %zu dimensions, those of collection '%.128s' %u",
                               dim_count, wanted->name, found->dim_count);
    return PROXIMADB_OK;
}

static int check_found(const struct px_import_collection *collection,
                       struct proximadb_buffer *response, size_t dim_count,
                       struct proximadb_error *reterr)
{
    struct proximadb_collection_info info;
    proximadb_reader *reader = NULL;
    int rc = proximadb_reader_new(response, &reader, reterr);
    if (rc == PROXIMADB_OK && !proximadb_reader_next_collection(reader, &info, reterr))
        rc = reterr->status != PROXIMADB_OK
                 ? reterr->status
                 : px_fail(reterr, PROXIMADB_INTERNAL, "the collection is not described");
    if (rc == PROXIMADB_OK)
        rc = check_spec(collection, &info.spec, dim_count, reterr);
    proximadb_reader_free(reader);
    return rc;
}

/* ---- making it ----------------------------------------------------------------------------- */

static int make(struct px_import_collection *collection, proximadb *db, size_t dim_count,
                struct proximadb_error *reterr)
{
    struct proximadb_collection_spec spec = collection->spec;
    struct proximadb_buffer payload = {0};
    if (spec.dim_count == 0)
        spec.dim_count = (uint32_t)dim_count;
    if (spec.dim_count == 0)
        return px_fail(reterr, PROXIMADB_INVALID,
                       "it has no rows that tell the dimension; say --dimension COUNT");
    int rc = proximadb_encode_collection(&spec, &payload, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_embedded_call(db, PROXIMADB_CREATE_COLLECTION, spec.name, &payload, NULL, reterr);
    collection->was_made = rc == PROXIMADB_OK;
    return rc;
}

int px_import_collection_need(struct px_import_collection *collection, proximadb *db,
                              size_t dim_count, struct proximadb_error *reterr)
{
    struct proximadb_buffer response = {0};
    int rc = px_embedded_call(db, PROXIMADB_GET_COLLECTION, collection->spec.name, NULL, &response,
                              reterr);
    if (rc == PROXIMADB_OK)
        return check_found(collection, &response, dim_count, reterr);
    if (rc != PROXIMADB_COLLECTION_NOT_FOUND)
        return rc;
    if (!collection->create)
        return fail_missing(collection, reterr);
    *reterr = (struct proximadb_error){.row_index = -1};
    return make(collection, db, dim_count, reterr);
}

void px_import_collection_undo(struct px_import_collection *collection, proximadb *db)
{
    struct proximadb_error ignored = {0}; /* the import has failed with another one */
    int rc = PROXIMADB_OK;
    if (collection->was_made)
        rc = px_embedded_call(db, PROXIMADB_DELETE_COLLECTION, collection->spec.name, NULL, NULL,
                              &ignored);
    collection->was_made = rc != PROXIMADB_OK;
}
