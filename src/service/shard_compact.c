#include "service/shard_internal.h"

#include "base/cancel.h"
#include "viper/compaction.h"

#include <assert.h>
#include <stdlib.h>

/* A compaction in the background. */
struct compaction {
    struct px_job job; /* first member */
    struct px_shard *shard;
    struct px_shard_compact_request request;

    struct px_snapshot snapshot; /* holds the parts */
    int64_t stored_lsn;          /* rows that were dead by then are left behind */
    struct px_description *description;
    struct px_source **old; /* the snapshot's parts */
    struct px_part **old_parts;
    uint32_t old_count;
    struct px_compaction_output output;
    struct px_source *
        *fresh; /* one for each file written; a reference each until they are in the table */
    uint32_t fresh_count;
};

static bool is_closing(struct px_shard *shard)
{
    pthread_mutex_lock(&shard->lock);
    bool closing = shard->is_closing;
    pthread_mutex_unlock(&shard->lock);
    return closing;
}

/* Whether it may go on, or why not. */
static int check_wanted(const struct compaction *compaction, struct proximadb_error *reterr)
{
    const struct px_shard_compact_request *request = &compaction->request;
    const struct px_clock *clock = compaction->shard->context->clock;
    if (is_closing(compaction->shard))
        return px_shard__fail_gone(compaction->shard, reterr);
    if (request->cancel != NULL && px_cancel_is_fired(request->cancel))
        return px_fail(reterr, PROXIMADB_CANCELLED,
                       "the compaction was cancelled; nothing has changed");
    if (request->deadline_ms != 0 && clock->monotonic_ms(clock) >= request->deadline_ms)
        return px_fail(reterr, PROXIMADB_DEADLINE_EXCEEDED,
                       "the deadline passed before the compaction was done; nothing has changed");
    return PROXIMADB_OK;
}

static bool should_stop(void *context)
{
    return check_wanted(context, NULL) != PROXIMADB_OK;
}

static int list_old_parts(struct compaction *compaction, struct proximadb_error *reterr)
{
    struct px_view *view = compaction->snapshot.view;
    compaction->old = malloc(view->source_count * sizeof(struct px_source *));
    compaction->old_parts = malloc(view->source_count * sizeof(struct px_part *));
    if (compaction->old == NULL || compaction->old_parts == NULL)
        return px_fail_no_memory(reterr);
    for (uint32_t i = 0; i < view->source_count; i++) {
        if (view->sources[i]->part == NULL)
            continue;
        compaction->old[compaction->old_count] = view->sources[i];
        compaction->old_parts[compaction->old_count++] = view->sources[i]->part;
    }
    return PROXIMADB_OK;
}

static int write_parts(struct compaction *compaction, struct proximadb_error *reterr)
{
    struct px_shard *shard = compaction->shard;
    struct px_compaction_input input = {.viper = &shard->viper,
                                        .collection = &compaction->description->collection,
                                        .parts = compaction->old_parts,
                                        .part_count = compaction->old_count,
                                        .lsn = compaction->stored_lsn,
                                        .cluster_count = compaction->request.cluster_count,
                                        .should_stop = should_stop,
                                        .context = compaction};
    int rc = px_compaction_run(&input, &compaction->output, reterr);
    /* What stopped it is said better here. */
    if (rc == PROXIMADB_CANCELLED && should_stop(compaction))
        rc = check_wanted(compaction, reterr);
    return rc;
}

static int open_parts(struct compaction *compaction, struct proximadb_error *reterr)
{
    struct px_shard *shard = compaction->shard;
    const struct px_compaction_output *output = &compaction->output;
    compaction->fresh = calloc(output->file_count + 1, sizeof(struct px_source *));
    if (compaction->fresh == NULL)
        return px_fail_no_memory(reterr);
    for (size_t i = 0; i < output->file_count; i++) {
        struct px_part *part;
        int rc = px_part_open(shard->viper.fs, shard->viper.folder.text, &output->files[i],
                              &compaction->description->collection, &part, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
        rc = px_source_new(NULL, part, &compaction->fresh[i], reterr);
        if (rc != PROXIMADB_OK) {
            px_part_close(part);
            return rc;
        }
        compaction->fresh_count++;
    }
    return PROXIMADB_OK;
}

/* ---- committing ---------------------------------------------------------------------------- */

/* The deletes that flushes have stored for the old parts meanwhile, in terms of the new ones. Later
 * ones the memtables have. Under commit_lock. */
static int list_deletes(struct compaction *compaction, struct px_delete **ret_deletes,
                        size_t *ret_count, struct proximadb_error *reterr)
{
    const struct px_compaction_output *output = &compaction->output;
    int64_t flushed_lsn = compaction->shard->viper.manifest.flushed_lsn;
    size_t count = 0, capacity = 0;
    struct px_delete *deletes = NULL;
    for (uint32_t i = 0; i < compaction->old_count; i++) {
        uint32_t row_count = px_source_row_count(compaction->old[i]);
        for (uint32_t row = 0; row < row_count; row++) {
            struct px_moved moved = output->moved[i][row];
            int64_t lsn = px_source_killed_at(compaction->old[i], row);
            if (moved.target == PX_NOT_MOVED || lsn == 0 || lsn > flushed_lsn)
                continue;
            if (count == capacity) {
                capacity = capacity == 0 ? 256 : 2 * capacity;
                struct px_delete *grown = realloc(deletes, capacity * sizeof *deletes);
                if (grown == NULL) {
                    free(deletes);
                    return px_fail_no_memory(reterr);
                }
                deletes = grown;
            }
            deletes[count++] = (struct px_delete){
                .path = output->files[moved.target].path, .row = moved.row, .lsn = lsn};
        }
    }
    *ret_deletes = deletes;
    *ret_count = count;
    return PROXIMADB_OK;
}

static int store(struct compaction *compaction, bool *ret_unsure, struct proximadb_error *reterr)
{
    const struct px_compaction_output *output = &compaction->output;
    struct px_viper_replacement replacement = {
        .old_parts = compaction->old_parts,
        .old_part_count = compaction->old_count,
        .new_parts = output->files,
        .new_part_count = output->file_count,
        .centroids = output->file_count > 0 ? &output->centroids : NULL,
    };
    int rc = list_deletes(compaction, &replacement.deletes, &replacement.delete_count, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_viper_replace_parts(&compaction->shard->viper, &replacement, ret_unsure, reterr);
    free(replacement.deletes);
    return rc;
}

/* The arrays of targets that the old sources take; NULL without memory. */
static struct px_source ***make_targets(const struct compaction *compaction)
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

/* Kills of rows that have moved are noted under their new places. Under the lock. */
static void move_noted_kills(struct px_shard *shard)
{
    for (uint32_t i = 0; i < shard->view->source_count; i++) {
        size_t count;
        if (shard->view->sources[i]->memtable == NULL)
            continue;
        struct px_kill *kills = px_memtable_kills(shard->view->sources[i]->memtable, &count);
        for (size_t k = 0; k < count; k++) {
            struct px_source *source = shard->sources[kills[k].source];
            bool there = px_source_resolve(&source, &kills[k].row);
            assert(there); /* it died behind stored_lsn */
            kills[k].source = there ? source->number : kills[k].source;
        }
    }
}

/* Under the lock. */
static int reserve(struct compaction *compaction)
{
    struct px_shard *shard = compaction->shard;
    int rc = px_shard__reserve_sources(shard, compaction->fresh_count, NULL);
    for (uint32_t i = 0; i < compaction->old_count && rc == PROXIMADB_OK; i++)
        rc = px_shard__reserve_carried(shard, compaction->old[i], compaction->output.moved[i],
                                       compaction->fresh, compaction->fresh_count, NULL);
    return rc;
}

static bool try_publish(struct compaction *compaction)
{
    struct px_shard *shard = compaction->shard;
    struct px_source ***targets = make_targets(compaction);
    if (targets == NULL)
        return false;
    pthread_mutex_lock(&shard->lock);
    int rc = reserve(compaction);
    if (rc == PROXIMADB_OK)
        rc = px_shard__replace_in_view(shard, compaction->old, compaction->old_count,
                                       compaction->fresh, compaction->fresh_count, NULL);
    for (uint32_t i = 0; rc == PROXIMADB_OK && i < compaction->fresh_count; i++)
        px_shard__add_source(shard, px_source_ref(compaction->fresh[i]));
    for (uint32_t i = 0; i < compaction->old_count; i++) {
        if (rc != PROXIMADB_OK) {
            free(targets[i]);
            continue;
        }
        px_source_set_moved(compaction->old[i], compaction->output.moved[i], targets[i],
                            compaction->fresh_count);
        compaction->output.moved[i] = NULL; /* taken */
        px_part_set_obsolete(compaction->old_parts[i], shard->viper.gate);
    }
    if (rc == PROXIMADB_OK) {
        move_noted_kills(shard);
        for (uint32_t i = 0; i < compaction->old_count; i++)
            px_shard__mark_carried(compaction->old[i]);
    }
    pthread_mutex_unlock(&shard->lock);
    free(targets);
    return rc == PROXIMADB_OK;
}

/* From the new manifest to the new view nothing may be flushed: what it stores names parts. */
static int commit(struct compaction *compaction, bool *ret_unsure, struct proximadb_error *reterr)
{
    struct px_viper *viper = &compaction->shard->viper;
    pthread_mutex_lock(&viper->commit_lock);
    int rc = store(compaction, ret_unsure, reterr);
    while (rc == PROXIMADB_OK && !try_publish(compaction))
        px_shard__wait_for_memory();
    pthread_mutex_unlock(&viper->commit_lock);
    return rc;
}

/* ---- the whole ----------------------------------------------------------------------------- */

/* What is stored is always the rows as of the manifest's flushed_lsn, neither more nor less: so
 * rows that died later go over, and die again in their new place, and replay finds what it found
 * the first time. A flush may have stored more than the view shows yet: its memtable still notes
 * kills of these parts, and what it killed must go over, too. */
static void take_snapshot(struct compaction *compaction)
{
    struct px_shard *shard = compaction->shard;
    pthread_mutex_lock(&shard->lock);
    px_shard__take_snapshot(shard, &compaction->snapshot);
    compaction->stored_lsn = shard->stored_lsn;
    pthread_mutex_unlock(&shard->lock);
    compaction->description = px_shard_describe(shard);
}

static int run(struct compaction *compaction, struct proximadb_error *reterr)
{
    struct px_shard *shard = compaction->shard;
    take_snapshot(compaction);
    int rc = check_wanted(compaction, reterr); /* it may have waited for others */
    if (rc == PROXIMADB_OK)
        rc = px_shard__ensure_index(shard, reterr); /* built from the parts of the opening */
    if (rc == PROXIMADB_OK)
        rc = list_old_parts(compaction, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_viper_settle(&shard->viper, reterr);
    if (rc != PROXIMADB_OK || compaction->old_count == 0)
        return rc;
    rc = write_parts(compaction, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    bool unsure = false;
    rc = open_parts(compaction, reterr);
    if (rc == PROXIMADB_OK)
        rc = commit(compaction, &unsure, reterr);
    if (rc != PROXIMADB_OK) {
        if (!unsure)
            px_compaction_discard(&shard->viper, &compaction->output);
        return rc;
    }
    for (uint32_t i = 0; i < compaction->old_count; i++)
        px_shard__move_index(shard, compaction->old[i]);
    return PROXIMADB_OK;
}

static void run_job(struct px_job *job)
{
    struct compaction *compaction = (struct compaction *)job;
    struct px_shard *shard = compaction->shard;
    struct proximadb_error error;
    int rc = run(compaction, &error);
    const struct px_compaction_output *output = &compaction->output;
    struct proximadb_compact_result result = {.row_count = output->row_count,
                                              .cluster_count = output->file_count,
                                              .bytes_read = output->bytes_read,
                                              .bytes_written = output->bytes_written};
    for (uint32_t i = 0; i < compaction->fresh_count; i++)
        px_source_unref(compaction->fresh[i]);
    free(compaction->fresh);
    free(compaction->old);
    free(compaction->old_parts);
    px_compaction_release(&compaction->output);
    px_snapshot_release(&compaction->snapshot);
    px_description_unref(compaction->description);
    compaction->request.done(compaction->request.context, &result,
                             rc == PROXIMADB_OK ? NULL : &error);
    free(compaction);
    px_shard__end_job(shard);
}

void px_shard_compact(struct px_shard *shard, const struct px_shard_compact_request *request)
{
    struct proximadb_error error;
    struct compaction *compaction = NULL;
    int rc = px_shard_check(shard, &error);
    if (rc == PROXIMADB_OK && (compaction = malloc(sizeof *compaction)) == NULL)
        rc = px_fail_no_memory(&error);
    if (rc == PROXIMADB_OK) {
        *compaction =
            (struct compaction){.job = {.run = run_job}, .shard = shard, .request = *request};
        pthread_mutex_lock(&shard->lock);
        if (shard->is_closing)
            rc = px_shard__fail_gone(shard, &error);
        else
            px_shard__begin_job(shard);
        pthread_mutex_unlock(&shard->lock);
    }
    if (rc == PROXIMADB_OK) {
        px_workers_submit(shard->context->background, &compaction->job);
    } else {
        free(compaction);
        request->done(request->context, NULL, &error);
    }
}
