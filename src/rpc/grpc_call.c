#include "rpc/grpc_call.h"

#include "codec/gzip.h"
#include "rpc/grpc_timeout.h"
#include "rpc/grpc_trailers.h"

#include <assert.h>
#include <proximadb.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

static_assert(sizeof(struct px_grpc_call) <= PX_EXCHANGE_STATE_BYTES, "a call is an exchange's");

static const struct px_header response_headers[] = {
    {.name = "content-type", .value = {(const uint8_t *)"application/grpc", 16}},
    {.name = "grpc-accept-encoding", .value = {(const uint8_t *)"identity,gzip", 13}},
};
enum { RESPONSE_HEADERS = sizeof response_headers / sizeof response_headers[0] };

struct px_grpc_call *px_grpc_call_of(struct px_exchange *exchange)
{
    return px_exchange_state(exchange);
}

/* ---- the server ---------------------------------------------------------------------------- */

int px_grpc_server_init(struct px_grpc_server *server, struct proximadb_error *reterr)
{
    server->paths = calloc(server->method_count + 1, sizeof *server->paths);
    server->counters = calloc(server->method_count + 1, sizeof *server->counters);
    if (server->paths == NULL || server->counters == NULL) {
        px_grpc_server_release(server);
        return px_fail_no_memory(reterr);
    }
    for (size_t i = 0; i < server->method_count; i++)
        server->paths[i] = px_slice_of_string(server->methods[i]->path);
    return PROXIMADB_OK;
}

void px_grpc_server_release(struct px_grpc_server *server)
{
    free(server->paths);
    free(server->counters);
    server->paths = NULL;
    server->counters = NULL;
}

static void find_method(struct px_grpc_call *call)
{
    struct px_grpc_server *server = call->server;
    struct px_slice path = px_exchange_path(call->exchange);
    size_t i = 0;
    while (i < server->method_count && !px_slice_equal(path, server->paths[i]))
        i++;
    call->method = i < server->method_count ? server->methods[i] : NULL;
    call->counters = &server->counters[i];
}

/* ---- the end ------------------------------------------------------------------------------- */

static void end(struct px_grpc_call *call, const struct px_grpc_trailers *trailers)
{
    struct px_exchange *exchange = call->exchange;
    call->is_over = true;
    px_message_free(call->message);
    call->message = NULL;
    atomic_fetch_add_explicit(&call->counters->ended[trailers->code], 1, memory_order_relaxed);
    px_exchange_set_deadline(exchange, 0);
    if (px_exchange_is_started(exchange)) {
        px_exchange_finish(exchange, trailers->headers, trailers->count);
        return;
    }
    /* Nothing was sent: status and headers are one block. */
    struct px_header all[RESPONSE_HEADERS + PX_GRPC_TRAILERS_LIMIT];
    memcpy(all, response_headers, sizeof response_headers);
    memcpy(all + RESPONSE_HEADERS, trailers->headers, trailers->count * sizeof *all);
    px_exchange_start(exchange, 200, all, RESPONSE_HEADERS + trailers->count, true);
}

static bool is_our_fault(int status)
{
    return status == PROXIMADB_IO || status == PROXIMADB_CORRUPT || status == PROXIMADB_INTERNAL ||
           status == PROXIMADB_OUTCOME_UNKNOWN || status == PROXIMADB_NO_MEMORY;
}

void px_grpc_call_finish(struct px_grpc_call *call, const struct proximadb_error *error)
{
    struct px_grpc_trailers trailers;
    if (call->is_over)
        return;
    if (error != NULL && is_our_fault(error->status)) {
        struct px_slice path = px_exchange_path(call->exchange);
        px_log_write(px_exchange_log(call->exchange), PROXIMADB_LOG_ERROR, "%s: %.*s: %s: %s",
                     px_exchange_peer(call->exchange), (int)path.size_bytes,
                     (const char *)path.data, proximadb_status_name(error->status), error->message);
    }
    px_grpc_trailers_of_error(&trailers, error);
    end(call, &trailers);
}

PX_PRINTF(3, 0)
static void fail_with(struct px_grpc_call *call, enum px_grpc_code code, const char *format,
                      va_list args)
{
    struct px_grpc_trailers trailers;
    char message[400];
    vsnprintf(message, sizeof message, format, args);
    px_grpc_trailers_of_code(&trailers, code, message);
    end(call, &trailers);
}

void px_grpc_call_fail(struct px_grpc_call *call, enum px_grpc_code code, const char *format, ...)
{
    if (call->is_over)
        return;
    va_list args;
    va_start(args, format);
    fail_with(call, code, format, args);
    va_end(args);
}

/* The method is told, unless it ended the call itself. */
static void stop(struct px_grpc_call *call)
{
    if (!call->is_over && call->method != NULL && call->method->on_stop != NULL)
        call->method->on_stop(call);
}

/* Ends a call that is not over for a reason that the method has nothing to do with. */
PX_PRINTF(3, 4)
static void refuse(struct px_grpc_call *call, enum px_grpc_code code, const char *format, ...)
{
    va_list args;
    stop(call);
    va_start(args, format);
    fail_with(call, code, format, args);
    va_end(args);
}

static void refuse_for(struct px_grpc_call *call, const struct proximadb_error *error)
{
    stop(call);
    px_grpc_call_finish(call, error);
}

static void on_deadline(struct px_exchange *exchange)
{
    struct px_grpc_call *call = px_grpc_call_of(exchange);
    if (!call->is_over)
        refuse(call, PX_GRPC_DEADLINE_EXCEEDED, "the deadline passed before the call was done");
}

static void on_close(struct px_exchange *exchange, enum px_close_reason reason)
{
    struct px_grpc_call *call = px_grpc_call_of(exchange);
    (void)reason;
    if (call->exchange == NULL)
        return; /* refused before it was a call */
    stop(call);
    if (!call->is_over)
        atomic_fetch_add_explicit(&call->counters->ended[PX_GRPC_CANCELLED], 1,
                                  memory_order_relaxed);
    call->is_over = true;
    px_message_free(call->message);
    call->message = NULL;
}

/* ---- messages in --------------------------------------------------------------------------- */

static void read_prefix(struct px_grpc_call *call, enum px_patience patience)
{
    px_exchange_read(call->exchange, call->prefix_bytes, sizeof call->prefix_bytes, patience);
}

void px_grpc_call_next(struct px_grpc_call *call)
{
    if (!call->is_over)
        read_prefix(call, PX_PATIENT);
}

/* The client has said everything. */
static void on_half_close(struct px_grpc_call *call)
{
    if (call->method->takes_stream) {
        if (call->method->on_half_close != NULL)
            call->method->on_half_close(call);
        return;
    }
    struct px_message *message = call->message;
    call->message = NULL;
    if (message != NULL)
        call->method->on_message(call, message);
    else
        refuse(call, PX_GRPC_UNIMPLEMENTED, "the call ended without the message that %s takes",
               call->method->path);
}

/* What answers from memory of its own takes little; it must not reserve what writes are to have. */
static size_t message_limit(const struct px_grpc_call *call)
{
    size_t all = call->server->message_limit_bytes;
    size_t own = call->method->message_limit_bytes;
    return own != 0 && own < all ? own : all;
}

static void on_prefix(struct px_grpc_call *call)
{
    size_t limit = message_limit(call);
    if (!px_grpc_prefix_read(call->prefix_bytes, &call->prefix))
        refuse(call, PX_GRPC_INTERNAL, "a message begins with byte %u, where 0 or 1 is expected",
               call->prefix_bytes[0]);
    else if (call->message != NULL)
        refuse(call, PX_GRPC_UNIMPLEMENTED, "%s takes exactly one message", call->method->path);
    else if (call->prefix.is_compressed && !call->may_be_gzip)
        refuse(call, PX_GRPC_INTERNAL,
               "a message is marked as compressed, but the call has no grpc-encoding");
    else if (call->prefix.size_bytes > limit)
        refuse(call, PX_GRPC_RESOURCE_EXHAUSTED,
               "the message has %u bytes, over the limit of %zu; send less at "
               "a time",
               call->prefix.size_bytes, limit);
    else
        px_exchange_receive(call->exchange, call->prefix.size_bytes);
}

static void on_read(struct px_exchange *exchange, size_t size_bytes)
{
    struct px_grpc_call *call = px_grpc_call_of(exchange);
    if (call->is_over)
        return;
    if (size_bytes == 0)
        on_half_close(call);
    else if (size_bytes < sizeof call->prefix_bytes)
        refuse(call, PX_GRPC_INTERNAL, "the call ended %zu bytes into the prefix of a message",
               size_bytes);
    else
        on_prefix(call);
}

/* Unpacks a message into a new one; what it takes is reserved like what was received, but is not
 * waited for: the packed message is in memory already. */
static int unpack(struct px_grpc_call *call, const struct px_message *packed,
                  struct px_message **ret_message, struct proximadb_error *reterr)
{
    struct px_budget *budget = px_exchange_budget(call->exchange);
    size_t size;
    int rc = px_gzip_size(px_message_slice(packed), message_limit(call), &size, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    if (!px_budget_reserve(budget, size))
        return px_fail(reterr, PROXIMADB_RESOURCE_EXHAUSTED,
                       "the server has no room for the %zu bytes that the message unpacks to; try "
                       "again later, or with less",
                       size);
    struct px_message *message = px_message_new(budget, size);
    if (message == NULL) {
        px_budget_return(budget, size);
        return px_fail_no_memory(reterr);
    }
    rc = px_gzip_unpack(px_message_slice(packed), message->data, size, reterr);
    if (rc != PROXIMADB_OK) {
        px_message_free(message);
        return rc;
    }
    message->size_bytes = size;
    *ret_message = message;
    return PROXIMADB_OK;
}

static void on_message(struct px_grpc_call *call, struct px_message *message)
{
    if (call->method->takes_stream) {
        call->method->on_message(call, message);
        return;
    }
    call->message = message;
    read_prefix(call, PX_IMPATIENT); /* where the end should be */
}

static void on_packed_message(struct px_grpc_call *call, struct px_message *packed)
{
    struct px_message *message = NULL;
    struct proximadb_error error = {.row_index = -1};
    int rc = unpack(call, packed, &message, &error);
    px_message_free(packed);
    if (rc == PROXIMADB_CORRUPT) /* the client's bytes, not ours */
        refuse(call, PX_GRPC_INTERNAL, "%s", error.message);
    else if (rc != PROXIMADB_OK)
        refuse_for(call, &error);
    else
        on_message(call, message);
}

static void on_body(struct px_exchange *exchange, enum px_body_result result,
                    struct px_message *message, const struct proximadb_error *error)
{
    struct px_grpc_call *call = px_grpc_call_of(exchange);
    if (call->is_over)
        px_message_free(message);
    else if (result == PX_BODY_CUT_SHORT)
        refuse(call, PX_GRPC_INTERNAL, "the call ended in the middle of a message: %s",
               error->message);
    else if (result != PX_BODY_COMPLETE)
        refuse_for(call, error);
    else if (call->prefix.is_compressed)
        on_packed_message(call, message);
    else
        on_message(call, message);
}

/* ---- messages out -------------------------------------------------------------------------- */

void px_grpc_call_send(struct px_grpc_call *call, struct px_slice head,
                       struct proximadb_buffer *body)
{
    struct proximadb_buffer nothing = {0};
    struct px_exchange *exchange = call->exchange;
    uint8_t prefix[PX_GRPC_PREFIX_BYTES];
    if (body == NULL)
        body = &nothing;
    size_t size = head.size_bytes + body->size_bytes;
    if (call->is_over || size > UINT32_MAX) {
        proximadb_buffer_release(body);
        px_grpc_call_fail(call, PX_GRPC_INTERNAL, "the answer is too large for one message");
        return;
    }
    if (!px_exchange_is_started(exchange))
        px_exchange_start(exchange, 200, response_headers, RESPONSE_HEADERS, false);
    px_grpc_prefix_write(prefix, (uint32_t)size);
    px_exchange_send_copy(exchange, prefix, sizeof prefix);
    px_exchange_send_copy(exchange, head.data, head.size_bytes);
    px_exchange_send(exchange, body);
}

static void on_sent(struct px_exchange *exchange)
{
    struct px_grpc_call *call = px_grpc_call_of(exchange);
    if (!call->is_over && call->method->on_sent != NULL)
        call->method->on_sent(call);
}

static void on_drain(struct px_exchange *exchange)
{
    struct px_grpc_call *call = px_grpc_call_of(exchange);
    if (call->exchange != NULL && !call->is_over && call->method->on_drain != NULL)
        call->method->on_drain(call);
}

/* ---- the beginning ------------------------------------------------------------------------- */

/* application/grpc, application/grpc+proto, and either with parameters behind a ';'. */
bool px_grpc_matches(const struct px_exchange *exchange)
{
    static const char *const types[] = {"application/grpc", "application/grpc+proto"};
    struct px_slice value;
    if (!px_exchange_header(exchange, "content-type", &value))
        return false;
    const uint8_t *semicolon =
        value.size_bytes > 0 ? memchr(value.data, ';', value.size_bytes) : NULL;
    if (semicolon != NULL)
        value.size_bytes = (size_t)(semicolon - value.data);
    while (value.size_bytes > 0 && value.data[value.size_bytes - 1] == ' ')
        value.size_bytes--;
    return px_slice_equal(value, px_slice_of_string(types[0])) ||
           px_slice_equal(value, px_slice_of_string(types[1]));
}

/* What is no call, and so is answered as HTTP. */
static bool refuse_as_http(struct px_exchange *exchange)
{
    const char *text = NULL;
    int status = 0;
    if (!px_grpc_matches(exchange)) {
        status = 415;
        text = "this path speaks gRPC: the content-type must be application/grpc\n";
    } else if (!px_exchange_is_http2(exchange)) {
        status = 426;
        text = "gRPC needs HTTP/2\n";
    } else if (!px_slice_equal(px_exchange_method(exchange), px_slice_of_string("POST"))) {
        status = 405;
        text = "gRPC calls are POST requests\n";
    } else {
        return false;
    }
    px_exchange_respond_text(exchange, status, "text/plain; charset=utf-8",
                             px_slice_of_string(text));
    return true;
}

/* Sets the deadline; false if the call is over with it. */
static bool take_timeout(struct px_grpc_call *call)
{
    struct px_slice value;
    int64_t timeout_ms;
    if (!px_exchange_header(call->exchange, "grpc-timeout", &value))
        return true;
    if (!px_grpc_timeout_parse(value, &timeout_ms)) {
        refuse(call, PX_GRPC_INVALID_ARGUMENT,
               "grpc-timeout is '%.*s', where up to 8 digits and one of HMSmun are "
               "expected",
               value.size_bytes < 40 ? (int)value.size_bytes : 40, (const char *)value.data);
        return false;
    }
    px_exchange_set_timeout(call->exchange, timeout_ms);
    return true;
}

static bool take_encoding(struct px_grpc_call *call)
{
    struct px_slice value;
    if (!px_exchange_header(call->exchange, "grpc-encoding", &value) ||
        px_slice_equal(value, px_slice_of_string("identity")))
        return true;
    call->may_be_gzip = px_slice_equal(value, px_slice_of_string("gzip"));
    if (!call->may_be_gzip)
        refuse(call, PX_GRPC_UNIMPLEMENTED,
               "grpc-encoding '%.*s' is not known here; identity and gzip are",
               value.size_bytes < 40 ? (int)value.size_bytes : 40, (const char *)value.data);
    return call->may_be_gzip;
}

static void on_request(struct px_exchange *exchange)
{
    if (refuse_as_http(exchange))
        return;
    struct px_grpc_call *call = px_grpc_call_of(exchange);
    call->exchange = exchange;
    call->server = px_exchange_context(exchange);
    find_method(call);
    if (call->method == NULL) {
        struct px_slice path = px_exchange_path(exchange);
        refuse(call, PX_GRPC_UNIMPLEMENTED, "there is no method %.*s",
               path.size_bytes < 200 ? (int)path.size_bytes : 200, (const char *)path.data);
        return;
    }
    if (call->method->stays_open && !px_exchange_stay(exchange)) {
        refuse(call, PX_GRPC_RESOURCE_EXHAUSTED,
               "too many calls stay open already, of this connection or in all; end some of them");
        return;
    }
    if (take_timeout(call) && take_encoding(call))
        read_prefix(call, call->method->takes_stream ? PX_PATIENT : PX_IMPATIENT);
}

const struct px_handler px_grpc_handler = {
    .on_request = on_request,
    .on_read = on_read,
    .on_body = on_body,
    .on_sent = on_sent,
    .on_deadline = on_deadline,
    .on_drain = on_drain,
    .on_close = on_close,
};
