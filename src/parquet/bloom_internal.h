/*
 * bloom_internal: Parquet's split-block bloom filter: whether a value may be among those of a
 * chunk.
 *
 * The filter is an array of blocks of 256 bits. The upper half of a value's XXH64 chooses the
 * block; the lower half, multiplied with eight constants, chooses one bit in each of its eight
 * words. So a question touches one cache line. Its header stands in front of it:
 *
 *      struct BloomFilterHeader (Thrift): size in bytes, algorithm BLOCK, hash XXHASH, UNCOMPRESSED
 *      bits: size / 4 little-endian words
 *
 * Sized for one false positive in a hundred: -8 / ln(1 - 0.01^(1/8)) = 9.68 bits a distinct value
 * (BloomFilter.md of the format), rounded up to a power of two, which parquet-cpp requires.
 *
 * Threads: any thread on a filter that is no longer written.
 */
#ifndef PX_PARQUET_BLOOM_INTERNAL_H
#define PX_PARQUET_BLOOM_INTERNAL_H

#include "base/buffer.h"

enum {
    PX_BLOOM_BLOCK_BYTES = 32,
    PX_BLOOM_MOST_BYTES = 128 << 20, /* parquet-cpp reads no more */
};

/* The size of a filter for so many distinct values. */
size_t px_bloom__size_bytes(uint64_t distinct_count);

/* `bits` is any number of blocks, at first zero. hash: px_hash_xxh64() of the value in PLAIN
 * encoding, a BYTE_ARRAY without its length. */
void px_bloom__insert(uint8_t *bits, size_t size_bytes, uint64_t hash);

/* False: the value was not inserted. */
bool px_bloom__contains(const uint8_t *bits, size_t size_bytes, uint64_t hash);

/* Appends header and bits of a filter with the given hashes, which are sorted on the way to count
 * the distinct ones. Failures mark the buffer. */
void px_bloom__encode(uint64_t *hashes, size_t count, struct px_buffer *buffer);

/* Finds the bits behind the header of `filter`. *ret_bits is a view. PROXIMADB_CORRUPT;
 * PROXIMADB_UNIMPLEMENTED: another algorithm, hash or compression. */
PX_MUST_CHECK int px_bloom__parse(struct px_slice filter, struct px_slice *ret_bits,
                                  struct proximadb_error *reterr);

#endif /* PX_PARQUET_BLOOM_INTERNAL_H */
