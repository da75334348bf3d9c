#include "payload/result.h"

#include "avro/encode.h"
#include "avro/schemas.h"
#include "base/uuid.h"

#include <assert.h>

/* Of the number of records in a RecordBatch, which is known last: 5 groups of 7 bits, one of them
 * the sign. */
enum { PADDED_COUNT_BYTES = 5 };
#define PADDED_COUNT_LIMIT (UINT64_C(1) << 34)

static void put_u64(struct px_buffer *buffer, uint64_t value)
{
    assert(value <= INT64_MAX);
    px_encode_long(buffer, (int64_t)value);
}

void px_result_write_write(struct px_buffer *buffer, const struct proximadb_write_result *result)
{
    px_payload_begin(buffer, PX_SCHEMA_WRITE_RESULT);
    put_u64(buffer, result->row_count);
    px_encode_long(buffer, result->first_version);
    put_u64(buffer, result->affected);
    px_encode_boolean(buffer, result->repeated);
}

void px_result_write_count(struct px_buffer *buffer, uint64_t count)
{
    px_payload_begin(buffer, PX_SCHEMA_COUNT_RESULT);
    put_u64(buffer, count);
}

void px_result_write_compact(struct px_buffer *buffer,
                             const struct proximadb_compact_result *result)
{
    px_payload_begin(buffer, PX_SCHEMA_COMPACT_RESULT);
    put_u64(buffer, result->row_count);
    put_u64(buffer, result->cluster_count);
    put_u64(buffer, result->bytes_read);
    put_u64(buffer, result->bytes_written);
}

static void put_vector(struct px_buffer *buffer, const struct px_record *record, bool wanted)
{
    bool present = wanted && record->vector != NULL;
    px_encode_branch(buffer, present);
    if (present)
        px_encode_floats(buffer, record->vector, record->dim_count);
}

/* ---- RecordBatch --------------------------------------------------------------------------- */

struct px_record_writer px_record_writer_begin(struct px_buffer *buffer)
{
    px_payload_begin(buffer, PX_SCHEMA_RECORD_BATCH);
    struct px_record_writer writer = {.buffer = buffer, .count_offset = buffer->size_bytes};
    px_buffer_append_zeros(buffer, PADDED_COUNT_BYTES);
    return writer;
}

void px_record_writer_put(struct px_record_writer *writer, const struct px_record *record)
{
    struct px_buffer *buffer = writer->buffer;
    px_encode_string(buffer, record->id);
    px_encode_long(buffer, record->version);
    put_vector(buffer, record, true);
    px_buffer_append_slice(buffer, record->metadata);
    px_encode_optional_string(buffer, record->has_document, record->document);
    px_encode_long(buffer, record->timestamp_ms);
    px_encode_optional_long(buffer, record->expires_at_ms != PX_NEVER, record->expires_at_ms);
    writer->count++;
}

void px_record_writer_finish(struct px_record_writer *writer, const struct px_slice *cursor)
{
    struct px_buffer *buffer = writer->buffer;
    assert(writer->count < PADDED_COUNT_LIMIT);
    if (buffer->status == PROXIMADB_OK)
        px_varint_write_padded(buffer->data + writer->count_offset,
                               px_zigzag((int64_t)writer->count), PADDED_COUNT_BYTES);
    px_encode_block_end(buffer, writer->count);
    px_encode_branch(buffer, cursor != NULL);
    if (cursor != NULL)
        px_encode_string(buffer, *cursor);
}

/* ---- SearchResult -------------------------------------------------------------------------- */

void px_result_begin_search(struct px_buffer *buffer, size_t query_count)
{
    px_payload_begin(buffer, PX_SCHEMA_SEARCH_RESULT);
    px_encode_block(buffer, query_count);
}

void px_result_begin_hits(struct px_buffer *buffer, size_t hit_count)
{
    px_encode_block(buffer, hit_count);
}

void px_result_put_hit(struct px_buffer *buffer, const struct px_result_hit *hit,
                       struct px_hit_parts parts)
{
    const struct px_record *record = hit->record;
    px_encode_string(buffer, record->id);
    px_encode_long(buffer, record->version);
    px_encode_double(buffer, hit->score);
    px_encode_double(buffer, hit->distance);
    put_vector(buffer, record, parts.vector);
    px_encode_branch(buffer, parts.metadata);
    if (parts.metadata)
        px_buffer_append_slice(buffer, record->metadata);
    px_encode_optional_string(buffer, parts.metadata && record->has_document, record->document);
}

void px_result_finish_hits(struct px_buffer *buffer, size_t hit_count)
{
    px_encode_block_end(buffer, hit_count);
}

void px_result_finish_search(struct px_buffer *buffer, size_t query_count)
{
    px_encode_block_end(buffer, query_count);
}

/* ---- CollectionInfo, CollectionList -------------------------------------------------------- */

static void put_string(struct px_buffer *buffer, const char *string)
{
    px_encode_string(buffer, px_slice_of_string(string));
}

static void put_fields(struct px_buffer *buffer, const struct px_collection *collection)
{
    px_encode_block(buffer, collection->field_count);
    for (uint32_t i = 0; i < collection->field_count; i++) {
        put_string(buffer, collection->fields[i].name);
        put_string(buffer, px_field_type_name(collection->fields[i].type));
    }
    px_encode_block_end(buffer, collection->field_count);
}

static void put_index(struct px_buffer *buffer, const struct px_index_numbers *numbers)
{
    put_string(buffer, numbers->state != NULL ? numbers->state : "none");
    put_u64(buffer, numbers->row_count);
    put_u64(buffer, numbers->lag);
    put_u64(buffer, numbers->file_bytes);
    put_u64(buffer, numbers->memory_bytes);
    put_u64(buffer, numbers->rows_done);
    put_u64(buffer, numbers->rebuild_count);
    put_string(buffer, numbers->rebuild_reason != NULL ? numbers->rebuild_reason : "");
}

void px_result_put_collection(struct px_buffer *buffer, const struct px_collection *collection,
                              const struct px_collection_numbers *numbers)
{
    char id[PX_UUID_TEXT_BYTES];
    px_uuid_format(collection->id, id);
    put_string(buffer, collection->name);
    put_string(buffer, id);
    px_encode_int(buffer, (int32_t)collection->dim_count);
    put_string(buffer, px_metric_name(collection->metric));
    put_string(buffer, px_index_type_name(collection->index_type));
    put_string(buffer, px_storage_name(collection->storage));
    put_string(buffer, px_layout_name(collection->layout));
    px_encode_int(buffer, (int32_t)px_storage_mantissa_bits(collection->storage));
    px_encode_double(buffer, px_storage_relative_error(collection->storage));
    put_fields(buffer, collection);
    px_encode_long(buffer, collection->created_at_ms);
    put_u64(buffer, numbers->vector_count);
    put_u64(buffer, numbers->part_count);
    put_u64(buffer, numbers->disk_bytes);
    put_u64(buffer, numbers->memtable_bytes);
    put_u64(buffer, numbers->wal_bytes);
    px_encode_long(buffer, numbers->last_version);
    put_u64(buffer, numbers->fresh_part_count);
    put_u64(buffer, numbers->dead_row_count);
    put_u64(buffer, numbers->bytes_accepted);
    put_u64(buffer, numbers->bytes_written);
    put_string(buffer, numbers->compaction_state != NULL ? numbers->compaction_state : "idle");
    put_u64(buffer, numbers->compaction_rows_done);
    put_u64(buffer, numbers->compaction_row_count);
    put_string(buffer, px_index_memory_name(collection->index_memory));
    put_index(buffer, &numbers->index);
    px_encode_branch(buffer, numbers->read_only_reason != NULL);
    if (numbers->read_only_reason != NULL)
        put_string(buffer, numbers->read_only_reason);
}

void px_result_write_collection(struct px_buffer *buffer, const struct px_collection *collection,
                                const struct px_collection_numbers *numbers)
{
    px_payload_begin(buffer, PX_SCHEMA_COLLECTION_INFO);
    px_result_put_collection(buffer, collection, numbers);
}

void px_result_begin_list(struct px_buffer *buffer, size_t collection_count)
{
    px_payload_begin(buffer, PX_SCHEMA_COLLECTION_LIST);
    px_encode_block(buffer, collection_count);
}

void px_result_finish_list(struct px_buffer *buffer, size_t collection_count)
{
    px_encode_block_end(buffer, collection_count);
}
