/*
 * http_server: the threads of a server: one that accepts, and workers that serve.
 *
 *      acceptor ---- a socket goes to the worker with the fewest connections ----> worker 1..n
 *
 * A connection stays with its worker for life, so nothing on the path of a request is shared
 * between threads but the budget and what the handlers share.
 *
 * Stopping is orderly: the ports are closed, HTTP/2 peers get GOAWAY and HTTP/1.1 peers
 * "connection: close", what is under way is finished within a grace period, then everything left is
 * closed, and then the answers of work that was under way elsewhere are waited for.
 *
 * Threads: start and stop one thread, which must not be a worker; the rest any thread. The server's
 * are named px-accept and px-io-N, and take no signals but those of their own faults.
 */
#ifndef PX_HTTP_SERVER_H
#define PX_HTTP_SERVER_H

#include "http/address.h"
#include "http/io_worker.h"

struct px_http_server;

struct px_http_server_options {
    struct px_http_config config; /* copied; what it points to is kept */
    const char *const *addresses; /* borrowed */
    size_t address_count;
    unsigned worker_count; /* 0: the number of cores, at most 16 */
};

/* Listens and serves. *ret_server is returned, stop with px_http_server_stop(). PROXIMADB_INVALID,
 * PROXIMADB_UNAVAILABLE (address), PROXIMADB_RESOURCE_EXHAUSTED (no threads), PROXIMADB_IO,
 * PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_http_server_start(const struct px_http_server_options *options,
                                       struct px_http_server **ret_server,
                                       struct proximadb_error *reterr);

/* Stops and frees; takes at most grace_ms and the time that held exchanges need. Accepts NULL. */
void px_http_server_stop(struct px_http_server *server, int64_t grace_ms);

/* Stops accepting and lets what is under way finish, without waiting for it. Once or more often. */
void px_http_server_drain(struct px_http_server *server);

/* It was told to stop, and nothing lives in it any more: stopping will not have to wait. */
bool px_http_server_is_idle(struct px_http_server *server);

/* The addresses listened on, with real ports; false behind the last. */
bool px_http_server_address(const struct px_http_server *server, size_t index,
                            char text[PX_ADDRESS_TEXT_BYTES]);

/* The sum of all workers' counters. */
void px_http_server_stats(const struct px_http_server *server, struct px_http_stats *ret_stats);

size_t px_http_server_connection_count(const struct px_http_server *server);
size_t px_http_server_budget_used_bytes(const struct px_http_server *server);
size_t px_http_server_answers_used_bytes(const struct px_http_server *server);

#endif /* PX_HTTP_SERVER_H */
