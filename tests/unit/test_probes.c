/*
 * Goal: the probes say how the server is, metrics have engine and server in them, and other methods
 * are refused with a list.
 * Method: requests on a protocol that is a notebook, with the fake engine behind it.
 */
#include "server/probes.h"

#include "support/fake_engine.h"
#include "support/grpc_rig.h"

static proximadb *db;
static struct px_probes probes;
static struct px_route routes[PX_PROBES_ROUTES];

static void set_up(void)
{
    db = fake_engine_open();
    probes = (struct px_probes){.db = db};
    px_probes_routes(&probes, routes);
    rig_set_up(routes, PX_PROBES_ROUTES);
}

static void tear_down(void)
{
    rig_tear_down();
    fake_engine_close(db);
}

static void test_probes__say_how_the_server_is(void **state)
{
    (void)state;
    set_up();
    rig_request("GET", "/healthz", NULL);
    rig_expect_says(":status: 200\n");
    assert_string_equal(text_of(&rig.body), "ok\n");
    rig_request("GET", "/readyz", NULL);
    rig_expect_says(":status: 200\n");
    px_io_worker_drain(&rig.worker);
    rig_request("GET", "/healthz", NULL);
    rig_expect_says(":status: 200\n");
    rig_request("GET", "/readyz", NULL);
    rig_expect_says(":status: 503\n");
    tear_down();
}

static void test_probes__show_metrics(void **state)
{
    (void)state;
    set_up();
    rig_request("GET", "/metrics", NULL);
    rig_wait_for_answer();
    rig_expect_says(":status: 200\n");
    rig_expect_says("content-type: text/plain; version=0.0.4; charset=utf-8\n");
    assert_non_null(strstr(text_of(&rig.body), "fake_submitted_total 1\n"));
    rig_request("GET", "/metrics", NULL);
    rig_close(PX_CLOSE_PEER_GONE); /* nobody waits any more */
    tear_down();
}

static void test_probes__refuse_other_methods(void **state)
{
    (void)state;
    const char *paths[] = {"/healthz", "/readyz", "/metrics"};
    set_up();
    for (size_t i = 0; i < 3; i++) {
        rig_request("POST", paths[i], NULL);
        rig_expect_says(":status: 405\n");
        rig_expect_says("allow: GET, HEAD\n");
    }
    tear_down();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_probes__say_how_the_server_is),
        cmocka_unit_test(test_probes__show_metrics),
        cmocka_unit_test(test_probes__refuse_other_methods),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
