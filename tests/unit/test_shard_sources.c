/* px-test: layers=api */
/*
 * Goal: files and memory of rows that were replaced go as soon as nobody reads them: neither an
 * index that is being built for hours nor a scan that somebody leaves open keeps more than what it
 * reads, and numbers of sources are used again; and the index is right all the same, whatever is
 * written, moved and deleted while it is built.
 * Method: the builder is held up at a moment of its work, by the pacer that it asks whether to
 * rest; rows are changed and compacted meanwhile, and the folder is compared with the manifest.
 */
#include "service/engine.h"

#include "support/engine_index.h"

#include <glob.h>

#if defined(PX_SANITIZED) /* ten times slower */
enum { DIMS = 16, ROWS = 600, CHANGED_ROWS = 100, ROUNDS = 3 };
#else
enum { DIMS = 16, ROWS = 3000, CHANGED_ROWS = 500, ROUNDS = 6 };
#endif

static struct engine_box box;
static struct px_test_random dice;

/* ---- holding a build up -------------------------------------------------------------------- */

static struct px_shard *held_shard;
static atomic_bool is_held, is_waiting;

static int64_t moment_ns(void)
{
    return 1; /* so one request is being served for ever */
}

static int64_t work_ns(void)
{
    static _Atomic int64_t worked_ns;
    return atomic_fetch_add(&worked_ns, INT64_C(1000000000));
}

/* Rows are read in the first half of a build. */
static void rest_ns(int64_t delay)
{
    (void)delay;
    struct px_indexing *state = &held_shard->indexing;
    while (atomic_load(&is_held) &&
           atomic_load(&state->rows_done) > atomic_load(&state->row_count) / 2) {
        atomic_store(&is_waiting, true);
        usleep(1000);
    }
}

static const struct px_pacer_time held_time = {moment_ns, work_ns, rest_ns};

static void begin_held_build(void)
{
    px_pacer_note_request(&box.engine->index_pacer);
    index_hold(&box, "docs", false);
    for (int i = 0; i < 60000 && !atomic_load(&is_waiting); i++) {
        pthread_mutex_lock(&held_shard->lock);
        px_shard__tick_index(held_shard, INT64_MAX);
        pthread_mutex_unlock(&held_shard->lock);
        usleep(1000);
    }
    assert_true(atomic_load(&is_waiting));
}

/* ---- the collection ------------------------------------------------------------------------ */

static void open_box(const char *folder)
{
    engine_init(&box, &px_fs_posix, px_test_folder(folder));
    box.options.index_least_rows = 100;
    engine_open(&box);
    dice = px_test_random_new(folder);
    engine_must(index_try_create(&box, "docs", DIMS, PROXIMADB_L2, PROXIMADB_INDEX_LEAN),
                &box.error);
    held_shard = index_shard(&box, "docs");
    box.engine->index_pacer.time = &held_time;
    atomic_store(&is_held, true);
    atomic_store(&is_waiting, false);
}

static void close_box(void)
{
    px_shard_unref(held_shard);
    engine_close(&box);
}

static void put(size_t first, size_t count)
{
    float *vectors = malloc(count * DIMS * sizeof *vectors);
    assert_non_null(vectors);
    for (size_t i = 0; i < count * DIMS; i++)
        vectors[i] = px_test_float(&dice) - 0.5f;
    index_put(&box, PROXIMADB_UPSERT, "docs", "row", first, vectors, count, DIMS);
    free(vectors);
}

static void erase(size_t first, size_t count)
{
    for (size_t i = first; i < first + count; i++) {
        char id[40];
        snprintf(id, sizeof id, "row-%05zu", i);
        engine_must(engine_try_delete(&box, "docs", id, NULL), &box.error);
    }
}

static void call(int operation)
{
    engine_must(engine_call(&box, operation, "docs", NULL, NULL, &box.error), &box.error);
}

/* Parts that are there, and those that the manifest names. */
static size_t count_part_files(void)
{
    char pattern[400];
    glob_t found;
    snprintf(pattern, sizeof pattern, "%s/store/docs/vectors/*/part_*.parquet", box.folder);
    size_t count = glob(pattern, 0, NULL, &found) == 0 ? found.gl_pathc : 0;
    globfree(&found);
    return count;
}

static size_t count_parts(void)
{
    pthread_mutex_lock(&held_shard->viper.commit_lock);
    size_t count = held_shard->viper.manifest.parts.count;
    pthread_mutex_unlock(&held_shard->viper.commit_lock);
    return count;
}

/* Some rows get other vectors, some go, and all go to other parts. */
static void change_all(size_t round)
{
    put(round * 100, CHANGED_ROWS);
    erase(round * 10, 10);
    call(PROXIMADB_FLUSH);
    call(PROXIMADB_COMPACT);
}

/* ---- building ------------------------------------------------------------------------------ */

static void check_searches(void)
{
    enum { QUERIES = 50, K = 10 };
    size_t missed = 0;
    for (int i = 0; i < QUERIES; i++) {
        float query[DIMS];
        for (int j = 0; j < DIMS; j++)
            query[j] = px_test_float(&dice) - 0.5f;
        missed += index_compare(&box, "docs", query, DIMS, K);
    }
    assert_in_range(missed, 0, QUERIES * K / 20);
}

static void test_shard_sources__a_build_keeps_no_files(void **state)
{
    (void)state;
    open_box("shard_sources_build");
    index_hold(&box, "docs", true);
    put(0, ROWS);
    call(PROXIMADB_FLUSH);
    begin_held_build();
    for (size_t round = 0; round < ROUNDS; round++) {
        change_all(round);
        assert_int_equal(count_part_files(), count_parts());
    }
    assert_null(held_shard->indexing.index);
    atomic_store(&is_held, false);
    assert_true(index_wait(&box, "docs"));
    check_searches();
    const struct px_graph_index *index = held_shard->indexing.index;
    assert_int_equal(index->row_count, ROWS - ROUNDS * 10);
    assert_int_equal(engine_info(&box, "docs").info.vector_count, index->row_count);
    assert_int_equal(px_graph_live_count(index->graph), index->row_count);
    /* Rows that were only moved kept the slots of the build. */
    assert_int_equal(held_shard->indexing.rebuild_count, 0);
    assert_true(px_graph_slot_count(index->graph) <= ROWS + CHANGED_ROWS + ROUNDS * 100);
    close_box();
}

/* Where it was not flushed yet, what it was read from is in memory, and that must go, too. */
static void test_shard_sources__a_build_keeps_no_memtable(void **state)
{
    (void)state;
    open_box("shard_sources_memtable");
    index_hold(&box, "docs", true);
    put(0, ROWS);
    struct px_source *active = px_source_ref(held_shard->active);
    begin_held_build();
    call(PROXIMADB_FLUSH);
    for (int i = 0; i < 10000 && atomic_load(&active->reference_count) > 1; i++)
        usleep(1000); /* the index follows behind the flush */
    assert_int_equal(atomic_load(&active->reference_count), 1);
    px_source_unref(active);
    atomic_store(&is_held, false);
    assert_true(index_wait(&box, "docs"));
    check_searches();
    close_box();
}

/* ---- scanning ------------------------------------------------------------------------------ */

static void test_shard_sources__a_scan_keeps_its_own_files_only(void **state)
{
    struct engine_rows rows = {0};
    (void)state;
    open_box("shard_sources_scan");
    atomic_store(&is_held, false);
    put(0, ROWS);
    call(PROXIMADB_FLUSH);
    call(PROXIMADB_COMPACT);
    size_t own_count = count_parts();
    engine_must(engine_try_page(&box, "docs", NULL, 100, &rows), &box.error);
    for (size_t round = 0; round < ROUNDS; round++) {
        change_all(round);
        assert_true(index_wait(&box, "docs"));
        assert_int_equal(count_part_files(), count_parts() + own_count);
    }
    while (rows.cursor[0] != '\0')
        engine_must(engine_try_page(&box, "docs", NULL, 100, &rows), &box.error);
    assert_int_equal(rows.count, ROWS); /* as they were */
    engine_rows_clear(&rows);
    close_box();
}

/* ---- numbers ------------------------------------------------------------------------------- */

static void test_shard_sources__uses_numbers_again(void **state)
{
    enum { MANY_ROUNDS = 10 * ROUNDS, MOST_NUMBERS = 12 };
    (void)state;
    open_box("shard_sources_numbers");
    atomic_store(&is_held, false);
    put(0, ROWS);
    for (size_t round = 0; round < MANY_ROUNDS; round++) {
        put(round * 10, 100);
        call(PROXIMADB_FLUSH);
        call(PROXIMADB_COMPACT);
        assert_true(index_wait(&box, "docs")); /* a step follows rows while it inserts some */
    }
    assert_in_range(held_shard->next_source, 2, MOST_NUMBERS);
    check_searches();
    close_box();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shard_sources__a_build_keeps_no_files),
        cmocka_unit_test(test_shard_sources__a_build_keeps_no_memtable),
        cmocka_unit_test(test_shard_sources__a_scan_keeps_its_own_files_only),
        cmocka_unit_test(test_shard_sources__uses_numbers_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
