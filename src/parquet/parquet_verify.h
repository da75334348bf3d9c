/*
 * parquet_verify: reads all of a file to see that it is sound, for `proximadb check` and the
 * scrubber.
 *
 * Beside every page's checksum and encoding it checks what no checksum covers in files of others,
 * and what a fault of ours could get wrong: null counts, that every value is within the bounds of
 * its page and chunk, and that every value is in the bloom filter. A bound or a filter that is too
 * narrow would hide rows from a search.
 *
 * Threads: any thread.
 */
#ifndef PX_PARQUET_PARQUET_VERIFY_H
#define PX_PARQUET_PARQUET_VERIFY_H

#include "parquet/parquet_reader.h"

struct px_parquet_verified {
    uint64_t page_count;
    uint64_t page_bytes;
};

/* Verifies every page anew, whatever was verified before. PROXIMADB_CORRUPT, naming the first
 * fault; PROXIMADB_UNIMPLEMENTED, PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_parquet_verify(struct px_parquet_reader *reader,
                                    struct px_parquet_verified *ret_verified,
                                    struct proximadb_error *reterr);

#endif /* PX_PARQUET_PARQUET_VERIFY_H */
