/* Which blocks a query looks at: the lists by their centres, the blocks of the nearest ones by
 * theirs. */
#include "axis/ivf_internal.h"

#include <float.h>
#include <stdlib.h>

enum {
    BUCKETS = 256,
    LANES = 16,
    RANKED_A_PROBE = 4, /* blocks of near lists that are ranked for each that is looked at, */
    RANKED_MORE = 256,  /*   and so many beside */
};

/* ---- order ---------------------------------------------------------------------------------- */

/* The least and the greatest key, NaN aside. In lanes, which the compiler makes registers of. */
static void find_range(const float *keys, size_t count, float *ret_least, float *ret_most)
{
    float least[LANES], most[LANES];
    for (size_t lane = 0; lane < LANES; lane++) {
        least[lane] = FLT_MAX;
        most[lane] = -FLT_MAX;
    }
    for (size_t i = 0; i < count; i += LANES)
        for (size_t lane = 0; lane < LANES; lane++) {
            float key = keys[i + lane];
            least[lane] = key < least[lane] ? key : least[lane];
            most[lane] = key > most[lane] ? key : most[lane];
        }
    for (size_t lane = 1; lane < LANES; lane++) {
        least[0] = least[lane] < least[0] ? least[lane] : least[0];
        most[0] = most[lane] > most[0] ? most[lane] : most[0];
    }
    *ret_least = least[0];
    *ret_most = most[0];
}

/* Writes the number of each key's bucket: 0 for the least, and the last one for NaN. */
static void find_buckets(const float *keys, size_t count, uint32_t *ret_buckets)
{
    float least, most;
    find_range(keys, count, &least, &most);
    float width = (most - least) / BUCKETS, inverse = 1 / width;
    inverse = width > 0 && inverse <= FLT_MAX ? inverse : 0;
    for (size_t i = 0; i < count; i++) {
        float bucket = (keys[i] - least) * inverse;
        bucket = bucket < BUCKETS - 1 ? bucket : BUCKETS - 1;
        ret_buckets[i] = (uint32_t)(int32_t)bucket;
    }
}

/* Makes of the sizes of buckets where each begins; returns the last of those that have at least
 * `wanted` items together, and their number. */
static uint32_t place_buckets(uint32_t *sizes, size_t wanted, uint32_t *ret_total)
{
    uint32_t total = 0, bucket = 0;
    for (; bucket < BUCKETS; bucket++) {
        uint32_t size = sizes[bucket];
        sizes[bucket] = total;
        total += size;
        if (total >= wanted)
            break;
    }
    *ret_total = total;
    return bucket;
}

/* Writes the indexes of at least `wanted` (or of all) of the smallest keys, in about their order:
 * by bucket. Returns how many. */
static size_t order_smallest(struct px_ivf__ranking *ranking, size_t count, size_t wanted)
{
    uint32_t sizes[BUCKETS] = {0}, total, chosen = 0, *buckets = ranking->buckets;
    size_t padded = px_round_up(count, LANES);
    if (count == 0)
        return 0;
    for (size_t i = count; i < padded; i++)
        ranking->keys[i] = ranking->keys[count - 1];
    find_buckets(ranking->keys, padded, buckets);
    for (size_t i = 0; i < count; i++)
        sizes[buckets[i]]++;
    uint32_t last = place_buckets(sizes, wanted, &total);
    for (uint32_t i = 0; i < count; i++) { /* without a branch, which would be guessed wrongly */
        ranking->chosen[chosen] = i;
        chosen += buckets[i] <= last;
    }
    for (uint32_t i = 0; i < chosen; i++) {
        uint32_t index = ranking->chosen[i];
        ranking->order[sizes[buckets[index]]++] = index;
    }
    return chosen;
}

/* ---- lists and blocks ----------------------------------------------------------------------- */

/* All lists of a part; `filled` keys and probes are there. Returns how many then are. */
static size_t add_lists(struct px_ivf__ranking *ranking, const struct px_ivf *part,
                        uint32_t part_index, const struct px_ivf__query *query, size_t filled)
{
    uint32_t list_count = part->header->list_count;
    for (uint32_t first = 0; first < list_count; first += PX_IVF__SUMS) {
        uint32_t some = list_count - first < PX_IVF__SUMS ? list_count - first : PX_IVF__SUMS;
        struct px_byte_rows rows = {part->list_centres + first * query->count, query->count,
                                    query->count};
        px_fastscan_get()->byte_dots(&rows, NULL, some, query->high, query->low, ranking->sums);
        for (uint32_t i = 0; i < some; i++, filled++) {
            struct px_ivf__view view =
                px_ivf__look(query, &part->lists[first + i], ranking->sums[i]);
            ranking->keys[filled] = view.key;
            ranking->lists[filled] =
                (struct px_ivf__probe){part_index, first + i, view.base, view.reach};
        }
    }
    return filled;
}

static const struct px_ivf_disk_list *list_of(const struct px_ivf_set *set,
                                              const struct px_ivf__probe *probe)
{
    return &set->parts[probe->part_index]->lists[probe->number];
}

/* Keys of 32 blocks: the estimates of their centres' distances, and what their spread makes of
 * them. */
static void rank_group(const struct px_ivf__query *query, const struct px_ivf__probe *list,
                       const uint8_t *group, float *ret_keys)
{
    const float *factors =
        (const float *)(const void *)(group + px_fastscan_block_bytes(query->count));
    const float *shares = factors + 2 * PX_IVF_BLOCK_ROWS;
    struct px_fastscan_scale scale = {factors, factors + PX_IVF_BLOCK_ROWS, query->table_unit,
                                      query->table_offset};
    px_fastscan_get()->estimate(group, query->tables, query->count, &scale, ret_keys);
    for (size_t i = 0; i < PX_IVF_BLOCK_ROWS; i++)
        ret_keys[i] += list->base - shares[i] * list->reach;
}

/* Adds the keys of a list's blocks to `filled` others. */
static size_t add_blocks(struct px_ivf__ranking *ranking, const struct px_ivf_set *set,
                         const struct px_ivf__query *query, const struct px_ivf__probe *probe,
                         size_t filled)
{
    const struct px_ivf_disk_list *list = list_of(set, probe);
    size_t stride = px_ivf_group_stride(query->count);
    const uint8_t *group = set->parts[probe->part_index]->groups + list->first_group * stride;
    for (uint32_t g = 0; g < list->group_count; g++, group += stride)
        rank_group(query, probe, group, ranking->keys + filled + g * PX_IVF_BLOCK_ROWS);
    return filled + list->block_count; /* behind it the next one writes */
}

/* Ranks the blocks of the nearest lists, which have at least `wanted` of them. Returns how many
 * lists that are: the first ones of ranking->order; their blocks' keys are one behind the other. */
static size_t rank_blocks(struct px_ivf__ranking *ranking, const struct px_ivf_set *set,
                          const struct px_ivf__query *query, size_t list_count, size_t wanted,
                          size_t *ret_block_count)
{
    size_t ordered = order_smallest(ranking, list_count, list_count), used = 0, blocks = 0;
    for (; used < ordered && blocks < wanted; used++) {
        ranking->used[used] = ranking->order[used];
        blocks = add_blocks(ranking, set, query, &ranking->lists[ranking->used[used]], blocks);
    }
    *ret_block_count = blocks;
    return used;
}

/* Finds the lists of the chosen blocks, whose numbers rise, and turns these into probes. */
static void resolve(struct px_ivf__ranking *ranking, const struct px_ivf_set *set, size_t count)
{
    size_t used = 0, first = 0;
    const struct px_ivf__probe *list = &ranking->lists[ranking->used[0]];
    for (size_t i = 0; i < count; i++) {
        while (ranking->chosen[i] - first >= list_of(set, list)->block_count) {
            first += list_of(set, list)->block_count;
            list = &ranking->lists[ranking->used[++used]];
        }
        uint32_t block = list_of(set, list)->first_block + (ranking->chosen[i] - (uint32_t)first);
        ranking->items[ranking->chosen[i]] =
            (struct px_ivf__probe){list->part_index, block, list->base, list->reach};
    }
}

size_t px_ivf__rank(struct px_ivf__ranking *ranking, const struct px_ivf_set *set,
                    const struct px_ivf__query *query, size_t probe_count,
                    struct px_ivf__probe *ret_probes)
{
    size_t list_count = 0, block_count;
    for (uint32_t p = 0; p < set->part_count; p++)
        list_count = add_lists(ranking, set->parts[p], p, query, list_count);
    (void)rank_blocks(ranking, set, query, list_count, RANKED_A_PROBE * probe_count + RANKED_MORE,
                      &block_count);
    size_t count = order_smallest(ranking, block_count, probe_count);
    if (count > 0)
        resolve(ranking, set, count);
    count = count < probe_count ? count : probe_count;
    for (size_t i = 0; i < count; i++)
        ret_probes[i] = ranking->items[ranking->order[i]];
    return count;
}

/* ---- memory --------------------------------------------------------------------------------- */

uint64_t px_ivf__block_count(const struct px_ivf_set *set)
{
    uint64_t count = 0;
    for (size_t p = 0; p < set->part_count; p++)
        count += set->parts[p]->header->block_count;
    return count;
}

void px_ivf__ranking_release(struct px_ivf__ranking *ranking)
{
    free(ranking->keys);
    free(ranking->buckets);
    free(ranking->chosen);
    free(ranking->order);
    free(ranking->items);
    free(ranking->lists);
    free(ranking->used);
    free(ranking->sums);
    *ranking = (struct px_ivf__ranking){0};
}

static bool take_memory(struct px_ivf__ranking *ranking, size_t count)
{
    ranking->keys = malloc(count * sizeof *ranking->keys);
    ranking->buckets = malloc(count * sizeof *ranking->buckets);
    ranking->chosen = malloc(count * sizeof *ranking->chosen);
    ranking->order = malloc(count * sizeof *ranking->order);
    ranking->items = malloc(count * sizeof *ranking->items);
    ranking->lists = malloc(count * sizeof *ranking->lists);
    ranking->used = malloc(count * sizeof *ranking->used);
    ranking->sums = malloc(PX_IVF__SUMS * sizeof *ranking->sums);
    return ranking->keys != NULL && ranking->buckets != NULL && ranking->chosen != NULL &&
           ranking->order != NULL && ranking->items != NULL && ranking->lists != NULL &&
           ranking->used != NULL && ranking->sums != NULL;
}

int px_ivf__ranking_grow(struct px_ivf__ranking *ranking, const struct px_ivf_set *set,
                         struct proximadb_error *reterr)
{
    size_t count = px_ivf__block_count(set);               /* there are no more lists than blocks */
    count = px_round_up(count + PX_IVF_BLOCK_ROWS, LANES); /* a group is written as a whole */
    if (count <= ranking->capacity)
        return PROXIMADB_OK;
    px_ivf__ranking_release(ranking);
    if (!take_memory(ranking, count)) {
        px_ivf__ranking_release(ranking);
        return px_fail_no_memory(reterr);
    }
    ranking->capacity = count;
    return PROXIMADB_OK;
}
