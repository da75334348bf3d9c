/*
 * engine: a database that is open: everything of the engine, put together and taken apart again.
 *
 * Threads it starts: px-read-N (searches and other reads), px-write-N (decoding of writes),
 * px-commit-N (the log), px-flush-N (memtables to parts), px-back-N (compaction),
 * px-index-0 with px-build-N (indexes), px-sweep-N (expiry),
 * px-catalog-0 (creating and dropping), and a timer.
 *
 * Threads: any thread, but for open and close.
 */
#ifndef PX_SERVICE_ENGINE_H
#define PX_SERVICE_ENGINE_H

#include "os/timer.h"
#include "service/unified_avro_service.h"

struct px_engine {
    struct px_engine_context context;
    struct px_data_folder data_folder;
    bool has_data_folder;
    struct px_workers *readers;
    struct px_workers *writers;
    struct px_crew *crew; /* helps readers with large searches */
    struct px_pacer pacer;
    struct px_pacer index_pacer;
    struct px_searchers searchers;
    struct px_timer_event sweep_event;
    struct px_collection_service collections;
    bool has_collections;
    struct px_vector_storage_coordinator coordinator;
    struct px_unified_avro_service service;

    pthread_mutex_t lock; /* guards: call_count, is_closing */
    pthread_cond_t idle;
    uint64_t call_count; /* submitted and not yet finished */
    bool is_closing;

    _Atomic uint64_t finished_counts[2]; /* calls that succeeded, and that failed */
};

struct px_engine_options {
    struct px_fs *fs;                        /* kept */
    const struct px_clock *clock;            /* kept */
    struct proximadb_options public_options; /* with its own struct_size; zeros mean defaults */

    /* Of compaction in the background; for tests, for which the defaults are too large. */
    bool has_no_compaction;
    struct px_plan_limits plan_limits;
    struct px_clustering_sizes cluster_sizes;
    uint32_t list_rows;

    /* Of indexes, likewise. */
    bool has_no_indexing;
    uint32_t index_least_rows;
};

/* Opens the database in a folder. Errors as proximadb_open(). ret_engine: free with
 * px_engine_close(). */
PX_MUST_CHECK int px_engine_open(const char *data_dir, const struct px_engine_options *options,
                                 struct px_engine **ret_engine, struct proximadb_error *reterr);

/* Finishes what was submitted and closes. Accepts NULL. */
void px_engine_close(struct px_engine *engine);

/* proximadb_submit(). */
void px_engine_submit(struct px_engine *engine, const struct proximadb_request *request,
                      proximadb_done *done, void *context);

/* A call begins and ends. False: the engine is closing. */
bool px_engine_begin_call(struct px_engine *engine);
void px_engine_end_call(struct px_engine *engine, bool succeeded);

#endif /* PX_SERVICE_ENGINE_H */
