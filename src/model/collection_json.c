#include "model/collection.h"

#include "base/clock.h"
#include "codec/json.h"
#include "model/collection_internal.h"

#include <inttypes.h>

/* ---- writing ---- */

static void append_fields(const struct px_collection *collection, struct px_buffer *buffer)
{
    px_buffer_append_format(buffer, "  \"filterable\": [");
    for (uint32_t i = 0; i < collection->field_count; i++) {
        const struct px_field *field = &collection->fields[i];
        px_buffer_append_format(
            buffer, "%s\n    {\"name\": \"%s\", \"type\": \"%s\", \"parquet_id\": %" PRId32 "}",
            i == 0 ? "" : ",", field->name, px_field_type_name(field->type), field->parquet_id);
    }
    px_buffer_append_format(buffer, "%s],\n", collection->field_count == 0 ? "" : "\n  ");
}

void px_collection_to_json(const struct px_collection *collection, struct px_buffer *buffer)
{
    char id[PX_UUID_TEXT_BYTES], created_at[PX_CLOCK_TEXT_BYTES];
    px_uuid_format(collection->id, id);
    px_clock_format(collection->created_at_ms, created_at);
    /* The rules of names leave no character that JSON would have to escape. */
    px_buffer_append_format(buffer, "{\n  \"name\": \"%s\",\n  \"id\": \"%s\",\n", collection->name,
                            id);
    px_buffer_append_format(buffer, "  \"dimension\": %" PRIu32 ",\n  \"metric\": \"%s\",\n",
                            collection->dim_count, px_metric_name(collection->metric));
    px_buffer_append_format(buffer, "  \"created_at\": \"%s\",\n  \"vector_count\": %" PRIu64 ",\n",
                            created_at, collection->vector_count);
    px_buffer_append_format(
        buffer,
        "  \"index_type\": \"%s\",\n  \"index_memory\": \"%s\",\n"
        "  \"storage\": {\"profile\": \"%s\", \"layout\": \"%s\"},\n",
        px_index_type_name(collection->index_type), px_index_memory_name(collection->index_memory),
        px_storage_name(collection->storage), px_layout_name(collection->layout));
    append_fields(collection, buffer);
    px_buffer_append_format(buffer,
                            "  \"next_parquet_id\": %" PRId32 ",\n  \"format_version\": %d\n}\n",
                            collection->next_parquet_id, PX_COLLECTION_FORMAT_VERSION);
}

/* ---- reading ---- */

static int fail_key(const char *key, const char *what, struct proximadb_error *reterr)
{
    return px_fail(reterr, PROXIMADB_CORRUPT, "the key \"%s\" %s", key, what);
}

/* What breaks a rule of ours in a request breaks the format in a file. */
static int corrupt_if_invalid(int rc, struct proximadb_error *reterr)
{
    if (rc != PROXIMADB_INVALID)
        return rc;
    if (reterr != NULL)
        reterr->status = PROXIMADB_CORRUPT;
    return PROXIMADB_CORRUPT;
}

/* First of all: what another version means by the other keys is unknown. */
static int check_version(yyjson_val *root, struct proximadb_error *reterr)
{
    uint64_t version = 0;
    if (!px_json_get_u64(root, "format_version", &version) || version == 0)
        return fail_key("format_version", "is missing, or no positive integer", reterr);
    if (version > PX_COLLECTION_FORMAT_VERSION)
        return px_fail(reterr, PROXIMADB_INVALID,
                       "the file has format version %" PRIu64
                       ", this program knows versions up to %d; upgrade ProximaDB to open it",
                       version, PX_COLLECTION_FORMAT_VERSION);
    return PROXIMADB_OK;
}

static int read_name(yyjson_val *root, struct px_collection *collection,
                     struct proximadb_error *reterr)
{
    struct px_slice name;
    if (!px_json_get_string(root, "name", &name))
        return fail_key("name", "is missing, or no string", reterr);
    int rc = px_collection_name_validate(name, reterr);
    if (rc == PROXIMADB_OK)
        memcpy(collection->name, name.data, name.size_bytes);
    return rc;
}

/* A string without a NUL in it, which is terminated by one; NULL for anything else. */
static const char *text_of(yyjson_val *root, const char *key)
{
    yyjson_val *value = yyjson_obj_get(root, key);
    const char *text = yyjson_get_str(value);
    return text != NULL && strlen(text) == yyjson_get_len(value) ? text : NULL;
}

static int read_origin(yyjson_val *root, struct px_collection *collection,
                       struct proximadb_error *reterr)
{
    const char *id = text_of(root, "id"), *created_at = text_of(root, "created_at");
    if (id == NULL || !px_uuid_parse(id, &collection->id))
        return fail_key("id", "is missing, or no uuid", reterr);
    collection->created_at_ms = created_at != NULL ? px_clock_parse(created_at) : -1;
    if (collection->created_at_ms < 0)
        return fail_key("created_at", "is missing, or no time like 2024-01-15T12:00:00.123Z",
                        reterr);
    return PROXIMADB_OK;
}

static int read_numbers(yyjson_val *root, struct px_collection *collection,
                        struct proximadb_error *reterr)
{
    uint64_t dim_count, next_id;
    if (!px_json_get_u64(root, "dimension", &dim_count))
        return fail_key("dimension", "is missing, or no integer from 0 on", reterr);
    if (!px_json_get_u64(root, "vector_count", &collection->vector_count))
        return fail_key("vector_count", "is missing, or no integer from 0 on", reterr);
    if (!px_json_get_u64(root, "next_parquet_id", &next_id) || next_id < PX_FIRST_FIELD_ID ||
        next_id > PX_END_OF_FIELD_IDS)
        return fail_key("next_parquet_id", "is missing, or no integer from 100 to 1073741824",
                        reterr);
    collection->dim_count = (uint32_t)dim_count;
    collection->next_parquet_id = (int32_t)next_id;
    return px_collection__validate_dim_count(dim_count, reterr);
}

/* Versions before there were layouts wrote vectors as they are, and no "layout". */
static int read_storage(yyjson_val *storage, struct px_collection *collection,
                        struct proximadb_error *reterr)
{
    struct px_slice word;
    int profile, layout = PROXIMADB_LAYOUT_PLAIN;
    if (!px_json_get_string(storage, "profile", &word) || !px_storage_parse(word, &profile))
        return fail_key("storage", "has no \"profile\", or none of balanced, exact, compact",
                        reterr);
    if (yyjson_obj_get(storage, "layout") != NULL &&
        (!px_json_get_string(storage, "layout", &word) || !px_layout_parse(word, &layout)))
        return fail_key("storage", "has a \"layout\" that is none of compressed, plain", reterr);
    collection->storage = (enum proximadb_storage)profile;
    collection->layout = (enum proximadb_layout)layout;
    return px_collection__validate_storage(profile, layout, reterr);
}

/* Versions before there were graphs wrote no "index_memory". */
static int read_words(yyjson_val *root, struct px_collection *collection,
                      struct proximadb_error *reterr)
{
    struct px_slice word;
    int metric, index_type, index_memory = PROXIMADB_INDEX_LEAN;
    if (!px_json_get_string(root, "metric", &word) || !px_metric_parse(word, &metric))
        return fail_key("metric", "is missing, or none of cosine, l2, dot", reterr);
    if (!px_json_get_string(root, "index_type", &word) || !px_index_type_parse(word, &index_type))
        return fail_key("index_type", "is missing, or none of HNSW, IVF, FLAT", reterr);
    if (yyjson_obj_get(root, "index_memory") != NULL &&
        (!px_json_get_string(root, "index_memory", &word) ||
         !px_index_memory_parse(word, &index_memory)))
        return fail_key("index_memory", "is none of lean, fast", reterr);
    collection->metric = (enum proximadb_metric)metric;
    collection->index_type = (enum proximadb_index_type)index_type;
    collection->index_memory = (enum proximadb_index_memory)index_memory;
    return read_storage(yyjson_obj_get(root, "storage"), collection, reterr);
}

static int read_field(yyjson_val *json, const struct px_collection *collection,
                      struct px_field *field, struct proximadb_error *reterr)
{
    struct px_slice name, word;
    int type;
    int64_t id;
    if (!px_json_get_string(json, "name", &name) || !px_json_get_string(json, "type", &word) ||
        !px_field_type_parse(word, &type) || !px_json_get_i64(json, "parquet_id", &id))
        return fail_key("filterable", "has an entry without name, known type and parquet_id",
                        reterr);
    if (id < PX_FIRST_FIELD_ID || id >= collection->next_parquet_id)
        return fail_key("filterable",
                        "has an entry whose parquet_id is below 100, or not below "
                        "next_parquet_id",
                        reterr);
    int rc = px_collection__field_init(field, name, type, reterr);
    field->parquet_id = (int32_t)id;
    return rc;
}

static bool has_repeated_id(const struct px_field *fields, size_t field_count)
{
    for (size_t i = 0; i < field_count; i++)
        for (size_t j = 0; j < i; j++)
            if (fields[i].parquet_id == fields[j].parquet_id)
                return true;
    return false;
}

static int read_fields(yyjson_val *root, struct px_collection *collection,
                       struct proximadb_error *reterr)
{
    struct px_field fields[PX_MOST_FIELDS] = {0};
    size_t field_count = 0;
    yyjson_val *array = yyjson_obj_get(root, "filterable");
    if (!yyjson_is_arr(array) || yyjson_arr_size(array) > PX_MOST_FIELDS)
        return fail_key("filterable", "is missing, or no array of at most 64", reterr);
    yyjson_arr_iter items = yyjson_arr_iter_with(array);
    for (yyjson_val *item; (item = yyjson_arr_iter_next(&items)) != NULL;) {
        int rc = read_field(item, collection, &fields[field_count++], reterr);
        if (rc != PROXIMADB_OK)
            return rc;
    }
    if (has_repeated_id(fields, field_count))
        return fail_key("filterable", "gives two fields the same parquet_id", reterr);
    return px_collection__put_fields(collection, fields, field_count, reterr);
}

static int read_root(yyjson_val *root, struct px_collection *collection,
                     struct proximadb_error *reterr)
{
    int rc = read_name(root, collection, reterr);
    if (rc == PROXIMADB_OK)
        rc = read_origin(root, collection, reterr);
    if (rc == PROXIMADB_OK)
        rc = read_numbers(root, collection, reterr);
    if (rc == PROXIMADB_OK)
        rc = read_words(root, collection, reterr);
    if (rc == PROXIMADB_OK)
        rc = read_fields(root, collection, reterr);
    return corrupt_if_invalid(rc, reterr);
}

int px_collection_from_json(struct px_slice json, struct px_collection *collection,
                            struct proximadb_error *reterr)
{
    yyjson_doc *doc;
    int rc = corrupt_if_invalid(px_json_parse(json, &doc, reterr), reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    struct px_collection read = {0};
    yyjson_val *root = yyjson_doc_get_root(doc);
    rc = check_version(root, reterr);
    if (rc == PROXIMADB_OK)
        rc = read_root(root, &read, reterr);
    yyjson_doc_free(doc);
    if (rc == PROXIMADB_OK)
        *collection = read;
    return rc;
}
