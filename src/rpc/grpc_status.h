/*
 * grpc_status: gRPC's status codes, and which one each status of ours is.
 *
 * The mapping is part of the contract: proto/proximadb/v1/proximadb.proto has it as a table.
 *
 * Threads: any thread.
 */
#ifndef PX_RPC_GRPC_STATUS_H
#define PX_RPC_GRPC_STATUS_H

/* The numbers are gRPC's. */
enum px_grpc_code {
    PX_GRPC_OK = 0,
    PX_GRPC_CANCELLED = 1,
    PX_GRPC_UNKNOWN = 2,
    PX_GRPC_INVALID_ARGUMENT = 3,
    PX_GRPC_DEADLINE_EXCEEDED = 4,
    PX_GRPC_NOT_FOUND = 5,
    PX_GRPC_ALREADY_EXISTS = 6,
    PX_GRPC_PERMISSION_DENIED = 7,
    PX_GRPC_RESOURCE_EXHAUSTED = 8,
    PX_GRPC_FAILED_PRECONDITION = 9,
    PX_GRPC_ABORTED = 10,
    PX_GRPC_OUT_OF_RANGE = 11,
    PX_GRPC_UNIMPLEMENTED = 12,
    PX_GRPC_INTERNAL = 13,
    PX_GRPC_UNAVAILABLE = 14,
    PX_GRPC_DATA_LOSS = 15,
    PX_GRPC_UNAUTHENTICATED = 16,
    PX_GRPC_CODE_COUNT = 17
};

/* Of an enum proximadb_status; PX_GRPC_UNKNOWN for other numbers. */
enum px_grpc_code px_grpc_code_of(int status);

/* "RESOURCE_EXHAUSTED". */
const char *px_grpc_code_name(enum px_grpc_code code);

#endif /* PX_RPC_GRPC_STATUS_H */
