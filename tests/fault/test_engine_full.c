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
#include "os/file.h"
#include "service/shard.h"

#include "support/engine_rows.h"

#include <errno.h>

#include "support/engine_on_disk.h"

enum { DIMS = 8, IDS = 60, PARTIAL_BYTES = 100, RETRY_MS = 600001 };

#define NEEDS_SPACE (PX_FAULT_WRITE_AT | PX_FAULT_ALLOCATE | PX_FAULT_MAKE_FOLDER)

/* The version of each row; 0: there is none. */
static int64_t versions[IDS];

static int start(void **state)
{
    (void)state;
    memset(versions, 0, sizeof versions);
    engine_on_disk_start();
    box.options.plan_limits = (struct px_plan_limits){
        .round_parts = 2, .least_round_bytes = 1, .cluster_bytes = 20000, .cluster_parts = 2};
    box.options.cluster_sizes =
        (struct px_clustering_sizes){.least_bytes = 2000, .aimed_bytes = 4000, .most_bytes = 8000};
    box.options.list_rows = 8;
    engine_reopen(&box);
    engine_create(&box, "docs", DIMS, PROXIMADB_L2);
    return 0;
}

static const char *id_of(uint32_t number)
{
    static char text[16];
    snprintf(text, sizeof text, "row-%u", number);
    return text;
}

static void put(uint32_t number, float value)
{
    engine_must(engine_put(&box, PROXIMADB_UPSERT, "docs", id_of(number), DIMS, value), &box.error);
    versions[number] = engine_get_version(&box, "docs", id_of(number));
}

static void erase(uint32_t number)
{
    struct proximadb_write_result result;
    engine_must(engine_try_delete(&box, "docs", id_of(number), &result), &box.error);
    versions[number] = 0;
}

static void check_rows(void)
{
    struct engine_rows rows = {0};
    uint64_t live_count = 0;
    engine_scan(&box, "docs", NULL, &rows);
    for (uint32_t i = 0; i < IDS; i++) {
        const struct engine_row *row = engine_rows_find(&rows, id_of(i));
        assert_int_equal(row != NULL ? row->version : 0, versions[i]);
        live_count += versions[i] != 0;
    }
    assert_int_equal(rows.count, live_count);
    engine_rows_clear(&rows);
    assert_int_equal(engine_count(&box, "docs", NULL), live_count);
    assert_int_equal(engine_info(&box, "docs").info.vector_count, live_count);
    for (uint32_t i = 0; i < IDS; i += 7)
        assert_int_equal(engine_get_version(&box, "docs", id_of(i)), versions[i]);
}

/* Parts with dead rows, and a memtable with rows and kills. */
static void make_history(void)
{
    for (uint32_t i = 0; i < 40; i++) {
        put(i, (float)(i % 11));
        if (i == 15 || i == 31)
            engine_flush(&box, "docs");
    }
    for (uint32_t i = 0; i < 40; i += 3)
        erase(i);
    engine_flush(&box, "docs");
    for (uint32_t i = 30; i < IDS; i++)
        put(i, (float)i);
    erase(31);
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

static size_t count_files(const char *folder)
{
    char path[300];
    struct px_names names;
    size_t count = 0;
    snprintf(path, sizeof path, "data/store/docs/%s", folder);
    engine_must(px_folder_list(&faults.base, path, &names, &box.error), &box.error);
    for (size_t i = 0; i < names.count; i++) {
        char below[400];
        snprintf(below, sizeof below, "%s/%s", folder, names.items[i].text);
        count += names.items[i].kind == PX_FS_FOLDER ? count_files(below) : 1;
    }
    px_names_release(&names);
    return count;
}

/* What the manifest lists is what there is; nothing is left of what failed. */
static void check_files(void)
{
    struct px_shard *shard = engine_shard(&box, "docs");
    engine_settle_shard(NULL, shard);
    pthread_mutex_lock(&shard->viper.commit_lock);
    const struct px_manifest *manifest = &shard->viper.manifest;
    assert_int_equal(count_files("vectors"),
                     manifest->parts.count + (manifest->centroids.path[0] != '\0'));
    assert_int_equal(count_files("deletes"), manifest->deletes.count);
    pthread_mutex_unlock(&shard->viper.commit_lock);
    px_shard_unref(shard);
}

/* Everything goes as if nothing had been, and stays so. */
static void check_recovered(uint64_t n)
{
    fill_disk_at(0);
    check_rows();
    engine_flush(&box, "docs");
    engine_compact(&box, "docs", 0);
    check_rows();
    check_files();
    assert_false(engine_info(&box, "docs").info.read_only);
    engine_on_disk_lose_power(PX_POWERCUT_ANY, n);
    check_rows();
    put(0, 1);
    check_rows();
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
    check_rows();
    put(5, (float)n); /* the log has room, so writes go on */
    erase(7);
    check_rows();
    if (n % 2 == 0) {
        fill_disk_at(0);
        engine_on_disk_lose_power(PX_POWERCUT_ANY, n);
        check_rows();
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

static uint64_t run_all(void **state, bool is_flushed, int (*act)(void))
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
        (void)start(state);
    }
}

static void test_engine_full__in_the_middle_of_a_flush(void **state)
{
    box.options.has_no_compaction = true;
    engine_reopen(&box);
    uint64_t count = run_all(state, false, flush);
    print_message("%llu moments\n", (unsigned long long)count);
    assert_true(count > 10);
}

static void test_engine_full__in_the_middle_of_a_compaction(void **state)
{
    uint64_t count = run_all(state, true, compact);
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
        put(i, (float)i / 2);
    engine_flush(&box, "docs");
    fill_disk_at(n);
    px_shard_pause_compaction(shard, false);
    engine_settle_shard(NULL, shard);
    px_shard_unref(shard);
    bool failed = px_fault_fs_calls(&faults) >= n;
    assert_int_equal(engine_has_logged(&box, "cannot be compacted"), failed);
    check_rows();
    let_retry(); /* still full */
    check_rows();
    fill_disk_at(0);
    let_retry();
    assert_true(fresh_parts() < 2);
    check_files();
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, engine_on_disk_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_engine_full__in_the_middle_of_a_flush),
        TEST(test_engine_full__in_the_middle_of_a_compaction),
        TEST(test_engine_full__in_the_middle_of_compaction_in_the_background),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
