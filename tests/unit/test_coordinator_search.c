/* px-test: layers=api */
/*
 * Goal: a short search runs where it was asked to, and gives the same answer there; whatever takes
 * longer runs on a thread of the engine, whatever was asked.
 * Method: a collection with a graph of some hundred rows; `done` notes the thread that calls it; a
 * reader that is kept busy.
 */
#include "service/engine.h"

#include "support/engine_index.h"

#include <semaphore.h>

enum { DIMS = 16, ROWS = 2000, LEAST_ROWS = 100 };

static struct engine_box box;
static float vectors[ROWS * DIMS];

/* An answer, and who gave it. */
struct outcome {
    struct engine_wait wait;
    pthread_t thread;
    struct proximadb_buffer response;
};

static int start(void **state)
{
    (void)state;
    engine_init(&box, &px_fs_posix, px_test_folder("coordinator_search"));
    box.options.index_least_rows = LEAST_ROWS;
    box.options.public_options.worker_count = 1;
    engine_open(&box);
    struct px_test_random dice = px_test_random_new("coordinator_search");
    for (size_t i = 0; i < ROWS * DIMS; i++)
        vectors[i] = px_test_float(&dice) - 0.5f;
    engine_must(index_try_create(&box, "docs", DIMS, PROXIMADB_L2, PROXIMADB_INDEX_LEAN),
                &box.error);
    index_put(&box, PROXIMADB_INSERT, "docs", "row", 0, vectors, ROWS, DIMS);
    engine_flush(&box, "docs");
    return index_wait(&box, "docs") ? 0 : 1;
}

static int end(void **state)
{
    (void)state;
    engine_close(&box);
    return 0;
}

static void note_thread(void *context, int status, struct proximadb_buffer *response,
                        const struct proximadb_error *error)
{
    struct outcome *outcome = context;
    outcome->thread = pthread_self();
    engine_wake(&outcome->wait, status, response, error);
}

static void submit(const char *name, int thread, const struct proximadb_search_options *options,
                   struct outcome *outcome)
{
    struct proximadb_request request = {.struct_size = sizeof request,
                                        .operation = PROXIMADB_SEARCH,
                                        .collection = name,
                                        .collection_size_bytes = strlen(name),
                                        .thread = thread};
    engine_must(proximadb_encode_search(options, &request.payload, &box.error), &box.error);
    *outcome = (struct outcome){
        .wait = {.lock = PTHREAD_MUTEX_INITIALIZER, .done = PTHREAD_COND_INITIALIZER}};
    px_engine_submit(box.engine, &request, note_thread, outcome);
}

static struct proximadb_search_options nearest(size_t query)
{
    return (struct proximadb_search_options){.struct_size = sizeof(struct proximadb_search_options),
                                             .queries = vectors + query * DIMS,
                                             .query_count = 1,
                                             .dim_count = DIMS,
                                             .k = 10};
}

/* Whether it ran here. */
static bool runs_here(const char *name, int thread, const struct proximadb_search_options *options)
{
    struct outcome outcome;
    submit(name, thread, options, &outcome);
    bool is_done = engine_is_done(&outcome.wait);
    engine_must(engine_end(&outcome.wait, NULL, &box.error), &box.error);
    bool is_here = pthread_equal(outcome.thread, pthread_self()) != 0;
    assert_true(is_done || !is_here);
    return is_here;
}

static void test_coordinator_search__a_short_one_runs_where_it_was_submitted(void **state)
{
    (void)state;
    for (size_t query = 0; query < 50; query++) {
        const struct proximadb_search_options options = nearest(query);
        struct outcome here, there;
        submit("docs", PROXIMADB_THIS_THREAD, &options, &here);
        assert_true(engine_is_done(&here.wait));
        submit("docs", PROXIMADB_ENGINE_THREAD, &options, &there);
        engine_must(engine_end(&here.wait, &here.response, &box.error), &box.error);
        engine_must(engine_end(&there.wait, &there.response, &box.error), &box.error);
        assert_true(pthread_equal(here.thread, pthread_self()));
        assert_false(pthread_equal(there.thread, pthread_self()));
        assert_int_equal(here.response.size_bytes, there.response.size_bytes);
        assert_memory_equal(here.response.data, there.response.data, here.response.size_bytes);
        px_public_buffer_release(&here.response);
        px_public_buffer_release(&there.response);
    }
}

static void test_coordinator_search__a_long_one_does_not(void **state)
{
    (void)state;
    struct proximadb_search_options options = nearest(0);
    assert_true(runs_here("docs", PROXIMADB_THIS_THREAD, &options));
    options.exact = true;
    assert_false(runs_here("docs", PROXIMADB_THIS_THREAD, &options));
    options = nearest(0);
    options.k = 101;
    assert_false(runs_here("docs", PROXIMADB_THIS_THREAD, &options));
    options = nearest(0);
    options.query_count = 2;
    assert_false(runs_here("docs", PROXIMADB_THIS_THREAD, &options));
    options = nearest(0);
    options.filter = (struct proximadb_filter){.text = "x IS NULL", .text_size_bytes = 9};
    assert_false(runs_here("docs", PROXIMADB_THIS_THREAD, &options));
    engine_create(&box, "flat", DIMS, PROXIMADB_L2);
    options = nearest(0);
    assert_false(runs_here("flat", PROXIMADB_THIS_THREAD, &options));
}

/* Rows that the graph does not know have to be compared one by one. */
static void test_coordinator_search__a_long_tail_makes_it_a_long_one(void **state)
{
    (void)state;
    const struct proximadb_search_options options = nearest(0);
    index_hold(&box, "docs", true);
    index_put(&box, PROXIMADB_INSERT, "docs", "more", 0, vectors, 900, DIMS);
    assert_true(runs_here("docs", PROXIMADB_THIS_THREAD, &options));
    index_put(&box, PROXIMADB_INSERT, "docs", "many", 0, vectors, 900, DIMS);
    assert_false(runs_here("docs", PROXIMADB_THIS_THREAD, &options));
    index_hold(&box, "docs", false);
}

struct occupation {
    struct px_job job;
    sem_t begun, over;
};

static void occupy(struct px_job *job)
{
    struct occupation *occupation = (struct occupation *)job;
    sem_post(&occupation->begun);
    sem_wait(&occupation->over);
    sem_post(&occupation->begun);
}

static void test_coordinator_search__runs_here_while_readers_are_busy(void **state)
{
    (void)state;
    struct occupation occupation = {.job.run = occupy};
    const struct proximadb_search_options options = nearest(3);
    sem_init(&occupation.begun, 0, 0);
    sem_init(&occupation.over, 0, 0);
    while (px_workers_are_busy(box.engine->readers))
        sched_yield(); /* until the last test's reader waits again */
    assert_false(runs_here("docs", PROXIMADB_THIS_THREAD_IF_BUSY, &options));
    px_workers_submit(box.engine->readers, &occupation.job);
    sem_wait(&occupation.begun);
    assert_true(runs_here("docs", PROXIMADB_THIS_THREAD_IF_BUSY, &options));
    sem_post(&occupation.over);
    sem_wait(&occupation.begun);
    assert_false(runs_here("docs", PROXIMADB_ENGINE_THREAD, &options));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_coordinator_search__a_short_one_runs_where_it_was_submitted),
        TEST(test_coordinator_search__a_long_one_does_not),
        TEST(test_coordinator_search__a_long_tail_makes_it_a_long_one),
        TEST(test_coordinator_search__runs_here_while_readers_are_busy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
