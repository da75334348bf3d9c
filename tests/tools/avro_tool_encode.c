#include "tools/avro_tool.h"

#include "model/metadata.h"
#include "payload/fields.h"
#include "payload/result.h"

#include <assert.h>
#include <stdlib.h>

/* ---- JSON to public values, in the arena --------------------------------------------------- */

static void *alloc(struct avro_tool *tool, size_t count, size_t size_bytes)
{
    void *memory = px_arena_calloc(&tool->arena, count, size_bytes);
    if (memory == NULL)
        abort();
    return memory;
}

static struct proximadb_text text_of(yyjson_val *value)
{
    return (struct proximadb_text){yyjson_get_str(value), yyjson_get_len(value)};
}

static struct px_slice slice_of(yyjson_val *value)
{
    return px_slice_of(yyjson_get_str(value), yyjson_get_len(value));
}

static const char *string_of(yyjson_val *object, const char *name)
{
    const char *string = yyjson_get_str(yyjson_obj_get(object, name));
    assert(string != NULL);
    return string;
}

static int64_t long_of(yyjson_val *object, const char *name)
{
    return yyjson_get_sint(yyjson_obj_get(object, name));
}

static bool bool_of(yyjson_val *object, const char *name)
{
    return yyjson_get_bool(yyjson_obj_get(object, name));
}

/* NULL for null. */
static const int64_t *optional_long_of(struct avro_tool *tool, yyjson_val *object, const char *name)
{
    yyjson_val *value = yyjson_obj_get(object, name);
    if (!yyjson_is_int(value))
        return NULL;
    int64_t *copy = alloc(tool, 1, sizeof *copy);
    *copy = yyjson_get_sint(value);
    return copy;
}

static bool is_clear(yyjson_val *object, const char *name)
{
    return yyjson_is_obj(yyjson_obj_get(object, name));
}

static const float *floats_of(struct avro_tool *tool, yyjson_val *array, size_t *ret_count)
{
    size_t i, count = yyjson_arr_size(array);
    yyjson_val *value;
    float *floats = alloc(tool, count, sizeof *floats);
    yyjson_arr_foreach(array, i, count, value) floats[i] = (float)yyjson_get_num(value);
    *ret_count = count;
    return yyjson_is_arr(array) ? floats : NULL;
}

static const struct proximadb_text *texts_of(struct avro_tool *tool, yyjson_val *array,
                                             size_t *ret_count)
{
    size_t i, count = yyjson_arr_size(array);
    yyjson_val *value;
    struct proximadb_text *texts = alloc(tool, count, sizeof *texts);
    yyjson_arr_foreach(array, i, count, value) texts[i] = text_of(value);
    *ret_count = count;
    return texts;
}

static struct proximadb_value value_of(struct avro_tool *tool, yyjson_val *from)
{
    struct proximadb_value value = {.kind = PROXIMADB_VALUE_NULL};
    if (yyjson_is_bool(from)) {
        value = (struct proximadb_value){.kind = PROXIMADB_VALUE_BOOLEAN};
        value.as.boolean = yyjson_get_bool(from);
    } else if (yyjson_is_int(from)) {
        value = (struct proximadb_value){.kind = PROXIMADB_VALUE_LONG};
        value.as.integer = yyjson_get_sint(from);
    } else if (yyjson_is_real(from)) {
        value = (struct proximadb_value){.kind = PROXIMADB_VALUE_DOUBLE};
        value.as.number = yyjson_get_real(from);
    } else if (yyjson_is_str(from)) {
        value = (struct proximadb_value){.kind = PROXIMADB_VALUE_STRING};
        value.as.string = text_of(from);
    } else if (yyjson_is_arr(from)) {
        value = (struct proximadb_value){.kind = PROXIMADB_VALUE_STRING_ARRAY};
        value.as.strings.items = texts_of(tool, from, &value.as.strings.count);
    }
    return value;
}

static const struct proximadb_field *fields_of(struct avro_tool *tool, yyjson_val *object,
                                               size_t *ret_count)
{
    size_t i, count = yyjson_obj_size(object);
    yyjson_val *name, *value;
    struct proximadb_field *fields = alloc(tool, count, sizeof *fields);
    yyjson_obj_foreach(object, i, count, name, value)
    {
        fields[i].name = text_of(name);
        fields[i].value = value_of(tool, value);
    }
    *ret_count = count;
    return fields;
}

static struct proximadb_filter filter_of(struct avro_tool *tool, yyjson_val *datum)
{
    yyjson_val *text = yyjson_obj_get(datum, "filter");
    struct proximadb_filter filter = {yyjson_get_str(text), yyjson_get_len(text), NULL, 0};
    filter.params = fields_of(tool, yyjson_obj_get(datum, "params"), &filter.param_count);
    return filter;
}

static const struct proximadb_filterable *filterable_of(struct avro_tool *tool, yyjson_val *datum,
                                                        size_t *ret_count)
{
    yyjson_val *object = yyjson_obj_get(datum, "filterable");
    size_t i, count = yyjson_obj_size(object);
    yyjson_val *name, *type;
    struct proximadb_filterable *fields = alloc(tool, count, sizeof *fields);
    yyjson_obj_foreach(object, i, count, name, type)
    {
        fields[i].name = yyjson_get_str(name);
        bool parsed = px_field_type_parse(slice_of(type), &fields[i].type);
        assert(parsed);
    }
    *ret_count = count;
    return fields;
}

/* ---- requests, by the public builders ------------------------------------------------------ */

/* Appends what a public encoder gave. */
static int take(int rc, struct proximadb_buffer *from, struct px_buffer *payload)
{
    if (rc == PROXIMADB_OK)
        px_buffer_append(payload, from->data, from->size_bytes);
    proximadb_buffer_release(from);
    return rc;
}

static struct proximadb_row row_of(struct avro_tool *tool, yyjson_val *from)
{
    yyjson_val *document = yyjson_obj_get(from, "document");
    struct proximadb_row row = {
        .struct_size = sizeof row,
        .id = text_of(yyjson_obj_get(from, "id")),
        .document = yyjson_get_str(document),
        .document_size_bytes = yyjson_get_len(document),
        .timestamp_ms = optional_long_of(tool, from, "timestamp_ms"),
        .expires_at_ms = optional_long_of(tool, from, "expires_at_ms"),
        .expected_version = optional_long_of(tool, from, "expected_version"),
        .clear_document = is_clear(from, "document"),
        .clear_expires_at = is_clear(from, "expires_at_ms"),
    };
    row.vector = floats_of(tool, yyjson_obj_get(from, "vector"), &row.dim_count);
    row.fields = fields_of(tool, yyjson_obj_get(from, "metadata"), &row.field_count);
    return row;
}

static int put_rows(struct avro_tool *tool, yyjson_val *datum, int operation,
                    struct px_buffer *payload)
{
    const char *name = operation == PROXIMADB_UPDATE ? "updates" : "records";
    yyjson_val *rows = yyjson_obj_get(datum, name), *from;
    struct px_slice request_id = avro_tool_bytes(tool, yyjson_obj_get(datum, "request_id"));
    proximadb_batch *batch = proximadb_batch_new(operation, request_id.data);
    struct proximadb_buffer taken = {0};
    size_t i, count;
    int rc = PROXIMADB_OK;
    yyjson_arr_foreach(rows, i, count, from)
    {
        struct proximadb_row row = row_of(tool, from);
        if (rc == PROXIMADB_OK)
            rc = proximadb_batch_add(batch, &row, &tool->error);
    }
    if (rc == PROXIMADB_OK)
        rc = proximadb_batch_take(batch, &taken, &tool->error);
    proximadb_batch_free(batch);
    return take(rc, &taken, payload);
}

static int vector_batch(struct avro_tool *tool, yyjson_val *datum, struct px_buffer *payload)
{
    return put_rows(tool, datum, PROXIMADB_INSERT, payload);
}

static int update_batch(struct avro_tool *tool, yyjson_val *datum, struct px_buffer *payload)
{
    return put_rows(tool, datum, PROXIMADB_UPDATE, payload);
}

static int delete_batch(struct avro_tool *tool, yyjson_val *datum, struct px_buffer *payload)
{
    struct proximadb_buffer taken = {0};
    size_t count;
    struct px_slice request_id = avro_tool_bytes(tool, yyjson_obj_get(datum, "request_id"));
    const struct proximadb_text *ids = texts_of(tool, yyjson_obj_get(datum, "ids"), &count);
    struct proximadb_filter filter = filter_of(tool, datum);
    return take(proximadb_encode_delete(request_id.data, ids, count, &filter, &taken, &tool->error),
                &taken, payload);
}

static int get_request(struct avro_tool *tool, yyjson_val *datum, struct px_buffer *payload)
{
    struct proximadb_buffer taken = {0};
    size_t count;
    const struct proximadb_text *ids = texts_of(tool, yyjson_obj_get(datum, "ids"), &count);
    return take(
        proximadb_encode_get(ids, count, bool_of(datum, "include_vectors"), &taken, &tool->error),
        &taken, payload);
}

static int search_request(struct avro_tool *tool, yyjson_val *datum, struct px_buffer *payload)
{
    struct proximadb_buffer taken = {0};
    yyjson_val *queries = yyjson_obj_get(datum, "queries"), *query;
    struct proximadb_search_options options = {
        .struct_size = sizeof options,
        .query_count = yyjson_arr_size(queries),
        .dim_count = yyjson_arr_size(yyjson_arr_get_first(queries)),
        .k = (uint64_t)long_of(datum, "k"),
        .filter = filter_of(tool, datum),
        .include_vectors = bool_of(datum, "include_vectors"),
        .include_metadata = bool_of(datum, "include_metadata"),
        .ef = (uint32_t)long_of(datum, "ef"),
        .nprobe = (uint32_t)long_of(datum, "nprobe"),
        .exact = bool_of(datum, "exact"),
        .target_recall = yyjson_get_real(yyjson_obj_get(datum, "target_recall")),
    };
    float *floats = alloc(tool, options.query_count * options.dim_count, sizeof *floats);
    size_t i, count, dim_count;
    options.queries = floats;
    yyjson_arr_foreach(queries, i, count, query)
    {
        memcpy(floats, floats_of(tool, query, &dim_count), options.dim_count * sizeof *floats);
        floats += options.dim_count;
    }
    return take(proximadb_encode_search(&options, &taken, &tool->error), &taken, payload);
}

static int scan_request(struct avro_tool *tool, yyjson_val *datum, struct px_buffer *payload)
{
    struct proximadb_buffer taken = {0};
    yyjson_val *cursor = yyjson_obj_get(datum, "cursor");
    const struct proximadb_scan_options options = {
        .struct_size = sizeof options,
        .filter = filter_of(tool, datum),
        .batch_size = (uint32_t)long_of(datum, "batch_size"),
        .include_vectors = bool_of(datum, "include_vectors"),
        .cursor = yyjson_get_str(cursor),
        .cursor_size_bytes = yyjson_get_len(cursor),
    };
    return take(proximadb_encode_scan(&options, &taken, &tool->error), &taken, payload);
}

static int count_request(struct avro_tool *tool, yyjson_val *datum, struct px_buffer *payload)
{
    struct proximadb_buffer taken = {0};
    struct proximadb_filter filter = filter_of(tool, datum);
    return take(proximadb_encode_count(&filter, &taken, &tool->error), &taken, payload);
}

static int compact_request(struct avro_tool *tool, yyjson_val *datum, struct px_buffer *payload)
{
    struct proximadb_buffer taken = {0};
    uint32_t cluster_count = (uint32_t)long_of(datum, "cluster_count");
    return take(proximadb_encode_compact(cluster_count, &taken, &tool->error), &taken, payload);
}

static int rebuild_index_request(struct avro_tool *tool, yyjson_val *datum,
                                 struct px_buffer *payload)
{
    struct proximadb_buffer taken = {0};
    yyjson_val *word = yyjson_obj_get(datum, "index_memory");
    int memory = -1;
    bool parsed = !yyjson_is_str(word) || px_index_memory_parse(slice_of(word), &memory);
    assert(parsed);
    return take(proximadb_encode_rebuild_index(memory, &taken, &tool->error), &taken, payload);
}

static struct proximadb_collection_spec spec_of(struct avro_tool *tool, yyjson_val *datum)
{
    struct proximadb_collection_spec spec = {
        .struct_size = sizeof spec,
        .name = string_of(datum, "name"),
        .dim_count = (uint32_t)long_of(datum, "dimension"),
        .exist_ok = bool_of(datum, "exist_ok"),
    };
    bool parsed =
        px_metric_parse(slice_of(yyjson_obj_get(datum, "metric")), &spec.metric) &&
        px_index_type_parse(slice_of(yyjson_obj_get(datum, "index_type")), &spec.index_type) &&
        px_storage_parse(slice_of(yyjson_obj_get(datum, "storage")), &spec.storage) &&
        px_layout_parse(slice_of(yyjson_obj_get(datum, "layout")), &spec.layout) &&
        px_index_memory_parse(slice_of(yyjson_obj_get(datum, "index_memory")), &spec.index_memory);
    assert(parsed);
    spec.filterable = filterable_of(tool, datum, &spec.filterable_count);
    return spec;
}

static int collection_spec(struct avro_tool *tool, yyjson_val *datum, struct px_buffer *payload)
{
    struct proximadb_buffer taken = {0};
    struct proximadb_collection_spec spec = spec_of(tool, datum);
    return take(proximadb_encode_collection(&spec, &taken, &tool->error), &taken, payload);
}

static int collection_change(struct avro_tool *tool, yyjson_val *datum, struct px_buffer *payload)
{
    struct proximadb_buffer taken = {0};
    size_t count;
    const struct proximadb_filterable *fields = filterable_of(tool, datum, &count);
    return take(proximadb_encode_collection_change(fields, count, &taken, &tool->error), &taken,
                payload);
}

/* ---- answers ------------------------------------------------------------------------------- */

static int write_result(struct avro_tool *tool, yyjson_val *datum, struct px_buffer *payload)
{
    (void)tool;
    const struct proximadb_write_result result = {
        (uint64_t)long_of(datum, "row_count"), long_of(datum, "first_version"),
        (uint64_t)long_of(datum, "affected"), bool_of(datum, "repeated")};
    px_result_write_write(payload, &result);
    return PROXIMADB_OK;
}

static int count_result(struct avro_tool *tool, yyjson_val *datum, struct px_buffer *payload)
{
    (void)tool;
    px_result_write_count(payload, (uint64_t)long_of(datum, "count"));
    return PROXIMADB_OK;
}

static int compact_result(struct avro_tool *tool, yyjson_val *datum, struct px_buffer *payload)
{
    (void)tool;
    const struct proximadb_compact_result result = {
        (uint64_t)long_of(datum, "row_count"), (uint64_t)long_of(datum, "cluster_count"),
        (uint64_t)long_of(datum, "bytes_read"), (uint64_t)long_of(datum, "bytes_written")};
    px_result_write_compact(payload, &result);
    return PROXIMADB_OK;
}

/* A stored row; `metadata` receives its map. */
static struct px_record record_of(struct avro_tool *tool, yyjson_val *from,
                                  struct px_buffer *metadata)
{
    const struct proximadb_row row = row_of(tool, from);
    px_buffer_clear(metadata);
    if (px_fields_write(row.fields, row.field_count, metadata, &tool->error) != PROXIMADB_OK)
        abort();
    return (struct px_record){
        .id = px_slice_of(row.id.data, row.id.size_bytes),
        .version = long_of(from, "version"),
        .vector = row.vector,
        .dim_count = (uint32_t)row.dim_count,
        .metadata = px_buffer_slice(metadata),
        .has_document = row.document != NULL,
        .document = px_slice_of(row.document, row.document_size_bytes),
        .timestamp_ms = long_of(from, "timestamp_ms"),
        .expires_at_ms = row.expires_at_ms != NULL ? *row.expires_at_ms : PX_NEVER,
    };
}

static int record_batch(struct avro_tool *tool, yyjson_val *datum, struct px_buffer *payload)
{
    yyjson_val *from, *cursor = yyjson_obj_get(datum, "cursor");
    struct px_slice text = slice_of(cursor);
    struct px_buffer metadata = {0};
    struct px_record_writer writer = px_record_writer_begin(payload);
    size_t i, count;
    yyjson_arr_foreach(yyjson_obj_get(datum, "records"), i, count, from)
    {
        const struct px_record record = record_of(tool, from, &metadata);
        px_record_writer_put(&writer, &record);
    }
    px_record_writer_finish(&writer, yyjson_is_str(cursor) ? &text : NULL);
    px_buffer_release(&metadata);
    return PROXIMADB_OK;
}

static void put_hit(struct avro_tool *tool, yyjson_val *from, struct px_buffer *payload)
{
    struct px_buffer metadata = {0};
    const struct px_record record = record_of(tool, from, &metadata);
    const struct px_result_hit hit = {&record, yyjson_get_num(yyjson_obj_get(from, "score")),
                                      yyjson_get_num(yyjson_obj_get(from, "distance"))};
    px_result_put_hit(payload, &hit,
                      (struct px_hit_parts){yyjson_is_arr(yyjson_obj_get(from, "vector")),
                                            yyjson_is_obj(yyjson_obj_get(from, "metadata"))});
    px_buffer_release(&metadata);
}

static int search_result(struct avro_tool *tool, yyjson_val *datum, struct px_buffer *payload)
{
    yyjson_val *results = yyjson_obj_get(datum, "results"), *hits, *from;
    size_t i, j, count, hit_count;
    px_result_begin_search(payload, yyjson_arr_size(results));
    yyjson_arr_foreach(results, i, count, hits)
    {
        px_result_begin_hits(payload, yyjson_arr_size(hits));
        yyjson_arr_foreach(hits, j, hit_count, from) put_hit(tool, from, payload);
        px_result_finish_hits(payload, yyjson_arr_size(hits));
    }
    px_result_finish_search(payload, yyjson_arr_size(results));
    return PROXIMADB_OK;
}

/* Filled in field by field, since px_collection_init() gives a new uuid. */
static struct px_collection collection_of(struct avro_tool *tool, yyjson_val *datum)
{
    const struct proximadb_collection_spec spec = spec_of(tool, datum);
    struct px_collection collection = {
        .dim_count = spec.dim_count,
        .metric = (enum proximadb_metric)spec.metric,
        .index_type = (enum proximadb_index_type)spec.index_type,
        .storage = (enum proximadb_storage)spec.storage,
        .layout = (enum proximadb_layout)spec.layout,
        .index_memory = (enum proximadb_index_memory)spec.index_memory,
        .created_at_ms = long_of(datum, "created_at_ms"),
        .field_count = (uint32_t)spec.filterable_count,
    };
    snprintf(collection.name, sizeof collection.name, "%s", spec.name);
    bool parsed = px_uuid_parse(string_of(datum, "id"), &collection.id);
    assert(parsed);
    for (size_t i = 0; i < spec.filterable_count; i++) {
        snprintf(collection.fields[i].name, sizeof collection.fields[i].name, "%s",
                 spec.filterable[i].name);
        collection.fields[i].type = (enum proximadb_field_type)spec.filterable[i].type;
    }
    return collection;
}

static struct px_collection_numbers numbers_of(yyjson_val *datum)
{
    return (struct px_collection_numbers){
        .vector_count = (uint64_t)long_of(datum, "vector_count"),
        .part_count = (uint64_t)long_of(datum, "part_count"),
        .disk_bytes = (uint64_t)long_of(datum, "disk_bytes"),
        .memtable_bytes = (uint64_t)long_of(datum, "memtable_bytes"),
        .wal_bytes = (uint64_t)long_of(datum, "wal_bytes"),
        .last_version = long_of(datum, "last_version"),
        .fresh_part_count = (uint64_t)long_of(datum, "fresh_part_count"),
        .dead_row_count = (uint64_t)long_of(datum, "dead_row_count"),
        .bytes_accepted = (uint64_t)long_of(datum, "bytes_accepted"),
        .bytes_written = (uint64_t)long_of(datum, "bytes_written"),
        .compaction_state = string_of(datum, "compaction_state"),
        .compaction_rows_done = (uint64_t)long_of(datum, "compaction_rows_done"),
        .compaction_row_count = (uint64_t)long_of(datum, "compaction_row_count"),
        .read_only_reason = yyjson_get_str(yyjson_obj_get(datum, "read_only_reason")),
        .index = {.state = string_of(datum, "index_state"),
                  .row_count = (uint64_t)long_of(datum, "index_row_count"),
                  .lag = (uint64_t)long_of(datum, "index_lag"),
                  .file_bytes = (uint64_t)long_of(datum, "index_file_bytes"),
                  .memory_bytes = (uint64_t)long_of(datum, "index_memory_bytes"),
                  .rows_done = (uint64_t)long_of(datum, "index_rows_done"),
                  .rebuild_count = (uint64_t)long_of(datum, "index_rebuild_count"),
                  .rebuild_reason = string_of(datum, "index_rebuild_reason")},
    };
}

static int collection_info(struct avro_tool *tool, yyjson_val *datum, struct px_buffer *payload)
{
    const struct px_collection collection = collection_of(tool, datum);
    const struct px_collection_numbers numbers = numbers_of(datum);
    px_result_write_collection(payload, &collection, &numbers);
    return PROXIMADB_OK;
}

static int collection_list(struct avro_tool *tool, yyjson_val *datum, struct px_buffer *payload)
{
    yyjson_val *list = yyjson_obj_get(datum, "collections"), *from;
    size_t i, count;
    px_result_begin_list(payload, yyjson_arr_size(list));
    yyjson_arr_foreach(list, i, count, from)
    {
        const struct px_collection collection = collection_of(tool, from);
        const struct px_collection_numbers numbers = numbers_of(from);
        px_result_put_collection(payload, &collection, &numbers);
    }
    px_result_finish_list(payload, yyjson_arr_size(list));
    return PROXIMADB_OK;
}

static int (*const writers[PX_SCHEMA_TOTAL])(struct avro_tool *tool, yyjson_val *datum,
                                             struct px_buffer *payload) = {
    [PX_SCHEMA_VECTOR_BATCH] = vector_batch,
    [PX_SCHEMA_UPDATE_BATCH] = update_batch,
    [PX_SCHEMA_DELETE_BATCH] = delete_batch,
    [PX_SCHEMA_SEARCH_REQUEST] = search_request,
    [PX_SCHEMA_GET_REQUEST] = get_request,
    [PX_SCHEMA_SCAN_REQUEST] = scan_request,
    [PX_SCHEMA_COUNT_REQUEST] = count_request,
    [PX_SCHEMA_COMPACT_REQUEST] = compact_request,
    [PX_SCHEMA_REBUILD_INDEX_REQUEST] = rebuild_index_request,
    [PX_SCHEMA_COLLECTION_SPEC] = collection_spec,
    [PX_SCHEMA_COLLECTION_CHANGE] = collection_change,
    [PX_SCHEMA_WRITE_RESULT] = write_result,
    [PX_SCHEMA_SEARCH_RESULT] = search_result,
    [PX_SCHEMA_RECORD_BATCH] = record_batch,
    [PX_SCHEMA_COUNT_RESULT] = count_result,
    [PX_SCHEMA_COMPACT_RESULT] = compact_result,
    [PX_SCHEMA_COLLECTION_INFO] = collection_info,
    [PX_SCHEMA_COLLECTION_LIST] = collection_list,
};

int avro_tool_encode(struct avro_tool *tool, enum px_schema schema, yyjson_val *datum,
                     struct px_buffer *payload)
{
    assert(writers[schema] != NULL);
    return writers[schema](tool, datum, payload);
}
