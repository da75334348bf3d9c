/*
 * rest_call: one REST request on an exchange, from its headers to the last byte of its answer.
 *
 *      headers ---> route, parameters, deadline, type of the body      or a problem
 *      body ------> decoded (on a worker thread if it is large) -----> the engine
 *      answer ----> a response; or, where it is long, piece by piece as the peer takes it
 *
 * A body is parsed on the I/O thread only if that takes no longer than a moment, so that a client
 * who sends megabytes of JSON does not delay the others of that thread. When the exchange is closed
 * or its deadline comes, the engine's request is cancelled.
 *
 * Memory: a body is counted in the server's budget while it is here, and then its payload until
 * the engine is done with it; the answer and the text made of it, in the budget of answers until it
 * is sent.
 *
 * Threads: the exchange's I/O thread, but for decoding.
 */
#ifndef PX_REST_REST_CALL_H
#define PX_REST_REST_CALL_H

#include "http/exchange.h"
#include "os/workers.h"
#include "rest/rest_counters.h"

#include <proximadb.h>

/* What all calls share; the context of their routes. */
struct px_rest {
    proximadb *db; /* kept */
    size_t body_limit_bytes;
    struct px_workers *workers; /* decode large bodies */
    struct px_rest_counters counters;
};

extern const struct px_handler px_rest_handler;

#endif /* PX_REST_REST_CALL_H */
