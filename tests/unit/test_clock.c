/* Goal: times are written and read as UTC text. Method: known instants, and refusals. */
#include "base/clock.h"

#include "support/px_test.h"

static void test_clock__formats_and_parses_utc(void **state)
{
    (void)state;
    char text[PX_CLOCK_TEXT_BYTES];
    px_clock_format(INT64_C(1705320000123), text);
    assert_string_equal(text, "2024-01-15T12:00:00.123Z");
    assert_int_equal(px_clock_parse(text), INT64_C(1705320000123));
    px_clock_format(0, text);
    assert_string_equal(text, "1970-01-01T00:00:00.000Z");
    px_clock_format(-1, text);
    assert_string_equal(text, "1969-12-31T23:59:59.999Z");
}

static void test_clock__survives_absurd_times(void **state)
{
    (void)state;
    char text[PX_CLOCK_TEXT_BYTES];
    px_clock_format(INT64_MAX, text);
    assert_true(strlen(text) < sizeof text);
    px_clock_format(INT64_MIN, text);
    assert_string_equal(text, "-9223372036854775808 ms");
    px_clock_format(INT64_C(-30610224000000), text);
    assert_string_equal(text, "1000-01-01T00:00:00.000Z");
    px_clock_format(INT64_C(-30610224000001), text);
    assert_string_equal(text, "-30610224000001 ms");
}

static void test_clock__refuses_other_text(void **state)
{
    (void)state;
    assert_int_equal(px_clock_parse(""), -1);
    assert_int_equal(px_clock_parse("2024-01-15"), -1);
    assert_int_equal(px_clock_parse("2024-01-15T12:00:00.123Zx"), -1);
    assert_int_equal(px_clock_parse("2024-02-31T12:00:00.123Z"), -1);
}

static void test_clock__monotonic_time_goes_on(void **state)
{
    (void)state;
    int64_t before = px_clock_system.monotonic_ms(&px_clock_system);
    assert_true(px_clock_system.monotonic_ms(&px_clock_system) >= before);
    assert_true(px_clock_system.wall_ms(&px_clock_system) > INT64_C(1700000000000));
    assert_true(px_clock_now_ns() > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clock__formats_and_parses_utc),
        cmocka_unit_test(test_clock__survives_absurd_times),
        cmocka_unit_test(test_clock__refuses_other_text),
        cmocka_unit_test(test_clock__monotonic_time_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
