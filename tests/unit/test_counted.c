/*
 * Goal: a counted buffer holds its bytes in the budget until it is released, and no longer.
 * Method: buffers with a release function that is counted, and without one.
 */
#include "http/counted.h"

#include "support/px_test.h"

static int releases;

static void count_release(void *context)
{
    (void)context;
    releases++;
}

static void test_counted__returns_its_bytes_when_it_is_released(void **state)
{
    struct px_budget *budget = px_budget_new(1000);
    struct proximadb_buffer buffer = {.data = "abc", .size_bytes = 3, .release = count_release};
    (void)state;
    releases = 0;
    assert_true(px_budget_reserve(budget, 3));
    assert_int_equal(px_counted_buffer(&buffer, budget, NULL), PROXIMADB_OK);
    assert_int_equal(buffer.size_bytes, 3);
    assert_memory_equal(buffer.data, "abc", 3);
    assert_int_equal(atomic_load(&budget->used_bytes), 3);
    assert_int_equal(releases, 0);
    px_public_buffer_release(&buffer);
    assert_int_equal(atomic_load(&budget->used_bytes), 0);
    assert_int_equal(releases, 1);
    px_budget_unref(budget);
}

static void test_counted__may_outlive_the_others_who_know_the_budget(void **state)
{
    struct px_budget *budget = px_budget_new(1000);
    struct proximadb_buffer buffer = {.data = "abc", .size_bytes = 3}; /* nobody's memory */
    (void)state;
    px_budget_charge(budget, 3);
    assert_int_equal(px_counted_buffer(&buffer, budget, NULL), PROXIMADB_OK);
    px_budget_unref(budget);
    px_public_buffer_release(&buffer);
    assert_null(buffer.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counted__returns_its_bytes_when_it_is_released),
        cmocka_unit_test(test_counted__may_outlive_the_others_who_know_the_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
