/*
 * reflection: gRPC's server reflection, v1 and v1alpha, whose messages are the same: tools such as
 * grpcurl ask it for services, files and symbols.
 *
 * A stream is answered message by message: the next one is taken only when the answer to the one
 * before has left, so a client that does not read cannot pile up answers.
 *
 * Threads: the exchange's I/O thread.
 */
#ifndef PX_RPC_REFLECTION_H
#define PX_RPC_REFLECTION_H

#include "rpc/grpc_call.h"

/* The context of their struct px_grpc_server must be a struct px_rpc (rpc.h). */
extern const struct px_grpc_method px_reflection_v1;
extern const struct px_grpc_method px_reflection_v1alpha;

#endif /* PX_RPC_REFLECTION_H */
