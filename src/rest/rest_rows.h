/*
 * rest_rows: rows to insert, upsert or update, from JSON to the engine's payload.
 *
 *      {"records": [{"id": "a", "vector": [0.1, 0.2], "metadata": {"year": 2024},
 *                    "document": "...", "timestamp": 1700000000000, "expires_at": null}]}
 *
 *      MEMBER             INSERT, UPSERT               UPDATE
 *      id                 needed                       needed
 *      vector             needed, or vector_base64     absent: stays
 *      metadata           absent: {}                   merged by key; a null removes its key
 *      document           absent or null: none         absent: stays; null: removed
 *      timestamp          absent: now                  refused
 *      expires_at         absent or null: never        absent: stays; null: never again
 *      expected_version   refused                      the version the row must have
 *
 * So a record of an answer can be sent back once its `version` is taken out.
 *
 * Records are parsed one at a time (rest_split.h). What each must be is checked by
 * proximadb_batch_add() and by the engine, so that a row gets the same answer by REST and by gRPC.
 *
 * Threads: any thread.
 */
#ifndef PX_REST_REST_ROWS_H
#define PX_REST_REST_ROWS_H

#include "base/error.h"
#include "base/slice.h"

/*
 * Makes the payload of PROXIMADB_INSERT, PROXIMADB_UPSERT or PROXIMADB_UPDATE. *ret_payload is
 * returned, or taken by a request. request_id as in proximadb_batch_new().
 *
 * PROXIMADB_INVALID, with row_index where it is about a row; PROXIMADB_RESOURCE_EXHAUSTED (a record
 * with millions of values), PROXIMADB_NO_MEMORY
 */
PX_MUST_CHECK int px_rest_rows_read(struct px_slice body, int operation, const uint8_t *request_id,
                                    struct proximadb_buffer *ret_payload,
                                    struct proximadb_error *reterr);

#endif /* PX_REST_REST_ROWS_H */
