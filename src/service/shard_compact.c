#include "service/shard_compact_internal.h"

#include "base/cancel.h"

#include <assert.h>
#include <stdlib.h>

/* ---- whether to go on ---------------------------------------------------------------------- */

static int fail_stopped(struct proximadb_error *reterr)
{
    return px_fail(reterr, PROXIMADB_CANCELLED, "the compaction was stopped; nothing has changed");
}

/* One that nobody asked for gives way to one that somebody did. */
static bool gives_way(struct px_shard *shard)
{
    pthread_mutex_lock(&shard->lock);
    bool gives = shard->compacting.is_paused || shard->compacting.asked_count > 0;
    pthread_mutex_unlock(&shard->lock);
    return gives;
}

/* Whether it may go on, or why not. */
static int check_wanted(const struct px_shard_compaction *compaction,
                        struct proximadb_error *reterr)
{
    const struct px_shard_compact_request *request = &compaction->request;
    const struct px_clock *clock = compaction->shard->context->clock;
    if (px_shard__is_closing(compaction->shard))
        return px_shard__fail_gone(compaction->shard, reterr);
    if (request->done == NULL)
        return gives_way(compaction->shard) ? fail_stopped(reterr) : PROXIMADB_OK;
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
    struct px_shard_compaction *compaction = context;
    if (compaction->request.done == NULL)
        px_pacer_pace(compaction->shard->context->pacer, &compaction->pace);
    return check_wanted(compaction, NULL) != PROXIMADB_OK;
}

static void note_progress(void *context, uint64_t rows_done, uint64_t row_count)
{
    struct px_shard_compaction *compaction = context;
    struct px_compacting *state = &compaction->shard->compacting;
    atomic_store_explicit(&state->row_count, row_count, memory_order_relaxed);
    atomic_store_explicit(&state->rows_done, rows_done, memory_order_relaxed);
}

/* ---- writing ------------------------------------------------------------------------------- */

static int write_parts(struct px_shard_compaction *compaction, struct proximadb_error *reterr)
{
    struct px_shard *shard = compaction->shard;
    const struct px_compaction_input input = {
        .viper = &shard->viper,
        .collection = &compaction->description->collection,
        .kind = compaction->kind,
        .parts = compaction->old_parts,
        .part_count = compaction->old_count,
        .others = compaction->others,
        .other_count = compaction->other_count,
        .lsn = compaction->stored_lsn,
        .clustering = &compaction->clustering,
        .cluster_count = compaction->request.cluster_count,
        .list_rows = shard->context->list_rows,
        .sizes = shard->context->cluster_sizes,
        .should_stop = should_stop,
        .progress = note_progress,
        .context = compaction,
    };
    int rc = px_compaction_run(&input, &compaction->output, reterr);
    /* What stopped it is said better here. */
    if (rc == PROXIMADB_CANCELLED && check_wanted(compaction, NULL) != PROXIMADB_OK)
        rc = check_wanted(compaction, reterr);
    return rc;
}

static int open_parts(struct px_shard_compaction *compaction, struct proximadb_error *reterr)
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

/* ---- the whole ----------------------------------------------------------------------------- */

static int prepare(struct px_shard_compaction *compaction, struct proximadb_error *reterr)
{
    struct px_shard *shard = compaction->shard;
    int rc = px_shard__measure(compaction, reterr);
    if (rc == PROXIMADB_OK)
        rc = check_wanted(compaction, reterr); /* it may have waited for others */
    if (rc == PROXIMADB_OK)
        rc = px_shard__choose(compaction, reterr);
    if (rc != PROXIMADB_OK || compaction->old_count == 0)
        return rc;
    rc = px_shard__ensure_index(shard, reterr); /* built from the parts of the opening */
    return rc == PROXIMADB_OK ? px_viper_settle(&shard->viper, reterr) : rc;
}

/* Only one compaction runs at a time, so this is what the lists are like until the next. */
static void note_recall(struct px_shard_compaction *compaction)
{
    struct px_compacting *state = &compaction->shard->compacting;
    double recall = compaction->output.recall;
    bool is_low = compaction->kind == PX_COMPACTION_ROUND && recall > 0 &&
                  px_clustering_is_stale(&compaction->clustering, recall);
    pthread_mutex_lock(&compaction->shard->lock);
    if (compaction->kind != PX_COMPACTION_FOLD) {
        state->is_recall_low = is_low;
        state->list_rows = compaction->clustering.list_rows;
    }
    pthread_mutex_unlock(&compaction->shard->lock);
}

static void set_busy(struct px_shard *shard, bool is_busy)
{
    pthread_mutex_lock(&shard->lock);
    shard->compacting.is_busy = is_busy;
    atomic_store(&shard->compacting.rows_done, 0);
    atomic_store(&shard->compacting.row_count, 0);
    pthread_mutex_unlock(&shard->lock);
}

static int rewrite(struct px_shard_compaction *compaction, struct proximadb_error *reterr)
{
    struct px_shard *shard = compaction->shard;
    bool unsure = false;
    int rc = write_parts(compaction, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    rc = open_parts(compaction, reterr);
    if (rc == PROXIMADB_OK)
        px_shard__prepare_codes(shard, compaction->description, compaction->fresh,
                                compaction->fresh_count, should_stop, compaction);
    if (rc == PROXIMADB_OK)
        rc = px_shard__replace_parts(compaction, &unsure, reterr);
    if (rc != PROXIMADB_OK) {
        if (!unsure)
            px_compaction_discard(&shard->viper, &compaction->output);
        return rc;
    }
    note_recall(compaction);
    for (uint32_t i = 0; i < compaction->old_count; i++)
        px_shard__move_index(shard, compaction->old[i]);
    return PROXIMADB_OK;
}

static int run(struct px_shard_compaction *compaction, struct proximadb_error *reterr)
{
    px_pace_init(&compaction->pace, compaction->shard->context->pacer);
    int rc = prepare(compaction, reterr);
    if (rc != PROXIMADB_OK || compaction->old_count == 0)
        return rc;
    set_busy(compaction->shard, true);
    rc = rewrite(compaction, reterr);
    set_busy(compaction->shard, false);
    return rc;
}

static void compaction_free(struct px_shard_compaction *compaction)
{
    for (uint32_t i = 0; i < compaction->fresh_count; i++)
        px_source_unref(compaction->fresh[i]);
    free(compaction->fresh);
    free(compaction->old);
    free(compaction->old_parts);
    free(compaction->others);
    free(compaction->measured);
    px_plan_release(&compaction->plan);
    px_clustering_release(&compaction->clustering);
    px_compaction_release(&compaction->output);
    px_snapshot_release(&compaction->snapshot);
    px_description_unref(compaction->description);
    free(compaction);
}

/* Takes the job in; false if the shard is closing. Under the lock. */
static bool submit(struct px_shard *shard, struct px_shard_compaction *compaction)
{
    if (shard->is_closing)
        return false;
    px_shard__begin_job(shard);
    px_workers_submit(shard->context->background, &compaction->job);
    return true;
}

/* ---- one that was asked for ---------------------------------------------------------------- */

static void run_asked(struct px_job *job)
{
    struct px_shard_compaction *compaction = (struct px_shard_compaction *)job;
    struct px_shard *shard = compaction->shard;
    const struct px_shard_compact_request request = compaction->request;
    struct proximadb_error error;
    int rc = run(compaction, &error);
    const struct px_compaction_output *output = &compaction->output;
    struct proximadb_compact_result result = {.row_count = output->row_count,
                                              .cluster_count = output->file_count,
                                              .bytes_read = output->bytes_read,
                                              .bytes_written = output->bytes_written};
    compaction_free(compaction);
    pthread_mutex_lock(&shard->lock);
    shard->compacting.asked_count--;
    if (rc == PROXIMADB_OK) /* so what failed before may go well now */
        shard->compacting.retry_ms = shard->compacting.failure_count = 0;
    px_shard__note_hurry(shard);
    pthread_mutex_unlock(&shard->lock);
    px_pacer_end_hurry(shard->context->pacer);
    px_shard__schedule_compaction(shard);
    request.done(request.context, &result, rc == PROXIMADB_OK ? NULL : &error);
    px_shard__end_job(shard);
}

void px_shard_compact(struct px_shard *shard, const struct px_shard_compact_request *request)
{
    struct proximadb_error error;
    struct px_shard_compaction *compaction = NULL;
    int rc = px_shard_check(shard, &error);
    if (rc == PROXIMADB_OK && (compaction = malloc(sizeof *compaction)) == NULL)
        rc = px_fail_no_memory(&error);
    if (rc == PROXIMADB_OK) {
        *compaction = (struct px_shard_compaction){
            .job = {.run = run_asked}, .shard = shard, .request = *request};
        px_pacer_begin_hurry(shard->context->pacer);
        pthread_mutex_lock(&shard->lock);
        shard->compacting.asked_count++;
        if (!submit(shard, compaction)) {
            shard->compacting.asked_count--;
            rc = px_shard__fail_gone(shard, &error);
            px_pacer_end_hurry(shard->context->pacer);
        }
        pthread_mutex_unlock(&shard->lock);
    }
    if (rc != PROXIMADB_OK) {
        free(compaction);
        request->done(request->context, NULL, &error);
    }
}

/* ---- those that nobody asked for ----------------------------------------------------------- */

/* Under the lock. */
static void note_outcome(struct px_shard *shard, int rc, bool failed)
{
    const struct px_clock *clock = shard->context->clock;
    struct px_compacting *state = &shard->compacting;
    state->is_scheduled = false;
    state->retry_ms = 0;
    if (rc == PROXIMADB_OK)
        state->failure_count = 0;
    if (failed) {
        state->failure_count++;
        state->retry_ms =
            clock->monotonic_ms(clock) + px_shard__retry_delay_ms(state->failure_count);
    }
    px_shard__note_hurry(shard);
}

/* Each step ends its job, so that collections take turns; the next one plans anew. Behind a failure
 * there is a pause: what fails now will fail a moment later, too. */
static void end_background(struct px_shard *shard, int rc, bool did_something,
                           const struct proximadb_error *error)
{
    bool failed = rc != PROXIMADB_OK && rc != PROXIMADB_CANCELLED && !px_shard__is_closing(shard);
    if (failed)
        px_log_write(&shard->context->log, PROXIMADB_LOG_WARNING,
                     "collection '%s' cannot be compacted, it is tried again later: %s",
                     shard->name, error->message);
    pthread_mutex_lock(&shard->lock);
    note_outcome(shard, rc, failed);
    bool goes_on = (rc == PROXIMADB_OK && did_something) || shard->compacting.is_asked_again;
    pthread_mutex_unlock(&shard->lock);
    if (goes_on && !failed)
        px_shard__schedule_compaction(shard);
}

/* A step needs space before it frees any. Looking costs little, and whose disk is full is told so
 * by the writes that fail. */
static void wait_for_space(struct px_shard *shard)
{
    const struct px_clock *clock = shard->context->clock;
    pthread_mutex_lock(&shard->lock);
    shard->compacting.is_scheduled = false;
    shard->compacting.retry_ms = clock->monotonic_ms(clock) + px_shard__retry_delay_ms(1);
    px_shard__note_hurry(shard);
    pthread_mutex_unlock(&shard->lock);
}

static void run_background(struct px_job *job)
{
    struct px_shard_compaction *compaction = (struct px_shard_compaction *)job;
    struct px_shard *shard = compaction->shard;
    struct proximadb_error error = {0};
    pthread_mutex_lock(&shard->lock);
    shard->compacting.is_asked_again = false;
    pthread_mutex_unlock(&shard->lock);
    bool is_short = px_data_folder_is_short(shard->context->data_folder);
    int rc = is_short ? PROXIMADB_OK : run(compaction, &error);
    bool did_something = compaction->old_count > 0;
    compaction_free(compaction);
    if (is_short)
        wait_for_space(shard);
    else
        end_background(shard, rc, did_something, &error);
    px_shard__end_job(shard);
}

void px_shard__schedule_compaction(struct px_shard *shard)
{
    struct px_shard_compaction *compaction = malloc(sizeof *compaction);
    if (compaction == NULL)
        return; /* the next flush may have more luck */
    *compaction = (struct px_shard_compaction){.job = {.run = run_background}, .shard = shard};
    pthread_mutex_lock(&shard->lock);
    struct px_compacting *state = &shard->compacting;
    bool starts = shard->context->has_background_compaction && !shard->is_stopped &&
                  !state->is_scheduled && !state->is_paused && state->asked_count == 0 &&
                  state->retry_ms == 0 && submit(shard, compaction);
    state->is_asked_again = !starts;
    state->is_scheduled = state->is_scheduled || starts;
    pthread_mutex_unlock(&shard->lock);
    if (!starts)
        free(compaction);
}

void px_shard__retry_compaction(struct px_shard *shard, int64_t now_ms)
{
    pthread_mutex_lock(&shard->lock);
    bool is_due = shard->compacting.retry_ms != 0 && now_ms >= shard->compacting.retry_ms;
    if (is_due)
        shard->compacting.retry_ms = 0;
    px_shard__note_hurry(shard);
    pthread_mutex_unlock(&shard->lock);
    if (is_due)
        px_shard__schedule_compaction(shard);
}

void px_shard_pause_compaction(struct px_shard *shard, bool is_paused)
{
    if (px_shard_check(shard, NULL) != PROXIMADB_OK)
        return;
    pthread_mutex_lock(&shard->lock);
    shard->compacting.is_paused = is_paused;
    if (!is_paused)
        shard->compacting.retry_ms = shard->compacting.failure_count = 0; /* there may be space */
    px_shard__note_hurry(shard);
    if (is_paused && !shard->is_closing)    /* the lane goes after that */
        px_commit_lane_resume(shard->lane); /* nobody waits for what does not run */
    pthread_mutex_unlock(&shard->lock);
    if (!is_paused)
        px_shard__schedule_compaction(shard);
}
