/*
 * graph_index: a graph (axis/graph.h) of a collection's rows, and where the row of each slot is.
 *
 *      slot -> location    here; patched when rows move
 *      row -> slot         in the source (service/slot_map.h), on the graph's side
 *
 * Invariant: a slot that has a location belongs to that row, whose source has the slot in its map,
 * or will when the moving of its rows has come to it. When the row dies the slot is marked as dead,
 * here and in the graph, and keeps its location until the row is gone or the slot is used again: a
 * search whose snapshot is older still wants to know it.
 *
 * Workers, the graph's scratch memory for a thread, are kept for the next who needs one.
 *
 * Threads: locations and counts are guarded by the shard's lock; workers may be taken by any
 * thread; references are counted atomically, and whoever searches holds one.
 */
#ifndef PX_SERVICE_GRAPH_INDEX_H
#define PX_SERVICE_GRAPH_INDEX_H

#include "axis/graph.h"
#include "service/view.h"

#include <pthread.h>

struct px_graph_index {
    atomic_uint reference_count;
    struct px_graph *graph; /* owned */
    unsigned side;          /* of the sources' slot maps */
    uint64_t serial;        /* no other of this process has it */

    struct px_location **chunks; /* owned; locations by slot, with a mark on dead ones */
    uint32_t chunk_count;
    uint32_t row_count; /* slots of live rows */

    pthread_mutex_t lock; /* guards: idle_workers, idle_count */
    struct px_graph_worker **idle_workers;
    uint32_t idle_count;
};

/* The graph is taken on success. ret_index: one reference. PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_graph_index_new(struct px_graph *graph, unsigned side,
                                     struct px_graph_index **ret_index,
                                     struct proximadb_error *reterr);
struct px_graph_index *px_graph_index_ref(struct px_graph_index *index);
void px_graph_index_unref(struct px_graph_index *index); /* accepts NULL */

/* A worker, to be given back. PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_graph_index_take_worker(struct px_graph_index *index,
                                             struct px_graph_worker **ret_worker,
                                             struct proximadb_error *reterr);
void px_graph_index_give_worker(struct px_graph_index *index, struct px_graph_worker *worker);

/* Where the row of a slot is; source 0: it has none (any more, or yet). */
struct px_location px_graph_index_locate(const struct px_graph_index *index, uint32_t slot);

/* Connects a slot with the row that it was made from, wherever that is now; where it is dead, or
 * has got another slot, or there is no memory, the slot is marked as dead. */
void px_graph_index_attach(struct px_graph_index *index, uint32_t slot, struct px_source *source,
                           uint32_t row);

/* The row has died: so does its slot, if it has one. */
void px_graph_index_kill(struct px_graph_index *index, const struct px_source *source,
                         uint32_t row);

/* Lets the slot of a row of a replaced source follow it. */
void px_graph_index_follow(struct px_graph_index *index, struct px_source *source, uint32_t row);

/* Marks slots as dead that have no location: once a graph's rows have been looked for, those whose
 * rows are gone. Slots [begin, end), PX_STRAY_SLOTS at most. */
enum { PX_STRAY_SLOTS = 512 };
void px_graph_index_kill_strays(struct px_graph_index *index, uint32_t begin, uint32_t end);

/* Memory it holds, with the graph's. */
uint64_t px_graph_index_memory_bytes(const struct px_graph_index *index);

#endif /* PX_SERVICE_GRAPH_INDEX_H */
