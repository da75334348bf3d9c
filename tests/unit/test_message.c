/*
 * Goal: a message returns its bytes to the budget when it is freed, directly or through the public
 * buffer over a part of it.
 * Method: the budget's sum is looked at after each step.
 */
#include "http/message.h"

#include "support/px_test.h"

static void test_message__returns_its_bytes(void **state)
{
    (void)state;
    struct px_budget *budget = px_budget_new(1000);
    assert_true(px_budget_reserve(budget, 300));
    struct px_message *message = px_message_new(budget, 300);
    assert_int_equal(message->capacity_bytes, 300);
    assert_int_equal(px_message_slice(message).size_bytes, 0);
    assert_int_equal(atomic_load(&budget->used_bytes), 300);
    px_message_free(message);
    px_message_free(NULL);
    px_budget_unref(budget); /* asserts that nothing is used */
}

static void test_message__keeps_its_budget(void **state)
{
    (void)state;
    struct px_budget *budget = px_budget_new(1000);
    assert_true(px_budget_reserve(budget, 10));
    struct px_message *message = px_message_new(budget, 10);
    px_budget_unref(budget); /* the server has gone */
    px_message_free(message);
}

static void test_message__is_freed_by_the_buffer_over_it(void **state)
{
    (void)state;
    struct px_budget *budget = px_budget_new(1000);
    assert_true(px_budget_reserve(budget, 10));
    struct px_message *message = px_message_new(budget, 10);
    memcpy(message->data, "0123456789", 10);
    message->size_bytes = 10;
    struct proximadb_buffer buffer = px_message_share(message, px_slice_of(message->data + 4, 3));
    assert_int_equal(buffer.size_bytes, 3);
    assert_memory_equal(buffer.data, "456", 3);
    buffer.release(buffer.context);
    px_budget_unref(budget);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_message__returns_its_bytes),
        cmocka_unit_test(test_message__keeps_its_budget),
        cmocka_unit_test(test_message__is_freed_by_the_buffer_over_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
