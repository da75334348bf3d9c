/*
 * Goal: draining reaches every connection and exchange, aborting ends them all, idleness is reported
 * exactly then, and dates are right.
 * Method: connections on socket pairs in different states.
 */
#define _GNU_SOURCE /* strptime, timegm */
#include "support/http_rig.h"

#include <time.h>

static int idle_calls;

static void count_idle(struct px_io_worker *worker)
{
    (void)worker;
    idle_calls++;
}

static void test_io_worker__reports_idle_when_nothing_is_left(void **state)
{
    (void)state;
    rig_set_up();
    rig.worker.on_idle = count_idle;
    idle_calls = 0;
    rig_connect();
    rig_send_text("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    struct px_exchange *x = rig.last;
    px_exchange_hold(x);
    px_io_worker_drain(&rig.worker);
    assert_int_equal(idle_calls, 0);
    px_io_worker_abort(&rig.worker);
    rig_turn();
    assert_int_equal(idle_calls, 0); /* somebody holds the exchange still */
    px_exchange_drop(x);
    assert_true(idle_calls > 0);
    rig_expect_record("request GET / | drain | close shutdown");
    rig_tear_down();
}

static void test_io_worker__turns_newcomers_away_while_draining(void **state)
{
    (void)state;
    rig_set_up();
    px_io_worker_drain(&rig.worker);
    rig_connect();
    rig_turn();
    assert_true(rig.connection->is_lingering);
    rig_tear_down();
}

static void finish_both(struct px_exchange *x)
{
    (void)x;
    while (rig.connection->exchanges != NULL)
        px_exchange_reset(rig.connection->exchanges);
}

/* Two streams of HTTP/2, by hand: GET /. */
static const uint8_t two_requests[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                                      "\0\0\0\4\0\0\0\0\0"
                                      "\0\0\6\1\5\0\0\0\1\x82\x86\x84\x41\1x"
                                      "\0\0\6\1\5\0\0\0\3\x82\x86\x84\x41\1x";

static void test_io_worker__drains_though_handlers_close_exchanges(void **state)
{
    (void)state;
    rig_set_up();
    rig.handler.on_drain = finish_both;
    rig_connect();
    rig_send(two_requests, sizeof two_requests - 1);
    assert_int_equal(rig.worker.exchange_count, 2);
    px_io_worker_drain(&rig.worker);
    rig_turn();
    assert_int_equal(rig.worker.exchange_count, 0);
    rig_tear_down();
}

static void test_io_worker__knows_the_date(void **state)
{
    (void)state;
    rig_set_up();
    rig_connect();
    struct tm parsed = {0};
    const char *date = px_io_worker_date(&rig.worker);
    assert_int_equal(strlen(date), 29);
    assert_non_null(strptime(date, "%a, %d %b %Y %H:%M:%S GMT", &parsed));
    double seconds = difftime(time(NULL), timegm(&parsed));
    assert_true(seconds >= -1 && seconds <= 5);
    assert_ptr_equal(px_io_worker_date(&rig.worker), date);
    rig_tear_down();
}

static size_t count_lines(void)
{
    size_t count = 0;
    for (const char *at = text_of(&rig.log); (at = strchr(at, '\n')) != NULL; at++)
        count++;
    return count;
}

/* Connections that fail are no way to fill a disk. */
static void test_io_worker__complains_once_a_second(void **state)
{
    (void)state;
    rig_set_up();
    for (int i = 0; i < 50; i++) {
        rig_connect();
        px_connection__end(rig.connection, "for a reason");
        px_connection__close(rig.connection, PX_CLOSE_RESET);
        close(rig.peer);
    }
    assert_int_equal(count_lines(), 1);
    assert_non_null(strstr(text_of(&rig.log), "connection ended: for a reason\n"));
    assert_int_equal(rig.worker.stats.connections_failed, 50);
    rig.worker.loop.now_ms += 1000;
    px_io_worker_complain(&rig.worker, "peer", "number %d", 7);
    px_io_worker_complain(&rig.worker, "peer", "number %d", 8);
    assert_null(strstr(text_of(&rig.log), "number 8"));
    rig.worker.loop.now_ms += 1000;
    px_io_worker_complain(&rig.worker, "peer", "number %d", 9);
    assert_non_null(strstr(text_of(&rig.log), "number 7 (and 49 more since the last such line)"));
    assert_non_null(strstr(text_of(&rig.log), "peer: number 9 (and 1 more since"));
    rig_connect();
    rig_tear_down();
}

static void test_io_worker__checks_limits(void **state)
{
    (void)state;
    struct proximadb_error error;
    struct px_http_limits limits = px_http_limits_default;
    assert_int_equal(px_http_limits_check(&limits, &error), PROXIMADB_OK);
    limits.window_bytes = 65534;
    assert_int_equal(px_http_limits_check(&limits, &error), PROXIMADB_INVALID);
    assert_string_equal(error.message, "the limit window_bytes is 65534, not 65535 to 1073741824");
    limits = px_http_limits_default;
    limits.idle_timeout_ms = -1;
    assert_int_equal(px_http_limits_check(&limits, &error), PROXIMADB_INVALID);
    limits = px_http_limits_default;
    limits.connection_count = 0;
    assert_int_equal(px_http_limits_check(&limits, &error), PROXIMADB_INVALID);
}

static void test_io_worker__sums_counters(void **state)
{
    (void)state;
    struct px_http_stats a = {0};
    struct px_http_stats sum = {0};
    px_http_count(&a.requests, 3);
    px_http_count(&a.body_copied_bytes, 5);
    px_http_stats_add(&sum, &a);
    px_http_stats_add(&sum, &a);
    assert_int_equal(sum.requests, 6);
    assert_int_equal(sum.body_copied_bytes, 10);
    assert_int_equal(sum.sent_bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_io_worker__reports_idle_when_nothing_is_left),
        cmocka_unit_test(test_io_worker__turns_newcomers_away_while_draining),
        cmocka_unit_test(test_io_worker__drains_though_handlers_close_exchanges),
        cmocka_unit_test(test_io_worker__knows_the_date),
        cmocka_unit_test(test_io_worker__complains_once_a_second),
        cmocka_unit_test(test_io_worker__checks_limits),
        cmocka_unit_test(test_io_worker__sums_counters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
