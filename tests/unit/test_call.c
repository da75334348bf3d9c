/* px-test: layers=api */
/*
 * Goal: a call owns what it was given and lets go of it exactly once, ends exactly once, and is told from
 * others by its whole name; it notices that nobody waits any more.
 * Method: calls on an engine that has nothing but its counters, and on a real one.
 */
#include "service/call.h"

#include "support/engine_support.h"
#include "support/powercut_fs.h"

#include "base/cancel.h"

static int release_count;

static void count_release(void *context)
{
    (void)context;
    release_count++;
}

static struct px_engine bare;

static int make_bare(void **state)
{
    (void)state;
    bare = (struct px_engine){0};
    pthread_mutex_init(&bare.lock, NULL);
    pthread_cond_init(&bare.idle, NULL);
    release_count = 0;
    return 0;
}

static int free_bare(void **state)
{
    (void)state;
    pthread_mutex_destroy(&bare.lock);
    pthread_cond_destroy(&bare.idle);
    return 0;
}

/* What the end of a call said. */
struct ended {
    int count;
    int status;
    size_t response_bytes;
};

static void note_end(void *context, int status, struct proximadb_buffer *response,
                     const struct proximadb_error *error)
{
    struct ended *ended = context;
    ended->count++;
    ended->status = status;
    ended->response_bytes = response->size_bytes;
    assert_int_equal(error->status, status);
    proximadb_buffer_release(response);
}

static struct px_call *make_call(const struct proximadb_request *given, struct ended *ended)
{
    struct proximadb_request request = *given;
    struct px_call *call;
    *ended = (struct ended){0};
    request.struct_size = sizeof request;
    request.payload = (struct proximadb_buffer){"abc", 3, count_release, NULL};
    assert_true(px_engine_begin_call(&bare));
    assert_int_equal(px_call_new(&bare, &request, note_end, ended, &call, NULL), PROXIMADB_OK);
    return call;
}

static void test_call__ends_once_with_its_answer(void **state)
{
    (void)state;
    struct ended ended;
    struct px_buffer answer = {0};
    struct px_call *call = make_call(&(struct proximadb_request){.operation = 3}, &ended);
    assert_int_equal(call->operation, 3);
    assert_int_equal(px_call_payload(call).size_bytes, 3);
    assert_string_equal(call->collection, "");
    px_buffer_append(&answer, "hello", 5);
    px_call_finish(call, &answer);
    px_buffer_release(&answer);
    assert_int_equal(ended.count, 1);
    assert_int_equal(ended.status, PROXIMADB_OK);
    assert_int_equal(ended.response_bytes, 5);
    px_call_finish(make_call(&(struct proximadb_request){0}, &ended), NULL);
    assert_int_equal(ended.response_bytes, 0);
    assert_int_equal(release_count, 2);
    assert_int_equal(bare.call_count, 0);
    assert_int_equal(atomic_load(&bare.finished_counts[0]), 2);
}

static void test_call__an_answer_that_is_too_large_is_a_failure(void **state)
{
    (void)state;
    struct ended ended;
    struct px_buffer answer;
    px_buffer_init(&answer, 4);
    px_buffer_append(&answer, "hello", 5);
    px_call_finish(make_call(&(struct proximadb_request){0}, &ended), &answer);
    px_buffer_release(&answer);
    assert_int_equal(ended.count, 1);
    assert_int_equal(ended.status, PROXIMADB_TOO_LARGE);
    assert_int_equal(release_count, 1);
    assert_int_equal(atomic_load(&bare.finished_counts[1]), 1);
}

static void test_call__notices_that_nobody_waits(void **state)
{
    (void)state;
    struct ended ended;
    struct proximadb_error error;
    proximadb_cancel *cancel = px_cancel_new();
    struct px_call *call = make_call(&(struct proximadb_request){.cancel = cancel}, &ended);
    assert_int_equal(px_call_check(call, &error), PROXIMADB_OK);
    px_cancel_fire(cancel);
    px_cancel_unref(cancel); /* the call has its own reference */
    assert_int_equal(px_call_check(call, &error), PROXIMADB_CANCELLED);
    px_call_fail(call, &error);
    assert_int_equal(ended.status, PROXIMADB_CANCELLED);
    int64_t now_ms = px_clock_system.monotonic_ms(&px_clock_system);
    call = make_call(&(struct proximadb_request){.deadline_ms = now_ms + 60000}, &ended);
    assert_int_equal(px_call_check(call, &error), PROXIMADB_OK);
    call->deadline_ms = now_ms;
    assert_int_equal(px_call_check(call, &error), PROXIMADB_DEADLINE_EXCEEDED);
    px_call_fail(call, &error);
    assert_int_equal(ended.status, PROXIMADB_DEADLINE_EXCEEDED);
}

/* A name is bytes with a size: neither its beginning nor what stands before a NUL is another's. */
static void test_call__is_for_the_collection_of_its_whole_name(void **state)
{
    (void)state;
    static char long_name[300];
    struct engine_box box;
    struct px_powercut *disk = px_powercut_new();
    engine_init(&box, px_powercut_boot(disk), "data");
    engine_open(&box);
    engine_create(&box, "docs", 4, PROXIMADB_L2);
    memset(long_name, 'a', sizeof long_name);
    const struct {
        const char *name;
        size_t size_bytes;
        int status;
    } cases[] = {
        {"docs", 4, PROXIMADB_OK},
        {"docs and more", 4, PROXIMADB_OK}, /* not terminated */
        {"docs and more", 13, PROXIMADB_COLLECTION_NOT_FOUND},
        {"docs\0", 5, PROXIMADB_COLLECTION_NOT_FOUND},
        {"docs\0more", 9, PROXIMADB_COLLECTION_NOT_FOUND},
        {"\0", 1, PROXIMADB_COLLECTION_NOT_FOUND},
        {"doc", 3, PROXIMADB_COLLECTION_NOT_FOUND},
        {"", 0, PROXIMADB_COLLECTION_NOT_FOUND},
        {NULL, 4, PROXIMADB_COLLECTION_NOT_FOUND},
        {long_name, sizeof long_name, PROXIMADB_COLLECTION_NOT_FOUND},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct engine_wait wait = {.lock = PTHREAD_MUTEX_INITIALIZER,
                                   .done = PTHREAD_COND_INITIALIZER};
        const struct proximadb_request request = {.struct_size = sizeof request,
                                                  .operation = PROXIMADB_COUNT,
                                                  .collection = cases[i].name,
                                                  .collection_size_bytes = cases[i].size_bytes};
        px_engine_submit(box.engine, &request, engine_wake, &wait);
        assert_int_equal(engine_end(&wait, NULL, NULL), cases[i].status);
    }
    engine_close(&box);
    px_powercut_free(disk);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_bare, free_bare)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_call__ends_once_with_its_answer),
        TEST(test_call__an_answer_that_is_too_large_is_a_failure),
        TEST(test_call__notices_that_nobody_waits),
        TEST(test_call__is_for_the_collection_of_its_whole_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
