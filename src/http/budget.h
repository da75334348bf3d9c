/*
 * budget: how many bytes of requests the whole server may hold at a time; and another one, of
 * answers.
 *
 * Memory for a message is reserved before the peer may send it, so a thousand clients that each
 * announce 64 MiB cost nothing until it is their turn. Whoever finds the budget used up may queue;
 * what is released goes to the queue in order, and while it is not empty nobody passes it, so a
 * large request is not starved by small ones.
 *
 * px_budget_charge() counts bytes that are there already and cannot be refused; they may push the
 * sum over the limit, and then reservations wait.
 *
 * A message may outlive the server that received it, since the engine frees it when it likes; so
 * the budget is counted, too, and goes with the last who holds it.
 *
 * Threads: any thread. The fast path is one atomic operation. Lock order: `lock` is the innermost.
 */
#ifndef PX_HTTP_BUDGET_H
#define PX_HTTP_BUDGET_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* A place in the queue. Fill in the first two members. */
struct px_budget_waiter {
    size_t size_bytes;
    /* The bytes are reserved for the waiter. Runs on whatever thread released bytes, under the
     * lock: it may post a task, and nothing else. */
    void (*granted)(struct px_budget_waiter *waiter);
    struct px_budget_waiter *next;
    struct px_budget_waiter *previous;
    bool is_queued;
};

struct px_budget {
    size_t limit_bytes;
    atomic_size_t reference_count;
    atomic_size_t used_bytes;
    atomic_size_t waiter_count;
    pthread_mutex_t lock; /* guards: first, last, and the links of all waiters */
    struct px_budget_waiter *first;
    struct px_budget_waiter *last;
};

/* One reference; NULL without memory. With the last reference nothing may be used any more. */
struct px_budget *px_budget_new(size_t limit_bytes);
struct px_budget *px_budget_ref(struct px_budget *budget);
void px_budget_unref(struct px_budget *budget); /* accepts NULL */

/* Reserves size_bytes at once, or nothing. */
bool px_budget_reserve(struct px_budget *budget, size_t size_bytes);

/* Reserves at once (true: granted is not called), or queues the waiter, which is kept until it was
 * granted or withdrawn. size_bytes must not exceed the limit. */
bool px_budget_wait(struct px_budget *budget, struct px_budget_waiter *waiter);

/* Leaves the queue. False: too late, the bytes are reserved and granted was called. */
bool px_budget_withdraw(struct px_budget *budget, struct px_budget_waiter *waiter);

/* Counts size_bytes without asking. */
void px_budget_charge(struct px_budget *budget, size_t size_bytes);

/* Gives back what was reserved or charged. */
void px_budget_return(struct px_budget *budget, size_t size_bytes);

#endif /* PX_HTTP_BUDGET_H */
