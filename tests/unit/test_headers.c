/*
 * Goal: fields come back as they were added, by lower-case name; the limit counts as HTTP/2 does.
 * Method: more fields than fit the first memory; the limit hit to the byte.
 */
#include "http/headers.h"

#include "support/px_test.h"

static struct px_slice text(const char *string)
{
    return px_slice_of_string(string);
}

static void test_headers__finds_by_lower_case_name(void **state)
{
    (void)state;
    struct px_headers headers = {0};
    struct px_slice value;
    px_headers_add(&headers, text("Content-TYPE"), text("Text/Plain"), 1000);
    px_headers_add(&headers, text("x-empty"), text(""), 1000);
    px_headers_add(&headers, text("content-type"), text("second"), 1000);
    assert_int_equal(headers.count, 3);
    assert_true(px_headers_find(&headers, "content-type", &value));
    assert_true(px_slice_equal(value, text("Text/Plain")));
    assert_int_equal(value.data[value.size_bytes], 0);
    assert_true(px_headers_find(&headers, "x-empty", &value));
    assert_int_equal(value.size_bytes, 0);
    assert_false(px_headers_find(&headers, "content-typ", &value));
    assert_true(px_slice_equal(px_headers_name(&headers, 2), text("content-type")));
    assert_true(px_slice_equal(px_headers_value(&headers, 2), text("second")));
    px_headers_release(&headers);
}

static void test_headers__grows_and_starts_again(void **state)
{
    (void)state;
    struct px_headers headers = {0};
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 300; i++) {
            char name[16];
            snprintf(name, sizeof name, "n%d", i);
            px_headers_add(&headers, text(name), text(name + 1), 100000);
        }
        struct px_slice value;
        assert_int_equal(headers.count, 300);
        assert_true(px_headers_find(&headers, "n299", &value));
        assert_true(px_slice_equal(value, text("299")));
        px_headers_clear(&headers);
        assert_int_equal(headers.count, 0);
        assert_false(px_headers_find(&headers, "n299", &value));
    }
    px_headers_release(&headers);
}

static void test_headers__keeps_the_limit(void **state)
{
    (void)state;
    struct px_headers headers = {0};
    px_headers_add(&headers, text("abc"), text("defg"), 2 * (32 + 7));
    px_headers_add(&headers, text("abc"), text("defg"), 2 * (32 + 7));
    assert_false(headers.too_large);
    px_headers_add(&headers, text(""), text(""), 2 * (32 + 7));
    assert_true(headers.too_large);
    assert_int_equal(headers.count, 2);
    px_headers_clear(&headers);
    px_headers_add(&headers, text("abc"), text("defgh"), 32 + 7);
    assert_true(headers.too_large);
    px_headers_release(&headers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers__finds_by_lower_case_name),
        cmocka_unit_test(test_headers__grows_and_starts_again),
        cmocka_unit_test(test_headers__keeps_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
