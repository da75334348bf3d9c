#include "api/struct_copy.h"
#include "base/uuid.h"
#include "payload/row_writer.h"

#include <stdlib.h>

enum { REQUEST_ID_BYTES = 16 };

struct proximadb_batch {
    int operation;
    uint8_t request_id[REQUEST_ID_BYTES];
    size_t row_count;

    /* Room for the head, then the rows. The head has the number of rows in it, so it is written
     * when the batch is taken, and ends where the rows begin: nothing is moved. */
    struct px_buffer rows;
};

proximadb_batch *proximadb_batch_new(int operation, const uint8_t *request_id)
{
    struct proximadb_batch *batch = calloc(1, sizeof *batch);
    if (batch == NULL)
        return NULL;
    batch->operation = operation;
    if (request_id != NULL)
        memcpy(batch->request_id, request_id, REQUEST_ID_BYTES);
    else
        px_random_bytes(batch->request_id, REQUEST_ID_BYTES);
    return batch;
}

void proximadb_batch_free(proximadb_batch *batch)
{
    if (batch == NULL)
        return;
    px_buffer_release(&batch->rows);
    free(batch);
}

static int put_row(struct proximadb_batch *batch, const struct proximadb_row *row,
                   struct proximadb_error *reterr)
{
    switch (batch->operation) {
    case PROXIMADB_INSERT:
    case PROXIMADB_UPSERT:
        return px_row_write_vector(&batch->rows, row, reterr);
    case PROXIMADB_UPDATE:
        return px_row_write_update(&batch->rows, row, reterr);
    default:
        return px_fail(reterr, PROXIMADB_INVALID,
                       "operation %d takes no batch of rows; insert, upsert and update do",
                       batch->operation);
    }
}

/* Makes the buffer begin with room for the head; nothing is changed on failure. */
static int reserve_head(struct px_buffer *rows, struct proximadb_error *reterr)
{
    if (rows->size_bytes > 0)
        return PROXIMADB_OK;
    px_buffer_append_zeros(rows, PX_ROW_LARGEST_HEAD_BYTES);
    int rc = px_buffer_status(rows, reterr);
    if (rc != PROXIMADB_OK)
        px_buffer_clear(rows);
    return rc;
}

int proximadb_batch_add(proximadb_batch *batch, const struct proximadb_row *row,
                        struct proximadb_error *reterr)
{
    struct proximadb_row copy;
    int rc = px_struct_copy(&copy, sizeof copy, row, "proximadb_row", reterr);
    if (rc == PROXIMADB_OK)
        rc = reserve_head(&batch->rows, reterr);
    if (rc == PROXIMADB_OK)
        rc = put_row(batch, &copy, reterr);
    if (rc == PROXIMADB_OK)
        batch->row_count++;
    else
        px_error_set_row(reterr, (int64_t)batch->row_count);
    return rc;
}

/* Puts the head in front of the rows and the end of the array behind them; *ret_offset is where the
 * payload begins. The rows are as before on failure. */
static int frame_rows(struct proximadb_batch *batch, size_t *ret_offset,
                      struct proximadb_error *reterr)
{
    struct px_buffer *rows = &batch->rows;
    struct px_buffer head = {0};
    px_row_write_head(&head, batch->operation == PROXIMADB_UPDATE, batch->request_id,
                      batch->row_count);
    int rc = px_buffer_status(&head, reterr);
    if (rc == PROXIMADB_OK)
        rc = reserve_head(rows, reterr);
    if (rc == PROXIMADB_OK && batch->row_count > 0) {
        px_buffer_append_byte(rows, 0);
        rc = px_buffer_status(rows, reterr);
        rows->status = PROXIMADB_OK;
    }
    if (rc == PROXIMADB_OK) {
        *ret_offset = PX_ROW_LARGEST_HEAD_BYTES - head.size_bytes;
        memcpy(rows->data + *ret_offset, head.data, head.size_bytes);
    }
    px_buffer_release(&head);
    return rc;
}

int proximadb_batch_take(proximadb_batch *batch, struct proximadb_buffer *ret_payload,
                         struct proximadb_error *reterr)
{
    size_t offset;
    struct proximadb_buffer payload;
    int rc = frame_rows(batch, &offset, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_buffer_take(&batch->rows, &payload, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    payload.data = (const uint8_t *)payload.data + offset; /* its context stays what is freed */
    payload.size_bytes -= offset;
    *ret_payload = payload;
    batch->row_count = 0;
    px_random_bytes(batch->request_id, REQUEST_ID_BYTES);
    return PROXIMADB_OK;
}
