/*
 * exact: search that compares every row with every query.
 *
 * It serves collections without an index, the rows that no index knows yet, and filters that leave
 * few rows. Rows come as blocks of contiguous vectors from any number of sources. A block is taken
 * in chunks that fit the second-level cache; all queries of the request go over a chunk while it is
 * there. So one query runs at the speed of memory, and many at that of the CPU.
 *
 * The kernels' sums decide only what certainly is not among the nearest; see axis/topk.h for the
 * rest, and for the exact order of the answer, which depends neither on the CPU nor on the sources'
 * order or blocks. A distance that is NaN, which no stored row has, counts as infinite.
 *
 * Several threads can search together. Each goes over shares of the rows, about 1 MiB of vectors at
 * a time, with an input, an arena and collectors of its own; one of them adds up what they found:
 *
 *      struct px_exact_shares shares = {0};                        one for all
 *      px_exact_begin(&request, &input, &arena, &scan, ...);       on each thread
 *      px_exact_run(scan, &shares, ...);                           on each, until no share is left
 *      px_exact_merge(scan, other);                                on one, when the others are done
 *      px_exact_finish(scan, hits, ...);
 *
 * px_exact_search() is all that on one thread.
 *
 * Threads: any thread; callbacks are made on the caller's. Memory: the arena's, none of it per row.
 */
#ifndef PX_AXIS_EXACT_H
#define PX_AXIS_EXACT_H

#include "axis/topk.h"

#include <stdatomic.h>

/* Rows first_row to first_row + row_count - 1 of a source, which has fewer than 2^32. */
struct px_exact_block {
    const void *vectors; /* valid until the next block is asked for */
    size_t stride_bytes;
    uint32_t first_row;
    uint32_t row_count;
};

/* What is searched. Searches that share rows have inputs that differ in the context only, and find
 * the same rows behind them. */
struct px_exact_input {
    void *context; /* of the functions */
    uint32_t source_count;
    uint64_t row_count; /* of all sources, or more: no more hits than this are made room for */

    uint32_t (*source_rows)(void *context, uint32_t source_index);

    /* A block that holds row `row` of a source, which has it. An error ends the search and is
     * returned by it. */
    int (*block)(void *context, uint32_t source_index, uint32_t row,
                 struct px_exact_block *ret_block, struct proximadb_error *reterr);

    /* Whether to give up; asked about once a millisecond. NULL: never. */
    bool (*should_stop)(void *context);

    struct px_row_visitor rows;
};

struct px_exact_request {
    struct px_rows queries; /* of the rows' dimension */
    enum proximadb_metric metric;
    uint32_t k;                       /* 1 to 10,000 */
    const struct px_kernels *kernels; /* NULL: px_kernels_get() */
};

/* Which rows are taken. Zeroed: none. */
struct px_exact_shares {
    atomic_uint_least64_t next;
    atomic_bool failed; /* one thread's search failed, so the others may as well stop */
};

struct px_exact_scan;

/*
 * Begins one thread's part of a search. All are kept until it is finished, or no longer of use.
 *
 * ret_scan: in `arena`. PROXIMADB_TOO_LARGE: the arena's ceiling, or no memory.
 */
PX_MUST_CHECK int px_exact_begin(const struct px_exact_request *request,
                                 const struct px_exact_input *input, struct px_arena *arena,
                                 struct px_exact_scan **ret_scan, struct proximadb_error *reterr);

/*
 * Searches shares until none is left. On failure the whole search has failed: rows of a share were
 * left out.
 *
 * PROXIMADB_CANCELLED: should_stop said so. And what block() fails with.
 */
PX_MUST_CHECK int px_exact_run(struct px_exact_scan *scan, struct px_exact_shares *shares,
                               struct proximadb_error *reterr);

/* Adds what another thread, which has ended its run, found. */
void px_exact_merge(struct px_exact_scan *into, const struct px_exact_scan *from);

/*
 * Writes the hits of query q to ret_hits[q]; they lie in the arena. Each query has k hits, or as
 * many as there are accepted rows.
 *
 * PROXIMADB_TOO_LARGE; PROXIMADB_CORRUPT: a row's vector() gave NULL.
 */
PX_MUST_CHECK int px_exact_finish(struct px_exact_scan *scan, struct px_hits *ret_hits,
                                  struct proximadb_error *reterr);

/* The whole search, on this thread. Fails as the functions above. */
PX_MUST_CHECK int px_exact_search(const struct px_exact_request *request,
                                  const struct px_exact_input *input, struct px_arena *arena,
                                  struct px_hits *ret_hits, struct proximadb_error *reterr);

#endif /* PX_AXIS_EXACT_H */
