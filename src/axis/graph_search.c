#include "axis/graph_steps_internal.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

enum { SEED_COUNT = 8, FILTER_STEP = 16 /* lines looked at before what passed is fetched */ };

/* An estimate is off by about 1.5 |q| |x| / sqrt(dimensions). */
static const float doubt_factor = 4;

/* ---- the beam ------------------------------------------------------------------------------- */

/* Offers a candidate to the beam; false: it was too far off. */
static bool offer(struct px_graph_worker *worker, uint32_t beam_limit,
                  px_graph__candidate candidate)
{
    px_graph__candidate *beam = worker->beam;
    uint32_t low = 0, high = worker->beam_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (beam[middle] < candidate)
            low = middle + 1;
        else
            high = middle;
    }
    if (low >= beam_limit)
        return false;
    uint32_t moved = worker->beam_count < beam_limit ? worker->beam_count : beam_limit - 1;
    memmove(beam + low + 1, beam + low, (moved - low) * sizeof *beam);
    beam[low] = candidate;
    worker->beam_count = moved + 1;
    if (low < worker->cursor)
        worker->cursor = low;
    return true;
}

/* The squared distance of the k-th live candidate; infinite if there are fewer. */
static float kth_distance(const struct px_graph_worker *worker, uint32_t k, bool has_dead)
{
    if (worker->beam_count < k)
        return INFINITY;
    if (!has_dead)
        return px_graph__distance_of(worker->beam[k - 1]);
    for (uint32_t i = 0; i < worker->beam_count; i++)
        if ((worker->beam[i] & PX_GRAPH__DEAD) == 0 && --k == 0)
            return px_graph__distance_of(worker->beam[i]);
    return INFINITY;
}

/* ---- one step ------------------------------------------------------------------------------- */

/* What a walk goes by. */
struct state {
    struct px_graph *graph;
    struct px_graph_worker *worker;
    const struct px_graph__walk *walk;
    uint8_t *visited;
    uint8_t tag;
    bool has_dead;
    float limit; /* squared distance from which on candidates are of no use */
    float doubt; /* squared distance below which estimates tell nothing */
};

static void update_limit(struct state *state)
{
    const struct px_graph_worker *worker = state->worker;
    float limit = INFINITY;
    if (worker->beam_count == state->walk->beam_limit)
        limit = px_graph__distance_of(worker->beam[worker->beam_count - 1]);
    if (state->walk->reach < INFINITY) {
        float reach = state->walk->reach * kth_distance(worker, state->walk->k, state->has_dead);
        limit = reach < limit ? reach : limit;
    }
    state->limit = limit;
}

static inline void prefetch(const void *at, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += 64)
        __builtin_prefetch((const uint8_t *)at + i);
}

static inline void prefetch_magnitudes(const struct px_graph__view *view, uint32_t slot)
{
    size_t stride = view->codes.magnitude_stride;
    prefetch(view->codes.magnitudes + slot * stride, stride < 1024 ? stride : 1024);
}

static inline void prefetch_list(const struct px_graph__view *view, uint32_t slot)
{
    const _Atomic uint32_t *list = px_graph__list(view, slot);
    for (size_t i = 0; i < view->degree; i += 16)
        __builtin_prefetch(list + i);
}

/* Marks the neighbours that were not seen before; returns how many. */
static uint32_t collect(const struct state *state, uint32_t slot, uint32_t *ret_slots)
{
    const struct px_graph__view *view = &state->worker->view;
    const _Atomic uint32_t *list = px_graph__list(view, slot);
    const size_t degree = view->degree, stride = view->codes.sign_stride;
    const uint8_t *lines = view->codes.signs;
    uint8_t *visited = state->visited;
    const uint8_t tag = state->tag;
    uint32_t count = 0;
    for (size_t i = 0; i < degree; i++) {
        uint32_t next = atomic_load_explicit(&list[i], memory_order_acquire);
        if (next == PX_GRAPH__NONE)
            break;
        bool is_new = visited[next] != tag;
        visited[next] = tag;
        ret_slots[count] = next;
        count += is_new;
    }
    for (uint32_t i = 0; i < count; i++)
        prefetch(lines + ret_slots[i] * stride, stride);
    return count;
}

/* Leaves those whose estimate is within the limit, or within what estimates may be wrong by: where
 * the nearest are nearly equal, that is more. */
static uint32_t filter(const struct state *state, uint32_t *slots, uint32_t count)
{
    float estimates[PX_GRAPH__MOST_DEGREE];
    const struct px_graph__view *view = &state->worker->view;
    float limit = state->limit > state->doubt ? state->limit : state->doubt;
    uint32_t kept = 0;
    for (uint32_t first = 0; first < count; first += FILTER_STEP) {
        uint32_t some = count - first < FILTER_STEP ? count - first : FILTER_STEP, before = kept;
        px_graph__estimate(state->graph, view, &state->worker->query, slots + first, some,
                           estimates);
        for (uint32_t i = 0; i < some; i++) {
            slots[kept] = slots[first + i];
            kept += estimates[i] < limit;
        }
        for (uint32_t i = before; i < kept; i++)
            prefetch_magnitudes(view, slots[i]);
    }
    return kept;
}

static void add_measured(struct state *state, const uint32_t *slots, uint32_t count)
{
    float distances[PX_GRAPH__MOST_DEGREE];
    struct px_graph_worker *worker = state->worker;
    if (count == 0)
        return;
    px_graph__measure(state->graph, &worker->view, &worker->query, slots, count, distances);
    for (uint32_t i = 0; i < count; i++) {
        if (!(distances[i] < state->limit))
            continue;
        bool is_dead = (px_graph__scale_bits(&worker->view, slots[i]) & PX_GRAPH__DEAD_BIT) != 0;
        if (offer(worker, state->walk->beam_limit,
                  px_graph__candidate_of(distances[i], slots[i], is_dead ? PX_GRAPH__DEAD : 0)))
            prefetch_list(&worker->view, slots[i]);
    }
    update_limit(state);
}

static void keep_path(struct px_graph_worker *worker, px_graph__candidate candidate)
{
    if (worker->keeps_path && worker->path_count < worker->path_capacity)
        worker->path[worker->path_count++] = candidate;
}

/* Whether there is a candidate to expand within the limit; the cursor is then at it. */
static bool can_pop(const struct state *state)
{
    struct px_graph_worker *worker = state->worker;
    while (worker->cursor < worker->beam_count &&
           (worker->beam[worker->cursor] & PX_GRAPH__EXPANDED) != 0)
        worker->cursor++;
    return worker->cursor < worker->beam_count &&
           px_graph__distance_of(worker->beam[worker->cursor]) <= state->limit;
}

/* The next candidate to expand, marked; false: none is within the limit. */
static bool pop(const struct state *state, uint32_t *ret_slot)
{
    struct px_graph_worker *worker = state->worker;
    if (!can_pop(state))
        return false;
    px_graph__candidate *next = &worker->beam[worker->cursor++];
    *next |= PX_GRAPH__EXPANDED;
    keep_path(worker, *next);
    *ret_slot = px_graph__slot_of(*next);
    return true;
}

/* ---- beginning ------------------------------------------------------------------------------ */

/* The entry points of the least estimates. */
static uint32_t nearest_entries(struct px_graph *graph, struct px_graph_worker *worker,
                                uint32_t *ret_slots)
{
    uint32_t slots[PX_GRAPH__MOST_SEEDS] = {0};
    float estimates[PX_GRAPH__MOST_SEEDS], best[SEED_COUNT];
    uint32_t count = px_graph__load_entries(graph, slots), kept = 0;
    px_graph__estimate(graph, &worker->view, &worker->query, slots, count, estimates);
    for (uint32_t i = 0; i < count; i++) {
        if (kept == SEED_COUNT && estimates[i] >= best[kept - 1])
            continue;
        uint32_t at = kept < SEED_COUNT ? kept++ : kept - 1;
        for (; at > 0 && best[at - 1] > estimates[i]; at--) {
            best[at] = best[at - 1];
            ret_slots[at] = ret_slots[at - 1];
        }
        best[at] = estimates[i];
        ret_slots[at] = slots[i];
    }
    return kept;
}

static void seed(struct state *state)
{
    uint32_t slots[SEED_COUNT], fresh[SEED_COUNT], count = 0;
    uint32_t found = nearest_entries(state->graph, state->worker, slots);
    for (uint32_t i = 0; i < found; i++) {
        if (state->visited[slots[i]] == state->tag)
            continue;
        state->visited[slots[i]] = state->tag;
        prefetch_magnitudes(&state->worker->view, slots[i]);
        fresh[count++] = slots[i];
    }
    add_measured(state, fresh, count);
}

static uint8_t next_tag(struct px_graph_worker *worker)
{
    if (++worker->tag == 0) {
        memset(worker->visited.data, 0, worker->visited.size_bytes);
        worker->tag = 1;
    }
    return worker->tag;
}

/* ---- walking -------------------------------------------------------------------------------- */

/* Each vertex after what the one before it has led to. */
static void walk_in_turn(struct state *state)
{
    uint32_t slots[PX_GRAPH__MOST_DEGREE], slot;
    while (pop(state, &slot)) {
        uint32_t count = collect(state, slot, slots);
        count = filter(state, slots, count);
        add_measured(state, slots, count);
    }
}

/*
 * The same with three vertices under way: while the lines of one are fetched, the magnitudes that
 * passed of the one before it are too, and those of the one before that are measured. So a vertex
 * is chosen without knowing what the last two have led to; that costs some steps, and hides most of
 * the memory's latency.
 */
static void walk_ahead(struct state *state)
{
    uint32_t slots[3][PX_GRAPH__MOST_DEGREE], counts[3] = {0}, slot;
    for (uint32_t turn = 0;; turn++) {
        uint32_t now = turn % 3, last = (turn + 2) % 3, before = (turn + 1) % 3;
        bool has_next = pop(state, &slot);
        counts[now] = has_next ? collect(state, slot, slots[now]) : 0;
        add_measured(state, slots[before], counts[before]);
        counts[last] = filter(state, slots[last], counts[last]);
        if (!has_next && counts[last] == 0 && !can_pop(state))
            return;
    }
}

/*
 * Whether the arrays are so large that it pays to walk ahead. Measured: with one plane 58 MB are
 * near enough to the CPU and 117 MB are not; with more of them, where a step leads to few
 * candidates that were not foreseen, 65 MB are not.
 */
static bool is_far_from_cpu(const struct px_graph *graph)
{
    const uint64_t cached_bytes = graph->plane_count == 1 ? 100000000 : 20000000;
    uint64_t slot_bytes =
        graph->line_bytes + graph->padded + (uint64_t)graph->degree * sizeof(uint32_t);
    return atomic_load_explicit(&graph->slot_count, memory_order_relaxed) * slot_bytes >
           cached_bytes;
}

void px_graph__walk(struct px_graph *graph, struct px_graph_worker *worker,
                    const struct px_graph__walk *walk)
{
    assert(walk->beam_limit <= worker->beam_capacity && walk->k <= walk->beam_limit);
    struct state state = {.graph = graph,
                          .worker = worker,
                          .walk = walk,
                          .visited = worker->visited.data,
                          .tag = next_tag(worker),
                          .has_dead = atomic_load(&graph->dead_count) > 0,
                          .limit = INFINITY,
                          .doubt = doubt_factor * worker->query.norm / sqrtf((float)graph->padded) /
                                   (float)(1u << (graph->plane_count - 1))};
    worker->beam_count = worker->cursor = worker->path_count = 0;
    seed(&state);
    if (is_far_from_cpu(graph))
        walk_ahead(&state);
    else
        walk_in_turn(&state);
}

/* ---- ordering anew -------------------------------------------------------------------------- */

static void refine_some(struct px_graph *graph, struct px_graph_worker *worker,
                        px_graph__candidate *candidates, uint32_t count)
{
    uint32_t slots[PX_GRAPH__MOST_DEGREE] = {0};
    float distances[PX_GRAPH__MOST_DEGREE];
    for (uint32_t i = 0; i < count; i++)
        slots[i] = px_graph__slot_of(candidates[i]);
    px_graph__measure_fine(graph, &worker->view, &worker->query, slots, count, distances);
    for (uint32_t i = 0; i < count; i++)
        candidates[i] = px_graph__candidate_of(distances[i], slots[i],
                                               (uint32_t)candidates[i] & PX_GRAPH__DEAD);
}

/* Orders the nearest and some more by all the bits that there are. */
static void refine(struct px_graph *graph, struct px_graph_worker *worker, uint32_t wanted)
{
    enum { MORE = 4, SHARE = 4 };
    const struct px_graph__view *view = &worker->view;
    uint32_t count = wanted + wanted / SHARE + MORE;
    if (view->fine_stride == 0)
        return;
    if (count > worker->beam_count)
        count = worker->beam_count;
    for (uint32_t i = 0; i < count; i++)
        prefetch(view->fine + px_graph__slot_of(worker->beam[i]) * view->fine_stride,
                 view->fine_stride < 1024 ? view->fine_stride : 1024);
    for (uint32_t first = 0; first < count; first += PX_GRAPH__MOST_DEGREE)
        refine_some(graph, worker, worker->beam + first,
                    count - first < PX_GRAPH__MOST_DEGREE ? count - first : PX_GRAPH__MOST_DEGREE);
    px_graph__sort(worker->beam, count);
}

/* ---- searching ------------------------------------------------------------------------------ */

static uint32_t take_hits(struct px_graph *graph, struct px_graph_worker *worker,
                          const struct px_graph_request *request, struct px_graph_hit *ret_hits)
{
    uint32_t count = 0, live = 0, dead = 0;
    for (uint32_t i = 0; i < worker->beam_count && live < request->k; i++) {
        px_graph__candidate candidate = worker->beam[i];
        bool is_dead = (candidate & PX_GRAPH__DEAD) != 0;
        if (is_dead && dead == request->dead_capacity)
            continue;
        float squared = px_graph__distance_of(candidate);
        ret_hits[count++] =
            (struct px_graph_hit){.slot = px_graph__slot_of(candidate),
                                  .distance = px_graph__distance(graph, &worker->query, squared),
                                  .is_dead = is_dead};
        dead += is_dead;
        live += !is_dead;
    }
    return count;
}

int px_graph_search(struct px_graph *graph, struct px_graph_worker *worker,
                    const struct px_graph_request *request, struct px_graph_hit *ret_hits,
                    uint32_t *ret_count, struct proximadb_error *reterr)
{
    assert(request->k >= 1 && request->k <= PX_GRAPH_MOST_K);
    struct px_graph__walk walk = px_graph__plan(graph, request);
    int rc = px_graph__size_beam(worker, walk.beam_limit, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_graph__enter(graph, worker, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    px_graph__set_query(graph, request->query, &worker->query);
    worker->keeps_path = false;
    px_graph__walk(graph, worker, &walk);
    refine(graph, worker, request->k + request->dead_capacity);
    *ret_count = take_hits(graph, worker, request, ret_hits);
    px_graph__leave(worker);
    return PROXIMADB_OK;
}
