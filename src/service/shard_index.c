#include "service/shard_internal.h"

#include "base/hash.h"

#include <assert.h>
#include <stdlib.h>

/* ---- looking up ---------------------------------------------------------------------------- */

static int read_id(struct px_source *source, uint32_t row, struct px_slice *ret_id,
                   struct proximadb_error *reterr)
{
    if (source->memtable != NULL) {
        *ret_id = px_memtable_get_id(source->memtable, row);
        return PROXIMADB_OK;
    }
    if (source->id_reader == NULL) {
        int rc = px_part_reader_new(source->part, &source->id_reader, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
    }
    return px_part_read_id(source->id_reader, row, ret_id, reterr);
}

int px_shard__find(struct px_shard *shard, uint64_t hash, struct px_slice id,
                   struct px_found_row *ret_found, struct proximadb_error *reterr)
{
    struct px_id_walk walk = {0};
    struct px_location location;
    *ret_found = (struct px_found_row){0};
    while (px_id_index_next(&shard->index, hash, &walk, &location)) {
        struct px_source *from = shard->sources[location.source], *source = from;
        uint32_t row = location.row;
        struct px_slice found;
        assert(source != NULL);
        bool exists = px_source_resolve(&source, &row);
        assert(exists); /* only dead rows are left behind, and the index has none of those */
        int rc = exists ? read_id(source, row, &found, reterr)
                        : px_fail(reterr, PROXIMADB_INTERNAL, "the index has a row that is gone");
        if (rc != PROXIMADB_OK)
            return rc;
        if (px_slice_equal(found, id)) {
            *ret_found = (struct px_found_row){
                .source = source, .row = row, .entry = location, .from = from};
            return PROXIMADB_OK;
        }
    }
    return PROXIMADB_OK;
}

/* One step along a row's way: false at its end. */
static bool follow(struct px_source **source, uint32_t *row)
{
    if ((*source)->moved == NULL)
        return false;
    struct px_moved moved = (*source)->moved[*row];
    assert(moved.target != PX_NOT_MOVED);
    *source = (*source)->targets[moved.target];
    *row = moved.row;
    return true;
}

/* The entry still says what it said when the row was found, or it has followed the row since: to
 * where it was found, or to any place where it has been from there on. */
void px_shard__move_entry(struct px_shard *shard, uint64_t hash, const struct px_found_row *found,
                          struct px_location to)
{
    struct px_source *source = found->source;
    uint32_t row = found->row;
    bool done = px_id_index_move(&shard->index, hash, found->entry, to);
    while (!done) {
        done = px_id_index_move(&shard->index, hash, (struct px_location){source->number, row}, to);
        if (!done && !follow(&source, &row))
            break;
    }
    assert(done);
}

void px_shard__remove_entry(struct px_shard *shard, uint64_t hash, const struct px_found_row *found)
{
    struct px_source *source = found->source;
    uint32_t row = found->row;
    bool done = px_id_index_remove(&shard->index, hash, found->entry);
    while (!done) {
        done = px_id_index_remove(&shard->index, hash, (struct px_location){source->number, row});
        if (!done && !follow(&source, &row))
            break;
    }
    assert(done);
}

/* ---- following ----------------------------------------------------------------------------- */

/* The hashes of the ids of rows [begin, begin + count). False on failure: then the index keeps
 * pointing to the old place, which is right, if slower. */
static bool hash_rows(struct px_source *source, struct px_part_reader *reader, uint32_t begin,
                      uint32_t count, uint64_t *hashes)
{
    for (uint32_t i = 0; i < count; i++) {
        struct px_slice id;
        if (source->memtable != NULL)
            id = px_memtable_get_id(source->memtable, begin + i);
        else if (px_part_read_id(reader, begin + i, &id, NULL) != PROXIMADB_OK)
            return false;
        hashes[i] = px_hash_memory(id);
    }
    return true;
}

/* The rows may have moved on since, and the place in between be retired: so the entries go to where
 * they are now. */
static void move_step(struct px_shard *shard, struct px_source *source, uint32_t begin,
                      uint32_t count, const uint64_t *hashes)
{
    pthread_mutex_lock(&shard->lock);
    for (uint32_t i = 0; i < count; i++) {
        struct px_source *target = source;
        uint32_t row = begin + i;
        if (!px_source_resolve(&target, &row))
            continue;
        struct px_location from = {source->number, begin + i};
        struct px_location to = {target->number, row};
        /* False where the row was superseded or deleted meanwhile. */
        (void)px_id_index_move(&shard->index, hashes[i], from, to);
    }
    pthread_mutex_unlock(&shard->lock);
}

void px_shard__move_index(struct px_shard *shard, struct px_source *source)
{
    uint64_t hashes[PX_INDEX_STEP_ROWS];
    struct px_part_reader *reader = NULL;
    uint32_t row_count = px_source_row_count(source);
    px_shard__move_slots(shard, source);
    bool done =
        source->part == NULL || px_part_reader_new(source->part, &reader, NULL) == PROXIMADB_OK;
    for (uint32_t row = 0; done && row < row_count; row += PX_INDEX_STEP_ROWS) {
        uint32_t count =
            row_count - row < PX_INDEX_STEP_ROWS ? row_count - row : PX_INDEX_STEP_ROWS;
        done = hash_rows(source, reader, row, count, hashes);
        if (done)
            move_step(shard, source, row, count, hashes);
    }
    px_part_reader_free(reader);
    if (done)
        px_shard__retire_source(shard, source);
}

/* ---- building ------------------------------------------------------------------------------ */

static int index_part(struct px_shard *shard, struct px_source *source,
                      struct proximadb_error *reterr)
{
    struct px_part_reader *reader;
    uint32_t row_count = px_source_row_count(source);
    int rc = px_part_reader_new(source->part, &reader, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    for (uint32_t row = 0; row < row_count && rc == PROXIMADB_OK; row++) {
        struct px_slice id;
        if (px_source_killed_at(source, row) != 0)
            continue;
        rc = px_part_read_id(reader, row, &id, reterr);
        if (rc != PROXIMADB_OK)
            break;
        uint64_t hash = px_hash_memory(id);
        rc = px_id_index_reserve(&shard->index, hash, reterr);
        if (rc == PROXIMADB_OK)
            px_id_index_put(&shard->index, hash, (struct px_location){source->number, row});
    }
    px_part_reader_free(reader);
    return rc;
}

/* Nobody reads the index before it is ready, and nothing is written, so the view stays what it was
 * when the shard was opened. */
static int build_index(struct px_shard *shard, struct proximadb_error *reterr)
{
    int rc = PROXIMADB_OK;
    for (uint32_t i = 0; i < shard->view->source_count && rc == PROXIMADB_OK; i++)
        if (shard->view->sources[i]->part != NULL)
            rc = index_part(shard, shard->view->sources[i], reterr);
    if (rc != PROXIMADB_OK)
        px_id_index_release(&shard->index);
    return rc;
}

int px_shard__ensure_index(struct px_shard *shard, struct proximadb_error *reterr)
{
    if (atomic_load_explicit(&shard->is_index_ready, memory_order_acquire))
        return PROXIMADB_OK;
    int rc = PROXIMADB_OK;
    pthread_mutex_lock(&shard->index_build_lock);
    if (!atomic_load(&shard->is_index_ready)) {
        rc = build_index(shard, reterr);
        if (rc == PROXIMADB_OK)
            atomic_store_explicit(&shard->is_index_ready, true, memory_order_release);
    }
    pthread_mutex_unlock(&shard->index_build_lock);
    return rc;
}

int px_shard_locate(struct px_shard *shard, const struct px_id_list *ids,
                    struct px_located_row *ret_rows, struct px_snapshot *ret_snapshot,
                    struct proximadb_error *reterr)
{
    struct px_snapshot snapshot;
    int rc = px_shard__ensure_index(shard, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    pthread_mutex_lock(&shard->lock);
    px_shard__take_snapshot(shard, &snapshot);
    for (uint32_t i = 0; i < ids->count && rc == PROXIMADB_OK; i++) {
        struct px_found_row found;
        ret_rows[i] = (struct px_located_row){.source_index = snapshot.view->source_count};
        rc = px_shard__find(shard, ids->items[i].hash, ids->items[i].text, &found, reterr);
        if (rc == PROXIMADB_OK && found.source != NULL)
            ret_rows[i] = (struct px_located_row){
                .source_index = px_view_find(snapshot.view, found.source), .row = found.row};
    }
    pthread_mutex_unlock(&shard->lock);
    if (rc != PROXIMADB_OK)
        px_snapshot_release(&snapshot);
    else
        *ret_snapshot = snapshot;
    return rc;
}
