/*
 * Goal: every request that ends is counted once, under its route and status.
 * Method: counts of several endpoints, read as text.
 */
#include "rest/rest_counters.h"

#include "rest/rest_problem.h"

#include "support/rest_test.h"

static void test_rest_counters__writes_what_was_counted(void **state)
{
    (void)state;
    struct px_rest_counters counters;
    struct px_buffer text = {0};
    assert_int_equal(px_rest_counters_init(&counters, NULL), PROXIMADB_OK);
    px_rest_counters_add(&counters, &px_rest_endpoints[0], 200);
    px_rest_counters_add(&counters, &px_rest_endpoints[0], 200);
    px_rest_counters_add(&counters, &px_rest_endpoints[0], 504);
    px_rest_counters_add(&counters, &px_rest_endpoints[1], 418);
    px_rest_counters_add(&counters, NULL, 404);
    px_rest_counters_add(&counters, NULL, PX_REST_CANCELLED);
    px_rest_counters_write(&counters, &text);
    rest_expect_text(
        &text,
        "# HELP proximadb_rest_requests_total REST requests that have ended, by route and HTTP "
        "status.\n"
        "# TYPE proximadb_rest_requests_total counter\n"
        "proximadb_rest_requests_total{method='GET',path='/v1/collections',status='200'} 2\n"
        "proximadb_rest_requests_total{method='GET',path='/v1/collections',status='504'} 1\n"
        "proximadb_rest_requests_total{method='POST',path='/v1/collections',status='other'} 1\n"
        "proximadb_rest_requests_total{method='',path='',status='cancelled'} 1\n"
        "proximadb_rest_requests_total{method='',path='',status='404'} 1\n");
    px_rest_counters_release(&counters);
}

static void test_rest_counters__knows_every_status(void **state)
{
    (void)state;
    struct px_rest_counters counters;
    struct px_buffer text = {0};
    assert_int_equal(px_rest_counters_init(&counters, NULL), PROXIMADB_OK);
    for (int status = 0; status < PROXIMADB_STATUS_COUNT; status++)
        px_rest_counters_add(&counters, NULL, px_rest_http_status(status));
    for (size_t i = 0; i < px_rest_endpoint_count; i++)
        px_rest_counters_add(&counters, NULL, px_rest_endpoints[i].success);
    px_rest_counters_write(&counters, &text);
    px_buffer_append_byte(&text, '\0');
    assert_non_null(strstr((const char *)text.data, "status=\"429\""));
    assert_null(strstr((const char *)text.data, "other"));
    px_buffer_release(&text);
    px_rest_counters_release(&counters);
    px_rest_counters_release(&counters); /* twice is once */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rest_counters__writes_what_was_counted),
        cmocka_unit_test(test_rest_counters__knows_every_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
