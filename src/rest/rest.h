/*
 * rest: everything that the server offers as JSON over HTTP: the routes below /v1/ and the document
 * that describes them, /openapi.json. docs/REST.md is written for those who use it.
 *
 * Threads: new and free one thread; the rest any thread. It must outlive the HTTP server whose
 * routes name it, and the engine's requests that it has made.
 */
#ifndef PX_REST_REST_H
#define PX_REST_REST_H

#include "base/buffer.h"
#include "http/route.h"

#include <proximadb.h>

struct px_rest;

enum { PX_REST_ROUTES = 2, PX_REST_BODY_LIMIT_BYTES = 64 << 20 };

/* db is kept. body_limit_bytes: of one body; 0: the default. *ret_rest is returned, free with
 * px_rest_free(). PROXIMADB_NO_MEMORY, PROXIMADB_RESOURCE_EXHAUSTED (no threads) */
PX_MUST_CHECK int px_rest_new(proximadb *db, size_t body_limit_bytes, struct px_rest **ret_rest,
                              struct proximadb_error *reterr);
void px_rest_free(struct px_rest *rest); /* accepts NULL */

/* Fills in routes. */
void px_rest_routes(struct px_rest *rest, struct px_route routes[PX_REST_ROUTES]);

/* Appends the counters of requests in Prometheus' text format. */
void px_rest_write_metrics(const struct px_rest *rest, struct px_buffer *text);

#endif /* PX_REST_REST_H */
