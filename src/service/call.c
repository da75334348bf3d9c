#include "service/call.h"

#include "base/cancel.h"
#include "base/clock.h"
#include "service/engine.h"

#include <assert.h>
#include <stdlib.h>

/* What a request may take for its own: filters, candidates, decoded rows of a 64 MiB payload. */
#define ARENA_LIMIT_BYTES ((size_t)1 << 30)

int px_call_new(struct px_engine *engine, const struct proximadb_request *public_request,
                proximadb_done *done, void *done_context, struct px_call **ret_call,
                struct proximadb_error *reterr)
{
    struct proximadb_buffer payload = public_request->payload;
    size_t name_bytes = public_request->collection_size_bytes;
    struct px_call *call = calloc(1, sizeof *call);
    if (call == NULL) {
        px_public_buffer_release(&payload);
        return px_fail_no_memory(reterr);
    }
    call->engine = engine;
    call->operation = public_request->operation;
    call->payload = payload;
    call->deadline_ms = public_request->deadline_ms;
    call->done = done;
    call->done_context = done_context;
    call->thread = public_request->thread;
    px_arena_init(&call->arena, ARENA_LIMIT_BYTES);
    if (public_request->collection == NULL)
        name_bytes = 0;
    if (name_bytes >= sizeof call->collection)
        name_bytes = sizeof call->collection - 1; /* no name is that long: it will not be found */
    if (name_bytes > 0)
        memcpy(call->collection, public_request->collection, name_bytes);
    if (strlen(call->collection) != name_bytes)
        call->collection[0] = '\0'; /* it has a NUL, and must not be taken for a shorter one */
    if (public_request->cancel != NULL)
        call->cancel = px_cancel_ref(public_request->cancel);
    *ret_call = call;
    return PROXIMADB_OK;
}

void px_call_move(struct px_call *call)
{
    assert(call->is_here);
    call->is_here = false;
    px_arena_release(&call->arena);
    px_workers_submit(call->engine->readers, &call->job);
}

static void end_call(struct px_call *call, bool succeeded)
{
    struct px_engine *engine = call->engine;
    px_public_buffer_release(&call->payload);
    px_cancel_unref(call->cancel);
    px_arena_release(&call->arena);
    free(call);
    px_engine_end_call(engine, succeeded);
}

void px_call_fail(struct px_call *call, const struct proximadb_error *error)
{
    struct proximadb_buffer empty = {0};
    assert(error->status != PROXIMADB_OK);
    call->done(call->done_context, error->status, &empty, error);
    end_call(call, false);
}

/* An answer over its ceiling is so later, too. */
static int check_room(const struct px_buffer *answer, struct proximadb_error *reterr)
{
    int rc = px_buffer_status(answer, reterr);
    if (rc != PROXIMADB_RESOURCE_EXHAUSTED)
        return rc;
    if (reterr != NULL)
        reterr->status = PROXIMADB_TOO_LARGE;
    return PROXIMADB_TOO_LARGE;
}

int px_call_check_answer(const struct px_call *call, const struct px_buffer *answer,
                         struct proximadb_error *reterr)
{
    int rc = check_room(answer, reterr);
    return rc == PROXIMADB_OK ? px_call_check(call, reterr) : rc;
}

void px_call_finish(struct px_call *call, struct px_buffer *answer)
{
    struct proximadb_error error = {.row_index = -1};
    struct proximadb_buffer response = {0};
    int rc = answer != NULL ? check_room(answer, &error) : PROXIMADB_OK;
    if (rc == PROXIMADB_OK && answer != NULL)
        rc = px_buffer_take(answer, &response, &error);
    if (rc != PROXIMADB_OK) {
        px_call_fail(call, &error);
        return;
    }
    call->done(call->done_context, PROXIMADB_OK, &response, &error);
    end_call(call, true);
}

int px_call_check(const struct px_call *call, struct proximadb_error *reterr)
{
    if (call->cancel != NULL && px_cancel_is_fired(call->cancel))
        return px_fail(reterr, PROXIMADB_CANCELLED, "the request was cancelled");
    if (call->deadline_ms != 0 &&
        px_clock_system.monotonic_ms(&px_clock_system) >= call->deadline_ms)
        return px_fail(reterr, PROXIMADB_DEADLINE_EXCEEDED,
                       "the deadline passed before the request was done; allow it more time");
    return PROXIMADB_OK;
}
