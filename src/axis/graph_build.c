#include "axis/graph_internal.h"

#include "os/crew.h"

#include <stdlib.h>

enum { ROWS_AT_ONCE = 64 };

/* A build under way. */
struct build {
    struct px_graph *graph;
    const struct px_graph_input *input;
    const struct px_graph_control *control;
    uint32_t *ret_slots;
    pthread_mutex_t lock; /* guards: next_row, rc, error */
    uint64_t next_row;
    uint64_t done;
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
        for (size_t i = 0; i < count && rc == PROXIMADB_OK; i++) {
            uint32_t slot;
            rc = px_graph_insert(build->graph, worker, vectors + i * dim_count, labels[i], &slot,
                                 reterr);
            if (rc == PROXIMADB_OK && build->ret_slots != NULL)
                build->ret_slots[first + i] = slot;
        }
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

int px_graph_build(struct px_graph *graph, const struct px_graph_input *input, struct px_crew *crew,
                   const struct px_graph_control *control, uint32_t *ret_slots,
                   struct proximadb_error *reterr)
{
    struct build build = {
        .graph = graph, .input = input, .control = control, .ret_slots = ret_slots};
    int rc = px_graph__reserve(graph, input->row_count, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    pthread_mutex_init(&build.lock, NULL);
    px_crew_run(crew, crew != NULL ? px_crew_size(crew) + 1 : 1, run, &build);
    pthread_mutex_destroy(&build.lock);
    if (build.rc != PROXIMADB_OK && reterr != NULL)
        *reterr = build.error;
    return build.rc;
}
