#include "service/request.h"

#include "base/cancel.h"
#include "base/clock.h"

#include <assert.h>
#include <stdlib.h>

/* What a request may take for its own: filters, candidates, decoded rows of a 64 MiB payload. */
#define ARENA_LIMIT_BYTES ((size_t)1 << 30)

int px_request_new(struct px_engine *engine, const struct proximadb_request *public_request,
                   proximadb_done *done, void *done_context, struct px_request **ret_request,
                   struct proximadb_error *reterr)
{
    struct proximadb_buffer payload = public_request->payload;
    size_t name_bytes = public_request->collection_size_bytes;
    struct px_request *request = calloc(1, sizeof *request);
    if (request == NULL) {
        px_public_buffer_release(&payload);
        return px_fail_no_memory(reterr);
    }
    request->engine = engine;
    request->operation = public_request->operation;
    request->payload = payload;
    request->deadline_ms = public_request->deadline_ms;
    request->done = done;
    request->done_context = done_context;
    px_arena_init(&request->arena, ARENA_LIMIT_BYTES);
    if (public_request->collection == NULL)
        name_bytes = 0;
    if (name_bytes >= sizeof request->collection)
        name_bytes =
            sizeof request->collection - 1; /* no name is that long: it will not be found */
    if (name_bytes > 0)
        memcpy(request->collection, public_request->collection, name_bytes);
    if (public_request->cancel != NULL)
        request->cancel = px_cancel_ref(public_request->cancel);
    *ret_request = request;
    return PROXIMADB_OK;
}

static void request_free(struct px_request *request)
{
    px_public_buffer_release(&request->payload);
    px_cancel_unref(request->cancel);
    px_arena_release(&request->arena);
    free(request);
}

void px_request_fail(struct px_request *request, const struct proximadb_error *error)
{
    struct proximadb_buffer empty = {0};
    assert(error->status != PROXIMADB_OK);
    request->done(request->done_context, error->status, &empty, error);
    request_free(request);
}

void px_request_finish(struct px_request *request, struct px_buffer *answer)
{
    struct proximadb_error error = {.row_index = -1};
    struct proximadb_buffer response = {0};
    if (answer != NULL && px_buffer_take(answer, &response, &error) != PROXIMADB_OK) {
        px_request_fail(request, &error);
        return;
    }
    request->done(request->done_context, PROXIMADB_OK, &response, &error);
    request_free(request);
}

int px_request_check(const struct px_request *request, struct proximadb_error *reterr)
{
    if (request->cancel != NULL && px_cancel_is_fired(request->cancel))
        return px_fail(reterr, PROXIMADB_CANCELLED, "the request was cancelled");
    if (request->deadline_ms != 0 &&
        px_clock_system.monotonic_ms(&px_clock_system) >= request->deadline_ms)
        return px_fail(reterr, PROXIMADB_DEADLINE_EXCEEDED,
                       "the deadline passed before the request was done; allow it more time");
    return PROXIMADB_OK;
}
