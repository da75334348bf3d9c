/*
 * Goal: reflection answers each request of a stream, in order, and says what it does not know.
 * Method: calls through src/rpc; the real client of grpcio is in tests/server/test_grpc.py.
 */
#define _GNU_SOURCE /* memmem */
#include "rpc/reflection.h"

#include "codec/protobuf.h"
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

static void ask(uint32_t kind, const char *text)
{
    uint8_t bytes[300];
    struct px_proto_writer writer = {.data = bytes, .capacity_bytes = sizeof bytes};
    px_proto_set_text(&writer, 1, "host");
    px_proto_put_bytes(&writer, kind, px_slice_of_string(text));
    px_buffer_clear(&rig.body);
    rig_message(bytes, writer.size_bytes);
    rig_turn();
}

static struct px_slice answer_field(uint32_t number)
{
    struct px_proto_reader reader =
        px_proto_reader_of(px_slice_of(rig.body.data + 5, rig.body.size_bytes - 5));
    struct px_proto_field field;
    while (px_proto_next(&reader, &field))
        if (px_proto_is(&field, number, PX_PROTO_BYTES))
            return field.bytes;
    fail_msg("the answer has no field %u", number);
    return (struct px_slice){0};
}

static bool has(struct px_slice bytes, const char *text)
{
    return memmem(bytes.data, bytes.size_bytes, text, strlen(text)) != NULL;
}

static void check_version(const char *path)
{
    set_up();
    rig_call(path);
    ask(7, "");
    assert_true(has(answer_field(6), "proximadb.v1.ProximaDB"));
    assert_true(px_slice_equal(answer_field(1), px_slice_of_string("host")));
    ask(3, "grpc/health/v1/health.proto");
    assert_true(has(answer_field(4), "HealthCheckRequest"));
    assert_true(has(answer_field(2), "grpc/health/v1/health.proto")); /* the request itself */
    ask(4, "proximadb.v1.ProximaDB");
    assert_true(has(answer_field(4), "VectorInsertRequest"));
    ask(4, "no.such.Thing");
    assert_memory_equal(answer_field(7).data, "\x08\x05", 2);
    ask(3, "no_such.proto");
    assert_memory_equal(answer_field(7).data, "\x08\x05", 2);
    ask(5, "");
    assert_memory_equal(answer_field(7).data, "\x08\x05", 2);
    ask(2, "");
    assert_memory_equal(answer_field(7).data, "\x08\x03", 2);
    rig_end();
    rig_expect_says("grpc-status: 0\n");
    tear_down();
}

static void test_reflection__answers_in_both_versions(void **state)
{
    (void)state;
    check_version("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo");
    check_version("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo");
}

static void test_reflection__ends_on_damage_and_with_the_server(void **state)
{
    (void)state;
    set_up();
    rig_call("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo");
    rig_message("\x0a\x7f", 2);
    rig_expect_says("grpc-status: 3\n");
    rig_call("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo");
    px_io_worker_drain(&rig.worker);
    rig_turn();
    rig_expect_says("grpc-status: 14\n");
    tear_down();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reflection__answers_in_both_versions),
        cmocka_unit_test(test_reflection__ends_on_damage_and_with_the_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
