/*
 * Goal: each method of the contract becomes the engine request that it stands for, and its answer
 * the message that the contract says; payloads are the very bytes that came; what is wrong is said.
 * Method: calls through the whole of src/rpc with the fake engine behind it; messages are written
 * and read with the protobuf codec.
 */
#include "rpc/service.h"

#include "codec/protobuf.h"
#include "rpc/rpc.h"
#include "support/fake_engine.h"
#include "support/grpc_rig.h"

#define METHOD(name) "/proximadb.v1.ProximaDB/" name

static proximadb *db;
static struct px_rpc *rpc;
static struct px_route routes[PX_RPC_ROUTES];
static uint8_t bytes[2000];
static struct px_proto_writer writer;

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

static void begin(void)
{
    writer = (struct px_proto_writer){.data = bytes, .capacity_bytes = sizeof bytes};
}

static void call(const char *path)
{
    assert_true(px_proto_fits(&writer));
    rig_call(path);
    rig_message(bytes, writer.size_bytes);
    rig_end();
    rig_wait_for_answer();
}

/* The answer's message, whose prefix is checked. */
static struct px_slice answer(void)
{
    rig_expect_says("grpc-status: 0\n");
    assert_true(rig.body.size_bytes >= 5);
    size_t size = (size_t)rig.body.data[1] << 24 | (size_t)rig.body.data[2] << 16 |
                  (size_t)rig.body.data[3] << 8 | rig.body.data[4];
    assert_int_equal(size, rig.body.size_bytes - 5);
    return px_slice_of(rig.body.data + 5, size);
}

/* The field of that number of the answer, which must have it; a zeroed one for `number` 0. */
static struct px_proto_field field_of(struct px_slice message, uint32_t number)
{
    struct px_proto_reader reader = px_proto_reader_of(message);
    struct px_proto_field field;
    while (px_proto_next(&reader, &field))
        if (field.number == number)
            return field;
    fail_msg("there is no field %u", number);
    return (struct px_proto_field){0};
}

static void expect_text(struct px_slice message, uint32_t number, const char *expected)
{
    struct px_proto_field field = field_of(message, number);
    if (!px_slice_equal(field.bytes, px_slice_of_string(expected)))
        fail_msg("field %u is '%.*s'", number, (int)field.bytes.size_bytes,
                 (const char *)field.bytes.data);
}

static void put_rows(const char *collection, const char *payload, uint64_t choice)
{
    begin();
    px_proto_set_text(&writer, 1, collection);
    px_proto_set_text(&writer, 2, payload);
    px_proto_set_varint(&writer, 3, choice);
}

static void check_rows(const char *path, uint64_t choice, int operation)
{
    struct fake_engine_last last;
    put_rows("docs", "avro bytes", choice);
    call(path);
    expect_text(answer(), 1, "avro bytes"); /* the fake engine sends the payload back */
    fake_engine_last(db, &last);
    assert_int_equal(last.operation, operation);
    assert_string_equal(last.collection, "docs");
    assert_int_equal(last.payload_bytes, 10);
    assert_memory_equal(last.payload, "avro bytes", 10);
}

static void test_service__passes_rows_through(void **state)
{
    (void)state;
    set_up();
    check_rows(METHOD("VectorInsert"), 0, PROXIMADB_INSERT);
    check_rows(METHOD("VectorInsert"), 1, PROXIMADB_UPSERT);
    check_rows(METHOD("VectorMutation"), 1, PROXIMADB_UPDATE);
    check_rows(METHOD("VectorMutation"), 2, PROXIMADB_DELETE);
    check_rows(METHOD("VectorSearch"), 0, PROXIMADB_SEARCH);
    check_rows(METHOD("VectorGet"), 0, PROXIMADB_GET);
    check_rows(METHOD("VectorScan"), 0, PROXIMADB_SCAN);
    tear_down();
}

static void test_service__does_not_copy_payloads(void **state)
{
    (void)state;
    struct fake_engine_last last;
    set_up();
    put_rows("docs", "avro bytes", 0);
    rig_call(METHOD("VectorInsert"));
    rig_message(bytes, writer.size_bytes);
    const struct px_grpc_call *running = px_grpc_call_of(rig.x);
    const uint8_t *from = running->message->data;
    const uint8_t *to = from + running->message->size_bytes;
    rig_end();
    rig_wait_for_answer();
    fake_engine_last(db, &last);
    assert_true((const uint8_t *)last.payload_at > from && (const uint8_t *)last.payload_at < to);
    tear_down();
}

static void test_service__counts(void **state)
{
    (void)state;
    struct fake_engine_last last;
    set_up();
    put_rows("docs", "", 0);
    call(METHOD("VectorCount"));
    assert_int_equal(field_of(answer(), 1).value, 42);
    fake_engine_last(db, &last);
    assert_int_equal(last.operation, PROXIMADB_COUNT);
    assert_true(last.payload_bytes > 10); /* a request for every row, and not none */
    put_rows("docs", "avro bytes", 0);
    call(METHOD("VectorCount"));
    fake_engine_last(db, &last);
    assert_int_equal(last.payload_bytes, 10);
    tear_down();
}

static void put_filterable(uint32_t number, const char *name, const char *type)
{
    size_t mark = px_proto_begin(&writer, number);
    px_proto_set_text(&writer, 1, name);
    px_proto_set_text(&writer, 2, type);
    px_proto_end(&writer, mark);
}

static void create(const char *name)
{
    begin();
    px_proto_set_text(&writer, 1, name);
    px_proto_set_varint(&writer, 2, 384);
    px_proto_set_text(&writer, 3, "L2");
    put_filterable(6, "price", "double");
    put_filterable(6, "tags", "string_array");
    call(METHOD("CreateCollection"));
}

static void test_service__translates_collections(void **state)
{
    (void)state;
    set_up();
    create("docs");
    struct px_slice info = answer();
    expect_text(info, 1, "docs");
    assert_int_equal(field_of(info, 2).bytes.size_bytes, 36);
    assert_int_equal(field_of(info, 3).value, 384);
    expect_text(info, 4, "l2");
    expect_text(info, 5, "HNSW");
    expect_text(info, 6, "balanced");
    expect_text(info, 16, "compressed");
    assert_int_equal(field_of(info, 17).value, 7);
    assert_int_equal(field_of(info, 18).value, 0x3f70000000000000); /* 2^-8 */
    expect_text(field_of(info, 7).bytes, 1, "price");
    expect_text(field_of(info, 7).bytes, 2, "double");
    assert_int_equal(field_of(info, 8).value, 1700000000000);
    assert_int_equal(field_of(info, 9).value, 7);
    assert_int_equal(field_of(info, 10).value, 2);
    assert_int_equal(field_of(info, 11).value, 3000);
    assert_int_equal(field_of(info, 12).value, 400);
    assert_int_equal(field_of(info, 13).value, 500);
    assert_int_equal(field_of(info, 14).value, 9);

    begin();
    px_proto_set_text(&writer, 1, "docs");
    put_filterable(2, "price", "double");
    call(METHOD("UpdateCollection"));
    expect_text(field_of(answer(), 7).bytes, 1, "price");

    begin();
    px_proto_set_text(&writer, 1, "docs");
    call(METHOD("GetCollection"));
    expect_text(answer(), 1, "docs");
    call(METHOD("DeleteCollection"));
    assert_int_equal(answer().size_bytes, 0);
    call(METHOD("GetCollection"));
    rig_expect_says("grpc-status: 5\n");
    assert_true(rig_says("there is no collection 'docs'"));
    tear_down();
}

static void test_service__lists_collections(void **state)
{
    (void)state;
    set_up();
    begin();
    call(METHOD("ListCollections"));
    assert_int_equal(answer().size_bytes, 0);
    for (int i = 0; i < 20; i++) {
        char name[16];
        snprintf(name, sizeof name, "c%d", i);
        create(name);
    }
    begin();
    call(METHOD("ListCollections"));
    struct px_proto_reader reader = px_proto_reader_of(answer());
    struct px_proto_field field;
    int count = 0;
    while (px_proto_next(&reader, &field)) {
        char name[16];
        snprintf(name, sizeof name, "c%d", count++);
        assert_true(px_proto_is(&field, 1, PX_PROTO_BYTES));
        expect_text(field.bytes, 1, name);
        assert_int_equal(field_of(field.bytes, 14).value, 9);
    }
    assert_int_equal(count, 20);
    tear_down();
}

static void test_service__administers(void **state)
{
    (void)state;
    struct fake_engine_last last;
    set_up();
    begin();
    px_proto_set_text(&writer, 1, "docs");
    call(METHOD("Flush"));
    assert_int_equal(answer().size_bytes, 0);
    fake_engine_last(db, &last);
    assert_int_equal(last.operation, PROXIMADB_FLUSH);
    assert_int_equal(last.payload_bytes, 0);

    px_proto_set_varint(&writer, 2, 11);
    call(METHOD("Compact"));
    assert_int_equal(field_of(answer(), 1).value, 70);
    assert_int_equal(field_of(answer(), 2).value, 11);
    assert_int_equal(field_of(answer(), 3).value, 1000);
    assert_int_equal(field_of(answer(), 4).value, 900);

    begin();
    call(METHOD("Metrics"));
    struct px_slice text = field_of(answer(), 1).bytes;
    const char *expected = "fake_submitted_total ";
    assert_true(text.size_bytes > strlen(expected));
    assert_memory_equal(text.data, expected, strlen(expected));
    tear_down();
}

static void expect_invalid(const char *path, const char *what)
{
    call(path);
    rig_expect_says("grpc-status: 3\n");
    rig_expect_says(what);
}

static void test_service__says_what_is_wrong(void **state)
{
    (void)state;
    char long_name[200];
    set_up();
    put_rows("docs", "x", 2);
    expect_invalid(METHOD("VectorInsert"), "INSERT_MODE_UPSERT");
    put_rows("docs", "x", 0);
    expect_invalid(METHOD("VectorMutation"), "MUTATION_TYPE_DELETE");
    put_rows("docs", "x", 3);
    expect_invalid(METHOD("VectorMutation"), "MUTATION_TYPE_DELETE");
    memset(long_name, 'n', sizeof long_name);
    long_name[129] = '\0';
    put_rows(long_name, "x", 0);
    expect_invalid(METHOD("VectorSearch"), "129 bytes");
    put_rows("docs", "x", 0);
    bytes[1] = 0x7f; /* the name's length */
    expect_invalid(METHOD("VectorSearch"), "VectorSearchRequest");

    begin();
    px_proto_set_text(&writer, 3, "euclid");
    expect_invalid(METHOD("CreateCollection"), "cosine, l2, dot");
    begin();
    px_proto_set_varint(&writer, 2, UINT64_C(1) << 32);
    expect_invalid(METHOD("CreateCollection"), "dimension is 4294967296");
    begin();
    px_proto_put_bytes(&writer, 1, px_slice_of("a\0b", 3));
    expect_invalid(METHOD("CreateCollection"), "NUL");
    begin();
    for (int i = 0; i < 65; i++)
        put_filterable(6, "f", "long");
    expect_invalid(METHOD("CreateCollection"), "64");
    begin();
    put_filterable(6, "f", "int");
    expect_invalid(METHOD("CreateCollection"), "string, long, double");
    tear_down();
}

static void test_service__brings_errors_of_the_engine(void **state)
{
    (void)state;
    set_up();
    put_rows("fail-9", "x", 0);
    call(METHOD("VectorSearch"));
    rig_expect_says("grpc-status: 3\n");
    rig_expect_says("grpc-message: row 3: fake failure, 100%25 caf%C3%A9\n");
    assert_true(rig_says("grpc-status-details-bin: "));
    put_rows("fail-4", "x", 0);
    call(METHOD("VectorSearch"));
    rig_expect_says("grpc-status: 15\n");
    assert_non_null(strstr(text_of(&rig.log), "CORRUPT"));
    tear_down();
}

static void test_service__cancels_what_nobody_waits_for(void **state)
{
    (void)state;
    struct fake_engine_counts counts;
    const char *fields[] = {"content-type", "application/grpc", "grpc-timeout", "30m", NULL};
    set_up();
    put_rows("never", "x", 0);
    rig_call(METHOD("VectorSearch"));
    rig_message(bytes, writer.size_bytes);
    rig_end();
    rig_close(PX_CLOSE_RESET);
    do {
        usleep(500);
        rig_turn();
        fake_engine_counts(db, &counts);
    } while (counts.live > 0);
    assert_int_equal(counts.cancelled, 1);

    rig_request("POST", METHOD("VectorSearch"), fields); /* and by the deadline */
    rig_message(bytes, writer.size_bytes);
    rig_end();
    rig_wait_for_answer();
    rig_expect_says("grpc-status: 4\n");
    tear_down();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_service__passes_rows_through),
        cmocka_unit_test(test_service__does_not_copy_payloads),
        cmocka_unit_test(test_service__counts),
        cmocka_unit_test(test_service__translates_collections),
        cmocka_unit_test(test_service__lists_collections),
        cmocka_unit_test(test_service__administers),
        cmocka_unit_test(test_service__says_what_is_wrong),
        cmocka_unit_test(test_service__brings_errors_of_the_engine),
        cmocka_unit_test(test_service__cancels_what_nobody_waits_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
