#include "service/engine.h"

#include "simd/kernels.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    MOST_THREADS = 64,
    DEFAULT_COMMITTERS = 2,
    WRITER_COUNT = 1,
    FLUSHER_COUNT = 1,
    BACKGROUND_COUNT = 1, /* compactions of one collection must not run at once */
    INDEXER_COUNT = 1,    /* builds of one collection must not run at once; its crew helps */
    SWEEPER_COUNT = 1,
    BACKGROUND_NICE = 19,
    SECOND_MS = 1000,
    BACKGROUND_DUTY_PERCENT = 25, /* of the time, while requests are served */
};

static uint64_t or_default(uint64_t value, uint64_t fallback)
{
    return value != 0 ? value : fallback;
}

static uint32_t thread_count(uint32_t wanted, uint32_t fallback)
{
    uint32_t count = wanted != 0 ? wanted : fallback;
    return count < 1 ? 1 : count > MOST_THREADS ? MOST_THREADS : count;
}

static uint32_t core_count(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count < 1 ? 1 : (uint32_t)count;
}

/* ---- what happens by itself ---------------------------------------------------------------- */

static void sweep_shard(void *context, struct px_shard *shard)
{
    (void)context;
    px_shard_sweep(shard);
}

static void sweep(struct px_timer_event *event)
{
    struct px_engine *engine =
        (struct px_engine *)((char *)event - offsetof(struct px_engine, sweep_event));
    px_scan_table_sweep(engine->coordinator.scans, NULL);
    /* Without memory: the next one may have more luck. */
    (void)!px_collection_service_visit(&engine->collections, sweep_shard, NULL, NULL);
    px_timer_schedule(engine->context.timer, event, (int64_t)engine->context.expiry_sweep_ms);
}

/* ---- metrics ------------------------------------------------------------------------------- */

static void put_gauge(struct px_buffer *text, const char *name, const char *help,
                      const char *collection, uint64_t value)
{
    if (help != NULL)
        px_buffer_append_format(text, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name);
    px_buffer_append_format(text, "%s{collection=\"%s\"} %" PRIu64 "\n", name, collection, value);
}

/* One metric of all collections: Prometheus wants the lines of one name together. */
struct metric {
    struct px_buffer *text;
    const char *name;
    const char *help; /* NULL once it is written */
    size_t offset;    /* of the value in struct px_shard_numbers */
};

static void put_metric(void *context, struct px_shard *shard)
{
    struct metric *metric = context;
    struct px_shard_numbers numbers;
    uint64_t value;
    px_shard_get_numbers(shard, &numbers);
    memcpy(&value, (const char *)&numbers + metric->offset, sizeof value);
    put_gauge(metric->text, metric->name, metric->help, px_shard_name(shard), value);
    metric->help = NULL;
}

static void write_metrics(void *context, struct px_buffer *text)
{
    struct px_engine *engine = context;
    static const struct metric metrics[] = {
        {NULL, "proximadb_vectors", "Live rows.", offsetof(struct px_shard_numbers, vector_count)},
        {NULL, "proximadb_parts", "Parquet files of vectors.",
         offsetof(struct px_shard_numbers, part_count)},
        {NULL, "proximadb_disk_bytes", "Parts and delete files.",
         offsetof(struct px_shard_numbers, disk_bytes)},
        {NULL, "proximadb_memtable_bytes", "Rows in the log and in memory only.",
         offsetof(struct px_shard_numbers, memtable_bytes)},
        {NULL, "proximadb_wal_bytes", "Log files.", offsetof(struct px_shard_numbers, wal_bytes)},
        {NULL, "proximadb_id_index_bytes", "The index of ids.",
         offsetof(struct px_shard_numbers, id_index_bytes)},
        {NULL, "proximadb_index_rows", "Rows that the index has.",
         offsetof(struct px_shard_numbers, index_row_count)},
        {NULL, "proximadb_index_lag_rows", "Rows that the index should have, and has not yet.",
         offsetof(struct px_shard_numbers, index_lag)},
        {NULL, "proximadb_index_file_bytes", "The file of the index.",
         offsetof(struct px_shard_numbers, index_file_bytes)},
        {NULL, "proximadb_index_memory_bytes", "The index in memory.",
         offsetof(struct px_shard_numbers, index_memory_bytes)},
        {NULL, "proximadb_index_rebuilds", "Times the index was built anew since the start.",
         offsetof(struct px_shard_numbers, index_rebuild_count)},
        {NULL, "proximadb_index_failures", "Steps of indexing that failed since one went well.",
         offsetof(struct px_shard_numbers, index_failure_count)},
        {NULL, "proximadb_fresh_parts", "Parts that are not clustered yet.",
         offsetof(struct px_shard_numbers, fresh_part_count)},
        {NULL, "proximadb_dead_rows", "Rows of parts that are deleted or superseded.",
         offsetof(struct px_shard_numbers, dead_row_count)},
        {NULL, "proximadb_accepted_bytes", "Rows written since creation, each stored once.",
         offsetof(struct px_shard_numbers, bytes_accepted)},
        {NULL, "proximadb_written_bytes", "Written since creation by flushes and compactions.",
         offsetof(struct px_shard_numbers, bytes_written)},
        {NULL, "proximadb_compaction_rows_done", "Rows that the running step has written.",
         offsetof(struct px_shard_numbers, compaction_rows_done)},
        {NULL, "proximadb_compaction_rows", "Rows that the running step writes.",
         offsetof(struct px_shard_numbers, compaction_row_count)},
        {NULL, "proximadb_write_delay_milliseconds",
         "What writes wait because compaction is behind.",
         offsetof(struct px_shard_numbers, write_delay_ms)},
    };
    for (size_t i = 0; i < sizeof metrics / sizeof metrics[0]; i++) {
        struct metric metric = metrics[i];
        metric.text = text;
        if (px_collection_service_visit(&engine->collections, put_metric, &metric, NULL) !=
            PROXIMADB_OK)
            text->status = PROXIMADB_NO_MEMORY; /* half of them would look like all */
    }
    px_buffer_append_format(text,
                            "# HELP proximadb_shared_page_bytes Decoded pages that reads share.\n"
                            "# TYPE proximadb_shared_page_bytes gauge\n"
                            "proximadb_shared_page_bytes %" PRIu64 "\n",
                            px_part_shared_bytes());
    px_buffer_append_format(text,
                            "# HELP proximadb_calls_total Calls of the engine, by outcome.\n"
                            "# TYPE proximadb_calls_total counter\n"
                            "proximadb_calls_total{outcome=\"ok\"} %" PRIu64 "\n"
                            "proximadb_calls_total{outcome=\"error\"} %" PRIu64 "\n",
                            atomic_load(&engine->finished_counts[0]),
                            atomic_load(&engine->finished_counts[1]));
}

/* ---- opening and closing ------------------------------------------------------------------- */

static void fill_context(struct px_engine *engine, const struct px_engine_options *options)
{
    const struct proximadb_options *given = &options->public_options;
    engine->context = (struct px_engine_context){
        .fs = options->fs,
        .clock = options->clock,
        .log = {.write = given->log, .context = given->log_context},
        .data_folder = &engine->data_folder,
        .pacer = &engine->pacer,
        .has_background_compaction = !options->has_no_compaction,
        .plan_limits = options->plan_limits,
        .cluster_sizes = options->cluster_sizes,
        .list_rows = options->list_rows,
        .index_pacer = &engine->index_pacer,
        .has_indexing = !options->has_no_indexing,
        .searchers = &engine->searchers,
        .index_least_rows = options->index_least_rows,
        .memtable_limit_bytes = or_default(given->memtable_limit_bytes, UINT64_C(64) << 20),
        .wal_file_limit_bytes = or_default(given->wal_file_limit_bytes, UINT64_C(256) << 20),
        .wal_rotate_ms = or_default(given->wal_rotate_ms, 30 * 60 * SECOND_MS),
        .wal_idle_ms = or_default(given->wal_idle_ms, 60 * SECOND_MS),
        .expiry_sweep_ms = or_default(given->expiry_sweep_ms, 60 * SECOND_MS),
        .snapshot_limit_ms = or_default(given->snapshot_limit_ms, 10 * 60 * SECOND_MS),
    };
}

static int start_threads(struct px_engine *engine, const struct proximadb_options *given,
                         struct proximadb_error *reterr)
{
    struct px_engine_context *context = &engine->context;
    int rc = px_committers_open(thread_count(given->committer_count, DEFAULT_COMMITTERS),
                                &context->committers, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_workers_open(thread_count(given->worker_count, core_count()), "px-read", 0,
                             &engine->readers, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_workers_open(WRITER_COUNT, "px-write", 0, &engine->writers, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_crew_open(thread_count(given->worker_count, core_count()) - 1, "px-help",
                          &engine->crew, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_workers_open(FLUSHER_COUNT, "px-flush", 0, &context->flushers, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_workers_open(BACKGROUND_COUNT, "px-back", BACKGROUND_NICE, &context->background,
                             reterr);
    if (rc == PROXIMADB_OK)
        rc =
            px_workers_open(INDEXER_COUNT, "px-index", BACKGROUND_NICE, &context->indexers, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_crew_open_nice(thread_count(given->worker_count, core_count()) - 1, "px-build",
                               BACKGROUND_NICE, &context->index_crew, reterr);
    if (rc == PROXIMADB_OK)
        rc =
            px_workers_open(SWEEPER_COUNT, "px-sweep", BACKGROUND_NICE, &context->sweepers, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_timer_open(context->clock, &engine->context.timer, reterr);
    return rc;
}

static int open_all(struct px_engine *engine, const char *data_dir,
                    const struct px_engine_options *options, struct proximadb_error *reterr)
{
    struct px_engine_context *context = &engine->context;
    int rc = px_kernels_status(reterr);
    if (rc == PROXIMADB_OK)
        rc = px_data_folder_open(&engine->data_folder, context->fs, context->clock, &context->log,
                                 data_dir, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    engine->has_data_folder = true;
    rc = start_threads(engine, &options->public_options, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_vector_storage_coordinator_init(&engine->coordinator, context->clock,
                                                context->snapshot_limit_ms, engine->crew, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    engine->has_collections = true;
    rc = px_collection_service_open(&engine->collections, context, engine->coordinator.scans,
                                    reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    engine->service = (struct px_unified_avro_service){.collections = &engine->collections,
                                                       .coordinator = &engine->coordinator,
                                                       .readers = engine->readers,
                                                       .writers = engine->writers,
                                                       .metrics = write_metrics,
                                                       .metrics_context = engine};
    engine->sweep_event.fire = sweep;
    px_timer_schedule(engine->context.timer, &engine->sweep_event,
                      (int64_t)context->expiry_sweep_ms);
    return PROXIMADB_OK;
}

int px_engine_open(const char *data_dir, const struct px_engine_options *options,
                   struct px_engine **ret_engine, struct proximadb_error *reterr)
{
    struct px_engine *engine = calloc(1, sizeof *engine);
    if (engine == NULL)
        return px_fail_no_memory(reterr);
    pthread_mutex_init(&engine->lock, NULL);
    pthread_cond_init(&engine->idle, NULL);
    px_pacer_init(&engine->pacer, BACKGROUND_DUTY_PERCENT, NULL);
    px_pacer_init(&engine->index_pacer, BACKGROUND_DUTY_PERCENT, NULL);
    px_searchers_init(&engine->searchers);
    fill_context(engine, options);
    int rc = open_all(engine, data_dir, options, reterr);
    if (rc != PROXIMADB_OK) {
        px_engine_close(engine);
        return rc;
    }
    *ret_engine = engine;
    return PROXIMADB_OK;
}

static void wait_for_calls(struct px_engine *engine)
{
    pthread_mutex_lock(&engine->lock);
    engine->is_closing = true;
    while (engine->call_count > 0)
        pthread_cond_wait(&engine->idle, &engine->lock);
    pthread_mutex_unlock(&engine->lock);
}

/* In the opposite order of opening; what was not opened is NULL or zero. */
void px_engine_close(struct px_engine *engine)
{
    if (engine == NULL)
        return;
    wait_for_calls(engine);
    px_pacer_begin_hurry(&engine->index_pacer);
    px_pacer_begin_hurry(&engine->pacer); /* what has to end is not slowed down any more */
    if (engine->context.timer != NULL)
        (void)px_timer_cancel(engine->context.timer, &engine->sweep_event);
    px_workers_close(engine->readers);
    px_crew_close(engine->crew);
    px_workers_close(engine->writers);
    px_vector_storage_coordinator_release(&engine->coordinator);
    if (engine->has_collections)
        px_collection_service_close(&engine->collections);
    px_timer_close(engine->context.timer);
    px_workers_close(engine->context.flushers);
    px_workers_close(engine->context.background);
    px_workers_close(engine->context.indexers);
    px_crew_close(engine->context.index_crew);
    px_workers_close(engine->context.sweepers);
    px_committers_close(engine->context.committers);
    px_searchers_release(&engine->searchers);
    if (engine->has_data_folder)
        px_data_folder_close(&engine->data_folder);
    pthread_mutex_destroy(&engine->lock);
    pthread_cond_destroy(&engine->idle);
    free(engine);
}

/* ---- calls --------------------------------------------------------------------------------- */

bool px_engine_begin_call(struct px_engine *engine)
{
    pthread_mutex_lock(&engine->lock);
    bool begins = !engine->is_closing;
    engine->call_count += begins;
    pthread_mutex_unlock(&engine->lock);
    px_pacer_note_request(&engine->pacer);
    return begins;
}

void px_engine_end_call(struct px_engine *engine, bool succeeded)
{
    atomic_fetch_add_explicit(&engine->finished_counts[succeeded ? 0 : 1], 1, memory_order_relaxed);
    pthread_mutex_lock(&engine->lock);
    assert(engine->call_count > 0);
    if (--engine->call_count == 0)
        pthread_cond_broadcast(&engine->idle);
    pthread_mutex_unlock(&engine->lock);
}

void px_engine_submit(struct px_engine *engine, const struct proximadb_request *request,
                      proximadb_done *done, void *context)
{
    struct px_call *call;
    struct proximadb_error error;
    struct proximadb_buffer empty = {0}, payload = request->payload;
    int rc;
    if (px_engine_begin_call(engine)) {
        rc = px_call_new(engine, request, done, context, &call, &error);
        if (rc == PROXIMADB_OK) {
            px_unified_avro_service_submit(&engine->service, call);
            return;
        }
        px_engine_end_call(engine, false);
    } else {
        px_public_buffer_release(&payload);
        rc = px_fail(&error, PROXIMADB_UNAVAILABLE, "the database is closing; try again later");
    }
    done(context, rc, &empty, &error);
}
