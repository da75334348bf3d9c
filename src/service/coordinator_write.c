#include "service/coordinator_internal.h"

#include "base/hash.h"
#include "payload/result.h"

#include <stdlib.h>

/* A write on its way, in the call's arena. */
struct writing {
    struct px_write_op op;
    struct px_call *call;
    struct px_shard *shard;
    uint32_t cluster_count;              /* of a compaction */
    struct px_sweep_waiter sweep_waiter; /* likewise */
};

static void finish_write(struct px_call *call, const struct proximadb_write_result *result)
{
    struct px_buffer answer = {0};
    px_result_write_write(&answer, result);
    px_call_finish(call, &answer);
    px_buffer_release(&answer);
}

static void written(struct px_write_op *op, const struct proximadb_error *error)
{
    struct writing *writing = op->done_context;
    struct px_call *call = writing->call;
    struct proximadb_write_result result = op->result;
    px_description_unref(op->description);
    px_shard_unref(writing->shard);
    if (error != NULL)
        px_call_fail(call, error);
    else
        finish_write(call, &result);
}

/* Every batch begins with its request id. */
bool px_vector_storage_coordinator_repeat(struct px_shard *shard,
                                          const struct px_operation *operation,
                                          struct px_call *call)
{
    struct proximadb_write_result result;
    if (operation->kind > PROXIMADB_UPDATE || operation->datum.size_bytes < PX_REQUEST_ID_BYTES ||
        !px_shard_recall(shard, operation->datum.data, &result))
        return false;
    finish_write(call, &result);
    return true;
}

/* An operation of the call in its arena; NULL without memory. */
static struct writing *make_writing(struct px_shard *shard, struct px_call *call,
                                    enum px_write_kind kind)
{
    struct writing *writing = px_arena_calloc(&call->arena, 1, sizeof *writing);
    if (writing == NULL)
        return NULL;
    writing->call = call;
    writing->shard = shard;
    writing->op = (struct px_write_op){.kind = kind,
                                       .arena = &call->arena,
                                       .deadline_ms = call->deadline_ms,
                                       .cancel = call->cancel,
                                       .done = written,
                                       .done_context = writing};
    return writing;
}

static void fail_no_memory(struct px_shard *shard, struct px_call *call)
{
    struct proximadb_error error;
    int rc = px_fail_no_memory(&error);
    (void)rc;
    px_shard_unref(shard);
    px_call_fail(call, &error);
}

static enum px_write_kind write_kind(enum proximadb_operation kind)
{
    switch (kind) {
    case PROXIMADB_INSERT:
        return PX_WRITE_INSERT;
    case PROXIMADB_UPSERT:
        return PX_WRITE_UPSERT;
    case PROXIMADB_UPDATE:
        return PX_WRITE_UPDATE;
    default:
        return PX_WRITE_DELETE;
    }
}

void px_coordinator__write(struct px_shard *shard, struct px_call *call,
                           const struct px_operation *operation)
{
    struct writing *writing = make_writing(shard, call, write_kind(operation->kind));
    if (writing == NULL) {
        fail_no_memory(shard, call);
        return;
    }
    struct px_write_op *op = &writing->op;
    const uint8_t *request_id = operation->as.batch.request_id;
    op->datum = operation->datum;
    switch (op->kind) {
    case PX_WRITE_UPDATE:
        op->as.update = operation->as.update;
        op->description = px_description_ref(operation->description);
        request_id = operation->as.update.request_id;
        break;
    case PX_WRITE_DELETE:
        op->as.ids = operation->as.deletion.ids;
        request_id = operation->as.deletion.request_id;
        break;
    default:
        op->as.batch = operation->as.batch;
        op->description = px_description_ref(operation->description);
        break;
    }
    memcpy(op->request_id, request_id, sizeof op->request_id);
    px_shard_submit(shard, op);
}

/* ---- delete by filter ---------------------------------------------------------------------- */

/* The rows that a filter chose, and how far their deletion has come. */
struct choosing {
    struct writing *writing;
    uint8_t request_id[PX_REQUEST_ID_BYTES];
    struct px_id *ids; /* malloc'ed, as the arrays grow; the texts are in the call's arena */
    int64_t *versions;
    uint32_t count;
    uint32_t capacity;
    uint32_t submitted;
    uint64_t affected;
    int64_t first_version;
    struct px_arena batch_arena; /* of the decision of the present batch */
};

static void choosing_free(struct choosing *choosing)
{
    free(choosing->ids);
    free(choosing->versions);
    px_arena_release(&choosing->batch_arena);
    px_buffer_release(&choosing->writing->op.own_datum);
}

static bool choose_row(struct choosing *choosing, const struct px_record *record)
{
    if (choosing->count == choosing->capacity) {
        uint32_t capacity = choosing->capacity == 0 ? 256 : 2 * choosing->capacity;
        struct px_id *ids = realloc(choosing->ids, capacity * sizeof *ids);
        if (ids != NULL)
            choosing->ids = ids;
        int64_t *versions = realloc(choosing->versions, capacity * sizeof *versions);
        if (versions != NULL)
            choosing->versions = versions;
        if (ids == NULL || versions == NULL)
            return false;
        choosing->capacity = capacity;
    }
    const char *text =
        px_arena_copy(&choosing->writing->call->arena, record->id.data, record->id.size_bytes);
    if (text == NULL)
        return false;
    struct px_slice id = px_slice_of(text, record->id.size_bytes);
    choosing->ids[choosing->count] = (struct px_id){.text = id, .hash = px_hash_memory(id)};
    choosing->versions[choosing->count++] = record->version;
    return true;
}

static int choose_rows(struct px_reading *reading, struct choosing *choosing,
                       struct proximadb_error *reterr)
{
    uint64_t step = 0;
    for (uint32_t i = 0; i < reading->snapshot.view->source_count; i++) {
        uint32_t row_count = px_snapshot_row_count(&reading->snapshot, i);
        for (uint32_t row = 0; row < row_count; row++) {
            struct px_record record;
            int rc = step++ % PX_ROWS_BETWEEN_CHECKS == 0 ? px_call_check(reading->call, reterr)
                                                          : PROXIMADB_OK;
            if (rc != PROXIMADB_OK)
                return rc;
            if (px_coordinator__accepts(reading, i, row) &&
                px_row_reader_record(&reading->rows, i, row, false, &record) &&
                !choose_row(choosing, &record))
                return px_fail_no_memory(reterr);
        }
    }
    return px_row_reader_status(&reading->rows, reterr);
}

/* Fails a call of which some batches are carried out. */
static void fail_partly(struct px_call *call, const struct proximadb_error *error,
                        uint64_t affected)
{
    struct proximadb_error partly = *error;
    if (affected > 0)
        px_error_context(&partly, "%llu rows are deleted, the rest is not; send it again to go on",
                         (unsigned long long)affected);
    px_call_fail(call, &partly);
}

static void submit_next(struct choosing *choosing);

static void chosen_written(struct px_write_op *op, const struct proximadb_error *error)
{
    struct choosing *choosing = op->done_context;
    struct px_call *call = choosing->writing->call;
    struct px_shard *shard = choosing->writing->shard;
    choosing->affected += op->result.affected;
    if (choosing->first_version == 0)
        choosing->first_version = op->result.first_version;
    px_arena_release(&choosing->batch_arena);
    if (error == NULL && choosing->submitted < choosing->count) {
        submit_next(choosing);
        return;
    }
    struct proximadb_write_result result = {.row_count = choosing->count,
                                            .first_version = choosing->first_version,
                                            .affected = choosing->affected,
                                            .repeated = op->result.repeated};
    if (op->result.repeated)
        result = op->result;
    choosing_free(choosing);
    px_shard_unref(shard);
    if (error != NULL)
        fail_partly(call, error, result.affected);
    else
        finish_write(call, &result);
}

/* The next batch. The last one carries the client's request id: if the whole is sent again before
 * that is in the log, the rest is chosen and deleted then. */
static void submit_next(struct choosing *choosing)
{
    struct px_write_op *op = &choosing->writing->op;
    uint32_t left = choosing->count - choosing->submitted;
    uint32_t count = left < PX_MOST_DELETED_IDS ? left : PX_MOST_DELETED_IDS;
    op->as.ids = (struct px_id_list){.items = choosing->ids + choosing->submitted, .count = count};
    op->chosen_versions = choosing->versions + choosing->submitted;
    op->result = (struct proximadb_write_result){0};
    op->done = chosen_written;
    op->done_context = choosing;
    choosing->submitted += count;
    if (choosing->submitted == choosing->count)
        memcpy(op->request_id, choosing->request_id, sizeof op->request_id);
    else
        px_random_bytes(op->request_id, sizeof op->request_id);
    px_shard_submit(choosing->writing->shard, op);
}

static int choose(struct px_shard *shard, struct px_call *call, const struct px_delete_batch *batch,
                  struct choosing *choosing, struct proximadb_error *reterr)
{
    struct px_reading reading;
    struct px_snapshot snapshot;
    const struct px_filter *filter;
    int rc = px_coordinator__parse_filter(shard, call, &batch->filter, &filter, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    px_shard_snapshot(shard, &snapshot);
    rc = px_coordinator__begin_reading(&reading, call, &snapshot, filter, reterr);
    if (rc == PROXIMADB_OK)
        rc = choose_rows(&reading, choosing, reterr);
    px_coordinator__end_reading(&reading);
    return rc;
}

void px_coordinator__delete_by_filter(struct px_shard *shard, struct px_call *call,
                                      const struct px_delete_batch *batch)
{
    struct proximadb_error error;
    struct proximadb_write_result result = {0};
    struct choosing *choosing = px_arena_calloc(&call->arena, 1, sizeof *choosing);
    struct writing *writing = make_writing(shard, call, PX_WRITE_DELETE);
    if (choosing == NULL || writing == NULL) {
        fail_no_memory(shard, call);
        return;
    }
    choosing->writing = writing;
    writing->op.arena = &choosing->batch_arena;
    memcpy(choosing->request_id, batch->request_id, sizeof choosing->request_id);
    /* Rows that were deleted once must not be chosen anew, by a filter that others fit by now. */
    int rc = px_shard_recall(shard, batch->request_id, &result)
                 ? PROXIMADB_OK
                 : choose(shard, call, batch, choosing, &error);
    if (rc == PROXIMADB_OK && choosing->count > 0) {
        submit_next(choosing);
        return;
    }
    choosing_free(choosing);
    px_shard_unref(shard);
    if (rc != PROXIMADB_OK)
        px_call_fail(call, &error);
    else
        finish_write(call, &result);
}

/* ---- flush and compact --------------------------------------------------------------------- */

static void flushed(struct px_write_op *op, const struct proximadb_error *error)
{
    struct writing *writing = op->done_context;
    struct px_call *call = writing->call;
    px_shard_unref(writing->shard);
    if (error != NULL)
        px_call_fail(call, error);
    else
        px_call_finish(call, NULL);
}

void px_coordinator__flush(struct px_shard *shard, struct px_call *call)
{
    struct writing *writing = make_writing(shard, call, PX_WRITE_FREEZE);
    if (writing == NULL) {
        fail_no_memory(shard, call);
        return;
    }
    writing->op.done = flushed;
    px_shard_submit(shard, &writing->op);
}

static void compacted(void *context, const struct proximadb_compact_result *result,
                      const struct proximadb_error *error)
{
    struct writing *writing = context;
    struct px_call *call = writing->call;
    struct px_buffer answer = {0};
    px_shard_unref(writing->shard);
    if (error != NULL) {
        px_call_fail(call, error);
        return;
    }
    px_result_write_compact(&answer, result);
    px_call_finish(call, &answer);
    px_buffer_release(&answer);
}

static void flushed_to_compact(struct px_write_op *op, const struct proximadb_error *error)
{
    struct writing *writing = op->done_context;
    const struct px_shard_compact_request request = {.cluster_count = writing->cluster_count,
                                                     .deadline_ms = op->deadline_ms,
                                                     .cancel = op->cancel,
                                                     .done = compacted,
                                                     .context = writing};
    if (error != NULL)
        flushed(op, error);
    else
        px_shard_compact(writing->shard, &request);
}

static void swept_to_compact(struct px_sweep_waiter *waiter)
{
    struct writing *writing =
        (struct writing *)((char *)waiter - offsetof(struct writing, sweep_waiter));
    px_shard_submit(writing->shard, &writing->op);
}

/* What has expired is deleted and what is in memory is flushed first, so that the clusters have all
 * rows and no others. */
void px_coordinator__compact(struct px_shard *shard, struct px_call *call,
                             const struct px_compact_request *request)
{
    struct writing *writing = make_writing(shard, call, PX_WRITE_FREEZE);
    if (writing == NULL) {
        fail_no_memory(shard, call);
        return;
    }
    writing->cluster_count = request->cluster_count;
    writing->op.done = flushed_to_compact;
    writing->sweep_waiter.done = swept_to_compact;
    px_shard_sweep_and_tell(shard, &writing->sweep_waiter);
}
