/*
 * Goal: what exchange.h promises to handlers: reads of exact sizes, back-pressure by not asking,
 * bodies in budgeted memory, deadlines, and safety of late comers.
 * Method: HTTP/1.1 requests on a socket pair, since they are easy to write; the handler's callbacks
 * are recorded.
 */
#include "support/http_rig.h"

#include <pthread.h>

static char memory[100];

static void read_four(struct px_exchange *x)
{
    px_exchange_read(x, memory, 4, PX_IMPATIENT);
}

static void read_on(struct px_exchange *x, size_t size_bytes)
{
    if (size_bytes == 4)
        px_exchange_read(x, memory, 4, PX_IMPATIENT);
    else
        rig_answer_ok(x);
}

static void test_exchange__reads_exact_sizes(void **state)
{
    (void)state;
    rig_set_up();
    rig.on_request = read_four;
    rig.on_read = read_on;
    rig_connect();
    rig_send_text("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n0123456789");
    rig_expect_record("request POST / | read 4 | read 4 | read 2 | close done");
    assert_memory_equal(memory, "89", 2);

    px_buffer_clear(&rig.record); /* and when the bytes come one by one, with an empty last read */
    rig_send_text("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n");
    for (int i = 0; i < 4; i++)
        rig_send("abcd" + i, 1);
    rig_expect_record("request POST / | read 4 | read 0 | close done");
    assert_memory_equal(memory, "abcd", 4);
    rig_tear_down();
}

static void test_exchange__holds_what_was_not_asked_for(void **state)
{
    (void)state;
    rig_set_up();
    rig_connect();
    rig_send_text("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n0123456789");
    assert_int_equal(atomic_load(&rig.budget->used_bytes), 10);
    px_exchange_read(rig.last, memory, 0, PX_IMPATIENT);
    px_exchange_read(rig.last, memory, 7, PX_IMPATIENT);
    assert_memory_equal(memory, "0123456", 7);
    assert_int_equal(atomic_load(&rig.budget->used_bytes), 3);
    px_exchange_read(rig.last, memory, 7, PX_IMPATIENT);
    rig_expect_record("request POST / | read 0 | read 7 | read 3");
    assert_int_equal(atomic_load(&rig.budget->used_bytes), 0);
    rig_tear_down();
}

static void test_exchange__leaves_unwanted_bytes_with_the_peer(void **state)
{
    (void)state;
    static char body[3000000];
    rig_set_up();
    rig_connect();
    rig_send_text("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n");
    while (send(rig.peer, body, sizeof body, MSG_NOSIGNAL) > 0)
        rig_turn();
    assert_true(atomic_load(&rig.budget->used_bytes) <= PX_IO_WORKER_SCRATCH_BYTES);
    assert_false(rig.connection->protocol->wants_input(rig.connection));
    rig_expect_record("request POST /");
    rig_tear_down();
}

static void test_exchange__is_patient_only_when_told(void **state)
{
    (void)state;
    rig_set_up();
    rig_connect();
    rig_send_text("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n");
    px_exchange_read(rig.last, memory, 10, PX_PATIENT);
    rig_wait(100000);
    rig_send_text("0123456789");
    px_exchange_respond_text(rig.last, 200, "text/plain", px_slice_of_string("ok"));
    rig_turn();
    rig_expect_record("request POST / | read 10 | close done");
    rig_tear_down();
}

static void test_exchange__collects_bodies_of_unknown_size(void **state)
{
    (void)state;
    static char body[99000];
    for (size_t i = 0; i < sizeof body; i++)
        body[i] = (char)(i % 251);
    rig_set_up();
    rig.on_request = rig_collect; /* up to 100,000 */
    rig.on_body = rig_echo;
    rig_connect();
    rig_send_text("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 9; i++) {
        rig_send_text("2af8\r\n");
        rig_send(body + 11000 * i, 11000);
        rig_send_text("\r\n");
    }
    rig_send_text("0\r\n\r\n");
    rig_expect_record("request POST / | body complete 99000 | close done");
    assert_memory_equal(rig.received.data + rig.received.size_bytes - sizeof body, body,
                        sizeof body);
    rig_tear_down();
}

static void test_exchange__collects_up_to_its_limit(void **state)
{
    (void)state;
    static char body[100001];
    memset(body, 'x', sizeof body);
    rig_set_up();
    rig.on_request = rig_collect;
    rig.on_body = rig_echo;
    rig_connect();
    rig_send_text("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n186a0\r\n");
    rig_send(body, 100000);
    rig_send_text("\r\n0\r\n\r\n"); /* just the limit */
    rig_send_text("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n186a1\r\n");
    rig_send(body, 100001); /* one more */
    rig_expect_record("request POST / | body complete 100000 | close done | "
                      "request POST / | body too large | close done");
    assert_true(rig_was_received("HTTP/1.1 413 Content Too Large"));
    rig_tear_down();

    rig_set_up(); /* announced: refused before a byte of it came */
    rig.on_request = rig_collect;
    rig.on_body = rig_echo;
    rig_connect();
    rig_send_text("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100001\r\n\r\n");
    rig_expect_record("request POST / | body too large | close done");
    assert_true(rig_was_received("over the limit of 100000"));
    rig_tear_down();
}

static void receive_8(struct px_exchange *x)
{
    px_exchange_receive(x, 8);
}

static void test_exchange__says_when_the_body_is_cut_short(void **state)
{
    (void)state;
    rig_set_up();
    rig.on_request = receive_8;
    rig.on_body = rig_echo;
    rig_connect();
    rig_send_text("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
    rig_expect_record("request POST / | body cut short | close done");
    assert_true(rig_was_received("the body ended after 5 of 8 bytes"));
    rig_tear_down();
}

static void test_exchange__waits_for_the_budget(void **state)
{
    (void)state;
    rig_set_up();
    rig.on_request = receive_8;
    rig.on_body = rig_echo;
    rig_connect();
    assert_true(px_budget_reserve(rig.budget, 1 << 20));
    rig_send_text("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\n01234567");
    rig_expect_record("request POST /");
    px_budget_return(rig.budget, 1 << 20);
    rig_turn();
    rig_expect_record("request POST / | body complete 8 | close done");

    px_buffer_clear(&rig.record); /* in vain */
    assert_true(px_budget_reserve(rig.budget, 1 << 20));
    rig_send_text("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\n01234567");
    rig_wait(6000);
    rig_expect_record("request POST / | body no room | close done");
    assert_true(rig_was_received("the server holds requests of 1048576 bytes already"));
    px_budget_return(rig.budget, 1 << 20);
    rig_tear_down();
}

static void test_exchange__may_die_while_it_waits_for_the_budget(void **state)
{
    (void)state;
    for (int granted_first = 0; granted_first < 2; granted_first++) {
        rig_set_up();
        rig.on_request = receive_8;
        rig_connect();
        assert_true(px_budget_reserve(rig.budget, 1 << 20));
        rig_send_text("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\n");
        if (granted_first)
            px_budget_return(rig.budget, 1 << 20); /* the grant is posted, and not taken yet */
        px_connection__close(rig.connection, PX_CLOSE_PEER_GONE);
        if (!granted_first)
            px_budget_return(rig.budget, 1 << 20);
        rig_turn();
        rig_expect_record("request POST / | close peer gone");
        rig_tear_down();
    }
}

static void receive_too_much(struct px_exchange *x)
{
    px_exchange_receive(x, (1 << 20) + 1);
}

static void test_exchange__refuses_what_never_fits_the_budget(void **state)
{
    (void)state;
    rig_set_up();
    rig.on_request = receive_too_much;
    rig.on_body = rig_echo;
    rig_connect();
    rig_send_text("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n");
    rig_expect_record("request POST / | body no room | close done");
    rig_tear_down();
}

static void test_exchange__calls_at_the_deadline(void **state)
{
    (void)state;
    rig_set_up();
    rig_connect();
    rig_send_text("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    int64_t at_ms = px_exchange_now_ms(rig.last) + 500;
    px_exchange_set_deadline(rig.last, at_ms);
    assert_int_equal(px_exchange_deadline(rig.last), at_ms);
    rig_wait(400);
    rig_expect_record("request GET /");
    rig_wait(600);
    rig_expect_record("request GET / | deadline | close done");
    assert_true(rig_was_received("HTTP/1.1 504 Gateway Timeout"));

    rig_send_text("GET / HTTP/1.1\r\nHost: x\r\n\r\n"); /* taken back by the end */
    px_exchange_set_timeout(rig.last, 500); /* never early: 500 ms of which the clock saw the end */
    assert_int_equal(px_exchange_deadline(rig.last), px_exchange_now_ms(rig.last) + 501);
    rig_answer_ok(rig.last);
    rig_turn();
    rig_wait(1000);
    rig_expect_record("request GET / | deadline | close done | request GET / | close done");
    rig_tear_down();
}

static int releases;

static void count_release(void *context)
{
    (void)context;
    releases++;
}

static void test_exchange__takes_late_answers_quietly(void **state)
{
    (void)state;
    rig_set_up();
    rig_connect();
    rig_send_text("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\n");
    struct px_exchange *x = rig.last;
    px_exchange_hold(x);
    px_connection__close(rig.connection, PX_CLOSE_PEER_GONE);
    rig_turn();
    assert_false(px_exchange_is_open(x));
    releases = 0;
    struct proximadb_buffer body = {.data = "x", .size_bytes = 1, .release = count_release};
    px_exchange_respond(x, 200, NULL, 0, &body);
    assert_null(body.release);
    px_exchange_start(x, 200, NULL, 0, false);
    body = (struct proximadb_buffer){.data = "x", .size_bytes = 1, .release = count_release};
    px_exchange_send(x, &body);
    px_exchange_send_copy(x, "x", 1);
    px_exchange_finish(x, NULL, 0);
    px_exchange_read(x, memory, 1, PX_IMPATIENT);
    px_exchange_receive(x, 1);
    px_exchange_collect(x, 1);
    px_exchange_set_deadline(x, 1);
    px_exchange_reset(x);
    assert_int_equal(releases, 2);
    assert_string_equal(px_exchange_peer(x), "?"); /* the connection is gone, its memory is not */
    rig_expect_record("request POST / | close peer gone");
    assert_int_equal(rig.worker.exchange_count, 1);
    px_exchange_drop(x);
    assert_int_equal(rig.worker.exchange_count, 0);
    rig_tear_down();
}

struct work {
    struct px_task task;
    struct px_exchange *x;
};

static void finish_work(struct px_task *task)
{
    struct work *work = (struct work *)task;
    rig_answer_ok(work->x);
    px_exchange_drop(work->x);
}

static void *do_work(void *context)
{
    struct work *work = context;
    px_exchange_post(work->x, &work->task);
    return NULL;
}

static void test_exchange__takes_posts_from_other_threads(void **state)
{
    (void)state;
    rig_set_up();
    rig_connect();
    rig_send_text("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    struct work work = {.task = {.run = finish_work}, .x = rig.last};
    pthread_t thread;
    px_exchange_hold(rig.last);
    assert_int_equal(pthread_create(&thread, NULL, do_work, &work), 0);
    pthread_join(thread, NULL);
    rig_turn();
    rig_expect_record("request GET / | close done");
    assert_true(rig_was_received("\r\n\r\nok"));
    rig_tear_down();
}

static int pieces_left;

static void send_piece(struct px_exchange *x)
{
    if (pieces_left-- > 0)
        px_exchange_send_copy(x, "piece", 5);
    else
        px_exchange_finish(x, NULL, 0);
}

static void start_pieces(struct px_exchange *x)
{
    px_exchange_start(x, 200, NULL, 0, false);
    pieces_left = 3;
    send_piece(x);
}

static void test_exchange__asks_for_more_when_everything_is_sent(void **state)
{
    (void)state;
    rig_set_up();
    rig.on_request = start_pieces;
    rig.on_sent = send_piece;
    rig_connect();
    rig_send_text("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    rig_expect_record("request GET / | sent | sent | sent | close done");
    assert_true(rig_was_received("5\r\npiece\r\n5\r\npiece\r\n5\r\npiece\r\n0\r\n\r\n"));
    rig_tear_down();
}

static void test_exchange__gives_up_on_a_peer_that_takes_nothing(void **state)
{
    (void)state;
    rig_set_up();
    rig_connect();
    rig_send_text("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    struct proximadb_buffer body = {.size_bytes = 8 << 20};
    body.context = calloc(1, body.size_bytes);
    body.data = body.context;
    body.release = free;
    px_exchange_respond(rig.last, 200, NULL, 0, &body);
    px_loop_turn(&rig.worker.loop, 0); /* the peer does not read */
    rig.worker.loop.now_ms += 61000;
    px_timers_run(&rig.worker.loop.timers, rig.worker.loop.now_ms);
    assert_null(rig.worker.connections);
    rig_tear_down();
}

/* Reads as the peer, with as many turns as it takes. */
static void take(size_t size_bytes)
{
    static char bytes[65536];
    while (size_bytes > 0) {
        size_t most = size_bytes < sizeof bytes ? size_bytes : sizeof bytes;
        ssize_t got = read(rig.peer, bytes, most);
        size_bytes -= got > 0 ? (size_t)got : 0;
        px_loop_turn(&rig.worker.loop, 0);
    }
}

/* 90 s after the answer was begun, and 40 s after the peer last took of it: 3 MB are worth that. */
static void test_exchange__gives_up_on_a_peer_that_dribbles(void **state)
{
    (void)state;
    for (int is_slow = 0; is_slow < 2; is_slow++) {
        rig_set_up();
        rig_connect();
        rig_send_text("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        struct proximadb_buffer body = {.size_bytes = 8 << 20};
        body.data = body.context = calloc(1, body.size_bytes);
        body.release = free;
        px_exchange_respond(rig.last, 200, NULL, 0, &body);
        px_loop_turn(&rig.worker.loop, 0);
        take(is_slow ? 100 : 3000000);
        rig.connection->paced_ms -= 50000;
        rig.worker.loop.now_ms += 40000;
        px_timers_run(&rig.worker.loop.timers, rig.worker.loop.now_ms);
        assert_int_equal(rig.worker.connections == NULL, is_slow);
        rig_tear_down();
    }
}

static void receive_much(struct px_exchange *x)
{
    px_exchange_receive(x, 1000000);
}

/* What was announced buys no time, what has come does: 900,000 bytes are worth 27 s. */
static void test_exchange__gives_up_on_a_peer_that_only_announces(void **state)
{
    static char body[900000];
    (void)state;
    for (int is_silent = 0; is_silent < 2; is_silent++) {
        rig_set_up();
        rig.on_request = receive_much;
        rig_connect();
        rig_send_text("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n");
        if (!is_silent)
            rig_send(body, sizeof body);
        rig_wait(29000);
        rig_expect_record("request POST /");
        rig_wait(33000);
        rig_expect_record(is_silent ? "request POST / | close timeout" : "request POST /");
        rig_wait(60000);
        rig_expect_record("request POST / | close timeout");
        rig_tear_down();
    }
}

static void reset_at_once(struct px_exchange *x)
{
    px_exchange_reset(x);
}

static void test_exchange__resets(void **state)
{
    (void)state;
    rig_set_up();
    rig.on_request = reset_at_once;
    rig_connect();
    rig_send_text("GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n");
    rig_expect_record("request GET / | close reset");
    assert_int_equal(rig.received.size_bytes, 0);
    rig_tear_down();
}

static void test_exchange__writes_the_access_log(void **state)
{
    (void)state;
    rig_set_up();
    rig.on_request = rig_answer_ok;
    rig.config.access_log = true;
    rig_connect();
    rig_send_text("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_non_null(strstr(text_of(&rig.log), "\"GET /a\" HTTP/1.1 200, 0 bytes in, 2 out"));
    rig_tear_down();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exchange__reads_exact_sizes),
        cmocka_unit_test(test_exchange__holds_what_was_not_asked_for),
        cmocka_unit_test(test_exchange__leaves_unwanted_bytes_with_the_peer),
        cmocka_unit_test(test_exchange__is_patient_only_when_told),
        cmocka_unit_test(test_exchange__collects_bodies_of_unknown_size),
        cmocka_unit_test(test_exchange__collects_up_to_its_limit),
        cmocka_unit_test(test_exchange__says_when_the_body_is_cut_short),
        cmocka_unit_test(test_exchange__waits_for_the_budget),
        cmocka_unit_test(test_exchange__may_die_while_it_waits_for_the_budget),
        cmocka_unit_test(test_exchange__refuses_what_never_fits_the_budget),
        cmocka_unit_test(test_exchange__calls_at_the_deadline),
        cmocka_unit_test(test_exchange__takes_late_answers_quietly),
        cmocka_unit_test(test_exchange__takes_posts_from_other_threads),
        cmocka_unit_test(test_exchange__asks_for_more_when_everything_is_sent),
        cmocka_unit_test(test_exchange__gives_up_on_a_peer_that_takes_nothing),
        cmocka_unit_test(test_exchange__gives_up_on_a_peer_that_dribbles),
        cmocka_unit_test(test_exchange__gives_up_on_a_peer_that_only_announces),
        cmocka_unit_test(test_exchange__resets),
        cmocka_unit_test(test_exchange__writes_the_access_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
