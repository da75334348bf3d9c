/*
 * mailbox: work that any thread hands to one thread.
 *
 * A stack on one atomic pointer: posting is a compare-and-swap, taking everything is one exchange,
 * after which the owner turns the list round, so tasks run in the order they were posted. There is
 * no lock, and no other thread ever takes a node out, so the ABA problem does not arise.
 *
 * Threads: any thread posts; the owner thread takes. Memory: a task is part of what it concerns,
 * and must live until it ran.
 */
#ifndef PX_HTTP_MAILBOX_H
#define PX_HTTP_MAILBOX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* Fill in run; the rest belongs to whoever has the task. run may free it. */
struct px_task {
    void (*run)(struct px_task *task);
    struct px_task *next;
};

/* A zeroed one is empty. */
struct px_mailbox {
    _Atomic(struct px_task *) newest;
};

static inline void px_mailbox_post(struct px_mailbox *mailbox, struct px_task *task)
{
    task->next = atomic_load_explicit(&mailbox->newest, memory_order_relaxed);
    while (!atomic_compare_exchange_weak(&mailbox->newest, &task->next, task))
        ;
}

static inline bool px_mailbox_is_empty(struct px_mailbox *mailbox)
{
    return atomic_load(&mailbox->newest) == NULL;
}

/* Everything that was posted, oldest first, linked by next. */
struct px_task *px_mailbox_take(struct px_mailbox *mailbox);

#endif /* PX_HTTP_MAILBOX_H */
