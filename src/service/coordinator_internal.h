/* coordinator_internal: the kinds of operations, each in its file. */
#ifndef PX_SERVICE_COORDINATOR_INTERNAL_H
#define PX_SERVICE_COORDINATOR_INTERNAL_H

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
