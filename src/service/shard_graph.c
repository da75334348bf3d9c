#include "service/shard_graph_internal.h"

#include <assert.h>

/* Rows without a slot that are not worth waking a thread for: comparing with them takes some ten
 * microseconds of a search. */
enum { LAG_ROWS = 64 };

static uint64_t lag_of(const struct px_shard *shard)
{
    const struct px_graph_index *index = shard->indexing.index;
    if (index == NULL && shard->live_count < px_shard__index_least_rows(shard))
        return 0;
    uint64_t indexed = index != NULL ? index->row_count : 0;
    return shard->live_count > indexed ? shard->live_count - indexed : 0;
}

/* ---- slots of rows that die ---------------------------------------------------------------- */

/* The graphs that rows have slots of; NULL: none. */
static struct px_graph_index *graph_of(const struct px_shard *shard, unsigned which)
{
    return which == 0 ? shard->indexing.index : shard->indexing.building;
}

void px_shard__kill_slots(struct px_shard *shard, const struct px_source *source, uint32_t row)
{
    for (unsigned which = 0; which < PX_GRAPH_SIDES; which++) {
        struct px_graph_index *index = graph_of(shard, which);
        if (index == NULL)
            continue;
        uint32_t before = index->row_count;
        px_graph_index_kill(index, source, row);
        if (which == 0)
            shard->indexing.changed_count += before - index->row_count;
    }
}

/* ---- slots of rows that move --------------------------------------------------------------- */

/* References of the graphs, taken under the lock. */
struct graphs {
    struct px_graph_index *items[PX_GRAPH_SIDES];
};

static struct graphs take_graphs(struct px_shard *shard)
{
    struct graphs graphs = {0};
    pthread_mutex_lock(&shard->lock);
    for (unsigned which = 0; which < PX_GRAPH_SIDES; which++)
        if (graph_of(shard, which) != NULL)
            graphs.items[which] = px_graph_index_ref(graph_of(shard, which));
    pthread_mutex_unlock(&shard->lock);
    return graphs;
}

static void release_graphs(struct graphs *graphs)
{
    for (unsigned which = 0; which < PX_GRAPH_SIDES; which++)
        px_graph_index_unref(graphs->items[which]);
}

void px_shard__settle_slots(struct px_source *source)
{
    uint32_t row_count = px_source_row_count(source);
    for (unsigned side = 0; side < PX_GRAPH_SIDES; side++)
        px_slot_map_settle(&source->slots[side],
                           px_source_next_without_slot(source, side, 0, row_count));
}

static void carry(struct px_graph_index *index, const struct px_source *from,
                  const struct px_moved *moved, struct px_source *const *to)
{
    uint32_t row_count = px_source_row_count(from);
    for (uint32_t row = 0; row < row_count; row++) {
        uint32_t slot = px_slot_map_get(&from->slots[index->side], row);
        if (slot == PX_NO_SLOT || moved[row].target == PX_NOT_MOVED)
            continue;
        struct px_slot_map *map = &to[moved[row].target]->slots[index->side];
        /* Without memory the slot comes later, or the row gets another one. */
        if (px_slot_map_reserve(map, moved[row].row, NULL) == PROXIMADB_OK)
            px_slot_map_put(map, moved[row].row, slot);
        to[moved[row].target]->slots_of[index->side] = index->serial;
    }
}

void px_shard__carry_slots(struct px_shard *shard, const struct px_source *from,
                           const struct px_moved *moved, struct px_source *const *to)
{
    struct graphs graphs = take_graphs(shard);
    for (unsigned which = 0; which < PX_GRAPH_SIDES; which++)
        if (graphs.items[which] != NULL)
            carry(graphs.items[which], from, moved, to);
    release_graphs(&graphs);
}

/* What was carried is of no use if the graph was replaced meanwhile. */
void px_shard__check_slots(struct px_shard *shard, struct px_source *source)
{
    for (unsigned side = 0; side < PX_GRAPH_SIDES; side++) {
        bool is_present = source->slots_of[side] == 0;
        for (unsigned which = 0; which < PX_GRAPH_SIDES; which++)
            is_present |= graph_of(shard, which) != NULL &&
                          graph_of(shard, which)->serial == source->slots_of[side];
        if (!is_present)
            px_slot_map_clear(&source->slots[side]);
    }
}

void px_shard__expect_slots(struct px_source *from)
{
    for (uint32_t i = 0; i < from->target_count; i++)
        from->targets[i]->arriving_count++;
}

static void move_step(struct px_shard *shard, struct px_source *from, uint32_t begin, uint32_t end)
{
    pthread_mutex_lock(&shard->lock);
    for (unsigned which = 0; which < PX_GRAPH_SIDES; which++)
        for (uint32_t row = begin; graph_of(shard, which) != NULL && row < end; row++)
            px_graph_index_follow(graph_of(shard, which), from, row);
    pthread_mutex_unlock(&shard->lock);
}

void px_shard__move_slots(struct px_shard *shard, struct px_source *from)
{
    uint32_t row_count = px_source_row_count(from);
    for (uint32_t row = 0; row < row_count; row += PX_INDEX_STEP_ROWS)
        move_step(shard, from, row,
                  row_count - row < PX_INDEX_STEP_ROWS ? row_count : row + PX_INDEX_STEP_ROWS);
    pthread_mutex_lock(&shard->lock);
    for (uint32_t i = 0; i < from->target_count; i++) {
        assert(from->targets[i]->arriving_count > 0);
        from->targets[i]->arriving_count--;
    }
    px_shard__note_index(shard);
    pthread_mutex_unlock(&shard->lock);
}

/* ---- what is common to all kinds of indexes ------------------------------------------------ */

static bool is_pressing(const struct px_shard *shard)
{
    uint64_t lag = lag_of(shard);
    return lag >= LAG_ROWS || (shard->indexing.index == NULL && lag > 0);
}

static bool is_there(const struct px_shard *shard)
{
    return shard->indexing.index != NULL;
}

static bool is_building(const struct px_shard *shard)
{
    const struct px_indexing *state = &shard->indexing;
    return state->building != NULL || atomic_load(&state->row_count) > 0 ||
           (state->index == NULL && lag_of(shard) > 0);
}

static void put_numbers(const struct px_shard *shard, struct px_shard_numbers *numbers)
{
    const struct px_indexing *state = &shard->indexing;
    numbers->index_file_bytes = state->file_bytes;
    for (unsigned which = 0; which < PX_GRAPH_SIDES; which++)
        if (graph_of(shard, which) != NULL)
            numbers->index_memory_bytes += px_graph_index_memory_bytes(graph_of(shard, which));
    if (state->index == NULL)
        return;
    numbers->index_row_count = state->index->row_count;
    for (uint32_t i = 0; i < shard->view->source_count; i++)
        for (unsigned side = 0; side < PX_GRAPH_SIDES; side++)
            numbers->index_memory_bytes +=
                px_slot_map_size_bytes(&shard->view->sources[i]->slots[side]);
}

const struct px_index_kind px_shard__graph_kind = {
    .step = px_shard__step_graph,
    .has_work = px_shard__graph_has_work,
    .is_pressing = is_pressing,
    .is_there = is_there,
    .is_building = is_building,
    .lag = lag_of,
    .put_numbers = put_numbers,
    .close = px_shard__close_graph,
};
