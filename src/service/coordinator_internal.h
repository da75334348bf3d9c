/* coordinator_internal: the kinds of operations, each in its file. */
#ifndef PX_SERVICE_COORDINATOR_INTERNAL_H
#define PX_SERVICE_COORDINATOR_INTERNAL_H

#include "axis/exact.h"
#include "model/filter.h"
#include "service/row_reader.h"
#include "service/vector_storage_coordinator.h"

/* An answer must fit a message that clients take. */
#define PX_ANSWER_LIMIT_BYTES ((size_t)60 << 20)

/* How often a walk over rows asks whether it is still wanted. */
enum { PX_ROWS_BETWEEN_CHECKS = 1024 };

/* What every read of a snapshot has at hand. */
struct px_reading {
    struct px_call *call;
    struct px_snapshot snapshot;
    struct px_row_reader rows;
    const struct px_filter *filter; /* NULL: every row matches */
};

/* Parses the filter for the shard's collection into the call's arena. */
PX_MUST_CHECK int px_coordinator__parse_filter(struct px_shard *shard, struct px_call *call,
                                               const struct px_filter_text *text,
                                               const struct px_filter **ret_filter,
                                               struct proximadb_error *reterr);

/* Begins to read a snapshot, which is taken. Release in any case. */
PX_MUST_CHECK int px_coordinator__begin_reading(struct px_reading *reading, struct px_call *call,
                                                struct px_snapshot *snapshot,
                                                const struct px_filter *filter,
                                                struct proximadb_error *reterr);
void px_coordinator__end_reading(struct px_reading *reading);

/* Whether the snapshot sees the row and the filter takes it. */
bool px_coordinator__accepts(struct px_reading *reading, uint32_t source_index, uint32_t row);

/* ---- searching ------------------------------------------------------------------------------ */

/* Rows that are compared with the queries one by one. */
struct px_row_ranges {
    struct px_row_range *items;
    uint32_t count;
    uint64_t row_count; /* of all */
};

static inline struct px_row_ranges px_coordinator__ranges(struct px_row_range *items,
                                                          uint32_t count)
{
    struct px_row_ranges ranges = {.items = items, .count = count};
    for (uint32_t i = 0; i < count; i++)
        ranges.row_count += items[i].end - items[i].begin;
    return ranges;
}

/* The hits of each query among the rows of the ranges, or among all of the snapshot, with the help
 * of the crew. Errors as px_exact_search(), or why the call has to end. */
PX_MUST_CHECK int px_coordinator__compare(struct px_crew *crew, struct px_reading *reading,
                                          const struct px_exact_request *request,
                                          const struct px_row_ranges *ranges,
                                          struct px_hits *ret_hits, struct proximadb_error *reterr);
PX_MUST_CHECK int px_coordinator__compare_all(struct px_crew *crew, struct px_reading *reading,
                                              const struct px_exact_request *request,
                                              struct px_hits *ret_hits,
                                              struct proximadb_error *reterr);

/* Of all queries of a request: each takes some 20 bytes. */
enum { PX_MOST_CANDIDATES_OF_ALL = 10000000 };

/* A search with a longer tail is not short (coordinator_search.c); so many rows take 20 us. */
enum { PX_SHORT_TAIL_ROWS = 1000 };

/* Comparing all rows takes less time than a walk for more than a row in so many. */
enum { PX_ROWS_PER_CANDIDATE = 8 };

/* Whether asking an index for so many candidates is less work than comparing all rows. */
static inline bool px_coordinator__is_shorter(const struct px_snapshot *snapshot, uint32_t wanted)
{
    return (uint64_t)wanted * PX_ROWS_PER_CANDIDATE <= px_snapshot_total_rows(snapshot);
}

/* What an index is asked. */
struct px_candidate_request {
    struct px_crew *crew;
    struct px_rows queries;
    uint32_t wanted; /* candidates for each query, at least */
    /* Rows that are to be among them with the target recall: the hits, or so many that enough of
     * them match the filter; and how many times farther to look than that, since too few were. */
    uint32_t near_count;
    uint32_t widening;
    double target_recall;
    uint32_t ef;     /* 0: as the target recall needs */
    uint32_t nprobe; /* likewise */
};

/* Rows that may be the nearest of a query, near ones first; none is twice. */
struct px_query_candidates {
    struct px_row_place *items;
    uint32_t count;
};

/* What it answers: a snapshot, and in its terms for each query candidates, and for all of them the
 * rows that the index does not know, which are to be compared with the queries and are no
 * candidates. All but the snapshot lies in the call's arena. */
struct px_candidates {
    struct px_snapshot snapshot; /* taken by who begins to read it */
    struct px_query_candidates *queries;
    struct px_row_ranges tail;
    uint32_t ranked; /* candidates of each query that are to be compared, if not fewer are enough */
};

/*
 * An index that collections are searched by. *ret_found false: there is none yet, it is the longer
 * way, or rows moved too often while it was searched; then everything is compared.
 * PROXIMADB_TOO_LARGE, PROXIMADB_NO_MEMORY, or why the call has to end.
 */
typedef int px_find_candidates(struct px_shard *shard, struct px_call *call,
                               const struct px_candidate_request *request,
                               struct px_candidates *ret_candidates, bool *ret_found,
                               struct proximadb_error *reterr);

PX_MUST_CHECK int px_coordinator__find_in_graph(struct px_shard *shard, struct px_call *call,
                                                const struct px_candidate_request *request,
                                                struct px_candidates *ret_candidates,
                                                bool *ret_found, struct proximadb_error *reterr);

PX_MUST_CHECK int px_coordinator__find_by_codes(struct px_shard *shard, struct px_call *call,
                                                const struct px_candidate_request *request,
                                                struct px_candidates *ret_candidates,
                                                bool *ret_found, struct proximadb_error *reterr);

/* Each reads and writes the answer. */
PX_MUST_CHECK int px_coordinator__get(struct px_shard *shard, struct px_call *call,
                                      const struct px_get_request *request,
                                      struct px_buffer *answer, struct proximadb_error *reterr);
PX_MUST_CHECK int px_coordinator__search(struct px_vector_storage_coordinator *coordinator,
                                         struct px_shard *shard, struct px_call *call,
                                         const struct px_search_request *request,
                                         struct px_buffer *answer, struct proximadb_error *reterr);
PX_MUST_CHECK int px_coordinator__scan(struct px_vector_storage_coordinator *coordinator,
                                       struct px_shard *shard, struct px_call *call,
                                       const struct px_scan_request *request,
                                       struct px_buffer *answer, struct proximadb_error *reterr);
PX_MUST_CHECK int px_coordinator__count(struct px_shard *shard, struct px_call *call,
                                        const struct px_count_request *request,
                                        struct px_buffer *answer, struct proximadb_error *reterr);

/* Each takes a reference of the shard and finishes the call later. */
void px_coordinator__write(struct px_shard *shard, struct px_call *call,
                           const struct px_operation *operation);
void px_coordinator__delete_by_filter(struct px_shard *shard, struct px_call *call,
                                      const struct px_delete_batch *batch);
void px_coordinator__flush(struct px_shard *shard, struct px_call *call);
void px_coordinator__compact(struct px_shard *shard, struct px_call *call,
                             const struct px_compact_request *request);

#endif /* PX_SERVICE_COORDINATOR_INTERNAL_H */
