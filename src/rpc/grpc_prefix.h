/*
 * grpc_prefix: what stands before every gRPC message.
 *
 *      OFFSET  SIZE  MEANING
 *      0       1     0: as it is, 1: compressed by the call's grpc-encoding
 *      1       4     size of the message, big-endian
 *
 * Threads: any thread.
 */
#ifndef PX_RPC_GRPC_PREFIX_H
#define PX_RPC_GRPC_PREFIX_H

#include <stdbool.h>
#include <stdint.h>

enum { PX_GRPC_PREFIX_BYTES = 5 };

struct px_grpc_prefix {
    bool is_compressed;
    uint32_t size_bytes;
};

/* False, and *ret_prefix untouched, if the first byte is neither 0 nor 1. */
bool px_grpc_prefix_read(const uint8_t bytes[PX_GRPC_PREFIX_BYTES],
                         struct px_grpc_prefix *ret_prefix);

/* Of an uncompressed message. */
void px_grpc_prefix_write(uint8_t bytes[PX_GRPC_PREFIX_BYTES], uint32_t size_bytes);

#endif /* PX_RPC_GRPC_PREFIX_H */
