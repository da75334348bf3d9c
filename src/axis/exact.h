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
 * Threads: any thread; callbacks are made on the caller's. Memory: the arena's, none of it per row.
 */
#ifndef PX_AXIS_EXACT_H
#define PX_AXIS_EXACT_H

#include "axis/topk.h"

/* Rows first_row to first_row + row_count - 1 of a source, which has fewer than 2^32. */
struct px_exact_block {
    const void *vectors; /* valid until the next block is asked for */
    size_t stride_bytes;
    uint32_t first_row;
    uint32_t row_count;
};

/* What is searched. */
struct px_exact_input {
    void *context; /* of block and should_stop */
    uint32_t source_count;
    uint64_t row_count; /* of all sources, or more: no more hits than this are made room for */

    /* The first block of a source whose first_row is from_row or higher; row_count 0 behind the
     * last one. An error ends the search and is returned by it. */
    int (*block)(void *context, uint32_t source_index, uint32_t from_row,
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

/*
 * Writes the hits of query q to ret_hits[q]; they lie in `arena`. Each query has k hits, or as many
 * as there are accepted rows.
 *
 * PROXIMADB_CANCELLED           should_stop said so.
 * PROXIMADB_TOO_LARGE  the arena's ceiling, or no memory.
 * PROXIMADB_CORRUPT             a row's vector() gave NULL.
 * and what block() fails with.
 */
PX_MUST_CHECK int px_exact_search(const struct px_exact_request *request,
                                  const struct px_exact_input *input, struct px_arena *arena,
                                  struct px_hits *ret_hits, struct proximadb_error *reterr);

#endif /* PX_AXIS_EXACT_H */
