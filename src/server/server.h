/*
 * server: the whole server on one port: gRPC, probes and metrics, and what else has routes.
 *
 *      struct px_server_options options = {.addresses = ..., .log = ...};
 *      px_server_block_signals();                     before any thread is started
 *      proximadb_open(...);
 *      px_server_start(db, &options, &server, &error);
 *      px_server_run_until_signal(server, 30000);
 *      proximadb_close(db);
 *
 *      PATH                      WHAT
 *      /proximadb.v1.ProximaDB/  gRPC, with health checking and reflection beside it
 *      /v1/                      REST, described by /openapi.json
 *      /healthz                  200 as long as the process answers
 *      /readyz                   200 while requests are welcome, 503 once the server is to stop
 *      /metrics                  counters of engine and server in Prometheus' text format
 *
 * Threads: one thread starts and stops; it must not be one of the server's.
 */
#ifndef PX_SERVER_SERVER_H
#define PX_SERVER_SERVER_H

#include "base/log.h"
#include "http/http_server.h"

#include <proximadb.h>

/* Who may call. Nothing checks keys yet, so px_server_start() refuses any: no server may seem
 * protected and not be. */
struct px_server_keys {
    const char *const *keys;
    size_t count;
};

/* Zero in a member means its default. Everything is borrowed but what `log` points to. */
struct px_server_options {
    const char *const *addresses; /* "HOST:PORT"; default "127.0.0.1:5678" */
    size_t address_count;
    unsigned io_thread_count;            /* default: the number of cores, at most 16 */
    const struct px_http_limits *limits; /* NULL: px_http_limits_default */
    size_t message_limit_bytes;          /* of a gRPC message or a REST body; default 64 MiB */
    struct px_log log;                   /* one line per error; default: silent */
    bool access_log;                     /* and one per request */
    struct px_server_keys api_keys;

    /* Routes of the caller's, searched after gRPC's; handlers and contexts are kept. */
    const struct px_route *routes;
    size_t route_count;
};

struct px_server;

/* db is kept. *ret_server is returned, stop with px_server_stop() or px_server_run_until_signal().
 * PROXIMADB_INVALID (an option), PROXIMADB_UNAVAILABLE (an address), PROXIMADB_UNIMPLEMENTED (API
 * keys), PROXIMADB_IO, PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_server_start(proximadb *db, const struct px_server_options *options,
                                  struct px_server **ret_server, struct proximadb_error *reterr);

/* Finishes what is under way, for at most grace_ms, closes the rest, and frees the server. The
 * engine has then answered every request that it was sent. Accepts NULL. */
void px_server_stop(struct px_server *server, int64_t grace_ms);

/* The addresses listened on, with real ports; false behind the last. */
bool px_server_address(const struct px_server *server, size_t index,
                       char text[PX_ADDRESS_TEXT_BYTES]);

/* Makes SIGTERM and SIGINT wait for px_server_run_until_signal(), and ignores SIGPIPE. Threads that
 * exist already are not affected, so it comes first in main(). */
void px_server_block_signals(void);

/* Waits for SIGTERM or SIGINT and then stops as px_server_stop() does; a second signal ends the
 * grace period. Returns the first signal. */
int px_server_run_until_signal(struct px_server *server, int64_t grace_ms);

#endif /* PX_SERVER_SERVER_H */
