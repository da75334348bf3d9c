/*
 * rest_unpack: a compressed body (content-encoding: gzip) as the plain one.
 *
 * What it unpacks to is reserved in the server's budget like what is received, but is not waited
 * for: the packed body is in memory already, and would wait for others that wait, too.
 *
 * Threads: any thread. Memory: the packed and the plain body for a moment together.
 */
#ifndef PX_REST_REST_UNPACK_H
#define PX_REST_REST_UNPACK_H

#include "http/message.h"

/*
 * Replaces *message, which is freed, by one of the same budget with what it unpacks to. Untouched
 * on failure.
 *
 * PROXIMADB_INVALID             it is no gzip, or damaged
 * PROXIMADB_RESOURCE_EXHAUSTED  over limit_bytes: send less at a time
 * PROXIMADB_UNAVAILABLE         the budget has no room now: try again
 * PROXIMADB_NO_MEMORY
 */
PX_MUST_CHECK int px_rest_unpack(struct px_message **message, size_t limit_bytes,
                                 struct proximadb_error *reterr);

#endif /* PX_REST_REST_UNPACK_H */
