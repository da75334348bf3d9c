/* shard_slots_internal: what the rest of the shard tells its graph, and asks of it: shard_graph.c
 * and shard_graph_job.c. Included by shard_internal.h. */
#ifndef PX_SERVICE_SHARD_SLOTS_INTERNAL_H
#define PX_SERVICE_SHARD_SLOTS_INTERNAL_H

#include "service/shard_internal.h"

/* A row has died: its slots do, too. Under the lock. */
void px_shard__kill_slots(struct px_shard *shard, const struct px_source *source, uint32_t row);

/* Gives sources that are not in the view yet the slots of the rows that come to them, so that no
 * search takes them for new. What changes meanwhile follows with px_shard__move_slots(). */
void px_shard__carry_slots(struct px_shard *shard, const struct px_source *from,
                           const struct px_moved *moved, struct px_source *const *to);

/* Notes from where on a row of such a source may have no slot, once all have been carried. */
void px_shard__settle_slots(struct px_source *source);

/* Forgets carried slots that are of no use any more. Under the lock, when a source is added. */
void px_shard__check_slots(struct px_shard *shard, struct px_source *source);

/* Notes that the slots of a source that was just replaced are still to follow. Under the lock. */
void px_shard__expect_slots(struct px_source *from);

/* Lets the slots follow the rows of a replaced source, in small steps. */
void px_shard__move_slots(struct px_shard *shard, struct px_source *from);

#endif /* PX_SERVICE_SHARD_SLOTS_INTERNAL_H */
