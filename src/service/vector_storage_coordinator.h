/*
 * vector_storage_coordinator: carries out what is done with the rows of a collection. The only code
 * that touches WAL, VIPER and AXIS together.
 *
 * An operation arrives decoded and checked. Writes are handed to the shard and end on its
 * committer; reads take a snapshot and run on the caller's thread. Either way the call is finished
 * by this module, with an Avro answer.
 *
 *      INSERT, UPSERT, UPDATE, DELETE by ids   shard: decide, log, apply
 *      DELETE by filter                        a snapshot chooses rows, then deletes of those rows
 *                                              in batches of 100,000, each atomic
 *      GET                                     the id index, then the rows
 *      SEARCH                                  candidates of an index, or all rows, compared
 *                                              exactly; threads that are idle help with a large one
 *      SCAN, COUNT                             the snapshot's rows one by one
 *      FLUSH, COMPACT                          a barrier through the shard, then background work
 *
 * Threads: any thread.
 */
#ifndef PX_SERVICE_VECTOR_STORAGE_COORDINATOR_H
#define PX_SERVICE_VECTOR_STORAGE_COORDINATOR_H

#include "os/crew.h"
#include "payload/request.h"
#include "payload/update.h"
#include "service/call.h"
#include "service/scan_table.h"
#include "service/shard.h"

struct px_vector_storage_coordinator {
    struct px_crew *crew; /* kept; helps with searches */
    struct px_scan_table *scans;
};

/* An operation, decoded. What it points to lies in the call's payload and arena. */
struct px_operation {
    enum proximadb_operation kind;
    struct px_slice datum;              /* of a write: what is logged */
    struct px_description *description; /* what it was decoded and checked by; kept */
    union {
        struct px_batch batch;   /* INSERT, UPSERT */
        struct px_update update; /* UPDATE */
        struct px_delete_batch deletion;
        struct px_get_request get;
        struct px_search_request search;
        struct px_scan_request scan;
        struct px_count_request count;
        struct px_compact_request compact;
    } as;
};

/* clock and crew are kept; crew may be NULL. PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int
px_vector_storage_coordinator_init(struct px_vector_storage_coordinator *coordinator,
                                   const struct px_clock *clock, uint64_t snapshot_limit_ms,
                                   struct px_crew *crew, struct proximadb_error *reterr);
void px_vector_storage_coordinator_release(struct px_vector_storage_coordinator *coordinator);

/*
 * Carries out an operation on a shard and finishes the call. One reference of the shard is taken;
 * the operation is borrowed, but what it points to must live as long as the call.
 */
void px_vector_storage_coordinator_execute_operation(
    struct px_vector_storage_coordinator *coordinator, struct px_shard *shard,
    const struct px_operation *operation, struct px_call *call);

/*
 * Whether a write whose datum was refused was carried out before, when the collection's fields were
 * others: then it is a repeat like any, and the call is finished with the first outcome. The shard
 * is borrowed.
 */
bool px_vector_storage_coordinator_repeat(struct px_shard *shard,
                                          const struct px_operation *operation,
                                          struct px_call *call);

#endif /* PX_SERVICE_VECTOR_STORAGE_COORDINATOR_H */
