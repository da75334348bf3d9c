#include "rpc/grpc_prefix.h"

bool px_grpc_prefix_read(const uint8_t bytes[PX_GRPC_PREFIX_BYTES],
                         struct px_grpc_prefix *ret_prefix)
{
    if (bytes[0] > 1)
        return false;
    *ret_prefix = (struct px_grpc_prefix){
        .is_compressed = bytes[0] == 1,
        .size_bytes = (uint32_t)bytes[1] << 24 | (uint32_t)bytes[2] << 16 |
                      (uint32_t)bytes[3] << 8 | (uint32_t)bytes[4],
    };
    return true;
}

void px_grpc_prefix_write(uint8_t bytes[PX_GRPC_PREFIX_BYTES], uint32_t size_bytes)
{
    bytes[0] = 0;
    bytes[1] = (uint8_t)(size_bytes >> 24);
    bytes[2] = (uint8_t)(size_bytes >> 16);
    bytes[3] = (uint8_t)(size_bytes >> 8);
    bytes[4] = (uint8_t)size_bytes;
}
