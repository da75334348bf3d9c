#include "service/coordinator_internal.h"

#include <math.h>

enum { LEAST_SHARE = 8 }; /* queries that are worth waking a thread for */

#define DEFAULT_RECALL 0.95

/* The searches of one request. */
struct probing {
    struct px_shard *shard;
    const struct px_call *call;
    const struct px_candidate_request *request;
    struct px_shard_probe probe;
    uint32_t wanted;         /* candidates of each query */
    uint32_t probe_count;    /* blocks that each looks at */
    struct px_ivf_hit *hits; /* `wanted` for each query, of which counts[query] were found */
    uint32_t *counts;
    uint32_t share; /* queries that a thread takes at once: they share what they read */
    _Atomic uint32_t next;
    struct px_crew_failure failure;
};

/* ---- how far to look ----------------------------------------------------------------------- */

/* nprobe lists are so many blocks as as many lists have in the mean, whichever lists they are of:
 * the nearest blocks have more of the nearest rows than the nearest lists. */
static double blocks_of_lists(const struct px_shard_probe *probe, uint32_t list_count)
{
    return ceil((double)list_count * (double)probe->block_count / (double)probe->list_count);
}

/* Of the rows that are near, some are dead: among how many the wanted ones are. */
static uint32_t nearest_rows(const struct px_shard_probe *probe, uint32_t near_count)
{
    uint64_t dead = probe->dead_count < probe->row_count ? probe->dead_count : probe->row_count;
    double share = (double)(probe->row_count - dead + 1) / (double)(probe->row_count + 1);
    double rows = near_count / share;
    return rows < UINT32_MAX ? (uint32_t)rows : UINT32_MAX;
}

/* Lists end in blocks that are not full, so all blocks are more than the rows would fill. */
static double blocks_of_recall(const struct px_shard_probe *probe,
                               const struct px_candidate_request *request)
{
    double recall = request->target_recall > 0 ? request->target_recall : DEFAULT_RECALL;
    double blocks = px_ivf_effort_probe_count(
        &probe->effort, recall, nearest_rows(probe, request->near_count), probe->row_count);
    bool is_all = blocks * PX_IVF_BLOCK_ROWS >= (double)probe->row_count;
    return is_all ? (double)probe->block_count : blocks;
}

static uint32_t choose_probe_count(const struct px_shard_probe *probe,
                                   const struct px_candidate_request *request)
{
    double blocks = request->nprobe > 0 ? blocks_of_lists(probe, request->nprobe)
                                        : blocks_of_recall(probe, request);
    blocks *= request->widening;
    return blocks < (double)probe->block_count ? (uint32_t)blocks : (uint32_t)probe->block_count;
}

/* ---- looking ------------------------------------------------------------------------------- */

/* Rows of parts are as old as the snapshot at least, so a row counts if it was not killed by then;
 * whether it has expired, and matches the filter, is asked of the candidates. */
static bool accept(void *context, uint32_t query_index, uint32_t part_index, uint32_t row_index)
{
    const struct probing *probing = context;
    const struct px_snapshot *snapshot = &probing->probe.snapshot;
    uint32_t source_index = probing->probe.source_indexes[part_index];
    int64_t killed_at = px_source_killed_at(snapshot->view->sources[source_index], row_index);
    (void)query_index;
    return killed_at == 0 || killed_at > snapshot->lsn;
}

static bool should_stop(void *context)
{
    const struct probing *probing = context;
    return px_crew_has_failed(&probing->failure) ||
           px_call_check(probing->call, NULL) != PROXIMADB_OK;
}

/* Queries [first, end). */
static int look_for(struct probing *probing, struct px_ivf_searcher *searcher, uint32_t first,
                    uint32_t end, struct proximadb_error *reterr)
{
    const struct px_rows *queries = &probing->request->queries;
    const struct px_ivf_set set = {.parts = probing->probe.parts,
                                   .part_count = probing->probe.part_count};
    const struct px_ivf_request request = {
        .queries = {.data = (const uint8_t *)queries->data + first * queries->stride_bytes,
                    .stride_bytes = queries->stride_bytes,
                    .row_count = end - first,
                    .dim_count = queries->dim_count},
        .k = probing->wanted,
        .probe_count = probing->probe_count,
        .accept = accept,
        .should_stop = should_stop,
        .context = probing};
    int rc =
        px_ivf_search(searcher, &set, &request, probing->hits + (size_t)first * probing->wanted,
                      probing->counts + first, reterr);
    /* What stopped it is said better here. */
    if (rc == PROXIMADB_CANCELLED && px_call_check(probing->call, NULL) != PROXIMADB_OK)
        rc = px_call_check(probing->call, reterr);
    return rc;
}

static int look_for_some(struct probing *probing, struct proximadb_error *reterr)
{
    uint32_t query_count = (uint32_t)probing->request->queries.row_count;
    struct px_ivf_searcher *searcher;
    int rc = px_shard_take_searcher(probing->shard, &searcher, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    while (rc == PROXIMADB_OK && !px_crew_has_failed(&probing->failure)) {
        uint32_t first = atomic_fetch_add(&probing->next, probing->share);
        if (first >= query_count)
            break;
        uint32_t end = query_count - first < probing->share ? query_count : first + probing->share;
        rc = look_for(probing, searcher, first, end, reterr);
    }
    px_shard_give_searcher(probing->shard, searcher);
    return rc;
}

static void look_as_member(void *context, unsigned member)
{
    struct probing *probing = context;
    struct proximadb_error error;
    (void)member;
    if (look_for_some(probing, &error) != PROXIMADB_OK)
        px_crew_failure_note(&probing->failure, &error);
}

static int look_for_all(struct probing *probing, struct proximadb_error *reterr)
{
    struct px_crew *crew = probing->request->crew;
    uint32_t query_count = (uint32_t)probing->request->queries.row_count;
    uint32_t members = px_crew_size(crew) + 1;
    uint32_t share = (query_count + members - 1) / members;
    probing->share = share > LEAST_SHARE ? share : LEAST_SHARE;
    members = (query_count + probing->share - 1) / probing->share;
    probing->failure = PX_CREW_NO_FAILURE;
    px_crew_run(crew, members, look_as_member, probing);
    return px_crew_failure_end(&probing->failure, reterr);
}

/* ---- what was found ------------------------------------------------------------------------ */

static int fill_candidates(struct probing *probing, struct px_arena *arena,
                           struct px_candidates *candidates, struct proximadb_error *reterr)
{
    size_t query_count = probing->request->queries.row_count;
    candidates->queries = px_arena_calloc(arena, query_count, sizeof *candidates->queries);
    if (candidates->queries == NULL)
        return px_fail_search_memory(reterr);
    for (size_t query = 0; query < query_count; query++) {
        const struct px_ivf_hit *hits = probing->hits + query * probing->wanted;
        uint32_t count = probing->counts[query];
        struct px_row_place *places = px_arena_calloc(arena, count + 1, sizeof *places);
        if (places == NULL)
            return px_fail_search_memory(reterr);
        for (uint32_t i = 0; i < count; i++)
            places[i] = (struct px_row_place){.source_index =
                                                  probing->probe.source_indexes[hits[i].part_index],
                                              .row = hits[i].row_index};
        candidates->queries[query] = (struct px_query_candidates){.items = places, .count = count};
    }
    return PROXIMADB_OK;
}

/* ---- the whole ----------------------------------------------------------------------------- */

static int prepare(struct probing *probing, struct px_arena *arena, struct proximadb_error *reterr)
{
    const struct px_candidate_request *request = probing->request;
    size_t query_count = request->queries.row_count;
    uint64_t ef = request->ef < probing->probe.row_count ? request->ef : probing->probe.row_count;
    probing->wanted = request->wanted > ef ? request->wanted : (uint32_t)ef;
    if (query_count * probing->wanted > PX_MOST_CANDIDATES_OF_ALL)
        return px_fail(reterr, PROXIMADB_TOO_LARGE,
                       "%zu queries for %u candidates each are more than %d candidates; send fewer "
                       "queries at once, or ask for a smaller ef",
                       query_count, probing->wanted, PX_MOST_CANDIDATES_OF_ALL);
    probing->probe_count = choose_probe_count(&probing->probe, request);
    probing->hits = px_arena_calloc(arena, query_count * probing->wanted, sizeof *probing->hits);
    probing->counts = px_arena_calloc(arena, query_count, sizeof *probing->counts);
    if (probing->hits == NULL || probing->counts == NULL)
        return px_fail_search_memory(reterr);
    return PROXIMADB_OK;
}

static int find(struct probing *probing, struct px_arena *arena, struct px_candidates *candidates,
                struct proximadb_error *reterr)
{
    int rc = prepare(probing, arena, reterr);
    if (rc == PROXIMADB_OK)
        rc = look_for_all(probing, reterr);
    if (rc == PROXIMADB_OK)
        rc = fill_candidates(probing, arena, candidates, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    candidates->tail = px_coordinator__ranges(probing->probe.tail, probing->probe.tail_count);
    candidates->ranked = probing->request->ef;
    candidates->snapshot = px_shard_take_snapshot_of(&probing->probe);
    return PROXIMADB_OK;
}

int px_coordinator__find_by_codes(struct px_shard *shard, struct px_call *call,
                                  const struct px_candidate_request *request,
                                  struct px_candidates *ret_candidates, bool *ret_found,
                                  struct proximadb_error *reterr)
{
    struct probing probing = {.shard = shard, .call = call, .request = request};
    *ret_found = false;
    *ret_candidates = (struct px_candidates){0};
    int rc = px_shard_begin_probe(shard, &call->arena, &probing.probe, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    if (probing.probe.part_count > 0 &&
        px_coordinator__is_shorter(&probing.probe.snapshot, request->wanted)) {
        rc = find(&probing, &call->arena, ret_candidates, reterr);
        *ret_found = rc == PROXIMADB_OK;
    }
    px_shard_end_probe(&probing.probe);
    return rc;
}
