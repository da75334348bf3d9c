#include "payload/request.h"

#include "base/hash.h"
#include "codec/utf8.h"
#include "model/filter.h"
#include "model/metadata.h"
#include "payload/decoder_internal.h"

enum { QUERY_ALIGN = 64 };

static int check_filter(const struct px_filter_text *filter, struct proximadb_error *reterr)
{
    if (!filter->present && px_metadata_first(filter->params).left > 0)
        return px_fail(reterr, PROXIMADB_INVALID,
                       "there are filter parameters but no filter that could use them");
    if (filter->text.size_bytes > PX_FILTER_LARGEST_BYTES)
        return px_fail(reterr, PROXIMADB_INVALID, "the filter has %zu bytes; it may have %d",
                       filter->text.size_bytes, PX_FILTER_LARGEST_BYTES);
    if (!px_utf8_validate(filter->text))
        return px_fail(reterr, PROXIMADB_INVALID, "the filter is not valid UTF-8");
    return PROXIMADB_OK;
}

/* The fields `filter` and `params`, which four of the schemas have one behind the other. */
static int read_filter(struct px_decoder *decoder, struct px_filter_text *ret_filter)
{
    struct px_filter_text filter = {0};
    filter.present = px_cursor_branch(&decoder->cursor, 2) == 1;
    if (filter.present)
        filter.text = px_cursor_string(&decoder->cursor);
    int rc = px_decoder__map(decoder, &filter.params);
    if (rc == PROXIMADB_OK)
        rc = check_filter(&filter, decoder->reterr);
    if (rc == PROXIMADB_OK)
        *ret_filter = filter;
    return rc;
}

static int read_id_items(struct px_decoder *decoder, struct px_id *items, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        int rc = px_decoder__id(decoder, &items[i].text);
        if (rc != PROXIMADB_OK) {
            px_error_set_row(decoder->reterr, i);
            return rc;
        }
        items[i].hash = px_hash_memory(items[i].text);
    }
    return PROXIMADB_OK;
}

static int read_ids(struct px_decoder *decoder, uint32_t most, struct px_id_list *ret_ids)
{
    struct px_cursor_block block = px_cursor_array_begin(&decoder->cursor, 1);
    if (block.count > most)
        return px_fail(decoder->reterr, PROXIMADB_INVALID,
                       "there are %lld ids; give at most %u in one request", (long long)block.count,
                       most);
    struct px_id *items = px_arena_calloc(decoder->arena, (size_t)block.count, sizeof *items);
    if (items == NULL)
        return px_fail_no_memory(decoder->reterr);
    int rc = read_id_items(decoder, items, block.count);
    if (rc != PROXIMADB_OK)
        return rc;
    px_cursor_array_end(&decoder->cursor, &block);
    *ret_ids = (struct px_id_list){.items = items, .count = (uint32_t)block.count};
    return px_decoder__check(decoder);
}

/* ---- DeleteBatch --------------------------------------------------------------------------- */

static int check_delete(const struct px_delete_batch *batch, struct proximadb_error *reterr)
{
    if (batch->ids.count > 0 && batch->filter.present)
        return px_fail(reterr, PROXIMADB_INVALID,
                       "a delete has ids or a filter; this one has both");
    if (batch->ids.count == 0 && !batch->filter.present)
        return px_fail(reterr, PROXIMADB_INVALID,
                       "a delete has ids or a filter; this one has neither. To delete every row, "
                       "delete the collection");
    return PROXIMADB_OK;
}

static int read_delete(struct px_decoder *decoder, struct px_delete_batch *batch)
{
    const uint8_t *request_id = px_cursor_fixed(&decoder->cursor, PX_REQUEST_ID_BYTES);
    if (request_id == NULL)
        return px_decoder__check(decoder);
    memcpy(batch->request_id, request_id, PX_REQUEST_ID_BYTES);
    int rc = read_ids(decoder, PX_MOST_DELETED_IDS, &batch->ids);
    if (rc == PROXIMADB_OK)
        rc = read_filter(decoder, &batch->filter);
    if (rc == PROXIMADB_OK)
        rc = px_decoder__finish(decoder);
    if (rc == PROXIMADB_OK)
        rc = check_delete(batch, decoder->reterr);
    return rc;
}

int px_delete_batch_decode(struct px_slice datum, struct px_arena *arena,
                           struct px_delete_batch *ret_batch, struct proximadb_error *reterr)
{
    struct px_decoder decoder = px_decoder__of(datum, "DeleteBatch", NULL, arena, reterr);
    struct px_delete_batch batch;
    int rc = read_delete(&decoder, &batch);
    px_decoder__release(&decoder);
    if (rc == PROXIMADB_OK)
        *ret_batch = batch;
    return rc;
}

/* ---- GetRequest ---------------------------------------------------------------------------- */

int px_get_request_decode(struct px_slice datum, struct px_arena *arena,
                          struct px_get_request *ret_request, struct proximadb_error *reterr)
{
    struct px_decoder decoder = px_decoder__of(datum, "GetRequest", NULL, arena, reterr);
    struct px_get_request request;
    int rc = read_ids(&decoder, PX_MOST_GET_IDS, &request.ids);
    request.include_vectors = px_cursor_boolean(&decoder.cursor);
    if (rc == PROXIMADB_OK)
        rc = px_decoder__finish(&decoder);
    px_decoder__release(&decoder);
    if (rc == PROXIMADB_OK)
        *ret_request = request;
    return rc;
}

/* ---- SearchRequest ------------------------------------------------------------------------- */

/* Copied behind one another, because kernels want them aligned, and read them many times. */
static int read_query_rows(struct px_decoder *decoder, float *queries, uint32_t row_count)
{
    uint32_t dim_count = decoder->collection->dim_count;
    for (uint32_t i = 0; i < row_count; i++) {
        const void *vector;
        int rc = px_decoder__vector(decoder, &vector);
        if (rc != PROXIMADB_OK) {
            px_error_set_row(decoder->reterr, i);
            return rc;
        }
        memcpy(queries + (size_t)i * dim_count, vector, dim_count * sizeof(float));
    }
    return PROXIMADB_OK;
}

static int read_queries(struct px_decoder *decoder, struct px_search_request *request)
{
    struct px_cursor_block block = px_cursor_array_begin(&decoder->cursor, 1);
    int rc = px_decoder__check(decoder);
    if (rc != PROXIMADB_OK)
        return rc;
    if (block.count < 1 || block.count > PX_MOST_QUERIES)
        return px_fail(decoder->reterr, PROXIMADB_INVALID,
                       "there are %lld queries; a search has 1 to %d", (long long)block.count,
                       PX_MOST_QUERIES);
    /* As for the rows of a batch: room for those that can be valid, and for one that then is not.
     * */
    size_t row_bytes = decoder->collection->dim_count * sizeof(float);
    size_t capacity = px_cursor_left(&decoder->cursor) / row_bytes + 1;
    request->query_count = (uint32_t)block.count;
    if (capacity > request->query_count)
        capacity = request->query_count;
    float *queries = px_arena_alloc_aligned(decoder->arena, capacity * row_bytes, QUERY_ALIGN);
    if (queries == NULL)
        return px_fail_no_memory(decoder->reterr);
    rc = read_query_rows(decoder, queries, (uint32_t)capacity);
    if (rc != PROXIMADB_OK)
        return rc;
    assert(capacity == request->query_count);
    px_cursor_array_end(&decoder->cursor, &block);
    request->queries = queries;
    return px_decoder__check(decoder);
}

static int read_k(struct px_decoder *decoder, uint32_t *ret_k)
{
    int64_t k = px_cursor_long(&decoder->cursor);
    int rc = px_decoder__check(decoder);
    if (rc != PROXIMADB_OK)
        return rc;
    if (k < 1 || k > PX_MOST_HITS)
        return px_fail(decoder->reterr, PROXIMADB_INVALID, "k is %lld; it may be 1 to %d",
                       (long long)k, PX_MOST_HITS);
    *ret_k = (uint32_t)k;
    return PROXIMADB_OK;
}

/* A union [null, int] of a positive number; null gives 0. */
static int read_optional_count(struct px_decoder *decoder, const char *field, int32_t most,
                               uint32_t *ret_count)
{
    bool present = px_cursor_branch(&decoder->cursor, 2) == 1;
    int32_t count = present ? px_cursor_int(&decoder->cursor) : 0;
    int rc = px_decoder__check(decoder);
    if (rc != PROXIMADB_OK)
        return rc;
    if (present && (count < 1 || count > most))
        return px_fail(decoder->reterr, PROXIMADB_INVALID,
                       "%s is %d; give 1 to %d, or null for the engine's choice", field, count,
                       most);
    *ret_count = (uint32_t)count;
    return PROXIMADB_OK;
}

static int read_target_recall(struct px_decoder *decoder, double *ret_recall)
{
    bool present = px_cursor_branch(&decoder->cursor, 2) == 1;
    double recall = present ? px_cursor_double(&decoder->cursor) : 0;
    int rc = px_decoder__check(decoder);
    if (rc != PROXIMADB_OK)
        return rc;
    if (present && !(recall > 0 && recall < 1))
        return px_fail(decoder->reterr, PROXIMADB_INVALID,
                       "target_recall is %g; give a share above 0 and below 1, null for 0.95, or "
                       "ask for an exact search",
                       recall);
    *ret_recall = recall;
    return PROXIMADB_OK;
}

static int read_search(struct px_decoder *decoder, struct px_search_request *request)
{
    int rc = read_queries(decoder, request);
    if (rc == PROXIMADB_OK)
        rc = read_k(decoder, &request->k);
    if (rc == PROXIMADB_OK)
        rc = read_filter(decoder, &request->filter);
    request->include_vectors = px_cursor_boolean(&decoder->cursor);
    request->include_metadata = px_cursor_boolean(&decoder->cursor);
    if (rc == PROXIMADB_OK)
        rc = read_optional_count(decoder, "ef", PX_MOST_EF, &request->ef);
    if (rc == PROXIMADB_OK)
        rc = read_optional_count(decoder, "nprobe", PX_MOST_NPROBE, &request->nprobe);
    request->exact = px_cursor_boolean(&decoder->cursor);
    if (rc == PROXIMADB_OK)
        rc = read_target_recall(decoder, &request->target_recall);
    return rc != PROXIMADB_OK ? rc : px_decoder__finish(decoder);
}

int px_search_request_decode(struct px_slice datum, const struct px_collection *collection,
                             struct px_arena *arena, struct px_search_request *ret_request,
                             struct proximadb_error *reterr)
{
    struct px_decoder decoder = px_decoder__of(datum, "SearchRequest", collection, arena, reterr);
    struct px_search_request request = {0};
    decoder.maps.collection = NULL; /* parameters are no fields */
    int rc = read_search(&decoder, &request);
    px_decoder__release(&decoder);
    if (rc == PROXIMADB_OK)
        *ret_request = request;
    return rc;
}

/* ---- ScanRequest, CountRequest, CompactRequest --------------------------------------------- */

static int read_scan(struct px_decoder *decoder, struct px_scan_request *request)
{
    int rc = read_filter(decoder, &request->filter);
    if (rc != PROXIMADB_OK)
        return rc;
    int32_t batch_size = px_cursor_int(&decoder->cursor);
    request->include_vectors = px_cursor_boolean(&decoder->cursor);
    request->has_cursor = px_cursor_branch(&decoder->cursor, 2) == 1;
    if (request->has_cursor)
        request->cursor = px_cursor_string(&decoder->cursor);
    rc = px_decoder__finish(decoder);
    if (rc != PROXIMADB_OK)
        return rc;
    if (batch_size < 1 || batch_size > PX_MOST_SCAN_ROWS)
        return px_fail(decoder->reterr, PROXIMADB_INVALID, "batch_size is %d; it may be 1 to %d",
                       batch_size, PX_MOST_SCAN_ROWS);
    request->batch_size = (uint32_t)batch_size;
    return PROXIMADB_OK;
}

int px_scan_request_decode(struct px_slice datum, struct px_arena *arena,
                           struct px_scan_request *ret_request, struct proximadb_error *reterr)
{
    struct px_decoder decoder = px_decoder__of(datum, "ScanRequest", NULL, arena, reterr);
    struct px_scan_request request = {0};
    int rc = read_scan(&decoder, &request);
    px_decoder__release(&decoder);
    if (rc == PROXIMADB_OK)
        *ret_request = request;
    return rc;
}

int px_count_request_decode(struct px_slice datum, struct px_arena *arena,
                            struct px_count_request *ret_request, struct proximadb_error *reterr)
{
    struct px_decoder decoder = px_decoder__of(datum, "CountRequest", NULL, arena, reterr);
    struct px_count_request request;
    int rc = read_filter(&decoder, &request.filter);
    if (rc == PROXIMADB_OK)
        rc = px_decoder__finish(&decoder);
    px_decoder__release(&decoder);
    if (rc == PROXIMADB_OK)
        *ret_request = request;
    return rc;
}

int px_compact_request_decode(struct px_slice datum, struct px_compact_request *ret_request,
                              struct proximadb_error *reterr)
{
    struct px_decoder decoder = px_decoder__of(datum, "CompactRequest", NULL, NULL, reterr);
    struct px_compact_request request;
    int rc = read_optional_count(&decoder, "cluster_count", INT32_MAX, &request.cluster_count);
    if (rc == PROXIMADB_OK)
        rc = px_decoder__finish(&decoder);
    px_decoder__release(&decoder);
    if (rc == PROXIMADB_OK)
        *ret_request = request;
    return rc;
}
