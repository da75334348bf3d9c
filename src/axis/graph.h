/*
 * graph: approximate nearest neighbours by walking a graph of vectors, as HNSW collections are
 * searched.
 *
 * Each vector has a dense slot (u32), a list of neighbours' slots, and two codes: one bit per
 * dimension (more where there are few), which decides what is worth a closer look, and eight bits
 * more per dimension, by which candidates are ordered. A search starts from the nearest of some
 * entry points and goes from near vertices to their neighbours until no candidate within reach of
 * the k-th nearest is left. What it finds is named by slot, with a distance from its code: near the
 * true one (about 0.2 % of it), so the caller decides the final order with the vectors themselves.
 * docs/AXIS.md tells the algorithms and their papers, axis/graph_internal.h the layout in memory.
 *
 * Labels: the caller's number of a vector (a row's version), by which it is known again after a
 * restart. The graph does not look vectors up by label.
 *
 * Deletes: px_graph_set_dead() marks a slot. It is still walked through, and reported only where it
 * is asked for. px_graph_repair() takes marked vertices out of the graph and gives their slots to
 * later inserts; a slot is not given away while a search that may hold it is under way.
 *
 * Metrics: cosine (vectors are normalised as they come in), l2, and dot, which is made l2 by one
 * more component, sqrt(M^2 - |x|^2), where M bounds the norms (Bachrach et al., RecSys 2014).
 *
 * Threads: any number may search, insert and mark at the same time, each with a worker of its own.
 * Repairing, calibrating and saving exclude each other and inserts (the caller sees to it), but
 * neither searches nor marks; building excludes all. Searches take no lock.
 *
 * Memory: px_graph_memory_bytes(); at 384 dimensions 584 bytes a vector, 1,096 with FAST, and 1
 * more per worker. Arrays grow by moving their pages, not by copying them.
 */
#ifndef PX_AXIS_GRAPH_H
#define PX_AXIS_GRAPH_H

#include "base/error.h"
#include "simd/kernels.h"

struct px_crew;
struct px_fs;
struct px_graph;
struct px_graph_worker;

enum { PX_GRAPH_MOST_K = 10000 };

struct px_graph_config {
    uint32_t dim_count; /* 1 to 65,536 */
    enum proximadb_metric metric;
    enum proximadb_index_memory memory;
};

/* Whether to give up, asked about every millisecond; NULL: never. `progress` (or NULL) is told
 * how many of how many steps are done, from whichever thread did them. */
struct px_graph_control {
    bool (*should_stop)(void *context);
    void (*progress)(void *context, uint64_t done, uint64_t total);
    void *context;
};

/*
 * An empty graph. The sample, some hundreds to thousands of rows of the kind that will come (or
 * none), gives the mean that codes are relative to and, for dot, the largest norm: a graph keeps
 * both for life.
 *
 * *ret_graph: returned, free with px_graph_free(). PROXIMADB_NO_MEMORY
 */
PX_MUST_CHECK int px_graph_new(const struct px_graph_config *config, const struct px_rows *sample,
                               struct px_graph **ret_graph, struct proximadb_error *reterr);

/* All workers must be gone. Accepts NULL. */
void px_graph_free(struct px_graph *graph);

/* Scratch memory of one thread: visited set, beam, buffers. The graph is kept.
 * PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_graph_worker_new(struct px_graph *graph, struct px_graph_worker **ret_worker,
                                      struct proximadb_error *reterr);
void px_graph_worker_free(struct px_graph_worker *worker); /* accepts NULL */

/*
 * Adds a vector (float32, at any address; finite, and under cosine not zero), which searches find
 * from then on.
 *
 * PROXIMADB_NO_MEMORY
 * PROXIMADB_TOO_LARGE  all 2^32 - 2 slots are taken.
 * PROXIMADB_INVALID    under dot, its norm is larger than the graph was made for (a tenth above the
 *                      sample's): a new graph has to be built, from a sample that holds this one.
 * On failure nothing was added.
 */
PX_MUST_CHECK int px_graph_insert(struct px_graph *graph, struct px_graph_worker *worker,
                                  const void *vector, int64_t label, uint32_t *ret_slot,
                                  struct proximadb_error *reterr);

/* What a graph is built from. */
struct px_graph_input {
    uint64_t row_count;
    /* Copies rows first_row to first_row + count - 1, packed, and their labels. Called on one
     * thread at a time, for ranges that follow each other. An error ends the build. */
    int (*read)(void *context, uint64_t first_row, size_t count, float *ret_vectors,
                int64_t *ret_labels, struct proximadb_error *reterr);
    /* Told once, on the caller's thread, behind the last row: most of the build is still to come,
     * and works with what it has. NULL: nobody wants to know. */
    void (*end_reading)(void *context);
    void *context; /* of both */
};

/*
 * Builds an empty graph, with the help of a crew (may be NULL), and calibrates it. Near vectors get
 * near slots, which makes searches of large graphs quicker. Until it has returned, nobody else may
 * use the graph.
 *
 * ret_slots: of row_count slots, the slot of each row; may be NULL.
 * PROXIMADB_CANCELLED, what read() fails with, and what px_graph_insert() does: the graph is then
 * only fit to be freed.
 */
PX_MUST_CHECK int px_graph_build(struct px_graph *graph, const struct px_graph_input *input,
                                 struct px_crew *crew, const struct px_graph_control *control,
                                 uint32_t *ret_slots, struct proximadb_error *reterr);

/* Marks a slot that was returned by an insert, or takes the mark off again (before a repair). */
void px_graph_set_dead(struct px_graph *graph, uint32_t slot, bool is_dead);
bool px_graph_is_dead(const struct px_graph *graph, uint32_t slot);

/*
 * Takes all slots that are dead by now out of the graph, and joins their neighbours (FreshDiskANN,
 * Singh et al. 2021). Worth its time when a tenth or more of the slots are dead. The worker is the
 * caller's; the crew (may be NULL) helps.
 *
 * PROXIMADB_CANCELLED  searches work as before; a later repair does the rest.
 * PROXIMADB_NO_MEMORY
 */
PX_MUST_CHECK int px_graph_repair(struct px_graph *graph, struct px_crew *crew,
                                  const struct px_graph_control *control,
                                  struct proximadb_error *reterr);

struct px_graph_request {
    const void *query; /* float32, at any address */
    uint32_t k;        /* 1 to PX_GRAPH_MOST_K */
    /* Share of the true k nearest that is wanted on average, above 0 and below 1; 0: 0.95. What a
     * recall takes was learnt by px_graph_calibrate(). */
    double target_recall;
    uint32_t effort;        /* not 0: the number of candidates kept, like HNSW's ef, instead */
    uint32_t dead_capacity; /* how many dead ones nearer than the k-th live one are returned, too */
};

struct px_graph_hit {
    uint32_t slot;
    float distance; /* as simd/distance.h defines it, approximately */
    bool is_dead;   /* at the time it was seen */
};

/*
 * The k nearest live vectors that the walk found, nearest first, with up to dead_capacity dead ones
 * in between. ret_hits has room for k + dead_capacity. Fewer than k: no more are live, or the walk
 * did not come across them. Who puts hits in order by the vectors themselves does well to ask for
 * some more than it needs: codes do not tell apart what is nearly at the same distance.
 *
 * PROXIMADB_NO_MEMORY
 */
PX_MUST_CHECK int px_graph_search(struct px_graph *graph, struct px_graph_worker *worker,
                                  const struct px_graph_request *request,
                                  struct px_graph_hit *ret_hits, uint32_t *ret_count,
                                  struct proximadb_error *reterr);

/*
 * Learns what each target recall takes, from queries that are not in the graph, such as rows before
 * they are inserted: some hundreds, that stand for what will be asked. Their true neighbours are
 * found by comparing with all codes. The result is part of the graph, and of its file.
 *
 * PROXIMADB_CANCELLED: all is as before. PROXIMADB_NO_MEMORY
 */
PX_MUST_CHECK int px_graph_calibrate(struct px_graph *graph, const struct px_rows *queries,
                                     struct px_crew *crew, const struct px_graph_control *control,
                                     struct proximadb_error *reterr);

/* How many live vectors there were at the last calibration; 0: there was none, and searches go by
 * settings that suit most data. Calibrate anew at twice as many. */
uint64_t px_graph_calibrated_count(const struct px_graph *graph);

int64_t px_graph_label(const struct px_graph *graph, uint32_t slot);
uint32_t px_graph_slot_count(const struct px_graph *graph); /* slots ever used: all are below */
/* Whether the slot holds a vector (dead or alive): false after a repair, until it is used again. */
bool px_graph_has_slot(const struct px_graph *graph, uint32_t slot);

/* The labels of slots first to first + count - 1; PX_GRAPH_NO_LABEL where no live vector is. */
#define PX_GRAPH_NO_LABEL INT64_MIN
void px_graph_read_labels(const struct px_graph *graph, uint32_t first, uint32_t count,
                          int64_t *ret_labels);

uint32_t px_graph_live_count(const struct px_graph *graph);
uint32_t px_graph_dead_count(const struct px_graph *graph);   /* marked and not yet repaired */
uint64_t px_graph_memory_bytes(const struct px_graph *graph); /* of the graph and its workers */

/*
 * Writes the graph to a new file and syncs it; docs/format/graph.md. The caller syncs the folder.
 * A file that could not be finished is removed.
 *
 * PROXIMADB_IO, PROXIMADB_RESOURCE_EXHAUSTED (disk full), PROXIMADB_NO_MEMORY
 */
PX_MUST_CHECK int px_graph_save(const struct px_graph *graph, struct px_fs *fs, const char *path,
                                struct proximadb_error *reterr);

/*
 * Reads a graph that was saved. It may be changed and saved again, to another file.
 *
 * PROXIMADB_CORRUPT        the file is not what was written, or of a graph with another config; the
 *                          message names it and says why.
 * PROXIMADB_UNIMPLEMENTED  it is of a later version of the format.
 * PROXIMADB_IO, PROXIMADB_NO_MEMORY
 */
PX_MUST_CHECK int px_graph_open(struct px_fs *fs, const char *path,
                                const struct px_graph_config *config, struct px_graph **ret_graph,
                                struct proximadb_error *reterr);

#endif /* PX_AXIS_GRAPH_H */
