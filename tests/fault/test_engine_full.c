/* px-test: layers=api label=fault */
/*
 * Goal: a disk that is full from any moment of a flush or a compaction on loses nothing and serves
 * nothing wrong: who asked is told that the disk is full and at which file, all rows are there
 * meanwhile, also behind a power cut, and when there is space again everything is made up for and
 * nothing half written lies about.
 * Method: an engine on a disk in memory. Of all calls that need space, the nth and all that follow
 * fail with ENOSPC, once having written some of their bytes; for every n there is. The log has room, so
 * that what fails is the store. Compaction in the background is told by the log and tried again.
 */
#include "service/shard.h"

#include <errno.h>

#include "support/engine_versions.h"

enum { DIMS = ENGINE_VERSIONS_DIMS, IDS = 60, PARTIAL_BYTES = 100, RETRY_MS = 600001 };

#define NEEDS_SPACE (PX_FAULT_WRITE_AT | PX_FAULT_ALLOCATE | PX_FAULT_MAKE_FOLDER)

static int start(void **state)
{
    (void)state;
    engine_versions_clear();
    engine_on_disk_start();
    box.options.plan_limits =
        (struct px_plan_limits){.round_parts = 2, .least_round_bytes = 1, .cluster_parts = 2};
    box.options.cluster_sizes =
        (struct px_clustering_sizes){.least_bytes = 2000, .aimed_bytes = 4000, .most_bytes = 8000};
    box.options.list_rows = 8;
    engine_reopen(&box);
    engine_create(&box, "docs", DIMS, PROXIMADB_L2);
    return 0;
}

/* Nobody but who is asked makes calls. */
static int start_idle(void **state)
{
    (void)start(state);
    box.options.has_no_compaction = true;
    engine_reopen(&box);
    return 0;
}

/* Parts with dead rows, and a memtable with rows and kills. */
static void make_history(void)
{
    for (uint32_t i = 0; i < 40; i++) {
        engine_versions_put(i, (float)(i % 11));
        if (i == 15 || i == 31)
            engine_flush(&box, "docs");
    }
    for (uint32_t i = 0; i < 40; i += 3)
        engine_versions_erase(i);
    engine_flush(&box, "docs");
    for (uint32_t i = 30; i < IDS; i++)
        engine_versions_put(i, (float)i);
    engine_versions_erase(31);
}

/* From the nth call on that needs space there is none. 0: there is some again. */
static void fill_disk_at(uint64_t n)
{
    px_fault_fs_set(&faults, &(struct px_fault_rule){.kinds = n > 0 ? NEEDS_SPACE : 0,
                                                     .path_part = "store/docs",
                                                     .fail_at = n,
                                                     .fail_count = n > 0 ? PX_FAULT_FOR_EVER : 0,
                                                     .error = ENOSPC,
                                                     .write_first_bytes = PARTIAL_BYTES});
}

/* What whoever asked is told. */
static void check_told(int status)
{
    if (status == PROXIMADB_OK)
        return;
    assert_int_equal(status, PROXIMADB_RESOURCE_EXHAUSTED);
    const char *text = box.error.message;
    bool names_file = strstr(text, "vectors/") != NULL || strstr(text, "deletes/") != NULL ||
                      strstr(text, "MANIFEST.json") != NULL;
    if (!names_file || strstr(text, "the disk is full") == NULL)
        fail_msg("'%s' does not tell what is full", text);
}

/* Everything goes as if nothing had been, and stays so. */
static void check_recovered(uint64_t n)
{
    fill_disk_at(0);
    engine_versions_check();
    engine_flush(&box, "docs");
    engine_compact(&box, "docs", 0);
    engine_versions_check();
    engine_settle(&box);
    engine_on_disk_check_files("docs"); /* nothing is left of what failed */
    assert_false(engine_info(&box, "docs").info.read_only);
    engine_on_disk_lose_power(PX_POWERCUT_ANY, n);
    engine_versions_check();
    engine_versions_put(0, 1);
    engine_versions_check();
}

/* ---- what is asked for --------------------------------------------------------------------- */

static int flush(void)
{
    return engine_try_flush(&box, "docs");
}

static int compact(void)
{
    return engine_try_compact(&box, "docs", 0, NULL);
}

/* Whether there was an nth call that needs space. */
static bool run_full(int (*act)(void), uint64_t n)
{
    fill_disk_at(n);
    int status = act();
    bool failed = px_fault_fs_calls(&faults) >= n;
    assert_int_equal(status != PROXIMADB_OK, failed);
    check_told(status);
    engine_versions_check();
    engine_versions_put(5, (float)n); /* the log has room, so writes go on */
    engine_versions_erase(7);
    engine_versions_check();
    if (n % 2 == 0) {
        fill_disk_at(0);
        engine_on_disk_lose_power(PX_POWERCUT_ANY, n);
        engine_versions_check();
    }
    check_recovered(n);
    return failed;
}

/* Which moments are tried in a quick run: sanitizers are ten times slower. */
static uint64_t step(void)
{
#if defined(PX_SANITIZED)
    return px_test_fault_step(7);
#else
    return px_test_fault_step(3);
#endif
}

static uint64_t run_all(void **state, CMFixtureFunction begin, bool is_flushed, int (*act)(void))
{
    for (uint64_t n = 1;; n += step()) {
        make_history();
        if (is_flushed)
            engine_flush(&box, "docs");
        engine_settle(&box);
        bool failed = run_full(act, n);
        if (!failed)
            return n;
        engine_on_disk_end(state);
        (void)begin(state);
    }
}

static void test_engine_full__in_the_middle_of_a_flush(void **state)
{
    uint64_t count = run_all(state, start_idle, false, flush);
    print_message("%llu moments\n", (unsigned long long)count);
    assert_true(count > 10);
}

static void test_engine_full__in_the_middle_of_a_compaction(void **state)
{
    uint64_t count = run_all(state, start, true, compact);
    print_message("%llu moments\n", (unsigned long long)count);
    assert_true(count > 20);
}

/* ---- in the background --------------------------------------------------------------------- */

/* The time of a retry comes with a write. */
static void let_retry(void)
{
    box.clock.monotonic_ms += RETRY_MS;
    struct px_shard *shard = engine_shard(&box, "docs");
    px_shard__retry_compaction(shard, box.clock.monotonic_ms);
    engine_settle_shard(NULL, shard);
    px_shard_unref(shard);
}

static size_t fresh_parts(void)
{
    struct px_shard *shard = engine_shard(&box, "docs");
    size_t count = 0;
    pthread_mutex_lock(&shard->viper.commit_lock);
    for (size_t i = 0; i < shard->viper.manifest.parts.count; i++)
        count += shard->viper.manifest.parts.items[i].cluster == 0;
    pthread_mutex_unlock(&shard->viper.commit_lock);
    px_shard_unref(shard);
    return count;
}

/* The flush has space, the steps that follow it have it for n - 1 calls. */
static bool run_full_behind(uint64_t n)
{
    struct px_shard *shard = engine_shard(&box, "docs");
    make_history();
    engine_settle(&box);
    px_shard_pause_compaction(shard, true);
    engine_flush(&box, "docs");
    for (uint32_t i = 40; i < IDS; i++)
        engine_versions_put(i, (float)i / 2);
    engine_flush(&box, "docs");
    fill_disk_at(n);
    px_shard_pause_compaction(shard, false);
    engine_settle_shard(NULL, shard);
    px_shard_unref(shard);
    bool failed = px_fault_fs_calls(&faults) >= n;
    assert_int_equal(engine_has_logged(&box, "cannot be compacted"), failed);
    engine_versions_check();
    let_retry(); /* still full */
    engine_versions_check();
    fill_disk_at(0);
    let_retry();
    assert_true(fresh_parts() < 2);
    engine_settle(&box);
    engine_on_disk_check_files("docs"); /* nothing is left of what failed */
    check_recovered(n);
    return failed;
}

static void test_engine_full__in_the_middle_of_compaction_in_the_background(void **state)
{
    uint64_t n = 1;
    while (run_full_behind(n)) {
        engine_on_disk_end(state);
        (void)start(state);
        n += step();
    }
    print_message("%llu moments\n", (unsigned long long)n);
    assert_true(n > 10);
}

#define TEST(name, begin) cmocka_unit_test_setup_teardown(name, begin, engine_on_disk_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_engine_full__in_the_middle_of_a_flush, start_idle),
        TEST(test_engine_full__in_the_middle_of_a_compaction, start),
        TEST(test_engine_full__in_the_middle_of_compaction_in_the_background, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
