#include "service/coordinator_internal.h"

#include "payload/result.h"

/* A page of a scan ends at this size even if it has fewer rows than asked for. */
#define PAGE_BYTES ((size_t)8 << 20)

/* Whether to go on with a walk: now and then, whether it is still wanted. */
static int check(const struct px_reading *reading, uint64_t step, struct proximadb_error *reterr)
{
    return step % PX_ROWS_BETWEEN_CHECKS == 0 ? px_call_check(reading->call, reterr) : PROXIMADB_OK;
}

/* ---- get ----------------------------------------------------------------------------------- */

static int put_located(struct px_reading *reading, const struct px_get_request *request,
                       const struct px_located_row *located, struct px_buffer *answer,
                       struct proximadb_error *reterr)
{
    struct px_record_writer writer = px_record_writer_begin(answer);
    for (uint32_t i = 0; i < request->ids.count; i++) {
        struct px_located_row row = located[i];
        struct px_record record;
        int rc = check(reading, i, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
        if (row.source_index == reading->snapshot.view->source_count ||
            !px_coordinator__accepts(reading, row.source_index, row.row) ||
            !px_row_reader_record(&reading->rows, row.source_index, row.row,
                                  request->include_vectors, &record))
            continue;
        px_record_writer_put(&writer, &record);
    }
    px_record_writer_finish(&writer, NULL);
    return px_row_reader_status(&reading->rows, reterr);
}

int px_coordinator__get(struct px_shard *shard, struct px_call *call,
                        const struct px_get_request *request, struct px_buffer *answer,
                        struct proximadb_error *reterr)
{
    struct px_reading reading;
    struct px_snapshot snapshot;
    struct px_located_row *located =
        px_arena_alloc(&call->arena, request->ids.count * sizeof *located);
    if (located == NULL)
        return px_fail_no_memory(reterr);
    int rc = px_shard_locate(shard, &request->ids, located, &snapshot, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    rc = px_coordinator__begin_reading(&reading, call, &snapshot, NULL, reterr);
    if (rc == PROXIMADB_OK)
        px_row_reader_share_pages(&reading.rows);
    if (rc == PROXIMADB_OK)
        rc = put_located(&reading, request, located, answer, reterr);
    px_coordinator__end_reading(&reading);
    return rc;
}

/* ---- scan ---------------------------------------------------------------------------------- */

/* Puts rows from *position on until the page is full; *position is then where the next one begins,
 * with the source count behind the last row. */
static int put_page(struct px_reading *reading, const struct px_scan_request *request,
                    struct px_scan_position *position, struct px_record_writer *writer,
                    struct proximadb_error *reterr)
{
    uint64_t step = 0;
    uint32_t source_count = reading->snapshot.view->source_count;
    for (; position->source_index < source_count; position->source_index++, position->row = 0) {
        uint32_t row_count = px_snapshot_row_count(&reading->snapshot, position->source_index);
        for (; position->row < row_count; position->row++) {
            struct px_record record;
            if (writer->count >= request->batch_size || writer->buffer->size_bytes >= PAGE_BYTES)
                return PROXIMADB_OK;
            int rc = check(reading, step++, reterr);
            if (rc != PROXIMADB_OK)
                return rc;
            if (!px_coordinator__accepts(reading, position->source_index, position->row) ||
                !px_row_reader_record(&reading->rows, position->source_index, position->row,
                                      request->include_vectors, &record))
                continue;
            px_record_writer_put(writer, &record);
        }
    }
    return PROXIMADB_OK;
}

static int write_page(struct px_vector_storage_coordinator *coordinator, struct px_reading *reading,
                      const struct px_scan_request *request, char cursor[PX_CURSOR_BYTES],
                      struct px_scan_position position, struct px_buffer *answer,
                      struct proximadb_error *reterr)
{
    struct px_record_writer writer = px_record_writer_begin(answer);
    int rc = put_page(reading, request, &position, &writer, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_row_reader_status(&reading->rows, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    if (position.source_index == reading->snapshot.view->source_count) {
        if (request->has_cursor)
            px_scan_table_finish(coordinator->scans, cursor);
        else
            px_scan_table_forget(coordinator->scans, cursor); /* one page was all of it */
        px_record_writer_finish(&writer, NULL);
    } else {
        px_scan_cursor_move(cursor, position);
        struct px_slice text = px_slice_of_string(cursor);
        px_record_writer_finish(&writer, &text);
    }
    return PROXIMADB_OK;
}

int px_coordinator__scan(struct px_vector_storage_coordinator *coordinator, struct px_shard *shard,
                         struct px_call *call, const struct px_scan_request *request,
                         struct px_buffer *answer, struct proximadb_error *reterr)
{
    struct px_reading reading;
    struct px_snapshot snapshot;
    struct px_scan_position position = {0};
    const struct px_filter *filter;
    char cursor[PX_CURSOR_BYTES];
    int rc = px_coordinator__parse_filter(shard, call, &request->filter, &filter, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    if (request->has_cursor) {
        rc = px_scan_table_continue(coordinator->scans, shard, request->cursor, &snapshot,
                                    &position, reterr);
        if (rc == PROXIMADB_OK)
            memcpy(cursor, request->cursor.data, request->cursor.size_bytes);
    } else {
        rc = px_scan_table_start(coordinator->scans, shard, cursor, &snapshot, reterr);
    }
    if (rc != PROXIMADB_OK)
        return rc;
    rc = px_coordinator__begin_reading(&reading, call, &snapshot, filter, reterr);
    if (rc == PROXIMADB_OK)
        rc = write_page(coordinator, &reading, request, cursor, position, answer, reterr);
    px_coordinator__end_reading(&reading);
    if (rc != PROXIMADB_OK && !request->has_cursor)
        px_scan_table_forget(coordinator->scans, cursor);
    return rc;
}

/* ---- count --------------------------------------------------------------------------------- */

static int count_rows(struct px_reading *reading, uint64_t *ret_count,
                      struct proximadb_error *reterr)
{
    uint64_t count = 0, step = 0;
    for (uint32_t i = 0; i < reading->snapshot.view->source_count; i++) {
        uint32_t row_count = px_snapshot_row_count(&reading->snapshot, i);
        for (uint32_t row = 0; row < row_count; row++) {
            int rc = check(reading, step++, reterr);
            if (rc != PROXIMADB_OK)
                return rc;
            count += px_coordinator__accepts(reading, i, row);
        }
    }
    *ret_count = count;
    return px_row_reader_status(&reading->rows, reterr);
}

int px_coordinator__count(struct px_shard *shard, struct px_call *call,
                          const struct px_count_request *request, struct px_buffer *answer,
                          struct proximadb_error *reterr)
{
    struct px_reading reading;
    struct px_snapshot snapshot;
    const struct px_filter *filter;
    int rc = px_coordinator__parse_filter(shard, call, &request->filter, &filter, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    px_shard_snapshot(shard, &snapshot);
    uint64_t count = snapshot.live_count;
    bool is_known = filter == NULL && !px_snapshot_may_expire(&snapshot);
    rc = px_coordinator__begin_reading(&reading, call, &snapshot, filter, reterr);
    if (rc == PROXIMADB_OK && !is_known)
        rc = count_rows(&reading, &count, reterr);
    px_coordinator__end_reading(&reading);
    if (rc == PROXIMADB_OK)
        px_result_write_count(answer, count);
    return rc;
}
