#include "payload/row_writer.h"

#include "avro/encode.h"
#include "avro/schemas.h"
#include "model/collection.h"
#include "payload/fields.h"
#include "payload/validate.h"

enum { REQUEST_ID_BYTES = 16 };

/* Branches of the unions [null, value, Clear]. */
enum { BRANCH_NULL = 0, BRANCH_VALUE = 1, BRANCH_CLEAR = 2 };

static int put_id(struct px_buffer *buffer, struct proximadb_text id,
                  struct proximadb_error *reterr)
{
    struct px_slice slice = px_slice_of(id.data, id.size_bytes);
    if (id.data == NULL)
        return px_fail(reterr, PROXIMADB_INVALID, "the row has no id");
    int rc = px_validate_id(slice, reterr);
    if (rc == PROXIMADB_OK)
        px_encode_string(buffer, slice);
    return rc;
}

static int put_vector(struct px_buffer *buffer, const struct proximadb_row *row,
                      struct proximadb_error *reterr)
{
    if (row->dim_count < 1 || row->dim_count > PX_MOST_DIMS)
        return px_fail(reterr, PROXIMADB_INVALID, "dim_count is %zu; it may be 1 to %d",
                       row->dim_count, PX_MOST_DIMS);
    px_encode_floats(buffer, row->vector, row->dim_count);
    return PROXIMADB_OK;
}

static int put_document(struct px_buffer *buffer, const struct proximadb_row *row,
                        struct proximadb_error *reterr)
{
    struct px_slice document = px_slice_of(row->document, row->document_size_bytes);
    int rc = px_validate_document(document, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    px_encode_branch(buffer, BRANCH_VALUE);
    px_encode_string(buffer, document);
    return PROXIMADB_OK;
}

static int put_optional_time(struct px_buffer *buffer, const int64_t *time_ms, const char *field,
                             struct proximadb_error *reterr)
{
    int rc = time_ms != NULL ? px_validate_time(*time_ms, field, reterr) : PROXIMADB_OK;
    if (rc == PROXIMADB_OK)
        px_encode_optional_long(buffer, time_ms != NULL, time_ms != NULL ? *time_ms : 0);
    return rc;
}

static int check_vector_row(const struct proximadb_row *row, struct proximadb_error *reterr)
{
    if (row->vector == NULL)
        return px_fail(reterr, PROXIMADB_INVALID,
                       "the row has no vector; only an update may leave it out");
    if (row->expected_version != NULL || row->clear_document || row->clear_expires_at)
        return px_fail(reterr, PROXIMADB_INVALID,
                       "expected_version, clear_document and clear_expires_at are for updates");
    return PROXIMADB_OK;
}

static int put_vector_row(struct px_buffer *buffer, const struct proximadb_row *row,
                          struct proximadb_error *reterr)
{
    int rc = check_vector_row(row, reterr);
    if (rc == PROXIMADB_OK)
        rc = put_id(buffer, row->id, reterr);
    if (rc == PROXIMADB_OK)
        rc = put_vector(buffer, row, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_fields_write(row->fields, row->field_count, buffer, reterr);
    if (rc == PROXIMADB_OK && row->document == NULL)
        px_encode_null(buffer);
    else if (rc == PROXIMADB_OK)
        rc = put_document(buffer, row, reterr);
    if (rc == PROXIMADB_OK)
        rc = put_optional_time(buffer, row->timestamp_ms, "timestamp_ms", reterr);
    if (rc == PROXIMADB_OK)
        rc = put_optional_time(buffer, row->expires_at_ms, "expires_at_ms", reterr);
    return rc;
}

static int check_update_row(const struct proximadb_row *row, struct proximadb_error *reterr)
{
    if (row->timestamp_ms != NULL)
        return px_fail(reterr, PROXIMADB_INVALID, "timestamp_ms cannot be updated");
    if (row->document != NULL && row->clear_document)
        return px_fail(reterr, PROXIMADB_INVALID,
                       "the row has a document, and clear_document, too; give one of them");
    if (row->expires_at_ms != NULL && row->clear_expires_at)
        return px_fail(reterr, PROXIMADB_INVALID,
                       "the row has expires_at_ms, and clear_expires_at, too; give one of them");
    if (row->expected_version != NULL && *row->expected_version < 1)
        return px_fail(reterr, PROXIMADB_INVALID, "expected_version is %lld; versions begin at 1",
                       (long long)*row->expected_version);
    return PROXIMADB_OK;
}

static void put_absent_or_clear(struct px_buffer *buffer, bool clear)
{
    px_encode_branch(buffer, clear ? BRANCH_CLEAR : BRANCH_NULL);
    if (clear)
        px_encode_branch(buffer, 0); /* the only symbol of Clear */
}

static int put_update_vector(struct px_buffer *buffer, const struct proximadb_row *row,
                             struct proximadb_error *reterr)
{
    px_encode_branch(buffer, row->vector != NULL);
    return row->vector != NULL ? put_vector(buffer, row, reterr) : PROXIMADB_OK;
}

static int put_update_metadata(struct px_buffer *buffer, const struct proximadb_row *row,
                               struct proximadb_error *reterr)
{
    px_encode_branch(buffer, row->field_count > 0);
    if (row->field_count == 0)
        return PROXIMADB_OK;
    return px_fields_write(row->fields, row->field_count, buffer, reterr);
}

static int put_update_document(struct px_buffer *buffer, const struct proximadb_row *row,
                               struct proximadb_error *reterr)
{
    if (row->document != NULL)
        return put_document(buffer, row, reterr);
    put_absent_or_clear(buffer, row->clear_document);
    return PROXIMADB_OK;
}

static int put_update_expiry(struct px_buffer *buffer, const struct proximadb_row *row,
                             struct proximadb_error *reterr)
{
    if (row->expires_at_ms != NULL)
        return put_optional_time(buffer, row->expires_at_ms, "expires_at_ms", reterr);
    put_absent_or_clear(buffer, row->clear_expires_at);
    return PROXIMADB_OK;
}

static int put_update_row(struct px_buffer *buffer, const struct proximadb_row *row,
                          struct proximadb_error *reterr)
{
    int rc = check_update_row(row, reterr);
    if (rc == PROXIMADB_OK)
        rc = put_id(buffer, row->id, reterr);
    if (rc == PROXIMADB_OK)
        rc = put_update_vector(buffer, row, reterr);
    if (rc == PROXIMADB_OK)
        rc = put_update_metadata(buffer, row, reterr);
    if (rc == PROXIMADB_OK)
        rc = put_update_document(buffer, row, reterr);
    if (rc == PROXIMADB_OK)
        rc = put_update_expiry(buffer, row, reterr);
    if (rc == PROXIMADB_OK)
        px_encode_optional_long(buffer, row->expected_version != NULL,
                                row->expected_version != NULL ? *row->expected_version : 0);
    return rc;
}

/* Makes a failed append undone: what was there before is a whole batch. */
static int finish_row(struct px_buffer *buffer, size_t begin, int rc,
                      struct proximadb_error *reterr)
{
    if (rc == PROXIMADB_OK)
        rc = px_buffer_status(buffer, reterr);
    if (rc != PROXIMADB_OK) {
        buffer->size_bytes = begin;
        buffer->status = PROXIMADB_OK;
    }
    return rc;
}

int px_row_write_vector(struct px_buffer *buffer, const struct proximadb_row *row,
                        struct proximadb_error *reterr)
{
    size_t begin = buffer->size_bytes;
    return finish_row(buffer, begin, put_vector_row(buffer, row, reterr), reterr);
}

int px_row_write_update(struct px_buffer *buffer, const struct proximadb_row *row,
                        struct proximadb_error *reterr)
{
    size_t begin = buffer->size_bytes;
    return finish_row(buffer, begin, put_update_row(buffer, row, reterr), reterr);
}

void px_row_write_head(struct px_buffer *buffer, bool update, const uint8_t request_id[16],
                       size_t row_count)
{
    px_payload_begin(buffer, update ? PX_SCHEMA_UPDATE_BATCH : PX_SCHEMA_VECTOR_BATCH);
    px_encode_fixed(buffer, request_id, REQUEST_ID_BYTES);
    px_encode_block(buffer, row_count);
}
