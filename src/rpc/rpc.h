/*
 * rpc: everything that the server offers over gRPC: the service proximadb.v1.ProximaDB, health
 * checking and reflection, as routes for the HTTP server.
 *
 * Threads: new and free one thread; the rest any thread. It must outlive the HTTP server whose
 * routes name it.
 */
#ifndef PX_RPC_RPC_H
#define PX_RPC_RPC_H

#include "base/buffer.h"
#include "rpc/descriptors.h"
#include "rpc/grpc_call.h"

#include <proximadb.h>

enum { PX_RPC_ROUTES = 4, PX_RPC_MESSAGE_LIMIT_BYTES = 64 << 20 };

struct px_rpc {
    proximadb *db; /* kept */
    struct px_descriptors descriptors;
    struct px_grpc_server server;
};

/* message_limit_bytes: of one message, unpacked; 0: the default. *ret_rpc is returned, free with
 * px_rpc_free(). PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_rpc_new(proximadb *db, size_t message_limit_bytes, struct px_rpc **ret_rpc,
                             struct proximadb_error *reterr);
void px_rpc_free(struct px_rpc *rpc); /* accepts NULL */

/* Fills in routes: one for everything that says it is gRPC, and one for each path that is gRPC's
 * alone. They are to stand before all others. */
void px_rpc_routes(struct px_rpc *rpc, struct px_route routes[PX_RPC_ROUTES]);

/* Appends the counters of calls in Prometheus' text format. */
void px_rpc_write_metrics(const struct px_rpc *rpc, struct px_buffer *text);

#endif /* PX_RPC_RPC_H */
