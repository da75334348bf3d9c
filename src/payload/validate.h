/*
 * validate: what a row or a query must be before the engine takes it: the rules on ids, vectors,
 * documents and times that no schema can express.
 *
 * A vector's squared norm must be a finite float32, and under cosine at least FLT_MIN, because what
 * is shorter has no direction left in float arithmetic. The fast sum of simd/kernels.h differs in
 * its last digits from one CPU to another, so it only decides what is clear; near a limit the sum
 * of simd/distance.h decides, which is equal everywhere. So a vector that one machine takes,
 * another one that replays its log takes, too.
 *
 * Errors are PROXIMADB_INVALID unless said otherwise and do not know of a row; a caller that does
 * adds it with px_error_set_row().
 *
 * Threads: any thread; nothing here has state.
 */
#ifndef PX_PAYLOAD_VALIDATE_H
#define PX_PAYLOAD_VALIDATE_H

#include "model/collection.h"

enum {
    PX_LARGEST_DOCUMENT_BYTES = 16 << 20,
    PX_SHOWN_ID_BYTES = 64, /* of an id in a message */
};

/* 9999-12-31T23:59:59.999Z, the last time that ISO 8601 writes with four digits of year. */
#define PX_LATEST_TIME_MS INT64_C(253402300799999)

/* An id: 1 to 512 bytes of UTF-8 without NUL. */
PX_MUST_CHECK int px_validate_id(struct px_slice id, struct proximadb_error *reterr);

/* A vector for a collection, of any alignment. PROXIMADB_DIMENSION, with expected and actual, where
 * its length is wrong. */
PX_MUST_CHECK int px_validate_vector(const struct px_collection *collection, const void *vector,
                                     size_t dim_count, struct proximadb_error *reterr);

/* A document: UTF-8, at most 16 MiB. */
PX_MUST_CHECK int px_validate_document(struct px_slice document, struct proximadb_error *reterr);

/* A time from 1970 to the year 9999; `field` names it in the message. */
PX_MUST_CHECK int px_validate_time(int64_t time_ms, const char *field,
                                   struct proximadb_error *reterr);

/* The part of an id that a message shows, for "%.*s". The id must be valid. */
#define PX_SHOWN_ID(id) (int)px_validate_shown_bytes(id), (const char *)(id).data
size_t px_validate_shown_bytes(struct px_slice id);

#endif /* PX_PAYLOAD_VALIDATE_H */
