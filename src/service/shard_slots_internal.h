/* shard_slots_internal: what the rest of the shard tells its graph, and asks of it: shard_graph.c
 * and shard_graph_job.c. Included by shard_internal.h. */
#ifndef PX_SERVICE_SHARD_SLOTS_INTERNAL_H
#define PX_SERVICE_SHARD_SLOTS_INTERNAL_H

#include "service/shard_internal.h"

/* Whether the collection is to have a graph. */
bool px_shard__has_graph(const struct px_shard *shard);

/* Rows that a graph of the collection should have, and does not. Under the lock. */
uint64_t px_shard__index_lag(const struct px_shard *shard);

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

/* Has the index brought up to date in the background, if there is enough to do for the time being.
 * Under the lock, when rows or the view have changed. */
void px_shard__note_index(struct px_shard *shard);

/* The same, whatever there is to do; also what has failed, if that was long enough ago. */
void px_shard__tick_index(struct px_shard *shard, int64_t now_ms);

/* Whether a step would do anything. Under the lock. */
bool px_shard__index_has_work(const struct px_shard *shard);

/* What is known of the index. Under the lock. */
void px_shard__put_index_numbers(const struct px_shard *shard, struct px_shard_numbers *numbers);

/* Saves what has changed, when nothing runs any more. */
void px_shard__close_index(struct px_shard *shard);

/* The job: shard->index_job's function. */
void px_shard__index(struct px_job *job);

#endif /* PX_SERVICE_SHARD_SLOTS_INTERNAL_H */
