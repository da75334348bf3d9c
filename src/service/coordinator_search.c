#include "service/coordinator_internal.h"

#include "payload/result.h"

#include <math.h>

enum {
    FILTER_FACTOR = 4, /* candidates for each wanted one, where not every row matches */
    /* Of a short search, which may run where it was submitted (enum proximadb_thread). */
    SHORT_K = 100,
    SHORT_K_OF_TEXTS = 16, /* each may be some pages to decompress */
    SHORT_EF = 1000,
    SHORT_DIMS = 4096,
};

#define SHORT_RECALL 0.99

/* What a search did, for who wants it explained. */
struct search_effort {
    uint64_t candidate_count; /* that the index gave */
    uint64_t ranked_count;    /* of these, compared with the stored vectors */
    uint64_t tail_row_count;  /* rows that the index did not know */
    uint32_t attempt_count;   /* of asking the index */
    bool is_exact;            /* in the end every row was compared */
};

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

/* One search, as far as it has come. */
struct searching {
    struct px_crew *crew;
    struct px_shard *shard;
    struct px_call *call;
    const struct px_search_request *request;
    const struct px_filter *filter; /* NULL: every row matches */
    struct px_exact_request exact;
    struct px_reading reading; /* of the last attempt */
    struct px_hits *hits;      /* of each query */
    uint32_t near_count;       /* rows among which the hits are, as a guess */
    uint32_t first_wanted;     /* candidates */
    struct search_effort effort;
};

/* What is not asked for is not read: each column may be a page to decompress. */
static bool read_hit(struct px_reading *reading, const struct px_hit *hit, uint32_t dim_count,
                     struct px_hit_parts parts, struct px_record *ret_record)
{
    struct px_row_reader *rows = &reading->rows;
    uint32_t source_index = hit->source_index, row = hit->row_index;
    *ret_record = (struct px_record){.id = px_row_reader_id(rows, source_index, row),
                                     .version = px_row_reader_version(rows, source_index, row),
                                     .dim_count = dim_count};
    if (parts.vector)
        ret_record->vector = px_row_reader_vector(rows, source_index, row);
    if (parts.metadata && !px_row_reader_texts(rows, source_index, row, ret_record))
        return false;
    return px_row_reader_status(rows, NULL) == PROXIMADB_OK;
}

static int put_hits(struct searching *searching, const struct px_hits *hits,
                    struct px_buffer *answer, struct proximadb_error *reterr)
{
    struct px_reading *reading = &searching->reading;
    const struct px_search_request *request = searching->request;
    uint32_t dim_count = (uint32_t)searching->exact.queries.dim_count;
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
        if (!read_hit(reading, hit, dim_count, parts, &record))
            return px_row_reader_status(&reading->rows, reterr);
        struct px_result_hit result = {
            .record = &record, .score = hit->score, .distance = hit->distance};
        px_result_put_hit(answer, &result, parts);
    }
    px_result_finish_hits(answer, hits->count);
    return PROXIMADB_OK;
}

/* ---- by an index --------------------------------------------------------------------------- */

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

/* Hits that are certain beyond k: the index's distances are a little wrong, so that a row that it
 * has behind the k-th may be before it. */
static uint32_t slack_of(uint32_t k)
{
    return k / 8 + 4;
}

/* Offers candidates until enough of them match. */
static void offer_candidates(struct searching *searching,
                             const struct px_query_candidates *candidates, uint32_t enough,
                             struct px_topk *topk)
{
    static const struct px_interval unknown = {-(double)INFINITY, (double)INFINITY};
    uint32_t offered = 0;
    for (uint32_t i = 0; i < candidates->count && offered < enough; i++) {
        const struct px_row_place *place = &candidates->items[i];
        if (!px_coordinator__accepts(&searching->reading, place->source_index, place->row))
            continue;
        px_topk_offer(topk, unknown, place->source_index, place->row);
        offered++;
    }
    searching->effort.ranked_count += offered;
}

/* The order of the answer is made of canonical distances, whatever the index thinks of them. */
static int rank(struct searching *searching, uint32_t query_index,
                const struct px_candidates *candidates, const struct px_hits *tail,
                struct proximadb_error *reterr)
{
    uint32_t k = searching->request->k, enough = k + slack_of(k);
    const struct px_row_visitor rows = {
        .context = &searching->reading, .id = give_id, .vector = give_vector};
    const struct px_rows *queries = &searching->exact.queries;
    struct px_arena *arena = &searching->call->arena;
    struct px_query query;
    struct px_topk topk;
    px_query_init(&query, searching->exact.metric,
                  (const uint8_t *)queries->data + query_index * queries->stride_bytes,
                  queries->dim_count);
    int rc = px_topk_init(&topk, k, &query, &rows, arena, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    enough = enough > candidates->ranked ? enough : candidates->ranked;
    offer_candidates(searching, &candidates->queries[query_index], enough, &topk);
    for (size_t i = 0; i < tail->count; i++) {
        const struct px_hit *hit = &tail->items[i];
        px_topk_offer(&topk, (struct px_interval){hit->distance, hit->distance}, hit->source_index,
                      hit->row_index);
    }
    rc = px_topk_finish(&topk, arena, &searching->hits[query_index], reterr);
    /* What is wrong with a row is said better here. */
    if (px_row_reader_status(&searching->reading.rows, NULL) != PROXIMADB_OK)
        return px_row_reader_status(&searching->reading.rows, reterr);
    return rc;
}

static int rank_all(struct searching *searching, const struct px_candidates *candidates,
                    struct proximadb_error *reterr)
{
    uint32_t query_count = searching->request->query_count;
    struct px_arena *arena = &searching->call->arena;
    struct px_hits *tail = px_arena_calloc(arena, query_count, sizeof *tail);
    if (tail == NULL)
        return px_fail_no_memory(reterr);
    int rc = PROXIMADB_OK;
    if (searching->call->is_here && candidates->tail.row_count > PX_SHORT_TAIL_ROWS)
        return PX_CALL_TAKES_LONG;
    if (candidates->tail.row_count > 0)
        rc = px_coordinator__compare(searching->crew, &searching->reading, &searching->exact,
                                     &candidates->tail, tail, reterr);
    px_row_reader_share_pages(&searching->reading.rows); /* but not what the tail went through */
    for (uint32_t query = 0; query < query_count && rc == PROXIMADB_OK; query++) {
        searching->effort.candidate_count += candidates->queries[query].count;
        rc = px_call_check(searching->call, reterr);
        if (rc == PROXIMADB_OK)
            rc = rank(searching, query, candidates, &tail[query], reterr);
    }
    searching->effort.tail_row_count += candidates->tail.row_count;
    return rc;
}

/* Fewest hits of a query. */
static size_t fewest_hits(const struct searching *searching)
{
    size_t fewest = searching->request->k;
    for (uint32_t query = 0; query < searching->request->query_count; query++)
        if (searching->hits[query].count < fewest)
            fewest = searching->hits[query].count;
    return fewest;
}

/* How many candidates to ask for next; 0: comparing all rows is better. */
static uint32_t next_wanted(const struct searching *searching, uint32_t wanted, size_t fewest)
{
    uint64_t total = px_snapshot_total_rows(&searching->reading.snapshot);
    uint64_t k = searching->request->k;
    /* As many as would have been enough this time, and half as many again. */
    uint64_t next = fewest > 0 ? wanted * k * 3 / (2 * (uint64_t)fewest) : (uint64_t)wanted * 16;
    if (next < 2 * (uint64_t)wanted)
        next = 2 * (uint64_t)wanted;
    bool has_room = next * searching->request->query_count <= PX_MOST_CANDIDATES_OF_ALL;
    bool is_shorter = next <= PX_GRAPH_MOST_K && next * PX_ROWS_PER_CANDIDATE <= total;
    return has_room && is_shorter ? (uint32_t)next : 0;
}

static int search_index(struct searching *searching, px_find_candidates *find, uint32_t wanted,
                        bool *ret_found, struct proximadb_error *reterr)
{
    const struct px_search_request *request = searching->request;
    const struct px_candidate_request asked = {.crew = searching->crew,
                                               .queries = searching->exact.queries,
                                               .wanted = wanted,
                                               .near_count = searching->near_count,
                                               .widening = wanted / searching->first_wanted,
                                               .target_recall = request->target_recall,
                                               .ef = request->ef,
                                               .nprobe = request->nprobe};
    struct px_candidates candidates;
    int rc = find(searching->shard, searching->call, &asked, &candidates, ret_found, reterr);
    searching->effort.attempt_count++;
    if (rc != PROXIMADB_OK || !*ret_found)
        return rc;
    px_coordinator__end_reading(&searching->reading);
    rc = px_coordinator__begin_reading(&searching->reading, searching->call, &candidates.snapshot,
                                       searching->filter, reterr);
    return rc == PROXIMADB_OK ? rank_all(searching, &candidates, reterr) : rc;
}

/* ---- plan ---------------------------------------------------------------------------------- */

static int search_exactly(struct searching *searching, struct proximadb_error *reterr)
{
    struct px_snapshot snapshot;
    searching->effort.is_exact = true;
    px_coordinator__end_reading(&searching->reading);
    px_shard_snapshot(searching->shard, &snapshot);
    int rc = px_coordinator__begin_reading(&searching->reading, searching->call, &snapshot,
                                           searching->filter, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    return px_coordinator__compare_all(searching->crew, &searching->reading, &searching->exact,
                                       searching->hits, reterr);
}

/* Which index is asked, if any. */
static px_find_candidates *choose_index(const struct searching *searching,
                                        const struct px_collection *collection)
{
    if (searching->request->exact)
        return NULL;
    switch (collection->index_type) {
    case PROXIMADB_HNSW:
        return px_coordinator__find_in_graph;
    case PROXIMADB_IVF:
        return px_coordinator__find_by_codes;
    default:
        return NULL;
    }
}

/* As many candidates as needed for k hits, as long as that is the shorter way. */
static int find_hits(struct searching *searching, px_find_candidates *find,
                     struct proximadb_error *reterr)
{
    uint32_t k = searching->request->k;
    uint32_t wanted = k + slack_of(k);
    bool is_found = find != NULL;
    if (searching->filter != NULL)
        wanted *= FILTER_FACTOR;
    wanted = wanted > PX_GRAPH_MOST_K ? PX_GRAPH_MOST_K : wanted;
    searching->near_count = searching->filter != NULL ? FILTER_FACTOR * k : k;
    searching->first_wanted = wanted;
    while (is_found && wanted != 0) {
        int rc = search_index(searching, find, wanted, &is_found, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
        size_t fewest = is_found ? fewest_hits(searching) : 0;
        if (is_found && fewest == k)
            return PROXIMADB_OK;
        if (searching->call->is_here)
            return PX_CALL_TAKES_LONG;
        if (is_found)
            wanted = next_wanted(searching, wanted, fewest);
    }
    return searching->call->is_here ? PX_CALL_TAKES_LONG : search_exactly(searching, reterr);
}

static int answer_hits(struct searching *searching, struct px_buffer *answer,
                       struct proximadb_error *reterr)
{
    const struct px_search_request *request = searching->request;
    int rc = PROXIMADB_OK;
    px_result_begin_search(answer, request->query_count);
    for (uint32_t query = 0; query < request->query_count && rc == PROXIMADB_OK; query++)
        rc = put_hits(searching, &searching->hits[query], answer, reterr);
    if (rc == PROXIMADB_OK)
        px_result_finish_search(answer, request->query_count);
    return rc;
}

static int search(struct searching *searching, const struct px_collection *collection,
                  struct px_buffer *answer, struct proximadb_error *reterr)
{
    const struct px_search_request *request = searching->request;
    searching->exact = (struct px_exact_request){
        .queries = {.data = request->queries,
                    .stride_bytes = collection->dim_count * sizeof(float),
                    .row_count = request->query_count,
                    .dim_count = collection->dim_count},
        .metric = collection->metric,
        .k = request->k,
    };
    searching->hits =
        px_arena_calloc(&searching->call->arena, request->query_count, sizeof *searching->hits);
    if (searching->hits == NULL)
        return px_fail_no_memory(reterr);
    int rc = find_hits(searching, choose_index(searching, collection), reterr);
    if (rc == PROXIMADB_OK)
        rc = answer_hits(searching, answer, reterr);
    px_coordinator__end_reading(&searching->reading);
    return rc;
}

/* Whether it is one by what it asks; what it meets may make it a long one, too. Codes take several
 * times as long as a walk. */
static bool is_short(const struct searching *searching, const struct px_collection *collection)
{
    const struct px_search_request *request = searching->request;
    bool has_texts = request->include_metadata || request->include_vectors;
    return collection->index_type == PROXIMADB_HNSW && collection->dim_count <= SHORT_DIMS &&
           request->query_count == 1 && request->k <= (has_texts ? SHORT_K_OF_TEXTS : SHORT_K) &&
           request->ef <= SHORT_EF && request->target_recall <= SHORT_RECALL &&
           !request->filter.present && !request->exact && px_shard_is_free(searching->shard);
}

int px_coordinator__search(struct px_vector_storage_coordinator *coordinator,
                           struct px_shard *shard, struct px_call *call,
                           const struct px_search_request *request, struct px_buffer *answer,
                           struct proximadb_error *reterr)
{
    struct searching searching = {
        .crew = coordinator->crew, .shard = shard, .call = call, .request = request};
    struct px_description *description = px_shard_describe(shard);
    bool is_long = call->is_here && !is_short(&searching, &description->collection);
    int rc = is_long ? PX_CALL_TAKES_LONG : check_size(request, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_coordinator__parse_filter(shard, call, &request->filter, &searching.filter, reterr);
    if (rc == PROXIMADB_OK) {
        px_shard_note_read(shard);
        rc = search(&searching, &description->collection, answer, reterr);
    }
    px_description_unref(description);
    return rc;
}
