/*
 * engine_context: what the shards of a database share: the device, the clocks, the threads, the
 * limits.
 *
 * Threads: read-only once the engine is open; what it points to says for itself.
 */
#ifndef PX_SERVICE_ENGINE_CONTEXT_H
#define PX_SERVICE_ENGINE_CONTEXT_H

#include "metadata/data_folder.h"
#include "os/crew.h"
#include "os/pacer.h"
#include "os/timer.h"
#include "os/workers.h"
#include "service/searchers.h"
#include "viper/clustering.h"
#include "viper/compaction_plan.h"
#include "wal/committer.h"

struct px_engine_context {
    struct px_fs *fs;
    const struct px_clock *clock;
    struct px_log log;
    struct px_data_folder *data_folder;
    struct px_committers *committers;
    struct px_workers *flushers;   /* memtables to parts */
    struct px_workers *background; /* compaction */
    struct px_workers *indexers;   /* building indexes; one thread, one step at a time */
    struct px_crew *index_crew;    /* that helps it */
    struct px_workers *sweepers;   /* expiry, which must not wait for a compaction */
    struct px_timer *timer;
    struct px_pacer *pacer;       /* of compactions that nobody asked for */
    struct px_pacer *index_pacer; /* of index builds; asked by reads only */

    /* When and how to compact; zeros mean their defaults. */
    bool has_background_compaction;
    struct px_plan_limits plan_limits;
    struct px_clustering_sizes cluster_sizes; /* without row_bytes */
    uint32_t list_rows;                       /* that a list has */

    bool has_indexing;
    struct px_searchers *searchers; /* of searches by codes */
    uint32_t index_least_rows;      /* below which searches are exact; 0: by dimension */

    /* Limits, from struct proximadb_options with the defaults filled in. */
    uint64_t memtable_limit_bytes;
    uint64_t wal_file_limit_bytes;
    uint64_t wal_rotate_ms;
    uint64_t wal_idle_ms;
    uint64_t expiry_sweep_ms;
    uint64_t snapshot_limit_ms;
};

#endif /* PX_SERVICE_ENGINE_CONTEXT_H */
