#include "service/shard.h"

#include "base/hash.h"
#include "os/file.h"
#include "service/shard_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

struct px_description *px_description_ref(struct px_description *description)
{
    atomic_fetch_add_explicit(&description->reference_count, 1, memory_order_relaxed);
    return description;
}

void px_description_unref(struct px_description *description)
{
    if (description != NULL &&
        atomic_fetch_sub_explicit(&description->reference_count, 1, memory_order_acq_rel) == 1)
        free(description);
}

int px_description_new(const struct px_collection *collection,
                       struct px_description **ret_description, struct proximadb_error *reterr)
{
    struct px_description *description = malloc(sizeof *description);
    if (description == NULL)
        return px_fail_no_memory(reterr);
    atomic_init(&description->reference_count, 1);
    description->collection = *collection;
    *ret_description = description;
    return PROXIMADB_OK;
}

int px_shard_create(const struct px_engine_context *context, const struct px_collection *collection,
                    struct proximadb_error *reterr)
{
    static const enum px_data_place places[] = {PX_DATA_WAL, PX_DATA_STORE};
    struct px_path path;
    for (size_t i = 0; i < 2; i++) {
        /* Whatever is there belongs to a collection that is gone, or to nobody. */
        int rc =
            px_data_folder_path(context->data_folder, places[i], collection->name, &path, reterr);
        if (rc == PROXIMADB_OK)
            rc = px_data_folder_discard(context->data_folder, path.text, reterr);
        if (rc == PROXIMADB_OK && places[i] == PX_DATA_WAL)
            rc = px_folder_make(context->fs, path.text, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
    }
    return px_viper_create(context->fs, path.text, collection->id, reterr);
}

/* ---- opening ------------------------------------------------------------------------------- */

/* The sources of a shard that is being opened: its parts, and an empty memtable. */
static int make_view(struct px_shard *shard, struct px_viper_parts *parts,
                     struct proximadb_error *reterr)
{
    uint32_t count = (uint32_t)parts->count + 1;
    struct px_source **sources = calloc(count, sizeof(struct px_source *));
    struct px_memtable *memtable = NULL;
    struct px_view *view;
    if (sources == NULL)
        return px_fail_no_memory(reterr);
    int rc = px_shard__reserve_sources(shard, count, reterr);
    for (uint32_t i = 0; i + 1 < count && rc == PROXIMADB_OK; i++) {
        rc = px_source_new(NULL, parts->items[i], &sources[i], reterr);
        if (rc != PROXIMADB_OK)
            break;
        parts->items[i] = NULL; /* taken */
        px_shard__add_source(shard, sources[i]);
    }
    if (rc == PROXIMADB_OK)
        rc = px_memtable_new(shard->dim_count, &memtable, reterr);
    if (rc == PROXIMADB_OK) {
        rc = px_source_new(memtable, NULL, &sources[count - 1], reterr);
        if (rc != PROXIMADB_OK)
            px_memtable_free(memtable);
    }
    if (rc == PROXIMADB_OK) {
        px_shard__add_source(shard, sources[count - 1]);
        shard->active = sources[count - 1];
        rc = px_view_new(sources, count, &view, reterr);
    }
    if (rc == PROXIMADB_OK)
        px_shard__set_view(shard, view);
    free(sources);
    return rc;
}

static int open_store(struct px_shard *shard, struct proximadb_error *reterr)
{
    const struct px_engine_context *context = shard->context;
    struct px_viper_parts parts;
    struct px_path path;
    int rc = px_data_folder_path(context->data_folder, PX_DATA_STORE, shard->name, &path, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_viper_open(&shard->viper, context->fs, &context->log, path.text,
                           &shard->description->collection, &parts, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    shard->has_viper = true;
    atomic_store(&shard->is_index_ready, parts.count == 0);
    shard->live_count = shard->viper.manifest.live_row_count;
    shard->visible_lsn = shard->stored_lsn = shard->viper.manifest.flushed_lsn;
    atomic_store(&shard->clock_ms, shard->viper.manifest.clock_ms);
    rc = px_request_memory_decode(shard->requests,
                                  px_buffer_slice(&shard->viper.manifest.request_ids), reterr);
    if (rc == PROXIMADB_OK)
        rc = make_view(shard, &parts, reterr);
    for (size_t i = 0; i < parts.count; i++)
        px_part_close(parts.items[i]); /* those that were not taken */
    free(parts.items);
    return rc;
}

static int open_log(struct px_shard *shard, struct proximadb_error *reterr)
{
    const struct px_engine_context *context = shard->context;
    struct px_path folder, trash;
    int rc = px_data_folder_path(context->data_folder, PX_DATA_WAL, shard->name, &folder, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_data_folder_path(context->data_folder, PX_DATA_TRASH, NULL, &trash, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    struct px_wal_options options = {.fs = context->fs,
                                     .clock = context->clock,
                                     .log = &context->log,
                                     .folder = folder.text,
                                     .trash_folder = trash.text,
                                     .collection = shard->name,
                                     .collection_id = shard->id,
                                     .file_limit_bytes = context->wal_file_limit_bytes,
                                     .rotate_ms = context->wal_rotate_ms,
                                     .idle_ms = context->wal_idle_ms,
                                     .flushed_lsn = shard->visible_lsn};
    rc = px_wal_open(&options, px_shard__replay, shard, &shard->wal, reterr);
    if (rc == PROXIMADB_OK && shard->failure.status != PROXIMADB_OK) {
        *reterr = shard->failure;
        rc = reterr->status;
    }
    return rc;
}

static int open_files(struct px_shard *shard, struct proximadb_error *reterr)
{
    int rc = open_store(shard, reterr);
    if (rc == PROXIMADB_OK)
        rc = open_log(shard, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_commit_lane_open(
            shard->context->committers, px_hash_memory(px_slice_of(shard->id.bytes, PX_UUID_BYTES)),
            shard->wal, &px_shard__commit_handler, shard, &shard->lane, reterr);
    return rc;
}

/* Writes have waited for compaction long enough. */
static void end_delay(struct px_timer_event *event)
{
    struct px_shard *shard =
        (struct px_shard *)((char *)event - offsetof(struct px_shard, slow_event));
    px_commit_lane_resume(shard->lane);
}

static int shard_new(const struct px_engine_context *context,
                     const struct px_collection *collection, struct px_shard **ret_shard,
                     struct proximadb_error *reterr)
{
    struct px_shard *shard = calloc(1, sizeof *shard);
    if (shard == NULL)
        return px_fail_no_memory(reterr);
    atomic_init(&shard->reference_count, 1);
    pthread_mutex_init(&shard->lock, NULL);
    pthread_mutex_init(&shard->index_build_lock, NULL);
    pthread_mutex_init(&shard->json_lock, NULL);
    pthread_cond_init(&shard->idle, NULL);
    shard->context = context;
    snprintf(shard->name, sizeof shard->name, "%s", collection->name);
    shard->id = collection->id;
    shard->dim_count = collection->dim_count;
    shard->mantissa_bits = px_storage_mantissa_bits(collection->storage);
    shard->next_source = 1; /* 0 means none */
    shard->flush_job.run = px_shard__flush;
    shard->index_job.run = px_shard__index;
    shard->slow_event.fire = end_delay;
    shard->round.end = &shard->round.first;
    int rc = px_request_memory_new(&shard->requests, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_description_new(collection, &shard->description, reterr);
    if (rc != PROXIMADB_OK) {
        px_shard_unref(shard);
        return rc;
    }
    *ret_shard = shard;
    return PROXIMADB_OK;
}

/* What was in memory before the start is so again, and is flushed like before. */
static void resume_flushing(struct px_shard *shard)
{
    const struct px_engine_context *context = shard->context;
    pthread_mutex_lock(&shard->lock); /* the committer is there already, and ticks */
    shard->active_since_ms = context->clock->monotonic_ms(context->clock);
    if (px_memtable_size_bytes(shard->active->memtable) >= context->memtable_limit_bytes &&
        px_shard__freeze(shard, NULL) == PROXIMADB_OK)
        shard->active_since_ms = 0;
    pthread_mutex_unlock(&shard->lock);
}

/* What was due before the start is due again. */
static void resume_compacting(struct px_shard *shard)
{
    pthread_mutex_lock(&shard->lock);
    px_shard__note_pressure(shard);
    shard->indexing.had_rows = px_shard__index_lag(shard) > 0;
    shard->indexing.ivf.first_fresh = shard->next_source;
    px_shard__note_index(shard);
    bool has_parts = shard->view->sources[0]->part != NULL;
    pthread_mutex_unlock(&shard->lock);
    if (has_parts)
        px_shard__schedule_compaction(shard);
}

static void set_failure(struct px_shard *shard, const struct proximadb_error *failure)
{
    shard->failure = *failure;
    px_error_context(&shard->failure, "the collection '%s' cannot be used", shard->name);
    px_log_write(&shard->context->log, PROXIMADB_LOG_ERROR, "%s", shard->failure.message);
}

int px_shard_open(const struct px_engine_context *context, const struct px_collection *collection,
                  struct px_shard **ret_shard, struct proximadb_error *reterr)
{
    struct px_shard *shard = NULL;
    struct proximadb_error error;
    int rc = shard_new(context, collection, &shard, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    rc = open_files(shard, &error);
    if (rc == PROXIMADB_NO_MEMORY) {
        px_shard_unref(shard);
        return px_fail_no_memory(reterr);
    }
    if (rc != PROXIMADB_OK) {
        set_failure(shard, &error);
    } else {
        if (!px_memtable_is_empty(shard->active->memtable))
            resume_flushing(shard);
        resume_compacting(shard);
    }
    *ret_shard = shard;
    return PROXIMADB_OK;
}

int px_shard_new_failed(const struct px_engine_context *context, const char *name,
                        const struct proximadb_error *failure, struct px_shard **ret_shard,
                        struct proximadb_error *reterr)
{
    struct px_collection unknown = {0};
    struct px_shard *shard;
    (void)snprintf(unknown.name, sizeof unknown.name, "%s", name);
    int rc = shard_new(context, &unknown, &shard, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    set_failure(shard, failure);
    *ret_shard = shard;
    return PROXIMADB_OK;
}

/* ---- closing ------------------------------------------------------------------------------- */

struct px_shard *px_shard_ref(struct px_shard *shard)
{
    atomic_fetch_add_explicit(&shard->reference_count, 1, memory_order_relaxed);
    return shard;
}

static void shard_free(struct px_shard *shard)
{
    assert(shard->lane == NULL);
    px_wal_close(shard->wal);
    for (uint32_t i = 0; i < shard->frozen_count; i++)
        px_source_unref(shard->frozen[i].source);
    px_view_unref(shard->view);
    for (uint32_t i = 0; i < shard->source_capacity; i++)
        px_source_unref(shard->sources[i]);
    free(shard->sources);
    free(shard->free_numbers);
    px_graph_index_unref(shard->indexing.index);
    px_id_index_release(&shard->index);
    px_request_memory_free(shard->requests);
    px_description_unref(shard->description);
    free(shard->round.hashes.slots);
    if (shard->has_viper)
        px_viper_close(&shard->viper);
    pthread_mutex_destroy(&shard->lock);
    pthread_mutex_destroy(&shard->index_build_lock);
    pthread_mutex_destroy(&shard->json_lock);
    pthread_cond_destroy(&shard->idle);
    free(shard);
}

void px_shard_unref(struct px_shard *shard)
{
    if (shard != NULL &&
        atomic_fetch_sub_explicit(&shard->reference_count, 1, memory_order_acq_rel) == 1)
        shard_free(shard);
}

void px_shard_set_dropped(struct px_shard *shard, bool is_dropped)
{
    pthread_mutex_lock(&shard->json_lock); /* a write of the JSON that has begun ends before */
    atomic_store(&shard->is_dropped, is_dropped);
    pthread_mutex_unlock(&shard->json_lock);
}

void px_shard_begin_close(struct px_shard *shard)
{
    pthread_mutex_lock(&shard->lock);
    shard->is_closing = true;
    px_shard__note_hurry(shard);
    pthread_mutex_unlock(&shard->lock);
}

void px_shard_close(struct px_shard *shard)
{
    px_shard_begin_close(shard);
    if (shard->has_viper && atomic_load(&shard->is_dropped))
        px_removal_gate_close(shard->viper.gate);
    if (shard->lane == NULL)
        return; /* it could not be opened */

    /* The lane goes last: a flush tells it when there is room again. */
    px_commit_lane_drain(shard->lane);
    pthread_mutex_lock(&shard->lock);
    shard->is_stopped = true;
    while (shard->job_count > 0)
        pthread_cond_wait(&shard->idle, &shard->lock);
    pthread_mutex_unlock(&shard->lock);
    px_shard__close_index(shard);
    (void)px_timer_cancel(shard->context->timer, &shard->slow_event);
    px_commit_lane_close(shard->lane);
    shard->lane = NULL;
}

/* ---- looking ------------------------------------------------------------------------------- */

int px_shard_check(const struct px_shard *shard, struct proximadb_error *reterr)
{
    if (shard->failure.status != PROXIMADB_OK && reterr != NULL)
        *reterr = shard->failure;
    return shard->failure.status;
}

bool px_shard_is_described(const struct px_shard *shard)
{
    return shard->dim_count > 0;
}

const char *px_shard_name(const struct px_shard *shard)
{
    return shard->name;
}

struct px_description *px_shard_describe(struct px_shard *shard)
{
    pthread_mutex_lock(&shard->lock);
    struct px_description *description = px_description_ref(shard->description);
    pthread_mutex_unlock(&shard->lock);
    return description;
}

void px_shard__take_snapshot(struct px_shard *shard, struct px_snapshot *ret_snapshot)
{
    const struct px_clock *clock = shard->context->clock;
    int64_t now_ms = clock->wall_ms(clock), clock_ms = atomic_load(&shard->clock_ms);
    *ret_snapshot = (struct px_snapshot){
        .view = px_view_ref(shard->view),
        .lsn = shard->visible_lsn,
        .now_ms = now_ms > clock_ms ? now_ms : clock_ms,
        .live_count = shard->live_count,
        .active_row_count = px_memtable_row_count(shard->active->memtable),
    };
}

void px_shard_note_read(struct px_shard *shard)
{
    px_pacer_note_request(shard->context->index_pacer);
}

bool px_shard_is_free(struct px_shard *shard)
{
    if (pthread_mutex_trylock(&shard->lock) != 0)
        return false;
    pthread_mutex_unlock(&shard->lock);
    return true;
}

void px_shard_snapshot(struct px_shard *shard, struct px_snapshot *ret_snapshot)
{
    pthread_mutex_lock(&shard->lock);
    px_shard__take_snapshot(shard, ret_snapshot);
    pthread_mutex_unlock(&shard->lock);
}

static uint64_t memtable_bytes(const struct px_view *view)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < view->source_count; i++)
        if (view->sources[i]->memtable != NULL)
            total += px_memtable_size_bytes(view->sources[i]->memtable);
    return total;
}

static const char *compaction_state(const struct px_compacting *state)
{
    return state->is_paused      ? "paused"
           : state->delay_ms > 0 ? "behind"
           : state->is_busy      ? "running"
                                 : "idle";
}

/* Under the lock. */
static void put_compaction(struct px_shard *shard, struct px_shard_numbers *numbers)
{
    const struct px_compacting *state = &shard->compacting;
    const struct px_view *view = shard->view;
    numbers->fresh_part_count = state->fresh_part_count;
    for (uint32_t i = 0; i < view->source_count; i++)
        if (view->sources[i]->part != NULL)
            numbers->dead_row_count +=
                px_dead_rows_count(px_part_dead_rows(view->sources[i]->part));
    numbers->compaction_state = compaction_state(state);
    numbers->compaction_rows_done = atomic_load(&state->rows_done);
    numbers->compaction_row_count = atomic_load(&state->row_count);
    numbers->write_delay_ms = px_shard__write_delay_ms(shard);
}

void px_shard_get_numbers(struct px_shard *shard, struct px_shard_numbers *ret_numbers)
{
    struct px_shard_numbers numbers = {.compaction_state = "idle", .index_state = "none"};
    if (shard->failure.status != PROXIMADB_OK) {
        snprintf(numbers.read_only_reason, sizeof numbers.read_only_reason, "%s",
                 shard->failure.message);
        *ret_numbers = numbers;
        return;
    }
    struct px_viper_numbers stored;
    px_viper_get_numbers(&shard->viper, &stored);
    numbers.part_count = stored.part_count;
    numbers.disk_bytes = stored.disk_bytes;
    numbers.bytes_accepted = stored.bytes_accepted;
    numbers.bytes_written = stored.bytes_flushed + stored.bytes_compacted;
    numbers.wal_bytes = px_wal_size_bytes(shard->wal);
    pthread_mutex_lock(&shard->lock);
    numbers.vector_count = shard->live_count;
    numbers.memtable_bytes = memtable_bytes(shard->view);
    if (atomic_load_explicit(&shard->is_index_ready, memory_order_acquire))
        numbers.id_index_bytes = px_id_index_size_bytes(&shard->index);
    numbers.last_version = shard->visible_lsn;
    put_compaction(shard, &numbers);
    px_shard__put_index_numbers(shard, &numbers);
    pthread_mutex_unlock(&shard->lock);
    const char *reason = px_wal_read_only_reason(shard->wal);
    if (reason != NULL)
        snprintf(numbers.read_only_reason, sizeof numbers.read_only_reason, "%s", reason);
    *ret_numbers = numbers;
}
