/*
 * Goal: a call goes as gRPC's protocol document says: framing, cardinality, limits, compression,
 * deadlines, and exactly one end.
 * Method: two methods of our own, one that echoes a message and one that echoes a stream, on a
 * protocol that is a notebook.
 */
#include "rpc/grpc_call.h"

#include "codec/protobuf.h"
#include "support/grpc_rig.h"

#include <libdeflate.h>

static char record[300];

static void note(const char *text)
{
    size_t size = strlen(record);
    snprintf(record + size, sizeof record - size, "%s ", text);
}

static void on_echo(struct px_grpc_call *call, struct px_message *message)
{
    struct proximadb_buffer body = px_message_share(message, px_message_slice(message));
    note("message");
    px_grpc_call_send(call, px_slice_of("<", 1), &body);
    px_grpc_call_finish(call, NULL);
}

static void on_keep(struct px_grpc_call *call, struct px_message *message)
{
    (void)call;
    note("message");
    px_message_free(message);
}

static void on_stop(struct px_grpc_call *call)
{
    (void)call;
    note("stop");
}

static void on_stream_message(struct px_grpc_call *call, struct px_message *message)
{
    struct proximadb_buffer body = px_message_share(message, px_message_slice(message));
    note("message");
    px_grpc_call_send(call, (struct px_slice){0}, &body);
}

static void on_half_close(struct px_grpc_call *call)
{
    note("half-close");
    px_grpc_call_finish(call, NULL);
}

static void on_drain(struct px_grpc_call *call)
{
    note("drain");
    px_grpc_call_fail(call, PX_GRPC_UNAVAILABLE, "stopping");
}

static const struct px_grpc_method echo = {
    .path = "/t.T/Echo", .on_message = on_echo, .on_stop = on_stop};
static const struct px_grpc_method keep = {
    .path = "/t.T/Keep", .on_message = on_keep, .on_stop = on_stop, .on_drain = on_drain};
static const struct px_grpc_method stream = {
    .path = "/t.T/Stream",
    .takes_stream = true,
    .on_message = on_stream_message,
    .on_half_close = on_half_close,
    .on_sent = px_grpc_call_next,
    .on_stop = on_stop,
};
static const struct px_grpc_method *const methods[] = {&echo, &keep, &stream};

static struct px_grpc_server server;
static struct px_route routes[2];

static void set_up(void)
{
    server =
        (struct px_grpc_server){.methods = methods, .method_count = 3, .message_limit_bytes = 1000};
    assert_int_equal(px_grpc_server_init(&server, NULL), PROXIMADB_OK);
    routes[0] = (struct px_route){.path = "/",
                                  .is_prefix = true,
                                  .matches = px_grpc_matches,
                                  .handler = &px_grpc_handler,
                                  .context = &server};
    routes[1] = (struct px_route){
        .path = "/t.T/", .is_prefix = true, .handler = &px_grpc_handler, .context = &server};
    rig_set_up(routes, 2);
    record[0] = '\0';
}

static void tear_down(void)
{
    rig_tear_down();
    px_grpc_server_release(&server);
}

static void expect_end(const char *status)
{
    assert_null(rig.x);
    rig_expect_says(status);
}

static void test_grpc_call__echoes(void **state)
{
    (void)state;
    set_up();
    rig_call("/t.T/Echo");
    rig_message("hello", 5);
    assert_string_equal(record, ""); /* not before the client is finished */
    rig_end();
    assert_string_equal(record, "message ");
    assert_memory_equal(rig.body.data, "\0\0\0\0\6<hello", 11);
    assert_int_equal(rig.body.size_bytes, 11);
    assert_string_equal(text_of(&rig.trailers), "grpc-status: 0\n");
    assert_non_null(strstr(text_of(&rig.headers), ":status: 200\n"));
    assert_non_null(strstr(text_of(&rig.headers), "content-type: application/grpc\n"));
    assert_non_null(strstr(text_of(&rig.headers), "grpc-accept-encoding: identity,gzip\n"));
    assert_int_equal(server.counters[0].ended[PX_GRPC_OK], 1);
    tear_down();
}

static void test_grpc_call__reassembles_however_the_bytes_are_cut(void **state)
{
    (void)state;
    set_up();
    rig_call("/t.T/Echo");
    for (int i = 0; i < 10; i++)
        rig_body("\0\0\0\0\5hello" + i, 1);
    rig_end();
    assert_memory_equal(rig.body.data, "\0\0\0\0\6<hello", 11);
    tear_down();
}

static void test_grpc_call__takes_an_empty_message(void **state)
{
    (void)state;
    set_up();
    rig_call("/t.T/Echo");
    rig_message("", 0);
    rig_end();
    assert_memory_equal(rig.body.data, "\0\0\0\0\1<", 6);
    tear_down();
}

static void test_grpc_call__counts_messages(void **state)
{
    (void)state;
    set_up();
    rig_call("/t.T/Echo"); /* none */
    rig_end();
    expect_end("grpc-status: 12\n");
    rig_call("/t.T/Echo"); /* two */
    rig_message("a", 1);
    rig_message("b", 1);
    expect_end("grpc-status: 12\n");
    assert_true(rig_says("exactly one message"));
    assert_string_equal(record, "stop stop ");
    tear_down();
}

static void test_grpc_call__refuses_large_messages_by_their_prefix(void **state)
{
    (void)state;
    set_up();
    rig_call("/t.T/Echo");
    rig_body("\0\0\0\3\xe8", 5); /* the limit itself */
    assert_non_null(rig.x);
    rig_close(PX_CLOSE_PEER_GONE);
    rig_call("/t.T/Echo");
    rig_body("\0\0\0\3\xe9", 5);
    expect_end("grpc-status: 8\n");
    assert_true(rig_says("1001 bytes"));
    assert_true(rig_says("limit of 1000"));
    rig_body("\0", 1); /* what comes still is nobody's */
    tear_down();
}

static void test_grpc_call__refuses_broken_framing(void **state)
{
    (void)state;
    set_up();
    rig_call("/t.T/Echo");
    rig_body("\2\0\0\0\1x", 6);
    expect_end("grpc-status: 13\n");
    rig_call("/t.T/Echo");
    rig_body("\0\0\0", 3);
    rig_end();
    expect_end("grpc-status: 13\n");
    rig_call("/t.T/Echo");
    rig_body("\0\0\0\0\5hel", 8);
    rig_end();
    expect_end("grpc-status: 13\n");
    assert_true(rig_says("after 3 of 5 bytes"));
    rig_call("/t.T/Echo");
    rig_body("\1\0\0\0\5hello", 10); /* compressed, by what? */
    expect_end("grpc-status: 13\n");
    tear_down();
}

/* ---- compression --------------------------------------------------------------------------- */

static void call_with(const char *name, const char *value)
{
    const char *fields[] = {"content-type", "application/grpc", name, value, NULL};
    rig_request("POST", "/t.T/Echo", fields);
}

static size_t pack(const char *text, size_t size_bytes, uint8_t *packed, size_t capacity_bytes)
{
    struct libdeflate_compressor *compressor = libdeflate_alloc_compressor(6);
    size_t size =
        libdeflate_gzip_compress(compressor, text, size_bytes, packed + 5, capacity_bytes - 5);
    libdeflate_free_compressor(compressor);
    const uint8_t prefix[] = {1, 0, 0, (uint8_t)(size >> 8), (uint8_t)size};
    memcpy(packed, prefix, sizeof prefix);
    return size + 5;
}

static void test_grpc_call__unpacks_gzip(void **state)
{
    (void)state;
    uint8_t packed[500];
    set_up();
    call_with("grpc-encoding", "gzip");
    rig_body(packed, pack("hello hello", 11, packed, sizeof packed));
    rig_end();
    assert_memory_equal(rig.body.data, "\0\0\0\0\14<hello hello", 17);
    call_with("grpc-encoding", "gzip"); /* a message may be plain all the same */
    rig_message("plain", 5);
    rig_end();
    assert_memory_equal(rig.body.data + 5, "<plain", 6);
    tear_down();
}

static void test_grpc_call__refuses_gzip_that_is_too_much_or_damaged(void **state)
{
    (void)state;
    static const char zeros[1001];
    uint8_t packed[500];
    set_up();
    call_with("grpc-encoding", "gzip"); /* small here, over the limit when unpacked */
    rig_body(packed, pack(zeros, 1001, packed, sizeof packed));
    expect_end("grpc-status: 8\n");
    assert_true(rig_says("1001"));
    call_with("grpc-encoding", "gzip");
    size_t size = pack("hello hello", 11, packed, sizeof packed);
    packed[size - 8] ^= 1;
    rig_body(packed, size);
    expect_end("grpc-status: 13\n");

    call_with("grpc-encoding", "gzip"); /* and when the budget has no room for what comes out */
    size = pack("hello hello", 11, packed, sizeof packed);
    assert_true(px_budget_reserve(rig.budget, (1 << 20) - size));
    rig_body(packed, size);
    expect_end("grpc-status: 8\n");
    assert_true(rig_says("no room for the 11 bytes"));
    px_budget_return(rig.budget, (1 << 20) - size);
    tear_down();
}

static void test_grpc_call__knows_its_encodings(void **state)
{
    (void)state;
    set_up();
    call_with("grpc-encoding", "identity");
    assert_non_null(rig.x);
    rig_close(PX_CLOSE_PEER_GONE);
    call_with("grpc-encoding", "snappy");
    expect_end("grpc-status: 12\n");
    assert_true(rig_says("grpc-accept-encoding: identity,gzip\n"));
    assert_true(rig_says("'snappy'"));
    tear_down();
}

/* ---- what is no call ----------------------------------------------------------------------- */

static void test_grpc_call__answers_unknown_methods(void **state)
{
    (void)state;
    set_up();
    rig_call("/t.T/Nothing");
    expect_end("grpc-status: 12\n");
    assert_string_equal(text_of(&rig.trailers), ""); /* all in the headers */
    rig_call("/anything");
    expect_end("grpc-status: 12\n");
    assert_int_equal(server.counters[3].ended[PX_GRPC_UNIMPLEMENTED], 2);
    tear_down();
}

static void test_grpc_call__answers_http_as_http(void **state)
{
    (void)state;
    const char *types[] = {"application/json", "application/grpc-web", "application/grpcx", ""};
    set_up();
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        const char *fields[] = {"content-type", types[i], NULL};
        rig_request("POST", "/t.T/Echo", fields);
        expect_end(":status: 415\n");
    }
    rig_request("POST", "/t.T/Echo", NULL);
    expect_end(":status: 415\n");
    const char *fields[] = {"content-type", "application/grpc", NULL};
    rig_request("GET", "/t.T/Echo", fields);
    expect_end(":status: 405\n");
    const char *good[] = {"application/grpc+proto", "application/grpc;charset=utf-8",
                          "application/grpc+proto ; x=y"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        const char *field[] = {"content-type", good[i], NULL};
        rig_request("POST", "/t.T/Echo", field);
        rig_message("a", 1);
        rig_end();
        expect_end("grpc-status: 0\n");
    }
    tear_down();
}

/* ---- time and ends ------------------------------------------------------------------------- */

static void wait_ms(int64_t ms)
{
    rig.worker.loop.now_ms += ms;
    px_timers_run(&rig.worker.loop.timers, rig.worker.loop.now_ms);
    rig_turn();
}

static void test_grpc_call__keeps_its_deadline(void **state)
{
    (void)state;
    const char *fields[] = {"content-type", "application/grpc", "grpc-timeout", "5S", NULL};
    set_up();
    rig_request("POST", "/t.T/Keep", fields);
    rig_message("a", 1);
    rig_end();
    wait_ms(4900);
    assert_non_null(rig.x);
    wait_ms(5100);
    expect_end("grpc-status: 4\n");
    assert_string_equal(record, "message stop ");

    call_with("grpc-timeout", "1n"); /* in the middle of the message */
    rig_body("\0\0\0\0\5he", 7);
    wait_ms(10);
    expect_end("grpc-status: 4\n");

    call_with("grpc-timeout", "1000");
    expect_end("grpc-status: 3\n");
    assert_true(rig_says("grpc-timeout"));
    tear_down();
}

static void test_grpc_call__stops_with_its_exchange(void **state)
{
    (void)state;
    set_up();
    rig_call("/t.T/Keep");
    rig_message("a", 1);
    rig_end();
    rig_close(PX_CLOSE_RESET);
    assert_string_equal(record, "message stop ");
    assert_int_equal(server.counters[1].ended[PX_GRPC_CANCELLED], 1);
    rig_call("/t.T/Keep"); /* with a message that the method has not seen */
    rig_message("a", 1);
    rig_close(PX_CLOSE_RESET);
    tear_down();
}

static void test_grpc_call__drains(void **state)
{
    (void)state;
    set_up();
    rig_call("/t.T/Keep");
    rig_message("a", 1);
    rig_end();
    px_io_worker_drain(&rig.worker);
    rig_turn();
    expect_end("grpc-status: 14\n");
    tear_down();
}

static void test_grpc_call__takes_streams_message_by_message(void **state)
{
    (void)state;
    set_up();
    rig_call("/t.T/Stream");
    rig_body("\0\0\0\0\1a\0\0\0\0\1b\0", 13); /* two, and the beginning of a third */
    rig_turn();
    assert_memory_equal(rig.body.data, "\0\0\0\0\1a\0\0\0\0\1b", 12);
    rig_body("\0\0\0\1c", 5);
    rig_end();
    rig_turn();
    expect_end("grpc-status: 0\n");
    assert_int_equal(rig.body.size_bytes, 18);
    assert_string_equal(record, "message message message half-close ");
    tear_down();
}

static void test_grpc_call__logs_what_is_our_fault(void **state)
{
    (void)state;
    struct proximadb_error error = {.status = PROXIMADB_INTERNAL, .row_index = -1};
    set_up();
    rig_call("/t.T/Keep");
    rig_message("a", 1);
    rig_end();
    snprintf(error.message, sizeof error.message, "broken inside");
    px_grpc_call_finish(px_grpc_call_of(rig.x), &error);
    px_grpc_call_finish(px_grpc_call_of(rig.x), &error); /* once only */
    rig_turn();
    expect_end("grpc-status: 13\n");
    assert_string_equal(text_of(&rig.log), "?: /t.T/Keep: INTERNAL: broken inside\n");
    tear_down();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grpc_call__echoes),
        cmocka_unit_test(test_grpc_call__reassembles_however_the_bytes_are_cut),
        cmocka_unit_test(test_grpc_call__takes_an_empty_message),
        cmocka_unit_test(test_grpc_call__counts_messages),
        cmocka_unit_test(test_grpc_call__refuses_large_messages_by_their_prefix),
        cmocka_unit_test(test_grpc_call__refuses_broken_framing),
        cmocka_unit_test(test_grpc_call__unpacks_gzip),
        cmocka_unit_test(test_grpc_call__refuses_gzip_that_is_too_much_or_damaged),
        cmocka_unit_test(test_grpc_call__knows_its_encodings),
        cmocka_unit_test(test_grpc_call__answers_unknown_methods),
        cmocka_unit_test(test_grpc_call__answers_http_as_http),
        cmocka_unit_test(test_grpc_call__keeps_its_deadline),
        cmocka_unit_test(test_grpc_call__stops_with_its_exchange),
        cmocka_unit_test(test_grpc_call__drains),
        cmocka_unit_test(test_grpc_call__takes_streams_message_by_message),
        cmocka_unit_test(test_grpc_call__logs_what_is_our_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
