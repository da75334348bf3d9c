#include "payload/request_writer.h"

#include "avro/encode.h"
#include "avro/schemas.h"
#include "codec/utf8.h"
#include "model/collection.h"
#include "model/filter.h"
#include "model/metadata.h"
#include "payload/fields.h"
#include "payload/request.h"
#include "payload/validate.h"

enum { DEFAULT_SCAN_ROWS = 1000 };

static int check_filter(const struct proximadb_filter *filter, struct proximadb_error *reterr)
{
    struct px_slice text = px_slice_of(filter->text, filter->text_size_bytes);
    if (filter->text == NULL && filter->param_count > 0)
        return px_fail(reterr, PROXIMADB_INVALID,
                       "there are filter parameters but no filter that could use them");
    if (filter->text == NULL)
        return PROXIMADB_OK;
    if (text.size_bytes > PX_FILTER_LARGEST_BYTES)
        return px_fail(reterr, PROXIMADB_INVALID, "the filter has %zu bytes; it may have %d",
                       text.size_bytes, PX_FILTER_LARGEST_BYTES);
    if (!px_utf8_validate(text))
        return px_fail(reterr, PROXIMADB_INVALID, "the filter is not valid UTF-8");
    return PROXIMADB_OK;
}

/* The fields `filter` and `params`. */
static int put_filter(struct px_buffer *buffer, const struct proximadb_filter *filter,
                      struct proximadb_error *reterr)
{
    static const struct proximadb_filter none = {0};
    if (filter == NULL)
        filter = &none;
    int rc = check_filter(filter, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    px_encode_optional_string(buffer, filter->text != NULL,
                              px_slice_of(filter->text, filter->text_size_bytes));
    return px_fields_write(filter->params, filter->param_count, buffer, reterr);
}

static int put_ids(struct px_buffer *buffer, const struct proximadb_text *ids, size_t id_count,
                   struct proximadb_error *reterr)
{
    if (ids == NULL && id_count > 0)
        return px_fail(reterr, PROXIMADB_INVALID, "ids is NULL, but id_count is not 0");
    px_encode_block(buffer, id_count);
    for (size_t i = 0; i < id_count; i++) {
        struct px_slice id = px_slice_of(ids[i].data, ids[i].data != NULL ? ids[i].size_bytes : 0);
        int rc = px_validate_id(id, reterr);
        if (rc != PROXIMADB_OK) {
            px_error_set_row(reterr, (int64_t)i);
            return rc;
        }
        px_encode_string(buffer, id);
    }
    px_encode_block_end(buffer, id_count);
    return PROXIMADB_OK;
}

/* A union [null, int]; 0 stands for null. */
static int put_optional_count(struct px_buffer *buffer, const char *field, uint32_t count,
                              uint32_t most, struct proximadb_error *reterr)
{
    if (count > most)
        return px_fail(reterr, PROXIMADB_INVALID, "%s is %u; it may be at most %u", field, count,
                       most);
    px_encode_optional_long(buffer, count > 0, count);
    return PROXIMADB_OK;
}

static int put_target_recall(struct px_buffer *buffer, double recall,
                             struct proximadb_error *reterr)
{
    if (!(recall >= 0 && recall < 1))
        return px_fail(reterr, PROXIMADB_INVALID,
                       "target_recall is %g; give a share above 0 and below 1, 0 for 0.95, or ask "
                       "for an exact search",
                       recall);
    px_encode_branch(buffer, recall > 0);
    if (recall > 0)
        px_encode_double(buffer, recall);
    return PROXIMADB_OK;
}

/* ---- search -------------------------------------------------------------------------------- */

static int check_search(const struct proximadb_search_options *options,
                        struct proximadb_error *reterr)
{
    if (options->queries == NULL || options->query_count < 1 ||
        options->query_count > PX_MOST_QUERIES)
        return px_fail(reterr, PROXIMADB_INVALID, "there are %zu queries; a search has 1 to %d",
                       options->queries == NULL ? 0 : options->query_count, PX_MOST_QUERIES);
    if (options->dim_count < 1 || options->dim_count > PX_MOST_DIMS)
        return px_fail(reterr, PROXIMADB_INVALID, "dim_count is %zu; it may be 1 to %d",
                       options->dim_count, PX_MOST_DIMS);
    if (options->k < 1 || options->k > PX_MOST_HITS)
        return px_fail(reterr, PROXIMADB_INVALID, "k is %llu; it may be 1 to %d",
                       (unsigned long long)options->k, PX_MOST_HITS);
    return PROXIMADB_OK;
}

int px_request_write_search(struct px_buffer *buffer,
                            const struct proximadb_search_options *options,
                            struct proximadb_error *reterr)
{
    int rc = check_search(options, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    px_payload_begin(buffer, PX_SCHEMA_SEARCH_REQUEST);
    px_encode_block(buffer, options->query_count);
    for (size_t i = 0; i < options->query_count; i++)
        px_encode_floats(buffer, options->queries + i * options->dim_count, options->dim_count);
    px_encode_block_end(buffer, options->query_count);
    px_encode_long(buffer, (int64_t)options->k);
    rc = put_filter(buffer, &options->filter, reterr);
    px_encode_boolean(buffer, options->include_vectors);
    px_encode_boolean(buffer, options->include_metadata);
    if (rc == PROXIMADB_OK)
        rc = put_optional_count(buffer, "ef", options->ef, PX_MOST_EF, reterr);
    if (rc == PROXIMADB_OK)
        rc = put_optional_count(buffer, "nprobe", options->nprobe, PX_MOST_NPROBE, reterr);
    px_encode_boolean(buffer, options->exact);
    if (rc == PROXIMADB_OK)
        rc = put_target_recall(buffer, options->target_recall, reterr);
    return rc != PROXIMADB_OK ? rc : px_buffer_status(buffer, reterr);
}

/* ---- scan, get, delete, count, compact ------------------------------------------------------ */

int px_request_write_scan(struct px_buffer *buffer, const struct proximadb_scan_options *options,
                          struct proximadb_error *reterr)
{
    struct px_slice cursor = px_slice_of(options->cursor, options->cursor_size_bytes);
    if (options->batch_size > PX_MOST_SCAN_ROWS)
        return px_fail(reterr, PROXIMADB_INVALID, "batch_size is %u; it may be 1 to %d",
                       options->batch_size, PX_MOST_SCAN_ROWS);
    if (options->cursor != NULL && !px_utf8_validate(cursor))
        return px_fail(reterr, PROXIMADB_INVALID, "the cursor is none that a scan has given");
    px_payload_begin(buffer, PX_SCHEMA_SCAN_REQUEST);
    int rc = put_filter(buffer, &options->filter, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    uint32_t batch_size = options->batch_size > 0 ? options->batch_size : DEFAULT_SCAN_ROWS;
    px_encode_int(buffer, (int32_t)batch_size);
    px_encode_boolean(buffer, options->include_vectors);
    px_encode_optional_string(buffer, options->cursor != NULL, cursor);
    return px_buffer_status(buffer, reterr);
}

int px_request_write_get(struct px_buffer *buffer, const struct proximadb_text *ids,
                         size_t id_count, bool include_vectors, struct proximadb_error *reterr)
{
    if (id_count > PX_MOST_GET_IDS)
        return px_fail(reterr, PROXIMADB_INVALID,
                       "there are %zu ids; give at most %d in one request", id_count,
                       PX_MOST_GET_IDS);
    px_payload_begin(buffer, PX_SCHEMA_GET_REQUEST);
    int rc = put_ids(buffer, ids, id_count, reterr);
    px_encode_boolean(buffer, include_vectors);
    return rc != PROXIMADB_OK ? rc : px_buffer_status(buffer, reterr);
}

int px_request_write_delete(struct px_buffer *buffer, const uint8_t request_id[16],
                            const struct proximadb_text *ids, size_t id_count,
                            const struct proximadb_filter *filter, struct proximadb_error *reterr)
{
    bool by_filter = filter != NULL && filter->text != NULL;
    if (by_filter == (id_count > 0))
        return px_fail(reterr, PROXIMADB_INVALID, "a delete has ids or a filter; this one has %s",
                       by_filter ? "both" : "neither");
    px_payload_begin(buffer, PX_SCHEMA_DELETE_BATCH);
    px_encode_fixed(buffer, request_id, PX_REQUEST_ID_BYTES);
    int rc = put_ids(buffer, ids, id_count, reterr);
    if (rc == PROXIMADB_OK)
        rc = put_filter(buffer, filter, reterr);
    return rc != PROXIMADB_OK ? rc : px_buffer_status(buffer, reterr);
}

void px_request_write_delete_datum(struct px_buffer *buffer, const uint8_t request_id[16],
                                   const struct px_slice *ids, size_t id_count)
{
    px_encode_fixed(buffer, request_id, PX_REQUEST_ID_BYTES);
    px_encode_block(buffer, id_count);
    for (size_t i = 0; i < id_count; i++)
        px_encode_string(buffer, ids[i]);
    px_encode_block_end(buffer, id_count);
    px_encode_null(buffer);
    px_buffer_append_slice(buffer, px_metadata_empty);
}

int px_request_write_count(struct px_buffer *buffer, const struct proximadb_filter *filter,
                           struct proximadb_error *reterr)
{
    px_payload_begin(buffer, PX_SCHEMA_COUNT_REQUEST);
    int rc = put_filter(buffer, filter, reterr);
    return rc != PROXIMADB_OK ? rc : px_buffer_status(buffer, reterr);
}

int px_request_write_compact(struct px_buffer *buffer, uint32_t cluster_count,
                             struct proximadb_error *reterr)
{
    px_payload_begin(buffer, PX_SCHEMA_COMPACT_REQUEST);
    int rc = put_optional_count(buffer, "cluster_count", cluster_count, INT32_MAX, reterr);
    return rc != PROXIMADB_OK ? rc : px_buffer_status(buffer, reterr);
}

/* ---- collections --------------------------------------------------------------------------- */

static int check_string(const char *string, const char *what, struct proximadb_error *reterr)
{
    if (string == NULL)
        return px_fail(reterr, PROXIMADB_INVALID, "%s is NULL", what);
    if (!px_utf8_validate(px_slice_of_string(string)))
        return px_fail(reterr, PROXIMADB_INVALID, "%s is not valid UTF-8", what);
    return PROXIMADB_OK;
}

/* The map `filterable`. */
static int put_filterable(struct px_buffer *buffer, const struct proximadb_filterable *fields,
                          size_t field_count, struct proximadb_error *reterr)
{
    if (fields == NULL && field_count > 0)
        return px_fail(reterr, PROXIMADB_INVALID,
                       "filterable is NULL, but filterable_count is not 0");
    px_encode_block(buffer, field_count);
    for (size_t i = 0; i < field_count; i++) {
        int type = fields[i].type;
        int rc = check_string(fields[i].name, "the name of a filterable field", reterr);
        if (rc != PROXIMADB_OK)
            return rc;
        if (type < PROXIMADB_FIELD_STRING || type > PROXIMADB_FIELD_STRING_ARRAY)
            return px_fail(reterr, PROXIMADB_INVALID, "filterable field %zu has no such type: %d",
                           i, type);
        px_encode_string(buffer, px_slice_of_string(fields[i].name));
        px_encode_string(buffer,
                         px_slice_of_string(px_field_type_name((enum proximadb_field_type)type)));
    }
    px_encode_block_end(buffer, field_count);
    return PROXIMADB_OK;
}

static int check_spec(const struct proximadb_collection_spec *spec, struct proximadb_error *reterr)
{
    if (spec->dim_count < 1 || spec->dim_count > PX_MOST_DIMS)
        return px_fail(reterr, PROXIMADB_INVALID, "dimension is %u; it may be 1 to %d",
                       spec->dim_count, PX_MOST_DIMS);
    if (spec->metric < PROXIMADB_COSINE || spec->metric > PROXIMADB_DOT)
        return px_fail(reterr, PROXIMADB_INVALID, "there is no metric %d", spec->metric);
    if (spec->index_type < PROXIMADB_HNSW || spec->index_type > PROXIMADB_FLAT)
        return px_fail(reterr, PROXIMADB_INVALID, "there is no index type %d", spec->index_type);
    if (spec->storage < PROXIMADB_BALANCED || spec->storage > PROXIMADB_COMPACT_STORAGE)
        return px_fail(reterr, PROXIMADB_INVALID, "there is no storage profile %d", spec->storage);
    if (spec->layout < PROXIMADB_LAYOUT_DEFAULT || spec->layout > PROXIMADB_LAYOUT_PLAIN)
        return px_fail(reterr, PROXIMADB_INVALID, "there is no layout %d", spec->layout);
    if (spec->index_memory < PROXIMADB_INDEX_LEAN || spec->index_memory > PROXIMADB_INDEX_FAST)
        return px_fail(reterr, PROXIMADB_INVALID, "there is no memory profile %d of an index",
                       spec->index_memory);
    return check_string(spec->name, "the name of the collection", reterr);
}

static void put_word(struct px_buffer *buffer, const char *word)
{
    px_encode_string(buffer, px_slice_of_string(word));
}

int px_request_write_collection(struct px_buffer *buffer,
                                const struct proximadb_collection_spec *spec,
                                struct proximadb_error *reterr)
{
    int rc = check_spec(spec, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    px_payload_begin(buffer, PX_SCHEMA_COLLECTION_SPEC);
    put_word(buffer, spec->name);
    px_encode_int(buffer, (int32_t)spec->dim_count);
    put_word(buffer, px_metric_name((enum proximadb_metric)spec->metric));
    put_word(buffer, px_index_type_name((enum proximadb_index_type)spec->index_type));
    put_word(buffer, px_storage_name((enum proximadb_storage)spec->storage));
    rc = put_filterable(buffer, spec->filterable, spec->filterable_count, reterr);
    px_encode_boolean(buffer, spec->exist_ok);
    put_word(buffer, spec->layout == PROXIMADB_LAYOUT_DEFAULT
                         ? ""
                         : px_layout_name((enum proximadb_layout)spec->layout));
    put_word(buffer, px_index_memory_name((enum proximadb_index_memory)spec->index_memory));
    return rc != PROXIMADB_OK ? rc : px_buffer_status(buffer, reterr);
}

int px_request_write_change(struct px_buffer *buffer, const struct proximadb_filterable *filterable,
                            size_t filterable_count, struct proximadb_error *reterr)
{
    px_payload_begin(buffer, PX_SCHEMA_COLLECTION_CHANGE);
    int rc = put_filterable(buffer, filterable, filterable_count, reterr);
    return rc != PROXIMADB_OK ? rc : px_buffer_status(buffer, reterr);
}

int px_request_write_rebuild_index(struct px_buffer *buffer, int index_memory,
                                   struct proximadb_error *reterr)
{
    if (index_memory < -1 || index_memory > PROXIMADB_INDEX_FAST)
        return px_fail(reterr, PROXIMADB_INVALID, "there is no memory profile %d of an index",
                       index_memory);
    px_payload_begin(buffer, PX_SCHEMA_REBUILD_INDEX_REQUEST);
    px_encode_branch(buffer, index_memory >= 0);
    if (index_memory >= 0)
        put_word(buffer, px_index_memory_name((enum proximadb_index_memory)index_memory));
    return px_buffer_status(buffer, reterr);
}
