/* The half of exchange.h that answers. */
#include "http/http_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

static void release(struct proximadb_buffer *buffer)
{
    if (buffer->release != NULL)
        buffer->release(buffer->context);
    *buffer = (struct proximadb_buffer){0};
}

bool px_exchange_is_started(const struct px_exchange *exchange)
{
    return exchange->is_started;
}

size_t px_exchange_unsent_bytes(const struct px_exchange *exchange)
{
    return exchange->output.size_bytes;
}

void px_exchange_start(struct px_exchange *exchange, int status, const struct px_header *headers,
                       size_t header_count, bool is_all)
{
    if (exchange->is_closed)
        return;
    assert(!exchange->is_started && exchange->is_ready);
    assert(header_count <= PX_RESPONSE_HEADERS_LIMIT);
    exchange->is_started = true;
    exchange->is_finished = is_all;
    exchange->status = status;
    exchange->progress_ms = px_exchange_now_ms(exchange);
    exchange->connection->protocol->start(exchange, headers, header_count);
}

/* Tells the protocol that there is more to send. */
static void wake(struct px_exchange *x)
{
    if (x->output.failed)
        px_exchange_reset(x);
    else
        x->connection->protocol->wake(x);
}

static void begin_progress(struct px_exchange *x)
{
    if (x->output.size_bytes > 0)
        return;
    x->progress_ms = x->waiting_ms = px_exchange_now_ms(x);
    x->waiting_at = x->sent_bytes;
}

void px_exchange_send(struct px_exchange *exchange, struct proximadb_buffer *data)
{
    if (exchange->is_closed || exchange->is_head) {
        release(data);
        return;
    }
    assert(exchange->is_started && !exchange->is_finished);
    begin_progress(exchange);
    px_send_queue_take(&exchange->output, data);
    wake(exchange);
}

void px_exchange_send_copy(struct px_exchange *exchange, const void *data, size_t size_bytes)
{
    if (exchange->is_closed || exchange->is_head)
        return;
    assert(exchange->is_started && !exchange->is_finished);
    begin_progress(exchange);
    px_send_queue_copy(&exchange->output, data, size_bytes);
    wake(exchange);
}

void px_exchange_finish(struct px_exchange *exchange, const struct px_header *trailers,
                        size_t trailer_count)
{
    if (exchange->is_closed)
        return;
    assert(exchange->is_started && !exchange->is_finished);
    for (size_t i = 0; i < trailer_count; i++)
        px_headers_add(&exchange->trailers, px_slice_of_string(trailers[i].name), trailers[i].value,
                       UINT32_MAX / 4);
    exchange->has_trailers = trailer_count > 0;
    exchange->is_finished = true;
    if (exchange->trailers.no_memory)
        px_exchange_reset(exchange);
    else
        wake(exchange);
}

/* 1xx, 204 and 304 have no body, and so no length. */
static bool may_have_body(int status)
{
    return status >= 200 && status != 204 && status != 304;
}

void px_exchange_respond(struct px_exchange *exchange, int status, const struct px_header *headers,
                         size_t header_count, struct proximadb_buffer *body)
{
    struct proximadb_buffer nothing = {0};
    if (body == NULL)
        body = &nothing;
    if (exchange->is_closed) {
        release(body);
        return;
    }
    struct px_header all[PX_RESPONSE_HEADERS_LIMIT];
    assert(header_count + 2 <= PX_RESPONSE_HEADERS_LIMIT);
    size_t count = 0;
    for (; count < header_count; count++)
        all[count] = headers[count];
    char length[24];
    snprintf(length, sizeof length, "%zu", body->size_bytes);
    if (may_have_body(status))
        all[count++] = px_header_of("content-length", length);
    all[count++] = px_header_of("date", px_io_worker_date(exchange->worker));

    bool is_all = body->size_bytes == 0 || exchange->is_head || !may_have_body(status);
    px_exchange_start(exchange, status, all, count, is_all);
    if (is_all) {
        release(body);
        return;
    }
    px_exchange_send(exchange, body);
    if (!exchange->is_closed)
        px_exchange_finish(exchange, NULL, 0);
}

void px_exchange_respond_text(struct px_exchange *exchange, int status, const char *content_type,
                              struct px_slice text)
{
    struct proximadb_buffer body = {0};
    void *copy = malloc(text.size_bytes + 1);
    if (copy == NULL) {
        px_exchange_reset(exchange);
        return;
    }
    memcpy(copy, text.data, text.size_bytes);
    body = (struct proximadb_buffer){
        .data = copy, .size_bytes = text.size_bytes, .release = free, .context = copy};
    struct px_header header = px_header_of("content-type", content_type);
    px_exchange_respond(exchange, status, &header, 1, &body);
}

void px_exchange_reset(struct px_exchange *exchange)
{
    if (exchange->is_closed)
        return;
    px_exchange_hold(exchange);
    exchange->connection->protocol->reset(exchange);
    px_exchange__close(exchange, PX_CLOSE_RESET);
    px_exchange_drop(exchange);
}

/* ---- for the protocols --------------------------------------------------------------------- */

void px_exchange__move_output(struct px_exchange *x, size_t size_bytes)
{
    px_send_queue_move(&x->output, &x->connection->output, size_bytes);
    x->sent_bytes += size_bytes;
    x->progress_ms = px_exchange_now_ms(x);
    if (size_bytes > 0 && x->output.size_bytes == 0 && !x->is_finished &&
        x->handler->on_sent != NULL) {
        x->is_sent_due = true;
        x->connection->has_sent = true;
    }
}

/* One callback may close any exchange of the connection, so after each the list is read anew. */
void px_exchange__call_sent(struct px_connection *connection)
{
    while (connection->has_sent) {
        connection->has_sent = false;
        struct px_exchange *x = connection->exchanges;
        while (x != NULL && !x->is_sent_due)
            x = x->next;
        if (x == NULL)
            return;
        connection->has_sent = true;
        x->is_sent_due = false;
        px_exchange_hold(x);
        x->handler->on_sent(x);
        px_exchange_drop(x);
    }
}
