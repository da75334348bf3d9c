#include "axis/graph_steps_internal.h"

#include <math.h>

enum {
    SLOTS_PER_ENTRY = 4000, /* one slot in so many is an entry point, while there is room */
    FIRST_ENTRIES = 32,
};

/* ---- a sample ------------------------------------------------------------------------------- */

static uint32_t wanted_entries(uint32_t slot_count)
{
    uint32_t wanted = FIRST_ENTRIES + slot_count / SLOTS_PER_ENTRY;
    return wanted < PX_GRAPH__MOST_ENTRIES ? wanted : PX_GRAPH__MOST_ENTRIES;
}

/* Makes the slot an entry point if there are too few; once the table is full, now and then in
 * another's place, so that late vectors are as likely to be in it as early ones. */
static void consider_sample(struct px_graph *graph, uint32_t slot)
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

/* ---- the longest ---------------------------------------------------------------------------- */

/*
 * Under dot, answers are among the longest vectors, and these are far from all others: a walk that
 * begins at a sample may never come near them, nor may an insert, which then links them to nothing
 * that is like them. So the longest are entry points, too. The longer a vector is, the smaller is
 * its added component.
 */
static float added_of(const struct px_graph__view *view, uint32_t slot)
{
    return px_graph__factors(view, slot)->added;
}

/* The place of the shortest of them. entry_lock is held. */
static uint32_t shortest_of(const struct px_graph *graph, const struct px_graph__view *view)
{
    uint32_t found = 0;
    float most = -INFINITY;
    for (uint32_t i = 0; i < PX_GRAPH__MOST_LONGEST; i++) {
        float added = added_of(view, atomic_load(&graph->longest[i]));
        if (added > most) {
            most = added;
            found = i;
        }
    }
    return found;
}

/* entry_lock is held. */
static void add_longest(struct px_graph *graph, const struct px_graph__view *view, uint32_t slot)
{
    uint32_t count = atomic_load(&graph->longest_count);
    if (count < PX_GRAPH__MOST_LONGEST) {
        atomic_store_explicit(&graph->longest[count], slot, memory_order_release);
        atomic_store_explicit(&graph->longest_count, count + 1, memory_order_release);
    } else {
        uint32_t at = shortest_of(graph, view);
        if (added_of(view, atomic_load(&graph->longest[at])) <= added_of(view, slot))
            return;
        atomic_store_explicit(&graph->longest[at], slot, memory_order_release);
    }
    if (atomic_load(&graph->longest_count) == PX_GRAPH__MOST_LONGEST)
        atomic_store(&graph->longest_limit,
                     added_of(view, atomic_load(&graph->longest[shortest_of(graph, view)])));
}

static void consider_longest(struct px_graph *graph, const struct px_graph__view *view,
                             uint32_t slot)
{
    if (graph->config.metric != PROXIMADB_DOT ||
        (atomic_load(&graph->longest_count) == PX_GRAPH__MOST_LONGEST &&
         added_of(view, slot) >= atomic_load(&graph->longest_limit)))
        return;
    pthread_mutex_lock(&graph->entry_lock);
    add_longest(graph, view, slot);
    pthread_mutex_unlock(&graph->entry_lock);
}

void px_graph__find_longest(struct px_graph *graph, const uint8_t *is_left_out)
{
    struct px_graph__view view = px_graph__view_of(graph);
    atomic_store(&graph->longest_count, 0);
    for (uint32_t slot = 0; slot < atomic_load(&graph->slot_count); slot++)
        if (px_graph__scale_bits(&view, slot) != 0 &&
            (is_left_out == NULL || is_left_out[slot] == 0))
            consider_longest(graph, &view, slot);
}

/* ---- both ----------------------------------------------------------------------------------- */

void px_graph__consider_entry(struct px_graph *graph, const struct px_graph__view *view,
                              uint32_t slot)
{
    consider_sample(graph, slot);
    consider_longest(graph, view, slot);
}

uint32_t px_graph__load_entries(const struct px_graph *graph, uint32_t *ret_slots)
{
    uint32_t count = atomic_load_explicit(&graph->entry_count, memory_order_acquire);
    uint32_t longest_count = atomic_load_explicit(&graph->longest_count, memory_order_acquire);
    for (uint32_t i = 0; i < count; i++)
        ret_slots[i] = atomic_load_explicit(&graph->entries[i], memory_order_acquire);
    for (uint32_t i = 0; i < longest_count; i++)
        ret_slots[count + i] = atomic_load_explicit(&graph->longest[i], memory_order_acquire);
    return count + longest_count;
}
