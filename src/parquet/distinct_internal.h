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
 * As long as the lower half of every float is zero, as that of each which was rounded to 8
 * significant bits or less, its upper half is its code, and nothing has to be looked up. With the
 * first other float those codes become what they are otherwise:
 *
 * A float is looked up in an open-addressing table that is at most half full and doubles from
 * 16 KiB on. Before that a guess is made, the last float with the same upper half.
 *
 * Threads: externally serialised. Memory: up to 2 MiB, all taken at once, so that adding cannot
 * fail; what is not used is not touched.
 */
#ifndef PX_PARQUET_DISTINCT_INTERNAL_H
#define PX_PARQUET_DISTINCT_INTERNAL_H

#include "base/error.h"

struct px_distinct {
    bool is_halved;  /* the code of each float is its upper half; slots and count are not used */
    uint64_t *slots; /* a float's bits << 32 | its code + 1; 0: free */
    unsigned slot_bits;
    uint32_t count;   /* of distinct floats; while is_halved, only from ranking on */
    uint32_t *values; /* a float's bits, by code, unless is_halved; after ranking, by rank */
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

/* Gives the codes of `count` floats, of any alignment, to codes[given_count] and following. Those
 * in front of it must be all that were given since the last clear; they may be changed. False where
 * there would be more than PX_PARQUET_MOST_DISTINCT: codes that were given remain valid, but no
 * more can be added or ranked. */
PX_MUST_CHECK bool px_distinct__add(struct px_distinct *distinct, const void *floats, size_t count,
                                    uint16_t *codes, size_t given_count);

/* Ranks: distinct->values is by rank then, and ret_ranks (room for PX_PARQUET_MOST_DISTINCT) says
 * what each code has become. Nothing can be added any more. */
void px_distinct__rank(struct px_distinct *distinct, uint16_t *ret_ranks);

#endif /* PX_PARQUET_DISTINCT_INTERNAL_H */
