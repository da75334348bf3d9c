/*
 * Goal: searchers that are given back are taken again, no two threads have the same, and no more
 * are kept than an engine has threads.
 * Method: more of them than are kept, taken at once; threads that take and give.
 */
#include "service/searchers.h"

#include "support/px_test.h"

enum { TAKEN = PX_MOST_IDLE_SEARCHERS + 10, THREADS = 4, ROUNDS = 500 };

static struct px_ivf_searcher *take(struct px_searchers *searchers)
{
    struct px_ivf_searcher *searcher = NULL;
    assert_int_equal(px_searchers_take(searchers, &searcher, NULL), PROXIMADB_OK);
    assert_non_null(searcher);
    return searcher;
}

static void test_searchers__are_taken_again(void **state)
{
    (void)state;
    static struct px_ivf_searcher *taken[TAKEN];
    struct px_searchers searchers;
    px_searchers_init(&searchers);
    struct px_ivf_searcher *first = take(&searchers);
    px_searchers_give(&searchers, first);
    assert_ptr_equal(take(&searchers), first);
    px_searchers_give(&searchers, first);
    for (size_t i = 0; i < TAKEN; i++) {
        taken[i] = take(&searchers);
        for (size_t j = 0; j < i; j++)
            assert_ptr_not_equal(taken[i], taken[j]);
    }
    for (size_t i = 0; i < TAKEN; i++)
        px_searchers_give(&searchers, taken[i]);
    assert_int_equal(searchers.idle_count, PX_MOST_IDLE_SEARCHERS);
    px_searchers_release(&searchers);
}

static void *take_and_give(void *context)
{
    struct px_searchers *searchers = context;
    for (int i = 0; i < ROUNDS; i++) {
        struct px_ivf_searcher *one = take(searchers), *other = take(searchers);
        assert_ptr_not_equal(one, other);
        px_searchers_give(searchers, one);
        px_searchers_give(searchers, other);
    }
    return NULL;
}

static void test_searchers__serve_threads(void **state)
{
    (void)state;
    struct px_searchers searchers;
    pthread_t threads[THREADS];
    px_searchers_init(&searchers);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_give, &searchers), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_in_range(searchers.idle_count, 2, 2 * THREADS);
    px_searchers_release(&searchers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_searchers__are_taken_again),
        cmocka_unit_test(test_searchers__serve_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
