#include "axis/graph_internal.h"

#include "os/crew.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

enum { TRUE_COUNT = 10, TRIAL_COUNT = 24, DEFAULT_BEAM = 256, BLOCK_SLOTS = 64 };

/* What recalls took on real sets of 100,000 and 1,000,000 text embeddings, at the most. */
static const struct px_graph__effort usual_efforts[] = {
    {0.90, 1.06f, DEFAULT_BEAM}, {0.95, 1.12f, DEFAULT_BEAM},  {0.98, 1.18f, DEFAULT_BEAM},
    {0.99, 1.24f, DEFAULT_BEAM}, {0.995, 1.32f, DEFAULT_BEAM}, {0.999, 1.5f, 2 * DEFAULT_BEAM},
};

/* ---- planning ------------------------------------------------------------------------------- */

/* Between the two learnt recalls around the target; the last one beyond them. */
static struct px_graph__effort effort_for(const struct px_graph__effort *efforts, size_t count,
                                          double recall)
{
    size_t i = 0;
    while (i + 1 < count && efforts[i].recall < recall)
        i++;
    if (i == 0 || efforts[i].recall <= recall)
        return efforts[i];
    const struct px_graph__effort *low = &efforts[i - 1], *high = &efforts[i];
    double share = (recall - low->recall) / (high->recall - low->recall);
    return (struct px_graph__effort){.recall = recall,
                                     .reach =
                                         low->reach + (float)share * (high->reach - low->reach),
                                     .beam = high->beam};
}

struct px_graph__walk px_graph__plan(const struct px_graph *graph,
                                     const struct px_graph_request *request)
{
    uint32_t k = request->k;
    if (request->effort > 0)
        return (struct px_graph__walk){
            k, (request->effort > k ? request->effort : k) + request->dead_capacity, INFINITY};
    double recall = request->target_recall > 0 ? request->target_recall : 0.95;
    struct px_graph *locked = (struct px_graph *)(uintptr_t)graph;
    pthread_mutex_lock(&locked->entry_lock);
    struct px_graph__effort effort =
        graph->effort_count > 0
            ? effort_for(graph->efforts, graph->effort_count, recall)
            : effort_for(usual_efforts, sizeof usual_efforts / sizeof usual_efforts[0], recall);
    pthread_mutex_unlock(&locked->entry_lock);
    uint32_t beam = effort.beam > 2 * k ? effort.beam : 2 * k;
    return (struct px_graph__walk){k, beam + request->dead_capacity, effort.reach};
}

/* ---- true neighbours ------------------------------------------------------------------------ */

/* A calibration under way. */
struct calibration {
    struct px_graph *graph;
    struct px_graph_worker *worker;
    const struct px_graph_control *control;
    size_t query_count;
    struct px_graph__query *queries; /* owned */
    uint8_t *memory;                 /* owned; of the queries */
    px_graph__candidate *nearest;    /* owned; TRUE_COUNT per query, rising */
    uint32_t *counts;                /* owned */
};

static bool should_stop(const struct px_graph_control *control)
{
    return control != NULL && control->should_stop != NULL &&
           control->should_stop(control->context);
}

static void keep_nearest(px_graph__candidate *nearest, uint32_t *count,
                         px_graph__candidate candidate)
{
    uint32_t at = *count;
    if (at == TRUE_COUNT) {
        if (candidate >= nearest[at - 1])
            return;
        at--;
    } else {
        ++*count;
    }
    for (; at > 0 && nearest[at - 1] > candidate; at--)
        nearest[at] = nearest[at - 1];
    nearest[at] = candidate;
}

static void compare_block(struct calibration *calibration, size_t query, const uint32_t *slots,
                          uint32_t count, const struct px_graph__view *view)
{
    float distances[BLOCK_SLOTS];
    px_graph__measure(calibration->graph, view, &calibration->queries[query], slots, count,
                      distances);
    for (uint32_t i = 0; i < count; i++)
        keep_nearest(calibration->nearest + query * TRUE_COUNT, &calibration->counts[query],
                     px_graph__candidate_of(distances[i], slots[i], 0));
}

/* Compares every query with every live slot, a block at a time for all queries. */
static int find_true(struct calibration *calibration, struct proximadb_error *reterr)
{
    struct px_graph *graph = calibration->graph;
    uint32_t slot_count = atomic_load(&graph->slot_count), slots[BLOCK_SLOTS], count = 0;
    struct px_graph__view view = px_graph__view_of(graph);
    for (uint32_t slot = 0; slot < slot_count; slot++) {
        uint32_t bits = px_graph__scale_bits(&view, slot);
        if (bits != 0 && (bits & PX_GRAPH__DEAD_BIT) == 0)
            slots[count++] = slot;
        if (count < BLOCK_SLOTS && slot + 1 < slot_count)
            continue;
        for (size_t i = 0; i < calibration->query_count; i++)
            compare_block(calibration, i, slots, count, &view);
        count = 0;
        if (should_stop(calibration->control))
            return px_fail(reterr, PROXIMADB_CANCELLED, "the calibration was stopped");
    }
    return PROXIMADB_OK;
}

/* ---- trials --------------------------------------------------------------------------------- */

static uint32_t found_of(const struct calibration *calibration, size_t query)
{
    const struct px_graph_worker *worker = calibration->worker;
    const px_graph__candidate *nearest = calibration->nearest + query * TRUE_COUNT;
    uint32_t found = 0;
    for (uint32_t i = 0; i < calibration->counts[query]; i++)
        for (uint32_t j = 0; j < worker->beam_count && j < TRUE_COUNT; j++)
            found += px_graph__slot_of(nearest[i]) == px_graph__slot_of(worker->beam[j]);
    return found;
}

/* The recall of one setting over all queries. */
static double try_effort(struct calibration *calibration, float reach, uint32_t beam)
{
    uint64_t found = 0, wanted = 0;
    struct px_graph__walk walk = {TRUE_COUNT, beam, reach};
    for (size_t i = 0; i < calibration->query_count; i++) {
        calibration->worker->query = calibration->queries[i];
        px_graph__walk(calibration->graph, calibration->worker, &walk);
        found += found_of(calibration, i);
        wanted += calibration->counts[i];
    }
    return wanted > 0 ? (double)found / (double)wanted : 1;
}

/* Goes through rising reaches until the recalls wanted are met, and notes what each took. */
static void try_efforts(struct calibration *calibration, struct px_graph__effort *ret_efforts,
                        uint32_t *ret_count)
{
    static const double wanted[] = {0.80, 0.85, 0.90, 0.95, 0.97, 0.98, 0.99, 0.995, 0.998};
    enum { WANTED_COUNT = sizeof wanted / sizeof wanted[0] };
    uint32_t count = 0;
    float reach = 0.8f, last_reach = reach;
    double last_recall = 0;
    for (int trial = 0; trial < TRIAL_COUNT && count < WANTED_COUNT; trial++, reach *= 1.04f) {
        double recall = try_effort(calibration, reach, DEFAULT_BEAM);
        for (; count < WANTED_COUNT && recall >= wanted[count]; count++) {
            double share = recall > last_recall && last_recall > 0
                               ? (wanted[count] - last_recall) / (recall - last_recall)
                               : 1;
            ret_efforts[count] = (struct px_graph__effort){
                .recall = wanted[count],
                .reach = last_reach + (float)(share > 0 ? share : 0) * (reach - last_reach),
                .beam = DEFAULT_BEAM};
        }
        last_recall = recall;
        last_reach = reach;
    }
    *ret_count = count;
}

static int run_trials(struct calibration *calibration, struct proximadb_error *reterr)
{
    struct px_graph *graph = calibration->graph;
    struct px_graph__effort efforts[PX_GRAPH__MOST_TARGETS];
    uint32_t count;
    struct px_graph__query own = calibration->worker->query;
    int rc = px_graph__size_beam(calibration->worker, DEFAULT_BEAM, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_graph__enter(graph, calibration->worker, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    try_efforts(calibration, efforts, &count);
    px_graph__leave(calibration->worker);
    calibration->worker->query = own;
    pthread_mutex_lock(&graph->entry_lock);
    memcpy(graph->efforts, efforts, count * sizeof *efforts);
    graph->effort_count = count;
    graph->calibrated_count = px_graph_live_count(graph);
    pthread_mutex_unlock(&graph->entry_lock);
    return PROXIMADB_OK;
}

/* ---- the whole ------------------------------------------------------------------------------ */

static void release(struct calibration *calibration)
{
    px_graph_worker_free(calibration->worker);
    free(calibration->queries);
    free(calibration->memory);
    free(calibration->nearest);
    free(calibration->counts);
}

static int prepare(struct calibration *calibration, const struct px_rows *rows,
                   struct proximadb_error *reterr)
{
    struct px_graph *graph = calibration->graph;
    size_t count = rows->row_count, bytes = px_graph__query_bytes(graph);
    calibration->query_count = count;
    calibration->queries = calloc(count, sizeof *calibration->queries);
    calibration->memory = aligned_alloc(64, count * bytes);
    calibration->nearest = malloc(count * TRUE_COUNT * sizeof *calibration->nearest);
    calibration->counts = calloc(count, sizeof *calibration->counts);
    if (calibration->queries == NULL || calibration->memory == NULL ||
        calibration->nearest == NULL || calibration->counts == NULL)
        return px_fail_no_memory(reterr);
    for (size_t i = 0; i < count; i++) {
        px_graph__place_query(graph, &calibration->queries[i], calibration->memory + i * bytes);
        px_graph__set_query(graph, (const uint8_t *)rows->data + i * rows->stride_bytes,
                            &calibration->queries[i]);
    }
    return px_graph_worker_new(graph, &calibration->worker, reterr);
}

int px_graph_calibrate(struct px_graph *graph, const struct px_rows *queries, struct px_crew *crew,
                       const struct px_graph_control *control, struct proximadb_error *reterr)
{
    (void)crew;
    if (queries->row_count == 0 || px_graph_live_count(graph) == 0)
        return PROXIMADB_OK;
    struct calibration calibration = {.graph = graph, .control = control};
    int rc = prepare(&calibration, queries, reterr);
    if (rc == PROXIMADB_OK)
        rc = find_true(&calibration, reterr);
    if (rc == PROXIMADB_OK)
        rc = run_trials(&calibration, reterr);
    release(&calibration);
    return rc;
}

uint64_t px_graph_calibrated_count(const struct px_graph *graph)
{
    struct px_graph *locked = (struct px_graph *)(uintptr_t)graph;
    pthread_mutex_lock(&locked->entry_lock);
    uint64_t count = graph->calibrated_count;
    pthread_mutex_unlock(&locked->entry_lock);
    return count;
}
