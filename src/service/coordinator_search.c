#include "service/coordinator_internal.h"

#include "axis/exact.h"
#include "payload/result.h"

/* ---- what AXIS asks ------------------------------------------------------------------------ */

static int give_block(void *context, uint32_t source_index, uint32_t from_row,
                      struct px_exact_block *ret_block, struct proximadb_error *reterr)
{
    struct px_reading *reading = context;
    const struct px_source *source = reading->snapshot.view->sources[source_index];
    uint32_t row_count = px_snapshot_row_count(&reading->snapshot, source_index);
    *ret_block = (struct px_exact_block){0};
    if (from_row >= row_count)
        return PROXIMADB_OK;
    if (source->memtable != NULL) {
        struct px_memtable_block block;
        (void)px_memtable_get_block(source->memtable, from_row, row_count, &block);
        *ret_block = (struct px_exact_block){.vectors = block.vectors,
                                             .stride_bytes = block.stride_bytes,
                                             .first_row = block.first_row,
                                             .row_count = block.row_count};
        return PROXIMADB_OK;
    }
    struct px_part_block block;
    int rc = px_part_get_block(source->part, from_row, &block, reterr);
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
        if (!px_row_reader_record(&reading->rows, hit->source_index, hit->row_index, &record))
            return px_row_reader_status(&reading->rows, reterr);
        struct px_result_hit result = {
            .record = &record, .score = hit->score, .distance = hit->distance};
        px_result_put_hit(answer, &result, parts);
    }
    px_result_finish_hits(answer, hits->count);
    return PROXIMADB_OK;
}

static int search(struct px_reading *reading, const struct px_collection *collection,
                  const struct px_search_request *request, struct px_buffer *answer,
                  struct proximadb_error *reterr)
{
    struct px_exact_request exact = {
        .queries = {.data = request->queries,
                    .stride_bytes = collection->dim_count * sizeof(float),
                    .row_count = request->query_count,
                    .dim_count = collection->dim_count},
        .metric = collection->metric,
        .k = request->k,
    };
    struct px_exact_input input = {
        .context = reading,
        .source_count = reading->snapshot.view->source_count,
        .row_count = px_snapshot_total_rows(&reading->snapshot),
        .block = give_block,
        .should_stop = should_stop,
        .rows = {.context = reading, .accept = accept, .id = give_id, .vector = give_vector},
    };
    struct px_arena *arena = &reading->call->arena;
    struct px_hits *hits = px_arena_calloc(arena, request->query_count, sizeof *hits);
    if (hits == NULL)
        return px_fail_no_memory(reterr);
    int rc = px_exact_search(&exact, &input, arena, hits, reterr);
    /* What stopped it, and what was wrong with a row, is said better here. */
    if (rc == PROXIMADB_CANCELLED && px_call_check(reading->call, reterr) != PROXIMADB_OK)
        return px_call_check(reading->call, NULL);
    int reading_rc = px_row_reader_status(&reading->rows, reterr);
    if (reading_rc != PROXIMADB_OK)
        return reading_rc;
    if (rc == PROXIMADB_OK)
        px_result_begin_search(answer, request->query_count);
    for (uint32_t query = 0; query < request->query_count && rc == PROXIMADB_OK; query++)
        rc = put_hits(reading, request, &hits[query], answer, reterr);
    if (rc == PROXIMADB_OK)
        px_result_finish_search(answer, request->query_count);
    return rc;
}

int px_coordinator__search(struct px_shard *shard, struct px_call *call,
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
        rc = search(&reading, &description->collection, request, answer, reterr);
    px_coordinator__end_reading(&reading);
    px_description_unref(description);
    return rc;
}
