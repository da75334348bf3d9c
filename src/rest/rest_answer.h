/*
 * rest_answer: what the engine answered, as JSON.
 *
 *      OPERATION                  ANSWER
 *      insert, upsert, update     {"row_count": 2, "first_version": 7, "affected": 2,
 *                                  "repeated": false}
 *      delete                     {"deleted": 2, "repeated": false}
 *      search                     {"hits": [HIT...]} or, of several queries,
 *                                 {"results": [[HIT...], ...]}
 *      get                        {"records": [RECORD...]}
 *      scan                       {"records": [RECORD...], "cursor": "..." or null}
 *      count                      {"count": 42}
 *      compact                    {"row_count": 9, "cluster_count": 3, "bytes_read": 1,
 *                                  "bytes_written": 1}
 *      collections                COLLECTION or {"collections": [COLLECTION...]}
 *
 *      HIT     {"id", "score", "distance", "version", "metadata", "document", "vector"}
 *      RECORD  {"id", "vector", "metadata", "document", "version", "timestamp", "expires_at"}
 *
 * What was not asked for is left out. Rows come piece by piece, so that an answer of a gigabyte is
 * never text as a whole.
 *
 * Threads: one at a time.
 */
#ifndef PX_REST_REST_ANSWER_H
#define PX_REST_REST_ANSWER_H

#include "base/buffer.h"
#include "rest/rest_request.h"

#include <proximadb.h>

struct px_rest_answer {
    struct px_rest_shape shape;
    int operation;
    proximadb_reader *reader; /* owned; NULL once all was written, and for answers without rows */
    uint32_t query_count;
    uint32_t query_index; /* of the list that is open */
    bool is_list_begun;   /* it has an element */
};

/*
 * Starts to write the answer of an operation. `response` is taken. Release it afterwards.
 * PROXIMADB_CORRUPT, PROXIMADB_INTERNAL: a fault of ours. PROXIMADB_NO_MEMORY
 */
PX_MUST_CHECK int px_rest_answer_open(struct px_rest_answer *answer, int operation,
                                      const struct px_rest_shape *shape,
                                      struct proximadb_buffer *response, struct px_buffer *text,
                                      struct proximadb_error *reterr);

/* Appends more of the text, until at least enough_bytes have been appended or all is written:
 * *ret_is_done. What cannot be done by halves has been written by px_rest_answer_open(). */
PX_MUST_CHECK int px_rest_answer_write(struct px_rest_answer *answer, struct px_buffer *text,
                                       size_t enough_bytes, bool *ret_is_done,
                                       struct proximadb_error *reterr);

/* Accepts a zeroed one. */
void px_rest_answer_release(struct px_rest_answer *answer);

#endif /* PX_REST_REST_ANSWER_H */
