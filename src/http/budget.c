#include "http/budget.h"

#include <assert.h>
#include <stdlib.h>

struct px_budget *px_budget_new(size_t limit_bytes)
{
    struct px_budget *budget = calloc(1, sizeof *budget);
    if (budget == NULL)
        return NULL;
    budget->limit_bytes = limit_bytes;
    atomic_init(&budget->reference_count, 1);
    pthread_mutex_init(&budget->lock, NULL);
    return budget;
}

struct px_budget *px_budget_ref(struct px_budget *budget)
{
    atomic_fetch_add_explicit(&budget->reference_count, 1, memory_order_relaxed);
    return budget;
}

void px_budget_unref(struct px_budget *budget)
{
    if (budget == NULL ||
        atomic_fetch_sub_explicit(&budget->reference_count, 1, memory_order_acq_rel) > 1)
        return;
    assert(atomic_load(&budget->used_bytes) == 0);
    assert(budget->first == NULL);
    pthread_mutex_destroy(&budget->lock);
    free(budget);
}

/* Takes the bytes if they fit, whoever may be waiting. */
static bool take(struct px_budget *budget, size_t size_bytes)
{
    size_t used = atomic_load(&budget->used_bytes);
    do {
        if (used > budget->limit_bytes || size_bytes > budget->limit_bytes - used)
            return false;
    } while (!atomic_compare_exchange_weak(&budget->used_bytes, &used, used + size_bytes));
    return true;
}

bool px_budget_reserve(struct px_budget *budget, size_t size_bytes)
{
    return atomic_load(&budget->waiter_count) == 0 && take(budget, size_bytes);
}

static void unlink_waiter(struct px_budget *budget, struct px_budget_waiter *waiter)
{
    if (waiter->previous != NULL)
        waiter->previous->next = waiter->next;
    else
        budget->first = waiter->next;
    if (waiter->next != NULL)
        waiter->next->previous = waiter->previous;
    else
        budget->last = waiter->previous;
    waiter->is_queued = false;
    atomic_fetch_sub(&budget->waiter_count, 1);
}

static void append_waiter(struct px_budget *budget, struct px_budget_waiter *waiter)
{
    waiter->next = NULL;
    waiter->previous = budget->last;
    if (budget->last != NULL)
        budget->last->next = waiter;
    else
        budget->first = waiter;
    budget->last = waiter;
    waiter->is_queued = true;
}

/* Counting the waiter before trying, while px_budget_return() subtracts before it looks at the
 * count, makes sure that one of the two sees the other: no bytes are returned past a waiter. */
bool px_budget_wait(struct px_budget *budget, struct px_budget_waiter *waiter)
{
    assert(waiter->size_bytes <= budget->limit_bytes && waiter->granted != NULL);
    pthread_mutex_lock(&budget->lock);
    atomic_fetch_add(&budget->waiter_count, 1);
    bool reserved = budget->first == NULL && take(budget, waiter->size_bytes);
    if (reserved)
        atomic_fetch_sub(&budget->waiter_count, 1);
    else
        append_waiter(budget, waiter);
    pthread_mutex_unlock(&budget->lock);
    return reserved;
}

static void serve_queue(struct px_budget *budget)
{
    while (budget->first != NULL && take(budget, budget->first->size_bytes)) {
        struct px_budget_waiter *waiter = budget->first;
        unlink_waiter(budget, waiter);
        waiter->granted(waiter);
    }
}

bool px_budget_withdraw(struct px_budget *budget, struct px_budget_waiter *waiter)
{
    pthread_mutex_lock(&budget->lock);
    bool was_queued = waiter->is_queued;
    if (was_queued) {
        unlink_waiter(budget, waiter);
        serve_queue(budget); /* a smaller one may have stood behind it */
    }
    pthread_mutex_unlock(&budget->lock);
    return was_queued;
}

void px_budget_charge(struct px_budget *budget, size_t size_bytes)
{
    atomic_fetch_add(&budget->used_bytes, size_bytes);
}

void px_budget_return(struct px_budget *budget, size_t size_bytes)
{
    size_t used = atomic_fetch_sub(&budget->used_bytes, size_bytes);
    assert(used >= size_bytes);
    (void)used;
    if (atomic_load(&budget->waiter_count) == 0)
        return;
    pthread_mutex_lock(&budget->lock);
    serve_queue(budget);
    pthread_mutex_unlock(&budget->lock);
}
