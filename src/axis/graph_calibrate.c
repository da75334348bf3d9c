#include "axis/graph_steps_internal.h"

#include "os/crew.h"

#include <math.h>
#include <stdlib.h>

enum {
    TRUE_COUNT = 100,
    BLOCK_SLOTS = 64,
    BLOCK_QUERIES = 32,
    WIDEST_BEAM = 2048,
    TRIAL_COUNT = 26,
};

static const double wanted_recalls[] = {0.80, 0.90, 0.95, 0.97, 0.98, 0.99, 0.995, 0.998};

enum { WANTED_COUNT = sizeof wanted_recalls / sizeof wanted_recalls[0] };

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
    _Atomic size_t next_query;
    _Atomic bool is_stopped;
};

/* ---- true neighbours ------------------------------------------------------------------------ */

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

static void compare_block(struct calibration *calibration, size_t query,
                          const struct px_graph__view *view, const uint32_t *slots, uint32_t count)
{
    float distances[BLOCK_SLOTS];
    px_graph__measure(calibration->graph, view, &calibration->queries[query], slots, count,
                      distances);
    for (uint32_t i = 0; i < count; i++)
        keep_nearest(calibration->nearest + query * TRUE_COUNT, &calibration->counts[query],
                     px_graph__candidate_of(distances[i], slots[i], 0));
}

/* The live slots from *next_slot on, at most a block of them. */
static uint32_t next_block(const struct px_graph *graph, const struct px_graph__view *view,
                           uint32_t *next_slot, uint32_t *ret_slots)
{
    uint32_t slot_count = atomic_load(&graph->slot_count), count = 0;
    for (; *next_slot < slot_count && count < BLOCK_SLOTS; ++*next_slot) {
        uint32_t bits = px_graph__scale_bits(view, *next_slot);
        if (bits != 0 && (bits & PX_GRAPH__DEAD_BIT) == 0)
            ret_slots[count++] = *next_slot;
    }
    return count;
}

static bool should_stop(struct calibration *calibration)
{
    const struct px_graph_control *control = calibration->control;
    if (control != NULL && control->should_stop != NULL && control->should_stop(control->context))
        atomic_store(&calibration->is_stopped, true);
    return atomic_load(&calibration->is_stopped);
}

/* Compares some queries at a time with every live slot, until no queries are left. */
static void find_true(void *context, unsigned member)
{
    (void)member;
    struct calibration *calibration = context;
    struct px_graph__view view = px_graph__view_of(calibration->graph);
    uint32_t slots[BLOCK_SLOTS];
    for (;;) {
        size_t first = atomic_fetch_add(&calibration->next_query, BLOCK_QUERIES);
        if (first >= calibration->query_count)
            return;
        size_t left = calibration->query_count - first;
        size_t end = first + (left < BLOCK_QUERIES ? left : BLOCK_QUERIES);
        uint32_t next_slot = 0, count;
        while ((count = next_block(calibration->graph, &view, &next_slot, slots)) > 0) {
            for (size_t i = first; i < end; i++)
                compare_block(calibration, i, &view, slots, count);
            if (should_stop(calibration))
                return;
        }
    }
}

/* ---- trials --------------------------------------------------------------------------------- */

static uint32_t found_of(const struct calibration *calibration, size_t query, uint32_t k)
{
    const struct px_graph_worker *worker = calibration->worker;
    const px_graph__candidate *nearest = calibration->nearest + query * TRUE_COUNT;
    uint32_t found = 0;
    for (uint32_t i = 0; i < calibration->counts[query] && i < k; i++)
        for (uint32_t j = 0; j < worker->beam_count && j < k; j++)
            found += px_graph__slot_of(nearest[i]) == px_graph__slot_of(worker->beam[j]);
    return found;
}

/* The recall of one setting over all queries. */
static double try_walk(struct calibration *calibration, uint32_t k, float reach, uint32_t beam)
{
    uint64_t found = 0, wanted = 0;
    struct px_graph__walk walk = {k, beam, reach};
    for (size_t i = 0; i < calibration->query_count && !should_stop(calibration); i++) {
        calibration->worker->query = calibration->queries[i];
        px_graph__walk(calibration->graph, calibration->worker, &walk);
        found += found_of(calibration, i, k);
        wanted += calibration->counts[i] < k ? calibration->counts[i] : k;
    }
    return wanted > 0 ? (double)found / (double)wanted : 1;
}

/* The narrowest beam that does as well. */
static uint32_t beam_for(struct calibration *calibration, uint32_t k, float reach, double recall)
{
    const double slack = 0.0005;
    uint32_t beam = 48;
    while (beam < k + k / 2)
        beam *= 2;
    for (; beam < WIDEST_BEAM; beam += beam / 2)
        if (try_walk(calibration, k, reach, beam) >= recall - slack)
            break;
    return beam < WIDEST_BEAM ? beam : WIDEST_BEAM;
}

/* Goes through rising reaches until all recalls are met, and notes what each took. */
static uint32_t try_reaches(struct calibration *calibration, uint32_t k,
                            struct px_graph__effort *ret_efforts)
{
    const float first_reach = 0.85f, step = 1.035f;
    const double least_gain = 0.0003; /* where less is gained, the rest is out of reach */
    float reach = first_reach, last_reach = reach;
    uint32_t count = 0;
    double last_recall = 0;
    for (int trial = 0; trial < TRIAL_COUNT && count < WANTED_COUNT; trial++) {
        double recall = try_walk(calibration, k, reach, WIDEST_BEAM);
        if (recall < last_recall + least_gain && recall > wanted_recalls[0])
            break;
        for (; count < WANTED_COUNT && recall >= wanted_recalls[count]; count++) {
            double wanted = wanted_recalls[count];
            double share = (wanted - last_recall) / (recall - last_recall);
            float between = trial == 0 ? reach : last_reach + (float)share * (reach - last_reach);
            ret_efforts[count] =
                (struct px_graph__effort){.k = k, .recall = wanted, .reach = between};
        }
        last_recall = recall;
        last_reach = reach;
        reach *= step;
    }
    for (uint32_t i = 0; i < count; i++)
        ret_efforts[i].beam = beam_for(calibration, k, ret_efforts[i].reach, ret_efforts[i].recall);
    return count;
}

static void store_efforts(struct px_graph *graph, const struct px_graph__effort *efforts,
                          uint32_t count)
{
    uint32_t live_count = px_graph_live_count(graph);
    pthread_mutex_lock(&graph->entry_lock);
    memcpy(graph->efforts, efforts, count * sizeof *efforts);
    graph->effort_count = count;
    graph->calibrated_count = live_count;
    pthread_mutex_unlock(&graph->entry_lock);
}

static int run_trials(struct calibration *calibration, struct proximadb_error *reterr)
{
    static const uint32_t ks[] = {1, 10, 100};
    struct px_graph *graph = calibration->graph;
    struct px_graph__effort efforts[PX_GRAPH__MOST_EFFORTS];
    struct px_graph__query own = calibration->worker->query;
    uint32_t count = 0;
    int rc = px_graph__size_beam(calibration->worker, WIDEST_BEAM, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_graph__enter(graph, calibration->worker, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    for (size_t i = 0; i < sizeof ks / sizeof ks[0]; i++)
        count += try_reaches(calibration, ks[i], efforts + count);
    px_graph__leave(calibration->worker);
    calibration->worker->query = own;
    if (atomic_load(&calibration->is_stopped))
        return px_fail(reterr, PROXIMADB_CANCELLED, "the calibration was stopped");
    store_efforts(graph, efforts, count);
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
    if (queries->row_count == 0 || px_graph_live_count(graph) == 0)
        return PROXIMADB_OK;
    struct calibration calibration = {.graph = graph, .control = control};
    int rc = prepare(&calibration, queries, reterr);
    if (rc == PROXIMADB_OK) {
        px_crew_run(crew, px_crew_size(crew) + 1, find_true, &calibration);
        rc = run_trials(&calibration, reterr);
    }
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
