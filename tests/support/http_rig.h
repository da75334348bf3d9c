/*
 * http_rig: one I/O worker without a thread and one connection on a socket pair, for the tests of
 * src/http. A test writes what a peer sends, turns the loop by hand, and reads what comes back.
 *
 * Requests go to a handler that the test fills in; a record of its callbacks is kept as text:
 *
 *      request GET /path | read 5 | body complete 12 | sent | deadline | drain | close done
 */
#ifndef PX_HTTP_RIG_H
#define PX_HTTP_RIG_H

#include "http/http_internal.h"
#include "support/px_test.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

struct http_rig {
    struct px_http_config config;
    struct px_budget *budget;
    struct px_budget *answers;
    struct px_io_worker worker;
    struct px_route route;
    struct px_handler handler;
    void (*on_request)(struct px_exchange *x);
    void (*on_read)(struct px_exchange *x, size_t size_bytes);
    void (*on_body)(struct px_exchange *x, enum px_body_result result, struct px_message *message,
                    const struct proximadb_error *error);
    void (*on_sent)(struct px_exchange *x);
    struct px_exchange *last; /* the newest request, held if keep_last */
    struct px_connection *connection;
    int peer; /* the test's end of the socket pair */
    struct px_buffer received;
    struct px_buffer record;
    struct px_buffer log;
};

static struct http_rig rig;

static inline void rig_note(const char *text)
{
    px_buffer_append_format(&rig.record, "%s%s", rig.record.size_bytes > 0 ? " | " : "", text);
}

static inline void rig_on_request(struct px_exchange *x)
{
    char text[300];
    struct px_slice method = px_exchange_method(x);
    struct px_slice path = px_exchange_path(x);
    struct px_slice query = px_exchange_query(x);
    snprintf(text, sizeof text, "request %.*s %.*s%s%.*s", (int)method.size_bytes,
             (const char *)method.data, (int)path.size_bytes, (const char *)path.data,
             query.size_bytes > 0 ? "?" : "", (int)query.size_bytes, (const char *)query.data);
    rig_note(text);
    rig.last = x;
    if (rig.on_request != NULL)
        rig.on_request(x);
}

static inline void rig_on_read(struct px_exchange *x, size_t size_bytes)
{
    char text[40];
    snprintf(text, sizeof text, "read %zu", size_bytes);
    rig_note(text);
    if (rig.on_read != NULL)
        rig.on_read(x, size_bytes);
}

static inline void rig_on_body(struct px_exchange *x, enum px_body_result result,
                               struct px_message *message, const struct proximadb_error *error)
{
    static const char *const results[] = {"complete", "too large", "no room", "cut short",
                                          "no memory"};
    char text[60];
    snprintf(text, sizeof text, "body %s", results[result]);
    if (message != NULL)
        snprintf(text, sizeof text, "body %s %zu", results[result], message->size_bytes);
    rig_note(text);
    if (rig.on_body != NULL)
        rig.on_body(x, result, message, error);
    else
        px_message_free(message);
}

static inline void rig_on_sent(struct px_exchange *x)
{
    rig_note("sent");
    if (rig.on_sent != NULL)
        rig.on_sent(x);
}

static inline void rig_on_deadline(struct px_exchange *x)
{
    rig_note("deadline");
    px_exchange_respond_text(x, 504, "text/plain", px_slice_of_string("late"));
}

static inline void rig_on_drain(struct px_exchange *x)
{
    (void)x;
    rig_note("drain");
}

static inline void rig_on_close(struct px_exchange *x, enum px_close_reason reason)
{
    static const char *const reasons[] = {"done", "peer gone", "reset", "timeout", "shutdown"};
    char text[40];
    snprintf(text, sizeof text, "close %s", reasons[reason]);
    rig_note(text);
    if (rig.last == x)
        rig.last = NULL;
}

static inline void rig_log(void *context, int level, const char *line)
{
    (void)context;
    (void)level;
    px_buffer_append_format(&rig.log, "%s\n", line);
}

static inline void rig_connect(void)
{
    int ends[2];
    const struct px_address peer = {0};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    rig.peer = ends[1];
    atomic_fetch_add(&rig.worker.connection_count, 1);
    rig.connection = px_connection__new(&rig.worker, ends[0], &peer);
    assert_non_null(rig.connection);
}

/* Change rig.config between rig_set_up() and rig_connect() if need be. */
static inline void rig_set_up(void)
{
    rig = (struct http_rig){.peer = -1};
    rig.handler = (struct px_handler){
        .on_request = rig_on_request,
        .on_read = rig_on_read,
        .on_body = rig_on_body,
        .on_sent = rig_on_sent,
        .on_deadline = rig_on_deadline,
        .on_drain = rig_on_drain,
        .on_close = rig_on_close,
    };
    rig.route = (struct px_route){.path = "/", .is_prefix = true, .handler = &rig.handler};
    rig.config = (struct px_http_config){
        .limits = px_http_limits_default,
        .routes = &rig.route,
        .route_count = 1,
        .log = {.write = rig_log},
    };
    rig.budget = px_budget_new(1 << 20);
    rig.answers = px_budget_new(64 << 20);
    assert_int_equal(px_io_worker_init(&rig.worker, &rig.config, rig.budget, rig.answers, NULL),
                     PROXIMADB_OK);
}

/* Runs a few turns and takes what the connection wrote. */
static inline void rig_turn(void)
{
    for (int i = 0; i < 3; i++) {
        px_loop_turn(&rig.worker.loop, 0);
        for (;;) {
            uint8_t *room = px_buffer_reserve(&rig.received, 65536);
            ssize_t got = read(rig.peer, room, 65536);
            if (got <= 0)
                break;
            rig.received.size_bytes += (size_t)got;
        }
    }
}

/* Sends as the peer, with as many turns as it takes. */
static inline void rig_send(const void *data, size_t size_bytes)
{
    const uint8_t *at = data;
    for (int idle = 0; size_bytes > 0 && idle < 100; idle++) {
        ssize_t sent = send(rig.peer, at, size_bytes, MSG_NOSIGNAL);
        if (sent > 0) {
            at += sent;
            size_bytes -= (size_t)sent;
            idle = 0;
        }
        rig_turn();
    }
    rig_turn();
}

static inline void rig_send_text(const char *text)
{
    rig_send(text, strlen(text));
}

/* The time passes: timers fire that are due in `ms` milliseconds. */
static inline void rig_wait(int64_t ms)
{
    rig.worker.loop.now_ms += ms;
    px_timers_run(&rig.worker.loop.timers, rig.worker.loop.now_ms);
    rig_turn();
}

static inline const char *text_of(struct px_buffer *buffer)
{
    *(char *)px_buffer_reserve(buffer, 1) = '\0';
    return (const char *)buffer->data;
}

static inline void rig_expect_record(const char *expected)
{
    assert_string_equal(text_of(&rig.record), expected);
}

static inline bool rig_was_received(const char *text)
{
    return strstr(text_of(&rig.received), text) != NULL;
}

/* The peer goes away; everything must be gone then. */
static inline void rig_tear_down(void)
{
    if (rig.peer >= 0)
        close(rig.peer);
    rig_turn();
    px_io_worker_abort(&rig.worker);
    px_loop_turn(&rig.worker.loop, 0);
    assert_int_equal(rig.worker.exchange_count, 0);
    assert_int_equal(atomic_load(&rig.worker.connection_count), 0);
    px_io_worker_release(&rig.worker);
    px_budget_unref(rig.budget); /* asserts that nothing is used */
    px_budget_unref(rig.answers);
    px_buffer_release(&rig.received);
    px_buffer_release(&rig.record);
    px_buffer_release(&rig.log);
}

/* A handler that answers everything with "ok". */
static inline void rig_answer_ok(struct px_exchange *x)
{
    px_exchange_respond_text(x, 200, "text/plain", px_slice_of_string("ok"));
}

static inline void rig_collect(struct px_exchange *x)
{
    px_exchange_collect(x, 100000);
}

/* ... and one that sends a body back. */
static inline void rig_echo(struct px_exchange *x, enum px_body_result result,
                            struct px_message *message, const struct proximadb_error *error)
{
    if (result != PX_BODY_COMPLETE) {
        px_exchange_respond_text(x, 413, "text/plain", px_slice_of_string(error->message));
        return;
    }
    struct proximadb_buffer body = px_message_share(message, px_message_slice(message));
    px_exchange_respond(x, 200, NULL, 0, &body);
}

#endif /* PX_HTTP_RIG_H */
