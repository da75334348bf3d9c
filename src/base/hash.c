#include "base/hash.h"

#include "base/uuid.h"

#define XXH_INLINE_ALL
#include <pthread.h>
#include <xxhash.h>

static uint64_t seed;
static pthread_once_t seed_once = PTHREAD_ONCE_INIT;

static void make_seed(void)
{
    px_random_bytes(&seed, sizeof seed);
}

uint64_t px_hash_memory(struct px_slice bytes)
{
    pthread_once(&seed_once, make_seed);
    return XXH3_64bits_withSeed(bytes.data, bytes.size_bytes, seed);
}

uint64_t px_hash_xxh64(struct px_slice bytes)
{
    return XXH64(bytes.data, bytes.size_bytes, 0);
}

void px_hash_xxh3_128(struct px_slice bytes, uint8_t digest[PX_HASH_128_BYTES])
{
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes.data, bytes.size_bytes));
    memcpy(digest, canonical.digest, PX_HASH_128_BYTES);
}
