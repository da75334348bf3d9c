/* What recall takes how many blocks, found with rows of the indexes as queries. */
#include "axis/ivf_internal.h"

#include "base/arena.h"
#include "base/bits.h"
#include "base/random.h"

#include <math.h>

enum {
    DEFAULT_K = 10,
    DEFAULT_QUERIES = 200,
    DEFAULT_SHARE = 8, /* of all blocks, where nothing is known */
    MARGIN_SHARE = 8,  /* of what is missing to 1, is added to a wanted recall: rows are easier
                         than queries are, by up to so much in MiniLM vectors */
    STEP_SHARE = 6,    /* each look is at more blocks by so much of them */
};

static const float targets[PX_IVF_MOST_POINTS] = {.8f, .85f, .9f, .93f, .95f, .97f, .985f, .995f};

/* ---- effort of a recall --------------------------------------------------------------------- */

static double interpolate(const struct px_ivf_calibration *calibration, double recall)
{
    const struct px_ivf_point *points = calibration->points;
    uint32_t count = calibration->point_count, i = 0;
    recall += (1 - recall) / MARGIN_SHARE;
    while (i < count && (double)points[i].recall < recall)
        i++;
    if (i == 0)
        return points[0].probe_count;
    if (i == count)
        return 2.0 * points[count - 1].probe_count;
    double low = (double)points[i - 1].recall, high = (double)points[i].recall;
    double share = high > low ? (recall - low) / (high - low) : 1;
    return points[i - 1].probe_count +
           share * ((double)points[i].probe_count - (double)points[i - 1].probe_count);
}

uint32_t px_ivf_probe_count(const struct px_ivf_calibration *calibration, double recall,
                            uint64_t row_count)
{
    double blocks = ceil((double)row_count / PX_IVF_BLOCK_ROWS), probes;
    if (calibration == NULL || calibration->point_count == 0)
        probes = blocks / DEFAULT_SHARE;
    else
        probes =
            interpolate(calibration, recall) * ((double)row_count / (double)calibration->row_count);
    probes = ceil(probes * (1 - 1e-6)); /* a point is of float32 */
    probes = probes < blocks ? probes : blocks;
    return probes >= 1 && probes < UINT32_MAX ? (uint32_t)probes : probes < 1 ? 1 : UINT32_MAX;
}

/* ---- calibration ---------------------------------------------------------------------------- */

struct calibration {
    const struct px_ivf_set *set;
    struct px_ivf_searcher *searcher; /* owned */
    struct px_arena arena;            /* of what follows; owned */
    struct px_ivf_request request;
    const struct px_ivf_calibrating *calibrating;
    struct px_ivf_hit *own; /* of each query: which row it is */
    struct px_ivf_hit *truth;
    uint32_t *truth_counts;
    struct px_ivf_hit *hits;
    uint32_t *counts;
};

/* A row is not its own neighbour. */
static bool accept(void *context, uint32_t query_index, uint32_t part_index, uint32_t row_index)
{
    const struct calibration *calibration = context;
    const struct px_ivf_hit *own = &calibration->own[query_index];
    return own->part_index != part_index || own->row_index != row_index;
}

static bool should_stop(void *context)
{
    const struct px_ivf_calibrating *calibrating =
        ((const struct calibration *)context)->calibrating;
    return calibrating->should_stop != NULL && calibrating->should_stop(calibrating->context);
}

/* A row of the set, rotated, as its bytes have it; and which one it is. */
static void take_row(const struct px_ivf_set *set, uint64_t random, float *ret_vector,
                     struct px_ivf_hit *ret_own)
{
    uint64_t block = (random >> 16) % px_ivf__block_count(set);
    uint32_t p = 0;
    while (block >= set->parts[p]->header->block_count)
        block -= set->parts[p++]->header->block_count;
    const struct px_ivf *part = set->parts[p];
    size_t count = part->header->padded_count, stride = px_ivf_vector_stride(count);
    uint32_t lane = (uint32_t)random % PX_IVF_BLOCK_ROWS;
    while (part->rows[block * PX_IVF_BLOCK_ROWS + lane] == PX_IVF_NO_ROW && lane > 0)
        lane--;
    const uint8_t *vector = part->vectors + (block * PX_IVF_BLOCK_ROWS + lane) * stride;
    uint32_t list = 0;
    while (part->lists[list].first_block + part->lists[list].block_count <= block)
        list++;
    const uint8_t *centre = part->list_centres + list * count;
    float rescale = px_load_f32(vector + count + sizeof(float));
    rescale = part->header->metric == PROXIMADB_L2 ? rescale / 2 : rescale;
    for (size_t i = 0; i < count; i++)
        ret_vector[i] = part->lists[list].step * (float)(centre[i] - PX_IVF_CENTRE_ZERO) +
                        rescale * (float)(vector[i] - PX_IVF_CENTRE_ZERO);
    *ret_own = (struct px_ivf_hit){p, part->rows[block * PX_IVF_BLOCK_ROWS + lane], 0};
}

static int prepare(struct calibration *calibration, struct proximadb_error *reterr)
{
    const struct px_ivf_calibrating *wanted = calibration->calibrating;
    size_t queries = wanted->query_count > 0 ? wanted->query_count : DEFAULT_QUERIES;
    size_t k = wanted->k > 0 ? wanted->k : DEFAULT_K, hits = queries * k;
    size_t count = calibration->set->parts[0]->header->padded_count;
    struct px_arena *arena = &calibration->arena;
    float *vectors = px_arena_calloc(arena, queries, count * sizeof *vectors);
    calibration->own = px_arena_calloc(arena, queries, sizeof *calibration->own);
    calibration->truth = px_arena_calloc(arena, hits, sizeof *calibration->truth);
    calibration->truth_counts = px_arena_calloc(arena, queries, sizeof(uint32_t));
    calibration->hits = px_arena_calloc(arena, hits, sizeof *calibration->hits);
    calibration->counts = px_arena_calloc(arena, queries, sizeof(uint32_t));
    if (vectors == NULL || calibration->own == NULL || calibration->truth == NULL ||
        calibration->truth_counts == NULL || calibration->hits == NULL ||
        calibration->counts == NULL)
        return px_fail_no_memory(reterr);
    uint64_t random = wanted->seed;
    for (size_t q = 0; q < queries; q++)
        take_row(calibration->set, px_random_next(&random), vectors + q * count,
                 &calibration->own[q]);
    calibration->request =
        (struct px_ivf_request){.queries = {vectors, count * sizeof *vectors, queries, count},
                                .k = (uint32_t)k,
                                .accept = accept,
                                .should_stop = should_stop,
                                .context = calibration};
    return PROXIMADB_OK;
}

static int look(struct calibration *calibration, uint32_t probe_count, struct px_ivf_hit *ret_hits,
                uint32_t *ret_counts, struct proximadb_error *reterr)
{
    calibration->request.probe_count = probe_count;
    return px_ivf__search(calibration->searcher, calibration->set, &calibration->request, true,
                          ret_hits, ret_counts, reterr);
}

static bool has_hit(const struct px_ivf_hit *hits, uint32_t count, const struct px_ivf_hit *hit)
{
    for (uint32_t i = 0; i < count; i++)
        if (hits[i].row_index == hit->row_index && hits[i].part_index == hit->part_index)
            return true;
    return false;
}

/* The share of the truth that was found. */
static float recall_of(const struct calibration *calibration)
{
    uint64_t found = 0, all = 0;
    for (size_t q = 0; q < calibration->request.queries.row_count; q++) {
        size_t first = q * calibration->request.k;
        all += calibration->truth_counts[q];
        for (uint32_t i = 0; i < calibration->truth_counts[q]; i++)
            found += has_hit(calibration->hits + first, calibration->counts[q],
                             &calibration->truth[first + i]);
    }
    return all > 0 ? (float)((double)found / (double)all) : 1;
}

/* Looks at more and more blocks, and notes a point behind each target. */
static int find_points(struct calibration *calibration, struct px_ivf_calibration *ret_calibration,
                       struct proximadb_error *reterr)
{
    uint32_t blocks = (uint32_t)px_ivf__block_count(calibration->set), probes = 1;
    int rc = look(calibration, blocks, calibration->truth, calibration->truth_counts, reterr);
    for (float recall = 0; rc == PROXIMADB_OK && ret_calibration->point_count < PX_IVF_MOST_POINTS;
         probes += probes / STEP_SHARE + 1) {
        probes = probes < blocks ? probes : blocks;
        rc = look(calibration, probes, calibration->hits, calibration->counts, reterr);
        recall = recall_of(calibration);
        uint32_t *count = &ret_calibration->point_count;
        if (rc != PROXIMADB_OK || (recall < targets[*count] && probes < blocks))
            continue;
        ret_calibration->points[(*count)++] = (struct px_ivf_point){recall, probes};
        while (*count < PX_IVF_MOST_POINTS && targets[*count] <= recall) { /* one for several */
            ret_calibration->points[*count] = ret_calibration->points[*count - 1];
            ++*count;
        }
        if (probes == blocks)
            break;
    }
    return rc;
}

int px_ivf_calibrate(const struct px_ivf_set *set, const struct px_ivf_calibrating *calibrating,
                     struct px_ivf_calibration *ret_calibration, struct proximadb_error *reterr)
{
    struct calibration calibration = {.set = set, .calibrating = calibrating};
    struct px_ivf_calibration found = {0};
    for (size_t p = 0; p < set->part_count; p++)
        found.row_count += set->parts[p]->header->row_count;
    *ret_calibration = (struct px_ivf_calibration){0};
    if (found.row_count == 0)
        return PROXIMADB_OK;
    int rc = px_ivf_searcher_new(&calibration.searcher, reterr);
    if (rc == PROXIMADB_OK)
        rc = prepare(&calibration, reterr);
    if (rc == PROXIMADB_OK)
        rc = find_points(&calibration, &found, reterr);
    if (rc == PROXIMADB_OK)
        *ret_calibration = found;
    px_arena_release(&calibration.arena);
    px_ivf_searcher_free(calibration.searcher);
    return rc;
}
