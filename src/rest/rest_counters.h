/*
 * rest_counters: how many requests each route answered with which status, for /metrics.
 *
 *      proximadb_rest_requests_total{method="POST",path="/v1/collections/{name}/search",
 *                                    status="200"} 17
 *
 * Requests that no route takes are counted under an empty method and path; those whose client went
 * away before it had an answer, under the status "cancelled".
 *
 * Threads: any thread.
 */
#ifndef PX_REST_REST_COUNTERS_H
#define PX_REST_REST_COUNTERS_H

#include "base/buffer.h"
#include "rest/rest_router.h"

#include <stdatomic.h>

enum { PX_REST_STATUS_KINDS = 24, PX_REST_CANCELLED = 0 };

struct px_rest_counters {
    _Atomic uint64_t (*ended)[PX_REST_STATUS_KINDS]; /* of each endpoint, and one more */
};

PX_MUST_CHECK int px_rest_counters_init(struct px_rest_counters *counters,
                                        struct proximadb_error *reterr);
void px_rest_counters_release(struct px_rest_counters *counters);

/* endpoint may be NULL: none; http_status may be PX_REST_CANCELLED. */
void px_rest_counters_add(struct px_rest_counters *counters,
                          const struct px_rest_endpoint *endpoint, int http_status);

/* Appends what is not 0 in Prometheus' text format. */
void px_rest_counters_write(const struct px_rest_counters *counters, struct px_buffer *text);

#endif /* PX_REST_REST_COUNTERS_H */
