#include "codec/gzip.h"

#include "base/bits.h"

#include <libdeflate.h>

enum {
    SMALLEST_BYTES = 18,  /* 10 of header, 8 of trailer, without any deflate block */
    HIGHEST_RATIO = 1032, /* 258 bytes from 2 bits: no deflate stream unpacks to more */
};

int px_gzip_size(struct px_slice packed, size_t limit_bytes, size_t *ret_size_bytes,
                 struct proximadb_error *reterr)
{
    if (packed.size_bytes < SMALLEST_BYTES || packed.data[0] != 0x1f || packed.data[1] != 0x8b)
        return px_fail(reterr, PROXIMADB_CORRUPT, "the bytes are not gzip");
    size_t size = px_load_u32(packed.data + packed.size_bytes - 4);
    if (size > limit_bytes)
        return px_fail(reterr, PROXIMADB_RESOURCE_EXHAUSTED,
                       "%zu bytes of gzip unpack to %zu bytes, over the limit of %zu; send less at "
                       "a time",
                       packed.size_bytes, size, limit_bytes);
    if (size / HIGHEST_RATIO > packed.size_bytes)
        return px_fail(reterr, PROXIMADB_CORRUPT,
                       "%zu bytes of gzip claim to unpack to %zu, which is impossible",
                       packed.size_bytes, size);
    *ret_size_bytes = size;
    return PROXIMADB_OK;
}

int px_gzip_unpack(struct px_slice packed, void *data, size_t size_bytes,
                   struct proximadb_error *reterr)
{
    struct libdeflate_decompressor *decompressor = libdeflate_alloc_decompressor();
    if (decompressor == NULL)
        return px_fail_no_memory(reterr);
    size_t read_bytes = 0;
    size_t written_bytes = 0;
    uint8_t nothing;
    enum libdeflate_result result = libdeflate_gzip_decompress_ex(
        decompressor, packed.data, packed.size_bytes, size_bytes > 0 ? data : &nothing, size_bytes,
        &read_bytes, &written_bytes);
    libdeflate_free_decompressor(decompressor);
    if (result != LIBDEFLATE_SUCCESS || written_bytes != size_bytes)
        return px_fail(reterr, PROXIMADB_CORRUPT, "the gzip data is damaged");
    if (read_bytes != packed.size_bytes)
        return px_fail(reterr, PROXIMADB_CORRUPT,
                       "%zu bytes follow the end of the gzip data; send it as a single member",
                       packed.size_bytes - read_bytes);
    return PROXIMADB_OK;
}
