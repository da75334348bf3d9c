#include "service/shard_internal.h"

#include "base/hash.h"
#include "service/row_reader.h"

#include <stdlib.h>

enum { ROWS_PER_SWEEP = 10000 };

/* A sweep: a delete of rows that have expired, from finding them to its end in the log. */
struct sweep {
    struct px_job job; /* first member */
    struct px_shard *shard;
    struct px_arena arena;
    struct px_snapshot snapshot;
    struct px_row_reader reader;
    struct px_id *ids;
    int64_t *versions;
    uint32_t count;
    struct px_write_op op;
};

static void tell(struct px_sweep_waiter *waiter)
{
    while (waiter != NULL) {
        struct px_sweep_waiter *next = waiter->next;
        waiter->done(waiter);
        waiter = next;
    }
}

/* goes_on: there may be more than one sweep takes; the next one begins at once. */
static void end_sweep(struct sweep *sweep, bool goes_on)
{
    struct px_shard *shard = sweep->shard;
    struct px_sweep_waiter *next;
    px_row_reader_release(&sweep->reader);
    px_snapshot_release(&sweep->snapshot);
    px_arena_release(&sweep->arena);
    px_buffer_release(&sweep->op.own_datum);
    free(sweep);
    pthread_mutex_lock(&shard->lock);
    struct px_sweep_waiter *waiters = shard->sweep_waiters;
    shard->sweep_waiters = NULL;
    shard->is_sweeping = false;
    pthread_mutex_unlock(&shard->lock);
    if (goes_on && waiters == NULL)
        px_shard_sweep(shard);
    for (; goes_on && waiters != NULL; waiters = next) {
        next = waiters->next;
        px_shard_sweep_and_tell(shard, waiters);
    }
    tell(waiters);
    px_shard__end_job(shard);
}

static void swept(struct px_write_op *op, const struct proximadb_error *error)
{
    struct sweep *sweep = op->done_context;
    if (error != NULL)
        px_log_write(&sweep->shard->context->log, PROXIMADB_LOG_WARNING,
                     "expired rows of collection '%s' could not be deleted yet: %s",
                     sweep->shard->name, error->message);
    end_sweep(sweep, error == NULL && sweep->count == ROWS_PER_SWEEP);
}

/* Notes a row that is there and has expired. False on failure, or when there are enough. */
static bool look_at(struct sweep *sweep, uint32_t source_index, uint32_t row)
{
    const struct px_source *source = sweep->snapshot.view->sources[source_index];
    struct px_record record;
    int64_t killed_at = px_source_killed_at(source, row);
    if ((killed_at != 0 && killed_at <= sweep->snapshot.lsn) ||
        px_row_reader_is_visible(&sweep->reader, source_index, row))
        return true;
    /* A row that could not be looked at is not visible either; it must not be deleted for that. */
    if (!px_row_reader_record(&sweep->reader, source_index, row, false, &record) ||
        px_row_reader_status(&sweep->reader, NULL) != PROXIMADB_OK)
        return false;
    const char *text = px_arena_copy(&sweep->arena, record.id.data, record.id.size_bytes);
    if (text == NULL)
        return false;
    struct px_slice id = px_slice_of(text, record.id.size_bytes);
    sweep->ids[sweep->count] = (struct px_id){.text = id, .hash = px_hash_memory(id)};
    sweep->versions[sweep->count++] = record.version;
    return sweep->count < ROWS_PER_SWEEP;
}

static void find_expired(struct sweep *sweep)
{
    const struct px_view *view = sweep->snapshot.view;
    bool go_on = true;
    for (uint32_t i = 0; i < view->source_count && go_on; i++) {
        uint32_t row_count = px_snapshot_row_count(&sweep->snapshot, i);
        if (!px_source_has_expiry(view->sources[i]))
            continue;
        for (uint32_t row = 0; row < row_count && go_on; row++)
            go_on = look_at(sweep, i, row);
    }
}

static bool prepare(struct sweep *sweep)
{
    px_shard_snapshot(sweep->shard, &sweep->snapshot);
    sweep->ids = px_arena_alloc(&sweep->arena, ROWS_PER_SWEEP * sizeof *sweep->ids);
    sweep->versions = px_arena_alloc(&sweep->arena, ROWS_PER_SWEEP * sizeof *sweep->versions);
    return px_snapshot_may_expire(&sweep->snapshot) && sweep->ids != NULL &&
           sweep->versions != NULL &&
           px_row_reader_init(&sweep->reader, &sweep->snapshot, NULL) == PROXIMADB_OK;
}

static void run_job(struct px_job *job)
{
    struct sweep *sweep = (struct sweep *)job;
    if (prepare(sweep))
        find_expired(sweep);
    if (sweep->count == 0) {
        end_sweep(sweep, false);
        return;
    }
    struct px_write_op *op = &sweep->op;
    op->kind = PX_WRITE_EXPIRE;
    op->as.ids = (struct px_id_list){.items = sweep->ids, .count = sweep->count};
    op->chosen_versions = sweep->versions;
    op->arena = &sweep->arena;
    op->done = swept;
    op->done_context = sweep;
    px_random_bytes(op->request_id, sizeof op->request_id);
    px_shard_submit(sweep->shard, op);
}

void px_shard_sweep_and_tell(struct px_shard *shard, struct px_sweep_waiter *waiter)
{
    if (waiter != NULL)
        waiter->next = NULL; /* what it says of the sweep before is not for telling */
    struct sweep *sweep = calloc(1, sizeof *sweep);
    if (sweep == NULL) {
        tell(waiter);
        return; /* the next one may have more luck */
    }
    sweep->job.run = run_job;
    sweep->shard = shard;
    pthread_mutex_lock(&shard->lock);
    bool starts = px_shard_check(shard, NULL) == PROXIMADB_OK && !shard->is_sweeping &&
                  !shard->is_closing && px_view_may_expire(shard->view);
    if (starts) {
        shard->is_sweeping = true;
        px_shard__begin_job(shard);
    }
    if (shard->is_sweeping && waiter != NULL) {
        waiter->next = shard->sweep_waiters;
        shard->sweep_waiters = waiter;
        waiter = NULL;
    }
    pthread_mutex_unlock(&shard->lock);
    if (starts)
        px_workers_submit(shard->context->sweepers, &sweep->job);
    else
        free(sweep);
    tell(waiter);
}

void px_shard_sweep(struct px_shard *shard)
{
    px_shard_sweep_and_tell(shard, NULL);
}
