#include "axis/topk.h"

#include <assert.h>
#include <math.h>

/* Room for undecided rows: enough that deciding them, which goes over all k, comes seldom. */
enum { LEAST_SPARE = 256 };

static int fail_no_room(struct proximadb_error *reterr)
{
    return px_fail(
        reterr, PROXIMADB_TOO_LARGE,
        "the search needs more memory than a request may have; ask for fewer hits or send "
        "fewer queries at once");
}

int px_topk_init(struct px_topk *topk, size_t k, const struct px_query *query,
                 const struct px_row_visitor *rows, struct px_arena *arena,
                 struct proximadb_error *reterr)
{
    assert(k > 0 && query != NULL && rows->id != NULL && rows->vector != NULL);
    size_t spare_capacity = k > LEAST_SPARE ? k : LEAST_SPARE;
    struct px_candidate *memory =
        px_arena_alloc(arena, (k + spare_capacity) * sizeof(struct px_candidate));
    if (memory == NULL)
        return fail_no_room(reterr);
    *topk = (struct px_topk){.query = query,
                             .rows = rows,
                             .threshold = (double)INFINITY,
                             .k = k,
                             .spare_capacity = spare_capacity,
                             .nearest = memory,
                             .spare = memory + k};
    return PROXIMADB_OK;
}

/* ---- the heap ------------------------------------------------------------------------------- */

/* Whether a comes behind b. */
typedef bool is_behind(const struct px_topk *topk, const struct px_candidate *a,
                       const struct px_candidate *b);

static bool is_behind_by_upper(const struct px_topk *topk, const struct px_candidate *a,
                               const struct px_candidate *b)
{
    (void)topk;
    return a->upper > b->upper;
}

/* Both distances are known. */
static bool is_behind_by_distance(const struct px_topk *topk, const struct px_candidate *a,
                                  const struct px_candidate *b)
{
    if (a->upper != b->upper)
        return a->upper > b->upper;
    const struct px_row_visitor *rows = topk->rows;
    int order = px_slice_compare(rows->id(rows->context, a->source_index, a->row_index),
                                 rows->id(rows->context, b->source_index, b->row_index));
    if (order != 0)
        return order > 0;
    return a->source_index != b->source_index ? a->source_index > b->source_index
                                              : a->row_index > b->row_index;
}

/* Lets the candidate at `at` sink until nothing below it is behind it. */
static void sift_down(const struct px_topk *topk, size_t count, size_t at, is_behind *behind)
{
    struct px_candidate *heap = topk->nearest;
    struct px_candidate moving = heap[at];
    for (size_t child = 2 * at + 1; child < count; child = 2 * at + 1) {
        if (child + 1 < count && behind(topk, &heap[child + 1], &heap[child]))
            child++;
        if (!behind(topk, &heap[child], &moving))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moving;
}

static void make_heap(struct px_topk *topk, is_behind *behind)
{
    for (size_t at = topk->nearest_count / 2; at > 0; at--)
        sift_down(topk, topk->nearest_count, at - 1, behind);
}

/* ---- deciding ------------------------------------------------------------------------------- */

static void make_exact(struct px_topk *topk, struct px_candidate *candidates, size_t count)
{
    const struct px_row_visitor *rows = topk->rows;
    for (size_t i = 0; i < count; i++) {
        struct px_candidate *candidate = &candidates[i];
        if (candidate->lower == candidate->upper)
            continue;
        const void *vector =
            rows->vector(rows->context, candidate->source_index, candidate->row_index);
        topk->failed |= vector == NULL;
        double distance =
            vector != NULL ? px_query_distance(topk->query, vector) : (double)INFINITY;
        candidate->lower = candidate->upper = isnan(distance) ? (double)INFINITY : distance;
    }
}

/* Forgets spare rows that the threshold has left behind since they were added. */
static void drop_hopeless(struct px_topk *topk)
{
    size_t kept = 0;
    for (size_t i = 0; i < topk->spare_count; i++)
        if (topk->spare[i].lower <= topk->threshold)
            topk->spare[kept++] = topk->spare[i];
    topk->spare_count = kept;
}

/* Computes all distances and leaves the k first rows in `nearest`, none in `spare`. */
static void decide_all(struct px_topk *topk)
{
    make_exact(topk, topk->nearest, topk->nearest_count);
    make_exact(topk, topk->spare, topk->spare_count);
    make_heap(topk, is_behind_by_distance);
    for (size_t i = 0; i < topk->spare_count; i++)
        if (is_behind_by_distance(topk, &topk->nearest[0], &topk->spare[i])) {
            topk->nearest[0] = topk->spare[i];
            sift_down(topk, topk->nearest_count, 0, is_behind_by_distance);
        }
    topk->spare_count = 0;
    if (topk->nearest_count == topk->k)
        topk->threshold = topk->nearest[0].upper;
}

/* ---- adding --------------------------------------------------------------------------------- */

static void add_spare(struct px_topk *topk, const struct px_candidate *candidate)
{
    if (candidate->lower > topk->threshold)
        return;
    topk->spare[topk->spare_count++] = *candidate;
    if (topk->spare_count < topk->spare_capacity)
        return;
    drop_hopeless(topk);
    if (topk->spare_count > topk->spare_capacity / 2)
        decide_all(topk);
}

static void add_to_full(struct px_topk *topk, const struct px_candidate *candidate)
{
    if (candidate->upper >= topk->nearest[0].upper) {
        add_spare(topk, candidate);
        return;
    }
    struct px_candidate displaced = topk->nearest[0];
    topk->nearest[0] = *candidate;
    sift_down(topk, topk->nearest_count, 0, is_behind_by_upper);
    topk->threshold = topk->nearest[0].upper;
    add_spare(topk, &displaced);
}

static void add(struct px_topk *topk, const struct px_candidate *candidate)
{
    if (topk->nearest_count == topk->k) {
        add_to_full(topk, candidate);
        return;
    }
    topk->nearest[topk->nearest_count++] = *candidate;
    if (topk->nearest_count == topk->k) {
        make_heap(topk, is_behind_by_upper);
        topk->threshold = topk->nearest[0].upper;
    }
}

void px_topk_offer(struct px_topk *topk, struct px_interval distance, uint32_t source_index,
                   uint32_t row_index)
{
    assert(distance.lower <= distance.upper);
    if (distance.lower > topk->threshold)
        return;
    const struct px_row_visitor *rows = topk->rows;
    if (rows->accept != NULL && !rows->accept(rows->context, source_index, row_index))
        return;
    add(topk, &(struct px_candidate){distance.lower, distance.upper, source_index, row_index});
}

void px_topk_merge(struct px_topk *into, const struct px_topk *from)
{
    into->failed |= from->failed;
    for (size_t i = 0; i < from->nearest_count; i++)
        add(into, &from->nearest[i]);
    for (size_t i = 0; i < from->spare_count; i++)
        add(into, &from->spare[i]);
}

int px_topk_finish(struct px_topk *topk, struct px_arena *arena, struct px_hits *ret_hits,
                   struct proximadb_error *reterr)
{
    drop_hopeless(topk);
    decide_all(topk);
    if (topk->failed)
        return px_fail(reterr, PROXIMADB_CORRUPT,
                       "a vector that was scanned could not be read a second time");
    struct px_hit *hits = px_arena_alloc(arena, topk->nearest_count * sizeof *hits);
    if (hits == NULL)
        return fail_no_room(reterr);

    /* The top of the heap is the last of those that are left. */
    for (size_t left = topk->nearest_count; left > 0; left--) {
        const struct px_candidate *last = &topk->nearest[0];
        hits[left - 1] = (struct px_hit){.source_index = last->source_index,
                                         .row_index = last->row_index,
                                         .distance = last->upper,
                                         .score = px_score(topk->query->metric, last->upper)};
        topk->nearest[0] = topk->nearest[left - 1];
        sift_down(topk, left - 1, 0, is_behind_by_distance);
    }
    *ret_hits = (struct px_hits){hits, topk->nearest_count};
    return PROXIMADB_OK;
}
