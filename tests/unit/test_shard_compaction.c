/* px-test: layers=api */
/*
 * Goal: a collection that compacts itself in the background answers at every moment what an oracle says,
 * through flushes, rounds, splits, merges and folds, whichever file call fails and whenever the power is
 * cut; it comes to rest, within its bounds; it can be paused; and it slows writes down instead of failing.
 * Method: an engine on a disk in memory with limits so small that a few rows are a collection in need of
 * upkeep; random histories; each file call failed once; the clock moved by hand.
 */
#include "service/shard.h"

#include "viper/part_lists.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "support/engine_versions.h"

enum { DIMS = ENGINE_VERSIONS_DIMS, IDS = ENGINE_VERSIONS_MOST, MOST_LISTS = 1000 };

static float places[IDS]; /* what its vector is made of: 0 to 100 */
static uint64_t random_state;

static uint32_t next_random(uint32_t below)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(random_state >> 33) % below;
}

/* Parts of a few kilobytes are large ones here. */
static void set_limits(void)
{
    box.options.plan_limits = (struct px_plan_limits){.round_parts = 2,
                                                      .least_round_bytes = 1,
                                                      .cluster_parts = 2,
                                                      .fold_parts = 3,
                                                      .fold_bytes = 3000,
                                                      .slow_parts = 30,
                                                      .full_parts = 40};
    box.options.cluster_sizes =
        (struct px_clustering_sizes){.least_bytes = 2000, .aimed_bytes = 5000, .most_bytes = 10000};
    box.options.list_rows = 12;
}

static int start(void **state)
{
    (void)state;
    engine_versions_clear();
    random_state = 1;
    engine_on_disk_start();
    set_limits();
    engine_reopen(&box);
    engine_create(&box, "docs", DIMS, PROXIMADB_L2);
    return 0;
}

static void put_at(uint32_t number, float value)
{
    engine_versions_put(number, value);
    places[number] = value;
}

static void put(uint32_t number)
{
    put_at(number, (float)next_random(1000) / 10);
}

static void change_some(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (next_random(4) == 0)
            engine_versions_erase(next_random(IDS));
        else
            put(next_random(IDS));
    }
}

/* What lies in the store, as the manifest says. */
struct stored {
    size_t part_count, fresh_count, cluster_count, most_parts;
    uint64_t row_count, bytes;
};

static struct stored look(void)
{
    struct px_shard *shard = engine_shard(&box, "docs");
    struct stored stored = {0};
    uint32_t counts[1000] = {0};
    pthread_mutex_lock(&shard->viper.commit_lock);
    const struct px_manifest_files *parts = &shard->viper.manifest.parts;
    for (size_t i = 0; i < parts->count; i++) {
        uint32_t cluster = parts->items[i].cluster;
        assert_true(cluster < 1000);
        stored.part_count++;
        stored.fresh_count += cluster == 0;
        stored.cluster_count += cluster != 0 && counts[cluster]++ == 0;
        if (cluster != 0 && counts[cluster] > stored.most_parts)
            stored.most_parts = counts[cluster];
        stored.row_count += parts->items[i].row_count;
        stored.bytes += parts->items[i].size_bytes;
    }
    pthread_mutex_unlock(&shard->viper.commit_lock);
    px_shard_unref(shard);
    return stored;
}

/* ---- coming to rest ------------------------------------------------------------------------ */

static void test_shard_compaction__clusters_what_was_flushed(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < IDS; i++) {
        put(i);
        if (i % 40 == 39)
            engine_flush(&box, "docs");
    }
    engine_settle(&box);
    struct stored stored = look();
    assert_true(stored.fresh_count < 2);
    assert_true(stored.cluster_count > 1);
    assert_true(stored.most_parts <= 2);
    engine_versions_check();
    engine_reopen(&box);
    engine_versions_check();
}

static void test_shard_compaction__removes_what_is_dead(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < IDS; i++)
        put(i);
    engine_flush(&box, "docs");
    put(0);
    engine_flush(&box, "docs");
    engine_settle(&box);
    assert_true(look().cluster_count > 0);
    for (uint32_t i = 0; i < IDS; i += 2)
        engine_versions_erase(i);
    engine_versions_check();
    engine_flush(&box, "docs");
    engine_settle(&box);
    assert_true(look().row_count <= IDS / 2 * 125 / 100);
    engine_versions_check();
}

/* The store at rest needs nothing: another look does not write. */
static void test_shard_compaction__comes_to_rest(void **state)
{
    (void)state;
    for (uint32_t round = 0; round < 30; round++) {
        change_some(40);
        engine_flush(&box, "docs");
        engine_settle(&box);
        struct px_shard *shard = engine_shard(&box, "docs");
        uint64_t sequence = shard->viper.manifest.sequence;
        px_shard__schedule_compaction(shard);
        engine_settle_shard(NULL, shard);
        assert_int_equal(shard->viper.manifest.sequence, sequence);
        px_shard_unref(shard);
        struct stored stored = look();
        assert_true(stored.most_parts <= 2);
        assert_true(stored.row_count * 80 <= 100 * engine_versions_count() + 200);
        engine_versions_check();
    }
}

/* Nobody waits for it here: writes, flushes and steps of compaction come as they will. */
static void test_shard_compaction__answers_rightly_while_it_runs(void **state)
{
    (void)state;
    for (uint32_t round = 0; round < 60; round++) {
        change_some(30);
        if (round % 2 == 0)
            engine_flush(&box, "docs");
        if (round % 7 == 3)
            engine_compact(&box, "docs", round % 3);
        engine_versions_check();
        if (round % 20 == 11)
            engine_reopen(&box);
        if (round % 20 == 17)
            engine_on_disk_lose_power(PX_POWERCUT_ANY, round);
    }
    engine_settle(&box);
    engine_versions_check();
}

static void test_shard_compaction__counts_what_it_writes(void **state)
{
    (void)state;
    struct px_viper_numbers before, after;
    for (uint32_t round = 0; round < 6; round++) {
        change_some(60);
        engine_flush(&box, "docs");
    }
    engine_settle(&box);
    struct px_shard *shard = engine_shard(&box, "docs");
    px_viper_get_numbers(&shard->viper, &before);
    px_shard_unref(shard);
    assert_true(before.bytes_accepted > 0);
    assert_true(before.bytes_flushed > before.bytes_accepted); /* delete files, too */
    assert_true(before.bytes_compacted > look().bytes / 2);
    engine_reopen(&box);
    engine_settle(&box);
    shard = engine_shard(&box, "docs");
    px_viper_get_numbers(&shard->viper, &after);
    px_shard_unref(shard);
    assert_int_equal(after.bytes_accepted, before.bytes_accepted);
    assert_int_equal(after.bytes_flushed, before.bytes_flushed);
    assert_int_equal(after.bytes_compacted, before.bytes_compacted);
}

/* A few rows die before each flush: each has a delete file, which parts keep that are not rewritten. */
static void test_shard_compaction__keeps_delete_files_few(void **state)
{
    (void)state;
    box.options.plan_limits.dead_percent = 90;
    box.options.plan_limits.cluster_parts = 1000;
    box.options.cluster_sizes = (struct px_clustering_sizes){
        .least_bytes = 1, .aimed_bytes = 10000000, .most_bytes = 10000000, .least_clusters = 1};
    engine_reopen(&box);
    for (uint32_t i = 0; i < IDS; i++)
        put(i);
    engine_flush(&box, "docs");
    size_t most = 0;
    for (uint32_t round = 0; round < 60; round++) {
        put(round * 3 % IDS);
        engine_versions_erase(round * 7 % IDS);
        engine_flush(&box, "docs");
        engine_settle(&box);
        struct px_shard *shard = engine_shard(&box, "docs");
        size_t count = shard->viper.manifest.deletes.count;
        px_shard_unref(shard);
        most = count > most ? count : most;
        if (round % 10 == 9)
            engine_on_disk_lose_power(PX_POWERCUT_ANY, round);
    }
    assert_in_range(most, 12, 20);
    engine_versions_check();
}

/* ---- when something fails ------------------------------------------------------------------ */

/* Rows in clusters, new ones beside them, many of them in one place, and deletes, which leave another
 * place nearly empty: what a round, a split and a merge touch. */
static void make_history(void)
{
    random_state = 7;
    engine_versions_clear();
    for (uint32_t i = 0; i < 120; i++)
        put(i);
    engine_flush(&box, "docs");
    change_some(10);
    engine_flush(&box, "docs");
    engine_settle(&box);
    for (uint32_t i = 0; i < 120; i++)
        if (versions[i] != 0 && (i % 4 == 0 || places[i] < 15))
            engine_versions_erase(i);
    for (uint32_t i = 120; i < 190; i++)
        put_at(i, 60 + (float)next_random(100) / 10);
}

/* The lists that parts have rows of, by id. */
static void find_lists(bool has[MOST_LISTS])
{
    struct px_shard *shard = engine_shard(&box, "docs");
    struct px_snapshot snapshot;
    memset(has, 0, MOST_LISTS * sizeof *has);
    px_shard_snapshot(shard, &snapshot);
    for (uint32_t i = 0; i < snapshot.view->source_count; i++) {
        struct px_part *part = snapshot.view->sources[i]->part;
        struct px_part_lists lists = {0};
        if (part == NULL)
            continue;
        assert_int_equal(px_part_lists_read(part, &lists, NULL), PROXIMADB_OK);
        for (size_t l = 0; l < lists.count; l++) {
            assert_true(lists.items[l].id < MOST_LISTS);
            has[lists.items[l].id] = true;
        }
        px_part_lists_release(&lists);
    }
    px_snapshot_release(&snapshot);
    px_shard_unref(shard);
}

/* What the tests below interrupt: with nothing in the way, lists are split, so that there are new
 * ones, and merged, so that some are gone, while others stay, so that it is upkeep and not all anew. */
static void test_shard_compaction__the_history_splits_and_merges_lists(void **state)
{
    (void)state;
    bool before[MOST_LISTS], after[MOST_LISTS];
    uint32_t stay = 0, gone = 0, fresh = 0;
    make_history();
    find_lists(before);
    engine_flush(&box, "docs");
    engine_settle(&box);
    find_lists(after);
    for (uint32_t id = 0; id < MOST_LISTS; id++) {
        stay += before[id] && after[id];
        gone += before[id] && !after[id];
        fresh += !before[id] && after[id];
    }
    print_message("%u lists stay, %u are gone, %u are new\n", stay, gone, fresh);
    assert_true(stay > 0 && gone > 0 && fresh > 0);
}

/* A try takes a third of a second. */
static uint64_t fault_step(void)
{
#if defined(PX_SANITIZED)
    return px_test_fault_step(17);
#else
    return px_test_fault_step(7);
#endif
}

/* Fails the nth call on the store from the next flush to the end of the steps that it causes. False
 * if there are fewer. */
static bool fail_nth_call(uint64_t n)
{
    make_history();
    px_fault_fs_set(&faults, &(struct px_fault_rule){.path_part = "store/docs", .fail_at = n});
    (void)engine_try_flush(&box, "docs");
    engine_settle(&box);
    bool enough = px_fault_fs_calls(&faults) >= n;
    px_fault_fs_set(&faults, &(struct px_fault_rule){0});
    engine_versions_check();
    if (n % 2 == 0)
        engine_on_disk_lose_power(PX_POWERCUT_ANY, n);
    engine_versions_check();
    engine_flush(&box, "docs");
    struct px_shard *shard = engine_shard(&box, "docs");
    px_shard_pause_compaction(shard, true);
    px_shard_pause_compaction(shard, false); /* which does not wait for the time of a retry */
    engine_settle_shard(NULL, shard);
    px_shard_unref(shard);
    struct stored stored = look();
    assert_true(stored.fresh_count < 2 && stored.most_parts <= 2);
    engine_versions_check();
    engine_on_disk_lose_power(PX_POWERCUT_ANY, n);
    engine_versions_check();
    assert_false(engine_info(&box, "docs").info.read_only);
    return enough;
}

static void test_shard_compaction__any_call_may_fail(void **state)
{
    uint64_t n = 1;
    while (fail_nth_call(n)) {
        engine_on_disk_end(state);
        (void)start(state);
        n += fault_step();
    }
    print_message("%llu calls\n", (unsigned long long)n);
    assert_true(n > 80);
}

/* The machine dies at the nth change from the next flush to the end of the steps that it causes. False
 * if there are fewer. */
static bool lose_power_at_nth_change(uint64_t n)
{
    make_history();
    px_powercut_stop_at_change(disk, n, n % 2 == 0 ? PX_POWERCUT_BEFORE : PX_POWERCUT_AFTER);
    (void)engine_try_flush(&box, "docs");
    engine_settle(&box);
    bool stopped = px_powercut_stopped(disk);
    px_powercut_stop_at_change(disk, 0, PX_POWERCUT_BEFORE);
    engine_on_disk_lose_power(PX_POWERCUT_ANY, n);
    engine_versions_check();
    engine_flush(&box, "docs");
    engine_settle(&box);
    engine_versions_check();
    return stopped;
}

static void test_shard_compaction__power_may_fail_at_any_change(void **state)
{
    uint64_t n = 1;
    while (lose_power_at_nth_change(n)) {
        engine_on_disk_end(state);
        (void)start(state);
        n += fault_step();
    }
    print_message("%llu changes\n", (unsigned long long)n);
    assert_true(n > 80);
}

/* ---- pausing ------------------------------------------------------------------------------- */

static void call(int operation, const char *name)
{
    engine_must(engine_call(&box, operation, name, NULL, NULL, &box.error), &box.error);
}

static void expect_state(const char *state)
{
    struct px_shard *shard = engine_shard(&box, "docs");
    struct px_shard_numbers numbers;
    px_shard_get_numbers(shard, &numbers);
    assert_string_equal(numbers.compaction_state, state);
    px_shard_unref(shard);
}

static void test_shard_compaction__is_paused_and_resumed(void **state)
{
    (void)state;
    call(PROXIMADB_PAUSE_COMPACTION, "docs");
    for (uint32_t round = 0; round < 6; round++) {
        change_some(40);
        engine_flush(&box, "docs");
    }
    engine_settle(&box);
    expect_state("paused");
    assert_int_equal(look().fresh_count, 6);
    assert_int_equal(engine_info(&box, "docs").info.fresh_part_count, 6);
    assert_true(engine_info(&box, "docs").info.dead_row_count > 0);
    engine_compact(&box, "docs", 0); /* what is asked for is done all the same */
    assert_int_equal(look().fresh_count, 0);
    assert_int_equal(engine_info(&box, "docs").info.dead_row_count, 0);
    change_some(40);
    engine_flush(&box, "docs");
    change_some(40);
    engine_flush(&box, "docs");
    engine_settle(&box);
    assert_int_equal(look().fresh_count, 2);
    call(PROXIMADB_RESUME_COMPACTION, NULL);
    engine_settle(&box);
    expect_state("idle");
    assert_true(look().fresh_count < 2);
    call(PROXIMADB_PAUSE_COMPACTION, NULL);
    expect_state("paused");
    assert_int_equal(engine_call(&box, PROXIMADB_PAUSE_COMPACTION, "none", NULL, NULL, &box.error),
                     PROXIMADB_COLLECTION_NOT_FOUND);
    engine_versions_check();
}

static atomic_bool is_over;

static void *pause_all(void *context)
{
    struct proximadb_error error;
    (void)context;
    while (!atomic_load(&is_over))
        engine_must(engine_call(&box, PROXIMADB_PAUSE_COMPACTION, NULL, NULL, NULL, &error),
                    &error);
    return NULL;
}

/* A shard that is paused may be closed at the same moment. */
static void test_shard_compaction__is_paused_while_collections_are_dropped(void **state)
{
    enum { THREADS = 3, ROUNDS = 150 };
    pthread_t threads[THREADS];
    (void)state;
    atomic_store(&is_over, false);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, pause_all, NULL), 0);
    for (int i = 0; i < ROUNDS; i++) {
        engine_create(&box, "short", DIMS, PROXIMADB_L2);
        engine_must(engine_try_drop(&box, "short"), &box.error);
    }
    atomic_store(&is_over, true);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    expect_state("paused");
    engine_versions_check();
}

/* ---- pressure ------------------------------------------------------------------------------ */

static void expect_hurry(unsigned count)
{
    assert_int_equal(atomic_load(&box.engine->context.pacer->hurry_count), count);
}

static void test_shard_compaction__slows_writes_when_it_is_behind(void **state)
{
    (void)state;
    struct engine_wait wait;
    const float vector[DIMS] = {1};
    const struct proximadb_row row = {
        .struct_size = sizeof row, .id = engine_text("slow"), .vector = vector, .dim_count = DIMS};
    box.options.plan_limits.slow_parts = 2;
    box.options.plan_limits.full_parts = 6;
    box.options.plan_limits.most_delay_ms = 1000;
    box.options.has_no_compaction = true;
    engine_reopen(&box);
    for (uint32_t i = 0; i < 3; i++) {
        put(i);
        box.clock.monotonic_ms += 2000;
        px_timer_wake(box.engine->context.timer);
        engine_flush(&box, "docs");
        engine_settle(&box);
    }
    struct px_shard *shard = engine_shard(&box, "docs");
    assert_int_equal(shard->compacting.fresh_part_count, 3);
    assert_int_equal(shard->compacting.delay_ms, 500);
    expect_hurry(1);
    expect_state("behind");
    box.clock.monotonic_ms += 1000;
    put(3); /* the first one behind a pause goes through */
    struct proximadb_buffer payload = engine_batch(PROXIMADB_INSERT, NULL, &row, 1);
    engine_begin(&box, PROXIMADB_INSERT, "docs", &payload, &wait);
    usleep(50000);
    assert_false(engine_is_done(&wait));
    box.clock.monotonic_ms += 499;
    px_timer_wake(box.engine->context.timer);
    usleep(20000);
    assert_false(engine_is_done(&wait));
    box.clock.monotonic_ms += 1;
    px_timer_wake(box.engine->context.timer);
    engine_must(engine_end(&wait, NULL, &box.error), &box.error);

    /* As soon as it has caught up nobody waits any more. */
    box.clock.monotonic_ms += 500;
    engine_compact(&box, "docs", 0);
    assert_int_equal(look().fresh_count, 0);
    assert_int_equal(shard->compacting.delay_ms, 0);
    expect_hurry(0);
    px_shard_unref(shard);
    put(4);
    put(5);
}

/* Who works on another collection hurries, too, until nobody waits any more. */
static void test_shard_compaction__hurries_while_writes_wait(void **state)
{
    (void)state;
    box.options.plan_limits.slow_parts = 1;
    box.options.has_no_compaction = true;
    engine_reopen(&box);
    expect_hurry(0);
    put(0);
    engine_flush(&box, "docs");
    expect_hurry(1);
    engine_reopen(&box); /* the parts are there from the start */
    expect_hurry(1);
    call(PROXIMADB_PAUSE_COMPACTION, "docs");
    expect_hurry(0);
    call(PROXIMADB_RESUME_COMPACTION, "docs");
    expect_hurry(1);
    engine_must(engine_try_drop(&box, "docs"), &box.error);
    expect_hurry(0);
}

/* ---- trying again -------------------------------------------------------------------------- */

/* Three parts, which are enough for a step and for a delay, and no new cluster can be made. */
static struct px_shard *make_stuck(void)
{
    box.options.plan_limits.slow_parts = 2;
    box.options.plan_limits.full_parts = 3;
    engine_reopen(&box);
    call(PROXIMADB_PAUSE_COMPACTION, "docs");
    for (uint32_t i = 0; i < 3; i++) {
        put(i);
        engine_flush(&box, "docs");
    }
    px_fault_fs_set(&faults, &(struct px_fault_rule){.kinds = PX_FAULT_MAKE_FOLDER,
                                                     .path_part = "cluster_001",
                                                     .fail_at = 1,
                                                     .fail_count = PX_FAULT_FOR_EVER,
                                                     .error = ENOSPC});
    call(PROXIMADB_RESUME_COMPACTION, "docs");
    engine_settle(&box);
    return engine_shard(&box, "docs");
}

static void expect_retry_in(struct px_shard *shard, int64_t delay_ms)
{
    int64_t now_ms = box.clock.monotonic_ms;
    assert_int_equal(shard->compacting.retry_ms, now_ms + delay_ms);
    px_shard__retry_compaction(shard, now_ms + delay_ms - 1);
    engine_settle_shard(NULL, shard);
    assert_int_equal(shard->compacting.retry_ms, now_ms + delay_ms);
}

static void test_shard_compaction__tries_less_and_less_often(void **state)
{
    static const int64_t delays[] = {10000, 20000, 40000, 80000, 160000, 320000, 600000, 600000};
    struct px_shard_numbers numbers;
    (void)state;
    struct px_shard *shard = make_stuck();
    assert_true(engine_has_logged(&box, "cannot be compacted"));
    for (size_t i = 0; i < sizeof delays / sizeof delays[0]; i++) {
        expect_retry_in(shard, delays[i]);
        box.clock.monotonic_ms += delays[i];
        px_shard__retry_compaction(shard, box.clock.monotonic_ms);
        engine_settle_shard(NULL, shard);
    }
    call(PROXIMADB_PAUSE_COMPACTION, "docs");
    call(PROXIMADB_RESUME_COMPACTION, "docs");
    engine_settle(&box);
    expect_retry_in(shard, 10000);

    /* Waiting would not help, so nobody does: the clock stands still. */
    px_shard_get_numbers(shard, &numbers);
    assert_int_equal(shard->compacting.delay_ms, 1000);
    assert_int_equal(numbers.write_delay_ms, 0);
    expect_hurry(0);
    put(4);
    put(5);

    px_fault_fs_set(&faults, &(struct px_fault_rule){0});
    box.clock.monotonic_ms += 10000;
    for (int i = 0; i < 4000 && numbers.fresh_part_count > 0; i++) {
        usleep(1000); /* the committer's tick */
        px_shard_get_numbers(shard, &numbers);
    }
    engine_settle(&box);
    assert_int_equal(look().fresh_count, 0);
    assert_int_equal(shard->compacting.failure_count, 0);
    px_shard_unref(shard);
    engine_versions_check();
}

static void test_shard_compaction__waits_for_space(void **state)
{
    (void)state;
    call(PROXIMADB_PAUSE_COMPACTION, "docs");
    for (uint32_t i = 0; i < 3; i++) {
        put(i);
        engine_flush(&box, "docs");
    }
    px_fault_fs_set(&faults, &(struct px_fault_rule){.kinds = PX_FAULT_ALLOCATE,
                                                     .path_part = "reserve",
                                                     .fail_at = 1,
                                                     .fail_count = PX_FAULT_FOR_EVER,
                                                     .error = ENOSPC});
    assert_true(px_data_folder_release_reserve(box.engine->context.data_folder));
    call(PROXIMADB_RESUME_COMPACTION, "docs");
    engine_settle(&box);
    assert_int_equal(look().fresh_count, 3);
    struct px_shard *shard = engine_shard(&box, "docs");
    expect_retry_in(shard, 10000);
    px_fault_fs_set(&faults, &(struct px_fault_rule){0});
    px_shard__retry_compaction(shard, box.clock.monotonic_ms + 10000);
    engine_settle(&box);
    assert_int_equal(look().fresh_count, 0);
    px_shard_unref(shard);
    engine_versions_check();
}

/* ---- expiry -------------------------------------------------------------------------------- */

static void put_expiring(const char *id, int64_t expires_at_ms)
{
    const float vector[DIMS] = {1};
    const struct proximadb_row row = {.struct_size = sizeof row,
                                      .id = engine_text(id),
                                      .vector = vector,
                                      .dim_count = DIMS,
                                      .expires_at_ms = &expires_at_ms};
    struct proximadb_buffer payload = engine_batch(PROXIMADB_INSERT, NULL, &row, 1);
    engine_must(engine_call(&box, PROXIMADB_INSERT, "docs", &payload, NULL, &box.error),
                &box.error);
}

/* Without a sweep in between: a compaction that is asked for sees to it. */
static void test_shard_compaction__leaves_expired_rows_behind(void **state)
{
    (void)state;
    struct proximadb_compact_result result;
    int64_t now_ms = box.clock.wall_ms;
    for (uint32_t i = 0; i < 20; i++)
        put(i);
    for (uint32_t i = 0; i < 30; i++) {
        char id[16];
        snprintf(id, sizeof id, "short-%u", i);
        put_expiring(id, now_ms + 1000);
    }
    put_expiring("long", now_ms + 100000);
    engine_flush(&box, "docs");
    box.clock.wall_ms += 2000;
    assert_int_equal(engine_count(&box, "docs", NULL), 21);
    engine_must(engine_try_compact(&box, "docs", 0, &result), &box.error);
    assert_int_equal(result.row_count, 21);
    assert_int_equal(engine_info(&box, "docs").info.vector_count, 21);
    engine_on_disk_lose_power(PX_POWERCUT_ANY, 3);
    assert_int_equal(engine_count(&box, "docs", NULL), 21);
    assert_int_equal(engine_info(&box, "docs").info.vector_count, 21);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, engine_on_disk_end)
    const struct CMUnitTest tests[] = {
        TEST(test_shard_compaction__clusters_what_was_flushed),
        TEST(test_shard_compaction__removes_what_is_dead),
        TEST(test_shard_compaction__comes_to_rest),
        TEST(test_shard_compaction__answers_rightly_while_it_runs),
        TEST(test_shard_compaction__counts_what_it_writes),
        TEST(test_shard_compaction__keeps_delete_files_few),
        TEST(test_shard_compaction__the_history_splits_and_merges_lists),
        TEST(test_shard_compaction__any_call_may_fail),
        TEST(test_shard_compaction__power_may_fail_at_any_change),
        TEST(test_shard_compaction__is_paused_and_resumed),
        TEST(test_shard_compaction__is_paused_while_collections_are_dropped),
        TEST(test_shard_compaction__slows_writes_when_it_is_behind),
        TEST(test_shard_compaction__hurries_while_writes_wait),
        TEST(test_shard_compaction__tries_less_and_less_often),
        TEST(test_shard_compaction__waits_for_space),
        TEST(test_shard_compaction__leaves_expired_rows_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
