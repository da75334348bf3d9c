/*
 * Goal: the first route that fits takes a request; what fits none is not found.
 * Method: a table of exact, prefix and conditional routes, and requests for each.
 */
#include "http/route.h"

#include "http/http_internal.h"
#include "support/px_test.h"

static bool has_query(const struct px_exchange *x)
{
    return px_exchange_query(x).size_bytes > 0;
}

static const struct px_route routes[] = {
    {.path = "/healthz"},
    {.path = "/v1/", .is_prefix = true, .matches = has_query},
    {.path = "/v1/", .is_prefix = true},
    {.path = "/v1/x"},
};

static int find(const char *path, const char *query)
{
    struct px_exchange x = {.path = px_slice_of_string(path), .query = px_slice_of_string(query)};
    const struct px_route *route = px_route_find(routes, 4, &x);
    return route != NULL ? (int)(route - routes) : -1;
}

static void test_route__takes_the_first_that_fits(void **state)
{
    (void)state;
    assert_int_equal(find("/healthz", ""), 0);
    assert_int_equal(find("/healthz/", ""), -1);
    assert_int_equal(find("/health", ""), -1);
    assert_int_equal(find("/v1/x", "q"), 1);
    assert_int_equal(find("/v1/x", ""), 2);
    assert_int_equal(find("/v1/", ""), 2);
    assert_int_equal(find("/v1", ""), -1);
    assert_int_equal(find("", ""), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_route__takes_the_first_that_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
