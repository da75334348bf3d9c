/*
 * grpc_rig: gRPC calls without a network, for the tests of src/rpc: a worker without a thread, and a
 * protocol that is a notebook. A test starts a call with headers, gives it body bytes, and looks at
 * what was answered.
 */
#ifndef PX_GRPC_RIG_H
#define PX_GRPC_RIG_H

#include "http/http_internal.h"
#include "support/px_test.h"

#include <unistd.h>

struct grpc_rig {
    struct px_http_config config;
    struct px_budget *budget;
    struct px_budget *answers;
    struct px_io_worker worker;
    struct px_connection *connection;
    struct px_exchange *x; /* the call; NULL once it is closed */
    bool was_reset;
    bool is_stalled;             /* the peer takes nothing from now on */
    bool stalls_soon;            /* ... once it has taken the next piece */
    size_t largest_output_bytes; /* that waited for the peer at a time */
    struct px_buffer headers;    /* "name: value\n" of the answer, ":status" first */
    struct px_buffer body;
    struct px_buffer trailers;
    struct px_buffer log;
};

static struct grpc_rig rig;

static inline void rig_put_fields(struct px_buffer *text, const struct px_header *headers,
                                  size_t count)
{
    for (size_t i = 0; i < count; i++)
        px_buffer_append_format(text, "%s: %.*s\n", headers[i].name,
                                (int)headers[i].value.size_bytes,
                                (const char *)headers[i].value.data);
}

static inline void rig_start(struct px_exchange *x, const struct px_header *headers, size_t count)
{
    px_buffer_append_format(&rig.headers, ":status: %d\n", x->status);
    rig_put_fields(&rig.headers, headers, count);
    px_connection__schedule(x->connection);
}

static inline void rig_wake(struct px_exchange *x)
{
    px_connection__schedule(x->connection);
}

static inline void rig_ignore(struct px_exchange *x)
{
    (void)x;
}

static inline void rig_reset(struct px_exchange *x)
{
    (void)x;
    rig.was_reset = true;
    rig.x = NULL;
}

/* Takes the answer down; what HTTP/2 does with it is not of interest here. */
static inline void rig_produce(struct px_connection *c)
{
    struct px_exchange *x = c->exchanges;
    if (x == NULL || !x->is_started || rig.is_stalled)
        return;
    struct iovec parts[64];
    if (x->output.size_bytes > rig.largest_output_bytes)
        rig.largest_output_bytes = x->output.size_bytes;
    rig.is_stalled = rig.stalls_soon;
    px_exchange__move_output(x, x->output.size_bytes);
    while (c->output.size_bytes > 0) {
        size_t count = px_send_queue_parts(&c->output, parts, 64);
        for (size_t i = 0; i < count; i++) {
            px_buffer_append(&rig.body, parts[i].iov_base, parts[i].iov_len);
            px_send_queue_consume(&c->output, parts[i].iov_len);
            break;
        }
    }
    if (!x->is_finished)
        return;
    for (uint32_t i = 0; i < x->trailers.count; i++)
        px_buffer_append_format(&rig.trailers, "%s: %s\n",
                                (const char *)px_headers_name(&x->trailers, i).data,
                                (const char *)px_headers_value(&x->trailers, i).data);
    rig.x = NULL;
    px_exchange__close(x, PX_CLOSE_DONE);
}

static inline bool rig_no(struct px_connection *c)
{
    (void)c;
    return false;
}

static inline void rig_ignore_connection(struct px_connection *c)
{
    (void)c;
}

static const struct px_protocol rig_protocol = {
    .is_http2 = true,
    .produce = rig_produce,
    .wants_input = rig_no,
    .is_over = rig_no,
    .drain = rig_ignore_connection,
    .release = rig_ignore_connection,
    .want_body = rig_ignore,
    .start = rig_start,
    .wake = rig_wake,
    .reset = rig_reset,
};

static inline void rig_log(void *context, int level, const char *line)
{
    (void)context;
    (void)level;
    px_buffer_append_format(&rig.log, "%s\n", line);
}

static inline void rig_set_up(const struct px_route *routes, size_t route_count)
{
    const struct px_address nowhere = {0};
    rig = (struct grpc_rig){0};
    rig.config = (struct px_http_config){
        .limits = px_http_limits_default,
        .routes = routes,
        .route_count = route_count,
        .log = {.write = rig_log},
    };
    rig.budget = px_budget_new(1 << 20);
    rig.answers = px_budget_new(64 << 20);
    assert_int_equal(px_io_worker_init(&rig.worker, &rig.config, rig.budget, rig.answers, NULL),
                     PROXIMADB_OK);
    atomic_fetch_add(&rig.worker.connection_count, 1);
    rig.connection = px_connection__new(&rig.worker, -1, &nowhere);
    rig.connection->protocol = &rig_protocol;
}

static inline void rig_turn(void)
{
    px_loop_turn(&rig.worker.loop, 0);
}

/* Starts a request. more: pairs of header name and value, then NULL. */
static inline void rig_request(const char *method, const char *path, const char *const *more)
{
    px_buffer_clear(&rig.headers);
    px_buffer_clear(&rig.body);
    px_buffer_clear(&rig.trailers);
    rig.was_reset = rig.is_stalled = rig.stalls_soon = false;
    rig.largest_output_bytes = 0;
    struct px_exchange *x = rig.x = px_exchange__new(rig.connection);
    px_headers_add(&x->headers, px_slice_of_string(":method"), px_slice_of_string(method), 65536);
    px_headers_add(&x->headers, px_slice_of_string(":path"), px_slice_of_string(path), 65536);
    for (; more != NULL && more[0] != NULL; more += 2)
        px_headers_add(&x->headers, px_slice_of_string(more[0]), px_slice_of_string(more[1]),
                       65536);
    px_exchange__ready(x);
    rig_turn();
}

/* Starts a gRPC call. */
static inline void rig_call(const char *path)
{
    static const char *const fields[] = {"content-type", "application/grpc", NULL};
    rig_request("POST", path, fields);
}

static inline void rig_body(const void *data, size_t size_bytes)
{
    if (rig.x != NULL)
        px_exchange__deliver(rig.x, data, size_bytes);
    rig_turn();
}

static inline void rig_end(void)
{
    if (rig.x != NULL)
        px_exchange__end_body(rig.x);
    rig_turn();
}

/* A message with its prefix. */
static inline void rig_message(const void *data, size_t size_bytes)
{
    const uint8_t prefix[] = {0, (uint8_t)(size_bytes >> 24), (uint8_t)(size_bytes >> 16),
                              (uint8_t)(size_bytes >> 8), (uint8_t)size_bytes};
    rig_body(prefix, sizeof prefix);
    rig_body(data, size_bytes);
}

/* Turns until the call is over: an engine on another thread is at work. */
static inline void rig_wait_for_answer(void)
{
    while (rig.x != NULL) {
        usleep(500);
        rig_turn();
    }
}

static inline const char *text_of(struct px_buffer *buffer)
{
    *(char *)px_buffer_reserve(buffer, 1) = '\0';
    return (const char *)buffer->data;
}

/* Whether "name: value" stands in the trailers, or in the headers of an answer that is only these. */
static inline bool rig_says(const char *field)
{
    return strstr(text_of(&rig.trailers), field) != NULL ||
           strstr(text_of(&rig.headers), field) != NULL;
}

static inline void rig_expect_says(const char *field)
{
    if (!rig_says(field))
        fail_msg("'%s' is not in '%s' + '%s'", field, text_of(&rig.headers),
                 text_of(&rig.trailers));
}

/* The peer takes what it is sent again. */
static inline void rig_go_on(void)
{
    rig.is_stalled = rig.stalls_soon = false;
    px_connection__schedule(rig.connection);
}

static inline void rig_close(enum px_close_reason reason)
{
    struct px_exchange *x = rig.x;
    rig.x = NULL;
    if (x != NULL)
        px_exchange__close(x, reason);
    rig_turn();
}

static inline void rig_tear_down(void)
{
    rig_close(PX_CLOSE_PEER_GONE);
    while (rig.worker.exchange_count > 0) { /* held by the engine still */
        usleep(500);
        rig_turn();
    }
    px_io_worker_abort(&rig.worker);
    px_loop_turn(&rig.worker.loop, 0);
    px_io_worker_release(&rig.worker);
    px_budget_unref(rig.budget); /* asserts that nothing is used */
    px_budget_unref(rig.answers);
    px_buffer_release(&rig.headers);
    px_buffer_release(&rig.body);
    px_buffer_release(&rig.trailers);
    px_buffer_release(&rig.log);
}

#endif /* PX_GRPC_RIG_H */
