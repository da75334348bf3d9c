#include "service/shard_compact_internal.h"

#include <assert.h>
#include <stdlib.h>

/* ---- rows that died meanwhile -------------------------------------------------------------- */

/* Deletes by their parts' paths. */
struct delete_list {
    struct px_delete *items; /* owned */
    size_t count;
    size_t capacity;
};

static bool add_delete(struct delete_list *list, struct px_delete item)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 256 : 2 * list->capacity;
        struct px_delete *grown = realloc(list->items, capacity * sizeof *grown);
        if (grown == NULL)
            return false;
        list->items = grown;
        list->capacity = capacity;
    }
    list->items[list->count++] = item;
    return true;
}

static struct px_dead_rows *dead_rows_at(const struct px_shard_compaction *compaction,
                                         struct px_moved moved)
{
    return px_part_dead_rows(compaction->fresh[moved.target]->part);
}

static bool carry_row(const struct px_shard_compaction *compaction, struct px_moved moved,
                      int64_t lsn, int64_t flushed_lsn, struct delete_list *list)
{
    struct px_dead_rows *dead = dead_rows_at(compaction, moved);
    const char *path = compaction->output.files[moved.target].path;
    if (px_dead_rows_reserve(dead, moved.row, NULL) != PROXIMADB_OK)
        return false;
    (void)px_dead_rows_kill(dead, moved.row, lsn);
    return lsn > flushed_lsn ||
           add_delete(list, (struct px_delete){.path = path, .row = moved.row, .lsn = lsn});
}

/* Rows that died and went over all the same die in their new place, which nobody sees yet; those
 * whose deletes flushes have stored are listed, in terms of the new parts: later ones the memtables
 * have. Under commit_lock, so nothing is stored meanwhile; rows go on dying. */
static int carry_dead(const struct px_shard_compaction *compaction, struct delete_list *list,
                      struct proximadb_error *reterr)
{
    int64_t flushed_lsn = compaction->shard->viper.manifest.flushed_lsn;
    for (uint32_t i = 0; i < compaction->old_count; i++) {
        const struct px_dead_rows *dead = px_part_dead_rows(compaction->old_parts[i]);
        uint32_t row_count = px_part_row_count(compaction->old_parts[i]);
        for (uint32_t row = 0; row < row_count; row++) {
            int64_t lsn = px_dead_rows_killed_at(dead, row);
            struct px_moved moved = compaction->output.moved[i][row];
            if (lsn != 0 && moved.target != PX_NOT_MOVED &&
                !carry_row(compaction, moved, lsn, flushed_lsn, list))
                return px_fail_no_memory(reterr);
        }
    }
    return PROXIMADB_OK;
}

static int store(struct px_shard_compaction *compaction, bool *ret_unsure,
                 struct proximadb_error *reterr)
{
    const struct px_compaction_output *output = &compaction->output;
    struct delete_list deletes = {0};
    int rc = carry_dead(compaction, &deletes, reterr);
    struct px_viper_replacement replacement = {
        .old_parts = compaction->old_parts,
        .old_part_count = compaction->old_count,
        .new_parts = output->files,
        .new_part_count = output->file_count,
        .centroids = output->centroids.path[0] != '\0' ? &output->centroids : NULL,
        .deletes = deletes.items,
        .delete_count = deletes.count,
    };
    if (rc == PROXIMADB_OK)
        rc = px_viper_replace_parts(&compaction->shard->viper, &replacement, ret_unsure, reterr);
    free(deletes.items);
    return rc;
}

/* ---- publishing ---------------------------------------------------------------------------- */

/* The arrays of targets that the old sources take; NULL without memory. */
static struct px_source ***make_targets(const struct px_shard_compaction *compaction)
{
    struct px_source ***targets = calloc(compaction->old_count + 1, sizeof(struct px_source **));
    bool made = targets != NULL;
    size_t bytes = (compaction->fresh_count + 1) * sizeof(struct px_source *);
    for (uint32_t i = 0; made && i < compaction->old_count; i++) {
        targets[i] = malloc(bytes);
        made = targets[i] != NULL;
        if (made)
            memcpy(targets[i], compaction->fresh, compaction->fresh_count * sizeof(void *));
    }
    for (uint32_t i = 0; !made && targets != NULL && i < compaction->old_count; i++)
        free(targets[i]);
    if (!made)
        free(targets);
    return made ? targets : NULL;
}

/* Called for each noted kill of a row that is in an old part; false ends the walk. */
typedef bool visit_kill(const struct px_shard_compaction *compaction, struct px_kill *kill,
                        struct px_moved moved);

/* Walks what memtables have noted since the snapshot: that, and not the rows, is what publishing
 * takes time for. Each died behind stored_lsn, so it went over. Under the lock. */
static bool visit_kills(const struct px_shard_compaction *compaction, visit_kill *visit)
{
    struct px_shard *shard = compaction->shard;
    for (uint32_t i = 0; i < compaction->old_count; i++)
        compaction->old[i]->scratch = i + 1;
    bool goes_on = true;
    for (uint32_t i = 0; i < shard->view->source_count && goes_on; i++) {
        struct px_memtable *memtable = shard->view->sources[i]->memtable;
        size_t count = 0;
        struct px_kill *kills = memtable != NULL ? px_memtable_kills(memtable, &count) : NULL;
        for (size_t k = 0; k < count && goes_on; k++) {
            uint32_t old = shard->sources[kills[k].source]->scratch;
            if (old == 0)
                continue;
            struct px_moved moved = compaction->output.moved[old - 1][kills[k].row];
            assert(moved.target != PX_NOT_MOVED);
            goes_on = visit(compaction, &kills[k], moved);
        }
    }
    for (uint32_t i = 0; i < compaction->old_count; i++)
        compaction->old[i]->scratch = 0;
    return goes_on;
}

static bool reserve_kill(const struct px_shard_compaction *compaction, struct px_kill *kill,
                         struct px_moved moved)
{
    (void)kill;
    return px_dead_rows_reserve(dead_rows_at(compaction, moved), moved.row, NULL) == PROXIMADB_OK;
}

/* The row dies in its new place, if it did not before, and the next flush stores that. */
static bool move_kill(const struct px_shard_compaction *compaction, struct px_kill *kill,
                      struct px_moved moved)
{
    (void)px_dead_rows_kill(dead_rows_at(compaction, moved), moved.row, kill->lsn);
    kill->source = compaction->fresh[moved.target]->number;
    kill->row = moved.row;
    return true;
}

/* An operation that is decided and not yet applied may kill any row; in the old part it has
 * reserved what that needs. */
static bool reserve_everything(const struct px_shard_compaction *compaction)
{
    for (uint32_t i = 0; i < compaction->fresh_count; i++)
        if (px_shard__reserve_dead(compaction->fresh[i]->part, NULL) != PROXIMADB_OK)
            return false;
    return true;
}

/* Under the lock. */
static bool reserve(const struct px_shard_compaction *compaction)
{
    return px_shard__reserve_sources(compaction->shard, compaction->fresh_count, NULL) ==
               PROXIMADB_OK &&
           visit_kills(compaction, reserve_kill) &&
           px_shard__replace_in_view(compaction->shard, compaction->old, compaction->old_count,
                                     compaction->fresh, compaction->fresh_count,
                                     NULL) == PROXIMADB_OK;
}

/* Under the lock; everything is reserved, and the view changed. */
static void publish(struct px_shard_compaction *compaction, struct px_source ***targets)
{
    struct px_shard *shard = compaction->shard;
    for (uint32_t i = 0; i < compaction->fresh_count; i++)
        px_shard__add_source(shard, px_source_ref(compaction->fresh[i]));
    (void)visit_kills(compaction, move_kill);
    for (uint32_t i = 0; i < compaction->old_count; i++) {
        px_source_set_moved(compaction->old[i], compaction->output.moved[i], targets[i],
                            compaction->fresh_count);
        px_shard__expect_slots(compaction->old[i]);
        targets[i] = NULL; /* taken, as is the next */
        compaction->output.moved[i] = NULL;
        px_part_set_obsolete(compaction->old_parts[i], shard->viper.gate);
    }
    shard->indexing.ivf.must_sweep = true; /* codes of the old parts */
    px_shard__note_pressure(shard);
}

/* False without memory. */
static bool try_publish(struct px_shard_compaction *compaction)
{
    struct px_shard *shard = compaction->shard;
    struct px_source ***targets = make_targets(compaction);
    bool done = false, is_reserved = false, is_failed = targets == NULL;
    while (!done && !is_failed) {
        pthread_mutex_lock(&shard->lock);
        bool needs_all = shard->reserved_kill_count > 0 && !is_reserved;
        if (!needs_all) {
            done = reserve(compaction);
            is_failed = !done;
        }
        if (done)
            publish(compaction, targets);
        pthread_mutex_unlock(&shard->lock);
        if (needs_all) /* which takes time */
            is_failed = !(is_reserved = reserve_everything(compaction));
    }
    for (uint32_t i = 0; targets != NULL && i < compaction->old_count; i++)
        free(targets[i]);
    free(targets);
    return done;
}

/* So that the first search of the new view finds its rows in the graph. */
static void carry_slots(const struct px_shard_compaction *compaction)
{
    for (uint32_t i = 0; i < compaction->old_count; i++)
        px_shard__carry_slots(compaction->shard, compaction->old[i], compaction->output.moved[i],
                              compaction->fresh);
    for (uint32_t i = 0; i < compaction->fresh_count; i++)
        px_shard__settle_slots(compaction->fresh[i]);
}

/* From the new manifest to the new view nothing may be flushed: what it stores names parts. */
int px_shard__replace_parts(struct px_shard_compaction *compaction, bool *ret_unsure,
                            struct proximadb_error *reterr)
{
    struct px_shard *shard = compaction->shard;
    struct px_viper *viper = &shard->viper;
    pthread_mutex_lock(&viper->commit_lock);
    int rc = store(compaction, ret_unsure, reterr);
    if (rc == PROXIMADB_OK)
        carry_slots(compaction);
    while (rc == PROXIMADB_OK && !try_publish(compaction))
        px_shard__wait_for_memory();
    pthread_mutex_unlock(&viper->commit_lock);
    if (rc == PROXIMADB_OK)
        px_commit_lane_resume(shard->lane); /* writes may have waited for it */
    return rc;
}
