/*
 * call: one call of proximadb_submit() on its way through the engine.
 *
 * It owns what the caller gave away (the payload) and what the operation needs (an arena), and it
 * is finished exactly once, which calls the caller's `done` and frees it.
 *
 * Threads: a call belongs to one thread at a time; a cancel token to any.
 */
#ifndef PX_SERVICE_CALL_H
#define PX_SERVICE_CALL_H

#include "base/arena.h"
#include "base/buffer.h"
#include "os/workers.h"

enum {
    PX_CALL_COLLECTION_BYTES = 130
}; /* a name with its NUL, and one more to see it is too long */

struct px_engine;

struct px_call {
    struct px_job job; /* first member: how it waits for a worker */
    struct px_engine *engine;
    int operation; /* enum proximadb_operation */
    char collection[PX_CALL_COLLECTION_BYTES];
    struct proximadb_buffer payload;
    int64_t deadline_ms;      /* monotonic; 0: none */
    proximadb_cancel *cancel; /* a reference, or NULL */
    struct px_arena arena;    /* freed with the call */
    proximadb_done *done;
    void *done_context;
    int thread;   /* enum proximadb_thread, as it was asked for */
    bool is_here; /* it runs on the thread that submitted it, where nothing may take long */
};

/* What an operation that runs `is_here` returns instead of a status when it would take long: the
 * call is then moved. */
enum { PX_CALL_TAKES_LONG = -1 };

/* Takes the public request's payload, also on failure. ret_call: ended by px_call_finish() or
 * px_call_fail(). PROXIMADB_NO_MEMORY, PROXIMADB_INVALID */
PX_MUST_CHECK int px_call_new(struct px_engine *engine,
                              const struct proximadb_request *public_request, proximadb_done *done,
                              void *done_context, struct px_call **ret_call,
                              struct proximadb_error *reterr);

/* Has a call that runs where it was submitted run anew, from its beginning, on a reader. */
void px_call_move(struct px_call *call);

/* Ends it with an answer, which is taken (NULL: an empty one). A failed buffer makes it fail. */
void px_call_finish(struct px_call *call, struct px_buffer *answer);

/* Ends it with an error, which is borrowed. */
void px_call_fail(struct px_call *call, const struct proximadb_error *error);

/* Whether it was cancelled or its deadline is past: PROXIMADB_OK, PROXIMADB_CANCELLED,
 * PROXIMADB_DEADLINE_EXCEEDED. */
PX_MUST_CHECK int px_call_check(const struct px_call *call, struct proximadb_error *reterr);

/* The same of a call whose answer is being written: PROXIMADB_TOO_LARGE, too. */
PX_MUST_CHECK int px_call_check_answer(const struct px_call *call, const struct px_buffer *answer,
                                       struct proximadb_error *reterr);

static inline struct px_slice px_call_payload(const struct px_call *call)
{
    return px_slice_of(call->payload.data, call->payload.size_bytes);
}

#endif /* PX_SERVICE_CALL_H */
