#include "tools/avro_tool.h"

#include "base/bits.h"
#include "model/metadata.h"
#include "model/record.h"
#include "payload/collection_request.h"
#include "payload/request.h"
#include "payload/update.h"

#include <assert.h>
#include <stdlib.h>

/* ---- values -------------------------------------------------------------------------------- */

static yyjson_mut_val *text(struct avro_tool *tool, struct px_slice slice)
{
    return yyjson_mut_strncpy(tool->out, (const char *)slice.data, slice.size_bytes);
}

static yyjson_mut_val *optional_text(struct avro_tool *tool, bool present, struct px_slice slice)
{
    return present ? text(tool, slice) : yyjson_mut_null(tool->out);
}

static yyjson_mut_val *optional_long(struct avro_tool *tool, bool present, int64_t value)
{
    return present ? yyjson_mut_sint(tool->out, value) : yyjson_mut_null(tool->out);
}

static yyjson_mut_val *vector(struct avro_tool *tool, const void *floats, size_t dim_count)
{
    if (floats == NULL)
        return yyjson_mut_null(tool->out);
    yyjson_mut_val *array = yyjson_mut_arr(tool->out);
    for (size_t i = 0; i < dim_count; i++)
        yyjson_mut_arr_add_real(tool->out, array,
                                (double)px_load_f32((const uint8_t *)floats + i * sizeof(float)));
    return array;
}

static yyjson_mut_val *map(struct avro_tool *tool, struct px_slice metadata)
{
    struct px_buffer json = {0};
    px_metadata_to_json(metadata, NULL, NULL, &json);
    yyjson_mut_val *value = yyjson_mut_rawncpy(tool->out, (const char *)json.data, json.size_bytes);
    px_buffer_release(&json);
    return value;
}

static void add(struct avro_tool *tool, yyjson_mut_val *object, const char *name,
                yyjson_mut_val *value)
{
    assert(value != NULL);
    yyjson_mut_obj_add_val(tool->out, object, name, value);
}

static void add_filter(struct avro_tool *tool, yyjson_mut_val *object,
                       const struct px_filter_text *filter)
{
    add(tool, object, "filter", optional_text(tool, filter->present, filter->text));
    add(tool, object, "params", map(tool, filter->params));
}

static yyjson_mut_val *id_list(struct avro_tool *tool, const struct px_id_list *ids)
{
    yyjson_mut_val *array = yyjson_mut_arr(tool->out);
    for (uint32_t i = 0; i < ids->count; i++)
        yyjson_mut_arr_append(array, text(tool, ids->items[i].text));
    return array;
}

static yyjson_mut_val *filterable_map(struct avro_tool *tool,
                                      const struct proximadb_filterable *fields, size_t count)
{
    yyjson_mut_val *object = yyjson_mut_obj(tool->out);
    for (size_t i = 0; i < count; i++)
        yyjson_mut_obj_add(
            object, yyjson_mut_strcpy(tool->out, fields[i].name),
            yyjson_mut_str(tool->out,
                           px_field_type_name((enum proximadb_field_type)fields[i].type)));
    return object;
}

/* ---- requests ------------------------------------------------------------------------------ */

static yyjson_mut_val *record(struct avro_tool *tool, const struct px_batch_row *row)
{
    const struct px_record *from = &row->record;
    yyjson_mut_val *object = yyjson_mut_obj(tool->out);
    add(tool, object, "id", text(tool, from->id));
    add(tool, object, "vector", vector(tool, from->vector, from->dim_count));
    add(tool, object, "metadata", map(tool, from->metadata));
    add(tool, object, "document", optional_text(tool, from->has_document, from->document));
    add(tool, object, "timestamp_ms", optional_long(tool, row->has_timestamp, from->timestamp_ms));
    add(tool, object, "expires_at_ms",
        optional_long(tool, from->expires_at_ms != PX_NEVER, from->expires_at_ms));
    return object;
}

static bool vector_batch(struct avro_tool *tool, struct px_slice datum, yyjson_mut_val *root)
{
    struct px_batch batch;
    if (px_batch_decode(datum, &tool->collection, &tool->arena, &batch, &tool->error) !=
        PROXIMADB_OK)
        return false;
    yyjson_mut_val *records = yyjson_mut_arr(tool->out);
    for (uint32_t i = 0; i < batch.row_count; i++)
        yyjson_mut_arr_append(records, record(tool, &batch.rows[i]));
    add(tool, root, "request_id", avro_tool_hex(tool, batch.request_id, PX_REQUEST_ID_BYTES));
    add(tool, root, "records", records);
    return true;
}

static yyjson_mut_val *change(struct avro_tool *tool, enum px_change change, yyjson_mut_val *value)
{
    if (change == PX_CHANGE_SET)
        return value;
    if (change == PX_CHANGE_KEEP)
        return yyjson_mut_null(tool->out);
    yyjson_mut_val *object = yyjson_mut_obj(tool->out);
    yyjson_mut_obj_add_str(tool->out, object, "Clear", "CLEAR");
    return object;
}

static yyjson_mut_val *update_row(struct avro_tool *tool, const struct px_update_row *row)
{
    yyjson_mut_val *object = yyjson_mut_obj(tool->out);
    add(tool, object, "id", text(tool, row->id));
    add(tool, object, "vector", vector(tool, row->vector, tool->collection.dim_count));
    add(tool, object, "metadata",
        row->has_metadata ? map(tool, row->metadata) : yyjson_mut_null(tool->out));
    add(tool, object, "document", change(tool, row->document_change, text(tool, row->document)));
    add(tool, object, "expires_at_ms",
        change(tool, row->expires_change, yyjson_mut_sint(tool->out, row->expires_at_ms)));
    add(tool, object, "expected_version",
        optional_long(tool, row->has_expected_version, row->expected_version));
    return object;
}

static bool update_batch(struct avro_tool *tool, struct px_slice datum, yyjson_mut_val *root)
{
    struct px_update update;
    if (px_update_decode(datum, &tool->collection, &tool->arena, &update, &tool->error) !=
        PROXIMADB_OK)
        return false;
    yyjson_mut_val *updates = yyjson_mut_arr(tool->out);
    for (uint32_t i = 0; i < update.row_count; i++)
        yyjson_mut_arr_append(updates, update_row(tool, &update.rows[i]));
    add(tool, root, "request_id", avro_tool_hex(tool, update.request_id, PX_REQUEST_ID_BYTES));
    add(tool, root, "updates", updates);
    return true;
}

static bool delete_batch(struct avro_tool *tool, struct px_slice datum, yyjson_mut_val *root)
{
    struct px_delete_batch batch;
    if (px_delete_batch_decode(datum, &tool->arena, &batch, &tool->error) != PROXIMADB_OK)
        return false;
    add(tool, root, "request_id", avro_tool_hex(tool, batch.request_id, PX_REQUEST_ID_BYTES));
    add(tool, root, "ids", id_list(tool, &batch.ids));
    add_filter(tool, root, &batch.filter);
    return true;
}

static bool get_request(struct avro_tool *tool, struct px_slice datum, yyjson_mut_val *root)
{
    struct px_get_request request;
    if (px_get_request_decode(datum, &tool->arena, &request, &tool->error) != PROXIMADB_OK)
        return false;
    add(tool, root, "ids", id_list(tool, &request.ids));
    add(tool, root, "include_vectors", yyjson_mut_bool(tool->out, request.include_vectors));
    return true;
}

static bool search_request(struct avro_tool *tool, struct px_slice datum, yyjson_mut_val *root)
{
    struct px_search_request request;
    size_t dim_count = tool->collection.dim_count;
    if (px_search_request_decode(datum, &tool->collection, &tool->arena, &request, &tool->error) !=
        PROXIMADB_OK)
        return false;
    yyjson_mut_val *queries = yyjson_mut_arr(tool->out);
    for (uint32_t i = 0; i < request.query_count; i++)
        yyjson_mut_arr_append(queries, vector(tool, request.queries + i * dim_count, dim_count));
    add(tool, root, "queries", queries);
    add(tool, root, "k", yyjson_mut_uint(tool->out, request.k));
    add_filter(tool, root, &request.filter);
    add(tool, root, "include_vectors", yyjson_mut_bool(tool->out, request.include_vectors));
    add(tool, root, "include_metadata", yyjson_mut_bool(tool->out, request.include_metadata));
    add(tool, root, "ef", optional_long(tool, request.ef > 0, request.ef));
    add(tool, root, "nprobe", optional_long(tool, request.nprobe > 0, request.nprobe));
    add(tool, root, "exact", yyjson_mut_bool(tool->out, request.exact));
    add(tool, root, "target_recall",
        request.target_recall > 0 ? yyjson_mut_real(tool->out, request.target_recall)
                                  : yyjson_mut_null(tool->out));
    return true;
}

static bool scan_request(struct avro_tool *tool, struct px_slice datum, yyjson_mut_val *root)
{
    struct px_scan_request request;
    if (px_scan_request_decode(datum, &tool->arena, &request, &tool->error) != PROXIMADB_OK)
        return false;
    add_filter(tool, root, &request.filter);
    add(tool, root, "batch_size", yyjson_mut_uint(tool->out, request.batch_size));
    add(tool, root, "include_vectors", yyjson_mut_bool(tool->out, request.include_vectors));
    add(tool, root, "cursor", optional_text(tool, request.has_cursor, request.cursor));
    return true;
}

static bool count_request(struct avro_tool *tool, struct px_slice datum, yyjson_mut_val *root)
{
    struct px_count_request request;
    if (px_count_request_decode(datum, &tool->arena, &request, &tool->error) != PROXIMADB_OK)
        return false;
    add_filter(tool, root, &request.filter);
    return true;
}

static bool compact_request(struct avro_tool *tool, struct px_slice datum, yyjson_mut_val *root)
{
    struct px_compact_request request;
    if (px_compact_request_decode(datum, &request, &tool->error) != PROXIMADB_OK)
        return false;
    add(tool, root, "cluster_count",
        optional_long(tool, request.cluster_count > 0, request.cluster_count));
    return true;
}

static void add_spec(struct avro_tool *tool, yyjson_mut_val *root,
                     const struct proximadb_collection_spec *spec)
{
    add(tool, root, "dimension", yyjson_mut_uint(tool->out, spec->dim_count));
    add(tool, root, "metric",
        yyjson_mut_str(tool->out, px_metric_name((enum proximadb_metric)spec->metric)));
    add(tool, root, "index_type",
        yyjson_mut_str(tool->out, px_index_type_name((enum proximadb_index_type)spec->index_type)));
    add(tool, root, "storage",
        yyjson_mut_str(tool->out, px_storage_name((enum proximadb_storage)spec->storage)));
    add(tool, root, "layout",
        yyjson_mut_str(tool->out, px_layout_name((enum proximadb_layout)spec->layout)));
    add(tool, root, "index_memory",
        yyjson_mut_str(tool->out,
                       px_index_memory_name((enum proximadb_index_memory)spec->index_memory)));
    add(tool, root, "filterable", filterable_map(tool, spec->filterable, spec->filterable_count));
}

static bool collection_spec(struct avro_tool *tool, struct px_slice datum, yyjson_mut_val *root)
{
    struct proximadb_collection_spec spec;
    if (px_collection_spec_decode(datum, &tool->arena, &spec, &tool->error) != PROXIMADB_OK)
        return false;
    add(tool, root, "name", yyjson_mut_strcpy(tool->out, spec.name));
    add_spec(tool, root, &spec);
    add(tool, root, "exist_ok", yyjson_mut_bool(tool->out, spec.exist_ok));
    return true;
}

static bool rebuild_index_request(struct avro_tool *tool, struct px_slice datum,
                                  yyjson_mut_val *root)
{
    int memory;
    if (px_rebuild_index_request_decode(datum, &memory, &tool->error) != PROXIMADB_OK)
        return false;
    add(tool, root, "index_memory",
        memory >= 0
            ? yyjson_mut_str(tool->out, px_index_memory_name((enum proximadb_index_memory)memory))
            : yyjson_mut_null(tool->out));
    return true;
}

static bool collection_change(struct avro_tool *tool, struct px_slice datum, yyjson_mut_val *root)
{
    struct px_collection_change got;
    if (px_collection_change_decode(datum, &tool->arena, &got, &tool->error) != PROXIMADB_OK)
        return false;
    add(tool, root, "filterable", filterable_map(tool, got.filterable, got.filterable_count));
    return true;
}

/* ---- answers, by the public readers -------------------------------------------------------- */

static struct proximadb_buffer buffer_of(struct px_slice payload)
{
    return (struct proximadb_buffer){.data = payload.data, .size_bytes = payload.size_bytes};
}

static yyjson_mut_val *public_text(struct avro_tool *tool, struct proximadb_text from)
{
    return yyjson_mut_strncpy(tool->out, from.data, from.size_bytes);
}

static yyjson_mut_val *field_value(struct avro_tool *tool, const struct proximadb_value *value)
{
    if (value->kind == PROXIMADB_VALUE_BOOLEAN)
        return yyjson_mut_bool(tool->out, value->as.boolean);
    if (value->kind == PROXIMADB_VALUE_LONG)
        return yyjson_mut_sint(tool->out, value->as.integer);
    if (value->kind == PROXIMADB_VALUE_DOUBLE)
        return yyjson_mut_real(tool->out, value->as.number);
    if (value->kind == PROXIMADB_VALUE_STRING)
        return public_text(tool, value->as.string);
    if (value->kind == PROXIMADB_VALUE_NULL)
        return yyjson_mut_null(tool->out);
    yyjson_mut_val *array = yyjson_mut_arr(tool->out);
    for (size_t i = 0; i < value->as.strings.count; i++)
        yyjson_mut_arr_append(array, public_text(tool, value->as.strings.items[i]));
    return array;
}

static yyjson_mut_val *field_map(struct avro_tool *tool, const struct proximadb_hit *hit)
{
    yyjson_mut_val *object = yyjson_mut_obj(tool->out);
    for (size_t i = 0; i < hit->field_count; i++)
        yyjson_mut_obj_add(object, public_text(tool, hit->fields[i].name),
                           field_value(tool, &hit->fields[i].value));
    return object;
}

static yyjson_mut_val *hit_row(struct avro_tool *tool, const struct proximadb_hit *hit,
                               bool is_search)
{
    yyjson_mut_val *object = yyjson_mut_obj(tool->out);
    add(tool, object, "id", public_text(tool, hit->id));
    add(tool, object, "version", yyjson_mut_sint(tool->out, hit->version));
    if (is_search) {
        add(tool, object, "score", yyjson_mut_real(tool->out, hit->score));
        add(tool, object, "distance", yyjson_mut_real(tool->out, hit->distance));
    }
    add(tool, object, "vector", vector(tool, hit->vector, hit->dim_count));
    add(tool, object, "metadata", field_map(tool, hit));
    add(tool, object, "document",
        optional_text(tool, hit->document != NULL,
                      px_slice_of(hit->document, hit->document_size_bytes)));
    if (!is_search) {
        add(tool, object, "timestamp_ms", yyjson_mut_sint(tool->out, hit->timestamp_ms));
        add(tool, object, "expires_at_ms",
            optional_long(tool, hit->expires_at_ms != NULL,
                          hit->expires_at_ms != NULL ? *hit->expires_at_ms : 0));
    }
    return object;
}

static bool rows(struct avro_tool *tool, struct px_slice payload, yyjson_mut_val *root)
{
    struct proximadb_buffer response = buffer_of(payload);
    proximadb_reader *reader;
    struct proximadb_hit hit;
    struct px_slice datum;
    if (proximadb_reader_new(&response, &reader, &tool->error) != PROXIMADB_OK)
        return false;
    bool is_search = px_payload_expect(payload, PX_SCHEMA_SEARCH_RESULT, &datum, NULL) == 0;
    yyjson_mut_val *lists = yyjson_mut_arr(tool->out);
    for (uint32_t i = 0; i < proximadb_reader_query_count(reader); i++)
        yyjson_mut_arr_append(lists, yyjson_mut_arr(tool->out));
    while (proximadb_reader_next(reader, &hit, &tool->error))
        yyjson_mut_arr_append(yyjson_mut_arr_get(lists, hit.query_index),
                              hit_row(tool, &hit, is_search));
    if (is_search) {
        add(tool, root, "results", lists);
    } else {
        struct proximadb_text cursor = proximadb_reader_cursor(reader);
        add(tool, root, "records", yyjson_mut_arr_get_first(lists));
        add(tool, root, "cursor",
            optional_text(tool, cursor.size_bytes > 0,
                          px_slice_of(cursor.data, cursor.size_bytes)));
    }
    proximadb_reader_free(reader);
    return tool->error.status == PROXIMADB_OK;
}

static void add_info(struct avro_tool *tool, yyjson_mut_val *root,
                     const struct proximadb_collection_info *info)
{
    add(tool, root, "name", yyjson_mut_strcpy(tool->out, info->spec.name));
    add(tool, root, "id", yyjson_mut_strcpy(tool->out, info->id));
    add_spec(tool, root, &info->spec);
    add(tool, root, "mantissa_bits", yyjson_mut_uint(tool->out, info->mantissa_bits));
    add(tool, root, "relative_error", yyjson_mut_real(tool->out, info->relative_error));
    add(tool, root, "created_at_ms", yyjson_mut_sint(tool->out, info->created_at_ms));
    add(tool, root, "vector_count", yyjson_mut_uint(tool->out, info->vector_count));
    add(tool, root, "part_count", yyjson_mut_uint(tool->out, info->part_count));
    add(tool, root, "disk_bytes", yyjson_mut_uint(tool->out, info->disk_bytes));
    add(tool, root, "memtable_bytes", yyjson_mut_uint(tool->out, info->memtable_bytes));
    add(tool, root, "wal_bytes", yyjson_mut_uint(tool->out, info->wal_bytes));
    add(tool, root, "last_version", yyjson_mut_sint(tool->out, info->last_version));
    add(tool, root, "fresh_part_count", yyjson_mut_uint(tool->out, info->fresh_part_count));
    add(tool, root, "dead_row_count", yyjson_mut_uint(tool->out, info->dead_row_count));
    add(tool, root, "bytes_accepted", yyjson_mut_uint(tool->out, info->bytes_accepted));
    add(tool, root, "bytes_written", yyjson_mut_uint(tool->out, info->bytes_written));
    add(tool, root, "compaction_state", yyjson_mut_strcpy(tool->out, info->compaction_state));
    add(tool, root, "compaction_rows_done", yyjson_mut_uint(tool->out, info->compaction_rows_done));
    add(tool, root, "compaction_row_count", yyjson_mut_uint(tool->out, info->compaction_row_count));
    add(tool, root, "index_state", yyjson_mut_strcpy(tool->out, info->index_state));
    add(tool, root, "index_row_count", yyjson_mut_uint(tool->out, info->index_row_count));
    add(tool, root, "index_lag", yyjson_mut_uint(tool->out, info->index_lag));
    add(tool, root, "index_file_bytes", yyjson_mut_uint(tool->out, info->index_file_bytes));
    add(tool, root, "index_memory_bytes", yyjson_mut_uint(tool->out, info->index_memory_bytes));
    add(tool, root, "index_rows_done", yyjson_mut_uint(tool->out, info->index_rows_done));
    add(tool, root, "index_rebuild_count", yyjson_mut_uint(tool->out, info->index_rebuild_count));
    add(tool, root, "index_rebuild_reason",
        yyjson_mut_strcpy(tool->out, info->index_rebuild_reason));
    add(tool, root, "read_only_reason",
        info->read_only ? yyjson_mut_strcpy(tool->out, info->read_only_reason)
                        : yyjson_mut_null(tool->out));
}

static bool collections(struct avro_tool *tool, struct px_slice payload, yyjson_mut_val *root)
{
    struct proximadb_buffer response = buffer_of(payload);
    proximadb_reader *reader;
    struct proximadb_collection_info info;
    struct px_slice datum;
    if (proximadb_reader_new(&response, &reader, &tool->error) != PROXIMADB_OK)
        return false;
    bool is_list = px_payload_expect(payload, PX_SCHEMA_COLLECTION_LIST, &datum, NULL) == 0;
    yyjson_mut_val *list = yyjson_mut_arr(tool->out);
    while (proximadb_reader_next_collection(reader, &info, &tool->error)) {
        yyjson_mut_val *object = is_list ? yyjson_mut_obj(tool->out) : root;
        add_info(tool, object, &info);
        if (is_list)
            yyjson_mut_arr_append(list, object);
    }
    if (is_list)
        add(tool, root, "collections", list);
    proximadb_reader_free(reader);
    return tool->error.status == PROXIMADB_OK;
}

static bool write_result(struct avro_tool *tool, struct px_slice payload, yyjson_mut_val *root)
{
    struct proximadb_buffer response = buffer_of(payload);
    struct proximadb_write_result result;
    if (proximadb_decode_write_result(&response, &result, &tool->error) != PROXIMADB_OK)
        return false;
    add(tool, root, "row_count", yyjson_mut_uint(tool->out, result.row_count));
    add(tool, root, "first_version", yyjson_mut_sint(tool->out, result.first_version));
    add(tool, root, "affected", yyjson_mut_uint(tool->out, result.affected));
    add(tool, root, "repeated", yyjson_mut_bool(tool->out, result.repeated));
    return true;
}

static bool count_result(struct avro_tool *tool, struct px_slice payload, yyjson_mut_val *root)
{
    struct proximadb_buffer response = buffer_of(payload);
    uint64_t count;
    if (proximadb_decode_count(&response, &count, &tool->error) != PROXIMADB_OK)
        return false;
    add(tool, root, "count", yyjson_mut_uint(tool->out, count));
    return true;
}

static bool compact_result(struct avro_tool *tool, struct px_slice payload, yyjson_mut_val *root)
{
    struct proximadb_buffer response = buffer_of(payload);
    struct proximadb_compact_result result;
    if (proximadb_decode_compact_result(&response, &result, &tool->error) != PROXIMADB_OK)
        return false;
    add(tool, root, "row_count", yyjson_mut_uint(tool->out, result.row_count));
    add(tool, root, "cluster_count", yyjson_mut_uint(tool->out, result.cluster_count));
    add(tool, root, "bytes_read", yyjson_mut_uint(tool->out, result.bytes_read));
    add(tool, root, "bytes_written", yyjson_mut_uint(tool->out, result.bytes_written));
    return true;
}

/* A request's function takes the datum, an answer's the whole payload. */
static const struct {
    bool (*read)(struct avro_tool *tool, struct px_slice bytes, yyjson_mut_val *root);
    bool is_answer;
} readers[PX_SCHEMA_TOTAL] = {
    [PX_SCHEMA_VECTOR_BATCH] = {vector_batch, false},
    [PX_SCHEMA_UPDATE_BATCH] = {update_batch, false},
    [PX_SCHEMA_DELETE_BATCH] = {delete_batch, false},
    [PX_SCHEMA_SEARCH_REQUEST] = {search_request, false},
    [PX_SCHEMA_GET_REQUEST] = {get_request, false},
    [PX_SCHEMA_SCAN_REQUEST] = {scan_request, false},
    [PX_SCHEMA_COUNT_REQUEST] = {count_request, false},
    [PX_SCHEMA_COMPACT_REQUEST] = {compact_request, false},
    [PX_SCHEMA_REBUILD_INDEX_REQUEST] = {rebuild_index_request, false},
    [PX_SCHEMA_COLLECTION_SPEC] = {collection_spec, false},
    [PX_SCHEMA_COLLECTION_CHANGE] = {collection_change, false},
    [PX_SCHEMA_WRITE_RESULT] = {write_result, true},
    [PX_SCHEMA_SEARCH_RESULT] = {rows, true},
    [PX_SCHEMA_RECORD_BATCH] = {rows, true},
    [PX_SCHEMA_COUNT_RESULT] = {count_result, true},
    [PX_SCHEMA_COMPACT_RESULT] = {compact_result, true},
    [PX_SCHEMA_COLLECTION_INFO] = {collections, true},
    [PX_SCHEMA_COLLECTION_LIST] = {collections, true},
};

yyjson_mut_val *avro_tool_decode(struct avro_tool *tool, struct px_slice payload)
{
    enum px_schema schema;
    struct px_slice datum;
    if (px_payload_open(payload, &schema, &datum, &tool->error) != PROXIMADB_OK)
        return NULL;
    yyjson_mut_val *root = yyjson_mut_obj(tool->out);
    assert(readers[schema].read != NULL);
    bool is_read = readers[schema].read(tool, readers[schema].is_answer ? payload : datum, root);
    return is_read ? root : NULL;
}
