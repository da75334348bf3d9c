/*
 * rest_head: what a request says in front of its body: the collection's name in its path, its query
 * parameters, and the Idempotency-Key.
 *
 * Threads: any thread.
 */
#ifndef PX_REST_REST_HEAD_H
#define PX_REST_REST_HEAD_H

#include "rest/rest_router.h"

#define PX_REST_LONGEST_TIMEOUT_MS (24 * 3600 * INT64_C(1000))

struct px_rest_head {
    struct px_slice name; /* as it stands in the path */
    struct px_slice query;
    struct px_slice idempotency_key; /* the header's value; without data: none */
};

/* Fills in the request's operation, name, query and request id. *ret_timeout_ms is 0 for none.
 * PROXIMADB_INVALID, PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_rest_head_read(const struct px_rest_head *head,
                                    const struct px_rest_endpoint *endpoint,
                                    struct px_rest_request *request, int64_t *ret_timeout_ms,
                                    struct proximadb_error *reterr);

#endif /* PX_REST_REST_HEAD_H */
