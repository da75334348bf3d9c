/*
 * answer: reads what src/payload/result.c writes, for the public readers: small answers at once,
 * rows and collections one by one.
 *
 * px_answer_open() walks the whole payload once and checks it, so that damage is found before the
 * first row is given out, and so that a scan's cursor, which stands behind the rows, is known from
 * the beginning.
 *
 * An answer is made by the engine: one that breaks its schema is PROXIMADB_CORRUPT. One that is not
 * of the schema asked for is the caller's mistake, PROXIMADB_INVALID.
 *
 * Threads: externally serialised.
 */
#ifndef PX_PAYLOAD_ANSWER_H
#define PX_PAYLOAD_ANSWER_H

#include "avro/cursor.h"
#include "avro/schemas.h"
#include "base/arena.h"
#include "payload/fields.h"

PX_MUST_CHECK int px_answer_write_result(struct px_slice payload,
                                         struct proximadb_write_result *ret_result,
                                         struct proximadb_error *reterr);
PX_MUST_CHECK int px_answer_count(struct px_slice payload, uint64_t *ret_count,
                                  struct proximadb_error *reterr);
PX_MUST_CHECK int px_answer_compact_result(struct px_slice payload,
                                           struct proximadb_compact_result *ret_result,
                                           struct proximadb_error *reterr);

/* Walks a SearchResult, RecordBatch, CollectionInfo or CollectionList. */
struct px_answer {
    enum px_schema schema;
    uint32_t query_count;        /* of a SearchResult; otherwise 1 */
    struct px_slice scan_cursor; /* of a RecordBatch; size 0: there is no more */

    /* Private: */
    struct px_slice datum;
    struct px_cursor cursor;
    struct px_cursor_block outer; /* of the queries, the records or the collections */
    struct px_cursor_block inner; /* of a query's hits */
    int64_t outer_index;          /* items of it that were begun */
    int64_t inner_index;          /* likewise */
    struct px_arena arena;        /* of the current row or collection */
    struct px_fields fields;
    int64_t expires_at_ms;
};

/* payload is kept. *ret_answer is zeroed on failure; otherwise release with px_answer_release().
 * PROXIMADB_UNIMPLEMENTED: of a schema that has neither rows nor collections, or of an unknown one.
 * */
PX_MUST_CHECK int px_answer_open(struct px_slice payload, struct px_answer *ret_answer,
                                 struct proximadb_error *reterr);
void px_answer_release(struct px_answer *answer);

/* The next row of a SearchResult or RecordBatch: true and *ret_hit, views into payload and answer
 * until the next call. False at the end, where reterr->status is PROXIMADB_OK, or without memory.
 * */
bool px_answer_next_row(struct px_answer *answer, struct proximadb_hit *ret_hit,
                        struct proximadb_error *reterr);

/* The next collection of a CollectionInfo or CollectionList, likewise. */
bool px_answer_next_collection(struct px_answer *answer, struct proximadb_collection_info *ret_info,
                               struct proximadb_error *reterr);

#endif /* PX_PAYLOAD_ANSWER_H */
