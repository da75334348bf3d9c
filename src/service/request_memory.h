/*
 * request_memory: the outcomes of the last 10,000 writes of a collection, by their request ids.
 *
 * A client that did not get an answer sends its write again with the same id, and is told the first
 * outcome instead of writing twice. What is remembered follows from the log (each entry carries its
 * request id) and is kept in the manifest for entries whose log files are gone. Only writes that
 * were logged are remembered: one that failed changed nothing and may simply be tried again.
 *
 * Threads: externally serialised (the collection's lock).
 */
#ifndef PX_SERVICE_REQUEST_MEMORY_H
#define PX_SERVICE_REQUEST_MEMORY_H

#include "base/buffer.h"
#include "payload/batch.h"

enum {
    PX_REQUESTS_REMEMBERED = 10000,
    PX_REQUEST_ENCODED_BYTES = 40,
};

struct px_request_outcome {
    uint8_t request_id[PX_REQUEST_ID_BYTES];
    int64_t first_version;
    uint32_t row_count;
    uint64_t affected;
};

struct px_request_memory;

/* ret_memory: free with px_request_memory_free(). PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_request_memory_new(struct px_request_memory **ret_memory,
                                        struct proximadb_error *reterr);
void px_request_memory_free(struct px_request_memory *memory);

/* Remembers an outcome, and forgets the oldest where there is no more room. Never fails. */
void px_request_memory_put(struct px_request_memory *memory,
                           const struct px_request_outcome *outcome);

/* The outcome of a request, valid until the next put; NULL if it is not remembered. */
const struct px_request_outcome *px_request_memory_find(const struct px_request_memory *memory,
                                                        const uint8_t *request_id);

/*
 * Appends the outcomes of all writes up to `last_lsn`, oldest first, 40 bytes each:
 *
 *      OFFSET  SIZE  MEANING (little-endian)
 *      0       16    request id
 *      16      8     first_version
 *      24      4     row_count
 *      28      4     0
 *      32      8     affected
 */
void px_request_memory_encode(const struct px_request_memory *memory, int64_t last_lsn,
                              struct px_buffer *buffer);

/* Puts what was encoded. PROXIMADB_CORRUPT: the size is not a multiple of 40. */
PX_MUST_CHECK int px_request_memory_decode(struct px_request_memory *memory,
                                           struct px_slice encoded, struct proximadb_error *reterr);

#endif /* PX_SERVICE_REQUEST_MEMORY_H */
