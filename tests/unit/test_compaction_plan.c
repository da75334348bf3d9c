/*
 * Goal: compaction is planned so that clusters keep within their bounds, what is written stays in
 * proportion to what came in, and there is an end: what a plan did needs no plan any more.
 * Method: single rules on made-up parts; then months of flushes, updates and deletes on a simulated
 * collection that carries every plan out, with the disk and the written bytes added up.
 */
#include "viper/compaction_plan.h"

#include "support/px_test.h"

enum { MIB = 1 << 20, KIB = 1 << 10 };

static struct px_clustering_sizes sizes;

static struct px_plan plan_of(const struct px_plan_part *parts, size_t count, uint64_t list_count,
                              uint32_t list_rows)
{
    const struct px_plan_input input = {.parts = parts,
                                        .part_count = count,
                                        .list_count = list_count,
                                        .list_rows = list_rows,
                                        .sizes = &sizes};
    struct px_plan plan;
    assert_int_equal(px_plan_make(&input, &plan, NULL), PROXIMADB_OK);
    size_t taken = 0;
    for (size_t i = 0; i < count; i++)
        taken += plan.takes[i];
    assert_int_equal(taken, plan.taken_count);
    return plan;
}

#define PLAN(parts, lists) plan_of((parts), sizeof(parts) / sizeof((parts)[0]), (lists), 2048)

static void test_compaction_plan__begins_when_parts_have_gathered(void **state)
{
    (void)state;
    const struct px_plan_part parts[] = {{0, 40000, 0, 64 * MIB},
                                         {0, 40000, 0, 64 * MIB},
                                         {0, 40000, 0, 64 * MIB},
                                         {0, 40000, 0, 64 * MIB}};
    struct px_plan plan = plan_of(parts, 3, 0, 0);
    assert_int_equal(plan.kind, PX_PLAN_NOTHING);
    px_plan_release(&plan);
    plan = PLAN(parts, 0);
    assert_int_equal(plan.kind, PX_PLAN_RECLUSTER);
    assert_int_equal(plan.taken_count, 4);
    assert_int_equal(plan.taken_rows, 160000);
    assert_int_equal(plan.taken_bytes, 256 * MIB);
    px_plan_release(&plan);
}

static void test_compaction_plan__leaves_small_collections_alone(void **state)
{
    (void)state;
    const struct px_plan_part parts[] = {
        {0, 100, 100, 2 * KIB}, {0, 100, 0, 2 * KIB}, {0, 100, 50, 2 * KIB}, {0, 9, 0, 2 * KIB}};
    struct px_plan plan = PLAN(parts, 0);
    assert_int_equal(plan.kind, PX_PLAN_NOTHING);
    px_plan_release(&plan);
}

static void test_compaction_plan__appends_to_clusters_that_are_well(void **state)
{
    (void)state;
    const struct px_plan_part parts[] = {{1, 50000, 10000, 80 * MIB}, {2, 50000, 0, 80 * MIB},
                                         {0, 30000, 0, 50 * MIB},     {0, 30000, 0, 50 * MIB},
                                         {0, 30000, 0, 50 * MIB},     {0, 30000, 0, 50 * MIB}};
    struct px_plan plan = PLAN(parts, 60);
    assert_int_equal(plan.kind, PX_PLAN_ROUND);
    assert_int_equal(plan.taken_count, 4);
    assert_false(plan.takes[0]); /* a fifth is not more than a fifth */
    assert_false(plan.takes[1]);
    px_plan_release(&plan);
}

static void test_compaction_plan__waits_for_an_eighth_of_what_is_clustered(void **state)
{
    (void)state;
    struct px_plan_part parts[] = {{1, 500000, 0, 250 * MIB}, {2, 500000, 0, 250 * MIB},
                                   {0, 3000, 0, 15 * MIB},    {0, 3000, 0, 15 * MIB},
                                   {0, 3000, 0, 15 * MIB},    {0, 3000, 0, 15 * MIB}};
    struct px_plan plan = PLAN(parts, 400);
    assert_int_equal(plan.kind, PX_PLAN_NOTHING);
    px_plan_release(&plan);
    parts[2].size_bytes = 18 * MIB; /* 63 of 62.5 */
    plan = PLAN(parts, 400);
    assert_int_equal(plan.kind, PX_PLAN_ROUND);
    px_plan_release(&plan);
}

static void test_compaction_plan__rewrites_all_parts_of_a_full_or_dead_cluster(void **state)
{
    (void)state;
    const struct px_plan_part parts[] = {{1, 9000, 0, 6 * MIB},    {1, 9000, 0, 6 * MIB},
                                         {2, 9000, 1900, 6 * MIB}, {1, 9000, 0, 6 * MIB},
                                         {1, 9000, 0, 6 * MIB},    {3, 9000, 1700, 6 * MIB},
                                         {0, 9000, 0, 6 * MIB}};
    sizes = (struct px_clustering_sizes){.least_bytes = MIB, .least_clusters = 1};
    struct px_plan plan = PLAN(parts, 30);
    assert_int_equal(plan.kind, PX_PLAN_ROUND);
    for (size_t i = 0; i < 7; i++)
        assert_int_equal(plan.takes[i], i != 5);
    px_plan_release(&plan);
    plan = plan_of(parts, 2, 9, 2048); /* neither full nor dead */
    assert_int_equal(plan.kind, PX_PLAN_NOTHING);
    px_plan_release(&plan);
    /* Without new rows four parts may stay. */
    plan = plan_of(parts, 6, 30, 2048);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(plan.takes[i], i == 2);
    px_plan_release(&plan);
    sizes = (struct px_clustering_sizes){0};
}

/* Parts of 8 MiB on average, as soon as there are 16 MiB; a cluster's share of what was flushed
 * counts. */
static void test_compaction_plan__rewrites_clusters_of_small_parts(void **state)
{
    (void)state;
    struct px_plan_part parts[] = {{1, 9000, 0, 12 * MIB}, {1, 9000, 0, 3 * MIB},
                                   {2, 9000, 0, 12 * MIB}, {2, 9000, 0, 5 * MIB},
                                   {3, 9000, 0, 12 * MIB}, {0, 9000, 0, 20 * MIB}};
    struct px_plan plan = PLAN(parts, 30);
    assert_int_equal(plan.kind, PX_PLAN_ROUND);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(plan.takes[i], i < 2 || i == 5); /* 15 + 20 * 15 / 44 MiB are for two */
    px_plan_release(&plan);
    plan = plan_of(parts, 5, 30, 2048);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(plan.takes[i], i < 2);
    px_plan_release(&plan);
    plan = plan_of(parts, 2, 9, 2048); /* a small collection */
    assert_int_equal(plan.kind, PX_PLAN_NOTHING);
    px_plan_release(&plan);
}

static void test_compaction_plan__rewrites_a_large_cluster_once(void **state)
{
    (void)state;
    struct px_plan_part parts[] = {{1, 90000, 0, 250 * MIB}, {1, 9000, 0, 25 * MIB}};
    struct px_plan plan = PLAN(parts, 48);
    assert_int_equal(plan.kind, PX_PLAN_ROUND);
    assert_int_equal(plan.taken_count, 2);
    px_plan_release(&plan);
    /* That its lists could not be packed otherwise must not have it written for ever. */
    parts[0].size_bytes += 25 * MIB;
    plan = plan_of(parts, 1, 48, 2048);
    assert_int_equal(plan.kind, PX_PLAN_NOTHING);
    px_plan_release(&plan);
}

static void test_compaction_plan__bounds_what_a_round_writes(void **state)
{
    (void)state;
    struct px_plan_part parts[40];
    for (size_t i = 0; i < 20; i++) {
        parts[i] = (struct px_plan_part){(uint32_t)i + 1, 90000, 30000, 200 * MIB};
        parts[20 + i] = (struct px_plan_part){0, 30000, 0, 100 * MIB};
    }
    parts[13].dead_count = 60000;
    struct px_plan plan = PLAN(parts, 900);
    uint64_t fresh = 0, clustered = 0;
    assert_int_equal(plan.kind, PX_PLAN_ROUND);
    for (size_t i = 0; i < 40; i++)
        *(i < 20 ? &clustered : &fresh) += plan.takes[i] ? parts[i].size_bytes : 0;
    assert_int_equal(fresh, 1000 * (uint64_t)MIB);
    assert_true(plan.takes[20] && !plan.takes[39]);    /* the oldest ones */
    assert_int_equal(clustered, 1000 * (uint64_t)MIB); /* a quarter of them is less than 1 GiB */
    assert_true(plan.takes[13]);                       /* what has most to give */
    px_plan_release(&plan);
}

static void test_compaction_plan__folds_parts_of_one_size(void **state)
{
    (void)state;
    struct px_plan_part parts[12] = {{1, 500000, 0, 250 * MIB}, {0, 900, 0, 900 * KIB}};
    for (size_t i = 2; i < 12; i++)
        parts[i] = (struct px_plan_part){0, 9, 0, (i < 9 ? 5 : 50) * KIB};
    struct px_plan plan = PLAN(parts, 245);
    assert_int_equal(plan.kind, PX_PLAN_NOTHING); /* seven of 5 and three of 50 KiB */
    px_plan_release(&plan);
    parts[9].size_bytes = 6 * KIB;
    plan = PLAN(parts, 245);
    assert_int_equal(plan.kind, PX_PLAN_FOLD);
    for (size_t i = 0; i < 12; i++)
        assert_int_equal(plan.takes[i], i >= 2 && i <= 9);
    px_plan_release(&plan);
}

/* It holds what it takes in memory, so it does not take all of it at once. */
static void test_compaction_plan__folds_no_more_than_a_bound(void **state)
{
    (void)state;
    struct px_plan_part parts[400];
    struct px_plan_limits limits = {.round_bytes = UINT64_C(1) << 40, .round_parts = 1000};
    const struct px_plan_input input = {
        .parts = parts, .part_count = 400, .list_count = 1000, .limits = &limits};
    struct px_plan plan;
    for (size_t i = 0; i < 400; i++)
        parts[i] = (struct px_plan_part){0, 9, 0, 5 * MIB};
    assert_int_equal(px_plan_make(&input, &plan, NULL), PROXIMADB_OK);
    assert_int_equal(plan.kind, PX_PLAN_FOLD);
    assert_int_equal(plan.taken_bytes, 1020 * MIB);
    assert_true(plan.takes[0] && plan.takes[203] && !plan.takes[204]);
    px_plan_release(&plan);
    limits.taken_bytes = 1;
    assert_int_equal(px_plan_make(&input, &plan, NULL), PROXIMADB_OK);
    assert_int_equal(plan.taken_count, 8); /* less would be no fold */
    px_plan_release(&plan);
}

static void test_compaction_plan__reclusters_when_lists_do_not_fit(void **state)
{
    (void)state;
    const struct px_plan_part parts[] = {{1, 100000, 20000, 100 * MIB}};
    struct px_plan plan = PLAN(parts, 10);
    assert_int_equal(plan.kind, PX_PLAN_NOTHING); /* 8,000 of 2,048 */
    px_plan_release(&plan);
    plan = PLAN(parts, 9);
    assert_int_equal(plan.kind, PX_PLAN_RECLUSTER);
    px_plan_release(&plan);
    plan = PLAN(parts, 157);
    assert_int_equal(plan.kind, PX_PLAN_RECLUSTER); /* 510 */
    px_plan_release(&plan);
    plan = PLAN(parts, 156);
    assert_int_equal(plan.kind, PX_PLAN_NOTHING);
    px_plan_release(&plan);
    const struct px_plan_input low = {.parts = parts,
                                      .part_count = 1,
                                      .list_count = 40,
                                      .list_rows = 2048,
                                      .is_recall_low = true};
    assert_int_equal(px_plan_make(&low, &plan, NULL), PROXIMADB_OK);
    assert_int_equal(plan.kind, PX_PLAN_RECLUSTER);
    px_plan_release(&plan);
}

static void test_compaction_plan__presses_more_with_each_part(void **state)
{
    (void)state;
    static struct px_plan_part parts[300];
    uint32_t last = 0;
    for (size_t count = 0; count < 300; count++) {
        const struct px_plan_input input = {.parts = parts, .part_count = count};
        parts[count] = (struct px_plan_part){count % 2, 10, 0, 10};
        struct px_plan_pressure pressure = px_plan_measure_pressure(&input);
        assert_int_equal(pressure.part_count, (count + 1) / 2);
        assert_int_equal(pressure.size_bytes, (count + 1) / 2 * 10);
        assert_int_equal(pressure.delay_ms > 0, pressure.part_count >= 64);
        assert_true(pressure.delay_ms >= last && pressure.delay_ms <= 1000);
        last = pressure.delay_ms;
    }
    assert_int_equal(last, 1000);
}

/* ---- a collection that is simulated -------------------------------------------------------- */

enum { ROW_BYTES = 1600, LIST_ROWS = 2048, MOST_PARTS = 4000 };

struct simulation {
    struct px_plan_part parts[MOST_PARTS];
    size_t part_count;
    uint64_t list_count;
    uint64_t accepted_bytes, written_bytes, most_bytes;
    uint32_t step_count;
};

static struct simulation simulation;

static uint64_t live_rows(void)
{
    uint64_t rows = 0;
    for (size_t i = 0; i < simulation.part_count; i++)
        rows += simulation.parts[i].row_count - simulation.parts[i].dead_count;
    return rows;
}

static uint64_t disk_bytes(void)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < simulation.part_count; i++)
        bytes += simulation.parts[i].size_bytes;
    return bytes;
}

static void add_part(uint32_t cluster, uint64_t rows)
{
    assert_true(simulation.part_count < MOST_PARTS && rows > 0);
    simulation.parts[simulation.part_count++] =
        (struct px_plan_part){cluster, (uint32_t)rows, 0, rows * ROW_BYTES};
    simulation.written_bytes += rows * ROW_BYTES;
}

static uint32_t cluster_count(void)
{
    uint32_t most = 0;
    for (size_t i = 0; i < simulation.part_count; i++)
        most = simulation.parts[i].cluster > most ? simulation.parts[i].cluster : most;
    return most;
}

/* New rows spread evenly over the clusters; a cluster that is too large becomes two. */
static void carry_out(const struct px_plan *plan)
{
    static struct px_plan_part kept[MOST_PARTS];
    static uint64_t rows[1000];
    static bool is_rewritten[1000];
    const struct px_clustering_sizes wanted =
        px_clustering_sizes_of(&sizes, (double)live_rows() * ROW_BYTES);
    uint64_t fresh_rows = 0, all_rows = 0;
    uint32_t clusters = cluster_count();
    size_t kept_count = 0;
    memset(rows, 0, sizeof rows);
    memset(is_rewritten, 0, sizeof is_rewritten);
    for (size_t i = 0; i < simulation.part_count; i++) {
        struct px_plan_part part = simulation.parts[i];
        uint64_t live = part.row_count - part.dead_count;
        if (!plan->takes[i]) {
            kept[kept_count++] = part;
            continue;
        }
        all_rows += live;
        fresh_rows += part.cluster == 0 ? live : 0;
        rows[part.cluster] += live;
        is_rewritten[part.cluster] = true;
    }
    memcpy(simulation.parts, kept, kept_count * sizeof kept[0]);
    simulation.part_count = kept_count;
    if (plan->kind == PX_PLAN_FOLD) {
        add_part(0, all_rows);
    } else if (plan->kind == PX_PLAN_RECLUSTER) {
        simulation.list_count = all_rows / LIST_ROWS + 1;
        clusters = (uint32_t)(all_rows * ROW_BYTES / wanted.aimed_bytes) + 1;
        for (uint32_t i = 0; i < clusters; i++)
            add_part(i + 1, all_rows / clusters);
    } else {
        for (uint32_t i = 1, next = clusters + 1; i <= clusters; i++) {
            uint64_t got = rows[i] + fresh_rows / clusters;
            bool splits = is_rewritten[i] && got * ROW_BYTES > wanted.most_bytes;
            if (splits)
                add_part(next++, got / 2);
            if (got > 0)
                add_part(i, splits ? got - got / 2 : got);
        }
        uint64_t lists = live_rows() / LIST_ROWS + 1;
        simulation.list_count = lists > simulation.list_count ? lists : simulation.list_count;
    }
}

/* Compacts until nothing is due. The old parts are on the disk until the new ones are written. */
static void settle(void)
{
    for (int steps = 0;; steps++, simulation.step_count++) {
        struct px_plan plan =
            plan_of(simulation.parts, simulation.part_count, simulation.list_count, LIST_ROWS);
        if (plan.kind == PX_PLAN_NOTHING) {
            px_plan_release(&plan);
            return;
        }
        assert_true(steps < 50);
        uint64_t before = disk_bytes(), written = simulation.written_bytes;
        carry_out(&plan);
        before += simulation.written_bytes - written;
        simulation.most_bytes = before > simulation.most_bytes ? before : simulation.most_bytes;
        px_plan_release(&plan);
    }
}

static void flush(uint64_t rows)
{
    add_part(0, rows);
    simulation.accepted_bytes += rows * ROW_BYTES;
    settle();
}

/* Kills so many live rows, of all parts alike. */
static void kill(uint64_t count)
{
    double share = (double)count / (double)live_rows();
    for (size_t i = 0; i < simulation.part_count; i++) {
        struct px_plan_part *part = &simulation.parts[i];
        part->dead_count += (uint32_t)((part->row_count - part->dead_count) * share);
    }
}

static double amplification(void)
{
    return (double)simulation.written_bytes / (double)simulation.accepted_bytes;
}

static void check_clusters(void)
{
    uint32_t counts[1000] = {0}, fresh = 0;
    for (size_t i = 0; i < simulation.part_count; i++) {
        fresh += simulation.parts[i].cluster == 0;
        counts[simulation.parts[i].cluster]++;
    }
    assert_true(fresh < 40);
    for (size_t i = 1; i < 1000; i++)
        assert_true(counts[i] <= 4);
}

static void test_compaction_plan__writes_ten_million_rows_a_few_times(void **state)
{
    (void)state;
    simulation = (struct simulation){0};
    for (uint32_t i = 0; i < 250; i++) {
        flush(40000);
        check_clusters();
    }
    print_message("10M rows: written %.2f times, %u steps, %zu parts\n", amplification(),
                  simulation.step_count, simulation.part_count);
    assert_true(amplification() < 6);
    assert_true(disk_bytes() / simulation.part_count > 8 * MIB);
}

static void test_compaction_plan__keeps_small_flushes_cheap(void **state)
{
    (void)state;
    simulation = (struct simulation){0};
    for (uint32_t i = 0; i < 20000; i++) {
        flush(20);
        check_clusters();
    }
    print_message("20,000 small flushes: written %.2f times, %u steps, %zu parts\n",
                  amplification(), simulation.step_count, simulation.part_count);
    assert_true(amplification() < 8);
}

/* The churn of 200,000 rows that the store is measured by: 30 % updates and 10 % deletes a round. */
static void test_compaction_plan__stays_within_bounds_under_churn(void **state)
{
    (void)state;
    double most_idle = 0, most_peak = 0;
    simulation = (struct simulation){0};
    for (uint32_t i = 0; i < 5; i++)
        flush(40000);
    for (uint32_t round = 0; round < 30; round++) {
        double fresh = (double)live_rows() * ROW_BYTES;
        simulation.most_bytes = 0;
        for (uint32_t i = 0; i < 2; i++) {
            kill(40000); /* 60,000 updates and 20,000 deletes, which are made good */
            flush(40000);
        }
        double idle = (double)disk_bytes() / fresh, peak = (double)simulation.most_bytes / fresh;
        most_idle = idle > most_idle ? idle : most_idle;
        most_peak = peak > most_peak ? peak : most_peak;
    }
    print_message("churn: idle %.2f, peak %.2f, written %.2f times\n", most_idle, most_peak,
                  amplification());
    assert_true(most_idle <= 1.6);
    assert_true(most_peak <= 2.5);
    assert_true(amplification() <= 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compaction_plan__begins_when_parts_have_gathered),
        cmocka_unit_test(test_compaction_plan__leaves_small_collections_alone),
        cmocka_unit_test(test_compaction_plan__appends_to_clusters_that_are_well),
        cmocka_unit_test(test_compaction_plan__waits_for_an_eighth_of_what_is_clustered),
        cmocka_unit_test(test_compaction_plan__rewrites_all_parts_of_a_full_or_dead_cluster),
        cmocka_unit_test(test_compaction_plan__rewrites_clusters_of_small_parts),
        cmocka_unit_test(test_compaction_plan__rewrites_a_large_cluster_once),
        cmocka_unit_test(test_compaction_plan__bounds_what_a_round_writes),
        cmocka_unit_test(test_compaction_plan__folds_parts_of_one_size),
        cmocka_unit_test(test_compaction_plan__folds_no_more_than_a_bound),
        cmocka_unit_test(test_compaction_plan__reclusters_when_lists_do_not_fit),
        cmocka_unit_test(test_compaction_plan__presses_more_with_each_part),
        cmocka_unit_test(test_compaction_plan__writes_ten_million_rows_a_few_times),
        cmocka_unit_test(test_compaction_plan__keeps_small_flushes_cheap),
        cmocka_unit_test(test_compaction_plan__stays_within_bounds_under_churn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
