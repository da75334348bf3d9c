#include "cli/import_sink.h"

#include <stdio.h>
#include <string.h>

enum {
    BATCH_BYTES = 8 << 20, /* enough to make a sync worth it, and little beside a memtable */
    ROW_BYTES = 64,        /* about what a row takes beside its parts */
};

void px_import_strip_row(struct proximadb_error *error)
{
    char front[32];
    int size = snprintf(front, sizeof front, "row %lld: ", (long long)error->row_index);
    if (strncmp(error->message, front, (size_t)size) == 0)
        memmove(error->message, error->message + size, strlen(error->message + size) + 1);
}

int px_import_sink_init(struct px_import_sink *sink, proximadb *db, const char *collection,
                        int operation, uint64_t batch_rows, struct proximadb_error *reterr)
{
    *sink = (struct px_import_sink){.db = db,
                                    .collection = collection,
                                    .operation = operation,
                                    .batch_rows = batch_rows,
                                    .lock = PTHREAD_MUTEX_INITIALIZER,
                                    .changed = PTHREAD_COND_INITIALIZER};
    sink->batch = proximadb_batch_new(operation, NULL);
    return sink->batch != NULL ? PROXIMADB_OK : px_fail_no_memory(reterr);
}

void px_import_sink_release(struct px_import_sink *sink)
{
    proximadb_batch_free(sink->batch);
}

/* Names the row by its number in the file; that in its batch means nothing to the user. */
static void set_row(struct proximadb_error *error, uint64_t first_row)
{
    if (error->row_index < 0)
        return;
    px_import_strip_row(error);
    error->row_index += (int64_t)first_row;
    px_error_context(error, "row %lld", (long long)error->row_index);
}

/* ---- batches under way --------------------------------------------------------------------- */

static void done(void *context, int status, struct proximadb_buffer *response,
                 const struct proximadb_error *error)
{
    struct px_import_batch *batch = context;
    struct px_import_sink *sink = batch->sink;
    proximadb_buffer_release(response);
    pthread_mutex_lock(&sink->lock);
    if (status == PROXIMADB_OK) {
        sink->acknowledged_rows += batch->row_count;
    } else if (sink->error.status == PROXIMADB_OK) {
        sink->error = *error;
        set_row(&sink->error, batch->first_row);
    }
    batch->row_count = 0;
    pthread_cond_signal(&sink->changed);
    pthread_mutex_unlock(&sink->lock);
}

static struct px_import_batch *find_free(struct px_import_sink *sink)
{
    for (size_t i = 0; i < PX_IMPORT_MOST_UNDER_WAY; i++)
        if (sink->under_way[i].row_count == 0)
            return &sink->under_way[i];
    return NULL;
}

/* Waits for a place; NULL after a failure. */
static struct px_import_batch *take_place(struct px_import_sink *sink, uint64_t row_count,
                                          struct proximadb_error *reterr)
{
    struct px_import_batch *place = NULL;
    pthread_mutex_lock(&sink->lock);
    while (sink->error.status == PROXIMADB_OK && (place = find_free(sink)) == NULL)
        pthread_cond_wait(&sink->changed, &sink->lock);
    if (sink->error.status != PROXIMADB_OK) {
        *reterr = sink->error;
        place = NULL;
    } else {
        *place = (struct px_import_batch){
            .sink = sink, .first_row = sink->first_row, .row_count = row_count};
    }
    pthread_mutex_unlock(&sink->lock);
    return place;
}

static int send_batch(struct px_import_sink *sink, struct proximadb_error *reterr)
{
    struct proximadb_request request = {.struct_size = sizeof request,
                                        .operation = sink->operation,
                                        .collection = sink->collection,
                                        .collection_size_bytes = strlen(sink->collection)};
    if (sink->row_count == 0)
        return PROXIMADB_OK;
    int rc = proximadb_batch_take(sink->batch, &request.payload, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    struct px_import_batch *place = take_place(sink, sink->row_count, reterr);
    if (place == NULL) {
        proximadb_buffer_release(&request.payload);
        return reterr->status;
    }
    sink->first_row += sink->row_count;
    sink->row_count = sink->bytes = 0;
    proximadb_submit(sink->db, &request, done, place);
    return PROXIMADB_OK;
}

/* ---- rows ---------------------------------------------------------------------------------- */

static uint64_t bytes_of(const struct proximadb_row *row)
{
    uint64_t bytes =
        ROW_BYTES + row->id.size_bytes + row->dim_count * sizeof(float) + row->document_size_bytes;
    for (size_t i = 0; i < row->field_count; i++) {
        const struct proximadb_value *value = &row->fields[i].value;
        bytes += row->fields[i].name.size_bytes + sizeof(int64_t);
        if (value->kind == PROXIMADB_VALUE_STRING)
            bytes += value->as.string.size_bytes;
        for (size_t j = 0;
             value->kind == PROXIMADB_VALUE_STRING_ARRAY && j < value->as.strings.count; j++)
            bytes += value->as.strings.items[j].size_bytes;
    }
    return bytes;
}

int px_import_sink_add(struct px_import_sink *sink, const struct proximadb_row *row,
                       struct proximadb_error *reterr)
{
    uint64_t bytes = bytes_of(row);
    int rc = PROXIMADB_OK;
    if (sink->row_count == sink->batch_rows || sink->bytes + bytes > BATCH_BYTES)
        rc = send_batch(sink, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    rc = proximadb_batch_add(sink->batch, row, reterr);
    if (rc != PROXIMADB_OK) {
        if (reterr->row_index < 0)
            reterr->row_index = (int64_t)sink->row_count;
        set_row(reterr, sink->first_row);
        return rc;
    }
    sink->row_count++;
    sink->bytes += bytes;
    return PROXIMADB_OK;
}

int px_import_sink_end(struct px_import_sink *sink, bool is_complete,
                       struct proximadb_error *reterr)
{
    int rc = is_complete ? send_batch(sink, reterr) : PROXIMADB_OK;
    pthread_mutex_lock(&sink->lock);
    for (size_t i = 0; i < PX_IMPORT_MOST_UNDER_WAY; i++)
        while (sink->under_way[i].row_count > 0)
            pthread_cond_wait(&sink->changed, &sink->lock);
    if (rc == PROXIMADB_OK && sink->error.status != PROXIMADB_OK) {
        *reterr = sink->error;
        rc = reterr->status;
    }
    pthread_mutex_unlock(&sink->lock);
    return rc;
}
