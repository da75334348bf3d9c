#include "axis/graph.h"

#include "axis/graph_steps_internal.h"

#include <assert.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

enum {
    LEAST_CAPACITY = 256,
    LEAN_DEGREE = 32,
    FAST_DEGREE = 48,
    FIRST_BEAM = 256,
};

/* ---- making and freeing --------------------------------------------------------------------- */

/* What a fine record takes: a byte a dimension and a float. Where lines have many planes, the codes
 * are fine enough. */
static uint32_t fine_bytes_of(const struct px_graph *graph)
{
    enum { FINE_ENOUGH = 6 };
    if (graph->config.memory != PROXIMADB_INDEX_FAST || graph->plane_count >= FINE_ENOUGH)
        return 0;
    return (uint32_t)px_round_up(graph->padded + sizeof(float), 64);
}

/* As many planes as fit into one line of the cache, where more than one does. */
static uint32_t plane_count_of(uint32_t padded)
{
    uint32_t count = (64 - (uint32_t)sizeof(struct px_graph__factors)) / (padded / 8);
    return count > 1 ? count : 1;
}

static uint32_t line_bytes_of(uint32_t padded, uint32_t plane_count)
{
    size_t bytes = (size_t)plane_count * (padded / 8) + sizeof(struct px_graph__factors);
    return (uint32_t)(bytes <= 32 ? 32 : px_round_up(bytes, 64));
}

static void lay_out(struct px_graph *graph, uint32_t plane_count)
{
    graph->plane_count = plane_count;
    graph->line_bytes = line_bytes_of(graph->padded, plane_count);
    graph->fine_bytes = fine_bytes_of(graph);
}

bool px_graph__set_planes(struct px_graph *graph, uint32_t plane_count)
{
    bool is_known = plane_count == 1 || plane_count == plane_count_of(graph->padded);
    if (is_known)
        lay_out(graph, plane_count);
    return is_known;
}

static void init_locks(struct px_graph *graph)
{
    pthread_mutex_init(&graph->alloc_lock, NULL);
    pthread_mutex_init(&graph->entry_lock, NULL);
    for (size_t i = 0; i < PX_GRAPH__LOCK_COUNT; i++)
        pthread_mutex_init(&graph->list_locks[i], NULL);
}

int px_graph__new(const struct px_graph_config *config, struct px_graph **ret_graph,
                  struct proximadb_error *reterr)
{
    assert(config->dim_count >= 1 && config->dim_count <= 65536);
    struct px_graph *graph = calloc(1, sizeof *graph);
    if (graph == NULL)
        return px_fail_no_memory(reterr);
    init_locks(graph);
    graph->config = *config;
    graph->kernels = px_code_kernels_get();
    graph->unit = 1;
    graph->degree = config->memory == PROXIMADB_INDEX_FAST ? FAST_DEGREE : LEAN_DEGREE;
    atomic_init(&graph->epoch, 1);
    graph->mean = calloc(config->dim_count, sizeof *graph->mean);
    int rc = graph->mean == NULL ? px_fail_no_memory(reterr)
                                 : px_rotation_init(&graph->rotation, config->dim_count,
                                                    PX_GRAPH__ROTATION_SEED, reterr);
    if (rc != PROXIMADB_OK) {
        px_graph_free(graph);
        return rc;
    }
    graph->padded = graph->rotation.padded_count;
    lay_out(graph, plane_count_of(graph->padded));
    graph->rotated_mean = calloc(graph->padded, sizeof *graph->rotated_mean);
    if (graph->rotated_mean == NULL) {
        px_graph_free(graph);
        return px_fail_no_memory(reterr);
    }
    *ret_graph = graph;
    return PROXIMADB_OK;
}

int px_graph_new(const struct px_graph_config *config, const struct px_rows *sample,
                 struct px_graph **ret_graph, struct proximadb_error *reterr)
{
    struct px_graph *graph;
    int rc = px_graph__new(config, &graph, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    rc = px_graph__learn(graph, sample, reterr);
    if (rc != PROXIMADB_OK) {
        px_graph_free(graph);
        return rc;
    }
    *ret_graph = graph;
    return PROXIMADB_OK;
}

void px_graph_free(struct px_graph *graph)
{
    if (graph == NULL)
        return;
    assert(graph->workers == NULL);
    px_pages_release(&graph->lines);
    px_pages_release(&graph->lists);
    px_pages_release(&graph->magnitudes);
    px_pages_release(&graph->labels);
    px_pages_release(&graph->fine);
    px_rotation_release(&graph->rotation);
    free(graph->mean);
    free(graph->rotated_mean);
    free(graph->free_slots);
    pthread_mutex_destroy(&graph->alloc_lock);
    pthread_mutex_destroy(&graph->entry_lock);
    for (size_t i = 0; i < PX_GRAPH__LOCK_COUNT; i++)
        pthread_mutex_destroy(&graph->list_locks[i]);
    free(graph);
}

/* ---- workers -------------------------------------------------------------------------------- */

/* One block for the query and the rows. */
static int alloc_scratch(const struct px_graph *graph, struct px_graph_worker *worker,
                         struct proximadb_error *reterr)
{
    size_t query_bytes = px_graph__query_bytes(graph), padded = graph->padded;
    uint8_t *memory = aligned_alloc(64, query_bytes + padded * (PX_GRAPH__MOST_JOINED + 1));
    if (memory == NULL)
        return px_fail_no_memory(reterr);
    worker->memory = memory;
    px_graph__place_query(graph, &worker->query, memory);
    worker->rows = memory + query_bytes;
    return px_graph__size_beam(worker, FIRST_BEAM, reterr);
}

int px_graph_worker_new(struct px_graph *graph, struct px_graph_worker **ret_worker,
                        struct proximadb_error *reterr)
{
    struct px_graph_worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL)
        return px_fail_no_memory(reterr);
    worker->graph = graph;
    pthread_mutex_lock(&graph->alloc_lock);
    worker->next = graph->workers;
    graph->workers = worker;
    pthread_mutex_unlock(&graph->alloc_lock);
    int rc = alloc_scratch(graph, worker, reterr);
    if (rc != PROXIMADB_OK) {
        px_graph_worker_free(worker);
        return rc;
    }
    *ret_worker = worker;
    return PROXIMADB_OK;
}

void px_graph_worker_free(struct px_graph_worker *worker)
{
    if (worker == NULL)
        return;
    struct px_graph *graph = worker->graph;
    assert(atomic_load(&worker->entered) == 0);
    pthread_mutex_lock(&graph->alloc_lock);
    struct px_graph_worker **link = &graph->workers;
    while (*link != worker)
        link = &(*link)->next;
    *link = worker->next;
    pthread_mutex_unlock(&graph->alloc_lock);
    atomic_fetch_sub(&graph->worker_bytes, worker->visited.size_bytes);
    px_pages_release(&worker->visited);
    free(worker->memory);
    free(worker->beam);
    free(worker->path);
    free(worker);
}

int px_graph__size_beam(struct px_graph_worker *worker, uint32_t beam_limit,
                        struct proximadb_error *reterr)
{
    if (beam_limit <= worker->beam_capacity)
        return PROXIMADB_OK;
    px_graph__candidate *beam = realloc(worker->beam, (beam_limit + 1) * sizeof *beam);
    if (beam == NULL)
        return px_fail_no_memory(reterr);
    worker->beam = beam;
    worker->beam_capacity = beam_limit;
    return PROXIMADB_OK;
}

/* ---- coming and going ----------------------------------------------------------------------- */

struct px_graph__view px_graph__view_of(const struct px_graph *graph)
{
    return (struct px_graph__view){
        .codes = {.signs = graph->lines.data,
                  .sign_stride = graph->line_bytes,
                  .magnitudes = graph->magnitudes.data,
                  .magnitude_stride = graph->padded,
                  .dim_count = graph->padded,
                  .plane_count = graph->plane_count},
        .factors =
            (const uint8_t *)graph->lines.data + (size_t)graph->plane_count * (graph->padded / 8),
        .fine = graph->fine.data,
        .fine_stride = graph->fine_bytes,
        .lists = graph->lists.data,
        .degree = graph->degree,
    };
}

/* Shows the epoch, and looks at it once more: an epoch that began before this worker was seen
 * inside is then known to it, and with it what was unlinked before. */
static void show_epoch(struct px_graph *graph, struct px_graph_worker *worker)
{
    for (;;) {
        uint64_t epoch = atomic_load(&graph->epoch);
        atomic_store(&worker->entered, epoch);
        if (atomic_load(&graph->is_growing)) {
            atomic_store(&worker->entered, 0);
            pthread_mutex_lock(&graph->alloc_lock); /* held while it grows */
            pthread_mutex_unlock(&graph->alloc_lock);
        } else if (atomic_load(&graph->epoch) == epoch) {
            return;
        }
    }
}

static int prepare_visited(struct px_graph *graph, struct px_graph_worker *worker,
                           struct proximadb_error *reterr)
{
    size_t before = worker->visited.size_bytes;
    int rc = px_pages_grow(&worker->visited, graph->capacity, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    if (worker->visited.size_bytes != before)
        atomic_fetch_add(&graph->worker_bytes, worker->visited.size_bytes - before);
    return PROXIMADB_OK;
}

int px_graph__enter(struct px_graph *graph, struct px_graph_worker *worker,
                    struct proximadb_error *reterr)
{
    assert(worker->graph == graph && atomic_load(&worker->entered) == 0);
    show_epoch(graph, worker);
    if (worker->visited.size_bytes < graph->capacity) {
        int rc = prepare_visited(graph, worker, reterr);
        if (rc != PROXIMADB_OK) {
            px_graph__leave(worker);
            return rc;
        }
    }
    worker->view = px_graph__view_of(graph);
    return PROXIMADB_OK;
}

void px_graph__leave(struct px_graph_worker *worker)
{
    atomic_store_explicit(&worker->entered, 0, memory_order_release);
}

/* Whether no worker is inside that entered before `epoch`. alloc_lock is held. */
static bool have_all_left(struct px_graph *graph, uint64_t epoch)
{
    for (struct px_graph_worker *worker = graph->workers; worker != NULL; worker = worker->next) {
        uint64_t entered = atomic_load(&worker->entered);
        if (entered != 0 && entered < epoch)
            return false;
    }
    return true;
}

void px_graph__wait_for_all(struct px_graph *graph)
{
    uint64_t epoch = atomic_fetch_add(&graph->epoch, 1) + 1;
    for (;;) {
        pthread_mutex_lock(&graph->alloc_lock);
        bool done = have_all_left(graph, epoch);
        pthread_mutex_unlock(&graph->alloc_lock);
        if (done)
            return;
        nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
    }
}

/* ---- room ----------------------------------------------------------------------------------- */

static int grow_arrays(struct px_graph *graph, size_t capacity, struct proximadb_error *reterr)
{
    int rc = px_pages_grow(&graph->lines, capacity * graph->line_bytes, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_pages_grow(&graph->lists, capacity * graph->degree * sizeof(uint32_t), reterr);
    if (rc == PROXIMADB_OK)
        rc = px_pages_grow(&graph->magnitudes, capacity * graph->padded, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_pages_grow(&graph->labels, capacity * sizeof(int64_t), reterr);
    if (rc == PROXIMADB_OK)
        rc = px_pages_grow(&graph->fine, capacity * graph->fine_bytes, reterr);
    if (rc == PROXIMADB_OK)
        graph->capacity = (uint32_t)capacity;
    return rc;
}

/* alloc_lock is held. */
static int grow(struct px_graph *graph, uint64_t slot_count, struct proximadb_error *reterr)
{
    size_t capacity = graph->capacity > 0 ? graph->capacity : LEAST_CAPACITY;
    while (capacity < slot_count)
        capacity *= 2;
    if (capacity > PX_GRAPH__NONE - 1)
        capacity = PX_GRAPH__NONE - 1;
    atomic_store(&graph->is_growing, true);
    while (!have_all_left(graph, UINT64_MAX))
        sched_yield();
    int rc = grow_arrays(graph, capacity, reterr);
    atomic_store(&graph->is_growing, false);
    return rc;
}

int px_graph__reserve(struct px_graph *graph, uint64_t slot_count, struct proximadb_error *reterr)
{
    if (slot_count > PX_GRAPH__NONE - 1)
        return px_fail(reterr, PROXIMADB_TOO_LARGE, "a graph holds at most 4294967294 vectors");
    pthread_mutex_lock(&graph->alloc_lock);
    int rc = slot_count > graph->capacity ? grow(graph, slot_count, reterr) : PROXIMADB_OK;
    pthread_mutex_unlock(&graph->alloc_lock);
    return rc;
}

int px_graph__take_slot(struct px_graph *graph, uint32_t *ret_slot, struct proximadb_error *reterr)
{
    int rc = PROXIMADB_OK;
    pthread_mutex_lock(&graph->alloc_lock);
    if (graph->free_count > 0) {
        *ret_slot = graph->free_slots[--graph->free_count];
    } else {
        uint32_t slot = atomic_load_explicit(&graph->slot_count, memory_order_relaxed);
        if (slot == PX_GRAPH__NONE - 1)
            rc = px_fail(reterr, PROXIMADB_TOO_LARGE, "a graph holds at most 4294967294 vectors");
        else if (slot == graph->capacity)
            rc = grow(graph, (uint64_t)slot + 1, reterr);
        if (rc == PROXIMADB_OK) {
            atomic_store(&graph->slot_count, slot + 1);
            *ret_slot = slot;
        }
    }
    pthread_mutex_unlock(&graph->alloc_lock);
    return rc;
}

int px_graph__give_slots(struct px_graph *graph, const uint32_t *slots, uint32_t count,
                         struct proximadb_error *reterr)
{
    int rc = PROXIMADB_OK;
    pthread_mutex_lock(&graph->alloc_lock);
    if (graph->free_count + count > graph->free_capacity) {
        uint32_t capacity = (graph->free_count + count) * 2;
        uint32_t *grown = realloc(graph->free_slots, capacity * sizeof *grown);
        if (grown == NULL) {
            rc = px_fail_no_memory(reterr);
        } else {
            graph->free_slots = grown;
            graph->free_capacity = capacity;
        }
    }
    for (uint32_t i = 0; rc == PROXIMADB_OK && i < count; i++)
        graph->free_slots[graph->free_count++] = slots[i];
    pthread_mutex_unlock(&graph->alloc_lock);
    return rc;
}

/* ---- marks and numbers ---------------------------------------------------------------------- */

/* The arrays may move meanwhile, so this enters like a worker, but without one: alloc_lock keeps
 * them where they are. */
static struct px_graph__factors *lock_factors(struct px_graph *graph, uint32_t slot)
{
    pthread_mutex_lock(&graph->alloc_lock);
    assert(slot < atomic_load(&graph->slot_count));
    struct px_graph__view view = px_graph__view_of(graph);
    return px_graph__factors(&view, slot);
}

void px_graph_set_dead(struct px_graph *graph, uint32_t slot, bool is_dead)
{
    struct px_graph__factors *factors = lock_factors(graph, slot);
    uint32_t before = is_dead ? atomic_fetch_or(&factors->scale, PX_GRAPH__DEAD_BIT)
                              : atomic_fetch_and(&factors->scale, ~PX_GRAPH__DEAD_BIT);
    bool was_dead = (before & PX_GRAPH__DEAD_BIT) != 0;
    if (is_dead && !was_dead)
        atomic_fetch_add(&graph->dead_count, 1);
    if (!is_dead && was_dead)
        atomic_fetch_sub(&graph->dead_count, 1);
    pthread_mutex_unlock(&graph->alloc_lock);
}

static uint32_t scale_bits_of(const struct px_graph *graph, uint32_t slot)
{
    struct px_graph *locked = (struct px_graph *)(uintptr_t)graph; /* its lock changes only */
    struct px_graph__factors *factors = lock_factors(locked, slot);
    uint32_t bits = atomic_load(&factors->scale);
    pthread_mutex_unlock(&locked->alloc_lock);
    return bits;
}

bool px_graph_is_dead(const struct px_graph *graph, uint32_t slot)
{
    return (scale_bits_of(graph, slot) & PX_GRAPH__DEAD_BIT) != 0;
}

int64_t px_graph_label(const struct px_graph *graph, uint32_t slot)
{
    struct px_graph *locked = (struct px_graph *)(uintptr_t)graph;
    pthread_mutex_lock(&locked->alloc_lock);
    assert(slot < atomic_load(&graph->slot_count));
    int64_t label = ((const int64_t *)graph->labels.data)[slot];
    pthread_mutex_unlock(&locked->alloc_lock);
    return label;
}

bool px_graph_has_slot(const struct px_graph *graph, uint32_t slot)
{
    return scale_bits_of(graph, slot) != 0;
}

void px_graph_read_labels(const struct px_graph *graph, uint32_t first, uint32_t count,
                          int64_t *ret_labels)
{
    struct px_graph *locked = (struct px_graph *)(uintptr_t)graph;
    pthread_mutex_lock(&locked->alloc_lock);
    assert(first + (uint64_t)count <= atomic_load(&graph->slot_count));
    struct px_graph__view view = px_graph__view_of(locked);
    const int64_t *labels = (const int64_t *)graph->labels.data + first;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t bits = atomic_load(&px_graph__factors(&view, first + i)->scale);
        bool is_live = bits != 0 && (bits & PX_GRAPH__DEAD_BIT) == 0;
        ret_labels[i] = is_live ? labels[i] : PX_GRAPH_NO_LABEL;
    }
    pthread_mutex_unlock(&locked->alloc_lock);
}

uint32_t px_graph_slot_count(const struct px_graph *graph)
{
    return atomic_load(&graph->slot_count);
}

uint32_t px_graph_dead_count(const struct px_graph *graph)
{
    return atomic_load(&graph->dead_count);
}

uint32_t px_graph_live_count(const struct px_graph *graph)
{
    struct px_graph *locked = (struct px_graph *)(uintptr_t)graph;
    pthread_mutex_lock(&locked->alloc_lock);
    uint32_t count = atomic_load(&graph->slot_count) - graph->free_count;
    pthread_mutex_unlock(&locked->alloc_lock);
    uint32_t dead = atomic_load(&graph->dead_count);
    return count > dead ? count - dead : 0;
}

uint64_t px_graph_memory_bytes(const struct px_graph *graph)
{
    uint64_t slots = atomic_load(&graph->slot_count);
    return slots * (graph->line_bytes + graph->degree * sizeof(uint32_t) + graph->padded +
                    graph->fine_bytes + sizeof(int64_t)) +
           atomic_load(&graph->worker_bytes) + sizeof *graph;
}
