#include "payload/batch.h"

#include "base/hash.h"
#include "payload/decoder_internal.h"
#include "payload/validate.h"

static_assert(offsetof(struct px_batch_row, record.id) == 0, "as px_decoder__batch() needs it");

enum {
    /* Of any record: its six fields have a byte each. */
    SMALLEST_RECORD_BYTES = 6,
    /* Of a valid one, without its floats: id 2, count and end of the vector 2, the others 1 each.
     * */
    SMALLEST_VALID_BYTES = 8,
};

static int read_document(struct px_decoder *decoder, struct px_record *record)
{
    record->has_document = px_cursor_branch(&decoder->cursor, 2) == 1;
    record->document = px_slice_of(NULL, 0);
    if (!record->has_document)
        return px_decoder__check(decoder);
    return px_decoder__document(decoder, &record->document);
}

static int read_times(struct px_decoder *decoder, struct px_batch_row *row)
{
    struct px_cursor *cursor = &decoder->cursor;
    row->has_timestamp = px_cursor_branch(cursor, 2) == 1;
    row->record.timestamp_ms = row->has_timestamp ? px_cursor_long(cursor) : 0;
    bool expires = px_cursor_branch(cursor, 2) == 1;
    row->record.expires_at_ms = expires ? px_cursor_long(cursor) : PX_NEVER;
    int rc = px_decoder__check(decoder);
    if (rc == PROXIMADB_OK && row->has_timestamp)
        rc = px_validate_time(row->record.timestamp_ms, "timestamp_ms", decoder->reterr);
    if (rc == PROXIMADB_OK && expires)
        rc = px_validate_time(row->record.expires_at_ms, "expires_at_ms", decoder->reterr);
    return rc;
}

static int read_row(struct px_decoder *decoder, void *untyped_row, uint64_t *ret_hash)
{
    struct px_batch_row *row = untyped_row;
    struct px_record *record = &row->record;
    record->version = 0;
    record->dim_count = decoder->collection->dim_count;
    int rc = px_decoder__id(decoder, &record->id);
    if (rc == PROXIMADB_OK)
        rc = px_decoder__vector(decoder, &record->vector);
    if (rc == PROXIMADB_OK)
        rc = px_decoder__map(decoder, &record->metadata);
    if (rc == PROXIMADB_OK)
        rc = read_document(decoder, record);
    if (rc == PROXIMADB_OK)
        rc = read_times(decoder, row);
    if (rc == PROXIMADB_OK)
        *ret_hash = row->id_hash = px_hash_memory(record->id);
    return rc;
}

int px_batch_decode(struct px_slice datum, const struct px_collection *collection,
                    struct px_arena *arena, struct px_batch *ret_batch,
                    struct proximadb_error *reterr)
{
    const struct px_decoder_rows format = {
        .row_bytes = sizeof(struct px_batch_row),
        .smallest_item_bytes = SMALLEST_RECORD_BYTES,
        .smallest_valid_bytes = SMALLEST_VALID_BYTES + collection->dim_count * sizeof(float),
        .read = read_row,
    };
    struct px_decoder decoder = px_decoder__of(datum, "VectorBatch", collection, arena, reterr);
    struct px_decoder_batch batch;
    int rc = px_decoder__batch(&decoder, &format, &batch);
    px_decoder__release(&decoder);
    if (rc != PROXIMADB_OK)
        return rc;
    memcpy(ret_batch->request_id, batch.request_id, PX_REQUEST_ID_BYTES);
    ret_batch->row_count = batch.row_count;
    ret_batch->rows = batch.rows;
    return PROXIMADB_OK;
}
