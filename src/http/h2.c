/*
 * HTTP/2 for http_internal.h, on nghttp2: the session, and what the peer sends.
 *
 * Flow control is ours: nghttp2 is told not to send WINDOW_UPDATE by itself. A stream may send what
 * its handler asked for (px_exchange_read() and so on), and never less than the initial window; the
 * connection, the sum of what was asked for and a base of px_http_limits.window_bytes, which bytes
 * that nobody asked for use up. So a peer cannot make the server hold more than that base before
 * memory was reserved in the budget.
 *
 * Receiving in place: before a read, h2_direct() looks whether the next bytes on the connection are
 * payload of a DATA frame whose stream has a read under way. Then the payload goes straight to its
 * destination, nghttp2 parses it there, and on_data() finds it where it belongs. From then on no
 * read goes beyond the next frame's header, so that of a message no more is copied than what came
 * in one read with the frames before it.
 */
#include "http/h2_internal.h"

#include "base/clock.h"

#include <assert.h>
#include <stdlib.h>

enum {
    MAX_FRAME_BYTES = 1 << 20,    /* grpcio sends frames as large as we allow (measured) */
    SMALLEST_DIRECT_BYTES = 1024, /* below it a read of its own is not worth while */
    LOW_WINDOW_BYTES = 16 << 10,  /* a stream's window is not topped up above it */
    LARGEST_CONTROL_BYTES = 16 << 10,
    MAX_SETTINGS = 32,
    MAX_CONTINUATIONS = 8,
    MAX_OUTBOUND_ACKS = 1000,
    RESET_BURST = 2000, /* clients whose calls run into their deadline reset many at once */
    RESETS_PER_SECOND = 200,
    CONTROL_BURST = 2000, /* PING, SETTINGS, PRIORITY and empty DATA frames */
    CONTROLS_PER_SECOND = 100,
};

static const uint8_t drain_ping[8] = {'p', 'x', 'd', 'r', 'a', 'i', 'n', 0};

/* ---- windows ------------------------------------------------------------------------------- */

static void grant(struct px_h2 *h, int32_t stream_id, int64_t bytes)
{
    if (bytes > 0 && bytes <= INT32_MAX)
        (void)nghttp2_submit_window_update(h->session, NGHTTP2_FLAG_NONE, stream_id,
                                           (int32_t)bytes);
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void h2_want_body(struct px_exchange *x)
{
    struct px_h2 *h = px_h2__of(x->connection);
    int64_t window = nghttp2_session_get_stream_local_window_size(h->session, x->stream_id);
    int64_t needed = smaller((int64_t)x->read_left_bytes, INT32_MAX / 2);
    if (window < 0 || (window >= needed && window >= LOW_WINDOW_BYTES))
        return; /* the stream is gone, or has enough */
    int64_t base = NGHTTP2_INITIAL_WINDOW_SIZE;
    grant(h, x->stream_id, (needed > base ? needed : base) - window);
    px_connection__schedule(x->connection);
}

/* Keeps the connection's window at what was asked for and the base; see the top. */
static void top_up_connection(struct px_connection *c)
{
    struct px_h2 *h = px_h2__of(c);
    int64_t base = c->worker->config->limits.window_bytes;
    int64_t wanted = smaller((int64_t)c->body_wanted_bytes, INT32_MAX / 2);
    int64_t held = (int64_t)c->body_held_bytes;
    int64_t target = wanted + (held < base ? base - held : 0);
    int64_t window = nghttp2_session_get_local_window_size(h->session);
    if (target - window >= base / 4 || (target > window && wanted > window))
        grant(h, 0, target - window);
}

/* ---- floods -------------------------------------------------------------------------------- */

/* Frames that cost us work and the peer nothing are paid for with tokens, which grow back. */
static void pay_for_control(struct px_h2 *h)
{
    int64_t now_ms = px_loop_now_ms(&h->connection->worker->loop);
    h->control_tokens += (now_ms - h->control_paid_ms) * CONTROLS_PER_SECOND / 1000;
    h->control_paid_ms = now_ms;
    if (h->control_tokens > CONTROL_BURST)
        h->control_tokens = CONTROL_BURST;
    if (h->control_tokens-- > 0)
        return;
    h->why = "too many PING, SETTINGS, PRIORITY or empty DATA frames";
    (void)nghttp2_session_terminate_session(h->session, NGHTTP2_ENHANCE_YOUR_CALM);
}

/* MAX_FRAME_BYTES is meant for DATA. nghttp2 collects a GOAWAY in memory that no budget knows, and
 * no honest peer sends a large one. */
static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *header, void *context)
{
    struct px_h2 *h = px_h2__of(context);
    (void)session;
    bool has_content = header->type == NGHTTP2_DATA || header->type == NGHTTP2_HEADERS ||
                       header->type == NGHTTP2_CONTINUATION;
    if (has_content || header->length <= LARGEST_CONTROL_BYTES)
        return 0;
    h->why = "a control frame is larger than 16 KiB";
    return NGHTTP2_ERR_CALLBACK_FAILURE;
}

/* ---- callbacks ----------------------------------------------------------------------------- */

static struct px_exchange *exchange_of(nghttp2_session *session, int32_t stream_id)
{
    return nghttp2_session_get_stream_user_data(session, stream_id);
}

/* Streams that were reset may have work under way that cannot be stopped at once; a peer that
 * resets and opens without end must not pile it up. */
static bool has_room(const struct px_connection *c)
{
    return c->exchange_count < 2 * (size_t)c->worker->config->limits.stream_count;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    struct px_connection *c = context;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    struct px_exchange *x = has_room(c) ? px_exchange__new(c) : NULL;
    if (x == NULL)
        return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                         NGHTTP2_REFUSED_STREAM) == 0
                   ? 0
                   : NGHTTP2_ERR_CALLBACK_FAILURE;
    x->stream_id = frame->hd.stream_id;
    (void)nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, x);
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_bytes, const uint8_t *value, size_t value_bytes, uint8_t flags,
                     void *context)
{
    struct px_connection *c = context;
    struct px_exchange *x = exchange_of(session, frame->hd.stream_id);
    (void)flags;
    if (x != NULL && !x->is_ready) /* otherwise trailers, which mean nothing to us */
        px_headers_add(&x->headers, px_slice_of(name, name_bytes), px_slice_of(value, value_bytes),
                       c->worker->config->limits.header_bytes);
    return 0;
}

static void on_request(struct px_exchange *x, bool is_all)
{
    x->body_ended = is_all;
    px_exchange__ready(x);
}

/* The peer has acknowledged the ping that follows the first GOAWAY: it has seen both, so all
 * streams that it opened before are here. */
static void end_drain(struct px_h2 *h)
{
    (void)nghttp2_submit_goaway(h->session, NGHTTP2_FLAG_NONE,
                                nghttp2_session_get_last_proc_stream_id(h->session),
                                NGHTTP2_NO_ERROR, NULL, 0);
}

static void on_ping(struct px_h2 *h, const nghttp2_frame *frame)
{
    if ((frame->hd.flags & NGHTTP2_FLAG_ACK) == 0)
        pay_for_control(h);
    else if (memcmp(frame->ping.opaque_data, drain_ping, sizeof drain_ping) == 0)
        end_drain(h);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    struct px_h2 *h = px_h2__of(context);
    bool ends_stream = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    struct px_exchange *x = NULL;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        x = exchange_of(session, frame->hd.stream_id);
        if (x != NULL && !x->is_ready)
            on_request(x, ends_stream);
        else if (x != NULL && ends_stream)
            px_exchange__end_body(x);
        break;
    case NGHTTP2_DATA:
        x = exchange_of(session, frame->hd.stream_id);
        if (x != NULL && ends_stream)
            px_exchange__end_body(x);
        else if (frame->hd.length == 0)
            pay_for_control(h);
        break;
    case NGHTTP2_PING:
        on_ping(h, frame);
        break;
    case NGHTTP2_SETTINGS:
    case NGHTTP2_PRIORITY:
        if (frame->hd.type == NGHTTP2_PRIORITY || (frame->hd.flags & NGHTTP2_FLAG_ACK) == 0)
            pay_for_control(h);
        break;
    default:
        break;
    }
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *data,
                   size_t size_bytes, void *context)
{
    struct px_exchange *x = exchange_of(session, stream_id);
    (void)flags;
    (void)context;
    if (x != NULL)
        px_exchange__deliver(x, data, size_bytes);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t error_code,
                           void *context)
{
    struct px_exchange *x = exchange_of(session, stream_id);
    (void)context;
    (void)error_code;
    if (x == NULL)
        return 0;
    (void)nghttp2_session_set_stream_user_data(session, stream_id, NULL);
    bool is_done = x->is_finished && x->output.size_bytes == 0;
    px_exchange__close(x, is_done ? PX_CLOSE_DONE : PX_CLOSE_RESET);
    return 0;
}

static int on_error(nghttp2_session *session, int code, const char *message, size_t size_bytes,
                    void *context)
{
    struct px_h2 *h = px_h2__of(context);
    (void)session;
    (void)code;
    size_t kept = size_bytes < sizeof h->error - 1 ? size_bytes : sizeof h->error - 1;
    memcpy(h->error, message, kept);
    h->error[kept] = '\0';
    return 0;
}

/* ---- the table ----------------------------------------------------------------------------- */

static void h2_input(struct px_connection *c, const uint8_t *data, size_t size_bytes)
{
    struct px_h2 *h = px_h2__of(c);
    px_frame_cursor_advance(&h->cursor, data, size_bytes);
    ssize_t taken = nghttp2_session_mem_recv(h->session, data, size_bytes);
    if (taken < 0)
        px_connection__end(c, h->why != NULL ? h->why : nghttp2_strerror((int)taken));
}

/* The exchange that receives a message of which the last DATA frame was a piece worth reading in
 * place, and the next one may be, too; NULL: there is none. */
static struct px_exchange *find_receiving(struct px_h2 *h)
{
    if (h->cursor.last_data_bytes < SMALLEST_DIRECT_BYTES)
        return NULL; /* a peer that sends tiny frames would cost a read for each */
    struct px_exchange *x = exchange_of(h->session, h->cursor.last_data_stream_id);
    return x != NULL && x->is_reading && x->read_left_bytes >= SMALLEST_DIRECT_BYTES ? x : NULL;
}

/* While a message needs more than the frame at hand has, nothing is read beyond the header of the
 * next frame: if that is another piece of the message, it will be received in place, too. */
static size_t h2_direct(struct px_connection *c, uint8_t **ret_at, size_t *ret_more_bytes)
{
    struct px_h2 *h = px_h2__of(c);
    int32_t stream_id;
    struct px_exchange *x = find_receiving(h);
    if (x == NULL)
        return 0;
    size_t frame_bytes = px_frame_cursor_data(&h->cursor, &stream_id);
    if (frame_bytes == 0) {
        size_t to_next = px_frame_cursor_to_next(&h->cursor);
        if (to_next < *ret_more_bytes)
            *ret_more_bytes = to_next;
        return 0;
    }
    assert(px_exchange__held_bytes(x) == 0);
    *ret_at = x->read_at;
    if (x->read_left_bytes <= frame_bytes)
        return x->read_left_bytes;
    *ret_more_bytes = PX_FRAME_HEADER_BYTES;
    return frame_bytes;
}

static void h2_produce(struct px_connection *c)
{
    top_up_connection(c);
    px_h2__produce(c);
}

static bool h2_wants_input(struct px_connection *c)
{
    (void)c;
    return true; /* windows hold the peer back */
}

static bool h2_is_over(struct px_connection *c)
{
    struct px_h2 *h = px_h2__of(c);
    return !nghttp2_session_want_read(h->session) && !nghttp2_session_want_write(h->session);
}

static void h2_drain(struct px_connection *c)
{
    struct px_h2 *h = px_h2__of(c);
    (void)nghttp2_submit_shutdown_notice(h->session);
    (void)nghttp2_submit_ping(h->session, NGHTTP2_FLAG_NONE, drain_ping);
}

static void h2_reset(struct px_exchange *x)
{
    struct px_h2 *h = px_h2__of(x->connection);
    (void)nghttp2_session_set_stream_user_data(h->session, x->stream_id, NULL);
    (void)nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, x->stream_id,
                                    NGHTTP2_INTERNAL_ERROR);
    px_connection__schedule(x->connection);
}

static void h2_release(struct px_connection *c)
{
    struct px_h2 *h = px_h2__of(c);
    nghttp2_session_del(h->session);
    free(h);
    c->session = NULL;
}

const struct px_protocol px_h2__protocol = {
    .is_http2 = true,
    .input = h2_input,
    .direct = h2_direct,
    .produce = h2_produce,
    .wants_input = h2_wants_input,
    .is_over = h2_is_over,
    .drain = h2_drain,
    .release = h2_release,
    .want_body = h2_want_body,
    .start = px_h2__start,
    .wake = px_h2__wake,
    .reset = h2_reset,
};

/* ---- attaching ----------------------------------------------------------------------------- */

static nghttp2_option *make_option(void)
{
    nghttp2_option *option;
    if (nghttp2_option_new(&option) != 0)
        return NULL;
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_max_settings(option, MAX_SETTINGS);
    nghttp2_option_set_max_outbound_ack(option, MAX_OUTBOUND_ACKS);
    nghttp2_option_set_max_continuations(option, MAX_CONTINUATIONS);
    nghttp2_option_set_stream_reset_rate_limit(option, RESET_BURST, RESETS_PER_SECOND);
    return option;
}

static nghttp2_session_callbacks *make_callbacks(void)
{
    nghttp2_session_callbacks *callbacks;
    if (nghttp2_session_callbacks_new(&callbacks) != 0)
        return NULL;
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_error_callback2(callbacks, on_error);
    px_h2__add_send_callbacks(callbacks);
    return callbacks;
}

static int submit_settings(struct px_h2 *h)
{
    const struct px_http_limits *limits = &h->connection->worker->config->limits;
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits->stream_count},
        {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, MAX_FRAME_BYTES},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)limits->header_bytes},
    };
    return nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, settings,
                                   sizeof settings / sizeof settings[0]);
}

static int make_session(struct px_h2 *h)
{
    int rc = NGHTTP2_ERR_NOMEM;
    nghttp2_option *option = make_option();
    nghttp2_session_callbacks *callbacks = make_callbacks();
    if (option != NULL && callbacks != NULL)
        rc = nghttp2_session_server_new2(&h->session, callbacks, h->connection, option);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    if (rc == 0)
        rc = submit_settings(h);
    return rc == 0 ? PROXIMADB_OK : PROXIMADB_NO_MEMORY;
}

int px_h2__attach(struct px_connection *connection)
{
    struct px_h2 *h = calloc(1, sizeof *h);
    if (h == NULL)
        return PROXIMADB_NO_MEMORY;
    h->connection = connection;
    h->control_tokens = CONTROL_BURST;
    h->control_paid_ms = px_loop_now_ms(&connection->worker->loop);
    px_frame_cursor_init(&h->cursor);
    int rc = make_session(h);
    if (rc != PROXIMADB_OK) {
        nghttp2_session_del(h->session);
        free(h);
        return rc;
    }
    connection->session = h;
    connection->protocol = &px_h2__protocol;
    return PROXIMADB_OK;
}
