/*
 * health: gRPC's health checking protocol (proto/grpc/health/v1/health.proto).
 *
 * The services "" and "proximadb.v1.ProximaDB" are SERVING until the server is told to stop, and
 * then NOT_SERVING, which a Watch is told before it ends.
 *
 * Threads: the exchange's I/O thread.
 */
#ifndef PX_RPC_HEALTH_H
#define PX_RPC_HEALTH_H

#include "rpc/grpc_call.h"

extern const struct px_grpc_method px_health_check;
extern const struct px_grpc_method px_health_watch;

#endif /* PX_RPC_HEALTH_H */
