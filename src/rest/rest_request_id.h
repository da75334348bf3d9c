/*
 * rest_request_id: the Idempotency-Key of a write as the engine's request id.
 *
 *      KEY                                     REQUEST ID
 *      123e4567-e89b-42d3-a456-426614174000    the uuid's 16 bytes, as other clients send them
 *      any other text of 1 to 128 characters   its XXH3 hash of 128 bits
 *
 * The header is a structured string (draft-ietf-httpapi-idempotency-key-header), that is, in double
 * quotes; many clients leave them out, so a key means the same with and without. The engine
 * remembers ids for each collection, over restarts too, so the hash is one that stays the same.
 *
 * Threads: any thread.
 */
#ifndef PX_REST_REST_REQUEST_ID_H
#define PX_REST_REST_REQUEST_ID_H

#include "base/error.h"
#include "base/slice.h"

enum { PX_REST_LONGEST_KEY_BYTES = 128 };

/* `value` is the header's. PROXIMADB_INVALID */
PX_MUST_CHECK int px_rest_request_id_parse(struct px_slice value, uint8_t request_id[16],
                                           struct proximadb_error *reterr);

#endif /* PX_REST_REST_REQUEST_ID_H */
