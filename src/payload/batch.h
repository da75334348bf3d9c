/*
 * batch: a VectorBatch, the rows of an insert or upsert, read in place and checked whole.
 *
 * Decoding copies nothing but metadata that is not in canonical form or does not fit its column as
 * it is: ids, vectors and documents are views into the payload. The batch is checked to its last
 * row before anything is returned, so whoever has a px_batch has rows that may be written as they
 * are: every rule of payload/validate.h and model/metadata.h holds, and no id occurs twice.
 *
 * Memory is taken in proportion to the rows that can be valid, not to the count that the payload
 * claims: a valid row takes 8 bytes and its vector at least.
 *
 * Threads: any thread.
 */
#ifndef PX_PAYLOAD_BATCH_H
#define PX_PAYLOAD_BATCH_H

#include "base/arena.h"
#include "model/collection.h"
#include "model/record.h"

enum { PX_REQUEST_ID_BYTES = 16 };

struct px_batch_row {
    struct px_record record; /* version 0; timestamp_ms 0 where the client gave none */
    uint64_t id_hash;        /* px_hash_memory() of the id */
    bool has_timestamp;
};

struct px_batch {
    uint8_t request_id[PX_REQUEST_ID_BYTES];
    uint32_t row_count; /* 1 or more */
    struct px_batch_row *rows;
};

/*
 * Decodes and checks the datum of a VectorBatch for `collection` (borrowed).
 *
 *   datum      kept: the rows are views into it
 *   arena      receives the rows, and scratch; what it gained by a failed call stays in it
 *   ret_batch  lives as long as both
 *
 * The error says which row it is about.
 * PROXIMADB_INVALID: no VectorBatch, or a row breaks a rule. PROXIMADB_DIMENSION, with expected and
 * actual. PROXIMADB_NO_MEMORY.
 */
PX_MUST_CHECK int px_batch_decode(struct px_slice datum, const struct px_collection *collection,
                                  struct px_arena *arena, struct px_batch *ret_batch,
                                  struct proximadb_error *reterr);

#endif /* PX_PAYLOAD_BATCH_H */
