/*
 * Goal: health checking answers for our services and no others, and a Watch learns of the end.
 * Method: calls through src/rpc; the server is drained under a Watch.
 */
#include "rpc/health.h"

#include "rpc/rpc.h"
#include "support/fake_engine.h"
#include "support/grpc_rig.h"

static proximadb *db;
static struct px_rpc *rpc;
static struct px_route routes[PX_RPC_ROUTES];

static void set_up(void)
{
    db = fake_engine_open();
    assert_int_equal(px_rpc_new(db, 0, &rpc, NULL), PROXIMADB_OK);
    px_rpc_routes(rpc, routes);
    rig_set_up(routes, PX_RPC_ROUTES);
}

static void tear_down(void)
{
    rig_tear_down();
    px_rpc_free(rpc);
    fake_engine_close(db);
}

static void ask(const char *path, const void *message, size_t size_bytes)
{
    rig_call(path);
    rig_message(message, size_bytes);
    rig_end();
}

static void test_health__checks(void **state)
{
    (void)state;
    set_up();
    ask("/grpc.health.v1.Health/Check", "", 0);
    rig_expect_says("grpc-status: 0\n");
    assert_memory_equal(rig.body.data, "\0\0\0\0\2\x08\x01", 7);
    ask("/grpc.health.v1.Health/Check", "\x0a\x16proximadb.v1.ProximaDB", 24);
    rig_expect_says("grpc-status: 0\n");
    ask("/grpc.health.v1.Health/Check", "\x0a\x05other", 7);
    rig_expect_says("grpc-status: 5\n");
    ask("/grpc.health.v1.Health/Check", "\x0a\x7fother", 7);
    rig_expect_says("grpc-status: 3\n");
    tear_down();
}

static void test_health__tells_a_watch_of_the_end(void **state)
{
    (void)state;
    set_up();
    ask("/grpc.health.v1.Health/Watch", "", 0);
    assert_non_null(rig.x);
    assert_memory_equal(rig.body.data, "\0\0\0\0\2\x08\x01", 7);
    px_io_worker_drain(&rig.worker);
    rig_turn();
    assert_null(rig.x);
    assert_int_equal(rig.body.size_bytes, 14);
    assert_memory_equal(rig.body.data + 7, "\0\0\0\0\2\x08\x02", 7);
    rig_expect_says("grpc-status: 14\n");
    ask("/grpc.health.v1.Health/Check", "", 0); /* while it drains */
    assert_memory_equal(rig.body.data, "\0\0\0\0\2\x08\x02", 7);
    ask("/grpc.health.v1.Health/Watch", "", 0);
    assert_memory_equal(rig.body.data, "\0\0\0\0\2\x08\x02", 7);
    rig_expect_says("grpc-status: 14\n");
    tear_down();
}

static void test_health__watches_unknown_services(void **state)
{
    (void)state;
    set_up();
    ask("/grpc.health.v1.Health/Watch", "\x0a\x05other", 7);
    assert_non_null(rig.x); /* it may come up one day */
    assert_memory_equal(rig.body.data, "\0\0\0\0\2\x08\x03", 7);
    tear_down();
}

/* What is asked here is a name; its memory is not to be taken from those who write. */
static void test_health__takes_small_messages_only(void **state)
{
    static const char *const paths[] = {
        "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"};
    (void)state;
    set_up();
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        rig_call(paths[i]);
        rig_body("\0\0\1\0\0", 5); /* 65,536 bytes are to come */
        assert_non_null(rig.x);
        rig_close(PX_CLOSE_PEER_GONE);
        rig_call(paths[i]);
        rig_body("\0\0\1\0\1", 5);
        rig_expect_says("grpc-status: 8\n");
    }
    tear_down();
}

static void close_all(void)
{
    rig.x = NULL;
    while (rig.connection->exchanges != NULL)
        px_exchange__close(rig.connection->exchanges, PX_CLOSE_PEER_GONE);
}

/* Calls that stay open cost memory for nothing: 16 a connection, 1,024 an I/O thread. */
static void test_health__lets_few_calls_stay_open(void **state)
{
    static const char watch[] = "/grpc.health.v1.Health/Watch";
    (void)state;
    set_up();
    for (int i = 0; i < 15; i++) {
        ask(watch, "", 0);
        assert_non_null(rig.x);
    }
    rig_call("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo");
    assert_non_null(rig.x);
    rig_call("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo");
    rig_expect_says("grpc-status: 8\n");
    ask(watch, "", 0);
    rig_expect_says("grpc-status: 8\n");
    ask("/grpc.health.v1.Health/Check", "", 0); /* does not stay */
    rig_expect_says("grpc-status: 0\n");
    close_all();
    assert_int_equal(rig.worker.staying_count, 0);
    rig.worker.staying_count = 1023;
    ask(watch, "", 0);
    assert_non_null(rig.x);
    ask(watch, "", 0);
    rig_expect_says("grpc-status: 8\n");
    close_all();
    assert_int_equal(rig.worker.staying_count, 1023);
    tear_down();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_health__checks),
        cmocka_unit_test(test_health__tells_a_watch_of_the_end),
        cmocka_unit_test(test_health__watches_unknown_services),
        cmocka_unit_test(test_health__takes_small_messages_only),
        cmocka_unit_test(test_health__lets_few_calls_stay_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
