/* px-test: layers=api label=model */
/*
 * Goal: searches, writes, flushes, compactions and builds of the index may all happen at once: a
 * search never gives a row twice, nor one that was deleted before it began, and always one that was
 * there all the time, by its own vector, but for what an index misses; also where it is updated all
 * the time, so that it is always there, and never for long.
 * Method: threads of each kind on one collection for a while. Some rows are never touched; others
 * are written, and deleted, by one thread, which says how far it is. ThreadSanitizer looks on.
 */
#include "service/engine.h"

#include "support/engine_index.h"

enum {
    DIMS = 16,
    KEPT_ROWS = 800,
    BATCH_ROWS = 40,
    SEARCHERS = 2,
    MOST_MISSED_PERCENT = 5,
};

#if defined(PX_SANITIZED)
enum { ROUNDS = 60 };
#else
enum { ROUNDS = 150 };
#endif

static struct engine_box box;
static float kept[KEPT_ROWS * DIMS];
static atomic_bool is_over;
static _Atomic uint32_t deleted_to; /* changed rows below are gone, for ever */
static _Atomic uint64_t searched_count, missed_count, steady_count, lost_count;
static float steady[DIMS];

/* Each thread has a box of its own, for its errors, on the one engine. */
static struct engine_box own_box(void)
{
    return (struct engine_box){.engine = box.engine};
}

static void fill(struct px_test_random *dice, float *vectors, size_t count)
{
    for (size_t i = 0; i < count; i++)
        vectors[i] = px_test_float(dice) - 0.5f;
}

static void check_answer(const struct engine_rows *rows, size_t k, uint32_t gone_before)
{
    assert_int_equal(rows->count, k);
    for (size_t i = 0; i < rows->count; i++) {
        unsigned number = 0;
        if (sscanf(rows->items[i].id, "changed-%u", &number) == 1)
            assert_true(number >= gone_before);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(rows->items[i].id, rows->items[j].id);
        if (i > 0)
            assert_true(rows->items[i - 1].distance <= rows->items[i].distance);
    }
}

static void *search_on(void *context)
{
    struct engine_box own = own_box();
    struct px_test_random dice = px_test_random_new((const char *)context);
    while (!atomic_load(&is_over)) {
        struct engine_rows rows = {0};
        char id[40];
        size_t number = px_test_below(&dice, KEPT_ROWS), k = 1 + px_test_below(&dice, 20);
        uint32_t gone_before = atomic_load(&deleted_to);
        index_search(&own, "docs", kept + number * DIMS, DIMS, k, px_test_below(&dice, 20) == 0,
                     &rows);
        check_answer(&rows, k, gone_before);
        snprintf(id, sizeof id, "kept-%05zu", number);
        atomic_fetch_add(&searched_count, 1);
        atomic_fetch_add(&missed_count, strcmp(rows.items[0].id, id) != 0);
        engine_rows_clear(&rows);
        index_search(&own, "docs", steady, DIMS, 1, false, &rows);
        atomic_fetch_add(&steady_count, 1);
        atomic_fetch_add(&lost_count, strcmp(rows.items[0].id, "steady-00000") != 0);
        engine_rows_clear(&rows);
    }
    return NULL;
}

/* The same vector again and again. */
static void *update_on(void *context)
{
    struct engine_box own = own_box();
    (void)context;
    while (!atomic_load(&is_over))
        index_put(&own, PROXIMADB_UPDATE, "docs", "steady", 0, steady, 1, DIMS);
    return NULL;
}

static void delete_rows(struct engine_box *own, uint32_t first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        char id[40];
        snprintf(id, sizeof id, "changed-%05u", first + i);
        engine_must(engine_try_delete(own, "docs", id, NULL), &own->error);
    }
    atomic_store(&deleted_to, first + count);
}

/* Writes rows, writes some of them again, and deletes them some rounds later. */
static void *write_on(void *context)
{
    struct engine_box own = own_box();
    struct px_test_random dice = px_test_random_new("index_writer");
    float vectors[BATCH_ROWS * DIMS];
    (void)context;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        uint32_t first = round * BATCH_ROWS;
        fill(&dice, vectors, BATCH_ROWS * DIMS);
        index_put(&own, PROXIMADB_INSERT, "docs", "changed", first, vectors, BATCH_ROWS, DIMS);
        fill(&dice, vectors, BATCH_ROWS * DIMS);
        index_put(&own, PROXIMADB_UPDATE, "docs", "changed", first, vectors, BATCH_ROWS / 2, DIMS);
        if (round >= 5)
            delete_rows(&own, first - 5 * BATCH_ROWS, BATCH_ROWS);
    }
    atomic_store(&is_over, true);
    return NULL;
}

static void *keep_house(void *context)
{
    struct engine_box own = own_box();
    (void)context;
    for (int i = 0; !atomic_load(&is_over); i++) {
        int operation = i % 8 == 7   ? PROXIMADB_REBUILD_INDEX
                        : i % 4 == 3 ? PROXIMADB_COMPACT
                                     : PROXIMADB_FLUSH;
        engine_must(engine_call(&own, operation, "docs", NULL, NULL, &own.error), &own.error);
        (void)engine_info(&own, "docs");
        usleep(2000);
    }
    return NULL;
}

static void run_all(const char *folder, int index_type)
{
    static char names[SEARCHERS][20] = {"index_search_0", "index_search_1"};
    pthread_t searchers[SEARCHERS], writer, updater, keeper;
    atomic_store(&is_over, false);
    atomic_store(&deleted_to, 0);
    searched_count = missed_count = steady_count = lost_count = 0;
    engine_init(&box, &px_fs_posix, px_test_folder(folder));
    box.options.index_least_rows = 200;
    if (index_type == PROXIMADB_IVF) { /* several parts, of several lists */
        box.options.list_rows = 60;
        box.options.plan_limits.least_round_bytes = 1;
        box.options.cluster_sizes.least_bytes = 1;
        box.options.cluster_sizes.aimed_bytes = 20000;
        box.options.cluster_sizes.most_bytes = 40000;
    }
    box.options.public_options.worker_count = 3;
    box.options.public_options.memtable_limit_bytes = 200000;
    engine_open(&box);
    struct px_test_random dice = px_test_random_new(folder);
    fill(&dice, kept, KEPT_ROWS * DIMS);
    engine_must(
        index_try_create_of(&box, "docs", DIMS, PROXIMADB_L2, index_type, PROXIMADB_INDEX_LEAN),
        &box.error);
    index_put(&box, PROXIMADB_INSERT, "docs", "kept", 0, kept, KEPT_ROWS, DIMS);
    fill(&dice, steady, DIMS);
    index_put(&box, PROXIMADB_INSERT, "docs", "steady", 0, steady, 1, DIMS);
    assert_true(index_wait(&box, "docs"));
    for (int i = 0; i < SEARCHERS; i++)
        pthread_create(&searchers[i], NULL, search_on, names[i]);
    pthread_create(&writer, NULL, write_on, NULL);
    pthread_create(&updater, NULL, update_on, NULL);
    pthread_create(&keeper, NULL, keep_house, NULL);
    pthread_join(writer, NULL);
    pthread_join(updater, NULL);
    pthread_join(keeper, NULL);
    for (int i = 0; i < SEARCHERS; i++)
        pthread_join(searchers[i], NULL);
    print_message("%llu searches, %llu of them missed the row itself, %llu that which is updated\n",
                  (unsigned long long)searched_count, (unsigned long long)missed_count,
                  (unsigned long long)lost_count);
    assert_true(searched_count > 100);
    assert_true(missed_count * 100 <= searched_count * MOST_MISSED_PERCENT);
    assert_true(lost_count * 1000 <= steady_count);
    if (index_type == PROXIMADB_IVF)
        engine_compact(&box, "docs", 0); /* all rows into lists */
    assert_true(index_wait(&box, "docs"));
    uint64_t left = KEPT_ROWS + 5 * BATCH_ROWS + 1;
    assert_int_equal(engine_count(&box, "docs", NULL), left);
    assert_int_equal(engine_info(&box, "docs").info.index_row_count, left);
    engine_close(&box);
}

static void test_index_threads__all_at_once_with_a_graph(void **state)
{
    (void)state;
    run_all("index_threads_graph", PROXIMADB_HNSW);
}

static void test_index_threads__all_at_once_with_codes(void **state)
{
    (void)state;
    run_all("index_threads_codes", PROXIMADB_IVF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_index_threads__all_at_once_with_a_graph),
        cmocka_unit_test(test_index_threads__all_at_once_with_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
