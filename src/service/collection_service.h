/*
 * collection_service: the catalogue: creates, finds, lists, changes and drops collections.
 *
 * A collection is created in the order: log and store folders with a first manifest, then its JSON,
 * then it is found by others. It is dropped in the order: writes are refused, its JSON goes, it is
 * not found any more, and only then goes what it had. So whatever the moment of a crash, a
 * collection is whole or gone; what is left without a JSON is moved to the trash at the next start.
 * A collection whose JSON cannot be removed stays and is written to again.
 *
 * One whose JSON cannot be read is there all the same: it answers what is wrong, and it can be
 * dropped.
 *
 * Creating and dropping run one at a time on a thread of their own, because they wait for the
 * device and for each other; finding takes a lock for a moment.
 *
 * Threads: any thread, but for open and close. Lock order: `lock` is above a shard's.
 */
#ifndef PX_SERVICE_COLLECTION_SERVICE_H
#define PX_SERVICE_COLLECTION_SERVICE_H

#include "service/call.h"
#include "service/scan_table.h"
#include "service/shard.h"

#include <pthread.h>

struct px_collection_service {
    const struct px_engine_context *context; /* kept */
    struct px_scan_table *scans;             /* kept: those of a dropped collection end */
    pthread_mutex_t lock;                    /* guards: shards, shard_count, shard_capacity */
    struct px_shard **shards;                /* by name; a reference each */
    size_t shard_count;
    size_t shard_capacity;
    struct px_workers *catalogue; /* one thread */
};

/* Opens every collection of the data folder. PROXIMADB_NO_MEMORY, PROXIMADB_IO,
 * PROXIMADB_RESOURCE_EXHAUSTED */
PX_MUST_CHECK int px_collection_service_open(struct px_collection_service *service,
                                             const struct px_engine_context *context,
                                             struct px_scan_table *scans,
                                             struct proximadb_error *reterr);

/* Closes every collection. Nothing may be under way any more. Accepts what open left on failure. */
void px_collection_service_close(struct px_collection_service *service);

/* The collection of that name: one reference. PROXIMADB_COLLECTION_NOT_FOUND */
PX_MUST_CHECK int px_collection_service_find(struct px_collection_service *service,
                                             const char *name, struct px_shard **ret_shard,
                                             struct proximadb_error *reterr);

/* Carries out CREATE_, GET_, LIST_, UPDATE_ or DELETE_COLLECTION and finishes the call, later if it
 * has to wait. `datum` is the payload's, for creating and updating. */
void px_collection_service_execute(struct px_collection_service *service, struct px_call *call,
                                   struct px_slice datum);

/* Calls visit for every collection; a reference is held meanwhile. PROXIMADB_NO_MEMORY: it was
 * called for none. */
PX_MUST_CHECK int px_collection_service_visit(struct px_collection_service *service,
                                              void (*visit)(void *context, struct px_shard *shard),
                                              void *context, struct proximadb_error *reterr);

#endif /* PX_SERVICE_COLLECTION_SERVICE_H */
