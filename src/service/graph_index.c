#include "service/graph_index.h"

#include <assert.h>
#include <stdlib.h>

enum {
    CHUNK_BITS = 16,
    CHUNK_SLOTS = 1 << CHUNK_BITS,
    MOST_IDLE_WORKERS = 64, /* as many threads as an engine may have of a kind */
};

/* Of a location's source: the row is dead. */
#define IS_DEAD (UINT32_C(1) << 31)

static _Atomic uint64_t serial_count;

int px_graph_index_new(struct px_graph *graph, unsigned side, struct px_graph_index **ret_index,
                       struct proximadb_error *reterr)
{
    assert(side < PX_GRAPH_SIDES);
    struct px_graph_index *index = calloc(1, sizeof *index);
    if (index == NULL)
        return px_fail_no_memory(reterr);
    index->idle_workers = calloc(MOST_IDLE_WORKERS, sizeof(struct px_graph_worker *));
    if (index->idle_workers == NULL) {
        free(index);
        return px_fail_no_memory(reterr);
    }
    atomic_init(&index->reference_count, 1);
    pthread_mutex_init(&index->lock, NULL);
    index->graph = graph;
    index->side = side;
    index->serial = 1 + atomic_fetch_add(&serial_count, 1);
    *ret_index = index;
    return PROXIMADB_OK;
}

struct px_graph_index *px_graph_index_ref(struct px_graph_index *index)
{
    atomic_fetch_add_explicit(&index->reference_count, 1, memory_order_relaxed);
    return index;
}

void px_graph_index_unref(struct px_graph_index *index)
{
    if (index == NULL ||
        atomic_fetch_sub_explicit(&index->reference_count, 1, memory_order_acq_rel) > 1)
        return;
    for (uint32_t i = 0; i < index->idle_count; i++)
        px_graph_worker_free(index->idle_workers[i]);
    free(index->idle_workers);
    px_graph_free(index->graph);
    for (uint32_t i = 0; i < index->chunk_count; i++)
        free(index->chunks[i]);
    free(index->chunks);
    pthread_mutex_destroy(&index->lock);
    free(index);
}

/* ---- workers ------------------------------------------------------------------------------- */

int px_graph_index_take_worker(struct px_graph_index *index, struct px_graph_worker **ret_worker,
                               struct proximadb_error *reterr)
{
    struct px_graph_worker *worker = NULL;
    pthread_mutex_lock(&index->lock);
    if (index->idle_count > 0)
        worker = index->idle_workers[--index->idle_count];
    pthread_mutex_unlock(&index->lock);
    if (worker == NULL)
        return px_graph_worker_new(index->graph, ret_worker, reterr);
    *ret_worker = worker;
    return PROXIMADB_OK;
}

void px_graph_index_give_worker(struct px_graph_index *index, struct px_graph_worker *worker)
{
    pthread_mutex_lock(&index->lock);
    bool has_room = index->idle_count < MOST_IDLE_WORKERS;
    if (has_room)
        index->idle_workers[index->idle_count++] = worker;
    pthread_mutex_unlock(&index->lock);
    if (!has_room)
        px_graph_worker_free(worker);
}

/* ---- locations ----------------------------------------------------------------------------- */

/* Makes room for the location of a slot. False without memory. */
static bool reserve(struct px_graph_index *index, uint32_t slot)
{
    uint32_t needed = (slot >> CHUNK_BITS) + 1;
    if (needed <= index->chunk_count)
        return true;
    struct px_location **chunks = realloc(index->chunks, needed * sizeof(struct px_location *));
    if (chunks == NULL)
        return false;
    index->chunks = chunks;
    while (index->chunk_count < needed) {
        struct px_location *chunk = calloc(CHUNK_SLOTS, sizeof *chunk);
        if (chunk == NULL)
            return false;
        index->chunks[index->chunk_count++] = chunk;
    }
    return true;
}

static struct px_location *place_of(const struct px_graph_index *index, uint32_t slot)
{
    return &index->chunks[slot >> CHUNK_BITS][slot & (CHUNK_SLOTS - 1)];
}

static struct px_location read_place(const struct px_graph_index *index, uint32_t slot)
{
    if (slot >> CHUNK_BITS >= index->chunk_count)
        return (struct px_location){0};
    return *place_of(index, slot);
}

struct px_location px_graph_index_locate(const struct px_graph_index *index, uint32_t slot)
{
    struct px_location location = read_place(index, slot);
    location.source &= ~IS_DEAD;
    return location;
}

/* The slot of a row of the source itself; PX_NO_SLOT if it has none, or one that still has an older
 * location, or has been used again. */
static uint32_t find_slot(const struct px_graph_index *index, const struct px_source *source,
                          uint32_t row)
{
    uint32_t slot = px_slot_map_get(&source->slots[index->side], row);
    if (slot == PX_NO_SLOT)
        return slot;
    struct px_location location = px_graph_index_locate(index, slot);
    return location.source == source->number && location.row == row ? slot : PX_NO_SLOT;
}

static bool is_marked(const struct px_graph_index *index, uint32_t slot)
{
    return (read_place(index, slot).source & IS_DEAD) != 0;
}

static void mark(struct px_graph_index *index, uint32_t slot)
{
    if (is_marked(index, slot))
        return;
    place_of(index, slot)->source |= IS_DEAD;
    index->row_count--;
    px_graph_set_dead(index->graph, slot, true);
}

/* ---- rows ---------------------------------------------------------------------------------- */

static bool is_live(const struct px_source *source, uint32_t row)
{
    return px_source_killed_at(source, row) == 0;
}

void px_graph_index_attach(struct px_graph_index *index, uint32_t slot, struct px_source *source,
                           uint32_t row)
{
    bool is_there = px_source_resolve(&source, &row) && is_live(source, row);
    struct px_slot_map *map = &source->slots[index->side];
    assert(source->number != 0 && source->number < IS_DEAD);
    if (!reserve(index, slot)) {
        px_graph_set_dead(index->graph, slot, true);
        return;
    }
    if (!is_there || px_slot_map_get(map, row) != PX_NO_SLOT ||
        px_slot_map_reserve(map, row, NULL) != PROXIMADB_OK) {
        *place_of(index, slot) = (struct px_location){0};
        px_graph_set_dead(index->graph, slot, true);
        return;
    }
    *place_of(index, slot) = (struct px_location){source->number, row};
    index->row_count++;
    px_slot_map_put(map, row, slot);
}

void px_graph_index_kill(struct px_graph_index *index, const struct px_source *source, uint32_t row)
{
    uint32_t slot = find_slot(index, source, row);
    if (slot != PX_NO_SLOT)
        mark(index, slot);
}

void px_graph_index_follow(struct px_graph_index *index, struct px_source *source, uint32_t row)
{
    uint32_t slot = find_slot(index, source, row);
    struct px_source *target = source;
    if (slot == PX_NO_SLOT)
        return;
    bool is_there = px_source_resolve(&target, &row);
    struct px_slot_map *map = &target->slots[index->side];
    uint32_t present = is_there ? px_slot_map_get(map, row) : PX_NO_SLOT;
    bool is_taken = present != PX_NO_SLOT && present != slot;
    if (!is_there || is_taken || !is_live(target, row))
        mark(index, slot);
    if (!is_there || is_taken || px_slot_map_reserve(map, row, NULL) != PROXIMADB_OK) {
        mark(index, slot);
        *place_of(index, slot) = (struct px_location){0};
        return;
    }
    place_of(index, slot)->source = target->number | (is_marked(index, slot) ? IS_DEAD : 0);
    place_of(index, slot)->row = row;
    px_slot_map_put(map, row, slot);
}

void px_graph_index_kill_strays(struct px_graph_index *index, uint32_t begin, uint32_t end)
{
    int64_t labels[PX_STRAY_SLOTS];
    assert(end - begin <= PX_STRAY_SLOTS);
    px_graph_read_labels(index->graph, begin, end - begin, labels);
    for (uint32_t slot = begin; slot < end; slot++)
        if (px_graph_index_locate(index, slot).source == 0 &&
            labels[slot - begin] != PX_GRAPH_NO_LABEL)
            px_graph_set_dead(index->graph, slot, true);
}

uint64_t px_graph_index_memory_bytes(const struct px_graph_index *index)
{
    return px_graph_memory_bytes(index->graph) +
           (uint64_t)index->chunk_count * CHUNK_SLOTS * sizeof(struct px_location) + sizeof *index;
}
