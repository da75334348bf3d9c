#include "viper/compaction_plan.h"

#include <stdlib.h>
#include <string.h>

static const struct px_plan_limits defaults = {
    .round_parts = 4,
    .round_bytes = UINT64_C(1) << 30,
    .least_round_bytes = UINT64_C(1) << 20,
    .taken_bytes = UINT64_C(1) << 30,
    .rewritten_bytes = UINT64_C(32) << 20,
    .cluster_parts = 4,
    .fold_parts = 8,
    .fold_bytes = UINT64_C(8) << 20,
    .dead_percent = 20,
    .slow_parts = 64,
    .full_parts = 128,
    .most_delay_ms = 1000,
};

enum {
    CLUSTERED_PER_ROUND = 8,   /* a round is due when an eighth of that has gathered */
    CLUSTERED_PER_REWRITE = 4, /* a quarter of it may be written anew by one round */
    MOST_LIST_FACTOR = 4,
    FOLD_TIER_BITS = 3, /* sizes of one power of eight are one size */
    FOLD_TIERS = 64 / FOLD_TIER_BITS + 1,
    PERCENT = 100,
};

static void fill_u32(uint32_t *value, uint32_t fallback)
{
    if (*value == 0)
        *value = fallback;
}

static void fill_u64(uint64_t *value, uint64_t fallback)
{
    if (*value == 0)
        *value = fallback;
}

static struct px_plan_limits limits_of(const struct px_plan_input *input)
{
    struct px_plan_limits limits = input->limits != NULL ? *input->limits : defaults;
    fill_u32(&limits.round_parts, defaults.round_parts);
    fill_u64(&limits.round_bytes, defaults.round_bytes);
    fill_u64(&limits.least_round_bytes, defaults.least_round_bytes);
    fill_u64(&limits.taken_bytes, defaults.taken_bytes);
    fill_u64(&limits.rewritten_bytes, defaults.rewritten_bytes);
    fill_u32(&limits.cluster_parts, defaults.cluster_parts);
    fill_u32(&limits.fold_parts, defaults.fold_parts);
    fill_u64(&limits.fold_bytes, defaults.fold_bytes);
    fill_u32(&limits.dead_percent, defaults.dead_percent);
    fill_u32(&limits.slow_parts, defaults.slow_parts);
    fill_u32(&limits.full_parts, defaults.full_parts);
    fill_u32(&limits.most_delay_ms, defaults.most_delay_ms);
    return limits;
}

/* ---- adding up ----------------------------------------------------------------------------- */

/* Parts that belong together. */
struct group {
    uint32_t cluster;
    uint32_t part_count;
    uint64_t row_count;
    uint64_t dead_count;
    uint64_t size_bytes;
};

/* What the plan is made of. */
struct planning {
    const struct px_plan_input *input;
    struct px_plan_limits limits;
    struct px_clustering_sizes sizes;
    struct group fresh;     /* cluster_000 */
    struct group clustered; /* all others */
    struct group *clusters; /* owned; by number */
    size_t cluster_count;
};

static void add_part(struct group *group, const struct px_plan_part *part)
{
    group->part_count++;
    group->row_count += part->row_count;
    group->dead_count += part->dead_count;
    group->size_bytes += part->size_bytes;
}

static int compare_clusters(const void *a, const void *b)
{
    const struct group *left = a, *right = b;
    return (left->cluster > right->cluster) - (left->cluster < right->cluster);
}

/* One group for each part, sorted, and those of one cluster added up. */
static int add_up(struct planning *planning, struct proximadb_error *reterr)
{
    const struct px_plan_input *input = planning->input;
    struct group *clusters = calloc(input->part_count + 1, sizeof *clusters);
    size_t count = 0, kept = 0;
    if (clusters == NULL)
        return px_fail_no_memory(reterr);
    for (size_t i = 0; i < input->part_count; i++) {
        const struct px_plan_part *part = &input->parts[i];
        add_part(part->cluster == 0 ? &planning->fresh : &planning->clustered, part);
        if (part->cluster == 0)
            continue;
        clusters[count].cluster = part->cluster;
        add_part(&clusters[count++], part);
    }
    qsort(clusters, count, sizeof *clusters, compare_clusters);
    for (size_t i = 0; i < count; i++) {
        struct group *last = kept > 0 ? &clusters[kept - 1] : NULL;
        if (last == NULL || last->cluster != clusters[i].cluster) {
            clusters[kept++] = clusters[i];
            continue;
        }
        last->part_count += clusters[i].part_count;
        last->row_count += clusters[i].row_count;
        last->dead_count += clusters[i].dead_count;
        last->size_bytes += clusters[i].size_bytes;
    }
    planning->clusters = clusters;
    planning->cluster_count = kept;
    return PROXIMADB_OK;
}

static bool is_dead(const struct planning *planning, uint64_t dead_count, uint64_t row_count)
{
    return dead_count * PERCENT > row_count * planning->limits.dead_percent;
}

/* ---- what is due --------------------------------------------------------------------------- */

static uint64_t all_bytes(const struct planning *planning)
{
    return planning->fresh.size_bytes + planning->clustered.size_bytes;
}

static struct px_clustering_sizes sizes_of(const struct planning *planning)
{
    const struct px_clustering_sizes by_default = {0}, *sizes = planning->input->sizes;
    return px_clustering_sizes_of(sizes != NULL ? sizes : &by_default, (double)all_bytes(planning));
}

static uint64_t live_rows(const struct planning *planning)
{
    return planning->fresh.row_count - planning->fresh.dead_count + planning->clustered.row_count -
           planning->clustered.dead_count;
}

/* Whether enough has been flushed for a round. */
static bool has_gathered(const struct planning *planning)
{
    const struct px_plan_limits *limits = &planning->limits;
    uint64_t enough = planning->clustered.size_bytes / CLUSTERED_PER_ROUND;
    if (enough > limits->round_bytes)
        enough = limits->round_bytes;
    if (enough < limits->least_round_bytes)
        enough = limits->least_round_bytes;
    return planning->fresh.size_bytes >= limits->round_bytes ||
           (planning->fresh.part_count >= limits->round_parts &&
            planning->fresh.size_bytes >= enough);
}

/* Whether that many parts of a cluster are too small on average. A part more brings the cluster its
 * share of what was flushed. A small collection has small parts, or each flush would write it anew.
 */
static bool has_small_parts(const struct planning *planning, const struct group *cluster,
                            uint32_t more_parts)
{
    uint64_t least_bytes = planning->sizes.least_bytes;
    double bytes = (double)cluster->size_bytes;
    if (planning->clustered.size_bytes < 2 * least_bytes)
        return false;
    if (more_parts > 0)
        bytes +=
            bytes * (double)planning->fresh.size_bytes / (double)planning->clustered.size_bytes;
    return bytes < (double)((cluster->part_count + more_parts) * least_bytes);
}

/* Whether a cluster is to be written anew, given that it gets so many parts more. One part as it is
 * never becomes better by that, unless rows of it are dead. */
static bool needs_rewrite(const struct planning *planning, const struct group *cluster,
                          uint32_t more_parts)
{
    uint32_t part_count = cluster->part_count + more_parts;
    if (is_dead(planning, cluster->dead_count, cluster->row_count))
        return true;
    return part_count > planning->limits.cluster_parts ||
           (part_count > 1 && (cluster->size_bytes > planning->sizes.most_bytes ||
                               has_small_parts(planning, cluster, more_parts)));
}

/* NULL: no round is due. */
static const char *round_reason(const struct planning *planning)
{
    if (all_bytes(planning) < planning->limits.least_round_bytes)
        return NULL;
    if (has_gathered(planning))
        return "enough was flushed";
    if (is_dead(planning, planning->fresh.dead_count + planning->clustered.dead_count,
                planning->fresh.row_count + planning->clustered.row_count))
        return "too many rows are dead";
    for (size_t i = 0; i < planning->cluster_count; i++)
        if (needs_rewrite(planning, &planning->clusters[i], 0))
            return "a cluster has too many parts or dead rows";
    return NULL;
}

/* NULL: none is due. */
static const char *recluster_reason(const struct planning *planning)
{
    const struct px_plan_input *input = planning->input;
    uint64_t rows = live_rows(planning);
    if (all_bytes(planning) < planning->limits.least_round_bytes)
        return NULL;
    if (input->list_count == 0)
        return round_reason(planning) != NULL ? "there are no clusters yet" : NULL;
    if (input->is_recall_low)
        return "lists have drifted";
    if (rows > input->list_count * input->list_rows * MOST_LIST_FACTOR && input->list_rows > 0)
        return "lists have become too long";
    if (input->list_count > 1 && rows * MOST_LIST_FACTOR < input->list_count * input->list_rows)
        return "lists have become too short";
    return NULL;
}

/* ---- choosing ------------------------------------------------------------------------------ */

static void take(const struct planning *planning, struct px_plan *plan, size_t i)
{
    const struct px_plan_part *part = &planning->input->parts[i];
    plan->takes[i] = true;
    plan->taken_count++;
    plan->taken_rows += part->row_count - part->dead_count;
    plan->taken_bytes += part->size_bytes;
}

static void take_cluster(const struct planning *planning, struct px_plan *plan, uint32_t cluster)
{
    for (size_t i = 0; i < planning->input->part_count; i++)
        if (planning->input->parts[i].cluster == cluster)
            take(planning, plan, i);
}

/* The oldest parts of cluster_000; at least one, if there is any. */
static void take_fresh(const struct planning *planning, struct px_plan *plan)
{
    uint64_t taken = 0;
    for (size_t i = 0; i < planning->input->part_count; i++) {
        const struct px_plan_part *part = &planning->input->parts[i];
        if (part->cluster != 0)
            continue;
        if (taken > 0 && taken + part->size_bytes > planning->limits.taken_bytes)
            return;
        taken += part->size_bytes;
        take(planning, plan, i);
    }
}

static uint64_t dead_bytes(const struct group *cluster)
{
    return cluster->row_count == 0
               ? 0
               : (uint64_t)((double)cluster->size_bytes * (double)cluster->dead_count /
                            (double)cluster->row_count);
}

static int compare_dead(const void *a, const void *b)
{
    uint64_t left = dead_bytes(a), right = dead_bytes(b);
    return left != right ? (left < right) - (left > right) : compare_clusters(a, b);
}

/* The clusters that need it, as far as the bound goes; at least one. */
static void take_clusters(struct planning *planning, struct px_plan *plan, bool gets_rows)
{
    uint64_t most = planning->clustered.size_bytes / CLUSTERED_PER_REWRITE, taken = 0;
    if (most < planning->limits.rewritten_bytes)
        most = planning->limits.rewritten_bytes;
    qsort(planning->clusters, planning->cluster_count, sizeof *planning->clusters, compare_dead);
    for (size_t i = 0; i < planning->cluster_count; i++) {
        const struct group *cluster = &planning->clusters[i];
        if (!needs_rewrite(planning, cluster, gets_rows) ||
            (taken > 0 && taken + cluster->size_bytes > most))
            continue;
        taken += cluster->size_bytes;
        take_cluster(planning, plan, cluster->cluster);
    }
}

static void choose_round(struct planning *planning, struct px_plan *plan)
{
    plan->kind = PX_PLAN_ROUND;
    take_fresh(planning, plan);
    take_clusters(planning, plan, plan->taken_count > 0);
}

static void choose_all(const struct planning *planning, struct px_plan *plan)
{
    plan->kind = PX_PLAN_RECLUSTER;
    for (size_t i = 0; i < planning->input->part_count; i++)
        take(planning, plan, i);
}

/* FOLD_TIERS for a part that is not folded. */
static unsigned fold_tier(const struct planning *planning, const struct px_plan_part *part)
{
    unsigned tier = 0;
    if (part->cluster != 0 || part->size_bytes > planning->limits.fold_bytes)
        return FOLD_TIERS;
    for (uint64_t bytes = part->size_bytes; bytes >= 1 << FOLD_TIER_BITS; bytes >>= FOLD_TIER_BITS)
        tier++;
    return tier;
}

/* The smallest parts that are enough, oldest first, as far as the bound goes; nothing if none
 * are. */
static void choose_fold(const struct planning *planning, struct px_plan *plan)
{
    const struct px_plan_input *input = planning->input;
    uint32_t counts[FOLD_TIERS + 1] = {0};
    for (size_t i = 0; i < input->part_count; i++)
        counts[fold_tier(planning, &input->parts[i])]++;
    unsigned tier = 0;
    while (tier < FOLD_TIERS && counts[tier] < planning->limits.fold_parts)
        tier++;
    if (tier == FOLD_TIERS)
        return;
    plan->kind = PX_PLAN_FOLD;
    plan->reason = "many small parts were flushed";
    for (size_t i = 0; i < input->part_count; i++) {
        const struct px_plan_part *part = &input->parts[i];
        if (fold_tier(planning, part) != tier)
            continue;
        if (plan->taken_count >= planning->limits.fold_parts &&
            plan->taken_bytes + part->size_bytes > planning->limits.taken_bytes)
            return; /* the next one has the rest */
        take(planning, plan, i);
    }
}

static void choose(struct planning *planning, struct px_plan *plan)
{
    plan->reason = recluster_reason(planning);
    if (plan->reason != NULL) {
        choose_all(planning, plan);
        return;
    }
    plan->reason = planning->input->list_count > 0 ? round_reason(planning) : NULL;
    if (plan->reason != NULL)
        choose_round(planning, plan);
    else
        choose_fold(planning, plan);
}

int px_plan_make(const struct px_plan_input *input, struct px_plan *ret_plan,
                 struct proximadb_error *reterr)
{
    struct planning planning = {.input = input, .limits = limits_of(input)};
    struct px_plan plan = {.kind = PX_PLAN_NOTHING};
    plan.takes = calloc(input->part_count + 1, sizeof *plan.takes);
    if (plan.takes == NULL)
        return px_fail_no_memory(reterr);
    int rc = add_up(&planning, reterr);
    if (rc != PROXIMADB_OK) {
        px_plan_release(&plan);
        return rc;
    }
    planning.sizes = sizes_of(&planning);
    choose(&planning, &plan);
    free(planning.clusters);
    *ret_plan = plan;
    return PROXIMADB_OK;
}

void px_plan_release(struct px_plan *plan)
{
    free(plan->takes);
    *plan = (struct px_plan){0};
}

/* ---- pressure ------------------------------------------------------------------------------ */

struct px_plan_pressure px_plan_measure_pressure(const struct px_plan_input *input)
{
    struct px_plan_limits limits = limits_of(input);
    struct px_plan_pressure pressure = {0};
    for (size_t i = 0; i < input->part_count; i++) {
        pressure.part_count += input->parts[i].cluster == 0;
        pressure.size_bytes += input->parts[i].cluster == 0 ? input->parts[i].size_bytes : 0;
    }
    if (pressure.part_count < limits.slow_parts)
        return pressure;
    uint64_t over = pressure.part_count - limits.slow_parts + 1;
    uint64_t range =
        limits.full_parts > limits.slow_parts ? limits.full_parts - limits.slow_parts : 1;
    uint64_t delay_ms = limits.most_delay_ms * over / range;
    pressure.delay_ms = delay_ms < 1                      ? 1
                        : delay_ms > limits.most_delay_ms ? limits.most_delay_ms
                                                          : (uint32_t)delay_ms;
    return pressure;
}
