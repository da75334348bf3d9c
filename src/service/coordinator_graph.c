#include "service/coordinator_internal.h"

#include <stdlib.h>

enum {
    MOST_ATTEMPTS = 3,
    QUERIES_OF_A_MEMBER = 4, /* worth waking a thread for */
};

/* The walks of one request. */
struct walking {
    const struct px_candidate_request *request;
    const struct px_call *call;
    struct px_shard_walk walk;
    uint32_t wanted; /* slots for each query */
    uint32_t *slots; /* `wanted` for each query, of which counts[query] were found */
    uint32_t *counts;
    _Atomic uint32_t next; /* query */
    struct px_crew_failure failure;
};

/* ---- walking ------------------------------------------------------------------------------- */

static int walk_for(struct walking *walking, struct px_graph_worker *worker, uint32_t query,
                    struct px_graph_hit *hits, struct proximadb_error *reterr)
{
    const struct px_candidate_request *asked = walking->request;
    const struct px_graph_request request = {
        .query = (const uint8_t *)asked->queries.data + query * asked->queries.stride_bytes,
        .k = walking->wanted,
        .target_recall = asked->target_recall,
        .effort = asked->ef,
    };
    uint32_t count, *slots = walking->slots + (size_t)query * walking->wanted;
    int rc = px_call_check(walking->call, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_graph_search(walking->walk.index->graph, worker, &request, hits, &count, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    for (uint32_t i = 0; i < count; i++)
        slots[i] = hits[i].slot;
    walking->counts[query] = count;
    return PROXIMADB_OK;
}

static int walk_some(struct walking *walking, struct proximadb_error *reterr)
{
    struct px_graph_worker *worker;
    struct px_graph_hit *hits = malloc(walking->wanted * sizeof *hits);
    if (hits == NULL)
        return px_fail_no_memory(reterr);
    int rc = px_graph_index_take_worker(walking->walk.index, &worker, reterr);
    if (rc != PROXIMADB_OK) {
        free(hits);
        return rc;
    }
    while (rc == PROXIMADB_OK && !px_crew_has_failed(&walking->failure)) {
        uint32_t query = atomic_fetch_add(&walking->next, 1);
        if (query >= walking->request->queries.row_count)
            break;
        rc = walk_for(walking, worker, query, hits, reterr);
    }
    px_graph_index_give_worker(walking->walk.index, worker);
    free(hits);
    return rc;
}

static void walk_as_member(void *context, unsigned member)
{
    struct walking *walking = context;
    struct proximadb_error error;
    (void)member;
    if (walk_some(walking, &error) != PROXIMADB_OK)
        px_crew_failure_note(&walking->failure, &error);
}

static int walk_all(struct walking *walking, struct proximadb_error *reterr)
{
    struct px_crew *crew = walking->request->crew;
    size_t shares = walking->request->queries.row_count / QUERIES_OF_A_MEMBER + 1;
    unsigned most = px_crew_size(crew) + 1;
    walking->failure = PX_CREW_NO_FAILURE;
    px_crew_run(crew, shares < most ? (unsigned)shares : most, walk_as_member, walking);
    return px_crew_failure_end(&walking->failure, reterr);
}

/* ---- what was found ------------------------------------------------------------------------ */

/* Brings the slots of all queries together, so that they can be located at once. */
static size_t pack_slots(struct walking *walking)
{
    size_t count = 0;
    for (uint32_t query = 0; query < walking->request->queries.row_count; query++) {
        memmove(walking->slots + count, walking->slots + (size_t)query * walking->wanted,
                walking->counts[query] * sizeof *walking->slots);
        count += walking->counts[query];
    }
    return count;
}

static bool is_in_ranges(const struct px_row_ranges *ranges, struct px_row_place place)
{
    uint32_t low = 0, high = ranges->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct px_row_range *range = &ranges->items[middle];
        if (range->source_index < place.source_index ||
            (range->source_index == place.source_index && range->end <= place.row))
            low = middle + 1;
        else
            high = middle;
    }
    return low < ranges->count && ranges->items[low].source_index == place.source_index &&
           ranges->items[low].begin <= place.row;
}

/* Leaves out slots without a row, and rows of the tail. No two slots are of one row. */
static void fill_candidates(const struct walking *walking, struct px_row_place *places,
                            struct px_candidates *candidates)
{
    uint32_t source_count = candidates->snapshot.view->source_count;
    for (uint32_t query = 0; query < walking->request->queries.row_count; query++) {
        struct px_query_candidates *found = &candidates->queries[query];
        *found = (struct px_query_candidates){.items = places};
        for (uint32_t i = 0; i < walking->counts[query]; i++)
            if (places[i].source_index != source_count &&
                !is_in_ranges(&candidates->tail, places[i]))
                found->items[found->count++] = places[i];
        places += walking->counts[query];
    }
}

/* ---- the whole ----------------------------------------------------------------------------- */

static struct px_row_ranges tail_of(const struct px_shard_walk *walk)
{
    return px_coordinator__ranges(walk->tail, walk->tail_count);
}

static int prepare(struct walking *walking, struct px_arena *arena,
                   struct px_candidates *candidates, struct proximadb_error *reterr)
{
    size_t query_count = walking->request->queries.row_count;
    uint32_t slot_count = px_graph_slot_count(walking->walk.index->graph);
    walking->wanted = walking->request->wanted;
    if (walking->wanted > slot_count)
        walking->wanted = slot_count > 0 ? slot_count : 1;
    walking->slots = px_arena_calloc(arena, query_count * walking->wanted, sizeof *walking->slots);
    walking->counts = px_arena_calloc(arena, query_count, sizeof *walking->counts);
    candidates->queries = px_arena_calloc(arena, query_count, sizeof *candidates->queries);
    if (walking->slots == NULL || walking->counts == NULL || candidates->queries == NULL)
        return px_fail_search_memory(reterr);
    return px_shard_list_tail(&walking->walk, arena, reterr);
}

static int attempt(struct px_shard *shard, struct px_call *call, struct walking *walking,
                   struct px_candidates *candidates, bool *ret_found,
                   struct proximadb_error *reterr)
{
    int rc = prepare(walking, &call->arena, candidates, reterr);
    if (rc == PROXIMADB_OK && call->is_here &&
        tail_of(&walking->walk).row_count > PX_SHORT_TAIL_ROWS)
        return PX_CALL_TAKES_LONG;
    if (rc == PROXIMADB_OK)
        rc = walk_all(walking, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    size_t count = pack_slots(walking);
    struct px_row_place *places = px_arena_alloc(&call->arena, count * sizeof *places);
    if (places == NULL)
        return px_fail_search_memory(reterr);
    *ret_found = px_shard_end_walk(shard, &walking->walk, walking->slots, count,
                                   &candidates->snapshot, places);
    if (*ret_found) {
        candidates->tail = tail_of(&walking->walk);
        fill_candidates(walking, places, candidates);
    }
    return PROXIMADB_OK;
}

int px_coordinator__find_in_graph(struct px_shard *shard, struct px_call *call,
                                  const struct px_candidate_request *request,
                                  struct px_candidates *ret_candidates, bool *ret_found,
                                  struct proximadb_error *reterr)
{
    int rc = PROXIMADB_OK;
    bool goes_on = true;
    *ret_found = false;
    for (int i = 0; i < MOST_ATTEMPTS && goes_on; i++) {
        struct walking walking = {.request = request, .call = call};
        if (!px_shard_begin_walk(shard, &walking.walk))
            break;
        *ret_candidates = (struct px_candidates){0};
        goes_on = px_coordinator__is_shorter(&walking.walk.before, request->wanted);
        if (goes_on)
            rc = attempt(shard, call, &walking, ret_candidates, ret_found, reterr);
        goes_on = goes_on && rc == PROXIMADB_OK && !*ret_found;
        px_shard_release_walk(&walking.walk);
    }
    return rc;
}
