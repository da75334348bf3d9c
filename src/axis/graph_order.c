#include "axis/graph_build_internal.h"

#include <math.h>
#include <stdlib.h>

/*
 * Near vectors get near slots, so that a walk, which stays among near vectors once it is there,
 * finds what it looks at in few pages and lines of memory, and inserts find it in the cache.
 *
 * One slot in SLOTS_PER_BONE is linked first, in random order, as a graph of its own. Each other
 * slot's home is the nearest of these that a short walk finds. The order is that of a depth-first
 * walk through the small graph, each vertex followed by those whose home it is.
 */
enum { SLOTS_PER_BONE = 32, LEAST_ORDERED = 20000, HOME_BEAM = 10 };

/* ---- the skeleton --------------------------------------------------------------------------- */

/* Every so manieth slot, shuffled: rows may come in any order. */
static int choose_skeleton(struct px_graph__build *build, struct proximadb_error *reterr)
{
    uint32_t slot_count = atomic_load(&build->graph->slot_count), count = 0;
    build->skeleton = malloc((slot_count / SLOTS_PER_BONE + 1) * sizeof *build->skeleton);
    build->homes = malloc((size_t)slot_count * sizeof *build->homes);
    if (build->skeleton == NULL || build->homes == NULL)
        return px_fail_no_memory(reterr);
    for (uint32_t slot = 0; slot < slot_count; slot++)
        build->homes[slot] = SLOTS_PER_BONE / 2; /* which is of the skeleton */
    for (uint32_t slot = SLOTS_PER_BONE / 2; slot < slot_count; slot += SLOTS_PER_BONE) {
        uint32_t at = (uint32_t)((slot * UINT64_C(0x9e3779b97f4a7c15) >> 32) * (count + 1) >> 32);
        build->skeleton[count] = build->skeleton[at];
        build->skeleton[at] = slot;
        build->homes[slot] = PX_GRAPH__NONE;
        count++;
    }
    build->skeleton_count = count;
    return PROXIMADB_OK;
}

static void link_bone(struct px_graph__build *build, struct px_graph_worker *worker,
                      uint32_t number)
{
    uint32_t slot = build->skeleton[number];
    px_graph__set_slot(build->graph, &worker->view, slot, &worker->query);
    px_graph__link(build->graph, worker, slot);
}

static void find_home(struct px_graph__build *build, struct px_graph_worker *worker, uint32_t slot)
{
    struct px_graph__walk walk = {.k = 1, .beam_limit = HOME_BEAM, .reach = (float)INFINITY};
    if (build->homes[slot] == PX_GRAPH__NONE)
        return;
    px_graph__set_slot(build->graph, &worker->view, slot, &worker->query);
    worker->keeps_path = false;
    px_graph__walk(build->graph, worker, &walk);
    if (worker->beam_count > 0)
        build->homes[slot] = px_graph__slot_of(worker->beam[0]);
}

/* ---- the order ------------------------------------------------------------------------------ */

/* What the order is made from. All are owned. */
struct order {
    uint32_t *bones;   /* the skeleton's slots, depth first */
    uint32_t *counts;  /* per slot: how many have it as home; then where the next of them goes */
    uint8_t *was_seen; /* per slot */
    uint32_t *stack;
    uint32_t *places; /* the new slot of each */
    uint32_t bone_count;
};

static void push_neighbours(struct order *order, const struct px_graph__view *view, uint32_t slot,
                            uint32_t *depth)
{
    uint32_t slots[PX_GRAPH__MOST_DEGREE], count = px_graph__load_list(view, slot, slots);
    uint32_t first = *depth;
    for (uint32_t i = 0; i < count; i++)
        if (order->was_seen[slots[i]] == 0)
            order->stack[(*depth)++] = slots[i];
    /* The nearest, which stand first, are to be taken first. */
    for (uint32_t i = first, j = *depth; i + 1 < j; i++) {
        uint32_t other = order->stack[--j];
        order->stack[j] = order->stack[i];
        order->stack[i] = other;
    }
}

static void walk_skeleton(const struct px_graph__build *build, struct order *order)
{
    struct px_graph__view view = px_graph__view_of(build->graph);
    for (uint32_t i = 0; i < build->skeleton_count; i++) {
        uint32_t depth = 1;
        order->stack[0] = build->skeleton[i];
        while (depth > 0) {
            uint32_t slot = order->stack[--depth];
            if (order->was_seen[slot] != 0)
                continue;
            order->was_seen[slot] = 1;
            order->bones[order->bone_count++] = slot;
            push_neighbours(order, &view, slot, &depth);
        }
    }
}

static void assign_places(const struct px_graph__build *build, struct order *order)
{
    uint32_t slot_count = atomic_load(&build->graph->slot_count), next = 0;
    for (uint32_t slot = 0; slot < slot_count; slot++)
        if (build->homes[slot] != PX_GRAPH__NONE)
            order->counts[build->homes[slot]]++;
    for (uint32_t i = 0; i < order->bone_count; i++) {
        uint32_t bone = order->bones[i], count = order->counts[bone];
        order->places[bone] = next++;
        order->counts[bone] = next;
        next += count;
    }
    for (uint32_t slot = 0; slot < slot_count; slot++)
        if (build->homes[slot] != PX_GRAPH__NONE)
            order->places[slot] = order->counts[build->homes[slot]]++;
}

/* ---- moving --------------------------------------------------------------------------------- */

/* Moves records of equal size to their places, along the cycles that these form. `was_seen` is set
 * to `mark` for what was moved. */
static void move_records(void *records, size_t bytes, const struct order *order,
                         uint32_t slot_count, uint8_t mark, uint8_t *spare)
{
    uint8_t *all = records;
    for (uint32_t first = 0; first < slot_count; first++) {
        if (order->was_seen[first] == mark)
            continue;
        memcpy(spare, all + first * bytes, bytes);
        uint32_t slot = first;
        do {
            uint8_t *to = all + order->places[slot] * bytes;
            memcpy(spare + bytes, to, bytes);
            memcpy(to, spare, bytes);
            memcpy(spare, spare + bytes, bytes);
            order->was_seen[slot] = mark;
            slot = order->places[slot];
        } while (slot != first);
    }
}

/* Lists and entry points name places from now on. */
static void rename_slots(struct px_graph *graph, const struct order *order)
{
    struct px_graph__view view = px_graph__view_of(graph);
    for (uint32_t i = 0; i < order->bone_count; i++) {
        _Atomic uint32_t *list = px_graph__list(&view, order->bones[i]);
        for (size_t j = 0; j < view.degree; j++) {
            uint32_t next = atomic_load(&list[j]);
            if (next == PX_GRAPH__NONE)
                break;
            atomic_store(&list[j], order->places[next]);
        }
    }
    for (uint32_t i = 0; i < atomic_load(&graph->entry_count); i++)
        atomic_store(&graph->entries[i], order->places[atomic_load(&graph->entries[i])]);
    for (uint32_t i = 0; i < atomic_load(&graph->longest_count); i++)
        atomic_store(&graph->longest[i], order->places[atomic_load(&graph->longest[i])]);
}

static void move_all(struct px_graph__build *build, const struct order *order, uint8_t *spare)
{
    struct px_graph *graph = build->graph;
    uint32_t count = atomic_load(&graph->slot_count);
    rename_slots(graph, order);
    move_records(graph->lines.data, graph->line_bytes, order, count, 2, spare);
    move_records(graph->lists.data, graph->degree * sizeof(uint32_t), order, count, 3, spare);
    move_records(graph->magnitudes.data, graph->padded, order, count, 4, spare);
    move_records(graph->labels.data, sizeof(int64_t), order, count, 5, spare);
    if (graph->fine_bytes > 0)
        move_records(graph->fine.data, graph->fine_bytes, order, count, 8, spare);
    move_records(build->rows, sizeof *build->rows, order, count, 6, spare);
    for (uint32_t slot = 0; slot < count; slot++) /* only whether it is of the skeleton */
        build->homes[slot] = build->homes[slot] == PX_GRAPH__NONE ? PX_GRAPH__NONE : 0;
    move_records(build->homes, sizeof *build->homes, order, count, 7, spare);
}

static int order_slots(struct px_graph__build *build, struct proximadb_error *reterr)
{
    size_t slot_count = atomic_load(&build->graph->slot_count), bones = build->skeleton_count;
    size_t record = build->graph->padded + build->graph->line_bytes + build->graph->fine_bytes;
    struct order order = {.bones = malloc(bones * sizeof(uint32_t)),
                          .counts = calloc(slot_count, sizeof(uint32_t)),
                          .was_seen = calloc(slot_count, 1),
                          .stack = malloc((bones * build->graph->degree + 1) * sizeof(uint32_t)),
                          .places = malloc(slot_count * sizeof(uint32_t))};
    uint8_t *spare = malloc(2 * (record + PX_GRAPH__MOST_DEGREE * sizeof(uint32_t)));
    int rc = PROXIMADB_OK;
    if (order.bones == NULL || order.counts == NULL || order.was_seen == NULL ||
        order.stack == NULL || order.places == NULL || spare == NULL) {
        rc = px_fail_no_memory(reterr);
    } else {
        walk_skeleton(build, &order);
        assign_places(build, &order);
        move_all(build, &order, spare);
    }
    free(order.bones);
    free(order.counts);
    free(order.was_seen);
    free(order.stack);
    free(order.places);
    free(spare);
    return rc;
}

int px_graph__order(struct px_graph__build *build, struct proximadb_error *reterr)
{
    uint32_t slot_count = atomic_load(&build->graph->slot_count);
    if (slot_count < LEAST_ORDERED)
        return PROXIMADB_OK;
    int rc = choose_skeleton(build, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_graph__run(build, link_bone, build->skeleton_count, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_graph__run(build, find_home, slot_count, reterr);
    return rc == PROXIMADB_OK ? order_slots(build, reterr) : rc;
}
