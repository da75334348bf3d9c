/*
 * Goal: the budget is never overdrawn by reservations, waiters are served in order and never
 * forgotten, and nobody passes the queue.
 * Method: the queue step by step; threads that reserve, wait and return while the sum is watched.
 */
#include "http/budget.h"

#include "support/px_test.h"

#include <pthread.h>
#include <semaphore.h>

struct guest {
    struct px_budget_waiter waiter;
    int granted;
    sem_t wake;
};

static void on_granted(struct px_budget_waiter *waiter)
{
    struct guest *guest = (struct guest *)waiter;
    guest->granted++;
    sem_post(&guest->wake);
}

static struct guest guest_of(size_t size_bytes)
{
    struct guest guest = {.waiter = {.size_bytes = size_bytes, .granted = on_granted}};
    sem_init(&guest.wake, 0, 0);
    return guest;
}

static void test_budget__reserves_up_to_its_limit(void **state)
{
    (void)state;
    struct px_budget *budget = px_budget_new(100);
    assert_true(px_budget_reserve(budget, 60));
    assert_false(px_budget_reserve(budget, 41));
    assert_true(px_budget_reserve(budget, 40));
    px_budget_charge(budget, 10); /* over the limit, since the bytes are there already */
    assert_false(px_budget_reserve(budget, 0));
    px_budget_return(budget, 110);
    px_budget_unref(budget);
}

static void test_budget__serves_waiters_in_order(void **state)
{
    (void)state;
    struct guest large = guest_of(90);
    struct guest small = guest_of(5);
    struct px_budget *budget = px_budget_new(100);
    assert_true(px_budget_reserve(budget, 50));
    assert_false(px_budget_wait(budget, &large.waiter));
    assert_false(px_budget_wait(budget, &small.waiter));
    assert_false(px_budget_reserve(budget, 1)); /* would fit, but others wait */
    px_budget_return(budget, 10);
    assert_int_equal(large.granted + small.granted, 0);
    px_budget_return(budget, 40);
    assert_int_equal(large.granted, 1);
    assert_int_equal(small.granted, 1);
    px_budget_return(budget, 95);
    assert_true(px_budget_wait(budget, &small.waiter)); /* free: at once, without a call */
    assert_int_equal(small.granted, 1);
    px_budget_return(budget, 5);
    px_budget_unref(budget);
}

static void test_budget__serves_the_next_when_one_withdraws(void **state)
{
    (void)state;
    struct guest large = guest_of(90);
    struct guest small = guest_of(5);
    struct px_budget *budget = px_budget_new(100);
    assert_true(px_budget_reserve(budget, 50));
    assert_false(px_budget_wait(budget, &large.waiter));
    assert_false(px_budget_wait(budget, &small.waiter));
    assert_true(px_budget_withdraw(budget, &large.waiter));
    assert_int_equal(large.granted, 0);
    assert_int_equal(small.granted, 1);
    assert_false(px_budget_withdraw(budget, &small.waiter)); /* too late */
    px_budget_return(budget, 55);
    px_budget_unref(budget);
}

enum { THREADS = 4, ROUNDS = 5000, LIMIT = 100 };

static struct px_budget *shared;
static atomic_size_t in_use;

static void *reserve_and_return(void *context)
{
    uint64_t seed = (uint64_t)(uintptr_t)context;
    struct px_test_random random = {.state = seed};
    for (int i = 0; i < ROUNDS; i++) {
        struct guest guest = guest_of(1 + px_test_below(&random, LIMIT));
        if (!px_budget_reserve(shared, guest.waiter.size_bytes) &&
            !px_budget_wait(shared, &guest.waiter))
            sem_wait(&guest.wake);
        size_t before = atomic_fetch_add(&in_use, guest.waiter.size_bytes);
        if (before + guest.waiter.size_bytes > LIMIT)
            abort();
        atomic_fetch_sub(&in_use, guest.waiter.size_bytes);
        px_budget_return(shared, guest.waiter.size_bytes);
        sem_destroy(&guest.wake);
    }
    return NULL;
}

static void test_budget__forgets_nobody_under_load(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    shared = px_budget_new(LIMIT);
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, reserve_and_return, (void *)(i + 1)), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&shared->used_bytes), 0);
    px_budget_unref(shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_budget__reserves_up_to_its_limit),
        cmocka_unit_test(test_budget__serves_waiters_in_order),
        cmocka_unit_test(test_budget__serves_the_next_when_one_withdraws),
        cmocka_unit_test(test_budget__forgets_nobody_under_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
