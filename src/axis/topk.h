/*
 * topk: keeps the k nearest of the rows that it is offered, exactly, although what is known of most
 * of them is approximate.
 *
 * A row is offered with an interval that holds its canonical distance (simd/bound.h makes one from
 * a kernel's float32 sum; a quantised code's error gives one, too). `threshold` is the k-th
 * smallest upper end so far: k rows are at least that near, so a row whose lower end is above it is
 * dropped without another look. The others go to one of two places:
 *
 *   nearest  the k smallest upper ends, as a heap with the largest on top, which is the threshold
 *   spare    intervals that reach across the threshold: nearer or not, who knows
 *
 * Only when `spare` is full, and at the end, are canonical distances computed, and ids fetched only
 * where two distances are equal. So a search over a million rows reads a few more than k vectors
 * again.
 *
 * The answer is the first k in the order (distance, id bytewise) of all accepted rows, whatever the
 * order of offers, the width of the intervals, or the split over collectors. Rows of equal id,
 * which no snapshot has, are ordered by source and row. A distance that is NaN counts as infinite.
 *
 * Threads: externally serialised. Searches on several threads use a collector each and merge them.
 * Memory: an arena's, taken by px_topk_init() and px_topk_finish() only.
 */
#ifndef PX_AXIS_TOPK_H
#define PX_AXIS_TOPK_H

#include "base/arena.h"
#include "base/error.h"
#include "simd/bound.h"
#include "simd/distance.h"

/* How a search asks about single rows. A row is known by its source (a part, a memtable) and its
 * number in it. */
struct px_row_visitor {
    void *context;

    /* Whether the row is live and matches the filter; NULL: every row is. Asked only of rows that
     * are near enough to matter, before they count, and once per query and row. */
    bool (*accept)(void *context, uint32_t source_index, uint32_t row_index);

    /* The row's id: a view that is valid until the search ends. */
    struct px_slice (*id)(void *context, uint32_t source_index, uint32_t row_index);

    /* The row's vector: a view that is valid until the next call; NULL if it cannot be read. */
    const void *(*vector)(void *context, uint32_t source_index, uint32_t row_index);
};

/* A row, with the canonical distance: lower and upper are equal once it is known. */
struct px_candidate {
    double lower;
    double upper;
    uint32_t source_index;
    uint32_t row_index;
};

struct px_topk {
    const struct px_query *query;      /* kept */
    const struct px_row_visitor *rows; /* kept */
    double threshold;                  /* infinite until k rows were accepted */
    size_t k;
    size_t nearest_count;
    size_t spare_count;
    size_t spare_capacity;
    struct px_candidate *nearest; /* in the arena; a heap once there are k */
    struct px_candidate *spare;   /* likewise; empty until there are k */
    bool failed;                  /* a vector could not be read */
};

struct px_hit {
    uint32_t source_index;
    uint32_t row_index;
    double distance;
    double score;
};

/* Nearest first. */
struct px_hits {
    struct px_hit *items; /* in the arena */
    size_t count;
};

/* k is 1 to 10,000. PROXIMADB_TOO_LARGE: the arena's ceiling, or no memory. */
PX_MUST_CHECK int px_topk_init(struct px_topk *topk, size_t k, const struct px_query *query,
                               const struct px_row_visitor *rows, struct px_arena *arena,
                               struct proximadb_error *reterr);

/* Offers a row that was not offered before. */
void px_topk_offer(struct px_topk *topk, struct px_interval distance, uint32_t source_index,
                   uint32_t row_index);

/* Adds what `from` holds to `into`: both of the same query, of one visitor's rows, but of different
 * rows. `from` stays as it is. */
void px_topk_merge(struct px_topk *into, const struct px_topk *from);

/* The answer; nothing may be offered afterwards. PROXIMADB_CORRUPT: a vector could not be read.
 * PROXIMADB_TOO_LARGE: as px_topk_init(). */
PX_MUST_CHECK int px_topk_finish(struct px_topk *topk, struct px_arena *arena,
                                 struct px_hits *ret_hits, struct proximadb_error *reterr);

#endif /* PX_AXIS_TOPK_H */
