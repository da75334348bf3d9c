/*
 * shard: one collection in this process: its log, its memtables, its store, its id index, and the
 * readers' view of all that. (A collection has one shard as long as it has one machine.)
 *
 * Writes belong to the shard's committer. It decides an operation against the rows as they are (the
 * index and its view), stages new rows, logs, and applies: index, dead rows, counts, and the
 * visible LSN change together under the shard's lock, so a reader that takes a snapshot sees all of
 * a batch or nothing.
 *
 *      write -> committer: decide, stage -> WAL -> apply, publish ---> memtable full: freeze
 *      read  -> snapshot (view, LSN) -> memtables + parts                 |
 *      flusher: frozen memtable -> part, delete file, manifest -> new view -> index, log trimmed
 *
 * When rows move, from a memtable to a part or from part to part, the new view is published at once
 * and the index follows in small steps; what it still says of the old place is resolved through the
 * old source (service/view.h).
 *
 * A shard that cannot be opened (a damaged manifest, a missing part) exists all the same and
 * answers everything with what is wrong, so that the other collections are served. One whose log is
 * damaged serves reads and refuses writes.
 *
 * Threads: any thread, but for open and close. Lock order: viper's commit_lock, then `lock`; a
 * committer's lock and the log's are leaves.
 */
#ifndef PX_SERVICE_SHARD_H
#define PX_SERVICE_SHARD_H

#include "axis/ivf_effort.h"
#include "base/arena.h"
#include "service/engine_context.h"
#include "service/graph_index.h"
#include "service/write_op.h"

struct px_shard;

/* A collection's description, which is replaced as a whole when its fields change. */
struct px_description {
    atomic_uint reference_count;
    struct px_collection collection;
};
/* A copy, with one reference. PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_description_new(const struct px_collection *collection,
                                     struct px_description **ret_description,
                                     struct proximadb_error *reterr);
struct px_description *px_description_ref(struct px_description *description);
void px_description_unref(struct px_description *description); /* accepts NULL */

/* Makes the folders of a new collection, without its JSON. Errors as px_viper_create(). */
PX_MUST_CHECK int px_shard_create(const struct px_engine_context *context,
                                  const struct px_collection *collection,
                                  struct proximadb_error *reterr);

/* Opens a collection that was created, and recovers it. context is kept. What is wrong with its
 * files is no failure of this call. ret_shard: one reference. PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_shard_open(const struct px_engine_context *context,
                                const struct px_collection *collection, struct px_shard **ret_shard,
                                struct proximadb_error *reterr);

/* A shard for a collection of which nothing but the name is known: it answers everything with
 * `failure` (borrowed). Likewise. */
PX_MUST_CHECK int px_shard_new_failed(const struct px_engine_context *context, const char *name,
                                      const struct proximadb_error *failure,
                                      struct px_shard **ret_shard, struct proximadb_error *reterr);

struct px_shard *px_shard_ref(struct px_shard *shard);
void px_shard_unref(struct px_shard *shard); /* accepts NULL */

/* Says that the collection is being dropped: operations that are still to be decided fail with
 * PROXIMADB_COLLECTION_NOT_FOUND, and its JSON is not written any more. False takes it back. */
void px_shard_set_dropped(struct px_shard *shard, bool is_dropped);

/* Begins to close: nothing is accepted any more, and long work in the background ends soon. */
void px_shard_begin_close(struct px_shard *shard);

/* Finishes what was submitted, waits for background work, and ends the commits. Snapshots stay
 * valid; of a dropped shard no file is removed any more, whoever lets go of it last. Must not be
 * called on an engine thread that the shard may need. */
void px_shard_close(struct px_shard *shard);

/* PROXIMADB_OK, or why nothing of the shard can be used. */
PX_MUST_CHECK int px_shard_check(const struct px_shard *shard, struct proximadb_error *reterr);

/* Whether its collection's description is known. It is zeroed where the JSON could not be read. */
bool px_shard_is_described(const struct px_shard *shard);

/* Its collection's name, which lives as long as the shard. */
const char *px_shard_name(const struct px_shard *shard);

/* The present description: one reference. */
struct px_description *px_shard_describe(struct px_shard *shard);

/* Takes a snapshot: release with px_snapshot_release(). */
void px_shard_snapshot(struct px_shard *shard, struct px_snapshot *ret_snapshot);

/* Where rows are, by id, together with a snapshot that sees exactly them. */
struct px_located_row {
    uint32_t source_index; /* in the snapshot's view; source_count: there is no such row */
    uint32_t row;
};

/* Looks `ids` up. PROXIMADB_CORRUPT, PROXIMADB_NO_MEMORY: then there is no snapshot. */
PX_MUST_CHECK int px_shard_locate(struct px_shard *shard, const struct px_id_list *ids,
                                  struct px_located_row *ret_rows, struct px_snapshot *ret_snapshot,
                                  struct proximadb_error *reterr);

/*
 * A search of the collection's graph, as far as the shard is concerned. The snapshot that decides
 * which rows are seen is taken behind the walk: what was live then was live all the time, so the
 * walk could find it; and what was written meanwhile is known by its place behind the rows of the
 * beginning. So nothing is seen twice or not at all, whatever is written, moved or indexed.
 *
 *      px_shard_begin_walk()       the graph, and the view before
 *      px_shard_list_tail()        rows that the graph does not know
 *      walks of the graph
 *      px_shard_end_walk()         the snapshot, and in its terms the tail and what the walks found
 */
struct px_shard_walk {
    struct px_graph_index *index; /* a reference */
    struct px_snapshot before;
    struct px_row_range *tail; /* in an arena; in the order of the view, and of rows */
    uint32_t tail_count;
    uint32_t tail_capacity;
    uint32_t *settled; /* in the arena; of each source the rows in front of its first in the tail */
};

/* Fails with PROXIMADB_TOO_LARGE: a search's arena is full. */
int px_fail_search_memory(struct proximadb_error *reterr);

/* False: there is no graph. End it with px_shard_release_walk(). */
bool px_shard_begin_walk(struct px_shard *shard, struct px_shard_walk *ret_walk);

/* PROXIMADB_TOO_LARGE: the arena's ceiling. */
PX_MUST_CHECK int px_shard_list_tail(struct px_shard_walk *walk, struct px_arena *arena,
                                     struct proximadb_error *reterr);

/*
 * Takes the snapshot that counts, puts the tail in its terms, and finds the rows of `count` slots
 * in it: source_index is the snapshot's source count where there is none. False: rows moved on, or
 * the graph was replaced; begin anew. *ret_snapshot: release with px_snapshot_release().
 */
bool px_shard_end_walk(struct px_shard *shard, struct px_shard_walk *walk, const uint32_t *slots,
                       size_t count, struct px_snapshot *ret_snapshot,
                       struct px_row_place *ret_places);

void px_shard_release_walk(struct px_shard_walk *walk); /* accepts a zeroed one */

/*
 * A search of the codes of a collection's parts, as far as the shard is concerned: a snapshot, the
 * codes that its parts have at the moment, and what has none. Rows of a part do not move while the
 * snapshot is held, so this is all that there is to it.
 */
struct px_shard_probe {
    struct px_snapshot snapshot;
    struct px_ivf_effort effort;
    struct px_part_codes **codes; /* a reference each; in an arena, as what follows */
    const struct px_ivf **parts;
    uint32_t *source_indexes; /* of the parts, in the snapshot's view */
    uint32_t part_count;
    uint64_t row_count; /* of the parts; likewise */
    uint64_t dead_count;
    uint64_t list_count;
    uint64_t block_count;
    struct px_row_range *tail; /* whole sources; in the order of the view */
    uint32_t tail_count;
};

/* End it with px_shard_end_probe(). PROXIMADB_TOO_LARGE: the arena's ceiling. */
PX_MUST_CHECK int px_shard_begin_probe(struct px_shard *shard, struct px_arena *arena,
                                       struct px_shard_probe *ret_probe,
                                       struct proximadb_error *reterr);
void px_shard_end_probe(struct px_shard_probe *probe);

/* Its snapshot, which is the caller's from then on. */
struct px_snapshot px_shard_take_snapshot_of(struct px_shard_probe *probe);

/* Memory of searches by codes, to be given back. PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_shard_take_searcher(struct px_shard *shard,
                                         struct px_ivf_searcher **ret_searcher,
                                         struct proximadb_error *reterr);
void px_shard_give_searcher(struct px_shard *shard, struct px_ivf_searcher *searcher);

/* Says that somebody reads, so that index builds hold back. */
void px_shard_note_read(struct px_shard *shard);

/* Whether nobody holds the shard's lock just now. */
bool px_shard_is_free(struct px_shard *shard);

/* Whether a write of that request id was carried out before, and its outcome. */
bool px_shard_recall(struct px_shard *shard, const uint8_t *request_id,
                     struct proximadb_write_result *ret_result);

/* Hands an operation to the committer. Its `done` is called, whatever happens. Never blocks. */
void px_shard_submit(struct px_shard *shard, struct px_write_op *op);

/* What a compaction did, or why not. */
typedef void px_shard_compacted(void *context, const struct proximadb_compact_result *result,
                                const struct proximadb_error *error);

struct px_shard_compact_request {
    uint32_t cluster_count;         /* 0: chosen */
    int64_t deadline_ms;            /* monotonic; 0: none */
    const proximadb_cancel *cancel; /* kept until `done`; may be NULL */
    px_shard_compacted *done;
    void *context;
};

/* Clusters and rewrites all parts in the background, then calls `done`, on a background thread. */
void px_shard_compact(struct px_shard *shard, const struct px_shard_compact_request *request);

/* Pauses compaction in the background, or lets it go on; what was asked for runs all the same. A
 * step under way ends soon and leaves everything as it was. Forgotten when the database closes. */
void px_shard_pause_compaction(struct px_shard *shard, bool is_paused);

/* PROXIMADB_OK if the collection is to have an index that is built; PROXIMADB_INVALID otherwise. */
PX_MUST_CHECK int px_shard_check_index(struct px_shard *shard, struct proximadb_error *reterr);

/* Has the index built anew in the background; the present one is used until then.
 * PROXIMADB_INVALID: the collection's type has none. */
PX_MUST_CHECK int px_shard_rebuild_index(struct px_shard *shard, struct proximadb_error *reterr);

/* Looks for expired rows in the background and deletes them. Returns at once. */
void px_shard_sweep(struct px_shard *shard);

/* Who waits until nothing is left that has expired by now, or cannot be deleted yet. */
struct px_sweep_waiter {
    struct px_sweep_waiter *next;                 /* the shard's */
    void (*done)(struct px_sweep_waiter *waiter); /* on a background thread, or within the call */
};

/* The same; waiter is kept until `done`. */
void px_shard_sweep_and_tell(struct px_shard *shard, struct px_sweep_waiter *waiter);

struct px_shard_numbers {
    uint64_t vector_count;
    uint64_t part_count;
    uint64_t disk_bytes;
    uint64_t memtable_bytes;
    uint64_t wal_bytes;
    uint64_t id_index_bytes;
    int64_t last_version;
    uint64_t fresh_part_count;
    uint64_t dead_row_count;
    uint64_t bytes_accepted;
    uint64_t bytes_written;
    const char *compaction_state; /* static */
    uint64_t compaction_rows_done;
    uint64_t compaction_row_count;
    const char *index_state; /* static */
    uint64_t index_row_count;
    uint64_t index_lag;
    uint64_t index_file_bytes;
    uint64_t index_memory_bytes;
    uint64_t index_rows_done;
    uint64_t index_rebuild_count;
    uint64_t index_failure_count; /* steps that failed, one behind the other */
    char index_rebuild_reason[200];
    uint64_t write_delay_ms; /* that a round of writes waits because compaction is behind */
    char read_only_reason[sizeof((struct proximadb_error *)0)->message]; /* "": writes are taken */
};
void px_shard_get_numbers(struct px_shard *shard, struct px_shard_numbers *ret_numbers);

#endif /* PX_SERVICE_SHARD_H */
