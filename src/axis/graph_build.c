#include "axis/graph_build_internal.h"

#include "os/crew.h"

#include <stdlib.h>

enum {
    ROWS_AT_ONCE = 64,
    NUMBERS_AT_ONCE = 64,
    MOST_HELD = 256,         /* rows that the graph is calibrated with before they are inserted */
    LEAST_CALIBRATED = 2000, /* rows that make it worth while */
};

/* ---- members -------------------------------------------------------------------------------- */

static void stop_with(struct px_graph__build *build, int rc, const struct proximadb_error *error)
{
    pthread_mutex_lock(&build->lock);
    if (build->rc == PROXIMADB_OK) {
        build->rc = rc;
        build->error = *error;
    }
    pthread_mutex_unlock(&build->lock);
}

/* Whether to go on after `count` more steps; the lock is held. A row is read, and linked. */
static bool go_on(struct px_graph__build *build, size_t count)
{
    const struct px_graph_control *control = build->control;
    if (build->rc == PROXIMADB_OK && control != NULL && control->should_stop != NULL &&
        control->should_stop(control->context))
        build->rc = px_fail(&build->error, PROXIMADB_CANCELLED, "the build was stopped");
    build->progress += count;
    if (control != NULL && control->progress != NULL)
        control->progress(control->context, build->progress / 2, build->input->row_count);
    return build->rc == PROXIMADB_OK;
}

/* The end of a share; 0: there is none left, or the build has failed. */
static uint32_t take_share(struct px_graph__build *build, uint32_t *ret_first)
{
    uint32_t first = atomic_fetch_add(&build->next_number, NUMBERS_AT_ONCE);
    if (first >= build->end_number)
        return 0;
    uint32_t left = build->end_number - first;
    uint32_t count = left < NUMBERS_AT_ONCE ? left : NUMBERS_AT_ONCE;
    pthread_mutex_lock(&build->lock);
    bool goes_on = go_on(build, 0);
    pthread_mutex_unlock(&build->lock);
    *ret_first = first;
    return goes_on ? first + count : 0;
}

static int run_shares(struct px_graph__build *build, struct px_graph_worker *worker,
                      struct proximadb_error *reterr)
{
    uint32_t first, end;
    int rc = px_graph__prepare_path(worker, reterr);
    while (rc == PROXIMADB_OK && (end = take_share(build, &first)) > 0) {
        rc = px_graph__enter(build->graph, worker, reterr);
        if (rc != PROXIMADB_OK)
            break;
        for (uint32_t number = first; number < end; number++)
            build->step(build, worker, number);
        px_graph__leave(worker);
    }
    return rc;
}

/* Does the build's present work with a worker of its own. */
static void work_as_member(void *context, unsigned member)
{
    (void)member;
    struct px_graph__build *build = context;
    struct px_graph_worker *worker;
    struct proximadb_error error = {0};
    int rc = px_graph_worker_new(build->graph, &worker, &error);
    if (rc == PROXIMADB_OK) {
        rc = build->work(build, worker, &error);
        px_graph_worker_free(worker);
    }
    if (rc != PROXIMADB_OK)
        stop_with(build, rc, &error);
}

/* Has it done by the crew. */
static int work_all(struct px_graph__build *build, px_graph__work *work,
                    struct proximadb_error *reterr)
{
    build->work = work;
    px_crew_run(build->crew, px_crew_size(build->crew) + 1, work_as_member, build);
    if (build->rc != PROXIMADB_OK && reterr != NULL)
        *reterr = build->error;
    return build->rc;
}

int px_graph__run(struct px_graph__build *build, px_graph__step *step, uint32_t count,
                  struct proximadb_error *reterr)
{
    build->step = step;
    build->end_number = count;
    atomic_store(&build->next_number, 0);
    return work_all(build, run_shares, reterr);
}

/* ---- rows held back ------------------------------------------------------------------------- */

static int prepare_held(struct px_graph__build *build, struct proximadb_error *reterr)
{
    uint64_t row_count = build->input->row_count;
    if (row_count < LEAST_CALIBRATED)
        return PROXIMADB_OK;
    build->held_step = row_count / MOST_HELD + 1;
    if (build->held_step < 10)
        build->held_step = 10;
    build->held = malloc((size_t)MOST_HELD * build->graph->config.dim_count * sizeof *build->held);
    build->held_labels = malloc(MOST_HELD * sizeof *build->held_labels);
    build->held_rows = malloc(MOST_HELD * sizeof *build->held_rows);
    if (build->held == NULL || build->held_labels == NULL || build->held_rows == NULL)
        return px_fail_no_memory(reterr);
    return PROXIMADB_OK;
}

/* Whether the row was held back. */
static bool hold(struct px_graph__build *build, uint64_t row, const float *vector, int64_t label)
{
    size_t dim_count = build->graph->config.dim_count;
    if (build->held_step == 0 || row % build->held_step != build->held_step - 1)
        return false;
    pthread_mutex_lock(&build->lock);
    uint32_t at = build->held_count;
    bool is_held = at < MOST_HELD;
    if (is_held) {
        memcpy(build->held + at * dim_count, vector, dim_count * sizeof *vector);
        build->held_labels[at] = label;
        build->held_rows[at] = row;
        build->held_count++;
    }
    pthread_mutex_unlock(&build->lock);
    return is_held;
}

/* ---- reading -------------------------------------------------------------------------------- */

/* Reads the next rows; 0: there are none, or the build has failed. */
static size_t take_rows(struct px_graph__build *build, float *vectors, int64_t *labels,
                        uint64_t *ret_first)
{
    pthread_mutex_lock(&build->lock);
    uint64_t left = build->input->row_count - build->next_row;
    size_t count = left < ROWS_AT_ONCE ? (size_t)left : ROWS_AT_ONCE;
    if (go_on(build, count) && count > 0)
        build->rc = build->input->read(build->input->context, build->next_row, count, vectors,
                                       labels, &build->error);
    if (build->rc != PROXIMADB_OK)
        count = 0;
    *ret_first = build->next_row;
    build->next_row += count;
    pthread_mutex_unlock(&build->lock);
    return count;
}

/* Gives a row a slot, without linking it. */
static int place_row(struct px_graph__build *build, struct px_graph_worker *worker,
                     const float *vector, int64_t label, uint64_t row,
                     struct proximadb_error *reterr)
{
    uint32_t slot;
    int rc = px_graph__place(build->graph, worker, vector, label, &slot, reterr);
    if (rc == PROXIMADB_OK) {
        px_graph__leave(worker);
        build->rows[slot] = (uint32_t)row;
    }
    return rc;
}

static int place_rows(struct px_graph__build *build, struct px_graph_worker *worker,
                      struct proximadb_error *reterr)
{
    uint32_t dim_count = build->graph->config.dim_count;
    float *vectors = malloc((size_t)ROWS_AT_ONCE * dim_count * sizeof *vectors);
    int64_t labels[ROWS_AT_ONCE];
    uint64_t first;
    size_t count;
    int rc = vectors == NULL ? px_fail_no_memory(reterr) : PROXIMADB_OK;
    while (rc == PROXIMADB_OK && (count = take_rows(build, vectors, labels, &first)) > 0)
        for (size_t i = 0; i < count && rc == PROXIMADB_OK; i++)
            if (!hold(build, first + i, vectors + i * dim_count, labels[i]))
                rc =
                    place_row(build, worker, vectors + i * dim_count, labels[i], first + i, reterr);
    free(vectors);
    return rc;
}

/* ---- linking -------------------------------------------------------------------------------- */

static uint32_t common_divisor(uint32_t a, uint32_t b)
{
    while (b != 0) {
        uint32_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Steps of this size meet every slot once, in an order that follows neither rows nor places: slots
 * that are linked near by near make a graph without long edges (docs/AXIS.md). */
static uint32_t stride_for(uint32_t slot_count)
{
    uint32_t stride = (uint32_t)((double)slot_count * 0.6180339887) + 1;
    while (common_divisor(stride, slot_count) != 1)
        stride++;
    return stride;
}

static void link_number(struct px_graph__build *build, struct px_graph_worker *worker,
                        uint32_t number)
{
    uint32_t slot = (uint32_t)((uint64_t)number * build->stride % build->end_number);
    if (build->homes != NULL && build->homes[slot] == PX_GRAPH__NONE)
        return; /* of the skeleton */
    px_graph__set_slot(build->graph, &worker->view, slot, &worker->query);
    px_graph__link(build->graph, worker, slot);
    if (number % NUMBERS_AT_ONCE == 0) {
        pthread_mutex_lock(&build->lock);
        build->progress += NUMBERS_AT_ONCE;
        pthread_mutex_unlock(&build->lock);
    }
}

/* Calibrates with the rows held back, and inserts them. */
static int insert_held(struct px_graph__build *build, struct proximadb_error *reterr)
{
    uint32_t dim_count = build->graph->config.dim_count;
    struct px_rows held = {build->held, dim_count * sizeof(float), build->held_count, dim_count};
    struct px_graph_worker *worker;
    int rc = px_graph_calibrate(build->graph, &held, build->crew, build->control, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    rc = px_graph_worker_new(build->graph, &worker, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    for (uint32_t i = 0; i < build->held_count && rc == PROXIMADB_OK; i++) {
        uint32_t slot;
        rc = px_graph_insert(build->graph, worker, build->held + (size_t)i * dim_count,
                             build->held_labels[i], &slot, reterr);
        if (rc == PROXIMADB_OK)
            build->rows[slot] = (uint32_t)build->held_rows[i];
    }
    px_graph_worker_free(worker);
    return rc;
}

/* ---- the whole ------------------------------------------------------------------------------ */

static int prepare(struct px_graph__build *build, struct proximadb_error *reterr)
{
    uint64_t row_count = build->input->row_count;
    int rc = px_graph__reserve(build->graph, row_count, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    build->rows = malloc((row_count + 1) * sizeof *build->rows);
    if (build->rows == NULL)
        return px_fail_no_memory(reterr);
    return prepare_held(build, reterr);
}

static int build_all(struct px_graph__build *build, struct proximadb_error *reterr)
{
    int rc = work_all(build, place_rows, reterr);
    if (rc == PROXIMADB_OK && build->input->end_reading != NULL)
        build->input->end_reading(build->input->context);
    if (rc == PROXIMADB_OK)
        rc = px_graph__order(build, reterr);
    uint32_t slot_count = atomic_load(&build->graph->slot_count);
    build->stride = stride_for(slot_count);
    if (rc == PROXIMADB_OK)
        rc = px_graph__run(build, link_number, slot_count, reterr);
    if (rc == PROXIMADB_OK)
        rc = insert_held(build, reterr);
    return rc;
}

static void release(struct px_graph__build *build)
{
    free(build->rows);
    free(build->held);
    free(build->held_labels);
    free(build->held_rows);
    free(build->skeleton);
    free(build->homes);
}

int px_graph_build(struct px_graph *graph, const struct px_graph_input *input, struct px_crew *crew,
                   const struct px_graph_control *control, uint32_t *ret_slots,
                   struct proximadb_error *reterr)
{
    struct px_graph__build build = {
        .graph = graph, .input = input, .crew = crew, .control = control};
    int rc = prepare(&build, reterr);
    if (rc == PROXIMADB_OK) {
        pthread_mutex_init(&build.lock, NULL);
        rc = build_all(&build, reterr);
        pthread_mutex_destroy(&build.lock);
    }
    for (uint32_t slot = 0; rc == PROXIMADB_OK && ret_slots != NULL && slot < input->row_count;
         slot++)
        ret_slots[build.rows[slot]] = slot;
    release(&build);
    return rc;
}
