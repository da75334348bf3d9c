#include "payload/update.h"

#include "base/hash.h"
#include "payload/decoder_internal.h"
#include "payload/validate.h"

static_assert(offsetof(struct px_update_row, id) == 0, "as px_decoder__batch() needs it");

enum {
    SMALLEST_ITEM_BYTES = 6,  /* of any update: six fields of a byte each */
    SMALLEST_VALID_BYTES = 7, /* of a valid one, whose id is not empty */
};

static int read_vector(struct px_decoder *decoder, struct px_update_row *row)
{
    row->vector = NULL;
    if (px_cursor_branch(&decoder->cursor, 2) == 0)
        return px_decoder__check(decoder);
    return px_decoder__vector(decoder, &row->vector);
}

static int read_metadata(struct px_decoder *decoder, struct px_update_row *row)
{
    row->metadata = px_slice_of(NULL, 0);
    row->has_metadata = px_cursor_branch(&decoder->cursor, 2) == 1;
    if (!row->has_metadata)
        return px_decoder__check(decoder);
    return px_decoder__map(decoder, &row->metadata);
}

/* A union [null, value, Clear], up to the value. Clear is an enum whose one symbol is CLEAR. */
static enum px_change read_change(struct px_cursor *cursor)
{
    static const enum px_change changes[] = {PX_CHANGE_KEEP, PX_CHANGE_SET, PX_CHANGE_CLEAR};
    enum px_change change = changes[px_cursor_branch(cursor, 3)];
    if (change == PX_CHANGE_CLEAR)
        (void)px_cursor_branch(cursor, 1);
    return change;
}

static int read_document(struct px_decoder *decoder, struct px_update_row *row)
{
    row->document = px_slice_of(NULL, 0);
    row->document_change = read_change(&decoder->cursor);
    if (row->document_change != PX_CHANGE_SET)
        return px_decoder__check(decoder);
    return px_decoder__document(decoder, &row->document);
}

static int read_expiry(struct px_decoder *decoder, struct px_update_row *row)
{
    row->expires_at_ms = PX_NEVER;
    row->expires_change = read_change(&decoder->cursor);
    if (row->expires_change == PX_CHANGE_SET)
        row->expires_at_ms = px_cursor_long(&decoder->cursor);
    int rc = px_decoder__check(decoder);
    if (rc == PROXIMADB_OK && row->expires_change == PX_CHANGE_SET)
        rc = px_validate_time(row->expires_at_ms, "expires_at_ms", decoder->reterr);
    return rc;
}

static int read_expected_version(struct px_decoder *decoder, struct px_update_row *row)
{
    row->has_expected_version = px_cursor_branch(&decoder->cursor, 2) == 1;
    row->expected_version = row->has_expected_version ? px_cursor_long(&decoder->cursor) : 0;
    int rc = px_decoder__check(decoder);
    if (rc == PROXIMADB_OK && row->has_expected_version && row->expected_version < 1)
        rc = px_fail(decoder->reterr, PROXIMADB_INVALID,
                     "expected_version is %lld; versions begin at 1",
                     (long long)row->expected_version);
    return rc;
}

static int read_row(struct px_decoder *decoder, void *untyped_row, uint64_t *ret_hash)
{
    struct px_update_row *row = untyped_row;
    int rc = px_decoder__id(decoder, &row->id);
    if (rc == PROXIMADB_OK)
        rc = read_vector(decoder, row);
    if (rc == PROXIMADB_OK)
        rc = read_metadata(decoder, row);
    if (rc == PROXIMADB_OK)
        rc = read_document(decoder, row);
    if (rc == PROXIMADB_OK)
        rc = read_expiry(decoder, row);
    if (rc == PROXIMADB_OK)
        rc = read_expected_version(decoder, row);
    if (rc == PROXIMADB_OK)
        *ret_hash = row->id_hash = px_hash_memory(row->id);
    return rc;
}

int px_update_decode(struct px_slice datum, const struct px_collection *collection,
                     struct px_arena *arena, struct px_update *ret_update,
                     struct proximadb_error *reterr)
{
    static const struct px_decoder_rows format = {
        .row_bytes = sizeof(struct px_update_row),
        .smallest_item_bytes = SMALLEST_ITEM_BYTES,
        .smallest_valid_bytes = SMALLEST_VALID_BYTES,
        .read = read_row,
    };
    struct px_decoder decoder = px_decoder__of(datum, "UpdateBatch", collection, arena, reterr);
    struct px_decoder_batch batch;
    int rc = px_decoder__batch(&decoder, &format, &batch);
    px_decoder__release(&decoder);
    if (rc != PROXIMADB_OK)
        return rc;
    memcpy(ret_update->request_id, batch.request_id, PX_REQUEST_ID_BYTES);
    ret_update->row_count = batch.row_count;
    ret_update->rows = batch.rows;
    return PROXIMADB_OK;
}
