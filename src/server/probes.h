/*
 * probes: what orchestrators and monitoring ask a server: /healthz, /readyz, /metrics. All take GET
 * and HEAD, over either HTTP version.
 *
 * Threads: the exchange's I/O thread; px_probes_watch() any.
 */
#ifndef PX_SERVER_PROBES_H
#define PX_SERVER_PROBES_H

#include "http/http_server.h"
#include "rest/rest.h"
#include "rpc/rpc.h"

#include <proximadb.h>
#include <stdatomic.h>

enum { PX_PROBES_ROUTES = 3 };

struct px_probes {
    proximadb *db;        /* kept */
    struct px_rpc *rpc;   /* kept; NULL: without its counters */
    struct px_rest *rest; /* likewise */
    struct px_http_limits limits;
    _Atomic(struct px_http_server *) http; /* whose counters are shown; NULL until it runs */
};

/* Fills in routes whose context is `probes` (kept). */
void px_probes_routes(struct px_probes *probes, struct px_route routes[PX_PROBES_ROUTES]);

/* Shows the counters of `server` (kept) from now on. */
void px_probes_watch(struct px_probes *probes, struct px_http_server *server);

#endif /* PX_SERVER_PROBES_H */
