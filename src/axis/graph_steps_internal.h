/*
 * graph_steps_internal: what the graph's files do for each other. The structures are those of
 * graph_internal.h, which also says who may write what when.
 */
#ifndef PX_AXIS_GRAPH_STEPS_INTERNAL_H
#define PX_AXIS_GRAPH_STEPS_INTERNAL_H

#include "axis/graph_internal.h"

enum { PX_GRAPH__MOST_SEEDS = PX_GRAPH__MOST_ENTRIES + PX_GRAPH__MOST_LONGEST };

/* ---- graph.c -------------------------------------------------------------------------------- */

/* Between these two, nothing that the worker finds is moved or given away. Enter prepares the
 * visited set. PROXIMADB_NO_MEMORY: it is not inside. */
PX_MUST_CHECK int px_graph__enter(struct px_graph *graph, struct px_graph_worker *worker,
                                  struct proximadb_error *reterr);
void px_graph__leave(struct px_graph_worker *worker);

/* The arrays, for who knows that they are not resized. */
struct px_graph__view px_graph__view_of(const struct px_graph *graph);

/* Waits until every worker that is inside now has left. */
void px_graph__wait_for_all(struct px_graph *graph);

/* Makes room for a number of slots. The caller is not inside. */
PX_MUST_CHECK int px_graph__reserve(struct px_graph *graph, uint64_t slot_count,
                                    struct proximadb_error *reterr);

/* A slot that nobody knows, and back. Neither caller is inside. PROXIMADB_NO_MEMORY,
 * PROXIMADB_TOO_LARGE */
PX_MUST_CHECK int px_graph__take_slot(struct px_graph *graph, uint32_t *ret_slot,
                                      struct proximadb_error *reterr);
PX_MUST_CHECK int px_graph__give_slots(struct px_graph *graph, const uint32_t *slots,
                                       uint32_t count, struct proximadb_error *reterr);

/* Says how many planes of bits lines have: one, or what px_graph__new() chose. While there are no
 * slots. False: another number. */
PX_MUST_CHECK bool px_graph__set_planes(struct px_graph *graph, uint32_t plane_count);

/* An empty graph without mean. */
PX_MUST_CHECK int px_graph__new(const struct px_graph_config *config, struct px_graph **ret_graph,
                                struct proximadb_error *reterr);

/* Makes room in the beam. */
PX_MUST_CHECK int px_graph__size_beam(struct px_graph_worker *worker, uint32_t beam_limit,
                                      struct proximadb_error *reterr);

/* ---- graph_code.c --------------------------------------------------------------------------- */

/* Learns mean, unit and largest norm. */
PX_MUST_CHECK int px_graph__learn(struct px_graph *graph, const struct px_rows *sample,
                                  struct proximadb_error *reterr);

/* After the mean was set. */
void px_graph__rotate_mean(struct px_graph *graph);

/* Bytes of a query's arrays, a multiple of 64, and where they stand in so many. */
size_t px_graph__query_bytes(const struct px_graph *graph);
void px_graph__place_query(const struct px_graph *graph, struct px_graph__query *query,
                           uint8_t *memory);

/* Fills in the query from a vector that is asked about, or (under dot: with the added component)
 * from one that is to be stored. The latter fails with PROXIMADB_INVALID where the norm is too
 * large. */
void px_graph__set_query(const struct px_graph *graph, const void *vector,
                         struct px_graph__query *query);
PX_MUST_CHECK int px_graph__set_stored(const struct px_graph *graph, const void *vector,
                                       struct px_graph__query *query,
                                       struct proximadb_error *reterr);

/* Likewise from the codes of a slot. */
void px_graph__set_slot(const struct px_graph *graph, const struct px_graph__view *view,
                        uint32_t slot, struct px_graph__query *query);

/* Under dot: makes a query that is a stored vector one that asks about it. False: it is too short
 * to say in which direction it points, and stays. */
PX_MUST_CHECK bool px_graph__ask(const struct px_graph *graph, struct px_graph__query *query);

/* Writes the codes of a stored vector to a slot that nobody knows yet. */
void px_graph__encode(const struct px_graph *graph, const struct px_graph__view *view,
                      const struct px_graph__query *query, uint32_t slot);

/* The one-bit estimates, and the squared distances by nine bits. */
void px_graph__estimate(const struct px_graph *graph, const struct px_graph__view *view,
                        const struct px_graph__query *query, const uint32_t *slots, size_t count,
                        float *ret_distances);
void px_graph__measure(const struct px_graph *graph, const struct px_graph__view *view,
                       const struct px_graph__query *query, const uint32_t *slots, size_t count,
                       float *ret_distances);

/* The latter with the fine bits, which there must be. */
void px_graph__measure_fine(const struct px_graph *graph, const struct px_graph__view *view,
                            const struct px_graph__query *query, const uint32_t *slots,
                            size_t count, float *ret_distances);

/* What the metric calls a squared distance of the query. */
float px_graph__distance(const struct px_graph *graph, const struct px_graph__query *query,
                         float squared);

/* ---- graph_search.c ------------------------------------------------------------------------- */

/* Walks from the entry points, and leaves the beam, and the path if that is kept. */
void px_graph__walk(struct px_graph *graph, struct px_graph_worker *worker,
                    const struct px_graph__walk *walk);

/* ---- graph_prune.c -------------------------------------------------------------------------- */

/*
 * Chooses at most `most` of the candidates (rising) as neighbours of `slot`: those that no chosen
 * one is clearly nearer to. Returns how many; they are moved to the front.
 */
uint32_t px_graph__prune(struct px_graph_worker *worker, uint32_t slot,
                         px_graph__candidate *candidates, uint32_t count, uint32_t most);

/* The same among other slots, at most PX_GRAPH__MOST_JOINED, whose distances are found first. */
uint32_t px_graph__prune_slots(struct px_graph_worker *worker, uint32_t slot,
                               const uint32_t *others, uint32_t count, uint32_t most,
                               px_graph__candidate *ret_chosen);

/* Sorts few. */
void px_graph__sort(px_graph__candidate *candidates, uint32_t count);

/* ---- graph_insert.c ------------------------------------------------------------------------- */

/* Takes a slot for a vector and writes its record, with an empty list. The worker is inside
 * afterwards, and its query is the vector. Fails as px_graph_insert() does; it is outside then. */
PX_MUST_CHECK int px_graph__place(struct px_graph *graph, struct px_graph_worker *worker,
                                  const void *vector, int64_t label, uint32_t *ret_slot,
                                  struct proximadb_error *reterr);

/* Links a slot that the worker's query is about; the worker is inside, its path prepared. */
void px_graph__link(struct px_graph *graph, struct px_graph_worker *worker, uint32_t slot);

/* Makes room for beam and path of an insert. */
PX_MUST_CHECK int px_graph__prepare_path(struct px_graph_worker *worker,
                                         struct proximadb_error *reterr);

/* The slots of a list, to ret_slots (room for the degree); returns how many. */
uint32_t px_graph__load_list(const struct px_graph__view *view, uint32_t slot, uint32_t *ret_slots);

/* Replaces a list, under its lock. */
void px_graph__store_list(const struct px_graph__view *view, uint32_t slot,
                          const px_graph__candidate *neighbours, uint32_t count);

static inline pthread_mutex_t *px_graph__list_lock(struct px_graph *graph, uint32_t slot)
{
    return &graph->list_locks[slot % PX_GRAPH__LOCK_COUNT];
}

/* ---- graph_entry.c -------------------------------------------------------------------------- */

/* Makes a slot that was linked an entry point if it should be one. */
void px_graph__consider_entry(struct px_graph *graph, const struct px_graph__view *view,
                              uint32_t slot);

/* Finds the longest vectors anew, but for those left out (a byte per slot; NULL: none). */
void px_graph__find_longest(struct px_graph *graph, const uint8_t *is_left_out);

/* All entry points, to ret_slots (room for PX_GRAPH__MOST_SEEDS); returns how many. */
uint32_t px_graph__load_entries(const struct px_graph *graph, uint32_t *ret_slots);

/* ---- graph_plan.c --------------------------------------------------------------------------- */

/* The settings for a request. */
struct px_graph__walk px_graph__plan(const struct px_graph *graph,
                                     const struct px_graph_request *request);

#endif /* PX_AXIS_GRAPH_STEPS_INTERNAL_H */
