#include "service/coordinator_internal.h"

#include "axis/exact.h"
#include "payload/result.h"

/* A millisecond's worth of them: less is not worth waking a thread for. */
#define PRODUCTS_OF_A_MEMBER 4e6

/* ---- what AXIS asks ------------------------------------------------------------------------ */

static uint32_t source_rows(void *context, uint32_t source_index)
{
    const struct px_reading *reading = context;
    return px_snapshot_row_count(&reading->snapshot, source_index);
}

static int give_block(void *context, uint32_t source_index, uint32_t row,
                      struct px_exact_block *ret_block, struct proximadb_error *reterr)
{
    struct px_reading *reading = context;
    struct px_part_block block;
    int rc = px_row_reader_block(&reading->rows, source_index, row, &block, reterr);
    if (rc == PROXIMADB_OK)
        *ret_block = (struct px_exact_block){.vectors = block.vectors,
                                             .stride_bytes = block.stride_bytes,
                                             .first_row = block.first_row,
                                             .row_count = block.row_count};
    return rc;
}

static bool should_stop(void *context)
{
    const struct px_reading *reading = context;
    return px_call_check(reading->call, NULL) != PROXIMADB_OK;
}

static bool accept(void *context, uint32_t source_index, uint32_t row)
{
    return px_coordinator__accepts(context, source_index, row);
}

static struct px_slice give_id(void *context, uint32_t source_index, uint32_t row)
{
    struct px_reading *reading = context;
    return px_row_reader_id(&reading->rows, source_index, row);
}

static const void *give_vector(void *context, uint32_t source_index, uint32_t row)
{
    struct px_reading *reading = context;
    return px_row_reader_vector(&reading->rows, source_index, row);
}

/* ---- the search ---------------------------------------------------------------------------- */

/* Candidates and hits take about 80 bytes each. */
static int check_size(const struct px_search_request *request, struct proximadb_error *reterr)
{
    uint64_t hits = (uint64_t)request->query_count * request->k;
    if (hits <= PX_MOST_HITS_OF_ALL)
        return PROXIMADB_OK;
    return px_fail(reterr, PROXIMADB_TOO_LARGE,
                   "%u queries for %u hits each are more than %d hits; send fewer queries at once",
                   request->query_count, request->k, PX_MOST_HITS_OF_ALL);
}

static int put_hits(struct px_reading *reading, const struct px_search_request *request,
                    const struct px_hits *hits, struct px_buffer *answer,
                    struct proximadb_error *reterr)
{
    struct px_hit_parts parts = {.vector = request->include_vectors,
                                 .metadata = request->include_metadata};
    px_result_begin_hits(answer, hits->count);
    for (size_t i = 0; i < hits->count; i++) {
        int rc = i % PX_ROWS_BETWEEN_CHECKS == 0
                     ? px_call_check_answer(reading->call, answer, reterr)
                     : PROXIMADB_OK;
        if (rc != PROXIMADB_OK)
            return rc;
        const struct px_hit *hit = &hits->items[i];
        struct px_record record;
        if (!px_row_reader_record(&reading->rows, hit->source_index, hit->row_index, parts.vector,
                                  &record))
            return px_row_reader_status(&reading->rows, reterr);
        struct px_result_hit result = {
            .record = &record, .score = hit->score, .distance = hit->distance};
        px_result_put_hit(answer, &result, parts);
    }
    px_result_finish_hits(answer, hits->count);
    return PROXIMADB_OK;
}

/* ---- several threads ------------------------------------------------------------------------ */

/* One thread's part of a search. The first one's is the request's own. */
struct member {
    struct px_reading *reading;
    struct px_reading own; /* of a helper: the request's, with readers of its own */
    struct px_arena arena; /* of a helper */
    struct px_exact_input input;
    struct px_exact_scan *scan; /* NULL: it did not get to begin */
    int rc;
    struct proximadb_error error;
};

struct team {
    struct px_exact_request request;
    struct px_exact_shares shares;
    struct member *members;
    unsigned member_count;
};

static struct px_exact_input input_of(struct px_reading *reading)
{
    return (struct px_exact_input){
        .context = reading,
        .source_count = reading->snapshot.view->source_count,
        .row_count = px_snapshot_total_rows(&reading->snapshot),
        .source_rows = source_rows,
        .block = give_block,
        .should_stop = should_stop,
        .rows = {.context = reading, .accept = accept, .id = give_id, .vector = give_vector},
    };
}

static int begin_first(struct team *team, struct proximadb_error *reterr)
{
    struct member *first = &team->members[0];
    first->input = input_of(first->reading);
    return px_exact_begin(&team->request, &first->input, &first->reading->call->arena, &first->scan,
                          reterr);
}

/* A helper that has no memory is no loss: what it does not take is left to the others. */
static void begin_helper(struct team *team, struct member *helper)
{
    const struct px_reading *first = team->members[0].reading;
    helper->own = (struct px_reading){
        .call = first->call, .snapshot = first->snapshot, .filter = first->filter};
    helper->reading = &helper->own;
    px_arena_init(&helper->arena, first->call->arena.limit_bytes);
    helper->input = input_of(&helper->own);
    if (px_row_reader_init(&helper->own.rows, &helper->own.snapshot, NULL) != PROXIMADB_OK ||
        px_exact_begin(&team->request, &helper->input, &helper->arena, &helper->scan, NULL) !=
            PROXIMADB_OK)
        helper->scan = NULL;
}

static void run_member(void *context, unsigned number)
{
    struct team *team = context;
    struct member *member = &team->members[number];
    if (number > 0)
        begin_helper(team, member);
    if (member->scan == NULL)
        return;
    member->rc = px_exact_run(member->scan, &team->shares, &member->error);
    /* What stopped it, and what was wrong with a row, is said better here. */
    if (member->rc == PROXIMADB_CANCELLED)
        member->rc = px_call_check(member->reading->call, &member->error);
    if (px_row_reader_status(&member->reading->rows, &member->error) != PROXIMADB_OK)
        member->rc = member->error.status;
}

static int add_up(struct team *team, struct proximadb_error *reterr)
{
    struct member *first = &team->members[0];
    for (unsigned i = 0; i < team->member_count; i++) {
        if (team->members[i].rc != PROXIMADB_OK) {
            *reterr = team->members[i].error;
            return reterr->status;
        }
        if (i > 0 && team->members[i].scan != NULL)
            px_exact_merge(first->scan, team->members[i].scan);
    }
    return PROXIMADB_OK;
}

static void release_helpers(struct team *team)
{
    for (unsigned i = 1; i < team->member_count; i++) {
        px_row_reader_release(&team->members[i].own.rows);
        px_arena_release(&team->members[i].arena);
    }
}

/* As many as have a millisecond's work each. */
static unsigned wanted_members(const struct px_reading *reading,
                               const struct px_exact_request *request, unsigned most)
{
    double products = (double)px_snapshot_total_rows(&reading->snapshot) *
                      (double)request->queries.dim_count * (double)request->queries.row_count;
    double wanted = products / PRODUCTS_OF_A_MEMBER + 1;
    return wanted < most ? (unsigned)wanted : most;
}

static int find_hits(struct px_crew *crew, struct px_reading *reading,
                     const struct px_exact_request *request, struct px_hits *hits,
                     struct proximadb_error *reterr)
{
    if (request->queries.row_count == 0)
        return PROXIMADB_OK;
    unsigned count = wanted_members(reading, request, px_crew_size(crew) + 1);
    struct px_arena *arena = &reading->call->arena;
    struct team team = {.request = *request, .member_count = count};
    team.members = px_arena_calloc(arena, count, sizeof *team.members);
    if (team.members == NULL)
        return px_fail_no_memory(reterr);
    struct member *first = &team.members[0];
    first->reading = reading;
    int rc = begin_first(&team, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    px_crew_run(crew, count, run_member, &team);
    rc = add_up(&team, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_exact_finish(first->scan, hits, reterr);
    release_helpers(&team);
    return rc;
}

/* ---- the search ---------------------------------------------------------------------------- */

static int search(struct px_crew *crew, struct px_reading *reading,
                  const struct px_collection *collection, const struct px_search_request *request,
                  struct px_buffer *answer, struct proximadb_error *reterr)
{
    struct px_exact_request exact = {
        .queries = {.data = request->queries,
                    .stride_bytes = collection->dim_count * sizeof(float),
                    .row_count = request->query_count,
                    .dim_count = collection->dim_count},
        .metric = collection->metric,
        .k = request->k,
    };
    struct px_arena *arena = &reading->call->arena;
    struct px_hits *hits = px_arena_calloc(arena, request->query_count, sizeof *hits);
    if (hits == NULL)
        return px_fail_no_memory(reterr);
    int rc = find_hits(crew, reading, &exact, hits, reterr);
    if (rc == PROXIMADB_OK)
        px_result_begin_search(answer, request->query_count);
    for (uint32_t query = 0; query < request->query_count && rc == PROXIMADB_OK; query++)
        rc = put_hits(reading, request, &hits[query], answer, reterr);
    if (rc == PROXIMADB_OK)
        px_result_finish_search(answer, request->query_count);
    return rc;
}

int px_coordinator__search(struct px_vector_storage_coordinator *coordinator,
                           struct px_shard *shard, struct px_call *call,
                           const struct px_search_request *request, struct px_buffer *answer,
                           struct proximadb_error *reterr)
{
    struct px_reading reading;
    struct px_snapshot snapshot;
    const struct px_filter *filter;
    int rc = check_size(request, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_coordinator__parse_filter(shard, call, &request->filter, &filter, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    struct px_description *description = px_shard_describe(shard);
    px_shard_snapshot(shard, &snapshot);
    rc = px_coordinator__begin_reading(&reading, call, &snapshot, filter, reterr);
    if (rc == PROXIMADB_OK)
        rc = search(coordinator->crew, &reading, &description->collection, request, answer, reterr);
    px_coordinator__end_reading(&reading);
    px_description_unref(description);
    return rc;
}
