/* px-test: layers=http
 *
 * Goal: HTTP/1.1 as RFC 9112 has it: framing of requests and responses, pipelining, persistence,
 * "100 Continue", back-pressure, and an answer to what is no HTTP.
 * Method: a connection on a socket pair; requests whole, byte by byte, and broken in every way.
 */
#include "support/http_rig.h"

static void set_up_echo(void)
{
    rig_set_up();
    rig.on_request = rig_collect;
    rig.on_body = rig_echo;
    rig_connect();
}

static void set_up_ok(void)
{
    rig_set_up();
    rig.on_request = rig_answer_ok;
    rig_connect();
}

static void test_h1__answers_a_request(void **state)
{
    (void)state;
    set_up_ok();
    rig_send_text("GET /a/b?c=d&e HTTP/1.1\r\nHost: x\r\nX-Thing:  two words \r\n\r\n");
    rig_expect_record("request GET /a/b?c=d&e | close done");
    assert_true(rig_was_received("HTTP/1.1 200 OK\r\n"));
    assert_true(rig_was_received("content-length: 2\r\n"));
    assert_true(rig_was_received("date: "));
    assert_true(rig_was_received("\r\n\r\nok"));
    assert_false(rig_was_received("connection: close"));
    rig_tear_down();
}

static void show_fields(struct px_exchange *x)
{
    struct px_slice value;
    assert_true(px_exchange_header(x, "x-thing", &value));
    assert_true(px_slice_equal(value, px_slice_of_string("two words")));
    assert_true(px_exchange_header(x, ":authority", &value));
    assert_true(px_slice_equal(value, px_slice_of_string("x:1")));
    assert_false(px_exchange_header(x, "nothing", &value));
    assert_false(px_exchange_is_http2(x));
    rig_answer_ok(x);
}

static void test_h1__takes_a_request_byte_by_byte(void **state)
{
    (void)state;
    const char *request = "\r\nGET http://x:1/path?q HTTP/1.1\r\nHost: x:1\r\n"
                          "X-THING: two words\t\r\n\r\n";
    rig_set_up();
    rig.on_request = show_fields;
    rig_connect();
    for (const char *at = request; *at != '\0'; at++)
        rig_send(at, 1);
    rig_expect_record("request GET /path?q | close done");
    assert_true(rig_was_received("ok"));
    rig_tear_down();
}

static void test_h1__receives_bodies(void **state)
{
    (void)state;
    set_up_echo();
    rig_send_text("POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
    assert_true(rig_was_received("content-length: 5\r\n"));
    assert_true(rig_was_received("\r\n\r\nhello"));
    rig_send_text("POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "3\r\nabc\r\n10;ext=1\r\n0123456789abcdef\r\n0\r\nTrailer: x\r\n\r\n");
    assert_true(rig_was_received("\r\n\r\nabc0123456789abcdef"));
    rig_send_text("POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    rig_expect_record("request POST /p | body complete 5 | close done | "
                      "request POST /p | body complete 19 | close done | "
                      "request POST /p | body complete 0 | close done");
    rig_tear_down();
}

static void test_h1__answers_pipelined_requests_in_order(void **state)
{
    (void)state;
    set_up_echo();
    rig_send_text("POST /1 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\none"
                  "GET /2 HTTP/1.1\r\nHost: x\r\n\r\n"
                  "POST /3 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "5\r\nthree\r\n0\r\n\r\n"
                  "GET /4 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
                  "GET /5 HTTP/1.1\r\nHost: x\r\n\r\n");
    rig_expect_record("request POST /1 | body complete 3 | close done | "
                      "request GET /2 | body complete 0 | close done | "
                      "request POST /3 | body complete 5 | close done | "
                      "request GET /4 | body complete 0 | close done");
    const char *text = text_of(&rig.received);
    assert_non_null(strstr(strstr(text, "\r\n\r\none"), "\r\n\r\nthree"));
    assert_true(rig_was_received("connection: close"));
    rig_tear_down();
}

/* A request that is not answered yet, and what may wait behind it. */
static void test_h1__stops_reading_behind_an_unanswered_request(void **state)
{
    (void)state;
    rig_set_up();
    rig_connect();
    rig_send_text("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
    struct px_exchange *x = rig.last;
    char path[1900];
    char next[2000];
    memset(path, 'a', sizeof path);
    int size = snprintf(next, sizeof next, "GET /%.*s HTTP/1.1\r\nHost: x\r\n\r\n",
                        (int)sizeof path, path);
    for (int i = 0; i < 1000 && send(rig.peer, next, (size_t)size, MSG_NOSIGNAL) > 0; i++)
        rig_turn();
    struct px_connection *c = rig.connection;
    assert_false(c->protocol->wants_input(c));
    assert_int_equal(c->events, 0);
    size_t waiting_bytes = atomic_load(&rig.budget->used_bytes); /* counted, though unasked */
    assert_true(waiting_bytes >= 64 << 10 && waiting_bytes <= 80 << 10);
    rig_expect_record("request GET /slow");
    rig_answer_ok(x);
    rig.on_request = rig_answer_ok;
    rig_turn();
    rig_turn();
    assert_true(rig.worker.stats.requests > 30);
    for (int i = 0; i < 1000 && atomic_load(&rig.budget->used_bytes) > 0; i++)
        rig_turn();
    assert_int_equal(atomic_load(&rig.budget->used_bytes), 0);
    rig_tear_down();

    rig_set_up(); /* or it goes with its connection */
    rig_connect();
    rig_send_text("GET /slow HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\n");
    assert_int_equal(atomic_load(&rig.budget->used_bytes), 16);
    rig_tear_down();
}

static void test_h1__refuses_requests_while_there_are_too_many(void **state)
{
    (void)state;
    set_up_ok();
    rig.worker.exchange_count += PX_MOST_EXCHANGES - 1;
    rig_send_text("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_true(rig_was_received("HTTP/1.1 200 OK"));
    rig.worker.exchange_count++;
    rig_send_text("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_true(rig_was_received("HTTP/1.1 503 Service Unavailable"));
    rig.worker.exchange_count -= PX_MOST_EXCHANGES;
    rig_tear_down();
}

static void test_h1__lets_the_client_continue_when_the_body_is_wanted(void **state)
{
    (void)state;
    set_up_echo();
    rig_send_text(
        "POST /p HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n");
    assert_string_equal(text_of(&rig.received), "HTTP/1.1 100 Continue\r\n\r\n");
    rig_send_text("hi");
    assert_true(rig_was_received("\r\n\r\nhi"));
    rig_tear_down();

    set_up_ok(); /* answers without reading */
    rig_send_text(
        "POST /p HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    assert_false(rig_was_received("100 Continue"));
    assert_true(rig_was_received("connection: close"));
    rig_tear_down();
}

static char memory[10];

static void answer_then_read(struct px_exchange *x)
{
    px_exchange_start(x, 200, NULL, 0, false);
    px_exchange_read(x, memory, 2, PX_IMPATIENT);
}

static void finish_answer(struct px_exchange *x, size_t size_bytes)
{
    (void)size_bytes;
    px_exchange_finish(x, NULL, 0);
}

/* Behind the status line of the answer "100 Continue" would be a part of its body. */
static void test_h1__says_nothing_of_continuing_once_the_answer_has_begun(void **state)
{
    (void)state;
    rig_set_up();
    rig.on_request = answer_then_read;
    rig.on_read = finish_answer;
    rig_connect();
    rig_send_text("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                  "Content-Length: 2\r\n\r\n");
    assert_true(rig_was_received("200 OK"));
    rig_send_text("hi");
    assert_false(rig_was_received("100 Continue"));
    rig_expect_record("request POST / | read 2 | close done");
    rig_tear_down();
}

static void test_h1__leaves_offers_of_an_upgrade_alone(void **state)
{
    (void)state;
    set_up_ok();
    rig_send_text("GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"
                  "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    rig_expect_record("request GET / | close done | request GET / | close done");
    rig_tear_down();
}

static void test_h1__ends_the_connection_when_a_body_was_left_unread(void **state)
{
    (void)state;
    set_up_ok();
    rig_send_text("POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc");
    assert_true(rig_was_received("HTTP/1.1 200 OK"));
    assert_true(rig_was_received("connection: close"));
    assert_true(rig.connection->is_lingering);
    rig_send_text("GET / HTTP/1.1\r\nHost: x\r\n\r\n"); /* forgotten */
    rig_expect_record("request POST /p | close done");
    rig_wait(2000);
    assert_null(rig.worker.connections);
    rig_tear_down();
}

static void test_h1__keeps_or_ends_connections_as_the_client_wants(void **state)
{
    (void)state;
    set_up_ok();
    rig_send_text("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_true(rig_was_received("connection: keep-alive"));
    assert_false(rig.connection->is_ending);
    rig_send_text("GET / HTTP/1.0\r\n\r\n");
    assert_true(rig_was_received("connection: close"));
    assert_true(rig.connection->is_ending);
    rig_tear_down();
}

static void answer_in_pieces(struct px_exchange *x)
{
    const struct px_header header = px_header_of("content-type", "text/plain");
    const struct px_header trailer = px_header_of("x-sum", "42");
    px_exchange_start(x, 200, &header, 1, false);
    px_exchange_send_copy(x, "first", 5);
    px_exchange_send_copy(x, "", 0);
    px_exchange_finish(x, &trailer, 1);
}

static void test_h1__sends_chunks_where_the_length_is_not_known(void **state)
{
    (void)state;
    rig_set_up();
    rig.on_request = answer_in_pieces;
    rig_connect();
    rig_send_text("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_true(rig_was_received("transfer-encoding: chunked\r\n"));
    assert_true(rig_was_received("\r\n\r\n5\r\nfirst\r\n0\r\nx-sum: 42\r\n\r\n"));
    px_buffer_clear(&rig.received);
    rig_send_text("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_false(rig_was_received("chunked"));
    assert_true(rig_was_received("\r\n\r\nfirst"));
    assert_true(rig.connection->is_ending); /* the end of the body is the connection's */
    rig_tear_down();
}

static void test_h1__sends_no_body_to_head_and_with_204(void **state)
{
    (void)state;
    set_up_ok();
    rig_send_text("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_true(rig_was_received("content-length: 2\r\n"));
    assert_string_equal(text_of(&rig.received) + rig.received.size_bytes - 4, "\r\n\r\n");
    rig_tear_down();

    rig_set_up();
    rig_connect();
    rig_send_text("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    px_exchange_respond(rig.last, 204, NULL, 0, NULL);
    rig_turn();
    assert_true(rig_was_received("HTTP/1.1 204 No Content\r\n"));
    assert_false(rig_was_received("content-length"));
    rig_tear_down();
}

static void expect_refusal(const char *request, const char *status_line)
{
    set_up_echo();
    rig_send_text(request);
    if (!rig_was_received(status_line))
        fail_msg("'%s' was answered with '%s'", request, text_of(&rig.received));
    assert_true(rig.connection->is_ending);
    rig_tear_down();
}

static void test_h1__refuses_what_is_no_request(void **state)
{
    (void)state;
    const char *bad = "HTTP/1.1 400 Bad Request\r\n";
    expect_refusal("hello\r\n\r\n", bad);
    expect_refusal("GET / HTTP/1.1\r\n\r\n", bad); /* no Host */
    expect_refusal("GET / HTTP/1.1\r\nHost : x\r\n\r\n", bad);
    expect_refusal("GET / HTTP/1.1\r\nHost: x\r\n folded: y\r\n\r\n", bad);
    expect_refusal("GET / HTTP/1.1\nHost: x\n\n", bad);
    expect_refusal("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
                   bad);
    expect_refusal("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", bad);
    expect_refusal("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
                   "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                   bad);
    expect_refusal("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", bad);
    expect_refusal("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", bad);
    expect_refusal("GET / HTTP/3.0\r\nHost: x\r\n\r\n", bad);
}

static void test_h1__refuses_large_headers(void **state)
{
    (void)state;
    static char request[70000];
    const char *too_large = "HTTP/1.1 431 Request Header Fields Too Large\r\n";
    memset(request, 'a', sizeof request - 1);
    memcpy(request, "GET / HTTP/1.1\r\nHost: x\r\nX: ", 28);
    expect_refusal(request, too_large);
    memset(request, 'a', sizeof request - 1);
    memcpy(request, "GET /", 5);
    expect_refusal(request, too_large);
    size_t size = (size_t)snprintf(request, sizeof request, "GET / HTTP/1.1\r\nHost: x\r\n");
    while (size < 40000) /* many small ones count 32 bytes each, too */
        size += (size_t)snprintf(request + size, sizeof request - size, "a: b\r\n");
    expect_refusal(request, too_large);
}

static void test_h1__says_not_found(void **state)
{
    (void)state;
    rig_set_up();
    rig.route.path = "/only";
    rig_connect();
    rig_send_text("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_true(rig_was_received("HTTP/1.1 404 Not Found\r\n"));
    rig_tear_down();
}

static void test_h1__notices_a_peer_that_goes_away(void **state)
{
    (void)state;
    rig_set_up();
    rig_connect();
    rig_send_text("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    close(rig.peer);
    rig.peer = -1;
    px_loop_turn(&rig.worker.loop, 0);
    rig_expect_record("request GET / | close peer gone");
    rig_tear_down();
}

static void test_h1__drains(void **state)
{
    (void)state;
    rig_set_up();
    rig_connect();
    rig_send_text("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    px_io_worker_drain(&rig.worker);
    rig_answer_ok(rig.last);
    rig_turn();
    rig_expect_record("request GET / | drain | close done");
    assert_true(rig_was_received("connection: close"));
    assert_true(rig.connection->is_lingering);
    rig_tear_down();

    set_up_ok(); /* between two requests */
    rig_send_text("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    px_io_worker_drain(&rig.worker);
    rig_turn();
    assert_true(rig.connection->is_lingering);
    rig_tear_down();
}

static void test_h1__loses_patience(void **state)
{
    (void)state;
    set_up_echo(); /* with headers that do not end */
    rig_send_text("GET / HTTP/1.1\r\nHost: x\r\n");
    rig_wait(9000);
    assert_non_null(rig.worker.connections);
    rig_wait(11000);
    assert_null(rig.worker.connections);
    assert_non_null(strstr(text_of(&rig.log), "too slowly"));
    rig_tear_down();

    set_up_echo(); /* with a body that does not come */
    rig_send_text("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na");
    rig_wait(29000);
    rig_expect_record("request POST /");
    rig_wait(31000);
    rig_expect_record("request POST / | close timeout");
    rig_tear_down();

    set_up_echo(); /* with nothing at all */
    rig_wait(11000);
    assert_null(rig.worker.connections);
    rig_tear_down();

    set_up_ok(); /* with bytes that are no request yet */
    rig_send_text("\r\n");
    rig_wait(9000);
    assert_false(rig.connection->is_lingering);
    rig_wait(11000);
    assert_true(rig.connection->is_lingering);
    rig_tear_down();

    set_up_ok(); /* between two requests, with such bytes */
    rig_send_text("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    rig.connection->idle_ms -= 290000;
    rig_send_text("\r\n");
    rig_wait(9000);
    assert_false(rig.connection->is_ending);
    rig_wait(11000);
    assert_true(rig.connection->is_ending);
    rig_tear_down();

    set_up_ok(); /* between two requests */
    rig_send_text("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    rig_wait(299000);
    assert_false(rig.connection->is_ending);
    rig_wait(301000);
    assert_true(rig.connection->is_ending);
    rig_tear_down();
}

static void test_h1__receives_large_bodies_in_place(void **state)
{
    (void)state;
    static char body[90000];
    memset(body, 'b', sizeof body);
    set_up_echo();
    rig_send_text("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 90000\r\n\r\n");
    rig_send(body, sizeof body);
    rig_expect_record("request POST / | body complete 90000 | close done");
    assert_int_equal(rig.worker.stats.body_bytes, 90000);
    assert_int_equal(rig.worker.stats.body_copied_bytes, 0);
    rig_send_text("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n15f90\r\n");
    rig_send(body, sizeof body);
    rig_send_text("\r\n0\r\n\r\n");
    assert_int_equal(rig.worker.stats.body_copied_bytes, 90000); /* chunks are copied */
    rig_tear_down();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_h1__answers_a_request),
        cmocka_unit_test(test_h1__takes_a_request_byte_by_byte),
        cmocka_unit_test(test_h1__receives_bodies),
        cmocka_unit_test(test_h1__answers_pipelined_requests_in_order),
        cmocka_unit_test(test_h1__stops_reading_behind_an_unanswered_request),
        cmocka_unit_test(test_h1__refuses_requests_while_there_are_too_many),
        cmocka_unit_test(test_h1__lets_the_client_continue_when_the_body_is_wanted),
        cmocka_unit_test(test_h1__says_nothing_of_continuing_once_the_answer_has_begun),
        cmocka_unit_test(test_h1__leaves_offers_of_an_upgrade_alone),
        cmocka_unit_test(test_h1__ends_the_connection_when_a_body_was_left_unread),
        cmocka_unit_test(test_h1__keeps_or_ends_connections_as_the_client_wants),
        cmocka_unit_test(test_h1__sends_chunks_where_the_length_is_not_known),
        cmocka_unit_test(test_h1__sends_no_body_to_head_and_with_204),
        cmocka_unit_test(test_h1__refuses_what_is_no_request),
        cmocka_unit_test(test_h1__refuses_large_headers),
        cmocka_unit_test(test_h1__says_not_found),
        cmocka_unit_test(test_h1__notices_a_peer_that_goes_away),
        cmocka_unit_test(test_h1__drains),
        cmocka_unit_test(test_h1__loses_patience),
        cmocka_unit_test(test_h1__receives_large_bodies_in_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
