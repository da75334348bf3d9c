#include "axis/graph_steps_internal.h"

#include "os/crew.h"

#include <stdlib.h>

enum { SLOTS_PER_SHARE = 1024 };

/* A repair under way. */
struct repair {
    struct px_graph *graph;
    const struct px_graph_control *control;
    uint32_t slot_count;
    uint8_t *is_leaving; /* owned; a byte per slot: it was dead when the repair began */
    uint32_t *leaving;   /* owned */
    uint32_t leaving_count;
    _Atomic uint32_t next_slot;
    struct px_crew_failure failure;
};

/* ---- one list ------------------------------------------------------------------------------- */

static void add_slot(uint32_t *slots, uint32_t *count, uint32_t slot)
{
    for (uint32_t i = 0; i < *count; i++)
        if (slots[i] == slot)
            return;
    if (*count < PX_GRAPH__MOST_JOINED)
        slots[(*count)++] = slot;
}

/* The neighbours of a slot that stay, and in place of each that leaves its own that stay. */
static uint32_t join_lists(const struct repair *repair, const struct px_graph__view *view,
                           uint32_t slot, uint32_t *ret_slots)
{
    uint32_t own[PX_GRAPH__MOST_DEGREE], beyond[PX_GRAPH__MOST_DEGREE], count = 0;
    uint32_t own_count = px_graph__load_list(view, slot, own);
    for (uint32_t i = 0; i < own_count; i++) {
        if (!repair->is_leaving[own[i]]) {
            add_slot(ret_slots, &count, own[i]);
            continue;
        }
        uint32_t beyond_count = px_graph__load_list(view, own[i], beyond);
        for (uint32_t j = 0; j < beyond_count; j++)
            if (beyond[j] != slot && !repair->is_leaving[beyond[j]])
                add_slot(ret_slots, &count, beyond[j]);
    }
    return count;
}

static void repair_list(struct repair *repair, struct px_graph_worker *worker, uint32_t slot)
{
    uint32_t slots[PX_GRAPH__MOST_JOINED];
    px_graph__candidate chosen[PX_GRAPH__MOST_DEGREE];
    uint32_t count = join_lists(repair, &worker->view, slot, slots);
    count = px_graph__prune_slots(worker, slot, slots, count, repair->graph->degree, chosen);
    px_graph__store_list(&worker->view, slot, chosen, count);
}

static bool leads_to_leaving(const struct repair *repair, const struct px_graph__view *view,
                             uint32_t slot)
{
    uint32_t slots[PX_GRAPH__MOST_DEGREE], count = px_graph__load_list(view, slot, slots);
    for (uint32_t i = 0; i < count; i++)
        if (repair->is_leaving[slots[i]])
            return true;
    return false;
}

/* ---- all lists ------------------------------------------------------------------------------ */

static void repair_share(struct repair *repair, struct px_graph_worker *worker, uint32_t first)
{
    struct px_graph *graph = repair->graph;
    uint32_t end =
        repair->slot_count - first < SLOTS_PER_SHARE ? repair->slot_count : first + SLOTS_PER_SHARE;
    for (uint32_t slot = first; slot < end; slot++) {
        if (repair->is_leaving[slot] || px_graph__scale_bits(&worker->view, slot) == 0 ||
            !leads_to_leaving(repair, &worker->view, slot))
            continue;
        pthread_mutex_lock(px_graph__list_lock(graph, slot));
        repair_list(repair, worker, slot);
        pthread_mutex_unlock(px_graph__list_lock(graph, slot));
    }
}

static void run(void *context, unsigned member)
{
    (void)member;
    struct repair *repair = context;
    const struct px_graph_control *control = repair->control;
    struct px_graph_worker *worker = NULL;
    struct proximadb_error error = {0};
    int rc = px_graph_worker_new(repair->graph, &worker, &error);
    while (rc == PROXIMADB_OK && !px_crew_has_failed(&repair->failure)) {
        uint32_t first = atomic_fetch_add(&repair->next_slot, SLOTS_PER_SHARE);
        if (first >= repair->slot_count)
            break;
        if (control != NULL && control->should_stop != NULL &&
            control->should_stop(control->context))
            rc = px_fail(&error, PROXIMADB_CANCELLED, "the repair was stopped");
        else
            rc = px_graph__enter(repair->graph, worker, &error);
        if (rc == PROXIMADB_OK) {
            repair_share(repair, worker, first);
            px_graph__leave(worker);
        }
    }
    if (rc != PROXIMADB_OK)
        px_crew_failure_note(&repair->failure, &error);
    px_graph_worker_free(worker);
}

/* ---- the whole ------------------------------------------------------------------------------ */

static int find_leaving(struct repair *repair, struct proximadb_error *reterr)
{
    struct px_graph *graph = repair->graph;
    struct px_graph__view view = px_graph__view_of(graph);
    repair->slot_count = atomic_load(&graph->slot_count);
    repair->is_leaving = calloc((size_t)repair->slot_count + 1, 1);
    repair->leaving = malloc(((size_t)repair->slot_count + 1) * sizeof *repair->leaving);
    if (repair->is_leaving == NULL || repair->leaving == NULL)
        return px_fail_no_memory(reterr);
    for (uint32_t slot = 0; slot < repair->slot_count; slot++)
        if ((px_graph__scale_bits(&view, slot) & PX_GRAPH__DEAD_BIT) != 0) {
            repair->is_leaving[slot] = 1;
            repair->leaving[repair->leaving_count++] = slot;
        }
    return PROXIMADB_OK;
}

/* Puts neighbours in the place of entry points that leave, or the last one. */
static void repair_entries(struct repair *repair)
{
    struct px_graph *graph = repair->graph;
    struct px_graph__view view = px_graph__view_of(graph);
    pthread_mutex_lock(&graph->entry_lock);
    uint32_t count = atomic_load(&graph->entry_count);
    for (uint32_t i = 0; i < count;) {
        uint32_t slot = atomic_load(&graph->entries[i]), other = PX_GRAPH__NONE;
        if (!repair->is_leaving[slot]) {
            i++;
            continue;
        }
        uint32_t near[PX_GRAPH__MOST_DEGREE], near_count = px_graph__load_list(&view, slot, near);
        for (uint32_t j = 0; j < near_count && other == PX_GRAPH__NONE; j++)
            if (!repair->is_leaving[near[j]])
                other = near[j];
        if (other == PX_GRAPH__NONE)
            other = atomic_load(&graph->entries[--count]);
        atomic_store_explicit(&graph->entries[i], other, memory_order_release);
        atomic_store_explicit(&graph->entry_count, count, memory_order_release);
    }
    pthread_mutex_unlock(&graph->entry_lock);
}

/* Some live slot is an entry point, if there is one. */
static void ensure_entry(struct repair *repair)
{
    struct px_graph *graph = repair->graph;
    struct px_graph__view view = px_graph__view_of(graph);
    pthread_mutex_lock(&graph->entry_lock);
    for (uint32_t slot = 0; slot < repair->slot_count && atomic_load(&graph->entry_count) == 0;
         slot++)
        if (!repair->is_leaving[slot] && px_graph__scale_bits(&view, slot) != 0) {
            atomic_store_explicit(&graph->entries[0], slot, memory_order_release);
            atomic_store_explicit(&graph->entry_count, 1, memory_order_release);
        }
    pthread_mutex_unlock(&graph->entry_lock);
}

static int free_leaving(struct repair *repair, struct proximadb_error *reterr)
{
    struct px_graph *graph = repair->graph;
    struct px_graph__view view = px_graph__view_of(graph);
    px_graph__wait_for_all(graph); /* nobody holds one of them any more */
    for (uint32_t i = 0; i < repair->leaving_count; i++) {
        px_graph__store_list(&view, repair->leaving[i], NULL, 0);
        atomic_store(&px_graph__factors(&view, repair->leaving[i])->scale, 0);
    }
    atomic_fetch_sub(&graph->dead_count, repair->leaving_count);
    return px_graph__give_slots(graph, repair->leaving, repair->leaving_count, reterr);
}

int px_graph_repair(struct px_graph *graph, struct px_crew *crew,
                    const struct px_graph_control *control, struct proximadb_error *reterr)
{
    struct repair repair = {.graph = graph, .control = control, .failure = PX_CREW_NO_FAILURE};
    int rc = find_leaving(&repair, reterr);
    if (rc == PROXIMADB_OK && repair.leaving_count > 0) {
        repair_entries(&repair);
        px_graph__find_longest(graph, repair.is_leaving);
        px_crew_run(crew, px_crew_size(crew) + 1, run, &repair);
        rc = px_crew_failure_end(&repair.failure, reterr);
        if (rc == PROXIMADB_OK) {
            ensure_entry(&repair);
            rc = free_leaving(&repair, reterr);
        }
    }
    free(repair.is_leaving);
    free(repair.leaving);
    return rc;
}
