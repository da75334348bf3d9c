/*
 * distinct_internal: the distinct floats of a row group while it is written, and how often each is
 * there.
 *
 * Floats are told apart by their bits, so that -0.0 and 0.0 are two, and so are NaNs with different
 * payloads. Each gets a code when it first comes, the next free number. At the end codes are
 * changed for ranks: the most frequent float has rank 0, and of two that are as frequent the
 * smaller one comes first (the order of IEEE 754's totalOrder). So the small ranks, which take few
 * bits, are the ones that most rows are made of.
 *
 * A float is looked up in an open-addressing table that is at most half full and doubles from
 * 16 KiB on. Before that a guess is made, the last float with the same upper half: of vectors that
 * were rounded to 8 significant bits it is always right, and the thousand floats that they are made
 * of have their guesses side by side in the first-level cache.
 *
 * Threads: externally serialised. Memory: up to 2 MiB, all taken at once, so that adding cannot
 * fail; what is not used is not touched.
 */
#ifndef PX_PARQUET_DISTINCT_INTERNAL_H
#define PX_PARQUET_DISTINCT_INTERNAL_H

#include "base/error.h"

struct px_distinct {
    uint64_t *slots; /* a float's bits << 32 | its code + 1; 0: free */
    unsigned slot_bits;
    uint32_t count;
    uint32_t *values; /* a float's bits, by code; after ranking, by rank */
    uint32_t *counts; /* by code */
    uint16_t *
        guesses; /* codes, by the upper half of a float's bits; perhaps of another float, or none */
    uint64_t *order; /* scratch */
};

/* PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_distinct__init(struct px_distinct *distinct, struct proximadb_error *reterr);
void px_distinct__release(struct px_distinct *distinct);

/* Forgets everything but the memory. */
void px_distinct__clear(struct px_distinct *distinct);

/* Gives the codes of `count` floats, of any alignment. False where there would be more than
 * PX_PARQUET_MOST_DISTINCT: codes that were given remain valid, but no more can be added or ranked.
 */
PX_MUST_CHECK bool px_distinct__add(struct px_distinct *distinct, const void *floats, size_t count,
                                    uint16_t *ret_codes);

/* Ranks: distinct->values is by rank then, and ret_ranks (room for distinct->count) says what each
 * code has become. Nothing can be added any more. */
void px_distinct__rank(struct px_distinct *distinct, uint16_t *ret_ranks);

#endif /* PX_PARQUET_DISTINCT_INTERNAL_H */
