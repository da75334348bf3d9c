/*
 * service: the methods of proximadb.v1.ProximaDB (proto/proximadb/v1/proximadb.proto) as requests
 * to the engine.
 *
 * A method is a row of a table: which request its message is (decode), and which message the
 * engine's answer is (encode). Row methods pass the Avro payload through untouched in both
 * directions: the payload of the request is a view into the received message, the engine's answer
 * is sent from where the engine made it. The methods on collections translate between protobuf and
 * the builders and readers of <proximadb.h>.
 *
 * Threads: the exchange's I/O thread.
 */
#ifndef PX_RPC_SERVICE_H
#define PX_RPC_SERVICE_H

#include "rpc/grpc_call.h"

#include <proximadb.h>

/* The methods; the context of their struct px_grpc_server must be a struct px_rpc (rpc.h). */
extern const struct px_grpc_method *const px_service_methods[];
extern const size_t px_service_method_count;

#endif /* PX_RPC_SERVICE_H */
