#include "axis/exact.h"

#include "base/bits.h"

#include <assert.h>

enum {
    CHUNK_BYTES = 128 << 10, /* of vectors: a quarter of a small second-level cache */
    MOST_CHUNK_ROWS = 1024,
    CACHE_LINE_BYTES = 64,
    GROUP_QUERIES = 32,       /* whose sums over a chunk are kept at once */
    POLL_PRODUCTS = 4 << 20,  /* float products between two questions: about a millisecond */
    SHARE_BYTES = 1 << 20,    /* of vectors that a thread takes at once */
    OFFER_PRODUCTS = 1 << 14, /* what a row that is offered may take: its metadata and a filter */
};

/* One thread's part of a search. Everything it points to lies in its arena. */
struct px_exact_scan {
    const struct px_exact_request *request;
    const struct px_exact_input *input;
    struct px_arena *arena;
    const struct px_kernels *kernels;
    struct px_rows vectors; /* the queries, copied to where loads do not cross cache lines */
    size_t query_count;
    size_t chunk_rows;
    uint64_t products_since_poll;
    struct px_query *queries;
    struct px_bound *bounds;
    struct px_topk *collectors;
    float *sums;  /* GROUP_QUERIES times chunk_rows */
    float *norms; /* the rest: chunk_rows */
    double *scales;
    uint32_t *indexes;
};

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* ---- setting up ----------------------------------------------------------------------------- */

static void *copy_queries(const struct px_rows *from, struct px_rows *to, struct px_arena *arena)
{
    size_t row_bytes = from->dim_count * sizeof(float), size_bytes;
    size_t stride_bytes = px_round_up(row_bytes, CACHE_LINE_BYTES);
    if (!px_multiply_size(from->row_count, stride_bytes, &size_bytes))
        return NULL;
    uint8_t *copy = px_arena_alloc_aligned(arena, size_bytes, CACHE_LINE_BYTES);
    for (size_t q = 0; copy != NULL && q < from->row_count; q++)
        memcpy(copy + q * stride_bytes, (const uint8_t *)from->data + q * from->stride_bytes,
               row_bytes);
    *to = (struct px_rows){copy, stride_bytes, from->row_count, from->dim_count};
    return copy;
}

static bool take_memory(struct px_exact_scan *scan)
{
    struct px_arena *arena = scan->arena;
    if (copy_queries(&scan->request->queries, &scan->vectors, arena) == NULL)
        return false;
    size_t group = smaller(GROUP_QUERIES, scan->query_count);
    scan->queries = px_arena_calloc(arena, scan->query_count, sizeof *scan->queries);
    scan->bounds = px_arena_calloc(arena, scan->query_count, sizeof *scan->bounds);
    scan->collectors = px_arena_calloc(arena, scan->query_count, sizeof *scan->collectors);
    scan->sums = px_arena_calloc(arena, group * scan->chunk_rows, sizeof *scan->sums);
    scan->norms = px_arena_calloc(arena, scan->chunk_rows, sizeof *scan->norms);
    scan->scales = px_arena_calloc(arena, scan->chunk_rows, sizeof *scan->scales);
    scan->indexes = px_arena_calloc(arena, scan->chunk_rows, sizeof *scan->indexes);
    return scan->queries != NULL && scan->bounds != NULL && scan->collectors != NULL &&
           scan->sums != NULL && scan->norms != NULL && scan->scales != NULL &&
           scan->indexes != NULL;
}

static int init_queries(struct px_exact_scan *scan, struct proximadb_error *reterr)
{
    const struct px_rows *vectors = &scan->vectors;
    uint64_t rows = scan->input->row_count;
    size_t k = rows == 0 ? 1 : rows < scan->request->k ? (size_t)rows : scan->request->k;
    for (size_t q = 0; q < scan->query_count; q++) {
        const uint8_t *vector = (const uint8_t *)vectors->data + q * vectors->stride_bytes;
        px_query_init(&scan->queries[q], scan->request->metric, vector, vectors->dim_count);
        px_bound_init(&scan->bounds[q], &scan->queries[q], scan->kernels);
        int rc = px_topk_init(&scan->collectors[q], k, &scan->queries[q], &scan->input->rows,
                              scan->arena, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
    }
    return PROXIMADB_OK;
}

int px_exact_begin(const struct px_exact_request *request, const struct px_exact_input *input,
                   struct px_arena *arena, struct px_exact_scan **ret_scan,
                   struct proximadb_error *reterr)
{
    assert(request->k > 0 && request->queries.dim_count > 0 && request->queries.row_count > 0);
    size_t row_bytes = request->queries.dim_count * sizeof(float);
    size_t chunk_rows = smaller(CHUNK_BYTES / row_bytes, MOST_CHUNK_ROWS);
    struct px_exact_scan *scan = px_arena_alloc(arena, sizeof *scan);
    if (scan != NULL)
        *scan = (struct px_exact_scan){.request = request,
                                       .input = input,
                                       .arena = arena,
                                       .kernels = request->kernels != NULL ? request->kernels
                                                                           : px_kernels_get(),
                                       .query_count = request->queries.row_count,
                                       .chunk_rows = chunk_rows > 0 ? chunk_rows : 1};
    if (scan == NULL || !take_memory(scan))
        return px_fail(reterr, PROXIMADB_TOO_LARGE,
                       "%zu queries at once need more memory than a request may have; send fewer",
                       request->queries.row_count);
    *ret_scan = scan;
    return init_queries(scan, reterr);
}

/* ---- scanning ------------------------------------------------------------------------------- */

/* Where a chunk of rows comes from. */
struct origin {
    uint32_t source_index;
    uint32_t first_row;
};

/* Offers the rows of a chunk that may be among the nearest to one query. */
static void collect(struct px_exact_scan *scan, size_t query_index, const float *sums,
                    size_t row_count, struct origin origin)
{
    const struct px_bound *bound = &scan->bounds[query_index];
    struct px_topk *collector = &scan->collectors[query_index];
    size_t count =
        px_bound_select(bound, sums, scan->scales, row_count, collector->threshold, scan->indexes);
    scan->products_since_poll += (uint64_t)count * OFFER_PRODUCTS;
    for (size_t i = 0; i < count; i++) {
        uint32_t row = scan->indexes[i];
        px_topk_offer(collector, px_bound_interval(bound, sums[row], scan->scales[row]),
                      origin.source_index, origin.first_row + row);
    }
}

static void make_scales(struct px_exact_scan *scan, size_t row_count)
{
    for (size_t r = 0; r < row_count; r++)
        scan->scales[r] = px_bound_row_scale(scan->request->metric, scan->norms[r]);
}

static void scan_for_one(struct px_exact_scan *scan, const struct px_rows *chunk,
                         struct origin origin)
{
    const void *query = scan->queries[0].vector;
    if (scan->request->metric == PROXIMADB_L2)
        scan->kernels->l2_squared(chunk, query, scan->sums);
    else
        scan->kernels->dot_and_norm(chunk, query, scan->sums, scan->norms);
    make_scales(scan, chunk->row_count);
    collect(scan, 0, scan->sums, chunk->row_count, origin);
}

static void make_norms(struct px_exact_scan *scan, const struct px_rows *chunk)
{
    const uint8_t *row = chunk->data;
    for (size_t r = 0; r < chunk->row_count; r++, row += chunk->stride_bytes)
        scan->norms[r] = scan->kernels->norm_squared(row, chunk->dim_count);
}

static void scan_for_many(struct px_exact_scan *scan, const struct px_rows *chunk,
                          struct origin origin)
{
    bool is_l2 = scan->request->metric == PROXIMADB_L2;
    size_t stride = chunk->row_count;
    if (!is_l2)
        make_norms(scan, chunk);
    make_scales(scan, chunk->row_count);
    for (size_t first = 0; first < scan->query_count; first += GROUP_QUERIES) {
        struct px_rows group = scan->vectors;
        group.data = (const uint8_t *)group.data + first * group.stride_bytes;
        group.row_count = smaller(GROUP_QUERIES, scan->query_count - first);
        (is_l2 ? scan->kernels->l2_matrix : scan->kernels->dot_matrix)(chunk, &group, scan->sums,
                                                                       stride);
        for (size_t q = 0; q < group.row_count; q++)
            collect(scan, first + q, scan->sums + q * stride, chunk->row_count, origin);
    }
}

static bool stopped(struct px_exact_scan *scan, size_t row_count)
{
    if (scan->input->should_stop == NULL)
        return false;
    scan->products_since_poll += (uint64_t)row_count * scan->query_count * scan->vectors.dim_count;
    if (scan->products_since_poll < POLL_PRODUCTS)
        return false;
    scan->products_since_poll = 0;
    return scan->input->should_stop(scan->input->context);
}

static int scan_block(struct px_exact_scan *scan, uint32_t source_index,
                      const struct px_exact_block *block, struct proximadb_error *reterr)
{
    for (size_t first = 0; first < block->row_count; first += scan->chunk_rows) {
        struct px_rows chunk = {.data =
                                    (const uint8_t *)block->vectors + first * block->stride_bytes,
                                .stride_bytes = block->stride_bytes,
                                .row_count = smaller(scan->chunk_rows, block->row_count - first),
                                .dim_count = scan->vectors.dim_count};
        struct origin origin = {source_index, block->first_row + (uint32_t)first};
        if (scan->query_count == 1)
            scan_for_one(scan, &chunk, origin);
        else
            scan_for_many(scan, &chunk, origin);
        if (stopped(scan, chunk.row_count))
            return px_fail(reterr, PROXIMADB_CANCELLED, "the search was stopped");
    }
    return PROXIMADB_OK;
}

/* ---- sharing -------------------------------------------------------------------------------- */

/* Rows from_row to end_row - 1 of a source. */
struct range {
    uint32_t source_index;
    uint32_t from_row;
    uint32_t end_row;
};

/* What of the block lies in the range, which begins in it. */
static void clip(struct px_exact_block *block, const struct range *range)
{
    assert(block->first_row <= range->from_row &&
           block->row_count > range->from_row - block->first_row);
    uint32_t skipped = range->from_row - block->first_row;
    block->vectors = (const uint8_t *)block->vectors + skipped * block->stride_bytes;
    block->first_row = range->from_row;
    block->row_count -= skipped;
    if (block->row_count > range->end_row - range->from_row)
        block->row_count = range->end_row - range->from_row;
}

static int scan_range(struct px_exact_scan *scan, struct range range,
                      struct proximadb_error *reterr)
{
    int rc = PROXIMADB_OK;
    while (rc == PROXIMADB_OK && range.from_row < range.end_row) {
        struct px_exact_block block;
        rc = scan->input->block(scan->input->context, range.source_index, range.from_row, &block,
                                reterr);
        if (rc != PROXIMADB_OK)
            return rc;
        clip(&block, &range);
        rc = scan_block(scan, range.source_index, &block, reterr);
        range.from_row += block.row_count;
    }
    return rc;
}

/* Where a thread is among the shares, which only go up. */
struct place {
    uint32_t source_index;
    uint64_t first_share; /* of the source */
};

/* The rows of a share; false behind the last one. */
static bool find_share(const struct px_exact_scan *scan, uint64_t share, struct place *place,
                       struct range *ret_range)
{
    const struct px_exact_input *input = scan->input;
    size_t row_bytes = scan->vectors.dim_count * sizeof(float);
    size_t share_chunks = SHARE_BYTES / (row_bytes * scan->chunk_rows) + 1;
    uint64_t share_rows = share_chunks * scan->chunk_rows;
    for (; place->source_index < input->source_count; place->source_index++) {
        uint64_t row_count = input->source_rows(input->context, place->source_index);
        uint64_t from_row = (share - place->first_share) * share_rows;
        if (from_row < row_count) {
            uint64_t rows = smaller(share_rows, row_count - from_row);
            *ret_range = (struct range){place->source_index, (uint32_t)from_row,
                                        (uint32_t)(from_row + rows)};
            return true;
        }
        place->first_share += (row_count + share_rows - 1) / share_rows;
    }
    return false;
}

int px_exact_run(struct px_exact_scan *scan, struct px_exact_shares *shares,
                 struct proximadb_error *reterr)
{
    struct place place = {0};
    struct range range;
    int rc = PROXIMADB_OK;
    while (rc == PROXIMADB_OK && !atomic_load(&shares->failed) &&
           find_share(scan, atomic_fetch_add(&shares->next, 1), &place, &range))
        rc = scan_range(scan, range, reterr);
    if (rc != PROXIMADB_OK)
        atomic_store(&shares->failed, true);
    return rc;
}

void px_exact_merge(struct px_exact_scan *into, const struct px_exact_scan *from)
{
    for (size_t q = 0; q < into->query_count; q++)
        px_topk_merge(&into->collectors[q], &from->collectors[q]);
}

int px_exact_finish(struct px_exact_scan *scan, struct px_hits *ret_hits,
                    struct proximadb_error *reterr)
{
    int rc = PROXIMADB_OK;
    for (size_t q = 0; rc == PROXIMADB_OK && q < scan->query_count; q++)
        rc = px_topk_finish(&scan->collectors[q], scan->arena, &ret_hits[q], reterr);
    return rc;
}

int px_exact_search(const struct px_exact_request *request, const struct px_exact_input *input,
                    struct px_arena *arena, struct px_hits *ret_hits,
                    struct proximadb_error *reterr)
{
    struct px_exact_shares shares = {0};
    struct px_exact_scan *scan;
    if (request->queries.row_count == 0)
        return PROXIMADB_OK;
    int rc = px_exact_begin(request, input, arena, &scan, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_exact_run(scan, &shares, reterr);
    return rc == PROXIMADB_OK ? px_exact_finish(scan, ret_hits, reterr) : rc;
}
