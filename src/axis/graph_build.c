#include "axis/graph_steps_internal.h"

#include "os/crew.h"

#include <stdlib.h>

enum {
    ROWS_AT_ONCE = 64,
    MOST_HELD = 256,         /* rows that the graph is calibrated with before they are inserted */
    LEAST_CALIBRATED = 2000, /* rows that make it worth while */
};

/* A build under way. */
struct build {
    struct px_graph *graph;
    const struct px_graph_input *input;
    const struct px_graph_control *control;
    uint32_t *ret_slots;
    pthread_mutex_t lock; /* guards: next_row, rc, error */
    uint64_t next_row;
    uint64_t held_step;   /* one row in so many is held back; 0: none */
    float *held;          /* owned */
    int64_t *held_labels; /* owned */
    uint64_t *held_rows;  /* owned */
    uint32_t held_count;
    int rc;
    struct proximadb_error error;
};

static void stop_with(struct build *build, int rc, const struct proximadb_error *error)
{
    pthread_mutex_lock(&build->lock);
    if (build->rc == PROXIMADB_OK) {
        build->rc = rc;
        build->error = *error;
    }
    pthread_mutex_unlock(&build->lock);
}

/* Reads the next rows; 0: there are none, or the build has failed. */
static size_t take_rows(struct build *build, float *vectors, int64_t *labels, uint64_t *ret_first)
{
    const struct px_graph_control *control = build->control;
    pthread_mutex_lock(&build->lock);
    uint64_t left = build->input->row_count - build->next_row;
    size_t count = left < ROWS_AT_ONCE ? (size_t)left : ROWS_AT_ONCE;
    if (build->rc == PROXIMADB_OK && control != NULL && control->should_stop != NULL &&
        control->should_stop(control->context))
        build->rc = px_fail(&build->error, PROXIMADB_CANCELLED, "the build was stopped");
    if (build->rc == PROXIMADB_OK && count > 0)
        build->rc = build->input->read(build->input->context, build->next_row, count, vectors,
                                       labels, &build->error);
    if (build->rc != PROXIMADB_OK)
        count = 0;
    *ret_first = build->next_row;
    build->next_row += count;
    if (control != NULL && control->progress != NULL && count > 0)
        control->progress(control->context, build->next_row, build->input->row_count);
    pthread_mutex_unlock(&build->lock);
    return count;
}

/* ---- rows held back ------------------------------------------------------------------------- */

static int prepare_held(struct build *build, struct proximadb_error *reterr)
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
static bool hold(struct build *build, uint64_t row, const float *vector, int64_t label)
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

/* ---- inserting ------------------------------------------------------------------------------ */

static int insert_row(struct build *build, struct px_graph_worker *worker, const float *vector,
                      int64_t label, uint64_t row, struct proximadb_error *reterr)
{
    uint32_t slot;
    int rc = px_graph_insert(build->graph, worker, vector, label, &slot, reterr);
    if (rc == PROXIMADB_OK && build->ret_slots != NULL)
        build->ret_slots[row] = slot;
    return rc;
}

static int insert_rows(struct build *build, struct px_graph_worker *worker,
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
                rc = insert_row(build, worker, vectors + i * dim_count, labels[i], first + i,
                                reterr);
    free(vectors);
    return rc;
}

static void run(void *context, unsigned member)
{
    (void)member;
    struct build *build = context;
    struct px_graph_worker *worker;
    struct proximadb_error error = {0};
    int rc = px_graph_worker_new(build->graph, &worker, &error);
    if (rc == PROXIMADB_OK) {
        rc = insert_rows(build, worker, &error);
        px_graph_worker_free(worker);
    }
    if (rc != PROXIMADB_OK)
        stop_with(build, rc, &error);
}

/* Calibrates with the rows held back, and inserts them. */
static int finish(struct build *build, struct px_crew *crew, struct proximadb_error *reterr)
{
    uint32_t dim_count = build->graph->config.dim_count;
    struct px_rows held = {build->held, dim_count * sizeof(float), build->held_count, dim_count};
    struct px_graph_worker *worker;
    int rc = px_graph_calibrate(build->graph, &held, crew, build->control, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    rc = px_graph_worker_new(build->graph, &worker, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    for (uint32_t i = 0; i < build->held_count && rc == PROXIMADB_OK; i++)
        rc = insert_row(build, worker, build->held + (size_t)i * dim_count, build->held_labels[i],
                        build->held_rows[i], reterr);
    px_graph_worker_free(worker);
    return rc;
}

int px_graph_build(struct px_graph *graph, const struct px_graph_input *input, struct px_crew *crew,
                   const struct px_graph_control *control, uint32_t *ret_slots,
                   struct proximadb_error *reterr)
{
    struct build build = {
        .graph = graph, .input = input, .control = control, .ret_slots = ret_slots};
    int rc = px_graph__reserve(graph, input->row_count, reterr);
    if (rc == PROXIMADB_OK)
        rc = prepare_held(&build, reterr);
    if (rc == PROXIMADB_OK) {
        pthread_mutex_init(&build.lock, NULL);
        px_crew_run(crew, px_crew_size(crew) + 1, run, &build);
        pthread_mutex_destroy(&build.lock);
        rc = build.rc;
        if (rc != PROXIMADB_OK && reterr != NULL)
            *reterr = build.error;
    }
    if (rc == PROXIMADB_OK)
        rc = finish(&build, crew, reterr);
    free(build.held);
    free(build.held_labels);
    free(build.held_rows);
    return rc;
}
