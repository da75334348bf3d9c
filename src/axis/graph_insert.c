#include "axis/graph_steps_internal.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

enum {
    INSERT_BEAM = 180,
    SLACK_SHARE = 8, /* of a list that is pruned, one in so many stays free */
    PATH_CAPACITY = 256,
    MOST_CANDIDATES = 256 + PATH_CAPACITY,
    SLOTS_PER_ENTRY = 4000, /* one slot in so many is an entry point, while there is room */
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

uint32_t px_graph__load_list(const struct px_graph__view *view, uint32_t slot, uint32_t *ret_slots)
{
    const _Atomic uint32_t *list = px_graph__list(view, slot);
    uint32_t count = 0;
    while (count < view->degree && (ret_slots[count] = atomic_load_explicit(
                                        &list[count], memory_order_acquire)) != PX_GRAPH__NONE)
        count++;
    return count;
}

/* The list is full: chooses anew among its slots and one more. Its lock is held. */
static void prune_list(struct px_graph *graph, struct px_graph_worker *worker, uint32_t slot,
                       const uint32_t *slots, uint32_t count)
{
    px_graph__candidate chosen[PX_GRAPH__MOST_DEGREE];
    count = px_graph__prune_slots(worker, slot, slots, count,
                                  graph->degree - graph->degree / SLACK_SHARE, chosen);
    px_graph__store_list(&worker->view, slot, chosen, count);
}

/* Makes `added` a neighbour of `slot`. */
static void add_to_list(struct px_graph *graph, struct px_graph_worker *worker, uint32_t slot,
                        uint32_t added)
{
    uint32_t slots[PX_GRAPH__MOST_DEGREE + 1];
    pthread_mutex_t *lock = px_graph__list_lock(graph, slot);
    pthread_mutex_lock(lock);
    uint32_t count = px_graph__load_list(&worker->view, slot, slots);
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

/* ---- candidates ----------------------------------------------------------------------------- */

/* Beam and path together, rising, without the dead. What of the path is no longer in the beam is
 * farther off than all of it. */
static uint32_t merge_candidates(struct px_graph_worker *worker, px_graph__candidate *ret)
{
    uint32_t count = 0, first;
    px_graph__candidate last = 0;
    for (uint32_t i = 0; i < worker->beam_count; i++) {
        last = worker->beam[i] | PX_GRAPH__EXPANDED | PX_GRAPH__DEAD;
        if ((worker->beam[i] & PX_GRAPH__DEAD) == 0)
            ret[count++] = worker->beam[i] & ~(uint64_t)PX_GRAPH__EXPANDED;
    }
    first = count;
    for (uint32_t i = 0; i < worker->path_count; i++)
        if (worker->path[i] > last && (worker->path[i] & PX_GRAPH__DEAD) == 0)
            ret[count++] = worker->path[i] & ~(uint64_t)PX_GRAPH__EXPANDED;
    px_graph__sort(ret + first, count - first);
    return count;
}

int px_graph__prepare_path(struct px_graph_worker *worker, struct proximadb_error *reterr)
{
    if (worker->path == NULL) {
        worker->path = malloc(PATH_CAPACITY * sizeof *worker->path);
        if (worker->path == NULL)
            return px_fail_no_memory(reterr);
        worker->path_capacity = PATH_CAPACITY;
    }
    return px_graph__size_beam(worker, INSERT_BEAM, reterr);
}

/* ---- twins ---------------------------------------------------------------------------------- */

/* Whether two slots have equal codes. */
static bool are_twins(const struct px_graph *graph, const struct px_graph__view *view, uint32_t a,
                      uint32_t b)
{
    const struct px_sign_codes *codes = &view->codes;
    const struct px_graph__factors *left = px_graph__factors(view, a);
    const struct px_graph__factors *right = px_graph__factors(view, b);
    return left->norm == right->norm && left->added == right->added &&
           memcmp(codes->magnitudes + a * codes->magnitude_stride,
                  codes->magnitudes + b * codes->magnitude_stride, graph->padded) == 0 &&
           memcmp(codes->signs + a * codes->sign_stride, codes->signs + b * codes->sign_stride,
                  (size_t)graph->plane_count * (graph->padded / 8)) == 0;
}

/* A live one among the nearest that the walk found, or none. */
static uint32_t find_twin(const struct px_graph *graph, const struct px_graph_worker *worker,
                          uint32_t slot)
{
    enum { NEAREST = 4 };
    for (uint32_t i = 0, seen = 0; i < worker->beam_count && seen < NEAREST; i++) {
        uint32_t other = px_graph__slot_of(worker->beam[i]);
        if ((worker->beam[i] & PX_GRAPH__DEAD) != 0 || other == slot)
            continue;
        if (are_twins(graph, &worker->view, slot, other))
            return other;
        seen++;
    }
    return PX_GRAPH__NONE;
}

/*
 * Links a slot that has a twin. Among thousands of equal vectors there is nothing to choose by, and
 * each would fill its list with others of them. So they form a chain: the slot takes over the
 * twin's list, and the twin gets the slot in place of the next twin, or of its last neighbour where
 * its list is full. What it gave up it still reaches through the slot.
 */
static void link_twin(struct px_graph *graph, struct px_graph_worker *worker, uint32_t slot,
                      uint32_t twin)
{
    const struct px_graph__view *view = &worker->view;
    uint32_t slots[PX_GRAPH__MOST_DEGREE + 1];
    pthread_mutex_t *lock = px_graph__list_lock(graph, twin);
    pthread_mutex_lock(lock);
    uint32_t count = px_graph__load_list(view, twin, slots), at = 0;
    while (at < count && !are_twins(graph, view, slots[at], twin))
        at++;
    if (at == graph->degree)
        at--;
    for (uint32_t i = 0; i < count; i++)
        atomic_store_explicit(&px_graph__list(view, slot)[i], slots[i], memory_order_release);
    atomic_store_explicit(&px_graph__list(view, twin)[at], slot, memory_order_release);
    pthread_mutex_unlock(lock);
}

/* ---- linking -------------------------------------------------------------------------------- */

void px_graph__link(struct px_graph *graph, struct px_graph_worker *worker, uint32_t slot)
{
    px_graph__candidate candidates[MOST_CANDIDATES];
    struct px_graph__walk walk = {.k = 1, .beam_limit = INSERT_BEAM, .reach = INFINITY};
    worker->keeps_path = true;
    px_graph__walk(graph, worker, &walk);
    uint32_t twin = find_twin(graph, worker, slot);
    if (twin != PX_GRAPH__NONE) {
        link_twin(graph, worker, slot, twin);
    } else {
        uint32_t count = merge_candidates(worker, candidates);
        count = px_graph__prune(worker, slot, candidates, count, graph->degree);
        px_graph__store_list(&worker->view, slot, candidates, count);
        for (uint32_t i = 0; i < count; i++)
            add_to_list(graph, worker, px_graph__slot_of(candidates[i]), slot);
    }
    consider_entry(graph, slot);
}

/* ---- inserting ------------------------------------------------------------------------------ */

int px_graph__place(struct px_graph *graph, struct px_graph_worker *worker, const void *vector,
                    int64_t label, uint32_t *ret_slot, struct proximadb_error *reterr)
{
    int rc = px_graph__set_stored(graph, vector, &worker->query, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_graph__take_slot(graph, ret_slot, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    rc = px_graph__enter(graph, worker, reterr);
    if (rc != PROXIMADB_OK) {
        int given = px_graph__give_slots(graph, ret_slot, 1, reterr);
        return given != PROXIMADB_OK ? given : rc;
    }
    px_graph__store_list(&worker->view, *ret_slot, NULL, 0);
    px_graph__encode(graph, &worker->view, &worker->query, *ret_slot);
    ((int64_t *)graph->labels.data)[*ret_slot] = label;
    return PROXIMADB_OK;
}

int px_graph_insert(struct px_graph *graph, struct px_graph_worker *worker, const void *vector,
                    int64_t label, uint32_t *ret_slot, struct proximadb_error *reterr)
{
    int rc = px_graph__prepare_path(worker, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_graph__place(graph, worker, vector, label, ret_slot, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    px_graph__link(graph, worker, *ret_slot);
    px_graph__leave(worker);
    return PROXIMADB_OK;
}
