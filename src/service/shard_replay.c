#include "service/shard_internal.h"

#include "avro/schemas.h"

/* What replay decodes an entry into. */
struct replayed {
    struct px_arena arena;
    struct px_write_op op;
};

static void ignore_done(struct px_write_op *op, const struct proximadb_error *error)
{
    (void)op;
    (void)error;
}

/* What an operation of the log is, and what its batch must be. */
struct replayed_form {
    enum px_write_kind kind;
    uint32_t branch;
    enum px_schema schema;
};

static const struct replayed_form forms[PX_WAL_OPERATION_COUNT] = {
    [PX_WAL_INSERT] = {PX_WRITE_INSERT, 0, PX_SCHEMA_VECTOR_BATCH},
    [PX_WAL_UPSERT] = {PX_WRITE_UPSERT, 0, PX_SCHEMA_VECTOR_BATCH},
    [PX_WAL_UPDATE] = {PX_WRITE_UPDATE, 1, PX_SCHEMA_UPDATE_BATCH},
    [PX_WAL_DELETE] = {PX_WRITE_DELETE, 2, PX_SCHEMA_DELETE_BATCH},
    [PX_WAL_EXPIRE] = {PX_WRITE_EXPIRE, 2, PX_SCHEMA_DELETE_BATCH},
};

static int decode(struct px_shard *shard, const struct px_wal_entry *entry,
                  struct replayed *replayed, struct proximadb_error *reterr)
{
    const struct px_collection *collection = &shard->description->collection;
    const struct replayed_form *form = &forms[entry->operation];
    struct px_write_op *op = &replayed->op;
    struct px_delete_batch batch;
    enum px_schema schema;
    int rc = px_schema_find(entry->schema_fingerprint, &schema, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    if (schema != form->schema || entry->branch != form->branch)
        return px_fail(reterr, PROXIMADB_CORRUPT, "its operation and its batch do not go together");
    op->kind = form->kind;
    switch (schema) {
    case PX_SCHEMA_VECTOR_BATCH:
        return px_batch_decode(entry->batch, collection, &replayed->arena, &op->as.batch, reterr);
    case PX_SCHEMA_UPDATE_BATCH:
        return px_update_decode(entry->batch, collection, &replayed->arena, &op->as.update, reterr);
    default:
        rc = px_delete_batch_decode(entry->batch, &replayed->arena, &batch, reterr);
        if (rc == PROXIMADB_OK)
            op->as.ids = batch.ids;
        return rc;
    }
}

static int check_count(const struct px_wal_entry *entry, const struct px_write_op *op,
                       struct proximadb_error *reterr)
{
    if (px_write_op_row_count(op) != entry->row_count)
        return px_fail(reterr, PROXIMADB_CORRUPT, "it counts %u rows, and its batch has %u",
                       entry->row_count, px_write_op_row_count(op));
    return PROXIMADB_OK;
}

/* An entry whose old rows cannot be read is no damage of the log, behind which the rows before it
 * could be served: without it, rows that were acknowledged would be missing, and nobody told. */
static int prepare(struct px_shard *shard, struct px_write_op *op, struct proximadb_error *reterr)
{
    struct proximadb_error error;
    int rc = px_shard__prepare(shard, op, false, &error);
    if (rc == PROXIMADB_CORRUPT || rc == PROXIMADB_IO)
        shard->failure = error;
    if (rc != PROXIMADB_OK)
        *reterr = error;
    return rc;
}

int px_shard__replay(void *context, const struct px_wal_entry *entry,
                     struct proximadb_error *reterr)
{
    struct px_shard *shard = context;
    struct replayed replayed = {.op = {.done = ignore_done, .time_ms = entry->time_ms}};
    struct px_write_op *op = &replayed.op;
    op->arena = &replayed.arena;
    memcpy(op->request_id, entry->request_id, sizeof op->request_id);
    int rc = decode(shard, entry, &replayed, reterr);
    if (rc == PROXIMADB_OK)
        rc = check_count(entry, op, reterr);
    if (rc == PROXIMADB_OK)
        rc = prepare(shard, op, reterr);
    if (rc == PROXIMADB_OK) {
        pthread_mutex_lock(&shard->lock);
        px_shard__apply(shard, op, entry);
        px_memtable_publish(shard->active->memtable, shard->round.last_lsn);
        shard->visible_lsn = shard->round.last_lsn;
        shard->reserved_kill_count = 0;
        pthread_mutex_unlock(&shard->lock);
        px_shard__release_found(shard, op);
    }
    if (entry->time_ms > atomic_load(&shard->clock_ms))
        atomic_store(&shard->clock_ms, entry->time_ms);
    px_arena_release(&replayed.arena);
    return rc;
}
