#include "rest/rest_call.h"

#include "bridge/engine_call.h"
#include "http/counted.h"
#include "rest/rest_answer.h"
#include "rest/rest_head.h"
#include "rest/rest_origin.h"
#include "rest/rest_problem.h"
#include "rest/rest_unpack.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum {
    /* Half a millisecond of parsing (measured: 1,000 rows of 384 numbers, 8 MB, take 17 ms). */
    DECODED_HERE_BYTES = 256 << 10,
    SENT_AT_ONCE_BYTES = 256 << 10,
    MOST_HEADERS = 6,
};

extern const unsigned char px_rest_openapi[];
extern const size_t px_rest_openapi_size_bytes;

struct px_rest_call {
    struct px_exchange *exchange; /* NULL until the request is here */
    struct px_rest *rest;
    const struct px_rest_endpoint *endpoint; /* NULL: no route takes it */
    struct px_rest_request request;
    struct px_rest_answer answer;
    struct px_engine_call engine;
    bool is_packed; /* the body comes as gzip */
    bool is_over;   /* answered, or nobody is there to be answered */
};
static_assert(sizeof(struct px_rest_call) <= PX_EXCHANGE_STATE_BYTES, "a call is an exchange's");

static struct px_rest_call *call_of(struct px_exchange *exchange)
{
    return px_exchange_state(exchange);
}

/* ---- the end ------------------------------------------------------------------------------- */

/* Counts the call, which nothing may be done with any more. */
static void end(struct px_rest_call *call, int http_status)
{
    call->is_over = true;
    px_rest_answer_release(&call->answer);
    px_rest_counters_add(&call->rest->counters, call->endpoint, http_status);
}

static void log_fault(const struct px_rest_call *call, const struct proximadb_error *error)
{
    struct px_slice method = px_exchange_method(call->exchange);
    struct px_slice path = px_exchange_path(call->exchange);
    px_log_write(px_exchange_log(call->exchange), PROXIMADB_LOG_ERROR, "%s: %.*s %.*s: %s: %s",
                 px_exchange_peer(call->exchange), (int)method.size_bytes,
                 (const char *)method.data, (int)path.size_bytes, (const char *)path.data,
                 proximadb_status_name(error->status), error->message);
}

static struct px_header no_store(void)
{
    return px_header_of("cache-control", "no-store");
}

/* Ends the call with a problem; `more` is a header of its status, or NULL. */
static void respond_problem(struct px_rest_call *call, int http_status,
                            const struct proximadb_error *error, const struct px_header *more)
{
    struct px_exchange *exchange = call->exchange;
    struct px_header headers[MOST_HEADERS] = {
        px_header_of("content-type", "application/problem+json"), no_store()};
    size_t header_count = 2;
    struct px_buffer text = {0};
    struct proximadb_buffer body = {0};
    if (px_rest_is_temporary(http_status))
        headers[header_count++] = px_header_of("retry-after", "1");
    if (more != NULL)
        headers[header_count++] = *more;
    if (http_status == 500 || error->status == PROXIMADB_NO_MEMORY)
        log_fault(call, error);
    px_rest_problem_write(&text, http_status, error);
    end(call, http_status);
    if (px_buffer_take(&text, &body, NULL) == PROXIMADB_OK)
        px_exchange_respond(exchange, http_status, headers, header_count, &body);
    else
        px_exchange_reset(exchange);
}

static void fail(struct px_rest_call *call, const struct proximadb_error *error)
{
    respond_problem(call, px_rest_http_status(error->status), error, NULL);
}

/* Ends the call because of what the request is like. */
PX_PRINTF(3, 4)
static void refuse(struct px_rest_call *call, int http_status, const char *format, ...)
{
    struct proximadb_error error;
    char sentence[sizeof error.message];
    const struct px_header accepted = px_header_of("accept-encoding", "gzip");
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    (void)px_fail(&error, PROXIMADB_INVALID, "%s", sentence);
    respond_problem(call, http_status, &error,
                    http_status == PX_REST_UNSUPPORTED_TYPE ? &accepted : NULL);
}

static void on_deadline(struct px_exchange *exchange)
{
    struct px_rest_call *call = call_of(exchange);
    struct proximadb_error error;
    if (call->is_over)
        return;
    px_engine_call_cancel(&call->engine);
    if (px_exchange_is_started(exchange)) { /* too late for another status */
        px_exchange_reset(exchange);
        return;
    }
    (void)px_fail(&error, PROXIMADB_DEADLINE_EXCEEDED,
                  "the time of timeout_ms passed before the request was done; a write may have "
                  "happened: repeat it with the same Idempotency-Key");
    fail(call, &error);
}

static void on_close(struct px_exchange *exchange, enum px_close_reason reason)
{
    struct px_rest_call *call = call_of(exchange);
    (void)reason;
    if (call->exchange == NULL || call->is_over)
        return;
    px_engine_call_cancel(&call->engine);
    end(call, PX_REST_CANCELLED);
}

/* ---- answering ----------------------------------------------------------------------------- */

static int success_of(const struct px_rest_call *call)
{
    bool may_exist =
        call->request.operation == PROXIMADB_CREATE_COLLECTION && call->request.shape.may_exist;
    return may_exist ? 200 : call->endpoint->success;
}

/* The headers of a success; `location` has room for the value of one. */
static size_t put_headers(const struct px_rest_call *call, struct px_header headers[MOST_HEADERS],
                          struct px_buffer *location)
{
    size_t count = 0;
    headers[count++] = no_store();
    if (success_of(call) != 204)
        headers[count++] = px_header_of("content-type", "application/json");
    if (success_of(call) == 201) {
        px_buffer_append_format(location, "/v1/collections/%.*s", (int)call->request.name_bytes,
                                call->request.name);
        if (location->status == PROXIMADB_OK)
            headers[count++] =
                (struct px_header){.name = "location", .value = px_buffer_slice(location)};
    }
    return count;
}

/* Text that the peer is to take is counted like the engine's answer that it was made of. */
static void count_piece(const struct px_rest_call *call, struct proximadb_buffer *piece)
{
    struct px_budget *answers = px_exchange_answers(call->exchange);
    size_t size_bytes = piece->size_bytes;
    if (size_bytes == 0)
        return;
    px_budget_charge(answers, size_bytes);
    if (px_counted_buffer(piece, answers, NULL) != PROXIMADB_OK)
        px_budget_return(answers, size_bytes); /* it is sent all the same */
}

/* Sends a piece of the answer: all of it, the first, the last, or one between. */
static void send_piece(struct px_rest_call *call, struct proximadb_buffer *piece, bool is_last)
{
    struct px_exchange *exchange = call->exchange;
    struct px_header headers[MOST_HEADERS];
    struct px_buffer location = {0};
    size_t header_count = put_headers(call, headers, &location);
    int http_status = success_of(call);
    bool is_first = !px_exchange_is_started(exchange);
    count_piece(call, piece);
    if (is_last) {
        px_exchange_set_deadline(exchange, 0);
        end(call, http_status);
    }
    if (is_first && is_last) {
        px_exchange_respond(exchange, http_status, headers, header_count, piece);
    } else {
        if (is_first)
            px_exchange_start(exchange, http_status, headers, header_count, false);
        px_exchange_send(exchange, piece);
        if (is_last)
            px_exchange_finish(exchange, NULL, 0);
    }
    px_buffer_release(&location);
}

/* Gives up: with a problem, or by breaking off what was begun. */
static void fail_answer(struct px_rest_call *call, const struct proximadb_error *error)
{
    if (!px_exchange_is_started(call->exchange)) {
        fail(call, error);
        return;
    }
    log_fault(call, error);
    px_exchange_reset(call->exchange);
}

/* Writes on behind `text`, and sends it. */
static void go_on(struct px_rest_call *call, struct px_buffer *text)
{
    struct proximadb_error error;
    struct proximadb_buffer piece;
    bool is_done;
    int rc = px_rest_answer_write(&call->answer, text, SENT_AT_ONCE_BYTES, &is_done, &error);
    if (rc == PROXIMADB_OK)
        rc = px_buffer_take(text, &piece, &error);
    if (rc == PROXIMADB_OK)
        send_piece(call, &piece, is_done);
    else
        fail_answer(call, &error);
}

static void on_sent(struct px_exchange *exchange)
{
    struct px_rest_call *call = call_of(exchange);
    struct px_buffer text = {0};
    if (!call->is_over)
        go_on(call, &text);
    px_buffer_release(&text);
}

static void on_answer(struct px_exchange *exchange, struct px_engine_call *engine)
{
    struct px_rest_call *call = call_of(exchange);
    struct proximadb_error error;
    struct px_buffer text = {0};
    if (engine->error.status != PROXIMADB_OK) {
        fail(call, &engine->error);
        return;
    }
    int rc = px_rest_answer_open(&call->answer, call->request.operation, &call->request.shape,
                                 &engine->response, &text, &error);
    if (rc == PROXIMADB_OK)
        go_on(call, &text);
    else
        fail(call, &error);
    px_buffer_release(&text);
}

/* /openapi.json, which is in the program. */
static void respond_document(struct px_rest_call *call)
{
    const struct px_header headers[] = {px_header_of("content-type", "application/json")};
    struct proximadb_buffer body = {.data = px_rest_openapi,
                                    .size_bytes = px_rest_openapi_size_bytes};
    end(call, 200);
    px_exchange_respond(call->exchange, 200, headers, 1, &body);
}

/* ---- asking -------------------------------------------------------------------------------- */

/* The payload's bytes are counted in the budget until the engine releases it. The body it was made
 * from gives its bytes back at the same time, so this is not refused. */
static int count_payload(struct proximadb_buffer *payload, struct px_budget *budget,
                         struct proximadb_error *reterr)
{
    size_t size_bytes = payload->size_bytes;
    px_budget_charge(budget, size_bytes);
    int rc = px_counted_buffer(payload, budget, reterr);
    if (rc != PROXIMADB_OK)
        px_budget_return(budget, size_bytes);
    return rc;
}

static void submit(struct px_rest_call *call)
{
    struct px_rest_request *request = &call->request;
    bool has_name = request->name_bytes > 0 && request->operation != PROXIMADB_CREATE_COLLECTION;
    struct proximadb_request submitted = {
        .struct_size = sizeof submitted,
        .operation = request->operation,
        .collection = has_name ? request->name : NULL,
        .collection_size_bytes = has_name ? request->name_bytes : 0,
        .payload = request->payload,
    };
    request->payload = (struct proximadb_buffer){0};
    px_engine_call_start(&call->engine, call->rest->db, call->exchange, &submitted, on_answer);
}

/* Any thread: makes the payload of a body, which is freed. */
static int decode(struct px_rest_call *call, struct px_message *body,
                  struct proximadb_error *reterr)
{
    struct px_rest_request *request = &call->request;
    int rc = PROXIMADB_OK;
    if (call->is_packed && body != NULL && body->size_bytes > 0)
        rc = px_rest_unpack(&body, call->rest->body_limit_bytes, reterr);
    request->body = body != NULL ? px_message_slice(body) : (struct px_slice){0};
    if (rc == PROXIMADB_OK)
        rc = call->endpoint->decode(request, reterr);
    if (rc == PROXIMADB_OK && request->payload.release != NULL)
        rc = count_payload(&request->payload, px_exchange_budget(call->exchange), reterr);
    if (rc != PROXIMADB_OK)
        proximadb_buffer_release(&request->payload);
    request->body = (struct px_slice){0};
    px_message_free(body);
    return rc;
}

static void finish_decoding(struct px_rest_call *call, int rc, const struct proximadb_error *error)
{
    if (call->is_over)
        proximadb_buffer_release(&call->request.payload);
    else if (rc == PROXIMADB_OK)
        submit(call);
    else if (rc == PROXIMADB_RESOURCE_EXHAUSTED) /* too much of one request, also later */
        respond_problem(call, PX_REST_TOO_LARGE, error, NULL);
    else
        fail(call, error);
}

/* A body that is decoded on a worker thread; the exchange is held meanwhile. */
struct decoding {
    struct px_job job; /* first, so that the job is the struct */
    struct px_task decoded;
    struct px_rest_call *call;
    struct px_message *body; /* owned */
    struct proximadb_error error;
    int rc;
};

static void on_decoded(struct px_task *task)
{
    struct decoding *decoding =
        (struct decoding *)((char *)task - offsetof(struct decoding, decoded));
    struct px_exchange *exchange = decoding->call->exchange;
    finish_decoding(decoding->call, decoding->rc, &decoding->error);
    free(decoding);
    px_exchange_drop(exchange);
}

static void run_decoding(struct px_job *job)
{
    struct decoding *decoding = (struct decoding *)job;
    decoding->rc = decode(decoding->call, decoding->body, &decoding->error);
    px_exchange_post(decoding->call->exchange, &decoding->decoded);
}

static void decode_elsewhere(struct px_rest_call *call, struct px_message *body)
{
    struct decoding *decoding = malloc(sizeof *decoding);
    if (decoding == NULL) {
        struct proximadb_error error;
        px_message_free(body);
        (void)px_fail_no_memory(&error);
        fail(call, &error);
        return;
    }
    *decoding = (struct decoding){
        .job.run = run_decoding, .decoded.run = on_decoded, .call = call, .body = body};
    px_exchange_hold(call->exchange);
    px_workers_submit(call->rest->workers, &decoding->job);
}

/* body is taken; NULL: none. */
static void start_decoding(struct px_rest_call *call, struct px_message *body)
{
    struct proximadb_error error = {.row_index = -1};
    if (body != NULL && (call->is_packed || body->size_bytes > DECODED_HERE_BYTES)) {
        decode_elsewhere(call, body);
        return;
    }
    int rc = decode(call, body, &error);
    finish_decoding(call, rc, &error);
}

/* ---- the body ------------------------------------------------------------------------------ */

/* "application/json" or "application/SOMETHING+json", with or without parameters. */
static bool is_json(struct px_slice type)
{
    static const char prefix[] = "application/", suffix[] = "json";
    if (type.size_bytes == 0)
        return false;
    const uint8_t *semicolon = memchr(type.data, ';', type.size_bytes);
    if (semicolon != NULL)
        type.size_bytes = (size_t)(semicolon - type.data);
    while (type.size_bytes > 0 && type.data[type.size_bytes - 1] == ' ')
        type.size_bytes--;
    size_t prefix_bytes = sizeof prefix - 1, suffix_bytes = sizeof suffix - 1;
    if (type.size_bytes < prefix_bytes + suffix_bytes)
        return false;
    const char *text = (const char *)type.data;
    const char *end_text = text + type.size_bytes - suffix_bytes;
    return strncasecmp(text, prefix, prefix_bytes) == 0 &&
           strncasecmp(end_text, suffix, suffix_bytes) == 0 &&
           (end_text == text + prefix_bytes || end_text[-1] == '+');
}

static bool equals_ignoring_case(struct px_slice value, const char *word)
{
    return value.size_bytes == strlen(word) &&
           strncasecmp((const char *)value.data, word, value.size_bytes) == 0;
}

/* Likewise what is compressed, but by gzip. */
static bool refuse_encoding(struct px_rest_call *call)
{
    struct px_slice encoding;
    if (!px_exchange_header(call->exchange, "content-encoding", &encoding) ||
        encoding.size_bytes == 0 || equals_ignoring_case(encoding, "identity"))
        return false;
    call->is_packed = equals_ignoring_case(encoding, "gzip");
    if (!call->is_packed)
        refuse(call, PX_REST_UNSUPPORTED_TYPE,
               "content-encoding '%.*s' is not known here; send the body as it is, or as gzip",
               encoding.size_bytes < 40 ? (int)encoding.size_bytes : 40,
               (const char *)encoding.data);
    return !call->is_packed;
}

/* Refuses what is not JSON; true if it did. A web page of another site can make a browser send
 * anything but this type without asking us first, so the type must be there. */
static bool refuse_type(struct px_rest_call *call)
{
    struct px_slice type;
    if (px_exchange_header(call->exchange, "content-type", &type) && is_json(type))
        return refuse_encoding(call);
    refuse(call, PX_REST_UNSUPPORTED_TYPE,
           "the body must be JSON, and the header content-type must say so: application/json");
    return true;
}

static void on_body(struct px_exchange *exchange, enum px_body_result result,
                    struct px_message *message, const struct proximadb_error *error)
{
    struct px_rest_call *call = call_of(exchange);
    if (call->is_over) {
        px_message_free(message);
    } else if (result == PX_BODY_TOO_LARGE) {
        respond_problem(call, PX_REST_TOO_LARGE, error, NULL);
    } else if (result != PX_BODY_COMPLETE) {
        fail(call, error);
    } else if (message->size_bytes > 0 && refuse_type(call)) {
        px_message_free(message);
    } else {
        start_decoding(call, message);
    }
}

/* ---- the request --------------------------------------------------------------------------- */

/* All that stands in front of the body. */
static int take_head(struct px_rest_call *call, struct px_slice name,
                     struct proximadb_error *reterr)
{
    struct px_exchange *exchange = call->exchange;
    struct px_rest_head head = {.name = name, .query = px_exchange_query(exchange)};
    int64_t timeout_ms;
    (void)px_exchange_header(exchange, "idempotency-key", &head.idempotency_key);
    int rc = px_rest_head_read(&head, call->endpoint, &call->request, &timeout_ms, reterr);
    if (rc == PROXIMADB_OK && timeout_ms > 0)
        px_exchange_set_timeout(exchange, timeout_ms);
    return rc;
}

/* A body that is announced is refused before it is sent; one that only might come, when it is
 * here. */
static void take_body(struct px_rest_call *call)
{
    struct px_slice type;
    bool has_type = px_exchange_header(call->exchange, "content-type", &type);
    bool is_announced = px_exchange_content_length(call->exchange) > 0;
    if ((has_type || is_announced) && refuse_type(call))
        return;
    px_exchange_collect(call->exchange, call->rest->body_limit_bytes);
}

static void refuse_route(struct px_rest_call *call, const struct px_rest_match *match)
{
    struct proximadb_error error;
    const struct px_header allow = px_header_of("allow", match->allow);
    if (match->allow[0] == '\0') {
        (void)px_fail(&error, PROXIMADB_UNIMPLEMENTED,
                      "nothing is served at this path; /openapi.json has those that are");
        respond_problem(call, PX_REST_NOT_FOUND, &error, NULL);
        return;
    }
    (void)px_fail(&error, PROXIMADB_UNIMPLEMENTED, "this path takes %s only", match->allow);
    respond_problem(call, PX_REST_METHOD_NOT_ALLOWED, &error, &allow);
}

/* A body that nobody reads would be ignored in silence. */
static bool refuse_body(struct px_rest_call *call)
{
    int64_t size_bytes = px_exchange_content_length(call->exchange);
    if (call->endpoint->body != PX_REST_BODY_NONE || size_bytes <= 0)
        return false;
    refuse(call, px_rest_http_status(PROXIMADB_INVALID),
           "the request has a body of %lld bytes, but nothing is read from it here; leave it out",
           (long long)size_bytes);
    return true;
}

static int check_origin(const struct px_exchange *exchange, struct proximadb_error *reterr)
{
    struct px_rest_origin request = {.method = px_exchange_method(exchange),
                                     .is_local = px_exchange_is_local(exchange)};
    if (!px_exchange_header(exchange, ":authority", &request.authority))
        (void)px_exchange_header(exchange, "host", &request.authority);
    (void)px_exchange_header(exchange, "origin", &request.origin);
    (void)px_exchange_header(exchange, "sec-fetch-site", &request.site);
    return px_rest_origin_check(&request, reterr);
}

static void on_request(struct px_exchange *exchange)
{
    struct px_rest_call *call = call_of(exchange);
    struct px_rest_match match;
    struct proximadb_error error = {.row_index = -1};
    px_rest_route(px_exchange_method(exchange), px_exchange_path(exchange), &match);
    *call = (struct px_rest_call){
        .exchange = exchange, .rest = px_exchange_context(exchange), .endpoint = match.endpoint};
    if (check_origin(exchange, &error) != PROXIMADB_OK)
        fail(call, &error);
    else if (match.endpoint == NULL)
        refuse_route(call, &match);
    else if (take_head(call, match.name, &error) != PROXIMADB_OK)
        fail(call, &error);
    else if (refuse_body(call))
        return;
    else if (match.endpoint->operation == 0)
        respond_document(call);
    else if (match.endpoint->body == PX_REST_BODY_NONE)
        start_decoding(call, NULL);
    else
        take_body(call);
}

const struct px_handler px_rest_handler = {
    .on_request = on_request,
    .on_body = on_body,
    .on_sent = on_sent,
    .on_deadline = on_deadline,
    .on_close = on_close,
};
