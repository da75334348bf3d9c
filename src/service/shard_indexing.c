#include "service/shard_internal.h"

#include <stdio.h>

enum {
    /* Comparing all rows takes about a millisecond at this many components and rows, of which each
     * costs as much as ROW_COMPONENTS more; an index takes a tenth of that. */
    EXACT_COMPONENTS = 2000000,
    ROW_COMPONENTS = 32,
    FEWEST_ROWS = 256,
};

const struct px_index_kind *px_shard__index_kind(const struct px_shard *shard)
{
    if (!shard->context->has_indexing)
        return NULL;
    switch (shard->description->collection.index_type) {
    case PROXIMADB_HNSW:
        return &px_shard__graph_kind;
    case PROXIMADB_IVF:
        return &px_shard__ivf_kind;
    default:
        return NULL;
    }
}

uint64_t px_shard__index_least_rows(const struct px_shard *shard)
{
    if (shard->context->index_least_rows != 0)
        return shard->context->index_least_rows;
    uint32_t rows = EXACT_COMPONENTS / (shard->dim_count + ROW_COMPONENTS);
    return rows > FEWEST_ROWS ? rows : FEWEST_ROWS;
}

uint64_t px_shard__index_lag(const struct px_shard *shard)
{
    const struct px_index_kind *kind = px_shard__index_kind(shard);
    return kind != NULL ? kind->lag(shard) : 0;
}

/* ---- whether there is something to do ------------------------------------------------------ */

static void schedule(struct px_shard *shard)
{
    struct px_indexing *state = &shard->indexing;
    if (shard->is_closing || shard->is_stopped)
        return;
    if (state->is_scheduled) {
        state->is_asked_again = true;
        return;
    }
    state->is_scheduled = true;
    px_shard__begin_job(shard);
    px_workers_submit(shard->context->indexers, &shard->index_job);
}

void px_shard__note_index(struct px_shard *shard)
{
    const struct px_index_kind *kind = px_shard__index_kind(shard);
    const struct px_indexing *state = &shard->indexing;
    if (kind == NULL || state->retry_ms != 0)
        return;
    if (state->is_rebuild_asked || kind->is_pressing(shard))
        schedule(shard);
}

void px_shard__tick_index(struct px_shard *shard, int64_t now_ms)
{
    struct px_indexing *state = &shard->indexing;
    if (px_shard__index_kind(shard) == NULL || (state->retry_ms != 0 && now_ms < state->retry_ms))
        return;
    state->retry_ms = 0;
    if (px_shard__index_has_work(shard))
        schedule(shard);
}

bool px_shard__index_has_work(const struct px_shard *shard)
{
    const struct px_index_kind *kind = px_shard__index_kind(shard);
    return kind != NULL && kind->has_work(shard);
}

/* ---- rebuilds ------------------------------------------------------------------------------ */

int px_shard_check_index(struct px_shard *shard, struct proximadb_error *reterr)
{
    int rc = px_shard_check(shard, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    pthread_mutex_lock(&shard->lock);
    if (px_shard__index_kind(shard) == NULL)
        rc = px_fail(reterr, PROXIMADB_INVALID,
                     "the collection '%s' has no index to be built, since its index type is %s",
                     shard->name, px_index_type_name(shard->description->collection.index_type));
    pthread_mutex_unlock(&shard->lock);
    return rc;
}

int px_shard_rebuild_index(struct px_shard *shard, struct proximadb_error *reterr)
{
    struct px_indexing *state = &shard->indexing;
    int rc = px_shard_check_index(shard, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    pthread_mutex_lock(&shard->lock);
    state->retry_ms = state->failure_count = 0;
    state->round++;
    /* Else it will be built anyway. */
    if (px_shard__index_kind(shard)->is_there(shard) || state->is_scheduled) {
        state->is_rebuild_asked = true;
        snprintf(state->reason, sizeof state->reason, "somebody asked for it");
    }
    px_shard__note_index(shard);
    pthread_mutex_unlock(&shard->lock);
    return rc;
}

void px_shard__note_rebuild_reason(struct px_shard *shard, const char *reason)
{
    pthread_mutex_lock(&shard->lock);
    snprintf(shard->indexing.reason, sizeof shard->indexing.reason, "%s", reason);
    pthread_mutex_unlock(&shard->lock);
}

void px_shard__note_lost_index(struct px_shard *shard, const char *reason)
{
    pthread_mutex_lock(&shard->lock);
    shard->indexing.rebuild_count++;
    pthread_mutex_unlock(&shard->lock);
    px_shard__note_rebuild_reason(shard, reason);
    px_log_write(&shard->context->log, PROXIMADB_LOG_WARNING,
                 "the index of collection '%s' is built anew, until then its searches compare "
                 "with every row: %s",
                 shard->name, reason);
}

/* ---- the job ------------------------------------------------------------------------------- */

bool px_shard__index_may_not_go_on(struct px_shard *shard)
{
    static _Thread_local struct px_pace pace; /* of each thread of a step */
    static _Thread_local bool has_pace;
    struct px_pacer *pacer = shard->context->index_pacer;
    if (!has_pace)
        px_pace_init(&pace, pacer);
    has_pace = true;
    px_pacer_pace(pacer, &pace);
    return px_shard__is_closing(shard);
}

/* Each step ends its job, so that collections take turns. */
static void note_outcome(struct px_shard *shard, bool goes_on, bool has_failed)
{
    const struct px_clock *clock = shard->context->clock;
    struct px_indexing *state = &shard->indexing;
    pthread_mutex_lock(&shard->lock);
    state->is_scheduled = false;
    goes_on |= state->is_asked_again;
    if (has_failed)
        state->retry_ms =
            clock->monotonic_ms(clock) + px_shard__retry_delay_ms(++state->failure_count);
    else
        state->failure_count = 0;
    if (goes_on && !has_failed)
        px_shard__tick_index(shard, clock->monotonic_ms(clock));
    pthread_mutex_unlock(&shard->lock);
}

static const struct px_index_kind *begin_step(struct px_shard *shard)
{
    pthread_mutex_lock(&shard->lock);
    const struct px_index_kind *kind = px_shard__index_kind(shard);
    shard->indexing.is_asked_again = false;
    pthread_mutex_unlock(&shard->lock);
    return kind;
}

void px_shard__index(struct px_job *job)
{
    struct px_shard *shard =
        (struct px_shard *)((char *)job - offsetof(struct px_shard, index_job));
    struct proximadb_error error;
    bool has_done = false;
    int rc = begin_step(shard)->step(shard, &has_done, &error);
    bool has_failed =
        rc != PROXIMADB_OK && rc != PROXIMADB_CANCELLED && !px_shard__is_closing(shard);
    if (has_failed)
        px_log_write(&shard->context->log, PROXIMADB_LOG_WARNING,
                     "the index of collection '%s' cannot be brought up to date, it is tried again "
                     "later: %s",
                     shard->name, error.message);
    note_outcome(shard, rc == PROXIMADB_OK && has_done, has_failed);
    px_shard__end_job(shard);
}

void px_shard__close_index(struct px_shard *shard)
{
    const struct px_index_kind *kind = px_shard__index_kind(shard);
    if (kind != NULL && !atomic_load(&shard->is_dropped))
        kind->close(shard);
}

/* ---- looking ------------------------------------------------------------------------------- */

static const char *index_state(const struct px_shard *shard, const struct px_index_kind *kind)
{
    if (shard->indexing.is_rebuild_asked || kind->is_building(shard))
        return "building";
    return kind->is_there(shard) ? "ready" : "none";
}

void px_shard__put_index_numbers(const struct px_shard *shard, struct px_shard_numbers *numbers)
{
    const struct px_index_kind *kind = px_shard__index_kind(shard);
    const struct px_indexing *state = &shard->indexing;
    if (kind == NULL) {
        numbers->index_state = "none";
        return;
    }
    numbers->index_state = index_state(shard, kind);
    numbers->index_lag = kind->lag(shard);
    numbers->index_rows_done = atomic_load(&state->rows_done);
    numbers->index_rebuild_count = state->rebuild_count;
    numbers->index_failure_count = state->failure_count;
    memcpy(numbers->index_rebuild_reason, state->reason, sizeof state->reason);
    kind->put_numbers(shard, numbers);
}
