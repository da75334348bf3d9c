/*
 * rest_query: the parameters behind the '?' of a URL.
 *
 *      filter=price%20%3C%209&params={"max":9}&timeout_ms=500
 *
 * As HTML forms send them: "name=value" joined by '&', %XX for any byte, '+' for a blank (a plus
 * sign is %2B). Each name may come once, and only names that the route knows.
 *
 * Threads: any thread. Memory: none; values are decoded where the caller says.
 */
#ifndef PX_REST_REST_QUERY_H
#define PX_REST_REST_QUERY_H

#include "base/buffer.h"

enum px_rest_parameter {
    PX_REST_TIMEOUT_MS,
    PX_REST_MODE,
    PX_REST_FILTER,
    PX_REST_PARAMS,
    PX_REST_PARAMETER_COUNT
};
#define PX_REST_TAKES(parameter) (1u << (parameter))

/* The name in a URL. */
const char *px_rest_parameter_name(enum px_rest_parameter parameter);

/* Refuses what is not one of `known` (PX_REST_TAKES() joined), what comes twice, and what is not
 * encoded properly. PROXIMADB_INVALID */
PX_MUST_CHECK int px_rest_query_check(struct px_slice query, unsigned known,
                                      struct proximadb_error *reterr);

/* Of a checked query: appends the parameter's value, decoded; false where it is missing. Failures
 * mark the buffer. */
bool px_rest_query_find(struct px_slice query, enum px_rest_parameter parameter,
                        struct px_buffer *value);

#endif /* PX_REST_REST_QUERY_H */
