/*
 * HTTP/2, the sending half: nghttp2 frames, the connection's output carries.
 *
 * Payloads are not copied: nghttp2 asks how much data a stream has (on_read), chooses the frame's
 * size, and hands its nine-byte header to send_data(), which moves as many bytes of the response's
 * output behind it.
 */
#include "http/h2_internal.h"

#include <assert.h>
#include <stdio.h>

static struct px_exchange *exchange_of(nghttp2_session *session, int32_t stream_id)
{
    return nghttp2_session_get_stream_user_data(session, stream_id);
}

/* nghttp2 copies what it is given, but names, which are literals, can stay where they are. */
static nghttp2_nv field_of(const char *name, struct px_slice value, uint8_t flags)
{
    return (nghttp2_nv){
        .name = (uint8_t *)(uintptr_t)name,
        .namelen = strlen(name),
        .value = (uint8_t *)(uintptr_t)(value.size_bytes > 0 ? (const void *)value.data : ""),
        .valuelen = value.size_bytes,
        .flags = flags,
    };
}

/* ---- data ---------------------------------------------------------------------------------- */

static int submit_trailers(nghttp2_session *session, const struct px_exchange *x)
{
    nghttp2_nv fields[PX_RESPONSE_HEADERS_LIMIT];
    size_t count = 0;
    for (uint32_t i = 0; i < x->trailers.count && count < PX_RESPONSE_HEADERS_LIMIT; i++)
        fields[count++] = field_of((const char *)px_headers_name(&x->trailers, i).data,
                                   px_headers_value(&x->trailers, i), NGHTTP2_NV_FLAG_NONE);
    return nghttp2_submit_trailer(session, x->stream_id, fields, count);
}

/* How many bytes the stream has for a frame of up to `limit` bytes, and whether they are the last.
 * */
static ssize_t on_read(nghttp2_session *session, int32_t stream_id, uint8_t *buffer, size_t limit,
                       uint32_t *data_flags, nghttp2_data_source *source, void *context)
{
    struct px_exchange *x = exchange_of(session, stream_id);
    (void)buffer;
    (void)source;
    (void)context;
    if (x == NULL)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    size_t size = x->output.size_bytes;
    if (size == 0 && !x->is_finished) {
        x->is_deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    *data_flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (size > limit)
        return (ssize_t)limit;
    if (!x->is_finished)
        return (ssize_t)size;
    *data_flags |= NGHTTP2_DATA_FLAG_EOF;
    if (x->has_trailers) {
        *data_flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        if (submit_trailers(session, x) != 0)
            return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    return (ssize_t)size;
}

static int send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *frame_header,
                     size_t size_bytes, nghttp2_data_source *source, void *context)
{
    struct px_connection *c = context;
    struct px_exchange *x = exchange_of(session, frame->hd.stream_id);
    (void)source;
    if (x == NULL)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (c->output.size_bytes >= PX_OUTPUT_HIGH_BYTES)
        return NGHTTP2_ERR_WOULDBLOCK;
    px_send_queue_copy(&c->output, frame_header, PX_FRAME_HEADER_BYTES);
    px_exchange__move_output(x, size_bytes);
    return 0;
}

/* As large as the peer allows: it says so in its settings and windows. */
static ssize_t choose_frame_size(nghttp2_session *session, uint8_t frame_type, int32_t stream_id,
                                 int32_t session_window, int32_t stream_window,
                                 uint32_t max_frame_bytes, void *context)
{
    (void)session;
    (void)frame_type;
    (void)stream_id;
    (void)context;
    int32_t window = session_window < stream_window ? session_window : stream_window;
    return (uint32_t)window < max_frame_bytes ? window : (ssize_t)max_frame_bytes;
}

/* ---- what was framed ----------------------------------------------------------------------- */

/* A GOAWAY with an error is nghttp2's or our last word to a peer that breaks the rules. */
static void on_goaway_sent(struct px_connection *c, const nghttp2_frame *frame)
{
    struct px_h2 *h = px_h2__of(c);
    if (frame->goaway.error_code == NGHTTP2_NO_ERROR)
        return;
    const char *why = h->why != NULL ? h->why : h->error;
    px_http_count(&c->worker->stats.connections_failed, 1);
    px_io_worker_complain(c->worker, c->peer, "GOAWAY %s: %s",
                          nghttp2_http2_strerror(frame->goaway.error_code), why);
}

/* The response is out; if the request is not all here, the peer is told to spare itself the rest.
 * */
static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    if (frame->hd.type == NGHTTP2_GOAWAY)
        on_goaway_sent(context, frame);
    if ((frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
        (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 &&
        nghttp2_session_get_stream_remote_close(session, frame->hd.stream_id) == 0)
        (void)nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                        NGHTTP2_NO_ERROR);
    return 0;
}

void px_h2__add_send_callbacks(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_send_data_callback(callbacks, send_data);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
    nghttp2_session_callbacks_set_data_source_read_length_callback(callbacks, choose_frame_size);
}

void px_h2__produce(struct px_connection *c)
{
    struct px_h2 *h = px_h2__of(c);
    while (c->output.size_bytes < PX_OUTPUT_HIGH_BYTES) {
        const uint8_t *data;
        ssize_t size = nghttp2_session_mem_send(h->session, &data);
        if (size < 0)
            px_connection__end(c, nghttp2_strerror((int)size));
        if (size <= 0)
            return;
        px_send_queue_copy(&c->output, data, (size_t)size);
    }
}

/* ---- what handlers say --------------------------------------------------------------------- */

void px_h2__start(struct px_exchange *x, const struct px_header *headers, size_t header_count)
{
    struct px_h2 *h = px_h2__of(x->connection);
    nghttp2_nv fields[PX_RESPONSE_HEADERS_LIMIT + 1];
    char status[12];
    int length = snprintf(status, sizeof status, "%d", x->status);
    size_t count = 0;
    fields[count++] =
        field_of(":status", px_slice_of(status, (size_t)length), NGHTTP2_NV_FLAG_NO_COPY_NAME);
    for (size_t i = 0; i < header_count; i++)
        fields[count++] = field_of(headers[i].name, headers[i].value, NGHTTP2_NV_FLAG_NO_COPY_NAME);
    const nghttp2_data_provider provider = {.read_callback = on_read};
    if (nghttp2_submit_response(h->session, x->stream_id, fields, count,
                                x->is_finished ? NULL : &provider) != 0)
        px_exchange_reset(x);
    px_connection__schedule(x->connection);
}

void px_h2__wake(struct px_exchange *x)
{
    struct px_h2 *h = px_h2__of(x->connection);
    if (x->is_deferred) {
        x->is_deferred = false;
        (void)nghttp2_session_resume_data(h->session, x->stream_id);
    }
    px_connection__schedule(x->connection);
}
