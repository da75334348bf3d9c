/* A search: queries are prepared and their blocks chosen; each query looks at its nearest blocks,
 * so that it knows how near the k-th best is at least; then the rest is looked at, block by block
 * if there are several queries, so that what is read of a block serves all of them. */
#include "axis/ivf_internal.h"

#include "base/bits.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>

enum {
    MOST_GROUP = 1024,          /* queries at a time */
    MOST_GROUP_BYTES = 8 << 20, /* of what they become */
    MOST_PROBES = 1 << 20,      /* of all of them */
    FIRST_PROBES = 4,           /* that each query looks at by itself */
    MOST_FOUND = 256,           /* rows waiting for their second look */
    FOUND_A_LOOK = 16,          /* that a single query gathers before it takes it */
    TILE_BLOCKS = 16,
    PAIRS_AHEAD = 16,   /* whose probes are fetched */
    POLL_PROBES = 1024, /* between two questions whether to stop */
    CACHE_LINE_BYTES = 64,
};

/* How far the 1-bit estimate of a product may be off, in units of the distance between query and
 * centre. Its standard deviation is sqrt(1 - 2 / pi) = 0.6 of that at any dimension. */
#define SIGN_ERROR 0.75f

/* A row that passed the first look. */
struct found {
    uint32_t query;
    uint32_t part_index;
    uint32_t position; /* 32 * block + lane */
    float base;
};

struct px_ivf_searcher {
    struct px_ivf__ranking ranking;
    size_t group_capacity;         /* queries */
    size_t query_bytes;            /* that each has room for */
    struct px_ivf__query *queries; /* owned */
    uint8_t *planes;               /* owned; of all queries */
    float *rotated;                /* owned; of the last one, and its tables */
    size_t rotated_count;
    size_t probe_capacity;
    struct px_ivf__probe *probes; /* owned; probe_count for each query */
    uint32_t *pairs;              /* owned; numbers of probes, by block */
    size_t tile_capacity;
    uint32_t *tile_ends; /* owned */
    size_t found_count;
    struct found found[MOST_FOUND];
};

/* What is constant during a search, and the group that is searched. */
struct search {
    struct px_ivf_searcher *searcher;
    const struct px_ivf_set *set;
    const struct px_ivf_request *request;
    const struct px_fastscan *fastscan;
    struct px_ivf_hit *hits; /* of the first query of the group */
    uint32_t *counts;
    uint32_t first_query; /* of the group */
    uint32_t query_count;
    uint32_t probe_count;
    uint32_t probes_since_poll;
    bool is_rotated;
};

/* ---- the k nearest -------------------------------------------------------------------------- */

/* What a row must be nearer than. */
static float threshold_of(const struct search *search, uint32_t query)
{
    uint32_t k = search->request->k;
    return search->counts[query] < k ? INFINITY : search->hits[(size_t)query * k].distance;
}

static void sift_up(struct px_ivf_hit *heap, size_t at)
{
    struct px_ivf_hit hit = heap[at];
    for (; at > 0 && heap[(at - 1) / 2].distance < hit.distance; at = (at - 1) / 2)
        heap[at] = heap[(at - 1) / 2];
    heap[at] = hit;
}

static void sift_down(struct px_ivf_hit *heap, size_t count)
{
    struct px_ivf_hit hit = heap[0];
    size_t at = 0, child;
    while ((child = 2 * at + 1) < count) {
        child += child + 1 < count && heap[child + 1].distance > heap[child].distance;
        if (heap[child].distance <= hit.distance)
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = hit;
}

/* Adds a hit to the query's heap, which has the farthest on top. */
static void keep(struct search *search, uint32_t query, struct px_ivf_hit hit)
{
    uint32_t k = search->request->k, *count = &search->counts[query];
    struct px_ivf_hit *heap = search->hits + (size_t)query * k;
    if (*count < k) {
        heap[*count] = hit;
        sift_up(heap, (*count)++);
    } else {
        heap[0] = hit;
        sift_down(heap, k);
    }
}

/* ---- second look ---------------------------------------------------------------------------- */

/* Offers a row whose distance is known to `distance`. */
static void offer(struct search *search, const struct found *found, float distance)
{
    const struct px_ivf *part = search->set->parts[found->part_index];
    uint32_t row = part->rows[found->position];
    distance = distance == distance ? distance : FLT_MAX;
    if (row == PX_IVF_NO_ROW || !(distance < threshold_of(search, found->query)))
        return;
    const struct px_ivf_request *request = search->request;
    if (request->accept == NULL ||
        request->accept(request->context, search->first_query + found->query, found->part_index,
                        row))
        keep(search, found->query, (struct px_ivf_hit){found->part_index, row, distance});
}

/* A run of rows of one query and part. */
static void look_again(struct search *search, const struct found *found, size_t count)
{
    const struct px_ivf__query *query = &search->searcher->queries[found->query];
    const struct px_ivf *part = search->set->parts[found->part_index];
    struct px_byte_rows rows = {part->vectors, px_ivf_vector_stride(query->count), query->count};
    uint32_t positions[MOST_FOUND];
    int64_t sums[MOST_FOUND];
    positions[0] = found[0].position;
    for (size_t i = 1; i < count; i++)
        positions[i] = found[i].position;
    search->fastscan->byte_dots(&rows, positions, count, query->high, query->low, sums);
    for (size_t i = 0; i < count; i++) {
        const uint8_t *factors = part->vectors + positions[i] * rows.stride + query->count;
        float add = px_load_f32(factors), rescale = px_load_f32(factors + sizeof(float));
        offer(search, &found[i], found[i].base + add - rescale * px_ivf__product(query, sums[i]));
    }
}

/* Takes the second look at all that wait for it. */
static void look_at_found(struct search *search)
{
    struct px_ivf_searcher *searcher = search->searcher;
    const struct found *found = searcher->found;
    size_t end = searcher->found_count, first = 0;
    while (first < end) {
        size_t count = 1;
        while (first + count < end && found[first + count].query == found[first].query &&
               found[first + count].part_index == found[first].part_index)
            count++;
        look_again(search, found + first, count);
        first += count;
    }
    searcher->found_count = 0;
}

/* ---- first look ----------------------------------------------------------------------------- */

static void prefetch(const uint8_t *at, size_t size_bytes)
{
    for (size_t i = 0; i < size_bytes; i += CACHE_LINE_BYTES)
        __builtin_prefetch(at + i);
}

static const uint8_t *codes_at(const struct search *search, const struct px_ivf__probe *probe)
{
    const struct px_ivf *part = search->set->parts[probe->part_index];
    return part->codes + probe->number * px_ivf_code_stride(part->header->code_count);
}

/* Notes the rows of a mask, and has their vectors fetched. */
static void note(struct search *search, uint32_t query, const struct px_ivf__probe *probe,
                 uint32_t mask)
{
    struct px_ivf_searcher *searcher = search->searcher;
    const struct px_ivf *part = search->set->parts[probe->part_index];
    size_t stride = px_ivf_vector_stride(part->header->padded_count);
    if (searcher->found_count + PX_IVF_BLOCK_ROWS > MOST_FOUND)
        look_at_found(search);
    for (; mask != 0; mask &= mask - 1) {
        uint32_t position = probe->number * PX_IVF_BLOCK_ROWS + (uint32_t)__builtin_ctz(mask);
        prefetch(part->vectors + position * stride, stride);
        searcher->found[searcher->found_count++] =
            (struct found){query, probe->part_index, position, probe->base};
    }
}

static void scan(struct search *search, uint32_t query_index, const struct px_ivf__probe *probe)
{
    const struct px_ivf__query *query = &search->searcher->queries[query_index];
    const uint8_t *codes = codes_at(search, probe);
    const float *factors =
        (const float *)(const void *)(codes + px_fastscan_block_bytes(query->code_count));
    struct px_fastscan_scale scale = {factors, factors + PX_IVF_BLOCK_ROWS, query->table_unit,
                                      query->code_offset + SIGN_ERROR * probe->reach};
    uint32_t mask = search->fastscan->select(codes, query->code_tables, query->code_count, &scale,
                                             threshold_of(search, query_index) - probe->base);
    if (mask != 0)
        note(search, query_index, probe, mask);
}

static bool is_stopped(struct search *search)
{
    const struct px_ivf_request *request = search->request;
    if (++search->probes_since_poll < POLL_PROBES || request->should_stop == NULL)
        return false;
    search->probes_since_poll = 0;
    return request->should_stop(request->context);
}

static int fail_stopped(struct proximadb_error *reterr)
{
    return px_fail(reterr, PROXIMADB_CANCELLED, "the search was stopped");
}

/* ---- order ---------------------------------------------------------------------------------- */

/* One query looks at probes first to end - 1 of its own. */
static int scan_alone(struct search *search, uint32_t query, uint32_t first, uint32_t end,
                      struct proximadb_error *reterr)
{
    const struct px_ivf__probe *probes =
        search->searcher->probes + (size_t)query * search->probe_count;
    size_t block_bytes = px_ivf_code_stride(search->searcher->queries[query].code_count);
    for (uint32_t i = first; i < end; i++) {
        if (i + 1 < end)
            prefetch(codes_at(search, &probes[i + 1]), block_bytes);
        scan(search, query, &probes[i]);
        if (search->searcher->found_count >= FOUND_A_LOOK)
            look_at_found(search);
        if (is_stopped(search))
            return fail_stopped(reterr);
    }
    look_at_found(search);
    return PROXIMADB_OK;
}

/* The number of the tile that a block is in: so many blocks of a part as the first-level cache
 * holds. */
static size_t tile_of(const struct search *search, const struct px_ivf__probe *probe)
{
    size_t tile = probe->number / TILE_BLOCKS;
    for (uint32_t p = 0; p < probe->part_index; p++)
        tile += search->set->parts[p]->header->block_count / TILE_BLOCKS + 1;
    return tile;
}

/* Sorts the probes behind the first ones by tile, and those of a tile by query: counts, sums up,
 * places. */
static size_t sort_pairs(struct search *search, const uint32_t *probe_counts)
{
    struct px_ivf_searcher *searcher = search->searcher;
    uint32_t *ends = searcher->tile_ends, total = 0;
    memset(ends, 0, searcher->tile_capacity * sizeof *ends);
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t q = 0; q < search->query_count; q++)
            for (uint32_t i = FIRST_PROBES; i < probe_counts[q]; i++) {
                uint32_t number = q * search->probe_count + i;
                size_t tile = tile_of(search, &searcher->probes[number]);
                if (pass == 0)
                    ends[tile]++;
                else
                    searcher->pairs[ends[tile]++] = number;
            }
        for (size_t tile = 0; pass == 0 && tile < searcher->tile_capacity; tile++) {
            uint32_t size = ends[tile];
            ends[tile] = total;
            total += size;
        }
    }
    return total;
}

/* All queries of the group look at what is left, tile by tile: a query's tables stay in the
 * first-level cache for all of its blocks in the tile, and the tile for all queries. */
static int scan_together(struct search *search, const uint32_t *probe_counts,
                         struct proximadb_error *reterr)
{
    const struct px_ivf_searcher *searcher = search->searcher;
    size_t count = sort_pairs(search, probe_counts);
    for (size_t i = 0; i < count; i++) {
        const struct px_ivf__probe *probe = &searcher->probes[searcher->pairs[i]];
        if (i + PAIRS_AHEAD < count)
            __builtin_prefetch(&searcher->probes[searcher->pairs[i + PAIRS_AHEAD]]);
        scan(search, searcher->pairs[i] / search->probe_count, probe);
        if (searcher->found_count >= FOUND_A_LOOK)
            look_at_found(search);
        if (is_stopped(search))
            return fail_stopped(reterr);
    }
    look_at_found(search);
    return PROXIMADB_OK;
}

/* ---- a group of queries --------------------------------------------------------------------- */

static void prepare_queries(struct search *search, uint32_t *ret_probe_counts)
{
    struct px_ivf_searcher *searcher = search->searcher;
    const struct px_ivf *part = search->set->parts[0];
    const struct px_rows *vectors = &search->request->queries;
    for (uint32_t q = 0; q < search->query_count; q++) {
        struct px_ivf__query *query = &searcher->queries[q];
        const uint8_t *vector =
            (const uint8_t *)vectors->data + (search->first_query + q) * vectors->stride_bytes;
        size_t count = part->rotation.padded_count;
        uint8_t *planes = searcher->planes + q * 6 * count;
        query->rotated = searcher->rotated;
        query->tables = (uint8_t *)(searcher->rotated + count);
        query->code_tables = planes;
        query->high = (int8_t *)planes + 4 * count;
        query->low = (int8_t *)planes + 5 * count;
        px_ivf__prepare(query, &part->rotation, (enum proximadb_metric)part->header->metric, vector,
                        search->is_rotated);
        ret_probe_counts[q] =
            (uint32_t)px_ivf__rank(&searcher->ranking, search->set, query, search->probe_count,
                                   searcher->probes + (size_t)q * search->probe_count);
    }
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static int search_group(struct search *search, struct proximadb_error *reterr)
{
    uint32_t probe_counts[MOST_GROUP];
    bool is_single = search->query_count == 1;
    prepare_queries(search, probe_counts);
    memset(search->counts, 0, search->query_count * sizeof *search->counts);
    search->searcher->found_count = 0;
    for (uint32_t q = 0; q < search->query_count; q++) {
        uint32_t end = is_single ? probe_counts[q] : smaller(probe_counts[q], FIRST_PROBES);
        int rc = scan_alone(search, q, 0, end, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
    }
    return is_single ? PROXIMADB_OK : scan_together(search, probe_counts, reterr);
}

static int compare_hits(const void *a, const void *b)
{
    const struct px_ivf_hit *x = a, *y = b;
    if (x->distance != y->distance)
        return x->distance < y->distance ? -1 : 1;
    if (x->part_index != y->part_index)
        return x->part_index < y->part_index ? -1 : 1;
    return x->row_index < y->row_index ? -1 : x->row_index > y->row_index;
}

static void finish_group(const struct search *search)
{
    bool is_squared = search->set->parts[0]->header->metric == PROXIMADB_L2;
    for (uint32_t q = 0; q < search->query_count; q++) {
        struct px_ivf_hit *hits = search->hits + (size_t)q * search->request->k;
        qsort(hits, search->counts[q], sizeof *hits, compare_hits);
        for (uint32_t i = 0; is_squared && i < search->counts[q]; i++)
            hits[i].distance = hits[i].distance > 0 ? sqrtf(hits[i].distance) : 0;
    }
}

/* ---- memory --------------------------------------------------------------------------------- */

int px_ivf_searcher_new(struct px_ivf_searcher **ret_searcher, struct proximadb_error *reterr)
{
    struct px_ivf_searcher *searcher = calloc(1, sizeof *searcher);
    if (searcher == NULL)
        return px_fail_no_memory(reterr);
    *ret_searcher = searcher;
    return PROXIMADB_OK;
}

void px_ivf_searcher_free(struct px_ivf_searcher *searcher)
{
    if (searcher == NULL)
        return;
    px_ivf__ranking_release(&searcher->ranking);
    free(searcher->queries);
    free(searcher->planes);
    free(searcher->rotated);
    free(searcher->probes);
    free(searcher->pairs);
    free(searcher->tile_ends);
    free(searcher);
}

/* Replaces an array by one of `count` items if it has fewer; its content is lost. False: no memory,
 * and the array is gone. */
static bool grow(void *array, size_t *capacity, size_t count, size_t item_bytes)
{
    void **items = array;
    if (count <= *capacity)
        return true;
    free(*items);
    *capacity = 0;
    *items = aligned_alloc(CACHE_LINE_BYTES, px_round_up(count * item_bytes, CACHE_LINE_BYTES));
    if (*items == NULL)
        return false;
    *capacity = count;
    return true;
}

static int grow_searcher(struct px_ivf_searcher *searcher, const struct px_ivf_set *set,
                         size_t group, size_t probe_count, struct proximadb_error *reterr)
{
    size_t count = set->parts[0]->rotation.padded_count, tiles = 1,
           pairs = searcher->probe_capacity;
    for (size_t p = 0; p < set->part_count; p++)
        tiles += set->parts[p]->header->block_count / TILE_BLOCKS + 1;
    if (!grow(&searcher->queries, &searcher->group_capacity, group, sizeof *searcher->queries) ||
        !grow(&searcher->planes, &searcher->query_bytes, group * 6 * count, 1) ||
        !grow(&searcher->rotated, &searcher->rotated_count, count, 2 * sizeof(float)) ||
        !grow(&searcher->probes, &searcher->probe_capacity, group * probe_count + 1,
              sizeof *searcher->probes) ||
        !grow(&searcher->pairs, &pairs, group * probe_count + 1, sizeof *searcher->pairs) ||
        !grow(&searcher->tile_ends, &searcher->tile_capacity, tiles, sizeof *searcher->tile_ends)) {
        searcher->probe_capacity = 0; /* of two arrays, one of which may be gone */
        return px_fail_no_memory(reterr);
    }
    return px_ivf__ranking_grow(&searcher->ranking, set, reterr);
}

/* ---- the whole ------------------------------------------------------------------------------ */

/* Queries that are searched at once. */
static uint32_t group_size(const struct px_ivf_set *set, size_t query_count, uint32_t probe_count)
{
    size_t group = query_count < MOST_GROUP ? query_count : MOST_GROUP;
    size_t by_bytes = MOST_GROUP_BYTES / (6 * (size_t)set->parts[0]->rotation.padded_count);
    size_t by_probes = MOST_PROBES / (probe_count + 1);
    group = group < by_bytes ? group : by_bytes;
    group = group < by_probes ? group : by_probes;
    return group > 1 ? (uint32_t)group : 1;
}

int px_ivf__search(struct px_ivf_searcher *searcher, const struct px_ivf_set *set,
                   const struct px_ivf_request *request, bool is_rotated,
                   struct px_ivf_hit *ret_hits, uint32_t *ret_counts,
                   struct proximadb_error *reterr)
{
    size_t query_count = request->queries.row_count;
    assert(request->k > 0 && set->part_count > 0);
    uint64_t block_count = px_ivf__block_count(set);
    uint32_t probe_count =
        request->probe_count < block_count ? request->probe_count : (uint32_t)block_count;
    uint32_t group = group_size(set, query_count, probe_count);
    int rc = grow_searcher(searcher, set, group, probe_count, reterr);
    for (size_t first = 0; first < query_count && rc == PROXIMADB_OK; first += group) {
        struct search search = {
            .searcher = searcher,
            .set = set,
            .request = request,
            .fastscan = px_fastscan_get(),
            .hits = ret_hits + first * request->k,
            .counts = ret_counts + first,
            .first_query = (uint32_t)first,
            .query_count = smaller(group, (uint32_t)(query_count - first)),
            .probe_count = probe_count,
            .is_rotated = is_rotated,
        };
        rc = search_group(&search, reterr);
        if (rc == PROXIMADB_OK)
            finish_group(&search);
    }
    return rc;
}

int px_ivf_search(struct px_ivf_searcher *searcher, const struct px_ivf_set *set,
                  const struct px_ivf_request *request, struct px_ivf_hit *ret_hits,
                  uint32_t *ret_counts, struct proximadb_error *reterr)
{
    assert(request->queries.dim_count == set->parts[0]->header->dim_count);
    for (size_t p = 1; p < set->part_count; p++)
        assert(set->parts[p]->header->dim_count == set->parts[0]->header->dim_count &&
               set->parts[p]->header->metric == set->parts[0]->header->metric);
    return px_ivf__search(searcher, set, request, false, ret_hits, ret_counts, reterr);
}
