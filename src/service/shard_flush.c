#include "service/shard_internal.h"

#include "metadata/collection_store.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    RETRY_MS = 1000,
    NO_MEMORY_PAUSE_US = 10000,
};

/* ---- views --------------------------------------------------------------------------------- */

static bool is_among(const struct px_source *source, struct px_source *const *sources,
                     uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (sources[i] == source)
            return true;
    return false;
}

static uint32_t copy_kept(const struct px_view *view, bool parts, struct px_source *const *old,
                          uint32_t old_count, struct px_source **into)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < view->source_count; i++)
        if ((view->sources[i]->part != NULL) == parts &&
            !is_among(view->sources[i], old, old_count))
            into[count++] = view->sources[i];
    return count;
}

void px_shard__set_view(struct px_shard *shard, struct px_view *view)
{
    for (uint32_t i = 0; i < view->source_count; i++)
        view->sources[i]->view_index = i;
    shard->view = view;
}

int px_shard__replace_in_view(struct px_shard *shard, struct px_source *const *old,
                              uint32_t old_count, struct px_source *const *fresh,
                              uint32_t fresh_count, struct proximadb_error *reterr)
{
    struct px_view *view;
    uint32_t most = shard->view->source_count + fresh_count;
    struct px_source **sources = malloc(most * sizeof(struct px_source *));
    if (sources == NULL)
        return px_fail_no_memory(reterr);
    uint32_t count = copy_kept(shard->view, true, old, old_count, sources);
    for (uint32_t i = 0; i < fresh_count; i++)
        if (fresh[i]->part != NULL)
            sources[count++] = fresh[i];
    count += copy_kept(shard->view, false, old, old_count, sources + count);
    for (uint32_t i = 0; i < fresh_count; i++)
        if (fresh[i]->memtable != NULL)
            sources[count++] = fresh[i];
    int rc = px_view_new(sources, count, &view, reterr);
    free(sources);
    if (rc != PROXIMADB_OK)
        return rc;
    px_view_unref(shard->view);
    px_shard__set_view(shard, view);
    return PROXIMADB_OK;
}

/* The memtable whose flush stores a kill of that LSN. */
static struct px_memtable *kill_owner(struct px_shard *shard, int64_t lsn)
{
    for (uint32_t i = 0; i < shard->frozen_count; i++)
        if (lsn <= px_memtable_last_lsn(shard->frozen[i].source->memtable))
            return shard->frozen[i].source->memtable;
    return shard->active->memtable;
}

/* ---- jobs ---------------------------------------------------------------------------------- */

void px_shard__begin_job(struct px_shard *shard)
{
    shard->job_count++;
    (void)px_shard_ref(shard);
}

void px_shard__end_job(struct px_shard *shard)
{
    pthread_mutex_lock(&shard->lock);
    if (--shard->job_count == 0)
        pthread_cond_broadcast(&shard->idle);
    pthread_mutex_unlock(&shard->lock);
    px_shard_unref(shard);
}

bool px_shard__is_closing(struct px_shard *shard)
{
    pthread_mutex_lock(&shard->lock);
    bool closing = shard->is_closing;
    pthread_mutex_unlock(&shard->lock);
    return closing || atomic_load(&shard->is_dropped);
}

/* A step that fails has read and written much for nothing, so each pause is longer than the one
 * before: 10 seconds, 20, and so on. */
int64_t px_shard__retry_delay_ms(uint32_t failure_count)
{
    enum { FIRST_RETRY_MS = 10000, LAST_RETRY_MS = 600000 };
    int64_t delay_ms = FIRST_RETRY_MS;
    for (uint32_t i = 1; i < failure_count && delay_ms < LAST_RETRY_MS; i++)
        delay_ms *= 2;
    return delay_ms < LAST_RETRY_MS ? delay_ms : LAST_RETRY_MS;
}

/* ---- freezing ------------------------------------------------------------------------------ */

int px_shard__freeze(struct px_shard *shard, struct proximadb_error *reterr)
{
    struct px_source *active = shard->active;
    struct px_memtable *memtable = NULL;
    struct px_source *fresh;
    if (px_memtable_is_empty(active->memtable))
        return PROXIMADB_OK;
    if (shard->frozen_count == PX_MOST_FROZEN)
        return px_fail(reterr, PROXIMADB_RESOURCE_EXHAUSTED,
                       "too much waits to be flushed; try again later");
    int rc = px_shard__reserve_sources(shard, 1, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_memtable_new(shard->dim_count, &memtable, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_source_new(memtable, NULL, &fresh, reterr);
    if (rc != PROXIMADB_OK) {
        px_memtable_free(memtable);
        return rc;
    }
    rc = px_shard__replace_in_view(shard, NULL, 0, &fresh, 1, reterr);
    if (rc != PROXIMADB_OK) {
        px_source_unref(fresh);
        return rc;
    }
    px_shard__add_source(shard, fresh);
    shard->active = fresh;
    shard->frozen[shard->frozen_count++] =
        (struct px_frozen){.source = px_source_ref(active),
                           .live_row_count = shard->live_count,
                           .clock_ms = atomic_load(&shard->clock_ms)};
    px_shard__start_flush(shard);
    return PROXIMADB_OK;
}

/* A collection that could not be opened has no log. */
static bool has_flush_work(const struct px_shard *shard)
{
    return shard->frozen_count > 0 || shard->altering != NULL ||
           (shard->wal != NULL && px_wal_has_flushed(shard->wal, shard->stored_lsn));
}

void px_shard__start_flush(struct px_shard *shard)
{
    if (shard->is_flushing || shard->is_stopped || !has_flush_work(shard))
        return;
    shard->is_flushing = true;
    shard->flush_retry_ms = 0;
    px_shard__begin_job(shard);
    px_workers_submit(shard->context->flushers, &shard->flush_job);
}

/* ---- flushing ------------------------------------------------------------------------------ */

/* What one flush works on. */
struct flush {
    struct px_shard *shard;
    struct px_source *source;
    struct px_description *description;
    uint64_t live_row_count;
    int64_t clock_ms;
    struct px_buffer request_ids;
};

/* The kills of the memtable's writes, by the paths of the parts as they are now. */
static int collect_deletes(void *context, struct px_delete **ret_deletes, size_t *ret_count,
                           struct proximadb_error *reterr)
{
    struct flush *flush = context;
    struct px_shard *shard = flush->shard;
    size_t count;
    pthread_mutex_lock(&shard->lock);
    const struct px_kill *kills = px_memtable_kills(flush->source->memtable, &count);
    struct px_delete *deletes = malloc((count + 1) * sizeof *deletes);
    for (size_t i = 0; deletes != NULL && i < count; i++) {
        const struct px_source *source = shard->sources[kills[i].source];
        assert(source != NULL && source->part != NULL && !px_source_is_replaced(source));
        deletes[i] = (struct px_delete){
            .path = px_part_file(source->part)->path, .row = kills[i].row, .lsn = kills[i].lsn};
    }
    pthread_mutex_unlock(&shard->lock);
    if (deletes == NULL)
        return px_fail_no_memory(reterr);
    *ret_deletes = deletes;
    *ret_count = count;
    return PROXIMADB_OK;
}

/* ---- publishing ---------------------------------------------------------------------------- */

void px_shard__wait_for_memory(void)
{
    usleep(NO_MEMORY_PAUSE_US);
}

int px_shard__reserve_dead(struct px_part *part, struct proximadb_error *reterr)
{
    uint32_t row_count = px_part_row_count(part);
    int rc = PROXIMADB_OK;
    for (uint32_t row = 0; row < row_count && rc == PROXIMADB_OK; row += PX_DEAD_CHUNK_ROWS)
        rc = px_dead_rows_reserve(px_part_dead_rows(part), row, reterr);
    return rc;
}

/* An operation that is decided and not yet applied may kill any row; in the old source it has
 * reserved what that needs. */
static int reserve_for_round(const struct px_shard *shard, struct px_source *const *to,
                             uint32_t to_count, struct proximadb_error *reterr)
{
    int rc = PROXIMADB_OK;
    if (shard->reserved_kill_count == 0)
        return rc;
    for (uint32_t i = 0; i < to_count && rc == PROXIMADB_OK; i++)
        rc = px_shard__reserve_dead(to[i]->part, reterr);
    return rc;
}

/* Rows of `from` are now in the part `to`, as `moved` says. Rows that were killed in `from` and
 * went over all the same (they were live when they were copied) die in their new place, too, and
 * the next flush stores that. Under the lock; to be reserved before, and carried behind the change
 * of the view. */
static int reserve_carried(struct px_shard *shard, const struct px_source *from,
                           const struct px_moved *moved, struct px_source *const *to,
                           uint32_t to_count, struct proximadb_error *reterr)
{
    uint32_t row_count = px_source_row_count(from);
    size_t count = 0;
    int rc = reserve_for_round(shard, to, to_count, reterr);
    for (uint32_t row = 0; row < row_count && rc == PROXIMADB_OK; row++)
        if (moved[row].target != PX_NOT_MOVED && px_source_killed_at(from, row) != 0) {
            struct px_part *part = to[moved[row].target]->part;
            rc = px_dead_rows_reserve(px_part_dead_rows(part), moved[row].row, reterr);
            count++;
        }
    for (uint32_t i = 0; i < shard->frozen_count && rc == PROXIMADB_OK; i++)
        rc = px_memtable_reserve_kills(shard->frozen[i].source->memtable, count, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_memtable_reserve_kills(shard->active->memtable, shard->reserved_kill_count + count,
                                       reterr);
    return rc;
}

static void carry_kills(struct px_shard *shard, const struct px_source *from)
{
    uint32_t row_count = px_source_row_count(from);
    for (uint32_t row = 0; row < row_count; row++) {
        struct px_moved moved = from->moved[row];
        int64_t lsn = px_source_killed_at(from, row);
        if (lsn == 0 || moved.target == PX_NOT_MOVED)
            continue;
        struct px_source *to = from->targets[moved.target];
        (void)px_dead_rows_kill(px_part_dead_rows(to->part), moved.row, lsn);
        px_memtable_add_kill(kill_owner(shard, lsn),
                             (struct px_kill){.source = to->number, .row = moved.row, .lsn = lsn});
    }
}

/* What takes the memtable's place. */
struct replacement {
    struct px_moved *moved;
    struct px_source **targets; /* room for one */
    struct px_source *to;       /* NULL: no row was live */
};

static bool try_make_replacement(struct px_part *part, struct replacement *replacement)
{
    if (replacement->targets == NULL)
        replacement->targets = malloc(sizeof(struct px_source *));
    if (replacement->to == NULL && part != NULL &&
        px_source_new(NULL, part, &replacement->to, NULL) != PROXIMADB_OK)
        return false;
    return replacement->targets != NULL;
}

/* Puts the part in the place of the memtable, which is the oldest frozen one. Under the lock. */
static int try_publish(struct px_shard *shard, struct px_source *from,
                       const struct replacement *replacement)
{
    struct px_source *to = replacement->to;
    uint32_t to_count = to != NULL;
    int rc = px_shard__reserve_sources(shard, to_count, NULL);
    if (rc == PROXIMADB_OK)
        rc = reserve_carried(shard, from, replacement->moved, &to, to_count, NULL);
    if (rc == PROXIMADB_OK)
        rc = px_shard__replace_in_view(shard, &from, 1, &to, to_count, NULL);
    if (rc != PROXIMADB_OK)
        return rc;
    if (to != NULL) {
        px_shard__add_source(shard, to);
        replacement->targets[0] = to;
    }
    px_source_set_moved(from, replacement->moved, replacement->targets, to_count);
    px_shard__expect_slots(from);
    shard->stored_lsn = px_memtable_last_lsn(from->memtable);
    shard->frozen_count--;
    memmove(shard->frozen, shard->frozen + 1, shard->frozen_count * sizeof shard->frozen[0]);
    carry_kills(shard, from);
    px_shard__note_pressure(shard);
    return PROXIMADB_OK;
}

/* The rows are stored: there is no way back. moved is taken. Returns the barriers that waited for
 * it. */
static struct px_write_op *publish_flush(struct flush *flush, struct px_moved *moved,
                                         struct px_part *part)
{
    struct px_shard *shard = flush->shard;
    struct replacement replacement = {.moved = moved};
    struct px_write_op *waiting = NULL;
    while (!try_make_replacement(part, &replacement))
        px_shard__wait_for_memory();
    if (replacement.to != NULL) {
        px_shard__carry_slots(shard, flush->source, moved, &replacement.to);
        px_shard__settle_slots(replacement.to);
    }
    int rc;
    do {
        pthread_mutex_lock(&shard->lock);
        waiting = shard->frozen[0].waiting;
        rc = try_publish(shard, flush->source, &replacement);
        pthread_mutex_unlock(&shard->lock);
        if (rc != PROXIMADB_OK)
            px_shard__wait_for_memory();
    } while (rc != PROXIMADB_OK);
    return waiting;
}

static void finish_waiting(struct px_write_op *op, const struct proximadb_error *error)
{
    while (op != NULL) {
        struct px_write_op *next = op->next_waiting;
        op->done(op, error);
        op = next;
    }
}

/* Writes the collection's JSON with the number of rows that are stored, unless it is being
 * dropped. is_new: the description is not the present one yet. */
static int put_json(struct px_shard *shard, const struct px_description *description, bool is_new,
                    struct proximadb_error *reterr)
{
    struct px_collection collection = description->collection;
    struct px_viper_numbers numbers;
    px_viper_get_numbers(&shard->viper, &numbers);
    collection.vector_count = numbers.live_row_count;
    pthread_mutex_lock(&shard->json_lock);
    int rc = atomic_load(&shard->is_dropped)
                 ? px_fail(reterr, PROXIMADB_COLLECTION_NOT_FOUND,
                           "the collection '%s' was deleted", shard->name)
                 : px_collection_store_put(shard->context->data_folder, &collection, reterr);
    if (rc == PROXIMADB_OK)
        atomic_store(&shard->is_json_unsure, false);
    else if (is_new)
        atomic_store(&shard->is_json_unsure, true);
    pthread_mutex_unlock(&shard->json_lock);
    return rc;
}

/* Brings the number of rows in the collection's JSON up to date; only for people. */
static void checkpoint(struct px_shard *shard, const struct px_description *description)
{
    struct proximadb_error error;
    int rc = put_json(shard, description, false, &error);
    if (rc != PROXIMADB_OK && rc != PROXIMADB_COLLECTION_NOT_FOUND)
        px_log_write(&shard->context->log, PROXIMADB_LOG_WARNING,
                     "the JSON of collection '%s' could not be brought up to date: %s", shard->name,
                     error.message);
}

/* Takes the oldest frozen memtable; false if there is none. */
static bool begin_flush(struct px_shard *shard, struct flush *flush)
{
    bool found;
    pthread_mutex_lock(&shard->lock);
    found = shard->frozen_count > 0;
    if (found) {
        const struct px_frozen *oldest = &shard->frozen[0];
        *flush = (struct flush){.shard = shard,
                                .source = oldest->source,
                                .description = px_description_ref(shard->description),
                                .live_row_count = oldest->live_row_count,
                                .clock_ms = oldest->clock_ms};
        px_request_memory_encode(shard->requests, px_memtable_last_lsn(oldest->source->memtable),
                                 &flush->request_ids);
    }
    pthread_mutex_unlock(&shard->lock);
    return found;
}

static void end_flush(struct flush *flush)
{
    px_description_unref(flush->description);
    px_buffer_release(&flush->request_ids);
}

static int store(struct flush *flush, struct px_part **ret_part, struct px_moved **ret_moved,
                 struct proximadb_error *reterr)
{
    int rc = px_buffer_status(&flush->request_ids, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    struct px_viper_flush what = {.collection = &flush->description->collection,
                                  .memtable = flush->source->memtable,
                                  .live_row_count = flush->live_row_count,
                                  .clock_ms = flush->clock_ms,
                                  .request_ids = px_buffer_slice(&flush->request_ids),
                                  .deletes = collect_deletes,
                                  .context = flush};
    return px_viper_store_vectors(&flush->shard->viper, &what, ret_part, ret_moved, reterr);
}

static int flush_one(struct flush *flush, struct proximadb_error *reterr)
{
    struct px_shard *shard = flush->shard;
    struct px_source *source = flush->source;
    struct px_part *part = NULL;
    struct px_moved *moved = NULL;
    int64_t last_lsn = px_memtable_last_lsn(source->memtable);
    int rc = store(flush, &part, &moved, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    struct px_write_op *waiting = publish_flush(flush, moved, part);
    px_commit_lane_resume(shard->lane);
    finish_waiting(waiting, NULL);
    px_shard__move_index(shard, source);
    px_source_unref(source);
    px_wal_trim(shard->wal, last_lsn);
    px_data_folder_restore_reserve(shard->context->data_folder); /* there may be space again */
    checkpoint(shard, flush->description);
    px_shard__schedule_compaction(shard);
    return PROXIMADB_OK;
}

/* ---- altering ------------------------------------------------------------------------------ */

int px_shard__settle_json(struct px_shard *shard, struct proximadb_error *reterr)
{
    if (!atomic_load(&shard->is_json_unsure))
        return PROXIMADB_OK;
    struct px_description *present = px_shard_describe(shard);
    int rc = put_json(shard, present, false, reterr);
    px_description_unref(present);
    return rc;
}

/* The present description with the fields that are asked for. */
static int describe_anew(struct px_shard *shard, const struct px_write_op *op,
                         struct px_description **ret_description, struct proximadb_error *reterr)
{
    struct px_description *present = px_shard_describe(shard);
    struct px_collection collection = present->collection;
    px_description_unref(present);
    const struct px_alteration *alteration = &op->as.alter;
    int rc = PROXIMADB_OK;
    if (alteration->has_fields)
        rc = px_collection_set_fields(&collection, alteration->fields.filterable,
                                      alteration->fields.filterable_count, reterr);
    else if (alteration->index_memory >= 0)
        collection.index_memory = (enum proximadb_index_memory)alteration->index_memory;
    return rc == PROXIMADB_OK ? px_description_new(&collection, ret_description, reterr) : rc;
}

/* Puts a description in the place of the present one, on the device and here. */
static int replace_description(struct px_shard *shard, struct px_description *description,
                               struct proximadb_error *reterr)
{
    int rc = put_json(shard, description, true, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    pthread_mutex_lock(&shard->lock);
    struct px_description *old = shard->description;
    shard->description = px_description_ref(description);
    pthread_mutex_unlock(&shard->lock);
    px_description_unref(old);
    return PROXIMADB_OK;
}

/* Everything that was logged under the old description is stored. */
static void alter(struct px_shard *shard, struct px_write_op *op)
{
    struct px_description *description = NULL;
    struct proximadb_error error;
    int rc = describe_anew(shard, op, &description, &error);
    if (rc == PROXIMADB_OK)
        rc = replace_description(shard, description, &error);
    px_description_unref(description);
    pthread_mutex_lock(&shard->lock);
    shard->altering = NULL;
    pthread_mutex_unlock(&shard->lock);
    px_commit_lane_resume(shard->lane);
    op->done(op, rc == PROXIMADB_OK ? NULL : &error);
}

/* The alteration that waits, once nothing is frozen. */
static struct px_write_op *take_altering(struct px_shard *shard)
{
    pthread_mutex_lock(&shard->lock);
    struct px_write_op *op = shard->frozen_count == 0 ? shard->altering : NULL;
    pthread_mutex_unlock(&shard->lock);
    return op;
}

/* ---- the flusher --------------------------------------------------------------------------- */

/* Ends the flusher: tells those who wait, and has it tried again in a second. Nothing is lost: the
 * log has it all. Who comes to wait from here on starts it anew. */
static void fail_flush(struct px_shard *shard, const struct proximadb_error *error)
{
    const struct px_clock *clock = shard->context->clock;
    struct px_write_op *waiting[PX_MOST_FROZEN + 1];
    px_log_write(&shard->context->log, PROXIMADB_LOG_ERROR,
                 "collection '%s' cannot be flushed, it is tried again in a second: %s",
                 shard->name, error->message);
    if (error->status == PROXIMADB_RESOURCE_EXHAUSTED)
        (void)px_data_folder_release_reserve(shard->context->data_folder);
    pthread_mutex_lock(&shard->lock);
    shard->flush_retry_ms = clock->monotonic_ms(clock) + RETRY_MS;
    shard->flush_failure = *error;
    shard->is_flushing = false;
    uint32_t count = shard->frozen_count;
    for (uint32_t i = 0; i < count; i++) {
        waiting[i] = shard->frozen[i].waiting;
        shard->frozen[i].waiting = NULL;
    }
    struct px_write_op *altering = shard->altering;
    shard->altering = NULL;
    pthread_mutex_unlock(&shard->lock);
    px_commit_lane_resume(shard->lane); /* who waits for room is told that there is none */
    for (uint32_t i = 0; i < count; i++)
        finish_waiting(waiting[i], error);
    if (altering != NULL)
        altering->done(altering, error);
}

static void trim_log(struct px_shard *shard)
{
    pthread_mutex_lock(&shard->lock);
    int64_t stored_lsn = shard->stored_lsn;
    pthread_mutex_unlock(&shard->lock);
    px_wal_trim(shard->wal, stored_lsn);
}

/* Whether the flusher is done: nobody has given it more meanwhile. */
static bool stop_flush(struct px_shard *shard)
{
    pthread_mutex_lock(&shard->lock);
    bool done = shard->frozen_count == 0 && shard->altering == NULL;
    if (done)
        shard->is_flushing = false;
    pthread_mutex_unlock(&shard->lock);
    return done;
}

void px_shard__flush(struct px_job *job)
{
    struct px_shard *shard =
        (struct px_shard *)((char *)job - offsetof(struct px_shard, flush_job));
    struct proximadb_error error;
    struct px_write_op *altering;
    bool failed = false;
    trim_log(shard);
    do {
        struct flush flush;
        while (!failed && begin_flush(shard, &flush)) {
            failed = flush_one(&flush, &error) != PROXIMADB_OK;
            end_flush(&flush);
        }
        if (failed)
            fail_flush(shard, &error);
        else if ((altering = take_altering(shard)) != NULL)
            alter(shard, altering);
    } while (!failed && !stop_flush(shard));
    px_shard__end_job(shard);
}
