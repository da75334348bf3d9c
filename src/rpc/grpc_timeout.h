/*
 * grpc_timeout: the value of the grpc-timeout header: how long the caller will wait.
 *
 *      1 to 8 digits, then H (hours), M (minutes), S (seconds), m (milli-), u (micro-) or n
 *      (nanoseconds)
 *
 * Threads: any thread.
 */
#ifndef PX_RPC_GRPC_TIMEOUT_H
#define PX_RPC_GRPC_TIMEOUT_H

#include "base/slice.h"

/* In milliseconds, rounded up. False, and *ret_ms untouched, for anything else. */
bool px_grpc_timeout_parse(struct px_slice text, int64_t *ret_ms);

#endif /* PX_RPC_GRPC_TIMEOUT_H */
