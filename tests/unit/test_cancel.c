/* Goal: a token is seen by every holder once it is fired, and lives as long as the last of them. */
#include "base/cancel.h"

#include "support/px_test.h"

static void test_cancel__is_seen_by_every_holder(void **state)
{
    (void)state;
    proximadb_cancel *cancel = px_cancel_new();
    proximadb_cancel *other = px_cancel_ref(cancel);
    assert_false(px_cancel_is_fired(other));
    px_cancel_fire(cancel);
    px_cancel_unref(cancel);
    assert_true(px_cancel_is_fired(other));
    px_cancel_unref(other);
    px_cancel_unref(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cancel__is_seen_by_every_holder)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
