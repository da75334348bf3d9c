#include "service/shard_graph_internal.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    /* That are inserted before other collections have their turn, and meanwhile keep the files that
     * they are read from: some tenths of a second, four times that where somebody reads. */
    STEP_ROWS = 2048,

    /* Building anew takes less time than inserting where more than a row in so many is missing:
     * a build takes about half of the time that inserts of the same rows take. */
    ROWS_PER_MISSING = 2,

    ROWS_PER_DEAD = 5, /* one dead slot in so many is worth a repair */
    LEAST_DEAD = 256,  /* fewer are not worth a walk over the graph */
    CALIBRATE_ROWS = 128,
    ROWS_PER_CHANGE = 4, /* one change in so many is worth a save */
    ROWS_PER_LAG = 8,    /* more than one row in so many is missing: it is too early for that */
    SAVE_MS = 180000,    /* between two saves */
};

bool px_shard__index_should_stop(void *context)
{
    struct px_index_step *step = context;
    return px_shard__index_may_not_go_on(step->shard);
}

/* ---- what is to be done -------------------------------------------------------------------- */

enum index_task {
    TASK_NOTHING,
    TASK_OPEN,
    TASK_BUILD,
    TASK_INSERT,
    TASK_REPAIR,
    TASK_SAVE,
};

/* Whether what is in memory should be on the device soon. Under the lock. */
static bool wants_save(const struct px_shard *shard)
{
    const struct px_indexing *state = &shard->indexing;
    const struct px_clock *clock = shard->context->clock;
    bool has_changed = state->changed_count * ROWS_PER_CHANGE > state->saved_row_count;
    return (state->must_save || has_changed) && clock->monotonic_ms(clock) >= state->next_save_ms &&
           !px_data_folder_is_short(shard->context->data_folder); /* rows need the space */
}

static bool wants_repair(const struct px_graph_index *index)
{
    uint64_t dead = px_graph_dead_count(index->graph);
    return dead >= LEAST_DEAD && dead * ROWS_PER_DEAD > dead + px_graph_live_count(index->graph);
}

/* Under the lock. */
static enum index_task choose(const struct px_shard *shard)
{
    const struct px_indexing *state = &shard->indexing;
    uint64_t lag = px_shard__index_lag(shard);
    if (shard->is_closing)
        return TASK_NOTHING;
    if (!state->has_looked)
        return lag > 0 ? TASK_OPEN : TASK_NOTHING;
    if (state->index == NULL)
        return lag > 0 ? TASK_BUILD : TASK_NOTHING;
    if (state->is_rebuild_asked || lag * ROWS_PER_MISSING > shard->live_count)
        return TASK_BUILD;
    if (wants_repair(state->index))
        return TASK_REPAIR;
    if (lag * ROWS_PER_LAG < shard->live_count && wants_save(shard))
        return TASK_SAVE;
    return lag > 0 ? TASK_INSERT : TASK_NOTHING;
}

bool px_shard__graph_has_work(const struct px_shard *shard)
{
    return choose(shard) != TASK_NOTHING;
}

static enum index_task begin_step(struct px_index_step *step)
{
    struct px_shard *shard = step->shard;
    pthread_mutex_lock(&shard->lock);
    enum index_task task = choose(shard);
    if (task == TASK_NOTHING && shard->indexing.index == NULL)
        shard->indexing.is_rebuild_asked = false; /* there is nothing to build anew */
    if (task != TASK_NOTHING) {
        step->description = px_description_ref(shard->description);
        if (shard->indexing.index != NULL)
            step->index = px_graph_index_ref(shard->indexing.index);
    }
    pthread_mutex_unlock(&shard->lock);
    return task;
}

static void end_step(struct px_index_step *step)
{
    px_graph_index_unref(step->index);
    px_description_unref(step->description);
    free(step->places);
}

/* ---- the tasks ----------------------------------------------------------------------------- */

/* A file of before that is of no use is made anew. */
static int open_file(struct px_index_step *step, struct proximadb_error *reterr)
{
    struct px_shard *shard = step->shard;
    char reason[sizeof shard->indexing.reason] = "";
    int rc = px_shard__open_graph(step, reason, sizeof reason, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    pthread_mutex_lock(&shard->lock);
    shard->indexing.has_looked = true;
    bool is_lost = shard->indexing.index == NULL && reason[0] != '\0';
    pthread_mutex_unlock(&shard->lock);
    if (is_lost)
        px_shard__note_lost_index(shard, reason);
    return PROXIMADB_OK;
}

static int build(struct px_index_step *step, struct proximadb_error *reterr)
{
    struct px_shard *shard = step->shard;
    pthread_mutex_lock(&shard->lock);
    bool was_asked = shard->indexing.is_rebuild_asked;
    bool is_first = step->index == NULL;
    shard->indexing.is_rebuild_asked = false;
    pthread_mutex_unlock(&shard->lock);
    if (was_asked)
        px_pacer_begin_hurry(shard->context->index_pacer);
    int rc = px_shard__build_graph(step, reterr);
    if (was_asked)
        px_pacer_end_hurry(shard->context->index_pacer);
    pthread_mutex_lock(&shard->lock);
    if (rc != PROXIMADB_OK)
        shard->indexing.is_rebuild_asked |= was_asked;
    else if (!is_first)
        shard->indexing.rebuild_count++;
    if (rc == PROXIMADB_OK && (is_first || was_asked)) {
        shard->indexing.must_save = true;
        shard->indexing.next_save_ms = 0;
    }
    pthread_mutex_unlock(&shard->lock);
    if (rc == PROXIMADB_OK && !is_first && !was_asked)
        px_shard__note_rebuild_reason(shard, "most rows were not in it");
    return rc;
}

/* Learns anew what recall takes, from rows that are not in the graph yet. Not being able to is no
 * reason not to go on. */
static void calibrate(struct px_index_step *step)
{
    struct px_graph *graph = step->index->graph;
    size_t dim_count = step->shard->dim_count, count = step->place_count;
    struct px_row_reader rows;
    const struct px_graph_control control = {.should_stop = px_shard__index_should_stop,
                                             .context = step};
    if (count < CALIBRATE_ROWS ||
        px_graph_live_count(graph) < 2 * px_graph_calibrated_count(graph) ||
        px_row_reader_init(&rows, &step->snapshot, NULL) != PROXIMADB_OK)
        return;
    count = CALIBRATE_ROWS;
    float *queries = malloc(count * dim_count * sizeof(float));
    bool is_read = queries != NULL;
    for (size_t i = 0; i < count && is_read; i++) {
        const struct px_row_place *place = &step->places[i * step->place_count / count];
        const void *vector = px_row_reader_vector(&rows, place->source_index, place->row);
        is_read = vector != NULL;
        if (is_read)
            memcpy(queries + i * dim_count, vector, dim_count * sizeof(float));
    }
    const struct px_rows held_out = {.data = queries,
                                     .stride_bytes = dim_count * sizeof(float),
                                     .row_count = count,
                                     .dim_count = dim_count};
    if (is_read)
        (void)!px_graph_calibrate(graph, &held_out, step->shard->context->index_crew, &control,
                                  NULL);
    free(queries);
    px_row_reader_release(&rows);
}

static int insert(struct px_index_step *step, struct proximadb_error *reterr)
{
    struct px_shard *shard = step->shard;
    bool is_unfit = false;
    px_shard__begin_following(shard, &step->snapshot);
    int rc = px_shard__list_unindexed(step, step->index->side, STEP_ROWS, reterr);
    if (rc == PROXIMADB_OK && step->place_count > 0) {
        calibrate(step);
        rc = px_shard__insert_rows(step, &is_unfit, reterr);
    }
    px_shard__end_following(shard, &step->snapshot);
    if (is_unfit) {
        pthread_mutex_lock(&shard->lock);
        shard->indexing.is_rebuild_asked = true;
        pthread_mutex_unlock(&shard->lock);
        px_shard__note_rebuild_reason(shard, "rows came that do not fit it");
    }
    return rc;
}

/* A graph that cannot be saved is as good as any, for the time being, and grows on. */
static void save(struct px_index_step *step)
{
    struct px_shard *shard = step->shard;
    const struct px_clock *clock = shard->context->clock;
    struct proximadb_error error;
    pthread_mutex_lock(&shard->lock);
    shard->indexing.next_save_ms = clock->monotonic_ms(clock) + SAVE_MS;
    pthread_mutex_unlock(&shard->lock);
    if (px_shard__save_graph(shard, step->index, &error) != PROXIMADB_OK)
        px_log_write(&shard->context->log, PROXIMADB_LOG_WARNING,
                     "the index of collection '%s' cannot be saved, it is tried again later: %s",
                     shard->name, error.message);
}

static int repair(struct px_index_step *step, struct proximadb_error *reterr)
{
    const struct px_graph_control control = {.should_stop = px_shard__index_should_stop,
                                             .context = step};
    return px_graph_repair(step->index->graph, step->shard->context->index_crew, &control, reterr);
}

static int run_task(struct px_index_step *step, enum index_task task,
                    struct proximadb_error *reterr)
{
    switch (task) {
    case TASK_OPEN:
        return open_file(step, reterr);
    case TASK_BUILD:
        return build(step, reterr);
    case TASK_INSERT:
        return insert(step, reterr);
    case TASK_REPAIR:
        return repair(step, reterr);
    case TASK_SAVE:
        save(step);
        return PROXIMADB_OK;
    default:
        return PROXIMADB_OK;
    }
}

/* ---- the step ------------------------------------------------------------------------------ */

int px_shard__step_graph(struct px_shard *shard, bool *ret_has_done, struct proximadb_error *reterr)
{
    struct px_index_step step = {.shard = shard};
    enum index_task task = begin_step(&step);
    int rc = run_task(&step, task, reterr);
    /* Rows that are still on their way to another part are left to the next step. */
    bool needs_rows = task == TASK_BUILD || task == TASK_INSERT;
    *ret_has_done = task != TASK_NOTHING && (!needs_rows || step.place_count > 0);
    end_step(&step);
    return rc;
}

void px_shard__close_graph(struct px_shard *shard)
{
    struct px_indexing *state = &shard->indexing;
    struct proximadb_error error;
    if (state->index == NULL || (state->changed_count == 0 && !state->must_save) ||
        px_data_folder_is_short(shard->context->data_folder))
        return;
    if (px_shard__save_graph(shard, state->index, &error) != PROXIMADB_OK)
        px_log_write(&shard->context->log, PROXIMADB_LOG_WARNING,
                     "the index of collection '%s' could not be saved, the next start completes "
                     "it: %s",
                     shard->name, error.message);
}
