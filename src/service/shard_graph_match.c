#include "service/shard_graph_internal.h"

#include "base/hash.h"

#include <stdlib.h>

/*
 * A graph knows its vectors by their rows' versions, and by nothing else: where rows are may change
 * a hundred times while it is built, or while it lies in a file. So whoever has finished one, or
 * read one, looks for its rows as they are then. Rows that died meanwhile leave slots that nobody
 * claims, which are marked as dead, and rows that came are not in the graph: so it is with a graph
 * that was there all the time.
 */
enum { STEP_ROWS = PX_STRAY_SLOTS };

/* ---- slots by label ------------------------------------------------------------------------ */

/* An open-addressing table of the graph's live slots by their labels. */
struct label_table {
    int64_t *labels; /* owned; of each slot */
    uint32_t *slots; /* owned; PX_NO_SLOT: free */
    uint64_t mask;
};

static void table_release(struct label_table *table)
{
    free(table->labels);
    free(table->slots);
}

static uint64_t place_of(const struct label_table *table, int64_t label)
{
    return px_hash_memory(px_slice_of(&label, sizeof label)) & table->mask;
}

static void put_label(struct label_table *table, uint32_t slot)
{
    uint64_t at = place_of(table, table->labels[slot]);
    while (table->slots[at] != PX_NO_SLOT)
        at = (at + 1) & table->mask;
    table->slots[at] = slot;
}

static int table_init(struct label_table *table, const struct px_graph *graph,
                      struct proximadb_error *reterr)
{
    uint32_t slot_count = px_graph_slot_count(graph);
    uint64_t capacity = 16;
    while (capacity < 2 * (uint64_t)slot_count)
        capacity *= 2;
    table->mask = capacity - 1;
    table->labels = malloc(((size_t)slot_count + 1) * sizeof *table->labels);
    table->slots = malloc(capacity * sizeof *table->slots);
    if (table->labels == NULL || table->slots == NULL)
        return px_fail_no_memory(reterr);
    memset(table->slots, 0xff, capacity * sizeof *table->slots);
    px_graph_read_labels(graph, 0, slot_count, table->labels);
    for (uint32_t slot = 0; slot < slot_count; slot++)
        if (table->labels[slot] != PX_GRAPH_NO_LABEL)
            put_label(table, slot);
    return PROXIMADB_OK;
}

static uint32_t find_label(const struct label_table *table, int64_t label)
{
    uint64_t at = place_of(table, label);
    while (table->slots[at] != PX_NO_SLOT && table->labels[table->slots[at]] != label)
        at = (at + 1) & table->mask;
    return table->slots[at];
}

/* ---- finding rows again -------------------------------------------------------------------- */

struct matching {
    struct px_index_step *step;
    struct px_graph_index *index;
    struct px_snapshot snapshot; /* followed */
    struct label_table table;
    struct px_row_reader rows;
};

/* Connects rows of a source with the slots of their versions. */
static int match_rows(struct matching *matching, struct px_row_range range,
                      struct proximadb_error *reterr)
{
    struct px_shard *shard = matching->step->shard;
    struct px_source *source = matching->snapshot.view->sources[range.source_index];
    uint32_t slots[STEP_ROWS];
    for (uint32_t row = range.begin; row < range.end; row++) {
        int64_t version = px_row_reader_version(&matching->rows, range.source_index, row);
        slots[row - range.begin] = find_label(&matching->table, version);
    }
    int rc = px_row_reader_status(&matching->rows, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    pthread_mutex_lock(&shard->lock);
    for (uint32_t row = range.begin; row < range.end; row++)
        if (slots[row - range.begin] != PX_NO_SLOT)
            px_graph_index_attach(matching->index, slots[row - range.begin], source, row);
    pthread_mutex_unlock(&shard->lock);
    return PROXIMADB_OK;
}

static int match_source(struct matching *matching, uint32_t source_index,
                        struct proximadb_error *reterr)
{
    uint32_t row_count = px_snapshot_row_count(&matching->snapshot, source_index);
    int rc = PROXIMADB_OK;
    for (uint32_t row = 0; row < row_count && rc == PROXIMADB_OK; row += STEP_ROWS) {
        uint32_t end = row_count - row < STEP_ROWS ? row_count : row + STEP_ROWS;
        rc = px_shard__index_should_stop(matching->step)
                 ? px_fail(reterr, PROXIMADB_CANCELLED, "indexing was stopped")
                 : match_rows(matching, (struct px_row_range){source_index, row, end}, reterr);
    }
    return rc;
}

static int match_all(struct matching *matching, struct proximadb_error *reterr)
{
    int rc = table_init(&matching->table, matching->index->graph, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_row_reader_init(&matching->rows, &matching->snapshot, reterr);
    for (uint32_t i = 0; i < matching->snapshot.view->source_count && rc == PROXIMADB_OK; i++)
        rc = match_source(matching, i, reterr);
    px_row_reader_release(&matching->rows);
    table_release(&matching->table);
    return rc;
}

static void kill_strays(struct px_shard *shard, struct px_graph_index *index)
{
    uint32_t slot_count = px_graph_slot_count(index->graph);
    for (uint32_t slot = 0; slot < slot_count; slot += STEP_ROWS) {
        uint32_t end = slot_count - slot < STEP_ROWS ? slot_count : slot + STEP_ROWS;
        pthread_mutex_lock(&shard->lock);
        px_graph_index_kill_strays(index, slot, end);
        pthread_mutex_unlock(&shard->lock);
    }
}

static void set_building(struct px_shard *shard, struct px_graph_index *index)
{
    pthread_mutex_lock(&shard->lock);
    shard->indexing.building = index;
    pthread_mutex_unlock(&shard->lock);
}

/* Puts an index in the place of the present one. Its reference is taken. */
static void replace_index(struct px_shard *shard, struct px_graph_index *index)
{
    pthread_mutex_lock(&shard->lock);
    struct px_graph_index *old = shard->indexing.index;
    shard->indexing.index = index;
    shard->indexing.building = NULL;
    pthread_mutex_unlock(&shard->lock);
    px_graph_index_unref(old); /* who searches it holds it */
}

/* Leaves no slots of the index anywhere: sources that came meanwhile took some over. */
static void drop_building(struct px_shard *shard, struct px_graph_index *index)
{
    struct px_snapshot present;
    set_building(shard, NULL);
    px_shard_snapshot(shard, &present);
    px_shard__clear_slots(&present, index->side);
    px_snapshot_release(&present);
    px_graph_index_unref(index);
}

/* From before the snapshot on, slots of rows that die or move are followed in this index, too. */
int px_shard__match_graph(struct px_index_step *step, struct px_graph *graph, unsigned side,
                          struct proximadb_error *reterr)
{
    struct px_shard *shard = step->shard;
    struct matching matching = {.step = step};
    int rc = px_graph_index_new(graph, side, &matching.index, reterr);
    if (rc != PROXIMADB_OK) {
        px_graph_free(graph);
        return rc;
    }
    set_building(shard, matching.index);
    px_shard__begin_following(shard, &matching.snapshot);
    rc = match_all(&matching, reterr);
    if (rc == PROXIMADB_OK) {
        kill_strays(shard, matching.index);
        replace_index(shard, matching.index);
    } else {
        drop_building(shard, matching.index);
    }
    px_shard__end_following(shard, &matching.snapshot);
    return rc;
}
