#include "service/shard_ivf_internal.h"

#include <stdio.h>
#include <stdlib.h>

/* More than a row in so many got codes since the effort was learnt: it is learnt anew. */
enum { ROWS_PER_FRESH = 2 };

/* ---- what there is ------------------------------------------------------------------------- */

bool px_shard__is_listed(const struct px_source *source)
{
    return source->part != NULL && px_part_file(source->part)->cluster != 0 &&
           !source->has_no_lists;
}

/* All parts with codes. */
struct coded {
    uint64_t part_count;
    uint64_t row_count;
    uint64_t live_count; /* of the rows */
    uint64_t size_bytes; /* of the codes */
};

/* Under the lock. */
static struct coded count_coded(const struct px_shard *shard)
{
    struct coded coded = {0};
    for (uint32_t i = 0; i < shard->view->source_count; i++) {
        const struct px_source *source = shard->view->sources[i];
        if (source->codes == NULL)
            continue;
        uint64_t row_count = px_part_row_count(source->part);
        uint64_t dead_count = px_dead_rows_count(px_part_dead_rows(source->part));
        coded.part_count++;
        coded.row_count += row_count;
        coded.live_count += row_count - (dead_count < row_count ? dead_count : row_count);
        coded.size_bytes += px_ivf_info(source->codes->ivf).size_bytes;
    }
    return coded;
}

static bool wants_codes(const struct px_shard *shard, const struct px_source *source)
{
    return px_shard__is_listed(source) &&
           (source->codes == NULL || source->codes->round < shard->indexing.round);
}

/* The part that is to get codes next: the one behind that which was tried last, so that one that
 * cannot be read is not in the others' way. NULL: all have them. */
static struct px_source *next_part(const struct px_shard *shard)
{
    struct px_source *first = NULL, *next = NULL;
    for (uint32_t i = 0; i < shard->view->source_count; i++) {
        struct px_source *source = shard->view->sources[i];
        if (!wants_codes(shard, source))
            continue;
        if (first == NULL || source->number < first->number)
            first = source;
        if (source->number > shard->indexing.ivf.last_tried &&
            (next == NULL || source->number < next->number))
            next = source;
    }
    return next != NULL ? next : first;
}

/* ---- what is to be done -------------------------------------------------------------------- */

enum ivf_task {
    TASK_NOTHING,
    TASK_OPEN,
    TASK_SWEEP,
    TASK_MAKE,
    TASK_LEARN,
    TASK_FINISH, /* a rebuild */
};

/* Under the lock. */
static bool has_enough_rows(const struct px_shard *shard, const struct coded *coded)
{
    return coded->part_count > 0 || shard->live_count >= px_shard__index_least_rows(shard);
}

/* Under the lock: a part is to get codes. */
static bool has_part_to_make(const struct px_shard *shard, const struct coded *coded)
{
    return has_enough_rows(shard, coded) && next_part(shard) != NULL;
}

/* A compaction has files of parts that are not in the view yet. */
static bool may_sweep(const struct px_shard *shard)
{
    return shard->indexing.ivf.must_sweep && !shard->compacting.is_busy;
}

/* Under the lock. Files of parts that are gone go first: that gives space. */
static enum ivf_task choose(const struct px_shard *shard)
{
    struct coded coded = count_coded(shard);
    if (shard->is_closing || (!shard->indexing.has_looked && !has_enough_rows(shard, &coded)))
        return TASK_NOTHING;
    if (!shard->indexing.has_looked)
        return TASK_OPEN;
    if (may_sweep(shard))
        return TASK_SWEEP;
    bool is_to_make = has_part_to_make(shard, &coded);
    if (is_to_make && !px_data_folder_is_short(shard->context->data_folder))
        return TASK_MAKE;
    if (coded.row_count > 0 &&
        shard->indexing.ivf.fresh_row_count * ROWS_PER_FRESH > coded.row_count)
        return TASK_LEARN;
    return shard->indexing.is_rebuild_asked && !is_to_make ? TASK_FINISH : TASK_NOTHING;
}

static enum ivf_task begin_step(struct px_ivf_step *step)
{
    struct px_shard *shard = step->shard;
    pthread_mutex_lock(&shard->lock);
    enum ivf_task task = choose(shard);
    step->description = px_description_ref(shard->description);
    step->view = px_view_ref(shard->view);
    step->round = shard->indexing.round;
    if (task == TASK_MAKE) {
        step->source = px_source_ref(next_part(shard));
        shard->indexing.ivf.last_tried = step->source->number;
        px_view_unref(step->view); /* it would keep all other parts */
        step->view = NULL;
    }
    if (task == TASK_SWEEP)
        shard->indexing.ivf.must_sweep = false;
    if (task == TASK_NOTHING && !shard->indexing.has_looked)
        shard->indexing.is_rebuild_asked = false; /* there is nothing to rebuild, and no codes */
    pthread_mutex_unlock(&shard->lock);
    return task;
}

static void end_step(struct px_ivf_step *step)
{
    px_source_unref(step->source);
    px_view_unref(step->view);
    px_description_unref(step->description);
}

static bool may_not_go_on(void *context)
{
    return px_shard__index_may_not_go_on(context);
}

static bool should_stop(void *context)
{
    struct px_ivf_step *step = context;
    return step->should_stop(step->context);
}

/* ---- making -------------------------------------------------------------------------------- */

void px_shard__attach_codes(struct px_shard *shard, struct px_source *source,
                            struct px_part_codes *codes)
{
    pthread_mutex_lock(&shard->lock);
    if (!px_source_is_replaced(source)) {
        struct px_part_codes *old = source->codes;
        source->codes = codes;
        codes = old;
        shard->indexing.ivf.fresh_row_count += px_part_row_count(source->part);
    }
    pthread_mutex_unlock(&shard->lock);
    px_part_codes_unref(codes); /* searches may hold them still */
}

static void note_rows(void *context, uint32_t more_done)
{
    struct px_ivf_step *step = context;
    if (step->is_noted)
        atomic_fetch_add_explicit(&step->shard->indexing.rows_done, more_done,
                                  memory_order_relaxed);
}

static void note_progress(struct px_ivf_step *step, uint64_t row_count)
{
    if (!step->is_noted)
        return;
    atomic_store_explicit(&step->shard->indexing.rows_done, 0, memory_order_relaxed);
    atomic_store_explicit(&step->shard->indexing.row_count, row_count, memory_order_relaxed);
}

/* *ret_ivf is NULL where there is nothing to make codes of. */
static int make_codes(struct px_ivf_step *step, struct px_ivf **ret_ivf,
                      struct proximadb_error *reterr)
{
    const struct px_part_codes_input input = {.part = step->source->part,
                                              .collection = &step->description->collection,
                                              .crew = step->crew,
                                              .should_stop = should_stop,
                                              .note_rows = note_rows,
                                              .context = step};
    note_progress(step, px_part_row_count(step->source->part));
    int rc = px_part_codes_make(&input, ret_ivf, reterr);
    if (rc == PROXIMADB_OK && *ret_ivf != NULL)
        rc = px_shard__save_codes(step, *ret_ivf, ret_ivf, reterr);
    note_progress(step, 0);
    return rc;
}

static void note_no_lists(struct px_shard *shard, struct px_source *source)
{
    pthread_mutex_lock(&shard->lock);
    source->has_no_lists = true;
    pthread_mutex_unlock(&shard->lock);
}

static int make(struct px_ivf_step *step, struct proximadb_error *reterr)
{
    struct px_shard *shard = step->shard;
    struct px_part_codes *codes;
    struct px_ivf *ivf = NULL;
    int rc = make_codes(step, &ivf, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    if (ivf == NULL) {
        note_no_lists(shard, step->source);
        return PROXIMADB_OK;
    }
    rc = px_part_codes_new(ivf, step->round, &codes, reterr);
    if (rc != PROXIMADB_OK) {
        px_ivf_close(ivf);
        return rc;
    }
    px_shard__attach_codes(shard, step->source, codes);
    return PROXIMADB_OK;
}

/* Somebody who asked for it waits. */
static int make_in_time(struct px_ivf_step *step, struct proximadb_error *reterr)
{
    struct px_shard *shard = step->shard;
    pthread_mutex_lock(&shard->lock);
    bool is_asked = shard->indexing.is_rebuild_asked;
    pthread_mutex_unlock(&shard->lock);
    if (is_asked)
        px_pacer_begin_hurry(shard->context->index_pacer);
    int rc = make(step, reterr);
    if (is_asked)
        px_pacer_end_hurry(shard->context->index_pacer);
    return rc;
}

/* Whether parts that are still to come should have codes; notes what begins. */
static bool begin_preparing(struct px_ivf_step *step)
{
    struct px_shard *shard = step->shard;
    pthread_mutex_lock(&shard->lock);
    struct coded coded = count_coded(shard);
    bool is_wanted = px_shard__index_kind(shard) == &px_shard__ivf_kind &&
                     has_enough_rows(shard, &coded) && !shard->is_closing &&
                     !px_data_folder_is_short(shard->context->data_folder);
    step->round = shard->indexing.round;
    if (is_wanted)
        shard->indexing.ivf.must_sweep = true; /* nobody may ever see the parts */
    pthread_mutex_unlock(&shard->lock);
    return is_wanted;
}

void px_shard__prepare_codes(struct px_shard *shard, struct px_description *description,
                             struct px_source *const *sources, uint32_t count,
                             bool (*stops)(void *context), void *context)
{
    struct px_ivf_step step = {
        .shard = shard, .description = description, .should_stop = stops, .context = context};
    bool goes_on = begin_preparing(&step);
    for (uint32_t i = 0; goes_on && i < count; i++) {
        step.source = sources[i];
        if (px_shard__is_listed(sources[i]))
            goes_on = make(&step, NULL) == PROXIMADB_OK;
    }
}

/* ---- learning ------------------------------------------------------------------------------ */

/* The codes of a view, with references. */
struct held {
    struct px_part_codes **items; /* owned */
    const struct px_ivf **parts;  /* owned */
    uint32_t count;
    uint64_t fresh_row_count; /* at that moment */
};

static int hold_codes(struct px_ivf_step *step, struct held *held, struct proximadb_error *reterr)
{
    struct px_shard *shard = step->shard;
    uint32_t most = step->view->source_count;
    held->items = calloc(most, sizeof(struct px_part_codes *));
    held->parts = calloc(most, sizeof(const struct px_ivf *));
    if (held->items == NULL || held->parts == NULL)
        return px_fail_no_memory(reterr);
    pthread_mutex_lock(&shard->lock);
    for (uint32_t i = 0; i < most; i++) {
        if (step->view->sources[i]->codes == NULL)
            continue;
        held->items[held->count] = px_part_codes_ref(step->view->sources[i]->codes);
        held->parts[held->count] = held->items[held->count]->ivf;
        held->count++;
    }
    held->fresh_row_count = shard->indexing.ivf.fresh_row_count;
    pthread_mutex_unlock(&shard->lock);
    return PROXIMADB_OK;
}

static void release_codes(struct held *held)
{
    for (uint32_t i = 0; i < held->count; i++)
        px_part_codes_unref(held->items[i]);
    free(held->items);
    free(held->parts);
}

/* What cannot be saved is learnt again at the next start. */
static void save_effort(struct px_shard *shard, const struct px_ivf_effort *effort)
{
    struct proximadb_error error;
    if (px_shard__save_effort(shard, effort, &error) != PROXIMADB_OK)
        px_log_write(&shard->context->log, PROXIMADB_LOG_WARNING,
                     "what was learnt of the index of collection '%s' cannot be saved: %s",
                     shard->name, error.message);
}

static int learn(struct px_ivf_step *step, struct proximadb_error *reterr)
{
    struct px_shard *shard = step->shard;
    struct px_ivf_effort effort;
    struct held held = {0};
    int rc = hold_codes(step, &held, reterr);
    const struct px_ivf_set set = {.parts = held.parts, .part_count = held.count};
    if (rc == PROXIMADB_OK && held.count > 0) {
        rc = px_ivf_effort_learn(&set, should_stop, step, &effort, reterr);
        if (rc == PROXIMADB_OK) {
            pthread_mutex_lock(&shard->lock);
            shard->indexing.ivf.effort = effort;
            shard->indexing.ivf.fresh_row_count -= held.fresh_row_count;
            pthread_mutex_unlock(&shard->lock);
            save_effort(shard, &effort);
        }
    }
    release_codes(&held);
    return rc;
}

/* ---- the step ------------------------------------------------------------------------------ */

static int open_files(struct px_ivf_step *step, struct proximadb_error *reterr)
{
    struct px_shard *shard = step->shard;
    char reason[sizeof shard->indexing.reason] = "", text[sizeof reason + 40];
    uint32_t lost;
    int rc = px_shard__open_codes(step, &lost, reason, sizeof reason - 40, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    pthread_mutex_lock(&shard->lock);
    shard->indexing.has_looked = true;
    shard->indexing.ivf.must_sweep = true;
    pthread_mutex_unlock(&shard->lock);
    snprintf(text, sizeof text, "%s; %u parts in all", reason, lost);
    if (lost > 0)
        px_shard__note_lost_index(shard, lost > 1 ? text : reason);
    return PROXIMADB_OK;
}

static int sweep(struct px_ivf_step *step, struct proximadb_error *reterr)
{
    int rc = px_shard__sweep_codes(step, reterr);
    if (rc == PROXIMADB_OK)
        return rc;
    pthread_mutex_lock(&step->shard->lock);
    step->shard->indexing.ivf.must_sweep = true;
    pthread_mutex_unlock(&step->shard->lock);
    return rc;
}

static void finish_rebuild(struct px_shard *shard)
{
    pthread_mutex_lock(&shard->lock);
    struct coded coded = count_coded(shard);
    if (shard->indexing.is_rebuild_asked && !has_part_to_make(shard, &coded)) {
        shard->indexing.is_rebuild_asked = false;
        shard->indexing.rebuild_count++;
    }
    pthread_mutex_unlock(&shard->lock);
}

static int run_task(struct px_ivf_step *step, enum ivf_task task, struct proximadb_error *reterr)
{
    switch (task) {
    case TASK_OPEN:
        return open_files(step, reterr);
    case TASK_SWEEP:
        return sweep(step, reterr);
    case TASK_MAKE:
        return make_in_time(step, reterr);
    case TASK_LEARN:
        return learn(step, reterr);
    case TASK_FINISH:
        finish_rebuild(step->shard);
        return PROXIMADB_OK;
    default:
        return PROXIMADB_OK;
    }
}

static int step_ivf(struct px_shard *shard, bool *ret_has_done, struct proximadb_error *reterr)
{
    struct px_ivf_step step = {.shard = shard,
                               .crew = shard->context->index_crew,
                               .should_stop = may_not_go_on,
                               .context = shard,
                               .is_noted = true};
    enum ivf_task task = begin_step(&step);
    int rc = run_task(&step, task, reterr);
    *ret_has_done = task != TASK_NOTHING;
    end_step(&step);
    return rc;
}

/* ---- what is common to all kinds of indexes ------------------------------------------------ */

static bool has_work(const struct px_shard *shard)
{
    return choose(shard) != TASK_NOTHING;
}

/* Rows alone bring no work: they get codes when compaction has put them into lists. */
static bool is_pressing(const struct px_shard *shard)
{
    return shard->indexing.has_looked ? may_sweep(shard)
                                      : shard->live_count >= px_shard__index_least_rows(shard);
}

static bool is_there(const struct px_shard *shard)
{
    return count_coded(shard).part_count > 0;
}

static bool is_building(const struct px_shard *shard)
{
    struct coded coded = count_coded(shard);
    return has_enough_rows(shard, &coded) && next_part(shard) != NULL;
}

static uint64_t lag_of(const struct px_shard *shard)
{
    struct coded coded = count_coded(shard);
    if (!has_enough_rows(shard, &coded) || coded.live_count > shard->live_count)
        return 0;
    return shard->live_count - coded.live_count;
}

static void put_numbers(const struct px_shard *shard, struct px_shard_numbers *numbers)
{
    struct coded coded = count_coded(shard);
    numbers->index_row_count = coded.live_count;
    numbers->index_file_bytes = coded.size_bytes;
    numbers->index_memory_bytes = coded.size_bytes;
}

/* Everything is in files already. */
static void close_ivf(struct px_shard *shard)
{
    (void)shard;
}

const struct px_index_kind px_shard__ivf_kind = {
    .step = step_ivf,
    .has_work = has_work,
    .is_pressing = is_pressing,
    .is_there = is_there,
    .is_building = is_building,
    .lag = lag_of,
    .put_numbers = put_numbers,
    .close = close_ivf,
};
