#include "service/shard_compact_internal.h"

#include "os/file.h"

#include <stdlib.h>

#define LARGEST_CENTROIDS_BYTES ((size_t)4 << 30)

/* ---- measuring ----------------------------------------------------------------------------- */

/* Kills that a memtable has noted are not stored yet: those rows went over if they were copied now,
 * so they are no reason to. Under the lock. */
static void note_unstored(struct px_shard *shard, const struct px_view *view, uint32_t sign)
{
    for (uint32_t i = 0; i < view->source_count; i++) {
        size_t count;
        if (view->sources[i]->memtable == NULL)
            continue;
        const struct px_kill *kills = px_memtable_kills(view->sources[i]->memtable, &count);
        for (size_t k = 0; k < count; k++)
            shard->sources[kills[k].source]->scratch += sign;
    }
}

static struct px_plan_part measure_part(const struct px_source *source)
{
    const struct px_manifest_file *file = px_part_file(source->part);
    uint32_t dead = px_dead_rows_count(px_part_dead_rows(source->part));
    return (struct px_plan_part){.cluster = file->cluster,
                                 .row_count = px_part_row_count(source->part),
                                 .dead_count = dead > source->scratch ? dead - source->scratch : 0,
                                 .size_bytes = file->size_bytes};
}

/* Under the lock. Returns the number of parts. */
static uint32_t measure(struct px_shard *shard, struct px_plan_part *parts)
{
    uint32_t count = 0;
    note_unstored(shard, shard->view, 1);
    for (uint32_t i = 0; i < shard->view->source_count; i++)
        if (shard->view->sources[i]->part != NULL)
            parts[count++] = measure_part(shard->view->sources[i]);
    note_unstored(shard, shard->view, UINT32_MAX);
    return count;
}

/* What is stored is always the rows as of the manifest's flushed_lsn, neither more nor less: so
 * rows that died later go over, and die again in their new place, and replay finds what it found
 * the first time. A flush may have stored more than the view shows yet: its memtable still notes
 * kills of these parts, and what it killed must go over, too. */
int px_shard__measure(struct px_shard_compaction *compaction, struct proximadb_error *reterr)
{
    struct px_shard *shard = compaction->shard;
    pthread_mutex_lock(&shard->lock);
    px_shard__take_snapshot(shard, &compaction->snapshot);
    compaction->stored_lsn = shard->stored_lsn;
    compaction->measured = malloc(shard->view->source_count * sizeof *compaction->measured);
    if (compaction->measured != NULL)
        compaction->part_count = measure(shard, compaction->measured);
    pthread_mutex_unlock(&shard->lock);
    compaction->description = px_shard_describe(shard);
    return compaction->measured != NULL ? PROXIMADB_OK : px_fail_no_memory(reterr);
}

/* ---- the present clustering ---------------------------------------------------------------- */

static int read_centroids(struct px_shard_compaction *compaction,
                          const struct px_manifest_file *file, struct proximadb_error *reterr)
{
    struct px_viper *viper = &compaction->shard->viper;
    const struct px_collection *collection = &compaction->description->collection;
    struct px_buffer content = {0};
    struct px_path path;
    int rc = px_path_format(&path, reterr, "%s/%s", viper->folder.text, file->path);
    if (rc == PROXIMADB_OK)
        rc = px_file_read(viper->fs, path.text, LARGEST_CENTROIDS_BYTES, &content, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_clustering_read(&compaction->clustering, collection->metric, collection->dim_count,
                                px_buffer_slice(&content), reterr);
    px_buffer_release(&content);
    if (rc != PROXIMADB_OK)
        px_error_context(reterr, "'%s' cannot be used", path.text);
    return rc;
}

/* Lists are derived from the rows: without them all is clustered anew. Only one compaction runs at
 * a time, so the file stays. */
static int load_clustering(struct px_shard_compaction *compaction, struct proximadb_error *reterr)
{
    struct px_shard *shard = compaction->shard;
    struct proximadb_error error;
    pthread_mutex_lock(&shard->viper.commit_lock);
    const struct px_manifest_file file = shard->viper.manifest.centroids;
    pthread_mutex_unlock(&shard->viper.commit_lock);
    if (file.path[0] == '\0')
        return PROXIMADB_OK;
    int rc = read_centroids(compaction, &file, &error);
    if (rc == PROXIMADB_NO_MEMORY)
        return px_fail_no_memory(reterr);
    if (rc != PROXIMADB_OK)
        px_log_write(&shard->context->log, PROXIMADB_LOG_WARNING,
                     "collection '%s' is clustered anew: %s", shard->name, error.message);
    return PROXIMADB_OK;
}

/* Lists of a file of version 1 have no row counts: such a collection is clustered anew. */
static bool has_lists(const struct px_clustering *clustering)
{
    for (size_t i = 0; i < clustering->list_count; i++)
        if (clustering->lists[i].row_count > 0)
            return true;
    return false;
}

/* ---- choosing ------------------------------------------------------------------------------ */

static int plan(struct px_shard_compaction *compaction, uint64_t list_count, uint32_t list_rows,
                struct proximadb_error *reterr)
{
    struct px_shard *shard = compaction->shard;
    struct px_plan_input input = {.parts = compaction->measured,
                                  .part_count = compaction->part_count,
                                  .list_count = list_count,
                                  .list_rows = list_rows,
                                  .limits = &shard->context->plan_limits,
                                  .sizes = &shard->context->cluster_sizes};
    pthread_mutex_lock(&shard->lock);
    input.is_recall_low = shard->compacting.is_recall_low;
    pthread_mutex_unlock(&shard->lock);
    px_plan_release(&compaction->plan);
    return px_plan_make(&input, &compaction->plan, reterr);
}

/* The first plan reads no file, so that a collection which is well costs nothing. */
static int plan_background(struct px_shard_compaction *compaction, struct proximadb_error *reterr)
{
    struct px_shard *shard = compaction->shard;
    pthread_mutex_lock(&shard->viper.commit_lock);
    uint64_t list_count = shard->viper.manifest.centroids.row_count;
    pthread_mutex_unlock(&shard->viper.commit_lock);
    int rc = plan(compaction, list_count, shard->compacting.list_rows, reterr);
    if (rc != PROXIMADB_OK || compaction->plan.kind == PX_PLAN_NOTHING)
        return rc;
    rc = load_clustering(compaction, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    const struct px_clustering *clustering = &compaction->clustering;
    list_count = has_lists(clustering) ? clustering->list_count : 0;
    shard->compacting.list_rows = clustering->list_rows;
    return plan(compaction, list_count, clustering->list_rows, reterr);
}

static bool is_taken(const struct px_shard_compaction *compaction, uint32_t part)
{
    return compaction->request.done != NULL || compaction->plan.takes[part];
}

static int list_parts(struct px_shard_compaction *compaction, struct proximadb_error *reterr)
{
    struct px_view *view = compaction->snapshot.view;
    uint32_t part = 0;
    compaction->old = malloc(view->source_count * sizeof(struct px_source *));
    compaction->old_parts = malloc(view->source_count * sizeof(struct px_part *));
    compaction->others = malloc(view->source_count * sizeof(struct px_part *));
    if (compaction->old == NULL || compaction->old_parts == NULL || compaction->others == NULL)
        return px_fail_no_memory(reterr);
    for (uint32_t i = 0; i < view->source_count; i++) {
        struct px_source *source = view->sources[i];
        if (source->part == NULL)
            continue;
        if (is_taken(compaction, part++)) {
            compaction->old[compaction->old_count] = source;
            compaction->old_parts[compaction->old_count++] = source->part;
        } else {
            compaction->others[compaction->other_count++] = source->part;
        }
    }
    return PROXIMADB_OK;
}

int px_shard__choose(struct px_shard_compaction *compaction, struct proximadb_error *reterr)
{
    static const enum px_compaction_kind kinds[] = {[PX_PLAN_FOLD] = PX_COMPACTION_FOLD,
                                                    [PX_PLAN_ROUND] = PX_COMPACTION_ROUND,
                                                    [PX_PLAN_RECLUSTER] = PX_COMPACTION_ALL};
    int rc;
    if (compaction->request.done != NULL) {
        compaction->kind = PX_COMPACTION_ALL;
        rc = load_clustering(compaction, reterr);
        return rc == PROXIMADB_OK ? list_parts(compaction, reterr) : rc;
    }
    rc = plan_background(compaction, reterr);
    if (rc != PROXIMADB_OK || compaction->plan.kind == PX_PLAN_NOTHING)
        return rc;
    compaction->kind = kinds[compaction->plan.kind];
    return list_parts(compaction, reterr);
}

/* ---- pressure ------------------------------------------------------------------------------ */

void px_shard__note_pressure(struct px_shard *shard)
{
    const struct px_view *view = shard->view;
    struct px_plan_part *parts = malloc(view->source_count * sizeof *parts);
    struct px_plan_input input = {.parts = parts, .limits = &shard->context->plan_limits};
    if (parts == NULL)
        return; /* the next one may have more luck */
    for (uint32_t i = 0; i < view->source_count; i++)
        if (view->sources[i]->part != NULL)
            parts[input.part_count++] =
                (struct px_plan_part){.cluster = px_part_file(view->sources[i]->part)->cluster};
    const struct px_plan_pressure pressure = px_plan_measure_pressure(&input);
    shard->compacting.fresh_part_count = pressure.part_count;
    shard->compacting.delay_ms = pressure.delay_ms;
    px_shard__note_hurry(shard);
    free(parts);
}

uint32_t px_shard__write_delay_ms(const struct px_shard *shard)
{
    const struct px_compacting *state = &shard->compacting;
    bool is_stuck = state->is_paused || state->failure_count > 0 || state->retry_ms != 0;
    return is_stuck ? 0 : state->delay_ms;
}

/* Whoever compacts may be at work on another shard, and this one comes after it. */
void px_shard__note_hurry(struct px_shard *shard)
{
    struct px_compacting *state = &shard->compacting;
    bool hurries = px_shard__write_delay_ms(shard) > 0 && !shard->is_closing;
    if (hurries && !state->is_hurrying)
        px_pacer_begin_hurry(shard->context->pacer);
    if (!hurries && state->is_hurrying)
        px_pacer_end_hurry(shard->context->pacer);
    state->is_hurrying = hurries;
}
