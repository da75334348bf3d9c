/* px-test: layers=api */
/*
 * Goal: a database opens and closes as a whole, whatever was under way and whatever fails; its metrics say
 * what is in it; and many threads at once see each batch as a whole or not at all.
 * Method: engines on a disk in memory; threads that write pairs of rows, read, flush, compact, create and
 * drop at the same time (to be run by thread and address sanitizers, too).
 */
#include "service/engine.h"

#include "support/engine_rows.h"

/* Its variables must not shadow what the others name. */
#include "support/engine_on_disk.h"

enum { DIMS = 4 };

static int start(void **state)
{
    (void)state;
    engine_on_disk_start();
    return 0;
}

/* ---- opening and closing ------------------------------------------------------------------- */

static void test_engine__a_folder_has_one_engine(void **state)
{
    (void)state;
    struct engine_box other;
    engine_init(&other, &faults.base, "data");
    assert_int_equal(engine_try_open(&other), PROXIMADB_UNAVAILABLE);
    engine_close(&box);
    engine_open(&other);
    engine_close(&other);
    engine_open(&box);
    px_engine_close(NULL);
}

/* Each call of opening a database with rows in its log and its store fails once. */
static bool fail_nth_call(uint64_t n)
{
    engine_close(&box);
    px_fault_fs_set(&faults, &(struct px_fault_rule){.fail_at = n});
    int rc = engine_try_open(&box);
    bool enough = px_fault_fs_calls(&faults) >= n;
    px_fault_fs_set(&faults, &(struct px_fault_rule){0});
    if (rc == PROXIMADB_OK) {
        uint64_t count = 0; /* the collection may be what could not be opened: then it says so */
        int count_rc = engine_try_count(&box, "docs", NULL, &count);
        assert_true(count_rc == PROXIMADB_OK ? count == 2 : box.error.message[0] != '\0');
        engine_close(&box);
    }
    engine_open(&box);
    assert_int_equal(engine_count(&box, "docs", NULL), 2);
    assert_false(engine_info(&box, "docs").info.read_only);
    return enough;
}

static void test_engine__any_call_of_opening_may_fail(void **state)
{
    (void)state;
    uint64_t n = 1;
    engine_create(&box, "docs", DIMS, PROXIMADB_L2);
    engine_insert(&box, "docs", "a", DIMS, 1);
    engine_flush(&box, "docs");
    engine_insert(&box, "docs", "b", DIMS, 1);
    while (fail_nth_call(n))
        n += engine_fault_step();
    assert_true(n > 30);
}

static void test_engine__closing_finishes_what_was_submitted(void **state)
{
    (void)state;
    enum { COUNT = 200 };
    static struct engine_wait waits[COUNT];
    engine_create(&box, "docs", DIMS, PROXIMADB_L2);
    const float vector[DIMS] = {1};
    for (int i = 0; i < COUNT; i++) {
        char id[20];
        snprintf(id, sizeof id, "row-%d", i);
        const struct proximadb_row row = {
            .struct_size = sizeof row, .id = engine_text(id), .vector = vector, .dim_count = DIMS};
        struct proximadb_buffer payload = engine_batch(PROXIMADB_INSERT, NULL, &row, 1);
        engine_begin(&box, i % 50 == 49 ? PROXIMADB_FLUSH : PROXIMADB_INSERT, "docs", &payload,
                     &waits[i]);
    }
    engine_close(&box);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(engine_end(&waits[i], NULL, &box.error), PROXIMADB_OK);
    engine_open(&box);
    assert_int_equal(engine_count(&box, "docs", NULL), COUNT - COUNT / 50);
}

/* ---- by itself ----------------------------------------------------------------------------- */

/* Waits for what happens in the background, in real time. */
static void wait_for(bool (*happened)(void))
{
    for (int i = 0; !happened(); i++) {
        assert_true(i < 20000);
        usleep(1000);
    }
}

static bool has_a_part(void)
{
    return engine_info(&box, "docs").info.part_count == 1;
}

static bool has_no_row(void)
{
    return engine_info(&box, "docs").info.vector_count == 0;
}

static void test_engine__flushes_what_is_old(void **state)
{
    (void)state;
    engine_create(&box, "docs", DIMS, PROXIMADB_L2);
    engine_insert(&box, "docs", "a", DIMS, 1);
    engine_settle(&box);
    assert_false(has_a_part());
    box.clock.monotonic_ms += 30 * 60 * 1000;
    wait_for(has_a_part);
    engine_insert(&box, "docs", "b", DIMS, 1);
    engine_reopen(&box);
    assert_int_equal(engine_count(&box, "docs", NULL), 2);
}

static void test_engine__flushes_what_it_finds_too_large(void **state)
{
    (void)state;
    engine_create(&box, "docs", DIMS, PROXIMADB_L2);
    engine_insert(&box, "docs", "a", DIMS, 1);
    engine_close(&box);
    box.options.public_options.memtable_limit_bytes = 1;
    engine_open(&box);
    wait_for(has_a_part);
    assert_int_equal(engine_count(&box, "docs", NULL), 1);
}

static void test_engine__sweeps_what_has_expired(void **state)
{
    (void)state;
    const float vector[DIMS] = {1};
    engine_close(&box);
    box.options.public_options.expiry_sweep_ms = 5000;
    engine_open(&box);
    engine_create(&box, "docs", DIMS, PROXIMADB_L2);
    int64_t expires_at_ms = box.clock.wall_ms + 1000;
    const struct proximadb_row row = {.struct_size = sizeof row,
                                      .id = engine_text("a"),
                                      .vector = vector,
                                      .dim_count = DIMS,
                                      .expires_at_ms = &expires_at_ms};
    struct proximadb_buffer payload = engine_batch(PROXIMADB_INSERT, NULL, &row, 1);
    engine_must(engine_write(&box, PROXIMADB_INSERT, "docs", &payload, NULL), &box.error);
    box.clock.wall_ms += 1000;
    assert_false(has_no_row());
    box.clock.monotonic_ms += 5000;
    px_timer_wake(box.engine->context.timer);
    wait_for(has_no_row);
    assert_int_equal(engine_info(&box, "docs").info.last_version, 2);
}

/* Of a write that put in more than one sweep takes. */
static void test_engine__sweeps_all_that_has_expired(void **state)
{
    (void)state;
    enum { ROWS = 20005 };
    const float vector[DIMS] = {1};
    int64_t expires_at_ms = box.clock.wall_ms + 1000;
    struct proximadb_buffer payload;
    proximadb_batch *batch = proximadb_batch_new(PROXIMADB_INSERT, NULL);
    engine_create(&box, "docs", DIMS, PROXIMADB_L2);
    for (int i = 0; i < ROWS; i++) {
        char id[16];
        snprintf(id, sizeof id, "%d", i);
        const struct proximadb_row row = {.struct_size = sizeof row,
                                          .id = engine_text(id),
                                          .vector = vector,
                                          .dim_count = DIMS,
                                          .expires_at_ms = &expires_at_ms};
        engine_must(proximadb_batch_add(batch, &row, &box.error), &box.error);
    }
    engine_must(proximadb_batch_take(batch, &payload, &box.error), &box.error);
    proximadb_batch_free(batch);
    engine_must(engine_write(&box, PROXIMADB_INSERT, "docs", &payload, NULL), &box.error);
    box.clock.wall_ms += 1000;
    engine_sweep(&box, "docs");
    assert_int_equal(engine_info(&box, "docs").info.vector_count, 0);
    assert_int_equal(engine_info(&box, "docs").info.last_version, 2 * ROWS);
}

/* ---- metrics ------------------------------------------------------------------------------- */

static void test_engine__tells_its_metrics(void **state)
{
    (void)state;
    struct proximadb_buffer response;
    char text[8000];
    engine_create(&box, "ant", DIMS, PROXIMADB_L2);
    engine_create(&box, "docs", DIMS, PROXIMADB_L2);
    engine_insert(&box, "docs", "a", DIMS, 1);
    engine_insert(&box, "docs", "b", DIMS, 1);
    engine_flush(&box, "docs");
    engine_must(engine_call(&box, PROXIMADB_METRICS, NULL, NULL, &response, &box.error),
                &box.error);
    assert_true(response.size_bytes < sizeof text);
    memcpy(text, response.data, response.size_bytes);
    text[response.size_bytes] = '\0';
    proximadb_buffer_release(&response);
    assert_non_null(strstr(text, "# TYPE proximadb_vectors gauge\n"
                                 "proximadb_vectors{collection=\"ant\"} 0\n"
                                 "proximadb_vectors{collection=\"docs\"} 2\n"));
    assert_non_null(strstr(text, "proximadb_parts{collection=\"docs\"} 1\n"));
    assert_non_null(strstr(text, "proximadb_memtable_bytes{collection=\"docs\"} 0\n"));
    assert_non_null(strstr(text, "proximadb_calls_total{outcome=\"ok\"} "));
    assert_non_null(strstr(text, "proximadb_calls_total{outcome=\"error\"} 0\n"));
}

/* ---- many threads -------------------------------------------------------------------------- */

enum { WRITERS = 2, PAIRS = 20, ROUNDS = 150, MOST_ROWS = 2 * WRITERS * PAIRS };

struct crowd_thread {
    struct engine_box box; /* an error of its own */
    pthread_t thread;
    struct px_test_random random;
    int number;
    int values[PAIRS]; /* of a writer: what its pairs have; 0: they are not there */
};

static atomic_int writers_left;

/* Both rows of a pair have the same value, and one batch writes them. */
static void write_pair(struct crowd_thread *me, int pair, int value, int operation)
{
    char ids[2][32];
    float vectors[2][DIMS] = {{1, (float)value}, {2, (float)value}};
    struct proximadb_row rows[2];
    for (int i = 0; i < 2; i++) {
        snprintf(ids[i], sizeof ids[i], "%d-%d-%c", me->number, pair, 'a' + i);
        rows[i] = (struct proximadb_row){.struct_size = sizeof rows[i],
                                         .id = engine_text(ids[i]),
                                         .vector = vectors[i],
                                         .dim_count = DIMS};
    }
    struct proximadb_buffer payload = engine_batch(operation, NULL, rows, 2);
    engine_must(engine_write(&me->box, operation, "docs", &payload, NULL), &me->box.error);
}

static void delete_pair(struct crowd_thread *me, int pair)
{
    char ids[2][32];
    struct proximadb_text texts[2];
    struct proximadb_buffer payload;
    struct proximadb_write_result result;
    for (int i = 0; i < 2; i++) {
        snprintf(ids[i], sizeof ids[i], "%d-%d-%c", me->number, pair, 'a' + i);
        texts[i] = engine_text(ids[i]);
    }
    engine_must(proximadb_encode_delete(NULL, texts, 2, NULL, &payload, &me->box.error),
                &me->box.error);
    engine_must(engine_write(&me->box, PROXIMADB_DELETE, "docs", &payload, &result),
                &me->box.error);
    assert_int_equal(result.affected, me->values[pair] != 0 ? 2 : 0);
}

static void *write_pairs(void *argument)
{
    struct crowd_thread *me = argument;
    for (int value = 1; value <= ROUNDS; value++) {
        int pair = (int)px_test_below(&me->random, PAIRS);
        if (px_test_below(&me->random, 4) == 0) {
            delete_pair(me, pair);
            me->values[pair] = 0;
        } else {
            uint64_t kind = px_test_below(&me->random, 2);
            write_pair(me, pair, value,
                       me->values[pair] == 0 ? PROXIMADB_INSERT
                       : kind == 0           ? PROXIMADB_UPSERT
                                             : PROXIMADB_UPDATE);
            me->values[pair] = value;
        }
    }
    atomic_fetch_sub(&writers_left, 1);
    return NULL;
}

/* The rows of one snapshot: every pair is whole, and of one batch. */
static void check_pairs(const struct engine_rows *rows)
{
    assert_int_equal(rows->count % 2, 0);
    for (size_t i = 0; i < rows->count; i++) {
        const struct engine_row *row = &rows->items[i];
        char partner[40];
        size_t length = strlen(row->id);
        bool is_first = row->id[length - 1] == 'a';
        memcpy(partner, row->id, length + 1);
        partner[length - 1] = is_first ? 'b' : 'a';
        const struct engine_row *other = engine_rows_find(rows, partner);
        assert_non_null(other);
        assert_true(other->vector[1] == row->vector[1]);
        assert_int_equal(other->version, row->version + (is_first ? 1 : -1));
    }
}

static void *scan_pairs(void *argument)
{
    struct crowd_thread *me = argument;
    while (atomic_load(&writers_left) > 0) {
        struct engine_rows rows = {0};
        do
            engine_must(engine_try_page(&me->box, "docs", NULL, 7, &rows), &me->box.error);
        while (rows.cursor[0] != '\0');
        check_pairs(&rows);
        engine_rows_clear(&rows);
        assert_int_equal(engine_count(&me->box, "docs", NULL) % 2, 0);
    }
    return NULL;
}

static void *search_pairs(void *argument)
{
    struct crowd_thread *me = argument;
    static const float vector[DIMS] = {1, 50};
    const struct engine_query query = {vector, 1, DIMS, MOST_ROWS, NULL};
    static const char *const ids[] = {"0-3-a", "0-3-b"};
    while (atomic_load(&writers_left) > 0) {
        struct engine_rows rows = {0};
        engine_search(&me->box, "docs", &query, &rows);
        check_pairs(&rows);
        engine_rows_clear(&rows);
        engine_get(&me->box, "docs", ids, 2, &rows);
        check_pairs(&rows);
        engine_rows_clear(&rows);
    }
    return NULL;
}

static void *move_rows(void *argument)
{
    struct crowd_thread *me = argument;
    while (atomic_load(&writers_left) > 0) {
        engine_flush(&me->box, "docs");
        engine_compact(&me->box, "docs", (uint32_t)px_test_below(&me->random, 4));
        engine_sweep(&me->box, "docs");
        engine_must(engine_try_alter(&me->box, "docs", px_test_below(&me->random, 6)),
                    &me->box.error);
    }
    return NULL;
}

/* Another collection, which comes and goes under a thread that writes to it. */
static void *come_and_go(void *argument)
{
    struct crowd_thread *me = argument;
    while (atomic_load(&writers_left) > 0) {
        engine_create(&me->box, "temporary", DIMS, PROXIMADB_L2);
        engine_insert(&me->box, "temporary", "own", DIMS, 1);
        engine_flush(&me->box, "temporary");
        assert_true(engine_get_version(&me->box, "temporary", "own") > 0);
        engine_must(engine_try_drop(&me->box, "temporary"), &me->box.error);
    }
    return NULL;
}

static void *disturb(void *argument)
{
    struct crowd_thread *me = argument;
    struct proximadb_compact_result result;
    while (atomic_load(&writers_left) > 0) {
        struct engine_rows rows = {0};
        struct engine_info info;
        int statuses[] = {engine_put(&me->box, PROXIMADB_UPSERT, "temporary", "other", DIMS, 1),
                          engine_try_compact(&me->box, "temporary", 1, &result),
                          engine_try_page(&me->box, "temporary", NULL, 1, &rows),
                          engine_try_alter(&me->box, "temporary", 1),
                          engine_try_info(&me->box, "temporary", &info)};
        for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
            assert_true(statuses[i] == PROXIMADB_OK || statuses[i] == PROXIMADB_CANCELLED ||
                        statuses[i] == PROXIMADB_COLLECTION_NOT_FOUND);
        engine_rows_clear(&rows);
    }
    return NULL;
}

static void check_values(const struct crowd_thread *writer)
{
    for (int pair = 0; pair < PAIRS; pair++) {
        char id[32];
        struct engine_rows rows = {0};
        const char *ids[] = {id};
        snprintf(id, sizeof id, "%d-%d-b", writer->number, pair);
        engine_get(&box, "docs", ids, 1, &rows);
        assert_int_equal(rows.count, writer->values[pair] != 0);
        if (rows.count > 0)
            assert_true(rows.items[0].vector[1] == (float)writer->values[pair]);
        engine_rows_clear(&rows);
    }
}

static void test_engine__many_threads_see_whole_batches(void **state)
{
    (void)state;
    static void *(*const runs[])(void *) = {write_pairs, write_pairs, scan_pairs, search_pairs,
                                            move_rows,   come_and_go, disturb};
    enum { COUNT = sizeof runs / sizeof runs[0] };
    static struct crowd_thread threads[COUNT];
    struct px_test_random random = px_test_random_new("engine");
    engine_close(&box);
    box.options.public_options.memtable_limit_bytes = 8000;
    box.options.public_options.worker_count = 3;
    box.options.public_options.committer_count = 2;
    engine_open(&box);
    engine_create(&box, "docs", DIMS, PROXIMADB_L2);
    atomic_store(&writers_left, WRITERS);
    for (int i = 0; i < COUNT; i++) {
        threads[i] = (struct crowd_thread){.number = i, .random = {.state = px_test_next(&random)}};
        threads[i].box.engine = box.engine;
        assert_int_equal(pthread_create(&threads[i].thread, NULL, runs[i], &threads[i]), 0);
    }
    for (int i = 0; i < COUNT; i++)
        pthread_join(threads[i].thread, NULL);
    for (int i = 0; i < 2; i++) {
        check_values(&threads[0]);
        check_values(&threads[1]);
        engine_reopen(&box);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, engine_on_disk_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_engine__a_folder_has_one_engine),
        TEST(test_engine__any_call_of_opening_may_fail),
        TEST(test_engine__closing_finishes_what_was_submitted),
        TEST(test_engine__flushes_what_is_old),
        TEST(test_engine__flushes_what_it_finds_too_large),
        TEST(test_engine__sweeps_what_has_expired),
        TEST(test_engine__sweeps_all_that_has_expired),
        TEST(test_engine__tells_its_metrics),
        TEST(test_engine__many_threads_see_whole_batches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
