/*
 * Goal: query parameters are taken as forms send them, and what is unknown, double or badly encoded
 * is refused with a sentence.
 * Method: queries written out.
 */
#include "rest/rest_query.h"

#include "support/rest_test.h"

enum { FILTER_AND_PARAMS = PX_REST_TAKES(PX_REST_FILTER) | PX_REST_TAKES(PX_REST_PARAMS) };

static struct proximadb_error error;

static int check(const char *query, unsigned known)
{
    return px_rest_query_check(px_slice_of_string(query), known, &error);
}

static void expect_refused(const char *query, unsigned known, const char *part)
{
    rest_expect_error(check(query, known), &error, PROXIMADB_INVALID, part);
}

/* The value of `filter`, which must be there. */
static void expect_filter(const char *query, const char *expected)
{
    struct px_buffer value = {0};
    assert_int_equal(check(query, FILTER_AND_PARAMS), PROXIMADB_OK);
    assert_true(px_rest_query_find(px_slice_of_string(query), PX_REST_FILTER, &value));
    assert_int_equal(value.size_bytes, strlen(expected));
    assert_memory_equal(value.size_bytes > 0 ? (const char *)value.data : "", expected,
                        strlen(expected));
    px_buffer_release(&value);
}

static void test_rest_query__decodes_values(void **state)
{
    (void)state;
    expect_filter("filter=a", "a");
    expect_filter("filter=a+b%20c%2Bd", "a b c+d");
    expect_filter("filter=%c3%A9", "\xc3\xa9");
    expect_filter("filter=a=b", "a=b");
    expect_filter("filter=", "");
    expect_filter("filter", "");
    expect_filter("params=x&&filter=%25&", "%");
}

static void test_rest_query__knows_what_is_missing(void **state)
{
    (void)state;
    struct px_buffer value = {0};
    assert_int_equal(check("", FILTER_AND_PARAMS), PROXIMADB_OK);
    assert_int_equal(check("&", 0), PROXIMADB_OK);
    assert_false(px_rest_query_find(px_slice_of_string(""), PX_REST_FILTER, &value));
    assert_false(px_rest_query_find(px_slice_of_string("params=filter"), PX_REST_FILTER, &value));
    assert_false(px_rest_query_find(px_slice_of_string("filters=1"), PX_REST_FILTER, &value));
    assert_int_equal(value.size_bytes, 0);
    px_buffer_release(&value);
}

static void test_rest_query__refuses_what_is_not_known(void **state)
{
    (void)state;
    expect_refused("k=3", FILTER_AND_PARAMS, "'k' is not known here; there may be filter, params");
    expect_refused("mode=insert", FILTER_AND_PARAMS, "'mode'");
    expect_refused("Filter=a", FILTER_AND_PARAMS, "'Filter'");
    expect_refused("=a", FILTER_AND_PARAMS, "''");
    expect_refused("a=1", 0, "there may be none");
    expect_refused("\xff=1", FILTER_AND_PARAMS, "''"); /* no UTF-8 in a message */
}

static void test_rest_query__refuses_doubles_and_bad_escapes(void **state)
{
    (void)state;
    expect_refused("filter=a&params=b&filter=c", FILTER_AND_PARAMS, "'filter' is there twice");
    const char *bad[] = {"filter=%", "filter=%2", "filter=%2g", "filter=a%zz", "filter=%%20"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        expect_refused(bad[i], FILTER_AND_PARAMS, "written %25");
}

static void test_rest_query__names_its_parameters(void **state)
{
    (void)state;
    assert_string_equal(px_rest_parameter_name(PX_REST_TIMEOUT_MS), "timeout_ms");
    assert_string_equal(px_rest_parameter_name(PX_REST_MODE), "mode");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rest_query__decodes_values),
        cmocka_unit_test(test_rest_query__knows_what_is_missing),
        cmocka_unit_test(test_rest_query__refuses_what_is_not_known),
        cmocka_unit_test(test_rest_query__refuses_doubles_and_bad_escapes),
        cmocka_unit_test(test_rest_query__names_its_parameters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
