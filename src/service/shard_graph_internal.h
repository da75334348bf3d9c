/* shard_graph_internal: a step of indexing, as shard_graph_job.c (what is to be done),
 * shard_graph_build.c (graphs of rows), shard_graph_file.c (graphs in files) and
 * shard_graph_match.c (rows of graphs) see it. */
#ifndef PX_SERVICE_SHARD_GRAPH_INTERNAL_H
#define PX_SERVICE_SHARD_GRAPH_INTERNAL_H

#include "service/row_reader.h"
#include "service/shard_internal.h"

/* One step. It belongs to the thread that runs the job; its crew only inserts. */
struct px_index_step {
    struct px_shard *shard;
    struct px_description *description;
    struct px_graph_index *index; /* of the moment when it began, with a reference; may be NULL */
    struct px_snapshot snapshot;  /* while rows are read; no longer, since it keeps their files */
    struct px_row_place *places;  /* owned; of it: rows to be indexed. NULL once they were read */
    size_t place_count;
};

/* Whether the step has to end: the shard closes or goes. Paces the calling thread. */
bool px_shard__index_should_stop(void *step);

/* Of the graph's kind of index (shard_indexing_internal.h). */
PX_MUST_CHECK int px_shard__step_graph(struct px_shard *shard, bool *ret_has_done,
                                       struct proximadb_error *reterr);
bool px_shard__graph_has_work(const struct px_shard *shard);
void px_shard__close_graph(struct px_shard *shard);

/* Lists rows of the snapshot that are live and have no slot on that side, `most` at most, and notes
 * from where on the next search has to look. PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_shard__list_unindexed(struct px_index_step *step, unsigned side, size_t most,
                                           struct proximadb_error *reterr);

/* Inserts the rows of the list, whose snapshot is followed. *ret_unfit: some do not fit the graph,
 * which has to be built anew.
 * PROXIMADB_CANCELLED, PROXIMADB_NO_MEMORY, PROXIMADB_CORRUPT (a part) */
PX_MUST_CHECK int px_shard__insert_rows(struct px_index_step *step, bool *ret_unfit,
                                        struct proximadb_error *reterr);

/* Builds a graph of all rows and puts it in the place of the present one. Fails likewise. */
PX_MUST_CHECK int px_shard__build_graph(struct px_index_step *step, struct proximadb_error *reterr);

/* Forgets slots of a graph that is on that side no more. Sources that come later have none. */
void px_shard__clear_slots(const struct px_snapshot *snapshot, unsigned side);

/* Looks for the rows of a graph, which was just built or read, as they are by now, and puts it in
 * the place of the present one. The graph is taken, on failure, too. On that side no source has
 * slots. PROXIMADB_NO_MEMORY, PROXIMADB_CANCELLED, PROXIMADB_CORRUPT (a part) */
PX_MUST_CHECK int px_shard__match_graph(struct px_index_step *step, struct px_graph *graph,
                                        unsigned side, struct proximadb_error *reterr);

/* Reads the file of before, if there is one that is of use, and finds its rows; `reason` says why
 * it was of none, "" if nobody missed it. PROXIMADB_NO_MEMORY, PROXIMADB_CANCELLED */
PX_MUST_CHECK int px_shard__open_graph(struct px_index_step *step, char *reason,
                                       size_t reason_bytes, struct proximadb_error *reterr);

/* Writes the present graph to a new file and removes those of before. Nobody inserts. */
PX_MUST_CHECK int px_shard__save_graph(struct px_shard *shard, struct px_graph_index *index,
                                       struct proximadb_error *reterr);

#endif /* PX_SERVICE_SHARD_GRAPH_INTERNAL_H */
