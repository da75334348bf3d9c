#include "bridge/engine_call.h"

#include "http/counted.h"

#include <assert.h>

static struct px_engine_call *call_of(struct px_task *task)
{
    return (struct px_engine_call *)((char *)task - offsetof(struct px_engine_call, answered));
}

/* Back on the exchange's thread. */
static void on_answered(struct px_task *task)
{
    struct px_engine_call *call = call_of(task);
    struct px_exchange *exchange = call->exchange;
    call->is_under_way = false;
    proximadb_cancel_free(call->cancel);
    call->cancel = NULL;
    if (!call->is_unwanted && px_exchange_is_open(exchange))
        call->done(exchange, call);
    if (!call->is_under_way) /* done may have started the next one */
        proximadb_buffer_release(&call->response);
    px_exchange_drop(exchange);
}

static int fail_no_room(const struct px_budget *answers, struct proximadb_error *reterr)
{
    return px_fail(reterr, PROXIMADB_RESOURCE_EXHAUSTED,
                   "the server holds %zu bytes of answers that clients have not taken, of %zu that "
                   "it may hold; take them, try again later, or ask for less at a time",
                   atomic_load(&answers->used_bytes), answers->limit_bytes);
}

/* Counts the response while it lives. That of a write is kept in any case. */
static int count_response(const struct px_engine_call *call, struct proximadb_buffer *response,
                          struct proximadb_error *reterr)
{
    struct px_budget *answers = px_exchange_answers(call->exchange);
    size_t size_bytes = response->size_bytes;
    if (!call->is_read)
        px_budget_charge(answers, size_bytes);
    else if (!px_budget_reserve(answers, size_bytes))
        return fail_no_room(answers, reterr);
    int rc = px_counted_buffer(response, answers, reterr);
    if (rc != PROXIMADB_OK)
        px_budget_return(answers, size_bytes);
    return call->is_read ? rc : PROXIMADB_OK;
}

/* On an engine thread. */
static void on_engine_done(void *context, int status, struct proximadb_buffer *response,
                           const struct proximadb_error *error)
{
    struct px_engine_call *call = context;
    call->error = *error;
    if (status == PROXIMADB_OK && response->size_bytes > 0)
        status = count_response(call, response, &call->error);
    if (status == PROXIMADB_OK) {
        call->response = *response;
        *response = (struct proximadb_buffer){0};
    }
    call->error.status = status;
    px_exchange_post(call->exchange, &call->answered);
}

/* The exchange's clock stands still during a turn, the engine's runs: what counts is the time that
 * is left. A deadline that has passed becomes one in the past, and not none. */
static int64_t engine_deadline_ms(const struct px_exchange *exchange)
{
    int64_t deadline_ms = px_exchange_deadline(exchange);
    if (deadline_ms == 0)
        return 0;
    int64_t at_ms = proximadb_now_ms() + (deadline_ms - px_exchange_now_ms(exchange));
    return at_ms > 0 ? at_ms : 1;
}

/* Those whose answers may be large. */
static bool is_read(int operation)
{
    return operation == PROXIMADB_SEARCH || operation == PROXIMADB_GET ||
           operation == PROXIMADB_SCAN || operation == PROXIMADB_LIST_COLLECTIONS;
}

/* What is needed before the engine is asked. */
static int prepare(struct px_engine_call *call)
{
    const struct px_budget *answers = px_exchange_answers(call->exchange);
    if (call->is_read && atomic_load(&answers->used_bytes) >= answers->limit_bytes)
        return fail_no_room(answers, &call->error);
    call->cancel = proximadb_cancel_new();
    return call->cancel != NULL ? PROXIMADB_OK : px_fail_no_memory(&call->error);
}

void px_engine_call_start(struct px_engine_call *call, proximadb *db, struct px_exchange *exchange,
                          struct proximadb_request *request,
                          void (*done)(struct px_exchange *exchange, struct px_engine_call *call))
{
    assert(!call->is_under_way && call->response.release == NULL);
    *call = (struct px_engine_call){
        .answered = {.run = on_answered},
        .exchange = exchange,
        .done = done,
        .is_read = is_read(request->operation),
        .is_under_way = true,
    };
    px_exchange_hold(exchange);
    if (prepare(call) != PROXIMADB_OK) {
        proximadb_buffer_release(&request->payload);
        px_exchange_post(exchange, &call->answered);
        return;
    }
    request->deadline_ms = engine_deadline_ms(exchange);
    request->cancel = call->cancel;
    request->thread =
        px_exchange_is_alone(exchange) ? PROXIMADB_THIS_THREAD : PROXIMADB_THIS_THREAD_IF_BUSY;
    proximadb_submit(db, request, on_engine_done, call);
}

void px_engine_call_cancel(struct px_engine_call *call)
{
    if (!call->is_under_way || call->is_unwanted)
        return;
    call->is_unwanted = true;
    if (call->cancel != NULL)
        proximadb_cancel_fire(call->cancel);
}
