#include "server/server.h"

#include "base/clock.h"
#include "rest/rest.h"
#include "rpc/rpc.h"
#include "server/probes.h"

#include <signal.h>
#include <stdlib.h>
#include <time.h>

enum { OWN_ROUTES = PX_RPC_ROUTES + PX_PROBES_ROUTES + PX_REST_ROUTES, STOP_POLL_MS = 20 };

struct px_server {
    struct px_http_server *http;
    struct px_rpc *rpc;
    struct px_rest *rest;
    struct px_probes probes;
    struct px_route *routes; /* owned */
    size_t route_count;
    struct px_log log;
};

/* ---- starting ------------------------------------------------------------------------------ */

static int check(const struct px_server_options *options, const struct px_http_limits *limits,
                 struct proximadb_error *reterr)
{
    size_t message_limit = options->message_limit_bytes > 0 ? options->message_limit_bytes
                                                            : PX_RPC_MESSAGE_LIMIT_BYTES;
    if (options->api_keys.count > 0)
        return px_fail(reterr, PROXIMADB_UNIMPLEMENTED,
                       "API keys are not supported by this version; leave them out and let the "
                       "server listen on the loopback interface only");
    if (message_limit > limits->budget_bytes)
        return px_fail(reterr, PROXIMADB_INVALID,
                       "messages of %zu bytes are to be taken, but all requests together may have "
                       "%zu; raise the budget or lower the limit",
                       message_limit, limits->budget_bytes);
    return PROXIMADB_OK;
}

/* gRPC, the caller's, the probes, then REST. */
static int make_routes(struct px_server *server, const struct px_server_options *options,
                       struct proximadb_error *reterr)
{
    server->route_count = OWN_ROUTES + options->route_count;
    server->routes = calloc(server->route_count, sizeof *server->routes);
    if (server->routes == NULL)
        return px_fail_no_memory(reterr);
    struct px_route *next = server->routes;
    px_rpc_routes(server->rpc, next);
    next += PX_RPC_ROUTES;
    for (size_t i = 0; i < options->route_count; i++)
        *next++ = options->routes[i];
    px_probes_routes(&server->probes, next);
    px_rest_routes(server->rest, next + PX_PROBES_ROUTES);
    return PROXIMADB_OK;
}

static void log_addresses(const struct px_server *server)
{
    char text[PX_ADDRESS_TEXT_BYTES];
    for (size_t i = 0; px_server_address(server, i, text); i++)
        px_log_write(&server->log, PROXIMADB_LOG_INFO, "listening on %s", text);
}

static int start(struct px_server *server, proximadb *db, const struct px_server_options *options,
                 struct proximadb_error *reterr)
{
    static const char *const default_addresses[] = {"127.0.0.1:5678"};
    const struct px_http_limits *limits =
        options->limits != NULL ? options->limits : &px_http_limits_default;
    int rc = check(options, limits, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_rpc_new(db, options->message_limit_bytes, &server->rpc, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_rest_new(db, options->message_limit_bytes, &server->rest, reterr);
    if (rc == PROXIMADB_OK)
        rc = make_routes(server, options, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    server->log = options->log;
    server->probes =
        (struct px_probes){.db = db, .rpc = server->rpc, .rest = server->rest, .limits = *limits};
    const struct px_http_server_options http = {
        .config =
            {
                .limits = *limits,
                .routes = server->routes,
                .route_count = server->route_count,
                .log = options->log,
                .access_log = options->access_log,
            },
        .addresses = options->address_count > 0 ? options->addresses : default_addresses,
        .address_count = options->address_count > 0 ? options->address_count : 1,
        .worker_count = options->io_thread_count,
    };
    rc = px_http_server_start(&http, &server->http, reterr);
    if (rc == PROXIMADB_OK)
        px_probes_watch(&server->probes, server->http);
    return rc;
}

int px_server_start(proximadb *db, const struct px_server_options *options,
                    struct px_server **ret_server, struct proximadb_error *reterr)
{
    struct px_server *server = calloc(1, sizeof *server);
    if (server == NULL)
        return px_fail_no_memory(reterr);
    int rc = start(server, db, options, reterr);
    if (rc != PROXIMADB_OK) {
        px_server_stop(server, 0);
        return rc;
    }
    log_addresses(server);
    *ret_server = server;
    return PROXIMADB_OK;
}

bool px_server_address(const struct px_server *server, size_t index,
                       char text[PX_ADDRESS_TEXT_BYTES])
{
    return px_http_server_address(server->http, index, text);
}

/* ---- stopping ------------------------------------------------------------------------------ */

void px_server_stop(struct px_server *server, int64_t grace_ms)
{
    if (server == NULL)
        return;
    px_http_server_stop(server->http, grace_ms);
    px_rpc_free(server->rpc);
    px_rest_free(server->rest);
    free(server->routes);
    free(server);
}

static sigset_t stop_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    return set;
}

void px_server_block_signals(void)
{
    sigset_t set = stop_signals();
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* Until everything is finished, the time is over, or a second signal comes. */
static void wait_while_draining(struct px_server *server, int64_t grace_ms)
{
    const struct timespec poll = {.tv_nsec = STOP_POLL_MS * 1000000};
    int64_t until_ms = px_clock_system.monotonic_ms(&px_clock_system) + grace_ms;
    sigset_t set = stop_signals();
    while (!px_http_server_is_idle(server->http) &&
           px_clock_system.monotonic_ms(&px_clock_system) < until_ms)
        if (sigtimedwait(&set, NULL, &poll) > 0)
            return;
}

int px_server_run_until_signal(struct px_server *server, int64_t grace_ms)
{
    sigset_t set = stop_signals();
    struct px_log log = server->log;
    int number = 0;
    while (sigwait(&set, &number) != 0)
        ;
    px_log_write(&log, PROXIMADB_LOG_INFO, "stopping: what is under way is finished first");
    px_http_server_drain(server->http);
    wait_while_draining(server, grace_ms);
    px_server_stop(server, 0);
    px_log_write(&log, PROXIMADB_LOG_INFO, "stopped");
    return number;
}
