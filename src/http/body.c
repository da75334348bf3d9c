/* The part of exchange.h that receives whole bodies into memory of the budget. */
#include "http/http_internal.h"

#include <assert.h>

enum { FIRST_OPEN_ENDED_BYTES = 64 << 10 };

static struct px_exchange *exchange_of_task(struct px_task *task)
{
    return (struct px_exchange *)((char *)task - offsetof(struct px_exchange, body.granted));
}

static struct px_exchange *exchange_of_waiter(struct px_budget_waiter *waiter)
{
    return (struct px_exchange *)((char *)waiter - offsetof(struct px_exchange, body.waiter));
}

static struct px_exchange *exchange_of_timer(struct px_timer *timer)
{
    return (struct px_exchange *)((char *)timer - offsetof(struct px_exchange, body.patience));
}

/* ---- the end ------------------------------------------------------------------------------- */

static void give(struct px_exchange *x, enum px_body_result result,
                 const struct proximadb_error *error)
{
    struct px_message *message = x->body.message;
    x->body.message = NULL;
    if (result != PX_BODY_COMPLETE) {
        px_message_free(message);
        message = NULL;
    }
    if (x->handler->on_body != NULL)
        x->handler->on_body(x, result, message, error);
    else
        px_message_free(message);
}

static void give_complete(struct px_exchange *x)
{
    const struct proximadb_error none = {.row_index = -1};
    give(x, PX_BODY_COMPLETE, &none);
}

static void give_no_memory(struct px_exchange *x)
{
    struct proximadb_error error;
    (void)px_fail_no_memory(&error);
    give(x, PX_BODY_NO_MEMORY, &error);
}

static void give_too_large(struct px_exchange *x, uint64_t size_bytes)
{
    struct proximadb_error error;
    (void)px_fail(&error, PROXIMADB_RESOURCE_EXHAUSTED,
                  "the body has %llu bytes or more, over the limit of %zu; send less at a time",
                  (unsigned long long)size_bytes, x->body.limit_bytes);
    give(x, PX_BODY_TOO_LARGE, &error);
}

static void give_no_room(struct px_exchange *x, size_t size_bytes)
{
    struct proximadb_error error;
    (void)px_fail(
        &error, PROXIMADB_RESOURCE_EXHAUSTED,
        "the server holds requests of %zu bytes already and has no room for %zu more; try "
        "again later, or with less",
        x->worker->budget->limit_bytes, size_bytes);
    give(x, PX_BODY_NO_ROOM, &error);
}

static void give_cut_short(struct px_exchange *x, size_t expected_bytes)
{
    struct proximadb_error error;
    (void)px_fail(&error, PROXIMADB_INVALID, "the body ended after %zu of %zu bytes",
                  x->body.message->size_bytes, expected_bytes);
    give(x, PX_BODY_CUT_SHORT, &error);
}

/* ---- receiving ----------------------------------------------------------------------------- */

static void reserve(struct px_exchange *x, size_t size_bytes);

/* An open-ended body is one byte over the limit at most: enough to see that it is too large. */
static void grow(struct px_exchange *x)
{
    struct px_body *body = &x->body;
    size_t capacity = body->message->capacity_bytes;
    size_t most = body->limit_bytes + 1;
    reserve(x, capacity > most / 2 ? most : 2 * capacity);
}

static void on_received(struct px_exchange *x, size_t size_bytes)
{
    struct px_body *body = &x->body;
    struct px_message *message = body->message;
    message->size_bytes += size_bytes;
    bool is_full = message->size_bytes == message->capacity_bytes;
    if (!body->is_open_ended && is_full)
        give_complete(x);
    else if (!body->is_open_ended)
        give_cut_short(x, message->capacity_bytes);
    else if (message->size_bytes > body->limit_bytes)
        give_too_large(x, message->size_bytes);
    else if (is_full)
        grow(x);
    else
        give_complete(x);
}

/* The bytes are reserved. */
static void receive_into(struct px_exchange *x, size_t capacity_bytes)
{
    struct px_message *message = px_message_new(x->worker->budget, capacity_bytes);
    if (message == NULL) {
        px_budget_return(x->worker->budget, capacity_bytes);
        give_no_memory(x);
        return;
    }
    struct px_message *smaller = x->body.message;
    if (smaller != NULL) {
        memcpy(message->data, smaller->data, smaller->size_bytes);
        message->size_bytes = smaller->size_bytes;
        px_message_free(smaller);
    }
    x->body.message = message;
    px_exchange__read(x, message->data + message->size_bytes, capacity_bytes - message->size_bytes,
                      PX_IMPATIENT, on_received);
}

/* ---- waiting for the budget ---------------------------------------------------------------- */

static void stop_waiting(struct px_exchange *x)
{
    x->body.is_waiting = false;
    px_loop_clear_timer(&x->worker->loop, &x->body.patience);
}

/* On the exchange's thread, after the budget was granted; the exchange is held for this. */
static void on_granted_here(struct px_task *task)
{
    struct px_exchange *x = exchange_of_task(task);
    bool is_wanted = x->body.is_waiting;
    stop_waiting(x);
    if (is_wanted)
        receive_into(x, x->body.waiter.size_bytes);
    else
        px_budget_return(x->worker->budget, x->body.waiter.size_bytes);
    px_exchange_drop(x);
}

static void on_granted_anywhere(struct px_budget_waiter *waiter)
{
    struct px_exchange *x = exchange_of_waiter(waiter);
    px_exchange_post(x, &x->body.granted);
}

static void on_patience_over(struct px_timer *timer)
{
    struct px_exchange *x = exchange_of_timer(timer);
    if (!px_budget_withdraw(x->worker->budget, &x->body.waiter))
        return; /* granted in this moment: the task is on its way */
    x->body.is_waiting = false;
    give_no_room(x, x->body.waiter.size_bytes);
    px_exchange_drop(x);
}

static void reserve(struct px_exchange *x, size_t size_bytes)
{
    struct px_budget *budget = x->worker->budget;
    struct px_body *body = &x->body;
    if (size_bytes > budget->limit_bytes) {
        give_no_room(x, size_bytes);
        return;
    }
    body->waiter =
        (struct px_budget_waiter){.size_bytes = size_bytes, .granted = on_granted_anywhere};
    body->granted.run = on_granted_here;
    body->patience.fire = on_patience_over;
    if (px_budget_reserve(budget, size_bytes)) {
        receive_into(x, size_bytes);
        return;
    }
    /* Held and marked before the waiter is seen by others, who may grant at once. */
    px_exchange_hold(x);
    body->is_waiting = true;
    if (px_budget_wait(budget, &body->waiter)) {
        body->is_waiting = false;
        receive_into(x, size_bytes);
        px_exchange_drop(x);
        return;
    }
    px_loop_set_timer(&x->worker->loop, &body->patience,
                      px_exchange_now_ms(x) + x->worker->config->limits.budget_wait_ms);
}

void px_body__cancel(struct px_exchange *x)
{
    bool was_waiting = x->body.is_waiting;
    stop_waiting(x);
    px_message_free(x->body.message);
    x->body.message = NULL;
    if (was_waiting && px_budget_withdraw(x->worker->budget, &x->body.waiter))
        px_exchange_drop(x);
}

/* ---- asking -------------------------------------------------------------------------------- */

void px_exchange_receive(struct px_exchange *exchange, size_t size_bytes)
{
    if (exchange->is_closed)
        return;
    assert(exchange->body.message == NULL && !exchange->body.is_waiting);
    exchange->body.limit_bytes = size_bytes;
    exchange->body.is_open_ended = false;
    reserve(exchange, size_bytes);
}

void px_exchange_collect(struct px_exchange *exchange, size_t limit_bytes)
{
    if (exchange->is_closed)
        return;
    assert(exchange->body.message == NULL && !exchange->body.is_waiting);
    assert(limit_bytes < SIZE_MAX);
    int64_t announced = exchange->content_length;
    exchange->body.limit_bytes = limit_bytes;
    exchange->body.is_open_ended = announced < 0;
    if (announced >= 0 && (uint64_t)announced > limit_bytes)
        give_too_large(exchange, (uint64_t)announced);
    else if (announced >= 0)
        reserve(exchange, (size_t)announced);
    else
        reserve(exchange,
                limit_bytes < FIRST_OPEN_ENDED_BYTES ? limit_bytes + 1 : FIRST_OPEN_ENDED_BYTES);
}
