#include "axis/graph_internal.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

enum {
    INSERT_BEAM = 200,
    PATH_CAPACITY = 256,
    MOST_CANDIDATES = INSERT_BEAM + PATH_CAPACITY,
    SLOTS_PER_ENTRY = 1000, /* one slot in so many is an entry point, while there is room */
    FIRST_ENTRIES = 32,
};

/* ---- entry points --------------------------------------------------------------------------- */

static uint32_t wanted_entries(uint32_t slot_count)
{
    uint32_t wanted = FIRST_ENTRIES + slot_count / SLOTS_PER_ENTRY;
    return wanted < PX_GRAPH__MOST_ENTRIES ? wanted : PX_GRAPH__MOST_ENTRIES;
}

/* Makes the slot an entry point if there are too few; once the table is full, now and then in
 * another's place, so that late vectors are as likely to be in it as early ones. */
static void consider_entry(struct px_graph *graph, uint32_t slot)
{
    uint32_t slot_count = atomic_load(&graph->slot_count);
    if (atomic_load(&graph->entry_count) >= wanted_entries(slot_count) &&
        wanted_entries(slot_count) < PX_GRAPH__MOST_ENTRIES)
        return;
    pthread_mutex_lock(&graph->entry_lock);
    uint32_t count = atomic_load(&graph->entry_count);
    if (count < wanted_entries(slot_count)) {
        atomic_store_explicit(&graph->entries[count], slot, memory_order_release);
        atomic_store_explicit(&graph->entry_count, count + 1, memory_order_release);
    } else if (count == PX_GRAPH__MOST_ENTRIES) {
        uint64_t place = (slot * 0x9e3779b97f4a7c15u >> 32) * slot_count >> 32;
        if (place < count)
            atomic_store_explicit(&graph->entries[place], slot, memory_order_release);
    }
    pthread_mutex_unlock(&graph->entry_lock);
}

/* ---- lists ---------------------------------------------------------------------------------- */

void px_graph__store_list(const struct px_graph__view *view, uint32_t slot,
                          const px_graph__candidate *neighbours, uint32_t count)
{
    _Atomic uint32_t *list = px_graph__list(view, slot);
    for (uint32_t i = 0; i < view->degree; i++)
        atomic_store_explicit(&list[i],
                              i < count ? px_graph__slot_of(neighbours[i]) : PX_GRAPH__NONE,
                              memory_order_release);
}

static uint32_t load_list(const struct px_graph__view *view, uint32_t slot, uint32_t *ret_slots)
{
    const _Atomic uint32_t *list = px_graph__list(view, slot);
    uint32_t count = 0;
    while (count < view->degree && (ret_slots[count] = atomic_load_explicit(
                                        &list[count], memory_order_acquire)) != PX_GRAPH__NONE)
        count++;
    return count;
}

static int compare_candidates(const void *a, const void *b)
{
    px_graph__candidate left = *(const px_graph__candidate *)a;
    px_graph__candidate right = *(const px_graph__candidate *)b;
    return left < right ? -1 : left > right;
}

/* The list is full: chooses anew among its slots and one more. Its lock is held. */
static void prune_list(struct px_graph *graph, struct px_graph_worker *worker, uint32_t slot,
                       uint32_t *slots, uint32_t count)
{
    float distances[PX_GRAPH__MOST_DEGREE + 1];
    px_graph__candidate candidates[PX_GRAPH__MOST_DEGREE + 1];
    px_graph__measure_slots(graph, worker, slot, slots, count, distances);
    for (uint32_t i = 0; i < count; i++)
        candidates[i] = px_graph__candidate_of(distances[i], slots[i], 0);
    qsort(candidates, count, sizeof *candidates, compare_candidates);
    count = px_graph__prune(graph, worker, slot, candidates, count);
    px_graph__store_list(&worker->view, slot, candidates, count);
}

/* Makes `added` a neighbour of `slot`. */
static void add_to_list(struct px_graph *graph, struct px_graph_worker *worker, uint32_t slot,
                        uint32_t added)
{
    uint32_t slots[PX_GRAPH__MOST_DEGREE + 1];
    pthread_mutex_t *lock = px_graph__list_lock(graph, slot);
    pthread_mutex_lock(lock);
    uint32_t count = load_list(&worker->view, slot, slots);
    bool is_there = false;
    for (uint32_t i = 0; i < count; i++)
        is_there |= slots[i] == added;
    if (!is_there && count < graph->degree) {
        atomic_store_explicit(&px_graph__list(&worker->view, slot)[count], added,
                              memory_order_release);
    } else if (!is_there) {
        slots[count++] = added;
        prune_list(graph, worker, slot, slots, count);
    }
    pthread_mutex_unlock(lock);
}

/* ---- linking -------------------------------------------------------------------------------- */

/* Beam and path together, rising, without the dead. */
static uint32_t merge_candidates(struct px_graph_worker *worker, px_graph__candidate *ret)
{
    uint32_t count = 0, kept = 0;
    for (uint32_t i = 0; i < worker->beam_count; i++)
        ret[count++] = worker->beam[i] & ~(uint64_t)PX_GRAPH__EXPANDED;
    for (uint32_t i = 0; i < worker->path_count; i++)
        ret[count++] = worker->path[i] & ~(uint64_t)PX_GRAPH__EXPANDED;
    qsort(ret, count, sizeof *ret, compare_candidates);
    for (uint32_t i = 0; i < count; i++)
        if ((ret[i] & PX_GRAPH__DEAD) == 0 && (kept == 0 || ret[kept - 1] != ret[i]))
            ret[kept++] = ret[i];
    return kept;
}

static int prepare_path(struct px_graph_worker *worker, struct proximadb_error *reterr)
{
    if (worker->path == NULL) {
        worker->path = malloc(PATH_CAPACITY * sizeof *worker->path);
        if (worker->path == NULL)
            return px_fail_no_memory(reterr);
        worker->path_capacity = PATH_CAPACITY;
    }
    return px_graph__size_beam(worker, INSERT_BEAM, reterr);
}

static void link_slot(struct px_graph *graph, struct px_graph_worker *worker, uint32_t slot)
{
    px_graph__candidate candidates[MOST_CANDIDATES];
    struct px_graph__walk walk = {.k = 1, .beam_limit = INSERT_BEAM, .reach = INFINITY};
    worker->keeps_path = true;
    px_graph__walk(graph, worker, &walk);
    uint32_t count = merge_candidates(worker, candidates);
    count = px_graph__prune(graph, worker, slot, candidates, count);
    px_graph__store_list(&worker->view, slot, candidates, count);
    for (uint32_t i = 0; i < count; i++)
        add_to_list(graph, worker, px_graph__slot_of(candidates[i]), slot);
    consider_entry(graph, slot);
}

/* ---- inserting ------------------------------------------------------------------------------ */

int px_graph_insert(struct px_graph *graph, struct px_graph_worker *worker, const void *vector,
                    int64_t label, uint32_t *ret_slot, struct proximadb_error *reterr)
{
    uint32_t slot;
    int rc = px_graph__set_stored(graph, vector, &worker->query, reterr);
    if (rc == PROXIMADB_OK)
        rc = prepare_path(worker, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_graph__take_slot(graph, &slot, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    rc = px_graph__enter(graph, worker, reterr);
    if (rc != PROXIMADB_OK) {
        return px_graph__give_slots(graph, &slot, 1, NULL) == PROXIMADB_OK ? rc
                                                                           : PROXIMADB_NO_MEMORY;
    }
    px_graph__store_list(&worker->view, slot, NULL, 0);
    px_graph__encode(graph, &worker->view, &worker->query, slot);
    ((int64_t *)graph->labels.data)[slot] = label;
    link_slot(graph, worker, slot);
    px_graph__leave(worker);
    *ret_slot = slot;
    return PROXIMADB_OK;
}
