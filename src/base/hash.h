/*
 * hash: XXH64 and XXH3 through libxxhash, under the two names that the engine means by them.
 */
#ifndef PX_BASE_HASH_H
#define PX_BASE_HASH_H

#include "base/slice.h"

/* In-memory tables: fast, and never written to a file: it differs from process to process, so that
 * nobody can choose ids that collide. */
uint64_t px_hash_memory(struct px_slice bytes);

/* XXH64 with seed 0, which Parquet's bloom filters are defined on. */
uint64_t px_hash_xxh64(struct px_slice bytes);

/* XXH3 of 128 bits with seed 0, big-endian, as libxxhash prints it: the same in every process and
 * version. Not for secrets: who wants two texts of one hash can make them. */
enum { PX_HASH_128_BYTES = 16 };
void px_hash_xxh3_128(struct px_slice bytes, uint8_t digest[PX_HASH_128_BYTES]);

#endif /* PX_BASE_HASH_H */
