#include "service/shard_internal.h"

static bool reserve(struct px_shard_probe *probe, struct px_arena *arena)
{
    size_t count = probe->snapshot.view->source_count;
    probe->codes = px_arena_calloc(arena, count, sizeof(struct px_part_codes *));
    probe->parts = px_arena_calloc(arena, count, sizeof(const struct px_ivf *));
    probe->source_indexes = px_arena_calloc(arena, count, sizeof *probe->source_indexes);
    probe->tail = px_arena_calloc(arena, count, sizeof *probe->tail);
    return probe->codes != NULL && probe->parts != NULL && probe->source_indexes != NULL &&
           probe->tail != NULL;
}

static void add_codes(struct px_shard_probe *probe, uint32_t source_index,
                      const struct px_source *source)
{
    struct px_part_codes *codes = source->codes;
    uint64_t dead_count = px_dead_rows_count(px_part_dead_rows(source->part));
    struct px_ivf_info info = px_ivf_info(codes->ivf);
    probe->codes[probe->part_count] = px_part_codes_ref(codes);
    probe->parts[probe->part_count] = codes->ivf;
    probe->source_indexes[probe->part_count] = source_index;
    probe->part_count++;
    probe->row_count += info.row_count;
    probe->dead_count += dead_count;
    probe->list_count += info.list_count;
    probe->block_count += info.block_count;
}

int px_shard_begin_probe(struct px_shard *shard, struct px_arena *arena,
                         struct px_shard_probe *ret_probe, struct proximadb_error *reterr)
{
    *ret_probe = (struct px_shard_probe){0};
    px_shard_snapshot(shard, &ret_probe->snapshot);
    if (!reserve(ret_probe, arena)) {
        px_snapshot_release(&ret_probe->snapshot);
        return px_fail_search_memory(reterr);
    }
    const struct px_view *view = ret_probe->snapshot.view;
    pthread_mutex_lock(&shard->lock); /* codes may come at any time: what counts is that the
                                       * parts are the snapshot's */
    ret_probe->effort = shard->indexing.ivf.effort;
    for (uint32_t i = 0; i < view->source_count; i++)
        if (view->sources[i]->codes != NULL)
            add_codes(ret_probe, i, view->sources[i]);
        else
            ret_probe->tail[ret_probe->tail_count++] = (struct px_row_range){.source_index = i};
    pthread_mutex_unlock(&shard->lock);
    for (uint32_t i = 0; i < ret_probe->tail_count; i++)
        ret_probe->tail[i].end =
            px_snapshot_row_count(&ret_probe->snapshot, ret_probe->tail[i].source_index);
    return PROXIMADB_OK;
}

void px_shard_end_probe(struct px_shard_probe *probe)
{
    for (uint32_t i = 0; i < probe->part_count; i++)
        px_part_codes_unref(probe->codes[i]);
    px_snapshot_release(&probe->snapshot);
    *probe = (struct px_shard_probe){0};
}

struct px_snapshot px_shard_take_snapshot_of(struct px_shard_probe *probe)
{
    struct px_snapshot snapshot = probe->snapshot;
    probe->snapshot = (struct px_snapshot){0};
    return snapshot;
}

int px_shard_take_searcher(struct px_shard *shard, struct px_ivf_searcher **ret_searcher,
                           struct proximadb_error *reterr)
{
    return px_searchers_take(shard->context->searchers, ret_searcher, reterr);
}

void px_shard_give_searcher(struct px_shard *shard, struct px_ivf_searcher *searcher)
{
    px_searchers_give(shard->context->searchers, searcher);
}
