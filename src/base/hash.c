#include "base/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t px_hash_memory(struct px_slice bytes)
{
    return XXH3_64bits(bytes.data, bytes.size_bytes);
}

uint64_t px_hash_xxh64(struct px_slice bytes)
{
    return XXH64(bytes.data, bytes.size_bytes, 0);
}
