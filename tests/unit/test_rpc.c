/*
 * Goal: every method of every service in proto/ is served, calls are counted by method and code, and
 * paths of gRPC's alone are never taken for something else.
 * Method: the methods are listed from the embedded descriptor set; the metrics are read as text.
 */
#include "rpc/rpc.h"

#include "codec/protobuf.h"
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
    px_rpc_free(NULL);
    fake_engine_close(db);
}

static size_t methods_seen;

static bool is_served(const char *path)
{
    for (size_t i = 0; i < rpc->server.method_count; i++)
        if (strcmp(rpc->server.methods[i]->path, path) == 0)
            return true;
    return false;
}

/* Field 2 of a ServiceDescriptorProto, repeated; its field 1 is the method's name. */
static void check_service(struct px_slice package, struct px_slice service)
{
    struct px_proto_reader reader = px_proto_reader_of(service);
    struct px_proto_field field;
    struct px_slice name = {0};
    while (px_proto_next(&reader, &field)) {
        if (px_proto_is(&field, 1, PX_PROTO_BYTES))
            name = field.bytes;
        if (!px_proto_is(&field, 2, PX_PROTO_BYTES))
            continue;
        struct px_proto_reader method = px_proto_reader_of(field.bytes);
        struct px_proto_field method_name;
        assert_true(px_proto_next(&method, &method_name));
        char path[200];
        snprintf(path, sizeof path, "/%.*s.%.*s/%.*s", (int)package.size_bytes, package.data,
                 (int)name.size_bytes, name.data, (int)method_name.bytes.size_bytes,
                 method_name.bytes.data);
        if (!is_served(path))
            fail_msg("%s is not served", path);
        methods_seen++;
    }
}

static void test_rpc__serves_the_whole_contract(void **state)
{
    (void)state;
    set_up();
    methods_seen = 0;
    for (size_t i = 0; i < rpc->descriptors.count; i++) {
        const struct px_descriptor_file *file = &rpc->descriptors.files[i];
        struct px_proto_reader reader = px_proto_reader_of(file->bytes);
        struct px_proto_field field;
        while (px_proto_next(&reader, &field))
            if (px_proto_is(&field, 6, PX_PROTO_BYTES))
                check_service(file->package, field.bytes);
    }
    assert_int_equal(methods_seen, rpc->server.method_count);
    tear_down();
}

static void test_rpc__counts_calls(void **state)
{
    (void)state;
    struct px_buffer text = {0};
    set_up();
    for (int i = 0; i < 2; i++) {
        rig_call("/proximadb.v1.ProximaDB/Flush");
        rig_message("", 0);
        rig_end();
        rig_wait_for_answer();
    }
    rig_call("/a.B/C");
    px_rpc_write_metrics(rpc, &text);
    assert_non_null(strstr(text_of(&text),
                           "\ngrpc_server_handled_total{grpc_service=\"proximadb.v1.ProximaDB\","
                           "grpc_method=\"Flush\",grpc_code=\"OK\"} 2\n"));
    assert_non_null(strstr(text_of(&text),
                           "\ngrpc_server_handled_total{grpc_service=\"\","
                           "grpc_method=\"unknown\",grpc_code=\"UNIMPLEMENTED\"} 1\n"));
    assert_null(strstr(text_of(&text), " 0\n"));
    px_buffer_release(&text);
    tear_down();
}

static void test_rpc__owns_its_paths(void **state)
{
    (void)state;
    const char *paths[] = {"/proximadb.v1.ProximaDB/Flush", "/grpc.health.v1.Health/Check",
                           "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"};
    set_up();
    for (size_t i = 0; i < 3; i++) {
        rig_request("POST", paths[i], NULL);
        rig_expect_says(":status: 415\n");
    }
    rig_request("GET", "/healthz", NULL);
    rig_expect_says(":status: 404\n"); /* somebody else's */
    rig_call("/healthz");
    rig_expect_says("grpc-status: 12\n");
    tear_down();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rpc__serves_the_whole_contract),
        cmocka_unit_test(test_rpc__counts_calls),
        cmocka_unit_test(test_rpc__owns_its_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
