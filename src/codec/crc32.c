#include "codec/crc32.h"

#include <libdeflate.h>

uint32_t px_crc32(uint32_t crc, const void *data, size_t size_bytes)
{
    /* For libdeflate a NULL buffer means "start anew", which would forget `crc`. */
    return size_bytes == 0 ? crc : libdeflate_crc32(crc, data, size_bytes);
}
