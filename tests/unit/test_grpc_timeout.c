/*
 * Goal: every timeout that gRPC's grammar allows is read, and nothing else.
 * Method: each unit at its smallest and largest; values that break one rule each.
 */
#include "rpc/grpc_timeout.h"

#include "support/px_test.h"

static void check(const char *text, int64_t expected_ms)
{
    int64_t ms = -1;
    if (!px_grpc_timeout_parse(px_slice_of_string(text), &ms) || ms != expected_ms)
        fail_msg("'%s' gave %lld", text, (long long)ms);
}

static void test_grpc_timeout__reads_every_unit(void **state)
{
    (void)state;
    check("0n", 0);
    check("1n", 1); /* rounded up, so that a short time is not none */
    check("1000000n", 1);
    check("1000001n", 2);
    check("1u", 1);
    check("99999999u", 100000);
    check("250m", 250);
    check("1S", 1000);
    check("2M", 120000);
    check("3H", 10800000);
    check("00000010S", 10000);
    check("99999999H", INT64_C(359999996400000));
}

static void test_grpc_timeout__refuses_what_is_none(void **state)
{
    (void)state;
    const char *wrong[] = {"",    "S",    "1",          "1s",  "1 S",  " 1S",
                           "-1S", "1.5S", "123456789S", "1SS", "0x1S", "+1S"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        int64_t ms = 77;
        if (px_grpc_timeout_parse(px_slice_of_string(wrong[i]), &ms))
            fail_msg("'%s' was taken", wrong[i]);
        assert_int_equal(ms, 77);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grpc_timeout__reads_every_unit),
        cmocka_unit_test(test_grpc_timeout__refuses_what_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
