/*
 * HTTP/1.1 for http_internal.h, parsed by llhttp.
 *
 * Requests of a connection are answered one at a time and in order: when one is complete the parser
 * is paused, and what follows it waits in `rest` until the answer is out. A handler that answers
 * before it has read the body ends the connection, because the rest of the body is in the way.
 */
#include "http/http_internal.h"

#include <assert.h>
#include <llhttp.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    REST_LIMIT_BYTES = 64 << 10,  /* of requests behind the one under way */
    SMALLEST_DIRECT_BYTES = 1024, /* below it a read of its own is not worth while */
    KEPT_BYTES = 1024,            /* of memory for the next request's fields */
};

struct px_h1 {
    llhttp_t parser;
    struct px_connection *connection;
    struct px_exchange *x; /* the request under way; NULL between requests */
    struct px_buffer url;
    struct px_buffer name; /* the header field that is being gathered */
    struct px_buffer value;
    struct px_buffer rest;     /* input behind the request under way */
    size_t rest_charged_bytes; /* of it, in the budget */
    size_t trailer_bytes;      /* of fields behind a chunked body, which are ignored */
    int refusal;               /* the status that a parsing error is answered with */
    bool request_is_over;      /* all of it was parsed: the parser is paused */
    bool wants_continue;       /* it waits for "100 Continue" before it sends its body */
    bool is_chunked;           /* the response is */
    bool closes_after;         /* the connection ends with this response */
    bool is_over;              /* no further request is taken */
};

static struct px_h1 *session_of(const struct px_connection *c)
{
    return c->session;
}

static struct px_h1 *session_of_parser(llhttp_t *parser)
{
    return parser->data;
}

static const char *reason_phrase(int status)
{
    static const struct {
        int status;
        const char *phrase;
    } phrases[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"},
        {417, "Expectation Failed"},
        {422, "Unprocessable Content"},
        {426, "Upgrade Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < sizeof phrases / sizeof phrases[0]; i++)
        if (phrases[i].status == status)
            return phrases[i].phrase;
    return "Status"; /* RFC 9112 lets it be anything */
}

/* ---- the request --------------------------------------------------------------------------- */

static bool is_dead(const struct px_h1 *h)
{
    return h->connection->is_closed || h->connection->is_ending;
}

static size_t header_limit(const struct px_h1 *h)
{
    return h->connection->worker->config->limits.header_bytes;
}

/* Stops parsing; the request is answered with `status`. */
static int refuse(struct px_h1 *h, int status)
{
    h->refusal = status;
    return HPE_USER;
}

static int gather(struct px_h1 *h, struct px_buffer *buffer, const char *at, size_t size)
{
    if (buffer->size_bytes + size > header_limit(h))
        return refuse(h, 431);
    px_buffer_append(buffer, at, size);
    return buffer->status == PROXIMADB_OK ? 0 : refuse(h, 503);
}

static int on_message_begin(llhttp_t *parser)
{
    struct px_h1 *h = session_of_parser(parser);
    h->x = px_exchange__new(h->connection);
    if (h->x == NULL)
        return refuse(h, 503);
    px_buffer_clear(&h->url);
    px_buffer_clear(&h->name);
    px_buffer_clear(&h->value);
    h->trailer_bytes = 0;
    h->request_is_over = h->wants_continue = h->is_chunked = h->closes_after = false;
    return 0;
}

static int on_url(llhttp_t *parser, const char *at, size_t size)
{
    struct px_h1 *h = session_of_parser(parser);
    return gather(h, &h->url, at, size);
}

static int on_header_field(llhttp_t *parser, const char *at, size_t size)
{
    struct px_h1 *h = session_of_parser(parser);
    return gather(h, &h->name, at, size);
}

static int on_header_value(llhttp_t *parser, const char *at, size_t size)
{
    struct px_h1 *h = session_of_parser(parser);
    return gather(h, &h->value, at, size);
}

static struct px_slice trimmed(struct px_slice text)
{
    while (text.size_bytes > 0 &&
           (text.data[text.size_bytes - 1] == ' ' || text.data[text.size_bytes - 1] == '\t'))
        text.size_bytes--;
    return text;
}

static int on_header_value_complete(llhttp_t *parser)
{
    struct px_h1 *h = session_of_parser(parser);
    if (h->x->is_ready) {
        h->trailer_bytes += h->name.size_bytes + h->value.size_bytes;
        if (h->trailer_bytes > header_limit(h))
            return refuse(h, 431);
    } else {
        px_headers_add(&h->x->headers, px_buffer_slice(&h->name),
                       trimmed(px_buffer_slice(&h->value)), header_limit(h));
        if (h->x->headers.too_large)
            return refuse(h, 431);
    }
    px_buffer_clear(&h->name);
    px_buffer_clear(&h->value);
    return 0;
}

/* What HTTP/2 calls ":path": without the scheme and host that a proxy's request line has. */
static struct px_slice path_of(struct px_slice target)
{
    const char *scheme = "http://";
    size_t scheme_bytes = strlen(scheme);
    if (target.size_bytes < scheme_bytes || memcmp(target.data, scheme, scheme_bytes) != 0)
        return target;
    const uint8_t *path = memchr(target.data + scheme_bytes, '/', target.size_bytes - scheme_bytes);
    if (path == NULL)
        return px_slice_of_string("/");
    return px_slice_of(path, (size_t)(target.data + target.size_bytes - path));
}

static void add_pseudo_field(struct px_h1 *h, const char *name, struct px_slice value)
{
    /* Without a limit of its own: its text was counted when it was received. */
    px_headers_add(&h->x->headers, px_slice_of_string(name), value, UINT32_MAX / 4);
}

static void add_pseudo_fields(struct px_h1 *h)
{
    const char *method = llhttp_method_name(llhttp_get_method(&h->parser));
    struct px_slice host;
    if (px_headers_find(&h->x->headers, "host", &host)) {
        px_buffer_append_slice(&h->value, host); /* adding moves what `host` points into */
        add_pseudo_field(h, ":authority", px_buffer_slice(&h->value));
        px_buffer_clear(&h->value);
    }
    add_pseudo_field(h, ":method", px_slice_of_string(method));
    add_pseudo_field(h, ":path", path_of(px_buffer_slice(&h->url)));
}

static bool expects_continue(const struct px_exchange *x)
{
    struct px_slice value;
    static const char expected[] = "100-continue";
    if (!px_headers_find(&x->headers, "expect", &value) || value.size_bytes != strlen(expected))
        return false;
    for (size_t i = 0; i < value.size_bytes; i++)
        if ((value.data[i] | 0x20) != (expected[i] | 0x20))
            return false;
    return true;
}

static bool is_version_1_1(const struct px_h1 *h)
{
    return h->parser.http_major == 1 && h->parser.http_minor >= 1;
}

static int on_headers_complete(llhttp_t *parser)
{
    struct px_h1 *h = session_of_parser(parser);
    struct px_exchange *x = h->x;
    struct px_slice host;
    if (parser->http_major != 1)
        return refuse(h, 505);
    if ((parser->flags & F_TRANSFER_ENCODING) != 0 && (parser->flags & F_CHUNKED) == 0)
        return refuse(h, 400); /* where such a body ends cannot be told */
    if (is_version_1_1(h) && !px_headers_find(&x->headers, "host", &host))
        return refuse(h, 400);
    add_pseudo_fields(h);
    parser->upgrade = 0; /* an offer that a server may leave alone, and this one does */
    h->closes_after = !llhttp_should_keep_alive(parser) || h->connection->drained_ms != 0;
    h->wants_continue = is_version_1_1(h) && expects_continue(x);
    if ((parser->flags & F_CHUNKED) == 0 && parser->content_length == 0)
        x->body_ended = true;
    px_exchange__ready(x);
    return is_dead(h) ? -1 : 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t size)
{
    struct px_h1 *h = session_of_parser(parser);
    h->wants_continue = false;
    if (h->x != NULL)
        px_exchange__deliver(h->x, (const uint8_t *)at, size);
    return is_dead(h) ? HPE_USER : 0;
}

static int on_message_complete(llhttp_t *parser)
{
    struct px_h1 *h = session_of_parser(parser);
    h->request_is_over = true;
    if (h->x != NULL)
        px_exchange__end_body(h->x);
    return HPE_PAUSED;
}

/* ---- parsing ------------------------------------------------------------------------------- */

/* Answers what could not be parsed, unless an answer is under way, and ends the connection. */
static void answer_error(struct px_h1 *h)
{
    struct px_connection *c = h->connection;
    int status = h->refusal != 0 ? h->refusal : 400;
    const char *reason = llhttp_get_error_reason(&h->parser);
    const char *why = h->refusal != 0 || reason == NULL ? reason_phrase(status) : reason;
    bool may_answer = h->x == NULL || !h->x->is_started;
    if (h->x != NULL) {
        struct px_exchange *x = h->x;
        h->x = NULL;
        px_exchange__close(x, PX_CLOSE_RESET);
    }
    if (may_answer) {
        char text[256];
        int size = snprintf(text, sizeof text,
                            "HTTP/1.1 %d %s\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
                            status, reason_phrase(status));
        px_send_queue_copy(&c->output, text, (size_t)size);
    }
    h->is_over = true;
    px_connection__end(c, why);
}

/* It came unasked, so it cannot be refused, but others have that much less. */
static void keep_rest(struct px_h1 *h, const uint8_t *data, size_t size_bytes)
{
    px_buffer_append(&h->rest, data, size_bytes);
    if (h->rest.status != PROXIMADB_OK || size_bytes == 0)
        return;
    px_budget_charge(h->connection->worker->budget, size_bytes);
    h->rest_charged_bytes += size_bytes;
}

static void parse(struct px_h1 *h, const uint8_t *data, size_t size_bytes)
{
    const char *text = (const char *)data;
    llhttp_errno_t error = llhttp_execute(&h->parser, text, size_bytes);
    if (is_dead(h) || error == HPE_OK)
        return;
    if (error != HPE_PAUSED) {
        answer_error(h);
        return;
    }
    size_t parsed = (size_t)(llhttp_get_error_pos(&h->parser) - text);
    assert(parsed <= size_bytes);
    keep_rest(h, data + parsed, size_bytes - parsed);
}

static void h1_input(struct px_connection *c, const uint8_t *data, size_t size_bytes)
{
    struct px_h1 *h = session_of(c);
    if (h->is_over)
        return;
    if (h->request_is_over || h->rest.size_bytes > 0)
        keep_rest(h, data, size_bytes);
    else
        parse(h, data, size_bytes);
    if (h->rest.status != PROXIMADB_OK)
        px_connection__end(c, "more requests were sent ahead than there is memory for");
}

/* The request behind the one that was answered. */
static void parse_rest(struct px_h1 *h)
{
    struct px_buffer rest = h->rest;
    size_t charged_bytes = h->rest_charged_bytes;
    px_buffer_init(&h->rest, rest.limit_bytes);
    h->rest_charged_bytes = 0;
    h->request_is_over = false;
    llhttp_resume(&h->parser);
    if (rest.size_bytes > 0)
        parse(h, rest.data, rest.size_bytes);
    px_buffer_release(&rest);
    if (charged_bytes > 0)
        px_budget_return(h->connection->worker->budget, charged_bytes);
}

/* While a body is due that nobody reads, its bytes stay with the peer. */
static bool h1_wants_input(struct px_connection *c)
{
    struct px_h1 *h = session_of(c);
    struct px_exchange *x = h->x;
    if (h->rest.size_bytes >= REST_LIMIT_BYTES)
        return false;
    return x == NULL || !x->is_ready || x->is_reading || x->body_ended;
}

static size_t h1_direct(struct px_connection *c, uint8_t **ret_at, size_t *ret_more_bytes)
{
    struct px_exchange *x = session_of(c)->x;
    (void)ret_more_bytes;
    if (x == NULL || !x->is_reading || x->content_length < 0)
        return 0;
    uint64_t left = (uint64_t)x->content_length - x->body_bytes;
    size_t size = left < x->read_left_bytes ? (size_t)left : x->read_left_bytes;
    if (size < SMALLEST_DIRECT_BYTES)
        return 0;
    *ret_at = x->read_at;
    return size;
}

/* ---- the response -------------------------------------------------------------------------- */

static void put(struct px_connection *c, const char *text)
{
    px_send_queue_copy(&c->output, text, strlen(text));
}

static void put_field(struct px_connection *c, const char *name, struct px_slice value)
{
    put(c, name);
    put(c, ": ");
    px_send_queue_copy(&c->output, value.data, value.size_bytes);
    put(c, "\r\n");
}

static void h1_want_body(struct px_exchange *x)
{
    struct px_h1 *h = session_of(x->connection);
    if (h->wants_continue && !x->is_started)
        put(x->connection, "HTTP/1.1 100 Continue\r\n\r\n");
    h->wants_continue = false;
    px_connection__schedule(x->connection);
}

static bool has_field(const struct px_header *headers, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(headers[i].name, name) == 0)
            return true;
    return false;
}

/* Whether all of the request's body was received; its formal end may be a callback away. */
static bool is_all_here(const struct px_exchange *x)
{
    return x->body_ended ||
           (x->content_length >= 0 && x->body_bytes == (uint64_t)x->content_length);
}

/* How the peer will know where the body ends: by its length, by chunks, or by the connection's
 * end. */
static void choose_framing(struct px_h1 *h, bool has_length)
{
    struct px_exchange *x = h->x;
    bool has_body = !x->is_finished && !x->is_head && x->status != 204 && x->status != 304;
    h->is_chunked = has_body && !has_length && is_version_1_1(h);
    if (has_body && !has_length && !h->is_chunked)
        h->closes_after = true;
    if (!is_all_here(x))
        h->closes_after = true;
}

static void h1_start(struct px_exchange *x, const struct px_header *headers, size_t header_count)
{
    struct px_connection *c = x->connection;
    struct px_h1 *h = session_of(c);
    bool has_length = has_field(headers, header_count, "content-length");
    char line[64];
    choose_framing(h, has_length);
    snprintf(line, sizeof line, "HTTP/1.1 %d %s\r\n", x->status, reason_phrase(x->status));
    put(c, line);
    for (size_t i = 0; i < header_count; i++)
        put_field(c, headers[i].name, headers[i].value);
    if (!has_field(headers, header_count, "date"))
        put_field(c, "date", px_slice_of_string(px_io_worker_date(c->worker)));
    if (h->is_chunked)
        put(c, "transfer-encoding: chunked\r\n");
    else if (!has_length && x->is_finished && x->status != 204 && x->status != 304)
        put(c, "content-length: 0\r\n");
    if (h->closes_after)
        put(c, "connection: close\r\n");
    else if (!is_version_1_1(h))
        put(c, "connection: keep-alive\r\n");
    put(c, "\r\n");
    px_connection__schedule(c);
}

static void h1_wake(struct px_exchange *x)
{
    px_connection__schedule(x->connection);
}

static void move_body(struct px_h1 *h)
{
    struct px_exchange *x = h->x;
    size_t size = x->output.size_bytes;
    if (size == 0)
        return;
    char line[24];
    if (h->is_chunked) {
        snprintf(line, sizeof line, "%zx\r\n", size);
        put(h->connection, line);
    }
    px_exchange__move_output(x, size);
    if (h->is_chunked)
        put(h->connection, "\r\n");
}

static void put_trailers(struct px_h1 *h)
{
    const struct px_headers *trailers = &h->x->trailers;
    put(h->connection, "0\r\n");
    for (uint32_t i = 0; i < trailers->count; i++)
        put_field(h->connection, (const char *)px_headers_name(trailers, i).data,
                  px_headers_value(trailers, i));
    put(h->connection, "\r\n");
}

/* Moves the response on; whether all of it is out. */
static bool move_response(struct px_h1 *h)
{
    struct px_exchange *x = h->x;
    if (x == NULL || !x->is_started)
        return false;
    move_body(h);
    if (!x->is_finished)
        return false;
    if (h->is_chunked)
        put_trailers(h);
    return true;
}

/* Thousands of connections that wait must not keep what one large request took. */
static void shrink(struct px_buffer *buffer)
{
    if (buffer->capacity_bytes > KEPT_BYTES)
        px_buffer_release(buffer);
}

static void end_response(struct px_h1 *h)
{
    struct px_exchange *x = h->x;
    h->x = NULL;
    shrink(&h->url);
    shrink(&h->name);
    shrink(&h->value);
    px_exchange__close(x, PX_CLOSE_DONE);
    if (h->closes_after || h->connection->drained_ms != 0)
        h->is_over = true;
}

static void h1_produce(struct px_connection *c)
{
    struct px_h1 *h = session_of(c);
    while (c->output.size_bytes < PX_OUTPUT_HIGH_BYTES && move_response(h)) {
        assert(h->request_is_over || h->closes_after);
        end_response(h);
        if (h->is_over || is_dead(h))
            return;
        parse_rest(h);
    }
}

static bool h1_is_over(struct px_connection *c)
{
    return session_of(c)->is_over;
}

static void h1_drain(struct px_connection *c)
{
    struct px_h1 *h = session_of(c);
    if (h->x == NULL)
        h->is_over = true;
    else
        h->closes_after = true;
}

/* The peer must not take what it got for a whole response. */
static void h1_reset(struct px_exchange *x)
{
    struct px_h1 *h = session_of(x->connection);
    h->x = NULL;
    h->is_over = true;
    px_connection__end(x->connection, NULL);
}

static void h1_release(struct px_connection *c)
{
    struct px_h1 *h = session_of(c);
    px_buffer_release(&h->url);
    px_buffer_release(&h->name);
    px_buffer_release(&h->value);
    px_buffer_release(&h->rest);
    if (h->rest_charged_bytes > 0)
        px_budget_return(c->worker->budget, h->rest_charged_bytes);
    free(h);
    c->session = NULL;
}

const struct px_protocol px_h1__protocol = {
    .input = h1_input,
    .direct = h1_direct,
    .produce = h1_produce,
    .wants_input = h1_wants_input,
    .is_over = h1_is_over,
    .drain = h1_drain,
    .release = h1_release,
    .want_body = h1_want_body,
    .start = h1_start,
    .wake = h1_wake,
    .reset = h1_reset,
};

static const llhttp_settings_t settings = {
    .on_message_begin = on_message_begin,
    .on_url = on_url,
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_header_value_complete = on_header_value_complete,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

int px_h1__attach(struct px_connection *connection)
{
    struct px_h1 *h = calloc(1, sizeof *h);
    if (h == NULL)
        return PROXIMADB_NO_MEMORY;
    llhttp_init(&h->parser, HTTP_REQUEST, &settings);
    h->parser.data = h;
    h->connection = connection;
    px_buffer_init(&h->rest, REST_LIMIT_BYTES + PX_IO_WORKER_SCRATCH_BYTES);
    connection->session = h;
    connection->protocol = &px_h1__protocol;
    return PROXIMADB_OK;
}
