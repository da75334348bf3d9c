/*
 * Goal: the routes take REST's paths and no others, requests are counted by route and status, and a
 * server without a limit of its own has the documented one.
 * Method: requests through the routes; the metrics are read as text.
 */
#include "rest/rest.h"

#include "support/rest_rig.h"

static void expect_metric(const char *line)
{
    struct px_buffer text = {0};
    px_rest_write_metrics(rest, &text);
    if (strstr(text_of(&text), rest_text(line)) == NULL)
        fail_msg("'%s' is not in '%s'", rest_text(line), text_of(&text));
    px_buffer_release(&text);
}

static void test_rest__counts_requests(void **state)
{
    (void)state;
    rest_set_up(0);
    rest_send("GET", "/v1/collections/a/count", NULL);
    rest_send("GET", "/v1/collections/b/count", NULL);
    rest_send("GET", "/v1/collections/fail-11-x/count", NULL);
    rest_send("GET", "/v1/other", NULL);
    rest_send("PUT", "/v1/collections", NULL);
    rest_send("HEAD", "/openapi.json", NULL);
    rig_request("GET", "/v1/collections/never/count", NULL);
    rig_close(PX_CLOSE_PEER_GONE);
#define COUNT "proximadb_rest_requests_total{method='GET',path='/v1/collections/{name}/count',"
    expect_metric("\n" COUNT "status='200'} 2\n");
    expect_metric("\n" COUNT "status='429'} 1\n");
    expect_metric("\n" COUNT "status='cancelled'} 1\n");
    expect_metric("\nproximadb_rest_requests_total{method='',path='',status='404'} 1\n");
    expect_metric("\nproximadb_rest_requests_total{method='',path='',status='405'} 1\n");
    expect_metric(
        "\nproximadb_rest_requests_total{method='GET',path='/openapi.json',status='200'} 1\n");
    rest_tear_down();
}

static void test_rest__leaves_other_paths_alone(void **state)
{
    (void)state;
    const char *others[] = {"/", "/v1", "/v2/collections", "/openapi.jsonx", "/healthz"};
    rest_set_up(0);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        rest_send("GET", others[i], NULL);
        rest_expect_status(404);
        rig_expect_says("content-type: text/plain"); /* somebody else's */
    }
    rest_tear_down();
}

static void test_rest__has_a_limit_by_default(void **state)
{
    (void)state;
    rest_set_up(0);
    const char *fields[] = {"content-type", "application/json", "content-length", "67108865", NULL};
    rig_request("POST", "/v1/collections", fields);
    rest_expect_problem(413, "RESOURCE_EXHAUSTED", "over the limit of 67108864");
    rest_tear_down();
    px_rest_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rest__counts_requests),
        cmocka_unit_test(test_rest__leaves_other_paths_alone),
        cmocka_unit_test(test_rest__has_a_limit_by_default),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
