/*
 * request: one call of proximadb_submit() on its way through the engine.
 *
 * It owns what the caller gave away (the payload) and what the operation needs (an arena), and it is
 * finished exactly once, which calls the caller's `done` and frees it.
 *
 * Threads: a request belongs to one thread at a time; a cancel token to any.
 */
#ifndef PX_SERVICE_REQUEST_H
#define PX_SERVICE_REQUEST_H

#include "base/arena.h"
#include "base/buffer.h"
#include "os/workers.h"

enum {
    PX_REQUEST_COLLECTION_BYTES = 130
}; /* a name with its NUL, and one more to see it is too long */

struct px_engine;

struct px_request {
    struct px_job job; /* first member: how it waits for a worker */
    struct px_engine *engine;
    int operation; /* enum proximadb_operation */
    char collection[PX_REQUEST_COLLECTION_BYTES];
    struct proximadb_buffer payload;
    int64_t deadline_ms;      /* monotonic; 0: none */
    proximadb_cancel *cancel; /* a reference, or NULL */
    struct px_arena arena;    /* freed with the request */
    proximadb_done *done;
    void *done_context;
};

/* Takes the public request's payload, also on failure. ret_request: ended by px_request_finish() or
 * px_request_fail(). PROXIMADB_NO_MEMORY, PROXIMADB_INVALID */
PX_MUST_CHECK int px_request_new(struct px_engine *engine,
                                 const struct proximadb_request *public_request,
                                 proximadb_done *done, void *done_context,
                                 struct px_request **ret_request, struct proximadb_error *reterr);

/* Ends it with an answer, which is taken (NULL: an empty one). A buffer that failed makes it fail. */
void px_request_finish(struct px_request *request, struct px_buffer *answer);

/* Ends it with an error, which is borrowed. */
void px_request_fail(struct px_request *request, const struct proximadb_error *error);

/* Whether it was cancelled or its deadline is past: PROXIMADB_OK, PROXIMADB_CANCELLED,
 * PROXIMADB_DEADLINE_EXCEEDED. */
PX_MUST_CHECK int px_request_check(const struct px_request *request,
                                   struct proximadb_error *reterr);

static inline struct px_slice px_request_payload(const struct px_request *request)
{
    return px_slice_of(request->payload.data, request->payload.size_bytes);
}

#endif /* PX_SERVICE_REQUEST_H */
