#include "service/shard_internal.h"

#include <assert.h>

enum {
    /* Rows with a slot between two ranges that are compared with all the same: less work than
     * another range. */
    MOST_GAP_ROWS = 16,
    FIRST_RANGES = 16,
    LOCATED_SLOTS = 2048, /* under one hold of the lock */
};

int px_fail_search_memory(struct proximadb_error *reterr)
{
    return px_fail(reterr, PROXIMADB_TOO_LARGE,
                   "the search needs more memory than a request may have");
}

bool px_shard_begin_walk(struct px_shard *shard, struct px_shard_walk *ret_walk)
{
    *ret_walk = (struct px_shard_walk){0};
    pthread_mutex_lock(&shard->lock);
    if (shard->indexing.index != NULL) {
        ret_walk->index = px_graph_index_ref(shard->indexing.index);
        px_shard__take_snapshot(shard, &ret_walk->before);
    }
    pthread_mutex_unlock(&shard->lock);
    return ret_walk->index != NULL;
}

void px_shard_release_walk(struct px_shard_walk *walk)
{
    px_graph_index_unref(walk->index);
    px_snapshot_release(&walk->before);
    *walk = (struct px_shard_walk){0};
}

/* ---- the tail ------------------------------------------------------------------------------ */

static bool add_range(struct px_shard_walk *walk, struct px_arena *arena, struct px_row_range range)
{
    struct px_row_range *last = walk->tail_count > 0 ? &walk->tail[walk->tail_count - 1] : NULL;
    if (last != NULL && last->source_index == range.source_index &&
        range.begin - last->end <= MOST_GAP_ROWS) {
        last->end = range.end;
        return true;
    }
    if (walk->tail_count == walk->tail_capacity) {
        uint32_t capacity = walk->tail_capacity == 0 ? FIRST_RANGES : 2 * walk->tail_capacity;
        struct px_row_range *grown = px_arena_alloc(arena, capacity * sizeof *grown);
        if (grown == NULL)
            return false;
        if (walk->tail_count > 0)
            memcpy(grown, walk->tail, walk->tail_count * sizeof *grown);
        walk->tail = grown;
        walk->tail_capacity = capacity;
    }
    walk->tail[walk->tail_count++] = range;
    return true;
}

/* Rows that died without a slot are left out: nobody sees them at the end. */
static bool list_source(struct px_shard_walk *walk, struct px_arena *arena, uint32_t source_index)
{
    const struct px_source *source = walk->before.view->sources[source_index];
    unsigned side = walk->index->side;
    uint32_t row_count = px_snapshot_row_count(&walk->before, source_index);
    uint32_t begin = px_slot_map_settled(&source->slots[side]);
    begin = px_source_next_without_slot(source, side, begin, row_count);
    walk->settled[source_index] = begin;
    while (begin < row_count) {
        uint32_t end = begin + 1, next;
        while ((next = px_source_next_without_slot(source, side, end, row_count)) == end &&
               end < row_count)
            end++;
        if (!add_range(walk, arena, (struct px_row_range){source_index, begin, end}))
            return false;
        begin = next;
    }
    return true;
}

int px_shard_list_tail(struct px_shard_walk *walk, struct px_arena *arena,
                       struct proximadb_error *reterr)
{
    uint32_t source_count = walk->before.view->source_count;
    walk->settled = px_arena_alloc(arena, source_count * sizeof *walk->settled);
    if (walk->settled == NULL)
        return px_fail_search_memory(reterr);
    for (uint32_t i = 0; i < source_count; i++)
        if (!list_source(walk, arena, i))
            return px_fail_search_memory(reterr);
    /* Room for what px_shard_end_walk() adds: one more for each memtable that may come. */
    uint32_t needed = walk->tail_count + PX_MOST_FROZEN + 2;
    struct px_row_range *tail = px_arena_alloc(arena, needed * sizeof *tail);
    if (tail == NULL)
        return px_fail_search_memory(reterr);
    if (walk->tail_count > 0)
        memcpy(tail, walk->tail, walk->tail_count * sizeof *tail);
    walk->tail = tail;
    walk->tail_capacity = needed;
    return PROXIMADB_OK;
}

/* ---- behind the walk ----------------------------------------------------------------------- */

/* Puts the tail in terms of the present view, in which sources that stay keep their order. Under
 * the lock. */
static bool translate_tail(struct px_shard_walk *walk, const struct px_view *view)
{
    const struct px_view *before = walk->before.view;
    for (uint32_t i = 0; before != view && i < walk->tail_count; i++) {
        const struct px_source *source = before->sources[walk->tail[i].source_index];
        uint32_t index = source->view_index;
        if (index >= view->source_count || view->sources[index] != source)
            return false;
        walk->tail[i].source_index = index;
    }
    return true;
}

/* Adds what was written since the beginning: it stands behind the rows of then, in the memtable
 * that was active, and in those that came after it. */
static bool add_written(struct px_shard_walk *walk, const struct px_snapshot *snapshot)
{
    const struct px_view *before = walk->before.view, *view = snapshot->view;
    const struct px_source *active = before->sources[before->source_count - 1];
    uint32_t begin = walk->before.active_row_count;
    uint32_t index = active->view_index;
    if (index >= view->source_count || view->sources[index] != active)
        return false;
    for (; index < view->source_count; index++, begin = 0) {
        uint32_t end = px_snapshot_row_count(snapshot, index);
        if (begin == end)
            continue;
        if (walk->tail_count == walk->tail_capacity)
            return false;
        walk->tail[walk->tail_count++] = (struct px_row_range){index, begin, end};
    }
    return true;
}

/* What was looked through for the tail need not be looked through again: as long as the index is
 * the shard's, no row loses its slot. Under the lock. */
static void settle(const struct px_shard_walk *walk)
{
    const struct px_view *view = walk->before.view;
    for (uint32_t i = 0; i < view->source_count; i++) {
        struct px_slot_map *map = &view->sources[i]->slots[walk->index->side];
        if (px_slot_map_settled(map) < walk->settled[i])
            px_slot_map_settle(map, walk->settled[i]);
    }
}

/* Where the rows of slots are to be found. */
struct locating {
    struct px_shard *shard;
    const struct px_shard_walk *walk;
    struct px_snapshot snapshot;
    const uint32_t *slots;
    struct px_row_place *places;
};

/* A slot is where its row is, or where it was before it was moved. Under the lock. */
static struct px_row_place locate(const struct locating *locating, uint32_t slot)
{
    const struct px_view *view = locating->snapshot.view;
    struct px_row_place nowhere = {.source_index = view->source_count};
    struct px_location location = px_graph_index_locate(locating->walk->index, slot);
    if (location.source == 0)
        return nowhere;
    struct px_source *source = locating->shard->sources[location.source];
    uint32_t row = location.row;
    assert(source != NULL);
    if (!px_source_resolve(&source, &row))
        return nowhere;
    uint32_t index = source->view_index;
    assert(index < view->source_count && view->sources[index] == source);
    if (row >= px_snapshot_row_count(&locating->snapshot, index))
        return nowhere; /* written since */
    return (struct px_row_place){.source_index = index, .row = row};
}

/* Slots [begin, end). False if the rows have moved on. Under the lock. */
static bool locate_some(const struct locating *locating, size_t begin, size_t end)
{
    const struct px_shard *shard = locating->shard;
    if (shard->view != locating->snapshot.view || shard->indexing.index != locating->walk->index)
        return false;
    for (size_t i = begin; i < end; i++)
        locating->places[i] = locate(locating, locating->slots[i]);
    return true;
}

bool px_shard_end_walk(struct px_shard *shard, struct px_shard_walk *walk, const uint32_t *slots,
                       size_t count, struct px_snapshot *ret_snapshot,
                       struct px_row_place *ret_places)
{
    struct locating locating = {.shard = shard, .walk = walk, .slots = slots, .places = ret_places};
    size_t done = count < LOCATED_SLOTS ? count : LOCATED_SLOTS;
    pthread_mutex_lock(&shard->lock);
    px_shard__take_snapshot(shard, &locating.snapshot);
    if (shard->indexing.index == walk->index)
        settle(walk);
    bool is_good = translate_tail(walk, locating.snapshot.view) &&
                   add_written(walk, &locating.snapshot) && locate_some(&locating, 0, done);
    pthread_mutex_unlock(&shard->lock);
    while (is_good && done < count) {
        size_t end = count - done < LOCATED_SLOTS ? count : done + LOCATED_SLOTS;
        pthread_mutex_lock(&shard->lock);
        is_good = locate_some(&locating, done, end);
        pthread_mutex_unlock(&shard->lock);
        done = end;
    }
    if (is_good)
        *ret_snapshot = locating.snapshot;
    else
        px_snapshot_release(&locating.snapshot);
    return is_good;
}
