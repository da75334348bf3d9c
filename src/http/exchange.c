#include "http/exchange.h"

#include "http/http_internal.h"

#include <assert.h>
#include <stdlib.h>

enum {
    FREE_EXCHANGES_KEPT = 256,
    FREE_HEADER_BYTES = 4 << 10, /* of a request, that the budget does not count */
};

static const struct px_handler quiet_handler; /* before there is a route, and for lost causes */

/* ---- life ---------------------------------------------------------------------------------- */

/* Forgets everything but the memory that the next request can use, too. */
static void reset_exchange(struct px_exchange *x)
{
    struct px_headers headers = x->headers;
    struct px_headers trailers = x->trailers;
    struct px_buffer held = x->held;
    struct px_send_queue output = x->output;
    *x = (struct px_exchange){
        .headers = headers, .trailers = trailers, .held = held, .output = output};
}

static void on_deadline_timer(struct px_timer *timer)
{
    struct px_exchange *x =
        (struct px_exchange *)((char *)timer - offsetof(struct px_exchange, deadline));
    px_exchange_hold(x);
    if (x->handler->on_deadline != NULL)
        x->handler->on_deadline(x);
    else
        px_exchange_reset(x);
    px_exchange_drop(x);
}

static void link_exchange(struct px_exchange *x, struct px_connection *connection)
{
    x->next = connection->exchanges;
    x->link = &connection->exchanges;
    if (x->next != NULL)
        x->next->link = &x->next;
    connection->exchanges = x;
}

static void unlink_exchange(struct px_exchange *x)
{
    *x->link = x->next;
    if (x->next != NULL)
        x->next->link = x->link;
    x->next = NULL;
    x->link = NULL;
}

struct px_exchange *px_exchange__new(struct px_connection *connection)
{
    struct px_io_worker *worker = connection->worker;
    if (worker->exchange_count >= PX_MOST_EXCHANGES)
        return NULL;
    struct px_exchange *x = worker->free_exchanges;
    if (x != NULL) {
        worker->free_exchanges = x->next;
        worker->free_exchange_count--;
    } else {
        x = calloc(1, sizeof *x);
        if (x == NULL)
            return NULL;
    }
    reset_exchange(x);
    x->worker = worker;
    x->connection = connection;
    x->handler = &quiet_handler;
    x->hold_count = 1;
    x->content_length = -1;
    x->started_ms = px_loop_now_ms(&worker->loop);
    x->deadline.fire = on_deadline_timer;
    link_exchange(x, connection);
    connection->exchange_count++;
    connection->had_request = true;
    worker->exchange_count++;
    px_http_count(&worker->stats.requests, 1);
    return x;
}

void px_exchange__free(struct px_exchange *x)
{
    px_headers_release(&x->headers);
    px_headers_release(&x->trailers);
    px_buffer_release(&x->held);
    px_send_queue_release(&x->output);
    free(x);
}

/* Large header fields are request bytes like a body's: a peer with many streams could hold
 * megabytes of them. False if there is no room. */
static bool reserve_headers(struct px_exchange *x)
{
    size_t size = x->headers.text.size_bytes;
    if (size <= FREE_HEADER_BYTES)
        return true;
    if (!px_budget_reserve(x->worker->budget, size))
        return false;
    x->header_reserved_bytes = size;
    return true;
}

static void return_headers(struct px_exchange *x)
{
    if (x->header_reserved_bytes > 0)
        px_budget_return(x->worker->budget, x->header_reserved_bytes);
    x->header_reserved_bytes = 0;
}

/* Nobody holds the exchange any more. */
static void recycle(struct px_exchange *x)
{
    struct px_io_worker *worker = x->worker;
    assert(x->is_closed);
    px_connection__forget_exchange(x->connection);
    worker->exchange_count--;
    return_headers(x);
    px_headers_clear(&x->headers);
    px_headers_clear(&x->trailers);
    px_buffer_release(&x->held);
    if (worker->free_exchange_count < FREE_EXCHANGES_KEPT) {
        x->next = worker->free_exchanges;
        worker->free_exchanges = x;
        worker->free_exchange_count++;
    } else {
        px_exchange__free(x);
    }
    px_io_worker_check_idle(worker);
}

void px_exchange_hold(struct px_exchange *exchange)
{
    exchange->hold_count++;
}

void px_exchange_drop(struct px_exchange *exchange)
{
    assert(exchange->hold_count > 0);
    if (--exchange->hold_count == 0)
        recycle(exchange);
}

void px_exchange_post(struct px_exchange *exchange, struct px_task *task)
{
    px_loop_post(&exchange->worker->loop, task);
}

/* ---- opening and closing ------------------------------------------------------------------- */

static struct px_slice pseudo_header(const struct px_exchange *x, const char *name)
{
    struct px_slice value;
    px_headers_find(&x->headers, name, &value);
    return value;
}

static void split_target(struct px_exchange *x)
{
    x->path = pseudo_header(x, ":path");
    if (x->path.size_bytes == 0)
        return;
    const uint8_t *mark = memchr(x->path.data, '?', x->path.size_bytes);
    if (mark == NULL)
        return;
    size_t path_bytes = (size_t)(mark - x->path.data);
    x->query = px_slice_of(mark + 1, x->path.size_bytes - path_bytes - 1);
    x->path.size_bytes = path_bytes;
}

/* Decimal digits only, and no more than an int64_t holds; -1 otherwise. */
static int64_t parse_length(struct px_slice text)
{
    int64_t value = 0;
    if (text.size_bytes == 0 || text.size_bytes > 18)
        return -1;
    for (size_t i = 0; i < text.size_bytes; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return -1;
        value = 10 * value + (text.data[i] - '0');
    }
    return value;
}

void px_exchange__refuse(struct px_exchange *x, int status, const char *text)
{
    px_exchange_respond_text(x, status, "text/plain; charset=utf-8", px_slice_of_string(text));
}

void px_exchange__ready(struct px_exchange *x)
{
    const struct px_http_config *config = x->worker->config;
    x->is_ready = true;
    x->method = pseudo_header(x, ":method");
    x->is_head = px_slice_equal(x->method, px_slice_of_string("HEAD"));
    split_target(x);
    x->content_length = parse_length(pseudo_header(x, "content-length"));
    if (x->headers.too_large) {
        px_exchange__refuse(x, 431, "the header fields are larger than the server takes\n");
        return;
    }
    if (x->headers.no_memory) {
        px_exchange_reset(x);
        return;
    }
    if (!reserve_headers(x)) {
        px_exchange__refuse(x, 503,
                            "the server has no room for the header fields; try again later\n");
        return;
    }
    const struct px_route *route = px_route_find(config->routes, config->route_count, x);
    x->handler = route != NULL ? route->handler : &px_route_not_found;
    x->context = route != NULL ? route->context : NULL;
    if (x->handler->on_request != NULL)
        x->handler->on_request(x);
}

static void return_held(struct px_exchange *x)
{
    size_t held = px_exchange__held_bytes(x);
    if (held > 0) {
        px_budget_return(x->worker->budget, held);
        x->connection->body_held_bytes -= held;
    }
    px_buffer_clear(&x->held);
    x->held_taken_bytes = 0;
}

static void stop_reading(struct px_exchange *x)
{
    if (x->is_reading)
        x->connection->body_wanted_bytes -= x->read_left_bytes;
    x->is_reading = false;
    x->read_left_bytes = 0;
}

bool px_exchange_stay(struct px_exchange *exchange)
{
    struct px_exchange *x = exchange;
    if (x->is_closed || x->is_staying)
        return true;
    if (x->connection->staying_count >= PX_MOST_STAYING ||
        x->worker->staying_count >= PX_MOST_STAYING_IN_ALL)
        return false;
    x->is_staying = true;
    x->connection->staying_count++;
    x->worker->staying_count++;
    return true;
}

static void stop_staying(struct px_exchange *x)
{
    if (!x->is_staying)
        return;
    x->is_staying = false;
    x->connection->staying_count--;
    x->worker->staying_count--;
}

static void log_access(const struct px_exchange *x, enum px_close_reason reason)
{
    static const char *const reasons[] = {
        [PX_CLOSE_DONE] = "done",         [PX_CLOSE_PEER_GONE] = "peer gone",
        [PX_CLOSE_RESET] = "reset",       [PX_CLOSE_TIMEOUT] = "too slow",
        [PX_CLOSE_SHUTDOWN] = "shutdown",
    };
    if (!x->worker->config->access_log || !x->is_ready)
        return;
    px_log_write(px_exchange_log(x), PROXIMADB_LOG_INFO,
                 "%s \"%.*s %.*s\" %s %d, %llu bytes in, %llu out, %lld ms, %s",
                 x->connection->peer, (int)x->method.size_bytes, (const char *)x->method.data,
                 (int)x->path.size_bytes, (const char *)x->path.data,
                 px_exchange_is_http2(x) ? "HTTP/2" : "HTTP/1.1", x->status,
                 (unsigned long long)x->body_bytes, (unsigned long long)x->sent_bytes,
                 (long long)(px_exchange_now_ms(x) - x->started_ms), reasons[reason]);
}

void px_exchange__close(struct px_exchange *x, enum px_close_reason reason)
{
    if (x->is_closed)
        return;
    x->is_closed = true;
    x->connection->idle_ms = px_exchange_now_ms(x);
    unlink_exchange(x);
    px_loop_clear_timer(&x->worker->loop, &x->deadline);
    px_body__cancel(x);
    stop_reading(x);
    stop_staying(x);
    return_held(x);
    px_send_queue_abandon(&x->output, &x->connection->output);
    if (reason != PX_CLOSE_DONE)
        px_http_count(&x->worker->stats.requests_cancelled, 1);
    log_access(x, reason);
    if (x->handler->on_close != NULL)
        x->handler->on_close(x, reason);
    px_exchange_drop(x);
}

/* ---- the request --------------------------------------------------------------------------- */

struct px_slice px_exchange_method(const struct px_exchange *exchange)
{
    return exchange->method;
}

struct px_slice px_exchange_path(const struct px_exchange *exchange)
{
    return exchange->path;
}

struct px_slice px_exchange_query(const struct px_exchange *exchange)
{
    return exchange->query;
}

const struct px_headers *px_exchange_headers(const struct px_exchange *exchange)
{
    return &exchange->headers;
}

bool px_exchange_header(const struct px_exchange *exchange, const char *name,
                        struct px_slice *ret_value)
{
    return px_headers_find(&exchange->headers, name, ret_value);
}

int64_t px_exchange_content_length(const struct px_exchange *exchange)
{
    return exchange->content_length;
}

bool px_exchange_is_http2(const struct px_exchange *exchange)
{
    return exchange->connection->protocol->is_http2;
}

const char *px_exchange_peer(const struct px_exchange *exchange)
{
    return exchange->connection->peer;
}

void *px_exchange_state(struct px_exchange *exchange)
{
    return exchange->state;
}

void *px_exchange_context(const struct px_exchange *exchange)
{
    return exchange->context;
}

int64_t px_exchange_now_ms(const struct px_exchange *exchange)
{
    return px_loop_now_ms(&exchange->worker->loop);
}

const struct px_log *px_exchange_log(const struct px_exchange *exchange)
{
    return &exchange->worker->config->log;
}

struct px_budget *px_exchange_budget(const struct px_exchange *exchange)
{
    return exchange->worker->budget;
}

struct px_budget *px_exchange_answers(const struct px_exchange *exchange)
{
    return exchange->worker->answers;
}

bool px_exchange_is_local(const struct px_exchange *exchange)
{
    return exchange->worker->config->is_local;
}

bool px_exchange_is_open(const struct px_exchange *exchange)
{
    return !exchange->is_closed && !exchange->is_finished;
}

bool px_exchange_is_alone(const struct px_exchange *exchange)
{
    const struct px_io_worker *worker = exchange->worker;
    return worker->exchange_count <= worker->staying_count + (size_t)1;
}

bool px_exchange_is_draining(const struct px_exchange *exchange)
{
    return exchange->worker->is_draining;
}

void px_exchange_set_deadline(struct px_exchange *exchange, int64_t at_ms)
{
    if (exchange->is_closed)
        return;
    if (at_ms != 0)
        px_loop_set_timer(&exchange->worker->loop, &exchange->deadline, at_ms);
    else
        px_loop_clear_timer(&exchange->worker->loop, &exchange->deadline);
}

/* The clock counts whole milliseconds, rounded down: the one under way may be all but over. */
void px_exchange_set_timeout(struct px_exchange *exchange, int64_t timeout_ms)
{
    px_exchange_set_deadline(exchange, px_exchange_now_ms(exchange) + timeout_ms + 1);
}

int64_t px_exchange_deadline(const struct px_exchange *exchange)
{
    return exchange->deadline.is_set ? exchange->deadline.at_ms : 0;
}

/* ---- the body ------------------------------------------------------------------------------ */

/* Tells the handler that its read is over. */
static void complete_read(struct px_exchange *x)
{
    size_t stored = x->read_size_bytes - x->read_left_bytes;
    stop_reading(x);
    x->read_done(x, stored);
}

/* Stores body bytes where the read under way wants them; returns how many it took. */
static size_t store(struct px_exchange *x, const uint8_t *data, size_t size_bytes)
{
    size_t part = size_bytes < x->read_left_bytes ? size_bytes : x->read_left_bytes;
    if (part > 0 && data != x->read_at) {
        memmove(x->read_at, data, part); /* data may lie further on in the same memory */
        px_http_count(&x->worker->stats.body_copied_bytes, part);
    }
    x->read_at += part;
    x->read_left_bytes -= part;
    x->connection->body_wanted_bytes -= part;
    return part;
}

static void take_held(struct px_exchange *x)
{
    size_t part = store(x, x->held.data + x->held_taken_bytes, px_exchange__held_bytes(x));
    x->held_taken_bytes += part;
    x->connection->body_held_bytes -= part;
    px_budget_return(x->worker->budget, part);
    if (px_exchange__held_bytes(x) == 0)
        return_held(x);
}

static void keep(struct px_exchange *x, const uint8_t *data, size_t size_bytes)
{
    px_buffer_append(&x->held, data, size_bytes);
    if (x->held.status != PROXIMADB_OK) {
        px_exchange_reset(x);
        return;
    }
    px_budget_charge(x->worker->budget, size_bytes);
    px_http_count(&x->worker->stats.body_copied_bytes, size_bytes);
    x->connection->body_held_bytes += size_bytes;
}

/* Completes reads with what is here, and asks the protocol for the rest of the last one. */
static void settle(struct px_exchange *x)
{
    while (x->is_reading && !x->is_closed) {
        if (px_exchange__held_bytes(x) > 0)
            take_held(x);
        if (x->read_left_bytes > 0 && !x->body_ended)
            break;
        complete_read(x);
    }
    x->is_delivering = false;
    if (x->is_reading && !x->is_closed && !x->is_asked) {
        x->is_asked = true;
        x->connection->protocol->want_body(x);
    }
}

void px_exchange__read(struct px_exchange *x, void *destination, size_t size_bytes,
                       enum px_patience patience,
                       void (*done)(struct px_exchange *x, size_t size_bytes))
{
    if (x->is_closed)
        return;
    assert(!x->is_reading);
    x->read_at = destination;
    x->read_size_bytes = x->read_left_bytes = size_bytes;
    x->read_started_ms = px_exchange_now_ms(x);
    x->read_done = done;
    x->is_patient = patience == PX_PATIENT;
    x->is_reading = true;
    x->is_asked = false;
    x->connection->body_wanted_bytes += size_bytes;
    if (x->is_delivering)
        return; /* whoever delivers goes on with this read */
    x->is_delivering = true;
    px_exchange_hold(x);
    settle(x);
    px_exchange_drop(x);
}

static void tell_handler(struct px_exchange *x, size_t size_bytes)
{
    if (x->handler->on_read != NULL)
        x->handler->on_read(x, size_bytes);
}

void px_exchange_read(struct px_exchange *exchange, void *destination, size_t size_bytes,
                      enum px_patience patience)
{
    px_exchange__read(exchange, destination, size_bytes, patience, tell_handler);
}

void px_exchange__deliver(struct px_exchange *x, const uint8_t *data, size_t size_bytes)
{
    if (x->is_closed)
        return;
    x->body_bytes += size_bytes;
    px_http_count(&x->worker->stats.body_bytes, size_bytes);
    if (x->is_finished)
        return; /* answered before the body was wanted: nobody will ask for it */
    px_exchange_hold(x);
    x->is_delivering = true;
    while (size_bytes > 0 && x->is_reading && !x->is_closed) {
        size_t part = store(x, data, size_bytes);
        data += part;
        size_bytes -= part;
        if (x->read_left_bytes == 0)
            complete_read(x);
    }
    if (size_bytes > 0 && !x->is_closed)
        keep(x, data, size_bytes);
    settle(x);
    px_exchange_drop(x);
}

void px_exchange__end_body(struct px_exchange *x)
{
    if (x->is_closed || x->body_ended)
        return;
    x->body_ended = true;
    if (x->is_delivering)
        return;
    x->is_delivering = true;
    px_exchange_hold(x);
    settle(x);
    px_exchange_drop(x);
}

/* ---- slowness ------------------------------------------------------------------------------ */

/* Only what has come buys time: a peer that announces much and sends nothing holds its memory no
 * longer than one that announces little. */
static bool reads_too_slowly(const struct px_exchange *x, int64_t now_ms)
{
    if (!x->is_reading || x->is_patient)
        return false;
    size_t arrived_bytes = x->read_size_bytes - x->read_left_bytes;
    int64_t allowed_ms = x->worker->config->limits.body_timeout_ms +
                         (int64_t)(arrived_bytes / PX_LOWEST_RATE_BYTES) * 1000;
    return now_ms - x->read_started_ms > allowed_ms;
}

/* A peer may not keep an answer here by taking a byte of it now and then. The streams of a
 * connection share the lowest rate, since they share the line. */
static bool takes_too_slowly(const struct px_exchange *x, int64_t now_ms, size_t sharers)
{
    int64_t timeout_ms = x->worker->config->limits.send_timeout_ms;
    if (x->output.size_bytes == 0)
        return false;
    uint64_t taken_bytes = x->sent_bytes - x->waiting_at;
    int64_t earned_ms = (int64_t)(taken_bytes * sharers / PX_LOWEST_RATE_BYTES) * 1000;
    return now_ms - x->progress_ms > timeout_ms || now_ms - x->waiting_ms > timeout_ms + earned_ms;
}

bool px_exchange__check_time(struct px_exchange *x, int64_t now_ms, size_t sharers)
{
    const struct px_http_limits *limits = &x->worker->config->limits;
    if (!x->is_ready)
        return now_ms - x->started_ms <= limits->header_timeout_ms;
    if (!reads_too_slowly(x, now_ms) && !takes_too_slowly(x, now_ms, sharers))
        return true;
    px_exchange_hold(x);
    x->connection->protocol->reset(x);
    px_exchange__close(x, PX_CLOSE_TIMEOUT);
    px_exchange_drop(x);
    return true;
}
