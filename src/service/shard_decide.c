#include "service/shard_internal.h"

#include "model/metadata.h"
#include "payload/request_writer.h"
#include "payload/validate.h"
#include "simd/rounding.h"

#include <assert.h>

/* ---- finding what there is ----------------------------------------------------------------- */

static int read_expiry(struct px_source *source, uint32_t row, int64_t *ret_expires_at_ms,
                       struct proximadb_error *reterr)
{
    if (source->memtable != NULL) {
        *ret_expires_at_ms = px_memtable_get_expiry(source->memtable, row);
        return PROXIMADB_OK;
    }
    return px_part_read_expiry(source->id_reader, row, ret_expires_at_ms, reterr);
}

static int read_version(struct px_source *source, uint32_t row, int64_t *ret_version,
                        struct proximadb_error *reterr)
{
    if (source->memtable != NULL) {
        *ret_version = px_memtable_get_version(source->memtable, row);
        return PROXIMADB_OK;
    }
    return px_part_read_version(source->id_reader, row, ret_version, reterr);
}

static int find_row(struct px_shard *shard, struct px_write_op *op, uint32_t i,
                    struct proximadb_error *reterr)
{
    struct px_found_row *found = &op->found[i];
    int64_t expires_at_ms;
    int rc = px_shard__find(shard, px_write_op_hash(op, i), px_write_op_id(op, i), found, reterr);
    if (rc != PROXIMADB_OK || found->source == NULL)
        return rc;
    px_shard__hold_found(found);
    rc = read_expiry(found->source, found->row, &expires_at_ms, reterr);
    found->is_expired = rc == PROXIMADB_OK && expires_at_ms <= op->time_ms;
    return rc;
}

static bool exists(const struct px_found_row *found)
{
    return found->source != NULL && !found->is_expired;
}

/* ---- the rules ----------------------------------------------------------------------------- */

static int check_version(struct px_write_op *op, uint32_t i, struct proximadb_error *reterr)
{
    const struct px_update_row *row = &op->as.update.rows[i];
    int64_t version;
    if (!row->has_expected_version)
        return PROXIMADB_OK;
    int rc = read_version(op->found[i].source, op->found[i].row, &version, reterr);
    if (rc != PROXIMADB_OK || version == row->expected_version)
        return rc;
    return px_fail_numbers(reterr, PROXIMADB_VERSION_MISMATCH, i, row->expected_version, version,
                           "the row '%.*s' has version %lld, not %lld as expected; read it again, "
                           "then decide; nothing was updated",
                           PX_SHOWN_ID(row->id), (long long)version,
                           (long long)row->expected_version);
}

static int check_rule(struct px_write_op *op, uint32_t i, struct proximadb_error *reterr)
{
    if (op->kind == PX_WRITE_INSERT && exists(&op->found[i]))
        return px_fail_row(reterr, PROXIMADB_VECTOR_EXISTS, i,
                           "the id '%.*s' exists already; use upsert to replace it, or another id; "
                           "nothing was inserted",
                           PX_SHOWN_ID(px_write_op_id(op, i)));
    if (op->kind != PX_WRITE_UPDATE)
        return PROXIMADB_OK;
    if (!exists(&op->found[i]))
        return px_fail_row(reterr, PROXIMADB_VECTOR_NOT_FOUND, i,
                           "there is no row '%.*s' to update; insert it first; nothing was updated",
                           PX_SHOWN_ID(px_write_op_id(op, i)));
    return check_version(op, i, reterr);
}

/* Of rows that were chosen before, leaves those that are still what they were, and writes down
 * which. */
static int keep_chosen(struct px_write_op *op, struct proximadb_error *reterr)
{
    uint32_t kept = 0;
    struct px_id *ids = px_arena_alloc(op->arena, op->row_count * sizeof *ids);
    struct px_slice *texts = px_arena_alloc(op->arena, op->row_count * sizeof *texts);
    if (ids == NULL || texts == NULL)
        return px_fail_no_memory(reterr);
    for (uint32_t i = 0; i < op->row_count; i++) {
        struct px_found_row found = op->found[i];
        int64_t version = 0;
        if (found.source == NULL)
            continue;
        int rc = read_version(found.source, found.row, &version, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
        if (version != op->chosen_versions[i])
            continue;
        ids[kept] = op->as.ids.items[i];
        texts[kept] = ids[kept].text;
        op->found[i] = op->found[kept];
        op->found[kept++] = found;
    }
    op->as.ids = (struct px_id_list){.items = ids, .count = kept};
    op->row_count = kept;
    px_buffer_clear(&op->own_datum);
    px_request_write_delete_datum(&op->own_datum, op->request_id, texts, kept);
    op->datum = px_buffer_slice(&op->own_datum);
    return px_buffer_status(&op->own_datum, reterr);
}

/* ---- reserving ----------------------------------------------------------------------------- */

/* The row dies in a part, or in a memtable that may be one by then. */
static int reserve_kill(struct px_source *source, uint32_t row, struct proximadb_error *reterr)
{
    return source->part != NULL ? px_dead_rows_reserve(px_part_dead_rows(source->part), row, reterr)
                                : PROXIMADB_OK;
}

/* Of the first row_count rows. */
static void unreserve_rows(struct px_shard *shard, struct px_write_op *op, uint32_t row_count)
{
    for (uint32_t i = 0; i < row_count; i++)
        if (px_write_op_has_rows(op) && op->found[i].source == NULL)
            px_id_index_unreserve(&shard->index, px_write_op_hash(op, i));
}

static int reserve_rows(struct px_shard *shard, struct px_write_op *op,
                        struct proximadb_error *reterr)
{
    struct px_memtable *active = shard->active->memtable;
    int rc = px_memtable_reserve_kills(active, shard->reserved_kill_count + op->row_count, reterr);
    uint32_t i = 0;
    for (; i < op->row_count && rc == PROXIMADB_OK; i++) {
        if (op->found[i].source != NULL)
            rc = reserve_kill(op->found[i].source, op->found[i].row, reterr);
        else if (px_write_op_has_rows(op))
            rc = px_id_index_reserve(&shard->index, px_write_op_hash(op, i), reterr);
    }
    if (rc == PROXIMADB_OK)
        shard->reserved_kill_count += op->row_count;
    else if (i > 0)
        unreserve_rows(shard, op, i - 1); /* the last one failed */
    return rc;
}

/* All that needs the index. Under the lock. */
static int find_and_reserve(struct px_shard *shard, struct px_write_op *op, bool with_rules,
                            struct proximadb_error *reterr)
{
    int rc = PROXIMADB_OK;
    for (uint32_t i = 0; i < op->row_count && rc == PROXIMADB_OK; i++) {
        rc = find_row(shard, op, i, reterr);
        if (rc == PROXIMADB_OK && with_rules)
            rc = check_rule(op, i, reterr);
        else if (rc == PROXIMADB_OK && op->kind == PX_WRITE_UPDATE && op->found[i].source == NULL)
            rc = px_fail_row(reterr, PROXIMADB_CORRUPT, i, "there is no row '%.*s' to update",
                             PX_SHOWN_ID(px_write_op_id(op, i)));
    }
    if (rc == PROXIMADB_OK && op->chosen_versions != NULL)
        rc = keep_chosen(op, reterr);
    if (rc == PROXIMADB_OK)
        rc = reserve_rows(shard, op, reterr);
    return rc;
}

/* ---- staging ------------------------------------------------------------------------------- */

/*
 * The only place where vectors are rounded: a row that is accepted, now or once before by what is
 * in the log, comes to the memtable through here with the vector that the client sent. What has
 * been stored is moved on as it is.
 */
static int stage_sent(struct px_shard *shard, const struct px_record *record,
                      struct proximadb_error *reterr)
{
    struct px_memtable *memtable = shard->active->memtable;
    uint32_t row;
    int rc = px_memtable_stage(memtable, record, &row, reterr);
    if (rc == PROXIMADB_OK && shard->mantissa_bits < PX_ALL_MANTISSA_BITS)
        px_round_vector(record->vector, shard->dim_count, shard->mantissa_bits,
                        px_memtable_staged_vector(memtable, row));
    return rc;
}

static int stage_batch(struct px_shard *shard, struct px_write_op *op,
                       struct proximadb_error *reterr)
{
    int rc = PROXIMADB_OK;
    for (uint32_t i = 0; i < op->row_count && rc == PROXIMADB_OK; i++) {
        const struct px_batch_row *row = &op->as.batch.rows[i];
        struct px_record record = row->record;
        if (!row->has_timestamp)
            record.timestamp_ms = op->time_ms;
        rc = stage_sent(shard, &record, reterr);
    }
    return rc;
}

/* What an update makes of a row. *record is the row as it is, and then as it will be. */
static int change_record(const struct px_update_row *change, struct px_buffer *metadata,
                         struct px_record *record, struct proximadb_error *reterr)
{
    if (change->vector != NULL)
        record->vector = change->vector;
    if (change->document_change != PX_CHANGE_KEEP) {
        record->has_document = change->document_change == PX_CHANGE_SET;
        record->document = change->document;
    }
    if (change->expires_change != PX_CHANGE_KEEP)
        record->expires_at_ms =
            change->expires_change == PX_CHANGE_SET ? change->expires_at_ms : PX_NEVER;
    if (!change->has_metadata)
        return PROXIMADB_OK;
    px_buffer_clear(metadata);
    int rc = px_metadata_merge(record->metadata, change->metadata, metadata, reterr);
    record->metadata = px_buffer_slice(metadata);
    return rc;
}

/* Reads the old rows, which the operation holds; a part's reader is kept for the rows behind it. */
static int stage_update(struct px_shard *shard, struct px_write_op *op,
                        struct proximadb_error *reterr)
{
    struct px_buffer metadata = {0};
    struct px_part_reader *reader = NULL;
    const struct px_source *read_from = NULL;
    int rc = PROXIMADB_OK;
    for (uint32_t i = 0; i < op->row_count && rc == PROXIMADB_OK; i++) {
        const struct px_found_row *found = &op->found[i];
        struct px_record record;
        uint32_t staged;
        if (found->source->part != NULL && read_from != found->source) {
            px_part_reader_free(reader);
            reader = NULL;
            read_from = found->source;
            rc = px_part_reader_new(read_from->part, &reader, reterr);
        }
        if (found->source->memtable != NULL)
            px_memtable_get(found->source->memtable, found->row, &record);
        else if (rc == PROXIMADB_OK)
            rc = px_part_read_record(reader, found->row, op->as.update.rows[i].vector == NULL,
                                     &record, reterr);
        if (rc == PROXIMADB_OK)
            rc = change_record(&op->as.update.rows[i], &metadata, &record, reterr);
        if (rc != PROXIMADB_OK)
            px_error_set_row(reterr, i);
        else if (op->as.update.rows[i].vector != NULL)
            rc = stage_sent(shard, &record, reterr);
        else
            rc = px_memtable_stage(shard->active->memtable, &record, &staged, reterr);
    }
    px_part_reader_free(reader);
    px_buffer_release(&metadata);
    return rc;
}

static int stage(struct px_shard *shard, struct px_write_op *op, struct proximadb_error *reterr)
{
    struct px_memtable *memtable = shard->active->memtable;
    if (!px_write_op_has_rows(op))
        return PROXIMADB_OK;
    struct px_memtable_mark mark = px_memtable_mark(memtable);
    op->first_row = px_memtable_staged_count(memtable);
    int rc = op->kind == PX_WRITE_UPDATE ? stage_update(shard, op, reterr)
                                         : stage_batch(shard, op, reterr);
    if (rc != PROXIMADB_OK)
        px_memtable_unstage(memtable, mark);
    return rc;
}

int px_shard__prepare(struct px_shard *shard, struct px_write_op *op, bool with_rules,
                      struct proximadb_error *reterr)
{
    int rc = px_shard__ensure_index(shard, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    op->row_count = px_write_op_row_count(op);
    op->found_count = op->row_count;
    op->found = px_arena_calloc(op->arena, op->row_count, sizeof *op->found);
    if (op->found == NULL)
        return px_fail_no_memory(reterr);
    pthread_mutex_lock(&shard->lock);
    rc = find_and_reserve(shard, op, with_rules, reterr);
    pthread_mutex_unlock(&shard->lock);
    if (rc != PROXIMADB_OK) {
        px_shard__release_found(shard, op);
        return rc;
    }
    rc = stage(shard, op, reterr);
    if (rc != PROXIMADB_OK)
        px_shard__unprepare(shard, op);
    return rc;
}

void px_shard__unprepare(struct px_shard *shard, struct px_write_op *op)
{
    pthread_mutex_lock(&shard->lock);
    unreserve_rows(shard, op, op->row_count);
    shard->reserved_kill_count -= op->row_count;
    pthread_mutex_unlock(&shard->lock);
    px_shard__release_found(shard, op);
}
