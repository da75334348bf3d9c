#include "axis/graph_steps_internal.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

enum {
    INSERT_BEAM = 180,
    SLACK_SHARE = 8, /* of a list that is pruned, one in so many stays free */
    PATH_CAPACITY = 256,
    ANSWER_BEAM = 64, /* under dot */
    MOST_CANDIDATES = 256 + PATH_CAPACITY + ANSWER_BEAM,
};

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

/* The list is full: chooses anew among its slots and one more; returns whether that was chosen. Its
 * lock is held. */
static bool prune_list(struct px_graph *graph, struct px_graph_worker *worker, uint32_t slot,
                       const uint32_t *slots, uint32_t count, uint32_t added)
{
    px_graph__candidate chosen[PX_GRAPH__MOST_DEGREE];
    count = px_graph__prune_slots(worker, slot, slots, count,
                                  graph->degree - graph->degree / SLACK_SHARE, chosen);
    px_graph__store_list(&worker->view, slot, chosen, count);
    bool is_chosen = false;
    for (uint32_t i = 0; i < count; i++)
        is_chosen |= px_graph__slot_of(chosen[i]) == added;
    return is_chosen;
}

/* Makes `added` a neighbour of `slot`. False: others stand for it, and the list is no longer full.
 */
static bool add_to_list(struct px_graph *graph, struct px_graph_worker *worker, uint32_t slot,
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
        is_there = prune_list(graph, worker, slot, slots, count, added);
        pthread_mutex_unlock(lock);
        return is_there;
    }
    pthread_mutex_unlock(lock);
    return true;
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

/* ---- answers -------------------------------------------------------------------------------- */

/*
 * Under dot, what is near to a vector are others of its length, and what a query finds are the
 * longest in its direction. So lists of the former alone do not lead from one answer to the next.
 * Each vector therefore has among its candidates also what it would find if it were asked about.
 * The worker's query is the slot, before and after it. Returns how many slots were found.
 */
static uint32_t find_answers(struct px_graph *graph, struct px_graph_worker *worker, uint32_t slot,
                             uint32_t *ret_slots)
{
    struct px_graph__walk walk = {.k = 1, .beam_limit = ANSWER_BEAM, .reach = INFINITY};
    uint32_t count = 0;
    if (graph->config.metric != PROXIMADB_DOT || !px_graph__ask(graph, &worker->query))
        return 0;
    worker->keeps_path = false;
    px_graph__walk(graph, worker, &walk);
    for (uint32_t i = 0; i < worker->beam_count; i++)
        if ((worker->beam[i] & PX_GRAPH__DEAD) == 0)
            ret_slots[count++] = px_graph__slot_of(worker->beam[i]);
    px_graph__set_slot(graph, &worker->view, slot, &worker->query);
    return count;
}

/* Adds them to the candidates, which stay rising; each is there once. */
static uint32_t merge_answers(struct px_graph *graph, const struct px_graph_worker *worker,
                              const uint32_t *slots, uint32_t slot_count,
                              px_graph__candidate *candidates, uint32_t count)
{
    float distances[ANSWER_BEAM];
    uint32_t kept = 0;
    if (slot_count == 0)
        return count;
    px_graph__measure(graph, &worker->view, &worker->query, slots, slot_count, distances);
    for (uint32_t i = 0; i < slot_count; i++)
        candidates[count++] = px_graph__candidate_of(distances[i], slots[i], 0);
    px_graph__sort(candidates, count);
    for (uint32_t i = 0; i < count; i++)
        if (kept == 0 || candidates[i] != candidates[kept - 1])
            candidates[kept++] = candidates[i];
    return kept;
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
    uint32_t answers[ANSWER_BEAM], answer_count = find_answers(graph, worker, slot, answers);
    worker->keeps_path = true;
    px_graph__walk(graph, worker, &walk);
    uint32_t twin = find_twin(graph, worker, slot);
    if (twin != PX_GRAPH__NONE) {
        link_twin(graph, worker, slot, twin);
    } else {
        uint32_t count = merge_candidates(worker, candidates);
        count = merge_answers(graph, worker, answers, answer_count, candidates, count);
        count = px_graph__prune(worker, slot, candidates, count, graph->degree);
        px_graph__store_list(&worker->view, slot, candidates, count);
        bool is_linked = false;
        for (uint32_t i = 0; i < count; i++)
            is_linked |= add_to_list(graph, worker, px_graph__slot_of(candidates[i]), slot);
        if (!is_linked && count > 0) /* nothing else would lead to it; there is room by now */
            (void)add_to_list(graph, worker, px_graph__slot_of(candidates[0]), slot);
    }
    px_graph__consider_entry(graph, &worker->view, slot);
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
