/*
 * rest_problem: errors as problem details (RFC 9457), and which HTTP status each status of ours is.
 *
 *      {"type": "urn:proximadb:error:DIMENSION", "title": "Wrong dimension", "status": 400,
 *       "detail": "row 3: ...", "code": "DIMENSION", "row_index": 3,
 *       "expected": 384, "actual": 128}
 *
 * `code` is proximadb_status_name(), the same word that gRPC has as `reason`; `type` is made from
 * it. `row_index` is there where the error is about a row, `expected` and `actual` are where the
 * code is DIMENSION or VERSION_MISMATCH. The statuses are a part of the contract: docs/REST.md has
 * the table.
 *
 * What HTTP itself asks for (no such path, another method, type or size of a body) has the type
 * "about:blank" and the title that HTTP gives the status, as the RFC wants it; `code` is there all
 * the same.
 *
 * Threads: any thread.
 */
#ifndef PX_REST_REST_PROBLEM_H
#define PX_REST_REST_PROBLEM_H

#include "base/buffer.h"

/* Statuses that HTTP itself asks for, besides those of px_rest_http_status(). */
enum {
    PX_REST_NOT_FOUND = 404,
    PX_REST_METHOD_NOT_ALLOWED = 405,
    PX_REST_TOO_LARGE = 413,
    PX_REST_UNSUPPORTED_TYPE = 415,
};

/* Of an enum proximadb_status; 500 for other numbers. */
int px_rest_http_status(int status);

/* Whether trying again later may help: 429 and 503, which carry "retry-after". */
bool px_rest_is_temporary(int http_status);

/* Appends the JSON of an error. Its message may be anything: what is no UTF-8 is replaced. */
void px_rest_problem_write(struct px_buffer *buffer, int http_status,
                           const struct proximadb_error *error);

#endif /* PX_REST_REST_PROBLEM_H */
