/*
 * Goal: the engine's answer reaches the exchange that asked, with deadline and cancellation; an
 * exchange that is gone when it comes is no harm.
 * Method: the fake engine answers on its thread, fast, slowly, or only when it is cancelled.
 */
#include "bridge/engine_call.h"

#include "support/fake_engine.h"
#include "support/http_rig.h"

static proximadb *db;
static const char *collection;
static int operation = PROXIMADB_SEARCH;
static size_t answer_limit_bytes = 64 << 20;
static int done_status;
static char done_bytes[64];
static struct px_engine_call *started;

static void on_done(struct px_exchange *x, struct px_engine_call *call)
{
    rig_note("done");
    done_status = call->error.status;
    snprintf(done_bytes, sizeof done_bytes, "%.*s", (int)call->response.size_bytes,
             call->response.data != NULL ? (const char *)call->response.data : "");
    px_exchange_respond(x, 200, NULL, 0, &call->response);
}

static void release_text(void *context)
{
    free(context);
}

static void start(struct px_exchange *x)
{
    char *copy = strdup("payload");
    struct proximadb_request request = {
        .struct_size = sizeof request,
        .operation = operation,
        .collection = collection,
        .collection_size_bytes = strlen(collection),
        .payload = {.data = copy, .size_bytes = 7, .release = release_text, .context = copy},
    };
    started = px_exchange_state(x);
    px_engine_call_start(started, db, x, &request, on_done);
}

static void start_with_deadline(struct px_exchange *x)
{
    px_exchange_set_deadline(x, px_exchange_now_ms(x) + 60000);
    start(x);
}

static void ask(const char *name, void (*on_request)(struct px_exchange *x))
{
    db = fake_engine_open();
    collection = name;
    done_status = -1;
    rig_set_up();
    rig.answers->limit_bytes = answer_limit_bytes;
    rig.on_request = on_request;
    rig_connect();
    rig_send_text("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
}

static void wait_for_answer(void)
{
    struct fake_engine_counts counts;
    do {
        usleep(1000);
        rig_turn();
        fake_engine_counts(db, &counts);
    } while (counts.live > 0 || rig.worker.exchange_count > 0);
}

static void test_engine_call__brings_the_answer_back(void **state)
{
    (void)state;
    ask("docs", start);
    wait_for_answer();
    rig_expect_record("request GET / | done | close done");
    assert_int_equal(done_status, PROXIMADB_OK);
    assert_string_equal(done_bytes, "payload");
    assert_true(rig_was_received("\r\n\r\npayload"));
    fake_engine_close(db);
    rig_tear_down();
}

static void test_engine_call__brings_errors_back(void **state)
{
    (void)state;
    ask("fail-9", start);
    wait_for_answer();
    assert_int_equal(done_status, PROXIMADB_DIMENSION);
    assert_string_equal(done_bytes, "");
    fake_engine_close(db);
    rig_tear_down();
}

static void test_engine_call__passes_the_deadline_on(void **state)
{
    (void)state;
    struct fake_engine_last last;
    int64_t before_ms = proximadb_now_ms();
    ask("docs", start_with_deadline);
    wait_for_answer();
    fake_engine_last(db, &last);
    assert_true(last.deadline_ms >= before_ms + 59000);
    assert_true(last.deadline_ms <= proximadb_now_ms() + 60000);
    fake_engine_close(db);
    rig_tear_down();
}

static void test_engine_call__cancels_for_a_peer_that_left(void **state)
{
    (void)state;
    struct fake_engine_counts counts;
    ask("never", start);
    rig_expect_record("request GET /");
    px_exchange_hold(rig.last);
    struct px_exchange *x = rig.last;
    px_connection__close(rig.connection, PX_CLOSE_PEER_GONE);
    px_engine_call_cancel(started); /* as a handler does in on_close */
    px_engine_call_cancel(started);
    px_exchange_drop(x);
    wait_for_answer();
    rig_expect_record("request GET / | close peer gone");
    fake_engine_counts(db, &counts);
    assert_int_equal(counts.cancelled, 1);
    fake_engine_close(db);
    rig_tear_down();
}

static void test_engine_call__drops_an_answer_that_comes_too_late(void **state)
{
    (void)state;
    ask("stuck-30", start);
    px_connection__close(rig.connection, PX_CLOSE_PEER_GONE);
    px_engine_call_cancel(started);
    assert_int_equal(rig.worker.exchange_count, 1); /* held by the call */
    wait_for_answer();
    rig_expect_record("request GET / | close peer gone");
    fake_engine_close(db);
    rig_tear_down();
}

enum { BIG_BYTES = 4000000 }; /* more than a socket takes at a time */

/* Turns without reading what is sent. */
static void wait_until_done(void)
{
    while (done_status < 0) {
        usleep(1000);
        px_loop_turn(&rig.worker.loop, 0);
    }
}

static void test_engine_call__counts_answers_until_they_are_sent(void **state)
{
    (void)state;
    ask("big-4000000", start);
    wait_until_done();
    assert_int_equal(atomic_load(&rig.answers->used_bytes), BIG_BYTES);
    assert_int_equal(atomic_load(&rig.budget->used_bytes), 0);
    while (rig.received.size_bytes < BIG_BYTES)
        rig_turn();
    wait_for_answer();
    assert_int_equal(atomic_load(&rig.answers->used_bytes), 0);

    px_buffer_clear(&rig.record); /* or dropped with their connection */
    px_buffer_clear(&rig.received);
    done_status = -1;
    rig_send_text("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    wait_until_done();
    assert_true(atomic_load(&rig.answers->used_bytes) > 0);
    px_connection__close(rig.connection, PX_CLOSE_PEER_GONE);
    wait_for_answer();
    assert_int_equal(atomic_load(&rig.answers->used_bytes), 0);
    fake_engine_close(db);
    rig_tear_down();
}

/* However many have been started at a time, no more is kept than the limit. */
static void test_engine_call__refuses_reads_whose_answers_find_no_room(void **state)
{
    struct fake_engine_counts counts;
    (void)state;
    answer_limit_bytes = BIG_BYTES - 1;
    ask("big-4000000", start); /* when it is done */
    wait_for_answer();
    assert_int_equal(done_status, PROXIMADB_RESOURCE_EXHAUSTED);
    assert_int_equal(atomic_load(&rig.answers->used_bytes), 0);
    px_budget_charge(rig.answers, answer_limit_bytes); /* before it is started */
    done_status = -1;
    rig_send_text("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    wait_for_answer();
    assert_int_equal(done_status, PROXIMADB_RESOURCE_EXHAUSTED);
    fake_engine_counts(db, &counts);
    assert_int_equal(counts.submitted, 1);
    px_budget_return(rig.answers, answer_limit_bytes);
    fake_engine_close(db);
    rig_tear_down();

    operation = PROXIMADB_INSERT; /* what was written is said */
    ask("big-4000000", start);
    wait_for_answer();
    assert_int_equal(done_status, PROXIMADB_OK);
    fake_engine_close(db);
    rig_tear_down();
    answer_limit_bytes = 64 << 20;
    operation = PROXIMADB_SEARCH;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_engine_call__brings_the_answer_back),
        cmocka_unit_test(test_engine_call__brings_errors_back),
        cmocka_unit_test(test_engine_call__passes_the_deadline_on),
        cmocka_unit_test(test_engine_call__cancels_for_a_peer_that_left),
        cmocka_unit_test(test_engine_call__drops_an_answer_that_comes_too_late),
        cmocka_unit_test(test_engine_call__counts_answers_until_they_are_sent),
        cmocka_unit_test(test_engine_call__refuses_reads_whose_answers_find_no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
