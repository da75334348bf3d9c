#include "server/probes.h"

#include "bridge/engine_call.h"

#include <assert.h>

static const char text_type[] = "text/plain; charset=utf-8";
static const char metrics_type[] = "text/plain; version=0.0.4; charset=utf-8";

static_assert(sizeof(struct px_engine_call) <= PX_EXCHANGE_STATE_BYTES, "a call is all state");

static void respond(struct px_exchange *x, int status, const char *text)
{
    px_exchange_respond_text(x, status, text_type, px_slice_of_string(text));
}

/* Answers everything but GET and HEAD. */
static bool refuse_method(struct px_exchange *x)
{
    struct px_slice method = px_exchange_method(x);
    if (px_slice_equal(method, px_slice_of_string("GET")) ||
        px_slice_equal(method, px_slice_of_string("HEAD")))
        return false;
    const struct px_header allow = px_header_of("allow", "GET, HEAD");
    px_exchange_respond(x, 405, &allow, 1, NULL);
    return true;
}

/* ---- health and readiness ------------------------------------------------------------------ */

static void on_healthz(struct px_exchange *x)
{
    if (!refuse_method(x))
        respond(x, 200, "ok\n");
}

static void on_readyz(struct px_exchange *x)
{
    if (refuse_method(x))
        return;
    if (px_exchange_is_draining(x))
        respond(x, 503, "stopping\n");
    else
        respond(x, 200, "ok\n");
}

/* ---- metrics ------------------------------------------------------------------------------- */

static void put(struct px_buffer *text, const char *name, const char *type, const char *help,
                uint64_t value)
{
    px_buffer_append_format(text, "# HELP proximadb_http_%s %s\n# TYPE proximadb_http_%s %s\n",
                            name, help, name, type);
    px_buffer_append_format(text, "proximadb_http_%s %llu\n", name, (unsigned long long)value);
}

static void put_http(const struct px_probes *probes, struct px_http_server *http,
                     struct px_buffer *text)
{
    struct px_http_stats stats;
    px_http_server_stats(http, &stats);
    put(text, "connections", "gauge", "Connections that are open.",
        px_http_server_connection_count(http));
    put(text, "connections_total", "counter", "Connections that were accepted.", stats.connections);
    put(text, "connections_failed_total", "counter",
        "Connections that the server ended: errors of protocol, timeouts, floods.",
        stats.connections_failed);
    put(text, "requests_total", "counter", "Requests, gRPC calls included.", stats.requests);
    put(text, "requests_cancelled_total", "counter",
        "Requests that ended before their response was complete.", stats.requests_cancelled);
    put(text, "received_bytes_total", "counter", "Bytes received.", stats.received_bytes);
    put(text, "sent_bytes_total", "counter", "Bytes sent.", stats.sent_bytes);
    put(text, "body_bytes_total", "counter", "Bytes of request bodies.", stats.body_bytes);
    put(text, "body_copied_bytes_total", "counter",
        "Bytes of request bodies that were not received in place.", stats.body_copied_bytes);
    put(text, "budget_used_bytes", "gauge", "Request bytes in flight.",
        px_http_server_budget_used_bytes(http));
    put(text, "budget_limit_bytes", "gauge", "The limit of request bytes in flight.",
        probes->limits.budget_bytes);
    put(text, "answers_used_bytes", "gauge", "Bytes of answers that clients have not taken.",
        px_http_server_answers_used_bytes(http));
    put(text, "answers_limit_bytes", "gauge", "The limit of such bytes.",
        probes->limits.answer_bytes);
}

/* The engine's text, then the server's own. */
static void on_engine_metrics(struct px_exchange *x, struct px_engine_call *call)
{
    const struct px_probes *probes = px_exchange_context(x);
    struct px_http_server *http = atomic_load(&probes->http);
    if (call->error.status != PROXIMADB_OK) {
        respond(x, 503, call->error.message);
        return;
    }
    struct px_buffer text = {0};
    struct proximadb_buffer body;
    px_buffer_append(&text, call->response.data, call->response.size_bytes);
    proximadb_buffer_release(&call->response); /* so that it is not counted below as an answer */
    if (http != NULL)
        put_http(probes, http, &text);
    if (probes->rpc != NULL)
        px_rpc_write_metrics(probes->rpc, &text);
    if (probes->rest != NULL)
        px_rest_write_metrics(probes->rest, &text);
    struct proximadb_error error;
    if (px_buffer_take(&text, &body, &error) != PROXIMADB_OK) {
        respond(x, 503, error.message);
        return;
    }
    const struct px_header type = px_header_of("content-type", metrics_type);
    px_exchange_respond(x, 200, &type, 1, &body);
}

static void on_metrics(struct px_exchange *x)
{
    if (refuse_method(x))
        return;
    const struct px_probes *probes = px_exchange_context(x);
    struct proximadb_request request = {.struct_size = sizeof request,
                                        .operation = PROXIMADB_METRICS};
    px_engine_call_start(px_exchange_state(x), probes->db, x, &request, on_engine_metrics);
}

static void on_metrics_close(struct px_exchange *x, enum px_close_reason reason)
{
    (void)reason;
    px_engine_call_cancel(px_exchange_state(x));
}

static const struct px_handler healthz = {.on_request = on_healthz};
static const struct px_handler readyz = {.on_request = on_readyz};
static const struct px_handler metrics = {.on_request = on_metrics, .on_close = on_metrics_close};

void px_probes_routes(struct px_probes *probes, struct px_route routes[PX_PROBES_ROUTES])
{
    routes[0] = (struct px_route){.path = "/healthz", .handler = &healthz, .context = probes};
    routes[1] = (struct px_route){.path = "/readyz", .handler = &readyz, .context = probes};
    routes[2] = (struct px_route){.path = "/metrics", .handler = &metrics, .context = probes};
}

void px_probes_watch(struct px_probes *probes, struct px_http_server *server)
{
    atomic_store(&probes->http, server);
}
